"""Formulas as MathML, which browsers and screen readers know, in the order in which they were written.

Sympy's printer sorts the terms of a sum and writes ``min`` out; readers compare the page with the words of a file.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from html import escape
from typing import Final

from backfire.formulas.expression import UNIT_CONSTANTS, Expression

_SIGNS: Final[dict[type[ast.operator], str]] = {ast.Add: "+", ast.Sub: "−", ast.Mult: "·"}
_TIGHT: Final = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2}
"""How firmly a sign binds; a quotient and a function are whole."""


def as_mathml(expression: Expression, name: Callable[[str], str] = str) -> str:
    """Presentation MathML without its outer ``<math>``; ``name`` gives the words for a name.

    ``hill(x, h, n)`` is written out as xⁿ/(hⁿ + xⁿ), ``positive(x)`` as max(0, x).
    """
    return _Writer(name).row(expression.tree)


def word(text: str) -> str:
    """A name, upright."""
    return f'<mi mathvariant="normal">{escape(text)}</mi>'


def sign(text: str) -> str:
    """An operator."""
    return f"<mo>{escape(text)}</mo>"


class _Writer:
    def __init__(self, name: Callable[[str], str]) -> None:
        self.name = name

    def row(self, node: ast.expr) -> str:
        return f"<mrow>{self.written(node, 0)}</mrow>"

    def written(self, node: ast.expr, outside: int) -> str:
        """A tree inside something that binds as firmly as ``outside`` says."""
        match node:
            case ast.Constant(value):
                assert isinstance(value, int | float)
                return f"<mn>{_digits(value)}</mn>"
            case ast.Name(name):
                return word(name if name in UNIT_CONSTANTS else self.name(name))
            case ast.UnaryOp(mark, operand):
                text = ("<mo>−</mo>" if isinstance(mark, ast.USub) else "") + self.written(operand, 2)
                return _bracketed(text) if outside else text
            case ast.BinOp(above, ast.Div(), below):
                return f"<mfrac>{self.row(above)}{self.row(below)}</mfrac>"
            case ast.BinOp(base, ast.Pow(), power):
                return self._power(base, power)
            case ast.BinOp(left, mark, right):
                firm = _TIGHT[type(mark)]
                rest = self.written(right, firm + isinstance(mark, ast.Sub))
                text = f"{self.written(left, firm)}{sign(_SIGNS[type(mark)])}{rest}"
                return _bracketed(text) if firm < outside else text
            case ast.Call(ast.Name(function), arguments):
                return self._function(function, arguments)
        raise AssertionError(ast.unparse(node))

    def _power(self, base: ast.expr, power: ast.expr) -> str:
        """Whatever is more than a number or a name stands in brackets: a quotient, too, has an end that one must see."""
        bare = isinstance(base, ast.Constant | ast.Name)
        below = self.row(base) if bare else _bracketed(self.written(base, 0))
        return f"<msup>{below}{self.row(power)}</msup>"

    def _function(self, function: str, arguments: list[ast.expr]) -> str:
        if function == "hill":
            value, half, power = arguments
            top = self._power(value, power)
            return f"<mfrac><mrow>{top}</mrow><mrow>{self._power(half, power)}<mo>+</mo>{top}</mrow></mfrac>"
        if function == "sqrt":
            return f"<msqrt>{self.row(arguments[0])}</msqrt>"
        given = ["<mn>0</mn>"] * (function == "positive") + [self.row(argument) for argument in arguments]
        called = "max" if function == "positive" else "ln" if function == "log" else function
        return f"{word(called)}{_bracketed('<mo>,</mo>'.join(given))}"


def _digits(value: float) -> str:
    """A number as the file has it: no digit less."""
    return repr(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _bracketed(text: str) -> str:
    return f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>"
