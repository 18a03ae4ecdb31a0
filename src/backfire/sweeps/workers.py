"""Who computes the chunks: worker processes of our own, this process, or any executor of somebody else.

All do the same thing, ``compute``: take a slice of members, run it, write its chunk, hand back a receipt. So tasks can
be repeated at will, and nothing large ever travels.

Our own workers have one task each. When one dies we therefore know on which slice, which a ``ProcessPoolExecutor``
cannot say: it loses every task it has. And none outlives us: each watches its parent and leaves when that is gone.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from backfire.errors import BackendLostError, BackfireError, UserError, echo
from backfire.sampling import Design
from backfire.solvers import Status
from backfire.sweeps.store import Floats, Layout, Receipt, Recording, Rows, chunk_path, write_chunk, write_trajectories

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext, SpawnProcess

MOST_FAILED_STARTS: Final = 3
Runner = Callable[[Floats], Rows]
"""What computes members: samples (members, fields) → rows. Must survive pickling for other processes."""


class Recorder(Protocol):
    """What computes trajectories. Must survive pickling for other processes."""

    @property
    def recording(self) -> Recording:
        """Which arms, days and states."""

    def __call__(self, samples: Floats) -> Floats:
        """Samples (members, fields) → states (members, arms, days, states), NaN after a failure."""


@dataclass(frozen=True)
class Piece:
    """Members ``first`` up to ``last`` to compute; ``deaths`` counts the workers that died on exactly this piece."""

    first: int
    last: int
    deaths: int = 0

    @property
    def size(self) -> int:
        """How many members."""
        return self.last - self.first


@dataclass(frozen=True)
class Job:
    """What every worker needs to compute any piece of a sweep."""

    folder: str
    layout: Layout
    design: Design
    runner: Runner
    recorder: Recorder | None = None


class WorkerDied(Exception):  # noqa: N818  it is an event, not a fault of ours
    """The process that computed a piece ended without an answer; the text says how."""


@dataclass(frozen=True)
class Failed:
    """Rows of members that have no numbers, all for one reason."""

    members: int
    arms: tuple[str, ...]
    ended: Status
    reason: str

    @property
    def status(self) -> Any:
        """(members, arms)."""
        return np.full((self.members, len(self.arms)), self.ended, dtype=np.int8)

    @property
    def steps(self) -> Any:
        """(members, arms), no steps."""
        return np.zeros((self.members, len(self.arms)), dtype=np.int64)

    @property
    def values(self) -> Mapping[str, Mapping[str, Floats]]:
        """None."""
        return {}

    @property
    def observed(self) -> Mapping[str, Mapping[str, Any]]:
        """None."""
        return {}

    @property
    def reasons(self) -> Mapping[tuple[int, str], str]:
        """The one reason, for all."""
        return {(member, arm): self.reason for member in range(self.members) for arm in self.arms}


def compute(job: Job, first: int, last: int) -> Receipt:
    """Compute members ``first`` up to ``last`` and write their chunk; the same chunk written twice is the same chunk.

    A runner that raises costs only the member it raises on. Raises the errors of backfire, and nothing else.
    """
    samples = job.design.samples(first, last)
    pieces = _rows(job, samples)
    rows = pieces[0][1] if len(pieces) == 1 else _Joined(job.layout, [(count, rows) for count, rows, _ in pieces])
    return _write(job, first, samples, rows, [states for _, _, states in pieces])


def write_failure(job: Job, member: int, ended: Status, reason: str) -> Receipt:
    """Write the chunk of a single member that has no numbers."""
    samples = job.design.samples(member, member + 1)
    return _write(job, member, samples, Failed(1, job.layout.arms, ended, reason), [_no_states(job, 1)])


def _write(job: Job, first: int, samples: Floats, rows: Rows, states: list[Floats]) -> Receipt:
    """Trajectories before the rows: a chunk of rows says that all of its members is there."""
    if job.recorder is not None:
        path = chunk_path(Path(job.folder), first, "trajectories")
        write_trajectories(path, job.layout.run, job.recorder.recording, first, np.concatenate(states))
    return write_chunk(Path(job.folder), job.layout, first, samples, rows)


def _rows(job: Job, samples: Floats) -> list[tuple[int, Rows, Floats]]:
    """(members, rows, states) that together are the samples; halved around a member on which the runner raises."""
    count = len(samples)
    try:
        rows = job.runner(samples)
        if rows.status.shape != (count, len(job.layout.arms)):
            raise UserError(f"the runner gave statuses of shape {rows.status.shape} for {count} members")
        return [(count, rows, _states(job, samples, rows))]
    except BackfireError:
        raise
    except Exception as error:
        if count == 1:
            reason = f"{type(error).__name__}: {error}"
            return [(1, Failed(1, job.layout.arms, Status.NOT_RUN, reason), _no_states(job, 1))]
        return _rows(job, samples[: count // 2]) + _rows(job, samples[count // 2 :])


def _states(job: Job, samples: Floats, rows: Rows) -> Floats:
    """The states to store; a member that has not run in an arm has none there, even if its trajectory could be had."""
    if job.recorder is None:
        return _no_states(job, len(samples))
    arms = [job.layout.arms.index(arm) for arm in job.recorder.recording.arms]
    states = job.recorder(samples)
    states[rows.status[:, arms] == Status.NOT_RUN] = math.nan
    return states


def _no_states(job: Job, members: int) -> Floats:
    return np.zeros((members, 0)) if job.recorder is None else job.recorder.recording.nothing(members)


class _Joined:
    """Rows of slices, one after the other."""

    def __init__(self, layout: Layout, pieces: list[tuple[int, Rows]]) -> None:
        self.status = np.concatenate([rows.status for _, rows in pieces])
        self.steps = np.concatenate([rows.steps for _, rows in pieces])
        self.values = {
            arm: {
                name: np.concatenate([rows.values.get(arm, {}).get(name, np.full(n, math.nan)) for n, rows in pieces])
                for name in layout.outcomes
            }
            for arm in layout.arms
        }
        self.observed = {
            arm: {
                name: np.concatenate([rows.observed.get(arm, {}).get(name, np.zeros(n, dtype=bool)) for n, rows in pieces])
                for name in layout.times
            }
            for arm in layout.arms
        }
        starts = np.cumsum([0, *(count for count, _ in pieces)]).tolist()
        self.reasons = {
            (start + member, arm): text
            for start, (_, rows) in zip(starts, pieces, strict=False)
            for (member, arm), text in rows.reasons.items()
        }


Answer = tuple[Piece, Receipt | WorkerDied | BackfireError]


class Crew(Protocol):
    """Those who compute pieces."""

    exact: bool
    """True if a death names the piece that caused it, also when others run beside it."""

    def free(self) -> int:
        """How many pieces it would take now."""

    def submit(self, piece: Piece) -> None:
        """Give it a piece."""

    def answers(self) -> list[Answer]:
        """What has come back; waits a moment if nothing has. Raises BackendLostError when nobody is left to compute."""

    def close(self) -> None:
        """Let it go, whatever it is at."""


class Here:
    """This process itself, one piece at a time. Nothing protects it from a member that kills its process."""

    exact = True

    def __init__(self, job: Job) -> None:
        self.job = job
        self.waiting: list[Piece] = []

    def free(self) -> int:
        """One at a time."""
        return 1 - len(self.waiting)

    def submit(self, piece: Piece) -> None:
        """Remember the piece until ``answers`` is called."""
        self.waiting.append(piece)

    def answers(self) -> list[Answer]:
        """Compute what was submitted."""
        piece = self.waiting.pop()
        try:
            return [(piece, compute(self.job, piece.first, piece.last))]
        except BackfireError as error:
            return [(piece, error)]

    def close(self) -> None:
        """Nothing to let go."""


class Processes:
    """Worker processes of our own, each with one piece at a time; a dead one is replaced.

    They are spawned, not forked: threads and locks of the caller cannot be caught halfway. As with every pool of
    spawned processes, a script that uses this needs ``if __name__ == "__main__":`` around what it runs.
    """

    exact = True

    def __init__(self, job: Job, workers: int) -> None:
        self.context = multiprocessing.get_context("spawn")
        try:
            self.job = pickle.dumps(job)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UserError(f"cannot be sent to worker processes: {echo(error)}; use functions and classes of a module") from None
        self.failed_starts = 0
        self.lanes = [_Lane(self.context, self.job) for _ in range(workers)]

    def free(self) -> int:
        """How many workers have nothing to do; those still starting count, they take their piece when they are there."""
        return sum(lane.piece is None for lane in self.lanes)

    def submit(self, piece: Piece) -> None:
        """Give a piece to a worker, rather to one that has started."""
        idle = [lane for lane in self.lanes if lane.piece is None]
        lane = next((lane for lane in idle if lane.ready), idle[0])
        lane.take(piece)

    def answers(self) -> list[Answer]:
        """What has come back within a moment; dead workers are replaced."""
        found: list[Answer] = []
        busy = {lane.pipe: lane for lane in self.lanes}
        for pipe in multiprocessing.connection.wait([*busy], timeout=0.5):
            lane = busy[pipe]  # type: ignore[index]
            try:
                answer = lane.pipe.recv()
            except (EOFError, OSError):
                found += self._replace(lane)
                continue
            if answer == "ready":
                lane.ready, self.failed_starts = True, 0
                continue
            assert lane.piece is not None
            found.append((lane.piece, answer))
            lane.piece = None
        return found

    def _replace(self, lane: _Lane) -> list[Answer]:
        """A new worker for a dead one; what the old one was at comes back as a death, or waits if it never started."""
        ended = lane.end()
        piece, self.lanes[self.lanes.index(lane)] = lane.piece, (fresh := _Lane(self.context, self.job))
        if lane.ready:
            return [] if piece is None else [(piece, WorkerDied(ended))]
        self.failed_starts += 1
        if self.failed_starts >= MOST_FAILED_STARTS:
            raise BackendLostError(
                f'worker processes do not start ({ended}); a script that sweeps needs `if __name__ == "__main__":`, '
                "and --workers 0 does without them"
            )
        if piece is not None:
            fresh.take(piece)
        return []

    def close(self) -> None:
        """End the workers: those at work are killed, which costs at most the chunks they were at."""
        for lane in self.lanes:
            lane.stop()
        for lane in self.lanes:
            lane.end()


class _Lane:
    """One worker process and what it is at."""

    def __init__(self, context: SpawnContext, job: bytes) -> None:
        self.pipe, far = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(far, job), daemon=True)
        self.process.start()
        far.close()
        self.piece: Piece | None = None
        self.ready = False

    def take(self, piece: Piece) -> None:
        self.piece = piece
        with contextlib.suppress(OSError):  # already dead: the pipe says so when it is read
            self.pipe.send((piece.first, piece.last))

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.process.kill()

    def end(self) -> str:
        """Wait for the process, and say how it ended."""
        self.process.join()
        code = self.process.exitcode or 0
        self.pipe.close()
        self.process.close()
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"


def _serve(pipe: Connection, packed: bytes) -> None:
    """The life of a worker process."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    job: Job = pickle.loads(packed)
    pipe.send("ready")
    while True:
        try:
            first, last = pipe.recv()
        except (EOFError, OSError):
            return
        answer: Receipt | BackfireError
        try:
            answer = compute(job, first, last)
        except BackfireError as error:
            answer = error
        pipe.send(answer)


def _leave_with_parent() -> None:
    """A parent that is killed cannot tell its children; they would work on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Borrowed:
    """Any executor of the caller: threads, processes, MPI. It is not ours, so it is neither repaired nor closed.

    ``width`` pieces are in flight at once. Any loss raises BackendLostError: what is stored stays, and the sweep can be
    resumed.
    """

    exact = False

    def __init__(self, job: Job, executor: concurrent.futures.Executor, width: int) -> None:
        self.job, self.executor, self.width = job, executor, width
        self.running: dict[concurrent.futures.Future[Receipt], Piece] = {}

    def free(self) -> int:
        """How many more may be in flight."""
        return self.width - len(self.running)

    def submit(self, piece: Piece) -> None:
        """Submit the piece."""
        try:
            self.running[self.executor.submit(compute, self.job, piece.first, piece.last)] = piece
        except RuntimeError as error:  # shut down, or broken: BrokenExecutor is one
            raise BackendLostError(f"the executor takes no more work: {echo(error)}") from None

    def answers(self) -> list[Answer]:
        """What has come back within a moment."""
        done, _ = concurrent.futures.wait(self.running, timeout=0.5, return_when=concurrent.futures.FIRST_COMPLETED)
        found: list[Answer] = []
        for future in done:
            piece = self.running.pop(future)
            try:
                found.append((piece, future.result()))
            except BackfireError as error:
                found.append((piece, error))
            except concurrent.futures.CancelledError:
                raise BackendLostError("the executor cancelled what it was given") from None
            except Exception as error:
                # `compute` raises nothing of the kind, so it is the transport
                raise BackendLostError(f"the executor lost members {piece.first} to {piece.last}: {echo(error)}") from None
        return found

    def close(self) -> None:
        """Take back what has not begun, and wait for what has: its chunks are whole then."""
        for future in self.running:
            future.cancel()
        concurrent.futures.wait(self.running, timeout=60)
