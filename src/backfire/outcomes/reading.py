"""What is asked of the compiled reader, and what it found: watch rows in, result rows out, features of outcomes from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from backfire.outcomes.catalogue import SUMMARIES
from backfire.outcomes.rules import ROUNDED, Rules, least_counted
from backfire.solvers import Floats

# the head of a watch row
START, OWN, SURGERY, PROGRESSION, REGROWTH, BURDEN, ACTIVE, GROWTH, SEEDING, METASTASES, HOST, FLOOR, FROM_START = range(13)
KILLS, FACTORS, EXCESSES, ASKED, COURSES, HEAD = range(13, 19)
FOUND: Final = (
    "nadir", "nadir_at", "before", "progression_at", "regrown_at", "final_burden", "burden_area", "final_metastases",
    "active_area", "growth_area", "kill_area", "seeding_area", "survival_at",
)  # fmt: skip
"""The first numbers of a result row; those of factors, summaries and courses follow."""
_SINGLE = {"burden": BURDEN, "active": ACTIVE, "growth": GROWTH, "seeding": SEEDING}
_SINGLE |= {"metastatic_burden": METASTASES, "host_load": HOST}


@dataclass(frozen=True)
class ReadPlan:
    """What is read of the members of a network: ``watched`` are the columns, ``recorded`` the units of everything recorded.

    ``kills``, ``factors`` and ``excesses`` are names of columns; ``summaries`` pairs (kind, name of a column).
    """

    recorded: Mapping[str, str]
    watched: tuple[str, ...]
    kills: tuple[str, ...]
    factors: tuple[str, ...]
    excesses: tuple[str, ...]
    summaries: tuple[tuple[str, str], ...]

    def width(self, courses: int) -> int:
        """How many numbers a result row has."""
        return len(FOUND) + 3 * len(self.factors) + len(self.excesses) + len(self.summaries) + 2 * courses

    def columns(self) -> Iterator[tuple[str, str]]:
        """What stands in a result row between what is found of all and what of the courses, as (what, of what)."""
        yield from ((what, name) for name in self.factors for what in ("peak", "peak_at", "flat"))
        yield from (("peak", name) for name in self.excesses)
        yield from ((f"{kind} asked", name) for kind, name in self.summaries)

    def watch(self, count: int, courses: int) -> Floats:
        """Watch rows (count, …) with everything that all members share; ``fill`` adds the rest."""
        at = {name: column for column, name in enumerate(self.watched)}
        head = np.full(HEAD, -1.0)
        for name, place in _SINGLE.items():
            head[place] = at.get(name, -1)
        head[FLOOR] = least_counted(self.recorded.get("burden", ""))
        groups = [self.kills, self.factors, self.excesses, self.summaries, range(courses)]
        head[KILLS:HEAD] = [len(group) for group in groups]
        named = [at[name] for name in (*self.kills, *self.factors, *self.excesses)]
        kinds = [number for kind, name in self.summaries for number in (SUMMARIES.index(kind), at[name])]
        row = np.array([*head, *named, *kinds, *([math.nan] * courses)])
        return np.tile(row, (count, 1))


def read_plan(units: Mapping[str, str], summaries: Iterable[tuple[str, str]] = ()) -> ReadPlan:
    """The plan for a network that records ``units`` (name → unit), with ``summaries`` (kind, name) on top."""
    asked = tuple(dict.fromkeys(summaries))
    kills = tuple(name for name in units if name.startswith("kill_by_"))
    folds = [name for name, unit in units.items() if unit == "fold"]
    factors = tuple(name for name in folds if not name.startswith("excess_"))
    excesses = tuple(name for name in folds if name.startswith("excess_"))
    single = [name for name in _SINGLE if name in units]
    watched = tuple(dict.fromkeys([*single, *kills, *factors, *excesses, *(name for _, name in asked)]))
    return ReadPlan(units, watched, kills, factors, excesses, asked)


def fill(watch: Floats, start: Floats, own: Floats, surgery: Floats, rules: Rules, courses: Floats) -> None:
    """Put days (m,), the rules, and the first days of courses (m, c) into watch rows."""
    watch[:, START], watch[:, OWN], watch[:, SURGERY] = start, own, surgery
    watch[:, PROGRESSION], watch[:, REGROWTH] = rules.progression, rules.regrowth
    watch[:, FROM_START] = rules.progression_from == "start"
    if courses.shape[1]:
        watch[:, -courses.shape[1] :] = courses


class CompiledFeatures:
    """``Features`` of the members of one arm, from the result rows (m, ``plan.width``) of the compiled reader.

    ``courses`` (m, c) are the first days of courses, NaN where a member has fewer; ``totals`` maps agents to the amounts
    given (m,) and ``agents`` to their units.
    """

    def __init__(
        self, plan: ReadPlan, rows: Floats, courses: Floats, rules: Rules, days: tuple[Floats, Floats, Floats, Floats],
        agents: Mapping[str, str], totals: Mapping[str, Floats],
    ) -> None:  # fmt: skip
        self.recorded, self.rules, self.agents, self._totals = plan.recorded, rules, agents, totals
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
        self.courses = (~np.isnan(courses)).sum(axis=1)
        first = rows.shape[1] - 2 * courses.shape[1]
        self.before_course, self.low_in_course = rows[:, first::2], rows[:, first + 1 :: 2]
        self._read: dict[tuple[str, str], Floats] = dict(zip(plan.columns(), rows[:, len(FOUND) : first].T, strict=True))

    def log10(self, values: Floats) -> Floats:
        """As ``Features``; so all below."""
        return np.log10(values)

    def peak(self, name: str) -> Floats:
        return self._read["peak", name]

    def peak_at(self, name: str) -> Floats:
        at: Floats = np.where(self._read["flat", name] > 0, np.nan, self._read["peak_at", name])
        return at

    def given(self, agent: str) -> Floats:
        return self._totals[agent]

    def summary(self, kind: str, name: str) -> Floats:
        found = self._read[f"{kind} asked", name]
        return np.where(self._looked, np.where((found < 0) & (found > -ROUNDED), 0.0, found), math.nan)
