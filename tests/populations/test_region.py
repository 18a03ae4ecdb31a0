"""The sampler against regions whose volume and moments are known: in closed form, or by rejection."""

from __future__ import annotations

import dataclasses
import math
import pickle

import numpy as np
import pytest
from scipy import stats

from backfire.errors import UserError
from backfire.populations import Effort, Goal, RegionSample, diagnose, sample_region
from backfire.populations.sampler import descent
from backfire.populations.sampler.descent import Run
from backfire.populations.sampler.diagnostics import _diagnosed
from backfire.populations.sampler.region import Halfway, pilot
from known_regions import EVERY, Floats, Known, ball, box, pieces

SHORT = Goal(sweeps=60, rounds=1)
QUICK = dataclasses.replace(Effort(), first=512, walkers=128, scouts=128, measuring=512, chains=64, rounds=2, lessons=150)


def check(known: Known, runs: int = 2, effort: Effort = QUICK, goal: Goal = SHORT, shift: float = 0.1) -> None:
    """Volume within its stated error, moments within the marks."""
    sample = sample_region(known.judge, known.inputs, 400, seed=3, effort=effort, goal=goal, runs=runs)
    assert not sample.exact
    assert (known.judge(sample.members, None) <= 0).all()
    assert math.log(sample.share) == pytest.approx(known.log_volume, abs=5 * sample.log_share_error)
    points = sample.traces.reshape(-1, known.inputs)
    assert np.abs((points.mean(axis=0) - known.mean) / known.sd).max() < shift
    assert points.std(axis=0) / known.sd == pytest.approx(np.ones(known.inputs), abs=0.08)
    assert sample.diagnosis is not None
    assert sample.diagnosis.least_size > 100


def test_volume_and_moments_of_a_ball() -> None:
    check(ball(4, 0.15))


@pytest.mark.thorough
@pytest.mark.parametrize("name", EVERY)
def test_the_whole_sampler_against_truth(name: str) -> None:
    """Volume within its interval, and marks for moments: 0.1 sd for a mean, 5 % for an sd, and what chance adds to both."""
    known = EVERY[name]()
    sample = sample_region(known.judge, known.inputs, 1000, seed=1, goal=Goal(rounds=2))
    low, high = (math.log(end) for end in sample.share_interval)
    assert low - 2 / math.sqrt(known.known_by) < known.log_volume < high + 2 / math.sqrt(known.known_by)
    points = sample.traces.reshape(-1, known.inputs)
    worth = len(sample.members) if sample.diagnosis is None else sample.diagnosis.least_size
    chance = 2 * math.sqrt(1 / worth + 1 / known.known_by)
    assert np.abs((points.mean(axis=0) - known.mean) / known.sd).max() < 0.1 + chance
    assert points.std(axis=0) / known.sd == pytest.approx(np.ones(known.inputs), abs=0.05 + chance)
    if known.first_piece is not None:
        assert known.first_piece(points).mean() == pytest.approx(known.first_share, abs=0.1)


@pytest.mark.slow
def test_pieces_keep_their_shares() -> None:
    known = pieces(4, 0.2, 0.16)
    assert known.first_piece is not None
    sample = sample_region(known.judge, 4, 400, seed=3, effort=QUICK, goal=SHORT, runs=2)
    shares = [known.first_piece(run.reshape(-1, 4)).mean() for run in sample.traces]
    assert np.mean(shares) == pytest.approx(known.first_share, abs=0.15)


def test_a_large_region_is_simply_drawn_and_exact() -> None:
    known = box(3, 0.1, 0.5)
    sample = sample_region(known.judge, 3, 2000, seed=1)
    assert sample.exact
    assert len(sample.members) == 2000
    assert sample.distinct == 2000
    assert sample.share == pytest.approx(0.4**3, rel=5 * sample.log_share_error)
    for column in sample.members.T:
        assert stats.kstest(column, stats.uniform(0.1, 0.4).cdf).pvalue > 1e-4


def test_what_is_drawn_is_drawn_without_bias() -> None:
    """A run that stops at its last member must not count that one: over many seeds the mean share is the share."""
    found = [sample_region(box(2, 0.0, 0.3).judge, 2, 12, seed=seed, runs=4).share for seed in range(150)]
    assert np.mean(found) == pytest.approx(0.09, abs=5 * np.std(found) / math.sqrt(len(found)))


def measured_again(run: Run, known: Known, inside: Floats, walkers: int, times: int) -> Floats:
    """Shares of the cube over the true one, by so many measurements of a run's enclosure; ``inside`` lie evenly in the region."""
    assert run.enclosure is not None
    held, found = float(run.enclosure.holds(inside).mean()), []
    for number in range(times):
        run.enclosure.measure(walkers, np.random.default_rng(number))
        met = np.mean(known.judge(run.enclosure.points, None).max(axis=1) <= 0) if len(run.enclosure.points) else 0.0
        found.append(math.exp(run.enclosure.log_volume - known.log_volume) * met / held)
    return np.array(found)


@pytest.mark.slow
def test_the_measured_share_is_unbiased_however_few_walkers_forget_however_little() -> None:
    """Over many measurements by too few walkers the mean share is the share; what an enclosure misses is known from even points."""
    known = box(3, 0.1, 0.2)
    effort = dataclasses.replace(QUICK, first=128, walkers=48, least_sweeps=2, scouts=64, measuring=64, lessons=20)
    inside = 0.1 + 0.1 * np.random.default_rng(1).random((4000, 3))
    run = Run.begin(known.judge, 3, pilot(known.judge, 3, 0).distance, 11, 0, effort)
    while not run.arrived:
        run.descend(known.judge)
    run.enclose(known.judge, run.ensemble.points)
    found = measured_again(run, known, inside, 64, 120)
    assert np.mean(found) == pytest.approx(1, abs=4 * np.std(found) / math.sqrt(len(found)))


@pytest.mark.slow
def test_where_few_of_a_crowd_lie_in_the_region_a_new_network_learns_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it encloses is closer, and has with the shares of either in the other the volume of the ball all the same."""
    known, rng, met = ball(6, 0.15), np.random.default_rng(3), []
    effort = dataclasses.replace(
        Effort(), first=512, walkers=64, least_sweeps=3, scouts=256, measuring=1024, chains=64, rounds=1, lessons=40
    )
    for turns in (0, 4):
        monkeypatch.setattr(descent, "CLOSER", turns)
        run = Run.begin(known.judge, 6, pilot(known.judge, 6, 0).distance, 1, 0, effort)
        while not run.arrived:
            run.descend(known.judge)
        run.settle(known.judge)
        run.enclose(known.judge, run.ensemble.points)
        met.append(run.met)
    assert met[0] < 0.01
    assert met[1] > 0.1
    away = rng.normal(size=(4000, 6))
    inside = 0.5 + 0.15 * rng.random((4000, 1)) ** (1 / 6) * away / np.linalg.norm(away, axis=1, keepdims=True)
    found = measured_again(run, known, inside, 256, 60)
    assert np.mean(found) == pytest.approx(1, abs=4 * np.std(found) / math.sqrt(len(found)))
    assert np.std(found) < 2


def made_up(log_shares: list[float], walkers: int = 100) -> RegionSample:
    """A sample of four runs over two levels that kept a quarter each."""
    points, variances = np.full((1, 1), 0.5), np.full(len(log_shares), 2 * 0.75 / 0.25 / walkers)
    return RegionSample(points, -points, False, np.array(log_shares), 1, points, points, variances=variances)


def test_the_stated_error_is_that_of_the_runs_and_no_smaller_than_independent_walkers_allow() -> None:
    least = math.sqrt(2 * 0.75 / 0.25 / 100 / 4)  # a variance of (1 - p)/(p n) for each of two levels, and four runs
    assert made_up([-9.0, -9.0, -9.0, -9.0]).log_share_error == pytest.approx(least)
    assert made_up([-9.0, -9.0, -9.0, -9.0], 1000).log_share_error == pytest.approx(least / math.sqrt(10))
    apart = made_up([-8.0, -9.0, -9.5, -10.0])
    assert apart.log_share_error >= np.std([-8.0, -9.0, -9.5, -10.0], ddof=1) / 2
    low, high = apart.share_interval
    assert math.log(high / low) == pytest.approx(2 * stats.t(3).ppf(0.975) * apart.log_share_error)
    assert low < apart.share < high


def test_runs_whose_enclosure_nobody_reached_count_as_nothing() -> None:
    some = made_up([-9.0, -9.0, -9.0, -math.inf])
    assert some.share == pytest.approx(0.75 * math.exp(-9))
    assert some.log_share_error == pytest.approx(1 / 3)  # shares 1, 1, 1 and 0: sd 1/2, mean 3/4, four runs
    assert math.isnan(made_up([-math.inf] * 4).share)
    assert math.isnan(made_up([-9.0]).log_share_error)
    assert all(map(math.isnan, made_up([-9.0]).share_interval))


def test_what_runs_measured_is_divided_by_what_of_it_they_spoke_of() -> None:
    """Three runs that enclose all, and one that encloses a tenth and knows that ill: it counts for a tenth."""
    some = dataclasses.replace(made_up([-9.0, -9.0, -9.0, -7.0]), held=np.array([1.0, 1.0, 1.0, 0.1]))
    assert some.share == pytest.approx((3 * math.exp(-9) + 0.1 * math.exp(-7)) / 3.1)
    assert dataclasses.replace(some, shared=0.04).log_share_error == pytest.approx(math.hypot(some.log_share_error, 0.2))


def test_the_goal_looks_at_all_that_is_known() -> None:
    rng = np.random.default_rng(1)
    good, bad = (
        diagnose(rng.normal(size=(4, 50, 64, 3))),
        diagnose(rng.normal(size=(4, 50, 64, 3)) + rng.normal(size=(4, 1, 1, 3))),
    )
    assert Goal(rhat=1.02, size=300).met_by(good, good)
    assert not Goal(rhat=1.02, size=300).met_by(good, bad)


def test_the_same_seed_gives_the_same_sample_wherever_the_runs_are_made() -> None:
    known = ball(3, 0.1)

    def elsewhere(function: object, items: object) -> list[object]:
        return [function(pickle.loads(pickle.dumps(item))) for item in reversed(list(items))][::-1]  # type: ignore[operator,call-overload]

    goal = Goal(sweeps=8, rounds=1)
    one, two = (
        sample_region(known.judge, 3, 50, seed=9, effort=QUICK, goal=goal, runs=2, spread=how) for how in (map, elsewhere)
    )
    other = sample_region(known.judge, 3, 50, seed=10, effort=QUICK, goal=goal, runs=2)
    assert one.members.tobytes() == two.members.tobytes()
    assert one.log_shares.tolist() == two.log_shares.tolist()
    assert one.members.tobytes() != other.members.tobytes()


def test_an_empty_region_ends_with_the_closest_point() -> None:
    def never(points: Floats, _: object = None) -> Floats:
        """Asks two coordinates to be above 0.8 while their sum is below 1."""
        return np.column_stack([0.8 - points[:, 0], 0.8 - points[:, 1], points[:, 0] + points[:, 1] - 1.0])

    sample = sample_region(never, 3, 50, seed=1, effort=dataclasses.replace(QUICK, most_levels=12), runs=2)
    assert len(sample.members) == 0
    assert sample.share == 0
    assert sorted(sample.best_violations > 0) == [False, False, True]  # as soon as two hold, the third is what is given up


def test_a_run_that_is_lost_does_not_end_the_others() -> None:
    """A wide decoy in which nothing satisfies the claim, and a small box far from it in which all does."""

    def judge(points: np.ndarray, _: object = None) -> np.ndarray:
        box, decoy = np.abs(points - 0.25).max(axis=1) - 0.002, 0.05 + 0.06 * np.abs(points - 0.75).max(axis=1)
        return np.minimum(box, decoy)[:, None]

    effort = dataclasses.replace(Effort(), first=512, walkers=128, scouts=128, measuring=512, chains=64, rounds=2, lessons=60)
    sample = sample_region(judge, 4, 50, seed=2, effort=effort, goal=Goal(rounds=1))
    assert len(sample.members) == 50
    assert len(sample.runs) < 4


def test_claims_that_cannot_be_judged_do_not_pass() -> None:
    def half(points: Floats, _: object = None) -> Floats:
        """Not applicable where the first coordinate is low, and a small box elsewhere."""
        inside = np.abs(points - 0.6).max(axis=1) - 0.05
        return np.column_stack([np.where(points[:, 0] < 0.58, np.inf, -1.0), inside])

    sample = sample_region(half, 4, 200, seed=2, effort=QUICK, goal=SHORT, runs=2)
    assert (sample.members[:, 0] >= 0.58).all()
    assert math.log(sample.share) == pytest.approx(3 * math.log(0.1) + math.log(0.07), abs=5 * sample.log_share_error)


@pytest.mark.parametrize("numbers", [{"members": 0}, {"runs": 0}])
def test_numbers_that_make_no_sample_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(UserError, match="needs inputs, members and runs"):
        sample_region(box(2, 0.1, 0.2).judge, 2, **numbers)


class Memory:
    """Keeps what is halfway done as a file would: pickled."""

    def __init__(self) -> None:
        self.kept: bytes | None = None

    def load(self) -> Halfway | None:
        return None if self.kept is None else pickle.loads(self.kept)

    def save(self, state: Halfway) -> None:
        self.kept = pickle.dumps(state)


def test_a_sample_that_is_cut_off_anywhere_goes_on_to_the_same_end() -> None:
    known, short = (
        ball(3, 0.05),
        dataclasses.replace(QUICK, first=256, walkers=32, least_sweeps=2, scouts=64, measuring=128, chains=16, rounds=1),
    )
    goal = Goal(sweeps=6, rounds=2)
    plain = sample_region(known.judge, 3, 50, seed=1, effort=short, goal=goal, runs=2)
    assert not plain.exact
    memory, calls = Memory(), 0

    class CutOff(Exception):
        pass

    def cut(function, items):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += function is not _diagnosed  # which keeps nothing, and is done again
        if calls % 3 == 0 and function is not _diagnosed:  # the pilot, which is not kept, one step, and off
            raise CutOff
        return map(function, items)

    for _ in range(100):
        try:
            again = sample_region(known.judge, 3, 50, seed=1, effort=short, goal=goal, runs=2, spread=cut, keeper=memory)
            break
        except CutOff:
            continue
    assert calls > 6
    assert again.members.tobytes() == plain.members.tobytes()
    assert again.log_shares.tolist() == plain.log_shares.tolist()
    assert again.judged == plain.judged
    # more rounds go on where fewer ended, and are those that would have come
    more = sample_region(known.judge, 3, 50, seed=1, effort=short, goal=Goal(sweeps=6, rounds=3), runs=2, keeper=memory)
    whole = sample_region(known.judge, 3, 50, seed=1, effort=short, goal=Goal(sweeps=6, rounds=3), runs=2)
    assert more.traces.tobytes() == whole.traces.tobytes()
