"""Names that become folders or parts of formulas, and options, as they reach a scenario."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backfire.errors import DocumentError
from backfire.scenario.scenario import load, parse
from commands import call, clean, process
from small import SMALL_FOR_RUNS

STROMA = """
title = "A drug that damages healthy stroma"
days = 40

[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["mitoxantrone", "anti_wnt16b"] }
kill = { by = ["mitoxantrone"] }
stroma = { factor = "wnt16b", damaged_by = ["mitoxantrone"] }
blockade = { of = "wnt16b", by = "anti_wnt16b" }

[regimens]
mitoxantrone = { amount = 6.0, start = 14 }

[arms]
untreated = []
monotherapy = ["mitoxantrone"]
"""


DRUGS_OF_STROMA = 'damaged_by = ["mitoxantrone"]'


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (DRUGS_OF_STROMA, 'damaged_by = ["mitoxantrone", "mitoxantrone"]', "twice"),
        (DRUGS_OF_STROMA, 'damaged_by = ["mitoxantrone * 1000"]', "damaged_by"),
        (DRUGS_OF_STROMA, 'damaged_by = ["mitoxantrone) + (1"]', "damaged_by"),
        (DRUGS_OF_STROMA, 'damaged_by = ["mitoxantrone\\n"]', "damaged_by"),
        (DRUGS_OF_STROMA, 'damaged_by = [""]', "damaged_by"),
        ('factor = "wnt16b"', 'factor = "a b"', "factor"),
        ('factor = "wnt16b"', 'factor = "__class__"', "factor"),
        ('agents = ["mitoxantrone", "anti_wnt16b"]', 'agents = ["mitoxantrone", "anti_wnt16b", "mitoxantrone"]', "twice"),
        ('kill = { by = ["mitoxantrone"] }', 'kill = { by = ["mitoxantrone", "mitoxantrone"] }', "twice"),
        ("stroma = {", 'stroma = { mechanism = ["x"],', "stroma"),
        ("stroma = {", "stroma = { mechanism = { a = 1 },", "stroma"),
        ("stroma = {", "stroma = { mechanism = 7,", "stroma"),
    ],
)
def test_options_that_name_things_take_names_only(
    old: str, new: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "case.toml"
    path.write_text(STROMA, encoding="utf-8")
    assert call("check", path) == 0
    capsys.readouterr()
    assert STROMA.count(old) == 1
    path.write_text(STROMA.replace(old, new), encoding="utf-8")
    assert call("check", path) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert word in shown.err
    assert re.search(r"case\.toml:\d+: mechanisms\.", shown.err)
    assert clean(shown.err), shown.err


def test_a_changed_parameter_keeps_the_unit_of_the_file(small: Path, tmp_path: Path) -> None:
    entry = '{ value = 0.005, unit = "1/hour", source = "a test", grade = "assumed" }'
    small.write_text(SMALL_FOR_RUNS + f"\n[parameters]\ngrowth_rate = {entry}\n", encoding="utf-8")
    assert call("run", small, "--out", tmp_path / "out", "--set", "growth_rate=0.006") == 0
    manifest = json.loads((tmp_path / "out" / "small" / "manifest.json").read_text(encoding="utf-8"))
    kept = manifest["scenario"]["parameters"]["growth_rate"]
    assert kept["value"] == pytest.approx(0.144, rel=1e-12)
    assert kept["unit"] == "1/day"
    assert load(small).values["growth_rate"] == pytest.approx(0.12, rel=1e-12)
    assert parse(SMALL_FOR_RUNS).changed({"growth_rate": 0.006}).values["growth_rate"] == 0.006


NO_FOLDERS = (
    "...",
    "..",
    "CON",
    "con",
    "nul.x",
    "COM1",
    "=1+1",
    "+1",
    "@a",
    "a,b",
    "a\nb",
    "a\x1b[31mb",
    "a b",
    "a.",
    "-a",
    "é",
    "a" * 65,
)


@pytest.mark.parametrize("name", NO_FOLDERS, ids=ascii)
def test_scenarios_are_named_like_folders(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"{name}.toml"
    path.write_text(SMALL_FOR_RUNS, encoding="utf-8")
    for command in (["check", path], ["run", path, "--out", tmp_path / "out"]):
        assert call(*command) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert clean(shown.err), shown.err
        assert len(shown.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]
    assert call("new", "--", name) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert clean(shown.err), shown.err


@pytest.mark.parametrize("name", ["a", "my-study_2.1", "console", "a" * 64])
def test_plain_names_are_taken(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"{name}.toml").write_text(SMALL_FOR_RUNS, encoding="utf-8")
    assert call("check", tmp_path / f"{name}.toml") == 0
    assert call("new", name) == 0
    assert "[mechanisms]" in capsys.readouterr().out


def test_a_grid_too_coarse_for_outcomes_is_refused(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for every in ("0.51", "1", "7"):
        small.write_text(SMALL_FOR_RUNS.replace("days = 40", f"days = 40\nrecord_every = {every}"), encoding="utf-8")
        assert call("check", small) == 2
        assert "record_every" in capsys.readouterr().err
    with pytest.raises(DocumentError, match="record_every"):
        parse(SMALL_FOR_RUNS).changed({"record_every": 0.51})


def test_a_line_of_backslashes_and_quotes_does_not_stall_the_reader(tmp_path: Path) -> None:
    """In a process of its own: a search that tries each quote as a beginning takes minutes."""
    quotes = '\\"' * 20_000
    paths = [tmp_path / f"case{number}.toml" for number in range(3)]
    for path, line in zip(paths, ('x = "' + quotes, quotes, 'x = { "' + quotes + " = 1"), strict=True):
        path.write_text(f"{SMALL_FOR_RUNS}\n{line}\n", encoding="utf-8")
    done = process("check", *paths, timeout=20)
    assert done.returncode == 2
    assert [path.name in done.stderr for path in paths] == [True] * 3
    assert clean(done.stderr)
