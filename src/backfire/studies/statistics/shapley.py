"""Who carries what of a whole: Shapley's shares and the interactions of pairs, from the values of all coalitions.

A game of n players is its values (…, 2^n): place ``mask`` is the coalition of the players whose bit is set.

Share of i: φ_i = Σ_S |S|!(n-|S|-1)!/n! (v(S ∪ i) - v(S)), the only one that is efficient (Σ φ_i = v(N) - v(∅)), symmetric,
additive and gives nothing to who does nothing (Shapley 1953).

Interaction of i and j, over the coalitions without both: Σ_S |S|!(n-|S|-2)!/(n-1)! (v(S ∪ ij) - v(S ∪ i) - v(S ∪ j) + v(S));
above 0 they do more together than apart (Grabisch and Roubens 1999).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.solvers import Floats

MOST_PLAYERS: Final = 16


def players_of(values: Floats) -> int:
    """How many players a game (…, 2^n) has; raises UserError for a number of values that is no power of two."""
    count = int(values.shape[-1]).bit_length() - 1
    if values.shape[-1] != 1 << count or not 1 <= count <= MOST_PLAYERS:
        raise UserError(f"a game of n players has 2^n values, n from 1 to {MOST_PLAYERS}; got {values.shape[-1]}")
    return count


def _sizes(masks: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([int(mask).bit_count() for mask in masks], dtype=np.int64)


def shapley_shares(values: Floats) -> Floats:
    """The shares (…, n) of a game (…, 2^n)."""
    count = players_of(values)
    masks = np.arange(1 << count)
    weights = np.array([math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count) for size in range(count)])
    made = []
    for player in range(count):
        without = masks[~(masks >> player) & 1 == 1]
        made.append(((values[..., without | 1 << player] - values[..., without]) * weights[_sizes(without)]).sum(axis=-1))
    return np.stack(made, axis=-1)


def pair_interactions(values: Floats) -> Floats:
    """The interactions (…, n, n) of pairs in a game (…, 2^n), symmetric, 0 on the diagonal."""
    count = players_of(values)
    made = np.zeros((*values.shape[:-1], count, count))
    masks = np.arange(1 << count)
    weights = [math.factorial(size) * math.factorial(count - size - 2) / math.factorial(count - 1) for size in range(count - 1)]
    for one in range(count):
        for other in range(one):
            bits = 1 << one, 1 << other
            without = masks[(masks & (bits[0] | bits[1])) == 0]
            both = values[..., without | bits[0] | bits[1]] - values[..., without | bits[0]]
            found = ((both - values[..., without | bits[1]] + values[..., without]) * np.array(weights)[_sizes(without)]).sum(
                axis=-1
            )
            made[..., one, other] = made[..., other, one] = found
    return made
