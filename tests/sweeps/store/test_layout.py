"""Trajectories of sweeps: the reference solver's numbers, beside every chunk, whole or computed again."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

import backfire
from backfire import cli
from backfire.errors import DocumentError, RefusedError, StorageError, UserError
from backfire.solvers.batch.solve import BatchSettings
from backfire.sweeps import store
from backfire.sweeps.spec import load_sweep, parse_sweep
from backfire.sweeps.store import chunk_path, parquet
from backfire.sweeps.store import folder as store_folder
from backfire.sweeps.store import layout as store_layout
from backfire.sweeps.store.layout import Recording

STUDY = """title = "How much drug, and when?"
scenario = "wnt16b-stroma"
arms = ["monotherapy", "combination"]
outcomes = ["final_burden"]

[trajectories]
every = 0.5

[design]
kind = "grid"

[vary]
mitoxantrone.amount = { values = [2, 8] }
mitoxantrone.every  = { values = [14, 21, 200] }
"""
"""The third interval is longer than the simulation: members 2 and 5 cannot be built."""


FAILED = [2, 5]


DAYS = 241
"""From 0 to 120 in half days."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(study: Path) -> Path:
    """The store of a sweep that nothing happened to, in chunks of two members."""
    return backfire.sweep(study, study.parent / "whole", workers=0, chunk=2).folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy to break: ``<tmp_path>/study``, so that ``--out tmp_path`` means it."""
    return Path(shutil.copytree(whole, tmp_path / "study"))


def test_states_are_those_of_a_run_with_the_reference_solver(whole: Path) -> None:
    frame, manifest = store.read_trajectories(whole)
    rows, _ = store.read_table(whole)
    states = [*manifest["trajectories"]["states"]]
    for member, arm in ((0, "monotherapy"), (4, "combination")):
        row = rows[(rows["member"] == member) & (rows["arm"] == arm)].iloc[0]
        fields = {name: float(row[name]) for name in ("mitoxantrone.amount", "mitoxantrone.every")}
        result = backfire.simulate(backfire.load("wnt16b-stroma").changed(fields), [arm]).trajectories[arm]
        mine = frame[(frame["member"] == member) & (frame["arm"] == arm)].set_index("day")
        for day in (0.0, 7.0, 10.5, 42.0, 63.5, 120.0):
            at = int(np.searchsorted(result.times, day))
            assert result.times[at] == day
            for name in states:
                scale = np.abs(result[name]).max()
                assert mine.loc[day, name] == pytest.approx(result[name][at], rel=1e-4, abs=1e-5 * scale), (member, day, name)


def test_there_is_a_row_for_every_member_arm_and_day(whole: Path) -> None:
    frame, manifest = store.read_trajectories(whole)
    assert len(frame) == 6 * 2 * DAYS
    assert frame["day"].tolist() == [0.5 * index for index in range(DAYS)] * 12
    assert frame["member"].tolist() == np.repeat(np.arange(6), 2 * DAYS).tolist()
    assert frame["arm"].tolist() == (["monotherapy"] * DAYS + ["combination"] * DAYS) * 6
    network = backfire.load("wnt16b-stroma").network
    assert list(frame.columns) == ["member", "arm", "day", *network.state_names]
    units = {state.name: {"unit": state.unit} for state in network.states}
    assert manifest["trajectories"] == {"every": 0.5, "horizon": 120.0, "arms": ["monotherapy", "combination"], "states": units}
    schema = pyarrow.parquet.read_schema(chunk_path(whole, 0, "trajectories"))
    assert {name: {"unit": schema.field(name).metadata[b"unit"].decode()} for name in network.state_names} == units
    assert {schema.field(name).type for name in network.state_names} == {pyarrow.float64()}
    some, _ = store.read_trajectories(whole, 3, 5)
    assert some.equals(frame[frame["member"].isin([3, 4])].reset_index(drop=True))
    assert len(store.read_trajectories(whole, 6)[0]) == 0


def test_members_that_cannot_be_run_have_rows_without_numbers(whole: Path) -> None:
    frame, manifest = store.read_trajectories(whole)
    states = [*manifest["trajectories"]["states"]]
    failed = frame["member"].isin(FAILED)
    assert frame.loc[failed, states].isna().all(axis=None)
    assert frame.loc[~failed, states].notna().all(axis=None)
    rows, _ = store.read_table(whole)
    assert set(rows.loc[rows["status"] != "ok", "member"]) == set(FAILED)


def test_a_member_that_fails_on_the_way_has_numbers_until_then(study: Path, tmp_path: Path) -> None:
    result = backfire.sweep(study, tmp_path, workers=0, settings=BatchSettings(most_steps=60))
    rows, frame = result.table(), result.trajectories()
    assert set(rows.loc[~rows["member"].isin(FAILED), "status"]) == {"max_steps"}
    lost = frame[frame["member"] == 0]["active"].isna().to_numpy().reshape(2, DAYS)
    assert not lost[:, 0].any()
    assert lost[:, -1].all()
    assert (np.diff(lost.astype(int), axis=1) >= 0).all()


@pytest.mark.slow
def test_the_hash_does_not_know_who_computed_or_how_it_was_cut(
    study: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = json.loads((whole / "COMPLETE").read_text(encoding="utf-8"))
    others = [backfire.sweep(study, tmp_path / "two", workers=2, chunk=1).folder]
    others.append(backfire.sweep(study, tmp_path / "none", workers=0).folder)
    # files that would be large have fewer members, whatever is asked
    monkeypatch.setattr(store_layout, "LARGEST_FILE", 4 * 2 * DAYS * 5 * 8)
    others.append(backfire.sweep(study, tmp_path / "small", workers=0, chunk=1000).folder)
    assert [len(store.chunk_files(folder, "trajectories")) for folder in others] == [6, 1, 2]
    for folder in others:
        assert json.loads((folder / "COMPLETE").read_text(encoding="utf-8")) == wanted
        assert store.trajectories_hash(folder) == wanted["trajectories_hash"]
    plain = backfire.sweep(replace(load_sweep(study), recording=None), tmp_path / "plain", workers=0)
    assert plain.table_hash == wanted["table_hash"]
    with pytest.raises(UserError, match=r"no trajectories.*--trajectories DAYS"):
        plain.trajectories()


def test_cut_off_and_resumed_is_as_if_nothing_had_happened(
    study: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store_folder.write_rows

    def full(folder: Path, run: str, schema: Any, first: int, *rest: Any) -> Any:
        if schema.kind == "members" and first == 2:
            raise StorageError("full")
        return write(folder, run, schema, first, *rest)

    monkeypatch.setattr(store_folder, "write_rows", full)
    with pytest.raises(StorageError, match="full"):
        backfire.sweep(study, tmp_path, workers=0, chunk=2)
    monkeypatch.undo()
    folder = tmp_path / "study"
    # the trajectories come first, so rows are never without them; without rows they are no part of the store
    assert [path.name for path in store.chunk_files(folder)] == ["members-00000000.parquet"]
    assert len(store.chunk_files(folder, "trajectories")) == 2
    assert set(store.read_trajectories(folder)[0]["member"]) == {0, 1}
    said: list[str] = []
    result = backfire.sweep(study, tmp_path, workers=0, chunk=3, resume=True, notify=said.append)
    assert "resumed: 2 of 6 members are stored" in said
    assert store.trajectories_hash(result.folder) == store.trajectories_hash(whole)
    assert len(store.chunk_files(folder)) == len(store.chunk_files(folder, "trajectories"))


def damage(path: Path, how: str) -> None:
    content, other = path.read_bytes(), path.with_name("trajectories-00000004.parquet")
    match how:
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "flipped":
            place = len(content) // 3
            path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        case "gone":
            path.unlink()
        case "swapped":
            path.write_bytes(other.read_bytes())
            other.write_bytes(content)
        case "foreign":
            table, footer, _ = parquet.read_file(path, json.loads((path.parents[1] / "COMPLETE").read_text())["run"])
            parquet.write_file(path, table, replace(footer, run="0" * 64), ["arm"])
        case "changed":
            table, footer, _ = parquet.read_file(path, json.loads((path.parents[1] / "COMPLETE").read_text())["run"])
            days = table["day"].to_numpy() + 1.0
            parquet.write_file(path, table.set_column(2, "day", [days]), footer, ["arm"])
        case "longer":
            layout, _ = store.read_layout(path.parents[1])
            columns = layout.recording.columns_of(layout.recording.nothing(3))
            parquet.write_rows(path.parents[1], layout.run, layout.recording.file_schema, 2, 5, columns)
        case "fewer":
            table, footer, _ = parquet.read_file(path, json.loads((path.parents[1] / "COMPLETE").read_text())["run"])
            parquet.write_file(path, table.slice(0, 5), footer, ["arm"])


@pytest.mark.parametrize("how", ["truncated", "flipped", "gone", "swapped", "foreign", "changed", "longer", "fewer"])
def test_a_damaged_file_is_found_put_aside_and_computed_again(study: Path, whole: Path, copy: Path, how: str) -> None:
    damage(chunk_path(copy, 2, "trajectories"), how)
    with pytest.raises(StorageError, match="trajectories-00000002"):
        store.read_trajectories(copy)
    said: list[str] = []
    result = backfire.sweep(study, copy.parent, workers=0, resume=True, chunk=1, notify=said.append)
    assert any(line.startswith("members-00000002.parquet has no sound trajectories beside it") for line in said)
    assert store.trajectories_hash(result.folder) == store.trajectories_hash(whole)
    assert store.table_hash(result.folder) == store.table_hash(whole)
    assert (copy / "COMPLETE").read_text(encoding="utf-8") == (whole / "COMPLETE").read_text(encoding="utf-8")


def test_another_request_is_refused_and_named(study: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["sweep", str(study), "--out", str(copy.parent), "--workers", "0", "--resume", "--trajectories"]
    assert cli.main([*again, "2"]) == 4
    assert "trajectories.every: 0.5 → 2.0" in capsys.readouterr().err
    said: list[str] = []
    backfire.sweep(study, copy.parent, workers=0, resume=True, trajectories=0.5, notify=said.append)
    assert said == ["resumed: 6 of 6 members are stored"]
    made = load_sweep(study)
    with pytest.raises(RefusedError, match=r"trajectories\.every: 0.5 → nothing"):
        backfire.sweep(replace(made, recording=None), copy.parent, workers=0, resume=True)
    with pytest.raises(RefusedError, match=r"trajectories\.arms: .* → \['combination'\]"):
        backfire.sweep(made.recorded(0.5, ["combination"]), copy.parent, workers=0, resume=True)


def test_the_command_line_says_what_it_writes_and_where(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = tmp_path / "study.toml"
    plain.write_text(STUDY.replace("[trajectories]\nevery = 0.5\n", "").replace(", 200]", "]"), encoding="utf-8")
    assert cli.main(["sweep", str(plain), "--out", str(tmp_path), "--workers", "0", "--trajectories", "7"]) == 0
    shown = capsys.readouterr()
    # 18 weeks and the horizon, which is no multiple of them
    assert "about 6.08 kB will be written (4 members × 2 arms × 19 days × 5 states)" in shown.err
    line = re.search(r"trajectories of monotherapy, combination every 7 days: (\S+), [\d.]+ kB\n", shown.out)
    assert line is not None
    assert Path(line[1]).parent.joinpath("trajectories-00000000.parquet").exists()
    assert cli.main(["sweep", "--show", str(tmp_path / "study")]) == 0
    assert line[0] in capsys.readouterr().out
    assert cli.main(["sweep", "--show", str(tmp_path / "study"), "--trajectories", "7"]) == 2


WRONG = {
    "a misspelt key": ("every =", "evry =", r"study:7: trajectories\.evry: unknown key `evry`; did you mean `every`\?"),
    "a misspelt table": ("[trajectories]", "[trajectoris]", r"study:6: trajectoris: .*did you mean `trajectories`\?"),
    "another arm": ("every = 0.5", 'every = 0.5\narms = ["combinaton"]', r"study:8: .*did you mean `combination`\?"),
    "an arm of the scenario only": ("every = 0.5", 'every = 0.5\narms = ["untreated"]', "study:8: .*arm of this study `untreated`"),
    "no interval": ("every = 0.5", "every = 0", r"study:7: .*above 0 and not above the 120.*got 0"),
    "too long": ("every = 0.5", "every = 121", "study:7: .*got 121"),
    "too many days": ("every = 0.5", "every = 1e-300", "study:7: .*more than 100000 days"),
    "a number": ("[trajectories]\nevery = 0.5\n", "trajectories = 0.5\n", "study:6: .*a table"),
    "too much": (
        'every = 0.5\n\n[design]\nkind = "grid"\n\n[vary]\n',
        'every = 0.01\n[design]\nkind = "grid"\n[vary]\ngrowth_rate = { low = 0.1, high = 0.2, points = 500000 }\n',
        r"study:7: .*asks for 2\.88 TB, more than the 1 TB allowed: 3,000,000 members × 2 arms × 12,001 days × 5 states",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_requests_are_refused_with_their_line(name: str) -> None:
    right, wrong, message = WRONG[name]
    text = STUDY.replace(right, wrong)
    assert text != STUDY
    with pytest.raises(DocumentError, match=message):
        parse_sweep(text, "study")


def test_what_python_asks_is_checked_before_anything_is_written(study: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trajectories: .*got nan"):
        backfire.sweep(study, tmp_path, workers=0, trajectories=float("nan"))
    with pytest.raises(UserError, match="batch solver"):
        backfire.sweep(study, tmp_path, workers=0, settings=backfire.Settings())
    assert list(tmp_path.iterdir()) == []
    for taken in ("member", "day"):
        with pytest.raises(UserError, match=f"column `{taken}` of its own"):
            Recording(1.0, 10.0, ("treated",), ("active", taken), ("cell", "1"))


def test_days_are_multiples_and_the_horizon() -> None:
    def days(every: float, horizon: float) -> list[float]:
        return Recording(every, horizon, ("treated",), ("active",), ("cell",)).days.tolist()

    assert days(0.1, 0.5) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert days(4.0, 10.0) == [0.0, 4.0, 8.0, 10.0]
    assert days(10.0, 10.0) == [0.0, 10.0]
    assert len(days(1 / 3, 120.0)) == 361


def test_columns_of_one_name_are_refused() -> None:
    for fields, outcomes in ((("member",), ("a",)), (("a",), ("a",)), (("a_observed",), ("a",))):
        with pytest.raises(UserError, match="two columns"):
            store.TableSchema("0", fields, ("arm1",), outcomes, ("a",))
