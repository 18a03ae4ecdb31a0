"""Arms over a population: one panel for each, the median of the tumours with bands, and the default tumour as a thin line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from backfire.errors import UserError
from backfire.figures.answers import answers
from backfire.figures.labels import fitted
from backfire.figures.page import SLIDE, Page, log_axis
from backfire.figures.panels import cells_axis, days_axis, dosing, drawable, given, headline, unit_of
from backfire.figures.style import INK, arm_styles, styled
from backfire.formatting import display_name, unit_in_words
from backfire.simulation import Result
from backfire.solvers import Floats

BAND_LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles that a panel shows: the ends of two bands, and the median."""
ACROSS: Final = 7
"""Panels beside each other."""
BESIDE: Final = 0.35
"""Inches between them."""


def shown_courses(default: Result) -> list[str]:
    """The recorded values that are drawn: the burden, other totals, and first what is to be shown, else what answers most."""
    found = [item.name for item in answers(default)]
    some = next(iter(default.trajectories.values()))
    # what is most of the burden shows nothing that the panel above does not
    other = [name for name in found if "burden" not in some or not some[name][0] > 0.5 * some["burden"][0]]
    totals = [name for state in default.scenario.network.states for name in state.totals]
    return list(dict.fromkeys(["burden", *totals, *[*(default.scenario.show or other or found)][:1]]))


@styled()
def population_courses(default: Result, days: Floats, courses: Mapping[str, Mapping[str, Floats]], remark: str) -> Figure:
    """An arm a column, its doses above it: the burden over the tumours, and below it the other values of ``courses``.

    ``courses`` maps arms and recorded names to quantiles (levels, days) at ``BAND_LEVELS``; ``default`` is the run of the default
    tumour in the same arms. With more than seven arms the panels are those of the burden alone.
    """
    arms = [*courses]
    if not arms:
        raise UserError("a figure of a population needs an arm")
    names = [*next(iter(courses.values()))][: 1 if len(arms) > ACROSS else None]
    lines = -(-len(arms) // ACROSS) * len(names)
    scenario = default.scenario
    tall, gap = (2.2, 0.45) if len(names) > 1 else (2.6, 0.95)
    page = Page(scenario.title, {scenario.name: scenario.hash}, (SLIDE[0], max(SLIDE[1], 1.9 + tall * lines)))
    page.remark(remark)
    across = min(ACROSS, len(arms))
    sheet = list(page.panels(across, lines, (1.0, BESIDE, 0.95, 0.75), (BESIDE, gap)))
    for row, name in enumerate(names):
        panels = sheet[row * across :] if len(names) > 1 else sheet
        for number, (arm, axes) in enumerate(zip(arms, panels, strict=False)):
            _panel(axes, default, days, courses, arm, name, first=number % across == 0)
            days_axis(axes, default, label=name == names[-1] and number + across >= len(arms))
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
    axes.tick_params(labelleft=first)
    if first:
        words = "Tumour burden" if name == "burden" else headline(display_name(name))
        axes.set_ylabel(f"{words} ({unit_in_words(unit)})" if unit_in_words(unit) else words)


def _drawn(values: Floats, unit: str) -> Floats:
    return drawable(values, unit) if unit == "cell" else values


def _doses(page: Page, axes: Axes, default: Result, arm: str) -> None:
    """The name of an arm, and its doses as the strip of the comparison shows them, above its panel."""
    place = axes.get_position()
    left, top, width = place.x0 * page.width, place.y1 * page.height, place.width * page.width
    alone = Result(default.scenario, {arm: default.trajectories[arm]}, default.settings)
    rows = [row for row in given(alone) if not row.surgery]
    colour = arm_styles(default.scenario.arms)[arm].colour
    name, size = fitted(headline(display_name(arm)), 0.9 * width, 11.5)
    page.text(left, top + 0.5, name, fontsize=size, fontweight="bold", color=colour, va="bottom")
    if rows:
        strip = page.axes(left, top + 0.06, width, min(0.4, 0.16 * len(rows) + 0.06))
        dosing(strip, alone, rows, named=True, beyond=BESIDE - 0.05)
    for row in given(alone):
        if row.surgery:
            axes.axvline(row.days[0], color=INK, linewidth=1.0, linestyle=(0, (2, 2)), zorder=1)
