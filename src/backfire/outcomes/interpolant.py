"""The reader of the reference solver: its own course, step by step, and the features that outcomes are computed from.

What is read does not depend on which days are recorded. A run keeps the steps, so a stored one gives the same outcomes as
a fresh one. In every step the course is a polynomial of degree 5 (of the logarithm for positive amounts); extrema and
crossings are its roots, never grid look-ups. The compiled reader does the same by other means: each bears witness for
the other.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from backfire.outcomes.catalogue import Outcome, readable
from backfire.outcomes.cure import chance_of_cure
from backfire.outcomes.features import Bools
from backfire.outcomes.rules import FLAT, HOST_LOAD, NEARLY, ONE_CELL, ROUNDED, Rules, Watch, course_starts, least_counted
from backfire.outcomes.summaries import Summary
from backfire.solvers import NODES, Floats, Steps, Trajectory

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_INVERSE = np.linalg.inv(np.vander(NODES, increasing=True))
"""Values at the nodes → coefficients of the polynomial through them, in shares of the step."""


class Interpolant:
    """The course of one recorded amount, step by step: a polynomial of degree 5 through the values at ``NODES``.

    ``logarithmic`` courses are interpolated in the logarithm wherever they are positive. ``counted`` ones jump between
    0 and one cell; in a step with both, straight lines join the nodes.
    """

    def __init__(self, steps: Steps, values: Floats, logarithmic: bool, counted: bool = False) -> None:
        """``values`` (k, 6) at the nodes of the ``steps``."""
        self.times, self.values = steps.times, values
        self.begin, self.end = steps.times[:, 0], steps.times[:, -1]
        self.piece = np.cumsum(steps.fresh)
        positive: Bools = np.all(values > 0, axis=1)
        self.log = positive if logarithmic else np.zeros(len(values), dtype=bool)
        self.straight = ~positive & np.any(values > 0, axis=1) if counted else np.zeros(len(values), dtype=bool)
        with np.errstate(all="ignore"):
            self.level = np.where(self.log[:, None], np.log(values), values)
        self.coefficients = self.level @ _INVERSE.T

    def _share(self, step: NDArray[np.int64], days: Floats) -> Floats:
        """Where days lie in their steps, 0 to 1."""
        length = self.end[step] - self.begin[step]
        return np.where(length > 0, (days - self.begin[step]) / np.where(length > 0, length, 1.0), 0.0).clip(0.0, 1.0)

    def _at(self, step: NDArray[np.int64], share: Floats) -> Floats:
        """The values at shares of steps, elementwise."""
        found = np.zeros(len(step))
        for power in range(len(NODES) - 1, -1, -1):
            found = found * share + self.coefficients[step, power]
        found = np.exp(found, where=self.log[step], out=found)
        for place in np.flatnonzero(self.straight[step]):
            found[place] = np.interp(share[place], NODES, self.values[step[place]])
        return found

    def _slope(self, step: NDArray[np.int64], share: Floats) -> Floats:
        """The derivative of the polynomials at shares of steps, up to the length of the step."""
        found = np.zeros(len(step))
        for power in range(len(NODES) - 1, 0, -1):
            found = found * share + power * self.coefficients[step, power]
        return found

    def _window(self, start: float, end: float) -> NDArray[np.int64]:
        """The steps that have a moment in [start, end]; one that ends at ``start`` shows values before its events."""
        inside = (self.begin <= end) & ((self.end > start) | (self.begin >= start))
        return np.flatnonzero(inside)

    def minimum(self, start: float, end: float) -> tuple[float, float]:
        """(day, value) of the smallest value in [start, end]; NaN if there is none.

        Of several pieces (from event to event) whose smallest values agree within 1e-5, as under periodic dosing, the
        first one counts.
        """
        steps = self._window(start, end) if start <= end else np.zeros(0, dtype=np.int64)
        if len(steps) == 0:
            return math.nan, math.nan
        days, values = self.times[steps], self.values[steps]
        inside = (days >= start) & (days <= end)
        where = [(np.repeat(steps, len(NODES))[inside.ravel()], days[inside], values[inside])]
        edges = [(step, day) for step in {int(steps[0]), int(steps[-1])} for day in (start, end)]
        cut = [(step, day) for step, day in edges if self.begin[step] < day < self.end[step]]
        cut += self._turning(steps, start, end, float(where[0][2].min(initial=np.inf)))
        if cut:
            step, day = np.array([item[0] for item in cut]), np.array([item[1] for item in cut])
            where.append((step, day, self._at(step, self._share(step, day))))
        step, day, value = (np.concatenate(column) for column in zip(*where, strict=True))
        if not np.isfinite(value).any():
            return math.nan, math.nan
        order = np.lexsort((day, value))
        pieces = self.piece[step]
        near = value <= np.nanmin(value) + NEARLY * abs(np.nanmin(value))
        first = pieces[near].min()
        best = order[np.flatnonzero(pieces[order] == first)[0]]
        return float(day[best]), float(value[best])

    def _turning(self, steps: NDArray[np.int64], start: float, end: float, lowest: float) -> list[tuple[int, float]]:
        """(step, day) between nodes where the slope turns from falling to rising, of all that could be lowest."""
        every = np.repeat(steps, len(NODES))
        slopes = self._slope(every, np.tile(NODES, len(steps))).reshape(len(steps), len(NODES))
        row, node = np.nonzero((slopes[:, :-1] < 0) & (slopes[:, 1:] > 0) & ~self.straight[steps][:, None])
        low = np.minimum(self.values[steps[row], node], self.values[steps[row], node + 1])
        high = np.abs(self.values[steps[row], node] - self.values[steps[row], node + 1]) + np.abs(low)
        row, node = (part[low - high <= lowest] for part in (row, node))
        step, left, right = steps[row], NODES[node], NODES[node + 1]
        for _ in range(60):
            middle = (left + right) / 2
            falls = self._slope(step, middle) < 0
            left, right = np.where(falls, middle, left), np.where(falls, right, middle)
        days = self.begin[step] + (left + right) / 2 * (self.end[step] - self.begin[step])
        return [(int(one), float(day)) for one, day in zip(step, days, strict=True) if start <= day <= end]

    def rises_to(self, level: float, start: float, end: float) -> float:
        """First day in [start, end] with a value ≥ ``level``; NaN if it never comes."""
        if not start <= end or math.isnan(level):
            return math.nan
        # a value that a polynomial puts on the level from just below counts as having reached it
        enough = level * (1 - 1e-13) if level > 0 else level
        steps = self._window(start, end)
        possible = (self.values[steps] >= enough).any(axis=1) | (self.begin[steps] < start)
        for step in steps[possible]:
            one = np.array([step])
            first = float(self._share(one, np.array([start]))[0]) if self.begin[step] < start else 0.0
            shares = np.array([first, *NODES[first < NODES]])
            reached = np.flatnonzero(self._at(np.repeat(step, len(shares)), shares) >= enough)
            if len(reached) == 0:
                continue
            left, right = shares[max(reached[0] - 1, 0)], shares[reached[0]]
            for _ in range(60 if right > left else 0):
                middle = (left + right) / 2
                above = bool(self._at(one, np.array([middle]))[0] >= level)
                left, right = (left, middle) if above else (middle, right)
            day = float(self.begin[step] + right * (self.end[step] - self.begin[step]))
            return day if day <= end else math.nan
        return math.nan

    def before(self, day: float) -> float:
        """The value at ``day``, before its events; on the first day, before which nothing is known, after them."""
        if day > self.end[-1]:
            return math.nan
        early = np.flatnonzero(self.begin < day)
        step = np.array([early[-1] if len(early) else 0])
        return float(self._at(step, self._share(step, np.array([day])))[0])

    def area(self, start: float, end: float) -> float:
        """Integral over [start, end] by six-point Gauss-Legendre in every step, exact for the polynomials themselves."""
        if start >= end:
            return 0.0 if start == end else math.nan
        steps = self._window(start, end)
        low, high = (self._share(steps, np.full(len(steps), day)) for day in (start, end))
        low, high = np.where(self.begin[steps] < start, low, 0.0), np.where(self.end[steps] > end, high, 1.0)
        half = (high - low)[:, None] / 2
        shares = (low[:, None] + half * (1 + _NODES)).ravel()
        found = self._at(np.repeat(steps, len(_NODES)), shares).reshape(len(steps), len(_NODES))
        return float(np.sum((half * _WEIGHTS * found).sum(axis=1) * (self.end[steps] - self.begin[steps])))


def steps_of(trajectory: Trajectory) -> Steps:
    """The steps of a trajectory; where only rows are known, a quintic spline (of the logarithm of positive amounts) within
    each piece from event to event stands for what lies between them."""
    if trajectory.steps is not None:
        return trajectory.steps
    times, values, fresh = [], [], []
    for piece in trajectory.pieces:
        rows, levels = trajectory.times[piece], trajectory.values[piece]
        ends = np.column_stack([rows[:-1], rows[1:]]) if len(rows) > 1 else np.column_stack([rows, rows])
        days = ends[:, :1] + np.diff(ends, axis=1) * NODES
        columns = [_between(rows, column, days) for column in levels.T]
        times.append(days)
        values.append(np.stack(columns, axis=-1))
        fresh += [True, *[False] * (len(ends) - 1)]
    return Steps(np.concatenate(times), np.concatenate(values), np.array(fresh))


def _between(rows: Floats, values: Floats, days: Floats) -> Floats:
    """Values at ``days`` (k, 6) between rows; where zeros and positive amounts meet, straight lines."""
    if len(rows) < 2 or not np.isfinite(values).all():
        return np.full(days.shape, values[0] if len(rows) < 2 else math.nan)
    if (values == 0).any() and (values > 0).any():
        return np.interp(days, rows, values)
    log = bool((values > 0).all())
    degree = 5 if len(rows) > 5 else 3 if len(rows) > 3 else 1
    spline = scipy.interpolate.make_interp_spline(rows, np.log(values) if log else values, k=degree)
    found: Floats = np.exp(spline(days)) if log else spline(days)
    return found


def counted(burden: Floats, unit: str = "cell") -> Floats:
    """Cells as they can be counted: less than one, by more than rounding, is none."""
    return np.where(burden < least_counted(unit), 0.0, burden)


def outcomes(trajectory: Trajectory, watch: Watch, wanted: Collection[str] | None = None) -> dict[str, Outcome]:
    """All outcomes of one arm by name, or those ``wanted``, summaries of anything recorded too.

    Of an arm that did not end well only the times that had come by the last day on which everything has a value are left:
    all else is NaN.
    """
    good = trajectory.status.good
    found, made = RecordedFeatures(trajectory if good else until_failure(trajectory), watch), {}
    for name, item in readable(found, wanted).items():
        values, observed = item.read(found)
        stands = good or (item.declaration.until is not None and bool(observed[0]))
        value = float(values[0]) if stands else math.nan
        made[name] = Outcome(name, value, item.unit, item.meaning, stands and bool(observed[0]))
    return made


def until_failure(trajectory: Trajectory) -> Trajectory:
    """A trajectory that failed, up to the last row in which everything is a number; the first row stays whatever it is."""
    lost = np.flatnonzero(~np.isfinite(trajectory.values).all(axis=1))
    rows = max(int(lost[0]) if len(lost) else len(trajectory.times), 1)
    times, values = trajectory.times[:rows], trajectory.values[:rows]
    steps = trajectory.steps
    if steps is not None:
        kept = (steps.times[:, -1] <= times[-1]) & np.isfinite(steps.values).all(axis=(1, 2))
        steps = Steps(steps.times[kept], steps.values[kept], steps.fresh[kept]) if kept.any() else None
    return dataclasses.replace(trajectory, times=times, values=values, steps=steps)


def _one(value: float) -> Floats:
    return np.array([value])


class RecordedFeatures:
    """``Features`` of one arm (m = 1), each read off its steps when it is first asked for."""

    def __init__(self, trajectory: Trajectory, watch: Watch) -> None:
        self.trajectory, self.watch, self._steps = trajectory, watch, steps_of(trajectory)
        self._column = {name: place for place, name in enumerate(trajectory.names)}
        self.recorded: Mapping[str, str] = dict(zip(trajectory.names, trajectory.units, strict=True))
        self._unit = self.recorded.get("burden", "")
        self.flows = watch.flows
        self.rules: Rules = watch.rules
        given = sorted({dose.agent for dose in watch.doses if dose.amount > 0 or watch.units.get(dose.agent)})
        self.agents: Mapping[str, str] = {agent: watch.units.get(agent, "EC50") for agent in given}
        self.treatments = sorted({*given, *(dose.agent for dose in watch.doses if dose.duration > 0)})
        self._given = watch.doses if watch.given is None else watch.given
        last = float(trajectory.times[-1])
        self._died = HOST_LOAD in trajectory and bool(trajectory[HOST_LOAD][-1] >= 1 - ROUNDED)
        self._given_until = last if self._died else math.nextafter(last, math.inf)  # on the last day of a host that lives too
        self._end = last if watch.surgery is None else min(last, math.nextafter(watch.surgery, -math.inf))
        self._own = watch.start if watch.own is None else watch.own
        self.start, self.own, self.last, self.end = (_one(day) for day in (watch.start, self._own, last, self._end))

    def _nodes(self, name: str) -> Floats:
        """Something recorded, or the ratio ``a / b`` of two, at the nodes of all steps (k, 6)."""
        above, *below = (self._steps.values[..., self._column[part]] for part in name.split(" / "))
        with np.errstate(all="ignore"):
            return above / below[0] if below else above

    def _course(self, values: Floats, logarithmic: bool = False) -> Interpolant:
        return Interpolant(self._steps, values, logarithmic)

    @cached_property
    def _burden(self) -> Interpolant:
        return Interpolant(
            self._steps, counted(self._nodes("burden"), self._unit), logarithmic=True, counted=self._unit == "cell"
        )

    @cached_property
    def _nadir(self) -> tuple[float, float]:
        return self._burden.minimum(self._own, self._end)

    @cached_property
    def _level(self) -> float:
        """The burden that counts as progression."""
        if self.rules.progression_level is not None:
            return self.rules.progression_level
        level = self._nadir[1] if self.rules.progression_from == "nadir" else float(self.before[0])
        return self.rules.progression * (max(level, ONE_CELL) if self._unit == "cell" else level)

    @cached_property
    def before(self) -> Floats:
        """As ``Features``; so all below."""
        return _one(self._burden.before(self._own))

    @property
    def nadir(self) -> Floats:
        return _one(self._nadir[1])

    @property
    def nadir_at(self) -> Floats:
        return _one(self._nadir[0])

    @cached_property
    def progression_at(self) -> Floats:
        day, nadir = self._nadir
        if not (nadir < self.before[0] or nadir > 0):
            return _one(math.nan)
        fixed = self.rules.progression_level is not None or self.rules.progression_from == "start"
        return _one(self._burden.rises_to(self._level, self._own if fixed else day, self._end))

    @cached_property
    def regrown_at(self) -> Floats:
        return _one(self._burden.rises_to(self.rules.regrowth * self._level, float(self.progression_at[0]), self._end))

    @property
    def final_burden(self) -> Floats:
        return _one(float(counted(self.trajectory["burden"], self._unit)[-1]))

    @property
    def burden_area(self) -> Floats:
        return _one(self._burden.area(self.watch.start, float(self.last[0])))

    @property
    def final_metastases(self) -> Floats:
        there = "metastatic_burden" in self.trajectory
        return _one(float(self.trajectory["metastatic_burden"][-1]) if there else math.nan)

    @cached_property
    def active_area(self) -> Floats:
        return self._area(["active"], logarithmic=True)

    @property
    def growth_area(self) -> Floats:
        return self._area(self.flows.get("growth", ()))

    @property
    def kill_area(self) -> Floats:
        return self._area(self.flows.get("kill", ()))

    @property
    def seeding_area(self) -> Floats:
        return self._area(self.flows.get("seeding", ()))

    def _area(self, names: Collection[str], logarithmic: bool = False) -> Floats:
        """The integral of the sum of what is recorded under these names."""
        total = np.sum([self._nodes(name) for name in names], axis=0)
        return _one(self._course(total, logarithmic).area(self.watch.start, float(self.last[0])))

    @property
    def survival_at(self) -> Floats:
        return np.where(self._died, self.last, math.nan)

    @cached_property
    def _starts(self) -> list[float]:
        return [day for day in course_starts(self.watch) if day <= self.last[0]]

    @property
    def courses(self) -> NDArray[np.int64]:
        return np.array([len(self._starts)])

    @cached_property
    def before_course(self) -> Floats:
        return np.array([[self._burden.before(day) if day <= self._end else math.nan for day in self._starts]])

    @cached_property
    def low_in_course(self) -> Floats:
        """After surgery there is no primary to kill."""
        ends = [*(min(math.nextafter(day, -math.inf), self._end) for day in self._starts[1:]), self._end]
        spans = zip(self._starts, ends, strict=False)
        return np.array([[self._burden.minimum(day, end)[1] if day <= self._end else math.nan for day, end in spans]])

    def log10(self, values: Floats) -> Floats:
        return np.array([math.log10(value) if value > 0 else math.nan for value in values.flat]).reshape(values.shape)

    def peak(self, name: str) -> Floats:
        return self.summary(Summary("peak", name))

    def peak_at(self, name: str) -> Floats:
        start, last = self.watch.start, float(self.last[0])
        values = self._nodes(name)
        day, low = self._course(-values).minimum(start, last)
        lowest = self._course(values).minimum(start, last)[1]
        flat = not math.isfinite(low) or -low - lowest <= FLAT * abs(low)
        return _one(math.nan if flat else day)

    def given(self, agent: str) -> Floats:
        return _one(math.fsum(dose.given_by(self._given_until) for dose in self._given if dose.agent == agent))

    def doses(self, agent: str) -> Floats:
        begun = [dose for dose in self._given if dose.agent == agent and dose.time < self._given_until and not dose.continues]
        return _one(float(len(begun)))

    def treated(self, agent: str) -> Floats:
        begun = [dose for dose in self._given if dose.agent == agent and dose.time < self._given_until]
        return _one(math.fsum(min(self._given_until - dose.time, dose.duration) if dose.duration else 1.0 for dose in begun))

    @property
    def refused(self) -> str:
        return self.watch.cells.process.refused if self.watch.cells else ""

    @property
    def cure(self) -> Floats:
        cells = self.watch.cells
        if cells is None or cells.process.refused:
            return _one(math.nan)
        recorded = {name: self._steps.values[..., column] for name, column in self._column.items()}
        return _one(0.0 if self._died else chance_of_cure(self._steps, recorded, cells))

    def summary(self, asked: Summary) -> Floats:
        start, end, values = self.watch.start, float(self.last[0]), self._nodes(asked.of)
        match asked.kind:
            case "peak":
                return _one(-self._course(-values).minimum(start, end)[1])
            case "lowest":
                low = self._course(values).minimum(start, end)[1]
                return _one(0.0 if -ROUNDED < low < 0 else low)
            case "final":
                return _one(float(values[-1, -1]) if start <= end else math.nan)
            case "day_above" | "day_below":
                assert asked.level is not None
                sign = 1.0 if asked.kind == "day_above" else -1.0
                return _one(self._course(sign * values).rises_to(sign * asked.level, start, end))
        area = self._course(values).area(start, end)
        return _one(area if asked.kind == "area" else area / (end - start) if end > start else math.nan)
