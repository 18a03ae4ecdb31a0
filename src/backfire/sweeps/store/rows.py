"""One chunk of a sweep: a Parquet file with all rows of some members, which proves by itself that it is right.

A chunk has one row per member and arm, always: a member that failed has its status, its reason and no numbers. In its
footer stand whose it is, which members it has, and a hash of its rows; every page has a checksum of its own. So
completeness is never inferred from a file's name or size.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError, echo
from backfire.solvers import Status
from backfire.sweeps.store.parquet import DamagedChunkError, RowHash, Seal, read_sealed, write_sealed
from backfire.sweeps.store.recording import Recording, read_trajectories

if TYPE_CHECKING:
    import pyarrow

Floats = NDArray[np.float64]

_OWN: Final = ("member", "arm", "status", "reason", "steps")


class Rows(Protocol):
    """What the members of a slice came to; ``simulation.Cohort`` is one."""

    @property
    def status(self) -> NDArray[np.int8]:
        """(members, arms)."""

    @property
    def steps(self) -> NDArray[np.int64]:
        """(members, arms)."""

    @property
    def values(self) -> Mapping[str, Mapping[str, Floats]]:
        """Arm → outcome → (members,)."""

    @property
    def observed(self) -> Mapping[str, Mapping[str, NDArray[np.bool_]]]:
        """Arm → outcome → (members,)."""

    @property
    def reasons(self) -> Mapping[tuple[int, str], str]:
        """(member of the slice, arm) → why the status is not good."""


@dataclass(frozen=True)
class Layout:
    """The columns of a store and whose it is: ``run`` is the hash of all that can change a number.

    ``times`` are the outcomes that may be censored: each has a column ``<outcome>_observed``. ``recording`` says which
    trajectories stand beside each chunk, None if nobody asked for them. Raises UserError for two columns of one name.
    """

    run: str
    fields: tuple[str, ...]
    arms: tuple[str, ...]
    outcomes: tuple[str, ...]
    times: tuple[str, ...] = ()
    recording: Recording | None = None

    def __post_init__(self) -> None:
        names = self.columns
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"a table cannot have two columns named {', '.join(twice)}; vary or measure something else")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns in their order."""
        flags = [f"{name}_observed" for name in self.times]
        return (*_OWN[:2], *self.fields, *_OWN[2:], *self.outcomes, *flags)


@dataclass(frozen=True)
class Receipt:
    """A chunk that is on the disk: members ``first`` up to ``last``, the hash of its file, rows by status."""

    first: int
    last: int
    sha256: str
    counts: Mapping[str, int]

    @property
    def failed(self) -> int:
        """Rows without numbers."""
        return sum(count for word, count in self.counts.items() if not Status[word.upper()].good)


def chunk_path(folder: Path, first: int, kind: str = "members") -> Path:
    """Where the chunk that begins with member ``first`` stands; its trajectories are the file of that ``kind``."""
    return folder / "chunks" / f"{kind}-{first:08d}.parquet"


def write_chunk(folder: Path, layout: Layout, first: int, samples: Floats, rows: Rows) -> Receipt:
    """Write the chunk of members ``first`` and following; ``samples`` (members, fields) are their values.

    Raises StorageError if the disk does not take it; nothing half-written is left.
    """
    table = _as_table(layout, first, samples, rows)
    last = first + len(samples)
    seal = Seal(layout.run, first, last, add_rows(table, layout).hexdigest())
    sha256 = write_sealed(chunk_path(folder, first), table, seal, ["arm", "status", "reason"])
    return Receipt(first, last, sha256, _counts(table))


def _as_table(layout: Layout, first: int, samples: Floats, rows: Rows) -> pyarrow.Table:
    """Rows in the order (member, arm), the columns of the layout."""
    import pyarrow

    members, arms = len(samples), len(layout.arms)
    if rows.status.shape != (members, arms):
        raise UserError(f"{members} members and {arms} arms came back with statuses of shape {rows.status.shape}")
    good = np.isin(rows.status, [status for status in Status if status.good])
    words = np.array([status.word for status in Status])
    columns: dict[str, Any] = {
        "member": np.repeat(np.arange(first, first + members), arms),
        "arm": pyarrow.array(np.tile(np.array(layout.arms, dtype=object), members), pyarrow.string()),
    }
    columns |= {name: np.repeat(samples[:, column], arms) for column, name in enumerate(layout.fields)}
    columns["status"] = pyarrow.array(words[rows.status].ravel().astype(object), pyarrow.string())
    reasons = [[rows.reasons.get((member, arm), "") for arm in layout.arms] for member in range(members)]
    columns["reason"] = pyarrow.array([text for line in reasons for text in line], pyarrow.string())
    columns["steps"] = rows.steps.astype(np.int64).ravel()
    nothing, no = np.full(members, math.nan), np.zeros(members, dtype=bool)
    for name in layout.outcomes:
        values = np.column_stack([rows.values.get(arm, {}).get(name, nothing) for arm in layout.arms])
        columns[name] = np.where(good, values, math.nan).ravel()
    for name in layout.times:
        flags = np.column_stack([rows.observed.get(arm, {}).get(name, no) for arm in layout.arms])
        columns[f"{name}_observed"] = (good & flags).ravel()
    return pyarrow.table({name: columns[name] for name in layout.columns})


def add_rows(table: pyarrow.Table, layout: Layout, into: RowHash | None = None) -> RowHash:
    """Add rows to a hash, bit for bit; all NaN count as one."""
    made = into or RowHash()
    floats = [*layout.fields, *layout.outcomes]
    flags = [f"{name}_observed" for name in layout.times]
    kinds = [("member", "<i8"), ("steps", "<i8"), *((name, "<f8") for name in floats), *((name, "u1") for name in flags)]
    packed = np.zeros(table.num_rows, dtype=kinds)
    for name, kind in kinds:
        column = table[name].to_numpy()
        packed[name] = np.where(np.isnan(column), math.nan, column) if kind == "<f8" else column
    made.numbers.update(packed.tobytes())
    words = zip(*(table[name].to_pylist() for name in ("arm", "status", "reason")), strict=True)
    made.words.update("".join(f"{arm}\t{status}\t{reason!r}\n" for arm, status, reason in words).encode())
    return made


def finished_hash(made: RowHash, layout: Layout) -> str:
    """The table hash of rows and their columns."""
    return hashlib.sha256("\n".join([*layout.columns, made.hexdigest()]).encode()).hexdigest()


def read_chunk(path: Path, layout: Layout) -> tuple[pyarrow.Table, Receipt]:
    """A chunk with everything checked: page checksums, whose it is, which members, columns, and the hash of its rows.

    Raises DamagedChunkError with the reason.
    """
    import pyarrow

    table, seal, sha256 = read_sealed(path, layout.run)
    first, last = seal.first, seal.last
    if tuple(table.column_names) != layout.columns or table.num_rows != (last - first) * len(layout.arms):
        raise DamagedChunkError("has other rows or columns than it says")
    try:
        damaged = add_rows(table, layout).hexdigest() != seal.rows_sha256
    except (ValueError, TypeError, pyarrow.ArrowException) as error:
        raise DamagedChunkError(f"has columns that cannot be read ({echo(error)})") from None
    if damaged or not _is_in_order(table, layout, first, last):
        raise DamagedChunkError("has rows that were changed")
    return table, Receipt(first, last, sha256, _counts(table))


def read_beside(folder: Path, layout: Layout, receipt: Receipt) -> pyarrow.Table | None:
    """The trajectories of the members of a chunk, with everything checked; None if nobody asked for any.

    Raises DamagedChunkError with the reason.
    """
    if layout.recording is None:
        return None
    path = chunk_path(folder, receipt.first, "trajectories")
    try:
        table, seal = read_trajectories(path, layout.run, layout.recording)
        if seal.last != receipt.last:
            raise DamagedChunkError("has other members")
    except DamagedChunkError as reason:
        raise DamagedChunkError(f"has no sound trajectories beside it: {path.name} {reason}") from None
    return table


def _counts(table: pyarrow.Table) -> dict[str, int]:
    """Rows by status."""
    words, counts = np.unique(table["status"].to_pylist(), return_counts=True)
    return {str(word): int(count) for word, count in zip(words, counts, strict=True)}


def _is_in_order(table: pyarrow.Table, layout: Layout, first: int, last: int) -> bool:
    """Every member and arm once, in order, and every status a word we know."""
    members = np.repeat(np.arange(first, last), len(layout.arms))
    arms = list(layout.arms) * (last - first)
    known = {status.word for status in Status}
    return (
        bool((table["member"].to_numpy() == members).all())
        and table["arm"].to_pylist() == arms
        and set(table["status"].to_pylist()) <= known
    )
