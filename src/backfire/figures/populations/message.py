"""What the claims say about a tumour, on one slide: which inputs they narrow, which they tie together, what each is worth."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backfire.figures.page import Page, round_places, set_ticks
from backfire.figures.populations.narrowed import Narrowed
from backfire.figures.style import FAINT, INK, SOFT, styled
from backfire.formatting import display_name

SHOWN: Final = 10
"""Inputs, pairs and claims."""
FILL: Final = "#0072B2"
OTHER: Final = "#D55E00"
PARTS: Final = 40
LONGEST: Final = 28
CLAIM: Final = 41
"""Letters of a name of an input, and of a claim, in a line."""


@styled()
def population_message(
    title: str,
    remark: str,
    where: Narrowed,
    pairs: Sequence[tuple[str, str, float]],
    bits: Mapping[str, tuple[float, float, bool]],
    hashes: Mapping[str, str],
    called: Mapping[str, str] | None = None,
) -> Figure:
    """One slide. ``where`` the tumours lie; ``pairs`` are inputs with their rank correlation, the strongest first; ``bits`` maps
    claims by id to what they are worth, its error and whether that is the least that they are; ``called`` ids to short names.
    Without ``bits`` the other two panels take the room.
    """
    page = Page(title, hashes)
    page.remark(remark)
    top = page.top - 0.55
    wide = 4.6 if bits else 6.2
    names = [where.space.names[place] for place in where.order[:SHOWN]]
    _narrowed(page.axes(2.2, 0.85, wide - 2.0, top - 0.85), where, names)
    _pairs(page.axes(wide + (2.6 if bits else 2.9), 0.85, (2.9 if bits else 13.5 - wide - 3.0) - 0.6, top - 0.85), pairs[:SHOWN])
    if bits:
        named = [((called or {}).get(name, name), *item) for name, item in bits.items()]
        left = 11.5 + 0.75 * min(1.0, max(len(name) for name, *_ in named) / CLAIM)  # longer names need more room beside bars
        _bits(page.axes(left, 0.85, 13.7 - left, top - 0.85), named[: 2 * SHOWN])
    return page.figure


def _narrowed(axes: Axes, where: Narrowed, names: Sequence[str]) -> None:
    """A strip for every input, wider where more tumours lie, over its whole range."""
    middle = (np.arange(PARTS) + 0.5) / PARTS
    for row, name in enumerate(names):
        heights, edges = where.density(name, PARTS)
        if len(heights) == PARTS:
            heights = np.convolve(np.pad(heights, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        heights = heights[np.searchsorted(edges[1:-1], middle, side="right")]
        heights = 0.36 * heights / heights.max()
        axes.fill_between(middle, row - heights, row + heights, color=FILL, alpha=0.85, linewidth=0)
        axes.plot([0, 1], [row, row], color=FAINT, linewidth=0.8, zorder=0)
        low, high = where.ends(name)
        axes.text(0, row + 0.46, low, fontsize=7, color=SOFT, va="center")
        axes.text(1, row + 0.46, high, fontsize=7, color=SOFT, va="center", ha="right")
    _rows(axes, ["\n".join(textwrap.wrap(display_name(name), LONGEST)) for name in names])
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([])
    axes.set_title("Narrowed most, within the plausible range", fontsize=11, pad=8)


def _pairs(axes: Axes, pairs: Sequence[tuple[str, str, float]]) -> None:
    """Rank correlations as bars to the right and to the left."""
    for row, (_, _, rank) in enumerate(pairs):
        look = {"color": FILL} if rank > 0 else {"color": OTHER, "hatch": "////", "edgecolor": "white"}
        axes.barh(row, rank, height=0.62, **look)  # type: ignore[arg-type]
        axes.text(rank, row, f" {rank:+.2f} ".replace("-", "−"), fontsize=8, va="center", ha="left" if rank > 0 else "right")
    _rows(axes, [f"{display_name(one)}\n{display_name(two)}" for one, two, _ in pairs], size=7)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlim(-1.15, 1.15)
    set_ticks(axes.xaxis, [-1, 0, 1])
    axes.set_xlabel("rank correlation", labelpad=1)
    axes.set_title("Tied together", fontsize=11, pad=8)


def _bits(axes: Axes, bits: Sequence[tuple[str, float, float, bool]]) -> None:
    """(name, bits, standard error, least) as bars; an arrow where a claim is worth at least so much."""
    for row, (_, value, error, least) in enumerate(bits):
        axes.barh(row, value, height=0.62, color=FILL)
        if math.isfinite(error) and not least:
            axes.plot([max(value - error, 0), value + error], [row, row], color=INK, linewidth=1.2)
        else:
            axes.plot([value], [row], marker=">", color=INK, markersize=6, clip_on=False)
    _rows(axes, ["\n".join(textwrap.wrap(name, CLAIM)) for name, *_ in bits], size=8.5)
    most = max([value for _, value, *_ in bits] + [1.0])
    axes.set_xlim(0, 1.15 * most)
    set_ticks(axes.xaxis, round_places(0, 1.1 * most, 4))
    axes.set_xlabel("bits: halvings; ▸ at least" if any(least for *_, least in bits) else "bits: halvings of the set", labelpad=1)
    axes.set_title("What each claim cuts", fontsize=11, pad=8, loc="right")


def _rows(axes: Axes, names: Sequence[str], size: float = 8.5) -> None:
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
