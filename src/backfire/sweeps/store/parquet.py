"""Files that prove themselves: Parquet with whose it is, which members it has and a hash of its rows in the footer.

Every page has a checksum of its own, and every file is written under a temporary name, flushed to the disk and renamed.
So completeness is never inferred from a file's name or size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from backfire.errors import echo
from backfire.system import write_whole

if TYPE_CHECKING:
    import pyarrow

SCHEMA: Final = "1"
"""Changes when the meaning of a column does; a store of another schema is not read."""


class DamagedChunkError(Exception):
    """A chunk file that must not be believed; the text says why."""


@dataclass(frozen=True)
class Seal:
    """What a file says of itself: it belongs to ``run``, has members ``first`` up to ``last``, and rows of this hash."""

    run: str
    first: int
    last: int
    rows_sha256: str


class RowHash:
    """A hash of rows that does not depend on how they are cut into chunks."""

    def __init__(self) -> None:
        self.numbers, self.words = hashlib.sha256(), hashlib.sha256()

    def hexdigest(self) -> str:
        """The hash of all rows added so far."""
        return hashlib.sha256(self.numbers.digest() + self.words.digest()).hexdigest()


def write_sealed(path: Path, table: pyarrow.Table, seal: Seal, words: Sequence[str]) -> str:
    """Write a table with its seal, and give the sha256 of the file; ``words`` are columns of few different texts.

    Raises StorageError if the disk does not take it; nothing half-written is left.
    """
    import pyarrow
    import pyarrow.parquet

    about = {
        "schema": SCHEMA,
        "run": seal.run,
        "first": str(seal.first),
        "last": str(seal.last),
        "rows_sha256": seal.rows_sha256,
    }
    # no `pandas` metadata, no clock, no host: the same members give the same bytes
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(
        table.replace_schema_metadata({f"backfire.{key}": value for key, value in about.items()}),
        sink,
        compression="zstd",
        use_dictionary=[*words],
        write_page_checksum=True,
        write_statistics=False,  # other readers would trust them, and no checksum covers them
    )
    content = sink.getvalue().to_pybytes()
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def read_sealed(path: Path, run: str) -> tuple[pyarrow.Table, Seal, str]:
    """A table, its seal, and the sha256 of its file, with page checksums, owner and file name checked.

    Whether the rows are those of the seal only the kind of table knows. Raises DamagedChunkError with the reason.
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
    seal = Seal(told["run"], first, last, told["rows_sha256"])
    return table, seal, hashlib.sha256(content).hexdigest()
