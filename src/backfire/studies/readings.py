"""Outcomes of members as numbers that can be averaged: on which scale, and what becomes of those that have none.

Nothing is dropped silently. A member that failed, an outcome that does not apply, and a time that did not come are refused,
unless the study names a rule: members left out, times taken as watched. The rule and its count stand beside every number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from backfire.errors import UnansweredError, UserError
from backfire.outcomes import declared
from backfire.scenario import Scenario
from backfire.simulation import arm_outcomes
from backfire.solvers import Floats
from backfire.studies.runs import Simulated
from backfire.studies.spec import StudyFile, StudyReader, StudySpec

Bools = NDArray[np.bool_]
REFUSE: Final = "refuse"
LEAVE_OUT: Final = "leave out"
AS_WATCHED: Final = "as watched"
ONE_CELL: Final = 1.0
DECADES: Final = "log10"


class ReadingFile(StudyFile):
    """A study of outcomes as numbers."""

    outcomes: list[str] = Field(min_length=1, description="outcomes that are asked about")
    failed: Literal["refuse", "leave out"] = Field("refuse", description="what to do about members without a number")
    censored: Literal["refuse", "as watched"] = Field("refuse", description="what to do about times that did not come")


@dataclass(frozen=True)
class Handling:
    """What is done about members without a number, and about times that did not come."""

    failed: str = REFUSE
    censored: str = REFUSE

    def __post_init__(self) -> None:
        if self.failed not in (REFUSE, LEAVE_OUT) or self.censored not in (REFUSE, AS_WATCHED):
            raise UserError(f'`failed` is "{REFUSE}" or "{LEAVE_OUT}", `censored` "{REFUSE}" or "{AS_WATCHED}"')


@dataclass(frozen=True, eq=False)
class ReadingSpec(StudySpec):
    """A study that reads ``outcomes`` by ``rules``."""

    outcomes: tuple[str, ...] = ("final_burden",)
    rules: Handling = field(default_factory=Handling)


ReadingFiles = TypeVar("ReadingFiles", bound=ReadingFile)
ReadingSpecs = TypeVar("ReadingSpecs", bound=ReadingSpec)


class ReadingReader(StudyReader[ReadingFiles, ReadingSpecs]):
    """Reads the outcomes and rules of its file."""

    def finish(self, file: ReadingFiles, scenario: Scenario, arms: tuple[str, ...]) -> dict[str, Any]:
        """What is read, and by which rules."""
        self.check_outcomes(scenario, arms, file.outcomes, ("outcomes",))
        return {"outcomes": tuple(dict.fromkeys(file.outcomes)), "rules": Handling(file.failed, file.censored)}


@dataclass(frozen=True, eq=False)
class Reading:
    """One outcome in one arm: ``values`` (members,), NaN where there is none; in ``unit``, which says the scale too.

    ``missing`` members have no number, ``censored`` ones a time that did not come.
    """

    arm: str
    outcome: str
    values: Floats
    unit: str
    missing: Bools
    censored: Bools

    @property
    def title(self) -> str:
        """The outcome in words, with its unit."""
        words = declared(self.outcome).titled(self.outcome)
        return f"{words} ({self.unit})" if self.unit not in ("", "1") else words


def read_outcome(found: Simulated, arm: str, outcome: str, unit: str) -> Reading:
    """An outcome as numbers: burdens in decades of at least one cell, all others as they are."""
    values, observed = found.of(arm, outcome)
    item = declared(outcome)
    missing = found.failed[:, found.arms.index(arm)] | ~np.isfinite(values)
    censored = ~missing & ~observed if item.kind == "time" else np.zeros(len(values), dtype=bool)
    if item.kind == "amount" and unit == "cell":
        return Reading(arm, outcome, np.log10(np.maximum(values, ONE_CELL)), DECADES, missing, censored)
    return Reading(arm, outcome, values, {"day": "days"}.get(unit, unit), missing, censored)


def read_outcomes(spec: ReadingSpec, found: Simulated, group: int) -> tuple[list[Reading], Bools, list[str]]:
    """(every outcome in every arm, which groups of ``group`` members are whole (groups,), notes on what a rule did); raises
    UnansweredError where a rule would be needed and is not given, and where no group is whole."""
    readings = [
        read_outcome(found, arm, name, item.unit)
        for arm in spec.arms
        for name, item in arm_outcomes(spec.scenario, arm, spec.outcomes).items()
    ]
    good, notes = handled(readings, spec.rules, found)
    kept: Bools = np.asarray(good.reshape(-1, group).all(axis=1))
    if group > 1 and not kept.all():
        lost = f"{int((~kept).sum())} of {len(kept)} groups of {group} members are left out"
        if not kept.any():
            raise UnansweredError(f"{notes[-1]}; with them {lost}: nothing is left")
        notes.append(f"with them {lost}: the rest is uneven")
    return readings, kept, notes


def handled(readings: list[Reading], rules: Handling, found: Simulated) -> tuple[Bools, list[str]]:
    """(members (members,) that every reading has, notes on those that were treated by a rule); raises UserError where a rule
    would be needed and is not given, with what there is."""
    problems: list[str] = []
    notes = ["burdens are in decades, of one cell at least"] if any(item.unit == DECADES for item in readings) else []
    missing = np.zeros(len(found.values), dtype=bool)
    for item in readings:
        missing |= item.missing
        count = int(item.censored.sum())
        if count:
            said = f"{count} of {len(missing)} times of {item.outcome} in {item.arm} did not come within the days watched"
            if rules.censored == REFUSE:
                problems.append(f'{said}; say censored = "{AS_WATCHED}" to take the days watched for them, or watch longer')
            else:
                notes.append(f"{said} and are taken as watched: differences beyond are not seen")
    if missing.any():
        without = sorted({item.outcome for item in readings if item.missing.any()})
        said = found.failures or f"{int(missing.sum())} of {len(missing)} members have no {', no '.join(without)}"
        if rules.failed == REFUSE or missing.all():
            problems.append(f'{said}; say failed = "{LEAVE_OUT}" to go on without them, which may deceive')
        else:
            notes.append(f"{said} and are left out")
    if problems:
        raise UnansweredError("\n".join(problems))
    return ~missing, notes
