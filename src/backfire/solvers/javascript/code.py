"""From a network to JavaScript: the lines of the Python code, spelt for a browser.

``pycode`` has taken every derivative and put every line in order; here its checked tree is printed once more. So the page
and the reference solver cannot have different equations, only another spelling. Every name gets a ``$`` in front: a state
may be called ``new`` or ``function``.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from backfire.formulas import Expression
from backfire.model import Network
from backfire.solvers.pycode import generate

_SIGNS: Final[dict[type[ast.operator], str]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_FUNCTIONS: Final = {name: f"Math.{name}" for name in ("exp", "log", "sqrt", "abs", "min", "max")}
"""What JavaScript has; ``positive``, ``hill``, ``step`` and ``floored`` stand in ``solver.js``."""


def javascript(network: Network, alone: Sequence[str] = ()) -> str:
    """An object literal of a network: ``states``, ``observables`` (names), ``rates``, ``jacobian``, ``observe`` and ``alone``.

    ``rates(y, k, out)`` writes dy/dt (n,), ``jacobian(y, k, out)`` its derivative (n·n, row by row) and ``observe(y, k, out)``
    every observable (m,) for the state ``y`` and the constants ``k``, in the order of the network. ``alone`` has functions
    (y, k) of single observables that are looked at often, those of these names that the network has.
    """
    functions = [node for node in ast.parse(generate(network).source).body if isinstance(node, ast.FunctionDef)]
    names = {"states": [*network.state_names], "observables": [*network.observables]}
    fields = [f"{word}: {json.dumps(listed)}" for word, listed in names.items()]
    observe, listed = functions[-1], names["observables"]
    single = (f"{json.dumps(name)}: {_single(observe, listed.index(name))}" for name in alone if name in listed)
    fields += ["\n".join(_function(node)) for node in functions] + [f"alone: {{{', '.join(single)}}}"]
    return "{\n" + ",\n".join(fields) + "\n}"


def javascript_formula(formula: Expression) -> str:
    """A formula over ``$name``, as JavaScript."""
    return _written(ast.parse(formula.code, mode="eval").body)


def solver_source() -> str:
    """The text of the solver, after the coefficients of its two methods."""
    return f"const TABLEAUS = {json.dumps(_tableaus())};\n{Path(__file__).with_name('solver.js').read_text(encoding='utf-8')}"


def _tableaus() -> dict[str, Any]:
    """The explicit pair as SciPy has it, and Rodas5P as the batch solver has it: no coefficient is written twice."""
    from scipy.integrate import RK45

    from backfire.solvers.batch import tableau

    pair = {"a": RK45.A.tolist(), "b": RK45.B.tolist(), "e": RK45.E.tolist(), "p": RK45.P.tolist()}
    return {"pair": pair, "rodas": {"gamma": tableau.GAMMA, "a": tableau.A, "c": tableau.C, "h": tableau.H}}


def _function(node: ast.FunctionDef) -> Iterator[str]:
    """A method that writes into ``out`` what the Python function gives."""
    yield f"{node.name}(y, k, out) {{"
    for line in node.body:
        match line:
            case ast.Assign([ast.List(names)], ast.Name(source)):
                array = {"state": "y", "constants": "k"}[source]
                yield from (f"  const ${_name(item)} = {array}[{place}];" for place, item in enumerate(names))
            case ast.Assign([ast.Name(name)], value):
                yield f"  const ${name} = {_written(value)};"
            case ast.Return(ast.List(items) | ast.Tuple(items)):
                rows = [part for item in items for part in (item.elts if isinstance(item, ast.List) else [item])]
                yield from (f"  out[{place}] = {_written(item)};" for place, item in enumerate(rows))
            case _:
                raise AssertionError(ast.unparse(line))
    yield "}"


def _single(observe: ast.FunctionDef, place: int) -> str:
    """A function of one item of what ``observe`` gives, with no line that it does not need."""
    *lines, last = observe.body
    assert isinstance(last, ast.Return)
    assert isinstance(last.value, ast.Tuple)
    needed, body = _names(last.value.elts[place]), [f"return {_written(last.value.elts[place])};"]
    for line in reversed(lines):
        match line:
            case ast.Assign([ast.List(names)], ast.Name(source)):
                array = {"state": "y", "constants": "k"}[source]
                body += [f"const ${_name(item)} = {array}[{at}];" for at, item in enumerate(names) if _name(item) in needed]
            case ast.Assign([ast.Name(name)], value) if name in needed:
                needed |= _names(value)
                body.append(f"const ${name} = {_written(value)};")
    return f"(y, k) => {{ {' '.join(reversed(body))} }}"


def _names(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _name(node: ast.expr) -> str:
    assert isinstance(node, ast.Name)
    return node.id


def _written(node: ast.expr) -> str:
    match node:
        case ast.Constant(value):
            assert isinstance(value, int | float)
            return repr(float(value))
        case ast.Name(name):
            return f"${name}"
        case ast.UnaryOp(sign, operand):
            return f"({'-' if isinstance(sign, ast.USub) else '+'}{_written(operand)})"
        case ast.BinOp(base, ast.Pow(), power):
            return f"Math.pow({_written(base)}, {_written(power)})"
        case ast.BinOp(left, sign, right):
            return f"({_written(left)} {_SIGNS[type(sign)]} {_written(right)})"
        case ast.Call(ast.Name(function), arguments):
            return f"{_FUNCTIONS.get(function, function)}({', '.join(map(_written, arguments))})"
    raise AssertionError(ast.unparse(node))
