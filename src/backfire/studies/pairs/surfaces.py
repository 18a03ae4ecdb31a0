"""The surfaces of a pair of agents: effects over a grid of doses of both, and what neither helping the other would give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from backfire.formatting import display_name
from backfire.scenario import Scenario
from backfire.solvers import Floats

QUIET: Final = 0.01
"""An agent whose own effect is below this share of the pair's has none."""
_MEASURES: Final = {"time_to_progression": "days gained", "cure_probability": "chance of cure"}


@dataclass(frozen=True)
class Surface:
    """One endpoint of t tumours over doses (n,) of both agents: ``effects`` and every one of ``nulls`` (t, n, n).

    ``day`` is that of a log kill. ``index`` (t,) is the interaction index at the scenario's own doses, ``alone`` (t, 2) the
    multiples of its own dose that either agent alone would need for what the pair does there, infinite where none is enough.
    ``remarks`` say what to beware of.
    """

    endpoint: str
    doses: Floats
    effects: Floats
    nulls: Mapping[str, Floats]
    index: Floats
    alone: Floats
    day: float | None = None
    remarks: tuple[str, ...] = ()
    of: str = "burden"

    @property
    def name(self) -> str:
        """The endpoint in words."""
        kind = "log kill" if self.of == "burden" else f"log kill of {display_name(self.of)}"
        return f"{kind} on day {self.day:.4g}" if self.day is not None else self.endpoint.replace("_", " ")

    @property
    def measure(self) -> str:
        """In what effects are measured."""
        return _MEASURES.get(self.endpoint, "decades")

    @property
    def own(self) -> int:
        """The place of the scenario's own doses."""
        return int(np.flatnonzero(self.doses == 1.0)[0])

    def excess(self, null: str) -> Floats:
        """(t, n, n): effects beyond a null surface; NaN where that does not apply."""
        return self.effects - self.nulls[null]

    def at_own_doses(self, null: str) -> Floats:
        """(t,): the excess at the scenario's own doses."""
        return self.excess(null)[:, self.own, self.own]

    def peak(self, null: str) -> tuple[float, float, float]:
        """(largest median excess where both are given, the doses there); NaN where the surface applies nowhere."""
        median = quantile(self.excess(null), 0.5)[1:, 1:]
        if not np.isfinite(median).any():
            return math.nan, math.nan, math.nan
        row, column = np.unravel_index(int(np.nanargmax(median)), median.shape)
        return float(median[row, column]), float(self.doses[row + 1]), float(self.doses[column + 1])


@dataclass(frozen=True)
class Synergy:
    """What came of a study: the ``surfaces`` of all endpoints, for ``agents`` given in one ``arm`` of a scenario.

    Of its ``members``, one for every tumour and dose, so many ``failed`` and are left out; ``failure`` is why most of them did.
    """

    scenario: Scenario
    arm: str
    agents: tuple[str, str]
    tumours: int
    surfaces: tuple[Surface, ...]
    statements: tuple[str, ...] = field(default=())
    members: int = 0
    failed: int = 0
    failure: str = ""


def quantile(values: Floats, share: float) -> Floats:
    """Over tumours, those without a number left out."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing but NaN is NaN
        return np.asarray(np.nanquantile(values, share, axis=0))


def quiet(surface: Surface, which: int) -> bool:
    """True if an agent alone has no effect of its own beside that of the pair, at any dose of the grid."""
    alone = quantile(surface.effects[:, :, 0] if which == 0 else surface.effects[:, 0], 0.5)
    pair = float(np.nanmax(np.abs(quantile(surface.effects, 0.5)), initial=0.0))
    return bool(np.nanmax(np.abs(alone), initial=0.0) <= QUIET * pair)
