"""The panels of one scenario's figure that every model has: dosing, burden, other totals, kill per course."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from backfire.figures.labels import height_of, label_ends
from backfire.figures.page import DOTS_PER_INCH, log_axis, round_places, set_ticks
from backfire.figures.style import FAINT, INK, PALE, SOFT, arm_styles
from backfire.formatting import display_name, unit_in_words
from backfire.model import Dose, Regimen, as_written
from backfire.outcomes import ONE_CELL, Outcome, declared
from backfire.simulation import Result, watch
from backfire.solvers import Floats

CROWDED: Final = 4.5
"""Points: doses closer than this are drawn as one band."""
WIDE: Final = 30
"""A burden in another unit than cells that spans more than this factor has a logarithmic axis."""


@dataclass(frozen=True)
class Given:
    """A regimen as the dosing strip shows it."""

    label: str
    doses: list[Dose]
    regimen: Regimen
    surgery: bool

    @property
    def days(self) -> list[float]:
        """The days on which doses begin."""
        return [dose.time for dose in self.doses]

    @property
    def heights(self) -> list[float]:
        """How high each dose is drawn, as a share of the largest."""
        rates = [dose.amount / dose.duration if dose.duration else dose.amount for dose in self.doses]
        most = max(rates, default=0.0)
        return [rate / most if most > 0 else 1.0 for rate in rates]


def given(result: Result) -> list[Given]:
    """The regimens of the drawn arms, once each, in the order of the file; of those with rules what each arm was given."""
    scenario = result.scenario
    used = {name for arm in result.trajectories for name in scenario.arms[arm]}
    rows = []
    agents = [scenario.regimens[name].agent for name in used]
    for name, regimen in scenario.regimens.items():
        if name in used:
            label = display_name(regimen.agent if agents.count(regimen.agent) == 1 else name)
            arms = [arm for arm in result.trajectories if name in scenario.arms[arm]]
            if not regimen.rules:
                rows.append(Given(label, [*regimen.doses()], regimen, scenario.network.resects(regimen.agent)))
                continue
            for arm in arms:
                own = label if len(arms) == 1 else f"{label}, {display_name(arm)}"
                rows.append(Given(own, result.administered(arm)[name], regimen, False))
    return rows


def strip_rows(result: Result) -> list[Given]:
    """The regimens that the dosing strip has a row for: all but surgery, which is a line through the burden."""
    return [row for row in given(result) if not row.surgery]


def dosing(axes: Axes, result: Result, rows: list[Given], named: bool = False, beyond: float = 0.0) -> None:
    """One row per regimen: a tick per bolus, a bar per infusion, and a band where ticks would run together.

    ``named`` writes the names beside the doses, where they have room, instead of before the strip; words behind doses may reach
    so many inches ``beyond`` its end.
    """
    points = axes.bbox.width * 72 / DOTS_PER_INCH / result.scenario.days
    axes.set_xlim(0, result.scenario.days)
    for level, row in enumerate(reversed(rows)):
        crowded = row.regimen.duration == 0 and not row.regimen.rules and 0 < row.regimen.every * points < CROWDED
        if row.regimen.duration > 0:
            _bars(axes, row, level)
        else:
            _ticks(axes, row, level, CROWDED / points)
        often = ("daily" if row.regimen.every == 1 else f"every {row.regimen.every:g} days") if crowded else ""
        if named and row.doses:
            words = [f"{row.label}, {often}", row.label] if often else [row.label]
            _say(axes, row, level, points, words, inside=crowded, beyond=72 * beyond)
        elif often:
            _say(axes, row, level, points, [often], inside=True)
    axes.set_ylim(-0.6, max(len(rows), 1) - 0.4)
    names = [] if named else [textwrap.shorten(row.label, 26, placeholder=" …") for row in reversed(rows)]
    axes.set_yticks(range(len(names)), names, fontsize=8.5 if max(map(len, names), default=0) < 19 else 7)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _say(axes: Axes, row: Given, level: int, points: float, words: list[str], inside: bool, beyond: float = 0.0) -> None:
    """The first of some ``words`` for which there is room in the band, behind the doses or before them, else the last of them
    cut short; ``points`` to a day."""
    first, last = row.days[0], row.doses[-1].end
    places = {
        "center": ((first + last) / 2, 0, (last - first) * points if inside else 0.0),
        "left": (last, 4, (axes.get_xlim()[1] - last) * points + beyond),
        "right": (first, -4, first * points),
    }
    letters = {side: int((room - 6) / 4.2) for side, (_, _, room) in places.items()}
    widest = max(letters, key=lambda side: letters[side])
    cut = (f"{words[-1][: letters[widest] - 1]}…", widest)
    said, side = next(((text, side) for text in words for side in places if len(text) <= letters[side]), cut)
    if letters[side] > 5 or said != cut[0]:
        day, aside, _ = places[side]
        place = {"xytext": (aside, 0), "textcoords": "offset points", "ha": side, "va": "center", "fontsize": 7.5}
        axes.annotate(said, (day, level), color=INK if side == "center" else SOFT, **place)  # type: ignore[arg-type]


def _bars(axes: Axes, row: Given, level: int) -> None:
    """Infusions, and what is on or off, as thick as they are strong."""
    widths = [max(1.0, 5 * height) for height in row.heights]
    axes.hlines(np.full(len(row.days), level), row.days, [dose.end for dose in row.doses], color=INK, linewidth=widths)


def _ticks(axes: Axes, row: Given, level: int, nearest: float) -> None:
    """Boluses: ticks as high as they are large, and a band where they would run together."""
    heights = {day: 0.64 * max(0.15, height) for day, height in zip(row.days, row.heights, strict=True)}
    for first, last, count in runs(row.days, nearest):
        if count == 1:
            axes.vlines([first], level - 0.32, level - 0.32 + heights[first], color=INK, linewidth=1.6)
        else:
            axes.barh(level, last - first, left=first, height=0.66, color=PALE, edgecolor=INK, linewidth=0.8)


def runs(days: list[float], nearest: float) -> Iterable[tuple[float, float, int]]:
    """Days in (first, last, count) runs of which each lies nearer than ``nearest`` to the next."""
    run: list[float] = []
    for day in days:
        if run and day - run[-1] >= nearest:
            yield run[0], run[-1], len(run)
            run = []
        run.append(day)
    if run:
        yield run[0], run[-1], len(run)


def burden(axes: Axes, result: Result, small: bool = False) -> None:
    """Burden of every arm; nadir ▼, progression ◆, eradication ✕, death of the host †, surgery a dotted line."""
    styles, unit = arm_styles(result.scenario.arms), unit_of(result, "burden")
    lines = {arm: drawable(item["burden"], unit) for arm, item in result.trajectories.items()}
    if unit == "cell" or _spans(lines.values()) > WIDE:
        cells_axis(axes, lines.values(), 0.4 if unit == "cell" else 0.0)
    else:
        axes.set_ylim(0, 1.08 * max([float(np.nanmax(line)) for line in lines.values() if np.isfinite(line).any()] or [1]))
        axes.grid(axis="y")
    shown: set[str] = set()
    for arm, line in lines.items():
        axes.plot(result.trajectories[arm].times, line, **styles[arm].line())
        shown |= _marks(axes, result, arm, styles[arm].colour, small)
        shown |= {"†"} if mark_death(axes, result, arm, line) else set()
    days_axis(axes, result)
    words = unit_in_words(unit)
    axes.set_ylabel(f"tumour burden ({words})" if words else "tumour burden")
    for day in sorted({row.days[0] for row in given(result) if row.surgery}):
        axes.axvline(day, color=FAINT, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)
        axes.text(day, 0.02, " surgery", transform=axes.get_xaxis_transform(), fontsize=8.5, color=SOFT)
    name_arms(axes, result, lines, size=8.5 if small else 10.5, gap=0.075 if small else 0.055)
    if not small:
        rules = result.scenario.rules
        means = {"▼": "nadir", "◆": rules.threshold, "✕": "primary gone", "†": "host dies"}
        words = "   ".join(f"{mark} {meaning}" for mark, meaning in means.items() if mark in shown)
        place = {"xytext": (0, -31), "textcoords": "offset points", "ha": "right", "va": "top", "fontsize": 9, "color": SOFT}
        axes.annotate(words, (1.0, 0.0), xycoords="axes fraction", **place)  # type: ignore[arg-type]


def _spans(lines: Iterable[Floats]) -> float:
    """Largest over smallest value above zero."""
    seen = np.concatenate([line[np.isfinite(line) & (line > 0)] for line in lines])
    return float(seen.max() / seen.min()) if len(seen) else 1.0


def _marks(axes: Axes, result: Result, arm: str, colour: str, small: bool) -> set[str]:
    """Draw nadir, progression and eradication of a treated arm that responds; gives the marks drawn."""
    found, start = result.outcomes[arm], watch(result.scenario, arm).start
    if "nadir" not in found or not result.scenario.arms[arm] or found["responded"].value != 1.0:
        return set()
    size, shown = 6 if small else 9, set()
    style: dict[str, Any] = {"markerfacecolor": colour, "markeredgecolor": "white", "markeredgewidth": 1.0, "clip_on": False}
    nadir, day, in_cells = found["nadir"].value, start + found["nadir_day"].value, unit_of(result, "burden") == "cell"
    left = nadir >= ONE_CELL or not in_cells
    if left:
        axes.plot([day], [nadir], "v", markersize=size, zorder=9, **style)
        shown.add("▼")
    elif result.trajectories[arm]["burden"][-1] < ONE_CELL and not _operated(result, arm):
        axes.plot([day], [axes.get_ylim()[0] * 1.3], "X", markersize=size + 2, zorder=9, **style)
        shown.add("✕")
    progression = found["time_to_progression"]
    if progression.observed and left:
        day = start + progression.value
        level = np.interp(day, result.trajectories[arm].times, result.trajectories[arm]["burden"])
        axes.plot([day], [level], "D", markersize=size - 2, zorder=9, **style)
        shown.add("◆")
    return shown


def mark_death(axes: Axes, result: Result, arm: str, line: Floats, size: float = 14) -> bool:
    """A † at the end of the line of an arm whose host dies; whether there is one."""
    day = result.death(arm)
    if day is None or not np.isfinite(line[-1]):
        return False
    axes.annotate(
        "†", (day, line[-1]), xytext=(2, 0), textcoords="offset points", va="center", fontsize=size,
        color=arm_styles(result.scenario.arms)[arm].colour, fontweight="bold", annotation_clip=False,
    )  # fmt: skip
    return True


def _operated(result: Result, arm: str) -> bool:
    network = result.scenario.network
    return any(network.resects(dose.agent) for dose in result.scenario.doses(arm))


def total(axes: Axes, result: Result, name: str, last: bool) -> None:
    """Another total than the burden over that of the untreated arm at the same time; as it is where there is none that
    lives to the end."""
    untreated, unit = result.scenario.untreated or "", unit_of(result, name)
    other = result.trajectories.get(untreated)
    other = None if other is not None and result.death(untreated) is not None else other
    lines = {}
    for arm, item in result.trajectories.items():
        lines[arm] = drawable(item[name], unit)
        if other is not None:
            with np.errstate(all="ignore"):
                lines[arm] = lines[arm] / np.interp(item.times, other.times, other[name])
    log_axis(axes, [np.where(line > 0, line, np.nan) for line in lines.values()], floor=0.0)
    for arm, line in lines.items():
        axes.plot(result.trajectories[arm].times, line, **arm_styles(result.scenario.arms)[arm].line())
        mark_death(axes, result, arm, line)
    several = sum(name in state.totals for state in result.scenario.network.states) > 1
    axes.set_title(headline(f"{'all ' if several else ''}{declared(name).titled(name)}"))
    axes.set_ylabel("× untreated" if other is not None else unit_in_words(unit))
    days_axis(axes, result, last)


def kills(axes: Axes, result: Result) -> None:
    """Kill from course to course."""
    some = {arm: kills for arm, found in result.outcomes.items() if (kills := course_kills(found))}
    most = max(map(len, some.values()), default=1)
    for arm, each in some.items():
        axes.plot(range(1, len(each) + 1), each, marker="o", markersize=6, **arm_styles(result.scenario.arms)[arm].line())
    seen = [kill for each in some.values() for kill in each if math.isfinite(kill)]
    axes.set_ylim(0, 1.2 * max(seen, default=1.0) or 1.0)
    axes.set_xlim(0.7, most + 0.3)
    set_ticks(axes.xaxis, round_places(1, most, 8) if most > 8 else range(1, most + 1))
    axes.grid(axis="y")
    axes.set_title("Kill per course")
    axes.set_ylabel("log10 of fall")
    axes.set_xlabel("course", labelpad=1)


def course_kills(found: Mapping[str, Outcome]) -> list[float]:
    """The kill of each course that an arm was given."""
    count = found["courses"].value if "courses" in found else 0.0
    return [found[f"log_kill_{number}"].value for number in range(1, int(count) + 1)] if math.isfinite(count) else []


def unit_of(result: Result, name: str) -> str:
    """The unit of something recorded."""
    some = next(iter(result.trajectories.values()))
    return some.units[some.names.index(name)]


def drawable(values: Floats, unit: str) -> Floats:
    """What a log axis can show: of cells from half of one on, of other units what is more than a millionth of the most."""
    if unit == "cell":
        return np.where(values >= 0.5, values, np.nan)
    most = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    return np.where(values > 1e-6 * most, values, np.nan) if most > 0 else values


def cells_axis(axes: Axes, lines: Iterable[Floats], floor: float = 0.4) -> None:
    """A log axis on which all lines have room."""
    log_axis(axes, [line[line > 0] for line in lines], floor)


def name_arms(
    axes: Axes, result: Result, lines: Mapping[str, Floats | list[float]], size: float = 8.5, gap: float = 0.115
) -> None:
    """Names of arms at the ends of their lines, each with a piece of its line."""
    styles = arm_styles(result.scenario.arms)
    ends = [(height_of(axes, line), display_name(arm), styles[arm].colour) for arm, line in lines.items()]
    label_ends(axes, ends, size=size, gap=gap, samples={display_name(arm): styles[arm] for arm in lines})


def headline(words: str) -> str:
    """Words as a title; a letter on its own is a name and stays as it is."""
    return words[0].upper() + words[1:] if len(words) > 1 else words


def days_axis(axes: Axes, result: Result, label: bool = True) -> None:
    """From day 0 to the last day, with as many round days as there is room for."""
    axes.set_xlim(0, result.scenario.days)
    set_ticks(axes.xaxis, round_places(0, result.scenario.days, min(8, max(3, int(axes.bbox.width / 45))), (1, 2, 2.5, 5, 10)))
    if label:
        axes.set_xlabel("day", labelpad=1)


def own_starts(result: Result) -> str:
    """In words on which days the arms' own treatment begins, where that differs between them; else nothing."""
    first: dict[float, list[str]] = {}
    for arm in result.trajectories:
        if result.scenario.arms[arm]:
            first.setdefault(float(as_written(result.scenario.first_intervention(arm))), []).append(display_name(arm))
    if len(first) < 2:
        return ""
    return "; ".join(f"day {day:g}: {', '.join(arms)}" for day, arms in sorted(first.items()))
