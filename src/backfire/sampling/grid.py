"""Grids: every combination of listed or evenly spaced values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backfire.sampling.designs import Design
from backfire.solvers import Floats


@dataclass(frozen=True)
class Grid(Design):
    """Every combination of the values of all axes; the last axis changes fastest."""

    kind: ClassVar[str] = "grid"
    title: ClassVar[str] = "grid"
    pointed: ClassVar[bool] = True

    @classmethod
    def count(cls, points: Sequence[int], _given: Mapping[str, Any], /) -> int:
        """The product of the axes."""
        return math.prod(points)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of every axis: outcomes by member reshape to this."""
        return tuple(axis.size for axis in self.axes)

    def _samples(self, first: int, last: int) -> Floats:
        places = np.unravel_index(np.arange(first, last), self.shape)
        return np.column_stack([axis.grid[place] for axis, place in zip(self.axes, places, strict=True)])
