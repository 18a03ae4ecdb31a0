"""Members of a scenario as numbers: what is changed is checked, doses become events, and the batch solver's arrays are filled.

A member is the scenario with some *fields* changed: a parameter (``growth_rate``), a switch
(``stroma.protects_kill``), or a number of a regimen (``mitoxantrone.amount``). What is wrong with one member is kept
as its reason and never disturbs the others. A regimen whose amount is 0 is not given.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError, unknown
from backfire.outcomes import Watch, course_starts
from backfire.readings import Plan, fill
from backfire.scenario import Scenario
from backfire.schedule import Dose, Event, Regimen, event_table
from backfire.simulation import course_agents, feeds
from backfire.solvers.batch import Members
from backfire.trajectory import Floats

REGIMEN_FIELDS: Final = ("amount", "start", "every", "count", "duration", "cycles", "cycle_length")
"""Numbers of a regimen that members may differ in."""
_WHOLE: Final = ("count", "cycles")
Found = TypeVar("Found")
_NOTHING: Final = np.empty(0)


def check_fields(scenario: Scenario, fields: Sequence[str]) -> None:
    """Raise UserError, naming the nearest, for a field that the scenario does not have or that is given twice."""
    parts = [f"{regimen}.{word}" for regimen in scenario.regimens for word in REGIMEN_FIELDS]
    known = [*scenario.values, *scenario.switches, *parts]
    for name in fields:
        if name not in known:
            raise UserError(unknown("parameter, switch or regimen value", name, known))
    twice = sorted({name for name in fields if list(fields).count(name) > 1})
    if twice:
        raise UserError(f"`{twice[0]}` is given twice; a member has one value of it")


@dataclass(frozen=True)
class Schedule:
    """The schedule of one member: its regimens, as far as they are given, and when treatment of any arm starts."""

    regimens: dict[str, Regimen]
    start: float

    def given(self, scenario: Scenario, arm: str) -> list[Regimen]:
        """The regimens of an arm that are given at all."""
        return [self.regimens[name] for name in scenario.arms[arm] if name in self.regimens]

    def doses(self, scenario: Scenario, arm: str) -> list[Dose]:
        """The doses of an arm, sorted by day."""
        return sorted((dose for item in self.given(scenario, arm) for dose in item.doses()), key=lambda dose: dose.time)

    def surgery(self, scenario: Scenario, arm: str) -> float:
        """The day the primary is removed in an arm; infinite if it is not."""
        given = scenario.network.interventions
        return min((item.start for item in self.given(scenario, arm) if given[item.agent].resects), default=math.inf)


class Table:
    """The members of one scenario: constants, starts and schedules, with a reason for each that cannot run."""

    def __init__(self, scenario: Scenario, fields: Sequence[str], samples: Floats) -> None:
        check_fields(scenario, fields)
        if samples.shape != (len(samples), len(fields)):
            raise UserError(f"samples have shape {samples.shape}, must be (members, {len(fields)} fields)")
        self.scenario, self.fields, self.samples = scenario, list(fields), samples
        self.network = scenario.network
        self.reasons: dict[int, str] = {}
        self.constants = np.tile(np.array(scenario.constants(), dtype=float), (len(samples), 1))
        self._fill_constants()
        self.schedules = self._schedules()
        self._events: dict[tuple[object, ...], tuple[tuple[Event, ...], str]] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def _fill_constants(self) -> None:
        places = {name: place for place, name in enumerate([*self.scenario.values, *self.network.switches])}
        for column, name in enumerate(self.fields):
            if name not in places:
                continue
            given = self.samples[:, column]
            self.constants[:, places[name]] = given
            parameter = self.network.parameters.get(name)
            most = parameter.maximum if parameter else 1.0
            for member in np.flatnonzero(~((given >= 0) & (given <= most) & (given < math.inf))):
                value = float(given[member])
                problem = parameter.problem_with(value) if parameter else f"{value:g} is no switch; it must lie in [0, 1]"
                self.reasons.setdefault(int(member), f"{name}: {problem}")

    @cached_property
    def _scheduled(self) -> list[int]:
        """Columns of the fields that change schedules."""
        others = {*self.scenario.values, *self.network.switches}
        return [column for column, name in enumerate(self.fields) if name not in others]

    def _schedules(self) -> list[Schedule]:
        """The schedule of every member; equal ones are the same object."""
        made: dict[bytes, Schedule | str] = {}
        every = []
        chosen = np.ascontiguousarray(self.samples[:, self._scheduled])
        plain = self._schedule({})
        for member, row in enumerate(chosen):
            key = row.tobytes()
            if key not in made:
                changes = {self.fields[column]: float(value) for column, value in zip(self._scheduled, row, strict=True)}
                try:
                    made[key] = self._schedule(changes)
                except UserError as error:
                    made[key] = str(error)
            found = made[key]
            if isinstance(found, str):
                self.reasons.setdefault(member, found)
                found = plain
            every.append(found)
        return every

    def _schedule(self, changes: dict[str, float]) -> Schedule:
        regimens = dict(self.scenario.regimens)
        for name, value in changes.items():
            owner, _, word = name.partition(".")
            if word in _WHOLE and not float(value).is_integer():
                raise UserError(f"{name}: {value:g} is not a whole number")
            if not math.isfinite(value):
                raise UserError(f"{name}: {value:g} is not a finite number")
            changed: dict[str, Any] = {word: int(value) if word in _WHOLE else value}
            try:
                regimens[owner] = dataclasses.replace(regimens[owner], **changed)
            except UserError as error:
                raise UserError(f"{owner}: {error}") from None
        nothing = [name for name in regimens if changes.get(f"{name}.amount") == 0.0]
        given = {name: item for name, item in regimens.items() if name not in nothing}
        for name, item in given.items():
            if item.end > self.scenario.days:
                raise UserError(f"{name}: the last dose ends on day {item.end:g}, after the end on day {self.scenario.days:g}")
        in_arms = {name for arm in self.scenario.arms.values() for name in arm}
        starts = [item.start for name, item in given.items() if name in in_arms and item.amount > 0]
        return Schedule(given, min(starts, default=0.0))

    def per_schedule(self, compute: Callable[[Schedule], Found]) -> list[Found]:
        """``compute`` of the schedule of every member, once for equal ones."""
        known = {id(schedule): schedule for schedule in self.schedules}
        made = {key: compute(schedule) for key, schedule in known.items()}
        return [made[id(schedule)] for schedule in self.schedules]

    def events(self, member: int, arm: str) -> tuple[tuple[Event, ...], str]:
        """(events, reason why there are none) of a member in an arm; equal schedules share them."""
        schedule = self.schedules[member]
        read = self._read_by_doses
        values = self.constants[member, [place for _, place in read]] if read else _NOTHING
        key = (id(schedule), arm, values.tobytes())
        if key not in self._events:
            known = {**self.scenario.values, **{name: float(value) for (name, _), value in zip(read, values, strict=True)}}
            try:
                given = schedule.given(self.scenario, arm)
                found = event_table(given, self.network.interventions, known, self.scenario.days)
                self._events[key] = (found, "")
            except UserError as error:
                self._events[key] = ((), str(error))
        return self._events[key]

    def check_events(self, arms: Sequence[str]) -> None:
        """Note the reason of every member whose doses cannot be given in one of the arms; it runs in none of them."""
        for arm in arms:
            for member in range(len(self)):
                if member not in self.reasons and (reason := self.events(member, arm)[1]):
                    self.reasons[member] = reason

    @cached_property
    def _read_by_doses(self) -> list[tuple[str, int]]:
        """(name, place) of the parameters that formulas of interventions read."""
        names = {
            name for item in self.network.interventions.values() for _, _, formula in item.formulas() for name in formula.names
        }
        return [(name, place) for place, name in enumerate(self.scenario.values) if name in names]

    def numbers(self, arm: str, wanted: NDArray[np.int64]) -> Members:
        """The chosen members in one arm, as the batch solver takes them; call ``check_events`` first."""
        index = {name: place for place, name in enumerate(self.network.state_names)}
        written: dict[int, tuple[int, int]] = {}
        rows: list[Event] = []
        spans = np.zeros((len(wanted), 2), dtype=np.int64)
        for place, member in enumerate(wanted):
            events, _ = self.events(int(member), arm)
            if id(events) not in written:
                written[id(events)] = (len(rows), len(rows) + len(events))
                rows += events
            spans[place] = written[id(events)]
        constants = self.constants[wanted]
        names = list(self.scenario.values)
        starts = np.column_stack(
            [
                constants[:, names.index(state.initial)]
                if isinstance(state.initial, str)
                else np.full(len(wanted), state.initial)
                for state in self.network.states
            ]
        )
        kinship = np.zeros((len(index), len(index)), dtype=bool)
        for owner, fed in feeds(self.network).items():
            kinship[owner, list(fed)] = True
        table = (
            np.array([event.time for event in rows], dtype=float),
            np.array([index[event.state] for event in rows], dtype=np.int64),
            np.array([event.multiply for event in rows], dtype=float),
            np.array([event.add for event in rows], dtype=float),
        )
        return Members(
            starts=np.ascontiguousarray(starts, dtype=float),
            constants=constants,
            days=np.tile([0.0, float(self.scenario.days)], (len(wanted), 1)),
            events=table,
            event_rows=spans,
            cells=np.array([state.is_cells for state in self.network.states]),
            amounts=np.array([state.unit != "1" for state in self.network.states]),
            feeds=kinship,
        )

    def watch(self, arm: str, wanted: NDArray[np.int64], plan: Plan) -> tuple[Floats, Floats]:
        """(watch rows, first days of the courses (m, c), NaN where a member has fewer) of the chosen members."""
        agents = course_agents(self.scenario)

        def about(schedule: Schedule) -> tuple[float, float, list[float]]:
            doses = schedule.doses(self.scenario, arm)
            starts = course_starts(Watch(doses, agents, schedule.start, rules=self.scenario.rules))
            return schedule.start, schedule.surgery(self.scenario, arm), starts

        every = self.per_schedule(about)
        found = [every[member] for member in wanted]
        most = max((len(starts) for _, _, starts in found), default=0)
        courses = np.array([[*starts, *[math.nan] * (most - len(starts))] for _, _, starts in found]).reshape(len(wanted), most)
        rows = plan.watch(len(wanted), most)
        start, surgery = np.array([item[0] for item in found]), np.array([item[1] for item in found])
        rules = self.scenario.rules
        fill(rows, start, surgery, np.full(len(wanted), rules.progression), np.full(len(wanted), rules.regrowth), courses)
        return rows, courses
