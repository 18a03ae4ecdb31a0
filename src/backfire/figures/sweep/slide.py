"""What all figures of sweeps share: how they declare themselves, the slide with its words, and the axis of an outcome."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backfire.figures.page import Page, set_ticks
from backfire.figures.style import styled
from backfire.figures.sweep.data import Manifest, Members, Scale, SweepData
from backfire.sampling import design_kinds

HASH: Final = 12
MOST_OUTCOMES: Final = 3
CENSORED: Final = "not seen by the last day: at least this"
"""What the marks of times say that were not seen."""


@dataclass(frozen=True)
class SweepFigure:
    """Declares the function below as a figure of sweeps.

    ``file`` is the name of the picture; with ``{outcome}`` in it, every outcome has a picture of its own. From the
    manifest of a store, ``draws`` says whether the figure suits the design, ``members`` which members it reads (sorted;
    None for all), ``outcomes`` how many outcomes it shows unless some are asked for. Lower ``order`` is drawn first.
    """

    file: str
    draws: Callable[[Manifest], bool]
    members: Callable[[Manifest], Members] = lambda _: None
    outcomes: Callable[[Manifest], int] = lambda _: MOST_OUTCOMES
    order: int = 1
    draw: Callable[[SweepData], Figure] = lambda _: Figure()

    def __call__(self, draw: Callable[[SweepData], Figure]) -> SweepFigure:
        """The declaration together with its function."""
        return replace(self, draw=styled()(draw))


def slide(data: SweepData, *remarks: str) -> Page:
    """A slide with the study as headline, and below it what members there are and the ``remarks``."""
    about = data.manifest["scenario"]
    hashes = {about["name"]: f"{about['hash']}   ·   table {data.summary['table_hash'][:HASH]}"}
    page = Page(" ".join(str(data.manifest.get("title") or about["name"]).split()), hashes)
    page.remark(" · ".join([_members(data), *(remark for remark in remarks if remark)]))
    return page


def _members(data: SweepData) -> str:
    """How many members there are, of what design, how many failed or are missing, how many are drawn."""
    design = data.manifest["design"]
    stored, members = data.summary["stored"], data.summary["members"]
    vary = design.get("vary")
    shape = ""
    if design["kind"] == "grid" and isinstance(vary, dict):
        shape = " × ".join(f"{len(item['values']) if 'values' in item else item['points']:,}" for item in vary.values())
    known = design_kinds().get(design["kind"])
    kind = f"grid of {shape}" if shape else known.title if known else str(design["kind"])
    some = f"{members:,} members ({kind})" if stored == members else f"{stored:,} of {members:,} members stored ({kind})"
    few = f", {len(data.members):,} of them drawn" if len(data.members) < stored else ""
    return f"{some}{few}, {data.failures}"


def outcome_axis(axes: Axes, scale: Scale, label: bool = True) -> None:
    """The vertical axis of an outcome; zero on a logarithmic scale has a place of its own at the foot."""
    low, high = (scale.low, scale.high) if math.isfinite(scale.low) else (0.0, 1.0)
    pad = 0.07 * (high - low) or max(abs(high) * 0.1, 0.1)
    axes.set_ylim((scale.floor if scale.zeros else low) - pad, high + pad)
    zero = [scale.floor] if scale.zeros else []
    if zero:
        axes.axhline(scale.floor + (low - scale.floor) / 2, color="#c4c4c4", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    nothing = "none left" if scale.cells else "0"
    set_ticks(axes.yaxis, [*zero, *scale.ticks()], lambda height: nothing if height in zero else scale.named(height))
    axes.grid(axis="y")
    if label:
        axes.set_ylabel(scale.label, labelpad=3)
