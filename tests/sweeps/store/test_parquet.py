"""Files that prove themselves: read back as written, equal when written twice, no flipped byte believed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import arithmetic
from backfire.sweeps import store

PLAN = arithmetic.plan(40)


LAYOUT = PLAN.layout()


def write(folder: Path, first: int, last: int) -> store.ChunkInfo:
    (folder / "chunks").mkdir(exist_ok=True)
    samples = PLAN.design.samples(first, last)
    return store.write_chunk(folder, LAYOUT, first, samples, PLAN.runner(samples))


def test_a_chunk_reads_back_as_it_was_written(tmp_path: Path) -> None:
    receipt = write(tmp_path, 3, 9)
    table, again = store.read_chunk(store.chunk_path(tmp_path, 3), LAYOUT)
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
    content = store.chunk_path(tmp_path, 0).read_bytes()
    assert write(tmp_path, 0, 10) == first
    assert store.chunk_path(tmp_path, 0).read_bytes() == content


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
        store.write_chunk(folder, LAYOUT, 0, samples, rows)
        seen.add(store.table_hash(folder))
    assert len(seen) == 4


def test_every_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 0, 4)
    path = store.chunk_path(tmp_path, 0)
    content = path.read_bytes()
    table, _ = store.read_chunk(path, LAYOUT)
    found = 0
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        try:
            again, _ = store.read_chunk(path, LAYOUT)
        except store.DamagedChunkError:
            found += 1
        else:
            # NaN are equal to NaN in arrow's equals, and there are none here
            assert again.equals(table), place
    assert found > len(content) // 7 // 2
