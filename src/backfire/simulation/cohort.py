"""Many members of one scenario at once: other values, other schedules, one row of outcomes per member and arm.

A *member* is the scenario with some of its *fields* changed: a parameter (``growth_rate``), a switch
(``stroma.protects_kill``), or a number of a regimen (``mitoxantrone.amount``; 0 means not given). Members never disturb
each other: one that cannot be built or solved carries its status and reason, and NaN outcomes.

The compiled batch solver does the work; the reference solver does the same, slowly, when its settings are given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import DocumentError, UserError, unknown
from backfire.outcomes import FOUND, Plan, plan, reader, summary
from backfire.scenario import Scenario, find_inputs, whole_numbers
from backfire.simulation.arms import Result, simulate, watch
from backfire.simulation.members import Table
from backfire.simulation.rows import Cohort
from backfire.solvers import Floats, Settings, Status, Trajectory, batch
from backfire.solvers.batch import BatchSettings, Kernel, aside, is_compiled, kernel_of

SUMMARY: Final = re.compile(r"(peak|lowest|final|mean|area)\(([a-z0-9_.]+)\)")
"""Outcomes of anything recorded: ``peak(hibernating)``, ``mean(stroma.protects_kill)``."""
PORTION: Final = 512
"""Members that one thread takes at a time."""
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
) -> Cohort:
    """Simulate members of a scenario in its arms and read their outcomes.

    ``samples`` (members, fields) holds the value of every field for every member. ``arms`` default to all;
    ``outcomes`` to all outcomes that the arms have; ``peak(name)``, ``lowest``, ``final``, ``mean`` and ``area`` read
    anything recorded. ``Settings`` choose the reference solver. The numbers do not depend on ``threads``.
    Raises UserError for names that do not exist, before anything runs.
    """
    chosen = _arms(scenario, arms)
    find_inputs(scenario.inputs, fields)
    names = outcome_names(scenario, chosen, outcomes)
    samples = np.asarray(samples, dtype=float)
    if isinstance(settings, Settings):
        return _by_reference(scenario, fields, samples, chosen, names, settings)
    table = Table(scenario, fields, samples)
    read = _plan(scenario, outcomes)
    compiled = _kernel(scenario, read.watched)
    table.check_events(chosen)
    status = np.full((len(table), len(chosen)), Status.NOT_RUN, dtype=np.int8)
    steps = np.zeros((len(table), len(chosen)), dtype=np.int64)
    columns: dict[str, Columns] = {}
    for place, arm in enumerate(chosen):
        columns[arm] = _run_arm(table, arm, read, compiled, settings, threads, status[:, place], steps[:, place])
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


def _plan(scenario: Scenario, outcomes: Sequence[str] | None) -> Plan:
    """What the kernel of a scenario must look at for these outcomes."""
    network = scenario.network
    units = {state.name: state.unit for state in network.states} | network.observables
    summaries = [(match[1], match[2]) for name in outcomes or () if (match := SUMMARY.fullmatch(name))]
    return plan(units, summaries)


def _kernel(scenario: Scenario, watched: Sequence[str]) -> Kernel:
    """The kernel of a scenario; where nothing is compiled yet, the integrator, the longest part, is compiled beside it."""
    with aside("backfire.solvers.batch.integrator", "_integrate", "integrator"):
        found = kernel_of(scenario.network, watched)
        reader()
    return found


def needs_compiling(scenario: Scenario, outcomes: Sequence[str] | None = None) -> bool:
    """True if the first run on this machine will compile (seconds, once), so that a caller can say so."""
    return not is_compiled(scenario.network, _plan(scenario, outcomes).watched)


def _run_arm(
    table: Table, arm: str, read: Plan, compiled: Kernel, settings: BatchSettings | None, threads: int,
    status: NDArray[np.int8], steps: NDArray[np.int64],
) -> Columns:  # fmt: skip
    """Run the sound members in one arm; fills ``status`` and ``steps``."""
    sound = np.array([member for member in range(len(table)) if member not in table.reasons], dtype=np.int64)
    numbers = table.numbers(arm, sound)
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
    every[sound] = courses
    return _columns(table, arm, read, result, every, status)


def _columns(table: Table, arm: str, read: Plan, result: Floats, courses: Floats, status: NDArray[np.int8]) -> Columns:
    """Outcomes by name from the result rows, with the formulas of ``outcomes``."""
    scenario = table.scenario
    found = {name: result[:, place] for place, name in enumerate(FOUND)}
    start = table.per_schedule(lambda schedule: schedule.start)
    last = float(scenario.days)
    made: Columns = {}
    with np.errstate(all="ignore"):
        _tumour(table, arm, found, start, made)
        _courses(read, result, courses, made)
        _per_cell(read, found, made)
        if "metastatic_burden" in read.watched:
            _put(made, "metastatic_burden", np.maximum(found["final_metastases"], 0.0))  # rounding below zero
            if "seeding" in read.watched:
                _put(made, "seeded", found["seeding_area"])
        if "host_load" in read.watched:
            _time(made, "survival_time", found["survival_at"], np.full(len(start), last), start)
        _factors(read, result, start, made)
        regimens = [scenario.regimens[name] for name in scenario.arms[arm]]
        for agent in sorted({item.agent for item in regimens if item.amount > 0}):
            _put(made, f"given_{agent}", table.given(arm, agent))
    good = (status == Status.OK) | (status == Status.EXTINCT)
    return {name: (np.where(good, values, math.nan), seen & good) for name, (values, seen) in made.items()}


def _put(made: Columns, name: str, values: Floats) -> None:
    made[name] = (values, np.ones(len(values), dtype=bool))


def _time(made: Columns, name: str, day: Floats, end: Floats, start: Floats) -> None:
    """A day that may not have come: then the time watched, not observed."""
    seen = ~np.isnan(day)
    made[name] = (np.where(seen, day, end) - start, seen)


def _tumour(table: Table, arm: str, found: Mapping[str, Floats], start: Floats, made: Columns) -> None:
    """As ``outcomes._burden``."""
    scenario, rules = table.scenario, table.scenario.rules
    if "burden" not in scenario.network.observables:
        return
    nadir, before, progression, doubled = found["nadir"], found["before"], found["progression_at"], found["doubled_at"]
    level = np.maximum(nadir, 1.0)
    surgery = table.per_schedule(lambda schedule: schedule.surgery(scenario, arm))
    end = np.minimum(np.nextafter(surgery, -math.inf), float(scenario.days))
    _put(made, "nadir", nadir)
    _put(made, "nadir_day", found["nadir_at"] - start)
    _put(made, "smallest_share", np.where(before > 0, nadir / before, math.nan))
    _put(made, "deepest_fall", np.where((before > 0) & np.isfinite(nadir), _fall(before, level), math.nan))
    _put(made, "responded", np.where(np.isfinite(nadir), (nadir <= rules.response * before).astype(float), math.nan))
    _time(made, "time_to_progression", progression, np.where(end >= start, end, math.nan), start)
    rate = np.where(doubled > progression, math.log(rules.regrowth) / (doubled - progression), math.nan)
    _put(made, "regrowth_rate", rate)
    _put(made, "final_burden", found["final_burden"])
    _put(made, "burden_area", found["burden_area"])
    total = found["final_burden"] + (np.nan_to_num(found["final_metastases"], nan=0.0))
    _put(made, "eradicated", np.where(np.isfinite(total), (total < 1.0).astype(float), math.nan))


def _fall(before: Floats, low: Floats) -> Floats:
    """Decades from ``before`` to ``low``; what is rounding is none."""
    decades: Floats = np.log10(before / low)
    return np.where(np.abs(decades) < 1e-14, 0.0, decades)


def _courses(read: Plan, result: Floats, courses: Floats, made: Columns) -> None:
    """As ``outcomes._courses``."""
    if "burden" not in read.watched:
        return
    given = ~np.isnan(courses)
    first = result.shape[1] - 2 * courses.shape[1]
    before, low = result[:, first::2], result[:, first + 1 :: 2]
    kills = np.where(given & (before > 0), _fall(before, np.maximum(low, 1.0)), math.nan)
    count = given.sum(axis=1)
    _put(made, "courses", count.astype(float))
    for number in range(courses.shape[1]):
        made[f"log_kill_{number + 1}"] = (kills[:, number], given[:, number])
    none = np.full(len(result), math.nan)
    _put(made, "log_kill_first", kills[:, 0] if kills.shape[1] else none)
    rows = np.arange(len(result))
    _put(made, "log_kill_last", np.where(count > 0, kills[rows, count - 1], math.nan) if kills.shape[1] else none)


def _per_cell(read: Plan, found: Mapping[str, Floats], made: Columns) -> None:
    """As ``outcomes._rates``."""
    if "active" not in read.watched:
        return
    cells = found["active_area"]
    pairs = [("mean_growth_rate", "growth_area", "growth" in read.watched), ("mean_kill_rate", "kill_area", bool(read.kills))]
    pairs.append(("seeding_per_cell", "seeding_area", "seeding" in read.watched))
    for name, area, there in pairs:
        if there:
            _put(made, name, np.where(cells > 0, found[area] / cells, math.nan))


def _factors(read: Plan, result: Floats, start: Floats, made: Columns) -> None:
    """Peaks of host factors, as ``outcomes._factors``, and the summaries."""
    place = len(FOUND)
    for name in read.factors:
        _put(made, f"peak_{name}", result[:, place])
        _put(made, f"peak_{name}_day", np.where(result[:, place + 2] > 0, math.nan, result[:, place + 1] - start))
        place += 3
    for name in read.excesses:
        _put(made, f"peak_acting_{name.removeprefix('excess_')}", 1.0 + result[:, place])
        place += 1
    for kind, name in read.summaries:
        _put(made, f"{kind}({name})", result[:, place])
        place += 1


def outcome_names(scenario: Scenario, arms: Sequence[str], wanted: Sequence[str] | None) -> dict[str, list[str]]:
    """Arm → names of the outcomes to read; all that the arm of the unchanged scenario has if ``wanted`` is None.

    Raises UserError for an outcome that no arm has, and for a summary of something not recorded.
    """
    table = Table(scenario, (), np.zeros((1, 0)))
    read = _plan(scenario, None)
    has = {}
    for arm in arms:
        _, courses = table.watch(arm, np.array([0]), read)
        nothing = np.full((1, read.width(courses.shape[1])), math.nan)
        has[arm] = list(_columns(table, arm, read, nothing, courses, np.zeros(1, dtype=np.int8)))
    if wanted is None:
        return has
    every = list(dict.fromkeys(name for names in has.values() for name in names))
    recorded = [*scenario.network.state_names, *scenario.network.observables]
    for name in wanted:
        match = SUMMARY.fullmatch(name)
        if match and match[2] not in recorded:
            raise UserError(unknown("recorded value", match[2], recorded))
        if not match and name not in every:
            raise UserError(unknown("outcome", name, [*every, *(f"{kind}(…)" for kind in ("peak", "final", "mean"))]))
    return {arm: [name for name in wanted if SUMMARY.fullmatch(name) or name in has[arm]] for arm in arms}


def trajectories(
    scenario: Scenario, fields: Sequence[str], samples: Floats, arm: str, days: Floats, settings: BatchSettings | None = None
) -> tuple[Floats, NDArray[np.int8]]:
    """(states (members, days, states), status (members,)) of the batch solver at chosen days; NaN after a failure."""
    table = Table(scenario, fields, np.asarray(samples, dtype=float))
    table.check_events([arm])
    sound = np.array([member for member in range(len(table)) if member not in table.reasons], dtype=np.int64)
    out = np.full((len(table), len(days), len(scenario.network.states)), math.nan)
    status = np.full(len(table), Status.NOT_RUN, dtype=np.int8)
    members = table.numbers(arm, sound)
    out[sound], ends = batch.record(_kernel(scenario, ()), members, np.asarray(days, dtype=float), settings)
    status[sound] = ends.status
    return out, status


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
            result = simulate(scenario.changed(whole_numbers(scenario.inputs, changes)), arms, settings)
        except DocumentError as error:
            reasons |= {(member, arm): "; ".join(problem.message for problem in error.problems) for arm in arms}
            continue
        for column, arm in enumerate(arms):
            trajectory: Trajectory = result.trajectories[arm]
            status[member, column], steps[member, column] = trajectory.status, trajectory.steps
            if not trajectory.status.good:
                reasons[member, arm] = trajectory.message
                continue
            for name in names[arm]:
                values[arm][name][member], observed[arm][name][member] = _read(result, arm, name)
    return Cohort(tuple(arms), status, steps, values, observed, reasons)


def _read(result: Result, arm: str, name: str) -> tuple[float, bool]:
    match = SUMMARY.fullmatch(name)
    if match:
        trajectory = result.trajectories[arm]
        return summary(trajectory, trajectory[match[2]], watch(result.scenario, arm).start, match[1]), True
    item = result.outcome(arm, name)
    return (math.nan, False) if item is None else (item.value, item.observed)
