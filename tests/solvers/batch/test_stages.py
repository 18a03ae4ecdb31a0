"""The loops over lanes of one step: sums as the tableau says, the dense output, the error."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from backfire.solvers.batch.jit import LANES, compile_loops
from backfire.solvers.batch.stages import GATHERS, STRIDE, bend, errors, middle
from backfire.solvers.batch.tableau import STAGES, A, C, H

compile_loops()  # whoever calls a stage first keeps its machine code for all


@pytest.mark.parametrize("stage", range(2, STAGES + 1))
def test_stages_add_up_what_the_tableau_says(stage: int) -> None:
    rng, states = np.random.default_rng(stage), 3
    state, slopes, inner = (rng.standard_normal(states * size) for size in (LANES, STRIDE, LANES))
    given, looked = slopes.reshape(states, STAGES, LANES).copy(), inner.reshape(states, LANES).copy()
    gather = GATHERS[stage - 2]

    @njit
    def call(states, state, slopes, inner):
        gather(states, state, slopes, inner)

    call(states, state, slopes, inner)
    before = state.reshape(states, LANES) + np.tensordot(given[:, : stage - 1], A[stage - 1], (1, 0))
    if stage > 6:  # one slope more than in the stage before
        before = looked + given[:, stage - 2]
    found = slopes.reshape(states, STAGES, LANES)
    assert inner.reshape(states, LANES) == pytest.approx(before, rel=1e-12, abs=1e-12)
    assert found[:, stage - 1] == pytest.approx(np.tensordot(given[:, : stage - 1], C[stage - 1], (1, 0)), rel=1e-12, abs=1e-12)
    others = [other for other in range(STAGES) if other != stage - 1]
    assert (found[:, others] == given[:, others]).all()


def test_bends_add_up_what_the_tableau_says() -> None:
    rng, states = np.random.default_rng(1), 3
    slopes, bends = rng.standard_normal(states * STRIDE), np.zeros(3 * states * LANES)

    @njit
    def call(states, slopes, bends):
        bend(states, slopes, bends)

    call(states, slopes, bends)
    wanted = np.einsum("psl,hs->phl", slopes.reshape(states, STAGES, LANES), np.array(H))
    assert bends.reshape(states, 3, LANES) == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def test_the_middle_of_a_step() -> None:
    """At θ = 1/2 the dense output is (y + y_new)/2 + (b_1 + b_2/2 + b_3/4)/4."""
    rng, states = np.random.default_rng(2), 2
    state, after, bends = (rng.standard_normal(states * size * LANES) for size in (1, 1, 3))
    found = np.zeros(states * LANES)

    @njit
    def call(states, state, after, bends, found):
        middle(states, state, after, bends, found)

    call(states, state, after, bends, found)
    bent = np.einsum("plv,l->pv", bends.reshape(states, 3, LANES), [1 / 4, 1 / 8, 1 / 16]).ravel()
    assert found == pytest.approx((state + after) / 2 + bent, rel=1e-14, abs=1e-14)


def test_the_error_of_a_lane_is_its_largest_and_a_nan_stays() -> None:
    rng, states = np.random.default_rng(3), 4
    state, inner, slopes = (rng.standard_normal(states * size) for size in (LANES, LANES, STRIDE))
    last = slopes.reshape(states, STAGES, LANES)[:, -1]
    last[1, 5] = np.nan
    absolute, error, before = np.array([1e-3, 1e-6, 1e-9, 1.0]), np.zeros(LANES, np.float32), inner.copy()

    @njit
    def call(states, relative, absolute, state, slopes, inner, error):
        errors(states, relative, absolute, state, slopes, inner, error)

    call(states, 1e-4, absolute, state, slopes, inner, error)
    new = before.reshape(states, LANES) + last
    assert np.array_equal(inner.reshape(states, LANES), new, equal_nan=True)
    allowed = absolute[:, None] + 1e-4 * np.maximum(abs(state.reshape(states, LANES)), abs(new))
    assert np.isnan(error).tolist() == [lane == 5 for lane in range(LANES)]
    assert error == pytest.approx((abs(last) / allowed).max(axis=0), rel=1e-6, nan_ok=True)
