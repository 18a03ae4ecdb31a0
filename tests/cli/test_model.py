"""The commands about models: a file to start from, its schema, the pieces, a scenario explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backfire.scenario.scenario import load
from commands import call


def test_new_gives_a_file_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("my-study", "hibernation-rigi"):
        assert call("new", name) == 0
        path = tmp_path / f"{name}.toml"
        path.write_text(capsys.readouterr().out, encoding="utf-8")
        assert call("check", path) == 0
        capsys.readouterr()


def test_schema_accepts_shipped_files_and_names_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"title", "days", "mechanisms", "parameters", "regimens", "arms"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert "stroma" in schema["properties"]["mechanisms"]["properties"]
    assert set(schema["required"]) == {"title", "days", "mechanisms", "arms"}


@pytest.mark.parametrize(("kind", "keys"), [("sweep", {"scenario", "design", "vary"}), ("claims", {"scenario", "claims"})])
def test_schema_knows_sweeps_and_claims(kind: str, keys: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema", kind) == 0
    schema = json.loads(capsys.readouterr().out)
    assert keys <= set(schema["properties"])
    assert {"title", "scenario"} <= set(schema["required"])
    assert schema["additionalProperties"] is False
    assert {"sweep": "DesignEntry", "claims": "ClaimEntry"}[kind] in schema["$defs"]


def test_mechanisms_answers_questions(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("mechanisms", "--changes", "kill") == 0
    changed = capsys.readouterr().out
    assert "stroma" in changed
    assert "survival" not in changed
    assert call("mechanisms", "--reads", "effect_erlotinib") == 0
    assert "hibernation" in capsys.readouterr().out
    assert call("mechanisms", "stroma") == 0
    assert "dS/dt" in capsys.readouterr().out
    assert call("mechanisms", "--changes", "kil") == 2
    assert "kill" in capsys.readouterr().err
    assert call("mechanisms", "stoma") == 2


def test_explain_shows_source_and_grade_of_every_parameter(capsys: pytest.CaptureFixture[str]) -> None:

    scenario = load("wnt16b-stroma")
    assert call("explain", "wnt16b-stroma") == 0
    text = capsys.readouterr().out
    for item in scenario.network.parameters.values():
        assert any(item.name in line and item.grade in line and item.source in line for line in text.splitlines()), item.name
    assert "d active/dt = growth - kill_by_mitoxantrone" in text
    assert call("explain", "wnt16b-stroma", "--latex") == 0
    latex = capsys.readouterr().out
    assert latex.count(r"\begin{align}") == latex.count(r"\end{align}") == 1
    assert latex.count("{") == latex.count("}")
    assert call("explain", "wnt16b-stroma", "--code") == 0
    assert "def jacobian" in capsys.readouterr().out


def test_latex_and_code_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("explain", "wnt16b-stroma", "--latex", "--code") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "not both" in shown.err


@pytest.mark.parametrize("command", ["explain", "report", "export"])
def test_no_command_writes_over_the_file_that_it_reads(command: str, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = small.read_bytes()
    assert call(command, small, "--out", small) == 4
    assert f"{small} is the file that is read; give another" in capsys.readouterr().err
    assert small.read_bytes() == before
