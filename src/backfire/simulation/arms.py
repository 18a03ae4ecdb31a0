"""Run the arms of a scenario side by side and read off their outcomes."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from backfire.errors import UserError, unknown
from backfire.formatting import with_unit
from backfire.formulas import parse
from backfire.model import CAUTION, Administered, Dose, Event, EventPlan, Network, branching, multiples, noticed
from backfire.notebook import curves, shown
from backfire.outcomes import HOST_LOAD, ROUNDED, Lineages, Outcome, Watch, declared, outcomes, ranked
from backfire.scenario import Scenario, chosen_arms
from backfire.solvers import (
    Code,
    Controls,
    Floats,
    InitialValueProblem,
    Settings,
    Solution,
    Status,
    Steps,
    Trajectory,
    generate,
    solve,
)

if TYPE_CHECKING:
    import pandas

SETTLING: Final = (
    *(0.25 * 0.75**power for power in range(9, -1, -1)),
    *(0.25 * 2 ** (power / 3) for power in range(1, 7)),
    *(1 + quarter / 4 for quarter in range(1, 7)),
)
"""Days after every event, until the next one, at which values are recorded too (1/53 to 2.5): answers to a dose are fast.

The time since the event grows by a third from row to row, from a quarter of a day on by a quarter, then by a quarter of
a day, so that lines through the rows bend as the courses do, even of factors that turn over a hundred times a day.
"""
SAME: Final = 1e-6
"""Outcomes whose ratio differs from 1 by less than this are the same: the solver resolves no more of them."""
SAME_DAY: Final = 1e-4
"""Times that differ by less than this, in days, are the same: a course is flat around its extremes, which blurs their day."""
CLOSEST: Final = 1e-9
"""Recorded days are at least this far apart, events aside."""


@dataclass(frozen=True)
class Contrast:
    """An outcome of one arm against that of another; ``bound`` is ``>`` or ``<`` where it is at least or at most that."""

    value: float
    bound: str = ""


@dataclass(frozen=True, eq=False)
class Result:
    """What ``simulate`` gives: one trajectory per arm, and everything computed from them."""

    scenario: Scenario
    trajectories: Mapping[str, Trajectory]
    settings: Settings = field(default_factory=Settings)
    _read: dict[str, dict[str, Outcome]] = field(default_factory=dict, init=False, repr=False)

    def __repr__(self) -> str:
        """One line: of what, and how every arm ended."""
        ends = ", ".join(f"{arm} {trajectory.status.word}" for arm, trajectory in self.trajectories.items())
        return f"<Result of {self.scenario.name} {self.scenario.hash}: {ends}>"

    def _repr_html_(self) -> str:
        """In a notebook: the burden of the arms, and the outcomes that tell most."""
        arms = [*self.trajectories]
        named = [item.name for item in ranked("page") if any(item.name in found for found in self.outcomes.values())]
        units = {name: next(found[name].unit for found in self.outcomes.values() if name in found) for name in named}
        rows = [
            (
                declared(name).label(name, units[name]),
                *(found[name].text if name in found else "–" for found in self.outcomes.values()),
            )
            for name in named
        ]
        return shown(self.scenario.title, ("outcome", *arms), rows, f"{CAUTION.capitalize()} · {self!r:.200}", self._drawn())

    def _drawn(self) -> str:
        """The burden of the arms as curves; nothing where the model has none."""
        lines = {
            arm: [*zip(item.times.tolist(), item["burden"].tolist(), strict=True)]
            for arm, item in self.trajectories.items()
            if "burden" in item
        }
        if not lines:
            return ""
        some = next(iter(self.trajectories.values()))
        unit = some.units[some.names.index("burden")]
        return curves(lines, self.scenario.days, with_unit("tumour burden", unit), 0.5 if unit == "cell" else 1e-12)

    @property
    def ok(self) -> bool:
        """True if every arm ended well."""
        return all(trajectory.status.good for trajectory in self.trajectories.values())

    @cached_property
    def outcomes(self) -> dict[str, dict[str, Outcome]]:
        """Arm → name → outcome, computed from the steps of the solver."""
        return {arm: outcomes(trajectory, self._watch(arm)) for arm, trajectory in self.trajectories.items()}

    def _watch(self, arm: str) -> Watch:
        return dataclasses.replace(watch(self.scenario, arm), given=self.given(arm))

    def given(self, arm: str) -> tuple[Dose, ...]:
        """The doses that an arm was given while its host lived, sorted by time: the planned ones, or what its rules made of
        them; nothing from the moment of its death on."""
        doses = itertools.chain(*self.administered(arm).values())
        return tuple(sorted(doses, key=lambda dose: (dose.time, dose.agent)))

    def administered(self, arm: str) -> dict[str, list[Dose]]:
        """The same by the name of the regimen."""
        names, decisions, died = self.scenario.arms[arm], self.trajectories[arm].decisions, self.death(arm)
        if decisions is None:
            every = {name: [*self.scenario.regimens[name].doses()] for name in names}
        else:
            found = Administered(self.scenario.plan(names))
            every = {name: [*found.doses(place, decisions)] for place, name in enumerate(names)}
        last = math.inf if died is None else died
        return {name: [dose.until(last) for dose in doses if dose.time < last] for name, doses in every.items()}

    def outcome(self, arm: str, name: str) -> Outcome | None:
        """One outcome of an arm, without computing those that are not asked for; None if the arm has none of this name.

        Raises UserError for an arm that was not run.
        """
        if arm not in self.trajectories:
            raise UserError(unknown("arm", arm, self.trajectories))
        known = self._read.setdefault(arm, {})
        if name not in known:
            known |= outcomes(self.trajectories[arm], self._watch(arm), [name])
        return known.get(name)

    def outcome_rows(self) -> list[dict[str, object]]:
        """One row per arm and outcome: value, unit, observed, and the change against untreated and reference.

        Changes are ratios, for days differences; None where there is nothing to compare with. Where one of two times was
        not reached, the difference is at least (``>``) or at most (``<``) what stands there.
        """
        rows: list[dict[str, object]] = []
        for arm, found in self.outcomes.items():
            for name, item in found.items():
                row: dict[str, object] = {
                    "arm": arm, "outcome": name, "value": item.value, "unit": item.unit, "observed": item.observed,
                }  # fmt: skip
                for title, other in (("untreated", self.scenario.untreated), ("reference", self.scenario.reference)):
                    change = self.change(name, arm, other)
                    row[f"against_{title}"] = change.value if change else None
                    row[f"against_{title}_bound"] = change.bound if change else ""
                row["compared_as"] = "difference" if item.unit == "day" else "ratio"
                row["status"] = self.trajectories[arm].status.word
                rows.append(row)
        return rows

    def death(self, arm: str) -> float | None:
        """The day on which the host of an arm dies, which ends the arm; None if it lives."""
        trajectory = self.trajectories[arm]
        died = HOST_LOAD in trajectory and bool(trajectory[HOST_LOAD][-1] >= 1 - ROUNDED)
        return float(trajectory.times[-1]) if died else None

    def change(self, name: str, arm: str, other: str | None) -> Contrast | None:
        """Outcome ``name`` of ``arm`` against that of ``other``: difference for days, else ratio; None if undefined.

        What the solver does not resolve is no difference: 0 for days, 1 for ratios. Against a time that was not reached
        there is only a bound. What is read at the end of an arm is not compared where one of the hosts died earlier.
        """
        if other is None or other == arm or name not in self.outcomes.get(other, {}):
            return None
        mine, theirs = self.outcomes[arm][name], self.outcomes[other][name]
        if not math.isfinite(mine.value - theirs.value) or not (mine.observed or theirs.observed):
            return None
        ends = [float(self.trajectories[one].times[-1]) for one in (arm, other)]
        if declared(name).to_end and abs(ends[0] - ends[1]) > SAME_DAY:
            return None
        if mine.unit == "day":
            difference = mine.value - theirs.value
            bound = ">" if not mine.observed else "<" if not theirs.observed else ""
            return Contrast(difference if abs(difference) > SAME_DAY else 0.0, bound)
        if theirs.value == 0:
            return None
        ratio = mine.value / theirs.value
        return Contrast(ratio if abs(ratio - 1) > SAME else 1.0)

    def table(self) -> pandas.DataFrame:
        """``outcome_rows`` as a DataFrame."""
        import pandas

        return pandas.DataFrame(self.outcome_rows())

    def frame(self) -> pandas.DataFrame:
        """All trajectories as a tidy DataFrame: arm, day, name, value, unit."""
        import pandas

        pieces = []
        for arm, trajectory in self.trajectories.items():
            count, width = trajectory.values.shape
            pieces.append(
                pandas.DataFrame(
                    {
                        "arm": np.repeat(arm, count * width),
                        "day": np.tile(trajectory.times, width),
                        "name": np.repeat(trajectory.names, count),
                        "value": trajectory.values.T.ravel(),
                        "unit": np.repeat(trajectory.units, count),
                    }
                )
            )
        return pandas.concat(pieces, ignore_index=True)


def simulate(
    scenario: Scenario,
    arms: Iterable[str] | None = None,
    settings: Settings | None = None,
    progress: Callable[[str], None] | None = None,
) -> Result:
    """Simulate the arms of a scenario (all, or those named) with the reference solver.

    ``progress`` is called with the name of each arm before it runs. A failing arm carries its status; it does not
    raise. Raises UserError for arms that do not exist.
    """
    chosen = chosen_arms(scenario, arms)
    used = settings or Settings()
    code = generate(scenario.network)
    trajectories = {}
    for arm in chosen:
        if progress is not None:
            progress(arm)
        plan = scenario.plan(scenario.arms[arm])
        record = record_days(scenario.days, scenario.record_every, plan.planned(scenario.values))
        solution = solved(scenario, code, used, plan, record)
        trajectories[arm] = observed(scenario.network, code, scenario.constants(), arm, solution)
        if plan.rules:
            made = np.append(solution.decisions, np.full(len(plan.visits) - len(solution.decisions), math.nan))
            trajectories[arm] = dataclasses.replace(trajectories[arm], decisions=made)
    return Result(scenario, trajectories, used)


def record_days(days: float, every: float, events: Iterable[Event]) -> Floats:
    """The days to record: a grid of step ``every``, both ends, and moments after and just before every event.

    They are for tables and figures: no outcome depends on them. The last step before every event is halved, so that a
    figure shows how a course meets it.
    """
    grid = np.array(multiples(every, days))
    doses = np.unique([event.time for event in events]).astype(float)
    ends = np.append(doses, days)
    settling = doses[:, None] + np.array(SETTLING)
    fixed = np.unique([0.0, *ends])
    rows = np.unique(np.concatenate([grid, fixed, settling[settling < ends[1:, None]]]))
    ends = ends[ends > CLOSEST]
    halved = (rows[np.searchsorted(rows, ends - CLOSEST) - 1] + ends) / 2
    wanted = np.unique(np.concatenate([rows, halved]))
    near = np.searchsorted(fixed, wanted).clip(1, len(fixed) - 1)
    apart = np.minimum(np.abs(wanted - fixed[near - 1]), np.abs(wanted - fixed[near])) > CLOSEST
    apart[1:] &= np.diff(wanted) > CLOSEST
    return np.unique([0.0, days, *wanted[apart]])


def solved(scenario: Scenario, code: Code, settings: Settings, plan: EventPlan, record: Floats) -> Solution:
    """The states of a scenario where some regimens are given, at the days to record."""
    network, rows, last = scenario.network, plan.events(scenario.values), record[-1]
    problem = InitialValueProblem(
        code=code,
        state_names=network.state_names,
        start=np.array(scenario.start_state()),
        constants=np.array(scenario.constants()),
        events=[event for event in rows[: plan.timeline] if event.time <= last],
        record=record,
        cells=[state.dies_out for state in network.states],
        feeds=feeds(network),
        amounts=[state.unit != "1" for state in network.states],
        load=_host_load(scenario, code),
        controls=_controls(scenario, code, plan, rows) if plan.rules else None,
    )
    return solve(problem, settings)


def _controls(scenario: Scenario, code: Code, plan: EventPlan, rows: Sequence[Event]) -> Controls:
    """The rules of a plan as the solver takes them."""
    recorded, constants = scenario.network.recorded, scenario.constants()
    places = {name: place for place, name in enumerate(recorded)}
    looks = [[*zip((places[part] for part in rule.parts), rule.floors(recorded), strict=True)] for rule in plan.rules.values()]

    def measure(state: Sequence[float]) -> list[float]:
        every = [*state, *(float(value) for value in code.observe_one(state, constants))]
        seen = [[noticed(every[place], floor) for place, floor in look] for look in looks]
        return [above if not below else above / below[0] if below[0] else math.nan for above, *below in seen]

    numbers = np.array([rule.numbers() for rule in plan.rules.values()])
    return Controls(numbers, plan.uses, plan.visits, rows, measure)


def _host_load(scenario: Scenario, code: Code) -> Callable[[Sequence[float]], float] | None:
    """What the host bears, as a function of the states; None where no mechanism says what kills it."""
    names, constants = [*scenario.network.observables], scenario.constants()
    if HOST_LOAD not in names:
        return None
    place = names.index(HOST_LOAD)
    return lambda state: float(code.observe_one(state, constants)[place])


def observed(network: Network, code: Code, constants: list[float], arm: str, solution: Solution) -> Trajectory:
    """A solution as a trajectory, with every observable computed from its states."""
    names = (*network.state_names, *network.observables)
    units = (*(state.unit for state in network.states), *network.observables.values())
    values = _columns(code, constants, np.array(solution.states))
    times, steps = np.array(solution.times), observed_steps(code, constants, solution.steps())
    message = solution.message
    if solution.status is Status.NONFINITE:
        message += _undefined(network, times, dict(zip(names, values.T, strict=True)))
    return Trajectory(arm, times, names, units, values, solution.status, message, solution.evaluations, steps)


def _undefined(network: Network, times: Floats, values: Mapping[str, Floats]) -> str:
    """The processes that have no finite rate where all states still have a value: their formulas, the day and what they read."""
    known = np.flatnonzero(np.isfinite([values[name] for name in network.state_names]).all(axis=0))
    lost = [item for item in network.processes if len(known) and not math.isfinite(values[item.name][known[-1]])]
    told = []
    for item in lost:
        read = [f"{name} = {values[name][known[-1]]:.4g}" for name in sorted(parse(item.rate).names) if name in values]
        told.append(f"process {item.name}, {item.rate}, is not finite on day {times[known[-1]]:.6g} with {', '.join(read)}")
    return "".join(f"; {text}" for text in told)


def observed_steps(code: Code, constants: list[float], steps: Steps) -> Steps:
    """Steps of states with every observable beside them."""
    count, nodes, states = steps.values.shape
    whole = _columns(code, constants, steps.values.reshape(-1, states))
    return dataclasses.replace(steps, values=whole.reshape(count, nodes, whole.shape[1]))


def _columns(code: Code, constants: list[float], states: Floats) -> Floats:
    """States (r, n) with all observables (r, m)."""
    with np.errstate(all="ignore"):
        extra = code.observe([*states.T], constants)
    return np.column_stack([states, *(np.broadcast_to(column, len(states)) for column in extra)])


def feeds(network: Network) -> dict[int, frozenset[int]]:
    """``Network.feeds`` by the numbers of the states, as solvers want it."""
    index = {name: number for number, name in enumerate(network.state_names)}
    return {index[name]: frozenset(index[end] for end in ends) for name, ends in network.feeds.items()}


@lru_cache(maxsize=64)
def course_agents(scenario: Scenario) -> frozenset[str]:
    """The agents whose doses make the courses: those of the reference arm, if the file names it, and all that kill."""
    network, named = scenario.network, scenario.reference and not scenario.reference_rule
    reference = scenario.doses(scenario.reference or "") if named else ()
    return frozenset(dose.agent for dose in reference if network.interventions[dose.agent].amount_unit) | network.killers


def watch(scenario: Scenario, arm: str) -> Watch:
    """How an arm is judged: its doses, the courses, the common clock and its own first intervention."""
    doses, network = scenario.doses(arm), scenario.network
    return Watch(
        doses=doses,
        course_agents=course_agents(scenario),
        start=scenario.time_zero,
        surgery=min((dose.time for dose in doses if network.resects(dose.agent)), default=None),
        own=scenario.first_intervention(arm),
        units={name: item.amount_unit for name, item in network.interventions.items()},
        flows=network.flows,
        rules=scenario.rules,
        cells=Lineages(
            branching(network),
            dict(zip(network.state_names, scenario.start_state(), strict=True)),
            scenario.events(arm),
            dict(zip(network.constant_names, scenario.constants(), strict=True)),
        ),
    )
