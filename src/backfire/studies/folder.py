"""What a study leaves behind: its tables as CSV, and a manifest that says what they are."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backfire.model import CAUTION, version
from backfire.studies.spec import StudySpec
from backfire.system import to_json, write_whole

if TYPE_CHECKING:
    import pandas

Rows = Sequence[Sequence[Any]]
"""A table: first the names of its columns."""


def as_frame(rows: Rows) -> pandas.DataFrame:
    """A table as a DataFrame."""
    import pandas

    return pandas.DataFrame([list(row) for row in rows[1:]], columns=list(rows[0]))


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


def write_study(folder: Path, manifest: Mapping[str, Any], tables: Mapping[str, Rows]) -> None:
    """All tables, and last the manifest."""
    (folder / "manifest.json").unlink(missing_ok=True)
    write_tables(folder, tables)
    write_whole(folder / "manifest.json", to_json(dict(manifest)))
