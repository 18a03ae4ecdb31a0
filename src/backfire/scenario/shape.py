"""The shape of any file of ours: what kind it is, everything wrong with its keys and types, and what it probably means.

Reading goes on behind a mistake, as compilers do: a misspelt key is read as the nearest, an entry that cannot be read
is left out and remembered, so that one look finds the mistakes of shape and those of meaning.
"""

from __future__ import annotations

import contextlib
import copy
import typing
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from backfire.errors import DocumentError, Problem, echo, nearest, unknown
from backfire.scenario.toml import Document

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]
ROUNDS: Final = 6
"""How often a file is read with its mistakes mended before what is left is taken as unreadable."""


class StrictModel(BaseModel):
    """A part of a file in which every key must be known, nothing is read as another type than it is, and texts are plain."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @field_validator("*", mode="after")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """A terminal would do what other characters say, and a reader see another text than there is."""
        if isinstance(value, str) and any(unicodedata.category(letter)[0] == "C" and letter not in "\n\t" for letter in value):
            raise ValueError("has control or direction characters; write plain text")
        return value


@dataclass(frozen=True)
class FileKind:
    """A kind of file: the tables that only it has, and the command that works with it."""

    name: str
    marks: tuple[str, ...]
    command: str

    def __str__(self) -> str:
        """The name as a sentence has it: "an ablation"."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"


SCENARIO: Final = FileKind("scenario", ("mechanisms", "regimens", "rules", "parameters", "switches", "days"), "run")
POPULATION: Final = FileKind("population", ("members", "correlated", "leave_out"), "population")
SWEEP: Final = FileKind("sweep study", ("design", "vary"), "sweep")
CLAIMS: Final = FileKind("file of claims", ("claims",), "claims")
ABLATION: Final = FileKind("ablation", ("feedbacks", "tumours"), "ablation")
TRIAL: Final = FileKind("trial", ("endpoints", "tumours", "follow_up", "visits", "dropout"), "trial")
SENSITIVITY: Final = FileKind("sensitivity study", ("method", "tumours"), "sensitivity")
KINDS: Final = (SCENARIO, POPULATION, SWEEP, CLAIMS, ABLATION, TRIAL, SENSITIVITY)
"""Of kinds with as many marks the first is meant."""


_COMMON: Final = {"method"}
"""Words that too many others are near to."""


def kind_of_document(document: Document) -> FileKind | None:
    """What a file is, by the tables it has, misspelt ones too; None if by nothing."""
    counts = _counts(document)
    if not any(counts.values()):
        return POPULATION if isinstance(document.data.get("scenario"), str) else None
    return max(KINDS, key=lambda kind: counts[kind])


def _counts(document: Document) -> dict[FileKind, int]:
    """How many of its marks a file has of every kind; where it has none of any, how many keys are near one."""
    counts = {kind: sum(key in kind.marks for key in document.data) for kind in KINDS}
    if isinstance(document.data.get("claims"), dict):  # by name, as no file of claims has them
        counts |= {CLAIMS: 0, POPULATION: counts[POPULATION] + 2}
    if not any(counts.values()):
        marks = {mark for kind in KINDS for mark in kind.marks} - _COMMON
        near = [nearest(key, marks) for key in document.data]
        counts = {kind: sum(mark in kind.marks for mark in near) for kind in KINDS}
    return counts


def expect_kind(document: Document, wanted: FileKind) -> None:
    """Raises DocumentError, with the command that is meant, for a file of another kind."""
    kind, counts = kind_of_document(document), _counts(document)
    if kind is not None and counts[wanted] < counts[kind]:
        key = next((key for key in document.data if nearest(key, kind.marks)), "")
        message = f"this is {kind}, not {wanted}; `backfire {kind.command}` reads it"
        raise DocumentError([document.problem((key,), message)])


@dataclass(frozen=True)
class Shape(Generic[Model]):
    """What could be read of a file, or of a part of it.

    ``file`` is None where nothing could; ``document`` is the file as it was probably meant; ``lost`` are the places of
    entries that could not be read and are left out of it.
    """

    file: Model | None
    document: Document
    problems: tuple[Problem, ...] = ()
    lost: frozenset[Path] = frozenset()

    def has_lost(self, *place: str | int) -> bool:
        """True if something at or below ``place``, or the entry it belongs to, could not be read."""
        return any(item[: len(place)] == place[: len(item)] for item in self.lost)


def read_shape(document: Document, model: type[Model], at: Path = (), instead: Mapping[str, Any] | None = None) -> Shape[Model]:
    """The part of a document at ``at`` as ``model`` has it, with every problem of its keys and types.

    ``instead`` are values to go on with where a required one cannot be read.
    """
    whole = copy.deepcopy(document.data) if at == () else _put(document.data, at)
    data = _value(whole, at)
    lines, problems, lost = dict(document.lines), list[Problem](), set[Path]()
    for _ in range(ROUNDS):
        meant = replace(document, data=whole, lines=lines)
        try:
            return Shape(model.model_validate(data), meant, tuple(problems), frozenset(lost))
        except ValidationError as error:
            items = [
                (dict(item), written) for item in error.errors(include_url=False) if (written := (*at, *_written(item["loc"])))
            ]
            new = [pair for pair in items if not any(gone[: len(pair[1])] == pair[1] for gone in lost)]
            problems += _told(new, meant, model, at)
            for item, place in sorted(items, key=lambda pair: pair[0]["type"] != "extra_forbidden"):
                _mend(item, place, data, lines, lost, model, at, instead or {})
    return Shape(None, replace(document, lines=lines), tuple(problems), frozenset(lost))


def _put(data: dict[str, Any], at: Path) -> dict[str, Any]:
    """The data with its part at ``at`` copied, so that it can be mended alone."""
    made: Any = copy.copy(data)
    made[at[0]] = copy.deepcopy(made[at[0]]) if len(at) == 1 else _put(made[at[0]], at[1:])
    return made  # type: ignore[no-any-return]


def _value(data: Any, place: Path) -> Any:
    for part in place:
        data = data[part]
    return data


def _mend(
    item: Mapping[str, Any], place: Path, data: dict[str, Any], lines: dict[tuple[str, ...], int], lost: set[Path],
    model: type[BaseModel], at: Path, instead: Mapping[str, Any],
) -> None:  # fmt: skip
    """Make of one mistake what was probably meant, or leave its entry out."""
    inner = place[len(at) :]
    if not inner:
        lost.add(at)
        return
    try:
        home = _value(data, inner[:-1])
        if item["type"] == "missing" and inner[-1] in home:
            return  # mended already: its key was misspelt
        if item["type"] == "extra_forbidden":
            meant = nearest(str(inner[-1]), keys_at(inner, model))
            if meant is not None and meant not in home:
                home[meant] = home.pop(inner[-1])
                _rename(lines, place, meant)
                return
        if item["type"] == "literal_error":
            meant = nearest(str(item["input"]), _choices(item))
            if meant is not None:
                home[inner[-1]] = meant
                return
    except (KeyError, TypeError, IndexError):
        pass  # its entry is left out already
    entry = _entry(inner, model)
    if len(entry) == 1 and entry[0] in instead:
        data[str(entry[0])] = instead[str(entry[0])]
    else:
        _leave_out(data, entry)
    lost.add((*at, *entry))


def _entry(place: Path, model: type[BaseModel]) -> Path:
    """The entry that a place belongs to: what can be left out without making its surroundings wrong."""
    kept, known = 1, model.model_fields.get(str(place[0]))
    annotation = known.annotation if known else None
    while typing.get_origin(annotation) is dict and kept < len(place):
        kept, annotation = kept + 1, typing.get_args(annotation)[1]
    return place[:kept]


def _leave_out(data: Any, entry: Path) -> None:
    with contextlib.suppress(KeyError, TypeError, IndexError):
        del _value(data, entry[:-1])[entry[-1]]


def _rename(lines: dict[tuple[str, ...], int], place: Path, name: str) -> None:
    """Find what stands below a misspelt key under its right name."""
    old = tuple(str(part) for part in place)
    for path, line in list(lines.items()):
        if path[: len(old)] == old:
            lines[(*old[:-1], name, *path[len(old) :])] = line


def _told(
    items: Sequence[tuple[dict[str, Any], Path]], document: Document, model: type[BaseModel], at: Path
) -> Iterator[Problem]:
    """pydantic's complaints as ours: with line, what was given, what is allowed and the nearest name."""
    # a misspelt required key is one mistake, not an unknown key and a missing one
    misspelt = {
        (*place[:-1], nearest(str(place[-1]), keys_at(place, model)))
        for item, place in items
        if item["type"] == "extra_forbidden"
    }
    for item, place in items:
        if item["type"] != "missing":
            yield document.problem(place, _sentence(item, place, model, at) + _hint(item, document.origin(place) is None))
        elif place not in misspelt:
            yield document.problem(place[:-1] or place, _sentence(item, place, model, at))


def _written(place: Path) -> Path:
    """A place as users know it, without the branch of `parameters` that pydantic names in third position."""
    return place[:2] + place[3:] if place and place[0] == "parameters" and len(place) > 2 else place


def keys_at(place: Path, model: type[BaseModel]) -> list[str]:
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


def _choices(item: Mapping[str, Any]) -> list[str]:
    """The words that a choice allows."""
    return str(item["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")


def _sentence(item: Mapping[str, Any], place: Path, model: type[BaseModel], at: Path) -> str:
    given, kind = item["input"], item["type"]
    last = str(place[-1]) if place else ""
    if not at and len(place) == 2 and last in model.model_fields and place[0] in model.model_fields:
        return unknown_key(last, place, model)
    match kind:
        case "extra_forbidden":
            return unknown_key(last, place, model, at)
        case "missing":
            return f"`{last}` is missing; it is required"
        case "value_error":
            return f"{item['ctx']['error']}, got {echo(given)}"
        case "finite_number":
            return f"must be a finite number, got {echo(given)}"
        case "literal_error":
            allowed = str(item["ctx"]["expected"]).replace("'", "`")
            close = nearest(str(given), _choices(item))
            return f"must be {allowed}, got `{echo(given)}`" + (f"; did you mean `{close}`?" if close else "")
        case _ if kind.endswith("_type"):
            wanted = _KINDS.get(kind, kind.removesuffix("_type"))
            shown = f'"{echo(given)}"' if isinstance(given, str) else echo(given)
            return f"must be {wanted}, got {_kind_of(given)} {shown}"
        case _:
            return f"{item['msg'][0].lower()}{item['msg'][1:]}, got {echo(given)}"


def _hint(item: Mapping[str, Any], in_file: bool) -> str:
    """What to do about a number in quotes, which only a file can have."""
    wanted = _KINDS.get(item["type"]) == "a number" and isinstance(item["input"], str) and in_file
    return "; write numbers without quotes" if wanted else ""


_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "string_type": "text in quotes",
    "list_type": "a list in [ ]",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table in { }",
    "model_attributes_type": "a table in { }",
}


def _kind_of(given: object) -> str:
    names = {bool: "true/false", str: "text", int: "number", float: "number", list: "list", dict: "table"}
    return names.get(type(given), type(given).__name__)


def unknown_key(key: str, place: Path, model: type[BaseModel], at: Path = ()) -> str:
    """The sentence for a key that has no business where it stands, with a hint if it belongs elsewhere."""
    allowed = keys_at(place, model)
    if not at and len(place) > 1 and key in model.model_fields:
        return f"`{key}` belongs at the top of the file, above the first [table]; here it is read as part of [{place[0]}]"
    if nearest(key, allowed) is None and len(place) == 1:
        homes = [name for name, item in model.model_fields.items() if _has(_models(item.annotation), key)]
        if homes:
            return f"unknown key `{echo(key)}`; it belongs below [{homes[0]}]"
    return unknown("key", key, allowed)


def _has(models: Iterable[type[BaseModel]], key: str) -> bool:
    return any(key in inner.model_fields for inner in models)
