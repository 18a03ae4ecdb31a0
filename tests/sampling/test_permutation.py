"""The permutation behind Latin hypercubes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from backfire.sampling import permuted


@given(size=some.integers(1, 3000), seed=some.integers(0, 2**32))
def test_permuted_is_a_permutation(size: int, seed: int) -> None:
    keys = np.random.SeedSequence(seed).generate_state(4, np.uint64).astype(np.uint64)
    assert sorted(permuted(np.arange(size, dtype=np.uint64), size, keys).tolist()) == list(range(size))
