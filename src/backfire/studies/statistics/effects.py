"""Shapley effects: which input carries how much of the variance, of any sample, where inputs may depend on each other.

The game is v(u) = Var E[Y | X_u]/Var Y, what the inputs u tell of the outcome. Its shares (Owen 2014; Song, Nelson and Staum
2016) add up to what all inputs tell together, which of a simulator is 1; of independent inputs they lie between Sobol's
first-order and total indices. An input that does nothing but goes along with one that does has a share, too.

E[Y | X_u] is a regression on the inputs u, and v(u) what it predicts of members that it has not seen (Williamson and Feng 2020;
with forests Bénard and others 2022): here least squares on Legendre polynomials of ranks and their products in pairs, each
group of coefficients shrunk by its noise (James and Stein). What such polynomials do not predict is given to nobody: it
stands beside the shares as ``unexplained``. Nearest neighbours (Broto, Bachoc and Depecker 2020) need no polynomials, but in
twenty dimensions nobody is near: of 1,000 members the strongest of four inputs that add up, among twenty, lost 0.13 of its 0.74.

Along an order of the inputs one Cholesky factor gives the predictions of all nested sets. Of up to ``ALL`` inputs all orders are
taken, of more ``ORDERS``: at random, each with its reverse. Intervals hold that error, that of the sample, and ``SYSTEMATIC``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.solvers import Floats
from backfire.studies.statistics.estimates import Estimate, bootstrap_means
from backfire.studies.statistics.indices import FEWEST, Index, check_varies

FOLDS: Final = 5
ALL: Final = 4
ORDERS: Final = 64
DEGREES: Final = (1, 8)
MIXED: Final = (6, 5, 4, 3, 2)
"""Degrees of polynomials of one input, and in sum of products of two: the highest for which there is room."""
ROOM: Final = 3, 300
"""Members for a coefficient, at least; coefficients at most."""
STEADY: Final = 1e-8
SYSTEMATIC: Final = 0.01
"""What shrinking takes from weak effects: intervals are wider by so much on both sides."""
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Effects:
    """For every input its Shapley effect and what it tells alone (first order); ``unexplained`` is what is left of 1."""

    indices: list[tuple[Index, Index]]
    unexplained: Estimate


def shapley_effects(columns: Floats, values: Floats, seed: int = 0) -> Effects:
    """The effects of all inputs, ``columns`` (n, inputs), on ``values`` (n,).

    Raises UserError for too few members, and where nothing varies or is no number.
    """
    check_varies(values)
    generator = np.random.default_rng(seed)
    inputs = columns.shape[1]
    same = np.unique(columns, axis=0, return_inverse=True)[1].ravel()  # of a population some are drawn several times
    room, fewest = int(_different(same)) // ROOM[0], max(FEWEST, ROOM[0] * inputs)
    if room * ROOM[0] < fewest:
        raise UserError(f"{_different(same):.0f} different members are too few for {inputs} inputs; at least {fewest}")
    room = min(room, ROOM[1])
    polynomials = _legendre(columns, int(np.clip(room // (2 * inputs), *DEGREES)))
    folds = generator.permutation(int(same.max()) + 1)
    alone = np.column_stack([_Regression(polynomials[:, at], values, same, folds).left() for at in range(inputs)])
    features, needs = _features(polynomials, np.argsort(alone.sum(axis=0), kind="stable"), room)
    model = _Regression(features, values, same, folds)
    carried, spread, left = _carried(model, needs, inputs, generator)
    table = np.column_stack([carried, model.nothing[:, None] - alone, left, model.nothing])
    members = np.zeros((int(same.max()) + 1, table.shape[1]))
    np.add.at(members, same, table)
    drawn = np.vstack([members.mean(axis=0), bootstrap_means(members, seed)])
    drawn = drawn[:, :-1] / drawn[:, -1:]
    errors = np.hypot(drawn[1:].std(axis=0), np.concatenate([spread / model.nothing.sum(), np.zeros(inputs + 1)]))
    normal = [Estimate.normal(float(value), float(error)) for value, error in zip(drawn[0], errors, strict=True)]
    made = [Estimate(item.value, item.low - SYSTEMATIC, item.high + SYSTEMATIC) for item in normal]
    effects = [Index("Shapley effect", item) for item in made[:inputs]]
    first = [Index("alone", item) for item in made[inputs:-1]]
    return Effects(list(zip(effects, first, strict=True)), made[-1])


def _different(same: Places) -> float:
    """How many different members these are worth (Kish): ``same`` (n,) numbers them."""
    return len(same) ** 2 / float(np.sum(np.bincount(same) ** 2.0))


def _legendre(columns: Floats, degree: int) -> Floats:
    """(n, inputs, degree): polynomials of the ranks, orthonormal where no values are equal."""
    from scipy.stats import rankdata

    places = 2 * (rankdata(columns, axis=0) - 0.5) / len(columns) - 1
    return np.asarray(np.polynomial.legendre.legvander(places, degree)[..., 1:] * np.sqrt(2 * np.arange(1, degree + 1) + 1))


def _features(polynomials: Floats, ranked: Places, room: int) -> tuple[Floats, Places]:
    """(features (n, p), the two inputs (p, 2) that each needs): every input's, and products of pairs of those inputs that tell
    most alone, ``ranked`` (inputs,), as many as there is room for."""
    count, inputs, degree = polynomials.shape
    for mixed in MIXED:
        degrees = [(a, b) for a in range(1, mixed) for b in range(1, mixed + 1 - a) if max(a, b) <= degree]
        paired = next(n for n in range(inputs, -1, -1) if n * (n - 1) // 2 * len(degrees) <= max(room - inputs * degree, 0))
        if paired == inputs:
            break
    pairs = list(itertools.combinations(sorted(ranked[:paired].tolist()), 2))
    made = [polynomials.reshape(count, -1)]
    made += [polynomials[:, one, a - 1, None] * polynomials[:, other, b - 1, None] for one, other in pairs for a, b in degrees]
    needs = [(at, at) for at in range(inputs) for _ in range(degree)] + [pair for pair in pairs for _ in degrees]
    return np.hstack(made), np.array(needs)


class _Regression:
    """Regressions of ``values`` (n,) on ``features`` (n, p), each member predicted from others: of the members that ``same`` (n,)
    numbers, those whose place in ``shuffled`` falls into another fold."""

    def __init__(self, features: Floats, values: Floats, same: Places, shuffled: Places) -> None:
        self.parts = []
        self.nothing = np.empty(len(values))
        """(n,): squared errors of predicting the mean."""
        for fold in range(FOLDS):
            test = shuffled[same] % FOLDS == fold
            train = ~test
            centre, middle = features[train].mean(axis=0), float(values[train].mean())
            inside, out = features[train] - centre, values[train] - middle
            gram = inside.T @ inside
            gram[np.diag_indices_from(gram)] += STEADY * len(inside)
            right = np.column_stack([inside.T @ out, (features[test] - centre).T])
            self.parts.append((test, gram, right, values[test] - middle, float(out @ out), _different(same[train])))
            self.nothing[test] = (values[test] - middle) ** 2

    def left(self) -> Floats:
        """(n,): squared errors with all features."""
        return np.asarray(self.nested(np.arange(len(self.parts[0][1])), np.array([0]), np.array([1]))[0])

    def nested(self, order: Places, starts: Places, ends: Places) -> Floats:
        """(k, n): squared errors of k nested regressions: on the first ``ends[0]`` (k,) groups of features, the first
        ``ends[1]``, and so on; groups of ``order`` (p,) begin at ``starts``.

        In coordinates orthogonal to all groups before it a group of m coefficients has the energy e, of which m σ² is noise: it
        is multiplied by 1 - m σ²/e, at least by 0.
        """
        from scipy.linalg import cholesky, solve_triangular

        made = np.empty((len(ends), len(self.nothing)))
        sizes = np.diff(np.append(starts, len(order)))
        for test, gram, right, values, whole, count in self.parts:
            lower = cholesky(gram[np.ix_(order, order)], lower=True, overwrite_a=True, check_finite=False)
            solved = solve_triangular(lower, right[order], lower=True, overwrite_b=True, check_finite=False)
            energy = np.add.reduceat(solved[:, 0] ** 2, starts)
            groups = np.add.reduceat(solved[:, 1:] * solved[:, :1], starts, axis=0)
            free = np.maximum(count - 1 - sizes.cumsum()[ends - 1], 1.0)
            noise = np.maximum(whole - energy.cumsum()[ends - 1], 0.0) / free
            kept = np.maximum(1 - noise[:, None] * sizes / np.maximum(energy, 1e-300), 0.0)
            kept[np.arange(len(starts)) >= ends[:, None]] = 0.0
            made[:, test] = (values - kept @ groups) ** 2
        return made


def _carried(model: _Regression, needs: Places, inputs: int, generator: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """(by how much each input lessens the squared error of every member (n, inputs), the mean over orders; the standard error
    (inputs,) of its sum over members from taking some orders only; the squared errors with all inputs (n,))."""
    whole, left, sums = np.zeros((len(model.nothing), inputs)), np.zeros(len(model.nothing)), []
    for order in _orders(inputs, generator):
        groups = 2 * np.argsort(order)[needs].max(axis=1) + (needs[:, 0] != needs[:, 1])
        by_group = np.argsort(groups, kind="stable")
        present, starts = np.unique(groups[by_group], return_index=True)
        errors = model.nested(by_group, starts, np.searchsorted(present, 2 * np.arange(1, inputs + 1)))
        lessened = np.empty_like(whole)
        lessened[:, order] = -np.diff(errors, axis=0, prepend=model.nothing[None]).T
        whole += lessened
        left += errors[-1]
        sums.append(lessened.sum(axis=0))
    spread = np.zeros(inputs)
    if inputs > ALL:
        halves = np.array(sums).reshape(-1, 2, inputs).mean(axis=1)
        spread = halves.std(axis=0, ddof=1) / math.sqrt(len(halves))
    return whole / len(sums), spread, left / len(sums)


def _orders(inputs: int, generator: np.random.Generator) -> Iterator[Places]:
    """Orders of the inputs: all, or random ones, each followed by its reverse."""
    if inputs <= ALL:
        yield from (np.array(order) for order in itertools.permutations(range(inputs)))
        return
    for _ in range(ORDERS // 2):
        order = generator.permutation(inputs)
        yield order
        yield order[::-1]
