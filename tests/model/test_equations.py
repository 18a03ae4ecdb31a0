"""The chain rule over the lines of a network, against sympy's derivative of the whole."""

from __future__ import annotations

import random

import pytest
import sympy

from backfire.formulas.symbolic import as_sympy, names_in, symbol
from backfire.model.components import Definition, Process, State
from backfire.model.equations import Slopes, balance, differentiate
from backfire.model.network import Network
from networks import built, everything, parameter, working_network


def lines_of(network: Network) -> dict[str, sympy.Expr]:
    return {line.name: as_sympy(line.expression) for line in network.assignments}


def slopes_of(network: Network) -> Slopes:
    return differentiate(network, lines_of(network))


def two() -> Network:
    return built(
        parameter("a", 2.0, "1/day"),
        State("x", "1", "m", 1.0),
        State("y", "1", "m", 1.0),
        Definition("fixed", "a * day", "1", "m"),
        Definition("product", "fixed * x * y ** 2", "1", "m"),
        Process("flow", "k", "a * product + a * x", "m", leaves="x", enters="y"),
        Process("decay", "k", "a", "m", leaves="y"),
    )


def test_a_chain_written_by_hand() -> None:
    slopes = slopes_of(two())
    a, fixed, x, y = (symbol(name) for name in ("a", "fixed", "x", "y"))
    assert dict(slopes.partials["product"]) == {"x": fixed * y**2, "y": 2 * fixed * x * y}
    assert dict(slopes.partials["flow"]) == {"product": a, "x": a}
    assert dict(slopes.partials["fixed"]) == dict(slopes.partials["decay"]) == {}
    assert dict(slopes.chain) == {
        "d__product__d__x": [(fixed * y**2, None)],
        "d__product__d__y": [(2 * fixed * x * y, None)],
        "d__flow__d__x": [(a, "d__product__d__x"), (a, None)],
        "d__flow__d__y": [(a, "d__product__d__y")],
    }
    assert dict(slopes.jacobian) == {
        (0, 0): [(-1, "d__flow__d__x")], (0, 1): [(-1, "d__flow__d__y")],
        (1, 0): [(1, "d__flow__d__x")], (1, 1): [(1, "d__flow__d__y")],
    }  # fmt: skip


def check(network: Network) -> None:
    """The rates with all lines put in, differentiated whole, at one point off every kink."""
    lines, slopes, draw = lines_of(network), slopes_of(network), random.Random(3)
    point = {name: draw.uniform(1.1, 3.0) for name in (*network.state_names, *network.constant_names)}
    known = {symbol(name): sympy.Float(value, 30) for name, value in point.items()}
    at_once: dict[str, sympy.Expr] = {}
    for name, expression in lines.items():
        at_once[name] = expression.subs({symbol(other): at_once[other] for other in names_in(expression) & at_once.keys()})
    values = {name: _number(expression.subs(known)) for name, expression in at_once.items()}
    everything_known = known | {symbol(name): value for name, value in values.items()}
    chain: dict[str, sympy.Expr] = {}
    for name, terms in slopes.chain.items():
        chain[name] = sum(_number(partial.subs(everything_known)) * (chain[inner] if inner else 1) for partial, inner in terms)
    for row, flows in enumerate(network.equations.values()):
        for column, state in enumerate(network.state_names):
            wanted = sum(sign * _number(at_once[process].diff(symbol(state)).subs(known)) for sign, process in flows)
            found = sum(sign * chain[name] for sign, name in slopes.jacobian.get((row, column), ()))
            assert float(found) == pytest.approx(float(wanted), rel=1e-12, abs=1e-12), (row, state)


def _number(expression: sympy.Expr) -> sympy.Expr:
    """The kinks as numbers: positive and floored of a number above 0 are the number, its step is 1."""
    for name, meaning in (("positive", lambda x: sympy.Max(x, 0)), ("floored", lambda x: x), ("step", sympy.Heaviside)):
        expression = expression.replace(
            lambda part, name=name: part.func.__name__ == name, lambda part, meaning=meaning: meaning(part.args[0])
        )
    return sympy.N(expression, 30)


@pytest.mark.parametrize("label", ["dissemination", "hibernation", "stroma"])
def test_chains_of_shipped_mechanisms(label: str) -> None:
    """Each of these holds a kink, a power or a Hill function; generated code is checked for all, in ``test_pycode``."""
    check(working_network(label))


def test_every_name_of_a_chain_stands_above_where_it_is_read() -> None:
    slopes, seen = slopes_of(everything()), set[str]()
    for name, terms in slopes.chain.items():
        assert {inner for _, inner in terms if inner} <= seen
        seen.add(name)
    assert {name for signed in slopes.jacobian.values() for _, name in signed} <= seen


def test_balances_as_text() -> None:
    assert balance([(1, "growth"), (-1, "kill")]) == "growth - kill"
    assert balance([(-1, "kill"), (1, "growth")]) == "- kill + growth"
    assert balance([]) == "0"
