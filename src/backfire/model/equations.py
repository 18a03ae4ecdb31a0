"""The lines of a network differentiated, once for every generator of code: each partial derivative by sympy, and the
chain rule from line to line. Nobody writes a derivative by hand, and each generator only spells what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backfire.formulas import derivative, names_in
from backfire.model.network import Network

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Slopes:
    """The derivatives of lines.

    ``partials`` maps each line to the names it reads that move with the states, and to the partial derivative by each,
    unless it vanishes. ``chain`` maps names ``d__line__d__state``, in the order in which they can be computed, to the
    terms of their sum: a partial derivative, and the name of what it is multiplied with (None for 1).
    ``jacobian`` maps (row, column) to signed names of ``chain``; what is not there is 0.
    """

    partials: Mapping[str, Mapping[str, sympy.Expr]]
    chain: Mapping[str, list[tuple[sympy.Expr, str | None]]]
    jacobian: Mapping[tuple[int, int], list[tuple[int, str]]]


def differentiate(network: Network, lines: Mapping[str, sympy.Expr]) -> Slopes:
    """The derivatives of ``lines`` of a network, which stand in the order of ``Network.assignments``."""
    moving, partials = set(network.state_names), {}
    for line, expression in lines.items():
        found = {name: derivative(expression, name) for name in sorted(names_in(expression) & moving)}
        if found:
            moving.add(line)
        partials[line] = {name: partial for name, partial in found.items() if partial != 0}
    total: dict[tuple[str, str], str | None] = {(state, state): None for state in network.state_names}
    chain: dict[str, list[tuple[sympy.Expr, str | None]]] = {}
    for line, by_name in partials.items():
        for state in network.state_names:
            terms = [(partial, total[name, state]) for name, partial in by_name.items() if (name, state) in total]
            if terms:
                total[line, state] = f"d__{line}__d__{state}"
                chain[f"d__{line}__d__{state}"] = terms
    jacobian: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for row, flows in enumerate(network.equations.values()):
        for column, state in enumerate(network.state_names):
            entries = [(sign, entry) for sign, process in flows if (entry := total.get((process, state))) is not None]
            if entries:
                jacobian[row, column] = entries
    return Slopes(partials, chain, jacobian)


def balance(terms: Iterable[tuple[int, str]]) -> str:
    """A sum of signed names as text: ``- loss``, ``growth - kill``; 0 if there are none."""
    return " ".join(f"{'+' if sign > 0 else '-'} {name}" for sign, name in terms).removeprefix("+ ") or "0"
