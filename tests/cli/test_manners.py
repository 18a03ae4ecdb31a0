"""What holds of every command alike: help, completion, data, closed pipes, narrow terminals, places that cannot be written."""

from __future__ import annotations

import csv
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from enum import EnumType
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from typer.models import OptionInfo

from backfire.cli.commands import all_commands
from commands import call, called, clean, process, shell, sweep
from small import SMALL_FOR_RUNS, STUDY

COMMANDS = [function.__name__ for function in all_commands()]
CLAIMS = """
title = "Ours"
scenario = "small.toml"
[[claims]]
id = "C1"
statement = "The drug kills."
check = "nadir(monotherapy) < 0.5 * nadir(untreated)"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a scenario, a sweep and claims, in which the commands are called."""
    (tmp_path / "small.toml").write_text(SMALL_FOR_RUNS, encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "ours.toml").write_text(CLAIMS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data(printed: str) -> Any:
    """Strict JSON: NaN and Infinity are none."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(printed, parse_constant=refuse)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=["backfire", *COMMANDS])
def test_help_has_a_short_name(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*command, "--help") == 0
    long = capsys.readouterr().out
    assert call(*command, "-h") == 0
    assert capsys.readouterr().out == long
    assert "-h, --help" in long


def declared(name: str, hint: Any) -> tuple[str, str, bool]:
    """(option, a value, whether it takes just one) of an annotated parameter of a command; an argument has no option."""
    kind, about = get_args(hint)
    (single, *_) = [part for part in get_args(kind) or [kind] if part is not type(None)]
    if not isinstance(about, OptionInfo):
        return "", "x", False
    # in an annotation typer keeps the first name of an option as its default
    words = [word for word in (about.default, *(about.param_decls or ())) if isinstance(word, str)]
    value = next(iter(single)).value if isinstance(single, EnumType) else "1"
    once = single is not bool and list not in (get_origin(kind), get_origin(single))
    return words[0] if words else f"--{name.replace('_', '-')}", value, once


def options_of_one_value() -> list[tuple[str, list[str], str, str]]:
    """(command, what else it needs, option, a value) of all options that take one value, as the functions declare them."""
    found = []
    for function in all_commands():
        hints = get_type_hints(function, include_extras=True)
        takes = {name: declared(name, hints[name]) for name in inspect.signature(function).parameters}
        needed = [takes[name] for name, one in inspect.signature(function).parameters.items() if one.default is one.empty]
        for option, value, once in takes.values():
            others = [word for name, one, _ in needed if name != option for word in (name, one) if word]
            found += [(function.__name__, others, option, value)] if once else []
    return found


ONCE = options_of_one_value()


@pytest.mark.parametrize(("command", "needed", "option", "value"), ONCE, ids=[f"{one[0]} {one[2]}" for one in ONCE])
def test_an_option_of_one_value_is_given_once(
    command: str, needed: list[str], option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(command, *needed, option, value, f"{option}={value}") == 2
    told = capsys.readouterr().err
    assert told == f"backfire: {option} is given 2 times, at last as {value}; it takes one value\n"


def test_options_of_many_values_and_switches_may_be_repeated(place: Path) -> None:
    assert ("population", "--form") in {(command, option) for command, _, option, _ in ONCE}
    assert call("run", "small.toml", "--arm", "untreated", "--arm", "monotherapy", "--slide", "--slide", "--out", "out") == 0
    assert {"untreated", "monotherapy"} <= {*json.loads((place / "out" / "small" / "manifest.json").read_text())["arms"]}


IN_BASH = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
"""The shell is named, not looked for among the ancestors of the tests, which need not have one."""


def completed(*words: str) -> list[str]:
    """What bash would offer for the last of some words, by the script that backfire gives it."""
    script = process("--show-completion", "bash", env=IN_BASH).stdout
    assert "_backfire_completion" in script
    ours = f'backfire() {{ "{sys.executable}" -m backfire "$@"; }}; export -f backfire; {script}\n'
    ours += 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _backfire_completion /tmp/none; printf "%s\\n" "${COMPREPLY[@]}"'
    # the script calls its first argument through env, which knows no functions
    ours = ours.replace("complete_bash $1", f'complete_bash "{sys.executable}" -m backfire')
    return called(["bash", "-c", ours, "bash", *words]).stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_the_shell_completes_commands_options_values_and_shipped_names() -> None:
    assert set(completed("backfire", "")) == set(COMMANDS)
    assert completed("backfire", "run", "wn") == ["wnt16b-stroma"]
    assert completed("backfire", "run", "x", "--format", "") == ["table", "json", "csv"]
    assert completed("backfire", "sweep", "rigi") == ["rigi-agonist-timing"]
    assert completed("backfire", "check", "pi3k") == ["pi3k-jak2-bypass", "pi3k-jak2-doses"]
    assert set(completed("backfire", "export", "x", "--to", "")) == {"sbml", "antimony", "omex"}


def test_completion_is_installed_in_the_home_folder(tmp_path: Path) -> None:
    done = process("--install-completion", "bash", env=IN_BASH | {"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert any("_backfire_completion" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_completing_loads_no_heavy_library() -> None:
    code = "import sys; from backfire.cli.commands import complete_any as c; print(c('pi3k')); print('pydantic' in sys.modules)"
    assert called([sys.executable, "-c", code]).stdout.splitlines() == ["['pi3k-jak2-bypass', 'pi3k-jak2-doses']", "False"]


LISTED = {
    "scenarios": {"scenario", "article", "title"},
    "sweeps": {"study", "scenario", "design", "members", "title"},
    "mechanisms": {"mechanism", "what_it_is", "reads", "changes"},
}


@pytest.mark.parametrize("command", LISTED)
def test_lists_are_data(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, "--format", "json") == 0
    rows = data(capsys.readouterr().out)
    assert len(rows) > 4
    assert all(set(row) == LISTED[command] for row in rows)
    if command == "mechanisms":
        assert next(row["changes"] for row in rows if row["mechanism"] == "stroma") == ["growth", "kill"]
        return
    assert call(command, "--format", "csv") == 0
    assert [*csv.DictReader(io.StringIO(capsys.readouterr().out))] == [{key: str(row[key]) for key in row} for row in rows]


def test_models_are_data(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("explain", "small.toml", "--format", "json") == 0
    told = data(capsys.readouterr().out)
    start = {row["state"]: row["start"] for row in told["states"]}
    assert start["active"] > 0
    assert {row["arm"]: row["regimens"] for row in told["arms"]} == {"untreated": [], "monotherapy": ["drug"]}
    assert all(row["plausible"][0] <= row["value"] <= row["plausible"][1] for row in told["parameters"])
    assert call("explain", "small.toml", "--format", "json", "--latex") == 2
    assert call("mechanisms", "kill", "--format", "json") == 0
    assert "processes" in data(capsys.readouterr().out)


def test_checks_are_data_with_every_problem(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", "small.toml", "study.toml", "ours.toml", "--format", "json") == 0
    told = data(capsys.readouterr().out)
    assert [item["name"] for item in told["checked"]] == ["small", "study", "ours"]
    assert told["problems"] == []
    (place / "small.toml").write_text(SMALL_FOR_RUNS.replace("days = 40", "dayz = 40"), encoding="utf-8")
    assert call("check", "small.toml", "--format", "json") == 2
    shown = capsys.readouterr()
    problems = data(shown.out)["problems"]
    assert {(problem["line"], problem["key"]) for problem in problems} == {(3, "dayz")}
    assert "small.toml:3" in shown.err


def test_sweeps_and_members_are_data(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(place / "study.toml", "--format", "json") == 3
    (told,) = data(capsys.readouterr().out)
    assert (told["members"], told["stored"]) == (9, 9)
    assert told["failed_members"] == 3
    assert sum(told["counts"]["monotherapy"].values()) == 9
    lowest = told["outcomes"]["final_burden"]["arms"]["monotherapy"]["lowest"]
    assert lowest > 0
    assert call("sweep", "--show", "out/study", "--show", "out/study", "--format", "json") == 3
    assert data(capsys.readouterr().out) == [told | {"folder": "out/study"}] * 2
    assert call("rerun", "out/study", "--member", 0, "--format", "json") == 0
    rows = data(capsys.readouterr().out)
    assert {row["same"] for row in rows} == {True}
    assert all(row["stored"] == row["computed_again"] for row in rows)


def unread(*command: str | Path) -> tuple[int, str]:
    """Exit code and messages of a command whose reader is gone before the first word."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "backfire", *map(str, command)], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", [["--help"], ["scenarios"], ["explain", "wnt16b-stroma", "--code"], ["schema"], ["new", "x"]])
def test_a_closed_pipe_is_no_error(command: list[str]) -> None:
    assert unread(*command) == (0, "")


def test_behind_a_closed_pipe_everything_is_written(place: Path) -> None:
    code, said = unread("run", "small.toml", "./small.toml", "--out", "out")
    assert (code, said.count("\n")) == (2, 1), "given twice: what is wrong stays wrong"
    code, said = unread("run", "small.toml", "--out", "out")
    assert code == 0, said
    assert clean(said)
    assert (place / "out" / "small" / "comparison.png").exists()
    code, said = unread("claims", "ours.toml", "--out", "board")
    assert code in (0, 1), said
    assert clean(said)
    assert (place / "board" / "claims.png").exists()
    code, said = unread("sweep", "study.toml", "--out", "sweeps", "--workers", "0")
    assert code == 3, said  # three members cannot be built
    assert clean(said)
    assert list((place / "sweeps" / "study" / "figures").glob("*.png"))


def test_errors_into_a_closed_pipe_are_no_error_either(place: Path) -> None:
    done = shell('backfire run small.toml --out out 2>&1 | head -1; echo "${PIPESTATUS[0]}"')
    assert done.stdout.splitlines()[-1] == "0"
    assert (place / "out" / "small" / "comparison.png").exists()


def on_terminal(width: int, *command: str | Path, **environment: str) -> str:
    """What a command shows on a terminal of some width, without what moves the cursor."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, __import__("struct").pack("HHHH", 50, width, 0, 0))
    surroundings = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"} | environment
    running = subprocess.Popen(
        [sys.executable, "-m", "backfire", *map(str, command)], stdout=theirs, stderr=subprocess.DEVNULL, env=surroundings
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not more:
            break
        shown += more
    os.close(ours)
    assert running.wait(60) == 0
    return shown.decode().replace("\r\n", "\n")


def words(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m|[─]", " ", text).split()


SHOWN = {
    "scenarios": ["scenarios"],
    "sweeps": ["sweeps"],
    "mechanisms": ["mechanisms"],
    "one mechanism": ["mechanisms", "stroma"],
    "explain": ["explain", "all-together"],
    "run": ["run", "wnt16b-stroma", "--out", "out"],
    "redraw": ["redraw", "out/small"],
    "sweep": ["sweep", "--show", "out/study"],
    "rerun": ["rerun", "out/study", "--member", "0"],
    "claims": ["claims", "ours.toml"],
    "help": ["run", "--help"],
}


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=pytest.mark.thorough if what in ("run", "redraw", "sweep", "rerun", "claims") else ())
        for what in SHOWN
    ],
)
def test_narrow_terminals_show_every_word_and_number_whole(what: str, place: Path) -> None:
    command = SHOWN[what]
    if what == "redraw":
        assert call("run", "small.toml", "--out", "out") == 0
    if "out/study" in command:
        (place / "study.toml").write_text(STUDY.replace(", 30]", "]"), encoding="utf-8")
        assert sweep(place / "study.toml") == 0
    wide = on_terminal(400, *command)
    for width in (60, 80):
        narrow = on_terminal(width, *command)
        bare = re.sub(r"\x1b\[[0-9;]*m", "", narrow)
        assert max(len(line) for line in bare.splitlines() if len(line.split()) > 1) <= width, "only one word may be longer"
        assert what == "help" or Counter(words(narrow)) >= Counter(words(wide))
        assert what == "help" or {*words(narrow)} == {*words(wide)}
    assert not re.search(r"\x1b\[(3|4|9)[0-9]", on_terminal(60, *command, NO_COLOR="1")), "a colour"


def test_more_workers_than_cores_are_capped_with_a_word(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from backfire.cli.commands import capped
    from backfire.system import usable_cores

    cores = usable_cores()
    assert [capped(None), capped(0), capped(cores)] == [None, 0, cores]
    assert capsys.readouterr().err == ""
    assert capped(cores + 97) == cores
    assert re.fullmatch(rf"--workers {cores + 97}: .*{cores} usable cores?, .*\n", capsys.readouterr().err)
    assert call("claims", "ours.toml", "--workers", 999) in (0, 1)
    assert "--workers 999" in capsys.readouterr().err


WRITING = {
    "run": ["run", "small.toml", "--out"],
    "explain": ["explain", "small.toml", "--out"],
    "export": ["export", "small.toml", "--to", "antimony", "--out"],
    "claims": ["claims", "ours.toml", "--out"],
    "sweep": ["sweep", "study.toml", "--workers", "0", "--out"],
}


@pytest.mark.parametrize("command", WRITING)
def test_a_place_that_cannot_be_written_is_one_sentence_before_anything_is_computed(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for computed in ("reports.runs.simulate", "sweeps.planning.run_members"):
        monkeypatch.setattr(f"backfire.{computed}", None)
    (place / "file").write_text("", encoding="utf-8")
    (place / "folder").mkdir()
    wrong = {"file/inside/x": 4, "/proc/nowhere/x": 5}
    wrong |= {"folder": 4} if command in ("explain", "export") else {"file": 4}
    if os.getuid():  # root may write everywhere
        (place / "closed").mkdir(mode=0o500)
        wrong["closed/x"] = 5
    for path, code in wrong.items():
        assert call(*WRITING[command], path) == code, path
        said = capsys.readouterr().err
        assert clean(said)
        assert said.count("\n") == 1, said
        assert path.split("/")[0] in said or "/proc" in said
    assert (place / "file").read_text(encoding="utf-8") == ""
    assert [*(place / "folder").iterdir()] == []
