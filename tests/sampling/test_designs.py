"""Designs: every member the same in every slice, spread as the method promises; study files that teach."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from backfire.errors import DocumentError, UserError
from backfire.sampling import designs
from backfire.sampling.designs import Axis, Grid, LatinHypercube, Morris, Sobol
from backfire.sweeps.spec import load_sweep, parse_sweep, shipped_sweeps

AXES = (Axis("a", 0, 1), Axis("b", 0.01, 100, scale="log"), Axis("c", 1, 4, whole=True), Axis("d", values=(5, 1, 3)))
BOX = AXES[:3]
MADE = [
    Grid((Axis("a", 0, 1, 5), Axis("b", 0.01, 100, 4, "log"), Axis("d", values=(5, 1, 3)))),
    Sobol(AXES, 128, 7),
    LatinHypercube(AXES, 100, 7),
    Morris(BOX, 9, 4, 7),
    designs.table({"a": [0.1, 0.2, 0.3], "b": [1, 1, 1]}),
]
NAMES = [design.kind for design in MADE]


@pytest.mark.parametrize("design", MADE, ids=NAMES)
def test_a_member_is_the_same_in_every_slice(design: designs.Design) -> None:
    whole = design.samples(0, design.members)
    assert whole.shape == (design.members, len(design.fields))
    assert design.samples(2, 2).shape == (0, len(design.fields))
    for size in (1, 3, design.members - 1):
        parts = [design.samples(first, min(first + size, design.members)) for first in range(0, design.members, size)]
        assert (np.concatenate(parts) == whole).all()
    for first, last in ((-1, 2), (0, design.members + 1), (2, 1)):
        with pytest.raises(UserError):
            design.samples(first, last)


@pytest.mark.parametrize("design", MADE[1:4], ids=NAMES[1:4])
def test_the_seed_decides_and_nothing_else(design: designs.Design) -> None:
    import dataclasses

    whole = design.samples(0, design.members)
    assert (dataclasses.replace(design).samples(0, design.members) == whole).all()
    other = dataclasses.replace(design, seed=8)  # type: ignore[call-arg]
    assert (other.samples(0, design.members) != whole).any()
    assert other.describe() != design.describe()


def test_every_number_of_a_design_stands_in_its_description() -> None:
    """What a sweep is resumed by: a number that is left out could change between two halves of one table."""
    import dataclasses

    axis = Axis("a", 1, 9, 5)
    changes = {"field": "b", "low": 0.5, "high": 8, "points": 6, "scale": "log", "values": (1, 2), "whole": True}
    assert set(changes) == {item.name for item in dataclasses.fields(Axis)}
    told = [Grid((dataclasses.replace(axis, **{word: value}),)).describe() for word, value in changes.items()]  # type: ignore[arg-type]
    told += [Grid((axis,)).describe(), Grid((axis, Axis("b", 1, 9, 5))).describe()]
    told += [MADE[0].describe(), Grid(MADE[0].axes[::-1]).describe()]
    for design in MADE[1:4]:
        told.append(design.describe())
        numbers = [item.name for item in dataclasses.fields(design) if item.name != "axes"]
        assert numbers
        told += [dataclasses.replace(design, **{word: getattr(design, word) - 2}).describe() for word in numbers]
    for columns in ({"a": [1, 2]}, {"b": [1, 2]}, {"a": [2, 1]}, {"a": [1, np.nextafter(2, 3)]}, {"a": [1, 2, 2]}):
        told.append(designs.table(columns).describe())
    for one, other in itertools.combinations(told, 2):
        assert one != other


def test_samples_are_the_same_in_another_process() -> None:
    code = (
        "from backfire.sampling.designs import *\n"
        "axes = (Axis('a', 0, 1), Axis('b', 0.01, 100, scale='log'), Axis('c', 1, 4, whole=True))\n"
        "rows = [LatinHypercube(axes, 50, 7).samples(3, 9).tolist(), Morris(axes, 9, 4, 7).samples(3, 9).tolist()]"
    )
    here: dict[str, object] = {}
    exec(code, here)
    there = subprocess.run([sys.executable, "-c", f"{code}\nprint(rows)"], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == repr(here["rows"])


def test_a_grid_has_every_combination_once_and_exact_ends() -> None:
    grid = MADE[0]
    rows = [tuple(row) for row in grid.samples(0, grid.members).tolist()]
    a = [0, 0.25, 0.5, 0.75, 1]
    b = [0.01, 0.01 * 10 ** (4 / 3), 0.01 * 10 ** (8 / 3), 100]
    expected = list(itertools.product(a, b, [5, 1, 3]))
    assert len(rows) == len(expected) == 60
    for row, wanted in zip(rows, expected, strict=True):
        assert row == pytest.approx(wanted, rel=1e-12)
    assert {row[1] for row in rows} >= {0.01, 100.0}


def test_a_latin_hypercube_visits_every_stratum_once() -> None:
    count = 997
    design = LatinHypercube((Axis("a", 0, 1), Axis("b", 1, 1e6, scale="log"), Axis("c", -3, 5)), count, 3)
    rows = design.samples(0, count)
    shares = np.column_stack([rows[:, 0], np.log10(rows[:, 1]) / 6, (rows[:, 2] + 3) / 8])
    for column in shares.T:
        assert sorted((column * count).astype(int).tolist()) == list(range(count))
    # the orders of two axes have nothing to do with each other
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.1
    assert abs(np.corrcoef(np.arange(count), shares[:, 0])[0, 1]) < 0.1


@given(size=some.integers(1, 3000), seed=some.integers(0, 2**32))
def test_permuted_is_a_permutation(size: int, seed: int) -> None:
    keys = np.random.SeedSequence(seed).generate_state(4, np.uint64).astype(np.uint64)
    assert sorted(designs.permuted(np.arange(size, dtype=np.uint64), size, keys).tolist()) == list(range(size))


def test_sobol_is_the_sequence_of_scipy() -> None:
    from scipy.stats import qmc

    rows = Sobol((Axis("a", 0, 1), Axis("b", 10, 30)), 64, 5).samples(0, 64)
    theirs = qmc.Sobol(2, scramble=True, bits=30, rng=np.random.default_rng(np.random.SeedSequence(5))).random(64)
    assert rows == pytest.approx(theirs * [1, 20] + [0, 10], rel=1e-15)
    # a scrambled Sobol sequence of 64 puts one point in every 1/64 of each axis
    assert sorted((rows[:, 0] * 64).astype(int).tolist()) == list(range(64))


def test_whole_numbers_and_lists_come_equally_often() -> None:
    rows = Sobol(AXES, 1 << 12, 1).samples(0, 1 << 12)
    for column, wanted in ((2, [1, 2, 3, 4]), (3, [1, 3, 5])):
        values, counts = np.unique(rows[:, column], return_counts=True)
        assert values.tolist() == wanted
        assert counts / counts.sum() == pytest.approx(1 / len(wanted), abs=2e-3)


def test_morris_walks_change_one_field_at_a_time() -> None:
    design = Morris((Axis("a", 0, 1), Axis("b", 1, 1000, scale="log"), Axis("c", 3, 9)), 50, 4, 2)
    rows = design.samples(0, design.members)
    shares = np.column_stack([rows[:, 0], np.log10(rows[:, 1]) / 3, (rows[:, 2] - 3) / 6]).reshape(50, 4, 3)
    steps = np.diff(shares, axis=1)
    assert ((np.abs(steps) > 1e-9).sum(axis=2) == 1).all()
    assert np.abs(steps).max(axis=2) == pytest.approx(np.full((50, 3), 2 / 3))
    assert ((np.abs(steps) > 1e-9).sum(axis=1) == 1).all()  # every field once per walk
    assert shares.min() >= -1e-12
    assert shares.max() <= 1 + 1e-12
    assert np.unique(np.round(shares * 3)).tolist() == [0, 1, 2, 3]
    assert (steps > 1e-9).any()
    assert (steps < -1e-9).any()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"low": 1, "high": 1}, "below high"),
        ({"low": 2, "high": 1}, "below high"),
        ({"low": 0, "high": 1, "scale": "log"}, "above 0"),
        ({"low": 0, "high": math.inf}, "below high"),
        ({"low": 0, "high": math.nan}, "below high"),
        ({"low": 0, "high": 1, "points": 1}, "points"),
        ({"low": 0, "high": 1, "points": 10**7}, "points"),
        ({"low": 0, "high": 1, "scale": "cubic"}, "scale"),
        ({"values": (1, 1)}, "twice"),
        ({"values": (math.nan,)}, "finite"),
        ({"values": (1.5,), "whole": True}, "whole"),
        ({"low": 1.5, "high": 3, "whole": True}, "whole"),
        ({"low": 1, "high": 6, "points": 4, "whole": True}, "6 are"),
        ({"low": 1, "high": 8, "points": 4, "whole": True, "scale": "log"}, "list them"),
    ],
)
def test_axes_that_contradict_themselves_are_refused(how: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Axis("a", **how)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ study files

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


def test_sizes_of_any_length_are_shown() -> None:
    assert "1,000,000,000,000 members" in (designs.size_problem(10**12, 10, 2) or "")
    assert "1e50000 members" in (designs.size_problem(10**50_000, 10, 2) or "")
    assert designs.size_problem(10**9, 10, 2) is None


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
    assert 400 <= study.design.members <= 900
    assert study.title.endswith("?")
    assert study.outcomes
    assert f"`backfire sweep {name}`" in study.text
    # every corner of the box can be given: no dose after the end, no count of half a dose
    corners = itertools.product(*((axis.low, axis.high) for axis in study.design.axes))
    for corner in corners:
        study.scenario.changed(dict(zip(study.design.fields, corner, strict=True)))


def test_five_studies_are_shipped_one_per_article() -> None:
    from backfire.model.references import ARTICLES

    assert {load_sweep(name).scenario.article for name in shipped_sweeps()} == set(ARTICLES)


def test_unknown_studies_are_refused_with_the_nearest() -> None:
    with pytest.raises(DocumentError, match="wnt16b-dose-and-break"):
        load_sweep("wnt16b-dose-and-brake")
    with pytest.raises(DocumentError):
        load_sweep("nowhere/study.toml")
