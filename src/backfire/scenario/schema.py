"""The shape of a scenario file, as pydantic models: types, required keys, and the JSON Schema for editors.

What needs the composed model (does this parameter exist? does this dose fit?) is checked in ``scenario``.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, create_model

from backfire.errors import DeclarationError, Problem, ScheduleError, echo, nearest, unknown
from backfire.mechanisms import shipped
from backfire.model import ARTICLES, GRADES, LONGEST_NAME, REGIMEN_NUMBERS, Mechanism, Regimen, RegimenNumber, as_written
from backfire.outcomes import Rules
from backfire.scenario.toml import Document

OURS = "ours"
"""The word for scenarios that no article describes."""

Number = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ParameterEntry(_Strict):
    """A parameter with its source; a plain number is allowed too."""

    value: Number = Field(description="the value, in `unit`")
    unit: str | None = Field(default=None, description="unit of the value, if not the parameter's own; 1/hour is converted")
    range: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="plausible range [low, high], in `unit`"
    )
    source: str = Field(min_length=1, description="where the value comes from")
    grade: str = Field(json_schema_extra={"enum": [*GRADES]}, description=f"how far to trust it: {', '.join(GRADES)}")


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
    "_RegimenNumbers", __base__=_Strict, **{name: _number_field(item) for name, item in REGIMEN_NUMBERS.items()}
)  # type: ignore[call-overload]


class RegimenEntry(_RegimenNumbers):  # type: ignore[misc, valid-type]
    """How one agent is given. Days and amounts; see `amount`, `start`, `every`, `count`."""

    agent: str | None = Field(None, description="the agent, or `surgery`; the name of the regimen if left out")

    until: Number | None = Field(None, description="day on which the only dose ends, in place of `duration`")

    def regimen(self, name: str) -> Regimen:
        """The regimen this entry describes; raises ScheduleError if it cannot be given."""
        written = self.model_fields_set
        for times, gap in (("count", "every"), ("cycles", "cycle_length")):
            if gap in written and times not in written:
                raise ScheduleError(f"`{gap}` says how far apart, but `{times}` does not say how many")
        numbers = self.model_dump(exclude={"agent", "until"})
        if self.until is not None:
            if "duration" in written or self.count * self.cycles > 1:
                raise ScheduleError("`until` stands in place of `duration`, and for one dose only")
            numbers["duration"] = float(as_written(self.until) - as_written(self.start))
            if numbers["duration"] <= 0:
                raise ScheduleError(f"`until` is day {self.until:g}, and `start` is day {self.start:g}")
        return Regimen(name=name, agent=self.agent or name, **numbers)


RulesEntry = create_model(
    "RulesEntry",
    __base__=_Strict,
    __doc__="Thresholds behind the outcomes.",
    **{item.name: (Number, item.default) for item in dataclasses.fields(Rules) if isinstance(item.default, float)},
    progression_from=(str, "nadir"),
    since=(Number | None, Field(None, alias="from", description="the day from which times count")),
)  # type: ignore[call-overload]


class ScenarioFile(_Strict):
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
    show: list[str] = Field([], description="recorded names whose course the figure draws, in place of those that change most")
    mechanisms: dict[str, dict[str, Any]] = Field(min_length=1, description="the pieces of biology and their options")
    parameters: dict[str, PlainOrEntry] = Field({}, description="values that differ from the defaults")
    switches: dict[str, dict[str, Annotated[Number, Field(ge=0, le=1)]]] = Field(
        {}, description="influences turned down: mechanism.influence = 0 … 1"
    )
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
    return create_model(f"{mechanism.label}_options", __base__=_Strict, __doc__=mechanism.summary(), **fields)


def is_name_option(mechanism: type[Mechanism], option: str) -> bool:
    """True for options that hold names (text or lists of text), false for choices, numbers and switches."""
    return typing.get_type_hints(mechanism).get(option) in (str, tuple[str, ...])


def json_schema() -> dict[str, Any]:
    """The JSON Schema of scenario files, with the options of every shipped mechanism."""
    schema = ScenarioFile.model_json_schema()
    named = {label: options_model(kind).model_json_schema() for label, kind in shipped().items()}
    schema["properties"]["mechanisms"] = {
        "type": "object",
        "description": "the pieces of biology and their options, by label",
        "properties": named,
        "additionalProperties": {"type": "object", "required": ["mechanism"], "properties": {"mechanism": {"enum": [*named]}}},
    }
    schema["properties"]["parameters"]["propertyNames"] = {"maxLength": LONGEST_NAME}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def problems_of(
    error: ValidationError, document: Document, model: type[BaseModel], at: tuple[str, ...] = ()
) -> Iterator[Problem]:
    """pydantic's complaints as ours: with line, what was given, what is allowed and the nearest name."""
    items = [(dict(item), (*at, *_written(item["loc"]))) for item in error.errors(include_url=False)]
    # a misspelt required key is one mistake, not an unknown key and a missing one
    misspelt = {
        (*place[:-1], nearest(str(place[-1]), keys_at(place, model)))
        for item, place in items
        if item["type"] == "extra_forbidden"
    }
    for item, place in items:
        if item["type"] != "missing":
            yield document.problem(place, _sentence(item, place, model))
        elif place not in misspelt:
            yield document.problem(place[:-1] or place, _sentence(item, place, model))


def _written(place: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A place as users know it, without the branch of `parameters` that pydantic names in third position."""
    return place[:2] + place[3:] if place[0] == "parameters" and len(place) > 2 else place


def keys_at(place: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    """The keys that are allowed where ``place`` stands."""
    inner = model
    for part in place[:-1]:
        if part in inner.model_fields:
            inner = next(_models(inner.model_fields[str(part)].annotation), inner)
    return [item.alias or name for name, item in inner.model_fields.items()]


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models inside a type such as ``dict[str, RegimenEntry]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)


def _sentence(item: Mapping[str, Any], place: tuple[str | int, ...], model: type[BaseModel]) -> str:
    given, kind, context = item["input"], item["type"], item.get("ctx", {})
    last = str(place[-1]) if place else ""
    if len(place) == 2 and last in ScenarioFile.model_fields and place[0] in ScenarioFile.model_fields:
        return unknown_key(last, place, model)
    match kind:
        case "extra_forbidden":
            return unknown_key(last, place, model)
        case "missing":
            return f"`{last}` is missing; it is required"
        case "finite_number":
            return f"must be a finite number, got {echo(given)}"
        case "literal_error":
            allowed = str(context["expected"]).replace("'", "`")
            close = nearest(str(given), str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", "))
            return f"must be {allowed}, got `{echo(given)}`" + (f"; did you mean `{close}`?" if close else "")
        case _ if kind.endswith("_type"):
            wanted = _KINDS.get(kind, kind.removesuffix("_type"))
            shown = f'"{echo(given)}"' if isinstance(given, str) else echo(given)
            hint = "; write numbers without quotes" if isinstance(given, str) and wanted == "a number" else ""
            return f"must be {wanted}, got {_kind_of(given)} {shown}{hint}"
        case _:
            return f"{item['msg'][0].lower()}{item['msg'][1:]}, got {echo(given)}"


_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text in quotes",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table in { }",
    "model_attributes_type": "a table in { }",
}


def _kind_of(given: object) -> str:
    names = {bool: "true/false", str: "text", int: "number", float: "number", list: "list", dict: "table"}
    return names.get(type(given), type(given).__name__)


_TABLES: dict[str, type[BaseModel]] = {"regimens": RegimenEntry, "parameters": ParameterEntry, "outcomes": RulesEntry}


def unknown_key(key: str, place: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """The sentence for a key that has no business where it stands, with a hint if it belongs elsewhere."""
    allowed = keys_at(place, model)
    if len(place) > 1 and key in ScenarioFile.model_fields:
        return f"`{key}` belongs at the top of the file, above the first [table]; here it is read as part of [{place[0]}]"
    if nearest(key, allowed) is None and len(place) == 1:
        homes = [table for table, entry in _TABLES.items() if key in entry.model_fields]
        if homes:
            return f"unknown key `{echo(key)}`; it belongs below [{homes[0]}]"
    return unknown("key", key, allowed)
