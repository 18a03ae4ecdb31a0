"""Scenario and sweep files that many tests share: one small tumour and one drug."""

from __future__ import annotations


def small_scenario(days: int = 30, doses: int = 2) -> str:
    """One small tumour and one drug, a dose a week from day 10 on."""
    return f"""
title = "A small tumour and one drug"
days = {days}

[mechanisms]
growth = {{ law = "logistic" }}
pharmacology = {{ agents = ["drug"] }}
kill = {{ by = ["drug"] }}

[regimens]
drug = {{ amount = 4.0, start = 10, every = 7, count = {doses} }}

[arms]
untreated = []
monotherapy = ["drug"]
"""


SMALL = small_scenario()
SMALL_FOR_RUNS = small_scenario(days=40, doses=3)
"""Long enough to show every outcome."""
STUDY = """
title = "How much drug, and when?"
scenario = "small.toml"
outcomes = ["final_burden", "time_to_progression", "log_kill_last", "peak(effect_drug)"]

[design]
kind = "grid"

[vary]
drug.amount = { low = 1, high = 16, points = 3, scale = "log" }
drug.every = { values = [5, 7, 30] }
"""
"""The third interval is longer than the simulation: those members cannot be built."""
