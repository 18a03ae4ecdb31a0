"""One slide on one scenario, for a room: what it shows as the headline, the burden of the arms, one answer, few outcomes.

The same drawings as in ``comparison`` on a page of half its size, so that words are twice as large where it is shown.
"""

from __future__ import annotations

from typing import Final

from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from backfire.figures.answers import answers, draw_answer
from backfire.figures.bars import OWN, bars, telling
from backfire.figures.page import Page
from backfire.figures.panels import burden, dosing, own_starts, strip_rows
from backfire.figures.style import SOFT, styled
from backfire.simulation import Result

SHEET: Final = (10.0, 5.625)
"""Inches; as wide to high as projectors are."""
FEW: Final = 3
"""Outcomes on a slide."""


@styled()
def slide(result: Result) -> Figure:
    """A scenario on a slide: burden with doses, what answers most to treatment, and the outcomes that tell most."""
    scenario, rows = result.scenario, strip_rows(result)
    page = Page(scenario.title, {scenario.name: scenario.hash}, SHEET, title_size=15)
    shown, foot = telling(result, FEW), 0.5
    if shown:
        own = bool(own_starts(result)) and any(item.own_clock for item in shown)
        inches = max(0.8, 0.15 * len(result.trajectories))
        right = 0.17 + 0.8 * len(shown) / FEW
        place = GridSpec(1, 1, page.figure, left=0.17, right=right, bottom=foot / SHEET[1], top=(foot + inches) / SHEET[1])
        bars(page.figure, place[0], result, FEW, own=own)
        if own:
            page.text(0.2, 0.3, f"{OWN} from each arm's own first treatment on", fontsize=8, color=SOFT)
        foot += inches + 0.95
    strip = min(0.17 * len(rows) + 0.08 * bool(rows), 0.3 * (page.top - foot))
    has_burden, found = "burden" in next(iter(result.trajectories.values())), answers(result)
    axes = page.axes(1.6, foot, 4.1 if has_burden and found else 6.8, page.top - 0.05 - strip - foot)
    if has_burden:
        burden(axes, result, small=True)
    elif found:
        draw_answer(axes, result, found.pop(0), True)
    if rows:
        dosing(page.axes(1.6, page.top - 0.05 - strip, axes.get_position().width * page.width, strip), result, rows)
    if has_burden and found:
        draw_answer(page.axes(7.55, foot, 2.25, page.top - 0.3 - foot), result, found[0], True)
    return page.figure
