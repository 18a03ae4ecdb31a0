"""The front of two outcomes: schedules of which none is better than another in both, and all that were tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backfire.figures.labels import HALO
from backfire.figures.page import Page, roomy, value_axis
from backfire.figures.style import FAINT, INK, arm_styles, styled
from backfire.solvers import Floats

SIZE: Final = (11.0, 7.2)
DECADES: Final = 30.0
"""Values above 0 that differ by more than this factor have a logarithmic axis."""
FAR: Final = 4.0
"""Axes show at most so many lengths of the front around it; what was tried beyond is left out, and counted."""


@styled()
def trade_off_front(
    title: str, remark: str, labels: tuple[str, str], points: Floats, own: Floats, tried: Floats, hashes: Mapping[str, str]
) -> Figure:
    """A front ``points`` (n, 2), numbered, the scenario's ``own`` (2,) as a cross, and grey dots for all ``tried`` (k, 2)."""
    told = np.vstack([points, own[None]]) if np.isfinite(own).all() else points
    scales = [bool((told[:, side] > 0).all() and told[:, side].max() > DECADES * told[:, side].min()) for side in (0, 1)]
    limits = [_limits(told[:, side], tried[:, side], scale) for side, scale in enumerate(scales)]
    inside = np.all([(tried[:, side] >= low) & (tried[:, side] <= high) for side, (low, high) in enumerate(limits)], axis=0)
    left_out = f" {int((~inside).sum())} that were tried lie outside." if not inside.all() else ""
    page = Page(title, hashes, SIZE)
    page.remark(remark + left_out)
    (axes,) = page.panels(1, margins=(1.1, 0.5, 1.35, 0.35))
    colour = arm_styles(["combination"])["combination"].colour
    axes.plot(*tried[inside].T, ".", color=FAINT, markersize=3, alpha=0.5, zorder=1)
    axes.plot(*points.T, "o", color=colour, markersize=8, zorder=4, clip_on=False)
    for number, (one, other) in enumerate(points, 1):
        place: dict[str, Any] = {"xytext": (9, 7), "textcoords": "offset points", "fontsize": 10, "path_effects": [*HALO]}
        axes.annotate(str(number), (one, other), zorder=6, **place)
    if np.isfinite(own).all():
        axes.plot(*own, "X", color=INK, markersize=11, markeredgecolor="white", zorder=5, clip_on=False)
    for which, label, side, scale in zip(("x", "y"), labels, limits, scales, strict=True):
        value_axis(axes, which, label, side, scale)  # type: ignore[arg-type]
    axes.grid(visible=True)
    line = Line2D([], [], color=colour, marker="o", linestyle="none", markersize=8)
    marks = [(line, "front, by number of its file")]
    marks += [(Line2D([], [], color=INK, marker="X", linestyle="none", markersize=10), "the scenario's own schedule")]
    marks += [(Line2D([], [], color=FAINT, marker=".", linestyle="none"), "tried")]
    page.key(marks)
    return page.figure


def _limits(told: Floats, tried: Floats, logarithmic: bool) -> tuple[float, float]:
    """Room for the front and the own schedule, and for what was tried near them."""
    change = np.log if logarithmic else np.asarray
    low, high = change(told).min(), change(told).max()
    known = change(tried[tried > 0] if logarithmic else tried)
    room = FAR * (high - low) or abs(high) * 0.05 or 1.0
    low, high = max(known.min(initial=low), low - room), min(known.max(initial=high), high + room)
    low, high = (float(np.exp(end)) if logarithmic else float(end) for end in (low, high))
    return roomy(low, high, logarithmic)
