"""A permutation of any size, keyed, that need not be made to be asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def permuted(places: NDArray[np.uint64], size: int, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Where a keyed permutation of range(``size``) sends ``places``, without making the permutation.

    A Feistel network permutes the next power of four; places that fall outside walk on until they are inside.
    """
    half = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    moved = places.copy()
    outside = np.ones(len(places), dtype=bool)
    while outside.any():
        left, right = moved[outside] >> half, moved[outside] & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right ^ key) & mask)
        moved[outside] = (left << half) | right
        outside = moved >= np.uint64(size)
    return moved


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer: every bit of the result depends on every bit of ``value``."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
