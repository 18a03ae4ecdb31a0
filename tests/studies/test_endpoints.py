"""What a trial sees at visits, worked by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from backfire.errors import UserError
from backfire.studies.trials.endpoints import DIED, END, SURGERY, Criteria, Endpoint, Seen, endpoints_of, visit_step

NEVER = math.inf


def seen(*rows: list[float], surgery: float = NEVER) -> Seen:
    """Visits every ten days of patients in one arm, diameters in mm."""
    diameters = np.array(rows, dtype=float)[:, None, :]
    return Seen(10.0 * np.arange(diameters.shape[2]), diameters, np.array([surgery]))


def test_a_ball_of_cells() -> None:
    one_cm3 = 1e8
    assert Criteria().diameter(np.array([one_cm3]))[0] == pytest.approx(12.407, abs=1e-3)
    assert Criteria().diameter(np.array([8 * one_cm3]))[0] == pytest.approx(2 * 12.407, abs=1e-3)
    assert Criteria().diameter(np.array([0.0, -1.0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("diameters", "progression", "response", "best"),
    [
        ([30, 20, 18, 22, 24], 40, "PR", -0.4),  # 22 is 20 % over 18, but only 4 mm; 24 is 6 mm over the nadir, not over 30
        ([30, 31, 33, 35, 36], 40, "SD", 1 / 30),  # 36 is 20 % and 6 mm over the first
        ([30, 37, 20, 20, 20], 10, "PD", 7 / 30),  # what comes after progression does not count
        ([30, 10, 1, 1, 10], 40, "CR", 1 / 30 - 1),
        ([30, 22, 22, 22, 22], NEVER, "SD", -8 / 30),  # 27 % is no response
        ([1, 5, 9, 20, 30], 20, "NE", 4.0),  # nothing to measure at first
        ([30, math.nan, math.nan, math.nan, math.nan], NEVER, "NE", math.nan),  # died before the second visit
    ],
)
def test_response_by_hand(diameters: list[float], progression: float, response: str, best: float) -> None:
    found = seen(diameters)
    assert found.progression[0, 0] == progression
    assert found.response[0, 0] == response
    assert found.best_change[0, 0] == pytest.approx(best, nan_ok=True)


@pytest.mark.parametrize(
    ("diameters", "day", "confirmed"),
    [
        ([30, 20, 18, 25, 26], 30, 30),  # seen twice: counts on the day it was seen first
        ([30, 20, 18, 25, 19, 26, 27], 30, 50),  # the first was not there at the next visit
        ([30, 20, 18, 18, 25], 40, NEVER),  # no visit after it
        ([30, 20, 18, 25, math.nan], 30, NEVER),  # dead before it could be confirmed
    ],
)
def test_progression_that_the_next_visit_must_confirm(diameters: list[float], day: float, confirmed: float) -> None:
    once = seen(diameters)
    again = Seen(once.days, once.diameters, once.surgery, Criteria(confirmed=True))
    assert (once.progression[0, 0], again.progression[0, 0]) == (day, confirmed)
    assert "confirmed" in str(again.criteria)


def test_after_surgery_the_primary_is_not_judged() -> None:
    found = seen([30, 25, 40, 60, 90], surgery=20)
    assert found.progression[0, 0] == NEVER
    assert found.last[0, 0] == 10
    assert found.best_change[0, 0] == pytest.approx(-5 / 30)


def test_patients_are_followed_as_long_as_they_are() -> None:
    days = np.array([[12.0], [NEVER], [30.0], [NEVER]])
    watched = np.array([[50.0], [50.0], [50.0], [20.0]])
    why = np.array([[END], [END], [END], [DIED]], dtype=object)
    until, reason = np.array([40.0, 33.0, 25.0, 40.0]), [END, "lost to follow-up", END, END]
    time, event, told = Endpoint("death", days, watched, why).followed(until, reason)
    assert time.ravel().tolist() == [12, 33, 25, 20]
    assert event.ravel().tolist() == [True, False, False, False]
    assert told.ravel().tolist() == ["", "lost to follow-up", END, DIED]
    at_visits, _, _ = Endpoint("progression", days, watched, why, np.arange(0, 60, 10.0)).followed(until, reason)
    assert at_visits.ravel().tolist() == [12, 30, 20, 20]  # censored at the last visit


@pytest.mark.parametrize(
    ("days", "watched", "why", "gain"),
    [
        ((40, 12), (50, 50), (END, END), 28),
        ((NEVER, 12), (50, 50), (END, END), 48),  # up to the horizon
        ((NEVER, NEVER), (50, 50), (END, END), 0),
        ((NEVER, 12), (20, 50), (DIED, END), 8),  # as far as both could be seen
        ((40, NEVER), (50, 20), (END, DIED), 0),  # nothing is known of what comes after day 20
        ((15, NEVER), (50, 20), (END, DIED), -5),
    ],
)
def test_gains_count_as_far_as_both_twins_are_watched(
    days: tuple[float, float], watched: tuple[float, float], why: tuple[str, str], gain: float
) -> None:
    found = Endpoint("progression", np.array([days]), np.array([watched], dtype=float), np.array([why], dtype=object))
    assert found.gains(0, 1, 60).tolist() == [gain]
    assert found.gains(1, 0, 60).tolist() == [-gain]


def test_visits_meet_stored_rows() -> None:
    assert visit_step(14, 7) == 7
    assert visit_step(13, 7) == 1
    assert visit_step(0, 10) == 10
    assert visit_step(10.5, 7) == 3.5
    for time_zero, visits in ((0.1, 7), (0, 7.0003), (14, 7.0003)):
        with pytest.raises(UserError, match=rf"visits every {visits} days from day {time_zero} on .* whole days"):
            visit_step(time_zero, visits)


def test_who_dies_before_surgery_did_not_lose_the_primary() -> None:
    """Deaths on days 17 (before the surgery of day 20, after the last visit before it) and 33 (after it), and none."""
    diameters = [[30, 25, math.nan, math.nan, math.nan], [30, 25, 40, 60, math.nan], [30, 25, 40, 60, 90]]
    came = np.array([[17.0], [33.0], [40.0]])
    alive = np.array([[True], [True], [False]])
    found = SimpleNamespace(
        outcomes={"survival_time": came}, observed={"survival_time": alive}, failed=np.zeros((3, 1), dtype=bool),
        scenario=SimpleNamespace(days=40, time_zero=0.0),
    )  # fmt: skip
    judged = seen(*diameters, surgery=20)
    made = endpoints_of(found, ["progression", "progression_free_survival"], judged)  # type: ignore[arg-type]
    assert made["progression"].why.ravel().tolist() == [DIED, SURGERY, SURGERY]
    assert made["progression"].watched.ravel().tolist() == [10, 10, 10]
    free = made["progression_free_survival"]
    assert free.days.ravel().tolist() == [17, 33, NEVER]
    assert free.why.ravel().tolist() == [DIED, DIED, END]
    seen_once = endpoints_of(found, ["progression"], seen(*diameters))["progression"]  # type: ignore[arg-type]
    assert seen_once.why.ravel().tolist() == [DIED, DIED, END], "without surgery"


@pytest.mark.parametrize("word", ["cells_per_cm3", "growth", "response", "gone", "millimetres"])
def test_criteria_out_of_reason_are_refused(word: str) -> None:
    with pytest.raises(UserError, match=word):
        Criteria(**{word: -1.0})
