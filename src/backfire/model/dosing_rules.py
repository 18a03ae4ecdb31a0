"""Rules by which a regimen reacts: at visits something is measured, and what is given next follows from it.

A rule is looked at on a grid of days known beforehand. At each visit the measured value is held against a reference (that
of the first visit, the smallest so far, that of the visit before, or a level of its own), and the rule's *level* follows: 0
stopped, 1 given as planned, or another share of the dose. Whatever a regimen gives is multiplied by the levels of its rules.
One function decides, for both solvers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import ScheduleError, unknown
from backfire.formulas import BASE, Expression, as_sympy, derivative, names_in, parse_unit, symbol
from backfire.model.components import Intervention

MOST_VISITS: Final = 20_000
REFERENCES: Final = ("start", "nadir", "last", "level")
"""What is measured is held against: its value at the first visit, the smallest so far, that of the visit before, or nothing."""
DIAMETER: Final = "diameter"
GEOMETRIES: Final = {"sphere": 3.0, "disc": 2.0}
"""Shape of a tumour whose diameter is measured → power of the diameter with which its cells grow."""
CELLS_PER_CUBIC_MILLIMETRE: Final = 1e6
"""A cubic centimetre of tumour has 1e9 cells, as is commonly taken (Del Monte 2009, Cell Cycle 8:505)."""
BEGINS_OFF: Final = ("start_below", "start_above")
SWITCHING: Final = ("stop_below", "stop_above", "resume_below", "resume_above", *BEGINS_OFF)
SCALING: Final = ("raise_below", "raise_above", "lower_below", "lower_above")
_START, _NADIR, _LAST, _LEVEL = (float(place) for place in range(4))
# places in the numbers of a rule, as ``decide`` reads them
OF, STOP_BELOW, STOP_ABOVE, ON_BELOW, ON_ABOVE, RAISE_BELOW, RAISE_ABOVE, LOWER_BELOW, LOWER_ABOVE = range(9)
BY, LEAST, MOST, RULE_BEGINS, RULE_REFERENCE, RULE_WIDTH = range(9, 15)
_MET: Final = 1 - 1e-9
"""What lies less than a billionth below a threshold is on it: a solver's rounding decides nothing."""
FLOOR_CELLS: Final = 1e-6
FLOOR: Final = 1e-9
"""What is smaller, in cells or in any other unit, is nothing when it is measured: the coarser of the absolute tolerances that the
solvers have by default, whatever those of a run are, so that neither decides by what is noise to the other."""


def noticed(value: float, floor: float) -> float:
    """What is seen of a value at a visit: nothing of one that is smaller than ``floor``. Compiled by the batch solver."""
    return 0.0 if abs(value) < floor else value


def decide(rules: NDArray[np.float64], row: int, level: float, reference: float, measured: float) -> tuple[float, float]:
    """(level, reference) of a rule after a visit; ``rules[row]`` are its numbers. Compiled by the batch solver.

    "Below" is less than the threshold, "above" at least the threshold. A threshold that is not above 0, as a share of a
    tumour that is gone, is never met, and what has no finite value changes nothing.
    """
    of = rules[row, OF]
    if not abs(measured) < math.inf:
        return level, reference
    if (of == _START and math.isnan(reference)) or (of == _NADIR and not measured >= reference):
        reference = measured
    scale = _MET * reference
    if math.isnan(rules[row, BY]):
        if level > 0.0:
            stops = measured < rules[row, STOP_BELOW] * scale or measured >= rules[row, STOP_ABOVE] * scale > 0.0
            level = 0.0 if stops else level
        elif measured < rules[row, ON_BELOW] * scale or measured >= rules[row, ON_ABOVE] * scale > 0.0:
            level = 1.0
    elif measured < rules[row, RAISE_BELOW] * scale or measured >= rules[row, RAISE_ABOVE] * scale > 0.0:
        level = min(level * rules[row, BY], rules[row, MOST])
    elif measured < rules[row, LOWER_BELOW] * scale or measured >= rules[row, LOWER_ABOVE] * scale > 0.0:
        level = max(level / rules[row, BY], rules[row, LEAST])
    if of == _LAST:
        reference = measured
    return level, reference


def settled(rules: NDArray[np.float64], row: int, level: float, reference: float, low: float, high: float) -> bool:
    """True if ``decide`` would leave level and reference as they are, whatever from ``low`` to ``high`` is measured, and however
    often. Compiled by the batch solver, which then need not measure; that it says False proves nothing."""
    of = rules[row, OF]
    if of == _LAST or math.isnan(reference) or (of == _NADIR and not low >= reference) or not high - low < math.inf:
        return False
    scale = _MET * reference
    if math.isnan(rules[row, BY]):
        below, above = (STOP_BELOW, STOP_ABOVE) if level > 0.0 else (ON_BELOW, ON_ABOVE)
        return not (low < rules[row, below] * scale or high >= rules[row, above] * scale > 0.0)
    for place in range(RAISE_BELOW, BY, 2):
        if low < rules[row, place] * scale or high >= rules[row, place + 1] * scale > 0.0:
            return False
    return True


def follows(rules: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows of numbers of rules are of such as are never ``settled``: their reference is that of the visit before."""
    return np.asarray(rules[:, OF] == _LAST)


@dataclass(frozen=True)
class RuleNumber:
    """A number of a rule, with its unit and its meaning; ``planned`` ones change when visits are, or what they find."""

    name: str
    unit: str
    meaning: str
    whole: bool
    planned: bool


def _number(meaning: str, unit: str = "1", *, default: Any = None, whole: bool = False, planned: bool = False) -> Any:
    about = {"meaning": meaning, "unit": unit, "whole": whole, "planned": planned}
    return dataclasses.field(default=default, metadata=about)


@dataclass(frozen=True)
class DosingRule:
    """At visits ``visit_every`` so many days: what is measured, what it is held against, and what follows.

    ``measure`` is a recorded name, the ratio ``a / b`` of two, or ``diameter``, that of a tumour of the given ``geometry``.
    Thresholds are shares of the reference ``of``: its value at the first visit (start), the smallest so far (nadir), that of
    the visit before (last); with ``level`` they are values in the unit of what is measured, millimetres for a diameter. Less
    than 1e-6 cells, or than 1e-9 in any other unit, counts as nothing before it is divided, or measured with an error.
    A rule stops and resumes (or starts what was not yet given), or it changes the dose by a factor: either, not both.
    ``error`` is the standard deviation of the logarithm of what is measured, drawn for each visit with ``seed``.
    Raises ScheduleError for what says nothing, or contradicts itself.
    """

    name: str
    visit_every: float = _number("days from one visit to the next", "day", default=dataclasses.MISSING, planned=True)
    visit_from: float | None = _number("day of the first visit", "day", planned=True)
    measure: str = "burden"
    geometry: str | None = None
    of: str = "start"
    stop_below: float | None = _number("stop if it is below")
    stop_above: float | None = _number("stop if it is at least")
    resume_below: float | None = _number("resume if it is below")
    resume_above: float | None = _number("resume if it is at least")
    start_below: float | None = _number("start if it is below")
    start_above: float | None = _number("start if it is at least")
    raise_below: float | None = _number("raise the dose if it is below")
    raise_above: float | None = _number("raise the dose if it is at least")
    lower_below: float | None = _number("lower the dose if it is below")
    lower_above: float | None = _number("lower the dose if it is at least")
    by: float | None = _number("factor by which a dose is raised or lowered")
    least: float = _number("smallest dose as a share of the planned one", default=0.0)
    most: float = _number("largest dose as a share of the planned one", default=1.0)
    error: float = _number("standard deviation of the logarithm of what is measured", default=0.0, planned=True)
    seed: int = _number("seed of the errors of measurement", default=0, whole=True, planned=True)

    def __post_init__(self) -> None:
        for word, item in RULE_NUMBERS.items():
            value = getattr(self, word)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ScheduleError(f"`{word}` is {value:g}; it must be a finite number ≥ 0", key=word)
            if value is not None and item.whole and not float(value).is_integer():
                raise ScheduleError(f"`{word}` is {value:g}; it must be a whole number", key=word)
        if self.visit_every == 0:
            raise ScheduleError("`visit_every` is 0; visits need days between them", key="visit_every")
        if self.of not in REFERENCES:
            raise ScheduleError(unknown("reference of a rule", self.of, REFERENCES), key="of")
        self._check_measure()
        self._check_actions()

    def _check_measure(self) -> None:
        if self.measure != DIAMETER:
            if len(self.parts) > 2:
                raise ScheduleError(f"`{self.measure}` is more than the ratio of two", key="measure")
            if self.geometry is not None:
                raise ScheduleError("`geometry` is that of a tumour whose `diameter` is measured", key="geometry")
            return
        if self.geometry is None:
            words = " or ".join(GEOMETRIES)
            raise ScheduleError(f"a diameter needs the `geometry` of the tumour, {words}: burdens are cells", key="measure")
        if self.geometry not in GEOMETRIES:
            raise ScheduleError(unknown("geometry", self.geometry, GEOMETRIES), key="geometry")
        if self.of == "level" and self.geometry != "sphere":
            raise ScheduleError("a diameter in millimetres is that of a sphere; a disc has shares only", key="geometry")

    def _check_actions(self) -> None:
        switching, scaling = (self._written(words) for words in (SWITCHING, SCALING))
        if not switching and not scaling:
            raise ScheduleError(f"a rule needs something to do: {', '.join((*SWITCHING, *SCALING))}")
        if switching and scaling:
            reason = "give two rules, whose levels are multiplied"
            raise ScheduleError(f"`{switching[0]}` and `{scaling[0]}` stand in one rule; {reason}", key=scaling[0])
        begun = self._written(("resume_below", "resume_above"))
        if begun and not self.begins_off and not self._written(("stop_below", "stop_above")):
            raise ScheduleError(f"`{begun[0]}` resumes what was stopped; give `stop_below` or `stop_above` too", key=begun[0])
        if begun and self.begins_off:
            raise ScheduleError(f"`{begun[0]}` is for what is given from the first; leave it out", key=begun[0])
        if scaling and (self.by is None or self.by <= 1):
            raise ScheduleError(f"`{scaling[0]}` needs `by`, the factor by which a dose changes, above 1", key="by")
        if switching and (self.by is not None or (self.least, self.most) != (0.0, 1.0)):
            raise ScheduleError("`by`, `least` and `most` are of rules that raise and lower the dose", key="by")
        if not self.least <= 1 <= self.most:
            raise ScheduleError(f"the planned dose, 1, lies outside {self.least:g} to {self.most:g}", key="most")
        for word in self._written(tuple(word for word in (*SWITCHING, *SCALING) if word.endswith("_below"))):
            if self.of == "nadir":
                raise ScheduleError(f"`{word}`: nothing is below its own nadir", key=word)
        for word in self._written((*SWITCHING, *SCALING)):
            if getattr(self, word) == 0:
                raise ScheduleError(f"`{word}` is 0, which is never met", key=word)

    def _written(self, words: tuple[str, ...]) -> list[str]:
        return [word for word in words if getattr(self, word) is not None]

    @property
    def begins_off(self) -> bool:
        """True if nothing is given until the rule starts it."""
        return bool(self._written(BEGINS_OFF))

    @property
    def scales(self) -> bool:
        """True if it changes the dose, not only whether it is given."""
        return bool(self._written(SCALING))

    @property
    def parts(self) -> tuple[str, ...]:
        """The recorded name that is looked at, or the two whose ratio is."""
        return ("burden",) if self.measure == DIAMETER else tuple(part.strip() for part in self.measure.split("/"))

    def floors(self, units: Mapping[str, str]) -> tuple[float, ...]:
        """The size below which each of the ``parts`` is nothing, by the ``units`` of what is recorded; 0 for what is per cell,
        which is small by nature."""
        cells = [parse_unit(units[part]).powers[BASE.index("cell")] for part in self.parts]
        return tuple(FLOOR_CELLS if power > 0 else 0.0 if power < 0 else FLOOR for power in cells)

    def numbers(self) -> list[float]:
        """The rule as ``decide`` reads it; a diameter becomes the burden that has it."""

        def threshold(*words: str) -> float:
            value = next((given for word in words if (given := getattr(self, word)) is not None), math.nan)
            if self.measure != DIAMETER:
                return float(value)
            density = math.pi / 6 * CELLS_PER_CUBIC_MILLIMETRE if self.of == "level" else 1.0
            return float(density * value ** GEOMETRIES[self.geometry or ""])

        ends = [threshold("stop_below"), threshold("stop_above")]
        ends += [threshold("resume_below", "start_below"), threshold("resume_above", "start_above")]
        doses = [threshold(word) for word in SCALING]
        by = math.nan if self.by is None else float(self.by)
        begins, first = 0.0 if self.begins_off else 1.0, 1.0 if self.of == "level" else math.nan
        return [float(REFERENCES.index(self.of)), *ends, *doses, by, float(self.least), float(self.most), begins, first]

    def errors(self, count: int) -> NDArray[np.float64]:
        """Factors (count,) between what is measured and what is there, one for each visit."""
        power = GEOMETRIES[self.geometry or ""] if self.measure == DIAMETER else 1.0
        drawn = np.random.default_rng(int(self.seed)).standard_normal(count) if self.error else np.zeros(count)
        return np.exp(power * self.error * drawn)

    def in_words(self) -> str:
        """What the rule does, in one line."""
        against = {"start": "of its first value", "nadir": "of its smallest", "last": "of the visit before", "level": ""}[self.of]
        measured = f"diameter of a {self.geometry}" if self.measure == DIAMETER else self.measure
        said = []
        for word in self._written((*SWITCHING, *SCALING)):
            act, side = word.rsplit("_", 1)
            by = f" by {self.by:g}" if act in ("raise", "lower") else ""
            said.append(f"{act}{by} {'below' if side == 'below' else 'from'} {getattr(self, word):g}")
        about = f", measured with error {self.error:g}" if self.error else ""
        limits = f", between {self.least:g} and {self.most:g} of the dose" if self.scales else ""
        return f"every {self.visit_every:g} d, {measured}: {', '.join(said)} {against}".rstrip() + limits + about


RULE_NUMBERS: Final = {
    item.name: RuleNumber(item.name, **item.metadata) for item in dataclasses.fields(DosingRule) if item.metadata
}
"""The numbers of a rule by name."""


def check_rules(names: Iterable[str], intervention: Intervention, rules: Mapping[str, DosingRule]) -> None:
    """Raises ScheduleError if rules do not exist, or cannot decide on what an intervention does."""
    for name in names:
        if name not in rules:
            raise ScheduleError(unknown("rule", name, rules), key="rules")
        if intervention.multiplies:
            reason = "rules decide on what is added or runs; this takes a share of what is there at once"
            raise ScheduleError(f"`{intervention.name}` takes no rules: {reason}", key="rules")
        if rules[name].scales and not intervention.amount_unit:
            raise ScheduleError(f"`{intervention.name}` is on or off; rule `{name}` has no dose to raise or lower", key="rules")
        if rules[name].scales and not all(_in_proportion(formula) for *_, formula in intervention.formulas()):
            reason = "what is added is not in proportion to its amount"
            raise ScheduleError(f"`{intervention.name}` cannot be raised or lowered by rule `{name}`: {reason}", key="rules")


def _in_proportion(formula: Expression) -> bool:
    """True if twice the amount is twice the value."""
    whole = as_sympy(formula)
    return "amount" not in names_in(derivative(whole, "amount")) and whole.subs(symbol("amount"), 0) == 0
