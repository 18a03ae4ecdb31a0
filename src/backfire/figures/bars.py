"""Outcomes as bars: the foot of every figure, one small panel an outcome, arms in the same order everywhere."""

from __future__ import annotations

import math
import textwrap
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from backfire.figures.page import DOTS_PER_INCH, set_ticks
from backfire.figures.style import SOFT, arm_styles
from backfire.formatting import display_name
from backfire.outcomes import Declaration, declared, ranked
from backfire.simulation import Result
from backfire.solvers import Floats

WORTHWHILE: Final = 0.1
"""Outcomes in which no treated arm differs from the reference by more than this (|ln ratio|) give way to others."""
OWN: Final = "°"
"""Marks outcomes that are measured against each arm's own burden from its first treatment on."""

CERTAIN: Final = 1e-3
"""Chances so close to 0 or 1 are drawn as no chance."""


def telling(result: Result, most: int) -> list[Declaration]:
    """The outcomes that differ between arms, at most so many, those in which the treated arms differ first."""
    some = [item for item in ranked("bars") if _tells(result, item.name)]
    return sorted(some, key=lambda item: _gain(result, item.name) < WORTHWHILE)[:most]


def bars(figure: Figure, place: SubplotSpec, result: Result, most: int, own: bool = False) -> None:
    """Outcomes as horizontal bars, one small panel each; arms in the same order everywhere, each with a piece of its line.

    ``own`` marks outcomes that are measured against each arm's own burden, which a note then explains.
    """
    chosen = telling(result, most)
    if not chosen:
        return
    cells = place.subgridspec(1, len(chosen), wspace=0.3)
    for column, declaration in enumerate(chosen):
        axes = figure.add_subplot(cells[column])
        _draw(axes, result, declaration, own and declaration.own_clock)
        _name(axes, result, named=column == 0)


def _draw(axes: Axes, result: Result, declaration: Declaration, own: bool) -> None:
    title, styles = declaration.brief or declaration.titled(declaration.name), arm_styles(result.scenario.arms)
    arms = list(result.trajectories)
    found = [result.outcomes[arm].get(declaration.name) for arm in arms]
    measure = declaration.measure(next((item.unit for item in found if item), declaration.unit))
    values = np.array([math.nan if item is None else item.value for item in found])
    shown, limit, base = _bar_lengths(values)
    unit = measure if base is None else f"{measure or 'share'}, log scale from {base:g}"
    rows = np.arange(len(arms))[::-1]
    for row, arm, length, item in zip(rows, arms, shown, found, strict=True):
        dagger = " †" if item and declaration.to_end and result.death(arm) is not None else ""
        censored = item is not None and not item.observed
        fill: dict[str, Any] = {"facecolor": "white", "hatch": "////"} if censored else {"facecolor": styles[arm].colour}
        axes.barh(row, length, height=0.72, edgecolor=styles[arm].colour, linewidth=1.0, **fill)
        axes.text(length + 0.02 * limit, row, f"{item.text}{dagger}" if item else "–", va="center", fontsize=8.5)
    axes.set_xlim(0, limit * 1.32)
    axes.set_ylim(-0.5, len(arms) - 0.5)
    axes.set_title(f"{title}{OWN if own else ''}", fontsize=9.5, pad=14)
    axes.annotate(
        unit, (0, 1), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", fontsize=8, color=SOFT, va="bottom"
    )
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)
    axes.spines["bottom"].set_visible(False)


def _name(axes: Axes, result: Result, named: bool) -> None:
    """Left of every panel a piece of each arm's line, so that arms are told apart in grey, and left of it the name."""
    arms, styles = list(result.trajectories), arm_styles(result.scenario.arms)
    names = ["\n".join(textwrap.wrap(display_name(arm), 20, max_lines=2, placeholder=" …")) for arm in arms]
    rows = range(len(arms))[::-1]
    axes.set_yticks(rows if named else [], names if named else [], linespacing=0.9)
    for label, name in zip(axes.get_yticklabels(), names, strict=False):
        label.set_fontsize(6.2 if "\n" in name else 8.5 if len(name) < 19 else 7.5)
    axes.tick_params(axis="y", length=0, pad=22)
    for row, arm in zip(rows, arms, strict=True):
        points = axes.bbox.width * 72 / DOTS_PER_INCH
        axes.plot(
            [-20 / points, -3 / points], [row, row], transform=axes.get_yaxis_transform(), clip_on=False, **styles[arm].sample()
        )


def _bar_lengths(values: Floats) -> tuple[Floats, float, float | None]:
    """Lengths of bars, the longest, and where a logarithmic scale begins: at one, where values span a factor of 50; or None."""
    finite = np.where(np.isfinite(values), values, 0.0)
    positive = finite[finite > 0]
    logarithmic = len(positive) > 1 and positive.max() / 50 > positive.min() and positive.max() > 1e3
    if logarithmic:
        finite = np.log10(np.maximum(finite, 1.0))
    finite = np.maximum(finite, 0.0)
    return finite, float(finite.max()) or 1.0, 1.0 if logarithmic else None


def _gain(result: Result, name: str) -> float:
    """How far the treated arms lie apart in an outcome: the largest |ln ratio|, 0 for fewer than two.

    Where arms add something to the regimens of the reference, it is they that are set against it.
    """
    scenario = result.scenario
    base = {*scenario.arms[scenario.reference]} if scenario.reference and scenario.reference in result.trajectories else set()
    treated = [arm for arm in result.trajectories if scenario.arms[arm]]
    adding = [arm for arm in treated if base and base < {*scenario.arms[arm]}]
    wanted = [scenario.reference, *adding] if adding else treated
    items = [result.outcomes[arm or ""].get(name) for arm in wanted]
    values = [item.value for item in items if item is not None and math.isfinite(item.value)]
    if len(values) < 2 or min(values) < 0:
        return 0.0
    heights = [math.log(max(value, 1e-12)) for value in values]
    return max(heights) - min(heights)


def _tells(result: Result, name: str) -> bool:
    """True if an outcome exists and differs between arms; a chance too, if it is one and no certainty in some arm."""
    values = [found[name].value for found in result.outcomes.values() if name in found]
    finite = [value for value in values if math.isfinite(value)]
    if declared(name).kind == "chance" and not any(CERTAIN < value < 1 - CERTAIN for value in finite):
        return False
    return len(finite) > 1 and max(finite) > min(finite) * 1.02
