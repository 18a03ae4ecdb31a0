"""The rules of an arm as numbers, and one course of decisions, for the reference solver."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backfire.model import FIXED, RULE_BEGINS, RULE_REFERENCE, Event, Floats, Visit, decide


@dataclass(frozen=True)
class Controls:
    """The rules of an arm: their ``numbers`` (r, 15), which of them (givers, r) decide on which givers, the ``visits`` in order
    of time, the ``rows`` of the plan that these point at, and what a rule would measure in a state: ``measure(state)`` (r,)."""

    numbers: Floats
    uses: NDArray[np.bool_]
    visits: Sequence[Visit]
    rows: Sequence[Event]
    measure: Callable[[Sequence[float]], Sequence[float]]


class Decisions:
    """What the rules of one arm decide, visit after visit; nothing where there are none."""

    def __init__(self, controls: Controls | None) -> None:
        self.controls = controls
        self.visits: Sequence[Visit] = controls.visits if controls else ()
        self.levels: list[float] = controls.numbers[:, RULE_BEGINS].tolist() if controls else []
        self._references: list[float] = controls.numbers[:, RULE_REFERENCE].tolist() if controls else []
        self.made: list[float] = []
        """The level of the rule of every visit so far."""

    def level(self, giver: int) -> float:
        """The share of a dose that its rules let through."""
        if giver == FIXED or self.controls is None:
            return 1.0
        return math.prod(itertools.compress(self.levels, self.controls.uses[giver]))

    def look(self, until: float, course: Callable[[float], Floats]) -> float | None:
        """Look at all rules that are due up to a day, in the states that ``course`` has on their days; the first day on which
        the rate of something that runs changes, and then no further."""
        while self.controls and len(self.made) < len(self.visits) and self.visits[len(self.made)].time <= until:
            day, turns = self.visits[len(self.made)].time, False
            measured = self.controls.measure(course(day).tolist())
            while len(self.made) < len(self.visits) and self.visits[len(self.made)].time == day:
                visit = self.visits[len(self.made)]
                rule, before = visit.rule, self.levels[visit.rule]
                seen, numbers = measured[rule] * visit.factor, self.controls.numbers
                self.levels[rule], self._references[rule] = decide(numbers, rule, before, self._references[rule], seen)
                turns |= self.levels[rule] != before and visit.last > visit.first
                self.made.append(self.levels[rule])
            if turns:
                return day
        return None

    def set_anew(self, day: float) -> list[Event]:
        """The rates of what runs on a day, for the levels of now."""
        assert self.controls is not None
        now = itertools.takewhile(lambda visit: visit.time == day, reversed(self.visits[: len(self.made)]))
        return [row for visit in [*now][::-1] for row in self.controls.rows[visit.first : visit.last]]
