"""Outcomes in many members: the solver runs as little as can be, and many at once come to what each comes to alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from backfire.claims import measuring
from backfire.claims.articles import load_articles, topics
from backfire.claims.evaluation import evaluate_articles
from backfire.claims.filtering import BoxSample, robustness
from backfire.claims.language import Change, OutcomeRef
from backfire.claims.measuring import evaluate_members, has_to_compile, measure
from backfire.errors import UserError
from backfire.scenario.scenario import Scenario, load
from backfire.simulation import Cohort, together
from invented import article_of, fake, growth_rate, topic
from invented import small as small_tumour


@pytest.fixture(scope="module")
def small() -> Scenario:
    return small_tumour()


def test_each_arm_runs_once_for_all_claims_and_changes(small: Scenario) -> None:
    calls: list[tuple[str, int]] = []
    inner = fake(growth_rate)

    def counting(*arguments: Any, **how: Any) -> Cohort:
        calls.append((arguments[3][0], len(arguments[2])))
        return inner(*arguments, **how)

    readings = [
        OutcomeRef("nadir", "untreated"),
        OutcomeRef("nadir", "untreated", (Change("growth_rate", "*", 2.0),)),
        OutcomeRef("final_burden", "untreated"),
        OutcomeRef("nadir", "monotherapy", (Change("growth_rate", "=", 0.2),)),
    ]
    found = measure(small, readings, ["growth_rate"], np.array([[0.1], [0.3]]), run=counting)
    assert calls == [("untreated", 4), ("monotherapy", 2)]
    assert [found[reading].value.tolist() for reading in readings] == [[0.1, 0.3], [0.2, 0.6], [0.1, 0.3], [0.2, 0.2]]


def test_what_is_said_to_be_compiled_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (about, _) = topics(load_articles(["wnt16b-stroma"]))
    scenario = load("wnt16b-stroma")
    ran: set[tuple[str, ...]] = set()
    asked: list[tuple[str, ...]] = []

    def run(*given: Any, watch: Sequence[str], **how: Any) -> Cohort:
        ran.add(together.plan_of(given[0], [*watch, *given[4]]).watched)
        return fake(lambda fields, arm, name: np.ones(1))(*given, watch=watch, **how)

    def needs(scenario: Scenario, outcomes: Sequence[str]) -> bool:
        asked.append(together.plan_of(scenario, outcomes).watched)
        return scenario.name == "wnt16b-stroma"

    monkeypatch.setattr(measuring, "needs_compiling", needs)
    robustness([about], BoxSample(2), run)
    assert has_to_compile(scenario)
    assert ran == {*asked}


@pytest.mark.parametrize(
    ("reading", "hint"),
    [
        (OutcomeRef("nadir", "monoterapy"), "monotherapy"),
        (OutcomeRef("nadir", "untreated", (Change("growth_rat", "*", 2.0),)), "growth_rate"),
        (OutcomeRef("peak", "untreated", of="activ"), "active"),
    ],
)
def test_misspelt_names_are_refused_with_the_nearest(reading: OutcomeRef, hint: str, small: Scenario) -> None:
    with pytest.raises(UserError, match=f"`{hint}`"):
        measure(small, [reading], [], np.empty((1, 0)), run=fake(growth_rate))


def test_members_are_judged_as_each_is_alone(small: Scenario) -> None:
    texts = (
        "smallest_share(monotherapy) < 0.5 * smallest_share(monotherapy with drug_kill_rate * 0.5)",
        "time_to_progression(monotherapy) < 12",
        "log_kill_last(monotherapy) > 0.9 * log_kill_first(monotherapy with growth_rate = 0.05)",
        "mean(burden, monotherapy) < 1e7 and final_burden(untreated) > 2e8",
        "log_kill_first(untreated) > 0",
    )
    article, about, space = article_of(*texts), topic(small, *texts), BoxSample(8, 4).space(small)
    samples = space.sobol(8, 4)
    together = evaluate_members(small, about.claims, space.names, samples)
    for member, row in enumerate(samples):
        changed = small.changed({name: float(value) for name, value in zip(space.names, row, strict=True)})
        for alone in evaluate_articles([article], loaded={"small": changed}, resolved=1e-4):
            assert together[alone.claim.id].judged.verdict(member) is alone.verdict, (alone.claim.id, member)
            assert together[alone.claim.id].reason(member) == alone.reason
    assert len({item.judged.verdict(member) for item in together.values() for member in range(8)}) > 1
