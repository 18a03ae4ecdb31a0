"""Who computes: processes, this process, executors of the caller; the same table, and short answers when they break."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import arithmetic
from arithmetic import COUNT
from backfire.errors import BackendLostError, UserError
from backfire.sweeps import store
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import ExternalPool, InlinePool, WorkerPool, pool_for
from sweep_script import SCRIPT

POOLS = [
    *(("no workers", 0, None, chunk) for chunk in (1, 7, 64, 1000)),
    *(("2 workers", 2, None, chunk) for chunk in (7, 64, 1000)),
    ("1 worker", 1, None, 64),
    ("4 workers", 4, None, 7),
    ("threads", 2, concurrent.futures.ThreadPoolExecutor, 7),
    ("pool of processes", 2, "processes", 64),
]


@pytest.mark.parametrize(("name", "workers", "pool", "chunk"), POOLS)
def test_the_table_does_not_depend_on_who_computes_or_how_it_is_cut(
    name: str, workers: int, pool: Any, chunk: int, tmp_path: Path, undisturbed: str
) -> None:
    if pool is None:
        result = run_plan(arithmetic.plan(COUNT), tmp_path, pool_for(workers, None, COUNT), chunk=chunk)
    else:
        import multiprocessing

        made = pool(2) if pool != "processes" else concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))
        with made as executor:
            result = run_plan(arithmetic.plan(COUNT), tmp_path, pool_for(None, executor, COUNT), chunk=chunk)
    assert result.table_hash == undisturbed
    assert len(store.chunk_files(tmp_path)) == -(-COUNT // chunk)


def test_what_cannot_travel_is_told_before_anything_starts(tmp_path: Path) -> None:
    plan = arithmetic.replace(arithmetic.plan(10), runner=lambda samples: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(UserError, match="cannot be sent"):
        run_plan(plan, tmp_path, pool_for(1, None, 10))


def test_workers_that_never_start_are_told_apart_from_poison(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "import arithmetic\n"
        "from pathlib import Path\n"
        "from backfire.sweeps.driver import run_plan\n"
        "from backfire.sweeps.workers import pool_for\n"
        f"folder = Path({str(tmp_path / 'out')!r})\n"
        "folder.mkdir(exist_ok=True)\n"
        "run_plan(arithmetic.plan(10), folder, pool_for(1, None, 10), resume=True)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    assert "BackendLostError: worker processes do not start" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr


def test_a_broken_pool_of_the_caller_ends_the_sweep_resumably(tmp_path: Path, undisturbed: str) -> None:
    import multiprocessing

    plan = arithmetic.plan(COUNT, deadly=frozenset({150.0}))
    pool = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    with pool, pytest.raises(BackendLostError):
        run_plan(plan, tmp_path, lambda job: ExternalPool(job, pool, 1), chunk=20)
    assert store.read_table(tmp_path)[1]["stored"] == 140
    assert run_plan(arithmetic.plan(COUNT), tmp_path, InlinePool, resume=True).table_hash == undisturbed


def test_an_executor_that_was_shut_down_is_told(tmp_path: Path) -> None:
    executor = concurrent.futures.ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(BackendLostError, match="no more work"):
        run_plan(arithmetic.plan(10), tmp_path, pool_for(None, executor, 10))


def test_workers_and_chunks_are_checked() -> None:
    with pytest.raises(UserError, match="--workers"):
        pool_for(-1, None, 10)
    with pytest.raises(UserError, match="chunk"):
        run_plan(arithmetic.plan(3), Path("nowhere"), InlinePool, chunk=0)
    assert WorkerPool.exact
    assert not ExternalPool.exact
    assert os.cpu_count()
