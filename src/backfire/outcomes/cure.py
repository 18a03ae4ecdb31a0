"""The chance of cure, read off the reference solver: backward equations of the branching process, integrated by SciPy.

Tumour cells divide, die, change and seed independently of each other, at rates per cell that the course of the network gives
as functions of time. Let p be the chance that a cell of type i on day t has living descendants on the last day T. Backwards
from pᵢ(T) = 1, with deaths d, births b, switches s and seeding m per cell and day,

    dpᵢ/dt = dᵢ pᵢ + Σⱼ sᵢⱼ (pᵢ - pⱼ) - bᵢ pᵢ (1 - pᵢ) - Σⱼ mᵢⱼ pⱼ (1 - pᵢ)

An event that leaves each cell with probability f, as surgery does, makes pᵢ = f pᵢ. Of the cells nᵢ on the first day none has
descendants with probability Π (1 - pᵢ)^nᵢ. With p in place of 1 - p hundreds of millions of cells cost no digits. Cells that
arrive from nowhere at a rate hᵢ fail to leave any with probability exp(-∫ Σ hᵢ pᵢ dt).

It is the field's tumour control probability (Zaider and Minerbo 2000; with resting cells Dawson and Hillen 2006). That the
course of the network dies out below one cell is no event here. The compiled reader does the same by other means.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import scipy

from backfire.model import Event
from backfire.outcomes.rules import LEAST_CHANCE, NEGATIVE_RATE, ONE_CELL, Lineages
from backfire.solvers import NODES, Floats, Steps, evaluate

RELATIVE: Final = 1e-9
SMALLEST: Final = 1e-22
"""Chances of one cell are resolved down to this: of more cells than 1e10 nothing is computed here."""
_LONGEST: Final = 0.5
"""Days of a step at most, or one of a thousand equal steps: between doses an integrator sees nothing to slow down for."""
_INVERSE: Final = np.linalg.inv(np.vander(NODES, increasing=True))


def chance_of_cure(steps: Steps, recorded: Mapping[str, Floats], cells: Lineages) -> float:
    """The chance that no tumour cell is left on the last day of the steps; NaN where a rate per cell is not finite, or is
    negative and no birth or death.

    ``recorded`` maps everything recorded to its values (k, 6) at the nodes of the steps.
    """
    rates = _Rates(steps, recorded, cells)
    if not rates.sound:
        return math.nan
    types, last = cells.process.types, float(steps.times[-1, -1])
    edges = sorted({float(day) for day in steps.times[steps.fresh, 0]} | {float(steps.times[0, 0]), last})
    events: dict[float, list[Event]] = {}
    for event in cells.events:
        if event.state in types:
            events.setdefault(event.time, []).append(event)
    state, log = np.append(np.ones(len(types)), 0.0), 0.0
    for high, low in itertools.pairwise([*reversed(edges), math.nan]):
        for event in events.get(high, ()):
            place = types.index(event.state)
            if not 0 <= event.multiply <= 1 or event.add < 0:
                return math.nan
            log += _none_of(event.add, float(state[place]))
            state[place] *= event.multiply
        if low < high:
            state = rates.backwards(state, high, low)
    start = [cells.start[name] for name in types]
    log += sum(_none_of(count, float(p)) for count, p in zip(start, state[:-1], strict=True) if count >= ONE_CELL)
    chance = math.exp(min(log - float(state[-1]), 0.0)) if not math.isnan(log) else math.nan
    return 0.0 if chance < LEAST_CHANCE else chance


def _none_of(count: float, p: float) -> float:
    """The logarithm of the chance that none of so many cells has living descendants."""
    return 0.0 if count == 0 else count * math.log1p(-p) if p < 1 else -math.inf


class _Rates:
    """The rates per cell as polynomials of degree 5 in every step: deaths (t), births (t), switches (t, t), seeding (t, t) and
    arrivals (t) of t types, in one row."""

    def __init__(self, steps: Steps, recorded: Mapping[str, Floats], cells: Lineages) -> None:
        process = cells.process
        names = {code: recorded[name] for code, name in process.shown.items() if name in recorded}
        values: dict[str, Floats | float] = {**recorded, **names, **cells.constants}
        place = {name: number for number, name in enumerate(process.types)}
        count, shape = len(process.types), steps.times.shape
        self.count, self.sound = count, True
        self.begin, self.end = steps.times[:, 0], steps.times[:, -1]
        table = {"death": np.zeros((count, *shape)), "birth": np.zeros((count, *shape)), "arrival": np.zeros((count, *shape))}
        table |= {kind: np.zeros((count, count, *shape)) for kind in ("switch", "seeding")}
        for item in process.rates:
            rate = np.broadcast_to(evaluate(item.rate, values), shape)
            kind, of = item.kind, place[item.of or item.into]
            self.sound &= bool(np.isfinite(rate).all())
            if kind in ("death", "birth"):
                other = "birth" if kind == "death" else "death"
                table[kind][of] += np.maximum(rate, 0.0)
                table[other][of] += np.maximum(-rate, 0.0)
                continue
            self.sound &= bool((rate >= NEGATIVE_RATE).all())
            table[kind][(of, place[item.into]) if kind != "arrival" else of] += rate
        kinds = ("death", "birth", "switch", "seeding", "arrival")
        rows = np.concatenate([table[kind].reshape(-1, *shape) for kind in kinds])
        self.coefficients = np.einsum("rkn,pn->kpr", rows, _INVERSE)  # (steps, powers, rates)
        self.parts = np.cumsum([count, count, count * count, count * count])

    def slopes(self, day: float, state: Floats) -> Floats:
        """The backward equations: dp/dt of every type, then minus what arrives and survives per day."""
        step = min(max(int(np.searchsorted(self.begin, day, side="right")) - 1, self.first), self.last)
        length = self.end[step] - self.begin[step]
        share = (day - self.begin[step]) / length if length > 0 else 0.0
        rates = share ** np.arange(len(NODES)) @ self.coefficients[step]
        death, birth, switch, seeding, arrival = np.split(rates, self.parts)
        p, square = state[:-1], (self.count, self.count)
        switch, seeding = switch.reshape(square), seeding.reshape(square)
        found = death * p + switch.sum(axis=1) * p - switch @ p - birth * p * (1 - p) - (seeding @ p) * (1 - p)
        return np.append(found, -arrival @ p)

    def backwards(self, state: Floats, high: float, low: float) -> Floats:
        """The state on day ``low`` from that on day ``high``, between which nothing jumps."""
        inside = np.flatnonzero((self.begin >= low) & (self.end <= high) & (self.end > self.begin))
        if not len(inside):
            return state
        self.first, self.last = int(inside[0]), int(inside[-1])
        longest = max(_LONGEST, 1e-3 * float(self.end[-1] - self.begin[0]))
        for method in ("LSODA", "Radau"):
            try:
                with np.errstate(all="ignore"):
                    found = scipy.integrate.solve_ivp(
                        self.slopes, (high, low), state, method=method, rtol=RELATIVE, atol=SMALLEST, max_step=longest
                    )
            except ValueError:  # rates near the largest doubles: Radau refuses a matrix that is not finite
                continue
            if found.success and np.isfinite(found.y[:, -1]).all():
                p: Floats = found.y[:, -1]
                return np.append(np.clip(p[:-1], 0.0, 1.0), p[-1])
        return np.full(len(state), math.nan)
