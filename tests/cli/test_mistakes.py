"""Mistakes of newcomers, in all three kinds of file: refused with file, line and nearest name, all at once, nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import own_cells
from commands import call, clean

SCENARIO = """\
title = "A small tumour, its drug and the stroma"
days = 60

[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug", "blocker"] }
kill = { by = ["drug"] }
stroma = { factor = "shield", damaged_by = ["drug"] }
blockade = { of = "shield", by = "blocker" }

[parameters]
growth_rate = 0.1
capacity = { value = 1e9 }

[switches]
stroma.protects_kill = 0.5

[regimens]
drug = { amount = 4.0, start = 10, every = 7, count = 3 }
blocker = { amount = 4.0, start = 10, every = 7, until = 31 }

[arms]
untreated = []
monotherapy = ["drug"]
combination = ["drug", "blocker"]
"""
SWEEP = """\
title = "How much drug?"
scenario = "study.toml"
arms = ["monotherapy"]
outcomes = ["final_burden", "peak(shield)"]

[design]
kind = "grid"

[vary]
drug.amount = { low = 1, high = 4, points = 2 }
"""
CLAIMS = """\
title = "What the blocker should do"
scenario = "study.toml"

[[claims]]
id = "C1"
statement = "The blocker leaves less tumour."
check = "burden_area(combination) < burden_area(monotherapy)"

[[claims]]
id = "C2"
statement = "It does so through the shield."
check = "peak(shield, monotherapy with stroma.protects_kill off) > 1"
names = ["stroma.protects_kill"]
"""
FILES = {"study.toml": SCENARIO, "sweep.toml": SWEEP, "claims.toml": CLAIMS}
COMMANDS = {"study.toml": ["run"], "sweep.toml": ["sweep", "--workers", "0"], "claims.toml": ["claims"]}

Edits = list[tuple[str, str]]
MISTAKES: dict[str, tuple[str, Edits, list[tuple[str, str]]]] = {
    # file · what is written instead of what · (text on the line of the problem, words of the problem)
    "parameter misspelt": ("study.toml", [("growth_rate", "growht_rate")], [("growht", "did you mean `growth_rate`")]),
    "mechanism misspelt": ("study.toml", [("blockade =", "blokade =")], [("blokade", "did you mean `blockade`")]),
    "required key misspelt": ("study.toml", [("days =", "dyas =")], [("dyas", "did you mean `days`")]),
    "table misspelt": ("study.toml", [("[regimens]", "[regimen]")], [("[regimen]", "did you mean `regimens`")]),
    "unit misspelt": (
        "study.toml", [("= 0.1\n", '= { value = 0.1, unit = "1/dya" }\n')], [("dya", "did you mean `day`")],
    ),
    "unit of another kind": (
        "study.toml", [("= 0.1\n", '= { value = 0.1, unit = "cell" }\n')], [("unit", "cannot be converted into `1/day`")],
    ),
    "negative value": ("study.toml", [("= 0.1\n", "= -0.1\n")], [("-0.1", "is negative; all parameters are ≥ 0")]),
    "negative dose on a negative day": (
        "study.toml", [("amount = 4.0, start = 10, every = 7, count", "amount = -4.0, start = -10, every = 7, count")],
        [("-4.0", "`start` is -10 and `amount` is -4")],
    ),
    "unknown agent infused": (
        "study.toml", [('"blocker"] }\nkill', '"blocker"], infused = ["blokcer"] }\nkill')],
        [("blokcer", "unknown agent `blokcer`; did you mean `blocker`")],
    ),
    "wrong target": ("study.toml", [('of = "shield"', 'of = "sheild"')], [("sheild", "did you mean `excess_shield`")]),
    "regimen of an unknown agent": (
        "study.toml", [("drug = { amount", 'drug = { agent = "drgu", amount')], [("drgu", "unknown agent `drgu`; did you mean `drug`")],
    ),
    "arm with an unknown regimen": ("study.toml", [('["drug"]\ncom', '["drugs"]\ncom')], [('"drugs"', "did you mean `drug`")]),
    "all doses at once": (
        "study.toml", [("every = 7, count", "every = 0, count")], [("every = 0", "is one dose of 3 times the amount")],
    ),
    "missing table": ("study.toml", [(SCENARIO[SCENARIO.index("[mechanisms]") : SCENARIO.index("[parameters]")], "")], [("", "`mechanisms` is missing")]),
    "a grade without a source": (
        "study.toml", [("{ value = 1e9 }", '{ value = 1e9, grade = "paper" }')], [("1e9", "grade `paper` needs a `source`")],
    ),
    "eight mistakes in one scenario": (
        "study.toml",
        [
            ("days = 60", 'days = "60"'), ('"logistic"', '"logistik"'), ("blockade =", "blokade ="),
            ("growth_rate", "growht_rate"), ("protects_kill", "protect_kill"), ("every = 7, count = 3", "every = 7, cuont = 3"),
            ("every = 7, until = 31", "every = 7, until = 3"), ('"drug", "blocker"]\n', '"drug", "bloker"]\n'),
        ],
        [
            ('"60"', "write numbers without quotes"), ("logistik", "did you mean `logistic`"), ("blokade", "did you mean `blockade`"),
            ("growht", "did you mean `growth_rate`"), ("protect_kill", "did you mean `stroma.protects_kill`"),
            ("cuont", "did you mean `count`"), ("until = 3", "`until` is day 3"), ("bloker", "did you mean `blocker`"),
        ],
    ),
    "scenario of a sweep misspelt": ("sweep.toml", [('"study.toml"', '"stduy.toml"')], [("stduy", "did you mean `study.toml`")]),
    "field of a sweep misspelt": ("sweep.toml", [("drug.amount", "drug.amuont")], [("amuont", "did you mean `drug.amount`")]),
    "four mistakes in one sweep": (
        "sweep.toml",
        [('"monotherapy"', '"monoterapy"'), ('"final_burden"', '"final_burdn"'), ('"grid"', '"gird"'), ("low = 1", "low = 9")],
        [
            ("monoterapy", "did you mean `monotherapy`"), ("final_burdn", "did you mean `final_burden`"),
            ("gird", "did you mean `grid`"), ("low = 9", "low must be below high"),
        ],
    ),
    "arm in a claim misspelt": (
        "claims.toml", [("burden_area(monotherapy)", "burden_area(monoterapy)")], [("monoterapy", "did you mean `monotherapy`")],
    ),
    "outcome in a claim misspelt": (
        "claims.toml", [("burden_area(comb", "burden_aera(comb")], [("burden_aera", "did you mean `burden_area`")],
    ),
    "claim that is no comparison": (
        "claims.toml", [(" < burden_area(monotherapy)", "")], [("burden_area(combination)", "needs one of < <= > >= =")],
    ),
    "six mistakes in one claims file": (
        "claims.toml",
        [
            ("title =", "titel ="), ("statement = \"The", "statment = \"The"), ("(combination) <", "(combinaton) <"),
            ("peak(shield,", "peak(sheild,"), ("protects_kill off", "protects_kil off"), ('names = ["stroma.', 'names = ["storma.'),
        ],
        [
            ("titel", "did you mean `title`"), ("statment", "did you mean `statement`"), ("combinaton", "did you mean `combination`"),
            ("sheild", "did you mean `shield`"), ("protects_kil ", "did you mean `stroma.protects_kill`"),
            ("storma", "did you mean `stroma.protects_kill`"),
        ],
    ),
    "claim given twice": ("claims.toml", [('id = "C2"', 'id = "C1"')], [("second C1", "claim C1 is given twice")]),
    "day beyond what is simulated": (
        "claims.toml", [('names = ["stroma', 'until = 1e6\nnames = ["stroma')], [("until", "36500")],
    ),
}  # fmt: skip


def written(folder: Path, name: str, edits: Edits) -> str:
    """All three files, one of them with mistakes; the text of that one."""
    for file, content in FILES.items():
        text = content
        for old, new in edits if file == name else ():
            assert old in text, old
            text = text.replace(old, new, 1)
        (folder / file).write_text(text, encoding="utf-8")
    return (folder / name).read_text(encoding="utf-8")


def line_of(part: str, text: str) -> int:
    if part == "second C1":
        return [number for number, line in enumerate(text.split("\n"), start=1) if '"C1"' in line][1]
    return next(number for number, line in enumerate(text.split("\n"), start=1) if part in line) if part else 0


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("checked", [True, False], ids=["check", "command"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_file_line_and_nearest_name(
    mistake: str, checked: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, edits, expected = MISTAKES[mistake]
    text = written(tmp_path, name, edits)
    assert call(*(["check"] if checked else COMMANDS[name]), name) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert clean(shown.err)
    lines = shown.err.removeprefix("backfire: ").splitlines()
    for part, words in expected:
        place = f"{name}:{number}:" if (number := line_of(part, text)) else f"{name}:"
        assert any(line.startswith(place) and words in line for line in lines), f"{place} {words}\n{shown.err}"
    assert {int(found[1]) for line in lines if (found := re.match(rf"{re.escape(name)}:(\d+):", line))} <= {
        line_of(part, text) for part, _ in expected
    }, shown.err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES), "something was written"


@pytest.mark.usefixtures("_here")
def test_the_files_are_right_as_they_stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, "study.toml", [])
    assert call("check", *FILES) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [line.split(" (")[0] for line in shown.out.splitlines()] == ["ok: study", "ok: sweep", "ok: claims"]
    for told in ("5 states", "grid, 2 members, 1 arms", "2 claims on study"):
        assert told in shown.out


@pytest.mark.usefixtures("_here")
def test_what_is_noted_of_a_scenario_is_noted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, "study.toml", [('combination = ["drug", "blocker"]', "")])
    for name in ("sweep.toml", "claims.toml"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("combination", "monotherapy"), encoding="utf-8")
    assert call("check", *FILES) == 0
    shown = capsys.readouterr()
    assert shown.out.count("ok: ") == 3
    assert shown.err.count("blocker is a regimen that no arm has") == 1


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "sweep.toml"], ["sweep.toml:6: design: ", "a sweep study, not a scenario", "`backfire sweep`"]),
        (["run", "claims.toml"], ["claims.toml:4: claims: ", "a file of claims, not a scenario", "`backfire claims`"]),
        (["explain", "claims.toml"], ["`backfire claims`"]),
        (["export", "sweep.toml"], ["`backfire sweep`"]),
        (["sweep", "study.toml", "--workers", "0"], ["study.toml:2: days: ", "a scenario, not a sweep study", "`backfire run`"]),
        (["sweep", "claims.toml", "--workers", "0"], ["a file of claims", "`backfire claims`"]),
        (["claims", "study.toml"], ["a scenario, not a file of claims", "`backfire run`"]),
        (["claims", "sweep.toml"], ["a sweep study", "`backfire sweep`"]),
        (["run", "stduy.toml"], ["stduy.toml: cannot be opened", "did you mean `study.toml`"]),
        (["check", "notes.toml"], ["notes.toml: cannot be told what it is", "[mechanisms]", "[design]", "[claims]", "an ablation has"]),
    ],
)  # fmt: skip
def test_a_file_of_the_wrong_kind_is_told_apart(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "study.toml", [])
    (tmp_path / "notes.toml").write_text('memo = "buy milk"\n', encoding="utf-8")
    assert call(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    for part in words:
        assert part in shown.err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "notes.toml"])


@pytest.mark.usefixtures("_here")
def test_mechanisms_of_ones_own_and_what_does_not_hang_on_them_are_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_cells.write(
        tmp_path,
        own_cells.CELLS.replace("Core(Mechanism)", "Core"),
        own_cells.WITH_CORE.replace('["drug"]\n', '["durg"]\n').replace("days =", "dyas ="),
    )
    before = sorted(tmp_path.iterdir())
    for command in ("check", "run"):
        assert call(command, "own.toml") == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        told = shown.err.splitlines()
        assert [line.split(":")[0] for line in told] == ["my_cells.py", "own.toml", "own.toml"]
        for words, line in zip(("derives from nothing", "did you mean `days`", "did you mean `drug`"), told, strict=True):
            assert words in line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "study"], "did you mean the file `study.toml`?"),
        (["check", "claims"], "did you mean the file `claims.toml`?"),
        (["claims", "claims"], "did you mean the file `claims.toml`?"),
        (["sweep", "sweep", "--workers", "0"], "did you mean the file `sweep.toml`?"),
        (["sweep", "lost.toml", "--workers", "0"], "lost.toml:3: scenario: unknown file `losd.toml`; did you mean `lost-study.toml`?"),
    ],
)  # fmt: skip
def test_the_file_that_was_meant_is_named(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "study.toml", [])
    (tmp_path / "study.toml").rename(tmp_path / "study.toml" if "lost.toml" not in arguments else tmp_path / "lost-study.toml")
    (tmp_path / "lost.toml").write_text(f"\n{SWEEP.replace('study.toml', 'losd.toml')}", encoding="utf-8")
    assert call(*arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.usefixtures("_here")
def test_the_problems_of_several_files_come_together_and_nothing_is_said_to_be_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "study.toml", [])
    (tmp_path / "one.toml").write_text(SCENARIO.replace("growth_rate", "growht_rate"), encoding="utf-8")
    (tmp_path / "two.toml").write_text(SWEEP.replace("drug.amount", "drug.amuont"), encoding="utf-8")
    (tmp_path / "three.toml").write_text(CLAIMS.replace("study.toml", "one.toml"), encoding="utf-8")
    assert call("check", "study.toml", "one.toml", "two.toml", "three.toml") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    told = {line.split(": ")[0] for line in shown.err.splitlines()}
    assert told == {"one.toml:12", "two.toml:10"}, "the claims are right, their scenario is told once"
