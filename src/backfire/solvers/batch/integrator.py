"""The integrator of the batch solver: lanes with their own time, step, events and status, filled from a queue of members.

Arithmetic runs over all lanes at once (``stages`` and the kernel of the model); what differs from lane to lane -
events, extinction, rows, rejected steps - is looked at lane by lane, and only where a lane asks for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import types

from backfire.solvers import Status
from backfire.solvers.batch import arrays as at
from backfire.solvers.batch.jit import LANES, ROW, compile_loops, compiled, peek, wide
from backfire.solvers.batch.stages import bend, dense, middle
from backfire.solvers.batch.stepping import advance, aim, attempt, control, reject, start_piece
from backfire.solvers.batch.visits import apply, due, enter, hold, look_ahead, see

_ONE_CELL = 1.0
_DEAD = -1.0
"""Marks a compartment that an event has emptied, until all events of that moment are applied."""
_OK, _MAX_STEPS, _NONFINITE = int(Status.OK), int(Status.MAX_STEPS), int(Status.NONFINITE)


@compiled(inline="code")
def _note(lane, day, states, room, source, notes, wholes):  # type: ignore[no-untyped-def]
    """Append a row to the rows of a lane, which has room enough; a second row for the same day replaces the first."""
    rows = wholes[at.ROWS + lane]
    last = lane * room + rows - 1
    if rows > 0 and notes.day[last] == day:
        rows, last = rows - 1, last - 1
    notes.day[last + 1] = day
    within = rows & (LANES - 1)
    base = (last + 1 - within) * states + within
    for j in range(states):
        notes.state[base + j * LANES] = peek(source, j * LANES + lane)
    wholes[at.ROWS + lane] = rows + 1


@compiled(inline="code")
def _note_middle(lane, states, room, notes, space):  # type: ignore[no-untyped-def]
    """Append the row in the middle of the last step, from the dense output: steps are long where courses are smooth, and
    the cubic between rows then is an order better."""
    rows, day = space.wholes[at.ROWS + lane], space.lanes[at.FROM + lane] + 0.5 * space.lanes[at.SPAN + lane]
    if rows == 0 or day > notes.day[lane * room + rows - 1]:
        _note(lane, day, states, room, space.middle, notes, space.wholes)


@compiled()
def _clear(lane, index, states, inner, cells, feeds):  # type: ignore[no-untyped-def]
    """A compartment is gone, and with it fragments of less than a cell that it fed."""
    inner[index * LANES + lane] = 0.0
    for fed in range(states):
        if feeds[index, fed] and cells[fed] and inner[fed * LANES + lane] < _ONE_CELL:
            inner[fed * LANES + lane] = 0.0


@compiled()
def _give(lane, day, last, task, events, uses, inner, wholes, levels):  # type: ignore[no-untyped-def]
    """Apply all events of ``day``; what they leave of less than a cell is gone."""
    states = task.sizes[at.STATES]
    event = wholes[at.EVENT + lane]
    first = event
    while event < last and events.day[event] == day:
        index = events.state[event]
        spot = index * LANES + lane
        before = inner[spot]
        while event + 1 < last and events.day[event + 1] == day and events.state[event + 1] == index:
            apply(lane, event, events, uses, inner, levels)
            event += 1
        apply(lane, event, events, uses, inner, levels)
        if task.cells[index] and before >= _ONE_CELL and inner[spot] < _ONE_CELL:
            inner[spot] = _DEAD
        event += 1
    for given in range(first, event):
        if task.cells[events.state[given]] and inner[events.state[given] * LANES + lane] == _DEAD:
            _clear(lane, events.state[given], states, inner, task.cells, task.feeds)
    wholes[at.EVENT + lane] = event


@compiled()
def _died(lane, states, state, inner, bends, cells):  # type: ignore[no-untyped-def]
    """(share of the step, state) of the first fall of a compartment through one cell; a share of 2 if there is none."""
    share, found = 2.0, -1
    for j in range(states):
        if not cells[j]:
            continue
        spot = j * LANES + lane
        if min(state[spot], inner[spot]) >= 3.0 or max(state[spot], inner[spot]) < _ONE_CELL:
            continue
        low, level = 0.0, state[spot]
        for point in range(1, 12):
            high = point / 11.0
            ahead = inner[spot] if point == 11 else dense(high, j, lane, state, inner, bends)
            if level >= _ONE_CELL and ahead < _ONE_CELL:
                for _ in range(60):
                    middle = 0.5 * (low + high)
                    if dense(middle, j, lane, state, inner, bends) >= _ONE_CELL:
                        low = middle
                    else:
                        high = middle
                if high < share:
                    share, found = high, j
                break
            low, level = high, ahead
    return share, found


@compiled(inline="code")
def _record(lane, until, last, states, state, inner, records, space):  # type: ignore[no-untyped-def]
    """Write the asked-for days of the last step before ``until`` from the dense output."""
    lanes, wholes = space.lanes, space.wholes
    record, shift = wholes[at.RECORD + lane], wholes[at.OUT + lane]
    day, step = lanes[at.FROM + lane], lanes[at.SPAN + lane]
    while record < last and peek(records.day, record) < until:
        share = (peek(records.day, record) - day) / step
        for j in range(states):
            records.out[record + shift, j] = dense(share, j, lane, state, inner, space.bends)
        record += 1
    wholes[at.RECORD + lane] = record
    lanes[at.DUE + lane] = records.day[record] if record < last else np.inf


@compiled(inline="code")
def _record_at(lane, day, last, states, inner, records, lanes, wholes):  # type: ignore[no-untyped-def]
    """Write an asked-for day that is now."""
    record = wholes[at.RECORD + lane]
    if record < last and records.day[record] <= day:
        for j in range(states):
            records.out[record + wholes[at.OUT + lane], j] = inner[j * LANES + lane]
        record += 1
        wholes[at.RECORD + lane] = record
    lanes[at.DUE + lane] = records.day[record] if record < last else np.inf


@compiled(inline="text")
def _edge(lane, member, task, events, lanes, wholes):  # type: ignore[no-untyped-def]
    """Set the day at which the steps of a lane must end next: its next event, or its last day."""
    event, end = wholes[at.EVENT + lane], task.end[member]
    lanes[at.EDGE + lane] = min(events.day[event], end) if event < events.last[member] else end


@compiled(inline="text")
def _load(lane, member, prepare, measure, task, events, visits, records, notes, state, inner, space):  # type: ignore[no-untyped-def]
    """Put a member into a lane, with the events and the row of its first day; False if a number is not finite."""
    sizes, lanes, wholes = task.sizes, space.lanes, space.wholes
    states, day, finite = sizes[at.STATES], task.begin[member], True
    for k in range(sizes[at.CONSTANTS]):
        space.own[k] = task.constants[member, k]
        finite &= abs(space.own[k]) < np.inf
    for j in range(states):
        start = task.starts[member, j]
        finite &= abs(start) < np.inf
        inner[j * LANES + lane] = 0.0 if task.cells[j] and start < _ONE_CELL else start
    if not finite:
        return False
    prepare(space.own)
    for k in range(sizes[at.ALL]):
        space.constant[k * LANES + lane] = space.own[k]
    wholes[at.MEMBER + lane], wholes[at.ROWS + lane] = member, 0
    wholes[at.EVENT + lane], wholes[at.RECORD + lane] = events.first[member], records.first[member]
    wholes[at.OUT + lane] = records.place[member] - records.first[member]
    lanes[at.DAY + lane], lanes[at.TRIED + lane], lanes[at.CALM + lane] = day, 0.0, 0.0
    lanes[at.DUE + lane], lanes[at.LOOK_AT + lane], lanes[at.TURN + lane] = np.inf, np.inf, np.inf
    if visits.last[member] > visits.first[member]:
        enter(lane, day, measure, task, visits, state, inner, space)
    _give(lane, day, events.last[member], task, events, visits.uses, inner, wholes, space.levels)
    if sizes[at.BY_STEP]:
        _note(lane, day, states, sizes[at.ROOM], inner, notes, wholes)
    else:
        _record_at(lane, day, records.last[member], states, inner, records, lanes, wholes)
    _edge(lane, member, task, events, lanes, wholes)
    lanes[at.FRESH + lane], lanes[at.GUESS + lane] = 1.0, 0.0
    aim(lane, day, 0.0, lanes)
    for j in range(states):
        state[j * LANES + lane] = inner[j * LANES + lane]
    return True


@compiled()
def _cut(lane, share, states, state, inner, space):  # type: ignore[no-untyped-def]
    """End the last step at a share of it."""
    for j in range(states):
        space.spare[j] = dense(share, j, lane, state, inner, space.bends)
    for j in range(states):
        inner[j * LANES + lane] = space.spare[j]


@compiled()
def _bury(lane, gone, task, state, inner):  # type: ignore[no-untyped-def]
    """The compartment ``gone`` has died out at the end of the step; others may have crossed at the same moment."""
    states = task.sizes[at.STATES]
    for j in range(states):
        spot = j * LANES + lane
        if j == gone or (task.cells[j] and inner[spot] < _ONE_CELL and state[spot] >= _ONE_CELL):
            _clear(lane, j, states, inner, task.cells, task.feeds)


@compiled(inline="text")
def _move(lane, measure, task, events, visits, records, notes, state, inner, space):  # type: ignore[no-untyped-def]
    """An accepted step of one lane: extinction, rows, events, and the aim of the next step; the status, or -1 to go on."""
    sizes, lanes, wholes = task.sizes, space.lanes, space.wholes
    states, room, by_step = sizes[at.STATES], sizes[at.ROOM], sizes[at.BY_STEP] > 0
    member, event = wholes[at.MEMBER + lane], wholes[at.EVENT + lane]
    day, step, edge = lanes[at.DAY + lane], lanes[at.STEP + lane], lanes[at.EDGE + lane]
    share, gone = (2.0, -1)
    if lanes[at.LOW + lane] > 0.0:
        share, gone = _died(lane, states, state, inner, space.bends, task.cells)
    arrived = lanes[at.LAST + lane] > 0.0 and share >= 1.0
    until = edge if arrived else day + min(share, 1.0) * step
    if lanes[at.TURN + lane] == np.inf and lanes[at.LOOK_AT + lane] <= until:
        see(lane, until, measure, task, visits, state, inner, space)
    turn, lanes[at.TURN + lane] = lanes[at.TURN + lane], np.inf
    if turn < until:  # what runs changes its rate before the step ends
        share, gone, arrived, until = (turn - day) / step, -1, False, turn
    turned = turn < np.inf
    given = arrived and event < events.last[member] and events.day[event] == edge
    if not by_step:
        _record(lane, until, records.last[member], states, state, inner, records, space)
    if share < 1.0 or gone >= 0:
        _cut(lane, share, states, state, inner, space)
    if by_step and gone < 0 and not turned:
        _note_middle(lane, states, room, notes, space)
    if by_step and (given or gone >= 0 or turned) and np.nextafter(until, -np.inf) > day:
        _note(lane, np.nextafter(until, -np.inf), states, room, inner, notes, wholes)
    if gone >= 0:
        _bury(lane, gone, task, state, inner)
    if turned:
        hold(lane, until, visits.first[member], events, visits, inner, space)
        lanes[at.FRESH + lane] = 1.0
    if given:
        _give(lane, edge, events.last[member], task, events, visits.uses, inner, wholes, space.levels)
        lanes[at.FRESH + lane] = 1.0
    if by_step:
        _note(lane, until, states, room, inner, notes, wholes)
    else:
        _record_at(lane, until, records.last[member], states, inner, records, lanes, wholes)
    lanes[at.DAY + lane] = until
    if until >= task.end[member]:
        return _OK
    if lanes[at.TRIED + lane] >= sizes[at.MOST_STEPS]:
        return _MAX_STEPS
    if arrived:
        _edge(lane, member, task, events, lanes, wholes)
    factor = lanes[at.FACTOR + lane]
    longer = step * (min(factor, 1.0) if lanes[at.CALM + lane] > 0.0 else factor)
    lanes[at.CALM + lane] = 0.0
    aim(lane, until, longer, lanes)
    return -1


@compiled(inline="text")
def _look_closer(lane, measure, task, events, visits, records, notes, state, inner, space):  # type: ignore[no-untyped-def]
    """The step of a lane that was not plain: the look at the rates where a piece begins, rejected, or accepted with
    something to do; the status, or -1 to go on."""
    lanes = space.lanes
    fresh, states = lanes[at.FRESH + lane] > 0.0, task.sizes[at.STATES]
    if fresh and not start_piece(lane, states, task.relative, task.absolute, state, space.slopes, lanes):
        return -1
    negative = lanes[at.LOW + lane] == 2.0 and lanes[at.ACCEPTED + lane] > 0.0
    if negative or lanes[at.ACCEPTED + lane] == 0.0:
        lanes[at.ACCEPTED + lane] = 0.0
        return reject(lane, negative, task.sizes[at.MOST_STEPS], space.error[lane], lanes)
    return _move(lane, measure, task, events, visits, records, notes, state, inner, space)


@compiled()
def _leave(record, shift, last, states, records):  # type: ignore[no-untyped-def]
    """The asked-for days that a member did not reach are NaN."""
    while record < last:
        for j in range(states):
            records.out[record + shift, j] = np.nan
        record += 1


@compiled(inline="code")
def _copy(source, target):  # type: ignore[no-untyped-def]
    for row in range(LANES):
        target[row] = source[row]


@compiled(inline="text")
def _observe(lane, rows, look, sizes, notes, space):  # type: ignore[no-untyped-def]
    """Everything watched along the rows of a lane, as many rows at a time as there are lanes; those behind the last row
    are whatever was there before, and nobody reads them."""
    states, room = sizes[at.STATES], sizes[at.ROOM]
    for k in range(sizes[at.ALL]):
        space.own[k] = peek(space.constant, k * LANES + lane)
    for begin in range(0, rows, LANES):
        base = (lane * room + begin) * states
        look(notes.state[base : base + states * LANES], space.own, space.seen, space.rates)
        for column in range(sizes[at.WATCHED]):
            to, seen = column * room + begin, column * LANES
            _copy(space.seen[seen : seen + LANES], notes.values[to : to + LANES])
            _copy(space.rates[seen : seen + LANES], notes.slopes[to : to + LANES])


@compiled(inline="text")
def _close(lane, how, look, read, task, records, notes, ended, space):  # type: ignore[no-untyped-def]
    """A member is done: its status, and what is read of its rows."""
    sizes, lanes, wholes = task.sizes, space.lanes, space.wholes
    member, states, room = wholes[at.MEMBER + lane], sizes[at.STATES], sizes[at.ROOM]
    ended.status[member], ended.reached[member] = how, lanes[at.DAY + lane]
    ended.steps[member] = np.int64(lanes[at.TRIED + lane])
    wholes[at.MEMBER + lane] = -1
    lanes[at.LOOK_AT + lane], lanes[at.TURN + lane] = np.inf, np.inf
    if not sizes[at.BY_STEP]:
        _leave(wholes[at.RECORD + lane], wholes[at.OUT + lane], records.last[member], states, records)
    elif how == _OK:
        rows = wholes[at.ROWS + lane]
        _observe(lane, rows, look, sizes, notes, space)
        days = notes.day[lane * room : (lane + 1) * room]
        read(rows, room, days, notes.values, notes.slopes, notes.watch[member], notes.result[member])


@compiled(inline="text")
def _refill(upcoming, stop, prepare, measure, task, events, visits, records, notes, ended, state, inner, space):  # type: ignore[no-untyped-def]
    """Give empty lanes the next members; (next member, lanes that stay empty)."""
    wholes, empty = space.wholes, 0
    for lane in range(LANES):
        while wholes[at.MEMBER + lane] < 0 and upcoming < stop:
            member, upcoming = upcoming, upcoming + 1
            if not _load(lane, member, prepare, measure, task, events, visits, records, notes, state, inner, space):
                ended.status[member], ended.reached[member] = _NONFINITE, task.begin[member]
                first = records.first[member]
                _leave(first, records.place[member] - first, records.last[member], task.sizes[at.STATES], records)
        empty += wholes[at.MEMBER + lane] < 0
    return upcoming, empty


@lru_cache(maxsize=1)
def no_reader() -> Any:
    """A reader for runs that record days: it reads nothing."""
    return compiled(at.READER)(_read_nothing)


def _read_nothing(rows, room, days, values, slopes, watch, result):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return


@lru_cache(maxsize=1)
def integrator() -> Any:
    """``_integrate`` as compiled code; seconds the first time on a machine."""
    compile_loops()
    functions = (at.STAGE, at.STAGE, at.PREPARE, at.LOOK, at.MEASURE, at.READ)
    arrays = (at.TASK, at.EVENTS, at.LOOKS, at.RECORDS, at.NOTES, at.ENDED, ROW, ROW, at.WORKSPACE)
    return compiled(types.void(*functions, *arrays, types.int64, types.int64))(_integrate)


def _integrate(  # type: ignore[no-untyped-def]
    first, stage, prepare, look, measure, read, task, events, visits, records, notes, ended, state, inner, space, upcoming, stop
):
    """Integrate members ``upcoming`` to ``stop``: the functions of a kernel, then what the tuples above say."""
    wide()
    states, room, by_step = task.sizes[at.STATES], task.sizes[at.ROOM], task.sizes[at.BY_STEP] > 0
    lanes, wholes, reacting = space.lanes, space.wholes, len(visits.column) > 0
    for lane in range(LANES):
        wholes[at.MEMBER + lane] = -1
        lanes[at.LOOK_AT + lane], lanes[at.TURN + lane] = np.inf, np.inf
    empty = LANES
    while True:
        if empty > 0:
            upcoming, empty = _refill(
                upcoming, stop, prepare, measure, task, events, visits, records, notes, ended, state, inner, space
            )
            if empty == LANES:
                return
        attempt(first, stage, task, state, inner, space)
        control(task.relative, states, task.absolute, task.amounts, task.cells, state, inner, space.error, lanes)
        looks = due(lanes) if reacting else 0
        if looks > 0:
            bend(states, space.slopes, space.bends)
            look_ahead(measure, task, visits, state, inner, space)
        if (advance(task.sizes[at.MOST_STEPS], lanes) > 0 or by_step) and looks == 0:
            bend(states, space.slopes, space.bends)
        if by_step:
            middle(states, state, inner, space.bends, space.middle)
        for lane in range(LANES):
            if wholes[at.MEMBER + lane] < 0:
                continue
            how = -1
            if lanes[at.ALERT + lane] > 0.0:
                how = _look_closer(lane, measure, task, events, visits, records, notes, state, inner, space)
                if lanes[at.ACCEPTED + lane] == 0.0:
                    for j in range(states):
                        inner[j * LANES + lane] = state[j * LANES + lane]
            elif lanes[at.WAITS + lane] > 0.0:
                last, day = records.last[wholes[at.MEMBER + lane]], lanes[at.DAY + lane]
                _record(lane, day, last, states, state, inner, records, space)
            elif by_step:
                _note_middle(lane, states, room, notes, space)
                _note(lane, lanes[at.DAY + lane], states, room, inner, notes, wholes)
            if how >= 0:
                _close(lane, how, look, read, task, records, notes, ended, space)
                empty += 1
        # a rejected lane has its old states in both arrays
        state, inner = inner, state
