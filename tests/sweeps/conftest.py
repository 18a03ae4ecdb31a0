"""What many tests of sweeps begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

import arithmetic
from arithmetic import COUNT
from backfire.sweeps.driver import run_plan
from backfire.sweeps.workers import InlinePool
from small import SMALL, STUDY


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table hash of a sweep that nothing happened to."""
    return run_plan(arithmetic.plan(COUNT), tmp_path_factory.mktemp("undisturbed"), InlinePool).table_hash


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture
def sound(study: Path) -> Path:
    """The study without members that cannot be built."""
    study.write_text(STUDY.replace(", 30]", "]"), encoding="utf-8")
    return study
