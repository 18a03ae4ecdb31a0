"""Claims evaluated: verdict, margin and reason, of small models and of the five articles; the same from Python as from the shell."""

from __future__ import annotations

import math
from typing import Any

import pytest

import backfire
from backfire import cli
from backfire.claims import evaluation, measuring, scorecard
from backfire.claims.articles import load_articles
from backfire.claims.evaluation import Finding, evaluate_articles, evaluate_claims
from backfire.claims.filtering import BoxSample
from backfire.claims.verdict import SAMPLED, Verdict
from backfire.errors import UserError
from backfire.scenario.scenario import Scenario
from backfire.simulation import cohort
from backfire.simulation.arms import simulate
from backfire.solvers.reference import Settings
from invented import article_of, small

QUICK = Settings(relative=1e-7, cells=1e-4, absolute=1e-10)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return small()


def verdict_of(check: str, scenario: Scenario, **more: Any) -> Finding:
    (finding,) = evaluate_articles([article_of(check)], loaded={"small": scenario}, **more)
    return finding


def test_verdicts_and_margins(scenario: Scenario) -> None:
    half = verdict_of("smalest_share(monotherapy) < 1", scenario)
    assert half.verdict is Verdict.ERROR
    assert "smallest_share" in half.reason
    holds = verdict_of("smallest_share(monotherapy) < smallest_share(untreated)", scenario)
    assert holds.verdict is Verdict.HOLDS
    share = next(value for item, value in holds.readings.items() if item.arm == "monotherapy")
    assert holds.margin == pytest.approx(-math.log(share))
    assert verdict_of("smallest_share(monotherapy) > 1", scenario).verdict is Verdict.FAILS
    same = verdict_of("smallest_share(untreated) < 1", scenario)
    assert same.verdict is Verdict.INCONCLUSIVE
    both = verdict_of("smallest_share(untreated) = 1 within 1 % and smallest_share(monotherapy) < 2", scenario)
    assert both.verdict is Verdict.HOLDS
    assert both.margin == pytest.approx(math.log(1.01))


def test_what_never_happened_is_not_applicable(scenario: Scenario) -> None:
    courses = verdict_of("log_kill_first(untreated) < 1", scenario)
    assert courses.verdict is Verdict.NOT_APPLICABLE
    assert "log_kill_first(untreated)" in courses.reason
    never = "time_to_progression(untreated with growth_rate = 0)"
    for open_still in (f"{never} < {never} + 5", f"1.5 * {never} > {never}", f"{never} > 40", f"{never} = 30 within 5 %"):
        finding = verdict_of(open_still, scenario)
        assert finding.verdict is Verdict.NOT_APPLICABLE, open_still
        assert math.isnan(finding.margin)
        assert "not reached" in finding.reason


def test_a_time_that_was_not_reached_decides_only_where_every_later_day_would(scenario: Scenario) -> None:
    never = "time_to_progression(untreated with growth_rate = 0)"
    assert verdict_of(f"{never} > time_to_progression(untreated)", scenario).verdict is Verdict.HOLDS
    assert verdict_of(f"{never} < time_to_progression(untreated)", scenario).verdict is Verdict.FAILS
    assert verdict_of(f"{never} < 20", scenario).verdict is Verdict.FAILS  # watched for 30 days


def test_a_run_that_fails_is_an_error_with_its_reason(scenario: Scenario) -> None:
    finding = verdict_of("nadir(monotherapy) < 1", scenario, settings=Settings(most_evaluations=20))
    assert finding.verdict is Verdict.ERROR
    assert finding.reason.startswith("nadir(monotherapy): max_steps: ")


def test_a_difference_of_nearly_equal_numbers_does_not_decide(scenario: Scenario) -> None:
    same = "final_burden(untreated with drug_kill_rate * 2) - final_burden(untreated)"  # no drug is given: exactly nothing
    for order in "<>":
        assert verdict_of(f"{same} {order} 0", scenario).verdict is Verdict.INCONCLUSIVE
        assert verdict_of(f"({same}) / ({same} + 1) {order} 3", scenario).verdict is not Verdict.HOLDS
    apart = "final_burden(untreated with growth_rate * 1.1) - final_burden(untreated)"
    assert verdict_of(f"{apart} > 0", scenario).verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("check", "hint"),
    [
        ("nadir(monoterapy) < 1", "monotherapy"),
        ("nadr(monotherapy) < 1", "nadir"),
        ("peak(activ, monotherapy) < 1", "active"),
        ("nadir(monotherapy with growth_rat * 2) < 1", "growth_rate"),
        ("nadir(monotherapy with cytostasis.drug_slow_growth off) < 1", "cytostasis.drug_slows_growth"),
    ],
)
def test_misspelt_names_are_errors_with_the_nearest_name(check: str, hint: str, scenario: Scenario) -> None:
    finding = verdict_of(check, scenario)
    assert finding.verdict is Verdict.ERROR
    assert f"`{hint}`" in finding.reason


def test_changes_reach_the_model(scenario: Scenario) -> None:
    faster = verdict_of("final_burden(untreated with growth_rate * 2) > 10 * final_burden(untreated)", scenario)
    (slow, quick) = sorted(faster.readings.values())
    rate = scenario.values["growth_rate"]
    assert quick / slow == pytest.approx(math.exp(rate * 40), rel=1e-6)
    switched = verdict_of("nadir(monotherapy) < nadir(monotherapy with cytostasis.drug_slows_growth off)", scenario)
    assert switched.verdict is Verdict.HOLDS
    off = verdict_of(
        "nadir(monotherapy) < nadir(monotherapy with cytostasis.drug_slows_growth off)",
        scenario,
        base={"cytostasis.drug_slows_growth": 0.0},
    )
    assert off.verdict is Verdict.INCONCLUSIVE


def test_summaries_of_recorded_values(scenario: Scenario) -> None:
    rate = scenario.values["growth_rate"]
    finding = verdict_of("mean(burden, untreated) < peak(burden, untreated) <= final(burden, untreated)", scenario)
    values = {item.outcome: value for item, value in finding.readings.items()}
    start, end = 1e7 * math.exp(rate * 10), 1e7 * math.exp(rate * 40)
    assert values["final"] == pytest.approx(end, rel=1e-7)
    assert values["peak"] == pytest.approx(end, rel=1e-7)
    assert values["mean"] == pytest.approx((end - start) / (rate * 30), rel=1e-6)


def test_a_claim_that_cannot_be_read_or_built_disturbs_no_other(scenario: Scenario) -> None:
    checks = ("nadir(monoterapy) < 1", "nadir(monotherapy with drug_kill_rate = 1e400) < 1", "nadir(monotherapy) > 1")
    found = evaluate_articles([article_of(*checks)], loaded={"small": scenario})
    assert [item.verdict.value for item in found] == ["error", "error", "holds"]
    assert "must be a finite number, got inf" in found[1].reason
    assert [item.reason == "" for item in found] == [False, False, True]


def test_both_solvers_go_one_way_and_come_to_one_verdict(scenario: Scenario) -> None:
    checks = ("smallest_share(monotherapy) < 0.5", "log_kill_first(untreated) < 1", "nadir(monotherapy) > nadir(monotherapy)")
    article = article_of(*checks)
    usual = evaluate_articles([article], loaded={"small": scenario})
    batch = evaluate_articles([article], loaded={"small": scenario}, settings=None, resolved=SAMPLED)
    assert [(item.verdict, item.reason) for item in batch] == [(item.verdict, item.reason) for item in usual]
    assert [item.margin for item in batch] == pytest.approx([item.margin for item in usual], rel=1e-4, nan_ok=True)


def test_every_arm_and_set_of_changes_is_simulated_once(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[tuple[str, float]] = []

    def counting(changed: Scenario, arms: Any, *given: Any) -> Any:
        runs.append((*arms, changed.values["growth_rate"]))
        return simulate(changed, arms, *given)

    monkeypatch.setattr(cohort, "simulate", counting)
    faster = "nadir(untreated with growth_rate * 2)"
    checks = (f"nadir(untreated) < {faster}", f"{faster} > 1 and final_burden(untreated) > 1", "peak(active, monotherapy) > 1")
    evaluate_articles([article_of(*checks)], loaded={"small": scenario})
    rate = scenario.values["growth_rate"]
    assert runs == [("untreated", rate), ("untreated", 2 * rate), ("monotherapy", rate)]


# The five articles.

ARTICLES = {article.name: article for article in load_articles()}
NAMED = sorted(
    {(name, influence) for name, item in ARTICLES.items() for entry, _ in item.claims.values() for influence in entry.names}
)


@pytest.mark.parametrize(("name", "influence"), NAMED)
def test_without_what_a_claim_names_it_does_not_hold(name: str, influence: str) -> None:
    named = [identifier for identifier, (entry, _) in ARTICLES[name].claims.items() if influence in entry.names]
    ablated = evaluate_articles([ARTICLES[name]], named, base={influence: 0.0}, settings=QUICK)
    assert [item.claim.id for item in ablated] == named
    for item in ablated:
        assert item.verdict is not Verdict.HOLDS, item.claim.id


# From Python what the command line gives.


def test_python_gives_what_the_command_line_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "wnt16b-stroma", "--format", "csv"]) == 0
    report = backfire.evaluate_claims(["wnt16b-stroma"])
    assert scorecard.as_csv(report) == capsys.readouterr().out
    assert {item.claim.id: item.margin for item in report.findings}["M4.1"] > 0
    assert [*report.hashes] == ["wnt16b-stroma", "control-no-stroma"]
    assert (report.robustness, report.variants) == ({}, {})


def test_shares_and_variants_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    """The example of the docstring, small."""
    told: list[tuple[str, int]] = []
    report = backfire.evaluate_claims(
        ["wnt16b-stroma"], robustness=BoxSample(16), variants=True, workers=0, only=["M4.1", "M4.4", "P4.3"],
        progress=lambda what, steps: told.append((what, steps)),
    )  # fmt: skip
    assert {item.claim.id: item.verdict.value for item in report.findings} == {"M4.1": "holds", "M4.4": "holds", "P4.3": "holds"}
    assert report.robustness["M4.1"].samples == 16
    assert 0 <= report.robustness["M4.4"].share < report.robustness["M4.1"].share <= 1
    assert [item.variant.label for item in report.flips(report.findings[2])] == ["linear response"]
    assert {steps for _, steps in told} == {len(told)}
    assert cli.main(["claims", "--explain", "M4.4", "--robustness", "16", "--workers", "0"]) == 0
    assert capsys.readouterr().out.rstrip("\n") == scorecard.explain_claim(report, "M4.4")


def test_names_that_do_not_exist_are_refused_from_python() -> None:
    with pytest.raises(UserError, match="did you mean `wnt16b-stroma`"):
        evaluate_claims(["wnt16b-strom"])
    with pytest.raises(UserError, match=r"unknown claim `M1\.1`"):
        evaluate_claims(["wnt16b-stroma"], only=["M1.1"])


def test_only_what_will_be_compiled_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = {"wnt16b-stroma", "hibernation-rigi"}
    monkeypatch.setattr(measuring, "needs_compiling", lambda scenario, _: scenario.name in waiting)
    monkeypatch.setattr(evaluation, "robustness_of", lambda *given, **named: {})
    said: list[str] = []

    def evaluate(robustness: BoxSample | None) -> None:
        names = ["wnt16b-stroma", "hibernation-rigi"]
        some = ["M4.4", "C4.1", "M3.1c"]
        evaluate_claims(names, robustness, only=some, notify=said.append)

    evaluate(BoxSample(2))
    assert said == ["compiling wnt16b-stroma, hibernation-rigi for this machine, once: some ten seconds each"]
    evaluate(None)
    waiting.clear()
    evaluate(BoxSample(2))
    assert len(said) == 1
