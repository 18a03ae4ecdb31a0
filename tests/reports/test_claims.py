"""The claims of an article in a folder: the table, everything to make it again, the figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backfire.claims import scorecard
from backfire.claims.evaluation import evaluate_claims
from backfire.reports.claims import save_claims


@pytest.mark.parametrize("articles", [["wnt16b-stroma"], ["wnt16b-stroma", "exosome-metastasis"]])
def test_a_folder_holds_what_the_report_says_and_a_page_for_each_of_several_articles(articles: list[str], tmp_path: Path) -> None:
    report = evaluate_claims(articles, only=["M4.4", "M2.1"][: len(articles)])
    written = save_claims(report, tmp_path / "new")
    pages = [f"claims-{name}.png" for name in articles if len(articles) > 1]
    assert [path.name for path in written] == ["claims.csv", "claims.json", "claims.png", *pages]
    assert written[0].read_text(encoding="utf-8") == scorecard.as_csv(report)
    stored = json.loads(written[1].read_text(encoding="utf-8"))
    assert [row["id"] for row in stored["claims"]] == [item.claim.id for item in report.findings]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written[2:])
