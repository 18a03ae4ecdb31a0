"""The reader of the reference solver: the features of one arm, read off its own steps, that outcomes are computed from.

What is read does not depend on which days are recorded. A run keeps the steps, so a stored one gives the same outcomes as a
fresh one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backfire.outcomes.catalogue import Outcome
from backfire.outcomes.cure import chance_of_cure
from backfire.outcomes.interpolant import Interpolant, steps_of
from backfire.outcomes.listing import readable
from backfire.outcomes.rules import FLAT, HOST_LOAD, ONE_CELL, ROUNDED, Rules, Watch, course_starts, least_counted
from backfire.outcomes.summaries import Summary
from backfire.solvers import Floats, Steps, Trajectory


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
