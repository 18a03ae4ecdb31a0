"""Declarations: a part says everything that a reader needs, or it is refused with the reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from backfire.errors import DeclarationError, UserError
from backfire.model.components import Definition, Influence, Intervention, Parameter, Part, Process, State
from backfire.solvers.reference import Settings
from networks import built, last, run

RATE = Parameter("rate", 1.0, "1/day", "m", range=(0.1, 2.0), source="s", grade="assumed")


def declare(**changes: Any) -> Parameter:
    good: dict[str, Any] = {
        "name": "rate", "value": 1.0, "unit": "1/day", "meaning": "m", "range": (0.1, 2.0), "source": "s", "grade": "assumed",
    }  # fmt: skip
    return Parameter(**(good | changes))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"unit": ""}, "has no unit"),
        ({"unit": " "}, "has no unit"),
        ({"source": ""}, "has no source"),
        ({"meaning": ""}, "has no meaning"),
        ({"grade": ""}, "has no grade"),
        ({"grade": "asumed"}, "did you mean `assumed`"),
        ({"unit": "1/dya"}, "did you mean `day`"),
        ({"unit": "1/hour"}, "declare it in cells and days"),
        ({"range": (2.0, 0.1)}, "range"),
        ({"range": (1.0, 1.0)}, "range"),
        ({"range": (-1.0, 1.0)}, "range"),
        ({"range": (0.0, math.inf)}, "range"),
        ({"range": (math.nan, 1.0)}, "range"),
        ({"value": -1.0}, "negative"),
        ({"value": math.nan}, "finite"),
        ({"value": math.inf}, "finite"),
        ({"value": 1.5, "maximum": 1.0}, "largest possible value 1"),
        ({"name": "Rate"}, "lower-case"),
        ({"name": "rate__x"}, "single underscores"),
        ({"name": "hill"}, "formula notation"),
        ({"name": "day"}, "formula notation"),
        ({"name": "amount"}, "formula notation"),
    ],
)
def test_parameters_declare_everything(changes: dict[str, Any], word: str) -> None:
    assert declare().value == 1
    with pytest.raises(UserError, match=word):
        declare(**changes)


@pytest.mark.parametrize("name", ["class", "yield", "with", "pass", "none", "step", "constants"])
def test_names_that_python_or_the_generated_code_needs(name: str) -> None:
    """Refused with a reason, or usable: never a broken model."""
    try:
        network = built(RATE, State(name, "1", "m", 1.0), Process("p", "k", f"rate * positive({name})", "m", leaves=name))
    except DeclarationError as error:
        assert name in str(error)
    else:
        assert last(network, run(network, [1], settings=Settings(method="Radau")))[name] == pytest.approx(math.exp(-1), rel=1e-6)


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (lambda: State("x", "", "m"), "has no unit"),
        (lambda: State("x", "1", ""), "has no meaning"),
        (lambda: State("x", "cell/hour", "m"), "days"),
        (lambda: Definition("x", "", "1", "m"), "has no formula"),
        (lambda: Definition("x", "1", "", "m"), "has no unit"),
        (lambda: Definition("x", "1", "1/hour", "m"), "days"),
        (lambda: Process("p", "k", "1", "m"), "neither leaves nor enters"),
        (lambda: Process("p", "k", "1", "m", enters="x", leaves="x"), "same state"),
        (lambda: Process("p", "k", "", "m", enters="x"), "has no rate"),
        (lambda: Process("p", "K", "1", "m", enters="x"), "process kind"),
        (lambda: Influence("i", "k", "", "m"), "has no factor"),
        (lambda: Influence("i", "k", "1", ""), "has no meaning"),
        (lambda: Intervention("i", "m"), "changes no state"),
    ],
)
def test_parts_declare_everything(part: Any, word: str) -> None:
    with pytest.raises(UserError, match=word):
        parts: Iterator[Part] = iter([part()])
        built(*parts)


def test_whole_numbers_are_the_numbers_that_a_stored_run_gives_back() -> None:
    assert repr(declare(value=1, range=(0, 2), maximum=3)) == repr(declare(value=1.0, range=(0.0, 2.0), maximum=3.0))
