"""What two agents would do together if neither helped the other: three answers, and what is in excess of them.

Highest single agent: the better of the two alone. Bliss: independent effects, so that decades of kill add, and of chances of
cure the chances of failure multiply (Bliss 1939, Annals of Applied Biology 26:585). Loewe: each a dilution of the other, so
that a/A(E) + b/B(E) = 1 where A(E) and B(E) are the doses that alone have the effect E (Loewe 1953, Arzneimittelforschung
3:285). A drug combined with itself is additive under Loewe, and under Bliss only if its effect is in proportion to its dose.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import scipy

from backfire.errors import UserError
from backfire.solvers import Floats

NULLS: Final = ("hsa", "bliss", "loewe")
"""The null surfaces by name, in the order of tables."""
FINE: Final = 4_000
"""Points of the table by which a curve is inverted."""
HALVINGS: Final = 60


@dataclass(frozen=True)
class DoseCurve:
    """The effect of one agent alone: ``effects`` (k,) at ``doses`` (k,), which rise from 0 on.

    Between them a monotone cubic; inverted up to the first largest effect, beyond which more drug does less.
    """

    doses: Floats
    effects: Floats

    def __post_init__(self) -> None:
        if self.doses[0] != 0 or not (np.diff(self.doses) > 0).all() or self.doses.shape != self.effects.shape:
            raise UserError("a curve of doses begins at dose 0 and rises")

    @cached_property
    def _table(self) -> tuple[Floats, Floats]:
        """(doses, effects) that both rise, up to the largest effect."""
        # even in the root of the dose: curves are steep at small doses
        fine = np.linspace(0, np.sqrt(self.doses[-1]), FINE) ** 2
        fine = np.unique(np.concatenate([fine, self.doses]))
        level = np.maximum.accumulate(np.maximum(self.effect(fine), self.effects[0]))
        rising = np.concatenate([[True], np.diff(level) > 0])
        return fine[rising], level[rising]

    @property
    def most(self) -> float:
        """The largest effect."""
        return float(self._table[1][-1])

    def effect(self, doses: Floats) -> Floats:
        """The effect (…) of doses within the curve."""
        found: Floats = scipy.interpolate.PchipInterpolator(self.doses, self.effects, extrapolate=False)(doses)
        return found

    def dose(self, effects: Floats) -> Floats:
        """The smallest dose with an effect, infinite for one that no dose has; 0 for none at all."""
        doses, levels = self._table
        return np.interp(effects, levels, doses, left=0.0, right=np.inf)


def highest_single_agent(one: Floats, other: Floats) -> Floats:
    """(n, k): the better of the effects (n,) and (k,) of two agents alone."""
    return np.maximum(one[:, None], other[None, :])


def bliss(one: Floats, other: Floats, chances: bool = False) -> Floats:
    """(n, k): effects (n,) and (k,) of independent agents together: decades add; of ``chances`` the failures multiply."""
    if chances:
        return 1 - (1 - one[:, None]) * (1 - other[None, :])
    return one[:, None] + other[None, :]


def loewe(doses_one: Floats, doses_other: Floats, one: DoseCurve, other: DoseCurve) -> Floats:
    """(n, k): the effect E with a/A(E) + b/B(E) = 1 for doses (n,) and (k,).

    NaN where the weaker agent reaches no such effect at any dose of its curve. An agent without any effect adds none: there the
    other's own is the surface.
    """
    a, b = (grid.astype(float) for grid in np.meshgrid(doses_one, doses_other, indexing="ij"))
    if one.most <= 0 or other.most <= 0:
        return np.broadcast_to(one.effect(doses_one)[:, None] if other.most <= 0 else other.effect(doses_other), a.shape).copy()
    low, high = np.zeros(a.shape), np.full(a.shape, min(one.most, other.most))
    reached = _index(a, b, one, other, high) <= 1
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        beyond = _index(a, b, one, other, middle) <= 1
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    found = np.where(reached, high, np.nan)
    found[:, doses_other == 0] = one.effect(doses_one)[:, None]
    found[doses_one == 0] = other.effect(doses_other)
    return found


def interaction_index(a: Floats, b: Floats, one: DoseCurve, other: DoseCurve, effect: Floats) -> Floats:
    """a/A(E) + b/B(E) at the ``effect`` seen: below 1 less drug is needed than Loewe says, above 1 more; NaN where no single
    dose has it."""
    found = _index(a, b, one, other, effect)
    return np.where((effect > one.most) & (effect > other.most), np.nan, found)


def _index(a: Floats, b: Floats, one: DoseCurve, other: DoseCurve, effect: Floats) -> Floats:
    with np.errstate(all="ignore"):
        shares = [np.where(dose > 0, dose / curve.dose(effect), 0.0) for dose, curve in ((a, one), (b, other))]
    return shares[0] + shares[1]
