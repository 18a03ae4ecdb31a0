"""Effects of a Morris design: how much each field matters, and how much that depends on where the others stand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backfire.figures.labels import name_points, note
from backfire.figures.page import value_axis
from backfire.figures.style import FAINT, SOFT, arm_styles
from backfire.figures.sweep.data import MOST_READ, Manifest, Members, Scale, SweepData
from backfire.figures.sweep.slide import SweepFigure, slide
from backfire.formatting import display_name
from backfire.solvers import Floats


def elementary_effects(data: SweepData, outcome: str, arm: int) -> dict[str, Floats]:
    """Field → changes of an outcome, in heights of its scale, for a change over the whole range of the field.

    Steps that begin or end at a failed member give none. Effects are of the steps of trajectories: neighbours in a
    trajectory differ in one field.
    """
    vary = data.manifest["design"]["vary"]
    heights = data.scale(outcome).heights(data.values[outcome][:, arm])
    length = len(data.fields) + 1
    steps = (np.diff(data.members) == 1) & (data.members[1:] % length != 0)
    rise = np.diff(heights)
    found = {}
    for field in data.fields:
        moved = np.diff(_shares(data.samples[field], vary[field]))
        own = steps & (np.abs(moved) > 1e-9) & np.isfinite(rise)
        found[field] = rise[own] / moved[own]
    return found


def _shares(values: Floats, about: dict[str, Any]) -> Floats:
    """Where values stand between low and high, 0 to 1, on the scale of the axis."""
    low, high = about["low"], about["high"]
    if about["scale"] == "log":
        return np.asarray(np.log(values / low) / math.log(high / low), dtype=np.float64)
    return np.asarray((values - low) / (high - low), dtype=np.float64)


def whole_trajectories(manifest: Manifest) -> Members:
    """The members of as many trajectories as a figure reads."""
    length = len(manifest["fields"]) + 1
    return np.arange(min(manifest["members"], MOST_READ // length * length))


@SweepFigure("effects.png", draws=lambda manifest: manifest["design"]["kind"] == "morris", members=whole_trajectories)
def effects(data: SweepData) -> Figure:
    """One slide: mean absolute effect against its spread, an outcome a panel, an arm a colour.

    Far right matters; far up matters differently in different places, by bends or by other fields.
    """
    page = slide(data, "effect of taking a field from its lowest to its highest value")
    sheet = page.panels(len(data.values), margins=(1.0, 0.6, 1.3, 0.45), gap=(1.0, 0.0))
    for column, (axes, name) in enumerate(zip(sheet, data.values, strict=True)):
        scale = data.scale(name)
        axes.set_title(scale.label, fontsize=12, pad=8)
        _panel(axes, data, scale, column == 0)
    styles = arm_styles(data.arms)
    rows = [
        (Line2D([], [], marker="o", linestyle="none", color=styles[arm].colour, markersize=8), display_name(arm))
        for arm in data.arms
    ]
    page.key([*rows, (Line2D([], [], color=FAINT, linestyle=(0, (2, 2))), "spread as large as the effect")])
    return page.figure


def _panel(axes: Axes, data: SweepData, scale: Scale, first: bool) -> None:
    unit = "log10" if scale.logarithmic else {"day": "days"}.get(scale.unit, scale.unit)
    rows = [
        (float(np.abs(changes).mean()), float(changes.std()), field, arm_styles(data.arms)[name].colour)
        for arm, name in enumerate(data.arms)
        for field, changes in elementary_effects(data, scale.name, arm).items()
        if len(changes)
    ]
    if not rows:
        note(axes, "no member has a value")
        return
    reach = max(max(size, spread) for size, spread, _, _ in rows) * 1.15 or 1.0
    across = f"mean absolute effect ({unit})" if unit not in ("", "1") else "mean absolute effect"
    value_axis(axes, "x", across, (0.0, reach * 1.1), logarithmic=False)
    up = "spread of the effect (standard deviation)" if first else ""
    value_axis(axes, "y", up, (-0.02 * reach, reach), logarithmic=False)
    axes.plot([0, reach], [0, reach], color=FAINT, linestyle=(0, (2, 2)), linewidth=1, zorder=1)
    for size, spread, _, colour in rows:
        axes.plot([size], [spread], "o", color=colour, markeredgecolor="white", markersize=9, zorder=4, clip_on=False)
    rows.sort(key=lambda row: -row[0])
    names = [display_name(field.replace(".", ": ")) for _, _, field, _ in rows]
    left_out = name_points(axes, [(size, spread) for size, spread, _, _ in rows], names)
    if left_out:
        less = f"and {len(left_out)} fields of less effect, not named"
        axes.text(0.98, 0.98, less, transform=axes.transAxes, ha="right", va="top", fontsize=8.5, color=SOFT)
    axes.grid()
