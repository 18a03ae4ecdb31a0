"""Tables: members that a file or the caller lists one by one."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from backfire.errors import DocumentError, Problem, UserError, echo
from backfire.sampling.axis import Axis
from backfire.sampling.designs import Design, Read, setting
from backfire.solvers import Floats


@dataclass(frozen=True, eq=False)
class Listed(Design):
    """Members listed one by one, whatever lists them: ``rows`` (members, fields), the columns in the order of ``axes``."""

    listed: ClassVar[bool] = True
    rows: Floats = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rows.ndim != 2 or self.rows.shape[1] != len(self.axes) or not np.isfinite(self.rows).all():
            raise UserError(f"a table needs finite numbers of shape (members, {len(self.axes)}), got shape {self.rows.shape}")

    @classmethod
    def count(cls, _points: Sequence[int], _given: Mapping[str, Any], /) -> int:
        """Not known before what lists them is read, which is no longer than can be read."""
        return 1

    @property
    def members(self) -> int:
        """The rows of the table."""
        return len(self.rows)

    def _samples(self, first: int, last: int) -> Floats:
        return self.rows[first:last].copy()

    def describe(self) -> dict[str, Any]:
        """The design as plain data: its fields and a hash of its values."""
        digest = hashlib.sha256(np.ascontiguousarray(self.rows, dtype="<f8").tobytes()).hexdigest()
        return {"kind": self.kind, "vary": list(self.fields), "members": self.members, "values_sha256": digest}


@dataclass(frozen=True, eq=False)
class Table(Listed):
    """Members that a CSV file or the caller lists."""

    kind: ClassVar[str] = "table"
    title: ClassVar[str] = "a table"
    file: str = setting("a CSV file with a column for every field, beside the study file", "", needed=True)

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[float]], file: str = "") -> Table:
        """A design from columns of numbers, one per field: ``Table.of({"growth_rate": [0.1, 0.2]})``."""
        rows = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
        return cls(axes_of(columns, rows), rows, file)

    @classmethod
    def made(cls, _axes: tuple[Axis, ...], given: Mapping[str, Any], read: Read, /) -> Table:
        """The table in the CSV file that a study names; raises DocumentError with the line of the first problem."""
        name, text = read("file")

        def refuse(line: int, message: str) -> DocumentError:
            return DocumentError([Problem(name, line, "", message)])

        lines = csv.reader(io.StringIO(text))
        heads = [head.strip() for head in next(lines, [])]
        if not heads or len(set(heads)) < len(heads) or not all(heads):
            raise refuse(1, "needs a first line with the names of the fields, each once")
        values = []
        for cells in filter(None, lines):
            try:
                row = [float(cell) for cell in cells]
            except ValueError:
                raise refuse(lines.line_num, f"has a cell that is no number: {echo(','.join(cells))}") from None
            if len(row) != len(heads) or not np.isfinite(row).all():
                raise refuse(lines.line_num, f"needs {len(heads)} finite numbers, got {echo(','.join(cells))}")
            values.append(row)
        if not values:
            raise refuse(0, "has no members, only a first line")
        return cls.of({head: [row[column] for row in values] for column, head in enumerate(heads)}, given["file"])


def axes_of(names: Iterable[str], rows: Floats) -> tuple[Axis, ...]:
    """The axes of listed ``rows`` (members, fields)."""

    def axis(name: str, column: Floats) -> Axis:
        low, high = float(column.min(initial=0.0)), float(column.max(initial=0.0))
        return Axis(name, low, high) if low < high else Axis(name, values=(low,))

    return tuple(axis(name, column) for name, column in zip(names, rows.T, strict=True))
