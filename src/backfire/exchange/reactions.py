"""One arm of a scenario in the words of exchange formats: compartments, species, rules, reactions, events.

What SBML and Antimony share is decided here once; the writers only spell it. States are species, processes reactions,
definitions and influences assignment rules, switches parameters, and whatever happens at a moment is an event: doses,
the edges of infusions, surgery, and the extinction of a compartment that falls through one cell.

Formulas become text in the infix notation that libSBML and Antimony read alike, every number with its unit. Ids of our
own making have a double underscore, which no name of a network has: they can collide with nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from backfire.exchange.notation import NONE, Infix, in_full, unit_id
from backfire.exchange.visits import RuleFormulas, level_id, reference_id
from backfire.formulas import ONE, Unit, base_unit
from backfire.model import (
    ARTICLES,
    CAUTION,
    FIXED,
    GRADES,
    Event,
    Parameter,
    Process,
    Reference,
    State,
    Switch,
    balance,
    reached,
    unit_of,
    version,
)
from backfire.outcomes import HOST_LOAD
from backfire.scenario import Scenario, chosen_arms

HOST: Final = "site__host"
"""The compartment of all that is not counted into a total."""
ONE_CELL: Final = "one__cell"
"""The count below which a compartment is gone."""
ALIVE: Final = "host__alive"
"""1 while the host lives, where it can die: a factor of everything that goes on."""
_RATIO: Final = "(max(x, 0 dimensionless * half) / half)^n"
HILL: Final = ("hill", ("x", "half", "n"), f"{_RATIO} / (1 dimensionless + {_RATIO})")
"""Name, arguments and body of the one function that the formats do not have.

``max`` and not ``piecewise``: COPASI watches the condition of a piecewise as a root, and a drug that rests at exactly 0
beside the trigger of an extinction made it step on the spot until its step limit.
"""
_SPECIES_UNITS: Final = (ONE, *(base_unit(name) for name in ("cell", "EC50", "fold")))


@dataclass(frozen=True)
class Item:
    """A named number: a parameter, a switch, or what an assignment rule computes.

    ``unit`` is an id of ``Model.units``. ``value`` is None where a rule supplies it. ``constant`` is False for what
    rules or events change. ``notes`` are sentences for readers; ``references`` publications with a DOI.
    """

    id: str
    unit: str
    value: float | None
    constant: bool
    kind: str
    notes: tuple[str, ...]
    name: str = ""
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class Species(Item):
    """A state that processes change; ``compartment`` is where it is, ``cells`` whether it is measured in cells."""

    compartment: str = HOST
    cells: bool = False


@dataclass(frozen=True)
class Rule:
    """``target`` gets the value of ``formula`` at every moment; in ``Model.rates`` its change per day."""

    target: str
    formula: str


@dataclass(frozen=True)
class Reaction:
    """A process: ``formula`` in the unit of its states per day leaves ``leaves`` and enters ``enters``.

    ``modifiers`` are all other species that change its rate, directly or through rules.
    """

    id: str
    kind: str
    formula: str
    leaves: str | None
    enters: str | None
    modifiers: tuple[str, ...]
    counts_cells: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Happening:
    """An event: once ``trigger`` turns true, every target gets the value of its formula, all at the same moment.

    ``at_start`` says that it also happens on day 0 if the trigger is true from the beginning, as a dose does;
    what is extinct from the beginning need not die. Of events at one moment the highest ``priority`` comes first; it
    is always given, because COPASI stands still when surgery makes two compartments die at once and nothing orders them.
    """

    id: str
    name: str
    trigger: str
    at_start: bool
    priority: int
    assignments: tuple[Rule, ...]


@dataclass(frozen=True)
class Model:
    """One arm, ready to be written. ``units`` maps ids to units; ``hill`` says whether ``HILL`` is needed."""

    id: str
    title: str
    notes: tuple[str, ...]
    references: tuple[Reference, ...]
    units: Mapping[str, Unit]
    compartments: tuple[str, ...]
    species: tuple[Species, ...]
    parameters: tuple[Item, ...]
    rules: tuple[Rule, ...]
    rates: tuple[Rule, ...]
    reactions: tuple[Reaction, ...]
    events: tuple[Happening, ...]
    hill: bool


def translate(scenario: Scenario, arm: str) -> Model:
    """One arm of a scenario as a model; raises UserError with the nearest name for an arm that does not exist."""
    chosen_arms(scenario, [arm])
    return _Translation(scenario, arm).model()


def identifier(text: str) -> str:
    """``text`` as an id of SBML: letters, digits and underscores, not starting with a digit."""
    plain = re.sub(r"\W", "_", text, flags=re.ASCII)
    return plain if not plain[:1].isdigit() else f"_{plain}"


class _Translation:
    """Goes through a network once, in the order in which a reader would."""

    def __init__(self, scenario: Scenario, arm: str) -> None:
        self.scenario, self.arm, self.network = scenario, arm, scenario.network
        self.units: dict[str, Unit] = {}
        self.parts = {part.name: part for part in self.network.named()}
        self.dimensions = self.network.units
        self.lines = {line.name: line.expression for line in self.network.assignments}
        self.starts = dict(zip(self.network.state_names, scenario.start_state(), strict=True))
        # a reaction moves an amount from species to species; whatever has another unit changes by a rate rule
        self.species = {
            state.name for state in self.network.states if unit_of(state) in _SPECIES_UNITS and self.network.equations[state.name]
        }
        self.flows = {item.name for item in self.network.processes if {item.leaves, item.enters} - {None} <= self.species}
        self.amounts: dict[tuple[str, float], Item] = {}
        self.plan = scenario.plan(scenario.arms[arm])
        self.reacting = RuleFormulas(scenario, self.plan, self._recorded_units(), self._unit, self.flows)
        self.mortal = HOST_LOAD in self.network.observables

    def model(self) -> Model:
        network, scenario = self.network, self.scenario
        self._unit(base_unit("day"))
        species = tuple(self._species(state) for state in network.states if state.name in self.species)
        events = (*self._treatments(), *self._extinctions(), *self._death())
        parameters = (*self._constants(), *self.amounts.values(), *self._variables())
        rules = tuple(
            Rule(name, self._text(expression.tree)) for name, expression in self.lines.items() if name not in self.flows
        )
        reactions = tuple(self._reaction(process) for process in network.processes if process.name in self.flows)
        rates = tuple(
            Rule(name, self._while_alive(balance(terms)))
            for name, terms in network.equations.items()
            if terms and name not in self.species
        )
        hill = any(_calls_hill(expression.tree) for expression in self.lines.values())
        return Model(
            id=identifier(f"{scenario.name}_{self.arm}"), title=f"{scenario.title} ({self.arm})",
            notes=tuple(self._notes()), references=self._cited(), units=self.units,
            compartments=tuple(dict.fromkeys((HOST, *(item.compartment for item in species)))),
            species=species, parameters=parameters, rules=rules, rates=rates, reactions=reactions, events=events, hill=hill,
        )  # fmt: skip

    def _recorded_units(self) -> dict[str, Unit]:
        """The unit of all that rules can measure, by the names that formulas have for it."""
        return {**self.dimensions, **{switch.effect: ONE for switch in self.network.switches.values()}}

    def _unit(self, unit: Unit) -> str:
        """The id of a unit, which is then part of the model."""
        name = unit_id(unit)
        if name != NONE:
            self.units[name] = unit
        return name

    def _text(self, tree: ast.expr) -> str:
        return Infix(self._unit, self.dimensions).text(tree)

    def _start(self, state: State) -> float:
        """What a state starts with; less than one cell is none."""
        value = self.starts[state.name]
        return 0.0 if state.dies_out and value < 1 else value

    def _species(self, state: State) -> Species:
        kind = "cells" if state.is_cells else "drug" if unit_of(state) == base_unit("EC50") else "factor"
        place = f"site__{state.totals[0]}" if state.totals else HOST
        return Species(
            state.name, self._unit(unit_of(state)), self._start(state), False, kind, (f"{state.meaning}.",),
            compartment=place, cells=state.is_cells,
        )  # fmt: skip

    def _constants(self) -> Iterator[Item]:
        for item in self.network.parameters.values():
            yield Item(
                item.name, self._unit(unit_of(item)), item.value, True, _kind_of(item), tuple(_about(item)),
                references=_found([item.source]),
            )  # fmt: skip
        for switch in self.network.switches.values():
            yield self._switch(switch)
        cell = self._unit(base_unit("cell"))
        yield Item(ONE_CELL, cell, 1.0, True, "threshold", ("A compartment with fewer cells than this is gone.",), "one cell")

    def _switch(self, switch: Switch) -> Item:
        acts = ", ".join(switch.targets) or "nothing in this model"
        notes = (f"Switch of an influence: {switch.influence.meaning}. 1 = on, 0 = off.", f"It acts on {acts}.")
        return Item(switch.code, NONE, self.scenario.switches[switch.name], True, "switch", notes, f"switch of {switch.name}")

    def _variables(self) -> Iterator[Item]:
        """What rules and events change besides species."""
        for state in self.network.states:
            if state.name not in self.species:
                yield Item(state.name, self._unit(unit_of(state)), self._start(state), False, "state", (f"{state.meaning}.",))
        for name, unit, value, note in self.reacting.items():
            yield Item(name, unit, value, False, "threshold", (note,))
        if self.mortal:
            note = "1 while the host lives; 0 from its death on, and then nothing goes on: the arm is over."
            yield Item(ALIVE, NONE, 1.0, False, "threshold", (note,), "the host lives")
        effects = {switch.effect: switch for switch in self.network.switches.values()}
        for name in self.lines:
            if name in effects:
                text = f"Influence: {effects[name].influence.meaning}. A factor on {', '.join(effects[name].targets)}; 1 = none."
                yield Item(name, NONE, None, False, "influence", (text,), f"effect of {effects[name].name}")
            elif name not in self.flows:
                meaning = self.parts[name].meaning
                yield Item(name, self._unit(self.dimensions[name]), None, False, "definition", (f"{meaning}.",))

    def _reaction(self, process: Process) -> Reaction:
        ends = {process.leaves, process.enters}
        read = reached([process.name], {name: line.names for name, line in self.lines.items()}) & self.species
        formula = self._while_alive(self._text(self.lines[process.name].tree))
        return Reaction(
            process.name, process.kind, formula, process.leaves, process.enters,
            tuple(name for name in self.network.state_names if name in read - ends),
            self.dimensions[process.name] == base_unit("cell") / base_unit("day"), (f"{process.meaning}.",),
        )  # fmt: skip

    def _treatments(self) -> Iterator[Happening]:
        """One event a moment: what is given together acts together, as the rules that are looked at then decide."""
        rows = self.plan.events(self.scenario.values)
        moments: dict[float, list[Event]] = {time: [] for time in self.reacting.moments}
        for event in rows[: self.plan.timeline]:
            moments.setdefault(event.time, []).append(event)
        for time, events in sorted(moments.items()):
            visits = self.reacting.moments.get(time, [])
            set_anew = {row: None for visit in visits for row in rows[visit.first : visit.last]}
            given = [row for row in set_anew if row.state not in {event.state for event in events}] + events
            decided = [self.reacting.decided(visit) for visit in visits]
            levels = {rule.name: level for rule, level, _ in decided}
            rules = [Rule(state, self._given(state, given, levels)) for state in dict.fromkeys(row.state for row in given)]
            rules += [Rule(level_id(rule), level) for rule, level, _ in decided if level != level_id(rule)]
            rules += [Rule(reference_id(rule), reference) for rule, _, reference in decided if reference]
            told = [_said(event, self.dimensions[event.state]) for event in events]
            told += [f"a look at rule {rule.name}" for rule, *_ in decided]
            if rules:
                yield Happening(
                    f"treatment__day_{identifier('_' + in_full(time))[1:]}", f"day {time:g}: {'; '.join(told)}",
                    f"time >= {in_full(time)} {unit_id(base_unit('day'))}", True, len(self.network.states) + 1, tuple(rules),
                )  # fmt: skip

    def _given(self, state: str, events: Iterable[Event], levels: Mapping[str, str]) -> str:
        """What a state becomes by rows of the event table at one moment, with the levels of rules that are decided then; equal
        amounts share one parameter, so that a dose can be changed."""
        terms = [state]
        for event in (event for event in events if event.state == state):
            if event.multiply != 1:
                terms = [] if event.multiply == 0 else [f"{state} * {in_full(event.multiply)} {NONE}"]
            if event.add:
                dose = self._dose(event)
                share = "" if event.giver == FIXED else f" * {self.reacting.share(event.giver, levels)}"
                terms.append(f"{dose}{share}")
        text = " + ".join(terms) or f"0 {self._unit(self.dimensions[state])}"
        # nothing is given to the dead
        return f"{self._while_alive(text)} + (1 {NONE} - {ALIVE}) * {state}" if self.mortal else text

    def _dose(self, event: Event) -> str:
        """The parameter that holds what is added."""
        key = (event.state, event.add)
        if key not in self.amounts:
            count = sum(state == event.state for state, _ in self.amounts)
            name = f"dose__{event.state}" + (f"_{count + 1}" if count else "")
            note = f"What is added to {event.state} at once, or set if it is a rate of infusion."
            unit = self._unit(self.dimensions[event.state])
            self.amounts[key] = Item(name, unit, event.add, True, "dose", (note,))
        return self.amounts[key].id

    def _extinctions(self) -> Iterator[Happening]:
        cells = [state.name for state in self.network.states if state.dies_out]
        nobody = f"0 {self._unit(base_unit('cell'))}"
        feeds = self.network.feeds
        for rank, name in enumerate(cells):
            fed = [other for other in cells if other in feeds[name] - {name}]
            rules = [Rule(name, nobody), *(Rule(f, f"piecewise({f}, {f} >= {ONE_CELL}, {nobody})") for f in fed)]
            yield Happening(
                f"extinction__{name}", f"{name} falls below one cell and is gone", f"{name} < {ONE_CELL}", False,
                len(cells) - rank, tuple(rules),
            )  # fmt: skip

    def _death(self) -> Iterator[Happening]:
        """After everything else of its moment."""
        if self.mortal:
            ends = (Rule(ALIVE, f"0 {NONE}"),)
            yield Happening("death__host", "the host dies", f"{HOST_LOAD} >= 1 {NONE}", True, 0, ends)

    def _while_alive(self, formula: str) -> str:
        return f"{ALIVE} * ({formula})" if self.mortal else formula

    def _notes(self) -> Iterator[str]:
        scenario = self.scenario
        yield f"{CAUTION[0].upper()}{CAUTION[1:]}."
        yield f"{scenario.title}. Arm: {self.arm} ({', '.join(scenario.arms[self.arm]) or 'nothing is given'})."
        if scenario.note:
            yield scenario.note
        article = ARTICLES.get(scenario.article)
        yield f"Article: {article}." if article else "No article; this combination is ours."
        yield f"Written by backfire {version()} from scenario {scenario.name}, hash {scenario.hash}. Time is in days."
        for switch in [*self.network.switches.values()][:1]:
            alike = f"its factor is {switch.effect}; so for every influence" if switch.targets else "so for every influence"
            yield f"Ids have no dots: the switch {switch.name} is {switch.code}, {alike}."
        if self.plan.rules:
            yield "Rules decide at visits: the parameters named level have what they let through, 1 all and 0 nothing."
        yield "A state of counted cells that falls below one is gone: events named extinction set it to zero."
        if self.mortal:
            yield f"Where {HOST_LOAD} reaches 1 the host dies, and the arm is over: its event ends all processes."
        for label, mechanism in self.network.mechanisms.items():
            lines = [" ".join(line.split()) for line in (type(mechanism).__doc__ or "").strip().splitlines()]
            yield f"Mechanism {label}: {' '.join(line for line in lines if line)}"

    def _cited(self) -> tuple[Reference, ...]:
        """The primary papers with a DOI: of the article, else of every mechanism."""
        if self.scenario.article in ARTICLES:
            article = ARTICLES[self.scenario.article]
            return (article,) if article.doi else ()
        return _found([type(mechanism).__doc__ or "" for mechanism in self.network.mechanisms.values()])


def _calls_hill(tree: ast.expr) -> bool:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(isinstance(function, ast.Name) and function.id == "hill" for function in called)


def _kind_of(item: Parameter) -> str:
    if item.name.endswith("_hill"):
        return "exponent"
    return "rate" if unit_of(item) == ONE / base_unit("day") else "parameter"


def _about(item: Parameter) -> Iterator[str]:
    low, high = item.range
    yield f"{item.meaning}."
    yield f"Source: {item.source}. Grade: {item.grade} ({GRADES[item.grade]}). Plausible: {low:g} to {high:g} {item.unit}."


def _found(texts: Iterable[str]) -> tuple[Reference, ...]:
    """The primary papers with a DOI that are named in texts as ``Sun 2012``."""
    joined = "\n".join(texts)
    return tuple(item for item in ARTICLES.values() if item.doi and f"{item.authors.split()[0]} {item.year}" in joined)


def _said(event: Event, unit: Unit) -> str:
    if event.multiply == 0:
        return f"{event.state} is set to {event.add:g} {unit}"
    times = "" if event.multiply == 1 else f" times {event.multiply:g}"
    plus = f" + {event.add:g} {unit}" if event.add else ""
    return f"{event.state}{times}{plus}"
