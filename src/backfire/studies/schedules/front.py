"""What two outcomes allow together: schedules of which none is better than another in both.

The front is that of the ε-constraint method (Haimes 1971, IEEE Transactions on Systems, Man and Cybernetics 1:296): the best for
either outcome alone, then, between what these two have of the second, the best for the first among schedules that keep the second
below a limit, limit after limit. Each is one search as that for a single outcome, from the best that is known by then; of all
schedules that any of them tried, those stay that no other one beats in both. It finds concave parts too, which sums of weighted
outcomes pass over. SciPy has no search for fronts, and a library for them would have been one more to keep.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Unpack

import numpy as np

from backfire.errors import UnansweredError
from backfire.formatting import short
from backfire.model import CAUTION
from backfire.scenario import Scenario, whole_numbers
from backfire.solvers import Floats
from backfire.studies.schedules.search import OVER, How, Search, search_for

POINTS: Final = 7
DECADES: Final = 30.0
"""Outcomes above 0 that differ by more than this factor between the ends are limited in equal ratios, others in equal steps."""


@dataclass(frozen=True)
class Point:
    """One schedule of a front: its two ``outcomes``, the ``best`` values of what varied, and all ``changes`` that make it."""

    outcomes: tuple[float, float]
    best: Mapping[str, float]
    changes: Mapping[str, float]


@dataclass(frozen=True)
class Front:
    """The ``points`` of a front of two ``outcomes``, the best for the first first; ``own`` are those of the scenario's schedule,
    NaN where it has none, and ``tried`` (k, 2) those of all schedules that were tried, can be given and have both. ``remarks``
    say where one outcome alone is better than anywhere on the front, since the other is not defined there."""

    scenario: Scenario
    arm: str
    outcomes: tuple[str, str]
    better: tuple[str, str]
    quantile: float
    tumours: int
    points: tuple[Point, ...]
    own: tuple[float, float]
    tried: Floats
    evaluations: int
    remarks: tuple[str, ...] = ()

    def schedule(self, place: int) -> Scenario:
        """The scenario with the schedule of a point."""
        return self.scenario.changed(whole_numbers(self.scenario.inputs, self.points[place].changes))


def trade_off(
    scenario: Scenario,
    vary: Mapping[str, tuple[float, float]],
    outcomes: tuple[str, str],
    arm: str | None = None,
    better: tuple[str, str] = ("", ""),
    points: int = POINTS,
    **how: Unpack[How],
) -> Front:
    """The front of two outcomes, with at most so many ``points``; the rest as ``optimise`` has it."""
    search = search_for(scenario, vary, outcomes, arm, better, how, points)
    asked = search.question
    ends = [_end(search, aim) for aim in (0, 1)]
    first, last = search.worth(np.array([best for best, _ in ends]))[:, 1].tolist()
    limits = _limits(first, last, points)
    for number, most in enumerate(limits[1:-1], 1):
        at_most = f"{short(search.shown(most, 1), 4)} or {'more' if asked.better[1] == 'high' else 'less'}"
        with contextlib.suppress(UnansweredError):  # what is known by then stays the best below this limit
            search.best(0, most, _nearest(search, most), f"{number} of {points - 2}, {outcomes[1]} {at_most}: ")
    candidates, worth = _given(search)
    own = search.quantiles(search.run(search.written[None], search.names)[0])[0]
    signs = np.array([-1.0 if word == "high" else 1.0 for word in asked.better])
    return Front(
        scenario, search.arm, outcomes, (asked.better[0], asked.better[1]), asked.quantile, search.count,
        tuple(_point(search, candidates[place], worth[place] * signs) for place in _chosen(worth, limits[1:-1])),
        (float(own[0] * signs[0]), float(own[1] * signs[1])), worth * signs, search.evaluations,
        tuple(remark for _, remark in ends if remark),
    )  # fmt: skip


def _end(search: Search, aim: int) -> tuple[Floats, str]:
    """(the best for one outcome among schedules that have both, what to say if another one is better but has only that one)."""
    outcomes = search.question.outcomes
    name, other = outcomes[aim], outcomes[1 - aim]
    best, cost = search.best(aim, what=f"{name} alone: ")
    if np.isfinite(search.worth(best[None])[0, 1 - aim]):
        return best, ""
    candidates, worth = _given(search)
    start = candidates[np.argmin(worth[:, aim])] if len(candidates) else None
    best, _ = search.best(aim, start=start, what=f"{name} where there is a {other}: ", together=True)
    reached = short(search.shown(cost, aim), 4)
    return best, f"{name} alone reaches {reached} where {other} is not defined; the front is of schedules that have both"


def _limits(first: float, last: float, points: int) -> Floats:
    """From the second outcome at the best for the first to its own best."""
    if last > 0 and first > DECADES * last:
        return np.geomspace(first, last, points)
    return np.linspace(first, last, points)


def _given(search: Search) -> tuple[Floats, Floats]:
    """(candidates (k, n), their two outcomes as something to make small (k, 2)) of all that this search asked for and that can
    be given within the budget."""
    candidates = search.tried
    worth = search.worth(candidates)
    good = np.isfinite(worth).all(axis=1) & (worth[:, -1] <= 1 + OVER)
    return candidates[good], worth[good, :2]


def _best_below(worth: Floats, most: float) -> int:
    """The place of the best in the first outcome whose second is not above a limit; of several the one with the least second."""
    within = np.where(worth[:, 1] <= most + OVER * abs(most), worth[:, 0], np.inf)
    return int(np.lexsort((worth[:, 1], within))[0])


def _nearest(search: Search, most: float) -> Floats:
    candidates, worth = _given(search)
    nearest: Floats = candidates[_best_below(worth, most)]
    return nearest


def _chosen(worth: Floats, limits: Floats) -> list[int]:
    """The places of the points, the best for either outcome and one for each limit between, none twice and none that another
    one beats."""
    places = dict.fromkeys(_best_below(worth, most) for most in (math.inf, *limits.tolist(), float(worth[:, 1].min())))
    pairs = {place: worth[place] for place in places}
    return [
        place for place, one in pairs.items() if not any((other <= one).all() and (other < one).any() for other in pairs.values())
    ]


def _point(search: Search, candidate: Floats, outcomes: Floats) -> Point:
    best = dict(zip(search.names, candidate.tolist(), strict=True))
    return Point((float(outcomes[0]), float(outcomes[1])), best, search.changes(candidate))


def front_data(made: Front) -> dict[str, Any]:
    """What came of it as plain data."""
    return {
        "caution": CAUTION, "scenario": made.scenario.name, "hash": made.scenario.hash, "arm": made.arm,
        "outcomes": [*made.outcomes], "better": [*made.better], "quantile": made.quantile, "tumours": made.tumours,
        "evaluations": made.evaluations, "own": [*made.own],
        "remarks": [*made.remarks],
        "points": [{"outcomes": [*item.outcomes], "inputs": dict(item.best)} for item in made.points],
    }  # fmt: skip
