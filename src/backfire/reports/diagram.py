"""Who acts on whom: a network as a Mermaid flowchart, which GitHub and many editors draw.

States are the nodes. An arrow goes from what a rate reads to what it changes, through all definitions in between;
a cross ends what takes away, a thick arrow moves cells from one state to another, a dotted one is an influence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from backfire.formulas import parse, parse_unit
from backfire.model import Network, Process, State, reached

_QUIET = "host_"
"""Kinds of processes that begin so only renew a level: an arrow says as much as their name."""
Arrow = tuple[str, str, str]
"""Kind, from, to."""


def mermaid(network: Network) -> str:
    """The flowchart of a network; equal text for equal networks."""
    codes = {state.name: f"s{number}" for number, state in enumerate(network.states)}
    lines = ["flowchart LR"]
    shapes = {state.name: _SHAPES[kind_of_state(state)].format(state.name.replace("_", " ")) for state in network.states}
    lines += [f"    {codes[name]}{shape}" for name, shape in shapes.items()]
    for (arrow, source, target), labels in arrows(network).items():
        text = f'|"{", ".join(labels)}"|' if labels else ""
        lines.append(f"    {codes[source]} {arrow}{text} {codes[target]}")
    return "\n".join(lines)


def arrows(network: Network) -> dict[Arrow, list[str]]:
    """Every arrow of a network, (kind, from, to), with what stands at it; kinds are Mermaid's: ``-->`` adds to, ``--x`` takes
    away, ``==>`` moves cells, ``-.->`` is an influence."""
    drawn: dict[Arrow, list[str]] = {}
    for edge, label in (*_processes(network), *_influences(network)):
        labels = drawn.setdefault(edge, [])
        if label and label not in labels:
            labels.append(label)
    return drawn


_SHAPES: Final = {"cells": '(["{}"])', "agent": '[/"{}"/]', "factor": '("{}")'}
"""Cells are stadiums, agents are slanted, host factors and shares are round."""


def kind_of_state(state: State) -> str:
    """``cells``, ``agent`` or ``factor``."""
    if state.is_cells:
        return "cells"
    return "agent" if parse_unit(state.unit) == parse_unit("EC50") else "factor"


def _processes(network: Network) -> Iterator[tuple[Arrow, str]]:
    totals = {state.name: set(state.totals) for state in network.states}
    for process in network.processes:
        label = "" if process.kind.startswith(_QUIET) else process.kind.replace("_", " ")
        if process.leaves and process.enters:
            yield ("==>", process.leaves, process.enters), label
        target = process.enters or process.leaves
        assert target is not None
        named = parse(process.rate).names
        for source in _states_behind(network, process.rate):
            crowding = source not in named and totals[source] & totals[target]  # cells that share a site share its room
            if source not in (process.leaves, process.enters) and not crowding:
                yield ("-->" if process.enters else "--x", source, target), label


def _influences(network: Network) -> Iterator[tuple[Arrow, str]]:
    processes = {process.name: process for process in network.processes}
    for switch in network.switches.values():
        label = switch.influence.name.replace("_", " ")
        for source in _states_behind(network, switch.influence.factor):
            for target in switch.targets:
                for state in _touched(network, target, processes.get(target)):
                    if state != source:
                        yield ("-.->", source, state), label


def _touched(network: Network, target: str, process: Process | None) -> list[str]:
    """The states an influence acts on: those its process changes, or those its definition stands for."""
    if process is None:
        return _states_behind(network, next(item.formula for item in network.definitions if item.name == target))
    return [name for name in (process.enters or process.leaves,) if name is not None]


def _states_behind(network: Network, formula: str) -> list[str]:
    """The states that a formula reads, itself or through definitions, in the order of the network."""
    read = reached(parse(formula).names, {item.name: parse(item.formula).names for item in network.definitions})
    return [name for name in network.state_names if name in read]
