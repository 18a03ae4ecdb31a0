"""How sympy's expressions are spelt in the text of a kernel: in doubles, whole powers as products, and with the series
that vectorise in place of powers, exponentials and logarithms."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sympy


@lru_cache(maxsize=1)
def _spelling() -> dict[str, Any]:
    import sympy

    return {name: sympy.Function(name, real=True) for name in ("exponential", "logarithm", "power", "square_root")}


def spell(expression: sympy.Expr) -> sympy.Expr:
    """Powers, exponentials, logarithms and Hill functions in the series that vectorise."""
    import sympy

    if expression.is_Atom:
        return expression
    words = _spelling()
    arguments = [spell(part) for part in expression.args]
    kind = expression.func.__name__
    if isinstance(expression, sympy.Pow) and not expression.exp.is_Integer:
        if expression.exp == sympy.Rational(1, 2):
            return words["square_root"](arguments[0])
        return words["power"](*arguments)
    if kind in ("exp", "log"):
        return words["exponential" if kind == "exp" else "logarithm"](*arguments)
    if kind == "hill":
        value, half, exponent = arguments
        whole = sympy.Function("floored", real=True)(value)
        ratio = words["exponential"](exponent * (words["logarithm"](half) - words["logarithm"](whole)))
        return sympy.Function("step_of", real=True)(value) / (1 + ratio)
    if kind == "step":
        return sympy.Function("step_of", real=True)(*arguments)
    return expression.func(*arguments)


@lru_cache(maxsize=1)
def _printer() -> Any:
    from sympy.printing.precedence import PRECEDENCE
    from sympy.printing.pycode import PythonCodePrinter

    class Printer(PythonCodePrinter):  # type: ignore[misc]
        """Python source in doubles, whole powers as products."""

        def _print_Integer(self, expression: Any) -> str:  # noqa: N802
            return f"{float(expression)!r}"

        def _print_Rational(self, expression: Any) -> str:  # noqa: N802
            return f"({expression.p}.0 / {expression.q}.0)"

        def _print_Pow(self, expression: Any, **_: Any) -> str:  # noqa: N802
            base = self.parenthesize(expression.base, PRECEDENCE["Pow"])
            count = int(expression.exp)
            product = " * ".join([base] * abs(count))
            return f"({product})" if count > 0 else f"(1.0 / ({product}))"

    names = ("exponential", "logarithm", "power", "square_root", "step_of", "floored", "positive")
    return Printer({"fully_qualified_modules": False, "user_functions": {name: name for name in names}})


def written(expression: sympy.Expr) -> str:
    """The text of a spelt expression."""
    return str(_printer().doprint(expression))
