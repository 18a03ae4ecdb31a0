"""What runs are made of: what one spends, its walkers, and what came of a level and of a kind of moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.solvers import Floats

KINDS: Final = ("walk", "difference", "redraw")


@dataclass(frozen=True)
class Effort:
    """How much a run spends.

    ``first`` points of the cube are judged; ``walkers`` go down and are moved ``sweeps`` times per input, and at least
    ``least_sweeps`` times, at every level: a network needs the more points the more inputs there are. ``chains`` of them stay
    ``rounds`` times ``settling`` sweeps in the region, after each of which the proposals learn. ``scouts`` find what the networks
    enclose, ``measuring`` points of it are judged, more where few are in the region, and as many of these as there are chains
    go on. Walks have ``stride`` steps per input (twice as many at distance 0); learning takes ``lessons`` steps from at most
    ``remembered`` points.
    ``mixture`` is the share of each of ``KINDS``, ``kept`` the share of walkers that a level holds.
    """

    first: int = 1024
    walkers: int = 256
    sweeps: float = 0.2
    least_sweeps: int = 6
    scouts: int = 512
    measuring: int = 4096
    chains: int = 256
    rounds: int = 4
    settling: int = 4
    stride: float = 1.0
    lessons: int = 600
    remembered: int = 20_000
    mixture: tuple[float, float, float] = (0.75, 0.2, 0.05)
    kept: float = 0.25
    most_levels: int = 40


@dataclass(frozen=True)
class Level:
    """What came of one level: its ``distance``, the ``share`` of so many ``walkers`` found within it, and its moves.

    ``sweeps`` moves of every walker, of which the share ``accepted`` was taken; ``judged`` points were, and ``ancestors``
    of the first points have descendants among the walkers.
    """

    distance: float
    share: float
    walkers: int
    sweeps: int
    accepted: float
    judged: int
    ancestors: int


@dataclass(eq=False)
class Use:
    """What one kind of proposals was used for and brought: counts, and the squared distance moved, in sd of the walkers."""

    proposed: int = 0
    judged: int = 0
    accepted: int = 0
    moved: float = 0.0


@dataclass(eq=False)
class Ensemble:
    """Walkers: ``points`` (n, inputs), ``violations`` (n, claims), ``distances`` (n,); ``origins`` (n,) number ancestors."""

    points: Floats
    violations: Floats
    distances: Floats
    origins: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.points)

    def chosen(self, which: NDArray[np.int64]) -> Ensemble:
        """Copies of some walkers."""
        return Ensemble(self.points[which], self.violations[which], self.distances[which], self.origins[which])
