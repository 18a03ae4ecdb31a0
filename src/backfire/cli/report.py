"""The command that writes a page for people: everything on a model in one file that opens anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backfire.cli.commands import MechanismFiles, changes_of, command, complete_scenarios
from backfire.cli.terminal import say
from backfire.errors import UserError


@command(place=85)
def report(
    source: Annotated[
        str,
        typer.Argument(
            help="scenario file or shipped name, or the folder of a stored run",
            show_default=False,
            autocompletion=complete_scenarios,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="file to write; the name of the scenario with .html if left out", metavar="FILE")
    ] = None,
    change: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="as in run")] = None,
    own: MechanismFiles = None,
) -> None:
    """Write a model as one HTML page that opens offline: story, figure, claims, equations, values, and an explorer."""
    from backfire import reports
    from backfire.scenario import load
    from backfire.simulation import read_run, simulate
    from backfire.system import require_writable

    if out is not None:
        require_writable(out)
    stored = Path(source).is_dir()
    if stored and change:
        raise UserError("--set: a stored run has its values; give its scenario instead")
    if stored:
        result = read_run(source, own or ())
    else:
        scenario = load(source, own or ())
        result = simulate(scenario.changed(changes_of(change)) if change else scenario)
    path = out or Path(f"{result.scenario.name}.html")
    require_writable(path)
    reports.report(result, path)
    say(f"written: {path}")
