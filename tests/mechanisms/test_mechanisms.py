"""Every shipped mechanism keeps the rules, because it exists."""

from __future__ import annotations

import dataclasses
import math

import pytest

from backfire.errors import CompositionError, UserError
from backfire.formulas.units import parse_unit
from backfire.mechanisms import shipped
from backfire.mechanisms.pharmacology import Pharmacology
from backfire.model import compose
from backfire.model.components import Definition, Influence, Intervention, Mechanism, Parameter, Process, State
from backfire.model.references import ARTICLES, GRADES
from backfire.solvers import pycode as codegen
from networks import everything, start_of, values_of, working_network

MECHANISMS = [pytest.param(kind, id=label) for label, kind in shipped().items()]


def test_there_are_mechanisms_and_their_labels_are_theirs() -> None:
    assert len(shipped()) >= 14
    assert list(shipped()) == sorted(shipped())
    for label, kind in shipped().items():
        assert kind.label == label
        assert kind.__module__ == f"backfire.mechanisms.{label}"


@pytest.mark.parametrize("kind", MECHANISMS)
def test_the_example_can_be_built(kind: type[Mechanism]) -> None:
    example = kind.example()
    assert dataclasses.is_dataclass(example)
    assert list(example.parts()) == list(example.parts())
    assert example == kind.example()
    with pytest.raises(dataclasses.FrozenInstanceError):
        example.label = "other"  # type: ignore[misc]


@pytest.mark.parametrize("kind", MECHANISMS)
def test_options_say_what_they_mean(kind: type[Mechanism]) -> None:
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        assert item.metadata["meaning"].strip()
        assert item.metadata["example"] is not None


@pytest.mark.parametrize("kind", MECHANISMS)
def test_the_docstring_has_a_summary_and_an_equation(kind: type[Mechanism]) -> None:
    assert kind.summary().endswith((".", ","))
    assert kind.summary()[0].isupper()
    body = (kind.__doc__ or "").split("\n", 1)[1]
    assert any(sign in body for sign in ("=", "×", "←")), "no equation"


@pytest.mark.parametrize("kind", MECHANISMS)
def test_parameters_are_complete(kind: type[Mechanism]) -> None:
    for part in kind.example().parts():
        if not isinstance(part, Parameter):
            continue
        assert parse_unit(part.unit).scale == 1, part.name
        low, high = part.range
        assert low <= part.value <= high, part.name
        assert high <= part.maximum, part.name
        assert part.plausible(part.value)
        assert part.grade in GRADES
        assert len(part.source) > 5, part.name


@pytest.mark.parametrize("kind", MECHANISMS)
def test_sources_name_their_grade(kind: type[Mechanism]) -> None:
    """A number that is called assumed says so, and one from an article names which."""
    for part in kind.example().parts():
        if isinstance(part, Parameter) and part.grade in ("article", "paper"):
            assert any(f"{item.authors.split(' …')[0]} {item.year}" in part.source for item in ARTICLES.values()), part.name


@pytest.mark.parametrize("kind", MECHANISMS)
def test_names_are_unique_and_meanings_are_given(kind: type[Mechanism]) -> None:
    parts = list(kind.example().parts())
    for group in ((Parameter, State, Definition, Process), (Influence,), (Intervention,)):
        names = [part.name for part in parts if isinstance(part, group)]
        assert len(names) == len(set(names))
    assert all(part.meaning.strip() == part.meaning and part.meaning for part in parts)


@pytest.mark.parametrize("kind", MECHANISMS)
def test_it_composes_and_starts_finite(kind: type[Mechanism]) -> None:
    network = working_network(kind.label)
    values = values_of(network)
    rates = codegen.generate(network).rates(start_of(network, values), [values[name] for name in network.constant_names])
    assert all(math.isfinite(rate) for rate in rates)
    for part in kind.example().parts():
        if isinstance(part, Influence) and not part.optional:
            assert network.switches[f"{kind.label}.{part.name}"].targets


def test_an_untreated_host_stays_as_it_is() -> None:
    """Without drugs every host factor rests at its untreated level and no influence does anything."""
    network = everything()
    values = values_of(network)
    constants = [values[name] for name in network.constant_names]
    code = codegen.generate(network)
    rates = dict(zip(network.state_names, code.rates(start_of(network, values), constants), strict=True))
    for state in network.states:
        if state.unit == "fold":
            assert state.initial == 1, state.name
            assert rates[state.name] == pytest.approx(0, abs=1e-14), state.name


def test_mechanisms_with_equal_parts_differ_by_options() -> None:
    growth = shipped()["growth"]
    assert growth(law="logistic") != growth(law="gompertz")  # type: ignore[call-arg]
    assert hash(growth(law="logistic")) == hash(growth())  # type: ignore[call-arg]


def test_options_with_bad_names_are_refused() -> None:
    pharmacology = shipped()["pharmacology"]
    for agent in ("Drug", "drug name", "drug__x", "exp", "x" * 80):
        with pytest.raises(UserError):
            list(pharmacology(agents=(agent,)).parts())  # type: ignore[call-arg]


def test_an_agent_that_is_infused_but_not_given_is_refused() -> None:
    with pytest.raises(CompositionError, match=r"pharmacology: `infused`: unknown agent `drgu`; did you mean `drug`\?"):
        compose([Pharmacology(("blocker", "drug"), infused=("drgu",))])
