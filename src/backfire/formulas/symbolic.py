"""Formulas as sympy expressions: meaning of functions, derivatives, and how they are spelt in LaTeX and in code.

There are two spellings of code. One is over ``SCALAR_FUNCTIONS``, for one number at a time or numpy's arrays; the other,
for loops that become vector instructions, has whole powers as products and four functions that are themselves plain
arithmetic: ``exponential``, ``logarithm``, ``power``, ``square_root``.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from backfire.formulas.expression import ARITHMETIC, UNIT_CONSTANTS, Expression

if TYPE_CHECKING:
    import sympy


def as_sympy(expression: Expression, whole: bool = False) -> sympy.Expr:
    """The formula over real symbols; with ``whole``, Hill functions are not written out."""
    return _converted(expression.tree, _whole_functions() if whole else _functions())


def symbol(name: str) -> sympy.Symbol:
    """What stands for a name."""
    import sympy

    return sympy.Symbol(name, real=True)


def names_in(expression: sympy.Expr) -> set[str]:
    """The names that an expression reads."""
    return {found.name for found in expression.free_symbols}


@lru_cache(maxsize=8192)
def derivative(expression: sympy.Expr, name: str) -> sympy.Expr:
    """∂expression/∂name. x**n / x would be 0/0 at x = 0 although the limit is fine; it is written as one power."""
    import sympy

    return sympy.powsimp(expression.diff(symbol(name)), combine="exp")


def as_latex(expression: Expression, symbols: Mapping[str, str]) -> str:
    """LaTeX source, with names replaced as in ``symbols``."""
    import sympy

    shown = as_sympy(expression).replace(lambda part: part.func.__name__ == "floored", lambda part: part.args[0])
    shown = shown.replace(
        lambda part: part.func.__name__ == "positive",
        lambda part: sympy.Function(r"\operatorname{max}_0", real=True)(part.args[0]),
    )
    names = {symbol: symbols[symbol.name] for symbol in shown.free_symbols if symbol.name in symbols}
    return str(sympy.latex(shown, symbol_names=names))


@lru_cache(maxsize=8192)
def scalar_code(expression: sympy.Expr) -> str:
    """Python source over ``SCALAR_FUNCTIONS``."""
    return str(_scalar_printer().doprint(expression))


def vector_code(expression: sympy.Expr) -> str:
    """Python source of an expression ``in_series``: all numbers are doubles, whole powers are products."""
    return str(_vector_printer().doprint(expression))


def in_series(expression: sympy.Expr) -> sympy.Expr:
    """Powers, exponentials, logarithms and Hill functions in the series that vectorise."""
    import sympy

    if expression.is_Atom:
        return expression
    words = _series()
    arguments = [in_series(part) for part in expression.args]
    kind = expression.func.__name__
    if isinstance(expression, sympy.Pow) and not expression.exp.is_Integer:
        if expression.exp == sympy.Rational(1, 2):
            return words["square_root"](arguments[0])
        return words["power"](*arguments)
    if kind in ("exp", "log"):
        return words["exponential" if kind == "exp" else "logarithm"](*arguments)
    if kind == "hill":
        value, half, exponent = arguments
        if exponent == 1:
            held = words["floored"](value)
            return words["step_of"](value) * held / (half + held)
        ratio = words["exponential"](exponent * (words["logarithm"](half) - words["logarithm"](words["floored"](value))))
        return words["step_of"](value) / (1 + ratio)
    if kind == "step":
        return words["step_of"](*arguments)
    return expression.func(*arguments)


@lru_cache(maxsize=1)
def _series() -> dict[str, Any]:
    import sympy

    names = ("exponential", "logarithm", "power", "square_root", "step_of", "floored", "positive")
    return {name: sympy.Function(name, real=True) for name in names}


@lru_cache(maxsize=1)
def _functions() -> dict[str, Callable[..., Any]]:
    """The sympy meaning of every function; the three classes below only say how a kink is differentiated."""
    import sympy

    class step(sympy.Function):  # type: ignore[misc]  # noqa: N801
        """1 where x > 0, else 0; its derivative is 0 wherever it exists."""

        def fdiff(self, argindex: int = 1) -> sympy.Expr:  # noqa: ARG002
            return sympy.Integer(0)

    class positive(sympy.Function):  # type: ignore[misc]  # noqa: N801
        """x where x > 0, else 0."""

        def fdiff(self, argindex: int = 1) -> sympy.Expr:  # noqa: ARG002
            return step(self.args[0])

    class floored(sympy.Function):  # type: ignore[misc]  # noqa: N801
        """Like ``positive`` but never exactly 0, so that a power of it has a finite logarithm and derivative."""

        is_positive = True

        def fdiff(self, argindex: int = 1) -> sympy.Expr:  # noqa: ARG002
            return step(self.args[0])

    def hill(value: sympy.Expr, half: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        return floored(value) ** exponent / (half**exponent + floored(value) ** exponent)

    return {
        "exp": sympy.exp,
        "log": sympy.log,
        "sqrt": sympy.sqrt,
        "abs": lambda value: positive(value) + positive(-value),
        "min": lambda left, right: left - positive(left - right),
        "max": lambda left, right: right + positive(left - right),
        "positive": positive,
        "floored": floored,
        "step": step,
        "hill": hill,
    }


@lru_cache(maxsize=1)
def _whole_functions() -> dict[str, Callable[..., Any]]:
    """Like ``_functions``, but with a Hill function that is not written out: H' = n·H·(1 - H) / x."""
    import sympy

    apart = _functions()
    step, floored = apart["step"], apart["floored"]

    class hill(sympy.Function):  # type: ignore[misc]  # noqa: N801
        """xⁿ/(halfⁿ + xⁿ)."""

        def fdiff(self, argindex: int = 1) -> sympy.Expr:
            value, half, exponent = self.args
            rest = self * (1 - self)
            if argindex == 1:
                return exponent * rest * step(value) / floored(value)
            if argindex == 2:
                return -exponent * rest / half
            return rest * (sympy.log(floored(value)) - sympy.log(half))

    return apart | {"hill": hill}


def _converted(node: ast.expr, functions: Mapping[str, Callable[..., Any]]) -> sympy.Expr:
    import sympy

    match node:
        case ast.Constant(value):
            assert isinstance(value, int | float)
            return sympy.Integer(int(value)) if float(value).is_integer() else sympy.Float(value)
        case ast.Name(name):
            return sympy.Integer(1) if name in UNIT_CONSTANTS else symbol(name)
        case ast.UnaryOp(sign, operand):
            return (-1 if isinstance(sign, ast.USub) else 1) * _converted(operand, functions)
        case ast.BinOp(left, sign, right):
            return ARITHMETIC[type(sign)](_converted(left, functions), _converted(right, functions))
        case ast.Call(ast.Name(function), arguments):
            return functions[function](*(_converted(argument, functions) for argument in arguments))
    raise AssertionError("unchecked formula")


@lru_cache(maxsize=1)
def _scalar_printer() -> Any:
    from sympy.printing.pycode import PythonCodePrinter

    class Printer(PythonCodePrinter):  # type: ignore[misc]
        """Numbers instead of named constants."""

        def _print_Exp1(self, _: Any) -> str:  # noqa: N802
            return repr(math.e)

    ours = {word: word for word in ("step", "positive", "floored")}
    return Printer({"fully_qualified_modules": False, "user_functions": ours})


@lru_cache(maxsize=1)
def _vector_printer() -> Any:
    from sympy.printing.precedence import PRECEDENCE
    from sympy.printing.pycode import PythonCodePrinter

    class Printer(PythonCodePrinter):  # type: ignore[misc]
        """Numbers in doubles, whole powers as products."""

        def _print_Integer(self, expression: Any) -> str:  # noqa: N802
            return f"{float(expression)!r}"

        def _print_Rational(self, expression: Any) -> str:  # noqa: N802
            return f"({expression.p}.0 / {expression.q}.0)"

        def _print_Pow(self, expression: Any, **_: Any) -> str:  # noqa: N802
            base = self.parenthesize(expression.base, PRECEDENCE["Pow"])
            count = int(expression.exp)
            product = " * ".join([base] * abs(count))
            return f"({product})" if count > 0 else f"(1.0 / ({product}))"

    return Printer({"fully_qualified_modules": False, "user_functions": {name: name for name in _series()}})
