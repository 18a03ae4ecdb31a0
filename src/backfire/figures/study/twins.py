"""What the same patients gain from another arm, and how many patients a real trial of it would need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backfire.figures.labels import fitted, label_ends, note
from backfire.figures.page import DOTS_PER_INCH, Page, set_ticks, value_axis
from backfire.figures.style import FAINT, INK, SOFT, ArmStyle, arm_styles, styled
from backfire.formatting import display_name, short
from backfire.solvers import Floats


@dataclass(frozen=True, eq=False)
class TwinPanel:
    """One arm against the reference: ``gains`` (n,) in days of the same patients, sentences on them, and the ``power`` of trials
    with ``sizes`` patients per arm, empty if nobody asked."""

    arm: str
    gains: Floats
    margin: float
    said: Sequence[str]
    sizes: Sequence[int] = ()
    power: Sequence[float] = ()


@styled()
def twin_gains(
    title: str, remarks: Sequence[str], endpoint: str, reference: str, panels: Sequence[TwinPanel], horizon: float,
    hashes: Mapping[str, str],
) -> Figure:  # fmt: skip
    """Every patient's own gain, sorted, an arm a panel (harm hatched); at the right the power of a real trial."""
    page = Page(title, hashes)
    for words in remarks:
        page.remark(words)
    styles = arm_styles([reference, *(panel.arm for panel in panels)])
    powered = any(len(panel.sizes) for panel in panels)
    right = 4.9 if powered else 0.6
    across = len(panels) if len(panels) < 4 else math.ceil(len(panels) / 2)
    down = math.ceil(len(panels) / across)
    sheet = page.panels(across, down, margins=(0.95, right, 1.15, 1.2), gap=(0.6, 1.35))
    reach = max(float(np.abs(panel.gains).max(initial=1.0)) for panel in panels) * 1.06
    for place, (panel, axes) in enumerate(zip(panels, sheet, strict=False)):
        _panel(axes, panel, styles[panel.arm], reach, place % across == 0)
    page.text(
        0.95,
        0.5,
        f"patients, sorted by gain; days without {endpoint} more than under {display_name(reference)}, up to day {horizon:g}",
        fontsize=9.5,
    )
    if powered:
        _power(page.axes(page.width - 3.9, 1.15, 2.4, page.top - 2.35), panels, styles)
    return page.figure


def _panel(axes: Axes, panel: TwinPanel, style: ArmStyle, reach: float, first: bool) -> None:
    gains = np.sort(panel.gains)
    at = (np.arange(len(gains)) + 0.5) / len(gains)
    axes.fill_between(at, 0, np.where(gains > panel.margin, gains, 0.0), step="mid", color=style.colour, linewidth=0)
    harm = np.where(gains < -panel.margin, gains, 0.0)
    axes.fill_between(at, 0, harm, step="mid", facecolor="white", edgecolor=INK, hatch="////", linewidth=0.6)
    axes.axhline(0, color=INK, linewidth=0.9)
    if not (np.abs(gains) > panel.margin).any():
        note(axes, f"nobody gains or loses more than {short(panel.margin)} days").set_y(0.6)
    name, size = fitted(display_name(panel.arm), axes.get_window_extent().width / DOTS_PER_INCH, 11, lines=2)
    axes.set_title(name, fontsize=size, color=style.colour, pad=6 + 12.5 * len(panel.said))
    for place, words in enumerate(reversed(panel.said)):
        axes.annotate(
            words,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 4 + 12.5 * place),
            textcoords="offset points",
            fontsize=8.5,
            color=SOFT,
        )
    axes.set(xlim=(0, 1))
    value_axis(axes, "y", "days gained" if first else "", (-reach, reach), logarithmic=False, most=7)
    set_ticks(axes.xaxis, [0, 0.5, 1.0], lambda tick: f"{100 * tick:.0f} %")
    if not first:
        axes.set_yticklabels([])
    axes.grid(axis="y")


def _power(axes: Axes, panels: Sequence[TwinPanel], styles: Mapping[str, ArmStyle]) -> None:
    drawn = [panel for panel in panels if len(panel.sizes)]
    axes.set_title("a real trial", pad=8)
    axes.set(xscale="log", ylim=(0, 1.02))
    sizes = [size for panel in drawn for size in panel.sizes]
    low, high = min(sizes), max(*sizes, 2 * min(sizes))
    value_axis(axes, "x", "patients per arm", (low / 1.15, high * 1.15), logarithmic=True, most=5)
    set_ticks(axes.yaxis, [0, 0.2, 0.4, 0.6, 0.8, 1.0], lambda tick: f"{100 * tick:.0f} %")
    axes.set_ylabel("trials that find the difference")
    axes.axhline(0.8, color=FAINT, linestyle=(0, (2, 2)), linewidth=1)
    for panel in drawn:
        axes.plot(panel.sizes, panel.power, marker="o", markersize=3.5, **styles[panel.arm].line())
    ends = [(panel.power[-1] / 1.02, display_name(panel.arm), styles[panel.arm].colour) for panel in drawn]
    label_ends(axes, ends, size=9, samples={display_name(panel.arm): styles[panel.arm] for panel in drawn})
    axes.grid(axis="y")
    if not drawn:
        note(axes, "nothing to find")
