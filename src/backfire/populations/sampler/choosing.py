"""Which of all that chains saw become members: few points that have the marginals of the whole record.

Members drawn at random from a record would add the error of their own small number to that of the record. So each starts at
an even place, and moves along its own stretch of its own chain to where all marginals together come closest to the record's
(by the Cramér-von Mises distance, as the cosine series of ranks has it).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.solvers import Floats

WAVES: Final = 12
"""Terms of the cosine series of every marginal."""
TRIES: Final = 24
"""Places on its stretch that a member tries at a time."""
TURNS: Final = 2
MOST: Final = 5000
"""More members than this are as good as the record itself."""

Places = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""The run, the sweep and the chain of every member."""


def evenly(shape: tuple[int, ...], members: int) -> Places:
    """Members spread evenly over runs and chains and, for each chain, over its sweeps."""
    runs, sweeps, chains = shape
    number = np.arange(min(members, runs * sweeps * chains))
    run, chain = number % runs, number // runs % chains
    turn, turns = _turns(shape, len(number))
    return run, (2 * turn + 1) * sweeps // (2 * turns), chain


def _turns(shape: tuple[int, ...], members: int) -> tuple[NDArray[np.int64], int]:
    """Which stretch of its chain each member has, and how many there are: neighbours begin with another, so that few members
    are spread over all of them."""
    runs, _, chains = shape
    number, turns = np.arange(members), -(-members // (runs * chains))
    return (number // (runs * chains) + number // runs % chains) % turns, turns


def balanced(record: Floats, members: int, spare: int = 0) -> Places:
    """Members of a record (runs, sweeps, chains, inputs): the first so many balanced, and behind them some to ``spare``."""
    _, sweeps, _, inputs = record.shape
    run, sweep, chain = evenly(record.shape[:3], members + spare)
    count = min(members, len(run))
    if count > MOST:
        return run, sweep, chain
    flat = record.reshape(-1, inputs)
    ranks = ((flat.argsort(axis=0).argsort(axis=0) + 0.5) / len(flat)).reshape(record.shape)
    waves = np.arange(1, WAVES + 1)

    def series(places: Floats) -> Floats:
        return np.asarray((np.cos(np.pi * places[:, :, None] * waves) / waves).reshape(len(places), -1))

    now = series(ranks[run[:count], sweep[:count], chain[:count]])
    turn, turns = _turns(record.shape[:3], len(run))
    total, stretch = now.sum(axis=0), sweeps / turns
    for number in [*range(count)] * TURNS:
        start = turn[number] * stretch
        tried = np.unique(np.append(start + np.linspace(0, stretch, TRIES, endpoint=False), sweep[number]).astype(int))
        found = series(ranks[run[number], tried, chain[number]])
        totals = total - now[number] + found
        best = int((totals**2).sum(axis=1).argmin())
        total, now[number], sweep[number] = totals[best], found[best], tried[best]
    return run, sweep, chain
