"""One run of the sampler: from points of the whole cube through ever smaller levels into the region where all claims hold.

A level is the set of points within some distance. Each next one holds about a quarter of the walkers; those are copied and
moved until they forget where they came from (subset simulation, Au and Beck 2001). The levels and the proposals of this
descent follow its own walkers, so the shares that it keeps are biased. New walkers therefore go down the same levels with
the same proposals, none of which looks at them: the product of the shares that *they* keep has the region's volume as its
expectation, however few they are and however little they forget (Cérou and others 2012). At distance 0 they go on, as a
plain ensemble whose proposals no longer change.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from backfire.populations.sampler.distances import Bools, Distance, Judge
from backfire.populations.sampler.margins import MarginNetwork
from backfire.populations.sampler.proposals import PASSED, Guide, differences, redraws
from backfire.solvers import Floats

KINDS: Final = ("walk", "difference", "redraw")
WANTED: Final = 0.25
"""Share of differences that shall be accepted."""

PATIENCE: Final = 5
PROGRESS: Final = 0.03
"""A run is lost if so many levels bring the violations no nearer to 0 than by this share."""


@dataclass(frozen=True)
class Effort:
    """How much a run spends.

    ``first`` points of the cube are judged; ``walkers`` go down and are moved ``sweeps`` times at every level while they still
    go together with where they were by more than ``forgotten``: up to ``most_sweeps`` times in the region, ``passing`` times
    on the way. ``measuring`` new ones go down again with ``hurried`` of the sweeps: many that remember measure a volume better
    than few that forget. ``chains`` of the first go on
    at distance 0, first for ``rounds`` times ``settling`` sweeps after each of which the proposals learn. Walks have ``stride``
    steps per input (twice as many at distance 0); learning takes ``lessons`` steps from at most ``remembered`` points.
    ``mixture`` is the share of each of ``KINDS``, ``kept`` the share of walkers that a level holds.
    """

    first: int = 1024
    walkers: int = 256
    sweeps: int = 6
    passing: int = 16
    most_sweeps: int = 24
    forgotten: float = 0.2
    measuring: int = 512
    hurried: float = 0.5
    chains: int = 128
    rounds: int = 4
    settling: int = 4
    stride: float = 1.0
    lessons: int = 600
    remembered: int = 20_000
    mixture: tuple[float, float, float] = (0.75, 0.2, 0.05)
    kept: float = 0.25
    most_levels: int = 40


@dataclass(frozen=True)
class Level:
    """What came of one level: its ``distance``, the ``share`` of so many ``walkers`` found within it, and its moves.

    ``sweeps`` moves of every walker, of which the share ``accepted`` was taken; ``judged`` points were, and ``ancestors``
    of the first points have descendants among the walkers.
    """

    distance: float
    share: float
    walkers: int
    sweeps: int
    accepted: float
    judged: int
    ancestors: int


@dataclass(frozen=True, eq=False)
class Passed:
    """How a level was passed, for those who come after: moves that look at none of them.

    Differences have size ``scale`` and are those of ``others`` (n, inputs), the first walkers.
    """

    level: float
    sweeps: int
    scale: float
    guide: Guide | None
    others: Floats


@dataclass(eq=False)
class Use:
    """What one kind of proposals was used for and brought: counts, and the squared distance moved, in sd of the walkers."""

    proposed: int = 0
    judged: int = 0
    accepted: int = 0
    moved: float = 0.0


@dataclass(eq=False)
class Ensemble:
    """Walkers: ``points`` (n, inputs), ``violations`` (n, claims), ``distances`` (n,); ``origins`` (n,) number ancestors."""

    points: Floats
    violations: Floats
    distances: Floats
    origins: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.points)

    def chosen(self, which: NDArray[np.int64]) -> Ensemble:
        """Copies of some walkers."""
        return Ensemble(self.points[which], self.violations[which], self.distances[which], self.origins[which])


@dataclass(eq=False)
class Run:
    """One run, from its own random numbers; between calls it can be pickled and goes on as if nothing had been.

    ``levels`` are those of the first walkers until new ones have come down (``measured``), and then those of the new ones.
    """

    number: int
    distance: Distance
    effort: Effort
    rng: Generator
    ensemble: Ensemble
    level: float = np.inf
    levels: list[Level] = field(default_factory=list)
    excesses: list[float] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    log_share: float = 0.0
    measured: bool = False
    scale: float = 1.0
    network: MarginNetwork | None = None
    guide: Guide | None = None
    points: list[Floats] = field(default_factory=list)
    violations: list[Floats] = field(default_factory=list)
    walks: Floats = field(default_factory=lambda: np.tile([1.0, 0.5], (len(PASSED), 1)))
    judged: int = 0
    use: dict[str, Use] = field(default_factory=lambda: {kind: Use() for kind in KINDS})

    @classmethod
    def begin(cls, judge: Judge, inputs: int, distance: Distance, seed: int, number: int, effort: Effort) -> Run:
        """A run whose walkers are Sobol points of the whole cube."""
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        ensemble = _evenly_spread(judge, inputs, distance, effort, rng)
        run = cls(number, distance, effort, rng, ensemble)
        run.network = MarginNetwork(inputs, ensemble.violations.shape[1], rng)
        run._remember(ensemble.points, ensemble.violations)
        run.judged = len(ensemble)
        return run

    @property
    def arrived(self) -> bool:
        """True if every walker satisfies every claim."""
        return self.level <= 0

    @property
    def lost(self) -> bool:
        """True if the levels no longer come closer: nothing, or next to nothing, satisfies all claims."""
        if self.arrived:
            return False
        if len(self.levels) >= self.effort.most_levels:
            return True
        last = self.excesses[-PATIENCE - 1 :]
        return len(last) > PATIENCE and last[-1] > (1 - PROGRESS) * last[0]

    def descend(self, judge: Judge) -> Level:
        """Go down one level, and move there."""
        self.level = self._next_level()
        kept = np.flatnonzero(self.ensemble.distances <= self.level)
        found, of = len(kept), len(self.ensemble)
        self.log_share += float(np.log(found / of))
        self._keep(kept, self.effort.walkers)
        judged, accepted = self.judged, 0.0
        self._learn(self.effort.lessons)
        start = np.column_stack([self.ensemble.points, self.ensemble.distances])
        done, most = 0, self.effort.most_sweeps if self.arrived else self.effort.passing
        while done < most:
            if done == self.effort.sweeps // 2:
                self._learn(self.effort.lessons // 2)
            accepted += self.sweep(judge, adapt=done < self.effort.sweeps // 2)
            done += 1
            if done >= self.effort.sweeps and self._memory(start) < self.effort.forgotten:
                break
        self.excesses.append(float(self.distance.excess(self.ensemble.violations).mean()))
        # the network goes on learning: what it knew here is set aside
        guide = copy.deepcopy(self.guide)
        self.passed.append(Passed(self.level, done, self.scale, guide, self.ensemble.points.copy()))
        return self._left(found, of, done, accepted, judged)

    def measure(self, judge: Judge) -> None:
        """Once arrived: new walkers go down the same levels, and the share of the cube is theirs.

        If none of them comes down it is 0, which counts as any other in the mean over runs; the first walkers go on then.
        """
        first, guide, scale = self.ensemble, self.guide, self.scale
        self.ensemble = _evenly_spread(judge, first.points.shape[1], self.distance, self.effort, self.rng)
        self.judged += len(self.ensemble)
        self.levels, self.log_share, self.measured = [], 0.0, True
        for passed in self.passed:
            self.level, self.guide, self.scale = passed.level, passed.guide, passed.scale
            kept = np.flatnonzero(self.ensemble.distances <= self.level)
            if not len(kept):
                self.log_share, self.ensemble, self.level = -np.inf, first, self.passed[-1].level
                break
            found, of, judged, accepted = len(kept), len(self.ensemble), self.judged, 0.0
            self.log_share += float(np.log(found / of))
            self._keep(kept, self.effort.measuring)
            sweeps = max(1, round(self.effort.hurried * passed.sweeps))
            for _ in range(sweeps):
                accepted += self.sweep(judge, others=passed.others)
            self._left(found, of, sweeps, accepted, judged)
        self.guide, self.scale = guide, scale

    def _keep(self, kept: NDArray[np.int64], count: int) -> None:
        """So many walkers from those kept, each as often as any other to within one."""
        copies = (
            np.resize(self.rng.permutation(kept), count) if len(kept) < count else self.rng.choice(kept, count, replace=False)
        )
        self.ensemble = self.ensemble.chosen(copies)

    def _left(self, found: int, of: int, sweeps: int, accepted: float, judged: int) -> Level:
        """Note what came of a level, of whose walkers so many were found within it."""
        ancestors = len(np.unique(self.ensemble.origins))
        self.levels.append(Level(self.level, found / of, of, sweeps, accepted / sweeps, self.judged - judged, ancestors))
        return self.levels[-1]

    def _next_level(self) -> float:
        """The next level."""
        distances = self.ensemble.distances
        level = float(np.quantile(distances, self.effort.kept, method="inverted_cdf"))
        if level >= self.level:  # many at one distance: step below them, if anybody is there
            below = distances[distances < self.level]
            level = float(below.max()) if len(below) else self.level
        return level

    def _memory(self, start: Floats) -> float:
        """How far walkers still go together with where they were: the mean correlation of their coordinates, or that of
        their distance, whichever is larger."""
        now = np.column_stack([self.ensemble.points, self.ensemble.distances])
        one, two = (item - item.mean(axis=0) for item in (start, now))
        size = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
        found = np.where(size > 0, (one * two).sum(axis=0) / np.where(size > 0, size, 1.0), 0.0)
        return float(max(found[:-1].mean(), found[-1]))

    def settle(self, judge: Judge) -> None:
        """At distance 0: fewer walkers, and proposals that learn for the last time."""
        if len(self.ensemble) > self.effort.chains:
            self.ensemble = self.ensemble.chosen(self.rng.choice(len(self.ensemble), self.effort.chains, replace=False))
        for _ in range(self.effort.rounds):
            for _ in range(self.effort.settling):
                self.sweep(judge, adapt=True)
            self._learn(2 * self.effort.lessons)
        for _ in range(self.effort.settling):
            self.sweep(judge)
        self.use = {kind: Use() for kind in KINDS}

    def relaxed(self, columns: Sequence[int], chains: int) -> Run:
        """A copy that walks where all claims but some (``columns``) hold, from where some of its walkers are."""
        run = copy.deepcopy(self)
        run.distance = self.distance.without(columns)
        run.ensemble = run.ensemble.chosen(run.rng.choice(len(run.ensemble), chains, replace=chains > len(run.ensemble)))
        run.ensemble.distances[:] = 0.0
        run.points, run.violations = [], []
        run.refit()
        return run

    def refit(self) -> None:
        """Fit the guide, if there is one, to where the walkers are now, by what the network knows."""
        if self.guide is not None:
            self._guide()

    def _guide(self) -> None:
        """A guide by what the network knows, for where the walkers are now."""
        assert self.network is not None
        steps = int(self.effort.stride * self.ensemble.points.shape[1] * (2 if self.arrived else 1)) + 10
        met = self.walks[:, 1] / self.walks[:, 0]
        self.walks *= 0.3  # older walks count less
        self.guide = Guide.through(self.network, self.distance, self.level, self.ensemble.points, met, steps)

    def trace(self, judge: Judge, sweeps: int) -> tuple[Floats, Floats]:
        """(points (sweeps, chains, inputs), violations (sweeps, chains, claims)) of so many further sweeps; nothing adapts."""
        self.points, self.violations = [], []  # nothing is learned any more
        points, violations = [], []
        for _ in range(sweeps):
            self.sweep(judge)
            points.append(self.ensemble.points.copy())
            violations.append(self.ensemble.violations.copy())
        self.points, self.violations = [], []
        return np.array(points), np.array(violations)

    def sweep(self, judge: Judge, adapt: bool = False, others: Floats | None = None) -> float:
        """One move of every walker; the share of proposals accepted.

        ``adapt`` the size of differences; these are of ``others`` (n, inputs), or of the half that does not move.
        """
        kind = str(self.rng.choice(KINDS, p=self.effort.mixture))
        if kind == "walk" and self.guide is not None:
            return self._walk(judge, self.guide)
        order = self.rng.permutation(len(self.ensemble))
        halves = np.array_split(order, 2)
        accepted = 0
        for moving, standing in (halves, halves[::-1]):
            walkers = self.ensemble.points[moving]
            standers = self.ensemble.points[standing] if others is None else others
            redrawn = kind == "redraw"
            proposed = redraws(walkers, self.rng) if redrawn else differences(walkers, standers, self.scale, self.rng)
            taken = self._take(judge, kind, moving, proposed)
            accepted += taken
            if adapt and not redrawn:
                self.scale = float(np.clip(self.scale * np.exp(taken / len(moving) - WANTED), 1e-3, 4.0))
        return accepted / len(order)

    def _walk(self, judge: Judge, guide: Guide) -> float:
        """All walkers within one threshold of the guide walk at once: they do not look at each other."""
        number = guide.threshold(self.rng)
        threshold = float(guide.thresholds[number])
        inside = np.flatnonzero(guide.scores(self.ensemble.points) >= threshold)
        ends = guide.walk(self.ensemble.points[inside], threshold, self.rng)
        taken = self._take(judge, "walk", inside, ends)
        self.walks[number] += (len(inside), taken)
        return taken / len(self.ensemble)

    def _take(self, judge: Judge, kind: str, moving: NDArray[np.int64], proposed: Floats) -> int:
        """Judge what is proposed within the cube, and move there where it lies within the level; how many did."""
        walkers = self.ensemble.points[moving]
        asked = np.all((proposed >= 0) & (proposed <= 1), axis=1)
        spread = self.ensemble.points.std(axis=0)
        spread = np.where(spread > 1e-12, spread, np.inf)  # copies of one point have no spread to measure by
        taken = self._judge(judge, moving, proposed, asked)
        use = self.use[kind]
        use.proposed += len(moving)
        use.judged += int(asked.sum())
        use.accepted += int(taken.sum())
        use.moved += float((((proposed - walkers)[taken] / spread) ** 2).sum())
        return int(taken.sum())

    def _judge(self, judge: Judge, moving: NDArray[np.int64], proposed: Floats, asked: Bools) -> Bools:
        """Judge what is asked for and take what lies within the level."""
        taken = np.zeros(len(moving), dtype=bool)
        which = np.flatnonzero(asked)
        if not len(which):
            return taken
        points = proposed[which]
        violations = judge(points, lambda known: np.asarray(self.distance.at_least(known) <= self.level))
        self.judged += len(points)
        self._remember(points, violations)
        distances = self.distance(violations)
        good = distances <= self.level
        places = moving[which[good]]
        self.ensemble.points[places], self.ensemble.violations[places] = points[good], violations[good]
        self.ensemble.distances[places] = distances[good]
        taken[which[good]] = True
        return taken

    def _remember(self, points: Floats, violations: Floats) -> None:
        self.points.append(points)
        self.violations.append(violations)
        while sum(map(len, self.points[1:])) >= self.effort.remembered:
            del self.points[0], self.violations[0]

    def _learn(self, lessons: int) -> None:
        """Fit the guide to the walkers and to what was judged."""
        if self.network is None or self.effort.mixture[0] <= 0:
            return
        self.network.centre(self.ensemble.points)
        self.network.fit(np.vstack(self.points), np.vstack(self.violations), lessons)
        self._guide()


def _evenly_spread(judge: Judge, inputs: int, distance: Distance, effort: Effort, rng: Generator) -> Ensemble:
    """Sobol points of the whole cube, judged."""
    from scipy.stats import qmc

    points = qmc.Sobol(inputs, scramble=True, seed=rng).random_base2(int(effort.first).bit_length() - 1)
    violations = judge(points, None)
    return Ensemble(points, violations, distance(violations), np.arange(len(points)))
