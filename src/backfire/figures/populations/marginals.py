"""Where plausible tumours lie in the box: the marginal of every input against its prior, small multiples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from matplotlib.figure import Figure

from backfire.figures.page import SLIDE, Page
from backfire.figures.populations.narrowed import Narrowed
from backfire.figures.style import styled
from backfire.formatting import display_name

FILL: Final = "#0072B2"
PRIOR: Final = "#555555"
COLUMNS: Final = 7
LONGEST: Final = 21
"""Letters of a name that fit over a panel; longer ones are smaller."""


@styled()
def population_marginals(title: str, remark: str, where: Narrowed, hashes: Mapping[str, str]) -> Figure:
    """Histograms of the places of members in the box, by weight, each over the prior (dashed), those narrowed most first."""
    names = [where.space.names[place] for place in where.order]
    rows = -(-len(names) // COLUMNS)
    page = Page(title, hashes, (SLIDE[0], min(2.2 + 1.9 * rows, SLIDE[1]) if rows < 4 else 2.2 + 1.45 * rows))
    page.remark(f"{remark}. Height: how often, against the prior (dashed, 1); inputs that the claims narrow most come first.")
    panels = page.panels(COLUMNS, rows, margins=(0.3, 0.3, 0.75, 0.45), gap=(0.22, 0.55))
    for axes, name in zip(panels, [*names, *[None] * (COLUMNS * rows - len(names))], strict=False):
        if name is None:
            axes.set_axis_off()
            continue
        heights, edges = where.density(name)
        axes.stairs(heights, edges, fill=True, color=FILL, alpha=0.85)
        axes.axhline(1, color=PRIOR, linewidth=1, linestyle="--")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, max(2.2, heights.max() * 1.08))
        axes.set_xticks([0, 1], where.ends(name), fontsize=8)
        first, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.set_yticks([])
        words = display_name(name)
        axes.set_title(words, fontsize=min(8.5, LONGEST * 8.5 / len(words)), pad=3)
    return page.figure
