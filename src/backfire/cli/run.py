"""The commands around a run: simulate scenarios, draw stored runs again, check files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backfire.cli.commands import Scenarios, changes_of, command
from backfire.cli.terminal import OutcomeFormat, print_results, progress, report_failures, say, write_line

FAILED_ARMS = 3


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
    form: Annotated[OutcomeFormat, typer.Option("--format", help="how to print the outcomes")] = OutcomeFormat.TABLE,
) -> None:
    """Simulate scenarios, print their outcomes, write figures and tables."""
    from backfire import reports

    loaded = reports.load_all(scenarios, changes_of(change or []), days)
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


@command(place=20)
def redraw(
    folders: Annotated[list[Path], typer.Argument(help="folders that `backfire run` wrote", show_default=False)],
    form: Annotated[OutcomeFormat, typer.Option("--format", help="how to print the outcomes")] = OutcomeFormat.TABLE,
) -> None:
    """Recompute outcomes and redraw figures of stored runs, without simulating."""
    from backfire import reports

    results = [reports.redraw(folder) for folder in folders]
    print_results(results, form)
    if sum(report_failures(result) for result in results):
        raise typer.Exit(FAILED_ARMS)


@command(place=30)
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
