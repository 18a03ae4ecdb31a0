"""Formulas in the field's plain notation, read safely.

A formula such as ``growth_rate * active * (1 - burden / capacity)`` is parsed once with Python's ``ast`` against an
allow-list. Nothing a user writes is ever evaluated: names, numbers, ``+ - * / **``, parentheses and the functions in
``FUNCTIONS`` are all there is. The checked tree then serves four readers: the unit check, the code generator, sympy
(derivatives, LaTeX), and people.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from backfire.errors import FormulaError, UnitError, echo, unknown
from backfire.formulas.units import BASE, ONE, Unit, base_unit

LONGEST = 1000
MOST_NODES = 600
DEEPEST = 50
LARGEST_EXPONENT = 10

FUNCTIONS: Final = {"exp": 1, "log": 1, "sqrt": 1, "abs": 1, "min": 2, "max": 2, "positive": 1, "hill": 3}
"""Function names and how many arguments each takes.

``positive(x)`` is x where x > 0, else 0. ``hill(x, half, n)`` is xⁿ/(halfⁿ + xⁿ), and 0 for x ≤ 0.
"""

UNIT_CONSTANTS: Final[dict[str, Unit]] = {name: base_unit(name) for name in BASE}
"""The names ``cell``, ``day``, ``EC50`` and ``fold`` may stand in a formula: each is 1 of its unit."""

ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow,
}  # fmt: skip
"""What every operator does, for numbers and for sympy's expressions alike."""


def _positive(value: float) -> float:
    return 0.0 if value <= 0 else value


def _step(value: float) -> float:
    return 1.0 if value > 0 else 0.0


def _floored(value: float) -> float:
    return 1e-300 if value <= 1e-300 else value


def _hill(value: float, half: float, exponent: float) -> float:
    if value <= 0:
        return 0.0
    try:
        return float(1.0 / (1.0 + (half / value) ** exponent))
    except OverflowError:
        return 0.0


SCALAR_FUNCTIONS: Final[dict[str, Callable[..., float]]] = {
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "abs": abs,
    "min": min,
    "max": max,
    "positive": _positive,
    "hill": _hill,
    "step": _step,
    "floored": _floored,
}
"""What every function gives for plain floats; ``step`` and ``floored`` occur in derivatives only."""


@dataclass(frozen=True, eq=False)
class Expression:
    """One checked formula.

    ``text`` is what was written, ``tree`` the checked syntax tree, ``names`` the names it reads apart from functions
    and unit constants. Two expressions are equal when their trees are, whatever the spacing.
    """

    text: str
    tree: ast.expr
    names: frozenset[str]
    code: str
    """The formula as Python source in one canonical spelling; unit constants are written as 1.0."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.code == other.code

    def __hash__(self) -> int:
        return hash(self.code)

    def __str__(self) -> str:
        return self.text

    def unit(self, units: Mapping[str, Unit]) -> Unit:
        """The unit of the value, given the unit of every name; raises UnitError where they do not agree."""
        return _unit(self.tree, units, self.text)

    def value(self, values: Mapping[str, float]) -> float:
        """The number the formula gives for known values of all its names; NaN where it is not defined."""
        return _finite(lambda: _value(self.tree, values), math.nan)

    def reduced(self, known: Mapping[str, float]) -> float | frozenset[str]:
        """What follows from some values alone: the number, else the names on which it still depends.

        Nothing times anything is nothing, so a factor of 0 frees a product of all its other names.
        """
        return _reduced(self.tree, known)


@lru_cache(maxsize=8192)
def parse(text: str, limited: bool = True) -> Expression:
    """Read a formula; raises FormulaError with the reason for anything outside the notation.

    ``limited`` bounds length and nesting, as is right for what people write; lines that we compose of several such
    formulas may be longer.
    """
    if limited and len(text) > LONGEST:
        raise FormulaError(f"a formula may have {LONGEST} characters, this one has {len(text)}: `{echo(text)}`")
    if not text.isascii() or "#" in text:
        raise FormulaError(f"`{echo(text)}` has characters that no formula needs; write plain ASCII without comments")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise FormulaError(f"`{echo(text)}` is not a formula ({getattr(error, 'msg', None) or error})") from None
    if limited and sum(1 for _ in ast.walk(tree)) > MOST_NODES:
        raise FormulaError(f"the formula `{echo(text)}` is too long; name its pieces as definitions")
    names: set[str] = set()
    _check(tree, text, names, depth=1 if limited else -10_000)
    return Expression(text.strip(), tree, frozenset(names), ast.unparse(_Canonical().visit(ast.parse(text.strip()))))


class _Canonical(ast.NodeTransformer):
    """Numbers as floats, unit constants as 1.0: one spelling for every way of writing the same formula."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        assert isinstance(node.value, int | float)
        return ast.Constant(float(node.value))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(1.0) if node.id in UNIT_CONSTANTS else node


def _check(node: ast.expr, text: str, names: set[str], depth: int) -> None:
    """Walk the tree against the allow-list and gather the names it reads."""
    if depth > DEEPEST:
        raise FormulaError(f"the formula `{echo(text)}` is nested deeper than {DEEPEST} levels; name its pieces as definitions")
    match node:
        case ast.BinOp(left, sign, right) if type(sign) in ARITHMETIC:
            if not math.isfinite(_constant(node) or 0.0):
                raise FormulaError(f"in `{echo(text)}`: `{echo(ast.unparse(node))}` is not a number in double precision")
            if isinstance(sign, ast.Div) and _constant(right) == 0:
                raise FormulaError(f"in `{echo(text)}`: a division by zero")
            if isinstance(sign, ast.Pow):
                _check_exponent(right, text)
            _check(left, text, names, depth + 1)
            _check(right, text, names, depth + 1)
        case ast.UnaryOp(ast.USub() | ast.UAdd(), operand):
            _check(operand, text, names, depth + 1)
        case ast.Call(ast.Name(function), arguments, []):
            if function not in FUNCTIONS:
                raise FormulaError(f"in `{echo(text)}`: {unknown('function', function, FUNCTIONS)}")
            if len(arguments) != FUNCTIONS[function]:
                raise FormulaError(f"in `{echo(text)}`: `{function}` takes {FUNCTIONS[function]} arguments, got {len(arguments)}")
            if not math.isfinite(_constant(node) or 0.0):
                raise FormulaError(f"in `{echo(text)}`: `{echo(ast.unparse(node))}` is not a number")
            for argument in arguments:
                _check(argument, text, names, depth + 1)
        case ast.Name(name):
            if not name.isascii() or name.startswith("_") or name in FUNCTIONS:
                raise FormulaError(f"in `{echo(text)}`: `{echo(name)}` cannot be used as a name")
            if name not in UNIT_CONSTANTS:
                names.add(name)
        case ast.Constant(value) if isinstance(value, int | float) and not isinstance(value, bool):
            _check_number(value, text)
        case _:
            raise FormulaError(
                f"`{echo(ast.unparse(node))}` is not allowed in a formula; "
                f"use names, numbers, + - * / ** and {', '.join(FUNCTIONS)}"
            )


def _check_number(value: float, text: str) -> None:
    try:
        finite = math.isfinite(float(value))
    except OverflowError:
        finite = False
    if not finite:
        raise FormulaError(f"in `{echo(text)}`: a number is too large for double precision")


def _check_exponent(node: ast.expr, text: str) -> None:
    constant = _constant(node)
    if constant is not None and not abs(constant) <= LARGEST_EXPONENT:
        raise FormulaError(f"in `{echo(text)}`: exponents are allowed up to {LARGEST_EXPONENT}")


def _constant(node: ast.expr) -> float | None:
    """The value of a subtree without names, NaN if a double cannot hold it; None if it reads a name or is no formula."""
    try:
        return _finite(lambda: _value(node, {}), math.nan)
    except LookupError:
        return None


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(int() | float() as value):
            return float(value)
        case ast.Name(name):
            return 1.0 if name in UNIT_CONSTANTS else values[name]
        case ast.UnaryOp(sign, operand):
            return -_value(operand, values) if isinstance(sign, ast.USub) else _value(operand, values)
        case ast.BinOp(left, sign, right):
            return _finite(lambda: ARITHMETIC[type(sign)](_value(left, values), _value(right, values)), math.nan)
        case ast.Call(ast.Name(function), arguments) if FUNCTIONS.get(function) == len(arguments):
            return float(SCALAR_FUNCTIONS[function](*(_value(argument, values) for argument in arguments)))
    raise LookupError("not a formula")


def _reduced(node: ast.expr, known: Mapping[str, float]) -> float | frozenset[str]:
    match node:
        case ast.Name(name) if name not in known and name not in UNIT_CONSTANTS:
            return frozenset((name,))
        case ast.UnaryOp(sign, operand):
            inner = _reduced(operand, known)
            return -inner if isinstance(inner, float) and isinstance(sign, ast.USub) else inner
        case ast.BinOp(left, sign, right):
            first, second = _reduced(left, known), _reduced(right, known)
            if isinstance(first, float) and isinstance(second, float):
                return _finite(lambda: ARITHMETIC[type(sign)](first, second), math.nan)
            gone = {ast.Mult: (first, second), ast.Div: (first,)}.get(type(sign), ())
            return 0.0 if 0.0 in gone else _names(first) | _names(second)
        case ast.Call(ast.Name(function), arguments):
            given = [_reduced(argument, known) for argument in arguments]
            unknown_names = frozenset[str]().union(*map(_names, given))
            return unknown_names or _finite(lambda: SCALAR_FUNCTIONS[function](*given), math.nan)
    return _value(node, known)


def _names(reduced: float | frozenset[str]) -> frozenset[str]:
    return frozenset() if isinstance(reduced, float) else reduced


def _finite(compute: Callable[[], Any], otherwise: float) -> float:
    """What ``compute`` gives, or ``otherwise`` where real arithmetic has no answer."""
    try:
        value = compute()
        return otherwise if isinstance(value, complex) else float(value)
    except (ArithmeticError, ValueError, TypeError):
        return otherwise


def _unit(node: ast.expr, units: Mapping[str, Unit], text: str) -> Unit:
    match node:
        case ast.Constant():
            return ONE
        case ast.Name(name):
            return UNIT_CONSTANTS[name] if name in UNIT_CONSTANTS else units[name]
        case ast.UnaryOp(_, operand):
            return _unit(operand, units, text)
        case ast.BinOp(base, ast.Pow(), exponent):
            return _power_unit(base, exponent, units, text)
        case ast.BinOp(left, sign, right):
            first, second = _unit(left, units, text), _unit(right, units, text)
            if isinstance(sign, ast.Mult):
                return first * second
            if isinstance(sign, ast.Div):
                return first / second
            return _same(left, first, right, second, text)
        case ast.Call(ast.Name(function), arguments):
            return _call_unit(function, arguments, units, text)
    raise AssertionError(f"unchecked formula {text}")


def _same(left: ast.expr, first: Unit, right: ast.expr, second: Unit, text: str) -> Unit:
    if not first.compatible(second):
        raise UnitError(
            f"in `{echo(text)}`: `{echo(ast.unparse(left))}` has unit {first} "
            f"but `{echo(ast.unparse(right))}` has unit {second}; both must agree"
        )
    return first


def _power_unit(base: ast.expr, exponent: ast.expr, units: Mapping[str, Unit], text: str) -> Unit:
    below, above = _unit(base, units, text), _unit(exponent, units, text)
    if not above.dimensionless:
        raise UnitError(f"in `{echo(text)}`: the exponent `{echo(ast.unparse(exponent))}` has unit {above}, must be 1")
    if below.dimensionless:
        return ONE
    constant = _constant(exponent)
    if constant is None:
        raise UnitError(
            f"in `{echo(text)}`: `{echo(ast.unparse(base))}` has unit {below}; divide it by a reference value before "
            f"raising it to the variable power `{echo(ast.unparse(exponent))}`"
        )
    return below ** Fraction(constant).limit_denominator(1000)


def _call_unit(function: str, arguments: list[ast.expr], units: Mapping[str, Unit], text: str) -> Unit:
    given = [_unit(argument, units, text) for argument in arguments]
    if function in ("exp", "log") and not given[0].dimensionless:
        raise UnitError(f"in `{echo(text)}`: `{function}` needs a plain number, its argument has unit {given[0]}")
    if function == "sqrt":
        return given[0] ** Fraction(1, 2)
    if function in ("min", "max", "hill"):
        _same(arguments[0], given[0], arguments[1], given[1], text)
    if function == "hill":
        if not given[2].dimensionless:
            raise UnitError(f"in `{echo(text)}`: the Hill exponent has unit {given[2]}, must be 1")
        return ONE
    return given[0]
