"""The vectorisable exponential and logarithm against the mathematical library and 40 digits of mpmath."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import pytest
from numba import njit

from backfire.solvers.batch import vectormath as series
from backfire.solvers.trajectory import Floats

CLOSE = 2
"""Units in the last place that the series may be off."""


@lru_cache(maxsize=8)
def _over(name: str) -> Any:
    function = getattr(series, name)

    @njit(error_model="numpy", fastmath={"contract"})
    def loop(values: Any, out: Any) -> None:
        for place in range(values.size):
            out[place] = function(values[place])

    return loop


def over(name: str, values: Floats) -> Floats:
    """One of the functions, compiled into a loop as in a kernel."""
    out = np.empty_like(values)
    _over(name)(values, out)
    return out


def off(found: Floats, exactly: Floats) -> Floats:
    """Distance in units in the last place of the exact values."""
    return np.abs(found - exactly) / np.spacing(np.abs(exactly))


def precisely(function: Any, values: Floats) -> tuple[Floats, Floats]:
    """(rounded, what rounding left off) at 40 digits."""
    with mpmath.workdps(40):
        exactly = [function(mpmath.mpf(float(value))) for value in values]
        rounded = np.array([float(value) for value in exactly])
        rest = np.array([float(value - mpmath.mpf(float(near))) for value, near in zip(exactly, rounded, strict=True)])
    return rounded, rest


@pytest.mark.parametrize("reach", [1e-12, 1.0, 40.0, 707.9])
def test_the_exponential(reach: float) -> None:
    values = np.random.default_rng(1).uniform(-reach, reach, 2_000)
    rounded, rest = precisely(mpmath.exp, values)
    found = over("exponential", values)
    assert (np.abs((found - rounded) - rest) <= CLOSE * np.spacing(rounded)).all()
    many = np.random.default_rng(2).uniform(-reach, reach, 300_000)
    assert off(over("exponential", many), np.exp(many)).max() <= CLOSE + 1  # one more for numpy's own rounding


@pytest.mark.parametrize(("low", "high"), [(-307.0, 308.0), (-3.0, 3.0), (-1e-3, 1e-3), (-1e-12, 1e-12)])
def test_the_logarithm(low: float, high: float) -> None:
    values = 10.0 ** np.random.default_rng(1).uniform(low, high, 2_000)
    rounded, rest = precisely(mpmath.log, values)
    found = over("logarithm", values)
    assert (np.abs((found - rounded) - rest) <= CLOSE * np.spacing(np.abs(rounded))).all()
    many = 10.0 ** np.random.default_rng(2).uniform(low, high, 300_000)
    assert off(over("logarithm", many), np.log(many)).max() <= CLOSE + 1


def test_edges_of_the_exponential() -> None:
    values = np.array([0.0, -0.0, -708.5, -1e9, -math.inf, 710.0, 1e9, math.inf, math.nan])
    assert over("exponential", values).tolist()[:-1] == [1, 1, 0, 0, 0, math.inf, math.inf, math.inf]
    assert math.isnan(over("exponential", values)[-1])


def test_the_exponential_up_to_the_largest_number() -> None:
    """As its text says: infinite above 709.78, not before."""
    values = np.array([708.9, 709.0, 709.1, 709.5, 709.78])
    assert over("exponential", values) == pytest.approx(np.exp(values), rel=1e-15)


def test_edges_of_the_logarithm() -> None:
    values = np.array([1.0, 0.0, -0.0, 1e-310, math.inf, -1.0, -math.inf, math.nan])
    found = over("logarithm", values)
    assert found.tolist()[:5] == [0, -math.inf, -math.inf, -math.inf, math.inf]
    assert np.isnan(found[5:]).all()


def test_the_one_undoes_the_other() -> None:
    values = 10.0 ** np.random.default_rng(4).uniform(-300, 300, 10_000)
    back = over("exponential", over("logarithm", values))
    assert back == pytest.approx(values, rel=710 * 2.0**-52)  # an error of half a unit in ln x, times ln x


def test_kinks_and_roots() -> None:
    values = np.array([-1.0, -0.0, 0.0, 5e-324, 2.25, math.nan])
    assert over("positive", values).tolist()[:-1] == [0, 0, 0, 5e-324, 2.25]
    assert over("step_of", values).tolist() == [0, 0, 0, 1, 1, 0]
    assert over("floored", values).tolist()[:-1] == [1e-300, 1e-300, 1e-300, 1e-300, 2.25]
    assert over("square_root", values).tolist()[1:-1] == [0, 0, math.sqrt(5e-324), 1.5]
    for name in ("positive", "floored", "square_root"):
        assert math.isnan(over(name, values)[-1]), name
    assert math.isnan(over("square_root", values)[0])


def test_loops_become_vector_instructions() -> None:
    """That is what the series are for: no call into the mathematical library is left."""
    values = np.linspace(0.5, 2, 64)
    for name in ("exponential", "logarithm"):
        over(name, values)
        loop = _over(name)
        (signature,) = loop.signatures
        assembly = loop.inspect_asm(signature)
        assert not any(word in assembly for word in ("callq\t*exp", "log@PLT", "exp@PLT"))
        text = loop.inspect_llvm(signature)
        assert "x double>" in text, name
