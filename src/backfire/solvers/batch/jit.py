"""How everything that works over lanes is compiled, and where its machine code is kept.

numba keys its cache by one file alone: an edit of a function in another file would go unnoticed and yesterday's
equations would be served. Here machine code lives in a folder whose name is a hash of all texts that can end up in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from llvmlite import binding
from numba import njit, types
from numba.core import config as numba_config
from numba.extending import intrinsic
from numba.np import arrayobj

from backfire.errors import UserError, echo
from backfire.solvers.cache import cache_folder
from backfire.system import source_hash, usable_cores

COMPILED: Final = ("solvers.batch", "outcomes", "model.dosing_rules")
"""The families whose text can end up in machine code: the solver, the reader of outcomes that it calls, and how rules decide."""
LANES: Final = 16
"""Members side by side: two of the longest vectors, and a power of two, on which the blocks of rows rely. More members do
not fit the first-level cache."""
ROW: Final = types.float64[::1]
_OPTIONS: Final[dict[str, Any]] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}, "_nrt": False}
"""Fused multiply-add, but nothing that would break a check for NaN. Without numba's reference counts, whose atomic
operations took a third of the time; nothing here makes an array."""


@lru_cache(maxsize=1)
def compiled_texts() -> str:
    """A hash of everything that can end up in machine code, apart from the model itself."""
    digest = hashlib.sha256(source_hash(*COMPILED).encode())
    for library in ("backfire", "numba", "llvmlite"):
        digest.update(importlib.metadata.version(library).encode())
    return digest.hexdigest()[:16]


def machine_folder() -> Path:
    """The folder of machine code."""
    return cache_folder() / f"machine-{compiled_texts()}"


def unkept(error: OSError) -> UserError:
    """What to say when machine code cannot be written."""
    advice = "free some space there, or set BACKFIRE_CACHE to another folder"
    return UserError(f"compiled models cannot be kept in {echo(cache_folder())} ({error.strerror or error}): {advice}")


_ASIDE: Final = """
import os, sys, threading
# its input ends when its caller does, and then nobody waits for it any more
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
from {module} import {maker}
{maker}()
os._exit(0)
"""


@contextlib.contextmanager
def aside(module: str, function: str, maker: str) -> Iterator[None]:
    """Compile ``module.function`` in a process of its own while the block compiles something else, on machines with cores
    for both; nothing if this machine has it. ``maker`` is what compiles it when called. Ends when both are done.

    What goes wrong in there is left out: whoever needs the function then compiles it itself.
    """
    known = any(machine_folder().glob(f"*/{module.rpartition('.')[2]}.{function}-*.nbi"))
    if known or usable_cores() < 2 or not sys.executable:
        yield
        return
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    script = _ASIDE.format(module=module, maker=maker)
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, **quiet) as process:  # type: ignore[call-overload]
        try:
            yield
            process.wait()
        except BaseException:
            process.kill()
            raise


def compiled(*signature: Any, inline: Literal["", "text", "code"] = "") -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for lanes, keeping its machine code in our folder; ``inline`` melts it into its callers.

    As "text" before types are known, which saves compiling it by itself where only one caller wants it; as "code" for
    small functions that many call.

    With a signature it is compiled at once; without, when other compiled code first calls it.
    """

    config: Any = numba_config
    jit: Any = njit
    # what only compiled code calls needs no way in from Python, which would take a fifth of the compiler's time
    inner: dict[str, Any] = {} if signature else {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

    def decorate(function: Callable[..., Any]) -> Any:
        if inline:
            how = {"inline": "always"} if inline == "text" else {"forceinline": True}
            return jit(**how, **{**_OPTIONS, "cache": False}, **inner)(function)
        before = config.CACHE_DIR
        config.CACHE_DIR = str(machine_folder())
        try:
            return jit(*signature, **_OPTIONS, **inner)(function)
        except OSError as error:
            raise unkept(error) from None
        finally:
            config.CACHE_DIR = before

    return decorate


@lru_cache(maxsize=1)
def compile_loops() -> None:
    """Tell the compiler, before it first compiles, to make vectors of every loop over lanes.

    It would spell short loops out before it looks for vectors. And it compares all rows that a loop reads for overlaps,
    and gives up beyond a hundred comparisons, which large networks need.
    """
    binding.set_option("", "--unroll-full-max-count=4")
    binding.set_option("", "--memory-check-merge-threshold=2000")


def _wide(context: Any) -> Any:  # noqa: ARG001
    def generate(_: Any, builder: Any, __: Any, ___: Any) -> Any:
        # an attribute that the library does not list, but the compiler knows
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')

    return types.void(), generate


wide: Any = intrinsic(_wide)
"""``wide()``: vectors as long as the machine has, in the function that says so.

The compiler's own choice is half of that on many machines, for the sake of short bursts; here vectors never stop.
"""


def _peek(context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        row: Any = arrayobj
        place = row.make_array(signature.args[0])(context, builder, given[0])
        return builder.load(builder.gep(place.data, [given[1]]))

    return array.dtype(array, types.int64), generate


peek: Any = intrinsic(_peek)
"""``peek(array, index)``: ``array[index]`` of a row, for an index that is never negative: no question is asked of it."""


def _poke(context: Any, array: Any, index: Any, value: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        row: Any = arrayobj
        place = row.make_array(signature.args[0])(context, builder, given[0])
        builder.store(given[2], builder.gep(place.data, [given[1]]))

    return types.void(array, types.int64, array.dtype), generate


poke: Any = intrinsic(_poke)
"""``poke(array, index, value)``: ``array[index] = value``, likewise."""
