"""Formulas: nothing but the notation gets in; values agree with mpmath at 40 digits."""

from __future__ import annotations

import math
from pathlib import Path

import mpmath
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backfire.errors import FormulaError, UnitError
from backfire.formulas.expression import parse
from backfire.formulas.units import parse_unit
from random_formulas import Tree, Undefined, close, exact, points, trees, written

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


@given(trees, points)
def test_values_agree_with_mpmath(tree: Tree, point: dict[str, float]) -> None:
    with mpmath.workdps(40):
        try:
            wanted = exact(tree, {name: mpmath.mpf(value) for name, value in point.items()})
        except Undefined:
            assume(False)
        assert close(parse(written(tree)).value(point), wanted)


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


@given(trees, points, st.sets(st.sampled_from("abc")), st.sets(st.sampled_from("abc")))
def test_what_follows_from_some_values_is_what_follows_from_all(
    tree: Tree, values: dict[str, float], known: set[str], nothing: set[str]
) -> None:
    """A number that is reached without a name is the value whatever that name is; names that are left are those not known."""
    expression = parse(written(tree), limited=False)
    values |= dict.fromkeys(nothing, 0.0)
    found, whole = expression.reduced({name: values[name] for name in known}), expression.value(values)
    assume(math.isfinite(whole))
    if isinstance(found, float):
        assert found == pytest.approx(whole, rel=1e-12, abs=1e-12)
    else:
        assert found <= expression.names - known
        assert expression.reduced(values) == pytest.approx(whole, rel=1e-12, abs=1e-12)


def test_a_factor_of_nothing_frees_a_product_of_its_other_names() -> None:
    for text in ("a * b", "b * a * c", "a / (b + c)", "(a - a) * b", "exp(c * a) * a", "a * (b * c - 2) / c"):
        assert parse(text).reduced({"a": 0.0}) == 0
    assert parse("1 + a * (b - 1)").reduced({"b": 1.0}) == 1
    assert parse("a * b + c * d").reduced({"a": 0.0}) == {"c", "d"}
    assert parse("hill(a * b, c, 1)").reduced({"a": 0.0, "c": 2.0}) == 0
