"""Figures made to be shown: one scenario on a slide (``comparison``), many side by side (``atlas``).

Both draw from a ``Result`` alone, fresh or read back from a stored run. What there is to draw is asked of the model's
structure, and the layout follows: one column of panels or two, a taller page for many, none for a burden alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from backfire.errors import UserError
from backfire.figures.answers import Answer, answers, draw_answer
from backfire.figures.bars import OWN, WORTHWHILE, bars, telling
from backfire.figures.composition import composed, composition
from backfire.figures.labels import note
from backfire.figures.page import SLIDE, Page
from backfire.figures.panels import burden, course_kills, dosing, given, kills, name_arms, own_starts, runs, strip_rows, total
from backfire.figures.style import INK, SOFT, styled
from backfire.simulation import Result

ROOM: Final = 6
"""Panels beside the burden, in two columns of three; a composition takes two of them."""
MOST_BARS: Final = 5
MOST_COURSES: Final = 20
Draw = Callable[[Axes, bool], None]
"""Draws one panel: axes, and whether it is the lowest of its column."""


@dataclass
class _Panels:
    """What stands beside the burden: panels with whether they are as wide as two, and answers that have one or none."""

    drawn: list[tuple[Draw, bool]] = field(default_factory=list)
    shown: list[Answer] = field(default_factory=list)
    left_out: list[Answer] = field(default_factory=list)
    main: Draw | None = None

    def rows(self) -> list[list[Draw]]:
        """Panels row by row: one column for up to three, else two, the first panel across both if one would stand alone."""
        if len(self.drawn) <= ROOM // 2:
            return [[draw] for draw, _ in self.drawn]
        rows, single = [[draw] for draw, wide in self.drawn if wide], [draw for draw, wide in self.drawn if not wide]
        if len(single) % 2:
            rows.append([single.pop(0)])
        return [*rows, *(single[index : index + 2] for index in range(0, len(single), 2))]


def _panels(result: Result) -> _Panels:
    """Compositions and other totals first, then as many answers as there is room for, or all that are asked for."""
    some, found = next(iter(result.trajectories.values())), answers(result)
    made = _Panels()
    parts: list[tuple[Draw, bool]] = [(partial(_composition, result, name), True) for name in composed(result)]
    totals = {name: None for state in result.scenario.network.states for name in state.totals if name != "burden"}
    others: list[tuple[Draw, bool]] = [(partial(_total, result, name), False) for name in totals]
    if "burden" not in some and found:
        made.main = partial(_answer, result, found[0])
        made.shown.append(found[0])
        found = found[1:]
    room = len(found) if result.scenario.show else max(1, ROOM - 2 * len(parts) - len(others))
    made.shown += found[:room]
    clones = {state for states in composed(result).values() for state in states}
    made.left_out = [item for item in found[room:] if item.name not in clones]
    shown: list[tuple[Draw, bool]] = [(partial(_answer, result, item), False) for item in found[:room]]
    each = [series for found in result.outcomes.values() if (series := course_kills(found))]
    if 2 < max(map(len, each), default=0) <= MOST_COURSES and max(map(max, each)) > WORTHWHILE and len(shown) < room:
        others.append((partial(_kills, result), False))
    made.drawn = [*parts, *shown, *others]
    return made


def _answer(result: Result, item: Answer, axes: Axes, last: bool) -> None:
    draw_answer(axes, result, item, last)


def _composition(result: Result, name: str, axes: Axes, last: bool) -> None:
    composition(axes, result, name, last)


def _total(result: Result, name: str, axes: Axes, last: bool) -> None:
    total(axes, result, name, last)


def _kills(result: Result, axes: Axes, _last: bool) -> None:
    kills(axes, result)


@styled()
def comparison(result: Result) -> Figure:
    """One slide for one scenario: burden by arm with dosing, what the burden consists of, what answers to treatment, other
    totals, outcomes; with a word on what was left out.

    Panels that have nothing to show are left out, and the others take their room.
    """
    scenario, panels = result.scenario, _panels(result)
    rows, arms = panels.rows(), len(result.trajectories)
    shown = telling(result, MOST_BARS)
    own = own_starts(result) if any(item.own_clock for item in shown) else ""
    notes = textwrap.wrap(" ".join(_notes(panels, own)), 200)
    inches = max(1.15, 0.2 * arms) if shown else 0.0
    foot = 0.42 + 0.18 * len(notes)
    height = SLIDE[1] + 1.45 * max(0, len(rows) - 3) + max(0.0, inches - 1.4)
    page = Page(scenario.title, {scenario.name: scenario.hash}, (SLIDE[0], height))
    for line, words in enumerate(reversed(notes)):
        page.text(0.28, 0.35 + 0.18 * line, words, fontsize=8.5, color=SOFT)
    if shown:
        right = 0.115 + 0.86 * min(1.0, len(shown) / 3)
        place = GridSpec(1, 1, page.figure, left=0.115, right=right, bottom=foot / height, top=(foot + inches) / height)
        bars(page.figure, place[0], result, MOST_BARS, own=bool(own))
        foot += inches + 0.45
    foot += 0.6
    _main(page, result, panels, foot, 0.44 if rows else 0.84)
    _beside(page, rows, foot, arms)
    return page.figure


def _notes(panels: _Panels, own: str) -> Iterator[str]:
    """What a reader must know: which answers have no panel, by the names that would show them; bands; own starts."""
    if panels.left_out:
        names = ", ".join(item.name for item in panels.left_out)
        yield f'Not drawn, as they change less: {names}; draw them by --show NAME, or show = ["NAME"] in the scenario.'
    words = ["fold: over the untreated level"] if any(item.unit == "fold" for item in panels.shown) else []
    words += ["unblocked: what still acts"] if any(item.measure.startswith("unblocked") for item in panels.shown) else []
    words += (
        ["shaded: from lowest to highest between doses, the line their mean"]
        if any(item.restless for item in panels.shown)
        else []
    )
    if words:
        yield f"{'; '.join(words).capitalize()}."
    if own:
        yield f"{OWN} measured against each arm's own burden from its first treatment on ({own})."


def _main(page: Page, result: Result, panels: _Panels, foot: float, share: float) -> None:
    """Dosing and burden, or what stands for the burden in a model that has none."""
    left, width, rows = 1.45, share * page.width - 0.95, strip_rows(result)
    strip = 0.19 * len(rows) + 0.12 * bool(rows)
    top = page.top - (0.1 if panels.main is None else 0.32)
    axes = page.axes(left, foot, width, top - strip - foot)
    if "burden" in next(iter(result.trajectories.values())):
        burden(axes, result)
    elif panels.main is not None:
        panels.main(axes, True)
        name_arms(axes, result, panels.shown[0].courses)
    else:
        note(axes, "nothing here answers to treatment; name what to draw by --show NAME")
    if rows:
        dosing(page.axes(left, top - strip, width, strip), result, rows)


def _beside(page: Page, rows: list[list[Draw]], foot: float, arms: int) -> None:
    """Draw the panels beside the burden, in one column or two."""
    left, right, gap, between = 8.75, page.width - 0.3, 0.8, 0.68
    top = page.top - 0.32
    weights = [max(0.45, 0.28 + 0.17 * arms) if _is(row[0], _composition) else 1.0 for row in rows]
    if len(rows) == 3 and max(map(len, rows)) == 1 and _is(rows[0][0], _answer):
        weights[0] = 1.4
    unit = (top - foot - between * (len(rows) - 1)) / sum(weights or [1])
    for index, row in enumerate(rows):
        high = unit * weights[index]
        width = (right - left - gap * (len(row) - 1)) / len(row)
        for column, draw in enumerate(row):
            names = 1.35 * _is(draw, _composition)
            draw(page.axes(left + column * (width + gap), top - high, width - names, high), index == len(rows) - 1)
        top -= high + between


def _is(draw: Draw, kind: Callable[..., None]) -> bool:
    return getattr(draw, "func", None) is kind


@styled()
def atlas(results: Sequence[Result]) -> Figure:
    """Scenarios side by side, one row each: burden, the strongest answer, one more panel, and the outcomes.

    Where the scenarios of at least two articles are given, the rows are the articles; other scenarios are left to
    their own figures. Raises UserError for an empty list.
    """
    if not results:
        raise UserError("an atlas needs at least one result")
    flagships = [result for result in results if result.scenario.name == result.scenario.article]
    rows = flagships if len(flagships) > 1 else list(results)
    height = 1.4 + 2.95 * len(rows)
    title = "Treatment, the answer it provokes, and what blocking that answer gains"
    page = Page(title, {row.scenario.name: row.scenario.hash for row in rows}, (21.0, height), title_size=20)
    notes = "Fold: over the untreated level; unblocked: what still acts; shaded: from lowest to highest between doses."
    notes += f" {OWN} measured against each arm's own burden from its first treatment on, whose day differs between arms."
    page.text(0.42, 0.36, notes, fontsize=9, color=SOFT)
    for index, result in enumerate(rows):
        _atlas_row(page, height - 1.15 - 2.95 * index, result)
    return page.figure


def _atlas_row(page: Page, top: float, result: Result) -> None:
    high, foot = 2.05, top - 2.05
    page.text(0.4, top, "\n".join(textwrap.wrap(result.scenario.title, 23)), fontsize=12.5, fontweight="bold", va="top")
    panels = _panels(result)
    axes = page.axes(4.0, foot, 3.6, high)
    if "burden" in next(iter(result.trajectories.values())):
        burden(axes, result, small=True)
        axes.set_title("Tumour burden, doses above", pad=12)
    elif panels.main is not None:
        panels.main(axes, True)
    across = axes.get_xaxis_transform()
    for first, last, count in runs(sorted({day for row in given(result) for day in row.days}), 0.012 * result.scenario.days):
        look = {"marker": "|", "markersize": 6, "linewidth": 0} if count < 5 else {"linewidth": 4, "solid_capstyle": "butt"}
        axes.plot([first, last], [1.03, 1.03], color=INK, transform=across, clip_on=False, **look)  # type: ignore[arg-type]
    drawn = [draw for draw, _ in panels.drawn]
    answered = [draw for draw in drawn if _is(draw, _answer)]
    others = [draw for kind in (_composition, _total, _kills) for draw in drawn if _is(draw, kind)]
    for column, draw in enumerate([*answered[:1], *others, *answered[1:]][:2]):
        draw(page.axes(9.7 + column * 3.3, foot, 2.5, high), True)
    left, right = 17.2 / page.width, 20.7 / page.width
    place = GridSpec(1, 1, page.figure, left=left, right=right, bottom=foot / page.height, top=top / page.height)
    bars(page.figure, place[0], result, most=2, own=bool(own_starts(result)))
