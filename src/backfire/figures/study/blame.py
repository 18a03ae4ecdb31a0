"""Which feedback is to blame: feedback × arm, shares of the whole, and pairs that do more together."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backfire.figures.labels import LETTER, fitted
from backfire.figures.page import DOTS_PER_INCH, Page, round_places, set_ticks
from backfire.figures.style import INK, SOFT, arm_styles, styled
from backfire.formatting import display_name, short
from backfire.solvers import Floats

Interval = tuple[float, float, float]
"""Value, low, high."""
FEW: Final = 3
"""Arms whose shares are bars; of more they are marks."""
LABELS: Final = 1.75
"""Inches left of the matrix of pairs for the names of its rows."""
NOTHING: Final = 1e-3
"""Of the largest number; what is smaller is written as 0."""
SMALLEST: Final = 5.0
"""A number is not written smaller."""
MARKS: Final = ("o", "s", "D", "^", "v", "P", "X")
HATCHES: Final = ("", "///", "...", "xx", "\\\\\\", "||", "++")
"""Arms are told apart in grey by their marks and hatches."""
COLOURS: Final = "PuOr_r"
"""Two colours that differ in grey too, by the numbers written in them."""


@dataclass(frozen=True, eq=False)
class BlamePanel:
    """One arm: the outcome with all feedbacks ``on``, ``off``, and ``without`` each, its ``shares`` of the whole, and ``pairs``
    (n, n) of interactions; shares are empty where not all subsets were simulated."""

    arm: str
    on: Interval
    off: Interval
    without: Mapping[str, Interval]
    shares: Mapping[str, Interval]
    pairs: Floats


@styled()
def blame(title: str, remarks: Sequence[str], outcome: str, panels: Sequence[BlamePanel], hashes: Mapping[str, str]) -> Figure:
    """Paired dots of switching one off, the matrix feedback × arm, shares with intervals, and interactions of the first arm."""
    page = Page(title, hashes)
    for words in remarks:
        page.remark(words)
    names, marks = [*panels[0].without], _marks(panels)
    shared = any(panel.shares for panel in panels)
    left, foot, height = 2.5, 1.3, page.top - 1.95
    wide, matrix = (2.6 if shared else 6.0), min(0.75 * len(panels), 2.2)
    _dots(page.axes(left, foot, wide, height), panels, names, outcome, marks)
    at = left + wide + 0.3
    _matrix(page.axes(at, foot, matrix, height), panels, names, marks)
    at += matrix + 0.35
    if shared:
        wide = 2.4 if len(names) > 1 else 4.5
        _shares(page.axes(at, foot, wide, height), panels, names, marks)
        at += wide + LABELS
    else:
        page.text(left, 0.62, "nothing is shared out: not all subsets were simulated", fontsize=9.5, color=SOFT)
    if 1 < len(names) <= 12:
        side = min(page.width - at - 0.35, height, 1.1 * (len(names) - 1))
        place = page.width - side - 0.35, foot + height - side, side
        _pairs(page, panels[0], names, place, _reach_of(panels, names))
    page.key(_key(panels, marks))
    return page.figure


@dataclass(frozen=True)
class _Mark:
    """How an arm is told from others in grey too."""

    shape: str
    hatch: str
    colour: str


def _marks(panels: Sequence[BlamePanel]) -> dict[str, _Mark]:
    styles = arm_styles(panel.arm for panel in panels)
    looks = zip(panels, itertools.cycle(MARKS), itertools.cycle(HATCHES))
    return {panel.arm: _Mark(shape, hatch, styles[panel.arm].colour) for panel, shape, hatch in looks}


def _key(panels: Sequence[BlamePanel], marks: Mapping[str, _Mark]) -> list[tuple[Line2D, str]]:
    """The arms, with all on less all off where they are few, and what is full and hollow."""

    def row(words: str, shape: str = "o", colour: str = INK, **look: Any) -> tuple[Line2D, str]:
        return Line2D([], [], marker=shape, linestyle="none", color=colour, markersize=7, **look), words

    rows = []
    for panel in panels:
        whole = f": all on − all off = {short(panel.on[0] - panel.off[0], 3)}" if len(panels) <= FEW else ""
        rows.append(row(f"{display_name(panel.arm)}{whole}", marks[panel.arm].shape, marks[panel.arm].colour))
    hollow = row("this one off, with the interval of the difference", markerfacecolor="white", markeredgecolor=INK)
    return [*rows, row("all on"), hollow]


def _rows(axes: Axes, names: Sequence[str], named: bool) -> None:
    axes.set_ylim(-0.6, len(names) - 0.4)
    places = list(range(len(names)))[::-1]
    if named:
        labels = [fitted(_words(name), 2.3, 9, lines=2 if len(names) < 12 else 1) for name in names]
        axes.set_yticks(places, [label for label, _ in labels], fontsize=min(size for _, size in labels))
    else:
        set_ticks(axes.yaxis)
    axes.tick_params(axis="y", length=0)
    for place in places[1:]:
        axes.axhline(place + 0.5, color="#eeeeee", linewidth=0.8, zorder=0)


def _words(name: str) -> str:
    return display_name(name).replace(".", ": ")


def _places(count: int, arms: int) -> Floats:
    """(feedbacks, arms): where each dot stands."""
    rows = np.arange(count)[::-1][:, None]
    return np.asarray(rows + np.linspace(0.28, -0.28, arms)[None, :] if arms > 1 else rows + np.zeros((1, 1)))


def _dots(axes: Axes, panels: Sequence[BlamePanel], names: Sequence[str], outcome: str, marks: Mapping[str, _Mark]) -> None:
    at = _places(len(names), len(panels))
    size = max(3.5, 7.0 - len(names) / 6 - len(panels) / 3)
    ends: list[float] = []
    for column, panel in enumerate(panels):
        mark = marks[panel.arm]
        for row, name in enumerate(names):
            value, low, high = panel.without[name]
            ends += [value, low, high, panel.on[0]]
            axes.plot([low, high], [at[row, column]] * 2, color=mark.colour, linewidth=1.1, alpha=0.7, zorder=2)
            hollow: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": mark.colour, "markersize": size}
            axes.plot([value], [at[row, column]], mark.shape, zorder=4, **hollow)
            axes.plot([panel.on[0]], [at[row, column]], mark.shape, color=mark.colour, markersize=size, zorder=3)
    _rows(axes, names, named=True)
    _reach(axes, ends, outcome)
    axes.set_title("switching one off", pad=8, fontsize=10)


def _reach(axes: Axes, ends: Sequence[float], label: str) -> None:
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.5
    axes.set(xlim=(low - room, high + room), xlabel=label)
    set_ticks(axes.xaxis, round_places(*axes.get_xlim(), 5))
    axes.xaxis.label.set_fontsize(9)
    axes.grid(axis="x")


def _matrix(axes: Axes, panels: Sequence[BlamePanel], names: Sequence[str], marks: Mapping[str, _Mark]) -> None:
    """By how much the outcome falls when this feedback is switched off; the marks of the arms stand below."""
    _heat(axes, _falls(panels, names), _reach_of(panels, names))
    axes.set_title("falls by", pad=8, fontsize=10)
    for place, panel in enumerate(panels):
        mark = marks[panel.arm]
        below: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False, "markersize": 6.5}
        axes.plot([place], [-12 / axes.get_window_extent().height], mark.shape, color=mark.colour, **below)
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)


def _falls(panels: Sequence[BlamePanel], names: Sequence[str]) -> Floats:
    return np.array([[panel.on[0] - panel.without[name][0] for panel in panels] for name in names])


def _reach_of(panels: Sequence[BlamePanel], names: Sequence[str]) -> float:
    """The largest number that is coloured: both matrices have one scale."""
    coloured = [_falls(panels, names), panels[0].pairs if len(names) > 1 else np.zeros(1)]
    return max(float(np.nanmax(np.abs(part), initial=0.0)) for part in coloured) or 1.0


def _heat(axes: Axes, values: Floats, reach: float) -> None:
    """Coloured cells with their numbers, where these have room."""
    axes.imshow(values, cmap=COLOURS, norm=TwoSlopeNorm(0.0, -reach, reach), aspect="auto")
    box, points = axes.get_window_extent(), 72 / DOTS_PER_INCH
    words = {
        at: short(float(values[at]), 2) if abs(values[at]) > NOTHING * reach else "0"
        for at in np.ndindex(values.shape)
        if math.isfinite(values[at])
    }
    longest = max((len(text) for text in words.values()), default=1)
    size = min(8.5, 0.6 * points * box.height / values.shape[0], points * box.width / values.shape[1] / (LETTER * longest))
    for (row, column), text in words.items() if size >= SMALLEST else ():
        dark = abs(values[row, column]) > 0.65 * reach
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color="white" if dark else INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)


def _shares(axes: Axes, panels: Sequence[BlamePanel], names: Sequence[str], marks: Mapping[str, _Mark]) -> None:
    """Bars of few arms, marks of many."""
    at = _places(len(names), len(panels))
    ends = [0.0]
    for column, panel in enumerate(panels):
        mark = marks[panel.arm]
        for row, name in enumerate(names):
            value, low, high = panel.shares[name]
            ends += [value, low, high]
            many = len(panels) > FEW
            axes.plot([low, high], [at[row, column]] * 2, color=mark.colour if many else INK, linewidth=1.1, zorder=3)
            if many:
                axes.plot([value], [at[row, column]], mark.shape, color=mark.colour, markersize=4.5, zorder=4)
                continue
            look: dict[str, Any] = {"facecolor": mark.colour, "edgecolor": "white", "hatch": mark.hatch, "linewidth": 0}
            axes.barh(at[row, column], value, height=min(0.75 / len(panels), 0.5), **look)
    _rows(axes, names, named=False)
    _reach(axes, ends, "Shapley share")
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_title("carries of the whole", pad=8, fontsize=10)


def _pairs(page: Page, panel: BlamePanel, names: Sequence[str], at: tuple[float, float, float], reach: float) -> None:
    """The lower half of the matrix of pairs; in words the strongest."""
    left, foot, side = at
    axes = page.axes(left, foot, side, side)
    values = np.where(np.tril(np.ones(panel.pairs.shape), -1) > 0, panel.pairs, np.nan)[1:, :-1]
    _heat(axes, values, reach)
    cell = side / len(values)
    labels = [fitted(_words(name), LABELS - 0.45, 8, lines=2 if cell > 0.3 else 1) for name in names]
    size = min(letters for _, letters in labels)
    axes.set_yticks(range(len(names) - 1), [label for label, _ in labels[1:]], fontsize=size)
    axes.set_xticks(range(len(names) - 1), [label for label, _ in labels[:-1]], fontsize=size, rotation=90 if cell < 0.9 else 0)
    title, letters = fitted(f"pairs, {display_name(panel.arm)}", side + LABELS - 0.45, 10)
    axes.set_title(title, pad=8, fontsize=letters, loc="right")
    one, other = (int(place) for place in np.unravel_index(np.nanargmax(np.abs(values)), values.shape))
    pair = f"{_words(names[one + 1])} and {_words(names[other])}"
    words = f"above 0: more together than apart; most {pair}, {values[one, other]:+.2g}"
    place = (left + side, foot - (0.3 if cell >= 0.9 else LABELS - 0.4) - 0.1)
    page.text(*place, "\n".join(textwrap.wrap(words, 44)), fontsize=8, color=SOFT, ha="right", va="top")
