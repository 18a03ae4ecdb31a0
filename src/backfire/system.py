"""The machine under backfire: its own sources and shipped files, files written whole, JSON, locks, cores."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import signal
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from backfire.errors import RefusedError, StorageError, echo

PACKAGE: Final = Path(__file__).parent
WRITTEN: Final[list[Path]] = []
"""Results that this process has written so far; whoever is interrupted says that they are whole."""


def usable_cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shipped_folder(name: str) -> Path:
    """A folder of shipped files (``configs``, ``seeds``): inside the installed package, or beside ``src`` in a checkout."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parents[1] / name


def source_hash(*families: str) -> str:
    """A hash of the text of all modules of some families, such as ``model`` or ``solvers.batch``, and of their names.

    Whatever is kept under it is made anew when any of them changes.
    """
    return _source_hash(PACKAGE, families)


@cache
def _source_hash(package: Path, families: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for family in families:
        place = package / family.replace(".", "/")
        paths = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        for path in paths:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def shipped_names(*folders: str) -> list[str]:
    """The names of the files in a shipped folder, such as ``configs``, ``sweeps``, without reading any."""
    place = shipped_folder(folders[0]).joinpath(*folders[1:])
    return sorted(path.stem for path in place.glob("*.toml"))


def require_writable(path: Path, folder: bool = False, source: Path | str | None = None) -> None:
    """Refuse a file, or a ``folder`` for files, that cannot be written, before anything is computed; makes nothing.

    Raises RefusedError where a folder is needed and a file stands, or the other way round, or where the file is the
    ``source`` of what is to be written, StorageError for a place that takes no files.
    """
    if path.is_dir() and not folder:
        raise RefusedError(f"{path} is a folder; give a file")
    if source is not None and path.is_file() and os.path.exists(source) and path.samefile(source):
        raise RefusedError(f"{path} is the file that is read; give another")
    _require_regular(path)
    place = path if folder else path.parent
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise RefusedError(f"{path}: cannot be written, for {place} is a file")
    if not os.access(place, os.W_OK):
        raise StorageError(f"{path}: cannot be written ({'it' if place == path else place} is read-only)")


def _require_regular(path: Path) -> None:
    """Refuse a device, a pipe or a socket: a file moved into its place would take it away from everybody."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise RefusedError(f"{path} is a device or a pipe, no file; give a file")


def make_folder(folder: Path) -> None:
    """Make a folder, unless it is there; raises RefusedError and StorageError as ``require_writable``."""
    require_writable(folder, folder=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror or error})") from None


def write_whole(path: Path, content: str | bytes, result: bool = True) -> None:
    """Write a file so that it is whole or absent, even after power loss; raises StorageError if the disk refuses.

    ``result`` is False for what only saves time next time. Raises RefusedError for a device or a pipe in place of a result.
    """
    if result:
        _require_regular(path)
    temporary = path.parent / f".{path.name}.{platform.node()}.{os.getpid()}.{uuid.uuid4().hex}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(temporary, flags, 0o644), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
        if result:
            WRITTEN.append(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error}); what is stored stays") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _flush_folder(folder: Path) -> None:
    """Make a rename itself durable; systems that cannot do it for folders say so, and that is all right."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def to_json(data: Mapping[str, Any] | list[Any]) -> str:
    """Strict JSON: what is not a number is null, and never the words NaN or Infinity."""
    return json.dumps(_strict(data), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _strict(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): _strict(value) for key, value in data.items()}
    return [_strict(value) for value in data] if isinstance(data, list | tuple) else data


@contextlib.contextmanager
def lock(folder: Path, who: str) -> Iterator[None]:
    """Hold a folder while writing into it; raises RefusedError if another process does. ``who`` writes: "run", "sweep".

    The lock is the kernel's lock on the file ``lock``, not the file: it ends with the process that holds it, however
    that dies, so a process number that the system gave to somebody else cannot fool us. What the file says (host,
    boot, process, since) is for people, and for one case: locks of the kernel may not reach another machine that
    shares the disk. A lock left by another machine is therefore never taken over; whoever knows that it is stale
    removes the file. (A library for locks says neither who holds one, nor from where.)
    """
    path = folder / "lock"
    handle = _locked(path, who)
    try:
        left = os.read(handle, 4096).decode(errors="replace")
        mine = _me()
        if left and not _same_machine(left, mine):
            raise RefusedError(f"{folder}: held by another machine ({echo(left)}); if nothing runs there, remove {path}")
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(mine).encode(), 0)
        os.fsync(handle)
    except OSError as error:
        os.close(handle)
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from None
    except RefusedError:
        os.close(handle)
        raise
    try:
        yield
    finally:
        # while the lock is still held, so that nobody can hold a lock on a file that is gone
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def _locked(path: Path, who: str) -> int:
    """An open file with the kernel's lock on it, still under its name."""
    try:
        import fcntl
    except ImportError:  # no such locks on Windows: there the file itself is the lock, and people remove it
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except BlockingIOError:
            said = os.read(handle, 4096).decode(errors="replace")
            os.close(handle)
            raise RefusedError(
                f"{path.parent}: another {who} is writing here ({echo(said)}); wait or give another --out"
            ) from None
        except FileNotFoundError:
            pass
        os.close(handle)  # its holder finished between our two steps and took the file along: try again


@contextlib.contextmanager
def unheard_by_children() -> Iterator[None]:
    """Processes begun inside never hear Ctrl-C, which reaches the whole group: whoever began them decides.

    From their very first moment on, for a handler of their own comes only after their imports. Here it is heard afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _me() -> dict[str, Any]:
    return {
        "host": platform.node(),
        "pid": os.getpid(),
        "boot": _boot(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _boot() -> str:
    """Which start of which kernel this is; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _same_machine(left: str, mine: Mapping[str, Any]) -> bool:
    """True if whoever left the lock ran on this machine, so that holding the kernel's lock proves it gone."""
    try:
        theirs = json.loads(left)
        return bool((mine["boot"] and theirs["boot"] == mine["boot"]) or theirs["host"] == mine["host"])
    except (ValueError, KeyError, TypeError):
        return True  # cut off while it was written, which only a process on its way out leaves behind
