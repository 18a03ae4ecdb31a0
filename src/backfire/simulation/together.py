"""Members in arms, solved together: what the compiled kernel and reader of a scenario need, and what they find.

The batch solver fills its lanes with whatever members there are: arms, and tables of members, that have the same kernel are
solved in one go, which for some tens of members takes a third less time than one after the other. Nobody's numbers depend on
their company.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.model import branching
from backfire.outcomes import (
    FOUND,
    CompiledFeatures,
    Noting,
    Readable,
    ReadPlan,
    declared,
    parse_summary,
    read_plan,
    readable,
    reader,
)
from backfire.scenario import Scenario
from backfire.simulation.members import MemberTable, summed
from backfire.solvers import Floats, Status, batch
from backfire.solvers.batch import BatchSettings, Kernel, Members, aside, kernel_of

PORTION: Final = 512
"""Members that one thread takes at a time."""
_GOOD: Final = [status for status in Status if status.good]

Columns = dict[str, tuple[Floats, NDArray[np.bool_]]]
"""Outcome → (values, observed), each (members,)."""


def plan_of(scenario: Scenario, outcomes: Sequence[str] | None) -> ReadPlan:
    """What the kernel of a scenario must look at for these outcomes; kept, as small batches ask for it again and again."""
    return _planned(scenario, None if outcomes is None else tuple(outcomes))


@lru_cache(maxsize=256)
def _planned(scenario: Scenario, outcomes: tuple[str, ...] | None) -> ReadPlan:
    network = scenario.network
    summaries = [asked for name in outcomes or () if (asked := parse_summary(name))]
    one_by_one = any(declared(name).costly for name in outcomes or ())
    return read_plan(network.recorded, summaries, network.flows, branching(network) if one_by_one else None)


@lru_cache(maxsize=512)
def _needed(
    scenario: Scenario, arm: str, served: tuple[str, ...] | None, wanted: tuple[str, ...]
) -> tuple[ReadPlan, dict[str, Readable]]:
    """(plan, outcomes) for those of an arm that are ``wanted`` of a kernel which has ``served`` more; what they read is seen as
    they read it of an arm in which nothing was found."""
    plan = _planned(scenario, served)
    features: Any = Noting(blank(scenario, arm, plan))
    listed = readable(features, wanted)
    with np.errstate(all="ignore"):
        for item in listed.values():
            item.read(features)
    return plan.narrowed(features.noted), listed


def measured_in(scenario: Scenario, arms: Iterable[str]) -> tuple[str, ...]:
    """What a kernel must measure at visits: whatever rules look at but sums of states, which need no code of their own."""
    names = dict.fromkeys(part for arm in arms for rule in scenario.reacting(arm) for part in rule.parts)
    return tuple(name for name in names if not any(summed(scenario.network, name)))


def kernel_for(scenario: Scenario, arms: Iterable[str], watched: Sequence[str] = ()) -> Kernel:
    """The kernel of a scenario for what outcomes read, ``watched``, and rules measure in some arms; kept as long as the scenario
    is at work."""
    return _made_kernel(scenario, tuple(watched), measured_in(scenario, arms))


@lru_cache(maxsize=64)
def _made_kernel(scenario: Scenario, watched: tuple[str, ...], measured: tuple[str, ...]) -> Kernel:
    """The kernel of a scenario; where nothing is compiled yet, the integrator, the longest part, is compiled beside it."""
    with aside("backfire.solvers.batch.integrator", "_integrate", "integrator"):
        found = kernel_of(scenario.network, watched, measured)
        reader()
    return found


@dataclass(eq=False)
class ArmRun:
    """The sound members of a table in one arm: what the solver takes, and the outcomes ``wanted`` that are read of what it finds.

    The kernel may serve more outcomes, ``served``, None for all; call ``check_events`` of the table first.
    """

    table: MemberTable
    arm: str
    served: tuple[str, ...] | None
    wanted: tuple[str, ...]
    arms: Sequence[str]

    def __post_init__(self) -> None:
        table, scenario = self.table, self.table.scenario
        self.kernel = kernel_for(scenario, self.arms, plan_of(scenario, self.served).watched)
        self.sound = np.array([member for member in range(len(table)) if member not in table.reasons], dtype=np.int64)
        self.plan, self.outcomes = _needed(scenario, self.arm, self.served, self.wanted)
        by_rules = any(declared(name).each in ("agent", "treatment") for name in self.wanted)
        self.members = table.numbers(self.arm, self.sound, by_rules)
        self.watched, self.courses = table.watch(self.arm, self.sound, self.plan)
        self.width = self.plan.width(self.courses.shape[1])
        self.events = int(np.diff(self.members.event_rows, axis=1).max(initial=0))
        self.status = np.full(len(table), Status.NOT_RUN, dtype=np.int8)
        self.steps = np.zeros(len(table), dtype=np.int64)

    def padded(self, width: int) -> Floats:
        """The watch rows with room in front of the courses, which are the last of a row, whatever its width."""
        own, last = self.watched, self.courses.shape[1]
        room = np.full((len(own), width - own.shape[1]), math.nan)
        return np.hstack([own[:, : own.shape[1] - last], room, own[:, own.shape[1] - last :]])

    def read(self, found: Floats, ends: batch.Ends) -> Columns:
        """The outcomes of all members of the table from what was found of the sound ones; fills ``status`` and ``steps``."""
        table, sound = self.table, self.sound
        result = np.full((len(table), self.width), math.nan)
        result[sound], self.status[sound], self.steps[sound] = found[:, : self.width], ends.status, ends.steps
        decisions = self.members.visits.decided if self.members.visits else np.empty((len(sound), 0))
        if len(sound) < len(table):
            made, decisions = decisions, np.full((len(table), decisions.shape[1]), math.nan)
            decisions[sound] = made
        every = np.full((len(table), self.courses.shape[1]), math.nan)
        every[sound] = self.courses
        features, good = features_of(table, self.arm, self.plan, result, every, decisions), np.isin(self.status, _GOOD)
        given = {name: item for name, item in self.outcomes.items() if not item.course or item.course <= every.shape[1]}
        with np.errstate(all="ignore"):
            read_off = {name: item.read(features) for name, item in given.items()}
        return {name: (np.where(good, values, math.nan), seen & good) for name, (values, seen) in read_off.items()}


def solve(runs: Sequence[ArmRun], settings: BatchSettings | None = None, threads: int = 1) -> list[Columns]:
    """Solve members in arms, those of one kernel together, and read their outcomes; those on whose doses rules decide, alone."""
    groups: dict[int, list[ArmRun]] = {}
    for run in runs:
        groups.setdefault(id(run if run.members.visits else run.kernel.module), []).append(run)
    found: dict[int, Columns] = {}
    for group in groups.values():
        # the longest first, so that no lane is left with one of them while the others wait
        group.sort(key=lambda run: -run.events)
        width, room = max(run.width for run in group), max(run.watched.shape[1] for run in group)
        members = Members.joined([run.members for run in group])
        result, ends = _solved(group[0].kernel, members, np.vstack([run.padded(room) for run in group]), width, settings, threads)
        first = 0
        for run in group:
            part = slice(first, first + len(run.sound))
            found[id(run)] = run.read(result[part], ends[part])
            first += len(run.sound)
    return [found[id(run)] for run in runs]


def _solved(
    kernel: Kernel, members: Members, watched: Floats, width: int, settings: BatchSettings | None, threads: int
) -> tuple[Floats, batch.Ends]:
    """(result rows, ends) of members, portion by portion."""
    parts = [slice(at, at + PORTION) for at in range(0, max(1, len(members)), PORTION)]

    def portion(part: slice) -> tuple[Floats, batch.Ends]:
        return batch.read(kernel, members[part], watched[part], width, reader(), settings)

    if threads > 1 and len(parts) > 1:
        with ThreadPoolExecutor(threads) as pool:
            done = list(pool.map(portion, parts))
    else:
        done = [portion(part) for part in parts]
    return np.vstack([found for found, _ in done]), batch.Ends.joined([ends for _, ends in done])


def features_of(
    table: MemberTable, arm: str, read: ReadPlan, result: Floats, courses: Floats, decisions: Floats
) -> CompiledFeatures:
    """What the compiled reader found, with what the schedules of the members say, and what their rules decided."""
    scenario = table.scenario
    start = np.full(len(table), scenario.time_zero)
    own = table.per_schedule(lambda schedule: schedule.own(scenario, arm))
    surgery = table.per_schedule(lambda schedule: schedule.surgery(scenario, arm))
    died = result[:, FOUND.index("survival_at")]
    last = np.fmin(died, float(scenario.days))  # NaN where the host lives
    died = np.where(np.isnan(died), math.inf, died)
    regimens = [scenario.regimens[name] for name in scenario.arms[arm]]
    given = {item.agent: scenario.network.interventions[item.agent] for item in regimens}
    agents = sorted(agent for agent, item in given.items() if item.amount_unit)
    treatments = sorted(agent for agent, item in given.items() if item.amount_unit or item.switches)
    units = {agent: scenario.network.interventions[agent].amount_unit for agent in agents}
    days = (start, own, last, np.minimum(np.nextafter(surgery, -math.inf), last))
    courses = np.where(courses > last[:, None], math.nan, courses)
    return CompiledFeatures(read, result, courses, scenario.rules, days, units, treatments, table.dosing(arm, decisions, died))


def blank(scenario: Scenario, arm: str, read: ReadPlan) -> CompiledFeatures:
    """Features of one member in an arm of the unchanged scenario, of which nothing was found."""
    table = MemberTable(scenario, (), np.zeros((1, 0)))
    table.check_events([arm])
    _, courses = table.watch(arm, np.array([0]), read)
    nothing, width = np.full((1, 0), math.nan), read.width(courses.shape[1])
    return features_of(table, arm, read, np.full((1, width), math.nan), courses, nothing)
