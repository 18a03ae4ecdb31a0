"""Figures of scenarios: what a slide must show, and every odd result that it must survive."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import small
from backfire.errors import UserError
from backfire.figures import atlas, comparison, png, slide
from backfire.figures.style import INK, arm_styles
from backfire.formatting import display_name
from backfire.model.references import CAUTION, version
from backfire.scenario.scenario import load, parse, shipped_scenarios
from backfire.simulation.arms import Result, simulate
from backfire.solvers.trajectory import Trajectory

SMALL = small.SMALL.replace("A small tumour and one drug", "A small tumour, $\\\\frac{1$ and one drug").replace(
    "count = 2", "count = 3"
)


DRAWINGS = {"comparison": comparison, "slide": slide}


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return {name: simulate(load(name)) for name in shipped_scenarios()}


@pytest.fixture(scope="module")
def drawn(results: dict[str, Result]) -> Callable[[str, str], Figure]:
    """The figure of a scenario, drawn once for all that look at it."""
    return cache(lambda name, how: DRAWINGS[how](results[name]))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text")) if text.get_text()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", DRAWINGS)
@pytest.mark.parametrize("name", list(shipped_scenarios()))
def test_every_scenario_draws_with_caution_hash_units_and_dosing(name: str, how: str, results: dict[str, Result], drawn) -> None:
    figure = drawn(name, how)
    written = texts(figure)
    assert any(CAUTION in text and f"backfire {version()}" in text for text in written)
    assert any(results[name].scenario.hash in text for text in written)
    assert "tumour burden (cells)" in written
    for regimen, given in results[name].scenario.regimens.items():
        # of several regimens of one agent each goes by its own name
        assert any(display_name(given.agent) in text or display_name(regimen) in text for text in written), regimen
    for axes in figure.axes:
        has_line_with_days = axes.get_xlim()[1] == results[name].scenario.days
        assert axes.get_ylabel() or not has_line_with_days or not axes.lines or axes.get_yticklabels()
    assert png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("how", DRAWINGS)
def test_nothing_is_drawn_outside_the_figure(how: str, results: dict[str, Result], drawn) -> None:
    long_names = simulate(parse(SMALL.replace("monotherapy", "metronomic_with_an_antibody_against_wnt16b"), "long-names"))
    for name, figure in [*((name, drawn(name, how)) for name in results), ("long names", DRAWINGS[how](long_names))]:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        width, height = figure.bbox.width, figure.bbox.height
        for text in figure.findobj(lambda item: hasattr(item, "get_text")):
            if not text.get_text().strip() or not text.get_visible():  # type: ignore[attr-defined]
                continue
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1, (name, text)
            assert "antibody against" not in text.get_text() or box.width < 150, "a long name is broken into lines"  # type: ignore[attr-defined]
            assert box.x1 <= width + 1, (name, text)
            assert box.y0 >= -1, (name, text)
            assert box.y1 <= height + 1, (name, text)


def test_an_arm_has_the_same_colour_in_every_panel(drawn) -> None:
    looks = arm_styles(["untreated", "monotherapy", "blockade", "combination"])
    for name in ("wnt16b-stroma", "pi3k-jak2-bypass"):
        figure = drawn(name, "comparison")
        for label in ("untreated", "monotherapy", "combination"):
            named = figure.findobj(lambda item, label=label: hasattr(item, "get_text") and item.get_text() == label)
            colours = {text.get_color() for text in named if text.get_color() != INK}  # type: ignore[attr-defined]
            assert colours == {looks[label].colour}


def test_atlas_has_one_row_per_article(results: dict[str, Result]) -> None:
    figure = atlas(list(results.values()))
    assert sum(axes.get_title(loc="left").startswith("Tumour burden") for axes in figure.axes) == 5
    with pytest.raises(UserError, match="at least one"):
        atlas([])


def test_labels_with_dollar_signs_are_shown_literally() -> None:
    figure = comparison(simulate(parse(SMALL)))
    assert any("$\\frac{1$" in text for text in texts(figure))
    assert png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("value", [0.0, np.nan, 1e308, 1.0])
def test_odd_values_still_give_a_figure(value: float) -> None:
    result = simulate(parse(SMALL))
    odd = {
        arm: Trajectory(arm, item.times, item.names, item.units, np.full_like(item.values, value), item.status)
        for arm, item in result.trajectories.items()
    }
    with np.errstate(all="ignore"):
        assert png(comparison(Result(result.scenario, odd))).startswith(b"\x89PNG")


def test_one_row_of_data_still_gives_a_figure() -> None:
    result = simulate(parse(SMALL))
    single = {
        arm: Trajectory(arm, item.times[:1], item.names, item.units, item.values[:1], item.status)
        for arm, item in result.trajectories.items()
    }
    assert png(comparison(Result(result.scenario, single))).startswith(b"\x89PNG")
