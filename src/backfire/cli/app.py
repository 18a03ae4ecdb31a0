"""The command line. Data goes to stdout, messages to stderr; exit codes are part of the interface.

0 all well · 1 a bug of ours · 2 wrong input, nothing written · 3 finished, but some arms failed · 4 refused · 5 disk ·
6 those who computed are gone · 130, 143 interrupted. Heavy libraries are imported by the command that needs them, so
that ``--help`` is fast.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from backfire.cli.claims import claims
from backfire.cli.sweep import rerun, sweep, sweeps
from backfire.cli.terminal import Format, print_results, print_table, progress, report_failures, say, write_line
from backfire.errors import BackfireError, UserError, echo

if TYPE_CHECKING:
    from backfire.scenario import Scenario

app = typer.Typer(
    name="backfire",
    help="Why treated tumours come back: the body answers the drug. Illustrative, not clinically calibrated.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

FAILED_ARMS = 3


def _show_version(wanted: bool) -> None:
    if wanted:
        from backfire.model import version

        write_line(f"backfire {version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version")] = False,
) -> None:
    pass


Scenarios = Annotated[list[str], typer.Argument(help="scenario files, or names of shipped scenarios", show_default=False)]


@app.command()
def run(
    scenarios: Scenarios,
    out: Annotated[Path, typer.Option(help="folder for results")] = Path("results"),
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="parameter, switch (mechanism.influence) or regimen field (regimen.amount)"
        ),
    ] = None,
    days: Annotated[float | None, typer.Option(help="length of the simulation")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="only these arms", metavar="NAME")] = None,
    form: Annotated[Format, typer.Option("--format", help="how to print the outcomes")] = Format.TABLE,
) -> None:
    """Simulate scenarios, print their outcomes, write figures and tables."""
    from backfire import reports

    loaded = reports.load_all(scenarios, _changes(change or []), days)
    for scenario in loaded:
        for warning in scenario.warnings:
            say(f"warning: {warning}")
    with progress(sum(len(arm or scenario.arms) for scenario in loaded)) as advance:
        results = reports.run(loaded, out, arm, progress=advance)
    print_results(results, form)
    for result in results:
        say(f"written: {out / result.scenario.name}")
    if len(results) > 1:
        say(f"written: {out / 'atlas.png'}")
    if sum(report_failures(result) for result in results):
        raise typer.Exit(FAILED_ARMS)


@app.command()
def redraw(
    folders: Annotated[list[Path], typer.Argument(help="folders that `backfire run` wrote", show_default=False)],
    form: Annotated[Format, typer.Option("--format", help="how to print the outcomes")] = Format.TABLE,
) -> None:
    """Recompute outcomes and redraw figures of stored runs, without simulating."""
    from backfire import reports

    results = [reports.redraw(folder) for folder in folders]
    print_results(results, form)
    if sum(report_failures(result) for result in results):
        raise typer.Exit(FAILED_ARMS)


@app.command()
def check(scenarios: Scenarios) -> None:
    """Check scenario files without running them; every problem with file, line and key."""
    from backfire import reports

    for scenario in reports.load_all(scenarios):
        for warning in scenario.warnings:
            say(f"warning: {warning}")
        network = scenario.network
        write_line(
            f"ok: {scenario.name} ({len(network.states)} states, {len(network.processes)} processes, "
            f"{len(network.parameters)} parameters, {len(scenario.arms)} arms, hash {scenario.hash})"
        )


@app.command()
def new(name: Annotated[str, typer.Argument(help="a shipped scenario to copy, or a name of your own")]) -> None:
    """Print a scenario file to start from: backfire new my-study > my-study.toml"""
    from backfire.reports import new_scenario

    write_line(new_scenario(name).rstrip("\n"))


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors that complete and check."""
    from backfire.scenario import json_schema
    from backfire.system import to_json

    write_line(to_json(json_schema()).rstrip("\n"))


@app.command()
def scenarios() -> None:
    """List the shipped scenarios."""
    from backfire.scenario import load, shipped_scenarios

    print_table(("scenario", "article", "title"), [(name, load(name).article, load(name).title) for name in shipped_scenarios()])


@app.command()
def mechanisms(
    name: Annotated[str | None, typer.Argument(help="show one mechanism whole")] = None,
    reads: Annotated[str | None, typer.Option(help="only those that read this name")] = None,
    changes: Annotated[str | None, typer.Option(help="only those that change this state, kind of process or definition")] = None,
) -> None:
    """List the mechanisms, or show one with equations, options and parameters."""
    from backfire import reports
    from backfire.mechanisms import shipped

    if name is not None and (reads or changes):
        raise UserError("give a mechanism, or --reads and --changes, not both")
    if name is None:
        print_table(("mechanism", "what it is", "reads", "changes"), reports.mechanism_rows(reads, changes))
        return
    write_line(reports.describe_mechanism(name, shipped()))


@app.command()
def explain(
    scenario: Annotated[str, typer.Argument(help="scenario file or shipped name")],
    latex: Annotated[bool, typer.Option("--latex", help="the equations as LaTeX")] = False,
    code: Annotated[bool, typer.Option("--code", help="the generated program")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="a page on the model, with claims and their verdicts")] = False,
    out: Annotated[Path | None, typer.Option(help="file to write instead of printing", metavar="FILE")] = None,
) -> None:
    """Show a scenario's network: equations, parameters with unit, range, source and grade, regimens."""
    from backfire.scenario import load

    if latex + code + markdown > 1:
        raise UserError("give --latex, --code or --markdown, not both")
    text = _explained(load(scenario), latex, code, markdown, wide=out is not None).rstrip("\n")
    if out is None:
        write_line(text)
        return
    from backfire.system import write_whole

    write_whole(out, text + "\n")
    say(f"written: {out}")


def _explained(scenario: Scenario, latex: bool, code: bool, markdown: bool, wide: bool) -> str:
    """What explain shows; ``wide`` text is not wrapped, nor is any that is not read on a terminal."""
    if code:
        from backfire.solvers import generate

        return generate(scenario.network).source
    if markdown:
        from backfire.reports import page

        return page(scenario)
    from backfire import reports

    if latex:
        return reports.latex(scenario)
    width = shutil.get_terminal_size().columns if not wide and sys.stdout.isatty() else None
    return reports.as_text(reports.explain(scenario), width)


@app.command()
def export(
    scenario: Annotated[str, typer.Argument(help="scenario file or shipped name")],
    arm: Annotated[str | None, typer.Option(help="the reference arm if left out, for omex all arms", metavar="NAME")] = None,
    to: Annotated[str, typer.Option(help="sbml, antimony or omex")] = "sbml",
    out: Annotated[Path | None, typer.Option(help="file to write instead of printing", metavar="FILE")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="as in run")] = None,
) -> None:
    """Write a model that other tools run: SBML or Antimony of one arm, or an OMEX archive of the study."""
    from backfire.exchange import omex
    from backfire.scenario import load

    loaded = load(scenario)
    if change:
        loaded = loaded.changed(_changes(change))
    if out is None and to == "omex":  # an archive is nothing to print
        out = Path(f"{loaded.name}.omex")
    content = omex.export(loaded, arm, to, out)
    if arm is None and to != "omex":
        say(f"arm: {omex.default_arm(loaded)}; choose with --arm: {', '.join(loaded.arms)}")
    if out is not None:
        say(f"written: {out}")
    elif isinstance(content, str):
        write_line(content.rstrip("\n"))


app.command()(claims)
app.command()(sweep)
app.command()(sweeps)
app.command()(rerun)


def _changes(given: Sequence[str]) -> dict[str, float | int | str]:
    """``name=value`` texts as a mapping; numbers become numbers, anything else stays text for the checks to refuse."""
    changes: dict[str, float | int | str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--set {echo(text)}: write it as name=value, for example --set growth_rate=0.2")
        if name.strip() in changes:
            raise UserError(f"--set {echo(name)} is given twice")
        changes[name.strip()] = _number(value.strip())
    return changes


def _number(text: str) -> float | int | str:
    if re.fullmatch(r"[+-]?\d{1,30}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", text, re.ASCII):
        return float(text)
    return text


def _interrupted(number: int, _: object) -> NoReturn:
    say("interrupted; what is written is whole, run the command again")
    raise SystemExit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the console script exits with it."""
    os.environ["MPLBACKEND"] = "agg"  # figures go to files, whatever the user's screen
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  a closed stream
        setattr(sys, name, stream)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show × shows ?
    with contextlib.suppress(ValueError):  # not the main thread: signals are the caller's
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup a hang-up is to be ignored
                signal.signal(number, _interrupted)
    try:
        code = _call(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # the reader has gone; point stdout elsewhere so that the interpreter's own flush stays silent
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        say("interrupted; what is written is whole, run the command again")
        return 130
    except OSError as error:
        say(f"backfire: cannot write: {error.strerror or error}")
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  its own flush would fail again
        return 5


def _call(arguments: Sequence[str] | None) -> int:
    try:
        given = app(args=list(arguments) if arguments is not None else None, prog_name="backfire", standalone_mode=False)
        return given if isinstance(given, int) else 0
    except typer.Abort:
        return 130
    except BackfireError as error:
        say(f"backfire: {error}" if "\n" not in str(error) else str(error))
        return error.exit_code
    except (OSError, KeyboardInterrupt):
        raise
    except Exception as error:
        # wrong words on the command line: typer brings click's errors under changing names, all with show()
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return 2
        say(f"backfire: a bug of ours: {type(error).__name__}: {echo(error)}\n  the whole story: {_log(error)}")
        return 1


def _log(error: Exception) -> str:
    """Where the traceback was kept."""
    handle, path = tempfile.mkstemp(prefix="backfire-", suffix=".log", text=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(traceback.format_exception(error))
    return path
