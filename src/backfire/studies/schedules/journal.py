"""What a search has found out so far, so that the same search goes on where it was cut off.

A search asks for the same candidates in the same order whenever its seed is the same. So nothing is kept of the search itself:
what every candidate came to is written down after each generation, and is read instead of simulated where it is known. Every
line carries a checksum, so that what is read is what was simulated.
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

from backfire.errors import StorageError, echo
from backfire.solvers import Floats
from backfire.sweeps import code_identity
from backfire.system import source_hash, write_whole

NAME: Final = "evaluations.jsonl"


class Journal:
    """What candidates came to, in a file of a folder, line by line; only in memory without one. ``question`` is all that decides
    what they come to: lines of another question, or of other code, are left behind. A candidate has so many numbers, and comes to
    so many, as ``widths`` say. Raises StorageError for a damaged line of this question."""

    def __init__(self, folder: Path | None, question: Mapping[str, Any], widths: tuple[int, int]) -> None:
        self.path, self.widths = None if folder is None else folder / NAME, widths
        asked = json.dumps({**question, "code": [code_identity(), source_hash("studies.schedules")]}, sort_keys=True, default=str)
        self.head = json.dumps({"question": hashlib.sha256(asked.encode()).hexdigest()})
        self.known: dict[bytes, list[float]] = {}
        self._read()
        self.found = len(self.known)
        """How many were there from before."""

    def _read(self) -> None:
        """Take what is there, but for a last line that was cut off, and begin the file anew where it is of another question."""
        if self.path is None:
            return
        text, whole = "", [self.head]
        with contextlib.suppress(OSError):
            text = self.path.read_text(encoding="utf-8", errors="replace")
        lines = text.split("\n")[:-1]  # what follows the last end of a line was cut off
        if lines[:1] == whole:
            for number, line in enumerate(lines[1:], 2):
                self._take(line, number)
            whole = lines
        kept = "\n".join(whole) + "\n"
        if kept != text:
            self._write(lambda path: write_whole(path, kept, result=False))

    def _take(self, line: str, number: int) -> None:
        """Know what a line says; raises StorageError where it is not as it was written."""
        try:
            row = json.loads(line)
            candidate, came_to = row["candidate"], row["came_to"]
            if row["sum"] != self._sum(candidate, came_to):
                raise ValueError("its checksum is another")
            key, values = np.array(candidate, dtype=float), np.array(came_to, dtype=float)  # null becomes NaN
            if (key.shape, values.shape) != tuple((width,) for width in self.widths) or not np.isfinite(key).all():
                raise ValueError("it has not the numbers of this search")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"damaged ({echo(error)}); remove the file, and the search begins anew"
            raise StorageError(f"{self.path}:{number}: {reason}") from None
        self.known[key.tobytes()] = values.tolist()

    def _sum(self, candidate: Any, came_to: Any) -> str:
        """The checksum of a line, which belongs to this question alone."""
        return hashlib.sha256(json.dumps([self.head, candidate, came_to]).encode()).hexdigest()[:16]

    def add(self, candidates: Floats, found: Floats) -> None:
        """Write down what candidates (k, n) came to (k, m)."""
        lines = []
        for candidate, values in zip(candidates, found.tolist(), strict=True):
            self.known[candidate.tobytes()] = values
            told = [value if math.isfinite(value) else None for value in values]
            row = {"candidate": candidate.tolist(), "came_to": told, "sum": self._sum(candidate.tolist(), told)}
            lines.append(json.dumps(row) + "\n")
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
