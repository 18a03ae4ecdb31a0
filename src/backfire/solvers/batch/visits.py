"""Rules in the batch solver: what is measured at visits in a lane, what is decided, and what follows for what runs.

Visits are no edges of steps: they are looked at in the dense output of a step that passes them, and only where the rate of
something that runs changes is the step cut there. Where bounds of the dense output already say that no rule can change
anything, nothing is measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backfire.model import RULE_BEGINS, RULE_REFERENCE, decide, noticed, settled
from backfire.solvers.batch import arrays as at
from backfire.solvers.batch.jit import LANES, compiled, peek, wide
from backfire.solvers.batch.stages import within

_decide: Any = compiled(inline="code")(decide)
_noticed: Any = compiled(inline="code")(noticed)
_settled: Any = compiled(inline="code")(settled)
_BEGINS, _REFERENCE = RULE_BEGINS, RULE_REFERENCE
_SLACK = 1e-12
"""Rounding, as a share of what is added up."""
_FEW = 4
"""Fewer days than these are measured one by one: vectors of all lanes take longer."""


@compiled()
def _level(lane, giver, uses, levels):  # type: ignore[no-untyped-def]
    """The share of a dose that its rules let through."""
    level = 1.0
    for rule in range(uses.shape[1]):
        if uses[giver, rule]:
            level *= levels[rule * LANES + lane]
    return level


@compiled(inline="code")
def apply(lane, event, events, uses, inner, levels):  # type: ignore[no-untyped-def]
    """One row of events."""
    spot, add = events.state[event] * LANES + lane, events.add[event]
    if events.giver[event] >= 0:
        add *= _level(lane, events.giver[event], uses, levels)
    inner[spot] = inner[spot] * events.multiply[event] + add


@compiled(inline="code")
def _bounds(lane, rule, half, states, visits, state, inner, bends):  # type: ignore[no-untyped-def]
    """Between which values a sum of states, as it is seen, stays within the last step.

    The dense output, (1-θ)·y + θ·(y_new + (1-θ)·(b1 + θ·(b2 + θ·b3))), lies between y and y_new but for at most a quarter of
    |b1| + |b2| + |b3|.
    """
    before, after, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(states):
        if visits.parts[rule, half, j]:
            spot, b = j * LANES + lane, 3 * j * LANES + lane
            before, after = before + peek(state, spot), after + peek(inner, spot)
            b1, b2, b3 = b1 + peek(bends, b), b2 + peek(bends, b + LANES), b3 + peek(bends, b + 2 * LANES)
    away = 0.25 * (abs(b1) + abs(b2) + abs(b3)) + _SLACK * (abs(before) + abs(after))
    low, high = min(before, after) - away, max(before, after) + away
    return _noticed(low, visits.floors[rule, half]), _noticed(high, visits.floors[rule, half])


@compiled(inline="code")
def _quiet(lane, rows, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """True if no rule can change anything within the last step."""
    states, bends = task.sizes[at.STATES], space.bends
    for rule in range(len(visits.column)):
        low, high = _bounds(lane, rule, 0, states, visits, state, inner, bends)
        if visits.column[rule, 1] != at.MISSING:
            least, most = _bounds(lane, rule, 1, states, visits, state, inner, bends)
            if not least > 0.0:
                return False
            low, high = min(low / least, low / most), max(high / least, high / most)
            low, high = low - _SLACK * abs(low), high + _SLACK * abs(high)
        least, most = visits.ends[rule, 0], visits.ends[rule, 1]
        low, high = min(low * least, low * most), max(high * least, high * most)
        spot = rule * LANES + lane
        if not _settled(visits.numbers, rows + rule, space.levels[spot], space.references[spot], low, high):
            return False
    return True


@compiled(inline="code")
def _pass_over(lane, until, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """Pass over the visits up to ``until`` if none of them can change anything; True if so."""
    wholes, lanes = space.wholes, space.lanes
    member, visit = wholes[at.MEMBER + lane], wholes[at.VISIT + lane]
    first, last, rows = visits.first[member], visits.last[member], visits.place[member]
    if not visits.bounded or not _quiet(lane, rows, task, visits, state, inner, space):
        return False
    kept = visits.decided.shape[1] > 0
    while visit < last and visits.day[visit] <= until:
        if kept:
            visits.decided[member, visit - first] = space.levels[visits.rule[visit] * LANES + lane]
        visit += 1
    wholes[at.VISIT + lane] = visit
    lanes[at.LOOK_AT + lane] = visits.day[visit] if visit < last else np.inf
    return True


@compiled(inline="code")
def _part(lane, share, place, rule, half, states, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """What a rule looks at, or what that is divided by, at a share of the last step: a sum of states, or measured already."""
    column, total = visits.column[rule, half], 0.0
    if column >= 0:
        total = space.measured[column * LANES + place]
    else:
        for j in range(states):
            if visits.parts[rule, half, j]:
                total += within(share, j, lane, state, inner, space.bends)
    return _noticed(total, visits.floors[rule, half])


@compiled(inline="code")
def _share(lane, day, lanes):  # type: ignore[no-untyped-def]
    """A day as a share of the last step; days at or behind its end, and all days of a step without a length, are its end."""
    span = lanes[at.SPAN + lane]
    return min((day - lanes[at.FROM + lane]) / span, 1.0) if span > 0.0 else 1.0


@compiled()
def _measure(lane, visit, last, until, measure, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """Measure what is no sum of states on the days of visits from ``visit`` up to ``until``, on as many as there are lanes; the
    first visit that is on none of them."""
    seen = 0
    while seen < LANES and visit < last and visits.day[visit] <= until:
        day = visits.day[visit]
        space.shares[seen] = _share(lane, day, space.lanes)
        seen += 1
        while visit < last and visits.day[visit] == day:
            visit += 1
    measure(lane, seen if seen < _FEW else LANES, space.shares, state, inner, space.bends, space.constant, space.measured)
    return visit


def _look(lane, until, measure, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """Let the rules of a lane decide at its visits up to ``until``. If what runs changes its rate, that day is the ``TURN`` of
    the lane, up to which and no further its visits are seen."""
    lanes, wholes, turn = space.lanes, space.wholes, np.inf
    member, visit = wholes[at.MEMBER + lane], wholes[at.VISIT + lane]
    first, last, rows, kept = visits.first[member], visits.last[member], visits.place[member], visits.decided.shape[1] > 0
    states, ahead, place, today = task.sizes[at.STATES], visit, 0, -np.inf
    while visit < last and visits.day[visit] <= min(until, turn):
        day, rule = visits.day[visit], visits.rule[visit]
        place, today = place + (1 if day > today else 0), day
        if visit >= ahead and max(visits.column[rule, 0], visits.column[rule, 1]) >= 0:
            place, ahead = 0, _measure(lane, visit, last, min(until, turn), measure, visits, state, inner, space)
        share = _share(lane, day, lanes)
        measured = _part(lane, share, place, rule, 0, states, visits, state, inner, space)
        if visits.column[rule, 1] != at.MISSING:
            measured /= _part(lane, share, place, rule, 1, states, visits, state, inner, space)
        spot = rule * LANES + lane
        before = space.levels[spot]
        level, reference = _decide(visits.numbers, rows + rule, before, space.references[spot], measured * visits.factor[visit])
        space.levels[spot], space.references[spot] = level, reference
        if kept:
            visits.decided[member, visit - first] = level
        if level != before and visits.hold_last[visit] > visits.hold_first[visit]:
            turn = day
        visit += 1
    wholes[at.VISIT + lane], lanes[at.TURN + lane] = visit, turn
    lanes[at.LOOK_AT + lane] = visits.day[visit] if visit < last else np.inf


_look_here: Any = compiled(inline="code")(_look)
"""A call with all these arrays takes as long as some visits."""


@compiled()
def see(lane, until, measure, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """Look at the visits of one lane up to ``until`` in the dense output of the last step, but for those of which bounds already
    say that they change nothing."""
    if not _pass_over(lane, until, task, visits, state, inner, space):
        _look_here(lane, until, measure, task, visits, state, inner, space)


@compiled()
def enter(lane, day, measure, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """The rules of the member that a lane has taken, as they begin and as they decide on its first day, whose events follow."""
    lanes, wholes, member = space.lanes, space.wholes, space.wholes[at.MEMBER + lane]
    for rule in range(len(visits.column)):
        space.levels[rule * LANES + lane] = visits.numbers[visits.place[member] + rule, _BEGINS]
        space.references[rule * LANES + lane] = visits.numbers[visits.place[member] + rule, _REFERENCE]
    wholes[at.VISIT + lane], lanes[at.FROM + lane], lanes[at.SPAN + lane] = visits.first[member], day, 0.0
    _look_here(lane, day, measure, task, visits, state, inner, space)
    lanes[at.TURN + lane] = np.inf


@compiled()
def due(lanes):  # type: ignore[no-untyped-def]
    """How many lanes have visits within a step that is accepted and ends where it was aimed at; up to ``UNTIL`` these are looked
    at by ``look_ahead``."""
    wide()
    count = 0
    for lane in range(LANES):
        day, step = lanes[at.DAY + lane], lanes[at.STEP + lane]
        until = lanes[at.EDGE + lane] if lanes[at.LAST + lane] > 0.0 else day + step
        soon = 1.0 if lanes[at.LOOK_AT + lane] <= until else 0.0
        seen = soon * lanes[at.ACCEPTED + lane] > lanes[at.LOW + lane] + lanes[at.FRESH + lane]
        lanes[at.FROM + lane], lanes[at.SPAN + lane] = day, step
        lanes[at.UNTIL + lane] = until if seen else -np.inf
        count += 1 if seen else 0
    return count


@compiled()
def look_ahead(measure, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """See the visits of steps that are ``due``, before these are moved on: most change nothing, and their steps stay plain."""
    for lane in range(LANES):
        until = space.lanes[at.UNTIL + lane]
        if until > -np.inf and not _pass_over(lane, until, task, visits, state, inner, space):
            _look_here(lane, until, measure, task, visits, state, inner, space)


@compiled()
def hold(lane, day, first, events, visits, inner, space):  # type: ignore[no-untyped-def]
    """Set anew what runs on a day on which a rule has changed its rate."""
    begin, base = space.wholes[at.VISIT + lane], events.first[space.wholes[at.MEMBER + lane]]
    while begin > first and visits.day[begin - 1] == day:
        begin -= 1
    for visit in range(begin, space.wholes[at.VISIT + lane]):
        for event in range(base + visits.hold_first[visit], base + visits.hold_last[visit]):
            apply(lane, event, events, visits.uses, inner, space.levels)
