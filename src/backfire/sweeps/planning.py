"""Sweeps: many members of a scenario, computed by many workers, stored so that nothing is lost.

    result = backfire.sweep("wnt16b-dose-and-break", out="results/sweeps")
    result.table()                       # one row per member and arm, as a DataFrame

A sweep that was cut off is resumed from what is stored, and gives the same table as one that was not.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.errors import StorageError, UserError, unknown
from backfire.model import CAUTION, Mechanism, version
from backfire.scenario import Scenario, find_inputs, parse_data
from backfire.simulation import Cohort, arm_outcomes, needs_compiling, outcome_names, prepare_folder, run_members
from backfire.simulation import trajectories as simulate_trajectories
from backfire.solvers import Settings, Status
from backfire.solvers.batch import BatchSettings, is_compiled
from backfire.sweeps import store
from backfire.sweeps.driver import Plan, Sweep, chunk_size, crew_for, run_plan
from backfire.sweeps.spec import SweepStudy, load_sweep
from backfire.sweeps.store import SCHEMA, Floats, Recording
from backfire.sweeps.workers import Crew, Job
from backfire.system import source_hash

AnySettings = BatchSettings | Settings
"""Settings of the batch solver, which sweeps use, or of the reference solver, far slower."""

_SOLVERS: Final[dict[type, str]] = {BatchSettings: "batch", Settings: "reference"}
COMPUTING: Final = (
    "errors", "system", "formulas", "model", "mechanisms", "solvers", "outcomes", "scenario", "sampling", "simulation", "sweeps",
)  # fmt: skip
"""The families that can change a number or a reason in a table; a change in any other does not end a sweep under way."""
_LIBRARIES: Final = ("numpy", "scipy", "numba", "llvmlite")


def sweep(
    study: SweepStudy | str | Path,
    out: Path | str = "results/sweeps",
    *,
    workers: int | None = None,
    executor: Any = None,
    resume: bool = False,
    chunk: int | None = None,
    trajectories: float | None = None,
    settings: AnySettings | None = None,
    mechanisms: Iterable[type[Mechanism]] = (),
    progress: Callable[[int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Sweep:
    """Sweep a study into ``<out>/<study>/`` and give back what stands there.

    ``study`` is one from ``load_sweep``, a path, or a shipped name. Members are computed by ``workers`` processes, by
    default one per core; 0 computes in this process, which a member that crashes takes along. ``executor`` is any
    ``concurrent.futures.Executor`` instead, or a ``distributed.Client``. Neither they nor ``chunk``, the members per
    file, change a number. ``resume`` goes on with a folder of the same study. ``trajectories`` stores all states over
    time too, so many days apart; ``store.read_trajectories`` reads them. ``progress`` is told how many members have
    just been stored, ``notify`` gets sentences worth reading.

    Members that fail have their status and reason in the table; nothing is raised for them. Raises UserError for what
    cannot be asked, RefusedError for a folder with another study, StorageError if the disk refuses, BackendLostError
    if those who compute are gone. With worker processes a script needs ``if __name__ == "__main__":``.
    """
    loaded = study if isinstance(study, SweepStudy) else load_sweep(study, mechanisms)
    if trajectories is not None:
        try:
            loaded = loaded.recorded(trajectories)
        except UserError as error:
            raise UserError(f"trajectories: {error}") from None
    plan = plan_of(loaded, settings)
    members = plan.design.members
    made = _crew(plan, workers, executor)

    def crew_of(job: Job) -> Crew:
        _compile(loaded, plan, notify)
        return made(job)

    folder = prepare_folder(Path(out), loaded.name)
    size = chunk if chunk is not None else chunk_size(members, workers or 2)
    return run_plan(plan, folder, crew_of, resume, size, progress, notify)


def _compile(study: SweepStudy, plan: Plan, notify: Callable[[str], None] | None) -> None:
    """Compile once here, not once in every worker at the same time."""
    if plan.identity["solver"]["name"] != "batch":
        return
    scenario, outcomes, one = study.scenario, tuple(plan.outcomes), np.zeros((1, 0))
    rows = needs_compiling(scenario, outcomes)
    states = plan.recorder is not None and not is_compiled(scenario.network)
    if (rows or states) and notify is not None:
        notify(f"compiling {scenario.name} for this machine, once")
    if rows:
        run_members(scenario, (), one, study.arms, outcomes)
    if states:
        simulate_trajectories(scenario, (), one, study.arms[0], np.zeros(1))


def _crew(plan: Plan, workers: int | None, executor: Any) -> Callable[[Job], Crew]:
    from backfire.sweeps.dask import DaskCrew, is_dask_client

    if executor is None or isinstance(executor, Executor):
        return crew_for(workers, executor, plan.design.members)
    if is_dask_client(executor):
        return lambda job: DaskCrew(job, executor, worker_identity(job.folder), worker_identity)
    raise UserError(f"an executor of concurrent.futures or a client of Dask is needed, got a {type(executor).__name__}")


def plan_of(study: SweepStudy, settings: AnySettings | None = None) -> Plan:
    """The plan of a study: its columns with units and meanings, its identity, and what computes its members."""
    scenario, used = study.scenario, settings or BatchSettings()
    outcomes, inputs = describe_outcomes(scenario, study.arms, study.outcomes), find_inputs(scenario.inputs, study.design.fields)
    runner = ScenarioRunner(
        json.dumps(scenario.document.data, allow_nan=False),
        scenario.name,
        tuple(scenario.mechanism_classes.values()),
        study.design.fields,
        study.arms,
        tuple(outcomes),
        used,
    )
    files = {"study.toml": study.text, "table.csv": study.table}
    recorder, asked = _recorder(study, runner), {}
    if recorder:
        asked = {"trajectories": {"every": recorder.recording.every, "arms": list(recorder.recording.arms)}}
    return Plan(
        design=study.design,
        arms=study.arms,
        fields={item.name: {"unit": item.unit, "meaning": item.meaning} for item in inputs},
        outcomes=outcomes,
        identity={
            "schema": SCHEMA,
            "scenario": _that_counts(scenario),
            "arms": list(study.arms),
            "outcomes": list(outcomes),
            "design": study.design.describe(),
            "units": {item.name: item.unit for item in inputs},
            "solver": {"name": _SOLVERS[type(used)], **dataclasses.asdict(used)},
            **asked,
            **code_identity(),
        },
        runner=runner,
        recorder=recorder,
        about={
            "name": study.name,
            "title": study.title,
            "note": study.note,
            "caution": CAUTION,
            "scenario": {
                "name": scenario.name,
                "title": scenario.title,
                "hash": scenario.hash,
                "days": scenario.days,
                "untreated": scenario.untreated,
                "reference": scenario.reference,
                "values": {item.name: item.value for item in inputs},
            },
            "document": scenario.document.data,
        },
        files={name: text for name, text in files.items() if text},
    )


def _that_counts(scenario: Scenario) -> dict[str, Any]:
    """A resolved scenario without its words: titles, sources and plausible ranges change no number."""
    data = scenario.resolved()
    for word in ("title", "article", "note"):
        del data[word]
    data["parameters"] = {name: {"value": item["value"], "unit": item["unit"]} for name, item in data["parameters"].items()}
    return data


@functools.cache
def code_identity() -> dict[str, Any]:
    """Versions of what computes, and a hash of the text of every module of backfire that can change a number."""
    versions = {"backfire": version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "none"
    return {"versions": versions, "code": source_hash(*COMPUTING)}


def worker_identity(folder: str) -> dict[str, str]:
    """What a worker of another machine must agree in: versions, code, and the study it finds in the shared folder."""
    about = code_identity()
    try:
        run = str(store.read_json(Path(folder) / "resolved.json").get("run"))
    except StorageError as error:
        run = str(error)
    return {**about["versions"], "code": about["code"], "study in the shared folder": run}


@dataclass(frozen=True)
class ScenarioRunner:
    """Computes members of a scenario; small enough to travel, so the scenario goes as the data of its file."""

    data: str
    name: str
    mechanisms: tuple[type[Mechanism], ...]
    fields: tuple[str, ...]
    arms: tuple[str, ...]
    outcomes: tuple[str, ...]
    settings: AnySettings

    def __call__(self, samples: Floats) -> Cohort:
        """Members (members, fields) as rows."""
        scenario = _scenario(self.data, self.name, self.mechanisms)
        return run_members(scenario, self.fields, samples, self.arms, self.outcomes, self.settings)


@dataclass(frozen=True)
class ScenarioRecorder:
    """Computes the trajectories of the members that ``runner`` computes the rows of."""

    runner: ScenarioRunner
    settings: BatchSettings
    recording: Recording

    def __call__(self, samples: Floats) -> Floats:
        """Members (members, fields) → states (members, arms, days, states)."""
        runner, states = self.runner, self.recording.nothing(len(samples))
        scenario = _scenario(runner.data, runner.name, runner.mechanisms)
        for place, arm in enumerate(self.recording.arms):
            states[:, place], _ = simulate_trajectories(scenario, runner.fields, samples, arm, self.recording.days, self.settings)
        return states


def _recorder(study: SweepStudy, runner: ScenarioRunner) -> ScenarioRecorder | None:
    if study.recording is None:
        return None
    if not isinstance(runner.settings, BatchSettings):
        raise UserError("trajectories of a sweep are those of the batch solver; leave out `settings`, or give BatchSettings")
    return ScenarioRecorder(runner, runner.settings, study.recording)


@functools.lru_cache(maxsize=4)
def _scenario(data: str, name: str, mechanisms: tuple[type[Mechanism], ...]) -> Scenario:
    """Built once per process, not once per chunk."""
    return parse_data(json.loads(data), name, mechanisms)


def describe_outcomes(scenario: Scenario, arms: Sequence[str], wanted: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Outcome → unit, meaning, and ``time``: whether it may be censored. Raises UserError for names nobody has."""
    names = outcome_names(scenario, arms, wanted)
    found = {name: item for arm in arms for name, item in arm_outcomes(scenario, arm, names[arm]).items()}
    return {
        name: {"unit": found[name].unit, "meaning": found[name].meaning, "time": found[name].declaration.kind == "time"}
        for name in (found if wanted is None else wanted)
    }


@dataclass(frozen=True)
class Again:
    """One row computed again: ``stored`` and ``computed`` map columns to values."""

    member: int
    arm: str
    stored: Mapping[str, Any]
    computed: Mapping[str, Any]

    @property
    def different(self) -> tuple[str, ...]:
        """Columns that are not the same to the last bit; NaN is the same as NaN."""
        return tuple(name for name, value in self.stored.items() if not _same(value, self.computed[name]))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.float64(one).view(np.int64) == np.float64(other).view(np.int64)) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def rerun(
    folder: Path | str, member: int, arm: str | None = None, mechanisms: Iterable[type[Mechanism]] = ()
) -> tuple[list[Again], dict[str, Any]]:
    """Compute one member of a store again, alone, and give its rows beside the stored ones, and the manifest.

    ``arm`` limits it to one arm; ``mechanisms`` are classes of yours that the scenario uses. Raises UserError for a
    member or arm that is not there, StorageError for a damaged store.
    """
    place = Path(folder)
    rows, manifest = store.read_member(place, member)
    layout, _ = store.read_layout(place)
    if arm is not None and arm not in layout.arms:
        raise UserError(unknown("arm", arm, layout.arms))
    scenario, settings = read_scenario(place, mechanisms)
    samples = np.array([[rows[name][0].as_py() for name in layout.fields]])
    made = run_members(scenario, layout.fields, samples, layout.arms, layout.outcomes, settings)
    found = []
    for column, name in enumerate(layout.arms):
        if arm is not None and name != arm:
            continue
        stored = {word: rows[word][column].as_py() for word in layout.columns if word not in ("member", "arm")}
        status = Status(int(made.status[0, column]))
        again: dict[str, Any] = dict(zip(layout.fields, samples[0].tolist(), strict=True))
        again |= {"status": status.word, "reason": made.reasons.get((0, name), ""), "steps": int(made.steps[0, column])}
        nothing, no = np.full(1, math.nan), np.zeros(1, dtype=bool)
        for outcome in layout.outcomes:
            again[outcome] = float(made.values[name].get(outcome, nothing)[0]) if status.good else math.nan
        for outcome in layout.times:
            again[f"{outcome}_observed"] = status.good and bool(made.observed[name].get(outcome, no)[0])
        found.append(Again(member, name, stored, again))
    return found, manifest


def read_scenario(folder: Path, mechanisms: Iterable[type[Mechanism]] = ()) -> tuple[Scenario, AnySettings]:
    """The scenario and the solver settings that a store was computed with."""
    resolved = store.read_json(folder / "resolved.json")
    try:
        scenario = parse_data(resolved["document"], resolved["scenario"]["name"], mechanisms)
        solver = dict(resolved["identity"]["solver"])
        kinds: dict[str, Any] = {name: kind for kind, name in _SOLVERS.items()}
        return scenario, kinds[solver.pop("name")](**solver)
    except (KeyError, TypeError, AttributeError, UserError) as error:
        raise StorageError(f"{folder / 'resolved.json'}: is damaged ({error})") from None


def code_differs(manifest: Mapping[str, Any]) -> list[str]:
    """What has changed in backfire and its libraries since a store was computed."""
    now = code_identity()
    stored = manifest.get("versions") or {}
    changed = [f"{name} {stored.get(name)} → {value}" for name, value in now["versions"].items() if stored.get(name) != value]
    return changed or ([] if manifest.get("code") == now["code"] else ["the code of backfire"])
