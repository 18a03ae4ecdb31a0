"""Every kind of proposal keeps the uniform distribution on a region: started in it, walkers stay in it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backfire.populations.sampler.distances import Distance
from backfire.populations.sampler.margins import MarginNetwork, covariance_root
from backfire.populations.sampler.proposals import PASSED, Guide, chords, differences, redraws


def test_chords_end_at_the_walls() -> None:
    rng = np.random.default_rng(1)
    places, along = rng.random((200, 7)), rng.normal(size=(200, 7))
    along[:50, 3] = 0.0
    low, high = chords(places, along)
    for end in (low, high):
        reached = places + end[:, None] * along
        assert np.abs(np.minimum(reached, 1 - reached).min(axis=1)) == pytest.approx(np.zeros(200), abs=1e-12)
    assert (low <= 0).all()
    assert (high >= 0).all()


def test_redraws_change_one_two_or_four_coordinates() -> None:
    rng = np.random.default_rng(1)
    walkers = rng.random((3000, 9))
    changed = (redraws(walkers, rng) != walkers).sum(axis=1)
    assert set(changed) == {1, 2, 4}


def test_differences_are_as_likely_forth_as_back() -> None:
    rng = np.random.default_rng(1)
    others = rng.random((40, 3)) ** 2
    steps = differences(np.zeros((40_000, 3)), others, 0.7, rng)
    for column in steps.T:
        moved = column[column != 0]
        assert stats.ks_2samp(moved, -moved).pvalue > 1e-4


def test_a_walk_keeps_the_uniform_distribution_whatever_the_network_believes() -> None:
    """Walkers spread evenly over a cube, a network that has learned nothing: only judged ends are taken, all stays even."""
    rng = np.random.default_rng(5)
    network = MarginNetwork(3, 2, rng, hidden=8)
    network.errors[:] = 0.3
    walkers = rng.random((6000, 3)) * 0.5
    guide = Guide.through(network, Distance(np.ones(2)), 0.0, walkers, np.full(len(PASSED), 0.5), 6)
    scores = guide.scores(walkers)
    assert np.ptp(scores) > 0.1  # it has an opinion
    for _ in range(6):
        threshold = float(guide.thresholds[guide.threshold(rng)])
        inside = np.flatnonzero(guide.scores(walkers) >= threshold)
        ends = guide.walk(walkers[inside], threshold, rng)
        assert (guide.scores(ends) >= threshold).all()
        good = (ends <= 0.5).all(axis=1)
        walkers[inside[good]] = ends[good]
    for column in walkers.T:
        assert stats.kstest(column, stats.uniform(0, 0.5).cdf).pvalue > 1e-4
    assert np.corrcoef(walkers.T)[np.triu_indices(3, 1)] == pytest.approx(np.zeros(3), abs=0.06)


def test_a_root_of_a_covariance_is_one_also_in_a_plane() -> None:
    rng = np.random.default_rng(2)
    points = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))
    assert covariance_root(points) @ covariance_root(points).T == pytest.approx(np.cov(points.T), rel=1e-6)
    flat = points.copy()
    flat[:, 3] = flat[:, 0]
    assert np.isfinite(covariance_root(flat)).all()
