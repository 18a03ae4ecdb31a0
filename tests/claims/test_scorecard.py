"""The scorecard: what the README shows, and what every form of it says; ``python tests/claims/test_scorecard.py`` writes the README."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from backfire.claims import scorecard
from backfire.claims.articles import load_articles
from backfire.claims.evaluation import Finding, Report, evaluate_claims
from backfire.claims.filtering import Robustness, wilson
from backfire.claims.variants import VARIANTS, VariantResult
from backfire.claims.verdict import VERDICTS, Verdict

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- claims:begin, written by python tests/claims/test_scorecard.py -->", "<!-- claims:end -->"
ARTICLES = {article.name: article for article in load_articles()}


@pytest.mark.parametrize("name", ARTICLES)
def test_structural_and_calibrated_claims_hold_predicted_ones_have_a_verdict_and_the_readme_says_so(name: str) -> None:
    report = evaluate_claims([name])
    for finding in report.findings:
        if finding.claim.role != "predicted":
            assert finding.verdict is Verdict.HOLDS, (finding.claim.id, finding.margin, finding.reason, finding.readings)
        else:
            assert finding.verdict in (Verdict.HOLDS, Verdict.FAILS, Verdict.INCONCLUSIVE), finding.claim.id
            assert finding.claim.note.startswith("Fails") == (finding.verdict is Verdict.FAILS), finding.claim.id
            assert finding.verdict is Verdict.HOLDS or not finding.claim.note.startswith("Holds"), finding.claim.id
    assert {finding.claim.id for finding in report.findings} == set(ARTICLES[name].claims)
    table = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip().splitlines()
    *heads, row = scorecard.articles_table(report).splitlines()
    assert table[:2] == heads
    assert row in table
    assert len(table) == 2 + len(ARTICLES)


def test_numbers_are_shown_as_far_as_they_can_be_told_apart() -> None:
    assert [scorecard.margin_text(value) for value in (0.69314, -0.00049, math.nan)] == ["+0.693", "-0.000", ""]
    half = {verdict: 32 if verdict in (Verdict.HOLDS, Verdict.FAILS) else 0 for verdict in VERDICTS}
    assert scorecard.share_text(Robustness(64, half, *wilson(0.5, 64))) == "0.50 [0.38–0.62]"


def test_a_skipped_variant_is_explained_only_where_a_reader_has_to_know() -> None:
    article = ARTICLES["wnt16b-stroma"]
    finding = Finding(article.name, article.claims["M4.4"][0], Verdict.HOLDS, 0.1)
    own, unrelated, impossible, turned = VARIANTS[:4]
    results = [
        VariantResult(own, None, reason="it is its own", skipped="own"),
        VariantResult(unrelated, None, reason="it is of no matter", skipped="unrelated"),
        VariantResult(impossible, None, reason="the form is the one that cannot be", skipped="impossible"),
        VariantResult(turned, Verdict.FAILS, -0.5),
    ]
    text = scorecard.explain_claim(Report([article], [finding], variants={"M4.4": results}), "M4.4")
    assert "1 other forms of the equations tried, 1 turn it over" in text
    assert f"{turned.label}: fails -0.500" in text
    assert f"{impossible.label}: skipped, the form is the one that cannot be" in text
    assert "its own" not in text
    assert "no matter" not in text


def test_short_names_stand_beside_ids_where_no_statement_does() -> None:
    article = ARTICLES["wnt16b-stroma"]
    finding = Finding(article.name, article.claims["M4.4"][0], Verdict.HOLDS, 0.1)
    plain, firm = Report([article], [finding]), Report([article], [finding], variants={"M4.4": []})
    assert scorecard.table(plain)[0] == ("id", "article", "role", "verdict", "margin", "statement")
    heads, (row,) = scorecard.table(firm, article.name)
    assert (heads[:3], row[:3]) == (("id", "in short", "role"), ["M4.4", "each course kills less than before", "calibrated"])
    nameless = Finding(article.name, finding.claim.model_copy(update={"label": ""}), Verdict.HOLDS, 0.1)
    assert scorecard.table(Report([article], [nameless], variants={"M4.4": []}))[0][:2] == ("id", "role")
    assert "in short  each course kills less than before" in scorecard.explain_claim(plain, "M4.4")
    assert scorecard.rows(plain)[0]["label"] == "each course kills less than before"


def written_table() -> str:
    return scorecard.articles_table(evaluate_claims())


if __name__ == "__main__":
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{written_table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
