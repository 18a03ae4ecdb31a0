"""Mechanisms of one's own all the way: stored with runs and sweeps, read back, swept by workers, claimed, exported, explained."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backfire
from backfire.claims import evaluate_claims
from backfire.errors import DeclarationError, MechanismError, RefusedError, StorageError
from backfire.mechanisms import shipped
from backfire.model import Mechanism, Parameter, Part
from backfire.reports import page
from backfire.scenario.library import library_of
from backfire.sweeps import load_sweep, rerun, store
from commands import call, clean, process
from own_cells import CELLS, STUDY, WITH_CORE, write

FASTER = CELLS.replace('"wake_rate", 0.05', '"wake_rate", 0.15')


def sha(folder: Path) -> str:
    return hashlib.sha256((folder / "my_cells.py").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files, a run and a sweep by two workers; shared, and therefore copied before it is changed."""
    folder = tmp_path_factory.mktemp("ran")
    scenario = write(folder)
    assert call("run", scenario, "--out", folder / "results") == 0
    assert call("sweep", folder / "resting.toml", "--out", folder / "sweeps", "--workers", 2, "--chunk", 2) == 0
    return folder


@pytest.fixture
def copy(ran: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ran, tmp_path / "copy"))


# -- stored, and read back ---------------------------------------------------------------------------------------------


def test_results_name_and_keep_the_file(ran: Path) -> None:
    run, swept = ran / "results" / "own", ran / "sweeps" / "resting"
    for folder in (run, swept):
        assert json.loads((folder / "manifest.json").read_text())["own_mechanisms"] == {"my_cells.py": sha(ran)}
        assert (folder / "mechanisms" / "my_cells.py").read_bytes() == (ran / "my_cells.py").read_bytes()
    states = {row["name"] for row in csv.DictReader(io.StringIO((run / "trajectories.csv").read_text()))}
    assert "resting" in states
    assert b'"own_mechanisms"' not in json.dumps(backfire.load("wnt16b-stroma").resolved()).encode()


def test_results_are_read_back_without_the_file(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copy / "results" / "own" / "outcomes.csv").read_bytes()
    for name in ("my_cells.py", "own.toml"):
        (copy / name).unlink()
    assert call("redraw", copy / "results" / "own") == 0
    assert (copy / "results" / "own" / "outcomes.csv").read_bytes() == before
    capsys.readouterr()
    assert call("rerun", copy / "sweeps" / "resting", "--member", 4) == 0
    assert capsys.readouterr().out.count("bit-identical") == 2
    assert call("sweep", "--show", copy / "sweeps" / "resting") == 0


def test_results_of_whole_numbers_are_read_back(tmp_path: Path) -> None:
    """A range (0, 1) in Python is no other range than (0.0, 1.0) in what is stored."""
    scenario = write(tmp_path, CELLS.replace("(0.001, 0.1)", "(0, 1)").replace('"wake_rate", 0.05', '"wake_rate", 0'))
    assert call("run", scenario, "--out", tmp_path / "results") == 0
    assert call("redraw", tmp_path / "results" / "own") == 0
    assert backfire.read_run(tmp_path / "results" / "own").scenario.hash == backfire.load(scenario).hash


def test_a_sweep_goes_on_from_the_stored_copy(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    swept = copy / "sweeps" / "resting"
    before = store.table_hash(swept)
    (swept / "chunks" / "members-00000002.parquet").unlink()
    (copy / "my_cells.py").unlink()
    again = ("sweep", copy / "resting.toml", "--out", copy / "sweeps", "--workers", 0, "--resume")
    assert call(*again) == 0
    assert "my_cells.py is not there: going on with the copy that is stored" in capsys.readouterr().err
    assert store.table_hash(swept) == before
    (swept / "chunks" / "members-00000002.parquet").unlink()
    assert backfire.sweep(copy / "resting.toml", copy / "sweeps", workers=0, resume=True).table_hash == before


def test_a_changed_file_is_noticed_and_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    was = sha(copy)
    (copy / "my_cells.py").write_text(FASTER, encoding="utf-8")
    assert call("sweep", copy / "resting.toml", "--out", copy / "sweeps", "--workers", 0, "--resume") == 4
    assert f"own_mechanisms.my_cells.py: {was[:20]}" in capsys.readouterr().err
    own = ("--mechanisms", copy / "my_cells.py")
    for command in (("redraw", copy / "results" / "own"), ("rerun", copy / "sweeps" / "resting", "--member", 0)):
        assert call(*command, *own) == 2
        said = capsys.readouterr().err
        assert f"my_cells.py is not the one that this was computed with (SHA-256 {sha(copy)[:12]}, then {was[:12]})" in said
        assert clean(said)
        assert call(*command) == 0  # by the stored copy
        capsys.readouterr()


def test_a_stored_copy_that_was_changed_is_damage(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, command in (("results/own", ("redraw",)), ("sweeps/resting", ("rerun", "--member", 0))):
        kept = copy / folder / "mechanisms" / "my_cells.py"
        kept.write_text(FASTER, encoding="utf-8")
        assert call(command[0], copy / folder, *command[1:]) == 5
        assert "were changed" in capsys.readouterr().err
        kept.unlink()
        assert call(command[0], copy / folder, *command[1:]) == 5
        assert "are gone" in capsys.readouterr().err
        assert call(command[0], copy / folder, *command[1:], "--mechanisms", copy / "my_cells.py") == 0


def test_what_was_made_with_classes_is_not_damaged_without_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Classes given in Python have no file to be stored: the error names them and the way, wherever it is read back."""
    write(tmp_path, scenario=WITH_CORE.replace('mechanisms_from = ["my_cells.py"]\n', ""))
    core = library_of(tmp_path / "my_cells.py").known["core"]
    result = backfire.simulate(backfire.load(tmp_path / "own.toml", [core]))
    backfire.run([result.scenario], tmp_path / "results")
    swept = backfire.sweep(tmp_path / "resting.toml", tmp_path / "sweeps", workers=0, mechanisms=[core])
    for command in (("redraw", tmp_path / "results" / "own"), ("rerun", swept.folder, "--member", 0)):
        assert call(*command) == 2
        said = capsys.readouterr().err
        assert "unknown mechanism `core`" in said
        assert "--mechanisms FILE" in said
        assert "damaged" not in said
    assert backfire.redraw(tmp_path / "results" / "own", [core]).scenario.hash == result.scenario.hash
    assert not any(row.different for row in rerun(swept.folder, 1, mechanisms=[core])[0])
    (tmp_path / "my_cells.py").write_text(FASTER.replace('"wake_rate * resting"', '"wake_rate * resting * 2"'), encoding="utf-8")
    other = library_of(tmp_path / "my_cells.py").known["core"]
    with pytest.raises(MechanismError, match="class Core is not the one"):
        backfire.redraw(tmp_path / "results" / "own", [other])
    with pytest.raises(RefusedError, match=r"own_mechanisms\.class Core"):
        backfire.sweep(tmp_path / "resting.toml", tmp_path / "sweeps", workers=0, resume=True, mechanisms=[other])


def test_damage_is_still_damage(copy: Path) -> None:
    manifest = copy / "results" / "own" / "manifest.json"
    data = json.loads(manifest.read_text())
    for own in ("my_cells.py", ["my_cells.py"], {"my_cells.py": 3}, {"../own.py": "0" * 64}):
        manifest.write_text(json.dumps(data | {"own_mechanisms": own}))
        with pytest.raises(StorageError):
            backfire.read_run(copy / "results" / "own")


# -- known everywhere --------------------------------------------------------------------------------------------------


def test_both_ways_of_naming_a_file_and_python_give_the_same_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = backfire.load(write(tmp_path))
    bare = tmp_path / "own.toml"
    bare.write_text(WITH_CORE.replace('mechanisms_from = ["my_cells.py"]\n', ""), encoding="utf-8")
    own = tmp_path / "my_cells.py"
    given = [backfire.load(bare, [own]), backfire.load(bare, str(own)), backfire.parse(WITH_CORE, "own", folder=tmp_path)]
    assert {item.network.fingerprint() for item in given} == {first.network.fingerprint()}
    assert {item.hash for item in given} == {first.hash}
    for command in (
        ["run", "--out", str(tmp_path / "results")],
        ["check"],
        ["explain", "--latex"],
        ["explain", "--code"],
        ["export"],
    ):
        assert call(command[0], bare, *command[1:], "--mechanisms", own) == 0, command
        capsys.readouterr()
        assert call(command[0], bare, *command[1:]) == 2
        assert "unknown mechanism `core`" in capsys.readouterr().err


def test_lists_schema_explanation_and_page_know_them(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, scenario = ran / "my_cells.py", ran / "own.toml"
    assert call("mechanisms", "--mechanisms", own) == 0
    shown = capsys.readouterr().out
    for word in (
        "core",
        "stroma",
        "Cells far from vessels rest",
        "rest_rate * active",
        "0.001 … 0.1",
        "the cells that come to rest",
        sha(ran),
    ):
        assert word in shown
    assert call("mechanisms", "core", "--mechanisms", own) == 0
    assert "wake_rate" in capsys.readouterr().out
    assert call("mechanisms", "--changes", "active", "--mechanisms", own) == 0
    assert "core" in capsys.readouterr().out
    assert call("mechanisms", "core") == 2
    capsys.readouterr()
    assert call("schema", "--mechanisms", own) == 0
    known = json.loads(capsys.readouterr().out)["properties"]["mechanisms"]["properties"]
    assert set(known) == {"core", *shipped()}
    assert call("explain", scenario) == 0
    assert f"my_cells.py, SHA-256 {sha(ran)}" in capsys.readouterr().out
    written = page(backfire.load(scenario))
    assert sha(ran) in written
    assert "backfire check own.toml  " in written
    assert "cells come to rest" in written
    bare = backfire.parse(WITH_CORE.replace('mechanisms_from = ["my_cells.py"]\n', ""), "own", own)
    assert "backfire check own.toml --mechanisms my_cells.py" in page(bare)


def test_members_and_the_batch_solver_take_the_equations_of_the_file(tmp_path: Path) -> None:
    """Against a closed form: without growth and drug, cells go to rest and wake, x' = -a·x + b·y, y' = a·x - b·y."""
    write(tmp_path)
    of = backfire.load(tmp_path / "own.toml").changed({"growth_rate": 1e-300})
    samples = np.array([[0.02, 0.05], [0.1, 0.01], [0.05, 0.2]])
    cohort = backfire.run_members(of, ["rest_rate", "wake_rate"], samples, ["untreated"], ["final(resting)", "final(active)"])
    start, days = dict(zip(of.network.state_names, of.start_state(), strict=True)), of.days
    total = start["active"] + start["resting"]
    for member, (rest, wake) in enumerate(samples):
        limit = total * rest / (rest + wake)
        expected = limit + (start["resting"] - limit) * np.exp(-(rest + wake) * days)
        assert cohort.values["untreated"]["final(resting)"][member] == pytest.approx(expected, rel=1e-6)
        assert cohort.values["untreated"]["final(active)"][member] == pytest.approx(total - expected, rel=1e-6)


def test_a_changed_rate_is_compiled_anew(tmp_path: Path) -> None:
    """The machine code is kept under the equations, not under the names."""
    found = []
    for text in (CELLS, CELLS.replace('f"rest_rate * {self.of}"', 'f"2 * rest_rate * {self.of}"')):
        of = backfire.load(write(tmp_path, text))
        cohort = backfire.run_members(of, ["rest_rate"], np.array([[0.02], [0.04]]), ["untreated"], ["final(resting)"])
        found.append(cohort.values["untreated"]["final(resting)"])
    assert found[1][0] == pytest.approx(found[0][1], rel=1e-6)
    assert found[1][0] > 1.2 * found[0][0]


def test_workers_give_the_table_of_one_process(ran: Path, tmp_path: Path) -> None:
    alone = backfire.sweep(ran / "resting.toml", tmp_path, workers=0)
    assert alone.table_hash == store.table_hash(ran / "sweeps" / "resting")
    loaded = load_sweep(ran / "resting.toml")
    assert backfire.sweep(loaded, tmp_path / "recorded", workers=0, trajectories=10.0).trajectories()["resting"].max() > 1e5


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
def test_dask_workers_know_them(ran: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        found = backfire.sweep(ran / "resting.toml", tmp_path, executor=client)
    assert found.table_hash == store.table_hash(ran / "sweeps" / "resting")


def test_claims_of_a_scenario_with_them_in_worker_processes(ran: Path) -> None:
    """The claims of an article on another tumour: what counts is that they are evaluated, here and in other processes."""
    scenario = backfire.load(write(ran / "claimed", scenario=_claimed()))
    (one,) = evaluate_claims(["wnt16b-stroma"], only=["M4.1"], loaded={"wnt16b-stroma": scenario}).findings
    several = evaluate_claims(["wnt16b-stroma"], variants=True, workers=2, only=["M4.1"], loaded={"wnt16b-stroma": scenario})
    assert one.reason == ""
    assert several.findings[0].margin == one.margin
    assert [item.verdict for item in several.variants["M4.1"] if item.variant.settings is not None]


def _claimed() -> str:
    text = Path(backfire.shipped_scenarios()["wnt16b-stroma"]).read_text(encoding="utf-8")
    text = text.replace("[mechanisms]", '[mechanisms]\ncore = { of = "active" }', 1)
    return re.sub(r"(?m)^days ", 'mechanisms_from = ["my_cells.py"]\ndays ', text, count=1)


def test_exports_in_all_formats_and_roadrunner_agrees(ran: Path) -> None:
    roadrunner = pytest.importorskip("roadrunner")
    scenario = backfire.load(ran / "own.toml")
    antimony = backfire.export(scenario, to="antimony")
    assert "resting_start: active => resting; rest_rate * active;" in antimony
    assert backfire.export(scenario, to="omex").startswith(b"PK")
    engine = roadrunner.RoadRunner(backfire.export(scenario, "untreated"))
    engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = 1e-10, 1e-6
    theirs = engine.simulate(0, scenario.days, 31, ["time", "resting", "active"])
    ours = backfire.simulate(scenario, ["untreated"]).trajectories["untreated"]
    rows = np.searchsorted(ours.times, theirs[:, 0])
    for column, name in ((1, "resting"), (2, "active")):
        values = ours.values[rows, ours.names.index(name)]
        np.testing.assert_allclose(theirs[:, column], values, rtol=1e-5)


def test_where_nothing_could_be_stored_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    write(tmp_path, scenario=WITH_CORE.replace('mechanisms_from = ["my_cells.py"]\n', ""))
    done = process("sweep", "resting.toml", "--workers", "0", "--mechanisms", "my_cells.py", "--out", "/proc/none", cwd=tmp_path)
    assert done.returncode == 5
    assert clean(done.stderr)
    assert "--resume" not in done.stderr


# -- classes given in Python -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Plain(Mechanism):
    """A number."""

    label = "plain"

    def parts(self) -> Iterator[Part]:
        yield Parameter("plain_number", 1.0, "1", "for a test", range=(0.5, 2.0), source="a test", grade="assumed")


def test_classes_are_checked_like_files() -> None:
    taken: Any = dataclasses.dataclass(frozen=True)(type("Taken", (Plain,), {"label": "kill", "__annotations__": {}}))
    with pytest.raises(DeclarationError, match="`kill` is the name of a shipped mechanism"):
        library_of([taken])
    with pytest.raises(DeclarationError, match="needs label"):
        library_of([type("Nameless", (Plain,), {})])
    with pytest.raises(DeclarationError, match="is no mechanism"):
        library_of([3])  # type: ignore[list-item]
    with pytest.raises(DeclarationError, match="is no mechanism"):
        library_of([dict])  # type: ignore[list-item]
    assert library_of(Plain).known["plain"] is Plain  # type: ignore[arg-type]
    assert library_of([Plain, Plain]).classes == (Plain,)


def test_a_study_is_read_with_files_too(ran: Path) -> None:
    loaded = load_sweep(ran / "resting.toml", [ran / "my_cells.py"])
    assert loaded.text == STUDY
    assert [file.name for file in loaded.scenario.library.files] == ["my_cells.py"]
