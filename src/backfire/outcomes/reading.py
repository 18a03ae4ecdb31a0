"""What is asked of the compiled reader, and what it found: watch rows in, result rows out, features of outcomes from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np

from backfire.model import Branching
from backfire.outcomes.backward import SIZES, TERMS, section_size
from backfire.outcomes.rules import ROUNDED, Rules, least_counted
from backfire.outcomes.summaries import SUMMARIES, Summary
from backfire.solvers import Floats

# the head of a watch row
START, OWN, SURGERY, PROGRESSION, REGROWTH, BURDEN, ACTIVE, METASTASES, HOST, FLOOR, BASELINE = range(11)
GROWTHS, KILLS, SEEDINGS, FACTORS, EXCESSES, ASKED, COURSES, CELLS, SHAPE, AREA, HEAD = range(11, 22)
NADIR, FIRST, LEVEL = range(3)
"""What progression is measured against: the nadir, the burden at the arm's first intervention, or a level of its own."""
FOUND: Final = (
    "nadir", "nadir_at", "before", "progression_at", "regrown_at", "final_burden", "burden_area", "final_metastases",
    "active_area", "growth_area", "kill_area", "seeding_area", "survival_at", "cure",
)  # fmt: skip
"""The first numbers of a result row; those of factors, summaries and courses follow."""
_SINGLE: Final = {"burden": BURDEN, "active": ACTIVE, "metastatic_burden": METASTASES, "host_load": HOST}
_FLOWS: Final = ("growth", "kill", "seeding")
"""The kinds of processes of which areas are read, in the order of their places in the head."""
_SHAPE: Final = ("nadir", "nadir_at", "before", "progression_at", "regrown_at")
"""What is found of the burden at once."""
Noted = str | tuple[str, str] | Summary
"""What is read of features: one of them by its name, a peak or its day as (what, of what), or a summary."""


@dataclass(frozen=True)
class ReadPlan:
    """What is read of the members of a network: ``watched`` are the columns, ``recorded`` the units of everything recorded.

    ``flows`` are the recorded processes by kind; ``factors`` and ``excesses`` names of columns. ``cells`` are the tumour cells
    one by one, None where nothing is asked of them; their rates are watched as formulas. ``wanted`` are the features that are
    looked for, None for all; the others are NaN.
    """

    recorded: Mapping[str, str]
    watched: tuple[str, ...]
    flows: Mapping[str, Sequence[str]]
    factors: tuple[str, ...]
    excesses: tuple[str, ...]
    summaries: tuple[Summary, ...]
    cells: Branching | None = None
    wanted: frozenset[Noted] | None = None

    def narrowed(self, noted: Iterable[Noted]) -> ReadPlan:
        """The plan for the same columns that looks for nothing but what was ``noted``: most of the time of reading is spared."""
        wanted = frozenset(noted)
        factors = tuple(name for name in self.factors if wanted & {("peak", name), ("peak_at", name)})
        excesses = tuple(name for name in self.excesses if ("peak", name) in wanted)
        summaries = tuple(asked for asked in self.summaries if asked in wanted)
        return replace(self, factors=factors, excesses=excesses, summaries=summaries, wanted=wanted)

    def _wants(self, *names: str) -> bool:
        return self.wanted is None or not self.wanted.isdisjoint(names)

    def width(self, courses: int) -> int:
        """How many numbers a result row has."""
        return len(FOUND) + 3 * len(self.factors) + len(self.excesses) + len(self.summaries) + 2 * courses

    def columns(self) -> Iterator[tuple[str, str] | Summary]:
        """What stands in a result row between what is found of all and what of the courses, as (what, of what)."""
        yield from ((what, name) for name in self.factors for what in ("peak", "peak_at", "flat"))
        yield from (("peak", name) for name in self.excesses)
        yield from self.summaries

    def watch(self, count: int, courses: int, events: int = 0) -> Floats:
        """Watch rows (count, …) with everything that all members share, and room for courses and for ``events`` of tumour cells;
        ``fill`` and ``fill_cells`` add the rest."""
        at = {name: column for column, name in enumerate(self.watched)}
        head = np.full(HEAD, -1.0)
        for name, place in _SINGLE.items():
            head[place] = at.get(name, -1)
        head[ACTIVE] = head[ACTIVE] if self._wants("active_area") else -1
        head[SHAPE], head[AREA] = self._wants(*_SHAPE), self._wants("burden_area")
        head[FLOOR] = least_counted(self.recorded.get("burden", ""))
        flows = [self.flows.get(kind, ()) if self._wants(f"{kind}_area") else () for kind in _FLOWS]
        each = courses if self._wants("before_course", "low_in_course") else 0
        groups = [*flows, self.factors, self.excesses, self.summaries, range(each)]
        head[GROWTHS:CELLS] = [len(group) for group in groups]
        named = [at[name] for group in (*flows, self.factors, self.excesses) for name in group]
        kinds = [
            number
            for asked in self.summaries
            for number in (SUMMARIES.index(asked.kind), at[asked.of], math.nan if asked.level is None else asked.level)
        ]
        section = self._section(at, events)
        head[CELLS] = HEAD + len(named) + len(kinds) if section else -1
        row = np.array([*head, *named, *kinds, *section, *([math.nan] * courses)])
        return np.tile(row, (count, 1))

    def _section(self, at: Mapping[str, int], events: int) -> list[float]:
        """The part on tumour cells, as ``backward`` reads it; empty where nothing is asked of them, or they are refused."""
        if self.cells is None or self.cells.refused:
            return []
        types, terms = len(self.cells.types), _terms(self.cells)
        sizes = [types, len(terms), float(any(kind == "arriving" for kind, *_ in terms)), events]
        begins = {"net": 0, "gained": types, "made": types + types * types, "arriving": types + 2 * types * types}
        places = [(begins[kind] + place, at[formula]) for kind, place, formula in terms]
        given = [*sizes, *([math.nan] * types), *itertools.chain(*places), *([math.nan] * 4 * events)]
        return given + [0.0] * (section_size(types, len(terms), events) - len(given))


def _terms(cells: Branching) -> list[tuple[str, int, str]]:
    """The terms of the backward equations (kind, place among its kind, formula): the net rate of every type, then what of gains,
    makings and arrivals is not 0."""
    types = [*enumerate(cells.types)]
    pairs = [(place, of, into) for place, (of, into) in enumerate(itertools.product(cells.types, repeat=2))]
    terms = [("gained", place, cells.gained(of, into).text) for place, of, into in pairs if of != into]
    terms += [("made", place, cells.made(of, into).text) for place, of, into in pairs]
    terms += [("arriving", place, cells.arriving(of).text) for place, of in types]
    return [*(("net", place, cells.net(of).text) for place, of in types), *(term for term in terms if term[2] != "0")]


def read_plan(
    units: Mapping[str, str],
    summaries: Iterable[Summary] = (),
    flows: Mapping[str, Sequence[str]] = MappingProxyType({}),
    cells: Branching | None = None,
) -> ReadPlan:
    """The plan for a network that records ``units`` (name → unit) and has ``flows``, with ``summaries`` on top, and with what its
    tumour ``cells`` come to one by one."""
    asked = tuple(dict.fromkeys(summaries))
    folds = [name for name, unit in units.items() if unit == "fold"]
    factors = tuple(name for name in folds if not name.startswith("excess_"))
    excesses = tuple(name for name in folds if name.startswith("excess_"))
    single = [name for name in _SINGLE if name in units]
    rates = [name for kind in _FLOWS for name in flows.get(kind, ())]
    rates += [formula for *_, formula in _terms(cells)] if cells and not cells.refused else []
    # in the order of the alphabet, so that the same questions asked in another order have the same kernel
    watched = tuple(dict.fromkeys([*single, *rates, *factors, *excesses, *sorted(item.of for item in asked)]))
    return ReadPlan(units, watched, flows, factors, excesses, asked, cells)


def fill(watch: Floats, start: Floats, own: Floats, surgery: Floats, rules: Rules, courses: Floats) -> None:
    """Put days (m,), the rules, and the first days of courses (m, c) into watch rows."""
    watch[:, START], watch[:, OWN], watch[:, SURGERY] = start, own, surgery
    watch[:, PROGRESSION], watch[:, REGROWTH] = rules.progression, rules.regrowth
    watch[:, BASELINE] = FIRST if rules.progression_from == "start" else NADIR
    if rules.progression_level is not None:
        watch[:, BASELINE], watch[:, PROGRESSION] = LEVEL, rules.progression_level
    if courses.shape[1]:
        watch[:, -courses.shape[1] :] = courses


def fill_cells(watch: Floats, start: Floats, events: Floats) -> None:
    """Put the cells of every type on the first day (m, t) and their events (m, e, 4: day, type, multiply, add; NaN where a member
    has fewer) into watch rows that ask for tumour cells."""
    place = int(watch[0, CELLS]) + SIZES
    terms = int(watch[0, place - SIZES + TERMS])
    watch[:, place : place + start.shape[1]] = start
    place += start.shape[1] + 2 * terms
    watch[:, place : place + events.shape[1] * 4] = events.reshape(len(events), -1)


class Dosing(Protocol):
    """What m members are given of an agent up to their last day, each (m,)."""

    def amount(self, agent: str) -> Floats:
        """The total amount."""

    def doses(self, agent: str) -> Floats:
        """How often."""

    def days(self, agent: str) -> Floats:
        """On how many days."""


class Noting:
    """Features that note what is read of them."""

    def __init__(self, features: Any) -> None:
        self._features = features
        self.noted: set[Noted] = set()

    def __getattr__(self, name: str) -> Any:
        self.noted.add(name)
        return getattr(self._features, name)

    def peak(self, name: str) -> Floats:
        """As ``Features``; so all below."""
        self.noted.add(("peak", name))
        return np.asarray(self._features.peak(name))

    def peak_at(self, name: str) -> Floats:
        self.noted.add(("peak_at", name))
        return np.asarray(self._features.peak_at(name))

    def given(self, agent: str) -> Floats:  # noqa: ARG002
        """What is given does not stand in the rows, and is not computed."""
        return np.full(len(self._features.start), math.nan)

    doses = treated = given

    def summary(self, asked: Summary) -> Floats:
        self.noted.add(asked)
        return np.asarray(self._features.summary(asked))


class CompiledFeatures:
    """``Features`` of the members of one arm, from the result rows (m, ``plan.width``) of the compiled reader.

    ``courses`` (m, c) are the first days of courses, NaN where a member has fewer; ``agents`` maps agents to the units of their
    amounts, ``treatments`` are all that is given in doses or while it is on, and ``dosing`` says how much of it.
    """

    def __init__(
        self, plan: ReadPlan, rows: Floats, courses: Floats, rules: Rules, days: tuple[Floats, Floats, Floats, Floats],
        agents: Mapping[str, str], treatments: Sequence[str], dosing: Dosing,
    ) -> None:  # fmt: skip
        self.recorded, self.flows, self.rules, self.agents, self._dosing = plan.recorded, plan.flows, rules, agents, dosing
        self.treatments = treatments
        self.start, self.own, self.last, self.end = days
        found = {name: rows[:, place] for place, name in enumerate(FOUND)}
        self.nadir, self.nadir_at, self.before = found["nadir"], found["nadir_at"], found["before"]
        self.progression_at, self.regrown_at = found["progression_at"], found["regrown_at"]
        self._looked = self.start <= self.last
        self.final_burden, self.burden_area = found["final_burden"], np.where(self._looked, found["burden_area"], math.nan)
        self.final_metastases = np.maximum(found["final_metastases"], 0.0)  # rounding below zero
        self.active_area, self.growth_area = found["active_area"], found["growth_area"]
        self.kill_area, self.seeding_area, self.survival_at = found["kill_area"], found["seeding_area"], found["survival_at"]
        self.seeding_area = np.where(self._looked, self.seeding_area, math.nan)
        self.refused = plan.cells.refused if plan.cells else ""
        self.cure = np.where(np.isfinite(self.survival_at), 0.0, found["cure"])
        self.courses = (~np.isnan(courses)).sum(axis=1)
        first = rows.shape[1] - 2 * courses.shape[1]
        self.before_course, self.low_in_course = rows[:, first::2], rows[:, first + 1 :: 2]
        self._read: dict[tuple[str, str] | Summary, Floats] = dict(
            zip(plan.columns(), rows[:, len(FOUND) : first].T, strict=True)
        )

    def log10(self, values: Floats) -> Floats:
        """As ``Features``; so all below."""
        return np.log10(values)

    def peak(self, name: str) -> Floats:
        return self._read["peak", name]

    def peak_at(self, name: str) -> Floats:
        at: Floats = np.where(self._read["flat", name] > 0, np.nan, self._read["peak_at", name])
        return at

    def given(self, agent: str) -> Floats:
        return self._dosing.amount(agent)

    def doses(self, agent: str) -> Floats:
        return self._dosing.doses(agent)

    def treated(self, agent: str) -> Floats:
        return self._dosing.days(agent)

    def summary(self, asked: Summary) -> Floats:
        found = self._read[asked]
        return np.where(self._looked, np.where((found < 0) & (found > -ROUNDED), 0.0, found), math.nan)
