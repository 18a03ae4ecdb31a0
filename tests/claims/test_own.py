"""Own claims: a file about any scenario comes to what its outcomes say, with everything that articles get."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import backfire
from backfire.claims import scorecard
from backfire.claims.articles import load_articles
from backfire.claims.filtering import BoxSample
from backfire.claims.own import load_claims, load_sets, parse_claims
from backfire.claims.verdict import Verdict
from backfire.errors import DocumentError, UserError
from backfire.model.components import Mechanism, Parameter, Part, Process
from small import SMALL_FOR_RUNS

CLAIMS = """
title = "What a drug does to a small tumour"
scenario = "small.toml"

[[claims]]
id = "C1"
statement = "The drug halves the tumour at its lowest."
check = "nadir(monotherapy) < 0.5 * nadir(untreated)"

[[claims]]
id = "C2"
statement = "The drug leaves less than a thousandth of the tumour."
check = "final_burden(monotherapy) < 0.001 * final_burden(untreated)"
role = "calibrated"
where = "an idea"

[[claims]]
id = "C3"
statement = "In the first week the tumour is smaller, too."
check = "final_burden(monotherapy) < final_burden(untreated)"
until = 6

[[claims]]
id = "C4"
statement = "Damaged stroma makes the factor that shields the tumour."
check = "peak(wnt16b, monotherapy) > 10"
scenario = "wnt16b-stroma"
names = ["stroma.protects_kill"]
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL_FOR_RUNS, encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(CLAIMS, encoding="utf-8")
    return path


def test_a_claim_comes_to_what_the_outcomes_of_a_run_say(own: Path) -> None:
    report = backfire.evaluate_claims(own)
    found = {item.claim.id: item for item in report.findings}
    assert {name: item.verdict for name, item in found.items()} == {
        "C1": Verdict.HOLDS, "C2": Verdict.FAILS, "C3": Verdict.HOLDS, "C4": Verdict.HOLDS,
    }  # fmt: skip
    scenario = backfire.load(own.with_name("small.toml"))
    outcomes = backfire.simulate(scenario).outcomes
    low = [outcomes[arm]["nadir"].value for arm in ("monotherapy", "untreated")]
    assert found["C1"].margin == pytest.approx(math.log(0.5 * low[1] / low[0]))
    last = [outcomes[arm]["final_burden"].value for arm in ("monotherapy", "untreated")]
    assert found["C2"].margin == pytest.approx(math.log(0.001 * last[1] / last[0]))
    week = backfire.simulate(scenario.changed({"drug.count": 1}, days=16)).outcomes
    last = [week[arm]["final_burden"].value for arm in ("monotherapy", "untreated")]
    assert found["C3"].margin == pytest.approx(math.log(last[1] / last[0]))
    assert report.hashes == {"small": scenario.hash, "wnt16b-stroma": backfire.load("wnt16b-stroma").hash}
    assert [row["scenario"] for row in scorecard.rows(report)] == ["small"] * 3 + ["wnt16b-stroma"]


def test_a_claim_may_change_doses_and_speaks_in_the_units_of_the_file(own: Path) -> None:
    """Growth in 1/hour is the same growth, and so is every claim on it, under every form of the equations."""
    text = CLAIMS.partition("[[claims]]")[0]
    for number, change in enumerate(
        ("drug.amount * 2", "growth_rate * 2", "drug_kill_rate = {rate}", "drug.amount off"), start=1
    ):
        check = f"nadir(monotherapy with {change}) < 0.9 * nadir(monotherapy)"
        text += f'[[claims]]\nid = "C{number}"\nstatement = "A claim with a change."\ncheck = "{check}"\n'
    hourly = "[parameters]\n" + "".join(
        f'{name} = {{ value = {value / 24!r}, unit = "1/hour", range = [{low / 24!r}, {high / 24!r}] }}\n'
        for name, value, low, high in (("growth_rate", 0.115, 0.02, 0.4), ("drug_kill_rate", 0.8, 0.05, 3.0))
    )
    told = []
    for parameters, rate in (("", 1.2), (hourly, 1.2 / 24)):
        own.with_name("small.toml").write_text(SMALL_FOR_RUNS + parameters, encoding="utf-8")
        own.write_text(text.replace("{rate}", repr(rate)), encoding="utf-8")
        report = backfire.evaluate_claims(own, variants=True, workers=0)
        told.append([item.margin for item in report.findings])
        told[-1] += [result.margin for results in report.variants.values() for result in results if result.verdict is not None]
    assert len(told[0]) > 12
    assert told[1] == pytest.approx(told[0], rel=1e-4)
    scenario = backfire.load(own.with_name("small.toml"))
    changed = [scenario, *(scenario.changed(item) for item in ({"drug.amount": 8.0}, {"growth_rate": 0.23 / 24}))]
    usual, *lows = [backfire.simulate(item, ["monotherapy"]).outcomes["monotherapy"]["nadir"].value for item in changed]
    assert told[1][:2] == pytest.approx([math.log(0.9 * usual / low) for low in lows], rel=1e-6)


def test_own_claims_are_explained_and_written_out_as_those_of_articles_are(own: Path) -> None:
    report = backfire.evaluate_claims([own, "wnt16b-stroma"], only=["C2", "C4", "M4.4"])
    told = scorecard.explain_claim(report, "C2")
    for words in ("What a drug does to a small tumour", "an idea", "final_burden(monotherapy) =", "fails, margin -"):
        assert words in told
    assert "where" not in scorecard.explain_claim(report, "C4")
    markdown = scorecard.as_markdown(report)
    assert markdown.startswith("| scenario | the drug |"), "the table of the articles comes first"
    assert "**What a drug does to a small tumour**" in markdown
    assert "| C4 | Damaged stroma" in markdown
    figure = backfire.figures.article_page(report, "mine")
    words = [text.get_text() for text in figure.findobj(match=lambda item: hasattr(item, "get_text"))]
    assert "What a drug does to a small tumour" in words
    assert "Damaged stroma makes the factor that shields the tumour." in words
    both = backfire.figures.claims_overview(report)
    assert any("What is claimed" in text.get_text() for text in both.texts)


@pytest.mark.slow
@pytest.mark.thorough
def test_own_claims_have_robustness_and_variants(own: Path) -> None:
    chosen = load_claims(own)
    report = backfire.evaluate_claims(chosen, robustness=BoxSample(64), variants=True, workers=0, only=["C1", "C2", "C3"])
    assert {name: item.samples for name, item in report.robustness.items()} == {"C1": 64, "C2": 64, "C3": 64}
    assert report.robustness["C1"].share > report.robustness["C2"].share
    assert all(any(item.verdict is not None for item in report.variants[name]) for name in ("C1", "C2", "C3"))
    (row, *_) = scorecard.rows(report)
    assert row["samples"] == 64
    assert row["forms_tried"] > 3


@dataclass(frozen=True)
class Sleep(Mechanism):
    """Cells that leave the tumour at a constant rate."""

    label: ClassVar[str] = "sleep"
    changes: ClassVar[str] = "leaving"

    def parts(self) -> list[Part]:
        return [
            Parameter("leaving_rate", 0.05, "1/day", "share of cells that leave a day", (0.01, 0.1), "test", "assumed"),
            Process("leaving", "leaving", "leaving_rate * active", "cells that leave", leaves="active"),
        ]


def test_a_scenario_may_use_mechanisms_of_ones_own(own: Path) -> None:
    own.with_name("small.toml").write_text(SMALL_FOR_RUNS.replace("kill =", "sleep = {}\nkill ="), encoding="utf-8")
    with pytest.raises(DocumentError, match="unknown mechanism `sleep`"):
        backfire.evaluate_claims(own)
    found = backfire.evaluate_claims(own, only=["C1"], mechanisms=[Sleep]).findings
    assert [item.verdict for item in found] == [Verdict.HOLDS]


def test_every_problem_of_a_file_has_its_line_and_id(tmp_path: Path) -> None:
    text = (
        CLAIMS.replace("small.toml", "wnt16b-stroma")
        .replace("nadir(untreated)", "nadr(untreated)")
        .replace("until = 6", "until = 0")
    )
    text = text.replace("stroma.protects_kill", "stroma.protects_kil")
    with pytest.raises(DocumentError) as caught:
        parse_claims(text, "mine.toml", tmp_path)
    assert [(item.line, item.key) for item in caught.value.problems] == [
        (8, "claims.C1.check"), (21, "claims.C3.until"), (28, "claims.C4.names"),
    ]  # fmt: skip
    assert "did you mean `nadir`" in caught.value.problems[0].message


def test_claims_of_several_files_are_told_apart(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(CLAIMS, encoding="utf-8")
    with pytest.raises(DocumentError, match="mine has a claim of this id"):
        load_sets([own, other])
    with pytest.raises(DocumentError, match="given twice"):
        load_sets([own, str(own)])
    with pytest.raises(DocumentError, match="did you mean `wnt16b-stroma`"):
        load_sets(["wnt16b-strom"])
    assert [item.name for item in load_sets([])] == [item.name for item in load_articles()]
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "small.toml").write_text(SMALL_FOR_RUNS.replace("4.0", "2.0"), encoding="utf-8")
    moved = tmp_path / "deeper" / "other.toml"
    moved.write_text(CLAIMS.replace('id = "C', 'id = "D'), encoding="utf-8")
    with pytest.raises(UserError, match="two different scenarios are called `small`"):
        backfire.evaluate_claims([own, moved])


def test_the_claims_in_the_how_to_hold() -> None:
    text = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    written = text.split("```toml\n")[1].split("```")[0].replace("my-study.toml", "wnt16b-stroma")
    (finding,) = backfire.evaluate_claims(parse_claims(written)).findings
    assert finding.verdict is Verdict.HOLDS
