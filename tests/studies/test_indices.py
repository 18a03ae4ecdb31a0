"""Indices of sensitivity against published functions, closed forms, and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, qmc
from scipy.stats import sobol_indices as of_scipy

from backfire.errors import UserError
from backfire.studies import delta_index, morris_indices, pawn_index, sobol_indices


def ishigami(points: np.ndarray) -> np.ndarray:
    """On the unit cube (Ishigami and Homma 1990), a = 7, b = 0.1."""
    x = (2 * points - 1) * math.pi
    return np.sin(x[..., 0]) + 7 * np.sin(x[..., 1]) ** 2 + 0.1 * x[..., 2] ** 4 * np.sin(x[..., 0])


A = np.array([0.0, 1.0, 4.5, 9.0, 99.0])


def g_function(points: np.ndarray) -> np.ndarray:
    """Sobol's g-function."""
    return np.prod((np.abs(4 * points - 2) + A) / (1 + A), axis=-1)


def pick_freeze(function: object, inputs: int, count: int = 2048) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values at two samples, and at the first with one input of the second."""
    both = qmc.Sobol(2 * inputs, seed=1).random(count)
    first, second = both[:, :inputs], both[:, inputs:]
    mixed = np.repeat(first[None], inputs, axis=0)
    mixed[np.arange(inputs), :, np.arange(inputs)] = second.T
    return function(first), function(second), function(mixed)  # type: ignore[operator]


def test_ishigami_has_the_indices_of_the_formula() -> None:
    variance = 7**2 / 8 + 0.1 * math.pi**4 / 5 + 0.1**2 * math.pi**8 / 18 + 1 / 2
    first = [0.5 * (1 + 0.1 * math.pi**4 / 5) ** 2 / variance, 7**2 / 8 / variance, 0.0]
    both = 0.1**2 * math.pi**8 * (1 / 18 - 1 / 50) / variance
    found = sobol_indices(*pick_freeze(ishigami, 3))
    for (one, total), exact, more in zip(found, first, (both, 0.0, both), strict=True):
        assert one.estimate.value == pytest.approx(exact, abs=0.02)
        assert total.estimate.value == pytest.approx(exact + more, abs=0.02)
        assert one.estimate.low <= exact <= one.estimate.high
        assert total.estimate.low <= exact + more <= total.estimate.high


def test_the_g_function_has_the_indices_of_the_formula() -> None:
    parts = 1 / (3 * (1 + A) ** 2)
    variance = np.prod(1 + parts) - 1
    found = sobol_indices(*pick_freeze(g_function, 5))
    for at, (one, total) in enumerate(found):
        assert one.estimate.value == pytest.approx(parts[at] / variance, abs=0.02)
        assert total.estimate.value == pytest.approx(parts[at] * np.prod(1 + np.delete(parts, at)) / variance, abs=0.02)


def test_the_values_are_those_of_scipy() -> None:
    first, second, mixed = pick_freeze(ishigami, 3, 256)
    theirs = of_scipy(func={"f_A": first[None], "f_B": second[None], "f_AB": mixed[:, None]}, n=256)
    found = sobol_indices(first, second, mixed)
    assert [one.estimate.value for one, _ in found] == pytest.approx(np.ravel(theirs.first_order))
    assert [total.estimate.value for _, total in found] == pytest.approx(np.ravel(theirs.total_order))
    assert found == sobol_indices(first, second, mixed), "the same seed gives the same interval"


def gaussian_delta(rho: float) -> float:
    """δ of one of two normal variables with this correlation, by quadrature."""
    spread = math.sqrt(1 - rho**2)

    def distance(x: float) -> float:
        # the densities cross where a quadratic has its roots: the distance is a difference of two distribution functions there
        a, b, c = 1 / spread**2 - 1, -2 * rho * x / spread**2, (rho * x) ** 2 / spread**2 + 2 * math.log(spread)
        low, high = sorted(np.roots([a, b, c]).real)
        inside = norm.cdf((high - rho * x) / spread) - norm.cdf((low - rho * x) / spread)
        return float(abs(inside - (norm.cdf(high) - norm.cdf(low))))

    return float(quad(lambda x: distance(x) * norm.pdf(x), -8, 8)[0])


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_delta_of_correlated_normals_is_that_of_quadrature(rho: float) -> None:
    generator = np.random.default_rng(4)
    x = generator.standard_normal(4000)
    y = rho * x + math.sqrt(1 - rho**2) * generator.standard_normal(4000)
    assert delta_index(x, y).estimate.value == pytest.approx(gaussian_delta(rho), abs=0.04)


def test_delta_of_ishigami_within_the_stated_error() -> None:
    """Truth: 20 million points, 200 classes."""
    points = np.random.default_rng(5).random((1000, 4))
    found = [delta_index(column, ishigami(points)) for column in points.T]
    for index, truth in zip(found, (0.263, 0.424, 0.208, 0.0), strict=True):
        assert truth - 0.075 < index.estimate.value < truth + 0.05
    assert [index.told for index in found] == [True, True, True, False]


def test_pawn_of_the_input_itself_and_of_a_stranger() -> None:
    x = (np.arange(2000) + 0.5) / 2000  # in a class from a to b of ten: max(a, 1 - b); the median of 0.9, 0.8 … 0.5, 0.5 … is 0.7
    stranger = np.random.default_rng(8).permutation(x)
    assert pawn_index(x, x).estimate.value == pytest.approx(0.7, abs=0.01)
    assert pawn_index(x, np.exp(5 * x)).estimate.value == pawn_index(x, x).estimate.value
    assert not pawn_index(stranger, x).told
    assert delta_index(x, x).estimate.value > 0.9
    assert delta_index(x, np.exp(5 * x)).estimate.value == delta_index(x, x).estimate.value


def test_yes_or_no_and_many_equal_values_are_distributions_too() -> None:
    generator = np.random.default_rng(7)
    x, other = generator.random(2000), generator.random(2000)
    yes = (x > 0.5).astype(float)  # known x: certain; at large even: half the distance is 1/2
    assert delta_index(x, yes).estimate.value == pytest.approx(0.5, abs=0.05)
    assert not delta_index(other, yes).told
    assert pawn_index(x, yes).estimate.value == pytest.approx(0.5, abs=0.03)


def test_morris_of_a_linear_function_is_its_slopes() -> None:
    from backfire.sampling import Axis, Morris

    design = Morris(tuple(Axis(name, 0.0, 1.0) for name in "abc"), trajectories=10)
    points = design.samples(0, design.members).reshape(10, 4, 3)
    found = morris_indices(points @ np.array([2.0, -5.0, 0.0]), points)
    assert [size.estimate.value for size, _ in found] == pytest.approx([2, 5, 0])
    assert [spread.estimate.value for _, spread in found] == pytest.approx([0, 0, 0], abs=1e-12)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_one_value_that_is_no_number_is_told_and_never_a_row_of_zeros(wrong: float) -> None:
    first, second, mixed = pick_freeze(ishigami, 3, 256)
    mixed[1, 17] = wrong
    with pytest.raises(UserError, match="1 of 1280 values are no numbers"):
        sobol_indices(first, second, mixed)
    first[3] = wrong
    for index in (delta_index, pawn_index):
        with pytest.raises(UserError, match="1 of 256 values"):
            index(second, first)


def test_what_does_not_vary_explains_nothing() -> None:
    with pytest.raises(UserError, match="the same everywhere"):
        delta_index(np.arange(200.0), np.ones(200))
    with pytest.raises(UserError, match="too few"):
        delta_index(np.arange(20.0), np.arange(20.0))
