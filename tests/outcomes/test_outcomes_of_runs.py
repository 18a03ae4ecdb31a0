"""Outcomes of whole runs: surgery is no kill by drugs, and how often is recorded changes nothing."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from backfire.scenario.scenario import load, parse
from backfire.simulation.arms import Result, simulate
from backfire.solvers.reference import Settings
from commands import call
from small import SMALL_FOR_RUNS


def operated(day: float, doses: str = "start = 10, every = 14, count = 2") -> Result:
    text = SMALL_FOR_RUNS.replace("kill = {", "surgery = {}\nkill = {").replace("start = 10, every = 7, count = 3", doses)
    text = text.replace("[arms]", f"surgery = {{ start = {day} }}\n\n[arms]\noperated = ['drug', 'surgery']")
    result = simulate(parse(text))
    assert result.ok
    return result


def test_surgery_before_treatment_leaves_nothing_to_judge(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = operated(5)
    found = result.outcomes["operated"]
    for name in ("nadir", "nadir_day", "smallest_share", "time_to_progression", "regrowth_rate", "responded"):
        assert math.isnan(found[name].value), name
    assert not found["time_to_progression"].observed
    assert math.isnan(found["log_kill_first"].value)
    assert found["final_burden"].value == 0
    others = result.outcomes["monotherapy"]
    assert all(math.isfinite(others[name].value) for name in ("nadir", "time_to_progression", "responded"))
    small.write_text(
        SMALL_FOR_RUNS.replace("kill = {", "surgery = {}\nkill = {").replace(
            "[arms]", "surgery = { start = 5 }\n[arms]\noperated = ['drug', 'surgery']"
        ),
        encoding="utf-8",
    )
    assert call("run", small, "--out", tmp_path / "out", "--format", "json") == 0
    rows = {row["outcome"]: row for row in json.loads(capsys.readouterr().out)[0]["outcomes"] if row["arm"] == "operated"}
    for name in ("nadir", "time_to_progression", "responded"):
        assert rows[name]["value"] is None
        assert rows[name]["against_untreated"] is None


def test_surgery_is_not_counted_as_kill_by_drugs() -> None:
    result = operated(20)
    cut, whole = result.outcomes["operated"], result.outcomes["monotherapy"]
    assert whole["log_kill_1"].value > 0.1
    assert cut["log_kill_1"].value == pytest.approx(whole["log_kill_1"].value, rel=1e-6)
    assert cut["smallest_share"].value == pytest.approx(10 ** -whole["log_kill_1"].value, rel=1e-6)
    assert cut["final_burden"].value == 0
    early = operated(11).outcomes
    assert 0 < early["operated"]["log_kill_1"].value < early["monotherapy"]["log_kill_1"].value


@pytest.mark.parametrize("day", [20, 24])
def test_courses_after_surgery_kill_nothing_that_can_be_counted(day: float) -> None:
    """Also the course that is given on the very day of surgery."""
    found = operated(day).outcomes["operated"]
    assert found["courses"].value == 2
    assert math.isfinite(found["log_kill_1"].value)
    assert math.isnan(found["log_kill_2"].value)
    assert math.isnan(found["log_kill_last"].value)


STEADY = ("nadir", "time_to_progression", "burden_area", "mean_kill_rate")


@pytest.mark.parametrize("name", ["wnt16b-stroma", "exosome-metastasis"])
def test_outcomes_do_not_depend_on_the_grid(name: str) -> None:
    scenario = load(name)
    arms = ("untreated", "monotherapy", "combination")
    coarse = simulate(scenario.changed({"record_every": 0.5}), arms).outcomes
    compared = 0
    for every in (0.25, 0.1):
        for arm, found in simulate(scenario.changed({"record_every": every}), arms).outcomes.items():
            for word, item in found.items():
                if word in STEADY or (word.startswith("peak_") and not word.endswith("_day")):
                    compared += 1
                    wanted = pytest.approx(item.value, rel=1e-5, nan_ok=True)
                    assert coarse[arm][word].value == wanted, (every, arm, word)
                    assert coarse[arm][word].observed == item.observed
    assert compared >= 2 * len(arms) * len(STEADY)


def test_the_first_of_equal_peaks_gives_the_day() -> None:
    """Daily doses raise the factors to nearly the same level each day: two methods must not pick different days."""
    scenario = load("pi3k-jak2-bypass").changed({"pi3k_inhibitor.count": 29, "jak2_inhibitor.count": 29}, days=50)
    arms = ["monotherapy", "combination"]
    one = simulate(scenario, arms, Settings(method="LSODA"))
    two = simulate(scenario, arms, Settings(method="DOP853"))
    for arm in arms:
        days = {name: item.value for name, item in one.outcomes[arm].items() if re.fullmatch(r"peak_\w+_day", name)}
        assert len(days) == 2
        for name, day in days.items():
            assert day == pytest.approx(two.outcomes[arm][name].value, abs=0.05), name
            factor = name.removeprefix("peak_").removesuffix("_day")
            course = one.trajectories[arm]
            before = course[factor][course.times < 21 + day - 1]
            assert before.max() < one.outcomes[arm][f"peak_{factor}"].value * (1 - 1e-6)
