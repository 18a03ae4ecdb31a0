"""Why something changes nothing, in one sentence that says where to look."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from backfire.formulas import parse
from backfire.model import Dependence, Switch, reads
from backfire.scenario import Scenario


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a row, the first so many of them."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


Looked = Mapping[str, Dependence]


class Reasons:
    """Where the way from a regimen or switch to the states of an arm ends.

    ``known`` is what ``dependences`` says of the arm, ``otherwise`` what it would say with an agent given too, or with a
    constant free: so what is named as missing has been tried.
    """

    def __init__(self, scenario: Scenario, arm: str, known: Looked, otherwise: Callable[[str], Looked]) -> None:
        self.scenario, self.network, self.arm, self.known, self.otherwise = scenario, scenario.network, arm, known, otherwise
        self.onwards = reads(self.network)
        self._sources = frozenset[str]().union(*(found.sources for found in known.values()))

    def of_regimen(self, name: str, instead: bool) -> str:
        """Why a regimen changes nothing; ``instead`` asks for what its agent could act on."""
        agent = self.scenario.regimens[name].agent
        touched = {item for item, found in self.known.items() if name in found.sources}
        if not touched:
            return "it leaves every state as it is"
        stops = self._stops(touched)
        if not stops:
            return self._unread(touched, agent)
        others = [item for item in self._open_like(stops[0]) if instead and self.known[item].value is None]
        nearest = sorted(others, key=lambda item: -SequenceMatcher(None, item, agent).ratio())
        return f"it acts on {self._still(stops[0])}" + (f"; {listed(nearest, 3)} does change there" if nearest else "")

    def of_switch(self, switch: Switch) -> str:
        """Why a switch changes nothing."""
        touched = {item for item, found in self.known.items() if switch.name in found.sources}
        stops = self._stops(touched)
        if stops == [switch.effect]:
            read = sorted(parse(switch.influence.factor).names - {*self.network.parameters})
            still = [name for name in read if self.known[name].value is not None]
            about = f", for it reads {self._still(still[0])}" if still else ""
            return f"its factor stays {self.known[switch.effect].value:g}{about}"
        return f"it acts on {self._still(stops[0])}" if stops else self._unread(touched, "")

    def _stops(self, touched: set[str]) -> list[str]:
        """The lines that read something touched and do not depend on it, first those that keep their value."""
        ends = [line.name for line in self.network.assignments if line.name not in touched and line.expression.names & touched]
        return sorted(ends, key=lambda name: self.known[name].value is None)

    def _still(self, name: str) -> str:
        """That something keeps its value, and what would move it: other agents, or constants that are 0."""
        called = {item.effect: f"the factor of {item.name}" for item in self.network.switches.values()}.get(name, name)
        if self.known[name].value is None:
            return f"{called}, where it is multiplied by what stays 0"
        zeros = {item: item for item, number in self.scenario.values.items() if number == 0}
        zeros |= {item.code: item.name for item in self.network.switches.values() if not self.scenario.switches[item.name]}
        given = {self.scenario.regimens[item].agent for item in self.scenario.arms[self.arm] if item in self._sources}
        agents = [item for item in self.network.interventions if item not in given and self._moves(item, name)]
        freed = [f"{said} = 0" for item, said in zeros.items() if self._moves(item, name)]
        if agents:
            why = f", for nothing given there changes it; {listed(agents, 3)} would"
        else:
            why = f" because of {listed(freed, 3)}" if freed else ", for nothing there changes it"
        return f"{called}, which stays {self.known[name].value:g}{why}"

    def _moves(self, item: str, name: str) -> bool:
        return self.otherwise(item)[name].value is None

    def _open_like(self, name: str) -> list[str]:
        """Other definitions that influences may act on, of the same unit, where that tells them apart."""
        unit = {item.name: item.unit for item in self.network.definitions}.get(name, "1")
        return [item.name for item in self.network.definitions if item.open and item.name != name and item.unit == unit != "1"]

    def _unread(self, touched: set[str], agent: str) -> str:
        """That the way ends where nothing reads on."""
        unmet = {
            name: switch.influence.on
            for switch in self.network.switches.values()
            if not switch.targets
            for name in parse(switch.influence.factor).names & {*touched}
        }
        if unmet:
            kinds = sorted(
                {
                    switch.influence.on
                    for switch in self.network.switches.values()
                    if not switch.targets and parse(switch.influence.factor).names & {*unmet}
                }
            )
            return f"it changes {listed(sorted(unmet), 3)}, which acts on {listed(kinds, 3)} only, which no mechanism here brings"
        ends = sorted(name for name in touched if not self.onwards.get(name))
        named = [*self._options(agent)]
        return f"nothing reads {listed(ends, 3)}" + (f"; agents are named in {listed(named, 5)}" if named else "")

    def _options(self, agent: str) -> Iterator[str]:
        """The options of mechanisms that name other agents than this one."""
        for label, mechanism in self.network.mechanisms.items():
            for item in dataclasses.fields(mechanism):  # type: ignore[arg-type]
                value = getattr(mechanism, item.name)
                names = [value] if isinstance(value, str) else [*value] if isinstance(value, tuple) else []
                if names and agent not in names and all(name in self.network.interventions for name in names):
                    yield f"{label}.{item.name} = {', '.join(names)}"
