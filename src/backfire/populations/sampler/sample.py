"""What came of sampling a region: members, the share of the cube with its error, and how far both can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from backfire.populations.sampler.descent import Level, Run, Use
from backfire.populations.sampler.diagnostics import Diagnosis
from backfire.solvers import Floats


@dataclass(frozen=True, eq=False)
class RegionSample:
    """A sample of a region: ``members`` (n, inputs) with their ``violations`` (n, claims), all at distance 0.

    ``exact`` says that points were simply drawn: each is worth itself, and there is no ``diagnosis``. ``log_shares``
    (runs,) are each run's ln of the share of the cube, ``variances`` (runs,) the least that theirs can be; ``levels`` and
    ``uses`` (of proposals, at distance 0) are by run, ``traces`` (runs, sweeps, chains, inputs) and ``margins`` (runs, sweeps,
    chains, claims) all that was seen at distance 0, ``judged`` the number of points judged. A run that did not arrive while
    others did is left out.
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
    runs: Sequence[Run] = ()
    variances: Floats = field(default_factory=lambda: np.empty(0))
    best: Floats = field(default_factory=lambda: np.empty(0))
    best_violations: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def share(self) -> float:
        """The share of the cube: the mean over runs, each of which is unbiased; NaN if no run could measure it."""
        found = float(np.exp(self.log_shares).mean()) if len(self.log_shares) else 0.0
        return found if found > 0 or not len(self.members) else np.nan

    @property
    def log_share_error(self) -> float:
        """The standard error of ln(share): of a count where points were drawn, else from the spread of the runs.

        A few runs can lie together by chance: a run is not taken to be surer than independent walkers would make it, by
        the sum over its shares of (1 - share) / (share · walkers) as variance (Au and Beck 2001).
        """
        if self.exact:
            return float(np.sqrt((1 - self.share) / max(1, self.traces.shape[0] * self.traces.shape[1])))
        runs = len(self.log_shares)
        if runs < 2 or not np.isfinite(self.share):
            return np.nan
        shares = np.exp(self.log_shares - self.log_shares.max())
        found = float(shares.std(ddof=1) / shares.mean())
        if np.isfinite(self.log_shares).all():
            found = max(found, float(self.log_shares.std(ddof=1)))
        least = self.variances[np.isfinite(self.variances)]
        return max(found, math.sqrt(least.mean()) if len(least) else 0.0) / math.sqrt(runs)

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
