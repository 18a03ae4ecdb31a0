"""The arrays of the batch solver: what stands where in the tables of lanes, and the groups that functions are given.

A table of lanes has one row of ``LANES`` numbers for each of its places: what begins at P is, for lane l, ``table[P + l]``.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from numba import types

from backfire.solvers.batch.jit import LANES, ROW

_TABLE = types.float64[:, ::1]
_WHOLE = types.int64[::1]
_TRUTH = types.boolean[::1]
STAGE = types.FunctionType(types.void(ROW, ROW, ROW, ROW, ROW))
PREPARE = types.FunctionType(types.void(ROW))
LOOK = types.FunctionType(types.void(ROW, ROW, ROW, ROW))
MEASURE = types.FunctionType(types.void(types.int64, types.int64, ROW, ROW, ROW, ROW, ROW, ROW))
READER = types.void(types.int64, types.int64, ROW, ROW, ROW, ROW, ROW)
READ = types.FunctionType(READER)

LANE_NUMBERS: Final = 19
LANE_WHOLES: Final = 6
# where the rows of the table of lanes begin
(
    DAY, STEP, EDGE, FACTOR, ACCEPTED, LAST, CALM, LOW, DUE, TRIED, ALERT, FROM, SPAN, WAITS, FRESH, LOOK_AT, UNTIL, GUESS, TURN,
) = range(0, LANE_NUMBERS * LANES, LANES)  # fmt: skip
# and those of the table of whole numbers of lanes
MEMBER, EVENT, RECORD, OUT, ROWS, VISIT = range(0, LANE_WHOLES * LANES, LANES)
# in place of a column of what is measured: nothing is divided by, or a sum of states is looked at
MISSING, SUMMED = -2, -1
# places in the sizes of a problem
STATES, CONSTANTS, ALL, FACTORS, MOST_STEPS, BY_STEP, ROOM, WATCHED = range(8)


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
    """One table of events; those of member i are rows ``first[i]`` to ``last[i]``, sorted by day. What is added by a row with a
    ``giver`` ≥ 0 is multiplied by the levels of the rules that decide on it."""

    day: Any
    state: Any
    multiply: Any
    add: Any
    giver: Any
    first: Any
    last: Any


class Looks(NamedTuple):
    """One table of visits; those of member i are rows ``first[i]`` to ``last[i]``, sorted by day.

    At a visit ``rule`` is decided by what its column times ``factor`` is; if its level changes, the events ``hold_first`` to
    ``hold_last``, counted from the first of the member, set anew what runs. The numbers of the rules of member i are the rows
    from ``place[i]`` on of ``numbers``. ``column`` (r, 2) are the places, in what the kernel measures, of what they look at and
    of what that is divided by; MISSING where it is not, SUMMED for the sum of the states ``parts`` (r, 2, n). Below ``floors``
    (r, 2) each of them is nothing. ``ends`` (r, 2) are the smallest and the largest factor; unless ``bounded``, bounds never tell
    that rules change nothing. ``uses`` (givers, r) are the givers they decide on. ``decided`` (m, …) are the levels after each
    visit, if they are kept.
    """

    day: Any
    rule: Any
    factor: Any
    hold_first: Any
    hold_last: Any
    first: Any
    last: Any
    numbers: Any
    place: Any
    column: Any
    parts: Any
    floors: Any
    bounded: Any
    ends: Any
    uses: Any
    decided: Any


class Records(NamedTuple):
    """Days to record: of member i rows ``first[i]`` to ``last[i]`` of ``day``, written to ``out`` from row ``place[i]`` on."""

    day: Any
    first: Any
    last: Any
    place: Any
    out: Any


class Notes(NamedTuple):
    """Rows of every accepted step, and what is read of them: ``watch`` (m, …) → ``result``.

    ``day`` stands lane by lane. So does ``state``, in blocks of as many rows as there are lanes, in which the rows of a
    state stand side by side. ``values`` and ``slopes`` are columns of what is watched in the lane that is read.
    """

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


class Workspace(NamedTuple):
    """The arrays one thread works in."""

    slopes: Any
    bends: Any
    error: Any
    factors: Any
    constant: Any
    own: Any
    spare: Any
    middle: Any
    seen: Any
    rates: Any
    lanes: Any
    wholes: Any
    measured: Any
    shares: Any
    levels: Any
    references: Any


def _tuple(kind: Any, *fields: Any) -> Any:
    return types.NamedTuple(fields, kind)  # type: ignore[no-untyped-call]


TASK = _tuple(Task, _WHOLE, types.float64, ROW, _TRUTH, _TRUTH, types.boolean[:, ::1], _TABLE, _TABLE, ROW, ROW)
EVENTS = _tuple(Events, ROW, _WHOLE, ROW, ROW, _WHOLE, _WHOLE, _WHOLE)
_FLAGS = types.boolean[:, ::1]
_PLACES = types.int64[:, ::1]
_PAIRS = types.boolean[:, :, ::1]
LOOKS = _tuple(
    Looks, ROW, _WHOLE, ROW, _WHOLE, _WHOLE, _WHOLE, _WHOLE, _TABLE, _WHOLE, _PLACES, _PAIRS, _TABLE, types.boolean, _TABLE, _FLAGS,
    _TABLE,
)  # fmt: skip
RECORDS = _tuple(Records, ROW, _WHOLE, _WHOLE, _WHOLE, _TABLE)
NOTES = _tuple(Notes, ROW, ROW, ROW, ROW, _TABLE, _TABLE)
ENDED = _tuple(Ended, types.int8[::1], ROW, _WHOLE)
WORKSPACE = _tuple(Workspace, ROW, ROW, types.float32[::1], *[ROW] * 8, _WHOLE, *[ROW] * 4)
