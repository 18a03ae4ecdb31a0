"""The batch solver: many members of one network side by side in the lanes of vector instructions.

Every lane has its own time, step, events and status; a lane that is done takes the next member. Lanes never read each
other, so a member's numbers do not depend on its neighbours, on the order, on the chunk or on the number of threads.

The physics is that of the reference solver: restart at every event, values before and after it, extinction at the
crossing of one cell, a status instead of an exception. Budgets count steps, not seconds: a result never depends on the
load of the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError
from backfire.model import FIXED, RULE_WIDTH, follows
from backfire.solvers import Floats, Status
from backfire.solvers.batch import arrays as at
from backfire.solvers.batch.arrays import LANE_NUMBERS, LANE_WHOLES, Ended, Events, Looks, Notes, Records, Task, Workspace
from backfire.solvers.batch.integrator import integrator, no_reader
from backfire.solvers.batch.jit import LANES
from backfire.solvers.batch.kernel import Kernel
from backfire.solvers.batch.tableau import STAGES

FEW: Final = 4_000
"""Steps that lanes have room for at first; members that need more are run once more, with room for all their steps."""
LINE: Final = 8
"""Numbers in a line of the cache."""


@dataclass(frozen=True)
class BatchSettings:
    """How to integrate many members.

    ``relative`` tolerance for all states; ``cells`` is the absolute tolerance of states in cells, ``absolute`` that of
    all others: whatever is much smaller than absolute over relative may be passed over in one step. ``most_steps``
    (accepted and rejected) bound the work for one member and arm.
    """

    relative: float = 1e-6
    cells: float = 1e-6
    absolute: float = 1e-9
    most_steps: int = 20_000

    def __post_init__(self) -> None:
        for word in ("relative", "cells", "absolute", "most_steps"):
            if not 0 < getattr(self, word) < 1e9:
                raise UserError(f"batch setting `{word}` must be above 0, got {getattr(self, word)}")
        if not isinstance(self.most_steps, int | np.integer):
            raise UserError(f"batch setting `most_steps` must be a whole number, got {self.most_steps}")


@dataclass(frozen=True)
class Visits:
    """When the rules of m members are looked at, and what these are.

    ``table`` has the columns (day, rule, factor, first, last) of all visits, sorted by day for each member, of which member i
    has the rows ``rows[i, 0]`` to ``rows[i, 1]``; first and last are rows of the events, counted from the first of the member,
    that set what runs anew. ``numbers`` (q, 15) has the r rules of member i from row ``place[i]`` on. ``columns`` (r) say what
    they look at, and what that is divided by, if it is; ``parts`` (r, 2, n) are the states whose sum each of these is, none
    where it is something else, which the kernel must measure; ``floors`` (r, 2) are the sizes below which each is nothing.
    ``uses`` (givers, r) say on which givers they decide. ``givers`` has one number for each row of the events. What is decided
    at every visit is written to ``decided`` (m, visits), unless that has no columns.
    """

    table: tuple[Floats, NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.int64]]
    rows: NDArray[np.int64]
    numbers: Floats
    place: NDArray[np.int64]
    columns: tuple[tuple[str, ...], ...]
    parts: NDArray[np.bool_]
    floors: Floats
    uses: NDArray[np.bool_]
    givers: NDArray[np.int64]
    decided: Floats

    def __getitem__(self, part: slice | NDArray[np.int64]) -> Visits:
        """Those of some of the members; of a slice what is decided is written to the whole table."""
        return replace(self, rows=self.rows[part], place=self.place[part], decided=self.decided[part])


@dataclass(frozen=True)
class Members:
    """Members as numbers: m of them, n states, p constants.

    ``starts`` (m, n), ``constants`` (m, p); ``days`` (m, 2) first and last day. Events of member i are the rows
    ``event_rows[i, 0]`` to ``event_rows[i, 1]`` of ``events``: (day, index of the state, multiply, add), sorted by day;
    those of one state on one day are merged into one row. Members may share their events. ``cells`` and ``amounts``
    (n,) mark states that die out below one cell and states that cannot be negative; ``feeds`` (n, n) what each can
    become. ``visits`` are those of the rules that decide on events, if any do.
    """

    starts: Floats
    constants: Floats
    days: Floats
    events: tuple[Floats, NDArray[np.int64], Floats, Floats]
    event_rows: NDArray[np.int64]
    cells: NDArray[np.bool_]
    amounts: NDArray[np.bool_]
    feeds: NDArray[np.bool_]
    visits: Visits | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, part: slice | NDArray[np.int64]) -> Members:
        """Some of the members; the tables of events and visits stay whole."""
        return replace(
            self, starts=self.starts[part], constants=self.constants[part], days=self.days[part],
            event_rows=self.event_rows[part], visits=self.visits and self.visits[part],
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Members]) -> Members:
        """The members of all parts as one; these have the same states, and none has visits if there are several."""
        if len(parts) == 1:
            return parts[0]
        first = np.cumsum([0, *(len(part.events[0]) for part in parts)])
        day, state, multiply, add = (np.concatenate([part.events[column] for part in parts]) for column in range(4))
        return replace(
            parts[0],
            starts=np.vstack([part.starts for part in parts]),
            constants=np.vstack([part.constants for part in parts]),
            days=np.vstack([part.days for part in parts]),
            events=(day, state, multiply, add),
            event_rows=np.vstack([part.event_rows + at for part, at in zip(parts, first, strict=False)]),
        )


@dataclass(frozen=True)
class Ends:
    """How members ended: ``status`` codes, the day ``reached``, and ``steps`` tried, each (m,).

    ``decided`` (m, visits) are the levels of rules after each visit, NaN where there was none; no visits if they are not kept.
    """

    status: NDArray[np.int8]
    reached: Floats
    steps: NDArray[np.int64]
    decided: Floats

    def __getitem__(self, part: slice) -> Ends:
        """Those of some of the members."""
        return Ends(self.status[part], self.reached[part], self.steps[part], self.decided[part])

    @classmethod
    def joined(cls, parts: Sequence[Ends]) -> Ends:
        """Those of all parts as one."""
        names = ("status", "reached", "steps", "decided")
        return parts[0] if len(parts) == 1 else cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def record(kernel: Kernel, members: Members, days: Floats, settings: BatchSettings | None = None) -> tuple[Floats, Ends]:
    """The states (m, k, n) of all members at ``days`` (k,), after the events of that day, and how they ended.

    Rows after a failure are NaN; tiny negative amounts are rounding and shown as they are.
    """
    count, width = len(members), len(days)
    out = np.empty((count * width, kernel.states))
    first, last = np.zeros(count, dtype=np.int64), np.full(count, width, dtype=np.int64)
    records = Records(np.ascontiguousarray(days, dtype=float), first, last, np.arange(count) * width, out)
    ends = _run(kernel, members, settings or BatchSettings(), records, None)
    return out.reshape(count, width, kernel.states), ends


def read(
    kernel: Kernel, members: Members, watch: Floats, width: int, reader: Any, settings: BatchSettings | None = None
) -> tuple[Floats, Ends]:
    """What ``reader`` finds in the accepted steps of every member: result rows (m, ``width``), NaN after a failure.

    It is a compiled function of the type ``arrays.READ``: (rows, room, days, values, slopes, watch row, result row).
    """
    settings = settings or BatchSettings()
    result = np.full((len(members), width), np.nan)
    first = replace(settings, most_steps=min(FEW, settings.most_steps))
    ends = _run(kernel, members, first, None, (watch, result, reader))
    again = np.flatnonzero(ends.status == Status.MAX_STEPS)
    if len(again) and settings.most_steps > FEW:
        # rows for the worst case would fill a hundred megabytes: only members that need them get them
        longer = result[again]
        late = _run(kernel, members[again], settings, None, (watch[again], longer, reader))
        result[again] = longer
        ends.status[again], ends.reached[again], ends.steps[again] = late.status, late.reached, late.steps
        ends.decided[again] = late.decided
    return result, ends


def _rows_at_most(members: Members, most_steps: int) -> int:
    """The first day, two rows a step and one before every event; whole blocks of them."""
    events = int(np.diff(members.event_rows, axis=1).max(initial=0))
    return -(-(1 + 2 * most_steps + events) // LANES) * LANES


def _run(
    kernel: Kernel,
    members: Members,
    settings: BatchSettings,
    records: Records | None,
    read: tuple[Floats, Floats, Any] | None,
) -> Ends:
    """Either with days to ``records``, or with rows of every step, from which ``read`` = (watch, result, reader) is read."""
    count, states = len(members), kernel.states
    room = 0 if read is None else _rows_at_most(members, settings.most_steps)
    everything = kernel.constants + kernel.fixed
    sizes = np.array(
        [states, kernel.constants, everything, kernel.factors, settings.most_steps, records is None, room, len(kernel.watched)],
        dtype=np.int64,
    )
    nothing = np.zeros(count, dtype=np.int64)
    records = records or Records(np.zeros(0), nothing, nothing, nothing, np.zeros((0, states)))
    watch, result, reader = read or (np.zeros((count, 0)), np.zeros((count, 0)), no_reader())
    task = Task(
        sizes, float(settings.relative), np.where(members.cells, settings.cells, settings.absolute),
        members.cells, members.amounts, members.feeds, members.starts, members.constants,
        np.ascontiguousarray(members.days[:, 0]), np.ascontiguousarray(members.days[:, 1]),
    )  # fmt: skip
    rows = members.event_rows
    givers = members.visits.givers if members.visits else np.full(len(members.events[0]), FIXED, dtype=np.int64)
    given = Events(*members.events, givers, np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1]))
    looks = _looks(members.visits, kernel.measured, count)
    seen = room * len(kernel.watched)
    day, state = _aligned(room * LANES, None), _aligned(room * LANES * states, None)
    notes = Notes(day, state, _aligned(seen, None), _aligned(seen, None), watch, result)
    ended = Ended(np.full(count, Status.NOT_RUN, dtype=np.int8), np.zeros(count), np.zeros(count, dtype=np.int64))
    rules, module = len(looks.column), kernel.module
    space = _workspace(states, kernel.factors, everything, len(kernel.watched), rules, len(kernel.measured))
    integrator()(
        module.first, module.stage, module.prepare, module.look, module.measure, reader, task, given, looks, records, notes,
        ended, _aligned(states * LANES), _aligned(states * LANES), space, 0, count,
    )  # fmt: skip
    return Ends(ended.status, ended.reached, ended.steps, looks.decided)


def _looks(visits: Visits | None, measured: Sequence[str], count: int) -> Looks:
    """The visits as the integrator takes them."""
    if visits is None:
        nothing, none = np.zeros(0, dtype=np.int64), np.zeros(count, dtype=np.int64)
        table, parts, uses = np.zeros((0, RULE_WIDTH)), np.zeros((0, 2, 0), dtype=bool), np.zeros((0, 0), dtype=bool)
        empty, pairs, decided, column = np.zeros(0), np.zeros((0, 2)), np.zeros((count, 0)), np.zeros((0, 2), dtype=np.int64)
        return Looks(
            empty, nothing, empty, nothing, nothing, none, none, table, none, column, parts, pairs, False, pairs, uses, decided
        )  # fmt: skip
    first, last = (np.ascontiguousarray(column) for column in visits.rows.T)
    column = np.full((len(visits.columns), 2), at.MISSING)
    for number, names in enumerate(visits.columns):
        for half, name in enumerate(names):
            column[number, half] = at.SUMMED if visits.parts[number, half].any() else measured.index(name)
    place = np.ascontiguousarray(visits.place)
    _, rule, factor, *_ = visits.table
    own = [factor[rule == number] for number in range(len(column))]
    ends = np.array([[factors.min(initial=1.0), factors.max(initial=1.0)] for factors in own])
    bounded = bool((column < 0).all() and not follows(visits.numbers).any())
    return Looks(
        *visits.table, first, last, visits.numbers, place, column, visits.parts, visits.floors, bounded, ends, visits.uses,
        visits.decided,
    )  # fmt: skip


def _workspace(states: int, factors: int, constants: int, watched: int, rules: int, measured: int) -> Workspace:
    """Working arrays for one call: a few ten kilobytes."""
    return Workspace(
        slopes=_aligned(states * STAGES * LANES),
        bends=_aligned(states * 3 * LANES),
        error=np.zeros(LANES, dtype=np.float32),
        factors=_aligned(factors * LANES),
        constant=_aligned(constants * LANES, 1.0),
        own=np.ones(constants),
        spare=np.zeros(states),
        middle=_aligned(states * LANES),
        seen=_aligned(watched * LANES),
        rates=_aligned(watched * LANES),
        lanes=_aligned(LANE_NUMBERS * LANES),
        wholes=np.zeros(LANE_WHOLES * LANES, dtype=np.int64),
        measured=_aligned(measured * LANES),
        shares=_aligned(LANES, 1.0),
        levels=_aligned(rules * LANES),
        references=_aligned(rules * LANES),
    )


def _aligned(count: int, value: float | None = 0.0) -> Floats:
    """A row that begins where a line of the cache begins: vectors then never lie across two lines."""
    row = np.empty(count + LINE) if value is None else np.full(count + LINE, value)
    skipped = -row.ctypes.data % (8 * LINE) // 8
    return row[skipped : skipped + count]
