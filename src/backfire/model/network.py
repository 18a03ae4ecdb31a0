"""Mechanisms composed into one network, and every check that makes the composition trustworthy.

Composition obeys laws that the tests hold: the order of mechanisms does not matter, an influence with its switch at 0
equals its absence, and whatever leaves one state enters another. A network is checked whole: names unique, everything
defined, one owner per state, no circular definitions, units right. All problems are reported at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from backfire.errors import CompositionError, UserError, unknown
from backfire.formulas import ONE, Expression, Unit, base_unit, parse, parse_unit
from backfire.model.components import (
    Definition,
    Influence,
    Intervention,
    Mechanism,
    Named,
    Parameter,
    Part,
    Process,
    State,
    check_name,
    unit_of,
)


@dataclass(frozen=True)
class Switch:
    """The switch of one influence: ``name`` as people write it (``stroma.protects_kill``), ``code`` as formulas do."""

    name: str
    code: str
    influence: Influence
    effect: str
    """Code name of the factor 1 + switch·(factor - 1) that the targets are multiplied with."""
    targets: tuple[str, ...]
    """Names of the processes or definitions it acts on; empty when the influence is idle in this network."""


@dataclass(frozen=True)
class Assignment:
    """One line of the model: ``name`` gets the value of ``expression``; lines are ordered by dependency."""

    name: str
    expression: Expression


@dataclass(frozen=True)
class Network:
    """A checked composition, ready for code, solvers, export and explanation. Build it with ``compose``.

    All tuples are in one canonical order that does not depend on how the mechanisms were listed. ``owners`` maps every
    name to the label of the mechanism that brought it. ``equations`` maps each state to pairs (sign, process name).
    """

    mechanisms: Mapping[str, Mechanism]
    parameters: Mapping[str, Parameter]
    states: tuple[State, ...]
    definitions: tuple[Definition, ...]
    processes: tuple[Process, ...]
    switches: Mapping[str, Switch]
    interventions: Mapping[str, Intervention]
    owners: Mapping[str, str]
    assignments: tuple[Assignment, ...]
    equations: Mapping[str, tuple[tuple[int, str], ...]]

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states in the order of every state vector."""
        return tuple(state.name for state in self.states)

    @property
    def constant_names(self) -> tuple[str, ...]:
        """Names of everything constant during a run, as code: parameters, then switches; the order of every
        parameter vector."""
        return (*self.parameters, *(switch.code for switch in self.switches.values()))

    @property
    def observables(self) -> dict[str, str]:
        """Everything a trajectory records besides the states: name → unit.

        Definitions, then process rates, then the factor that each influence has at the moment (1 = none).
        """
        units = {definition.name: definition.unit for definition in self.definitions}
        by_name = {state.name: unit_of(state) for state in self.states}
        for process in self.processes:
            state = process.enters or process.leaves
            assert state is not None
            units[process.name] = str(by_name[state] / base_unit("day"))
        return units | {name: "1" for name, switch in self.switches.items() if switch.targets}

    @property
    def feeds(self) -> dict[str, frozenset[str]]:
        """State → the states that what is in it can become, directly or on the way."""
        flows = [(process.leaves, process.enters) for process in self.processes if process.leaves and process.enters]
        reached: dict[str, set[str]] = {name: {end for start, end in flows if start == name} for name in self.state_names}
        for _ in reached:
            for ends in reached.values():
                ends |= {end for start, end in flows if start in ends}
        return {name: frozenset(ends) for name, ends in reached.items()}

    def acting_on(self, name: str) -> list[Switch]:
        """The switches of the influences on a process or definition."""
        return [switch for switch in self.switches.values() if name in switch.targets]

    def meaning(self, name: str) -> str:
        """The meaning of any state, definition, process or parameter."""
        for part in self.named():
            if part.name == name:
                return part.meaning
        raise CompositionError([unknown("name", name, self.owners)])

    def named(self) -> Iterator[Named]:
        """All states, definitions, processes and parameters."""
        yield from self.states
        yield from self.definitions
        yield from self.processes
        yield from self.parameters.values()

    def fingerprint(self) -> str:
        """A hash of the model's structure: equal for equal equations, whatever the parameter values."""
        lines = [f"{line.name} = {line.expression.code}" for line in self.assignments]
        lines += [f"d {name}: {terms}" for name, terms in self.equations.items()]
        lines += [*self.constant_names, *self.observables]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def compose(mechanisms: Mapping[str, Mechanism] | Iterable[Mechanism]) -> Network:
    """Compose mechanisms into a network; raises CompositionError that lists every problem found.

    Give a mapping label → mechanism, or just mechanisms, which then go by their own label.
    """
    if isinstance(mechanisms, Mapping):
        labelled = [(label, mechanism) for label, mechanism in mechanisms.items()]
    else:
        labelled = [(mechanism.label, mechanism) for mechanism in mechanisms]
    labels = [label for label, _ in labelled]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise CompositionError([f"mechanism `{label}` is composed twice; give each its own label" for label in twice])
    return _Composer(dict(sorted(labelled))).network()


class _Composer:
    """Gathers parts and problems; each method is one check or one step."""

    def __init__(self, mechanisms: dict[str, Mechanism]) -> None:
        self.mechanisms = mechanisms
        self.problems: list[str] = []
        self.owners: dict[str, str] = {}
        self.parts: list[tuple[str, Part]] = []
        for label, mechanism in mechanisms.items():
            try:
                check_name(label, "mechanism label")
                self.parts += [(label, part) for part in mechanism.parts()]
            except UserError as error:
                self.problems.append(f"{label}: {error}")
        if not mechanisms:
            self.problems.append("there is no mechanism to compose")

    def network(self) -> Network:
        self._own()
        states = tuple(part for _, part in self.parts if isinstance(part, State))
        totals = self._totals(states)
        definitions = (*(part for _, part in self.parts if isinstance(part, Definition)), *totals)
        processes = tuple(part for _, part in self.parts if isinstance(part, Process))
        parameters = {part.name: part for _, part in self.parts if isinstance(part, Parameter)}
        interventions = self._interventions()
        switches = self._switches(definitions, processes)
        self._initials(states, parameters)
        self._flows(states, processes)
        self._units(states, definitions, processes, parameters)
        ordered = self._ordered(definitions, processes, switches, states, parameters)
        if self.problems:
            raise CompositionError(list(dict.fromkeys(self.problems)))
        by_name = {definition.name: definition for definition in definitions}
        return Network(
            mechanisms=self.mechanisms,
            parameters=parameters,
            states=states,
            definitions=tuple(by_name[line.name] for line in ordered if line.name in by_name),
            processes=processes,
            switches=switches,
            interventions=interventions,
            owners=self.owners,
            assignments=ordered,
            equations={state.name: _terms(state.name, processes) for state in states},
        )

    def _called(self, kind: str, part: Named) -> str:
        """A part as messages call it, with the mechanism that brought it."""
        return f"{self.owners[part.name]}: {kind} `{part.name}`"

    def _own(self) -> None:
        """Every name has one owner; interventions live in a namespace of their own, with the regimens."""
        for label, part in self.parts:
            if isinstance(part, Influence | Intervention):
                continue
            if part.name in self.owners:
                self.problems.append(
                    f"{label}: `{part.name}` is already owned by mechanism `{self.owners[part.name]}`; one name has one owner"
                )
            else:
                self.owners[part.name] = label

    def _interventions(self) -> dict[str, Intervention]:
        given: dict[str, Intervention] = {}
        for label, part in self.parts:
            if isinstance(part, Intervention):
                if part.name in given:
                    self.problems.append(f"{label}: intervention `{part.name}` is already offered by another mechanism")
                given[part.name] = part
        return given

    def _totals(self, states: tuple[State, ...]) -> tuple[Definition, ...]:
        totals: dict[str, list[State]] = {}
        for state in states:
            for total in state.totals:
                totals.setdefault(total, []).append(state)
        made = []
        for total, members in sorted(totals.items()):
            names = [state.name for state in members]
            if total in self.owners:
                self.problems.append(f"`{total}` is both a total of {', '.join(names)} and owned elsewhere")
            if len({unit_of(state) for state in members}) > 1:
                self.problems.append(f"`{total}` would add states of different units: {', '.join(names)}")
            self.owners[total] = self.owners[names[0]]
            made.append(Definition(total, " + ".join(names), members[0].unit, f"total of {', '.join(names)}"))
        return tuple(made)

    def _switches(self, definitions: Iterable[Definition], processes: Iterable[Process]) -> dict[str, Switch]:
        kinds: dict[str, list[str]] = {}
        for process in processes:
            kinds.setdefault(process.kind, []).append(process.name)
        for definition in definitions:
            if definition.open:
                kinds.setdefault(definition.name, []).append(definition.name)
        switches: dict[str, Switch] = {}
        for label, part in self.parts:
            if not isinstance(part, Influence):
                continue
            name = f"{label}.{part.name}"
            targets = tuple(kinds.get(part.on, ()))
            if name in switches:
                self.problems.append(f"{label}: influence `{part.name}` is declared twice")
            if not targets and not part.optional:
                self.problems.append(
                    f"{label}: influence `{part.name}` acts on `{part.on}`, which nothing here provides: "
                    + unknown("process kind or open definition", part.on, kinds)
                )
            switches[name] = Switch(name, f"switch__{label}__{part.name}", part, f"effect__{label}__{part.name}", targets)
        return switches

    def _initials(self, states: Iterable[State], parameters: Mapping[str, Parameter]) -> None:
        for state in states:
            if not isinstance(state.initial, str):
                continue
            if state.initial not in parameters:
                self.problems.append(f"{self._called('state', state)}: {unknown('start parameter', state.initial, parameters)}")
            elif unit_of(parameters[state.initial]) != unit_of(state):
                self.problems.append(f"{self._called('state', state)} starts at `{state.initial}`, which has another unit")

    def _flows(self, states: Iterable[State], processes: Iterable[Process]) -> None:
        known = {state.name: unit_of(state) for state in states}
        for process in processes:
            ends = [end for end in (process.leaves, process.enters) if end is not None]
            for end in ends:
                if end not in known:
                    self.problems.append(f"{self._called('process', process)}: {unknown('state', end, known)}")
            if len({known[end] for end in ends if end in known}) > 1:
                self.problems.append(f"{self._called('process', process)} connects states of different units: {', '.join(ends)}")

    def _units(
        self,
        states: Iterable[State],
        definitions: Iterable[Definition],
        processes: Iterable[Process],
        parameters: Mapping[str, Parameter],
    ) -> None:
        measured: list[Parameter | State | Definition] = [*states, *definitions, *parameters.values()]
        units = {part.name: unit_of(part) for part in measured}
        for definition in definitions:
            self._agree(
                f"{self.owners[definition.name]}: definition `{definition.name}`", definition.formula, unit_of(definition), units
            )
        for process in processes:
            end = process.enters or process.leaves
            if end in units:
                self._agree(
                    f"{self.owners[process.name]}: process `{process.name}`", process.rate, units[end] / base_unit("day"), units
                )
        for label, part in self.parts:
            if isinstance(part, Influence):
                self._agree(f"{label}: influence `{part.name}`", part.factor, ONE, units)
        constants = {name: unit_of(parameter) for name, parameter in parameters.items()}
        for label, part in self.parts:
            if isinstance(part, Intervention):
                amount = {"amount": parse_unit(part.amount_unit)} if part.amount_unit else {}
                self._intervention_units(f"{label}: intervention `{part.name}`", part, units, constants | amount)

    def _intervention_units(
        self, what: str, part: Intervention, units: Mapping[str, Unit], constants: Mapping[str, Unit]
    ) -> None:
        for state, action, formula in part.formulas():
            if state not in units:
                self.problems.append(f"{what}: {unknown('state', state, units)}")
            else:
                self._agree(what, formula.text, ONE if action == "multiply" else units[state], constants)

    def _agree(self, what: str, formula: str, wanted: Unit, units: Mapping[str, Unit]) -> None:
        try:
            expression = parse(formula)
        except UserError as error:
            self.problems.append(f"{what}: {error}")
            return
        missing = sorted(expression.names - units.keys())
        for name in missing:
            self.problems.append(f"{what} reads `{name}`, which no mechanism here provides: {unknown('name', name, units)}")
        if missing:
            return
        try:
            given = expression.unit(units)
        except UserError as error:
            self.problems.append(f"{what}: {error}")
            return
        if given != wanted:
            self.problems.append(f"{what}: `{formula}` has unit {given}, must be {wanted}")

    def _ordered(
        self,
        definitions: Iterable[Definition],
        processes: Iterable[Process],
        switches: Mapping[str, Switch],
        states: Iterable[State],
        parameters: Mapping[str, Parameter],
    ) -> tuple[Assignment, ...]:
        """All lines of the model, ordered so that each reads only what stands above it."""
        if self.problems:
            return ()
        lines: dict[str, Expression] = {}
        laid: dict[str, list[str]] = {}
        for switch in switches.values():
            if switch.targets:
                lines[switch.effect] = parse(f"1 + {switch.code} * (({switch.influence.factor}) - 1)", limited=False)
                for target in switch.targets:
                    laid.setdefault(target, []).append(switch.effect)
        for name, formula in (*((d.name, d.formula) for d in definitions), *((p.name, p.rate) for p in processes)):
            lines[name] = parse(" * ".join([f"({formula})", *laid[name]]) if name in laid else formula, limited=False)
        given = {state.name for state in states} | set(parameters)
        graph = {name: sorted(line.names & lines.keys() - given) for name, line in sorted(lines.items())}
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = " → ".join(reversed(error.args[1]))
            raise CompositionError([f"circular definition: {circle}"]) from None
        return tuple(Assignment(name, lines[name]) for name in order)


def _terms(state: str, processes: Iterable[Process]) -> tuple[tuple[int, str], ...]:
    terms = [(1, process.name) for process in processes if process.enters == state]
    return (*terms, *((-1, process.name) for process in processes if process.leaves == state))


def reached(names: Iterable[str], lines: Mapping[str, Iterable[str]]) -> set[str]:
    """``names`` and all that they depend on, directly or on the way; ``lines`` maps a name to the names that it reads."""
    found, fresh = set[str](), set(names)
    while fresh:
        found |= fresh
        fresh = {read for name in fresh for read in lines.get(name, ())} - found
    return found
