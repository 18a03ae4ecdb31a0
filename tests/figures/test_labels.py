"""Writing inside axes: beside what it names, and never over anything else."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from backfire.figures.labels import CLEAR, LONGEST, beside, contour_spot, height_of, label_ends, name_points, note


@pytest.fixture
def axes() -> Axes:
    return Figure(figsize=(6, 4), dpi=100).add_subplot()


def test_labels_at_line_ends_never_overlap() -> None:
    figure = Figure()
    axes: Axes = figure.add_subplot()
    label_ends(axes, [(0.5, f"arm {index}", "#000000") for index in range(8)] + [(0.99, "top", "#000000")], gap=0.06)
    heights = sorted(text.xy[1] for text in axes.texts)  # type: ignore[attr-defined]
    assert min(np.diff(heights)) > 0.0599
    assert heights[-1] <= 1.0 + 1e-9


def test_long_names_at_line_ends_are_broken_into_smaller_lines(axes: Axes) -> None:
    label_ends(axes, [(0.2, "an antibody against WNT16B", "#000000"), (0.8, "chemo", "#000000")], size=10)
    assert max(len(line) for text in axes.texts for line in text.get_text().splitlines()) <= LONGEST
    assert {text.get_fontsize() for text in axes.texts} == {8.5}
    label_ends(axes, [])


def test_heights_are_shares_of_the_axes_on_any_scale(axes: Axes) -> None:
    axes.set_ylim(0, 10)
    assert height_of(axes, [1.0, 4.0, math.nan]) == pytest.approx(0.4)
    assert height_of(axes, np.array([math.nan, math.inf])) == height_of(axes, []) == 0.0
    axes.set_yscale("log")
    axes.set_ylim(1, 1e4)
    assert height_of(axes, [100.0]) == pytest.approx(0.5)


def test_a_label_beside_a_mark_stays_inside_the_axes(axes: Axes) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    canvas = FigureCanvasAgg(axes.figure)  # type: ignore[arg-type]
    for x, y in itertools.product((0.02, 0.5, 0.98), (0.02, 0.5, 0.98)):
        box = beside(axes, x, y, "lowest 12", "#000000").get_window_extent(canvas.get_renderer())
        mark = axes.transData.transform((x, y))
        assert not box.contains(*mark)
        assert axes.bbox.x0 <= box.x0 <= box.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= box.y0 <= box.y1 <= axes.bbox.y1


def test_a_note_stands_in_place_of_a_drawing(axes: Axes) -> None:
    assert note(axes, "no member has a value").get_position() == (0.5, 0.5)


def named(axes: Axes, points: list[tuple[float, float]], names: list[str]) -> list[str]:
    """The names written; checks that none is over another, over a point or outside the axes."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    left_out = name_points(axes, points, names)
    renderer = FigureCanvasAgg(axes.figure).get_renderer()  # type: ignore[arg-type]
    for text in axes.texts:
        text.update_positions(renderer)  # type: ignore[attr-defined]
    boxes = [Text.get_window_extent(text, renderer) for text in axes.texts]  # without the line to the point
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert not any(box.contains(*axes.transData.transform(point)) for box in boxes for point in points)
    assert all(box.x1 < axes.bbox.x1 + 31 and axes.bbox.x0 < box.x0 and box.y1 < axes.bbox.y1 for box in boxes)
    written = [name for text in axes.texts for name in " ".join(text.get_text().split()).split(", ")]
    assert sorted([*written, *left_out]) == sorted(set(names))
    return written


def test_points_are_named_once_in_order_and_apart(axes: Axes) -> None:
    points = [(0.5, 0.5), (0.5, 0.5), (0.3, 0.4), (0.8, 0.9), (0.1, 0.1)]
    found = named(axes, points, ["growth rate", "growth rate", "kill rate", "dose", "clearance"])
    assert found == ["growth rate", "kill rate", "dose", "clearance"]


@pytest.mark.parametrize("count", [7, 20])
def test_every_one_of_many_points_at_the_origin_has_its_name(axes: Axes, count: int) -> None:
    names = [f"some rate of the drug {index}" for index in range(count)]
    assert named(axes, [(0.0, 0.0)] * count, names) == names
    assert (
        named(Figure(figsize=(6, 4), dpi=100).add_subplot(), [(0.003 * place, 0.002 * place) for place in range(count)], names)
        == names
    )


def test_names_without_room_are_told(axes: Axes) -> None:
    assert len(named(axes, [(0.0, 0.0)] * 400, [f"some rate of the drug {index}" for index in range(400)])) < 400


def test_a_contour_is_labelled_in_the_middle_of_its_longest_piece_away_from_marks(axes: Axes) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    along = np.linspace(0.1, 0.9, 81)
    pieces = [np.column_stack([along, np.full(81, 0.5)]), np.array([[0.1, 0.1], [0.12, 0.1]]), np.empty((0, 2))]
    taken: list[tuple[float, float]] = []
    assert contour_spot(axes, pieces, taken) == pytest.approx((0.5, 0.5))
    assert len(taken) == 1
    second = contour_spot(axes, pieces, taken)
    assert second is not None
    apart = axes.transData.transform(second) - axes.transData.transform((0.5, 0.5))
    assert abs(apart[0]) / 2 > CLEAR
    assert contour_spot(axes, pieces[1:], taken) is None
    assert contour_spot(axes, [], taken) is None
