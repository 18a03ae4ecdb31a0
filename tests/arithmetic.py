"""A sweep without tumours: members of plain arithmetic, some of which break, die or take their time.

What the store and the workers promise does not depend on a solver, so their tests need none.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from backfire.designs import Axis, Design, Grid
from backfire.driver import Plan
from backfire.trajectory import Status

ARMS = ("untreated", "treated")
OUTCOMES = {
    "burden": {"unit": "cell", "meaning": "cells left", "time": False},
    "delay": {"unit": "day", "meaning": "days until something", "time": True},
}


@dataclass(frozen=True)
class Rows:
    status: Any
    steps: Any
    values: Any
    observed: Any
    reasons: Mapping[tuple[int, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Arithmetic:
    """burden = x·y², doubled when treated; delay = x, seen below 1000.

    Members whose x is in ``broken`` come back with a reason, in ``raising`` raise, in ``deadly`` kill their process;
    with ``once`` they do so only until that file exists. ``pause`` seconds pass per member, ``pids`` collects who worked.
    """

    broken: frozenset[float] = frozenset()
    raising: frozenset[float] = frozenset()
    deadly: frozenset[float] = frozenset()
    once: str = ""
    pause: float = 0.0
    pids: str = ""

    def __call__(self, samples: Any) -> Rows:
        if self.pids:
            (Path(self.pids) / str(os.getpid())).touch()
        x, y = samples[:, 0], samples[:, 1]
        for value in x.tolist():
            if self.pause:
                time.sleep(self.pause)
            if value in self.raising:
                raise ZeroDivisionError(f"no answer for x = {value}")
            if value in self.deadly and not (self.once and os.path.exists(self.once)):
                if self.once:
                    Path(self.once).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        bad = np.isin(x, list(self.broken))
        status = np.where(bad[:, None], Status.MAX_STEPS, Status.OK).astype(np.int8) * np.ones((1, 2), dtype=np.int8)
        burden = np.where(bad, math.nan, x * y**2)
        values = {
            arm: {"burden": burden * factor, "delay": np.where(bad, math.nan, np.minimum(x, 1000.0))}
            for arm, factor in zip(ARMS, (1, 2), strict=True)
        }
        observed = {arm: {"burden": ~bad, "delay": ~bad & (x < 1000)} for arm in ARMS}
        reasons = {
            (int(member), arm): f"broken on purpose at x = {x[member]:g}" for member in np.flatnonzero(bad) for arm in ARMS
        }
        steps = np.outer(np.arange(len(x)) * 0 + 7, [1, 2])
        return Rows(status, steps, values, observed, reasons)


def grid(count: int) -> Design:
    """``count`` members: x = 0, 1, 2 …, y = 0.1."""
    return Grid((Axis("x", values=tuple(float(value) for value in range(count))), Axis("y", values=(0.1,))))


def plan(count: int = 100, **how: Any) -> Plan:
    """A plan of ``count`` members; its identity does not know how they misbehave."""
    return Plan(
        design=grid(count),
        arms=ARMS,
        fields={"x": {"unit": "1", "meaning": "a number"}, "y": {"unit": "1", "meaning": "another"}},
        outcomes=OUTCOMES,
        identity={"schema": "1", "design": grid(count).describe(), "model": {"power": 2, "names": ["x", "y"]}},
        runner=Arithmetic(**how),
        about={"title": "Arithmetic", "scenario": {"name": "none", "hash": "0"}},
        files={"study.toml": "title = 'Arithmetic'\n"},
    )


def changed(given: Plan, **identity: Any) -> Plan:
    """The plan with another identity."""
    return replace(given, identity={**given.identity, **identity})


def alive(pid: int) -> bool:
    """True for a process that still runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def identity(_: str) -> dict[str, str]:
    """What a worker says of itself."""
    return {"code": "1"}
