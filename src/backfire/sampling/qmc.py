"""Designs that fill the box more evenly than chance does (quasi-Monte Carlo): Sobol sequences, Latin hypercubes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from backfire.sampling.designs import Design, setting
from backfire.sampling.permutation import permuted
from backfire.solvers import Floats

_BITS: Final = 30


@dataclass(frozen=True)
class _Random(Design):
    members: int = setting("how many", 0, needed=True, least=1)
    seed: int = setting("another number gives another sample; 0 if left out", 0, least=0)

    @classmethod
    def count(cls, _points: Sequence[int], given: Mapping[str, Any], /) -> int:
        """As many as are asked for."""
        return int(given["members"])

    def _columns(self, shares: Floats) -> Floats:
        return np.column_stack([axis.spread(column.tolist()) for axis, column in zip(self.axes, shares.T, strict=True)])


@dataclass(frozen=True)
class Sobol(_Random):
    """A scrambled Sobol sequence: fills the box more evenly than chance, best with a power of two of members."""

    kind: ClassVar[str] = "sobol"
    title: ClassVar[str] = "Sobol"

    def _samples(self, first: int, last: int) -> Floats:
        import inspect
        import warnings

        from scipy.stats import qmc

        word = "rng" if "rng" in inspect.signature(qmc.Sobol.__init__).parameters else "seed"
        generator = np.random.default_rng(np.random.SeedSequence(self.seed))
        engine = qmc.Sobol(len(self.axes), scramble=True, bits=_BITS, **{word: generator})
        with warnings.catch_warnings():
            # SciPy warns that a slice is no power of two; the sequence as a whole is what has to be
            warnings.simplefilter("ignore", UserWarning)
            if first:
                engine.fast_forward(first)
            return self._columns(engine.random(last - first))


@dataclass(frozen=True)
class LatinHypercube(_Random):
    """As many strata of every axis as members, each visited exactly once, in an order of its own for every axis."""

    kind: ClassVar[str] = "latin-hypercube"
    title: ClassVar[str] = "Latin hypercube"

    def _samples(self, first: int, last: int) -> Floats:
        members = np.arange(first, last, dtype=np.uint64)
        shares = []
        for column in range(len(self.axes)):
            seeds = np.random.SeedSequence(self.seed, spawn_key=(column,))
            strata = permuted(members, self.members, seeds.generate_state(4, np.uint64).astype(np.uint64))
            jitter = np.random.PCG64(seeds)
            jitter.advance(first)  # one draw for each member before the first
            shares.append((strata + np.random.Generator(jitter).random(last - first)) / self.members)
        return self._columns(np.minimum(np.column_stack(shares), np.nextafter(1.0, 0.0)))
