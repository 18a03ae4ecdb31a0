"""The commands around a run: data on stdout, messages on stderr, exit codes, nothing half-written."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from backfire.scenario.scenario import shipped_scenarios
from commands import call, clean
from small import SMALL_FOR_RUNS


def test_run_writes_what_it_promises(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", small, "--out", tmp_path / "out") == 0
    folder = tmp_path / "out" / "small"
    assert sorted(path.name for path in folder.iterdir()) == [
        "comparison.png",
        "manifest.json",
        "outcomes.csv",
        "steps.npz",
        "trajectories.csv",
    ]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {arm: about["status"] for arm, about in manifest["arms"].items()} == {"untreated": "ok", "monotherapy": "ok"}
    assert manifest["caution"] == "illustrative, not clinically calibrated"
    rows = list(csv.DictReader(io.StringIO((folder / "trajectories.csv").read_text(encoding="utf-8"))))
    assert list(rows[0]) == ["arm", "day", "name", "value", "unit"]
    keys = {(row["arm"], row["day"], row["name"]) for row in rows}
    assert len(keys) == len(rows)
    shown = capsys.readouterr()
    assert "nadir" in shown.out
    assert "illustrative, not clinically calibrated" in shown.out
    assert "written:" in shown.err
    assert not (tmp_path / "out" / "atlas.png").exists()


@pytest.mark.parametrize(("form", "head"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_figures_come_in_the_format_asked_for_and_with_the_same_bytes_again(
    form: str, head: bytes, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out" / "small"
    assert call("run", small, "--out", tmp_path / "out", "--figure-format", form) == 0
    drawn = (folder / f"comparison.{form}").read_bytes()
    assert drawn.startswith(head)
    assert {path.suffix for path in folder.glob("comparison.*")} == {f".{form}"}
    assert call("redraw", folder, "--figure-format", form) == 0
    assert (folder / f"comparison.{form}").read_bytes() == drawn
    assert call("run", small, "--out", tmp_path / "out", "--figure-format", "gif") == 2
    assert "svg" in capsys.readouterr().err


def test_what_figures_show_is_checked_kept_and_no_part_of_the_hash(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "out" / "small", ("--out", tmp_path / "out")
    assert call("run", small, *out) == 0
    plain, before = (folder / "comparison.png").read_bytes(), json.loads((folder / "manifest.json").read_text())
    assert call("redraw", folder, "--show", "effect_drug", "--show", "growth") == 0
    asked, after = (folder / "comparison.png").read_bytes(), json.loads((folder / "manifest.json").read_text())
    assert asked != plain
    assert after["scenario"]["show"] == ["effect_drug", "growth"]
    assert after["hash"] == before["hash"]
    assert call("redraw", folder) == 0
    assert (folder / "comparison.png").read_bytes() == asked, "a run keeps what it shows"
    assert call("run", small, *out, "--show", "effect_drug", "--show", "growth") == 0
    assert (folder / "comparison.png").read_bytes() == asked
    listed = tmp_path / "listed.toml"
    listed.write_text('show = ["effect_drg"]\n' + small.read_text(encoding="utf-8").lstrip(), encoding="utf-8")
    capsys.readouterr()
    for command, place in ((("run", small, *out, "--show", "effect_drg"), "--show"), (("check", listed), "listed.toml:1")):
        assert call(*command) == 2
        said = capsys.readouterr().err
        assert place in said
        assert "did you mean `effect_drug`?" in said


def test_two_scenarios_make_an_atlas(small: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(SMALL_FOR_RUNS.replace("4.0", "2.0"), encoding="utf-8")
    assert call("run", small, other, "--out", tmp_path / "out", "--format", "csv") == 0
    assert (tmp_path / "out" / "atlas.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_strict_and_csv_is_tidy(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", small, "--out", tmp_path / "out", "--format", "json") == 0

    def refuse(word: str) -> None:
        raise AssertionError(word)

    data = json.loads(capsys.readouterr().out, parse_constant=refuse)
    nadir = {row["arm"]: row["value"] for row in data[0]["outcomes"] if row["outcome"] == "nadir"}
    assert nadir["monotherapy"] < nadir["untreated"]
    assert call("run", small, "--out", tmp_path / "out", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["scenario"] for row in rows} == {"small"}
    stored = list(csv.DictReader(io.StringIO((tmp_path / "out" / "small" / "outcomes.csv").read_text(encoding="utf-8"))))
    assert [{key: row[key] for key in stored[0]} for row in rows] == stored


def test_set_days_and_arm(small: Path, tmp_path: Path) -> None:
    change = ["--set", "growth_rate=0.2", "--set", "drug.amount=8", "--days", "30", "--arm", "monotherapy"]
    assert call("run", small, "--out", tmp_path / "out", *change) == 0
    manifest = json.loads((tmp_path / "out" / "small" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["scenario"]["parameters"]["growth_rate"]["value"] == 0.2
    assert manifest["scenario"]["regimens"]["drug"]["amount"] == 8
    assert manifest["scenario"]["days"] == 30
    assert list(manifest["arms"]) == ["monotherapy"]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("growth_rat=0.2", "growth_rate"),
        ("growth_rate=fast", "must be a number"),
        ("growth_rate=nan", "finite"),
        ("growth_rate=-1", "negative"),
        ("growth_rate", "name=value"),
        ("drug.amont=1", "drug.amount"),
        ("drug.start=39", "after the end"),
        ("drug.every=0", "all 3 doses are given at once"),
        ("drug.agent=drog", "did you mean `drug`"),
        ("days=20", "after the end"),
        ("record_every=7", "less than or equal to 0.5"),
        ("from=41", "after the last day"),
    ],
)
def test_wrong_changes_teach_and_write_nothing(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, wanted: str
) -> None:
    assert call("run", small, "--out", tmp_path / "out", "--set", change) == 2
    shown = capsys.readouterr().err
    assert wanted in shown
    assert shown.startswith("backfire: --set")
    assert "small.toml" not in shown, "the file is right"
    assert "quotes" not in shown, "nobody quotes a number here"
    assert not (tmp_path / "out").exists()


def test_changes_are_blamed_and_files_for_what_they_say(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--out", tmp_path / "out", "--format", "csv"]
    assert call("run", small, *folder, "--days", "20") == 2
    assert capsys.readouterr().err.startswith("backfire: --days: days: with it regimens.drug: the last dose ends on day 24")
    assert call("run", small, *folder, "--set", "growth_rate=-1", "--set", "drug.amount=-1") == 2
    assert [line.split(": ")[:2] for line in capsys.readouterr().err.splitlines()] == [
        ["--set", "growth_rate"],
        ["--set", "growth_rate, drug.amount"],
    ]
    assert call("run", small, *folder, "--set", "growth_rate=2") == 0
    assert "warning: --set: growth_rate = 2 1/day lies outside" in capsys.readouterr().err
    text = small.read_text(encoding="utf-8").replace("[regimens]", "[parameters]\ngrowth_rate = 2\n[regimens]")
    small.write_text(text, encoding="utf-8")
    assert call("run", small, *folder, "--set", "drug.amount=3") == 0
    assert f"warning: {small}:11: growth_rate = 2 1/day lies outside" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["1_0", "0.1_5", "٣", "٠.٢", "０.２", "0x1", "1e", "1,5", "", "1 2"])
def test_only_plain_digits_are_numbers(value: str, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", small, "--out", tmp_path / "out", "--set", f"growth_rate={value}") == 2
    shown = capsys.readouterr().err
    assert "must be a number" in shown
    assert clean(shown)
    assert not (tmp_path / "out").exists()


MISTAKES = {
    "misspelt key": ("days = 40", "dayz = 40", "dayz", 3, "days"),
    "misspelt parameter": ("[regimens]", "[parameters]\ngrowth_rat = 0.2\n[regimens]", "growth_rat", 11, "growth_rate"),
    "string for number": ("amount = 4.0", 'amount = "4.0"', "amount", 11, "without quotes"),
    "negative dose": ("amount = 4.0", "amount = -4.0", "drug", 11, "≥ 0"),
    "dose after the end": ("count = 3", "count = 9", "drug", 11, "after the end"),
    "unknown agent": ("{ amount = 4.0", '{ agent = "drag", amount = 4.0', "agent", 11, "drug"),
    "arm without regimen": ('monotherapy = ["drug"]', 'monotherapy = ["drog"]', "monotherapy", 15, "drug"),
    "NaN": ("amount = 4.0", "amount = nan", "amount", 11, "finite"),
    "duplicate key": ("days = 40", "days = 40\ndays = 41", "days", 4, "twice"),
    "key below the wrong table": ("[regimens]", "[parameters]\ndays = 50\n[regimens]", "days", 11, "top of the file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_typical_mistakes_give_one_clear_message(
    mistake: str, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, wrong, key, line, hint = MISTAKES[mistake]
    small.write_text(SMALL_FOR_RUNS.replace(right, wrong), encoding="utf-8")
    assert call("run", small, "--out", tmp_path / "out") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    messages = shown.err.strip().splitlines()
    assert len(messages) == 1, shown.err
    located = [message for message in messages if re.search(rf"small\.toml:{line}: ", message)]
    assert len(located) == 1, shown.err
    assert key in located[0]
    assert hint in located[0]
    assert "Traceback" not in shown.err
    assert not (tmp_path / "out").exists()


def test_all_files_are_checked_before_anything_is_written(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(SMALL_FOR_RUNS.replace("growth =", "groth ="), encoding="utf-8")
    assert call("run", small, bad, "--out", tmp_path / "out") == 2
    assert "growth" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unknown_scenario_arm_command_and_option(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "wnt16b-strom") == 2
    assert "wnt16b-stroma" in capsys.readouterr().err
    assert call("run", small, "--arm", "monoterapy", "--out", tmp_path / "out") == 2
    assert "monotherapy" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert call("runn") == 2
    assert call("run", small, "--formt", "json") == 2
    assert call("run", small, small) == 2


def test_check_names_every_problem(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", small, *shipped_scenarios()) == 0
    assert len(capsys.readouterr().out.strip().splitlines()) == 1 + len(shipped_scenarios())
    small.write_text(
        SMALL_FOR_RUNS.replace("amount = 4.0", "amont = 4.0").replace('["drug"] }\n\n', '["drag"] }\n\n'), encoding="utf-8"
    )
    assert call("check", small) == 2
    shown = capsys.readouterr().err
    assert "amont" in shown


def test_redraw_gives_the_same_without_simulating(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", small, "--out", tmp_path / "out") == 0
    folder = tmp_path / "out" / "small"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()

    def never(*_: object) -> None:
        raise AssertionError("simulated")

    monkeypatch.setattr("backfire.simulation.arms.solve", never)
    (folder / "comparison.png").unlink()
    assert call("redraw", folder) == 0
    for name in ("outcomes.csv", "trajectories.csv", "comparison.png"):
        assert (folder / name).read_bytes() == before[name], name


def test_links_are_refused_and_their_targets_stay_intact(small: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "out").symlink_to(victim)
    assert call("run", small, "--out", tmp_path / "out") == 4
    assert list(victim.iterdir()) == []
    (tmp_path / "real" / "small").mkdir(parents=True)
    precious = tmp_path / "precious.txt"
    precious.write_text("precious", encoding="utf-8")
    (tmp_path / "real" / "small" / "outcomes.csv").symlink_to(precious)
    assert call("run", small, "--out", tmp_path / "real") == 0
    assert precious.read_text(encoding="utf-8") == "precious"


def test_an_unwritable_place_is_found_before_computing(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert call("run", small, "--out", tmp_path / "file") == 4
    assert call("run", small, "--out", "/proc/nowhere") == 5
    assert "Traceback" not in capsys.readouterr().err


def test_failing_arms_are_reported_with_exit_code_3(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from backfire.solvers import reference

    monkeypatch.setattr(reference.Settings, "__init__", _tiny_budget(reference.Settings.__init__))
    assert call("report", small, "--out", tmp_path / "page.html") == 3
    assert "failed: small: untreated: " in capsys.readouterr().err
    assert call("run", small, "--out", tmp_path / "out", "--format", "json") == 3
    shown = capsys.readouterr()
    assert "max_steps" in shown.err
    values = [row["value"] for row in json.loads(shown.out)[0]["outcomes"]]
    assert values
    assert all(value is None for value in values)
    assert (tmp_path / "out" / "small" / "comparison.png").exists()


def _tiny_budget(init: object) -> object:
    def limited(self: object, *places: object, **given: object) -> None:
        init(self, *places, **{**given, "most_evaluations": 20})  # type: ignore[operator]

    return limited
