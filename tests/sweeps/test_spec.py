"""Study files: read as written, and every mistake told with its line."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import backfire
from backfire import sampling
from backfire.errors import DocumentError
from backfire.figures import sweep_figures
from backfire.sampling import design_kinds
from backfire.sweeps import store
from backfire.sweeps.spec import load_sweep, parse_sweep, shipped_sweeps

STUDY = """\
title = "How much drug?"
scenario = "wnt16b-stroma"
arms = ["monotherapy", "combination"]
outcomes = ["final_burden", "peak(wnt16b)"]

[design]
kind = "grid"

[vary]
mitoxantrone.amount = { low = 0.5, high = 8, points = 3, scale = "log" }
"stroma.protects_kill" = { values = [0, 1] }
growth_rate = { points = 2 }
"""


def test_a_study_reads_as_written() -> None:
    study = parse_sweep(STUDY)
    assert study.design.fields == ("mitoxantrone.amount", "stroma.protects_kill", "growth_rate")
    assert study.design.members == 12
    rows = study.design.samples(0, 12)
    assert rows[:, 0].tolist() == [0.5] * 4 + [2.0] * 4 + [8.0] * 4
    assert rows[:4, 1].tolist() == [0, 0, 1, 1]
    # the bounds of a parameter are its own plausible range
    assert tuple(rows[:2, 2]) == study.scenario.network.parameters["growth_rate"].range
    assert study.arms == ("monotherapy", "combination")
    assert study.text == STUDY


def test_what_varies_is_not_set() -> None:
    with pytest.raises(DocumentError, match=r"set\.growth_rate: differs between the members, so that setting it changes nothing"):
        parse_sweep(STUDY + "[set]\ngrowth_rate = 0.3\n")


def test_values_can_be_set_for_all_members() -> None:
    study = parse_sweep(STUDY + "\n[set]\ndays = 150\nmitoxantrone.count = 2\n")
    assert study.scenario.days == 150
    assert study.scenario.regimens["mitoxantrone"].count == 2
    with pytest.raises(DocumentError, match=r"sweep:16: set\.mitoxantrone\.cuont: .*mitoxantrone\.count"):
        parse_sweep(STUDY + "\n[set]\ndays = 150\nmitoxantrone.cuont = 2\n")


MISTAKES = {
    "misspelt key": ("outcomes =", "outcome =", 4, "outcomes"),
    "misspelt scenario": ('"wnt16b-stroma"', '"wnt16b-strom"', 2, "wnt16b-stroma"),
    "misspelt arm": ('"monotherapy"', '"monoterapy"', 3, "monotherapy"),
    "misspelt outcome": ('"final_burden"', '"final_burdn"', 4, "final_burden"),
    "misspelt recorded value": ("peak(wnt16b)", "peak(wnt16)", 4, "wnt16b"),
    "arm twice": ('"combination"]', '"monotherapy"]', 3, "twice"),
    "misspelt kind": ('"grid"', '"gird"', 7, "grid"),
    "misspelt field": ("growth_rate =", "growt_rate =", 12, "growth_rate"),
    "misspelt regimen": ("mitoxantrone.amount =", "mitoxantron.amount =", 10, "mitoxantrone.amount"),
    "misspelt word": ("low = 0.5", "lo = 0.5", 10, "low"),
    "misspelt scale": ('"log"', '"logarithmic"', 10, "linear"),
    "text for a number": ("low = 0.5", 'low = "0.5"', 10, "without quotes"),
    "not finite": ("low = 0.5", "low = nan", 10, "finite"),
    "wrong way round": ("high = 8", "high = 0.1", 10, "below high"),
    "both": ("values = [0, 1]", "values = [0, 1], low = 0", 11, "leave out"),
    "no points": ("{ points = 2 }", "{ low = 0.1 }", 12, "points"),
    "no points at all": ("{ points = 2 }", "{ }", 12, "points"),
    "a number alone": ("{ points = 2 }", "0.2", 12, "low = 1"),
    "no range of its own": ("low = 0.5, high = 8", "high = 8", 10, "low and high"),
    "half a dose": (
        'mitoxantrone.amount = { low = 0.5, high = 8, points = 3, scale = "log" }',
        "mitoxantrone.count = { low = 1, high = 8, points = 3 }", 10, "8 are",
    ),
    "members for a grid": ('kind = "grid"', 'kind = "grid"\nmembers = 5', 8, "means nothing"),
    "sobol without members": ('kind = "grid"', 'kind = "sobol"', 6, "members"),
    "points for sobol": ('kind = "grid"', 'kind = "sobol"\nmembers = 5', 11, "grid"),
    "no such table": ('kind = "grid"', 'kind = "table"\nfile = "none.csv"', 8, "none.csv"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_with_line_and_nearest_name(mistake: str) -> None:
    right, wrong, line, hint = MISTAKES[mistake]
    text = STUDY.replace(right, wrong)
    if "table" in mistake:
        text = text[: text.index("[vary]")]
    assert text != STUDY
    with pytest.raises(DocumentError) as caught:
        parse_sweep(text, "study.toml")
    located = [problem for problem in caught.value.problems if problem.line == line and hint in str(problem)]
    assert located, caught.value
    if "points" not in mistake and "sobol" not in mistake:
        assert len(caught.value.problems) == 1, caught.value


def test_all_problems_are_told_together() -> None:
    text = (
        STUDY.replace('"monotherapy"', '"monoterapy"')
        .replace("growth_rate", "growt_rate")
        .replace("mitoxantrone.a", "mitoxantron.a")
    )
    with pytest.raises(DocumentError) as caught:
        parse_sweep(text)
    assert [problem.line for problem in caught.value.problems] == [3, 10, 12]


def test_a_table_is_read_with_lines(tmp_path: Path) -> None:
    text = STUDY[: STUDY.index("[vary]")].replace('"grid"', '"table"\nfile = "members.csv"')
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    table = tmp_path / "members.csv"
    table.write_text("growth_rate,mitoxantrone.amount\n0.1,2\n0.2,4\n\n0.3,8\n", encoding="utf-8-sig")
    study = load_sweep(path)
    assert study.design.samples(0, 3).tolist() == [[0.1, 2], [0.2, 4], [0.3, 8]]
    assert study.table.startswith("growth_rate")
    for content, hint in (
        ("growth_rate\n0.1\nfast\n", "members.csv:3: .*fast"),
        ("growth_rate\n0.1\n0.1,0.2\n", "members.csv:3: .*1 finite"),
        ("growth_rate\nnan\n", "members.csv:2: .*finite"),
        ("growth_rate,growth_rate\n1,2\n", "members.csv:1: .*once"),
        ("growth_rate\n", "no members"),
        ("", "first line"),
        ("growth_rat\n0.1\n", r"study.toml:8: design\.file: .*growth_rate"),
    ):
        table.write_text(content, encoding="utf-8")
        with pytest.raises(DocumentError, match=hint):
            load_sweep(path)


@pytest.mark.parametrize(("axes", "points"), [(4, 1000), (4, 100_000), (20, 100_000), (400, 1_000_000)])
def test_far_too_large_grids_are_refused_before_anything_is_made(axes: int, points: int) -> None:
    import tracemalloc

    lines = "\n".join(f"field_{number} = {{ low = 1, high = 2, points = {points} }}" for number in range(axes))
    text = STUDY[: STUDY.index("mitox")] + lines
    tracemalloc.start()
    with pytest.raises(DocumentError, match=r"members, more than the .* core-years .* TB of disk"):
        parse_sweep(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_a_grid_of_a_million_million_points_is_refused_in_little_memory(tmp_path: Path) -> None:
    """By the command line in a process of its own, whose peak its own memory map tells: a parent's counts in others."""
    lines = "growth_rate = { low = 1, high = 2, points = 1_000_000 }\ncapacity = { low = 1, high = 2, points = 1_000_000 }\n"
    (tmp_path / "study.toml").write_text(STUDY[: STUDY.index("mitox")] + lines, encoding="utf-8")
    code = (
        "import sys\n"
        "from backfire.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-c", code, "sweep", "study.toml", "--out", "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert "study.toml:6: design: asks for 1,000,000,000,000 members, more than the 1,000,000,000 allowed" in done.stderr
    assert "core-years" in done.stderr
    assert int(done.stdout) < 400_000, "kB"
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_seeds_and_members_are_checked() -> None:
    text = STUDY.replace("points = 2", "").replace(", points = 3", "").replace('"grid"', '"sobol"\nmembers = 8')
    assert parse_sweep(text).design.describe()["seed"] == 0
    assert parse_sweep(text.replace("members = 8", "members = 8\nseed = 5")).design.describe()["seed"] == 5
    for wrong in ("members = 0", "members = -1", "members = 1.5", "members = 8\nseed = -1", "members = 2_000_000_000"):
        with pytest.raises(DocumentError):
            parse_sweep(text.replace("members = 8", wrong))
    morris = text.replace('"sobol"\nmembers = 8', '"morris"\ntrajectories = 4')
    with pytest.raises(DocumentError, match="list of values"):
        parse_sweep(morris)
    assert parse_sweep(morris.replace("{ values = [0, 1] }", "{ }")).design.members == 16


@pytest.mark.parametrize("name", shipped_sweeps())
def test_shipped_studies_can_be_run_and_say_what_they_are(name: str) -> None:
    study = load_sweep(name)
    assert 350 <= study.design.members <= 900
    assert study.title.endswith("?")
    assert study.outcomes
    assert f"`backfire sweep {name}`" in study.text
    # every corner of the box can be given: no dose after the end, no count of half a dose
    corners = itertools.product(*((axis.low, axis.high) for axis in study.design.axes))
    for corner in corners:
        study.scenario.changed(dict(zip(study.design.fields, corner, strict=True)))


def test_a_study_is_shipped_for_every_article_and_one_is_ours() -> None:
    from backfire.model.references import ARTICLES

    assert {load_sweep(name).scenario.article for name in shipped_sweeps()} == {*ARTICLES, "ours"}


def test_unknown_studies_are_refused_with_the_nearest() -> None:
    with pytest.raises(DocumentError, match="wnt16b-dose-and-break"):
        load_sweep("wnt16b-dose-and-brake")
    with pytest.raises(DocumentError):
        load_sweep("nowhere/study.toml")


# ------------------------------------------------------------------------------------------ a design in one file

DIAGONAL = '''
"""Members on a diagonal."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from backfire.sampling.designs import Design, setting


def _unlucky(steps):
    return "brings no luck" if steps == 13 else None


@dataclass(frozen=True)
class Diagonal(Design):
    """From the lowest corner of the box straight to the highest."""

    kind: ClassVar[str] = "diagonal"
    title: ClassVar[str] = "a diagonal"
    steps: int = setting("how many steps", 0, needed=True, least=1, check=_unlucky)

    @classmethod
    def count(cls, points, given, /):
        return given["steps"] + 1

    def _samples(self, first, last):
        return np.column_stack([axis.between([member / self.steps for member in range(first, last)]) for axis in self.axes])
'''


@pytest.fixture
def diagonal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with a design that the package finds among its own, and a study that asks for it."""
    (tmp_path / "diagonal.py").write_text(DIAGONAL, encoding="utf-8")
    monkeypatch.setattr(sampling, "__path__", [*sampling.__path__, str(tmp_path)])
    design_kinds.cache_clear()
    text = STUDY.replace('"grid"', '"diagonal"\nsteps = 4').replace(", points = 3", "").replace("{ points = 2 }", "{ }")
    yield text.replace('"stroma.protects_kill" = { values = [0, 1] }\n', "")
    design_kinds.cache_clear()
    sys.modules.pop("backfire.sampling.diagonal")


def test_a_design_in_a_module_of_its_own_is_found_checked_and_swept(tmp_path: Path, diagonal: str) -> None:
    result = backfire.sweep(parse_sweep(diagonal, "study"), tmp_path / "out", workers=0, chunk=2)
    assert result.ok
    found, table = store.read_table(result.folder)[1], result.table()
    low, high = parse_sweep(STUDY).scenario.network.parameters["growth_rate"].range
    assert found["design"]["kind"] == "diagonal"
    assert found["design"]["steps"] == 4
    assert table["growth_rate"][::2].tolist() == pytest.approx([low + share * (high - low) for share in (0, 0.25, 0.5, 0.75, 1)])
    assert table["mitoxantrone.amount"][::2].tolist() == pytest.approx([0.5, 1, 2, 4, 8])
    words = {text.get_text() for _, figure in sweep_figures(result.folder) for text in figure.texts}
    assert any("5 members (a diagonal)" in text for text in words)


def test_the_words_of_a_design_in_a_module_of_its_own_are_checked_as_those_of_others(diagonal: str) -> None:
    for right, wrong, line, message in (
        ('"diagonal"', '"diagonl"', 7, "or `diagonal`, got `diagonl`; did you mean `diagonal`?"),
        ("steps = 4", "step = 4", 8, "did you mean `steps`?"),
        ("steps = 4", "", 6, "a design of kind `diagonal` needs `steps`"),
        ("steps = 4", "steps = 0", 8, "greater than or equal to 1, got 0"),
        ("steps = 4", "steps = 4.5", 8, "a whole number, got number 4.5"),
        ("steps = 4", "steps = 13", 8, "design.steps: brings no luck"),
        ("steps = 4", "steps = 4\nmembers = 3", 9, "means nothing for a design of kind `diagonal`"),
        ("steps = 4", "steps = 4_000_000_000", 6, "asks for 4,000,000,001 members"),
        ("growth_rate = { }", "growth_rate = { points = 2 }", 12, "belongs to a grid; a design of kind `diagonal` has no points"),
    ):
        with pytest.raises(DocumentError) as caught:
            parse_sweep(diagonal.replace(right, wrong))
        assert [problem.line for problem in caught.value.problems] == [line], caught.value
        assert message in str(caught.value)
    with pytest.raises(DocumentError, match="means nothing for a design of kind `grid`"):
        parse_sweep(STUDY.replace('"grid"', '"grid"\nsteps = 4'))


def test_a_design_that_no_module_has_is_unknown() -> None:
    assert [*design_kinds()] == ["grid", "population", "sobol", "latin-hypercube", "morris", "table"]
    with pytest.raises(
        DocumentError, match="must be `grid`, `population`, `sobol`, `latin-hypercube`, `morris` or `table`, got `diagonal`"
    ):
        parse_sweep(STUDY.replace('"grid"', '"diagonal"'))
