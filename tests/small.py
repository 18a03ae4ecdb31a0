"""Scenario and sweep files that many tests share: one small tumour and one drug."""

from __future__ import annotations

from pathlib import Path

from backfire import cli

SMALL = """
title = "A small tumour and one drug"
days = 30

[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }

[regimens]
drug = { amount = 4.0, start = 10, every = 7, count = 2 }

[arms]
untreated = []
monotherapy = ["drug"]
"""
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


def call(*arguments: str | Path | int) -> int:
    return cli.main([str(argument) for argument in arguments])


def sweep(study: Path, *arguments: str | Path | int) -> int:
    return call("sweep", study, "--out", study.parent / "out", "--workers", 0, *arguments)
