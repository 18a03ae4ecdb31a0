"""Regimens and the one event table they become.

A regimen says how one agent is given. All regimens of an arm become rows (time, state, multiply, add): a bolus adds,
an infusion sets a rate and later takes it back, surgery multiplies. Solvers integrate from event to event, so no step
crosses a dose. Rows at one time and state are merged: first all factors, then all additions.

What a regimen with rules gives has rows of its own, behind those at the same time and state, because what is added there is
multiplied by the level that its rules have on that day. When rules are looked at is known beforehand too: ``Visit``.
"""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backfire.errors import ScheduleError, unknown
from backfire.formulas import Expression, parse
from backfire.model.components import Intervention
from backfire.model.dosing_rules import MOST_VISITS, DosingRule, check_rules

Floats = NDArray[np.float64]
"""An array of doubles, here and in all families above."""

MOST_DOSES = 10_000
LARGEST_AMOUNT = 1e12
SHORTEST_INFUSION = 1e-6
"""In days; on shorter ones the clock of double precision would cut the dose."""


def as_written(value: float) -> Decimal:
    """A number as a file has it: 1.1 is eleven tenths, not the double next to it, so that sums of days are what they say."""
    return Decimal(repr(float(value)))


def multiples(every: float, last: float) -> list[float]:
    """The days 0, ``every``, 2·``every`` … up to ``last``, as written."""
    step = as_written(every)
    return [float(step * index) for index in range(int(as_written(last) / step) + 1)]


@dataclass(frozen=True)
class Dose:
    """One giving of an agent: ``time`` and ``duration`` in days (0 = bolus), ``amount`` in the agent's unit.

    One that ``continues`` is the same infusion as the one before, at another level.
    """

    time: float
    agent: str
    amount: float
    duration: float = 0.0
    continues: bool = False

    def given_by(self, day: float) -> float:
        """How much of it has been given before a moment: of an infusion what has run in, of a bolus at this moment nothing."""
        share = (day - self.time) / self.duration if self.duration else float(day > self.time)
        return self.amount * min(max(share, 0.0), 1.0)

    def until(self, day: float) -> Dose:
        """What of it is given before a moment that is after it begins."""
        if self.end <= day:
            return self
        return dataclasses.replace(self, amount=self.given_by(day), duration=day - self.time)

    @property
    def end(self) -> float:
        """The day on which an infusion ends."""
        return float(as_written(self.time) + as_written(self.duration))


def _number(label: str, meaning: str, unit: str = "day", *, default: Any = dataclasses.MISSING, whole: bool = False) -> Any:
    """A number of a regimen: its name in figures and its meaning, both with a place for the agent, and its unit."""
    return field(default=default, metadata={"label": label, "meaning": meaning, "unit": unit, "whole": whole})


@dataclass(frozen=True)
class Regimen:
    """How one agent is given: ``count`` doses of ``amount``, ``every`` so many days from day ``start`` on.

    ``duration`` > 0 makes each dose an infusion over so many days. ``cycles`` repeats the whole block, its starts
    ``cycle_length`` days apart. Surgery is a regimen without amount. Doses of 0 are planned, with nothing in them.
    ``rules`` name what decides, at visits, whether a planned dose is given, and how much of it.
    Raises ScheduleError for what cannot be given.
    """

    name: str
    agent: str
    start: float = _number("first dose of {} (day)", "day of the first dose of {}")
    amount: float = _number("each dose of {}", "amount of each dose of {}", "", default=0.0)
    every: float = _number("time between doses of {}", "days from one dose of {} to the next", default=0.0)
    count: int = _number("doses of {}", "number of doses of {}", "1", default=1, whole=True)
    duration: float = _number("infusion of {}", "days over which each dose of {} is infused", default=0.0)
    cycles: int = _number("cycles of {}", "number of cycles of {}", "1", default=1, whole=True)
    cycle_length: float = _number("time between cycles of {}", "days from one cycle of {} to the next", default=0.0)
    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = {word: getattr(self, word) for word in ("start", "amount", "every", "duration", "cycle_length")}
        wrong = [f"`{word}` is {value:g}" for word, value in numbers.items() if not (math.isfinite(value) and value >= 0)]
        if wrong:
            raise ScheduleError(f"{' and '.join(wrong)}; it must be a finite number ≥ 0")
        if self.amount > LARGEST_AMOUNT:
            raise ScheduleError(f"`amount` is {self.amount:g}; more than {LARGEST_AMOUNT:g} is no dose")
        if 0 < self.duration < SHORTEST_INFUSION:
            raise ScheduleError(f"an infusion over {self.duration:g} days is a bolus; leave out `duration`")
        if self.count < 1 or self.cycles < 1:
            raise ScheduleError("`count` and `cycles` must be at least 1")
        if self.count * self.cycles > MOST_DOSES:
            raise ScheduleError(f"{min(self.count * self.cycles, 10**300):.3g} doses are more than the {MOST_DOSES} allowed")
        if self.count > 1 and self.every == 0:
            reason = (
                f"with `every` = 0 all {self.count} doses are given at once, which is one dose of {self.count} times the amount"
            )
            raise ScheduleError(f"{self.count} doses need `every`, the days from one dose to the next, above 0; {reason}")
        if self.cycles > 1 and self.cycle_length == 0:
            raise ScheduleError(f"{self.cycles} cycles need `cycle_length`, the days from one cycle to the next, above 0")
        if self.count > 1 and self.duration > self.every:
            raise ScheduleError(f"an infusion of {self.duration:g} days overlaps the next one, {self.every:g} days later")
        block, length = (self.count - 1) * as_written(self.every) + as_written(self.duration), as_written(self.cycle_length)
        # infusions may touch, as they may within a cycle; two boluses at one moment are one dose
        if self.cycles > 1 and (block > length or (block == length and not self.duration)):
            raise ScheduleError(f"a cycle of {float(block):g} days overlaps the next one, {self.cycle_length:g} days later")

    def doses(self) -> Iterator[Dose]:
        """All doses in order of time."""
        for cycle in range(self.cycles):
            for index in range(self.count):
                yield Dose(float(self._time(cycle, index)), self.agent, self.amount, self.duration)

    @property
    def end(self) -> float:
        """The day of the last dose, or the end of the last infusion."""
        return float(self._time(self.cycles - 1, self.count - 1) + as_written(self.duration))

    def _time(self, cycle: int, index: int) -> Decimal:
        return as_written(self.start) + cycle * as_written(self.cycle_length) + index * as_written(self.every)


@dataclass(frozen=True)
class RegimenNumber:
    """A number of a regimen: ``label`` and ``meaning`` have a place for the agent; ``unit`` is empty for that of the agent."""

    name: str
    label: str
    meaning: str
    unit: str
    whole: bool


REGIMEN_NUMBERS: Final = {
    item.name: RegimenNumber(item.name, **item.metadata) for item in dataclasses.fields(Regimen) if item.metadata
}
"""The numbers of a regimen by name."""


FIXED: Final = -1
"""The giver of what no rule decides on."""


@dataclass(frozen=True, order=True)
class Event:
    """One row of the table: at ``time``, state ← state·multiply + add; with a ``giver`` ≥ 0, the number of a regimen with
    rules, ``add`` is multiplied by its level."""

    time: float
    state: str
    multiply: float
    add: float
    giver: int = FIXED


class Visit(NamedTuple):
    """A look at rule number ``rule``: what is there times ``factor`` is what is measured.

    If the level changes, the rows ``first`` to ``last`` of the plan set the rates of the infusions that run then anew.
    """

    time: float
    rule: int
    factor: float
    first: int
    last: int


_NOTHING: Final = -1
"""The place of the source 0, behind all others: the rate of an infusion is set, whatever it was."""


class EventPlan:
    """What regimens do and when, before amounts and parameters are known: one plan for all that differ only in these.

    ``rows`` are (day, state) of the events, sorted. What is put in is called a source: the formula of the amount of one
    regimen, the rate of its infusion, or the level at which it is on; ``patterns`` are what happens at the rows, as the
    sources that are multiplied and those that are added, and ``pattern_of`` the pattern of each row. ``givers`` are those of
    ``Event``, numbers in ``ruled``, the places of the regimens with rules. ``rules`` are those in use, by name; ``visits``
    when they are looked at, sorted; the rows from ``timeline`` on are those that only visits point at.
    Raises ScheduleError for unknown agents, doses after day ``days``, and what rules cannot decide on.
    """

    def __init__(
        self, regimens: Iterable[Regimen], interventions: Mapping[str, Intervention], days: float,
        rules: Mapping[str, DosingRule] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.regimens = list(regimens)
        self.sources: dict[tuple[int, Expression | None], int] = {}
        self.ruled = [place for place, regimen in enumerate(self.regimens) if regimen.rules]
        used = [name for place in self.ruled for name in self.regimens[place].rules]
        self.rules = {name: rule for name, rule in rules.items() if name in used}
        factors: dict[tuple[float, str, int], list[int]] = {}
        additions: dict[tuple[float, str, int], list[int]] = {}
        infused: dict[str, list[tuple[float, int, int]]] = {}
        self._infuses: dict[str, str] = {}
        giver_of = {place: number for number, place in enumerate(self.ruled)}
        for place, regimen in enumerate(self.regimens):
            intervention = check_regimen(regimen, interventions, days)
            check_rules(regimen.rules, intervention, rules)
            given = () if regimen.duration > 0 else intervention.formulas()
            formulas = [(state, action, self._source(place, formula)) for state, action, formula in given]
            for dose in regimen.doses():
                if dose.duration > 0:
                    level = parse("amount" if intervention.amount_unit else "1") if intervention.switches else None
                    held, flow = intervention.switches or intervention.infuses, self._source(place, level)
                    assert held is not None
                    self._infuses[regimen.name] = held
                    infused.setdefault(held, []).extend([(dose.time, flow, 1), (dose.end, flow, -1)])
                    continue
                for state, action, source in formulas:
                    target = factors if action == "multiply" else additions
                    target.setdefault((dose.time, state, giver_of.get(place, FIXED)), []).append(source)
        givers = {source: giver_of.get(place, FIXED) for (place, _), source in self.sources.items()}
        edges: dict[str, list[float]] = {}
        for state, changes in infused.items():
            flowing: Counter[int] = Counter()
            for time, flow, change in sorted(changes):
                # what flows is counted, not summed up, so that the level is exactly 0 when nothing does
                flowing[flow] += change
                factors[time, state, FIXED], additions[time, state, FIXED] = [_NOTHING], []
                for giver in range(len(self.ruled)):
                    additions.pop((time, state, giver), None)
                for one in flowing.elements():
                    additions.setdefault((time, state, givers[one]), []).append(one)
                edges.setdefault(state, []).append(time)
        keys = sorted(factors.keys() | additions.keys())
        self.timeline = len(keys)
        self.visits = self._visits(keys, edges, days) if self.ruled else []
        self.rows, self.givers = [(time, state) for time, state, _ in keys], [giver for *_, giver in keys]
        every = [(tuple(factors.get(key, ())), tuple(additions.get(key, ()))) for key in keys]
        places = {pattern: place for place, pattern in enumerate(dict.fromkeys(every))}
        self.patterns, self.pattern_of = [*places], [places[pattern] for pattern in every]

    def _visits(self, keys: list[tuple[float, str, int]], edges: Mapping[str, list[float]], days: float) -> list[Visit]:
        """The visits of all rules in order of time; what they point at is added to the ``keys`` of the rows."""
        found: list[Visit] = []
        moments: dict[tuple[float, str], list[tuple[float, str, int]]] = {}
        for key in keys:
            moments.setdefault(key[:2], []).append(key)
        known: dict[tuple[tuple[float, str, int], ...], int] = {}
        for number, rule in enumerate(self.rules.values()):
            decided = [regimen for regimen in self.regimens if rule.name in regimen.rules]
            times = visit_days(rule, decided, days)
            held = sorted({self._infuses[regimen.name] for regimen in decided if regimen.duration > 0})
            spans = [(dose.time, dose.end) for regimen in decided if regimen.duration > 0 for dose in regimen.doses()]
            for time, factor in zip(times, rule.errors(len(times)).tolist(), strict=True):
                rows: tuple[tuple[float, str, int], ...] = ()
                if any(begin < time < end for begin, end in spans):
                    begun = {state: bisect_right(edges[state], time) - 1 for state in held}
                    rows = tuple(key for state, at in begun.items() if at >= 0 for key in moments[edges[state][at], state])
                if rows not in known:
                    known[rows] = len(keys)
                    keys.extend(rows)
                found.append(Visit(time, number, factor, known[rows], known[rows] + len(rows)))
        return sorted(found, key=lambda visit: (visit.time, visit.rule))

    def _source(self, place: int, formula: Expression | None) -> int:
        return self.sources.setdefault((place, formula), len(self.sources))

    def values(self, amounts: Sequence[float], parameters: Mapping[str, float]) -> list[float]:
        """The value of every source, for the amount of every regimen; raises ScheduleError if one is not finite."""
        found = []
        for place, formula in self.sources:
            regimen, amount = self.regimens[place], amounts[place]
            value = amount / regimen.duration if formula is None else formula.value({**parameters, "amount": amount})
            if not math.isfinite(value):
                raise ScheduleError(f"{regimen.name}: `{formula}` for amount {amount:g} is not a finite number")
            found.append(value)
        return found

    def events(self, parameters: Mapping[str, float]) -> tuple[Event, ...]:
        """All rows, with the amounts of the regimens themselves; ``planned`` has those that come whatever rules decide."""
        values = self.values([regimen.amount for regimen in self.regimens], parameters)
        multiply, add = self.changes(np.array([values]))
        found = zip(self.rows, multiply[0].tolist(), add[0].tolist(), self.givers, strict=True)
        return tuple(Event(time, state, factor, addition, giver) for (time, state), factor, addition, giver in found)

    def planned(self, parameters: Mapping[str, float]) -> tuple[Event, ...]:
        """The rows of the timeline: all but those that only visits point at."""
        return self.events(parameters)[: self.timeline]

    @property
    def uses(self) -> NDArray[np.bool_]:
        """(givers, rules): which rules decide on which of the regimens that have any."""
        names = [*self.rules]
        found = [[name in self.regimens[place].rules for name in names] for place in self.ruled]
        return np.array(found, dtype=bool).reshape(len(self.ruled), len(names))

    def changes(self, values: Floats) -> tuple[Floats, Floats]:
        """(multiply, add), each (k, rows), for k sets of ``values`` (k, sources)."""
        known = np.column_stack([values, np.zeros(len(values))])  # the last, as ``_NOTHING``
        multiply, add = np.empty((len(values), len(self.patterns))), np.empty((len(values), len(self.patterns)))
        for place, (factors, additions) in enumerate(self.patterns):
            multiply[:, place] = _each(known[:, factors], _product, 1.0)
            add[:, place] = _each(known[:, additions], _total, 0.0)
        return multiply[:, self.pattern_of], add[:, self.pattern_of]


def _each(values: Floats, combine: Callable[[list[float]], float], nothing: float) -> Floats:
    """What is made of several values, the value itself, or nothing, of each row (k, …)."""
    if values.shape[1] == 1:
        return values[:, 0]
    if values.shape[1] == 0:
        return np.full(len(values), nothing)
    return np.array([combine(row) for row in values.tolist()])


def _product(factors: list[float]) -> float:
    """The product in one order, whatever order they are given in."""
    return math.prod(sorted(factors))


def _total(amounts: list[float]) -> float:
    """The exact sum of what is added at one moment, in any order; infinite if a double cannot hold it."""
    try:
        return math.fsum(amounts)
    except OverflowError:
        return math.inf


def event_table(
    regimens: Iterable[Regimen],
    interventions: Mapping[str, Intervention],
    parameters: Mapping[str, float],
    days: float,
    rules: Mapping[str, DosingRule] = MappingProxyType({}),
) -> tuple[Event, ...]:
    """The merged, sorted events of an arm; raises ScheduleError for unknown agents and doses after day ``days``."""
    return EventPlan(regimens, interventions, days, rules).planned(parameters)


def visit_days(rule: DosingRule, decided: Sequence[Regimen], days: float) -> list[float]:
    """The days on which a rule is looked at: from the first dose of what it decides on, or ``visit_from``, to the last."""
    first = min(item.start for item in decided) if rule.visit_from is None else rule.visit_from
    last = min(max(item.end for item in decided), days)
    if all(first > item.end or (item.duration and first == item.end) for item in decided):
        reason = f"when all that it decides on has been given, on day {last:g}"
        raise ScheduleError(f"rule `{rule.name}` is first looked at on day {first:g}, {reason}")
    begin, step = as_written(first), as_written(rule.visit_every)
    count = int((as_written(last) - begin) / step) + 1 if as_written(last) - begin < MOST_VISITS * step else MOST_VISITS + 1
    if count > MOST_VISITS:
        raise ScheduleError(f"rule `{rule.name}` has more than the {MOST_VISITS} visits allowed")
    return [float(begin + step * index) for index in range(count)]


def check_regimen(regimen: Regimen, interventions: Mapping[str, Intervention], days: float) -> Intervention:
    """The intervention a regimen gives; raises ScheduleError if it does not exist or does not fit before ``days``."""
    if regimen.agent not in interventions:
        raise ScheduleError(unknown("agent", regimen.agent, interventions), key="agent")
    intervention = interventions[regimen.agent]
    if regimen.end > days:
        last = f"the last dose ends on day {regimen.end:g}, after the end of the simulation on day {days:g}"
        raise ScheduleError(last, kind="late")
    if not intervention.amount_unit and regimen.amount:
        raise ScheduleError(f"`{regimen.agent}` takes no `amount`")
    if intervention.switches and not regimen.duration:
        raise ScheduleError(f"`{regimen.agent}` is on or off; say how long it is on by `duration`, or by `until`")
    if regimen.duration and intervention.infuses is None and intervention.switches is None:
        raise ScheduleError(f"`{regimen.agent}` cannot be infused; leave out `duration`")
    return intervention
