"""The command ``backfire claims``: tables, files and exit codes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from backfire import cli
from backfire.claims import articles, evaluation
from backfire.claims.articles import Topic, load_articles
from backfire.claims.filtering import BoxSample, DecidingParameter, Robustness, wilson
from backfire.claims.variants import VARIANTS, VariantResult
from backfire.claims.verdict import VERDICTS, Verdict
from invented import FILE


def test_the_scorecard_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "wnt16b-stroma", "--out", str(tmp_path), "--format", "csv"]) == 0
    printed = capsys.readouterr().out
    (article,) = load_articles(["wnt16b-stroma"])
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(printed)))
    assert {row["id"] for row in rows} == set(article.claims)
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


def test_a_calibrated_claim_that_fails_ends_with_exit_code_3_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FILE.replace("{check}", "smallest_share(monotherapy) > 1").replace('"small"', '"wnt16b-stroma"')
    (tmp_path / "wrong.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(articles, "shipped_folder", lambda _: tmp_path)
    assert cli.main(["claims"]) == 3
    said = capsys.readouterr()
    assert "fails" in said.out
    assert "fails, and is calibrated" in said.err


@pytest.mark.thorough
def test_the_command_writes_shares_forms_and_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "robustness_of", _invented_shares)
    monkeypatch.setattr(evaluation, "VariantTrial", _InventedTrial)
    arguments = ["claims", "wnt16b-stroma", "exosome-metastasis", "--robustness", "64", "--seed", "7", "--out", str(tmp_path)]
    assert cli.main([*arguments, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["share"] for row in rows} == {"0.5000"}
    assert {row["share_low"] for row in rows} == {f"{wilson(0.5, 64)[0]:.4f}"}
    assert {row["flips"] for row in rows if row["verdict"] == "holds"} == {"gompertz growth: fails -0.500"}
    about = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))["about"]
    assert (about["design"]["samples"], about["design"]["seed"]) == (64, 7)
    assert "plausible range" in about["design"]["box"]
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"claims.png", "claims-wnt16b-stroma.png", "claims-exosome-metastasis.png"}
    assert cli.main([*arguments[:6], "7"]) == 0
    printed = capsys.readouterr().out
    for words in ("0.50 [0.38–0.62]", "64 Sobol samples (seed 7)", "plausible range", "screening", "not clinically", "gompertz"):
        assert words in printed
    assert cli.main(["claims", "--explain", "M4.4"]) == 0
    printed = capsys.readouterr().out
    for words in ("512 Sobol samples", "growth_rate: holds rather at higher values", "turn it over", "log_kill_4(monotherapy) ="):
        assert words in printed


def _invented_shares(topics: Iterable[Topic], sample: BoxSample, progress: object) -> dict[str, Robustness]:
    """Half of the samples hold, without a run."""
    count = sample.samples
    half = {verdict: count // 2 if verdict in (Verdict.HOLDS, Verdict.FAILS) else 0 for verdict in VERDICTS}
    firm = Robustness(count, half, *wilson(0.5, count), (DecidingParameter("growth_rate", 0.5, 0.001, higher=True),))
    return {name: firm for topic in topics for name in topic.claims}


class _InventedTrial:
    """One variant flips, without a run."""

    def __init__(self, topic: Topic, executor: object) -> None:
        self.topic = topic

    def results(self, progress: object) -> dict[str, list[VariantResult]]:
        made = [VariantResult(item, Verdict.FAILS if item.choice == "gompertz" else None, -0.5) for item in VARIANTS]
        return dict.fromkeys(self.topic.claims, made)


def test_a_negative_number_of_workers_is_refused_even_where_none_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "wnt16b-stroma", "--workers", "-1"]) == 2
    assert "--workers" in capsys.readouterr().err
