"""Units: what people write is read right, what nobody means is refused with the nearest name."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.errors import UnitError
from backfire.formulas.units import BASE, ONE, Unit, base_unit, parse_unit

FACTORS = [
    ("1/hour", "1/day", 24.0),
    ("1/day", "1/hour", 1 / 24),
    ("1/minute", "1/day", 1440.0),
    ("1/week", "1/day", 1 / 7),
    ("weeks", "days", 7.0),
    ("hours", "minutes", 60.0),
    ("cells", "cell", 1.0),
    ("EC50/hour", "EC50/day", 24.0),
    ("fold/(cell*hour)", "fold/(cell*day)", 24.0),
    ("hour^2", "day^2", 1 / 576),
    ("hour**-2", "1/day^2", 576.0),
    ("1", "1", 1.0),
    ("day/day", "1", 1.0),
    ("week/day", "1", 7.0),
    ("1/day^2*day", "1/day", 1.0),
    ("(cell/day)/cell", "1/day", 1.0),
]


@pytest.mark.parametrize(("given_unit", "wanted", "factor"), FACTORS)
def test_conversion_factors(given_unit: str, wanted: str, factor: float) -> None:
    assert parse_unit(given_unit).factor_to(parse_unit(wanted)) == pytest.approx(factor, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "powers"),
    [
        ("cell", (1, 0, 0, 0)),
        ("cell/day", (1, -1, 0, 0)),
        (" cell / day ", (1, -1, 0, 0)),
        ("1/(cell*day)", (-1, -1, 0, 0)),
        ("cell/day/EC50", (1, -1, -1, 0)),
        ("cell/day*EC50", (1, -1, 1, 0)),
        ("fold^3", (0, 0, 0, 3)),
        ("(fold/day)^2", (0, -2, 0, 2)),
        ("day^0", (0, 0, 0, 0)),
    ],
)
def test_powers(text: str, powers: tuple[int, ...]) -> None:
    assert parse_unit(text).powers == tuple(Fraction(power) for power in powers)


HOSTILE = [
    "", " ", "/", "*", "day/", "/day", "2", "1.5", "0", "day day", "day)", "(day", "((day)", "()", "day^", "day^x", "^2",
    "day^1.5", "day**", "day+cell", "day-1", "1/dya", "gram", "mg", "second", "Day", "ec50", "__import__('os')", "day;cell",
    "день", "day\x00", "1/day # comment", "(" * 100 + "day" + ")" * 100, "*".join(["day"] * 100),
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_unit(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["week^1000", "1/minute^400", "hour^-400", "day^" + "9" * 5000, "minute^99/minute^99^99"])
def test_powers_beyond_all_measure_are_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_unit(text)


@pytest.mark.parametrize(
    ("text", "close"),
    [("1/dya", "day"), ("cels", "cells"), ("EC5", "EC50"), ("folds", "fold"), ("houre", "hour"), ("DAY", "day")],
)
def test_the_nearest_unit_is_named(text: str, close: str) -> None:
    with pytest.raises(UnitError, match=f"did you mean `{close}`"):
        parse_unit(text)


def test_incompatible_units_are_not_converted() -> None:
    with pytest.raises(UnitError, match="`1/day` cannot be converted into `cell`"):
        parse_unit("1/day").factor_to(parse_unit("cell"))


units = st.builds(
    lambda powers: Unit(tuple(Fraction(power) for power in powers)),
    st.tuples(*[st.integers(-4, 4)] * len(BASE)),
)


@given(units)
def test_a_unit_reads_back_as_it_is_shown(unit: Unit) -> None:
    assert parse_unit(str(unit)) == unit


@given(units, units, st.integers(-3, 3))
def test_units_form_a_group(first: Unit, second: Unit, power: int) -> None:
    assert first * second == second * first
    assert first * second / second == first
    assert first * ONE == first
    assert (first * second) ** power == first**power * second**power
    assert (first / first).dimensionless
    assert first.compatible(second) == (first.powers == second.powers)


def test_base_units_are_independent() -> None:
    for first in BASE:
        for second in BASE:
            assert base_unit(first).compatible(base_unit(second)) == (first == second)
    assert parse_unit("1") == ONE
