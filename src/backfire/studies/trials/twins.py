"""What no real trial can know: the same patient under every arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backfire.claims import DecidingParameter, monte_carlo_filtering
from backfire.solvers import Floats
from backfire.studies.statistics import Estimate, bootstrapped, share

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Gains:
    """What an arm brings the same patients over another: ``days`` (n,) more, up to ``horizon``; ``margin`` days are nothing."""

    days: Floats
    horizon: float
    margin: float

    @property
    def gaining(self) -> Bools:
        """Who gains more than the margin."""
        return np.asarray(self.days > self.margin)

    @property
    def harmed(self) -> Bools:
        """Who loses more than the margin."""
        return np.asarray(self.days < -self.margin)

    @property
    def mean(self) -> Estimate:
        """The mean gain: the difference of restricted means, with the interval of paired patients."""
        return bootstrapped(self.days)

    @property
    def quantiles(self) -> tuple[float, float, float]:
        """The gain that 5, 50 and 95 % of the patients stay below."""
        low, middle, high = np.quantile(self.days, [0.05, 0.5, 0.95])
        return float(low), float(middle), float(high)

    def shares(self) -> tuple[Estimate, Estimate]:
        """The shares that gain, and that are harmed."""
        return share(int(self.gaining.sum()), len(self.days)), share(int(self.harmed.sum()), len(self.days))

    def deciding(self, names: Sequence[str], values: Floats) -> tuple[DecidingParameter, ...]:
        """The inputs that differ most between those who gain and all others (Monte Carlo filtering); none of too few patients."""
        return monte_carlo_filtering(values, names, self.gaining)
