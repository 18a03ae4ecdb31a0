"""What all figures of sweeps share: the page with its words, axes of varied fields and of outcomes, the key below."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from backfire.figures import new_figure
from backfire.figures.sweep.data import LARGEST, Readings, Scale
from backfire.formatting import short
from backfire.sampling import design_kinds
from backfire.solvers import Floats

WIDTH: Final = 14.0
HEIGHT: Final = 7.9
"""Inches of a slide."""
HALO: Final = (withStroke(linewidth=3, foreground="white"),)
"""An outline that keeps writing readable on any colour."""
HASH: Final = 12
FAILED: Final = "#b00020"
"""The colour of members that failed."""


def page(found: Readings, *remarks: str) -> tuple[Figure, float]:
    """A slide with the study as headline, members and ``remarks`` below it; and the inches from its foot to the words' foot."""
    manifest, summary = found.manifest, found.summary
    about = manifest["scenario"]
    hashes = {about["name"]: f"{about['hash']}   ·   table {summary['table_hash'][:HASH]}"}
    title = " ".join(str(manifest.get("title") or about["name"]).split())
    figure = new_figure(WIDTH, HEIGHT, title, hashes)
    headline = figure.texts[0]
    lines = headline.get_text().count("\n") + 1
    below = HEIGHT - 0.22 - lines * 1.2 * float(headline.get_fontsize()) / 72 - 0.1
    said = textwrap.wrap(" · ".join([_members(found), *(remark for remark in remarks if remark)]), 175)[:3]
    figure.text(0.02, below / HEIGHT, "\n".join(said), fontsize=10.5, color="#444444", va="top", linespacing=1.3)
    return figure, below - 0.2 * len(said)


def _members(found: Readings) -> str:
    """How many members there are, of what design, how many failed or are missing, how many are drawn."""
    manifest, summary = found.manifest, found.summary
    design = manifest["design"]
    stored, members = summary["stored"], summary["members"]
    vary = design.get("vary")
    shape = ""
    if design["kind"] == "grid" and isinstance(vary, dict):
        shape = " × ".join(f"{len(item['values']) if 'values' in item else item['points']:,}" for item in vary.values())
    known = design_kinds().get(design["kind"])
    kind = f"grid of {shape}" if shape else known.title if known else str(design["kind"])
    some = f"{members:,} members ({kind})" if stored == members else f"{stored:,} of {members:,} members stored ({kind})"
    few = f", {len(found.members):,} of them drawn" if len(found.members) < stored else ""
    return f"{some}{few}, {found.failures}"


def key(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """The key of the marks, above the footer, in one row or, if that is too long, in two."""
    if handles:
        long = sum(0.62 + 0.078 * len(name) for name in names) > WIDTH - 0.5
        columns = math.ceil(len(handles) / 2) if long else len(handles)
        legend = figure.legend(
            handles, names, loc="lower center", bbox_to_anchor=(0.5, 0.36 / HEIGHT), ncols=columns, frameon=False,
            fontsize=9.5, handletextpad=0.5, columnspacing=1.8, borderpad=0, borderaxespad=0,
        )  # fmt: skip
        legend.set_zorder(10)


def place(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    """Put axes at so many inches from the left and the foot of the page."""
    axes.set_position((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))


def edges_of(values: Floats, logarithmic: bool) -> Floats:
    """The borders (n + 1,) of cells around n sorted values, halfway on the scale of the axis."""
    bound = np.clip(values, 1 / LARGEST if logarithmic else -LARGEST, LARGEST)
    along = np.log10(bound) if logarithmic else bound
    if len(along) < 2:
        edges = np.array([along[0] - 0.5, along[0] + 0.5])
    else:
        middle = along[:-1] / 2 + along[1:] / 2
        edges = np.array([1.5 * along[0] - along[1] / 2, *middle, 1.5 * along[-1] - along[-2] / 2])
    return np.asarray(10.0**edges if logarithmic else edges, dtype=np.float64)


def field_axis(axes: Axes, which: str, label: str, limits: tuple[float, float], logarithmic: bool, most: int = 8) -> None:
    """Scale, limits, ticks and name of the axis of a varied field; ``which`` is "x" or "y"."""
    low, high = limits
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    if logarithmic:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    if logarithmic:
        ticks = [10.0**place for place in log_places(math.log10(low), math.log10(high), most)]
    else:
        ticks = [tick for tick in MaxNLocator(most - 1, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high]
    _set_ticks(axis, ticks, [short(tick, 3) for tick in ticks])
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(label, labelpad=3)


def outcome_axis(axes: Axes, scale: Scale, label: bool = True) -> None:
    """The vertical axis of an outcome; zero on a logarithmic scale has a place of its own at the foot."""
    low, high = (scale.low, scale.high) if math.isfinite(scale.low) else (0.0, 1.0)
    pad = 0.07 * (high - low) or max(abs(high) * 0.1, 0.1)
    axes.set_ylim((scale.floor if scale.zeros else low) - pad, high + pad)
    places = outcome_ticks(scale)
    names = [short(scale.value(tick), 3) for tick in places]
    if scale.zeros:
        places, names = [scale.floor, *places], ["none left" if scale.cells else "0", *names]
        axes.axhline(scale.floor + (low - scale.floor) / 2, color="#c4c4c4", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    _set_ticks(axes.yaxis, places, names)
    axes.grid(axis="y")
    if label:
        axes.set_ylabel(scale.label, labelpad=3)


def outcome_ticks(scale: Scale, most: int = 8) -> list[float]:
    """Round heights within an outcome's range: powers of ten, or 1, 2, 5 where it spans few."""
    if not math.isfinite(scale.low) or scale.low == scale.high:
        return [] if not math.isfinite(scale.low) else [scale.low]
    if scale.logarithmic:
        return log_places(scale.low, scale.high, most)
    ticks = MaxNLocator(most - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(scale.low, scale.high)
    return [float(tick) for tick in ticks if scale.low <= tick <= scale.high]


def log_places(low: float, high: float, most: int) -> list[float]:
    """Round places between two powers of ten: 1, 2 and 5 of each decade, or only the decades, or every so many."""
    span = high - low
    decades = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    for parts in ((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        places = [decade + math.log10(part) for decade in range(decades.start - 1, decades.stop) for part in parts]
        inside = [place for place in places if low - 1e-9 <= place <= high + 1e-9]
        if 2 <= len(inside) <= most:
            return inside
    if len(decades) > most:
        return [float(decade) for decade in decades][:: math.ceil(len(decades) / most)]
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(10.0**low, 10.0**high) if 0 < span < 1 and abs(low) < 300 else []
    return [math.log10(tick) for tick in ticks if tick > 0 and low <= math.log10(tick) <= high] or [low / 2 + high / 2]


def _set_ticks(axis: Axis, places: Sequence[float], names: Sequence[str]) -> None:
    axis.set_major_locator(FixedLocator(list(places)))
    axis.set_major_formatter(FixedFormatter(list(names)))
    axis.set_minor_locator(NullLocator())


def beside(axes: Axes, x: float, y: float, text: str, colour: str, **look: Any) -> Text:
    """Writing beside a mark, on the side where there is room."""
    across, up = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
    right = across > 0.6
    rise = -9 if up > 0.85 else 9 if up < 0.12 else 0
    return axes.annotate(
        text, (x, y), xytext=(-11 if right else 11, rise), textcoords="offset points", ha="right" if right else "left",
        va="center", color=colour, annotation_clip=False,
        **{"fontsize": 10, "fontweight": "bold", "path_effects": list(HALO), **look},
    )  # fmt: skip


def note(axes: Axes, text: str) -> Text:
    """A sentence in place of a drawing."""
    middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
    return axes.text(0.5, 0.5, textwrap.fill(text, 40), fontsize=11, color="#444444", **middle)  # type: ignore[arg-type]
