"""What is administered: planned doses, cut where the levels of rules may change, and multiplied by what the rules decided.

Decisions are the levels (m, visits) of the rules of a plan after each of its visits, for m members at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backfire.model.dosing import Dose, EventPlan, Floats, Regimen, as_written

PORTION = 64
"""Members whose pieces are looked at together: as many as the cache holds."""


@dataclass(frozen=True)
class _Pieces:
    """The doses of one regimen in pieces (p,) within which no rule is looked at: days, share of the amount of a dose, whether it
    goes on from the piece before, and the last visit of each of its rules (p, rules), -1 before the first."""

    begin: Floats
    end: Floats
    share: Floats
    continues: NDArray[np.bool_]
    visits: NDArray[np.int64]
    begins: Floats


class Administered:
    """What the regimens of a plan give, once it is known what the rules decided."""

    def __init__(self, plan: EventPlan) -> None:
        self.plan = plan
        self._known: dict[int, _Pieces] = {}

    def _pieces(self, place: int) -> _Pieces:
        if place not in self._known:
            self._known[place] = self._cut(self.plan.regimens[place])
        return self._known[place]

    def _cut(self, regimen: Regimen) -> _Pieces:
        plan, names = self.plan, [*self.plan.rules]
        own = [names.index(name) for name in regimen.rules]
        seen = [[number for number, visit in enumerate(plan.visits) if visit.rule == rule] for rule in own]
        days = [np.array([plan.visits[number].time for number in each]) for each in seen]
        looks = np.unique(np.concatenate(days)) if own else np.empty(0)
        rows = [piece for dose in regimen.doses() for piece in _pieces_of(dose, looks)]
        begin, end, share, continues = (np.array(column) for column in zip(*rows, strict=True))
        last = [np.searchsorted(each, begin, side="right") - 1 for each in days]
        visits = [np.where(at >= 0, np.array(each)[at], -1) for at, each in zip(last, seen, strict=True)]
        first = np.array([0.0 if plan.rules[name].begins_off else 1.0 for name in regimen.rules])
        shape = (len(own), len(begin))
        return _Pieces(begin, end, share, continues.astype(bool), np.array(visits, dtype=np.int64).reshape(shape).T, first)

    def levels(self, place: int, decisions: Floats) -> Floats:
        """(m, pieces): the share of its planned amount that each piece of a regimen has; what came of no visit is none."""
        pieces = self._pieces(place)
        level = None
        for column, begins in zip(pieces.visits.T, pieces.begins, strict=True):
            first, last = (int(column[0]), int(column[-1])) if len(column) else (0, -1)
            in_line = first >= 0 and last - first == len(column) - 1 and (np.diff(column) == 1).all()
            own = np.fmax(decisions[:, first : last + 1] if in_line else decisions[:, column], 0.0)
            own[:, column < 0] = begins
            level = own if level is None else level * own
        return np.ones((len(decisions), len(pieces.begin))) if level is None else level

    def doses(self, place: int, decisions: Floats) -> Iterator[Dose]:
        """The doses of one regimen and one member, by its ``decisions`` (visits,); what runs on at one level is one."""
        regimen, pieces = self.plan.regimens[place], self._pieces(place)
        levels = self.levels(place, decisions[None])[0].tolist()
        begun: list[tuple[float, float, float, bool]] = []
        for begin, end, continues, level in zip(pieces.begin, pieces.end, pieces.continues, levels, strict=True):
            before = begun[-1] if begun else (0.0, 0.0, 0.0, False)
            if continues and before[1] == begin and before[2] == level:
                begun[-1] = (before[0], float(end), level, before[3])
            elif level > 0:
                begun.append((float(begin), float(end), level, bool(continues) and before[1] == begin))
        for begin, end, level, goes_on in begun:
            length = float(as_written(end) - as_written(begin))
            share = length / regimen.duration if regimen.duration else 1.0
            yield Dose(begin, regimen.agent, regimen.amount * level * share, length, goes_on)

    def totals(self, agent: str, amounts: Floats, decisions: Floats, died: Floats) -> tuple[Floats, Floats, Floats]:
        """(amount, doses, days), each (m,), of an agent given to m members before their hosts ``died`` (m,), if ever.

        ``amounts`` (m, regimens) are those of one dose. Infusions count as doses where they begin or begin again, and with the
        days they run; a bolus counts as one dose and one day.
        """
        found = np.zeros((3, len(died)))
        for place, regimen in enumerate(self.plan.regimens):
            if regimen.agent != agent:
                continue
            rest: NDArray[np.bool_] = np.full(len(died), True) if regimen.rules else died <= regimen.end
            planned = regimen.count * regimen.cycles
            found[0] += np.where(rest, 0.0, planned * amounts[:, place])
            found[1] += np.where(rest, 0.0, planned)
            found[2] += np.where(rest, 0.0, planned * (regimen.duration or 1.0))
            others = np.flatnonzero(rest)
            for at in range(0, len(others), PORTION):
                part = slice(at, at + PORTION) if len(others) == len(died) else others[at : at + PORTION]
                share, doses, days = self._portion(place, decisions[part], died[part])
                found[:, part] += amounts[part, place] * share, doses, days
        return found[0], found[1], found[2]

    def _portion(self, place: int, decisions: Floats, died: Floats) -> tuple[Floats, Floats, Floats]:
        """(amount as a multiple of that of a dose, doses, days) of one regimen, each (m,)."""
        pieces, level = self._pieces(place), self.levels(place, decisions)
        length = pieces.end - pieces.begin
        if (died <= self.plan.regimens[place].end).any():
            level[died[:, None] <= pieces.begin] = 0.0
            with np.errstate(all="ignore"):
                run = np.where(length > 0, (died[:, None] - pieces.begin) / length, 1.0).clip(0.0, 1.0)
        else:
            run = np.ones(1)
        given = level > 0
        begun = given.sum(axis=1)
        if pieces.continues.any():
            begun -= (given[:, 1:] & given[:, :-1] & pieces.continues[1:]).sum(axis=1)
        days = (given * (run * np.where(length > 0, length, 1.0))).sum(axis=1)
        return (level * (run * pieces.share)).sum(axis=1), begun.astype(float), days


def _pieces_of(dose: Dose, looks: Floats) -> Iterator[tuple[float, float, float, bool]]:
    """(begin, end, share, continues) of a dose cut at the visits within it."""
    inside = looks[(looks > dose.time) & (looks < dose.end)].tolist()
    edges = [dose.time, *inside, dose.end]
    for first, last in itertools.pairwise(edges):
        yield first, last, (last - first) / dose.duration if dose.duration else 1.0, first > dose.time
