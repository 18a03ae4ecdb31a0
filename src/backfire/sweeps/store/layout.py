"""What the tables of a sweep hold: a row of outcomes per member and arm, and on request states over time beside them.

Always every row, in the order of members, arms and days, so that a column of trajectories is a block (members, arms,
days). A member that failed has its status, its reason and no numbers; rows of trajectories after a failure are NaN.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from backfire.errors import UserError
from backfire.formatting import bytes_in_words
from backfire.solvers import Floats, Status
from backfire.sweeps.store.parquet import FileSchema

if TYPE_CHECKING:
    from backfire.simulation import Cohort

MOST_DAYS: Final = 100_000
MOST_BYTES: Final = 10**12
LARGEST_FILE: Final = 32 << 20
"""Bytes of states that one file may hold, so that a worker needs little memory; a single member may need more."""


@dataclass(frozen=True)
class Recording:
    """Which trajectories are stored: all ``states``, in ``units``, of ``arms``, every ``every`` days up to ``horizon``.

    Raises UserError for an interval that is none.
    """

    every: float
    horizon: float
    arms: tuple[str, ...]
    states: tuple[str, ...]
    units: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 < self.every <= self.horizon:
            raise UserError(
                f"the days between stored rows must lie above 0 and not above the {self.horizon:g} that are simulated, "
                f"got {self.every:g}"
            )
        if self.horizon / self.every > MOST_DAYS:
            least = self.horizon / MOST_DAYS
            raise UserError(f"more than {MOST_DAYS} days of a member are too many; give {least:g} or more, got {self.every:g}")
        taken = sorted({"member", "arm", "day"} & {*self.states})
        if taken:
            raise UserError(f"a table of trajectories has a column `{taken[0]}` of its own; give that state another name")

    @cached_property
    def days(self) -> Floats:
        """The days (days,): the multiples of ``every`` from 0 on, to twelve digits so that 0.3 is 0.3, and the horizon."""
        count = math.ceil(self.horizon / self.every - 1e-9)
        return np.array([*(float(f"{index * self.every:.12g}") for index in range(count)), self.horizon])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one member: (arms, days, states)."""
        return len(self.arms), len(self.days), len(self.states)

    def size(self, members: int) -> int:
        """Bytes of the states of so many members; numbers of a solver hardly compress."""
        return members * 8 * math.prod(self.shape)

    def size_problem(self, members: int) -> str | None:
        """Why the trajectories of so many members are too large to store, with what they would take, or None."""
        if self.size(members) <= MOST_BYTES:
            return None
        return (
            f"asks for {bytes_in_words(self.size(members))}, more than the {bytes_in_words(MOST_BYTES)} allowed: "
            f"{self.words(members)}; give more days between rows, fewer arms, or fewer members"
        )

    def words(self, members: int) -> str:
        """What is stored of so many members, in words."""
        arms, days, states = self.shape
        return f"{members:,} members × {arms} arms × {days:,} days × {states} states"

    @property
    def most_members(self) -> int:
        """How many members a file may have."""
        return max(1, LARGEST_FILE // self.size(1))

    def nothing(self, members: int) -> Floats:
        """States (members, arms, days, states) of members that have none."""
        return np.full((members, *self.shape), math.nan)

    @cached_property
    def file_schema(self) -> FileSchema:
        """What a file of trajectories holds; arm and day of a row follow from its place, so their hash needs states only."""
        columns = {"member": "int64", "arm": "string"} | dict.fromkeys(("day", *self.states), "double")
        around = (f'[{json.dumps(self.describe())}, "', '"]')
        units = dict(zip(self.states, self.units, strict=True))
        return FileSchema("trajectories", self.arms, columns, self.states, around, tuple(self.days.tolist()), units)

    def columns_of(self, states: Floats) -> dict[str, Floats]:
        """``states`` (members, arms, days, states) as columns."""
        if states.shape != (len(states), *self.shape):
            raise UserError(f"trajectories came back in shape {states.shape}, needed are {(len(states), *self.shape)}")
        return {name: states[..., place].ravel() for place, name in enumerate(self.states)}

    def describe(self) -> dict[str, Any]:
        """As the manifest has it; ``recording_of`` reads it."""
        units = {name: {"unit": unit} for name, unit in zip(self.states, self.units, strict=True)}
        return {"every": self.every, "horizon": self.horizon, "arms": list(self.arms), "states": units}


def recording_of(about: Any) -> Recording | None:
    """What ``describe`` gave; raises KeyError, TypeError, AttributeError or UserError for something else."""
    if about is None:
        return None
    units = tuple(state["unit"] for state in about["states"].values())
    return Recording(about["every"], about["horizon"], tuple(about["arms"]), tuple(about["states"]), units)


@dataclass(frozen=True)
class TableSchema:
    """The columns of a store and whose it is: ``run`` is the hash of all that can change a number.

    ``times`` are the outcomes that may be censored: each has a column ``<outcome>_observed``. ``recording`` says which
    trajectories stand beside each chunk, None if nobody asked for them. Raises UserError for two columns of one name.
    """

    run: str
    fields: tuple[str, ...]
    arms: tuple[str, ...]
    outcomes: tuple[str, ...]
    times: tuple[str, ...] = ()
    recording: Recording | None = None

    def __post_init__(self) -> None:
        names = self.columns
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"a table cannot have two columns named {', '.join(twice)}; vary or measure something else")

    @property
    def flags(self) -> tuple[str, ...]:
        """The columns that say whether a time was observed."""
        return tuple(f"{name}_observed" for name in self.times)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns in their order."""
        return ("member", "arm", *self.fields, "status", "reason", "steps", *self.outcomes, *self.flags)

    @cached_property
    def file_schema(self) -> FileSchema:
        """What a chunk of members holds."""
        kinds = dict.fromkeys(("member", "steps"), "int64") | dict.fromkeys(("arm", "status", "reason"), "string")
        kinds |= dict.fromkeys(self.flags, "bool")
        columns = {name: kinds.get(name, "double") for name in self.columns}
        numbers = ("member", "steps", *self.fields, *self.outcomes, *self.flags)
        around = ("\n".join([*self.columns, ""]), "")
        words = {"status": frozenset(status.word for status in Status)}
        return FileSchema("members", self.arms, columns, numbers, around, words=words)

    def columns_of(self, samples: Floats, cohort: Cohort) -> dict[str, Any]:
        """What members came to, with their values ``samples`` (members, fields), as columns; no numbers where one failed."""
        members, arms = len(samples), len(self.arms)
        good = np.isin(cohort.status, [status for status in Status if status.good])
        words = np.array([status.word for status in Status], dtype=object)
        columns: dict[str, Any] = {name: np.repeat(samples[:, column], arms) for column, name in enumerate(self.fields)}
        columns["status"] = words[cohort.status].ravel()
        columns["reason"] = [cohort.reasons.get((member, arm), "") for member in range(members) for arm in self.arms]
        columns["steps"] = cohort.steps.ravel()
        nothing, no = np.full(members, math.nan), np.zeros(members, dtype=bool)
        for name in self.outcomes:
            values = np.column_stack([cohort.values.get(arm, {}).get(name, nothing) for arm in self.arms])
            columns[name] = np.where(good, values, math.nan).ravel()
        for name, flag in zip(self.times, self.flags, strict=True):
            seen = np.column_stack([cohort.observed.get(arm, {}).get(name, no) for arm in self.arms])
            columns[flag] = (good & seen).ravel()
        return columns
