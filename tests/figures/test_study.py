"""Figures of studies: they say what they are handed, with long names, seven arms, and nothing that happened."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from backfire.figures import png
from backfire.figures.study import (
    BlamePanel,
    ProgressionPanel,
    RankingPanel,
    SurvivalLine,
    TwinPanel,
    blame,
    progression_plots,
    ranking,
    response_plots,
    survival_curves,
    twin_gains,
)
from made_up_sweeps import texts

ARMS = [
    "untreated", "monotherapy", "blockade", "combination", "chemotherapy_then_delayed_blockade_of_wnt16b",
    "metronomic_low_dose_of_mitoxantrone", "seventh",
]  # fmt: skip
HASHES = {"made-up": "0123456789ab"}


def inside(figure: Figure) -> bool:
    """True if no writing leaves the page, titles, keys and names of rows and columns do not meet, and no panel is empty."""
    png(figure)
    width, height = figure.bbox.width, figure.bbox.height
    heads = [axes._left_title for axes in figure.axes] + [axes._right_title for axes in figure.axes]  # type: ignore[attr-defined]
    heads += [axis.label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    heads += [text for axes in figure.axes for text in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    heads += [text for axes in figure.axes for text in axes.texts if "inputs of less" in text.get_text()]
    heads += [text for legend in figure.legends for text in legend.get_texts()]
    writing = [text for axes in figure.axes for text in axes.texts] + list(figure.texts) + heads
    boxes = [text.get_window_extent() for text in writing if text.get_text()]
    assert all(axes.has_data() or axes.texts for axes in figure.axes), "an empty panel"
    for one, other in itertools.combinations([text for text in heads if text.get_text()], 2):
        assert not meet(one.get_window_extent(), other.get_window_extent()), (one.get_text(), other.get_text())
    return all(box.x0 > -2 and box.x1 < width + 2 and box.y0 > -2 and box.y1 < height + 2 for box in boxes if box.width)


def meet(one: Bbox, other: Bbox) -> bool:
    return one.x0 < other.x1 - 1 and other.x0 < one.x1 - 1 and one.y0 < other.y1 - 1 and other.y0 < one.y1 - 1


def line(arm: str, events: bool = True) -> SurvivalLine:
    days = np.array([0.0, 10, 20, 30]) if events else np.array([0.0])
    survival = np.array([1.0, 0.8, 0.5, 0.2])[: len(days)]
    times, observed = np.linspace(1, 40, 25), np.arange(25) % 2 * float(events)
    return SurvivalLine(
        arm, days, survival, 0.9 * survival, np.minimum(1.1 * survival, 1), 40, times, observed, (20.0, 18.0, 22.0)
    )


@pytest.mark.parametrize("count", [1, 7])
def test_survival_curves_name_every_arm_and_count_who_is_left(count: int) -> None:
    figure = survival_curves("A title", ["a remark"], "progression", [line(arm) for arm in ARMS[:count]], 35, HASHES)
    shown = texts(figure)
    assert sum("monotherapy" in text for text in shown) == (2 if count > 1 else 0)
    assert shown.count("25") >= count, "all of 25 at the start"
    assert any("illustrative" in text for text in shown)
    assert inside(figure)


def test_no_event_is_said() -> None:
    figure = survival_curves("A title", [], "death", [line("untreated", events=False)], 35, HASHES)
    assert "no event in any arm" in texts(figure)
    assert inside(figure)


def test_what_comes_to_everybody_at_once_is_seen_within_the_follow_up() -> None:
    """The fall to nothing stands inside the panel, not on its border."""
    days, nobody = np.array([0.0, 20]), np.array([1.0, 0.0])
    lines = [
        SurvivalLine(arm, days, nobody, nobody, np.ones(2), 20, np.full(25, 20.0), np.ones(25), (20.0, 20.0, 20.0))
        for arm in ARMS[:4]
    ]
    figure = survival_curves("A title", [], "progression", lines, 35, HASHES)
    assert figure.axes[0].get_xlim() == (0, 35)
    assert inside(figure)


@pytest.mark.parametrize("count", [1, 5, 6])
def test_gains_and_power(count: int) -> None:
    gains = np.linspace(-20, 60, 50)
    panels = [TwinPanel(arm, gains, 1.0, ["mean 20", "harmed 24 %"], [5, 10, 20], [0.2, 0.5, 0.9]) for arm in ARMS[1 : 1 + count]]
    figure = twin_gains("A title", ["a remark"], "progression", "untreated", panels, 90, HASHES)
    assert sum("harmed 24 %" in text for text in texts(figure)) == count
    assert inside(figure)
    nobody = [TwinPanel("combination", np.zeros(5), 1.0, ["mean 0"])]
    figure = twin_gains("A title", [], "progression", "untreated", nobody, 90, HASHES)
    assert any("nobody gains or loses" in text for text in texts(figure))
    assert inside(figure)


@pytest.mark.parametrize("count", [1, 7])
def test_responses_of_all_arms(count: int) -> None:
    generator = np.random.default_rng(1)
    best = generator.uniform(-1, 1.5, (30, count))
    best[0, 0] = math.nan
    kinds = np.where(best < -0.3, "PR", "SD")
    changes = generator.uniform(-1, 2, (30, count, 6))
    progression = np.where(best > 0.2, 20.0, np.inf)
    figure = response_plots(
        "A title",
        ["a remark"],
        ARMS[:count],
        best,
        kinds,
        np.arange(0, 60, 10.0),
        changes,
        progression,
        np.full((30, count), 45.0),
        HASHES,
    )
    assert "progression" in texts(figure)
    assert inside(figure)


@pytest.mark.parametrize("count", [1, 4, 7])
def test_two_readings_of_progression_stand_beside_each_other(count: int) -> None:
    own = np.array([0.0, 3, 5, 9]), np.array([1.0, 0.6, 0.2, 0.0])
    visits, confirmed = np.array([0.0, 14, 21]), np.array([0.0, 21, 35])
    said = ["at visits: 14 days later (12 to 17)", "confirmed: 27 days later (19 to not seen)", "not confirmed: 12 % (9 to 15)"]
    shares = np.array([1.0, 0.7, 0.3])
    panels = [ProgressionPanel(arm, own, (visits, shares), (confirmed, shares), 60, said) for arm in ARMS[:count]]
    named = {"own": "the model's own, on its day (nadir × 1.2, in cells)", "visits": "at visits", "confirmed": "confirmed"}
    figure = progression_plots("A title", ["a remark"], panels, 60, named, HASHES)
    shown = texts(figure)
    assert shown.count(said[1]) == count
    assert all(words in shown for words in (*named.values(), "delay", "free of progression", "days after time zero"))
    assert inside(figure)
    axes = figure.axes[0]
    assert [line.get_linewidth() for line in axes.lines] == [1.6, 1.3, 2.6], "told apart in grey"
    (area,) = axes.collections
    assert area.get_paths()[0].get_extents().y0 == 0.0
    nobody = np.array([0.0]), np.array([1.0])
    figure = progression_plots(
        "A title", [], [ProgressionPanel("untreated", nobody, nobody, nobody, 60, ["-"])], 60, named, HASHES
    )
    assert inside(figure)


@pytest.mark.parametrize(("arms", "feedbacks", "shared"), [(1, 1, True), (2, 3, True), (7, 8, True), (2, 22, False)])
def test_blame_of_few_and_many(arms: int, feedbacks: int, shared: bool) -> None:
    names = [f"feedback {place} with a long name" for place in range(feedbacks)]
    whole = {name: (0.1 * place, 0.0, 0.2 * place) for place, name in enumerate(names)}
    pairs = np.add.outer(np.arange(feedbacks), np.arange(feedbacks)) / 10
    panels = [BlamePanel(arm, (5.0, 4.5, 5.5), (1.0, 0.5, 1.5), whole, whole if shared else {}, pairs) for arm in ARMS[:arms]]
    figure = blame("A title", ["a remark"], "final burden (log10 cells)", panels, HASHES)
    assert any("nothing is shared" in text for text in texts(figure)) is not shared
    assert inside(figure)


@pytest.mark.parametrize("count", [1, 7])
def test_rankings_count_what_they_leave_out(count: int) -> None:
    rows = {f"input_{place}_with_quite_a_long_name": ((1 / (place + 1), 0.0, 1.2), (0.1, -0.1, 0.2)) for place in range(30)}
    panels = [RankingPanel(arm, "final burden (log10 cells)", ("total", "first order"), rows, 0.1) for arm in ARMS[:count]]
    figure = ranking("A title", ["a remark"], panels, HASHES)
    assert any("inputs of less" in text for text in texts(figure))
    assert inside(figure)
