"""Inputs that go together: points of the unit cube given the rank correlations one asks for (a Gaussian copula)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from backfire.errors import UserError, unknown
from backfire.solvers import Floats


def correlation_matrix(names: Sequence[str], pairs: Mapping[tuple[str, str], float]) -> Floats:
    """The matrix (n, n) of a Gaussian copula with these rank correlations (Spearman's), 0 for pairs not given.

    Spearman's ρ of a Gaussian copula is 6/π·asin(r/2), so r = 2·sin(π·ρ/6) (Kruskal 1958). Raises UserError for names that
    do not vary, for correlations not between -1 and 1, and for such as contradict each other.
    """
    matrix = np.eye(len(names))
    for (one, other), rank in pairs.items():
        for name in (one, other):
            if name not in names:
                raise UserError(unknown("input that varies", name, names))
        if one == other or not -1 < rank < 1:
            raise UserError(
                f"the correlation of `{one}` and `{other}` must lie between -1 and 1 and join two inputs, got {rank:g}"
            )
        at = names.index(one), names.index(other)
        matrix[at] = matrix[at[::-1]] = 2 * math.sin(math.pi * rank / 6)
    if np.linalg.eigvalsh(matrix).min(initial=1.0) < 1e-9:
        raise UserError("these correlations contradict each other: there are no such inputs")
    return matrix


def correlated(unit: Floats, matrix: Floats) -> Floats:
    """Independent points (n, inputs) of the unit cube as points with a Gaussian copula of this ``matrix``; each input alone
    keeps its distribution."""
    from scipy.stats import norm

    inside = np.clip(unit, 1e-12, 1 - 1e-12)
    return np.asarray(norm.cdf(norm.ppf(inside) @ np.linalg.cholesky(matrix).T))
