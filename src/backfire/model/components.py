"""What a mechanism is made of: parameters, states, definitions, processes, influences, interventions.

A mechanism is a frozen dataclass: its fields are the options a scenario file sets, its method ``parts`` yields what it
brings. Mechanisms are strangers to each other. They meet only on names, in four ways:

- a formula *reads* a name that another mechanism owns (``effect_mitoxantrone``, ``burden``);
- a process takes from or adds to a state that another mechanism owns (``active``);
- an influence multiplies every process of a *kind* (``kill``, ``growth`` …) or a definition declared ``open``;
- a state is counted in a total (``counts_in="burden"``).
"""

from __future__ import annotations

import dataclasses
import keyword
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar, Final

from backfire.errors import DeclarationError, echo, unknown
from backfire.formulas import SCALAR_FUNCTIONS, UNIT_CONSTANTS, Expression, Unit, parse, parse_unit
from backfire.model.references import GRADES

_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_RESERVED: Final = {"amount", "time", "state", "constants", *SCALAR_FUNCTIONS, *keyword.kwlist}
"""Words that formulas, Python or the generated code already use."""
LONGEST_NAME = 64


def check_name(name: str, what: str) -> str:
    """``name`` if it can name a part: lower-case ASCII words joined by single underscores. Else DeclarationError."""
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise DeclarationError(
            f"{what} `{echo(name)}` must be lower-case ASCII words joined by single underscores, such as growth_rate"
        )
    if name in _RESERVED or name in UNIT_CONSTANTS:
        raise DeclarationError(f"{what} `{name}` is a word of the formula notation; choose another name")
    return name


def _check(part: Part, *required: str) -> None:
    """A good name, something in every required field, and the unit in cells and days."""
    kind = type(part).__name__
    check_name(part.name, kind.lower())
    for name in required:
        if not isinstance(given := getattr(part, name), str):
            raise DeclarationError(f"{kind} `{part.name}`: {name} is text, not {echo(repr(given))}")
        if not given.strip():
            raise DeclarationError(f"{kind} `{part.name}` has no {name}; it is required")
    if isinstance(part, Parameter | State | Definition) and unit_of(part).scale != 1.0:
        raise DeclarationError(f"{kind} `{part.name}`: declare it in cells and days, not in {part.unit}")


def _as_read_back(given: Any) -> Any:
    """Numbers as a stored run gives them back: a whole number in Python, 1, is 1.0 there, and makes the same hash."""
    if isinstance(given, tuple | list):
        return tuple(_as_read_back(item) for item in given)
    return float(given) if isinstance(given, int) else given


@dataclass(frozen=True)
class Parameter:
    """A number with everything a reader needs to judge it.

    ``value`` is in ``unit`` (built from cell, day, EC50 and fold). ``range`` is the plausible range (low, high), used
    as sweep bounds; ``maximum`` a hard limit, such as 1 for shares. All parameters are finite and ≥ 0.
    ``source`` says where the number comes from, ``grade`` how far that can be trusted (see ``references.GRADES``).
    """

    name: str
    value: float
    unit: str
    meaning: str
    range: tuple[float, float]
    source: str
    grade: str
    maximum: float = math.inf

    def __post_init__(self) -> None:
        _check(self, "unit", "meaning", "source", "grade")
        for name, given in (("value", self.value), ("maximum", self.maximum), ("range", self.range)):
            object.__setattr__(self, name, _as_read_back(given))
        ends = self.range if isinstance(self.range, tuple) and len(self.range) == 2 else (None,)
        if not all(isinstance(one, Real) for one in (self.value, self.maximum, *ends)):
            found = f"value = {self.value!r}, maximum = {self.maximum!r}, range = {self.range!r}"
            raise DeclarationError(
                f"parameter `{self.name}`: value and maximum are numbers, range is two, got {echo(found, 200)}"
            )
        if self.grade not in GRADES:
            raise DeclarationError(f"parameter `{self.name}`: {unknown('grade', self.grade, GRADES)}")
        low, high = self.range
        if not (0 <= low < high < math.inf):
            raise DeclarationError(f"parameter `{self.name}`: the range ({low:g}, {high:g}) must be 0 ≤ low < high")
        problem = self.problem_with(self.value)
        if problem:
            raise DeclarationError(f"parameter `{self.name}`: {problem}")

    def problem_with(self, value: float) -> str | None:
        """Why ``value`` (in this parameter's unit) is impossible, or None; implausible is not impossible."""
        if not math.isfinite(value):
            return f"{value} is not a finite number"
        if value < 0:
            return f"{value:g} {self.unit} is negative; all parameters are ≥ 0"
        if value > self.maximum:
            return f"{value:g} is above the largest possible value {self.maximum:g}"
        return None

    def plausible(self, value: float) -> bool:
        """True if ``value`` lies in the plausible range."""
        return self.range[0] <= value <= self.range[1]

    def revalued(self, value: float, source: str, grade: str, range: tuple[float, float] | None = None) -> Parameter:
        """The same parameter with another value and the source of that value."""
        return dataclasses.replace(self, value=value, source=source, grade=grade, range=range or self.range)


@dataclass(frozen=True)
class State:
    """An amount that changes in time.

    ``initial`` is a number in ``unit`` or the name of a parameter. ``counts_in`` names the totals, such as ``burden``,
    that this state is summed into. ``counted`` cells become extinct where they fall below one: unless it says otherwise,
    cells that count in a total do, and cells of the host do not, which may become few and come back.
    """

    name: str
    unit: str
    meaning: str
    initial: float | str = 0.0
    counts_in: str | tuple[str, ...] = ()
    counted: bool | None = None

    def __post_init__(self) -> None:
        _check(self, "unit", "meaning")

    @property
    def totals(self) -> tuple[str, ...]:
        """The totals this state is summed into."""
        return (self.counts_in,) if isinstance(self.counts_in, str) else self.counts_in

    @property
    def is_cells(self) -> bool:
        """True for what is measured in cells."""
        return unit_of(self) == UNIT_CONSTANTS["cell"]

    @property
    def dies_out(self) -> bool:
        """True for cells of which less than one is none."""
        return self.is_cells and (bool(self.totals) if self.counted is None else self.counted)


@dataclass(frozen=True)
class Definition:
    """A named value computed from states and parameters at each moment; ``open`` ones accept influences."""

    name: str
    formula: str
    unit: str
    meaning: str
    open: bool = False

    def __post_init__(self) -> None:
        _check(self, "formula", "unit", "meaning")


@dataclass(frozen=True)
class Process:
    """A flow: ``rate`` leaves the state ``leaves`` and enters the state ``enters``; mass balanced by construction.

    Either may be None: growth enters from nowhere, kill leaves to nowhere. ``rate`` has the unit of the state per day.
    ``kind`` is the slot that influences aim at, for example ``kill``; several processes may share it.
    """

    name: str
    kind: str
    rate: str
    meaning: str
    leaves: str | None = None
    enters: str | None = None

    def __post_init__(self) -> None:
        _check(self, "rate", "meaning")
        check_name(self.kind, "process kind")
        if self.leaves is None and self.enters is None:
            raise DeclarationError(f"process `{self.name}` neither leaves nor enters a state")
        if self.leaves == self.enters:
            raise DeclarationError(f"process `{self.name}` leaves and enters the same state `{self.leaves}`")


@dataclass(frozen=True)
class Influence:
    """A factor laid on every process of kind ``on``, or on the open definition of that name.

    The rate is multiplied with 1 + switch·(factor - 1); ``factor`` is a plain number, 1 = no influence. The switch is
    called ``<mechanism>.<name>``, lies in [0, 1] and is 1 unless a scenario says otherwise, so ablation is a parameter.
    ``optional`` influences may find nothing to act on: feeding metastases matters only where there are some.
    """

    name: str
    on: str
    factor: str
    meaning: str
    optional: bool = False

    def __post_init__(self) -> None:
        _check(self, "factor", "meaning")
        check_name(self.on, "influence target")


@dataclass(frozen=True)
class Intervention:
    """Something a regimen can do at a moment: a bolus, the start of an infusion, surgery, a fraction of radiation.

    ``multiplies`` and ``adds`` map states to formulas over parameters and, where ``amount_unit`` is given, ``amount``:
    state ← state·multiplies + adds. A total in ``multiplies``, such as ``burden``, stands for every state counted in it that
    is not named itself, whichever mechanism brings it. ``infuses`` names the state that holds the infusion rate, if it can
    be infused. ``switches`` names the state that is at the amount, or at 1 where there is none, while the agent is on, and
    at 0 otherwise; then nothing else is needed.
    """

    name: str
    meaning: str
    amount_unit: str = ""
    multiplies: Mapping[str, str] = field(default_factory=dict)
    adds: Mapping[str, str] = field(default_factory=dict)
    infuses: str | None = None
    switches: str | None = None

    def __post_init__(self) -> None:
        _check(self, "meaning")
        if not self.multiplies and not self.adds and not self.switches:
            raise DeclarationError(f"intervention `{self.name}` changes no state")

    def formulas(self) -> Iterator[tuple[str, str, Expression]]:
        """Triples (state, ``"multiply"`` or ``"add"``, formula)."""
        for state, text in self.multiplies.items():
            yield state, "multiply", parse(text)
        for state, text in self.adds.items():
            yield state, "add", parse(text)


Named = Parameter | State | Definition | Process
Part = Named | Influence | Intervention


def option(meaning: str, *, example: Any, default: Any = dataclasses.MISSING) -> Any:
    """A field of a mechanism that a scenario file may set.

    ``meaning`` is shown by ``backfire mechanisms`` and in the JSON Schema; ``example`` is what a new user would write.
    """
    return field(default=default, metadata={"meaning": meaning, "example": example})


class Mechanism:
    """A piece of biology. Subclasses are frozen dataclasses; each says what it is in ``parts``.

    ``label`` is the name it has in scenario files. The docstring of a subclass gives meaning, equations and source.
    """

    label: ClassVar[str]

    def parts(self) -> Iterator[Part]:
        """Yield the parts of this mechanism."""
        raise DeclarationError(f"mechanism {type(self).__name__} does not say what it is made of: define parts()")

    @classmethod
    def example(cls) -> Mechanism:
        """The mechanism with the example value of every option."""
        given = {item.name: item.metadata["example"] for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
        return cls(**given)

    @classmethod
    def summary(cls) -> str:
        """The first sentence of the docstring."""
        return next(iter((cls.__doc__ or "").strip().splitlines()), "")


def unit_of(part: Parameter | State | Definition) -> Unit:
    """The declared unit of a part."""
    return parse_unit(part.unit)
