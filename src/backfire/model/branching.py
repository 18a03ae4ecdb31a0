"""The tumour cells of a network as a branching process: what one cell does, and how often.

For few cells a number that changes smoothly is no description. Then every cell divides, dies, changes its state or seeds
another by chance, independently of the others, at rates that depend on the day through drugs, factors and crowding; those
rates stand in the network already, as the rates of its processes over the cells they work on. They are divided as formulas,
so that they have a value where the course of the network has no cells left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from backfire.formulas import Expression, added, apportioned, divided, never_negative, parse
from backfire.model.components import Process
from backfire.model.network import Network

Kind = Literal["birth", "death", "switch", "seeding", "arrival"]
TUMOUR: Final = ("burden", "metastatic_burden")
"""The totals whose states are tumour cells."""


@dataclass(frozen=True)
class CellRate:
    """What a cell of the type ``of`` does, at ``rate`` per cell and day; ``into`` is the type that it becomes or makes.

    A birth adds a cell of its own type, a seeding one of another, and the cell itself stays; an arrival comes from nowhere,
    at ``rate`` cells per day. A birth or death whose rate is negative is the other of the two.
    """

    kind: Kind
    of: str
    into: str
    process: str
    rate: Expression
    signed: bool
    """True where nothing in the way the rate is written keeps it from being negative."""


@dataclass(frozen=True)
class Branching:
    """The branching process of a network: ``types`` are states, ``rates`` what their cells do.

    Formulas of rates read states, lines and constants of the network by the names that code has; ``shown`` maps those of
    influences to the names under which they are recorded. ``refused`` says why there is no such process, "" where there is.
    """

    types: tuple[str, ...]
    rates: tuple[CellRate, ...]
    shown: Mapping[str, str]
    refused: str = ""

    def net(self, cells: str) -> Expression:
        """Births less deaths and departures of one type, per cell and day."""
        signs = {"birth": "+", "death": "-", "switch": "-"}
        return added([(signs[item.kind], item.rate) for item in self.rates if item.of == cells and item.kind in signs])

    def gained(self, cells: str, into: str) -> Expression:
        """How often a cell of one type becomes, or makes, one of another, per cell and day."""
        return added([("+", item.rate) for item in self.rates if (item.of, item.into) == (cells, into)])

    def made(self, cells: str, into: str) -> Expression:
        """How often a cell makes one more, of its own or another type, and stays what it is, per cell and day."""
        own = [item for item in self.rates if item.of == cells]
        parts = [("+", item) for item in own if item.kind in ("birth", "seeding") and item.into == into]
        parts += [("-", item) for item in own if item.kind == "death" and item.signed and cells == into]
        return added([("+", _positive(added([(sign, item.rate)])) if item.signed else item.rate) for sign, item in parts])

    def arriving(self, cells: str) -> Expression:
        """How many cells of a type come from nowhere, per day."""
        return added([("+", item.rate) for item in self.rates if item.kind == "arrival" and item.into == cells])


def _positive(rate: Expression) -> Expression:
    return parse(f"positive({rate.text})", limited=False)


def branching(network: Network) -> Branching:
    """The branching process of the tumour cells of a network; refused where one cell cannot be told from the next.

    A flow out of a type is death, or a switch where it enters another, at its rate over the cells it leaves. One into a type
    from anywhere else is birth if it vanishes with its own cells, seeding by the type with whose cells it vanishes, or the
    sum of both; what vanishes with none arrives from nowhere. Flows of host cells and drugs are none of it.
    """
    counted = [state for state in network.states if not {*TUMOUR}.isdisjoint(state.totals)]
    types = tuple(state.name for state in counted if state.dies_out)
    lines = {line.name: line.expression for line in network.assignments}
    shown = {switch.effect: name for name, switch in network.switches.items()}
    flows = {item.name: lines.pop(item.name) for item in network.processes}
    # an influence is a factor, which no mechanism makes negative
    plain = {name: line for name, line in lines.items() if name not in shown}
    rates: list[CellRate] = []
    refused = "" if types else "the tumour is not counted in cells"
    for state in counted:
        if not state.dies_out:
            refused = refused or f"`{state.name}` never dies out"
    for process in network.processes:
        for kind, of, into, rate in _rates(process, flows[process.name], types, lines):
            if rate is None:
                refused = refused or f"the rate of `{process.name}` does not vanish with `{of}`"
            else:
                signed = not never_negative(rate, plain)
                rates.append(CellRate(kind, of, into, process.name, rate, signed))
    return Branching(types, tuple(rates), shown, refused)


def _rates(
    process: Process, flow: Expression, types: tuple[str, ...], lines: Mapping[str, Expression]
) -> Iterator[tuple[Kind, str, str, Expression | None]]:
    """(kind, of, into, rate) of what one process does to tumour cells; the rate is None where it is not per cell."""
    source, target = (end if end in types else "" for end in (process.leaves, process.enters))
    if source:
        yield "switch" if target else "death", source, target, divided(flow, source, lines)
    elif target:
        others = [name for name in types if name != target]
        for of, rate in apportioned(flow, [target, *others], lines):
            yield "birth" if of == target else "seeding" if of else "arrival", of, target, rate
