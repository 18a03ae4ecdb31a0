"""Claims: the language reads what it should, refuses the rest, and a verdict is never vacuous."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire import cli
from backfire.claims import articles as claim_seeds
from backfire.claims import evaluation as claims
from backfire.claims import scorecard as claim_board
from backfire.claims.articles import Seed, load_seeds, read_seed
from backfire.claims.evaluation import Board
from backfire.claims.language import Arithmetic, Change, Claim, Reading, Term, parse_claim
from backfire.claims.verdict import Verdict, value_of
from backfire.errors import DocumentError, FormulaError
from backfire.scenario.scenario import Scenario, parse
from backfire.solvers.reference import Settings

SMALL = """
title = "A small tumour and one drug"
days = 40
[mechanisms]
growth = { law = "exponential" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }
cytostasis = { by = ["drug"] }
[regimens]
drug = { amount = 4.0, start = 10, every = 7, count = 3 }
[arms]
untreated = []
monotherapy = ["drug"]
"""
SEED = """
article = "wnt16b-stroma"
scenario = "small"
facts = ["A drug kills."]

[story]
drug = "a drug"
answer = "none"
blocked_by = "nothing"

[[claims]]
id = "M1.1"
statement = "The drug shrinks the tumour."
check = "{check}"
role = "calibrated"
where = "nowhere"
"""


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return parse(SMALL, "small")


def seed_of(check: str, folder: Path) -> Seed:
    path = folder / "seed.toml"
    path.write_text(SEED.replace("{check}", check), encoding="utf-8")
    return read_seed(path)


def verdict_of(check: str, folder: Path, scenario: Scenario, base: dict[str, float] | None = None) -> claims.Finding:
    return Board(base=base, loaded={"small": scenario}).finding(seed_of(check, folder), "M1.1")


def reading(outcome: str, arm: str, *changes: Change, of: str = "") -> Reading:
    return Reading(outcome, arm, changes, of)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nadir(a) < 5", [reading("nadir", "a")]),
        ("nadir(a) < nadir(b) <= 2 * nadir(c) + 1", [reading("nadir", "a"), reading("nadir", "b"), reading("nadir", "c")]),
        ("peak(x, a) > 1 and final(s.p, b) = 3 within 5 %", [reading("peak", "a", of="x"), reading("final", "b", of="s.p")]),
        ("nadir(a with s.p off) > 1", [reading("nadir", "a", Change("s.p", "=", 0.0))]),
        ("nadir(a with r * 0.5, k = 2e-3) > 1", [reading("nadir", "a", Change("k", "=", 0.002), Change("r", "*", 0.5))]),
        ("nadir(a) > -2.5", [reading("nadir", "a")]),
    ],
)
def test_the_language_reads(text: str, wanted: list[Reading]) -> None:
    assert list(parse_claim(text).readings()) == wanted


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "an outcome"),
        ("nadir(a)", "one of <"),
        ("nadir(a) <", "an outcome"),
        ("nadir(a) < 5 nadir(b)", "`and`"),
        ("nadir a < 5", "`\\("),
        ("nadir(a < 5", "`\\)`"),
        ("nadir(a) = 5", "within"),
        ("nadir(a) = 5 within 5", "%"),
        ("nadir(a with s.p) > 5", "off"),
        ("peak(a) > 5", "`,`"),
        ("__import__('os') > 1", "unreadable"),
        ("nadir(a) > 5; x", "unreadable"),
        ("(" * 30 + "nadir(a)" + ")" * 30 + " > 1", "nested"),
        ("nadir(a) > " + "1 + " * 500 + "1", "characters"),
        ("nadir(with) > 5", "name of an arm"),
    ],
)
def test_what_cannot_be_read_says_what_could_stand_there(text: str, hint: str) -> None:
    with pytest.raises(FormulaError, match=hint):
        parse_claim(text)


@pytest.mark.parametrize(
    "text",
    [
        "nadir(a) - (nadir(b) - 2) < 0.5 * (nadir(c) - nadir(b))",
        "nadir(a) / (nadir(b) / nadir(c)) >= 3 and peak(x, a with s.p off, r * 2) = 1.5 within 20 %",
        "1 < nadir(a) + 2 * nadir(b) <= 1e+06",
    ],
)
def test_a_comparison_is_written_as_it_is_read(text: str) -> None:
    comparisons = parse_claim(text).comparisons
    again = parse_claim(" and ".join(map(str, comparisons)))
    assert again.comparisons == comparisons


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(parse_claim(text), Claim)
    except FormulaError as error:
        assert str(error).isprintable()


terms = st.recursive(
    st.floats(0.1, 10).map(lambda value: round(value, 3)),
    lambda inner: st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
    max_leaves=8,
)


def written(term: Term) -> str:
    return f"({written(term.left)} {term.sign} {written(term.right)})" if isinstance(term, Arithmetic) else str(term)


@given(terms)
def test_arithmetic_is_that_of_python(term: Term) -> None:
    text = written(term)
    (comparison,) = parse_claim(f"{text} < 1").comparisons
    try:
        wanted = eval(text, {"__builtins__": {}})  # numbers and signs that this test wrote
    except ZeroDivisionError:
        wanted = math.nan
    assert float(value_of(comparison.left, lambda _: np.array(math.nan))) == pytest.approx(wanted, nan_ok=True)


def test_verdicts_and_margins(tmp_path: Path, scenario: Scenario) -> None:
    half = verdict_of("smalest_share(monotherapy) < 1", tmp_path, scenario)
    assert half.verdict is Verdict.ERROR
    assert "smallest_share" in half.reason
    holds = verdict_of("smallest_share(monotherapy) < smallest_share(untreated)", tmp_path, scenario)
    assert holds.verdict is Verdict.HOLDS
    share = next(value for item, value in holds.readings.items() if item.arm == "monotherapy")
    assert holds.margin == pytest.approx(-math.log(share))
    assert verdict_of("smallest_share(monotherapy) > 1", tmp_path, scenario).verdict is Verdict.FAILS
    same = verdict_of("smallest_share(untreated) < 1", tmp_path, scenario)
    assert same.verdict is Verdict.INCONCLUSIVE
    both = verdict_of("smallest_share(untreated) = 1 within 1 % and smallest_share(monotherapy) < 2", tmp_path, scenario)
    assert both.verdict is Verdict.HOLDS
    assert both.margin == pytest.approx(math.log(1.01))


def test_what_never_happened_is_not_applicable(tmp_path: Path, scenario: Scenario) -> None:
    courses = verdict_of("log_kill_first(untreated) < 1", tmp_path, scenario)
    assert courses.verdict is Verdict.NOT_APPLICABLE
    assert "log_kill_first(untreated)" in courses.reason
    never = "time_to_progression(untreated with growth_rate = 0)"
    for open_still in (f"{never} < {never} + 5", f"1.5 * {never} > {never}", f"{never} > 40", f"{never} = 30 within 5 %"):
        finding = verdict_of(open_still, tmp_path, scenario)
        assert finding.verdict is Verdict.NOT_APPLICABLE, open_still
        assert math.isnan(finding.margin)
        assert "not reached" in finding.reason


def test_a_time_that_was_not_reached_decides_only_where_every_later_day_would(tmp_path: Path, scenario: Scenario) -> None:
    never = "time_to_progression(untreated with growth_rate = 0)"
    assert verdict_of(f"{never} > time_to_progression(untreated)", tmp_path, scenario).verdict is Verdict.HOLDS
    assert verdict_of(f"{never} < time_to_progression(untreated)", tmp_path, scenario).verdict is Verdict.FAILS
    assert verdict_of(f"{never} < 20", tmp_path, scenario).verdict is Verdict.FAILS  # watched for 30 days


def test_a_run_that_fails_is_an_error_with_its_reason(tmp_path: Path, scenario: Scenario) -> None:
    short = Board(settings=Settings(most_evaluations=20), loaded={"small": scenario})
    finding = short.finding(seed_of("nadir(monotherapy) < 1", tmp_path), "M1.1")
    assert finding.verdict is Verdict.ERROR
    assert "max_steps" in finding.reason


def test_a_difference_of_nearly_equal_numbers_does_not_decide(tmp_path: Path, scenario: Scenario) -> None:
    same = "final_burden(untreated with drug_kill_rate * 2) - final_burden(untreated)"  # no drug is given: exactly nothing
    for order in "<>":
        assert verdict_of(f"{same} {order} 0", tmp_path, scenario).verdict is Verdict.INCONCLUSIVE
        assert verdict_of(f"({same}) / ({same} + 1) {order} 3", tmp_path, scenario).verdict is not Verdict.HOLDS
    apart = "final_burden(untreated with growth_rate * 1.1) - final_burden(untreated)"
    assert verdict_of(f"{apart} > 0", tmp_path, scenario).verdict is Verdict.HOLDS


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
def test_misspelt_names_are_errors_with_the_nearest_name(check: str, hint: str, tmp_path: Path, scenario: Scenario) -> None:
    finding = verdict_of(check, tmp_path, scenario)
    assert finding.verdict is Verdict.ERROR
    assert f"`{hint}`" in finding.reason


def test_changes_reach_the_model(tmp_path: Path, scenario: Scenario) -> None:
    faster = verdict_of("final_burden(untreated with growth_rate * 2) > 10 * final_burden(untreated)", tmp_path, scenario)
    (slow, quick) = sorted(faster.readings.values())
    rate = scenario.values["growth_rate"]
    assert quick / slow == pytest.approx(math.exp(rate * 40), rel=1e-6)
    switched = verdict_of("nadir(monotherapy) < nadir(monotherapy with cytostasis.drug_slows_growth off)", tmp_path, scenario)
    assert switched.verdict is Verdict.HOLDS
    off = verdict_of(
        "nadir(monotherapy) < nadir(monotherapy with cytostasis.drug_slows_growth off)",
        tmp_path,
        scenario,
        base={"cytostasis.drug_slows_growth": 0.0},
    )
    assert off.verdict is Verdict.INCONCLUSIVE


def test_summaries_of_recorded_values(tmp_path: Path, scenario: Scenario) -> None:
    rate = scenario.values["growth_rate"]
    finding = verdict_of("mean(burden, untreated) < peak(burden, untreated) <= final(burden, untreated)", tmp_path, scenario)
    values = {item.outcome: value for item, value in finding.readings.items()}
    start, end = 1e7 * math.exp(rate * 10), 1e7 * math.exp(rate * 40)
    assert values["final"] == pytest.approx(end, rel=1e-7)
    assert values["peak"] == pytest.approx(end, rel=1e-7)
    assert values["mean"] == pytest.approx((end - start) / (rate * 30), rel=1e-6)


def test_a_seed_file_names_every_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "seed.toml"
    path.write_text(SEED.replace("{check}", "nadir(a) <").replace("wnt16b-stroma", "wnt16b-strom"), encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        read_seed(path)
    found = {problem.line: problem.message for problem in caught.value.problems}
    assert "did you mean `wnt16b-stroma`" in found[2]
    assert "needs an outcome" in found[14]
    path.write_text(SEED.replace("role =", "rol ="), encoding="utf-8")
    with pytest.raises(DocumentError, match="did you mean `role`"):
        read_seed(path)


# The five articles.

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- claims:begin, written by python tests/test_claims.py -->", "<!-- claims:end -->"
SEEDS = {seed.name: seed for seed in load_seeds()}
EVERY = [identifier for seed in SEEDS.values() for identifier in seed.claims]
NAMED = sorted(
    {(name, influence) for name, seed in SEEDS.items() for entry, _ in seed.claims.values() for influence in entry.names}
)
MUST_HOLD = {1: 8, 2: 7, 3: 6, 4: 6, 5: 5}
QUICK = Settings(relative=1e-7, cells=1e-4, absolute=1e-10)


def test_every_must_have_statement_is_a_claim() -> None:
    given_ids = {identifier.rstrip("abcdefgh") for identifier in EVERY}
    assert {f"M{article}.{number}" for article, most in MUST_HOLD.items() for number in range(1, most + 1)} <= given_ids
    assert len(set(EVERY)) == len(EVERY)


@pytest.mark.parametrize("name", SEEDS)
def test_calibrated_claims_hold_predicted_ones_have_a_verdict_and_the_readme_says_so(name: str) -> None:
    report = claim_board.made([SEEDS[name]])
    for finding in report.findings:
        if finding.claim.role == "calibrated":
            assert finding.verdict is Verdict.HOLDS, (finding.claim.id, finding.margin, finding.reason, finding.readings)
        else:
            assert finding.verdict in (Verdict.HOLDS, Verdict.FAILS, Verdict.INCONCLUSIVE), finding.claim.id
            assert finding.verdict is Verdict.HOLDS or finding.claim.note, finding.claim.id
    assert {finding.claim.id for finding in report.findings} == set(SEEDS[name].claims)
    table = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip().splitlines()
    *heads, row = claim_board.articles_table(report).splitlines()
    assert table[:2] == heads
    assert row in table
    assert len(table) == 2 + len(SEEDS)


@pytest.mark.parametrize(("name", "influence"), NAMED)
def test_without_what_a_claim_names_it_does_not_hold(name: str, influence: str) -> None:
    ablated = Board(base={influence: 0.0}, settings=QUICK)
    for identifier, (entry, _) in SEEDS[name].claims.items():
        if influence in entry.names:
            assert ablated.finding(SEEDS[name], identifier).verdict is not Verdict.HOLDS, identifier


def test_every_article_makes_a_prediction_and_has_a_control() -> None:
    for seed in SEEDS.values():
        entries = [entry for entry, _ in seed.claims.values()]
        assert any(entry.role == "predicted" for entry in entries), seed.name
        assert any(" within " in entry.check for entry in entries), seed.name


def test_the_board_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "wnt16b-stroma", "--out", str(tmp_path), "--format", "csv"]) == 0
    printed = capsys.readouterr().out
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(printed)))
    assert {row["id"] for row in rows} == set(SEEDS["wnt16b-stroma"].claims)
    assert (tmp_path / "claims.csv").read_text(encoding="utf-8") == printed
    stored = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in stored["claims"]] == [row["id"] for row in rows]
    assert "wnt16b-stroma" in stored["about"]["scenarios"]
    assert (tmp_path / "claims.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["wnt16b"], "wnt16b-stroma"),
        (["--explain", "M9.9"], "M1.1a"),
        (["--robustness", "1000"], "512 or 1024"),
        (["--robustness", "1"], "2 to"),
        (["--robustness", "64", "--box", "0.5"], "above 1"),
        (["--box", "2"], "--robustness"),
        (["--robustness", "64", "--seed", "-1"], "whole number"),
    ],
)
def test_wrong_words_are_refused_before_anything_runs(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["claims", *arguments]) == 2
    assert hint in capsys.readouterr().err


def test_a_calibrated_claim_that_fails_ends_with_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SEED.replace("{check}", "smallest_share(monotherapy) > 1").replace('"small"', '"wnt16b-stroma"')
    (tmp_path / "wrong.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(claim_seeds, "shipped_folder", lambda _: tmp_path)
    assert cli.main(["claims"]) == 1
    assert "fails" in capsys.readouterr().out


def written_table() -> str:
    return claim_board.articles_table(claim_board.made(load_seeds()))


if __name__ == "__main__":
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{written_table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
