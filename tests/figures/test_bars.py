"""Bars of outcomes: which are shown, and how numbers stand beside them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Rectangle

from backfire.figures.bars import _bar_lengths, bars
from backfire.figures.style import arm_styles, styled
from backfire.formatting import number
from backfire.outcomes import ranked
from backfire.scenario.scenario import parse
from backfire.simulation.arms import Result, simulate
from small import SMALL


@pytest.fixture(scope="module")
def result() -> Result:
    return simulate(parse(SMALL))


def test_arms_are_told_apart_without_colour_at_every_bar(result: Result) -> None:
    """Left of each row of each panel stands a piece of the arm's line, with its dashes."""
    styles = arm_styles(result.scenario.arms)
    for axes in drawn(result).axes:
        dashed = [line.is_dashed() for line in axes.lines]
        assert dashed == [styles[arm].dashes is not None for arm in result.trajectories]


@styled()
def drawn(result: Result, most: int = 8) -> Figure:
    figure = Figure(figsize=(12, 3))
    bars(figure, GridSpec(1, 1, figure)[0, 0], result, most)
    return figure


def test_bars_are_the_outcomes_that_differ_in_the_colours_of_the_arms(result: Result) -> None:
    figure = drawn(result)
    titles = [axes.get_title(loc="left").partition(" (")[0] for axes in figure.axes]
    order = [item.brief or item.titled(item.name) for item in ranked("bars")]
    assert "final burden" in titles
    assert set(titles) <= set(order)
    looks = arm_styles(result.scenario.arms)
    panel = figure.axes[titles.index("final burden")]
    lengths = {}
    for arm, bar in zip(result.trajectories, panel.patches, strict=True):
        assert isinstance(bar, Rectangle)
        assert bar.get_edgecolor() == pytest.approx(Rectangle((0, 0), 1, 1, edgecolor=looks[arm].colour).get_edgecolor())
        lengths[arm] = bar.get_width()
    values = {arm: found["final_burden"].value for arm, found in result.outcomes.items()}
    assert max(lengths, key=lengths.__getitem__) == max(values, key=values.__getitem__)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(result.trajectories)
    assert len(drawn(result, most=1).axes) == 1


def test_times_that_were_not_seen_are_hatched_and_at_least(result: Result) -> None:
    cut = simulate(result.scenario.changed(days=20))
    times = [found["time_to_progression"].observed for found in cut.outcomes.values() if "time_to_progression" in found]
    assert not all(times)
    at_least = 0
    for axes in drawn(cut).axes:
        said = [text.get_text().startswith("> ") for text in axes.texts[: len(axes.patches)]]
        assert [bar.get_hatch() is not None for bar in axes.patches] == said
        at_least += sum(said)
    assert at_least > 0


def test_lengths_are_logarithmic_where_values_span_a_wide_range() -> None:
    lengths, longest, base = _bar_lengths(np.array([1e2, 1e8, 0.0, math.nan]))
    assert (lengths.tolist(), longest, base) == ([2.0, 8.0, 0.0, 0.0], 8.0, 1.0)
    lengths, longest, base = _bar_lengths(np.array([10.0, 30.0, -1.0]))
    assert (lengths.tolist(), longest, base) == ([10.0, 30.0, 0.0], 30.0, None)
    assert _bar_lengths(np.array([math.nan]))[1] == 1.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.12345, "0.123"),
        (1234.0, "1234"),
        (16589.0, "1.7e4"),
        (2.5e6, "2.5e6"),
        (1.2e-7, "1.2e-7"),
        (float("nan"), "–"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
