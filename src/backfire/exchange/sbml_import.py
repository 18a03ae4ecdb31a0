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
from backfire.exchange.sbml_checks import is_assigned, is_free, opened, what_does_not_fit
from backfire.exchange.sbml_events import EventReader
from backfire.exchange.sbml_files import LONGEST_DAYS, agents_of, mechanism_file, scenario_file
from backfire.exchange.sbml_formulas import CLOCK, Notation, UnfitError, as_formula, finite, fitting_name
from backfire.formulas import Expression
from backfire.model import Definition, Mechanism, Parameter, Part, Process, State, compose
from backfire.outcomes import HOST_LOAD
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
    if days is not None and not 0 < days <= LONGEST_DAYS:
        raise UserError(f"days = {days:g}: a scenario runs for more than 0 and at most {LONGEST_DAYS} days", key="days")
    try:
        text = path.read_text(encoding="utf-8-sig")
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
        try:
            agents, regimens = agents_of(reader.events.changes, states)
            parts = [*reader.parts, *agents]
            compose({label: _Given(tuple(parts))})
        except UserError as error:
            problems = list(error.problems) if isinstance(error, CompositionError) else [str(error)]
            continue
        last = max((change.time for change in reader.events.changes), default=0.0)
        if days is not None and days < last:
            raise UserError(f"days = {days:g}: the last event is at time {last:g}; a scenario ends behind its doses", key="days")
        over = days or (min(math.ceil(1.2 * last), LONGEST_DAYS) if last else 100.0)
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
    values: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import libsbml

        self.document, self.problems = opened(libsbml, self.text)  # which owns all that is read of it
        if self.document is None:
            return
        self.model = self.document.getModel()
        self.problems = what_does_not_fit(libsbml, self.document)
        self.title = " ".join((self.model.getName() or self.model.getId()).split()) or self.name
        self.notation = Notation(libsbml, self.model, self.plain)
        self.units: dict[str, str] = {}
        self.events = EventReader(self.model, self.notation, self.values, self.units)
        for step in (self._named, self._valued, self._happening, self._quantities, self._rules, self._reactions):
            if not self.problems:
                self._gather(step)
        if not self.problems and not any(isinstance(part, State) for part in self.parts):
            self.problems.append("it has no species, and nothing else that changes; a mechanism has a state at least")
        if self.notation.clock and not self.problems:
            unit = "1" if self.plain else "day"
            self.parts.append(State(CLOCK, unit, "the time of the model", 0.0))
            self.parts.append(Process("passing", "passing", "1 / day" if self.plain else "1", "time goes on", enters=CLOCK))

    def _gather(self, step: Any) -> None:
        try:
            step()
        except UserError as error:
            self.problems.append(str(error))

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
        model, names, volumes = self.model, self.notation.names, self.notation.volumes
        assigned = {item.getSymbol(): item.getMath() for item in model.getListOfInitialAssignments()}
        waiting: dict[str, str] = {}
        for item in model.getListOfCompartments():
            if item.isSetSize():
                self.values[names[item.getId()]] = item.getSize()
        for item in model.getListOfParameters():
            if item.isSetValue() and not is_assigned(model, item.getId()):
                self.values[names[item.getId()]] = item.getValue()
        for item in model.getListOfSpecies():
            if is_assigned(model, item.getId()):
                continue  # its rule gives its concentration, whatever value it has besides
            compartment, computed = names[item.getCompartment()], item.getCompartment() in assigned
            size = self.values.get(compartment, 1.0)
            if not item.getHasOnlySubstanceUnits() and (computed or size != 1.0):
                volumes[item.getId()] = compartment
            if item.isSetInitialAmount():
                self.values[names[item.getId()]] = item.getInitialAmount()
            elif item.isSetInitialConcentration() and computed:  # the size that is written is not the one it starts with
                waiting[item.getId()] = f"{finite(item.getInitialConcentration(), f'`{item.getId()}`')!r} * {compartment}"
            elif item.isSetInitialConcentration():
                self.values[names[item.getId()]] = item.getInitialConcentration() * size
        for symbol, math_of in assigned.items():
            text = self.notation.written(math_of, f"the initial value of `{symbol}`")
            waiting[symbol] = f"{text} * {volumes[symbol]}" if symbol in volumes else text
        self._computed({symbol: as_formula(text, f"the initial value of `{symbol}`") for symbol, text in waiting.items()})
        empty = sorted({volume for volume in volumes.values() if self.values.get(volume) == 0})
        self.problems += [f"compartment `{volume}` has size 0, in which there is no concentration" for volume in empty]

    def _computed(self, waiting: dict[str, Expression]) -> None:
        names = self.notation.names
        while True:
            known = self.values.keys() - {names[symbol] for symbol in waiting}
            ready = [symbol for symbol, formula in waiting.items() if formula.names <= known]
            if not ready:
                break
            for symbol in ready:
                self.values[names[symbol]] = waiting.pop(symbol).value(self.values)
        self.problems += [f"the initial value of `{symbol}` cannot be computed" for symbol in waiting]

    def _happening(self) -> None:
        self.events.read()
        self.problems += self.events.problems
        if HOST_LOAD in self.notation.names.values() and not self.events.deadly:
            self.problems.append(
                f"`{HOST_LOAD}` ends an arm of ours where it reaches 1, as no event here does; call it otherwise"
            )

    # -- parts ----------------------------------------------------------------------------------------------------------

    def _rule_of(self, identifier: str) -> Any:
        return self.model.getRule(identifier)

    def _quantities(self) -> None:
        """Species, parameters and compartments as states, parameters, or numbers that only a rule knows."""
        for item in self.model.getListOfSpecies():
            if not is_assigned(self.model, item.getId()):
                self._state(item)
        for item in itertools.chain(self.model.getListOfCompartments(), self.model.getListOfParameters()):
            rule = self._rule_of(item.getId())
            if (rule is not None and rule.isRate()) or (rule is None and item.getId() in self.events.changed):
                self._state(item)
            elif rule is None:
                self._constant(item)

    def _meaning(self, item: Any) -> str:
        return " ".join((item.getName() or f"{item.getId()} of the SBML model").split())

    def _start(self, item: Any) -> float:
        name = self.notation.names[item.getId()]
        if name not in self.values:
            raise UnfitError(f"`{item.getId()}` has no value")
        return finite(self.values[name], f"`{item.getId()}`")

    def _state(self, item: Any) -> None:
        unit = self.units[item.getId()]
        counted = (item.getId() in self.events.counted) if unit == "cell" else None
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
            value = finite(float(item.getValue()), f"`{item.getId()}` of reaction `{identifier}`")
            local[item.getId()] = repr(value) if value >= 0 else f"({value!r})"
        text = self.notation.written(law.getMath(), f"reaction `{identifier}`", local)
        ends = [*((item, -1) for item in reaction.getListOfReactants()), *((item, 1) for item in reaction.getListOfProducts())]
        flows: dict[str, tuple[int, float]] = {}
        for end, side in ends:
            if not is_free(self.model, end.getSpecies()):
                continue
            side_before, amount = flows.get(end.getSpecies(), (1, 0.0))
            total = side_before * amount + side * end.getStoichiometry()
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
