"""Claims in files: the articles in `seeds/`, facts in our own words with their claims, and files of a user's own.

Both are read by ``ClaimsReader``, which collects every problem; what claims speak of is put together in topics.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import Field, create_model

from backfire.claims.language import Claim, parse_claim
from backfire.errors import Problem, Problems, UserError, unknown
from backfire.model import ARTICLES
from backfire.outcomes import parse_summary
from backfire.scenario import (
    CLAIMS,
    Document,
    OwnMechanisms,
    Scenario,
    Shape,
    StrictModel,
    expect_kind,
    load,
    parse_data,
    read_document,
    read_shape,
)
from backfire.system import shipped_folder

Role = Literal["structural", "calibrated", "predicted"]
ROLES: Final = get_args(Role)
"""The roles of claims, from what must hold everywhere to what was left to be seen."""


class ClaimEntry(StrictModel):
    """One claim as a file writes it.

    Three roles: a *structural* claim holds for all values, because an equation writes it, and checks the wiring; a
    *calibrated* one holds for some, and these were chosen with it in mind; a *predicted* one chose nothing.
    """

    id: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,7}$", description="C1 and so on, unique, at most eight characters")
    label: str = Field(
        "", pattern=r"^(\S([^\n]*\S)?)?$", max_length=40, description="the same in a few words, for figures; the id if left out"
    )
    statement: str = Field(min_length=10, description="the claim in plain words, our own")
    check: str = Field(min_length=3, description="the claim in the language of claims")
    role: Role = Field(
        "predicted", description="structural: an equation writes it, calibrated: used to choose values, predicted: not used"
    )
    where: str = Field("", description="where it comes from: an article, an experiment, an idea")
    scenario: str | None = Field(None, description="the scenario it speaks of, if not the file's")
    until: float | None = Field(
        None, gt=0, description="days after the start of treatment on which it looks, if not the last day"
    )
    names: list[str] = Field([], description="influences without which the claim must fail")
    note: str = Field("", description="anything a reader should know, such as why it fails")
    fragile: str = Field("", description="why it holds in less than half of the plausible box, where it does")

    @property
    def short_name(self) -> str:
        """What figures call it: its label, or else its id."""
        return self.label or self.id

    @property
    def must_have(self) -> bool:
        """True for a statement that the models were built to hold."""
        return False


class ArticleClaim(ClaimEntry):
    """One claim of an article: with its place there, and no role by default."""

    id: str = Field(pattern=r"^[A-Z][0-9]+\.[0-9]+[a-z]?$", description="M1.1 and so on, unique")
    role: Role = Field(description="structural: an equation writes it, calibrated: used to choose values, predicted: not used")
    where: str = Field(min_length=3, description="where in the article, or in which list of facts, it stands")

    @property
    def must_have(self) -> bool:
        """True for the statements M1.1 and so on."""
        return self.id.startswith("M")


class ClaimsFile(StrictModel):
    """Claims about a scenario, executable. Illustrative, not clinically calibrated."""

    title: str = Field(min_length=1, max_length=200, description="one sentence that says what is claimed, and of what")
    note: str = Field("", max_length=2000, description="what a reader should know before trusting it")
    scenario: str = Field(min_length=1, description="a shipped scenario, or a file beside this one")
    claims: list[ClaimEntry] = Field(min_length=1, description="statements, executable")


def claims_schema() -> dict[str, Any]:
    """The JSON Schema of files of own claims."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ClaimsFile.model_json_schema()}


class Story(StrictModel):
    """The article in the three phrases of the table of articles."""

    drug: str = Field(min_length=3, description="the drug and the tumour")
    answer: str = Field(min_length=3, description="how body or tumour answers the drug")
    blocked_by: str = Field(min_length=3, description="what blocks the answer")


class ArticleFile(StrictModel):
    """One article: what it says, how we read it, and its claims."""

    article: str = Field(description=f"one of {', '.join(ARTICLES)}")
    scenario: str = Field(description="the shipped scenario it belongs to")
    story: Story = Field(description="the article in three phrases")
    facts: list[str] = Field(min_length=1, description="what the article states, in our own words")
    ambiguities: list[str] = Field([], description="where it is ambiguous or wrong, and how we read it")
    revised: list[str] = Field([], description="what the model means now and did not before")
    not_modelled: list[str] = Field([], description="what the article says and the model does not, with the paragraph")
    not_good_for: str = Field("", description="one plain sentence: what this model is not good for")
    claims: list[ArticleClaim] = Field(min_length=1, description="its statements, executable")


@dataclass(frozen=True, eq=False)
class ClaimSet:
    """The checked claims of one file by id; ``scenarios`` are those of a user's own file, as the file names them."""

    name: str
    file: ClaimsFile | ArticleFile
    claims: Mapping[str, tuple[ClaimEntry, Claim]]
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the claims are about."""
        return self.file.title if isinstance(self.file, ClaimsFile) else ""

    subject = title
    """The same in a few words."""

    def scenario_of(self, identifier: str) -> str:
        """The name of the scenario that a claim speaks of."""
        written = self.claims[identifier][0].scenario or self.file.scenario
        return self.scenarios[written].name if written in self.scenarios else written

    def scenario(self, identifier: str, loaded: Mapping[str, Scenario], mechanisms: OwnMechanisms = ()) -> Scenario:
        """The scenario that a claim speaks of: the file's own, one of those ``loaded`` by name, or a shipped one."""
        written = self.claims[identifier][0].scenario or self.file.scenario
        return self.scenarios.get(written) or loaded.get(written) or load(written, mechanisms)


@dataclass(frozen=True, eq=False)
class Article(ClaimSet):
    """An article with its checked claims."""

    file: ArticleFile

    @property
    def title(self) -> str:
        """The article: authors, year and journal."""
        return str(ARTICLES.get(self.file.article, self.name))

    @property
    def subject(self) -> str:
        """What it is about."""
        return ARTICLES[self.file.article].subject if self.file.article in ARTICLES else ""


@dataclass(frozen=True)
class Topic:
    """A scenario, watched up to some day, and the claims that speak of it, by id; ``hash`` is that of the whole scenario.

    ``labels`` are the short names of claims by id, where they have one: words, which no identity counts.
    """

    scenario: Scenario
    claims: Mapping[str, Claim]
    hash: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def arms(self) -> list[str]:
        """The arms that the claims speak of, each once."""
        return list(dict.fromkeys(ref.arm for claim in self.claims.values() for ref in claim.refs()))


class ClaimsReader:
    """Reads one file of claims; ``problems`` collects everything wrong with it, each with its line."""

    def __init__(self, document: Document, model: type[ClaimsFile] | type[ArticleFile], entry: type[ClaimEntry]) -> None:
        expect_kind(document, CLAIMS)
        self.model, self.entry, self.problems = model, entry, Problems()
        # each claim is read by itself, so that one that is wrong leaves the others their places
        aside = create_model(model.__name__, __base__=model, claims=(list[Any], Field(min_length=1)))
        self.shape: Shape[Any] = read_shape(document, aside, instead={"title": "untitled", "scenario": ""})
        self.problems += self.shape.problems
        self.document = self.shape.document
        self.places: dict[str, int] = {}
        self.labels: dict[str, str] = {}

    def add(self, identifier: str, key: str, message: object) -> None:
        """A problem of a claim: its file, line and id."""
        found = self.document.problem(("claims", self.places[identifier], key), str(message))
        self.problems.append(dataclasses.replace(found, key=f"claims.{identifier}.{key}"))

    def claims(self) -> dict[str, tuple[ClaimEntry, Claim]]:
        """The claims that can be read, by id."""
        return dict(self._read())

    def _read(self) -> Iterator[tuple[str, tuple[ClaimEntry, Claim]]]:
        given: Any = self.document.data.get("claims")
        for number, raw in enumerate(given if isinstance(given, list) else ()):
            place = ("claims", number)
            shape = read_shape(self.document, self.entry, place)
            name = str(raw.get("id", number + 1)) if isinstance(raw, dict) else str(number + 1)
            self.problems += [_named(item, number, name) for item in shape.problems]
            if shape.file is None or shape.lost:
                continue
            if shape.file.id in self.places:
                self.problems.append(_named(self.document.problem((*place, "id"), f"claim {name} is given twice"), number, name))
                continue
            if shape.file.label and shape.file.label in self.labels:
                other = self.labels[shape.file.label]
                words = f"`{shape.file.label}` is the label of {other}, too; labels tell claims apart"
                self.problems.append(_named(self.document.problem((*place, "label"), words), number, name))
            self.labels[shape.file.label] = shape.file.id
            self.places[shape.file.id] = number
            try:
                yield shape.file.id, (shape.file, parse_claim(shape.file.check))
            except UserError as error:
                self.add(shape.file.id, "check", error)

    def finished(self, claims: Mapping[str, tuple[ClaimEntry, Claim]]) -> Any:
        """The file with its claims; raises DocumentError if there were problems."""
        self.problems.stop()
        assert self.shape.file is not None
        return self.model(**{**dict(self.shape.file), "claims": [entry for entry, _ in claims.values()]})


def _named(problem: Problem, number: int, name: str) -> Problem:
    """A problem of a claim with the claim's id in place of its number."""
    return dataclasses.replace(problem, key=problem.key.replace(f"claims.{number}", f"claims.{name}", 1))


def shipped_articles() -> dict[str, Path]:
    """The files of the articles by name, sorted."""
    return {path.stem: path for path in sorted(shipped_folder("seeds").glob("*.toml"))}


def load_articles(articles: Iterable[str] = ()) -> list[Article]:
    """The articles named, or all; raises DocumentError with every problem, UserError for an unknown article."""
    known = shipped_articles()
    wanted = list(dict.fromkeys(articles)) or [*known]
    for article in wanted:
        if article not in known:
            raise UserError(unknown("article", article, known))
    return [read_article(known[article]) for article in wanted]


def read_article(path: Path) -> Article:
    """One file of an article, checked; raises DocumentError. Names in its claims are looked up when they are evaluated."""
    reader = ClaimsReader(read_document(path), ArticleFile, ArticleClaim)
    file = reader.shape.file
    if isinstance(file, ArticleFile) and file.article not in ARTICLES:
        reader.problems.append(reader.document.problem(("article",), unknown("article", file.article, ARTICLES)))
    claims = reader.claims()
    return Article(path.stem, reader.finished(claims), claims)


def find_claim(articles: Iterable[ClaimSet], identifier: str) -> ClaimSet:
    """The article, or file, that makes a claim; raises UserError with the nearest id."""
    known = {claim: article for article in articles for claim in article.claims}
    if identifier not in known:
        raise UserError(unknown("claim", identifier, known))
    return known[identifier]


def topics(
    articles: Iterable[ClaimSet],
    only: Iterable[str] | None = None,
    loaded: Mapping[str, Scenario] | None = None,
    mechanisms: OwnMechanisms = (),
) -> list[Topic]:
    """The claims (or those in ``only``) by the scenario they speak of and the day up to which they watch it, in order.

    ``loaded`` gives scenarios by name in place of the shipped ones; ``mechanisms`` are those of yours that others use.
    Raises UserError for two scenarios of one name.
    """
    wanted, articles = set(only) if only is not None else None, list(articles)
    claims: dict[tuple[str, float | None], dict[str, Claim]] = {}
    labels = {name: entry.label for article in articles for name, (entry, _) in article.claims.items() if entry.label}
    scenarios = dict(loaded or {})
    for article in articles:
        for identifier, (entry, claim) in article.claims.items():
            if wanted is None or identifier in wanted:
                scenario = article.scenario(identifier, scenarios, mechanisms)
                if scenarios.setdefault(scenario.name, scenario).hash != scenario.hash:
                    raise UserError(
                        f"two different scenarios are called `{scenario.name}`; evaluate their claims one after the other"
                    )
                claims.setdefault((scenario.name, entry.until), {})[identifier] = claim
    return [
        Topic(watched(scenarios[name], until), own, scenarios[name].hash, {key: labels[key] for key in own if key in labels})
        for (name, until), own in claims.items()
    ]


def watched(scenario: Scenario, until: float | None) -> Scenario:
    """A scenario that ends so many days after the start of treatment, with the doses that are given until then.

    Raises UserError where they cannot be counted off.
    """
    if until is None:
        return scenario
    last, given = scenario.time_zero + until, {}
    scenario = _begun(scenario, last)
    for name, regimen in scenario.regimens.items():
        doses = sum(dose.time + regimen.duration <= last for dose in regimen.doses())
        if regimen.end > last:
            if regimen.cycles > 1 or not doses:
                raise UserError(f"a claim `until` {until:g} days of treatment would cut `{name}`, which cannot be cut there")
            given[f"{name}.count"] = doses
    return scenario.changed(given, days=last)


def _begun(scenario: Scenario, last: float) -> Scenario:
    """A scenario without the regimens that only begin after a day, which the arms up to then do not show."""
    later = {name for name, regimen in scenario.regimens.items() if regimen.start > last}
    if not later:
        return scenario
    data = copy.deepcopy(scenario.document.data)
    data.setdefault("outcomes", {}).setdefault("from", scenario.time_zero)
    data["regimens"] = {name: item for name, item in data["regimens"].items() if name not in later}
    left = {arm: [name for name in names if name not in later] for arm, names in data["arms"].items()}
    data["arms"] = {arm: names for arm, names in left.items() if names or not data["arms"][arm]}
    return parse_data(data, scenario.name, scenario.library)


def recorded_by_claims() -> frozenset[str]:
    """What the claims of all articles read besides outcomes: names of states, definitions, rates and influences."""
    return _recorded_in(shipped_folder("seeds"))


@functools.cache
def _recorded_in(folder: Path) -> frozenset[str]:
    claims = [claim for path in folder.glob("*.toml") for _, claim in read_article(path).claims.values()]
    asked = (parse_summary(ref.column) for claim in claims for ref in claim.refs())
    return frozenset(name for item in asked if item for name in item.names)
