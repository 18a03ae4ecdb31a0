"""The best schedule for one outcome over many tumours, what it gains, and how flat the optimum is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Unpack

import numpy as np

from backfire.model import CAUTION
from backfire.scenario import Scenario, whole_numbers
from backfire.simulation import run_members
from backfire.solvers import Floats
from backfire.studies.schedules.search import How, Search, search_for

SCAN: Final = 21
"""Points at which the optimum is looked at along each number."""
FLAT: Final = 0.1
"""As good as the optimum is what loses less than this share of its gain."""


@dataclass(frozen=True)
class Optimum:
    """The best schedule found: ``best`` values of the inputs that varied, and all ``changes`` that make it of the scenario.

    ``own`` and ``found`` (t,) are the outcome of every tumour under the scenario's own schedule and under the best one,
    ``objective`` of both their quantile, NaN where a tumour has no such outcome under the scenario's own. ``flat`` are the lowest
    and highest value of each input that lose next to nothing while the others stay, empty where nothing can be lost because
    there is nothing to gain on. ``evaluations`` counts candidates.
    """

    scenario: Scenario
    arm: str
    outcome: str
    better: str
    quantile: float
    best: Mapping[str, float]
    changes: Mapping[str, float]
    own: Floats
    found: Floats
    objective: tuple[float, float]
    flat: Mapping[str, tuple[float, float]]
    totals: Mapping[str, tuple[float, float]]
    evaluations: int

    @property
    def schedule(self) -> Scenario:
        """The scenario with the best schedule."""
        return self.scenario.changed(whole_numbers(self.scenario.inputs, self.changes))

    @property
    def gain(self) -> tuple[float, float, float]:
        """(median, 5 %, 95 %) of what the tumours gain, above 0 for the better; NaN where one of them has nothing to gain on."""
        gained = (self.found - self.own) * (1 if self.better == "high" else -1)
        if not np.isfinite(gained).all():
            return math.nan, math.nan, math.nan
        median, low, high = (float(np.quantile(gained, share)) for share in (0.5, 0.05, 0.95))
        return median, low, high


def optimise(
    scenario: Scenario,
    vary: Mapping[str, tuple[float, float]],
    outcome: str,
    arm: str | None = None,
    better: str = "",
    **how: Unpack[How],
) -> Optimum:
    """The schedule under which a quantile of an outcome over tumours is best; what is asked as ``Question`` has it, with more in
    ``How``. Raises UserError for what cannot be searched."""
    search = search_for(scenario, vary, (outcome,), arm, (better,), how)
    asked, inputs = search.question, search.names
    own = search.run(search.written[None], search.names)[0]
    cost = float(search.quantiles(own)[0, 0])
    candidate, least = search.best()
    found = search.run(search.rows(candidate[None]), search.fields)[0]
    return Optimum(
        scenario, search.arm, outcome, asked.better[0], asked.quantile, dict(zip(inputs, candidate.tolist(), strict=True)),
        search.changes(candidate), own[0, 0], found[0, 0], (search.shown(cost), search.shown(least)),
        {} if math.isnan(cost) else _flat(search, candidate, cost), _totals(search, candidate), search.evaluations,
    )  # fmt: skip


def _flat(search: Search, best: Floats, own: float) -> dict[str, tuple[float, float]]:
    """How far each number may be moved alone, on a scan of its limits, before a tenth of the gain on ``own`` is lost."""
    least = search.costs(best[None])[0]
    enough = least + FLAT * max(own - least, 0.0) + 1e-9 * abs(least)
    found = {}
    for place, (name, (low, high)) in enumerate(zip(search.names, search.limits, strict=True)):
        whole = search.whole[place]
        first, last = (math.ceil(low), math.floor(high)) if whole else (low, high)
        scan = np.unique(np.append(np.linspace(first, last, SCAN), best[place]))
        scan = np.unique(np.round(scan)) if whole else scan
        candidates = np.tile(best, (len(scan), 1))
        candidates[:, place] = scan
        good = search.costs(candidates) <= enough
        start = end = int(np.flatnonzero(scan == best[place])[0])
        while start > 0 and good[start - 1]:
            start -= 1
        while end < len(scan) - 1 and good[end + 1]:
            end += 1
        found[name] = float(scan[start]), float(scan[end])
    return found


def _totals(search: Search, best: Floats) -> dict[str, tuple[float, float]]:
    """Agent → what one tumour is given of it, by the scenario's own schedule and by the best."""
    agents = [agent for agent, unit in search.question.units.items() if unit]
    asked = [f"given_{agent}" for agent in agents]
    scenario, arm = search.scenario, search.arm
    own = run_members(scenario, [], np.zeros((1, 0)), [arm], asked).values[arm]
    new = run_members(scenario, search.fields, search.rows(best[None]), [arm], asked).values[arm]
    return {agent: (float(own[name][0]), float(new[name][0])) for agent, name in zip(agents, asked, strict=True)}


def optimum_data(made: Optimum) -> dict[str, Any]:
    """What came of a search as plain data."""
    median, low, high = made.gain
    return {
        "caution": CAUTION, "scenario": made.scenario.name, "hash": made.scenario.hash, "arm": made.arm, "outcome": made.outcome,
        "better": made.better, "quantile": made.quantile, "tumours": len(made.own), "evaluations": made.evaluations,
        "own": _number(made.objective[0]), "best": _number(made.objective[1]),
        "gain": {"median": _number(median), "low": _number(low), "high": _number(high)},
        "inputs": {
            name: {"own": made.scenario.inputs[name].value, "best": value, "as_good": [*made.flat[name]] if made.flat else None}
            for name, value in made.best.items()
        },
        "totals": {agent: {"own": own, "best": new} for agent, (own, new) in made.totals.items()},
    }  # fmt: skip


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
