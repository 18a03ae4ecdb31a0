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

import dataclasses
import functools
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, create_model

from backfire.errors import DocumentError, Problem, Problems, UserError, unknown
from backfire.outcomes import parse_summary
from backfire.sampling import Axis, Design, Plausible, design_kinds, read_tumours, size_problem
from backfire.scenario import (
    SWEEP,
    Document,
    Input,
    Library,
    Number,
    OwnMechanisms,
    Scenario,
    StrictModel,
    check_folder_name,
    chosen_arms,
    dotted,
    expect_kind,
    find_inputs,
    library_of,
    load_changed,
    parse_document,
    read_document,
    read_shape,
    set_in_vain,
    source_path,
    unknown_key,
)
from backfire.simulation import outcome_names
from backfire.sweeps.store import Recording
from backfire.system import shipped_folder

ARMS_BY_DEFAULT = 4
"""How many arms a projection assumes before the scenario has been read."""


class AxisEntry(StrictModel):
    """How one field varies: between `low` and `high`, or over listed `values`."""

    low: Number | None = Field(None, description="lowest value; the parameter's plausible range if left out")
    high: Number | None = Field(None, description="highest value; the parameter's plausible range if left out")
    points: int | None = Field(None, description="grid only: how many values from low to high")
    scale: Literal["linear", "log"] = Field("linear", description="even steps, or even steps of the logarithm")
    values: Annotated[list[Number], Field(min_length=1)] | None = Field(None, description="the values themselves")


class TrajectoriesEntry(StrictModel):
    """Store states over time too, not only outcomes."""

    every: Number = Field(description="days between stored rows")
    arms: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="of these arms; of all if left out")


class SweepFile(StrictModel):
    """A backfire sweep: one scenario, many members. Illustrative, not clinically calibrated."""

    title: str = Field(min_length=1, max_length=200, description="one sentence that says what is asked")
    note: str = Field("", max_length=2000, description="what a reader should know before trusting it")
    scenario: str = Field(min_length=1, description="a shipped scenario, or a file beside the study file")
    arms: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="arms to run; all if left out")
    outcomes: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="outcomes to keep; all if left out")
    design: Any = Field(description="how members are chosen")
    trajectories: TrajectoriesEntry | None = Field(None, description="store states over time too")
    set: dict[str, Any] = Field({}, description="values of the scenario changed for every member, `days` too")
    vary: dict[str, Any] = Field({}, description="the fields that vary: parameters, switches, numbers of regimens")


@functools.cache
def file_model(kinds: tuple[type[Design], ...]) -> type[SweepFile]:
    """The model of a study file whose ``[design]`` may be of these kinds, with the words that they need and may have."""
    literal: Any = Literal
    words: dict[str, Any] = {"kind": (literal[tuple(kind.kind for kind in kinds)], Field(description="how members are chosen"))}
    for name in dict.fromkeys(name for kind in kinds for name in kind.settings()):
        owners = [kind for kind in kinds if name in kind.settings()]
        about, hint = owners[0].settings()[name], typing.get_type_hints(owners[0])[name]
        meaning = f"{', '.join(kind.kind for kind in owners)}: {about['meaning']}"
        words[name] = (Annotated[hint, Field(ge=about["least"])] | None, Field(None, description=meaning))
    entry = create_model("DesignEntry", __base__=StrictModel, __doc__="How members are chosen.", **words)
    return create_model("SweepFile", __base__=SweepFile, design=(entry, Field(description="how members are chosen")))


def sweep_schema() -> dict[str, Any]:
    """The JSON Schema of study files, with the designs there are; what stands below `vary` is an ``AxisEntry``."""
    schema = file_model(tuple(design_kinds().values())).model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@dataclass(frozen=True, eq=False)
class SweepSpec:
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
        chosen_arms(self.scenario, self.arms)
        find_inputs(self.scenario.inputs, self.design.fields)

    def recorded(self, every: float, arms: Sequence[str] | None = None) -> SweepSpec:
        """The study with trajectories stored every so many days, of all its arms or some; raises UserError if it cannot."""
        chosen, states = arms or (self.recording.arms if self.recording else self.arms), self.scenario.network.states
        for arm in chosen:
            if arm not in self.arms:
                raise UserError(unknown("arm of this study", arm, self.arms))
        names, units = tuple(state.name for state in states), tuple(state.unit for state in states)
        of = tuple(arm for arm in self.arms if arm in chosen)
        recording = Recording(float(every), float(self.scenario.days), of, names, units)
        if problem := recording.size_problem(self.design.members):
            raise UserError(problem)
        return dataclasses.replace(self, recording=recording)


def shipped_sweeps() -> dict[str, Path]:
    """Shipped sweep studies by name, sorted."""
    return {path.stem: path for path in sorted((shipped_folder("configs") / "sweeps").glob("*.toml"))}


def load_sweep(source: str | Path, mechanisms: OwnMechanisms = ()) -> SweepSpec:
    """A sweep study by path or by shipped name; ``mechanisms`` are classes of yours that its scenario uses, or files.

    Raises DocumentError with every problem of the file, among them a design too large to run.
    """
    path = source_path("sweep study", source, shipped_sweeps())
    document = read_document(path)
    return _Reader(document, path.stem, path.parent, library_of(mechanisms)).study(path.read_text(encoding="utf-8-sig"))


def parse_sweep(text: str, name: str = "sweep", folder: Path | str = ".", mechanisms: OwnMechanisms = ()) -> SweepSpec:
    """A sweep study from TOML text; files it names are looked for in ``folder``. Otherwise like ``load_sweep``."""
    return _Reader(parse_document(text, name), name, Path(folder), library_of(mechanisms)).study(text)


_INSTEAD: Final = {"title": "untitled", "scenario": "", "design": {"kind": "grid"}}
"""What to go on with where the file does not say it."""


class _Reader:
    """Checks everything that the shape of a file alone does not show."""

    def __init__(self, document: Document, name: str, folder: Path, library: Library) -> None:
        check_folder_name(name)
        expect_kind(document, SWEEP)
        self.document, self.name, self.folder, self.library = document, name, folder, library
        self.problems = Problems()
        self.table, self.listed = "", ("design", "kind")

    def add(self, path: Sequence[str], message: object) -> None:
        self.problems.append(self.document.problem(path, str(message)))

    def study(self, text: str) -> SweepSpec:
        shape = read_shape(self.document, file_model(tuple(design_kinds().values())), instead=_INSTEAD)
        file, self.document = shape.file, shape.document
        self.problems += shape.problems
        if file is None:
            self.problems.stop()
        assert file is not None
        kind = None if shape.has_lost("design") else design_kinds()[file.design.kind]
        scenario = None if shape.has_lost("scenario") else self._scenario(file)
        paths = {name: place for name, place, _ in dotted(file.vary, ("vary",), entries=True)}
        entries = dict(self._entries(file, kind))
        if scenario is not None:
            self._fields(scenario, paths)
            self._arms(file, scenario)
            self._outcomes(file, scenario)
        axes = () if scenario is None else tuple(self._axes(scenario, entries, paths))
        design = None if kind is None else self._made(file, kind, entries, axes, whole=len(axes) == len(paths))
        if design is not None and scenario is not None and kind is not None and kind.listed:
            self._fields(scenario, dict.fromkeys(design.fields, self.listed))
        if isinstance(design, Plausible) and scenario is not None:
            self._of_scenario(design, scenario)
        if design is not None:
            self.problems += set_in_vain(self.document, file.set, design.fields)
        self.problems.stop()
        assert design is not None
        assert scenario is not None
        arms, outcomes = tuple(file.arms or scenario.arms), None if file.outcomes is None else tuple(file.outcomes)
        study = SweepSpec(self.name, file.title, scenario, design, arms, outcomes, file.note, text, self.table)
        return self._recorded(study, file.trajectories) if file.trajectories else study

    def _of_scenario(self, design: Plausible, scenario: Scenario) -> None:
        """The tumours must be those of the scenario, whatever else the study changes in it."""
        found = read_tumours(self.folder / design.folder)
        if found.scenario != scenario.name:
            self.add(self.listed, f"{design.folder}: is a population of `{found.scenario}`, not of `{scenario.name}`")

    def _entries(self, file: SweepFile, kind: type[Design] | None) -> Iterator[tuple[str, AxisEntry]]:
        """Field → how it varies, as far as the shape is right."""
        for name, path, given in dotted(file.vary, ("vary",), entries=True):
            if not isinstance(given, dict):
                top = len(path) == 2 and path[1] in SweepFile.model_fields
                self.add(
                    path,
                    unknown_key(path[1], path, SweepFile)
                    if top
                    else "is written { low = 1, high = 4 } or { values = [1, 2, 4] }",
                )
                continue
            shape = read_shape(self.document, AxisEntry, path)
            self.problems += shape.problems
            if (entry := shape.file) is None or shape.lost:
                continue
            if entry.values is not None and entry.model_fields_set - {"values"}:
                self.add(path, "lists `values`; leave out low, high, points and scale")
                continue
            if kind and kind.pointed and entry.values is None and entry.points is None:
                self.add(path, f"needs `points`, how many values the {kind.kind} has from low to high")
                continue
            if kind and not kind.pointed and entry.points is not None:
                pointed = " or ".join(name for name, other in design_kinds().items() if other.pointed)
                self.add((*path, "points"), f"belongs to a {pointed}; a design of kind `{kind.kind}` has no points")
                continue
            yield name, entry

    def _made(
        self, file: SweepFile, kind: type[Design], entries: Mapping[str, AxisEntry], axes: tuple[Axis, ...], whole: bool
    ) -> Design | None:
        """The design, if all that it is made of is right; its axes are ``whole`` if none of them was wrong."""
        given, known = file.design.model_dump(include=file.design.model_fields_set - {"kind"}), len(self.problems)
        self._words(file, kind, given, entries)
        self._size(file, kind, given, entries)
        if len(self.problems) > known or not (whole or kind.listed):
            return None
        made: list[Design] = []
        with self.problems.gathered():
            made.append(self._design(kind, axes, given))
        return made[0] if made else None

    def _words(self, file: SweepFile, kind: type[Design], given: Mapping[str, Any], entries: Mapping[str, AxisEntry]) -> None:
        """Every kind of design has words it needs and words that would mean nothing."""
        settings = kind.settings()
        for word, about in settings.items():
            if about["needed"] and word not in given:
                self.add(("design",), f"a design of kind `{kind.kind}` needs `{word}`")
        for word, value in given.items():
            if word not in settings:
                self.add(("design", word), f"means nothing for a design of kind `{kind.kind}`")
            elif problem := settings[word]["check"] and settings[word]["check"](value):
                self.add(("design", word), problem)
        if kind.listed and entries:
            self.add(("vary",), f"is not needed: the columns of the {kind.kind} say what varies")
        if not kind.listed and not file.vary:
            self.add(("vary",), "is empty; name the fields that vary, for example growth_rate = { low = 0.1, high = 0.3 }")

    def _size(self, file: SweepFile, kind: type[Design], given: Mapping[str, Any], entries: Mapping[str, AxisEntry]) -> None:
        """Refuse what is far too large before anything is made of it."""
        points = [max(len(entry.values or ()) or entry.points or 1, 1) for entry in entries.values()]
        members = kind.count(points, dict.fromkeys(kind.settings(), 1) | dict(given))
        columns = len(entries) + 2 * len(file.outcomes or [None] * 20)
        problem = size_problem(members, columns, len(file.arms or [None] * ARMS_BY_DEFAULT))
        if problem:
            self.add(("design",), problem)

    def _design(self, kind: type[Design], axes: tuple[Axis, ...], given: Mapping[str, Any]) -> Design:
        def read(key: str) -> tuple[str, str]:
            path, self.listed = self.folder / given[key], ("design", key)
            try:
                self.table = kind.content(path)
            except UserError as error:
                raise self.document_error(self.listed, str(error)) from None
            except (OSError, ValueError) as error:
                raise DocumentError([Problem(str(path), 0, "", f"cannot be read as UTF-8 text ({error})")]) from None
            return str(path), self.table

        try:
            return kind.made(axes, given, read)
        except DocumentError:
            raise
        except UserError as error:
            raise self.document_error(("design",), str(error)) from None

    def document_error(self, path: Sequence[str], message: str) -> DocumentError:
        return DocumentError([self.document.problem(path, message)])

    def _scenario(self, file: SweepFile) -> Scenario | None:
        scenario: Scenario | None = None
        with self.problems.gathered():
            scenario = load_changed(self.document, file.scenario, self.folder, self.library, file.set)
        return scenario  # noqa: RET504

    def _fields(self, scenario: Scenario, places: Mapping[str, tuple[str, ...]]) -> None:
        for name, place in places.items():
            try:
                find_inputs(scenario.inputs, [name])
            except UserError as error:
                self.add(place, error)

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
            if name not in scenario.inputs:
                continue  # said already
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

    def _outcomes(self, file: SweepFile, scenario: Scenario) -> None:
        if file.outcomes is None:
            return
        arms = [arm for arm in file.arms or () if arm in scenario.arms] or [*scenario.arms]
        for name in file.outcomes:
            try:
                outcome_names(scenario, arms, [name])
            except UserError as error:
                self.add(("outcomes",), f"{name}: {error}" if parse_summary(name) else error)

    def _recorded(self, study: SweepSpec, entry: TrajectoriesEntry) -> SweepSpec:
        for arm in entry.arms or ():
            if arm not in study.arms:
                self.add(("trajectories", "arms"), unknown("arm of this study", arm, study.arms))
        self.problems.stop()
        try:
            return study.recorded(entry.every, entry.arms)
        except UserError as error:
            raise self.document_error(("trajectories", "every"), str(error)) from None
