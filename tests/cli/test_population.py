"""The command ``population``: a folder of tumours, the same whatever the workers; and the report where there are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backfire import load, simulate
from commands import call
from own_cells import CELLS, WITH_CORE
from small import SMALL

FILE = """
title = "Small tumours that come back"
scenario = "small.toml"
article = "none"
members = 60

[claims]
grows = "final_burden(untreated) > 2 * nadir(untreated)"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_population_is_a_folder_of_tumours_that_satisfy_the_claims(study: Path, tmp_path: Path) -> None:
    assert call("population", study, "--seed", "3", "--workers", "0", "--out", tmp_path / "one") == 0
    folder = tmp_path / "one" / "mine"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["found"]
    assert 0 < manifest["share_of_box"] <= 1
    assert (folder / "marginals.png").stat().st_size > 1000
    members = pd.read_parquet(folder / "members.parquet")
    assert len(members) == 60
    scenario = load(study.parent / "small.toml")
    for row in members[manifest["inputs"]].iloc[:5].to_dict("records"):
        outcomes = simulate(scenario.changed(row), ["untreated"]).outcomes["untreated"]
        assert outcomes["final_burden"].value > 2 * outcomes["nadir"].value


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(study: Path, tmp_path: Path) -> None:
    for workers in ("0", "2"):
        assert call("population", study, "--members", "30", "--workers", workers, "--out", tmp_path / workers) == 0
    one, two = (sorted((tmp_path / workers / "mine").iterdir()) for workers in ("0", "2"))
    assert [path.name for path in one] == [path.name for path in two]
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name
    assert call("population", study, "--members", "30", "--workers", "0", "--seed", "1", "--out", tmp_path / "other") == 0
    other = pd.read_parquet(tmp_path / "other" / "mine" / "members.parquet")
    assert not np.array_equal(other, pd.read_parquet(tmp_path / "0" / "mine" / "members.parquet"))


def test_mechanisms_of_ones_own_and_json(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = tmp_path / "cells.py"
    cells.write_text(CELLS, encoding="utf-8")
    (tmp_path / "small.toml").write_text(WITH_CORE.replace('mechanisms_from = ["my_cells.py"]', ""), encoding="utf-8")
    words = ("population", study, "--members", "20", "--workers", "0", "--format", "json", "--out", tmp_path / "own")
    assert call(*words) == 2
    assert "core" in capsys.readouterr().err
    assert call(*words, "--mechanisms", cells) == 0
    shown = json.loads(capsys.readouterr().out)
    assert "rest_rate" in shown["inputs"]
    low, high = shown["share_of_box_interval_95"]
    assert low < shown["share_of_box"] < high
    stored = json.loads((tmp_path / "own" / "mine" / "manifest.json").read_text(encoding="utf-8"))
    assert len(stored.pop("sha256")) == 64
    assert shown == stored


def test_the_central_tumour_is_a_scenario_in_which_the_claims_hold(study: Path, tmp_path: Path) -> None:
    assert call("population", study, "--members", "40", "--workers", "0", "--central", "--out", tmp_path) == 0
    central = load(tmp_path / "mine" / "central.toml")
    members = pd.read_parquet(tmp_path / "mine" / "members.parquet")
    outcomes = simulate(central, ["untreated"]).outcomes["untreated"]
    assert outcomes["final_burden"].value > 2 * outcomes["nadir"].value
    growth = members["growth_rate"]
    assert growth.min() <= central.inputs["growth_rate"].value <= growth.max()


def test_where_nothing_can_be_searched_a_central_tumour_is_refused_before_sampling(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = 'growth_rate = { value = 0.1, source = "measured", grade = "paper" }'
    (tmp_path / "small.toml").write_text(SMALL.replace("[regimens]", f"[parameters]\n{measured}\n[regimens]"), encoding="utf-8")
    others = [name for name in load(tmp_path / "small.toml").network.parameters if name != "growth_rate"]
    study.write_text(FILE + "\n[vary]\n" + "".join(f"{name} = false\n" for name in others), encoding="utf-8")
    assert call("population", study, "--workers", "0", "--central", "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err == (
        "backfire: mine: has no central tumour, which is looked for among assumed values, and nothing that varies here has one\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.thorough
def test_claims_that_contradict_each_other_end_in_a_report(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.write_text(FILE + 'shrinks = "final_burden(untreated) < 0.5 * nadir(untreated)"\n', encoding="utf-8")
    assert call("population", study, "--workers", "0", "--out", tmp_path / "none") == 3
    shown = capsys.readouterr().out
    assert "no tumour found that satisfies every claim" in shown
    assert "shrinks" in shown
    manifest = json.loads((tmp_path / "none" / "mine" / "manifest.json").read_text(encoding="utf-8"))
    assert not manifest["found"]
    assert manifest["closest"]["violated"]


def test_what_is_wrong_is_said_before_anything_runs(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("population", study, "--members", "0", "--out", tmp_path / "x") == 2
    assert "at least one member" in capsys.readouterr().err
    study.write_text(FILE.replace("untreated)", "untreatd)"), encoding="utf-8")
    assert call("population", study, "--workers", "0", "--out", tmp_path / "x") == 2
    assert "did you mean `untreated`" in capsys.readouterr().err


HARD = """
title = "Small tumours of a rare kind"
scenario = "small.toml"
article = "none"
members = 60

[claims]
slow = "final_burden(untreated) < 8 * nadir(untreated)"
shrinks = "final_burden(monotherapy) < 0.05 * final_burden(untreated)"
large = "final_burden(untreated) > 1e9"
back = "final_burden(monotherapy) > 5 * nadir(monotherapy)"
"""


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "lock"}


@pytest.mark.thorough
def test_a_killed_command_goes_on_to_the_same_bytes(study: Path, tmp_path: Path) -> None:
    study.write_text(HARD, encoding="utf-8")
    words = ["population", str(study), "--workers", "0", "--rounds", "2", "--sentences"]
    command = [sys.executable, "-m", "backfire", *words]
    assert subprocess.run([*command, "--out", str(tmp_path / "plain")], check=False).returncode == 0
    moments = ["level 2", "level 4", "all claims hold", "what each sentence is worth: 2"]
    for _ in range(60):
        with subprocess.Popen([*command, "--out", str(tmp_path / "killed")], stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            for line in running.stderr:
                assert moments or not line.startswith("what each sentence is worth: 1"), "it was known"
                if moments and line.startswith(moments[0]):
                    running.kill()
                    del moments[0]
                    break
            running.stderr.read()
        if running.returncode == 0:
            break
    assert not moments
    plain, found = files_of(tmp_path / "plain" / "mine"), files_of(tmp_path / "killed" / "mine")
    assert not json.loads(plain["manifest.json"])["method"].startswith("rejection")
    assert found == plain


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
def test_dask_gives_the_same_bytes(study: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    study.write_text(HARD, encoding="utf-8")
    words = ("population", study, "--rounds", "1")
    assert call(*words, "--workers", "2", "--out", tmp_path / "workers") == 0
    for path in (Path(os.environ["BACKFIRE_CACHE"]) / "unfinished").glob("mine-*"):
        path.unlink()
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
    ):
        assert call(*words, "--dask", cluster.scheduler_address, "--out", tmp_path / "dask") == 0
    assert files_of(tmp_path / "dask" / "mine") == files_of(tmp_path / "workers" / "mine")
    assert call(*words, "--dask", "tcp://127.0.0.1:1", "--out", tmp_path / "nobody") == 6
