"""Events of an SBML model: those at a time as changes of states, those that our solvers do by themselves as no more than that.

A change is a multiple and a sum of numbers that stay as they are. What would depend on the order of events, or on what is
only known while the model runs, is refused by the name of its event.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backfire.errors import UserError, echo
from backfire.exchange.sbml_checks import is_assigned, named_events
from backfire.exchange.sbml_files import LONGEST_DAYS, EventChange
from backfire.exchange.sbml_formulas import CLOCK, Notation, UnfitError, as_formula
from backfire.outcomes import HOST_LOAD


@dataclass
class EventReader:
    """Reads the events of a model; ``values`` are its numbers on the first day, ``units`` those of its ids.

    ``read`` fills the rest: ``changes``, the ids that are ``changed``, those ``counted`` as whole cells, whether one is the death
    of the host (``deadly``), and ``problems``.
    """

    model: Any
    notation: Notation
    values: Mapping[str, float]
    units: Mapping[str, str]
    changes: list[EventChange] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    deadly: bool = False
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.library = self.notation.library
        self.moving: set[str] = set()
        self.givers: dict[tuple[float, str], str] = {}

    def read(self) -> None:
        """All events; what does not fit becomes a problem."""
        names = self.notation.names
        events = named_events(self.model)
        left = [(called, event) for called, event in events if not self._is_death(event) and not self._is_extinction(event)]
        moving = [
            *(item.getId() for item in self.model.getListOfSpecies()),
            *(rule.getVariable() for rule in self.model.getListOfRules()),
            *(item.getVariable() for _, event in left for item in event.getListOfEventAssignments()),
        ]
        self.moving = {CLOCK, *(names[identifier] for identifier in moving if identifier in names)}
        for called, event in left:
            try:
                when = self._when(called, event)
            except UserError as error:
                self.problems.append(str(error))
                continue
            for item in event.getListOfEventAssignments():
                try:
                    self._change(called, item, when)
                except UserError as error:
                    self.problems.append(str(error))

    def _value(self, node: Any, where: str) -> float:
        formula = as_formula(self.notation.written(node, where), where)
        return formula.value(self.values) if formula.names <= self.values.keys() - self.moving else math.nan

    def _when(self, called: str, event: Any) -> float:
        """The time of a trigger ``time >= …``."""
        trigger, kinds = event.getTrigger(), self.library
        node = trigger.getMath()
        told = UnfitError(f"{called} waits for {echo(kinds.formulaToL3String(node))}; only events at a time fit into a scenario")
        if node.getType() not in (kinds.AST_RELATIONAL_GEQ, kinds.AST_RELATIONAL_GT) or node.getNumChildren() != 2:
            raise told
        if node.getChild(0).getType() != kinds.AST_NAME_TIME:
            raise told
        before = self.notation.clock
        time = self._value(node.getChild(1), f"the trigger of {called}")
        self.notation.clock = before
        if not math.isfinite(time) or time < 0:
            raise told
        if time > LONGEST_DAYS:
            raise UnfitError(f"{called} is at time {time:g}, and a scenario has at most {LONGEST_DAYS} days")
        if time == 0 and node.getType() == kinds.AST_RELATIONAL_GEQ and trigger.getInitialValue():
            raise UnfitError(
                f"{called} never happens, as its trigger is true from the beginning (initialValue); take it out, or "
                'give its trigger initialValue="false"'
            )
        return time

    def _is_death(self, event: Any) -> bool:
        """``host_load`` reaches 1, and something that was 1 is 0 from then on: what our solvers do by themselves."""
        trigger, changed = event.getTrigger().getMath(), [*event.getListOfEventAssignments()]
        if (
            trigger.getType() != self.library.AST_RELATIONAL_GEQ
            or trigger.getChild(0).getName() != HOST_LOAD
            or len(changed) != 1
            or self._value(trigger.getChild(1), "the trigger of a death") != 1
        ):
            return False
        name = self.notation.names.get(changed[0].getVariable(), "")
        if self._value(changed[0].getMath(), "a death") != 0 or self.values.get(name) != 1:
            return False
        self.deadly = True
        return True

    def _is_extinction(self, event: Any) -> bool:
        """Cells fall below one, and are gone: so do all counted cells here."""
        trigger, kinds = event.getTrigger().getMath(), self.library
        if trigger.getType() != kinds.AST_RELATIONAL_LT or trigger.getChild(0).getType() != kinds.AST_NAME:
            return False
        cells = trigger.getChild(0).getName()
        own = next((item for item in event.getListOfEventAssignments() if item.getVariable() == cells), None)
        if self.units.get(cells) != "cell" or own is None or self._value(trigger.getChild(1), "a trigger") != 1:
            return False
        # what it fed goes with it where that is less than a cell, which is a piecewise function
        formulas = [item.getMath() for item in event.getListOfEventAssignments() if item.getVariable() != cells]
        gone = own.isSetMath() and own.getMath().isNumber() and own.getMath().getValue() == 0
        if gone and all(node is not None and node.getType() == kinds.AST_FUNCTION_PIECEWISE for node in formulas):
            self.counted.add(cells)
            return True
        return False

    def _change(self, called: str, item: Any, when: float) -> None:
        """An assignment of an event, which must be a multiple of what it changes, and a sum, both known numbers."""
        identifier = item.getVariable()
        if (
            identifier not in self.notation.names
            or self.model.getCompartment(identifier) is not None
            or is_assigned(self.model, identifier)
        ):
            raise UnfitError(f"{called} changes `{echo(identifier)}`, which is no state")
        name, volume = self.notation.names[identifier], self.notation.volumes.get(identifier)
        formula = as_formula(self.notation.written(item.getMath(), called), called)
        size = self.values[volume] if volume else 1.0
        if read := sorted((formula.names & self.moving) - {name}):
            raise UnfitError(f"{called} sets `{identifier}` by `{read[0]}`, which changes; a dose may only depend on numbers")
        if unknown := sorted(formula.names - self.values.keys() - {name}):
            raise UnfitError(f"{called} sets `{identifier}` by `{unknown[0]}`, which has no value")
        first, second = (formula.value({**self.values, name: at}) * size for at in (0.0, 1.0))
        if not _is_linear(formula.tree, name) or not math.isfinite(first + second):
            raise UnfitError(f"{called} sets `{identifier}` to more than a multiple of itself and a sum")
        if (other := self.givers.setdefault((when, name), called)) != called:
            # which comes first is a matter of priorities, and of whether the second reads what was before the first
            raise UnfitError(f"{other} and {called} both change `{identifier}` at time {when:g}; make them one")
        self.changed.add(identifier)
        self.changes.append(EventChange(when, name, second - first, first))


def _is_linear(node: ast.expr, name: str) -> bool:
    """Whether a formula is written as a multiple of a name and a sum, whatever the values; max(x, 9) is one at small x only."""
    match node:
        case ast.Name():
            return True
        case ast.UnaryOp(_, operand):
            return _is_linear(operand, name)
        case ast.BinOp(left, ast.Add() | ast.Sub(), right):
            return _is_linear(left, name) and _is_linear(right, name)
        case ast.BinOp(left, ast.Mult(), right):
            both = (left, right)
            return any(_is_linear(one, name) and not _reads(other, name) for one, other in (both, both[::-1]))
        case ast.BinOp(left, ast.Div(), right):
            return _is_linear(left, name) and not _reads(right, name)
    return not _reads(node, name)


def _reads(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))
