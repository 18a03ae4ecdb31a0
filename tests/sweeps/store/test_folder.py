"""The store: chunks that prove themselves, a lock that cannot be fooled, a hash that does not see the cuts."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet
import pytest

import arithmetic
from backfire import system
from backfire.errors import RefusedError, StorageError, UserError
from backfire.sweeps import store
from backfire.sweeps.driver import run_plan
from backfire.sweeps.store import parquet as sealed_files
from backfire.sweeps.store import rows as chunks
from backfire.sweeps.workers import Here
from backfire.system import lock

PLAN = arithmetic.plan(40)
LAYOUT = PLAN.layout()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished sweep of 40 members in chunks of 10."""
    run_plan(PLAN, tmp_path, Here, chunk=10)
    return tmp_path


def write(folder: Path, first: int, last: int) -> chunks.Receipt:
    (folder / "chunks").mkdir(exist_ok=True)
    samples = PLAN.design.samples(first, last)
    return chunks.write_chunk(folder, LAYOUT, first, samples, PLAN.runner(samples))


def test_a_chunk_reads_back_as_it_was_written(tmp_path: Path) -> None:
    receipt = write(tmp_path, 3, 9)
    table, again = chunks.read_chunk(chunks.chunk_path(tmp_path, 3), LAYOUT)
    assert again == receipt
    frame = table.to_pandas()
    assert list(frame.columns) == ["member", "arm", "x", "y", "status", "reason", "steps", "burden", "delay", "delay_observed"]
    assert frame["member"].tolist() == [3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]
    treated = frame[frame["arm"] == "treated"]
    # two times x·y², from numbers that no code of ours has touched
    assert treated["burden"].tolist() == pytest.approx([2 * value * 0.01 for value in (3, 4, 5, 6, 7, 8)], rel=1e-15)
    assert treated["steps"].tolist() == [14] * 6


def test_the_same_chunk_written_twice_is_the_same_file(tmp_path: Path) -> None:
    first = write(tmp_path, 0, 10)
    content = chunks.chunk_path(tmp_path, 0).read_bytes()
    assert write(tmp_path, 0, 10) == first
    assert chunks.chunk_path(tmp_path, 0).read_bytes() == content


def test_failed_members_have_a_row_a_reason_and_no_numbers(tmp_path: Path) -> None:
    result = run_plan(arithmetic.plan(20, broken=frozenset({4.0, 11.0})), tmp_path, Here, chunk=7)
    frame = result.table()
    assert len(frame) == 40
    assert (result.failed_rows, result.failed_members, result.ok) == (4, 2, False)
    failed = frame[frame["status"] != "ok"]
    assert failed["member"].tolist() == [4, 4, 11, 11]
    assert failed[["burden", "delay"]].isna().all(axis=None)
    assert not failed["delay_observed"].any()
    assert failed["reason"].tolist() == ["broken on purpose at x = 4"] * 2 + ["broken on purpose at x = 11"] * 2
    assert frame[frame["status"] == "ok"]["burden"].notna().all()


def test_censored_times_have_a_value_and_a_flag(tmp_path: Path) -> None:
    frame = run_plan(arithmetic.plan(1003), tmp_path, Here, chunk=500).table()
    late = frame[frame["x"] >= 1000]
    assert late["delay"].tolist() == [1000.0] * 6
    assert not late["delay_observed"].any()
    assert frame[frame["x"] < 1000]["delay_observed"].all()


@pytest.mark.parametrize("size", [1, 3, 10, 39, 40, 41, 1000])
def test_the_table_does_not_know_how_it_was_cut(folder: Path, tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    other = tmp_path_factory.mktemp("other")
    result = run_plan(PLAN, other, Here, chunk=size)
    assert result.table_hash == store.table_hash(folder) == store.table_hash(other)
    assert len(store.chunk_files(other)) == -(-40 // size)
    pandas.testing.assert_frame_equal(result.table(), store.read_table(folder)[0], check_exact=True)


def test_the_table_hash_sees_every_bit(tmp_path: Path) -> None:
    seen = set()
    for number, change in enumerate([None, ("x", 3, 1e-16), ("y", 0, 1e-17), ("x", 39, -1.0)]):
        folder = tmp_path / str(number)
        (folder / "chunks").mkdir(parents=True)
        samples = PLAN.design.samples(0, 40)
        rows = PLAN.runner(samples)
        if change is not None:
            column = ("x", "y").index(change[0])
            samples[change[1], column] = (
                np.nextafter(samples[change[1], column], np.inf) if change[2] > 0 else -samples[change[1], column]
            )
        columns = {"fields": {"x": {}, "y": {}}, "arms": list(LAYOUT.arms), "outcomes": arithmetic.OUTCOMES}
        (folder / "manifest.json").write_text(json.dumps({"run": LAYOUT.run, "members": 40, **columns}))
        chunks.write_chunk(folder, LAYOUT, 0, samples, rows)
        seen.add(store.table_hash(folder))
    assert len(seen) == 4


def damage(path: Path, how: str, other: Path) -> None:
    content = path.read_bytes()
    random.seed(how)
    if how.startswith("truncated"):
        keep = {"0": 0, "4": 4, "half": len(content) // 2, "-1": len(content) - 1}[how.split()[1]]
        path.write_bytes(content[:keep])
    elif how.startswith("flipped"):
        place = {"data": len(content) // 3, "middle": len(content) // 2, "end": len(content) - 12}[how.split()[1]]
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
    elif how == "swapped":
        mine, theirs = content, other.read_bytes()
        path.write_bytes(theirs)
        other.write_bytes(mine)
    elif how == "foreign":
        foreign = arithmetic.changed(PLAN, model={"power": 3})
        samples = PLAN.design.samples(10, 20)
        chunks.write_chunk(path.parent.parent, foreign.layout(), 10, samples, PLAN.runner(samples))
    elif how == "changed row":
        table = pyarrow.parquet.read_table(path)
        values = table["burden"].to_pylist()
        values[3] += 1.0
        place = table.column_names.index("burden")
        pyarrow.parquet.write_table(table.set_column(place, "burden", [values]), path)
    elif how == "rows missing":
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).slice(2), path)
    elif how == "another Parquet file":
        pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), path)
    elif how == "text":
        path.write_text("member,arm\n", encoding="utf-8")
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "gone":
        path.unlink()
    else:
        raise AssertionError(how)


DAMAGES = [
    "truncated 0", "truncated 4", "truncated half", "truncated -1", "flipped data", "flipped middle", "flipped end",
    "swapped", "foreign", "changed row", "rows missing", "another Parquet file", "text", "folder", "gone",
]  # fmt: skip


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_chunk_is_found_put_aside_and_computed_again(folder: Path, how: str) -> None:
    before = store.table_hash(folder)
    damage(chunks.chunk_path(folder, 10), how, chunks.chunk_path(folder, 20))
    if how != "gone":
        with pytest.raises(StorageError, match="members-000000"):
            store.read_table(folder)
    said: list[str] = []
    result = run_plan(PLAN, folder, Here, resume=True, chunk=10, notify=said.append)
    assert result.table_hash == before == store.table_hash(folder)
    aside = len(list((folder / "quarantine").glob("*"))) if how != "gone" else 0
    assert aside == {"gone": 0, "swapped": 2}.get(how, 1)
    assert sum("quarantine" in line for line in said) == aside


def test_every_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 0, 4)
    path = chunks.chunk_path(tmp_path, 0)
    content = path.read_bytes()
    table, _ = chunks.read_chunk(path, LAYOUT)
    found = 0
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        try:
            again, _ = chunks.read_chunk(path, LAYOUT)
        except sealed_files.DamagedChunkError:
            found += 1
        else:
            # NaN are equal to NaN in arrow's equals, and there are none here
            assert again.equals(table), place
    assert found > len(content) // 7 // 2


def test_overlapping_chunks_are_sorted_out(folder: Path) -> None:
    before = store.table_hash(folder)
    write(folder, 5, 12)
    with pytest.raises(StorageError, match="another chunk has too"):
        store.table_hash(folder)
    assert run_plan(PLAN, folder, Here, resume=True).table_hash == before


def test_leftovers_go_and_completeness_is_by_content(folder: Path) -> None:
    before = store.table_hash(folder)
    (folder / "chunks" / ".members-00000010.parquet.host.1.abc.tmp").write_bytes(b"half")
    chunks.chunk_path(folder, 20).unlink()
    assert (folder / "COMPLETE").exists()  # it lies now
    assert store.read_table(folder)[1]["stored"] == 30
    assert store.summarise(folder)["stored"] == 30
    run_plan(PLAN, folder, Here, resume=True)
    assert not list((folder / "chunks").glob(".*"))
    assert store.table_hash(folder) == before
    assert json.loads((folder / "COMPLETE").read_text(encoding="utf-8"))["table_hash"] == before
    (folder / "COMPLETE").unlink()
    run_plan(PLAN, folder, Here, resume=True)
    assert (folder / "COMPLETE").exists()


def test_json_files_are_strict_and_say_what_ran(folder: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    for name in ("manifest.json", "resolved.json", "SUMMARY.json", "COMPLETE"):
        json.loads((folder / name).read_text(encoding="utf-8"), parse_constant=refuse)
    summary = json.loads((folder / "SUMMARY.json").read_text(encoding="utf-8"))
    assert summary["counts"] == {"untreated": {"ok": 40}, "treated": {"ok": 40}}
    assert summary["extremes"]["burden"]["treated"]["highest"] == pytest.approx(2 * 39 * 0.01)
    assert summary["extremes"]["burden"]["treated"]["highest_member"] == 39
    assert "highest_observed" not in summary["extremes"]["burden"]["treated"], "only times may not have been seen"
    assert summary["extremes"]["delay"]["treated"]["highest_observed"] is True
    assert [chunk["first"] for chunk in summary["chunks"]] == [0, 10, 20, 30]
    assert not (folder / "lock").exists()


def test_columns_of_one_name_are_refused() -> None:
    for fields, outcomes in ((("member",), ("a",)), (("a",), ("a",)), (("a_observed",), ("a",))):
        with pytest.raises(UserError, match="two columns"):
            chunks.Layout("0", fields, ("arm1",), outcomes, ("a",))


def test_a_member_is_found_in_its_chunk(folder: Path) -> None:
    rows, _ = store.read_member(folder, 17)
    assert rows["member"].to_pylist() == [17, 17]
    assert rows["x"].to_pylist() == [17.0, 17.0]
    for member in (40, -1):
        with pytest.raises(UserError, match="0 to 39"):
            store.read_member(folder, member)
    chunks.chunk_path(folder, 10).unlink()
    with pytest.raises(UserError, match="not stored yet"):
        store.read_member(folder, 17)


def test_something_else_than_a_sweep_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no sweep"):
        store.read_table(tmp_path / "nothing")
    (tmp_path / "manifest.json").write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(StorageError, match="something else"):
        store.read_table(tmp_path)
    with pytest.raises(RefusedError, match="something else"):
        run_plan(PLAN, tmp_path, Here)
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(StorageError, match="JSON"):
        store.read_table(tmp_path)


# ---------------------------------------------------------------------------------------------------- the lock


HOLD = """
import sys, time
from pathlib import Path
from backfire.system import lock
with lock(Path(sys.argv[1]), "sweep"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_writer_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RefusedError, match=str(holder.pid)), lock(tmp_path, "sweep"):
        pass
    # what looks left over may be what the holder is writing just now
    (tmp_path / "chunks").mkdir()
    writing = [tmp_path / ".manifest.json.host.1.abc.tmp", tmp_path / "chunks" / ".members-00000000.parquet.host.1.abc.tmp"]
    for path in writing:
        path.write_bytes(b"half")
    for resume in (False, True):
        with pytest.raises(RefusedError, match=f"another sweep is writing.*{holder.pid}"):
            run_plan(PLAN, tmp_path, Here, resume=resume)
    assert [path.read_bytes() for path in writing] == [b"half", b"half"]
    holder.kill()
    holder.wait(60)
    holder.stdout.close()
    assert (tmp_path / "lock").exists()
    with lock(tmp_path, "sweep"):
        assert json.loads((tmp_path / "lock").read_text(encoding="utf-8"))["pid"] == os.getpid()
    assert not (tmp_path / "lock").exists()


def test_a_process_number_given_to_somebody_else_fools_nobody(tmp_path: Path) -> None:
    """A stale lock that names a process which is alive, but is not the one that wrote it."""
    mine = system._me()
    (tmp_path / "lock").write_text(json.dumps({**mine, "pid": 1}), encoding="utf-8")
    with lock(tmp_path, "sweep"):
        pass


def test_the_lock_of_another_machine_is_never_taken(tmp_path: Path) -> None:
    left = {"host": "elsewhere", "pid": os.getpid(), "boot": "another", "since": "2026-01-01"}
    (tmp_path / "lock").write_text(json.dumps(left), encoding="utf-8")
    with pytest.raises(RefusedError, match="elsewhere"), lock(tmp_path, "sweep"):
        pass
    assert json.loads((tmp_path / "lock").read_text(encoding="utf-8")) == left
    for same in ({"boot": system._boot() or "x", "host": system._me()["host"]}, {"host": system._me()["host"]}):
        (tmp_path / "lock").write_text(json.dumps({**left, **same}), encoding="utf-8")
        with lock(tmp_path, "sweep"):
            pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(StorageError), lock(tmp_path, "sweep"):
        pass
    assert victim.read_text(encoding="utf-8") == "precious"


# ---------------------------------------------------------------------------------------------------- the disk


def test_a_disk_that_refuses_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "old").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space"):
        system.write_whole(tmp_path / "old", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_links_in_a_store_are_refused_or_replaced(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "chunks").symlink_to(elsewhere)
    with pytest.raises(RefusedError):
        run_plan(PLAN, folder, Here)
    assert list(elsewhere.iterdir()) == []
    (folder / "chunks").unlink()
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    (folder / "study.toml").symlink_to(victim)
    run_plan(PLAN, folder, Here)
    assert victim.read_text(encoding="utf-8") == "precious"
