"""The benchmark problem: one small tumour, host and drug network, encoded with backfire's own public objects.

Eleven states, two drugs, six doses of each in 200 days, every parameter and both dose amounts drawn from
exp(0.3·N(0, 1)) times its value. All states are dimensionless (scaled), so nothing dies out and nothing is clipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backfire.model.components import Definition, Mechanism, Parameter, Part, Process, State
from backfire.model.network import Network, compose

RATES = {
    "ke": 2, "kb": 0.3, "r": 0.08, "kill": 1.2, "enter": 0.15, "wake": 0.05, "kd": 0.01, "ki": 0.3, "ks": 0.5, "krep": 0.05,
    "w0": 0.5, "kw": 15, "dw": 5, "half_w": 1, "kx": 20, "dx": 10, "l0": 0.8, "kl": 4, "dl": 8, "m0": 0.1, "km": 1, "dm": 1,
    "i0": 0.01, "ii": 0.5, "di": 0.5, "seed": 1e-5, "a": 5, "rz": 0.05, "b": 0.5, "killz": 0.3,
}  # fmt: skip
PER_DAY = set(RATES) - {"half_w", "a", "b"}
START = {"p": 0.2, "w": 0.1, "l": 0.1, "m": 0.18, "i": 0.02, "z": 1e-6}
STATES = ("c", "d", "b_drug", "s", "p", "w", "x", "l", "m", "i", "z")
DOSES = (10.0, 31.0, 52.0, 73.0, 94.0, 115.0)
AMOUNTS = {"c": 5.0, "b_drug": 1.0}
DAYS = 200.0
DEFINED = {
    "effect": "c ** 2 / (c ** 2 + 1)",
    "blocked": "b_drug / (b_drug + 0.1)",
    "protection": "1 / (1 + w * (1 - blocked) / half_w)",
}
FLOWS = [  # leaves, enters, rate
    ("c", None, "ke * c"),
    ("b_drug", None, "kb * b_drug"),
    (None, "p", "r * p * (1 - (p + d))"),
    ("p", None, "kill * effect * protection * p"),
    ("p", "d", "enter * effect * p"),
    ("d", "p", "wake * (1 - effect) * d"),
    ("d", None, "kd * d + ki * i * d"),
    (None, "s", "ks * effect * (1 - s)"),
    ("s", None, "krep * s"),
    (None, "w", "w0 + kw * s"),
    ("w", None, "dw * w"),
    (None, "x", "kx * effect * p"),
    ("x", None, "dx * x"),
    (None, "l", "l0 + kl * x"),
    ("l", None, "dl * l"),
    (None, "m", "m0 + km * l / (l + 1)"),
    ("m", None, "dm * m"),
    (None, "i", "i0 + ii * b_drug / (b_drug + 1) * d"),
    ("i", None, "di * i"),
    (None, "z", "seed * p * (1 + a * x)"),
    (None, "z", "rz * z * (1 + b * m * (1 - blocked)) * (1 - z)"),
    ("z", None, "killz * effect * z"),
]


@dataclass(frozen=True)
class Benchmark(Mechanism):
    """All of it in one mechanism; models of users are split, this one is compared with other simulators."""

    label = "benchmark"

    def parts(self) -> Iterator[Part]:
        for name, value in RATES.items():
            unit = "1/day" if name in PER_DAY else "1"
            yield Parameter(name, value, unit, "a rate of the benchmark", (value / 10, value * 10), "BENCHMARK", "assumed")
        for name in STATES:
            yield State(name, "1", "a state of the benchmark", initial=START.get(name, 0.0))
        for name, formula in DEFINED.items():
            yield Definition(name, formula, "1", "an abbreviation of the benchmark")
        for number, (leaves, enters, rate) in enumerate(FLOWS):
            yield Process(f"flow_{number}", "flow", rate, "a flow of the benchmark", leaves=leaves, enters=enters)


def network() -> Network:
    """The composed network."""
    return compose([Benchmark()])


def samples(count: int, seed: int = 1) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(values of every parameter, factors of the two amounts (count, 2)) of ``count`` members."""
    draw = np.exp(0.3 * np.random.default_rng(seed).standard_normal((count, len(RATES) + 2)))
    return {name: value * draw[:, column] for column, (name, value) in enumerate(RATES.items())}, draw[:, -2:]
