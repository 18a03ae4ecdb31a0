"""The command ``backfire optimise``: which schedule is best under a budget?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfire.cli.commands import FormOfData, MechanismFiles, OneScenario, command
from backfire.cli.terminal import DataFormat, print_json, print_table, say, write_line
from backfire.errors import UserError, echo

if TYPE_CHECKING:
    from backfire.studies import Optimum


@command(place=118)
def optimise(
    scenario: OneScenario,
    vary: Annotated[
        list[str],
        typer.Option(metavar="NAME=LOW:HIGH", help="a number of a regimen or rule, and its limits", show_default=False),
    ],
    outcome: Annotated[str, typer.Option(help="what is to be best", show_default=False)],
    arm: Annotated[str | None, typer.Option(help="the arm whose schedule it is", show_default=False)] = None,
    quantile: Annotated[
        float, typer.Option(help="over tumours, from the bad end: 0.5 the median, 0.1 one that does badly")
    ] = 0.5,
    better: Annotated[str, typer.Option(help="low or high, where the outcome itself does not say")] = "",
    budget: Annotated[
        list[str] | None,
        typer.Option(metavar="AGENT=TOTAL", help="the most that may be given; without, every agent keeps its own total"),
    ] = None,
    population: Annotated[
        Path | None, typer.Option(help="folder of a population, over whose tumours it is best", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="another number searches in another order")] = 0,
    generations: Annotated[int, typer.Option(help="how long to search")] = 40,
    out: Annotated[Path, typer.Option(help="folder for results")] = Path("results/optimise"),
    form: FormOfData = DataFormat.TABLE,
    own: MechanismFiles = None,
) -> None:
    """Search for the days, doses and thresholds of an arm that are best under a budget, and write them as a scenario."""
    from backfire import studies
    from backfire.scenario import load
    from backfire.simulation import prepare_folder
    from backfire.system import to_json, write_whole

    loaded = load(scenario, own or ())
    limits = {name: _limits(text) for name, text in _pairs("--vary", vary).items()}
    most = {name: _number("--budget", text) for name, text in _pairs("--budget", budget or []).items()}
    folder = prepare_folder(out, loaded.name)
    made = studies.optimise(
        loaded, limits, outcome, arm, quantile, better, not most, most,
        studies.tumours_of(population, loaded) if population else None, seed, generations, say,
    )  # fmt: skip
    data = studies.optimum_data(made)
    if form is DataFormat.JSON:
        print_json(data)
    else:
        _report(made)
    write_whole(folder / "optimum.json", to_json(data))
    write_whole(folder / "best.toml", made.schedule.text())
    say(f"written: {folder}; run it with `backfire run {folder / 'best.toml'}`")


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
        (name, short(made.scenario.inputs[name].value, 4), short(value, 4), " to ".join(short(end, 3) for end in made.flat[name]))
        for name, value in made.best.items()
    ]
    rows += [(f"{agent} in total", short(own, 4), short(new, 4), "") for agent, (own, new) in made.totals.items()]
    before, after = (short(value, 4) for value in made.objective)
    rows.append((made.outcome, before, after, ""))
    print_table(rows)
    median, low, high = (short(value, 3) for value in made.gain)
    interval = f", nine in ten tumours {low} to {high}" if len(made.own) > 1 else ""
    write_line(f"\ngain {median}{interval}; {made.evaluations} schedules tried")
