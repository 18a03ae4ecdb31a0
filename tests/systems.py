"""Many small systems in one network, so that the tests of the batch solver share two kernels: one member, one system.

Every system stands still unless its parameter ``on_<system>`` is 1. A member switches on one, so what does not move
adds no error and never decides a step: each system is solved as if it were alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from backfire.model.components import Definition, Part, Process, State
from backfire.model.dosing import Event
from backfire.model.network import Network
from backfire.simulation.arms import feeds
from backfire.solvers.batch.integrator import integrator
from backfire.solvers.batch.kernel import Kernel, kernel_of
from backfire.solvers.batch.solve import BatchSettings, Ends, Members, record
from backfire.solvers.cache import cache_folder
from backfire.solvers.trajectory import Floats
from networks import built, parameter, start_of, values_of

CLOSED: Mapping[str, Mapping[str, tuple[float, str]]] = {
    "logistic": {"logistic_n": (1e6, "0.03 * logistic_n * (1 - logistic_n / 1e9)")},
    "gompertz": {"gompertz_n": (1e6, "0.02 * gompertz_n * log(1e9 / gompertz_n)")},
    "linear": {"linear_n": (1e9, "linear_n * (0.05 - 0.4 * linear_c)"), "linear_c": (2, "-0.3 * linear_c")},
    "emax": {"emax_n": (1e9, "emax_n * (0.05 - 0.8 * emax_c / (0.5 + emax_c))"), "emax_c": (2, "-0.3 * emax_c")},
    "oral": {"gut": (0, "-gut"), "blood": (0, "gut - 0.1 * blood")},
    "infusion": {"flow": (0, "0 * flow"), "level": (0, "flow - clearance * level")},
    "saturable": {"saturable_c": (10, "-saturable_c / (0.5 + saturable_c)")},
    "clones": {"sensitive": (1e9, "-0.1 * sensitive"), "resistant": (100, "0.04 * resistant + 1e-6 * sensitive")},
    "switching": {"x": (1e9, "-0.11 * x + 0.002 * y"), "y": (100, "0.01 * x + 0.038 * y")},
    "pressed": {"pressure": (0, "0 * pressure"), "pressed_n": (1e8, "pressed_n * (0.03 - 0.03e-9 * pressed_n - pressure)")},
    "prey": {"prey": (1, "1.5 * prey - prey * hunter"), "hunter": (1, "prey * hunter - 3 * hunter")},
    "lines": {"p": (0, "0.03 - 0.07 * p + 0.04 * p ** 2")},
    "pole": {"pole": (1, "pole ** 2")},
    "fall": {"fall": (1, "1e-3 * log(fall) - 1")},
    "wheel": {"cosine": (1, "-turns * sine"), "sine": (0, "turns * cosine")},
    "root": {"root": (1, "-sqrt(root)")},
    "basin": {"basin": (1, "1e-4 - sqrt(basin)")},
    "bowl": {"bowl": (1, "1e-4 - sqrt(positive(bowl))")},
}
"""System → state → (start, right-hand side), all plain numbers: those with closed forms, and some that must fail."""

POLLUTION = (
    ("0.35", 1), ("26.6", 2, 4), ("12300", 5, 2), ("0.00086", 7), ("0.00082", 7), ("15000", 7, 6), ("0.00013", 9),
    ("24000", 9, 6), ("16500", 11, 2), ("9000", 11, 1), ("0.022", 13), ("12000", 10, 2), ("1.88", 14), ("16300", 1, 6),
    ("4800000", 3), ("0.00035", 4), ("0.0175", 4), ("1e8", 16), ("4.44e11", 16), ("1240", 17, 6), ("2.1", 19), ("5.78", 19),
    ("0.0474", 1, 4), ("1780", 19, 1), ("3.12", 20),
)  # fmt: skip
"""Rate constant and reactants of the 25 reactions of POLLU."""
BALANCE = (
    "-r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25", "-r2 - r3 - r9 - r12 + r1 + r21",
    "-r15 + r1 + r17 + r19 + r22", "-r2 - r16 - r17 - r23 + r15", "-r3 + 2*r4 + r6 + r7 + r13 + r20",
    "-r6 - r8 - r14 - r20 + r3 + 2*r18", "-r4 - r5 - r6 + r13", "r4 + r5 + r6 + r7", "-r7 - r8", "-r12 + r7 + r9",
    "-r9 - r10 + r8 + r11", "r9", "-r11 + r10", "-r13 + r12", "r14", "-r18 - r19 + r16", "-r20", "r20",
    "-r21 - r22 - r24 + r23 + r25", "-r25 + r24",
)  # fmt: skip
_CLEAN_AIR = {2: 0.2, 4: 0.04, 7: 0.1, 8: 0.3, 9: 0.01, 17: 0.007}
STIFF: Mapping[str, Mapping[str, tuple[float, str]]] = {
    "hires": {
        "h1": (1, "-1.71*h1 + 0.43*h2 + 8.32*h3 + 0.0007"),
        "h2": (0, "1.71*h1 - 8.75*h2"),
        "h3": (0, "-10.03*h3 + 0.43*h4 + 0.035*h5"),
        "h4": (0, "8.32*h2 + 1.71*h3 - 1.12*h4"),
        "h5": (0, "-1.745*h5 + 0.43*h6 + 0.43*h7"),
        "h6": (0, "-280*h6*h8 + 0.69*h4 + 1.71*h5 - 0.43*h6 + 0.69*h7"),
        "h7": (0, "280*h6*h8 - 1.81*h7"),
        "h8": (0.0057, "-280*h6*h8 + 1.81*h7"),
    },
    "robertson": {
        "b1": (1, "-0.04*b1 + 1e4*b2*b3"),
        "b2": (0, "0.04*b1 - 1e4*b2*b3 - 3e7*b2**2"),
        "b3": (0, "3e7*b2**2"),
    },
    "oregonator": {
        "o1": (1, "77.27 * (o2 + o1 * (1 - 8.375e-6 * o1 - o2))"),
        "o2": (2, "(o3 - (1 + o1) * o2) / 77.27"),
        "o3": (3, "0.161 * (o1 - o3)"),
    },
    "sharp": {"sharp_x": (2, "sharp_v"), "sharp_v": (0, "((1 - sharp_x**2) * sharp_v - sharp_x) / 1e-6")},
    "slow": {"slow_x": (2, "slow_v"), "slow_v": (0, "1000 * (1 - slow_x**2) * slow_v - slow_x")},
    "pollution": {f"y{at}": (_CLEAN_AIR.get(at, 0.0), rate) for at, rate in enumerate(BALANCE, start=1)},
    "e5": {
        "e1": (1.76e-3, "-7.89e-10*e1 - 1.1e7*e1*e3"),
        "e2": (0, "p2"),
        "e3": (0, "p2 - p4"),
        "e4": (0, "p4"),
    },
}
"""The problems of the Test Set for IVP Solvers, apart from MEDAKZO."""


def systems(chosen: Mapping[str, Mapping[str, tuple[float, str]]], *more: Part) -> Network:
    """One network of all these systems and of more parts; everything stands still by default."""
    pieces: list[Part] = []
    for system, states in chosen.items():
        pieces.append(parameter(f"on_{system}", 0.0))
        for name, (start, rate) in states.items():
            pieces.append(State(name, "1", "for a test", start))
            pieces.append(Process(f"d_{name}", "flow", f"on_{system} * ({rate}) / day", "for a test", enters=name))
    return built(*pieces, *more)


@lru_cache(maxsize=1)
def closed() -> Network:
    """The systems with closed forms, and compartments of cells that grow, die, feed each other, can be cut out, and are
    killed by a drug that raises a factor."""
    cells: list[Part] = [parameter("clearance", 0.1), parameter("turns", 1.0)]
    cells += [parameter(name, 0.0, "1/day") for name in ("death", "growth", "passing", "loss")]
    cells += [parameter("arrival", 0.0, "cell/day"), parameter("drain", 0.0, "EC50/day"), parameter("half", 1.0, "EC50")]
    cells += [parameter("potency", 0.0, "1/day"), parameter("secretion", 0.0, "fold/(day*EC50)")]
    cells += [State(name, "cell", "for a test", 0.0, counted=True) for name in ("one", "two", "fed")]
    for name in ("one", "two"):
        cells.append(
            Process(
                f"death_{name}", "death", f"(death + poison + potency * hill(drug, half, 2)) * {name}", "for a test", leaves=name
            )
        )
        cells.append(Process(f"growth_{name}", "growth", f"growth * {name}", "for a test", enters=name))
    cells += [
        Process("arriving", "arriving", "arrival", "for a test", enters="one"),
        Process("passing_on", "passing", "passing * one", "for a test", leaves="one", enters="fed"),
        State("drug", "EC50", "for a test", 0.0),
        State("poison", "1/day", "for a test", 0.0),
        Process("poisoning", "poisoning", "0 * poison / day", "for a test", enters="poison"),
        Process("drug_loss", "loss", "loss * drug", "for a test", leaves="drug"),
        Process("draining", "draining", "drain", "for a test", leaves="drug"),
        State("factor", "fold", "for a test", 0.0),
        Process("secreting", "secreting", "secretion * drug", "for a test", enters="factor"),
        Process("clearing", "clearing", "loss * factor", "for a test", leaves="factor"),
    ]
    return systems(CLOSED, *cells)


@lru_cache(maxsize=1)
def stiff() -> Network:
    """The stiff problems in one network, except the largest."""
    e5 = [
        Definition("p2", "7.89e-10*e1 - 1.13e9*e2*e3", "1", "for a test"),
        Definition("p4", "1.1e7*e1*e3 - 1.13e3*e4", "1", "for a test"),
    ]
    return systems({name: states for name, states in STIFF.items() if name != "pollution"}, *e5)


@lru_cache(maxsize=1)
def polluted() -> Network:
    """POLLU."""
    reactions = [
        Definition(f"r{at}", " * ".join([constant, *(f"y{index}" for index in used)]), "1", "for a test")
        for at, (constant, *used) in enumerate(POLLUTION, start=1)
    ]
    return systems({"pollution": STIFF["pollution"]}, *reactions)


@dataclass(frozen=True)
class Case:
    """One member: what differs from the network, how long it runs, and its events."""

    changes: Mapping[str, float] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    days: tuple[float, float] = (0.0, 10.0)
    events: Sequence[Event] = ()


def on(system: str, end: float, *events: Event, **start: float) -> Case:
    """A member in which one system moves."""
    return Case({f"on_{system}": 1.0}, start, (0.0, end), events)


def members(network: Network, cases: Sequence[Case]) -> Members:
    """Cases as the batch solver takes them."""
    names = network.state_names
    starts, constants, rows, spans = [], [], [], []
    for case in cases:
        values = values_of(network, case.changes)
        start = dict(zip(names, start_of(network, values), strict=True)) | dict(case.start)
        starts.append([start[name] for name in names])
        constants.append([values[name] for name in network.constant_names])
        spans.append((len(rows), len(rows) + len(case.events)))
        rows += sorted(case.events)
    kinship = np.zeros((len(names), len(names)), dtype=bool)
    for owner, fed in feeds(network).items():
        kinship[owner, list(fed)] = True
    return Members(
        starts=np.array(starts, dtype=float),
        constants=np.array(constants, dtype=float).reshape(len(cases), len(network.constant_names)),
        days=np.array([case.days for case in cases], dtype=float),
        events=(
            np.array([event.time for event in rows], dtype=float),
            np.array([names.index(event.state) for event in rows], dtype=np.int64),
            np.array([event.multiply for event in rows], dtype=float),
            np.array([event.add for event in rows], dtype=float),
        ),
        event_rows=np.array(spans, dtype=np.int64).reshape(len(cases), 2),
        cells=np.array([state.dies_out for state in network.states]),
        amounts=np.array([state.unit != "1" for state in network.states]),
        feeds=kinship,
    )


def lanes(network: Network, watched: Sequence[str] = ()) -> Kernel:
    """The kernel of a network; of test processes that need it at once one compiles and the others wait."""
    with alone():
        integrator()
        return kernel_of(network, watched)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """While one test process compiles, the others that share its cache wait."""
    try:
        import fcntl
    except ImportError:  # where there are no such locks, everybody compiles
        yield
        return
    with (cache_folder() / "compiling.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def courses(
    network: Network, cases: Sequence[Case], days: Sequence[float], settings: BatchSettings | None = None
) -> tuple[dict[str, Floats], Ends]:
    """(state → (cases, days), how the cases ended)."""
    out, ends = record(lanes(network), members(network, cases), np.array(days, dtype=float), settings)
    return {name: out[:, :, place] for place, name in enumerate(network.state_names)}, ends
