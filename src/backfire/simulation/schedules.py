"""When members are given what, and by which rules: one schedule for all members that differ only in amounts and thresholds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from backfire.errors import UserError
from backfire.model import RULE_NUMBERS, Dose, DosingRule, EventPlan, Regimen
from backfire.scenario import Scenario

PLANNED: Final = frozenset(name for name, item in RULE_NUMBERS.items() if item.planned)
"""The numbers of a rule on which its visits rest."""


KEPT: Final = 256
"""Plans and lists of doses that are kept: small batches of members ask for the same ones again and again."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """When members are given what.

    Members that differ only in amounts and in thresholds share it: ``MemberTable`` has theirs, the regimens and rules here are
    those of one of them.
    """

    regimens: dict[str, Regimen]
    rules: dict[str, DosingRule]

    def given(self, scenario: Scenario, arm: str) -> list[Regimen]:
        """The regimens of an arm."""
        return [self.regimens[name] for name in scenario.arms[arm]]

    @lru_cache(maxsize=KEPT)  # noqa: B019  few, and small
    def plan(self, scenario: Scenario, arm: str) -> EventPlan:
        """What happens when in an arm; raises ScheduleError for what cannot be given."""
        return EventPlan(self.given(scenario, arm), scenario.network.interventions, scenario.days, self.rules)

    @lru_cache(maxsize=KEPT)  # noqa: B019  few, and small
    def doses(self, scenario: Scenario, arm: str) -> tuple[Dose, ...]:
        """The planned doses of an arm, sorted by day."""
        return tuple(sorted((dose for item in self.given(scenario, arm) for dose in item.doses()), key=lambda dose: dose.time))

    def own(self, scenario: Scenario, arm: str) -> float:
        """The day from which the response of an arm counts, as ``Scenario.first_intervention``."""
        zero = scenario.time_zero
        return max(zero, min((item.start for item in self.given(scenario, arm)), default=zero))

    def surgery(self, scenario: Scenario, arm: str) -> float:
        """The day the primary is removed in an arm; infinite if it is not."""
        given = self.given(scenario, arm)
        return min((item.start for item in given if scenario.network.resects(item.agent)), default=math.inf)


@lru_cache(maxsize=KEPT)
def usual_schedule(scenario: Scenario) -> Schedule:
    """The schedule of a scenario as it is: the same object whenever it is asked for, so that its plans are made once."""
    return schedule_of(scenario, {})


def schedule_of(scenario: Scenario, changes: Mapping[str, float]) -> Schedule:
    """The schedule of a scenario with some numbers of regimens and rules changed; raises UserError for what cannot be."""
    changed: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        owner, _, word = name.partition(".")
        whole = scenario.inputs[name].whole
        if whole and not float(value).is_integer():
            raise UserError(f"{name}: {value:g} is not a whole number")
        if not math.isfinite(value):
            raise UserError(f"{name}: {value:g} is not a finite number")
        changed.setdefault(owner if scenario.inputs[name].kind == "regimen" else f"rule {owner}", {})[word] = (
            int(value) if whole else value
        )
    regimens = {name: _replaced(name, item, changed.get(name, {})) for name, item in scenario.regimens.items()}
    rules = {name: _replaced(name, item, changed.get(f"rule {name}", {})) for name, item in scenario.dosing_rules.items()}
    for name, item in regimens.items():
        if item.end > scenario.days:
            raise UserError(f"{name}: the last dose ends on day {item.end:g}, after the end on day {scenario.days:g}")
    return Schedule(regimens, rules)


def _replaced(name: str, item: Any, values: Mapping[str, Any]) -> Any:
    try:
        return dataclasses.replace(item, **values) if values else item
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
