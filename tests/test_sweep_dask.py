"""Sweeps on a real local Dask cluster of processes: killed workers, poison, a lost scheduler, workers of another version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import arithmetic
from backfire import store
from backfire.dask_crew import DaskCrew
from backfire.driver import Sweep, run_plan
from backfire.errors import BackendLostError, RefusedError
from backfire.executors import Here

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
    return run_plan(arithmetic.plan(COUNT), tmp_path_factory.mktemp("plain"), Here)


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
    return run_plan(plan, folder, lambda job: DaskCrew(job, client, {"code": "1"}, arithmetic.identity), chunk=chunk)


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
        run_plan(arithmetic.plan(COUNT), tmp_path, lambda job: DaskCrew(job, client, {"code": "2"}, arithmetic.identity))
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
        run_plan(plan, folder, lambda job: DaskCrew(job, client, {"code": "1"}, arithmetic.identity), chunk=5, progress=lose)
    client.close()
    assert 0 < store.read_table(folder)[1]["stored"] < COUNT
    assert run_plan(arithmetic.plan(COUNT), folder, Here, resume=True).table_hash == plain.table_hash
