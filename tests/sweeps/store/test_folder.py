"""The store: damage is found and mended, and nobody sees how a table was cut."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas
import pyarrow.parquet
import pytest

import arithmetic
from backfire.errors import RefusedError, StorageError, UserError
from backfire.sweeps import store
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import InlinePool

PLAN = arithmetic.plan(40)


LAYOUT = PLAN.layout()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished sweep of 40 members in chunks of 10."""
    run_plan(PLAN, tmp_path, InlinePool, chunk=10)
    return tmp_path


def write(folder: Path, first: int, last: int) -> store.ChunkInfo:
    (folder / "chunks").mkdir(exist_ok=True)
    samples = PLAN.design.samples(first, last)
    return store.write_chunk(folder, LAYOUT, first, samples, PLAN.runner(samples))


def test_failed_members_have_a_row_a_reason_and_no_numbers(tmp_path: Path) -> None:
    result = run_plan(arithmetic.plan(20, broken=frozenset({4.0, 11.0})), tmp_path, InlinePool, chunk=7)
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
    frame = run_plan(arithmetic.plan(1003), tmp_path, InlinePool, chunk=500).table()
    late = frame[frame["x"] >= 1000]
    assert late["delay"].tolist() == [1000.0] * 6
    assert not late["delay_observed"].any()
    assert frame[frame["x"] < 1000]["delay_observed"].all()


@pytest.mark.parametrize("size", [1, 3, 10, 39, 40, 41, 1000])
def test_the_table_does_not_know_how_it_was_cut(folder: Path, tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    other = tmp_path_factory.mktemp("other")
    result = run_plan(PLAN, other, InlinePool, chunk=size)
    assert result.table_hash == store.table_hash(folder) == store.table_hash(other)
    assert len(store.chunk_files(other)) == -(-40 // size)
    pandas.testing.assert_frame_equal(result.table(), store.read_table(folder)[0], check_exact=True)


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
        store.write_chunk(path.parent.parent, foreign.layout(), 10, samples, PLAN.runner(samples))
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
    damage(store.chunk_path(folder, 10), how, store.chunk_path(folder, 20))
    if how != "gone":
        with pytest.raises(StorageError, match="members-000000"):
            store.read_table(folder)
    said: list[str] = []
    result = run_plan(PLAN, folder, InlinePool, resume=True, chunk=10, notify=said.append)
    assert result.table_hash == before == store.table_hash(folder)
    aside = len(list((folder / "quarantine").glob("*"))) if how != "gone" else 0
    assert aside == {"gone": 0, "swapped": 2}.get(how, 1)
    assert sum("quarantine" in line for line in said) == aside


def test_overlapping_chunks_are_sorted_out(folder: Path) -> None:
    before = store.table_hash(folder)
    write(folder, 5, 12)
    with pytest.raises(StorageError, match="another chunk has too"):
        store.table_hash(folder)
    assert run_plan(PLAN, folder, InlinePool, resume=True).table_hash == before


def test_leftovers_go_and_completeness_is_by_content(folder: Path) -> None:
    before = store.table_hash(folder)
    (folder / "chunks" / ".members-00000010.parquet.host.1.abc.tmp").write_bytes(b"half")
    store.chunk_path(folder, 20).unlink()
    assert (folder / "COMPLETE").exists()  # it lies now
    assert store.read_table(folder)[1]["stored"] == 30
    assert store.summarise(folder)["stored"] == 30
    run_plan(PLAN, folder, InlinePool, resume=True)
    assert not list((folder / "chunks").glob(".*"))
    assert store.table_hash(folder) == before
    assert json.loads((folder / "COMPLETE").read_text(encoding="utf-8"))["table_hash"] == before
    (folder / "COMPLETE").unlink()
    run_plan(PLAN, folder, InlinePool, resume=True)
    assert (folder / "COMPLETE").exists()


def test_a_member_is_found_in_its_chunk(folder: Path) -> None:
    rows, _ = store.read_member(folder, 17)
    assert rows["member"].to_pylist() == [17, 17]
    assert rows["x"].to_pylist() == [17.0, 17.0]
    for member in (40, -1):
        with pytest.raises(UserError, match="0 to 39"):
            store.read_member(folder, member)
    store.chunk_path(folder, 10).unlink()
    with pytest.raises(UserError, match="not stored yet"):
        store.read_member(folder, 17)


def test_something_else_than_a_sweep_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no sweep"):
        store.read_table(tmp_path / "nothing")
    (tmp_path / "manifest.json").write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(StorageError, match="something else"):
        store.read_table(tmp_path)
    with pytest.raises(RefusedError, match="something else"):
        run_plan(PLAN, tmp_path, InlinePool)
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(StorageError, match="JSON"):
        store.read_table(tmp_path)


def test_links_in_a_store_are_refused_or_replaced(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "chunks").symlink_to(elsewhere)
    with pytest.raises(RefusedError):
        run_plan(PLAN, folder, InlinePool)
    assert list(elsewhere.iterdir()) == []
    (folder / "chunks").unlink()
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    (folder / "study.toml").symlink_to(victim)
    run_plan(PLAN, folder, InlinePool)
    assert victim.read_text(encoding="utf-8") == "precious"
