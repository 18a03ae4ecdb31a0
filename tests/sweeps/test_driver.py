"""What sweeps survive: killed workers, poison, full disks, two processes, executors that break, many members."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import arithmetic
from arithmetic import COUNT
from backfire.errors import BackendLostError, RefusedError, StorageError
from backfire.sweeps import store
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import InlinePool, pool_for
from sweep_script import SCRIPT, finish, start, until_a_chunk


def test_five_in_a_hundred_broken_on_purpose_disturb_nobody(tmp_path: Path) -> None:
    broken = frozenset(float(number) for number in random.Random(5).sample(range(10_000), 500))
    with_them = run_plan(
        arithmetic.plan(10_000, broken=broken), tmp_path / make(tmp_path, "a"), pool_for(2, None, 10_000), chunk=1000
    )
    without = run_plan(arithmetic.plan(10_000), tmp_path / make(tmp_path, "b"), InlinePool, chunk=999)
    table, clean = with_them.table(), without.table()
    assert len(table) == 20_000
    assert (with_them.failed_members, with_them.failed_rows) == (500, 1000)
    assert set(table.loc[table["reason"] != "", "x"]) == set(broken)
    good = table["status"] == "ok"
    assert table[good].equals(clean[good])


def make(folder: Path, name: str) -> str:
    (folder / name).mkdir()
    return name


@pytest.mark.parametrize(("count", "chunk", "files"), [(1, 10, 1), (1, 1, 1), (10, 1, 10), (10, 3, 4), (10, 100, 1)])
def test_odd_sizes_give_the_right_number_of_rows(tmp_path: Path, count: int, chunk: int, files: int) -> None:
    result = run_plan(arithmetic.plan(count), tmp_path, InlinePool, chunk=chunk)
    assert len(result.table()) == 2 * count
    assert len(store.chunk_files(tmp_path)) == files


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_killed_once_costs_nothing(tmp_path: Path, by: signal.Signals, undisturbed: str) -> None:
    flag, folder = tmp_path / "flag", tmp_path / make(tmp_path, "out")
    code, table_hash, err = finish(start(folder, chunk=50, deadly=[37.0], once=str(flag), by=by))
    assert flag.exists()
    assert (code, table_hash, err) == (0, undisturbed, "")


@pytest.mark.thorough
def test_poison_is_isolated_and_its_neighbours_are_intact(tmp_path: Path) -> None:
    code, _, err = finish(start(tmp_path, chunk=20, deadly=[37.0], by=signal.SIGSEGV))
    assert code == 3, err
    assert "member 37: the worker process died 2 times on this member alone (killed by SIGSEGV)" in err
    table, _ = store.read_table(tmp_path)
    died = table[table["status"] == "worker_died"]
    assert died["member"].tolist() == [37, 37]
    assert died["x"].tolist() == [37.0, 37.0]
    assert died["reason"].str.contains("SIGSEGV").all()
    clean = run_plan(arithmetic.plan(COUNT), tmp_path / make(tmp_path, "clean"), InlinePool).table()
    assert table[table["member"] != 37].equals(clean[clean["member"] != 37])


def test_when_every_member_kills_its_worker_the_sweep_gives_up_and_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backfire.sweeps.driver.MOST_DEATHS", 4)
    deadly = frozenset(float(number) for number in range(20, COUNT))
    with pytest.raises(BackendLostError, match="in a row"):
        run_plan(arithmetic.plan(COUNT, deadly=deadly), tmp_path, pool_for(1, None, COUNT), chunk=20)
    assert store.read_table(tmp_path)[1]["stored"] >= 20
    assert not (tmp_path / "lock").exists()
    assert not list(tmp_path.rglob("*.tmp"))


def test_two_processes_do_not_share_a_folder(tmp_path: Path, undisturbed: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    first = start(folder, pause=0.01)
    try:
        until_a_chunk(folder, first)
        first.send_signal(signal.SIGSTOP)  # so that it cannot end before the second one has looked
        code, _, err = finish(start(folder))
        first.send_signal(signal.SIGCONT)
        assert code == 4
        assert str(first.pid) in err
        assert finish(first)[:2] == (0, undisturbed)
    finally:
        first.kill()
        first.communicate(timeout=60)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_disk_that_fills_up_leaves_what_was_stored_and_can_be_resumed(tmp_path: Path, workers: int, undisturbed: str) -> None:
    code, _, err = finish(start(tmp_path, workers, chunk=20, full=125.0))
    assert code == 5, err
    assert "members-00000120.parquet: cannot be written (File too large); what is stored stays" in err
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in store.chunk_files(tmp_path)}
    assert [int(path.stem.rpartition("-")[2]) for path in before] == [*range(0, 120, 20)]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"chunks", "manifest.json", "resolved.json", "study.toml"}
    assert len([*(tmp_path / "chunks").iterdir()]) == len(before)
    computed: list[int] = []
    result = run_plan(arithmetic.plan(COUNT), tmp_path, InlinePool, resume=True, chunk=20, progress=computed.append)
    assert computed == [120, 20, 20, 20, 20]
    assert result.table_hash == undisturbed
    assert {path: (path.stat().st_ino, path.read_bytes()) for path in before} == before


def test_a_disk_that_is_full_at_any_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full at the first write of a sweep, at the second, and so on to the last; each time resumed."""
    plan = arithmetic.plan(30)
    whole = run_plan(plan, tmp_path / make(tmp_path, "whole"), InlinePool).table_hash
    flush, stored = os.fsync, []
    for number in itertools.count():
        folder, writes = tmp_path / make(tmp_path, str(number)), itertools.count()

        def refuse(handle: int, number: int = number, writes: Iterator[int] = writes) -> None:
            if stat.S_ISREG(os.fstat(handle).st_mode) and next(writes) >= number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush(handle)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", refuse)
            try:
                result = run_plan(plan, folder, InlinePool, chunk=10)
                break
            except StorageError as error:
                assert error.exit_code == 5
                assert "No space left" in str(error)
        assert not list(folder.rglob("*.tmp"))
        assert not (folder / "COMPLETE").exists()
        stored.append(len(store.chunk_files(folder)))
        assert run_plan(plan, folder, InlinePool, resume=True, chunk=10).table_hash == whole
    assert result.table_hash == whole
    # lock, study, manifest, resolved, three chunks, summary, mark of completion
    assert stored == [0, 0, 0, 0, 0, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chunks", "a file"),
        ("chunks/members-00000000.parquet", "a chunk"),
        ("manifest.json", "no JSON"),
        ("manifest.json", "{}"),
        ("manifest.json", '{"run": "of another study"}'),
    ],
)
def test_what_is_no_beginning_of_this_sweep_is_not_written_over(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RefusedError, match="something else"):
        run_plan(arithmetic.plan(10), tmp_path, InlinePool, resume=True)
    assert path.read_text(encoding="utf-8") == text
    assert not (tmp_path / "resolved.json").exists()


def test_a_place_that_cannot_be_written_is_found_before_computing(tmp_path: Path) -> None:
    def never(_: object) -> Any:
        raise AssertionError("computed")

    plan = arithmetic.replace(arithmetic.plan(10), runner=never)
    for place in (tmp_path / "nowhere", Path("/proc")):
        with pytest.raises(StorageError):
            run_plan(plan, place, InlinePool)


def leaves(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, (*at, key))
    else:
        yield at


def altered(data: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return "something else" if not isinstance(data, list) else [*data, "something else"]
    return {**data, path[0]: altered(data[path[0]], path[1:])}


def test_every_change_of_the_identity_is_refused_and_named(tmp_path: Path) -> None:
    plan = arithmetic.plan(10)
    run_plan(plan, tmp_path, InlinePool)
    for path in leaves(plan.identity):
        other = arithmetic.replace(plan, identity=altered(plan.identity, path))
        with pytest.raises(RefusedError, match=".".join(map(str, path)) + ": .* → "):
            run_plan(other, tmp_path, InlinePool, resume=True)
    with pytest.raises(RefusedError, match=r"colour: nothing → red"):
        run_plan(arithmetic.changed(plan, colour="red"), tmp_path, InlinePool, resume=True)
    with pytest.raises(RefusedError, match="--resume"):
        run_plan(plan, tmp_path, InlinePool)
    assert run_plan(
        arithmetic.replace(plan, about={**plan.about, "title": "Other words"}), tmp_path, InlinePool, resume=True, chunk=3
    ).ok


@pytest.mark.thorough
def test_memory_does_not_grow_with_members(tmp_path: Path) -> None:
    """Of a sweep whose table has 96 MB; first a small one, so that everything is loaded and has the room it needs."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT.with_name("memory_script.py")), str(tmp_path), "1"],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    grown = json.loads(done.stdout)
    assert grown["chunks"] == 100
    assert max(grown["computing"], grown["worker"], grown["reading back"], grown["resuming"]) < 24, grown
