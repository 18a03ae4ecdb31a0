"""A sweep without tumours: members of plain arithmetic, some of which break, die or take their time.

What the store and the workers promise does not depend on a solver, so their tests need none.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backfire.sampling import Axis, Design, Grid
from backfire.simulation import Cohort
from backfire.solvers.trajectory import Status
from backfire.sweeps.driver import SweepPlan
from backfire.sweeps.store import Recording

COUNT = 200
"""Members of a sweep, where a test does not care."""
ARMS = ("untreated", "treated")
OUTCOMES = {
    "burden": {"unit": "cell", "meaning": "cells left", "time": False},
    "delay": {"unit": "day", "meaning": "days until something", "time": True},
}


@dataclass(frozen=True)
class Arithmetic:
    """burden = x·y², doubled when treated; delay = x, seen below 1000.

    Members whose x is in ``broken`` come back with a reason, in ``raising`` raise, in ``deadly`` kill their process;
    with ``once`` they do so only until that file exists, and ``by`` is the signal. Those in ``stuck`` take ten minutes.
    From the member ``full`` on, who computes it cannot write: no file may grow. ``pause`` seconds pass per member, ``pids``
    collects who worked.
    """

    broken: frozenset[float] = frozenset()
    raising: frozenset[float] = frozenset()
    deadly: frozenset[float] = frozenset()
    once: str = ""
    by: int = signal.SIGKILL
    stuck: frozenset[float] = frozenset()
    full: float | None = None
    pause: float = 0.0
    pids: str = ""

    def __call__(self, samples: Any) -> Cohort:
        if self.pids:
            (Path(self.pids) / str(os.getpid())).touch()
        x, y = samples[:, 0], samples[:, 1]
        for value in x.tolist():
            if self.pause:
                time.sleep(self.pause)
            if value in self.stuck:
                time.sleep(600)
            if value == self.full:
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
            if value in self.raising:
                raise ZeroDivisionError(f"no answer for x = {value}")
            if value in self.deadly and not (self.once and os.path.exists(self.once)):
                if self.once:
                    Path(self.once).touch()
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                os.kill(os.getpid(), self.by)
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
        return Cohort(ARMS, status, steps, values, observed, reasons)


class Lines:
    """Trajectories x·day of the arithmetic sweep, of one of its arms."""

    recording = Recording(1.0, 3.0, ("treated",), ("height",), ("cell",))

    def __call__(self, samples: Any) -> Any:
        return (samples[:, :1] * self.recording.days)[:, None, :, None]


def grid(count: int) -> Design:
    """``count`` members: x = 0, 1, 2 …, y = 0.1."""
    return Grid((Axis("x", values=tuple(float(value) for value in range(count))), Axis("y", values=(0.1,))))


def plan(count: int = 100, **how: Any) -> SweepPlan:
    """A plan of ``count`` members; its identity does not know how they misbehave."""
    return SweepPlan(
        design=grid(count),
        arms=ARMS,
        fields={"x": {"unit": "1", "meaning": "a number"}, "y": {"unit": "1", "meaning": "another"}},
        outcomes=OUTCOMES,
        identity={"schema": "1", "design": grid(count).describe(), "model": {"power": 2, "names": ["x", "y"]}},
        runner=Arithmetic(**how),
        about={"title": "Arithmetic", "scenario": {"name": "none", "hash": "0"}},
        files={"study.toml": "title = 'Arithmetic'\n"},
    )


def changed(given: SweepPlan, **identity: Any) -> SweepPlan:
    """The plan with another identity."""
    return replace(given, identity={**given.identity, **identity})


Process = tuple[int, str]
"""A process: its number and when it began, for numbers are given again."""


def processes() -> dict[Process, int]:
    """All processes that run, and the number of the parent of each."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            about = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if about[0] not in "ZX":
                found[int(path.parent.name), about[19]] = int(about[1])
    return found


def family(parent: int) -> set[Process]:
    """The children of a process, their children, and so on."""
    running, found, new = processes(), set[Process](), {parent}
    while new:
        children = {child for child, its_parent in running.items() if its_parent in new} - found
        found |= children
        new = {number for number, _ in children}
    return found


def gone(those: set[Process], seconds: float = 15) -> bool:
    """True once none of the processes runs, False if one still does after so many seconds."""
    end = time.monotonic() + seconds
    while those & processes().keys():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def memory(pid: int, word: str = "VmRSS") -> float:
    """Megabytes a process has now, or ``VmHWM``, the most it ever had."""
    about = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(about.partition(f"{word}:")[2].split()[0]) / 1024


def identity(_: str) -> dict[str, str]:
    """What a worker says of itself."""
    return {"code": "1"}
