"""Numbers read off a trajectory: nadir, progression, regrowth, kill, peaks, spread, survival.

Everything is computed from the recorded rows alone, so a stored run gives the same outcomes as a fresh one. Between
rows the course is a quintic spline (of the logarithm for positive amounts) within each piece from event to event;
extrema and crossings are its exact roots, never grid look-ups.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.model import Dose
from backfire.solvers import Floats, Trajectory

ONE_CELL = 1.0
_COUNTED: Final = ONE_CELL * (1 - 1e-9)
"""The row before an extinction lies on one cell, or a rounding below it; ``readings`` has the same."""
NEARLY = 1e-5
"""Peaks and troughs that agree within this share count as equal; the first one gives the day."""
FLAT = 1e-7
"""A factor that moves by less than this share has no day of its peak; ``readings`` has the same."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)


@dataclass(frozen=True)
class Rules:
    """The thresholds behind the outcomes.

    ``progression``: burden over nadir that counts as progression (1.2 as RECIST 1.1 asks for diameters; here cells).
    ``response``: share of the burden at the start of treatment that the nadir must reach to count as a response.
    ``course_gap``: doses further apart than this many days belong to different courses.
    ``regrowth``: the regrowth rate is the mean rate from progression until the burden has grown by this factor more.
    """

    progression: float = 1.2
    response: float = 0.7
    course_gap: float = 6.0
    regrowth: float = 2.0

    def __post_init__(self) -> None:
        limits = {"progression": (1, 100), "response": (0, 1), "course_gap": (0, 1000), "regrowth": (1, 1e6)}
        for word, (low, high) in limits.items():
            if not low < getattr(self, word) <= high:
                raise UserError(f"outcome rule `{word}` must lie in ({low}, {high:g}], got {getattr(self, word)}")


@dataclass(frozen=True)
class Outcome:
    """One number with unit. Times that did not happen are censored: ``value`` is the time watched, ``observed`` False.

    NaN means that the outcome does not apply, for example the kill of a course that was never given.
    """

    name: str
    value: float
    unit: str
    meaning: str
    observed: bool = True


@dataclass(frozen=True)
class Watch:
    """What an arm was given and how it is judged.

    ``doses`` of the arm; ``course_agents`` are the agents whose doses make the courses; ``start`` the first day of
    treatment of any arm, so that arms compare; ``surgery`` the day the primary is removed, if it is; ``units`` the
    unit of the amounts of each agent.
    """

    doses: Sequence[Dose]
    course_agents: frozenset[str]
    start: float
    surgery: float | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = Rules()


class Course:
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
    return np.where(cells < _COUNTED, 0.0, cells)


def summary(trajectory: Trajectory, values: Floats, start: float, kind: str) -> float:
    """``peak``, ``lowest``, ``final``, ``mean`` or ``area`` of recorded values from day ``start`` on.

    Mean and area are over time, the area in the unit of the values times days.
    """
    end = float(trajectory.times[-1])
    course = Course(trajectory, values, logarithmic=False)
    match kind:
        case "peak":
            return -Course(trajectory, -values, logarithmic=False).minimum(start, end)[1]
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
    """All outcomes of one arm by name. An arm that did not end well gives NaN for every number.

    With ``wanted`` those of these names that there are, and others that are computed together with them.
    """
    found: list[Outcome] = []
    for read, names in _READ_BY:
        if wanted is None or any(names.fullmatch(name) for name in wanted):
            found += read(trajectory, watch)
    if not trajectory.status.good:
        found = [Outcome(item.name, math.nan, item.unit, item.meaning, observed=False) for item in found]
    return {item.name: item for item in found}


def _burden(trajectory: Trajectory, watch: Watch) -> Iterable[Outcome]:
    if "burden" not in trajectory:
        return
    rules, start, last = watch.rules, watch.start, float(trajectory.times[-1])
    end = last if watch.surgery is None else min(last, math.nextafter(watch.surgery, -math.inf))
    course = Course(trajectory, counted(trajectory["burden"]), logarithmic=True, counted=True)
    first = course.before(start)
    day, nadir = course.minimum(start, end)  # NaN if surgery came before the first treatment
    level = max(nadir, ONE_CELL)
    progression = course.rises_to(rules.progression * level, day, end) if nadir < first or nadir > 0 else math.nan
    doubled = course.rises_to(rules.progression * rules.regrowth * level, progression, end)
    seen = not math.isnan(progression)
    yield Outcome("nadir", nadir, "cell", "smallest tumour burden after the start of treatment")
    yield Outcome("nadir_day", day - start, "day", "time of the nadir after the start of treatment")
    yield Outcome(
        "smallest_share",
        nadir / first if first > 0 else math.nan,
        "1",
        "nadir as a share of the burden at the start of treatment",
    )
    fall = _decades(first, level) if first > 0 and math.isfinite(nadir) else math.nan
    yield Outcome("deepest_fall", fall, "1", "log10 of the burden at the start of treatment over the nadir, at least one cell")
    responded = float(nadir <= rules.response * first) if math.isfinite(nadir) else math.nan
    yield Outcome("responded", responded, "1", "1 if the nadir counts as a response")
    yield Outcome(
        "time_to_progression", (progression if seen else end if end >= start else math.nan) - start, "day",
        f"time from the start of treatment until {rules.progression:g} × nadir, after the nadir", observed=seen,
    )  # fmt: skip
    yield Outcome(
        "regrowth_rate", math.log(rules.regrowth) / (doubled - progression) if doubled > progression else math.nan, "1/day",
        f"mean growth rate while the burden grows by {rules.regrowth:g} × after progression",
    )  # fmt: skip
    yield Outcome("final_burden", float(counted(trajectory["burden"])[-1]), "cell", "tumour burden on the last day")
    area = course.area(start, last)
    yield Outcome("burden_area", area, "cell*day", "area under the tumour burden from the start of treatment")
    total = trajectory["burden"][-1] + (trajectory["metastatic_burden"][-1] if "metastatic_burden" in trajectory else 0.0)
    gone = float(total < ONE_CELL) if math.isfinite(total) else math.nan
    yield Outcome("eradicated", gone, "1", "1 (yes) if not one tumour cell is left anywhere on the last day")


def _decades(before: float, low: float) -> float:
    """log10 of the fall from ``before`` to ``low``; what is rounding is none."""
    fall = math.log10(before / low)
    return 0.0 if abs(fall) < 1e-14 else fall


def course_starts(watch: Watch) -> list[float]:
    """The days on which courses begin: doses of the course agents after a pause longer than ``course_gap``."""
    days = sorted({dose.time for dose in watch.doses if dose.agent in watch.course_agents})
    return [day for index, day in enumerate(days) if index == 0 or day - days[index - 1] > watch.rules.course_gap]


def _courses(trajectory: Trajectory, watch: Watch) -> Iterable[Outcome]:
    if "burden" not in trajectory:
        return
    starts = course_starts(watch)
    last = float(trajectory.times[-1]) if watch.surgery is None else math.nextafter(watch.surgery, -math.inf)
    course = Course(trajectory, counted(trajectory["burden"]), logarithmic=True, counted=True)
    kills = []
    for index, start in enumerate(starts):
        if start > last:
            kills.append(math.nan)  # after surgery there is no primary to kill
            continue
        end = min(math.nextafter(starts[index + 1], -math.inf), last) if index + 1 < len(starts) else last
        low = max(course.minimum(start, end)[1], ONE_CELL)
        before = course.before(start)
        kills.append(_decades(before, low) if before > 0 else math.nan)
    yield Outcome("courses", float(len(starts)), "1", "courses given")
    for number, kill in enumerate(kills, start=1):
        yield Outcome(f"log_kill_{number}", kill, "1", f"log10 fall of the burden in course {number}")
    yield Outcome("log_kill_first", kills[0] if kills else math.nan, "1", "log10 fall of the burden in the first course")
    yield Outcome("log_kill_last", kills[-1] if kills else math.nan, "1", "log10 fall of the burden in the last course")


def _rates(trajectory: Trajectory, watch: Watch) -> Iterable[Outcome]:
    """Mean rates per active cell from the start of treatment on, weighted with the cells that are there."""
    if "active" not in trajectory:
        return
    end = float(trajectory.times[-1])
    cells = Course(trajectory, trajectory["active"], logarithmic=True).area(watch.start, end)
    kills = [name for name in trajectory.names if name.startswith("kill_by_")]
    rows = [
        ("mean_growth_rate", ["growth"], "divisions per active cell and day, mean over cells and time"),
        ("mean_kill_rate", kills, "drug kill per active cell and day, mean over cells and time"),
        ("seeding_per_cell", ["seeding"], "metastatic cells seeded per active cell and day, mean over cells and time"),
    ]
    for name, sources, meaning in rows:
        if sources and all(source in trajectory for source in sources):
            flux = np.sum([trajectory[source] for source in sources], axis=0)
            area = Course(trajectory, flux, logarithmic=False).area(watch.start, end)
            yield Outcome(name, area / cells if cells > 0 else math.nan, "1/day", meaning)


def _metastases(trajectory: Trajectory, watch: Watch) -> Iterable[Outcome]:
    if "metastatic_burden" not in trajectory:
        return
    end = float(trajectory.times[-1])
    yield Outcome("metastatic_burden", float(trajectory["metastatic_burden"][-1]), "cell", "cells in metastases on the last day")
    if "seeding" in trajectory:
        seeded = Course(trajectory, trajectory["seeding"], logarithmic=False).area(watch.start, end)
        yield Outcome("seeded", seeded, "cell", "metastatic cells seeded from the start of treatment on")


def _survival(trajectory: Trajectory, watch: Watch) -> Iterable[Outcome]:
    if "host_load" not in trajectory:
        return
    end = float(trajectory.times[-1])
    day = Course(trajectory, trajectory["host_load"], logarithmic=True).rises_to(1.0, 0.0, end)
    seen = not math.isnan(day)
    yield Outcome(
        "survival_time", (day if seen else end) - watch.start, "day",
        "time from the start of treatment until the host can bear no more", observed=seen,
    )  # fmt: skip


def _factors(trajectory: Trajectory, watch: Watch) -> Iterable[Outcome]:
    """Peak and its day of every host factor, and the peak of what still acts after blockade."""
    for name, unit in zip(trajectory.names, trajectory.units, strict=True):
        if unit != "fold":
            continue
        if name.startswith("excess_"):
            high = summary(trajectory, trajectory[name], watch.start, "peak")
            factor = name.removeprefix("excess_")
            yield Outcome(f"peak_acting_{factor}", 1 + high, "fold", f"largest {factor} that still acts after blockade")
            continue
        rows = trajectory.times >= watch.start
        course = Course(trajectory, -trajectory[name], logarithmic=False)
        day, low = course.minimum(watch.start, float(trajectory.times[-1])) if rows.any() else (math.nan, math.nan)
        yield Outcome(f"peak_{name}", -low, "fold", f"largest {name} over its untreated level")
        flat = not math.isfinite(low) or float(np.ptp(trajectory[name][rows])) <= FLAT * abs(low)
        since = math.nan if flat else day - watch.start
        yield Outcome(f"peak_{name}_day", since, "day", f"time of the peak of {name} after the start of treatment")


def _doses(_: Trajectory, watch: Watch) -> Iterable[Outcome]:
    for agent in sorted({dose.agent for dose in watch.doses if dose.amount > 0}):
        total = math.fsum(dose.amount for dose in watch.doses if dose.agent == agent)
        yield Outcome(f"given_{agent}", total, watch.units.get(agent, "EC50"), f"{agent} given in total")


_BURDEN = "nadir|nadir_day|smallest_share|deepest_fall|responded|time_to_progression|regrowth_rate|final_burden|burden_area"
_READ_BY: Final = (
    (_burden, re.compile(f"{_BURDEN}|eradicated")),
    (_courses, re.compile("courses|log_kill_.+")),
    (_rates, re.compile("mean_growth_rate|mean_kill_rate|seeding_per_cell")),
    (_metastases, re.compile("metastatic_burden|seeded")),
    (_survival, re.compile("survival_time")),
    (_factors, re.compile("peak_.+")),
    (_doses, re.compile("given_.+")),
)
"""What computes outcomes, and the names of those it computes."""
