"""Worker processes of claims: the same numbers in the same order with any number of them, and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backfire.claims import pool
from backfire.claims.pool import worker_pool
from backfire.claims.variants import VARIANTS, VariantResult, VariantTrial
from backfire.errors import BackendLostError, UserError
from invented import small, topic

ABOUT = topic(
    small(("exponential", "gompertz"), ('cytostasis = { by = ["drug"] }\n', "")),
    "nadir(monotherapy) < 0.5 * nadir(untreated)",
    "final_burden(monotherapy with drug_kill_rate * 2) < 1e6",
)
CHOSEN = [variant for variant in VARIANTS if variant.settings is not None]


def tried(executor: Executor | None) -> dict[str, list[VariantResult]]:
    return VariantTrial(ABOUT, CHOSEN, executor=executor).results()


def die(*_: Any, **__: Any) -> Any:
    os._exit(3)


class Backwards(Executor):
    """Does everything when the first answer is asked for, the last thing first."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, task: Any, /, *given: Any, **named: Any) -> Future[Any]:
        executor = self

        class Asked(Future[Any]):
            def result(self, timeout: float | None = None) -> Any:
                for future, work in reversed(executor.waiting):
                    future.set_result(work())
                executor.waiting.clear()
                return super().result(timeout)

        future = Asked()
        self.waiting.append((future, lambda: task(*given, **named)))
        return future


def test_results_are_the_same_whoever_tries_them_and_in_whatever_order() -> None:
    serial = tried(None)
    assert [[item.variant for item in found] for found in serial.values()] == [CHOSEN, CHOSEN]
    assert sum(item.verdict is not None for item in serial["T1.1"]) >= 4
    assert repr(tried(Backwards())) == repr(serial)  # as texts, in which NaN equals itself and no digit is lost
    with worker_pool(2) as executor:
        assert repr(tried(executor)) == repr(serial)
    with worker_pool(1) as executor:
        assert repr(tried(executor)) == repr(serial)


def test_what_is_compiled_stays_in_this_process() -> None:
    trial = VariantTrial(ABOUT, executor=Backwards())
    assert {variant.kind for variant in trial.begun} == {"growth", "response", "kill", "solver"}
    left = {variant.label for variant in VARIANTS} - {variant.label for variant in trial.begun}
    assert left >= {"solver of cohorts", "1.5 × the days"}


def test_a_worker_that_dies_is_told_and_nobody_waits_for_it() -> None:
    with pytest.raises(BackendLostError, match="--workers 0"), worker_pool(1) as executor:
        VariantTrial(ABOUT, CHOSEN, die, executor).results()


def test_an_executor_that_was_shut_down_is_told() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(BackendLostError, match="takes no more work"):
        tried(executor)


def test_what_cannot_travel_is_told_before_anything_starts() -> None:
    with pytest.raises(UserError, match="functions and classes of a module"), worker_pool(1) as executor:
        VariantTrial(ABOUT, CHOSEN, lambda *_: die(), executor)


def test_one_core_or_no_workers_mean_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "usable_cores", lambda: 1)
    for workers in (None, 0):
        with worker_pool(workers) as executor:
            assert executor is None
    with pytest.raises(UserError, match="got -1"), worker_pool(-1):
        pass


WORKING = """
import os, sys, time
from backfire.claims.pool import worker_pool

if __name__ == "__main__":
    with worker_pool(2) as executor:
        print(*{executor.submit(os.getpid).result() for _ in range(4)}, flush=True)
        executor.submit(time.sleep, 600)
        executor.submit(time.sleep, 600).result()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_caller(number: int, tmp_path: Path) -> None:
    script = tmp_path / "working.py"
    script.write_text(WORKING, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(word) for word in process.stdout.readline().split()]
        assert workers
        process.send_signal(number)
        process.wait(60)
    for _ in range(600):
        if not any(_alive(worker) for worker in workers):
            return
        time.sleep(0.05)
    pytest.fail(f"workers {workers} are still there")


def _alive(worker: int) -> bool:
    try:
        os.kill(worker, 0)
        state = Path(f"/proc/{worker}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.slow
def test_a_script_that_its_own_workers_import_is_told_what_it_needs(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        f"import sys\nsys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]\n"
        "import test_pool as here\n"
        "from backfire.claims.pool import worker_pool\n"
        "with worker_pool(1) as executor:\n    here.tried(executor)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "BackendLostError: a worker process ended abruptly" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr
