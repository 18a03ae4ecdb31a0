"""Generated kernels: solve, Jacobian and constants against numpy, random compositions against the reference, and the cache."""

from __future__ import annotations

import copy
import inspect
import math
import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import backfire
from backfire.errors import UserError
from backfire.mechanisms import shipped
from backfire.model.components import Process, State
from backfire.model.network import Network
from backfire.outcomes import Interpolant, Outcome, read_plan
from backfire.scenario.scenario import Scenario, parse_data
from backfire.simulation.arms import Result, feeds, simulate, watch
from backfire.simulation.cohort import run_members
from backfire.simulation.members import MemberTable
from backfire.solvers import pycode as codegen
from backfire.solvers.batch import kernel as kernels
from backfire.solvers.batch.jit import LANES
from backfire.solvers.batch.kernel import Kernel, is_compiled, write_kernel
from backfire.solvers.batch.solve import BatchSettings, record
from backfire.solvers.batch.tableau import GAMMA, STAGES
from backfire.solvers.pycode import write_source
from backfire.solvers.reference import InitialValueProblem, Settings, Solution, solve
from backfire.solvers.trajectory import Floats, Status
from networks import built, completed, ivp, parameter, start_of, values_of
from systems import Case, closed, lanes, members

STRIDE = STAGES * LANES


def by_reference(network: Network, case: Case, days: Floats) -> Solution:
    values = values_of(network, case.changes)
    return solve(
        InitialValueProblem(
            code=codegen.generate(network), state_names=network.state_names, start=np.array(start_of(network, values)),
            constants=np.array([values[name] for name in network.constant_names]), events=case.events, record=days,
            cells=[state.dies_out for state in network.states], amounts=[state.unit != "1" for state in network.states],
            feeds=feeds(network),
        ),
        Settings(),
    )  # fmt: skip


@lru_cache(maxsize=1)
def zoo() -> Network:
    """Every function a formula may have, on a ring with chords, so that the factorisation fills in."""
    return ivp(
        {
            "a": "exp(-b) - a * f", "b": "log(1 + c ** 2) - b ** 1.5", "c": "sqrt(d) - c * a", "d": "abs(e - 1) - d ** 3 / 7",
            "e": "min(f, 2 * a) - e * b", "f": "max(g, 0.3) - f * spare * spare", "g": "positive(a - 0.4) - g ** spare",
            "h": "hill(a, 0.7, 2.5) + hill(g, spare, spare) - h / (1 + e)",
        },
        [1.0] * 8,
        {"unused": "a * b"},
    )  # fmt: skip


def networks() -> list[Network]:
    return [zoo(), closed()]


class Lanes:
    """Calls the stages of a kernel on random members, one per lane."""

    def __init__(self, network: Network, seed: int = 1) -> None:
        self.kernel: Kernel = lanes(network)
        self.code = codegen.generate(network)
        self.count = len(network.states)
        rng = np.random.default_rng(seed)
        self.states = rng.uniform(0.5, 1.5, (LANES, self.count))
        values = np.array([values_of(network)[name] for name in network.constant_names])
        self.constants = rng.uniform(0.5, 1.5, (LANES, len(values))) * np.where(values == 0, 1.0, values)
        self.steps = 10.0 ** rng.uniform(-3, 0.5, LANES)
        everything = np.zeros((LANES, self.kernel.constants + self.kernel.fixed))
        everything[:, : self.kernel.constants] = self.constants
        for row in everything:
            self.kernel.module.prepare(row)
        self.all = np.ascontiguousarray(everything.T).ravel()
        self.factors = np.zeros(self.kernel.factors * LANES)

    def rates(self, state: Floats, lane: int) -> Floats:
        return np.array(self.code.rates(state.tolist(), self.constants[lane].tolist()))

    def jacobian(self, lane: int) -> Floats:
        """By central differences of the reference solver's code."""
        columns = []
        for place in range(self.count):
            nudge = np.zeros(self.count)
            nudge[place] = 1e-6
            up, down = self.rates(self.states[lane] + nudge, lane), self.rates(self.states[lane] - nudge, lane)
            columns.append((up - down) / 2e-6)
        return np.array(columns).T

    def call(self, which: str, gathered: Floats | None = None) -> Floats:
        """Slopes (lanes, states) of ``first`` or ``stage``."""
        slope = np.zeros(self.count * STRIDE)
        for place in range(self.count):
            slope[place * STRIDE : place * STRIDE + LANES] = 0.0 if gathered is None else gathered[:, place]
        state = np.ascontiguousarray(self.states.T).ravel()
        getattr(self.kernel.module, which)(state, self.all, self.steps, self.factors, slope)
        return np.array([slope[place * STRIDE : place * STRIDE + LANES] for place in range(self.count)]).T


@pytest.mark.parametrize("network", networks(), ids=["zoo", "closed"])
def test_stages_solve_what_they_should(network: Network) -> None:
    """W·k = h·f for the first stage, W·k = g + h·f for the others, with f and J of the reference solver's code."""
    here = Lanes(network)
    first = here.call("first")
    gathered = np.random.default_rng(2).standard_normal(first.shape)
    later = here.call("stage", gathered)
    for lane in range(LANES):
        jacobian = np.array(here.code.jacobian(here.states[lane].tolist(), here.constants[lane].tolist()))
        matrix = np.eye(here.count) / GAMMA - here.steps[lane] * jacobian
        pushed = here.steps[lane] * here.rates(here.states[lane], lane)
        assert first[lane] == pytest.approx(np.linalg.solve(matrix, pushed), rel=1e-8, abs=1e-10)
        assert later[lane] == pytest.approx(np.linalg.solve(matrix, gathered[lane] + pushed), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("network", networks(), ids=["zoo", "closed"])
def test_the_jacobian_inside_is_the_slope_of_the_rates(network: Network) -> None:
    """Columns of W⁻¹ by solving for unit vectors; from W follows J, which central differences must give as well."""
    here = Lanes(network, seed=3)
    here.steps = np.full(LANES, 0.1)
    here.call("first")
    still = here.call("stage", np.zeros((LANES, here.count)))
    inverse = np.zeros((LANES, here.count, here.count))
    for place in range(here.count):
        unit = np.zeros((LANES, here.count))
        unit[:, place] = 1.0
        inverse[:, :, place] = here.call("stage", unit) - still
    for lane in range(LANES):
        found = (np.eye(here.count) / GAMMA - np.linalg.inv(inverse[lane])) / 0.1
        wanted = here.jacobian(lane)
        assert np.abs(found - wanted).max() <= 1e-6 * max(1.0, np.abs(wanted).max())


def test_the_factorisation_fills_in() -> None:
    """The ring with chords is no tree: factors hold more entries than W, fewer than a full matrix."""
    here = Lanes(zoo())
    pattern = np.any([here.jacobian(lane) != 0 for lane in range(LANES)], axis=0) | np.eye(here.count, dtype=bool)
    assert pattern.sum() < here.kernel.factors < here.count**2


@pytest.mark.parametrize("rate", ["hill(absent, 1, exponent)", "absent ** exponent"])
@pytest.mark.parametrize("exponent", [2.0, 1.0, 0.5, 0.01])
def test_what_is_not_there_does_nothing(rate: str, exponent: float) -> None:
    """A drug that was never given does nothing whatever the exponent, as for the reference solver."""
    network = built(
        parameter("exponent", 2.0), State("absent", "1", "for a test", 0.0), State("driven", "1", "for a test", 0.0),
        Process("vanishing", "flow", "absent / day", "for a test", leaves="absent"),
        Process("driving", "flow", f"{rate} / day", "for a test", enters="driven"),
    )  # fmt: skip
    case, days = Case({"exponent": exponent}, days=(0.0, 10.0)), np.array([0.0, 10.0])
    out, ends = record(lanes(network), members(network, [case]), days)
    if exponent >= 1:  # below, the slope of a power at zero is infinite, for the reference too
        wanted = by_reference(network, case, days)
        assert (wanted.status, wanted.states[-1].tolist()) == (Status.OK, [0, 0])
    if exponent >= 1 or rate.startswith("hill"):
        assert ends.status[0] == Status.OK
        assert out[0, -1] == pytest.approx(0, abs=1e-9)
    else:
        assert ends.status[0] in (Status.OK, Status.NONFINITE, Status.STEP_TOO_SMALL)


def two_drugs() -> Network:
    """One drug with two answers, and a second that only some members are given."""
    return built(
        parameter("exponent", 1.0), parameter("other", 1.0), parameter("half", 0.7), parameter("second_given", 0.0),
        State("first", "1", "for a test", 3.0), State("second", "1", "for a test", "second_given"),
        State("answer", "1", "for a test", 0.1),
        Process("first_goes", "flow", "first / day", "for a test", leaves="first"),
        Process("second_goes", "flow", "second / day", "for a test", leaves="second"),
        Process("both", "flow", "hill(first + second, half, other) / day", "for a test", enters="answer"),
        Process("one", "flow", "hill(first, 0.4, exponent) * hill(answer, half, 1) / day", "for a test", enters="answer"),
        Process("two", "flow", "hill(second, half, exponent) * answer / day", "for a test", leaves="answer"),
    )  # fmt: skip


@pytest.mark.parametrize("exponent", [1.0, 2.3])
def test_a_hill_function_is_the_same_the_short_way_and_the_long_way(exponent: float) -> None:
    """Whether all neighbours have an exponent of 1, or lack the drug, decides how it is computed, and not what it is."""
    network, days = two_drugs(), np.array([0.0, 1.0, 6.0])
    mine = Case({"exponent": exponent, "other": 1.0}, days=(0.0, 6.0))
    alike, others = [mine] * LANES, [Case({"exponent": 3.1, "other": 0.6, "second_given": 2.0}, days=(0.0, 6.0))] * (LANES - 1)
    alone, _ = record(lanes(network), members(network, alike), days)
    among, ends = record(lanes(network), members(network, [mine, *others]), days)
    assert (ends.status == Status.OK).all()
    assert (alone == alone[0]).all()
    assert (among[0] == alone[0]).all()
    for case, found in ((mine, among[0]), (others[0], among[1])):
        assert found == pytest.approx(np.array(by_reference(network, case, days).states), rel=1e-5, abs=1e-8)


def test_the_text_speaks_of_the_biology() -> None:
    text = write_kernel(closed())
    assert text.startswith('"""One model of backfire')
    for name in ("sensitive", "gompertz_n", "clearance", "death_one", "hunter"):
        assert f"    {name} = " in text, name
    assert "unused" not in write_kernel(zoo())
    assert write_kernel(closed()) == lanes(closed()).source
    assert is_compiled(closed())


def test_functions_look_alike() -> None:
    module = lanes(closed()).module
    assert list(inspect.signature(module.first.py_func).parameters) == list(inspect.signature(module.stage.py_func).parameters)


# Random compositions against the reference solver.

LABELS = sorted(set(shipped()) - {"growth", "pharmacology", "surgery"})


def composition(rng: np.random.Generator) -> Network:
    """Growth by any law, kill, and one or two more shipped mechanisms, with whatever these need."""
    growth = type(shipped()["growth"].example())(law=rng.choice(["exponential", "logistic", "gompertz"]).item())
    chosen = rng.choice(LABELS, size=rng.integers(1, 3), replace=False).tolist()
    examples = {label: shipped()[label].example() for label in ("kill", *chosen)}
    return completed({"growth": growth, **examples})


DAYS = np.arange(0.0, 62.0, 2.0)
CLOSEST = Settings(relative=1e-11, cells=1e-9, absolute=1e-16)


def study(network: Network) -> Scenario:
    """A scenario around a network, with a regimen of every agent, all given in one arm."""
    mechanisms = {
        label: {"mechanism": item.label}
        | {key: list(value) if isinstance(value, tuple) else value for key, value in vars(item).items()}
        for label, item in network.mechanisms.items()
    }
    agents = [agent for agent, item in sorted(network.interventions.items()) if item.amount_unit]
    regimens = {agent: {"agent": agent, "start": 1.0, "amount": 1.0, "every": 7.0, "count": 4} for agent in agents}
    document = {"title": "at random", "article": "ours", "days": 60, "mechanisms": mechanisms, "regimens": regimens}
    return parse_data(document | {"arms": {"untreated": [], "treated": agents}}, "random")


def scenes(scenario: Scenario, count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """Members: parameters within their plausible ranges, switches anywhere, and a few doses of most agents, of others
    next to nothing."""
    drawn = []
    for _ in range(count):
        changes = {}
        for name, item in scenario.network.parameters.items():
            low, high = max(item.range[0], 1e-3 * item.range[1]), item.range[1]
            changes[name] = float(item.value if high == 0 else low * (high / low) ** rng.uniform())
        changes |= {name: float(rng.choice([0.0, 1.0, rng.uniform()])) for name in scenario.switches}
        for agent in scenario.regimens:
            changes[f"{agent}.amount"] = float(10 ** rng.uniform(-1, 1.3) if rng.uniform() < 0.8 else 1e-6)
            changes[f"{agent}.start"], changes[f"{agent}.every"] = rng.uniform(0, 20), rng.uniform(0.5, 10)
            changes[f"{agent}.count"] = int(rng.integers(1, 5))
        drawn.append(changes)
    return drawn


def furthest(network: Network, found: Floats, wanted: Floats) -> tuple[float, str]:
    """The largest difference of states over time in units of what is allowed, ten tolerances, and the state."""
    floor = np.array([1e-5 if state.is_cells else 1e-8 for state in network.states])
    wrong = np.abs(np.maximum(found, 0.0) - wanted) / (1e-5 * np.abs(wanted).max(axis=0) + floor)
    return float(wrong.max()), network.state_names[int(wrong.max(axis=0).argmax())]


def differing(item: Outcome, found: float, result: Result) -> float:
    """How far an outcome is from that of the reference in units of what is allowed: twenty tolerances, of one decade and
    of a tenth a day where there is less. On the day of a peak, which may be a plateau, the reference must be as high."""
    if item.name.startswith("peak_") and item.name.endswith("_day"):
        course, name = result.trajectories["treated"], item.name.removeprefix("peak_").removesuffix("_day")
        peak = result.outcome("treated", f"peak_{name}")
        assert peak is not None
        if abs(peak.value - 1) < 1e-3:
            return 0.0
        if math.isfinite(found) and math.isfinite(item.value) and abs(found - item.value) > 0.02:
            day = found + watch(result.scenario, "treated").start
            return abs(Interpolant(course, course[name], logarithmic=False).before(day) / peak.value - 1) / 2e-5
    if math.isnan(found) or math.isnan(item.value):
        return 0.0 if math.isnan(found) and math.isnan(item.value) else math.inf
    if item.unit == "day":
        return abs(found - item.value) / (0.02 if item.name.endswith("_day") else 1e-3)
    least = 1.0 if "log_kill" in item.name or item.name == "deepest_fall" else 0.1 if item.name.endswith("_rate") else 1e-100
    return abs(found - item.value) / (2e-5 * max(abs(item.value), least))


def shaken(scenario: Scenario) -> Scenario:
    """The scenario begun one absolute tolerance, or one rounding error, beside its start."""
    other = copy.copy(scenario)
    beside = [max(value + 1e-9, math.nextafter(value, math.inf)) for value in scenario.start_state()]
    object.__setattr__(other, "start_state", lambda: beside)
    return other


def compare(seed: int, count: int) -> None:
    """One composition, ``count`` members: the same statuses, states over time and outcomes as the reference,
    whose rows are 16 times as close as usual: between rows half a day apart splines can be off by some 1e-4.
    Hypothesis draws the seed, because its simplest draws are all the same.

    A loop that feeds itself can be set off by next to nothing, and when is decided by its last digit. Where the reference
    moves further than the two differ if its start does by one tolerance, smaller tolerances must bring them together."""
    rng = np.random.default_rng(seed)
    scenario = study(composition(rng))
    network, drawn = scenario.network, scenes(scenario, count, rng)
    assert len({repr(changes) for changes in drawn}) == count
    fields = tuple(drawn[0])
    samples = np.array([[float(value) for value in changes.values()] for changes in drawn])
    table = MemberTable(scenario, fields, samples)
    table.check_events(["treated"])
    assert not table.reasons
    made = lanes(network, read_plan({state.name: state.unit for state in network.states} | network.observables).watched)
    out, ends = record(made, table.numbers("treated", np.arange(count)), DAYS, BatchSettings())
    cohort = run_members(scenario, fields, samples, ["treated"])
    assert cohort.status[:, 0].tolist() == ends.status.tolist()
    finer, worst, hard = scenario.changed({"record_every": scenario.record_every / 16}), 0.0, dict[int, Floats]()
    for row, changes in enumerate(drawn):
        result = simulate(finer.changed(changes), ["treated"], Settings())
        exactly = result.trajectories["treated"]
        assert int(ends.status[row]) == exactly.status, (exactly.message, changes)
        wanted = exactly.values[np.searchsorted(exactly.times, DAYS)][:, : len(network.states)]
        off, name = furthest(network, out[row], wanted)
        if off > 1:
            beside = simulate(shaken(finer.changed(changes)), ["treated"], Settings()).trajectories["treated"]
            moved = beside.values[np.searchsorted(beside.times, DAYS)][:, : len(network.states)]
            assert off < furthest(network, moved, wanted)[0], (off, name, sorted(network.mechanisms), changes)
            closest = simulate(finer.changed(changes), ["treated"], CLOSEST).trajectories["treated"]
            hard[row] = closest.values[np.searchsorted(closest.times, DAYS)][:, : len(network.states)]
            continue
        worst = max(worst, off)
        for name, values in cohort.values["treated"].items():
            item = result.outcome("treated", name) or Outcome(name, math.nan, "", "", False)
            off = differing(item, float(values[row]), result)
            assert off <= 1, (off, name, values[row], item, sorted(network.mechanisms), changes)
            assert cohort.observed["treated"][name][row] == item.observed, (name, item, changes)
            worst = max(worst, off)
    print(f"{count} members of {sorted(network.mechanisms)}: {worst:.2g} of what is allowed, {len(hard)} hard ones")
    assert len(hard) <= count / 10
    closer = BatchSettings(relative=1e-10, cells=1e-9, absolute=1e-13)
    again = record(made, table.numbers("treated", np.array([*hard], dtype=np.int64)), DAYS, closer)[0] if hard else ()
    for found, wanted in zip(again, hard.values(), strict=True):
        assert furthest(network, found, wanted)[0] <= 1, furthest(network, found, wanted)


@pytest.mark.slow  # compiles a model of its own
@settings(max_examples=1, phases=[Phase.generate])
@given(st.integers(0, 2**32 - 1))
def test_random_scenarios_agree_with_the_reference(seed: int) -> None:
    compare(seed, 10)


@pytest.mark.thorough
@settings(max_examples=14, phases=[Phase.generate])
@given(st.integers(0, 2**32 - 1))
def test_five_hundred_random_scenarios_agree_with_the_reference(seed: int) -> None:
    compare(seed, 36)


# The cache.


def test_an_edited_generator_writes_another_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of the generators is part of the key, and so is the text of everything that is melted into machine code."""
    monkeypatch.setenv("BACKFIRE_CACHE", str(tmp_path))
    network = ivp({"x": "-x"}, [1.0])
    write_kernel(network)
    write_kernel(network)
    assert len(list(tmp_path.glob("lanes-*.txt"))) == 1
    monkeypatch.setattr(kernels, "_generator", lambda: "an edited generator")
    write_kernel(network)
    assert len(list(tmp_path.glob("lanes-*.txt"))) == 2


def test_a_damaged_kernel_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKFIRE_CACHE", str(tmp_path))
    network = ivp({"x": "-x"}, [1.0])
    text = write_kernel(network)
    (path,) = tmp_path.glob("lanes-*.txt")
    for damage in (path.read_text().replace("- ", "+ "), "", "# 0 1\n", path.read_text()[:-40]):
        path.write_text(damage)
        assert write_kernel(network) == text


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from networks import ivp
from backfire.solvers.batch.kernel import kernel_of
made = kernel_of(ivp({"x": "-exp(spare) * x"}, [1.0]))
row = np.zeros(made.constants + made.fixed)
row[:made.constants] = 1.0
made.module.prepare(row)
print(repr(abs(float(row[-1]))))
"""


def child(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """A process of its own that compiles a kernel and prints e, computed by it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("BACKFIRE_CACHE", "XDG_CACHE_HOME", "PYTHONPATH")}
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parents[2])]
    return subprocess.Popen(
        command, env={**kept, **variables}, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def said(process: subprocess.Popen[str]) -> float:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return float(out)


@pytest.mark.slow
def test_four_processes_start_at_once_on_an_empty_cache(tmp_path: Path) -> None:
    started = [child(tmp_path, BACKFIRE_CACHE=str(tmp_path / "cache")) for _ in range(4)]
    assert [said(process) for process in started] == pytest.approx([math.e] * 4, rel=1e-15)


@pytest.mark.slow
def test_an_edited_series_is_compiled_anew_and_home_may_be_missing(tmp_path: Path) -> None:
    """A copy of the package, run twice with one cache; in between somebody edits a file that only other files call."""
    package = shutil.copytree(Path(backfire.__file__).parent, tmp_path / "copy" / "backfire")
    (tmp_path / "file").write_text("in the way")
    where = {"PYTHONPATH": str(package.parent), "HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path)}
    assert said(child(tmp_path, **where)) == pytest.approx(math.e, rel=1e-15)
    series = package / "solvers" / "batch" / "vectormath.py"
    series.write_text(series.read_text().replace("p = p * r + 0.5\n", "p = p * r + 0.25\n"))
    wrong = said(child(tmp_path, **where))
    assert abs(wrong - math.e) > 1e-3
    assert any(tmp_path.glob("backfire-*"))


def test_sources_differ_from_those_of_the_reference() -> None:
    """Two generators, so that the comparison of both solvers means something."""
    text: Any = write_source(zoo())
    assert "def rates" in text
    assert "def rates" not in write_kernel(zoo())


def test_a_kernel_that_cannot_be_kept_says_where_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "keep", lambda *_: None)  # as on a full disk
    with pytest.raises(UserError, match=r"cannot be kept in .*BACKFIRE_CACHE"):
        kernels.kernel_of(ivp({"kept_nowhere": "-kept_nowhere / 3"}, [1.0]))
