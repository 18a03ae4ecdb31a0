"""What does nothing: regimens, agents and switches that change no state of an arm but their own level.

The network decides, with the values of the scenario and what else the arm is given (``dependences``): a blocker of
WNT16B is idle where nothing read by a process is reached, and where nothing given raises WNT16B. Simulation confirms it:
each arm is solved with and without, until a state differs; and it finds what structure cannot, such as a drug that comes
when its target is gone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from backfire.model import Dependence, Event, EventPlan, dependences, multiples, own_states
from backfire.outcomes import HOST_LOAD, ONE_CELL
from backfire.scenario import Scenario, chosen_arms
from backfire.simulation.arms import SAME, SAME_DAY, SETTLING, solved
from backfire.simulation.reasons import Reasons, listed
from backfire.solvers import Code, Settings, generate

LOOKS: Final = (3.0, 14.0)
"""Days after the first dose up to which an arm is solved with and without, before it is solved to its end."""
LONGEST: Final = 20.0
"""Seconds after which a course is given up, and what structure says stands."""
SMALLEST: Final = {"cell": 1e-3}
"""Differences below this are none, whatever they are a share of; for all other units 1e-9."""

_UNSEEN: Final = (
    f"it could by its structure, but with and without it no state differs by more than {SAME:g}; look at its amount, its days "
    "and what is left for it to act on"
)


@dataclass(frozen=True)
class Idle:
    """A part of a scenario that changes nothing, in some arms or at all.

    ``level`` is ``warning`` for what is most likely a mistake, ``note`` for what may well be meant: a blocker alone, an
    amount of 0, what ``expected_idle`` lists. ``name`` is a regimen, an agent or a switch; ``says`` is the sentence on it.
    """

    level: Literal["warning", "note"]
    name: str
    arms: tuple[str, ...]
    says: str

    def __str__(self) -> str:
        return f"{self.name} {self.says}"


def find_idle(scenario: Scenario, simulated: bool = False) -> list[Idle]:
    """Everything in a scenario that changes nothing, warnings first; empty if all of it does something.

    By structure alone it takes milliseconds. ``simulated`` solves every arm with and without each regimen and switch: what
    is said is then confirmed, what comes too late or is too little is found, and what ``expected_idle`` lists is held to it.
    """
    chosen_arms(scenario)
    found = [*_Search(scenario, simulated).findings()]
    return sorted(found, key=lambda item: item.level == "note")


class _Search:
    """One scenario; arms are looked at when they are first asked for."""

    def __init__(self, scenario: Scenario, simulated: bool) -> None:
        self.scenario, self.network, self.simulated = scenario, scenario.network, simulated
        self.expected = set(scenario.expected_idle)
        self.events = {name: self._events([name]) for name in scenario.regimens}
        self._looked: dict[tuple[str, str, tuple[str, ...]], dict[str, Dependence]] = {}

    def _events(self, regimens: Iterable[str]) -> tuple[Event, ...]:
        return self.scenario.plan(regimens).planned(self.scenario.values)

    def findings(self) -> Iterator[Idle]:
        scenario = self.scenario
        given = {regimen.agent for regimen in scenario.regimens.values()}
        for agent in self.network.interventions:
            if agent not in given:
                yield Idle("note", agent, (), "is given by no regimen" + self._expected(agent))
        for name in scenario.regimens:
            arms = tuple(arm for arm, regimens in scenario.arms.items() if name in regimens)
            if not arms:
                yield Idle(self._level(name), name, (), "is a regimen that no arm has")
            elif self._empty(name):
                yield Idle("note", name, arms, f"changes nothing in {listed(arms)}: its amount is 0, so nothing is in its doses")
            else:
                yield from self._regimen(name, arms)
        for name, value in scenario.switches.items():
            if value != 1:
                yield from self._switch(name)

    def _meant(self, name: str) -> bool:
        """True for what ``expected_idle`` lists, a regimen by its agent too."""
        agent = self.scenario.regimens[name].agent if name in self.scenario.regimens else name
        return not self.expected.isdisjoint((name, agent))

    def _level(self, name: str) -> Literal["warning", "note"]:
        return "note" if self._meant(name) else "warning"

    def _expected(self, name: str) -> str:
        return ", as expected" if self._meant(name) else ""

    def _empty(self, name: str) -> bool:
        regimen = self.scenario.regimens[name]
        return bool(self.network.interventions[regimen.agent].amount_unit) and regimen.amount == 0

    # What structure says.

    def looked(self, arm: str, switch: str = "", also: tuple[str, ...] = ()) -> dict[str, Dependence]:
        """Everything in an arm, and the regimens, or the switch, that it depends on; ``also`` are agents that are given too,
        and constants that are free."""
        if (arm, switch, also) not in self._looked:
            scenario, network = self.scenario, self.network
            constants = dict(zip(network.constant_names, scenario.constants(), strict=True))
            starts = dict(zip(network.state_names, scenario.start_state(), strict=True))
            gone = [state.name for state in network.states if state.dies_out and starts[state.name] < ONE_CELL]
            given = {name: self.events[name] for name in scenario.arms[arm]}
            varied = {network.switches[switch].code: switch} if switch else {}
            for name in also:
                if name in network.interventions:
                    item = network.interventions[name]
                    changed = {*item.adds, *item.multiplies, item.infuses, item.switches} - {None}
                    given[name] = tuple(Event(0.0, str(state), 0.5, 1.0) for state in changed)
                else:
                    varied[name] = name
            found = dependences(network, constants, starts | dict.fromkeys(gone, 0.0), given, varied)
            self._looked[arm, switch, also] = found
        return self._looked[arm, switch, also]

    def _reasons(self, arm: str, switch: str = "") -> Reasons:
        return Reasons(self.scenario, arm, self.looked(arm, switch), lambda also: self.looked(arm, switch, (also,)))

    def _own(self, name: str) -> set[str]:
        return own_states(self.network, self.network.interventions[self.scenario.regimens[name].agent])

    def changes(self, arm: str, name: str, also: tuple[str, ...] = ()) -> list[str]:
        """The states of an arm that a regimen or switch can change, besides the level of what is given."""
        switch = name if name in self.network.switches else ""
        known = self.looked(arm, switch, also)
        own = set() if switch else self._own(name)
        kept = [*self.network.state_names, *([HOST_LOAD] if HOST_LOAD in known else [])]
        return [state for state in kept if state not in own and name in known[state].sources]

    def _regimen(self, name: str, arms: tuple[str, ...]) -> Iterator[Idle]:
        idle = {arm: "" for arm in arms if not self.changes(arm, name)}
        if self.simulated:
            idle = {arm: why for arm in arms if (why := self._tried(arm, name, arm in idle)) is not None}
        active = [arm for arm in arms if arm not in idle]
        if active:
            yield from self._held(name, active)
        if not idle:
            yield from self._host_only(name, arms)
            return
        combined = [arm for arm in idle if self._combined(arm, name)]
        meant = self._meant(name) or (active and not combined) or any(self._turned_off(arm, name) for arm in combined)
        telling = max(combined or idle, key=lambda arm: len(self.scenario.arms[arm]))
        where = f"in {telling} " if len(idle) > 1 else ""
        why = where + (idle[telling] or self._reasons(telling).of_regimen(name, instead=not active))
        says = f"changes nothing in {listed([*idle])}{self._expected(name)}: {why}"
        yield Idle(
            "note" if meant else "warning", name, tuple(idle), says + (f"; it does act in {listed(active)}" if active else "")
        )

    def _held(self, name: str, active: list[str]) -> Iterator[Idle]:
        """What is expected to change nothing, and was seen to change something."""
        if self.simulated and self._meant(name):
            reason = f"changes {listed(self.changes(active[0], name), 3)} in {listed(active)}, though `expected_idle` lists it"
            yield Idle("warning", name, tuple(active), reason)

    def _combined(self, arm: str, name: str) -> bool:
        """True if an arm also has an agent of the reference arm, so that it is more than a blocker alone."""
        reference = self.scenario.arms[self.scenario.reference] if self.scenario.reference else ()
        agents = {self.scenario.regimens[item].agent for item in reference} - {self.scenario.regimens[name].agent}
        dosed = {agent for agent in agents if self.network.interventions[agent].amount_unit}
        return any(self.scenario.regimens[item].agent in dosed for item in self.scenario.arms[arm] if item != name)

    def _turned_off(self, arm: str, name: str) -> bool:
        """True if a regimen is idle only because what it needs has an amount or a switch of 0, as in an ablation."""
        off = [self.scenario.regimens[item].agent for item in self.scenario.arms[arm] if self._empty(item)]
        off += [item.code for item in self.network.switches.values() if self.scenario.switches[item.name] == 0]
        return bool(off and self.changes(arm, name, tuple(off)))

    def _host_only(self, name: str, arms: tuple[str, ...]) -> Iterator[Idle]:
        """What moves host factors, and nothing that carries on to the tumour."""
        cells = {state.name for state in self.network.states if state.is_cells or state.totals} | {HOST_LOAD}
        found = {state for arm in arms for state in self.changes(arm, name)}
        if cells & {*self.network.state_names} and not cells & found:
            yield Idle("note", name, arms, f"reaches no cells in {listed(arms)}: it changes {listed(sorted(found), 4)} only")

    def _switch(self, name: str) -> Iterator[Idle]:
        switch, arms = self.network.switches[name], tuple(self.scenario.arms)
        level, value = self._level(name), self.scenario.switches[name]
        if not switch.targets:
            says = f"= {value:g} changes nothing: it switches {switch.influence.on}, which no mechanism here brings"
            yield Idle(level, name, arms, says)
            return
        able = [arm for arm in arms if self.changes(arm, name)]
        seen = [arm for arm in able if not self.simulated or self._differs(arm, switch=name) is not False]
        if seen:
            yield from self._held(name, seen)
        if not able:
            telling = max(arms, key=lambda arm: len(self.scenario.arms[arm]))
            why = self._reasons(telling, name).of_switch(switch)
            yield Idle(level, name, arms, f"= {value:g} changes nothing in any arm: in {telling} {why}")
        elif not seen:
            yield Idle(level, name, arms, f"= {value:g} changes nothing in any arm: {_UNSEEN}")

    # What simulation says.

    def _tried(self, arm: str, name: str, idle: bool) -> str | None:
        """Why a regimen is idle in an arm, empty where structure knows; None if it is not."""
        if idle:
            return "" if self._confirmed[arm] or self._differs(arm, (name,)) is not True else None
        return _UNSEEN if self._differs(arm, (name,)) is False else None

    @cached_property
    def _confirmed(self) -> Mapping[str, bool]:
        """Whether an arm is the same without everything that structure calls idle in it."""
        idle = {arm: [item for item in given if not self.changes(arm, item)] for arm, given in self.scenario.arms.items()}
        return {arm: not names or self._differs(arm, names) is False for arm, names in idle.items()}

    @cached_property
    def _code(self) -> Code:
        return generate(self.network)

    def _differs(self, arm: str, without: Iterable[str] = (), switch: str = "") -> bool | None:
        """Whether an arm is another one without some regimens, or with a switch on; None where that cannot be solved."""
        other, left_out = self.scenario, {*without}
        if switch:
            other = dataclasses.replace(other, switches={**other.switches, switch: 1.0})
        given = [name for name in self.scenario.arms[arm] if name not in left_out]
        events, fewer = self.scenario.plan(self.scenario.arms[arm]), self.scenario.plan(given)
        first = min((event.time for name in left_out for event in self.events[name]), default=0.0)
        structure_sees = switch or any(self.changes(arm, name) for name in left_out)
        days = [first + look for look in LOOKS if first + look < self.scenario.days] if structure_sees else []
        own = set[str]().union(*(self._own(name) for name in left_out))
        for last in (*days, self.scenario.days):
            differs = self._differ_by(last, own, (self.scenario, events), (other, fewer))
            if differs is not False:
                return differs
        return False

    def _differ_by(self, last: float, own: set[str], *pair: tuple[Scenario, EventPlan]) -> bool | None:
        """Whether two courses differ up to a day, in anything but the level of what only one of them is given."""
        times = np.unique([day for _, plan in pair for day, _ in plan.rows[: plan.timeline] if day <= last])
        settled = (times[:, None] + np.array(SETTLING[::3])).ravel()
        record = np.unique([0.0, last, *multiples(1.0, last), *times, *settled[settled < last]])
        found = []
        for scenario, plan in pair:
            solution = solved(scenario, self._code, Settings(most_seconds=LONGEST), plan, record)
            if not solution.status.good:
                return None
            found.append(dict(zip(solution.times, solution.states, strict=True)))
        if abs(max(found[0]) - max(found[1])) > SAME_DAY:
            return True  # one host died
        common = [day for day in record if all(day in states for states in found)]
        one, two = (np.array([states[day] for day in common]) for states in found)
        compared = np.array([state.name not in own for state in self.network.states])
        least = np.array([SMALLEST.get(state.unit, 1e-9) for state in self.network.states])
        apart = np.abs(one - two) > least + SAME * np.maximum(np.abs(one), np.abs(two))
        return bool(apart[:, compared].any())
