"""The tumours of a stored population, read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backfire.errors import StorageError
from backfire.solvers import Floats


@dataclass(frozen=True, eq=False)
class StoredMembers:
    """``values`` (n, inputs) of ``names`` and ``weights`` (n,) of a population of ``scenario``, whose hash was ``hash``."""

    names: tuple[str, ...]
    values: Floats
    weights: Floats
    scenario: str
    hash: str


def stored_members(folder: Path | str) -> StoredMembers:
    """The tumours in the folder that ``backfire population`` wrote; raises StorageError if there are none or it is damaged."""
    import pyarrow.parquet

    place = Path(folder)
    try:
        about = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
        names, of = tuple(about["inputs"]), about["scenario"]
        if not about["found"]:
            raise StorageError(f"{place}: holds no tumour; none was found that satisfies every claim")
        table = pyarrow.parquet.read_table(place / "members.parquet", columns=["weight", *names])
        columns = [table[name].to_numpy().astype(float) for name in names]
        made = StoredMembers(names, np.column_stack(columns), table["weight"].to_numpy().astype(float), of["name"], of["hash"])
    except OSError as error:
        raise StorageError(f"{place}: is no population ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{place}: is damaged, or of something else than a population ({error})") from None
    if not len(made.values) or not np.isfinite(made.values).all() or not (made.weights >= 0).all() or not made.weights.sum() > 0:
        raise StorageError(f"{place}: is damaged: values that are no numbers, or weights that are none")
    return made
