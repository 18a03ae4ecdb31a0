"""Other forms of the equations: comparable at the first treatment, different elsewhere, skipped where they do not apply."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.claims.articles import Article, load_articles, topics
from backfire.claims.evaluation import evaluate_articles
from backfire.claims.language import Change, parse_claim
from backfire.claims.measuring import evaluate_members
from backfire.claims.variants import (
    LAWS,
    NO_CAPACITY,
    SOLVERS,
    VARIANTS,
    Renamed,
    Skipped,
    Variant,
    VariantResult,
    VariantTrial,
    first_day,
    flips,
    growing,
    grown,
    in_variant,
    renamed,
)
from backfire.claims.verdict import Verdict
from backfire.model.motifs import ResponseForm
from backfire.scenario.scenario import Scenario, load
from backfire.simulation.arms import simulate
from invented import only

BY_LABEL = {variant.label: variant for variant in VARIANTS}


@pytest.fixture(scope="module")
def stroma() -> Scenario:
    return load("wnt16b-stroma")


def tried(articles: list[Article], *chosen: Variant) -> dict[str, list[VariantResult]]:
    return {name: item for topic in topics(articles) for name, item in VariantTrial(topic, chosen).results().items()}


@given(st.sampled_from(LAWS), st.floats(1e5, 9e8), st.floats(0.005, 0.3), st.floats(1e9, 1e10), st.floats(0, 30))
def test_the_start_that_reaches_a_size_and_speed_reaches_it(
    law: str, size: float, speed: float, capacity: float, day: float
) -> None:
    cells, rate = grown(law, size, speed, capacity, day)
    if cells > 1:
        assert growing(law, cells, rate, capacity, day) == pytest.approx((size, speed), rel=1e-6)


@pytest.mark.parametrize("law", ["gompertz", "exponential"])
def test_growth_is_as_large_and_as_fast_on_the_first_day_of_treatment_and_not_later(law: str, stroma: Scenario) -> None:
    other, names = in_variant(stroma, BY_LABEL[f"{law} growth"])
    assert names == ((NO_CAPACITY,) if law == "exponential" else ())
    day = first_day(stroma)
    courses = []
    for scenario in (stroma, other):
        trajectory = simulate(scenario, ["untreated"]).trajectories["untreated"]
        row = int(np.searchsorted(trajectory.times, day))
        courses.append([trajectory["burden"][row], trajectory["proliferation_rate"][row], trajectory["burden"][-1]])
    assert courses[1][:2] == pytest.approx(courses[0][:2], rel=1e-6)
    assert abs(math.log(courses[1][2] / courses[0][2])) > 0.05


@pytest.mark.parametrize("response", ["threshold", "linear"])
def test_a_response_in_another_form_answers_the_first_dose_comparably(response: str, stroma: Scenario) -> None:
    other, _ = in_variant(stroma, BY_LABEL[f"{response} response"])
    first = min(dose.time for dose in stroma.doses("monotherapy"))
    answers = []
    for scenario in (stroma, other):
        trajectory = simulate(scenario, ["monotherapy"]).trajectories["monotherapy"]
        answers.append(trajectory["stroma_response"][np.searchsorted(trajectory.times, first)])
    if response == "linear":
        assert answers[1] == pytest.approx(answers[0], rel=1e-9)
    else:
        assert answers[1] == pytest.approx(1.0, abs=1e-6)  # the dose is six times the threshold
        assert other.values["stroma_response_half"] == stroma.values["stroma_response_half"]


def test_norton_simon_kills_as_fast_on_the_first_day_of_treatment(stroma: Scenario) -> None:
    other, (name,) = in_variant(stroma, BY_LABEL["norton-simon kill"])
    assert (name.old, name.new) == ("mitoxantrone_kill_rate", "mitoxantrone_kill_per_growth")
    day = first_day(stroma)
    rates = []
    for scenario in (stroma.changed({"mitoxantrone.start": day}), other.changed({"mitoxantrone.start": day})):
        trajectory = simulate(scenario, ["monotherapy"]).trajectories["monotherapy"]
        row = int(np.searchsorted(trajectory.times, day))
        rates.append(trajectory["kill_by_mitoxantrone"][row] / trajectory["active"][row])
    assert rates[1] == pytest.approx(rates[0], rel=1e-6)


def test_thresholds_and_horizons_change_nothing_else(stroma: Scenario) -> None:
    other, _ = in_variant(stroma, BY_LABEL["progression at 1.5 × nadir"])
    assert other.rules.progression == 1.5
    assert other.values == stroma.values
    longer, _ = in_variant(stroma, BY_LABEL["1.5 × the days"])
    assert longer.days == 180
    assert longer.regimens == stroma.regimens


@pytest.mark.parametrize(
    ("scenario", "variant", "why"),
    [
        ("wnt16b-stroma", "logistic growth", "form that wnt16b-stroma has"),
        ("wnt16b-stroma", "saturating response", "form that wnt16b-stroma has"),
        ("wnt16b-stroma", "log-kill kill", "form that wnt16b-stroma has"),
        ("wnt16b-stroma", "progression at 1.2 × nadir", "rule that wnt16b-stroma has"),
        ("hibernation-rigi", "linear response", "no host response"),
        ("pi3k-jak2-bypass", "0.75 × the days", "do not fit"),
    ],
)
def test_a_form_that_does_not_apply_says_why(scenario: str, variant: str, why: str) -> None:
    with pytest.raises(Skipped, match=why) as caught:
        in_variant(load(scenario), BY_LABEL[variant])
    assert (caught.value.kind == "own") == ("scenario has" in why.replace(scenario, "scenario"))


def test_a_claim_that_flips_names_the_form_and_one_without_its_names_is_skipped() -> None:
    stroma, macrophages = load_articles(["wnt16b-stroma", "bortezomib-macrophages"])
    chosen = [BY_LABEL["linear response"], BY_LABEL["progression at 2 × nadir"]]
    found = tried([only(stroma, "M4.1", "M4.4", "P4.3"), only(macrophages, "P1.3")], *chosen)
    assert [item.variant.label for item in flips(found["P4.3"], Verdict.HOLDS)] == ["linear response"]
    assert flips(found["M4.1"], Verdict.HOLDS) == []
    assert "macrophage_response_hill" in found["P1.3"][0].reason
    assert found["P1.3"][0].skipped == "impossible"
    assert found["M4.4"][1].verdict is None
    assert "progression" in found["M4.4"][1].reason
    assert found["M4.4"][1].skipped == "unrelated"


def test_other_solvers_come_to_the_same_verdict() -> None:
    (article,) = load_articles(["wnt16b-stroma"])
    claims = only(article, "M4.4", "M4.6b")
    (usual, _) = evaluate_articles([claims])
    for name in SOLVERS:
        found = tried([claims], Variant("solver", name, name))
        assert found["M4.4"][0].verdict is usual.verdict
        assert found["M4.4"][0].margin == pytest.approx(usual.margin, rel=1e-3)


@pytest.mark.thorough
@pytest.mark.parametrize("article", load_articles(), ids=lambda article: article.name)
@pytest.mark.parametrize("solver", SOLVERS)
def test_no_claim_hangs_on_the_solver(solver: str, article: Article) -> None:
    usual = {item.claim.id: item.verdict for item in evaluate_articles([article])}
    found = tried([article], Variant("solver", solver, solver))
    assert {name: results[0].verdict for name, results in found.items()} == usual


def test_every_form_of_the_mechanisms_is_tried() -> None:
    assert {variant.choice for variant in VARIANTS if variant.kind == "response"} == {*get_args(ResponseForm)}
    assert len({variant.label for variant in VARIANTS}) == len(VARIANTS)
    assert flips([VariantResult(VARIANTS[0], None, reason="skipped")], Verdict.HOLDS) == []


def test_outcomes_in_the_words_of_another_form() -> None:
    claim = parse_claim("nadir(a with k = 3, r * 2) < nadir(a with k * 2)")
    words = renamed(claim, [Renamed("k", "n", 10.0)])
    assert [item.changes for item in words.refs()] == [
        (Change("n", "=", 30.0), Change("r", "*", 2.0)),
        (Change("n", "*", 2.0),),
    ]


def test_a_form_without_a_capacity_has_what_a_claim_makes_endless() -> None:
    claim = parse_claim("nadir(a with capacity = 1e30, r * 2) < nadir(a with capacity = 1e9) + nadir(a with capacity * 2)")
    words = renamed(claim, [NO_CAPACITY])
    assert [item.changes for item in words.refs()] == [
        (Change("r", "*", 2.0),),
        (Change("capacity", "=", 1e9),),
        (Change("capacity", "*", 2.0),),
    ]


def test_a_claim_far_from_capacity_is_asked_of_exponential_growth(stroma: Scenario) -> None:
    """Endless room under logistic growth and no capacity at all are one tumour."""
    logistic = stroma.changed({"capacity": 1e30})
    exponential, (dropped,) = in_variant(logistic, BY_LABEL["exponential growth"])
    claim = parse_claim("final_burden(untreated with capacity = 1e30) > 1e9")
    usual = evaluate_members(logistic, {"endless": claim})["endless"].judged
    other = evaluate_members(exponential, {"endless": renamed(claim, [dropped])})["endless"].judged
    assert float(other.margins[0]) == pytest.approx(float(usual.margins[0]), rel=1e-6)
