"""The reference solver: SciPy's integrators, one arm at a time, from event to event, tight by default.

SciPy supplies the method; what surrounds it here is what SciPy leaves to its callers (each point was seen to fail in
practice): restart at every dose, values before and after it, extinction at the crossing, budgets on work and time,
and a status instead of an exception, a hang or a NaN that calls itself a success.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import scipy  # its parts are imported where they are first used: sweeps need none of them

from backfire.errors import UserError, unknown
from backfire.model import Event
from backfire.solvers.controls import Controls, Decisions
from backfire.solvers.pycode import Code
from backfire.solvers.trajectory import NODES, Floats, Status, Steps

METHODS: Final = ("LSODA", "Radau", "BDF", "DOP853")
ONE_CELL: Final = 1.0
"""A compartment of cells that falls below this is gone."""
SHORTEST_START: Final = 1e-11
"""No first step is shorter than this share of the day it is on, or of one day."""
MOST_UNDEFINED: Final = 200
"""So many evaluations without a finite value end a run."""


@dataclass(frozen=True)
class Settings:
    """How to integrate.

    ``relative`` tolerance for all states; ``cells`` is the absolute tolerance of states in cells, ``absolute`` that of
    all others. A thousandth of a cell would do for extinction, but a tumour that turns back near one cell keeps four
    digits less. ``most_evaluations`` of the right-hand side and ``most_seconds`` bound the work for one arm.
    """

    method: str = "LSODA"
    relative: float = 1e-9
    cells: float = 1e-6
    absolute: float = 1e-12
    most_evaluations: int = 2_000_000
    most_seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UserError(unknown("method", self.method, METHODS))
        for word in ("relative", "cells", "absolute", "most_evaluations", "most_seconds"):
            if not isinstance(given := getattr(self, word), int | float | np.number) or not 0 < given < math.inf:
                raise UserError(f"solver setting `{word}` must be above 0, got {given}")


@dataclass(frozen=True)
class InitialValueProblem:
    """One arm as numbers.

    ``start`` (n,) and ``constants`` (p,) in the order of the network; ``events`` name states by ``state_names``;
    ``record`` (k,) are the days to report, first the first day, last the last. ``cells`` and ``amounts`` (n,) mark the
    states that die out below one cell, and those that cannot be negative. ``feeds`` maps the index of a state to those
    that its cells can become: when it dies out, fragments of less than a cell in them go too.
    ``load`` gives what the host bears as a share of what it can; where that reaches 1 the host dies, and the arm is over.
    ``controls`` are the rules that decide on some of the events, if any do.
    """

    code: Code
    state_names: Sequence[str]
    start: Floats
    constants: Floats
    events: Sequence[Event]
    record: Floats
    cells: Sequence[bool]
    amounts: Sequence[bool]
    feeds: Mapping[int, frozenset[int]] = field(default_factory=dict)
    load: Callable[[Sequence[float]], float] | None = None
    controls: Controls | None = None


@dataclass
class Solution:
    """``times`` (r,) and ``states`` (r, n), with a row before and a row after every event and extinction.

    ``status`` says how it ended and ``message`` why; rows after a failure are NaN. ``step_times`` (6,), ``step_states``
    (6, n) and ``fresh`` of every step are those of ``Steps``. ``decisions`` are the levels of rules after each visit.
    """

    times: list[float] = field(default_factory=list)
    states: list[Floats] = field(default_factory=list)
    status: Status = Status.OK
    message: str = ""
    evaluations: int = 0
    step_times: list[Floats] = field(default_factory=list)
    step_states: list[Floats] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    decisions: list[float] = field(default_factory=list)

    def steps(self) -> Steps:
        """The course between the rows."""
        count, states = len(self.step_times), len(self.states[0]) if self.states else 0
        times = np.array(self.step_times).reshape(count, len(NODES))
        return Steps(times, np.array(self.step_states).reshape(count, len(NODES), states), np.array(self.fresh, dtype=bool))

    def note(self, when: float, state: Floats) -> None:
        """Record a row; a second row for the same moment replaces the first (values after the event count)."""
        if self.times and self.times[-1] == when:
            self.states[-1] = state.copy()
        else:
            self.times.append(when)
            self.states.append(state.copy())


class _Stop(Exception):  # noqa: N818  a signal, not an error
    """Ends a run from inside with a status."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Death(Exception):  # noqa: N818  a signal, not an error
    """The host has died: what there is is the whole course."""


def solve(problem: InitialValueProblem, settings: Settings | None = None) -> Solution:
    """Integrate one arm. Never raises for numerical trouble: look at ``status``."""
    return _Run(problem, settings or Settings()).solution()


class _Run:
    """The state of one integration."""

    def __init__(self, problem: InitialValueProblem, settings: Settings) -> None:
        self.problem = problem
        self.settings = settings
        self.constants = problem.constants.tolist()
        self.state = np.where(np.asarray(problem.cells, dtype=bool) & (problem.start < ONE_CELL), 0.0, problem.start)
        self.decisions = Decisions(problem.controls)
        self.out = Solution(decisions=self.decisions.made)
        self.undefined = 0
        self.deadline = time.monotonic() + settings.most_seconds
        self.tolerance = np.where(problem.cells, settings.cells, settings.absolute)
        self.cells = np.flatnonzero(problem.cells)
        self.amounts = np.asarray(problem.amounts, dtype=bool)
        self.fresh = True
        """The next step begins after an event or an extinction."""
        self.rounding = -10 * self.tolerance - 10 * settings.relative
        """Amounts below this are more negative than rounding makes them."""

    def solution(self) -> Solution:
        record = self.problem.record
        first, last = float(record[0]), float(record[-1])
        events: dict[float, list[Event]] = {}
        for event in self.problem.events:
            events.setdefault(event.time, []).append(event)
        edges = sorted({first, last, *events})
        try:
            if not (np.isfinite(self.state).all() and np.isfinite(self.problem.constants).all()):
                raise _Stop(Status.NONFINITE, "the start or a parameter is not a finite number")
            # doubles over- and underflow in rejected steps; what matters is checked after each accepted one
            with np.errstate(all="ignore"):
                for start, end in zip(edges, [*edges[1:], last], strict=True):
                    if self.decisions.look(start, lambda _: self.state) is not None:
                        self._apply(self.decisions.set_anew(start))
                    self._apply(events.get(start, []))
                    self.out.note(start, self._shown(start))
                    dead = self._load(self.state) >= 1.0
                    if start == last or dead:
                        self._keep(start, start, lambda days: np.tile(self.state, (len(days), 1)))
                    if dead:
                        raise _Death
                    if end > start:
                        inside = record[(record > start) & (record < end)]
                        self._advance(start, end, inside)
                        self.out.note(math.nextafter(end, -math.inf) if end in events else end, self._shown(end))
        except _Death:
            pass
        except _Stop as stop:
            self.out.status, self.out.message = stop.status, str(stop)
            self._fill(record[record > self.out.times[-1]] if self.out.times else record)
        return self.out

    def _fill(self, record: Floats) -> None:
        for when in record:
            self.out.note(float(when), np.full(len(self.state), np.nan))

    def _apply(self, events: list[Event]) -> None:
        """Doses, infusion edges and surgery of one moment; what surgery leaves of less than a cell is gone."""
        if not events:
            return
        self.fresh = True
        before = self.state.copy()
        for event in events:
            index = self.problem.state_names.index(event.state)
            self.state[index] = self.state[index] * event.multiply + event.add * self.decisions.level(event.giver)
        for index in self.cells[(self.state[self.cells] < ONE_CELL) & (before[self.cells] >= ONE_CELL)]:
            self._clear(int(index))

    def _clear(self, index: int) -> None:
        """A compartment is gone, and so are fragments of less than a cell that it fed: there never was a cell in them."""
        self.state[index] = 0.0
        for fed in self.problem.feeds.get(index, ()):
            if self.problem.cells[fed] and self.state[fed] < ONE_CELL:
                self.state[fed] = 0.0

    def _rates(self, _: float, state: Floats) -> Floats:
        self.out.evaluations += 1
        if self.out.evaluations > self.settings.most_evaluations:
            raise _Stop(Status.MAX_STEPS, f"more than {self.settings.most_evaluations} evaluations")
        if self.out.evaluations % 256 == 0 and time.monotonic() > self.deadline:
            raise _Stop(Status.MAX_TIME, f"more than {self.settings.most_seconds:g} seconds")
        try:
            found = self.problem.code.rates(state.tolist(), self.constants)
            finite, rates = all(map(math.isfinite, found)), np.array(found, dtype=float)
        except (ArithmeticError, ValueError, TypeError):  # TypeError: a power of something negative turned complex
            finite, rates = False, np.full(len(state), np.nan)
        # a method that halves its step for ever must not do so on something that is no number
        self.undefined = 0 if finite else self.undefined + 1
        if self.undefined > MOST_UNDEFINED:
            raise _Stop(Status.NONFINITE, f"{MOST_UNDEFINED} evaluations in a row are not finite")
        return rates

    def _jacobian(self, _: float, state: Floats) -> Floats:
        try:
            return np.array(self.problem.code.jacobian(state.tolist(), self.constants), dtype=float)
        except (ArithmeticError, ValueError, TypeError):
            return np.full((len(state), len(state)), np.nan)

    def _method(self, start: float, end: float) -> scipy.integrate.OdeSolver:
        name = self.settings.method
        options: dict[str, Any] = {"rtol": self.settings.relative, "atol": self.tolerance}
        if name != "DOP853":
            options["jac"] = self._jacobian
        rates = self._rates(start, self.state)
        if not np.isfinite(rates).all():
            raise _Stop(Status.NONFINITE, f"the rates are not finite on day {start:g}")
        # where a state leaves 0 steeply, as hibernating cells of a huge tumour do, a method's own guess is below the clock's
        # resolution; any step that is too long it shortens itself
        fastest = np.max(np.abs(rates) / (self.tolerance + self.settings.relative * np.abs(self.state)))
        shortest = SHORTEST_START * max(1.0, abs(end))
        if fastest * shortest > 1.0:
            options["first_step"] = shortest
        return getattr(scipy.integrate, name)(self._rates, start, self.state, end, **options)

    def _advance(self, start: float, end: float, record: Floats) -> None:
        """From one event to the next; extinction starts a new leg at the crossing."""
        when = start
        while when < end:
            if end - when < 1e-10 * max(1.0, abs(end)):
                self._creep(end, end - when)
                return
            when = self._leg(when, end, record[record > when])

    def _creep(self, end: float, span: float) -> None:
        """Events closer than any method can step: a midpoint step, whose error is of the order of span³."""
        before, half = self.state, self.state + span / 2 * self._rates(0.0, self.state)
        self.state = self.state + span * self._rates(0.0, half)
        self._keep(end - span, end, lambda _: before + NODES[:, None] * (self.state - before))

    def _keep(self, start: float, end: float, course: Callable[[Floats], Floats]) -> None:
        """Keep a step, or what of it counts; ``course`` gives the states (6, n) at days (6,)."""
        days = start + (end - start) * NODES
        days[-1] = end
        states = course(days)
        self.out.step_times.append(days)
        self.out.step_states.append(np.where(self.amounts & (states < 0), 0.0, states))
        self.out.fresh.append(self.fresh)
        self.fresh = False

    def _leg(self, start: float, end: float, record: Floats) -> float:
        """Integrate until ``end`` or until a compartment dies out; returns the day reached."""
        method = self._method(start, end)
        waiting, before = 0, self.state
        while method.status == "running":
            try:
                message = method.step()
            except (ValueError, np.linalg.LinAlgError) as error:
                raise _Stop(Status.NONFINITE, f"day {method.t:g}: {error}") from None
            if not all(map(math.isfinite, method.y.tolist())):  # of few numbers faster than numpy
                raise _Stop(Status.NONFINITE, f"a state is not finite after day {method.t_old or start:g}")
            if method.status == "failed":
                raise _Stop(Status.STEP_TOO_SMALL, f"day {method.t:g}: {message or 'no step is small enough'}")
            self._check_progress(method)
            dense, begun = method.dense_output(), start if method.t_old is None else method.t_old
            crossing = self._crossing(method, dense, before)
            before = np.array(method.y)
            reached = crossing[0] if crossing else method.t
            death = self._death(dense, begun, reached)
            reached = reached if death is None else death
            # what is looked at on the day of the next event is so before it, where that is applied
            turn = self.decisions.look(min(reached, math.nextafter(end, -math.inf)), dense)
            if turn is not None:
                reached, crossing, death = turn, None, None
            if reached > begun:
                self._keep(begun, reached, lambda days, course=dense: course(days).T)  # type: ignore[misc]
            while waiting < len(record) and record[waiting] <= reached:
                self.state = dense(record[waiting])
                self.out.note(float(record[waiting]), self._shown(record[waiting]))
                waiting += 1
            if death is not None:
                self.state = dense(death)
                self.out.note(death, self._shown(death))
                raise _Death
            if crossing:
                self._die(*crossing)
                return reached
            if turn is not None:
                self._turn(turn, dense(turn))
                return reached
        self.state = np.array(method.y)
        return end

    def _load(self, state: Floats) -> float:
        """What the host bears, as a share of what it can; 0 where a model has no host that can die."""
        return 0.0 if self.problem.load is None else self.problem.load(state.tolist())

    def _death(self, dense: Any, begun: float, reached: float) -> float | None:
        """The day within a step on which the host load reaches 1; None if it does not."""
        if self.problem.load is None:
            return None
        days = begun + (reached - begun) * NODES
        for low, high in itertools.pairwise(days):
            if self._load(dense(high)) >= 1.0:
                return self._root(lambda day: self._load(dense(day)) - 1.0, low, high) if self._load(dense(low)) < 1.0 else low
        return None

    def _check_progress(self, method: scipy.integrate.OdeSolver) -> None:
        if method.t_old is not None and not method.t > method.t_old:
            raise _Stop(Status.STEP_TOO_SMALL, f"no progress on day {method.t:g}")

    def _crossing(self, method: scipy.integrate.OdeSolver, dense: Any, before: Floats) -> tuple[float, Floats, list[int]] | None:
        """The first moment of the last step at which compartments fall through one cell: (day, state, their indices)."""
        near = self.cells[np.minimum(before, method.y)[self.cells] < 3 * ONE_CELL]
        near = near[np.maximum(before, method.y)[near] >= ONE_CELL]
        if len(near) == 0 or method.t_old is None:
            return None
        days = np.linspace(method.t_old, method.t, 12)
        days[-1] = method.t
        first: tuple[float, Floats, int] | None = None
        course = np.array([before, *(dense(day) for day in days[1:])])
        for index in near:
            level = course[:, index] - ONE_CELL
            falls = np.flatnonzero((level[:-1] >= 0) & (level[1:] < 0))
            if len(falls) == 0:
                continue
            low, high = days[falls[0]], days[falls[0] + 1]
            # a tumour of exactly one cell may be a rounding below it in the dense output of its first moment
            at_once = dense(low)[index] < ONE_CELL
            day = low if at_once else self._root(lambda t, i=index: float(dense(t)[i]) - ONE_CELL, low, high)
            if first is None or day < first[0]:
                first = (day, dense(day), int(index))
        if first is None:
            return None
        # others may have crossed at the same moment
        state, index = first[1], first[2]
        return first[0], state, [int(other) for other in near if other == index or state[other] < ONE_CELL <= before[other]]

    def _root(self, level: Any, low: float, high: float) -> float:
        try:
            return float(scipy.optimize.brentq(level, low, high, xtol=1e-13 * max(1.0, high), rtol=1e-14))
        except (ValueError, RuntimeError) as error:
            raise _Stop(Status.EVENT_ROOT_FAILED, f"extinction or death near day {low:g}: {error}") from None

    def _die(self, day: float, state: Floats, dead: list[int]) -> None:
        """Compartments reach one cell: recorded just before, then zero."""
        self.state = np.array(state)
        before = math.nextafter(day, -math.inf)
        if before > self.out.times[-1]:
            self.out.note(before, self._shown(day))
        for index in dead:
            self._clear(index)
        self.fresh = True
        self.out.note(day, self._shown(day))

    def _turn(self, day: float, state: Floats) -> None:
        """A rule changes the rate of what runs: recorded just before, then after."""
        self.state = np.array(state)
        before = math.nextafter(day, -math.inf)
        if before > self.out.times[-1]:
            self.out.note(before, self._shown(day))
        self._apply(self.decisions.set_anew(day))
        self.out.note(day, self._shown(day))

    def _shown(self, day: float) -> Floats:
        """The state as recorded: rounding below zero is shown as 0, more than that is a failure."""
        if not np.isfinite(self.state).all():
            raise _Stop(Status.NONFINITE, f"a state is not finite on day {day:g}")
        low = self.amounts & (self.state < self.rounding)
        if low.any():
            name = self.problem.state_names[int(np.flatnonzero(low)[0])]
            raise _Stop(Status.NEGATIVE_STATE, f"`{name}` is negative on day {day:g}")
        return np.where(self.amounts & (self.state < 0), 0.0, self.state)
