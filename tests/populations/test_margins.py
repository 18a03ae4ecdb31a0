"""What the network learns, and that looking at points in other coordinates forgets nothing."""

from __future__ import annotations

import numpy as np
import pytest

from backfire.populations.sampler.distances import Distance
from backfire.populations.sampler.margins import MarginNetwork


def taught() -> tuple[MarginNetwork, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    points = rng.random((4000, 4))
    violations = np.column_stack([points[:, 0] + points[:, 1] - 0.8, 0.3 - points[:, 2] * points[:, 3]])
    violations[::7, 1] = np.nan
    network = MarginNetwork(4, 2, rng)
    network.fit(points, violations, 1500)
    return network, points, violations


def test_margins_are_learned() -> None:
    network, _, _ = taught()
    fresh = np.random.default_rng(4).random((2000, 4))
    truth = np.column_stack([fresh[:, 0] + fresh[:, 1] - 0.8, 0.3 - fresh[:, 2] * fresh[:, 3]])
    assert ((network.predict(fresh) > 0) == (truth > 0)).mean() > 0.95
    assert (network.errors < 0.15).all()


def test_another_look_at_the_same_points_forgets_nothing() -> None:
    network, points, _ = taught()
    inside = points[points[:, 0] < 0.6]
    before = network.predict(inside)
    network.centre(inside[:300])
    assert network.predict(inside) == pytest.approx(before, abs=2e-3)


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_points_in_the_level_score_higher(level: float) -> None:
    network, points, violations = taught()
    known = ~np.isnan(violations).any(axis=1)
    distance = Distance.normalised(violations)
    scores, near = network.score(points[known], distance, level), distance(violations[known]) <= level
    assert np.median(scores[near]) > np.quantile(scores[~near], 0.9)
