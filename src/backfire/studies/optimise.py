"""Schedules that are searched for: days, doses and thresholds of given agents under a budget, for an outcome over many tumours.

The search is SciPy's differential evolution: a whole generation is one call of the batch solver, whole numbers are whole, and the
same seed gives the same answer. With ``keep_totals`` every candidate gives each agent its own total as the file has it, however
many doses that is spread over; otherwise a ``budget`` is the most that may be given, and candidates above it lose to all below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy

from backfire.errors import UserError, unknown
from backfire.formatting import short
from backfire.model import CAUTION
from backfire.outcomes import declared
from backfire.scenario import Scenario, find_inputs, whole_numbers
from backfire.simulation import outcome_names, run_members
from backfire.solvers import Floats

GENERATIONS: Final = 40
CROWD: Final = 10
"""Candidates of a generation for each number that varies."""
LOST: Final = 1e30
"""What a candidate is worth that cannot be given, or gives more than the budget."""
SCAN: Final = 21
"""Points at which the optimum is looked at along each number."""
FLAT: Final = 0.1
"""As good as the optimum is what loses less than this share of its gain."""


@dataclass(frozen=True)
class Optimum:
    """The best schedule found: ``best`` values of the inputs that varied, and all ``changes`` that make it of the scenario.

    ``own`` and ``found`` (t,) are the outcome of every tumour under the scenario's own schedule and under the best one,
    ``objective`` of both their quantile. ``flat`` are the lowest and highest value of each input that lose next to nothing while
    the others stay. ``evaluations`` counts candidates.
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
        """(median, 5 %, 95 %) of what the tumours gain, above 0 for the better."""
        gained = (self.found - self.own) * (1 if self.better == "high" else -1)
        kept = gained[np.isfinite(gained)]
        if not len(kept):
            return math.nan, math.nan, math.nan
        median, low, high = (float(np.quantile(kept, share)) for share in (0.5, 0.05, 0.95))
        return median, low, high


def optimise(
    scenario: Scenario,
    vary: Mapping[str, tuple[float, float]],
    outcome: str,
    arm: str | None = None,
    quantile: float = 0.5,
    better: str = "",
    keep_totals: bool = True,
    budget: Mapping[str, float] | None = None,
    tumours: Mapping[str, Floats] | None = None,
    seed: int = 0,
    generations: int = GENERATIONS,
    notify: Callable[[str], None] | None = None,
) -> Optimum:
    """The schedule under which a quantile of an outcome over ``tumours`` is best.

    ``vary`` maps numbers of regimens and rules of the arm to where they are looked for. ``quantile`` 0.5 is the median, 0.1 a
    tumour that does badly: from the bad end, whichever that is. ``better`` is ``low`` or ``high``, by default as the catalogue
    of outcomes says. ``budget`` maps agents to the most that may be given. Raises UserError for what cannot be searched.
    """
    for agent, amount in (budget or {}).items():
        if not 0 < amount < math.inf:
            raise UserError(f"--budget {agent}={amount:g}: give an amount above 0")
    if generations < 1 or not 0 <= seed < 2**63:
        raise UserError(f"--generations {generations} --seed {seed}: give at least one generation, and a seed from 0 on")
    arm = arm or ("combination" if "combination" in scenario.arms else [*scenario.arms][-1])
    search = _Search(scenario, arm, vary, outcome, quantile, better, keep_totals, budget or {}, tumours or {})
    own = search.values(np.array([[scenario.inputs[name].value for name in search.names]]), as_written=True)
    tell = notify or (lambda _: None)
    done = 0

    def told(intermediate_result: Any) -> None:
        nonlocal done
        done += 1
        tell(f"generation {done} of {generations}: {short(search.shown(float(intermediate_result.fun)), 4)}")

    found = scipy.optimize.differential_evolution(
        lambda columns: search.costs(columns.T), search.limits, maxiter=generations, popsize=CROWD, tol=1e-6,
        seed=np.random.default_rng(seed),
        callback=told, polish=False, init="sobol", updating="deferred", vectorized=True, integrality=search.whole,
        x0=search.clipped_own(),
    )  # fmt: skip
    if found.fun >= LOST:
        raise UserError("no schedule within these limits can be given within the budget; widen `vary`, or raise the budget")
    best = search.values(found.x[None])
    changes = {name: float(value) for name, value in zip(search.fields, search.rows(found.x[None])[0], strict=True)}
    return Optimum(
        scenario, arm, outcome, search.better, quantile, dict(zip(search.names, found.x.tolist(), strict=True)), changes, own[0],
        best[0], (search.shown(search.cost(own)[0]), search.shown(float(found.fun))), search.flat(found.x, search.cost(own)[0]),
        search.totals(found.x), search.evaluations,
    )  # fmt: skip


class _Search:
    """What a candidate is worth."""

    def __init__(
        self, scenario: Scenario, arm: str, vary: Mapping[str, tuple[float, float]], outcome: str, quantile: float, better: str,
        keep_totals: bool, budget: Mapping[str, float], tumours: Mapping[str, Floats],
    ) -> None:  # fmt: skip
        self.scenario, self.arm, self.outcome, self.quantile = scenario, arm, outcome, quantile
        if arm not in scenario.arms:
            raise UserError(unknown("arm", arm, scenario.arms))
        outcome_names(scenario, [arm], [outcome])
        own = {*scenario.arms[arm], *(rule.name for rule in scenario.reacting(arm))}
        allowed = {name for name, item in scenario.inputs.items() if item.unit and name.partition(".")[0] in own}
        for name, (low, high) in vary.items():
            if name not in allowed:
                raise UserError(unknown("number of a regimen or rule of this arm", name, allowed))
            if not (math.isfinite(low) and low < high < math.inf):
                raise UserError(f"`{name}` is looked for between {low:g} and {high:g}; the second must be larger")
        if not vary:
            raise UserError("nothing varies; say what to look for, and between which values")
        if not 0 < quantile < 1:
            raise UserError(f"a quantile lies between 0 and 1, got {quantile:g}")
        self.better = better or declared(outcome).better
        if self.better not in ("low", "high"):
            raise UserError(f"is a low or a high `{outcome}` better? say `low` or `high`")
        self.names, self.limits = [*vary], [*vary.values()]
        self.whole = [item.whole for item in find_inputs(scenario.inputs, self.names)]
        regimens = {name: scenario.regimens[name] for name in scenario.arms[arm]}
        units = {item.agent: scenario.network.interventions[item.agent].amount_unit for item in regimens.values()}
        for agent in budget:
            if agent not in units:
                raise UserError(unknown("agent of this arm", agent, units))
        self.budget = dict(budget)
        changed = {name.partition(".")[0] for name in self.names}
        self.kept = [name for name, item in regimens.items() if keep_totals and units[item.agent] and name in changed]
        for name in self.kept:
            if f"{name}.amount" in self.names:
                raise UserError(f"`{name}.amount` follows from the total, which stays; vary it with a budget instead")
        self.tumours = tumours or {}
        self.count = len(next(iter(self.tumours.values()))) if self.tumours else 1
        self.fields = [*self.names, *(f"{name}.amount" for name in self.kept)]
        self.evaluations = 0

    def clipped_own(self) -> Floats:
        """The scenario's own schedule, as near as the limits let it: the search never ends worse."""
        own = np.array([self.scenario.inputs[name].value for name in self.names])
        low, high = np.array(self.limits).T
        inside = 1e-9 * (high - low)
        clipped: Floats = np.minimum(np.maximum(own, low + inside), high - inside)
        return clipped

    def rows(self, candidates: Floats) -> Floats:
        """(k, fields): candidates with the amounts that keep the totals."""
        columns = [*candidates.T]
        for name in self.kept:
            regimen = self.scenario.regimens[name]
            times = np.ones(len(candidates))
            for word in ("count", "cycles"):
                place = f"{name}.{word}"
                times = times * (candidates[:, self.names.index(place)] if place in self.names else getattr(regimen, word))
            columns.append(regimen.amount * regimen.count * regimen.cycles / times)
        return np.column_stack(columns)

    def _run(self, candidates: Floats, as_written: bool = False) -> Any:
        fields = self.names if as_written else self.fields
        rows = candidates if as_written else self.rows(candidates)
        samples = np.repeat(rows, self.count, axis=0)
        columns = [np.tile(np.asarray(values, dtype=float), len(candidates)) for values in self.tumours.values()]
        asked = [self.outcome, *(f"given_{agent}" for agent in self.budget)]
        self.evaluations += len(candidates)
        every = np.column_stack([samples, *columns]) if columns else samples
        return run_members(self.scenario, [*fields, *self.tumours], every, [self.arm], asked)

    def values(self, candidates: Floats, as_written: bool = False) -> Floats:
        """(k, t): the outcome of every tumour under every candidate, NaN under one that cannot be given."""
        found: Floats = self._run(candidates, as_written).values[self.arm][self.outcome].reshape(len(candidates), self.count)
        return found

    def cost(self, values: Floats) -> Floats:
        """(k,): the quantile from the bad end, as something to make small; NaN of a tumour makes a candidate lose."""
        signed = -values if self.better == "high" else values
        lost = ~np.isfinite(signed).all(axis=1)
        worth = np.quantile(np.where(np.isfinite(signed), signed, 0.0), 1 - self.quantile, axis=1)
        return np.asarray(np.where(lost, LOST, worth), dtype=float)

    def costs(self, candidates: Floats) -> Floats:
        """(k,): as ``cost``, but those above the budget lose to all others, by how far they are above."""
        run = self._run(candidates)
        cost: Floats = self.cost(run.values[self.arm][self.outcome].reshape(len(candidates), self.count))
        for agent, most in self.budget.items():
            given = run.values[self.arm][f"given_{agent}"].reshape(len(candidates), self.count).max(axis=1)
            over = np.where(np.isfinite(given), given / most - 1, 1.0)
            cost = np.where(over > 1e-9, LOST * (1 + over), cost)
        return cost

    def shown(self, cost: float) -> float:
        """A cost as the outcome has it."""
        return -cost if self.better == "high" else cost

    def flat(self, best: Floats, own: float) -> dict[str, tuple[float, float]]:
        """How far each number may be moved alone, on a scan of its limits, before a tenth of the gain is lost."""
        least = self.costs(best[None])[0]
        enough = least + FLAT * max(own - least, 0.0) + 1e-9 * abs(least)
        found = {}
        for place, (name, (low, high)) in enumerate(zip(self.names, self.limits, strict=True)):
            scan = np.unique(np.append(np.linspace(low, high, SCAN), best[place]))
            scan = np.unique(np.round(scan)) if self.whole[place] else scan
            candidates = np.tile(best, (len(scan), 1))
            candidates[:, place] = scan
            good = self.costs(candidates) <= enough
            at = int(np.flatnonzero(scan == best[place])[0])
            first, last = at, at
            while first > 0 and good[first - 1]:
                first -= 1
            while last < len(scan) - 1 and good[last + 1]:
                last += 1
            found[name] = float(scan[first]), float(scan[last])
        return found

    def totals(self, best: Floats) -> dict[str, tuple[float, float]]:
        """Agent → what one tumour is given of it at most, by the scenario's own schedule and by the best."""
        network = self.scenario.network
        agents = sorted({self.scenario.regimens[name].agent for name in self.scenario.arms[self.arm]})
        agents = [agent for agent in agents if network.interventions[agent].amount_unit]
        asked = [f"given_{agent}" for agent in agents]
        own = run_members(self.scenario, [], np.zeros((1, 0)), [self.arm], asked).values[self.arm]
        new = run_members(self.scenario, self.fields, self.rows(best[None]), [self.arm], asked).values[self.arm]
        return {agent: (float(own[name][0]), float(new[name][0])) for agent, name in zip(agents, asked, strict=True)}


def optimum_data(made: Optimum) -> dict[str, Any]:
    """What came of a search as plain data."""
    median, low, high = made.gain
    return {
        "caution": CAUTION, "scenario": made.scenario.name, "hash": made.scenario.hash, "arm": made.arm, "outcome": made.outcome,
        "better": made.better, "quantile": made.quantile, "tumours": len(made.own), "evaluations": made.evaluations,
        "own": _number(float(made.objective[0])), "best": _number(made.objective[1]),
        "gain": {"median": _number(median), "low": _number(low), "high": _number(high)},
        "inputs": {
            name: {"own": made.scenario.inputs[name].value, "best": value, "as_good": [*made.flat[name]]}
            for name, value in made.best.items()
        },
        "totals": {agent: {"own": own, "best": new} for agent, (own, new) in made.totals.items()},
    }  # fmt: skip


def _number(value: float) -> float | None:
    return value if math.isfinite(value) and abs(value) < LOST else None
