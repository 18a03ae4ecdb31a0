"""Bars of outcomes: which are shown, and how numbers stand beside them."""

from __future__ import annotations

import pytest

from backfire.formatting import number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.12345, "0.123"),
        (1234.0, "1234"),
        (16589.0, "1.7e4"),
        (2.5e6, "2.5e6"),
        (1.2e-7, "1.2e-7"),
        (float("nan"), "–"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
