"""The chance of cure against closed forms, against tumours simulated cell by cell, and each reader against the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pytest
from numba import njit

from backfire.claims.language import parse_claim
from backfire.claims.measuring import evaluate_members
from backfire.claims.verdict import Verdict
from backfire.model import Definition, Intervention, Mechanism, Part, Process, State
from backfire.scenario.scenario import Scenario, load, parse, shipped_scenarios
from backfire.simulation import outcome_names, run_members, simulate
from backfire.solvers import Floats, Settings
from networks import parameter
from small import SMALL, SMALL_FOR_RUNS

CURE = "cure_probability"


@dataclass(frozen=True)
class Lives(Mechanism):
    """Cells that live by themselves, without crowding: what one does is known in closed form, or played out by chance."""

    label: ClassVar[str] = "lives"

    def parts(self) -> Iterator[Part]:
        values = {
            "births": 0.2, "deaths": 0.05, "kills": 0.0, "sleeps": 0.0, "wakes": 0.0, "fades": 0.0, "seeds": 0.0, "grows": 0.0, "goes": 0.0,
        }  # fmt: skip
        yield from (parameter(name, value, "1/day") for name, value in values.items())
        yield from (parameter(name, value, "cell") for name, value in {"cells": 10.0, "sleepers": 0.0, "spread": 0.0}.items())
        yield parameter("inflow", 0.0, "cell/day")
        yield parameter("clears", 0.5, "1/day")
        yield parameter("leaves", 0.02)
        yield State("active", "cell", "for a test", "cells", counts_in="burden")
        yield State("hibernating", "cell", "for a test", "sleepers", counts_in="burden")
        yield State("metastases", "cell", "for a test", "spread", counts_in="metastatic_burden")
        yield State("drug", "EC50", "for a test")
        yield Definition("effect", "hill(drug, 1 * EC50, 1)", "1", "for a test")
        for name, kind, rate, leaves, enters in (
            ("growth", "growth", "births * active", None, "active"),
            ("death", "death", "deaths * active", "active", None),
            ("kill", "kill", "kills * effect * active", "active", None),
            ("entering", "entering", "sleeps * effect * active", "active", "hibernating"),
            ("waking", "waking", "wakes * hibernating", "hibernating", "active"),
            ("fading", "fading", "fades * hibernating", "hibernating", None),
            ("seeding", "seeding", "seeds * active", None, "metastases"),
            ("outgrowth", "outgrowth", "grows * metastases", None, "metastases"),
            ("loss", "loss", "goes * metastases", "metastases", None),
            ("arriving", "arriving", "inflow", None, "active"),
            ("clearing", "elimination", "clears * drug", "drug", None),
        ):
            yield Process(name, kind, rate, "for a test", leaves=leaves, enters=enters)
        yield Intervention("drug", "a dose", amount_unit="EC50", adds={"drug": "amount"})
        yield Intervention("graft", "cells", amount_unit="cell", adds={"active": "amount"})
        yield Intervention("surgery", "for a test", multiplies={"active": "leaves", "hibernating": "leaves"})


@lru_cache(maxsize=4)
def study(days: int = 40) -> Scenario:
    return parse(
        f"""
title = "Cells that live by themselves"
days = {days}
[mechanisms]
lives = {{}}
[regimens]
drug = {{ amount = 4.0, start = 3, every = 6, count = 5 }}
surgery = {{ start = 10 }}
graft = {{ amount = 8.0, start = 10 }}
[arms]
untreated = []
treated = ["drug"]
operated = ["surgery"]
both = ["drug", "surgery"]
grafted = ["graft"]
""",
        "lives",
        [Lives],
    )


def chances(arm: str, changes: Mapping[str, float], days: int = 40) -> list[float]:
    """By the reference and by the compiled reader."""
    samples = np.array([[*changes.values()]])
    found = [run_members(study(days), [*changes], samples, [arm], [CURE], settings) for settings in (Settings(), None)]
    return [float(item.values[arm][CURE][0]) for item in found]


def died_out(b: float, d: float, days: float) -> float:
    """The chance that one cell has no living descendants after so many days: birth and death alone."""
    grown = math.exp((b - d) * days)
    return d * (grown - 1) / (b * grown - d) if b != d else b * days / (1 + b * days)


@pytest.mark.parametrize(("b", "d"), [(0.2, 0.05), (0.2, 0.18), (0.1, 0.3), (0.25, 0.2500001)])
@pytest.mark.parametrize("cells", [1.0, 7.0, 40.0])
def test_birth_and_death(b: float, d: float, cells: float) -> None:
    for found in chances("untreated", {"births": b, "deaths": d, "cells": cells}):
        assert found == pytest.approx(died_out(b, d, 40) ** cells, abs=1e-6)


def test_in_the_end_birth_and_death_leave_the_ratio_of_their_rates() -> None:
    for found in chances("untreated", {"births": 0.2, "deaths": 0.15, "cells": 6.0}, days=400):
        assert found == pytest.approx((0.15 / 0.2) ** 6, abs=1e-6)


def test_a_hundred_million_cells_cost_no_digits() -> None:
    """Deaths alone: each cell is left with probability e^-dT, of 1e8 about one."""
    rate = math.log(1e8) / 40
    for found in chances("untreated", {"births": 0.0, "deaths": rate, "cells": 1e8}):
        assert found == pytest.approx(math.exp(1e8 * math.log1p(-1e-8)), abs=1e-6)


def test_surgery_leaves_each_cell_with_its_share_though_the_course_ends_there() -> None:
    """One cell in fifty of ten: the course of the numbers dies out, the tumour may not."""
    for found in chances("operated", {"births": 0.0, "deaths": 0.0, "cells": 10.0}):
        assert found == pytest.approx(0.98**10, abs=1e-9)
    left = 0.02 * (1 - died_out(0.2, 0.05, 30))
    for found in chances("operated", {"cells": 10.0}):
        # a cell that has descendants on day 10 has a geometric number of them
        none = died_out(0.2, 0.05, 10)
        more = 0.2 / 0.05 * none
        lost = none + (1 - none) * (1 - more) * (1 - left) / (1 - more * (1 - left))
        assert found == pytest.approx(lost**10, abs=1e-6)
    assert simulate(study(), ["operated"]).outcomes["operated"]["eradicated"].value == 1


def test_hibernating_cells_must_die_too() -> None:
    asleep = {"births": 0.0, "deaths": 0.0, "cells": 0.0, "sleepers": 5.0}
    for found in chances("untreated", asleep):
        assert found == 0
    for found in chances("untreated", asleep | {"fades": 0.06}):
        assert found == pytest.approx((1 - math.exp(-0.06 * 40)) ** 5, abs=1e-6)
    for found in chances("untreated", asleep | {"wakes": 0.1, "deaths": 0.3}):  # first one exponential time, then the other
        alive = (0.3 * math.exp(-0.1 * 40) - 0.1 * math.exp(-0.3 * 40)) / (0.3 - 0.1)
        assert found == pytest.approx((1 - alive) ** 5, abs=1e-6)


def test_what_was_seeded_stays() -> None:
    """Cells that die at d and seed at m leave nothing if death comes before the first seeding, and before the last day."""
    d, m = 0.2, 0.03
    for found in chances("untreated", {"births": 0.0, "deaths": d, "seeds": m, "cells": 8.0}):
        assert found == pytest.approx((d / (d + m) * (1 - math.exp(-(d + m) * 40))) ** 8, abs=1e-6)


def test_cells_from_nowhere_and_cells_given() -> None:
    for found in chances("untreated", {"births": 0.0, "deaths": 0.2, "inflow": 0.3, "cells": 0.0}):
        assert found == pytest.approx(math.exp(-0.3 * (1 - math.exp(-0.2 * 40)) / 0.2), abs=1e-6)
    for found in chances("grafted", {"births": 0.1, "deaths": 0.2, "cells": 0.0}):
        assert found == pytest.approx(died_out(0.1, 0.2, 30) ** 8, abs=1e-6)


@njit
def _played(seed: int, runs: int, days: float, start: Floats, rates: Floats, doses: Floats, surgery: float, most: int) -> int:
    """How many of so many tumours die out, played cell by cell: exact, by thinning where the drug changes rates in time.

    ``rates``: births, deaths, kills, sleeps, wakes, fades, seeds, grows, goes, clears, leaves, amount of each dose. A tumour of
    ``most`` cells after its last dose is taken to stay.
    """
    np.random.seed(seed)
    b, d, kill, sleep, wake, fade, seeding, grow, go, clear, leave, amount = rates
    cured = 0
    for _ in range(runs):
        a, h, m, day, operated = int(start[0]), int(start[1]), int(start[2]), 0.0, False
        while a + h + m > 0:
            if a + h + m >= most and day > doses[-1] + 20.0:
                break
            bound = a * (b + d + kill + sleep + seeding) + h * (wake + fade) + m * (grow + go)
            following = day + np.random.exponential(1.0 / bound) if bound > 0.0 else np.inf
            if not operated and day < surgery <= min(following, days):
                a, h, day, operated = np.random.binomial(a, leave), np.random.binomial(h, leave), surgery, True
                continue
            day = following
            if day >= days:
                break
            level = 0.0
            for dose in doses:
                level += amount * math.exp(-clear * (day - dose)) if day >= dose else 0.0
            effect = level / (1.0 + level)
            draw = np.random.random() * bound
            if draw < a * b:
                a += 1
            elif draw < a * (b + d + kill * effect):
                a -= 1
            elif draw < a * (b + d + (kill + sleep) * effect):
                a, h = a - 1, h + 1
            elif draw < a * (b + d + (kill + sleep) * effect + seeding):
                m += 1
            elif draw >= a * (b + d + kill + sleep + seeding):
                draw -= a * (b + d + kill + sleep + seeding)
                if draw < h * wake:
                    a, h = a + 1, h - 1
                elif draw < h * (wake + fade):
                    h -= 1
                elif draw < h * (wake + fade) + m * grow:
                    m += 1
                else:
                    m -= 1
        cured += a + h + m == 0
    return cured


DOSES = np.array([3.0, 9.0, 15.0, 21.0, 27.0])
PLAYED: list[tuple[str, dict[str, float]]] = [
    ("treated", {"kills": 0.65, "cells": 25.0}),
    ("treated", {"kills": 1.2, "sleeps": 0.05, "wakes": 0.04, "fades": 0.03, "cells": 12.0}),
    ("operated", {"seeds": 0.004, "grows": 0.12, "goes": 0.1, "cells": 15.0}),
    (
        "both",
        {"kills": 0.9, "sleeps": 0.1, "wakes": 0.06, "fades": 0.02, "seeds": 0.003, "grows": 0.1, "goes": 0.06, "cells": 20.0},
    ),
    (
        "treated",
        {"births": 0.1, "deaths": 0.09, "kills": 0.5, "sleeps": 0.2, "wakes": 0.1, "fades": 0.05, "cells": 9.0, "sleepers": 5.0},
    ),
]


def share_played(arm: str, changes: Mapping[str, float], runs: int, seed: int) -> float:
    values = study().values | changes
    words = ("births", "deaths", "kills", "sleeps", "wakes", "fades", "seeds", "grows", "goes", "clears", "leaves")
    rates = np.array([*(values[name] for name in words), 4.0])
    if arm == "operated":
        rates[-1] = 0.0
    surgery = 10.0 if arm in ("operated", "both") else math.inf
    start = np.array([values[name] for name in ("cells", "sleepers", "spread")])
    return float(_played(seed, runs, 40.0, start, rates, DOSES, surgery, 1500)) / runs


def compare_played(runs: int, quantile: float) -> None:
    for seed, (arm, changes) in enumerate(PLAYED):
        share = share_played(arm, changes, runs, seed)
        for found in chances(arm, changes):
            print(f"{arm} {changes}: {found:.5f}, played {share:.5f}")
            assert 0.05 < found < 0.95, "says nothing"
            assert abs(share - found) <= quantile * math.sqrt(found * (1 - found) / runs), (arm, changes, share, found)


def test_tumours_played_cell_by_cell() -> None:
    compare_played(1_500, 3.3)


@pytest.mark.slow
def test_twenty_thousand_tumours_played_cell_by_cell() -> None:
    """Within the 99 % interval of the share of 20,000 that die out."""
    compare_played(20_000, 2.576)


def agree(name: str, members: int, seed: int) -> None:
    scenario = load(shipped_scenarios()[name])
    rng = np.random.default_rng(seed)
    varied = [item for item in scenario.network.parameters.values() if item.range[0] > 0]
    chosen = [varied[place] for place in rng.choice(len(varied), 5, replace=False)]
    fields = ["starting_cells", *(item.name for item in chosen if item.name != "starting_cells")]
    samples = np.array(
        [
            [10 ** rng.uniform(0, 3.5), *(item.value * rng.uniform(0.8, 1.25) for item in chosen if item.name in fields[1:])]
            for _ in range(members)
        ]
    )
    samples[:, 1:] = np.minimum(samples[:, 1:], [[item.maximum for item in chosen if item.name in fields[1:]]])
    found, wanted = (run_members(scenario, fields, samples, None, [CURE], settings) for settings in (None, Settings()))
    for arm in scenario.arms:
        assert np.isfinite(wanted.values[arm][CURE]).all()
        np.testing.assert_allclose(found.values[arm][CURE], wanted.values[arm][CURE], atol=1e-4, rtol=0, err_msg=arm)


@pytest.mark.parametrize("name", [pytest.param("hibernation-rigi", marks=pytest.mark.thorough), "exosome-metastasis"])
def test_both_readers_agree(name: str) -> None:
    agree(name, 3, 1)


@pytest.mark.thorough
@pytest.mark.parametrize("name", shipped_scenarios())
def test_both_readers_agree_in_every_scenario(name: str) -> None:
    agree(name, 12, 2)


def test_who_dies_is_not_cured() -> None:
    text = SMALL.replace("kill = {", 'survival = { totals = ["burden"] }\nkill = {').replace(
        "[regimens]", "[parameters]\nlethal_burden = { value = 1e8, source = 'a test', grade = 'assumed' }\n[regimens]"
    )
    for settings in (Settings(), None):
        found = run_members(parse(text), [], np.zeros((1, 0)), ["untreated"], [CURE, "survival_time"], settings)
        assert found.observed["untreated"]["survival_time"][0]
        assert found.values["untreated"][CURE][0] == 0


def test_where_there_is_no_rate_per_cell_it_says_so() -> None:
    @dataclass(frozen=True)
    class Odd(Mechanism):
        """A kill that does not vanish with the cells."""

        label: ClassVar[str] = "odd"

        def parts(self) -> Iterator[Part]:
            yield parameter("odd_kill", 0.1, "cell/day")
            yield Process("odd_loss", "loss", "odd_kill * hill(active, 5 * cell, 1)", "for a test", leaves="active")

    study = parse(SMALL.replace("kill = {", "odd = {}\nkill = {"), "odd", [Odd])
    item = simulate(study, ["untreated"]).outcomes["untreated"][CURE]
    assert math.isnan(item.value)
    assert item.text == "–"
    assert item.meaning.endswith("not defined here, as the rate of `odd_loss` does not vanish with `active`")
    assert np.isnan(run_members(study, [], np.zeros((1, 0)), ["untreated"], [CURE]).values["untreated"][CURE]).all()


def test_of_many_members_it_is_read_where_it_is_asked_for() -> None:
    study = parse(SMALL_FOR_RUNS)
    assert CURE not in outcome_names(study, ["monotherapy"], None)["monotherapy"]
    assert outcome_names(study, ["monotherapy"], [CURE]) == {"monotherapy": [CURE]}
    assert CURE in simulate(study, ["monotherapy"]).outcomes["monotherapy"]
    few = evaluate_members(
        study,
        {"few": parse_claim(f"{CURE}(monotherapy) > 0.5"), "more": parse_claim(f"{CURE}(monotherapy) > {CURE}(untreated)")},
        ["starting_cells", "drug_kill_rate"],
        np.array([[2.0, 3.0], [1e7, 3.0]]),
    )
    assert [few["few"].judged.verdict(member) for member in (0, 1)] == [Verdict.HOLDS, Verdict.FAILS]
    assert few["more"].judged.verdict(0) is Verdict.HOLDS
