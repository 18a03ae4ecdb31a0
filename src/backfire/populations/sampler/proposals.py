"""Where walkers may go next: kinds of proposals, each symmetric given what it does not move.

A walker proposes from what the *other* half of the walkers, the past, or chance say, never from its own half, and a
proposal outside the unit cube is not moved back but rejected: so every kind keeps the uniform distribution on the region.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.random import Generator

from backfire.populations.sampler.distances import Distance
from backfire.populations.sampler.margins import MarginNetwork, covariance_root
from backfire.solvers import Floats

CROSSOVER: Final = (0.1, 0.3, 1.0)
"""Shares of the coordinates that a difference moves."""
REDRAWN: Final = (1, 2, 4)
"""How many coordinates are drawn anew."""
JUMPS: Final = 0.1
"""Share of differences taken whole: from one piece of the region into another."""
PASSED: Final = (0.0, 0.02, 0.1, 0.25, 0.5)
"""Shares of the walkers that score below the thresholds of a guide."""
ENOUGH: Final = 0.2
"""Share of walks that end in the region which is enough for a threshold to be the usual one."""
AXES: Final = 0.5
"""Share of the lines of a walk that run along one coordinate."""
REACH: Final = 5.0
"""Length of the piece of a line that is looked at, in spreads of the walkers along it."""
TOGETHER: Final = 512
"""Walkers that walk at once: what they need stays in the cache of the processor."""
TRIES: Final = 3
"""Points tried on one line before the walker stays where it is."""


def differences(walkers: Floats, others: Floats, scale: float, rng: Generator) -> Floats:
    """Differential evolution (ter Braak 2006): a walker plus the difference of two others, in some of the coordinates."""
    count, width = walkers.shape
    first = rng.integers(len(others), size=count)
    second = (first + rng.integers(1, len(others), size=count)) % len(others)
    moved = rng.random((count, width)) < rng.choice(CROSSOVER, size=count)[:, None]
    moved[np.arange(count), rng.integers(width, size=count)] = True
    factor = scale * 2.38 / np.sqrt(2 * moved.sum(axis=1))
    factor = np.where(rng.random(count) < JUMPS, 1.0, factor)
    step = factor[:, None] * (others[first] - others[second])
    return np.asarray(walkers + moved * step)


def redraws(walkers: Floats, rng: Generator) -> Floats:
    """One, two or four coordinates drawn anew from the whole cube."""
    count, width = walkers.shape
    ranks = rng.random((count, width)).argsort(axis=1).argsort(axis=1)
    moved = ranks < rng.choice(REDRAWN, size=count)[:, None]
    return np.where(moved, rng.random((count, width)), walkers)


@dataclass(frozen=True, eq=False)
class Guide:
    """Long walks through the region as a network sees it, of which only the end is judged (surrogate transition, Liu 2001).

    The walk is a chain of reversible moves on lines, in directions drawn independently, through the set of points that
    score above a threshold. It leaves the uniform distribution on the set as it is; where its end is taken only if it is
    judged to lie in the region, it does so for the part of the region within the set. A walker outside the set stays and
    costs nothing. Low thresholds reach all of the region, high ones are met more often: one of ``thresholds`` is drawn
    for each walk by ``chances``, whatever the walkers.
    """

    network: MarginNetwork
    distance: Distance
    level: float
    root: Floats
    thresholds: Floats
    chances: Floats
    steps: int

    @classmethod
    def through(cls, network: MarginNetwork, distance: Distance, level: float, walkers: Floats, met: Floats, steps: int) -> Guide:
        """A guide whose thresholds and directions fit walkers (n, inputs) that lie within a level.

        ``met`` (thresholds,) is the share of walks that ended in the region, as far as known: half of all walks have the
        lowest threshold with which enough of them do.
        """
        scores = network.score(walkers, distance, level)
        enough = np.flatnonzero(met >= ENOUGH)
        usual = int(enough[0]) if len(enough) else int(np.argmax(met))
        chances = np.full(len(PASSED), 0.5 / len(PASSED))
        chances[usual] += 0.5
        return cls(network, distance, level, covariance_root(walkers), np.quantile(scores, PASSED), chances, steps)

    def scores(self, points: Floats) -> Floats:
        """How likely points (n,) lie in the region."""
        return self.network.score(points, self.distance, self.level)

    def threshold(self, rng: Generator) -> int:
        """The number of the threshold of one walk."""
        return int(rng.choice(len(self.thresholds), p=self.chances))

    def walk(self, walkers: Floats, threshold: float, rng: Generator) -> Floats:
        """Where walkers (n, inputs), all of which score above the threshold, are after a walk."""
        places = walkers.copy()
        for at in range(0, len(places), TOGETHER):
            for _ in range(self.steps):
                self._step(places[at : at + TOGETHER], threshold, rng)
        return places

    @cached_property
    def _alone(self) -> Floats:
        """The spread (inputs,) of each coordinate while all others stay."""
        return np.asarray(1 / np.sqrt((np.linalg.inv(self.root) ** 2).sum(axis=0)))

    def _step(self, places: Floats, threshold: float, rng: Generator) -> None:
        """A point on a line through each place, by a slice that shrinks towards the place (Neal 2003); moves in place."""
        count, width = places.shape
        straight = rng.random(count) < AXES
        axis, oblique = np.flatnonzero(straight), np.flatnonzero(~straight)
        along, low, high = np.zeros((count, width)), np.empty(count), np.empty(count)
        along[oblique] = rng.normal(size=(len(oblique), width)) @ self.root.T / np.sqrt(width)
        low[oblique], high[oblique] = chords(places[oblique], along[oblique])
        chosen = rng.integers(width, size=len(axis))
        along[axis, chosen] = self._alone[chosen]
        low[axis], high[axis] = chords(places[axis, chosen, None], along[axis, chosen, None])
        before = REACH * rng.random(count)
        low, high = np.maximum(low, -before), np.minimum(high, REACH - before)
        left = np.arange(count)
        for _ in range(TRIES):
            share = low + (high - low) * rng.random(len(left))
            tried = np.clip(places[left] + share[:, None] * along[left], 0.0, 1.0)
            good = self.scores(tried) >= threshold
            places[left[good]] = tried[good]
            low, high = np.where(share < 0, share, low)[~good], np.where(share < 0, high, share)[~good]
            left = left[~good]
            if not len(left):
                break


def chords(places: Floats, along: Floats) -> tuple[Floats, Floats]:
    """How far (n,) back and forth lines from places (n, inputs) in the unit cube run within it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        down, up = -places / along, (1 - places) / along
    # along what does not move a line never ends: infinite, or 0/0 at a wall, which fmax and fmin leave out
    low, high = np.fmax.reduce(np.minimum(down, up), axis=1), np.fmin.reduce(np.maximum(down, up), axis=1)
    return np.fmin(low, 0.0), np.fmax(high, 0.0)
