"""How much memory a large sweep takes beyond a small one, in MB: folder, then workers."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import arithmetic
from backfire.sampling import Axis, Sobol
from backfire.simulation import Cohort
from backfire.sweeps.driver import SweepPlan, run_plan
from backfire.sweeps.workers import pool_for

CHUNK, CHUNKS, OUTCOMES = 1000, 100, 60
"""Members of a chunk, chunks, and outcomes: 100 × 1000 × 2 arms × 60 × 8 bytes are 96 MB."""


@dataclass(frozen=True)
class Wide:
    """Every outcome is x."""

    def __call__(self, samples: Any) -> Cohort:
        nothing = np.zeros((len(samples), 2), dtype=np.int64)
        values = {arm: {f"outcome_{number}": samples[:, 0] for number in range(OUTCOMES)} for arm in arithmetic.ARMS}
        return Cohort(arithmetic.ARMS, nothing.astype(np.int8), nothing, values, {})


def plan(chunks: int) -> SweepPlan:
    """A sweep of many outcomes."""
    design = Sobol((Axis("x", 0, 1), Axis("y", 0, 1)), CHUNK * chunks, 1)
    outcomes = {f"outcome_{number}": {"unit": "1", "meaning": "x", "time": False} for number in range(OUTCOMES)}
    return arithmetic.replace(arithmetic.plan(1), design=design, outcomes=outcomes, runner=Wide(), identity={"chunks": chunks})


def sweep(folder: Path, workers: int, chunks: int) -> list[tuple[float, float]]:
    """Run it, and give what this process and its worker had after every chunk."""
    folder.mkdir(exist_ok=True)
    had = []

    def look(members: int) -> None:
        if members == CHUNK:
            children = [arithmetic.memory(number) for number, _ in arithmetic.family(os.getpid())]
            had.append((arithmetic.memory(os.getpid()), max(children, default=0.0)))

    run_plan(plan(chunks), folder, pool_for(workers, None, CHUNK * chunks), resume=True, chunk=CHUNK, progress=look)
    return had


def most() -> float:
    """The most this process ever had."""
    return arithmetic.memory(os.getpid(), "VmHWM")


def main() -> None:
    """Print how much it grew: from the 20th chunk to the last, when all is read back, and when it is resumed."""
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    for _ in range(2):
        sweep(folder / "small", workers, 5)
    before = most()
    had = sweep(folder / "large", workers, CHUNKS)
    after = most()
    sweep(folder / "large", workers, CHUNKS)
    computing, worker = (late - early for early, late in zip(had[19], had[-1], strict=True))
    grown = {"computing": computing, "worker": worker, "reading back": after - before, "resuming": most() - before}
    print(json.dumps({"chunks": len(had), **grown}))


if __name__ == "__main__":
    main()
