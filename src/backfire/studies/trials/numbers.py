"""The numbers of a trial: who is followed how long, what each arm shows, what the same patients gain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UnansweredError, UserError
from backfire.solvers import Floats
from backfire.studies.runs import Simulated
from backfire.studies.statistics import (
    NO_ESTIMATE,
    Estimate,
    HazardRatio,
    LogRank,
    Needed,
    Times,
    hazard_ratio,
    log_rank,
    longest_horizon,
    patients_needed,
    restricted_mean,
    survival_curve,
)
from backfire.studies.trials.endpoints import END, LOST, Endpoint, Seen, endpoints_of, seen_at_visits
from backfire.studies.trials.progression import ProgressionReadings, progression_readings
from backfire.studies.trials.spec import LEAVE_OUT, REFUSE, TrialSpec
from backfire.studies.trials.twins import Gains

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ArmSummary:
    """One endpoint in one arm. ``median`` is infinite where not reached; ``mean`` is restricted to ``horizon``."""

    endpoint: str
    arm: str
    patients: int
    events: int
    median: Estimate
    mean: Estimate
    horizon: float


@dataclass(frozen=True, eq=False)
class ArmComparison:
    """One endpoint, an arm against the reference: the gains of the same patients first, then what a trial would say.

    ``problem`` says why there is no log-rank test, or no hazard ratio.
    """

    endpoint: str
    arm: str
    gains: Gains
    mean_difference: Estimate
    test: LogRank | None
    ratio: HazardRatio | None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class TrialNumbers:
    """A finished virtual trial: the times of its patients, every endpoint in every arm, every arm against the reference.

    ``kept`` are the patients (n,) that could be simulated, of all that were ``drawn``; each enters on day ``entry`` (n,) and is
    followed for ``until`` (n,) days, fewer where it is ``lost``.
    """

    spec: TrialSpec
    simulated: Simulated
    drawn: int
    kept: NDArray[np.int64]
    entry: Floats
    until: Floats
    lost: Bools
    endpoints: Mapping[str, Endpoint]
    seen: Seen | None

    @cached_property
    def times(self) -> dict[tuple[str, str], Times]:
        """Endpoint and arm → the times that the trial has of its patients."""
        return {
            (name, arm): Times(time[:, place], event[:, place])
            for name, (time, event, _) in self.followed.items()
            for place, arm in enumerate(self.simulated.arms)
        }

    @cached_property
    def followed(self) -> dict[str, tuple[Floats, Bools, NDArray[np.object_]]]:
        """Endpoint → (time, event, reason of censoring), each (patients, arms)."""
        return {name: item.followed(self.until, self.ended) for name, item in self.endpoints.items()}

    @property
    def ended(self) -> list[str]:
        """Why each patient is followed no longer."""
        return [LOST if lost else END for lost in self.lost]

    @cached_property
    def readings(self) -> list[ProgressionReadings]:
        """In every arm the model's own progression beside that of clinicians; empty without visits, or where nobody asked for
        progression."""
        return progression_readings(self.simulated, self.seen, self.until, self.ended)

    def horizon(self, endpoint: str) -> float:
        """Up to which day restricted means go: the follow-up, or as far as every arm was followed."""
        return min(self.spec.follow_up, longest_horizon([self.times[endpoint, arm] for arm in self.spec.arms]))

    @cached_property
    def summaries(self) -> list[ArmSummary]:
        """Every endpoint in every arm."""
        made = []
        for name in self.spec.endpoints:
            horizon = self.horizon(name)
            for arm in self.spec.arms:
                times = self.times[name, arm]
                median = Estimate(*survival_curve(times).median)
                made.append(ArmSummary(name, arm, len(times), times.events, median, _mean(times, horizon), horizon))
        return made

    @cached_property
    def comparisons(self) -> list[ArmComparison]:
        """Every endpoint, every arm against the reference."""
        return [self._compared(name, arm) for name in self.spec.endpoints for arm in self.spec.compared]

    def gains(self, endpoint: str, arm: str) -> Gains:
        """What an arm brings every patient over the reference."""
        at, reference = (self.simulated.arms.index(name) for name in (arm, self.spec.reference))
        return Gains(self.endpoints[endpoint].gains(at, reference, self.spec.follow_up), self.spec.follow_up, self.spec.margin)

    def _compared(self, name: str, arm: str) -> ArmComparison:
        first, second = (self.times[name, item] for item in (self.spec.reference, arm))
        horizon = self.horizon(name)
        means = [_mean(times, horizon) for times in (first, second)]
        difference = Estimate.normal(means[1].value - means[0].value, math.hypot(means[0].error, means[1].error))
        test, ratio, problem = None, None, ""
        try:
            test = log_rank(first, second)
            ratio = hazard_ratio(first, second)
        except UserError as error:
            problem = str(error)
        return ArmComparison(name, arm, self.gains(name, arm), difference, test, ratio, problem)

    @cached_property
    def needed(self) -> dict[str, Needed | str]:
        """Arm → patients per arm that a trial of the first endpoint would need against the reference, or why none would do."""
        name = self.spec.endpoints[0]
        found: dict[str, Needed | str] = {}
        for arm in self.spec.compared:
            try:
                found[arm] = patients_needed(self.times[name, self.spec.reference], self.times[name, arm], self.spec.tumours.seed)
            except UserError as error:
                found[arm] = str(error)
        return found

    @property
    def left_out(self) -> int:
        """How many patients could not be simulated and are left out."""
        return self.drawn - len(self.kept)


def _mean(times: Times, horizon: float) -> Estimate:
    """The restricted mean; none where somebody's follow-up ends at once."""
    return restricted_mean(times, horizon) if horizon > 0 else NO_ESTIMATE


def conducted(spec: TrialSpec, found: Simulated) -> TrialNumbers:
    """The trial of patients that are simulated already; raises UserError where some failed, unless they are left out."""
    wrong: Bools = np.asarray(found.failed.any(axis=1))
    why = [found.failures] if wrong.any() else []
    for name in spec.needed:
        without = ~np.isfinite(found.outcomes[name]) & ~found.failed
        arms = [
            f"{int(without[:, at].sum())} of {len(wrong)} in {arm}" for at, arm in enumerate(found.arms) if without[:, at].any()
        ]
        why += [f"{name} does not apply to {', '.join(arms)}"] if arms else []
        wrong |= without.any(axis=1)
    count = int(wrong.sum())
    if count == len(wrong):
        raise UnansweredError(f"no patient is left: {'; '.join(why)}")
    if count and spec.failed == REFUSE:
        raise UnansweredError(f'{"; ".join(why)}; a trial without them may deceive: mend them, or say failed = "{LEAVE_OUT}"')
    kept = np.flatnonzero(~wrong)
    chosen = found.only(kept)
    seen = None if spec.visits is None else seen_at_visits(chosen, spec.visits, spec.criteria)
    generator = np.random.default_rng([spec.tumours.seed, 1])
    entry = spec.accrual * generator.random(len(wrong))[kept]
    rate = -math.log1p(-spec.dropout) / spec.follow_up
    lost_on = generator.exponential(1.0, len(wrong))[kept] / rate if rate > 0 else np.full(len(kept), np.inf)
    closed = spec.follow_up + spec.accrual - entry
    until, lost = np.minimum(closed, lost_on), lost_on < closed
    return TrialNumbers(spec, chosen, len(wrong), kept, entry, until, lost, endpoints_of(chosen, spec.endpoints, seen), seen)
