"""The commands around a run: simulate scenarios, draw stored runs again, check files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfire.cli.commands import (
    SOME_FAILED,
    FigureFormat,
    FigureFormats,
    MechanismFiles,
    Scenarios,
    Shown,
    changes_of,
    command,
)
from backfire.cli.terminal import OutcomeFormat, print_results, progress, say, write_line

if TYPE_CHECKING:
    from backfire.scenario import Scenario
    from backfire.simulation import Result


@command(place=10)
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
    own: MechanismFiles = None,
    form: Annotated[OutcomeFormat, typer.Option("--format", help="how to print the outcomes")] = OutcomeFormat.TABLE,
    show: Shown = None,
    figures: FigureFormats = FigureFormat.PNG,
) -> None:
    """Simulate scenarios, print their outcomes, write figures and tables."""
    from backfire import reports

    loaded = reports.load_all(scenarios, changes_of(change or []), days, own or (), show or ())
    for scenario in loaded:
        _warn(scenario)
    with progress(sum(len(arm or scenario.arms) for scenario in loaded)) as advance:
        results = reports.run(loaded, out, arm, progress=advance, form=figures)
    print_results(results, form)
    for result in results:
        say(f"written: {out / result.scenario.name}")
    if len(results) > 1:
        say(f"written: {out / f'atlas.{figures}'}")
    _end_if_arms_failed(results)


@command(place=20)
def redraw(
    folders: Annotated[list[Path], typer.Argument(help="folders that `backfire run` wrote", show_default=False)],
    own: MechanismFiles = None,
    form: Annotated[OutcomeFormat, typer.Option("--format", help="how to print the outcomes")] = OutcomeFormat.TABLE,
    show: Shown = None,
    figures: FigureFormats = FigureFormat.PNG,
) -> None:
    """Recompute outcomes and redraw figures of stored runs, without simulating."""
    from backfire import reports

    results = [reports.redraw(folder, own or (), show or (), figures) for folder in folders]
    print_results(results, form)
    _end_if_arms_failed(results)


@command(place=30)
def check(
    files: Annotated[
        list[str], typer.Argument(help="files of scenarios, sweeps or claims, or names of shipped ones", show_default=False)
    ],
    own: MechanismFiles = None,
) -> None:
    """Check files of any kind: every problem with file, line and key, and what changes nothing in the arms that have it."""
    from backfire import reports

    told = set[tuple[str, str]]()  # several files may speak of one scenario
    for checked in reports.check(files, own or ()):
        for scenario in checked.scenarios:
            if (scenario.name, scenario.hash) not in told:
                _warn(scenario, tried=True)
            told.add((scenario.name, scenario.hash))
        write_line(f"ok: {checked.name} ({checked.content})")


def _warn(scenario: Scenario, tried: bool = False) -> None:
    """Say what is implausible, and what changes nothing; whoever has it ``tried`` by simulation hears notes on it too."""
    from backfire.simulation import find_idle

    for warning in scenario.warnings:
        say(f"warning: {warning}")
    for item in find_idle(scenario, simulated=tried):
        if tried or item.level == "warning":
            say(f"{item.level}: {scenario.name}: {item}")


def _end_if_arms_failed(results: Sequence[Result]) -> None:
    """Say which arms failed and why; if any did, the exit code says so too."""
    arms = [(item.scenario.name, arm, course) for item in results for arm, course in item.trajectories.items()]
    failed = [(name, arm, course) for name, arm, course in arms if not course.status.good]
    for name, arm, course in failed:
        say(f"failed: {name}: {arm}: {course.status.word}: {course.message}")
    if failed:
        raise typer.Exit(SOME_FAILED)
