"""The chance of cure, read by compiled code off the rows of one member: the backward equations of ``cure`` by other means.

With the net rate of each type lᵢᵢ, what a cell gains of others lᵢⱼ and what it makes qᵢⱼ, all per cell and day, they are

    -dpᵢ/dt = Σⱼ lᵢⱼ pⱼ - pᵢ Σⱼ qᵢⱼ pⱼ

A step of the solver is a step here, backwards, with the row in its middle: the classical Runge-Kutta method of order 4 with
integrating factors (Lawson 1967), so that the net rates, which may be large, are integrated exactly. Steps in which much
happens are cut into shorter ones, with rates on the cubic between two rows.

No array can be made here: everything stands in the watch row of the member, from ``first`` on (``reading``).
"""

from __future__ import annotations

import math

from backfire.outcomes.rules import LEAST_CHANCE, NEGATIVE_RATE, ONE_CELL
from backfire.solvers.batch import compiled, peek

COUPLED, MAKING, ARRIVING, GIVEN, SIZES = range(1, 6)
"""The first numbers of the section: types, terms of each kind (after one net rate of each type), events; then come the cells of
each type, (i, j, column) of every term, (day, type, multiply, add) of every event, and room to work in."""
_NEGATIVE, _LEAST, _ONE_CELL = NEGATIVE_RATE, LEAST_CHANCE, ONE_CELL
_MOST_CUTS = 1000.0
"""Pieces of one step at most."""


def section_size(types: int, terms: int, events: int) -> int:
    """How many numbers the section of a watch row has."""
    return SIZES + types + 3 * terms + 4 * events + 3 * terms + 9 * types


@compiled(inline="code")
def _none_of(count, p):  # type: ignore[no-untyped-def]
    """The logarithm of the chance that none of so many cells has living descendants."""
    if count == 0.0:
        return 0.0
    return count * math.log1p(-p) if p < 1.0 else -math.inf


@compiled()
def _flow(node, p, still, out, first, watch):  # type: ignore[no-untyped-def]
    """Everything but what is integrated exactly, at a node: into ``out`` for each type; what arrives and survives, per day."""
    types, coupled = int(peek(watch, first)), int(peek(watch, first + COUPLED))
    making, arriving = int(peek(watch, first + MAKING)), int(peek(watch, first + ARRIVING))
    spot, term = first + SIZES + 4 * types, node + types
    for i in range(types):
        watch[out + i] = peek(watch, still + i) * peek(watch, p + i)
    for _ in range(coupled):
        i, j = int(peek(watch, spot)), int(peek(watch, spot + 1))
        watch[out + i] += peek(watch, term) * peek(watch, p + j)
        spot, term = spot + 3, term + 1
    for _ in range(making):
        i, j = int(peek(watch, spot)), int(peek(watch, spot + 1))
        watch[out + i] -= peek(watch, term) * peek(watch, p + i) * peek(watch, p + j)
        spot, term = spot + 3, term + 1
    arrived = 0.0
    for _ in range(arriving):
        arrived += peek(watch, term) * peek(watch, p + int(peek(watch, spot)))
        spot, term = spot + 3, term + 1
    return arrived


@compiled()
def _pieces(h, node, work, first, watch):  # type: ignore[no-untyped-def]
    """Into how many pieces a step of length ``h`` back from ``node`` should be cut; leaves there the rate at which p limits itself.

    What is integrated exactly, z, may be large, the less the more the type gains of others or limits itself: the error
    of that is of order z⁴/2880. The integral of each net rate is where ``_step`` reads it.
    """
    types, coupled = int(watch[first]), int(watch[first + COUPLED])
    one, whole, still = work + types, work + 7 * types, work + 8 * types
    spot, term = first + SIZES + 4 * types, node + types
    for i in range(types):
        watch[one + i] = watch[still + i] = 0.0
    for _ in range(coupled):
        watch[one + int(peek(watch, spot))] += peek(watch, term) * peek(watch, work + int(peek(watch, spot + 1)))
        spot, term = spot + 3, term + 1
    for _ in range(int(watch[first + MAKING])):
        watch[still + int(peek(watch, spot))] += peek(watch, term) * peek(watch, work + int(peek(watch, spot + 1)))
        spot, term = spot + 3, term + 1
    most = 0.0
    for i in range(types):
        limits, p = h * watch[still + i], watch[work + i]
        z = abs(watch[whole + i] - limits)
        gains = h * watch[one + i] * (1.0 + z) * (1.0 + z)
        share = 1.0 if gains >= p else gains / p
        most = max(most, z * math.sqrt(math.sqrt(25.0 * max(share, 20.0 * limits))), z / 1.5, limits / 0.3)
    return most


@compiled()
def _step(h, low, middle, high, work, first, watch):  # type: ignore[no-untyped-def]
    """One step of length ``h`` from node ``high`` back to ``low``; what arrived and survives in it.

    At ``work`` stand p, four slopes, a state between, and the integral of each net rate over the later half and over all of the
    step, from which the rate at which p limits itself where the step begins (``_pieces``) is taken: both are integrated exactly.
    """
    types = int(watch[first])
    one, two, three, four, state = work + types, work + 2 * types, work + 3 * types, work + 4 * types, work + 5 * types
    half, whole, still = work + 6 * types, work + 7 * types, work + 8 * types
    for i in range(types):
        watch[half + i] = math.exp(watch[half + i] - 0.5 * h * watch[still + i])
        watch[whole + i] = math.exp(watch[whole + i] - h * watch[still + i])
    arrived = _flow(high, work, still, one, first, watch)
    for i in range(types):
        watch[state + i] = watch[half + i] * (watch[work + i] + 0.5 * h * watch[one + i])
    arrived += 2.0 * _flow(middle, state, still, two, first, watch)
    for i in range(types):
        watch[state + i] = watch[half + i] * watch[work + i] + 0.5 * h * watch[two + i]
    arrived += 2.0 * _flow(middle, state, still, three, first, watch)
    for i in range(types):
        rest = watch[whole + i] / watch[half + i]
        watch[state + i] = watch[whole + i] * watch[work + i] + h * rest * watch[three + i]
    arrived += _flow(low, state, still, four, first, watch)
    for i in range(types):
        rest = watch[whole + i] / watch[half + i]
        p = watch[whole + i] * (watch[work + i] + h / 6.0 * watch[one + i])
        p += h / 3.0 * rest * (watch[two + i] + watch[three + i]) + h / 6.0 * watch[four + i]
        watch[work + i] = min(max(p, 0.0), 1.0) if p == p else p
    return h / 6.0 * arrived


@compiled()
def _cut(row, nodes, terms, work, first, room, days, values, slopes, watch):  # type: ignore[no-untyped-def]
    """From a row back to the one before it, in steps in which little happens."""
    types, columns = int(watch[first]), first + SIZES + 2 + int(watch[first])
    span = days[row] - days[row - 1]
    for term in range(terms):
        at = int(watch[columns + 3 * term]) * room + row
        watch[nodes + 2 * terms + term] = values[at]
        if term < types:
            watch[work + 7 * types + term] = 0.5 * span * (values[at - 1] + values[at])
    pieces = _pieces(span, nodes + 2 * terms, work, first, watch)
    cuts = min(max(math.ceil(pieces), 1.0), _MOST_CUTS) if pieces < math.inf else 1.0
    h, arrived = span / cuts, 0.0
    for cut in range(int(cuts)):
        for term in range(terms):
            at = int(watch[columns + 3 * term]) * room + row
            low, high, low_slope, high_slope = values[at - 1], values[at], slopes[at - 1], slopes[at]
            for node in range(3):
                share = 1.0 - (cut + 1.0 - 0.5 * node) / cuts
                rest = 1.0 - share
                bow = rest * (span * low_slope - (high - low)) - share * (span * high_slope - (high - low))
                watch[nodes + node * terms + term] = rest * low + share * high + share * rest * bow
        for i in range(types):
            low, middle, high = watch[nodes + i], watch[nodes + terms + i], watch[nodes + 2 * terms + i]
            watch[work + 6 * types + i] = h / 24.0 * (5.0 * high + 8.0 * middle - low)
            watch[work + 7 * types + i] = h / 6.0 * (high + 4.0 * middle + low)
        _pieces(h, nodes + 2 * terms, work, first, watch)
        arrived += _step(h, nodes, nodes + terms, nodes + 2 * terms, work, first, watch)
    return arrived


@compiled()
def _whole(row, nodes, terms, work, first, room, days, values, slopes, watch):  # type: ignore[no-untyped-def]
    """From the end of a step of the solver back to its beginning, two rows before; what arrived, or -1 if it must be cut."""
    types, columns = int(watch[first]), first + SIZES + 2 + int(watch[first])
    h = days[row] - days[row - 2]
    for term in range(terms):
        at = int(watch[columns + 3 * term]) * room + row
        low, middle, high = peek(values, at - 2), peek(values, at - 1), peek(values, at)
        watch[nodes + term], watch[nodes + terms + term], watch[nodes + 2 * terms + term] = low, middle, high
    for i in range(types):
        at = int(watch[columns + 3 * i]) * room + row
        low, middle, high = watch[nodes + i], watch[nodes + terms + i], watch[nodes + 2 * terms + i]
        # integrals of the cubic between two rows, and of the quintic between three
        later = 0.25 * h * (middle + high) + h * h / 48.0 * (slopes[at - 1] - slopes[at])
        every = h / 30.0 * (7.0 * low + 16.0 * middle + 7.0 * high) + h * h / 60.0 * (slopes[at - 2] - slopes[at])
        watch[work + 6 * types + i], watch[work + 7 * types + i] = later, every
    if not _pieces(h, nodes + 2 * terms, work, first, watch) <= 1.0:
        return -1.0
    return _step(h, nodes, nodes + terms, nodes + 2 * terms, work, first, watch)


@compiled()
def _given(day, event, events, work, watch):  # type: ignore[no-untyped-def]
    """(events before, logarithm of the chance that what is added leaves none) for all events of ``day`` and later; NaN if an
    event is none for single cells."""
    log = 0.0
    while event > 0 and not watch[events + 4 * (event - 1)] < day:
        spot = events + 4 * (event - 1)
        if not math.isnan(watch[spot]):
            place, multiply, add = int(watch[spot + 1]), watch[spot + 2], watch[spot + 3]
            log += _none_of(add, watch[work + place])
            watch[work + place] *= multiply
            if not (0.0 <= multiply <= 1.0 and add >= 0.0):
                log = math.nan
        event -= 1
    return event, log


@compiled()
def _sound(rows, terms, first, room, values, watch):  # type: ignore[no-untyped-def]
    """Whether all rates are finite, and none but net rates negative."""
    types, columns = int(watch[first]), first + SIZES + 2 + int(watch[first])
    lowest, total = 0.0, 0.0
    for term in range(terms):
        base = int(watch[columns + 3 * term]) * room
        for row in range(rows):
            value = peek(values, base + row)
            total += 0.0 * value
            lowest = value if term >= types and value < lowest else lowest
    return total == 0.0 and lowest >= _NEGATIVE


@compiled()
def chance(first, rows, room, days, values, slopes, watch):  # type: ignore[no-untyped-def]
    """The chance that no tumour cell is left on the day of the last row; NaN where a rate per cell is not defined."""
    types = int(watch[first])
    terms = types + int(watch[first + COUPLED]) + int(watch[first + MAKING]) + int(watch[first + ARRIVING])
    events = first + SIZES + types + 3 * terms
    event = int(watch[first + GIVEN])
    nodes = events + 4 * event
    work, log = nodes + 3 * terms, 0.0
    if not _sound(rows, terms, first, room, values, watch):
        return math.nan
    for i in range(types):
        watch[work + i] = 1.0
    row = rows - 1
    event, more = _given(days[row], event, events, work, watch)
    log += more
    while row > 0:
        before, span = row - 1, days[row] - days[row - 1]
        if span > 3e-16 * days[row]:
            arrived = -1.0
            if row > 1 and abs(days[row - 2] + days[row] - 2.0 * days[row - 1]) <= 1e-6 * span:
                arrived = _whole(row, nodes, terms, work, first, room, days, values, slopes, watch)
                before = row - 2 if arrived >= 0.0 else row - 1
            if arrived < 0.0:
                arrived = _cut(row, nodes, terms, work, first, room, days, values, slopes, watch)
            log -= arrived
        row = before
        event, more = _given(days[row], event, events, work, watch)
        log += more
    for i in range(types):
        count = watch[first + SIZES + i]
        log += _none_of(count if count >= _ONE_CELL else 0.0, watch[work + i])
    found = math.exp(min(log, 0.0)) if log == log else math.nan
    return 0.0 if found < _LEAST else found
