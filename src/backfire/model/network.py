"""Mechanisms composed into one network, and every check that makes the composition trustworthy.

Composition obeys laws that the tests hold: the order of mechanisms does not matter, an influence with its switch at 0
equals its absence, and whatever leaves one state enters another. A network is checked whole: names unique, everything
defined, one owner per state, no circular definitions, units right. All problems are reported at once.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from backfire.errors import CompositionError, UserError, echo, unknown
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

_Kind = TypeVar("_Kind")


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

    @cached_property
    def observables(self) -> dict[str, str]:
        """Everything a trajectory records besides the states: name → unit.

        Definitions, then process rates, then the factor that each influence has at the moment (1 = none).
        """
        units = self.units
        texts = {definition.name: definition.unit for definition in self.definitions}
        texts |= {process.name: str(units[process.name]) for process in self.processes}
        return texts | {name: "1" for name, switch in self.switches.items() if switch.targets}

    @cached_property
    def recorded(self) -> dict[str, str]:
        """Everything a trajectory records, states first: name → unit."""
        return {state.name: state.unit for state in self.states} | self.observables

    @cached_property
    def units(self) -> dict[str, Unit]:
        """The unit of everything that a formula can read, and of every process."""
        measured: list[Parameter | State | Definition] = [*self.states, *self.definitions, *self.parameters.values()]
        units = {part.name: unit_of(part) for part in measured}
        units |= {name: ONE for switch in self.switches.values() for name in (switch.code, switch.effect)}
        return units | {item.name: units[item.enters or item.leaves or ""] / base_unit("day") for item in self.processes}

    def resects(self, agent: str) -> bool:
        """True for an intervention that takes cells of the burden without a dose, as surgery does: the primary is judged up
        to that day."""
        given, counted = self.interventions[agent], {state.name for state in self.states if "burden" in state.totals}
        return not given.amount_unit and not counted.isdisjoint(given.multiplies)

    @property
    def flows(self) -> dict[str, list[str]]:
        """Kind → names of the processes of that kind that fill or empty the burden; of kind seeding all."""
        counted = {state.name for state in self.states if "burden" in state.totals}
        found: dict[str, list[str]] = {}
        for process in self.processes:
            if process.kind == "seeding" or counted & {process.leaves, process.enters}:
                found.setdefault(process.kind, []).append(process.name)
        return found

    @property
    def feeds(self) -> dict[str, frozenset[str]]:
        """State → the states that what is in it can become, directly or on the way."""
        becomes: dict[str, list[str]] = {name: [] for name in self.state_names}
        for process in self.processes:
            if process.leaves and process.enters:
                becomes[process.leaves].append(process.enters)
        return {name: frozenset(reached(ends, becomes)) for name, ends in becomes.items()}

    @property
    def killers(self) -> frozenset[str]:
        """The agents that drive a process of kind kill, by whatever definitions its rate reads, and those that take cells away
        at once, as radiation does."""
        reads = {definition.name: parse(definition.formula).names for definition in self.definitions}
        rates = [name for process in self.processes if process.kind == "kill" for name in parse(process.rate).names]
        read, cells = reached(rates, reads), {state.name for state in self.states if state.is_cells}
        found = set()
        for agent, item in self.interventions.items():
            changed = {*item.adds, *item.multiplies, item.infuses, item.switches}
            if (item.amount_unit or item.switches) and (changed & (read - cells) or cells & {*item.multiplies}):
                found.add(agent)
        return frozenset(found)

    def acting_on(self, name: str) -> list[Switch]:
        """The switches of the influences on a process or definition."""
        return [switch for switch in self.switches.values() if name in switch.targets]

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
        lines += [f"{state.name} counted {state.counted}" for state in self.states if state.counted is not None]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def reached(start: Iterable[str], onwards: Mapping[str, Iterable[str]]) -> set[str]:
    """``start`` and every name on the way from there; ``onwards`` says where a name leads."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += onwards.get(name, ())
    return found


def compose(mechanisms: Mapping[str, Mechanism] | Iterable[Mechanism]) -> Network:
    """Compose mechanisms into a network; raises CompositionError that lists every problem found.

    Give a mapping label → mechanism, or just mechanisms, which then go by their own label.
    """
    if isinstance(mechanisms, Mapping):
        labelled = [(label, mechanism) for label, mechanism in mechanisms.items()]
    else:
        labelled = [(getattr(mechanism, "label", ""), mechanism) for mechanism in mechanisms]
    if strange := [item for _, item in labelled if not isinstance(item, Mechanism)]:
        raise CompositionError(
            [f"`{echo(item)}` is no mechanism; compose takes objects that derive from backfire.Mechanism" for item in strange]
        )
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

    def _of(self, kind: type[_Kind]) -> list[tuple[str, _Kind]]:
        return [(label, part) for label, part in self.parts if isinstance(part, kind)]

    def network(self) -> Network:
        self._own()
        self.states = tuple(part for _, part in self._of(State))
        self.processes = tuple(part for _, part in self._of(Process))
        self.parameters = {part.name: part for _, part in self._of(Parameter)}
        self.totals = {total for state in self.states for total in state.totals}
        self.definitions = (*(part for _, part in self._of(Definition)), *self._totals())
        self.interventions = self._interventions()
        switches = self._switches()
        self._initials()
        self._flows()
        self._units()
        ordered = self._ordered(switches)
        if self.problems:
            raise CompositionError(list(dict.fromkeys(self.problems)))
        by_name = {definition.name: definition for definition in self.definitions}
        return Network(
            mechanisms=self.mechanisms, parameters=self.parameters, states=self.states,
            definitions=tuple(by_name[line.name] for line in ordered if line.name in by_name), processes=self.processes,
            switches=switches, interventions=self.interventions, owners=self.owners, assignments=ordered,
            equations={state.name: _terms(state.name, self.processes) for state in self.states},
        )  # fmt: skip

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
        """Interventions by name; a total that one multiplies is all states counted in it, whichever mechanism brings them."""
        given: dict[str, Intervention] = {}
        for label, part in self._of(Intervention):
            if part.name in given:
                self.problems.append(f"{label}: intervention `{part.name}` is already offered by another mechanism")
            changed = {
                state.name: part.multiplies[total] for state in self.states for total in state.totals if total in part.multiplies
            }
            named = {name: factor for name, factor in part.multiplies.items() if name not in self.totals}
            given[part.name] = dataclasses.replace(part, multiplies=changed | named)
        return given

    def _totals(self) -> Iterator[Definition]:
        totals: dict[str, list[State]] = {}
        for state in self.states:
            for total in state.totals:
                totals.setdefault(total, []).append(state)
        for total, members in sorted(totals.items()):
            names = [state.name for state in members]
            if total in self.owners:
                self.problems.append(f"`{total}` is both a total of {', '.join(names)} and owned elsewhere")
            if len({unit_of(state) for state in members}) > 1:
                self.problems.append(f"`{total}` would add states of different units: {', '.join(names)}")
            self.owners[total] = self.owners[names[0]]
            yield Definition(total, " + ".join(names), members[0].unit, f"total of {', '.join(names)}")

    def _switches(self) -> dict[str, Switch]:
        kinds: dict[str, list[str]] = {}
        for process in self.processes:
            kinds.setdefault(process.kind, []).append(process.name)
        for definition in self.definitions:
            if definition.open:
                kinds.setdefault(definition.name, []).append(definition.name)
        switches: dict[str, Switch] = {}
        for label, part in self._of(Influence):
            name = f"{label}.{part.name}"
            targets = tuple(kinds.get(part.on, ()))
            if name in switches:
                self.problems.append(f"{label}: influence `{part.name}` is declared twice")
            if not targets and not part.optional:
                factor = part.on.removeprefix("excess_")
                opened = f'; whoever brings `{factor}` opens it to influences: yield backfire.model.excess("{factor}")'
                self.problems.append(
                    f"{label}: influence `{part.name}` acts on `{part.on}`, which nothing here provides: "
                    + unknown("process kind or open definition", part.on, kinds)
                    + (opened if factor != part.on and factor in {state.name for state in self.states} else "")
                )
            switches[name] = Switch(name, f"switch__{label}__{part.name}", part, f"effect__{label}__{part.name}", targets)
        return switches

    def _initials(self) -> None:
        parameters = self.parameters
        for state in self.states:
            if not isinstance(state.initial, str):
                continue
            if state.initial not in parameters:
                self.problems.append(f"{self._called('state', state)}: {unknown('start parameter', state.initial, parameters)}")
            elif unit_of(parameters[state.initial]) != unit_of(state):
                self.problems.append(f"{self._called('state', state)} starts at `{state.initial}`, which has another unit")

    def _flows(self) -> None:
        known = {state.name: unit_of(state) for state in self.states}
        for process in self.processes:
            ends = [end for end in (process.leaves, process.enters) if end is not None]
            for end in ends:
                if end not in known:
                    self.problems.append(f"{self._called('process', process)}: {unknown('state', end, known)}")
            if len({known[end] for end in ends if end in known}) > 1:
                self.problems.append(f"{self._called('process', process)} connects states of different units: {', '.join(ends)}")

    def _units(self) -> None:
        measured: list[Parameter | State | Definition] = [*self.states, *self.definitions, *self.parameters.values()]
        units = {part.name: unit_of(part) for part in measured}
        for definition in self.definitions:
            self._agree(self._called("definition", definition), definition.formula, unit_of(definition), units)
        for process in self.processes:
            end = process.enters or process.leaves
            if end in units:
                self._agree(self._called("process", process), process.rate, units[end] / base_unit("day"), units)
        for label, part in self._of(Influence):
            self._agree(f"{label}: influence `{part.name}`", part.factor, ONE, units)
        constants = {name: unit_of(parameter) for name, parameter in self.parameters.items()}
        states = {state.name for state in self.states}
        offered = {part.name: label for label, part in self._of(Intervention)}
        for given in self.interventions.values():
            what = f"{offered[given.name]}: intervention `{given.name}`"
            known = constants | ({"amount": parse_unit(given.amount_unit)} if given.amount_unit else {})
            for state, action, formula in given.formulas():
                if state in states:
                    self._agree(what, formula.text, ONE if action == "multiply" else units[state], known)
                else:
                    self.problems.append(f"{what}: {unknown('state or total', state, [*states, *self.totals])}")

    def _agree(self, what: str, formula: str, wanted: Unit, units: Mapping[str, Unit]) -> None:
        try:
            expression = parse(formula)
            missing = sorted(expression.names - units.keys())
            found = wanted if missing else expression.unit(units)
        except UserError as error:
            self.problems.append(f"{what}: {error}")
            return
        for name in missing:
            self.problems.append(f"{what} reads `{name}`, which no mechanism here provides: {unknown('name', name, units)}")
        if found != wanted:
            self.problems.append(f"{what}: `{formula}` has unit {found}, must be {wanted}")

    def _ordered(self, switches: Mapping[str, Switch]) -> tuple[Assignment, ...]:
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
        formulas = {item.name: item.formula for item in self.definitions} | {item.name: item.rate for item in self.processes}
        for name, formula in formulas.items():
            lines[name] = parse(" * ".join([f"({formula})", *laid[name]]) if name in laid else formula, limited=False)
        given = {state.name for state in self.states} | set(self.parameters)
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
