"""Trajectories of a sweep, on request: beside every chunk of members a file with their states over time.

A file has one row per member, arm and day, always, in that order, so that a column is a block (members, arms, days).
Rows after a failure are NaN, all rows of a member that could not be run. It is written before the chunk of its members:
whoever finds that chunk finds the trajectories whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError, echo
from backfire.formatting import bytes_in_words
from backfire.sweeps.store.parquet import DamagedChunkError, RowHash, Seal, read_sealed, write_sealed

if TYPE_CHECKING:
    import pyarrow

Floats = NDArray[np.float64]

KEYS: Final = ("member", "arm", "day")
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
        taken = sorted({*KEYS} & {*self.states})
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


def write_trajectories(path: Path, run: str, recording: Recording, first: int, states: Floats) -> None:
    """Write ``states`` (members, arms, days, states) of members ``first`` and following; the unit is in each column's metadata.

    Raises StorageError if the disk does not take it; nothing half-written is left.
    """
    import pyarrow

    members = len(states)
    if states.shape != (members, *recording.shape):
        raise UserError(f"trajectories came back in shape {states.shape}, needed are {(members, *recording.shape)}")
    columns = _keys(recording, first, first + members)
    kinds = [pyarrow.field(name, columns[name].type) for name in KEYS]
    for place, (name, unit) in enumerate(zip(recording.states, recording.units, strict=True)):
        columns[name] = pyarrow.array(states[..., place].ravel())
        kinds.append(pyarrow.field(name, pyarrow.float64(), metadata={"unit": unit}))
    table = pyarrow.table(columns, pyarrow.schema(kinds))
    seal = Seal(run, first, first + members, add_trajectories(table, recording).hexdigest())
    write_sealed(path, table, seal, ["arm"])


def _keys(recording: Recording, first: int, last: int) -> dict[str, Any]:
    """The columns that say which member, arm and day a row is."""
    import pyarrow

    members, (arms, days, _) = last - first, recording.shape
    places = np.tile(np.repeat(np.arange(arms, dtype=np.int32), days), members)
    names = pyarrow.DictionaryArray.from_arrays(places, pyarrow.array(recording.arms, pyarrow.string()))
    return {
        "member": pyarrow.array(np.repeat(np.arange(first, last), arms * days)),
        "arm": names.cast(pyarrow.string()),
        "day": pyarrow.array(np.tile(recording.days, members * arms)),
    }


def add_trajectories(table: pyarrow.Table, recording: Recording, into: RowHash | None = None) -> RowHash:
    """Add rows to a hash, bit for bit; all NaN count as one. Arm and day of a row follow from its place."""
    made = into or RowHash()
    values = np.column_stack([table[name].to_numpy().astype("<f8", copy=False) for name in recording.states])
    values[np.isnan(values)] = math.nan
    made.numbers.update(values.tobytes())
    made.words.update(table["member"].to_numpy().astype("<i8", copy=False).tobytes())
    return made


def read_trajectories(path: Path, run: str, recording: Recording) -> tuple[pyarrow.Table, Seal]:
    """A file of trajectories, with everything checked, and its seal; raises DamagedChunkError with the reason."""
    import pyarrow

    table, seal, _ = read_sealed(path, run)
    members = seal.last - seal.first
    if tuple(table.column_names) != (*KEYS, *recording.states) or table.num_rows != members * math.prod(recording.shape[:2]):
        raise DamagedChunkError("has other rows or columns than it says")
    keys = _keys(recording, seal.first, seal.last)
    try:
        right = all(table[name].equals(pyarrow.chunked_array([keys[name]])) for name in KEYS)
        right = right and add_trajectories(table, recording).hexdigest() == seal.rows_sha256
    except (ValueError, TypeError, pyarrow.ArrowException) as error:
        raise DamagedChunkError(f"has columns that cannot be read ({echo(error)})") from None
    if not right:
        raise DamagedChunkError("has rows that were changed")
    return table, seal
