"""What each sentence is worth: how much larger the set of plausible tumours would be if one claim need not hold.

    bits = log2(volume without the claim / volume with it)

The tumours that satisfy all claims lie within those that satisfy all but one. Walkers that may leave the former and not the
latter tell which share of the latter the former is; its logarithm is the worth. Two claims that say the same are worth
nothing, each while the other stands, whatever both are worth together. All walkers start among the former, so that what they
have not reached of the latter in their few sweeps makes every worth a least one, by more than its error where the set is much
larger without the claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from backfire.populations.sampler import Judge, Run
from backfire.solvers import Floats

CHAINS: Final = 48
BURNED: Final = 24
"""Sweeps in which walkers forget the claim, and proposals adapt."""
SWEEPS: Final = 36
Spread = Callable[[Callable[..., float], Iterable[Any]], Iterable[float]]


@dataclass(frozen=True)
class Worth:
    """What one claim is worth: ``bits``, with the standard error from the spread of the runs.

    Where no walker that need not satisfy the claim does, ``bits`` is the least that it is worth and ``error`` infinite.
    """

    bits: float
    error: float


def worth(judge: Judge, runs: Sequence[Run], claims: Mapping[str, Sequence[int]], spread: Spread = map) -> dict[str, Worth]:
    """The worth of every claim, by id; ``claims`` maps ids to the columns of their comparisons, ``runs`` are at distance 0."""
    tasks = [(judge, run, columns, number) for number, columns in enumerate(claims.values()) for run in runs]
    shares = np.array(list(spread(_share, tasks)), dtype=float).reshape(len(claims), len(runs))
    return {name: _worth(row) for name, row in zip(claims, shares, strict=True)}


def _share(task: tuple[Judge, Run, Sequence[int], int]) -> float:
    """The share of walkers that satisfy a claim that they need not."""
    judge, run, columns, number = task
    walking = run.relaxed(columns, CHAINS)
    # each claim has random numbers of its own, whatever the others are
    walking.rng = np.random.default_rng(np.random.SeedSequence(int(walking.rng.integers(2**63)), spawn_key=(number,)))
    for sweep in range(BURNED):
        walking.sweep(judge, adapt=True)
        if sweep == BURNED // 2:
            walking.refit()
    walking.refit()
    holding = []
    for _ in range(SWEEPS):
        walking.sweep(judge)
        holding.append(float((walking.ensemble.violations[:, columns] <= 0).all(axis=1).mean()))
    return float(np.mean(holding))


def _worth(shares: Floats) -> Worth:
    """From the share that each run found."""
    mean = float(shares.mean())
    least = 1 / (CHAINS * SWEEPS * len(shares))
    if mean <= 0:
        return Worth(-math.log2(least), math.inf)
    error = float(shares.std(ddof=1) / math.sqrt(len(shares))) if len(shares) > 1 else math.nan
    return Worth(-math.log2(mean) + 0.0, error / mean / math.log(2))


def drawn_worth(violations: Floats, claims: Mapping[str, Sequence[int]]) -> dict[str, Worth]:
    """The same where points were drawn from the whole box, from ``violations`` (n, comparisons) of all of them, some below 0."""
    holds = violations <= 0
    every, found = int(holds.all(axis=1).sum()), {}
    for name, columns in claims.items():
        without = int(np.delete(holds, columns, axis=1).all(axis=1).sum())
        share = every / without
        found[name] = Worth(-math.log2(share) + 0.0, math.sqrt((1 - share) / (share * without)) / math.log(2))
    return found
