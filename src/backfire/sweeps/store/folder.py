"""The store of a sweep: a folder of chunks that survives a kill, is resumed by content, and has one writer.

It holds ``study.toml`` (as written), ``resolved.json`` (all that can change a number), ``manifest.json`` (what the
columns mean, versions, machine), ``lock``, ``chunks/`` (with trajectories, if they were asked for), and at the end
``SUMMARY.json`` and ``COMPLETE``. Chunks that turned out wrong go to ``quarantine/``. Every file is written under a
temporary name, flushed to the disk and renamed, so it is whole or absent. Trajectories are written before the chunk of
their members: whoever finds that chunk finds them whole.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from backfire.errors import StorageError, UserError, echo
from backfire.solvers import Floats
from backfire.sweeps.store.layout import Recording, TableSchema, recording_of
from backfire.sweeps.store.parquet import ChunkInfo, DamagedChunkError, RowHash, chunk_path, read_rows, write_rows

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from backfire.simulation import Cohort

Chunk = tuple["pyarrow.Table", ChunkInfo]
_NAMES: Final = {kind: re.compile(rf"{kind}-(\d{{8,}})\.parquet") for kind in ("members", "trajectories")}
"""Names of chunk files by kind; the number is the first member."""


def write_chunk(
    folder: Path, layout: TableSchema, first: int, samples: Floats, cohort: Cohort, states: Floats | None = None
) -> ChunkInfo:
    """Write the chunk of members ``first`` and following: their values ``samples`` (members, fields), what they came to,
    and before that, where trajectories are stored, their ``states`` (members, arms, days, states).

    Raises StorageError if the disk does not take it; nothing half-written is left.
    """
    last = first + len(samples)
    if layout.recording and states is not None:
        write_rows(folder, layout.run, layout.recording.file_schema, first, last, layout.recording.columns_of(states))
    return write_rows(folder, layout.run, layout.file_schema, first, last, layout.columns_of(samples, cohort))


def read_chunk(path: Path, layout: TableSchema) -> Chunk:
    """A chunk with everything checked; raises DamagedChunkError with the reason."""
    return read_rows(path, layout.run, layout.file_schema)


def read_beside(folder: Path, layout: TableSchema, chunk: ChunkInfo) -> pyarrow.Table | None:
    """The trajectories of the members of a chunk, with everything checked; None if nobody asked for any.

    Raises DamagedChunkError with the reason.
    """
    if layout.recording is None:
        return None
    path = chunk_path(folder, chunk.first, "trajectories")
    try:
        table, found = read_rows(path, layout.run, layout.recording.file_schema)
        if found.last != chunk.last:
            raise DamagedChunkError("has other members")
    except DamagedChunkError as reason:
        raise DamagedChunkError(f"has no sound trajectories beside it: {path.name} {reason}") from None
    return table


@dataclass(frozen=True)
class Survey:
    """What stands in a store: sound chunks in order of their members, and files that must not be believed."""

    sound: tuple[ChunkInfo, ...]
    damaged: tuple[tuple[Path, str], ...]

    def gaps(self, members: int) -> Iterator[tuple[int, int]]:
        """Slices of members that no sound chunk has."""
        end = 0
        for chunk in self.sound:
            if chunk.first > end:
                yield end, chunk.first
            end = chunk.last
        if end < members:
            yield end, members


def survey(folder: Path, layout: TableSchema, members: int) -> Survey:
    """Read every chunk of a store and say which are sound; the memory of one chunk is all it takes.

    Where trajectories are stored, a chunk without sound ones beside it is not, and neither are they without it.
    """
    sound, damaged, end = [], [], 0
    for path in chunk_files(folder):
        try:
            _, chunk = read_chunk(path, layout)
            read_beside(folder, layout, chunk)
        except DamagedChunkError as reason:
            damaged.append((path, str(reason)))
            continue
        if chunk.first < end or chunk.last > members:
            damaged.append((path, "has members that another chunk has too" if chunk.first < end else "has too many members"))
            continue
        sound.append(chunk)
        end = chunk.last
    if layout.recording:
        kept = {chunk_path(folder, chunk.first, "trajectories") for chunk in sound}
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


def read_layout(folder: Path) -> tuple[TableSchema, dict[str, Any]]:
    """The columns of a store and its manifest; raises StorageError if the folder is no store or damaged."""
    manifest = read_json(folder / "manifest.json")
    try:
        layout = TableSchema(
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


def chunks(folder: Path) -> Iterator[Chunk]:
    """The chunks of a store in order of their members, one at a time; raises StorageError at the first damaged one."""
    layout, _ = read_layout(folder)
    yield from _sound(chunk_files(folder), layout)


def _sound(paths: Iterable[Path], layout: TableSchema, beside: bool = False) -> Iterator[Chunk]:
    """Chunks, or the trajectories beside them, one after the other, none damaged, no member twice."""
    end = 0
    for path in paths:
        try:
            # always by the rows: trajectories whose worker ended before it had written those are no part of the store
            table, chunk = read_chunk(path, layout)
            if beside:
                table = read_beside(path.parents[1], layout, chunk)
        except DamagedChunkError as reason:
            raise StorageError(f"{path}: {reason}; `--resume` computes its members again") from None
        if chunk.first < end:
            raise StorageError(f"{path}: has members that another chunk has too; `--resume` sorts it out")
        end = chunk.last
        yield table, chunk


def table_hash(folder: Path | str) -> str:
    """A hash of all rows sorted by member and arm: equal for equal rows, however they were computed and cut."""
    layout, _ = read_layout(Path(folder))
    made = RowHash(layout.file_schema)
    for table, _ in chunks(Path(folder)):
        made.add(table)
    return made.whole()


def read_table(folder: Path | str) -> tuple[pandas.DataFrame, dict[str, Any]]:
    """All rows of a store, sorted by member and arm, and its manifest.

    The manifest says what the columns are: ``fields`` and ``outcomes`` (unit and meaning of each), ``arms``, ``design``,
    ``members``; ``stored`` is how many of those are there. Raises StorageError for a damaged chunk.
    """
    layout, manifest = read_layout(Path(folder))
    frame = _frame(chunks(Path(folder)), layout.columns)
    return frame, {**manifest, "stored": len(frame) // len(layout.arms)}


def _frame(found: Iterator[Chunk], columns: Iterable[str]) -> pandas.DataFrame:
    import pandas

    parts = [table.to_pandas() for table, _ in found]
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame({name: [] for name in columns})


def trajectories(folder: Path, first: int = 0, last: int | None = None) -> Iterator[Chunk]:
    """The stored trajectories chunk by chunk; only the chunks that have a member from ``first`` up to ``last``.

    Raises UserError where no trajectories were asked for, StorageError at the first damaged file.
    """
    layout, _ = read_layout(folder)
    _recording(folder, layout)
    paths = chunk_files(folder)
    ends = [*map(_first, paths[1:]), math.inf]
    wanted = [path for path, end in zip(paths, ends, strict=False) if end > first and (last is None or _first(path) < last)]
    yield from _sound(wanted, layout, beside=True)


def _recording(folder: Path, layout: TableSchema) -> Recording:
    if layout.recording is None:
        raise UserError(f"{folder}: has no trajectories; sweep with --trajectories DAYS, or [trajectories] in the study")
    return layout.recording


def trajectories_hash(folder: Path | str) -> str:
    """A hash of all trajectories sorted by member, arm and day: equal for equal numbers, however they were cut.

    Raises UserError where there are none, StorageError for a damaged file.
    """
    place = Path(folder)
    layout, _ = read_layout(place)
    made = RowHash(_recording(place, layout).file_schema)
    for table, _ in trajectories(place):
        made.add(table)
    return made.whole()


def read_trajectories(folder: Path | str, first: int = 0, last: int | None = None) -> tuple[pandas.DataFrame, dict[str, Any]]:
    """The stored trajectories of members ``first`` up to ``last`` (all if None), and the manifest of the store.

    One row per member, arm and day, sorted so: columns ``member``, ``arm``, ``day`` (days), then every state in the unit
    that ``manifest["trajectories"]["states"]`` names. A column is therefore a block (members, arms, days), for example
    ``frame["active"].to_numpy().reshape(-1, arms, days)``. On the day of a dose stand the values after it. Rows after
    a failure are NaN, all rows of a member that could not be run; its status is in ``read_table``.

    Raises UserError where no trajectories were asked for, StorageError for a damaged file.
    """
    place = Path(folder)
    layout, manifest = read_layout(place)
    frame = _frame(trajectories(place, first, last), _recording(place, layout).file_schema.columns)
    inside = (frame["member"] >= first) & (frame["member"] < (math.inf if last is None else last))
    return frame[inside].reset_index(drop=True), manifest


def read_member(folder: Path, member: int) -> tuple[pyarrow.Table, dict[str, Any]]:
    """The rows of one member, one per arm, and the manifest; raises UserError if the store does not have it."""
    layout, manifest = read_layout(folder)
    before = [path for path in chunk_files(folder) if _first(path) <= member]
    if before:
        table, chunk = next(_sound(before[-1:], layout))
        if chunk.first <= member < chunk.last:
            arms = len(layout.arms)
            return table.slice((member - chunk.first) * arms, arms), manifest
    total = manifest["members"]
    here = "is not stored yet; go on with --resume" if 0 <= member < total else f"does not exist; members are 0 to {total - 1}"
    raise UserError(f"member {member} {here}")


def size_on_disk(folder: Path, kind: str = "members") -> int:
    """Bytes of all chunks, or of the ``trajectories`` beside them."""
    return sum(path.stat().st_size for path in chunk_files(folder, kind))
