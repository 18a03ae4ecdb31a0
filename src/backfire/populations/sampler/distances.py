"""How far points are from satisfying all claims: one number from many violations, and what a judge of points is.

A *judge* gives for every point and claim the margin by which the claim is violated: positive where it is violated, zero
or negative where it holds (how firmly, if the judge knows: it helps the fitted proposals), infinite where it cannot be
said, such as *not applicable*, and NaN where nobody looked, because the point was given up before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.solvers import Floats

Bools = NDArray[np.bool_]
Hopeful = Callable[[Floats], Bools]
"""Violations (n, claims) known so far, NaN elsewhere → which points (n,) can still be accepted, so that judging goes on."""
Judge = Callable[[Floats, Hopeful | None], Floats]
"""Points of the unit cube (n, inputs) and, if the judge may stop early, who is still in → violations (n, claims)."""

Spread = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]
"""Calls a function with each item, here or elsewhere, and gives the answers in order, as ``map`` does."""

PART: Final = 128
"""Points judged at a time where workers share them."""
STEP: Final = 0.05
"""What a claim adds as soon as it is violated, however little."""


def all_hold(known: Floats) -> Bools:
    """Which points (n,) violate no claim as far as is ``known`` (n, claims): who goes on where only the region counts."""
    return np.asarray(~np.any(known > 0, axis=1))


def judged(judge: Judge, points: Floats, hopeful: Hopeful | None = None, spread: Spread = map, part: int = PART) -> Floats:
    """Violations (n, claims) of some points (n, inputs), ``part`` by part as ``spread`` distributes them."""
    parts = [(judge, points[at : at + part], hopeful) for at in range(0, len(points), part)]
    return np.vstack(list(spread(_judged, parts)))


def _judged(given: tuple[Judge, Floats, Hopeful | None]) -> Floats:
    judge, points, hopeful = given
    return judge(points, hopeful)


@dataclass(frozen=True, eq=False)
class Distance:
    """The sum over claims of 0 where one holds, else 0.05 + 0.95·v/(1 + v), v = violation / ``scales`` (claims,).

    A claim that cannot be judged adds 1, as much as one violated beyond measure, so that nothing passes vacuously. Claims that
    are ``ignored`` (claims,) add nothing.
    """

    scales: Floats
    ignored: Bools | None = None

    @classmethod
    def normalised(cls, violations: Floats) -> Distance:
        """Scales are the median violation of each claim among points (n, claims) that violate it, 1 where none does."""
        scales = [
            np.median(column[there]) if (there := np.isfinite(column) & (column > 0)).any() else 1.0 for column in violations.T
        ]
        return cls(np.maximum(np.array(scales, dtype=float), 1e-300))

    def without(self, columns: Sequence[int]) -> Distance:
        """The distance from satisfying all claims but some."""
        return Distance(self.scales, np.isin(np.arange(len(self.scales)), columns))

    def __call__(self, violations: Floats) -> Floats:
        """Distances (n,) of points with violations (n, claims); 0 exactly where every claim holds."""
        return self._sum(violations, 1.0)

    def at_least(self, violations: Floats) -> Floats:
        """The smallest distances (n,) that points can have of which only some violations are known, the others NaN."""
        return self._sum(violations, 0.0)

    def excess(self, violations: Floats) -> Floats:
        """What of the distances (n,) is left as violations shrink to nothing but remain: goes to 0 near a region that exists."""
        return np.asarray(self(violations) - STEP * (~(violations <= 0)).sum(axis=1))

    def _sum(self, violations: Floats, unknown: float) -> Floats:
        with np.errstate(over="ignore"):
            ratio = np.where(violations > 0, violations, 0.0) / self.scales
        part = np.where(np.isinf(ratio), 1.0, STEP + (1 - STEP) * ratio / (1 + np.where(np.isinf(ratio), 0.0, ratio)))
        part = np.where(violations > 0, part, np.where(np.isnan(violations), unknown, 0.0))
        if self.ignored is not None:
            part = np.where(self.ignored, 0.0, part)
        # claim by claim, so that a sum does not depend on how many points stand beside it
        total = np.zeros(len(violations))
        for column in part.T:
            total = total + column
        return total
