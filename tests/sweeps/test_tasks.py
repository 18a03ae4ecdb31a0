"""What a worker computes: members that raise or kill cost only themselves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arithmetic
from backfire.errors import UserError
from backfire.sweeps import store
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import InlinePool, pool_for


def test_a_runner_that_raises_costs_only_the_member_it_raises_on(tmp_path: Path) -> None:
    result = run_plan(arithmetic.plan(50, raising=frozenset({3.0, 4.0, 41.0})), tmp_path, InlinePool, chunk=20)
    table = result.table()
    failed = table[table["status"] == "not_run"]
    assert failed["member"].tolist() == [3, 3, 4, 4, 41, 41]
    assert set(failed["reason"]) == {f"ZeroDivisionError: no answer for x = {x}" for x in (3.0, 4.0, 41.0)}
    assert len(table) == 100


def test_errors_of_ours_end_the_sweep(tmp_path: Path) -> None:
    def refuse(_: object) -> Any:
        raise UserError("no such arm")

    plan = arithmetic.replace(arithmetic.plan(10), runner=refuse)
    with pytest.raises(UserError, match="no such arm"):
        run_plan(plan, tmp_path, InlinePool)


@pytest.mark.parametrize("how", ["raising", pytest.param("deadly", marks=pytest.mark.slow)])
def test_a_member_that_breaks_its_worker_costs_only_its_own_numbers(tmp_path: Path, how: str) -> None:
    plan = replace(arithmetic.plan(6, **{how: frozenset({4.0})}), recorder=arithmetic.Lines())
    result = run_plan(plan, tmp_path, pool_for(1, None, 6) if how == "deadly" else InlinePool, chunk=1 if how == "deadly" else 5)
    assert result.failed_members == 1
    heights = result.trajectories()["height"].to_numpy().reshape(6, 4)
    assert np.isnan(heights[4]).all()
    others = [0, 1, 2, 3, 5]
    assert (heights[others] == np.outer(others, [0, 1, 2, 3])).all()
    assert store.trajectories_hash(tmp_path) == result.summary["trajectories_hash"]


def test_a_recorder_of_another_shape_is_told(tmp_path: Path) -> None:
    class Short(arithmetic.Lines):
        def __call__(self, samples: Any) -> Any:
            return super().__call__(samples)[:, :, 1:]

    with pytest.raises(UserError, match="shape"):
        run_plan(replace(arithmetic.plan(3), recorder=Short()), tmp_path, InlinePool)


def test_a_worker_starts_without_what_its_members_do_not_need() -> None:
    """A worker that is started anew after every death must not load a solver first, unless its members need one."""
    code = (
        "import sys, arithmetic, backfire.sweeps.tasks, backfire.sweeps.workers\n"
        "print([m for m in ('numba', 'scipy', 'sympy', 'pandas', 'pydantic', 'pyarrow') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(arithmetic.__file__).parent)
    assert done.stdout.strip() == "[]"
