"""What a trial sees of its patients: endpoints in days after time zero, at visits or exactly, as long as each is followed.

Progression at visits follows RECIST 1.1 on one diameter: so many per cent over the smallest diameter seen so far, and so many
millimetres as well. A tumour is a ball of ``cells_per_cm3``: d = (6 N/(π ρ))^(1/3). New metastases are no progression here;
they are an endpoint of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.formatting import short
from backfire.outcomes import declared
from backfire.solvers import Floats
from backfire.studies.runs import Simulated

Bools = NDArray[np.bool_]
PROGRESSION: Final = "progression"
DEATH: Final = "death"
PROGRESSION_FREE: Final = "progression_free_survival"
SURVIVAL: Final = "survival_time"
OWN: Final = "time_to_progression"
"""The model's own progression: against the nadir of the whole course, in cells, on its very day."""
NAMED: Final = {
    PROGRESSION: (OWN,),
    DEATH: (SURVIVAL,),
    PROGRESSION_FREE: (OWN, SURVIVAL),
}
"""Endpoints with a name of their own, and the outcomes behind them."""
END, LOST, DIED, SURGERY = "end of study", "lost to follow-up", "died", "primary removed"
FINEST: Final = Fraction(1, 4)
"""Visits must fall on multiples of this many days, counted from time zero."""


@dataclass(frozen=True)
class Criteria:
    """How a tumour is measured and judged at visits.

    ``cells_per_cm3``: 1e8 in solid tumours with stroma and vessels (Del Monte 2009, recalled). ``growth`` (1.2) and
    ``millimetres`` (5) over the smallest diameter so far are progression, ``response`` (0.7) of the first diameter is a partial
    response (RECIST 1.1); below ``gone`` mm (assumed: what imaging resolves) it has disappeared. ``confirmed`` progression
    counts, on its day, only if the next visit sees it too (iRECIST, Seymour 2017).
    """

    cells_per_cm3: float = 1e8
    growth: float = 1.2
    millimetres: float = 5.0
    response: float = 0.7
    gone: float = 2.0
    confirmed: bool = False

    def __post_init__(self) -> None:
        limits = {
            "cells_per_cm3": (1e4, 1e12),
            "growth": (1, 100),
            "millimetres": (0, 1000),
            "response": (0, 1),
            "gone": (0, 1000),
        }
        for name, (low, high) in limits.items():
            if not (low <= getattr(self, name) <= high and math.isfinite(getattr(self, name))):
                raise UserError(f"`{name}` must lie between {low:g} and {high:g}, got {getattr(self, name):g}", key=name)

    def diameter(self, cells: Floats) -> Floats:
        """The diameter (mm) of a ball of so many cells."""
        return np.asarray(10.0 * np.cbrt(6.0 * np.maximum(cells, 0.0) / (math.pi * self.cells_per_cm3)))

    def __str__(self) -> str:
        again = ", confirmed at the next visit" if self.confirmed else ""
        return (
            f"progression: {self.growth:g} × the smallest diameter and {self.millimetres:g} mm more{again}; response: "
            f"{self.response:g} × the first; a ball of {short(self.cells_per_cm3)} cells per cm³, gone below {self.gone:g} mm"
        )


@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen at visits: ``days`` (k,) after time zero, the first one 0; ``diameters`` (n, arms, k) in mm, NaN after death.

    ``surgery`` (arms,) is the day after time zero from which the primary is no longer judged; infinite without surgery.
    """

    days: Floats
    diameters: Floats
    surgery: Floats
    criteria: Criteria = field(default_factory=Criteria)

    @property
    def judged(self) -> Bools:
        """(n, arms, k): visits at which there is a primary to measure."""
        return np.isfinite(self.diameters) & (self.days < self.surgery[:, None])

    @property
    def progression(self) -> Floats:
        """(n, arms): the day of the visit at which progression is seen; infinite where it is not."""
        held = np.where(self.judged, self.diameters, np.inf)
        smallest = np.minimum.accumulate(held, axis=2)[:, :, :-1]
        now = self.diameters[:, :, 1:]
        with np.errstate(invalid="ignore"):
            grown = (
                (now >= self.criteria.growth * smallest) & (now - smallest >= self.criteria.millimetres) & self.judged[:, :, 1:]
            )
        if self.criteria.confirmed:
            grown[:, :, :-1] &= grown[:, :, 1:]
            grown[:, :, -1] = False
        return np.where(grown.any(axis=2), self.days[1 + grown.argmax(axis=2)], np.inf)

    @property
    def last(self) -> Floats:
        """(n, arms): the day of the last visit at which there is something to judge."""
        return np.asarray(np.where(self.judged, self.days, 0.0).max(axis=2))

    @property
    def counted(self) -> Bools:
        """(n, arms, k): visits after the first, up to the one at which progression is seen."""
        counted = self.judged & (self.days <= self.progression[:, :, None])
        counted[:, :, 0] = False
        return counted

    @property
    def best_change(self) -> Floats:
        """(n, arms): the largest shrinkage, else the smallest growth, as a share of the first diameter; NaN if not seen again."""
        first = self.diameters[:, :, :1]
        with np.errstate(invalid="ignore", divide="ignore"):
            change = np.where(self.counted & (first > 0), self.diameters / first - 1.0, np.inf)
        best = change.min(axis=2)
        return np.where(np.isfinite(best), best, math.nan)

    @property
    def response(self) -> NDArray[np.str_]:
        """(n, arms): the best response: CR, PR, SD, PD, or NE where there was nothing to measure at first, or no later visit."""
        seen = np.where(self.counted, self.diameters, np.inf)
        first = self.diameters[:, :, 0]
        growing = self.progression <= self.days[min(1, len(self.days) - 1)]
        kinds = [
            ~self.counted.any(axis=2) | ~(first >= self.criteria.gone),
            seen.min(axis=2) < self.criteria.gone,
            seen.min(axis=2) <= self.criteria.response * first,
            growing,
        ]
        return np.select(kinds, ["NE", "CR", "PR", "PD"], "SD")


def visit_step(time_zero: float, visits: float) -> float:
    """Days between stored rows so that time zero and every visit is one of them; raises UserError where no such step is."""
    start, each = (Fraction(value).limit_denominator(1000) for value in (time_zero, visits))
    step = (
        each
        if not start
        else Fraction(
            math.gcd(start.numerator * each.denominator, each.numerator * start.denominator), start.denominator * each.denominator
        )
    )
    if step < FINEST or not each or max(abs(float(start) - time_zero), abs(float(each) - visits)) > 1e-9:
        raise UserError(f"visits every {visits:.10g} days from day {time_zero:.10g} on are no round days; give whole days")
    return float(step)


def seen_at_visits(found: Simulated, visits: float, criteria: Criteria) -> Seen:
    """What is seen of the tumours at time zero and every so many days after it."""
    scenario = found.scenario
    start = scenario.time_zero
    at = np.flatnonzero(
        (found.days >= start - 1e-9) & (np.abs((found.days - start) / visits - np.round((found.days - start) / visits)) < 1e-6)
    )
    surgery = [
        min(
            (
                scenario.regimens[name].start - start
                for name in scenario.arms[arm]
                if scenario.network.resects(scenario.regimens[name].agent)
            ),
            default=math.inf,
        )
        for arm in found.arms
    ]
    return Seen(found.days[at] - start, criteria.diameter(found.burden[:, :, at]), np.array(surgery), criteria)


@dataclass(frozen=True, eq=False)
class Endpoint:
    """When something came to every patient in every arm, all (n, arms) in days after time zero: ``days``, infinite if never;
    ``watched``, up to when it could have been seen, and ``why`` no longer. At visits it is seen at ``visits`` (k,) only."""

    name: str
    days: Floats
    watched: Floats
    why: NDArray[np.object_]
    visits: Floats | None = None

    def gains(self, arm: int, reference: int, horizon: float) -> Floats:
        """(n,): how many days later it came in an arm than in the reference, up to ``horizon``, or to where one of the two could
        no longer be seen without it (death before it, surgery)."""
        ended = np.where((self.days <= self.watched) | (self.why == END), np.inf, self.watched)[:, [arm, reference]]
        reached = np.minimum(self.days[:, [arm, reference]], np.minimum(ended.min(axis=1), horizon)[:, None])
        return np.asarray(reached[:, 0] - reached[:, 1])

    def followed(self, until: Floats, reason: Sequence[str]) -> tuple[Floats, Bools, NDArray[np.object_]]:
        """(time, event, reason of censoring), each (n, arms), where every patient is followed up to a day ``until`` (n,).

        What is seen at visits only is censored at the last visit before.
        """
        limit = np.minimum(self.watched, until[:, None])
        came = self.days <= limit
        why = np.where(self.watched <= until[:, None], self.why, np.array(reason, dtype=object)[:, None])
        if self.visits is not None:
            limit = self.visits[np.searchsorted(self.visits, limit + 1e-9, side="right") - 1]
        return np.where(came, self.days, limit), came, np.where(came, "", why)


def needed_outcomes(endpoints: Sequence[str], visits: bool = False, mortal: bool = False) -> list[str]:
    """The outcomes behind endpoints; at ``visits`` progression is seen on the burden itself, while a ``mortal`` host lives."""
    names = dict.fromkeys(name for item in endpoints for name in NAMED.get(item, (item,)))
    if visits and mortal:
        names[SURVIVAL] = None
    return [name for name in names if not (visits and name == OWN and name not in endpoints)]


def check_endpoint(name: str) -> None:
    """Raises UserError unless an outcome is a time."""
    if name not in NAMED and declared(name).kind != "time":
        raise UserError(
            f"`{name}` is no time: an endpoint is {', '.join(NAMED)}, or an outcome that is a day, such as day_above(burden, 1e8)"
        )


def endpoints_of(found: Simulated, names: Sequence[str], seen: Seen | None) -> dict[str, Endpoint]:
    """Every endpoint by name; without visits progression is that of the outcome, on the very day."""
    return {name: _endpoint(found, name, seen) for name in names}


def _deaths(found: Simulated) -> Floats:
    """(n, arms): the day of death, infinite without."""
    if SURVIVAL not in found.outcomes:
        return np.full(found.failed.shape, np.inf)
    return np.where(found.observed[SURVIVAL], found.outcomes[SURVIVAL], np.inf)


def _endpoint(found: Simulated, name: str, seen: Seen | None) -> Endpoint:
    match name:
        case _ if name == PROGRESSION and seen is not None:
            removed = np.where(np.isfinite(seen.surgery), SURGERY, END).astype(object)
            why = np.where(_deaths(found) < seen.surgery, DIED, removed)
            return Endpoint(name, seen.progression, seen.last, why, seen.days)
        case _ if name == PROGRESSION_FREE:
            first, death = _endpoint(found, PROGRESSION, seen), _endpoint(found, DEATH, seen)
            came = np.minimum(first.days, death.days)
            gone = first.why == SURGERY  # no primary to progress: what can still come is death
            alone = np.where(gone, death.watched, first.watched)
            why = np.where(gone, death.why, first.why)
            return Endpoint(name, came, np.where(np.isfinite(came), np.maximum(came, alone), alone), why, first.visits)
        case _:
            (outcome,) = NAMED.get(name, (name,))
            values, observed = found.outcomes[outcome], found.observed[outcome]
            days = np.where(observed, values, np.inf)
            horizon = float(found.scenario.days) - found.scenario.time_zero
            why = np.where(np.isfinite(values) & (values < horizon - 1e-6), DIED, END).astype(object)
            return Endpoint(name, days, np.where(np.isfinite(values), values, 0.0), why)
