"""Dask workers as a crew: more than one machine, one shared folder. Needs the extra ``dask``."""

from __future__ import annotations

import functools
import os
import platform
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from backfire.chunks import Receipt
from backfire.errors import BackendLostError, RefusedError, UserError, echo
from backfire.executors import Borrowed, Job, compute

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


def dask_crew(job: Job, client: Any, mine: Mapping[str, str], identity: Callable[[str], dict[str, str]]) -> Borrowed:
    """Dask workers as a crew, each of which shows with every piece that it computes what this process would.

    ``identity`` is called with the folder on the worker, and must give what it gives here, ``mine``: versions, hash of
    the code, and what it reads from the folder. Asked with every piece and not once, because workers come and go. A
    piece on another kind of worker gives RefusedError, naming what differs. Raises BackendLostError without workers.
    """
    began = time.monotonic()
    while not (threads := sum(client.nthreads().values())):
        if time.monotonic() - began > PATIENCE:
            raise BackendLostError("the Dask scheduler has no workers")
        time.sleep(0.1)
    task = functools.partial(compute_alike, dict(mine), identity)
    return Borrowed(job, client.get_executor(pure=False), 2 * threads, task)


def compute_alike(
    wanted: Mapping[str, str], identity: Callable[[str], dict[str, str]], job: Job, first: int, last: int
) -> Receipt:
    """``compute``, but only where the code is the code wanted; raises RefusedError naming worker and differences."""
    found = identity(job.folder)
    wrong = [
        f"{word} is {echo(found.get(word, 'unknown'))}, here {echo(wanted[word])}"
        for word in wanted
        if found.get(word) != wanted[word]
    ]
    if wrong:
        who = f"worker on {platform.node()}, process {os.getpid()}"
        raise RefusedError("\n".join([f"a Dask {who} would not compute what this process does:", *wrong]))
    return compute(job, first, last)
