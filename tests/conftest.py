"""What every test shares: its own cache of generated code, and one profile of property-based tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

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


@pytest.fixture(scope="session", autouse=True)
def code_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Generated code goes to a folder of this session, never to the user's own cache."""
    folder = tmp_path_factory.mktemp("code-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKFIRE_CACHE", str(folder))
        yield folder
