"""Articles, a file each in `seeds/`: facts in our own words and claims, read and checked whole; claims by what they speak of."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backfire.claims.language import Claim, parse_claim
from backfire.errors import DocumentError, Problem, UserError, unknown
from backfire.model import ARTICLES
from backfire.scenario import Scenario, load, parse_data, problems_of, read_document
from backfire.system import shipped_folder

Role = Literal["structural", "calibrated", "predicted"]
ROLES: Final = get_args(Role)
"""The roles of claims, from what must hold everywhere to what was left to be seen."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ClaimEntry(_Strict):
    """One claim as a file writes it.

    Three roles: a *structural* claim holds for all values, because an equation writes it, and checks the wiring; a
    *calibrated* one holds for some, and these were chosen with it in mind; a *predicted* one chose nothing.
    """

    id: str = Field(pattern=r"^[A-Z][0-9]+\.[0-9]+[a-z]?$", description="M1.1 and so on, unique")
    statement: str = Field(min_length=10, description="the claim in plain words, our own")
    check: str = Field(min_length=3, description="the claim in the language of claims")
    role: Role = Field(description="structural: an equation writes it, calibrated: used to choose values, predicted: not used")
    where: str = Field(min_length=3, description="where in the article, or in which list of facts, it stands")
    scenario: str | None = Field(None, description="the scenario it speaks of, if not the file's")
    until: float | None = Field(
        None, gt=0, description="days after the start of treatment on which it looks, if not the last day"
    )
    names: list[str] = Field([], description="influences without which the claim must fail")
    note: str = Field("", description="anything a reader should know, such as why it fails")
    fragile: str = Field("", description="why it holds in less than half of the plausible box, where it does")


class Story(_Strict):
    """The article in the three phrases of the table of articles."""

    drug: str = Field(min_length=3, description="the drug and the tumour")
    answer: str = Field(min_length=3, description="how body or tumour answers the drug")
    blocked_by: str = Field(min_length=3, description="what blocks the answer")


class ArticleFile(_Strict):
    """One article: what it says, how we read it, and its claims."""

    article: str = Field(description=f"one of {', '.join(ARTICLES)}")
    scenario: str = Field(description="the shipped scenario it belongs to")
    story: Story = Field(description="the article in three phrases")
    facts: list[str] = Field(min_length=1, description="what the article states, in our own words")
    ambiguities: list[str] = Field([], description="where it is ambiguous or wrong, and how we read it")
    revised: list[str] = Field([], description="what the model means now and did not before")
    not_modelled: list[str] = Field([], description="what the article says and the model does not, with the paragraph")
    not_good_for: str = Field("", description="one plain sentence: what this model is not good for")
    claims: list[ClaimEntry] = Field(min_length=1, description="its statements, executable")


@dataclass(frozen=True)
class Article:
    """An article with its checked claims."""

    name: str
    file: ArticleFile
    claims: Mapping[str, tuple[ClaimEntry, Claim]]

    def scenario_of(self, identifier: str) -> str:
        """The name of the scenario that a claim speaks of."""
        return self.claims[identifier][0].scenario or self.file.scenario


@dataclass(frozen=True)
class Topic:
    """A scenario, watched up to some day, and the claims that speak of it, by id; ``hash`` is that of the whole scenario."""

    scenario: Scenario
    claims: Mapping[str, Claim]
    hash: str

    @property
    def arms(self) -> list[str]:
        """The arms that the claims speak of, each once."""
        return list(dict.fromkeys(ref.arm for claim in self.claims.values() for ref in claim.refs()))


def load_articles(articles: Iterable[str] = ()) -> list[Article]:
    """The articles named, or all; raises DocumentError with every problem, UserError for an unknown article."""
    known = {path.stem: path for path in sorted(shipped_folder("seeds").glob("*.toml"))}
    wanted = list(dict.fromkeys(articles)) or [*known]
    for article in wanted:
        if article not in known:
            raise UserError(unknown("article", article, known))
    return [read_article(known[article]) for article in wanted]


def read_article(path: Path) -> Article:
    """One file of an article, checked; raises DocumentError."""
    document = read_document(path)
    try:
        file = ArticleFile.model_validate(document.data)
    except ValidationError as error:
        raise DocumentError(problems_of(error, document, ArticleFile)) from None
    problems: list[Problem] = []
    if file.article not in ARTICLES:
        problems.append(document.problem(("article",), unknown("article", file.article, ARTICLES)))
    claims: dict[str, tuple[ClaimEntry, Claim]] = {}
    for number, entry in enumerate(file.claims):
        try:
            if entry.id in claims:
                raise UserError(f"claim {entry.id} is given twice")
            claims[entry.id] = (entry, parse_claim(entry.check))
        except UserError as error:
            line = document.line(("claims", number, "check"))
            problems.append(Problem(document.name, line, f"claims.{entry.id}", str(error)))
    if problems:
        raise DocumentError(problems)
    return Article(path.stem, file, claims)


def find_claim(articles: Iterable[Article], identifier: str) -> Article:
    """The article that makes a claim; raises UserError with the nearest id."""
    known = {claim: article for article in articles for claim in article.claims}
    if identifier not in known:
        raise UserError(unknown("claim", identifier, known))
    return known[identifier]


def topics(
    articles: Iterable[Article], only: Iterable[str] | None = None, loaded: Mapping[str, Scenario] | None = None
) -> list[Topic]:
    """The claims (or those in ``only``) by the scenario they speak of and the day up to which they watch it, in order.

    ``loaded`` gives scenarios by name in place of the shipped ones.
    """
    wanted = set(only) if only is not None else None
    claims: dict[tuple[str, float | None], dict[str, Claim]] = {}
    for article in articles:
        for identifier, (entry, claim) in article.claims.items():
            if wanted is None or identifier in wanted:
                claims.setdefault((article.scenario_of(identifier), entry.until), {})[identifier] = claim
    scenarios = {name: (loaded or {}).get(name) or load(name) for name, _ in claims}
    return [Topic(_watched(scenarios[name], until), own, scenarios[name].hash) for (name, until), own in claims.items()]


def _watched(scenario: Scenario, until: float | None) -> Scenario:
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
    return parse_data(data, scenario.name, scenario.mechanism_classes.values())


def recorded_by_claims() -> frozenset[str]:
    """What the claims of all articles read besides outcomes: names of states, definitions, rates and influences."""
    return _recorded_in(shipped_folder("seeds"))


@functools.cache
def _recorded_in(folder: Path) -> frozenset[str]:
    claims = [claim for path in folder.glob("*.toml") for _, claim in read_article(path).claims.values()]
    return frozenset(ref.of for claim in claims for ref in claim.refs() if ref.of)
