"""How far a sample can be trusted: what the chains of several runs say of each quantity, after ArviZ."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from backfire.populations.sampler.distances import Spread
from backfire.solvers import Floats

TAILS: Final = (0.05, 0.95)
PART: Final = 10
"""Quantities diagnosed at a time where workers share them."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is known of each of k quantities (k,).

    ``rhat`` is the rank-normalised R̂ of the runs and of the halves of their sweeps; ``walkers`` the same where each walker
    of each run is a chain, which falls to 1 only when every one has seen all of the region. ``bulk`` and ``tail`` are the
    effective sizes of the sample for its middle and for its 5 and 95 % quantiles, from the memory of every walker (Vehtari
    and others 2021). ``drift`` says by how many sd the mean moves from the first to the last third of the sweeps, and
    ``apart`` by how many sd the mean of a run is off that of all runs, at most.
    """

    rhat: Floats
    walkers: Floats
    bulk: Floats
    tail: Floats
    runs: Floats
    drift: Floats
    apart: Floats

    @property
    def worst_rhat(self) -> float:
        """The largest R̂."""
        return float(self.rhat.max(initial=1.0))

    @property
    def least_size(self) -> float:
        """The smallest effective size, of the middle or the tails, or that of the runs: of these the harmonic mean over the
        quantities, as the means of a few runs tell next to nothing of one alone."""
        between = len(self.runs) / float(np.sum(1 / self.runs)) if np.isfinite(self.runs).any() else np.inf
        return float(min(self.bulk.min(initial=np.inf), self.tail.min(initial=np.inf), between))


def diagnose(traces: Floats, spread: Spread = map) -> Diagnosis:
    """Traces (runs, sweeps, chains, k) of k quantities, at least four sweeps; what never varies is as good as known.

    Each quantity is diagnosed for itself, some at a time as ``spread`` distributes them.
    """
    parts = list(spread(_diagnosed, [traces[..., at : at + PART] for at in range(0, traces.shape[-1], PART)]))
    return Diagnosis(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Diagnosis)))


def _diagnosed(traces: Floats) -> Diagnosis:
    from importlib import import_module

    stats: Any = import_module("arviz_stats.base").array_stats
    runs, sweeps, chains, count = traces.shape
    means, spread = traces.mean(axis=(0, 1, 2)), traces.std(axis=(0, 1, 2))
    still = spread <= 1e-12 * np.maximum(np.abs(means), 1e-300)
    spread = np.where(still, 1.0, spread)
    as_chains = np.moveaxis(traces, 2, 1).reshape(runs * chains, sweeps, count)[:, :, ~still]
    rhat, walkers = np.ones(count), np.ones(count)
    bulk, tail = (np.full(count, float(runs * sweeps * chains)) for _ in range(2))
    if not still.all():
        # a run that is alone is compared with itself, earlier and later
        groups, even = (runs, sweeps) if runs > 1 else (2, sweeps - sweeps % 2)
        whole = traces[:, :even].reshape(groups, -1, count)[:, :, ~still]
        with np.errstate(invalid="ignore", divide="ignore"):
            rhat[~still] = stats.rhat(whole, chain_axis=0, draw_axis=1)
            walkers[~still] = stats.rhat(as_chains, chain_axis=0, draw_axis=1)
        # 0/0: what varies so seldom that no chain varies in rank is as good as known
        rhat, walkers = (np.where(np.isnan(found), 1.0, found) for found in (rhat, walkers))
        bulk[~still] = stats.ess(as_chains, chain_axis=0, draw_axis=1, method="bulk")
        tail[~still] = stats.ess(as_chains, chain_axis=0, draw_axis=1, method="tail", prob=TAILS)
    third = max(1, sweeps // 3)
    drift = np.abs(traces[:, -third:].mean(axis=(0, 1, 2)) - traces[:, :third].mean(axis=(0, 1, 2))) / spread
    by_run = traces.mean(axis=(1, 2))
    apart = np.abs(by_run - means).max(axis=0) / spread
    between = np.full(count, np.inf)
    if runs > 1:
        with np.errstate(divide="ignore"):
            between[~still] = runs * spread[~still] ** 2 / by_run[:, ~still].var(axis=0, ddof=1)
    return Diagnosis(rhat, walkers, bulk, tail, between, drift, apart)
