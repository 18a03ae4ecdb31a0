"""How firmly a claim holds: its share of a box of plausible parameters, and the parameters that decide.

The box is every parameter's own plausible range, or a factor around its value; doses and schedules stay. Sobol points
fill it. A claim's share is the number of samples in which it *holds* over all samples: one in which it fails, is
inconclusive, does not apply, or could not be solved does not count as holding, and each of these is counted apart.
Which parameters decide is found by Monte Carlo filtering: samples that hold are compared with all others.

The Wilson interval is that of independent samples. Sobol points are not independent, they fill the box more evenly,
so the interval is nominal and as a rule too wide.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Final

import numpy as np
import scipy  # its statistics are imported where they are first used: most claims need none of them

from backfire.claims.articles import Topic
from backfire.claims.language import Claim
from backfire.claims.measuring import Evaluated, Progress, Runner, evaluate_members
from backfire.claims.verdict import SAMPLED, VERDICTS, Bools, Judged, Measured, Verdict
from backfire.errors import UserError
from backfire.sampling import Space
from backfire.scenario import Scenario
from backfire.simulation import run_members
from backfire.solvers import Floats

QUANTILE: Final = NormalDist().inv_cdf(0.975)
"""Of the normal distribution, for intervals of 95 %."""
MOST_DECIDING: Final = 3
SIGNIFICANT: Final = 0.05
"""Parameters are named if their difference would be rarer than this by chance, after Holm's correction."""
FEWEST: Final = 8
"""Samples that must hold, and that must not, before any parameter is said to decide."""
SCREENED: Final = 256
"""Samples from which on parameters are said to decide."""
MOST_SAMPLES: Final = 2**20


@dataclass(frozen=True)
class BoxSample:
    """How a box is sampled: how many Sobol points (a power of two, as they want it), which random start, how far.

    With ``factor`` None the box is the plausible range of every parameter, else a factor around every value (see
    ``Space``). Raises UserError, naming the option of the command line, for numbers that make no sample.
    """

    samples: int = 1024
    seed: int = 0
    factor: float | None = None

    def __post_init__(self) -> None:
        if self.factor is not None and not 1 < self.factor <= 1000:
            raise UserError(f"--box {self.factor:g}: give a factor above 1 and at most 1000, such as 2 for half to double")
        if not 2 <= self.samples <= MOST_SAMPLES:
            raise UserError(f"--robustness {self.samples}: give 2 to {MOST_SAMPLES} samples, such as 1024")
        if self.samples & (self.samples - 1):
            raise UserError(
                f"--robustness {self.samples}: Sobol points fill a box evenly in powers of two; "
                f"give {2 ** (self.samples.bit_length() - 1)} or {2 ** self.samples.bit_length()}"
            )
        if not 0 <= self.seed < 2**63:
            raise UserError(f"--seed {self.seed}: give a whole number from 0 on")

    def space(self, scenario: Scenario) -> Space:
        """The parameters of a scenario that are varied."""
        inputs = scenario.inputs.values()
        return Space.plausible(inputs) if self.factor is None else Space.box(inputs, self.factor)

    @property
    def box(self) -> str:
        """The box in words."""
        reach = "its plausible range" if self.factor is None else f"a factor of {self.factor:g} of its value"
        return f"every parameter within {reach}, doses and schedule as they are"

    def __str__(self) -> str:
        return f"{self.samples} Sobol samples (seed {self.seed}) of the box: {self.box}"


@dataclass(frozen=True)
class DecidingParameter:
    """A parameter whose values differ between samples that hold and samples that do not.

    ``statistic`` is Kolmogorov and Smirnov's largest distance between the two distributions, 0 to 1; ``chance`` the
    probability of so large a distance if the parameter did not matter, corrected (Holm) for all parameters looked at;
    ``higher`` is True if the claim holds rather at higher values.
    """

    parameter: str
    statistic: float
    chance: float
    higher: bool

    @property
    def direction(self) -> str:
        """The parameter with an arrow towards the values at which the claim rather holds."""
        return f"{self.parameter} {'↑' if self.higher else '↓'}"

    def __str__(self) -> str:
        return f"{self.direction} {self.statistic:.2f}"


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
    deciding: tuple[DecidingParameter, ...] = ()
    broken: Mapping[str, int] = field(default_factory=dict)
    turned_by: tuple[tuple[str, float, Verdict], ...] = ()
    median_margin: float = math.nan

    @property
    def share(self) -> float:
        """Holding samples over all samples."""
        return self.counts[Verdict.HOLDS] / self.samples


def robustness(
    topics: Iterable[Topic],
    sample: BoxSample | None = None,
    run: Runner = run_members,
    progress: Progress | None = None,
) -> dict[str, Robustness]:
    """Every claim of the topics over a box of parameters, by id.

    The members are the Sobol samples, then every parameter alone at either end of the box, and the scenario as it is;
    all of them go through one run per scenario and arm. Claims with names that their scenario does not have are left
    out: their verdict says what is wrong with them.
    """
    chosen = sample or BoxSample()
    return {name: item for topic in topics for name, item in _of_topic(topic, chosen, run, progress).items()}


def _of_topic(topic: Topic, sample: BoxSample, run: Runner, progress: Progress | None) -> dict[str, Robustness]:
    scenario = topic.scenario
    space = sample.space(scenario)
    points = space.sobol(sample.samples, sample.seed)
    usual = {name: item.value for name, item in scenario.inputs.items()}
    ends, moved = space.one_at_a_time(usual)
    members = np.vstack([points, ends, [[usual[name] for name in space.names]]])
    found = evaluate_members(scenario, topic.claims, space.names, members, run=run, progress=progress)
    return {
        name: _summarised(topic.claims[name], item, points, space.names, moved)
        for name, item in found.items()
        if not item.refused
    }


def _summarised(
    claim: Claim, found: Evaluated, points: Floats, names: Sequence[str], moved: Sequence[tuple[str, float]]
) -> Robustness:
    """One claim from its samples, the ends of the box, and the scenario as it is, in this order."""
    item, count = found.judged, len(points)
    sampled = Judged(item.codes[:count], item.margins[:count], item.tightest[:count])
    broken = Counter(sampled.tightest[sampled.having(Verdict.FAILS)].tolist())
    counts = {verdict: int(sampled.having(verdict).sum()) for verdict in VERDICTS}
    low, high = wilson(counts[Verdict.HOLDS] / count, count)
    at_ends = [(*move, item.verdict(count + index)) for index, move in enumerate(moved)]
    seen = sampled.margins[np.isfinite(sampled.margins)]
    solved = ~sampled.having(Verdict.ERROR)
    # a parameter that reaches nothing the claim reads cannot decide, whatever the sample pairs it with
    reached = _reaching(found.measured.values(), count, len(names))
    reaching = [name for name, counts_in in zip(names, reached, strict=True) if counts_in]
    return Robustness(
        samples=count,
        counts=counts,
        low=low,
        high=high,
        deciding=monte_carlo_filtering(points[solved][:, reached], reaching, sampled.having(Verdict.HOLDS)[solved]),
        broken={str(claim.comparisons[number]): times for number, times in broken.most_common()},
        turned_by=tuple(end for end in at_ends if end[2] is not item.verdict(-1)),
        median_margin=float(np.median(seen)) if len(seen) else math.nan,
    )


def _reaching(measured: Iterable[Measured], samples: int, width: int) -> Bools:
    """Which parameters (width,) change any of the outcomes when they alone go to either end of the box."""
    reached = np.zeros(2 * width, dtype=bool)
    for item in measured:
        usual, ends = item.value[-1], item.value[samples : samples + 2 * width]
        reached |= ~np.isclose(ends, usual, rtol=SAMPLED, atol=0.0, equal_nan=True)
    return np.asarray(reached.reshape(width, 2).any(axis=1))


def wilson(share: float, samples: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share seen in so many independent samples, or samples that are worth so many."""
    half = QUANTILE / samples
    middle, spread = share + half * QUANTILE / 2, math.sqrt(share * (1 - share) / samples + (half / 2) ** 2)
    whole = 1 + half * QUANTILE
    # share 0 and 1 have ends of exactly 0 and 1
    low, high = (middle - QUANTILE * spread) / whole, (middle + QUANTILE * spread) / whole
    return (0.0 if share <= 0 else max(low, 0.0)), (1.0 if share >= 1 else min(high, 1.0))


def monte_carlo_filtering(points: Floats, names: Sequence[str], holds: Bools) -> tuple[DecidingParameter, ...]:
    """The parameters that differ most between holding and other samples: a screening, not a proof.

    ``points`` (n, names), ``holds`` (n,). Each parameter is compared by the two-sample Kolmogorov-Smirnov test,
    corrected for the number of parameters by Holm's method. At most three are named, those with the largest distance
    first. None is named if fewer than ``FEWEST`` samples lie on either side, or of fewer than ``SCREENED`` in all: few
    Sobol points of many dimensions pair parameters up, and one could be named for another. For the same reason a
    parameter gives way to a stronger one that it is paired with (``paired``). One that matters only together with
    another can be missed.
    """
    if len(points) < SCREENED or min(holds.sum(), (~holds).sum()) < FEWEST or not names:
        return ()
    tests = [scipy.stats.ks_2samp(column[holds], column[~holds], method="asymp") for column in points.T]
    chances = holm([float(test.pvalue) for test in tests])
    named: list[tuple[DecidingParameter, Floats]] = []
    for index in sorted(range(len(names)), key=lambda index: -tests[index].statistic):
        statistic, column = float(tests[index].statistic), points[:, index]
        if chances[index] >= SIGNIFICANT or len(named) == MOST_DECIDING:
            break
        if all(statistic > 1.5 * paired(stronger, column) for _, stronger in named):
            higher = bool(tests[index].statistic_sign < 0)
            named.append((DecidingParameter(names[index], statistic, chances[index], higher), column))
    return tuple(item for item, _ in named)


def paired(first: Floats, second: Floats) -> float:
    """How far two columns of a sample go together: the largest Kolmogorov-Smirnov distance of the second column
    between samples above and below a decile of the first; near 0 if the sample tells them apart."""
    cuts = np.quantile(first, np.arange(1, 10) / 10)
    return max(float(scipy.stats.ks_2samp(second[first > cut], second[first <= cut], method="asymp").statistic) for cut in cuts)


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's step-down correction of several probabilities, in the order given, at most 1."""
    given = np.asarray(chances, dtype=float)
    order = np.argsort(given, kind="stable")
    corrected = np.empty(len(given))
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, (len(given) - np.arange(len(given))) * given[order]))
    return [float(chance) for chance in corrected]
