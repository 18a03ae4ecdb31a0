"""Distances: zero exactly where all claims hold, and never smaller than what is known of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backfire.populations.sampler.distances import STEP, Distance

margins = arrays(float, (6, 3), elements=st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.inf, -np.inf, np.nan, 0.0, 1e-300])))


@given(margins)
def test_a_distance_is_zero_exactly_where_every_claim_holds(violations: np.ndarray) -> None:
    found = Distance(np.array([1.0, 2.0, 1e-3]))(violations)
    assert ((found == 0) == (violations <= 0).all(axis=1)).all()
    assert (found[found > 0] >= STEP).all()
    assert (found <= 3).all()


@given(margins)
def test_what_is_known_of_a_distance_never_exceeds_it(violations: np.ndarray) -> None:
    distance = Distance(np.ones(3))
    hidden = violations.copy()
    hidden[:, 1] = np.nan
    assert (distance.at_least(hidden) <= distance(violations)).all()
    assert (distance.at_least(hidden) <= distance(hidden)).all()


@given(margins)
def test_a_point_is_as_far_alone_as_among_others(violations: np.ndarray) -> None:
    distance = Distance(np.array([0.5, 1.0, 3.0]))
    assert distance(violations).tolist() == [float(distance(row[None])[0]) for row in violations]


def test_scales_are_median_violations() -> None:
    given_ = np.array([[1.0, -1.0, np.inf], [3.0, -2.0, np.inf], [-5.0, 0.0, np.nan]])
    assert Distance.normalised(given_).scales.tolist() == [2.0, 1.0, 1.0]
