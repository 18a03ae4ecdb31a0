"""Fronts whose shape is known beforehand, and searches that are cut off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire import Intervention, Parameter, Process, State
from backfire.errors import StorageError, UserError
from backfire.figures import png, trade_off_front
from backfire.studies import Front, front_data, optimise, optimum_data, trade_off


@dataclass(frozen=True)
class Worn(backfire.Mechanism):
    """Cells and a host's marrow, both killed in proportion to one drug that is on for so long."""

    label = "worn"

    def parts(self) -> Iterator[backfire.Part]:
        about = {"source": "made up", "grade": "assumed"}
        yield State("cells", "1", "tumour", 1.0, counts_in="burden")
        yield State("marrow", "1", "marrow", 1.0)
        yield State("drug", "1", "a drug that stays")
        yield Parameter("killing", 0.1, "1/day", "kill", range=(0.0, 9.0), **about)
        yield Parameter("wearing", 0.05, "1/day", "loss of marrow", range=(0.0, 9.0), **about)
        yield Process("die", "kill", "killing * drug * cells", "death", leaves="cells")
        yield Process("wear", "loss", "wearing * drug * marrow", "loss", leaves="marrow")
        yield Intervention("drug", "a dose", amount_unit="1", adds={"drug": "amount"})


TEXT = """
title = "Cells against marrow"
days  = 20

[mechanisms]
worn = {}

[regimens]
drug = { amount = 1.0, start = 0 }

[arms]
given = ["drug"]
"""


def worn() -> backfire.Scenario:
    return backfire.parse(TEXT, "worn", mechanisms=[Worn])


def searched(**more: object) -> Front:
    asked: dict[str, object] = {
        "budget": {"drug": 50.0},
        "keep_totals": False,
        "better": ("", "high"),
        "generations": 12,
        "points": 5,
    }
    return trade_off(worn(), {"drug.amount": (0.1, 4.0)}, ("final_burden", "final(marrow)"), **(asked | more))  # type: ignore[arg-type]


def test_a_front_along_one_dose_is_the_curve_of_both() -> None:
    """After t days under the dose a: burden exp(-0.1·a·t), marrow exp(-0.05·a·t), so that burden is the square of marrow."""
    found = searched()
    burden, marrow = np.array([item.outcomes for item in found.points]).T
    assert burden == pytest.approx(marrow**2, rel=1e-4)
    assert len(found.points) == 5
    assert (np.diff(burden) > 0).all()
    assert (np.diff(marrow) > 0).all()  # the more of the one, the less of the other
    assert found.points[0].best["drug.amount"] == pytest.approx(4.0, rel=0.01)
    assert found.points[-1].best["drug.amount"] == pytest.approx(0.1, rel=0.1)
    assert marrow == pytest.approx(np.linspace(np.exp(-4), np.exp(-0.1), 5), rel=0.02)
    assert found.own == pytest.approx((np.exp(-2), np.exp(-1)), rel=1e-4)
    best = backfire.parse(found.schedule(2).text(), "worn", mechanisms=[Worn])
    again = backfire.simulate(best).outcomes["given"]["final_burden"].value
    assert again == pytest.approx(found.points[2].outcomes[0], rel=1e-4)
    assert json.dumps(front_data(found))


def test_outcomes_that_agree_have_one_best_schedule() -> None:
    found = searched(better=("low", "low"))
    assert len(found.points) == 1
    assert found.points[0].best["drug.amount"] == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize("first", [0, 1])
def test_a_front_is_of_schedules_that_have_both_outcomes(first: int) -> None:
    """All at once is best for the burden, but a single dose has no second course: the front goes on from two doses."""
    of = backfire.parse(TEXT.replace("start = 0 }", "start = 0, every = 7, count = 2 }"), "worn", mechanisms=[Worn])
    outcomes = ("final_burden", "log_kill_2")
    pair = outcomes[first], outcomes[1 - first]
    found = trade_off(of, {"drug.count": (1, 3)}, pair, points=3, generations=2)
    alone = optimise(of, {"drug.count": (1, 3)}, "final_burden", generations=2)
    assert alone.best["drug.count"] == 1
    assert {item.best["drug.count"] for item in found.points} in ({2.0}, {2.0, 3.0})
    assert np.isfinite([item.outcomes for item in found.points]).all()
    (remark,) = found.remarks
    assert remark.startswith("final_burden alone reaches")
    assert "where log_kill_2 is not defined" in remark
    assert front_data(found)["remarks"] == [remark]


def test_no_point_beats_another_and_none_that_was_tried_beats_the_ends() -> None:
    found = searched(points=4, generations=5)
    signs = np.array([1.0, -1.0])
    points, tried = np.array([item.outcomes for item in found.points]) * signs, found.tried * signs
    for one in points:
        assert not ((points <= one).all(axis=1) & (points < one).any(axis=1)).any()
    assert tried[:, 0].min() >= points[0, 0]
    assert tried[:, 1].min() >= points[-1, 1]


def test_a_search_that_was_cut_off_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    """Cut off by whoever is told of progress; what was computed by then is not computed again."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    wanted = front_data(searched(folder=whole))
    told: list[str] = []

    def stop(words: str) -> None:
        told.append(words)
        if len(told) == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(folder=cut, notify=stop)
    with (cut / "evaluations.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"candidate": [1.5], "came')  # as a killed process leaves it
    known = len((cut / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()) - 2
    assert 0 < known < wanted["evaluations"]
    again: list[str] = []
    assert front_data(searched(folder=cut, notify=again.append)) == wanted
    assert again[0] == f"goes on where it was: {known} schedules are known"
    assert (cut / "evaluations.jsonl").read_bytes() == (whole / "evaluations.jsonl").read_bytes()


DAMAGES = {
    "a number that was changed": lambda line: line.replace('"came_to": [', '"came_to": [0.5, '),
    "too few numbers": lambda line: json.dumps(json.loads(line) | {"came_to": [1.0]}),
    "another candidate": lambda line: json.dumps(json.loads(line) | {"candidate": [1.0]}),
    "no checksum": lambda line: json.dumps({key: value for key, value in json.loads(line).items() if key != "sum"}),
    "no object": lambda _: "[]",
    "no JSON": lambda line: line[:-5],
    "deep": lambda _: "[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_journal_is_not_believed_where_it_was_changed(damage: str, tmp_path: Path) -> None:
    searched(folder=tmp_path, generations=1)
    path = tmp_path / "evaluations.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[3] = DAMAGES[damage](lines[3])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(StorageError, match=r"evaluations\.jsonl:4: damaged"):
        searched(folder=tmp_path, generations=1)


@pytest.mark.parametrize(
    "content", ["", "{", '{"question": "of another search"}\n{"candidate": [1.0], "came_to": [9, 0]}\n', "[]"]
)
def test_what_is_damaged_or_of_another_search_is_computed_anew(content: str, tmp_path: Path) -> None:
    def one(folder: Path | None) -> dict[str, object]:
        budget = {"drug": 50.0}
        return optimum_data(
            optimise(
                worn(),
                {"drug.amount": (0.1, 4.0)},
                "final_burden",
                keep_totals=False,
                budget=budget,
                generations=2,
                folder=folder,
            )
        )

    (tmp_path / "evaluations.jsonl").write_text(content, encoding="utf-8")
    assert one(tmp_path) == one(None)


def test_where_the_own_schedule_has_no_such_outcome_there_is_no_gain_and_nothing_flat() -> None:
    """Marrow over a drug of which there is none: whatever is found, it is not 1e100 better."""
    of, ratio = worn().changed({"drug.amount": 0.0}), "final(marrow / drug)"
    found = optimise(
        of, {"drug.amount": (0.1, 4.0)}, ratio, better="high", keep_totals=False, budget={"drug": 9.0}, generations=8
    )
    assert found.objective[1] == pytest.approx(np.exp(-0.1) / 0.1, rel=0.02)
    data = optimum_data(found)
    assert data["own"] is None
    assert [*data["gain"].values()] == [None, None, None]
    assert data["inputs"]["drug.amount"]["as_good"] is None
    front = trade_off(
        of, {"drug.amount": (0.1, 4.0)}, ("final_burden", ratio), better=("", "high"), keep_totals=False, generations=2
    )
    assert front_data(front)["own"][0] == pytest.approx(1.0)
    assert np.isnan(front.own[1])


def test_what_cannot_be_traded_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be traded for itself"):
        trade_off(worn(), {"drug.amount": (0.1, 4.0)}, ("final_burden", "final_burden"), keep_totals=False)
    with pytest.raises(UserError, match="two ends"):
        searched(points=1)
    with pytest.raises(UserError, match=r"is a low or a high `final\(marrow\)` better"):
        searched(better=("low", ""))


def test_a_front_is_drawn_with_its_own_schedule_or_without() -> None:
    points, tried = np.array([[1e2, 5.0], [1e5, 2.0]]), np.array([[1e2, 5.0], [1e9, 9.0], [3e4, 4.0]])
    for own in (np.array([1e4, 6.0]), np.array([np.nan, 6.0])):
        figure = trade_off_front(
            "A front", "Three were tried.", ("burden (cell)", "dose (EC50)"), points, own, tried, {"worn": "abc"}
        )
        assert figure.axes[0].get_xscale() == "log"
        assert png(figure).startswith(b"\x89PNG")
