"""Work and precision of the shipped scenarios against libRoadRunner: ``python tests/benchmarks/precision.py [SCENARIO …]``.

The main treated arm of each article's scenario, members that differ in every rate, states on the last day only, one core, both
solvers in one interleaved run. libRoadRunner loads our SBML once and is then reset, given the values of a member and asked for
two points; both of its methods (BDF and Adams) and several pairs of tolerances are tried, and so are several pairs of ours. Of
each the settings that nothing else of it beats in both speed and error are its front, and speeds are compared along the fronts
at equal error. Dose to dose, with states set by hand instead of events, libRoadRunner is no faster.

The error is the largest over members and states of |y - truth| / (floor + |truth|), with a floor of one cell for cells and a
thousandth of the unit for all else; the truth is our solver at 1e-12, held against the reference solver on a few members.
Hosts are made to bear any burden, so that both simulate every day. ``--rounds`` (5), ``--out`` a folder for one figure each.
Medians of rounds, in seconds of this process alone.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from peers import quiet

from backfire.exchange import export, renamed_ids
from backfire.scenario import Scenario, load
from backfire.simulation.arms import simulate
from backfire.simulation.members import MemberTable
from backfire.simulation.together import kernel_for
from backfire.solvers import batch
from backfire.solvers.batch import BatchSettings

SCENARIOS = ("bortezomib-macrophages", "exosome-metastasis", "hibernation-rigi", "pi3k-jak2-bypass", "wnt16b-stroma")
ARM = "monotherapy"
ENDS = {"hibernation-rigi": 120.0}
"""Last days that are not those of the scenario: long before its end this tumour is back at its capacity, whatever the error."""
SPREAD = 0.1
COMPARED = 32
"""Members whose errors are looked at, and which libRoadRunner is timed on."""
CHECKED = 3
"""Members of which the reference solver is asked as well."""
BATCH = 512
LEAST_SECONDS = 0.1
"""What is timed is repeated until it takes so long."""
RELATIVE = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
OURS = tuple((relative, relative * share) for relative in RELATIVE for share in (1e-2, 1e-4))
THEIRS = tuple(
    (stiff, relative, relative * share)
    for relative in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9) for share in (1.0, 1e-2, 1e-4) for stiff in (True, False)
)  # fmt: skip
ERRORS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""At which speeds are compared, as far as both fronts reach."""
FIGURE = (8.0, 5.2)


class Problem(NamedTuple):
    """One scenario: the rates of its members (m, rates), their truth (m, states), and what an error is measured in."""

    scenario: Scenario
    fields: list[str]
    samples: np.ndarray
    members: batch.Members
    truth: np.ndarray
    floor: np.ndarray
    last: float

    def error(self, states: np.ndarray) -> float:
        return float(np.max(np.abs(states - self.truth) / (self.floor + np.abs(self.truth))))


class Point(NamedTuple):
    """A solver at one setting: simulations per second in every round, and its error."""

    setting: str
    error: float
    speeds: list[float]

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)


def problem_of(name: str) -> Problem:
    """Members of a shipped scenario that differ in every rate, with the truth of the first few."""
    scenario = load(name)
    last = ENDS.get(name, float(scenario.days))
    fields = [rate for rate in scenario.values if scenario.network.parameters[rate].unit == "1/day"]
    factors = np.exp(SPREAD * np.random.default_rng(1).standard_normal((BATCH, len(fields))))
    samples = factors * [scenario.inputs[rate].value for rate in fields]
    table = MemberTable(scenario, fields, samples)
    table.check_events([ARM])
    members = replace(table.numbers(ARM, np.arange(BATCH)), days=np.tile([0.0, last], (BATCH, 1)))
    assert not table.reasons, table.reasons
    exact = BatchSettings(relative=1e-12, cells=1e-9, absolute=1e-15, most_steps=1_000_000)
    truth = ours(scenario, members[:COMPARED], exact)
    floor = np.where(members.cells, 1.0, 1e-3)
    return Problem(scenario, fields, samples, members, truth, floor, last)


def ours(scenario: Scenario, members: batch.Members, settings: BatchSettings) -> np.ndarray:
    """States (members, states) on the last day."""
    found, ends = batch.record(kernel_for(scenario, ()), members, members.days[0, 1:], settings)
    assert (ends.status <= 1).all(), ends.status
    return found[:, 0]


def settings_of(pair: tuple[float, float]) -> BatchSettings:
    return BatchSettings(relative=pair[0], absolute=pair[1], cells=max(pair[1], 1e-3 * pair[0]), most_steps=1_000_000)


def their_engine(problem: Problem) -> Callable[[bool, float, float, int], np.ndarray]:
    """libRoadRunner with our SBML: (stiff, relative, absolute, members) → states (members, states)."""
    import roadrunner

    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_CRITICAL)
    scenario = problem.scenario
    engine = roadrunner.RoadRunner(export(scenario, ARM))
    ids, renamed = list(engine.model.getGlobalParameterIds()), renamed_ids(scenario, ARM)
    for limit in [name for name in ids if name.startswith("lethal_")]:
        engine[limit] = 1e30
    per_unit = np.array([scenario.inputs[name].per_unit for name in problem.fields])
    places = [ids.index(renamed.get(name, name)) for name in problem.fields]
    engine.timeCourseSelections = [renamed.get(name, name) for name in scenario.network.state_names]
    engine.integrator.maximum_num_steps = 20_000

    def run(stiff: bool, relative: float, absolute: float, count: int) -> np.ndarray:
        engine.integrator.stiff = stiff
        engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = relative, absolute
        out = np.empty((count, len(scenario.network.states)))
        for member in range(count):
            engine.reset()
            engine.model.setGlobalParameterValues(places, problem.samples[member] * per_unit)
            out[member] = engine.simulate(0, problem.last, 2)[-1]
        return out

    return run


def seconds(work: Callable[[], object]) -> float:
    """Of this process alone, per call."""
    calls, begin = 0, time.process_time()
    while calls == 0 or time.process_time() - begin < LEAST_SECONDS:
        work()
        calls += 1
    return (time.process_time() - begin) / calls


def measure(problem: Problem, rounds: int) -> tuple[list[Point], list[Point]]:
    """(ours, libRoadRunner's), every setting once a round."""
    scenario, engine = problem.scenario, their_engine(problem)
    mine: dict[str, tuple[Callable[[], object], int, float]] = {}
    for pair in OURS:
        chosen = settings_of(pair)
        error = problem.error(ours(scenario, problem.members[:COMPARED], chosen))
        name = f"{pair[0]:g}, {pair[1]:.0e}"
        mine[name] = (partial(ours, scenario, problem.members, chosen), BATCH, error)
    peer: dict[str, tuple[Callable[[], object], int, float]] = {}
    for stiff, relative, absolute in THEIRS:
        name = f"{'BDF' if stiff else 'Adams'} {relative:g}, {absolute:.0e}"
        try:
            error = problem.error(engine(stiff, relative, absolute, COMPARED))
        except RuntimeError:  # more steps than allowed, as at some doses
            continue
        if error < 1.0:
            peer[name] = (partial(engine, stiff, relative, absolute, COMPARED), COMPARED, error)
    # of the peer's many settings only those near its front are timed again and again
    quick = [Point(name, error, [count / seconds(work)]) for name, (work, count, error) in peer.items()]
    near = {point.setting for point in quick if not any(o.speed > 1.3 * point.speed and o.error <= point.error for o in quick)}
    timed: dict[str, list[float]] = {name: [] for name in (*mine, *near)}
    for _ in range(rounds):
        for name, (work, count, _) in {**mine, **peer}.items():
            if name in timed:
                timed[name].append(count / seconds(work))
    found = [[Point(name, of[name][2], timed[name]) for name in of if name in timed] for of in (mine, peer)]
    return found[0], found[1]


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in both, from the largest error to the smallest."""
    kept = [point for point in points if not any(o.error <= point.error and o.speed > point.speed for o in points)]
    return sorted(kept, key=lambda point: -point.error)


def speed_at(points: Sequence[Point], error: float) -> float:
    """The speed of a front at an error, between its points as their logarithms; NaN beyond its smallest error, and at errors
    larger than its largest the speed there."""
    kept = front(points)
    logs = [math.log(point.error) for point in kept]
    if math.log(error) < logs[-1]:
        return math.nan
    return math.exp(np.interp(math.log(error), logs[::-1], [math.log(point.speed) for point in kept][::-1]))


def checked(problem: Problem) -> float:
    """The largest difference of the truth from the reference solver, as an error, on the first members whose hosts live; NaN if
    none of them does."""
    scenario, worst = problem.scenario, math.nan
    for member in range(CHECKED):
        changes = dict(zip(problem.fields, problem.samples[member].tolist(), strict=True))
        found = simulate(scenario.changed(changes), [ARM]).trajectories[ARM]
        if found.times[-1] >= problem.last:
            row = int(np.searchsorted(found.times, problem.last))
            last = np.array([found[name][row] for name in scenario.network.state_names])
            worst = float(np.fmax(worst, np.max(np.abs(last - problem.truth[member]) / (problem.floor + np.abs(last)))))
    return worst


def draw(name: str, mine: list[Point], peer: list[Point], path: Path) -> None:
    """Speed over error, both fronts as lines."""
    from backfire.figures import Page, png, styled

    with styled():
        figure = Page(f"{name}: speed against accuracy", {name: load(name).hash[:12]}, FIGURE, title_size=14).figure
        axes = figure.add_axes((0.1, 0.15, 0.86, 0.68))
        for points, colour, label in ((mine, "#0072B2", "backfire batch"), (peer, "#D55E00", "libRoadRunner")):
            axes.plot([point.error for point in points], [point.speed for point in points], ".", color=colour, alpha=0.45)
            kept = front(points)
            axes.plot([point.error for point in kept], [point.speed for point in kept], "o-", color=colour, linewidth=2.4)
            axes.annotate(label, (kept[0].error, kept[0].speed), (8, 4), textcoords="offset points", fontsize=10, color=colour)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("largest error of any state on the last day, |y − truth| / (floor + |truth|)")
        axes.set_ylabel("simulations per second, one core")
        axes.grid(True)
        axes.margins(0.12, 0.2)
        axes.set_xlim(right=30 * max(point.error for point in (*mine, *peer)))
    path.write_bytes(png(figure))


def main(names: Sequence[str], rounds: int, out: Path | None) -> None:
    """One table a scenario."""
    for name in names:
        problem = problem_of(name)
        with quiet():  # CVODE warns at every dose
            mine, peer = measure(problem, rounds)
        differs = checked(problem)
        doses = len(np.unique(problem.members.events[0][slice(*problem.members.event_rows[0])]))
        print(
            f"\n{name}, {ARM}: {len(problem.floor)} states, {doses} days with doses, {len(problem.fields)} rates vary, day {problem.last:g}"
        )
        print(f"  the reference solver differs by {differs:.0e} from the truth")
        for title, points in (("backfire batch", mine), ("libRoadRunner", peer)):
            print(f"  {title:22} {'per second':>12} {'error':>9}")
            for point in front(points):
                print(f"    {point.setting:20} {point.speed:12.0f} {point.error:9.1e}")
        print(f"  {'at equal error':22} {'ours':>12} {'theirs':>9} {'ratio':>7}")
        for error in ERRORS:
            both = speed_at(mine, error), speed_at(peer, error)
            if not any(map(math.isnan, both)):
                print(f"    {error:<20.0e} {both[0]:12.0f} {both[1]:9.0f} {both[0] / both[1]:7.0f}", flush=True)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            draw(name, mine, peer, out / f"work-precision-{name}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    main(given.scenarios, given.rounds, given.out)
