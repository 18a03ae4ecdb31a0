"""One run of the sampler: from points of the whole cube through ever smaller levels into the region where all claims hold.

A level is the set of points within some distance. Each next one holds about a quarter of the walkers; those are copied and
moved (subset simulation, Au and Beck 2001). The levels and the proposals of this descent follow its own walkers, so it is
short: it has to find the region and to teach the networks that guide walks through it. What these enclose is then measured
and sampled evenly (``enclosure``), and the points of that sample that lie in the region walk on at distance 0, as a plain
ensemble whose proposals no longer change.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from backfire.populations.sampler.distances import Bools, Distance, Judge, all_hold, judged
from backfire.populations.sampler.enclosure import Enclosure
from backfire.populations.sampler.margins import MarginNetwork
from backfire.populations.sampler.proposals import PASSED, Guide, differences, redraws
from backfire.populations.sampler.walkers import KINDS, Effort, Ensemble, Level, Use
from backfire.solvers import Floats

WANTED: Final = 0.25
"""Share of differences that shall be accepted."""
PORTION: Final = 512
"""Points of the enclosure judged at a time."""
ENOUGH: Final = 0.1
"""Share of the enclosure in the region that is enough."""
TURNS: Final = 2
"""How often it is drawn closer at most by what scouts teach."""
CLOSER: Final = 4
"""How often at most by what those teach who measured it."""
THOROUGH: Final = 10
"""How many times as many lessons a network then takes, which has not learned of the whole way down."""
CROWDS: Final = 8
"""How often, at most, so many points of it are judged until as many lie in the region as chains start there."""
PATIENCE: Final = 5
PROGRESS: Final = 0.03
"""A run is lost if so many levels bring the violations no nearer to 0 than by this share."""


@dataclass(eq=False)
class Run:
    """One run, from its own random numbers; between calls it can be pickled and goes on as if nothing had been.

    ``passed`` are its guides, level by level. Of the ``enclosure`` that they leave the share ``met`` lies in the region: the
    walkers ``found`` there. It holds the share ``held`` of all places where any run walked in the region. Chains start from
    what was so ``enclosed``, or from the walkers that came down: from so many ``starts``.
    """

    number: int
    distance: Distance
    effort: Effort
    rng: Generator
    ensemble: Ensemble
    settled: bool = False
    level: float = np.inf
    levels: list[Level] = field(default_factory=list)
    excesses: list[float] = field(default_factory=list)
    passed: list[Guide] = field(default_factory=list)
    log_share: float = 0.0
    enclosure: Enclosure | None = None
    asked: int = 0
    met: float = 0.0
    held: float = 0.0
    found: Ensemble | None = None
    enclosed: bool = False
    starts: int = 0
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
    def ancestors(self) -> int:
        """From how many points its walkers come."""
        return len(np.unique(self.ensemble.origins))

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
        sweeps = max(self.effort.least_sweeps, round(self.effort.sweeps * self.ensemble.points.shape[1]))
        for done in range(sweeps):
            if done == sweeps // 2:
                self._learn(self.effort.lessons // 2)
            accepted += self.sweep(judge, adapt=done < sweeps // 2)
        self.excesses.append(float(self.distance.excess(self.ensemble.violations).mean()))
        if self.guide is not None:  # the network goes on learning: what it knew here is set aside
            self.passed.append(copy.deepcopy(self.guide))
        self.levels.append(Level(self.level, found / of, of, sweeps, accepted / sweeps, self.judged - judged, self.ancestors))
        return self.levels[-1]

    def _keep(self, kept: NDArray[np.int64], count: int) -> None:
        """So many walkers from those kept, each as often as any other to within one."""
        copies = (
            np.resize(self.rng.permutation(kept), count) if len(kept) < count else self.rng.choice(kept, count, replace=False)
        )
        self.ensemble = self.ensemble.chosen(copies)

    def _next_level(self) -> float:
        """The next level."""
        distances = self.ensemble.distances
        level = float(np.quantile(distances, self.effort.kept, method="inverted_cdf"))
        if level >= self.level:  # many at one distance: step below them, if anybody is there
            below = distances[distances < self.level]
            level = float(below.max()) if len(below) else self.level
        return level

    def settle(self, judge: Judge) -> None:
        """At distance 0: fewer walkers, and proposals that learn for the last time."""
        if len(self.ensemble) > self.effort.chains:
            self.ensemble = self.ensemble.chosen(self.rng.choice(len(self.ensemble), self.effort.chains, replace=False))
        for _ in range(self.effort.rounds):
            for _ in range(self.effort.settling):
                self.sweep(judge, adapt=True)
            self._learn(2 * self.effort.lessons)
        self.use = {kind: Use() for kind in KINDS}
        self.settled = True

    def enclose(self, judge: Judge, known: Floats) -> None:
        """Enclose the region as the networks see it, by points ``known`` (n, inputs) of it, and judge points of the enclosure.

        Where few of its scouts lie in the region the network learns from them, and it is drawn closer. Where those who then
        measure it would not find as many places in the region as chains start there, new networks learn from them, thoroughly.
        """
        self.enclosure = Enclosure(self.rng.random((self.effort.scouts, known.shape[1])))
        # copies of the last guides: their network goes on learning, and walls shall stay where they are
        for guide in [*self.passed, *([] if self.guide is None else [copy.deepcopy(self.guide)])]:
            self.enclosure.close(guide, known, self.rng)
        for _ in range(TURNS):
            self.enclosure.stir(self.rng)
            violations = self._seen(judge, self.enclosure.scouts)
            if self.guide is None or np.mean((violations <= 0).all(axis=1)) >= ENOUGH:
                break
            self._draw_closer(violations, known, 2)
        violations = self._measured(judge)
        if self._few(violations):
            self.enclosure.scouts = self.enclosure.points
            for _ in range(CLOSER):
                self.network = MarginNetwork(known.shape[1], violations.shape[1], self.rng)
                self._draw_closer(violations, known, THOROUGH)
                violations = self._seen(judge, self.enclosure.scouts)
                if not self._few(violations):
                    break
            violations = self._measured(judge)
        self._find(judge, violations)

    def _draw_closer(self, violations: Floats, known: Floats, times: int) -> None:
        """Learn from what scouts are judged to violate, and leave out of the enclosure what then looks to be outside."""
        assert self.enclosure is not None
        self._remember(self.enclosure.scouts, violations)
        self._learn(times * self.effort.lessons)
        assert self.guide is not None
        self.enclosure.close(copy.deepcopy(self.guide), known, self.rng)

    def _measured(self, judge: Judge) -> Floats:
        """The violations of a crowd that measures the enclosure."""
        assert self.enclosure is not None
        self.enclosure.measure(self.effort.measuring, self.rng)
        return self._seen(judge, self.enclosure.points)

    def _few(self, violations: Floats) -> bool:
        """True if crowds like this one would not find as many places in the region as chains start there."""
        found = int((violations <= 0).all(axis=1).sum())
        return self.guide is not None and len(violations) > 0 and CROWDS * found < self.effort.chains

    def _find(self, judge: Judge, violations: Floats) -> None:
        """Places in the region: those that the crowd who measured found, and more of the same, until they are enough."""
        assert self.enclosure is not None
        found, self.asked = self.ensemble.chosen(np.empty(0, dtype=np.int64)), 0
        for crowd in range(CROWDS):
            if crowd:
                self.enclosure.walk_on(self.rng)
                violations = self._seen(judge, self.enclosure.points)
            good = np.flatnonzero((violations <= 0).all(axis=1))
            self.asked += len(violations)
            none = np.zeros(len(found) + len(good))
            points = np.vstack([found.points, self.enclosure.points[good]])
            found = Ensemble(points, np.vstack([found.violations, violations[good]]), none, none.astype(np.int64))
            if len(found) >= self.effort.chains or not len(violations):
                break
        self.met, self.found = len(found) / max(1, self.asked), found

    def _seen(self, judge: Judge, points: Floats) -> Floats:
        """Violations of points (n, inputs), of which there may be none."""
        self.judged += len(points)
        return judged(judge, points, all_hold, part=PORTION) if len(points) else self.ensemble.violations[:0]

    def start(self, points: Floats, violations: Floats, weights: Floats) -> None:
        """Chains go on from points (n, inputs) of the region, by weights (n,), in place of those who came down."""
        count = len(self.ensemble)
        places = (np.arange(count) + self.rng.random()) / count * weights.sum()
        chosen = self.rng.permutation(np.searchsorted(np.cumsum(weights), places).clip(max=len(points) - 1))
        self.ensemble = Ensemble(points[chosen], violations[chosen], np.zeros(count), chosen)
        self.enclosed, self.starts, self.found = True, len(np.unique(chosen)), None

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

    def sweep(self, judge: Judge, adapt: bool = False) -> float:
        """One move of every walker, ``adapt``ing the size of differences or not; the share of proposals accepted."""
        kind = str(self.rng.choice(KINDS, p=self.effort.mixture))
        if kind == "walk" and self.guide is not None:
            return self._walk(judge, self.guide)
        order = self.rng.permutation(len(self.ensemble))
        halves = np.array_split(order, 2)
        accepted = 0
        for moving, standing in (halves, halves[::-1]):
            walkers = self.ensemble.points[moving]
            standers, redrawn = self.ensemble.points[standing], kind == "redraw"
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
        if self.network is None:
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
