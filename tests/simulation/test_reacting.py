"""Rules in regimens: both solvers against a plain simulation that goes from visit to visit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from backfire import run_members, simulate
from backfire.solvers import Settings
from backfire.solvers.batch import BatchSettings
from tests import reacting
from tests.reacting import Plain, scenario

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
    for day in range(0, DAYS + 1):
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
    for step in range(0, 2 * DAYS + 1):
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
    if plain.given:
        doses = np.array([(dose.time, dose.amount) for dose in result.given("given") if dose.agent == "drug"])
        assert doses == pytest.approx(np.array(plain.given), rel=1e-12)
        assert found["given_drug"].value == pytest.approx(sum(amount for _, amount in plain.given), rel=1e-12)
        assert found["doses_drug"].value == found["treated_days_drug"].value == len(plain.given)
    batch = run_members(of, [], np.zeros((2, 0)), settings=CLOSE).values["given"]
    for name in ("final_burden", "time_to_progression", "burden_area", "given_drug", "doses_drug", "treated_days_drug"):
        tolerance = 1e-6 if found[name].unit else 1e-9
        assert batch[name] == pytest.approx(found[name].value, rel=tolerance), name
