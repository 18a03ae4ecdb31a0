"""Stored runs: damaged, tampered with, half of another, held by another process."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backfire.system import lock
from commands import call, clean, process
from small import SMALL_FOR_RUNS


@dataclass(frozen=True)
class Stored:
    """A copy of a run to damage, and another run of the same scenario file with one parameter changed."""

    folder: Path
    other: Path

    def manifest(self) -> dict[str, Any]:
        data = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        assert isinstance(data, dict)
        return data

    def keep(self, manifest: dict[str, Any]) -> None:
        (self.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    def rows(self) -> str:
        return (self.folder / "trajectories.csv").read_text(encoding="utf-8")

    def rewrite(self, rows: str, signed: bool = False) -> None:
        """Other rows; ``signed`` ones come with a manifest that has their checksum."""
        assert rows != self.rows()
        (self.folder / "trajectories.csv").write_text(rows, encoding="utf-8")
        if signed:
            self.keep(self.manifest() | {"trajectories_sha256": hashlib.sha256(rows.encode()).hexdigest()})


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    (place / "small.toml").write_text(SMALL_FOR_RUNS, encoding="utf-8")
    assert call("run", place / "small.toml", "--out", place / "one") == 0
    assert call("run", place / "small.toml", "--out", place / "two", "--set", "growth_rate=0.2") == 0
    return place


@pytest.fixture
def stored(two_runs: Path, tmp_path: Path) -> Stored:
    folder = shutil.copytree(two_runs / "one" / "small", tmp_path / "small")
    return Stored(folder, two_runs / "two" / "small")


def one_digit(run: Stored) -> None:
    lines = run.rows().split("\n")
    place = next(index for index in range(len(lines) // 2, len(lines)) if ",burden," in lines[index])
    arm, day, name, value, unit = lines[place].split(",")
    lines[place] = ",".join([arm, day, name, value[:-1] + str((int(value[-1]) + 1) % 10), unit])
    run.rewrite("\n".join(lines))


def renamed_arm(run: Stored) -> None:
    manifest = run.manifest()
    manifest["arms"] = {arm.replace("monotherapy", "another"): about for arm, about in manifest["arms"].items()}
    run.keep(manifest)
    run.rewrite(run.rows().replace("monotherapy,", "another,"), signed=True)


def without_burden(run: Stored, signed: bool) -> None:
    kept = [line for line in run.rows().split("\n") if ",burden," not in line]
    run.rewrite("\n".join(kept), signed)


def without_some_burden(run: Stored) -> None:
    lines = run.rows().split("\n")
    places = [index for index, line in enumerate(lines) if ",burden," in line]
    del lines[places[len(places) // 2]]
    run.rewrite("\n".join(lines), signed=True)


def changed(**entries: Any) -> Callable[[Stored], None]:
    return lambda run: run.keep(run.manifest() | entries)


def lacking(key: str) -> Callable[[Stored], None]:
    return lambda run: run.keep({name: value for name, value in run.manifest().items() if name != key})


def text_instead(text: str) -> Callable[[Stored], None]:
    def write(run: Stored) -> None:
        (run.folder / "manifest.json").write_text(text, encoding="utf-8")

    return write


def other_steps(change: Callable[[dict[str, Any]], object]) -> Callable[[Stored], None]:
    """Other steps, with a manifest that has their checksum."""

    def write(run: Stored) -> None:
        place, content = run.folder / "steps.npz", io.BytesIO()
        with np.load(place) as kept:
            arrays = dict(kept)
        change(arrays)
        np.savez(content, **arrays)
        place.write_bytes(content.getvalue())
        run.keep(run.manifest() | {"steps_sha256": hashlib.sha256(content.getvalue()).hexdigest()})

    return write


DAMAGES: dict[str, Callable[[Stored], object]] = {
    "one digit of a value": one_digit,
    "three characters less": lambda run: run.rewrite(run.rows()[:-3]),
    "rows of another run": lambda run: shutil.copy(run.other / "trajectories.csv", run.folder),
    "manifest of another run": lambda run: shutil.copy(run.other / "manifest.json", run.folder),
    "burden rows dropped": lambda run: without_burden(run, signed=False),
    "burden rows dropped, checksum to match": lambda run: without_burden(run, signed=True),
    "one burden row dropped, checksum to match": without_some_burden,
    "no rows, checksum to match": lambda run: run.rewrite("arm,day,name,value,unit\n", signed=True),
    "text for a number, checksum to match": lambda run: run.rewrite(run.rows().replace(",10.0,", ",ten,"), signed=True),
    "an arm renamed in both files": renamed_arm,
    "steps of another run": lambda run: shutil.copy(run.other / "steps.npz", run.folder),
    "no steps": lambda run: (run.folder / "steps.npz").unlink(),
    "steps cut short": lambda run: (run.folder / "steps.npz").write_bytes((run.folder / "steps.npz").read_bytes()[:500]),
    "no steps of an arm, checksum to match": other_steps(lambda kept: kept.pop("untreated.times")),
    "empty steps, checksum to match": other_steps(lambda kept: kept.update({name: kept[name][:0] for name in kept})),
    "the first ten steps, checksum to match": other_steps(lambda kept: kept.update({name: kept[name][:10] for name in kept})),
    "steps backwards, checksum to match": other_steps(
        lambda kept: kept.update({"untreated.times": kept["untreated.times"][::-1]})
    ),
    "steps of text, checksum to match": other_steps(
        lambda kept: kept.update({"untreated.times": kept["untreated.times"].astype(str)})
    ),
    "no hash": lacking("hash"),
    "no format": lacking("format"),
    "no checksum": lacking("trajectories_sha256"),
    "no arms": lacking("arms"),
    "format 99": changed(format=99),
    "a hash of another scenario": changed(hash="0" * 12),
    "a number for a name": changed(name=7),
    "a list for a name": changed(name=["small"]),
    "a path for a name": changed(name="../small"),
    "an empty scenario": changed(scenario={}),
    "no scenario": changed(scenario=None),
    "an unknown method": changed(solver={"method": "Euler"}),
    "an unknown setting": changed(solver={"step": 1.0}),
    "brackets without end": text_instead("[" * 100_000),
    "a list": text_instead("[]"),
    "a number": text_instead("7"),
    "nothing": text_instead(""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_redraw_refuses_what_does_not_fit_together(damage: str, stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    DAMAGES[damage](stored)
    before = {path.name: path.read_bytes() for path in stored.folder.iterdir()}
    assert call("redraw", stored.folder) == 5
    shown = capsys.readouterr()
    assert shown.out == ""
    assert clean(shown.err), shown.err
    assert len(shown.err.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in stored.folder.iterdir()} == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("name", ["manifest.json", "trajectories.csv", "steps.npz"])
@pytest.mark.parametrize("endless", [False, True], ids=["a pipe", "a device"])
def test_redraw_waits_for_no_pipe_and_reads_no_device(name: str, endless: bool, stored: Stored) -> None:
    place = stored.folder / name
    place.unlink()
    if endless:
        place.symlink_to("/dev/zero")
    else:
        os.mkfifo(place)
    done = process("redraw", stored.folder)
    assert done.returncode == 5
    assert clean(done.stderr)
    assert f"{name} is no file" in done.stderr


def test_a_copy_of_a_run_is_redrawn(stored: Stored) -> None:
    """What makes the refusals above mean something."""
    before = (stored.folder / "outcomes.csv").read_bytes()
    (stored.folder / "outcomes.csv").unlink()
    assert call("redraw", stored.folder) == 0
    assert (stored.folder / "outcomes.csv").read_bytes() == before


def test_redraw_refuses_damaged_runs(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("redraw", tmp_path / "nothing") == 5
    assert call("run", small, "--out", tmp_path / "out") == 0
    folder = tmp_path / "out" / "small"
    text = (folder / "trajectories.csv").read_text(encoding="utf-8")
    (folder / "trajectories.csv").write_text(text[: len(text) // 2], encoding="utf-8")
    assert call("redraw", folder) == 5
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    assert call("redraw", folder) == 5
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_takes_one_run_at_a_time(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out" / "small"
    folder.mkdir(parents=True)
    with lock(folder, "run"):
        assert call("run", small, "--out", tmp_path / "out") == 4
        shown = capsys.readouterr().err
        assert "another run is writing here" in shown
        assert clean(shown)
        assert [path.name for path in folder.iterdir()] == ["lock"]
    assert call("run", small, "--out", tmp_path / "out") == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with lock(folder, "run"):
        assert call("redraw", folder) == 4
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
