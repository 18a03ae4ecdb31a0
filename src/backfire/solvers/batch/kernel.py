"""From a network to compiled code for many members side by side.

A *kernel* is a Python file with the names of the biology in it: right-hand side, Jacobian and the sparse LU
factorisation of W = 1/γ - h·J, written out as straight lines over *lanes*. Lane l of state j stands at
``state[j * LANES + l]``, so that the compiler turns each line into vector instructions. The file is kept in the cache
folder under a hash of the network, of the text of the generators and of the package versions; numba keeps the machine
code beside it. An edited generator therefore never meets stale machine code.

What depends on constants alone is computed once per member (``prepare``); what right-hand side and Jacobian share is
computed once per step. Powers are exp(n·log x) by series that vectorise (``vectormath``).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from backfire.formulas import as_sympy, derivative, in_series, names_in, parse, symbol, vector_code
from backfire.model import Network, differentiate, reached
from backfire.solvers.batch.hills import Hills
from backfire.solvers.batch.jit import LANES, compile_loops, machine_folder, unkept
from backfire.solvers.batch.tableau import GAMMA, STAGES
from backfire.solvers.cache import GENERATORS, cache_folder, cached, keep, read_own
from backfire.system import source_hash

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Kernel:
    """The compiled functions of one network, and the sizes of what they work on.

    ``prepare(constants)`` fills the last ``fixed`` places of a member's constants; ``first`` and ``stage`` are the two
    kinds of stages of a step, over lanes; ``look`` computes what outcomes read in as many rows of one member, in columns
    named by ``watched``; ``measure`` what rules look at, ``measured``, at shares of the last step of a lane.
    """

    source: str
    module: ModuleType
    states: int
    constants: int
    fixed: int
    factors: int
    watched: tuple[str, ...]
    measured: tuple[str, ...]


def kernel_of(network: Network, watched: Sequence[str] = (), measured: Sequence[str] = ()) -> Kernel:
    """The kernel of a network that can look at the states and observables ``watched`` along rows and ``measured`` at visits,
    ratios ``a / b`` of them, or formulas over states, lines and constants; compiled once per machine."""
    source, sizes = _source(network, tuple(watched), tuple(measured))
    states, constants = len(network.states), len(network.constant_names)
    return Kernel(source, _load(source), states, constants, *sizes, tuple(watched), tuple(measured))


def write_kernel(network: Network, watched: Sequence[str] = (), measured: Sequence[str] = ()) -> str:
    """The text of a kernel, without compiling it."""
    return _source(network, tuple(watched), tuple(measured))[0]


def is_compiled(network: Network, watched: Sequence[str] = (), measured: Sequence[str] = ()) -> bool:
    """True if this machine has compiled this kernel before, so that it loads without waiting."""
    path = _path(write_kernel(network, watched, measured))
    return any(machine_folder().glob(f"*/{path.stem}.measure-*.nbi"))


def _source(network: Network, watched: tuple[str, ...], measured: tuple[str, ...]) -> tuple[str, tuple[int, int]]:
    digest = hashlib.sha256(f"{network.fingerprint()}{watched}{measured}{_generator()}".encode()).hexdigest()[:20]

    def made() -> str:
        writer = _Writer(network, watched, measured)
        source = writer.text()
        return f"{len(writer.fixed)} {writer.lu + len(writer.hills.names)}\n{source}"

    sizes, _, source = cached(f"lanes-{digest}.txt", made).partition("\n")
    fixed, factors = sizes.split()
    return source, (int(fixed), int(factors))


@lru_cache(maxsize=1)
def _generator() -> str:
    """What generates kernels, as a text that changes with it."""
    return " ".join([source_hash(*GENERATORS), *(importlib.metadata.version(name) for name in ("backfire", "sympy"))])


def _path(source: str) -> Path:
    key = hashlib.sha256(source.encode()).hexdigest()[:20]
    return cache_folder() / f"kernel_{key}.py"


def _load(source: str) -> ModuleType:
    path = _path(source)
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    try:
        kept = read_own(path) == source
    except (OSError, UnicodeDecodeError):
        kept = False
    if not kept:
        keep(path, source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    compile_loops()
    # numba finds the file of a cached function through sys.modules
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[path.stem]
        if isinstance(error, OSError):
            raise unkept(error) from None
        raise
    return module


class _Writer:
    """Writes the functions of one network; symbols are the names of the model."""

    def __init__(self, network: Network, watched: tuple[str, ...], measured: tuple[str, ...]) -> None:
        self.network = network
        self.watched = watched
        self.measured = measured
        self.fixed: dict[sympy.Expr, str] = {}
        self.lines: dict[str, sympy.Expr] = {}
        self.constant: dict[str, sympy.Expr] = {}
        moving = set(network.state_names)
        for line in network.assignments:
            expression = as_sympy(line.expression, whole=True)
            expression = expression.subs({symbol(name): value for name, value in self.constant.items()})
            if moving & names_in(expression):
                moving.add(line.name)
                self.lines[line.name] = expression
            else:
                self.constant[line.name] = expression
        self.order = network.state_names
        self.slopes = differentiate(network, self.lines)
        self.hills = Hills({name: place for place, name in enumerate(self.order)}, self._moves, self._fold)
        self.lu = 0

    def text(self) -> str:
        first = self._first()
        parts = [first, self._stage(), self._look(), self._measure()]
        return "\n\n\n".join([_HEAD.format(lanes=LANES, stride=STAGES * LANES), self._prepare(), *parts]) + "\n"

    def _sums(self) -> dict[str, sympy.Expr]:
        """state → right-hand side over the names of the processes."""
        import sympy

        return {
            state: sympy.Add(*(sign * self._named(process) for sign, process in terms))
            for state, terms in self.network.equations.items()
        }

    def _named(self, name: str) -> sympy.Expr:
        return self.constant.get(name, symbol(name))

    def _first(self) -> str:
        """The first stage: rates, Jacobian and factors in one pass, so that they share what they have in common."""
        import sympy

        rows = [f"x{row}" for row in range(len(self.order))]
        scale = symbol("step")
        lines = {**self.lines}
        for name, terms in self.slopes.chain.items():
            lines[name] = sympy.Add(*(partial * (symbol(inner) if inner else 1) for partial, inner in terms))
        lines |= {name: scale * total for name, total in zip(rows, self._sums().values(), strict=True)}
        entries = {(row, row): sympy.Float(1.0 / GAMMA, 17) for row in range(len(self.order))}
        for (row, column), signed in self.slopes.jacobian.items():
            entry = sympy.Add(*(sign * symbol(name) for sign, name in signed))
            entries[row, column] = entries.get((row, column), 0) - scale * entry
        lines |= {f"w_{row}_{column}": entry for (row, column), entry in entries.items()}
        self._factorise(set(entries))
        body = self._body(lines, {}, "lanes", [f"w_{row}_{column}" for row, column in entries] + rows)
        body += self.elimination
        body += [f"factors[{place} * LANES + lane] = {name}" for name, place in self.kept.items()]
        body += self._substitution()
        return self._function("first", ["step = steps[lane]", *body])

    def _stage(self) -> str:
        """Any later stage: slope ← W⁻¹ (slope + h·rates(state))."""
        rows = [f"x{row}" for row in range(len(self.order))]
        lines = {**self.lines}
        scale = symbol("step")
        for row, total in enumerate(self._sums().values()):
            lines[rows[row]] = symbol(f"gathered_{row}") + scale * total
        body = [f"gathered_{row} = slope[{row} * STRIDE + lane]" for row in range(len(self.order))]
        body += self._body(lines, {}, "lanes", rows)
        body += [f"{name} = factors[{place} * LANES + lane]" for name, place in self.kept.items()]
        body += self._substitution()
        return self._function("stage", ["step = steps[lane]", *body])

    def _factorise(self, pattern: set[tuple[int, int]]) -> None:
        """LU of W with pivots on the diagonal, in the order of least fill-in (Markowitz)."""
        left = set(range(len(self.order)))
        self.elimination: list[str] = []
        self.pivots: list[int] = []
        self.lower: list[tuple[int, int]] = []
        self.upper: list[tuple[int, int]] = []
        while left:
            pivot = min(sorted(left), key=lambda at: _fill(pattern, left, at))
            left.remove(pivot)
            self.pivots.append(pivot)
            rows = sorted(row for row in left if (row, pivot) in pattern)
            columns = sorted(column for column in left if (pivot, column) in pattern)
            self.elimination.append(f"inverse_{pivot} = 1.0 / w_{pivot}_{pivot}")
            for row in rows:
                self.elimination.append(f"w_{row}_{pivot} = w_{row}_{pivot} * inverse_{pivot}")
                for column in columns:
                    before = f"w_{row}_{column} " if (row, column) in pattern else "0.0 "
                    pattern.add((row, column))
                    self.elimination.append(f"w_{row}_{column} = {before}- w_{row}_{pivot} * w_{pivot}_{column}")
            self.lower += [(row, pivot) for row in rows]
            self.upper += [(pivot, column) for column in columns]
        names = [f"inverse_{pivot}" for pivot in self.pivots] + [f"w_{row}_{column}" for row, column in self.lower + self.upper]
        self.kept = {name: place for place, name in enumerate(names)}
        self.lu = len(names)

    def _substitution(self) -> list[str]:
        """Forward, then backward, then written out."""
        lines = [f"x{row} = x{row} - w_{row}_{pivot} * x{pivot}" for row, pivot in self.lower]
        for pivot in reversed(self.pivots):
            terms = "".join(f" - w_{row}_{column} * x{column}" for row, column in self.upper if row == pivot)
            lines.append(f"x{pivot} = (x{pivot}{terms}) * inverse_{pivot}")
        return lines + [f"slope[{row} * STRIDE + lane] = x{row}" for row in range(len(self.order))]

    def _look(self) -> str:
        """Values and time derivatives of what is watched, along the rows of one member."""
        import sympy

        tangents = {state: symbol(f"rate__{state}") for state in self.order}
        lines = {**self.lines}
        lines |= {f"rate__{state}": total for state, total in self._sums().items()}
        for name, partials in self.slopes.partials.items():
            lines[f"rate__{name}"] = sympy.Add(
                *(partial * tangents[other] for other, partial in partials.items() if other in tangents)
            )
            tangents[name] = symbol(f"rate__{name}")
        outputs = {}
        for place, name in enumerate(self.watched):
            value = self._watched(name)
            moving = sorted(names_in(value) & tangents.keys())
            slope = sympy.Add(*(derivative(value, other) * tangents[other] for other in moving))
            outputs[f"values[{place} * LANES + lane]"] = value
            outputs[f"slopes[{place} * LANES + lane]"] = slope
        if not outputs:
            return _LOOK + "    return"
        body = self._body(lines, outputs, "rows")
        return _LOOK + "\n".join(["    wide()", _OVER_LANES, *(f"        {line}" for line in body)])

    def _measure(self) -> str:
        """Values of what rules measure, computed from nothing but what they need, at shares of the last step of one lane."""
        outputs = {f"values[{column} * LANES + place]": self._watched(name) for column, name in enumerate(self.measured)}
        if not outputs:
            return _MEASURE + "    return"
        body = ["share = shares[place]", *self._body(self.lines, outputs, "visits")]
        return _MEASURE + "\n".join(["    wide()", "    for place in range(count):", *(f"        {line}" for line in body)])

    def _watched(self, name: str) -> sympy.Expr:
        """What a watched column is: something recorded, a ratio, or a formula over the names of the code."""
        recorded = {*self.order, *self.network.observables}
        effects = {name: switch.effect for name, switch in self.network.switches.items()}
        above, *below = name.split(" / ")
        if recorded.issuperset([above, *below]):
            parts = [self._named(effects.get(part, part)) for part in (above, *below)]
            return parts[0] / parts[1] if below else parts[0]
        formula = as_sympy(parse(name, limited=False), whole=True)
        return formula.subs({symbol(line): value for line, value in self.constant.items()})

    def _body(
        self, lines: Mapping[str, sympy.Expr], outputs: Mapping[str, sympy.Expr], over: str, keep_names: Sequence[str] = ()
    ) -> list[str]:
        """Statements that compute ``keep_names`` and ``outputs`` from what they need of ``lines``, in order; ``over`` the
        lanes, the rows of one member, or the visits of one lane."""
        import sympy

        reads = {name: names_in(expression) for name, expression in lines.items()}
        needed = reached((*keep_names, *(name for expression in outputs.values() for name in names_in(expression))), reads)
        # spelt first: a Hill function holds the logarithm of its half-value, which is one number for a member
        wanted = {name: expression for name, expression in lines.items() if name in needed}
        if over == "lanes":
            wanted = {name: self.hills.named(expression) for name, expression in wanted.items()}
        folded = {name: self._fold(in_series(expression)) for name, expression in wanted.items()}
        targets = {place: self._fold(in_series(expression)) for place, expression in outputs.items()}
        common, reduced = sympy.cse(
            [*folded.values(), *targets.values()], symbols=sympy.numbered_symbols("common_", real=True), order="none"
        )
        every = {symbol.name: expression for symbol, expression in common}
        every |= dict(zip(folded, reduced, strict=False))
        graph = {name: sorted(names_in(expression) & every.keys()) for name, expression in every.items()}
        ordered = list(TopologicalSorter(graph).static_order())
        used = set[str]().union(*(names_in(expression) for expression in [*every.values(), *reduced]))
        read = "within(share, {place}, lane, state, after, bends)" if over == "visits" else "state[{place} * LANES + lane]"
        body = [f"{name} = {read.format(place=place)}" for place, name in enumerate(self.order) if name in used]
        places, hills = self._places(), self.hills.places(self.lu)
        body += [f"{name} = factors[{place}]" for name, place in hills.items() if name in used]
        read = "constant[{place}]" if over == "rows" else "constant[{place} * LANES + lane]"
        body += [f"{name} = {read.format(place=place)}" for name, place in places.items() if name in used]
        body += [f"{name} = {vector_code(every[name])}" for name in ordered]
        return body + [
            f"{place} = {vector_code(expression)}" for place, expression in zip(targets, reduced[len(folded) :], strict=True)
        ]

    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate([*self.network.constant_names, *self.fixed.values()])}

    def _function(self, name: str, body: Iterable[str]) -> str:
        """A stage: its Hill functions, then everything else."""
        loops = [*self.hills.loops(self.lu, self._places), _OVER_LANES, *(f"        {line}" for line in body)]
        return "\n".join([_STAGE.format(name=name), *loops])

    def _fold(self, expression: sympy.Expr) -> sympy.Expr:
        """Replace what depends on constants alone by a name computed once per member."""
        import sympy

        if expression.is_Atom:
            return expression
        if not self._moves(expression):
            return self._hoisted(expression) if expression.free_symbols else expression
        if isinstance(expression, sympy.Add | sympy.Mul):
            still = [part for part in expression.args if not self._moves(part)]
            rest = [self._fold(part) for part in expression.args if self._moves(part)]
            one = self._fold(expression.func(*still)) if still else None
            return expression.func(*([one] if one is not None else []), *rest)
        return expression.func(*(self._fold(part) for part in expression.args))

    def _moves(self, expression: sympy.Expr) -> bool:
        constants = self._constants()
        return any(symbol.name not in constants for symbol in expression.free_symbols)

    def _constants(self) -> set[str]:
        return {*self.network.constant_names, *self.fixed.values()}

    def _hoisted(self, expression: sympy.Expr) -> sympy.Expr:
        name = self.fixed.setdefault(expression, f"fixed_{len(self.fixed) + 1}")
        return symbol(name)

    def _prepare(self) -> str:
        """Written last, because the other functions decide what is fixed."""
        start = len(self.network.constant_names)
        used = set[str]().union(*(names_in(expression) for expression in self.fixed), set())
        body = [f"    {name} = constant[{place}]" for place, name in enumerate(self.network.constant_names) if name in used]
        for place, (expression, name) in enumerate(self.fixed.items()):
            body += [f"    {name} = {vector_code(expression)}", f"    constant[{start + place}] = {name}"]
        return "\n".join([_PREPARE, *(body or ["    return"])])


_HEAD = '''"""One model of backfire, compiled for many members at a time. Generated: edit the mechanisms instead."""

from numba import types

from backfire.solvers.batch.jit import ROW, compiled, wide
from backfire.solvers.batch.stages import within
from backfire.solvers.batch.vectormath import exponential, floored, hill, logarithm, positive, power, hill_of_one
from backfire.solvers.batch.vectormath import square_root, step_of

LANES = {lanes}
STRIDE = {stride}'''
_PREPARE = """@compiled(types.void(ROW))
def prepare(constant):"""
_STAGE = """@compiled(types.void(ROW, ROW, ROW, ROW, ROW))
def {name}(state, constant, steps, factors, slope):
    wide()"""
_OVER_LANES = "    for lane in range(LANES):"
_LOOK = """@compiled(types.void(ROW, ROW, ROW, ROW))
def look(state, constant, values, slopes):
"""
_MEASURE = """@compiled(types.void(types.int64, types.int64, ROW, ROW, ROW, ROW, ROW, ROW))
def measure(lane, count, shares, state, after, bends, constant, values):
"""


def _fill(pattern: set[tuple[int, int]], left: set[int], at: int) -> int:
    rows = sum((row, at) in pattern for row in left if row != at)
    columns = sum((at, column) in pattern for column in left if column != at)
    return rows * columns
