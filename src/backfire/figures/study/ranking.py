"""Which input decides: ranked bars with intervals, an outcome and arm a panel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from backfire.figures.labels import fitted
from backfire.figures.page import DOTS_PER_INCH, Page, round_places, set_ticks
from backfire.figures.style import INK, SOFT, arm_styles, styled
from backfire.formatting import display_name

MOST: Final = 12
"""Inputs that a panel shows; the others are counted."""
ROOM: Final = 2.1
"""Inches for the name of an input."""
Interval = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class RankingPanel:
    """One outcome in one arm: per input the main index (a bar) and the other one (a diamond), each with its interval; ``floor``
    is what the main index of an input that does nothing stays below, 0 where there is none."""

    arm: str
    title: str
    kinds: tuple[str, str]
    rows: Mapping[str, tuple[Interval, Interval]]
    floor: float = 0.0


@styled()
def ranking(title: str, remarks: Sequence[str], panels: Sequence[RankingPanel], hashes: Mapping[str, str]) -> Figure:
    """Ranked bars: the inputs that matter most first."""
    page = Page(title, hashes)
    for words in remarks:
        page.remark(words)
    across = min(len(panels), 3)
    down = math.ceil(len(panels) / across)
    styles = arm_styles(panel.arm for panel in panels)
    shown = list(panels)[: 3 * min(down, 3)]
    sheet = page.panels(across, math.ceil(len(shown) / across), margins=(2.45, 0.4, 1.15, 0.75), gap=(2.3, 1.15))
    for panel, axes in zip(shown, sheet, strict=False):
        kinds = f": {' and '.join(panel.kinds)}" if len({panel.kinds for panel in panels}) > 1 else ""
        _panel(axes, panel, styles[panel.arm].colour, MOST if down < 3 else 6, f"{panel.title}{kinds}")
    main, other = (" or ".join(dict.fromkeys(panel.kinds[place] for panel in panels)) for place in (0, 1))
    rows: list[tuple[Patch | Line2D, str]] = [
        (Patch(facecolor=SOFT, alpha=0.85), main),
        (Line2D([], [], marker="D", linestyle="none", markerfacecolor="white", markeredgecolor=INK, markersize=6), other),
    ]
    if any(panel.floor for panel in panels):
        rows.append((Line2D([], [], color=INK, linestyle=(0, (2, 2))), f"{main}: 19 in 20 inputs that do nothing stay below"))
    page.key(rows)
    return page.figure


def _panel(axes: Axes, panel: RankingPanel, colour: str, most: int, title: str) -> None:
    names = [*panel.rows][:most]
    places = np.arange(len(names))[::-1]
    ends = [0.0, panel.floor]
    for place, name in zip(places, names, strict=True):
        (value, low, high), (beside, under, over) = panel.rows[name]
        axes.barh(place, value, height=0.62, color=colour, alpha=0.85, zorder=2)
        axes.plot([low, high], [place + 0.1] * 2, color=INK, linewidth=1.2, zorder=3)
        axes.plot([under, over], [place - 0.2] * 2, color=INK, linewidth=0.8, zorder=3)
        axes.plot([beside], [place - 0.2], "D", markerfacecolor="white", markeredgecolor=INK, markersize=4.5, zorder=4)
        ends += [high, over, low, under]
    if panel.floor:
        axes.axvline(panel.floor, color=INK, linestyle=(0, (2, 2)), linewidth=1)
    low, high = min(ends), max(ends)
    axes.set(xlim=(low - 0.02 * (high - low) if low < 0 else 0.0, high * 1.05 or 1.0), ylim=(-0.6, len(names) - 0.4))
    labels = [fitted(display_name(name).replace(".", ": "), ROOM, 8.5) for name in names]
    axes.set_yticks(places, [label for label, _ in labels], fontsize=min(size for _, size in labels))
    axes.tick_params(axis="y", length=0)
    set_ticks(axes.xaxis, round_places(*axes.get_xlim(), 6))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="x")
    axes.set_title(title, fontsize=10.5, pad=20)
    where: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    arm, size = fitted(display_name(panel.arm), axes.get_window_extent().width / DOTS_PER_INCH, 9.5)
    axes.annotate(arm, (0, 1), (0, 6), fontsize=size, color=colour, **where)
    left = len(panel.rows) - len(names)
    if left:
        axes.annotate(f"and {left} inputs of less", (1, 0), (0, -26), ha="right", fontsize=8.5, color=SOFT, **where)
