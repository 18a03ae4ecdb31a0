"""The entries of scenario files: what `until` stands for, and parameters given as tables."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.errors import DocumentError
from backfire.scenario.scenario import Scenario, parse
from small import small_scenario

REGIMEN = "drug = { amount = 4.0, start = 10, every = 7, count = 2 }"


def with_drug(regimen: str, days: int = 60) -> Scenario:
    return parse(small_scenario(days=days).replace(REGIMEN, f"drug = {{ amount = 4.0, {regimen} }}"), "small")


tenths = st.integers(1, 400).map(lambda number: Fraction(number, 10))


@given(tenths, tenths, tenths)
def test_doses_until_a_day_are_those_on_or_before_it(start: Fraction, every: Fraction, room: Fraction) -> None:
    until, wanted = start + room, [start]
    while wanted[-1] + every <= until:
        wanted.append(wanted[-1] + every)
    scenario = with_drug(f"start = {float(start)}, every = {float(every)}, until = {float(until)}", days=90)
    assert [dose.time for dose in scenario.doses("monotherapy")] == [float(day) for day in wanted]
    assert scenario.regimens["drug"].count == len(wanted)


@pytest.mark.parametrize(
    ("regimen", "times", "duration"),
    [
        ("start = 10, every = 7, until = 10", [10], 0),
        ("start = 10, every = 7, duration = 2, until = 24", [10, 17], 2),  # the third would begin as it ends
        ("start = 10, every = 7, duration = 2, until = 26", [10, 17, 24], 2),
        ("start = 10, every = 1, count = 2, cycle_length = 7, until = 25", [10, 11, 17, 18, 24, 25], 0),
        ("start = 10, cycle_length = 7, until = 25", [10, 17, 24], 0),
        ("start = 10, until = 12.5", [10], 2.5),
    ],
)
def test_until_ends_doses_cycles_or_the_only_dose(regimen: str, times: list[float], duration: float) -> None:
    doses = with_drug(regimen).doses("monotherapy")
    assert [dose.time for dose in doses] == times
    assert {dose.duration for dose in doses} == {duration}


@pytest.mark.parametrize(
    ("regimen", "words"),
    [
        ("start = 10, every = 7, duration = 2, until = 25", "cuts what starts on day 24; give day 19 or 26"),
        ("start = 10, every = 1, count = 2, cycle_length = 7, until = 24", "cuts what starts on day 24; give day 18 or 25"),
        ("start = 10, every = 1, cycle_length = 7, until = 24", "not both"),
        ("start = 10, every = 7, count = 2, until = 24", "in place of `count`"),
        ("start = 10, duration = 1, until = 24", "in place of `count`, `cycles` or `duration`"),
        ("start = 10, every = 7, until = 9", "`until` is day 9, and the first ends on day 10"),
        ("start = 10, until = 9", "`until` is day 9, and `start` is day 10"),
        ("start = 10, every = 0, until = 24", "`every` is 0; `until` needs days between"),
        ("start = 10, every = 1e-300, until = 24", "doses are more than the 10000 allowed"),
        ("start = 10, every = 7, until = 99", "after the end of the simulation on day 60"),
        ("start = 10, every = 7", "neither `count` nor `until` says how many"),
        ("start = 10, every = 0, count = 3", "one dose of 3 times the amount"),
    ],
)
def test_what_until_cannot_mean_is_refused(regimen: str, words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        with_drug(regimen)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.line == 11


def test_a_change_keeps_what_until_came_to() -> None:
    """So that a sweep, which changes the numbers of a regimen, and ``--set`` mean the same."""
    scenario = with_drug("start = 10, every = 7, until = 25")
    assert [dose.time for dose in scenario.changed({"drug.every": 5}).doses("monotherapy")] == [10, 15, 20]
    assert [dose.time for dose in scenario.changed({"drug.count": 2}).doses("monotherapy")] == [10, 17]
    infused = with_drug("start = 10, until = 12").changed({"drug.start": 20})
    assert [(dose.time, dose.end) for dose in infused.doses("monotherapy")] == [(20, 22)]


def test_a_table_needs_no_more_than_a_number() -> None:
    bare, table = (
        parse(small_scenario().replace("[regimens]", f"[parameters]\ngrowth_rate = {written}\n[regimens]"), "small")
        for written in ("0.2", "{ value = 0.2 }")
    )
    assert bare.hash == table.hash
    assert table.network.parameters["growth_rate"].grade == "assumed"
