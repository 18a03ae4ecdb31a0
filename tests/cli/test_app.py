"""The command line as a program: exit codes, terminals, pipes, streams and signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backfire.scenario.scenario import shipped_scenarios
from backfire.simulation.run_folder import read_run
from commands import call, called, clean, process, python, shell


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert re.fullmatch(r"backfire \d+\.\d+\S*\n", capsys.readouterr().out)


def test_a_bug_of_ours_is_a_short_message_and_a_log(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("backfire.reports.runs.simulate", broken)
    assert call("run", small, "--out", tmp_path / "out") == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    log = Path(shown.split("the whole story: ")[1].strip())
    assert "unforeseen" in log.read_text(encoding="utf-8")
    log.unlink()


def test_ascii_terminals_and_closed_pipes_do_no_harm(small: Path, tmp_path: Path) -> None:
    done = process("run", small, "--out", tmp_path / "out", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    piped = shell("backfire explain wnt16b-stroma | head -1")
    assert piped.stdout.count("\n") == 1
    assert "Traceback" not in piped.stderr
    assert "BrokenPipe" not in piped.stderr


def test_a_garbage_matplotlib_backend_and_another_locale_change_nothing(small: Path, tmp_path: Path) -> None:
    plain, odd = tmp_path / "plain", tmp_path / "odd"
    assert process("run", small, "--out", plain).returncode == 0
    environment = {**os.environ, "MPLBACKEND": "TkAgg", "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Kathmandu", "DISPLAY": ""}
    assert process("run", small, "--out", odd, env=environment).returncode == 0
    for name in ("outcomes.csv", "trajectories.csv"):
        assert (plain / "small" / name).read_bytes() == (odd / "small" / name).read_bytes()


def test_a_backend_that_does_not_exist_changes_nothing(small: Path, tmp_path: Path) -> None:
    done = process("run", small, "--out", tmp_path / "out", env={**os.environ, "MPLBACKEND": "garbage"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "small" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_closed_streams_do_no_harm(small: Path, tmp_path: Path) -> None:
    done = shell('backfire run "$1" --out "$2" >&-', small, tmp_path / "one")
    assert done.returncode == 0, done.stderr
    assert clean(done.stderr)
    assert "written:" in done.stderr
    assert read_run(tmp_path / "one" / "small").ok
    assert (tmp_path / "one" / "small" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert shell("backfire --version >&- 2>&- <&-").returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_said_once(small: Path, tmp_path: Path) -> None:
    done = shell('backfire run "$1" --out "$2" >/dev/full', small, tmp_path / "out")
    assert done.returncode == 5
    assert clean(done.stderr), done.stderr
    assert done.stderr.count("No space left on device") == 1
    assert read_run(tmp_path / "out" / "small").ok


HUNG_UP = """
import os, signal, sys
from backfire import cli
from backfire.reports import runs as study

draw = study.image

def image(figure, form):
    os.kill(os.getpid(), signal.SIGHUP)
    return draw(figure, form)

study.image = image
sys.exit(cli.main(sys.argv[1:]))
"""
"""A run whose terminal goes away when its numbers are written and its figure is not."""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_a_terminal_that_hangs_up_ends_with_129_and_whole_files(small: Path, tmp_path: Path) -> None:
    done = python("-c", HUNG_UP, "run", small, "--out", tmp_path / "out")
    assert done.returncode == 129, done.stderr
    assert "interrupted" in done.stderr
    assert clean(done.stderr)
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert not (tmp_path / "out" / "small" / "comparison.png").exists()
    assert read_run(tmp_path / "out" / "small").ok


@pytest.mark.skipif(not shutil.which("nohup"), reason="no nohup here")
def test_nohup_keeps_its_word(small: Path, tmp_path: Path) -> None:
    done = called(["nohup", sys.executable, "-c", HUNG_UP, "run", str(small), "--out", str(tmp_path / "out")])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "small" / "comparison.png").exists()


@pytest.mark.thorough
def test_sigterm_ends_with_143_and_whole_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backfire", "run", *shipped_scenarios(), "--out", str(tmp_path / "out")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    latest = time.monotonic() + 120
    while not list((tmp_path / "out").glob("*/comparison.png")):
        assert running.poll() is None
        assert time.monotonic() < latest
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 143
    assert not list((tmp_path / "out").rglob("*.tmp"))
    for manifest in (tmp_path / "out").rglob("manifest.json"):
        json.loads(manifest.read_text(encoding="utf-8"))
