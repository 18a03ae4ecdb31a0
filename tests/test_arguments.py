"""Arguments of a wrong type: every public function names the one that is wrong, and takes whatever is meant."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import backfire
from backfire.arguments import checked
from backfire.errors import DeclarationError, UserError
from backfire.mechanisms.growth import Growth
from backfire.solvers import Floats
from small import SMALL

FUNCTIONS = {name: getattr(backfire, name) for name in backfire.__all__ if inspect.isfunction(getattr(backfire, name))}
ANYTHING = {("option", "example"), ("option", "default"), ("population", "client"), ("sweep", "executor")}
"""Parameters that may be whatever they like."""
ASKED = [(name, one) for name, function in FUNCTIONS.items() for one in inspect.signature(function).parameters]


@pytest.mark.parametrize(("name", "parameter"), [pair for pair in ASKED if pair not in ANYTHING])
def test_every_public_function_names_the_argument_that_is_wrong(name: str, parameter: str) -> None:
    with pytest.raises(UserError, match=rf"^{name}\(\), `{parameter}`: expected .*, not `<object object at") as caught:
        FUNCTIONS[name](**{parameter: object()})
    assert caught.value.key == parameter


def test_public_functions_can_be_sent_to_other_processes() -> None:
    assert {"load", "simulate", "run_members", "sweep", "population", "evaluate_claims"} <= {*FUNCTIONS}
    for function in FUNCTIONS.values():
        assert pickle.loads(pickle.dumps(function)) is function


def everything(
    text: str = "", place: Path | str = "", number: float = 0, count: int = 0, yes: bool = False, names: Sequence[str] = (),
    values: Floats | None = None, call: Callable[[str], None] | None = None, table: Mapping[str, float] | None = None,
    word: Literal["a", "b"] = "a", more: Iterable[Growth] = (), what: Any = None,
) -> str:  # fmt: skip
    return text


MEANT: list[dict[str, Any]] = [
    {"place": Path("x")}, {"place": "x"}, {"number": 3}, {"number": np.float32(3)}, {"count": np.int64(3)}, {"yes": np.bool_(True)},
    {"names": ("x",)}, {"names": np.array(["x"])}, {"names": (word for word in "xy")}, {"values": [[1, 2.5]]}, {"values": np.zeros((2, 2))},
    {"call": print}, {"call": None}, {"table": {"x": 1}}, {"word": "c"}, {"more": [Growth()]}, {"what": object()},
]  # fmt: skip
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"text": None}, "expected text, not `None`"), ({"text": b"x"}, "expected text, not `b'x'`"),
    ({"place": 3}, "expected a path or text, not `3`"), ({"number": "3"}, "expected a number, not `3`"),
    ({"count": 3.0}, "expected a whole number, not `3.0`"), ({"yes": "no"}, "expected True or False, not `no`"),
    ({"names": 3}, "expected a list, not `3`"), ({"names": ["x", 3]}, r"expected a list, not `\['x', 3\]`"),
    ({"names": b"x"}, "expected a list"), ({"values": [["x"]]}, "expected an array of numbers or None"), ({"values": 3}, "expected an array"),
    ({"call": "x"}, "expected a function or None"), ({"table": ["x"]}, "expected a mapping or None"), ({"word": 3}, "not `3`"),
]  # fmt: skip


def told(given: dict[str, Any]) -> str:
    """The name of an argument and the kind of what is given: the same in every process, unlike an address."""
    ((name, value),) = given.items()
    return f"{name}-{type(value).__name__}"


@pytest.mark.parametrize("given", MEANT, ids=told)
def test_what_is_meant_is_taken(given: dict[str, Any]) -> None:
    assert checked(everything)(text="whole", **given) == "whole"


@pytest.mark.parametrize(("given", "words"), WRONG, ids=[told(given) for given, _ in WRONG])
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], words: str) -> None:
    (name,) = given
    with pytest.raises(UserError, match=rf"^everything\(\), `{name}`: .*{words}"):
        checked(everything)(**given)


def test_arguments_that_do_not_exist_are_pythons_business() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'arm'"):
        backfire.simulate(backfire.parse(SMALL), arm=["untreated"])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="required positional argument: 'source'"):
        backfire.load()  # type: ignore[call-arg]


PARAMETER = {
    "name": "rate",
    "value": 1.0,
    "unit": "1/day",
    "meaning": "m",
    "range": (0.1, 10.0),
    "source": "s",
    "grade": "assumed",
}


@pytest.mark.parametrize("wrong", [None, 3, b"x", ["x"], {"x": 1}, object()], ids=lambda given: type(given).__name__)
def test_parts_of_a_wrong_type_are_refused(wrong: Any) -> None:
    for name in PARAMETER:
        if not (name == "value" and wrong == 3):
            with pytest.raises(DeclarationError):
                backfire.Parameter(**{**PARAMETER, name: wrong})
    with pytest.raises(DeclarationError, match="formula is text, not"):
        backfire.Definition("double", wrong, "1", "m")
    with pytest.raises(DeclarationError, match="rate is text, not"):
        backfire.Process("loss", "loss", wrong, "m", leaves="x")
    with pytest.raises(backfire.BackfireError, match="no mechanism; compose takes objects"):
        backfire.compose([wrong])
    with pytest.raises(UserError, match="solver setting `relative`"):
        backfire.Settings(relative=-1 if wrong == 3 else wrong)


def test_an_outcome_of_an_arm_that_was_not_run_is_refused() -> None:
    result = backfire.simulate(backfire.parse(SMALL), ["untreated"])
    with pytest.raises(UserError, match="unknown arm `monoterapy`"):
        result.outcome("monoterapy", "nadir")
    with pytest.raises(UserError, match="unknown state or observable `3`"):
        result.trajectories["untreated"][3]  # type: ignore[index]
