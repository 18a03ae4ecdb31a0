"""Outcomes against closed forms: recorded rows in, exact days and sizes out, whatever the grid."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.errors import UserError
from backfire.model.dosing import Dose, Event
from backfire.outcomes import Interpolant, Outcome, Rules, Watch, course_starts, outcomes
from backfire.outcomes.interpolant import steps_of
from backfire.scenario.scenario import load
from backfire.simulation.arms import CLOSEST, record_days, simulate, watch
from backfire.solvers.trajectory import Floats, Status, Trajectory

INTERPOLATED = 1e-8
"""Rows half a day apart and a quintic through the logarithm: its error is of the order of (rate × step)⁶, below 1e-9."""


def grid(end: float, step: float = 0.5, extra: Sequence[float] = ()) -> Floats:
    return np.array(sorted({*(index * step for index in range(round(end / step) + 1)), *extra}))


def recorded(times: Floats, **columns: Floats) -> Trajectory:
    units = {"burden": "cell", "active": "cell", "metastatic_burden": "cell", "host_load": "1", "growth": "cell/day"}
    names = tuple(columns)
    return Trajectory(
        "arm", times, names, tuple(units.get(name, "cell/day" if "kill" in name else "fold") for name in names),
        np.column_stack([columns[name] for name in names]),
    )  # fmt: skip


def watching(start: float = 0.0, doses: Sequence[Dose] = (), surgery: float | None = None, rules: Rules | None = None) -> Watch:
    agents = frozenset(dose.agent for dose in doses)
    return Watch(doses=doses, course_agents=agents, start=start, surgery=surgery, rules=rules or Rules())


def read(trajectory: Trajectory, watch: Watch | None = None) -> dict[str, Outcome]:
    return outcomes(trajectory, watch or watching())


def clones(times: Floats) -> Floats:
    """Sensitive cells die at 0.1, resistant ones grow at 0.04 and arise at 1e-6 per sensitive cell."""
    source = 1e-6 * 1e9 / 0.14
    sensitive = 1e9 * np.exp(-0.1 * times)
    resistant = 100 * np.exp(0.04 * times) + source * (np.exp(0.04 * times) - np.exp(-0.1 * times))
    return np.asarray(sensitive + resistant)


@pytest.mark.parametrize("step", [0.25, 0.5, 1.0])
def test_nadir_and_progression(step: float) -> None:
    times = grid(300, step)
    found = read(recorded(times, burden=clones(times)))
    assert found["nadir"].value == pytest.approx(387553.24706675910841, rel=INTERPOLATED)
    # at the nadir the course is flat: its day is known to about the root of that
    assert found["nadir_day"].value == pytest.approx(91.084131324385370087, rel=1e-6)
    assert found["time_to_progression"].value == pytest.approx(101.96355363204611586, rel=INTERPOLATED)
    assert found["time_to_progression"].observed
    assert found["smallest_share"].value == pytest.approx(387553.24706675910841 / (1e9 + 100), rel=INTERPOLATED)
    assert found["responded"].value == 1


def test_days_count_from_the_start_of_treatment() -> None:
    times = grid(320)
    burden = np.where(times < 20, 1e9 + 100, clones(np.maximum(times - 20, 0)))
    jump = np.concatenate([times[times < 20], [math.nextafter(20, 0)], times[times >= 20]])
    values = np.interp(jump, times, burden)
    values[jump < 20] = 1e9 + 100
    found = read(recorded(jump, burden=values), watching(start=20.0))
    assert found["nadir_day"].value == pytest.approx(91.084131324385370087, rel=1e-6)
    assert found["time_to_progression"].value == pytest.approx(101.96355363204611586, rel=INTERPOLATED)


def test_the_regrowth_rate() -> None:
    """From 1.2 to 2.4 × nadir, against roots found by mpmath."""
    times = grid(300)
    found = read(recorded(times, burden=clones(times)))
    with mpmath.workdps(30):

        def total(t: mpmath.mpf) -> mpmath.mpf:
            source = mpmath.mpf("1e3") / mpmath.mpf("0.14")
            grown, killed = mpmath.exp(mpmath.mpf("0.04") * t), mpmath.exp(mpmath.mpf("-0.1") * t)
            return mpmath.mpf("1e9") * killed + 100 * grown + source * (grown - killed)

        nadir = total(mpmath.findroot(lambda t: mpmath.diff(total, t), 91))
        days = [mpmath.findroot(lambda t, f=factor: total(t) - f * nadir, guess) for factor, guess in ((1.2, 102), (2.4, 120))]
    assert found["regrowth_rate"].value == pytest.approx(math.log(2) / float(days[1] - days[0]), rel=1e-7)


@given(st.floats(-0.1, 0.2), st.floats(3, 9))
def test_areas(rate: float, size: float) -> None:
    times = grid(60)
    found = read(recorded(times, burden=10**size * np.exp(rate * times)))
    exactly = 10**size * (math.expm1(60 * rate) / rate if abs(rate) > 1e-12 else 60.0)
    assert found["burden_area"].value == pytest.approx(exactly, rel=1e-8)
    assert found["final_burden"].value == pytest.approx(10**size * math.exp(60 * rate), rel=1e-15)


def test_the_area_of_a_tumour_that_fades_away() -> None:
    """Below one cell counts as none, which must not spoil the course above it."""
    times = grid(60)
    found = read(recorded(times, burden=1e2 * np.exp(-0.125 * times)))
    assert found["burden_area"].value == pytest.approx((1e2 - 1) / 0.125, rel=2e-3)


@pytest.mark.parametrize("rate", [-0.1, -0.01])
def test_what_did_not_happen_is_censored(rate: float) -> None:
    times = grid(60)
    found = read(recorded(times, burden=1e8 * np.exp(rate * times)), watching(start=10.0))
    assert found["nadir_day"].value == pytest.approx(50)
    assert found["nadir"].value == pytest.approx(1e8 * math.exp(60 * rate), rel=1e-12)
    assert found["time_to_progression"].value == pytest.approx(50)
    assert not found["time_to_progression"].observed
    assert math.isnan(found["regrowth_rate"].value)


def test_a_growing_tumour_progresses_from_its_start() -> None:
    times = grid(60)
    found = read(recorded(times, burden=1e8 * np.exp(0.1 * times)), watching(start=10.0))
    assert found["nadir_day"].value == 0
    assert found["nadir"].value == pytest.approx(1e8 * math.exp(1), rel=1e-12)
    assert found["time_to_progression"].value == pytest.approx(math.log(1.2) / 0.1, rel=INTERPOLATED)
    assert found["regrowth_rate"].value == pytest.approx(0.1, rel=INTERPOLATED)
    assert found["responded"].value == 0


def extinct(seeded: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """A burden that dies out on day 20, with the rows that the solver leaves there."""
    times = grid(60, extra=[math.nextafter(20, 0)])
    burden = np.where(times < 20, np.exp(20 - times), 0.0)
    return times, np.where(times >= 20, seeded(times), burden)


def test_eradicated_and_never_back() -> None:
    times, burden = extinct(np.zeros_like)
    found = read(recorded(times, burden=burden))
    assert found["nadir"].value == 0
    assert found["nadir_day"].value == pytest.approx(20, rel=1e-12)
    assert found["eradicated"].value == 1
    assert found["time_to_progression"].value == 60
    assert not found["time_to_progression"].observed
    assert math.isnan(found["regrowth_rate"].value)


@pytest.mark.parametrize("step", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("last", [1.0, math.nextafter(1, 0), 1 - 1e-12])
def test_the_area_before_an_extinction(step: float, last: float) -> None:
    """∫ exp(0.7 (20 − t)) dt; roots leave the row before the extinction on one cell or a rounding below it."""
    times = grid(60, step, extra=[math.nextafter(20, 0)])
    burden = np.where(times < 20, np.exp(0.7 * (20 - times)), 0.0)
    burden[times == math.nextafter(20, 0)] = last
    found = read(recorded(times, burden=burden))
    assert found["burden_area"].value == pytest.approx((math.exp(14) - 1) / 0.7, rel=INTERPOLATED)
    found = read(recorded(times, burden=burden), watching(start=18.9))
    assert found["burden_area"].value == pytest.approx((math.exp(0.77) - 1) / 0.7, rel=INTERPOLATED)


def test_zeros_are_joined_by_straight_lines_and_nothing_else_is() -> None:
    """Less than one cell in a row without an event: only the two intervals beside it are straight, from one cell up."""
    times = grid(40, 1.0)
    burden = np.where(times == 20, 0.5, np.exp(0.3 * np.abs(times - 20)))
    found = read(recorded(times, burden=burden))
    curved, straight = (math.exp(6) - math.exp(0.3)) / 0.3, math.exp(0.3) / 2
    assert 2 * curved * (1 - INTERPOLATED) < found["burden_area"].value < 2 * (curved + straight)
    assert found["nadir"].value == 0
    assert 19 < found["nadir_day"].value <= 20
    assert found["time_to_progression"].value == pytest.approx(20 + 1.2 / math.exp(0.3), abs=0.01)


def test_regrowth_after_extinction_counts_from_one_cell() -> None:
    """Seeded again linearly: 1.2 cells are reached 12 days after day 20."""
    times, burden = extinct(lambda days: 0.1 * np.maximum(days - 20, 0))
    found = read(recorded(times, burden=burden))
    assert found["time_to_progression"].value == pytest.approx(32, rel=1e-9)
    assert found["eradicated"].value == 0


def test_metastases_are_not_eradicated() -> None:
    times, burden = extinct(np.zeros_like)
    found = read(recorded(times, burden=burden, metastatic_burden=np.full_like(times, 5.0)))
    assert found["eradicated"].value == 0
    assert found["metastatic_burden"].value == 5


def test_surgery_ends_the_watch_on_the_primary() -> None:
    times = grid(60, extra=[math.nextafter(30, 0)])
    burden = np.where(times < 30, 1e8 * np.exp(0.01 * times), 1e3)
    found = read(recorded(times, burden=burden), watching(surgery=30.0))
    assert found["nadir"].value == pytest.approx(1e8, rel=1e-12)
    assert found["nadir_day"].value == 0
    assert found["time_to_progression"].value == pytest.approx(math.log(1.2) / 0.01, rel=INTERPOLATED)
    found = read(recorded(times, burden=burden), watching(surgery=10.0))
    assert not found["time_to_progression"].observed
    assert found["time_to_progression"].value == pytest.approx(10, rel=1e-12)


def test_the_nadir_may_lie_between_rows_and_at_a_dose() -> None:
    """A fall to day 20 and a rise from there: the nadir is the row of the event itself."""
    times = grid(60, step=1.5, extra=[20.0, math.nextafter(20, 0)])
    burden = 1e6 * np.exp(np.abs(times - 20) * 0.1)
    found = read(recorded(times, burden=burden))
    assert found["nadir"].value == pytest.approx(1e6, rel=1e-12)
    assert found["nadir_day"].value == pytest.approx(20, rel=1e-12)
    assert found["time_to_progression"].value == pytest.approx(20 + math.log(1.2) / 0.1, rel=1e-7)


def test_survival() -> None:
    times = np.linspace(0, math.log(100) / 0.1, 93)
    load = np.minimum(0.01 * np.exp(0.1 * times), 1.0)
    load[-1] = 1.0
    found = read(recorded(times, burden=1e8 * load, host_load=load), watching(start=5.0))
    assert found["survival_time"].value == pytest.approx(math.log(100) / 0.1 - 5, rel=INTERPOLATED)
    assert found["survival_time"].observed
    found = read(recorded(times, burden=1e8 * load, host_load=load / 10), watching(start=5.0))
    assert (found["survival_time"].value, found["survival_time"].observed) == (times[-1] - 5, False)


def test_peaks_of_factors() -> None:
    """1 + t exp(-t / 4) peaks on day 4."""
    times = grid(60)
    factor = 1 + times * np.exp(-times / 4)
    found = read(recorded(times, burden=np.full_like(times, 1e6), wnt16b=factor, excess_wnt16b=factor - 1), watching(start=1.0))
    assert found["peak_wnt16b"].value == pytest.approx(1 + 4 / math.e, rel=1e-7)
    assert found["peak_wnt16b_day"].value == pytest.approx(3, rel=1e-4)
    assert "peak_excess_wnt16b" not in found


def test_log_kill_of_courses() -> None:
    """Two courses: a fall by three decades, a rise by one, a fall by half a decade."""
    edges = [math.nextafter(10, 0), math.nextafter(20, 0), math.nextafter(30, 0), 10.0, 20.0, 30.0]
    times = grid(60, extra=edges)
    decades = np.interp(times, [0, 10, 20, 30, 40, 60], [8, 8, 5, 6, 5.5, 6.5])
    doses = [Dose(10, "drug", 4), Dose(11, "drug", 4), Dose(30, "drug", 4)]
    found = read(recorded(np.array(times), burden=10**decades), watching(start=10.0, doses=doses))
    assert found["courses"].value == 2
    assert found["log_kill_1"].value == pytest.approx(3, rel=1e-9)
    assert found["log_kill_2"].value == pytest.approx(0.5, rel=2e-2)  # its nadir is a kink that no event marks
    assert found["log_kill_first"].value == found["log_kill_1"].value
    assert found["log_kill_last"].value == found["log_kill_2"].value
    assert found["given_drug"].value == 12


def test_courses_are_separated_by_pauses() -> None:
    days = [0, 1, 2, 8, 15, 21.5]
    doses = [Dose(day, "drug", 1) for day in days] + [Dose(30, "other", 1)]
    for gap, starts in ((6.4, [0, 15, 21.5]), (6.5, [0, 15]), (7.0, [0]), (0.9, days)):
        watch = Watch(doses=doses, course_agents=frozenset({"drug"}), start=0.0, rules=Rules(course_gap=gap))
        assert course_starts(watch) == starts


def test_mean_rates_are_weighted_with_cells() -> None:
    """Growth 0.1 and kill 0.3 per cell whatever the number of cells."""
    times = grid(60)
    active = 1e8 * np.exp(-0.2 * times)
    found = read(
        recorded(times, burden=active, active=active, growth=0.1 * active, kill_by_a=0.1 * active, kill_by_b=0.2 * active),
        dataclasses.replace(watching(start=5.0), flows={"growth": ["growth"], "kill": ["kill_by_a", "kill_by_b"]}),
    )
    assert found["mean_growth_rate"].value == pytest.approx(0.1, rel=1e-6)
    assert found["mean_kill_rate"].value == pytest.approx(0.3, rel=1e-6)


def test_of_a_failed_run_only_what_had_happened_stands() -> None:
    """The burden reaches 1.2 of itself on day 10·ln 1.2; later everything is lost."""
    times = grid(60)
    good = recorded(times, burden=1e8 * np.exp(0.1 * times))
    for last in (0.0, 1.0, 30.0):
        values = np.where(times[:, None] > last, math.nan, good.values)
        found = read(Trajectory("arm", good.times, good.names, good.units, values, Status.NONFINITE, "broken"))
        assert found.keys() == read(good).keys()
        left = {name: item.value for name, item in found.items() if not math.isnan(item.value)}
        assert left == ({"time_to_progression": pytest.approx(10 * math.log(1.2), rel=1e-6)} if last == 30 else {})
        assert {name for name, item in found.items() if item.observed} == left.keys()


@given(st.floats(-0.3, 0.3), st.floats(0, 9), st.floats(0, 30))
def test_outcomes_recompute_to_the_same_bits(rate: float, size: float, start: float) -> None:
    """From a copy that went through bytes, as a stored run does."""
    times = grid(60)
    trajectory = recorded(times, burden=10**size * np.exp(rate * times))
    stored = np.frombuffer(trajectory.values.tobytes()).reshape(trajectory.values.shape)
    again = Trajectory("arm", np.frombuffer(times.tobytes()), trajectory.names, trajectory.units, stored)
    first, second = read(trajectory, watching(start)), read(again, watching(start))
    assert repr(first) == repr(second)


@given(st.floats(1e-3, 1e6))
def test_cells_in_other_numbers(factor: float) -> None:
    """Times and shares do not depend on the unit of burden, as long as it stays above one cell."""
    times = grid(300, 1.0)
    one, other = (read(recorded(times, burden=scale * clones(times))) for scale in (1.0, factor))
    for name in ("nadir_day", "time_to_progression", "smallest_share", "regrowth_rate"):
        assert other[name].value == pytest.approx(one[name].value, rel=1e-6)
    assert other["nadir"].value == pytest.approx(factor * one["nadir"].value, rel=1e-9)


@pytest.mark.parametrize(
    "wrong",
    [{"progression": 1.0}, {"progression": math.nan}, {"response": 0.0}, {"response": 1.1}, {"course_gap": 0}, {"regrowth": 1}],
)
def test_rules_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Rules(**wrong)


def test_rules_change_the_outcome() -> None:
    times = grid(300)
    found = read(recorded(times, burden=1e8 * np.exp(0.05 * times)), watching(rules=Rules(progression=2.0, response=1.0)))
    assert found["time_to_progression"].value == pytest.approx(math.log(2) / 0.05, rel=INTERPOLATED)
    assert found["responded"].value == 1


# Trajectories.


def test_pieces_run_from_event_to_event() -> None:
    times = np.array([0.0, 1.0, math.nextafter(2, 0), 2.0, 3.0, math.nextafter(4, 0), 4.0])
    trajectory = recorded(times, burden=np.ones(7))
    assert [(piece.start, piece.stop) for piece in trajectory.pieces] == [(0, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize("times", [[], [0.0, 0.0], [1.0, 0.0], [0.0, math.nan]])
def test_times_must_rise(times: list[float]) -> None:
    with pytest.raises(UserError, match="times"):
        Trajectory("arm", np.array(times), ("burden",), ("cell",), np.ones((len(times), 1)))


def test_shapes_must_fit() -> None:
    with pytest.raises(UserError, match="shape"):
        Trajectory("arm", np.arange(3.0), ("burden",), ("cell",), np.ones((2, 1)))
    with pytest.raises(UserError, match="shape"):
        Trajectory("arm", np.arange(3.0), ("burden",), (), np.ones((3, 1)))


def test_the_nearest_column_is_named() -> None:
    trajectory = recorded(grid(5), burden=np.ones(11))
    assert "burden" in trajectory
    assert "burdne" not in trajectory
    with pytest.raises(UserError, match="did you mean `burden`"):
        trajectory["burdne"]


def test_asking_for_one_outcome_gives_the_same_number_as_asking_for_all() -> None:
    scenario = load("exosome-metastasis")
    result = simulate(scenario, ["combination", "surgery_only"])
    compared = 0
    for arm, trajectory in result.trajectories.items():
        every = outcomes(trajectory, watch(scenario, arm))
        for name, item in every.items():
            (alone,) = [found for found in outcomes(trajectory, watch(scenario, arm), [name]).values() if found.name == name]
            assert repr(alone) == repr(item)
            assert repr(result.outcome(arm, name)) == repr(item)
            compared += 1
        assert outcomes(trajectory, watch(scenario, arm), ["nothing"]) == {}
    assert compared > 30
    assert result.outcome("combination", "nothing") is None


@given(st.lists(st.floats(0, 100), min_size=3, max_size=12), st.integers(0, 12), st.integers(1, 12), st.booleans())
def test_pieces_that_are_not_searched_could_not_have_held_the_minimum(
    levels: list[float], first: int, width: int, logarithmic: bool
) -> None:
    # many pieces as under many doses, each a wave on its own level; some levels equal, so that the first one counts
    times, values = [], []
    for index, level in enumerate([*levels, levels[0]]):
        own = np.linspace(index, math.nextafter(index + 1, 0), 9)
        times.append(own)
        values.append(1 + level + np.sin(7 * own + level))
    joined = np.concatenate(times)
    steps = steps_of(recorded(joined, burden=np.concatenate(values)))
    course = Interpolant(steps, steps.values[:, :, 0], logarithmic)
    start, end = float(first), float(first + width) - 0.3
    day, found = course.minimum(start, end)
    if start > times[-1][-1]:
        assert math.isnan(found)
        return
    fine = [np.linspace(max(start, index), min(end, math.nextafter(index + 1, 0)), 2001) for index in range(first, first + width)]
    every = []
    for days in fine:
        place = np.clip(np.searchsorted(course.end, days), 0, len(course.end) - 1)
        every.append(float(course._at(place, course._share(place, days)).min()))
    least = min(every)
    assert found <= least + 1e-9 * abs(least)
    assert found >= least - 1e-4 * (1 + abs(least))
    first_of_equals = next(index for index, low in enumerate(every) if low <= least + 1e-5 * abs(least))
    assert int(day) == first + first_of_equals


# Recorded days.

EVERY_OTHER_DAY = {"pi3k_inhibitor.every": 2, "pi3k_inhibitor.count": 12, "jak2_inhibitor.count": 12, "days": 50}


@pytest.mark.parametrize(
    ("name", "arms", "changes"),
    [
        ("all-together", ["monotherapy", "inhibitor_only"], {"days": 75}),
        ("pi3k-jak2-bypass", ["monotherapy"], EVERY_OTHER_DAY),
        ("exosome-metastasis", ["monotherapy"], {"annexin_a6_clearance_rate": 100, "days": 60}),
    ],
    ids=["daily doses", "a dose every other day", "a fast factor"],
)
def test_outcomes_are_those_of_a_finer_grid(name: str, arms: list[str], changes: dict[str, float]) -> None:
    """Each of these was off by 4e-5 to 3e-4 when rows were few around the peaks and before the next dose."""
    scenario = load(name).changed(changes)
    found = simulate(scenario, arms).outcomes
    finer = simulate(scenario.changed({"record_every": scenario.record_every / 12}), arms).outcomes
    for arm in arms:
        for word, item in finer[arm].items():
            near = {"abs": 1e-3} if word.endswith("_day") else {"rel": 2e-5}
            assert found[arm][word].value == pytest.approx(item.value, nan_ok=True, **near), (arm, word)
            assert found[arm][word].observed == item.observed, (arm, word)


@given(
    st.floats(1, 400),
    st.floats(0.01, 0.5),
    st.lists(st.floats(0, 1) | st.sampled_from([0, 1e-9, 0.5, 0.5 + 1e-9, 1]), max_size=9),
)
def test_recorded_days(days: float, every: float, shares: list[float]) -> None:
    events = [Event(share * days, "drug", 1.0, 1.0) for share in shares]
    found = record_days(days, every, events)
    assert (found[0], found[-1]) == (0, days)
    assert (np.diff(found) > CLOSEST).all()
    assert np.diff(found).max() <= every * (1 + 1e-9) + 2 * CLOSEST or events
    for event in events:
        inside = found[1:-1]
        assert (np.abs(inside - event.time) > CLOSEST).all()
        if event.time > 4 * CLOSEST:
            before = max([0.0, *(other.time for other in events if other.time < event.time)], default=0.0)
            left = inside[(inside > before) & (inside < event.time)]
            assert len(left) == 0 or event.time - left[-1] <= every / 2 + CLOSEST


def test_ten_thousand_doses_are_recorded_at_once() -> None:
    events = [Event(index / 10, "drug", 1.0, 1.0) for index in range(10_000)]
    assert 50_000 < len(record_days(1000.0, 0.5, events)) < 100_000


def test_a_difference_below_what_the_solver_resolves_is_none() -> None:
    """The blocker alone changes nothing; the solver, stopping at its doses, differs in the ninth digit."""
    rows = simulate(load("wnt16b-stroma"), ["untreated", "monotherapy", "blockade"]).outcome_rows()
    blockade = {row["outcome"]: row for row in rows if row["arm"] == "blockade" and not row["outcome"].startswith("given_")}
    assert blockade["time_to_progression"]["against_untreated"] == 0.0
    assert blockade["final_burden"]["against_untreated"] == 1.0
    assert {row["against_untreated"] for row in blockade.values()} <= {0.0, 1.0, None}
    assert abs(blockade["time_to_progression"]["against_reference"]) > 1
