"""Who acts on whom: a network as a Mermaid flowchart, which GitHub and many editors draw.

States are the nodes. An arrow goes from what a rate reads to what it changes, through all definitions in between;
a cross ends what takes away, a thick arrow moves cells from one state to another, a dotted one is an influence.
"""

from __future__ import annotations

from collections.abc import Iterator

from backfire.formulas import parse, parse_unit
from backfire.model import Network, Process, State, reached

_QUIET = "host_"
"""Kinds of processes that begin so only renew a level: an arrow says as much as their name."""
_Edge = tuple[str, str, str]
"""Arrow, from, to."""


def mermaid(network: Network) -> str:
    """The flowchart of a network; equal text for equal networks."""
    codes = {state.name: f"s{number}" for number, state in enumerate(network.states)}
    drawn: dict[_Edge, list[str]] = {}
    for edge, label in (*_processes(network), *_influences(network)):
        labels = drawn.setdefault(edge, [])
        if label and label not in labels:
            labels.append(label)
    lines = ["flowchart LR"]
    lines += [f"    {codes[state.name]}{_shape(state)}" for state in network.states]
    for (arrow, source, target), labels in drawn.items():
        text = f'|"{", ".join(labels)}"|' if labels else ""
        lines.append(f"    {codes[source]} {arrow}{text} {codes[target]}")
    return "\n".join(lines)


def _shape(state: State) -> str:
    """Cells are stadiums, agents are slanted, host factors and shares are round."""
    name = state.name.replace("_", " ")
    if state.is_cells:
        return f'(["{name}"])'
    return f'[/"{name}"/]' if parse_unit(state.unit) == parse_unit("EC50") else f'("{name}")'


def _processes(network: Network) -> Iterator[tuple[_Edge, str]]:
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


def _influences(network: Network) -> Iterator[tuple[_Edge, str]]:
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
