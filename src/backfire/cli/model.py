"""The commands about models: start one, list and explain the pieces, hand one to other tools."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfire.cli.commands import (
    Form,
    FormOfData,
    MechanismFiles,
    OneScenario,
    changes_of,
    command,
    complete_scenarios,
    end_if_arms_failed,
)
from backfire.cli.terminal import DataFormat, OutputFormat, print_json, print_listing, say, terminal_width, write_line
from backfire.errors import RefusedError, UserError
from backfire.exchange import format_names

if TYPE_CHECKING:
    from backfire.scenario import Scenario


class SchemaKind(StrEnum):
    """The kinds of file there are."""

    SCENARIO = "scenario"
    SWEEP = "sweep"
    CLAIMS = "claims"
    POPULATION = "population"
    TRIAL = "trial"
    ABLATION = "ablation"
    SENSITIVITY = "sensitivity"


@command(place=40)
def new(
    name: Annotated[
        str,
        typer.Argument(
            help="a shipped scenario to copy, or a name of your own; with an option, whose it is",
            autocompletion=complete_scenarios,
        ),
    ],
    sweep: Annotated[bool, typer.Option("--sweep", help="a sweep of this scenario, file or shipped name")] = False,
    claims: Annotated[bool, typer.Option("--claims", help="claims about this scenario, file or shipped name")] = False,
    population: Annotated[
        bool, typer.Option("--population", help="plausible tumours of this scenario, file or shipped name")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="an SBML model to start from; writes its mechanism beside, NAME.py"),
    ] = None,
) -> None:
    """Print a file to start from: backfire new my-study > my-study.toml"""
    from backfire import reports

    if sweep + claims + population + (source is not None) > 1:
        raise UserError("give --sweep, --claims, --population or --from, not two of them: each is a file of its own")
    if source is not None:
        write_line(_from_sbml(name, source).rstrip("\n"))
        return
    asked = ((sweep, reports.new_sweep), (claims, reports.new_claims), (population, reports.new_population))
    write_line(next((make for wanted, make in asked if wanted), reports.new_scenario)(name).rstrip("\n"))


def _from_sbml(name: str, source: Path) -> str:
    """The scenario of an SBML model, whose mechanism is written beside it, over no file that is there."""
    from backfire.exchange import from_sbml
    from backfire.system import require_writable, write_whole

    made, path = from_sbml(source, name), Path(f"{name}.py")
    if path.exists():
        raise RefusedError(f"{path} is there already; give another name, or move it away")
    require_writable(path)
    write_whole(path, made.mechanism)
    say(f"written: {path}")
    if made.plain:
        say("its units are not made of cells and days: every number is a plain one, and a day one unit of its time")
    return made.scenario


@command(place=50)
def schema(
    kind: Annotated[SchemaKind, typer.Argument(help="of which kind of file")] = SchemaKind.SCENARIO, own: MechanismFiles = None
) -> None:
    """Print the JSON Schema of scenario files, sweeps, claims, populations or studies, for editors that complete and check."""
    from backfire.claims import claims_schema
    from backfire.populations import population_schema
    from backfire.scenario import json_schema
    from backfire.studies import study_schema
    from backfire.sweeps import sweep_schema

    made = {
        SchemaKind.SCENARIO: lambda: json_schema(own or ()),
        SchemaKind.SWEEP: sweep_schema,
        SchemaKind.CLAIMS: claims_schema,
        SchemaKind.POPULATION: population_schema,
    }
    print_json(made[kind]() if kind in made else study_schema(kind))


@command(place=60)
def scenarios(form: Form = OutputFormat.TABLE) -> None:
    """List the shipped scenarios."""
    from backfire.scenario import load, shipped_scenarios

    rows = [(name, loaded.article, loaded.title) for name in shipped_scenarios() if (loaded := load(name))]
    print_listing([("scenario", "article", "title"), *rows], form)


@command(place=70)
def mechanisms(
    name: Annotated[str | None, typer.Argument(help="show one mechanism whole")] = None,
    reads: Annotated[str | None, typer.Option(help="only those that read this name")] = None,
    changes: Annotated[str | None, typer.Option(help="only those that change this state, kind of process or definition")] = None,
    own: MechanismFiles = None,
    form: FormOfData = DataFormat.TABLE,
) -> None:
    """List the mechanisms, or show one with equations, options and parameters; of a FILE, show each."""
    from backfire import reports
    from backfire.scenario import library_of

    library = library_of(own or ())

    if name is not None and (reads or changes):
        raise UserError("give a mechanism, or --reads and --changes, not both")
    shown = [name] if name is not None else []
    if name is None:
        print_listing([("mechanism", "what it is", "reads", "changes"), *reports.mechanism_rows(reads, changes, library)], form)
        shown = [] if reads or changes or form is DataFormat.JSON else [one for file in library.files for one in file.classes]
    for label in shown:
        sections = reports.describe_mechanism(label, library)
        if form is DataFormat.JSON:
            print_json(reports.as_data(sections))
        else:
            write_line(reports.as_text(sections, terminal_width()))


@command(place=80)
def explain(
    scenario: OneScenario,
    latex: Annotated[bool, typer.Option("--latex", help="the equations as LaTeX")] = False,
    code: Annotated[bool, typer.Option("--code", help="the generated program")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="a page on the model, with claims and their verdicts")] = False,
    population: Annotated[
        Path | None, typer.Option(metavar="DIR", help="also how far the claims of this population narrow the parameters")
    ] = None,
    own: MechanismFiles = None,
    out: Annotated[Path | None, typer.Option(help="file to write instead of printing", metavar="FILE")] = None,
    form: FormOfData = DataFormat.TABLE,
) -> None:
    """Show a scenario's network: equations, parameters with unit, range, source and grade, regimens."""
    from backfire.scenario import load
    from backfire.system import require_writable, write_whole

    if latex + code + markdown + (form is DataFormat.JSON) > 1:
        raise UserError("give --latex, --code, --markdown or --format json, not both")
    if population is not None and (latex or code):
        raise UserError("--population belongs to the explanation and to --markdown, not to --latex or --code")
    if out is not None:
        require_writable(out, source=scenario)
    text = _explained(load(scenario, own or ()), latex, code, markdown, form, out is not None, population).rstrip("\n")
    if out is None:
        write_line(text)
        return
    write_whole(out, text + "\n")
    say(f"written: {out}")


def _explained(
    scenario: Scenario, latex: bool, code: bool, markdown: bool, form: DataFormat, wide: bool, population: Path | None
) -> str:
    """What explain shows; ``wide`` text is not wrapped, nor is any that is not read on a terminal."""
    if code:
        from backfire.solvers import generate

        return generate(scenario.network).source
    from backfire import reports
    from backfire.sampling import read_tumours

    tumours = None if population is None else read_tumours(population)
    if markdown:
        return reports.page(scenario, tumours)

    if latex:
        return reports.latex(scenario)
    sections = reports.explain(scenario, tumours)
    if form is DataFormat.JSON:
        from backfire.system import to_json

        return to_json(reports.as_data(sections))
    return reports.as_text(sections, None if wide else terminal_width())


@command(place=85)
def report(
    source: Annotated[
        str | None,
        typer.Argument(
            help="scenario file or shipped name, or the folder of a stored run",
            show_default=False,
            autocompletion=complete_scenarios,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="file to write; the name of the scenario with .html if left out", metavar="FILE")
    ] = None,
    change: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="as in run")] = None,
    population: Annotated[
        Path | None, typer.Option(metavar="DIR", help="also over the tumours of this population, whose scenario needs no name")
    ] = None,
    study: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="also the figures of this stored trial, ablation or sensitivity")
    ] = None,
    own: MechanismFiles = None,
) -> None:
    """Write a model as one HTML page that opens offline: story, figure, claims, equations, values, and an explorer."""
    from backfire import reports
    from backfire.simulation import simulate
    from backfire.system import require_writable

    if out is not None:
        require_writable(out, source=source)
    if source is None and population is None:
        raise UserError("give a scenario, the folder of a stored run, or --population DIR")
    if change and (source is None or population is not None or Path(source).is_dir()):
        raise UserError("--set: stored runs and populations have their values; give a scenario instead")
    if change:
        from backfire.scenario import load

        assert source is not None
        result = simulate(load(source, own or ()).changed(changes_of(change)))
    else:
        result = reports.result_of(source, own or (), population)
    path = out or Path(f"{result.scenario.name}.html")
    require_writable(path)
    reports.report(result, path, own or (), population, study or ())
    say(f"written: {path}")
    end_if_arms_failed([result])


@command(place=90)
def export(
    scenario: OneScenario,
    arm: Annotated[str | None, typer.Option(help="the reference arm if left out, for omex all arms", metavar="NAME")] = None,
    to: Annotated[
        str,
        typer.Option(help=" or ".join([", ".join(format_names()[:-1]), format_names()[-1]]), autocompletion=format_names),
    ] = "sbml",
    out: Annotated[Path | None, typer.Option(help="file to write instead of printing", metavar="FILE")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="as in run")] = None,
    own: MechanismFiles = None,
) -> None:
    """Write a model that other tools run: SBML or Antimony of one arm, or an OMEX archive of the study."""
    from backfire import exchange
    from backfire.scenario import load
    from backfire.system import require_writable, write_whole

    if out is not None:
        require_writable(out, source=scenario)
    loaded = load(scenario, own or ())
    if change:
        loaded = loaded.changed(changes_of(change))
    content = exchange.export(loaded, arm, to, out)
    form = exchange.format_named(to)
    if arm is None and not form.whole:
        say(f"arm: {exchange.default_arm(loaded)}; choose with --arm: {', '.join(loaded.arms)}")
    _say_renamed(exchange.renamed_ids(loaded, arm, to))
    if out is None and isinstance(content, bytes):  # nothing to print
        out = Path(f"{loaded.name}{form.suffix}")
        write_whole(out, content)
    if out is not None:
        say(f"written: {out}")
    elif isinstance(content, str):
        write_line(content.rstrip("\n"))


def _say_renamed(ids: Mapping[str, str]) -> None:
    """Say what the file calls otherwise; switches go by one rule, so the first of them stands for all."""
    told = [f"{name} is {called}" for name, called in ids.items()]
    switches = [text for name, text in zip(ids, told, strict=True) if "." in name]
    words = [text for text in told if text not in switches]
    alike = f" (and {len(switches) - 1} more switches alike)" if len(switches) > 1 else ""
    if told:
        say(f"renamed in the file: {', '.join([*words, *switches[:1]])}{alike}")
