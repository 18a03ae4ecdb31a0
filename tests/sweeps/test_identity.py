"""The name of a run: it changes with everything that can change a number, and with nothing else."""

from __future__ import annotations

import copy
import dataclasses
import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backfire import system
from backfire.outcomes import Rules
from backfire.scenario.scenario import Scenario, parse, parse_data
from backfire.scenario.schema import RegimenEntry, ScenarioFile
from backfire.solvers.batch.solve import BatchSettings
from backfire.solvers.reference import Settings
from backfire.sweeps import identity, planning
from backfire.sweeps.identity import run_hash
from backfire.sweeps.spec import SweepSpec, parse_sweep

SCENARIO = """
title = "Two cycles of infusions, an antibody, and stroma that shields"
article = "wnt16b-stroma"
days = 120
reference = "monotherapy"

[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug", "antibody"] }
kill = { by = ["drug"] }
stroma = { factor = "wnt16b", damaged_by = ["drug"] }
blockade = { of = "wnt16b", by = "antibody" }

[regimens]
drug = { amount = 6, start = 14, every = 14, count = 2, duration = 1, cycles = 2, cycle_length = 40 }
antibody = { amount = 20, start = 13, every = 7, count = 3 }

[arms]
untreated = []
monotherapy = ["drug"]
combination = ["drug", "antibody"]
"""
DESIGN = parse_sweep("""
title = "How fast?"
scenario = "wnt16b-stroma"
[design]
kind = "grid"
[vary]
growth_rate = { low = 0.1, high = 0.2, points = 3 }
""").design


@pytest.fixture
def scenario() -> Scenario:
    return parse(SCENARIO, "small")


@pytest.fixture(autouse=True)
def no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """What outcomes mean is found by a simulation; their names are all that counts here."""
    about = {"unit": "cell", "meaning": "cells left", "time": False}
    monkeypatch.setattr(planning, "describe_outcomes", lambda _, __, wanted: dict.fromkeys(wanted, about))


def study(scenario: Scenario) -> SweepSpec:
    return SweepSpec("study", "How fast?", scenario, DESIGN, ("untreated", "combination"), ("final_burden", "nadir"))


def name_of(changed: Scenario | SweepSpec, settings: Any = None) -> str:
    given = changed if isinstance(changed, SweepSpec) else study(changed)
    return run_hash(planning.plan_of(given, settings).identity)


def all_new(base: str, names: dict[str, str]) -> None:
    """Every change has given a name of its own."""
    seen: dict[str, str] = {base: "nothing changed"}
    for change, name in names.items():
        assert name not in seen, f"{change} gives the name of: {seen[name]}"
        seen[name] = change


def test_every_number_of_the_model_names_another_run(scenario: Scenario) -> None:
    changes: dict[str, float | int | str] = {name: value / 2 for name, value in scenario.values.items()}
    changes |= dict.fromkeys(scenario.switches, 0.5)
    assert len(scenario.switches) == 3
    assert all(isinstance(state.initial, float | int) or state.initial in changes for state in scenario.network.states)
    for word, given in vars(scenario.regimens["drug"]).items():
        if word not in ("name", "rules"):
            changes[f"drug.{word}"] = "antibody" if word == "agent" else given + 1
    # `until` is written in place of a duration, and read as one; rules have a test of their own
    assert {f"drug.{word}" for word in RegimenEntry.model_fields if word not in ("until", "rules")} <= set(changes)
    all_new(name_of(scenario), {name: name_of(scenario.changed({name: value})) for name, value in changes.items()})


CHANGES: dict[str, Any] = {
    "days": 121,
    "record_every": 0.25,
    "reference": "combination",
    "mechanisms": {"growth": {"law": "gompertz"}},
    "parameters": {"growth_rate": 0.2},
    "switches": {"stroma": {"protects_kill": 0.5}},
    "rules": {"share": {"visit_every": 7.0, "stop_below": 0.5}},
    "regimens": {"other": {"agent": "drug", "amount": 1.0, "start": 1}},
    "arms": {"other": ["antibody"]},
    "outcomes": {"progression": 1.3},
    "counted": {"active": False},
}
"""What is laid over each table of a scenario file."""
WORDS = {"title": "Other words", "article": "ours", "note": "A remark", "expected_idle": ["antibody"], "show": ["active"]}
"""What a scenario file says without changing a number."""


def changed_file(scenario: Scenario, key: str, value: Any) -> Scenario:
    data = copy.deepcopy(scenario.document.data)
    data[key] = {**data.get(key, {}), **value} if isinstance(value, dict) else value
    return parse_data(data, scenario.name)


def test_every_table_of_a_scenario_file_counts_and_words_do_not(scenario: Scenario) -> None:
    # files of mechanisms count by their text, where they are used: tests/scenario/test_library.py
    assert {*CHANGES, *WORDS, "mechanisms_from"} == set(ScenarioFile.model_fields)
    base = name_of(scenario)
    all_new(base, {key: name_of(changed_file(scenario, key, value)) for key, value in CHANGES.items()})
    for key, value in WORDS.items():
        assert name_of(changed_file(scenario, key, value)) == base, key
    numbers = {item.name: item.default * 1.1 for item in dataclasses.fields(Rules) if isinstance(item.default, float)}
    rules = {
        name: changed_file(scenario, "outcomes", {name: value})
        for name, value in (numbers | {"from": 3.0, "progression_from": "start"}).items()
    }
    all_new(base, {name: name_of(changed) for name, changed in rules.items()})


def test_every_number_and_word_of_a_rule_names_another_run(scenario: Scenario) -> None:
    dosed = {name: scenario.document.data["regimens"][name] for name in ("drug",)}
    rule = {"visit_every": 7.0, "visit_from": 6.0, "stop_below": 0.5, "resume_above": 1.0, "error": 0.1}
    base = changed_file(scenario, "rules", {"share": rule})
    named = changed_file(base, "regimens", {"drug": {**dosed["drug"], "rules": ["share"]}})
    names = {"the rule decides": name_of(named)}
    names |= {
        word: name_of(named.changed({f"share.{word}": 3 if word == "seed" else 1.5 * named.inputs[f"share.{word}"].value}))
        for word in ("visit_every", "visit_from", "stop_below", "resume_above", "error", "seed")
    }
    others = {"measure": "active", "of": "level", "stop_above": 3.0}
    for word, value in others.items():
        names[word] = name_of(changed_file(named, "rules", {"share": {**rule, word: value}}))
    names["doses"] = name_of(changed_file(named, "rules", {"share": {"visit_every": 7.0, "raise_above": 2.0, "by": 2.0}}))
    all_new(name_of(base), names)


def test_every_option_of_every_mechanism_stands_in_the_identity(scenario: Scenario) -> None:
    told = planning.plan_of(study(scenario)).identity["scenario"]["mechanisms"]
    assert set(told) == set(scenario.network.mechanisms)
    for label, mechanism in scenario.network.mechanisms.items():
        for item in dataclasses.fields(mechanism):  # type: ignore[arg-type]
            value = getattr(mechanism, item.name)
            assert told[label][item.name] == (list(value) if isinstance(value, tuple) else value), (label, item.name)


def test_every_setting_of_the_solver_names_another_run(scenario: Scenario) -> None:
    names = {}
    for kind in (BatchSettings, Settings):
        names[kind.__module__] = name_of(scenario, kind())
        for item in dataclasses.fields(kind):
            value = "BDF" if item.name == "method" else item.default * 2
            names[f"{kind.__module__} {item.name}"] = name_of(scenario, kind(**{item.name: value}))
    assert names.pop(BatchSettings.__module__) == name_of(scenario)
    all_new(name_of(scenario), names)


def test_every_part_of_a_study_counts_and_words_do_not(scenario: Scenario) -> None:
    base = study(scenario)
    changes: dict[str, Any] = {
        "scenario": scenario.changed({"days": 121}),
        "design": dataclasses.replace(DESIGN, axes=(dataclasses.replace(DESIGN.axes[0], points=4),)),
        "arms": ("untreated", "monotherapy"),
        "outcomes": ("nadir",),
        "recording": base.recorded(2).recording,
    }
    words = {"name": "other", "title": "How slow?", "note": "A remark", "text": "# as written", "table": "growth_rate\n"}
    assert {*changes, *words} == {item.name for item in dataclasses.fields(SweepSpec)}
    names = {key: name_of(dataclasses.replace(base, **{key: value})) for key, value in changes.items()}
    names |= {"days between rows": name_of(base.recorded(1)), "recorded arms": name_of(base.recorded(2, ["combination"]))}
    all_new(name_of(base), names)
    for key, value in words.items():
        assert name_of(dataclasses.replace(base, **{key: value})) == name_of(base), key


# ------------------------------------------------------------------------------------------ the code

COMPUTE = """
import sys
import numpy
import backfire
from backfire.sweeps import load_sweep, plan_of
plan = plan_of(load_sweep("wnt16b-dose-and-break"))
assert (plan.runner(plan.design.samples(0, 1)).status == 0).all()
print(*(name for name, module in sys.modules.items() if name.startswith("backfire.") and module.__file__.endswith(".py")))
"""


def test_every_module_that_computes_counts_as_code_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of a copy of the package, one module of which is edited after the other; what computes are the modules that are
    there when a member of a sweep has been computed."""
    done = subprocess.run([sys.executable, "-c", COMPUTE], check=True, capture_output=True, text=True)
    here = identity.code_identity()
    package = shutil.copytree(system.PACKAGE, tmp_path / "backfire", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(system, "PACKAGE", package)

    def code() -> str:
        system._source_hash.cache_clear()
        return str(identity.code_identity.__wrapped__()["code"])

    def edited(path: Path) -> str:
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        found = code()
        path.write_bytes(before)
        return found

    assert code() == here["code"]
    files = {name: package.joinpath(*name.split(".")[1:]) for name in done.stdout.split()}
    computing = {name: path / "__init__.py" if path.is_dir() else path.with_suffix(".py") for name, path in files.items()}
    words = {"backfire.formatting", "backfire.notebook", "backfire.palette"}
    assert {f"backfire.{name}" for name in ("solvers.batch.integrator", "outcomes.compiled", "model.network")} <= {*computing}
    names = {name: edited(path) for name, path in computing.items() if name not in words}
    (package / "mechanisms" / "growth.py").rename(package / "mechanisms" / "grown.py")
    names["a module has another name"] = code()
    (package / "mechanisms" / "grown.py").rename(package / "mechanisms" / "growth.py")
    all_new(here["code"], names)
    for family in ("figures", "cli", "reports", "claims", "exchange"):
        for path in (package / family).rglob("*.py"):
            assert edited(path) == here["code"], path


def test_the_libraries_that_compute_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told = identity.code_identity()["versions"]
    for library in ("numpy", "scipy", "numba", "llvmlite"):
        assert told[library] == importlib.metadata.version(library)
    monkeypatch.setattr(importlib.metadata, "version", lambda library: f"0.{library}")
    assert identity.code_identity.__wrapped__()["versions"]["llvmlite"] == "0.llvmlite"


def test_a_worker_tells_code_versions_and_study(tmp_path: Path) -> None:
    (tmp_path / "resolved.json").write_text('{"run": "abc"}', encoding="utf-8")
    here, told = identity.code_identity(), identity.worker_identity(str(tmp_path))
    assert told["code"] == here["code"]
    assert {name: told[name] for name in here["versions"]} == here["versions"]
    assert told["study in the shared folder"] == "abc"
    assert identity.worker_identity(str(tmp_path / "elsewhere")) != told
