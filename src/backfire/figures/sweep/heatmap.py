"""Heat maps of sweeps over two fields: outcomes by arm, with lines of equal outcome, the best point, and what is not a number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from backfire.figures.labels import HALO, beside, contour_spot, note
from backfire.figures.page import LARGEST, Page, set_ticks, value_axis
from backfire.figures.style import FAILED, INK, arm_styles
from backfire.figures.sweep.data import (
    MOST_CELLS,
    Manifest,
    Members,
    Scale,
    SweepData,
    axes_of,
    flat,
    line_fields,
    optimum,
    varying,
)
from backfire.figures.sweep.slide import CENSORED, SweepFigure, slide
from backfire.formatting import display_name, short
from backfire.solvers import Floats

MOST_DRAWN: Final = 400
"""Points of one axis that are drawn; more than a slide has pixels for would only cost memory."""
MOST_CROSSES: Final = 3_000
NOTHING: Final = "#d4d4d4"
GONE: Final = "#ffffff"
CLIFF: Final = 0.2
"""A step from one cell to the next by more than this share of the scale is a cliff."""
GAP: Final = 0.28
"""Inches between two rows of panels."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Lattice:
    """The points of a grid that are drawn: two fields with their values, and where the members that were read belong."""

    fields: tuple[str, str]
    x: Floats
    y: Floats
    logs: tuple[bool, bool]
    rows: NDArray[np.int64]
    places: tuple[NDArray[np.int64], NDArray[np.int64]]

    def spread(self, values: NDArray[Any], empty: Any) -> NDArray[Any]:
        """Values of members (n,) as a picture (y, x); ``empty`` where no member is stored."""
        picture = np.full((len(self.y), len(self.x)), empty, dtype=values.dtype)
        picture[self.places[1], self.places[0]] = values[self.rows]
        return picture

    @property
    def edges(self) -> tuple[Floats, Floats]:
        """The borders of the cells, (nx + 1,) and (ny + 1,)."""
        return edges_of(self.x, self.logs[0]), edges_of(self.y, self.logs[1])

    def padded(self, picture: NDArray[Any]) -> tuple[Floats, Floats, NDArray[Any]]:
        """A picture with its rim repeated, so that lines and hatching reach the border of the outer cells."""
        x, y = self.edges
        return np.array([x[0], *self.x, x[-1]]), np.array([y[0], *self.y, y[-1]]), np.pad(picture, 1, mode="edge")


def edges_of(values: Floats, log: bool) -> Floats:
    """The borders (n + 1,) of cells around n sorted values, halfway on the scale of the axis."""
    bound = np.clip(values, 1 / LARGEST if log else -LARGEST, LARGEST)
    along = np.log10(bound) if log else bound
    if len(along) < 2:
        edges = np.array([along[0] - 0.5, along[0] + 0.5])
    else:
        middle = along[:-1] / 2 + along[1:] / 2
        edges = np.array([1.5 * along[0] - along[1] / 2, *middle, 1.5 * along[-1] - along[-2] / 2])
    return np.asarray(10.0**edges if log else edges, dtype=np.float64)


def over_two_fields(manifest: Manifest) -> bool:
    """True for a grid in which exactly two fields take more than one value, unless two curves show it whole."""
    if len(varying(manifest)) != 2:
        return False
    lines = line_fields(manifest)
    return lines is None or lines[1] is None or lines[1].size > 2


def drawn_members(manifest: Manifest) -> Members:
    """The members that a heat map of this grid needs."""
    shape = tuple(axis.size for axis in axes_of(manifest))
    if math.prod(shape) <= MOST_CELLS:
        return None
    mesh = np.meshgrid(*map(_steps, shape), indexing="ij")
    return np.sort(np.ravel_multi_index([part.ravel() for part in mesh], shape).astype(np.int64))


def _steps(size: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, size - 1, min(size, MOST_DRAWN)).round().astype(np.int64))


def lattice(data: SweepData) -> Lattice:
    """The points of a grid over two fields, in ascending order on both axes."""
    axes = axes_of(data.manifest)
    where = np.unravel_index(data.members, tuple(axis.size for axis in axes))
    keep = np.ones(len(data.members), dtype=bool)
    places, grids, names = [], [], []
    for axis, index in zip(axes, where, strict=True):
        if axis.size == 1:
            continue
        order = np.argsort(axis.grid, kind="stable")
        steps = _steps(axis.size)
        rank = np.argsort(order, kind="stable")[index]
        spot = np.minimum(np.searchsorted(steps, rank), len(steps) - 1)
        keep &= steps[spot] == rank
        places.append(spot)
        grids.append(np.clip(axis.grid[order][steps], -LARGEST, LARGEST))
        names.append(axis.field)
    logs = tuple(data.logarithmic(name, grid) for name, grid in zip(names, grids, strict=True))
    rows = np.flatnonzero(keep)
    return Lattice((names[0], names[1]), grids[0], grids[1], (logs[0], logs[1]), rows, (places[0][rows], places[1][rows]))


@SweepFigure(
    "surface.png", over_two_fields, drawn_members, outcomes=lambda manifest: 3 if len(manifest["arms"]) == 1 else 2, order=0
)
def heatmap(data: SweepData) -> Figure:
    """One slide: an outcome a row and an arm a column, or with one arm an outcome a column.

    The colours of an outcome mean the same in every arm. Arms on which neither field acts are left to the words.
    """
    everywhere = [arm for arm in range(len(data.arms)) if all(_flat(data, name, arm) for name in data.values)]
    arms = [arm for arm in range(len(data.arms)) if arm not in everywhere] or everywhere
    scales = [data.scale(name, arms) for name in data.values]
    remarks = [f"arm: {display_name(data.arms[arms[0]])}" if len(arms) == 1 else ""]
    remarks += ["lighter is better" if any(scale.better for scale in scales) else ""]
    remarks += [_constant(data, scales, arm) for arm in everywhere if arm not in arms]
    page, grid = slide(data, *remarks), lattice(data)
    alone = len(arms) == 1
    columns, rows = (len(scales), 1) if alone else (len(arms), len(scales))
    gap = (1.1, 0.0) if rows == 1 and columns > 1 else (0.3, GAP)
    for index, axes in enumerate(page.panels(columns, rows, (0.95, 1.25, 1.25, 0.42), gap)):
        down, across = divmod(index, columns)
        scale, arm = (scales[across], arms[0]) if alone else (scales[down], arms[across])
        _name_axes(axes, data, grid, across == 0, down == rows - 1)
        if across == 0 and down == rows - 1:
            # one name on the left serves all rows
            height = axes.get_position().height
            whole = rows * height + (rows - 1) * GAP / page.height
            axes.yaxis.set_label_coords(-0.62 / (page.width * axes.get_position().width), whole / 2 / height)
        _panel(axes, data, grid, scale, arm)
        if alone:
            axes.set_title(scale.label, fontsize=12, pad=7)
        elif down == 0:
            name = data.arms[arm]
            axes.set_title(display_name(name), fontsize=13, color=arm_styles(data.arms)[name].colour, pad=7)
        if alone or across == columns - 1:
            _bar(page, axes, scale, named=not alone)
    star: dict[str, Any] = {"linestyle": "none", "color": "white", "markeredgecolor": "black"}
    entries: dict[str, tuple[Artist, str]] = {
        "optimum": (Line2D([], [], marker="*", markersize=15, **star), "best of all members (the first of equal ones)"),
        "unchanged": (Line2D([], [], marker="P", markersize=10, **star), "the scenario unchanged"),
        "same day": (Line2D([], [], color="#999999", linewidth=2.2, dashes=(1, 1.2)), "both begin on the same day"),
        "none left": (Patch(facecolor=GONE, edgecolor="#777777"), "none left (share of members)"),
        "zero": (Patch(facecolor=GONE, edgecolor="#777777"), "zero"),
        "censored": (Patch(facecolor="white", edgecolor="#333333", hatch="////"), CENSORED),
        "failed": (Line2D([], [], marker="x", linestyle="none", color=FAILED, markeredgewidth=1.6), data.failures),
        "empty": (Patch(facecolor=NOTHING), "not stored, or does not apply"),
    }
    page.key(entry for kind, entry in entries.items() if kind in page.drawn)
    return page.figure


def _name_axes(axes: Axes, data: SweepData, grid: Lattice, left: bool, lowest: bool) -> None:
    """Limits and ticks; names and tick labels only at the left and the foot of the sheet."""
    ways: tuple[Literal["x", "y"], ...] = ("x", "y")
    for which, field, edges, log, named in zip(ways, grid.fields, grid.edges, grid.logs, (lowest, left and lowest), strict=True):
        value_axis(axes, which, data.label(field) if named else "", (float(edges[0]), float(edges[-1])), log)
    axes.tick_params(labelbottom=lowest, labelleft=left)


def _panel(axes: Axes, data: SweepData, grid: Lattice, scale: Scale, arm: int) -> None:
    """One outcome of one arm; the labels of what is drawn tell the key which kinds of marks there are."""
    values = data.values[scale.name][:, arm]
    picture = grid.spread(values, math.nan)
    failed = ~grid.spread(data.good[:, arm], True)
    axes.set_facecolor(NOTHING)
    axes.set_axisbelow(False)
    for spine in axes.spines.values():
        spine.set_visible(True)
    _crosses(axes, grid, failed)
    if not np.isfinite(picture).any():
        note(axes, f"{display_name(data.arms[arm])} has no {scale.label.partition(' (')[0]}")
        return
    heights = scale.heights(picture)
    zero = np.isfinite(picture) & (picture <= 0) & scale.logarithmic
    colours, norm = _colours(scale)
    axes.pcolormesh(*grid.edges, np.ma.masked_where(zero | ~np.isfinite(heights), heights), cmap=colours, norm=norm, zorder=1)
    if zero.any():
        # a logarithm does not know zero
        white, label = np.ma.masked_where(~zero, np.ones(zero.shape)), "none left" if scale.cells else "zero"
        axes.pcolormesh(*grid.edges, white, cmap=ListedColormap([GONE]), zorder=1.1, label=label)
    _hatch(axes, grid, grid.spread(data.censored(scale.name)[:, arm], False), "///", "#333333", "censored")
    if (np.isnan(picture) & ~failed).any():
        axes.patch.set_label("empty")
    _same_day(axes, grid)
    _unchanged(axes, data, grid)
    _optimum(axes, data, grid, scale, arm)
    if _flat(data, scale.name, arm):
        text = note(axes, f"the same everywhere: {short(float(values[np.isfinite(values)][0]), 3)}")
        text.set(path_effects=list(HALO), color=INK, fontweight="bold", zorder=9)
        return
    marks = [np.asarray(line.get_xydata())[0] for line in axes.lines if line.get_label() in ("optimum", "unchanged")]
    taken = [tuple(axes.transData.transform(mark)) for mark in marks]
    _contours(axes, grid, np.where(zero, math.nan, heights), scale, taken)


def _flat(data: SweepData, outcome: str, arm: int) -> bool:
    """True if an arm has the same value everywhere."""
    values = data.values[outcome][:, arm]
    finite = values[np.isfinite(values)]
    return len(finite) > 0 and bool(data.good[:, arm].all()) and flat(finite)


def _constant(data: SweepData, scales: list[Scale], arm: int) -> str:
    """An arm on which nothing acts, in words."""
    parts = [f"{scale.label.partition(' (')[0]} {short(float(data.values[scale.name][0, arm]), 3)}" for scale in scales]
    return f"{display_name(data.arms[arm])} everywhere: {', '.join(parts)}"


def _colours(scale: Scale) -> tuple[Colormap, Normalize]:
    low, high = (scale.low, scale.high) if math.isfinite(scale.low) else (0.0, 1.0)
    middle = low / 2 + high / 2
    pad = 0.0 if high > low else max(abs(middle) * 0.1, 0.5)
    return colormaps["viridis_r" if scale.better == "low" else "viridis"], Normalize(low - pad, high + pad)


def _bar(page: Page, axes: Axes, scale: Scale, named: bool) -> None:
    """The colour bar beside the last panel of a row."""
    box = axes.get_position()
    colours, norm = _colours(scale)
    beside_it = page.figure.add_axes((box.x1 + 0.14 / page.width, box.y0, 0.16 / page.width, box.height), label="colours")
    bar = page.figure.colorbar(ScalarMappable(norm, colours), cax=beside_it)
    set_ticks(bar.ax.yaxis, scale.ticks(), scale.named)
    bar.outline.set_visible(False)
    if named:
        bar.set_label(scale.label, fontsize=11.5, fontweight="bold", labelpad=6)


def _contours(axes: Axes, grid: Lattice, heights: Floats, scale: Scale, taken: list[tuple[float, float]]) -> None:
    """Lines of equal outcome with their values, dark on light and light on dark."""
    colours, norm = _colours(scale)
    finite = heights[np.isfinite(heights)]
    inside = [level for level in scale.ticks() if len(finite) and finite.min() < level < finite.max()]
    inside = [level for level in inside if not _cliff(heights, level, (scale.high - scale.low) * CLIFF)]
    if not inside:
        return
    light = [float(np.dot(colours(norm(level))[:3], (0.299, 0.587, 0.114))) > 0.45 for level in inside]
    inks = ["#111111" if bright else "#ffffff" for bright in light]
    x, y, padded = grid.padded(heights)
    lines = axes.contour(x, y, np.ma.masked_invalid(padded), levels=inside, colors=inks, linewidths=1.1, zorder=3)
    spots = [spot for segments in lines.allsegs if (spot := contour_spot(axes, segments, taken)) is not None]
    if spots:
        axes.clabel(lines, fmt={level: scale.named(level) for level in inside}, fontsize=9, inline_spacing=3, manual=spots)


def _cliff(heights: Floats, level: float, jump: float) -> bool:
    """True if a level is mostly crossed by jumps from cell to cell: its line would say where the cliff is, not the level."""
    steps = [np.sort(np.stack(pair), axis=0) for pair in ((heights[1:], heights[:-1]), (heights[:, 1:], heights[:, :-1]))]
    rises = np.concatenate([(high - low)[(low < level) & (level <= high)] for low, high in steps])
    return len(rises) > 0 and float((rises > jump).mean()) > 0.5


def _hatch(axes: Axes, grid: Lattice, mask: Mask, hatch: str, colour: str, label: str) -> None:
    if mask.any():
        x, y, padded = grid.padded(mask.astype(np.float64))
        drawn = axes.contourf(x, y, padded, levels=[0.5, 1.5], colors="none", hatches=[hatch], zorder=2)
        drawn.set(edgecolor=colour, linewidth=0.0, label=label)


def _crosses(axes: Axes, grid: Lattice, failed: Mask) -> None:
    """A cross in every cell whose member failed; hatching where there are too many."""
    if failed.sum() > MOST_CROSSES:
        _hatch(axes, grid, failed, "xxx", FAILED, "failed")
    elif failed.any():
        rows, columns = np.nonzero(failed)
        cross: dict[str, Any] = {"color": FAILED, "markersize": 6, "markeredgewidth": 1.6, "zorder": 6}
        axes.plot(grid.x[columns], grid.y[rows], "x", label="failed", **cross)


def _same_day(axes: Axes, grid: Lattice) -> None:
    """The line on which both first doses are given on one day."""
    first, last = max(axes.get_xlim()[0], axes.get_ylim()[0]), min(axes.get_xlim()[1], axes.get_ylim()[1])
    if all(field.endswith(".start") for field in grid.fields) and first < last:
        style: dict[str, Any] = {"color": "white", "linewidth": 2.2, "dashes": (1, 1.2), "solid_capstyle": "butt", "zorder": 4}
        axes.plot([first, last], [first, last], label="same day", **style)


def _unchanged(axes: Axes, data: SweepData, grid: Lattice) -> None:
    """A cross where the scenario itself stands, if it lies in the box."""
    point = [data.unchanged(field) for field in grid.fields]
    if all(edges[0] <= value <= edges[-1] for value, edges in zip(point, grid.edges, strict=True)):
        axes.plot(*point, "P", color="white", markeredgecolor=INK, markersize=11, zorder=7, label="unchanged")


def _optimum(axes: Axes, data: SweepData, grid: Lattice, scale: Scale, arm: int) -> None:
    """A star at the best value of all stored members, of equal ones the first, with the value."""
    values = data.values[scale.name][:, arm]
    best = optimum(scale, values)
    if best is None:
        return
    x, y = (float(data.samples[field][best]) for field in grid.fields)
    at_least = "≥ " if data.censored(scale.name)[best, arm] else ""
    text = f"{'lowest' if scale.better == 'low' else 'highest'} {at_least}{short(float(values[best]), 3)}"
    if values[best] == 0 and scale.cells:
        text = f"none left ({100 * float((values == 0).mean()):.0f} %)"
    axes.plot([x], [y], "*", color="#ffffff", markeredgecolor="#000000", markersize=19, zorder=8, label="optimum", clip_on=False)
    beside(axes, x, y, text, "#000000", zorder=9)
