"""Rules in the batch solver: what is measured at visits in a lane, what is decided, and what follows for what runs.

Visits are no edges of steps: they are looked at in the dense output of a step that passes them, and only where the rate of
something that runs changes is the step cut there. Where bounds of the dense output already say that no rule can change
anything, nothing is measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backfire.model import decide, settled
from backfire.solvers.batch import arrays as at
from backfire.solvers.batch.jit import LANES, compiled, peek, wide
from backfire.solvers.batch.stages import blend

_decide: Any = compiled(inline="code")(decide)
_settled: Any = compiled(inline="code")(settled)
_SLACK = 1e-12
"""Rounding, as a share of what is added up."""


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


@compiled()
def _fill(lane, states, state, inner, space):  # type: ignore[no-untyped-def]
    """The states of one lane at ``shares`` of its last step, side by side; all its end where the step has no length."""
    wide()
    bends, block, shares = space.bends, space.block, space.shares
    for j in range(states):
        spot, b = j * LANES + lane, 3 * j * LANES + lane
        before, after = peek(state, spot), peek(inner, spot)
        b1, b2, b3 = peek(bends, b), peek(bends, b + LANES), peek(bends, b + 2 * LANES)
        for row in range(LANES):
            share = shares[row]
            block[j * LANES + row] = after if share >= 1.0 else blend(share, before, after, b1, b2, b3)


@compiled(inline="code")
def _quiet(lane, rows, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """True if no rule can change anything within the last step.

    The dense output, (1-θ)·y + θ·(y_new + (1-θ)·(b1 + θ·(b2 + θ·b3))), lies between y and y_new but for at most a quarter of
    |b1| + |b2| + |b3|.
    """
    bends = space.bends
    for rule in range(len(visits.column)):
        before, after, b1, b2, b3, parts = 0.0, 0.0, 0.0, 0.0, 0.0, 0
        for j in range(task.sizes[at.STATES]):
            if visits.parts[rule, j]:
                spot, b = j * LANES + lane, 3 * j * LANES + lane
                before, after, parts = before + peek(state, spot), after + peek(inner, spot), parts + 1
                b1, b2, b3 = b1 + peek(bends, b), b2 + peek(bends, b + LANES), b3 + peek(bends, b + 2 * LANES)
        if parts == 0:
            return False
        away = 0.25 * (abs(b1) + abs(b2) + abs(b3)) + _SLACK * (abs(before) + abs(after))
        low, high = min(before, after) - away, max(before, after) + away
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
    if not _quiet(lane, rows, task, visits, state, inner, space):
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
def _measure(lane, share, rule, states, visits, state, inner, bends):  # type: ignore[no-untyped-def]
    """The sum of states that a rule looks at, at a share of the last step."""
    total = 0.0
    for j in range(states):
        if visits.parts[rule, j]:
            spot, b = j * LANES + lane, 3 * j * LANES + lane
            after = peek(inner, spot)
            if share < 1.0:
                bent = (peek(bends, b), peek(bends, b + LANES), peek(bends, b + 2 * LANES))
                after = blend(share, peek(state, spot), after, bent[0], bent[1], bent[2])
            total += after
    return total


@compiled()
def _look_at_block(lane, visit, last, until, look, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """Compute what is watched at the visits from ``visit`` up to ``until``, as many as there are lanes; the first that is not
    among them."""
    lanes, seen = space.lanes, 0
    begin, span = lanes[at.FROM + lane], lanes[at.SPAN + lane]
    for k in range(task.sizes[at.ALL]):
        space.own[k] = peek(space.constant, k * LANES + lane)
    while seen < LANES and visit + seen < last and visits.day[visit + seen] <= until:
        space.shares[seen] = min((visits.day[visit + seen] - begin) / span, 1.0) if span > 0.0 else 1.0
        seen += 1
    _fill(lane, task.sizes[at.STATES], state, inner, space)
    look(space.block, space.own, space.seen, space.rates)
    return visit + seen


def _see(lane, until, last, rows, look, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """Look at the rules that are due up to ``until`` in the dense output of the last step; the first day on which what runs
    changes its rate, and then no further, else infinity.

    ``rows`` is where the numbers of the rules begin. Days at or behind the end of the step have its last states.
    """
    lanes, states = space.lanes, task.sizes[at.STATES]
    visit, turn = space.wholes[at.VISIT + lane], np.inf
    begin, span = lanes[at.FROM + lane], lanes[at.SPAN + lane]
    member = space.wholes[at.MEMBER + lane]
    first, kept = visits.first[member], visits.decided.shape[1] > 0
    block = filled = visit
    while visit < last and visits.day[visit] <= min(until, turn):
        day, rule = visits.day[visit], visits.rule[visit]
        if visits.summed[rule]:
            share = min((day - begin) / span, 1.0) if span > 0.0 else 1.0
            measured = _measure(lane, share, rule, states, visits, state, inner, space.bends)
        else:
            if visit >= filled:
                block, filled = (
                    visit,
                    _look_at_block(lane, visit, last, min(until, turn), look, task, visits, state, inner, space),
                )
            measured = space.seen[visits.column[rule] * LANES + visit - block]
        spot = rule * LANES + lane
        before = space.levels[spot]
        level, reference = _decide(visits.numbers, rows + rule, before, space.references[spot], measured * visits.factor[visit])
        space.levels[spot], space.references[spot] = level, reference
        if kept:
            visits.decided[member, visit - first] = level
        if level != before and visits.hold_last[visit] > visits.hold_first[visit]:
            turn = day
        visit += 1
    space.wholes[at.VISIT + lane] = visit
    lanes[at.LOOK_AT + lane] = visits.day[visit] if visit < last else np.inf
    return turn


_see_here: Any = compiled(inline="code")(_see)
"""A call with all these arrays takes as long as some visits."""


@compiled()
def see(lane, until, last, rows, look, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """``_see``, but for visits of which bounds already say that they change nothing."""
    if space.lanes[at.SPAN + lane] > 0.0 and _pass_over(lane, until, task, visits, state, inner, space):
        return np.inf
    return _see_here(lane, until, last, rows, look, task, visits, state, inner, space)


@compiled()
def due(lanes):  # type: ignore[no-untyped-def]
    """How many lanes have visits within a step that is accepted and ends where it was aimed at: all of them are looked at by
    ``look_ahead``."""
    wide()
    count = 0
    for lane in range(LANES):
        until = lanes[at.EDGE + lane] if lanes[at.LAST + lane] > 0.0 else lanes[at.DAY + lane] + lanes[at.STEP + lane]
        soon = 1.0 if lanes[at.LOOK_AT + lane] <= until else 0.0
        count += 1 if soon * lanes[at.ACCEPTED + lane] > lanes[at.LOW + lane] + lanes[at.FRESH + lane] else 0
    return count


@compiled()
def look_ahead(look, task, visits, state, inner, space):  # type: ignore[no-untyped-def]
    """See the visits of steps that are ``due``, before these are moved on: most change nothing, and their steps stay plain."""
    lanes = space.lanes
    for lane in range(LANES):
        until = lanes[at.EDGE + lane] if lanes[at.LAST + lane] > 0.0 else lanes[at.DAY + lane] + lanes[at.STEP + lane]
        sure = lanes[at.ACCEPTED + lane] > lanes[at.LOW + lane] + lanes[at.FRESH + lane]
        if sure and lanes[at.LOOK_AT + lane] <= until:
            lanes[at.FROM + lane], lanes[at.SPAN + lane] = lanes[at.DAY + lane], lanes[at.STEP + lane]
            if not _pass_over(lane, until, task, visits, state, inner, space):
                member = space.wholes[at.MEMBER + lane]
                lanes[at.TURN + lane] = _see_here(
                    lane, until, visits.last[member], visits.place[member], look, task, visits, state, inner, space
                )


@compiled()
def hold(lane, day, first, events, visits, inner, space):  # type: ignore[no-untyped-def]
    """Set anew what runs on a day on which a rule has changed its rate."""
    begin, base = space.wholes[at.VISIT + lane], events.first[space.wholes[at.MEMBER + lane]]
    while begin > first and visits.day[begin - 1] == day:
        begin -= 1
    for visit in range(begin, space.wholes[at.VISIT + lane]):
        for event in range(base + visits.hold_first[visit], base + visits.hold_last[visit]):
            apply(lane, event, events, visits.uses, inner, space.levels)
