"""What answers to treatment: which recorded values change with it, found by the structure of the model, and their panels.

Candidates are what mechanisms declare, whatever it is called: every state that is no dose, and every open definition, which
accepts influences, that reads more than doses. Of a factor whose open definition takes its untreated level off, what
still acts after blockade is drawn in its place. A scenario that names what to ``show`` has exactly that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from backfire.figures.page import round_places, set_ticks
from backfire.figures.panels import cells_axis, days_axis, drawable, headline, mark_death
from backfire.figures.style import arm_styles
from backfire.formatting import display_name, short, unit_in_words
from backfire.formulas import parse
from backfire.model import Network, reached
from backfire.simulation import Result
from backfire.solvers import Floats

ANSWERS: Final = 0.02
"""A value answers if treatment changes it by at least this share of its largest."""
NOTHING: Final = 1e-6
"""A value that is never further from zero than this, in its unit, does not answer."""
RESTLESS: Final = 20
DENSE: Final = 0.02
"""A course with more turning points than the first, closer than the second as a share of its days, is drawn as a band."""


@dataclass(frozen=True)
class Answer:
    """A recorded value that answers: its name, unit, unit in words, times and course in every arm, and by how much it changes."""

    name: str
    unit: str
    measure: str
    times: Mapping[str, Floats]
    courses: Mapping[str, Floats]
    change: float

    @property
    def restless(self) -> bool:
        """Whether it turns around too often to be seen as a line in some arm."""
        return any(_period(self.times[arm], course) is not None for arm, course in self.courses.items())


def answers(result: Result) -> list[Answer]:
    """What the scenario wants shown, else everything that answers, what changes most first, and clones of totals last."""
    network = result.scenario.network
    if result.scenario.show:
        return [_answer(result, name, None) for name in result.scenario.show]
    acting = _acting(network)
    states = [state.name for state in network.states if state.name not in _doses(network)]
    found = [_answer(result, name, acting.get(name)) for name in [*states, *_open_definitions(network, acting.values())]]
    clones = {state.name for state in network.states if state.totals}
    alone = {state.name for state in network.states if state.totals and len(_members(network, state.totals[0])) == 1}
    some = [item for item in found if item.change > ANSWERS and item.name not in alone]
    return sorted(some, key=lambda item: (item.name in clones, -item.change))


def _members(network: Network, total: str) -> list[str]:
    return [state.name for state in network.states if total in state.totals]


def _doses(network: Network) -> set[str]:
    """States that hold a dose: what interventions add to, infuse or switch, and no cells."""
    cells = {state.name for state in network.states if state.is_cells}
    given = {name for item in network.interventions.values() for name in (*item.adds, item.infuses, item.switches) if name}
    return given - cells


def _acting(network: Network) -> dict[str, str]:
    """State → the open definition of what of it still acts: itself, or itself less its untreated level of one fold."""
    states = {state.name for state in network.states}
    plain = {definition.formula: definition.name for definition in network.definitions if definition.open}
    return {name: plain[text] for name in states for text in (name, f"{name} - fold") if text in plain}


def _open_definitions(network: Network, acting: Iterable[str]) -> list[str]:
    reads = {definition.name: parse(definition.formula).names for definition in network.definitions}
    answering = set(network.state_names) - _doses(network)
    wanted = [definition.name for definition in network.definitions if definition.open and definition.name not in {*acting}]
    return [name for name in wanted if answering & reached([name], reads)]


def _answer(result: Result, name: str, acting: str | None) -> Answer:
    """A recorded value; of a factor with an ``acting`` definition, what still acts of it."""
    courses, blocked = {}, False
    some = next(iter(result.trajectories.values()))
    unit = some.units[some.names.index(name)]
    for arm, item in result.trajectories.items():
        courses[arm] = item[name]
        if acting is not None:
            definition = next(part for part in result.scenario.network.definitions if part.name == acting)
            courses[arm] = item[acting] + (0.0 if definition.formula == name else 1.0)
            blocked = blocked or not np.allclose(courses[arm], item[name], rtol=1e-6, atol=1e-9, equal_nan=True)
    measure = f"unblocked {unit}" if blocked else unit_in_words(unit)
    times = {arm: item.times for arm, item in result.trajectories.items()}
    return Answer(name, unit, measure, times, courses, _change(result, courses))


def _change(result: Result, courses: Mapping[str, Floats]) -> float:
    """The largest ``_distance`` from the untreated arm at the same time, or from the start where there is none beside others."""
    untreated, most = result.scenario.untreated or "", 0.0
    for arm, course in courses.items():
        times, own = result.trajectories[arm].times, result.trajectories.get(untreated)
        if own is None or len(courses) == 1:
            most = max(most, _distance(course, np.full(len(course), course[0])))
        elif arm != untreated:
            seen = times <= own.times[-1]
            most = max(most, _distance(course[seen], np.interp(times[seen], own.times, courses[untreated])))
    return most


def _distance(values: Floats, others: Floats) -> float:
    """The largest |ln ratio| of what is always above zero, else the largest difference as a share of the largest value."""
    good = np.isfinite(values) & np.isfinite(others)
    values, others = values[good], others[good]
    if not len(values):
        return 0.0
    if values.min() > 0 and others.min() > 0:
        return float(np.abs(np.log(values) - np.log(others)).max())
    largest = float(np.abs([values, others]).max())
    return float(np.abs(values / largest - others / largest).max()) if largest > NOTHING else 0.0


def draw_answer(axes: Axes, result: Result, answer: Answer, last: bool) -> None:
    """Every arm's course of one value; restless ones as a band with its middle."""
    styles = arm_styles(result.scenario.arms)
    of_cells = answer.unit == "cell"
    lines = {arm: drawable(values, answer.unit) if of_cells else values for arm, values in answer.courses.items()}
    if of_cells:
        cells_axis(axes, lines.values())
    else:
        _value_axis(axes, lines.values())
    for arm, line in lines.items():
        style, times = styles[arm], result.trajectories[arm].times
        period, middle = _period(times, answer.courses[arm]), line
        if period is not None:
            low, middle, high = _band(times, line, period)
            axes.fill_between(times, low, high, color=style.colour, alpha=0.25, linewidth=0, zorder=style.order - 0.5)
        axes.plot(times, middle, **style.line())
        mark_death(axes, result, arm, middle, size=9)
    axes.set_title(headline(display_name(answer.name).replace(".", ": ")))
    axes.set_ylabel(answer.measure)
    days_axis(axes, result, last)


def _period(times: Floats, values: Floats) -> float | None:
    """Days from one peak to the next, of a course that is ``RESTLESS`` and ``DENSE``; None of another.

    What turns by less than a hundredth of the whole range is no turn.
    """
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        return None
    slopes = np.sign(np.diff(values))
    moving = np.flatnonzero(slopes)
    turns = moving[1:][slopes[moving][1:] != slopes[moving][:-1]]
    turns = turns[np.abs(np.diff(values[turns], prepend=values[0])) > 0.01 * np.ptp(values)]
    peaks = turns[slopes[turns] < 0]  # where a dose makes a jump, the row before it and its own are both turns
    if len(turns) <= RESTLESS or len(peaks) < 2:
        return None
    period = float(np.median(np.diff(times[peaks])))
    return period if period < 2 * DENSE * np.ptp(times) else None


def _band(times: Floats, values: Floats, period: float) -> tuple[Floats, Floats, Floats]:
    """The lowest, the mean and the highest level within half a period before and after each time."""
    first, last = np.searchsorted(times, times - period / 2), np.searchsorted(times, times + period / 2, side="right")
    windows = [values[start:end] for start, end in zip(first, last, strict=True)]
    area = np.concatenate([[0.0], np.cumsum(np.diff(times) * (values[1:] + values[:-1]) / 2)])
    low, high = np.clip(times - period / 2, times[0], None), np.clip(times + period / 2, None, times[-1])
    mean = (np.interp(high, times, area) - np.interp(low, times, area)) / (high - low)
    return np.array([window.min() for window in windows]), mean, np.array([window.max() for window in windows])


def _value_axis(axes: Axes, lines: Iterable[Floats]) -> None:
    """From zero on; logarithmic where all is above zero and spans more than a factor of six."""
    finite = [line[np.isfinite(line)] for line in lines]
    seen = np.concatenate([line for line in finite if len(line)] or [np.array([0.0, 1.0])])
    low, high = float(seen.min()), float(seen.max())
    axes.grid(axis="y")
    if low > 0 and high > 6 * low and high / low < 1e6:
        axes.set_yscale("log")
        axes.set_ylim(0.8 * low, 1.4 * high)
        decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
        parts = (1, 2, 5) if high / low < 200 else (1,)
        places = [part * 10.0**decade for decade in decades for part in parts]
        set_ticks(axes.yaxis, [place for place in places if 0.8 * low <= place <= 1.4 * high])
        return
    span = min(high, 1e300) - min(low, 0.0)
    axes.set_ylim(min(low * 1.08, 0.0), min(high, 1e300) + 0.12 * span if span > 0 else 1.0)
    set_ticks(axes.yaxis, round_places(*axes.get_ylim(), min(6, max(3, int(axes.bbox.height / 28)))), lambda tick: short(tick, 3))
