"""Members chosen from the record of chains: points of it, even over chains, with its marginals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backfire.populations.sampler.choosing import balanced, evenly


def record(seed: int, memory: float = 0.9, inputs: int = 12) -> np.ndarray:
    """Correlated coordinates of walkers that forget slowly: (runs, sweeps, chains, inputs)."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(inputs, inputs))
    course = rng.normal(size=(4, 40, 64, inputs))
    for sweep in range(1, 40):
        course[:, sweep] = memory * course[:, sweep - 1] + np.sqrt(1 - memory**2) * course[:, sweep]
    return course @ mixing


def farthest(chosen: np.ndarray, whole: np.ndarray) -> float:
    """The largest Kolmogorov-Smirnov distance over the inputs."""
    pairs = zip(chosen.T, whole.reshape(-1, whole.shape[-1]).T, strict=True)
    return max(float(stats.ks_2samp(one, two).statistic) for one, two in pairs)


def test_members_have_the_marginals_of_the_record_and_stay_on_their_chains() -> None:
    whole = record(1)
    start, found = evenly(whole.shape[:3], 440), balanced(whole, 400, 40)
    assert farthest(whole[found][:400], whole) < 0.5 * farthest(whole[start][:400], whole)
    assert (found[0] == start[0]).all()
    assert (found[2] == start[2]).all()
    stretches = found[1] * 2 // 40  # 440 of 256 chains: two stretches of 20 sweeps
    assert (stretches == start[1] * 2 // 40).all()
    assert len({*zip(found[0].tolist(), found[2].tolist(), stretches.tolist(), strict=True)}) == 440
    assert np.bincount(stretches[:250]) == pytest.approx([125, 125], abs=2)  # few members are of all sweeps, too
    assert (found[1][400:] == start[1][400:]).all()
    assert [item.tolist() for item in balanced(whole, 400, 40)] == [item.tolist() for item in found]


def test_what_goes_together_in_the_record_goes_together_in_the_members() -> None:
    """Balancing one input at a time ties none to another: correlations are those of the record, within chance."""
    whole = record(2)
    found = np.corrcoef(whole[balanced(whole, 500)], rowvar=False)
    assert np.abs(found - np.corrcoef(whole.reshape(-1, 12), rowvar=False)).max() < 4 / np.sqrt(500)


def test_a_record_smaller_than_what_is_asked_is_taken_whole() -> None:
    whole = record(3)[:1, :5, :4]
    found = balanced(whole, 100, 10)
    assert len({*zip(*(item.tolist() for item in found), strict=True)}) == 20
