"""Formulas: nothing but the notation gets in; values and derivatives agree with mpmath at 40 digits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import mpmath
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backfire.errors import FormulaError, UnitError
from backfire.formulas.expression import SCALAR_FUNCTIONS, parse
from backfire.formulas.units import parse_unit

HOSTILE = [
    "", " ", "()", "x;y", "x\ny", "x = 1", "x := 1", "(x := 1)", "x, y", "[x]", "[x][0]", "{x}", "{x: 1}", "x[0]", "x.real",
    "x if y else z", "x and y", "x or y", "not x", "~x", "x < y", "x == y", "x // y", "x % y", "x @ y", "x & y", "x | y",
    "x ^ y", "x << 2", "x >> 2", "lambda: 0", "lambda x: x", "(lambda: 0)()", "[x for x in y]", "(x for x in y)", "*x",
    "await x", "yield x", "'text'", "b'text'", "f'{x}'", "\"\"\"text\"\"\"", "True", "None", "...", "1j", "2 + 3j", "_x", "__x__",
    "__import__('os').system('touch CANARY')", "open('CANARY', 'w')", "exec('open(\"CANARY\",\"w\")')", "eval('1')",
    "print(1)", "exit()", "getattr(x, 'y')", "globals()", "breakpoint()", "compile('1', '', 'eval')", "input()",
    "().__class__.__bases__[0].__subclasses__()", "x.__class__", "exp.__globals__", "exp(x).real", "exp", "exp(exp)", "exp()",
    "exp(x, y)", "exp(x=1)", "exp(*x)", "exp(**x)", "hill(x)", "min(x)", "max(x, y, z)", "sin(x)", "math.exp(x)", "step(x)",
    "floored(x)", "exp(x)(y)", "(exp)(x)(x)", "1(2)", "x(2)", "1e400", "-1e400", "9" * 400, "9" * 5000, "0x" + "f" * 400,
    "1_0_", "1e", "1.2.3", "0777", "x ** 11", "x ** -11", "x ** 1e300", "x ** -(-11)", "2 ** 9999", "10 ** " + "9" * 400,
    "-" * 60 + "x", "-" * 999 + "x", "-" * 100_000 + "x", "(" * 400 + "x" + ")" * 400,
    "(" * 100_000 + "x" + ")" * 100_000, "+".join(["x"] * 400), "+".join(["x"] * 50_000), "exp(" * 60 + "x" + ")" * 60,
    "x" * 1001, "x\x00y", "\ud800", "µ", "х", "x\u202ey", "x\u200by", "$x", "x?", "x!", "`x`", "#", "# x", "x\\", "'", "\"", "(", ")",
]  # fmt: skip
"""Every one of these must be refused; among them the classic ways out of a sandbox and the bombs that stall parsers."""


@pytest.mark.parametrize("text", HOSTILE, ids=[f"{index}-{text[:20]!a}" for index, text in enumerate(HOSTILE)])
def test_hostile_formulas_are_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    assert list(tmp_path.iterdir()) == []


TOWERS = ["9**9**9", "x * 9**9**9", "(9**9)**9**9", "((((10**10)**10)**10)**10)**10", "x * (cell + 9)**(9 * 10**9)"]
"""Numbers that need no name to grow beyond a double; exact arithmetic on them would take all memory there is."""


@pytest.mark.parametrize("text", TOWERS)
def test_towers_of_powers_are_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse(text)


@pytest.mark.parametrize("text", ["x # a comment", "(x # a comment\n+ y)"])
def test_comments_are_refused(text: str) -> None:
    """A formula is pasted into others, in parentheses: a comment would swallow what follows."""
    with pytest.raises(FormulaError):
        parse(text)


@pytest.mark.parametrize("text", ["ｅxp(x)", "ﬁ * x", "x＋y", "ª * x"])
def test_only_ascii_is_read(text: str) -> None:
    """Python folds look-alikes into ASCII names before anybody can check them."""
    with pytest.raises(FormulaError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "close"), [("hil(x, 1, 2)", "hill"), ("sqr(x)", "sqrt"), ("Exp(x)", "exp"), ("maxi(x, 1)", "max")]
)
def test_the_nearest_function_is_named(text: str, close: str) -> None:
    with pytest.raises(FormulaError, match=f"did you mean `{close}`"):
        parse(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse(text)
    except FormulaError:
        return
    assert expression.names <= {word for word in expression.names if word.isidentifier()}
    assert parse(expression.code) == expression


# Random formulas as trees; `written` makes the text, `exact` the value by another route.

NUMBERS = (0.37, 1.73, 2.9, 4.0, 0.0625)
POWERS = ("2", "3", "-1", "0.5", "-1.5", "1.7", "0", "1")
Tree = tuple[Any, ...]
leaves = st.one_of(
    st.sampled_from("abc").map(lambda name: ("name", name)), st.sampled_from(NUMBERS).map(lambda number: ("number", number))
)


def _grow(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.tuples(st.sampled_from("+-*/"), inner, inner),
        st.tuples(st.sampled_from(("min", "max")), inner, inner),
        st.tuples(st.sampled_from(("exp", "log", "sqrt", "abs", "positive", "neg")), inner),
        st.tuples(st.just("**"), inner, st.sampled_from(POWERS)),
        st.tuples(st.just("hill"), inner, leaves, leaves),
    )


trees = st.recursive(leaves, _grow, max_leaves=10)
points = st.fixed_dictionaries({name: st.floats(0.1, 3.0) for name in "abc"})


def written(tree: Tree) -> str:
    match tree:
        case ("name", name):
            return str(name)
        case ("number", number):
            return repr(number)
        case ("neg", inner):
            return f"(-{written(inner)})"
        case ("**", base, power):
            return f"({written(base)})**{power}"
        case (("+" | "-" | "*" | "/") as sign, left, right):
            return f"({written(left)} {sign} {written(right)})"
        case (function, *arguments):
            return f"{function}({', '.join(written(argument) for argument in arguments)})"
    raise AssertionError(tree)


class Undefined(Exception):
    """The value is not a real number of ordinary size."""


def exact(tree: Tree, values: dict[str, Any]) -> Any:
    """The value with mpmath; refuses what double precision cannot do well: poles, huge numbers, kinks."""
    if tree[0] == "name":
        return values[tree[1]]
    if tree[0] == "number":
        return mpmath.mpf(tree[1])
    found = [exact(item, values) if isinstance(item, tuple) else mpmath.mpf(item) for item in tree[1:]]
    first = found[0]
    if (
        (tree[0] in ("log", "sqrt") and first < 1e-3)
        or (tree[0] == "/" and abs(found[1]) < 1e-3)
        or (tree[0] == "**" and first < 1e-3)
        or (tree[0] in ("positive", "abs", "hill") and 0 < abs(first) < 1e-6)
        or (tree[0] in ("min", "max") and 0 < abs(first - found[1]) < 1e-6)
        or (tree[0] == "exp" and first > 30)
    ):
        raise Undefined
    result = {
        "+": lambda: first + found[1],
        "-": lambda: first - found[1],
        "*": lambda: first * found[1],
        "/": lambda: first / found[1],
        "**": lambda: first ** found[1],
        "min": lambda: min(first, found[1]),
        "max": lambda: max(first, found[1]),
        "exp": lambda: mpmath.exp(first),
        "log": lambda: mpmath.log(first),
        "sqrt": lambda: mpmath.sqrt(first),
        "abs": lambda: abs(first),
        "positive": lambda: max(first, mpmath.mpf(0)),
        "neg": lambda: -first,
        "hill": lambda: first ** found[2] / (found[1] ** found[2] + first ** found[2]) if first > 0 else mpmath.mpf(0),
    }[tree[0]]()
    if abs(result) > 1e6:
        raise Undefined
    return result


def close(given_value: float, wanted: Any) -> bool:
    """Agreement to 1e-9: up to ten operations on numbers below 1e6, with denominators above 1e-3, lose that much."""
    return abs(given_value - wanted) <= 1e-9 * max(1, abs(wanted))


@given(trees, points)
def test_values_agree_with_mpmath(tree: Tree, point: dict[str, float]) -> None:
    with mpmath.workdps(40):
        try:
            wanted = exact(tree, {name: mpmath.mpf(value) for name, value in point.items()})
        except Undefined:
            assume(False)
        assert close(parse(written(tree)).value(point), wanted)


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
        source = parse(written(tree)).derivative(name)
        # the derivative of positive, abs, min and max at the kink itself is a convention, not a fact
        assume(not _on_a_kink(tree, values))
        given_value = eval(source, dict(SCALAR_FUNCTIONS), dict(point))
        assert abs(given_value - wanted) <= 1e-7 * max(1, abs(wanted)), source


def _on_a_kink(tree: Tree, values: dict[str, Any]) -> bool:
    if tree[0] in ("name", "number"):
        return False
    inner = [item for item in tree[1:] if isinstance(item, tuple)]
    if tree[0] in ("positive", "abs", "hill") and exact(inner[0], values) == 0:
        return True
    if tree[0] in ("min", "max") and exact(inner[0], values) == exact(inner[1], values):
        return True
    return any(_on_a_kink(item, values) for item in inner)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.999, 1.0, 1.5, 2.0, 12.0])
@pytest.mark.parametrize("x", [-1.0, -1e-12, 0.0, 1e-12, 1e-3, 0.7, 5.0, 1e6])
def test_hill_and_its_slope(exponent: float, x: float) -> None:
    values = {"x": x, "h": 0.5, "n": exponent}
    expression = parse("hill(x, h, n)")
    slope = eval(expression.derivative("x"), dict(SCALAR_FUNCTIONS), dict(values))
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
    given_slope = eval(parse("hill(x, h, n)").derivative(name), dict(SCALAR_FUNCTIONS), dict(values))
    with mpmath.workdps(40):
        exactly = {key: mpmath.mpf(value) for key, value in values.items()}

        def along(moved: Any) -> Any:
            given = exactly | {name: moved}
            return given["x"] ** given["n"] / (given["h"] ** given["n"] + given["x"] ** given["n"])

        assert given_slope == pytest.approx(float(mpmath.diff(along, exactly[name])), rel=1e-13)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x / y", {"x": 1.0, "y": 0.0}),
        ("log(x)", {"x": -1.0}),
        ("sqrt(x)", {"x": -1.0}),
        ("exp(x)", {"x": 1e6}),
        ("x ** 0.5", {"x": -1.0}),
        ("(1 + x) ** (y - 1)", {"x": -3.0, "y": 0.7}),
    ],
)
def test_undefined_values_are_nan(text: str, values: dict[str, float]) -> None:
    assert math.isnan(parse(text).value(values))


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
    source = parse(text).derivative("x")
    assert eval(source, dict(SCALAR_FUNCTIONS), {"x": 2.0, "y": 1.0}) == pytest.approx(slope, rel=1e-14, abs=0)


def test_a_formula_that_may_be_read_may_be_differentiated() -> None:
    """The canonical spelling is longer than the one written; that must not count against it."""
    groups = ["+".join(f"abc{index}/abcd{index}" for index in range(first, first + 10)) for first in range(0, 60, 10)]
    text = "+".join(f"({group})" for group in groups)
    assert len(text) < 1000 < len(parse(text).code)
    assert parse(text).derivative("abc7") == parse("abc7/abcd7").derivative("abc7")


@pytest.mark.parametrize(
    ("first", "second"),
    [("a*b+1", " a * b + 1.0 "), ("a / (b)", "a/b"), ("1000*a", "1e3*a"), ("a - fold", "a - 1"), ("+a", "+ a")],
)
def test_spelling_does_not_matter(first: str, second: str) -> None:
    assert parse(first) == parse(second)
    assert hash(parse(first)) == hash(parse(second))


@pytest.mark.parametrize(("first", "second"), [("a*b", "b*a"), ("a-b", "b-a"), ("a", "b"), ("a**2", "a**3")])
def test_different_formulas_differ(first: str, second: str) -> None:
    assert parse(first) != parse(second)


def test_names_leave_out_functions_and_unit_constants() -> None:
    assert parse("hill(a, b, 2) * max(c, cell) + day * EC50 * fold").names == {"a", "b", "c"}


UNITS = {
    "cells": parse_unit("cell"),
    "rate": parse_unit("1/day"),
    "drug": parse_unit("EC50"),
    "factor": parse_unit("fold"),
    "share": parse_unit("1"),
}


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("rate * cells", "cell/day"),
        ("rate * cells * (1 - cells / (3 * cells))", "cell/day"),
        ("log(cells / cell)", "1"),
        ("exp(share)", "1"),
        ("sqrt(cells ** 2)", "cell"),
        ("cells ** 0.5 * cells ** 0.5", "cell"),
        ("cells ** -1", "1/cell"),
        ("share ** share", "1"),
        ("(cells / cell) ** share", "1"),
        ("hill(drug, EC50, share)", "1"),
        ("min(cells, cell) + max(cells, 2 * cell)", "cell"),
        ("abs(-factor) - fold", "fold"),
        ("positive(factor - fold)", "fold"),
        ("1 / day", "1/day"),
        ("3", "1"),
    ],
)
def test_units_of_formulas(text: str, unit: str) -> None:
    assert parse(text).unit(UNITS) == parse_unit(unit)


@pytest.mark.parametrize(
    "text",
    [
        "cells + rate", "cells - 1", "factor - 1", "drug + factor", "exp(cells)", "log(drug)", "cells ** share", "share ** cells",
        "2 ** day", "hill(drug, share, 1)", "hill(drug, EC50, drug)", "min(cells, 1)", "max(cells, drug)", "1 + day",
    ],
)  # fmt: skip
def test_units_that_disagree_are_refused(text: str) -> None:
    with pytest.raises(UnitError, match=r"unit"):
        parse(text).unit(UNITS)


def test_latex_shows_names_and_hides_the_helpers() -> None:
    shown = parse("rate * positive(hill(x, half, 2)) * cells").latex({"rate": "k", "cells": "A"})
    assert "k" in shown
    assert "A" in shown
    assert "floored" not in shown
    assert "half" in shown
