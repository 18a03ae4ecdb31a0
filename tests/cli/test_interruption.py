"""Ctrl-C at once and later: one line, exit code 130, nothing half-written, and no word about what is not there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from commands import clean, python
from small import SMALL, STUDY
from sweep_script import until_a_chunk

IMPORTING = """
import os, signal, sys

left, seen = int(sys.argv.pop(1)), 0

def watch(event, arguments):
    global seen
    if event == "import" and signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        seen += 1
        if seen == left:
            os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(watch)
from backfire.__main__ import main
code = main()
print(seen, file=sys.__stdout__)
sys.exit(code)
"""
"""A program that interrupts itself at its n-th import, counted from where it begins to listen."""


def imports(left: int, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return python("-c", IMPORTING, str(left), *command)


def is_one_line(done: subprocess.CompletedProcess[str], code: int = 130) -> bool:
    assert done.returncode == code, done.stderr
    assert clean(done.stderr), done.stderr
    return done.stderr.count("\n") == 1 and done.stderr.startswith("interrupted")


def test_ctrl_c_at_any_import_of_the_command_line_ends_in_one_line() -> None:
    whole = imports(0, "--help")
    assert whole.returncode == 0, whole.stderr
    count = int(whole.stdout.splitlines()[-1])
    assert count > 50
    for place in (1, 2, count // 4, count // 2, count - 1):
        assert is_one_line(imports(place, "--help")), place


@pytest.mark.thorough
def test_ctrl_c_at_any_import_of_a_run_ends_in_one_line_and_leaves_nothing_half_written(small: Path, tmp_path: Path) -> None:
    whole = imports(0, "run", small, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    count = int(whole.stdout.splitlines()[-1])
    for number, share in enumerate((0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 1.0)):
        out = tmp_path / str(number)
        done = imports(max(1, int(share * count)), "run", small, "--out", out)
        assert is_one_line(done), (share, done.stderr)
        stored = [path for path in out.rglob("*.*") if path.is_file()]
        assert ("written" in done.stderr) == bool(stored), (share, stored)
        assert not list(out.rglob("*.tmp"))


AT_WORK = """
import os, signal, sys
from backfire.__main__ import main
from backfire.reports import runs

where, real = sys.argv.pop(1), {name: getattr(runs, name) for name in ("simulate", "image")}

def interrupted(name):
    def call(*given, **named):
        if name == where:
            os.kill(os.getpid(), signal.SIGINT)
        return real[name](*given, **named)
    return call

for name in real:
    setattr(runs, name, interrupted(name))
sys.exit(main())
"""
"""A run that is interrupted before anything is written, or when its numbers are and its figure is not."""


SWALLOWED = """
import os, signal, sys, time
from backfire.__main__ import main
from backfire.cli import interruption
from backfire.reports import runs

interruption.PATIENCE = 0.5

def deaf(*given, **named):
    while True:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        except:
            time.sleep(60)

runs.simulate = deaf
sys.exit(main())
"""
"""A library that takes every exception for one of its own."""


def test_ctrl_c_is_heard_even_where_a_library_swallows_it(small: Path, tmp_path: Path) -> None:
    assert is_one_line(python("-c", SWALLOWED, "run", small, "--out", tmp_path / "out", timeout=50))


def test_only_what_is_written_is_called_whole(small: Path, tmp_path: Path) -> None:
    done = python("-c", AT_WORK, "simulate", "run", small, "--out", tmp_path / "out")
    assert is_one_line(done)
    assert "whole" not in done.stderr
    done = python("-c", AT_WORK, "image", "run", small, "--out", tmp_path / "out")
    assert is_one_line(done)
    assert "what is written is whole" in done.stderr
    assert (tmp_path / "out" / "small" / "manifest.json").exists()
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert python("-m", "backfire", "run", small, "--out", tmp_path / "out").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [0, 1])
def test_ctrl_c_in_a_sweep_says_how_to_go_on_and_what_is_stored_if_anything_is(chunks: int, tmp_path: Path) -> None:
    """The terminal tells the whole group, so the workers hear it too, also those that are just being born."""
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY.replace("points = 3", "points = 400"), encoding="utf-8")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "backfire", "sweep", "study.toml", "--out", str(out), "--workers", "2", "--chunk", "2"]
    running = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    if chunks:
        until_a_chunk(out / "study", running)
    else:
        while not (out / "study" / "resolved.json").exists():
            assert running.poll() is None
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert clean(said), said
    (line,) = [line for line in said.splitlines() if line.startswith("interrupted")]
    assert re.search(r"Go on with: backfire sweep .* --resume$", line), line
    stored = list((out / "study" / "chunks").glob("*.parquet"))
    assert bool(stored) == ("what is stored is whole" in line)
    assert bool(stored) or not chunks


def test_a_caller_in_python_keeps_its_signals(small: Path) -> None:
    from backfire import cli

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.getsignal(number) for number in numbers]
    assert cli.main(["check", str(small)]) == 0
    assert [signal.getsignal(number) for number in numbers] == before
