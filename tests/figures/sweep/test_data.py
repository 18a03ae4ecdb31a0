"""What figures read of a store: members without a rhythm, names and numbers in words."""

from __future__ import annotations

import math

import numpy as np

from backfire.figures.sweep.data import scattered
from backfire.formatting import short
from backfire.outcomes import declared
from backfire.scenario import input_label


def test_names_and_numbers_are_in_words() -> None:
    assert input_label("anti_il16.start", "day") == "first dose of anti-IL-16 (day)"
    assert input_label("macrophages.protects_kill", "1") == "macrophages: protection from kill (0 off, 1 full)"
    assert input_label("growth_rate", "1/day") == "growth rate (1/day)"
    assert input_label("drug.count", "1") == "doses of drug"
    assert declared("peak(hibernating)").label("peak(hibernating)", "cell") == "peak of hibernating cells"
    assert declared("log_kill_last").label("log_kill_last", "1") == "kill in the last course (log10)"
    assert [short(value) for value in (0.0, 1e5, 1.2e8, 1e-7, 87.0, 0.123, math.nan)] == [
        "0",
        "10⁵",
        "1.2·10⁸",
        "10⁻⁷",
        "87",
        "0.12",
        "–",
    ]


def test_a_large_store_is_thinned_without_a_rhythm() -> None:
    assert scattered(20_000) is None
    members = scattered(1_000_000)
    assert members is not None
    assert len(set(members.tolist())) == len(members) == 20_000
    assert 0 <= members[0] < members[-1] < 1_000_000
    assert abs(float((members % 2).mean()) - 0.5) < 0.02
    assert np.array_equal(members, scattered(1_000_000))
