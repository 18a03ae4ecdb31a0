"""Who computes the slices: worker processes of our own, this process, or any executor of somebody else.

Our own workers have one task each. When one dies we therefore know on which slice, which a ``ProcessPoolExecutor``
cannot say: it loses every task it has. And none outlives us: each watches its parent and leaves when that is gone.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from backfire.errors import BackendLostError, BackfireError, UserError, echo
from backfire.sweeps.tasks import Job, compute
from backfire.system import unheard_by_children, usable_cores

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext, SpawnProcess

MOST_FAILED_STARTS: Final = 3


@dataclass(frozen=True)
class Slice:
    """Members ``first`` up to ``last`` to compute; ``deaths`` counts the workers that died on exactly this slice."""

    first: int
    last: int
    deaths: int = 0

    @property
    def size(self) -> int:
        """How many members."""
        return self.last - self.first


class WorkerDied(Exception):  # noqa: N818  it is an event, not a fault of ours
    """The process that computed a slice ended without an answer; the text says how."""


Answer = tuple[Slice, WorkerDied | None]
"""A slice that is stored, or how the worker died that was at it."""


class Pool(Protocol):
    """Those who compute slices."""

    exact: bool
    """True if a death names the slice that caused it, also when others run beside it."""

    def free(self) -> int:
        """How many slices it would take now."""

    def submit(self, part: Slice) -> None:
        """Give it a slice."""

    def answers(self) -> list[Answer]:
        """What has come back; waits a moment if nothing has.

        Raises what a slice raised, and BackendLostError when nobody is left to compute.
        """

    def close(self) -> None:
        """Let it go, whatever it is at."""


class InlinePool:
    """This process itself, one slice at a time. Nothing protects it from a member that kills its process."""

    exact = True

    def __init__(self, job: Job) -> None:
        self.job = job
        self.waiting: list[Slice] = []

    def free(self) -> int:
        """One at a time."""
        return 1 - len(self.waiting)

    def submit(self, part: Slice) -> None:
        """Remember the slice until ``answers`` is called."""
        self.waiting.append(part)

    def answers(self) -> list[Answer]:
        """Compute what was submitted."""
        part = self.waiting.pop()
        compute(self.job, part.first, part.last)
        return [(part, None)]

    def close(self) -> None:
        """Nothing to let go."""


class WorkerPool:
    """Worker processes of our own, each with one slice at a time; a dead one is replaced.

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
        self.workers = [_Worker(self.context, self.job) for _ in range(workers)]

    def free(self) -> int:
        """How many workers have nothing to do; those still starting count, they take their slice when they are there."""
        return sum(worker.part is None for worker in self.workers)

    def submit(self, part: Slice) -> None:
        """Give a slice to a worker, rather to one that has started."""
        idle = [worker for worker in self.workers if worker.part is None]
        worker = next((worker for worker in idle if worker.ready), idle[0])
        worker.take(part)

    def answers(self) -> list[Answer]:
        """What has come back within a moment; dead workers are replaced."""
        found: list[Answer] = []
        busy = {worker.pipe: worker for worker in self.workers}
        for pipe in multiprocessing.connection.wait([*busy], timeout=0.5):
            worker = busy[pipe]  # type: ignore[index]
            try:
                answer = worker.pipe.recv()
            except (EOFError, OSError):
                found += self._replace(worker)
                continue
            if answer == "ready":
                worker.ready, self.failed_starts = True, 0
                continue
            if answer is not None:
                raise answer
            assert worker.part is not None
            found.append((worker.part, None))
            worker.part = None
        return found

    def _replace(self, worker: _Worker) -> list[Answer]:
        """A new worker for a dead one; what the old one was at comes back as a death, or waits if it never started."""
        ended = worker.end()
        part, self.workers[self.workers.index(worker)] = worker.part, (fresh := _Worker(self.context, self.job))
        if worker.ready:
            return [] if part is None else [(part, WorkerDied(ended))]
        self.failed_starts += 1
        if self.failed_starts >= MOST_FAILED_STARTS:
            raise BackendLostError(
                f'worker processes do not start ({ended}); a script that sweeps needs `if __name__ == "__main__":`, '
                "and --workers 0 does without them"
            )
        if part is not None:
            fresh.take(part)
        return []

    def close(self) -> None:
        """End the workers: those at work are killed, which costs at most the chunks they were at."""
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            worker.end()


class _Worker:
    """One worker process and what it is at."""

    def __init__(self, context: SpawnContext, job: bytes) -> None:
        self.pipe, far = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(far, job), daemon=True)
        with unheard_by_children():
            self.process.start()
        far.close()
        self.part: Slice | None = None
        self.ready = False

    def take(self, part: Slice) -> None:
        self.part = part
        with contextlib.suppress(OSError):  # already dead: the pipe says so when it is read
            self.pipe.send((part.first, part.last))

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
        answer = None
        try:
            compute(job, first, last)
        except BackfireError as error:
            answer = error
        pipe.send(answer)


def _leave_with_parent() -> None:
    """A parent that is killed cannot tell its children; they would work on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class ExternalPool:
    """Any executor of the caller: threads, processes, MPI. It is not ours, so it is neither repaired nor closed.

    ``width`` slices are in flight at once. Any loss raises BackendLostError: what is stored stays, and the sweep can be
    resumed.
    """

    exact = False

    def __init__(self, job: Job, executor: concurrent.futures.Executor, width: int) -> None:
        self.job, self.executor, self.width = job, executor, width
        self.running: dict[concurrent.futures.Future[None], Slice] = {}

    def free(self) -> int:
        """How many more may be in flight."""
        return self.width - len(self.running)

    def submit(self, part: Slice) -> None:
        """Submit the slice."""
        try:
            self.running[self.executor.submit(compute, self.job, part.first, part.last)] = part
        except RuntimeError as error:  # shut down, or broken: BrokenExecutor is one
            raise BackendLostError(f"the executor takes no more work: {echo(error)}") from None

    def answers(self) -> list[Answer]:
        """What has come back within a moment."""
        done, _ = concurrent.futures.wait(self.running, timeout=0.5, return_when=concurrent.futures.FIRST_COMPLETED)
        found: list[Answer] = []
        for future in done:
            part = self.running.pop(future)
            try:
                found.append((part, future.result()))
            except BackfireError:
                raise
            except concurrent.futures.CancelledError:
                raise BackendLostError("the executor cancelled what it was given") from None
            except Exception as error:
                # `compute` raises nothing of the kind, so it is the transport
                raise BackendLostError(f"the executor lost members {part.first} to {part.last}: {echo(error)}") from None
        return found

    def close(self) -> None:
        """Take back what has not begun, and wait for what has: its chunks are whole then."""
        for future in self.running:
            future.cancel()
        concurrent.futures.wait(self.running, timeout=60)


def pool_for(workers: int | None, executor: concurrent.futures.Executor | None, members: int) -> Callable[[Job], Pool]:
    """The pool asked for: an executor of the caller's, this process (0 workers), or so many processes of our own."""
    cores = usable_cores()
    count = cores if workers is None else workers
    if count < 0:
        raise UserError(f"--workers is 0 for this process, else a number of processes; got {count}")
    if executor is not None:
        return lambda job: ExternalPool(job, executor, 2 * cores if workers is None else max(count, 1))
    if count == 0:
        return InlinePool
    return lambda job: WorkerPool(job, min(count, max(members, 1)))
