"""Where plausible tumours lie in the box: the marginal of every input against its prior, small multiples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from backfire.figures.page import SLIDE, Page, plain
from backfire.figures.style import styled
from backfire.formatting import display_name
from backfire.solvers import Floats

BINS: Final = 16
FILL: Final = "#0072B2"
PRIOR: Final = "#555555"
COLUMNS: Final = 7


@styled()
def population_marginals(
    title: str, remark: str, ends: Mapping[str, tuple[float, float]], shares: Floats, hashes: Mapping[str, str]
) -> Figure:
    """Histograms of ``shares`` (n, inputs), the places of members in the box from 0 to 1, each over the prior (dashed).

    ``ends`` maps each input to the values at 0 and 1, in the order of the columns; the inputs narrowed most come first.
    """
    spread = shares.std(axis=0) * math.sqrt(12)
    order, names = np.argsort(spread), list(ends)
    rows = max(2, -(-len(names) // COLUMNS))
    page = Page(title, hashes, (SLIDE[0], max(SLIDE[1], 1.6 + 1.35 * rows)))
    page.remark(f"{remark}. Height: how often, against the prior (dashed, 1); inputs that the claims narrow most come first.")
    panels = page.panels(COLUMNS, rows, margins=(0.3, 0.3, 0.75, 0.45), gap=(0.22, 0.55))
    for axes, place in zip(panels, [*order, *[None] * (COLUMNS * rows - len(order))], strict=False):
        if place is None:
            axes.set_axis_off()
            continue
        counts, edges = np.histogram(shares[:, place], bins=BINS, range=(0, 1), density=True)
        axes.stairs(counts, edges, fill=True, color=FILL, alpha=0.85)
        axes.axhline(1, color=PRIOR, linewidth=1, linestyle="--")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, max(2.2, counts.max() * 1.08))
        low, high = ends[names[place]]
        axes.set_xticks([0, 1], [plain(low), plain(high)], fontsize=8)
        first, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.set_yticks([])
        axes.set_title(display_name(names[place]), fontsize=8.5, pad=3)
    return page.figure
