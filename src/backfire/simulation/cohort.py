"""Many members of one scenario at once: other values, other schedules, one row of outcomes per member and arm.

A *member* is the scenario with some of its *fields* changed: a parameter (``growth_rate``), a switch
(``stroma.protects_kill``), or a number of a regimen (``mitoxantrone.amount``; 0 means not given). Members never disturb
each other: one that cannot be built or solved carries its status and reason, and NaN outcomes.

The compiled batch solver does the work; the reference solver does the same, slowly, when its settings are given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import DocumentError, UserError, unknown
from backfire.model import branching
from backfire.outcomes import (
    CATALOGUE,
    FOUND,
    HOST_LOAD,
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
from backfire.scenario import Scenario, find_inputs, whole_numbers
from backfire.simulation.arms import simulate
from backfire.simulation.members import MemberTable
from backfire.simulation.rows import Cohort
from backfire.solvers import Floats, Settings, Status, Trajectory, batch, generate
from backfire.solvers.batch import BatchSettings, Kernel, aside, is_compiled, kernel_of

PORTION: Final = 512
"""Members that one thread takes at a time."""
_GOOD: Final = [status for status in Status if status.good]
_REASONS: Final = {
    Status.MAX_STEPS: "more steps than allowed",
    Status.STEP_TOO_SMALL: "no step is small enough",
    Status.NONFINITE: "a rate, a state or a constant is not finite",
    Status.NEGATIVE_STATE: "an amount became negative",
}

Columns = dict[str, tuple[Floats, NDArray[np.bool_]]]
"""Outcome → (values, observed), each (members,)."""


def run_members(
    scenario: Scenario,
    fields: Sequence[str],
    samples: Floats,
    arms: Sequence[str] | None = None,
    outcomes: Sequence[str] | None = None,
    settings: BatchSettings | Settings | None = None,
    threads: int = 1,
    watch: Sequence[str] = (),
) -> Cohort:
    """Simulate members of a scenario in its arms and read their outcomes.

    ``samples`` (members, fields) holds the value of every field for every member. ``arms`` default to all;
    ``outcomes`` to all outcomes that the arms have; ``peak(name)``, ``lowest``, ``final``, ``mean`` and ``area`` read
    anything recorded. ``Settings`` choose the reference solver. The numbers do not depend on ``threads``. A kernel is compiled
    for the outcomes that it serves: those of ``watch`` are not read, and one that serves many questions is compiled once.
    Raises UserError for names that do not exist, before anything runs.
    """
    chosen = _arms(scenario, arms)
    find_inputs(scenario.inputs, fields)
    names = outcome_names(scenario, chosen, outcomes)
    samples = np.asarray(samples, dtype=float)
    if isinstance(settings, Settings):
        return _by_reference(scenario, fields, samples, chosen, names, settings)
    table = MemberTable(scenario, fields, samples)
    served = None if outcomes is None else (*watch, *outcomes)
    compiled = _kernel(scenario, _looked_at(scenario, chosen, _plan(scenario, served).watched))
    table.check_events(chosen)
    status = np.full((len(table), len(chosen)), Status.NOT_RUN, dtype=np.int8)
    steps = np.zeros((len(table), len(chosen)), dtype=np.int64)
    columns: dict[str, Columns] = {}
    for place, arm in enumerate(chosen):
        read = _needed(scenario, arm, served, tuple(names[arm]))
        columns[arm] = _run_arm(table, arm, read, compiled, settings, threads, names[arm], status[:, place], steps[:, place])
    reasons = {
        (int(member), chosen[place]): table.reasons.get(int(member)) or _REASONS.get(Status(status[member, place]), "")
        for member, place in np.argwhere(status > Status.EXTINCT)
    }
    values, observed = _chosen(columns, names, len(table))
    return Cohort(tuple(chosen), status, steps, values, observed, reasons)


def _arms(scenario: Scenario, arms: Sequence[str] | None) -> list[str]:
    chosen = list(dict.fromkeys(arms)) if arms is not None else list(scenario.arms)
    for arm in chosen:
        if arm not in scenario.arms:
            raise UserError(unknown("arm", arm, scenario.arms))
    return chosen


def _chosen(
    columns: Mapping[str, Columns], names: Mapping[str, Sequence[str]], count: int
) -> tuple[dict[str, dict[str, Floats]], dict[str, dict[str, NDArray[np.bool_]]]]:
    """The asked-for columns; what an arm does not have (a fifth course) is NaN."""
    nothing = (np.full(count, math.nan), np.zeros(count, dtype=bool))
    values = {arm: {name: columns[arm].get(name, nothing)[0] for name in listed} for arm, listed in names.items()}
    observed = {arm: {name: columns[arm].get(name, nothing)[1] for name in listed} for arm, listed in names.items()}
    return values, observed


def _plan(scenario: Scenario, outcomes: Sequence[str] | None) -> ReadPlan:
    """What the kernel of a scenario must look at for these outcomes; kept, as small batches ask for it again and again."""
    return _planned(scenario, None if outcomes is None else tuple(outcomes))


@lru_cache(maxsize=256)
def _planned(scenario: Scenario, outcomes: tuple[str, ...] | None) -> ReadPlan:
    network, units = scenario.network, _recorded(scenario)
    summaries = [asked for name in outcomes or () if (asked := parse_summary(name))]
    one_by_one = any(declared(name).costly for name in outcomes or ())
    return read_plan(units, summaries, network.flows, branching(network) if one_by_one else None)


@lru_cache(maxsize=512)
def _needed(scenario: Scenario, arm: str, served: tuple[str, ...] | None, wanted: tuple[str, ...]) -> ReadPlan:
    """The plan for those outcomes of an arm that are ``wanted`` of a kernel which has ``served`` more; what they read is seen as
    they read it of an arm in which nothing was found."""
    plan = _planned(scenario, served)
    features: Any = Noting(_blank(scenario, arm, plan))
    with np.errstate(all="ignore"):
        for item in readable(features, wanted).values():
            item.read(features)
    return plan.narrowed(features.noted)


def _looked_at(scenario: Scenario, arms: Iterable[str], watched: Sequence[str] = ()) -> tuple[str, ...]:
    """What a kernel must look at: what outcomes read, then what rules measure."""
    return tuple(dict.fromkeys([*watched, *(rule.column for arm in arms for rule in scenario.reacting(arm))]))


def _recorded(scenario: Scenario) -> dict[str, str]:
    """Name → unit of everything recorded."""
    return {state.name: state.unit for state in scenario.network.states} | scenario.network.observables


def _kernel(scenario: Scenario, watched: Sequence[str]) -> Kernel:
    """The kernel of a scenario, kept as long as the scenario is at work."""
    return _made_kernel(scenario, tuple(watched))


@lru_cache(maxsize=64)
def _made_kernel(scenario: Scenario, watched: tuple[str, ...]) -> Kernel:
    """The kernel of a scenario; where nothing is compiled yet, the integrator, the longest part, is compiled beside it."""
    with aside("backfire.solvers.batch.integrator", "_integrate", "integrator"):
        found = kernel_of(scenario.network, watched)
        reader()
    return found


def needs_compiling(scenario: Scenario, outcomes: Sequence[str] | None = None) -> bool:
    """True if the first run on this machine will compile (seconds, once), so that a caller can say so."""
    return not is_compiled(scenario.network, _looked_at(scenario, scenario.arms, _plan(scenario, outcomes).watched))


def _run_arm(
    table: MemberTable, arm: str, read: ReadPlan, compiled: Kernel, settings: BatchSettings | None, threads: int,
    wanted: Sequence[str], status: NDArray[np.int8], steps: NDArray[np.int64],
) -> Columns:  # fmt: skip
    """Run the sound members in one arm; fills ``status`` and ``steps``."""
    sound = np.array([member for member in range(len(table)) if member not in table.reasons], dtype=np.int64)
    numbers = table.numbers(arm, sound, any(declared(name).each in ("agent", "treatment") for name in wanted))
    watched, courses = table.watch(arm, sound, read)
    width = read.width(courses.shape[1])
    portions = [slice(at, at + PORTION) for at in range(0, len(sound), PORTION)]

    def portion(part: slice) -> tuple[Floats, batch.Ends]:
        return batch.read(compiled, numbers[part], watched[part], width, reader(), settings)

    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            done = list(pool.map(portion, portions))
    else:
        done = [portion(part) for part in portions]
    result = np.full((len(table), width), math.nan)
    every = np.full((len(table), courses.shape[1]), math.nan)
    for part, (found, ends) in zip(portions, done, strict=True):
        rows = sound[part]
        result[rows], status[rows], steps[rows] = found, ends.status, ends.steps
    decisions = numbers.visits.decided if numbers.visits else np.empty((len(sound), 0))
    if len(sound) < len(table):
        made, decisions = decisions, np.full((len(table), decisions.shape[1]), math.nan)
        decisions[sound] = made
    every[sound] = courses
    features, good = _features(table, arm, read, result, every, decisions), np.isin(status, _GOOD)
    with np.errstate(all="ignore"):
        read_off = {name: item.read(features) for name, item in readable(features, wanted).items()}
    return {name: (np.where(good, values, math.nan), seen & good) for name, (values, seen) in read_off.items()}


def _features(
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


def arm_outcomes(scenario: Scenario, arm: str, wanted: Sequence[str] | None = None) -> dict[str, Readable]:
    """The outcomes that an arm of the unchanged scenario has, by name, or those ``wanted`` that it has."""
    costly = [item.name for item in CATALOGUE if item.costly]
    return readable(_blank(scenario, arm, _plan(scenario, costly)), wanted)


def _blank(scenario: Scenario, arm: str, read: ReadPlan) -> CompiledFeatures:
    """Features of one member in an arm of the unchanged scenario, of which nothing was found."""
    table = MemberTable(scenario, (), np.zeros((1, 0)))
    table.check_events([arm])
    _, courses = table.watch(arm, np.array([0]), read)
    nothing, width = np.full((1, 0), math.nan), read.width(courses.shape[1])
    return _features(table, arm, read, np.full((1, width), math.nan), courses, nothing)


@lru_cache(maxsize=64)
def _outcome_names(scenario: Scenario, arm: str) -> tuple[str, ...]:
    """What ``arm_outcomes`` has, kept because small batches of members ask for it again and again."""
    return tuple(arm_outcomes(scenario, arm))


def outcome_names(
    scenario: Scenario, arms: Sequence[str], wanted: Sequence[str] | None, costly: bool = False
) -> dict[str, list[str]]:
    """Arm → names of the outcomes to read; all that the arm of the unchanged scenario has if ``wanted`` is None, ``costly``
    ones, which are read where they are asked for, only if told so.

    Raises UserError for an outcome that no arm has, and for a summary of something not recorded.
    """
    has = {arm: _outcome_names(scenario, arm) for arm in arms}
    if wanted is None:
        return {arm: [name for name in found if costly or not declared(name).costly] for arm, found in has.items()}
    every = list(dict.fromkeys(name for found in has.values() for name in found))
    for name in wanted:
        asked = parse_summary(name)
        if asked:
            asked.unit(_recorded(scenario))
        if not asked and name not in every:
            raise UserError(unknown("outcome", name, [*every, *(f"{kind}(…)" for kind in ("peak", "final", "mean"))]))
    return {arm: [name for name in wanted if parse_summary(name) or name in has[arm]] for arm in arms}


def trajectories(
    scenario: Scenario, fields: Sequence[str], samples: Floats, arm: str, days: Floats, settings: BatchSettings | None = None
) -> tuple[Floats, NDArray[np.int8]]:
    """(states (members, days, states), status (members,)) of the batch solver at chosen days; NaN after a failure and after the
    death of the host."""
    table = MemberTable(scenario, fields, np.asarray(samples, dtype=float))
    table.check_events([arm])
    sound = np.array([member for member in range(len(table)) if member not in table.reasons], dtype=np.int64)
    out = np.full((len(table), len(days), len(scenario.network.states)), math.nan)
    status = np.full(len(table), Status.NOT_RUN, dtype=np.int8)
    members = table.numbers(arm, sound)
    kernel = _kernel(scenario, _looked_at(scenario, [arm]))
    states, ends = batch.record(kernel, members, np.asarray(days, dtype=float), settings)
    amounts = np.array([state.unit != "1" for state in scenario.network.states])
    out[sound] = np.where(amounts & (states < 0), 0.0, states)  # rounding
    status[sound] = ends.status
    if HOST_LOAD in scenario.network.observables:
        read = _plan(scenario, None).narrowed(())
        watched, courses = table.watch(arm, sound, read)
        width, compiled = read.width(courses.shape[1]), _kernel(scenario, _looked_at(scenario, [arm], read.watched))
        found, _ = batch.read(compiled, members, watched, width, reader(), settings)
        died = np.full(len(table), math.nan)
        died[sound] = found[:, FOUND.index("survival_at")]
        out[np.asarray(days) > died[:, None]] = math.nan
    return out, status


def courses(
    scenario: Scenario, fields: Sequence[str], samples: Floats, arm: str, days: Floats, names: Sequence[str]
) -> dict[str, Floats]:
    """Recorded values by name, each (members, days), of the batch solver; NaN after a failure and after the death of the host.

    Raises UserError for a name that is not recorded.
    """
    network = scenario.network
    for name in names:
        if name not in _recorded(scenario):
            raise UserError(unknown("recorded value", name, _recorded(scenario)))
    states, _ = trajectories(scenario, fields, samples, arm, days)
    constants = MemberTable(scenario, fields, np.asarray(samples, dtype=float)).constants
    of_states = [*np.moveaxis(states, 2, 0)]
    with np.errstate(all="ignore"):
        observed = generate(network).observe(of_states, [column[:, None] for column in constants.T])
    found = dict(zip(network.observables, observed, strict=True)) | dict(zip(network.state_names, of_states, strict=True))
    nothing = np.isnan(states[..., 0])
    return {name: np.where(nothing, math.nan, np.broadcast_to(found[name], nothing.shape)) for name in names}


def _by_reference(
    scenario: Scenario, fields: Sequence[str], samples: Floats, arms: Sequence[str],
    names: Mapping[str, Sequence[str]], settings: Settings,
) -> Cohort:  # fmt: skip
    """The same with the reference solver, member by member."""
    count = len(samples)
    status = np.full((count, len(arms)), Status.NOT_RUN, dtype=np.int8)
    steps = np.zeros((count, len(arms)), dtype=np.int64)
    values = {arm: {name: np.full(count, math.nan) for name in names[arm]} for arm in arms}
    observed = {arm: {name: np.zeros(count, dtype=bool) for name in names[arm]} for arm in arms}
    reasons: dict[tuple[int, str], str] = {}
    for member in range(count):
        changes = {name: float(value) for name, value in zip(fields, samples[member], strict=True)}
        try:
            result = simulate(scenario.changed(whole_numbers(scenario.inputs, changes)) if changes else scenario, arms, settings)
        except UserError as error:
            problems = [problem.message for problem in error.problems] if isinstance(error, DocumentError) else [str(error)]
            reasons |= {(member, arm): "; ".join(problems) for arm in arms}
            continue
        for column, arm in enumerate(arms):
            trajectory: Trajectory = result.trajectories[arm]
            status[member, column], steps[member, column] = trajectory.status, trajectory.evaluations
            if not trajectory.status.good:
                reasons[member, arm] = trajectory.message
                continue
            for name in names[arm]:
                if item := result.outcome(arm, name):
                    values[arm][name][member], observed[arm][name][member] = item.value, item.observed
    return Cohort(tuple(arms), status, steps, values, observed, reasons)
