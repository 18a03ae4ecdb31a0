"""Designs that screen many fields with few members: Morris trajectories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backfire.errors import UserError
from backfire.sampling.designs import Design, setting
from backfire.solvers import Floats


def _uneven(levels: int) -> str | None:
    return f"must be an even number from 2 on, got {levels}" if levels < 2 or levels % 2 else None


@dataclass(frozen=True)
class Morris(Design):
    """Morris trajectories: each starts at a random corner of a coarse grid and changes one field at a time.

    Trajectory t has the members t·(fields + 1) and following; neighbours differ in one field by
    ``levels``/(2·(``levels`` - 1)) of its range.
    """

    kind: ClassVar[str] = "morris"
    title: ClassVar[str] = "Morris"
    trajectories: int = setting("how many trajectories", 0, needed=True, least=1)
    levels: int = setting("levels of every field, an even number; 4 if left out", 4, check=_uneven)
    seed: int = setting("another number gives another sample; 0 if left out", 0, least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for axis in self.axes:
            if axis.values:
                raise UserError(f"`{axis.field}`: Morris trajectories step between low and high; a list of values has no steps")
            if axis.whole and (axis.high - axis.low) % (self.levels - 1):
                raise UserError(f"`{axis.field}` counts whole doses; its range must divide into {self.levels - 1} steps")

    @classmethod
    def count(cls, points: Sequence[int], given: Mapping[str, Any], /) -> int:
        """Trajectories times (fields + 1)."""
        return int(given["trajectories"]) * (len(points) + 1)

    def _samples(self, first: int, last: int) -> Floats:
        length = len(self.axes) + 1
        walks = range(first // length, (last - 1) // length + 1)
        shares = np.concatenate([self._walk(walk) for walk in walks])[first - walks[0] * length : last - walks[0] * length]
        columns = [axis.between(column.tolist()) for axis, column in zip(self.axes, shares.T, strict=True)]
        whole = [np.round(column) if axis.whole else column for axis, column in zip(self.axes, columns, strict=True)]
        return np.column_stack(whole)

    def _walk(self, trajectory: int) -> Floats:
        """The shares (fields + 1, fields) of one trajectory."""
        draw = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(trajectory,)))
        count, half, steps = len(self.axes), self.levels // 2, self.levels - 1
        start = draw.integers(0, half, count)
        upwards = draw.integers(0, 2, count).astype(bool)
        points = np.tile(np.where(upwards, start, start + half), (count + 1, 1))
        for step, column in enumerate(draw.permutation(count), start=1):
            points[step:, column] = start[column] + half if upwards[column] else start[column]
        return points / steps
