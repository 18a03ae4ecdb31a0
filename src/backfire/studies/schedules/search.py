"""What a candidate schedule is worth, and the search for the best: SciPy's differential evolution.

A whole generation is one call of the batch solver, whole numbers are whole, and the same seed gives the same answer. With
``keep_totals`` every candidate gives each agent its own total as the file has it, however many doses that is spread over;
otherwise a ``budget`` is the most that may be given, and candidates above it lose to all below.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypedDict

import numpy as np
import scipy

from backfire.errors import UnansweredError, UserError, unknown
from backfire.outcomes import declared
from backfire.scenario import Scenario, chosen_arms, find_inputs
from backfire.simulation import Cohort, outcome_names, run_members
from backfire.solvers import Floats
from backfire.studies.schedules.journal import Journal
from backfire.system import usable_cores

GENERATIONS: Final = 40
CROWD: Final = 10
"""Candidates of a generation for each number that varies."""
LOST: Final = 1e100
"""What a candidate is worth that cannot be given, or gives more than the budget."""
OVER: Final = 1e-9
"""So much above a limit, as a share of it, is on it."""
FARTHEST: Final = 1e6
"""However far above a limit something is, it counts as this many times it."""
LOOKED_AT: Final = 40
"""So many schedules are simulated again to say why none will do."""
MEASURING: Final = ("seed", "error")
"""Numbers of a rule that say how its measurement errs: a search of them finds the luckiest noise."""


@dataclass(frozen=True)
class Question:
    """What is searched for: numbers of regimens and rules of an arm between limits, ``vary``, under which a ``quantile`` of
    ``outcomes`` over ``tumours`` is best.

    ``quantile`` 0.5 is the median, 0.1 a tumour that does badly: from the bad end, whichever that is. ``better`` is ``low`` or
    ``high`` for each outcome, as the catalogue of outcomes says where it is empty. ``budget`` maps agents to the most that may
    be given. Raises UserError for what cannot be searched.
    """

    scenario: Scenario
    vary: Mapping[str, tuple[float, float]]
    outcomes: tuple[str, ...]
    arm: str = ""
    quantile: float = 0.5
    better: tuple[str, ...] = ()
    keep_totals: bool = True
    budget: Mapping[str, float] = field(default_factory=dict)
    tumours: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arms = chosen_arms(self.scenario, [self.arm] if self.arm else None)
        object.__setattr__(self, "arm", "combination" if "combination" in arms else arms[-1])
        outcome_names(self.scenario, [self.arm], self.outcomes)
        self._check_numbers()
        for agent, amount in self.budget.items():
            if agent not in self.units:
                raise UserError(unknown("agent of this arm", agent, self.units))
            if not 0 < amount < math.inf:
                raise UserError(f"--budget {agent}={amount:g}: give an amount above 0")
        for name in self.kept:
            if f"{name}.amount" in self.vary:
                raise UserError(f"`{name}.amount` follows from the total, which stays; vary it with a budget instead")
        if not 0 < self.quantile < 1:
            raise UserError(f"a quantile lies between 0 and 1, got {self.quantile:g}")
        given = (*self.better, *[""] * len(self.outcomes))
        better = [word or declared(name).better for word, name in zip(given, self.outcomes, strict=False)]
        for word, name in zip(better, self.outcomes, strict=True):
            if word not in ("low", "high"):
                raise UserError(f"is a low or a high `{name}` better? say `low` or `high`")
        object.__setattr__(self, "better", tuple(better))

    def _check_numbers(self) -> None:
        own = {*self.scenario.arms[self.arm], *(rule.name for rule in self.scenario.reacting(self.arm))}
        allowed = {name for name, item in self.scenario.inputs.items() if item.unit and name.partition(".")[0] in own}
        for name, (low, high) in self.vary.items():
            if name not in allowed:
                raise UserError(unknown("number of a regimen or rule of this arm", name, allowed))
            item = self.scenario.inputs[name]
            if item.kind == "rule" and name.rpartition(".")[2] in MEASURING:
                raise UserError(f"`{name}` is of the measurement, not of the schedule: a search would find the luckiest noise")
            if not (math.isfinite(low) and low < high < math.inf):
                raise UserError(f"`{name}` is looked for between {low:g} and {high:g}; the second must be larger")
            between = math.floor(high) - math.ceil(low) + 1
            if item.whole and between < 2:
                told = f"only {math.ceil(low)} lies" if between else "none lies"
                raise UserError(f"`{name}` is a whole number, of which {told} between {low:g} and {high:g}; give wider limits")
        if not self.vary:
            raise UserError("nothing varies; say what to look for, and between which values")

    @property
    def units(self) -> dict[str, str | None]:
        """Agent → unit of its amounts, of those that the arm is given."""
        agents = sorted({self.scenario.regimens[name].agent for name in self.scenario.arms[self.arm]})
        return {agent: self.scenario.network.interventions[agent].amount_unit for agent in agents}

    @property
    def kept(self) -> list[str]:
        """The regimens whose amount follows from their total."""
        changed = {name.partition(".")[0] for name in self.vary}
        regimens = {name: self.scenario.regimens[name] for name in self.scenario.arms[self.arm]}
        return [name for name, item in regimens.items() if self.keep_totals and self.units[item.agent] and name in changed]

    @property
    def about(self) -> dict[str, Any]:
        """All that decides what a candidate comes to."""
        drawn = hashlib.sha256()
        for name, values in self.tumours.items():
            drawn.update(name.encode() + np.asarray(values, dtype=float).tobytes())
        return {
            "scenario": self.scenario.hash, "arm": self.arm, "vary": [*self.vary], "outcomes": self.outcomes,
            "better": self.better, "quantile": self.quantile, "kept": self.kept, "budget": dict(self.budget),
            "tumours": drawn.hexdigest(),
        }  # fmt: skip


class How(TypedDict, total=False):
    """What every search may be told: parts of its ``Question``, and ``seed``, ``generations``, whom to ``notify`` of how far it
    is, and the ``folder`` where what candidates came to is written, from which the same search goes on."""

    quantile: float
    keep_totals: bool
    budget: Mapping[str, float] | None
    tumours: Mapping[str, Floats] | None
    seed: int
    generations: int
    notify: Callable[[str], None] | None
    folder: Path | None


def search_for(
    scenario: Scenario,
    vary: Mapping[str, tuple[float, float]],
    outcomes: tuple[str, ...],
    arm: str | None,
    better: tuple[str, ...],
    how: How,
    points: int = 2,
) -> Search:
    """The search for what is asked, that of a front with so many ``points`` where there are two outcomes; raises UserError for
    what cannot be searched."""
    if len({*outcomes}) < len(outcomes):
        raise UserError(f"`{outcomes[0]}` cannot be traded for itself; give two outcomes")
    if points < 2:
        raise UserError(f"a front has two ends, got {points} points")
    if strange := [name for name in how if name not in How.__annotations__]:
        raise UserError(unknown("option of a search", strange[0], How.__annotations__))
    asked = Question(
        scenario, vary, outcomes, arm or "", how.get("quantile", 0.5), better, how.get("keep_totals", True),
        how.get("budget") or {}, how.get("tumours") or {},
    )  # fmt: skip
    return Search(asked, how.get("seed", 0), how.get("generations", GENERATIONS), how.get("folder"), how.get("notify"))


class Search:
    """What candidates (k, n), values of what varies, are worth, and which is best."""

    def __init__(self, question: Question, seed: int, generations: int, folder: Path | None, notify: Any = None) -> None:
        if generations < 1 or not 0 <= seed < 2**63:
            raise UserError(f"--generations {generations} --seed {seed}: give at least one generation, and a seed from 0 on")
        self.question, self.scenario, self.arm = question, question.scenario, question.arm
        self.seed, self.generations = seed, generations
        self.tell: Callable[[str], None] = notify or (lambda _: None)
        self.names, self.limits = [*question.vary], [*question.vary.values()]
        self.whole = [item.whole for item in find_inputs(self.scenario.inputs, self.names)]
        self.count = len(next(iter(question.tumours.values()))) if question.tumours else 1
        self.fields = [*self.names, *(f"{name}.amount" for name in question.kept)]
        self.written = np.array([self.scenario.inputs[name].value for name in self.names])
        """The scenario's own schedule."""
        self.journal, self.asked = Journal(folder, question.about, (len(self.names), len(question.outcomes) + 1)), set[bytes]()
        if self.journal.found:
            self.tell(f"goes on where it was: {self.journal.found} schedules are known")

    @property
    def evaluations(self) -> int:
        """How many candidates have been asked for, each counted once."""
        return len(self.asked)

    @property
    def tried(self) -> Floats:
        """(k, n): the candidates that this search asked for, always in the same order."""
        return np.array([np.frombuffer(key) for key in sorted(self.asked)])

    def _inside(self, candidate: Floats) -> Floats:
        """A candidate, as near as the limits let it."""
        low, high = np.array(self.limits).T
        inside = 1e-9 * (high - low)
        clipped: Floats = np.minimum(np.maximum(candidate, low + inside), high - inside)
        return clipped

    def rows(self, candidates: Floats) -> Floats:
        """(k, fields): candidates with the amounts that keep the totals."""
        columns = [*candidates.T]
        for name in self.question.kept:
            regimen = self.scenario.regimens[name]
            times = np.ones(len(candidates))
            total = regimen.amount * regimen.count * regimen.cycles
            for word in ("count", "cycles"):
                place = f"{name}.{word}"
                times = times * (candidates[:, self.names.index(place)] if place in self.names else getattr(regimen, word))
            # of no doses at all each keeps its amount: that there are none is what cannot be given
            columns.append(np.divide(total, times, where=times > 0, out=np.full(len(times), float(regimen.amount))))
        return np.column_stack(columns)

    def run(self, rows: Floats, fields: Sequence[str]) -> tuple[Floats, Floats]:
        """(every outcome of every tumour under every schedule (outcomes, k, t), NaN under one that cannot be given; the most that
        a tumour is given as a share of its budget (k,))."""
        question, done = self.question, self.cohort(rows, fields)
        found = {name: values.reshape(len(rows), self.count) for name, values in done.values[self.arm].items()}
        with np.errstate(over="ignore"):  # of a budget of next to nothing
            given = [found[f"given_{agent}"].max(axis=1) / most for agent, most in question.budget.items()]
        shares = np.minimum(np.max([np.zeros(len(rows)), *given], axis=0), FARTHEST)
        return np.array([found[name] for name in question.outcomes]), shares

    def cohort(self, rows: Floats, fields: Sequence[str]) -> Cohort:
        """Every tumour under every schedule, schedule by schedule."""
        tumours, question = self.question.tumours, self.question
        columns = [np.tile(np.asarray(values, dtype=float), len(rows)) for values in tumours.values()]
        every = np.column_stack([np.repeat(rows, self.count, axis=0), *columns])
        asked = [*question.outcomes, *(f"given_{agent}" for agent in question.budget)]
        return run_members(self.scenario, [*fields, *tumours], every, [self.arm], asked, threads=usable_cores())

    def quantiles(self, values: Floats) -> Floats:
        """(k, outcomes): quantiles of ``values`` from the bad end, as something to make small; NaN where a tumour has none."""
        columns = []
        for better, given in zip(self.question.better, values, strict=True):
            signed = -given if better == "high" else given
            lost = ~np.isfinite(signed).all(axis=1)
            worth = np.quantile(np.where(np.isfinite(signed), signed, 0.0), 1 - self.question.quantile, axis=1)
            columns.append(np.where(lost, np.nan, worth))
        return np.column_stack(columns)

    def worth(self, candidates: Floats) -> Floats:
        """(k, outcomes + 1): the quantiles of candidates, and the most that one gives as a share of its budget."""
        known = self.journal.known
        new = np.array([row for row in dict.fromkeys(map(tuple, candidates.tolist())) if np.array(row).tobytes() not in known])
        if len(new):
            values, shares = self.run(self.rows(new), self.fields)
            self.journal.add(new, np.column_stack([self.quantiles(values), shares]))
        keys = [candidate.tobytes() for candidate in candidates]
        self.asked.update(keys)
        return np.array([known[key] for key in keys])

    def costs(self, candidates: Floats, aim: int = 0, most: float = math.inf, together: bool = False) -> Floats:
        """(k,): the outcome that is aimed at; those without it, with ``together`` those without any of them, lose to all others,
        and so do those above the budget, or with ``most`` above that in the other outcome, by how far they are above."""
        worth = self.worth(candidates)
        lost = np.isnan(worth[:, :-1]).any(axis=1) if together else np.isnan(worth[:, aim])
        cost = np.where(lost, LOST, worth[:, aim])
        if most < math.inf:
            with np.errstate(over="ignore"):
                above = np.minimum((worth[:, 1 - aim] - most) / max(abs(most), 1e-300), FARTHEST)
            cost = np.where(np.nan_to_num(above, nan=1.0) > OVER, LOST * (1 + above), cost)
        over = np.where(np.isnan(worth[:, -1]), 1.0, worth[:, -1] - 1)
        found: Floats = np.nan_to_num(np.where(over > OVER, LOST * (1 + over), cost), nan=2 * LOST)
        return found

    def shown(self, cost: float, aim: int = 0) -> float:
        """A cost as the outcome has it; NaN for none."""
        if not cost < LOST:
            return math.nan
        return -cost if self.question.better[aim] == "high" else cost

    def best(
        self, aim: int = 0, most: float = math.inf, start: Floats | None = None, what: str = "", together: bool = False
    ) -> tuple[Floats, float]:
        """(candidate, cost) of the best, from ``start`` on, by default the scenario's own schedule: never worse than that, where
        the limits hold it; with ``together`` of those that have all outcomes. Raises UnansweredError if none will do."""
        done = 0

        def told(intermediate_result: Any) -> None:
            nonlocal done
            done += 1
            reached, tried = self.shown(float(intermediate_result.fun), aim), len(self.asked)
            value = "none yet" if math.isnan(reached) else f"{reached:.4g}"
            self.tell(f"{what}generation {done} of {self.generations}: {value} ({tried} schedules tried)")

        found = scipy.optimize.differential_evolution(
            lambda columns: self.costs(columns.T, aim, most, together), self.limits,
            maxiter=self.generations, popsize=CROWD, tol=1e-6, seed=np.random.default_rng(self.seed),
            callback=told, polish=False, init="sobol", updating="deferred", vectorized=True, integrality=self.whole,
            x0=self._inside(self.written if start is None else start),
        )  # fmt: skip
        if found.fun >= LOST:
            raise UnansweredError(self.why_none([*range(len(self.question.outcomes))] if together else [aim]))
        return found.x, float(found.fun)

    def why_none(self, needed: Sequence[int]) -> str:
        """Why none of the schedules that were tried will do where some outcomes are ``needed``: a few are simulated again."""
        candidates, head = self.tried, f"no schedule within these limits will do: of {len(self.asked)} that were tried"
        worth = self.worth(candidates)
        defined = np.isfinite(worth[:, needed]).all(axis=1)
        if defined.any():
            least = float(worth[defined, -1].min())
            times = f"{least:.4g} times" if least < FARTHEST else f"more than {FARTHEST:g} times"
            return f"{head} none stays within the budget, the least gives {times} as much; widen `vary`, or raise the budget"
        some = candidates[:: -(-len(candidates) // LOOKED_AT)]
        failed = self.cohort(self.rows(some), self.fields).reasons
        reasons = Counter(failed.values())
        often = "most often: " if len(reasons) > 1 else ""
        why = [f"cannot be simulated ({often}{reason})" for reason, _ in reasons.most_common(1)]
        if len({member // self.count for member, _ in failed}) < len(some):
            names = " and ".join(f"`{self.question.outcomes[place]}`" for place in needed)
            why.append(f"has no {names}" if len(needed) == 1 else f"has not both {names}")
        tumour = "the tumour" if self.count == 1 else f"one or more of {self.count} tumours"
        return f"{head}, under each {tumour} " + " or ".join(why)

    def changes(self, best: Floats) -> dict[str, float]:
        """All that makes a candidate of the scenario."""
        return {name: float(value) for name, value in zip(self.fields, self.rows(best[None])[0], strict=True)}
