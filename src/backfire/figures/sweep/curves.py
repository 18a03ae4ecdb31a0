"""Curves of sweeps over one field: outcomes against a dose, with and without the host's answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy  # its parts are imported where they are first used: most figures need none of them
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from backfire.figures.labels import HALO, height_of, label_ends, note
from backfire.figures.page import Page, roomy, value_axis
from backfire.figures.style import FAILED, FAINT, INK, arm_styles
from backfire.figures.sweep.data import Scale, SweepData, line_fields
from backfire.figures.sweep.slide import CENSORED, SweepFigure, outcome_axis, slide
from backfire.formatting import display_name, short
from backfire.sampling import Axis
from backfire.scenario import kind_of
from backfire.solvers import Floats

MOST_CROSSES: Final = 2_000
"""Failed points of one line that are marked."""
PROMINENT: Final = 0.03
"""An extremum of a curve is marked where it stands out by this share of the scale."""
WITHOUT: Final = (4.0, 2.0)
UNCHANGED: Final[dict[str, Any]] = {"color": FAINT, "linewidth": 1.1, "linestyle": (0, (1, 2))}


@dataclass(frozen=True)
class Curve:
    """One line: x (n,), heights (n,), where a time was not seen (n,), which x failed, and whether it is the dashed one."""

    arm: int
    dashed: bool
    x: Floats
    heights: Floats
    censored: NDArray[np.bool_]
    failed: Floats


@SweepFigure("curves.png", draws=lambda manifest: line_fields(manifest) is not None)
def curves(data: SweepData) -> Figure:
    """One slide: outcomes side by side against a dose, an arm a colour, solid with the host's answer, dashed without.

    Peaks and troughs inside the range are marked with the value of the field; a dose above a trough works less, not more.
    """
    fields = line_fields(data.manifest)
    assert fields is not None
    along, pair = fields
    low, high = float(along.grid.min()), float(along.grid.max())
    log, here = data.logarithmic(along.field, along.grid), data.unchanged(along.field)
    page = slide(data)
    for axes, name in zip(page.panels(len(data.values), gap=(1.85, 0.0)), data.values, strict=True):
        scale = data.scale(name)
        value_axis(axes, "x", data.label(along.field), roomy(low, high, log), log)
        outcome_axis(axes, scale, label=False)
        axes.set_title(scale.label, fontsize=12, pad=8)
        _draw(axes, data, list(_lines(data, scale, along, pair)), scale)
        if low <= here <= high:
            axes.axvline(here, zorder=1, label="unchanged", **UNCHANGED)
    _key(page, data, pair)
    return page.figure


def _lines(data: SweepData, scale: Scale, along: Axis, pair: Axis | None) -> Iterator[Curve]:
    ends = [math.nan] if pair is None else [float(pair.grid.min()), float(pair.grid.max())]
    for arm in range(len(data.arms)):
        for end in ends:
            rows = np.flatnonzero(np.ones(len(data.members)) if pair is None else data.samples[pair.field] == end)
            rows = rows[np.argsort(data.samples[along.field][rows], kind="stable")]
            x, heights = data.samples[along.field][rows], scale.heights(data.values[scale.name][rows, arm])
            dashed = pair is not None and end == ends[0]
            yield Curve(arm, dashed, x, heights, data.censored(scale.name)[rows, arm], x[~data.good[rows, arm]])


def _draw(axes: Axes, data: SweepData, lines: list[Curve], scale: Scale) -> None:
    """Lines, extrema, censored and failed points; their labels tell the key which marks there are."""
    styles, ends = arm_styles(data.arms), []
    for line in lines:
        name = data.arms[line.arm]
        colour = styles[name].colour
        style: dict[str, Any] = {"color": colour, "linewidth": styles[name].width, "zorder": styles[name].order}
        style |= {"dashes": WITHOUT} if line.dashed else {}
        style |= {"marker": "o", "markersize": 6} if np.isfinite(line.heights).sum() < 3 else {}
        axes.plot(line.x, line.heights, label=name, **style)
        if line.censored.any():
            shown = np.flatnonzero(line.censored)[:: max(1, int(line.censored.sum()) // 20)]
            style = {"color": colour, "markerfacecolor": "white", "markersize": 6.5, "zorder": 7}
            axes.plot(line.x[shown], line.heights[shown], "^", linestyle="none", label="censored", **style)
        if len(line.failed):
            places = line.failed[:: max(1, len(line.failed) // MOST_CROSSES)]
            style = {"color": FAILED, "markersize": 7, "markeredgewidth": 1.6, "clip_on": False, "zorder": 8}
            axes.plot(places, np.full(len(places), 0.012), "x", transform=axes.get_xaxis_transform(), label="failed", **style)
        _extrema(axes, line, scale, colour)
        if not line.dashed and np.isfinite(line.heights).any():
            ends.append((height_of(axes, line.heights), display_name(name), colour))
    if not any(np.isfinite(line.heights).any() for line in lines):
        note(axes, "no member has a value")
    label_ends(axes, ends)


def _extrema(axes: Axes, line: Curve, scale: Scale, colour: str) -> None:
    """The most prominent peak and trough inside the range, with the value of the field there."""
    finite = np.isfinite(line.heights)
    x, heights = line.x[finite], line.heights[finite]
    span = scale.high - scale.low
    if len(x) < 3 or not span > 0:
        return
    for kind, marker, sign in (("peak", "^", 1.0), ("trough", "v", -1.0)):
        widest = max(1, len(x) // 4)
        places, about = scipy.signal.find_peaks(sign * heights, prominence=PROMINENT * span, plateau_size=(1, widest))
        if len(places):
            best = places[int(np.argmax(about["prominences"]))]
            point: dict[str, Any] = {"markerfacecolor": colour, "markeredgecolor": "white", "markersize": 11, "zorder": 9}
            axes.plot([x[best]], [heights[best]], marker, linestyle="none", label=kind, **point)
            axes.annotate(
                f"at {short(float(x[best]), 2)}", (x[best], heights[best]), xytext=(0, 11 * sign), textcoords="offset points",
                ha="center", va="bottom" if sign > 0 else "top", fontsize=9.5, color=colour, path_effects=list(HALO), zorder=9,
            )  # fmt: skip


def _key(page: Page, data: SweepData, pair: Axis | None) -> None:
    rows: list[tuple[Artist, str]] = []
    if pair is not None:
        name = data.label(pair.field).partition(" (")[0]
        low, high = (short(float(end), 3) for end in (pair.grid.min(), pair.grid.max()))
        solid, dashed = (f"with {name}", "without it") if kind_of(pair.field) == "switch" else (f"{name} {high}", f"{name} {low}")
        rows.append((Line2D([], [], color=INK, linewidth=2.4), solid))
        rows.append((Line2D([], [], color=INK, linewidth=2.4, dashes=WITHOUT), dashed))
    dot: dict[str, Any] = {"color": INK, "linestyle": "none"}
    rest: dict[str, tuple[Artist, str]] = {
        "peak": (Line2D([], [], marker="^", markersize=9, **dot), "highest inside the range"),
        "trough": (Line2D([], [], marker="v", markersize=9, **dot), "lowest inside the range"),
        "censored": (Line2D([], [], marker="^", markerfacecolor="white", markersize=7, **dot), CENSORED),
        "failed": (Line2D([], [], marker="x", color=FAILED, linestyle="none", markeredgewidth=1.6), data.failures),
        "unchanged": (Line2D([], [], **UNCHANGED), "the scenario unchanged"),
    }
    page.key([*rows, *(row for kind, row in rest.items() if kind in page.drawn)])
