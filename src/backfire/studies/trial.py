"""Virtual trials: every patient under every arm, endpoints as a trial sees them, and what no trial can see.

    title     = "Would blocking WNT16B make chemotherapy last?"
    scenario  = "wnt16b-stroma"
    arms      = ["monotherapy", "combination"]
    reference = "monotherapy"
    endpoints = ["progression", "day_above(burden, 5e8)"]
    follow_up = 90          # days that the last patient is followed
    accrual   = 14          # days over which patients enter
    dropout   = 0.1         # share lost within the follow-up
    visits    = 7           # days between visits; left out: everything is seen on its day

Where therapy acts through the host hazards are not proportional, so paired gains and restricted means come first and a hazard
ratio stands beside the check of its assumption. Curves, log-rank test and hazard ratio treat each arm as ``n`` other patients,
as in a trial with n per arm; gains are those of the same patients. Chances of simulated cohorts shrink with n: the number of
patients that a real trial would need says more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from backfire.errors import UserError, unknown
from backfire.scenario import TRIAL, Number, OwnMechanisms, Scenario
from backfire.solvers import Floats
from backfire.studies.endpoints import (
    LOST,
    PROGRESSION,
    Criteria,
    Endpoint,
    Seen,
    check_endpoint,
    endpoints_of,
    needed_outcomes,
    seen_at_visits,
    visit_step,
)
from backfire.studies.folder import Rows, as_frame, study_manifest, write_study
from backfire.studies.runs import Means, Simulated, run_study, stored_study
from backfire.studies.spec import StrictModel, StudyFile, StudyReader, StudySpec
from backfire.studies.survival import (
    Estimate,
    HazardRatio,
    LogRank,
    Times,
    hazard_ratio,
    log_rank,
    longest_horizon,
    restricted_mean,
    survival_curve,
)
from backfire.studies.twins import Gains, Needed, patients_needed

if TYPE_CHECKING:
    import pandas

Bools = NDArray[np.bool_]
REFUSE: Final = "refuse"
LEAVE_OUT: Final = "leave out"


class CriteriaEntry(StrictModel):
    """How tumours are measured and judged at visits."""

    cells_per_cm3: Number = Field(1e8, description="tumour cells in a cubic centimetre of tumour")
    growth: Number = Field(1.2, description="progression: over the smallest diameter so far")
    millimetres: Number = Field(5.0, description="progression: and so many millimetres more")
    response: Number = Field(0.7, description="partial response: share of the first diameter")
    gone: Number = Field(2.0, description="complete response: below this diameter in millimetres")


class TrialFile(StudyFile):
    """A backfire trial: patients, arms, endpoints. Illustrative, not clinically calibrated."""

    reference: str | None = Field(None, description="the arm that others are compared with; that of the scenario if left out")
    endpoints: list[str] = Field([PROGRESSION], min_length=1, description="progression, death, or an outcome that is a day")
    follow_up: Number | None = Field(None, gt=0, description="days that the last patient is followed; all there are if left out")
    accrual: Number = Field(0.0, ge=0, description="days over which patients enter, evenly")
    dropout: Number = Field(0.0, ge=0, lt=1, description="share of patients lost within the follow-up")
    visits: Number | None = Field(None, gt=0, description="days between visits; everything is seen on its day if left out")
    margin: Number = Field(1.0, ge=0, description="gains of fewer days than this are none")
    failed: Literal["refuse", "leave out"] = Field("refuse", description="what to do about patients that cannot be simulated")
    criteria: CriteriaEntry = Field(CriteriaEntry(), description="how tumours are measured and judged at visits")


@dataclass(frozen=True, eq=False)
class TrialSpec(StudySpec):
    """A virtual trial; made by ``load_trial``, or built in Python.

    Raises UserError for endpoints that are no times, and for days beyond those that are simulated.
    """

    endpoints: tuple[str, ...] = (PROGRESSION,)
    reference: str = ""
    follow_up: float = math.nan
    accrual: float = 0.0
    dropout: float = 0.0
    visits: float | None = None
    margin: float = 1.0
    failed: str = REFUSE
    criteria: Criteria = field(default_factory=Criteria)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reference:
            named = self.scenario.reference
            object.__setattr__(self, "reference", named if named in self.arms else self.arms[0])
        if self.reference not in self.arms:
            raise UserError(unknown("arm of this trial", self.reference, self.arms), key="reference")
        for name in self.endpoints:
            check_endpoint(name)
        simulated = float(self.scenario.days) - self.scenario.time_zero
        if math.isnan(self.follow_up):
            object.__setattr__(self, "follow_up", simulated - self.accrual)
        if not 0 < self.follow_up + self.accrual <= simulated + 1e-9 or self.follow_up <= 0:
            raise UserError(
                f"a follow-up of {self.follow_up:g} days after an accrual of {self.accrual:g} needs {self.follow_up + self.accrual:g} days "
                f"after time zero, and {simulated:g} are simulated; give fewer, or more `days` below [set]",
                key="follow_up",
            )
        if self.visits is not None:
            if self.scenario.network.observables.get("burden") != "cell":
                raise UserError("visits measure a diameter, and this burden is not in cells", key="visits")
            if not 0 < self.visits <= self.follow_up:
                raise UserError(f"visits every {self.visits:g} days do not fit into a follow-up of {self.follow_up:g}", key="visits")
            visit_step(self.scenario.time_zero, self.visits)

    @property
    def compared(self) -> tuple[str, ...]:
        """The arms that are compared with the reference."""
        return tuple(arm for arm in self.arms if arm != self.reference)


class _TrialReader(StudyReader[TrialFile, TrialSpec]):
    kind, model = TRIAL, TrialFile

    def finish(self, file: TrialFile, scenario: Scenario, arms: tuple[str, ...]) -> dict[str, Any]:
        for name in file.endpoints:
            known = len(self.problems)
            self.check_outcomes(scenario, arms, needed_outcomes([name]), ("endpoints",))
            if len(self.problems) == known:
                try:
                    check_endpoint(name)
                except UserError as error:
                    self.add(("endpoints",), error)
        criteria = Criteria()
        try:
            criteria = Criteria(**file.criteria.model_dump())
        except UserError as error:
            self.add(("criteria", error.key), error)
        own = file.model_dump(include={"accrual", "dropout", "visits", "margin", "failed"})
        own |= {"reference": file.reference or "", "follow_up": math.nan if file.follow_up is None else file.follow_up}
        return {**own, "criteria": criteria, "endpoints": tuple(dict.fromkeys(file.endpoints))}

    def made(self, given: dict[str, Any]) -> TrialSpec:
        return TrialSpec(**given)


load_trial, parse_trial = _TrialReader.load, _TrialReader.parse


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
class Comparison:
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
class Trial:
    """A finished virtual trial. ``tables`` has every table by name, first the names of its columns."""

    spec: TrialSpec
    simulated: Simulated
    drawn: int
    kept: NDArray[np.int64]
    entry: Floats
    until: Floats
    lost: Bools
    endpoints: Mapping[str, Endpoint]
    seen: Seen | None
    folder: Path | None = None

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
        reason = [LOST if lost else "end of study" for lost in self.lost]
        return {name: item.followed(self.until, reason) for name, item in self.endpoints.items()}

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
                made.append(ArmSummary(name, arm, len(times), times.events, median, restricted_mean(times, horizon), horizon))
        return made

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every endpoint, every arm against the reference."""
        return [self._compared(name, arm) for name in self.spec.endpoints for arm in self.spec.compared]

    def gains(self, endpoint: str, arm: str) -> Gains:
        """What an arm brings every patient over the reference."""
        reached = self.endpoints[endpoint].restricted(self.spec.follow_up)
        at = [self.simulated.arms.index(name) for name in (arm, self.spec.reference)]
        return Gains(reached[:, at[0]] - reached[:, at[1]], self.spec.follow_up, self.spec.margin)

    def _compared(self, name: str, arm: str) -> Comparison:
        first, second = (self.times[name, item] for item in (self.spec.reference, arm))
        horizon = self.horizon(name)
        means = [restricted_mean(times, horizon) for times in (first, second)]
        difference = Estimate.normal(means[1].value - means[0].value, math.hypot(means[0].error, means[1].error))
        test, ratio, problem = None, None, ""
        try:
            test = log_rank(first, second)
            ratio = hazard_ratio(first, second)
        except UserError as error:
            problem = str(error)
        return Comparison(name, arm, self.gains(name, arm), difference, test, ratio, problem)

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

    @property
    def notes(self) -> list[str]:
        """What has to be said beside every number."""
        from backfire.studies.trial_tables import notes_of

        return notes_of(self)

    @cached_property
    def tables(self) -> dict[str, Rows]:
        """``times``, ``patients``, ``arms``, ``comparisons``, ``power``, ``gaining`` and, with visits, ``response``."""
        from backfire.studies.trial_tables import tables_of

        return tables_of(self)

    def table(self, name: str) -> pandas.DataFrame:
        """One of the tables as a DataFrame."""
        if name not in self.tables:
            raise UserError(unknown("table", name, self.tables))
        return as_frame(self.tables[name])


def trial(
    source: TrialSpec | str | Path, out: Path | str | None = None, means: Means | None = None, mechanisms: OwnMechanisms = ()
) -> Trial:
    """Run a virtual trial: a spec, a path or a shipped name.

    With ``out`` it is stored in ``<out>/<name>/``: the patients as a sweep in ``members``, tables, and a manifest. ``means`` say
    who computes. Raises UserError for what cannot be asked, and where patients failed and the trial does not say to leave them out.
    """
    spec = source if isinstance(source, TrialSpec) else load_trial(source, mechanisms)
    every = None if spec.visits is None else visit_step(spec.scenario.time_zero, spec.visits)
    values = spec.tumours.draw()
    found = run_study(spec, spec.tumours.names, values, needed_outcomes(spec.endpoints), out, means or Means(), every)
    return _stored(conducted(spec, found, None if out is None else Path(out) / spec.name))


def read_trial(folder: Path | str) -> Trial:
    """The trial that stands in a folder, without simulating: its ``study.toml`` may ask something else of the same patients."""
    place = Path(folder)
    found, drawn = stored_study(place)
    spec = _TrialReader.again(place, found.scenario, drawn)
    missing = [name for name in needed_outcomes(spec.endpoints) if name not in found.outcomes]
    if missing or not {*spec.arms} <= {*found.arms} or (spec.visits is not None and not len(found.days)):
        raise UserError(f"{place}: its patients were simulated without {', '.join(missing) or 'these arms or visits'}; run it anew")
    return _stored(conducted(spec, found, place))


def conducted(spec: TrialSpec, found: Simulated, folder: Path | None = None) -> Trial:
    """The trial of patients that are simulated already; raises UserError where some failed, unless they are left out."""
    wrong = found.failed.any(axis=1)
    for name in needed_outcomes(spec.endpoints):
        wrong = wrong | ~np.isfinite(found.outcomes[name]).all(axis=1)
    count = int(wrong.sum())
    if count and (spec.failed == REFUSE or count == len(wrong)):
        why = found.failures or f"{count} of {len(wrong)} patients have no {' or no '.join(spec.endpoints)} in some arm"
        raise UserError(f'{why}; a trial without them may deceive: mend them, or say failed = "{LEAVE_OUT}"')
    kept = np.flatnonzero(~wrong)
    chosen = found.only(kept)
    seen = None if spec.visits is None else seen_at_visits(chosen, spec.visits, spec.criteria)
    generator = np.random.default_rng([spec.tumours.seed, 1])
    entry = spec.accrual * generator.random(len(wrong))[kept]
    rate = -math.log1p(-spec.dropout) / spec.follow_up
    lost_on = generator.exponential(1.0, len(wrong))[kept] / rate if rate > 0 else np.full(len(kept), np.inf)
    closed = spec.follow_up + spec.accrual - entry
    until, lost = np.minimum(closed, lost_on), lost_on < closed
    return Trial(spec, chosen, len(wrong), kept, entry, until, lost, endpoints_of(chosen, spec.endpoints, seen), seen, folder)


def _stored(made: Trial) -> Trial:
    if made.folder is not None:
        about = {
            "reference": made.spec.reference, "endpoints": list(made.spec.endpoints), "patients": len(made.kept),
            "left_out": made.left_out, "follow_up": made.spec.follow_up, "accrual": made.spec.accrual, "dropout": made.spec.dropout,
            "visits": made.spec.visits, "criteria": str(made.spec.criteria),
        }  # fmt: skip
        write_study(made.folder, study_manifest(made.spec, "trial", made.notes, about), made.tables)
    return made
