"""How firmly a claim holds: its share of a box of plausible parameters, and the parameters that decide.

The box is every parameter's own plausible range, or a factor around its value; doses and schedules stay. Sobol points
fill it. A claim's share is the number of samples in which it *holds* over all samples: one in which it fails, is
inconclusive, does not apply, or could not be solved does not count as holding, and each of these is counted apart.

The Wilson interval is that of independent samples. Sobol points are not independent, they fill the box more evenly,
so the interval is nominal and as a rule too wide.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.stats import binomtest, ks_2samp, qmc

from backfire.claims.articles import Seed, load_seeds
from backfire.claims.language import Claim, Reading
from backfire.claims.measuring import Runner, check_reading, measure, watched_by
from backfire.claims.verdict import SAMPLED, VERDICTS, Bools, Judged, Measured, Verdict, judge
from backfire.errors import UserError
from backfire.model import Parameter
from backfire.scenario import Scenario, load
from backfire.simulation import run_members
from backfire.solvers import Floats

CONFIDENCE: Final = 0.95
MOST_DECIDING: Final = 3
SIGNIFICANT: Final = 0.05
"""Parameters are named if their difference would be rarer than this by chance, after Holm's correction."""
FEWEST: Final = 8
"""Samples that must hold, and that must not, before any parameter is said to decide."""
SCREENED: Final = 256
"""Samples from which on parameters are said to decide."""
MOST_SAMPLES: Final = 2**20
WIDE: Final = 10.0
"""Ranges wider than this factor are sampled by the logarithm."""


@dataclass(frozen=True)
class Box:
    """The parameters that are varied, and how far.

    With ``factor`` None the plausible range of every parameter, by the logarithm where it starts above 0 and spans
    more than a factor of 10, evenly otherwise. With a factor f, from value/f to value·f by the logarithm, cut at the
    parameter's largest possible value. A parameter that is 0 is switched off by design and stays so.
    """

    factor: float | None = None

    def __post_init__(self) -> None:
        if self.factor is not None and not 1 < self.factor <= 1000:
            raise UserError(f"--box {self.factor:g}: give a factor above 1 and at most 1000, such as 2 for half to double")

    def limits(self, parameter: Parameter) -> tuple[float, float, bool] | None:
        """(low, high, logarithmic) of a parameter, or None if it stays."""
        if parameter.value == 0:
            return None
        if self.factor is None:
            low, high = parameter.range
            return low, min(high, parameter.maximum), low > 0 and high / low > WIDE
        low, high = parameter.value / self.factor, min(parameter.value * self.factor, parameter.maximum)
        return (low, high, True) if low < high else None

    def varied(self, scenario: Scenario) -> dict[str, tuple[float, float, bool]]:
        """The parameters of a scenario that are varied, with their limits."""
        limits = {name: self.limits(parameter) for name, parameter in scenario.network.parameters.items()}
        return {name: item for name, item in limits.items() if item is not None}

    def place(self, scenario: Scenario, unit: Floats) -> Floats:
        """Points of the unit cube (n, varied) as values of the varied parameters (n, varied)."""
        columns = []
        for column, (low, high, logarithmic) in zip(unit.T, self.varied(scenario).values(), strict=True):
            columns.append(low * (high / low) ** column if logarithmic else low + (high - low) * column)
        return np.column_stack(columns) if columns else np.empty((len(unit), 0))

    def __str__(self) -> str:
        if self.factor is None:
            return "every parameter within its plausible range, doses and schedule as they are"
        return f"every parameter within a factor of {self.factor:g} of its value, doses and schedule as they are"


@dataclass(frozen=True)
class Deciding:
    """A parameter whose values differ between samples that hold and samples that do not.

    ``statistic`` is Kolmogorov and Smirnov's largest distance between the two distributions, 0 to 1; ``chance`` the
    probability of so large a distance if the parameter did not matter, corrected (Holm) for all parameters looked at;
    ``higher`` is True if the claim holds rather at higher values.
    """

    parameter: str
    statistic: float
    chance: float
    higher: bool

    def __str__(self) -> str:
        return f"{self.parameter} {'↑' if self.higher else '↓'} {self.statistic:.2f}"


@dataclass(frozen=True)
class Robustness:
    """How firmly one claim holds over a box: counts by verdict, share with interval, and what decides.

    ``broken`` maps the comparisons of the claim, as text, to the number of samples that fail there most clearly.
    ``turned_by`` names the parameters that alone, at one end of the box with all others at their values, change the
    verdict at default parameters, each with the value at that end and the verdict there.
    """

    samples: int
    counts: Mapping[Verdict, int]
    low: float
    high: float
    deciding: tuple[Deciding, ...] = ()
    broken: Mapping[str, int] = field(default_factory=dict)
    turned_by: tuple[tuple[str, float, Verdict], ...] = ()
    median_margin: float = math.nan

    @property
    def share(self) -> float:
        """Holding samples over all samples."""
        return self.counts[Verdict.HOLDS] / self.samples


@dataclass(frozen=True)
class Design:
    """How to sample: how many (a power of two, as Sobol points want), which random start, which box."""

    samples: int = 1024
    seed: int = 0
    box: Box = field(default_factory=Box)

    def __post_init__(self) -> None:
        if not 2 <= self.samples <= MOST_SAMPLES:
            raise UserError(f"--robustness {self.samples}: give 2 to {MOST_SAMPLES} samples, such as 1024")
        if self.samples & (self.samples - 1):
            raise UserError(
                f"--robustness {self.samples}: Sobol points fill a box evenly in powers of two; "
                f"give {2 ** (self.samples.bit_length() - 1)} or {2 ** self.samples.bit_length()}"
            )
        if not 0 <= self.seed < 2**63:
            raise UserError(f"--seed {self.seed}: give a whole number from 0 on")

    def points(self, scenario: Scenario) -> Floats:
        """The samples of a scenario (samples, varied): the same for every claim about it."""
        width = len(self.box.varied(scenario))
        if width == 0:
            return np.empty((self.samples, 0))
        unit = qmc.Sobol(width, scramble=True, seed=self.seed).random_base2(self.samples.bit_length() - 1)
        return self.box.place(scenario, unit)

    def __str__(self) -> str:
        return f"{self.samples} Sobol samples (seed {self.seed}) of the box: {self.box}"


def one_at_a_time(scenario: Scenario, box: Box) -> tuple[Floats, list[tuple[str, float]]]:
    """Samples that move every varied parameter alone to the low and to the high end of the box.

    Gives the samples (2·varied, varied), low end first, and for each of them the parameter moved and its value.
    """
    varied = box.varied(scenario)
    usual = np.array([scenario.values[name] for name in varied])
    rows, moved = [], []
    for column, (name, (low, high, _)) in enumerate(varied.items()):
        for value in (low, high):
            row = usual.copy()
            row[column] = value
            rows.append(row)
            moved.append((name, float(value)))
    return np.array(rows).reshape(len(moved), len(varied)), moved


def judge_members(
    seeds: Iterable[Seed],
    scenario: Scenario,
    identifiers: Iterable[str],
    fields: Sequence[str],
    samples: Floats,
    run: Runner = run_members,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Judged]:
    """The claims named, each in every member of one scenario; every arm is run once for all of them."""
    claims = _named(seeds, identifiers)
    found = _measured(claims, scenario, fields, samples, run, progress)
    return {name: judge(claim, found, SAMPLED) for name, claim in claims.items()}


def _named(seeds: Iterable[Seed], identifiers: Iterable[str]) -> dict[str, Claim]:
    wanted = set(identifiers)
    return {name: claim for seed in seeds for name, (_, claim) in seed.claims.items() if name in wanted}


def _measured(
    claims: Mapping[str, Claim],
    scenario: Scenario,
    fields: Sequence[str],
    samples: Floats,
    run: Runner,
    progress: Callable[[str], None] | None,
) -> dict[Reading, Measured]:
    readings = [reading for claim in claims.values() for reading in claim.readings()]
    watched = watched_by((claim for seed in load_seeds() for _, claim in seed.claims.values()), scenario)
    return measure(scenario, readings, fields, samples, run=run, progress=progress, watched=watched)


def robustness(
    seeds: Sequence[Seed],
    design: Design | None = None,
    only: Iterable[str] | None = None,
    loaded: Mapping[str, Scenario] | None = None,
    run: Runner = run_members,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Robustness]:
    """Every claim of the seeds (or those in ``only``) over a box of parameters, by id.

    The members are the Sobol samples, then every parameter alone at either end of the box, and the scenario as it is;
    all of them go through one run per scenario and arm. Claims with names that their scenario does not have are left
    out: the board says what is wrong with them. Raises UserError for an impossible design.
    """
    plan = design or Design()
    by_scenario: dict[str, list[str]] = {}
    for seed in seeds:
        for identifier in seed.claims:
            if only is None or identifier in set(only):
                by_scenario.setdefault(seed.scenario_of(identifier), []).append(identifier)
    found: dict[str, Robustness] = {}
    for name, identifiers in by_scenario.items():
        scenario = (loaded or {}).get(name) or load(name)
        possible = [identifier for identifier in identifiers if _possible(seeds, identifier, scenario)]
        found |= _of_scenario(seeds, scenario, possible, plan, run, progress)
    return found


def _possible(seeds: Iterable[Seed], identifier: str, scenario: Scenario) -> bool:
    readings: Sequence[Reading] = next(seed.claims[identifier][1].readings() for seed in seeds if identifier in seed.claims)
    try:
        for reading in readings:
            check_reading(scenario, reading)
    except UserError:
        return False
    return True


def _of_scenario(
    seeds: Sequence[Seed],
    scenario: Scenario,
    identifiers: Sequence[str],
    plan: Design,
    run: Runner,
    progress: Callable[[str], None] | None,
) -> dict[str, Robustness]:
    fields = list(plan.box.varied(scenario))
    points = plan.points(scenario)
    ends, moved = one_at_a_time(scenario, plan.box)
    usual = np.array([[scenario.values[name] for name in fields]])
    members = np.vstack([points, ends, usual])
    claims = _named(seeds, identifiers)
    found = _measured(claims, scenario, fields, members, run, progress)
    made = {}
    for name, claim in claims.items():
        reached = _reaching([found[reading] for reading in claim.readings()], len(points), len(fields))
        made[name] = _summarised(judge(claim, found, SAMPLED), claim, points, fields, moved, reached)
    return made


def _reaching(readings: Sequence[Measured], samples: int, width: int) -> Bools:
    """Which parameters (width,) change any of the readings when they alone go to either end of the box."""
    reached = np.zeros(2 * width, dtype=bool)
    for item in readings:
        usual, ends = item.value[-1], item.value[samples : samples + 2 * width]
        reached |= ~np.isclose(ends, usual, rtol=SAMPLED, atol=0.0, equal_nan=True)
    return np.asarray(reached.reshape(width, 2).any(axis=1))


def _summarised(
    item: Judged,
    claim: Claim,
    points: Floats,
    fields: Sequence[str],
    moved: Sequence[tuple[str, float]],
    reached: Bools,
) -> Robustness:
    count = len(points)
    sampled = Judged(item.codes[:count], item.margins[:count], item.tightest[:count])
    broken = Counter(sampled.tightest[sampled.having(Verdict.FAILS)].tolist())
    counts = {verdict: int(sampled.having(verdict).sum()) for verdict in VERDICTS}
    low, high = wilson(counts[Verdict.HOLDS], count)
    usual = item.verdict(-1)
    turned = tuple(
        (*moved[index], item.verdict(count + index)) for index in range(len(moved)) if item.verdict(count + index) is not usual
    )
    seen = sampled.margins[np.isfinite(sampled.margins)]
    solved = ~sampled.having(Verdict.ERROR)
    names = [name for name, counts_in in zip(fields, reached, strict=True) if counts_in]
    return Robustness(
        samples=count,
        counts=counts,
        low=low,
        high=high,
        # a parameter that reaches nothing the claim reads cannot decide, whatever the sample pairs it with
        deciding=deciding(points[solved][:, reached], names, sampled.having(Verdict.HOLDS)[solved]),
        broken={str(claim.comparisons[number]): times for number, times in broken.most_common()},
        turned_by=turned,
        median_margin=float(np.median(seen)) if len(seen) else math.nan,
    )


def wilson(holding: int, samples: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    interval = binomtest(holding, samples).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def deciding(points: Floats, fields: Sequence[str], holds: Bools) -> tuple[Deciding, ...]:
    """The parameters that differ most between holding and other samples: a screening, not a proof.

    ``points`` (n, fields), ``holds`` (n,). Each parameter is compared by the two-sample Kolmogorov-Smirnov test,
    corrected for the number of parameters by Holm's method. At most three are named, those with the largest distance
    first. None is named if fewer than ``FEWEST`` samples lie on either side, or of fewer than ``SCREENED`` in all: few
    Sobol points of many dimensions pair parameters up, and one could be named for another. For the same reason a
    parameter gives way to a stronger one that it is paired with (``paired``). One that matters only together with
    another can be missed.
    """
    if len(points) < SCREENED or min(holds.sum(), (~holds).sum()) < FEWEST or not fields:
        return ()
    tests = [ks_2samp(column[holds], column[~holds], method="asymp") for column in points.T]
    chances = holm([float(test.pvalue) for test in tests])
    named: list[tuple[Deciding, Floats]] = []
    for index in sorted(range(len(fields)), key=lambda index: -tests[index].statistic):
        statistic, column = float(tests[index].statistic), points[:, index]
        if chances[index] >= SIGNIFICANT or len(named) == MOST_DECIDING:
            break
        if all(statistic > 1.5 * paired(stronger, column) for _, stronger in named):
            higher = bool(tests[index].statistic_sign < 0)
            named.append((Deciding(fields[index], statistic, chances[index], higher), column))
    return tuple(item for item, _ in named)


def paired(first: Floats, second: Floats) -> float:
    """How far two columns of a sample go together: the largest Kolmogorov-Smirnov distance of the second column
    between samples above and below a decile of the first; near 0 if the sample tells them apart."""
    cuts = np.quantile(first, np.arange(1, 10) / 10)
    return max(float(ks_2samp(second[first > cut], second[first <= cut], method="asymp").statistic) for cut in cuts)


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's step-down correction of several probabilities, in the order given, at most 1."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    corrected = [0.0] * len(chances)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[index]))
        corrected[index] = highest
    return corrected
