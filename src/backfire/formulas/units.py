"""Units of backfire: four base units, their products and powers, and the conversions people write.

Base units: ``cell`` (count of cells), ``day`` (time), ``EC50`` (drug, in multiples of its half-effect
concentration) and ``fold`` (host factor, 1 = untreated level). Keeping drug and factor apart from plain numbers lets
the check of a formula catch a factor that was used as a concentration.

A units library would do the same; pint costs 0.4 s at every start, more than all the rest of composing a model.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from backfire.errors import UnitError, echo, unknown

BASE = ("cell", "day", "EC50", "fold")
_MULTIPLES: dict[str, tuple[str, float]] = {
    "cell": ("cell", 1.0), "cells": ("cell", 1.0), "day": ("day", 1.0), "days": ("day", 1.0),
    "hour": ("day", 1 / 24), "hours": ("day", 1 / 24), "minute": ("day", 1 / 1440), "minutes": ("day", 1 / 1440),
    "week": ("day", 7.0), "weeks": ("day", 7.0), "EC50": ("EC50", 1.0), "fold": ("fold", 1.0),
}  # fmt: skip
_NOTATION = re.compile(r"(?!.*\b(\d+[A-Za-z]|True|False|None))[A-Za-z0-9*/() -]{,160}")
"""Names, whole numbers and signs, but no number of another notation, such as 1e3 and 0x1."""


@dataclass(frozen=True)
class Unit:
    """A product of powers of the base units times a scale: ``1/hour`` is day⁻¹ with scale 24.

    ``powers`` has one exponent per entry of ``BASE``. Two units are compatible when their powers agree.
    """

    powers: tuple[Fraction, ...] = (Fraction(0),) * len(BASE)
    scale: float = 1.0

    def __mul__(self, other: Unit) -> Unit:
        return Unit(tuple(a + b for a, b in zip(self.powers, other.powers, strict=True)), self.scale * other.scale)

    def __truediv__(self, other: Unit) -> Unit:
        return self * other**-1

    def __pow__(self, exponent: int | Fraction) -> Unit:
        return Unit(tuple(power * exponent for power in self.powers), self.scale ** float(exponent))

    @property
    def dimensionless(self) -> bool:
        """True for plain numbers, shares and ratios."""
        return not any(self.powers)

    def compatible(self, other: Unit) -> bool:
        """True if a value in one unit can be converted into the other."""
        return self.powers == other.powers

    def factor_to(self, other: Unit) -> float:
        """The number to multiply a value in this unit with to get it in ``other``. Raises UnitError if incompatible."""
        if not self.compatible(other):
            raise UnitError(f"`{self}` cannot be converted into `{other}`")
        return self.scale / other.scale

    def __str__(self) -> str:
        above = [_power(name, power) for name, power in zip(BASE, self.powers, strict=True) if power > 0]
        below = [_power(name, -power) for name, power in zip(BASE, self.powers, strict=True) if power < 0]
        if not below:
            return "*".join(above) or "1"
        under = below[0] if len(below) == 1 else f"({'*'.join(below)})"
        return f"{'*'.join(above) or '1'}/{under}"


def _power(name: str, power: Fraction) -> str:
    return name if power == 1 else f"{name}^{power}"


ONE = Unit()


@lru_cache(maxsize=64)
def base_unit(name: str) -> Unit:
    """The unit with the given base name, scale 1."""
    return Unit(tuple(Fraction(int(name == base)) for base in BASE))


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> Unit:
    """Read a unit such as ``1/day``, ``cell/day``, ``fold/(cell*hour)`` or ``1`` (a plain number).

    Raises UnitError for names that are not units, with the nearest one.
    """
    written = " ".join(text.split()).replace("^", "**")
    try:
        tree = ast.parse(written if _NOTATION.fullmatch(written) else "", mode="eval").body
    except SyntaxError as error:
        if not written or written[-1] in "*/":
            raise UnitError(f"the unit `{echo(text)}` ends too early") from None
        if "never closed" in error.msg:
            raise UnitError(f"the unit `{echo(text)}` has a parenthesis that is never closed") from None
        raise _no_unit(text) from None
    return _unit(tree, text)


def _unit(node: ast.expr, text: str) -> Unit:
    match node:
        case ast.Constant(1):
            return ONE
        case ast.Name(name) if name in _MULTIPLES:
            base, scale = _MULTIPLES[name]
            return Unit(base_unit(base).powers, scale)
        case ast.Name(name):
            raise UnitError(unknown("unit", name, _MULTIPLES))
        case ast.BinOp(left, ast.Mult(), right):
            return _unit(left, text) * _unit(right, text)
        case ast.BinOp(left, ast.Div(), right):
            return _unit(left, text) / _unit(right, text)
        case ast.BinOp(base, ast.Pow(), ast.Constant(int(power)) | ast.UnaryOp(ast.USub(), ast.Constant(int(power))) as exponent):
            unit = _unit(base, text)
            if power > 9 or not 1e-60 < unit.scale < 1e60:
                raise UnitError(f"the unit `{echo(text)}` has a power beyond ±9")
            return unit ** (power if isinstance(exponent, ast.Constant) else -power)
    raise _no_unit(text)


def _no_unit(text: str) -> UnitError:
    return UnitError(f"`{echo(text)}` is not a unit; write for example 1/day, cell, EC50 or fold/day")
