"""Rules in exchange formats: what is decided at a visit, as formulas over the model and one parameter for each level.

A visit is an event. Whatever happens at its moment is computed from the state before it, so a dose on the day of a visit has the
decision of that visit written into its formula. A ratio that has no value at its first visit is held against 1 from then on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Final

import numpy as np

from backfire.errors import UserError
from backfire.exchange.notation import NONE
from backfire.formulas import Unit
from backfire.model import DosingRule, EventPlan, Visit
from backfire.scenario import Scenario

MOST_VISITS: Final = 1_000
"""A file has one event for each; engines take minutes for more."""


class RuleFormulas:
    """The rules of one arm as formulas; ``moments`` are their visits by day.

    ``units`` are those of everything recorded, ``unit_id`` their ids; ``hidden`` are names that formulas cannot read.
    Raises UserError for what events cannot say.
    """

    def __init__(
        self,
        scenario: Scenario,
        plan: EventPlan,
        units: Mapping[str, Unit],
        unit_id: Callable[[Unit], str],
        hidden: Set[str],
    ) -> None:
        self.plan, self.rules = plan, [*plan.rules.values()]
        if len(plan.visits) > MOST_VISITS:
            reason = f"a file has one event for each, at most {MOST_VISITS}; fewer `days` or a longer `visit_every` have fewer"
            raise UserError(f"rules are looked at {len(plan.visits)} times: {reason}")
        for rule in self.rules:
            lost = hidden & {*rule.parts}
            if lost:
                raise UserError(f"rule `{rule.name}` measures the rate of the process `{min(lost)}`, which no event can read")
        codes = {name: switch.effect for name, switch in scenario.network.switches.items()}
        self.units: list[str] = []
        self._columns: list[str] = []
        self._known: list[str] = []
        for rule in self.rules:
            above, *below = names = [codes.get(part, part) for part in rule.parts]
            there = [
                f"abs({name}) {'>=' if floor else '>'} {floor!r} {unit_id(units[name])}"
                for name, floor in zip(names, rule.floors(scenario.network.recorded), strict=True)
            ]
            seen = f"piecewise({above}, {there[0]}, 0 {unit_id(units[above])})"
            self._columns.append(f"({seen} / {below[0]})" if below else seen)
            self._known.append(there[1] if below else "")
            self.units.append(unit_id(units[above] / units[below[0]] if below else units[above]))
        self._numbers = [rule.numbers() for rule in self.rules]
        self._seen: Counter[int] = Counter()
        self.moments: dict[float, list[Visit]] = {}
        for visit in plan.visits:
            self.moments.setdefault(visit.time, []).append(visit)

    def items(self) -> Iterator[tuple[str, str, float, str]]:
        """(id, unit, value, meaning) of the levels and references that events change."""
        for rule, unit, numbers in zip(self.rules, self.units, self._numbers, strict=True):
            yield level_id(rule), NONE, numbers[-2], f"Level of the rule {rule.name}, {rule.in_words()}."
            if rule.of != "level":
                measured = " / ".join(rule.parts)
                yield reference_id(rule), unit, 1.0, f"What rule {rule.name} holds {measured} against, from its first visit on."

    def decided(self, visit: Visit) -> tuple[DosingRule, str, str | None]:
        """(rule, its level after a visit, its reference after it, None if that stays); visits in order of time."""
        rule, first, known = self.rules[visit.rule], not self._seen[visit.rule], self._known[visit.rule]
        self._seen[visit.rule] += 1
        column = self._columns[visit.rule]
        measured = column if visit.factor == 1 else f"({column} * {visit.factor!r} {NONE})"
        before = reference_id(rule)
        now = {"start": measured if first else None, "last": measured, "level": None}.get(
            rule.of, measured if first else f"min({before}, {measured})"
        )
        against = f"1 {self.units[visit.rule]}" if rule.of == "level" else before
        if rule.of == "nadir" or (rule.of == "start" and first):
            against = now or before
        level = level_id(rule) if rule.of == "last" and first else self._level(visit.rule, measured, against)
        if known:  # what is divided by nothing changes nothing
            level = f"piecewise({level}, {known}, {level_id(rule)})" if level != level_id(rule) else level
            now = now and f"piecewise({now}, {known}, {before})"
        return rule, level, now

    def _level(self, place: int, measured: str, against: str) -> str:
        """The level after a visit, as ``decide`` has it."""
        numbers, level = self._numbers[place], level_id(self.rules[place])
        _, stop_below, stop_above, on_below, on_above, raise_below, raise_above, lower_below, lower_above = numbers[:9]
        by, least, most = numbers[9:12]
        something = "" if self.rules[place].of == "level" else f" && ({against} > 0 {self.units[place]})"

        def either(below: float, above: float) -> str:
            signs = (("<", below, ""), (">=", above, something))
            met = [f"({measured} {sign} {value * MET!r} {NONE} * {against}){also}" for sign, value, also in signs
                   if not np.isnan(value)]  # fmt: skip
            return " || ".join(f"({text})" for text in met)

        cases: list[tuple[str, str]] = []
        if self.rules[place].scales:
            if up := either(raise_below, raise_above):
                cases.append((f"min({level} * {by!r} {NONE}, {most!r} {NONE})", up))
            if down := either(lower_below, lower_above):
                cases.append((f"max({level} / {by!r} {NONE}, {least!r} {NONE})", down))
        else:
            if stops := either(stop_below, stop_above):
                cases.append((f"0 {NONE}", f"({level} > 0 {NONE}) && ({stops})"))
            if begins := either(on_below, on_above):
                cases.append((f"1 {NONE}", f"({level} <= 0 {NONE}) && ({begins})"))
        return f"piecewise({', '.join(f'{value}, {when}' for value, when in cases)}, {level})"

    def share(self, giver: int, levels: Mapping[str, str]) -> str:
        """The share of a dose that its rules let through, ``levels`` being those decided at the same moment."""
        names = [name for name, used in zip(self.plan.rules, self.plan.uses[giver], strict=True) if used]
        return " * ".join(levels.get(name, f"level__{name}") for name in names)


MET: Final = 1 - 1e-9
"""As in ``decide``: just below a threshold is on it."""


def level_id(rule: DosingRule) -> str:
    """The parameter that holds the level of a rule."""
    return f"level__{rule.name}"


def reference_id(rule: DosingRule) -> str:
    """The parameter that holds what a rule measures against."""
    return f"reference__{rule.name}"
