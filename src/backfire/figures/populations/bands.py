"""Arms over a population: one panel for each, the median of the tumours with bands, and the default tumour as a thin line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from backfire.errors import UserError
from backfire.figures.answers import answers
from backfire.figures.page import SLIDE, Page, log_axis
from backfire.figures.panels import Given, cells_axis, days_axis, dosing, drawable, given, headline, unit_of
from backfire.figures.style import INK, SOFT, arm_styles, styled
from backfire.formatting import display_name, unit_in_words
from backfire.simulation import Result
from backfire.solvers import Floats

BAND_LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles that a panel shows: the ends of two bands, and the median."""
ACROSS: Final = 4
"""Panels beside each other."""


def shown_answer(default: Result) -> str | None:
    """The recorded value whose course stands below the burden: first what is to be shown, else what answers most; or None."""
    found = [item.name for item in answers(default)]
    some = next(iter(default.trajectories.values()))
    # what is most of the burden shows nothing that the panel above does not
    other = [name for name in found if "burden" not in some or not some[name][0] > 0.5 * some["burden"][0]]
    return next(iter(default.scenario.show or other or found), None)


@styled()
def population_courses(default: Result, days: Floats, courses: Mapping[str, Mapping[str, Floats]], remark: str) -> Figure:
    """One slide: the burden of every arm over the tumours, its own doses above it, and below it what answers most.

    ``courses`` maps arms and recorded names to quantiles (levels, days) at ``BAND_LEVELS``; ``default`` is the run of the default
    tumour in the same arms. With more than four arms the panels are those of the burden alone.
    """
    arms = [*courses]
    if not arms:
        raise UserError("a figure of a population needs an arm")
    names = [*next(iter(courses.values()))][: 1 if len(arms) > ACROSS else 2]
    lines = -(-len(arms) // ACROSS) * len(names)
    scenario = default.scenario
    page = Page(scenario.title, {scenario.name: scenario.hash}, (SLIDE[0], max(SLIDE[1], 1.9 + 2.6 * lines)))
    page.remark(remark)
    sheet = list(page.panels(min(ACROSS, len(arms)), lines, (1.0, 0.35, 0.95, 0.75), (0.35, 0.95)))
    across = min(ACROSS, len(arms))
    for row, name in enumerate(names):
        panels = sheet[row * across :] if len(names) > 1 else sheet
        for number, (arm, axes) in enumerate(zip(arms, panels, strict=False)):
            _panel(axes, default, days, courses, arm, name, first=number % across == 0)
            if row == 0:
                _doses(page, axes, default, arm)
    for axes in sheet[len(arms) * len(names) :]:
        axes.set_axis_off()
    page.key(
        [
            (Line2D([], [], color=INK, linewidth=2.4), "median tumour"),
            (Patch(facecolor=INK, alpha=0.38), "half of the tumours"),
            (Patch(facecolor=INK, alpha=0.16), "nine in ten"),
            (Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 2))), "the default tumour"),
        ]
    )
    return page.figure


def _panel(
    axes: Axes, default: Result, days: Floats, courses: Mapping[str, Mapping[str, Floats]], arm: str, name: str, first: bool
) -> None:
    """One value in one arm, on the axis that all arms share."""
    unit = unit_of(default, name)
    every: list[Floats] = [_drawn(row, unit) for found in courses.values() for row in found[name]]
    every += [_drawn(item[name], unit) for item in default.trajectories.values()]
    if unit == "cell":
        cells_axis(axes, every)
    elif min((float(np.nanmin(row)) for row in every if np.isfinite(row).any()), default=0.0) > 0:
        log_axis(axes, every, floor=0.0)
    else:
        axes.set_ylim(0, 1.08 * max([float(np.nanmax(row)) for row in every if np.isfinite(row).any()] or [1.0]))
        axes.grid(axis="y")
    middle = _drawn(courses[arm][name][2], unit)
    # the foot of a band may lie below what the axis shows: a tumour that is gone
    low, below, _, above, high = (np.maximum(row, axes.get_ylim()[0]) for row in courses[arm][name])
    colour = arm_styles(default.scenario.arms)[arm].colour
    axes.fill_between(days, low, high, color=colour, alpha=0.16, linewidth=0, zorder=2)
    axes.fill_between(days, below, above, color=colour, alpha=0.3, linewidth=0, zorder=3)
    axes.plot(days, middle, color=colour, linewidth=2.4, zorder=5)
    course = default.trajectories[arm]
    axes.plot(course.times, _drawn(course[name], unit), color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=6)
    days_axis(axes, default)
    axes.tick_params(labelleft=first)
    if first:
        words = f"{headline(display_name(name))} ({unit_in_words(unit)})" if unit_in_words(unit) else headline(display_name(name))
        axes.set_ylabel(words if name != "burden" else f"tumour burden ({unit_in_words(unit)})")


def _name(strip: Axes, row: Given, level: int, points: float) -> None:
    """The name of a regimen where its row has room: before its doses, or behind them; ``points`` to a day."""
    needs, days = 4.4 * len(row.label) + 8, (row.days[0], row.days[-1] + row.regimen.duration)
    look: dict[str, Any] = {"va": "center", "fontsize": 7.5, "color": SOFT}
    if days[0] * points >= needs:
        strip.text(days[0] - 4 / points, level, row.label, ha="right", **look)
    elif (strip.get_xlim()[1] - days[1]) * points >= needs:
        strip.text(days[1] + 4 / points, level, row.label, ha="left", **look)


def _drawn(values: Floats, unit: str) -> Floats:
    return drawable(values, unit) if unit == "cell" else values


def _doses(page: Page, axes: Axes, default: Result, arm: str) -> None:
    """The name of an arm, and its doses as the strip of the comparison shows them, above its panel."""
    place = axes.get_position()
    left, top, width = place.x0 * page.width, place.y1 * page.height, place.width * page.width
    alone = Result(default.scenario, {arm: default.trajectories[arm]}, default.settings)
    rows = [row for row in given(alone) if not row.surgery]
    colour = arm_styles(default.scenario.arms)[arm].colour
    page.text(left, top + 0.5, headline(display_name(arm)), fontsize=11.5, fontweight="bold", color=colour, va="bottom")
    if rows:
        strip = page.axes(left, top + 0.06, width, min(0.4, 0.16 * len(rows) + 0.06))
        dosing(strip, alone, rows)
        strip.set_yticks([])
        for level, row in enumerate(reversed(rows)):
            _name(strip, row, level, width * 72 / default.scenario.days)
    for row in given(alone):
        if row.surgery:
            axes.axvline(row.days[0], color=INK, linewidth=1.0, linestyle=(0, (2, 2)), zorder=1)
