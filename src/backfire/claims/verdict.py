"""Verdicts: what a claim comes to, for one model or for many at once.

Every reading is an interval: its value give or take what the solver resolves, or everything above a time that was not
reached. Intervals are carried through the arithmetic of both sides, so that a difference of nearly equal numbers
never decides on rounding. NaN is looked for before anything is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.claims.language import Arithmetic, Claim, Comparison, OutcomeRef, Term, refs_of
from backfire.outcomes import declared
from backfire.solvers import Floats

Bools = NDArray[np.bool_]

RESOLVED: Final = 1e-6
"""What the reference solver resolves of a reading, as a share of it."""
SAMPLED: Final = 1e-4
"""What a fast solver resolves at a local tolerance of 1e-6: about four digits of a nadir."""
SLOWEST: Final = 0.01
"""A course known to a share of e is known in time to e/0.01 days, as it changes by 1 % a day or more."""


SAME_END: Final = 0.01
"""Days between two deaths that are one day of death to a claim: what a fast solver resolves of it."""


class Verdict(StrEnum):
    """What a claim came to."""

    HOLDS = "holds"
    FAILS = "fails"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"
    ERROR = "error"


VERDICTS: Final = tuple(Verdict)
"""Verdicts in the order of the codes that ``judge`` gives."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One outcome in n models: ``value`` (n,), NaN where it does not apply.

    ``observed`` (n,) is False for times not reached, whose value is only a lower bound; ``solved`` (n,) is False where
    the model could not be built or solved, and ``problems`` says why, by model. ``ends`` (n,) are the days on which the
    host died, infinite where it lives, None if all do.
    """

    value: Floats
    observed: Bools
    solved: Bools
    problems: Mapping[int, str] = field(default_factory=dict)
    ends: Floats | None = None


@dataclass(frozen=True, eq=False)
class Judged:
    """A claim in n models: ``codes`` (n,) index ``VERDICTS``; ``margins`` (n,) are NaN without a verdict.

    ``tightest`` (n,) is the number of the comparison with the smallest margin: where a claim fails, the one it fails at.
    """

    codes: NDArray[np.int8]
    margins: Floats
    tightest: NDArray[np.int8]

    def verdict(self, member: int = 0) -> Verdict:
        """The verdict of one member."""
        return VERDICTS[int(self.codes[member])]

    def having(self, verdict: Verdict) -> Bools:
        """Which members have this verdict."""
        return np.asarray(self.codes == VERDICTS.index(verdict))


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a term in n models: its ``value``, NaN where it is not defined, and all values it can have."""

    value: Floats
    low: Floats
    high: Floats


def judge(claim: Claim, measured: Mapping[OutcomeRef, Measured], resolved: float = RESOLVED) -> Judged:
    """The verdict and the margin of a claim in every model.

    A model that failed gives *error*, a NaN *not applicable*, and so does a comparison of what is read on the last day
    of two arms where one host died earlier. Otherwise one comparison that is false for all values
    the readings can have makes the claim fail. If a comparison stays open because a time was not reached, it is *not
    applicable*; if because the solver does not resolve it, *inconclusive*. The margin is that of the tightest
    comparison: the natural logarithm of the ratio of its sides, or of what is left to the edge of a tolerance.
    """
    readings = [measured[reading] for reading in claim.refs()]
    count = max((len(item.value) for item in readings), default=1)
    margins = np.full(count, np.inf)
    tightest = np.zeros(count, dtype=np.int8)
    failed, waiting, blurred = (np.zeros(count, dtype=bool) for _ in range(3))
    with np.errstate(all="ignore"):
        for number, comparison in enumerate(claim.comparisons):
            left, right = (known(side, measured, resolved) for side in (comparison.left, comparison.right))
            margin = _margin(comparison, left.value, right.value)
            true, false = _decided(comparison, left, right)
            tightest = np.where(margin < margins, number, tightest).astype(np.int8)
            margins = np.minimum(margins, margin)  # NaN stays NaN
            failed |= false
            waiting |= ~(true | false) & _censored(comparison, measured, count)
            blurred |= ~(true | false)
    codes = np.full(count, VERDICTS.index(Verdict.HOLDS), dtype=np.int8)
    codes[blurred] = VERDICTS.index(Verdict.INCONCLUSIVE)
    codes[waiting] = VERDICTS.index(Verdict.NOT_APPLICABLE)
    codes[failed] = VERDICTS.index(Verdict.FAILS)
    unknown = np.isnan(margins)
    for item in readings:
        unknown = unknown | ~np.isfinite(item.value)
    for comparison in claim.comparisons:
        unknown = unknown | _ended_apart(comparison, measured, count)
    codes[unknown] = VERDICTS.index(Verdict.NOT_APPLICABLE)
    for item in readings:
        codes[~np.broadcast_to(item.solved, count)] = VERDICTS.index(Verdict.ERROR)
    nothing = (codes == VERDICTS.index(Verdict.NOT_APPLICABLE)) | (codes == VERDICTS.index(Verdict.ERROR))
    return Judged(codes, np.where(nothing, np.nan, margins), tightest)


def distance(left: Floats, right: Floats) -> Floats:
    """ln(left/right) for positive sides; their difference relative to the larger one otherwise, between -2 and 2."""
    with np.errstate(all="ignore"):
        logarithmic = np.log(left) - np.log(right)
        relative = (left - right) / np.maximum(np.abs(left), np.abs(right))
        found = np.where((left > 0) & (right > 0), logarithmic, relative)
        found = np.where(np.isposinf(left), np.inf, np.where(np.isposinf(right) | np.isneginf(left), -np.inf, found))
        return np.asarray(np.where(left == right, 0.0, found))


def _margin(comparison: Comparison, left: Floats, right: Floats) -> Floats:
    apart = np.where(np.isnan(left) | np.isnan(right), np.nan, distance(left, right))
    if comparison.order == "=":
        return np.asarray(np.log1p(comparison.tolerance) - np.abs(apart))
    return apart if comparison.order in (">", ">=") else -apart


def _censored(comparison: Comparison, measured: Mapping[OutcomeRef, Measured], count: int) -> Bools:
    found = np.zeros(count, dtype=bool)
    for side in (comparison.left, comparison.right):
        for ref in refs_of(side):
            found |= ~measured[ref].observed
    return found


def _ended_apart(comparison: Comparison, measured: Mapping[OutcomeRef, Measured], count: int) -> Bools:
    """Where a comparison reads the last days of arms that ended on different days."""
    refs = [ref for side in (comparison.left, comparison.right) for ref in refs_of(side) if declared(ref.column).to_end]
    ends = [np.full(count, np.inf) if item.ends is None else item.ends for item in (measured[ref] for ref in refs)]
    apart: Bools = np.zeros(count, dtype=bool)
    with np.errstate(invalid="ignore"):
        for end in ends:
            apart |= ~((end == ends[0]) | (np.abs(end - ends[0]) <= SAME_END))
    return apart


def _decided(comparison: Comparison, left: Known, right: Known) -> tuple[Bools, Bools]:
    """Where a comparison is true, and where it is false, whatever the readings are within their intervals."""
    if comparison.order == "=":
        nearest, furthest = _apart(left, right)
        edge = np.log1p(comparison.tolerance)
        return furthest <= edge, nearest > edge
    if comparison.order in ("<", "<="):
        left, right = right, left
    strict = comparison.order in ("<", ">")
    true = left.low > right.high if strict else left.low >= right.high
    false = left.high <= right.low if strict else left.high < right.low
    return true, false


def _apart(left: Known, right: Known) -> tuple[Floats, Floats]:
    """The smallest and the largest distance, without sign, that two intervals can have."""
    ends = np.abs([distance(left.low, right.high), distance(left.high, right.low)])
    meet = (left.low <= right.high) & (right.low <= left.high)
    return np.where(meet, 0.0, ends.min(axis=0)), ends.max(axis=0)


@np.errstate(all="ignore")
def known(term: Term, measured: Mapping[OutcomeRef, Measured], resolved: float = RESOLVED) -> Known:
    """A term as a number and as an interval, arrays of (n,), or () if it reads nothing."""
    if isinstance(term, OutcomeRef):
        item = measured[term]
        blur = resolution(term.outcome, item.value, resolved)
        return Known(item.value, item.value - blur, np.where(item.observed, item.value + blur, np.inf))
    if not isinstance(term, Arithmetic):
        exact = np.asarray(float(term))
        return Known(exact, exact, exact)
    left, right = (known(side, measured, resolved) for side in (term.left, term.right))
    match term.sign:
        case "+":
            return Known(left.value + right.value, left.low + right.low, left.high + right.high)
        case "-":
            return Known(left.value - right.value, left.low - right.high, left.high - right.low)
        case "*":
            return Known(left.value * right.value, *_product(left, right.low, right.high))
        case _:
            through = (right.low <= 0) & (right.high >= 0)  # a divisor that may be zero leaves nothing known
            low, high = np.where(through, -np.inf, 1 / right.high), np.where(through, np.inf, 1 / right.low)
            return Known(left.value / np.where(right.value == 0, np.nan, right.value), *_product(left, low, high))


def _product(left: Known, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    corners = np.stack(np.broadcast_arrays(left.low * low, left.low * high, left.high * low, left.high * high))
    corners = np.where(np.isnan(corners), 0.0, corners)  # 0 × ∞: the bound is met by the factor 0
    return corners.min(axis=0), corners.max(axis=0)


def resolution(outcome: str, value: Floats, resolved: float) -> Floats:
    """How far a reading may be off: a share of it, in decades for kills, in days for times, of chances a share of 1; counts are
    exact."""
    blur = resolved * np.abs(value)
    match declared(outcome).kind:
        case "exact" | "yes":
            return np.zeros_like(value)
        case "decades":
            return blur + resolved
        case "chance":
            return np.full_like(value, resolved)
        case "time":
            return blur + resolved / SLOWEST
    return blur
