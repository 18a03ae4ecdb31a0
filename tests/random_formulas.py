"""Formulas drawn at random, as trees: ``written`` makes the text, ``exact`` the value by another route."""

from __future__ import annotations

from typing import Any

import mpmath
from hypothesis import strategies as st

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


def on_a_kink(tree: Tree, values: dict[str, Any]) -> bool:
    if tree[0] in ("name", "number"):
        return False
    inner = [item for item in tree[1:] if isinstance(item, tuple)]
    if tree[0] in ("positive", "abs", "hill") and exact(inner[0], values) == 0:
        return True
    if tree[0] in ("min", "max") and exact(inner[0], values) == exact(inner[1], values):
        return True
    return any(on_a_kink(item, values) for item in inner)
