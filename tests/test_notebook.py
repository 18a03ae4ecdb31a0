"""What objects show of themselves: briefly in a terminal, readably in a notebook, and never what a file smuggles in."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np
import pytest

import backfire
from backfire.claims import parse_claims
from backfire.notebook import MOST_ROWS, curves, shown
from backfire.palette import arm_styles
from backfire.studies.folder import FinishedStudy
from small import SMALL_FOR_RUNS

HOSTILE = "<script>alert(1)</script> & co"
CLAIMS = """
title = "Claims"
scenario = "small.toml"
[[claims]]
id = "C1"
statement = "The drug leaves less than nothing did."
check = "final_burden(monotherapy) < final_burden(untreated)"
"""


def parsed(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html.replace("&nbsp;", " "))


def test_what_is_shown_is_short_and_whole(tmp_path) -> None:
    (tmp_path / "small.toml").write_text(SMALL_FOR_RUNS.replace("A small tumour and one drug", HOSTILE), encoding="utf-8")
    scenario = backfire.load(tmp_path / "small.toml")
    result = backfire.simulate(scenario)
    report = backfire.evaluate_claims(parse_claims(CLAIMS, folder=tmp_path))
    for item in (scenario, result, report):
        assert len(repr(item)) < 300
        assert "\n" not in repr(item)
        html = parsed(item._repr_html_())
        assert html.find(".//table") is not None
        assert html.find(".//script") is None
        assert len(item._repr_html_()) < 40_000
    assert scenario.hash in repr(scenario)
    text = "".join(parsed(result._repr_html_()).itertext())
    assert HOSTILE in text
    assert result.outcomes["monotherapy"]["nadir"].text in text
    lines = parsed(result._repr_html_()).findall(".//polyline")
    assert [line.get("stroke") for line in lines] == [arm_styles(scenario.arms)[arm].colour for arm in scenario.arms]
    assert "1 holds" in repr(report)


def test_a_study_shows_its_tables_and_an_explanation_its_sections() -> None:
    """Each is one line in a terminal; in a notebook all of it, and nothing that its title smuggles in."""

    class Made(FinishedStudy):
        spec = SimpleNamespace(name="my-study", title=HOSTILE, scenario=SimpleNamespace(name="small"))
        notes = ("100 tumours",)
        folder = None
        tables: ClassVar = {}
        manifest: ClassVar = {}
        shown: ClassVar = {"arms": [("arm", "days"), ("untreated", 12.5), ("treated", math.inf)], "pairs": [("a",)]}

    assert repr(Made()) == "<Made my-study of small: arms (2 rows), pairs (0 rows)>"
    html = parsed(Made()._repr_html_())
    assert [cell.text for cell in html.findall(".//td")] == ["untreated", "12", "treated", "∞"]
    assert html.find(".//script") is None
    explained = backfire.explain(backfire.parse(SMALL_FOR_RUNS, "small"))
    assert str(explained).startswith("ABOUT\n")
    assert len(repr(explained)) < 200
    sections = parsed(f"<div>{explained._repr_html_()}</div>").findall("details")
    assert [item.findtext("summary/b") for item in sections] == [item.title for item in explained]
    assert sum(1 for row in sections[4].iter("tr")) == len(explained[4].rows)


def test_a_long_table_says_how_much_is_left_out() -> None:
    html = shown("Much", ("a",), [(str(row),) for row in range(MOST_ROWS + 5)])
    assert len(parsed(html).findall(".//tbody/tr")) == MOST_ROWS
    assert "5 more" in html


def test_curves_stay_within_their_picture() -> None:
    days = np.linspace(0, 50, 5000)
    html = parsed(f"<div>{curves({'one': zip(days, np.exp(days / 5), strict=True), 'none': []}, 50, 'cells', 0.5)}</div>")
    [line, empty] = html.findall(".//polyline")
    points = np.array([point.split(",") for point in str(line.get("points")).split()], dtype=float)
    assert len(points) <= 400
    assert (points >= 0).all()
    assert (points <= (560, 170)).all()
    assert points[:, 1] == pytest.approx(np.linspace(points[0, 1], points[-1, 1], len(points)), abs=0.6)  # a line, on a log axis
    assert empty.get("points") == ""
