"""Where machine code goes, and compiling in a process beside."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from backfire.solvers.batch import jit
from backfire.solvers.batch.kernel import write_kernel
from networks import ivp


def test_without_a_home_the_machine_code_goes_to_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.delenv("BACKFIRE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert jit.machine_folder().parent.parent == tmp_path
    assert "x0" in write_kernel(ivp({"x": "-x"}, [1.0]))


def test_what_is_compiled_aside_is_there_afterwards_and_its_failure_is_left_out(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "elsewhere.py").write_text(f"def make():\n    open({str(mark)!r}, 'w').close()\n\ndef fail():\n    raise OSError")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        patch.setattr(jit, "usable_cores", lambda: 2)
        with jit.aside("elsewhere", "nothing", "make"):
            pass
        assert mark.exists()
        with jit.aside("elsewhere", "nothing", "fail"):
            pass
        with pytest.raises(ZeroDivisionError), jit.aside("elsewhere", "nothing", "make"):
            raise ZeroDivisionError
