"""Every example runs alone, says something, and leaves its figure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_there_are_examples_and_they_are_numbered() -> None:
    numbers = sorted(path.name[:2] for path in (ROOT / "examples").glob("[0-9]*"))
    assert numbers == [f"{number:02d}" for number in range(1, len(numbers) + 1)]
    assert EXAMPLES


LONG = {"04_switch_the_response_off", "08_cost_of_resistance"}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in LONG else ()) for path in EXAMPLES],
)
def test_example_runs(path: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(path), str(tmp_path)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if "savefig" in path.read_text(encoding="utf-8"):
        figures = list(tmp_path.glob("*.png"))
        assert figures
        assert all(figure.read_bytes().startswith(b"\x89PNG") for figure in figures)


def test_a_mechanism_of_ones_own_takes_under_thirty_lines() -> None:
    text = (ROOT / "examples" / "02_your_own_mechanism.py").read_text(encoding="utf-8")
    mechanism = text[text.index("@dataclass") : text.index("SCENARIO")]
    assert len([line for line in mechanism.splitlines() if line.strip()]) < 30
