"""What networks enclose, against volumes in closed form: here the "network" is a function of the distance from a middle."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from backfire.populations.sampler import Distance, Effort
from backfire.populations.sampler.descent import Run
from backfire.populations.sampler.enclosure import Enclosure
from backfire.populations.sampler.proposals import PASSED, Guide
from backfire.populations.sampler.region import _start, pilot
from backfire.populations.sampler.walkers import Ensemble
from known_regions import ball

Floats = np.ndarray


@dataclasses.dataclass(frozen=True)
class Nearness:
    """Scores points by how near they are to a middle: the largest of their coordinates' distances, or the root of all squares."""

    middle: float
    square: bool

    def score(self, points: Floats, distance: object, level: float) -> Floats:
        off = np.abs(points - self.middle)
        return np.asarray(-off.max(axis=1) if self.square else -np.linalg.norm(off, axis=1))


def guide(inputs: int, middle: float = 0.5, square: bool = False) -> Guide:
    network, every = Nearness(middle, square), np.full(len(PASSED), 1 / len(PASSED))
    return Guide(network, Distance(np.ones(1)), 0.0, np.eye(inputs), np.zeros(len(PASSED)), every, 1)  # type: ignore[arg-type]


def around(inputs: int, reach: float, middle: float = 0.5) -> Floats:
    """A point so far from the middle, to which a wall is drawn."""
    known = np.full((1, inputs), middle)
    known[0, 0] += reach
    return known


@pytest.mark.parametrize(("inputs", "radius"), [(2, 0.01), (6, 0.2)])
def test_the_volume_of_a_ball_is_measured(inputs: int, radius: float) -> None:
    rng = np.random.default_rng(4)
    found = Enclosure(rng.random((256, inputs)))
    found.close(guide(inputs), around(inputs, radius), rng)
    found.measure(2048, rng)
    truth = inputs / 2 * math.log(math.pi) - math.lgamma(inputs / 2 + 1) + inputs * math.log(radius)
    assert found.log_volume == pytest.approx(truth, abs=6 * math.sqrt(found.variance))
    assert found.variance < 0.02
    inside = np.linalg.norm(found.points - 0.5, axis=1)
    assert (inside <= radius * (1 + 1e-12)).all()
    # evenly: the share within half the radius is that of the volumes
    assert np.mean(inside < radius / 2) == pytest.approx(0.5**inputs, abs=0.03)
    assert found.holds(around(inputs, 0.99 * radius)).all()
    assert not found.holds(around(inputs, 1.01 * radius)).any()


class Plateau(Nearness):
    """Far out all score alike, as a network does that has seen nothing there."""

    def score(self, points: Floats, distance: object, level: float) -> Floats:
        return np.asarray(np.maximum(super().score(points, distance, level), -0.05))


def test_a_plateau_is_stepped_over() -> None:
    """Of some tens of scouts a few are near, the others know no direction."""
    rng = np.random.default_rng(7)
    found, near = Enclosure(rng.random((2048, 2))), dataclasses.replace(guide(2), network=Plateau(0.5, False))  # type: ignore[arg-type]
    found.close(near, around(2, 1e-4), rng)
    found.measure(4096, rng)
    assert found.log_volume == pytest.approx(math.log(math.pi * 1e-8), abs=6 * math.sqrt(found.variance))


def test_two_guides_enclose_what_both_let_pass() -> None:
    rng = np.random.default_rng(5)
    found = Enclosure(rng.random((256, 2)))
    found.close(guide(2, 0.4, square=True), around(2, 0.3, 0.4), rng)
    found.close(guide(2, 0.6, square=True), around(2, 0.3, 0.6), rng)
    found.measure(4096, rng)
    assert math.exp(found.log_volume) == pytest.approx(0.4**2, rel=0.1)  # 0.3 to 0.7 in both coordinates
    assert found.points.min() >= 0.3 - 1e-12
    assert found.points.max() <= 0.7 + 1e-12


def test_an_enclosure_that_nobody_enters_has_no_volume() -> None:
    rng = np.random.default_rng(6)
    found = Enclosure(rng.random((64, 30)))
    found.close(guide(30), around(30, 1e-9), rng)
    found.measure(64, rng)
    assert found.log_volume == -math.inf
    assert len(found.points) == 0


def run_of(middle: float, reach: float, number: int) -> Run:
    """A run whose enclosure is a square, all of which lies in the region, and whose walkers came down at its middle."""
    rng = np.random.default_rng(number)
    came = np.full((256, 2), middle)
    run = Run(number, Distance(np.ones(1)), Effort(), rng, Ensemble(came, -came, np.zeros(256), np.arange(256)))
    run.enclosure = Enclosure(rng.random((256, 2)))
    run.enclosure.close(guide(2, middle, square=True), around(2, reach, middle), rng)
    run.enclosure.measure(2048, rng)
    run.met, run.asked, found = 1.0, 2048, run.enclosure.points
    run.found = Ensemble(found, -found, np.zeros(len(found)), np.arange(len(found)))
    return run


def test_every_run_starts_evenly_in_all_that_any_run_encloses_and_from_its_own_points() -> None:
    """Squares of 0.4 and 0.2 that overlap in one of 0.1: what both found counts once, and only what one cannot see is shared."""
    every = [run_of(0.3, 0.2, 1), run_of(0.5, 0.1, 2)]
    own = [{*map(tuple, run.found.points)} for run in every if run.found is not None]
    _start(every)
    whole = 0.16 + 0.04 - 0.01
    for run, mine in zip(every, own, strict=True):
        walkers = run.ensemble.points
        assert len(walkers) == 256
        assert run.enclosed
        assert run.starts == len({*map(tuple, walkers)})
        both = np.mean((np.abs(walkers - 0.3).max(axis=1) <= 0.2) & (np.abs(walkers - 0.5).max(axis=1) <= 0.1))
        small = np.mean(np.abs(walkers - 0.3).max(axis=1) > 0.2)
        assert both == pytest.approx(0.01 / whole, abs=0.04)
        assert small == pytest.approx(0.03 / whole, abs=0.05)
        assert run.enclosure is not None
        seen = run.enclosure.holds(walkers)
        assert {*map(tuple, walkers[seen])} <= mine
        assert not {*map(tuple, walkers[~seen])} & mine


def test_what_no_run_encloses_keeps_its_share() -> None:
    """A quarter of those who came down are elsewhere: that is all that is known of it."""
    every = [run_of(0.3, 0.2, 1), run_of(0.5, 0.1, 2)]
    for run in every:
        run.ensemble.points[:64] = 0.9
    _start(every)
    for run in every:
        assert np.mean((run.ensemble.points == 0.9).all(axis=1)) == pytest.approx(0.25, abs=0.01)


def test_a_run_that_found_fewer_points_than_came_down_goes_on_from_these() -> None:
    every = [run_of(0.3, 0.2, 1), run_of(0.5, 0.1, 2)]
    assert every[0].found is not None
    every[0].found = every[0].found.chosen(np.arange(40))
    every[0].ensemble.origins = np.arange(256) % 50
    came = every[0].ensemble.points.copy()
    _start(every)
    assert (every[0].ensemble.points == came).all()
    assert (every[0].enclosed, every[0].starts) == (False, 50)
    assert every[1].enclosed


def test_walls_stay_where_they_are_while_the_network_goes_on_learning() -> None:
    known = ball(6, 0.1)
    effort = dataclasses.replace(
        Effort(), first=256, walkers=48, least_sweeps=2, scouts=64, measuring=64, chains=16, rounds=1, lessons=20
    )
    run = Run.begin(known.judge, 6, pilot(known.judge, 6, 0).distance, 1, 0, effort)
    while not run.arrived:
        run.descend(known.judge)
    run.enclose(known.judge, run.ensemble.points)
    assert run.enclosure is not None
    points = 0.5 + np.random.default_rng(2).uniform(-0.15, 0.15, (20_000, 6))
    held = run.enclosure.holds(points)
    assert 0 < held.mean() < 1
    run._learn(50)
    assert (run.enclosure.holds(points) == held).all()
