"""What stands in the store of a sweep, for people, without simulating."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backfire.formatting import bytes_in_words, number
from backfire.reports.sections import Section
from backfire.sweeps import store

HEAD = 5
"""Rows of the table that are shown as they stand in it."""


def sweep_sections(folder: Path, summary: Mapping[str, Any]) -> Iterator[Section]:
    """Counts by arm and status, extremes of the outcomes, the first rows, and lines on the whole.

    ``summary`` is that of ``backfire.sweeps.store.summarise``. Raises StorageError for what is no store.
    """
    _, manifest = store.read_layout(folder)
    counts = summary["counts"]
    words = list(dict.fromkeys(word for counted in counts.values() for word in counted))
    rows = [(arm, *(str(counts[arm].get(word, 0)) for word in words)) for arm in manifest["arms"]]
    yield Section(str(manifest.get("title", folder)), (("arm", *words), *rows), numbers=True)
    heads = ("outcome", "unit", "arm", "lowest", "member", "highest", "member")
    yield Section("", (heads, *_extremes(summary, manifest)))
    yield from _first_rows(folder, manifest)
    yield Section("", lines=tuple(_whole(folder, summary, manifest)))


def sweep_data(folder: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The same as data: what was swept, counts by arm and status, extremes of the outcomes with unit, hashes."""
    _, manifest = store.read_layout(folder)
    units = {name: {"unit": about["unit"], "arms": summary["extremes"][name]} for name, about in manifest["outcomes"].items()}
    kept = ("members", "stored", "rows", "failed_members", "failed_rows", "counts", "table_hash")
    return {
        "folder": str(folder),
        "title": manifest.get("title"),
        "scenario": {word: manifest["scenario"][word] for word in ("name", "hash")},
        **{word: summary[word] for word in kept},
        "outcomes": units,
    }


def _extremes(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, about in manifest["outcomes"].items():
        for arm, found in summary["extremes"][name].items():
            if found:
                cells = []
                for word in ("lowest", "highest"):
                    unseen = "" if found.get(f"{word}_observed", True) else "> "
                    cells += [unseen + number(found[word]), str(found[f"{word}_member"])]
                yield name, about["unit"], arm, *cells


def _first_rows(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Section]:
    table = next((table for table, _ in store.chunks(folder)), None)
    if table is not None:
        rows = table.slice(0, HEAD).to_pylist()
        names = ["member", "arm", *manifest["fields"], "status", *manifest["outcomes"]]
        cells = [
            (name, *(number(row[name]) if isinstance(row[name], float) else str(row[name]) for row in rows)) for name in names
        ]
        yield Section("", (("first rows", *("" for _ in rows)), *cells), numbers=True)


def _whole(folder: Path, summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    stored, members, rows = (summary[word] for word in ("stored", "members", "rows"))
    yield f"{stored} of {members} members stored, {rows} rows, table {summary['table_hash']}"
    if about := manifest.get("trajectories"):
        size, place = bytes_in_words(store.size_on_disk(folder, "trajectories")), folder / "chunks" / "trajectories-*.parquet"
        yield f"trajectories of {', '.join(about['arms'])} every {about['every']:g} days: {place}, {size}"
    yield f"{manifest.get('caution', '')} · scenario {manifest['scenario']['name']} {manifest['scenario']['hash']}\n"
