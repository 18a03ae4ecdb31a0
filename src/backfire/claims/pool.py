"""Worker processes for what claims ask of the slow reference solver.

They are a ``ProcessPoolExecutor`` of the standard library, for the tasks are few, can be computed anywhere and give
small answers. Two things are added. No worker outlives its caller: each listens to a pipe of which only the caller holds
the other end, and leaves when that is closed, by Ctrl-C or by death. And workers are spawned, not forked: threads and
locks of the caller cannot be caught halfway.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import TYPE_CHECKING, Final

from backfire.errors import UserError
from backfire.system import unheard_by_children, usable_cores

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

GUARD: Final = 'put `if __name__ == "__main__":` around what the script runs, or do without worker processes: --workers 0'


@contextlib.contextmanager
def worker_pool(workers: int | None = None) -> Iterator[Executor | None]:
    """Worker processes for as long as the block runs; None if there are to be none, so that this process does the work.

    ``workers`` None gives one per core that this process may use, and none if that is one core. A block that ends with
    an exception ends the workers at once, whatever they are at. Raises UserError for a negative number, and in a
    script that is imported again by its own workers.
    """
    if workers is not None and workers < 0:
        raise UserError(f"--workers is 0 for this process, else a number of processes; got {workers}")
    count = workers if workers is not None else usable_cores() if usable_cores() > 1 else 0
    if count == 0:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    listening, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(listening,))
    try:
        try:
            with unheard_by_children():
                for _ in range(count):
                    pool.submit(_prepare)  # they start while the caller finds out what there is to do
        except RuntimeError:  # this is a worker, about to import the script of its caller
            raise UserError(f"worker processes import the script that starts them: {GUARD}") from None
        yield pool
    except BaseException:
        ours.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        listening.close()


def _begin(caller: Connection) -> None:
    """The first thing that a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the caller decides
    threading.Thread(target=_leave_with, args=(caller,), daemon=True).start()


def _leave_with(caller: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        caller.recv()
    os._exit(1)


def _prepare() -> None:
    """Import what takes seconds to import."""
    import backfire.claims.variants  # noqa: F401
