"""The commands ``trial``, ``ablation`` and ``sensitivity``: run, show again without simulating, data, and mistakes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from backfire import sweeps
from backfire.studies import load_ablation, load_sensitivity, load_trial, shipped_studies
from commands import call, clean
from small_studies import ABLATION, SENSITIVITY, TRIAL, written

ONE = TRIAL.replace(', "day_above(burden, 1e8)"', "")
"""A trial of one endpoint: figures take most of the time."""
TEXTS = {"trial": ONE, "ablation": ABLATION, "sensitivity": SENSITIVITY}
LOADERS = {"trial": load_trial, "ablation": load_ablation, "sensitivity": load_sensitivity}


def run(kind: str, folder: Path, *more: str) -> int:
    return call(kind, written(folder, TEXTS[kind]), "--out", folder / "out", "--workers", 0, *more)


@pytest.mark.parametrize("kind", [*TEXTS])
def test_a_study_is_a_folder_with_tables_and_figures_that_is_shown_again(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(kind, tmp_path) == 0
    first = capsys.readouterr()
    assert clean(first.out + first.err)
    assert "illustrative, not clinically calibrated" in first.out
    folder = tmp_path / "out" / "mine"
    figures = [path for path in folder.glob("*.png") if path.read_bytes().startswith(b"\x89PNG")]
    assert len(figures) == {"trial": 4, "ablation": 2, "sensitivity": 1}[kind]
    assert all(f"figure: {path}" in first.err for path in figures)
    assert run(kind, tmp_path) == 4, "what stands there is not written over"
    assert "--resume goes on with it" in capsys.readouterr().err
    monkeypatch.setattr(sweeps.planning, "run_members", None)  # nothing is simulated from here on
    assert run(kind, tmp_path, "--resume") == 0
    assert capsys.readouterr().out == first.out
    assert call(kind, "--show", folder) == 0
    assert capsys.readouterr().out == first.out


@pytest.mark.parametrize("kind", [pytest.param("trial", marks=pytest.mark.slow), "ablation", "sensitivity"])
def test_data_for_programs(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(kind, tmp_path, "--format", "json", "--figure-format", "svg") == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["kind"] == kind
    assert shown["scenario"]["hash"]
    table = next(iter(shown["tables"].values()))
    assert call(kind, "--show", tmp_path / "out" / "mine", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == len(table)
    assert [*rows[0]] == [*table[0]]
    stored = json.loads((tmp_path / "out" / "mine" / "manifest.json").read_text(encoding="utf-8"))
    assert stored.items() <= shown.items()


def test_several_ablations_are_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ablation", tmp_path) == 0
    capsys.readouterr()
    folder = tmp_path / "out" / "mine"
    assert call("ablation", "--show", folder, "--show", folder) == 0
    shown = capsys.readouterr().out
    assert shown.count("shields") == shown.count("feeds") == 2
    assert shown.count("carries") == 1


@pytest.mark.parametrize("kind", [*TEXTS])
def test_mistakes_have_exit_codes_and_no_traceback(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(kind) == 2
    assert "--show DIR" in capsys.readouterr().err
    assert call(kind, "--show", tmp_path / "nothing") == 5
    assert "is no study" in capsys.readouterr().err
    assert call(kind, "wnt16b-strom") == 2
    assert "did you mean `wnt16b-stroma`?" in capsys.readouterr().err
    assert call(kind, written(tmp_path, TEXTS[kind].replace("number", "numbr"))) == 2
    shown = capsys.readouterr().err
    assert "mine.toml:" in shown
    assert "did you mean `number`?" in shown
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("kind", [*TEXTS])
def test_schema_and_check_know_studies(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema", kind) == 0
    assert "tumours" in json.loads(capsys.readouterr().out)["properties"]
    assert call("check", written(tmp_path, TEXTS[kind])) == 0
    assert "members" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in TEXTS for name in shipped_studies(kind)])
def test_every_shipped_study_is_sound(kind: str, name: str) -> None:
    spec = LOADERS[kind](name)
    assert spec.name == name
    assert spec.title
    assert 0 < spec.count < 100_000


def test_every_kind_is_shipped() -> None:
    assert all(shipped_studies(kind) for kind in TEXTS)
    five = {
        "wnt16b-stroma",
        "hibernation-rigi",
        "pi3k-jak2-bypass",
        "exosome-metastasis",
        "bortezomib-macrophages",
        "all-together",
    }
    assert {*shipped_studies("ablation")} >= five


def test_members_without_a_number_are_told_and_a_rule_goes_on_with_what_is_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = ("growth_rate =", "drug.every = { low = 5, high = 16 }\ngrowth_rate =")  # the last dose may come after the end
    path = written(tmp_path, SENSITIVITY, late)
    words = ("sensitivity", path, "--out", tmp_path / "out", "--workers", 0)
    assert call(*words) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "could not be simulated" in said.err
    assert "--resume" in said.err
    monkeypatch.setattr(sweeps.planning, "run_members", None)
    written(tmp_path, SENSITIVITY, late, ('"sobol"', '"sobol"\nfailed = "leave out"'))
    assert call(*words, "--resume") == 0
    assert "are left out" in capsys.readouterr().out
