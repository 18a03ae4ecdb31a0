"""Formulas, numbers and units as text that libSBML and Antimony read alike: infix, every number with its unit."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Final

from backfire.formulas import BASE, UNIT_CONSTANTS, Unit, parse

NONE: Final = "dimensionless"
"""The id of the unit of plain numbers."""


def unit_id(unit: Unit) -> str:
    """The id of a unit: ``cell``, ``per_day``, ``fold_per_cell_day``, ``day_2``; plain numbers are ``dimensionless``."""
    above: list[str] = []
    below: list[str] = []
    for name, power in zip(BASE, unit.powers, strict=True):
        size = str(abs(power)).replace("/", "_over_")
        (above if power > 0 else below).extend([name if size == "1" else f"{name}_{size}"] if power else [])
    words = "_".join(above) + ("_per_" if above and below else "per_" if below else "") + "_".join(below)
    return words or NONE


def in_full(value: float) -> str:
    """A number in full precision, as short as it can be: ``1e+09``, ``17.5``, ``0.30000000000000004``."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


class Infix:
    """Spells a checked formula; parentheses wherever two readers might disagree.

    ``unit`` gives the id of a unit, ``dimensions`` the unit of every name.
    """

    _SIGNS: Final[dict[type[ast.operator], tuple[str, int]]] = {
        ast.Add: (" + ", 1),
        ast.Sub: (" - ", 1),
        ast.Mult: (" * ", 2),
        ast.Div: (" / ", 2),
        ast.Pow: ("^", 3),
    }

    def __init__(self, unit: Callable[[Unit], str], dimensions: Mapping[str, Unit]) -> None:
        self.units, self.dimensions = unit, dimensions

    def text(self, node: ast.expr) -> str:
        """The formula as text."""
        return self._spelled(node)[0]

    def _spelled(self, node: ast.expr) -> tuple[str, int]:
        """Text and how tightly it binds: 1 sums, 2 products, 3 signs and powers, 4 all that needs no parentheses."""
        match node:
            case ast.Constant(value):
                assert isinstance(value, int | float)
                return f"{in_full(value)} {NONE}", 4
            case ast.Name(name):
                return (f"1 {self.units(UNIT_CONSTANTS[name])}", 4) if name in UNIT_CONSTANTS else (name, 4)
            case ast.UnaryOp(ast.USub(), operand):
                return f"-{self._within(operand, 4)}", 0
            case ast.UnaryOp(_, operand):
                return self._spelled(operand)
            case ast.BinOp(left, sign, right):
                word, level = self._SIGNS[type(sign)]
                # a - (b - c) and a / (b * c) need them; powers get them on both sides
                tight = level + (1 if isinstance(sign, ast.Sub | ast.Div | ast.Pow) else 0)
                first = self._within(left, 4 if isinstance(sign, ast.Pow) else level)
                return f"{first}{word}{self._within(right, tight)}", level
            case ast.Call(ast.Name(function), arguments):
                return self._call(function, arguments), 4
        raise AssertionError("unchecked formula")

    def _within(self, node: ast.expr, level: int) -> str:
        text, own = self._spelled(node)
        return text if own >= level else f"({text})"

    def _call(self, function: str, arguments: list[ast.expr]) -> str:
        texts = [self.text(argument) for argument in arguments]
        if function == "positive":
            unit = parse(ast.unparse(arguments[0]), limited=False).unit(self.dimensions)
            return f"max({texts[0]}, 0 {self.units(unit)})"
        return f"{'ln' if function == 'log' else function}({', '.join(texts)})"
