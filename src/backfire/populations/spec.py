"""Population files: which scenario, which claims every tumour must satisfy, what varies and how. One TOML file.

    title    = "Tumours of which every sentence on WNT16B is true"
    scenario = "wnt16b-stroma"
    article  = "wnt16b-stroma"        # its calibrated claims; left out: the scenario's article
    members  = 1000

    [claims]                          # further claims, or all of them with article = "none"
    escapes = "final_burden(monotherapy) > 0.1 * final_burden(untreated)"

    [vary]                            # everything else varies in its plausible range
    growth_rate = { low = 0.05, high = 0.2, scale = "log" }
    drug_ec50   = { median = 1, spread = 1.5 }          # log-normal: one sd is a factor of 1.5
    sensitive   = { alpha = 2, beta = 5 }               # a beta distribution over the range
    carriers    = { values = [0, 1], shares = [0.7, 0.3] }
    capacity    = false               # stays at its value

    [[facts]]                         # measured numbers: the tumours get weights under which they meet them
    of = "peak(wnt16b, monotherapy)"
    low = 8                           # nine in ten tumours lie between low and high,
    median = 30                       # half of them below the median
    high = 64
    source = "the article, figure 1"

    [[correlated]]
    inputs = ["growth_rate", "drug_ec50"]
    rank = 0.5                        # Spearman's, before any claim

All problems of a file are raised together, each with line, key and the nearest right name.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import Field

from backfire.claims import (
    VARIANTS,
    Claim,
    Renamed,
    Skipped,
    Topic,
    in_variant,
    load_articles,
    parse_claim,
    refusals,
    renamed,
    topics,
)
from backfire.errors import DocumentError, Problem, Problems, UserError, echo, unknown
from backfire.populations.facts import Fact
from backfire.populations.stored import sampled_before
from backfire.populations.varying import Varying, distributions
from backfire.sampling import Distribution, Space
from backfire.scenario import (
    POPULATION,
    SWEEP,
    Document,
    Library,
    Number,
    OwnMechanisms,
    Scenario,
    StrictModel,
    check_folder_name,
    expect_kind,
    kind_of_document,
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
FORMS: Final = {item.label: item for item in VARIANTS if item.kind in ("growth", "response", "kill", "progression")}
"""Other forms of the equations, by what they are called."""
Entry = TypeVar("Entry", bound=StrictModel)
MEMBERS = 1000
MOST_MEMBERS = 1_000_000


class CorrelationEntry(StrictModel):
    """Two inputs that go together, before any claim is asked."""

    inputs: list[str] = Field(min_length=2, max_length=2, description="two inputs that vary")
    rank: Number = Field(description="Spearman's rank correlation between them")


class FactEntry(StrictModel):
    """A measured number that the tumours together must meet."""

    of: str = Field(min_length=3, description="one side of a claim, such as peak(wnt16b, monotherapy)")
    low: Number | None = Field(None, description="below it lies half of what is not within")
    median: Number | None = Field(None, description="half of the tumours lie below it")
    high: Number | None = Field(None, description="above it lies half of what is not within")
    within: Number = Field(0.9, description="the share of the tumours between low and high")
    source: str = Field("", description="where it was measured")


class PopulationFile(StrictModel):
    """A backfire population: tumours that satisfy claims. Illustrative, not clinically calibrated."""

    title: str = Field(min_length=1, max_length=200, description="one sentence that says what is asked")
    note: str = Field("", max_length=2000, description="what a reader should know before trusting it")
    scenario: str = Field(min_length=1, description="a shipped scenario, or a file beside the population file")
    article: str | None = Field(None, description='whose calibrated claims must hold; "none" for own claims only')
    members: int = Field(MEMBERS, ge=1, le=MOST_MEMBERS, description="how many tumours")
    form: str | None = Field(None, description="another form of the equations, such as `gompertz growth`")
    leave_out: list[str] = Field([], description="calibrated claims of the article that need not hold, by id")
    claims: dict[str, str] = Field({}, description="own claims: a name, and the claim in the language of claims")
    vary: Varying = Field({}, description="inputs that vary otherwise, or `false`: not at all")
    facts: list[FactEntry] = Field([], description="measured numbers that the tumours together must meet, by weights")
    correlated: list[CorrelationEntry] = Field([], description="pairs of inputs that go together")


@dataclass(frozen=True, eq=False)
class PopulationSpec:
    """What a population is to be: made by ``load_population``, or built in Python.

    ``topics`` are the claims that must hold, with the scenario watched as long as they say; ``facts`` what the tumours must
    meet together; ``form`` another form of the equations, if it is one, with what it calls otherwise; ``text`` the file.
    """

    name: str
    title: str
    scenario: Scenario
    topics: tuple[Topic, ...]
    space: Space
    members: int = MEMBERS
    note: str = ""
    text: str = ""
    facts: tuple[Fact, ...] = ()
    form: str = ""
    renamed: tuple[Renamed, ...] = ()

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

    @property
    def short_names(self) -> dict[str, str]:
        """What figures call every claim, by id: its label, or else the id itself."""
        return {name: topic.labels.get(name, name) for topic in self.topics for name in topic.claims}


def shipped_populations() -> dict[str, Path]:
    """The population files that come with backfire, by name."""
    return {path.stem: path for path in sorted((shipped_folder("configs") / "populations").glob("*.toml"))}


def population_schema() -> dict[str, Any]:
    """The JSON Schema of population files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PopulationFile.model_json_schema()}


def load_population(source: str | Path, mechanisms: OwnMechanisms = (), form: str | None = None) -> PopulationSpec:
    """A population by path or shipped name; a scenario stands for all calibrated claims of its article.

    ``mechanisms`` are those of yours that its scenario uses; ``form`` is another form of its equations, as `FORMS` lists them.

    Raises DocumentError with every problem of the file.
    """
    name, known, library = str(source), shipped_populations(), library_of(mechanisms)
    if name in known and not os.path.isfile(source):
        return _of_file(known[name], library, form)
    if os.path.isfile(source):
        document = read_document(source)
        return _of_file(Path(source), library, form) if "scenario" in document.data else _of_scenario(load(source, library), form)
    if name in shipped_scenarios():
        return _of_scenario(load(name, library), form)
    if Path(source).suffix == ".toml" or "/" in name:
        read_document(source)  # says why not
    raise DocumentError([Problem(echo(name), 0, "", unknown("population or scenario", name, [*known, *shipped_scenarios()]))])


def parse_population(
    text: str, name: str = "population", folder: Path | str = ".", mechanisms: OwnMechanisms = (), form: str | None = None
) -> PopulationSpec:
    """A population from TOML text; a scenario file that it names is looked for in ``folder``."""
    return _build(parse_document(text, name), name, Path(folder), text, library_of(mechanisms), form)


def _of_file(path: Path, library: Library, form: str | None) -> PopulationSpec:
    document, text, before = read_document(path), path.read_text(encoding="utf-8-sig"), sampled_before(path, library)
    if before is None:
        return _build(document, path.stem, path.parent, text, library, form)
    name, scenario, had, names = before
    if had and form not in (None, had):
        raise UserError(f"--form {form}: {path.parent} was sampled in the form `{had}`; give the file that it was sampled from")
    return _build(document, name, path.parent, text, library, None if had else form, (scenario, had, names))


def _of_scenario(scenario: Scenario, form: str | None) -> PopulationSpec:
    """All calibrated claims of a scenario's article, everything in its plausible range."""
    title = f"Tumours that satisfy every calibrated claim of {scenario.article}"
    text = f"title = {json.dumps(title)}\nscenario = {json.dumps(scenario.name)}\n"
    scenario, names = _in_form(scenario, form)
    made = _article_topics(scenario, scenario.article, (), names)
    name, space = _named(scenario.name, form), Space.plausible(scenario.inputs.values())
    return PopulationSpec(name, title, scenario, made, space, text=text, form=form or "", renamed=names)


def _named(name: str, form: str | None) -> str:
    """What a population is called, with the form of its equations."""
    return f"{name}-{re.sub('[^a-z0-9.]+', '-', form)}" if form else name


def _in_form(scenario: Scenario, form: str | None) -> tuple[Scenario, tuple[Renamed, ...]]:
    """The scenario in another form, and what that calls otherwise; raises UserError for a form that it cannot have."""
    if form is None:
        return scenario, ()
    if form not in FORMS:
        raise UserError(unknown("form of the equations", form, FORMS))
    try:
        return in_variant(scenario, FORMS[form])
    except Skipped as reason:
        raise UserError(f"{form}: {reason}") from None


def _article_topics(
    scenario: Scenario, article: str, leave_out: tuple[str, ...], names: Sequence[Renamed] = ()
) -> tuple[Topic, ...]:
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
    made = topics([found], own, {found.file.scenario: scenario})
    return tuple(
        dataclasses.replace(topic, claims={name: renamed(claim, names) for name, claim in topic.claims.items()}) for topic in made
    )


_INSTEAD: Final = {"title": "untitled", "scenario": ""}
"""What to go on with where the file does not say it."""


def _build(
    document: Document, name: str, folder: Path, text: str, library: Library, form: str | None = None,
    before: tuple[Scenario, str, tuple[Renamed, ...]] | None = None,
) -> PopulationSpec:  # fmt: skip
    """The population of a file; ``before`` is the scenario it was sampled of, the form that has, and what that renames."""
    if "design" in document.data or kind_of_document(document) is not SWEEP:  # what varies may be all that it says
        expect_kind(document, POPULATION)
    problems = Problems()
    shape = read_shape(document, PopulationFile, instead=_INSTEAD)
    problems += shape.problems
    file, given, document = shape.file, document, shape.document
    if file is None or shape.has_lost("scenario"):
        problems.stop()
    assert file is not None
    try:
        found, had, names = before or (load_named(document, file.scenario, folder, library), "", ())
        scenario, names = (found, names) if had else _in_form(found, file.form if form is None else form)
    except DocumentError as error:
        raise DocumentError([*problems, *error.problems]) from None
    except UserError as error:
        raise DocumentError([*problems, document.problem(("form",), str(error))]) from None
    article = scenario.article if file.article is None else file.article
    made: tuple[Topic, ...] = ()
    if article == NO_ARTICLE and file.leave_out:
        problems.append(document.problem(("leave_out",), 'leaves out claims of an article, and there is none: article = "none"'))
    if article != NO_ARTICLE and not (file.article is None and article not in _known_articles()):
        try:
            made = _article_topics(scenario, article, tuple(file.leave_out), names)
        except UserError as error:
            problems.append(document.problem(("leave_out",) if file.leave_out else ("article",), str(error)))
    own: dict[str, Claim] = {}
    for key, check in file.claims.items():
        try:
            own[key] = parse_claim(check)
            if unread := refusals(scenario, own[key].refs()):
                raise UserError("; ".join(unread.values()))
        except UserError as error:
            problems.append(document.problem(("claims", key), str(error)))
    problems += [
        document.problem(("claims", key), "has the name of a claim of the article")
        for topic in made
        for key in topic.claims
        if key in own
    ]
    listed = {key: given if shape.has_lost(key) else document for key in ("correlated", "facts")}
    space, wrong = _space(document, scenario, file, dict(_each(listed["correlated"], "correlated", CorrelationEntry)))
    facts, mistaken = _facts(document, scenario, dict(_each(listed["facts"], "facts", FactEntry)))
    problems += [*wrong, *mistaken]
    problems.stop()
    every = (*made, Topic(scenario, own, scenario.hash)) if own else made
    try:
        return PopulationSpec(
            _named(name, form), file.title, scenario, every, space, file.members, file.note, text, tuple(facts),
            had or form or file.form or "", names,
        )  # fmt: skip
    except UserError as error:
        raise DocumentError([document.problem(("claims",), str(error))]) from None


def _each(document: Document, key: str, model: type[Entry]) -> Iterator[tuple[int, Entry]]:
    """The entries of a list of tables that can be read, by number: one that cannot hides no mistake of another."""
    given = document.data.get(key)
    for number in range(len(given) if isinstance(given, list) else 0):
        shape = read_shape(document, model, (key, number))
        if shape.file is not None and not shape.lost:
            yield number, shape.file


def _facts(document: Document, scenario: Scenario, entries: Mapping[int, FactEntry]) -> tuple[list[Fact], list[Problem]]:
    """The facts of a file, each with names that the scenario has."""
    facts, problems = list[Fact](), list[Problem]()
    for number, entry in entries.items():
        given = {word: float(value) for word in ("low", "median", "high") if (value := getattr(entry, word)) is not None}
        try:
            fact = Fact(entry.of, **given, within=float(entry.within), source=entry.source)
            if wrong := refusals(scenario, fact.refs):
                raise UserError("; ".join(wrong.values()))
            facts.append(fact)
        except UserError as error:
            problems.append(document.problem(("facts", number, "of"), str(error)))
    return facts, problems


def _known_articles() -> list[str]:
    return [article.name for article in load_articles()]


def _space(
    document: Document, scenario: Scenario, file: PopulationFile, correlated: Mapping[int, CorrelationEntry]
) -> tuple[Space, list[Problem]]:
    """The plausible ranges, changed as the file says."""
    usual: Mapping[str, Distribution | None] = Space.plausible(scenario.inputs.values()).inputs
    allowed = {name: item for name, item in scenario.inputs.items() if item.kind in ("parameter", "switch")}
    given, problems = distributions(document, allowed, file.vary, ("vary",))
    inputs = {name: item for name, item in {**usual, **given}.items() if item is not None}
    pairs = {(one, two): entry.rank for entry in correlated.values() for one, two in [entry.inputs]}
    if len(pairs) < len(correlated):
        problems.append(document.problem(("correlated",), "has the same two inputs twice"))
    try:
        return Space(inputs, pairs), problems
    except UserError as error:
        return Space(inputs), [*problems, document.problem(("correlated",), str(error))]
