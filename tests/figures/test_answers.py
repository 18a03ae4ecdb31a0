"""What answers to treatment is found by structure: own states, dosed levels left out, blocked parts, restless courses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from backfire.figures import arm_styles, atlas, comparison
from backfire.figures.answers import _band, _period, answers
from backfire.formatting import display_name
from backfire.model import Mechanism, Parameter, Part, Process, State, option
from backfire.scenario.scenario import Scenario, load, parse
from backfire.simulation.arms import Result, simulate


@dataclass(frozen=True)
class TCells(Mechanism):
    """T cells that the drug drives out and exhausts: T' = r(T0(1 - E) - T), X' = r E (1 - X), and they kill active cells."""

    label = "t_cells"

    drug: str = option("the drug", example="docetaxel", default="docetaxel")

    def parts(self) -> Iterator[Part]:
        about = {"source": "a test", "grade": "assumed"}
        yield Parameter("t_start", 1e4, "cell", "T cells at the start", range=(1, 1e6), **about)
        yield Parameter("t_turnover", 0.1, "1/day", "turnover of T cells", range=(0.01, 1), **about)
        yield State("t_cells", "cell", "T cells in the tumour", "t_start")
        yield State("exhausted", "1", "share of them that no longer kills")
        yield State("idle", "1", "nothing that treatment changes", 0.5)
        yield Process("t_gain", "host_gain", f"t_turnover * t_start * (1 - effect_{self.drug})", "gain", enters="t_cells")
        yield Process("t_loss", "host_loss", "t_turnover * t_cells", "loss", leaves="t_cells")
        yield Process("exhausting", "host_gain", f"t_turnover * effect_{self.drug} * (1 - exhausted)", "gain", enters="exhausted")
        yield Process("idling", "host_gain", "t_turnover * (0.5 - idle)", "no change", enters="idle")
        yield Process("t_kill", "kill", "t_turnover * t_cells / t_start * (1 - exhausted) * active", "kill", leaves="active")


OWN = """
title = "Docetaxel drives out T cells"
days = 80
[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["docetaxel", "anti_x"] }
kill = { by = ["docetaxel"] }
stroma = { factor = "factor_x", damaged_by = ["docetaxel"] }
blockade = { of = "factor_x", by = "anti_x" }
t_cells = {}
[regimens]
docetaxel = { amount = 4.0, start = 14, every = 14, count = 4 }
early = { agent = "anti_x", amount = 20.0, start = 13, every = 7, count = 4 }
late = { agent = "anti_x", amount = 20.0, start = 40, every = 7, count = 4 }
[arms]
early = ["docetaxel", "early"]
docetaxel_alone = ["docetaxel"]
delayed = ["docetaxel", "late"]
untreated = []
"""


def own(text: str = OWN) -> Scenario:
    return parse(text, "own", mechanisms=[TCells])


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate(own())


def panel(figure: Figure, title: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_title(loc="left") == title)


def test_everything_that_answers_is_found_and_nothing_that_is_a_dose_or_stays(result: Result) -> None:
    found = {item.name: item for item in answers(result)}
    assert set(found) == {"factor_x", "damaged_stroma", "t_cells", "exhausted"}
    early, alone = (result.trajectories[arm] for arm in ("early", "docetaxel_alone"))
    assert np.allclose(found["factor_x"].courses["docetaxel_alone"], alone["factor_x"]), "unblocked it acts whole"
    assert np.allclose(found["factor_x"].courses["early"], 1 + early["excess_factor_x"])
    assert found["factor_x"].measure == "unblocked fold"
    assert found["t_cells"].measure == "cells"


def test_every_arm_and_every_answer_is_drawn_in_the_style_of_the_arm(result: Result) -> None:
    figure, styles = comparison(result), arm_styles(result.scenario.arms)
    for item in answers(result):
        drawn = panel(figure, display_name(item.name)[0].upper() + display_name(item.name)[1:])
        lines = {line.get_color(): line for line in drawn.lines if len(line.get_xdata()) > 2}  # type: ignore[arg-type]
        assert set(lines) == {styles[arm].colour for arm in result.trajectories}, item.name
        for arm, course in result.trajectories.items():
            assert np.allclose(lines[styles[arm].colour].get_xdata(), course.times)
    assert not any("Not drawn" in text.get_text() for text in figure.texts)


def test_what_is_left_out_is_said_and_shown_when_asked_for() -> None:
    whole = simulate(load("all-together"))
    usual = comparison(whole)
    said = " ".join(text.get_text().replace("\n", " ") for text in usual.texts)
    titles = {axes.get_title(loc="left").lower() for axes in usual.axes}
    for item in answers(whole):
        drawn = display_name(item.name).lower() in titles
        clone = item.name in ("active", "hibernating")
        assert drawn or clone or item.name in said, item.name
    assert 'show = ["NAME"]' in said
    names = ["il16", "ccl2", "effect_doxorubicin", "kill_by_doxorubicin", "stroma.protects_kill", "rewired", "il8"]
    asked = dataclasses.replace(whole, scenario=dataclasses.replace(whole.scenario, show=tuple(names)))
    assert [item.name for item in answers(asked)] == names
    figure = comparison(asked)
    assert figure.get_figheight() > usual.get_figheight(), "a page grows with what is asked for"
    titles = {axes.get_title(loc="left").lower() for axes in figure.axes}
    assert {display_name(name).replace(".", ": ").lower() for name in names} <= titles
    assert not any("Not drawn" in text.get_text() for text in figure.texts)


def test_a_daily_course_is_a_band_with_its_mean() -> None:
    days = np.arange(0, 150, 0.05)
    wave = np.where((days > 20) & (days < 120), 3 + np.sin(2 * np.pi * days), 1.0)
    period = _period(days, wave)
    assert period == pytest.approx(1.0, rel=0.06)
    low, mean, high = _band(days, wave, period or 0.0)
    inside = (days > 22) & (days < 118)
    assert (low <= wave + 1e-12).all()
    assert (wave <= high + 1e-12).all()
    assert low[inside] == pytest.approx(2, abs=0.02)
    assert mean[inside] == pytest.approx(3, abs=0.06)
    assert high[inside] == pytest.approx(4, abs=0.02)
    for calm in (np.sin(days / 20), np.full(len(days), 2.0), np.where(days > 9, np.nan, 1.0)):
        assert _period(days, calm) is None


def test_daily_dosing_leaves_lines_with_their_styles_over_bands() -> None:
    figure = comparison(simulate(load("pi3k-jak2-bypass")))
    drawn = panel(figure, "JAK2/STAT5")
    assert any(isinstance(item, PolyCollection) for item in drawn.collections)
    for line in drawn.lines:
        days, level = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
        assert np.ptp(level[(days > 30) & (days < 45)]) < 0.02, "a line through the band is calm"
    assert any("shaded" in text.get_text() for text in figure.texts)


def test_one_arm_alone_answers_against_its_own_start() -> None:
    alone = simulate(own(), ["docetaxel_alone"])
    assert {item.name for item in answers(alone)} == {"factor_x", "damaged_stroma", "t_cells", "exhausted"}
    assert answers(simulate(own(), ["untreated"])) == []
    assert len(atlas([alone]).axes) > 2
