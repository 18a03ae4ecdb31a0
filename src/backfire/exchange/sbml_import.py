"""SBML in: a model of somebody else as a mechanism of one's own, and a scenario that runs it.

Species and what rate rules change become states, reactions processes, assignment rules definitions. Events at a time
become doses; one in which cells fall below one, or a host dies, is what our solvers do by themselves. Units are kept where
they are cells and days; any other model is read in plain numbers, one unit of its time as one day. What does not fit -
events that wait for a state, delays, algebraic rules, changing compartments, functions that formulas do not have - is
refused by its name: nothing is left out silently.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backfire.errors import CompositionError, StorageError, UserError, echo
from backfire.exchange.sbml_files import EventChange, agents_of, mechanism_file, scenario_file
from backfire.exchange.sbml_formulas import CLOCK, Notation, UnfitError, fitting_name
from backfire.formulas import parse
from backfire.model import Definition, Mechanism, Parameter, Part, Process, State, compose
from backfire.scenario import check_folder_name


@dataclass(frozen=True)
class Imported:
    """A model read from SBML: the text of a mechanism file and of a scenario beside it, ``name.py`` and ``name.toml``.

    ``plain`` says that units were not those of mechanisms, so that every number is a plain one.
    """

    name: str
    mechanism: str
    scenario: str
    plain: bool


def from_sbml(source: Path | str, name: str | None = None, days: float | None = None) -> Imported:
    """An SBML file as a mechanism and a scenario of ``name`` over ``days``, which SBML does not say.

        made = backfire.from_sbml("model.xml")
        Path("model.py").write_text(made.mechanism)
        Path("model.toml").write_text(made.scenario)

    Without ``name`` it is that of the file; without ``days`` a fifth more than the last event, or 100. Raises UserError
    with everything that does not fit, by name, StorageError for a file that cannot be read. Needs ``backfire[sbml]``.
    """
    if importlib.util.find_spec("libsbml") is None:
        raise UserError("SBML needs libSBML, which is not installed: pip install 'backfire[sbml]'")
    path = Path(source)
    called = check_folder_name(name or path.stem.replace(" ", "-"))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return _imported(text, called, days)


def _imported(text: str, name: str, days: float | None) -> Imported:
    problems: list[str] = []
    for plain in (False, True):
        reader = _Reader(text, name, plain)
        if reader.problems:
            problems = reader.problems
            continue
        label = fitting_name(name, {})
        states = {part.name: part.unit for part in reader.parts if isinstance(part, State)}
        agents, regimens = agents_of(reader.changes, states)
        parts = [*reader.parts, *agents]
        try:
            compose({label: _Given(tuple(parts))})
        except CompositionError as error:
            problems = list(error.problems)
            continue
        last = max((change.time for change in reader.changes), default=0.0)
        over = days or (math.ceil(1.2 * last) if last else 100.0)
        return Imported(
            name,
            mechanism_file(parts, label, reader.title, plain),
            scenario_file(name, label, reader.title, regimens, over),
            plain,
        )
    raise UserError("\n".join([f"{name}: this SBML model does not fit into a mechanism:", *(f"  {item}" for item in problems)]))


@dataclass(frozen=True)
class _Given(Mechanism):
    """Parts that are known already, to be checked as a network."""

    pieces: tuple[Part, ...]
    label = "given"

    def parts(self) -> Iterator[Part]:
        yield from self.pieces


@dataclass
class _Reader:
    """Gathers the parts of one model, and everything that does not fit."""

    text: str
    name: str
    plain: bool
    parts: list[Part] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    changes: list[EventChange] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import libsbml

        self.library = libsbml
        self.document = libsbml.readSBMLFromString(self.text)
        failed = [
            item
            for item in (self.document.getError(place) for place in range(self.document.getNumErrors()))
            if item.getSeverity() >= libsbml.LIBSBML_SEV_ERROR
        ]
        self.model = self.document.getModel()
        if failed or self.model is None:
            told = "; ".join(f"line {item.getLine()}: {item.getShortMessage()}" for item in failed[:3])
            self.problems.append(f"it is not SBML that can be read ({told or 'no model in it'})")
            return
        self.title = self.model.getName() or self.model.getId() or self.name
        self.notation = Notation(libsbml, self.model, self.plain)
        self.units: dict[str, str] = {}
        self.changed: set[str] = set()
        self.fixed: dict[str, float] = {}
        self.counted: set[str] = set()
        for step in (self._refused, self._named, self._valued, self._events, self._quantities, self._rules, self._reactions):
            if not self.problems:
                self._gather(step)
        if self.notation.clock and not self.problems:
            unit = "1" if self.plain else "day"
            self.parts.append(State(CLOCK, unit, "the time of the model", 0.0))
            self.parts.append(Process("passing", "passing", "1 / day" if self.plain else "1", "time goes on", enters=CLOCK))

    def _gather(self, step: Any) -> None:
        try:
            step()
        except UserError as error:
            self.problems.append(str(error))

    def _refused(self) -> None:
        """What no mechanism has, each by its id."""
        model, found = self.model, []
        found += [f"reaction `{item.getId()}` is fast" for item in model.getListOfReactions() if item.getFast()]
        for rule in model.getListOfRules():
            if rule.isAlgebraic():
                found.append(f"an algebraic rule, {echo(self.library.formulaToL3String(rule.getMath()))}")
            elif model.getCompartment(rule.getVariable()) is not None:
                found.append(f"compartment `{rule.getVariable()}` changes by a rule")
        found += [f"constraint {place + 1}" for place in range(model.getNumConstraints())]
        for item in model.getListOfEvents():
            if item.isSetDelay():
                found.append(f"event `{item.getId()}` has a delay")
        packages = [
            self.document.getPlugin(place).getPackageName()
            for place in range(self.document.getNumPlugins())
            if self.document.getPackageRequired(self.document.getPlugin(place).getPackageName())
        ]
        # whose functions are looked at one by one
        found += [f"the package `{package}`" for package in packages if package != "l3v2extendedmath"]
        self.problems += [f"{item}; that does not fit into a mechanism" for item in found]

    def _named(self) -> None:
        """Names of everything that has a value, and units."""
        model, notation = self.model, self.notation
        lists = (model.getListOfCompartments(), model.getListOfSpecies(), model.getListOfParameters())
        for item in itertools.chain(*lists):
            notation.names[item.getId()] = fitting_name(item.getId(), notation.names)
        for item in model.getListOfReactions():
            notation.names[f"reaction {item.getId()}"] = fitting_name(item.getId(), notation.names)
        for item in itertools.chain(*lists):
            self.units[item.getId()] = "1" if self.plain else self._unit(item)

    def _unit(self, item: Any) -> str:
        given = item.getSubstanceUnits() if hasattr(item, "getSubstanceUnits") else item.getUnits()
        if not given and hasattr(item, "getSubstanceUnits"):
            given = self.model.getSubstanceUnits()
        if not given and hasattr(item, "getSpatialDimensions"):
            given = self.model.getVolumeUnits()
        found = self.notation.unit(given)
        if found is None:
            raise UnfitError(f"`{item.getId()}` is in `{echo(given) or 'no unit'}`, which is not made of cells and days")
        return found

    def _valued(self) -> None:
        """The value of everything on the first day; initial assignments in the order in which they can be computed."""
        model, names = self.model, self.notation.names
        for item in model.getListOfCompartments():
            if item.isSetSize():
                self.values[names[item.getId()]] = item.getSize()
        for item in model.getListOfParameters():
            if item.isSetValue() and not self._is_assigned(item.getId()):
                self.values[names[item.getId()]] = item.getValue()
        for item in model.getListOfSpecies():
            if self._is_assigned(item.getId()):
                continue  # its rule gives its concentration, whatever value it has besides
            size = self.values.get(names[item.getCompartment()], 1.0)
            if not item.getHasOnlySubstanceUnits() and size != 1.0:
                self.notation.volumes[item.getId()] = names[item.getCompartment()]
            if item.isSetInitialAmount():
                self.values[names[item.getId()]] = item.getInitialAmount()
            elif item.isSetInitialConcentration():
                self.values[names[item.getId()]] = item.getInitialConcentration() * size
        waiting = {
            item.getSymbol(): self.notation.written(item.getMath(), f"the initial value of `{item.getSymbol()}`")
            for item in model.getListOfInitialAssignments()
        }
        for _ in [*waiting]:
            for symbol in [*waiting]:
                if parse(waiting[symbol], limited=False).names <= self.values.keys() - {names[one] for one in waiting}:
                    self._start_at(symbol, parse(waiting.pop(symbol), limited=False).value(self.values))
        self.problems += [f"the initial value of `{symbol}` cannot be computed" for symbol in waiting]

    def _start_at(self, symbol: str, value: float) -> None:
        volume = self.notation.volumes.get(symbol)
        self.values[self.notation.names[symbol]] = value * (self.values[volume] if volume else 1.0)

    # -- events ---------------------------------------------------------------------------------------------------------

    def _events(self) -> None:
        for event in self.model.getListOfEvents():
            if self._is_death(event) or self._is_extinction(event):
                continue
            when = self._when(event.getTrigger().getMath())
            if when is None:
                told = self.library.formulaToL3String(event.getTrigger().getMath())
                self.problems.append(f"event `{event.getId()}` waits for {echo(told)}; only events at a time fit into a scenario")
                continue
            for item in event.getListOfEventAssignments():
                self._gather(lambda item=item, event=event, when=when: self._change(event, item, when))

    def _value(self, node: Any, where: str) -> float:
        formula = parse(self.notation.written(node, where), limited=False)
        return formula.value(self.values | self.fixed) if formula.names <= self.values.keys() else math.nan

    def _when(self, trigger: Any) -> float | None:
        """The time of a trigger ``time >= …``."""
        kinds = self.library
        if trigger.getType() not in (kinds.AST_RELATIONAL_GEQ, kinds.AST_RELATIONAL_GT) or trigger.getNumChildren() != 2:
            return None
        if trigger.getChild(0).getType() != kinds.AST_NAME_TIME:
            return None
        before = self.notation.clock
        time = self._value(trigger.getChild(1), "a trigger")
        self.notation.clock = before
        return time if math.isfinite(time) and time >= 0 else None

    def _is_death(self, event: Any) -> bool:
        """``host_load`` reaches 1, and something that was 1 is 0 from then on: what our solvers do by themselves."""
        trigger, changed = event.getTrigger().getMath(), [*event.getListOfEventAssignments()]
        if (
            trigger.getType() != self.library.AST_RELATIONAL_GEQ
            or trigger.getChild(0).getName() != "host_load"
            or len(changed) != 1
        ):
            return False
        name = self.notation.names.get(changed[0].getVariable(), "")
        if self._value(changed[0].getMath(), "death") != 0 or self.values.get(name) != 1:
            return False
        self.fixed[name] = 1.0
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
        others = [item.getMath() for item in event.getListOfEventAssignments() if item.getVariable() != cells]
        gone = own.getMath().isNumber() and own.getMath().getValue() == 0
        if gone and all(item.getType() == kinds.AST_FUNCTION_PIECEWISE for item in others):
            self.counted.add(cells)
            return True
        return False

    def _change(self, event: Any, item: Any, when: float) -> None:
        """An assignment of an event, which must be a multiple of what it changes, and a sum, both known numbers."""
        identifier = item.getVariable()
        if identifier not in self.notation.names or self.model.getCompartment(identifier) is not None:
            raise UnfitError(f"event `{event.getId()}` changes `{echo(identifier)}`, which is no state")
        name, volume = self.notation.names[identifier], self.notation.volumes.get(identifier)
        formula = parse(self.notation.written(item.getMath(), f"event `{event.getId()}`"), limited=False)
        size = self.values[volume] if volume else 1.0
        moving = {self.notation.names[one.getId()] for one in self.model.getListOfSpecies()} | {CLOCK}
        moving |= {self.notation.names[rule.getVariable()] for rule in self.model.getListOfRules()}
        if read := sorted((formula.names & moving) - {name}):
            raise UnfitError(f"event `{event.getId()}` sets `{identifier}` by `{read[0]}`; a dose may only depend on numbers")
        first, second, third = (formula.value({**self.values, **self.fixed, name: at}) * size for at in (0.0, 1.0, 2.0))
        if not math.isclose(third - second, second - first, rel_tol=1e-9, abs_tol=1e-12) or not math.isfinite(third):
            raise UnfitError(f"event `{event.getId()}` sets `{identifier}` to more than a multiple of itself and a sum")
        self.changed.add(identifier)
        self.changes.append(EventChange(when, name, second - first, first))

    # -- parts ----------------------------------------------------------------------------------------------------------

    def _rule_of(self, identifier: str) -> Any:
        return self.model.getRule(identifier)

    def _quantities(self) -> None:
        """Species, parameters and compartments as states, parameters, or numbers that only a rule knows."""
        for item in self.model.getListOfSpecies():
            if not self._is_assigned(item.getId()):
                self._state(item)
        for item in itertools.chain(self.model.getListOfCompartments(), self.model.getListOfParameters()):
            rule = self._rule_of(item.getId())
            if (rule is not None and rule.isRate()) or (rule is None and item.getId() in self.changed):
                self._state(item)
            elif rule is None:
                self._constant(item)

    def _is_assigned(self, identifier: str) -> bool:
        rule = self._rule_of(identifier)
        return rule is not None and bool(rule.isAssignment())

    def _meaning(self, item: Any) -> str:
        return " ".join((item.getName() or f"{item.getId()} of the SBML model").split())

    def _start(self, item: Any) -> float:
        name = self.notation.names[item.getId()]
        if name not in self.values:
            raise UnfitError(f"`{item.getId()}` has no value")
        return self.values[name]

    def _state(self, item: Any) -> None:
        unit = self.units[item.getId()]
        counted = (item.getId() in self.counted) if unit == "cell" else None
        name = self.notation.names[item.getId()]
        self.parts.append(State(name, unit, self._meaning(item), self._start(item), counted=counted))

    def _constant(self, item: Any) -> None:
        name, value, unit = self.notation.names[item.getId()], self._start(item), self.units[item.getId()]
        if value < 0:  # parameters are never negative
            factor = "" if unit == "1" else f" * {unit}" if "/" not in unit else f" * ({unit})"
            self.parts.append(Definition(name, f"-{-value!r}{factor}", unit, self._meaning(item)))
            return
        span = (value / 2, value * 2) if value > 0 else (0.0, 1.0)
        source = f"the SBML model {self.title}"
        self.parts.append(Parameter(name, value, unit, self._meaning(item), span, source, "recalled"))

    def _rules(self) -> None:
        for rule in self.model.getListOfRules():
            identifier = rule.getVariable()
            name, text = self.notation.names[identifier], self.notation.written(rule.getMath(), f"the rule of `{identifier}`")
            if rule.isAssignment():
                item = self.model.getElementBySId(identifier)
                self.parts.append(Definition(name, text, self.units[identifier], self._meaning(item)))
            else:
                volume = self.notation.volumes.get(identifier)
                law = f"{text} * {volume}" if volume else text
                self._process(f"{name}_rate", law, f"change of {name}", None, name)

    def _process(self, name: str, law: str, meaning: str, leaves: str | None, enters: str | None) -> None:
        own = fitting_name(name, self.notation.names)
        self.notation.names[f"process {own}"] = own
        self.parts.append(Process(own, own, f"({law}) / day" if self.plain else law, meaning, leaves, enters))

    def _reactions(self) -> None:
        for reaction in self.model.getListOfReactions():
            self._gather(lambda reaction=reaction: self._reaction(reaction))

    def _reaction(self, reaction: Any) -> None:
        identifier, law = reaction.getId(), reaction.getKineticLaw()
        if law is None or law.getMath() is None:
            raise UnfitError(f"reaction `{identifier}` has no rate")
        local = {}
        for item in (*law.getListOfParameters(), *law.getListOfLocalParameters()):
            local[item.getId()] = repr(float(item.getValue())) if item.getValue() >= 0 else f"({float(item.getValue())!r})"
        text = self.notation.written(law.getMath(), f"reaction `{identifier}`", local)
        ends = [*((item, -1) for item in reaction.getListOfReactants()), *((item, 1) for item in reaction.getListOfProducts())]
        flows: dict[str, tuple[int, float]] = {}
        for end, side in ends:
            species = self.model.getSpecies(end.getSpecies())
            if species is None or species.getBoundaryCondition() or species.getConstant() or self._is_assigned(end.getSpecies()):
                continue
            if end.isSetStoichiometryMath() or (end.isSetId() and self._rule_of(end.getId()) is not None):
                raise UnfitError(f"reaction `{identifier}` has a stoichiometry that is computed")
            side_before, amount = flows.get(end.getSpecies(), (1, 0.0))
            total = side_before * amount + side * (end.getStoichiometry() if end.isSetStoichiometry() else 1.0)
            flows[end.getSpecies()] = (1 if total > 0 else -1, abs(total))
        left = {one: flow for one, flow in flows.items() if flow[1]}
        self._flow(reaction, text, left)

    def _factor(self, species: str, amount: float) -> str:
        """Stoichiometry and conversion of a species, as factors behind a rate."""
        conversion = self.model.getSpecies(species).getConversionFactor() or self.model.getConversionFactor()
        factors = [repr(amount)] * (amount != 1) + ([self.notation.names[conversion]] if conversion else [])
        return "".join(f" * {factor}" for factor in factors)

    def _flow(self, reaction: Any, text: str, flows: Mapping[str, tuple[int, float]]) -> None:
        """One process from a state to another where what leaves is what enters; else one for every state."""
        names, meaning = self.notation.names, self._meaning(reaction)
        own = names.pop(f"reaction {reaction.getId()}")
        out = [one for one, (side, _) in flows.items() if side < 0]
        into = [one for one, (side, _) in flows.items() if side > 0]
        factors = {one: self._factor(one, amount) for one, (_, amount) in flows.items()}
        if len(out) <= 1 and len(into) <= 1 and len({*factors.values()}) == 1:
            [factor] = {*factors.values()}
            given, taken = names.get(out[0]) if out else None, names.get(into[0]) if into else None
            self._process(own, text + factor, meaning, given, taken)
            return
        for one, (side, _) in flows.items():
            ends = (names[one], None) if side < 0 else (None, names[one])
            self._process(f"{own}_{names[one]}", text + factors[one], meaning, *ends)
