"""What articles state and users claim, executable: evaluated at default parameters, over a box, and under other equations.

Four verdicts are possible: *holds*, *fails*, *inconclusive* (the sides agree within what the solver resolves) and *not
applicable* (what it speaks of did not happen). A claim that cannot be evaluated is an *error* with its reason.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from backfire.claims.articles import ClaimEntry, ClaimSet, Topic, find_claim, topics
from backfire.claims.filtering import BoxSample, Robustness
from backfire.claims.filtering import robustness as robustness_of
from backfire.claims.language import OutcomeRef
from backfire.claims.measuring import Evaluated, Progress, evaluate_members, has_to_compile
from backfire.claims.own import Source, load_sets
from backfire.claims.plausible import OverPopulation, PlausibleShare, over_population
from backfire.claims.pool import worker_pool
from backfire.claims.variants import VARIANTS, VariantResult, VariantTrial, flips
from backfire.claims.verdict import RESOLVED, Verdict
from backfire.model import CAUTION
from backfire.notebook import shown
from backfire.sampling import PlausibleTumours
from backfire.scenario import Library, OwnMechanisms, Scenario, library_of
from backfire.solvers import Settings

REFERENCE: Final = Settings()
"""The reference solver as it comes."""


@dataclass(frozen=True)
class Finding:
    """What one claim came to: verdict, margin, and the numbers behind it. ``article`` is the article, or file, it is from.

    ``margin`` is the natural logarithm of the ratio by which the tightest comparison holds (positive) or fails
    (negative); for sides of different sign it is their difference relative to the larger one. NaN without a verdict.
    """

    article: str
    claim: ClaimEntry
    verdict: Verdict
    margin: float
    readings: Mapping[OutcomeRef, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """Findings at default parameters, and how robust they are.

    ``robustness`` maps ids to the share of the box, ``variants`` to the other forms of the equations; both are empty if
    not asked for. ``sample`` says how the box was sampled; ``populations`` are the shares among
    plausible tumours, if any were given; ``hashes`` maps each scenario that the claims speak of to its hash.
    """

    articles: Sequence[ClaimSet]
    findings: Sequence[Finding]
    sample: BoxSample | None = None
    robustness: Mapping[str, Robustness] = field(default_factory=dict)
    variants: Mapping[str, Sequence[VariantResult]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    populations: Sequence[OverPopulation] = ()

    def __repr__(self) -> str:
        """One line: how many claims came to which verdict."""
        counted = Counter(item.verdict.value for item in self.findings)
        return f"<Report on {len(self.findings)} claims: {', '.join(f'{count} {word}' for word, count in counted.items())}>"

    def _repr_html_(self) -> str:
        """In a notebook: every claim with its verdict, those that do not hold first."""
        ordered = sorted(self.findings, key=lambda item: item.verdict is Verdict.HOLDS)
        rows = [
            (
                item.claim.id,
                item.claim.statement,
                item.claim.role,
                item.verdict.value,
                "" if item.margin != item.margin else f"{item.margin:+.3f}",
                *(_share(over.shares.get(item.claim.id)) for over in self.populations),
            )
            for item in ordered
        ]
        told = ", ".join(f"{name} {digest}" for name, digest in self.hashes.items())
        heads = ("id", "claim", "role", "verdict", "margin", *(f"holds in {over.name}" for over in self.populations))
        return shown(repr(self)[1:-1], heads, rows, f"{CAUTION.capitalize()}. {told}")

    def flips(self, item: Finding) -> list[VariantResult]:
        """The variants in which a claim comes to another verdict."""
        return flips(self.variants.get(item.claim.id, ()), item.verdict)


def _share(found: PlausibleShare | None) -> str:
    if found is None or math.isnan(found.share):
        return "–" if found is None else found.word
    return f"{found.share:.2f} [{found.low:.2f}–{found.high:.2f}] {found.word}"


def evaluate_claims(
    articles: Source | Iterable[Source] = (),
    robustness: BoxSample | None = None,
    variants: bool = False,
    workers: int | None = None,
    only: Iterable[str] | None = None,
    loaded: Mapping[str, Scenario] | None = None,
    progress: Callable[[str, int], None] | None = None,
    notify: Callable[[str], None] | None = None,
    mechanisms: OwnMechanisms = (),
    populations: Sequence[tuple[PlausibleTumours, Scenario]] = (),
) -> Report:
    """Check what articles state, or what you claim yourself, against the models: a verdict and a margin for every claim.

        from backfire.claims import BoxSample

        report = backfire.evaluate_claims(["wnt16b-stroma"], robustness=BoxSample(256), variants=True)
        {item.claim.id: (item.verdict.value, item.margin) for item in report.findings}
        report.robustness["M4.4"].share                    # of the tumours within the plausible ranges
        [item.variant.label for item in report.flips(report.findings[0])]

    ``articles`` are names of articles, paths of claims files of your own, or what ``load_claims`` and ``parse_claims``
    gave; all articles if there are none. ``only`` are the ids of claims, ``mechanisms`` those of yours that the
    scenarios use. ``robustness`` samples a box of parameters, and ``variants`` tries other forms of
    the equations, in ``workers`` processes (None: one per core; 0: this one): both for claims that can be evaluated at
    all. ``populations`` are plausible tumours with the scenario they are of (``read_population``), over which claims on that
    scenario are evaluated too, whatever form its equations have. ``loaded`` gives scenarios by name in place of the shipped
    ones of articles. ``progress`` is called with what runs next and how many such steps there are at most; ``notify`` with
    what to wait for. Raises UserError for names that do not exist, DocumentError with every problem of a file,
    BackendLostError if a worker process dies.
    """
    library = library_of(mechanisms)
    chosen = load_sets(articles, library)
    wanted = None if only is None else list(only)
    for identifier in wanted or ():
        find_claim(chosen, identifier)
    asked = topics(chosen, wanted, loaded, library)
    if notify is not None and (robustness or variants or populations):
        _say_what_compiles(asked, notify)
    rounds = 1 + (robustness is not None) + len(populations)
    steps = rounds * sum(len(topic.arms) for topic in asked) + variants * len(VARIANTS) * len(asked)
    told = None if progress is None else lambda what: progress(what, steps)
    found: dict[str, Evaluated] = {}
    sound: list[Topic] = []
    trials: list[VariantTrial] = []
    with worker_pool(workers if variants else 0) as executor:
        for topic in asked:
            own = evaluate_members(topic.scenario, topic.claims, settings=REFERENCE, resolved=RESOLVED, progress=told)
            found |= own
            possible = {name: topic.claims[name] for name in own if own[name].judged.verdict() is not Verdict.ERROR}
            if possible:
                sound.append(dataclasses.replace(topic, claims=possible))
                trials += [VariantTrial(sound[-1], executor=executor)] if variants else []
        over = [over_population(_of_form(chosen, wanted, loaded, *item, library), item[0], told) for item in populations]
        shares = {} if robustness is None else robustness_of(sound, robustness, progress=told)
        other = {name: results for trial in trials for name, results in trial.results(told).items()}
    hashes = {topic.scenario.name: topic.hash for topic in asked}
    return Report(chosen, _findings(chosen, found), robustness, shares, other, hashes, over)


def _say_what_compiles(asked: Sequence[Topic], notify: Callable[[str], None]) -> None:
    waiting = [topic.scenario.name for topic in asked if has_to_compile(topic.scenario, topic.claims.values())]
    if waiting:
        notify(f"compiling {', '.join(waiting)} for this machine, once: some ten seconds each")


def _of_form(
    sets: Sequence[ClaimSet], wanted: list[str] | None, loaded: Mapping[str, Scenario] | None,
    tumours: PlausibleTumours, scenario: Scenario, library: Library,
) -> list[Topic]:  # fmt: skip
    """The topics of a population: where its equations have another form, claims speak of that."""
    if not tumours.manifest.get("form"):
        return topics(sets, wanted, loaded, library)
    own = [{name: scenario if item.name == scenario.name else item for name, item in known.scenarios.items()} for known in sets]
    formed = [dataclasses.replace(known, scenarios=made) for known, made in zip(sets, own, strict=True)]
    return topics(formed, wanted, {**(loaded or {}), scenario.name: scenario}, library)


def evaluate_articles(
    articles: Sequence[ClaimSet],
    only: Iterable[str] | None = None,
    loaded: Mapping[str, Scenario] | None = None,
    base: Mapping[str, float] | None = None,
    settings: Settings | None = REFERENCE,
    resolved: float = RESOLVED,
    progress: Progress | None = None,
) -> list[Finding]:
    """The claims of articles (or those in ``only``), each evaluated once, in their order.

    ``loaded`` gives scenarios by name in place of the shipped ones. ``base`` changes every scenario that has the
    parameters or influences it names before anything else, for example to switch an influence off. ``settings`` are
    those of the reference solver, None for the batch solver; ``resolved`` is the share of an outcome that it resolves.
    """
    found: dict[str, Evaluated] = {}
    for topic in topics(articles, only, loaded):
        scenario = topic.scenario
        own = {name: value for name, value in (base or {}).items() if name in scenario.values or name in scenario.switches}
        samples = np.array([[*own.values()]], dtype=float)
        found |= evaluate_members(scenario, topic.claims, [*own], samples, settings, resolved, progress=progress)
    return _findings(articles, found)


def _findings(articles: Iterable[ClaimSet], found: Mapping[str, Evaluated]) -> list[Finding]:
    made = []
    for article in articles:
        for name, (entry, _) in article.claims.items():
            if name in found:
                item = found[name]
                margin = float(item.judged.margins[0])
                made.append(Finding(article.name, entry, item.judged.verdict(), margin, item.values(), item.reason()))
    return made


def broken_claims(report: Report) -> list[str]:
    """What must not be, in words: structural and calibrated claims that do not hold, and claims that cannot be computed."""
    told = [
        f"{item.claim.id}: {item.verdict.value}{f' ({item.reason})' if item.reason else ''}, and is {item.claim.role}"
        for item in report.findings
        if item.verdict is Verdict.ERROR or (item.claim.role != "predicted" and item.verdict is not Verdict.HOLDS)
    ]
    for over in report.populations:
        for name, share in over.shares.items():
            if share.unsolved:
                of = f"{share.unsolved} of {sum(share.counts.values())} tumours of {over.name}"
                told.append(f"{name}: could not be computed in {of} ({share.reason})")
    return told
