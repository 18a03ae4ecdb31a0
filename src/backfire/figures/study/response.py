"""How tumours shrink and come back under each arm: waterfall, spider and swimmer plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from backfire.figures.labels import fitted, note
from backfire.figures.page import DOTS_PER_INCH, Page, round_places, set_ticks
from backfire.figures.style import FAINT, INK, ArmStyle, arm_styles, styled
from backfire.formatting import display_name
from backfire.solvers import Floats

MOST_LINES: Final = 60
HIGHEST: Final = 1.0
"""A change beyond +100 % is drawn there."""
_HATCH: Final = {"CR": "", "PR": "", "SD": "////", "PD": "xxxx", "NE": "...."}


@styled()
def response_plots(
    title: str, remarks: Sequence[str], arms: Sequence[str], best: Floats, kinds: NDArray[np.str_], days: Floats, changes: Floats,
    progression: Floats, followed: Floats, hashes: Mapping[str, str],
) -> Figure:  # fmt: skip
    """An arm a column: ``best`` change (n, arms) sorted (waterfall), ``changes`` (n, arms, k) over ``days`` (k,) (spider), and
    how long each patient is ``followed`` (n, arms) and when ``progression`` (n, arms) is seen (swimmer; infinite: not seen)."""
    page = Page(title, hashes)
    for words in remarks:
        page.remark(words)
    styles = arm_styles(arms)
    chosen = np.unique(np.linspace(0, len(best) - 1, min(len(best), MOST_LINES)).astype(int))
    sheet = list(page.panels(len(arms), 3, margins=(1.1, 0.35, 1.05, 0.5), gap=(0.22, 0.55)))
    for place, arm in enumerate(arms):
        columns = sheet[place], sheet[len(arms) + place], sheet[2 * len(arms) + place]
        first = place == 0
        name, size = fitted(display_name(arm), columns[0].get_window_extent().width / DOTS_PER_INCH, 11, lines=2)
        columns[0].set_title(name, color=styles[arm].colour, fontsize=size, pad=8)
        if not np.isfinite(best[:, place]).any():
            _nothing(columns)
            continue
        _waterfall(columns[0], best[:, place], kinds[:, place], styles[arm], first)
        _spider(columns[1], days, changes[chosen, place], progression[chosen, place], styles[arm], first)
        _swimmer(columns[2], progression[chosen, place], followed[chosen, place], float(days[-1]), styles[arm], first)
    rows = [
        (Patch(facecolor=FAINT, edgecolor=FAINT), "response (CR, PR)"),
        (Patch(facecolor="white", edgecolor=FAINT, hatch="////"), "stable"),
        (Patch(facecolor="white", edgecolor=FAINT, hatch="xxxx"), "progression at the first visit"),
        (Line2D([], [], marker="X", linestyle="none", color=INK, markersize=6), "progression"),
        (Line2D([], [], marker=">", linestyle="none", color=INK, markersize=5), "still followed"),
    ]
    page.key(rows)
    return page.figure


def _nothing(columns: Sequence[Axes]) -> None:
    """No patient of the arm has a primary to measure after the first visit."""
    for axes in columns:
        set_ticks(axes.xaxis)
        set_ticks(axes.yaxis)
        note(axes, "no primary to measure").set_fontsize(8)


def _waterfall(axes: Axes, best: Floats, kinds: NDArray[np.str_], style: ArmStyle, first: bool) -> None:
    seen = np.flatnonzero(np.isfinite(best))
    order = seen[np.argsort(-best[seen])]
    at = (np.arange(len(order)) + 0.5) / max(len(order), 1)
    heights = np.minimum(best[order], HIGHEST)
    for kind, hatch in _HATCH.items():
        own = kinds[order] == kind
        if own.any():
            look: dict[str, Any] = (
                {"color": style.colour} if not hatch else {"facecolor": "white", "edgecolor": style.colour, "hatch": hatch}
            )
            axes.bar(at[own], heights[own], width=1 / len(order), linewidth=0.0, antialiased=bool(hatch), **look)
    _changes(axes, "best change\nof diameter" if first else "")
    axes.set(xlim=(0, 1))
    set_ticks(axes.xaxis)


def _changes(axes: Axes, label: str) -> None:
    axes.set(ylim=(-1.05, HIGHEST + 0.05), ylabel=label)
    set_ticks(axes.yaxis, [-1, -0.3, 0.2, 1], lambda tick: f"{100 * tick:+.0f} %" if label else "")
    axes.axhline(0, color=INK, linewidth=0.8)
    for level in (-0.3, 0.2):
        axes.axhline(level, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)


def _spider(axes: Axes, days: Floats, changes: Floats, progression: Floats, style: ArmStyle, first: bool) -> None:
    for line, end in zip(changes, progression, strict=True):
        shown = days <= end
        axes.plot(days[shown], np.minimum(line[shown], HIGHEST), color=style.colour, linewidth=0.7, alpha=0.55)
        if np.isfinite(end):
            axes.plot([end], [min(float(line[shown][-1]), HIGHEST)], "X", color=style.colour, markersize=4, markeredgewidth=0)
    _changes(axes, "change\nof diameter" if first else "")
    axes.set(xlim=(0, days[-1]))
    set_ticks(axes.xaxis, round_places(0, float(days[-1]), 5))


def _swimmer(axes: Axes, progression: Floats, followed: Floats, end: float, style: ArmStyle, first: bool) -> None:
    length = np.minimum(progression, followed)
    order = np.argsort(length)
    for place, row in enumerate(order):
        seen = progression[row] <= followed[row]
        axes.plot([0, length[row]], [place, place], color=style.colour, linewidth=1.3, alpha=0.75, solid_capstyle="butt")
        axes.plot([length[row]], [place], "X" if seen else ">", color=INK, markersize=3.2, markeredgewidth=0, clip_on=False)
    axes.set(
        xlim=(0, end), ylim=(-1, len(order)), xlabel="days after time zero", ylabel=f"{len(order)} patients" if first else ""
    )
    set_ticks(axes.xaxis, round_places(0, end, 5))
    set_ticks(axes.yaxis)
