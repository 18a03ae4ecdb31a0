"""Small networks and runs for tests: mechanisms built on the spot, and the shortest way to a solution."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from backfire.errors import CompositionError
from backfire.mechanisms import shipped
from backfire.mechanisms.kill import Kill
from backfire.mechanisms.pharmacology import Pharmacology
from backfire.model.components import Definition, Influence, Mechanism, Parameter, Part, Process, State
from backfire.model.dosing import Event
from backfire.model.network import Network, compose
from backfire.simulation.arms import observed
from backfire.solvers import pycode as codegen
from backfire.solvers.reference import InitialValueProblem, Settings, Solution, solve
from backfire.solvers.trajectory import Trajectory

TIGHT = Settings(relative=1e-11, cells=1e-6, absolute=1e-14)
"""Tight enough that what is left of an error against a closed form is the fault of the code, not of the tolerance."""


@dataclass(frozen=True)
class Built(Mechanism):
    """A mechanism made of the parts it is given."""

    label: ClassVar[str] = "built"
    pieces: tuple[Part, ...] = ()

    def parts(self) -> Iterator[Part]:
        yield from self.pieces


def parameter(name: str, value: float, unit: str = "1") -> Parameter:
    """A parameter with everything that is required and nothing that matters."""
    return Parameter(name, value, unit, "for a test", range=(0.0, max(2 * value, 1.0)), source="a test", grade="assumed")


def built(*pieces: Part) -> Network:
    """A network of one mechanism with these parts."""
    return compose({"built": Built(pieces)})


def ivp(equations: Mapping[str, str], start: Sequence[float], definitions: Mapping[str, str] | None = None) -> Network:
    """An initial value problem in plain numbers: state → right-hand side; definitions are plain numbers too."""
    pieces: list[Part] = [parameter("spare", 1.0)]
    for (name, rate), value in zip(equations.items(), start, strict=True):
        pieces.append(State(name, "1", "for a test", value))
        pieces.append(Process(f"d_{name}", "flow", f"({rate}) / day", "for a test", enters=name))
    pieces += [Definition(name, formula, "1", "for a test") for name, formula in (definitions or {}).items()]
    return built(*pieces)


def values_of(network: Network, changes: Mapping[str, float] | None = None) -> dict[str, float]:
    """Every constant of a network by its name in code; switches are 1 unless changed."""
    known = {name: item.value for name, item in network.parameters.items()}
    known |= {switch.code: 1.0 for switch in network.switches.values()}
    written = {switch.name: switch.code for switch in network.switches.values()}
    given = {written.get(name, name): value for name, value in (changes or {}).items()}
    assert given.keys() <= known.keys(), given.keys() - known.keys()
    return known | given


def start_of(network: Network, values: Mapping[str, float]) -> list[float]:
    """The start state."""
    return [values[state.initial] if isinstance(state.initial, str) else state.initial for state in network.states]


def run(
    network: Network,
    days: Sequence[float],
    changes: Mapping[str, float] | None = None,
    events: Sequence[Event] = (),
    settings: Settings = TIGHT,
    first_day: float = 0.0,
) -> Solution:
    """Solve a network and record the given days besides the first."""
    values = values_of(network, changes)
    return solve(
        InitialValueProblem(
            code=codegen.generate(network),
            state_names=network.state_names,
            start=np.array(start_of(network, values)),
            constants=np.array([values[name] for name in network.constant_names]),
            events=events,
            record=np.array(sorted({first_day, *days})),
            cells=[state.dies_out for state in network.states],
            amounts=[state.unit != "1" for state in network.states],
        ),
        settings,
    )


def trajectory_of(network: Network, solution: Solution, changes: Mapping[str, float] | None = None) -> Trajectory:
    """The solution with all observables."""
    values = values_of(network, changes)
    constants = [values[name] for name in network.constant_names]
    return observed(network, codegen.generate(network), constants, "arm", solution)


def at(network: Network, solution: Solution, day: float, name: str) -> float:
    """The recorded value of a state."""
    return float(solution.states[solution.times.index(day)][network.state_names.index(name)])


def last(network: Network, solution: Solution) -> dict[str, float]:
    """The last recorded state by name."""
    return dict(zip(network.state_names, solution.states[-1].tolist(), strict=True))


def injected(
    rates: Callable[[Sequence[float]], list[float]], jacobian: Callable[[Sequence[float]], Any] | None = None
) -> codegen.Code:
    """Code with a right-hand side written by the test."""

    def no_jacobian(state: Sequence[float], _: Sequence[float]) -> list[list[float]]:
        return [[0.0] * len(state) for _ in state]

    return codegen.Code(
        source="",
        rates=lambda state, _: rates(state),
        jacobian=no_jacobian if jacobian is None else lambda state, _: jacobian(state),
        observe=lambda state, _: (),
        observe_one=lambda state, _: (),
    )


def problem_of(code: codegen.Code, start: Sequence[float], record: Sequence[float], **more: Any) -> InitialValueProblem:
    """A problem in plain numbers around injected code."""
    given: dict[str, Any] = {
        "state_names": [f"y{index}" for index in range(len(start))],
        "constants": np.zeros(0),
        "events": (),
        "cells": [False] * len(start),
        "amounts": [False] * len(start),
    }
    return InitialValueProblem(
        code=code, start=np.array(start, dtype=float), record=np.array(record, dtype=float), **(given | more)
    )


_MISSING = re.compile(
    r"reads `(\w+)`, which no mechanism|acts on `(\w+)`, which nothing|unknown state `(\w+)`|unknown start parameter `(\w+)`"
)


def _provides(mechanism: Mechanism) -> set[str]:
    names: set[str] = set()
    for part in mechanism.parts():
        if isinstance(part, Process):
            names |= {part.name, part.kind}
        elif isinstance(part, State):
            names |= {part.name, *part.counts_in}
        elif not isinstance(part, Influence):
            names.add(part.name)
    return names


def completed(mechanisms: Mapping[str, Mechanism], infused: Sequence[str] = ()) -> Network:
    """The smallest network around these mechanisms that composes: providers and agents are added as they are missed."""
    chosen = dict(mechanisms)
    agents: set[str] = set()
    examples = {label: kind.example() for label, kind in shipped().items() if label != "pharmacology"}
    for _ in range(30):
        killers = {name.removeprefix("toxicity_of_") for name in agents if name.startswith("toxicity_of_")}
        if killers:
            agents = agents - {f"toxicity_of_{name}" for name in killers} | killers
            given = chosen.get("kill")
            chosen["kill"] = Kill(tuple(sorted(killers | set(given.by if isinstance(given, Kill) else ()))))
        if agents:
            chosen["pharmacology"] = Pharmacology(tuple(sorted(agents)), tuple(sorted(agents & set(infused))))
        try:
            return compose(chosen)
        except CompositionError as error:
            missing = {name for found in _MISSING.findall(str(error)) for name in found if name}
            assert missing, str(error)
            for name in sorted(missing):
                owner = next((label for label, item in examples.items() if name in _provides(item)), None)
                if owner is not None and owner not in chosen:
                    chosen[owner] = examples[owner]
                else:
                    agents.add(name.removeprefix("effect_"))
    raise AssertionError(f"cannot complete {sorted(mechanisms)}")


def working_network(label: str) -> Network:
    """A network that composes around the example of one shipped mechanism."""
    return completed({"growth": shipped()["growth"].example(), label: shipped()[label].example()})


def everything() -> Network:
    """All shipped mechanisms by their examples in one network, with every agent they need."""
    return completed({label: kind.example() for label, kind in shipped().items() if label != "pharmacology"})


def without(network: Network, label: str, influence: str) -> Network:
    """The same composition with one influence left out of its mechanism."""
    kept = tuple(
        part for part in network.mechanisms[label].parts() if not (isinstance(part, Influence) and part.name == influence)
    )
    return compose({**network.mechanisms, label: Built(kept)})


def replaced(network: Network, values: Mapping[str, float]) -> Network:
    """The same network with other parameter values."""
    parameters = {
        name: item.revalued(values[name], item.source, item.grade) if name in values else item
        for name, item in network.parameters.items()
    }
    return dataclasses.replace(network, parameters=parameters)
