"""Designs: which members a sweep has, and the value of every field for every member.

A design is a formula, not a list: any slice of members can be asked for alone, and a member has the same values
whatever slice it is asked in. So a million members need no memory, and any worker can make its own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError, unknown

Floats = NDArray[np.float64]

MOST_MEMBERS: Final = 1_000_000_000
MOST_POINTS: Final = 1_000_000
"""Points of one axis of a grid."""
RUNS_PER_SECOND: Final = 4000
"""What one core simulates, roughly; only for projections."""
_BITS: Final = 30


@dataclass(frozen=True)
class Axis:
    """One field that varies: from ``low`` to ``high``, evenly or evenly in the logarithm, or the listed ``values``.

    ``points`` is how many of them a grid has. A ``whole`` axis holds whole numbers only, as the count of doses does.
    Raises UserError for limits that contradict themselves.
    """

    field: str
    low: float = math.nan
    high: float = math.nan
    points: int = 0
    scale: str = "linear"
    values: tuple[float, ...] = ()
    whole: bool = False

    def __post_init__(self) -> None:
        for word in ("low", "high"):
            object.__setattr__(self, word, float(getattr(self, word)))
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        if self.scale not in ("linear", "log"):
            raise UserError(unknown("scale", self.scale, ("linear", "log")))
        if self.values:
            self._check_values()
        else:
            self._check_limits()

    def _check_values(self) -> None:
        if len(set(self.values)) < len(self.values):
            raise UserError("lists a value twice")
        if not all(map(math.isfinite, self.values)):
            raise UserError("lists a value that is not a finite number")
        if self.whole and not all(value.is_integer() for value in self.values):
            raise UserError("counts whole doses; list whole numbers")

    def _check_limits(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UserError(f"goes from low = {self.low:g} to high = {self.high:g}; low must be below high")
        if self.scale == "log" and self.low <= 0:
            raise UserError(f"a log scale starts above 0, got low = {self.low:g}")
        if self.points == 1 or not 0 <= self.points <= MOST_POINTS:
            raise UserError(f"`points` must lie between 2 and {MOST_POINTS}, got {self.points}")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise UserError(f"counts whole doses; low = {self.low:g} and high = {self.high:g} must be whole")
        if self.whole and self.points > 1 and self.scale == "linear" and (self.high - self.low) % (self.points - 1):
            most = int(self.high - self.low) + 1
            raise UserError(f"counts whole doses; {self.points} points from {self.low:g} to {self.high:g} are not, {most} are")
        if self.whole and self.points and self.scale == "log":
            raise UserError("counts whole doses; list them as values = [ ] instead of a log scale")

    @cached_property
    def grid(self) -> Floats:
        """The values (points,) this axis has in a grid; both ends are exact."""
        if self.values:
            return np.array(self.values)
        made = np.array(self.between([index / (self.points - 1) for index in range(self.points)]))
        made[0], made[-1] = self.low, self.high
        return made

    @property
    def size(self) -> int:
        """How many values this axis has in a grid."""
        return len(self.values) or self.points

    def spread(self, shares: Sequence[float]) -> list[float]:
        """Values at ``shares`` in [0, 1), each of a list or of whole numbers equally often."""
        if self.values:
            return [self.values[int(share * len(self.values))] for share in shares]
        if self.whole:
            above = Axis(self.field, self.low, self.high + 1, scale=self.scale)
            return [float(math.floor(value)) for value in above.between(shares)]
        return self.between(shares)

    def between(self, shares: Sequence[float]) -> list[float]:
        """Values at ``shares`` in [0, 1] of the way from low to high, on the scale of the axis.

        One by one on purpose: array functions may round differently at the edge of a slice, and a member must not
        depend on the slice it is asked in.
        """
        if self.scale == "log":
            ratio = self.high / self.low
            return [min(self.high, self.low * math.pow(ratio, share)) for share in shares]
        return [min(self.high, self.low + share * (self.high - self.low)) for share in shares]

    def describe(self) -> dict[str, Any]:
        """The axis as plain data, only what says something."""
        about: dict[str, Any] = {"whole": True} if self.whole else {}
        if self.values:
            return {"values": list(self.values), **about}
        about |= {"points": self.points} if self.points else {}
        return {"low": self.low, "high": self.high, "scale": self.scale, **about}


@dataclass(frozen=True)
class Design(ABC):
    """What all designs share: ``axes``, how many ``members``, and ``samples`` of any slice of them."""

    kind: ClassVar[str]
    axes: tuple[Axis, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that vary, in the order of the columns of ``samples``."""
        return tuple(axis.field for axis in self.axes)

    @property
    @abstractmethod
    def members(self) -> int:
        """How many members there are; a Python int, however large."""

    def samples(self, first: int, last: int) -> Floats:
        """The values (last - first, fields) of members ``first`` up to, not including, ``last``."""
        if not 0 <= first <= last <= self.members:
            raise UserError(f"members {first} to {last} asked of a design that has {self.members}")
        return self._samples(first, last) if last > first else np.empty((0, len(self.fields)))

    @abstractmethod
    def _samples(self, first: int, last: int) -> Floats: ...

    def describe(self) -> dict[str, Any]:
        """The design as plain data: everything that decides a value, the order of the fields too, and nothing else."""
        return {"kind": self.kind, "fields": list(self.fields), "vary": {axis.field: axis.describe() for axis in self.axes}}


@dataclass(frozen=True)
class Grid(Design):
    """Every combination of the values of all axes; the last axis changes fastest."""

    kind: ClassVar[str] = "grid"

    @property
    def members(self) -> int:
        """The product of the axes."""
        return math.prod(axis.size for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points of every axis: outcomes by member reshape to this."""
        return tuple(axis.size for axis in self.axes)

    def _samples(self, first: int, last: int) -> Floats:
        places = np.unravel_index(np.arange(first, last), self.shape)
        return np.column_stack([axis.grid[place] for axis, place in zip(self.axes, places, strict=True)])


@dataclass(frozen=True)
class _Random(Design):
    count: int = 0
    seed: int = 0

    @property
    def members(self) -> int:
        """As many as were asked for."""
        return self.count

    def _columns(self, shares: Floats) -> Floats:
        return np.column_stack([axis.spread(column.tolist()) for axis, column in zip(self.axes, shares.T, strict=True)])

    def describe(self) -> dict[str, Any]:
        """The design as plain data, with its seed."""
        return {**super().describe(), "members": self.count, "seed": self.seed}


@dataclass(frozen=True)
class Sobol(_Random):
    """A scrambled Sobol sequence: fills the box more evenly than chance, best with a power of two of members."""

    kind: ClassVar[str] = "sobol"

    def _samples(self, first: int, last: int) -> Floats:
        import inspect
        import warnings

        from scipy.stats import qmc

        word = "rng" if "rng" in inspect.signature(qmc.Sobol.__init__).parameters else "seed"
        generator = np.random.default_rng(np.random.SeedSequence(self.seed))
        engine = qmc.Sobol(len(self.axes), scramble=True, bits=_BITS, **{word: generator})
        with warnings.catch_warnings():
            # SciPy warns that a slice is no power of two; the sequence as a whole is what has to be
            warnings.simplefilter("ignore", UserWarning)
            if first:
                engine.fast_forward(first)
            return self._columns(engine.random(last - first))


@dataclass(frozen=True)
class LatinHypercube(_Random):
    """As many strata of every axis as members, each visited exactly once, in an order of its own for every axis."""

    kind: ClassVar[str] = "latin-hypercube"

    def _samples(self, first: int, last: int) -> Floats:
        members = np.arange(first, last, dtype=np.uint64)
        shares = []
        for column in range(len(self.axes)):
            seeds = np.random.SeedSequence(self.seed, spawn_key=(column,))
            strata = permuted(members, self.count, seeds.generate_state(4, np.uint64).astype(np.uint64))
            jitter = np.random.PCG64(seeds)
            jitter.advance(first)  # one draw for each member before the first
            shares.append((strata + np.random.Generator(jitter).random(last - first)) / self.count)
        return self._columns(np.minimum(np.column_stack(shares), np.nextafter(1.0, 0.0)))


@dataclass(frozen=True)
class Morris(Design):
    """Morris trajectories: each starts at a random corner of a coarse grid and changes one field at a time.

    Trajectory t has the members t·(fields + 1) and following; neighbours differ in one field by
    ``levels``/(2·(``levels`` - 1)) of its range.
    """

    kind: ClassVar[str] = "morris"
    trajectories: int = 0
    levels: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.levels < 2 or self.levels % 2:
            raise UserError(f"`levels` must be an even number from 2 on, got {self.levels}")
        for axis in self.axes:
            if axis.values:
                raise UserError(f"`{axis.field}`: Morris trajectories step between low and high; a list of values has no steps")
            if axis.whole and (axis.high - axis.low) % (self.levels - 1):
                raise UserError(f"`{axis.field}` counts whole doses; its range must divide into {self.levels - 1} steps")

    @property
    def members(self) -> int:
        """Trajectories times (fields + 1)."""
        return self.trajectories * (len(self.axes) + 1)

    def _samples(self, first: int, last: int) -> Floats:
        length = len(self.axes) + 1
        walks = range(first // length, (last - 1) // length + 1)
        shares = np.concatenate([self._walk(walk) for walk in walks])[first - walks[0] * length : last - walks[0] * length]
        columns = [axis.between(column.tolist()) for axis, column in zip(self.axes, shares.T, strict=True)]
        whole = [np.round(column) if axis.whole else column for axis, column in zip(self.axes, columns, strict=True)]
        return np.column_stack(whole)

    def _walk(self, trajectory: int) -> Floats:
        """The shares (fields + 1, fields) of one trajectory."""
        draw = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(trajectory,)))
        count, half, steps = len(self.axes), self.levels // 2, self.levels - 1
        start = draw.integers(0, half, count)
        upwards = draw.integers(0, 2, count).astype(bool)
        points = np.tile(np.where(upwards, start, start + half), (count + 1, 1))
        for step, column in enumerate(draw.permutation(count), start=1):
            points[step:, column] = start[column] + half if upwards[column] else start[column]
        return points / steps

    def describe(self) -> dict[str, Any]:
        """The design as plain data, with its seed."""
        return {**super().describe(), "trajectories": self.trajectories, "levels": self.levels, "seed": self.seed}


@dataclass(frozen=True, eq=False)
class Table(Design):
    """Members listed one by one: ``rows`` (members, fields), the columns in the order of ``axes``."""

    kind: ClassVar[str] = "table"
    rows: Floats = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.shape[1] != len(self.axes) or not np.isfinite(self.rows).all():
            raise UserError(f"a table needs finite numbers of shape (members, {len(self.axes)}), got shape {self.rows.shape}")

    @property
    def members(self) -> int:
        """The rows of the table."""
        return len(self.rows)

    def _samples(self, first: int, last: int) -> Floats:
        return self.rows[first:last].copy()

    def describe(self) -> dict[str, Any]:
        """The design as plain data: its fields and a hash of its values."""
        import hashlib

        digest = hashlib.sha256(np.ascontiguousarray(self.rows, dtype="<f8").tobytes()).hexdigest()
        return {"kind": self.kind, "vary": list(self.fields), "members": self.members, "values_sha256": digest}


def table(columns: Mapping[str, Sequence[float]]) -> Table:
    """A design from columns of numbers, one per field: ``table({"growth_rate": [0.1, 0.2]})``."""
    rows = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
    return Table(tuple(listed(name, column) for name, column in zip(columns, rows.T, strict=True)), rows)


def listed(name: str, column: Floats) -> Axis:
    """The axis of a field whose values a table lists."""
    low, high = float(column.min(initial=0.0)), float(column.max(initial=0.0))
    return Axis(name, low, high) if low < high else Axis(name, values=(low,))


def permuted(places: NDArray[np.uint64], size: int, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Where a keyed permutation of range(``size``) sends ``places``, without making the permutation.

    A Feistel network permutes the next power of four; places that fall outside walk on until they are inside.
    """
    half = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half)) - 1)
    moved = places.copy()
    outside = np.ones(len(places), dtype=bool)
    while outside.any():
        left, right = moved[outside] >> half, moved[outside] & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right ^ key) & mask)
        moved[outside] = (left << half) | right
        outside = moved >= np.uint64(size)
    return moved


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer: every bit of the result depends on every bit of ``value``."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def size_problem(members: int, columns: int, arms: int) -> str | None:
    """Why a design is too large to run, with what it would cost, or None."""
    if members <= MOST_MEMBERS:
        return None
    runs = members * max(arms, 1)
    years = _digits(runs // (RUNS_PER_SECOND * 31_557_600))
    disk = _digits(runs * (20 + 8 * columns) // 10**12)
    return (
        f"asks for {_digits(members)} members, more than the {MOST_MEMBERS:,} allowed: about {years} core-years "
        f'at {RUNS_PER_SECOND} simulations a second and {disk} TB of disk; give fewer points or `kind = "sobol"` with `members`'
    )


def _digits(number: int) -> str:
    """A whole number of any size, as short as it can be read."""
    if number < 10**15:
        return f"{number:,}"
    return f"1e{math.floor(math.log10(number) + 1e-12)}"
