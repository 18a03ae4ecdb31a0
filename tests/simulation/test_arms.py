"""Arms at the edge: less than a cell, numbers that are none, fragments, a budget that ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from backfire.errors import DocumentError
from backfire.model.components import Intervention, Mechanism, Part, Process, State
from backfire.scenario.scenario import parse
from backfire.simulation.arms import simulate
from backfire.solvers.reference import Settings
from backfire.solvers.trajectory import Status
from commands import clean
from networks import parameter
from small import SMALL_FOR_RUNS


def test_less_than_one_cell_is_no_tumour() -> None:
    result = simulate(parse(SMALL_FOR_RUNS).changed({"starting_cells": 0.5}))
    for arm, trajectory in result.trajectories.items():
        assert trajectory.status is Status.OK
        assert (trajectory["burden"] == 0).all()
        found = result.outcomes[arm]
        assert (found["eradicated"].value, found["nadir"].value, found["final_burden"].value) == (1, 0, 0)


@dataclass(frozen=True)
class Overdose(Mechanism):
    """A dose whose size explodes with what was asked for."""

    label: ClassVar[str] = "overdose"

    def parts(self) -> Iterator[Part]:
        yield Intervention("bomb", "for a test", amount_unit="EC50", adds={"drug": "exp(1000 * amount / EC50) * EC50"})


def bombed(amount: float, regimens: int = 1) -> str:
    names = [f"bomb_{number}" for number in range(regimens)]
    given = "\n".join(f'{name} = {{ agent = "bomb", amount = {amount}, start = 12 }}' for name in names)
    text = SMALL_FOR_RUNS.replace("[mechanisms]", "[mechanisms]\noverdose = {}").replace(
        "[arms]", f"{given}\n\n[arms]\nbombed = {names}"
    )
    return text.replace("'", '"')


@pytest.mark.parametrize(
    ("amount", "regimens"), [(0.01, 1), (0.3, 1), (0.6, 1), (0.7, 1), (0.709, 1), (0.709, 3), (0.71, 1), (4.0, 1)]
)
def test_what_is_no_number_never_leaves_as_a_result(amount: float, regimens: int) -> None:
    """Refused, or a status that says so, or finite throughout."""
    try:
        result = simulate(parse(bombed(amount, regimens), mechanisms=[Overdose]))
    except DocumentError as error:
        assert amount >= 0.7
        assert clean(str(error))
        return
    assert amount <= 0.709
    trajectory, found = result.trajectories["bombed"], result.outcomes["bombed"]
    if trajectory.status.good:
        assert np.isfinite(trajectory.values).all()
        assert math.isfinite(found["eradicated"].value)
        assert math.isfinite(found["responded"].value)
    else:
        assert trajectory.message
        assert all(math.isnan(item.value) for item in found.values())
    assert result.trajectories["monotherapy"].status is Status.OK


def test_states_that_overflow_end_with_a_status() -> None:
    """Each dose is a number, their sum in the body is none."""
    text = bombed(0.709).replace("start = 12 }", "start = 12, every = 0.001, count = 9 }")
    result = simulate(parse(text, mechanisms=[Overdose]), ["bombed"])
    assert not result.ok
    assert all(math.isnan(item.value) and not item.observed for item in result.outcomes["bombed"].values())


@pytest.mark.parametrize("budget", [1, 20, 150])
def test_failed_arms_neither_respond_nor_are_cured(budget: int) -> None:
    """Wherever the run stops, also before the first row."""
    result = simulate(parse(SMALL_FOR_RUNS), ["monotherapy"], Settings(most_evaluations=budget))
    assert result.trajectories["monotherapy"].status is Status.MAX_STEPS
    found = result.outcomes["monotherapy"]
    for name in ("responded", "eradicated", "nadir", "time_to_progression", "courses", "given_drug"):
        assert math.isnan(found[name].value), name
        assert not found[name].observed, name


@dataclass(frozen=True)
class Fragments(Mechanism):
    """A dying compartment that feeds a second and, through it, a third; a fourth has nothing to do with them."""

    label: ClassVar[str] = "fragments"

    def parts(self) -> Iterator[Part]:
        rates = {"death": 1.0, "shedding": 0.01, "moving": 0.1, "regrowth": 0.3}
        for name, value in rates.items():
            yield parameter(f"{name}_rate", value, "1/day")
        yield parameter("arrival_rate", 0.02, "cell/day")
        yield State("parent", "cell", "for a test", 20.0, counts_in=("burden",))
        yield State("active", "cell", "for a test", counts_in=("burden",))
        yield State("grandchild", "cell", "for a test", counts_in=("burden",))
        yield State("stranger", "cell", "for a test")
        yield Process("death", "death", "death_rate * parent", "for a test", leaves="parent")
        yield Process("shedding", "shedding", "shedding_rate * parent", "for a test", leaves="parent", enters="active")
        yield Process("moving", "moving", "moving_rate * active", "for a test", leaves="active", enters="grandchild")
        yield Process("growth", "growth", "regrowth_rate * active", "for a test", enters="active")
        yield Process("arrival", "arrival", "arrival_rate", "for a test", enters="stranger")


def test_fragments_go_with_the_cells_that_fed_them_and_others_stay() -> None:
    text = 'title = "t"\ndays = 60\n[mechanisms]\nfragments = {}\n[arms]\nuntreated = []\n'
    course = simulate(parse(text, mechanisms=[Fragments])).trajectories["untreated"]
    assert course.status.good
    death = int(np.flatnonzero(course["parent"] == 0)[0])
    day = float(course.times[death])
    assert day == pytest.approx(math.log(20) / 1.01, rel=1e-6)
    for fragment in ("active", "grandchild"):
        assert 0 < course[fragment][death - 1] < 1
        assert (course[fragment][death:] == 0).all()
    assert course["stranger"][death - 1] == pytest.approx(0.02 * day, rel=1e-6)
    assert course["stranger"][-1] == pytest.approx(0.02 * 60, rel=1e-6)
