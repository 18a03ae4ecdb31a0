"""The laws of composition, and the lessons of a composition that fails."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.errors import CompositionError
from backfire.mechanisms import shipped
from backfire.mechanisms.growth import Growth
from backfire.mechanisms.hibernation import Hibernation
from backfire.mechanisms.kill import Kill
from backfire.mechanisms.pharmacology import Pharmacology
from backfire.model.components import Definition, Influence, Intervention, Mechanism, Part, Process, State
from backfire.model.dosing import Event, Regimen, event_table
from backfire.model.network import Network, compose, reached
from backfire.solvers import pycode as codegen
from backfire.solvers.reference import Settings
from networks import Built, built, completed, everything, last, parameter, run, trajectory_of, values_of, without, working_network

DRUG = (Growth(), Pharmacology(("drug",)), Kill(by=("drug",)))
TWO_DRUGS = (
    Growth(),
    Pharmacology(("first", "second")),
    Kill(by=("first", "second")),
    Hibernation(driven_by=("first", "second")),
)


def bits(network: Network, days: float = 20.0, events: tuple[Event, ...] = (), **changes: float) -> bytes:
    """Everything a run records, as bytes."""
    solution = run(network, [days / 2, days], changes, events, Settings())
    assert solution.status.good, solution.message
    return np.array(solution.times).tobytes() + np.array(solution.states).tobytes()


# Order.


@given(st.permutations(sorted(shipped())))
def test_the_order_of_mechanisms_changes_nothing(order: list[str]) -> None:
    reference = everything()
    again = compose({label: reference.mechanisms[label] for label in order})
    assert again.fingerprint() == reference.fingerprint()
    assert again.state_names == reference.state_names
    assert again.constant_names == reference.constant_names
    assert list(again.observables) == list(reference.observables)
    assert again.assignments == reference.assignments
    assert codegen.write_source(again).splitlines()[:50] == codegen.write_source(reference).splitlines()[:50]


@given(st.permutations(range(4)))
def test_the_order_of_mechanisms_changes_no_bit_of_a_run(order: list[int]) -> None:
    events = (Event(1.0, "first", 1.0, 4.0), Event(3.0, "second", 1.0, 2.0))
    assert bits(compose([TWO_DRUGS[index] for index in order]), 20.0, events) == bits(compose(TWO_DRUGS), 20.0, events)


@given(st.permutations(["alpha", "beta", "gamma"]))
def test_the_order_of_agents_changes_nothing(order: list[str]) -> None:
    one = compose([Growth(), Pharmacology(tuple(order)), Kill(by=tuple(reversed(order)))])
    other = compose([Growth(), Pharmacology(("alpha", "beta", "gamma")), Kill(by=("alpha", "beta", "gamma"))])
    assert one.fingerprint() == other.fingerprint()
    assert codegen.write_source(one) == codegen.write_source(other)


def test_equal_fingerprints_mean_equal_code() -> None:
    """Code is cached under the fingerprint, so nothing that the code says may be missing from it."""
    base = Built((parameter("rate", 1.0, "1/day"), State("x", "1", "for a test", 1.0), State("y", "1", "for a test", 1.0)))
    first = Built((Process("to_x", "flow", "2 * rate", "for a test", enters="x"),))
    second = Built((Process("to_y", "flow", "3 * rate", "for a test", enters="y"),))
    one = compose({"base": base, "m": first, "n": second})
    other = compose({"base": base, "m": second, "n": first})
    assert list(one.observables) != list(other.observables) or codegen.write_source(one) == codegen.write_source(other)
    for network in (one, other):
        seen = dict(zip(network.observables, codegen.generate(network).observe([np.ones(1), np.ones(1)], [1.0]), strict=True))
        assert (seen["to_x"], seen["to_y"]) == (2, 3)


@pytest.mark.parametrize("label", ["switch", "effect", "a_b"])
def test_labels_cannot_mix_up_influences(label: str) -> None:
    """Influences of the same name under look-alike labels keep their own factors."""

    def influence(factor: str) -> Built:
        return Built((Influence("changes", "growth", factor, "for a test"),))

    network = compose(
        {"growth": Growth(law="exponential"), label: influence("2"), "effect" if label != "effect" else "b": influence("3")}
    )
    changes = {"starting_cells": 1e6, "growth_rate": 0.1}
    assert last(network, run(network, [5], changes))["active"] == pytest.approx(1e6 * math.exp(0.1 * 6 * 5), rel=1e-8)


# Influences.


def _influences() -> list[tuple[str, str]]:
    return [
        (label, part.name) for label, kind in shipped().items() for part in kind.example().parts() if isinstance(part, Influence)
    ]


@pytest.mark.parametrize(("label", "influence"), _influences())
def test_a_switch_at_zero_is_as_if_the_influence_did_not_exist(label: str, influence: str) -> None:
    network = working_network(label)
    bare = without(network, label, influence)
    assert set(network.switches) - set(bare.switches) == {f"{label}.{influence}"}
    agents = [state.name for state in network.states if state.name in network.interventions]
    events = tuple(Event(2.0, agent, 1.0, 4.0) for agent in agents)
    # an explicit method, whose numbers hang on the rates alone
    settings = Settings(method="DOP853", relative=1e-6)
    off = run(network, [10, 20], {f"{label}.{influence}": 0.0}, events, settings)
    absent = run(bare, [10, 20], {}, events, settings)
    on = run(network, [10, 20], {}, events, settings)
    assert off.status.good
    assert off.times == absent.times
    assert np.array(off.states).tobytes() == np.array(absent.states).tobytes()
    if network.switches[f"{label}.{influence}"].targets and events:
        assert np.array(on.states).tobytes() != np.array(off.states).tobytes()


@given(st.floats(0.0, 1.0), st.floats(0.1, 5.0))
def test_a_switch_interpolates(switch: float, factor: float) -> None:
    """rate × (1 + s (f - 1)), against the closed form of exponential growth."""
    network = compose(
        {
            "growth": Growth(law="exponential"),
            "test": Built((parameter("strength", factor), Influence("changes", "growth", "strength", "for a test"))),
        }
    )
    found = last(
        network, run(network, [10], {"growth_rate": 0.1, "starting_cells": 1e6, "test.changes": switch, "strength": factor})
    )
    assert found["active"] == pytest.approx(1e6 * math.exp(10 * 0.1 * (1 + switch * (factor - 1))), rel=1e-8)


def test_influences_on_one_kind_multiply() -> None:
    network = compose(
        {
            "growth": Growth(law="exponential"),
            "one": Built((Influence("changes", "growth", "3", "for a test"),)),
            "two": Built((Influence("changes", "growth", "0.5", "for a test"),)),
        }
    )
    found = last(network, run(network, [10], {"growth_rate": 0.1, "starting_cells": 1e6}))
    assert found["active"] == pytest.approx(1e6 * math.exp(1.5), rel=1e-8)


# Conservation.


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 10))
def test_hibernation_conserves_cells(entering: float, on_drug: float, off_drug: float, dose: float) -> None:
    network = compose([Growth(), Pharmacology(("drug",)), Hibernation(driven_by=("drug",))])
    rates = {"hibernation_rate": entering, "waking_rate_on_drug": on_drug, "waking_rate_off_drug": off_drug}
    assert {"growth_rate", "hibernating_death_rate", *rates} <= network.parameters.keys()
    still = {"growth_rate": 0.0, "hibernating_death_rate": 0.0, "starting_cells": 1e7}
    days = np.linspace(0, 60, 13).tolist()
    trajectory = trajectory_of(network, run(network, days, {**rates, **still}, (Event(5.0, "drug", 1.0, dose),), Settings()))
    total = trajectory["active"] + trajectory["hibernating"]
    # the last cell of a compartment that empties is gone: one cell of ten million, never more
    assert total == pytest.approx(1e7, rel=1e-12, abs=1 + 1e-5)
    assert trajectory["burden"] == pytest.approx(total, rel=1e-15)
    assert (trajectory["hibernating"] >= 0).all()


def test_what_leaves_one_state_enters_another() -> None:
    """Every process stands once for each of its ends in the equations, with the right sign."""
    network = everything()
    ends = {
        (sign, process.name, state)
        for process in network.processes
        for sign, state in ((1, process.enters), (-1, process.leaves))
        if state is not None
    }
    assert {(sign, process, state) for state, terms in network.equations.items() for sign, process in terms} == ends


# Units.


@given(st.floats(1e-6, 1e6))
def test_rescaling_drugs_changes_no_burden(factor: float) -> None:
    """Doses, half effects and levels in another unit of concentration."""
    network = completed({"growth": Growth(), "kill": Kill(by=("mitoxantrone",)), "stroma": shipped()["stroma"].example()})
    drugs = {name: item.value for name, item in network.parameters.items() if item.unit == "EC50"}
    assert len(drugs) >= 2
    days = [3.0, 7.0, 20.0]

    def burdens(scale: float) -> Any:
        settings = Settings(absolute=1e-12 * min(scale, 1.0))
        changes = {name: value * scale for name, value in drugs.items()}
        solution = run(network, days, changes, (Event(1.0, "mitoxantrone", 1.0, 4.0 * scale),), settings)
        column = network.state_names.index("active")
        return [float(solution.states[solution.times.index(day)][column]) for day in days]

    assert burdens(factor) == pytest.approx(burdens(1.0), rel=1e-6)


@given(st.floats(1e-3, 1e6))
def test_rescaling_cells_scales_the_burden(factor: float) -> None:
    """Start, capacity and every other number of cells; far from the extinction of single cells."""
    network = compose(DRUG)
    cells = {name: item.value for name, item in network.parameters.items() if item.unit == "cell"}
    assert set(cells) == {"starting_cells", "capacity"}
    events = (Event(1.0, "drug", 1.0, 4.0),)
    one = last(network, run(network, [20], {}, events, Settings(cells=1e-3)))
    other = last(network, run(network, [20], {name: value * factor for name, value in cells.items()}, events, Settings()))
    assert other["active"] == pytest.approx(factor * one["active"], rel=1e-6)
    assert other["drug"] == pytest.approx(one["drug"], rel=1e-6, abs=1e-9)


@given(st.sampled_from([24.0, 7.0, 1 / 24, 1 / 7, 1440.0]))
def test_rescaling_time_changes_no_value(factor: float) -> None:
    """All rates × c and all days / c, as if the clock showed hours."""
    network = completed({"growth": Growth(), "kill": Kill(by=("mitoxantrone",)), "stroma": shipped()["stroma"].example()})
    rates = {name: item.value * factor for name, item in network.parameters.items() if item.unit == "1/day"}
    assert {item.unit for item in network.parameters.values()} <= {"1", "cell", "EC50", "fold", "1/day"}
    regimen = Regimen("doses", "mitoxantrone", start=3, amount=4, every=5, count=3)
    fast = dataclasses.replace(regimen, start=3 / factor, every=5 / factor)

    def course(changes: dict[str, float], given_regimen: Regimen, end: float) -> list[float]:
        events = event_table([given_regimen], network.interventions, values_of(network, changes), end)
        solution = run(network, [end], changes, events, Settings())
        return [float(value) for value in solution.states[-1]]

    assert course(rates, fast, 30 / factor) == pytest.approx(course({}, regimen, 30.0), rel=1e-6, abs=1e-9)


# Doses superpose where the model is linear.

doses = st.lists(st.tuples(st.integers(0, 80).map(lambda step: step / 4), st.floats(0.1, 10)), min_size=1, max_size=4)


@given(doses, doses, st.floats(0.1, 3))
def test_drug_levels_superpose(first: list[tuple[float, float]], second: list[tuple[float, float]], rate: float) -> None:
    network = compose([Pharmacology(("drug",))])
    settings = Settings(relative=1e-12, absolute=1e-15)
    days = [5.1, 12.3, 21.0]

    def levels(given_doses: list[tuple[float, float]]) -> Any:
        regimens = [Regimen(f"r{index}", "drug", start=day, amount=amount) for index, (day, amount) in enumerate(given_doses)]
        events = event_table(regimens, network.interventions, values_of(network), 21.0)
        solution = run(network, days, {"drug_elimination_rate": rate}, events, settings)
        return np.array([solution.states[solution.times.index(day)][0] for day in days])

    together = levels([*first, *second])
    assert together == pytest.approx(levels(first) + levels(second), rel=1e-9, abs=1e-12)
    exactly = [
        sum(amount * math.exp(-rate * (day - start)) for start, amount in [*first, *second] if start <= day) for day in days
    ]
    assert together == pytest.approx(np.array(exactly), rel=1e-9, abs=1e-12)


# Lessons.

RATE = parameter("rate", 1.0, "1/day")
X = State("x", "1", "for a test", 1.0)


@dataclass(frozen=True)
class Unfinished(Mechanism):
    label: ClassVar[str] = "unfinished"


def lesson(*pieces: Part) -> str:
    with pytest.raises(CompositionError) as caught:
        built(*pieces)
    return str(caught.value)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((RATE, X, Process("loss", "loss", "rat * x", "m", leaves="x")), ("`loss`", "reads `rat`", "did you mean `rate`")),
        ((RATE, X, Process("loss", "loss", "rate * x", "m", leaves="xx")), ("unknown state `xx`", "built")),
        ((RATE, State("cells", "cell", "m", "start_cells"), parameter("starting_cells", 1.0, "cell")), ("did you mean `starting_cells`",)),
        ((RATE, State("cells", "cell", "m", "rate")), ("starts at `rate`", "another unit")),
        ((RATE, X, RATE), ("`rate` is already owned by mechanism `built`", "one name has one owner")),
        ((RATE, X, Process("loss", "loss", "rate", "m", leaves="x"), Influence("a", "los", "1", "m")), ("built: influence `a`", "did you mean `loss`")),
        ((RATE, X, Definition("d", "x", "1", "m"), Influence("a", "d", "1", "m")), ("acts on `d`", "nothing here provides")),
        ((State("pd_l1", "fold", "m", 1.0), Influence("a", "excess_pd_l1", "1", "m")), ('yield backfire.model.excess("pd_l1")',)),
        ((RATE, X, Definition("d", "rate", "1", "m")), ("definition `d`", "has unit 1/day, must be 1")),
        ((RATE, X, Definition("d", "rate + x", "1", "m")), ("`rate` has unit 1/day", "`x` has unit 1")),
        ((RATE, X, Process("loss", "loss", "x", "m", leaves="x")), ("process `loss`", "must be 1/day")),
        ((RATE, X, Process("loss", "loss", "rate", "m", leaves="x"), Influence("a", "loss", "rate", "m")), ("built: influence `a`", "must be 1")),
        ((X, State("y", "cell", "m"), RATE, Process("flow", "flow", "rate * x", "m", leaves="x", enters="y")), ("different units",)),
        ((State("y", "cell", "m", counts_in="all"), State("z", "1", "m", counts_in="all")), ("`all` would add states of different units",)),
        ((State("y", "cell", "m", counts_in="all"), Definition("all", "y", "cell", "m")), ("`all` is both a total",)),
        ((X, Definition("d", "exp(", "1", "m")), ("definition `d`", "is not a formula")),
        ((X, Intervention("cut", "m", multiplies={"xx": "0"})), ("intervention `cut`", "unknown state or total `xx`")),
        ((X, RATE, Intervention("cut", "m", multiplies={"rate": "0"})), ("intervention `cut`", "unknown state or total `rate`")),
        ((State("y", "cell", "m", counts_in="all"), Intervention("cut", "m", adds={"all": "1"})), ("intervention `cut`", "unknown state or total `all`")),
        ((X, Intervention("cut", "m", multiplies={"x": "rate"}), RATE), ("intervention `cut`", "must be 1")),
        ((X, Intervention("cut", "m", adds={"x": "amount"})), ("intervention `cut`", "reads `amount`")),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_explained(pieces: tuple[Part, ...], words: tuple[str, ...]) -> None:
    text = lesson(*pieces)
    for word in words:
        assert word in text
    assert len(text.splitlines()) <= 2


def test_circles_are_named() -> None:
    text = lesson(X, Definition("a", "b", "1", "m"), Definition("b", "c", "1", "m"), Definition("c", "a", "1", "m"))
    assert text.startswith("circular definition")
    assert all(name in text for name in "abc")


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(CompositionError) as caught:
        built(
            RATE,
            X,
            Process("one", "k", "rat", "m", enters="x"),
            Process("two", "k", "x", "m", enters="x"),
            Influence("i", "kk", "1", "m"),
        )
    assert len(caught.value.problems) == 3
    assert len(str(caught.value).splitlines()) == 3


def test_long_formulas_fail_as_problems_too() -> None:
    """A formula within the limits that grows beyond them under an influence is still explained, not thrown."""
    groups = ["+".join(f"x{index}/x{index}" for index in range(first, first + 12)) for first in range(0, 72, 12)]
    terms = "+".join(f"({group})" for group in groups)
    pieces = [State(f"x{index}", "1", "m", 1.0) for index in range(72)]
    network = built(
        RATE, X, *pieces,
        Definition("long", terms, "1", "m", open=True), Influence("i", "long", "2", "m"),
        Process("p", "k", "rate * long", "m", enters="x"),
    )  # fmt: skip
    assert last(network, run(network, [1]))["x"] == pytest.approx(1 + 2 * 72, rel=1e-8)


def test_nothing_to_compose() -> None:
    with pytest.raises(CompositionError, match="there is no mechanism"):
        compose([])


def test_one_label_once() -> None:
    with pytest.raises(CompositionError, match="mechanism `growth` is composed twice"):
        compose([Growth(), Growth(law="gompertz")])


def test_one_owner_across_mechanisms() -> None:
    with pytest.raises(CompositionError) as caught:
        compose({"first": Growth(), "second": Growth()})
    assert "second: `active` is already owned by mechanism `first`" in str(caught.value)


def test_mechanisms_without_parts() -> None:
    with pytest.raises(CompositionError, match="Unfinished does not say what it is made of"):
        compose([Unfinished()])


@pytest.mark.parametrize("label", ["Growth", "a__b", "1st", "größe", "a b", "", "x" * 65, "exp", "cell", "_a", "a_"])
def test_bad_labels(label: str) -> None:
    with pytest.raises(CompositionError, match="mechanism label"):
        compose({label: Growth()})


def test_what_is_reached() -> None:
    reads = {"a": ["b", "c"], "b": ["c", "d"], "c": [], "e": ["a"]}
    assert reached(["a"], reads) == {"a", "b", "c", "d"}
    assert reached(["c", "x"], reads) == {"c", "x"}
    assert reached([], reads) == set()
