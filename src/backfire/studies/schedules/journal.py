"""What a search has found out so far, so that the same search goes on where it was cut off.

A search asks for the same candidates in the same order whenever its seed is the same. So nothing is kept of the search itself:
what every candidate came to is written down after each generation, and is read instead of simulated where it is known.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.errors import StorageError
from backfire.solvers import Floats
from backfire.sweeps import code_identity
from backfire.system import source_hash, to_json, write_whole

NAME: Final = "evaluations.json"


class Journal:
    """What candidates came to, in a folder; only in memory without one. ``question`` is all that decides what they come to."""

    def __init__(self, folder: Path | None, question: Mapping[str, Any]) -> None:
        self.path = None if folder is None else folder / NAME
        asked = json.dumps({**question, "code": [code_identity(), source_hash("studies.schedules")]}, sort_keys=True, default=str)
        self.question = hashlib.sha256(asked.encode()).hexdigest()
        self.known: dict[bytes, list[float]] = {}
        self._read()
        self.found = len(self.known)
        """How many were there from before."""

    def _read(self) -> None:
        if self.path is None:
            return
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            if kept["question"] == self.question:
                for row in kept["candidates"]:
                    values = [math.nan if value is None else float(value) for value in row["came_to"]]
                    self.known[np.array(row["candidate"], dtype=float).tobytes()] = values
        except (OSError, ValueError, KeyError, TypeError):
            self.known.clear()  # none yet, or of another make: it is computed anew

    def add(self, candidates: Floats, found: Floats) -> None:
        """Write down what candidates (k, n) came to (k, m); a full disk is no reason to stop a search."""
        for candidate, values in zip(candidates, found.tolist(), strict=True):
            self.known[candidate.tobytes()] = values
        if self.path is None:
            return
        rows: Sequence[Any] = [
            {"candidate": np.frombuffer(key).tolist(), "came_to": values} for key, values in self.known.items()
        ]
        try:
            write_whole(self.path, to_json({"question": self.question, "candidates": rows}), result=False)
        except StorageError:
            self.path = None
