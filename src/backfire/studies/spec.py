"""What the files of all studies share: which scenario, which arms, which tumours.

    scenario = "wnt16b-stroma"
    arms     = ["monotherapy", "combination"]

    [tumours]
    number = 500
    seed   = 0
    population = "results/populations/wnt16b-stroma"     # or: distributions
    [tumours.vary]
    growth_rate = { low = 0.05, high = 0.2, scale = "log" }
    capacity    = { median = 1e9, spread = 2 }           # two thirds within a factor of two
    [tumours.correlations]
    "growth_rate, capacity" = 0.5                        # of ranks

Without a population and without ``vary`` every parameter varies in its plausible range, with ``within = 2`` between half and
double its value. All problems of a file are raised
together, each with line, key and the nearest right name.
"""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Field

from backfire.errors import Problems, StorageError, UserError, unknown
from backfire.populations import Varying, distributions
from backfire.sampling import PlausibleTumours, Space, read_tumours
from backfire.scenario import (
    Document,
    FileKind,
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
)
from backfire.simulation import outcome_names
from backfire.studies.tumours import NUMBER, Tumours
from backfire.system import shipped_folder


class TumoursEntry(StrictModel):
    """Which tumours are asked."""

    number: int | None = Field(None, ge=1, description=f"how many; {NUMBER}, or the whole population, if left out")
    seed: int = Field(0, ge=0, description="another number draws other tumours")
    population: str | None = Field(None, description="folder that `backfire population` wrote, seen from the study file")
    within: Number | None = Field(None, gt=1, description="every parameter within this factor of its value")
    vary: Varying = Field({}, description="inputs that vary, and how; every parameter in its plausible range if left out")
    correlations: dict[str, Number] = Field({}, description='rank correlations: "one input, another" = 0.5')


class StudyFile(StrictModel):
    """What every study file has."""

    title: str = Field(min_length=1, max_length=200, description="one sentence that says what is asked")
    note: str = Field("", max_length=2000, description="what a reader should know before trusting it")
    scenario: str = Field(min_length=1, description="a shipped scenario, or a file beside the study file")
    arms: list[str] | None = Field(None, min_length=1, description="arms to run; all if left out")
    tumours: TumoursEntry = Field(default_factory=lambda: TumoursEntry.model_validate({}), description="which tumours are asked")
    set: dict[str, Any] = Field({}, description="values of the scenario changed for every tumour, `days` too")


@dataclass(frozen=True, eq=False)
class StudySpec:
    """What every study asks: ``tumours`` of a ``scenario`` in its ``arms``; ``text`` is the file it came from.

    Raises UserError for arms and inputs that the scenario does not have.
    """

    name: str
    title: str
    scenario: Scenario
    tumours: Tumours
    arms: tuple[str, ...]
    note: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        chosen_arms(self.scenario, self.arms)
        find_inputs(self.scenario.inputs, self.tumours.names)

    @property
    def count(self) -> int:
        """How many members are simulated."""
        return self.tumours.number


File = TypeVar("File", bound=StudyFile)
Spec = TypeVar("Spec", bound=StudySpec)


def shipped_studies(kind: str) -> dict[str, Path]:
    """Shipped studies of a kind (``trial``, ``ablation``, ``sensitivity``) by name, sorted."""
    place = shipped_folder("configs") / "studies" / kind
    return {path.stem: path for path in sorted(place.glob("*.toml"))}


class StudyReader(ABC, Generic[File, Spec]):
    """Checks what all study files share; every kind of study adds what is its own in ``finish``.

    ``stored`` is the scenario of a study that is read again from its folder, ``drawn`` the tumours that it asked, and ``said``
    where those came from.
    """

    kind: FileKind
    model: type[File]
    spec: type[Spec]
    instead: Mapping[str, Any] = {}

    def __init__(
        self, document: Document, name: str, folder: Path, library: Library, stored: Scenario | None = None,
        drawn: PlausibleTumours | None = None, said: str = "",
    ) -> None:  # fmt: skip
        check_folder_name(name)
        expect_kind(document, self.kind)
        self.document, self.name, self.folder, self.library = document, name, folder, library
        self.stored, self.drawn, self.said = stored, drawn, said
        self.problems = Problems()

    @classmethod
    def load(cls, source: str | Path, mechanisms: OwnMechanisms = ()) -> Spec:
        """A study by path or by shipped name; raises DocumentError with every problem of the file."""
        path = source_path(cls.kind.name, source, shipped_studies(cls.kind.command))
        document = read_document(path)
        return cls(document, path.stem, path.parent, library_of(mechanisms)).study(path.read_text(encoding="utf-8-sig"))

    @classmethod
    def parse(cls, text: str, name: str = "study", folder: Path | str = ".", mechanisms: OwnMechanisms = ()) -> Spec:
        """A study from TOML text; files that it names are looked for in ``folder``."""
        return cls(parse_document(text, name), name, Path(folder), library_of(mechanisms)).study(text)

    @classmethod
    def again(cls, folder: Path, scenario: Scenario, drawn: PlausibleTumours) -> Spec:
        """The study whose folder this is, of the scenario and the tumours that are stored there."""
        path = folder / "study.toml"
        document = read_document(path)
        try:
            said = str(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["tumours"])
        except (OSError, ValueError, KeyError, TypeError):
            said = ""  # it was cut off before its manifest was written
        reader = cls(document, folder.name, folder, scenario.library, scenario, drawn, said)
        return reader.study(path.read_text(encoding="utf-8"))

    def add(self, path: Sequence[str], message: object) -> None:
        """One more problem, at its line."""
        self.problems.append(self.document.problem(path, str(message)))

    def study(self, text: str) -> Spec:
        """The study; raises DocumentError with every problem."""
        usual = {"title": "untitled", "scenario": ""}
        shape = read_shape(self.document, self.model, instead={**usual, **self.instead})
        file, self.document = shape.file, shape.document
        self.problems += shape.problems
        if file is None:
            self.problems.stop()
        assert file is not None
        scenario = self._unchanged(file) or (None if shape.has_lost("scenario") else self._scenario(file))
        if scenario is None:
            self.problems.stop()
        assert scenario is not None
        for arm in file.arms or ():
            if arm not in scenario.arms:
                self.add(("arms",), unknown("arm", arm, scenario.arms))
        arms = tuple(dict.fromkeys(arm for arm in file.arms or scenario.arms if arm in scenario.arms))
        if self.drawn is not None:
            self.drawn = self.asked(file, scenario, self.drawn)
        tumours = None if shape.has_lost("tumours") else self._tumours(scenario, file.tumours)
        if tumours is not None and file.tumours.within is None:
            self.problems += set_in_vain(self.document, file.set, tumours.names)
        made: list[Spec] = []
        if arms:
            known = len(self.problems)
            own = self.finish(file, scenario, arms)
            if tumours is not None and len(self.problems) == known:
                try:
                    made.append(self.spec(self.name, file.title, scenario, tumours, arms, file.note, text, **own))
                except UserError as error:
                    self.add((error.key,) if error.key else (), error)
        self.problems.stop()
        return made[0]

    @abstractmethod
    def finish(self, file: File, scenario: Scenario, arms: tuple[str, ...]) -> dict[str, Any]:
        """What is this kind's own, as keywords of its spec; notes its problems."""

    def asked(self, file: File, scenario: Scenario, members: PlausibleTumours) -> PlausibleTumours:  # noqa: ARG002  for others
        """The tumours of a study that is read again, of the ``members`` that are stored: the same, if each is asked once."""
        return members

    def check_outcomes(self, scenario: Scenario, arms: Sequence[str], names: Sequence[str], at: Sequence[str]) -> None:
        """Note every name that is no outcome of any of the arms."""
        for name in names:
            try:
                outcome_names(scenario, arms, [name])
            except UserError as error:
                self.add(at, error if str(error).startswith("unknown outcome") else f"{name}: {error}")

    def _unchanged(self, file: StudyFile) -> Scenario | None:
        """The stored scenario, if there is one; notes where [set] asks for another."""
        if self.stored is not None and file.set:
            changes = {name: value for name, _, value in dotted(file.set, ("set",))}
            if self.stored.changed(changes).hash != self.stored.hash:
                self.add(("set",), "is not what was simulated; run it anew")
        return self.stored

    def _scenario(self, file: StudyFile) -> Scenario | None:
        scenario: Scenario | None = None
        with self.problems.gathered():
            scenario = load_changed(self.document, file.scenario, self.folder, self.library, file.set)
        return scenario  # noqa: RET504

    def _tumours(self, scenario: Scenario, entry: TumoursEntry) -> Tumours | None:
        known = len(self.problems)
        stored = None if entry.population is None else self._population(scenario, entry)
        space = self._space(scenario, entry) if entry.population is None else None
        if space is not None and entry.correlations:
            space = self._correlated(space, entry)
        if len(self.problems) > known:
            return None
        number = entry.number or (len(stored.values) if stored else NUMBER)
        said = self.said
        try:
            made = Tumours(number, entry.seed, space, stored, said)
            if stored is not None and not said and stored.hash != scenario.hash:
                said = f"{made.source}; of {stored.scenario} {stored.hash}, which is not this scenario to the letter"
            return dataclasses.replace(made, said=said)
        except UserError as error:
            self.add(("tumours",), error)
            return None

    def _population(self, scenario: Scenario, entry: TumoursEntry) -> PlausibleTumours | None:
        for key in ("vary", "within", "correlations"):
            if getattr(entry, key):
                self.add(("tumours", key), "is not needed: the population says what varies, and how")
        if self.drawn is not None:
            return self.drawn
        try:
            found = read_tumours(self.folder / str(entry.population))
            find_inputs(scenario.inputs, found.names)
        except (StorageError, UserError) as error:
            self.add(("tumours", "population"), error)
            return None
        return found

    def _space(self, scenario: Scenario, entry: TumoursEntry) -> Space | None:
        if entry.within is not None:
            if entry.vary:
                self.add(("tumours", "within"), "says how every parameter varies; leave it out, or `vary`")
            return Space.box(scenario.inputs.values(), entry.within)
        if not entry.vary:
            return Space.plausible(scenario.inputs.values())
        inputs, wrong = distributions(self.document, scenario.inputs, entry.vary, ("tumours", "vary"))
        self.problems += wrong
        return Space({name: item for name, item in inputs.items() if item is not None})

    def _correlated(self, space: Space, entry: TumoursEntry) -> Space:
        pairs: dict[tuple[str, str], float] = {}
        for text, rank in entry.correlations.items():
            one, _, other = (part.strip() for part in text.partition(","))
            try:
                Space(space.inputs, {(one, other): float(rank)})
                pairs[one, other] = float(rank)
            except UserError as error:
                self.add(("tumours", "correlations", text), error)
        try:
            return Space(space.inputs, pairs)
        except UserError as error:
            self.add(("tumours", "correlations"), error)
            return space
