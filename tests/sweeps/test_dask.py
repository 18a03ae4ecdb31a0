"""Sweeps on a real local Dask cluster of processes: killed workers, poison, a lost scheduler, workers of another version."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import arithmetic
import backfire
from backfire import cli
from backfire.errors import BackendLostError, RefusedError
from backfire.sweeps import store
from backfire.sweeps.dask import DaskPool
from backfire.sweeps.driver import Sweep, run_plan
from backfire.sweeps.identity import code_identity
from backfire.sweeps.workers import InlinePool
from backfire.system import PACKAGE
from small import SMALL, STUDY

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.slow,
    # what Dask and its event loop warn of on their way out is not ours
    pytest.mark.filterwarnings("ignore"),
]

COUNT = 60


def made(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return run_plan(arithmetic.plan(COUNT), tmp_path_factory.mktemp("plain"), InlinePool)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as made,
    ):
        yield made


def sweep(folder: Path, client: Any, chunk: int, **how: Any) -> Sweep:
    plan = arithmetic.plan(COUNT, **how)
    return run_plan(plan, folder, lambda job: DaskPool(job, client, {"code": "1"}, arithmetic.identity), chunk=chunk)


def test_dask_gives_the_same_table(tmp_path: Path, client: Any, plain: Sweep) -> None:
    for chunk in (7, 20, 100):
        assert sweep(made(tmp_path, str(chunk)), client, chunk).table_hash == plain.table_hash


def test_a_killed_worker_costs_nothing(tmp_path: Path, client: Any, plain: Sweep) -> None:
    killed = sweep(made(tmp_path, "out"), client, 10, deadly=frozenset({17.0}), once=str(tmp_path / "flag"))
    assert (tmp_path / "flag").exists()
    assert killed.ok
    assert killed.table_hash == plain.table_hash


def test_poison_is_isolated(tmp_path: Path, client: Any, plain: Sweep) -> None:
    table = sweep(made(tmp_path, "out"), client, 4, deadly=frozenset({17.0})).table()
    assert table[table["status"] == "worker_died"]["member"].tolist() == [17, 17]
    clean = plain.table()
    assert table[table["member"] != 17].equals(clean[clean["member"] != 17])


def test_workers_of_another_version_are_refused(tmp_path: Path, client: Any) -> None:
    with pytest.raises(RefusedError, match=r"worker on .*\ncode is 1, here 2"):
        run_plan(arithmetic.plan(COUNT), tmp_path, lambda job: DaskPool(job, client, {"code": "2"}, arithmetic.identity))
    assert store.chunk_files(tmp_path) == []


def test_a_lost_scheduler_ends_the_sweep_resumably(tmp_path: Path, plain: Sweep) -> None:
    folder = made(tmp_path, "lost")
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0")
    client = distributed.Client(cluster)

    def lose(_: int) -> None:
        if len(store.chunk_files(folder)) >= 2 and cluster.status.name == "running":
            cluster.close()

    plan = arithmetic.plan(COUNT, pause=0.05)
    with pytest.raises(BackendLostError):
        run_plan(plan, folder, lambda job: DaskPool(job, client, {"code": "1"}, arithmetic.identity), chunk=5, progress=lose)
    client.close()
    assert 0 < store.read_table(folder)[1]["stored"] < COUNT
    assert run_plan(arithmetic.plan(COUNT), folder, InlinePool, resume=True).table_hash == plain.table_hash


def test_a_client_closed_in_the_middle_ends_the_sweep_resumably(tmp_path: Path, client: Any, plain: Sweep) -> None:
    own = distributed.Client(client.scheduler.address)

    def close(_: int) -> None:
        if len(store.chunk_files(tmp_path)) >= 2:
            own.close()

    plan = arithmetic.plan(COUNT, pause=0.02)
    with pytest.raises(BackendLostError):
        run_plan(plan, tmp_path, lambda job: DaskPool(job, own, {"code": "1"}, arithmetic.identity), chunk=5, progress=close)
    assert not (tmp_path / "lock").exists()
    assert 0 < store.read_table(tmp_path)[1]["stored"] < COUNT
    # cut as before: a worker may still be writing the chunk it was at, and writes the same file
    assert run_plan(arithmetic.plan(COUNT), tmp_path, InlinePool, resume=True, chunk=5).table_hash == plain.table_hash


def test_workers_retired_in_the_middle_cost_nothing(tmp_path: Path, plain: Sweep) -> None:
    folder, pids, retired = made(tmp_path, "out"), made(tmp_path, "pids"), []
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as own,
    ):

        def retire(_: int) -> None:
            # when both have worked, so that what one of them has done is lost to Dask
            if not retired and len(list(pids.iterdir())) == 2:
                retired.extend(own.nthreads())
                own.retire_workers(retired[:1])

        plan = arithmetic.plan(COUNT, pause=0.05, pids=str(pids))
        result = run_plan(
            plan, folder, lambda job: DaskPool(job, own, {"code": "1"}, arithmetic.identity), chunk=4, progress=retire
        )
        assert len(retired) == 2
        assert retired[0] not in own.nthreads()
    assert result.ok
    assert result.table_hash == plain.table_hash


# ------------------------------------------------------------------------------------------ real tumours


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two hundred doses of one drug at three intervals; those of the last cannot be given."""
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY.replace("points = 3", "points = 200"), encoding="utf-8")
    return tmp_path / "study.toml"


def test_tumours_on_dask_give_the_same_table(study: Path, client: Any) -> None:
    alone = backfire.sweep(study, study.parent / "alone", workers=0)
    assert alone.failed_members == 200
    for chunk in (64, 200, 1000):
        result = backfire.sweep(study, study.parent / str(chunk), executor=client, chunk=chunk)
        assert len(store.chunk_files(result.folder)) == -(-600 // chunk)
        assert result.table_hash == alone.table_hash


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A scheduler in a process of its own, and its address."""
    file = tmp_path / "scheduler.json"
    with started("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)) as process:
        while not file.exists() or not file.read_text(encoding="utf-8").endswith("}"):
            assert process.poll() is None
            time.sleep(0.02)
        yield process, json.loads(file.read_text(encoding="utf-8"))["address"]


@contextlib.contextmanager
def started(what: str, *arguments: str, path: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Dask's command line, killed at the end; it finds its packages in ``path`` first."""
    paths = [*([str(path)] if path else []), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", f"distributed.cli.{what}", "--no-dashboard", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


def test_a_worker_with_other_code_is_refused(study: Path, scheduler: tuple[Any, str]) -> None:
    """By a package that is the same but for a remark in the kernels."""
    package = study.parent / "other" / "backfire"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for inside in ("configs", "seeds"):
        if (PACKAGE.parents[1] / inside).is_dir():
            shutil.copytree(PACKAGE.parents[1] / inside, package / inside, dirs_exist_ok=True)
    with (package / "solvers" / "batch" / "kernel.py").open("a", encoding="utf-8") as file:
        file.write("# a remark\n")
    address = scheduler[1]
    with (
        started("dask_worker", address, "--no-nanny", "--nthreads", "1", path=package.parent),
        distributed.Client(address) as own,
        pytest.raises(RefusedError, match=rf"worker on .*\ncode is .*, here {code_identity()['code'][:60]}…"),
    ):
        backfire.sweep(study, study.parent / "out", executor=own)
    assert store.chunk_files(study.parent / "out" / "study") == []


def test_a_killed_scheduler_ends_the_command_which_says_how_to_go_on(
    study: Path,
    scheduler: tuple[subprocess.Popen[bytes], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    process, address = scheduler
    out = study.parent / "out"
    alone = backfire.sweep(study, study.parent / "alone", workers=0)
    # a client waits so long for a scheduler that is gone
    monkeypatch.setattr("backfire.sweeps.dask.dask_client", lambda address: distributed.Client(address, timeout=2))

    def kill() -> None:
        while len(store.chunk_files(out / "study")) < 2:
            time.sleep(0.005)
        process.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with started("dask_worker", address, "--no-nanny", "--nthreads", "1"):
        code = cli.main(["sweep", str(study), "--out", str(out), "--dask", address, "--chunk", "2"])
    assert code == 6
    killer.join(timeout=5)
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert f"--dask {address} --resume" in err
    assert not (out / "study" / "lock").exists()
    assert 0 < store.read_table(out / "study")[1]["stored"] < 600
    assert backfire.sweep(study, out, workers=0, resume=True).table_hash == alone.table_hash
