"""Axes: one field that varies, between two limits or over listed values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from backfire.errors import UserError, unknown
from backfire.solvers import Floats

MOST_POINTS: Final = 1_000_000
"""Points of one axis of a grid."""


@dataclass(frozen=True)
class Axis:
    """One field that varies: from ``low`` to ``high``, evenly or evenly in the logarithm, or the listed ``values``.

    ``points`` is how many of them a grid has. A ``whole`` axis holds whole numbers only, as the count of doses does.
    Raises UserError for limits that contradict themselves.
    """

    field: str
    low: float = math.nan
    high: float = math.nan
    points: int = 0
    scale: str = "linear"
    values: tuple[float, ...] = ()
    whole: bool = False

    def __post_init__(self) -> None:
        for word in ("low", "high"):
            object.__setattr__(self, word, float(getattr(self, word)))
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        if self.scale not in ("linear", "log"):
            raise UserError(unknown("scale", self.scale, ("linear", "log")))
        if self.values:
            self._check_values()
        else:
            self._check_limits()

    def _check_values(self) -> None:
        if len(set(self.values)) < len(self.values):
            raise UserError("lists a value twice")
        if not all(map(math.isfinite, self.values)):
            raise UserError("lists a value that is not a finite number")
        if self.whole and not all(value.is_integer() for value in self.values):
            raise UserError("counts whole doses; list whole numbers")

    def _check_limits(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UserError(f"goes from low = {self.low:g} to high = {self.high:g}; low must be below high")
        if self.scale == "log" and self.low <= 0:
            raise UserError(f"a log scale starts above 0, got low = {self.low:g}")
        if self.points == 1 or not 0 <= self.points <= MOST_POINTS:
            raise UserError(f"`points` must lie between 2 and {MOST_POINTS}, got {self.points}")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise UserError(f"counts whole doses; low = {self.low:g} and high = {self.high:g} must be whole")
        if self.whole and self.points > 1 and self.scale == "linear" and (self.high - self.low) % (self.points - 1):
            most = int(self.high - self.low) + 1
            raise UserError(f"counts whole doses; {self.points} points from {self.low:g} to {self.high:g} are not, {most} are")
        if self.whole and self.points and self.scale == "log":
            raise UserError("counts whole doses; list them as values = [ ] instead of a log scale")

    @cached_property
    def grid(self) -> Floats:
        """The values (points,) this axis has in a grid; both ends are exact."""
        if self.values:
            return np.array(self.values)
        made = np.array(self.between([index / (self.points - 1) for index in range(self.points)]))
        made[0], made[-1] = self.low, self.high
        return made

    @property
    def size(self) -> int:
        """How many values this axis has in a grid."""
        return len(self.values) or self.points

    def spread(self, shares: Sequence[float]) -> list[float]:
        """Values at ``shares`` in [0, 1), each of a list or of whole numbers equally often."""
        if self.values:
            return [self.values[int(share * len(self.values))] for share in shares]
        if self.whole:
            above = Axis(self.field, self.low, self.high + 1, scale=self.scale)
            return [float(math.floor(value)) for value in above.between(shares)]
        return self.between(shares)

    def between(self, shares: Sequence[float]) -> list[float]:
        """Values at ``shares`` in [0, 1] of the way from low to high, on the scale of the axis.

        One by one on purpose: array functions may round differently at the edge of a slice, and a member must not
        depend on the slice it is asked in.
        """
        if self.scale == "log":
            ratio = self.high / self.low
            return [min(self.high, self.low * math.pow(ratio, share)) for share in shares]
        return [min(self.high, self.low + share * (self.high - self.low)) for share in shares]

    def describe(self) -> dict[str, Any]:
        """The axis as plain data, only what says something."""
        about: dict[str, Any] = {"whole": True} if self.whole else {}
        if self.values:
            return {"values": list(self.values), **about}
        about |= {"points": self.points} if self.points else {}
        return {"low": self.low, "high": self.high, "scale": self.scale, **about}
