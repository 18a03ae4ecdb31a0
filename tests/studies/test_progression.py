"""Progression at visits beside the model's own: days, delays and intervals against sums done by hand, patient by patient."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire import studies
from backfire.simulation import run_members
from backfire.studies import Means, Trial, load_trial
from backfire.studies.runs import Simulated
from backfire.studies.statistics import sample_median
from backfire.studies.trials import delay_lines
from backfire.studies.trials.endpoints import END, LOST, Criteria, Seen
from backfire.studies.trials.progression import AT_VISITS, CONFIRMED, ProgressionReadings, progression_readings
from small import SMALL_FOR_RUNS
from small_studies import TRIAL, written

NEVER = math.inf
HERE = Means(workers=0)
ARMS = ("untreated", "monotherapy")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("readings")
    return backfire.trial(str(written(folder, TRIAL)), folder / "out", HERE)


def first_seen(diameters: list[float], confirmed: bool) -> int | None:
    """The number of the visit that shows progression, as a clinician would find it: one visit after the other."""
    for visit in range(1, len(diameters)):
        grown = []
        for at in (visit, visit + 1):
            if at >= len(diameters):
                grown.append(False)
                continue
            smallest = min(diameters[:at])
            grown.append(diameters[at] / smallest >= 1.2 and diameters[at] - smallest >= 5.0)
        if grown[0] and (grown[1] or not confirmed):
            return visit
    return None


def middle(values: list[float]) -> tuple[float, float, float]:
    """The median, and the narrowest pair of ordered values with at most 2.5 % of chance beyond each end: by counting coins."""
    ordered, count = sorted(values), len(values)
    tail = [sum(math.comb(count, heads) for heads in range(below)) / 2**count for below in range(count // 2 + 1)]
    ends = max(below for below, chance in enumerate(tail) if chance <= 0.025)
    low, high = (ordered[ends - 1], ordered[count - ends]) if ends else (-NEVER, NEVER)
    return statistics.median(ordered), low, high


def test_days_and_delays_are_those_found_visit_by_visit(done: Trial) -> None:
    """Burdens and the model's own progression are those of members simulated apart from the trial, on rows of their own."""
    patients, spec = done.table("patients"), done.spec
    values = patients[["growth_rate", "drug_kill_rate"]].to_numpy()
    own = run_members(spec.scenario, ["growth_rate", "drug_kill_rate"], values, outcomes=["time_to_progression"])
    table, delays = done.table("progression"), done.table("delays").set_index(["arm", "read"])
    for arm in ARMS:
        rows = table[table["arm"] == arm].set_index("patient")
        found: dict[str, list[float]] = {AT_VISITS: [], CONFIRMED: []}
        unseen = 0
        for place in range(len(values)):
            scenario = spec.scenario.changed(dict(zip(("growth_rate", "drug_kill_rate"), values[place].tolist(), strict=True)))
            course = backfire.simulate(scenario, [arm]).trajectories[arm]
            days = [scenario.time_zero + 5.0 * visit for visit in range(1 + int((scenario.days - scenario.time_zero) // 5))]
            cells = np.interp(days, course.times, course["burden"])
            diameters = [10 * (6 * count / (math.pi * 1e8)) ** (1 / 3) for count in cells]
            until = float(patients["followed"][place])
            came = bool(own.observed[arm]["time_to_progression"][place])
            first = float(own.values[arm]["time_to_progression"][place]) if came else NEVER
            first = first if first <= until else NEVER
            assert rows["own_event"][place] == (first < NEVER)
            if first < NEVER:
                assert rows["own"][place] == pytest.approx(first, abs=1e-3)
            for how, column in ((AT_VISITS, "at_visits"), (CONFIRMED, "confirmed")):
                visit = first_seen(diameters, how == CONFIRMED)
                day = 5.0 * visit if visit is not None and 5.0 * visit <= until else NEVER
                assert rows[f"{column}_event"][place] == (day < NEVER), (arm, place, how)
                assert day == NEVER or rows[column][place] == day
                if min(first, day) < NEVER:
                    found[how].append(day - first)
                unseen += how == CONFIRMED and first < NEVER and day == NEVER
        for how, mine in found.items():
            told = delays.loc[(arm, how)]
            assert len(mine) > 10
            assert [told["delay"], told["delay_low"], told["delay_high"]] == pytest.approx(middle(mine), abs=1e-3)
        told = delays.loc[(arm, CONFIRMED)]
        assert told["unseen"] == pytest.approx(unseen / told["own_events"])
        assert told["unseen_low"] <= told["unseen"] <= told["unseen_high"]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 17, 40, 301])
def test_the_interval_of_a_median_is_that_of_coins(count: int) -> None:
    values = np.random.default_rng(count).exponential(10, count)
    values[: count // 4] = NEVER
    found = sample_median(values)
    assert found.row == pytest.approx(middle(values.tolist()))
    assert found.low <= found.value <= found.high


def test_the_interval_of_a_median_covers_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    covered = [
        found.low <= math.log(2) <= found.high for found in (sample_median(row) for row in generator.exponential(1, (600, 25)))
    ]
    assert np.mean(covered) > 0.92
    assert math.isnan(sample_median(np.array([])).value)


def readings(own: list[float], *diameters: list[float], until: float = 60.0) -> ProgressionReadings:
    """Visits every ten days of patients in one arm, with the day of the model's own progression of each."""
    rows, count = np.array(diameters, dtype=float)[:, None, :], len(own)
    days, column = np.array(own)[:, None], "time_to_progression"
    scenario = backfire.parse(SMALL_FOR_RUNS, "small")
    values = np.where(np.isfinite(days), days, 60.0)
    found = Simulated(
        scenario, ("x",), ("monotherapy",), np.zeros((count, 1)), {column: np.where(np.isnan(days), np.nan, values)},
        {column: np.isfinite(days)}, np.zeros((count, 1), dtype=bool),
    )  # fmt: skip
    seen = Seen(10.0 * np.arange(rows.shape[2]), rows, np.array([NEVER]), Criteria())
    (made,) = progression_readings(found, seen, np.full(count, until), [END] * (count - 1) + [LOST])
    return made


def test_what_comes_by_one_reading_only_is_later_or_earlier_than_any() -> None:
    made = readings(
        [12.0, 35.0, NEVER, 14.0, NEVER, math.nan],
        [30, 20, 18, 25, 26, 27],  # 18 days later, and confirmed
        [30, 40, 20, 20, 30, 30],  # seen 25 days before the model's own, against the smallest so far; confirmed 5 days after it
        [30, 30, 40, 40, 40, 40],  # seen, and no progression to the model
        [30, 30, 30, 30, 30, 30],  # the model's own alone
        [30, 30, 30, 30, 30, 30],  # neither
        [30, 40, 40, 40, 40, 40],  # of this one the model says nothing
    )
    assert made.patients.tolist() == [0, 1, 2, 3, 4]
    assert made.delays(AT_VISITS).tolist() == [18, -25, -NEVER, NEVER]
    assert made.delays(CONFIRMED).tolist() == [18, 5, -NEVER, NEVER]
    assert made.delay(AT_VISITS).value == (18 - 25) / 2
    assert made.unseen(CONFIRMED).value == pytest.approx(1 / 3)


def test_nothing_is_read_beyond_the_follow_up() -> None:
    made = readings([12.0, 26.0], [30, 20, 18, 25, 26, 27], [30, 20, 18, 25, 26, 27], until=25.0)
    assert made.own.observed.tolist() == [True, False]
    assert made.seen[AT_VISITS].days.tolist() == [20.0, 20.0], "the last visit before"
    assert made.delays(AT_VISITS).tolist() == [NEVER]
    nobody = readings([NEVER, NEVER], [30, 30, 30], [30, 30, 30])
    assert math.isnan(nobody.delay(CONFIRMED).value)
    assert math.isnan(nobody.unseen(CONFIRMED).value)


def test_the_readings_do_not_hang_on_which_of_them_the_trial_counts(done: Trial, tmp_path: Path) -> None:
    path = written(tmp_path, TRIAL, ('rate" = 0.5', 'rate" = 0.5\n[criteria]\nconfirmed = true'))
    other = studies.trial(str(path), means=HERE)
    assert other.spec.criteria.confirmed
    assert [*other.tables["progression"]] == [*done.tables["progression"]]
    counted = {name: [text.get_text() for legend in dict(studies.study_figures(made))["progression"].legends for text in legend.get_texts()]
               for name, made in (("once", done), ("twice", other))}  # fmt: skip
    assert ["(counts in this trial)" in words for words in counted["once"]] == [False, True, False, False]
    assert ["(counts in this trial)" in words for words in counted["twice"]] == [False, False, True, False]


def test_the_figure_states_the_delays_of_the_table(done: Trial) -> None:
    figure = dict(studies.study_figures(done))["progression"]
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    lines = delay_lines(done)
    assert [line.split(": ", 1)[0] for line in lines] == [*ARMS]
    for line in lines:
        assert all(part in words for part in line.split(": ", 1)[1].split("; "))


def test_without_visits_or_progression_there_is_one_reading_only(tmp_path: Path) -> None:
    exact = load_trial(written(tmp_path, TRIAL, ("visits = 5\n", "")))
    assert exact.asked == exact.needed == ["time_to_progression", "day_above(burden, 1e8)"]
    other = written(tmp_path, TRIAL, ('"progression", ', ""))
    assert load_trial(other).asked == ["day_above(burden, 1e8)"]
    made = studies.trial(str(other), means=HERE)
    assert made.readings == []
    assert not {"progression", "delays"} & {*made.tables}
    assert "progression" not in dict(studies.study_figures(made))
