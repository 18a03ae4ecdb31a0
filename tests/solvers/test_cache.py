"""Where generated code is kept, and that nothing which somebody else put there is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backfire.scenario import parse
from backfire.solvers import cache, generate
from backfire.solvers.cache import cache_folder, keep, read_own
from commands import process
from small import SMALL_FOR_RUNS


def test_the_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKFIRE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "backfire"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "backfire"


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    keep(tmp_path / "model.py", "x = 1\n")
    assert read_own(tmp_path / "model.py") == "x = 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    keep(tmp_path / "elsewhere.py", "x = 1\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "elsewhere.py")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    reasons = {"link": "symbolic link", "pipe": "not a file of this user", "folder": "directory", "absent": "No such file"}
    for name, reason in reasons.items():
        with pytest.raises(OSError, match=reason):
            read_own(tmp_path / f"{name}.py")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only the superuser can give files away")
def test_files_of_other_users_are_not_read(tmp_path: Path) -> None:
    keep(tmp_path / "model.py", "x = 1\n")
    os.chown(tmp_path / "model.py", 12345, -1)
    with pytest.raises(PermissionError, match="not a file of this user"):
        read_own(tmp_path / "model.py")


def test_what_cannot_be_kept_is_no_reason_to_stop(tmp_path: Path) -> None:
    keep(tmp_path / "absent" / "model.py", "x = 1\n")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cached code of SMALL_FOR_RUNS, in a folder of its own."""
    monkeypatch.setenv("BACKFIRE_CACHE", str(tmp_path / "code"))
    generate(parse(SMALL_FOR_RUNS).network)
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
    target.write_text(f"{cache._checksum(foreign)}\n{foreign}", encoding="utf-8")
    kept = target.read_bytes()
    cached.unlink()
    cached.symlink_to(target)
    code = generate(parse(SMALL_FOR_RUNS).network)
    assert "def jacobian" in code.source
    assert target.read_bytes() == kept
    assert not cached.is_symlink()
    assert cached.read_text(encoding="utf-8") == good


def test_a_folder_in_place_of_cached_code_is_passed_over(cached: Path) -> None:
    cached.unlink()
    cached.mkdir()
    assert "def jacobian" in generate(parse(SMALL_FOR_RUNS).network).source
    assert list(cached.parent.iterdir()) == [cached]
