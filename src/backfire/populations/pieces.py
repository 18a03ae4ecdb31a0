"""Does the plausible set hang together, or does it fall into pieces?

Two tumours belong together if every claim holds all along the straight line between them in the box, at ``STEPS`` - 1 places on
it, or if both belong to a third. What is linked so is linked; what is not may still be, by a way that is not straight. A gap
narrower than a step of a line is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.populations.sampler import Bools, Judge, Spread, all_hold, judged
from backfire.solvers import Floats

STEPS: Final = 16
ROUNDS: Final = 24
"""How many others every tumour that is not yet linked to most of them tries."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """``labels`` (n,) of tumours, 0 for those of the largest piece, and the number of tumours ``judged`` on lines between them.

    ``shares`` are those of the pieces of two tumours and more, the largest first; ``alone`` that of tumours linked to no other.
    """

    labels: NDArray[np.int64]
    judged: int

    @property
    def shares(self) -> list[float]:
        """The share of the tumours in every piece of two and more, the largest first."""
        return [float(size) for size in np.bincount(self.labels) / len(self.labels) if size * len(self.labels) > 1.5]

    @property
    def alone(self) -> float:
        """The share of the tumours that are linked to no other."""
        return 1 - sum(self.shares)

    @property
    def said(self) -> str:
        """In a sentence."""
        alone = f"; {self.alone:.1%} of the tumours tried are linked to no other" if self.alone > 1e-9 else ""
        if len(self.shares) == 1:
            return f"hangs together: one piece, along straight lines on which every claim holds{alone}"
        listed = ", ".join(f"{share:.0%}" for share in self.shares) or "none of two tumours and more"
        return f"in {len(self.shares)} pieces that no straight line was found to link: {listed}{alone}"

    @property
    def short(self) -> str:
        """In a few words, for a figure."""
        listed = ", ".join(f"{share:.0%}" for share in self.shares)
        alone = f", {self.alone:.1%} linked to nothing" if self.alone > 1e-9 else ""
        return f"in one piece{alone}" if len(self.shares) == 1 else f"in {len(self.shares)} pieces: {listed or 'none'}{alone}"

    def described(self) -> dict[str, Any]:
        """As plain data."""
        return {"tumours": len(self.labels), "shares": self.shares, "alone": self.alone, "judged": self.judged}


def pieces_of(judge: Judge, points: Floats, spread: Spread = map) -> Pieces:
    """The pieces of a region of the unit cube that points (n, inputs) of it show; ``spread`` distributes what is judged."""
    count = len(points)
    size = np.where((found := points.std(axis=0)) > 0, found, 1.0)
    apart = np.linalg.norm((points[:, None] - points) / size, axis=2)
    np.fill_diagonal(apart, np.inf)
    labels, total = np.arange(count), 0
    for _ in range(ROUNDS):
        largest = int(np.bincount(labels).argmax())
        outside = np.flatnonzero(labels != largest)
        if not len(outside):
            break
        far = np.where(labels[outside, None] == labels, np.inf, apart[outside])
        nearest = far.argmin(axis=1)
        trying = np.isfinite(far.min(axis=1))
        pairs = np.column_stack([outside, nearest])[trying]
        if not len(pairs):
            break
        apart[pairs[:, 0], pairs[:, 1]] = apart[pairs[:, 1], pairs[:, 0]] = np.inf
        linked, asked = _linked(judge, points[pairs[:, 0]], points[pairs[:, 1]], spread)
        total += asked
        for one, two in pairs[linked]:
            labels[labels == labels[one]] = labels[two]
    _, place, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    ranks = np.empty(len(sizes), dtype=np.int64)
    ranks[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return Pieces(ranks[place], total)


def _linked(judge: Judge, ones: Floats, others: Floats, spread: Spread) -> tuple[Bools, int]:
    """Whether every claim holds along the lines from ``ones`` to ``others`` (n, inputs), and how many points were judged.

    The middle first, then the middles of the halves: most lines that leave the region do so far from its ends.
    """
    inside, asked, step = np.ones(len(ones), dtype=bool), 0, STEPS
    while step > 1 and inside.any():
        places = np.arange(step // 2, STEPS, step) / STEPS
        left = np.flatnonzero(inside)
        tried = ones[left, None] + places[:, None] * (others[left] - ones[left])[:, None]
        violations = judged(judge, tried.reshape(-1, ones.shape[1]), all_hold, spread)
        asked += len(violations)
        inside[left] = (violations <= 0).all(axis=1).reshape(len(left), len(places)).all(axis=1)
        step //= 2
    return inside, asked
