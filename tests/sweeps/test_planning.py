"""Sweeps of real scenarios, from the command line and from Python: right numbers, right words, right exit codes."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import multiprocessing
import random
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

import backfire
from backfire.errors import RefusedError, UserError
from backfire.scenario import input_label, kind_of
from backfire.scenario.scenario import load
from backfire.solvers.batch.solve import BatchSettings
from backfire.sweeps import planning as sweeps
from backfire.sweeps import store
from backfire.sweeps.spec import parse_sweep
from commands import call, sweep
from small import SMALL, STUDY
from sweep_script import until_a_chunk


def test_from_study_to_table_to_summary(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(study) == 3
    shown = capsys.readouterr()
    folder = study.parent / "out" / "study"
    assert sorted(path.name for path in folder.iterdir()) == [
        "COMPLETE", "SUMMARY.json", "chunks", "figures", "manifest.json", "resolved.json", "study.toml",
    ]  # fmt: skip
    assert (folder / "study.toml").read_text(encoding="utf-8") == STUDY
    assert "How much drug, and when?" in shown.out
    assert "9 of 9 members stored, 18 rows" in shown.out
    assert "illustrative, not clinically calibrated" in shown.out
    assert "3 members failed (6 rows)" in shown.err
    table, manifest = store.read_table(folder)
    assert len(table) == 18
    failed = table[table["drug.every"] == 30]
    assert set(failed["status"]) == {"not_run"}
    assert failed["reason"].str.contains("after the end").all()
    assert failed["final_burden"].isna().all()
    assert manifest["outcomes"]["time_to_progression"] == {
        "unit": "day", "meaning": manifest["outcomes"]["time_to_progression"]["meaning"], "time": True,
    }  # fmt: skip
    assert manifest["fields"]["drug.amount"]["unit"] == "EC50"
    assert manifest["design"]["vary"]["drug.amount"] == {"low": 1.0, "high": 16.0, "scale": "log", "points": 3}
    assert manifest["scenario"]["untreated"] == "untreated"
    assert manifest["scenario"]["values"] == {"drug.amount": 4.0, "drug.every": 7.0}


def test_rows_are_what_a_run_by_hand_gives(sound: Path) -> None:
    """Against the run of one scenario file, which knows nothing of members."""
    sweep(sound)
    table, _ = store.read_table(sound.parent / "out" / "study")
    for row in table[table["member"].isin([0, 3])].to_dict("records"):
        scenario = load(sound.parent / "small.toml").changed({"drug.amount": row["drug.amount"], "drug.every": row["drug.every"]})
        result = backfire.simulate(scenario, [row["arm"]])
        outcomes, trajectory = result.outcomes[row["arm"]], result.trajectories[row["arm"]]
        for name in ("final_burden", "time_to_progression", "log_kill_last"):
            if name in outcomes:
                assert row[name] == pytest.approx(outcomes[name].value, rel=2e-4, nan_ok=True), (row["arm"], name)
        assert row["time_to_progression_observed"] == outcomes["time_to_progression"].observed
        # the effect of a bolus peaks when it is given, on a recorded day
        assert row["peak(effect_drug)"] == pytest.approx(trajectory["effect_drug"].max(), rel=2e-3)


def test_show_reads_and_does_not_simulate(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep(study) == 3
    first = capsys.readouterr().out

    def never(*_: object, **__: object) -> None:
        raise AssertionError("simulated")

    for name in ("backfire.simulation.arms.solve", "backfire.sweeps.planning.run_members", "backfire.sweeps.repeat.run_members"):
        monkeypatch.setattr(name, never)
    folder = study.parent / "out" / "study"
    assert call("sweep", "--show", folder) == 3
    assert capsys.readouterr().out == first
    store.chunk_files(folder)[0].unlink()
    assert call("sweep", "--show", folder) == 0
    shown = capsys.readouterr()
    assert "0 of 9 members stored" in shown.out
    assert "--resume" in shown.err
    assert call("sweep", "--show", study.parent) == 5


def test_a_folder_is_not_reused_by_accident(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(sound) == 0
    before = store.table_hash(sound.parent / "out" / "study")
    assert sweep(sound) == 4
    assert "--resume" in capsys.readouterr().err
    assert sweep(sound, "--resume") == 0
    assert "6 of 6 members are stored" in capsys.readouterr().err
    assert store.table_hash(sound.parent / "out" / "study") == before


CHANGES = {
    "an axis": ("high = 16", "high = 17", "design.vary.drug.amount.high: 16.0 → 17.0"),
    "points": ("points = 3", "points = 4", "design.vary.drug.amount.points: 3 → 4"),
    "scale": (', scale = "log"', "", "design.vary.drug.amount.scale: log → linear"),
    "values": ("[5, 7]", "[5, 6]", "design.vary.drug.every.values"),
    "order of fields": (
        'drug.amount = { low = 1, high = 16, points = 3, scale = "log" }\ndrug.every = { values = [5, 7] }',
        'drug.every = { values = [5, 7] }\ndrug.amount = { low = 1, high = 16, points = 3, scale = "log" }',
        "design.fields: ['drug.amount', 'drug.every'] → ['drug.every', 'drug.amount']",
    ),
    "another field": ("drug.every = { values = [5, 7] }", "drug.start = { values = [5, 7] }", "design.vary.drug.start.values: nothing"),
    "outcomes": (', "log_kill_last"', "", "outcomes: "),
    "arms": ("outcomes =", 'arms = ["monotherapy"]\noutcomes =', "arms: "),
    "a value for all": ("[design]", "[set]\ngrowth_rate = 0.2\n\n[design]", "scenario.parameters.growth_rate.value"),
    "kind of design": ('kind = "grid"', 'kind = "sobol"\nmembers = 4', "design.kind: grid → sobol"),
}  # fmt: skip


SCENARIO_CHANGES = {
    "days": ("days = 30", "days = 31", "scenario.days: 30.0 → 31.0"),
    "a regimen": ("start = 10", "start = 9", "scenario.regimens.drug.start: 10.0 → 9.0"),
    "a law": ('"logistic"', '"gompertz"', "scenario.mechanisms.growth.law"),
    "a rule of outcomes": ("[arms]", "[outcomes]\nprogression = 1.3\n\n[arms]", "scenario.outcomes.progression: 1.2 → 1.3"),
    "arms": ('["drug"]\n', '["drug"]\nother = ["drug"]\n', "scenario.arms.other"),
    "record": ("days = 30", "days = 30\nrecord_every = 0.25", "scenario.record_every: 0.5 → 0.25"),
    "a switch or parameter": (
        "[regimens]",
        "[parameters]\ndrug_kill_rate = 1.5\n\n[regimens]",
        "scenario.parameters.drug_kill_rate.value",
    ),
}


def test_a_changed_study_is_refused_and_the_change_is_named(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(sound) == 0
    for file, text, changes in (
        (sound, sound.read_text(encoding="utf-8"), CHANGES),
        (sound.parent / "small.toml", SMALL, SCENARIO_CHANGES),
    ):
        for right, wrong, named in changes.values():
            different = text.replace(right, wrong)
            if "sobol" in wrong:
                different = different.replace(", points = 3", "")
            assert different != text
            file.write_text(different, encoding="utf-8")
            capsys.readouterr()
            assert sweep(sound, "--resume") == 4, named
            assert named in capsys.readouterr().err
        file.write_text(text, encoding="utf-8")


def test_words_workers_and_chunks_may_change(sound: Path) -> None:
    assert sweep(sound) == 0
    folder = sound.parent / "out" / "study"
    before = store.table_hash(folder)
    sound.write_text(sound.read_text(encoding="utf-8").replace("How much", "How little"), encoding="utf-8")
    (sound.parent / "small.toml").write_text(SMALL.replace("A small", "A very small"), encoding="utf-8")
    store.chunk_files(folder)[0].unlink()
    assert call("sweep", sound, "--out", sound.parent / "out", "--workers", 1, "--resume", "--chunk", 4) == 0
    assert [path.name for path in store.chunk_files(folder)] == ["members-00000000.parquet", "members-00000004.parquet"]
    assert store.table_hash(folder) == before


def test_changed_settings_code_and_libraries_are_refused(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = sound.parent / "out"
    backfire.sweep(sound, out, workers=0)
    with pytest.raises(RefusedError, match=r"solver\.relative: 1e-06 → 1e-07"):
        backfire.sweep(sound, out, workers=0, resume=True, settings=BatchSettings(relative=1e-7))
    with pytest.raises(RefusedError, match=r"solver\.name: batch → reference"):
        backfire.sweep(sound, out, workers=0, resume=True, settings=backfire.Settings())
    about = sweeps.code_identity()
    monkeypatch.setattr(sweeps, "code_identity", lambda: {**about, "code": "other"})
    with pytest.raises(RefusedError, match="code: "):
        backfire.sweep(sound, out, workers=0, resume=True)
    monkeypatch.setattr(sweeps, "code_identity", lambda: {**about, "versions": {**about["versions"], "numpy": "1.0"}})
    with pytest.raises(RefusedError, match=r"versions\.numpy: .* → 1\.0"):
        backfire.sweep(sound, out, workers=0, resume=True)


def test_workers_threads_and_this_process_give_the_same_table(study: Path) -> None:
    alone = backfire.sweep(study, study.parent / "alone", workers=0)
    ticks: list[int] = []
    many = backfire.sweep(study, study.parent / "many", workers=2, chunk=2, progress=ticks.append)
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        threads = backfire.sweep(study, study.parent / "threads", executor=executor, chunk=4)
    assert alone.table_hash == many.table_hash == threads.table_hash
    assert sum(ticks) == 9
    assert alone.failed_members == 3
    assert not alone.ok


SIZES = (1, 4, 9)
"""Members in a chunk; there are nine."""


@pytest.mark.parametrize(
    "pools",
    [
        pytest.param([(1, 9), (2, 4), (4, 1)], marks=pytest.mark.thorough, id="each once"),
        pytest.param([*itertools.product((1, 2, 4), SIZES)], marks=pytest.mark.thorough, id="all pairs"),
    ],
)
def test_workers_and_chunks_never_change_the_table(study: Path, pools: list[tuple[int, int]]) -> None:
    """By (workers, members in a chunk), in this process, and by a pool of the caller's; members that fail are among them."""
    alone = backfire.sweep(study, study.parent / "alone", workers=0)
    assert alone.failed_members == 3
    hashes = {}
    for workers, size in [*pools, *((0, size) for size in SIZES)]:
        made = backfire.sweep(study, study.parent / f"{workers}-{size}", workers=workers, chunk=size)
        hashes[workers, size] = made.table_hash
        assert len(store.chunk_files(made.folder)) == -(-9 // size)
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for size in SIZES:
            hashes["pool", size] = backfire.sweep(study, study.parent / f"pool-{size}", executor=pool, chunk=size).table_hash
    assert hashes == dict.fromkeys(hashes, alone.table_hash)


def bits(table: pandas.DataFrame) -> dict[str, list[object]]:
    """The columns of a table without the numbers of its members; numbers bit for bit, and every NaN is one."""
    columns = table.drop(columns="member")
    return {name: [struct.pack("d", value) if isinstance(value, float) else value for value in columns[name]] for name in columns}


@pytest.mark.slow
def test_five_in_a_hundred_broken_members_change_no_bit_of_the_others(study: Path) -> None:
    """10,000 members listed in a table, half of the broken ones impossible to build, half with rates beyond any step."""
    draw = random.Random(5)
    members = [[draw.uniform(1, 16), draw.uniform(5, 15), draw.uniform(0.05, 0.2)] for _ in range(10_000)]
    broken = draw.sample(range(10_000), 500)
    for member in broken[:250]:
        members[member][1] = 30.0
    for member in broken[250:]:
        members[member][2] = 1e300
    text = STUDY[: STUDY.index("[design]")].replace('"time_to_progression", "log_kill_last", "peak(effect_drug)"', '"nadir"')
    found = {}
    for name, listed in (("all", range(10_000)), ("sound", sorted({*range(10_000)} - {*broken}))):
        (study.parent / f"{name}.toml").write_text(f'{text}[design]\nkind = "table"\nfile = "{name}.csv"\n', encoding="utf-8")
        lines = ["drug.amount,drug.every,growth_rate", *(",".join(map(repr, members[member])) for member in listed)]
        (study.parent / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
        chunk, code = (1000, 3) if name == "all" else (777, 0)
        assert sweep(study.parent / f"{name}.toml", "--chunk", chunk) == code
        found[name], _ = store.read_table(study.parent / "out" / name)
    table = found["all"]
    assert table["member"].tolist() == [member for member in range(10_000) for _ in range(2)]
    assert table["arm"].tolist() == ["untreated", "monotherapy"] * 10_000
    assert table[["drug.amount", "drug.every", "growth_rate"]][::2].to_numpy().tolist() == members
    bad = table["reason"] != ""
    assert table[bad].groupby(["status", "arm"]).size().to_dict() == {
        ("not_run", arm): 500 for arm in ("untreated", "monotherapy")
    }
    assert sorted(set(table[bad]["member"])) == sorted(broken)
    assert table[bad][["final_burden", "nadir"]].isna().all(axis=None)
    assert not table[~bad]["final_burden"].isna().any()
    assert bits(table[~bad]) == bits(found["sound"])


def test_wrong_words_write_nothing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("final_burden", "final_burdn"), encoding="utf-8")
    assert sweep(study) == 2
    assert re.search(r"study\.toml:4: .*final_burden", capsys.readouterr().err)
    study.write_text(text, encoding="utf-8")
    assert sweep(study, "--dask", "tcp://nowhere:1") == 2
    assert call("sweep", study, "--workers", -1, "--out", study.parent / "out") == 2
    assert call("sweep", study, "--chunk", 0, "--workers", 0, "--out", study.parent / "fresh") == 2
    assert call("sweep") == 2
    assert call("sweep", study, "--show", study.parent) == 2
    assert call("sweep", "wnt16b-dose-and-brake") == 2
    assert "wnt16b-dose-and-break" in capsys.readouterr().err
    assert not (study.parent / "out").exists()
    with pytest.raises(UserError, match="executor"):
        backfire.sweep(study, study.parent / "out", executor="threads")


def test_an_unusable_place_is_found_before_computing(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backfire.sweeps.planning.run_members", None)
    (study.parent / "file").write_text("", encoding="utf-8")
    assert call("sweep", study, "--out", study.parent / "file") == 4
    assert call("sweep", study, "--out", "/proc/nowhere") == 5


def test_shipped_studies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("sweeps") == 0
    shown = capsys.readouterr().out
    for name in ("wnt16b-dose-and-break", "rigi-agonist-timing", "pi3k-jak2-doses"):
        assert name in shown


def test_the_command_line_survives_a_signal_and_says_how_to_go_on(sound: Path) -> None:
    text = sound.read_text(encoding="utf-8").replace("points = 3", "points = 200")
    sound.write_text(text, encoding="utf-8")
    out = sound.parent / "out"
    command = [sys.executable, "-m", "backfire", "sweep", str(sound), "--out", str(out), "--workers", "1", "--chunk", "2"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until_a_chunk(out / "study", running)
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 143
    again = re.search(r"Go on with: (backfire sweep .*)", err)
    assert again is not None, err
    assert again[1].endswith("--resume")
    assert "Traceback" not in err
    assert not list(out.rglob("*.tmp"))


def test_help_stays_light() -> None:
    code = "import sys, backfire.cli; print([m for m in ('pyarrow', 'pandas', 'numba', 'distributed', 'numpy', 'multiprocessing') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


def test_without_a_scheduler_there_is_a_short_answer(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    assert call("sweep", study, "--dask", "nonsense://x", "--out", study.parent / "out") in (2, 6)
    assert "Traceback" not in capsys.readouterr().err


def test_the_public_name_is_a_function() -> None:
    assert callable(backfire.sweep)
    assert json.dumps(sweeps.code_identity())


def test_cycles_of_a_regimen_are_whole_numbers_in_every_design_and_no_switch(tmp_path: Path) -> None:
    regimen = "drug = { amount = 4.0, start = 5, every = 2, count = 2, cycles = 2, cycle_length = 6 }"
    (tmp_path / "small.toml").write_text(SMALL.replace("drug = { amount = 4.0, start = 10, every = 7, count = 2 }", regimen))
    text = 'title = "How many cycles?"\nscenario = "small.toml"\n[design]\nkind = "latin-hypercube"\nmembers = 12\n'
    text += "[vary]\ndrug.cycles = { low = 1, high = 4 }\ngrowth_rate = { low = 0.1, high = 0.2 }\n"
    found = sweeps.sweep(parse_sweep(text, "study", tmp_path), tmp_path / "out", workers=0)
    assert found.ok
    assert set(found.table()["drug.cycles"]) == {1.0, 2.0, 3.0, 4.0}
    assert kind_of("drug.cycles") != "switch"
    assert input_label("drug.cycles", "1") == "cycles of drug"
