"""What every test shares: its own cache of generated code, and one profile of property-based tests."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from small import SMALL_FOR_RUNS

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""Small matrices: workers whose threads wait for each other take ten times as long. Set before anything imports NumPy."""

set_hypothesis_home_dir(os.path.join(tempfile.gettempdir(), "backfire-hypothesis"))
settings.register_profile(
    "backfire",
    deadline=None,
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("explore", settings.get_profile("backfire"), max_examples=300, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "backfire"))


if "BACKFIRE_TESTS_CACHE" not in os.environ:
    # one folder for all workers of a run, so that what one has compiled the others load; set before anything is imported
    os.environ["BACKFIRE_TESTS_CACHE"] = tempfile.mkdtemp(prefix="backfire-tests-")
    atexit.register(shutil.rmtree, os.environ["BACKFIRE_TESTS_CACHE"], ignore_errors=True)
os.environ["BACKFIRE_CACHE"] = os.environ["BACKFIRE_TESTS_CACHE"]


def pytest_configure() -> None:
    """Signals that a shell told us to ignore, as for what it runs in the background, would reach none of the processes
    that tests begin and interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def code_cache() -> Path:
    """Generated and compiled code goes to a folder of this run, never to the user's own cache."""
    return Path(os.environ["BACKFIRE_TESTS_CACHE"])


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The file of a small scenario, to run or to spoil."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL_FOR_RUNS, encoding="utf-8")
    return path
