"""A stored population read back: values to the last bit, and damage told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backfire.errors import StorageError
from backfire.populations import stored_members

ABOUT = {"found": True, "inputs": ["b", "a"], "scenario": {"name": "small", "hash": "123"}}


def store(folder: Path, about: object = ABOUT, weight: float = 1.0, value: float = 1 / 3) -> Path:
    (folder / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    pd.DataFrame({"member": [0, 1], "weight": [weight, 2.0], "a": [value, 2.0], "b": [3.0, 4.0]}).to_parquet(
        folder / "members.parquet"
    )
    return folder


def test_members_come_back_as_they_were(tmp_path: Path) -> None:
    found = stored_members(store(tmp_path))
    assert (found.names, found.scenario, found.hash) == (("b", "a"), "small", "123")
    assert found.values.tolist() == [[3.0, 1 / 3], [4.0, 2.0]]
    assert found.weights.tolist() == [1.0, 2.0]


def test_what_is_no_population_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no population"):
        stored_members(tmp_path)
    for about, said in ((ABOUT | {"found": False}, "holds no tumour"), (ABOUT | {"inputs": ["c"]}, "damaged"), ([], "damaged")):
        with pytest.raises(StorageError, match=said):
            stored_members(store(tmp_path, about))
    for wrong in ({"weight": -1.0}, {"value": np.nan}):
        with pytest.raises(StorageError, match="no numbers, or weights that are none"):
            stored_members(store(tmp_path, **wrong))
