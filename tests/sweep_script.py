"""A sweep in a process of its own, for tests that kill it: folder, workers, chunk, then how its members misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import arithmetic
from backfire.cli.terminal import say
from backfire.errors import BackfireError
from backfire.sweeps import planning as sweeps
from backfire.sweeps import store
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import pool_for

SCRIPT = Path(__file__)


def start(folder: Path, workers: int = 2, chunk: int = 10, **how: Any) -> subprocess.Popen[str]:
    """Begin or resume the sweep; with ``threads`` its workers are threads that are not its own, with
    ``study`` its members are those of a study."""
    command = [sys.executable, str(SCRIPT), str(folder), str(workers), str(chunk), json.dumps(how)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(running: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, table hash, and what was said."""
    out, err = running.communicate(timeout=120)
    assert "Traceback" not in err, err
    return running.returncode, out.strip(), err


def until_a_chunk(folder: Path, running: subprocess.Popen[str], chunks: int = 1) -> None:
    """Wait until so many chunks are stored."""
    latest = time.monotonic() + 120
    while len(store.chunk_files(folder)) < chunks:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < latest, f"no {chunks} chunks after two minutes"
        time.sleep(0.005)


def main() -> int:
    """Run it."""
    folder, workers, chunk, how = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
    executor = ThreadPoolExecutor(workers) if how.pop("threads", False) else None
    study = how.pop("study", None)
    how = {key: frozenset(value) if isinstance(value, list) else value for key, value in how.items()}
    try:
        if study:
            result = sweeps.sweep(study, folder, workers=workers, chunk=chunk, resume=True, notify=say)
        else:
            pool = pool_for(workers, executor, arithmetic.COUNT)
            result = run_plan(arithmetic.plan(arithmetic.COUNT, **how), folder, pool, resume=True, chunk=chunk, notify=say)
    except BackfireError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(result.table_hash)
    return 0 if result.ok else 3


if __name__ == "__main__":
    sys.exit(main())
