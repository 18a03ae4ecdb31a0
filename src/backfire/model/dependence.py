"""What can depend on what, before anything is solved: which quantities keep one value, and what can move all others.

Structure alone says that a blocker of WNT16B reaches the tumour. Whether it can do so in one arm depends on what is given
there: where nothing raises WNT16B its excess is 0 throughout, and 0 times anything is 0. A quantity that nothing moves
keeps its first value; a state moves if an event changes it, if its first slope is not 0, or if something reaches it that
moves. What is found to keep its value does so exactly; what is found to move need not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from backfire.model.components import Intervention
from backfire.model.dosing import Event
from backfire.model.network import Network, reached

ROUNDED: Final = 1e-12
"""Flows that cancel but for this share of them are in balance."""


@dataclass(frozen=True)
class Dependence:
    """A quantity that keeps its ``value``, or (None) one that moves: of all that was asked about, at most by ``sources``."""

    value: float | None
    sources: frozenset[str] = frozenset()


def dependences(
    network: Network,
    constants: Mapping[str, float],
    starts: Mapping[str, float],
    given: Mapping[str, Iterable[Event]],
    varied: Mapping[str, str] | None = None,
) -> dict[str, Dependence]:
    """Everything that a trajectory records, and what it can depend on.

    ``constants`` are parameters and switches by code name, ``starts`` the first values of the states, ``given`` the events
    of every source. ``varied`` maps code names of constants to sources of their own: the question is then what they reach.
    """
    known = {name: Dependence(value) for name, value in {**constants, **starts}.items()}
    known |= {code: Dependence(None, frozenset((source,))) for code, source in (varied or {}).items()}
    for source, events in given.items():
        for event in events:
            kept = known[event.state]
            if kept.value is None or event.multiply * kept.value + event.add != kept.value:
                known[event.state] = Dependence(None, kept.sources | {source})
    while True:
        for line in network.assignments:
            found = line.expression.reduced(
                {name: item.value for name in line.expression.names if (item := known[name]).value is not None}
            )
            known[line.name] = _moved(known, found) if isinstance(found, frozenset) else _kept(found)
        moved = dict(_moving(network, known))
        if not moved:
            return known
        known |= moved


def _kept(value: float) -> Dependence:
    return Dependence(value if math.isfinite(value) else None)


def _moved(known: Mapping[str, Dependence], by: Iterable[str]) -> Dependence:
    return Dependence(None, frozenset[str]().union(*(known[name].sources for name in by)))


def _moving(network: Network, known: Mapping[str, Dependence]) -> Iterable[tuple[str, Dependence]]:
    """The states of which more is found than is known: that they move, or by what."""
    for state, terms in network.equations.items():
        flows = [(sign, known[name].value) for sign, name in terms]
        sums = [sign * value for sign, value in flows if value is not None]
        steady = len(sums) == len(flows) and abs(math.fsum(sums)) <= ROUNDED * math.fsum(map(abs, sums))
        found = Dependence(None, known[state].sources | _moved(known, (name for _, name in terms)).sources)
        if not steady and found != known[state]:
            yield state, found


def reads(network: Network) -> dict[str, list[str]]:
    """What every name leads to: the lines that read it, the states that a process changes; by structure alone."""
    onwards: dict[str, list[str]] = {}
    for line in network.assignments:
        for name in line.expression.names:
            onwards.setdefault(name, []).append(line.name)
    for process in network.processes:
        onwards.setdefault(process.name, []).extend(end for end in (process.leaves, process.enters) if end is not None)
    return onwards


def own_states(network: Network, intervention: Intervention) -> set[str]:
    """The states that are nothing but what is given: its level, the rate of its infusion, and where it goes from there."""
    put = {*intervention.adds, *(name for name in (intervention.infuses, intervention.switches) if name)}
    counted = {state.name for state in network.states if state.totals}
    return reached(put, network.feeds) - counted
