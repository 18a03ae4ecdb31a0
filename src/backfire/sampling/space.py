"""Spaces: named inputs that are not known exactly, each with its distribution, and points in them.

A point is first one of the unit cube, as designs and Sobol sequences give them; every distribution then turns its share
into a value. What a space is filled with and what it means are thus two things, and any number of samples keeps them apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from backfire.errors import UserError
from backfire.scenario import Input
from backfire.solvers import Floats

WIDE: Final = 10.0
"""Plausible ranges wider than this factor are even in the logarithm."""


@dataclass(frozen=True)
class Distribution(ABC):
    """How likely the values of one input are, from ``low`` to ``high``, the ends to which it goes where it goes alone.

    Raises UserError for ends that are not finite or the wrong way round.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low <= self.high):
            raise UserError(f"goes from low = {self.low:g} to high = {self.high:g}; low must not be above high")

    def at(self, shares: Floats) -> Floats:
        """The quantile function: the values (n,) below which ``shares`` (n,) in [0, 1] of all values lie, ends exact."""
        return np.asarray(np.where(shares >= 1, self.high, np.clip(self._at(shares), self.low, self.high)))

    @abstractmethod
    def _at(self, shares: Floats) -> Floats: ...


@dataclass(frozen=True)
class Uniform(Distribution):
    """Every value as likely as any other: ``low`` + share·(``high`` - ``low``)."""

    def _at(self, shares: Floats) -> Floats:
        return self.low + (self.high - self.low) * shares


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Every ratio as likely as any other: ``low``·(``high``/``low``)^share, for ends above 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise UserError(f"a log scale starts above 0, got low = {self.low:g}")

    def _at(self, shares: Floats) -> Floats:
        return np.asarray(self.low * (self.high / self.low) ** shares)


@dataclass(frozen=True)
class LogNormal(Distribution):
    """A normal logarithm around ``median``, of which two thirds lie within a ``factor`` of it, cut at ``low`` and ``high``."""

    median: float = 1.0
    factor: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.low < self.median < self.high and self.factor > 1 and np.isfinite(self.factor)):
            raise UserError(
                f"a log-normal input needs a factor above 1, and its median between low and high, got median = {self.median:g}, "
                f"factor = {self.factor:g}, low = {self.low:g}, high = {self.high:g}"
            )

    def _at(self, shares: Floats) -> Floats:
        from scipy.stats import norm

        with np.errstate(divide="ignore"):
            ends = norm.cdf(np.log(np.array([self.low, self.high]) / self.median) / np.log(self.factor))
        return np.asarray(self.median * self.factor ** norm.ppf(ends[0] + (ends[1] - ends[0]) * shares))


@dataclass(frozen=True, eq=False)
class Space:
    """Named inputs with their distributions, in the order of the columns of points."""

    inputs: Mapping[str, Distribution]

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
        columns = [item.at(column) for item, column in zip(self.inputs.values(), unit.T, strict=True)]
        return np.column_stack(columns) if columns else np.empty((len(unit), 0))

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
