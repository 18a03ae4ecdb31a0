"""Fans of sweeps over many fields: an outcome against each of them, with running medians and bands."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Final

import matplotlib
import numpy as np
import scipy  # its parts are imported where they are first used: most figures need none of them
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from backfire.figures.labels import height_of, label_ends, note
from backfire.figures.page import LARGEST, Page, roomy, value_axis
from backfire.figures.style import FAILED, INK, SOFT, arm_styles
from backfire.figures.sweep.data import Manifest, Scale, SweepData, line_fields, scattered, varying
from backfire.figures.sweep.slide import CENSORED, SweepFigure, outcome_axis, slide
from backfire.formatting import display_name
from backfire.solvers import Floats

LINKS: Final = matplotlib.colormaps["PuOr"]
"""The colour of a rank correlation, from -1 to 1; its number stands on it."""
MOST_POINTS: Final = 2_000
"""Points of one panel, over all arms."""
MOST_TICKS: Final = 300
MOST_FIELDS: Final = 6
MOST_STRATA: Final = 16
FAILED_TICKS: Final[dict[str, Any]] = {"color": FAILED, "markersize": 11, "markeredgewidth": 0.7, "clip_on": False, "zorder": 8}


def over_many_fields(manifest: Manifest) -> bool:
    """True for samples and tables, and for grids that neither curves nor a heat map show."""
    kind, across = manifest["design"]["kind"], len(varying(manifest))
    return kind != "morris" and across != 2 and line_fields(manifest) is None


@SweepFigure("fan-{outcome}.png", over_many_fields, lambda manifest: scattered(manifest["members"]), outcomes=lambda _: 2)
def fan(data: SweepData) -> Figure:
    """One slide: the one outcome read against each varied field, the most influential six by rank correlation.

    Points are members; lines are running medians, bands hold 80 % of the members (10 to 90 %).
    """
    (outcome,) = data.values
    scale, ranked = data.scale(outcome), _ranked(data, outcome)
    shown = ranked[:MOST_FIELDS]
    few = f"the {len(shown)} of {len(ranked)} fields with the strongest rank correlation" if len(ranked) > len(shown) else ""
    page = slide(data, few or "strongest rank correlation first")
    columns = min(3, max(1, len(shown)))
    sheet = page.panels(columns, max(1, math.ceil(len(shown) / columns)), (1.05, 1.35, 1.25, 0.62), (0.65, 1.1))
    for index, ((field, links), axes) in enumerate(zip(shown, sheet, strict=False)):
        last = index % columns == columns - 1 or index == len(shown) - 1
        _panel(axes, data, scale, field, index % columns == 0, last)
        _strip(page, axes, data.arms, links, label=index % columns == 0)
    rows: list[tuple[Artist, str]] = [
        (Line2D([], [], color=INK, linewidth=2.2), "median"),
        (Patch(facecolor=INK, alpha=0.2), "10–90 % of members"),
        (Line2D([], [], color=INK, marker=".", linestyle="none", alpha=0.5), "a member"),
    ]
    rest: dict[str, tuple[Artist, str]] = {
        "censored": (Line2D([], [], color=INK, marker="^", fillstyle="none", linestyle="none"), CENSORED),
        "failed": (Line2D([], [], color=FAILED, marker="|", linestyle="none", markersize=9), data.failures),
    }
    page.key([*rows, *(row for kind, row in rest.items() if kind in page.drawn)])
    return page.figure


def _strip(page: Page, axes: Axes, arms: Sequence[str], links: Sequence[float], label: bool) -> None:
    """Above a panel the rank correlation in every arm, as a number on its colour, below the arm's name or a piece of its line."""
    place, styles = axes.get_position(), arm_styles(arms)
    width = place.width * page.width
    strip = page.axes(place.x0 * page.width, place.y1 * page.height + 0.06, width, 0.2)
    strip.set(xlim=(0, len(arms)), ylim=(0, 1))
    strip.set_axis_off()
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8.5}
    for column, (arm, link) in enumerate(zip(arms, links, strict=True)):
        seen = math.isfinite(link)
        strip.add_patch(Rectangle((column, 0), 0.97, 1, facecolor=LINKS(0.5 + 0.5 * link) if seen else "white", linewidth=0))
        said = f"{link:+.2f}".replace("-", "−") if seen else "–"
        strip.text(column + 0.485, 0.45, said, color="white" if seen and abs(link) > 0.7 else INK, **style)
        name = display_name(arm)
        if 0.075 * len(name) < width / len(arms):
            strip.text(column + 0.485, 1.5, name, color=styles[arm].colour, **style)
        else:
            strip.plot([column + 0.25, column + 0.72], [1.5, 1.5], clip_on=False, **styles[arm].sample())
    if label:
        words = "rank\ncorrelation"
        strip.text(-0.02 * len(arms), 0.45, words, ha="right", va="center", fontsize=8.5, color=SOFT, linespacing=0.95)


def _ranked(data: SweepData, outcome: str) -> list[tuple[str, list[float]]]:
    """Fields with their rank correlation in every arm, the most influential first; NaN where there is none."""
    made = []
    for field in data.fields:
        links = [rank_correlation(data.samples[field], data.values[outcome][:, arm]) for arm in range(len(data.arms))]
        made.append((field, links))
    return sorted(made, key=lambda item: -max([abs(link) for link in item[1] if math.isfinite(link)], default=0.0))


def rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation over the members that have both numbers; NaN if one of them is constant."""
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    if len(one) < 3 or (one == one[0]).all() or (other == other[0]).all():
        return math.nan
    return float(scipy.stats.spearmanr(one, other).statistic)


def _panel(axes: Axes, data: SweepData, scale: Scale, field: str, left: bool, last: bool) -> None:
    """One field: points, running median with band, failed members as ticks at the foot."""
    x, failed = np.clip(data.samples[field], -LARGEST, LARGEST), data.failed[:, data.fields.index(field)]
    log = data.logarithmic(field, x)
    everything = np.concatenate([x, failed])
    low, high = (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)
    value_axis(axes, "x", "\n".join(textwrap.wrap(data.label(field), 52)[:2]), roomy(low, high, log), log, most=6)
    outcome_axis(axes, scale, label=left)
    axes.tick_params(labelleft=left)
    styles, ends = arm_styles(data.arms), []
    chosen = _thinned(len(x), MOST_POINTS // max(1, len(data.arms)))
    for arm, name in enumerate(data.arms):
        colour, heights = styles[name].colour, scale.heights(data.values[scale.name][:, arm])
        shown = chosen[np.isfinite(heights[chosen])]
        censored = data.censored(scale.name)[shown, arm]
        seen, unseen = shown[~censored], shown[censored]
        axes.plot(x[seen], heights[seen], ".", color=colour, markersize=2.6, alpha=0.35, zorder=2, label="members")
        if len(unseen):
            style: dict[str, Any] = {"color": colour, "markersize": 3, "alpha": 0.5, "fillstyle": "none", "zorder": 2}
            axes.plot(x[unseen], heights[unseen], "^", label="censored", **style)
        middles, bands = running(x, heights, log)
        if len(middles):
            axes.fill_between(middles, bands[:, 0], bands[:, 2], color=colour, alpha=0.1, linewidth=0, zorder=3)
            for edge in (0, 2):
                axes.plot(middles, bands[:, edge], color=colour, linewidth=0.9, alpha=0.8, zorder=styles[name].order)
            axes.plot(middles, bands[:, 1], label=name, **styles[name].line())
            ends.append((height_of(axes, bands[:, 1]), display_name(name), colour))
    if len(failed):
        places = failed[_thinned(len(failed), MOST_TICKS)]
        alpha = float(np.clip(60 / len(places), 0.2, 1.0))
        foot = axes.get_xaxis_transform()
        axes.plot(places, np.zeros(len(places)), "|", transform=foot, label="failed", alpha=alpha, **FAILED_TICKS)
    if not ends:
        note(axes, "no member has a value")
    if last:
        label_ends(axes, ends, size=9.5, gap=0.09)


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
