"""Effects of two agents over their doses, and what is in excess of null surfaces: one column an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from backfire.figures.labels import HALO
from backfire.figures.page import SLIDE, Page
from backfire.figures.style import INK, SOFT, styled
from backfire.formatting import display_name, short
from backfire.solvers import Floats

MOST: Final = 4
"""Endpoints that a page has room for."""
LEVELS: Final = 6
EVEN: Final = 1e-3
"""Surfaces that differ by less than this, in the unit of effects, are flat and have no lines."""


@dataclass(frozen=True)
class SynergyPanel:
    """One endpoint: its title, the measure, medians (n, n) of the effect and of the excess by the name of the null surface."""

    title: str
    measure: str
    effect: Floats
    excess: Mapping[str, Floats]


@styled()
def synergy_surfaces(
    title: str, remark: str, agents: tuple[str, str], doses: Floats, panels: Sequence[SynergyPanel], hashes: Mapping[str, str]
) -> Figure:
    """Effects (above) and excesses (below) of endpoints, contours over the doses of two agents as multiples of their own.

    ✕ marks the peak of an excess, ○ the scenario's own doses.
    """
    shown = panels[:MOST]
    found = dict.fromkeys(name for panel in shown for name in panel.excess)
    names = [name for name in found if any(np.isfinite(panel.excess[name][1:, 1:]).any() for panel in shown)]
    if lost := [name for name in found if name not in names]:
        remark += f" {' and '.join(lost)} {'apply' if len(lost) > 1 else 'applies'} to none of these."
    page = Page(title, hashes, (SLIDE[0], 2.2 + 2.35 * (1 + len(names))))
    page.remark(f"{remark} ○ the scenario's own doses, ✕ the peak of an excess.")
    axes = [*page.panels(len(shown), 1 + len(names), margins=(1.0, 0.9, 0.85, 0.5), gap=(1.1, 0.5))]
    for column, panel in enumerate(shown):
        rows = {"effect": panel.effect} | {name: panel.excess.get(name, np.full(panel.effect.shape, np.nan)) for name in names}
        for row, (name, values) in enumerate(rows.items()):
            place = axes[row * len(shown) + column]
            _surface(place, doses, values, name != "effect")
            words = f"{panel.title} ({panel.measure})" if name == "effect" else f"beyond {name}"
            place.set_title(words, fontsize=10 if len(words) < 36 else 8.5, pad=4)
            if column == 0:
                place.set_ylabel(f"{display_name(agents[1])} (× its dose)", fontsize=9)
            if row == len(names):
                place.set_xlabel(f"{display_name(agents[0])} (× its dose)", fontsize=9)
    return page.figure


def _surface(axes: Axes, doses: Floats, values: Floats, signed: bool) -> None:
    """Filled contours with named lines; grey where a surface does not apply."""
    axes.set_facecolor("#d4d4d4")
    axes.plot([1], [1], "o", markersize=8, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.5, zorder=6)
    axes.set_xlim(doses[0], doses[-1])
    axes.set_ylim(doses[0], doses[-1])
    finite = np.isfinite(values)
    if not finite[1:, 1:].any():
        axes.text(0.5, 0.85, "does not apply", transform=axes.transAxes, ha="center", fontsize=9, color=SOFT)
        return
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if high - low < EVEN:
        axes.text(0.5, 0.85, f"{short(round(high, 3))} everywhere", transform=axes.transAxes, ha="center", fontsize=9, color=SOFT)
        return
    levels = np.linspace(low, high, 24)
    edge = max(abs(low), abs(high))
    norm = TwoSlopeNorm(0.0, -edge, edge) if signed else None
    drawn = np.ma.masked_invalid(values.T)
    axes.contourf(doses, doses, drawn, levels=levels, cmap=colormaps["RdBu_r" if signed else "viridis"], norm=norm)
    step = np.unique([float(f"{level:.1g}") for level in np.linspace(low, high, LEVELS + 2)[1:-1]])
    lines = axes.contour(doses, doses, drawn, levels=step, colors=INK if signed else "white", linewidths=0.9)
    for label in axes.clabel(lines, fontsize=8, fmt=short):
        label.set_path_effects([*HALO] if signed else [])
    if signed and high > EVEN:
        row, column = np.unravel_index(int(np.nanargmax(values)), values.shape)
        mark: dict[str, Any] = {"markerfacecolor": INK, "markeredgecolor": "white", "zorder": 7, "clip_on": False}
        axes.plot([doses[row]], [doses[column]], "X", markersize=9, **mark)
        axes.annotate(
            f"peak {short(high, 3)}", (1.0, 1.0), xycoords="axes fraction", xytext=(0, 3), textcoords="offset points", ha="right",
            fontsize=8, color=SOFT,
        )  # fmt: skip
