"""The README tells the truth: its commands run, and its outputs are what they print.

``python tests/test_readme.py`` writes the real outputs (and the figure) into the README.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n\$ (.+)\n((?:.*\n)*?)```")
FIGURE = ROOT / "examples" / "wnt16b-stroma.png"


def blocks() -> list[tuple[str, str]]:
    return [(match.group(1), match.group(2)) for match in BLOCK.finditer(README.read_text(encoding="utf-8"))]


def output_of(command: str, folder: Path) -> str:
    """stdout, then stderr of a README command, without trailing blanks."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # stderr is appended, not mixed in: the order in which two streams reach a pipe is nobody's promise
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )
    return "\n".join(line.rstrip() for line in (done.stdout + done.stderr).strip("\n").splitlines()) + "\n"


def rounded(text: str) -> str:
    """Long decimals to six digits: the last ones belong to the machine, not to the reader."""
    return re.sub(r"\d+\.\d{6,}(?:e-?\d+)?", lambda number: f"{float(number.group()):.6g}", text)


def prepare(folder: Path) -> None:
    shutil.copytree(ROOT / "configs", folder / "configs")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("readme")
    prepare(folder)
    return {command: output_of(command, folder) for command, _ in blocks()}


def test_there_are_thirteen_commands() -> None:
    assert len(blocks()) == 13


@pytest.mark.parametrize("command", [command for command, _ in blocks()])
def test_command_prints_what_the_readme_shows(command: str, outputs: dict[str, str]) -> None:
    assert rounded(outputs[command]) == rounded(dict(blocks())[command])


def test_the_figure_is_of_the_shipped_scenario() -> None:
    from backfire.scenario import load

    assert f"wnt16b-stroma {load('wnt16b-stroma').hash}".encode() in FIGURE.read_bytes()


def test_python_blocks_run(tmp_path: Path) -> None:
    codes = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(codes) == 2
    outputs = []
    for code in codes:
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert "combination" in outputs[0]
    assert (tmp_path / "stronger.png").exists()
    assert 0.1 < float(outputs[1]) < 1.5


def test_two_set_up_commands_and_the_examples_are_named() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(re.findall(r"^python3 -m venv .+$", text, re.MULTILINE)) == 2
    assert "five scripts" in text
    assert len(list((ROOT / "examples").glob("*.py"))) == 5


def test_every_shipped_scenario_is_named() -> None:
    text = README.read_text(encoding="utf-8")
    for path in (ROOT / "configs" / "scenarios").glob("*.toml"):
        assert f"`{path.stem}`" in text


def update() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        written = BLOCK.sub(
            lambda match: f"```console\n$ {match.group(1)}\n{output_of(match.group(1), folder)}```",
            README.read_text(encoding="utf-8"),
        )
        README.write_text(written, encoding="utf-8")
        shutil.copy(folder / "results" / "wnt16b-stroma" / "comparison.png", FIGURE)


if __name__ == "__main__":
    update()
