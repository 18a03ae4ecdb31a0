"""Which feedback is to blame: feedback × arm, shares of the whole, and pairs that do more together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backfire.figures.labels import note
from backfire.figures.page import Page, round_places, set_ticks
from backfire.figures.style import FAINT, INK, SOFT, arm_styles, styled
from backfire.formatting import display_name, short
from backfire.solvers import Floats

Interval = tuple[float, float, float]
"""Value, low, high."""
LONGEST: Final = 24
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
    names = [*panels[0].without]
    left, foot, height = 2.5, 1.35, page.top - 2.0
    _dots(page.axes(left, foot, 2.75, height), panels, names, outcome)
    _matrix(page.axes(left + 3.05, foot, min(0.75 * len(panels), 2.6), height), panels, names)
    at = left + 3.05 + min(0.75 * len(panels), 2.6) + 0.35
    wide = 2.6 if len(names) > 1 else 4.5
    _shares(page.axes(at, foot, wide, height), panels, names)
    if 1 < len(names) <= 12:
        side = min(page.width - at - wide - 1.35, height, 1.1 * (len(names) - 1))
        _pairs(page.axes(page.width - side - 0.35, foot + height - side, side, side), panels[0], names)
    styles = arm_styles(panel.arm for panel in panels)
    rows = [
        (Line2D([], [], marker=mark, linestyle="none", color=styles[panel.arm].colour, markersize=7), display_name(panel.arm))
        for panel, mark in zip(panels, itertools.cycle(MARKS))
    ]
    hollow = Line2D([], [], marker="o", linestyle="none", markerfacecolor="white", markeredgecolor=INK, markersize=7)
    page.key(
        [
            *rows,
            (Line2D([], [], marker="o", linestyle="none", color=INK, markersize=7), "all on"),
            (hollow, "this one off, with the interval of the difference"),
        ]
    )
    return page.figure


def _rows(axes: Axes, names: Sequence[str], named: bool) -> None:
    axes.set_ylim(-0.6, len(names) - 0.4)
    places = list(range(len(names)))[::-1]
    if named:
        axes.set_yticks(places, [_short_name(name) for name in names], fontsize=9 if len(names) < 16 else 6.5)
    else:
        set_ticks(axes.yaxis)
    axes.tick_params(axis="y", length=0)
    for place in places[1:]:
        axes.axhline(place + 0.5, color="#eeeeee", linewidth=0.8, zorder=0)


def _short_name(name: str) -> str:
    words = display_name(name).replace(".", ": ")
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _places(count: int, arms: int) -> Floats:
    """(feedbacks, arms): where each dot stands."""
    rows = np.arange(count)[::-1][:, None]
    return np.asarray(rows + np.linspace(0.28, -0.28, arms)[None, :] if arms > 1 else rows + np.zeros((1, 1)))


def _dots(axes: Axes, panels: Sequence[BlamePanel], names: Sequence[str], outcome: str) -> None:
    at, styles = _places(len(names), len(panels)), arm_styles(panel.arm for panel in panels)
    size = max(3.5, 7.0 - len(names) / 6 - len(panels) / 3)
    ends: list[float] = []
    for column, panel in enumerate(panels):
        colour = styles[panel.arm].colour
        for row, name in enumerate(names):
            value, low, high = panel.without[name]
            ends += [value, low, high, panel.on[0]]
            axes.plot([low, high], [at[row, column]] * 2, color=colour, linewidth=1.1, alpha=0.7, zorder=2)
            hollow: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": colour, "markersize": size}
            axes.plot([value], [at[row, column]], MARKS[column % len(MARKS)], zorder=4, **hollow)
            axes.plot([panel.on[0]], [at[row, column]], MARKS[column % len(MARKS)], color=colour, markersize=size, zorder=3)
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


def _matrix(axes: Axes, panels: Sequence[BlamePanel], names: Sequence[str]) -> None:
    """By how much the outcome falls when this feedback is switched off."""
    falls = np.array([[panel.on[0] - panel.without[name][0] for panel in panels] for name in names])
    _heat(axes, falls)
    axes.set_title("falls by", pad=8, fontsize=10)
    axes.set_xticks(range(len(panels)), [display_name(panel.arm) for panel in panels], rotation=35, ha="right", fontsize=8)
    set_ticks(axes.yaxis)


def _heat(axes: Axes, values: Floats, size: float = 8.5) -> None:
    reach = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    axes.imshow(values, cmap=COLOURS, norm=TwoSlopeNorm(0.0, -reach, reach), aspect="auto")
    size = min(size, 60 / max(values.shape))
    for row, column in np.ndindex(values.shape):
        value = float(values[row, column])
        if math.isfinite(value):
            dark = abs(value) > 0.65 * reach
            axes.text(column, row, short(value), ha="center", va="center", fontsize=size, color="white" if dark else INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)


def _shares(axes: Axes, panels: Sequence[BlamePanel], names: Sequence[str]) -> None:
    if not any(panel.shares for panel in panels):
        axes.set_axis_off()
        note(axes, "nothing is shared out: not all subsets were simulated")
        return
    at, styles = _places(len(names), len(panels)), arm_styles(panel.arm for panel in panels)
    height = 0.75 / len(panels)
    ends = [0.0]
    for column, panel in enumerate(panels):
        for row, name in enumerate(names):
            value, low, high = panel.shares[name]
            ends += [value, low, high]
            look: dict[str, Any] = {
                "facecolor": styles[panel.arm].colour,
                "edgecolor": "white",
                "hatch": HATCHES[column % len(HATCHES)],
            }
            axes.barh(at[row, column], value, height=height, linewidth=0, **look)
            axes.plot([low, high], [at[row, column]] * 2, color=INK, linewidth=1.1)
    _rows(axes, names, named=False)
    _reach(axes, ends, "Shapley share")
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_title("carries of the whole", pad=8, fontsize=10)
    for place, panel in enumerate(panels[:3]):
        whole = f"{display_name(panel.arm)}: all on − all off = {short(panel.on[0] - panel.off[0], 3)}"
        axes.annotate(
            whole,
            (0, 0),
            xycoords="axes fraction",
            xytext=(0, -44 - 10 * place),
            textcoords="offset points",
            fontsize=7.5,
            color=SOFT,
        )


def _pairs(axes: Axes, panel: BlamePanel, names: Sequence[str]) -> None:
    values = np.where(np.tril(np.ones(panel.pairs.shape), -1) > 0, panel.pairs, np.nan)[1:, :-1]
    _heat(axes, values)
    labels = [_short_name(name) for name in names]
    axes.set_xticks(range(len(names) - 1), labels[:-1], rotation=35, ha="right", fontsize=8)
    axes.set_yticks(range(len(names) - 1), labels[1:], fontsize=8)
    axes.set_title(f"pairs, {display_name(panel.arm)}: together more (+) or less (−)", pad=8, fontsize=9, loc="right")
    axes.spines["left"].set_color(FAINT)
