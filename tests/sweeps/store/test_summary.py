"""The summary of a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import arithmetic
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import InlinePool

PLAN = arithmetic.plan(40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished sweep of 40 members in chunks of 10."""
    run_plan(PLAN, tmp_path, InlinePool, chunk=10)
    return tmp_path


def test_json_files_are_strict_and_say_what_ran(folder: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    for name in ("manifest.json", "resolved.json", "SUMMARY.json", "COMPLETE"):
        json.loads((folder / name).read_text(encoding="utf-8"), parse_constant=refuse)
    summary = json.loads((folder / "SUMMARY.json").read_text(encoding="utf-8"))
    assert summary["counts"] == {"untreated": {"ok": 40}, "treated": {"ok": 40}}
    assert summary["extremes"]["burden"]["treated"]["highest"] == pytest.approx(2 * 39 * 0.01)
    assert summary["extremes"]["burden"]["treated"]["highest_member"] == 39
    assert "highest_observed" not in summary["extremes"]["burden"]["treated"], "only times may not have been seen"
    assert summary["extremes"]["delay"]["treated"]["highest_observed"] is True
    assert [chunk["first"] for chunk in summary["chunks"]] == [0, 10, 20, 30]
    assert not (folder / "lock").exists()
