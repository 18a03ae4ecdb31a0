"""The store of a sweep: a folder of chunks that survives a kill, is resumed by content, and has one writer.

It holds ``study.toml`` (as written), ``resolved.json`` (all that can change a number), ``manifest.json`` (what the
columns mean, versions, machine), ``lock``, ``chunks/`` (with trajectories, if they were asked for), and at the end
``SUMMARY.json`` and ``COMPLETE``. Chunks that turned out wrong go to ``quarantine/``. Every file is written under a
temporary name, flushed to the disk and renamed, so it is whole or absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import StorageError, UserError, echo
from backfire.solvers import Status
from backfire.sweeps.store.parquet import DamagedChunkError, RowHash
from backfire.sweeps.store.recording import KEYS, Recording, add_trajectories, recording_of
from backfire.sweeps.store.rows import Floats, Layout, Receipt, add_rows, chunk_path, finished_hash, read_beside, read_chunk

if TYPE_CHECKING:
    import pandas
    import pyarrow

AGREE: Final = 1e-6
"""Values of two members that differ by no more of themselves are equal but for rounding."""
_NAMES: Final = {kind: re.compile(rf"{kind}-(\d{{8,}})\.parquet") for kind in ("members", "trajectories")}
"""Names of chunk files by kind; the number is the first member."""


@dataclass(frozen=True)
class Survey:
    """What stands in a store: sound chunks in order of their members, and files that must not be believed."""

    sound: tuple[Receipt, ...]
    damaged: tuple[tuple[Path, str], ...]

    def gaps(self, members: int) -> Iterator[tuple[int, int]]:
        """Slices of members that no sound chunk has."""
        end = 0
        for receipt in self.sound:
            if receipt.first > end:
                yield end, receipt.first
            end = receipt.last
        if end < members:
            yield end, members


def survey(folder: Path, layout: Layout, members: int) -> Survey:
    """Read every chunk of a store and say which are sound; the memory of one chunk is all it takes.

    Where trajectories are stored, a chunk without sound ones beside it is not, and neither are they without it.
    """
    sound, damaged, end = [], [], 0
    for path in chunk_files(folder):
        try:
            _, receipt = read_chunk(path, layout)
            read_beside(folder, layout, receipt)
        except DamagedChunkError as reason:
            damaged.append((path, str(reason)))
            continue
        if receipt.first < end or receipt.last > members:
            damaged.append((path, "has members that another chunk has too" if receipt.first < end else "has too many members"))
            continue
        sound.append(receipt)
        end = receipt.last
    if layout.recording:
        kept = {chunk_path(folder, receipt.first, "trajectories") for receipt in sound}
        alone = [path for path in chunk_files(folder, "trajectories") if path not in kept]
        damaged += [(path, "has no sound chunk of its members beside it") for path in alone]
    return Survey(tuple(sound), tuple(damaged))


def chunk_files(folder: Path, kind: str = "members") -> list[Path]:
    """The files that call themselves chunks, or the ``trajectories`` beside them, in order of their members."""
    try:
        names = [entry.name for entry in os.scandir(folder / "chunks")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{folder}: cannot be read ({error.strerror or error})") from None
    found = [(int(match[1]), name) for name in names if (match := _NAMES[kind].fullmatch(name))]
    return [folder / "chunks" / name for _, name in sorted(found)]


def _first(path: Path) -> int:
    """The first member of a chunk file, as its name says."""
    return int(path.stem.rpartition("-")[2])


def quarantine(folder: Path, path: Path) -> Path:
    """Move a file that must not be believed out of the way; nothing is deleted."""
    aside = folder / "quarantine"
    try:
        aside.mkdir(exist_ok=True)
        target = aside / f"{path.name}.{uuid.uuid4().hex[:8]}"
        os.replace(path, target)
    except OSError as error:
        raise StorageError(f"{path}: cannot be moved aside ({error.strerror or error})") from None
    return target


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of writers that were cut off; only while holding the lock."""
    for place in (folder, folder / "chunks"):
        for path in place.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises StorageError if it is not there or damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        inside = sorted(str(other.parent) for other in path.parent.glob(f"*/{path.name}"))
        hint = f"; did you mean {' or '.join(map(echo, inside[:3]))}?" if inside else ""
        raise StorageError(f"{path.parent}: is no sweep ({path.name}: {error.strerror or error}){hint}") from None
    except (ValueError, RecursionError):
        raise StorageError(f"{path}: is damaged, it is not JSON") from None
    if not isinstance(data, dict):
        raise StorageError(f"{path}: is damaged, it is not a JSON object")
    return data


def read_layout(folder: Path) -> tuple[Layout, dict[str, Any]]:
    """The columns of a store and its manifest; raises StorageError if the folder is no store or damaged."""
    manifest = read_json(folder / "manifest.json")
    try:
        layout = Layout(
            manifest["run"],
            tuple(manifest["fields"]),
            tuple(manifest["arms"]),
            tuple(manifest["outcomes"]),
            tuple(name for name, about in manifest["outcomes"].items() if about["time"]),
            recording_of(manifest.get("trajectories")),
        )
        if not isinstance(manifest["members"], int) or not isinstance(layout.run, str):
            raise TypeError("members")
    except (KeyError, TypeError, AttributeError, UserError):
        raise StorageError(f"{folder / 'manifest.json'}: is damaged, or of something else than a sweep") from None
    return layout, manifest


def chunks(folder: Path) -> Iterator[tuple[pyarrow.Table, Receipt]]:
    """The chunks of a store in order of their members, one at a time; raises StorageError at the first damaged one."""
    layout, _ = read_layout(folder)
    yield from _sound(chunk_files(folder), lambda path: read_chunk(path, layout))


def _sound(
    paths: Iterable[Path], read: Callable[[Path], tuple[pyarrow.Table, Receipt]]
) -> Iterator[tuple[pyarrow.Table, Receipt]]:
    """Files read one after the other, none damaged, no member twice."""
    end = 0
    for path in paths:
        try:
            table, receipt = read(path)
        except DamagedChunkError as reason:
            raise StorageError(f"{path}: {reason}; `--resume` computes its members again") from None
        if receipt.first < end:
            raise StorageError(f"{path}: has members that another chunk has too; `--resume` sorts it out")
        end = receipt.last
        yield table, receipt


def table_hash(folder: Path | str) -> str:
    """A hash of all rows sorted by member and arm: equal for equal rows, however they were computed and cut."""
    layout, _ = read_layout(Path(folder))
    made = RowHash()
    for table, _ in chunks(Path(folder)):
        add_rows(table, layout, made)
    return finished_hash(made, layout)


def read_table(folder: Path | str) -> tuple[pandas.DataFrame, dict[str, Any]]:
    """All rows of a store, sorted by member and arm, and its manifest.

    The manifest says what the columns are: ``fields`` and ``outcomes`` (unit and meaning of each), ``arms``, ``design``,
    ``members``; ``stored`` is how many of those are there. Raises StorageError for a damaged chunk.
    """
    import pandas

    place = Path(folder)
    layout, manifest = read_layout(place)
    pieces = [table.to_pandas() for table, _ in chunks(place)]
    empty = pandas.DataFrame({name: [] for name in layout.columns})
    frame = pandas.concat(pieces, ignore_index=True) if pieces else empty
    return frame, {**manifest, "stored": len(frame) // len(layout.arms)}


def trajectories(folder: Path, first: int = 0, last: int | None = None) -> Iterator[tuple[pyarrow.Table, Receipt]]:
    """The stored trajectories chunk by chunk; only the chunks that have a member from ``first`` up to ``last``.

    Raises UserError where no trajectories were asked for, StorageError at the first damaged file.
    """
    layout, _ = read_layout(folder)
    _recording(folder, layout)
    paths = chunk_files(folder)
    ends = [*map(_first, paths[1:]), math.inf]
    wanted = [path for path, end in zip(paths, ends, strict=False) if end > first and (last is None or _first(path) < last)]

    # by the rows: a file whose worker ended before it had written those is no part of the store
    def beside(path: Path) -> tuple[pyarrow.Table, Receipt]:
        _, receipt = read_chunk(path, layout)
        return read_beside(folder, layout, receipt), receipt

    yield from _sound(wanted, beside)


def _recording(folder: Path, layout: Layout) -> Recording:
    if layout.recording is None:
        raise UserError(f"{folder}: has no trajectories; sweep with --trajectories DAYS, or [trajectories] in the study")
    return layout.recording


def trajectories_hash(folder: Path | str) -> str:
    """A hash of all trajectories sorted by member, arm and day: equal for equal numbers, however they were cut.

    Raises UserError where there are none, StorageError for a damaged file.
    """
    place = Path(folder)
    layout, _ = read_layout(place)
    recording, made = _recording(place, layout), RowHash()
    for table, _ in trajectories(place):
        add_trajectories(table, recording, made)
    about = json.dumps([recording.describe(), made.hexdigest()])
    return hashlib.sha256(about.encode()).hexdigest()


def read_trajectories(folder: Path | str, first: int = 0, last: int | None = None) -> tuple[pandas.DataFrame, dict[str, Any]]:
    """The stored trajectories of members ``first`` up to ``last`` (all if None), and the manifest of the store.

    One row per member, arm and day, sorted so: columns ``member``, ``arm``, ``day`` (days), then every state in the unit
    that ``manifest["trajectories"]["states"]`` names. A column is therefore a block (members, arms, days), for example
    ``frame["active"].to_numpy().reshape(-1, arms, days)``. On the day of a dose stand the values after it. Rows after
    a failure are NaN, all rows of a member that could not be run; its status is in ``read_table``.

    Raises UserError where no trajectories were asked for, StorageError for a damaged file.
    """
    import pandas

    place = Path(folder)
    layout, manifest = read_layout(place)
    empty = pandas.DataFrame({name: [] for name in (*KEYS, *_recording(place, layout).states)})
    pieces = [table.to_pandas() for table, _ in trajectories(place, first, last)]
    frame = pandas.concat(pieces, ignore_index=True) if pieces else empty
    inside = (frame["member"] >= first) & (frame["member"] < (math.inf if last is None else last))
    return frame[inside].reset_index(drop=True), manifest


def read_member(folder: Path, member: int) -> tuple[pyarrow.Table, dict[str, Any]]:
    """The rows of one member, one per arm, and the manifest; raises UserError if the store does not have it."""
    layout, manifest = read_layout(folder)
    before = [path for path in chunk_files(folder) if _first(path) <= member]
    if before:
        try:
            table, receipt = read_chunk(before[-1], layout)
        except DamagedChunkError as reason:
            raise StorageError(f"{before[-1]}: {reason}; `--resume` computes its members again") from None
        if receipt.first <= member < receipt.last:
            arms = len(layout.arms)
            return table.slice((member - receipt.first) * arms, arms), manifest
    total = manifest["members"]
    here = "is not stored yet; go on with --resume" if 0 <= member < total else f"does not exist; members are 0 to {total - 1}"
    raise UserError(f"member {member} {here}")


def size_on_disk(folder: Path, kind: str = "members") -> int:
    """Bytes of all chunks, or of the ``trajectories`` beside them."""
    return sum(path.stat().st_size for path in chunk_files(folder, kind))


def summarise(folder: Path) -> dict[str, Any]:
    """Counts by arm and status, lowest and highest value of every outcome by arm, and the table hash; chunk by chunk."""
    layout, manifest = read_layout(folder)
    made, stored, failed_members = RowHash(), 0, 0
    counts: dict[str, dict[str, int]] = {arm: {} for arm in layout.arms}
    extremes: dict[str, dict[str, dict[str, Any]]] = {name: {arm: {} for arm in layout.arms} for name in layout.outcomes}
    files = []
    good_words = [status.word for status in Status if status.good]
    for table, receipt in chunks(folder):
        add_rows(table, layout, made)
        stored += receipt.last - receipt.first
        files.append({"first": receipt.first, "last": receipt.last, "sha256": receipt.sha256})
        words = np.array(table["status"].to_pylist()).reshape(-1, len(layout.arms))
        failed_members += int((~np.isin(words, good_words)).any(axis=1).sum())
        for column, arm in enumerate(layout.arms):
            for word, count in zip(*np.unique(words[:, column], return_counts=True), strict=True):
                counts[arm][str(word)] = counts[arm].get(str(word), 0) + int(count)
            for name in layout.outcomes:
                seen = table[f"{name}_observed"].to_numpy()[column :: len(layout.arms)] if name in layout.times else None
                _extend(extremes[name][arm], table[name].to_numpy()[column :: len(layout.arms)], seen, receipt.first)
    return {
        "run": layout.run,
        "members": manifest["members"],
        "stored": stored,
        "rows": stored * len(layout.arms),
        "failed_members": failed_members,
        "failed_rows": sum(count for words in counts.values() for word, count in words.items() if word not in good_words),
        "counts": counts,
        "extremes": extremes,
        "table_hash": finished_hash(made, layout),
        "chunks": files,
    }


def _extend(extreme: dict[str, Any], values: Floats, seen: NDArray[np.bool_] | None, first: int) -> None:
    """Keep the lowest and the highest finite value, its member, and of a time whether it was observed; of those that
    agree within rounding the first.

    Member after member, so that it does not matter where chunks end.
    """
    for word, sign in (("lowest", -1.0), ("highest", 1.0)):
        level = sign * extreme.get(word, -sign * math.inf)
        signed = np.where(np.isfinite(values), sign * values, -math.inf)
        before = np.maximum.accumulate(np.concatenate([[level], signed]))[:-1]
        for place in np.flatnonzero(signed > before):
            if signed[place] / 2 - level / 2 > AGREE * abs(signed[place]) / 2:  # halves: no overflow
                level = float(signed[place])
                extreme |= {word: sign * level, f"{word}_member": first + int(place)}
                if seen is not None:
                    extreme[f"{word}_observed"] = bool(seen[place])
