"""The control of steps: one attempt of every lane, the error, the next step, and which lanes need a closer look."""

from __future__ import annotations

from typing import Any

import numpy as np

from backfire.solvers import Status
from backfire.solvers.batch import arrays as at
from backfire.solvers.batch.jit import LANES, compiled, wide
from backfire.solvers.batch.stages import GATHERS, STRIDE, errors
from backfire.solvers.batch.tableau import GAMMA

gather_2, gather_3, gather_4, gather_5, gather_6, gather_7, gather_8 = GATHERS
_ONE_CELL = 1.0
_SAFETY = 0.9
_SMALLEST, _LARGEST = 0.2, 8.0
MOMENT = 1e-9
"""The step, in days, that shows the rates at the start of a piece."""
_MOVED = 0.1
"""The share of itself that a state may move by in the first step of a piece."""
_CLOSE, _FAR = 1.5, 5.0
"""A first step so many times as long as right is not too long; one so many times as long shows too little of the rates."""
_SHORTEST = 1e-14
"""Steps below this share of the day (at least of one day) end a run."""
_TINY: Any = np.float32(1e-12)
_ONE: Any = np.float32(1.0)
_NEGATIVE = 10.0
"""So many tolerances below zero are more than rounding."""
_MAX_STEPS, _TOO_SMALL = int(Status.MAX_STEPS), int(Status.STEP_TOO_SMALL)
_NONFINITE, _NEGATIVE_STATE = int(Status.NONFINITE), int(Status.NEGATIVE_STATE)


@compiled(inline="code")
def _first_step(lane, states, relative, absolute, state, slopes, step):  # type: ignore[no-untyped-def]
    """A step in which no state moves by more than a few percent of itself, from the first slope of one that was tried; NaN if a
    rate is not finite.

    The first slope of a step is its length times γ times the rate, less for what moves by more than itself: enough to see
    that the step was too long.
    """
    fastest = 0.0
    for j in range(states):
        spot = j * LANES + lane
        rate = slopes[j * STRIDE + lane] / (step * GAMMA)
        moving = abs(rate) / (abs(state[spot]) + absolute[j] / relative)
        if not moving < np.inf:
            return np.nan
        fastest = max(fastest, moving)
    return _MOVED / fastest if fastest > 0.0 else np.inf


@compiled()
def control(relative, states, absolute, amounts, cells, state, inner, error, lanes):  # type: ignore[no-untyped-def]
    """Which lanes accept, the factor of their next step, and which need a closer look; all in vectors."""
    wide()
    for lane in range(LANES):
        safe = error[lane] if error[lane] > _TINY else _TINY
        quarter = np.sqrt(np.sqrt(safe))
        eighth = np.sqrt(quarter)
        # error^(1/8 + 1/16 + 1/64): close enough to 1/5, and square roots are vector instructions
        root = np.sqrt(eighth)
        factor = _SAFETY / np.float64(eighth * root * np.sqrt(np.sqrt(root)))
        lanes[at.FACTOR + lane] = min(_LARGEST, max(_SMALLEST, factor))
        lanes[at.ACCEPTED + lane] = 1.0 if error[lane] <= _ONE else 0.0
        lanes[at.LOW + lane] = 0.0
    for j in range(states):
        spot = j * LANES
        if amounts[j]:
            floor = -_NEGATIVE * (absolute[j] + relative)
            for lane in range(LANES):
                low = lanes[at.LOW + lane]
                lanes[at.LOW + lane] = 2.0 if inner[spot + lane] < floor else low
        if cells[j]:
            for lane in range(LANES):
                old, new = state[spot + lane], inner[spot + lane]
                less, more = (old, new) if old < new else (new, old)
                low = lanes[at.LOW + lane]
                near = 1.0 if less < 3.0 and more >= _ONE_CELL else 0.0
                lanes[at.LOW + lane] = low if low > near else near


@compiled()
def advance(most_steps, lanes):  # type: ignore[no-untyped-def]
    """Move the day and aim the next step of every lane whose step was plain; the others are marked for a closer look.

    Returns how many lanes need the dense output.
    """
    wide()
    curved = 0
    for lane in range(LANES):
        day, step, edge = lanes[at.DAY + lane], lanes[at.STEP + lane], lanes[at.EDGE + lane]
        until = day + step
        tried = lanes[at.TRIED + lane] + 1.0 - lanes[at.FRESH + lane]
        lanes[at.TRIED + lane] = tried
        alert = 1.0 - lanes[at.ACCEPTED + lane] + lanes[at.LAST + lane] + lanes[at.LOW + lane] + lanes[at.FRESH + lane]
        alert = alert + (1.0 if tried >= most_steps else 0.0)
        # the last step of a piece ends on its edge, from which rounding may keep the sum away
        ends = edge if lanes[at.LAST + lane] > 0.0 else until
        due = lanes[at.ACCEPTED + lane] if lanes[at.DUE + lane] < ends else 0.0
        seen = 1.0 if lanes[at.LOOK_AT + lane] <= ends else 0.0
        alert = alert + seen + (1.0 if lanes[at.TURN + lane] < np.inf else 0.0)
        curved += 1 if due + seen + lanes[at.LOW + lane] > 0.0 else 0  # whole numbers, whose sums may be vectors
        lanes[at.FROM + lane] = day
        lanes[at.SPAN + lane] = step
        lanes[at.ALERT + lane] = alert
        factor = lanes[at.FACTOR + lane]
        most = 1.0 if lanes[at.CALM + lane] > 0.0 else _LARGEST
        longer = step * (factor if factor < most else most)
        rest = edge - until
        half = longer if 2.0 * longer <= rest else 0.5 * rest
        last = 1.01 * longer >= rest
        plain = alert == 0.0
        lanes[at.WAITS + lane] = due if plain else 0.0
        lanes[at.DAY + lane] = until if plain else day
        lanes[at.STEP + lane] = (rest if last else half) if plain else step
        lanes[at.LAST + lane] = (1.0 if last else 0.0) if plain else lanes[at.LAST + lane]
        lanes[at.CALM + lane] = 0.0 if plain else lanes[at.CALM + lane]
    return curved


@compiled()
def aim(lane, day, step, lanes):  # type: ignore[no-untyped-def]
    """Set the next step so that it ends on the edge, halfway to it, or well before it.

    The first attempt of a piece is as long as was right for the piece before; without one it has next to no length and only shows
    the rates.
    """
    rest = lanes[at.EDGE + lane] - day
    last = 0.0
    fresh, guess = lanes[at.FRESH + lane] > 0.0, lanes[at.GUESS + lane]
    if fresh:
        step = guess
    if 1.01 * step >= rest:
        step, last = rest, 1.0
    elif 2.0 * step > rest:
        step = 0.5 * rest
    if fresh and guess == 0.0:
        step, last = MOMENT, 0.0
    lanes[at.STEP + lane] = step
    lanes[at.LAST + lane] = last


@compiled()
def start_piece(lane, states, relative, absolute, state, slopes, lanes):  # type: ignore[no-untyped-def]
    """The first attempt of a piece: True if it stands as its first step. Otherwise it has shown how long that should be."""
    tried, guess = lanes[at.STEP + lane], lanes[at.GUESS + lane]
    right = _first_step(lane, states, relative, absolute, state, slopes, tried)
    # without a finite rate there is no step, and the attempt to take none ends the run
    right = 0.0 if np.isnan(right) else right
    stands = guess > 0.0 and tried <= _CLOSE * right
    again = guess > 0.0 and tried > _FAR * right
    lanes[at.FRESH + lane], lanes[at.GUESS + lane] = (1.0, 0.0) if again else (0.0, right)
    if stands:
        lanes[at.TRIED + lane] += 1.0
    else:
        lanes[at.ACCEPTED + lane] = 0.0
        aim(lane, lanes[at.DAY + lane], right, lanes)
    return stands


@compiled()
def reject(lane, negative, most_steps, error, lanes):  # type: ignore[no-untyped-def]
    """Shorten the step; the status if the run must end, else -1."""
    day, step = lanes[at.DAY + lane], lanes[at.STEP + lane]
    factor = lanes[at.FACTOR + lane]
    undefined = not error < np.inf
    shorter = step * (0.25 if negative or undefined else min(factor, 0.9))
    lanes[at.CALM + lane] = 1.0
    lanes[at.STEP + lane] = shorter
    lanes[at.LAST + lane] = 0.0
    if shorter < _SHORTEST * max(1.0, day):
        return _NEGATIVE_STATE if negative else _NONFINITE if undefined else _TOO_SMALL
    return _MAX_STEPS if lanes[at.TRIED + lane] >= most_steps else -1


@compiled()
def attempt(first, stage, task, state, inner, space):  # type: ignore[no-untyped-def]
    """One attempt of every lane."""
    wide()
    states, constant, factors, slopes = task.sizes[at.STATES], space.constant, space.factors, space.slopes
    steps = space.lanes[at.STEP : at.STEP + LANES]
    first(state, constant, steps, factors, slopes)
    gather_2(states, state, slopes, inner)
    stage(inner, constant, steps, factors, slopes[LANES:])
    gather_3(states, state, slopes, inner)
    stage(inner, constant, steps, factors, slopes[2 * LANES :])
    gather_4(states, state, slopes, inner)
    stage(inner, constant, steps, factors, slopes[3 * LANES :])
    gather_5(states, state, slopes, inner)
    stage(inner, constant, steps, factors, slopes[4 * LANES :])
    gather_6(states, state, slopes, inner)
    stage(inner, constant, steps, factors, slopes[5 * LANES :])
    gather_7(states, state, slopes, inner)
    stage(inner, constant, steps, factors, slopes[6 * LANES :])
    gather_8(states, state, slopes, inner)
    stage(inner, constant, steps, factors, slopes[7 * LANES :])
    errors(states, task.relative, task.absolute, state, slopes, inner, space.error)
