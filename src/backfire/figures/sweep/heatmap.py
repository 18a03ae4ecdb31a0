"""Heat maps of sweeps over two fields: outcomes by arm, with lines of equal outcome, the best point, and what is not a number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import NDArray

from backfire.figures import INK, arm_looks, look
from backfire.figures.sweep.data import LARGEST, MOST_CELLS, Readings, Scale, axes_of, logarithmic, optimum
from backfire.figures.sweep.page import (
    FAILED,
    HALO,
    HEIGHT,
    WIDTH,
    beside,
    edges_of,
    field_axis,
    key,
    note,
    outcome_ticks,
    page,
    place,
)
from backfire.formatting import display_name, short
from backfire.sampling import Axis
from backfire.solvers import Floats

MOST_DRAWN: Final = 400
"""Points of one axis that are drawn; more than a slide has pixels for would only cost memory."""
MOST_CROSSES: Final = 3_000
NOTHING: Final = "#d4d4d4"
GONE: Final = "#ffffff"
SHORTEST: Final = 60.0
CLEAR: Final = 22.0
"""Pixels: contours shorter than the first have no label, and labels keep this distance from marks and borders."""
CLIFF: Final = 0.2
"""A step from one cell to the next by more than this share of the scale is a cliff."""
GAP: Final = 0.28
"""Inches between two rows of panels."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Lattice:
    """The points of a grid that are drawn: two fields with their values, and where the members of a reading belong."""

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


def is_surface(axes: tuple[Axis, ...]) -> bool:
    """True for a grid in which exactly two fields take more than one value."""
    return sum(axis.size > 1 for axis in axes) == 2


def drawn_members(axes: tuple[Axis, ...]) -> NDArray[np.int64] | None:
    """The members that a heat map of this grid needs, sorted; None for all."""
    if math.prod(axis.size for axis in axes) <= MOST_CELLS:
        return None
    mesh = np.meshgrid(*(_steps(axis.size) for axis in axes), indexing="ij")
    return np.sort(np.ravel_multi_index([part.ravel() for part in mesh], tuple(axis.size for axis in axes)).astype(np.int64))


def _steps(size: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, size - 1, min(size, MOST_DRAWN)).round().astype(np.int64))


def lattice(found: Readings) -> Lattice:
    """The points of a reading of a grid over two fields, in ascending order on both axes."""
    axes = axes_of(found.manifest)
    shape = tuple(axis.size for axis in axes)
    where = np.unravel_index(found.members, shape)
    keep = np.ones(len(found.members), dtype=bool)
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
    logs = tuple(logarithmic(found.manifest, name, grid) for name, grid in zip(names, grids, strict=True))
    rows = np.flatnonzero(keep)
    return Lattice((names[0], names[1]), grids[0], grids[1], (logs[0], logs[1]), rows, (places[0][rows], places[1][rows]))


def surfaces(found: Readings) -> Figure:
    """One slide: an outcome a row and an arm a column, or with one arm an outcome a column.

    The colours of an outcome mean the same in every arm. Arms on which neither field acts are left to the words.
    """
    scales = [found.scale(name) for name in found.values]
    constant = [arm for arm in range(len(found.arms)) if all(_flat(found, scale, arm) for scale in scales)]
    arms = [arm for arm in range(len(found.arms)) if arm not in constant] or list(range(len(found.arms)))
    constant = [arm for arm in constant if arm not in arms]
    scales = [found.scale(name, arms) for name in found.values]
    with look():
        remarks = [f"arm: {display_name(found.arms[arms[0]])}" if len(arms) == 1 else ""]
        remarks += ["lighter is better" if any(scale.better for scale in scales) else ""]
        remarks += [_constant(found, scales, arm) for arm in constant]
        figure, top = page(found, *remarks)
        grid = lattice(found)
        kinds: set[str] = set()
        for row, scale in enumerate(scales):
            for column, arm in enumerate(arms):
                across, down = (row, 0) if len(arms) == 1 else (column, row)
                sheet = (len(scales), 1) if len(arms) == 1 else (len(arms), len(scales))
                axes = figure.add_subplot()
                _set(axes, across, down, sheet, top)
                _name_axes(axes, found, grid, across == 0, down == sheet[1] - 1, sheet[1])
                kinds |= _panel(axes, found, grid, scale, arm)
                _head(axes, found, scale, arm, down, alone=len(arms) == 1)
                if across == sheet[0] - 1 or len(arms) == 1:
                    _bar(axes, scale, named=len(arms) > 1)
        _key(figure, found, kinds)
    return figure


def _set(axes: Axes, across: int, down: int, sheet: tuple[int, int], top: float) -> None:
    """Where a panel stands; the outer margins hold axis names, key and colour bars."""
    columns, rows = sheet
    single = rows == 1 and columns > 1
    left, right, foot, head = 0.95, 1.25, 1.25, 0.42
    gap_x, gap_y = (1.1, 0.0) if single else (0.3, GAP)
    width = (WIDTH - left - right - gap_x * (columns - 1)) / columns
    height = (top - head - foot - gap_y * (rows - 1)) / rows
    place(axes, left + across * (width + gap_x), foot + (rows - 1 - down) * (height + gap_y), width, height)


def _head(axes: Axes, found: Readings, scale: Scale, arm: int, down: int, alone: bool) -> None:
    if alone:
        axes.set_title(scale.label, fontsize=12, pad=7)
    elif down == 0:
        axes.set_title(display_name(found.arms[arm]), fontsize=13, color=arm_looks(found.arms)[found.arms[arm]].colour, pad=7)


def _name_axes(axes: Axes, found: Readings, grid: Lattice, left: bool, lowest: bool, rows: int) -> None:
    """Limits, ticks and names; one name on the left serves all rows."""
    names = (found.label(grid.fields[0]) if lowest else "", found.label(grid.fields[1]) if left and lowest else "")
    for which, name, values, log in zip("xy", names, (grid.x, grid.y), grid.logs, strict=True):
        edges = edges_of(values, log)
        field_axis(axes, which, name, (float(edges[0]), float(edges[-1])), log)
    axes.tick_params(labelbottom=lowest, labelleft=left)
    if names[1]:
        box = axes.get_position()
        whole = rows * box.height + (rows - 1) * GAP / HEIGHT
        axes.yaxis.set_label_coords(-0.62 / (WIDTH * box.width), whole / 2 / box.height)


def _panel(axes: Axes, found: Readings, grid: Lattice, scale: Scale, arm: int) -> set[str]:
    """One outcome of one arm; gives back which kinds of marks it has, for the key."""
    values = found.values[scale.name][:, arm]
    picture = grid.spread(values, math.nan)
    lost = ~grid.spread(found.good[:, arm], True)
    edges = (edges_of(grid.x, grid.logs[0]), edges_of(grid.y, grid.logs[1]))
    axes.set_facecolor(NOTHING)
    axes.set_axisbelow(False)
    for spine in axes.spines.values():
        spine.set_visible(True)
    if not np.isfinite(picture).any():
        note(axes, f"{display_name(found.arms[arm])} has no {scale.label.partition(' (')[0]}")
        return _crosses(axes, grid, lost)
    heights = scale.heights(picture)
    gone = np.isfinite(picture) & (picture <= 0) & scale.logarithmic
    colours, norm = _colours(scale)
    axes.pcolormesh(*edges, np.ma.masked_where(gone | ~np.isfinite(heights), heights), cmap=colours, norm=norm, zorder=1)
    kinds = _gone(axes, edges, gone, scale) | _unseen(axes, found, grid, scale, arm) | _crosses(axes, grid, lost)
    kinds |= {"empty"} if (np.isnan(picture) & ~lost).any() else set()
    kinds |= _same_day(axes, grid) | _unchanged(axes, found, grid, edges) | _best(axes, found, grid, scale, arm)
    if _flat(found, scale, arm):
        text = note(axes, f"the same everywhere: {short(float(values[np.isfinite(values)][0]), 3)}")
        text.set(path_effects=list(HALO), color=INK, fontweight="bold", zorder=9)
        return kinds
    marks = [np.asarray(line.get_xydata())[0] for line in axes.lines if line.get_label() in ("optimum", "unchanged")]
    taken = [tuple(axes.transData.transform(mark)) for mark in marks]
    _contours(axes, grid, np.where(gone, math.nan, heights), scale, taken)
    return kinds


def _flat(found: Readings, scale: Scale, arm: int) -> bool:
    """True if an arm has the same value everywhere."""
    values = found.values[scale.name][:, arm]
    finite = np.clip(values[np.isfinite(values)], -1e300, 1e300)
    if len(finite) == 0 or not found.good[:, arm].all():
        return False
    return bool(finite.max() / 2 - finite.min() / 2 <= 1e-3 * np.abs(finite).max() / 2)


def _constant(found: Readings, scales: list[Scale], arm: int) -> str:
    """An arm on which nothing acts, in words."""
    parts = [f"{scale.label.partition(' (')[0]} {short(float(found.values[scale.name][0, arm]), 3)}" for scale in scales]
    return f"{display_name(found.arms[arm])} everywhere: {', '.join(parts)}"


def _colours(scale: Scale) -> tuple[Colormap, Normalize]:
    low, high = (scale.low, scale.high) if math.isfinite(scale.low) else (0.0, 1.0)
    middle = low / 2 + high / 2
    pad = 0.0 if high > low else max(abs(middle) * 0.1, 0.5)
    return colormaps["viridis_r" if scale.better == "low" else "viridis"], Normalize(low - pad, high + pad)


def _bar(axes: Axes, scale: Scale, named: bool) -> None:
    """The colour bar beside the last panel of a row."""
    figure, box = axes.get_figure(), axes.get_position()
    assert isinstance(figure, Figure)
    colours, norm = _colours(scale)
    beside_it = figure.add_axes((box.x1 + 0.14 / WIDTH, box.y0, 0.16 / WIDTH, box.height), label="colours")
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=beside_it)
    ticks = outcome_ticks(scale)
    bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
    bar.ax.yaxis.set_major_formatter(FixedFormatter([short(scale.value(tick), 3) for tick in ticks]))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)
    if named:
        bar.set_label(scale.label, fontsize=11.5, fontweight="bold", labelpad=6)


def _padded(grid: Lattice, picture: NDArray[Any]) -> tuple[Floats, Floats, NDArray[Any]]:
    """A picture with its rim repeated, so that lines and hatching reach the border of the outer cells."""
    x, y = edges_of(grid.x, grid.logs[0]), edges_of(grid.y, grid.logs[1])
    return np.array([x[0], *grid.x, x[-1]]), np.array([y[0], *grid.y, y[-1]]), np.pad(picture, 1, mode="edge")


def _contours(axes: Axes, grid: Lattice, heights: Floats, scale: Scale, taken: list[tuple[float, float]]) -> None:
    """Lines of equal outcome with their values, dark on light and light on dark."""
    colours, norm = _colours(scale)
    finite = heights[np.isfinite(heights)]
    inside = [level for level in outcome_ticks(scale) if len(finite) and finite.min() < level < finite.max()]
    inside = [level for level in inside if not _cliff(heights, level, (scale.high - scale.low) * CLIFF)]
    if not inside:
        return
    light = [float(np.dot(colours(norm(level))[:3], (0.299, 0.587, 0.114))) > 0.45 for level in inside]
    inks = ["#111111" if bright else "#ffffff" for bright in light]
    x, y, padded = _padded(grid, heights)
    lines = axes.contour(x, y, np.ma.masked_invalid(padded), levels=inside, colors=inks, linewidths=1.1, zorder=3)
    spots = [spot for segments in lines.allsegs if (spot := _spot(axes, segments, taken)) is not None]
    if spots:
        texts = {level: short(scale.value(level), 3) for level in inside}
        axes.clabel(lines, fmt=texts, fontsize=9, inline_spacing=3, manual=spots)


def _cliff(heights: Floats, level: float, jump: float) -> bool:
    """True if a level is mostly crossed by jumps from cell to cell: its line would say where the cliff is, not the level."""
    steps = [np.sort(np.stack(pair), axis=0) for pair in ((heights[1:], heights[:-1]), (heights[:, 1:], heights[:, :-1]))]
    rises = np.concatenate([(high - low)[(low < level) & (level <= high)] for low, high in steps])
    return len(rises) > 0 and float((rises > jump).mean()) > 0.5


def _spot(axes: Axes, segments: list[Any], taken: list[tuple[float, float]]) -> tuple[float, float] | None:
    """Where the label of a contour goes: the middle of its longest piece, away from marks and from the border."""
    pieces = [(axes.transData.transform(piece), piece) for piece in segments if len(piece) > 1]
    lengths = [float(np.hypot(*np.diff(seen, axis=0).T).sum()) for seen, _ in pieces]
    if not lengths or max(lengths) < SHORTEST:
        return None
    seen, piece = pieces[int(np.argmax(lengths))]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(seen, axis=0).T))])
    box = axes.get_window_extent()
    for share in (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8):
        index = int(np.searchsorted(along, share * along[-1]))
        x, y = seen[index]
        free = all(math.hypot((x - other) / 2, y - above) > CLEAR for other, above in taken)
        if free and box.x0 + CLEAR < x < box.x1 - CLEAR and box.y0 + CLEAR < y < box.y1 - CLEAR:
            taken.append((x, y))
            return float(piece[index][0]), float(piece[index][1])
    return None


def _gone(axes: Axes, edges: tuple[Floats, Floats], gone: Mask, scale: Scale) -> set[str]:
    """White where the value is zero, which a logarithm does not know."""
    if not gone.any():
        return set()
    axes.pcolormesh(*edges, np.ma.masked_where(~gone, np.ones(gone.shape)), cmap=ListedColormap([GONE]), zorder=1.1)
    return {"gone" if scale.cells else "zero"}


def _unseen(axes: Axes, found: Readings, grid: Lattice, scale: Scale, arm: int) -> set[str]:
    """Hatching where a time was not seen by the last day: there it is at least what the colour says."""
    if scale.name not in found.observed:
        return set()
    seen = grid.spread(found.observed[scale.name][:, arm], True)
    shown = grid.spread(np.isfinite(found.values[scale.name][:, arm]), False)
    return _hatch(axes, grid, ~seen & shown, "///", "#333333", "unseen")


def _hatch(axes: Axes, grid: Lattice, mask: Mask, hatch: str, colour: str, kind: str) -> set[str]:
    if not mask.any():
        return set()
    x, y, padded = _padded(grid, mask.astype(np.float64))
    drawn = axes.contourf(x, y, padded, levels=[0.5, 1.5], colors="none", hatches=[hatch], zorder=2)
    drawn.set_edgecolor(colour)
    drawn.set_linewidth(0.0)
    return {kind}


def _crosses(axes: Axes, grid: Lattice, lost: Mask) -> set[str]:
    """A cross in every cell whose member failed; hatching where there are too many."""
    if lost.sum() > MOST_CROSSES:
        return _hatch(axes, grid, lost, "xxx", FAILED, "failed")
    if lost.any():
        rows, columns = np.nonzero(lost)
        look_of = {"color": FAILED, "markersize": 6, "markeredgewidth": 1.6, "zorder": 6}
        axes.plot(grid.x[columns], grid.y[rows], "x", label="failed", **look_of)  # type: ignore[arg-type]
    return {"failed"} if lost.any() else set()


def _same_day(axes: Axes, grid: Lattice) -> set[str]:
    """The line on which both first doses are given on one day."""
    if not all(field.endswith(".start") for field in grid.fields):
        return set()
    days = [max(axes.get_xlim()[0], axes.get_ylim()[0]), min(axes.get_xlim()[1], axes.get_ylim()[1])]
    if days[0] >= days[1]:
        return set()
    axes.plot(days, days, color="white", linewidth=2.2, dashes=(1, 1.2), solid_capstyle="butt", zorder=4)
    return {"same day"}


def _unchanged(axes: Axes, found: Readings, grid: Lattice, edges: tuple[Floats, Floats]) -> set[str]:
    """A cross where the scenario itself stands, if it lies in the box."""
    x, y = (found.unchanged(field) for field in grid.fields)
    if not (edges[0][0] <= x <= edges[0][-1] and edges[1][0] <= y <= edges[1][-1]):
        return set()
    axes.plot([x], [y], "P", color="white", markeredgecolor=INK, markersize=11, zorder=7, label="unchanged")
    return {"unchanged"}


def _best(axes: Axes, found: Readings, grid: Lattice, scale: Scale, arm: int) -> set[str]:
    """A star at the best value of all stored members, of equal ones the first, with the value."""
    values = found.values[scale.name][:, arm]
    best = optimum(scale, values)
    if best is None:
        return set()
    x, y = (float(found.samples[field][best]) for field in grid.fields)
    word = "lowest" if scale.better == "low" else "highest"
    text = f"{word} {short(float(values[best]), 3)}"
    if scale.name in found.observed and not found.observed[scale.name][best, arm]:
        text = f"{word} ≥ {short(float(values[best]), 3)}"
    if values[best] == 0 and scale.cells:
        text = f"none left ({100 * float((values == 0).mean()):.0f} %)"
    axes.plot([x], [y], "*", color="#ffffff", markeredgecolor="#000000", markersize=19, zorder=8, label="optimum", clip_on=False)
    beside(axes, x, y, text, "#000000", zorder=9)
    return {"best"}


def _key(figure: Figure, found: Readings, kinds: set[str]) -> None:
    star: dict[str, Any] = {"linestyle": "none", "color": "white", "markeredgecolor": "black"}
    rows: dict[str, tuple[Artist, str]] = {
        "best": (Line2D([], [], marker="*", markersize=15, **star), "best of all members (the first of equal ones)"),
        "unchanged": (Line2D([], [], marker="P", markersize=10, **star), "the scenario unchanged"),
        "same day": (Line2D([], [], color="#999999", linewidth=2.2, dashes=(1, 1.2)), "both begin on the same day"),
        "gone": (Patch(facecolor=GONE, edgecolor="#777777"), "none left (share of members)"),
        "zero": (Patch(facecolor=GONE, edgecolor="#777777"), "zero"),
        "unseen": (Patch(facecolor="white", edgecolor="#333333", hatch="////"), "not seen by the last day: at least this"),
        "failed": (
            Line2D([], [], marker="x", linestyle="none", color=FAILED, markeredgewidth=1.6),
            found.failures,
        ),
        "empty": (Patch(facecolor=NOTHING), "not stored, or does not apply"),
    }
    shown = [row for kind, row in rows.items() if kind in kinds]
    key(figure, [artist for artist, _ in shown], [text for _, text in shown])
