"""The batch solver: many members of one network side by side in the lanes of vector instructions.

Every lane has its own time, step, events and status; a lane that is done takes the next member. Lanes never read each
other, so a member's numbers do not depend on its neighbours, on the order, on the chunk or on the number of threads.

The physics is that of the reference solver: restart at every event, values before and after it, extinction at the
crossing of one cell, a status instead of an exception. Budgets count steps, not seconds: a result never depends on the
load of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backfire.compiling import LANES, STAGES
from backfire.errors import UserError
from backfire.kernels import Kernel
from backfire.lane_arrays import LANE_NUMBERS, LANE_WHOLES, Ended, Events, Notes, Records, Space, Task
from backfire.lanes import integrator
from backfire.readings import reader
from backfire.trajectory import Floats, Status

Wholes = NDArray[np.int64]


@dataclass(frozen=True)
class BatchSettings:
    """How to integrate many members.

    ``relative`` tolerance for all states; ``cells`` is the absolute tolerance of states in cells, ``absolute`` that of
    all others. ``most_steps`` (accepted and rejected) bound the work for one member and arm.
    """

    relative: float = 1e-6
    cells: float = 1e-6
    absolute: float = 1e-9
    most_steps: int = 20_000

    def __post_init__(self) -> None:
        for word in ("relative", "cells", "absolute", "most_steps"):
            if not 0 < getattr(self, word) < 1e9:
                raise UserError(f"batch setting `{word}` must be above 0, got {getattr(self, word)}")


@dataclass(frozen=True)
class Members:
    """Members as numbers: m of them, n states, p constants.

    ``starts`` (m, n), ``constants`` (m, p); ``days`` (m, 2) first and last day. Events of member i are the rows
    ``event_rows[i, 0]`` to ``event_rows[i, 1]`` of ``events``: (day, index of the state, multiply, add), sorted by day;
    those of one state on one day are merged into one row. Members may share their events. ``cells`` and ``amounts``
    (n,) mark states that die out below one cell and states that cannot be negative; ``feeds`` (n, n) what each can
    become.
    """

    starts: Floats
    constants: Floats
    days: Floats
    events: tuple[Floats, NDArray[np.int64], Floats, Floats]
    event_rows: NDArray[np.int64]
    cells: NDArray[np.bool_]
    amounts: NDArray[np.bool_]
    feeds: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, part: slice) -> Members:
        """Some of the members; the table of events stays whole."""
        return replace(
            self, starts=self.starts[part], constants=self.constants[part], days=self.days[part], event_rows=self.event_rows[part]
        )


@dataclass(frozen=True)
class Ends:
    """How members ended: ``status`` codes, the day ``reached``, and ``steps`` tried, each (m,)."""

    status: NDArray[np.int8]
    reached: Floats
    steps: NDArray[np.int64]


def record(kernel: Kernel, members: Members, days: Floats, settings: BatchSettings | None = None) -> tuple[Floats, Ends]:
    """The states (m, k, n) of all members at ``days`` (k,), after the events of that day, and how they ended.

    Rows after a failure are NaN; tiny negative amounts are rounding and shown as they are.
    """
    count, width = len(members), len(days)
    out = np.full((count * width, kernel.states), np.nan)
    first, last = np.zeros(count, dtype=np.int64), np.full(count, width, dtype=np.int64)
    records = Records(np.ascontiguousarray(days, dtype=float), first, last, np.arange(count) * width, out)
    ends = _run(kernel, members, settings or BatchSettings(), records, None)
    return out.reshape(count, width, kernel.states), ends


def read(
    kernel: Kernel, members: Members, watch: Floats, width: int, settings: BatchSettings | None = None
) -> tuple[Floats, Ends]:
    """What ``readings.read`` finds in the accepted steps of every member: result rows (m, ``width``), NaN after a failure."""
    result = np.full((len(members), width), np.nan)
    ends = _run(kernel, members, settings or BatchSettings(), None, (watch, result))
    return result, ends


def _run(
    kernel: Kernel, members: Members, settings: BatchSettings, records: Records | None, read: tuple[Floats, Floats] | None
) -> Ends:
    count, states = len(members), kernel.states
    # two rows a step, two an event, and some for compartments that die out
    events = int(np.diff(members.event_rows, axis=1).max(initial=0))
    room = 2 * (settings.most_steps + events + states) + 7 if records is None else 0
    everything = kernel.constants + kernel.fixed
    sizes = np.array(
        [states, kernel.constants, everything, kernel.factors, settings.most_steps, records is None, room, len(kernel.watched)],
        dtype=np.int64,
    )
    nothing = np.zeros(count, dtype=np.int64)
    records = records or Records(np.zeros(0), nothing, nothing, nothing, np.zeros((0, states)))
    watch, result = read or (np.zeros((count, 0)), np.zeros((count, 0)))
    task = Task(
        sizes, float(settings.relative), np.where(members.cells, settings.cells, settings.absolute),
        members.cells, members.amounts, members.feeds, members.starts, members.constants,
        np.ascontiguousarray(members.days[:, 0]), np.ascontiguousarray(members.days[:, 1]),
    )  # fmt: skip
    rows = members.event_rows
    given = Events(*members.events, np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1]))
    seen = room * len(kernel.watched)
    notes = Notes(np.empty(room * LANES), np.empty(room * LANES * states), np.empty(seen), np.empty(seen), watch, result)
    ended = Ended(np.full(count, Status.NOT_RUN, dtype=np.int8), np.zeros(count), np.zeros(count, dtype=np.int64))
    module = kernel.module
    integrator()(
        module.first, module.stage, module.prepare, module.look, reader(), task, given, records, notes, ended,
        np.zeros(states * LANES), np.zeros(states * LANES), _space(states, kernel.factors, everything), 0, count,
    )  # fmt: skip
    return Ends(ended.status, ended.reached, ended.steps)


def _space(states: int, factors: int, constants: int) -> Space:
    """Working arrays for one call: a few ten kilobytes."""
    return Space(
        slopes=np.zeros(states * STAGES * LANES),
        bends=np.zeros(states * 3 * LANES),
        error=np.zeros(LANES, dtype=np.float32),
        factors=np.zeros(factors * LANES),
        constant=np.ones(constants * LANES),
        own=np.ones(constants),
        spare=np.zeros(states),
        moment=np.zeros(LANES),
        lanes=np.zeros(LANE_NUMBERS * LANES),
        wholes=np.zeros(LANE_WHOLES * LANES, dtype=np.int64),
    )
