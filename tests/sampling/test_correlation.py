"""Inputs that go together: rank correlations as asked, marginals as they were; contradictions are refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, qmc, spearmanr

from backfire.errors import UserError
from backfire.sampling import LogNormal, correlated, correlation_matrix

NAMES = ("a", "b", "c")


def test_ranks_correlate_as_asked_and_every_input_keeps_its_distribution() -> None:
    matrix = correlation_matrix(NAMES, {("a", "b"): 0.7, ("c", "b"): -0.4})
    points = correlated(qmc.Sobol(3, seed=1).random(8192), matrix)
    assert spearmanr(points).statistic == pytest.approx(np.array([[1, 0.7, 0], [0.7, 1, -0.4], [0, -0.4, 1]]), abs=0.02)
    assert all(kstest(column, "uniform").statistic < 0.01 for column in points.T)


def test_contradictions_and_strangers_are_refused() -> None:
    with pytest.raises(UserError, match="contradict"):
        correlation_matrix(NAMES, {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9})
    with pytest.raises(UserError, match="unknown input that varies `d`"):
        correlation_matrix(NAMES, {("a", "d"): 0.9})
    with pytest.raises(UserError, match="between -1 and 1"):
        correlation_matrix(NAMES, {("a", "b"): 1.5})


def test_log_normal_quantiles() -> None:
    item = LogNormal(0.0, np.exp(50), 2.0, 1.5)
    assert item.at(np.array([0.15865525, 0.5, 0.84134475])) == pytest.approx([2 / 1.5, 2, 3])
    assert LogNormal(1.0, 4.0, 2.0, 1.5).at(np.array([0.0, 0.5, 1.0])) == pytest.approx([1, 2, 4])
    with pytest.raises(UserError, match="median must lie between"):
        LogNormal(3.0, 4.0, 2.0, 1.5)
