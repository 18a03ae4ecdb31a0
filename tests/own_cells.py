"""A mechanism of one's own in a file, and a scenario and a sweep that use it, as tests write them into a folder."""

from __future__ import annotations

from pathlib import Path

from small import SMALL

CELLS = '''"""Cells of the core."""

from collections.abc import Iterator
from dataclasses import dataclass

from backfire import Mechanism, Parameter, Part, Process, State, option


@dataclass(frozen=True)
class Core(Mechanism):
    """Cells far from vessels rest in the core.

    dR/dt = r·A - w·R
    """

    label = "core"

    of: str = option("the cells that come to rest", example="active")

    def parts(self) -> Iterator[Part]:
        yield Parameter("rest_rate", 0.02, "1/day", "share that comes to rest each day", (0.001, 0.1), "assumed: a test", "assumed")
        yield Parameter("wake_rate", 0.05, "1/day", "share that wakes each day", (0.001, 0.2), "assumed: a test", "assumed")
        yield State("resting", "cell", "resting cells of the core", 1e5, counts_in="burden")
        yield Process("resting_start", "rest", f"rest_rate * {self.of}", "cells come to rest", leaves=self.of, enters="resting")
        yield Process("waking", "wake", "wake_rate * resting", "cells wake", leaves="resting", enters=self.of)
'''
WITH_CORE = SMALL.replace("[mechanisms]", 'mechanisms_from = ["my_cells.py"]\n\n[mechanisms]\ncore = { of = "active" }')
STUDY = """
title = "How many cells rest?"
scenario = "own.toml"
outcomes = ["final_burden", "peak(resting)"]

[design]
kind = "grid"

[vary]
rest_rate = { low = 0.01, high = 0.1, points = 3 }
drug.amount = { values = [1, 4] }
"""


def write(folder: Path, cells: str = CELLS, scenario: str = WITH_CORE) -> Path:
    """``my_cells.py``, ``own.toml`` and ``resting.toml`` in a folder; gives the scenario."""
    folder.mkdir(exist_ok=True)
    (folder / "my_cells.py").write_text(cells, encoding="utf-8")
    (folder / "own.toml").write_text(scenario, encoding="utf-8")
    (folder / "resting.toml").write_text(STUDY, encoding="utf-8")
    return folder / "own.toml"
