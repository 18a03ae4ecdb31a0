"""The chance of cure, read by compiled code off the rows of one member: the backward equations of ``cure`` by other means.

With the net rate nᵢ of each type, what a cell gains of others gᵢⱼ and what it makes qᵢⱼ, all per cell and day, they are

    -dpᵢ/dt = nᵢ pᵢ + Σⱼ gᵢⱼ pⱼ - pᵢ Σⱼ qᵢⱼ pⱼ

A step of the solver is a step here, backwards, with the row in its middle: the classical Runge-Kutta method of order 4 with
integrating factors (Lawson 1967), so that net rates, which may be large, are integrated exactly, and with them the rate
Σⱼ qᵢⱼ pⱼ at which p limits itself where the step begins. Steps in which the rest matters are cut into shorter ones, with
rates on the cubic between two rows.

No array can be made here: everything stands in the watch row of the member, called ``w``, from ``first`` on (``reading``).
"""

from __future__ import annotations

import math

from backfire.outcomes.rules import LEAST_CHANCE, NEGATIVE_RATE, ONE_CELL
from backfire.solvers.batch import compiled, exponential, peek, poke

TERMS, ARRIVING, GIVEN, SIZES = range(1, 5)
"""The section begins with the numbers of types and of terms, whether any of these is an arrival, and the number of events. Then
come the cells of each type, (place in a node, column) of every term, (day, type, multiply, add) of every event, three nodes,
and room to work in. A node holds n (t), g (t, t), q (t, t) and arrivals (t) of t types at one moment."""
_NEGATIVE, _LEAST, _ONE_CELL = NEGATIVE_RATE, LEAST_CHANCE, ONE_CELL
_CALM = 0.36
"""Below this the exactly integrated part is small enough for any step."""
_MOST_CUTS = 1000.0
"""Pieces of one step at most."""


def node_size(types: int) -> int:
    """How many numbers a node has."""
    return 2 * types * (types + 1)


def section_size(types: int, terms: int, events: int) -> int:
    """How many numbers the section of a watch row has."""
    return SIZES + types + 2 * terms + 4 * events + 3 * node_size(types) + 10 * types


@compiled(inline="code")
def _none_of(count, p):  # type: ignore[no-untyped-def]
    """The logarithm of the chance that none of so many cells has living descendants."""
    if count == 0.0:
        return 0.0
    return count * math.log1p(-p) if p < 1.0 else -math.inf


@compiled(inline="code")
def _flow(types, node, p, still, out, w):  # type: ignore[no-untyped-def]
    """What is not integrated exactly, at a node, for each type."""
    gains, makes = node + types, node + types + types * types
    for i in range(types):
        gain, limits = 0.0, peek(w, still + i)
        for j in range(types):
            gain += peek(w, gains + i * types + j) * peek(w, p + j)
            limits -= peek(w, makes + i * types + j) * peek(w, p + j)
        poke(w, out + i, gain + limits * peek(w, p + i))


@compiled(inline="code")
def _arrived(types, node, p, w):  # type: ignore[no-untyped-def]
    """What arrives and survives at a node, per day."""
    total, arrivals = 0.0, node + types + 2 * types * types
    for i in range(types):
        total += peek(w, arrivals + i) * peek(w, p + i)
    return total


@compiled()
def _pieces(types, arriving, h, node, work, w):  # type: ignore[no-untyped-def]
    """Into how many pieces a step of length ``h`` back from ``node`` should be cut; leaves the rates at which p limits itself there.

    What is integrated exactly, z, may be large, the less the more the type gains of others or limits itself, or cells arrive:
    the error of that is of order z⁴/2880. The integral of each net rate is where ``_step`` reads it.
    """
    whole, still, gains, makes, most = work + 7 * types, work + 8 * types, node + types, node + types + types * types, 0.0
    for i in range(types):
        gain, limits, p = 0.0, 0.0, peek(w, work + i)
        for j in range(types):
            gain += peek(w, gains + i * types + j) * peek(w, work + j)
            limits += peek(w, makes + i * types + j) * peek(w, work + j)
        poke(w, still + i, limits)
        gain, limits = h * gain, h * limits
        z = abs(peek(w, whole + i) - limits)
        if z > _CALM or limits > 0.02:
            gain *= (1.0 + z) * (1.0 + z)
            share = 1.0 if arriving or gain >= p else gain / p
            most = max(most, z / _CALM * math.sqrt(math.sqrt(max(share, 20.0 * limits))), z / 1.5, limits / 0.2)
    return most


@compiled()
def _step(types, arriving, h, nodes, work, w):  # type: ignore[no-untyped-def]
    """One step of length ``h`` back from the last of three nodes to the first; what arrived and survives in it.

    At ``work`` stand p, four slopes, a state between, and the integral of each net rate over the later half and over all of the
    step; ``_pieces`` has left the rates at which p limits itself.
    """
    middle, high = nodes + 2 * types * (types + 1), nodes + 4 * types * (types + 1)
    one, two, three, four, state = work + types, work + 2 * types, work + 3 * types, work + 4 * types, work + 5 * types
    half, whole, still, rest = work + 6 * types, work + 7 * types, work + 8 * types, work + 9 * types
    arrived = _arrived(types, high, work, w) if arriving else 0.0
    _flow(types, high, work, still, one, w)
    for i in range(types):
        later = peek(w, half + i) - 0.5 * h * peek(w, still + i)
        every = peek(w, whole + i) - h * peek(w, still + i)
        grown = exponential(later)
        poke(w, half + i, grown)
        poke(w, whole + i, exponential(every))
        poke(w, rest + i, exponential(every - later))
        poke(w, state + i, grown * (peek(w, work + i) + 0.5 * h * peek(w, one + i)))
    _flow(types, middle, state, still, two, w)
    arrived += 2.0 * _arrived(types, middle, state, w) if arriving else 0.0
    for i in range(types):
        poke(w, state + i, peek(w, half + i) * peek(w, work + i) + 0.5 * h * peek(w, two + i))
    _flow(types, middle, state, still, three, w)
    arrived += 2.0 * _arrived(types, middle, state, w) if arriving else 0.0
    for i in range(types):
        poke(w, state + i, peek(w, whole + i) * peek(w, work + i) + h * peek(w, rest + i) * peek(w, three + i))
    _flow(types, nodes, state, still, four, w)
    arrived += _arrived(types, nodes, state, w) if arriving else 0.0
    for i in range(types):
        p = peek(w, whole + i) * (peek(w, work + i) + h / 6.0 * peek(w, one + i))
        p += h / 3.0 * peek(w, rest + i) * (peek(w, two + i) + peek(w, three + i)) + h / 6.0 * peek(w, four + i)
        poke(w, work + i, 1.0 if p > 1.0 else 0.0 if p < 0.0 else p)
    return h / 6.0 * arrived


@compiled()
def _cut(row, types, terms, arriving, table, nodes, work, room, days, values, slopes, w):  # type: ignore[no-untyped-def]
    """From a row back to the one before it, in as many steps as it takes."""
    span, size = days[row] - days[row - 1], 2 * types * (types + 1)
    for term in range(terms):
        place, at = int(w[table + 2 * term]), int(w[table + 2 * term + 1]) * room + row
        w[nodes + 2 * size + place] = values[at]
        if term < types:  # the net rates stand first
            w[work + 7 * types + term] = 0.5 * span * (values[at - 1] + values[at])
    pieces = _pieces(types, arriving, span, nodes + 2 * size, work, w)
    cuts = min(max(math.ceil(pieces), 1.0), _MOST_CUTS) if pieces < math.inf else 1.0
    h, arrived = span / cuts, 0.0
    for cut in range(int(cuts)):
        for term in range(terms):
            place, at = int(w[table + 2 * term]), int(w[table + 2 * term + 1]) * room + row
            low, high, low_slope, high_slope = values[at - 1], values[at], slopes[at - 1], slopes[at]
            for node in range(3):
                share = 1.0 - (cut + 1.0 - 0.5 * node) / cuts
                rest = 1.0 - share
                bow = rest * (span * low_slope - (high - low)) - share * (span * high_slope - (high - low))
                w[nodes + node * size + place] = rest * low + share * high + share * rest * bow
        for i in range(types):
            low, middle, high = w[nodes + i], w[nodes + size + i], w[nodes + 2 * size + i]
            w[work + 6 * types + i] = h / 24.0 * (5.0 * high + 8.0 * middle - low)
            w[work + 7 * types + i] = h / 6.0 * (high + 4.0 * middle + low)
        _pieces(types, arriving, h, nodes + 2 * size, work, w)
        arrived += _step(types, arriving, h, nodes, work, w)
    return arrived


@compiled()
def _whole(row, types, terms, arriving, table, nodes, work, room, days, values, slopes, w):  # type: ignore[no-untyped-def]
    """From the end of a step of the solver back to its beginning, two rows before; what arrived, or -1 if it must be cut."""
    h, size = days[row] - days[row - 2], 2 * types * (types + 1)
    for term in range(terms):
        place, at = nodes + int(peek(w, table + 2 * term)), int(peek(w, table + 2 * term + 1)) * room + row
        low, middle, high = peek(values, at - 2), peek(values, at - 1), peek(values, at)
        poke(w, place, low)
        poke(w, place + size, middle)
        poke(w, place + 2 * size, high)
        if term < types:
            # integrals of the cubic between two rows, and of the quintic between three
            end = peek(slopes, at)
            later = 0.25 * h * (middle + high) + h * h / 48.0 * (peek(slopes, at - 1) - end)
            every = h / 30.0 * (7.0 * low + 16.0 * middle + 7.0 * high) + h * h / 60.0 * (peek(slopes, at - 2) - end)
            poke(w, work + 6 * types + term, later)
            poke(w, work + 7 * types + term, every)
    if not _pieces(types, arriving, h, nodes + 2 * size, work, w) <= 1.0:
        return -1.0
    return _step(types, arriving, h, nodes, work, w)


@compiled()
def _given(day, event, events, work, w):  # type: ignore[no-untyped-def]
    """(events before, logarithm of the chance that what is added leaves none) for all events of ``day`` and later; NaN if an
    event is none for single cells."""
    log = 0.0
    while event > 0 and not w[events + 4 * (event - 1)] < day:
        spot = events + 4 * (event - 1)
        if not math.isnan(w[spot]):
            place, multiply, add = work + int(w[spot + 1]), w[spot + 2], w[spot + 3]
            log += _none_of(add, w[place])
            w[place] *= multiply
            if not (0.0 <= multiply <= 1.0 and add >= 0.0):
                log = math.nan
        event -= 1
    return event, log


@compiled()
def _sound(rows, types, terms, table, room, values, w):  # type: ignore[no-untyped-def]
    """Whether all rates are finite, and none but net rates negative."""
    lowest, total = 0.0, 0.0
    for term in range(terms):
        base = int(w[table + 2 * term + 1]) * room
        for row in range(rows):
            value = peek(values, base + row)
            total += 0.0 * value
            lowest = value if term >= types and value < lowest else lowest
    return total == 0.0 and lowest >= _NEGATIVE


@compiled()
def chance(first, rows, room, days, values, slopes, w):  # type: ignore[no-untyped-def]
    """The chance that no tumour cell is left on the day of the last row; NaN where a rate per cell is not defined."""
    types, terms, arriving, event = int(w[first]), int(w[first + TERMS]), w[first + ARRIVING] > 0.0, int(w[first + GIVEN])
    table = first + SIZES + types
    events = table + 2 * terms
    nodes = events + 4 * event
    work, row, log = nodes + 6 * types * (types + 1), rows - 1, 0.0
    if not _sound(rows, types, terms, table, room, values, w):
        return math.nan
    for i in range(types):
        w[work + i] = 1.0
    event, more = _given(days[row], event, events, work, w)
    log += more
    while row > 0:
        before, span = row - 1, days[row] - days[row - 1]
        if span > 3e-16 * days[row]:
            arrived = -1.0
            if row > 1 and abs(days[row - 2] + days[row] - 2.0 * days[row - 1]) <= 1e-6 * span:
                arrived = _whole(row, types, terms, arriving, table, nodes, work, room, days, values, slopes, w)
                before = row - 2 if arrived >= 0.0 else row - 1
            if arrived < 0.0:
                arrived = _cut(row, types, terms, arriving, table, nodes, work, room, days, values, slopes, w)
            log -= arrived
        row = before
        event, more = _given(days[row], event, events, work, w)
        log += more
    for i in range(types):
        count = w[first + SIZES + i]
        log += _none_of(count if count >= _ONE_CELL else 0.0, w[work + i])
    found = math.exp(min(log, 0.0)) if log == log else math.nan
    return 0.0 if found < _LEAST else found
