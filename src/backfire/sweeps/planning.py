"""Sweeps: many members of a scenario, computed by many workers, stored so that nothing is lost.

    result = backfire.sweep("wnt16b-dose-and-break", out="results/sweeps")
    result.table()                       # one row per member and arm, as a DataFrame

A sweep that was cut off is resumed from what is stored, and gives the same table as one that was not.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.errors import UserError
from backfire.model import CAUTION
from backfire.scenario import Library, OwnMechanisms, Scenario, find_inputs, library_of, parse_data, stored_copies, stored_files
from backfire.simulation import Cohort, arm_outcomes, needs_compiling, outcome_names, prepare_folder, run_members
from backfire.simulation import trajectories as simulate_trajectories
from backfire.solvers import Floats, Settings
from backfire.solvers.batch import BatchSettings, is_compiled
from backfire.sweeps.driver import Sweep, SweepPlan, chunk_size, run_plan
from backfire.sweeps.identity import code_identity, scenario_identity, worker_identity
from backfire.sweeps.spec import SweepSpec, load_sweep
from backfire.sweeps.store import SCHEMA, Recording
from backfire.sweeps.tasks import Job
from backfire.sweeps.workers import Pool, pool_for

AnySettings = BatchSettings | Settings
"""Settings of the batch solver, which sweeps use, or of the reference solver, far slower."""
SOLVERS: Final[dict[str, type[AnySettings]]] = {"batch": BatchSettings, "reference": Settings}


def sweep(
    study: SweepSpec | str | Path,
    out: Path | str = "results/sweeps",
    *,
    workers: int | None = None,
    executor: Any = None,
    resume: bool = False,
    chunk: int | None = None,
    trajectories: float | None = None,
    settings: AnySettings | None = None,
    mechanisms: OwnMechanisms = (),
    progress: Callable[[int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Sweep:
    """Sweep a study into ``<out>/<study>/`` and give back what stands there.

    ``study`` is one from ``load_sweep``, a path, or a shipped name. Members are computed by ``workers`` processes, by
    default one per core; 0 computes in this process, which a member that crashes takes along. ``executor`` is any
    ``concurrent.futures.Executor`` instead, or a ``distributed.Client``. Neither they nor ``chunk``, the members per
    file, change a number. ``resume`` goes on with a folder of the same study. ``trajectories`` stores all states over
    time too, so many days apart; ``store.read_trajectories`` reads them. ``mechanisms`` are classes of yours that its
    scenario uses, or files with them. ``progress`` is told how many members have just been stored, ``notify`` gets
    sentences worth reading.

    Members that fail have their status and reason in the table; nothing is raised for them. Raises UserError for what
    cannot be asked, RefusedError for a folder with another study, StorageError if the disk refuses, BackendLostError
    if those who compute are gone. With worker processes a script needs ``if __name__ == "__main__":``.
    """
    if not isinstance(study, SweepSpec):
        kept = stored_files(Path(out) / Path(study).stem) if resume else ()
        study = load_sweep(study, library_of(mechanisms, kept))
    loaded = study
    for file in loaded.scenario.library.files:
        if file.stored and file.name in loaded.scenario.own_mechanisms and notify is not None:
            notify(f"{file.name} is not there: going on with the copy that is stored, {file.place}")
    if trajectories is not None:
        try:
            loaded = loaded.recorded(trajectories)
        except UserError as error:
            raise UserError(f"trajectories: {error}") from None
    plan = plan_of(loaded, settings)
    members = plan.design.members
    made = _pool(plan, workers, executor)

    def pool_of(job: Job) -> Pool:
        _compile(loaded, plan, notify)
        return made(job)

    folder = prepare_folder(Path(out), loaded.name)
    size = chunk if chunk is not None else chunk_size(members, workers or 2)
    return run_plan(plan, folder, pool_of, resume, size, progress, notify)


def _compile(study: SweepSpec, plan: SweepPlan, notify: Callable[[str], None] | None) -> None:
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


def _pool(plan: SweepPlan, workers: int | None, executor: Any) -> Callable[[Job], Pool]:
    from backfire.sweeps.dask import DaskPool, is_dask_client

    if executor is None or isinstance(executor, Executor):
        return pool_for(workers, executor, plan.design.members)
    if is_dask_client(executor):
        return lambda job: DaskPool(job, executor, worker_identity(job.folder), worker_identity)
    raise UserError(f"an executor of concurrent.futures or a client of Dask is needed, got a {type(executor).__name__}")


def plan_of(study: SweepSpec, settings: AnySettings | None = None) -> SweepPlan:
    """The plan of a study: its columns with units and meanings, its identity, and what computes its members."""
    scenario, used = study.scenario, settings or BatchSettings()
    outcomes, inputs = describe_outcomes(scenario, study.arms, study.outcomes), find_inputs(scenario.inputs, study.design.fields)
    runner = ScenarioRunner(
        json.dumps(scenario.document.data, allow_nan=False),
        scenario.name,
        scenario.library,
        study.design.fields,
        study.arms,
        tuple(outcomes),
        used,
    )
    solver = next(name for name, kind in SOLVERS.items() if isinstance(used, kind))
    files: dict[str, str | bytes] = {"study.toml": study.text, "table.csv": study.table}
    files |= stored_copies(scenario.library.files, scenario.own_mechanisms)
    recorder, asked = _recorder(study, runner), {}
    if recorder:
        asked = {"trajectories": {"every": recorder.recording.every, "arms": list(recorder.recording.arms)}}
    return SweepPlan(
        design=study.design,
        arms=study.arms,
        fields={item.name: {"unit": item.unit, "meaning": item.meaning} for item in inputs},
        outcomes=outcomes,
        identity={
            "schema": SCHEMA,
            "scenario": scenario_identity(scenario),
            "arms": list(study.arms),
            "outcomes": list(outcomes),
            "design": study.design.describe(),
            "units": {item.name: item.unit for item in inputs},
            "solver": {"name": solver, **dataclasses.asdict(used)},
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
            **({"own_mechanisms": scenario.own_mechanisms} if scenario.own_mechanisms else {}),
            "document": scenario.document.data,
        },
        files={name: text for name, text in files.items() if text},
    )


@dataclass(frozen=True)
class ScenarioRunner:
    """Computes members of a scenario; small enough to travel, so the scenario goes as the data of its file."""

    data: str
    name: str
    library: Library
    fields: tuple[str, ...]
    arms: tuple[str, ...]
    outcomes: tuple[str, ...]
    settings: AnySettings

    def __call__(self, samples: Floats) -> Cohort:
        """Members (members, fields) as rows."""
        scenario = _scenario(self.data, self.name, self.library)
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
        scenario = _scenario(runner.data, runner.name, runner.library)
        for place, arm in enumerate(self.recording.arms):
            states[:, place], _ = simulate_trajectories(scenario, runner.fields, samples, arm, self.recording.days, self.settings)
        return states


def _recorder(study: SweepSpec, runner: ScenarioRunner) -> ScenarioRecorder | None:
    if study.recording is None:
        return None
    if not isinstance(runner.settings, BatchSettings):
        raise UserError("trajectories of a sweep are those of the batch solver; leave out `settings`, or give BatchSettings")
    return ScenarioRecorder(runner, runner.settings, study.recording)


@functools.lru_cache(maxsize=4)
def _scenario(data: str, name: str, library: Library) -> Scenario:
    """Built once per process, not once per chunk."""
    return parse_data(json.loads(data), name, library)


def describe_outcomes(scenario: Scenario, arms: Sequence[str], wanted: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Outcome → unit, meaning, and ``time``: whether it may be censored. Raises UserError for names nobody has."""
    names = outcome_names(scenario, arms, wanted)
    found = {name: item for arm in arms for name, item in arm_outcomes(scenario, arm, names[arm]).items()}
    return {
        name: {"unit": found[name].unit, "meaning": found[name].meaning, "time": found[name].declaration.kind == "time"}
        for name in (found if wanted is None else wanted)
    }
