"""The judge of tumours against the claims as everybody else evaluates them."""

from __future__ import annotations

import numpy as np
import pytest

from backfire.claims import Verdict, evaluate_articles, load_articles
from backfire.populations import Distance, PopulationSpec, load_population
from backfire.populations.judging import TOGETHER, ClaimJudge, judge_of
from backfire.scenario import whole_numbers


@pytest.fixture(scope="module")
def spec() -> PopulationSpec:
    return load_population("wnt16b-stroma")


@pytest.fixture(scope="module")
def judge(spec: PopulationSpec) -> ClaimJudge:
    return judge_of(spec.topics, spec.space)


def test_a_tumour_is_judged_as_its_claims_are(spec: PopulationSpec, judge: ClaimJudge) -> None:
    """Holding and failing of whole claims, by the reference solver, on tumours of which some are near the region."""
    rng = np.random.default_rng(7)
    points = rng.random((64, len(spec.space.names)))
    violations = judge(points)
    nearest = np.argsort(Distance.normalised(violations)(violations))[:1]
    articles = load_articles([spec.scenario.article])
    for place in nearest:
        values = dict(zip(spec.space.names, spec.space.place(points[place][None])[0].tolist(), strict=True))
        changed = spec.scenario.changed(whole_numbers(spec.scenario.inputs, values))
        found = evaluate_articles(articles, spec.claims, {spec.scenario.name: changed})
        for item in found:
            own = violations[place, [name == item.claim.id for name, _, _ in judge.comparisons]]
            if np.abs(own).min() > 0.01:  # the fast solver may differ on what is decided within a hundredth
                assert (own <= 0).all() == (item.verdict is Verdict.HOLDS), item.claim.id


def test_stopping_early_and_the_order_of_stages_change_no_decision(judge: ClaimJudge) -> None:
    points = np.random.default_rng(8).random((TOGETHER + 32, len(judge.space.names)))
    whole = judge(points)
    ordered = judge.ordered(whole, judge.costs(points[:16]))
    assert sorted(ordered.order) == list(range(len(judge.stages)))
    assert ordered(points).tolist() == whole.tolist()
    distance = Distance.normalised(whole)
    level = float(np.quantile(distance(whole), 0.3))
    asked: list[int] = []

    def hopeful(known: np.ndarray) -> np.ndarray:
        asked.append(len(known))
        return np.asarray(distance.at_least(known) <= level)

    staged = ordered(points, hopeful)
    assert ((distance(staged) <= level) == (distance(whole) <= level)).all()
    assert asked[-1] < asked[0]


def test_what_cannot_be_judged_is_violated(spec: PopulationSpec, judge: ClaimJudge) -> None:
    violations = judge(np.random.default_rng(9).random((64, len(spec.space.names))))
    assert not np.isnan(violations).any()
    assert np.isinf(violations).any()
    assert (violations[np.isinf(violations)] > 0).all()
