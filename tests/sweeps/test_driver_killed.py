"""Sweeps that are killed or told to end, at any moment of their lives: nobody works on, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import arithmetic
from arithmetic import COUNT
from backfire import cli
from backfire.cli import sweep as cli_sweep
from backfire.sweeps import planning as sweeps
from backfire.sweeps import store
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import InlinePool
from small import SMALL
from sweep_script import finish, start, until_a_chunk

SHIPPED = "exosome-start-of-blockade"


STUDY = """
title = "How much drug?"
scenario = "small.toml"
outcomes = ["final_burden", "time_to_progression"]

[design]
kind = "grid"

[vary]
drug.amount = { low = 1, high = 16, points = 300 }
"""


def end_all(running: subprocess.Popen[str]) -> None:
    """Kill a process and all that it began."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=60)


LIFE = 3.5
"""Seconds, or so, that the sweeps below live if they are let."""


Begin = Callable[[Path], "subprocess.Popen[str]"]


def paused(folder: Path) -> subprocess.Popen[str]:
    """A sweep of plain arithmetic that takes its time."""
    folder.mkdir(exist_ok=True)
    return start(folder, pause=0.02)


def stuck(folder: Path) -> subprocess.Popen[str]:
    """One of its workers is at a member that takes ten minutes when three chunks are stored."""
    folder.mkdir(exist_ok=True)
    return start(folder, pause=0.02, stuck=[15.0])


def real(folder: Path) -> subprocess.Popen[str]:
    """A sweep of a shipped study."""
    return start(folder, workers=1, chunk=5, study=SHIPPED)


def kill(folder: Path, seconds: float, begin: Begin = paused, chunks: int = 0) -> int:
    """Kill a sweep so many seconds after its start, or after so many chunks; all that it began must end.

    Gives how many processes those were.
    """
    running = begin(folder)
    try:
        until_a_chunk(folder / SHIPPED if begin is real else folder, running, chunks)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(seconds)
        if running.poll() is None:
            running.send_signal(signal.SIGSTOP)  # so that nobody is born after the count
        children = arithmetic.family(running.pid)
        running.kill()
        running.wait(60)
        assert arithmetic.gone(children)
    finally:
        end_all(running)
    return len(children)


@pytest.mark.thorough
def test_killed_again_and_again_a_sweep_still_ends(tmp_path: Path, undisturbed: str) -> None:
    folder, draw = tmp_path / "out", random.Random(1)
    assert kill(folder, draw.uniform(0, 0.3), stuck, chunks=3) == 3, "two workers, and Python's own tracker of what they share"
    assert 0 < store.read_table(folder)[1]["stored"] < COUNT
    for _ in range(2):
        kill(folder, draw.uniform(0, LIFE))
    assert run_plan(arithmetic.plan(COUNT), folder, InlinePool, resume=True).table_hash == undisturbed
    assert not list(folder.rglob("*.tmp"))


def kill_and_resume(folder: Path, seconds: float, undisturbed: str) -> tuple[int, int]:
    """Kill a sweep, then go on with it; gives how many processes and chunks it had."""
    children = kill(folder, seconds)
    chunks = len(store.chunk_files(folder))
    assert run_plan(arithmetic.plan(COUNT), folder, InlinePool, resume=True, chunk=20).table_hash == undisturbed
    assert not list(folder.rglob("*.tmp"))
    return children, chunks


def life(folder: Path) -> float:
    """Seconds that a sweep lives on this machine as busy as it is now."""
    begun = time.monotonic()
    assert finish(paused(folder))[0] == 0
    return time.monotonic() - begun


@pytest.mark.thorough
def test_killed_at_any_moment_a_sweep_can_be_resumed(tmp_path: Path, undisturbed: str) -> None:
    draw, whole = random.Random(2), life(tmp_path / "whole")
    for number in range(4):  # one in each quarter of its life
        kill_and_resume(tmp_path / str(number), whole * draw.uniform(number, number + 1) / 4, undisturbed)


@pytest.mark.thorough
def test_killed_fifty_times_at_any_moment_a_sweep_can_be_resumed(tmp_path: Path, undisturbed: str) -> None:
    draw, whole = random.Random(3), life(tmp_path / "whole")
    found = [kill_and_resume(tmp_path / str(number), draw.uniform(0, whole), undisturbed) for number in range(50)]
    assert sum(children > 0 for children, _ in found) > 15
    assert sum(0 < chunks < COUNT / 10 for _, chunks in found) > 5


@pytest.mark.thorough
def test_a_killed_sweep_of_a_shipped_study_can_be_resumed(tmp_path: Path) -> None:
    whole = sweeps.sweep(SHIPPED, tmp_path / "whole", workers=0).table_hash
    folder, draw = tmp_path / "out", random.Random(4)
    assert kill(folder, draw.uniform(0, 0.1), real, chunks=1) == 2
    chunks = len(store.chunk_files(folder / SHIPPED))
    assert 0 < chunks < 93
    kill(folder, draw.uniform(0, LIFE), real)
    assert len(store.chunk_files(folder / SHIPPED)) >= chunks
    assert sweeps.sweep(SHIPPED, folder, workers=0, resume=True).table_hash == whole
    assert not list(folder.rglob("*.tmp"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of a small tumour."""
    folder = tmp_path_factory.mktemp("a study")
    (folder / "small.toml").write_text(SMALL, encoding="utf-8")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder / "study.toml"


@pytest.fixture(scope="module")
def told_nothing(study: Path) -> str:
    """The table hash of that study, if it is let."""
    return sweeps.sweep(study, study.parent / "whole", workers=0).table_hash


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.thorough),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.thorough),
    ],
)
def test_a_signal_ends_in_order_and_the_command_it_prints_goes_on(
    tmp_path: Path, number: signal.Signals, code: int, study: Path, told_nothing: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out, folder = tmp_path / "the results", tmp_path / "the results" / "study"
    command = [sys.executable, "-m", "backfire", "sweep", str(study), "--out", str(out), "--workers", "1", "--chunk", "1"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        until_a_chunk(folder, running)
        children = arithmetic.family(running.pid)
        # a terminal tells all who run in it, a scheduler only whom it started
        (os.kill if number == signal.SIGTERM else os.killpg)(running.pid, number)
        _, err = running.communicate(timeout=60)
        assert running.returncode == code, err
        assert arithmetic.gone(children)
    finally:
        end_all(running)
    assert "Traceback" not in err
    assert not list(out.rglob("*.tmp"))
    assert not (folder / "lock").exists()
    stored = store.chunk_files(folder)
    again = re.search(r"what is stored is whole. Go on with: (backfire sweep .*)", err)
    assert again is not None, err
    monkeypatch.setattr(cli_sweep, "_draw", lambda *_: None)  # figures have tests of their own
    assert cli.main(shlex.split(again[1])[1:]) == 0
    shown = capsys.readouterr()
    assert f"resumed: {len(stored)} of 300 members are stored" in shown.err
    assert told_nothing in shown.out


@pytest.mark.parametrize(("second", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_at_once(tmp_path: Path, second: signal.Signals, code: int, undisturbed: str) -> None:
    """After the first it waits for the threads of the caller, which are at a member that takes ten minutes."""
    running = start(tmp_path, threads=True, stuck=[130.0])
    try:
        until_a_chunk(tmp_path, running, 14)  # the chunk after that of the member, so that it has begun
        running.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.5)
        running.send_signal(second)
        assert running.wait(20) == code
    finally:
        end_all(running)
    assert run_plan(arithmetic.plan(COUNT), tmp_path, InlinePool, resume=True).table_hash == undisturbed
