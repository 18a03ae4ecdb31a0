"""Members of a scenario as numbers: what is changed is checked, doses become events, and the batch solver's arrays are filled.

A member is the scenario with some *fields* changed: a parameter (``growth_rate``), a switch
(``stroma.protects_kill``), or a number of a regimen (``mitoxantrone.amount``). What is wrong with one member is kept
as its reason and never disturbs the others. An amount of 0 is the limit of small amounts: the doses are planned, and
nothing is in them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.model import LARGEST_AMOUNT, Dose, EventPlan, Regimen
from backfire.outcomes import ReadPlan, Watch, course_starts, fill, fill_cells
from backfire.scenario import Scenario, find_inputs
from backfire.simulation.arms import course_agents, feeds
from backfire.solvers import Floats
from backfire.solvers.batch import Members


@dataclass(frozen=True)
class Schedule:
    """When members are given what.

    Members that differ only in amounts share it: ``MemberTable.amounts`` has theirs, the regimens here those of one of them.
    """

    regimens: dict[str, Regimen]

    def given(self, scenario: Scenario, arm: str) -> list[Regimen]:
        """The regimens of an arm."""
        return [self.regimens[name] for name in scenario.arms[arm]]

    def doses(self, scenario: Scenario, arm: str) -> list[Dose]:
        """The doses of an arm, sorted by day."""
        return sorted((dose for item in self.given(scenario, arm) for dose in item.doses()), key=lambda dose: dose.time)

    def own(self, scenario: Scenario, arm: str) -> float:
        """The day from which the response of an arm counts, as ``Scenario.first_intervention``."""
        zero = scenario.time_zero
        return max(zero, min((item.start for item in self.given(scenario, arm)), default=zero))

    def surgery(self, scenario: Scenario, arm: str) -> float:
        """The day the primary is removed in an arm; infinite if it is not."""
        given = self.given(scenario, arm)
        return min((item.start for item in given if scenario.network.resects(item.agent)), default=math.inf)


@dataclass(frozen=True)
class MemberEvents:
    """The events of all members in one arm: ``rows`` (day, state, multiply, add), and first and last of each member."""

    rows: tuple[Floats, NDArray[np.int64], Floats, Floats]
    spans: NDArray[np.int64]


class MemberTable:
    """The members of one scenario: constants, starts and schedules, with a reason for each that cannot run."""

    def __init__(self, scenario: Scenario, fields: Sequence[str], samples: Floats) -> None:
        self.inputs = find_inputs(scenario.inputs, fields)
        if samples.shape != (len(samples), len(fields)):
            raise UserError(f"samples have shape {samples.shape}, must be (members, {len(fields)} fields)")
        self.scenario, self.fields, self.samples = scenario, list(fields), samples
        self.network = scenario.network
        self.reasons: dict[int, str] = {}
        self.constants = np.tile(np.array(scenario.constants(), dtype=float), (len(samples), 1))
        self._fill_constants()
        self.amounts = np.tile(np.array([item.amount for item in scenario.regimens.values()], dtype=float), (len(samples), 1))
        self.schedules: list[Schedule] = []
        self.schedule_of = np.zeros(len(samples), dtype=np.int64)
        self._fill_schedules()
        self._events: dict[str, MemberEvents] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def _fill_constants(self) -> None:
        places = {name: place for place, name in enumerate([*self.scenario.values, *self.network.switches])}
        for column, item in enumerate(self.inputs):
            if item.kind == "regimen":
                continue
            given = self.samples[:, column] * item.per_unit
            self.constants[:, places[item.name]] = given
            for member in np.flatnonzero(~((given >= 0) & (given <= item.most) & (given < math.inf))):
                self.reasons.setdefault(int(member), f"{item.name}: {item.problem_with(float(self.samples[member, column]))}")

    def _fill_schedules(self) -> None:
        """Give every member its schedule and its amounts; members that differ only in these share the schedule."""
        scheduled = [column for column, item in enumerate(self.inputs) if item.kind == "regimen"]
        names = [self.fields[column] for column in scheduled]
        alike = np.array(self.samples[:, scheduled], order="C")
        for place, name in enumerate(names):
            if name.endswith(".amount"):
                given = alike[:, place].copy()
                self.amounts[:, [*self.scenario.regimens].index(name.removesuffix(".amount"))] = given
                alike[(given >= 0) & (given <= LARGEST_AMOUNT), place] = 1.0
        made: dict[bytes, int] = {}
        wrong: dict[bytes, str] = {}
        for member, row in enumerate(alike):
            key = row.tobytes()
            if key not in made:
                changes = dict(zip(names, row.tolist(), strict=True))
                try:
                    made[key] = self._add(self._schedule(changes))
                except UserError as error:
                    wrong[key], made[key] = str(error), self._add(self._schedule({}))
            self.schedule_of[member] = made[key]
            if key in wrong:
                self.reasons.setdefault(member, wrong[key])

    def _add(self, schedule: Schedule) -> int:
        self.schedules.append(schedule)
        return len(self.schedules) - 1

    def _schedule(self, changes: dict[str, float]) -> Schedule:
        changed: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            owner, _, word = name.partition(".")
            whole = self.scenario.inputs[name].whole
            if whole and not float(value).is_integer():
                raise UserError(f"{name}: {value:g} is not a whole number")
            if not math.isfinite(value):
                raise UserError(f"{name}: {value:g} is not a finite number")
            changed.setdefault(owner, {})[word] = int(value) if whole else value
        regimens = dict(self.scenario.regimens)
        for owner, values in changed.items():
            try:
                regimens[owner] = dataclasses.replace(regimens[owner], **values)
            except UserError as error:
                raise UserError(f"{owner}: {error}") from None
        for name, item in regimens.items():
            if item.end > self.scenario.days:
                raise UserError(f"{name}: the last dose ends on day {item.end:g}, after the end on day {self.scenario.days:g}")
        return Schedule(regimens)

    @cached_property
    def _sharing(self) -> list[NDArray[np.int64]]:
        """The members of every schedule."""
        order = np.argsort(self.schedule_of, kind="stable")
        edges = np.searchsorted(self.schedule_of[order], np.arange(len(self.schedules) + 1))
        return [order[first:last] for first, last in itertools.pairwise(edges)]

    def per_schedule(self, compute: Callable[[Schedule], float]) -> Floats:
        """A number of the schedule of every member (members,), computed once for each schedule."""
        return np.array([compute(schedule) for schedule in self.schedules])[self.schedule_of]

    def given(self, arm: str, agent: str, last: Floats) -> Floats:
        """How much of an agent every member is given in an arm in total (members,), up to its ``last`` day (members,)."""
        total, names = np.zeros(len(self)), [*self.scenario.regimens]
        for schedule, sharing in zip(self.schedules, self._sharing, strict=True):
            items = [item for item in schedule.given(self.scenario, arm) if item.agent == agent]
            columns = [names.index(item.name) for item in items]
            if not items:
                continue
            ended = last[sharing] < max(item.end for item in items)
            members, counts = sharing[~ended], [item.count * item.cycles for item in items]
            amounts = self.amounts[members][:, columns]
            one = len(items) == 1
            total[members] = counts[0] * amounts[:, 0] if one else [math.fsum(np.repeat(row, counts)) for row in amounts]
            for member in sharing[ended]:
                own = zip(items, self.amounts[member, columns].tolist(), strict=True)
                doses = (dataclasses.replace(dose, amount=amount) for item, amount in own for dose in item.doses())
                total[member] = math.fsum(dose.given_by(float(last[member])) for dose in doses)
        return total

    def check_events(self, arms: Sequence[str]) -> None:
        """Note the reason of every member whose doses cannot be given in one of the arms; it runs in none of them."""
        for arm in arms:
            self._events[arm] = self._events_of(arm)

    def _events_of(self, arm: str) -> MemberEvents:
        """The events of all members that have no reason yet; members with equal doses share them."""
        index = {name: place for place, name in enumerate(self.network.state_names)}
        spans, known = np.zeros((len(self), 2), dtype=np.int64), np.ones(len(self), dtype=bool)
        known[[*self.reasons]] = False
        days: list[float] = []
        states: list[int] = []
        changes = [(np.empty(0), np.empty(0))]
        for schedule, sharing in zip(self.schedules, self._sharing, strict=True):
            members = sharing[known[sharing]]
            if not len(members):
                continue
            try:
                given = schedule.given(self.scenario, arm)
                plan = EventPlan(given, self.network.interventions, self.scenario.days)
            except UserError as error:
                self.reasons |= dict.fromkeys(members.tolist(), str(error))
                continue
            values, which = self._values(plan, members)
            multiply, add = plan.changes(values)
            spans[members] = len(days) + len(plan.rows) * (which[:, None] + [0, 1])
            days += [time for time, _ in plan.rows] * len(values)
            states += [index[state] for _, state in plan.rows] * len(values)
            changes.append((multiply.ravel(), add.ravel()))
        multiplied, added = (np.concatenate(column) for column in zip(*changes, strict=True))
        return MemberEvents((np.array(days, dtype=float), np.array(states, dtype=np.int64), multiplied, added), spans)

    def _values(self, plan: EventPlan, members: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
        """(values of the sources of a plan, once for equal members; the row of every member); notes reasons."""
        names, read = [*self.scenario.regimens], self._read_by_doses
        places = [names.index(item.name) for item in plan.regimens]
        inputs = np.column_stack([self.amounts[members][:, places], self.constants[members][:, [*read.values()]]])
        made: dict[bytes, int] = {}
        found: list[list[float]] = []
        which = np.zeros(len(members), dtype=np.int64)
        for place, row in enumerate(inputs):
            key = row.tobytes()
            if key not in made:
                given = row.tolist()
                parameters = self.scenario.values | dict(zip(read, given[len(places) :], strict=True))
                try:
                    found.append(plan.values(given[: len(places)], parameters))
                except UserError as error:
                    self.reasons[int(members[place])] = str(error)
                    continue
                made[key] = len(found) - 1
            which[place] = made[key]
        return np.array(found).reshape(len(found), len(plan.sources)), which

    @cached_property
    def _read_by_doses(self) -> dict[str, int]:
        """Name → place of the parameters that formulas of interventions read."""
        names = {
            name for item in self.network.interventions.values() for _, _, formula in item.formulas() for name in formula.names
        }
        return {name: place for place, name in enumerate(self.scenario.values) if name in names}

    def numbers(self, arm: str, wanted: NDArray[np.int64]) -> Members:
        """The chosen members in one arm, as the batch solver takes them; call ``check_events`` first."""
        index = {name: place for place, name in enumerate(self.network.state_names)}
        kinship = np.zeros((len(index), len(index)), dtype=bool)
        for owner, fed in feeds(self.network).items():
            kinship[owner, list(fed)] = True
        return Members(
            starts=np.ascontiguousarray(self._starts(wanted), dtype=float),
            constants=self.constants[wanted],
            days=np.tile([0.0, float(self.scenario.days)], (len(wanted), 1)),
            events=self._events[arm].rows,
            event_rows=self._events[arm].spans[wanted],
            cells=np.array([state.dies_out for state in self.network.states]),
            amounts=np.array([state.unit != "1" for state in self.network.states]),
            feeds=kinship,
        )

    def _starts(self, wanted: NDArray[np.int64]) -> Floats:
        """The states on the first day of the chosen members (m, n)."""
        constants, names = self.constants[wanted], list(self.scenario.values)
        columns = (
            constants[:, names.index(state.initial)] if isinstance(state.initial, str) else np.full(len(wanted), state.initial)
            for state in self.network.states
        )
        return np.column_stack([*columns])

    def watch(self, arm: str, wanted: NDArray[np.int64], plan: ReadPlan) -> tuple[Floats, Floats]:
        """(watch rows, first days of the courses (m, c), NaN where a member has fewer) of the chosen members."""
        agents = course_agents(self.scenario)

        def first_days(schedule: Schedule) -> list[float]:
            doses = schedule.doses(self.scenario, arm)
            return course_starts(Watch(doses, agents, self.scenario.time_zero, rules=self.scenario.rules))

        every = [first_days(schedule) for schedule in self.schedules]
        used = self.schedule_of[wanted]
        most = max((len(every[schedule]) for schedule in np.unique(used)), default=0)
        padded = np.array([[*starts[:most], *[math.nan] * (most - len(starts))] for starts in every]).reshape(len(every), most)
        cells = self._cells(arm, wanted, plan)
        courses, rows = padded[used], plan.watch(len(wanted), most, cells[1].shape[1] if cells else 0)
        start = np.full(len(wanted), self.scenario.time_zero)
        own = self.per_schedule(lambda schedule: schedule.own(self.scenario, arm))[wanted]
        surgery = self.per_schedule(lambda schedule: schedule.surgery(self.scenario, arm))[wanted]
        fill(rows, start, own, surgery, self.scenario.rules, courses)
        if cells:
            fill_cells(rows, *cells)
        return rows, courses

    def _cells(self, arm: str, wanted: NDArray[np.int64], plan: ReadPlan) -> tuple[Floats, Floats] | None:
        """(cells of each type on the first day (m, t), events of tumour cells (m, e, 4) as ``fill_cells`` wants them) of members;
        None where the plan asks nothing of single cells."""
        if plan.cells is None or plan.cells.refused:
            return None
        places = [self.network.state_names.index(name) for name in plan.cells.types]
        given = self._events[arm]
        of_cells = np.flatnonzero(np.isin(given.rows[1], places))
        spans = np.searchsorted(of_cells, given.spans[wanted])
        most = int(np.diff(spans, axis=1).max(initial=0))
        table = np.full((len(of_cells) + 1, 4), math.nan)  # the last row is that of no event
        table[:-1] = np.column_stack([column[of_cells] for column in given.rows])
        table[:-1, 1] = [places.index(int(state)) for state in given.rows[1][of_cells]]
        rows = spans[:, :1] + np.arange(most)
        return self._starts(wanted)[:, places], table[np.where(rows < spans[:, 1:], rows, len(of_cells))]
