"""Pieces of regions whose pieces are known."""

from __future__ import annotations

import numpy as np
import pytest

from backfire.populations import pieces_of
from known_regions import Floats, ball, box, pieces, slab


def drawn(judge: object, inputs: int, count: int, seed: int = 1) -> Floats:
    found: list[Floats] = []
    rng = np.random.default_rng(seed)
    while sum(map(len, found)) < count:
        points = rng.random((20_000, inputs))
        found.append(points[(judge(points, None) <= 0).all(axis=1)])  # type: ignore[operator]
    return np.vstack(found)[:count]


@pytest.mark.parametrize("known", [box(4, 0.2, 0.6), ball(4, 0.3)], ids=lambda known: known.name)
def test_what_is_convex_hangs_together_after_one_line_for_each(known: object) -> None:
    found = pieces_of(known.judge, drawn(known.judge, 4, 150))  # type: ignore[attr-defined]
    assert found.shares == [1.0]
    assert found.short == "in one piece"
    assert found.alone == pytest.approx(0)
    assert found.judged <= 15 * 150 * 2


def test_two_boxes_are_two_pieces_with_their_shares() -> None:
    known = pieces(3, 0.35, 0.3)
    points = drawn(known.judge, 3, 150)
    assert known.first_piece is not None
    first = known.first_piece(points)
    found = pieces_of(known.judge, points)
    assert len(found.shares) == 2
    assert (found.labels == 0).tolist() == first.tolist()
    assert found.shares[0] == pytest.approx(first.mean())
    assert found.short == f"in 2 pieces: {first.mean():.0%}, {1 - first.mean():.0%}"


def test_a_region_that_bends_hangs_together_by_way_of_third_points() -> None:
    def bent(points: Floats, _: object = None) -> Floats:
        """Two arms along the axes: from one into the other no straight line goes."""
        return (points.min(axis=1) - 0.1)[:, None]

    assert pieces_of(bent, drawn(bent, 2, 100)).shares == [1.0]


def test_points_that_nothing_links_stand_alone() -> None:
    def narrow(points: Floats, _: object = None) -> Floats:
        """Five small balls on the diagonal."""
        middle = (np.arange(5) + 0.5) / 5
        return (np.abs(points[:, :, None] - middle).max(axis=1).min(axis=1) - 0.01)[:, None]

    found = pieces_of(narrow, np.repeat((np.arange(5)[:, None] + 0.5) / 5, 2, axis=1))
    assert found.shares == []
    assert found.alone == pytest.approx(1)
    thin = slab(3, 0.01)
    assert pieces_of(thin.judge, drawn(thin.judge, 3, 60)).shares == [1.0]
