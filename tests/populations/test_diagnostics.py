"""Diagnoses of chains whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from backfire.populations import diagnose


def test_independent_draws_are_worth_their_number() -> None:
    found = diagnose(np.random.default_rng(1).normal(size=(4, 100, 10, 3)))
    assert found.worst_rhat < 1.02
    assert found.bulk == pytest.approx(np.full(3, 4000), rel=0.15)
    assert found.drift.max() < 0.1


def test_an_autoregression_is_worth_what_its_memory_leaves() -> None:
    rng = np.random.default_rng(2)
    memory, sweeps = 0.8, 600
    course = np.zeros((2, sweeps, 20, 1))
    course[:, 0] = rng.normal(size=(2, 20, 1))
    for sweep in range(1, sweeps):
        course[:, sweep] = memory * course[:, sweep - 1] + np.sqrt(1 - memory**2) * rng.normal(size=(2, 20, 1))
    assert diagnose(course).bulk[0] == pytest.approx(course.size * (1 - memory) / (1 + memory), rel=0.15)


def test_walkers_that_never_move_and_runs_that_disagree_are_seen() -> None:
    rng = np.random.default_rng(3)
    stuck = np.repeat(rng.normal(size=(3, 1, 8, 1)), 50, axis=1) + 1e-6 * rng.normal(size=(3, 50, 8, 1))
    assert diagnose(stuck).walkers[0] > 2
    apart = rng.normal(size=(2, 50, 8, 1)) + np.array([0.0, 2.0])[:, None, None, None]
    assert diagnose(apart).worst_rhat > 1.2
    assert diagnose(apart).apart[0] == pytest.approx(1 / np.sqrt(2), rel=0.1)
    drifting = rng.normal(size=(2, 60, 8, 1)) + np.linspace(0, 3, 60)[None, :, None, None]
    assert diagnose(drifting).drift[0] > 1


def test_what_all_chains_of_a_run_have_in_common_is_no_news() -> None:
    """Runs whose means differ by chance of sd 1/20 are worth 400 each, however many chains and sweeps tell the same."""
    rng = np.random.default_rng(7)
    common = rng.normal(size=(8, 1, 1, 200)) / 20
    found = diagnose(rng.normal(size=(8, 40, 50, 200)) + common)
    assert (found.bulk > 6000).all()
    assert found.least_size == pytest.approx(8 * 400, rel=0.25)


def test_a_run_that_is_alone_is_compared_with_itself() -> None:
    rng = np.random.default_rng(5)
    assert diagnose(rng.normal(size=(1, 61, 8, 2))).worst_rhat < 1.03
    assert diagnose(rng.normal(size=(1, 61, 8, 1)) + np.linspace(0, 50, 61)[None, :, None, None]).worst_rhat > 2


def test_what_never_varies_is_known() -> None:
    traces = np.random.default_rng(4).normal(size=(2, 30, 5, 2))
    traces[..., 1] = 7.0
    found = diagnose(traces)
    assert found.rhat[1] == 1
    assert found.least_size > 100
