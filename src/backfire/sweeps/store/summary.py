"""The summary of a store: how members ended, the lowest and highest value of every outcome, the hash of the table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.solvers import Floats, Status
from backfire.sweeps.store.folder import chunks, read_layout
from backfire.sweeps.store.parquet import RowHash

AGREE: Final = 1e-6
"""Values of two members that differ by no more of themselves are equal but for rounding."""


def summarise(folder: Path) -> dict[str, Any]:
    """Counts by arm and status, lowest and highest value of every outcome by arm, and the table hash; chunk by chunk."""
    layout, manifest = read_layout(folder)
    made, stored, failed_members = RowHash(layout.file_schema), 0, 0
    counts: dict[str, dict[str, int]] = {arm: {} for arm in layout.arms}
    extremes: dict[str, dict[str, dict[str, Any]]] = {name: {arm: {} for arm in layout.arms} for name in layout.outcomes}
    files = []
    good_words = [status.word for status in Status if status.good]
    for table, chunk in chunks(folder):
        made.add(table)
        stored += chunk.last - chunk.first
        files.append({"first": chunk.first, "last": chunk.last, "sha256": chunk.sha256})
        words = np.array(table["status"].to_pylist()).reshape(-1, len(layout.arms))
        failed_members += int((~np.isin(words, good_words)).any(axis=1).sum())
        for column, arm in enumerate(layout.arms):
            for word, count in zip(*np.unique(words[:, column], return_counts=True), strict=True):
                counts[arm][str(word)] = counts[arm].get(str(word), 0) + int(count)
            for name in layout.outcomes:
                seen = table[f"{name}_observed"].to_numpy()[column :: len(layout.arms)] if name in layout.times else None
                _extend(extremes[name][arm], table[name].to_numpy()[column :: len(layout.arms)], seen, chunk.first)
    return {
        "run": layout.run,
        "members": manifest["members"],
        "stored": stored,
        "rows": stored * len(layout.arms),
        "failed_members": failed_members,
        "failed_rows": sum(count for words in counts.values() for word, count in words.items() if word not in good_words),
        "counts": counts,
        "extremes": extremes,
        "table_hash": made.whole(),
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
