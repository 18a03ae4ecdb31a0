"""The commands around a run: simulate scenarios, draw stored runs again, check files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfire.cli.commands import (
    SOME_FAILED,
    FigureFormat,
    FigureFormats,
    Form,
    FormOfData,
    MechanismFiles,
    Scenarios,
    Shown,
    Slides,
    changes_of,
    command,
    complete_any,
    end_if_arms_failed,
)
from backfire.cli.studies import study_loaders
from backfire.cli.terminal import DataFormat, OutputFormat, print_json, print_results, print_section, progress, say, write_line
from backfire.errors import DocumentError, UserError

if TYPE_CHECKING:
    from backfire.scenario import Scenario


@command(place=10)
def run(
    scenarios: Scenarios = None,
    out: Annotated[Path, typer.Option(help="folder for results")] = Path("results"),
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="parameter, switch (mechanism.influence) or regimen field (regimen.amount)"
        ),
    ] = None,
    days: Annotated[float | None, typer.Option(help="length of the simulation")] = None,
    population: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="every tumour that `backfire population` wrote to this folder, in place of a scenario"),
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help="only these arms", metavar="NAME")] = None,
    own: MechanismFiles = None,
    form: Form = OutputFormat.TABLE,
    show: Shown = None,
    figures: FigureFormats = FigureFormat.PNG,
    slides: Slides = False,
) -> None:
    """Simulate scenarios, or the tumours of populations, print their outcomes, write figures and tables."""
    from backfire import reports

    if population:
        if scenarios or slides:
            raise UserError(
                "give --population DIR alone, without scenarios and --slide: it has its scenario, its figure is a slide"
            )
        _over(population, out, change, days, arm, own, form, show, figures)
        return
    if not scenarios:
        raise UserError("give a scenario file, a name that `backfire scenarios` lists, or --population DIR")
    loaded = reports.load_all(scenarios, changes_of(change or []), days, own or (), show or ())
    _say_once([note for scenario in loaded for note in _notes(scenario)])
    with progress(sum(len(arm or scenario.arms) for scenario in loaded)) as advance:
        results = reports.run(loaded, out, arm, progress=advance, form=figures, slides=slides)
    print_results(results, form)
    for result in results:
        say(f"written: {out / result.scenario.name}")
    if len(results) > 1:
        say(f"written: {out / f'atlas.{figures}'}")
    end_if_arms_failed(results)


def _over(
    folders: Sequence[Path], out: Path, change: list[str] | None, days: float | None, arms: list[str] | None,
    own: list[Path] | None, form: OutputFormat, show: list[str] | None, figures: FigureFormat,
) -> None:  # fmt: skip
    """The same for every tumour of populations."""
    from backfire import reports
    from backfire.sampling import read_tumours

    changes = changes_of(change or [])
    # of several, every name is known before any is run; one cannot clash
    names = [read_tumours(folder).manifest["name"] for folder in folders] if len(folders) > 1 else []
    if doubled := {name for name in names if names.count(name) > 1}:
        raise UserError(f"two populations are called `{min(doubled)}`, and would be written to one folder; run them one by one")
    runs = [
        reports.run_population(folder, out, arms, show or (), figures, own or (), changes, days, notify=say) for folder in folders
    ]
    if form is OutputFormat.JSON:
        print_json(reports.population_data(runs))
    elif form is OutputFormat.CSV:
        write_line(reports.population_csv(runs).rstrip("\n"))
    else:
        for made in runs:
            print_section(reports.population_section(made))
    for made in runs:
        say(f"written: {made.folder}")
        if made.failed:
            say(f"failed: {made.scenario.name}: {made.failed} of {len(made.tumours)} tumours in some arm")
    if any(made.failed for made in runs):
        raise typer.Exit(SOME_FAILED)


@command(place=20)
def redraw(
    folders: Annotated[list[Path], typer.Argument(help="folders that `backfire run` wrote", show_default=False)],
    own: MechanismFiles = None,
    form: Form = OutputFormat.TABLE,
    show: Shown = None,
    figures: FigureFormats = FigureFormat.PNG,
    slides: Slides = False,
) -> None:
    """Recompute outcomes and redraw figures of stored runs, without simulating."""
    from backfire import reports

    results = [reports.redraw(folder, own or (), show or (), figures, slides) for folder in folders]
    print_results(results, form)
    end_if_arms_failed(results)


@command(place=30)
def check(
    files: Annotated[
        list[str],
        typer.Argument(
            help="files of scenarios, sweeps, claims or studies, or names of shipped ones",
            show_default=False,
            autocompletion=complete_any,
        ),
    ],
    own: MechanismFiles = None,
    form: FormOfData = DataFormat.TABLE,
) -> None:
    """Check files of any kind: every problem with file, line and key, and what changes nothing in the arms that have it."""
    from backfire import reports

    try:
        checked = reports.check(files, own or (), study_loaders())
    except DocumentError as error:
        if form is DataFormat.JSON:
            print_json({"checked": [], "problems": [dataclasses.asdict(problem) for problem in error.problems]})
        raise
    every = {(scenario.name, scenario.hash): scenario for item in checked for scenario in item.scenarios}
    tried = {key: _notes(scenario, tried=True) for key, scenario in every.items()}  # several files may speak of one scenario
    notes = [[note for scenario in item.scenarios for note in tried[scenario.name, scenario.hash]] for item in checked]
    if form is DataFormat.JSON:
        found = [{"name": item.name, "kind": item.kind, "content": item.content} for item in checked]
        print_json({"checked": [one | {"notes": told} for one, told in zip(found, notes, strict=True)], "problems": []})
    else:
        for item in checked:
            write_line(f"ok: {item.name} ({item.content})")
    _say_once([note for told in notes for note in told])


def _notes(scenario: Scenario, tried: bool = False) -> list[dict[str, str]]:
    """What is implausible, and what changes nothing; whoever has it ``tried`` by simulation gets notes on it, too."""
    from backfire.simulation import find_idle

    idle = [item for item in find_idle(scenario, simulated=tried) if tried or item.level == "warning"]
    found = [("warning", warning) for warning in scenario.warnings]
    found += [(item.level, f"{scenario.name}: {item}") for item in idle]
    return [{"level": level, "message": message} for level, message in found]


def _say_once(notes: Sequence[Mapping[str, str]]) -> None:
    """Say what there is to note, that of a scenario which several files speak of only once."""
    for line in dict.fromkeys(f"{note['level']}: {note['message']}" for note in notes):
        say(line)
