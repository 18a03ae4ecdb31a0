"""Many members of one scenario at once: other values, other schedules, one row of outcomes per member and arm.

A *member* is the scenario with some of its *fields* changed: a parameter (``growth_rate``), a switch
(``stroma.protects_kill``), or a number of a regimen (``mitoxantrone.amount``; 0 means not given). Members never disturb
each other: one that cannot be built or solved carries its status and reason, and NaN outcomes.

The compiled batch solver does the work; the reference solver does the same, slowly, when its settings are given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import DocumentError, UserError, unknown
from backfire.outcomes import CATALOGUE, FOUND, HOST_LOAD, Readable, declared, parse_summary, readable, reader
from backfire.scenario import Scenario, chosen_arms, find_inputs, whole_numbers
from backfire.simulation.arms import simulate
from backfire.simulation.members import MemberTable
from backfire.simulation.rows import Cohort
from backfire.simulation.together import ArmRun, Columns, blank, kernel_for, measured_in, plan_of, solve
from backfire.solvers import Floats, Settings, Status, Trajectory, batch, generate
from backfire.solvers.batch import BatchSettings, is_compiled

_REASONS: Final = {
    Status.MAX_STEPS: "more steps than allowed",
    Status.STEP_TOO_SMALL: "no step is small enough",
    Status.NONFINITE: "a rate, a state or a constant is not finite",
    Status.NEGATIVE_STATE: "an amount became negative",
}


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

    ``samples`` (members, fields) holds the value of every field for every member; of a table that names its columns those of
    the fields are taken. ``arms`` default to all;
    ``outcomes`` to all outcomes that the arms have; ``peak(name)``, ``lowest``, ``final``, ``mean`` and ``area`` read
    anything recorded. ``Settings`` choose the reference solver. The numbers do not depend on ``threads``. A kernel is compiled
    for the outcomes that it serves: those of ``watch`` are not read, and one that serves many questions is compiled once.
    Raises UserError for names that do not exist, before anything runs.
    """
    samples = _in_order(fields, samples)
    if isinstance(settings, Settings):
        chosen = chosen_arms(scenario, arms)
        find_inputs(scenario.inputs, fields)
        names = outcome_names(scenario, chosen, outcomes)
        return _by_reference(scenario, fields, samples, chosen, names, settings)
    return run_blocks([Block(scenario, fields, samples, arms, outcomes, watch)], settings, threads)[0]


def _in_order(fields: Sequence[str], samples: Any) -> Floats:
    """Samples with their columns in the order of the fields; raises UserError for a column that is missing, or a masked value."""
    columns = getattr(samples, "columns", None)
    if columns is not None:
        for name in fields:
            if name not in columns:
                raise UserError(unknown("column of the samples", name, map(str, columns)))
        samples = samples[list(fields)]
    if np.ma.is_masked(samples):
        raise UserError("samples have masked values, and a member needs them all")
    return np.asarray(samples, dtype=float)


@dataclass(frozen=True, eq=False)
class Block:
    """Members of a scenario, and what is asked of them: the arguments of ``run_members``."""

    scenario: Scenario
    fields: Sequence[str]
    samples: Floats
    arms: Sequence[str] | None = None
    outcomes: Sequence[str] | None = None
    watch: Sequence[str] = ()


def run_blocks(blocks: Sequence[Block], settings: BatchSettings | None = None, threads: int = 1) -> list[Cohort]:
    """Each block as ``run_members`` would run it, all solved together: small ones share the lanes of the solver.

    Raises UserError for names that do not exist, before anything runs.
    """
    asked = [_asked(block) for block in blocks]
    solved = solve([run for runs in asked for run in runs], settings, threads)
    places = np.cumsum([0, *(len(runs) for runs in asked)])
    return [_cohort(block, runs, solved[at : at + len(runs)]) for block, runs, at in zip(blocks, asked, places, strict=False)]


def _asked(block: Block) -> list[ArmRun]:
    """The members of a block in every arm."""
    scenario, arms = block.scenario, chosen_arms(block.scenario, block.arms)
    find_inputs(scenario.inputs, block.fields)
    names = outcome_names(scenario, arms, block.outcomes)
    table = MemberTable(scenario, block.fields, np.asarray(block.samples, dtype=float))
    table.check_events(arms)
    served = None if block.outcomes is None else (*block.watch, *block.outcomes)
    return [ArmRun(table, arm, served, tuple(names[arm]), arms) for arm in arms]


def _cohort(block: Block, runs: Sequence[ArmRun], solved: Sequence[Columns]) -> Cohort:
    """What the members of a block came to; what an arm does not have (a fifth course) is NaN."""
    count = len(block.samples)
    status = np.array([run.status for run in runs], dtype=np.int8).reshape(len(runs), count).T
    steps = np.array([run.steps for run in runs], dtype=np.int64).reshape(len(runs), count).T
    reasons = {
        (int(member), runs[place].arm): runs[place].table.reasons.get(int(member))
        or _REASONS.get(Status(status[member, place]), "")
        for member, place in np.argwhere(status > Status.EXTINCT)
    }
    nothing = (np.full(count, math.nan), np.zeros(count, dtype=bool))
    pairs = [(run, columns) for run, columns in zip(runs, solved, strict=True)]
    values = {run.arm: {name: columns.get(name, nothing)[0] for name in run.wanted} for run, columns in pairs}
    observed = {run.arm: {name: columns.get(name, nothing)[1] for name in run.wanted} for run, columns in pairs}
    return Cohort(tuple(run.arm for run in runs), status, steps, values, observed, reasons)


def needs_compiling(scenario: Scenario, outcomes: Sequence[str] | None = None) -> bool:
    """True if the first run on this machine will compile (seconds, once), so that a caller can say so."""
    return not is_compiled(scenario.network, plan_of(scenario, outcomes).watched, measured_in(scenario, scenario.arms))


def arm_outcomes(scenario: Scenario, arm: str, wanted: Sequence[str] | None = None) -> dict[str, Readable]:
    """The outcomes that an arm of the unchanged scenario has, by name, or those ``wanted`` that it has."""
    costly = [item.name for item in CATALOGUE if item.costly]
    return readable(blank(scenario, arm, plan_of(scenario, costly)), wanted)


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
            asked.unit(scenario.network.recorded)
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
    kernel = kernel_for(scenario, [arm])
    states, ends = batch.record(kernel, members, np.asarray(days, dtype=float), settings)
    amounts = np.array([state.unit != "1" for state in scenario.network.states])
    out[sound] = np.where(amounts & (states < 0), 0.0, states)  # rounding
    status[sound] = ends.status
    if HOST_LOAD in scenario.network.observables:
        read = plan_of(scenario, None).narrowed(())
        watched, courses = table.watch(arm, sound, read)
        width, compiled = read.width(courses.shape[1]), kernel_for(scenario, [arm], read.watched)
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
        if name not in network.recorded:
            raise UserError(unknown("recorded value", name, network.recorded))
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
