"""Curves and fans of sweeps: outcomes against a dose with and without the host's answer, or against each of many fields."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.signal import find_peaks
from scipy.stats import rankdata

from backfire.figures import FAINT, INK, arm_looks, label_ends, look
from backfire.figures.sweep.data import LARGEST, Readings, Scale, axes_of, is_switch, logarithmic
from backfire.figures.sweep.page import FAILED, HALO, WIDTH, field_axis, key, note, outcome_axis, page, place
from backfire.formatting import display_name, short
from backfire.sampling import Axis
from backfire.solvers import Floats

MOST_POINTS: Final = 2_000
"""Points of one panel, over all arms."""
MOST_TICKS: Final = 300
MOST_FIELDS: Final = 6
MOST_STRATA: Final = 16
PROMINENT: Final = 0.03
"""A bend of a curve is marked where it stands out by this share of the scale."""
WITHOUT: Final = (4.0, 2.0)


def line_fields(axes: tuple[Axis, ...]) -> tuple[Axis, Axis | None] | None:
    """The field along which curves run and the field that tells solid from dashed; None if the grid has no curves.

    The second is a switch of an influence that is both 0 and 1, or a field with two values.
    """
    varying = [axis for axis in axes if axis.size > 1] or list(axes[:1])
    if len(varying) == 1:
        return varying[0], None
    if len(varying) != 2:
        return None
    for first, second in (varying, varying[::-1]):
        if (is_switch(second.field) and {0.0, 1.0} <= set(second.grid.tolist())) or second.size == 2:
            return first, second
    return None


@dataclass(frozen=True)
class Curve:
    """One line: x (n,), heights (n,), where a time was not seen (n,), which x failed, and whether it is the dashed one."""

    arm: int
    dashed: bool
    x: Floats
    heights: Floats
    unseen: NDArray[np.bool_]
    lost: Floats


def curves(found: Readings) -> Figure:
    """One slide: outcomes side by side against a dose, an arm a colour, solid with the host's answer, dashed without.

    Bends inside the range are marked with the value of the field; a dose above them works less, not more.
    """
    fields = line_fields(axes_of(found.manifest))
    assert fields is not None
    along, pair = fields
    with look():
        figure, top = page(found)
        marks: set[str] = set()
        scales = [found.scale(name) for name in found.values]
        for column, scale in enumerate(scales):
            axes = figure.add_subplot()
            width = (WIDTH - 1.0 - 1.35 - 1.85 * (len(scales) - 1)) / len(scales)
            place(axes, 1.0 + column * (width + 1.85), 1.3, width, top - 1.75)
            log = logarithmic(found.manifest, along.field, along.grid)
            low, high = float(along.grid.min()), float(along.grid.max())
            limits = _limits(low, high, log)
            field_axis(axes, "x", found.label(along.field), limits, log)
            outcome_axis(axes, scale, label=False)
            axes.set_title(scale.label, fontsize=12, pad=8)
            marks |= _curves(axes, found, list(_lines(found, scale, along, pair)), scale)
            here = found.unchanged(along.field)
            if low <= here <= high:
                axes.axvline(here, color=FAINT, linewidth=1.1, linestyle=(0, (1, 2)), zorder=1, label="unchanged")
                marks.add("unchanged")
        _curve_key(figure, found, pair, marks)
    return figure


def _limits(low: float, high: float, log: bool) -> tuple[float, float]:
    """Limits of an axis with a little room on both sides."""
    if log:
        room = (high / low) ** 0.02 if high > low else 2.0
        return max(low, 1 / LARGEST) / room, min(high, LARGEST) * room
    room = 0.02 * (min(high, LARGEST) - max(low, -LARGEST)) or 0.5
    return max(low, -LARGEST) - room, min(high, LARGEST) + room


def _lines(found: Readings, scale: Scale, along: Axis, pair: Axis | None) -> Iterator[Curve]:
    ends = [math.nan] if pair is None else [float(pair.grid.min()), float(pair.grid.max())]
    for arm in range(len(found.arms)):
        for end in ends:
            rows = np.ones(len(found.members), dtype=bool) if pair is None else found.samples[pair.field] == end
            x = found.samples[along.field][rows]
            order = np.argsort(x, kind="stable")
            seen = found.observed.get(scale.name)
            unseen = np.zeros(len(x), dtype=bool) if seen is None else ~seen[rows, arm]
            heights = scale.heights(found.values[scale.name][rows, arm])
            good = found.good[rows, arm]
            dashed = pair is not None and end == ends[0]
            yield Curve(arm, dashed, x[order], heights[order], (unseen & np.isfinite(heights))[order], np.sort(x[~good]))


def _curves(axes: Axes, found: Readings, lines: list[Curve], scale: Scale) -> set[str]:
    """Lines, bends, censored and failed points; gives back which marks there are, for the key."""
    marks: set[str] = set()
    looks, ends = arm_looks(found.arms), []
    low, high = axes.get_ylim()
    for line in lines:
        name = found.arms[line.arm]
        colour = looks[name].colour
        style: dict[str, Any] = {"color": colour, "linewidth": looks[name].width, "zorder": looks[name].order}
        if line.dashed:
            style |= {"dashes": WITHOUT}
        few: dict[str, Any] = {"marker": "o", "markersize": 6} if np.isfinite(line.heights).sum() < 3 else {}
        axes.plot(line.x, line.heights, label=name, **style, **few)
        if line.unseen.any():
            shown = np.flatnonzero(line.unseen)[:: max(1, int(line.unseen.sum()) // 20)]
            open_marks: dict[str, Any] = {"color": colour, "markerfacecolor": "white", "markersize": 6.5, "zorder": 7}
            axes.plot(line.x[shown], line.heights[shown], "^", linestyle="none", **open_marks)
            marks.add("unseen")
        if len(line.lost):
            places = line.lost[:: max(1, len(line.lost) // MOST_POINTS)]
            style_of: dict[str, Any] = {"color": FAILED, "markersize": 7, "markeredgewidth": 1.6, "clip_on": False, "zorder": 8}
            axes.plot(places, np.full(len(places), 0.012), "x", transform=axes.get_xaxis_transform(), **style_of)
            marks.add("failed")
        marks |= _bends(axes, line, scale, colour)
        finite = line.heights[np.isfinite(line.heights)]
        if not line.dashed and len(finite):
            ends.append((float(np.clip((finite[-1] - low) / (high - low), 0, 1)), display_name(name), colour))
    if not any(np.isfinite(line.heights).any() for line in lines):
        note(axes, "no member has a value")
    label_ends(axes, ends, 1.0, size=10)
    return marks


def _bends(axes: Axes, line: Curve, scale: Scale, colour: str) -> set[str]:
    """The most prominent peak and trough inside the range, with the value of the field there."""
    finite = np.isfinite(line.heights)
    x, heights = line.x[finite], line.heights[finite]
    span = scale.high - scale.low
    if len(x) < 3 or not span > 0:
        return set()
    marks = set()
    for kind, marker, sign in (("peak", "^", 1.0), ("trough", "v", -1.0)):
        places, about = find_peaks(sign * heights, prominence=PROMINENT * span, plateau_size=(1, max(1, len(x) // 4)))
        if len(places):
            best = places[int(np.argmax(about["prominences"]))]
            point: dict[str, Any] = {"markerfacecolor": colour, "markeredgecolor": "white", "markersize": 11, "zorder": 9}
            axes.plot([x[best]], [heights[best]], marker, linestyle="none", label=kind, **point)
            axes.annotate(
                f"at {short(float(x[best]), 2)}", (x[best], heights[best]), xytext=(0, 11 * sign), textcoords="offset points",
                ha="center", va="bottom" if sign > 0 else "top", fontsize=9.5, color=colour, path_effects=list(HALO), zorder=9,
            )  # fmt: skip
            marks.add(kind)
    return marks


def _curve_key(figure: Figure, found: Readings, pair: Axis | None, marks: set[str]) -> None:
    rows: list[tuple[Artist, str]] = []
    if pair is not None:
        name = found.label(pair.field).partition(" (")[0]
        low, high = (short(float(end), 3) for end in (pair.grid.min(), pair.grid.max()))
        solid, dashed = (f"with {name}", "without it") if is_switch(pair.field) else (f"{name} {high}", f"{name} {low}")
        rows.append((Line2D([], [], color=INK, linewidth=2.4), solid))
        rows.append((Line2D([], [], color=INK, linewidth=2.4, dashes=WITHOUT), dashed))
    rest: dict[str, tuple[Artist, str]] = {
        "peak": (Line2D([], [], marker="^", color=INK, linestyle="none", markersize=9), "highest inside the range"),
        "trough": (Line2D([], [], marker="v", color=INK, linestyle="none", markersize=9), "lowest inside the range"),
        "unseen": (
            Line2D([], [], marker="^", color=INK, markerfacecolor="white", linestyle="none", markersize=7),
            "not seen by the last day: at least this",
        ),
        "failed": (Line2D([], [], marker="x", color=FAILED, linestyle="none", markeredgewidth=1.6), found.failures),
        "unchanged": (Line2D([], [], color=FAINT, linewidth=1.1, linestyle=(0, (1, 2))), "the scenario unchanged"),
    }
    rows += [row for kind, row in rest.items() if kind in marks]
    key(figure, [artist for artist, _ in rows], [text for _, text in rows])


def fan(found: Readings, outcome: str) -> Figure:
    """One slide: an outcome against each varied field, the most influential six by rank correlation.

    Points are members; lines are running medians, bands hold 80 % of the members (10 to 90 %).
    """
    scale = found.scale(outcome)
    ranked = _ranked(found, outcome)
    with look():
        shown = ranked[:MOST_FIELDS]
        few = f"the {len(shown)} of {len(ranked)} fields with the strongest rank correlation" if len(ranked) > len(shown) else ""
        order = " | ".join(display_name(arm) for arm in found.arms)
        figure, top = page(found, f"{few or 'strongest rank correlation first'} ({order})")
        columns = min(3, max(1, len(shown)))
        rows = max(1, math.ceil(len(shown) / columns))
        marks: set[str] = set()
        width, height = (WIDTH - 2.4 - 0.65 * (columns - 1)) / columns, (top - 1.7 - 0.95 * (rows - 1)) / rows
        for index, (field, links) in enumerate(shown):
            across, down = index % columns, index // columns
            axes = figure.add_subplot()
            place(axes, 1.05 + across * (width + 0.65), 1.25 + (rows - 1 - down) * (height + 0.95), width, height)
            marks |= _fan(axes, found, scale, field, links, across == 0, across == columns - 1 or index == len(shown) - 1)
        _fan_key(figure, found, marks)
    return figure


def _ranked(found: Readings, outcome: str) -> list[tuple[str, list[float]]]:
    """Fields with their rank correlation in every arm, the most influential first; NaN where there is none."""
    made = []
    for field in found.fields:
        links = [rank_correlation(found.samples[field], found.values[outcome][:, arm]) for arm in range(len(found.arms))]
        made.append((field, links))
    return sorted(made, key=lambda item: -max([abs(link) for link in item[1] if math.isfinite(link)], default=0.0))


def rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation over the members that have both numbers; NaN if one of them is constant."""
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 3:
        return math.nan
    first, second = rankdata(one[both]), rankdata(other[both])
    spread = float(first.std() * second.std())
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread) if spread > 0 else math.nan


def _fan(axes: Axes, found: Readings, scale: Scale, field: str, links: list[float], left: bool, last: bool) -> set[str]:
    """One field: points, running median with band, failed members as ticks at the foot."""
    x = np.clip(found.samples[field], -LARGEST, LARGEST)
    log = logarithmic(found.manifest, field, x)
    everything = np.concatenate([x, found.lost[:, found.fields.index(field)]])
    low, high = (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)
    label = "\n".join(textwrap.wrap(found.label(field), 52)[:2])
    field_axis(axes, "x", label, _limits(low, high, log), log, most=6)
    outcome_axis(axes, scale, label=left)
    axes.tick_params(labelleft=left)
    looks, ends, marks = arm_looks(found.arms), [], set()
    bottom, ceiling = axes.get_ylim()
    chosen = _thinned(len(x), MOST_POINTS // max(1, len(found.arms)))
    for arm, name in enumerate(found.arms):
        colour, heights = looks[name].colour, scale.heights(found.values[scale.name][:, arm])
        shown = chosen[np.isfinite(heights[chosen])]
        seen = found.observed[scale.name][shown, arm] if scale.name in found.observed else np.ones(len(shown), dtype=bool)
        axes.plot(x[shown[seen]], heights[shown[seen]], ".", color=colour, markersize=2.6, alpha=0.35, zorder=2, label="members")
        if (~seen).any():
            open_marks: dict[str, Any] = {"color": colour, "markersize": 3, "alpha": 0.5, "fillstyle": "none", "zorder": 2}
            axes.plot(x[shown[~seen]], heights[shown[~seen]], "^", **open_marks)
            marks.add("unseen")
        middles, bands = running(x, heights, log)
        if len(middles):
            axes.fill_between(middles, bands[:, 0], bands[:, 2], color=colour, alpha=0.1, linewidth=0, zorder=3)
            for edge in (0, 2):
                axes.plot(middles, bands[:, edge], color=colour, linewidth=0.9, alpha=0.8, zorder=looks[name].order)
            axes.plot(middles, bands[:, 1], label=name, **looks[name].line())
            ends.append((float(np.clip((bands[-1, 1] - bottom) / (ceiling - bottom), 0, 1)), display_name(name), colour))
    if len(found.lost):
        places = found.lost[:, found.fields.index(field)]
        places = places[_thinned(len(places), MOST_TICKS)]
        style: dict[str, Any] = {"color": FAILED, "markersize": 11, "markeredgewidth": 0.7, "clip_on": False, "zorder": 8}
        style |= {"alpha": float(np.clip(60 / len(places), 0.2, 1.0))}
        axes.plot(places, np.full(len(places), 0.0), "|", transform=axes.get_xaxis_transform(), label="failed", **style)
        marks.add("failed")
    if not ends:
        note(axes, "no member has a value")
    if last:
        label_ends(axes, ends, 1.0, size=9.5, gap=0.09)
    said = [f"{link:+.2f}".replace("-", "−") if math.isfinite(link) else "–" for link in links]
    axes.set_title(f"rank correlation {' | '.join(said)}", fontsize=9, fontweight="normal", color="#444444", loc="right", pad=3)
    return marks


def _thinned(count: int, most: int) -> NDArray[np.int64]:
    """At most so many places, the same every time."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def running(x: Floats, heights: Floats, log: bool) -> tuple[Floats, Floats]:
    """Middles (n,) of strata of x with as many members each, and the 10, 50 and 90 % quantiles (n, 3) of heights there.

    Where x takes few values, each is a stratum of its own. NaN heights are left out.
    """
    finite = np.isfinite(heights) & np.isfinite(x)
    x, heights = x[finite], heights[finite]
    values = np.unique(x)
    if len(values) <= MOST_STRATA:
        parts = [np.flatnonzero(x == value) for value in values]
    else:
        strata = int(np.clip(len(x) // 25, 2, MOST_STRATA))
        parts = np.array_split(np.argsort(x, kind="stable"), strata)
    parts = [part for part in parts if len(part)]
    along = np.log10(np.maximum(x, 1e-300)) if log else x
    middles = np.array([float(np.median(along[part])) for part in parts])
    bands = np.array([np.quantile(heights[part], (0.1, 0.5, 0.9)) for part in parts]).reshape(-1, 3)
    return np.asarray(10.0**middles if log else middles, dtype=np.float64), bands


def _fan_key(figure: Figure, found: Readings, marks: set[str]) -> None:
    rows: list[tuple[Artist, str]] = [
        (Line2D([], [], color=INK, linewidth=2.2), "median"),
        (Patch(facecolor=INK, alpha=0.2), "10–90 % of members"),
        (Line2D([], [], color=INK, marker=".", linestyle="none", alpha=0.5), "a member"),
    ]
    if "unseen" in marks:
        open_mark = Line2D([], [], color=INK, marker="^", fillstyle="none", linestyle="none")
        rows.append((open_mark, "not seen by the last day: at least this"))
    if "failed" in marks:
        rows.append((Line2D([], [], color=FAILED, marker="|", linestyle="none", markersize=9), found.failures))
    key(figure, [artist for artist, _ in rows], [text for _, text in rows])
