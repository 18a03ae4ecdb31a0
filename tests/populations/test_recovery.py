"""The sampler against rejection on real tumours: the box of half to double around the defaults, where drawing is affordable.

``python tests/populations/test_recovery.py [ARTICLE …]`` prints the table.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from backfire.populations import Goal, load_population, sample_region
from backfire.populations.judging import ClaimJudge, judge_of
from backfire.populations.sampler import pilot, region
from backfire.sampling import Space

ARTICLES = ("hibernation-rigi", "wnt16b-stroma", "pi3k-jak2-bypass")
WANTED = 3000
"""Tumours by rejection."""
MOST = 600_000
SHIFT, RATIO = 0.1, 0.05
"""Marks: largest shift of a mean in sd, and of an sd as a ratio, beyond what the numbers of tumours leave to chance."""


@dataclass(frozen=True)
class Recovery:
    """What rejection and the sampler say of one box: ln of its share, and of every input the shift of its mean in sd and the ratio
    of its sd less 1, each with what chance makes of it (one standard deviation)."""

    article: str
    kept: int
    drawn: int
    log_shares: tuple[float, float]
    error: float
    size: float
    shifts: dict[str, tuple[float, float]]
    ratios: dict[str, tuple[float, float]]

    def row(self) -> str:
        true, found = self.log_shares
        moved, changed = (max(item.items(), key=lambda pair: abs(pair[1][0])) for item in (self.shifts, self.ratios))
        return (
            f"{self.article} | {len(self.shifts)} | {self.kept} of {self.drawn} | {true:.2f} | {found:.2f} ± {self.error:.2f} | "
            f"{self.size:.0f} | {moved[1][0]:+.3f} ± {moved[1][1]:.3f} {moved[0]} | {changed[1][0]:+.3f} ± {changed[1][1]:.3f} {changed[0]}"
        )


HEAD = (
    "article | inputs | by rejection | ln share true | sampled | worth | largest shift of a mean (sd) | largest change of an sd"
)


def compared(truth: np.ndarray, points: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows (inputs, 2) of shifts and of ratios, each with its chance: that of an sd follows from the kurtosis."""
    mean, sd = truth.mean(axis=0), truth.std(axis=0)
    chance = np.full(len(sd), math.sqrt(1 / len(truth) + 1 / size))
    kurtosis = (((truth - mean) / sd) ** 4).mean(axis=0)
    shifts, ratios = (points.mean(axis=0) - mean) / sd, points.std(axis=0) / sd - 1
    return np.column_stack([shifts, chance]), np.column_stack([ratios, chance * np.sqrt((kurtosis - 1) / 4)])


def rejected(judge: ClaimJudge, inputs: int) -> tuple[np.ndarray, int]:
    """Points that satisfy every claim, drawn evenly, and how many were drawn; none of it is the sampler's."""
    rng, found, drawn = np.random.default_rng(99), [], 0
    while sum(map(len, found)) < WANTED and drawn < MOST:
        points = rng.random((2048, inputs))
        violations = judge(points, lambda known: np.asarray(~np.any(known > 0, axis=1)))
        found.append(points[(violations <= 0).all(axis=1)])
        drawn += len(points)
    return np.vstack(found), drawn


def recovery(article: str, monkeypatch: pytest.MonkeyPatch) -> Recovery:
    spec = load_population(article)
    space = Space.box(spec.scenario.inputs.values(), 2.0)
    inputs = len(space.names)
    judge = judge_of(spec.topics, space)
    first = pilot(judge, inputs, 5)
    judge = judge.ordered(first.violations, judge.costs(first.points[:64]))
    truth, drawn = rejected(judge, inputs)
    monkeypatch.setattr(region, "REJECTION", 1.0)  # go down level by level, though drawing would do
    sample = sample_region(judge, inputs, 1000, seed=5, goal=Goal(rounds=2), first=first)
    assert sample.diagnosis is not None
    size = sample.diagnosis.least_size
    found = compared(truth, sample.traces.reshape(-1, inputs), size)
    shifts, ratios = (dict(zip(space.names, map(tuple, rows.tolist()), strict=True)) for rows in found)
    shares = math.log(len(truth) / drawn), math.log(sample.share)
    return Recovery(article, len(truth), drawn, shares, sample.log_share_error, size, shifts, ratios)


def test_chance_is_what_two_samples_of_one_distribution_differ_by() -> None:
    """Of a flat and of a piled-up distribution, over many pairs of samples."""
    rng = np.random.default_rng(6)
    found = []
    for _ in range(300):
        truth, points = (np.column_stack([rng.random(size), rng.beta(6, 0.7, size)]) for size in (600, 400))
        found.append([rows[:, 0] / rows[:, 1] for rows in compared(truth, points, 400)])
    assert np.std(found, axis=0) == pytest.approx(np.ones((2, 2)), rel=0.2)


@pytest.mark.thorough
@pytest.mark.parametrize("article", ARTICLES)
def test_the_sampler_recovers_what_rejection_draws(article: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = recovery(article, monkeypatch)
    true, sampled = found.log_shares
    assert sampled == pytest.approx(true, abs=3 * found.error + 3 / math.sqrt(found.kept))
    assert {name: item for name, item in found.shifts.items() if abs(item[0]) > SHIFT + 2 * item[1]} == {}
    assert {name: item for name, item in found.ratios.items() if abs(item[0]) > RATIO + 2 * item[1]} == {}


if __name__ == "__main__":
    print(HEAD, flush=True)
    for name in sys.argv[1:] or ARTICLES:
        with pytest.MonkeyPatch.context() as patch:
            print(recovery(name, patch).row(), flush=True)
