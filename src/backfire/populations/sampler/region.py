"""Samples of the region of the unit cube in which a judge finds every claim to hold, and the region's volume.

Knows nothing of tumours. Where more than about one point in 200 satisfies all claims, points are drawn until enough do:
that is exact. Elsewhere several independent runs go down level by level (``descent``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from backfire.errors import UserError
from backfire.populations.sampler.choosing import balanced
from backfire.populations.sampler.descent import Run
from backfire.populations.sampler.diagnostics import Diagnosis, diagnose
from backfire.populations.sampler.distances import Distance, Judge, Spread, all_hold, judged
from backfire.populations.sampler.sample import RegionSample, firmness
from backfire.populations.sampler.walkers import Effort, Ensemble
from backfire.solvers import Floats

REJECTION: Final = 5e-3
"""Share of the pilot that satisfies all claims from which on points are simply drawn."""
PILOT: Final = 2048
"""Sobol points by which distances are normalised and the method is chosen."""
PORTION: Final = 1024
"""Points drawn at a time where points are simply drawn."""
WALKED: Final = 8192
"""Places, of all where runs walked in the region, that say how much of it an enclosure holds."""
AT_ONCE: Final = 3
"""Levels that a run goes down at a time where others go down beside it: they wait for each other only where what is halfway done
is kept. Where runs go down one after the other nobody waits, and every level is told."""


@dataclass(frozen=True)
class Goal:
    """When a sample is good enough: R̂ at most ``rhat``, effective sizes at least ``size``, or after ``rounds`` of ``sweeps``."""

    rhat: float = 1.01  # as Vehtari and others (2021) advise
    size: float = 1200.0
    sweeps: int = 30
    rounds: int = 20

    def met_by(self, *found: Diagnosis) -> bool:
        """True if a sample is good enough, by all that is known of its inputs and of its margins."""
        return all(item.worst_rhat <= self.rhat and item.least_size >= self.size for item in found)


@dataclass(eq=False)
class Halfway:
    """How far a sample is: its runs, whether they have ``started`` from where any of them found the region, and what was seen
    there, round by round."""

    every: list[Run]
    started: bool = False
    traces: list[Floats] = field(default_factory=list)
    margins: list[Floats] = field(default_factory=list)


class Keeper(Protocol):
    """Keeps what is halfway done, so that another process goes on there."""

    def load(self) -> Halfway | None:
        """What was kept, or None."""

    def save(self, state: Halfway) -> None:
        """Keep this."""


@dataclass(frozen=True, eq=False)
class Pilot:
    """Points of the whole cube (n, inputs) with all their violations (n, claims), and the distance they normalise."""

    points: Floats
    violations: Floats
    distance: Distance

    @property
    def share(self) -> float:
        """The share that satisfies every claim."""
        return float(np.mean(self.distance(self.violations) <= 0))


def pilot(judge: Judge, inputs: int, seed: int, spread: Spread = map) -> Pilot:
    """Judge ``PILOT`` Sobol points, part by part as ``spread`` distributes them."""
    from scipy.stats import qmc

    rng = np.random.default_rng(np.random.SeedSequence(seed))
    points = qmc.Sobol(inputs, scramble=True, seed=rng).random_base2(PILOT.bit_length() - 1)
    violations = judged(judge, points, None, spread)
    if violations.ndim != 2 or len(violations) != len(points) or not violations.shape[1]:
        raise UserError(f"a judge gave violations of shape {violations.shape} for {len(points)} points; must be (n, claims)")
    return Pilot(points, violations, Distance.normalised(violations))


def sample_region(
    judge: Judge,
    inputs: int,
    members: int = 1000,
    seed: int = 0,
    effort: Effort | None = None,
    goal: Goal | None = None,
    runs: int = 4,
    spread: Spread = map,
    told: Callable[[Sequence[Run], str], None] | None = None,
    first: Pilot | None = None,
    keeper: Keeper | None = None,
    spare: int = 0,
) -> RegionSample:
    """Sample the region of the unit cube of ``inputs`` dimensions where ``judge`` finds no violation.

    The first ``members`` have the marginals of all that was seen; ``spare`` more stand behind them. The same ``seed`` gives the
    same sample, however ``spread`` distributes the work; the judge must then be one that can be pickled. ``told`` hears as
    runs go down; ``first`` is the pilot if it has been judged before; ``keeper`` keeps what is done, and what it has is gone on
    with. Raises UserError for numbers that make no sample.
    """
    if inputs < 1 or members < 1 or runs < 1:
        raise UserError(f"a sample needs inputs, members and runs, got {inputs}, {members} and {runs}")
    from threadpoolctl import threadpool_limits

    # products of small matrices: more threads only wait for each other, ten times as long, and change the last digits
    with threadpool_limits(1, "blas"):
        return _sampled(judge, inputs, members, seed, effort, goal, runs, spread, told, first, keeper, spare)


def _sampled(
    judge: Judge,
    inputs: int,
    members: int,
    seed: int,
    effort: Effort | None,
    goal: Goal | None,
    runs: int,
    spread: Spread,
    told: Callable[[Sequence[Run], str], None] | None,
    first: Pilot | None,
    keeper: Keeper | None,
    spare: int,
) -> RegionSample:
    first = first or pilot(judge, inputs, seed, spread)
    if first.share > REJECTION:
        return _drawn(judge, inputs, members + spare, seed, runs, spread)
    save: Callable[[Halfway], None] = (lambda _: None) if keeper is None else keeper.save
    state = None if keeper is None else keeper.load()
    if state is None:
        started = [_Task(judge, inputs, first.distance, seed, number, effort or Effort()) for number in range(runs)]
        state = Halfway(list(spread(_begin, started)))
        save(state)
    levels = 1 if spread is map else AT_ONCE
    while going := [run for run in state.every if not (run.settled or run.lost)]:
        done = {run.number: run for run in spread(_descend, [(judge, run, levels) for run in going])}
        state.every = [done.get(run.number, run) for run in state.every]
        save(state)
        if told is not None:
            told(state.every, "levels")
    if not any(run.settled for run in state.every):
        return _nothing(state.every, first)
    if not state.started:
        state.every = [run for run in state.every if run.settled]
        state.every = list(spread(_enclose, [(judge, run, _others(run, state.every)) for run in state.every]))
        _start(state.every)
        state.started = True
        save(state)
    return _chains(judge, state, members, spare, goal or Goal(), spread, told, save)


@dataclass(frozen=True, eq=False)
class _Task:
    """What a run begins with."""

    judge: Judge
    inputs: int
    distance: Distance
    seed: int
    number: int
    effort: Effort


def _begin(task: _Task) -> Run:
    return Run.begin(task.judge, task.inputs, task.distance, task.seed, task.number, task.effort)


def _descend(given: tuple[Judge, Run, int]) -> Run:
    """Some levels down; a run that arrives settles there, and need not wait for the others."""
    judge, run, levels = given
    for _ in range(levels):
        run.descend(judge)
        if run.arrived:
            run.settle(judge)
        if run.arrived or run.lost:
            break
    return run


def _others(run: Run, every: Sequence[Run]) -> Floats:
    """Where the other runs are: a network flatters the points that it learned from."""
    return np.vstack([item.ensemble.points for item in every if item is not run or len(every) == 1])


def _enclose(given: tuple[Judge, Run, Floats]) -> Run:
    judge, run, known = given
    run.enclose(judge, known)
    return run


def _start(every: Sequence[Run]) -> None:
    """Give every run walkers that lie evenly in the region, as far as it knows it: where it is blind the others tell.

    Within its own enclosure a run starts from what it found there itself, so that what runs agree upon was found by each of
    them. How much of the region that is, and what lies outside, is known from all: a point that several enclosures hold was
    found the more often, and counts by one over the density of all that was judged. Of what no enclosure holds those who came
    down there are all that is known. A run goes on from those who came down if it found fewer than these have ancestors.
    """
    for run in every:
        run.starts = run.ancestors
    sure = [run for run in every if run.found is not None and run.enclosure is not None and len(run.found) > run.starts]
    if not sure:
        return
    points, violations, weights = _pooled(sure, [run.ensemble for run in every])
    for run in sure:
        assert run.found is not None
        assert run.enclosure is not None
        blind = ~run.enclosure.holds(points)
        mine = np.full(len(run.found), weights[~blind].sum() / len(run.found))
        run.start(np.vstack([run.found.points, points[blind]]), np.vstack([run.found.violations, violations[blind]]),
                  np.concatenate([mine, weights[blind]]))  # fmt: skip


def _pooled(sure: Sequence[Run], came: Sequence[Ensemble]) -> tuple[Floats, Floats, Floats]:
    """(points, violations, weights) of all that is known of the region: by these weights the points lie evenly in it."""
    found = [(run.found, run.enclosure, run.asked) for run in sure if run.found is not None and run.enclosure is not None]
    points, violations = _stacked([item for item, _, _ in found])
    deepest = max(enclosure.log_volume for _, enclosure, _ in found)
    finders, density = np.repeat(np.arange(len(found)), [len(item) for item, _, _ in found]), np.zeros(len(points))
    for number, (_, enclosure, count) in enumerate(found):
        # what a run found is in its enclosure, even if rounding now says that it is just outside
        density += (enclosure.holds(points) | (finders == number)) * count * math.exp(deepest - enclosure.log_volume)
    others, theirs = _stacked(came)
    outside = ~np.any([enclosure.holds(others) for _, enclosure, _ in found], axis=0)
    weights = np.concatenate([(1 - outside.mean()) / density / np.sum(1 / density), np.full(outside.sum(), 1 / len(others))])
    return np.vstack([points, others[outside]]), np.vstack([violations, theirs[outside]]), weights


def _stacked(every: Sequence[Ensemble]) -> tuple[Floats, Floats]:
    return np.vstack([item.points for item in every]), np.vstack([item.violations for item in every])


def _trace(given: tuple[Judge, Run, int]) -> tuple[Run, Floats, Floats]:
    judge, run, sweeps = given
    points, violations = run.trace(judge, sweeps)
    return run, points, violations


def _chains(
    judge: Judge, state: Halfway, members: int, spare: int, goal: Goal, spread: Spread, told: Any, save: Callable[[Halfway], None]
) -> RegionSample:
    """Go on at distance 0 until the chains agree, and take members from them."""
    diagnosis = trusted = None
    while True:
        if state.traces:
            seen = np.concatenate(state.traces, axis=1), firmness(np.concatenate(state.margins, axis=1))
            diagnosis, trusted = (diagnose(item, spread) for item in seen)
            if goal.met_by(diagnosis, trusted) or len(state.traces) >= goal.rounds:
                break
        found = list(spread(_trace, [(judge, run, goal.sweeps) for run in state.every]))
        state.every = [run for run, _, _ in found]
        state.traces.append(np.array([points for _, points, _ in found]))
        state.margins.append(np.array([violations for _, _, violations in found]))
        save(state)
        if told is not None:
            told(state.every, "chains")
    trace, margin = np.concatenate(state.traces, axis=1), np.concatenate(state.margins, axis=1)
    kept = balanced(trace, members, spare)
    log_shares, variances, shared, beyond = _volumes(state.every, trace, diagnosis.least_size)
    return RegionSample(
        trace[kept], margin[kept], False, log_shares,
        PILOT + sum(run.judged for run in state.every), trace, margin,
        [run.levels for run in state.every], [run.use for run in state.every], diagnosis, trusted, state.every,
        held=np.array([run.held for run in state.every]), variances=variances, shared=shared, beyond=beyond,
    )  # fmt: skip


def _volumes(every: Sequence[Run], trace: Floats, worth: float) -> tuple[Floats, Floats, float, float]:
    """(ln of each run's share of the cube, the least variance of it, what they all share of it, the share of the region in no
    enclosure): what a run encloses, and what of either is in the other.

    Where all runs walked counts for what of the region an enclosure misses: a run may not know of it. That these places are
    ``worth`` no more than so many independent ones is an error that all runs share.
    """
    flat = trace.reshape(-1, trace.shape[-1])
    walked = flat[np.linspace(0, len(flat), min(len(flat), WALKED), endpoint=False).astype(int)]
    found, known = [], np.zeros((len(every), len(walked)))
    for run, holds in zip(every, known, strict=True):
        if run.enclosure is not None:
            holds[:] = run.enclosure.holds(walked)
        run.held = float(holds.mean())
        if run.enclosure is None or not (run.held and run.met):
            found.append((-math.inf, math.inf))
            continue
        variance = run.enclosure.variance + (1 - run.met) / (run.met * run.asked)
        found.append((run.enclosure.log_volume + math.log(run.met / run.held), variance))
    log_shares, variances = np.array(found).T
    mean = known.mean(axis=0)
    shared = float(mean.var() / mean.mean() ** 2 / min(worth, len(walked))) if mean.any() else math.inf
    return log_shares, variances, shared, float(1 - known.any(axis=0).mean())


def _nothing(every: Sequence[Run], first: Pilot) -> RegionSample:
    """What is known where no run, or not every one, found a point that satisfies every claim."""
    points = np.vstack([run.ensemble.points for run in every])
    violations = np.vstack([run.ensemble.violations for run in every])
    closest = int(np.argmin(first.distance(violations)))
    none, seen = np.empty((0, points.shape[1])), np.vstack([first.violations, violations])
    return RegionSample(
        none, np.empty((0, violations.shape[1])), False, np.empty(0), PILOT + sum(run.judged for run in every),
        none, seen, [run.levels for run in every], [run.use for run in every],
        best=points[closest], best_violations=violations[closest],
    )  # fmt: skip


def _drawn(judge: Judge, inputs: int, members: int, seed: int, runs: int, spread: Spread) -> RegionSample:
    """Draw points until enough satisfy every claim; each run draws its part."""
    each = -(-members // runs)
    parts = list(spread(_draw, [(judge, inputs, each, seed, number) for number in range(runs)]))
    points = np.array([found for found, _, _ in parts])
    violations = np.array([found for _, found, _ in parts])
    counts = np.array([count for _, _, count in parts], dtype=float)
    # a run stops at its last member, which is therefore no news: the unbiased share leaves it out
    shares = (each - 1) / (counts - 1) if each > 1 else 1 / counts
    traces = points[:, :, None, :]
    return RegionSample(
        points.reshape(-1, inputs)[:members], violations.reshape(-1, violations.shape[-1])[:members], True, np.log(shares),
        PILOT + int(counts.sum()), traces, violations[:, :, None, :],
    )  # fmt: skip


def _draw(given: tuple[Judge, int, int, int, int]) -> tuple[Floats, Floats, int]:
    """(points, violations) of the first so many that satisfy every claim, and how many points that took."""
    judge, inputs, wanted, seed, number = given
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    found: list[tuple[Floats, Floats]] = []
    have, drawn = 0, 0
    while True:
        points = rng.random((PORTION, inputs))
        violations = judge(points, all_hold)
        good = np.flatnonzero((violations <= 0).all(axis=1))
        if have + len(good) >= wanted:
            good = good[: wanted - have]
            drawn += int(good[-1]) + 1
            found.append((points[good], violations[good]))
            break
        drawn += PORTION
        have += len(good)
        found.append((points[good], violations[good]))
    return np.vstack([item for item, _ in found]), np.vstack([item for _, item in found]), drawn
