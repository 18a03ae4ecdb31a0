"""Figures: the promises of the style, and every odd input that a figure must survive."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from backfire.errors import UserError
from backfire.figures import scenario as plots
from backfire.figures import style
from backfire.formatting import display_name, number
from backfire.scenario.scenario import load, parse, shipped_scenarios
from backfire.simulation.arms import Result, simulate
from backfire.solvers.trajectory import Trajectory

SMALL = """
title = "A small tumour, $\\\\frac{1$ and one drug"
days = 40
[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }
[regimens]
drug = { amount = 4.0, start = 10, every = 7, count = 3, duration = 1.0 }
[arms]
untreated = []
monotherapy = ["drug"]
"""


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return {name: simulate(load(name)) for name in shipped_scenarios()}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text")) if text.get_text()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", list(shipped_scenarios()))
def test_every_scenario_draws_with_caution_hash_units_and_dosing(name: str, results: dict[str, Result]) -> None:
    figure = plots.comparison(results[name])
    written = texts(figure)
    assert any(style.CAUTION in text and f"backfire {style.version()}" in text for text in written)
    assert any(results[name].scenario.hash in text for text in written)
    assert "tumour burden (cells)" in written
    for regimen in results[name].scenario.regimens.values():
        assert any(display_name(regimen.agent) in text for text in written), regimen.agent
    for axes in figure.axes:
        has_line_with_days = axes.get_xlim()[1] == results[name].scenario.days
        assert axes.get_ylabel() or not has_line_with_days or not axes.lines or axes.get_yticklabels()
    assert style.png(figure).startswith(b"\x89PNG")


def test_nothing_is_drawn_outside_the_figure(results: dict[str, Result]) -> None:
    long_names = simulate(parse(SMALL.replace("monotherapy", "metronomic_with_an_antibody_against_wnt16b"), "long-names"))
    for result in [*results.values(), long_names]:
        figure = plots.comparison(result)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        width, height = figure.bbox.width, figure.bbox.height
        for text in figure.findobj(lambda item: hasattr(item, "get_text")):
            if not text.get_text().strip() or not text.get_visible():  # type: ignore[attr-defined]
                continue
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1, (result.scenario.name, text)
            assert "antibody against" not in text.get_text() or box.width < 150, "a long name is broken into lines"  # type: ignore[attr-defined]
            assert box.x1 <= width + 1, (result.scenario.name, text)
            assert box.y0 >= -1, (result.scenario.name, text)
            assert box.y1 <= height + 1, (result.scenario.name, text)


def test_an_arm_has_the_same_colour_in_every_panel(results: dict[str, Result]) -> None:
    looks = style.arm_looks(["untreated", "monotherapy", "blockade", "combination"])
    for name in ("wnt16b-stroma", "pi3k-jak2-bypass"):
        figure = plots.comparison(results[name])
        for label in ("untreated", "monotherapy", "combination"):
            named = figure.findobj(lambda item, label=label: hasattr(item, "get_text") and item.get_text() == label)
            colours = {text.get_color() for text in named if text.get_color() != style.INK}  # type: ignore[attr-defined]
            assert colours == {looks[label].colour}


def test_arms_are_told_apart_in_grey() -> None:
    looks = style.arm_looks([])

    def grey(colour: str) -> float:
        return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))

    marks = [(round(grey(look.colour), 1), look.dashes) for look in looks.values()]
    assert len(set(marks)) == len(marks)


def test_atlas_has_one_row_per_article(results: dict[str, Result]) -> None:
    figure = plots.atlas(list(results.values()))
    assert sum(axes.get_title(loc="left").startswith("Tumour burden") for axes in figure.axes) == 5
    with pytest.raises(UserError, match="at least one"):
        plots.atlas([])


def test_labels_with_dollar_signs_are_shown_literally() -> None:
    figure = plots.comparison(simulate(parse(SMALL)))
    assert any("$\\frac{1$" in text for text in texts(figure))
    assert style.png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("value", [0.0, np.nan, 1e308, 1.0])
def test_odd_values_still_give_a_figure(value: float) -> None:
    result = simulate(parse(SMALL))
    odd = {
        arm: Trajectory(arm, item.times, item.names, item.units, np.full_like(item.values, value), item.status)
        for arm, item in result.trajectories.items()
    }
    with np.errstate(all="ignore"):
        assert style.png(plots.comparison(Result(result.scenario, odd))).startswith(b"\x89PNG")


def test_one_row_of_data_still_gives_a_figure() -> None:
    result = simulate(parse(SMALL))
    single = {
        arm: Trajectory(arm, item.times[:1], item.names, item.units, item.values[:1], item.status)
        for arm, item in result.trajectories.items()
    }
    assert style.png(plots.comparison(Result(result.scenario, single))).startswith(b"\x89PNG")


def test_labels_at_line_ends_never_overlap() -> None:
    figure = Figure()
    axes: Axes = figure.add_subplot()
    style.label_ends(axes, [(0.5, f"arm {index}", "#000000") for index in range(8)] + [(0.99, "top", "#000000")], 1.0, gap=0.06)
    heights = sorted(text.xy[1] for text in axes.texts)  # type: ignore[attr-defined]
    assert min(np.diff(heights)) > 0.0599
    assert heights[-1] <= 1.0 + 1e-9


def test_drawing_leaves_the_users_settings_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure = plots.comparison(simulate(parse(SMALL)))
    figure.savefig(io.BytesIO())
    assert dict(matplotlib.rcParams) == before


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
