"""The integrator of the batch solver: lanes with their own time, step, events and status, filled from a queue of members.

Arithmetic runs over all lanes at once (``rosenbrock`` and the kernel of the model); what differs from lane to lane -
events, extinction, rows, rejected steps - is looked at lane by lane, and only where a lane asks for it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types

from backfire.compiling import ROW, compiled
from backfire.rosenbrock import (
    GAMMA,
    LANES,
    STRIDE,
    bend,
    dense,
    errors,
    gather_2,
    gather_3,
    gather_4,
    gather_5,
    gather_6,
    gather_7,
    gather_8,
)
from backfire.trajectory import Status

_TABLE = types.float64[:, ::1]
_WHOLE = types.int64[::1]
_TRUTH = types.boolean[::1]
_STAGE = types.FunctionType(types.void(ROW, ROW, ROW, ROW, ROW))
_PREPARE = types.FunctionType(types.void(ROW))
_LOOK = types.FunctionType(types.void(types.int64, types.int64, ROW, ROW, ROW, ROW))
_READ = types.FunctionType(types.void(types.int64, types.int64, ROW, ROW, ROW, ROW, ROW))

_ONE_CELL = 1.0
_DEAD = -1.0
"""Marks a compartment that an event has emptied, until all events of that moment are applied."""
_SAFETY = 0.9
_SMALLEST, _LARGEST = 0.2, 6.0
_MOMENT = 1e-9
"""The step, in days, that shows the rates at the start of a piece."""
_SHORTEST = 1e-14
"""Steps below this share of the day (at least of one day) end a run."""
_TINY: Any = np.float32(1e-12)
_ONE: Any = np.float32(1.0)
_NEGATIVE = 10.0
"""So many tolerances below zero are more than rounding."""
_OK = int(Status.OK)
_MAX_STEPS, _TOO_SMALL = int(Status.MAX_STEPS), int(Status.STEP_TOO_SMALL)
_NONFINITE, _NEGATIVE_STATE = int(Status.NONFINITE), int(Status.NEGATIVE_STATE)

# places in the table of lanes, one row of LANES numbers each
_DAY, _STEP, _EDGE, _FACTOR, _ACCEPTED, _LAST, _CALM, _LOW, _DUE, _TRIED, _ALERT = range(11)
# places in the table of whole numbers of lanes
_MEMBER, _EVENT, _RECORD, _OUT, _ROWS, _FRESH = range(6)
# places in the sizes of a problem
_STATES, _CONSTANTS, _ALL, _FACTORS, _MOST_STEPS, _BY_STEP, _ROOM, _WATCHED = range(8)
LANE_NUMBERS: Final = 11
LANE_WHOLES: Final = 6


class Task(NamedTuple):
    """What is integrated: m members, n states, p constants.

    ``sizes`` holds n, p, all constants (with the fixed ones), factors, most steps, 1 to note every step (0 to record
    days), rows that a lane can note, watched columns. ``absolute``, ``cells``, ``amounts`` (n,), ``feeds`` (n, n),
    ``starts`` (m, n), ``constants`` (m, p), first and last day (m,).
    """

    sizes: Any
    relative: Any
    absolute: Any
    cells: Any
    amounts: Any
    feeds: Any
    starts: Any
    constants: Any
    begin: Any
    end: Any


class Events(NamedTuple):
    """One table of events; those of member i are rows ``first[i]`` to ``last[i]``, sorted by day."""

    day: Any
    state: Any
    multiply: Any
    add: Any
    first: Any
    last: Any


class Records(NamedTuple):
    """Days to record: of member i rows ``first[i]`` to ``last[i]`` of ``day``, written to ``out`` from row ``place[i]`` on."""

    day: Any
    first: Any
    last: Any
    place: Any
    out: Any


class Notes(NamedTuple):
    """Rows of every accepted step, per lane (``day``, ``state``), and what is read of them: ``watch`` (m, …) → ``result``."""

    day: Any
    state: Any
    values: Any
    slopes: Any
    watch: Any
    result: Any


class Ended(NamedTuple):
    """How members ended, each (m,)."""

    status: Any
    reached: Any
    steps: Any


class Space(NamedTuple):
    """The arrays one thread works in."""

    slopes: Any
    bends: Any
    error: Any
    factors: Any
    constant: Any
    own: Any
    spare: Any
    moment: Any
    lanes: Any
    wholes: Any


def _tuple(kind: Any, *fields: Any) -> Any:
    return types.NamedTuple(fields, kind)  # type: ignore[no-untyped-call]


_TASK = _tuple(Task, _WHOLE, types.float64, ROW, _TRUTH, _TRUTH, types.boolean[:, ::1], _TABLE, _TABLE, ROW, ROW)
_EVENTS = _tuple(Events, ROW, _WHOLE, ROW, ROW, _WHOLE, _WHOLE)
_RECORDS = _tuple(Records, ROW, _WHOLE, _WHOLE, _WHOLE, _TABLE)
_NOTES = _tuple(Notes, ROW, ROW, ROW, ROW, _TABLE, _TABLE)
_ENDED = _tuple(Ended, types.int8[::1], ROW, _WHOLE)
_SPACE = _tuple(Space, ROW, ROW, types.float32[::1], ROW, ROW, ROW, ROW, ROW, ROW, _WHOLE)


@compiled()
def _note(lane, day, states, room, inner, notes, wholes):  # type: ignore[no-untyped-def]
    """Append a row to the rows of a lane; a second row for the same day replaces the first. False if there is no room."""
    rows = wholes[_ROWS * LANES + lane]
    base = lane * room
    if rows > 0 and notes.day[base + rows - 1] == day:
        rows -= 1
    if rows >= room:
        return False
    notes.day[base + rows] = day
    for j in range(states):
        notes.state[(lane * states + j) * room + rows] = inner[j * LANES + lane]
    wholes[_ROWS * LANES + lane] = rows + 1
    return True


@compiled()
def _clear(lane, index, states, inner, cells, feeds):  # type: ignore[no-untyped-def]
    """A compartment is gone, and with it fragments of less than a cell that it fed."""
    inner[index * LANES + lane] = 0.0
    for fed in range(states):
        if feeds[index, fed] and cells[fed] and inner[fed * LANES + lane] < _ONE_CELL:
            inner[fed * LANES + lane] = 0.0


@compiled()
def _give(lane, day, last, task, events, inner, wholes):  # type: ignore[no-untyped-def]
    """Apply all events of ``day``; what they leave of less than a cell is gone."""
    states = task.sizes[_STATES]
    event = wholes[_EVENT * LANES + lane]
    first = event
    while event < last and events.day[event] == day:
        index = events.state[event]
        at = index * LANES + lane
        before = inner[at]
        inner[at] = before * events.multiply[event] + events.add[event]
        if task.cells[index] and before >= _ONE_CELL and inner[at] < _ONE_CELL:
            inner[at] = _DEAD
        event += 1
    for given in range(first, event):
        if inner[events.state[given] * LANES + lane] == _DEAD:
            _clear(lane, events.state[given], states, inner, task.cells, task.feeds)
    wholes[_EVENT * LANES + lane] = event


@compiled()
def _died(lane, states, state, inner, bends, cells):  # type: ignore[no-untyped-def]
    """(share of the step, state) of the first fall of a compartment through one cell; a share of 2 if there is none."""
    share, found = 2.0, -1
    for j in range(states):
        if not cells[j]:
            continue
        at = j * LANES + lane
        if min(state[at], inner[at]) >= 3.0 or max(state[at], inner[at]) < _ONE_CELL:
            continue
        low, level = 0.0, state[at]
        for point in range(1, 12):
            high = point / 11.0
            ahead = inner[at] if point == 11 else dense(high, j, lane, state, inner, bends)
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


@compiled()
def _first_step(lane, states, relative, absolute, state, slopes, span):  # type: ignore[no-untyped-def]
    """A step in which no state moves by more than a few percent of itself; NaN if a rate is not finite.

    The first slope of a step of next to no length is that length times γ times the rate.
    """
    fastest = 0.0
    for j in range(states):
        at = j * LANES + lane
        rate = slopes[j * STRIDE + lane] / (_MOMENT * GAMMA)
        moving = abs(rate) / (abs(state[at]) + absolute[j] / relative)
        if not moving < np.inf:
            return np.nan
        fastest = max(fastest, moving)
    return min(span, 0.05 / fastest) if fastest * span > 0.05 else span


@compiled()
def _control(relative, states, absolute, amounts, cells, state, inner, error, lanes):  # type: ignore[no-untyped-def]
    """Which lanes accept, the factor of their next step, and which need a closer look; all in vectors."""
    for lane in range(LANES):
        safe = error[lane] if error[lane] > _TINY else _TINY
        quarter = np.sqrt(np.sqrt(safe))
        eighth = np.sqrt(quarter)
        # error^(1/8 + 1/16 + 1/64): close enough to 1/5, and square roots are vector instructions
        root = np.sqrt(eighth)
        factor = _SAFETY / np.float64(eighth * root * np.sqrt(np.sqrt(root)))
        lanes[_FACTOR * LANES + lane] = min(_LARGEST, max(_SMALLEST, factor))
        lanes[_ACCEPTED * LANES + lane] = 1.0 if error[lane] <= _ONE else 0.0
        lanes[_LOW * LANES + lane] = 0.0
    for j in range(states):
        at = j * LANES
        if amounts[j]:
            floor = -_NEGATIVE * (absolute[j] + relative)
            for lane in range(LANES):
                low = lanes[_LOW * LANES + lane]
                lanes[_LOW * LANES + lane] = 2.0 if inner[at + lane] < floor else low
        if cells[j]:
            for lane in range(LANES):
                old, new = state[at + lane], inner[at + lane]
                less, more = (old, new) if old < new else (new, old)
                low = lanes[_LOW * LANES + lane]
                near = 1.0 if less < 3.0 and more >= _ONE_CELL else 0.0
                lanes[_LOW * LANES + lane] = low if low > near else near


@compiled()
def _advance(most_steps, lanes):  # type: ignore[no-untyped-def]
    """Move the day and aim the next step of every lane whose step was plain; the others are marked for a closer look.

    Above zero if any lane needs the dense output.
    """
    curved = 0.0
    for lane in range(LANES):
        day, step, edge = lanes[_DAY * LANES + lane], lanes[_STEP * LANES + lane], lanes[_EDGE * LANES + lane]
        until = day + step
        tried = lanes[_TRIED * LANES + lane] + 1.0
        lanes[_TRIED * LANES + lane] = tried
        alert = 1.0 - lanes[_ACCEPTED * LANES + lane] + lanes[_LAST * LANES + lane] + lanes[_LOW * LANES + lane]
        due = 1.0 if lanes[_DUE * LANES + lane] <= until else 0.0
        curved = curved + due + lanes[_LOW * LANES + lane]
        alert = alert + due + (1.0 if tried >= most_steps else 0.0)
        lanes[_ALERT * LANES + lane] = alert
        factor = lanes[_FACTOR * LANES + lane]
        most = 1.0 if lanes[_CALM * LANES + lane] > 0.0 else _LARGEST
        longer = step * (factor if factor < most else most)
        rest = edge - until
        half = longer if 2.0 * longer <= rest else 0.5 * rest
        last = 1.01 * longer >= rest
        plain = alert == 0.0
        lanes[_DAY * LANES + lane] = until if plain else day
        lanes[_STEP * LANES + lane] = (rest if last else half) if plain else step
        lanes[_LAST * LANES + lane] = (1.0 if last else 0.0) if plain else lanes[_LAST * LANES + lane]
        lanes[_CALM * LANES + lane] = 0.0 if plain else lanes[_CALM * LANES + lane]
    return curved


@compiled()
def _record(lane, until, last, day, step, states, state, inner, records, space):  # type: ignore[no-untyped-def]
    """Write the asked-for days before ``until`` (within the step) from the dense output."""
    record = space.wholes[_RECORD * LANES + lane]
    shift = space.wholes[_OUT * LANES + lane]
    while record < last and records.day[record] < until:
        share = (records.day[record] - day) / step
        for j in range(states):
            records.out[record + shift, j] = dense(share, j, lane, state, inner, space.bends)
        record += 1
    space.wholes[_RECORD * LANES + lane] = record
    space.lanes[_DUE * LANES + lane] = records.day[record] if record < last else np.inf


@compiled()
def _record_at(lane, day, last, states, inner, records, lanes, wholes):  # type: ignore[no-untyped-def]
    """Write an asked-for day that is now."""
    record = wholes[_RECORD * LANES + lane]
    if record < last and records.day[record] <= day:
        for j in range(states):
            records.out[record + wholes[_OUT * LANES + lane], j] = inner[j * LANES + lane]
        record += 1
        wholes[_RECORD * LANES + lane] = record
    lanes[_DUE * LANES + lane] = records.day[record] if record < last else np.inf


@compiled()
def _edge(lane, member, task, events, lanes, wholes):  # type: ignore[no-untyped-def]
    """Set the day at which the steps of a lane must end next: its next event, or its last day."""
    event, end = wholes[_EVENT * LANES + lane], task.end[member]
    lanes[_EDGE * LANES + lane] = min(events.day[event], end) if event < events.last[member] else end


@compiled()
def _load(lane, member, prepare, task, events, records, notes, state, inner, space):  # type: ignore[no-untyped-def]
    """Put a member into a lane, with the events and the row of its first day; False if a number is not finite."""
    sizes, lanes, wholes = task.sizes, space.lanes, space.wholes
    states, day, finite = sizes[_STATES], task.begin[member], True
    for k in range(sizes[_CONSTANTS]):
        space.own[k] = task.constants[member, k]
        finite &= abs(space.own[k]) < np.inf
    for j in range(states):
        start = task.starts[member, j]
        finite &= abs(start) < np.inf
        inner[j * LANES + lane] = 0.0 if task.cells[j] and start < _ONE_CELL else start
    if not finite:
        return False
    prepare(space.own)
    for k in range(sizes[_ALL]):
        space.constant[k * LANES + lane] = space.own[k]
    wholes[_MEMBER * LANES + lane], wholes[_ROWS * LANES + lane], wholes[_FRESH * LANES + lane] = member, 0, 1
    wholes[_EVENT * LANES + lane], wholes[_RECORD * LANES + lane] = events.first[member], records.first[member]
    wholes[_OUT * LANES + lane] = records.place[member] - records.first[member]
    lanes[_DAY * LANES + lane], lanes[_TRIED * LANES + lane], lanes[_CALM * LANES + lane] = day, 0.0, 0.0
    lanes[_DUE * LANES + lane] = np.inf
    _give(lane, day, events.last[member], task, events, inner, wholes)
    if sizes[_BY_STEP]:
        _note(lane, day, states, sizes[_ROOM], inner, notes, wholes)
    else:
        _record_at(lane, day, records.last[member], states, inner, records, lanes, wholes)
    _edge(lane, member, task, events, lanes, wholes)
    for j in range(states):
        state[j * LANES + lane] = inner[j * LANES + lane]
    return True


@compiled()
def _aim(lane, day, step, lanes):  # type: ignore[no-untyped-def]
    """Set the next step so that it ends on the edge, halfway to it, or well before it."""
    rest = lanes[_EDGE * LANES + lane] - day
    last = 0.0
    if 1.01 * step >= rest:
        step, last = rest, 1.0
    elif 2.0 * step > rest:
        step = 0.5 * rest
    lanes[_STEP * LANES + lane] = step
    lanes[_LAST * LANES + lane] = last


@compiled()
def _reject(lane, negative, most_steps, error, lanes):  # type: ignore[no-untyped-def]
    """Shorten the step; the status if the run must end, else -1."""
    day, step = lanes[_DAY * LANES + lane], lanes[_STEP * LANES + lane]
    factor = lanes[_FACTOR * LANES + lane]
    undefined = not error < np.inf
    shorter = step * (0.25 if negative or undefined else min(factor, 0.9))
    lanes[_CALM * LANES + lane] = 1.0
    lanes[_STEP * LANES + lane] = shorter
    lanes[_LAST * LANES + lane] = 0.0
    if shorter < _SHORTEST * max(1.0, day):
        return _NEGATIVE_STATE if negative else _NONFINITE if undefined else _TOO_SMALL
    return _MAX_STEPS if lanes[_TRIED * LANES + lane] >= most_steps else -1


@compiled()
def _move(lane, task, events, records, notes, state, inner, space):  # type: ignore[no-untyped-def]
    """An accepted step of one lane: extinction, rows, events, and the aim of the next step; the status, or -1 to go on."""
    sizes, lanes, wholes = task.sizes, space.lanes, space.wholes
    states, room, by_step = sizes[_STATES], sizes[_ROOM], sizes[_BY_STEP] > 0
    member, event = wholes[_MEMBER * LANES + lane], wholes[_EVENT * LANES + lane]
    day, step, edge = lanes[_DAY * LANES + lane], lanes[_STEP * LANES + lane], lanes[_EDGE * LANES + lane]
    share, gone = (2.0, -1)
    if lanes[_LOW * LANES + lane] > 0.0:
        share, gone = _died(lane, states, state, inner, space.bends, task.cells)
    arrived = lanes[_LAST * LANES + lane] > 0.0 and share >= 1.0
    until = edge if arrived else day + min(share, 1.0) * step
    given = arrived and event < events.last[member] and events.day[event] == edge
    if not by_step:
        _record(lane, until, records.last[member], day, step, states, state, inner, records, space)
    if gone >= 0:
        for j in range(states):
            space.spare[j] = dense(share, j, lane, state, inner, space.bends)
        for j in range(states):
            inner[j * LANES + lane] = space.spare[j]
    room_left = True
    if by_step and (given or gone >= 0) and np.nextafter(until, -np.inf) > day:
        room_left &= _note(lane, np.nextafter(until, -np.inf), states, room, inner, notes, wholes)
    if gone >= 0:
        _clear(lane, gone, states, inner, task.cells, task.feeds)
    if given:
        _give(lane, edge, events.last[member], task, events, inner, wholes)
        wholes[_FRESH * LANES + lane] = 1
    if by_step:
        room_left &= _note(lane, until, states, room, inner, notes, wholes)
    else:
        _record_at(lane, until, records.last[member], states, inner, records, lanes, wholes)
    lanes[_DAY * LANES + lane] = until
    if until >= task.end[member]:
        return _OK
    if not room_left or lanes[_TRIED * LANES + lane] >= sizes[_MOST_STEPS]:
        return _MAX_STEPS
    if arrived:
        _edge(lane, member, task, events, lanes, wholes)
    factor = lanes[_FACTOR * LANES + lane]
    longer = step * (min(factor, 1.0) if lanes[_CALM * LANES + lane] > 0.0 else factor)
    lanes[_CALM * LANES + lane] = 0.0
    _aim(lane, until, longer, lanes)
    return -1


@compiled()
def _look_closer(lane, task, events, records, notes, state, inner, space):  # type: ignore[no-untyped-def]
    """The step of a lane that was not plain: rejected, or accepted with something to do; the status, or -1 to go on."""
    lanes = space.lanes
    negative = lanes[_LOW * LANES + lane] == 2.0 and lanes[_ACCEPTED * LANES + lane] > 0.0
    if negative or lanes[_ACCEPTED * LANES + lane] == 0.0:
        lanes[_ACCEPTED * LANES + lane] = 0.0
        return _reject(lane, negative, task.sizes[_MOST_STEPS], space.error[lane], lanes)
    return _move(lane, task, events, records, notes, state, inner, space)


@compiled()
def _close(lane, how, look, read, task, notes, ended, space):  # type: ignore[no-untyped-def]
    """A member is done: its status, and what is read of its rows."""
    sizes, lanes, wholes = task.sizes, space.lanes, space.wholes
    member, states, room = wholes[_MEMBER * LANES + lane], sizes[_STATES], sizes[_ROOM]
    ended.status[member], ended.reached[member] = how, lanes[_DAY * LANES + lane]
    ended.steps[member] = np.int64(lanes[_TRIED * LANES + lane])
    wholes[_MEMBER * LANES + lane], wholes[_FRESH * LANES + lane] = -1, 0
    if how == _OK and sizes[_BY_STEP]:
        for k in range(sizes[_ALL]):
            space.own[k] = space.constant[k * LANES + lane]
        rows, held = wholes[_ROWS * LANES + lane], notes.state[lane * states * room : (lane + 1) * states * room]
        look(rows, room, held, space.own, notes.values, notes.slopes)
        days = notes.day[lane * room : (lane + 1) * room]
        read(rows, room, days, notes.values, notes.slopes, notes.watch[member], notes.result[member])


@compiled()
def _restart(first, task, state, space):  # type: ignore[no-untyped-def]
    """Choose the first step of every lane that begins a piece."""
    sizes, lanes, wholes = task.sizes, space.lanes, space.wholes
    for lane in range(LANES):
        space.moment[lane] = _MOMENT
    first(state, space.constant, space.moment, space.factors, space.slopes)
    for lane in range(LANES):
        if wholes[_FRESH * LANES + lane] > 0:
            wholes[_FRESH * LANES + lane] = 0
            day = lanes[_DAY * LANES + lane]
            span = lanes[_EDGE * LANES + lane] - day
            _aim(lane, day, _first_step(lane, sizes[_STATES], task.relative, task.absolute, state, space.slopes, span), lanes)


@compiled()
def _step(first, stage, task, state, inner, space):  # type: ignore[no-untyped-def]
    """One attempt of every lane."""
    states, constant, factors, slopes = task.sizes[_STATES], space.constant, space.factors, space.slopes
    steps = space.lanes[_STEP * LANES : (_STEP + 1) * LANES]
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
    gather_7(states, slopes, inner)
    stage(inner, constant, steps, factors, slopes[6 * LANES :])
    gather_8(states, slopes, inner)
    stage(inner, constant, steps, factors, slopes[7 * LANES :])
    errors(states, task.relative, task.absolute, state, slopes, inner, space.error)


@compiled()
def _refill(upcoming, last_member, prepare, task, events, records, notes, ended, state, inner, space):  # type: ignore[no-untyped-def]
    """Give empty lanes the next members; (next member, lanes that run, whether one of them begins a piece)."""
    wholes, running, fresh = space.wholes, 0, False
    for lane in range(LANES):
        while wholes[_MEMBER * LANES + lane] < 0 and upcoming < last_member:
            member, upcoming = upcoming, upcoming + 1
            if not _load(lane, member, prepare, task, events, records, notes, state, inner, space):
                ended.status[member], ended.reached[member] = _NONFINITE, task.begin[member]
        running += wholes[_MEMBER * LANES + lane] >= 0
        fresh |= wholes[_FRESH * LANES + lane] > 0
    return upcoming, running, fresh


@compiled(
    types.void(
        _STAGE, _STAGE, _PREPARE, _LOOK, _READ, _TASK, _EVENTS, _RECORDS, _NOTES, _ENDED, ROW, ROW, _SPACE, types.int64, types.int64
    )
)  # fmt: skip
def integrate(  # type: ignore[no-untyped-def]
    first, stage, prepare, look, read, task, events, records, notes, ended, state, inner, space, upcoming, last_member
):
    """Integrate members ``upcoming`` to ``last_member``: the functions of a kernel, then what the tuples above say."""
    states, room, by_step = task.sizes[_STATES], task.sizes[_ROOM], task.sizes[_BY_STEP] > 0
    lanes, wholes = space.lanes, space.wholes
    for lane in range(LANES):
        wholes[_MEMBER * LANES + lane] = -1
    while True:
        upcoming, running, fresh = _refill(
            upcoming, last_member, prepare, task, events, records, notes, ended, state, inner, space
        )
        if running == 0:
            return
        if fresh:
            _restart(first, task, state, space)
        _step(first, stage, task, state, inner, space)
        _control(task.relative, states, task.absolute, task.amounts, task.cells, state, inner, space.error, lanes)
        if _advance(task.sizes[_MOST_STEPS], lanes) > 0.0:
            bend(states, space.slopes, space.bends)
        for lane in range(LANES):
            if wholes[_MEMBER * LANES + lane] < 0:
                continue
            if lanes[_ALERT * LANES + lane] > 0.0:
                how = _look_closer(lane, task, events, records, notes, state, inner, space)
                if how >= 0:
                    _close(lane, how, look, read, task, notes, ended, space)
            elif by_step:
                _note(lane, lanes[_DAY * LANES + lane], states, room, inner, notes, wholes)
        # most lanes accept: the two arrays change places, and rejected lanes are copied back
        state, inner = inner, state
        for lane in range(LANES):
            if lanes[_ACCEPTED * LANES + lane] == 0.0:
                for j in range(states):
                    state[j * LANES + lane] = inner[j * LANES + lane]
