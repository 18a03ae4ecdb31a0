"""The language of claims: it reads what it should, refuses the rest, and writes what it has read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.claims.language import Arithmetic, Change, Claim, OutcomeRef, Term, parse_claim
from backfire.claims.verdict import known
from backfire.errors import FormulaError


def ref(outcome: str, arm: str, *changes: Change, of: str = "") -> OutcomeRef:
    return OutcomeRef(outcome, arm, changes, of)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nadir(a) < 5", [ref("nadir", "a")]),
        ("nadir(a) < nadir(b) <= 2 * nadir(c) + 1", [ref("nadir", "a"), ref("nadir", "b"), ref("nadir", "c")]),
        ("peak(x, a) > 1 and final(s.p, b) = 3 within 5 %", [ref("peak", "a", of="x"), ref("final", "b", of="s.p")]),
        ("nadir(a with s.p off) > 1", [ref("nadir", "a", Change("s.p", "=", 0.0))]),
        ("nadir(a with r * 0.5, k = 2e-3) > 1", [ref("nadir", "a", Change("k", "=", 0.002), Change("r", "*", 0.5))]),
        ("nadir(a) > -2.5", [ref("nadir", "a")]),
    ],
)
def test_the_language_reads(text: str, wanted: list[OutcomeRef]) -> None:
    assert list(parse_claim(text).refs()) == wanted


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "an outcome"),
        ("nadir(a)", "one of <"),
        ("nadir(a) <", "an outcome"),
        ("nadir(a) < 5 nadir(b)", "`and`"),
        ("nadir a < 5", "`\\("),
        ("nadir(a < 5", "`\\)`"),
        ("nadir(a) = 5", "`within 5 %`"),
        ("nadir(a) = 5 within 5", "%"),
        ("nadir(a with s.p) > 5", "off"),
        ("peak(a) > 5", "`,`"),
        ("__import__('os') > 1", "unreadable"),
        ("nadir(a) > 5; x", "unreadable"),
        ("(" * 30 + "nadir(a)" + ")" * 30 + " > 1", "nested"),
        ("nadir(a) > " + "1 + " * 500 + "1", "characters"),
        ("nadir(with) > 5", "name of an arm"),
    ],
)
def test_what_cannot_be_read_says_what_could_stand_there(text: str, hint: str) -> None:
    with pytest.raises(FormulaError, match=hint):
        parse_claim(text)


@pytest.mark.parametrize(
    "text",
    [
        "nadir(a) - (nadir(b) - 2) < 0.5 * (nadir(c) - nadir(b))",
        "nadir(a) / (nadir(b) / nadir(c)) >= 3 and peak(x, a with s.p off, r * 2) = 1.5 within 20 %",
        "1 < nadir(a) + 2 * nadir(b) <= 1e+06",
    ],
)
def test_a_comparison_is_written_as_it_is_read(text: str) -> None:
    comparisons = parse_claim(text).comparisons
    again = parse_claim(" and ".join(map(str, comparisons)))
    assert again.comparisons == comparisons


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(parse_claim(text), Claim)
    except FormulaError as error:
        assert str(error).isprintable()


terms = st.recursive(
    st.floats(0.1, 10).map(lambda value: round(value, 3)),
    lambda inner: st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
    max_leaves=8,
)


def written(term: Term) -> str:
    return f"({written(term.left)} {term.sign} {written(term.right)})" if isinstance(term, Arithmetic) else str(term)


@given(terms)
def test_arithmetic_is_that_of_python(term: Term) -> None:
    text = written(term)
    (comparison,) = parse_claim(f"{text} < nadir(a)").comparisons
    try:
        wanted = eval(text, {"__builtins__": {}})  # numbers and signs that this test wrote
    except ZeroDivisionError:
        wanted = math.nan
    assert float(known(comparison.left, {}).value) == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize("text", ["1 > 2", "nadir(a) > 1 and 2 > 1", "1 < 2 < nadir(a)"])
def test_a_comparison_of_numbers_alone_is_refused(text: str) -> None:
    with pytest.raises(FormulaError, match="one side must read an outcome"):
        parse_claim(text)


def test_a_claim_over_other_outcomes_is_the_same_statement() -> None:
    claim = parse_claim("nadir(a) - 2 * nadir(b) < nadir(a) and peak(x, a) = 3 within 5 %")
    moved = claim.replaced(lambda item: ref(item.outcome, "c", of=item.of))
    assert moved.comparisons == parse_claim("nadir(c) - 2 * nadir(c) < nadir(c) and peak(x, c) = 3 within 5 %").comparisons
    assert moved.text == claim.text
