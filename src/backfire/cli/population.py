"""The command ``backfire population``: tumours that satisfy every claim."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfire.cli.commands import SOME_FAILED, FormOfData, MechanismFiles, Workers, capped, command
from backfire.cli.terminal import DataFormat, print_json, print_table, say, write_line
from backfire.errors import UserError

if TYPE_CHECKING:
    from backfire.populations import Population

NAMED = 6
"""So many claims are named above the figures; of more their number is."""


@command(place=115)
def population(
    source: Annotated[
        str, typer.Argument(help="population file, or name of a shipped population or scenario", show_default=False)
    ],
    members: Annotated[
        int | None, typer.Option(help="how many tumours; as the file says if left out", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="another number gives another population")] = 0,
    out: Annotated[Path, typer.Option(help="folder for results")] = Path("results/populations"),
    form_of: Annotated[
        str | None, typer.Option("--form", help="another form of the equations, such as `gompertz growth`", show_default=False)
    ] = None,
    sentences: Annotated[
        bool, typer.Option("--sentences", help="also what each claim is worth: how far it cuts the set, in bits")
    ] = False,
    central: Annotated[
        bool, typer.Option("--central", help="also the central tumour of the population, as a scenario: central.toml")
    ] = False,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="how often chains go on, at most; more goes on where fewer ended")
    ] = None,
    workers: Workers = None,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="compute on the workers of a Dask scheduler")] = None,
    form: FormOfData = DataFormat.TABLE,
    own: MechanismFiles = None,
) -> None:
    """Sample plausible tumours: sets of parameters under which every claim holds."""
    from backfire import populations
    from backfire.sweeps import dask_client

    if dask and workers is not None:
        raise UserError("give --workers or --dask, not both: Dask has workers of its own")
    spec = populations.load_population(source, own or (), form_of)
    if central:
        populations.searched(spec)  # what cannot be had is said before hours of sampling
    client = dask_client(dask) if dask else None
    goal = populations.Goal() if rounds is None else populations.Goal(rounds=rounds)
    made = populations.population(
        spec, out, members, seed, capped(workers), goal=goal, notify=say, client=client, sentences=sentences
    )
    if form is DataFormat.JSON:
        print_json(populations.manifest_of(made))
    elif made.found:
        _report(made)
    else:
        _report_nothing(made)
    if not made.found:
        raise typer.Exit(SOME_FAILED)
    _draw(made)
    if central:
        _write_central(made)
    say(f"written: {made.folder}")
    if made.weighted is not None and made.weighted.refused:
        raise typer.Exit(SOME_FAILED)


def _report(made: Population) -> None:
    from backfire.populations import Goal

    sample = made.sample
    low, high = sample.share_interval
    between = f" (95 % interval {low:.1e} to {high:.1e})" if math.isfinite(low) else ""
    share = f"{sample.share:.1e}{between}" if math.isfinite(sample.share) else "an unknown share"
    write_line(f"{made.spec.title}\n{len(made.members)} tumours; {share} of the box; {sample.judged} judged")
    if sample.exact:
        write_line("simply drawn until enough satisfied every claim: exact and independent")
    elif sample.diagnoses:
        worth = f"at least {sample.least_size:.0f} independent tumours' worth for every input and claim"
        write_line(f"R̂ at most {sample.worst_rhat:.3f}; {worth}")
        if not Goal().met_by(*sample.diagnoses):
            write_line(
                f"not settled: R̂ should be at most {Goal().rhat:g}, and the tumours worth {Goal().size:g}; the same command with "
                f"a larger --rounds goes on from here"
            )
    if made.pieces is not None:
        write_line(made.pieces.said)
    _report_facts(made)
    order, members = (-made.narrowed).argsort(kind="stable")[:12], made.members[made.weights > 0]
    rows = [
        (
            made.names[place],
            f"{item.low:.4g} to {item.high:.4g}",
            f"{members[:, place].min():.4g}",
            f"{members[:, place].max():.4g}",
        )
        for place in order
        for item in [made.spec.space.inputs[made.names[place]]]
    ]
    print_table([("narrowed most", "box", "lowest", "highest"), *rows])
    if made.worths:
        worths = sorted(made.worths.items(), key=lambda pair: -pair[1].bits)
        called = made.spec.short_names
        told = [(name, called[name], str(item), made.spec.claims[name].text) for name, item in worths]
        short = [1] if all(name == words for name, words in called.items()) else []
        rows = [("claim", "in short", "worth in bits", "check"), *told]
        print_table([[cell for place, cell in enumerate(row) if place not in short] for row in rows])


def _report_facts(made: Population) -> None:
    """How well measured facts are met, and what that costs."""
    if made.weighted is None:
        return
    for row in made.met:
        write_line(
            f"{row['fact']}: {row['below']:.3f} of the tumours at or below {row['value']:.4g}, wanted {row['wanted_below']:.3g}"
        )
    left = 1 / (len(made.members) * (made.weights**2).sum())
    if nothing := int((made.weights == 0).sum()):
        write_line(f"{nothing} tumours have no value of a fact, and no weight")
    met = f"by weights, which leave {left:.0%} of the tumours' worth"
    write_line("not met: the weights are equal" if made.weighted.refused else met)


def _report_nothing(made: Population) -> None:
    from backfire.populations import closest, fighting

    write_line(f"{made.spec.title}\nno tumour found that satisfies every claim; {made.sample.judged} judged")
    violated = closest(made)["violated"]
    print_table([("the closest tumour violates", "by a factor of"), *((name, _factor(off)) for name, off in violated.items())])
    for one, two in fighting(made):
        write_line(f"never together: {one}  ·  {two}")


def _factor(off: float) -> str:
    return f"{math.exp(min(off, 300)):.3g}" if math.isfinite(off) else "cannot be judged there"


def _write_central(made: Population) -> None:
    """Write the central tumour beside the population, as a scenario that `run` takes."""
    from backfire.populations import central_tumour
    from backfire.sampling import read_tumours
    from backfire.system import write_whole

    assert made.folder is not None
    found = central_tumour(made.spec, read_tumours(made.folder), say)
    write_whole(made.folder / "central.toml", found.scenario.text())


def _draw(made: Population) -> None:
    """Write the figure beside the tables; one that cannot be drawn is a note, the numbers stand."""
    from backfire.figures import Narrowed, png, population_marginals, population_message
    from backfire.populations import dependences
    from backfire.system import write_whole

    assert made.folder is not None
    hashes = {made.spec.scenario.name: made.spec.scenario.hash}
    units = {name: made.spec.scenario.inputs[name].unit for name in made.names}
    where = Narrowed(made.spec.space, units, made.members, made.weights)
    called = made.spec.short_names
    claims = f"claims: {', '.join(called.values())}" if len(called) <= NAMED else f"{len(called)} claims hold in each"
    pieces = f"{made.pieces.short}; " if made.pieces is not None else ""
    remark = f"{len(made.members)} tumours, {made.sample.share:.1e} of the box; {pieces}{claims}"
    write_whole(made.folder / "marginals.png", png(population_marginals(made.spec.title, remark, where, hashes)))
    bits = {
        name: (item.bits, item.error, item.least) for name, item in sorted(made.worths.items(), key=lambda pair: -pair[1].bits)
    }
    slide = population_message(made.spec.title, remark, where, dependences(made), bits, hashes, called)
    write_whole(made.folder / "message.png", png(slide))
