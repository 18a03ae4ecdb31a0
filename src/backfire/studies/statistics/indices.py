"""Indices of sensitivity with intervals, from numbers alone: Sobol, Morris, and, from any sample, Borgonovo's δ, PAWN and HSIC.

Sobol's are the estimators of Saltelli (2010) and Jansen (1999), as in SciPy, whose bootstrap takes no seed. The others ask only
how the distribution of the outcome changes when an input is known, so inputs may depend on each other. They are above 0 for an
input that does nothing, by chance: what shuffled inputs show in the same sample is taken off and stands beside them.
SALib has δ and PAWN too: its δ takes seconds an input, is shrunk by smoothing, and ends in NaN without a word where one value is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.solvers import Floats
from backfire.studies.statistics.estimates import CONFIDENCE, Estimate

RESAMPLES: Final = 200
PAWN_CLASSES: Final = 10
FEWEST: Final = 100
"""Members below which no distribution is compared with another."""
CONSTANT: Final = 1e-12
Places = NDArray[np.int64]
Measure = Callable[[Places, Floats, Places], float]
"""Classes of the input, values, and the order of the values → a distance."""


@dataclass(frozen=True)
class Index:
    """One index of one input; ``floor`` is what 19 in 20 inputs that do nothing stay below, 0 where it has none."""

    kind: str
    estimate: Estimate
    floor: float = 0.0

    @property
    def told(self) -> bool:
        """True if it is told from nothing: the interval is above 0, and the estimate above the floor."""
        return self.estimate.low > 0 and self.estimate.value > self.floor


def check_varies(values: Floats) -> None:
    """Raises UserError for numbers that are none, and for such as are all the same."""
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise UserError(f"{wrong} of {values.size} values are no numbers; an index of the rest would deceive")
    if float(values.max() - values.min()) <= CONSTANT * max(1.0, float(np.abs(values).max())):
        raise UserError("the outcome is the same everywhere: there is nothing to explain")


def sobol_indices(first: Floats, second: Floats, mixed: Floats, seed: int = 0) -> list[tuple[Index, Index]]:
    """(first-order, total) of every input, from the values at two independent samples ``first`` and ``second`` (n,) and at
    ``mixed`` (inputs, n): the first sample with one input of the second.

    S_i = E[f_B (f_i - f_A)]/V, T_i = E[(f_A - f_i)²]/2V, V of both samples. Raises UserError where nothing varies or is no
    number.
    """
    check_varies(np.concatenate([first, second, mixed.ravel()]))
    centre = np.concatenate([first, second]).mean()
    one, other, changed = first - centre, second - centre, mixed - centre
    products, squares = other * (changed - one), (one - changed) ** 2 / 2

    def indices(weights: Floats) -> tuple[Floats, Floats]:
        both = weights @ np.column_stack([one, other, one**2 + other**2])
        variance = both[..., 2] / 2 - ((both[..., 0] + both[..., 1]) / 2) ** 2
        return weights @ products.T / variance[..., None], weights @ squares.T / variance[..., None]

    count = len(first)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
    values, drawn = indices(np.full((1, count), 1 / count)), indices(draws)
    return [
        (
            Index("first order", Estimate.of_draws(values[0][0, at], drawn[0][:, at])),
            Index("total", Estimate.of_draws(values[1][0, at], drawn[1][:, at])),
        )
        for at in range(len(mixed))
    ]


def morris_indices(values: Floats, points: Floats, seed: int = 0) -> list[tuple[Index, Index]]:
    """(mean absolute effect, spread of the effect) of every input: ``values`` (trajectories, inputs + 1) at ``points``
    (trajectories, inputs + 1, inputs) of the unit cube, neighbours in a trajectory differing in one input (Morris 1991,
    Campolongo 2007)."""
    check_varies(values)
    moved = np.diff(points, axis=1)
    which = np.abs(moved).argmax(axis=2)
    size = np.take_along_axis(moved, which[:, :, None], axis=2)[:, :, 0]
    effects = np.empty(which.shape)
    np.put_along_axis(effects, which, np.diff(values, axis=1) / size, axis=1)
    draws = np.random.default_rng(seed).integers(0, len(effects), (RESAMPLES, len(effects)))
    sizes, spreads = np.abs(effects)[draws].mean(axis=1), effects[draws].std(axis=1)
    return [
        (
            Index("mean effect", Estimate.of_draws(np.abs(effects[:, at]).mean(), sizes[:, at])),
            Index("spread", Estimate.of_draws(effects[:, at].std(), spreads[:, at])),
        )
        for at in range(effects.shape[1])
    ]


def delta_index(column: Floats, values: Floats, seed: int = 0) -> Index:
    """Borgonovo's δ of one input (2007): half the mean distance ∫|f(y) - f(y|x)| dy, 0 to 1, from ``column`` and ``values`` (n,).

    As many classes of the input, and of the outcome, as 1.6·n^(1/3); raw² less the square of what shuffled inputs show. An
    effect that turns faster than the classes are wide is understated: on Ishigami's function by up to 0.07 at n = 1000.
    """
    return _given("δ", classes_of(column, _classes(len(values))), values, _distance, 2, seed)


def pawn_index(column: Floats, values: Floats, seed: int = 0) -> Index:
    """PAWN of one input (Pianosi and Wagener 2018): the median, over ten classes of the input, of the Kolmogorov-Smirnov distance
    between the outcome in the class and at large, shuffled inputs taken off as for δ."""
    return _given("PAWN", classes_of(column, PAWN_CLASSES), values, _ks_median, 2, seed)


def hsic_index(column: Floats, yes: Floats, seed: int = 0) -> Index:
    """Target HSIC of one input (Da Veiga 2015; Marrel and Chabridon 2021) on a yes or no, ``yes`` (n,) 1 or 0.

    With the kernel -|x - x'| on ranks it is the squared distance covariance (Sejdinovic and others 2013), of an input with
    places F and shares p, q of yes and no: 4 p²q² ∫(F_yes - F_no)² dF. Given as a share of the most that an outcome with these
    shares can have, that of a threshold on the input: 3 ∫(F_yes - F_no)² dF. What shuffled inputs show is taken off.
    """
    places = np.unique(column, return_inverse=True)[1].astype(np.int64)
    return _given("target HSIC", places, yes, _separation, 1, seed)


def _classes(count: int) -> int:
    return max(4, round(1.6 * math.cbrt(count)))


def classes_of(column: Floats, count: int) -> Places:
    """The class of each value, equally many in each as far as equal values allow, numbered without gaps."""
    edges = np.unique(np.quantile(column, np.arange(1, count) / count))
    return np.unique(np.searchsorted(edges, column, side="left"), return_inverse=True)[1].astype(np.int64)


def _given(kind: str, classes: Places, values: Floats, measure: Measure, power: int, seed: int) -> Index:
    """The index of a measure whose ``power`` adds up with what chance shows."""
    if len(values) < FEWEST:
        raise UserError(f"{len(values)} members are too few to compare distributions; at least {FEWEST}")
    check_varies(values)
    order = np.argsort(values, kind="stable")
    generator = np.random.default_rng(seed)
    raw = measure(classes, values, order)
    nothing = np.array([measure(generator.permutation(classes), values, order) for _ in range(RESAMPLES)])
    drawn = []
    for _ in range(RESAMPLES):
        again = np.sort(generator.integers(0, len(values), len(values)))
        drawn.append(measure(classes[again], values[again], np.argsort(values[again], kind="stable")))
    usual = float(nothing.mean())
    spread = float(np.std(drawn))
    less = usual**power
    value, floor = (max(item**power - less, 0.0) ** (1 / power) for item in (raw, float(np.quantile(nothing, CONFIDENCE))))
    found = Estimate.normal(value, spread * ((raw / value) ** (power - 1) if value > spread else 1.0))
    return Index(kind, Estimate(value, max(0.0, found.low), min(1.0, found.high)), floor)


def _separation(places: Places, yes: Floats, _order: Places) -> float:
    every = np.bincount(places).astype(float)
    those = np.bincount(places, weights=yes)
    others = every - those
    if not 0 < those.sum() < every.sum():
        return 0.0  # drawn again, only one of the two
    apart = those.cumsum() / those.sum() - others.cumsum() / others.sum()
    before = np.append(0.0, apart[:-1])  # between two places the difference goes from one to the other
    return float(every @ (apart**2 + apart * before + before**2) / every.sum())


def _distance(classes: Places, values: Floats, _order: Places) -> float:
    outcomes = classes_of(values, _classes(len(values)))
    rows, columns = int(classes.max()) + 1, int(outcomes.max()) + 1
    counts = np.bincount(classes * columns + outcomes, minlength=rows * columns).reshape(rows, columns).astype(float)
    sizes = counts.sum(axis=1)
    known = counts / np.maximum(sizes, 1)[:, None]
    return float(0.5 * (sizes / sizes.sum()) @ np.abs(known - counts.sum(axis=0) / sizes.sum()).sum(axis=1))


def _ks_median(classes: Places, values: Floats, order: Places) -> float:
    ordered, sorted_values = classes[order], values[order]
    rows = int(classes.max()) + 1
    inside = np.zeros((rows, len(values)))
    inside[ordered, np.arange(len(values))] = 1.0
    inside = inside.cumsum(axis=1)
    last = np.append(sorted_values[1:] > sorted_values[:-1], True)  # equal values are one step
    there = inside[:, -1] > 0
    known = inside[there] / inside[there, -1:]
    return float(np.median(np.abs(known - np.arange(1, len(values) + 1) / len(values))[:, last].max(axis=1)))
