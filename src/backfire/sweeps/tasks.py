"""What every worker computes: a slice of members, run and written as one chunk.

So tasks can be repeated at will, and nothing large ever travels: a chunk written twice is the same chunk, and nothing
comes back but that it is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from backfire.errors import BackfireError, UserError
from backfire.sampling import Design
from backfire.simulation import Cohort
from backfire.solvers import Floats, Status
from backfire.sweeps.store import Recording, TableSchema, write_chunk

Runner = Callable[[Floats], Cohort]
"""What computes members: samples (members, fields) → what they came to. Must survive pickling for other processes."""


class Recorder(Protocol):
    """What computes trajectories. Must survive pickling for other processes."""

    @property
    def recording(self) -> Recording:
        """Which arms, days and states."""

    def __call__(self, samples: Floats) -> Floats:
        """Samples (members, fields) → states (members, arms, days, states), NaN after a failure."""


@dataclass(frozen=True)
class Job:
    """What every worker needs to compute any slice of a sweep."""

    folder: str
    layout: TableSchema
    design: Design
    runner: Runner
    recorder: Recorder | None = None


def compute(job: Job, first: int, last: int) -> None:
    """Compute members ``first`` up to ``last`` and write their chunk; the same chunk written twice is the same chunk.

    A runner that raises costs only the member it raises on. Raises the errors of backfire, and nothing else.
    """
    samples = job.design.samples(first, last)
    write_chunk(Path(job.folder), job.layout, first, samples, *_run(job, samples))


def write_failure(job: Job, member: int, status: Status, reason: str) -> None:
    """Write the chunk of a single member that has no numbers."""
    cohort = Cohort.failed(1, job.layout.arms, status, reason)
    write_chunk(Path(job.folder), job.layout, member, job.design.samples(member, member + 1), cohort, _no_states(job, 1))


def _run(job: Job, samples: Floats) -> tuple[Cohort, Floats]:
    """What the members came to, and their states; halved around a member on which the runner raises."""
    count = len(samples)
    try:
        cohort = job.runner(samples)
        if cohort.status.shape != (count, len(job.layout.arms)):
            raise UserError(f"the runner gave statuses of shape {cohort.status.shape} for {count} members")
        return cohort, _states(job, samples, cohort)
    except BackfireError:
        raise
    except Exception as error:
        if count == 1:
            reason = f"{type(error).__name__}: {error}"
            return Cohort.failed(1, job.layout.arms, Status.NOT_RUN, reason), _no_states(job, 1)
        cohorts, states = zip(*(_run(job, half) for half in (samples[: count // 2], samples[count // 2 :])), strict=True)
        return Cohort.concat(cohorts), np.concatenate(states)


def _states(job: Job, samples: Floats, cohort: Cohort) -> Floats:
    """The states to store; a member that has not run in an arm has none there, even if its trajectory could be had."""
    if job.recorder is None:
        return _no_states(job, len(samples))
    arms = [job.layout.arms.index(arm) for arm in job.recorder.recording.arms]
    states = job.recorder(samples)
    states[cohort.status[:, arms] == Status.NOT_RUN] = math.nan
    return states


def _no_states(job: Job, members: int) -> Floats:
    return job.recorder.recording.nothing(members) if job.recorder else np.zeros((members, 0))
