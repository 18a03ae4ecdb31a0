"""The files of virtual trials: every patient under every arm, endpoints as a trial sees them, and what no trial can see.

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
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import Field

from backfire.errors import UserError, unknown
from backfire.outcomes import HOST_LOAD
from backfire.scenario import TRIAL, Number, Scenario, StrictModel
from backfire.studies.spec import StudyFile, StudyReader, StudySpec
from backfire.studies.trials.endpoints import (
    OWN,
    PROGRESSION,
    PROGRESSION_FREE,
    Criteria,
    check_endpoint,
    needed_outcomes,
    visit_step,
)

REFUSE: Final = "refuse"
LEAVE_OUT: Final = "leave out"


class CriteriaEntry(StrictModel):
    """How tumours are measured and judged at visits."""

    cells_per_cm3: Number = Field(1e8, description="tumour cells in a cubic centimetre of tumour")
    growth: Number = Field(1.2, description="progression: over the smallest diameter so far")
    millimetres: Number = Field(5.0, description="progression: and so many millimetres more")
    response: Number = Field(0.7, description="partial response: share of the first diameter")
    gone: Number = Field(2.0, description="complete response: below this diameter in millimetres")
    confirmed: bool = Field(False, description="progression counts only if the next visit sees it too")


class TrialFile(StudyFile):
    """A backfire trial: patients, arms, endpoints. Illustrative, not clinically calibrated."""

    reference: str | None = Field(None, description="the arm that others are compared with; that of the scenario if left out")
    endpoints: list[str] = Field(min_length=1, description="progression, death, or an outcome that is a day")
    follow_up: Number | None = Field(None, gt=0, description="days that the last patient is followed; all there are if left out")
    accrual: Number = Field(0.0, ge=0, description="days over which patients enter, evenly")
    dropout: Number = Field(0.0, ge=0, lt=1, description="share of patients lost within the follow-up")
    visits: Number | None = Field(None, gt=0, description="days between visits; everything is seen on its day if left out")
    margin: Number = Field(1.0, ge=0, description="gains of fewer days than this are none")
    failed: Literal["refuse", "leave out"] = Field("refuse", description="what to do about patients that cannot be simulated")
    criteria: CriteriaEntry = Field(
        default_factory=lambda: CriteriaEntry.model_validate({}), description="how tumours are measured and judged at visits"
    )


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
                f"a follow-up of {self.follow_up:g} days after an accrual of {self.accrual:g} needs as many days as both after "
                f"time zero, and {simulated:g} are simulated; give fewer, or more `days` below [set]",
                key="follow_up",
            )
        if self.visits is not None:
            if self.scenario.network.observables.get("burden") != "cell":
                raise UserError("visits measure a diameter, and this burden is not in cells", key="visits")
            if not 0 < self.visits <= self.follow_up:
                raise UserError(
                    f"visits every {self.visits:g} days do not fit into a follow-up of {self.follow_up:g}", key="visits"
                )
            visit_step(self.scenario.time_zero, self.visits)

    @property
    def needed(self) -> list[str]:
        """The outcomes that are read of every patient."""
        return needed_outcomes(self.endpoints, self.visits is not None, HOST_LOAD in self.scenario.network.observables)

    @property
    def asked(self) -> list[str]:
        """What is simulated of every patient: what is ``needed``, and the model's own progression beside that seen at visits."""
        own = [OWN] if self.visits is not None and {PROGRESSION, PROGRESSION_FREE} & {*self.endpoints} else []
        return list(dict.fromkeys([*self.needed, *own]))

    @property
    def compared(self) -> tuple[str, ...]:
        """The arms that are compared with the reference."""
        return tuple(arm for arm in self.arms if arm != self.reference)


class TrialReader(StudyReader[TrialFile, TrialSpec]):
    """Reads trial files."""

    kind, model, spec, instead = TRIAL, TrialFile, TrialSpec, {"endpoints": [PROGRESSION]}

    def finish(self, file: TrialFile, scenario: Scenario, arms: tuple[str, ...]) -> dict[str, Any]:
        """What is a trial's own."""
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
