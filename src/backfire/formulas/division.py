"""A formula divided by a name that it vanishes with, and a sum told apart by the names that its terms vanish with.

What is divided is the tree, not the numbers: the rate of a process over the cells it works on is a formula of its own,
``growth_rate * (1 - burden / capacity)`` for ``growth_rate * active * (1 - burden / capacity)``, with a value where there are
no cells, where the quotient of the numbers would be 0/0. All names are amounts ≥ 0.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from backfire.formulas.expression import Expression, parse

Lines = Mapping[str, Expression]


def divided(expression: Expression, name: str, lines: Lines) -> Expression | None:
    """``expression / name`` where the name cancels, else None; ``lines`` are written out where it stands in none but them."""
    node = _divide(expression.tree, name, {}) or _divide(expression.tree, name, lines)
    return None if node is None else _formula(node)


def apportioned(expression: Expression, names: Sequence[str], lines: Lines) -> list[tuple[str, Expression]]:
    """The terms of which ``expression`` is the sum, as pairs (name, term / name) with the first of ``names`` that each vanishes
    with; a term that vanishes with none stands whole beside ""."""
    return [(name, _formula(node)) for name, node in _apportion(expression.tree, names, lines)]


def added(parts: Sequence[tuple[str, Expression]]) -> Expression:
    """The sum of signed formulas, each ``("+" or "-", formula)``; 0 of none."""
    text = " ".join(f"{sign} ({part.text})" for sign, part in parts).removeprefix("+ ")
    return parse(text or "0", limited=False)


def never_negative(expression: Expression, lines: Lines) -> bool:
    """True if the formula, all of whose names but ``lines`` are ≥ 0, is so by the way it is written; False leaves it open."""
    return _never_negative(expression.tree, lines)


def _formula(node: ast.expr) -> Expression:
    return parse(ast.unparse(ast.fix_missing_locations(node)), limited=False)


def _times(left: ast.expr, sign: ast.operator, right: ast.expr) -> ast.expr:
    """A product or quotient without a factor of 1."""
    if isinstance(sign, ast.Mult) and isinstance(left, ast.Constant) and left.value == 1:
        return right
    if isinstance(right, ast.Constant) and right.value == 1:
        return left
    return ast.BinOp(left, sign, right)


def _divide(node: ast.expr, name: str, lines: Lines) -> ast.expr | None:
    """The tree of node / name; None unless the name cancels."""
    match node:
        case ast.Name(found):
            return ast.Constant(1) if found == name else _divide(lines[found].tree, name, lines) if found in lines else None
        case ast.Constant(number):
            return None if number else node
        case ast.UnaryOp(sign, operand):
            quotient = _divide(operand, name, lines)
            return None if quotient is None else ast.UnaryOp(sign, quotient)
        case ast.BinOp(left, ast.Mult() as sign, right):
            first = _divide(left, name, lines)
            other = _divide(right, name, lines) if first is None else None
            return _times(first, sign, right) if first else _times(left, sign, other) if other else None
        case ast.BinOp(left, ast.Div() as sign, right):
            quotient = _divide(left, name, lines)
            return None if quotient is None else _times(quotient, sign, right)
        case ast.BinOp(base, ast.Pow() as sign, ast.Constant(power)) if isinstance(power, int | float) and power >= 1:
            quotient = _divide(base, name, lines)
            rest = _times(base, sign, ast.Constant(power - 1)) if power > 1 else ast.Constant(1)
            return None if quotient is None else _times(quotient, ast.Mult(), rest)
        case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right):
            quotients = [_divide(part, name, lines) for part in (left, right)]
            return None if None in quotients else ast.BinOp(quotients[0], sign, quotients[1])  # type: ignore[arg-type]
        case ast.Call(ast.Name("positive" | "abs" | "min" | "max"), arguments):
            quotients = [_divide(part, name, lines) for part in arguments]
            return None if None in quotients else ast.Call(node.func, quotients, [])  # type: ignore[arg-type]
    return None


def _apportion(node: ast.expr, names: Sequence[str], lines: Lines) -> list[tuple[str, ast.expr]]:
    for name in names:
        quotient = _divide(node, name, {}) or _divide(node, name, lines)
        if quotient is not None:
            return [(name, quotient)]
    found: list[tuple[str, ast.expr]] = []
    match node:
        case ast.UnaryOp(sign, operand):
            found = [(name, ast.UnaryOp(sign, part)) for name, part in _apportion(operand, names, lines)]
        case ast.BinOp(left, ast.Add(), right):
            found = [*_apportion(left, names, lines), *_apportion(right, names, lines)]
        case ast.BinOp(left, ast.Sub(), right):
            found = [*_apportion(left, names, lines), *_apportion(ast.UnaryOp(ast.USub(), right), names, lines)]
        case ast.BinOp(left, ast.Mult() | ast.Div() as sign, right):
            found = [(name, _times(part, sign, right)) for name, part in _apportion(left, names, lines)]
            if isinstance(sign, ast.Mult) and not any(name for name, _ in found):
                found = [(name, _times(left, sign, part)) for name, part in _apportion(right, names, lines)]
        case ast.Name(line) if line in lines:
            found = _apportion(lines[line].tree, names, lines)
    return found if any(name for name, _ in found) else [("", node)]


def _never_negative(node: ast.expr, lines: Lines) -> bool:
    match node:
        case ast.Constant(value):
            return isinstance(value, int | float) and value >= 0
        case ast.Name(name):
            return name not in lines or _never_negative(lines[name].tree, lines)
        case ast.BinOp(left, ast.Add() | ast.Mult() | ast.Div(), right):
            return _never_negative(left, lines) and _never_negative(right, lines)
        case ast.BinOp(base, ast.Pow(), _):
            return _never_negative(base, lines)
        case ast.Call(ast.Name("min"), arguments):
            return all(_never_negative(part, lines) for part in arguments)
        case ast.Call(ast.Name("max"), arguments):
            return any(_never_negative(part, lines) for part in arguments)
        case ast.Call(ast.Name(function)):
            return function in ("positive", "abs", "exp", "sqrt", "hill")
    return False
