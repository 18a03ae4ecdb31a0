"""Sweep studies: which scenario, which fields vary how, which arms and outcomes. One TOML file a biologist can read.

    title    = "How much drug, if damaged stroma shields the tumour?"
    scenario = "wnt16b-stroma"
    arms     = ["monotherapy", "combination"]
    outcomes = ["final_burden", "peak(wnt16b)"]

    [design]
    kind = "grid"

    [vary]
    mitoxantrone.amount    = { low = 0.5, high = 16, points = 25, scale = "log" }
    stroma.protects_kill   = { values = [0, 0.5, 1] }

All problems of a file are collected and raised together, each with line, key and the nearest right name.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backfire.errors import DocumentError, Problem, UserError, echo, unknown
from backfire.outcomes import parse_summary
from backfire.sampling import Axis, Design, Grid, LatinHypercube, Morris, Sobol, Table, designs
from backfire.scenario import (
    Document,
    Input,
    Number,
    Scenario,
    check_folder_name,
    find_inputs,
    load,
    parse_document,
    problems_of,
    read_document,
)
from backfire.simulation import outcome_names
from backfire.sweeps.store import Recording
from backfire.system import shipped_folder

if TYPE_CHECKING:
    from backfire.model import Mechanism

LARGEST_TABLE = 1 << 27
ARMS_BY_DEFAULT = 4
"""How many arms a projection assumes before the scenario has been read."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class AxisEntry(_Strict):
    """How one field varies: between `low` and `high`, or over listed `values`."""

    low: Number | None = Field(None, description="lowest value; the parameter's plausible range if left out")
    high: Number | None = Field(None, description="highest value; the parameter's plausible range if left out")
    points: int | None = Field(None, description="grid only: how many values from low to high")
    scale: Literal["linear", "log"] = Field("linear", description="even steps, or even steps of the logarithm")
    values: Annotated[list[Number], Field(min_length=1)] | None = Field(None, description="the values themselves")


class DesignEntry(_Strict):
    """How members are chosen."""

    kind: Literal["grid", "sobol", "latin-hypercube", "morris", "table"] = Field(description="how members are chosen")
    members: Annotated[int, Field(ge=1)] | None = Field(None, description="sobol, latin-hypercube: how many")
    trajectories: Annotated[int, Field(ge=1)] | None = Field(None, description="morris: how many trajectories")
    levels: int | None = Field(None, description="morris: levels of every field, an even number; 4 if left out")
    seed: Annotated[int, Field(ge=0)] | None = Field(None, description="another number gives another sample; 0 if left out")
    file: str | None = Field(None, description="table: a CSV file with a column for every field, beside the study file")


class TrajectoriesEntry(_Strict):
    """Store states over time too, not only outcomes."""

    every: Number = Field(description="days between stored rows")
    arms: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="of these arms; of all if left out")


class SweepFile(_Strict):
    """A backfire sweep: one scenario, many members. Illustrative, not clinically calibrated."""

    title: str = Field(min_length=1, max_length=200, description="one sentence that says what is asked")
    note: str = Field("", max_length=2000, description="what a reader should know before trusting it")
    scenario: str = Field(min_length=1, description="a shipped scenario, or a file beside the study file")
    arms: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="arms to run; all if left out")
    outcomes: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="outcomes to keep; all if left out")
    design: DesignEntry = Field(description="how members are chosen")
    trajectories: TrajectoriesEntry | None = Field(None, description="store states over time too")
    set: dict[str, Any] = Field({}, description="values of the scenario changed for every member, `days` too")
    vary: dict[str, Any] = Field({}, description="the fields that vary: parameters, switches, numbers of regimens")


_NEEDS = {
    "grid": (),
    "sobol": ("members",),
    "latin-hypercube": ("members",),
    "morris": ("trajectories",),
    "table": ("file",),
}
_MAY = {"grid": (), "sobol": ("seed",), "latin-hypercube": ("seed",), "morris": ("seed", "levels"), "table": ()}


@dataclass(frozen=True, eq=False)
class SweepStudy:
    """A study that can be swept. Made by ``load_sweep`` or ``parse_sweep``, or built in Python.

    ``outcomes`` of None are all outcomes that the arms have. ``recording`` says which trajectories are stored, if any.
    ``text`` is the file it came from, ``table`` the CSV.
    """

    name: str
    title: str
    scenario: Scenario
    design: Design
    arms: tuple[str, ...]
    outcomes: tuple[str, ...] | None = None
    note: str = ""
    text: str = ""
    table: str = ""
    recording: Recording | None = None

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        for arm in self.arms:
            if arm not in self.scenario.arms:
                raise UserError(unknown("arm", arm, self.scenario.arms))
        find_inputs(self.scenario.inputs, self.design.fields)

    def recorded(self, every: float, arms: Sequence[str] | None = None) -> SweepStudy:
        """The study with trajectories stored every so many days, of all its arms or some; raises UserError if it cannot."""
        chosen = arms or (self.recording.arms if self.recording else self.arms)
        return dataclasses.replace(self, recording=_recording(self.scenario, self.arms, self.design.members, every, chosen))


def _recording(scenario: Scenario, known: Sequence[str], members: int, every: float, arms: Sequence[str]) -> Recording:
    for arm in arms:
        if arm not in known:
            raise UserError(unknown("arm of this study", arm, known))
    states = scenario.network.states
    names, units = tuple(state.name for state in states), tuple(state.unit for state in states)
    made = Recording(float(every), float(scenario.days), tuple(arm for arm in known if arm in arms), names, units)
    if problem := made.size_problem(members):
        raise UserError(problem)
    return made


def shipped_sweeps() -> dict[str, Path]:
    """Shipped sweep studies by name, sorted."""
    return {path.stem: path for path in sorted((shipped_folder("configs") / "sweeps").glob("*.toml"))}


def load_sweep(source: str | Path, mechanisms: Iterable[type[Mechanism]] = ()) -> SweepStudy:
    """A sweep study by path or by shipped name; ``mechanisms`` are classes of yours that its scenario uses.

    Raises DocumentError with every problem of the file, among them a design too large to run.
    """
    known = shipped_sweeps()
    path = known[str(source)] if str(source) in known and not os.path.isfile(source) else Path(source)
    if not os.path.exists(path) and path.suffix != ".toml" and "/" not in str(source):
        raise DocumentError([Problem(echo(source), 0, "", unknown("sweep study", str(source), known))])
    document = read_document(path)
    return _Reader(document, path.stem, path.parent, tuple(mechanisms)).study(path.read_text(encoding="utf-8-sig"))


def parse_sweep(
    text: str, name: str = "sweep", folder: Path | str = ".", mechanisms: Iterable[type[Mechanism]] = ()
) -> SweepStudy:
    """A sweep study from TOML text; files it names are looked for in ``folder``. Otherwise like ``load_sweep``."""
    return _Reader(parse_document(text, name), name, Path(folder), tuple(mechanisms)).study(text)


class _Reader:
    """Checks everything that the shape of a file alone does not show."""

    def __init__(self, document: Document, name: str, folder: Path, mechanisms: tuple[type[Mechanism], ...]) -> None:
        check_folder_name(name)
        self.document, self.name, self.folder, self.mechanisms = document, name, folder, mechanisms
        self.problems: list[Problem] = []
        self.table = ""

    def add(self, path: Sequence[str], message: object) -> None:
        self.problems.append(self.document.problem(path, str(message)))

    def stop_if_wrong(self) -> None:
        if self.problems:
            raise DocumentError(self.problems)

    def study(self, text: str) -> SweepStudy:
        try:
            file = SweepFile.model_validate(self.document.data)
        except ValidationError as error:
            raise DocumentError(problems_of(error, self.document, SweepFile)) from None
        paths = {".".join(path[1:]): path for path, _ in _leaves(file.vary, ("vary",))}
        entries = dict(self._entries(file))
        self._words(file, entries)
        self._size(file, entries)
        self.stop_if_wrong()
        rows = self._rows(file, paths) if file.design.kind == "table" else None
        scenario = self._scenario(file)
        self._fields(scenario, rows[0] if rows else entries, paths)
        self._arms(file, scenario)
        self.stop_if_wrong()
        axes = rows[1].axes if rows else tuple(self._axes(scenario, entries, paths))
        self.stop_if_wrong()
        design = rows[1] if rows else self._design(file.design, axes)
        arms = tuple(file.arms or scenario.arms)
        self._outcomes(file, scenario, arms)
        self.stop_if_wrong()
        outcomes = None if file.outcomes is None else tuple(file.outcomes)
        study = SweepStudy(self.name, file.title, scenario, design, arms, outcomes, file.note, text, self.table)
        return self._recorded(study, file.trajectories) if file.trajectories else study

    def _entries(self, file: SweepFile) -> Iterator[tuple[str, AxisEntry]]:
        """Field → how it varies, as far as the shape is right."""
        for path, given in _leaves(file.vary, ("vary",)):
            if not isinstance(given, dict):
                self.add(path, "is written { low = 1, high = 4 } or { values = [1, 2, 4] }")
                continue
            try:
                entry = AxisEntry.model_validate(given)
            except ValidationError as error:
                self.problems += problems_of(error, self.document, AxisEntry, path)
                continue
            if entry.values is not None and entry.model_fields_set - {"values"}:
                self.add(path, "lists `values`; leave out low, high, points and scale")
            grid = file.design.kind == "grid"
            if grid and entry.values is None and entry.points is None:
                self.add(path, "needs `points`, how many values the grid has from low to high")
            if not grid and entry.points is not None:
                self.add((*path, "points"), f"belongs to a grid; a design of kind `{file.design.kind}` has no points")
            yield ".".join(path[1:]), entry

    def _words(self, file: SweepFile, entries: Mapping[str, AxisEntry]) -> None:
        """Every kind of design has words it needs and words that would mean nothing."""
        kind = file.design.kind
        for word in _NEEDS[kind]:
            if getattr(file.design, word) is None:
                self.add(("design",), f"a design of kind `{kind}` needs `{word}`")
        for word in file.design.model_fields_set - {"kind", *_NEEDS[kind], *_MAY[kind]}:
            self.add(("design", word), f"means nothing for a design of kind `{kind}`")
        if kind == "table" and entries:
            self.add(("vary",), "is not needed: the columns of the table say what varies")
        if kind != "table" and not file.vary:
            self.add(("vary",), "is empty; name the fields that vary, for example growth_rate = { low = 0.1, high = 0.3 }")
        if kind == "morris" and file.design.levels is not None and (file.design.levels < 2 or file.design.levels % 2):
            self.add(("design", "levels"), f"must be an even number from 2 on, got {file.design.levels}")

    def _size(self, file: SweepFile, entries: Mapping[str, AxisEntry]) -> None:
        """Refuse what is far too large before anything is made of it."""
        members = 1
        if file.design.kind == "grid":
            for entry in entries.values():
                members *= max(len(entry.values or ()) or entry.points or 1, 1)
        elif file.design.kind == "morris":
            members = (file.design.trajectories or 1) * (len(entries) + 1)
        else:
            members = file.design.members or 1
        columns = len(entries) + 2 * len(file.outcomes or [None] * 20)
        problem = designs.size_problem(members, columns, len(file.arms or [None] * ARMS_BY_DEFAULT))
        if problem:
            self.add(("design",), problem)

    def _rows(self, file: SweepFile, paths: dict[str, tuple[str, ...]]) -> tuple[list[str], Table] | None:
        """The fields and the design of a table file."""
        path = self.folder / (file.design.file or "")
        name = str(path)

        def refuse(line: int, message: str) -> DocumentError:
            return DocumentError([Problem(name, line, "", message)])

        try:
            if not path.is_file():
                raise self.document_error(("design", "file"), f"there is no file {echo(path)}")
            if path.stat().st_size > LARGEST_TABLE:
                raise refuse(0, f"is larger than {LARGEST_TABLE >> 20} MiB")
            self.table = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise refuse(0, f"cannot be read as UTF-8 text ({error})") from None
        lines = csv.reader(io.StringIO(self.table))
        heads = [head.strip() for head in next(lines, [])]
        if not heads or len(set(heads)) < len(heads) or not all(heads):
            raise refuse(1, "needs a first line with the names of the fields, each once")
        values = []
        for cells in lines:
            if not cells:
                continue
            try:
                row = [float(cell) for cell in cells]
            except ValueError:
                raise refuse(lines.line_num, f"has a cell that is no number: {echo(','.join(cells))}") from None
            if len(row) != len(heads) or not np.isfinite(row).all():
                raise refuse(lines.line_num, f"needs {len(heads)} finite numbers, got {echo(','.join(cells))}")
            values.append(row)
        if not values:
            raise refuse(0, "has no members, only a first line")
        paths |= dict.fromkeys(heads, ("design", "file"))
        return heads, designs.table({head: [row[column] for row in values] for column, head in enumerate(heads)})

    def document_error(self, path: Sequence[str], message: str) -> DocumentError:
        return DocumentError([self.document.problem(path, message)])

    def _scenario(self, file: SweepFile) -> Scenario:
        beside = self.folder / file.scenario
        source: str | Path = beside if file.scenario.endswith(".toml") else file.scenario
        try:
            scenario = load(source, self.mechanisms)
        except DocumentError as error:
            # a misspelt name is a problem of this file; anything else stands in the scenario's own
            if [item.kind for item in error.problems] == ["unknown"]:
                raise self.document_error(("scenario",), error.problems[0].message) from None
            raise
        places = {".".join(path[1:]): path for path, _ in _leaves(file.set, ("set",))}
        changes = {".".join(path[1:]): value for path, value in _leaves(file.set, ("set",))}
        if not changes:
            return scenario
        try:
            return scenario.changed(changes)
        except DocumentError as error:
            found = [self.document.problem(places.get(item.key, ("set",)), item.message) for item in error.problems]
            raise DocumentError(found) from None

    def _fields(self, scenario: Scenario, fields: Iterable[str], paths: Mapping[str, tuple[str, ...]]) -> None:
        for name in fields:
            try:
                find_inputs(scenario.inputs, [name])
            except UserError as error:
                self.add(paths[name], error)

    def _arms(self, file: SweepFile, scenario: Scenario) -> None:
        given = file.arms or ()
        for arm in given:
            if arm not in scenario.arms:
                self.add(("arms",), unknown("arm", arm, scenario.arms))
        for key, names in (("arms", given), ("outcomes", file.outcomes or ())):
            if len(set(names)) < len(names):
                self.add((key,), "names the same thing twice")

    def _axes(self, scenario: Scenario, entries: Mapping[str, AxisEntry], paths: Mapping[str, tuple[str, ...]]) -> Iterator[Axis]:
        for name, entry in entries.items():
            item = scenario.inputs[name]
            try:
                if entry.values is not None:
                    yield Axis(name, values=tuple(entry.values), whole=item.whole)
                else:
                    low, high = self._limits(item, entry)
                    yield Axis(name, low, high, entry.points or 0, entry.scale, whole=item.whole)
            except UserError as error:
                self.add(paths[name], error)

    def _limits(self, item: Input, entry: AxisEntry) -> tuple[float, float]:
        """What the file says, else the range that the input has by itself."""
        low, high = item.low if entry.low is None else entry.low, item.high if entry.high is None else entry.high
        if math.isnan(low) or math.isnan(high):
            raise UserError("needs low and high: only parameters and switches have a range of their own")
        return low, high

    def _design(self, entry: DesignEntry, axes: tuple[Axis, ...]) -> Design:
        seed = entry.seed or 0
        try:
            match entry.kind:
                case "sobol":
                    return Sobol(axes, entry.members or 0, seed)
                case "latin-hypercube":
                    return LatinHypercube(axes, entry.members or 0, seed)
                case "morris":
                    return Morris(axes, entry.trajectories or 0, entry.levels or 4, seed)
                case _:
                    return Grid(axes)
        except UserError as error:
            raise self.document_error(("design",), str(error)) from None

    def _outcomes(self, file: SweepFile, scenario: Scenario, arms: Sequence[str]) -> None:
        if file.outcomes is None:
            return
        for name in file.outcomes:
            try:
                outcome_names(scenario, arms, [name])
            except UserError as error:
                self.add(("outcomes",), f"{name}: {error}" if parse_summary(name) else error)

    def _recorded(self, study: SweepStudy, entry: TrajectoriesEntry) -> SweepStudy:
        for arm in entry.arms or ():
            if arm not in study.arms:
                self.add(("trajectories", "arms"), unknown("arm of this study", arm, study.arms))
        self.stop_if_wrong()
        try:
            return study.recorded(entry.every, entry.arms)
        except UserError as error:
            raise self.document_error(("trajectories", "every"), str(error)) from None


def _leaves(given: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Pairs (path, entry): a table of tables is a dotted name such as ``mitoxantrone.amount``."""
    for key, value in given.items():
        tables = isinstance(value, dict) and bool(value) and all(isinstance(inner, dict) for inner in value.values())
        if tables or (isinstance(value, dict) and at[0] == "set"):
            yield from _leaves(value, (*at, key))
        else:
            yield (*at, key), value
