"""Where plausible tumours lie in the box: the marginal of every input against its prior, small multiples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from backfire.figures.page import SLIDE, Page
from backfire.figures.style import styled
from backfire.formatting import display_name, short, unit_in_words
from backfire.solvers import Floats

MOST_BINS: Final = 16
FILL: Final = "#0072B2"
PRIOR: Final = "#555555"
COLUMNS: Final = 7
LONGEST: Final = 21
"""Letters of a name that fit over a panel; longer ones are smaller."""


@styled()
def population_marginals(
    title: str, remark: str, ends: Mapping[str, tuple[float, float, str]], shares: Floats, hashes: Mapping[str, str]
) -> Figure:
    """Histograms of ``shares`` (n, inputs), the places of members in the box from 0 to 1, each over the prior (dashed).

    ``ends`` maps each input to the values at 0 and 1 and the unit, in the order of the columns; those narrowed most come
    first.
    """
    spread = shares.std(axis=0) * math.sqrt(12)
    order, names = np.argsort(spread), list(ends)
    rows = -(-len(names) // COLUMNS)
    page = Page(title, hashes, (SLIDE[0], min(2.2 + 1.9 * rows, SLIDE[1]) if rows < 4 else 2.2 + 1.45 * rows))
    bins = int(np.clip(len(shares) // 20, 4, MOST_BINS))
    page.remark(f"{remark}. Height: how often, against the prior (dashed, 1); inputs that the claims narrow most come first.")
    panels = page.panels(COLUMNS, rows, margins=(0.3, 0.3, 0.75, 0.45), gap=(0.22, 0.55))
    for axes, place in zip(panels, [*order, *[None] * (COLUMNS * rows - len(order))], strict=False):
        if place is None:
            axes.set_axis_off()
            continue
        counts, edges = np.histogram(shares[:, place], bins=bins, range=(0, 1), density=True)
        axes.stairs(counts, edges, fill=True, color=FILL, alpha=0.85)
        axes.axhline(1, color=PRIOR, linewidth=1, linestyle="--")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, max(2.2, counts.max() * 1.08))
        low, high, unit = ends[names[place]]
        axes.set_xticks([0, 1], [short(low), f"{short(high)} {unit_in_words(unit)}".strip()], fontsize=8)
        first, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.set_yticks([])
        name = display_name(names[place])
        axes.set_title(name, fontsize=min(8.5, LONGEST * 8.5 / len(name)), pad=3)
    return page.figure
