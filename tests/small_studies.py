"""Small studies that many tests share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from backfire.sampling import sealed
from small import SMALL_FOR_RUNS

TRIAL = """
title = "Does the drug help?"
scenario = "small.toml"
reference = "untreated"
endpoints = ["progression", "day_above(burden, 1e8)"]
follow_up = 20
accrual = 8
dropout = 0.2
visits = 5

[tumours]
number = 40
[tumours.vary]
growth_rate = { low = 0.1, high = 0.3 }
drug_kill_rate = { median = 0.6, spread = 1.5 }
[tumours.correlations]
"growth_rate, drug_kill_rate" = 0.5
"""
SENSITIVITY = """
title = "What decides?"
scenario = "small.toml"
arms = ["monotherapy"]
outcomes = ["final_burden"]
method = "sobol"

[tumours]
number = 64
[tumours.vary]
growth_rate = { low = 0.1, high = 0.3 }
drug_kill_rate = { low = 0.1, high = 2 }
"""

ABLATION = """
title = "What brings it back?"
scenario = "wnt16b-stroma"
arms = ["monotherapy", "combination"]
outcomes = ["final_burden", "day_above(burden, 9e8)"]
censored = "as watched"

[tumours]
number = 6
within = 1.5

[feedbacks]
shields = ["stroma.protects_kill"]
feeds = ["stroma.promotes_growth"]
"""


def written(folder: Path, text: str, *changes: tuple[str, str], scenario: str = SMALL_FOR_RUNS) -> Path:
    """A study file beside the scenario ``small.toml``, with replacements made in its text."""
    (folder / "small.toml").write_text(scenario, encoding="utf-8")
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def written_population(folder: Path, values: Mapping[str, Sequence[float]], weights: Sequence[float]) -> None:
    """The folder of a made-up population."""
    import pandas as pd

    folder.mkdir()
    about = {
        "found": True, "inputs": [*values], "scenario": {"name": "small", "hash": "0"}, "members": len(weights), "claims": {},
        "least_effective_size": float(len(weights)), "name": "made", "seed": 0, "share_of_box": 0.5,
    }  # fmt: skip
    pd.DataFrame({"member": range(len(weights)), "weight": weights, **values}).to_parquet(folder / "members.parquet")
    (folder / "manifest.json").write_text(sealed(about, (folder / "members.parquet").read_bytes()), encoding="utf-8")
