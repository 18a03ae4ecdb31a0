"""What a study leaves behind: its tables as CSV, and a manifest that says what they are."""

from __future__ import annotations

import csv
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from backfire.errors import UserError, unknown
from backfire.formatting import short
from backfire.model import CAUTION, version
from backfire.notebook import shown as shown_html
from backfire.studies.spec import StudySpec
from backfire.system import to_json, write_whole

if TYPE_CHECKING:
    import pandas

Rows = Sequence[Sequence[Any]]
"""A table: first the names of its columns."""


class FinishedStudy(ABC):
    """What every finished study has: tables by name, a manifest, and maybe a folder.

    It shows itself in a line, in a notebook as HTML: the tables that the command prints, and what has to be said beside them.
    """

    folder: Path | None
    spec: Any

    @property
    @abstractmethod
    def shown(self) -> Mapping[str, Rows]:
        """The tables that the command prints."""

    @property
    @abstractmethod
    def tables(self) -> Mapping[str, Rows]:
        """Every table by name."""

    @property
    @abstractmethod
    def manifest(self) -> Mapping[str, Any]:
        """What was asked, as data."""

    def table(self, name: str = "") -> pandas.DataFrame:
        """One of the tables, the first without a name, as a DataFrame."""
        import pandas

        name = name or next(iter(self.tables))
        if name not in self.tables:
            raise UserError(unknown("table", name, self.tables))
        heads, *rows = self.tables[name]
        return pandas.DataFrame([list(row) for row in rows], columns=list(heads))

    def written(self) -> Self:
        """The study, its tables and last its manifest in its folder, if it has one."""
        if self.folder is not None:
            (self.folder / "manifest.json").unlink(missing_ok=True)
            write_tables(self.folder, self.tables)
            write_whole(self.folder / "manifest.json", to_json(dict(self.manifest)))
        return self

    def __repr__(self) -> str:
        tables = ", ".join(f"{name} ({len(rows) - 1} rows)" for name, rows in self.shown.items())
        return f"<{type(self).__name__} {self.spec.name} of {self.spec.scenario.name}: {tables}>"

    def _repr_html_(self: Any) -> str:
        tables = [
            shown_html(name, rows[0], [[_word(cell) for cell in row] for row in rows[1:]])
            for name, rows in self.shown.items()
            if len(rows) > 1
        ]
        return shown_html(self.spec.title, (), (), " · ".join([*self.notes, CAUTION]), "".join(tables))


def _word(cell: Any) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return short(cell) if math.isfinite(cell) else "–" if math.isnan(cell) else "∞"


def write_tables(folder: Path, tables: Mapping[str, Rows]) -> None:
    """Every table as ``<name>.csv``; what is not defined is an empty cell, what is infinite is ``inf``."""
    for name, rows in tables.items():
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([[_cell(value) for value in row] for row in rows])
        write_whole(folder / f"{name}.csv", out.getvalue())


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.8g}"
    return value


def study_manifest(spec: StudySpec, kind: str, notes: Sequence[str], about: Mapping[str, Any]) -> dict[str, Any]:
    """What a study was, as data."""
    return {
        "kind": kind,
        "name": spec.name,
        "title": spec.title,
        "note": spec.note,
        "caution": CAUTION,
        "backfire": version(),
        "scenario": {"name": spec.scenario.name, "hash": spec.scenario.hash},
        "arms": list(spec.arms),
        "tumours": spec.tumours.source,
        "seed": spec.tumours.seed,
        **about,
        "notes": list(notes),
    }
