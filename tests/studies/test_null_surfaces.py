"""Null surfaces against closed forms, and the sham test: a drug combined with itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.errors import UserError
from backfire.solvers import Floats
from backfire.studies import DoseCurve, bliss, highest_single_agent, interaction_index, loewe

DOSES = np.array([0.0, 0.25, 0.5, 1.0, 2.0])
FINE = np.linspace(0, 6, 90) ** 2


def saturating(most: float, half: float, doses: Floats = FINE) -> DoseCurve:
    return DoseCurve(doses, most * doses / (half + doses))


def test_loewe_of_two_straight_lines_is_their_sum() -> None:
    one, other = DoseCurve(FINE, 0.7 * FINE), DoseCurve(FINE, 0.2 * FINE)
    a, b = np.meshgrid(DOSES, DOSES, indexing="ij")
    assert loewe(DOSES, DOSES, one, other) == pytest.approx(0.7 * a + 0.2 * b, abs=1e-9)
    assert bliss(0.7 * DOSES, 0.2 * DOSES) == pytest.approx(0.7 * a + 0.2 * b)
    assert highest_single_agent(0.7 * DOSES, 0.2 * DOSES) == pytest.approx(np.maximum(0.7 * a, 0.2 * b))


@given(most=st.tuples(st.floats(1, 5), st.floats(1, 5)), half=st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)))
def test_loewe_of_two_saturating_agents_has_a_closed_form(most: tuple[float, float], half: tuple[float, float]) -> None:
    """a/A(E) + b/B(E) = 1 with E = m·x/(h + x): E = (m a/h + m' b/h')/(1 + a/h + b/h'), below both largest effects."""
    one, other = saturating(most[0], half[0]), saturating(most[1], half[1])
    a, b = np.meshgrid(DOSES / half[0], DOSES / half[1], indexing="ij")
    wanted = (most[0] * a + most[1] * b) / (1 + a + b)
    found = loewe(DOSES, DOSES, one, other)
    both = np.isfinite(found) & (a > 0) & (b > 0)
    assert found[both] == pytest.approx(wanted[both], abs=2e-3)
    beyond = (wanted > min(one.most, other.most) + 1e-2) & (a > 0) & (b > 0)
    assert np.isnan(found[beyond]).all()


@given(half=st.floats(0.3, 3), steepness=st.floats(0.7, 3))
def test_a_drug_with_itself_is_additive_under_loewe_whatever_its_curve(half: float, steepness: float) -> None:
    def effect(dose: Floats) -> Floats:
        return 4 * dose**steepness / (half**steepness + dose**steepness)

    drug = DoseCurve(FINE, effect(FINE))
    a, b = np.meshgrid(DOSES, DOSES, indexing="ij")
    assert loewe(DOSES, DOSES, drug, drug) == pytest.approx(effect(a + b), abs=5e-3)
    index = interaction_index(a[1:, 1:], b[1:, 1:], drug, drug, effect(a + b)[1:, 1:])
    assert index == pytest.approx(1.0, abs=2e-2)


def test_chances_of_cure_multiply_in_their_failures() -> None:
    found = bliss(np.array([0.0, 0.5]), np.array([0.0, 0.8]), chances=True)
    assert found == pytest.approx(np.array([[0.0, 0.8], [0.5, 0.9]]))


def test_an_agent_without_an_effect_adds_none() -> None:
    nothing, drug = DoseCurve(FINE, np.zeros_like(FINE)), saturating(3, 1)
    found = loewe(DOSES, DOSES, drug, nothing)
    assert found == pytest.approx(np.repeat(3 * DOSES[:, None] / (1 + DOSES[:, None]), 5, axis=1), abs=1e-3)


def test_more_of_a_drug_that_does_less_is_not_inverted() -> None:
    drug = DoseCurve(FINE, FINE * np.exp(-FINE))
    assert drug.most == pytest.approx(np.exp(-1), abs=1e-2)
    assert drug.dose(np.array([0.2]))[0] < 1
    assert np.isinf(drug.dose(np.array([0.5]))[0])


def test_a_curve_begins_without_drug_and_rises() -> None:
    with pytest.raises(UserError, match="begins at dose 0"):
        DoseCurve(np.array([1.0, 2.0]), np.array([0.0, 1.0]))
