"""Times of which some were not seen to end: Kaplan and Meier's curves, restricted means, and how two groups compare.

SciPy has the curve and the log-rank test (its statistic is the square root of the usual χ²), lifelines Cox's model and the
check of proportional hazards. The tables of people at risk and the restricted means of lifelines are not used: the former
have open faults (its issues 1316, 1286, 1452), the latter integrate steps as if they were smooth. Both are sums.

What has no answer (no event, all events at one time, groups that do not overlap) is refused with the reason.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.solvers import Floats
from backfire.studies.statistics.estimates import CONFIDENCE, Estimate

if TYPE_CHECKING:
    from scipy.stats import CensoredData

Bools = NDArray[np.bool_]
WIDEST: Final = 10.0
"""A standard error of a log hazard ratio beyond this is no estimate: the groups do not overlap in time."""


@dataclass(frozen=True, eq=False)
class Times:
    """Times ``days`` (n,) from 0 on, and whether each was seen to end: where ``observed`` (n,) is False it is censored.

    Raises UserError for none at all, for times below 0, and for those that are no numbers.
    """

    days: Floats
    observed: Bools

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", np.asarray(self.days, dtype=float))
        object.__setattr__(self, "observed", np.asarray(self.observed, dtype=bool))
        if self.days.shape != self.observed.shape or self.days.ndim != 1 or not len(self.days):
            raise UserError(
                f"times have shape {self.days.shape} and marks {self.observed.shape}; give as many of both, one at least"
            )
        wrong = int((~(np.isfinite(self.days) & (self.days >= 0))).sum())
        if wrong:
            raise UserError(f"{wrong} of {len(self.days)} times are no days from 0 on")

    def __len__(self) -> int:
        return len(self.days)

    @property
    def events(self) -> int:
        """How many were seen to end."""
        return int(self.observed.sum())

    def at_risk(self, days: Sequence[float] | Floats) -> NDArray[np.int64]:
        """How many were still followed just before each day: those whose time is that day or later."""
        return len(self.days) - np.searchsorted(np.sort(self.days), np.asarray(days, dtype=float), side="left")

    @property
    def steps(self) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
        """(days, events, at risk) at each day with an event."""
        days, events = np.unique(self.days[self.observed], return_counts=True)
        return days, events, self.at_risk(days)

    def censored_data(self) -> CensoredData:
        """As SciPy wants them."""
        from scipy.stats import CensoredData

        return CensoredData(uncensored=self.days[self.observed], right=self.days[~self.observed])


@dataclass(frozen=True, eq=False)
class SurvivalCurve:
    """Kaplan and Meier's estimate: from ``days`` (k,) on, beginning at 0, a share ``survival`` (k,) has not ended.

    ``low`` and ``high`` (k,) are the 95 % band at each day (log(-log S) with Greenwood's variance; not simultaneous). Where
    all have ended that band is not defined: it goes from 0 to what it was before. ``last`` is the last day anybody was seen.
    """

    days: Floats
    survival: Floats
    low: Floats
    high: Floats
    last: float

    @property
    def median(self) -> tuple[float, float, float]:
        """The first day on which at most half have not ended, with 95 % interval (Brookmeyer, Crowley); infinite: not reached."""
        reached = (self._first(column) for column in (self.survival, self.low, self.high))
        value, low, high = reached
        return value, low, high

    def _first(self, column: Floats) -> float:
        under = np.flatnonzero(column <= 0.5 + 1e-12)
        return float(self.days[under[0]]) if len(under) else math.inf


def survival_curve(times: Times) -> SurvivalCurve:
    """Kaplan and Meier's curve of one group."""
    from scipy.stats import ecdf

    found = ecdf(times.censored_data()).sf
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # the band is not defined where nobody, or everybody, has ended
        band = found.confidence_interval(confidence_level=CONFIDENCE, method="log-log")
    days, survival = np.asarray(found.quantiles), np.asarray(found.probabilities)
    low, high = np.asarray(band.low.probabilities), np.asarray(band.high.probabilities)
    steps = np.isin(days, times.days[times.observed])
    columns = [np.concatenate([[1.0], column[steps]]) for column in (survival, low, high)]
    survival, low, high = (np.clip(column, 0.0, 1.0) for column in columns)
    low, high = np.where(survival == 1, 1.0, low), np.where(survival == 1, 1.0, high)
    ended = survival <= 1e-12
    before = high[np.maximum(np.arange(len(high)) - 1, 0)]
    low, high = np.where(ended, 0.0, low), np.where(ended, before, high)
    return SurvivalCurve(np.concatenate([[0.0], days[steps]]), np.where(ended, 0.0, survival), low, high, float(times.days.max()))


def longest_horizon(groups: Sequence[Times]) -> float:
    """The last day up to which a restricted mean of every group can be had: before the first group's follow-up ends, unless all
    of it has ended."""
    last = [math.inf if times.observed[times.days == times.days.max()].all() else float(times.days.max()) for times in groups]
    return min(last)


def restricted_mean(times: Times, horizon: float) -> Estimate:
    """The mean time up to ``horizon``: ∫₀^τ S(t) dt, with the variance Σ (∫_t^τ S)² d/(n(n - d)) over the events (Klein and
    Moeschberger 2003, section 4.5).

    Raises UserError for a horizon beyond what was followed.
    """
    reach = longest_horizon([times])
    if not 0 < horizon <= reach:
        raise UserError(f"a mean up to day {horizon:g} cannot be had: the last of these times is censored on day {reach:g}")
    curve = survival_curve(times)
    edges = np.append(curve.days[curve.days < horizon], horizon)
    areas = np.diff(edges) * curve.survival[: len(edges) - 1]
    days, events, at_risk = times.steps
    inside = days < horizon
    left_over = np.append(areas[::-1].cumsum()[::-1], 0.0)  # the area behind each edge
    after = left_over[np.searchsorted(edges, days[inside])]
    died, left = events[inside].astype(float), at_risk[inside].astype(float)
    terms = np.where(left > died, after**2 * died / (left * np.where(left > died, left - died, 1.0)), 0.0)
    return Estimate.normal(float(areas.sum()), math.sqrt(float(terms.sum())))


@dataclass(frozen=True)
class LogRank:
    """The log-rank test of two groups: ``statistic`` is normal (its square is the usual χ²), above 0 if the second group
    ends later; ``chance`` is two-sided."""

    statistic: float
    chance: float


def log_rank(first: Times, second: Times) -> LogRank:
    """Compare two groups over all times; raises UserError where nothing can be compared."""
    from scipy.stats import logrank

    _refuse_incomparable(first, second)
    found = logrank(first.censored_data(), second.censored_data())
    return LogRank(float(found.statistic), float(found.pvalue))


def _refuse_incomparable(first: Times, second: Times) -> None:
    if not first.events + second.events:
        raise UserError("no event in either group: nothing can be compared")
    days = np.union1d(first.days[first.observed], second.days[second.observed])
    shared = days[(first.at_risk(days) > 0) & (second.at_risk(days) > 0)]
    if not len(shared):
        raise UserError("when the first event comes, nobody is left in one of the groups: nothing can be compared")
    at_first = first.at_risk(shared[:1])[0] + second.at_risk(shared[:1])[0]
    ended = int(((first.days == shared[0]) & first.observed).sum() + ((second.days == shared[0]) & second.observed).sum())
    if len(shared) == 1 and ended == at_first:
        raise UserError(f"all events come on day {shared[0]:g}, to everybody who is left: nothing can be compared")


@dataclass(frozen=True)
class HazardRatio:
    """Hazard of the second group over that of the first, with 95 % interval, by Cox's model with Efron's ties.

    ``proportional`` is the chance of so large a trend of the scaled Schoenfeld residuals over ranked time if the ratio were
    the same at all times; where it is small the one number averages over ratios that differ, with weights that depend on
    censoring.
    """

    ratio: Estimate
    proportional: float

    @property
    def constant(self) -> bool:
        """False where the ratio clearly changes over time."""
        return self.proportional >= 1 - CONFIDENCE


def hazard_ratio(first: Times, second: Times) -> HazardRatio:
    """Cox's hazard ratio of the second group over the first; raises UserError where it is not defined, with the reason."""
    import pandas

    _refuse_incomparable(first, second)
    if not (first.events and second.events):
        raise UserError("one of the groups has no event: the hazard ratio has no bound")
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError
    from lifelines.statistics import proportional_hazard_test

    data = pandas.DataFrame(
        {
            "days": np.concatenate([first.days, second.days]),
            "event": np.concatenate([first.observed, second.observed]),
            "second": np.repeat([0.0, 1.0], [len(first), len(second)]),
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what lifelines suspects by looks is judged by the standard error
        try:
            fitted: Any = CoxPHFitter().fit(data, "days", "event")
            tested = proportional_hazard_test(fitted, data, time_transform="rank")
        except (ConvergenceError, np.linalg.LinAlgError, ValueError) as error:
            raise UserError(f"Cox's model cannot be fitted ({str(error).splitlines()[0][:80]})") from None
    value, spread = (float(fitted.summary.loc["second", name]) for name in ("coef", "se(coef)"))
    if not (math.isfinite(value) and spread < WIDEST):
        raise UserError("the groups do not overlap in time: the hazard ratio has no bound")
    log = Estimate.normal(value, spread)
    ratio = Estimate(*(math.exp(item) for item in (log.value, log.low, log.high)))
    return HazardRatio(ratio, float(np.ravel(tested.p_value)[0]))
