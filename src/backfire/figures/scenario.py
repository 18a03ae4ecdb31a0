"""Figures made to be shown: one scenario on a slide (``comparison``), many side by side (``atlas``).

Both draw from a ``Result`` alone, fresh or read back from a stored run.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from backfire.errors import UserError
from backfire.figures.bars import bars
from backfire.figures.style import DOTS_PER_INCH, FAINT, INK, arm_looks, label_ends, look, new_figure
from backfire.formatting import display_name, power_of_ten
from backfire.outcomes import ONE_CELL, Outcome
from backfire.simulation import Result
from backfire.solvers import Floats

FACTOR_DASHES: Final[tuple[tuple[float, ...], ...]] = ((), (4, 2), (1.2, 1.5), (7, 2, 1.5, 2), (2, 1), (9, 3))
MOST_FACTORS: Final = 3
Panel = Callable[[Axes, "Result", bool], None]
"""Draws one panel: axes, result, whether it is the lowest of its column."""


def comparison(result: Result) -> Figure:
    """One slide for one scenario: burden by arm with dosing, hibernation, host factors, metastases, outcomes.

    Panels that have nothing to show (no hibernating cells, no metastases) are left out.
    """
    scenario = result.scenario
    with look():
        figure = new_figure(14.0, 7.9, scenario.title, {scenario.name: scenario.hash})
        grid = GridSpec(
            2, 2, figure, left=0.1, right=0.905, top=0.885, bottom=0.075, width_ratios=(1.25, 1), height_ratios=(3.3, 1),
            wspace=0.4, hspace=0.33,
        )  # fmt: skip
        strip = 0.2 + 0.17 * max(1, len(_given(result)))
        left = grid[0, 0].subgridspec(2, 1, height_ratios=(strip, 4.5), hspace=0.04)
        burden = figure.add_subplot(left[1])
        _burden(burden, result)
        _dosing(figure.add_subplot(left[0], sharex=burden), result)
        panels = [draw for draw, wanted in _panels(result) if wanted]
        right = grid[0, 1].subgridspec(max(1, len(panels)), 1, hspace=0.42)
        for index, draw in enumerate(panels):
            draw(figure.add_subplot(right[index]), result, index == len(panels) - 1)
        bars(figure, grid[1, :], result, most=5)
    return figure


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
    with look():
        title = "Treatment, the answer it provokes, and what blocking that answer gains"
        figure = new_figure(21.0, height, title, {row.scenario.name: row.scenario.hash for row in rows}, title_size=20)
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
    panels = [draw for draw, wanted in _panels(result) if wanted]
    chosen = [_factors, *(draw for draw in panels if draw is not _factors)][:2]
    for column, draw in enumerate(chosen, start=1):
        draw(figure.add_subplot(grid[index, column]), result, True)
    bars(figure, grid[index, 3], result, most=2)


def _panels(result: Result) -> list[tuple[Panel, bool]]:
    some = next(iter(result.trajectories.values()))
    spread = "metastatic_burden" in some
    courses = max((len(_course_kills(found)) for found in result.outcomes.values()), default=0)
    return [
        (_hibernation, "hibernating" in some),
        (_factors, bool(_factor_names(result))),
        (_metastases, spread),
        (_kills, courses > 2 and not spread and "hibernating" not in some),
    ]


class _Regimen:
    """A regimen as the dosing strip shows it."""

    def __init__(self, label: str, days: list[float], duration: float, surgery: bool) -> None:
        self.label, self.days, self.duration, self.surgery = label, days, duration, surgery


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
            rows.append(
                _Regimen(display_name(label), days, regimen.duration, scenario.network.interventions[regimen.agent].resects)
            )
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
    axes.yaxis.set_major_locator(FixedLocator(list(range(len(rows)))))
    axes.set_yticklabels([row.label for row in reversed(rows)], fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _burden(axes: Axes, result: Result, small: bool = False) -> None:
    """Burden of every arm on a log axis; nadir ▼, progression ◆, eradication ✕."""
    looks = arm_looks(result.scenario.arms)
    arms = list(result.trajectories)
    lines = {arm: _drawable(result.trajectories[arm]["burden"]) for arm in arms}
    _log_axis(axes, lines.values())
    for arm in arms:
        trajectory = result.trajectories[arm]
        axes.plot(trajectory.times, lines[arm], **looks[arm].line())
        _marks(axes, result, arm, looks[arm].colour, small)
    _days(axes, result)
    axes.set_ylabel("tumour burden (cells)")
    for row in _given(result):
        if row.surgery:
            axes.axvline(row.days[0], color=FAINT, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)
            axes.text(row.days[0], 0.02, " surgery", transform=axes.get_xaxis_transform(), fontsize=8.5, color="#555555")
    if not small:
        ends = [(_height(axes, lines[arm]), display_name(arm), looks[arm].colour) for arm in arms]
        label_ends(axes, ends, 1.0, size=10.5)
        axes.text(
            1.0, -0.145, f"▼ nadir   ◆ nadir × {result.scenario.rules.progression:g}   ✕ primary gone",
            transform=axes.transAxes, fontsize=9, color="#555555", ha="right",
        )  # fmt: skip


def _marks(axes: Axes, result: Result, arm: str, colour: str, small: bool) -> None:
    found, start = result.outcomes[arm], _start(result)
    if "nadir" not in found or not result.scenario.arms[arm] or found["responded"].value != 1.0:
        return
    size = 6 if small else 9
    style = {"markerfacecolor": colour, "markeredgecolor": "white", "markeredgewidth": 1.0, "zorder": 9, "clip_on": False}
    nadir, day = found["nadir"].value, start + found["nadir_day"].value
    if nadir >= ONE_CELL:
        axes.plot([day], [nadir], "v", markersize=size, **style)  # type: ignore[arg-type]
    elif result.trajectories[arm]["burden"][-1] < ONE_CELL and not _operated(result, arm):
        axes.plot([day], [axes.get_ylim()[0] * 1.3], "X", markersize=size + 2, **style)  # type: ignore[arg-type]
    progression = found["time_to_progression"]
    if progression.observed and nadir >= ONE_CELL:
        level = nadir * result.scenario.rules.progression
        axes.plot([start + progression.value], [level], "D", markersize=size - 2, **style)  # type: ignore[arg-type]


def _operated(result: Result, arm: str) -> bool:
    network = result.scenario.network
    return any(network.interventions[dose.agent].resects for dose in result.scenario.doses(arm))


def _start(result: Result) -> float:
    doses = [dose.time for arm in result.scenario.arms for dose in result.scenario.doses(arm) if dose.amount > 0]
    return min(doses, default=0.0)


def _hibernation(axes: Axes, result: Result, last: bool) -> None:
    """Hibernating cells (filled below) against active cells (thin) of the treated arms."""
    looks = arm_looks(result.scenario.arms)
    arms = [arm for arm in result.trajectories if float(np.nanmax(result.trajectories[arm]["hibernating"])) >= ONE_CELL]
    lines = [_drawable(result.trajectories[arm][name]) for arm in arms for name in ("hibernating", "active")]
    _log_axis(axes, lines)
    ends = []
    for arm in arms:
        trajectory, colour = result.trajectories[arm], looks[arm].colour
        sleeping = _drawable(trajectory["hibernating"])
        axes.plot(trajectory.times, _drawable(trajectory["active"]), color=colour, linewidth=1.1, alpha=0.75)
        axes.plot(trajectory.times, sleeping, **looks[arm].line())
        axes.fill_between(trajectory.times, axes.get_ylim()[0], sleeping, color=colour, alpha=0.10, linewidth=0)
        ends.append((_height(axes, sleeping), display_name(arm), colour))
    label_ends(axes, ends, 1.0, size=8.5, gap=0.11)
    axes.set_title("Hibernating (thick), active (thin)")
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
    looks = arm_looks(result.scenario.arms)
    drawn = [arm for arm in (result.scenario.reference, "combination") if arm in result.trajectories]
    arms: list[str] = [arm for arm in drawn if arm is not None] or list(result.trajectories)[:2]
    names = _factor_names(result)[:MOST_FACTORS]
    top = 1.0
    last_levels: dict[str, float] = {}
    for arm in arms:
        for name, dashes in zip(names, FACTOR_DASHES, strict=False):
            fold = _acting(result, arm, name)
            top = max(top, float(np.nanmax(fold)))
            last_levels.setdefault(arm, float(fold[-1]))
            # the first arm is wider, so that it shows where the next one lies on it
            (line,) = axes.plot(
                result.trajectories[arm].times, fold, color=looks[arm].colour, linewidth=1.8 if arm != arms[0] else 2.6,
                zorder=looks[arm].order,
            )  # fmt: skip
            line.set_dashes([dash * (1.8 / 2.6 if arm == arms[0] else 1.0) for dash in dashes])
    axes.set_ylim(0, top * 1.12)
    if top > 6:
        axes.set_yscale("log")
        axes.set_ylim(0.8, top * 1.4)
        axes.yaxis.set_major_locator(FixedLocator([tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick <= top * 1.4]))
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
        axes.yaxis.set_minor_locator(NullLocator())
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
    ends = []
    for rank, (arm, level) in enumerate(sorted(last_levels.items(), key=lambda item: -item[1])):
        ends.append((min(_share(axes, level), below_the_key - 0.12 * rank), display_name(arm), looks[arm].colour))
    label_ends(axes, ends, 1.0, size=8.5, gap=0.12)
    axes.set_title("Answer to treatment, unblocked part")
    axes.set_ylabel("fold over untreated")
    _days(axes, result, last)


def _acting(result: Result, arm: str, factor: str) -> Floats:
    """The level of a factor that still acts after blockade, over the untreated arm at the same time."""
    trajectory = result.trajectories[arm]
    level = 1 + trajectory[f"excess_{factor}"] if f"excess_{factor}" in trajectory else trajectory[factor]
    untreated = result.scenario.untreated
    if untreated is None or untreated not in result.trajectories:
        return level
    other = result.trajectories[untreated]
    return level / np.interp(trajectory.times, other.times, other[factor])


def _metastases(axes: Axes, result: Result, last: bool) -> None:
    """Metastases over those of the untreated arm at the same time; in cells where there is no untreated arm."""
    looks = arm_looks(result.scenario.arms)
    other = result.trajectories.get(result.scenario.untreated or "")
    lines = {}
    for arm, item in result.trajectories.items():
        lines[arm] = _drawable(item["metastatic_burden"])
        if other is not None:
            lines[arm] = lines[arm] / np.interp(item.times, other.times, other["metastatic_burden"])
    _log_axis(axes, lines.values(), floor=0.0)
    for arm, line in lines.items():
        axes.plot(result.trajectories[arm].times, line, **looks[arm].line())
    ends = [(_height(axes, line), display_name(arm), looks[arm].colour) for arm, line in lines.items()]
    label_ends(axes, ends, 1.0, size=8.5, gap=0.115)
    axes.set_title("Metastases")
    axes.set_ylabel("cells" if other is None else "fold over untreated")
    _days(axes, result, last)


def _kills(axes: Axes, result: Result, last: bool) -> None:
    """Kill from course to course."""
    looks = arm_looks(result.scenario.arms)
    ends: list[tuple[float, str, str]] = []
    courses = 1
    drawn = {arm: _course_kills(found) for arm, found in result.outcomes.items()}
    seen = [kill for kills in drawn.values() for kill in kills if math.isfinite(kill)]
    top = 1.2 * max(seen, default=1.0) or 1.0
    for arm, kills in drawn.items():
        if kills:
            courses = max(courses, len(kills))
            axes.plot(range(1, len(kills) + 1), kills, marker="o", markersize=7, **looks[arm].line())
            ends.append((kills[-1] / top if math.isfinite(kills[-1]) else 0.0, display_name(arm), looks[arm].colour))
    axes.set_ylim(0, top)
    axes.set_xlim(0.7, courses + 0.3)
    axes.xaxis.set_major_locator(FixedLocator(list(range(1, courses + 1))))
    axes.grid(axis="y")
    label_ends(axes, ends, 1.0, size=8.5, gap=0.115)
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


def _log_axis(axes: Axes, lines: Iterable[Floats], floor: float = 0.4) -> None:
    finite = [line[np.isfinite(line)] for line in lines]
    present = np.concatenate([line for line in finite if len(line)] or [np.array([1.0, 10.0])])
    low, high = float(present.min()), min(float(present.max()), 1e300)
    axes.set_yscale("log")
    narrow = high / 50 < low
    margin = 1.5 if narrow else 2.5
    axes.set_ylim(max(min(low, high) / margin, floor), max(high * margin, min(low, high) * 3))
    axes.yaxis.set_major_locator(LogLocator(base=10, numticks=7, subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain if narrow and high < 1e3 else _power))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")


def _power(value: float, _: int) -> str:
    if value <= 0:
        return ""
    exponent = math.floor(math.log10(value) + 1e-9)
    digit = round(value / 10**exponent)
    return (f"{digit}·" if digit != 1 else "") + power_of_ten(exponent)


def _plain(value: float, _: int) -> str:
    return f"{value:g}"


def _height(axes: Axes, line: Floats) -> float:
    """Where the last drawn value of a line stands, as a share of the height of the axes; 0 if nothing is drawn."""
    finite = line[np.isfinite(line)]
    if len(finite) == 0:
        return 0.0
    low, high = axes.get_ylim()
    return float(np.clip((math.log(finite[-1]) - math.log(low)) / (math.log(high) - math.log(low)), 0, 1))


def _share(axes: Axes, level: float) -> float:
    """Where a level stands, as a share of the height of the axes."""
    inside = axes.transAxes.inverted().transform(axes.transData.transform((0.0, level)))
    return float(np.clip(inside[1], 0, 1)) if math.isfinite(level) else 0.0


def _days(axes: Axes, result: Result, label: bool = True) -> None:
    axes.set_xlim(0, result.scenario.days)
    if label:
        axes.set_xlabel("day", labelpad=1)
