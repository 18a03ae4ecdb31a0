"""States and observables over time for one arm, and how the run ended."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError, unknown
from backfire.model import Floats as Floats  # noqa: PLC0414  the face passes it on


class Status(IntEnum):
    """How a run ended. The numbers are stable, and those marked reserved stay free: tables keep them."""

    OK = 0
    EXTINCT = 1  # reserved: nothing sets it
    MAX_STEPS = 2
    MAX_TIME = 3
    STEP_TOO_SMALL = 4
    NONFINITE = 5
    NEGATIVE_STATE = 6
    EVENT_ROOT_FAILED = 7
    NEWTON_FAILED = 8  # reserved: nothing sets it
    WORKER_DIED = 9
    NOT_RUN = 10

    @property
    def word(self) -> str:
        """The status as tables and messages show it, for example ``max_steps``."""
        return self.name.lower()

    @property
    def good(self) -> bool:
        """True if the numbers of the run may be used."""
        return self in (Status.OK, Status.EXTINCT)


NODES: Final = np.linspace(0.0, 1.0, 6)
"""Where, as shares of a step, the course of a solver is kept: a polynomial of degree 5 runs through them."""


@dataclass(frozen=True, eq=False)
class Steps:
    """The course as the solver has it: k steps with their ``times`` (k, 6) at ``NODES`` and ``values`` (k, 6, m).

    A step begins where the one before ends. ``fresh`` (k,) marks those after an event or an extinction, whose first values
    are those after it. They do not depend on which days are recorded.
    """

    times: Floats
    values: Floats
    fresh: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The recorded course of one arm.

    ``times`` (n,) in days, strictly rising. ``values`` (n, m), one column per entry of ``names``, in ``units``.
    The row at the day of a dose holds the values after it; the row just before, at the largest double below that day,
    holds the values before it. After a failure the remaining rows are NaN. ``steps`` is the course between the rows, in the
    same columns, if it is known. ``decisions`` are the levels of the rules of the arm after each visit, NaN where the arm was
    over before; there are none without rules.
    """

    arm: str
    times: Floats
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: Floats
    status: Status = Status.OK
    message: str = ""
    evaluations: int = 0
    steps: Steps | None = None
    decisions: Floats | None = None

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.names))
        if self.values.shape != shape or len(self.units) != len(self.names):
            raise UserError(f"trajectory `{self.arm}` has values of shape {self.values.shape}, needs {shape}")
        if len(self.times) == 0 or not (np.diff(self.times) > 0).all():
            raise UserError(f"trajectory `{self.arm}` needs times, and they must rise strictly")

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.names)}

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Floats:
        """The values (n,) of one state or observable; raises UserError with the nearest name."""
        if name not in self._columns:
            raise UserError(unknown("state or observable", name, self.names))
        return self.values[:, self._columns[name]]

    @cached_property
    def pieces(self) -> tuple[slice, ...]:
        """Slices of rows within which nothing jumps: from event to event."""
        jumps = np.flatnonzero(np.nextafter(self.times[:-1], np.inf) == self.times[1:]) + 1
        edges = [0, *(int(jump) for jump in jumps), len(self.times)]
        return tuple(slice(first, last) for first, last in itertools.pairwise(edges))
