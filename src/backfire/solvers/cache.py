"""Where generated and compiled code is kept, and how it is read back."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from backfire.errors import StorageError
from backfire.system import write_whole

GENERATORS: Final = ("formulas", "model", "solvers")
"""The families whose text decides what is generated."""


def cache_folder() -> Path:
    """Where generated code is kept: ``$BACKFIRE_CACHE``, else the user's cache folder, else a temporary one."""
    asked = os.environ.get("BACKFIRE_CACHE")
    candidates = [Path(asked)] if asked else []
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        candidates.append(home / "backfire")
    except RuntimeError:  # no home folder at all
        pass
    user = os.getuid() if hasattr(os, "getuid") else "user"
    candidates.append(Path(tempfile.gettempdir()) / f"backfire-{user}")
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="backfire-"))


def read_own(path: Path) -> str:
    """The text of a regular file of our own; OSError for links, pipes and files that somebody else put there."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, encoding="utf-8") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
            raise PermissionError(f"{path} is not a file of this user")
        return file.read()


def keep(path: Path, text: str) -> None:
    """Write a file whole, so that processes that start together never read half of it; a full disk is no reason to stop."""
    with contextlib.suppress(StorageError):
        write_whole(path, text)
