"""The command ``backfire synergy``: do two agents do more together than they should?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backfire.cli.commands import SOME_FAILED, FormOfData, MechanismFiles, changes_of, command, complete_scenarios
from backfire.cli.terminal import DataFormat, print_json, print_table, say, write_line, write_prose
from backfire.errors import StorageError, UserError, echo

if TYPE_CHECKING:
    from backfire.studies import Synergy


@command(place=117)
def synergy(
    scenario: Annotated[
        str | None, typer.Argument(help="scenario file or shipped name", show_default=False, autocompletion=complete_scenarios)
    ] = None,
    arm: Annotated[str | None, typer.Option(help="the arm that gives both", show_default=False)] = None,
    agents: Annotated[
        list[str] | None,
        typer.Option("--agent", metavar="NAME", help="one of the pair; twice, where an arm gives more than two"),
    ] = None,
    doses: Annotated[str, typer.Option(help="multiples of the scenario's own doses, with 0 and 1")] = "0,0.25,0.5,0.75,1,1.5,2",
    at: Annotated[str, typer.Option(help="days of the log kills, such as 30,60; thirds of the time if left out")] = "",
    endpoints: Annotated[
        list[str] | None,
        typer.Option(
            "--endpoint", metavar="NAME", help="log_kill, time_to_progression, burden_area or cure_probability; may be repeated"
        ),
    ] = None,
    of: Annotated[str, typer.Option(help="the total whose log kill it is, such as metastatic_burden")] = "burden",
    population: Annotated[
        Path | None, typer.Option(help="folder of a population, whose tumours give intervals", show_default=False)
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="parameter, switch or regimen field")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--tumours", min=1, help="so many of the population; all if left out", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for results")] = Path("results/synergy"),
    show: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="one table of what stands in such folders", show_default=False)
    ] = None,
    form: FormOfData = DataFormat.TABLE,
    own: MechanismFiles = None,
) -> None:
    """Compare two agents over a grid of doses with what neither helping the other would give: Bliss, Loewe, the better one."""
    from backfire import studies
    from backfire.scenario import load
    from backfire.system import require_writable

    if show:
        if scenario is not None:
            raise UserError("--show reads what is stored; leave out the scenario")
        _show([_stored(folder) for folder in show], form)
        return
    if scenario is None:
        raise UserError("give a scenario file or the name of a shipped one, or --show DIR")
    if number is not None and population is None:
        raise UserError(f"--tumours {number} is so many of a population; give its folder with --population")
    original = load(scenario, own or ())
    loaded = original.changed(changes_of(change)) if change else original
    require_writable(out / loaded.name, folder=True)  # what is wrong with the question leaves no folder behind
    made = studies.synergy(
        loaded, arm, agents or (), _numbers("--doses", doses), _numbers("--at", at), endpoints or studies.ENDPOINTS[:1],
        studies.tumours_of(population, original, number) if population else None, of,
    )  # fmt: skip
    _tell(made, out, form, change or ())


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UserError(f"{option} {echo(text)}: give numbers with commas between them") from None


def _tell(made: Synergy, out: Path, form: DataFormat, changes: Sequence[str]) -> None:
    from backfire.simulation import prepare_folder
    from backfire.studies import synergy_csv, synergy_data
    from backfire.system import to_json, write_whole

    folder = prepare_folder(out, made.scenario.name)
    data = synergy_data(made) | {"set": [*changes]}
    if form is DataFormat.JSON:
        print_json(data)
    else:
        _report(made)
    write_whole(folder / "synergy.json", to_json(data | {"sum": _sum(json.loads(to_json(data)))}))
    write_whole(folder / "surfaces.csv", synergy_csv(made))
    _draw(made, folder)
    say(f"written: {folder}")
    if made.failed:
        say(f"failed: {made.failed} of {made.members} members, which are left out: {made.failure}")
        raise typer.Exit(SOME_FAILED)


def _sum(data: dict[str, Any]) -> str:
    """A checksum of what is stored, so that what is shown again is what came of a study."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _stored(folder: Path) -> dict[str, Any]:
    path = folder / "synergy.json"
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ValueError
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("sum") != _sum(data):
            raise ValueError
        return {key: data[key] for key in ("caution", "scenario", "hash", "set", "agents", "tumours", "excesses", "effects")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "damaged, or of an older version"
        raise StorageError(f"{folder}: holds no pair of agents (synergy.json: {reason})") from None


def _show(every: list[dict[str, Any]], form: DataFormat) -> None:
    from backfire.studies import synergy_rows

    if form is DataFormat.JSON:
        print_json(every)
        return
    print_table(synergy_rows(every))
    many = ", ".join(dict.fromkeys(str(data["tumours"]) for data in every))
    where = "an index, below 1 for synergy, have only tumours in which one agent alone does as much at some dose"
    write_prose(f"decades; medians, and intervals of nine in ten, of {many} tumours; {where}")
    write_line(f"{every[0]['caution']} · " + ", ".join(f"{data['scenario']} {data['hash']}" for data in every))


def _report(made: Synergy) -> None:
    from backfire.studies import synergy_data, synergy_interval, synergy_number

    tumours = f", {made.tumours} tumours: median, and interval of nine in ten" if made.tumours > 1 else ""
    write_line(f"{made.scenario.title}\n{' and '.join(made.agents)} in arm {made.arm}{tumours}\n")
    rows = [("endpoint", "beyond", "at own doses", "peak", "at doses")]
    for item in synergy_data(made)["excesses"]:
        if item["excess"] is None and item["peak"] is None:
            told = ("does not apply", "", "")
        else:
            excess = synergy_interval((item["excess"], item["low"], item["high"]), made.tumours > 1)
            told = (excess, synergy_number(item["peak"]), " × ".join(map(synergy_number, item["peak_doses"])))
        rows.append((f"{item['endpoint']} ({item['measure']})", item["null"], *told))
    print_table(rows)
    for surface, statement in zip(made.surfaces, made.statements, strict=True):
        write_line(f"\n{statement}.")
        for remark in surface.remarks:
            write_line(f"  note: {remark}")


def _draw(made: Synergy, folder: Path) -> None:
    from backfire.figures import SynergyPanel, png, synergy_surfaces
    from backfire.studies import quantile
    from backfire.system import write_whole

    panels = [
        SynergyPanel(
            item.name,
            item.measure,
            quantile(item.effects, 0.5),
            {name: quantile(item.excess(key), 0.5) for key, name in _BEYOND.items()},
        )
        for item in made.surfaces
    ]
    remark = f"Medians of {made.tumours} tumours." if made.tumours > 1 else "One tumour, the scenario's own."
    hashes = {made.scenario.name: made.scenario.hash}
    title = f"{made.scenario.title}: together and apart"
    figure = synergy_surfaces(title, remark, made.agents, made.surfaces[0].doses, panels, hashes)
    write_whole(folder / "synergy.png", png(figure))


_BEYOND = {"bliss": "Bliss", "loewe": "Loewe"}
