"""The command line. Data goes to stdout, messages to stderr; exit codes are part of the interface.

0 all well · 1 a bug of ours · 2 wrong input, nothing written · 3 finished, but some arms failed · 4 refused · 5 disk ·
130, 143 interrupted. Heavy libraries are imported by the command that needs them, so that ``--help`` is fast.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from backfire.errors import BackfireError, UserError, echo

if TYPE_CHECKING:
    from rich.console import Console

    from backfire.outcomes import Outcome
    from backfire.simulation import Result

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
        from backfire.references import version

        _print(f"backfire {version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version")] = False,
) -> None:
    pass


_SKIPPED = ("log_kill_", "peak_", "given_", "courses", "responded", "nadir", "burden_area", "mean_", "seeded")
_KEPT = ("nadir", "nadir_day", "log_kill_first", "log_kill_last")


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


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
    from backfire import study

    loaded = study.load_all(scenarios, _changes(change or []), days)
    for scenario in loaded:
        for warning in scenario.warnings:
            _say(f"warning: {warning}")
    with _progress(sum(len(arm or scenario.arms) for scenario in loaded)) as advance:
        results = study.run(loaded, out, arm, progress=advance)
    _print_results(results, form)
    for result in results:
        _say(f"written: {out / result.scenario.name}")
    if len(results) > 1:
        _say(f"written: {out / 'atlas.png'}")
    if sum(_report_failures(result) for result in results):
        raise typer.Exit(FAILED_ARMS)


@app.command()
def redraw(
    folders: Annotated[list[Path], typer.Argument(help="folders that `backfire run` wrote", show_default=False)],
    form: Annotated[Format, typer.Option("--format", help="how to print the outcomes")] = Format.TABLE,
) -> None:
    """Recompute outcomes and redraw figures of stored runs, without simulating."""
    from backfire import study

    results = [study.redraw(folder) for folder in folders]
    _print_results(results, form)
    if sum(_report_failures(result) for result in results):
        raise typer.Exit(FAILED_ARMS)


@app.command()
def check(scenarios: Scenarios) -> None:
    """Check scenario files without running them; every problem with file, line and key."""
    from backfire import study

    for scenario in study.load_all(scenarios):
        for warning in scenario.warnings:
            _say(f"warning: {warning}")
        network = scenario.network
        _print(
            f"ok: {scenario.name} ({len(network.states)} states, {len(network.processes)} processes, "
            f"{len(network.parameters)} parameters, {len(scenario.arms)} arms, hash {scenario.hash})"
        )


@app.command()
def new(name: Annotated[str, typer.Argument(help="a shipped scenario to copy, or a name of your own")]) -> None:
    """Print a scenario file to start from: backfire new my-study > my-study.toml"""
    from backfire.explanation import new_scenario

    _print(new_scenario(name).rstrip("\n"))


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors that complete and check."""
    from backfire.runs import to_json
    from backfire.schema import json_schema

    _print(to_json(json_schema()).rstrip("\n"))


@app.command()
def scenarios() -> None:
    """List the shipped scenarios."""
    from backfire.scenario import load, shipped_scenarios

    _table(("scenario", "article", "title"), [(name, load(name).article, load(name).title) for name in shipped_scenarios()])


@app.command()
def mechanisms(
    name: Annotated[str | None, typer.Argument(help="show one mechanism whole")] = None,
    reads: Annotated[str | None, typer.Option(help="only those that read this name")] = None,
    changes: Annotated[str | None, typer.Option(help="only those that change this state, kind of process or definition")] = None,
) -> None:
    """List the mechanisms, or show one with equations, options and parameters."""
    from backfire import explanation
    from backfire.mechanisms import shipped

    if name is not None and (reads or changes):
        raise UserError("give a mechanism, or --reads and --changes, not both")
    if name is None:
        _table(("mechanism", "what it is", "reads", "changes"), explanation.mechanism_rows(reads, changes))
        return
    _print(explanation.describe_mechanism(name, shipped()))


@app.command()
def explain(
    scenario: Annotated[str, typer.Argument(help="scenario file or shipped name")],
    latex: Annotated[bool, typer.Option("--latex", help="the equations as LaTeX")] = False,
    code: Annotated[bool, typer.Option("--code", help="the generated program")] = False,
) -> None:
    """Show a scenario's network: equations, parameters with unit, range, source and grade, regimens."""
    from backfire import explanation
    from backfire.scenario import load

    if latex and code:
        raise UserError("give --latex or --code, not both")
    loaded = load(scenario)
    if code:
        from backfire.codegen import generate

        _print(generate(loaded.network).source.rstrip("\n"))
    elif latex:
        _print(explanation.latex(loaded).rstrip("\n"))
    else:
        _print(explanation.as_text(explanation.explain(loaded)))


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


def _print_results(results: Sequence[Result], form: Format) -> None:
    if form is Format.JSON:
        from backfire.runs import to_json

        _print(
            to_json(
                [{"scenario": r.scenario.name, "hash": r.scenario.hash, "outcomes": r.outcome_rows()} for r in results]
            ).rstrip("\n")
        )
    elif form is Format.CSV:
        from backfire.runs import outcomes_csv

        for index, result in enumerate(results):
            lines = outcomes_csv(result).splitlines()
            rows = [f"{'scenario' if number == 0 else result.scenario.name},{line}" for number, line in enumerate(lines)]
            _print("\n".join(rows if index == 0 else rows[1:]))
    else:
        for result in results:
            _print_outcomes(result)


def _print_outcomes(result: Result) -> None:
    """One table: outcomes down, arms across; below each value its change against untreated and reference."""
    from backfire.references import CAUTION

    scenario = result.scenario
    names = list(dict.fromkeys(name for found in result.outcomes.values() for name in found))
    shown = [
        name
        for name in names
        if name in _KEPT or (name.startswith("peak_") and not name.endswith("_day")) or not name.startswith(_SKIPPED)
    ]
    rows = []
    for name in shown:
        unit = next(found[name].unit for found in result.outcomes.values() if name in found)
        cells = [_outcome_cell(result, arm, name) for arm in result.outcomes]
        rows.append((f"{name.replace('_', ' ')}\n  {'' if unit == '1' else unit}".rstrip(), *cells))
    _print(scenario.title)
    _table(("", *(arm.replace("_", " ") for arm in result.outcomes)), rows, numbers=True)
    against = f", then against {scenario.reference}" if scenario.reference else ""
    _print(f"below each value: against untreated{against} (× ratio, days as difference). > not seen until then.")
    _print(f"{CAUTION} · scenario {scenario.name} {scenario.hash}\n")


def _outcome_cell(result: Result, arm: str, name: str) -> str:
    item = result.outcomes[arm].get(name)
    if item is None or not math.isfinite(item.value):
        return "–"
    others = (result.scenario.untreated, result.scenario.reference)
    changes = [_change_text(item, result.change(name, arm, other)) for other in others if other is not None]
    return f"{_value_text(item)}\n{'  '.join(change or '·' for change in changes) if any(changes) else ''}"


def _value_text(item: Outcome) -> str:
    from backfire.plots import number

    if item.name in ("eradicated", "responded"):
        return "yes" if item.value else "no"
    return number(item.value) if item.observed else f"> {number(item.value)}"


def _change_text(item: Outcome, change: float | None) -> str:
    from backfire.plots import number

    if change is None or item.name in ("eradicated", "responded"):
        return ""
    return f"{round(change, 3) + 0.0:+.3g}" if item.unit == "day" else f"×{number(change)}"


def _report_failures(result: Result) -> int:
    """Say which arms failed and why; gives how many."""
    failed = 0
    for arm, item in result.trajectories.items():
        if not item.status.good:
            failed += 1
            _say(f"failed: {result.scenario.name}: {arm}: {item.status.word}: {item.message}")
    return failed


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 150
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = False) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if numbers and index else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    _console().print(table)


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A progress bar on stderr while someone watches, nothing otherwise."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress

    with Progress(console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=total)

        def advance(what: str) -> None:
            bar.update(task, advance=1, description=what)

        yield advance


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _interrupted(number: int, _: object) -> NoReturn:
    _say("interrupted; what is written is whole, run the command again")
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
        _say("interrupted; what is written is whole, run the command again")
        return 130
    except OSError as error:
        _say(f"backfire: cannot write: {error.strerror or error}")
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  its own flush would fail again
        return 5


def _call(arguments: Sequence[str] | None) -> int:
    try:
        given = app(args=list(arguments) if arguments is not None else None, prog_name="backfire", standalone_mode=False)
        return given if isinstance(given, int) else 0
    except typer.Abort:
        return 130
    except BackfireError as error:
        _say(f"backfire: {error}" if "\n" not in str(error) else str(error))
        return error.exit_code
    except (OSError, KeyboardInterrupt):
        raise
    except Exception as error:
        # wrong words on the command line: typer brings click's errors under changing names, all with show()
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return 2
        _say(f"backfire: a bug of ours: {type(error).__name__}: {echo(error)}\n  the whole story: {_log(error)}")
        return 1


def _log(error: Exception) -> str:
    """Where the traceback was kept."""
    handle, path = tempfile.mkstemp(prefix="backfire-", suffix=".log", text=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(traceback.format_exception(error))
    return path
