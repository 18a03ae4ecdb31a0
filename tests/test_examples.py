"""Every example runs alone, says something, and leaves its figure.

``python tests/test_examples.py`` writes the real outputs, and the figures, into the studies; ``python tests/test_examples.py FOLDER``
the table of the articles' pairs over the populations in a folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire.figures.answers import answers
from backfire.populations import read_population
from commands import called
from console import blocks_in, followed, output_of, rewrite, same

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_there_are_examples_and_they_are_numbered() -> None:
    numbers = sorted(path.name[:2] for path in (ROOT / "examples").glob("[0-9]*"))
    assert numbers == [f"{number:02d}" for number in range(1, len(numbers) + 1)]
    assert EXAMPLES


LONG = {
    "03_dose_and_spread",
    "13_virtual_trial",
    "04_switch_the_response_off",
    "08_cost_of_resistance",
    "14_which_feedback",
    "15_which_parameter",
}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=pytest.mark.thorough if path.stem in LONG else ()) for path in EXAMPLES],
)
def test_example_runs(path: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(path), str(tmp_path)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if "savefig" in path.read_text(encoding="utf-8"):
        figures = list(tmp_path.glob("*.png"))
        assert figures
        assert all(figure.read_bytes().startswith(b"\x89PNG") for figure in figures)


OWN = ROOT / "examples" / "06_own_mechanism"


@pytest.mark.thorough  # compiles, and computes a sweep twice
def test_an_own_mechanism_is_known_to_every_command(tmp_path: Path) -> None:
    """What its README says, word for word, in a folder of its own; and the same from Python."""
    folder = shutil.copytree(OWN, tmp_path / "own", ignore=shutil.ignore_patterns("results", "__pycache__"))
    block = re.findall(r"```sh\n(.*?)```", (OWN / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    said = {}
    for command in block.splitlines():
        program, *words = shlex.split(command)
        start = [sys.executable] if program == "python" else [sys.executable, "-m", "backfire"]
        done = called([*start, *words], timeout=900, cwd=folder)
        assert done.returncode == 0, (command, done.stderr)
        said[words[0]] = done.stdout
    assert [*said] == ["check", "mechanisms", "explain", "run", "sweep", "rerun", "export", "from_python.py"]
    assert "t_cell_loss" in said["mechanisms"]
    assert r"\begin{" in said["explain"]
    assert said["rerun"].count("bit-identical") == 2
    assert "bit-identical" in said["from_python.py"]
    manifest = json.loads((folder / "results" / "lymphoma" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["own_mechanisms"] == {"my_cells.py": hashlib.sha256((folder / "my_cells.py").read_bytes()).hexdigest()}
    outcomes = backfire.read_run(folder / "results" / "lymphoma").outcomes
    burdens = [outcomes[arm]["final_burden"].value for arm in ("untreated", "monotherapy")]
    assert burdens[1] > 50 * burdens[0]  # the treatment provokes the relapse


def test_an_own_mechanism_runs_in_libroadrunner(tmp_path: Path) -> None:
    roadrunner = pytest.importorskip("roadrunner")
    scenario = backfire.load(OWN / "lymphoma.toml")
    engine = roadrunner.RoadRunner(backfire.export(scenario, "monotherapy", out=tmp_path / "lymphoma.xml"))
    engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = 1e-10, 1e-6
    theirs = engine.simulate(0, 75, 151, ["time", "t_cells", "active"])
    course = backfire.simulate(scenario, ["monotherapy"]).trajectories["monotherapy"]
    between = [day for day in range(1, 76) if day not in (14, 21, 28)]  # on the day of a dose either side may be shown
    ours = course.values[np.searchsorted(course.times, between)]
    for column, name in ((1, "t_cells"), (2, "active")):
        np.testing.assert_allclose(
            theirs[2:151:2][[day - 1 for day in between], column],
            ours[:, course.names.index(name)],
            rtol=1e-5,
            atol=1e-6 * ours[:, course.names.index(name)].max(),
        )


STUDY = ROOT / "examples" / "09_own_study"


@pytest.mark.slow  # compiles, samples a box of parameters, and computes a sweep
@pytest.mark.thorough
def test_a_study_of_ones_own_is_told_step_by_step(tmp_path: Path) -> None:
    """In an empty folder, as a new user would: what its README shows is what every command prints."""
    for command, shown, printed in followed(STUDY / "README.md", tmp_path):
        assert same(shown, printed) or shown == printed, command
    run = backfire.read_run(tmp_path / "results" / "my-study")
    assert {item.name for item in answers(run)} == {"exhausted_t_cells", "t_cells", "pd_l1"}
    assert [*run.trajectories] == ["untreated", "docetaxel_alone", "early", "delayed"]
    assert run.scenario.reference == "docetaxel_alone"
    figures = ("results/my-study/comparison.png", "board/claims.png", "results/sweeps/my-sweep/figures/surface.png")
    for written in (*figures, "my-study.md", "early.xml"):
        assert (tmp_path / written).stat().st_size > 1000


def test_the_study_of_ones_own_shows_its_figure_and_all_its_files() -> None:
    text, made = (STUDY / "README.md").read_text(encoding="utf-8"), backfire.load(STUDY / "my-study.toml")
    assert f"my-study {made.hash}".encode() in (STUDY / "my-study.png").read_bytes()
    assert {path.name for path in STUDY.iterdir() if path.is_file()} == {"README.md", *re.findall(r"\]\(([\w.-]+)\)", text)}
    commands = [command.split()[1] for command, _ in blocks_in(text)]
    assert commands[0] == "new"
    assert {"check", "run", "claims", "sweep", "rerun", "explain", "export"} <= {*commands}


PLAUSIBLE = ROOT / "examples" / "12_plausible_tumours"


@pytest.mark.thorough  # compiles, and simulates some thousand tumours
def test_plausible_tumours_are_told_step_by_step(tmp_path: Path) -> None:
    for command, shown, printed in followed(PLAUSIBLE / "README.md", tmp_path):
        assert same(shown, printed) or shown == printed, command
    kept = read_population(tmp_path / "results" / "populations" / "plausible")[0]
    assert len(kept) == 300
    assert (tmp_path / "results" / "populations" / "plausible" / "message.png").stat().st_size > 1000


def test_the_plausible_tumours_show_their_figures_and_all_their_files() -> None:
    text, made = (PLAUSIBLE / "README.md").read_text(encoding="utf-8"), backfire.load(PLAUSIBLE / "my-tumour.toml")
    for figure in ("population.png", "message.png"):
        assert f"my-tumour {made.hash}".encode() in (PLAUSIBLE / figure).read_bytes()
    files = {path.name for path in PLAUSIBLE.iterdir() if path.is_file()}
    assert files == {"README.md", *re.findall(r"\]\(([\w.-]+)\)", text)}


REACTING = ROOT / "examples" / "10_treatment_that_reacts"
RULED = [path.stem for path in sorted(REACTING.glob("*.toml")) if path.stem != "when-to-pause"]


@pytest.mark.thorough  # runs a command in a process of its own
def test_treatment_that_reacts_is_told_from_a_question_to_a_figure(tmp_path: Path) -> None:
    """What its README shows is what the command prints; every file is linked; the figure is that of the file."""
    text = (REACTING / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in REACTING.iterdir() if path.is_file()} == {"README.md", *re.findall(r"\]\(([\w.-]+)\)", text)}
    ((command, shown, printed),) = followed(REACTING / "README.md", tmp_path)
    assert same(shown, printed) or shown == printed, command
    made = backfire.load(REACTING / "acquired-resistance.toml")
    assert f"acquired-resistance {made.hash}".encode() in (REACTING / "acquired-resistance.png").read_bytes()
    found = backfire.read_run(tmp_path / "results" / "acquired-resistance").outcomes
    assert found["maximum"]["time_to_progression"].observed
    assert not found["adaptive"]["time_to_progression"].observed
    assert 6.5 < found["maximum"]["doses_erlotinib"].value / found["adaptive"]["doses_erlotinib"].value < 7.5


@pytest.mark.parametrize("name", RULED)
def test_every_family_of_rules_reacts(name: str) -> None:
    """Every arm with rules is given something else than was planned."""
    of = backfire.load(REACTING / f"{name}.toml")
    assert of.warnings == ()
    ruled = [arm for arm in of.arms if of.reacting(arm)]
    result = backfire.simulate(of, ruled)
    assert result.ok
    for arm in ruled:
        assert result.given(arm) != of.doses(arm), arm


PAIR = ROOT / "examples" / "11_pair_and_schedule"


@pytest.mark.thorough  # runs commands in processes of their own
def test_a_pair_and_a_schedule_are_told_from_a_question_to_a_figure(tmp_path: Path) -> None:
    text = (PAIR / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in PAIR.iterdir() if path.is_file()} == {"README.md", *re.findall(r"\]\(([\w.-]+)\)", text)}
    ((command, shown, printed),) = followed(PAIR / "README.md", tmp_path)
    assert same(shown, printed) or shown == printed, command
    made = backfire.load("wnt16b-stroma")
    for figure in ("synergy.png", "front.png"):
        assert f"wnt16b-stroma {made.hash}".encode() in (PAIR / figure).read_bytes()
    for line in "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[:2]).splitlines():
        words = [*shlex.split(line)[1:], *(["--generations", "4"] if " optimise " in line and "--vary" in line else [])]
        done = called([sys.executable, "-m", "backfire", *words], timeout=300, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "best" / "comparison.png").exists()


def test_a_mechanism_of_ones_own_takes_under_thirty_lines() -> None:
    text = (ROOT / "examples" / "02_your_own_mechanism.py").read_text(encoding="utf-8")
    mechanism = text[text.index("@dataclass") : text.index("SCENARIO")]
    assert len([line for line in mechanism.splitlines() if line.strip()]) < 30


def update_pairs(populations: Path) -> None:
    """Write the table of the articles' pairs over their populations, folders of which stand in one, as its README commands it."""
    text = (PAIR / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```sh\n((?:backfire (?:population|synergy) .*\n)+)```\n\n```text\n(.*?)```", text, re.DOTALL)
    assert found is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "results").mkdir()
        (folder / "results" / "populations").symlink_to(populations.resolve())
        printed = [output_of(line, folder) for line in found[1].splitlines() if line.split()[1] == "synergy"]
    assert "beyond Bliss" in printed[-1], printed
    (PAIR / "README.md").write_text(text[: found.start(2)] + printed[-1].lstrip("\n") + text[found.end(2) :], encoding="utf-8")


def update() -> None:
    """Write what the commands of the studies really print, and their figures, into their folders."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rewrite(STUDY / "README.md", {command: printed for command, _, printed in followed(STUDY / "README.md", folder)})
        shutil.copy(folder / "results" / "my-study" / "comparison.png", STUDY / "my-study.png")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {command: printed for command, _, printed in followed(PLAUSIBLE / "README.md", folder)}
        rewrite(PLAUSIBLE / "README.md", found)
        shutil.copy(folder / "results" / "plausible-population" / "comparison.png", PLAUSIBLE / "population.png")
        shutil.copy(folder / "results" / "populations" / "plausible" / "message.png", PLAUSIBLE / "message.png")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rewrite(REACTING / "README.md", {command: printed for command, _, printed in followed(REACTING / "README.md", folder)})
        shutil.copy(folder / "results" / "acquired-resistance" / "comparison.png", REACTING / "acquired-resistance.png")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rewrite(PAIR / "README.md", {command: printed for command, _, printed in followed(PAIR / "README.md", folder)})
        shutil.copy(folder / "results" / "synergy" / "wnt16b-stroma" / "synergy.png", PAIR / "synergy.png")
        output_of(
            re.findall(r"^backfire optimise .*--outcome .*--outcome .*$", (PAIR / "README.md").read_text("utf-8"), re.M)[0],
            folder,
        )
        shutil.copy(folder / "results" / "optimise" / "wnt16b-stroma" / "front.png", PAIR / "front.png")


if __name__ == "__main__":
    update_pairs(Path(sys.argv[1])) if sys.argv[1:] else update()
