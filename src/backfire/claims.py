"""The articles as executable claims: read, evaluate, and say with which margin each one holds.

Each file in ``seeds/`` is one article: citation, facts in our own words, and its claims. A claim has four possible
verdicts: *holds*, *fails*, *inconclusive* (the sides agree within what the solver resolves) and *not applicable* (what
it speaks of did not happen: a censored time, an arm without courses). NaN is looked for before anything is compared.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backfire.claim_language import SUMMARIES, Change, Claim, Comparison, Reading, parse_claim, value_of
from backfire.documents import Document, read_document
from backfire.errors import DocumentError, Problem, UserError, unknown
from backfire.outcomes import summary
from backfire.references import ARTICLES, CAUTION
from backfire.scenario import Scenario, load
from backfire.schema import problems_of
from backfire.simulation import Result, simulate, watch
from backfire.solvers.reference import Settings

RESOLVED = 1e-6
"""Sides that differ by less than this share cannot be told apart by the solver."""


class Verdict(StrEnum):
    """What a claim came to."""

    HOLDS = "holds"
    FAILS = "fails"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"
    ERROR = "error"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ClaimEntry(_Strict):
    """One claim as a seed file writes it."""

    id: str = Field(pattern=r"^[A-Z][0-9]+\.[0-9]+[a-z]?$", description="M1.1 and so on, unique")
    statement: str = Field(min_length=10, description="the claim in plain words, our own")
    check: str = Field(min_length=3, description="the claim in the language of claims")
    role: Literal["calibrated", "predicted"] = Field(description="calibrated: used to choose parameters; predicted: not used")
    where: str = Field(min_length=3, description="where in the article, or in which list of facts, it stands")
    scenario: str | None = Field(None, description="the scenario it speaks of, if not the file's")
    names: list[str] = Field([], description="influences without which the claim must fail")
    note: str = Field("", description="anything a reader should know, such as why it fails")


class SeedFile(_Strict):
    """One article: what it says, how we read it, and its claims."""

    article: str = Field(description=f"one of {', '.join(ARTICLES)}")
    scenario: str = Field(description="the shipped scenario it belongs to")
    facts: list[str] = Field(min_length=1, description="what the article states, in our own words")
    ambiguities: list[str] = Field([], description="where it is ambiguous or wrong, and how we read it")
    claims: list[ClaimEntry] = Field(min_length=1, description="its statements, executable")


@dataclass(frozen=True)
class Seed:
    """An article with its checked claims."""

    name: str
    file: SeedFile
    claims: Mapping[str, tuple[ClaimEntry, Claim]]


@dataclass(frozen=True)
class Finding:
    """What one claim came to: verdict, margin, and the numbers behind it.

    ``margin`` is the natural logarithm of the ratio by which the tightest comparison holds (positive) or fails
    (negative); for sides of different sign it is their difference relative to the larger one. NaN without a verdict.
    """

    article: str
    claim: ClaimEntry
    verdict: Verdict
    margin: float
    readings: Mapping[Reading, float] = field(default_factory=dict)
    reason: str = ""


def seeds_folder() -> Path:
    """The folder of articles: inside the installed package, or beside ``src`` in a checkout."""
    inside = Path(__file__).parent / "seeds"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "seeds"


def load_seeds(articles: Iterable[str] = ()) -> list[Seed]:
    """The articles named, or all; raises DocumentError with every problem, UserError for an unknown article."""
    known = {path.stem: path for path in sorted(seeds_folder().glob("*.toml"))}
    wanted = list(dict.fromkeys(articles)) or [*known]
    for article in wanted:
        if article not in known:
            raise UserError(unknown("article", article, known))
    return [read_seed(known[article]) for article in wanted]


def read_seed(path: Path) -> Seed:
    """One seed file, checked; raises DocumentError."""
    document = read_document(path)
    try:
        file = SeedFile.model_validate(document.data)
    except ValidationError as error:
        raise DocumentError(problems_of(error, document, SeedFile)) from None
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
            problems.append(_at(document, number, entry, str(error)))
    if problems:
        raise DocumentError(problems)
    return Seed(path.stem, file, claims)


def _at(document: Document, number: int, entry: ClaimEntry, message: str) -> Problem:
    return Problem(document.name, document.line(("claims", number, "check")), f"claims.{entry.id}", message)


class Board:
    """Evaluates claims, simulating each changed model once.

    ``base`` may change every scenario before anything else, for example to switch an influence off.
    """

    def __init__(
        self,
        base: Mapping[str, float] | None = None,
        settings: Settings | None = None,
        loaded: Mapping[str, Scenario] | None = None,
    ) -> None:
        self.base = dict(base or {})
        self.settings = settings
        self.loaded = dict(loaded or {})
        self._runs: dict[tuple[str, str, tuple[Change, ...]], Result] = {}

    def finding(self, seed: Seed, identifier: str) -> Finding:
        """Evaluate one claim; a claim that cannot be evaluated is an ``error`` with its reason, not an exception."""
        if identifier not in seed.claims:
            raise UserError(unknown("claim", identifier, seed.claims))
        entry, claim = seed.claims[identifier]
        scenario = entry.scenario or seed.file.scenario
        try:
            outcomes = {reading: self._read(scenario, reading) for reading in claim.readings()}
        except UserError as error:
            return Finding(seed.name, entry, Verdict.ERROR, math.nan, reason=str(error))
        values = {reading: value for reading, (value, _) in outcomes.items()}
        missing = [reading for reading, value in values.items() if not math.isfinite(value)]
        if missing:
            reason = f"{', '.join(map(str, missing))} did not happen"
            return Finding(seed.name, entry, Verdict.NOT_APPLICABLE, math.nan, values, reason)
        censored = {reading for reading, (_, observed) in outcomes.items() if not observed}
        margins = [margin_of(item, values.__getitem__) for item in claim.comparisons]
        if any(_undecided(item, censored) for item in claim.comparisons):
            return Finding(
                seed.name,
                entry,
                Verdict.NOT_APPLICABLE,
                math.nan,
                values,
                "a time was not reached on the side that must be small",
            )
        margin = min(margins)
        verdict = Verdict.INCONCLUSIVE if abs(margin) < RESOLVED else Verdict.HOLDS if margin > 0 else Verdict.FAILS
        return Finding(seed.name, entry, verdict, margin, values)

    def _read(self, scenario: str, reading: Reading) -> tuple[float, bool]:
        """(value, observed) of one reading."""
        result = self._result(scenario, reading.arm, reading.changes)
        if reading.of:
            trajectory = result.trajectories[reading.arm]
            values, start = trajectory[reading.of], watch(result.scenario, reading.arm).start
            return (summary(trajectory, values, start, reading.outcome), True) if trajectory.status.good else (math.nan, False)
        found = result.outcomes[reading.arm]
        if reading.outcome not in found:
            raise UserError(unknown("outcome", reading.outcome, [*found, *SUMMARIES]))
        item = found[reading.outcome]
        return item.value, item.observed

    def _result(self, name: str, arm: str, changes: tuple[Change, ...]) -> Result:
        key = (name, arm, changes)
        if key not in self._runs:
            self._runs[key] = simulate(self._changed(name, changes), [arm], self.settings)
        return self._runs[key]

    def _changed(self, name: str, changes: Sequence[Change]) -> Scenario:
        if name not in self.loaded:
            self.loaded[name] = load(name)
        scenario = self.loaded[name]
        own = {key: value for key, value in self.base.items() if key in scenario.values or key in scenario.switches}
        given: dict[str, float | int | str] = dict(own)
        for change in changes:
            if change.how == "=":
                given[change.name] = change.value
            elif change.name in scenario.values:
                given[change.name] = given.get(change.name, scenario.values[change.name]) * change.value  # type: ignore[operator]
            else:
                raise UserError(unknown("parameter", change.name, scenario.values))
        return scenario.changed(given) if given else scenario


def margin_of(comparison: Comparison, read: Callable[[Reading], float]) -> float:
    """How far one comparison is from turning over, on a log scale; negative where it fails."""
    left, right = value_of(comparison.left, read), value_of(comparison.right, read)
    if comparison.order == "=":
        return math.log1p(comparison.tolerance) - abs(_distance(left, right))
    distance = _distance(left, right)
    return distance if comparison.order in (">", ">=") else -distance


def _distance(left: float, right: float) -> float:
    """ln(left/right) for positive sides; their difference relative to the larger one otherwise, at most 1 apart a sign."""
    if left == right:
        return 0.0
    if left > 0 and right > 0:
        return math.log(left) - math.log(right)
    return (left - right) / max(abs(left), abs(right))


def _undecided(comparison: Comparison, censored: set[Reading]) -> bool:
    """A time that was not reached is only known to be larger: it must not decide as the smaller side."""
    left, right = comparison.left in censored, comparison.right in censored
    if comparison.order == "=":
        return left or right
    return left if comparison.order in ("<", "<=") else right


def board(seeds: Iterable[Seed], settings: Settings | None = None) -> list[Finding]:
    """All claims of the seeds, evaluated at default parameters."""
    shared = Board(settings=settings)
    return [shared.finding(seed, identifier) for seed in seeds for identifier in seed.claims]


def calibrated_failures(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that must not be: calibrated claims that do not hold."""
    return [item for item in findings if item.claim.role == "calibrated" and item.verdict is not Verdict.HOLDS]


def board_rows(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """One row per claim, ready to print or to keep; margins on a natural log scale, rounded to what can be told apart."""
    return [
        {
            "id": item.claim.id,
            "article": item.article,
            "role": item.claim.role,
            "verdict": item.verdict.value,
            "margin": "" if math.isnan(item.margin) else f"{item.margin:+.3f}",
            "statement": item.claim.statement,
            "check": item.claim.check,
            "where": item.claim.where,
            "reason": item.reason or item.claim.note,
        }
        for item in findings
    ]


def board_csv(findings: Iterable[Finding]) -> str:
    """The board as CSV."""
    rows = board_rows(findings)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def summary_line(findings: Sequence[Finding]) -> str:
    """How many claims came to which verdict, by role."""
    counts = Counter((item.claim.role, item.verdict.value) for item in findings)
    listed = ", ".join(f"{count} {role} {verdict}" for (role, verdict), count in sorted(counts.items()))
    return f"{len(findings)} claims: {listed}. Margins are natural logarithms of the ratio to the turning point. {CAUTION}."


def explain_claim(seeds: Iterable[Seed], identifier: str) -> str:
    """One claim in full: statement, source, check, and the numbers of every arm it reads."""
    known = {claim: seed for seed in seeds for claim in seed.claims}
    if identifier not in known:
        raise UserError(unknown("claim", identifier, known))
    seed = known[identifier]
    item = Board().finding(seed, identifier)
    lines = [
        f"{identifier}  {item.claim.statement}",
        f"  article   {ARTICLES[seed.file.article]}",
        f"  where     {item.claim.where}",
        f"  role      {item.claim.role}",
        f"  scenario  {item.claim.scenario or seed.file.scenario}",
        f"  check     {item.claim.check}",
        *(f"            {reading} = {value:.6g}" for reading, value in item.readings.items()),
        f"  verdict   {item.verdict.value}" + ("" if math.isnan(item.margin) else f", margin {item.margin:+.3f}"),
    ]
    lines += [f"  reason    {item.reason}"] if item.reason else []
    lines += [f"  about     {', '.join(item.claim.names)}"] if item.claim.names else []
    lines += [f"  note      {item.claim.note}"] if item.claim.note else []
    return "\n".join([*lines, f"  {CAUTION}"])
