"""Population files: which scenario, which claims every tumour must satisfy, what varies and how. One TOML file.

    title    = "Tumours of which every sentence on WNT16B is true"
    scenario = "wnt16b-stroma"
    article  = "wnt16b-stroma"        # its calibrated claims; left out: the scenario's article
    members  = 1000

    [claims]                          # further claims, or all of them with article = "none"
    escapes = "final_burden(monotherapy) > 0.1 * final_burden(untreated)"

    [vary]                            # everything else varies in its plausible range
    growth_rate = { low = 0.05, high = 0.2, scale = "log" }
    capacity    = false               # stays at its value

All problems of a file are raised together, each with line, key and the nearest right name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from backfire.claims import Claim, Topic, load_articles, parse_claim, topics
from backfire.errors import DocumentError, Problem, Problems, UserError, echo, unknown
from backfire.sampling import Distribution, LogUniform, Space, Uniform
from backfire.scenario import (
    Document,
    Library,
    Number,
    OwnMechanisms,
    Scenario,
    check_folder_name,
    library_of,
    load,
    load_named,
    parse_document,
    read_document,
    read_shape,
    shipped_scenarios,
)
from backfire.system import shipped_folder

NO_ARTICLE = "none"
MEMBERS = 1000
MOST_MEMBERS = 1_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RangeEntry(_Strict):
    """How one input varies: evenly between `low` and `high`, or evenly in the logarithm."""

    low: Number | None = Field(None, description="lowest value; that of the plausible range if left out")
    high: Number | None = Field(None, description="highest value; that of the plausible range if left out")
    scale: Literal["linear", "log"] | None = Field(None, description="the logarithm beyond a factor of ten if left out")


class PopulationFile(_Strict):
    """A backfire population: tumours that satisfy claims. Illustrative, not clinically calibrated."""

    title: str = Field(min_length=1, max_length=200, description="one sentence that says what is asked")
    note: str = Field("", max_length=2000, description="what a reader should know before trusting it")
    scenario: str = Field(min_length=1, description="a shipped scenario, or a file beside the population file")
    article: str | None = Field(None, description='whose calibrated claims must hold; "none" for own claims only')
    members: int = Field(MEMBERS, ge=1, le=MOST_MEMBERS, description="how many tumours")
    leave_out: list[str] = Field([], description="calibrated claims of the article that need not hold, by id")
    claims: dict[str, str] = Field({}, description="own claims: a name, and the claim in the language of claims")
    vary: dict[str, RangeEntry | Literal[False]] = Field({}, description="inputs that vary otherwise, or `false`: not at all")


@dataclass(frozen=True, eq=False)
class PopulationSpec:
    """What a population is to be: made by ``load_population``, or built in Python.

    ``topics`` are the claims that must hold, with the scenario watched as long as they say; ``text`` the file.
    """

    name: str
    title: str
    scenario: Scenario
    topics: tuple[Topic, ...]
    space: Space
    members: int = MEMBERS
    note: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        check_folder_name(self.name)
        if not any(topic.claims for topic in self.topics):
            raise UserError(f"{self.name}: there is no claim that a tumour could satisfy; give [claims] or an article")
        if not self.space.names:
            raise UserError(f"{self.name}: nothing varies")

    @property
    def claims(self) -> dict[str, Claim]:
        """Every claim by id."""
        return {name: claim for topic in self.topics for name, claim in topic.claims.items()}


def shipped_populations() -> dict[str, Path]:
    """The population files that come with backfire, by name."""
    return {path.stem: path for path in sorted((shipped_folder("configs") / "populations").glob("*.toml"))}


def load_population(source: str | Path, mechanisms: OwnMechanisms = ()) -> PopulationSpec:
    """A population by path or shipped name; a scenario stands for all calibrated claims of its article.

    ``mechanisms`` are those of yours that its scenario uses.

    Raises DocumentError with every problem of the file.
    """
    name, known, library = str(source), shipped_populations(), library_of(mechanisms)
    if name in known and not os.path.isfile(source):
        return _of_file(known[name], library)
    if os.path.isfile(source):
        document = read_document(source)
        return _of_file(Path(source), library) if "scenario" in document.data else _of_scenario(load(source, library))
    if name in shipped_scenarios():
        return _of_scenario(load(name, library))
    if Path(source).suffix == ".toml" or "/" in name:
        read_document(source)  # says why not
    raise DocumentError([Problem(echo(name), 0, "", unknown("population or scenario", name, [*known, *shipped_scenarios()]))])


def parse_population(
    text: str, name: str = "population", folder: Path | str = ".", mechanisms: OwnMechanisms = ()
) -> PopulationSpec:
    """A population from TOML text; a scenario file that it names is looked for in ``folder``."""
    return _build(parse_document(text, name), name, Path(folder), text, library_of(mechanisms))


def _of_file(path: Path, library: Library) -> PopulationSpec:
    return _build(read_document(path), path.stem, path.parent, path.read_text(encoding="utf-8-sig"), library)


def _of_scenario(scenario: Scenario) -> PopulationSpec:
    """All calibrated claims of a scenario's article, everything in its plausible range."""
    title = f"Tumours that satisfy every calibrated claim of {scenario.article}"
    made = _article_topics(scenario, scenario.article, ())
    return PopulationSpec(scenario.name, title, scenario, made, Space.plausible(scenario.inputs.values()))


def _article_topics(scenario: Scenario, article: str, leave_out: tuple[str, ...]) -> tuple[Topic, ...]:
    """The calibrated claims that speak of the article's own scenario; those of controls speak of other tumours."""
    (found,) = load_articles([article])
    for name in leave_out:
        if name not in found.claims:
            raise UserError(unknown("claim", name, found.claims))
    own = [
        name
        for name, (entry, _) in found.claims.items()
        if entry.role == "calibrated" and found.scenario_of(name) == found.file.scenario and name not in leave_out
    ]
    return tuple(topics([found], own, {found.file.scenario: scenario}))


_INSTEAD: Final = {"title": "untitled", "scenario": ""}
"""What to go on with where the file does not say it."""


def _build(document: Document, name: str, folder: Path, text: str, library: Library) -> PopulationSpec:
    problems = Problems()
    shape = read_shape(document, PopulationFile, instead=_INSTEAD)
    problems += shape.problems
    file, document = shape.file, shape.document
    if file is None or shape.has_lost("scenario"):
        problems.stop()
    assert file is not None
    try:
        scenario = load_named(document, file.scenario, folder, library)
    except DocumentError as error:
        raise DocumentError([*problems, *error.problems]) from None
    article = scenario.article if file.article is None else file.article
    made: tuple[Topic, ...] = ()
    if article != NO_ARTICLE and not (file.article is None and article not in _known_articles()):
        try:
            made = _article_topics(scenario, article, tuple(file.leave_out))
        except UserError as error:
            problems.append(document.problem(("leave_out",) if file.leave_out else ("article",), str(error)))
    own: dict[str, Claim] = {}
    for key, check in file.claims.items():
        try:
            own[key] = parse_claim(check)
        except UserError as error:
            problems.append(document.problem(("claims", key), str(error)))
    problems += [
        document.problem(("claims", key), "has the name of a claim of the article")
        for topic in made
        for key in topic.claims
        if key in own
    ]
    space, wrong = _space(document, scenario, file.vary)
    problems += wrong
    problems.stop()
    every = (*made, Topic(scenario, own, scenario.hash)) if own else made
    try:
        return PopulationSpec(name, file.title, scenario, every, space, file.members, file.note, text)
    except UserError as error:
        raise DocumentError([document.problem(("claims",), str(error))]) from None


def _known_articles() -> list[str]:
    return [article.name for article in load_articles()]


def _space(
    document: Document, scenario: Scenario, vary: Mapping[str, RangeEntry | Literal[False]]
) -> tuple[Space, list[Problem]]:
    """The plausible ranges, changed as the file says."""
    inputs: dict[str, Distribution] = dict(Space.plausible(scenario.inputs.values()).inputs)
    allowed = {name: item for name, item in scenario.inputs.items() if item.kind in ("parameter", "switch")}
    problems = []
    for name, entry in vary.items():
        place = ("vary", name)
        if name not in allowed:
            problems.append(document.problem(place, unknown("parameter or influence", name, allowed)))
            continue
        if entry is False:
            inputs.pop(name, None)
            continue
        item = allowed[name]
        low, high = (given if given is not None else usual for given, usual in ((entry.low, item.low), (entry.high, item.high)))
        scale = entry.scale or ("log" if low > 0 and high / low > 10 else "linear")
        try:
            for value in (low, high):
                if said := item.problem_with(value):
                    raise UserError(said)
            if not low < high:
                raise UserError(f"goes from low = {low:g} to high = {high:g}; low must be below high")
            inputs[name] = (LogUniform if scale == "log" else Uniform)(low, high)
        except UserError as error:
            problems.append(document.problem(place, str(error)))
    return Space(inputs), problems
