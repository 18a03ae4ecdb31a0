"""Shares and interactions of games with closed form, and the laws that make them the only ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from backfire.errors import UserError
from backfire.studies import pair_interactions, shapley_shares


def game(count: int, value: object) -> np.ndarray:
    """The values of all coalitions, given as sets of players."""
    return np.array([float(value({one for one in range(count) if mask >> one & 1})) for mask in range(1 << count)])  # type: ignore[operator]


def test_the_glove_game() -> None:
    pairs = game(3, lambda who: min(len(who & {0}), len(who & {1, 2})))
    assert shapley_shares(pairs) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_an_additive_game_gives_everybody_his_own() -> None:
    worth = [1.0, -2.0, 5.0, 0.0]
    values = game(4, lambda who: sum(worth[one] for one in who))
    assert shapley_shares(values) == pytest.approx(worth)
    assert pair_interactions(values) == pytest.approx(np.zeros((4, 4)))


def test_a_symmetric_game_gives_all_the_same() -> None:
    values = game(5, lambda who: len(who) >= 3)
    assert shapley_shares(values) == pytest.approx([1 / 5] * 5)
    interactions = pair_interactions(values)
    assert interactions[~np.eye(5, dtype=bool)] == pytest.approx([interactions[0, 1]] * 20)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_who_must_all_be_there_interact_as_the_formula_says(size: int) -> None:
    needed = set(range(size))
    values = game(5, needed.issubset)
    assert shapley_shares(values) == pytest.approx([1 / size if one in needed else 0.0 for one in range(5)])
    expected = [[1 / (size - 1) if one != other and {one, other} <= needed else 0.0 for other in range(5)] for one in range(5)]
    assert pair_interactions(values) == pytest.approx(np.array(expected))


def test_the_airport_game() -> None:
    cost = [1.0, 2.0, 4.0]  # Littlechild and Owen 1973: each part of the runway is shared by those who need it
    assert shapley_shares(game(3, lambda who: max((cost[one] for one in who), default=0))) == pytest.approx(
        [1 / 3, 5 / 6, 17 / 6]
    )


@given(stn.arrays(float, (3, 16), elements=st.floats(-1e3, 1e3)))
def test_shares_add_up_to_the_whole_in_every_game(values: np.ndarray) -> None:
    assert shapley_shares(values).sum(axis=-1) == pytest.approx(values[:, -1] - values[:, 0], abs=1e-9)
    assert shapley_shares(values.mean(axis=0)) == pytest.approx(shapley_shares(values).mean(axis=0), abs=1e-9)


def test_a_number_of_values_that_is_no_game_is_refused() -> None:
    with pytest.raises(UserError, match=r"2\^n values"):
        shapley_shares(np.zeros(6))
    assert math.isclose(shapley_shares(np.array([1.0, 4.0]))[0], 3.0)
