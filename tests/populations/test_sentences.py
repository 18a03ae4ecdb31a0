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
    assert not any(item.least for item in found.values())
    wanted = [-math.log2(WIDTHS[1]), -math.log2(WIDTHS[3]), 0.0, -math.log2(WIDTHS[2]), -math.log2(WIDTHS[0] * WIDTHS[1])]
    for (name, item), bits in zip(found.items(), wanted, strict=True):
        assert item.bits == pytest.approx(bits, abs=max(0.25, 4 * item.error)), name
    assert found["said twice"].bits == 0.0
    assert worth(sides, sample.runs, {"second": [1]})["second"] == found["second"]
    kept: list[int] = []
    known = {name: found[name] for name in ("said twice", "second")}
    assert [*worth(sides, sample.runs, claims, known=known, keep=lambda now: kept.append(len(now))).items()] == [*found.items()]
    assert kept == [3, 4, 5]


def sliver(points: np.ndarray, _: object = None) -> np.ndarray:
    """A corner of 2^-12 in a slab; the slab is all that remains without the second claim."""
    return np.column_stack([points[:, 0] - 0.001, points[:, 1:].max(axis=1) - 0.125])


def test_what_is_worth_much_is_watched_until_it_no_longer_changes_or_said_to_be_a_least_worth() -> None:
    sample = sample_region(sliver, 5, 200, seed=2, effort=QUICK, goal=Goal(sweeps=10, rounds=1))
    found = worth(sliver, sample.runs, {"corner": [1]})["corner"]
    assert abs(found.bits - 12) < max(0.3, 4 * found.error) or (found.least and found.bits < 12)
    assert str(dataclasses.replace(found, bits=3.04, error=0.12, least=True)) == "at least 3.04 ± 0.12"
    assert str(dataclasses.replace(found, bits=9.4, error=math.inf, least=True)) == "at least 9"
