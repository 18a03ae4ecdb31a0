"""Composition of totals, and layouts that follow what a model has."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from backfire.figures import comparison, png
from backfire.figures.composition import STRIP, composed
from backfire.scenario.scenario import load, parse
from backfire.simulation.arms import Result, simulate
from test_numbers_mean_what_they_say import MORTAL, Host
from test_published_models import COMPETITION
from test_published_models import INDUCED as PUBLISHED

SHARES, Shared = COMPETITION.SCENARIO, COMPETITION.Competition
INDUCED, Induced = PUBLISHED.SCENARIO, PUBLISHED.Induced

TWO = INDUCED.replace("[arms]", 'late = { agent = "drug", amount = 1.5, start = 30, until = 110 }\n[arms]\nlate_start = ["late"]')


def strips(axes: Axes, times: np.ndarray, level: int) -> np.ndarray:
    """Height of the second state at these times in the strip of an arm, as a share, read off what was drawn."""
    areas = [item for item in axes.collections if isinstance(item, PolyCollection)]
    drawn = areas[2 * level + 1].get_paths()
    heights = np.zeros(len(times))
    for path in drawn:
        x, y = np.asarray(path.vertices).T
        for place, time in enumerate(times):
            near = np.abs(x - time) < 1e-9
            heights[place] = max(heights[place], np.ptp(y[near]) / STRIP if near.any() else 0.0)
    return heights


def titled(figure: Figure, title: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_title(loc="left") == title)


def test_which_clone_has_which_share_is_drawn_for_every_arm_of_a_published_model() -> None:
    result = simulate(parse(TWO, "greene", mechanisms=[Induced]).changed({"induction": 0.01}))
    assert composed(result) == {"burden": ["sensitive", "resistant"]}
    figure = comparison(result)
    axes = titled(figure, "Composition")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["sensitive", "resistant"]  # type: ignore[union-attr]
    for level, (arm, item) in enumerate(result.trajectories.items()):
        share = item["resistant"] / item["burden"]
        some = np.arange(0, len(item.times), 40)
        assert strips(axes, item.times[some], level) == pytest.approx(share[some], abs=1e-9), arm
    assert {"Sensitive", "Resistant"} <= {axes.get_title(loc="left") for axes in figure.axes}
    burden = next(axes for axes in figure.axes if axes.get_ylabel() == "tumour burden")
    lines = [line for line in burden.lines if len(line.get_xdata()) > 2]  # type: ignore[arg-type]
    assert all(np.isfinite(line.get_ydata()).all() for line in lines), "shares below a half are drawn"


def test_a_strip_is_blank_where_nothing_is_left() -> None:
    result = simulate(load("hibernation-rigi"))
    axes, item = titled(comparison(result), "Composition"), result.trajectories["combination"]
    gone = np.flatnonzero(item["burden"] < 1)
    assert len(gone)
    level = list(result.trajectories).index("combination")
    assert (strips(axes, item.times[gone[1:]], level) == 0).all()


def covered(result: Result) -> float:
    """Share of the page, without head and foot, that lies inside axes or right below them."""
    figure = comparison(result)
    taken = np.zeros((100, 100), dtype=bool)
    for axes in figure.axes:
        box = axes.get_position()
        taken[int(100 * box.y0) : int(100 * box.y1) + 1, int(100 * box.x0) : int(100 * box.x1) + 1] = True
    halves = taken[12:88, :50].mean(), taken[12:88, 50:].mean()
    assert png(figure).startswith(b"\x89PNG")
    return float(min(halves))


@pytest.mark.parametrize(
    ("text", "mechanism"),
    [(SHARES, Shared), (INDUCED, Induced), (TWO, Induced), (MORTAL, None), ("host", Host), ("growth", None)],
)
def test_no_half_of_the_page_is_blank(text: str, mechanism: type | None) -> None:
    """A model in shares without doses, one arm, no answer, an early death, no burden, growth alone."""
    plain = 'title = "Alone"\ndays = 20\n[mechanisms]\n{} = {{{}}}\n[arms]\nnone = []\n'
    made = {"host": plain.format("host", ""), "growth": plain.format("growth", 'law = "logistic"')}.get(text, text)
    result = simulate(parse(made, "odd", mechanisms=[mechanism] if mechanism else []))
    assert covered(result) > 0.4
