"""The cache of generated code: what stands in its place is not waited for, not followed, not run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backfire.scenario.scenario import parse
from backfire.solvers import pycode as codegen
from commands import process
from small import SMALL_FOR_RUNS


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cached code of SMALL_FOR_RUNS, in a folder of its own."""
    monkeypatch.setenv("BACKFIRE_CACHE", str(tmp_path / "code"))
    codegen.generate(parse(SMALL_FOR_RUNS).network)
    (path,) = (tmp_path / "code").iterdir()
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_place_of_cached_code_is_not_waited_for(cached: Path, small: Path) -> None:
    good = cached.read_bytes()
    cached.unlink()
    os.mkfifo(cached)
    done = process("explain", small, "--code")
    assert done.returncode == 0, done.stderr
    assert "def jacobian" in done.stdout
    assert cached.is_file()
    assert cached.read_bytes() == good


def test_a_link_in_place_of_cached_code_is_not_followed(cached: Path, tmp_path: Path) -> None:
    """Its target has a checksum that fits, as whoever puts it there would see to."""
    good = cached.read_text(encoding="utf-8")
    foreign = "raise SystemExit('run by the cache')\n"
    target = tmp_path / "target.py"
    target.write_text(f"{codegen._checksum(foreign)}\n{foreign}", encoding="utf-8")
    kept = target.read_bytes()
    cached.unlink()
    cached.symlink_to(target)
    code = codegen.generate(parse(SMALL_FOR_RUNS).network)
    assert "def jacobian" in code.source
    assert target.read_bytes() == kept
    assert not cached.is_symlink()
    assert cached.read_text(encoding="utf-8") == good


def test_a_folder_in_place_of_cached_code_is_passed_over(cached: Path) -> None:
    cached.unlink()
    cached.mkdir()
    assert "def jacobian" in codegen.generate(parse(SMALL_FOR_RUNS).network).source
    assert list(cached.parent.iterdir()) == [cached]
