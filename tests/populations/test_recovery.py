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
    """What rejection and the sampler say of one box; shifts in sd, ratios less 1, and what chance makes of both (one sd)."""

    article: str
    inputs: int
    drawn: int
    kept: int
    size: float
    log_shares: tuple[float, float]
    error: float
    shift: float
    ratio: float
    chance: float

    def row(self) -> str:
        true, found = self.log_shares
        return (
            f"{self.article} | {self.inputs} | {self.kept} of {self.drawn} | {true:.2f} | {found:.2f} ± {self.error:.2f} | "
            f"{self.size:.0f} | {self.shift:.3f} | {self.ratio:.3f} | {self.chance:.3f}"
        )


HEAD = (
    "article | inputs | by rejection | ln share true | sampled | worth | largest shift of a mean (sd) | of an sd | sd of chance"
)


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
    points = sample.traces.reshape(-1, inputs)
    sd = truth.std(axis=0)
    return Recovery(
        article, inputs, drawn, len(truth), sample.diagnosis.least_size, (math.log(len(truth) / drawn), math.log(sample.share)),
        sample.log_share_error, float(np.abs((points.mean(axis=0) - truth.mean(axis=0)) / sd).max()),
        float(np.abs(points.std(axis=0) / sd - 1).max()), math.sqrt(1 / len(truth) + 1 / sample.diagnosis.least_size),
    )  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("article", ARTICLES)
def test_the_sampler_recovers_what_rejection_draws(article: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = recovery(article, monkeypatch)
    true, sampled = found.log_shares
    assert sampled == pytest.approx(true, abs=3 * found.error + 3 / math.sqrt(found.kept))
    assert found.shift < SHIFT + 2 * found.chance
    assert found.ratio < RATIO + 2 * found.chance


if __name__ == "__main__":
    print(HEAD, flush=True)
    for name in sys.argv[1:] or ARTICLES:
        with pytest.MonkeyPatch.context() as patch:
            print(recovery(name, patch).row(), flush=True)
