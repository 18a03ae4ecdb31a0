"""Shapley effects and target HSIC of any sample, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backfire.errors import UserError
from backfire.studies import hsic_index, shapley_effects
from backfire.studies.statistics import Effects
from backfire.studies.statistics.indices import _separation


def correlated(count: int, rho: float, seed: int = 1) -> np.ndarray:
    """Two normal variables of variance 1."""
    generator = np.random.default_rng(seed)
    first, second = generator.standard_normal((2, count))
    return np.column_stack([first, rho * first + math.sqrt(1 - rho**2) * second])


def effects(found: Effects) -> list[float]:
    return [effect.estimate.value for effect, _ in found.indices]


def shared(one: float, other: float, rho: float) -> float:
    """The part of the variance of β₁X₁ + β₂X₂ that X₁ carries (Owen and Prieur 2017, section 4.3)."""
    return one**2 * (1 - rho**2 / 2) + rho * one * other + other**2 * rho**2 / 2


@pytest.mark.parametrize(("beta", "rho"), [((1.0, 1.0), 0.0), ((1.0, 2.0), 0.8), ((1.0, -1.5), 0.6), ((1.0, 0.0), 0.9)])
def test_two_normal_inputs_carry_what_owen_and_prieur_say(beta: tuple[float, float], rho: float) -> None:
    """With β₂ = 0 the second does nothing, and carries ρ²/2 (Iooss and Prieur 2019)."""
    columns = correlated(1500, rho)
    found = shapley_effects(columns, columns @ beta)
    whole = beta[0] ** 2 + beta[1] ** 2 + 2 * rho * beta[0] * beta[1]
    exact = [shared(beta[0], beta[1], rho) / whole, shared(beta[1], beta[0], rho) / whole]
    assert sum(exact) == pytest.approx(1)
    assert effects(found) == pytest.approx(exact, abs=0.03)
    for (effect, _), truth in zip(found.indices, exact, strict=True):
        assert effect.estimate.low <= truth <= effect.estimate.high
    assert [alone.estimate.value for _, alone in found.indices] == pytest.approx(
        [(beta[0] + rho * beta[1]) ** 2 / whole, (beta[1] + rho * beta[0]) ** 2 / whole], abs=0.04
    )


def test_of_twenty_correlated_pairs_each_carries_its_own() -> None:
    """Forty inputs: what adds up is shared out pair by pair (Iooss and Prieur 2019); orders are sampled."""
    columns = np.hstack([correlated(600, 0.7, seed) for seed in range(20)])
    betas = np.zeros((20, 2))
    betas[:4, 0] = 2, 1.5, 1, 0.5
    found = shapley_effects(columns, columns @ betas.ravel())
    exact = np.array([[shared(one, other, 0.7), shared(other, one, 0.7)] for one, other in betas]).ravel() / np.sum(betas**2)
    assert effects(found) == pytest.approx(exact, abs=0.04)
    told = {place for place, (effect, _) in enumerate(found.indices) if effect.told}
    assert {0, 1, 2, 3} <= told <= {*range(8)}
    assert sum(effects(found)) + found.unexplained.value == pytest.approx(1)
    assert found.unexplained.value < 0.08


def test_independent_inputs_that_add_up_carry_their_first_order_indices() -> None:
    points = np.random.default_rng(3).random((2000, 6))
    exact = np.array([(math.exp(4) - 1) / 4 - (math.expm1(2) / 2) ** 2, 9 * 4 / 45, 1 / 4, 1 / 12, 0, 0])
    values = np.exp(2 * points[:, 0]) + 3 * points[:, 1] ** 2 + (points[:, 2] > 0.5) + points[:, 3]
    found = shapley_effects(points, values)
    assert effects(found) == pytest.approx(exact / exact.sum(), abs=0.05)
    assert [alone.estimate.value for _, alone in found.indices] == pytest.approx(exact / exact.sum(), abs=0.05)
    assert not any(effect.told for effect, _ in found.indices[4:])


def test_a_product_is_halved_although_neither_tells_anything_alone() -> None:
    points = 2 * np.random.default_rng(4).random((1000, 3)) - 1
    found = shapley_effects(points, points[:, 0] * points[:, 1])
    assert effects(found) == pytest.approx([0.5, 0.5, 0], abs=0.03)
    assert not any(alone.told for _, alone in found.indices)


def test_the_scale_of_an_input_does_not_matter() -> None:
    columns = correlated(400, 0.5)
    values = columns[:, 0] + columns[:, 1] ** 2
    bent = np.column_stack([np.exp(3 * columns[:, 0]), columns[:, 1] ** 3])
    assert effects(shapley_effects(bent, values)) == effects(shapley_effects(columns, values))


def test_of_noise_nobody_carries_anything_and_members_drawn_again_teach_nothing() -> None:
    generator = np.random.default_rng(5)
    columns, values = generator.random((150, 8)), generator.standard_normal(150)
    found = shapley_effects(columns, values)
    assert not any(effect.told for effect, _ in found.indices)
    assert found.unexplained.value > 0.9
    again = np.tile(np.arange(150), 5)  # a population drawn with replacement
    tiled = shapley_effects(columns[again], values[again])
    for one, other in zip(found.indices, tiled.indices, strict=True):
        assert other[0].estimate.row == pytest.approx(one[0].estimate.row, abs=1e-6)


def test_what_has_no_answer_is_refused() -> None:
    points = np.random.default_rng(6).random((200, 3))
    with pytest.raises(UserError, match="the same everywhere"):
        shapley_effects(points, np.ones(200))
    with pytest.raises(UserError, match="1 of 200 values are no numbers"):
        shapley_effects(points, np.append(points[:-1, 0], np.nan))
    with pytest.raises(UserError, match="50 different members are too few for 3 inputs; at least 100"):
        shapley_effects(points[np.arange(200) % 50], points[np.arange(200) % 50, 0])


@pytest.mark.parametrize(
    ("answer", "exact"),
    [(lambda x: x > 0.5, 1.0), (lambda x: x > 0.9, 1.0), (lambda x: abs(x - 0.5) < 0.25, 0.25)],
    ids=["threshold", "rare", "in the middle"],
)
def test_target_hsic_of_known_cases(answer: object, exact: float) -> None:
    """3 ∫(F_yes - F_no)² dx: of a threshold 1 wherever it is; of the middle half 3 (1/48 + 1/24 + 1/48)."""
    x, other = np.random.default_rng(7).random((2, 2000))
    yes = answer(x).astype(float)  # type: ignore[operator]
    found = hsic_index(x, yes)
    assert found.estimate.value == pytest.approx(exact, abs=0.03)
    assert found.told
    assert hsic_index(np.exp(5 * x), yes).estimate.value == found.estimate.value
    stranger = hsic_index(other, yes)
    assert stranger.estimate.low == 0 < stranger.estimate.high
    assert not stranger.told


def test_target_hsic_is_the_covariance_of_distances() -> None:
    """HSIC by its definition, both kernels -|x - x'|, centred: 4 p²q² ∫(F_yes - F_no)² (Székely and Rizzo 2009 without the ¼)."""
    generator = np.random.default_rng(8)
    yes = (generator.random(300) < 0.3).astype(float)
    places = np.argsort(np.argsort(yes + generator.standard_normal(300)))

    def centred(column: np.ndarray) -> np.ndarray:
        apart = np.abs(column[:, None] - column[None])
        return apart - apart.mean(axis=0) - apart.mean(axis=1)[:, None] + apart.mean()

    direct = (centred(places / 300) * centred(yes)).mean()
    share = yes.mean()
    assert 4 * (share * (1 - share)) ** 2 * _separation(places, yes, places) / 3 == pytest.approx(direct, rel=0.02)


def test_target_hsic_of_an_input_with_two_values_stays_below_one() -> None:
    x = np.repeat([0.0, 1.0], 200)
    assert hsic_index(x, x).estimate.value == pytest.approx(1, abs=0.02)
    with pytest.raises(UserError, match="the same everywhere"):
        hsic_index(x, np.ones(400))
