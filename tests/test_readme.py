"""The documents tell the truth: their commands run, their outputs are what these print, and their links lead somewhere.

``python tests/test_readme.py`` writes the real outputs into ``docs/commands.md``, and the figure of the README.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from console import blocks_in, output_of, reader_environment, rewrite, same

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
COMMANDS = ROOT / "docs" / "commands.md"
FIGURE = ROOT / "examples" / "wnt16b-stroma.png"


LONG = ("backfire trial", "backfire ablation", "backfire sensitivity")
"""Studies compile several models and simulate thousands of tumours; each stands for itself."""


def blocks() -> list[tuple[str, str]]:
    return [block for path in (README, COMMANDS) for block in blocks_in(path.read_text(encoding="utf-8"))]


def prepare(folder: Path) -> None:
    shutil.copytree(ROOT / "configs", folder / "configs")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("readme")
    prepare(folder)
    return {command: output_of(command, folder) for command, _ in blocks() if not command.startswith(LONG)}


def test_there_are_seventeen_commands() -> None:
    assert len(blocks()) == 17


@pytest.mark.parametrize(
    "command",
    [pytest.param(command, marks=pytest.mark.thorough) for command, _ in blocks() if command.startswith(LONG)],
)
def test_study_prints_what_the_how_to_shows(command: str, tmp_path: Path) -> None:
    shown, printed = dict(blocks())[command], output_of(command, tmp_path)
    assert same(shown, printed) or shown == printed


@pytest.mark.slow  # every command in a process of its own
@pytest.mark.parametrize("command", [command for command, _ in blocks() if not command.startswith(LONG)])
def test_command_prints_what_the_how_to_shows(command: str, outputs: dict[str, str]) -> None:
    shown, printed = dict(blocks())[command], outputs[command]
    assert same(shown, printed) or shown == printed  # where they differ, show how


def test_decimals_are_compared_as_a_reader_would() -> None:
    assert same("kill 1.23 of -0.0456", "kill 1.24 of -0.0457")
    assert same("7.028576220750537,day", "7.028576220711111,day")
    assert not same("kill 1.23", "kill 1.25")
    assert not same("member 604", "member 605")
    assert not same("7.0285762", "7.0286862")
    assert not same("hash 4f4d86e323a0", "hash 4f4d86e323a1")


def test_the_figure_is_of_the_shipped_scenario() -> None:
    from backfire.scenario.scenario import load

    assert f"wnt16b-stroma {load('wnt16b-stroma').hash}".encode() in FIGURE.read_bytes()


def test_python_blocks_run(tmp_path: Path) -> None:
    codes = re.findall(r"```python\n(.*?)```", COMMANDS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(codes) == 2
    outputs = []
    for code in codes:
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert "combination" in outputs[0]
    assert (tmp_path / "stronger.png").exists()
    first, last = map(float, outputs[1].split())
    assert 0 < last < first / 2 < 1.5  # the shield, in the middle of two thousand tumours


def test_two_set_up_commands_and_the_examples_are_named() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(re.findall(r"^python3 -m venv .+$", text, re.MULTILINE)) == 2
    assert "ten scripts" in text
    assert len(list((ROOT / "examples").glob("*.py"))) == 10


def test_the_readme_is_short_and_every_link_leads_somewhere() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150
    for path in (README, *DOCUMENTS):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (path.parent / target).exists(), (path.name, target)
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", README.read_text(encoding="utf-8")))
    assert linked == {path.name for path in DOCUMENTS}


@pytest.mark.slow
def test_the_first_five_minutes(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    section = text[text.index("## Five minutes") : text.index("## Where to go")]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    commands = [line.partition("  #")[0] for line in block.splitlines()]
    assert len(commands) == 5
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, env=reader_environment(), check=False
        )
        assert done.returncode == 0, (command, done.stderr)
    assert (tmp_path / "wnt16b.html").stat().st_size > 100_000
    assert (tmp_path / "my-study.toml").exists()


def test_every_shipped_scenario_is_named() -> None:
    text = README.read_text(encoding="utf-8")
    for path in (ROOT / "configs" / "scenarios").glob("*.toml"):
        assert f"`{path.stem}`" in text


def update() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        printed = {command: output_of(command, folder) for command, _ in blocks()}
        for path in (README, COMMANDS):
            rewrite(path, printed)
        shutil.copy(folder / "results" / "wnt16b-stroma" / "comparison.png", FIGURE)


if __name__ == "__main__":
    update()
