"""The course of the reference solver between its rows, step by step: extrema, crossings and areas of a polynomial.

In every step the course is a polynomial of degree 5 (of the logarithm for positive amounts); extrema and crossings are its
roots, never grid look-ups. The compiled reader does the same by other means: each bears witness for the other.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from backfire.outcomes.features import Bools
from backfire.outcomes.rules import NEARLY
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
