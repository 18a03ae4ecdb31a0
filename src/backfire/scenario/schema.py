"""The shape of a scenario file, as pydantic models: types, required keys, and the JSON Schema for editors.

What needs the composed model (does this parameter exist? does this dose fit?) is checked in ``scenario``.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Final
from weakref import WeakKeyDictionary

from pydantic import BaseModel, Discriminator, Field, Tag, create_model

from backfire.errors import DeclarationError, ScheduleError
from backfire.model import (
    ARTICLES,
    GRADES,
    LONGEST_NAME,
    MOST_DOSES,
    REGIMEN_NUMBERS,
    RULE_NUMBERS,
    DosingRule,
    Mechanism,
    Regimen,
    RegimenNumber,
    as_written,
)
from backfire.outcomes import Rules
from backfire.scenario.library import OwnMechanisms, library_of
from backfire.scenario.shape import StrictModel

OURS = "ours"
"""The word for scenarios that no article describes."""

GUESSED: Final = "assumed"
"""The grade of a value whose source nobody gives."""

Number = Annotated[float, Field(allow_inf_nan=False)]


class ParameterEntry(StrictModel):
    """A parameter with what is known of it; a plain number is allowed too."""

    value: Number = Field(description="the value, in `unit`")
    unit: str | None = Field(default=None, description="unit of the value, if not the parameter's own; 1/hour is converted")
    range: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="plausible range [low, high], in `unit`"
    )
    source: str | None = Field(default=None, min_length=1, description="where the value comes from")
    grade: str = Field(
        default=GUESSED, json_schema_extra={"enum": [*GRADES]}, description=f"how far to trust it: {', '.join(GRADES)}"
    )


def _is_entry(value: object) -> str:
    return "entry" if isinstance(value, dict | ParameterEntry) else "number"


PlainOrEntry = Annotated[Annotated[Number, Tag("number")] | Annotated[ParameterEntry, Tag("entry")], Discriminator(_is_entry)]


def _number_field(number: RegimenNumber) -> tuple[Any, Any]:
    """Type and field of a number of a regimen, as its declaration says."""
    item = next(item for item in dataclasses.fields(Regimen) if item.name == number.name)
    least: dict[str, Any] = (
        {"json_schema_extra": {"minimum": 1 if number.whole else 0}} if number.name in ("start", "count") else {}
    )
    about = number.meaning.replace(" of {}", "") + (", in EC50" if number.name == "amount" else "")
    kind: Any = int if number.whole else Number
    default = ... if item.default is dataclasses.MISSING else item.default
    return kind, Field(default, description=about, **least)


_RegimenNumbers = create_model(
    "_RegimenNumbers", __base__=StrictModel, **{name: _number_field(item) for name, item in REGIMEN_NUMBERS.items()}
)  # type: ignore[call-overload]


_REPEATED: Final = {"every": "count", "cycle_length": "cycles"}
"""Days between → how many."""


class RegimenEntry(_RegimenNumbers):  # type: ignore[misc, valid-type]
    """How one agent is given. Days and amounts; see `amount`, `start`, `every`, `count`."""

    agent: str | None = Field(None, description="the agent, or `surgery`; the name of the regimen if left out")
    until: Number | None = Field(
        None,
        description="day after which nothing is given, in place of `count` (with `every`), of `cycles` (with `cycle_length`), "
        "or of the `duration` of the only dose",
    )
    rules: list[str] = Field([], description="names of the rules that decide, at visits, what is given of it")

    def regimen(self, name: str) -> Regimen:
        """The regimen this entry describes; raises ScheduleError if it cannot be given."""
        written = self.model_fields_set
        open_ended = [gap for gap, times in _REPEATED.items() if gap in written and times not in written]
        numbers = self.model_dump(exclude={"agent", "until", "rules"})
        if self.until is not None:
            numbers |= self._until(self.until, open_ended)
        elif open_ended:
            gap = open_ended[0]
            raise ScheduleError(f"`{gap}` says how far apart, but neither `{_REPEATED[gap]}` nor `until` says how many")
        return Regimen(name=name, agent=self.agent or name, rules=tuple(self.rules), **numbers)

    def _until(self, last: float, open_ended: Sequence[str]) -> dict[str, float | int]:
        """What `until` stands for: the number of doses or of cycles, or the length of the only dose."""
        room, block = as_written(last) - as_written(self.start), as_written(self.duration)
        if len(open_ended) > 1:
            raise ScheduleError("`until` ends the doses or the cycles, not both; give `count`, the doses of one cycle")
        if not open_ended:
            if "duration" in self.model_fields_set or self.count * self.cycles > 1:
                raise ScheduleError("`until` stands in place of `count`, `cycles` or `duration`; leave out what it replaces")
            if room <= 0:
                raise ScheduleError(f"`until` is day {last:g}, and `start` is day {self.start:g}")
            return {"duration": float(room)}
        gap = open_ended[0]
        times, step = _REPEATED[gap], as_written(getattr(self, gap))
        if gap == "cycle_length":
            block += (self.count - 1) * as_written(self.every)
        if step <= 0:
            raise ScheduleError(f"`{gap}` is {float(step):g}; `until` needs days between one and the next, above 0")
        if room < block:
            raise ScheduleError(f"`until` is day {last:g}, and the first ends on day {self.start + float(block):g}")
        more, left = divmod(room - block, step) if room < MOST_DOSES * step else (MOST_DOSES, 0)  # refused as too many
        # what would begin as `until` ends is not begun, except for a bolus, which takes no time
        if block and (left + block > step or (left + block == step and not self.duration)):
            cut = as_written(self.start) + (more + 1) * step
            before, after = float(cut - step + block), float(cut + block)
            raise ScheduleError(f"`until` day {last:g} cuts what starts on day {float(cut):g}; give day {before:g} or {after:g}")
        return {times: int(more) + 1}


def _rule_field(name: str) -> tuple[Any, Any]:
    """Type and field of something that a rule has, as its declaration says."""
    item = next(item for item in dataclasses.fields(DosingRule) if item.name == name)
    about = RULE_NUMBERS[name].meaning if name in RULE_NUMBERS else _RULE_WORDS[name]
    kind: Any = str if name in _RULE_WORDS else int if RULE_NUMBERS[name].whole else Number
    return (kind if item.default is not None else kind | None), Field(
        ... if item.default is dataclasses.MISSING else item.default, description=about
    )


_RULE_WORDS: Final = {
    "measure": "what is measured: a recorded name, a ratio `a / b` of two, or `diameter`, which needs a `geometry`",
    "geometry": "shape of the tumour whose diameter is measured: `sphere` or `disc`",
    "of": "what thresholds are shares of: `start`, `nadir`, `last`; or `level`: they are values themselves",
}
_RuleEntry = create_model(
    "_RuleEntry",
    __base__=StrictModel,
    **{item.name: _rule_field(item.name) for item in dataclasses.fields(DosingRule) if item.name != "name"},
)  # type: ignore[call-overload]


class RuleEntry(_RuleEntry):  # type: ignore[misc, valid-type]
    """A rule by which regimens react: at visits something is measured, and what is given next follows."""

    def rule(self, name: str) -> DosingRule:
        """The rule this entry describes; raises ScheduleError if it says nothing, or contradicts itself."""
        return DosingRule(name=name, **self.model_dump())


RulesEntry = create_model(
    "RulesEntry",
    __base__=StrictModel,
    __doc__="Thresholds behind the outcomes.",
    **{item.name: (Number, item.default) for item in dataclasses.fields(Rules) if isinstance(item.default, float)},
    progression_from=(str, "nadir"),
    progression_level=(Number | None, Field(None, description="a burden that counts as progression, in its unit")),
    since=(Number | None, Field(None, alias="from", description="the day from which times count")),
)  # type: ignore[call-overload]


class ScenarioFile(StrictModel):
    """A backfire scenario: mechanisms, parameters, regimens and arms. Illustrative, not clinically calibrated."""

    title: str = Field(min_length=1, max_length=200, description="one sentence that says what the scenario shows")
    article: str = Field(
        OURS,
        json_schema_extra={"enum": [*ARTICLES, OURS]},
        description=f"the article it belongs to ({', '.join(ARTICLES)}) or {OURS}",
    )
    note: str = Field("", max_length=2000, description="what a reader should know before trusting it")
    days: Annotated[Number, Field(gt=0, le=36500)] = Field(description="length of the simulation in days")
    record_every: Annotated[Number, Field(gt=0, le=0.5)] = Field(0.5, description="days between recorded values, at most 0.5")
    reference: str | None = Field(None, description="the arm that others are compared with, besides untreated")
    mechanisms_from: list[str] = Field([], description="Python files with mechanisms of your own, beside this file")
    expected_idle: list[str] = Field(
        [], description="regimens, agents or switches that are meant to change nothing, as in a control"
    )
    show: list[str] = Field([], description="recorded names whose course the figure draws, in place of those that change most")
    mechanisms: dict[str, dict[str, Any]] = Field(min_length=1, description="the pieces of biology and their options")
    parameters: dict[str, PlainOrEntry] = Field({}, description="values that differ from the defaults")
    switches: dict[str, dict[str, Annotated[Number, Field(ge=0, le=1)]]] = Field(
        {}, description="influences turned down: mechanism.influence = 0 … 1"
    )
    counted: dict[str, bool] = Field(
        {}, description="states in cells of which less than one is none (true), or that may be any share of one (false)"
    )
    rules: dict[str, RuleEntry] = Field({}, description="rules by which regimens react to what is measured")
    regimens: dict[str, RegimenEntry] = Field({}, description="how agents are given")
    arms: dict[str, list[str]] = Field(min_length=1, description="arms of the study: lists of regimens, [] is untreated")
    outcomes: RulesEntry = Field(RulesEntry(), description="thresholds behind the outcomes")  # type: ignore[valid-type]


_MODELS: Final[WeakKeyDictionary[type[Mechanism], type[BaseModel]]] = WeakKeyDictionary()
"""What ``options_model`` has made: a scenario is built anew for every change of its values."""


def options_model(mechanism: type[Mechanism]) -> type[BaseModel]:
    """The pydantic model of a mechanism's options, made once from its dataclass fields."""
    if mechanism not in _MODELS:
        _MODELS[mechanism] = _options_model(mechanism)
    return _MODELS[mechanism]


def _options_model(mechanism: type[Mechanism]) -> type[BaseModel]:
    hints = typing.get_type_hints(mechanism)
    fields: dict[str, Any] = {"mechanism": (str | None, Field(None, description="kind, if the label is another name"))}
    for item in dataclasses.fields(mechanism):  # type: ignore[arg-type]
        if "meaning" not in item.metadata:
            raise DeclarationError(f"mechanism `{mechanism.label}`: declare its field `{item.name}` with backfire.option(…)")
        kind = hints[item.name]
        if kind == tuple[str, ...]:
            kind = Annotated[list[str], Field(min_length=0 if item.default == () else 1)]
        given = {"description": item.metadata["meaning"], "examples": [item.metadata["example"]]}
        default = ... if item.default is dataclasses.MISSING else item.default
        fields[item.name] = (kind, Field(list(default) if isinstance(default, tuple) else default, **given))
    return create_model(f"{mechanism.label}_options", __base__=StrictModel, __doc__=mechanism.summary(), **fields)


def is_name_option(mechanism: type[Mechanism], option: str) -> bool:
    """True for options that hold names (text or lists of text), false for choices, numbers and switches."""
    return typing.get_type_hints(mechanism).get(option) in (str, tuple[str, ...])


def json_schema(mechanisms: OwnMechanisms = ()) -> dict[str, Any]:
    """The JSON Schema of scenario files, with the options of every shipped mechanism, and of ``mechanisms`` of yours."""
    schema = ScenarioFile.model_json_schema()
    named = {label: options_model(kind).model_json_schema() for label, kind in library_of(mechanisms).known.items()}
    schema["properties"]["mechanisms"] = {
        "type": "object",
        "description": "the pieces of biology and their options, by label",
        "properties": named,
        "additionalProperties": {"type": "object", "required": ["mechanism"], "properties": {"mechanism": {"enum": [*named]}}},
    }
    schema["properties"]["parameters"]["propertyNames"] = {"maxLength": LONGEST_NAME}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
