"""What a search has found out so far, so that the same search goes on where it was cut off.

A search asks for the same candidates in the same order whenever its seed is the same. So nothing is kept of the search itself:
what every candidate came to is written down after each generation, and is read instead of simulated where it is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.errors import StorageError
from backfire.solvers import Floats
from backfire.sweeps import code_identity
from backfire.system import source_hash, write_whole

NAME: Final = "evaluations.jsonl"


class Journal:
    """What candidates came to, in a file of a folder, line by line; only in memory without one. ``question`` is all that decides
    what they come to: lines of another question, or of other code, are left behind."""

    def __init__(self, folder: Path | None, question: Mapping[str, Any]) -> None:
        self.path = None if folder is None else folder / NAME
        asked = json.dumps({**question, "code": [code_identity(), source_hash("studies.schedules")]}, sort_keys=True, default=str)
        self.head = json.dumps({"question": hashlib.sha256(asked.encode()).hexdigest()})
        self.known: dict[bytes, list[float]] = {}
        self._read()
        self.found = len(self.known)
        """How many were there from before."""

    def _read(self) -> None:
        """Take what is there, up to a line that was cut off, and begin the file anew where it holds anything else."""
        if self.path is None:
            return
        text, whole = "", [self.head]
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = self.path.read_text(encoding="utf-8")
        lines = text.splitlines()
        if lines[:1] == whole:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                for line in lines[1:]:
                    row = json.loads(line)
                    values = [math.nan if value is None else float(value) for value in row["came_to"]]
                    self.known[np.array(row["candidate"], dtype=float).tobytes()] = values
                    whole.append(line)
        kept = "\n".join(whole) + "\n"
        if kept != text:
            self._write(lambda path: write_whole(path, kept, result=False))

    def add(self, candidates: Floats, found: Floats) -> None:
        """Write down what candidates (k, n) came to (k, m)."""
        lines = []
        for candidate, values in zip(candidates, found.tolist(), strict=True):
            self.known[candidate.tobytes()] = values
            told = [value if math.isfinite(value) else None for value in values]
            lines.append(json.dumps({"candidate": candidate.tolist(), "came_to": told}) + "\n")
        self._write(lambda path: _append(path, "".join(lines)))

    def _write(self, write: Callable[[Path], None]) -> None:
        """A full disk is no reason to stop a search: it then goes on without a file."""
        if self.path is not None:
            try:
                write(self.path)
            except (OSError, StorageError):
                self.path = None


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
