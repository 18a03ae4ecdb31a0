"""The page: places in inches, headline, key, footer, and ticks at round numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D

from backfire.errors import UserError
from backfire.figures import IMAGE_FORMATS, Page, image, png
from backfire.figures.page import log_axis, log_places, roomy, round_places, set_ticks, value_axis
from backfire.model.references import CAUTION, version

HASHES = {"wnt16b-stroma": "0123456789ab"}


def test_panels_fill_the_page_between_margins_row_by_row() -> None:
    page = Page("A title", HASHES)
    sheet = list(page.panels(3, 2, margins=(1.0, 0.5, 1.25, 0.25), gap=(0.4, 0.6)))
    size = np.array([page.width, page.height])
    low = np.array([axes.get_position().min for axes in sheet]) * size
    high = np.array([axes.get_position().max for axes in sheet]) * size
    assert np.allclose(low.min(axis=0), (1.0, 1.25))
    assert np.allclose(high.max(axis=0), (page.width - 0.5, page.top - 0.25))
    assert np.allclose(low[1:3, 0] - high[0:2, 0], 0.4)
    assert np.allclose(low[:3, 1] - high[3:, 1], 0.6)
    assert np.allclose(high - low, (high - low)[0])


def test_head_and_remarks_lower_the_top_by_what_they_write() -> None:
    short, long = Page("Short", HASHES), Page("A long title " * 30, HASHES)
    assert long.top < short.top < short.height - 0.22
    assert long.figure.texts[0].get_text().count("\n") == 1, "a headline has at most two lines"
    before = short.top
    short.remark("one line")
    assert short.top == pytest.approx(before - 0.2)
    short.remark("word " * 500)
    assert short.top == pytest.approx(before - 0.8), "remarks have at most three lines"
    renderer = FigureCanvasAgg(long.figure).get_renderer()
    assert long.figure.texts[0].get_window_extent(renderer).y0 >= long.top / long.height * long.figure.bbox.height


@pytest.mark.parametrize(("low", "high"), [(1.0, 1e308), (1e-290, 1e290), (1e250, 1.7e308), (3e7, 4e9)])
def test_a_logarithmic_axis_has_few_round_decades_up_to_the_largest_numbers(low: float, high: float) -> None:
    page = Page("A title", HASHES)
    axes = page.axes(1, 1, 4, 3)
    log_axis(axes, [np.array([low, high])], floor=0.0)
    FigureCanvasAgg(page.figure).draw()
    ticks = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
    assert 1 <= len(ticks) <= 8
    assert all(math.log10(tick) == pytest.approx(round(math.log10(tick))) for tick in ticks)


def test_a_notebook_shows_a_figure_without_being_asked() -> None:
    shown = Page("A title", HASHES).figure._repr_png_()
    assert shown.startswith(b"\x89PNG")
    assert len(shown) < len(png(Page("A title", HASHES).figure))


def test_the_footer_and_the_image_say_what_it_is() -> None:
    page = Page("A title", HASHES)
    written = [text.get_text() for text in page.figure.texts]
    assert f"{CAUTION}   ·   backfire {version()}" in written
    assert "scenario wnt16b-stroma 0123456789ab" in written
    image = png(page.figure)
    for words in (CAUTION, f"backfire {version()}", "wnt16b-stroma 0123456789ab"):
        assert words.encode("latin-1", "ignore") in image or words.encode() in image
    many = Page("A title", {f"scenario-{index}": "0" * 12 for index in range(20)})
    assert len(many.figure.texts) == 2, "hashes that would not fit are only in the metadata"
    assert b"scenario-19 000000000000" in png(many.figure)


def test_a_key_has_one_row_or_two_and_is_left_out_if_there_is_nothing_to_say() -> None:
    page = Page("A title", HASHES)
    page.key([])
    assert page.figure.legends == []
    for length, columns in ((5, 4), (60, 2)):
        page.key([(Line2D([], []), "x" * length) for _ in range(4)])
        legend = page.figure.legends[-1]
        assert legend._ncols == columns
        assert [text.get_text() for text in legend.get_texts()] == ["x" * length] * 4


def test_what_is_drawn_is_known_by_its_label() -> None:
    page = Page("A title", HASHES)
    axes = page.axes(1, 1, 5, 5, label="panel")
    axes.plot([0, 1], [0, 1], label="failed")
    axes.patch.set_label("empty")
    assert {"failed", "empty"} <= page.drawn
    assert "censored" not in page.drawn


@pytest.mark.parametrize("low", [-300.0, -3.2, 0.0, 0.31, 5.0, 299.0])
@pytest.mark.parametrize("span", [0.0, 1e-6, 0.05, 0.4, 1.0, 3.7, 20.0, 400.0])
@pytest.mark.parametrize("most", [3, 6, 8])
def test_ticks_of_log_axes_are_round_few_and_inside(low: float, span: float, most: int) -> None:
    places = log_places(low, low + span, most)
    assert 1 <= len(places) <= max(most, 6)
    assert all(low - 1e-6 <= place <= low + span + 1e-6 for place in places)
    assert places == sorted(places)
    if span >= 1.0:
        digits = {round(10 ** (place % 1), 6) for place in places if round(place % 1, 9) < 1}
        assert digits <= {1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0}


def test_ticks_of_linear_axes_are_round_few_and_inside() -> None:
    assert round_places(0.0, 10.0, 8) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert round_places(3.0, 17.0, 8) == [4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0]


def test_axes_of_values_have_scale_limits_ticks_and_name() -> None:
    axes = Page("A title", HASHES).axes(1, 1, 5, 5)
    value_axis(axes, "x", "dose (EC50)", (1.0, 1000.0), logarithmic=True)
    value_axis(axes, "y", "day", (0.0, 10.0), logarithmic=False)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert (axes.get_xlim(), axes.get_ylim()) == ((1.0, 1000.0), (0.0, 10.0))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("dose (EC50)", "day")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "3", "10", "30", "100", "300", "1000"]
    set_ticks(axes.yaxis)
    assert len(axes.get_yticks()) == 0


def test_limits_have_room_and_stay_finite() -> None:
    assert roomy(0.0, 10.0, logarithmic=False) == (-0.2, 10.2)
    assert roomy(3.0, 3.0, logarithmic=False) == (2.5, 3.5)
    low, high = roomy(1.0, 1e50, logarithmic=True)
    assert math.isclose(low, 0.1)
    assert math.isclose(high, 1e51)
    assert all(map(math.isfinite, (*roomy(-1e308, 1e308, logarithmic=False), *roomy(5e-324, 1e308, logarithmic=True))))


def test_a_log_axis_holds_all_lines_and_is_not_below_its_floor() -> None:
    axes = Page("A title", HASHES).axes(1, 1, 5, 5)
    log_axis(axes, [np.array([1e3, 1e9]), np.array([math.nan, 2.0])])
    low, high = axes.get_ylim()
    assert 0.4 <= low < 2.0
    assert high > 1e9
    assert {"10²", "10⁸"} & {text.get_text() for text in axes.get_yticklabels()}
    log_axis(axes, [np.array([0.5]), np.array([])])
    assert axes.get_ylim()[0] == 0.4
    log_axis(axes, [])
    assert axes.get_yscale() == "log"


@pytest.mark.parametrize("form", IMAGE_FORMATS)
def test_the_same_figure_gives_the_same_bytes_in_every_format(form: str) -> None:
    def drawn() -> bytes:
        page = Page("A title", HASHES)
        axes = page.axes(1, 1, 5, 5)
        axes.plot([0, 1], [0, 1], clip_on=False)
        axes.fill_between([0, 1], [0, 1], hatch="//", facecolor="white")
        return image(page.figure, form)

    assert drawn() == drawn()
    with pytest.raises(UserError, match="did you mean `svg`"):
        image(Page("A title", HASHES).figure, "svq")
