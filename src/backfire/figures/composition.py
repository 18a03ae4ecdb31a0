"""What a total consists of: one strip per arm, in which each state has its share of the height at the time."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from backfire.figures.page import DOTS_PER_INCH
from backfire.figures.panels import days_axis, unit_of
from backfire.figures.style import FAINT, arm_styles
from backfire.formatting import display_name
from backfire.outcomes import ONE_CELL, declared
from backfire.simulation import Result

FILLS: Final = (
    ("#e3e3e3", ""), ("#4a4a4a", ""), ("#a9a9a9", "////"), ("#ffffff", "...."), ("#7d7d7d", "\\\\\\\\"), ("#cfcfcf", "xxxx"),
)  # fmt: skip
"""Greys and hatches, so that clones are not taken for arms and print in grey as they are."""
STRIP: Final = 0.8
"""Height of a strip, of 1 that an arm has."""
LETTERS: Final = 20
"""Longer names of arms are cut; the key beside the burden has them whole."""


def composed(result: Result) -> dict[str, list[str]]:
    """Total → the states that it consists of, for totals of several; the burden first."""
    totals: dict[str, list[str]] = {}
    for state in result.scenario.network.states:
        for name in state.totals:
            totals.setdefault(name, []).append(state.name)
    some = {name: states for name, states in totals.items() if len(states) > 1}
    return dict(sorted(some.items(), key=lambda item: item[0] != "burden"))


def composition(axes: Axes, result: Result, total: str, last: bool) -> None:
    """A strip per arm; where nothing of the total is left, and after the death of the host, it is blank."""
    styles, least = arm_styles(result.scenario.arms), ONE_CELL if unit_of(result, total) == "cell" else 0.0
    arms, states = list(result.trajectories), composed(result)[total]
    for level, arm in zip(reversed(range(len(arms))), arms, strict=True):
        item = result.trajectories[arm]
        whole = item[total]
        with np.errstate(all="ignore"):
            shares = np.array([np.where((whole > 0) & (whole >= least), item[state] / whole, np.nan) for state in states])
        tops = np.cumsum(np.clip(shares, 0, 1), axis=0)
        for index, top in enumerate(tops):
            colour, hatch = FILLS[index % len(FILLS)]
            below = tops[index - 1] if index else np.zeros(len(top))
            axes.fill_between(
                item.times, level + STRIP * (below - 0.5), level + STRIP * (top - 0.5), facecolor=colour, hatch=hatch,
                edgecolor=FAINT if hatch else "none", linewidth=0,
            )  # fmt: skip
        ends = [0, item.times[-1]]
        for edge in (-0.5, 0.5):
            axes.plot(ends, [level + STRIP * edge] * 2, color=styles[arm].colour, linewidth=1.0, clip_on=False)
        if result.death(arm) is not None:
            place = {"xytext": (2, 0), "textcoords": "offset points", "va": "center", "fontsize": 12, "fontweight": "bold"}
            axes.annotate("†", (item.times[-1], level), color=styles[arm].colour, **place)  # type: ignore[arg-type]
    roomy = axes.bbox.width > 3 * DOTS_PER_INCH
    _name(axes, result, arms, roomy)
    axes.set_ylim(-0.5, len(arms) - 0.5)
    axes.spines["left"].set_visible(False)
    of = "" if total == "burden" else f" of\n{declared(total).titled(total)}"
    axes.set_ylabel(f"share{of}", labelpad=23)
    axes.set_title("Composition", pad=None if roomy else 17)
    fills = [FILLS[index % len(FILLS)] for index in range(len(states))]
    handles = [Patch(facecolor=colour, hatch=hatch, edgecolor=FAINT, linewidth=0.6) for colour, hatch in fills]
    columns = len(states) if len(states) < 4 else -(-len(states) // 2)
    at = (1.0 if roomy else 1.04, 0.985)
    axes.legend(
        handles, [display_name(state) for state in states], loc="lower right", bbox_to_anchor=at, borderpad=0.1, ncols=columns,
        frameon=False, fontsize=8, handlelength=1.3, columnspacing=0.9, handletextpad=0.4, labelspacing=0.2, borderaxespad=0.2,
    )  # fmt: skip
    days_axis(axes, result, last)


def _name(axes: Axes, result: Result, arms: list[str], roomy: bool) -> None:
    """Arms left of their strips as a piece of their line, and, where there is room, right of them by name."""
    styles = arm_styles(result.scenario.arms)
    axes.set_yticks([])
    for level, arm in zip(reversed(range(len(arms))), arms, strict=True):
        across = axes.get_yaxis_transform()
        axes.plot([-0.06, -0.012], [level, level], transform=across, clip_on=False, **styles[arm].sample())
        text = display_name(arm) if roomy else ""
        text = text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
        place = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "fontsize": 8.5 if len(arms) < 6 else 7}
        axes.annotate(text, (1.0, level), xycoords=across, color=styles[arm].colour, **place)  # type: ignore[arg-type]
