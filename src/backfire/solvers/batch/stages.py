"""The stages of a step, for lanes: how the slopes of the tableau are added up, the dense output, the error.

State j of lane l stands at ``j * LANES + l``, slope i of state j at ``j * STRIDE + (i - 1) * LANES + l``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

from backfire.solvers.batch.jit import LANES, compiled, peek, wide
from backfire.solvers.batch.tableau import STAGES, A, C, H

STRIDE: Final = STAGES * LANES
_ZERO = np.float32(0.0)
_ROWS: Final = (*A, *C, *H)
_BEND_1, _BEND_2, _BEND_3 = range(2 * STAGES, len(_ROWS))
_LONG: Final = 4
"""Sums of so many terms are added up before what they are added to; of fewer, term by term. Last digits rest on it."""
_SHARED: Final = 7
"""From this stage on the state of a stage is that of the stage before it and one slope more."""


def _weighted(context: Any, row: Any, base: Any, slopes: Any, at: Any) -> Any:  # noqa: ARG001
    coefficients = _ROWS[row.literal_value]

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        make: Any = arrayobj.make_array
        place = builder.gep(make(signature.args[2])(context, builder, given[2]).data, [given[3]])
        alone = signature.args[1] == types.none
        total = None if alone or len(coefficients) >= _LONG else given[1]
        for stage, coefficient in enumerate(coefficients):
            slope = builder.load(builder.gep(place, [ir.IntType(64)(stage * LANES)]))
            term = builder.fmul(ir.DoubleType()(coefficient), slope)
            total = term if total is None else builder.fadd(total, term)
        return total if alone or len(coefficients) < _LONG else builder.fadd(given[1], total)

    return types.float64(row, base, slopes, at), generate


weighted: Any = intrinsic(prefer_literal=True)(_weighted)
"""``weighted(row, base, slopes, at)``: base (a number or None) and a row of the tableau times the slopes from ``at`` on,
written out term by term: a loop over stages inside that over lanes would keep the compiler from making vectors."""


def _gather(stage: int) -> Any:
    before, pushing, last = stage - 1, STAGES + stage - 1, (stage - 2) * LANES

    @compiled()
    def gather(states, state, slopes, inner):  # type: ignore[no-untyped-def]
        """State of the stage into ``inner``, and Σ C·k into the slot of its slope."""
        wide()
        for j in range(states):
            at, k = j * LANES, j * STRIDE
            for lane in range(LANES):
                if stage < _SHARED:
                    inner[at + lane] = weighted(before, state[at + lane], slopes, k + lane)
                else:
                    inner[at + lane] = inner[at + lane] + slopes[k + last + lane]
                slopes[k + last + LANES + lane] = weighted(pushing, None, slopes, k + lane)

    return gather


GATHERS: Final = tuple(_gather(stage) for stage in range(2, STAGES + 1))
"""For stages 2 to 8: (states, state, slopes, inner)."""


@compiled()
def bend(states, slopes, bends):  # type: ignore[no-untyped-def]
    """The three coefficients of the dense output of every state, at ``(3 * j + i) * LANES + l``."""
    wide()
    for j in range(states):
        k, b = j * STRIDE, 3 * j * LANES
        for lane in range(LANES):
            bends[b + lane] = weighted(_BEND_1, None, slopes, k + lane)
            bends[b + LANES + lane] = weighted(_BEND_2, None, slopes, k + lane)
            bends[b + 2 * LANES + lane] = weighted(_BEND_3, None, slopes, k + lane)


@compiled(inline="code")
def blend(share, before, after, b1, b2, b3):  # type: ignore[no-untyped-def]
    """A state at ``share`` of a step: (1-θ)·y + θ·(y_new + (1-θ)·(b1 + θ·(b2 + θ·b3)))."""
    rest = 1.0 - share
    return rest * before + share * (after + rest * (b1 + share * (b2 + share * b3)))


@compiled(inline="code")
def within(share, j, lane, state, after, bends):  # type: ignore[no-untyped-def]
    """State ``j`` at ``share`` of the last step, its very end from a share of 1 on; for loops over lanes."""
    at, b = j * LANES + lane, 3 * j * LANES + lane
    end = peek(after, at)
    bent = blend(share, peek(state, at), end, peek(bends, b), peek(bends, b + LANES), peek(bends, b + 2 * LANES))
    return end if share >= 1.0 else bent


@compiled()
def dense(share, j, lane, state, after, bends):  # type: ignore[no-untyped-def]
    """State ``j`` at ``share`` of the last step."""
    at, b = j * LANES + lane, 3 * j * LANES + lane
    return blend(share, peek(state, at), peek(after, at), peek(bends, b), peek(bends, b + LANES), peek(bends, b + 2 * LANES))


@compiled()
def middle(states, state, after, bends, found):  # type: ignore[no-untyped-def]
    """``dense`` in the middle of the last step, for all states and lanes at once."""
    wide()
    for j in range(states):
        at, b = j * LANES, 3 * j * LANES
        for lane in range(LANES):
            b1, b2, b3 = bends[b + lane], bends[b + LANES + lane], bends[b + 2 * LANES + lane]
            found[at + lane] = blend(0.5, state[at + lane], after[at + lane], b1, b2, b3)


@compiled()
def errors(states, relative, absolute, state, slopes, inner, error):  # type: ignore[no-untyped-def]
    """Finish the step into ``inner``; ``error`` is the largest error in units of the tolerance, NaN if anything is.

    Errors are divided in single precision: three digits are plenty, and it halves the time.
    """
    wide()
    for lane in range(LANES):
        error[lane] = _ZERO
    for j in range(states):
        at, k = j * LANES, j * STRIDE + 7 * LANES
        smallest = absolute[j]
        for lane in range(LANES):
            old, last = state[at + lane], slopes[k + lane]
            new = inner[at + lane] + last
            inner[at + lane] = new
            old, new = abs(old), abs(new)
            share = np.float32(abs(last)) / np.float32(smallest + relative * (old if old > new else new))
            # a NaN stays, because nothing is larger than it
            error[lane] = error[lane] if error[lane] > share or error[lane] != error[lane] else share
