"""Designs: every member the same in every slice, spread as the method promises."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from backfire.errors import UserError
from backfire.sampling import Axis, Design, Grid, LatinHypercube, Morris, Sobol, Table, size_problem

AXES = (Axis("a", 0, 1), Axis("b", 0.01, 100, scale="log"), Axis("c", 1, 4, whole=True), Axis("d", values=(5, 1, 3)))


BOX = AXES[:3]


MADE = [
    Grid((Axis("a", 0, 1, 5), Axis("b", 0.01, 100, 4, "log"), Axis("d", values=(5, 1, 3)))),
    Sobol(AXES, 128, 7),
    LatinHypercube(AXES, 100, 7),
    Morris(BOX, 9, 4, 7),
    Table.of({"a": [0.1, 0.2, 0.3], "b": [1, 1, 1]}),
]


NAMES = [design.kind for design in MADE]


@pytest.mark.parametrize("design", MADE, ids=NAMES)
def test_a_member_is_the_same_in_every_slice(design: Design) -> None:
    whole = design.samples(0, design.members)
    assert whole.shape == (design.members, len(design.fields))
    assert design.samples(2, 2).shape == (0, len(design.fields))
    for size in (1, 3, design.members - 1):
        parts = [design.samples(first, min(first + size, design.members)) for first in range(0, design.members, size)]
        assert (np.concatenate(parts) == whole).all()
    for first, last in ((-1, 2), (0, design.members + 1), (2, 1)):
        with pytest.raises(UserError):
            design.samples(first, last)


@pytest.mark.parametrize("design", MADE[1:4], ids=NAMES[1:4])
def test_the_seed_decides_and_nothing_else(design: Design) -> None:
    import dataclasses

    whole = design.samples(0, design.members)
    assert (dataclasses.replace(design).samples(0, design.members) == whole).all()
    other = dataclasses.replace(design, seed=8)  # type: ignore[call-arg]
    assert (other.samples(0, design.members) != whole).any()
    assert other.describe() != design.describe()


def test_every_number_of_a_design_stands_in_its_description() -> None:
    """What a sweep is resumed by: a number that is left out could change between two halves of one table."""
    import dataclasses

    axis = Axis("a", 1, 9, 5)
    changes = {"field": "b", "low": 0.5, "high": 8, "points": 6, "scale": "log", "values": (1, 2), "whole": True}
    assert set(changes) == {item.name for item in dataclasses.fields(Axis)}
    told = [Grid((dataclasses.replace(axis, **{word: value}),)).describe() for word, value in changes.items()]  # type: ignore[arg-type]
    told += [Grid((axis,)).describe(), Grid((axis, Axis("b", 1, 9, 5))).describe()]
    told += [MADE[0].describe(), Grid(MADE[0].axes[::-1]).describe()]
    for design in MADE[1:4]:
        told.append(design.describe())
        numbers = [item.name for item in dataclasses.fields(design) if item.name != "axes"]
        assert numbers
        told += [dataclasses.replace(design, **{word: getattr(design, word) - 2}).describe() for word in numbers]
    for columns in ({"a": [1, 2]}, {"b": [1, 2]}, {"a": [2, 1]}, {"a": [1, np.nextafter(2, 3)]}, {"a": [1, 2, 2]}):
        told.append(Table.of(columns).describe())
    for one, other in itertools.combinations(told, 2):
        assert one != other


def test_samples_are_the_same_in_another_process() -> None:
    code = (
        "from backfire.sampling import *\n"
        "axes = (Axis('a', 0, 1), Axis('b', 0.01, 100, scale='log'), Axis('c', 1, 4, whole=True))\n"
        "rows = [LatinHypercube(axes, 50, 7).samples(3, 9).tolist(), Morris(axes, 9, 4, 7).samples(3, 9).tolist()]"
    )
    here: dict[str, object] = {}
    exec(code, here)
    there = subprocess.run([sys.executable, "-c", f"{code}\nprint(rows)"], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == repr(here["rows"])


def test_a_grid_has_every_combination_once_and_exact_ends() -> None:
    grid = MADE[0]
    rows = [tuple(row) for row in grid.samples(0, grid.members).tolist()]
    a = [0, 0.25, 0.5, 0.75, 1]
    b = [0.01, 0.01 * 10 ** (4 / 3), 0.01 * 10 ** (8 / 3), 100]
    expected = list(itertools.product(a, b, [5, 1, 3]))
    assert len(rows) == len(expected) == 60
    for row, wanted in zip(rows, expected, strict=True):
        assert row == pytest.approx(wanted, rel=1e-12)
    assert {row[1] for row in rows} >= {0.01, 100.0}


def test_a_latin_hypercube_visits_every_stratum_once() -> None:
    count = 997
    design = LatinHypercube((Axis("a", 0, 1), Axis("b", 1, 1e6, scale="log"), Axis("c", -3, 5)), count, 3)
    rows = design.samples(0, count)
    shares = np.column_stack([rows[:, 0], np.log10(rows[:, 1]) / 6, (rows[:, 2] + 3) / 8])
    for column in shares.T:
        assert sorted((column * count).astype(int).tolist()) == list(range(count))
    # the orders of two axes have nothing to do with each other
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.1
    assert abs(np.corrcoef(np.arange(count), shares[:, 0])[0, 1]) < 0.1


def test_sobol_is_the_sequence_of_scipy() -> None:
    from scipy.stats import qmc

    rows = Sobol((Axis("a", 0, 1), Axis("b", 10, 30)), 64, 5).samples(0, 64)
    theirs = qmc.Sobol(2, scramble=True, bits=30, rng=np.random.default_rng(np.random.SeedSequence(5))).random(64)
    assert rows == pytest.approx(theirs * [1, 20] + [0, 10], rel=1e-15)
    # a scrambled Sobol sequence of 64 puts one point in every 1/64 of each axis
    assert sorted((rows[:, 0] * 64).astype(int).tolist()) == list(range(64))


def test_morris_walks_change_one_field_at_a_time() -> None:
    design = Morris((Axis("a", 0, 1), Axis("b", 1, 1000, scale="log"), Axis("c", 3, 9)), 50, 4, 2)
    rows = design.samples(0, design.members)
    shares = np.column_stack([rows[:, 0], np.log10(rows[:, 1]) / 3, (rows[:, 2] - 3) / 6]).reshape(50, 4, 3)
    steps = np.diff(shares, axis=1)
    assert ((np.abs(steps) > 1e-9).sum(axis=2) == 1).all()
    assert np.abs(steps).max(axis=2) == pytest.approx(np.full((50, 3), 2 / 3))
    assert ((np.abs(steps) > 1e-9).sum(axis=1) == 1).all()  # every field once per walk
    assert shares.min() >= -1e-12
    assert shares.max() <= 1 + 1e-12
    assert np.unique(np.round(shares * 3)).tolist() == [0, 1, 2, 3]
    assert (steps > 1e-9).any()
    assert (steps < -1e-9).any()


def test_sizes_of_any_length_are_shown() -> None:
    assert "1,000,000,000,000 members" in (size_problem(10**12, 10, 2) or "")
    assert "1e50000 members" in (size_problem(10**50_000, 10, 2) or "")
    assert size_problem(10**9, 10, 2) is None
