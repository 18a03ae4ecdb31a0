"""Effects of a Morris design: how much each field matters, and how much that depends on where the others stand."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backfire.figures import DOTS_PER_INCH as DOTS
from backfire.figures import FAINT, INK, arm_looks, look
from backfire.figures.sweep.data import Readings, Scale
from backfire.figures.sweep.page import HALO, WIDTH, field_axis, key, note, page, place
from backfire.formatting import display_name
from backfire.solvers import Floats

MOST_NAMED: Final = 6


def elementary_effects(found: Readings, outcome: str, arm: int) -> dict[str, Floats]:
    """Field → changes of an outcome, in heights of its scale, for a change over the whole range of the field.

    Steps that begin or end at a failed member give none. Effects are of the steps of trajectories: neighbours in a
    trajectory differ in one field.
    """
    vary = found.manifest["design"]["vary"]
    heights = found.scale(outcome).heights(found.values[outcome][:, arm])
    length = len(found.fields) + 1
    steps = (np.diff(found.members) == 1) & (found.members[1:] % length != 0)
    rise = np.diff(heights)
    effects = {}
    for field in found.fields:
        shares = _shares(found.samples[field], vary[field])
        moved = np.diff(shares)
        own = steps & (np.abs(moved) > 1e-9) & np.isfinite(rise)
        effects[field] = rise[own] / moved[own]
    return effects


def _shares(values: Floats, about: dict[str, Any]) -> Floats:
    """Where values stand between low and high, 0 to 1, on the scale of the axis."""
    low, high = about["low"], about["high"]
    if about["scale"] == "log":
        return np.asarray(np.log(values / low) / math.log(high / low), dtype=np.float64)
    return np.asarray((values - low) / (high - low), dtype=np.float64)


def effects(found: Readings) -> Figure:
    """One slide: mean absolute effect against its spread, an outcome a panel, an arm a colour.

    Far right matters; far up matters differently in different places, by bends or by other fields.
    """
    scales = [found.scale(name) for name in found.values]
    with look():
        figure, top = page(found, "effect of taking a field from its lowest to its highest value")
        width = (WIDTH - 1.6 - 1.0 * (len(scales) - 1)) / len(scales)
        for column, scale in enumerate(scales):
            axes = figure.add_subplot()
            place(axes, 1.0 + column * (width + 1.0), 1.3, width, top - 1.75)
            axes.set_title(scale.label, fontsize=12, pad=8)
            _panel(axes, found, scale, column == 0)
        looks = arm_looks(found.arms)
        handles = [Line2D([], [], marker="o", linestyle="none", color=looks[arm].colour, markersize=8) for arm in found.arms]
        names = [display_name(arm) for arm in found.arms]
        key(figure, [*handles, Line2D([], [], color=FAINT, linestyle=(0, (2, 2)))], [*names, "spread as large as the effect"])
    return figure


def _panel(axes: Axes, found: Readings, scale: Scale, first: bool) -> None:
    unit = "log10" if scale.logarithmic else {"day": "days"}.get(scale.unit, scale.unit)
    looks, rows = arm_looks(found.arms), []
    for arm, name in enumerate(found.arms):
        for field, changes in elementary_effects(found, scale.name, arm).items():
            if len(changes):
                rows.append((float(np.abs(changes).mean()), float(changes.std()), field, looks[name].colour))
    if not rows:
        note(axes, "no member has a value")
        return
    reach = max(max(size, spread) for size, spread, _, _ in rows) * 1.15 or 1.0
    across = f"mean absolute effect ({unit})" if unit not in ("", "1") else "mean absolute effect"
    field_axis(axes, "x", across, (0.0, reach * 1.1), logarithmic=False)
    up = "spread of the effect (standard deviation)" if first else ""
    field_axis(axes, "y", up, (-0.02 * reach, reach), logarithmic=False)
    axes.plot([0, reach], [0, reach], color=FAINT, linestyle=(0, (2, 2)), linewidth=1, zorder=1)
    for size, spread, _, colour in rows:
        axes.plot([size], [spread], "o", color=colour, markeredgecolor="white", markersize=9, zorder=4, clip_on=False)
    _names(axes, rows)
    axes.grid()


def _names(axes: Axes, rows: list[tuple[float, float, str, str]]) -> None:
    """Names of the strongest fields beside one of their points, where nothing is written yet."""
    box = axes.get_window_extent()
    points = [tuple(axes.transData.transform((size, spread))) for size, spread, _, _ in rows]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in points]
    order = sorted(range(len(rows)), key=lambda index: -rows[index][0])
    fields = list(dict.fromkeys(rows[index][2] for index in order))[:MOST_NAMED]
    for index in order:
        (x, y), field = points[index], rows[index][2]
        text = display_name(field.replace(".", ": "))
        wide = 7.2 * len(text)
        centre = x - wide / 2
        for align, left, up in (
            ("left", x + 10, 0),
            ("right", x - 10 - wide, 0),
            ("center", centre, 16),
            ("center", centre, -16),
        ):
            mine = (left, y + up - 7, left + wide, y + up + 7)
            free = all(mine[2] < other[0] or other[2] < mine[0] or mine[3] < other[1] or other[3] < mine[1] for other in taken)
            if field in fields and free and box.x0 < mine[0] and mine[2] < box.x1 + 30:
                shift = (10 if align == "left" else -10 if align == "right" else 0, up)
                axes.annotate(
                    text, rows[index][:2], xytext=(shift[0] * 72 / DOTS, shift[1] * 72 / DOTS), textcoords="offset points",
                    ha=align, va="center", fontsize=8.5, color=INK, path_effects=list(HALO), zorder=6, annotation_clip=False,
                )  # fmt: skip
                taken.append(mine)
                fields.remove(field)
                break
