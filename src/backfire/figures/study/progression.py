"""Progression as clinicians see it, at visits and confirmed, beside the model's own: two readings of the same patients."""

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
from backfire.figures.style import FAINT, INK, SOFT, ArmStyle, arm_styles, styled
from backfire.formatting import display_name
from backfire.solvers import Floats

ACROSS: Final = 4
"""Arms beside each other."""
BAND: Final = 0.22
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "own": {"linewidth": 1.6},
    "visits": {"linewidth": 1.3, "linestyle": (0, (1, 1.3)), "color": INK},
    "confirmed": {"linewidth": 2.6, "color": INK},
}
"""The model's own in the colour of the arm, thin; what clinicians see dark, and as thick as it is sure."""


@dataclass(frozen=True, eq=False)
class ProgressionPanel:
    """One arm: the steps (days (k,), share free of progression (k,)) of the model's ``own``, at ``visits`` and ``confirmed``,
    each drawn up to the day ``last``, and sentences on the delay."""

    arm: str
    own: tuple[Floats, Floats]
    visits: tuple[Floats, Floats]
    confirmed: tuple[Floats, Floats]
    last: float
    said: Sequence[str]


@styled()
def progression_plots(
    title: str, remarks: Sequence[str], panels: Sequence[ProgressionPanel], end: float, named: Mapping[str, str],
    hashes: Mapping[str, str],
) -> Figure:  # fmt: skip
    """An arm a panel: the share free of progression over days up to ``end``, by either reading, the delay between them shaded.

    ``named`` calls the three readings, ``own``, ``visits`` and ``confirmed``, in the key.
    """
    page = Page(title, hashes)
    for words in remarks:
        page.remark(words)
    styles = arm_styles(panel.arm for panel in panels)
    across = len(panels) if len(panels) <= ACROSS else math.ceil(len(panels) / 2)
    down = math.ceil(len(panels) / across)
    sheet = list(page.panels(across, down, margins=(0.95, 0.4, 1.25, 1.15), gap=(0.3, 1.5)))
    for place, (panel, axes) in enumerate(zip(panels, sheet, strict=False)):
        below = place + across >= len(panels)
        _panel(axes, panel, styles[panel.arm], end, first=place % across == 0, last=below)
    for axes in sheet[len(panels) :]:
        axes.remove()
    rows: list[tuple[Any, str]] = [
        (Line2D([], [], color=SOFT, **_LOOKS["own"]), named["own"]),
        (Line2D([], [], **_LOOKS["visits"]), named["visits"]),
        (Line2D([], [], **_LOOKS["confirmed"]), named["confirmed"]),
        (Patch(facecolor=FAINT, alpha=0.45), "delay"),
    ]
    page.key(rows)
    return page.figure


def _panel(axes: Axes, panel: ProgressionPanel, style: ArmStyle, end: float, first: bool, last: bool) -> None:
    """Both readings of one arm."""
    days = np.unique(np.concatenate([panel.own[0], panel.confirmed[0], [panel.last]]))
    own, confirmed = (_at(steps, days) for steps in (panel.own, panel.confirmed))
    axes.fill_between(days, own, confirmed, step="post", color=style.colour, alpha=BAND, linewidth=0, zorder=1)
    for name, steps in (("own", panel.own), ("visits", panel.visits), ("confirmed", panel.confirmed)):
        look = {"color": style.colour, "zorder": 3, **_LOOKS[name]}
        axes.step(np.append(steps[0], panel.last), np.append(steps[1], steps[1][-1]), where="post", **look)
    name, size = fitted(display_name(panel.arm), axes.get_window_extent().width / DOTS_PER_INCH, 11.5, lines=2)
    axes.set_title(name, fontsize=size, color=style.colour, pad=7 + 13 * len(panel.said))
    for place, words in enumerate(reversed(panel.said)):
        axes.annotate(
            words, (0, 1), xycoords="axes fraction", xytext=(0, 5 + 13 * place), textcoords="offset points", fontsize=9, color=INK
        )
    axes.set(xlim=(0, end), ylim=(0, 1.02), ylabel="free of progression" if first else "")
    set_ticks(axes.xaxis, round_places(0, end, 5))
    set_ticks(axes.yaxis, [0, 0.25, 0.5, 0.75, 1.0], lambda tick: f"{100 * tick:.0f} %" if first else "")
    axes.set_xlabel("days after time zero" if last else "")
    axes.grid(axis="y")


def _at(steps: tuple[Floats, Floats], days: Floats) -> Floats:
    """A curve of steps at some days."""
    return np.asarray(steps[1][np.searchsorted(steps[0], days, side="right") - 1])
