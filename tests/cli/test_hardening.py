"""What a hostile tester broke once and what must not break again: damaged runs, cut-off runs, odd names, odd doses."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from backfire import cli
from backfire.errors import DocumentError, ScheduleError
from backfire.model.components import Intervention, Mechanism, Part, Process, State
from backfire.model.dosing import LARGEST_AMOUNT, Regimen
from backfire.scenario.scenario import load, parse
from backfire.simulation.arms import Result, simulate
from backfire.simulation.run_folder import read_run
from backfire.solvers import pycode as codegen
from backfire.solvers.reference import Settings
from backfire.solvers.trajectory import Status
from backfire.system import lock
from networks import parameter

SMALL = """
title = "A small tumour and one drug"
days = 40

[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }

[regimens]
drug = { amount = 4.0, start = 10, every = 7, count = 3 }

[arms]
untreated = []
monotherapy = ["drug"]
"""
LONG_ENOUGH = 120
"""Seconds after which a process counts as hanging; none here needs a tenth of that."""


def call(*arguments: str | Path) -> int:
    return cli.main([str(argument) for argument in arguments])


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backfire", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG_ENOUGH, **options)


def shell(command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A bash command line in which ``backfire`` is ours and $1, $2 … are the arguments."""
    text = f'backfire() {{ "{sys.executable}" -m backfire "$@"; }}; {command}'
    given = ["bash", "-c", text, "bash", *map(str, arguments)]
    return subprocess.run(given, capture_output=True, text=True, check=False, timeout=LONG_ENOUGH)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def clean(shown: str) -> bool:
    """A message for people: no traceback, no excuse, nothing that steers a terminal."""
    return "Traceback" not in shown and "a bug of ours" not in shown and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", shown)


# Stored runs that were tampered with.


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
    (place / "small.toml").write_text(SMALL, encoding="utf-8")
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


def test_a_copy_of_a_run_is_redrawn(stored: Stored) -> None:
    """What makes the refusals above mean something."""
    before = (stored.folder / "outcomes.csv").read_bytes()
    (stored.folder / "outcomes.csv").unlink()
    assert call("redraw", stored.folder) == 0
    assert (stored.folder / "outcomes.csv").read_bytes() == before


# Runs that meet, and runs that are cut off.


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


KILLED = """
import json, os, random, shutil, signal, sys, time
from backfire import cli
from backfire.reports import runs as study

study.comparison, study.png = lambda result: None, lambda figure: b"a figure takes most of the time and is not in question"
scenario, place = sys.argv[1:]
folder = os.path.join(place, "out", "small")
null = os.open(os.devnull, os.O_WRONLY)


def child(*arguments, fatal=0, after=None):
    # fatal: the call of os.replace or os.unlink at which it dies, negative for just after; after: seconds until it dies
    number = os.fork()
    if number == 0:
        os.dup2(null, 1)
        os.dup2(null, 2)
        left = [abs(fatal)]

        def dying(do):
            def done(*given, **named):
                left[0] -= 1
                if left[0] == 0 and fatal > 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = do(*given, **named)
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result
            return done

        os.replace, os.unlink = dying(os.replace), dying(os.unlink)
        os._exit(cli.main(list(arguments)))
    if after is not None:
        time.sleep(after)
        os.kill(number, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def run(rate, **how):
    return child("run", scenario, "--out", os.path.join(place, "out"), "--set", f"growth_rate={rate}", **how)


def look(code):
    # what a reader of the folder would see now: growth rate of the manifest, and what redraw makes of it
    copy = shutil.copytree(folder, os.path.join(place, "copy"))
    seen = {"code": code, "redraw": child("redraw", copy)}
    if seen["redraw"] == 0:
        with open(os.path.join(copy, "manifest.json")) as file:
            seen["rate"] = json.load(file)["scenario"]["parameters"]["growth_rate"]["value"]
        with open(os.path.join(copy, "outcomes.csv")) as file:
            seen["outcomes"] = file.read()
    shutil.rmtree(copy)
    return seen


rates = [0.1, 0.2]
cli.main(["run", scenario, "--out", os.path.join(place, "warm")])  # so that children die at work, not at imports
started = time.monotonic()
code = run(rates[0])
span = time.monotonic() - started
whole = [look(code), look(run(rates[1]))]
cut = []
for number in range(1, 7):
    for sign in (1, -1):
        cut.append(look(run(rates[number % 2], fatal=sign * number)))
draw = random.Random(20240607)
for number in range(10):
    cut.append(look(run(rates[number % 2], after=draw.uniform(0.0, span))))
print(json.dumps({"whole": whole, "cut": cut, "last": look(run(rates[0]))}), file=sys.__stdout__)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_run_killed_at_any_moment_leaves_no_lie_and_runs_again(small: Path, tmp_path: Path) -> None:
    """Runs with two growth rates in turn in one folder, killed before and after each rename and at random moments."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(small), str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=LONG_ENOUGH, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    wanted = {one["rate"]: one["outcomes"] for one in seen["whole"]}
    rates = list(wanted)
    assert len(set(wanted.values())) == 2
    killed = [one for one in seen["cut"] if one["code"] == -signal.SIGKILL]
    assert len(killed) >= 12
    assert {one["code"] for one in seen["cut"]} <= {-signal.SIGKILL, 0}
    for one in [*seen["cut"], seen["last"]]:
        assert one["redraw"] in (0, 5)
        if one["redraw"] == 0:
            assert one["outcomes"] == wanted[one["rate"]]
    assert {one["redraw"] for one in killed} == {0, 5}  # the moments were well chosen
    # nothing that was left behind stands in the way of a run
    assert all(one["redraw"] == 0 for one in seen["cut"] if one["code"] == 0)
    assert (seen["last"]["code"], seen["last"]["redraw"], seen["last"]["rate"]) == (0, 0, rates[0])


# Doses that cannot be meant.


def test_infusions_shorter_than_the_clock_can_tell_are_refused(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for duration in ("9.9e-7", "1e-9", "1e-300"):
        assert call("run", small, "--out", tmp_path / "out", "--set", f"drug.duration={duration}") == 2
        assert "is a bolus; leave out `duration`" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def burden_on(result: Result, days: range) -> list[float]:
    trajectory = result.trajectories["monotherapy"]
    return [float(trajectory["burden"][np.flatnonzero(trajectory.times == day)[0]]) for day in days]


@pytest.mark.parametrize("duration", [1e-6, 1e-5])
def test_the_shortest_infusions_act_like_a_bolus(duration: float) -> None:
    scenario = parse(SMALL)
    bolus, infused = simulate(scenario), simulate(scenario.changed({"drug.duration": duration}))
    assert infused.ok
    assert burden_on(infused, range(11, 41)) == pytest.approx(burden_on(bolus, range(11, 41)), rel=1e-4)
    assert infused.outcomes["monotherapy"]["nadir"].value == pytest.approx(bolus.outcomes["monotherapy"]["nadir"].value, rel=1e-4)


def test_amounts_beyond_every_dose_are_refused(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert LARGEST_AMOUNT == 1e12
    for amount in ("1.0001e12", "1e300"):
        assert call("run", small, "--out", tmp_path / "out", "--set", f"drug.amount={amount}") == 2
        assert "is no dose" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert call("check", small) == 0
    small.write_text(SMALL.replace("4.0", "1e12"), encoding="utf-8")
    assert call("check", small) == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("every = 7", "`every` says how far apart, but `count`"),
        ("cycle_length = 21", "`cycle_length` says how far apart, but `cycles`"),
        ("every = 7, count = 2, cycle_length = 21", "`cycle_length` says how far apart, but `cycles`"),
    ],
)
def test_gaps_without_a_number_of_doses_are_refused(
    given: str, words: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.write_text(SMALL.replace("every = 7, count = 3", given), encoding="utf-8")
    assert call("check", small) == 2
    assert words in capsys.readouterr().err


def test_regimens_of_ones_own_have_the_same_limits() -> None:
    with pytest.raises(ScheduleError, match="is a bolus"):
        Regimen("r", "drug", start=1.0, amount=1.0, duration=1e-7)
    with pytest.raises(ScheduleError, match="is no dose"):
        Regimen("r", "drug", start=1.0, amount=2e12)


# Surgery and the outcomes of drugs.


def operated(day: float, doses: str = "start = 10, every = 14, count = 2") -> Result:
    text = SMALL.replace("kill = {", "surgery = {}\nkill = {").replace("start = 10, every = 7, count = 3", doses)
    text = text.replace("[arms]", f"surgery = {{ start = {day} }}\n\n[arms]\noperated = ['drug', 'surgery']")
    result = simulate(parse(text))
    assert result.ok
    return result


def test_surgery_before_treatment_leaves_nothing_to_judge(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = operated(5)
    found = result.outcomes["operated"]
    for name in ("nadir", "nadir_day", "smallest_share", "time_to_progression", "regrowth_rate", "responded"):
        assert math.isnan(found[name].value), name
    assert not found["time_to_progression"].observed
    assert math.isnan(found["log_kill_first"].value)
    assert found["final_burden"].value == 0
    others = result.outcomes["monotherapy"]
    assert all(math.isfinite(others[name].value) for name in ("nadir", "time_to_progression", "responded"))
    small.write_text(
        SMALL.replace("kill = {", "surgery = {}\nkill = {").replace(
            "[arms]", "surgery = { start = 5 }\n[arms]\noperated = ['drug', 'surgery']"
        ),
        encoding="utf-8",
    )
    assert call("run", small, "--out", tmp_path / "out", "--format", "json") == 0
    rows = {row["outcome"]: row for row in json.loads(capsys.readouterr().out)[0]["outcomes"] if row["arm"] == "operated"}
    for name in ("nadir", "time_to_progression", "responded"):
        assert rows[name]["value"] is None
        assert rows[name]["against_untreated"] is None


def test_surgery_is_not_counted_as_kill_by_drugs() -> None:
    result = operated(20)
    cut, whole = result.outcomes["operated"], result.outcomes["monotherapy"]
    assert whole["log_kill_1"].value > 0.1
    assert cut["log_kill_1"].value == pytest.approx(whole["log_kill_1"].value, rel=1e-6)
    assert cut["smallest_share"].value == pytest.approx(10 ** -whole["log_kill_1"].value, rel=1e-6)
    assert cut["final_burden"].value == 0
    early = operated(11).outcomes
    assert 0 < early["operated"]["log_kill_1"].value < early["monotherapy"]["log_kill_1"].value


@pytest.mark.parametrize("day", [20, 24])
def test_courses_after_surgery_kill_nothing_that_can_be_counted(day: float) -> None:
    """Also the course that is given on the very day of surgery."""
    found = operated(day).outcomes["operated"]
    assert found["courses"].value == 2
    assert math.isfinite(found["log_kill_1"].value)
    assert math.isnan(found["log_kill_2"].value)
    assert math.isnan(found["log_kill_last"].value)


# Options of mechanisms become parts of formulas.

STROMA = """
title = "A drug that damages healthy stroma"
days = 40

[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["mitoxantrone", "anti_wnt16b"] }
kill = { by = ["mitoxantrone"] }
stroma = { factor = "wnt16b", damaged_by = ["mitoxantrone"] }
blockade = { of = "wnt16b", by = "anti_wnt16b" }

[regimens]
mitoxantrone = { amount = 6.0, start = 14 }

[arms]
untreated = []
monotherapy = ["mitoxantrone"]
"""
DRUGS_OF_STROMA = 'damaged_by = ["mitoxantrone"]'


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        (DRUGS_OF_STROMA, 'damaged_by = ["mitoxantrone", "mitoxantrone"]', "twice"),
        (DRUGS_OF_STROMA, 'damaged_by = ["mitoxantrone * 1000"]', "damaged_by"),
        (DRUGS_OF_STROMA, 'damaged_by = ["mitoxantrone) + (1"]', "damaged_by"),
        (DRUGS_OF_STROMA, 'damaged_by = ["mitoxantrone\\n"]', "damaged_by"),
        (DRUGS_OF_STROMA, 'damaged_by = [""]', "damaged_by"),
        ('factor = "wnt16b"', 'factor = "a b"', "factor"),
        ('factor = "wnt16b"', 'factor = "__class__"', "factor"),
        ('agents = ["mitoxantrone", "anti_wnt16b"]', 'agents = ["mitoxantrone", "anti_wnt16b", "mitoxantrone"]', "twice"),
        ('kill = { by = ["mitoxantrone"] }', 'kill = { by = ["mitoxantrone", "mitoxantrone"] }', "twice"),
        ("stroma = {", 'stroma = { mechanism = ["x"],', "stroma"),
        ("stroma = {", "stroma = { mechanism = { a = 1 },", "stroma"),
        ("stroma = {", "stroma = { mechanism = 7,", "stroma"),
    ],
)
def test_options_that_name_things_take_names_only(
    old: str, new: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "case.toml"
    path.write_text(STROMA, encoding="utf-8")
    assert call("check", path) == 0
    capsys.readouterr()
    assert STROMA.count(old) == 1
    path.write_text(STROMA.replace(old, new), encoding="utf-8")
    assert call("check", path) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert word in shown.err
    assert re.search(r"case\.toml:\d+: mechanisms\.", shown.err)
    assert clean(shown.err), shown.err


# Values from the command line.


def test_a_changed_parameter_keeps_the_unit_of_the_file(small: Path, tmp_path: Path) -> None:
    entry = '{ value = 0.005, unit = "1/hour", source = "a test", grade = "assumed" }'
    small.write_text(SMALL + f"\n[parameters]\ngrowth_rate = {entry}\n", encoding="utf-8")
    assert call("run", small, "--out", tmp_path / "out", "--set", "growth_rate=0.006") == 0
    manifest = json.loads((tmp_path / "out" / "small" / "manifest.json").read_text(encoding="utf-8"))
    kept = manifest["scenario"]["parameters"]["growth_rate"]
    assert kept["value"] == pytest.approx(0.144, rel=1e-12)
    assert kept["unit"] == "1/day"
    assert load(small).values["growth_rate"] == pytest.approx(0.12, rel=1e-12)
    assert parse(SMALL).changed({"growth_rate": 0.006}).values["growth_rate"] == 0.006


@pytest.mark.parametrize("value", ["1_0", "0.1_5", "٣", "٠.٢", "０.２", "0x1", "1e", "1,5", "", "1 2"])
def test_only_plain_digits_are_numbers(value: str, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", small, "--out", tmp_path / "out", "--set", f"growth_rate={value}") == 2
    shown = capsys.readouterr().err
    assert "must be a number" in shown
    assert clean(shown)
    assert not (tmp_path / "out").exists()


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert re.fullmatch(r"backfire \d+\.\d+\S*\n", capsys.readouterr().out)


def test_latex_and_code_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("explain", "wnt16b-stroma", "--latex", "--code") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "not both" in shown.err


# Names that must become folders.

NO_FOLDERS = (
    "...",
    "..",
    "CON",
    "con",
    "nul.x",
    "COM1",
    "=1+1",
    "+1",
    "@a",
    "a,b",
    "a\nb",
    "a\x1b[31mb",
    "a b",
    "a.",
    "-a",
    "é",
    "a" * 65,
)


@pytest.mark.parametrize("name", NO_FOLDERS, ids=ascii)
def test_scenarios_are_named_like_folders(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"{name}.toml"
    path.write_text(SMALL, encoding="utf-8")
    for command in (["check", path], ["run", path, "--out", tmp_path / "out"]):
        assert call(*command) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert clean(shown.err), shown.err
        assert len(shown.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]
    assert call("new", "--", name) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert clean(shown.err), shown.err


@pytest.mark.parametrize("name", ["a", "my-study_2.1", "console", "a" * 64])
def test_plain_names_are_taken(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"{name}.toml").write_text(SMALL, encoding="utf-8")
    assert call("check", tmp_path / f"{name}.toml") == 0
    assert call("new", name) == 0
    assert "[mechanisms]" in capsys.readouterr().out


# Terminals, pipes and signals.


def test_a_backend_that_does_not_exist_changes_nothing(small: Path, tmp_path: Path) -> None:
    done = process("run", small, "--out", tmp_path / "out", env={**os.environ, "MPLBACKEND": "garbage"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "small" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_closed_streams_do_no_harm(small: Path, tmp_path: Path) -> None:
    done = shell('backfire run "$1" --out "$2" >&-', small, tmp_path / "one")
    assert done.returncode == 0, done.stderr
    assert clean(done.stderr)
    assert "written:" in done.stderr
    assert read_run(tmp_path / "one" / "small").ok
    assert (tmp_path / "one" / "small" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert shell("backfire --version >&- 2>&- <&-").returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_said_once(small: Path, tmp_path: Path) -> None:
    done = shell('backfire run "$1" --out "$2" >/dev/full', small, tmp_path / "out")
    assert done.returncode == 5
    assert clean(done.stderr), done.stderr
    assert done.stderr.count("No space left on device") == 1
    assert read_run(tmp_path / "out" / "small").ok


HUNG_UP = """
import os, signal, sys
from backfire import cli
from backfire.reports import runs as study

draw = study.png

def png(figure):
    os.kill(os.getpid(), signal.SIGHUP)
    return draw(figure)

study.png = png
sys.exit(cli.main(sys.argv[1:]))
"""
"""A run whose terminal goes away when its numbers are written and its figure is not."""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_a_terminal_that_hangs_up_ends_with_129_and_whole_files(small: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HUNG_UP, "run", str(small), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG_ENOUGH)
    assert done.returncode == 129, done.stderr
    assert "interrupted" in done.stderr
    assert clean(done.stderr)
    assert not list((tmp_path / "out").rglob("*.tmp"))
    assert not (tmp_path / "out" / "small" / "comparison.png").exists()
    assert read_run(tmp_path / "out" / "small").ok


@pytest.mark.skipif(not shutil.which("nohup"), reason="no nohup here")
def test_nohup_keeps_its_word(small: Path, tmp_path: Path) -> None:
    command = ["nohup", sys.executable, "-c", HUNG_UP, "run", str(small), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG_ENOUGH)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "small" / "comparison.png").exists()


def test_a_line_of_backslashes_and_quotes_does_not_stall_the_reader(tmp_path: Path) -> None:
    """In a process of its own: a search that tries each quote as a beginning takes minutes."""
    quotes = '\\"' * 20_000
    paths = [tmp_path / f"case{number}.toml" for number in range(3)]
    for path, line in zip(paths, ('x = "' + quotes, quotes, 'x = { "' + quotes + " = 1"), strict=True):
        path.write_text(f"{SMALL}\n{line}\n", encoding="utf-8")
    command = [sys.executable, "-m", "backfire", "check", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert [path.name in done.stderr for path in paths] == [True] * 3
    assert clean(done.stderr)


# The cache of generated code.


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cached code of SMALL, in a folder of its own."""
    monkeypatch.setenv("BACKFIRE_CACHE", str(tmp_path / "code"))
    codegen.generate(parse(SMALL).network)
    (path,) = (tmp_path / "code").iterdir()
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_place_of_cached_code_is_not_waited_for(cached: Path, small: Path) -> None:
    good = cached.read_bytes()
    cached.unlink()
    os.mkfifo(cached)
    done = process("explain", small, "--code")
    assert done.returncode == 0, done.stderr
    assert "def jacobian" in done.stdout
    assert cached.is_file()
    assert cached.read_bytes() == good


def test_a_link_in_place_of_cached_code_is_not_followed(cached: Path, tmp_path: Path) -> None:
    """Its target has a checksum that fits, as whoever puts it there would see to."""
    good = cached.read_text(encoding="utf-8")
    foreign = "raise SystemExit('run by the cache')\n"
    target = tmp_path / "target.py"
    target.write_text(f"{codegen._checksum(foreign)}\n{foreign}", encoding="utf-8")
    kept = target.read_bytes()
    cached.unlink()
    cached.symlink_to(target)
    code = codegen.generate(parse(SMALL).network)
    assert "def jacobian" in code.source
    assert target.read_bytes() == kept
    assert not cached.is_symlink()
    assert cached.read_text(encoding="utf-8") == good


def test_a_folder_in_place_of_cached_code_is_passed_over(cached: Path) -> None:
    cached.unlink()
    cached.mkdir()
    assert "def jacobian" in codegen.generate(parse(SMALL).network).source
    assert list(cached.parent.iterdir()) == [cached]


# Small tumours.


def test_less_than_one_cell_is_no_tumour() -> None:
    result = simulate(parse(SMALL).changed({"starting_cells": 0.5}))
    for arm, trajectory in result.trajectories.items():
        assert trajectory.status is Status.OK
        assert (trajectory["burden"] == 0).all()
        found = result.outcomes[arm]
        assert (found["eradicated"].value, found["nadir"].value, found["final_burden"].value) == (1, 0, 0)


# Outcomes do not depend on how often is recorded.

STEADY = ("nadir", "time_to_progression", "burden_area", "mean_kill_rate")


@pytest.mark.parametrize("name", ["wnt16b-stroma", "exosome-metastasis"])
def test_outcomes_do_not_depend_on_the_grid(name: str) -> None:
    scenario = load(name)
    arms = ("untreated", "monotherapy", "combination")
    coarse = simulate(scenario.changed({"record_every": 0.5}), arms).outcomes
    compared = 0
    for every in (0.25, 0.1):
        for arm, found in simulate(scenario.changed({"record_every": every}), arms).outcomes.items():
            for word, item in found.items():
                if word in STEADY or (word.startswith("peak_") and not word.endswith("_day")):
                    compared += 1
                    wanted = pytest.approx(item.value, rel=1e-5, nan_ok=True)
                    assert coarse[arm][word].value == wanted, (every, arm, word)
                    assert coarse[arm][word].observed == item.observed
    assert compared >= 2 * len(arms) * len(STEADY)


def test_the_first_of_equal_peaks_gives_the_day() -> None:
    """Daily doses raise the factors to nearly the same level each day: two methods must not pick different days."""
    scenario = load("pi3k-jak2-bypass").changed({"pi3k_inhibitor.count": 29, "jak2_inhibitor.count": 29}, days=50)
    arms = ["monotherapy", "combination"]
    one = simulate(scenario, arms, Settings(method="LSODA"))
    two = simulate(scenario, arms, Settings(method="DOP853"))
    for arm in arms:
        days = {name: item.value for name, item in one.outcomes[arm].items() if re.fullmatch(r"peak_\w+_day", name)}
        assert len(days) == 2
        for name, day in days.items():
            assert day == pytest.approx(two.outcomes[arm][name].value, abs=0.05), name
            factor = name.removeprefix("peak_").removesuffix("_day")
            course = one.trajectories[arm]
            before = course[factor][course.times < 21 + day - 1]
            assert before.max() < one.outcomes[arm][f"peak_{factor}"].value * (1 - 1e-6)


def test_a_grid_too_coarse_for_outcomes_is_refused(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for every in ("0.51", "1", "7"):
        small.write_text(SMALL.replace("days = 40", f"days = 40\nrecord_every = {every}"), encoding="utf-8")
        assert call("check", small) == 2
        assert "record_every" in capsys.readouterr().err
    with pytest.raises(DocumentError, match="record_every"):
        parse(SMALL).changed({"record_every": 0.51})


# Numbers that are none.


@dataclass(frozen=True)
class Overdose(Mechanism):
    """A dose whose size explodes with what was asked for."""

    label: ClassVar[str] = "overdose"

    def parts(self) -> Iterator[Part]:
        yield Intervention("bomb", "for a test", amount_unit="EC50", adds={"drug": "exp(1000 * amount / EC50) * EC50"})


def bombed(amount: float, regimens: int = 1) -> str:
    names = [f"bomb_{number}" for number in range(regimens)]
    given = "\n".join(f'{name} = {{ agent = "bomb", amount = {amount}, start = 12 }}' for name in names)
    text = SMALL.replace("[mechanisms]", "[mechanisms]\noverdose = {}").replace("[arms]", f"{given}\n\n[arms]\nbombed = {names}")
    return text.replace("'", '"')


@pytest.mark.parametrize(
    ("amount", "regimens"), [(0.01, 1), (0.3, 1), (0.6, 1), (0.7, 1), (0.709, 1), (0.709, 3), (0.71, 1), (4.0, 1)]
)
def test_what_is_no_number_never_leaves_as_a_result(amount: float, regimens: int) -> None:
    """Refused, or a status that says so, or finite throughout."""
    try:
        result = simulate(parse(bombed(amount, regimens), mechanisms=[Overdose]))
    except DocumentError as error:
        assert amount >= 0.7
        assert clean(str(error))
        return
    assert amount <= 0.709
    trajectory, found = result.trajectories["bombed"], result.outcomes["bombed"]
    if trajectory.status.good:
        assert np.isfinite(trajectory.values).all()
        assert math.isfinite(found["eradicated"].value)
        assert math.isfinite(found["responded"].value)
    else:
        assert trajectory.message
        assert all(math.isnan(item.value) for item in found.values())
    assert result.trajectories["monotherapy"].status is Status.OK


def test_states_that_overflow_end_with_a_status() -> None:
    """Each dose is a number, their sum in the body is none."""
    text = bombed(0.709).replace("start = 12 }", "start = 12, every = 0.001, count = 9 }")
    result = simulate(parse(text, mechanisms=[Overdose]), ["bombed"])
    assert not result.ok
    assert all(math.isnan(item.value) and not item.observed for item in result.outcomes["bombed"].values())


@pytest.mark.parametrize("budget", [1, 20, 150])
def test_failed_arms_neither_respond_nor_are_cured(budget: int) -> None:
    """Wherever the run stops, also before the first row."""
    result = simulate(parse(SMALL), ["monotherapy"], Settings(most_evaluations=budget))
    assert result.trajectories["monotherapy"].status is Status.MAX_STEPS
    found = result.outcomes["monotherapy"]
    for name in ("responded", "eradicated", "nadir", "time_to_progression", "courses", "given_drug"):
        assert math.isnan(found[name].value), name
        assert not found[name].observed, name


# Fragments of cells.


@dataclass(frozen=True)
class Fragments(Mechanism):
    """A dying compartment that feeds a second and, through it, a third; a fourth has nothing to do with them."""

    label: ClassVar[str] = "fragments"

    def parts(self) -> Iterator[Part]:
        rates = {"death": 1.0, "shedding": 0.01, "moving": 0.1, "regrowth": 0.3}
        for name, value in rates.items():
            yield parameter(f"{name}_rate", value, "1/day")
        yield parameter("arrival_rate", 0.02, "cell/day")
        yield State("parent", "cell", "for a test", 20.0, counts_in=("burden",))
        yield State("active", "cell", "for a test", counts_in=("burden",))
        yield State("grandchild", "cell", "for a test", counts_in=("burden",))
        yield State("stranger", "cell", "for a test")
        yield Process("death", "death", "death_rate * parent", "for a test", leaves="parent")
        yield Process("shedding", "shedding", "shedding_rate * parent", "for a test", leaves="parent", enters="active")
        yield Process("moving", "moving", "moving_rate * active", "for a test", leaves="active", enters="grandchild")
        yield Process("growth", "growth", "regrowth_rate * active", "for a test", enters="active")
        yield Process("arrival", "arrival", "arrival_rate", "for a test", enters="stranger")


def test_fragments_go_with_the_cells_that_fed_them_and_others_stay() -> None:
    text = 'title = "t"\ndays = 60\n[mechanisms]\nfragments = {}\n[arms]\nuntreated = []\n'
    course = simulate(parse(text, mechanisms=[Fragments])).trajectories["untreated"]
    assert course.status.good
    death = int(np.flatnonzero(course["parent"] == 0)[0])
    day = float(course.times[death])
    assert day == pytest.approx(math.log(20) / 1.01, rel=1e-6)
    for fragment in ("active", "grandchild"):
        assert 0 < course[fragment][death - 1] < 1
        assert (course[fragment][death:] == 0).all()
    assert course["stranger"][death - 1] == pytest.approx(0.02 * day, rel=1e-6)
    assert course["stranger"][-1] == pytest.approx(0.02 * 60, rel=1e-6)
