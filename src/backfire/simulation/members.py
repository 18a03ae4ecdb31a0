"""Members of a scenario as numbers: what is changed is checked, doses become events, and the batch solver's arrays are filled.

A member is the scenario with some *fields* changed: a parameter (``growth_rate``), a switch
(``stroma.protects_kill``), or a number of a regimen or rule (``mitoxantrone.amount``). What is wrong with one member is kept
as its reason and never disturbs the others. An amount of 0 is the limit of small amounts: the doses are planned, and
nothing is in them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.model import LARGEST_AMOUNT, RULE_WIDTH, Administered, EventPlan, Network
from backfire.outcomes import ReadPlan, Watch, course_starts, fill, fill_cells
from backfire.scenario import Scenario, find_inputs
from backfire.simulation.arms import course_agents, feeds
from backfire.simulation.schedules import PLANNED, Schedule, schedule_of, usual_schedule
from backfire.solvers import Floats
from backfire.solvers.batch import Members, Visits

FASTEST: Final = 1e8
"""Rates per day above which an implicit step passes over an explosion: nothing that lives is as fast."""


@dataclass(frozen=True)
class MemberEvents:
    """The events of all members in one arm: ``rows`` (day, state, multiply, add), and first and last of each member; with rules
    the giver of each row, and their visits (day, rule, factor, first, last), with the first and last of each member."""

    rows: tuple[Floats, NDArray[np.int64], Floats, Floats]
    spans: NDArray[np.int64]
    givers: NDArray[np.int64]
    visits: Floats
    visited: NDArray[np.int64]


def summed(network: Network, name: str) -> list[bool]:
    """The states (states,) whose sum is what is recorded under a name; none where it is something else."""
    return [name in (state.name, *state.totals) for state in network.states]


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
        columns = [column for column, item in enumerate(self.inputs) if item.kind not in ("regimen", "rule")]
        items = [self.inputs[column] for column in columns]
        given = self.samples[:, columns] * [item.per_unit for item in items]
        self.constants[:, [places[item.name] for item in items]] = given
        wrong = ~((given >= 0) & (given <= [item.most for item in items]) & (given < math.inf))
        for place, member in np.argwhere(wrong.T).tolist():
            problem = items[place].problem_with(float(self.samples[member, columns[place]]))
            self.reasons.setdefault(member, f"{items[place].name}: {problem}")
        rates = [name for name in self.scenario.values if self.network.parameters[name].unit == "1/day"]
        for member, place in np.argwhere(self.constants[:, [places[name] for name in rates]] > FASTEST):
            given = self.constants[member, places[rates[place]]]
            self.reasons.setdefault(int(member), f"{rates[place]}: {given:g} per day is faster than any step can follow")

    def _fill_schedules(self) -> None:
        """Give every member its schedule and its amounts; members that differ only in these share the schedule."""
        scheduled = [column for column, item in enumerate(self.inputs) if item.kind in ("regimen", "rule")]
        names = [self.fields[column] for column in scheduled]
        alike = np.array(self.samples[:, scheduled], order="C")
        self._fill_thresholds([place for place, name in enumerate(names) if self._is_threshold(name)], names, alike)
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
                    made[key] = self._add(schedule_of(self.scenario, changes) if changes else usual_schedule(self.scenario))
                except UserError as error:
                    wrong[key], made[key] = str(error), self._add(usual_schedule(self.scenario))
            self.schedule_of[member] = made[key]
            if key in wrong:
                self.reasons.setdefault(member, wrong[key])

    def _add(self, schedule: Schedule) -> int:
        self.schedules.append(schedule)
        return len(self.schedules) - 1

    def _is_threshold(self, name: str) -> bool:
        item = self.scenario.inputs[name]
        return item.kind == "rule" and name.rpartition(".")[2] not in PLANNED

    def _fill_thresholds(self, places: list[int], names: list[str], alike: Floats) -> None:
        """Give every member the numbers of its rules; members that differ only in thresholds are ``alike``."""
        rules = self.scenario.dosing_rules
        numbers = np.array([rule.numbers() for rule in rules.values()]).reshape(len(rules), RULE_WIDTH)
        self.rule_numbers = np.tile(numbers, (len(self) if places else 1, 1, 1))
        if not places:
            return
        given, usual = alike[:, places].copy(), [self.scenario.inputs[names[place]].value for place in places]
        made: dict[bytes, Floats | str] = {}
        for member, row in enumerate(given):
            key = row.tobytes()
            if key not in made:
                try:
                    schedule = schedule_of(
                        self.scenario, dict(zip([names[place] for place in places], row.tolist(), strict=True))
                    )
                    made[key] = np.array([rule.numbers() for rule in schedule.rules.values()])
                except UserError as error:
                    made[key] = str(error)
            found = made[key]
            if isinstance(found, str):
                self.reasons.setdefault(member, found)
            else:
                self.rule_numbers[member] = found
        alike[:, places] = usual

    @cached_property
    def _sharing(self) -> list[NDArray[np.int64]]:
        """The members of every schedule."""
        order = np.argsort(self.schedule_of, kind="stable")
        edges = np.searchsorted(self.schedule_of[order], np.arange(len(self.schedules) + 1))
        return [order[first:last] for first, last in itertools.pairwise(edges)]

    def per_schedule(self, compute: Callable[[Schedule], float]) -> Floats:
        """A number of the schedule of every member (members,), computed once for each schedule."""
        return np.array([compute(schedule) for schedule in self.schedules])[self.schedule_of]

    def check_events(self, arms: Sequence[str]) -> None:
        """Note the reason of every member whose doses cannot be given in one of the arms; it runs in none of them."""
        for arm in arms:
            self._events[arm] = self._events_of(arm)

    def _events_of(self, arm: str) -> MemberEvents:
        """The events and visits of all members that have no reason yet; members with equal doses share them."""
        index = {name: place for place, name in enumerate(self.network.state_names)}
        spans, known = np.zeros((len(self), 2), dtype=np.int64), np.ones(len(self), dtype=bool)
        known[[*self.reasons]] = False
        days: list[float] = []
        states: list[int] = []
        givers: list[int] = []
        visits: list[tuple[float, ...]] = []
        visited = np.zeros((len(self), 2), dtype=np.int64)
        changes = [(np.empty(0), np.empty(0))]
        for schedule, sharing in zip(self.schedules, self._sharing, strict=True):
            members = sharing[known[sharing]]
            if not len(members):
                continue
            try:
                plan = schedule.plan(self.scenario, arm)
            except UserError as error:
                self.reasons |= dict.fromkeys(members.tolist(), str(error))
                continue
            values, which = self._values(plan, members)
            multiply, add = plan.changes(values)
            spans[members] = len(days) + len(plan.rows) * which[:, None] + [0, plan.timeline]
            days += [time for time, _ in plan.rows] * len(values)
            states += [index[state] for _, state in plan.rows] * len(values)
            givers += plan.givers * len(values)
            changes.append((multiply.ravel(), add.ravel()))
            visited[members] = len(visits), len(visits) + len(plan.visits)
            visits += plan.visits
        multiplied, added = (np.concatenate(column) for column in zip(*changes, strict=True))
        return MemberEvents(
            (np.array(days, dtype=float), np.array(states, dtype=np.int64), multiplied, added), spans,
            np.array(givers, dtype=np.int64), np.array(visits).reshape(len(visits), 5), visited,
        )  # fmt: skip

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

    def numbers(self, arm: str, wanted: NDArray[np.int64], decisions: bool = True) -> Members:
        """The chosen members in one arm, as the batch solver takes them, which keeps the ``decisions`` of rules if told so; call
        ``check_events`` first."""
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
            visits=self._visits(arm, wanted, decisions),
        )

    def _visits(self, arm: str, wanted: NDArray[np.int64], decisions: bool) -> Visits | None:
        """The visits of the chosen members in one arm; None if no rule decides on anything there."""
        rules = self.scenario.reacting(arm)
        if not rules:
            return None
        events, names = self._events[arm], [*self.scenario.dosing_rules]
        day, rule, factor, first, last = np.ascontiguousarray(events.visits.T)
        whole = [np.ascontiguousarray(column).astype(np.int64) for column in (rule, first, last)]
        own = self.rule_numbers[:, [names.index(item.name) for item in rules]]
        numbers = np.ascontiguousarray(own.reshape(-1, RULE_WIDTH))
        place = wanted * len(rules) if len(own) > 1 else np.zeros(len(wanted), dtype=np.int64)
        uses = usual_schedule(self.scenario).plan(self.scenario, arm).uses
        table = (day, whole[0], factor, whole[1], whole[2])
        columns = tuple(item.parts for item in rules)
        parts, floors = np.zeros((len(rules), 2, len(self.network.states)), dtype=bool), np.zeros((len(rules), 2))
        for number, item in enumerate(rules):
            floors[number, : len(item.parts)] = item.floors(self.network.recorded)
            parts[number, : len(item.parts)] = [summed(self.network, name) for name in item.parts]
        most = int(np.diff(events.visited[wanted], axis=1).max(initial=0)) if decisions else 0
        decided = np.full((len(wanted), most), math.nan)
        return Visits(table, events.visited[wanted], numbers, place, columns, parts, floors, uses, events.givers, decided)

    def dosing(self, arm: str, decisions: Floats, died: Floats) -> MemberDosing:
        """What members that have no reason are given in an arm before their hosts die (members,), by the ``decisions``
        (members, visits) of rules; of those that have one there is nothing to tell."""
        known = np.ones(len(self), dtype=bool)
        known[[*self.reasons]] = False
        groups = [(schedule, shared[known[shared]]) for schedule, shared in zip(self.schedules, self._sharing, strict=True)]
        return MemberDosing(self, arm, [(schedule, members) for schedule, members in groups if len(members)], decisions, died)

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


class MemberDosing:
    """What members are given in one arm, agent by agent, computed when it is first asked for."""

    def __init__(
        self, table: MemberTable, arm: str, groups: list[tuple[Schedule, NDArray[np.int64]]], decisions: Floats, died: Floats
    ) -> None:
        self.table, self.arm, self.groups, self.decisions, self.died = table, arm, groups, decisions, died
        self._found: dict[str, tuple[Floats, Floats, Floats]] = {}

    def amount(self, agent: str) -> Floats:
        """The total amount (members,)."""
        return self._totals(agent)[0]

    def doses(self, agent: str) -> Floats:
        """How often it is given (members,)."""
        return self._totals(agent)[1]

    def days(self, agent: str) -> Floats:
        """On how many days (members,)."""
        return self._totals(agent)[2]

    def _totals(self, agent: str) -> tuple[Floats, Floats, Floats]:
        if agent not in self._found:
            scenario = self.table.scenario
            names = [*scenario.regimens]
            places = [names.index(name) for name in scenario.arms[self.arm]]
            found = np.zeros((3, len(self.table)))
            for schedule, members in self.groups:
                given = Administered(schedule.plan(scenario, self.arm))
                part = slice(None) if len(members) == len(self.table) else members  # all of them, and no copy
                amounts = self.table.amounts[part][:, places]
                found[:, part] = given.totals(agent, amounts, self.decisions[part], self.died[part])
            self._found[agent] = (found[0], found[1], found[2])
        return self._found[agent]
