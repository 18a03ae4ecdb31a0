"""Files that prove themselves: Parquet with whose it is, which members it has and a hash of its rows in the footer.

Every page has a checksum of its own, and every file is written under a temporary name, flushed to the disk and renamed.
So completeness is never inferred from a file's name or size. What a file holds its ``FileSchema`` declares; how any of them
is written, read, proved and hashed stands here, once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from backfire.errors import echo
from backfire.system import write_whole

if TYPE_CHECKING:
    import pyarrow

SCHEMA: Final = "1"
"""Changes when the meaning of a column does; a store of another schema is not read."""
_BITS: Final = {"int64": "<i8", "double": "<f8", "bool": "u1"}
"""How a number of an Arrow type is hashed."""


class DamagedChunkError(Exception):
    """A chunk file that must not be believed; the text says why."""


@dataclass(frozen=True)
class FileSchema:
    """What the files of one ``kind`` hold: rows of every member, always, in the order of ``arms`` and, if any, ``days``.

    ``columns`` maps names to Arrow types, ``units`` some of them to the unit that stands in the file, and ``words`` some
    to all texts that they may have. ``numbers`` are hashed bit for bit, in this order. The hash of a table is that of its
    rows between the two texts ``around``, which say what the columns are.
    """

    kind: str
    arms: tuple[str, ...]
    columns: Mapping[str, str]
    numbers: tuple[str, ...]
    around: tuple[str, str]
    days: tuple[float, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows a member has."""
        return len(self.arms) * max(len(self.days), 1)

    @property
    def texts(self) -> list[str]:
        """The columns of few different texts."""
        return [name for name, kind in self.columns.items() if kind == "string"]

    def keys(self, first: int, last: int) -> dict[str, pyarrow.Array]:
        """The columns that follow from the place of a row, for members ``first`` up to ``last``."""
        import pyarrow

        members, times = last - first, max(len(self.days), 1)
        places = np.tile(np.repeat(np.arange(len(self.arms), dtype=np.int32), times), members)
        names = pyarrow.DictionaryArray.from_arrays(places, pyarrow.array(self.arms, pyarrow.string()))
        keys = {"member": pyarrow.array(np.repeat(np.arange(first, last), self.rows)), "arm": names.cast(pyarrow.string())}
        return keys | ({"day": pyarrow.array(np.tile(self.days, members * len(self.arms)))} if self.days else {})

    def table(self, first: int, last: int, columns: Mapping[str, Any]) -> pyarrow.Table:
        """The rows of members ``first`` up to ``last``; ``columns`` are all but the keys."""
        import pyarrow

        about = {name: {"unit": unit} for name, unit in self.units.items()}
        kinds = [(name, pyarrow.type_for_alias(kind)) for name, kind in self.columns.items()]
        schema = pyarrow.schema([pyarrow.field(name, kind, metadata=about.get(name)) for name, kind in kinds])
        return pyarrow.table({**self.keys(first, last), **columns}, schema)


class RowHash:
    """A hash of rows, bit for bit, that does not depend on how they are cut into chunks; all NaN count as one."""

    def __init__(self, schema: FileSchema) -> None:
        self.schema, self.numbers, self.words = schema, hashlib.sha256(), hashlib.sha256()

    def add(self, table: pyarrow.Table) -> Self:
        """Add the rows that follow."""
        kinds = [(name, _BITS[self.schema.columns[name]]) for name in self.schema.numbers]
        packed = np.zeros(table.num_rows, dtype=kinds)
        for name, kind in kinds:
            column = table[name].to_numpy()
            packed[name] = np.where(np.isnan(column), math.nan, column) if kind == "<f8" else column
        self.numbers.update(packed.tobytes())
        texts = self.schema.texts
        if texts == ["arm"]:  # which follows from the place of a row
            self.words.update(table["member"].to_numpy().astype("<i8", copy=False).tobytes())
        else:
            lines = zip(*(table[name].to_pylist() for name in texts), strict=True)
            self.words.update("".join(f"{arm}\t{status}\t{reason!r}\n" for arm, status, reason in lines).encode())
        return self

    def hexdigest(self) -> str:
        """The hash of all rows added so far."""
        return hashlib.sha256(self.numbers.digest() + self.words.digest()).hexdigest()

    def whole(self) -> str:
        """The hash of the table that these rows are, with its columns."""
        return hashlib.sha256(self.hexdigest().join(self.schema.around).encode()).hexdigest()


@dataclass(frozen=True)
class Footer:
    """What a file says of itself: it belongs to ``run``, has members ``first`` up to ``last``, and rows of this hash."""

    run: str
    first: int
    last: int
    rows_sha256: str


@dataclass(frozen=True)
class ChunkInfo:
    """A file that is on the disk: members ``first`` up to ``last``, and the hash of its bytes."""

    first: int
    last: int
    sha256: str


def chunk_path(folder: Path, first: int, kind: str = "members") -> Path:
    """Where the chunk that begins with member ``first`` stands; its trajectories are the file of that ``kind``."""
    return folder / "chunks" / f"{kind}-{first:08d}.parquet"


def write_rows(folder: Path, run: str, schema: FileSchema, first: int, last: int, columns: Mapping[str, Any]) -> ChunkInfo:
    """Write the rows of members ``first`` up to ``last``; ``columns`` are all but the keys.

    Raises StorageError if the disk does not take it; nothing half-written is left.
    """
    table = schema.table(first, last, columns)
    footer = Footer(run, first, last, RowHash(schema).add(table).hexdigest())
    return ChunkInfo(first, last, write_file(chunk_path(folder, first, schema.kind), table, footer, schema.texts))


def write_file(path: Path, table: pyarrow.Table, footer: Footer, texts: list[str]) -> str:
    """Write a table with its footer, and give the sha256 of the file; raises StorageError as ``write_rows``."""
    import pyarrow
    import pyarrow.parquet

    about = {"schema": SCHEMA, **{key: str(value) for key, value in vars(footer).items()}}
    # no `pandas` metadata, no clock, no host: the same members give the same bytes
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(
        table.replace_schema_metadata({f"backfire.{key}": value for key, value in about.items()}),
        sink,
        compression="zstd",
        use_dictionary=texts,
        write_page_checksum=True,
        write_statistics=False,  # other readers would trust them, and no checksum covers them
    )
    content = sink.getvalue().to_pybytes()
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def read_rows(path: Path, run: str, schema: FileSchema) -> tuple[pyarrow.Table, ChunkInfo]:
    """A table with everything checked: page checksums, whose it is, which members, columns, and the hash of its rows.

    Raises DamagedChunkError with the reason.
    """
    import pyarrow

    table, footer, sha256 = read_file(path, run)
    first, last = footer.first, footer.last
    if table.column_names != [*schema.columns] or table.num_rows != (last - first) * schema.rows:
        raise DamagedChunkError("has other rows or columns than it says")
    try:
        right = RowHash(schema).add(table).hexdigest() == footer.rows_sha256
        right = right and all(table[name].equals(pyarrow.chunked_array([key])) for name, key in schema.keys(first, last).items())
        right = right and all(set(table[name].to_pylist()) <= words for name, words in schema.words.items())
    except (ValueError, TypeError, pyarrow.ArrowException) as error:
        raise DamagedChunkError(f"has columns that cannot be read ({echo(error)})") from None
    if not right:
        raise DamagedChunkError("has rows that were changed")
    return table, ChunkInfo(first, last, sha256)


def read_file(path: Path, run: str) -> tuple[pyarrow.Table, Footer, str]:
    """A table, its footer, and the sha256 of its file, with page checksums, owner and file name checked.

    Whether the rows are those of the footer its schema knows. Raises DamagedChunkError with the reason.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        content = path.read_bytes()
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content), page_checksum_verification=True)
        table = file.read()
    except OSError as error:
        raise DamagedChunkError(
            f"cannot be read ({echo(str(error).splitlines()[0] if str(error) else 'no reason given')})"
        ) from None
    except (pyarrow.ArrowException, ValueError, MemoryError) as error:
        raise DamagedChunkError(f"is no whole Parquet file ({echo(error)})") from None
    about = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in (table.schema.metadata or {}).items()}
    told = {word: about.get(f"backfire.{word}", "") for word in ("schema", "run", "first", "last", "rows_sha256")}
    if told["schema"] != SCHEMA:
        raise DamagedChunkError(f"has schema {echo(told['schema']) or 'none'}, not {SCHEMA}")
    if told["run"] != run:
        raise DamagedChunkError("belongs to another study")
    if not (told["first"].isdecimal() and told["last"].isdecimal()):
        raise DamagedChunkError("does not say which members it has")
    first, last = int(told["first"]), int(told["last"])
    right = f"{path.name.partition('-')[0]}-{first:08d}.parquet"
    if path.name != right:
        raise DamagedChunkError(f"has the members of {right}")
    return table, Footer(run, first, last, told["rows_sha256"]), hashlib.sha256(content).hexdigest()
