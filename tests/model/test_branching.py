"""Tumour cells as a branching process: what one cell does is read off the processes of a network, as formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.formulas import parse
from backfire.formulas.division import apportioned, divided, never_negative
from backfire.model import Definition, Process, State
from backfire.model.branching import branching
from backfire.scenario.scenario import load, shipped_scenarios
from backfire.solvers import evaluate
from networks import built, everything, parameter

LINES = {"crowd": parse("x / room"), "total": parse("x + y"), "rest": parse("1 - total / room")}
KNOWN = {"x": 3.0, "y": 5.0, "k": 0.7, "room": 11.0}


def numbers(x: float) -> dict[str, float]:
    known = {**KNOWN, "x": x}
    for name, line in LINES.items():
        known[name] = line.value(known)
    return known


@pytest.mark.parametrize(
    ("formula", "at_none"),
    [
        ("k * x", 0.7), ("x", 1.0), ("x * rest", 1 - 5 / 11), ("k * crowd", 0.7 / 11), ("crowd * x", 0.0), ("x ** 2 / (k + x)", 0.0),
        ("k * x * (1 + x) ** (k - 1)", 0.7), ("-(x / (k + x))", -1 / 0.7), ("k * x + x * y", 5.7), ("positive(x - 2 * crowd)", 9 / 11),
        ("min(x, k * x)", 0.7), ("0 * y", 0.0),
    ],
)  # fmt: skip
def test_a_rate_per_cell_is_the_quotient_and_has_a_value_without_cells(formula: str, at_none: float) -> None:
    rate = parse(formula)
    quotient = divided(rate, "x", LINES)
    assert quotient is not None
    for x in (1e-3, 1.0, 40.0):
        assert quotient.value(numbers(x)) == pytest.approx(rate.value(numbers(x)) / x, rel=1e-12, abs=1e-15)
    assert quotient.value(numbers(0.0)) == pytest.approx(at_none, abs=1e-15)


@pytest.mark.parametrize(
    "formula", ["k", "k + x", "x ** 0.5", "hill(x, k, 1)", "exp(x) - 1", "y / x", "min(x, k)", "x ** k", "rest"]
)
def test_what_does_not_vanish_with_the_cells_is_not_divided(formula: str) -> None:
    assert divided(parse(formula), "x", LINES) is None


@given(st.floats(0.1, 9), st.floats(0.1, 9))
def test_terms_add_up_to_the_whole(x: float, y: float) -> None:
    for text in ("k * total * rest", "k * x - 2 * y + k", "(x + y) / room * (1 + x)", "total", "x * y + k"):
        known = numbers(x) | {"y": y}
        known |= {name: line.value(known) for name, line in LINES.items()}
        parts = apportioned(parse(text), ["x", "y"], LINES)
        found = sum(part.value(known) * known.get(name, 1.0) for name, part in parts)
        assert found == pytest.approx(parse(text).value(known), rel=1e-12, abs=1e-12)


def test_never_negative_is_a_proof() -> None:
    assert all(
        never_negative(parse(text), LINES) for text in ("k * x / room", "hill(x, k, 2) + exp(-x)", "total ** 2", "max(0, k - x)")
    )
    assert not any(never_negative(parse(text), LINES) for text in ("k - x", "rest", "-x", "log(x)", "min(x, k - x)", "x * rest"))


@pytest.mark.parametrize("name", shipped_scenarios())
def test_rates_per_cell_put_together_are_the_equations(name: str) -> None:
    """Σ rate × cells over everything that one cell can do is the right-hand side of the network, in every shipped scenario."""
    network = load(shipped_scenarios()[name]).network
    check(network)


def test_so_it_is_for_all_mechanisms_together() -> None:
    check(everything())


def check(network: object) -> None:
    process = branching(network)  # type: ignore[arg-type]
    assert process.types
    assert not process.refused
    rng = np.random.default_rng(1)
    values: dict[str, float] = {name: float(rng.uniform(0.2, 2)) for name in network.constant_names}  # type: ignore[attr-defined]
    values |= {name: float(rng.uniform(0.5, 4)) for name in network.state_names}  # type: ignore[attr-defined]
    for line in network.assignments:  # type: ignore[attr-defined]
        values[line.name] = float(evaluate(line.expression, values))
    gained = dict.fromkeys(process.types, 0.0)
    for item in process.rates:
        flow = float(evaluate(item.rate, values)) * (values[item.of] if item.of else 1.0)
        if item.kind in ("death", "switch"):
            gained[item.of] -= flow
        if item.into:
            gained[item.into] += flow
    for cells in process.types:
        terms = network.equations[cells]  # type: ignore[attr-defined]
        assert gained[cells] == pytest.approx(sum(sign * values[flow] for sign, flow in terms), rel=1e-9, abs=1e-12)


def cells(name: str) -> State:
    return State(name, "cell", "for a test", 10.0, counts_in="burden")


def test_kinds_of_what_a_cell_does() -> None:
    network = built(
        parameter("k", 1.0, "1/day"), parameter("inflow", 2.0, "cell/day"), cells("a"), cells("b"), State("host", "cell", "host", 1.0),
        Process("growth", "growth", "k * a", "grows", enters="a"),
        Process("loss", "kill", "k * b", "dies", leaves="b"),
        Process("change", "switch", "k * a", "changes", leaves="a", enters="b"),
        Process("seeding", "seeding", "k * a + inflow", "seeds", enters="b"),
        Process("transformed", "other", "k * host", "turns", leaves="host", enters="a"),
        Process("eaten", "other", "k * a * (host / cell)", "joins the host", leaves="a", enters="host"),
    )  # fmt: skip
    found = {(item.kind, item.of, item.into, item.process) for item in branching(network).rates}
    assert found == {
        ("birth", "a", "a", "growth"), ("death", "b", "", "loss"), ("switch", "a", "b", "change"), ("seeding", "a", "b", "seeding"),
        ("arrival", "", "b", "seeding"), ("arrival", "", "a", "transformed"), ("death", "a", "", "eaten"),
    }  # fmt: skip


def test_what_is_no_rate_per_cell_is_refused_in_words() -> None:
    network = built(
        parameter("k", 1.0, "cell/day"), cells("a"), Process("loss", "kill", "k * hill(a, 1 * cell, 1)", "dies", leaves="a")
    )
    assert branching(network).refused == "the rate of `loss` does not vanish with `a`"
    share = built(State("a", "1", "a share", 0.5, counts_in="burden"), Definition("twice", "2 * a", "1", "for a test"))
    assert "not counted in cells" in branching(share).refused
    lasting = built(State("a", "cell", "cells", 5.0, counts_in="burden", counted=False), cells("b"))
    assert branching(lasting).refused == "`a` never dies out"
