"""The worth of sentences where it is known: each side of a box cuts by its own width, and what is said twice is worth nothing."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from backfire.populations import Effort, Goal, sample_region, worth

WIDTHS = np.array([0.5, 0.25, 0.08, 0.8, 0.2])
QUICK = dataclasses.replace(
    Effort(), first=512, walkers=128, least_sweeps=4, scouts=128, measuring=512, chains=64, rounds=2, lessons=150
)


def sides(points: np.ndarray, _: object = None) -> np.ndarray:
    """A column for every side of a box, and the third side once more."""
    off = np.abs(points - 0.5) - WIDTHS / 2
    return np.column_stack([off, off[:, 2]])


def test_a_side_is_worth_its_width_and_what_is_said_twice_nothing() -> None:
    sample = sample_region(sides, 5, 200, seed=2, effort=QUICK, goal=Goal(sweeps=10, rounds=1))
    assert not sample.exact
    claims = {"second": [1], "fourth": [3], "said twice": [5], "third": [2, 5], "first two": [0, 1]}
    found = worth(sides, sample.runs, claims)
    wanted = [-math.log2(WIDTHS[1]), -math.log2(WIDTHS[3]), 0.0, -math.log2(WIDTHS[2]), -math.log2(WIDTHS[0] * WIDTHS[1])]
    for (name, item), bits in zip(found.items(), wanted, strict=True):
        assert item.bits == pytest.approx(bits, abs=max(0.25, 4 * item.error)), name
    assert found["said twice"].bits == 0.0
    assert worth(sides, sample.runs, {"second": [1]})["second"] == found["second"]
