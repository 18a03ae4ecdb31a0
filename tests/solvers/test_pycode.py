"""Generated code: its Jacobian against 40-digit derivatives, its arrays against its scalars, its cache against mishaps."""

from __future__ import annotations

import ast
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from backfire import system
from backfire.mechanisms import shipped
from backfire.mechanisms.growth import Growth
from backfire.mechanisms.kill import Kill
from backfire.mechanisms.pharmacology import Pharmacology
from backfire.model.components import Definition, Process, State
from backfire.model.network import Network, compose
from backfire.scenario.scenario import load, shipped_scenarios
from backfire.solvers import pycode as codegen
from backfire.solvers.cache import cache_folder
from networks import Built, built, everything, parameter, start_of, values_of, working_network

EXACT = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "abs": abs,
    "min": min,
    "max": max,
    "positive": lambda x: max(x, mpmath.mpf(0)),
    "hill": lambda x, half, n: mpmath.mpf(0) if x <= 0 else 1 / (1 + (half / x) ** n),
}


def exact_rates(source: str) -> Any:
    """The generated right-hand side, run in mpmath's numbers instead of doubles."""
    tree = ast.parse(source)
    kept = [item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == "rates"]
    namespace: dict[str, Any] = dict(EXACT)
    exec(compile(ast.Module(kept, []), "rates", "exec"), namespace)
    return namespace["rates"]


def some_states(network: Network, count: int = 3) -> list[list[float]]:
    """States off every kink: cells between 1e2 and 1e8, factors above their untreated level, the rest between 0 and 2."""
    random = np.random.default_rng(7)

    def one(state: State) -> float:
        if state.is_cells:
            return float(10 ** random.uniform(2, 8))
        return float(random.uniform(1.1, 6.0) if state.unit == "fold" else random.uniform(0.05, 0.95))

    return [[one(state) for state in network.states] for _ in range(count)]


def check_jacobian(network: Network, constants: Sequence[float]) -> None:
    code = codegen.generate(network)
    rates = exact_rates(code.source)
    with mpmath.workdps(40):
        exactly = [mpmath.mpf(value) for value in constants]
        for state in some_states(network):
            given = code.jacobian(state, list(constants))
            point = [mpmath.mpf(value) for value in state]
            for column, value in enumerate(point):
                step = value * mpmath.mpf(10) ** -12

                ahead, behind = (
                    rates([*point[:column], moved, *point[column + 1 :]], exactly) for moved in (value + step, value - step)
                )
                for row in range(len(state)):
                    # a central difference in 40 digits: error step², below 1e-20
                    wanted = (ahead[row] - behind[row]) / (2 * step)
                    size = max(abs(wanted), abs(ahead[row] / value) * mpmath.mpf(10) ** -6)
                    name = f"d {network.state_names[row]} / d {network.state_names[column]}"
                    assert abs(given[row][column] - wanted) <= 1e-8 * size, name


@pytest.mark.parametrize("label", shipped())
def test_jacobians_of_shipped_mechanisms(label: str) -> None:
    network = working_network(label)
    values = values_of(network)
    check_jacobian(network, [values[name] for name in network.constant_names])


def test_the_jacobian_of_everything() -> None:
    network = everything()
    values = values_of(network, dict.fromkeys(network.switches, 0.7))
    check_jacobian(network, [values[name] for name in network.constant_names])


@pytest.mark.parametrize("name", shipped_scenarios())
def test_jacobians_of_shipped_scenarios(name: str) -> None:
    scenario = load(name)
    check_jacobian(scenario.network, scenario.constants())


@pytest.mark.parametrize("name", shipped_scenarios())
def test_jacobians_are_finite_where_runs_begin(name: str) -> None:
    """Drugs at 0, cells at 0: where Hill curves and powers have their corners."""
    scenario = load(name)
    code = codegen.generate(scenario.network)
    for state in (scenario.start_state(), [0.0] * len(scenario.network.states)):
        assert np.isfinite(code.rates(state, scenario.constants())).all()
        assert np.isfinite(code.jacobian(state, scenario.constants())).all()


@pytest.mark.parametrize("law", ["logistic", "gompertz", "exponential"])
@pytest.mark.parametrize("kill", ["log-kill", "norton-simon"])
def test_jacobians_of_every_law(law: Any, kill: Any) -> None:
    network = compose([Growth(law=law), Pharmacology(("drug",), infused=("drug",)), Kill(by=("drug",), law=kill)])
    values = values_of(network, {"drug_hill": 0.6})
    check_jacobian(network, [values[name] for name in network.constant_names])


def test_a_jacobian_written_by_hand() -> None:
    network = built(
        parameter("a", 2.0, "1/day"),
        State("x", "1", "m", 1.0),
        State("y", "1", "m", 1.0),
        Definition("product", "x * y ** 2", "1", "m"),
        Process("flow", "k", "a * product", "m", leaves="x", enters="y"),
    )
    assert codegen.generate(network).jacobian([3.0, 5.0], [2.0]) == [[-50.0, -60.0], [50.0, 60.0]]
    assert codegen.generate(network).rates([3.0, 5.0], [2.0]) == [-150.0, 150.0]


@pytest.mark.parametrize("label", shipped())
def test_arrays_agree_with_scalars(label: str) -> None:
    """What is recorded beside a trajectory is what the solver computed with."""
    network = working_network(label)
    code = codegen.generate(network)
    values = values_of(network)
    constants = [values[name] for name in network.constant_names]
    states = np.array([start_of(network, values), *some_states(network, 5)])
    observed = dict(zip(network.observables, code.observe(list(states.T), constants), strict=True))
    for row, state in enumerate(states):
        rates = dict(zip(network.state_names, code.rates(state.tolist(), constants), strict=True))
        for name, terms in network.equations.items():
            flows = [sign * float(np.broadcast_to(observed[process], len(states))[row]) for sign, process in terms]
            assert sum(flows) == pytest.approx(rates[name], rel=1e-12, abs=1e-13 * sum(abs(flow) for flow in flows))


def test_networks_without_parameters_or_processes() -> None:
    still = built(State("x", "1", "m", 2.0))
    assert codegen.generate(still).rates([2.0], []) == [0.0]
    assert codegen.generate(still).jacobian([2.0], []) == [[0.0]]
    moving = built(State("x", "1", "m", 2.0), Process("loss", "loss", "3 * x / day", "m", leaves="x"))
    assert codegen.generate(moving).rates([2.0], []) == [-6.0]
    assert codegen.generate(moving).jacobian([2.0], []) == [[-3.0]]


def test_networks_without_states() -> None:
    network = compose({"built": Built((parameter("a", 2.0), Definition("b", "2 * a", "1", "m")))})
    code = codegen.generate(network)
    assert code.rates([], [2.0]) == []
    assert code.observe([], [2.0]) == (4.0,)


def test_the_source_shows_the_names_of_the_biology() -> None:
    source = codegen.write_source(compose([Growth()]))
    assert "growth_rate * (1.0 - burden / capacity)" in source
    assert "# d active / dt" in source


# The cache.


def tiny(rate: str = "rate * x") -> Network:
    return built(parameter("rate", 2.0, "1/day"), State("x", "1", "m", 1.0), Process("loss", "loss", rate, "m", leaves="x"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "code"
    monkeypatch.setenv("BACKFIRE_CACHE", str(folder))
    return folder


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_code_is_kept_and_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = codegen.generate(tiny()).source
    (kept,) = files(cache)

    def refuse(_: Network) -> str:
        raise AssertionError("generated again")

    monkeypatch.setattr(codegen, "write_source", refuse)
    assert codegen.generate(tiny()).source == source
    assert files(cache) == [kept]


@pytest.mark.parametrize("spoil", ["truncate", "empty", "flip", "append", "binary", "foreign"])
def test_spoilt_files_are_made_anew(cache: Path, spoil: str) -> None:
    wanted = codegen.generate(tiny())
    (kept,) = files(cache)
    good = kept.read_bytes()
    kept.write_bytes(
        {
            "truncate": good[: len(good) // 2],
            "empty": b"",
            "flip": good.replace(b"rate * x", b"rate + x"),
            "append": good + b"\nraise SystemExit\n",
            "binary": b"\xff\xfe" + good,
            "foreign": b"raise SystemExit\n",
        }[spoil]
    )
    assert kept.read_bytes() != good
    again = codegen.generate(tiny())
    assert again.source == wanted.source
    assert again.rates([3.0], [2.0]) == [-6.0]
    assert kept.read_bytes() == good
    assert files(cache) == [kept]


def test_another_model_has_another_file(cache: Path) -> None:
    first = codegen.generate(tiny())
    second = codegen.generate(tiny("2 * rate * x"))
    assert len(files(cache)) == 2
    assert (first.rates([1.0], [1.0]), second.rates([1.0], [1.0])) == ([-1.0], [-2.0])


@pytest.mark.parametrize("edited", ["solvers/pycode.py", "formulas/expression.py", "model/network.py"])
def test_an_edited_generator_has_another_file(edited: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package as it is, then as if one of the files that decide what is generated had been edited."""
    codegen.generate(tiny())
    copy = shutil.copytree(system.PACKAGE, tmp_path / "copy")
    monkeypatch.setattr(system, "PACKAGE", copy)
    codegen.generate(tiny())
    assert len(files(cache)) == 1
    (copy / edited).write_text("# another generator\n", encoding="utf-8")
    system._source_hash.cache_clear()
    codegen.generate(tiny())
    assert len(files(cache)) == 2


def test_other_values_share_the_file(cache: Path) -> None:
    codegen.generate(tiny())
    network = built(
        parameter("rate", 5.0, "1/day"), State("x", "1", "m", 7.0), Process("loss", "loss", "rate*x", "m", leaves="x")
    )
    assert codegen.generate(network).rates([1.0], [5.0]) == [-5.0]
    assert len(files(cache)) == 1


def test_a_cache_that_cannot_be_made_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands where the folders would be, which stops the superuser as well."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("BACKFIRE_CACHE", str(blocked / "code"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked / "xdg"))
    monkeypatch.setenv("HOME", str(blocked / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    folder = cache_folder()
    assert folder.is_relative_to(temporary)
    assert codegen.generate(tiny()).rates([3.0], [2.0]) == [-6.0]
    assert list(folder.iterdir())
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_full_disk_is_no_reason_to_stop(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert codegen.generate(tiny()).rates([3.0], [2.0]) == [-6.0]
    assert files(cache) == []
