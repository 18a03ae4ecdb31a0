"""Outcomes as bars: the foot of every figure, one small panel an outcome, arms in the same order everywhere."""

from __future__ import annotations

import math
import textwrap
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from backfire.figures.page import set_ticks
from backfire.figures.style import arm_styles
from backfire.formatting import display_name
from backfire.outcomes import declared, ranked
from backfire.simulation import Result
from backfire.solvers import Floats

WORTHWHILE: Final = 0.1
"""Outcomes that the combination changes by less than this (|ln ratio|) give way to others."""

CERTAIN: Final = 1e-3
"""Chances so close to 0 or 1 are drawn as no chance."""


def bars(figure: Figure, place: SubplotSpec, result: Result, most: int) -> None:
    """Outcomes as horizontal bars, one small panel each; arms in the same order everywhere."""
    telling = [item for item in ranked("bars") if _tells(result, item.name)]
    chosen = sorted(telling, key=lambda item: _gain(result, item.name) < WORTHWHILE)[:most]
    if not chosen:
        return
    cells = place.subgridspec(1, len(chosen), wspace=0.3)
    styles = arm_styles(result.scenario.arms)
    arms = list(result.trajectories)
    for column, declaration in enumerate(chosen):
        axes, title = figure.add_subplot(cells[column]), declaration.brief or declaration.titled(declaration.name)
        found = [result.outcomes[arm].get(declaration.name) for arm in arms]
        measure = declaration.measure(next((item.unit for item in found if item), declaration.unit))
        values = np.array([math.nan if item is None else item.value for item in found])
        shown, limit, logarithmic = _bar_lengths(values)
        unit = f"{measure}, log" if logarithmic else measure
        rows = np.arange(len(arms))[::-1]
        for row, arm, length, item in zip(rows, arms, shown, found, strict=True):
            dagger = " †" if item and declaration.to_end and result.death(arm) is not None else ""
            censored = item is not None and not item.observed
            fill: dict[str, Any] = {"facecolor": "white", "hatch": "////"} if censored else {"facecolor": styles[arm].colour}
            axes.barh(row, length, height=0.72, edgecolor=styles[arm].colour, linewidth=1.0, **fill)
            axes.text(length + 0.02 * limit, row, f"{item.text}{dagger}" if item else "–", va="center", fontsize=8.5)
        axes.set_xlim(0, limit * 1.32)
        axes.set_title(f"{title} ({unit})" if unit else title, fontsize=9.5)
        set_ticks(axes.xaxis)
        set_ticks(axes.yaxis)
        if column == 0:
            names = [textwrap.fill(display_name(arm), 18) for arm in arms]
            axes.set_yticks(rows, names, fontsize=8.5 if max(map(len, names)) < 19 else 7, linespacing=0.95)
            axes.tick_params(axis="y", length=0)
        axes.spines["bottom"].set_visible(False)


def _bar_lengths(values: Floats) -> tuple[Floats, float, bool]:
    """Lengths of bars, the longest, and whether they are logarithmic: from one cell, where values span a factor of 50."""
    finite = np.where(np.isfinite(values), values, 0.0)
    positive = finite[finite > 0]
    logarithmic = len(positive) > 1 and positive.max() / 50 > positive.min() and positive.max() > 1e3
    if logarithmic:
        finite = np.log10(np.maximum(finite, 1.0))
    finite = np.maximum(finite, 0.0)
    return finite, float(finite.max()) or 1.0, bool(logarithmic)


def _gain(result: Result, name: str) -> float:
    """How far combination and reference lie apart in an outcome: |ln ratio|, or 0 without both."""
    pair = [result.outcomes.get(arm or "", {}).get(name) for arm in ("combination", result.scenario.reference)]
    values = [item.value for item in pair if item is not None and math.isfinite(item.value)]
    if len(values) < 2 or min(values) < 0:
        return 0.0
    return abs(math.log(max(values[0], 1e-12)) - math.log(max(values[1], 1e-12)))


def _tells(result: Result, name: str) -> bool:
    """True if an outcome exists and differs between arms; a chance too, if it is one and no certainty in some arm."""
    values = [found[name].value for found in result.outcomes.values() if name in found]
    finite = [value for value in values if math.isfinite(value)]
    if declared(name).kind == "chance" and not any(CERTAIN < value < 1 - CERTAIN for value in finite):
        return False
    return len(finite) > 1 and max(finite) > min(finite) * 1.02
