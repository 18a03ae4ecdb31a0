"""The command ``backfire optimise``: which schedule is best under a budget?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backfire.cli.commands import FormOfData, MechanismFiles, OneScenario, command
from backfire.cli.terminal import DataFormat, print_json, print_table, say, write_line
from backfire.errors import UserError, echo

if TYPE_CHECKING:
    from backfire.scenario import Scenario
    from backfire.studies import Front, Optimum


@command(place=118)
def optimise(
    scenario: OneScenario,
    vary: Annotated[
        list[str],
        typer.Option(metavar="NAME=LOW:HIGH", help="a number of a regimen or rule, and its limits", show_default=False),
    ],
    outcome: Annotated[
        list[str], typer.Option(help="what is to be best; given twice, the front of what two allow together", show_default=False)
    ],
    arm: Annotated[str | None, typer.Option(help="the arm whose schedule it is", show_default=False)] = None,
    quantile: Annotated[
        float, typer.Option(help="over tumours, from the bad end: 0.5 the median, 0.1 one that does badly")
    ] = 0.5,
    better: Annotated[
        list[str] | None, typer.Option(help="low or high, where the outcome itself does not say; once for each outcome")
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(metavar="AGENT=TOTAL", help="the most that may be given; without, every agent keeps its own total"),
    ] = None,
    population: Annotated[
        Path | None, typer.Option(help="folder of a population, over whose tumours it is best", show_default=False)
    ] = None,
    number: Annotated[
        int | None, typer.Option("--tumours", min=1, help="so many of the population; all if left out", show_default=False)
    ] = None,
    points: Annotated[int, typer.Option(help="points of a front")] = 7,
    seed: Annotated[int, typer.Option(help="another number searches in another order")] = 0,
    generations: Annotated[int, typer.Option(help="how long to search")] = 40,
    out: Annotated[Path, typer.Option(help="folder for results")] = Path("results/optimise"),
    form: FormOfData = DataFormat.TABLE,
    own: MechanismFiles = None,
) -> None:
    """Search for the days, doses and thresholds of an arm that are best under a budget, and write them as a scenario.

    A search that was cut off goes on where it was when the same command is given again.
    """
    from backfire import studies
    from backfire.scenario import load
    from backfire.simulation import prepare_folder
    from backfire.system import lock

    _fitting(outcome, better or (), number, population)
    loaded = load(scenario, own or ())
    limits = {name: _limits(text) for name, text in _pairs("--vary", vary).items()}
    most = {name: _number("--budget", text) for name, text in _pairs("--budget", budget or []).items()}
    how: Any = {"quantile": quantile, "keep_totals": not most, "budget": most, "seed": seed, "generations": generations}
    how |= {"tumours": studies.tumours_of(population, loaded, number) if population else None}
    sides = (*(better or ()), "", "")
    studies.search_for(loaded, limits, tuple(outcome), arm, sides, how, points)  # what is wrong leaves no folder behind
    folder = prepare_folder(out, loaded.name)
    how |= {"notify": say, "folder": folder}
    with lock(folder, "search"):
        if len(outcome) == 1:
            _single(studies.optimise(loaded, limits, outcome[0], arm, sides[0], **how), folder, form)
        else:
            pair = outcome[0], outcome[1]
            _front(studies.trade_off(loaded, limits, pair, arm, sides[:2], points, **how), folder, form)


def _fitting(outcome: Sequence[str], better: Sequence[str], number: int | None, population: Path | None) -> None:
    """Refuse options that do not go together."""
    if number is not None and population is None:
        raise UserError(f"--tumours {number} is so many of a population; give its folder with --population")
    if len(outcome) > 2 or len(better) > len(outcome):
        raise UserError("give one --outcome, or two for their front, and at most one --better for each")


def _single(made: Optimum, folder: Path, form: DataFormat) -> None:
    from backfire.studies import optimum_data

    data = optimum_data(made)
    if form is DataFormat.JSON:
        print_json(data)
    else:
        _report(made)
    _write(folder, "optimum.json", data, {"best.toml": made.schedule})


def _front(made: Front, folder: Path, form: DataFormat) -> None:
    from backfire.studies import front_data

    data = front_data(made)
    if form is DataFormat.JSON:
        print_json(data)
    else:
        _report_front(made)
    _draw(made, folder)
    _write(folder, "front.json", data, {f"front-{place + 1}.toml": made.schedule(place) for place in range(len(made.points))})


def _write(folder: Path, name: str, data: Mapping[str, Any], schedules: Mapping[str, Scenario]) -> None:
    from backfire.system import to_json, write_whole

    for file, schedule in schedules.items():
        write_whole(folder / file, schedule.text())
    if name == "front.json":
        for path in folder.glob("front-*.toml"):  # a front with more points stood here before
            if path.name not in schedules and path.stem.removeprefix("front-").isdecimal() and path.is_file():
                path.unlink()
    write_whole(folder / name, to_json(data))
    say(f"written: {folder}; run it with `backfire run {folder / next(iter(schedules))}`")


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or name.strip() in found:
            raise UserError(f"{option} {echo(text)}: write it as name=value, each name once")
        found[name.strip()] = value.strip()
    return found


def _limits(text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon:
        raise UserError(f"--vary {echo(text)}: give the lowest and the highest value, as 3:21")
    return _number("--vary", low), _number("--vary", high)


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{option} {echo(text)}: not a number") from None


def _report(made: Optimum) -> None:
    from backfire.formatting import short

    many = f"{made.quantile:g} quantile of {len(made.own)} tumours" if len(made.own) > 1 else "one tumour"
    write_line(f"{made.scenario.title}\n{made.outcome} of arm {made.arm}, {made.better} is better, {many}\n")
    rows = [("", "own", "best", "as good alone")]
    rows += [
        (name, short(made.scenario.inputs[name].value, 4), short(value, 4), _as_good(made, name))
        for name, value in made.best.items()
    ]
    rows += [(f"{agent} in total", short(own, 4), short(new, 4), "") for agent, (own, new) in made.totals.items()]
    before, after = (short(value, 4) if math.isfinite(value) else "–" for value in made.objective)
    rows.append((made.outcome, before, after, ""))
    print_table(rows)
    median, low, high = (short(value, 3) for value in made.gain)
    interval = f", nine in ten tumours {low} to {high}" if len(made.own) > 1 else ""
    gain = (
        f"gain {median}{interval}"
        if math.isfinite(made.gain[0])
        else f"no gain to tell: a tumour has no {made.outcome} under its own"
    )
    write_line(f"\n{gain}; {made.evaluations} schedules tried")


def _as_good(made: Optimum, name: str) -> str:
    from backfire.formatting import short

    return " to ".join(short(end, 3) for end in made.flat[name]) if made.flat else "–"


def _report_front(made: Front) -> None:
    from backfire.formatting import short

    many = f"{made.quantile:g} quantile of {made.tumours} tumours" if made.tumours > 1 else "one tumour"
    one, other = (f"{name} ({better} is better)" for name, better in zip(made.outcomes, made.better, strict=True))
    write_line(f"{made.scenario.title}\n{one} against {other}, arm {made.arm}, {many}\n")
    names = [*made.points[0].best]
    rows = [("schedule", *made.outcomes, *names)]
    rows += [
        (f"front-{number}", *(short(value, 4) for value in (*item.outcomes, *item.best.values())))
        for number, item in enumerate(made.points, 1)
    ]
    own = [short(value, 4) if math.isfinite(value) else "–" for value in made.own]
    rows.append(("own", *own, *(short(made.scenario.inputs[name].value, 4) for name in names)))
    print_table(rows)
    for remark in made.remarks:
        write_line(f"\nnote: {remark}")
    if len(made.points) == 1:
        write_line(f"\none schedule is the best for both{' among those that have both' if made.remarks else ''}")
    write_line(f"\nby ε-constraints, as good as the searches between them found; {made.evaluations} schedules tried")


def _draw(made: Front, folder: Path) -> None:
    import numpy as np

    from backfire.figures import png, trade_off_front
    from backfire.outcomes import declared
    from backfire.simulation import arm_outcomes
    from backfire.system import write_whole

    units = {name: item.unit for name, item in arm_outcomes(made.scenario, made.arm, [*made.outcomes]).items()}
    sides = zip(made.outcomes, made.better, strict=True)
    labels = [f"{declared(name).label(name, units.get(name, ''))}, {better} is better" for name, better in sides]
    many = f"the {made.quantile:g} quantile of {made.tumours} tumours, from the bad end" if made.tumours > 1 else "one tumour"
    remark = f"Arm {made.arm}, {many}; ε-constraint searches, {made.evaluations} schedules tried."
    points = np.array([item.outcomes for item in made.points])
    title, hashes = f"{made.scenario.title}: what the schedule can trade", {made.scenario.name: made.scenario.hash}
    figure = trade_off_front(title, remark, (labels[0], labels[1]), points, np.array(made.own), made.tried, hashes)
    write_whole(folder / "front.png", png(figure))
