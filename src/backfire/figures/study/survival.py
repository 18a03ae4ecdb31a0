"""Survival curves with bands and numbers at risk, restricted means beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backfire.figures.labels import fitted, label_ends, note
from backfire.figures.page import Page, round_places, set_ticks
from backfire.figures.style import FAINT, INK, SOFT, ArmStyle, arm_styles, styled
from backfire.formatting import display_name, short
from backfire.solvers import Floats

BAND: Final = 0.13


@dataclass(frozen=True, eq=False)
class SurvivalLine:
    """One arm: the steps ``days``, ``survival``, ``low``, ``high`` (k,) of its curve, drawn up to ``last``; ``times`` (n,) of its
    patients and whether they are ``observed`` (n,); its restricted ``mean`` with interval."""

    arm: str
    days: Floats
    survival: Floats
    low: Floats
    high: Floats
    last: float
    times: Floats
    observed: Floats
    mean: tuple[float, float, float]


@styled()
def survival_curves(
    title: str, remarks: Sequence[str], endpoint: str, lines: Sequence[SurvivalLine], horizon: float, hashes: Mapping[str, str]
) -> Figure:
    """Kaplan and Meier's curves (bands 95 %, ticks for censored patients), numbers at risk below, restricted means beside."""
    page = Page(title, hashes)
    for words in remarks:
        page.remark(words)
    styles = arm_styles(line.arm for line in lines)
    row = min(0.2, 1.5 / len(lines))
    foot, left = 1.15 + row * (len(lines) + 1), 2.35
    width, height = 6.9, page.top - foot - 0.5
    end = max(1.0, horizon, *(line.last for line in lines))
    axes = page.axes(left, foot, width, height)
    axes.set_title(f"free of {endpoint}" if endpoint != "death" else "alive", pad=8)
    axes.set(xlim=(0, end), ylim=(0, 1.02), ylabel="share of patients")
    set_ticks(axes.xaxis, round_places(0, end, 9))
    set_ticks(axes.yaxis, [0, 0.25, 0.5, 0.75, 1.0], lambda tick: f"{100 * tick:.0f} %")
    axes.grid(axis="y")
    for line in lines:
        _draw(axes, line, styles[line.arm])
    ends = [(float(line.survival[-1]) / 1.02, display_name(line.arm), styles[line.arm].colour) for line in lines]
    label_ends(axes, ends, samples={display_name(line.arm): styles[line.arm] for line in lines})
    if not any(line.observed.any() for line in lines):
        axes.text(0.5, 0.5, "no event in any arm", transform=axes.transAxes, ha="center", fontsize=14, color=SOFT)
    _at_risk(page, lines, styles, (left, foot, width), row, end)
    _means(page, lines, styles, horizon, (11.9, foot, 1.75, height))
    return page.figure


def _draw(axes: Axes, line: SurvivalLine, style: ArmStyle) -> None:
    days = np.append(line.days, line.last)
    steps = [np.append(column, column[-1]) for column in (line.survival, line.low, line.high)]
    axes.fill_between(days, steps[1], steps[2], step="post", color=style.colour, alpha=BAND, linewidth=0, zorder=1)
    axes.step(days, steps[0], where="post", **style.line())
    censored = np.unique(line.times[line.observed < 0.5])
    at = line.survival[np.searchsorted(line.days, censored, side="right") - 1]
    axes.plot(censored, at, "|", color=style.colour, markersize=5, markeredgewidth=0.8, zorder=style.order)


def _at_risk(
    page: Page,
    lines: Sequence[SurvivalLine],
    styles: Mapping[str, ArmStyle],
    at: tuple[float, float, float],
    row: float,
    end: float,
) -> None:
    """How many are still followed just before each tick."""
    left, foot, width = at
    top = foot - 0.62
    page.text(left + width, foot - 0.42, "days after time zero", fontsize=10, ha="right", va="center")
    page.text(left, foot - 0.42, "at risk", fontsize=9, color=SOFT, ha="left", va="center")
    size = min(9.0, 45 * row)
    for place, line in enumerate(lines):
        height = top - row * place
        name, letters = fitted(display_name(line.arm), left - 0.6, size)
        page.text(left - 0.45, height, name, fontsize=letters, color=styles[line.arm].colour, ha="right", va="center")
        for tick in round_places(0, end, 9):
            count = int((line.times >= tick).sum())
            page.text(left + width * tick / end, height, str(count), fontsize=size, color=INK, ha="center", va="center")


def _means(
    page: Page,
    lines: Sequence[SurvivalLine],
    styles: Mapping[str, ArmStyle],
    horizon: float,
    at: tuple[float, float, float, float],
) -> None:
    axes = page.axes(*at)
    axes.set_title(f"mean up to day {short(horizon, 3)}", pad=8, fontsize=10)
    ends = [value for line in lines for value in line.mean if math.isfinite(value)]
    if not ends:
        set_ticks(axes.xaxis)
        set_ticks(axes.yaxis)
        note(axes, "no mean").set_fontsize(9)
        return
    rows = np.arange(len(lines))[::-1]
    for place, line in zip(rows, lines, strict=True):
        mean, low, high = line.mean
        axes.plot([low, high], [place, place], color=styles[line.arm].colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([mean], [place], "o", color=styles[line.arm].colour, markersize=7, markeredgecolor="white")
        axes.text(mean, place + 0.18, short(mean, 3), ha="center", va="bottom", fontsize=9, color=styles[line.arm].colour)
    room = 0.12 * (max(ends) - min(ends)) or 1.0
    axes.set(xlim=(min(ends) - room, max(ends) + room), ylim=(-0.6, len(lines) - 0.3), xlabel="days")
    set_ticks(axes.xaxis, round_places(*axes.get_xlim(), 4))
    set_ticks(axes.yaxis)
    axes.spines["left"].set_color(FAINT)
    axes.grid(axis="x")
