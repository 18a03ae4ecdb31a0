"""How likely the values of one input are: distributions with two ends, each of which turns a share into a value and back."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np

from backfire.errors import UserError
from backfire.solvers import Floats

BETA_EXPONENTS: Final = (0.01, 1e6)
"""Exponents of beta distributions lie between: beyond, SciPy's inverse is wrong or no number, and all values are at the ends, or
at one point."""


@dataclass(frozen=True)
class Distribution(ABC):
    """How likely the values of one input are, from ``low`` to ``high``, the ends to which it goes where it goes alone.

    Raises UserError for ends that are not finite or the wrong way round.
    """

    kind: ClassVar[str]
    scale: ClassVar[str] = "linear"
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low <= self.high):
            raise UserError(f"goes from low = {self.low:g} to high = {self.high:g}; low must not be above high")
        if not math.isfinite(float(self.high) - float(self.low)):
            raise UserError(f"goes from low = {self.low:g} to high = {self.high:g}, which is wider than a number can be")

    def _fits_ratio(self, least: float) -> None:
        """Raises UserError where ``high`` is so many times ``least`` that no number says how many."""
        if not math.isfinite(float(self.high) / float(least)):
            raise UserError(f"goes up to high = {self.high:g}, which is more times {least:g} than a number can say; narrow it")

    def at(self, shares: Floats) -> Floats:
        """The quantile function: the values (n,) below which ``shares`` (n,) in [0, 1] of all values lie, ends exact."""
        found = np.where(shares >= 1, self.high, np.clip(self._at(shares), self.low, self.high))
        return np.asarray(np.where(shares <= 0, self.low, found))

    def below(self, values: Floats) -> Floats:
        """The share (n,) of all values that lies below each of ``values`` (n,): the inverse of ``at``."""
        return np.clip(self._below(np.clip(values, self.low, self.high)), 0.0, 1.0)

    @property
    def share_spread(self) -> float:
        """The standard deviation that ``below`` has over values of this distribution: that of an even share."""
        return math.sqrt(1 / 12)

    def describe(self) -> dict[str, Any]:
        """The distribution as plain data."""
        return {"distribution": self.kind, "scale": self.scale, **vars(self)}

    @abstractmethod
    def _at(self, shares: Floats) -> Floats: ...

    @abstractmethod
    def _below(self, values: Floats) -> Floats: ...


@dataclass(frozen=True)
class Uniform(Distribution):
    """Every value as likely as any other: ``low`` + share·(``high`` - ``low``)."""

    kind: ClassVar[str] = "uniform"

    def _at(self, shares: Floats) -> Floats:
        return self.low + (self.high - self.low) * shares

    def _below(self, values: Floats) -> Floats:
        return (values - self.low) / (self.high - self.low or 1.0)


class _AboveZero(Distribution):
    """What lives on a logarithmic scale."""

    scale: ClassVar[str] = "log"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise UserError(f"a log scale starts above 0, got low = {self.low:g}")
        self._fits_ratio(self.low)


@dataclass(frozen=True)
class LogUniform(_AboveZero):
    """Every ratio as likely as any other: ``low``·(``high``/``low``)^share, for ends above 0."""

    kind: ClassVar[str] = "loguniform"

    def _at(self, shares: Floats) -> Floats:
        return self.low * (self.high / self.low) ** shares

    def _below(self, values: Floats) -> Floats:
        return np.asarray(np.log(values / self.low) / (math.log(self.high / self.low) or 1.0))


@dataclass(frozen=True)
class LogNormal(Distribution):
    """ln(value) is normal about ln(``median``), one standard deviation a factor of ``spread``, cut off at both ends."""

    kind: ClassVar[str] = "lognormal"
    scale: ClassVar[str] = "log"
    median: float = 1.0
    spread: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.low < self.median < self.high and 1 < self.spread < math.inf):
            raise UserError(
                f"is log-normal with median = {self.median:g} and spread = {self.spread:g}; the median must lie between "
                f"{self.low:g} and {self.high:g}, the spread, a factor, above 1"
            )
        self._fits_ratio(self.low or self.median)

    def _ends(self) -> tuple[float, float]:
        low, high = (
            math.log(end / self.median) / math.log(self.spread) if end > 0 else -math.inf for end in (self.low, self.high)
        )
        return low, high

    def _at(self, shares: Floats) -> Floats:
        from scipy.stats import truncnorm

        return np.asarray(self.median * self.spread ** truncnorm.ppf(np.clip(shares, 0, 1), *self._ends()))

    def _below(self, values: Floats) -> Floats:
        from scipy.stats import truncnorm

        with np.errstate(divide="ignore"):
            scores = np.log(values / self.median) / math.log(self.spread)
        return np.asarray(truncnorm.cdf(scores, *self._ends()))


@dataclass(frozen=True)
class Beta(Distribution):
    """A beta distribution with exponents ``alpha`` and ``beta``, stretched from ``low`` to ``high``."""

    kind: ClassVar[str] = "beta"
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        least, most = BETA_EXPONENTS
        if not (least <= self.alpha <= most and least <= self.beta <= most):
            raise UserError(
                f"is a beta distribution with alpha = {self.alpha:g} and beta = {self.beta:g}; "
                f"both must be above 0, from {least:g} to {most:g}"
            )

    def _at(self, shares: Floats) -> Floats:
        from scipy.special import betaincinv

        # far below any share that is drawn scipy has no value
        return np.asarray(self.low + (self.high - self.low) * betaincinv(self.alpha, self.beta, np.clip(shares, 1e-15, 1)))

    def _below(self, values: Floats) -> Floats:
        from scipy.special import betainc

        return np.asarray(betainc(self.alpha, self.beta, (values - self.low) / (self.high - self.low or 1.0)))


@dataclass(frozen=True)
class Classes(Distribution):
    """One of a few ``values``, each with its share of all: two kinds of patients, a mutation that is there or not."""

    kind: ClassVar[str] = "classes"
    low: float = field(init=False, default=0.0)
    high: float = field(init=False, default=0.0)
    values: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        listed = f"has values = {list(self.values)} and shares = {list(self.shares)}"
        if len(self.values) != len(self.shares) or len(self.values) < 2 or [*self.values] != sorted({*self.values}):
            raise UserError(f"{listed}; give two or more different values in rising order, and a share for each")
        if not all(0 < share < 1 for share in self.shares) or abs(math.fsum(self.shares) - 1) > 1e-9:
            raise UserError(f"{listed}; the shares must be above 0 and add up to 1")
        object.__setattr__(self, "low", self.values[0])
        object.__setattr__(self, "high", self.values[-1])
        super().__post_init__()

    @property
    def share_spread(self) -> float:
        """Of the middles of all steps: √((1 - Σ share³)/12)."""
        return math.sqrt((1 - math.fsum(share**3 for share in self.shares)) / 12)

    def _at(self, shares: Floats) -> Floats:
        place = np.searchsorted(np.cumsum(self.shares)[:-1], shares, side="right")
        return np.asarray(np.array(self.values)[place])

    def _below(self, values: Floats) -> Floats:
        """The middle of the step of each value."""
        place = np.abs(np.asarray(values)[:, None] - np.array(self.values)).argmin(axis=1)
        return np.asarray((np.cumsum(self.shares) - np.array(self.shares) / 2)[place])


def read_distribution(data: Mapping[str, Any]) -> Distribution:
    """The distribution that ``Distribution.describe`` told of. Raises KeyError, TypeError or UserError for what is none."""
    kinds: dict[str, Any] = {kind.kind: kind for kind in (Uniform, LogUniform, LogNormal, Beta, Classes)}
    kind = kinds[data["distribution"]]
    given = {item.name: data[item.name] for item in dataclasses.fields(kind) if item.init}
    made: Distribution = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
    return made
