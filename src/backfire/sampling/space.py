"""Spaces: named inputs that are not known exactly, each with its distribution, and points in them.

A point is first one of the unit cube, as designs and Sobol sequences give them; every distribution then turns its share
into a value. What a space is filled with and what it means are thus two things, and any number of samples keeps them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from backfire.errors import UserError, unknown
from backfire.sampling.distributions import Distribution, LogUniform, Uniform
from backfire.scenario import Input
from backfire.solvers import Floats

WIDE: Final = 10.0
"""Plausible ranges wider than this factor are even in the logarithm."""


@dataclass(frozen=True, eq=False)
class Space:
    """Named inputs with their distributions, in the order of the columns of points.

    ``correlations`` maps pairs of inputs to Spearman's rank correlation between them (a Gaussian copula: every marginal stays
    as it is). Raises UserError for correlations that contradict each other.
    """

    inputs: Mapping[str, Distribution]
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pair, rank in self.correlations.items():
            for name in pair:
                if name not in self.inputs:
                    raise UserError(unknown("input that varies", name, self.inputs))
            if pair[::-1] in self.correlations and pair[0] != pair[1]:
                raise UserError(f"{' and '.join(pair)}: are correlated twice")
            if not -1 < rank < 1 or pair[0] == pair[1]:
                raise UserError(f"{' and '.join(pair)}: a rank correlation of {rank:g}; give one between -1 and 1, of two inputs")
        _ = self._mixing

    @classmethod
    def plausible(cls, inputs: Iterable[Input]) -> Space:
        """Every parameter among the inputs within its plausible range: by the logarithm if it is wider than a factor of ``WIDE``.

        A parameter that is 0 is switched off by design and stays so.
        """
        found: dict[str, Distribution] = {}
        for item in _varied(inputs):
            kind = LogUniform if item.low > 0 and item.high / item.low > WIDE else Uniform
            found[item.name] = kind(item.low, min(item.high, item.most / item.per_unit))
        return cls(found)

    @classmethod
    def box(cls, inputs: Iterable[Input], factor: float) -> Space:
        """Every parameter among the inputs from value/factor to value·factor by the logarithm, cut at its largest possible value.

        A parameter that is 0, or has nowhere to go, stays. Raises UserError for a factor that is not above 1.
        """
        if not 1 < factor < np.inf:
            raise UserError(f"a box needs a factor above 1, got {factor:g}")
        limits = {
            item.name: (item.value / factor, min(item.value * factor, item.most / item.per_unit)) for item in _varied(inputs)
        }
        return cls({name: LogUniform(low, high) for name, (low, high) in limits.items() if low < high})

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The inputs, in the order of the columns."""
        return tuple(self.inputs)

    def place(self, unit: Floats) -> Floats:
        """Points of the unit cube (n, inputs) as values (n, inputs). Raises UserError for another number of columns."""
        if unit.ndim != 2 or unit.shape[1] != len(self.names):
            raise UserError(f"points have shape {unit.shape}, must be (n, {len(self.names)})")
        unit = self._correlated(unit)
        columns = [item.at(column) for item, column in zip(self.inputs.values(), unit.T, strict=True)]
        return np.column_stack(columns) if columns else np.empty((len(unit), 0))

    def shares(self, values: Floats) -> Floats:
        """How far up in its own distribution every value (n, inputs) lies, from 0 to 1; correlations stay in them."""
        columns = [item.below(column) for item, column in zip(self.inputs.values(), values.T, strict=True)]
        return np.column_stack(columns) if columns else np.empty((len(values), 0))

    def narrowed(self, values: Floats, weights: Floats) -> Floats:
        """How much closer together ``values`` (n, inputs) of ``weights`` (n,) lie than the space (inputs,): 1 - sd/sd of shares.

        0 for what is drawn from the space, 1 for an input that is known; below 0 where values gather at both ends.
        """
        shares, weights = self.shares(values), weights / weights.sum()
        spreads = np.sqrt(weights @ (shares - weights @ shares) ** 2)
        return np.asarray(1 - spreads / np.array([item.share_spread for item in self.inputs.values()]))

    @cached_property
    def _mixing(self) -> tuple[list[int], Floats]:
        """The columns that are correlated, and the root of the correlation matrix of their normal scores.

        A rank correlation r is a correlation of 2·sin(πr/6) between normal scores (Pearson 1907).
        """
        names = [name for name in self.names if any(name in pair for pair in self.correlations)]
        matrix = np.eye(len(names))
        for (one, two), rank in self.correlations.items():
            first, second = names.index(one), names.index(two)
            matrix[first, second] = matrix[second, first] = 2 * np.sin(np.pi * rank / 6)
        try:
            return [self.names.index(name) for name in names], np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
        except np.linalg.LinAlgError:
            raise UserError("the rank correlations contradict each other: no inputs can have all of them") from None

    def _correlated(self, unit: Floats) -> Floats:
        """Points of the cube whose marginals are even as before, and whose ranks go together as they should."""
        columns, root = self._mixing
        if not columns:
            return unit
        from scipy.special import ndtr, ndtri

        made = unit.copy()
        scores = ndtri(np.clip(unit[:, columns], 1e-16, 1 - 1e-16))
        # column by column: a point must not depend on how many stand beside it
        for place, column in enumerate(columns):
            mixed = np.zeros(len(unit))
            for other in range(place + 1):
                mixed = mixed + root[place, other] * scores[:, other]
            made[:, column] = ndtr(mixed) if np.count_nonzero(root[place]) > 1 else unit[:, column]
        return made

    def sobol(self, count: int, seed: int = 0) -> Floats:
        """``count`` points (count, inputs) of a scrambled Sobol sequence, which fill the space evenly.

        Raises UserError unless ``count`` is a power of two. The designs of sweeps draw other points from an equal seed.
        """
        from scipy.stats import qmc

        if count < 1 or count & (count - 1):
            raise UserError(f"Sobol points fill a space evenly in powers of two, got {count}")
        if not self.names:
            return np.empty((count, 0))
        return self.place(qmc.Sobol(len(self.names), scramble=True, seed=seed).random_base2(count.bit_length() - 1))

    def one_at_a_time(self, usual: Mapping[str, float]) -> tuple[Floats, list[tuple[str, float]]]:
        """Every input alone at its low and at its high end, all others at their ``usual`` values.

        Gives the points (2·inputs, inputs), low end first, and for each of them the input moved and its value.
        """
        moved = [(name, float(end)) for name, item in self.inputs.items() for end in (item.low, item.high)]
        points = np.tile(np.array([usual[name] for name in self.names], dtype=float), (len(moved), 1))
        for row, (name, value) in zip(points, moved, strict=True):
            row[self.names.index(name)] = value
        return points, moved


def _varied(inputs: Iterable[Input]) -> Iterator[Input]:
    """Parameters that are not switched off."""
    yield from (item for item in inputs if item.kind == "parameter" and item.value != 0)
