"""What sympy makes of formulas: derivatives agree with mpmath at 40 digits, LaTeX shows what people wrote."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backfire.formulas.expression import SCALAR_FUNCTIONS, parse
from backfire.formulas.symbolic import as_latex, as_sympy, derivative, in_series, scalar_code, vector_code
from random_formulas import Tree, Undefined, exact, on_a_kink, points, trees, written

SERIES = {
    "exponential": math.exp,
    "logarithm": math.log,
    "power": math.pow,
    "square_root": math.sqrt,
    "step_of": SCALAR_FUNCTIONS["step"],
    "floored": SCALAR_FUNCTIONS["floored"],
    "positive": SCALAR_FUNCTIONS["positive"],
}


def slope_of(text: str, name: str) -> str:
    """The derivative of a formula as code."""
    return scalar_code(derivative(as_sympy(parse(text)), name))


@given(trees, points, st.sampled_from("abc"))
def test_derivatives_agree_with_mpmath(tree: Tree, point: dict[str, float], name: str) -> None:
    with mpmath.workdps(40):
        values = {key: mpmath.mpf(value) for key, value in point.items()}

        def along(x: Any) -> Any:
            return exact(tree, values | {name: x})

        try:
            wanted = mpmath.diff(along, values[name])
        except Undefined:
            assume(False)
        assume(abs(wanted) < 1e6)
        source = slope_of(written(tree), name)
        # the derivative of positive, abs, min and max at the kink itself is a convention, not a fact
        assume(not on_a_kink(tree, values))
        given_value = eval(source, dict(SCALAR_FUNCTIONS), dict(point))
        assert abs(given_value - wanted) <= 1e-7 * max(1, abs(wanted)), source


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.999, 1.0, 1.5, 2.0, 12.0])
@pytest.mark.parametrize("x", [-1.0, -1e-12, 0.0, 1e-12, 1e-3, 0.7, 5.0, 1e6])
def test_hill_and_its_slope(exponent: float, x: float) -> None:
    values = {"x": x, "h": 0.5, "n": exponent}
    expression = parse("hill(x, h, n)")
    slope = eval(slope_of("hill(x, h, n)", "x"), dict(SCALAR_FUNCTIONS), dict(values))
    with mpmath.workdps(60):
        if x <= 0:
            wanted, wanted_slope = mpmath.mpf(0), mpmath.mpf(0)
        else:
            share = 1 / (1 + (mpmath.mpf(0.5) / x) ** exponent)
            wanted, wanted_slope = share, exponent * share * (1 - share) / x
        assert abs(expression.value(values) - wanted) <= 1e-14 * abs(wanted)
        # the quotient rule subtracts two terms of size n·share/x, so that is what rounding is measured by
        assert abs(slope - wanted_slope) <= 1e-14 * exponent * wanted / abs(x) if x else slope == 0


@pytest.mark.parametrize("name", ["h", "n"])
def test_hill_slopes_in_its_other_arguments(name: str) -> None:
    values = {"x": 0.8, "h": 0.5, "n": 1.7}
    given_slope = eval(slope_of("hill(x, h, n)", name), dict(SCALAR_FUNCTIONS), dict(values))
    with mpmath.workdps(40):
        exactly = {key: mpmath.mpf(value) for key, value in values.items()}

        def along(moved: Any) -> Any:
            given = exactly | {name: moved}
            return given["x"] ** given["n"] / (given["h"] ** given["n"] + given["x"] ** given["n"])

        assert given_slope == pytest.approx(float(mpmath.diff(along, exactly[name])), rel=1e-13)


@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("exp(1) * x", math.e),
        ("x * exp(0.5)", math.exp(0.5)),
        ("log(2) * x", math.log(2)),
        ("sqrt(2) * x", math.sqrt(2)),
        ("x * 0.12345678901234568", 0.12345678901234568),
        ("1e300 * x", 1e300),
        ("x / 3", 1 / 3),
        ("y", 0.0),
        ("x - x", 0.0),
    ],
)
def test_constants_survive_differentiation(text: str, slope: float) -> None:
    source = slope_of(text, "x")
    assert eval(source, dict(SCALAR_FUNCTIONS), {"x": 2.0, "y": 1.0}) == pytest.approx(slope, rel=1e-14, abs=0)


def test_a_formula_that_may_be_read_may_be_differentiated() -> None:
    """The canonical spelling is longer than the one written; that must not count against it."""
    groups = ["+".join(f"abc{index}/abcd{index}" for index in range(first, first + 10)) for first in range(0, 60, 10)]
    text = "+".join(f"({group})" for group in groups)
    assert len(text) < 1000 < len(parse(text).code)
    assert slope_of(text, "abc7") == slope_of("abc7/abcd7", "abc7")


def test_latex_shows_names_and_hides_the_helpers() -> None:
    shown = as_latex(parse("rate * positive(hill(x, half, 2)) * cells"), {"rate": "k", "cells": "A"})
    assert "k" in shown
    assert "A" in shown
    assert "floored" not in shown
    assert "half" in shown


@given(trees, points, st.sampled_from("abc"))
def test_code_for_vectors_agrees_with_that_for_scalars(tree: Tree, point: dict[str, float], name: str) -> None:
    """Both spellings of a formula and of its derivative, with the Hill function whole in one of them."""
    with mpmath.workdps(40):
        values = {key: mpmath.mpf(value) for key, value in point.items()}
        try:
            exact(tree, values)
        except Undefined:
            assume(False)
        assume(not on_a_kink(tree, values))
    apart, whole = as_sympy(parse(written(tree))), as_sympy(parse(written(tree)), whole=True)
    for one, other in ((apart, whole), (derivative(apart, name), derivative(whole, name))):
        wanted = eval(scalar_code(one), dict(SCALAR_FUNCTIONS), dict(point))
        found = eval(vector_code(in_series(other)), dict(SERIES), dict(point))
        assume(abs(wanted) < 1e6)
        assert found == pytest.approx(wanted, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x ** 3", "(x * x * x)"),
        ("x ** -2", "(1.0 / (x * x))"),
        ("sqrt(x) + 2", "square_root(x) + 2.0"),
        ("x ** y", "power(x, y)"),
        ("log(x) * exp(y)", "exponential(y)*logarithm(x)"),
        ("hill(x, h, 2)", "step_of(x)/(exponential(2.0*logarithm(h) - 2.0*logarithm(floored(x))) + 1.0)"),
    ],
)
def test_code_for_vectors_calls_nothing_that_stops_them(text: str, code: str) -> None:
    source, point = vector_code(in_series(as_sympy(parse(text), whole=True))), {"x": 2.0, "y": 3.0, "h": 0.5}
    assert source == code
    assert eval(source, dict(SERIES), dict(point)) == pytest.approx(parse(text).value(point), rel=1e-14)
