"""How an arm is judged: thresholds, the clock, and what was given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from backfire.errors import UserError, unknown
from backfire.model import Branching, Dose, Event

ONE_CELL: Final = 1.0
ROUNDED: Final = 1e-9
"""What lies less than this below zero is zero and the rounding of a solver."""
NEGATIVE_RATE: Final = -1e-9
"""Rates per cell and day below this are negative, and no rounding."""
LEAST_CHANCE: Final = 1e-12
"""A chance below this is none: no reader resolves it."""
HOST_LOAD: Final = "host_load"
"""The definition by which a mechanism says what the host bears, as a share of what it can; at 1 the host dies."""
COUNTED: Final = ONE_CELL * (1 - 1e-9)
"""Less than this is no cell: the row before an extinction lies on one cell, or a rounding below it."""
NEARLY: Final = 1e-5
"""Peaks and troughs that agree within this share count as equal; the first one gives the day."""
FLAT: Final = 1e-7
"""A factor that moves by less than this share has no day of its peak."""


def least_counted(unit: str) -> float:
    """What is counted of a burden in a unit: whole cells, but every share of a model in shares."""
    return COUNTED if unit == "cell" else -math.inf


@dataclass(frozen=True)
class Rules:
    """The thresholds behind the outcomes.

    ``progression``: burden over nadir that counts as progression (1.2 as RECIST 1.1 asks for diameters; here cells);
    ``progression_from``: "nadir", or "start" for the burden at the arm's first intervention, as trials of adaptive therapy.
    ``progression_level``: a burden that counts as progression, in its unit, instead of a multiple of either.
    ``response``: share of the burden at the start of treatment that the nadir must reach to count as a response.
    ``course_gap``: doses further apart than this many days belong to different courses.
    ``regrowth``: the regrowth rate is the mean rate from progression until the burden has grown by this factor more.
    ``since`` (in files: ``from``): the day from which times count; None for the first planned intervention of any arm.
    """

    progression: float = 1.2
    progression_from: str = "nadir"
    progression_level: float | None = None
    response: float = 0.7
    course_gap: float = 6.0
    regrowth: float = 2.0
    since: float | None = None

    @property
    def progressed(self) -> str:
        """What counts as progression, in words."""
        if self.progression_level is not None:
            return f"a burden of {self.progression_level:g}, after the arm's first intervention"
        start = "nadir, after the nadir" if self.progression_from == "nadir" else "burden at the arm's first intervention"
        return f"{self.progression:g} × {start}"

    @property
    def threshold(self) -> str:
        """The same, as briefly as a figure has it."""
        level = self.progression_level
        return f"{self.progression_from} × {self.progression:g}" if level is None else f"burden of {level:g}"

    def __post_init__(self) -> None:
        if self.progression_from not in ("nadir", "start"):
            raise UserError(unknown("start of progression", self.progression_from, ("nadir", "start")), key="progression_from")
        limits = {"progression": (1, 100), "response": (0, 1), "course_gap": (0, 1000), "regrowth": (1, 1e6)}
        for word, (low, high) in limits.items():
            if not low < getattr(self, word) <= high:
                given = getattr(self, word)
                raise UserError(f"outcome rule `{word}` must lie in ({low}, {high:g}], got {given}", key=word)
        if self.progression_level is not None:
            if not 0 < self.progression_level < math.inf:
                raise UserError(
                    f"`progression_level` is a burden above 0, got {self.progression_level:g}", key="progression_level"
                )
            if (self.progression, self.progression_from) != (Rules.progression, Rules.progression_from):
                raise UserError(
                    "`progression_level` stands in place of a multiple; leave out the others", key="progression_level"
                )
        if self.since is not None and not 0 <= self.since < math.inf:
            raise UserError(f"outcome rule `from` is a day of the simulation, got {self.since:g}", key="from")


@dataclass(frozen=True)
class Lineages:
    """The tumour cells of an arm: their branching process, the cells of each state on the first day, the events of the arm, and
    the constants of the network by the names that code has."""

    process: Branching
    start: Mapping[str, float]
    events: Sequence[Event]
    constants: Mapping[str, float]


@dataclass(frozen=True)
class Watch:
    """What an arm was given and how it is judged.

    ``doses`` are those planned for the arm, ``given`` those that its rules left, None where all were; ``course_agents`` are
    the agents whose doses make the courses; ``start`` is the day from which times count, the same in all arms, so that they
    compare; ``own`` that from which the arm's own response counts, its first intervention; ``surgery`` the day the primary is
    removed, if it is; ``units`` the unit of the amounts of each agent; ``flows`` the recorded processes by kind, as
    ``Network.flows``; ``cells`` are the tumour cells one by one, if it has any.
    """

    doses: Sequence[Dose]
    course_agents: frozenset[str]
    start: float
    surgery: float | None = None
    own: float | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    flows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rules: Rules = Rules()
    cells: Lineages | None = None
    given: Sequence[Dose] | None = None


def course_starts(watch: Watch) -> list[float]:
    """The days on which courses begin: doses of the course agents after a pause longer than ``course_gap``."""
    days = sorted({dose.time for dose in watch.doses if dose.agent in watch.course_agents})
    return [day for index, day in enumerate(days) if index == 0 or day - days[index - 1] > watch.rules.course_gap]
