"""Populations from Python: members satisfy the claims as the reference solver sees them, and what cannot be is explained."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from backfire import parse, population
from backfire.populations import Effort, Goal, closest, fighting, parse_population
from small import SMALL

QUICK = dataclasses.replace(
    Effort(),
    first=256,
    walkers=64,
    least_sweeps=4,
    scouts=64,
    measuring=128,
    chains=32,
    rounds=1,
    settling=2,
    lessons=60,
    most_levels=8,
)
CLAIMS = """
title = "Slow tumours that a drug shrinks"
scenario = "small.toml"
article = "none"
members = 40

[claims]
slow = "final_burden(untreated) < 40 * nadir(untreated)"
shrinks = "final_burden(monotherapy) < 0.02 * final_burden(untreated)"
late = "time_to_progression(monotherapy) > 12"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_what_contradicts_itself_is_explained(folder: Path) -> None:
    text = CLAIMS[: CLAIMS.index("[claims]")] + (
        '[claims]\nlarge = "final_burden(untreated) > 1e8"\nsmall = "final_burden(untreated) < 1e7"\n'
    )
    made = population(parse_population(text, "never", folder), workers=0, effort=QUICK)
    assert not made.found
    assert len(closest(made)["violated"]) == 1  # one of the two is given up
    assert any({"large", "small"} == {name.split(":")[0] for name in pair} for pair in fighting(made))


@pytest.mark.slow
def test_members_satisfy_the_claims_by_the_reference_solver(folder: Path) -> None:
    from backfire.claims import measure
    from backfire.populations.judging import violation
    from backfire.solvers import Settings

    spec = parse_population(CLAIMS, "mine", folder)
    made = population(spec, workers=0, effort=QUICK, goal=Goal(sweeps=20, rounds=1))
    assert made.found
    scenario = parse(SMALL)
    for claim in spec.claims.values():
        found = measure(scenario, claim.refs(), made.names, made.members[:10], Settings())
        assert (violation(claim, found) <= 1e-3).all()
    assert np.isfinite(made.sample.log_share_error)
    assert made.pieces is not None
    assert len(made.pieces.labels) == len(made.members)
    assert sum(made.pieces.shares) + made.pieces.alone == pytest.approx(1)


@pytest.mark.slow
def test_tumours_that_all_fail_the_tight_judgement_are_explained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys.modules["backfire.populations.population"],
        "judged",  # the tight judgement; the sampler has its own
        lambda judge, points, hopeful, spread: np.ones((len(points), len(judge.comparisons))),
    )
    spec = parse_population(CLAIMS.replace('late = "time_to_progression(monotherapy) > 12"', ""), "never", folder)
    made = population(spec, folder, workers=0, effort=QUICK)
    assert not made.found
    assert len(closest(made)["violated"]) == 2
    assert (folder / "never" / "manifest.json").exists()
