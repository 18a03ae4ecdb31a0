"""Units of backfire: four base units, their products and powers, and the conversions people write.

Base units: ``cell`` (count of cells), ``day`` (time), ``EC50`` (drug, in multiples of its half-effect
concentration) and ``fold`` (host factor, 1 = untreated level). Keeping drug and factor apart from plain numbers lets
the check of a formula catch a factor that was used as a concentration.

A units library would do the same; pint costs 0.4 s at every start, more than all the rest of composing a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from backfire.errors import UnitError, echo, unknown

BASE = ("cell", "day", "EC50", "fold")
_MULTIPLES: dict[str, tuple[str, float]] = {
    "cell": ("cell", 1.0),
    "cells": ("cell", 1.0),
    "day": ("day", 1.0),
    "days": ("day", 1.0),
    "hour": ("day", 1 / 24),
    "hours": ("day", 1 / 24),
    "minute": ("day", 1 / 1440),
    "minutes": ("day", 1 / 1440),
    "week": ("day", 7.0),
    "weeks": ("day", 7.0),
    "EC50": ("EC50", 1.0),
    "fold": ("fold", 1.0),
}
_TOKEN = re.compile(r"\s*(?:(\*\*|\^)\s*(-?\d+)|([*/()])|([A-Za-z][A-Za-z0-9]*)|(1))")


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
    tokens: list[tuple[str, str]] = []
    position = 0
    stripped = text.strip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None or len(tokens) > 40:
            raise UnitError(f"`{echo(text)}` is not a unit; write for example 1/day, cell, EC50 or fold/day")
        power, exponent, sign, name, one = match.group(1, 2, 3, 4, 5)
        tokens.append(("^", exponent) if power else (sign, "") if sign else ("name", name or one))
        position = match.end()
    unit, rest = _product(tokens, text)
    if rest:
        raise UnitError(f"`{echo(text)}` is not a unit; write for example 1/day, cell, EC50 or fold/day")
    return unit


def _product(tokens: list[tuple[str, str]], text: str) -> tuple[Unit, list[tuple[str, str]]]:
    unit, tokens = _atom(tokens, text)
    while tokens and tokens[0][0] in ("*", "/"):
        other, rest = _atom(tokens[1:], text)
        unit = unit * other if tokens[0][0] == "*" else unit / other
        tokens = rest
    return unit, tokens


def _atom(tokens: list[tuple[str, str]], text: str) -> tuple[Unit, list[tuple[str, str]]]:
    if not tokens:
        raise UnitError(f"the unit `{echo(text)}` ends too early")
    kind, value = tokens[0]
    if kind == "(":
        unit, rest = _product(tokens[1:], text)
        if not rest or rest[0][0] != ")":
            raise UnitError(f"the unit `{echo(text)}` has a parenthesis that is never closed")
        rest = rest[1:]
    elif kind == "name":
        unit, rest = _named(value), tokens[1:]
    else:
        raise UnitError(f"`{echo(text)}` is not a unit; write for example 1/day, cell, EC50 or fold/day")
    if rest and rest[0][0] == "^":
        exponent = rest[0][1]
        if len(exponent.lstrip("-")) > 1 or not 1e-60 < unit.scale < 1e60:
            raise UnitError(f"the unit `{echo(text)}` has a power beyond ±9")
        unit, rest = unit ** int(exponent), rest[1:]
    return unit, rest


def _named(name: str) -> Unit:
    if name == "1":
        return ONE
    if name not in _MULTIPLES:
        raise UnitError(unknown("unit", name, _MULTIPLES))
    base, scale = _MULTIPLES[name]
    return Unit(base_unit(base).powers, scale)
