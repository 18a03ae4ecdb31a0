"""The batch solver against other simulators, in one interleaved run: ``python tests/benchmarks/batch.py [rounds]``.

Prints simulations per second and core with the largest error beside them, how time grows with members, cores and
stiffness, where the time of a step goes, and the speed of a shipped scenario with its outcomes. Writes
``work-precision.png`` beside the table. Medians of at least five rounds, and of ratios within a round; peers: ``pip
install numbalsoda libroadrunner copasi-basico antimony`` (numbalsoda compiles from source and needs a Fortran compiler).
A peer that is missing is named.
"""

from __future__ import annotations

import ast
import collections
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import peers
import problem
from scipy.integrate import solve_ivp

from backfire.scenario.scenario import load
from backfire.simulation.cohort import run_members
from backfire.solvers import batch
from backfire.solvers.batch import jit as compiling
from backfire.solvers.batch import kernel as kernels
from backfire.solvers.batch import stages, tableau

NETWORK = problem.network()
COMPARED = 32
"""Members whose errors are compared with the reference."""
TOLERANCES = ((3e-4, 6e-8), (1e-4, 1e-8), (1e-5, 3e-9), (1e-6, 1e-9), (1e-7, 1e-10))
"""(relative, absolute) of ours. The first is no less accurate than LSODA at the problem's 1e-6 and 1e-9, to which it is
compared; the fourth are those of the problem."""
BATCH = 1024
TIMES = 8
"""So often our batch is simulated for one timing: all simulators then work for about half a second."""
PORTION = 512
DAYS = np.arange(201.0)
STIFF = {"dw", "dx", "dl"}
"""What is ten times faster in the stiff problem."""


def members(count: int, stiffness: float = 1.0) -> batch.Members:
    """``count`` members as the batch solver takes them."""
    return members_of(*problem.samples(count), stiffness)


def members_of(values: dict[str, np.ndarray], factors: np.ndarray, stiffness: float = 1.0) -> batch.Members:
    """Rates by name and factors of both doses, in the order of the network."""
    count = len(factors)
    names, states = NETWORK.constant_names, NETWORK.state_names
    constants = np.column_stack([values[name] * (stiffness if name in STIFF else 1.0) for name in names])
    starts = np.tile([problem.START.get(name, 0.0) for name in states], (count, 1))
    given = [states.index(name) for name in problem.AMOUNTS]
    amounts = factors[:, None, :] * np.array([*problem.AMOUNTS.values()])
    doses, width = len(problem.DOSES), len(states)
    events = (
        np.tile(np.repeat(problem.DOSES, 2), count), np.tile(given, doses * count).astype(np.int64),
        np.ones(2 * doses * count), np.repeat(amounts, doses, axis=1).ravel(),
    )  # fmt: skip
    rows = np.arange(count)[:, None] * 2 * doses + np.array([0, 2 * doses])
    no = np.zeros(width, dtype=bool)
    days = np.tile([0.0, problem.DAYS], (count, 1))
    return batch.Members(starts, constants, days, events, rows, no, no, np.zeros((width, width), dtype=bool))


def reference(count: int, stiffness: float = 1.0) -> np.ndarray:
    """SciPy's Radau at 1e-11 and 1e-13, dose to dose, from the equations written by hand."""
    values, factors = problem.samples(count)
    out = np.empty((count, 201, 11))
    for member in range(count):
        k = np.array([values[name][member] * (stiffness if name in STIFF else 1.0) for name in peers.NAMES])

        def rates(t: float, u: np.ndarray, k: np.ndarray = k) -> np.ndarray:
            du = np.empty(11)
            peers.right_hand_side(t, u, du, k)
            return du

        u = peers.start()
        for piece in range(7):
            if piece:
                u[0], u[2] = u[0] + 5.0 * factors[member, 0], u[2] + factors[member, 1]
            first, last = int(peers.EDGES[piece]), int(peers.EDGES[piece + 1])
            found = solve_ivp(rates, (first, last), u, method="Radau", rtol=1e-11, atol=1e-13, t_eval=DAYS[first : last + 1])
            out[member, first : last + 1] = found.y.T
            u = found.y[:, -1].copy()
        out[member, -1] = u
    return out


def largest_errors(states: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(largest error of all states, largest of tumour and metastases), |y - ref| / (1e-6 + |ref|), dose days apart.

    Peers report the day of a dose before or after it; it says nothing about accuracy and is left out.
    """
    error = np.abs(states - truth) / (1e-6 + np.abs(truth))
    error[:, [int(day) for day in problem.DOSES]] = 0.0
    tumour = [problem.STATES.index(name) for name in ("p", "d", "z")]
    return float(error.max()), float(error[:, :, tumour].max())


def settings(pair: tuple[float, float]) -> batch.BatchSettings:
    return batch.BatchSettings(relative=pair[0], absolute=pair[1])


def ours(kernel: kernels.Kernel, pair: tuple[float, float]) -> peers.Run:
    """Our solver at its tolerances, as a peer; states in the order of the network."""

    def run(values: dict[str, np.ndarray], factors: np.ndarray) -> np.ndarray:
        states, ends = batch.record(kernel, members_of(values, factors), DAYS, settings(pair))
        assert (ends.status == 0).all()
        return states

    return run


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def core_seconds(work: Callable[[], object]) -> float:
    """Of this process alone: what else the machine does in the meantime is left out."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


class Row(NamedTuple):
    """A simulator: simulations per second in every round, largest error, that of tumour and metastases."""

    name: str
    speeds: list[float]
    error: float
    tumour: float

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)

    @property
    def mine(self) -> bool:
        return self.name.startswith("backfire")


def compare(kernel: kernels.Kernel, rounds: int, truth: np.ndarray) -> list[Row]:
    """Ours at several tolerances, and the peers."""
    runs: dict[str, tuple[peers.Run, int, int]] = {
        f"backfire batch, rtol {pair[0]:g}": (ours(kernel, pair), BATCH, TIMES) for pair in TOLERANCES
    }
    sizes = {"numbalsoda LSODA": 256, "COPASI LSODA": 64, "libRoadRunner CVODE": 48, "SciPy solve_ivp LSODA": 8}
    for name, prepare in peers.PEERS.items():
        try:
            runs[name] = (prepare(), sizes[name], 1)
        except (ImportError, OSError) as error:
            print(f"{name} is left out: {error}")
    timed: dict[str, list[float]] = {name: [] for name in runs}
    inputs = {name: problem.samples(size) for name, (_, size, _) in runs.items()}
    for name, (run, _, _) in runs.items():  # compiles, loads, warms up
        values, factors = inputs[name]
        run({key: column[:2] for key, column in values.items()}, factors[:2])
    for _ in range(rounds):
        for name, (run, size, times) in runs.items():
            took = sum(seconds(lambda run=run, name=name: run(*inputs[name])) for _ in range(times))
            timed[name].append(size * times / took)
    rows = []
    for name, (run, size, _) in runs.items():
        count = min(COMPARED, size)
        values, factors = problem.samples(COMPARED)
        chosen = {key: column[:count] for key, column in values.items()}
        states = run(chosen, factors[:count])
        if name.startswith("backfire"):
            states = states[:, :, [NETWORK.state_names.index(state) for state in problem.STATES]]
        rows.append(Row(name, timed[name], *largest_errors(states, truth[:count])))
    return rows


def scaling(kernel: kernels.Kernel, rounds: int) -> None:
    """How time grows with members, cores and stiffness, as ratios within one run."""
    few, many = members(1_000), {count: members(count) for count in (10_000, 100_000)}
    usual, stiff = members(BATCH), members(BATCH, 10.0)

    def portions(given: batch.Members, threads: int = 1) -> None:
        parts = [given[at : at + PORTION] for at in range(0, len(given), PORTION)]
        if threads == 1:
            for part in parts:
                batch.record(kernel, part, DAYS)
            return
        with ThreadPoolExecutor(threads) as pool:
            sum(pool.map(lambda part: int(batch.record(kernel, part, DAYS)[1].steps.sum()), parts))

    def against_few(count: int) -> float:
        """Time per member of ``count`` over that of a thousand, who are simulated before and after: clocks drift."""
        times = count // 1_000 // 4
        before = core_seconds(lambda: [portions(few) for _ in range(times)])
        took = core_seconds(lambda: portions(many[count]))
        after = core_seconds(lambda: [portions(few) for _ in range(times)])
        return took / count / ((before + after) / 2_000 / times)

    per: dict[str, list[float]] = collections.defaultdict(list)
    for _ in range(rounds):
        per["100,000"].append(against_few(100_000))
        for _ in range(3):
            per["10,000"].append(against_few(10_000))
            one = seconds(lambda: portions(many[10_000]))
            per["two cores"].append(one / seconds(lambda: portions(many[10_000], 2)))
        for pair in 3 * (TOLERANCES[0], TOLERANCES[3]):
            plain = core_seconds(lambda pair=pair: batch.record(kernel, usual, DAYS, settings(pair)))
            stiffer = core_seconds(lambda pair=pair: batch.record(kernel, stiff, DAYS, settings(pair)))
            per[f"stiff, rtol {pair[0]:g}"].append(stiffer / plain)
    print("\nHow time grows (ratios within one round, medians)")
    for name in ("10,000", "100,000"):
        print(f"  time per member, {name} against 1,000 members: {statistics.median(per[name]):.2f}")
    print(f"  two threads against one: {statistics.median(per['two cores']):.2f} x as fast")
    for name in [name for name in per if name.startswith("stiff")]:
        print(f"  host factors ten times stiffer, {name[7:]}: {statistics.median(per[name]):.2f} x the time")


def shares(kernel: kernels.Kernel) -> None:
    """Where the time of one attempted step goes, in nanoseconds per lane."""
    from numba import njit

    lanes, width = compiling.LANES, kernel.states
    state, inner = np.full(width * lanes, 0.3), np.zeros(width * lanes)
    constant = np.ones((kernel.constants + kernel.fixed) * lanes)
    steps, factors = np.full(lanes, 0.1), np.zeros(kernel.factors * lanes)
    slopes, error, absolute = np.zeros(width * stages.STRIDE), np.zeros(lanes, np.float32), np.full(width, 1e-9)

    def timed(function: object, *arguments: object) -> float:
        names = ", ".join(f"a{place}" for place in range(len(arguments)))
        space: dict[str, Callable[..., None]] = {}
        exec(f"def loop(n, f, {names}):\n    for _ in range(n):\n        f({names})", space)
        loop = njit(space["loop"])
        loop(1, function, *arguments)
        return min(seconds(lambda: loop(2000, function, *arguments)) for _ in range(7)) / 2000 / lanes * 1e9

    first = timed(kernel.module.first, state, constant, steps, factors, slopes)
    stage = timed(kernel.module.stage, state, constant, steps, factors, slopes)
    gather = sum(timed(function, width, state, slopes, inner) for function in stages.GATHERS)
    last = timed(stages.errors, width, 1e-6, absolute, state, slopes, inner, error)
    bends = timed(stages.bend, width, slopes, np.zeros(3 * width * lanes))
    many, chosen = members(BATCH), settings(TOLERANCES[0])
    spent = min(seconds(lambda: batch.record(kernel, many, DAYS, chosen)) for _ in range(5))
    whole = spent / float(batch.record(kernel, many, DAYS, chosen)[1].steps.sum()) * 1e9
    print(f"\nOne attempted step takes {whole:.0f} ns per lane:")
    parts = {
        "first stage: rates, Jacobian, LU, solve": first,
        "seven further stages: rates and solve": 7 * stage,
        "sums of stages": gather,
        "new state and error": last,
        "coefficients of the dense output": bends,
    }
    parts["control, events, daily output, memory"] = whole - sum(parts.values())
    for name, took in parts.items():
        print(f"  {name}: {took:.0f} ns, {took / whole:.0%}")
    done, top = operations(kernel), peak()
    print(
        f"  {done} additions, multiplications and divisions: {done / whole:.1f} a ns, {done / whole / top:.0%} of the core's {top:.0f}"
    )


def operations(kernel: kernels.Kernel) -> int:
    """Arithmetic of one step of one lane, counted in the text of what is compiled; a fused pair counts as two."""

    def counted(text: str) -> int:
        loop = next(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.For) and node.iter.args[-1].id == "LANES")
        sums = [node for line in loop.body for node in ast.walk(line) if isinstance(node, ast.BinOp)]
        places = [node for line in loop.body for node in ast.walk(line) if isinstance(node, ast.Subscript)]
        inside = {id(part) for place in places for part in ast.walk(place.slice)}
        return sum(id(node) not in inside for node in sums)

    texts = {node.name: ast.unparse(node) for node in ast.parse(kernel.source).body if isinstance(node, ast.FunctionDef)}
    looks = sum(2 * len(row) for row in tableau.A[:6]) + 2  # later ones add one slope each
    sums = looks + sum(2 * len(row) - 1 for row in (*tableau.C[1:], *tableau.H))
    return counted(texts["first"]) + 7 * counted(texts["stage"]) + kernel.states * (sums + 8)


def peak() -> float:
    """Operations a nanosecond of a loop of fused multiply-adds on numbers in the first-level cache."""
    from numba import njit

    @njit(fastmath={"contract"}, error_model="numpy")
    def loop(numbers, a, b):
        compiling.wide()
        for _ in range(200):
            for place in range(256):
                x = numbers[place]
                x = x * a + b
                x = x * a + b
                x = x * a + b
                x = x * a + b
                x = x * a + b
                x = x * a + b
                x = x * a + b
                numbers[place] = x * a + b

    numbers = np.linspace(0.1, 1.0, 256)
    loop(numbers, 0.999, 0.001)
    taken = min(seconds(lambda: [loop(numbers, 0.999, 0.001) for _ in range(100)]) for _ in range(9))
    return 100 * 200 * 256 * 16 / taken * 1e-9


def shipped(rounds: int) -> None:
    """Members of a shipped scenario, all arms and outcomes, per second and core."""
    scenario = load("wnt16b-stroma")
    draw = np.random.default_rng(1).standard_normal((BATCH, 2))
    fields = ["growth_rate", "mitoxantrone_kill_rate"]
    samples = np.exp(0.1 * draw) * [scenario.values[name] for name in fields]
    run_members(scenario, fields, samples[:64])
    took = statistics.median(seconds(lambda: run_members(scenario, fields, samples)) for _ in range(rounds))
    print(f"\nwnt16b-stroma, {len(scenario.arms)} arms with all outcomes: {BATCH / took:.0f} members per second and core")


def draw(rows: list[Row], path: Path) -> None:
    """Work against precision: speed over the largest error."""
    from backfire.figures import Page, png, styled

    with styled():
        title = "The same tumours simulated: speed against accuracy"
        figure = Page(title, {"benchmark": NETWORK.fingerprint()}, (8, 5.2), title_size=14).figure
        axes = figure.add_axes((0.1, 0.15, 0.86, 0.68))
        mine = [row for row in rows if row.mine]
        axes.plot([row.error for row in mine], [row.speed for row in mine], "o-", color="#0072B2", linewidth=2.4)
        for place, row in enumerate(mine):
            above = (0, 9 if place % 2 else -16)
            axes.annotate(
                row.name.partition(", ")[2], (row.error, row.speed), above, textcoords="offset points", ha="center", fontsize=9
            )
        for row, mark in zip([row for row in rows if not row.mine], "sD^vP", strict=False):
            axes.plot(row.error, row.speed, mark, color="#D55E00", markersize=8)
            axes.annotate(row.name, (row.error, row.speed), (9, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("largest error of any state on any day, |y − reference| / (1e-6 + |reference|)")
        axes.set_ylabel("simulations per second, one core")
        axes.grid(True)
        axes.margins(0.12, 0.2)
        axes.set_xlim(right=30 * max(row.error for row in rows))
    path.write_bytes(png(figure))


def main(rounds: int, out: Path) -> None:
    """Everything, in the order of the table."""
    kernel = kernels.kernel_of(NETWORK)
    truth = reference(COMPARED)
    rows = compare(kernel, rounds, truth)
    print(f"{'simulator':28} {'per second, one core':>21} {'largest error':>14} {'tumour':>9}   ours at 3e-4 / 1e-6")
    chosen = [rows[0], rows[3]]
    for row in rows:
        gains = [statistics.median(ours / peer for ours, peer in zip(mine.speeds, row.speeds, strict=True)) for mine in chosen]
        ratios = "" if row.mine else " / ".join(f"{gain:.0f} x" for gain in gains)
        print(f"{row.name:28} {row.speed:21.0f} {row.error:14.1e} {row.tumour:9.1e}   {ratios}")
    scaling(kernel, max(1, rounds // 2))  # half a minute a round
    shares(kernel)
    shipped(rounds)
    draw(rows, out)
    print(f"\nwritten: {out}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, Path(sys.argv[2] if len(sys.argv) > 2 else "work-precision.png"))
