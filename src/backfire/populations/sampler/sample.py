"""What came of sampling a region: members, the share of the cube with its error, and how far both can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from backfire.populations.sampler.descent import Run
from backfire.populations.sampler.diagnostics import Diagnosis
from backfire.populations.sampler.walkers import Level, Use
from backfire.solvers import Floats

WIDEST: Final = 20.0
"""Margins beyond this many e-folds are as good as any: they are cut for their diagnosis."""


def firmness(violations: Floats) -> Floats:
    """How firmly claims hold, by violations of any shape: e-folds of margin."""
    return np.clip(-violations, 0.0, WIDEST)


@dataclass(frozen=True, eq=False)
class RegionSample:
    """A sample of a region: ``members`` (n, inputs) with their ``violations`` (n, claims), all at distance 0.

    ``exact`` says that points were simply drawn: each is worth itself, and there is no ``diagnosis``. ``log_shares``
    (runs,) are each run's ln of the share of the cube, ``variances`` (runs,) the least that theirs can be, and ``shared`` the
    variance that all have in common; each measured the share ``held`` (runs,) of the region, and the share ``beyond`` none did.
    ``levels`` and ``uses`` (of proposals, at distance 0) are by run, ``traces`` (runs, sweeps, chains, inputs) and ``margins``
    (runs, sweeps, chains, claims) all that was seen at distance 0, ``judged`` the number of points judged.
    ``diagnosis`` is of the inputs, ``trusted`` of the margins. A run that did not arrive while others did is left out.
    ``runs`` are those that arrived, as they ended. Where nothing satisfies all claims ``members`` is empty, ``margins``
    (points, claims) are those of the pilot and of where the runs ended, and ``best`` is the point that comes closest,
    ``best_violations`` (claims,) how far it is off.
    """

    members: Floats
    violations: Floats
    exact: bool
    log_shares: Floats
    judged: int
    traces: Floats
    margins: Floats
    levels: Sequence[Sequence[Level]] = ()
    uses: Sequence[dict[str, Use]] = ()
    diagnosis: Diagnosis | None = None
    trusted: Diagnosis | None = None
    runs: Sequence[Run] = ()
    held: Floats = field(default_factory=lambda: np.empty(0))
    variances: Floats = field(default_factory=lambda: np.empty(0))
    shared: float = 0.0
    beyond: float = 0.0
    best: Floats = field(default_factory=lambda: np.empty(0))
    best_violations: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """What is known of the inputs and of the margins; nothing of points that were simply drawn."""
        return tuple(item for item in (self.diagnosis, self.trusted) if item is not None)

    @property
    def worst_rhat(self) -> float:
        """The largest R̂ of inputs and margins; 1 for independent points."""
        return max((item.worst_rhat for item in self.diagnoses), default=1.0)

    @property
    def least_size(self) -> float:
        """The smallest effective size of inputs and margins; of independent points their number."""
        return min((item.least_size for item in self.diagnoses), default=float(len(self.members)))

    @property
    def _covered(self) -> Floats:
        """The share of the region that each run measured: all of it unless said otherwise."""
        return self.held if len(self.held) else np.ones(len(self.log_shares))

    @property
    def share(self) -> float:
        """The share of the cube: what all runs measured of it over what of it they measured; NaN if no run could."""
        weights = self._covered
        found = float(np.exp(self.log_shares) @ weights / weights.sum()) if weights.any() else 0.0
        return found if found > 0 or not len(self.members) else np.nan

    @property
    def log_share_error(self) -> float:
        """The standard error of ln(share): of a count where points were drawn, else from the spread of the runs.

        A few runs can lie together by chance: a run is not taken to be surer than independent walkers would make it, by
        the sum over its shares of (1 - share) / (share · walkers) as variance (Au and Beck 2001).
        """
        if self.exact:
            return float(np.sqrt((1 - self.share) / max(1, self.traces.shape[0] * self.traces.shape[1])))
        runs, weights = len(self.log_shares), self._covered
        if runs < 2 or not np.isfinite(self.share):
            return np.nan
        off = weights * (np.exp(self.log_shares) / self.share - 1)
        found = float(np.sqrt(runs / (runs - 1) * (off**2).sum()) / weights.sum())
        if np.isfinite(self.log_shares).all():
            found = max(found, float(self.log_shares.std(ddof=1)) / math.sqrt(runs))
        least = self.variances[np.isfinite(self.variances)]
        found = max(found, math.sqrt(least.mean() / runs) if len(least) else 0.0)
        return math.sqrt(found**2 + self.shared)

    @property
    def share_interval(self) -> tuple[float, float]:
        """The 95 % interval of the share of the cube, as wide as so few runs leave it (Student's t of ln)."""
        from scipy import stats

        reach = stats.norm.ppf(0.975) if self.exact else stats.t.ppf(0.975, max(1, len(self.log_shares) - 1))
        factor = math.exp(reach * self.log_share_error)
        return self.share / factor, float(np.minimum(1.0, self.share * factor))

    @property
    def distinct(self) -> int:
        """How many of the members differ."""
        return len(np.unique(self.members, axis=0))
