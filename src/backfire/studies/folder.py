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
from backfire.model import CAUTION, version
from backfire.studies.spec import StudySpec
from backfire.system import to_json, write_whole

if TYPE_CHECKING:
    import pandas

Rows = Sequence[Sequence[Any]]
"""A table: first the names of its columns."""


class FinishedStudy(ABC):
    """What every finished study has: tables by name, a manifest, and maybe a folder."""

    folder: Path | None

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
