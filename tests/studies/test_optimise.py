"""Searches whose answer is known beforehand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire import Intervention, Parameter, Process, State
from backfire.errors import UnansweredError, UserError
from backfire.studies import Optimum, optimise, optimum_data, trade_off
from console import output_of


@dataclass(frozen=True)
class Steep(backfire.Mechanism):
    """Cells that rest, under a drug that is cleared at once; its kill is e or e/(1 + e), with e its level or the square of it."""

    label = "steep"

    def parts(self) -> Iterator[backfire.Part]:
        about = {"source": "made up", "grade": "assumed"}
        yield State("cells", "1", "tumour", 1.0, counts_in="burden")
        yield State("drug", "1", "a drug")
        yield State("inflow", "1/day", "its infusion")
        yield Parameter("clearance", 500.0, "1/day", "clearance", range=(1.0, 1000.0), **about)
        yield Parameter("squared", 1.0, "1", "1 if the square", range=(0.0, 1.0), **about)
        yield Parameter("saturates", 1.0, "1", "1 if the effect does", range=(0.0, 1.0), **about)
        yield Parameter("killing", 0.1, "1/day", "kill", range=(0.0, 9.0), **about)
        strength = "((1 - squared) * drug + squared * drug * drug)"
        effect = f"{strength} / (1 + saturates * {strength})"
        yield Process("die", "kill", f"killing * {effect} * cells", "death", leaves="cells")
        yield Process("flow", "infusion", "inflow", "infusion", enters="drug")
        yield Process("clear", "clearance", "clearance * drug", "clearance", leaves="drug")
        yield Intervention("drug", "a dose", amount_unit="1", adds={"drug": "amount"}, infuses="inflow")


TEXT = """
title = "A total of ten EC50-days"
days  = 60

[mechanisms]
steep = {}

[regimens]
drug = { amount = 5000, start = 0, duration = 4 }

[arms]
given = ["drug"]
"""

RULE = """
[rules]
watch = { visit_every = 7, stop_below = 0.5, resume_above = 0.9, error = 0.1, seed = 3 }
"""


def steep(**changes: float) -> backfire.Scenario:
    return backfire.parse(TEXT, "steep", mechanisms=[Steep]).changed(changes)


def searched(of: backfire.Scenario, **more: object) -> Optimum:
    return optimise(of, {"drug.duration": (1.0, 40.0)}, "final_burden", generations=12, **more)  # type: ignore[arg-type]


def test_a_steep_saturating_effect_has_one_best_length() -> None:
    """A total c over T days at the level c/T: T (c/T)²/(1 + (c/T)²) is largest at T = c."""
    found = searched(steep())
    assert found.best["drug.duration"] == pytest.approx(10.0, rel=0.01)
    first, last = found.flat["drug.duration"]
    assert first < 10 < last
    assert found.objective[1] < found.objective[0]


def test_a_saturating_effect_wants_a_constant_dose_and_a_steep_one_all_at_once() -> None:
    assert searched(steep(squared=0.0)).best["drug.duration"] == pytest.approx(40.0, rel=0.01)
    assert searched(steep(saturates=0.0)).best["drug.duration"] == pytest.approx(1.0, rel=0.01)


def test_a_budget_is_used_up_and_not_passed() -> None:
    found = optimise(
        steep(), {"drug.amount": (100.0, 9000.0)}, "final_burden", keep_totals=False, budget={"drug": 3000.0}, generations=15
    )
    assert found.totals["drug"][1] == pytest.approx(3000.0, rel=0.01)
    assert found.totals["drug"][1] <= 3000.0 * (1 + 1e-9)


def test_totals_stay_whatever_they_are_spread_over() -> None:
    of = backfire.load("wnt16b-stroma")
    found = optimise(of, {"mitoxantrone.count": (1, 7), "mitoxantrone.every": (5, 20)}, "nadir", generations=6)
    assert found.totals["mitoxantrone"] == pytest.approx((24.0, 24.0))
    assert found.best["mitoxantrone.count"].is_integer()
    assert found.objective[1] <= found.objective[0]
    again = optimise(of, {"mitoxantrone.count": (1, 7), "mitoxantrone.every": (5, 20)}, "nadir", generations=6)
    assert again.best == found.best
    assert json.dumps(optimum_data(found))


def test_the_best_schedule_is_a_scenario_that_gives_what_was_found() -> None:
    of = backfire.load(Path(__file__).parents[2] / "examples" / "10_treatment_that_reacts" / "acquired-resistance.toml")
    vary = {"share.stop_below": (0.02, 0.5), "share.resume_above": (0.51, 0.9)}
    found = optimise(of, vary, "burden_area", "adaptive", generations=3)
    again = backfire.parse(found.schedule.text(), "acquired-resistance")
    assert again.hash == found.schedule.hash
    assert again.dosing_rules["share"].stop_below == found.best["share.stop_below"]
    value = backfire.simulate(again, ["adaptive"]).outcomes["adaptive"]["burden_area"].value
    assert value == pytest.approx(found.found[0], rel=1e-4)


def test_a_low_quantile_is_that_of_the_tumours_that_do_badly() -> None:
    killing = np.array([0.05, 0.1, 0.2, 0.4])
    found = searched(steep(), tumours={"killing": killing}, quantile=0.25)
    assert found.found.shape == (4,)
    assert found.objective[1] == pytest.approx(np.quantile(found.found, 0.75))
    assert found.gain[0] > 0


WRONG = (
    ({"vary": {"drug.duratio": (1, 2)}}, "did you mean `drug.duration`"),
    ({"vary": {"drug.duration": (2, 1)}}, "second must be larger"),
    ({"vary": {}}, "nothing varies"),
    ({"vary": {"drug.amount": (1, 2)}}, "follows from the total"),
    ({"outcome": "final_burdens"}, "did you mean `final_burden`"),
    ({"outcome": "nadir_day"}, "say `low` or `high`"),
    ({"arm": "givn"}, "did you mean `given`"),
    ({"quantile": 1.5}, "lies between 0 and 1"),
    ({"quantlie": 0.9}, "did you mean `quantile`"),
    ({"budget": {"drgu": 1.0}, "keep_totals": False}, "did you mean `drug`"),
    ({"budget": {"drug": 1.0}, "keep_totals": False}, "within the budget, the least gives 5000 times as much"),
    ({"vary": {"drug.count": (1.2, 1.8)}}, "a whole number, of which none lies between 1.2 and 1.8"),
    ({"vary": {"drug.count": (1.2, 2.8)}}, "of which only 2 lies"),
    ({"vary": {"drug.start": (200.0, 400.0)}}, "under each the tumour cannot be simulated"),
    (
        {"tumours": {"killing": np.array([0.1, -1.0])}},
        "one or more of 2 tumours cannot be simulated .killing: -1 1/day is negative",
    ),
    ({"outcome": "final(drug / inflow)", "better": "low", "vary": {"drug.start": (0.0, 1.0)}}, "under each the tumour has no"),
)


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_searched_is_refused(words: dict[str, object], message: str) -> None:
    asked: dict[str, object] = {"vary": {"drug.duration": (1.0, 40.0)}, "outcome": "final_burden", "generations": 1}
    with pytest.raises(UserError, match=message):
        optimise(steep(), **(asked | words))  # type: ignore[arg-type]


def test_a_name_is_no_scenario() -> None:
    for search in (
        lambda: optimise("steep", {"drug.duration": (1.0, 40.0)}, "final_burden"),  # type: ignore[arg-type]
        lambda: trade_off("steep", {"drug.duration": (1.0, 40.0)}, ("final_burden", "nadir")),  # type: ignore[arg-type]
    ):
        with pytest.raises(UserError, match="expected a scenario, not `steep`"):
            search()


def test_noise_of_a_measurement_is_not_searched() -> None:
    of = backfire.parse(
        TEXT.replace("start = 0, duration = 4 }", 'start = 0, rules = ["watch"] }') + RULE, "steep", mechanisms=[Steep]
    )
    for number in ("seed", "error"):
        with pytest.raises(UserError, match="luckiest noise"):
            optimise(of, {f"watch.{number}": (0.0, 9.0)}, "final_burden")


def test_next_to_no_budget_and_no_doses_are_told_without_warnings() -> None:
    with pytest.raises(UnansweredError, match=r"more than 1e\+06 times as much"):
        searched(steep(), keep_totals=False, budget={"drug": 1e-300})
    found = optimise(steep(), {"drug.count": (0, 1), "drug.duration": (1.0, 40.0)}, "final_burden", generations=3)
    assert found.best["drug.count"] == 1


@pytest.mark.slow  # a command in a process of its own
def test_the_command_writes_a_scenario_that_runs(tmp_path: Path) -> None:
    words = "--vary mitoxantrone.every=5:20 --outcome nadir --generations 3"
    said = output_of(f"backfire optimise wnt16b-stroma {words}", tmp_path)
    assert "as good alone" in said
    best = "results/optimise/wnt16b-stroma/best.toml"
    assert "combination" in output_of(f"backfire run {best} --arm combination", tmp_path)
