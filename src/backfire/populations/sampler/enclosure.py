"""The part of the cube that a run's networks take for the region: cheap to walk in, so that its volume costs no simulation.

A run leaves a guide at every level. The points that all of them let pass, each above a low threshold, are the run's
*enclosure*: nearly all of the region, and some ten times as much around it. It is measured level by level like the region
itself (subset simulation, Au and Beck 2001), by thousands of walkers that nobody has to judge. A first, smaller crowd chooses
intermediate thresholds and directions; the crowd that measures looks at none of what it does itself, so that the product of
the shares that it keeps has the volume as its expectation (Cérou and others 2012). Then

    volume of the region = volume of the enclosure · share of it that is in the region / share of the region that is in it
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.random import Generator

from backfire.populations.sampler.distances import Bools
from backfire.populations.sampler.margins import covariance_root
from backfire.populations.sampler.proposals import Guide
from backfire.solvers import Floats

LEFT_OUT: Final = 0.02
"""Share of the walkers known in the region that score below the threshold of a guide."""
KEPT: Final = 0.25
"""Where a guide lets a smaller share pass, thresholds between are taken."""
MOST: Final = 12
"""Thresholds of one guide at most."""
SPREADING: Final = 4
"""How many times as long those who measure walk after the last threshold."""
FURTHER: Final = 2
"""How many times as long they walk on to be judged again."""
STEPS: Final = 8
"""Steps of a walk under one guide, after which all earlier ones are asked."""
WALKS: Final = 4
"""Walks after every threshold."""


@dataclass(frozen=True, eq=False)
class Wall:
    """A guide and the threshold that points must reach; ``last`` of its guide, which is the one that counts later."""

    guide: Guide
    threshold: float
    last: bool

    def passed(self, points: Floats) -> Bools:
        """Which points (n, inputs) reach the threshold."""
        return np.asarray(self.guide.scores(points) >= self.threshold)


@dataclass(eq=False)
class Enclosure:
    """``walls`` in the order of their levels, and the ``scouts`` (n, inputs) who lie within all of them.

    Once measured: ``points`` (n, inputs) that lie evenly within all walls, none if nobody came through, and the ``shares`` that
    the walls kept of so many.
    """

    scouts: Floats
    walls: list[Wall] = field(default_factory=list)
    points: Floats = field(default_factory=lambda: np.empty((0, 0)))
    shares: list[float] = field(default_factory=list)

    def close(self, guide: Guide, known: Floats, rng: Generator) -> None:
        """Leave out what a guide takes to be outside, by its scores of points ``known`` (n, inputs) to be in the region.

        As many walls are added as it takes, and the scouts brought behind them.
        """
        goal = float(np.quantile(guide.scores(known), LEFT_OUT, method="inverted_cdf"))
        for number in range(MOST):
            scores = guide.scores(self.scouts)
            between = float(np.quantile(scores, 1 - KEPT, method="inverted_cdf"))
            if between <= scores.min():  # most score alike: step above them, if anybody is there
                between = float(scores[scores > between].min(initial=goal))
            last = between >= goal or number == MOST - 1
            threshold = goal if last else between
            good = scores >= threshold
            root = covariance_root(self.scouts[good] if good.sum() > 1 else self.scouts)
            self.walls.append(Wall(dataclasses.replace(guide, root=root, steps=STEPS), threshold, last))
            if good.any():  # else those who measure will say so
                self.scouts = self._spread(self.scouts[good], len(self.walls) - 1, len(self.scouts), rng)
            if last:
                break

    def stir(self, rng: Generator) -> None:
        """Move the scouts on within all walls."""
        self.scouts = self._spread(self.scouts, len(self.walls) - 1, len(self.scouts), rng)

    def measure(self, walkers: int, rng: Generator) -> None:
        """Send so many new walkers through all walls, which no longer change."""
        self.points, self.shares = rng.random((walkers, self.scouts.shape[1])), []
        for place, wall in enumerate(self.walls):
            good = wall.passed(self.points)
            self.shares.append(float(good.mean()))
            if not good.any():
                self.points = self.points[:0]
                return
            last = place == len(self.walls) - 1
            self.points = self._spread(self.points[good], place, walkers, rng, SPREADING if last else 1)

    def walk_on(self, rng: Generator) -> None:
        """Move those who measured on within all walls, to where they no longer know of each other."""
        if len(self.points):
            self.points = self._spread(self.points, len(self.walls) - 1, len(self.points), rng, FURTHER)

    @property
    def log_volume(self) -> float:
        """ln of the share of the cube."""
        return float(sum(map(math.log, self.shares))) if all(self.shares) else -math.inf

    @property
    def variance(self) -> float:
        """The variance of ``log_volume`` if all walkers were independent: the least that it can be."""
        return sum((1 - share) / max(share * len(self.points), 1.0) for share in self.shares)

    def holds(self, points: Floats, before: int | None = None) -> Bools:
        """Which points (n, inputs) are inside: all walls, or those ``before`` one, let them pass."""
        left = np.arange(len(points))
        for wall in reversed([wall for wall in self.walls[:before] if wall.last]):
            left = left[wall.passed(points[left])]
        inside = np.zeros(len(points), dtype=bool)
        inside[left] = True
        return inside

    def _spread(self, inside: Floats, place: int, count: int, rng: Generator, times: int = 1) -> Floats:
        """So many walkers from those who are inside up to a wall, moved until they forget where they came from."""
        points, wall = inside[np.resize(rng.permutation(len(inside)), count)], self.walls[place]
        for _ in range(WALKS * times):
            ends = wall.guide.walk(points, wall.threshold, rng)
            good = self.holds(ends, place)
            points[good] = ends[good]
        return points
