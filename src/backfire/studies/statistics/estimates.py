"""Estimates with their intervals: of means over patients drawn again, and of shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from backfire.solvers import Floats

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 2000
LARGEST: Final = 10_000_000
"""Draws that are held at a time."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def row(self) -> tuple[float, float, float]:
        """As three cells of a table."""
        return self.value, self.low, self.high

    @property
    def error(self) -> float:
        """The standard error that a normal interval of this width has."""
        return (self.high - self.low) / (2 * _quantile())

    @classmethod
    def normal(cls, value: float, error: float) -> Estimate:
        """value ± 1.96 standard errors."""
        reach = _quantile() * error
        return cls(value, value - reach, value + reach)

    @classmethod
    def of_draws(cls, value: float, draws: Floats) -> Estimate:
        """A value with the percentiles of ``draws`` (resamples,) of it, widened where they miss it."""
        low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return cls(float(value), min(float(low), float(value)), max(float(high), float(value)))


NO_ESTIMATE: Final = Estimate(math.nan, math.nan, math.nan)


def _quantile() -> float:
    from scipy.stats import norm

    return float(norm.ppf(0.5 + CONFIDENCE / 2))


def share(count: int, total: int) -> Estimate:
    """A share with Wilson's 95 % interval."""
    from scipy.stats import binomtest

    found = binomtest(count, total).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(count / total, float(found.low), float(found.high))


def sample_median(values: Floats) -> Estimate:
    """The median of ``values`` (n,), some of which may be infinite, with its exact 95 % interval: two of the ordered values,
    whatever their distribution; infinite where there are too few for it. No estimate of no values."""
    from scipy.stats import binom

    count = len(values)
    if not count:
        return NO_ESTIMATE
    ordered = np.sort(values)
    low, high = float(ordered[(count - 1) // 2]), float(ordered[count // 2])
    ends = int(binom.ppf((1 - CONFIDENCE) / 2, count, 0.5))
    between = (float(ordered[ends - 1]), float(ordered[count - ends])) if ends else (-math.inf, math.inf)
    return Estimate(low if low == high else (low + high) / 2, *between)


def bootstrapped(values: Floats, seed: int = 0) -> Estimate:
    """The mean over the first axis of ``values`` (n,) with its percentile interval over patients drawn again."""
    return Estimate.of_draws(values.mean(), bootstrap_means(values, seed))


def bootstrap_means(values: Floats, seed: int = 0) -> Floats:
    """Means (resamples, …) of ``values`` (n, …) over patients drawn again with replacement; the same draws for the same seed."""
    count, generator, parts = len(values), np.random.default_rng(seed), []
    portion = max(1, LARGEST // count)
    for start in range(0, RESAMPLES, portion):
        draws = generator.multinomial(count, np.full(count, 1 / count), min(portion, RESAMPLES - start))
        parts.append(np.tensordot(draws / count, values, axes=(1, 0)))
    return np.concatenate(parts)
