"""How inputs vary, as a table ``vary`` of a file says it: distributions by dotted names, or ``false`` for not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter

from backfire.errors import Problem, UserError, unknown
from backfire.sampling import WIDE, Beta, Classes, Distribution, LogNormal, LogUniform, Uniform
from backfire.scenario import Document, Input, Number, StrictModel, dotted, read_shape


class DistributionEntry(StrictModel):
    """How one input varies: evenly between `low` and `high`, evenly in the logarithm, or as the further words say."""

    low: Number | None = Field(None, description="lowest value; that of the plausible range if left out")
    high: Number | None = Field(None, description="highest value; that of the plausible range if left out")
    scale: Literal["linear", "log"] | None = Field(None, description="the logarithm beyond a factor of ten if left out")
    median: Number | None = Field(None, description="of a log-normal distribution, cut off at low and high")
    spread: Number | None = Field(None, description="the factor that is one standard deviation of a log-normal distribution")
    alpha: Number | None = Field(None, description="first exponent of a beta distribution from low to high")
    beta: Number | None = Field(None, description="second exponent of a beta distribution from low to high")
    values: list[Number] | None = Field(None, description="the values of classes, rising")
    shares: list[Number] | None = Field(None, description="the share of each class; together 1")


class _Entries:
    """What the JSON Schema says of values that are read one by one."""

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(TypeAdapter(dict[str, DistributionEntry | Literal[False]]).core_schema)


Varying = Annotated[dict[str, Any], _Entries()]
"""A table of inputs; ``distributions`` reads what stands in it, so that its problems carry the names that a user wrote."""


def distributions(
    document: Document, known: Mapping[str, Input], given: Mapping[str, Any], at: tuple[str, ...]
) -> tuple[dict[str, Distribution | None], list[Problem]]:
    """How each input of a table at ``at`` varies, None where it does not; and all that is wrong with the table."""
    found, problems = dict[str, Distribution | None](), list[Problem]()
    for name, place, entry in dotted(given, at, entries=True):
        if name not in known:
            problems.append(document.problem(place, unknown("parameter or influence", name, known)))
        elif entry is False:
            found[name] = None
        elif not isinstance(entry, dict):
            said = "is written { low = 1, high = 4 }, { median = 2, spread = 1.5 }, or false"
            problems.append(document.problem(place, said))
        else:
            shape = read_shape(document, DistributionEntry, place)
            problems += shape.problems
            try:
                if shape.file is not None and not shape.lost:
                    found[name] = distribution_of(known[name], shape.file)
            except UserError as error:
                problems.append(document.problem(place, str(error)))
    return found, problems


_WORDS: Final = {
    "uniform": {"low", "high", "scale"},
    "lognormal": {"low", "high", "median", "spread"},
    "beta": {"low", "high", "alpha", "beta"},
    "classes": {"values", "shares"},
}
"""Which words of an entry go together."""


def distribution_of(item: Input, entry: DistributionEntry) -> Distribution:
    """How an input varies, as an entry says, in its plausible range where that does not say; raises UserError."""
    given = entry.model_fields_set
    kind = next((kind for kind, words in _WORDS.items() if kind != "uniform" and given & (words - {"low", "high"})), "uniform")
    if strange := given - _WORDS[kind]:
        raise UserError(f"has {', '.join(sorted(strange))} beside {', '.join(sorted(given - strange))}, which do not go together")
    if missing := (_WORDS[kind] - {"low", "high", "scale"}) - given:
        raise UserError(f"needs {', '.join(sorted(missing))} too")
    if item.whole:
        raise UserError("counts whole doses; make an arm of each number instead")
    made = _made(kind, item, entry)
    for value in entry.values or (made.low, made.high):
        if item.kind != "regimen" and (said := item.problem_with(value)):
            raise UserError(said)
    return made


def _made(kind: str, item: Input, entry: DistributionEntry) -> Distribution:
    if kind == "classes":
        return Classes(values=tuple(map(float, entry.values or ())), shares=tuple(map(float, entry.shares or ())))
    low, high = (own if own is not None else usual for own, usual in ((entry.low, item.low), (entry.high, item.high)))
    if math.isnan(low + high):
        raise UserError("needs low and high: only parameters and switches have a range of their own")
    if not low < high:
        raise UserError(f"goes from low = {low:g} to high = {high:g}; low must be below high")
    if kind == "lognormal":
        return LogNormal(low, high, float(entry.median or 0), float(entry.spread or 0))
    if kind == "beta":
        return Beta(low, high, float(entry.alpha or 0), float(entry.beta or 0))
    scale = entry.scale or ("log" if low > 0 and high / low > WIDE else "linear")
    return (LogUniform if scale == "log" else Uniform)(low, high)
