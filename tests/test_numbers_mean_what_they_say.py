"""Inputs that users brought to neighbouring tools and that went wrong there, with the right values from closed forms.

Each asks both solvers: ``run`` (the reference) and members of a sweep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.claims import Verdict
from backfire.claims.language import parse_claim
from backfire.claims.measuring import evaluate_members
from backfire.errors import DocumentError, UserError
from backfire.model import Intervention, Mechanism, Part, Process, Regimen, State, option
from backfire.scenario import Scenario, parse, parse_data
from backfire.simulation import Cohort, Result, run_members, simulate, trajectories
from backfire.solvers import Settings, Status

PLAIN = """
title = "One drug"
days = 40
[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drugx"] }
kill = { by = ["drugx"] }
[parameters]
growth_rate = { value = 0.1, source = "a test", grade = "assumed" }
[regimens]
push = { agent = "drugx", amount = 8.0, start = 5, every = 7, count = 3 }
[arms]
untreated = []
monotherapy = ["push"]
"""


def scenario(text: str = PLAIN, **replaced: str) -> Scenario:
    """A scenario file with lines that begin with these words replaced."""
    lines = text.strip().split("\n")
    for word, line in replaced.items():
        place = next(index for index, old in enumerate(lines) if old.split(" ")[0] == word)
        lines[place] = line
    return parse("\n".join(lines))


def members(of: Scenario, names: list[str], rows: list[list[float]], wanted: list[str] | None = None) -> Cohort:
    return run_members(of, names, np.array(rows, dtype=float), outcomes=wanted)


# The clock.


def test_the_untreated_arm_does_not_hear_of_the_other_arms_amount() -> None:
    """Logistic growth from the day of the first planned dose, whether anything is in it or not."""
    of = scenario()
    found = members(of, ["push.amount"], [[0.0], [1e-300], [8.0], [1e9]], ["time_to_progression", "nadir", "deepest_fall"])
    untreated = found.values["untreated"]
    assert np.ptp(untreated["nadir"]) == 0
    assert untreated["nadir"][0] == pytest.approx(1.638094e7, rel=1e-6)
    assert untreated["time_to_progression"][0] == pytest.approx(1.856578, rel=1e-5)
    nothing, hardly = (found.values["monotherapy"]["nadir"][place] for place in (0, 1))
    assert nothing == pytest.approx(hardly, rel=1e-6)
    assert simulate(of, ["untreated"]).outcomes["untreated"]["nadir"].value == pytest.approx(1.638094e7, rel=1e-6)


def test_an_amount_of_zero_is_set_as_it_is_swept() -> None:
    """The limit of small amounts: the arm keeps clock and courses of its schedule, and nothing is in the doses."""
    of = scenario()
    none, hardly = (simulate(of.changed({"push.amount": amount})).outcomes["monotherapy"] for amount in (0, 1e-300))
    swept = members(of, ["push.amount"], [[0.0]]).values["monotherapy"]
    assert set(none) == set(hardly) >= {"given_drugx", "courses", "nadir"}
    assert none["given_drugx"].value == swept["given_drugx"][0] == 0
    for name, item in none.items():
        assert item.value == pytest.approx(hardly[name].value, rel=1e-6, nan_ok=True), name
        if name in swept:
            assert item.value == pytest.approx(swept[name][0], rel=2e-5, abs=1e-6, nan_ok=True), name
    stored = of.changed({"push.amount": 0})
    assert parse_data(stored.resolved(), stored.name).hash == stored.hash
    assert (stored.time_zero, stored.first_intervention("monotherapy")) == (5, 5)


def test_an_amount_that_is_left_out_is_no_zero() -> None:
    with pytest.raises(DocumentError, match=r"push.*`drugx` needs an `amount`, in EC50"):
        scenario(push='push = { agent = "drugx", start = 5, every = 7, count = 3 }')


MORTAL = """
title = "Surgery, a drug, and a host that can die"
days = 30
[mechanisms]
growth = { law = "exponential" }
pharmacology = { agents = ["drugx"] }
kill = { by = ["drugx"] }
surgery = { of = ["active"] }
survival = { totals = ["burden"] }
[parameters]
starting_cells = { value = 1e7, source = "a test", grade = "assumed" }
growth_rate = { value = 0.3, source = "a test", grade = "assumed" }
lethal_burden = { value = 4e7, source = "a test", grade = "assumed" }
[regimens]
surgery = { start = 10 }
push = { agent = "drugx", amount = 8.0, start = 14 }
[arms]
untreated = []
surgery_only = ["surgery"]
monotherapy = ["push"]
"""


def test_a_host_that_died_before_treatment_has_no_survival_after_it() -> None:
    """It dies on day ln(4)/0.3, and treatment would have begun on day 10."""
    of = parse(MORTAL)
    found, result = members(of, ["growth_rate"], [[0.3]]), simulate(of)
    assert of.time_zero == 10
    for arm in of.arms:
        assert result.trajectories[arm].times[-1] == pytest.approx(math.log(4) / 0.3, rel=1e-8)
        for name in ("survival_time", "time_to_progression", "nadir", "burden_area"):
            assert math.isnan(result.outcomes[arm][name].value), name
            assert math.isnan(found.values[arm][name][0]), name
        assert not result.outcomes[arm]["survival_time"].observed
        assert not found.observed[arm]["survival_time"][0]


@given(st.floats(1e7 + 1, 1e10))
def test_no_arm_has_a_row_after_the_death_of_its_host(lethal: float) -> None:
    """In engines of others, too: ``exchange/test_reactions.py`` lets no cell move there after it."""
    of = parse(MORTAL.replace("4e7", repr(lethal)))
    day = math.log(lethal / 1e7) / 0.3
    course = simulate(of, ["untreated"]).trajectories["untreated"]
    assert course.times[-1] == pytest.approx(min(day, 30), rel=1e-7, abs=1e-7)
    days = np.linspace(0, 30, 301)
    (states,), (status,) = trajectories(of, [], np.zeros((1, 0)), "untreated", days)
    assert status == Status.OK
    assert np.isnan(states[days > day + 1e-4]).all()
    assert np.isfinite(states[days < day - 1e-4]).all()


def test_what_is_given_and_the_courses_end_with_the_host() -> None:
    """Dead on day ln(100)/0.3 = 15.35, a day and a third into an infusion of two days; the third course never comes."""
    text = MORTAL.replace("4e7", "1e9").replace(
        'push = { agent = "drugx", amount = 8.0, start = 14 }',
        'push = { agent = "drugx", amount = 8.0, start = 4, every = 10, count = 3, duration = 2 }\nnothing = { agent = "drugx", amount = 1e-9, start = 29 }',
    )
    of = parse(text.replace("[arms]", '[arms]\nall = ["push", "nothing"]').replace('agents = ["drugx"]', 'agents = ["drugx"]'))
    of = of.changed({"drugx_kill_rate": 1e-9})
    day = math.log(100) / 0.3
    found, batch = simulate(of, ["all"]).outcomes["all"], members(of, ["push.amount"], [[8.0]], ["given_drugx", "courses"])
    for value in (found["given_drugx"].value, batch.values["all"]["given_drugx"][0]):
        assert value == pytest.approx(8 + 8 * (day - 14) / 2, rel=1e-5)
    for value in (found["courses"].value, batch.values["all"]["courses"][0]):
        assert value == 2


@pytest.mark.parametrize("law", ["logistic", "exponential"])
def test_a_tumour_that_rests_has_its_nadir_at_the_start(law: str) -> None:
    of = scenario(PLAIN.replace("logistic", law)).changed({"growth_rate": 0.0})
    found, batch = simulate(of, ["untreated"]).outcomes["untreated"], members(of, ["growth_rate"], [[0.0]], ["nadir_day"])
    assert found["nadir_day"].value == batch.values["untreated"]["nadir_day"][0] == 0


def test_the_clock_does_not_start_after_the_last_day() -> None:
    with pytest.raises(DocumentError, match="day 41 is after the last day, 40"):
        scenario(PLAIN.replace("[mechanisms]", "[outcomes]\nfrom = 41\n[mechanisms]"))


def test_surgery_as_the_only_treatment_starts_the_clock() -> None:
    text = MORTAL.replace("4e7", "1e12").replace('push = { agent = "drugx", amount = 8.0, start = 14 }\n', "")
    of = parse(text.replace('monotherapy = ["push"]\n', ""))
    assert of.time_zero == 10
    assert simulate(of).outcomes["untreated"]["nadir"].value == pytest.approx(1e7 * math.exp(3), rel=1e-8)


def test_the_clock_can_be_set_and_an_arms_own_response_counts_from_its_own_first_dose() -> None:
    late = 'push = { agent = "drugx", amount = 8.0, start = 25 }\nearly = { agent = "drugx", amount = 8.0, start = 5 }'
    of = scenario(push=late, monotherapy='late = ["push"]\nearly = ["early"]')
    result = simulate(of)
    assert of.time_zero == 5
    assert result.outcomes["late"]["nadir_day"].value > 20
    fall = result.outcomes["late"]["deepest_fall"].value
    assert fall == pytest.approx(result.outcomes["late"]["log_kill_first"].value, rel=1e-9)
    moved = of.changed({"early.start": 1, "early.amount": 2})
    assert moved.time_zero == 5
    assert {name: item.value for name, item in simulate(moved, ["late"]).outcomes["late"].items()} == pytest.approx(
        {name: item.value for name, item in result.outcomes["late"].items()}, rel=1e-12, nan_ok=True
    )
    explicit = parse(PLAIN + "\n[outcomes]\nfrom = 2\n")
    assert explicit.time_zero == 2
    assert simulate(explicit).outcomes["monotherapy"]["time_to_progression"].value > 0
    with pytest.raises(DocumentError, match="from"):
        parse(PLAIN + "\n[outcomes]\nfrom = -1\n")


@given(st.floats(0, 50), st.integers(0, 20), st.floats(0.5, 6))
def test_no_number_of_one_arm_depends_on_anothers_amounts_or_times(amount: float, start: int, every: float) -> None:
    other = 'push = { agent = "drugx", amount = 8.0, start = 5, every = 7, count = 3 }\n'
    of = scenario(push=other + 'own = { agent = "drugx", amount = 3.0, start = 9 }', monotherapy='a = ["push"]\nb = ["own"]')
    names = ["push.amount", "push.start", "push.every"]
    found = members(of, names, [[8.0, 5.0, 7.0], [amount, float(start), every]])
    for arm in ("untreated", "b"):
        for name, values in found.values[arm].items():
            assert values[0] == values[1] or np.isnan(values).all(), (arm, name)


# Days that are sums of decimals.


def test_the_last_dose_on_the_last_day_is_given_in_tenths_too() -> None:
    tenths = "push = { agent = 'drugx', amount = 2.0, start = 0, every = 1.1, count = 4 }"
    of = scenario(days="days = 3.3", push=tenths)
    result = simulate(of, ["monotherapy"])
    assert result.outcomes["monotherapy"]["given_drugx"].value == 8
    assert members(of, ["push.every"], [[1.1]]).status.tolist() == [[0, 0]]
    trajectory = result.trajectories["monotherapy"]
    assert trajectory.times[-1] == 3.3
    assert trajectory["drugx"][-1] > 2  # recorded values at a dose are those after it


@pytest.mark.parametrize("push", ["every = 7, count = 3", "cycles = 3, cycle_length = 7"])
def test_infusions_that_touch_do_not_overlap(push: str) -> None:
    text = PLAIN.replace("amount = 8.0, start = 5, every = 7, count = 3", f"amount = 7.0, start = 0, duration = 7, {push}")
    of = parse(text.replace("days = 40", "days = 42").replace("[regimens]", elimination(0.5)))
    level = 2 * (1 - math.exp(-10.5)) * math.exp(-10.5)
    assert simulate(of, ["monotherapy"]).trajectories["monotherapy"]["drugx"][-1] == pytest.approx(level, rel=1e-6)


def elimination(rate: float) -> str:
    return f'drugx_elimination_rate = {{ value = {rate}, source = "a test", grade = "assumed" }}\n[regimens]'


def test_four_hundred_drips_of_a_tenth_of_a_day_fill_forty_two_days() -> None:
    text = PLAIN.replace("8.0, start = 5, every = 7, count = 3", "0.1, start = 0, duration = 0.1, every = 0.1, count = 420")
    of = parse(text.replace("days = 40", "days = 42").replace("[regimens]", elimination(0.5)))
    found = simulate(of, ["monotherapy"]).trajectories["monotherapy"]["drugx"][-1]
    assert found == pytest.approx(2 * (1 - math.exp(-21)), rel=1e-8)


@given(st.integers(0, 400), st.integers(1, 200), st.integers(1, 40), st.sampled_from([1, 2, 3]))
def test_decimal_schedules_hit_their_days(start: int, every: int, count: int, places: int) -> None:
    """Against whole numbers: days in units of the last decimal."""
    unit = 10**places
    regimen = Regimen("r", "drug", start=start / unit, amount=1.0, every=every / unit, count=count)
    days = [dose.time for dose in regimen.doses()]
    assert days == [float(f"{(start + index * every) / unit:.{places}f}") for index in range(count)]
    assert regimen.end == days[-1]


# What lies between recorded rows.

FAST = (
    PLAIN.replace("logistic", "gompertz")
    .replace("days = 40", "days = 60")
    .replace("amount = 8.0, start = 5, every = 7, count = 3", "amount = 20.0, start = 5, every = 10, count = 5")
    .replace("growth_rate = { value = 0.1", "growth_rate = { value = 0.05")
    .replace(
        "[regimens]",
        "\n".join(
            f'{name} = {{ value = {value}, source = "a test", grade = "assumed" }}'
            for name, value in (
                ("starting_cells", "1e8"),
                ("drugx_elimination_rate", "5"),
                ("drugx_hill", "4"),
                ("drugx_kill_rate", "3.0"),
            )
        )
        + "\n[regimens]",
    )
)


@pytest.mark.parametrize("every", [0.5, 0.1, 0.02])
def test_a_drug_gone_in_a_day_has_its_nadir_where_it_is(every: float) -> None:
    """13,181,734 cells 40.7269 days after the first dose, by SciPy on a grid of 0.005 days and its polynomials."""
    of = parse(FAST.replace("days = 60", f"days = 60\nrecord_every = {every}"))
    found = simulate(of, ["monotherapy"]).outcomes["monotherapy"]
    assert found["nadir"].value == pytest.approx(13181734, rel=2e-6)
    assert found["nadir_day"].value == pytest.approx(40.7269, abs=1e-3)
    assert found["log_kill_1"].value == pytest.approx(0.731830, rel=1e-5)


@cache
def fast() -> Result:
    return simulate(parse(FAST), ["monotherapy"])


@given(st.floats(0.01, 0.5))
def test_no_outcome_depends_on_which_days_are_recorded(every: float) -> None:
    usual = fast().outcomes["monotherapy"]
    other = simulate(fast().scenario.changed({"record_every": every}), ["monotherapy"]).outcomes["monotherapy"]
    assert {name: item.value for name, item in usual.items()} == pytest.approx(
        {name: item.value for name, item in other.items()}, rel=1e-12, nan_ok=True
    )


# Bounds, and what is next to nothing.


def test_a_difference_with_a_time_that_was_not_reached_is_a_bound() -> None:
    result = simulate(scenario().changed({"push.amount": 1000.0, "drugx_kill_rate": 3.0}))
    change = result.change("time_to_progression", "monotherapy", "untreated")
    assert change is not None
    assert (change.bound, change.value) == (">", pytest.approx(33.1434, abs=1e-3))
    back = result.change("time_to_progression", "untreated", "monotherapy")
    assert back is not None
    assert back.bound == "<"
    rows = {row["arm"]: row for row in result.outcome_rows() if row["outcome"] == "time_to_progression"}
    assert rows["monotherapy"]["against_untreated_bound"] == ">"
    assert rows["untreated"]["against_untreated_bound"] == ""


def test_a_drug_that_decays_for_two_years_never_falls_below_nothing() -> None:
    text = PLAIN.replace("logistic", "exponential").replace("days = 40", "days = 730")
    text = text.replace("amount = 8.0, start = 5, every = 7, count = 3", "amount = 8.0, start = 1, every = 100, count = 4")
    values = (("starting_cells", "1e7"), ("drugx_elimination_rate", "9.0"), ("drugx_hill", "0.5"), ("drugx_kill_rate", "3.0"))
    lines = "\n".join(f'{name} = {{ value = {value}, source = "a test", grade = "assumed" }}' for name, value in values)
    of = parse(
        text.replace("growth_rate = { value = 0.1", "growth_rate = { value = 0.02").replace("[regimens]", f"{lines}\n[regimens]")
    )
    found = members(of, ["growth_rate"], [[0.02]], ["final_burden", "log_kill_1", "nadir_day", "lowest(drugx)", "final(drugx)"])
    result = simulate(of, ["monotherapy"])
    for read in (
        lambda name: found.values["monotherapy"][name][0],
        lambda name: result.outcome("monotherapy", name).value,  # type: ignore[union-attr]
    ):
        assert read("final_burden") == pytest.approx(6.10911654e11, rel=2e-4)
        assert read("log_kill_1") == pytest.approx(0.375078124, rel=1e-4)
        assert read("lowest(drugx)") >= 0
        assert read("final(drugx)") >= 0
    # closed form: the drug level has fallen far enough 2/k · ln(1 + √C0) after the dose
    assert result.outcomes["monotherapy"]["log_kill_1"].value == pytest.approx(0.375078124, rel=1e-6)


# Models of others: in shares, and with cells of the host.


@dataclass(frozen=True)
class Host(Mechanism):
    """Cells of the host that a wave drives far below one, and that come back: H' = a (t - 10) H, with t' = 1."""

    label = "host"
    counted: bool = option("whether less than one cell is none", example=False, default=False)

    def parts(self) -> Iterator[Part]:
        yield State("host_cells", "cell", "cells of the host", 100.0, counted=self.counted)
        yield State("quarter", "1", "a number that rises", 0.0)
        yield Process("ticking", "growth", "1 / day", "time", enters="quarter")
        yield Process("falling", "death", "0.32 * positive(10 - quarter) / day * host_cells", "death", leaves="host_cells")
        yield Process("rising", "growth", "0.32 * positive(quarter - 10) / day * host_cells", "return", enters="host_cells")


@pytest.mark.parametrize("settings", [None, Settings()])
def test_cells_of_the_host_may_be_fewer_than_one_and_come_back(settings: Settings | None) -> None:
    """H(t) = 100·exp(0.16·((t - 10)² - 100)): 100 again on day 20, after 1e-5 on day 10; counted cells do not come back."""
    text = 'title = "Cells of the host"\ndays = 20\n[mechanisms]\nhost = {}\n[arms]\nnone = []\n'
    free, counted = (parse(text.replace("{}", given), mechanisms=[Host]) for given in ("{}", "{ counted = true }"))
    for of, last in ((free, 100.0), (counted, 0.0)):
        found = run_members(of, [], np.zeros((1, 0)), outcomes=["final(host_cells)"], settings=settings)
        assert found.values["none"]["final(host_cells)"][0] == pytest.approx(last, rel=1e-3)


def test_counted_cells_that_start_as_a_share_of_one_are_warned_of() -> None:
    of = scenario(
        PLAIN.replace("[parameters]", '[parameters]\nstarting_cells = { value = 0.01, source = "a test", grade = "assumed" }')
    )
    assert any("starts with 0.01 cell" in warning for warning in of.warnings)


@dataclass(frozen=True)
class Poison(Mechanism):
    """A drug that kills by its level alone, with names of its own: A' = - kA·P/(1 + P), P' = - P/day."""

    label = "poison"

    def parts(self) -> Iterator[Part]:
        yield State("level", "EC50", "level of the poison")
        yield Process("leaving", "elimination", "level / day", "elimination", leaves="level")
        yield Process("poisoning", "kill", "level / (EC50 + level) / day * active", "death by poison", leaves="active")
        yield Intervention("poison", "one dose", amount_unit="EC50", adds={"level": "amount"})


def test_courses_are_those_of_whatever_drives_a_process_of_kind_kill() -> None:
    text = """
title = "A poison"
days = 40
[mechanisms]
growth = { law = "exponential" }
poison = {}
[regimens]
poison = { amount = 5.0, start = 5, every = 10, count = 2 }
[arms]
untreated = []
poisoned = ["poison"]
"""
    of = parse(text, mechanisms=[Poison])
    found, batch = simulate(of).outcomes["poisoned"], members(of, ["growth_rate"], [[of.values["growth_rate"]]])
    assert found["courses"].value == batch.values["poisoned"]["courses"][0] == 2
    assert found["log_kill_2"].value == pytest.approx(batch.values["poisoned"]["log_kill_2"][0], rel=1e-4)
    assert found["log_kill_2"].value > 0.5


@dataclass(frozen=True)
class Shares(Mechanism):
    """A rate that has no number once a clone has died out: A' = - k·A/(A + A0)."""

    label = "ratio"

    def parts(self) -> Iterator[Part]:
        yield State("rare", "cell", "a clone", 10.0, counts_in="burden")
        yield Process("vanishing", "death", "rare / day", "death", leaves="rare")
        yield State("signal", "fold", "what it sends out", 0.0)
        yield Process("sending", "secretion", "fold * rare / rare / day", "secretion", enters="signal")


def test_a_rate_that_is_no_number_says_which_when_and_of_what() -> None:
    of = parse('title = "A clone dies out"\ndays = 9\n[mechanisms]\nratio = {}\n[arms]\nuntreated = []\n', mechanisms=[Shares])
    course = simulate(of).trajectories["untreated"]
    assert course.status == Status.NONFINITE
    assert "process sending, fold * rare / rare / day, is not finite on day 2.3025" in course.message, "ln 10 days"
    assert course.message.endswith("with rare = 0")


# What is asked of anything recorded.

ASKED = {
    "day_above(drugx, 4)": 0.0, "day_below(drugx, 4)": math.log(2) / 0.5, "day_above(drugx, 9)": math.nan,
    "final(drugx / active)": None, "day_above(active / burden, 1)": 0.0, "mean(active / burden)": 1.0, "area(active / burden)": 35.0,
}  # fmt: skip


@pytest.mark.parametrize("settings", [None, Settings()])
def test_days_beyond_a_level_and_ratios_are_right(settings: Settings | None) -> None:
    """One dose of 8 EC50 on day 5 that halves every ln 2 / 0.5 days; every cell is active."""
    of = scenario(push='push = { agent = "drugx", amount = 8.0, start = 5 }').changed({"drugx_elimination_rate": 0.5})
    cohort = run_members(of, [], np.zeros((1, 0)), ["monotherapy"], [*ASKED], settings=settings)
    found, seen = cohort.values["monotherapy"], cohort.observed["monotherapy"]
    for name, right in ASKED.items():
        if right is None:
            continue
        assert seen[name][0] == (not math.isnan(right)), name
        assert found[name][0] == pytest.approx(35.0 if math.isnan(right) else right, rel=1e-4, abs=1e-9), name
    end = 8 * math.exp(-0.5 * 35)
    both = run_members(of, [], np.zeros((1, 0)), ["monotherapy"], ["final(active)", "final(drugx)"], settings=settings)
    assert both.values["monotherapy"]["final(drugx)"][0] == pytest.approx(end, rel=1e-3, abs=1e-9)
    cells = both.values["monotherapy"]["final(active)"][0]
    assert found["final(drugx / active)"][0] == pytest.approx(end / cells, rel=1e-2)


def test_what_is_asked_has_a_unit_and_names_that_exist() -> None:
    result = simulate(scenario())
    for name, unit in (
        ("final(drugx / active)", "EC50/cell"), ("mean(active / burden)", "1"), ("area(active / burden)", "day"),
        ("day_above(active, 1e6)", "day"), ("area(active)", "cell·day"),
    ):  # fmt: skip
        outcome = result.outcome("monotherapy", name)
        assert outcome is not None
        assert outcome.unit == unit
    for name in ("final(active / burdn)", "day_above(activ, 5)"):
        with pytest.raises(UserError, match=r"did you mean `(burden|active)`"):
            run_members(scenario(), [], np.zeros((1, 0)), outcomes=[name])
    for name in ("day_above(active)", "final(active, 5)", "peak(active /)"):
        with pytest.raises(UserError, match="unknown outcome"):
            run_members(scenario(), [], np.zeros((1, 0)), outcomes=[name])


def test_claims_ask_for_days_and_ratios_too() -> None:
    words = "day_below(active, 2e5, monotherapy) > 0 and final(active / burden, untreated) = 1 within 1 %"
    claim = parse_claim(words)
    assert [str(ref) for ref in claim.refs()] == ["day_below(active, 200000, monotherapy)", "final(active / burden, untreated)"]
    judged = evaluate_members(scenario(), {"own": claim})["own"].judged
    assert judged.verdict(0) in (Verdict.HOLDS, Verdict.NOT_APPLICABLE)


@pytest.mark.parametrize("settings", [None, Settings()])
def test_progression_at_a_level(settings: Settings | None) -> None:
    """Untreated, an exponential tumour of 1e7 cells has 1e9 of them on day ln 100 / 0.1; time zero is day 5."""
    level = PLAIN.replace("[mechanisms]", "[outcomes]\nprogression_level = 1e9\n[mechanisms]").replace("logistic", "exponential")
    of = parse(level.replace("days = 40", "days = 60")).changed({"starting_cells": 1e7})
    found = run_members(of, [], np.zeros((1, 0)), settings=settings)
    assert found.values["untreated"]["time_to_progression"][0] == pytest.approx(math.log(100) / 0.1 - 5, rel=1e-5)
    assert found.values["untreated"]["regrowth_rate"][0] == pytest.approx(0.1, rel=1e-4)
    assert "until a burden of 1e+09" in simulate(of).outcomes["untreated"]["time_to_progression"].meaning
    for wrong, words in (("0", "above 0"), ("1e9\nprogression = 2", "in place of")):
        with pytest.raises(DocumentError, match=words):
            parse(level.replace("1e9", wrong))
