"""Dask workers as a pool: more than one machine, one shared folder. Needs the extra ``dask``."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from backfire.errors import BackendLostError, BackfireError, RefusedError, StorageError, UserError, echo
from backfire.sweeps.store import DamagedChunkError, chunk_path, read_beside, read_chunk
from backfire.sweeps.tasks import Job, compute
from backfire.sweeps.workers import Answer, Slice, WorkerDied

PATIENCE: Final = 30
"""Seconds to wait for the first worker."""


def dask_client(address: str) -> Any:
    """A client of a running Dask scheduler; raises UserError without Dask, BackendLostError if nobody answers."""
    try:
        import distributed
    except ImportError:
        raise UserError("Dask is not installed: pip install 'backfire[dask]'") from None
    client: Any = distributed.Client
    try:
        return client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise BackendLostError(f"no Dask scheduler answers at {echo(address)}: {echo(error)}") from None


def is_dask_client(given: object) -> bool:
    """True for a ``distributed.Client``, told without importing it."""
    return any(kind.__module__.startswith("distributed.") and kind.__name__ == "Client" for kind in type(given).__mro__)


class DaskPool:
    """Dask workers, each of which shows with every slice that it computes what this process would.

    ``identity`` is called with the folder on the worker, and must give what it gives here, ``mine``: versions, hash of
    the code, and what it reads from the folder. It is asked with every slice, because workers come and go.

    What a worker hands back is not fetched: it would be gone with a worker that dies afterwards. Its chunk is in the
    shared folder, and is read there. Raises BackendLostError if the scheduler has no workers.
    """

    exact = False

    def __init__(self, job: Job, client: Any, mine: Mapping[str, str], identity: Callable[[str], dict[str, str]]) -> None:
        self.job, self.client = job, client
        self.task = functools.partial(compute_alike, dict(mine), identity)
        self.running: dict[Any, Slice] = {}
        began = time.monotonic()
        while not self._threads():
            if time.monotonic() - began > PATIENCE:
                raise BackendLostError("the Dask scheduler has no workers")
            time.sleep(0.1)

    def _threads(self) -> int:
        return sum(self.client.nthreads().values())

    def free(self) -> int:
        """How many more may be in flight: two for every thread, and one even while all workers start anew."""
        try:
            return max(2 * self._threads(), 1) - len(self.running)
        except Exception as error:  # a client without scheduler fails in many ways, none of them documented
            raise BackendLostError(f"the Dask scheduler does not answer: {echo(error)}") from None

    def submit(self, part: Slice) -> None:
        """Submit the slice, under a key of its own: the same slice may be tried again."""
        future = self.client.submit(self.task, self.job, part.first, part.last, pure=False)
        self.running[future] = part

    def answers(self) -> list[Answer]:
        """What has come back within a moment."""
        for _ in range(50):
            done = [future for future in self.running if future.status != "pending"]
            if done:
                return [(part, self._answer(future, part)) for future in done if (part := self.running.pop(future))]
            time.sleep(0.01)
        return []

    def _answer(self, future: Any, part: Slice) -> WorkerDied | None:
        if future.status == "finished":
            self._see_chunk(part)
            return None
        if future.status != "error":
            raise BackendLostError(f"Dask has {future.status} members {part.first} to {part.last}")
        error = future.exception(timeout=PATIENCE)
        if isinstance(error, BackfireError):
            raise error
        if type(error).__name__ == "KilledWorker":
            return WorkerDied("Dask: every worker that tried it died")
        raise BackendLostError(f"Dask lost members {part.first} to {part.last}: {type(error).__name__}: {echo(error)}")

    def _see_chunk(self, part: Slice) -> None:
        """Read the chunk of a finished slice; another machine's disk may show it a little late."""
        path = chunk_path(Path(self.job.folder), part.first)
        for attempt in range(20):
            try:
                _, chunk = read_chunk(path, self.job.layout)
                read_beside(Path(self.job.folder), self.job.layout, chunk)
                return
            except DamagedChunkError as reason:
                if attempt == 19:
                    raise StorageError(f"{path}: a Dask worker wrote it, but here it {reason}") from None
                time.sleep(0.25)

    def close(self) -> None:
        """Take back what has not begun; what has begun may finish, its chunks are whole."""
        with contextlib.suppress(Exception):  # a scheduler that is gone has nothing to take back
            self.client.cancel([*self.running])


def compute_alike(wanted: Mapping[str, str], identity: Callable[[str], dict[str, str]], job: Job, first: int, last: int) -> None:
    """``compute``, but only where the code is the code wanted; raises RefusedError naming worker and differences."""
    found = identity(job.folder)
    differing = [word for word in wanted if found.get(word) != wanted[word]]
    if differing:
        lines = [f"{word} is {echo(found.get(word, 'unknown'))}, here {echo(wanted[word])}" for word in differing]
        who = f"worker on {platform.node()}, process {os.getpid()}"
        raise RefusedError("\n".join([f"a Dask {who} would not compute what this process does:", *lines]))
    compute(job, first, last)
