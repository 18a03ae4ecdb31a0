"""Rules in regimens: both solvers against a plain simulation that goes from visit to visit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reacting
import witnesses
from backfire import Scenario, export, find_idle, parse, read_run, run_members, simulate
from backfire.errors import StorageError, UserError
from backfire.figures import comparison
from backfire.figures.panels import strip_rows
from backfire.model.dosing_rules import FLOOR, FLOOR_CELLS, DosingRule
from backfire.simulation import prepare_folder, save
from backfire.simulation.arms import Result
from backfire.simulation.members import MemberTable
from backfire.simulation.together import measured_in
from backfire.solvers import Floats, Settings
from backfire.solvers.batch import BatchSettings, kernel_of, record
from reacting import Plain, Reacting, scenario

DAYS = 240
TIGHT, CLOSE = Settings(relative=1e-11, absolute=1e-14), BatchSettings(relative=1e-9, absolute=1e-13)


@dataclass(frozen=True)
class Family:
    """One family of rules: what a file says, and the same in plain Python."""

    text: str
    plain: Callable[[Plain], None]


def adaptive(arm: Plain) -> None:
    """Off below half of the start, on again at all of it; looked at every 14 days, a dose every 7 while on."""
    start, on = arm.burden, True
    for day in range(0, DAYS + 1, 7):
        arm.go(day)
        if day % 14 == 0:
            if on and arm.burden < 0.5 * start:
                on = False
            elif not on and arm.burden >= start:
                on = True
        if day <= 231 and on:
            arm.give(3.0)
    arm.go(DAYS)


def running(arm: Plain) -> None:
    """The same for a drug that runs all the time, looked at every day."""
    start, on = arm.burden, True
    for day in range(DAYS + 1):
        arm.go(day)
        if on and arm.burden < 0.5 * start:
            on = False
        elif not on and arm.burden >= start:
            on = True
        arm.inflow = 60.0 / 240.0 if on else 0.0
    arm.go(DAYS)


def modulated(arm: Plain) -> None:
    """A tenth more than at the visit before: half as much again; a tenth less: two thirds; a quarter to four times a dose."""
    last, share = math.nan, 1.0
    for day in range(0, 232, 7):
        arm.go(day)
        if day % 21 == 0:
            if arm.burden >= 1.1 * last:
                share = min(share * 1.5, 4.0)
            elif arm.burden < 0.9 * last:
                share = max(share / 1.5, 0.25)
            last = arm.burden
        arm.give(1.0 * share)
    arm.go(DAYS)


def in_lines(arm: Plain) -> None:
    """The first drug until the burden is 1.2 times its nadir, as seen every 7 days; from then on the second, which runs."""
    nadir, second = math.inf, False
    for day in range(0, DAYS + 1, 7):
        arm.go(day)
        nadir = min(nadir, arm.burden)
        second = second or arm.burden >= 1.2 * nadir
        arm.running = 1.0 if second else 0.0
        if not second and day <= 231:
            arm.give(4.0)
    arm.go(DAYS)


def blocked(arm: Plain) -> None:
    """The other drug while a factor is from 1.8 on until it is below 1.3, looked at twice a day."""
    on = False
    for step in range(2 * DAYS + 1):
        arm.go(step / 2)
        factor = float(arm.y[3])
        if on and factor < 1.3:
            on = False
        elif not on and factor >= 1.8:
            on = True
        arm.running = 1.0 if on else 0.0
        if step % 28 == 0 and step <= 2 * 224:
            arm.give(3.0)
    arm.go(DAYS)


def by_diameter(arm: Plain) -> None:
    """Diameters of spheres, measured with an error of 3 %; half of the doses are left out between two shares of the start."""
    errors = np.exp(0.03 * np.random.default_rng(5).standard_normal(34))
    on, start = True, math.nan
    for place, day in enumerate(range(0, 232, 7)):
        arm.go(day)
        diameter = arm.burden ** (1 / 3) * errors[place]
        start = diameter if place == 0 else start
        if on and diameter < 0.85 * start:
            on = False
        elif not on and diameter >= 0.97 * start:
            on = True
        arm.give(3.0 if on else 0.0)
    arm.go(DAYS)


def until_progression(arm: Plain) -> None:
    """Adaptive, by one rule, and over for good at 1.15 times the nadir seen every 28 days from day 56 on, by another."""
    start, nadir, on, over = arm.burden, math.inf, True, False
    for day in range(0, 232, 7):
        arm.go(day)
        if on and arm.burden < 0.7 * start:
            on = False
        elif not on and arm.burden >= 0.9 * start:
            on = True
        if day >= 56 and (day - 56) % 28 == 0:
            nadir = min(nadir, arm.burden)
            over = over or arm.burden >= 1.15 * nadir
        arm.give(3.0 if on and not over else 0.0)
    arm.go(DAYS)


WEEKLY = 'drug = { amount = 3.0, start = 0, every = 7, until = 231, rules = ["rule"] }'
FAMILIES = {
    "adaptive": Family(
        f"[rules.rule]\nvisit_every = 14\nstop_below = 0.5\nresume_above = 1.0\n[regimens]\n{WEEKLY}\n[arms]\ngiven = ['drug']",
        adaptive,
    ),
    "running": Family(
        "[rules.rule]\nvisit_every = 1\nstop_below = 0.5\nresume_above = 1.0\n"
        "[regimens]\ndrug = { amount = 60, start = 0, until = 240, rules = ['rule'] }\n[arms]\ngiven = ['drug']",
        running,
    ),
    "modulated": Family(
        "[rules.rule]\nvisit_every = 21\nof = 'last'\nraise_above = 1.1\nlower_below = 0.9\nby = 1.5\nleast = 0.25\nmost = 4\n"
        "[regimens]\ndrug = { amount = 1.0, start = 0, every = 7, until = 231, rules = ['rule'] }\n[arms]\ngiven = ['drug']",
        modulated,
    ),
    "in_lines": Family(
        "[rules.first]\nvisit_every = 7\nof = 'nadir'\nstop_above = 1.2\n"
        "[rules.second]\nvisit_every = 7\nof = 'nadir'\nstart_above = 1.2\n"
        "[regimens]\ndrug = { amount = 4.0, start = 0, every = 7, until = 231, rules = ['first'] }\n"
        "other = { amount = 1, start = 0, until = 240, rules = ['second'] }\n[arms]\ngiven = ['drug', 'other']",
        in_lines,
    ),
    "blocked": Family(
        "[rules.rule]\nvisit_every = 0.5\nmeasure = 'factor'\nof = 'level'\nstart_above = 1.8\nstop_below = 1.3\n"
        "[regimens]\ndrug = { amount = 3.0, start = 0, every = 14, until = 224 }\n"
        "other = { amount = 1, start = 0, until = 240, rules = ['rule'] }\n[arms]\ngiven = ['drug', 'other']",
        blocked,
    ),
    "by_diameter": Family(
        "[rules.rule]\nvisit_every = 7\nmeasure = 'diameter'\ngeometry = 'sphere'\nerror = 0.03\nseed = 5\n"
        f"stop_below = 0.85\nresume_above = 0.97\n[regimens]\n{WEEKLY}\n[arms]\ngiven = ['drug']",
        by_diameter,
    ),
    "until_progression": Family(
        "[rules.rule]\nvisit_every = 7\nstop_below = 0.7\nresume_above = 0.9\n"
        "[rules.over]\nvisit_every = 28\nvisit_from = 56\nof = 'nadir'\nstop_above = 1.15\n"
        "[regimens]\ndrug = { amount = 3.0, start = 0, every = 7, until = 231, rules = ['rule', 'over'] }\n"
        "[arms]\ngiven = ['drug']",
        until_progression,
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_both_solvers_do_what_a_plain_simulation_does(family: str) -> None:
    of, plain = scenario(FAMILIES[family].text), Plain()
    FAMILIES[family].plain(plain)
    result = simulate(of, settings=TIGHT)
    course, found = result.trajectories["given"], result.outcomes["given"]
    days = np.arange(0.5, DAYS, 1.0)
    here = np.interp(days, course.times, course["burden"])
    assert here == pytest.approx(np.array([plain.at(day) for day in days]), rel=1e-6)
    assert found["final_burden"].value == pytest.approx(plain.burden, rel=1e-6)
    start = reacting.SENSITIVE + reacting.RESISTANT
    assert found["time_to_progression"].value == pytest.approx(plain.progression(1.2 * start), rel=1e-6, nan_ok=True)
    assert len({*course.decisions.tolist()}) > 1, "a family that never reacts shows nothing"  # type: ignore[union-attr]
    if plain.given:
        doses = np.array([(dose.time, dose.amount) for dose in result.given("given") if dose.agent == "drug"])
        assert doses == pytest.approx(np.array(plain.given), rel=1e-12)
        assert found["given_drug"].value == pytest.approx(sum(amount for _, amount in plain.given), rel=1e-12)
        assert found["doses_drug"].value == found["treated_days_drug"].value == len(plain.given)
    batch = run_members(of, [], np.zeros((2, 0)), settings=CLOSE).values["given"]
    for name in ("final_burden", "time_to_progression", "burden_area", "given_drug", "doses_drug", "treated_days_drug"):
        tolerance = 1e-6 if found[name].unit else 1e-9
        assert batch[name] == pytest.approx(found[name].value, rel=tolerance), name


FORMULAS = ("grow", "die_too")
"""What is no sum of states."""
MEASURED = ("grow", "grow / burden", "die_too", "burden / die_too")
LOOKS = np.array([0.0, 20.0, 41.0, 63.5, 100.0])


def in_batch(of: Scenario, fields: list[str], samples: Floats, arm: str = "given") -> tuple[Floats, Floats]:
    """(states (members, days, states) on some days, levels (members, visits) of rules after each visit) by the batch solver."""
    table = MemberTable(of, fields, samples)
    table.check_events([arm])
    assert table.reasons == {}
    members = table.numbers(arm, np.arange(len(samples)))
    states, ends = record(kernel_of(of.network, (), FORMULAS), members, LOOKS, CLOSE)
    assert (ends.status == 0).all()
    return states, ends.decided


NEAR = st.sampled_from((0.3, 0.5, 0.7, 0.85, 0.97, 1.03, 1.1, 1.2, 1.6))


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule of any family, sensible or not."""
    made: dict[str, Any] = {"visit_every": draw(st.sampled_from((0.3, 1, 3.5, 7, 10, 28)))}
    made["of"] = draw(st.sampled_from(("start", "nadir", "last", "level")))
    made["measure"] = draw(
        st.sampled_from(("burden", "factor", "resistant", "resistant / burden", "level", "diameter", *MEASURED))
    )
    if made["measure"] == "diameter":
        made["geometry"] = draw(st.sampled_from(("sphere", "disc")))
        made["of"] = "start" if made["of"] == "level" else made["of"]
    sides = ("above",) if made["of"] == "nadir" else ("below", "above")
    if draw(st.booleans()):
        begins = draw(st.sampled_from(("resume", "start")))
        made[f"stop_{draw(st.sampled_from(sides))}"] = draw(NEAR)
        for side in draw(st.sets(st.sampled_from(sides), min_size=begins == "start")):
            made[f"{begins}_{side}"] = draw(NEAR)
    else:
        made |= {f"raise_{draw(st.sampled_from(sides))}": draw(NEAR), f"lower_{draw(st.sampled_from(sides))}": draw(NEAR)}
        made |= {"by": draw(st.sampled_from((1.1, 1.5, 2.0))), "least": draw(st.sampled_from((0.1, 0.5))), "most": 3.0}
    if draw(st.booleans()):
        made |= {"error": draw(st.sampled_from((0.02, 0.1))), "seed": draw(st.integers(0, 99))}
    return made


@st.composite
def studies(draw: st.DrawFn) -> str:
    """One to three rules over a drug given at once, the same drug infused, and one that runs."""
    drawn = draw(st.lists(rules(), min_size=1, max_size=3))
    lines = []
    for place, rule in enumerate(drawn):
        lines += [f"[rules.rule_{place}]", *(f"{word} = {value!r}" for word, value in rule.items())]
    names = [f"rule_{place}" for place in range(len(drawn))]
    some = st.lists(st.sampled_from(names), max_size=len(names), unique=True)
    every = draw(st.sampled_from((1, 3.5, 7, 9.1)))
    long = draw(st.sampled_from((0.5, 1)))
    lines += [
        "[regimens]",
        f"drug = {{ amount = 2.0, start = {draw(st.sampled_from((0, 3, 10)))}, every = {every}, until = 100, rules = {draw(some)} }}",
        f"slow = {{ agent = 'drug', amount = 3.0, start = 5, every = {every}, duration = {long}, count = 9, rules = {draw(some)} }}",
        f"other = {{ amount = 1, start = 2, until = 100, rules = {draw(some)} }}",
        f"[arms]\ngiven = {draw(st.lists(st.sampled_from(('drug', 'slow', 'other')), min_size=1, unique=True))}",
    ]
    return "\n".join(lines)


def same_decisions(text: str) -> None:
    of = scenario(text).changed(days=100)
    course = simulate(of, settings=TIGHT).trajectories["given"]
    assert course.status.good, course.message
    states, decided = in_batch(of, [], np.zeros((1, 0)))
    assert decided[0].tolist() == ([] if course.decisions is None else course.decisions.tolist())
    here = course.values[np.searchsorted(course.times, LOOKS), : states.shape[2]]
    assert states[0] == pytest.approx(here, rel=1e-6, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(studies())
def test_both_solvers_decide_alike_by_any_rules(text: str) -> None:
    same_decisions(text)


@pytest.mark.thorough
@settings(max_examples=500, deadline=None)
@given(studies())
def test_both_solvers_decide_alike_by_five_hundred_rules(text: str) -> None:
    same_decisions(text)


def vanishing(arm: Plain, measure: Callable[[Plain], float]) -> list[float]:
    """The drug over the first half of nine days, and the other, six times as strong, until what is measured has lost three tenths
    since the last look; on again where it has lost nothing. What was nothing has no shares, and nothing is learnt where there is
    nothing to divide by. The level after each look."""
    levels, last, on = [], math.nan, 1.0
    for tenth in range(1001):
        look = tenth >= 20 and tenth % 3 == 2
        if look or tenth % 5 == 0:
            arm.go(tenth / 10)
        if look:
            measured = measure(arm)
            if on and measured < 0.7 * last:
                on = 0.0
            elif not on and measured >= last > 0:
                on = 1.0
            last = last if math.isnan(measured) else measured
            levels.append(on)
        arm.inflow = 6.0 if tenth // 10 < 9 and tenth % 10 < 5 else 0.0
        arm.running = 6.0 * on if tenth >= 20 else 0.0
    return levels


def seen(value: float, below: float = 1.0) -> float:
    """A ratio of what is measured: what no solver resolves is nothing."""
    value, below = (size if size >= 1e-9 else 0.0 for size in (value, below))
    return value / below if below else math.nan


VANISHING = (
    "[rules.rule]\nvisit_every = 0.3\nmeasure = 'MEASURED'\nof = 'last'\nstop_below = 0.7\nresume_above = 1.0\n[regimens]\n"
    "drug = { amount = 3.0, start = 0, every = 1, duration = 0.5, count = 9 }\n"
    "other = { amount = 6, start = 2, until = 100, rules = ['rule'] }\n[arms]\ngiven = ['drug', 'other']"
)


@pytest.mark.parametrize(
    ("measured", "plain"),
    [
        ("resistant", lambda arm: seen(arm.y[1])),
        ("resistant / factor", lambda arm: seen(arm.y[1], arm.y[3])),
        ("resistant / level", lambda arm: seen(arm.y[1], arm.y[2])),
        ("die_too", lambda arm: seen(reacting.OTHER * arm.running * arm.y[1])),
    ],
)
def test_what_no_solver_resolves_is_nothing(measured: str, plain: Callable[[Plain], float]) -> None:
    """A clone of 1e-15 has shares of its last value that are noise, by which the two solvers used to decide differently."""
    text = VANISHING.replace("MEASURED", measured)
    same_decisions(text)
    decisions = simulate(scenario(text).changed(days=100), settings=TIGHT).trajectories["given"].decisions
    levels = vanishing(Plain(), plain)
    assert decisions is not None
    assert decisions.tolist() == levels
    assert {*levels} == {0.0, 1.0}


def test_nothing_is_what_neither_solver_resolves_by_default() -> None:
    assert max(Settings().cells, BatchSettings().cells) == FLOOR_CELLS
    assert max(Settings().absolute, BatchSettings().absolute) == FLOOR
    units = {"burden": "cell", "grow": "cell/day", "factor": "fold", "share": "1/cell"}
    looks = {name: DosingRule("rule", 1.0, measure=name, stop_below=0.5).floors(units) for name in units}
    assert looks == {"burden": (FLOOR_CELLS,), "grow": (FLOOR_CELLS,), "factor": (FLOOR,), "share": (0.0,)}


CONSTANT = "growth = 0\nkilling = 0\nrise = 0"
"""Nothing changes but the drug itself: burdens meet thresholds exactly."""


@pytest.mark.parametrize(
    ("rule", "levels"),
    [
        ("of = 'level'\nstart_above = 0.302", [1, 1, 1, 1]),  # at least
        ("of = 'level'\nstop_below = 0.302", [1, 1, 1, 1]),  # less than
        ("start_above = 1.0", [1, 1, 1, 1]),
        ("start_above = 1.0000001", [0, 0, 0, 0]),
        ("stop_below = 1.0\nresume_above = 1.0", [1, 1, 1, 1]),
        ("stop_above = 1.0\nresume_above = 1.0", [0, 1, 0, 1]),  # flips at every visit
        ("of = 'nadir'\nstop_above = 1.0", [0, 0, 0, 0]),
        ("of = 'last'\nraise_above = 1.0\nby = 2\nmost = 3", [1, 2, 3, 3]),
        ("measure = 'level'\nof = 'start'\nstart_above = 0.1", [0, 0, 0, 0]),  # a share of nothing is never met
        ("measure = 'level / inflow'\nof = 'start'\nstop_above = 0.1", [1, 1, 1, 1]),  # 0 / 0 changes nothing
    ],
)
def test_thresholds_that_are_met_exactly(rule: str, levels: list[float]) -> None:
    regimen = "drug = { amount = 2.0, start = 0, every = 30, count = 4, rules = ['rule'] }"
    text = f"[parameters]\n{CONSTANT}\n[rules.rule]\nvisit_every = 30\n{rule}\n[regimens]\n{regimen}\n[arms]\ngiven = ['drug']"
    of = scenario(text).changed(days=100)
    result = simulate(of)
    course = result.trajectories["given"]
    assert course.decisions is not None
    assert course.decisions.tolist() == levels
    # the dose of a visit's own day is that visit's
    assert [dose.amount for dose in result.given("given")] == [2.0 * level for level in levels if level]
    table = MemberTable(of, [], np.zeros((1, 0)))
    table.check_events(["given"])
    _, ends = record(
        kernel_of(of.network, (), measured_in(of, ["given"])), table.numbers("given", np.array([0])), np.array([100.0]), CLOSE
    )
    assert ends.decided[0].tolist() == levels


def test_a_rule_that_flips_at_every_visit_of_what_runs() -> None:
    """On, off, on … every day: as the same days written out as regimens of their own."""
    rule = "[rules.rule]\nvisit_every = 1\nmeasure = 'burden'\nof = 'level'\nstop_above = 0.0001\nresume_above = 0.0001\n"
    text = rule + "[regimens]\ndrug = { amount = 48, start = 0, until = 48, rules = ['rule'] }\n"
    fixed = "fixed = { agent = 'drug', amount = 1.0, start = 1, every = 2, duration = 1, count = 24 }\n"
    of = scenario(text + fixed + "[arms]\ngiven = ['drug']\nfixed = ['fixed']").changed(days=60)
    result = simulate(of, settings=TIGHT)
    one, two = result.outcomes["given"], result.outcomes["fixed"]
    for name in ("final_burden", "burden_area", "given_drug", "doses_drug", "treated_days_drug"):
        assert one[name].value == pytest.approx(two[name].value, rel=1e-9), name
    batch = run_members(of, [], np.zeros((1, 0)), settings=CLOSE)
    for arm in ("given", "fixed"):
        for name in ("final_burden", "given_drug", "doses_drug", "treated_days_drug"):
            assert batch.values[arm][name][0] == pytest.approx(one[name].value, rel=1e-6), (arm, name)


def test_an_agent_that_is_never_stopped_is_the_fixed_schedule() -> None:
    rule = "[rules.rule]\nvisit_every = 1\nstop_below = 1e-9\nresume_above = 1e9\n"
    drug = "agent = 'drug', amount = 3.0, start = 0, every = 7, count = 20"
    regimens = (
        f"[regimens]\nruled = {{ {drug}, rules = ['rule'] }}\nfixed = {{ {drug} }}\n[arms]\nruled = ['ruled']\nfixed = ['fixed']"
    )
    of = scenario(rule + regimens)
    one, two = simulate(of).outcomes.values()
    batch = run_members(of, [], np.zeros((1, 0))).values
    for name, item in one.items():
        assert item.value == pytest.approx(two[name].value, rel=1e-7, nan_ok=True), name
        if name in batch["ruled"]:
            assert batch["ruled"][name][0] == pytest.approx(batch["fixed"][name][0], rel=1e-12, nan_ok=True), name


def test_decisions_depend_on_neither_neighbours_nor_order_nor_threads_nor_recorded_days() -> None:
    of = scenario(FAMILIES["until_progression"].text)
    fields = ["sensitive_start", "rule.stop_below", "over.visit_every", "drug.amount", "rule.visit_every"]
    generator = np.random.default_rng(3)
    samples = np.column_stack(
        [
            generator.uniform(0.1, 0.5, 1100), generator.uniform(0.3, 0.9, 1100), generator.choice((7.0, 14.0, 30.0), 1100),
            generator.uniform(1, 6, 1100), generator.choice((3.0, 7.0), 1100),
        ]
    )  # fmt: skip
    names = ["final_burden", "given_drug", "doses_drug"]
    whole = run_members(of, fields, samples, outcomes=names)
    assert whole.reasons == {}
    order = generator.permutation(1100)
    other = run_members(of, fields, samples[order], outcomes=names, threads=2)
    for name in names:
        assert (whole.values["given"][name][order] == other.values["given"][name]).all(), name
    for member in (0, 517, 1099):
        alone = run_members(of, fields, samples[member : member + 1], outcomes=names)
        values = dict(zip(fields, samples[member].tolist(), strict=True))
        for every in (0.5, 0.07):
            slow = simulate(of.changed(values | {"record_every": every})).outcomes["given"]
            for name in names:
                assert alone.values["given"][name][0] == whole.values["given"][name][member]
                assert slow[name].value == pytest.approx(alone.values["given"][name][0], rel=2e-5), (member, name)


def test_a_member_whose_rule_is_impossible_has_its_reason_and_disturbs_nobody() -> None:
    of = scenario(FAMILIES["adaptive"].text)
    found = run_members(
        of, ["rule.stop_below", "rule.visit_every"], np.array([[0.5, 14.0], [-1.0, 14.0], [0.5, 0.0], [0.4, 7.0]])
    )
    assert [*found.reasons] == [(1, "given"), (2, "given")]
    assert "stop_below" in found.reasons[1, "given"]
    assert "visit_every" in found.reasons[2, "given"]
    assert np.isfinite(found.values["given"]["final_burden"][[0, 3]]).all()


def test_a_refused_member_with_more_visits_than_any_other_disturbs_nobody() -> None:
    """Its decisions would need more columns than there are."""
    of = scenario(FAMILIES["adaptive"].text)
    fields, names = ["rule.stop_below", "rule.visit_every"], ["final_burden", "given_drug", "doses_drug", "treated_days_drug"]
    found = run_members(of, fields, np.array([[0.5, 14.0], [-1.0, 1.0]]), outcomes=names)
    alone = run_members(of, fields, np.array([[0.5, 14.0]]), outcomes=names)
    assert [*found.reasons] == [(1, "given")]
    for name in names:
        assert found.values["given"][name][0] == alone.values["given"][name][0]
        assert math.isnan(found.values["given"][name][1])


def test_decisions_that_nobody_asks_for_are_made_all_the_same() -> None:
    """Whether they are kept for the account of doses changes no course."""
    for family in ("adaptive", "running", "until_progression"):
        of = scenario(FAMILIES[family].text)
        bare = run_members(of, [], np.zeros((1, 0)), outcomes=["final_burden", "burden_area"])
        kept = run_members(of, [], np.zeros((1, 0)), outcomes=["final_burden", "burden_area", "given_drug"])
        for name in ("final_burden", "burden_area"):
            assert bare.values["given"][name][0] == kept.values["given"][name][0], (family, name)


def test_adaptive_therapy_holds_longer_only_where_clones_compete() -> None:
    """With room shared and a cost, resistant cells are held down by sensitive ones, and pausing gains time; with so much room
    that nobody is held down, all that is spared only grows."""
    regimens = (
        "[rules.rule]\nvisit_every = 1\nstop_below = 0.5\nresume_above = 1.0\n[regimens]\n"
        "always = { agent = 'drug', amount = 480, start = 0, until = 240 }\n"
        "paused = { agent = 'drug', amount = 480, start = 0, until = 240, rules = ['rule'] }\n"
        "[arms]\nmaximum = ['always']\nadaptive = ['paused']"
    )
    of = scenario(regimens)
    crowded, roomy = np.array([0.6, 0.002]), np.array([0.6e-3, 0.002e-3])
    found = run_members(of, ["sensitive_start", "resistant_start"], np.array([crowded, roomy]), settings=CLOSE)
    days = {arm: found.values[arm]["time_to_progression"] for arm in found.arms}
    assert days["adaptive"][0] > 1.2 * days["maximum"][0]
    assert days["adaptive"][1] <= 1.001 * days["maximum"][1]
    assert (found.values["adaptive"]["treated_days_drug"] < found.values["maximum"]["treated_days_drug"]).all()


DYING = """
title = "A host that may die between two visits"
days  = 80

[mechanisms]
growth       = { law = "logistic" }
pharmacology = { agents = ["drug"] }
kill         = { by = ["drug"] }
survival     = {}
dissemination = {}

[parameters]
growth_rate     = 0.3
drug_kill_rate  = 0.2
lethal_burden   = 5e8

[rules.rule]
visit_every = 10
start_above = 4.0
of          = "start"

[regimens]
drug = { amount = 2.0, start = 5, every = 5, until = 80, rules = ["rule"] }

[arms]
untreated = []
given     = ["drug"]
"""


def test_a_host_that_dies_between_two_visits_is_given_nothing_any_more() -> None:
    of = parse(DYING)
    result = simulate(of, settings=TIGHT)
    died, decisions = result.death("given"), result.trajectories["given"].decisions
    assert died is not None
    assert decisions is not None
    made = int(np.isfinite(decisions).sum())
    assert 5 + 10 * (made - 1) < died < 5 + 10 * made
    assert {*decisions[:made]} == {0.0, 1.0}
    doses = result.given("given")
    assert doses
    assert doses[-1].time <= died
    found, batch = result.outcomes["given"], run_members(of, [], np.zeros((1, 0)), settings=CLOSE).values["given"]
    for name in ("survival_time", "given_drug", "doses_drug", "treated_days_drug", "burden_area"):
        assert batch[name][0] == pytest.approx(found[name].value, rel=1e-6), name
    assert found["doses_drug"].value == len(doses)


@pytest.mark.parametrize("regimen", ["start = 40, duration = 10", "start = 40"])
def test_nothing_is_given_from_the_moment_of_death_on(regimen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dose, and an infusion that begins on the very day, by both accounts."""
    monkeypatch.setattr(Result, "death", lambda *_: 40.0)
    of = scenario(f"[regimens]\ndrug = {{ amount = 3.0, {regimen} }}\n[arms]\ngiven = ['drug']")
    assert simulate(of).given("given") == ()
    told = MemberTable(of, [], np.zeros((1, 0))).dosing("given", np.empty((1, 0)), np.array([40.0]))
    assert [part[0] for part in (told.amount("drug"), told.doses("drug"), told.days("drug"))] == [0, 0, 0]


def test_what_rules_decided_is_stored_and_read_back(tmp_path: Path) -> None:
    of = scenario(FAMILIES["until_progression"].text)
    result, folder = simulate(of), prepare_folder(tmp_path, "reacting")
    save(result, folder)
    again = read_run(folder, [Reacting])
    assert again.trajectories["given"].decisions.tolist() == result.trajectories["given"].decisions.tolist()  # type: ignore[union-attr]
    assert again.given("given") == result.given("given")
    assert {name: item.value for name, item in again.outcomes["given"].items()} == pytest.approx(
        {name: item.value for name, item in result.outcomes["given"].items()}, nan_ok=True
    )
    rows = (folder / "doses.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "arm,day,agent,amount,unit,duration"
    assert len(rows) == 1 + len(result.given("given"))
    steps = dict(np.load(folder / "steps.npz"))
    steps["given.decisions"] = steps["given.decisions"][:-1]
    np.savez_compressed(folder / "steps.npz", **steps)
    with pytest.raises(StorageError, match="damaged"):
        read_run(folder, [Reacting])


def test_the_dosing_strip_shows_what_each_arm_was_given() -> None:
    of = scenario(FAMILIES["in_lines"].text.replace("given = ['drug', 'other']", "given = ['drug', 'other']\nalone = ['drug']"))
    result = simulate(of)
    rows = {row.label: row for row in strip_rows(result)}
    assert [*rows] == ["drug, given", "drug, alone", "other"]
    for arm in ("given", "alone"):
        assert rows[f"drug, {arm}"].days == [dose.time for dose in result.given(arm) if dose.agent == "drug"]
    (running,) = rows["other"].doses
    assert running.time > 0
    assert running.end == 240
    assert comparison(result).axes


@pytest.mark.parametrize("family", ["adaptive", pytest.param("blocked", marks=pytest.mark.slow), "modulated"])
def test_rules_run_alike_in_another_engine(family: str) -> None:
    """As events of SBML, in libRoadRunner; the text of Antimony too."""
    short = FAMILIES[family].text.replace("until = 240", "until = 100").replace("until = 224", "until = 84")
    of = scenario(short.replace("until = 231", "until = 98")).changed(days=100)
    text = export(of, "given")
    assert witnesses.complaints(text) == []
    assert witnesses.compare(of, "given", "libRoadRunner", text).share <= 1
    assert (
        witnesses.compare(of, "given", "libRoadRunner", witnesses.sbml_of_antimony(export(of, "given", to="antimony"))).share <= 1
    )


@pytest.mark.slow
@pytest.mark.parametrize("measured", ["resistant", "resistant / level"])
def test_what_is_nothing_is_so_in_another_engine(measured: str) -> None:
    of = scenario(VANISHING.replace("MEASURED", measured)).changed(days=100)
    text = export(of, "given")
    assert witnesses.complaints(text) == []
    assert witnesses.compare(of, "given", "libRoadRunner", text).share <= 1


def test_what_events_cannot_say_is_refused_with_a_sentence() -> None:
    often = scenario(FAMILIES["running"].text.replace("visit_every = 1", "visit_every = 0.1"))
    with pytest.raises(UserError, match="looked at 2401 times: a file has one event for each, at most 1000"):
        export(often, "given")
    hidden = scenario(FAMILIES["adaptive"].text.replace("visit_every = 14", "visit_every = 14\nmeasure = 'grow'"))
    with pytest.raises(UserError, match="measures the rate of the process `grow`"):
        export(hidden, "given")


def test_a_regimen_whose_rule_never_starts_it_is_told_to_be_idle() -> None:
    of = scenario(FAMILIES["blocked"].text.replace("start_above = 1.8", "start_above = 1e6"))
    (found,) = [item for item in find_idle(of, simulated=True) if item.name == "other"]
    assert found.arms == ("given",)
    assert [item for item in find_idle(scenario(FAMILIES["blocked"].text), simulated=True) if item.name == "other"] == []
