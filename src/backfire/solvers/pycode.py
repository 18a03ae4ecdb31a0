"""From a network to code: right-hand side, Jacobian and observables, readable and with the names of the biology.

The generated source is plain Python over a handful of functions. Executed with scalar functions it drives the
reference solver; executed with numpy's it computes the observables of whole trajectories. The Jacobian follows the
lines of the model by the chain rule, each partial derivative taken by sympy; nobody writes a derivative by hand.

Differentiation takes longer than a run, so the source is kept in a cache folder under a hash of the model and of the
program text that generates it: an edited generator never serves stale equations. A cached file that does not match its
own checksum is generated anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from backfire.formulas import SCALAR_FUNCTIONS, Expression, as_sympy, scalar_code
from backfire.model import Network, balance, differentiate, reached
from backfire.solvers.cache import GENERATORS, cached
from backfire.solvers.trajectory import Floats
from backfire.system import source_hash

Rates = Callable[[Sequence[float], Sequence[float]], list[float]]
Jacobian = Callable[[Sequence[float], Sequence[float]], list[list[float]]]
Observe = Callable[[Sequence[Floats], Sequence[float]], tuple[Floats | float, ...]]


@dataclass(frozen=True)
class Code:
    """The generated functions of one network.

    ``rates(state, constants)`` gives dstate/dt, ``jacobian(state, constants)`` its derivative as rows; both take and
    give plain floats in the order of ``Network.state_names`` and ``Network.constant_names``. ``observe`` takes one
    array per state and gives one array per name of ``Network.observables``, ``observe_one`` does the same for plain floats.
    ``source`` is the text of all three.
    """

    source: str
    rates: Rates
    jacobian: Jacobian
    observe: Observe
    observe_one: Callable[[Sequence[float], Sequence[float]], tuple[float, ...]]


def generate(network: Network) -> Code:
    """The code of a network, from the cache if it is there."""
    key = hashlib.sha256(f"{network.fingerprint()}{source_hash(*GENERATORS)}".encode()).hexdigest()[:20]
    source = cached(f"model-{key}.py", lambda: write_source(network))
    scalar = _execute(source, SCALAR_FUNCTIONS)
    array = _execute(source, _ARRAY)
    return Code(source, scalar["rates"], scalar["jacobian"], array["observe"], scalar["observe"])


def _execute(source: str, functions: Mapping[str, Any]) -> dict[str, Any]:
    namespace = dict(functions)
    exec(compile(source, "<backfire model>", "exec"), namespace)
    return namespace


def evaluate(expression: Expression, values: Mapping[str, Floats | float]) -> Floats:
    """A formula over arrays (or numbers) of all its names, elementwise."""
    namespace: dict[str, Any] = {**_ARRAY, **values}
    with np.errstate(all="ignore"):
        exec(compile(f"_found = {expression.code}", "<backfire formula>", "exec"), namespace)
    return np.asarray(namespace["_found"], dtype=float)


def write_source(network: Network) -> str:
    """Generate the Python source of ``rates``, ``jacobian`` and ``observe``."""
    states = ", ".join(network.state_names)
    constants = ", ".join(network.constant_names)
    unpack = [f"    [{states}] = state", f"    [{constants}] = constants"]
    reads = {line.name: line.expression.names for line in network.assignments}
    needed = reached((process.name for process in network.processes), reads)
    every = {line.name: f"    {line.name} = {line.expression.code}" for line in network.assignments}
    lines = [text for name, text in every.items() if name in needed]
    body = ["def rates(state, constants):", *unpack, *lines, "    return ["]
    body += [f"        {_sum(terms)},  # d {name} / dt" for name, terms in network.equations.items()]
    body += ["    ]", "", "", "def jacobian(state, constants):", *unpack, *lines, *_derivatives(network, needed)]
    body += ["", "", "def observe(state, constants):", *unpack, *every.values()]
    effects = {name: switch.effect for name, switch in network.switches.items()}
    body += [f"    return ({''.join(f'{effects.get(name, name)}, ' for name in network.observables)})"]
    return "\n".join(body) + "\n"


def _sum(terms: Sequence[tuple[int, str]]) -> str:
    return balance(terms) if terms else "0.0"


def _derivatives(network: Network, needed: set[str]) -> Iterator[str]:
    """The chain rule as lines, then the rows of the Jacobian."""
    lines = {line.name: as_sympy(line.expression) for line in network.assignments if line.name in needed}
    slopes = differentiate(network, lines)
    for name, terms in slopes.chain.items():
        summands = (f"({scalar_code(partial)})" + (f" * {inner}" if inner else "") for partial, inner in terms)
        yield f"    {name} = {' + '.join(summands)}"
    yield "    return ["
    for row, name in enumerate(network.equations):
        entries = (_sum(slopes.jacobian.get((row, column), [])) for column in range(len(network.states)))
        yield f"        [{', '.join(entries)}],  # {name}"
    yield "    ]"


def _hill_array(value: Floats, half: float, exponent: float) -> Floats:
    above = np.asarray(value) > 0
    return np.where(above, 1.0 / (1.0 + (half / np.where(above, value, 1.0)) ** exponent), np.where(np.isnan(value), np.nan, 0.0))


_ARRAY: Final[dict[str, Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
    "positive": lambda value: np.maximum(value, 0.0),
    "hill": _hill_array,
}
