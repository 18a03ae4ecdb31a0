"""What each sentence is worth: how much larger the set of plausible tumours would be if one claim need not hold.

    bits = log2(volume without the claim / volume with it)

The tumours that satisfy all claims lie within those that satisfy all but one. Walkers that may leave the former and not the
latter tell which share of the latter the former is; its logarithm is the worth. Two claims that say the same are worth
nothing, each while the other stands, whatever both are worth together. All walkers start among the former, and take time
to equilibrate in the latter: windows of sweeps, each twice as long as the one before, are compared until two agree. Where none
do the worth is a lower bound.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backfire.populations.sampler import Judge, Run, Spread
from backfire.solvers import Floats

CHAINS: Final = 48
BURNED: Final = 24
"""Sweeps of burn-in, in which proposals adapt; the first window is as long."""
DOUBLINGS: Final = 3
"""How many windows follow the first, at most."""
AGREED: Final = 0.1
"""Bits by which two windows that agree may differ, or by their error."""


@dataclass(frozen=True)
class Worth:
    """What one claim is worth: ``bits``, with the standard error from the spread of the runs.

    They are a lower bound (``least``) where the walkers had not equilibrated. Where none that need not satisfy the claim does,
    ``error`` is infinite.
    """

    bits: float
    error: float
    least: bool = False

    def __str__(self) -> str:
        """Bits with their error, or their lower bound."""
        told = f"{self.bits:.2f} ± {self.error:.2f}" if math.isfinite(self.error) else f"{self.bits:.0f}"
        return f"at least {told}" if self.least else told


def worth(
    judge: Judge,
    runs: Sequence[Run],
    claims: Mapping[str, Sequence[int]],
    spread: Spread = map,
    known: Mapping[str, Worth] | None = None,
    keep: Callable[[dict[str, Worth]], None] | None = None,
) -> dict[str, Worth]:
    """The worth of every claim, by id; ``claims`` maps ids to the columns of their comparisons, ``runs`` are at distance 0.

    What is ``known`` already is not computed again; ``keep`` hears all that is known whenever there is more.
    """
    found = dict(known or {})
    left = {name: (judge, runs, columns, number) for number, (name, columns) in enumerate(claims.items()) if name not in found}
    for name, one in zip(left, spread(_worth_of, left.values()), strict=True):
        found[name] = one
        if keep is not None:
            keep(found)
    return {name: found[name] for name in claims}


def _worth_of(task: tuple[Judge, Sequence[Run], Sequence[int], int]) -> Worth:
    """The worth of one claim, from the first window that agrees with the one before it, or the last."""
    judge, runs, columns, number = task
    walking = [_relaxed(judge, run, columns, number) for run in runs]
    sweeps = BURNED
    before = _shares(judge, walking, columns, sweeps)
    for _ in range(DOUBLINGS):
        sweeps *= 2
        now = _shares(judge, walking, columns, sweeps)
        if agreed := _agree(before, now):
            break
        before = now
    found = _worth(now, sweeps)
    return dataclasses.replace(found, least=found.least or not agreed)


def _agree(before: Floats, now: Floats) -> bool:
    """True if the worths by shares (runs,) differ by ``AGREED`` at most, or by what runs leave to chance."""
    if not (before.any() and now.any()):
        return False
    drift = abs(math.log2(before.mean() / now.mean()))
    noise = float((now - before).std(ddof=1)) / math.sqrt(len(now)) / now.mean() / math.log(2) if len(now) > 1 else 0.0
    return bool(drift <= max(AGREED, noise))


def _relaxed(judge: Judge, run: Run, columns: Sequence[int], number: int) -> Run:
    """A run that need not satisfy a claim, its proposals fitted to where it then goes."""
    walking = run.relaxed(columns, CHAINS)
    # each claim has random numbers of its own, whatever the others are
    walking.rng = np.random.default_rng(np.random.SeedSequence(int(walking.rng.integers(2**63)), spawn_key=(number,)))
    for sweep in range(BURNED):
        walking.sweep(judge, adapt=True)
        if sweep == BURNED // 2:
            walking.refit()
    walking.refit()
    return walking


def _shares(judge: Judge, walking: Sequence[Run], columns: Sequence[int], sweeps: int) -> Floats:
    """The share (runs,) of walkers that satisfy a claim that they need not, over so many sweeps."""
    holding = np.empty((len(walking), sweeps))
    for run, seen in zip(walking, holding, strict=True):
        for sweep in range(sweeps):
            run.sweep(judge)
            seen[sweep] = (run.ensemble.violations[:, columns] <= 0).all(axis=1).mean()
    return np.asarray(holding.mean(axis=1))


def _worth(shares: Floats, sweeps: int) -> Worth:
    """From the share that each run found in so many sweeps."""
    mean = float(shares.mean())
    if mean <= 0:
        return Worth(math.log2(CHAINS * sweeps * len(shares)), math.inf, True)
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
