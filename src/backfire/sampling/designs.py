"""Designs: which members a sweep has, and the value of every field for every member.

A design is a formula, not a list: any slice of members can be asked for alone, and a member has the same values
whatever slice it is asked in. So a million members need no memory, and any worker can make its own.

A design is a class in a module of this package, and nothing else: study files, their error messages and figures learn
from the class what its ``[design]`` table needs and may have.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np

from backfire.errors import UserError, echo
from backfire.sampling.axis import Axis
from backfire.solvers import Floats

MOST_MEMBERS: Final = 1_000_000_000
LARGEST: Final = 1 << 27
"""Bytes of the largest file that a study may name."""
RUNS_PER_SECOND: Final = 4000
"""What one core simulates, roughly; only for projections."""

Check = Callable[[Any], "str | None"]
Read = Callable[[str], tuple[str, str]]
"""Key of a setting that names a file beside the study → how the file is called, and its text."""


def setting(meaning: str, default: Any, *, needed: bool = False, least: int | None = None, check: Check | None = None) -> Any:
    """A field of a design that the ``[design]`` table of a study file sets, and has to set where it is ``needed``.

    ``check`` gives what is wrong with a value, or None.
    """
    about = {"meaning": meaning, "needed": needed, "least": least, "check": check}
    return dataclasses.field(default=default, metadata=about)


@dataclass(frozen=True)
class Design(ABC):
    """What all designs share: ``axes``, how many ``members``, and ``samples`` of any slice of them.

    A design has a ``kind``, its name in study files, a ``title``, its name in figures, and fields made by ``setting``.
    ``pointed`` designs need to know how many points an axis has; ``listed`` ones bring their own axes.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    pointed: ClassVar[bool] = False
    listed: ClassVar[bool] = False
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        for name, about in self.settings().items():
            if problem := about["check"] and about["check"](getattr(self, name)):
                raise UserError(f"`{name}` {problem}")

    @classmethod
    def settings(cls) -> dict[str, Mapping[str, Any]]:
        """What the ``[design]`` table needs and may have, by key: see ``setting``."""
        return {item.name: item.metadata for item in dataclasses.fields(cls) if item.metadata}

    @classmethod
    @abstractmethod
    def count(cls, points: Sequence[int], given: Mapping[str, Any], /) -> int:
        """How many members there would be, before anything is made: by the ``points`` of every axis and the settings."""

    @classmethod
    def content(cls, path: Path) -> str:
        """The text of what a study names beside itself, as it is kept with a sweep."""
        if not path.is_file():
            raise UserError(f"there is no file {echo(path)}")
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is larger than {LARGEST >> 20} MiB")
        return path.read_text(encoding="utf-8-sig")

    @classmethod
    def made(cls, axes: tuple[Axis, ...], given: Mapping[str, Any], _read: Read, /) -> Self:
        """The design that a study file describes; raises UserError if it cannot be."""
        return cls(axes, **given)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that vary, in the order of the columns of ``samples``."""
        return tuple(axis.field for axis in self.axes)

    @property
    def members(self) -> int:
        """How many members there are; a Python int, however large."""
        return self.count([axis.size for axis in self.axes], vars(self))

    def samples(self, first: int, last: int) -> Floats:
        """The values (last - first, fields) of members ``first`` up to, not including, ``last``."""
        if not 0 <= first <= last <= self.members:
            raise UserError(f"members {first} to {last} asked of a design that has {self.members}")
        return self._samples(first, last) if last > first else np.empty((0, len(self.fields)))

    @abstractmethod
    def _samples(self, first: int, last: int) -> Floats: ...

    def describe(self) -> dict[str, Any]:
        """The design as plain data: everything that decides a value, the order of the fields too, and nothing else."""
        about = {"kind": self.kind, "fields": list(self.fields), "vary": {axis.field: axis.describe() for axis in self.axes}}
        return about | {name: getattr(self, name) for name in self.settings()}


@cache
def design_kinds() -> dict[str, type[Design]]:
    """All designs by kind, found because a module of this package has them."""
    package, found = sys.modules[__package__], {}
    for item in pkgutil.iter_modules(package.__path__):
        name = f"{package.__name__}.{item.name}"
        for given in vars(importlib.import_module(name)).values():
            if isinstance(given, type) and issubclass(given, Design) and given.__module__ == name and hasattr(given, "kind"):
                found[given.kind] = given
    return found


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
