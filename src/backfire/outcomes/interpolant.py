"""The reader of recorded rows: splines from event to event, and the features that outcomes are computed from.

Everything is computed from the recorded rows alone, so a stored run gives the same outcomes as a fresh one. Between
rows the course is a quintic spline (of the logarithm for positive amounts) within each piece from event to event;
extrema and crossings are its exact roots, never grid look-ups. The compiled reader does the same by other means: each
bears witness for the other.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.outcomes.catalogue import Outcome, readable
from backfire.outcomes.rules import COUNTED, FLAT, NEARLY, ONE_CELL, Rules, Watch, course_starts
from backfire.solvers import Floats, Trajectory

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)


class Interpolant:
    """The course of one recorded amount between its rows.

    ``logarithmic`` courses are interpolated in the logarithm wherever they are positive. ``counted`` ones jump between
    0 and one cell, so a piece ends where zeros begin or end, and a straight line joins the two rows.
    """

    def __init__(self, trajectory: Trajectory, values: Floats, logarithmic: bool, counted: bool = False) -> None:
        self.pieces: list[tuple[Floats, Floats, bool]] = []
        self._made: dict[int, scipy.interpolate.BSpline | None] = {}
        for piece in trajectory.pieces:
            for rows in _runs(values, piece) if counted else (piece,):
                times, part = trajectory.times[rows], values[rows]
                log = logarithmic and bool((part > 0).all())
                self.pieces.append((times, np.log(part) if log else part, log))

    def _spline(self, index: int) -> scipy.interpolate.BSpline | None:
        """The spline of a piece, made on first use; None where the piece is a single row or not finite."""
        if index not in self._made:
            times, values, _ = self.pieces[index]
            if len(times) < 2 or not np.isfinite(values).all():
                self._made[index] = None
            else:
                degree = 5 if len(times) > 5 else 3 if len(times) > 3 else 1
                self._made[index] = scipy.interpolate.make_interp_spline(times, values, k=degree)
        return self._made[index]

    def minimum(self, start: float, end: float) -> tuple[float, float]:
        """(day, value) of the smallest value in [start, end]; NaN if there is no row there.

        Of several pieces whose smallest values agree within 1e-5, as under periodic dosing, the first one counts.
        """
        if start > end:
            return math.nan, math.nan
        found = [self._lowest(index, start, end) for index in self._candidates(start, end)]
        finite = [candidate for candidate in found if candidate is not None and math.isfinite(candidate[1])]
        if not finite:
            return math.nan, math.nan
        best = min(value for _, value in finite)
        return next(item for item in finite if item[1] <= best + NEARLY * abs(best))

    def _candidates(self, start: float, end: float) -> list[int]:
        """The pieces that can hold the smallest value of [start, end], or one that counts as equal to it.

        A spline stays above the smallest of its coefficients, so a piece whose coefficients all lie above the lowest row
        of another need not be searched: arms with a hundred doses have a hundred pieces.
        """
        inside = [index for index, (times, _, _) in enumerate(self.pieces) if times[-1] >= start and times[0] <= end]
        rows = []
        for index in inside:
            times, values, log = self.pieces[index]
            levels = values[(times >= start) & (times <= end)]
            levels = levels[np.isfinite(levels)]
            rows += [math.exp(levels.min()) if log else float(levels.min())] if len(levels) else []
        if not rows:
            return inside
        enough = min(rows) + NEARLY * abs(min(rows))
        return [index for index in inside if not self._floor(index) > enough]

    def _floor(self, index: int) -> float:
        """No value of a piece lies below this; NaN where a piece has no spline."""
        spline, log = self._spline(index), self.pieces[index][2]
        if spline is None:
            return math.nan
        low = float(spline.c.min()) - 1e-12 * float(np.abs(spline.c).max())  # rounding, of the spline and of exp
        return math.exp(low) if log else low

    def _lowest(self, index: int, start: float, end: float) -> tuple[float, float] | None:
        """The smallest value of one piece within [start, end]."""
        (times, values, log), spline = self.pieces[index], self._spline(index)
        inside = (times >= start) & (times <= end)
        days, levels = [float(day) for day in times[inside]], [float(level) for level in values[inside]]
        if spline is not None:
            inner = [edge for edge in (start, end) if times[0] <= edge <= times[-1]]
            inner += [day for day in _flat(spline, values, times, inside) if start <= day <= end]
            days += inner
            levels += [float(spline(day)) for day in inner]
        if not days or not np.isfinite(levels).any():
            return None
        level, day = min((level, day) for level, day in zip(levels, days, strict=True) if not math.isnan(level))
        return day, math.exp(level) if log else level

    def rises_to(self, level: float, start: float, end: float) -> float:
        """First day in [start, end] with a value ≥ ``level``; NaN if it never comes."""
        for index, (times, values, log) in enumerate(self.pieces):
            if times[-1] < start or times[0] > end:
                continue
            spline = self._spline(index)
            target = math.log(level) if log else level
            first = max(start, float(times[0]))
            here = float(spline(first)) if spline is not None else float(values[0])
            # a value that a spline puts on the level from just below counts as having reached it
            if here >= target - 1e-13 * max(1.0, abs(target)):
                return first
            if spline is None or not (values >= target).any():
                continue
            roots = scipy.interpolate.PPoly.from_spline(spline).solve(target, extrapolate=False)
            later = sorted(float(root) for root in np.atleast_1d(roots) if first < root <= min(end, times[-1]))
            if later:
                return later[0]
        return math.nan

    def before(self, day: float) -> float:
        """The value at ``day``, before its events; on the first day, before which nothing is known, after them."""
        early = [index for index, (times, _, _) in enumerate(self.pieces) if times[0] < day] or [0]
        times, values, log = self.pieces[early[-1]]
        spline = self._spline(early[-1])
        level = float(values[0]) if len(times) == 1 else math.nan if spline is None else float(spline(min(day, times[-1])))
        return math.exp(level) if log else level

    def area(self, start: float, end: float) -> float:
        """Integral over [start, end]; exact for the spline of a plain course, six-point Gauss-Legendre for logarithms."""
        total = 0.0
        for index, (times, _, log) in enumerate(self.pieces):
            low, high = max(start, float(times[0])), min(end, float(times[-1]))
            if low >= high:
                continue
            spline = self._spline(index)
            if spline is None:
                return math.nan
            total += _gauss(spline, times, low, high) if log else float(spline.integrate(low, high))
        return total


def _runs(values: Floats, piece: slice) -> Iterable[slice]:
    """A piece cut into rows of zeros, rows without any, and the two rows at each change from one to the other."""
    changes = np.flatnonzero(np.diff(values[piece] == 0)) + piece.start
    first = piece.start
    for change in changes:
        yield slice(first, int(change) + 1)
        yield slice(int(change), int(change) + 2)
        first = int(change) + 1
    yield slice(first, piece.stop)


def _gauss(spline: scipy.interpolate.BSpline, times: Floats, low: float, high: float) -> float:
    """Integral of exp(spline) over [low, high], row interval by row interval."""
    edges = np.array([low, *times[(times > low) & (times < high)], high])
    half = np.diff(edges)[:, None] / 2
    days = edges[:-1, None] + half * (1 + _NODES)
    return float(np.sum(half * _WEIGHTS * np.exp(spline(days))))


def _flat(spline: scipy.interpolate.BSpline, values: Floats, times: Floats, inside: NDArray[np.bool_]) -> list[float]:
    """Days beside the lowest row inside at which the slope is zero."""
    if spline.k < 2 or not inside.any():
        return []
    index = int(np.argmin(np.where(inside, values, np.inf)))
    low, high = times[max(index - 1, 0)], times[min(index + 1, len(times) - 1)]
    roots = np.atleast_1d(scipy.interpolate.PPoly.from_spline(spline.derivative()).roots(extrapolate=False))
    return [float(root) for root in roots if low <= root <= high]


def counted(cells: Floats) -> Floats:
    """Cells as they can be counted: less than one, by more than rounding, is none."""
    return np.where(cells < COUNTED, 0.0, cells)


def summary(trajectory: Trajectory, values: Floats, start: float, kind: str) -> float:
    """``peak``, ``lowest``, ``final``, ``mean`` or ``area`` of recorded values from day ``start`` on.

    Mean and area are over time, the area in the unit of the values times days.
    """
    end = float(trajectory.times[-1])
    course = Interpolant(trajectory, values, logarithmic=False)
    match kind:
        case "peak":
            return -Interpolant(trajectory, -values, logarithmic=False).minimum(start, end)[1]
        case "lowest":
            return course.minimum(start, end)[1]
        case "final":
            return float(values[-1])
        case "area":
            return course.area(start, end)
        case "mean":
            return course.area(start, end) / (end - start) if end > start else math.nan
    raise UserError(f"`{kind}` is not one of peak, lowest, final, mean, area")


def outcomes(trajectory: Trajectory, watch: Watch, wanted: Collection[str] | None = None) -> dict[str, Outcome]:
    """All outcomes of one arm by name, or those ``wanted``, summaries of anything recorded too.

    An arm that did not end well gives NaN for every number.
    """
    found, made = RecordedFeatures(trajectory, watch), {}
    for name, item in readable(found, wanted).items():
        if trajectory.status.good:
            values, observed = item.read(found)
            made[name] = Outcome(name, float(values[0]), item.unit, item.meaning, bool(observed[0]))
        else:
            made[name] = Outcome(name, math.nan, item.unit, item.meaning, observed=False)
    return made


def _one(value: float) -> Floats:
    return np.array([value])


class RecordedFeatures:
    """``Features`` of one arm (m = 1), each read off the recorded rows when it is first asked for."""

    def __init__(self, trajectory: Trajectory, watch: Watch) -> None:
        self.trajectory, self.watch = trajectory, watch
        self.recorded: Mapping[str, str] = dict(zip(trajectory.names, trajectory.units, strict=True))
        self.rules: Rules = watch.rules
        given = sorted({dose.agent for dose in watch.doses if dose.amount > 0})
        self.agents: Mapping[str, str] = {agent: watch.units.get(agent, "EC50") for agent in given}
        last = float(trajectory.times[-1])
        self._end = last if watch.surgery is None else min(last, math.nextafter(watch.surgery, -math.inf))
        self.start, self.last, self.end = _one(watch.start), _one(last), _one(self._end)

    @cached_property
    def _burden(self) -> Interpolant:
        return Interpolant(self.trajectory, counted(self.trajectory["burden"]), logarithmic=True, counted=True)

    @cached_property
    def _nadir(self) -> tuple[float, float]:
        return self._burden.minimum(self.watch.start, self._end)

    @cached_property
    def _level(self) -> float:
        return max(self._nadir[1], ONE_CELL)

    @cached_property
    def before(self) -> Floats:
        """As ``Features``; so all below."""
        return _one(self._burden.before(self.watch.start))

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
        return _one(self._burden.rises_to(self.rules.progression * self._level, day, self._end))

    @cached_property
    def regrown_at(self) -> Floats:
        level = self.rules.progression * self.rules.regrowth * self._level
        return _one(self._burden.rises_to(level, float(self.progression_at[0]), self._end))

    @property
    def final_burden(self) -> Floats:
        return _one(float(counted(self.trajectory["burden"])[-1]))

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
        return self._area(["growth"])

    @property
    def kill_area(self) -> Floats:
        return self._area([name for name in self.recorded if name.startswith("kill_by_")])

    @property
    def seeding_area(self) -> Floats:
        return self._area(["seeding"])

    def _area(self, names: Collection[str], logarithmic: bool = False) -> Floats:
        """The integral of the sum of what is recorded under these names."""
        total = np.sum([self.trajectory[name] for name in names], axis=0)
        return _one(Interpolant(self.trajectory, total, logarithmic).area(self.watch.start, float(self.last[0])))

    @property
    def survival_at(self) -> Floats:
        load = Interpolant(self.trajectory, self.trajectory["host_load"], logarithmic=True)
        return _one(load.rises_to(1.0, 0.0, float(self.last[0])))

    @cached_property
    def _starts(self) -> list[float]:
        return course_starts(self.watch)

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
        return self.summary("peak", name)

    def peak_at(self, name: str) -> Floats:
        rows = self.trajectory.times >= self.watch.start
        values = self.trajectory[name]
        day, low = Interpolant(self.trajectory, -values, logarithmic=False).minimum(self.watch.start, float(self.last[0]))
        flat = not math.isfinite(low) or float(np.ptp(values[rows])) <= FLAT * abs(low)
        return _one(math.nan if flat else day)

    def given(self, agent: str) -> Floats:
        return _one(math.fsum(dose.amount for dose in self.watch.doses if dose.agent == agent))

    def summary(self, kind: str, name: str) -> Floats:
        return _one(summary(self.trajectory, self.trajectory[name], self.watch.start, kind))
