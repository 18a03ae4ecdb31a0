"""How many patients a real trial would need: log-rank tests of trials drawn from a cohort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.solvers import Floats
from backfire.studies.statistics.survival import Bools, Times

TRIALS: Final = 1000
SMALLEST_TRIAL, LARGEST_TRIAL = 5, 5000
FEWEST: Final = 20
POWER: Final = 0.8
SIGNIFICANT: Final = 0.05


@dataclass(frozen=True)
class Needed:
    """How many patients per arm a trial needs: for each of ``sizes`` the share of resampled trials, ``power``, whose two-sided
    log-rank test is below 0.05 in the direction of the whole cohort. ``patients`` is where that reaches ``POWER``: interpolated,
    infinite if no size does."""

    sizes: tuple[int, ...]
    power: tuple[float, ...]
    patients: float


def patients_needed(first: Times, second: Times, seed: int = 0) -> Needed:
    """Trials drawn from two groups: every patient of an arm anew and with replacement, in sizes that grow by a third, until nine
    in ten find the difference; raises UserError where no difference is seen, or there are too few patients to draw from."""
    if min(len(first), len(second)) < FEWEST:
        raise UserError(f"{min(len(first), len(second))} patients are too few to draw trials from; at least {FEWEST}")
    generator = np.random.default_rng(seed)
    pooled = _Pooled(first, second)
    if not math.isfinite(pooled.whole) or pooled.whole == 0:
        raise UserError("no difference is seen: no number of patients would do")
    sizes: list[int] = []
    power: list[float] = []
    size = SMALLEST_TRIAL
    critical = _critical()
    while size <= LARGEST_TRIAL:
        found = pooled.resampled(size, TRIALS, generator)
        sizes.append(size)
        power.append(float((found * math.copysign(1, pooled.whole) > critical).mean()))
        if power[-1] >= 0.9 or (size >= 500 and power[-1] < 0.1):
            break
        size = math.ceil(size * 4 / 3)
    return Needed(tuple(sizes), tuple(power), _crossing(sizes, power))


def _critical() -> float:
    from scipy.stats import norm

    return float(norm.ppf(1 - SIGNIFICANT / 2))


def _crossing(sizes: Sequence[int], power: Sequence[float]) -> float:
    """Where the power reaches ``POWER``, between sizes by the logarithm."""
    above = [place for place, value in enumerate(power) if value >= POWER]
    if not above:
        return math.inf
    at = above[0]
    if at == 0:
        return float(sizes[0])
    before, after = power[at - 1], power[at]
    part = (POWER - before) / (after - before)
    return float(math.ceil(sizes[at - 1] * (sizes[at] / sizes[at - 1]) ** part))


class _Pooled:
    """Two groups on one axis of days, so that many resampled log-rank tests are a few sums."""

    def __init__(self, first: Times, second: Times) -> None:
        self.edges = np.unique(np.concatenate([first.days[first.observed], second.days[second.observed]]))
        self.groups = [self._places(times) for times in (first, second)]
        counts = [np.arange(len(times))[None, :] for times in (first, second)]
        self.whole = float(self._statistics(*counts)[0]) if len(self.edges) else math.nan

    def _places(self, times: Times) -> tuple[NDArray[np.int64], Bools]:
        """(how many days with events each patient is at risk on, whether the last of them is its own)."""
        return np.searchsorted(self.edges, times.days, side="right"), times.observed

    def resampled(self, size: int, trials: int, generator: np.random.Generator) -> Floats:
        """Statistics (trials,) of trials with so many patients per arm."""
        if not len(self.edges):
            return np.zeros(trials)
        portion = max(1, 4_000_000 // (size + len(self.edges)))
        parts = []
        for start in range(0, trials, portion):
            chosen = [generator.integers(0, len(places), (min(portion, trials - start), size)) for places, _ in self.groups]
            parts.append(self._statistics(*chosen))
        return np.concatenate(parts)

    def _statistics(self, *chosen: NDArray[np.int64]) -> Floats:
        """Log-rank statistics (trials,) of chosen patients (trials, size) per group; above 0 if the second ends later."""
        counts = [self._counts(which, *group) for which, group in zip(chosen, self.groups, strict=True)]
        (died, at_risk), (more, left) = counts
        events, everybody = died + more, at_risk + left
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = np.where(everybody > 0, events * at_risk / everybody, 0.0)
            spread = events * at_risk * left * (everybody - events) / (everybody**2 * (everybody - 1))
            variance = np.where(everybody > 1, spread, 0.0).sum(axis=1)
            found = (died - expected).sum(axis=1) / np.sqrt(variance)
        return np.asarray(np.where(variance > 0, found, 0.0))

    def _counts(self, which: NDArray[np.int64], places: NDArray[np.int64], observed: Bools) -> tuple[Floats, Floats]:
        """(events, at risk) (trials, days) on every day with an event."""
        trials, width = len(which), len(self.edges) + 1
        rows = np.arange(trials)[:, None] * width
        left = np.bincount((rows + places[which]).ravel(), minlength=trials * width).reshape(trials, width)
        seen = observed[which]
        ended = np.bincount((rows + places[which] - 1)[seen], minlength=trials * width).reshape(trials, width)[:, :-1]
        at_risk = left[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        return ended.astype(float), at_risk.astype(float)
