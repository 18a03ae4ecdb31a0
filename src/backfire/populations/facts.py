"""Measured facts as targets: weights of plausible tumours under which their distribution meets what was measured.

Of all weights that do, those are taken that say least else: they are as even as the facts allow (largest entropy). The facts
give the mass of intervals, so these weights are found by raking: interval by interval, fact by fact, until all are met
(Deming and Stephan 1940; Csiszár 1975).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.claims import Claim, OutcomeRef, known, measure, parse_claim, refs_of
from backfire.errors import UserError
from backfire.sampling import weighted_quantiles
from backfire.scenario import Scenario
from backfire.solvers import Floats

ROUNDS: Final = 2000
CLOSE: Final = 1e-9
"""How far a mass may be off."""


@dataclass(frozen=True)
class Fact:
    """A measured number: the share ``within`` of all tumours has ``of`` from ``low`` to ``high``, half of it below ``median``.

    ``of`` is a side of a claim, such as ``peak_wnt16b(monotherapy)``. Any of the three numbers may be missing (NaN), not all.
    Raises UserError for what cannot be read or contradicts itself.
    """

    of: str
    low: float = math.nan
    median: float = math.nan
    high: float = math.nan
    within: float = 0.9
    source: str = ""

    def __post_init__(self) -> None:
        given = [value for value in (self.low, self.median, self.high) if not math.isnan(value)]
        if not given or given != sorted(set(given)) or not all(map(math.isfinite, given)):
            raise UserError("needs low, median or high, each above the one before")
        if not 0 < self.within < 1:
            raise UserError(f"has within = {self.within:g}; give the share of tumours between low and high, such as 0.9")
        if len(self.claim.comparisons) > 1:
            raise UserError(f"`of` must be one side of a claim, such as nadir(monotherapy), got `{self.of}`")

    @property
    def claim(self) -> Claim:
        """A claim whose left side is what was measured."""
        return parse_claim(f"{self.of} > 0")

    @property
    def refs(self) -> list[OutcomeRef]:
        """The outcomes that it reads."""
        return [*refs_of(self.claim.comparisons[0].left)]

    @property
    def marks(self) -> list[tuple[float, float]]:
        """(share of the tumours, value at or below which it lies), rising."""
        tail = (1 - self.within) / 2
        every = ((tail, self.low), (0.5, self.median), (1 - tail, self.high))
        return [(share, value) for share, value in every if not math.isnan(value)]

    def measured(self, scenario: Scenario, fields: Sequence[str], samples: Floats) -> Floats:
        """The value of every tumour (n,); NaN where it has none, infinite where it is a time that did not come until after the
        last mark. Raises UserError for names that do not exist."""
        found = measure(scenario, self.refs, fields, samples)
        term = self.claim.comparisons[0].left
        value = known(term, found).value
        seen, solved = np.ones(len(samples), dtype=bool), np.ones(len(samples), dtype=bool)
        for item in found.values():
            seen, solved = seen & item.observed, solved & item.solved
        late = isinstance(term, OutcomeRef) & ~seen & (value >= self.marks[-1][1])
        value = np.where(solved & np.isfinite(value) & (seen | late), value, math.nan)
        return np.where(late & ~np.isnan(value), math.inf, value)


@dataclass(frozen=True, eq=False)
class Weighted:
    """``weights`` (n,) of tumours, which add up to 1, and by how much each fact's masses are ``off`` at most (facts,).

    Where facts cannot be met ``refused`` says which and what could be, and the weights are equal.
    """

    weights: Floats
    off: Floats
    refused: tuple[str, ...] = ()


def weigh(facts: Sequence[Fact], values: Floats) -> Weighted:
    """Weights under which tumours with ``values`` (n, facts) meet the facts; one without a value gets none."""
    count = len(values)
    even = np.full(count, 1 / max(count, 1))
    whole = ~np.isnan(values).any(axis=1)
    if count and not whole.any() and not np.isnan(values).all(axis=0).any():
        words = f"no tumour has {' and '.join(fact.of for fact in facts)} together; each of them alone some have"
        return Weighted(even, np.full(len(facts), math.nan), (words,))
    for seen, among in ((np.ones(count, dtype=bool), ""), (whole, f", among the {whole.sum()} tumours that have all facts")):
        pairs = zip(facts, values[seen].T, strict=True)
        if refused := tuple(words + among for fact, column in pairs if (words := _impossible(fact, column))):
            return Weighted(even, np.full(len(facts), math.nan), refused)
    weights = np.where(whole, 1.0, 0.0)
    cells = [_cells(fact, column) for fact, column in zip(facts, values.T, strict=True)]
    off = np.full(len(facts), np.inf)
    between = np.zeros(count)
    for _ in range(ROUNDS):
        weights = weights / weights.sum()
        between[:] = 0
        for number, (which, masses) in enumerate(cells):
            found = np.bincount(which, weights, minlength=len(masses))
            off[number] = np.abs(found - masses).max()
            weights = weights * np.where(found > 0, masses / np.where(found > 0, found, 1.0), 0.0)[which]
            between += weights / weights.sum()
        if off.max() < CLOSE:
            return Weighted(weights / weights.sum(), off)
    return Weighted(even, off, (_apart(facts, values, between),))


def _apart(facts: Sequence[Fact], values: Floats, between: Floats) -> str:
    """What to say where facts cannot be met at once: what weights half-way ``between`` those that meet one each would meet."""
    near = [
        f"{fact.of}: {_listed(fact, weighted_quantiles(column, between, [share for share, _ in fact.marks]))}"
        for fact, column in zip(facts, values.T, strict=True)
    ]
    return f"no weights meet all facts at once; about the nearest that they can meet together is {'; '.join(near)}"


def _cells(fact: Fact, values: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The interval between marks of each tumour (n,), and the mass of every interval."""
    shares, edges = (np.array(column) for column in zip(*fact.marks, strict=True))
    return np.searchsorted(edges, np.nan_to_num(values), side="left"), np.diff(np.concatenate([[0.0], shares, [1.0]]))


def _impossible(fact: Fact, values: Floats) -> str:
    """Why no weights can meet a fact, with the nearest that some can; empty if they can."""
    seen, count = np.unique(values[~np.isnan(values)]), len(fact.marks)
    if len(seen) <= count:
        return f"{fact.of}: the tumours have only {len(seen)} different values of it"
    which, masses = _cells(fact, seen)
    if np.bincount(which, minlength=len(masses)).all():
        return ""
    edges = [value for _, value in fact.marks]
    near, place = list[float](), -1
    for left, edge in zip(range(count, 0, -1), edges, strict=True):  # at least one tumour on either side of every mark
        nearest = int(np.searchsorted(seen, edge, side="right")) - 1
        place = min(max(nearest, place + 1), len(seen) - 1 - left)
        near.append(float(seen[place]))
    return (
        f"{fact.of}: cannot have {_listed(fact, edges)}, as the plausible tumours have values from {seen[0]:.4g} to "
        f"{seen[-1]:.4g} and leave a part of that empty; the nearest they can meet is {_listed(fact, near)}"
    )


def _listed(fact: Fact, row: Iterable[float]) -> str:
    """Values at a fact's marks, by their words."""
    words = [name for name in ("low", "median", "high") if not math.isnan(getattr(fact, name))]
    return ", ".join(f"{word} = {value:.4g}" for word, value in zip(words, row, strict=True))


def told(facts: Sequence[Fact], values: Floats, weights: Floats) -> list[dict[str, Any]]:
    """For each fact what was measured, and where the weighted tumours have these shares: one row for every mark."""
    rows = []
    for fact, column in zip(facts, values.T, strict=True):
        for share, value in fact.marks:
            below = float(weights[np.nan_to_num(column, nan=math.inf) <= value].sum())
            rows.append({"fact": fact.of, "value": value, "wanted_below": share, "below": below, "source": fact.source})
    return rows
