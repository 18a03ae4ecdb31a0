"""Figures made to be shown: one scenario on a slide (``comparison``), many side by side (``atlas``).

Both draw from a ``Result`` alone, fresh or read back from a stored run.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from backfire.errors import UserError
from backfire.figures.bars import bars
from backfire.figures.labels import height_of, label_ends
from backfire.figures.page import DOTS_PER_INCH, Page, log_axis, set_ticks
from backfire.figures.style import FAINT, INK, SOFT, arm_styles, styled
from backfire.formatting import display_name
from backfire.outcomes import ONE_CELL, Outcome
from backfire.simulation import Result, watch
from backfire.solvers import Floats

FACTOR_DASHES: Final[tuple[tuple[float, ...], ...]] = ((), (4, 2), (1.2, 1.5), (7, 2, 1.5, 2), (2, 1), (9, 3))
MOST_FACTORS: Final = 3
Panel = Callable[[Axes, "Result", bool], None]
"""Draws one panel: axes, result, whether it is the lowest of its column."""


@styled()
def comparison(result: Result) -> Figure:
    """One slide for one scenario: burden by arm with dosing, hibernation, host factors, metastases, outcomes.

    Panels that have nothing to show (no hibernating cells, no metastases) are left out.
    """
    scenario = result.scenario
    figure = Page(scenario.title, {scenario.name: scenario.hash}).figure
    grid = GridSpec(
        2, 2, figure, left=0.1, right=0.905, top=0.885, bottom=0.075, width_ratios=(1.25, 1), height_ratios=(3.3, 1),
        wspace=0.4, hspace=0.33,
    )  # fmt: skip
    strip = 0.2 + 0.17 * max(1, len(_given(result)))
    left = grid[0, 0].subgridspec(2, 1, height_ratios=(strip, 4.5), hspace=0.04)
    burden = figure.add_subplot(left[1])
    _burden(burden, result)
    _dosing(figure.add_subplot(left[0], sharex=burden), result)
    panels = _panels(result)
    right = grid[0, 1].subgridspec(max(1, len(panels)), 1, hspace=0.42)
    for index, draw in enumerate(panels):
        draw(figure.add_subplot(right[index]), result, index == len(panels) - 1)
    bars(figure, grid[1, :], result, most=5)
    return figure


@styled()
def atlas(results: Sequence[Result]) -> Figure:
    """Scenarios side by side, one row each: burden, host factors, spread or hibernation, and the outcomes.

    Where the scenarios of at least two articles are given, the rows are the articles; other scenarios are left to
    their own figures. Raises UserError for an empty list.
    """
    if not results:
        raise UserError("an atlas needs at least one result")
    flagships = [result for result in results if result.scenario.name == result.scenario.article]
    rows = flagships if len(flagships) > 1 else list(results)
    height = 1.4 + 2.9 * len(rows)
    title = "Treatment, the answer it provokes, and what blocking that answer gains"
    figure = Page(title, {row.scenario.name: row.scenario.hash for row in rows}, (21.0, height), title_size=20).figure
    grid = GridSpec(
        len(rows), 4, figure, left=0.16, right=0.985, top=1 - 1.15 / height, bottom=0.85 / height,
        width_ratios=(1.2, 1, 1, 1.7), wspace=0.68, hspace=0.52,
    )  # fmt: skip
    for index, result in enumerate(rows):
        _atlas_row(figure, grid, index, result)
    return figure


def _atlas_row(figure: Figure, grid: GridSpec, index: int, result: Result) -> None:
    burden = figure.add_subplot(grid[index, 0])
    _burden(burden, result, small=True)
    top = grid[index, 0].get_position(figure).y1
    figure.text(0.02, top, "\n".join(textwrap.wrap(result.scenario.title, 21)), fontsize=12.5, fontweight="bold", va="top")
    doses = sorted({day for regimen in _given(result) for day in regimen.days})
    across = burden.get_xaxis_transform()
    burden.plot(doses, np.full(len(doses), 1.03), "|", color=INK, markersize=6, transform=across, clip_on=False)
    burden.set_title("Tumour burden, doses above", pad=12)
    chosen = [_factors, *(draw for draw in _panels(result) if draw is not _factors)][:2]
    for column, draw in enumerate(chosen, start=1):
        draw(figure.add_subplot(grid[index, column]), result, True)
    bars(figure, grid[index, 3], result, most=2)


def _panels(result: Result) -> list[Panel]:
    """The panels that have something to show."""
    some = next(iter(result.trajectories.values()))
    spread, hibernating = "metastatic_burden" in some, "hibernating" in some or "hibernating_metastases" in some
    courses = max((len(_course_kills(found)) for found in result.outcomes.values()), default=0)
    wanted: dict[Panel, bool] = {
        _hibernation: hibernating,
        _factors: bool(_factor_names(result)),
        _metastases: spread,
        _kills: courses > 2 and not spread and not hibernating,
    }
    return [draw for draw, shown in wanted.items() if shown]


@dataclass(frozen=True)
class _Regimen:
    """A regimen as the dosing strip shows it."""

    label: str
    days: list[float]
    duration: float
    surgery: bool


def _given(result: Result) -> list[_Regimen]:
    """The regimens of the drawn arms, once each, in the order of the file."""
    scenario = result.scenario
    used = {name for arm in result.trajectories for name in scenario.arms[arm]}
    rows = []
    agents = [scenario.regimens[name].agent for name in used]
    for name, regimen in scenario.regimens.items():
        if name in used:
            label = regimen.agent if agents.count(regimen.agent) == 1 else name
            days = [dose.time for dose in regimen.doses()]
            rows.append(_Regimen(display_name(label), days, regimen.duration, scenario.network.resects(regimen.agent)))
    return rows


def _dosing(axes: Axes, result: Result) -> None:
    """One row per regimen: a tick per bolus, a bar per infusion, a cross for surgery."""
    rows = [row for row in _given(result) if not row.surgery]
    for level, row in enumerate(reversed(rows)):
        if row.duration > 0:
            axes.hlines(np.full(len(row.days), level), row.days, [day + row.duration for day in row.days], color=INK, linewidth=5)
        else:
            axes.vlines(row.days, level - 0.32, level + 0.32, color=INK, linewidth=1.6 if len(row.days) < 40 else 0.8)
    axes.set_ylim(-0.6, max(len(rows), 1) - 0.4)
    axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)], fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _burden(axes: Axes, result: Result, small: bool = False) -> None:
    """Burden of every arm on a log axis; nadir ▼, progression ◆, eradication ✕, death of the host †."""
    styles = arm_styles(result.scenario.arms)
    lines = {arm: _drawable(item["burden"]) for arm, item in result.trajectories.items()}
    log_axis(axes, lines.values())
    for arm, line in lines.items():
        axes.plot(result.trajectories[arm].times, line, **styles[arm].line())
        _marks(axes, result, arm, styles[arm].colour, small)
        _death(axes, result, arm, line)
    _days(axes, result)
    axes.set_ylabel("tumour burden (cells)")
    for row in _given(result):
        if row.surgery:
            axes.axvline(row.days[0], color=FAINT, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)
            axes.text(row.days[0], 0.02, " surgery", transform=axes.get_xaxis_transform(), fontsize=8.5, color=SOFT)
    if not small:
        _name_arms(axes, result, lines, size=10.5, gap=0.055)
        dies = "   † host dies" if any(result.death(arm) is not None for arm in lines) else ""
        rules = result.scenario.rules
        axes.text(
            1.0, -0.145, f"▼ nadir   ◆ {rules.progression_from} × {rules.progression:g}   ✕ primary gone{dies}",
            transform=axes.transAxes, fontsize=9, color=SOFT, ha="right",
        )  # fmt: skip


def _marks(axes: Axes, result: Result, arm: str, colour: str, small: bool) -> None:
    found, start = result.outcomes[arm], watch(result.scenario, arm).start
    if "nadir" not in found or not result.scenario.arms[arm] or found["responded"].value != 1.0:
        return
    size = 6 if small else 9
    style: dict[str, Any] = {"markerfacecolor": colour, "markeredgecolor": "white", "markeredgewidth": 1.0, "clip_on": False}
    nadir, day = found["nadir"].value, start + found["nadir_day"].value
    if nadir >= ONE_CELL:
        axes.plot([day], [nadir], "v", markersize=size, zorder=9, **style)
    elif result.trajectories[arm]["burden"][-1] < ONE_CELL and not _operated(result, arm):
        axes.plot([day], [axes.get_ylim()[0] * 1.3], "X", markersize=size + 2, zorder=9, **style)
    progression = found["time_to_progression"]
    if progression.observed and nadir >= ONE_CELL:
        day = start + progression.value
        level = np.interp(day, result.trajectories[arm].times, result.trajectories[arm]["burden"])
        axes.plot([day], [level], "D", markersize=size - 2, zorder=9, **style)


def _death(axes: Axes, result: Result, arm: str, line: Floats) -> None:
    """A † at the end of the line of an arm whose host dies."""
    day = result.death(arm)
    if day is not None and np.isfinite(line[-1]):
        colour = arm_styles(result.scenario.arms)[arm].colour
        axes.annotate(
            "†", (day, line[-1]), xytext=(2, 0), textcoords="offset points", va="center", fontsize=14, color=colour,
            fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def _operated(result: Result, arm: str) -> bool:
    network = result.scenario.network
    return any(network.resects(dose.agent) for dose in result.scenario.doses(arm))


_LOCAL: Final = ("hibernating", "active", "adapted")
_DISTANT: Final = ("hibernating_metastases", "metastases", "adapted_metastases")


def _hibernation(axes: Axes, result: Result, last: bool) -> None:
    """Hibernating cells (filled below) against dividing cells (thin) and adapted ones (dotted) of the treated arms."""
    styles = arm_styles(result.scenario.arms)
    recorded = next(iter(result.trajectories.values()))
    local = "hibernating" in recorded
    asleep, awake, changed = _LOCAL if local else _DISTANT
    arms = [arm for arm, item in result.trajectories.items() if float(np.nanmax(item[asleep])) >= ONE_CELL]
    sleeping, active = ({arm: _drawable(result.trajectories[arm][name]) for arm in arms} for name in (asleep, awake))
    adapted = {arm: _drawable(result.trajectories[arm][changed]) for arm in arms} if changed in recorded else {}
    log_axis(axes, [*sleeping.values(), *active.values()])
    for arm in arms:
        times, colour = result.trajectories[arm].times, styles[arm].colour
        axes.plot(times, active[arm], color=colour, linewidth=1.1, alpha=0.75)
        if arm in adapted:
            axes.plot(times, adapted[arm], color=colour, linewidth=1.3, linestyle=":")
        axes.plot(times, sleeping[arm], **styles[arm].line())
        axes.fill_between(times, axes.get_ylim()[0], sleeping[arm], color=colour, alpha=0.10, linewidth=0)
    _name_arms(axes, result, sleeping, gap=0.11)
    where = "" if local else " metastases"
    axes.set_title(f"Hibernating (thick), dividing (thin){', adapted (dotted)' if adapted else ''}{where}")
    axes.set_ylabel("cells")
    _days(axes, result, last)


def _factor_names(result: Result) -> list[str]:
    """Host factors, those that rise most first."""
    peaks: dict[str, float] = {}
    for trajectory in result.trajectories.values():
        for name, unit in zip(trajectory.names, trajectory.units, strict=True):
            if unit == "fold" and not name.startswith("excess_"):
                high = float(np.nanmax(trajectory[name])) if np.isfinite(trajectory[name]).any() else math.nan
                peaks[name] = max(peaks.get(name, 0.0), high)
    return sorted(peaks, key=lambda name: -peaks[name])


def _factors(axes: Axes, result: Result, last: bool) -> None:
    """What still acts of each host factor, as fold over untreated: reference arm against combination."""
    styles = arm_styles(result.scenario.arms)
    drawn = [arm for arm in (result.scenario.reference, "combination") if arm in result.trajectories]
    arms: list[str] = [arm for arm in drawn if arm is not None] or list(result.trajectories)[:2]
    names = _factor_names(result)[:MOST_FACTORS]
    folds = {arm: [_acting(result, arm, name) for name in names] for arm in arms}
    for arm in arms:
        # the first arm is wider, so that it shows where the next one lies on it
        wider = 2.6 / 1.8 if arm == arms[0] else 1.0
        style = {"color": styles[arm].colour, "linewidth": 1.8 * wider, "zorder": styles[arm].order}
        for fold, dashes in zip(folds[arm], FACTOR_DASHES, strict=False):
            (line,) = axes.plot(result.trajectories[arm].times, fold, **style)  # type: ignore[arg-type]
            line.set_dashes([dash / wider for dash in dashes])
    top = max([1.0, *(float(np.nanmax(fold)) for some in folds.values() for fold in some)])
    axes.set_ylim(0, top * 1.12)
    if top > 6:
        axes.set_yscale("log")
        axes.set_ylim(0.8, top * 1.4)
        set_ticks(axes.yaxis, [tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick <= top * 1.4])
    axes.grid(axis="y")
    handles = [Line2D([], [], color=INK, linewidth=1.6) for _ in names]
    for handle, dashes in zip(handles, FACTOR_DASHES, strict=False):
        handle.set_dashes(dashes)
    axes.legend(
        handles, [display_name(name) for name in names], fontsize=8.5, frameon=False, loc="upper left",
        bbox_to_anchor=(1.0, 1.04), handlelength=1.9, borderpad=0.1,
    )  # fmt: skip
    points = axes.bbox.height * 72 / DOTS_PER_INCH
    below_the_key = 1.0 - (14 * len(names) + 8) / points
    levels = sorted(((float(some[0][-1]), arm) for arm, some in folds.items() if some), key=lambda item: -item[0])
    ends = [
        (min(height_of(axes, [level]), below_the_key - 0.12 * rank), display_name(arm), styles[arm].colour)
        for rank, (level, arm) in enumerate(levels)
    ]
    label_ends(axes, ends, size=8.5, gap=0.12)
    axes.set_title("Answer to treatment, unblocked part")
    axes.set_ylabel("fold over untreated")
    _days(axes, result, last)


def _acting(result: Result, arm: str, factor: str) -> Floats:
    """The level of a factor that still acts after blockade, over the untreated arm at the same time, or at its end."""
    trajectory = result.trajectories[arm]
    level = 1 + trajectory[f"excess_{factor}"] if f"excess_{factor}" in trajectory else trajectory[factor]
    untreated = result.scenario.untreated
    if untreated is None or untreated not in result.trajectories:
        return level
    other = result.trajectories[untreated]
    return level / np.interp(trajectory.times, other.times, other[factor])


def _metastases(axes: Axes, result: Result, last: bool) -> None:
    """Metastases over those of the untreated arm at the same time; in cells where there is none that lives to the end."""
    untreated = result.scenario.untreated or ""
    other = result.trajectories.get(untreated)
    other = None if other is not None and result.death(untreated) is not None else other
    lines = {}
    for arm, item in result.trajectories.items():
        lines[arm] = _drawable(item["metastatic_burden"])
        if other is not None:
            lines[arm] = lines[arm] / np.interp(item.times, other.times, other["metastatic_burden"])
    log_axis(axes, lines.values(), floor=0.0)
    for arm, line in lines.items():
        axes.plot(result.trajectories[arm].times, line, **arm_styles(result.scenario.arms)[arm].line())
        _death(axes, result, arm, line)
    _name_arms(axes, result, lines)
    axes.set_title("Metastases")
    axes.set_ylabel("cells" if other is None else "fold over untreated")
    _days(axes, result, last)


def _kills(axes: Axes, result: Result, last: bool) -> None:
    """Kill from course to course."""
    kills = {arm: some for arm, found in result.outcomes.items() if (some := _course_kills(found))}
    courses = np.arange(1, max(map(len, kills.values()), default=1) + 1)
    for arm, some in kills.items():
        axes.plot(courses[: len(some)], some, marker="o", markersize=7, **arm_styles(result.scenario.arms)[arm].line())
    seen = [kill for some in kills.values() for kill in some if math.isfinite(kill)]
    axes.set_ylim(0, 1.2 * max(seen, default=1.0) or 1.0)
    axes.set_xlim(0.7, courses[-1] + 0.3)
    set_ticks(axes.xaxis, courses.tolist())
    axes.grid(axis="y")
    _name_arms(axes, result, {arm: some[-1:] for arm, some in kills.items()})
    axes.set_title("Kill per course")
    axes.set_ylabel("log10 fall of burden")
    if last:
        axes.set_xlabel("course", labelpad=1)


def _course_kills(found: Mapping[str, Outcome]) -> list[float]:
    count = found["courses"].value if "courses" in found else 0.0
    return [found[f"log_kill_{number}"].value for number in range(1, int(count) + 1)] if math.isfinite(count) else []


def _drawable(values: Floats) -> Floats:
    """Cells for a log axis: below half a cell there is nothing to draw."""
    return np.where(values >= 0.5, values, np.nan)


def _name_arms(
    axes: Axes, result: Result, lines: Mapping[str, Floats | list[float]], size: float = 8.5, gap: float = 0.115
) -> None:
    """Names of arms at the ends of their lines."""
    styles = arm_styles(result.scenario.arms)
    ends = [(height_of(axes, line), display_name(arm), styles[arm].colour) for arm, line in lines.items()]
    label_ends(axes, ends, size=size, gap=gap)


def _days(axes: Axes, result: Result, label: bool = True) -> None:
    axes.set_xlim(0, result.scenario.days)
    if label:
        axes.set_xlabel("day", labelpad=1)
