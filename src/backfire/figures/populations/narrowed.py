"""Where members lie in the space they were sampled from, as figures show it: by their weights, against their prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.formatting import short, unit_in_words
from backfire.sampling import Classes, Space
from backfire.solvers import Floats

MOST_BINS: Final = 16


@dataclass(frozen=True, eq=False)
class Narrowed:
    """``members`` (n, inputs) of a ``space`` with their ``weights`` (n,), and the unit of every input by name."""

    space: Space
    units: Mapping[str, str]
    members: Floats
    weights: Floats

    @property
    def order(self) -> NDArray[np.int64]:
        """The columns, those narrowed most first."""
        return np.argsort(-self.space.narrowed(self.members, self.weights), kind="stable")

    def ends(self, name: str) -> tuple[str, str]:
        """The values at both ends of an input's range, the upper one with its unit."""
        item = self.space.inputs[name]
        return short(item.low), f"{short(item.high)} {unit_in_words(self.units[name])}".strip()

    def density(self, name: str, bins: int | None = None) -> tuple[Floats, Floats]:
        """(heights, edges) over the shares of an input: 1 where members are as frequent as in the prior; a bar a class."""
        item = self.space.inputs[name]
        worth = self.weights.sum() ** 2 / (self.weights**2).sum()
        edges = np.linspace(0, 1, 1 + (bins or int(np.clip(worth // 20, 4, MOST_BINS))))
        if isinstance(item, Classes):
            edges = np.concatenate([[0.0], np.cumsum(item.shares[:-1]), [1.0]])
        shares = item.below(self.members[:, self.space.names.index(name)])
        heights, _ = np.histogram(shares, edges, weights=self.weights, density=True)
        return heights, edges
