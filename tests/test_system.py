"""The ground: a lock that cannot be fooled, files whole or absent."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import arithmetic
from backfire import system
from backfire.errors import RefusedError, StorageError
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import InlinePool
from backfire.system import lock, require_writable, write_whole

PLAN = arithmetic.plan(40)


HOLD = """
import sys, time
from pathlib import Path
from backfire.system import lock, require_writable, write_whole
with lock(Path(sys.argv[1]), "sweep"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_writer_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RefusedError, match=str(holder.pid)), lock(tmp_path, "sweep"):
        pass
    # what looks left over may be what the holder is writing just now
    (tmp_path / "chunks").mkdir()
    writing = [tmp_path / ".manifest.json.host.1.abc.tmp", tmp_path / "chunks" / ".members-00000000.parquet.host.1.abc.tmp"]
    for path in writing:
        path.write_bytes(b"half")
    for resume in (False, True):
        with pytest.raises(RefusedError, match=f"another sweep is writing.*{holder.pid}"):
            run_plan(PLAN, tmp_path, InlinePool, resume=resume)
    assert [path.read_bytes() for path in writing] == [b"half", b"half"]
    holder.kill()
    holder.wait(60)
    holder.stdout.close()
    assert (tmp_path / "lock").exists()
    with lock(tmp_path, "sweep"):
        assert json.loads((tmp_path / "lock").read_text(encoding="utf-8"))["pid"] == os.getpid()
    assert not (tmp_path / "lock").exists()


def test_a_process_number_given_to_somebody_else_fools_nobody(tmp_path: Path) -> None:
    """A stale lock that names a process which is alive, but is not the one that wrote it."""
    mine = system._me()
    (tmp_path / "lock").write_text(json.dumps({**mine, "pid": 1}), encoding="utf-8")
    with lock(tmp_path, "sweep"):
        pass


def test_the_lock_of_another_machine_is_never_taken(tmp_path: Path) -> None:
    left = {"host": "elsewhere", "pid": os.getpid(), "boot": "another", "since": "2026-01-01"}
    (tmp_path / "lock").write_text(json.dumps(left), encoding="utf-8")
    with pytest.raises(RefusedError, match="elsewhere"), lock(tmp_path, "sweep"):
        pass
    assert json.loads((tmp_path / "lock").read_text(encoding="utf-8")) == left
    for same in ({"boot": system._boot() or "x", "host": system._me()["host"]}, {"host": system._me()["host"]}):
        (tmp_path / "lock").write_text(json.dumps({**left, **same}), encoding="utf-8")
        with lock(tmp_path, "sweep"):
            pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(StorageError), lock(tmp_path, "sweep"):
        pass
    assert victim.read_text(encoding="utf-8") == "precious"


def test_a_disk_that_refuses_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "old").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space"):
        system.write_whole(tmp_path / "old", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_device_or_a_pipe_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for place in (pipe, tmp_path / "link"):
        for write in (lambda: write_whole(place, "x"), lambda: require_writable(place)):  # noqa: B023
            with pytest.raises(RefusedError, match="no file"):
                write()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["link", "pipe"]
