"""Regimens and the one event table they become.

A regimen says how one agent is given. All regimens of an arm become rows (time, state, multiply, add): a bolus adds,
an infusion sets a rate and later takes it back, surgery multiplies. Solvers integrate from event to event, so no step
crosses a dose. Rows at one time and state are merged: first all factors, then all additions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from backfire.errors import ScheduleError, unknown
from backfire.parts import Intervention

MOST_DOSES = 10_000
LARGEST_AMOUNT = 1e12
SHORTEST_INFUSION = 1e-6
"""In days; on shorter ones the clock of double precision would cut the dose."""


@dataclass(frozen=True)
class Dose:
    """One giving of an agent: ``time`` and ``duration`` in days (0 = bolus), ``amount`` in the agent's unit."""

    time: float
    agent: str
    amount: float
    duration: float = 0.0


@dataclass(frozen=True)
class Regimen:
    """How one agent is given: ``count`` doses of ``amount``, ``every`` so many days from day ``start`` on.

    ``duration`` > 0 makes each dose an infusion over so many days. ``cycles`` repeats the whole block, its starts
    ``cycle_length`` days apart. Surgery is a regimen without amount.
    Raises ScheduleError for what cannot be given.
    """

    name: str
    agent: str
    start: float
    amount: float = 0.0
    every: float = 0.0
    count: int = 1
    duration: float = 0.0
    cycles: int = 1
    cycle_length: float = 0.0

    def __post_init__(self) -> None:
        for word in ("start", "amount", "every", "duration", "cycle_length"):
            value = getattr(self, word)
            if not math.isfinite(value) or value < 0:
                raise ScheduleError(f"`{word}` is {value:g}; it must be a finite number ≥ 0")
        if self.amount > LARGEST_AMOUNT:
            raise ScheduleError(f"`amount` is {self.amount:g}; more than {LARGEST_AMOUNT:g} is no dose")
        if 0 < self.duration < SHORTEST_INFUSION:
            raise ScheduleError(f"an infusion over {self.duration:g} days is a bolus; leave out `duration`")
        if self.count < 1 or self.cycles < 1:
            raise ScheduleError("`count` and `cycles` must be at least 1")
        if self.count * self.cycles > MOST_DOSES:
            raise ScheduleError(f"{self.count * self.cycles:.3g} doses are more than the {MOST_DOSES} allowed")
        if self.count > 1 and self.every == 0:
            raise ScheduleError(f"{self.count} doses need `every`, the days from one dose to the next")
        if self.cycles > 1 and self.cycle_length == 0:
            raise ScheduleError(f"{self.cycles} cycles need `cycle_length`, the days from one cycle to the next")
        if self.count > 1 and self.duration > self.every:
            raise ScheduleError(f"an infusion of {self.duration:g} days overlaps the next one, {self.every:g} days later")
        block = (self.count - 1) * self.every + self.duration
        if self.cycles > 1 and block >= self.cycle_length:
            raise ScheduleError(f"a cycle of {block:g} days overlaps the next one, {self.cycle_length:g} days later")

    def doses(self) -> Iterator[Dose]:
        """All doses in order of time."""
        for cycle in range(self.cycles):
            for index in range(self.count):
                time = self.start + cycle * self.cycle_length + index * self.every
                yield Dose(time, self.agent, self.amount, self.duration)

    @property
    def end(self) -> float:
        """The day of the last dose, or the end of the last infusion."""
        return max(dose.time + dose.duration for dose in self.doses())


@dataclass(frozen=True, order=True)
class Event:
    """One row of the table: at ``time``, state ← state·multiply + add."""

    time: float
    state: str
    multiply: float
    add: float


def event_table(
    regimens: Iterable[Regimen],
    interventions: Mapping[str, Intervention],
    parameters: Mapping[str, float],
    days: float,
) -> tuple[Event, ...]:
    """The merged, sorted events of an arm; raises ScheduleError for unknown agents and doses after day ``days``."""
    factors: dict[tuple[float, str], list[float]] = {}
    additions: dict[tuple[float, str], list[float]] = {}
    infused: dict[str, list[tuple[float, float]]] = {}
    for regimen in regimens:
        intervention = check_regimen(regimen, interventions, days)
        for dose in regimen.doses():
            if dose.duration > 0:
                assert intervention.infuses is not None
                changes = infused.setdefault(intervention.infuses, [])
                rate = dose.amount / dose.duration
                changes += [(dose.time, rate), (dose.time + dose.duration, -rate)]
                continue
            for state, action, formula in intervention.formulas():
                value = formula.value({**parameters, "amount": dose.amount})
                if not math.isfinite(value):
                    raise ScheduleError(f"{regimen.name}: `{formula}` for amount {dose.amount:g} is not a finite number")
                target = factors if action == "multiply" else additions
                target.setdefault((dose.time, state), []).append(value)
    for state, changes in infused.items():
        for time in sorted({time for time, _ in changes}):
            # the level is summed afresh so that it is exactly 0 when nothing flows, not a rounding residue
            level = math.fsum(change for when, change in changes if when <= time)
            factors[time, state], additions[time, state] = [0.0], [level]
    rows = {
        key: Event(*key, math.prod(sorted(factors.get(key, []))), _total(additions.get(key, [])))
        for key in factors.keys() | additions.keys()
    }
    return tuple(rows[key] for key in sorted(rows))


def _total(amounts: list[float]) -> float:
    """The exact sum of what is added at one moment, in any order; infinite if a double cannot hold it."""
    try:
        return math.fsum(amounts)
    except OverflowError:
        return math.inf


def check_regimen(regimen: Regimen, interventions: Mapping[str, Intervention], days: float) -> Intervention:
    """The intervention a regimen gives; raises ScheduleError if it does not exist or does not fit before ``days``."""
    if regimen.agent not in interventions:
        raise ScheduleError(unknown("agent", regimen.agent, interventions))
    intervention = interventions[regimen.agent]
    if regimen.end > days:
        raise ScheduleError(f"the last dose ends on day {regimen.end:g}, after the end of the simulation on day {days:g}")
    if intervention.amount_unit and regimen.amount <= 0:
        raise ScheduleError(f"`{regimen.agent}` needs an `amount` above 0, in {intervention.amount_unit}")
    if not intervention.amount_unit and regimen.amount:
        raise ScheduleError(f"`{regimen.agent}` takes no `amount`")
    if regimen.duration and intervention.infuses is None:
        raise ScheduleError(f"`{regimen.agent}` cannot be infused; leave out `duration`")
    return intervention
