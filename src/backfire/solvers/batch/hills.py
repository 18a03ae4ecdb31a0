"""Hill functions of what stands in the state, in loops of their own before the rest of a stage.

Most of the time of a stage went into their exponentials and logarithms. A Hill function with an exponent of 1 needs neither, nor
does one of an agent that is not given. So each group of lanes is asked first; what a lane finds never depends on the others,
as the short way is taken in the long loop, too, where the exponent of a lane is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from backfire.formulas import in_series, names_in, symbol, vector_code

if TYPE_CHECKING:
    import sympy


class Hills:
    """The Hill functions of states in one network; ``fold`` names what rests on constants alone."""

    def __init__(self, states: Mapping[str, int], moves: Callable[[sympy.Expr], bool], fold: Callable[[sympy.Expr], sympy.Expr]):
        self._states, self._moves, self._fold = states, moves, fold
        self.names: dict[sympy.Expr, str] = {}

    def named(self, expression: sympy.Expr) -> sympy.Expr:
        """An expression with names in place of its Hill functions of states."""
        return expression.replace(
            self._is_plain, lambda found: symbol(self.names.setdefault(found, f"hill__{len(self.names) + 1}"))
        )

    def _is_plain(self, part: sympy.Expr) -> bool:
        """True for a Hill function of a state, or of a sum of states: both loops find the same number to the last digit."""
        if part.func.__name__ != "hill":
            return False
        value, *fixed = part.args
        terms = value.args if value.is_Add else (value,)
        return all(term.is_Symbol and term.name in self._states for term in terms) and not any(map(self._moves, fixed))

    def places(self, first: int) -> dict[str, str]:
        """Name → where its row begins, the first of which is the row ``first``."""
        return {name: f"{first + place} * LANES + lane" for place, name in enumerate(self.names.values())}

    def loops(self, first: int, places: Callable[[], Mapping[str, int]]) -> Iterator[str]:
        """The loops, one pair for each different value; those of one value share its logarithm."""
        import sympy

        rows, of_value = self.places(first), dict[sympy.Expr, list[sympy.Expr]]()
        for found in self.names:
            of_value.setdefault(found.args[0], []).append(found)
        for value, same in of_value.items():
            folded = [[self._fold(in_series(part)) for part in (*found.args[1:], sympy.log(found.args[1]))] for found in same]
            halves, exponents, longs = zip(*folded, strict=True)
            seen = [*self._loads(places(), value), f"hill__value = {vector_code(value)}"]
            sharp = " | ".join(f"({code} != 1.0)" for code in dict.fromkeys(map(vector_code, exponents)))
            yield "    hill__steep = 0"
            yield from _loop(
                1, *self._loads(places(), *exponents), *seen, f"hill__steep += 1 if (hill__value > 0.0) & ({sharp}) else 0"
            )
            targets = [f"factors[{rows[self.names[found]]}]" for found in same]
            long = [*self._loads(places(), *halves, *exponents, *longs), *seen, "hill__long = logarithm(floored(hill__value))"]
            for target, (half, exponent, log) in zip(targets, folded, strict=True):
                given = ", ".join(map(vector_code, (half, exponent, log)))
                long.append(f"{target} = hill(hill__value, hill__long, {given})")
            short = [
                f"{target} = hill_of_one(hill__value, {vector_code(half)})" for target, half in zip(targets, halves, strict=True)
            ]
            yield from ("    if hill__steep > 0:", *_loop(2, *long))
            yield from ("    else:", *_loop(2, *self._loads(places(), *halves), *seen, *short))

    def _loads(self, places: Mapping[str, int], *expressions: sympy.Expr) -> list[str]:
        """What expressions read, from the state and the constants of the lanes."""
        read = sorted(set[str]().union(*map(names_in, expressions)))
        of_state = [f"{name} = state[{self._states[name]} * LANES + lane]" for name in read if name in self._states]
        return of_state + [f"{name} = constant[{places[name]} * LANES + lane]" for name in read if name not in self._states]


def _loop(depth: int, *body: str) -> list[str]:
    """A loop over lanes, so many levels deep."""
    return ["    " * depth + "for lane in range(LANES):", *("    " * (depth + 1) + line for line in body)]
