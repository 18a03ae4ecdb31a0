"""Models that others published, written as a user would: their printed numbers from both solvers.

The first two are shipped as examples; what they print is tested here.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import witnesses
from backfire.errors import DocumentError
from backfire.model import Mechanism, Parameter, Part, Process, State
from backfire.scenario import Scenario, parse, parse_data
from backfire.simulation import run_members, simulate
from backfire.solvers import Settings, Status

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name: str) -> ModuleType:
    """A script of the examples, as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


COMPETITION = example("08_cost_of_resistance")
INDUCED = example("07_induced_resistance")


def competition() -> Scenario:
    return parse(COMPETITION.SCENARIO, mechanisms=[COMPETITION.Competition])


def induced(text: str = INDUCED.SCENARIO) -> Scenario:
    return parse(text, mechanisms=[INDUCED.Induced])


def test_days_to_progression_of_a_drug_that_never_stops_and_of_one_that_pauses() -> None:
    """The table of Strobl 2021, in whole days: continuous treatment, and adaptive by a look at every day."""
    printed = ((296, 315), (452, 663), (800, 1235), (470, 701), (854, 1478), (1214, 1658))
    days = COMPETITION.days_to_progression(np.array(COMPETITION.TABLE))
    assert [(int(one), int(two)) for one, two in zip(days["continuous"], days["adaptive"], strict=True)] == [*printed]


@pytest.mark.parametrize("row", [0, 5])
def test_the_reference_solver_has_the_same_days(row: int) -> None:
    size, share, cost, turnover = COMPETITION.TABLE[row]
    names = COMPETITION.NAMES
    samples = np.array([[size * (1 - share), size * share, cost, turnover]])
    asked = ["time_to_progression", "doses_drug", "treated_days_drug"]
    fast = run_members(competition(), names, samples, outcomes=asked)
    slow = run_members(competition(), names, samples, outcomes=asked, settings=Settings())
    for arm in ("continuous", "adaptive"):
        for name in asked:
            assert slow.values[arm][name][0] == pytest.approx(fast.values[arm][name][0], rel=1e-5), (arm, name)


def test_outcomes_of_a_model_in_shares_have_its_unit_and_no_cells() -> None:
    of = competition()
    found, batch = simulate(of).outcomes["continuous"], run_members(of, ["cost"], np.zeros((1, 1))).values["continuous"]
    for name, unit in (("nadir", "1"), ("final_burden", "1"), ("burden_area", "day")):
        assert found[name].unit == unit
        assert found[name].value == pytest.approx(batch[name][0], rel=1e-5)
        assert found[name].value > 0
    assert 0.5 < found["final_burden"].value < 1 + 1e-6
    assert math.isnan(found["eradicated"].value)
    assert math.isnan(batch["eradicated"][0])
    assert found["deepest_fall"].value == pytest.approx(math.log10(0.25 / found["nadir"].value), rel=1e-6)


PRINTED = (
    (0.0, "constant", 89.671, None),
    (0.0, "pulsed", 14.392, None),
    (0.01, "constant", 44.694, 63.4),
    (0.01, "pulsed", 61.365, 22.5),
)


@pytest.mark.parametrize(("induction", "arm", "day", "area"), PRINTED)
def test_critical_times_and_areas_under_the_dose(induction: float, arm: str, day: float, area: float | None) -> None:
    """Greene 2019: printed as 90 and 14 without, 45 and 61 with induction; areas 64 and 22.5 of its own digits 63.4 and 22.5."""
    _, found, under = INDUCED.critical(induction, arm)
    assert found == pytest.approx(day, abs=2e-3)
    assert area is None or under == pytest.approx(area, abs=0.05)
    asked = ["time_to_progression", "day_above(burden, 0.9)", "day_above(resistant / burden, 0.9)"]
    batch = run_members(induced(), ["induction"], np.array([[induction]]), [arm], asked)
    values = batch.values[arm]
    assert values["time_to_progression"][0] + induced().time_zero == pytest.approx(found, rel=1e-5)
    assert values["day_above(burden, 0.9)"][0] == pytest.approx(values["time_to_progression"][0], rel=1e-9)
    slow = run_members(induced(), ["induction"], np.array([[induction]]), [arm], asked, settings=Settings())
    for name in asked:
        assert slow.values[arm][name][0] == pytest.approx(values[name][0], rel=1e-4), name
        assert slow.observed[arm][name][0] == batch.observed[arm][name][0]


@pytest.mark.parametrize("engine", ["libRoadRunner", "COPASI"])
def test_a_drug_that_is_on_or_off_is_so_in_other_engines(engine: str) -> None:
    of = induced(INDUCED.SCENARIO.replace("until = 110", "until = 50.25"))
    for arm in ("constant", "pulsed"):
        assert witnesses.compare(of, arm, engine).share <= 1


def test_a_drug_that_is_on_or_off_says_from_when_until_when() -> None:
    for wrong, words in (
        ("start = 2, until = 2", "`until` is day 2, and `start` is day 2"),
        ("start = 2", "is on or off; say how long"),
        ("start = 2, until = 9, duration = 7", "`until` stands in place of"),
        ("start = 2, until = 121", "after the end of the simulation"),
    ):
        text = INDUCED.SCENARIO.replace("start = 2.39789527, until = 110", wrong)
        with pytest.raises(DocumentError, match=words):
            induced(text)


@dataclass(frozen=True)
class Repolarisation(Mechanism):
    """Two tumour clones, macrophages of two kinds and helper cells of two kinds. Source: den Breems and Eftimie 2016.

    N' = rN(1 - T/K) + s S - k M1 N + g M2 N, S' = rS(1 - T/K) - s S - k M1 S - h H1 S, with T = N + S;
    M1' = (aS S + a H1) M1 (1 - M/B) - d M1 - p M1 M2 + q M1 M2, M2' = (aN N + a H2) M2 (1 - M/B) - d M2 + p M1 M2 - q M1 M2;
    Hi' = e Mi + f Mi Hi (1 - H/C) - c Hi.
    """

    label = "repolarisation"

    def parts(self) -> Iterator[Part]:
        about = {"range": (0.0, 1.0), "source": "den Breems 2016", "grade": "paper"}
        yield State("resting", "cell", "immunogenic clone N", 1000.0, counts_in="burden")
        yield State("stimulated", "cell", "clone S", 1e6, counts_in="burden")
        for name, start in (("mone", 100.0), ("mtwo", 100.0), ("hone", 0.0), ("htwo", 0.0)):
            yield State(name, "cell", "cells of the host", start)
        yield Parameter("to_two", 4e-5, "1/day/cell", "M1 to M2", **about)
        yield Parameter("to_one", 5e-5, "1/day/cell", "M2 to M1", **about)
        each, room, space, place = (
            "/ day / cell",
            "(1 - burden / (2e9 * cell))",
            "(1 - (mone + mtwo) / (1e5 * cell))",
            "(1 - (hone + htwo) / (1e8 * cell))",
        )
        for clone in ("resting", "stimulated"):
            yield Process(f"{clone}_growth", "growth", f"0.565 / day * {clone} * {room}", "growth", enters=clone)
            yield Process(f"{clone}_kill", "host_kill", f"2e-6 {each} * mone * {clone}", "kill", leaves=clone)
        yield Process("stimulation", "stimulation", f"1e-7 {each} * mtwo * resting", "stimulation", enters="resting")
        yield Process("switching", "switching", "0.1 / day * stimulated", "switching", leaves="stimulated", enters="resting")
        yield Process("helping", "host_kill", f"5.3e-8 {each} * hone * stimulated", "kill", leaves="stimulated")
        for macrophage, helper, call in (("mone", "hone", "1e-6 * stimulated"), ("mtwo", "htwo", "5e-8 * resting")):
            called = f"({call} + 5e-8 * {helper}) {each} * {macrophage} * {space}"
            yield Process(f"{macrophage}_arrival", "arrival", called, "arrival", enters=macrophage)
            yield Process(f"{macrophage}_death", "death", f"0.2 / day * {macrophage}", "death", leaves=macrophage)
            yield Process(f"{helper}_call", "arrival", f"0.008 / day * {macrophage}", "arrival", enters=helper)
            yield Process(
                f"{helper}_growth", "growth", f"9e-6 {each} * {macrophage} * {helper} * {place}", "growth", enters=helper
            )
            yield Process(f"{helper}_death", "death", f"0.05 / day * {helper}", "death", leaves=helper)
        yield Process("turning", "turning", "to_two * mone * mtwo", "to M2", leaves="mone", enters="mtwo")
        yield Process("returning", "turning", "to_one * mone * mtwo", "to M1", leaves="mtwo", enters="mone")


@pytest.mark.parametrize("settings", [None, Settings()])
@pytest.mark.parametrize("counted", ["", "[counted]\nresting = false\nstimulated = false\n"])
def test_macrophages_that_nearly_vanish_come_back(settings: Settings | None, counted: str) -> None:
    """Levels of day 60 by an independent solution of the curated equations; M2 is down to 1e-5 cells on the way."""
    text = f'title = "Re-polarisation"\ndays = 60\n{counted}[mechanisms]\nrepolarisation = {{}}\n[arms]\nuntreated = []\n'
    of = parse(text, mechanisms=[Repolarisation])
    right = {"final(resting)": 1.39894e9, "final(mone)": 85546.0, "final(mtwo)": 12945.0, "final(htwo)": 1601.0}
    found = run_members(of, [], np.zeros((1, 0)), outcomes=[*right, "lowest(mtwo)"], settings=settings).values["untreated"]
    for name, value in right.items():
        assert found[name][0] == pytest.approx(value, rel=1e-3), name
    assert found["lowest(mtwo)"][0] == pytest.approx(1.2e-5, rel=0.1)
    assert simulate(of).trajectories["untreated"].status is Status.OK


def test_counted_names_states_in_cells() -> None:
    text = 'title = "t"\ndays = 6\n[counted]\nrestin = false\n[mechanisms]\nrepolarisation = {}\n[arms]\nuntreated = []\n'
    with pytest.raises(DocumentError, match="unknown state in cells `restin`; did you mean `resting`"):
        parse(text, mechanisms=[Repolarisation])
    with pytest.raises(DocumentError, match="true or false"):
        parse(text.replace("restin = false", "resting = 1"), mechanisms=[Repolarisation])


def test_counted_is_part_of_what_is_stored_and_exported() -> None:
    text = 'title = "t"\ndays = 30\n[counted]\nresting = false\nmtwo = true\n[mechanisms]\nrepolarisation = {}\n[arms]\nuntreated = []\n'
    of = parse(text, mechanisms=[Repolarisation])
    assert parse_data(of.resolved(), "again", [Repolarisation]).network.states == of.network.states
    assert of.hash != parse(text.replace("mtwo = true", ""), mechanisms=[Repolarisation]).hash
    assert simulate(of).trajectories["untreated"]["mtwo"][-1] == 0
    assert witnesses.compare(of, "untreated", "libRoadRunner").share <= 1
