"""A page on a model, in Markdown: what it is for, whether to trust it, what it is, how to repeat and extend it.

After the context of use come the four headings of the CURE principles for models of biological systems: credible,
understandable, reproducible, extensible (Sauro and others 2025, arXiv:2502.15597). Equal text for equal models: no
dates, versions or paths. The claims are evaluated at the values of the scenario, which takes seconds.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from backfire.claims import (
    NEARLY_ALL,
    ROLES,
    Article,
    Finding,
    PlausibleShare,
    Verdict,
    evaluate_claims,
    load_articles,
    margin_text,
    share_text,
)
from backfire.exchange import default_arm
from backfire.formatting import exact
from backfire.model import ARTICLES, CAUTION, GRADES
from backfire.reports.description import describe
from backfire.reports.explanation import narrowing
from backfire.reports.markdown import Block, as_markdown, bullets, commands, named, plain, table
from backfire.reports.sections import cell_text
from backfire.sampling import PlausibleTumours
from backfire.scenario import Scenario, load, shipped_scenarios
from backfire.simulation import Result, simulate
from backfire.solvers import Settings
from backfire.system import shipped_folder, shipped_names


@dataclass(frozen=True)
class Subject:
    """Everything a page is written from. ``article``: whose scenario this is, if it is one; ``findings``: what its claims come
    to; ``sets``: where they are from.

    ``shipped``: the scenario is the shipped one of its name, so that links to other files lead somewhere. ``plausible``: the
    shares of its claims among plausible ``tumours``, if there are any.
    """

    result: Result
    article: Article | None
    sets: Sequence[Article]
    findings: Sequence[Finding]
    shipped: bool
    plausible: Mapping[str, PlausibleShare]
    tumours: PlausibleTumours | None

    @property
    def scenario(self) -> Scenario:
        """What the page is about."""
        return self.result.scenario

    @property
    def source(self) -> str:
        """How a command names the scenario."""
        if self.shipped:
            return self.scenario.name
        named = {PurePath(name).name for name in self.scenario.document.data.get("mechanisms_from", ())}
        given = [file.name for file in self.scenario.library.files if file.name in self.scenario.own_mechanisms]
        return " ".join([f"{self.scenario.name}.toml", *(f"--mechanisms {name}" for name in given if name not in named)])


def page(scenario: Scenario, tumours: PlausibleTumours | None = None) -> str:
    """The page of a scenario as Markdown, ending in a line break; simulates its arms and the claims that speak of it.

    With a population of plausible ``tumours`` every claim has its share of them, and every parameter how far it is narrowed.
    """
    return as_markdown(blocks(subject(simulate(scenario), tumours)))


def subject(result: Result, tumours: PlausibleTumours | None = None) -> Subject:
    """What there is to say of the scenario of a run, and of plausible ``tumours``; evaluates the claims that speak of it."""
    scenario, articles = result.scenario, load_articles()
    own = next((item for item in articles if item.file.scenario == scenario.name), None)
    only = [claim for item in articles for claim in item.claims if item is own or item.scenario_of(claim) == scenario.name]
    if tumours is not None:
        tumours.require(scenario.name, scenario.hash)
    over = [] if tumours is None or not only else [(tumours, scenario)]
    known = evaluate_claims(only=only, loaded={scenario.name: scenario}, populations=over)
    shares = known.populations[0].shares if known.populations else {}
    paths = shipped_scenarios()
    shipped = scenario.name in paths and load(paths[scenario.name]).hash == scenario.hash
    return Subject(result, own, articles, known.findings, shipped, shares, tumours)


def blocks(matter: Subject) -> Iterator[Block]:
    """The blocks of a page, whoever writes them."""
    yield from _context(matter)
    yield from _credible(matter)
    yield "## Understandable"
    yield from describe(matter.scenario, matter.result.outcomes)
    yield from _pictures(matter)
    yield from _reproducible(matter)
    yield from _extensible(matter)


def _context(matter: Subject) -> Iterator[str]:
    scenario, article = matter.scenario, matter.article
    yield f"# {plain(scenario.name)}"
    yield f"**{plain(scenario.title.rstrip('. '))}.**"
    yield f"> {CAUTION.capitalize()}. Nothing here is medical advice."
    headings = ("Context of use", "Credible", "Understandable", "Reproducible", "Extensible")
    yield " · ".join(f"[{heading}](#{heading.lower().replace(' ', '-')})" for heading in headings)
    yield "## Context of use"
    if article is not None:
        story = article.file.story
        rows = [("the drug", story.drug), ("the answer to it", story.answer), ("what blocks the answer", story.blocked_by)]
        yield table(("", ""), [*((word, plain(text)) for word, text in rows), ("after", _reference(scenario))])
    else:
        yield f"After: {_reference(scenario)}."
    if scenario.note:
        yield f"Mind: {plain(scenario.note)}"
    yield "**Use it to**"
    yield bullets(
        [
            (
                "see, arm beside arm, how a drug that works first can fail later because body or tumour answers it, and what "
                "blocking the answer gains;"
            ),
            "ask which link of the chain carries the effect: switch links off, vary values within their plausible ranges;",
            "find what would have to be measured, teach, and build further models on it.",
        ]
    )
    yield "**Do not use it to**"
    yield bullets([*_misuses(scenario), *([plain(article.file.not_good_for)] if article and article.file.not_good_for else [])])


def _misuses(scenario: Scenario) -> list[str]:
    grades = [item.grade for item in scenario.network.parameters.values()]
    drawn = scenario.article in ARTICLES
    central = f", {count} are those of one plausible tumour among many" if (count := grades.count("central")) else ""
    return [
        "choose, plan or judge the treatment of any person or animal;",
        (
            f"predict sizes, doses or times: {grades.count('assumed')} of {len(grades)} values are assumptions of ours{central}, "
            "and doses are multiples of the concentration of half effect (EC50), not milligrams;"
        ),
        "compare real drugs, or argue from its numbers to patients"
        + (": the primary study rests on mice and cell lines;" if drawn else ";"),
        "confirm the article: a model that was built to agree with a study is no evidence for it."
        if drawn
        else "speak for an article: none describes this combination.",
    ]


def _reference(scenario: Scenario) -> str:
    found = ARTICLES.get(scenario.article)
    if found is None:
        return "no article; this combination is ours"
    link = f", [doi:{found.doi}](https://doi.org/{found.doi})" if found.doi else ""
    return f"{plain(found.authors)} {found.year}, *{plain(found.journal)}*, on {plain(found.subject)}{link}"


def _credible(matter: Subject) -> Iterator[str]:
    yield "## Credible"
    yield "### Where the numbers come from"
    parameters = matter.scenario.network.parameters.values()
    counts = Counter(item.grade for item in parameters)
    rows = [(grade, str(counts[grade]), meaning) for grade, meaning in GRADES.items()]
    yield table(("grade", "values", "meaning"), [*rows, ("all", str(len(parameters)), "")])
    yield "Every value with its unit, plausible range and source stands in the table of [parameters](#parameters)."
    yield from _claims(matter)
    if matter.article is not None and matter.article.file.ambiguities:
        yield "### What the article leaves open, and how we read it"
        yield bullets(plain(text) for text in matter.article.file.ambiguities)
    yield from _changes(matter)
    yield "### Limits of every model here"
    yield bullets(
        [
            (
                "One tumour in one host: no space, no differences between patients, chance only in the chance of cure. "
                "Cells are a continuous number. A compartment that falls from one cell or more to below one is gone at that "
                "moment, with all fragments of less than a cell that it fed. One that others feed passes through fractions of "
                "a cell on its way to the first: they are computed, as an expectation, and counted as none in every burden "
                "that an outcome reads."
            ),
            (
                "`eradicated` says whether that number falls below one cell everywhere; `cure_probability` is the chance that "
                "no cell is left if each divides, dies and changes by itself, at the rates that the course of the numbers sets: "
                "what dips to a few cells need not come back, and what falls below one may."
            ),
            "No mutation and no resistant clone: what fails here fails because of the answer to the drug.",
            "Drugs have no side effects other than the answers that the model names, so that nothing limits a dose.",
            "The values agree with what an article states; they were not fitted to data.",
        ]
    )
    yield "### How the arithmetic is checked"
    yield (
        "Formulas are checked for units, flows conserve cells, and the solver is held against closed forms, against the "
        "published digits of a stiff test set and against laws: the order of mechanisms does not matter, a switched-off "
        "influence equals its absence. Every arm of "
        + ("this scenario" if matter.shipped else "every shipped scenario (which this is not)")
        + ", exported as SBML, is run in libRoadRunner and in COPASI and agrees with our solver on every day of the "
        "arm to 1e-6 of the largest value of a state plus 1e-5 of the value itself."
    )


def _changes(matter: Subject) -> Iterator[str]:
    """What is not in the model, and what it means now that it did not mean before."""
    if matter.article is None:
        return
    file = matter.article.file
    if file.not_modelled:
        yield "### What the article says and the model does not"
        yield bullets(plain(text) for text in file.not_modelled)
    if file.revised:
        yield "### What changed in meaning"
        yield bullets(plain(text) for text in file.revised)


def _claims(matter: Subject) -> Iterator[str]:
    findings = matter.findings
    yield "### What the article states, and whether the model holds it"
    if not findings:
        yield (
            "No claim speaks of this scenario among those of the five articles, which `backfire claims` shows. "
            f"`backfire new {matter.source} --claims` begins a file of claims of your own."
        )
        return
    yield (
        f"Each statement is a claim, checked at the values of this scenario: {_holding(findings)}. *Structural* claims hold for "
        "all values, because an equation writes them: they check the wiring, and say nothing about biology. *Calibrated* claims "
        "were used to choose values: that they hold shows consistency, no more. *Predicted* claims chose no value, but were "
        "worded after the model had been run. The margin is the natural logarithm of the ratio by which the tightest "
        "comparison holds (+0.693: a factor of two to spare) or fails (negative). Without the [influences](#influences) in the "
        "last column the claim does not hold."
    )
    rows = [_claim_row(matter, item) for item in findings]
    over = ["plausible tumours"] if matter.tumours else []
    yield table(("id", "claim", "role", "verdict", "margin", *over, "carried by"), rows)
    if matter.tumours is not None:
        yield from _plausible(matter.scenario, matter.tumours)
    notes = [(item.claim.id, text) for item in findings for text in (item.reason, item.claim.note) if text]
    if notes:
        yield "**Notes**"
        yield bullets(f"{claim}: {plain(text)}" for claim, text in notes)
    fragile = [item.claim for item in findings if item.claim.fragile and item.verdict is Verdict.HOLDS]
    if fragile:
        yield (
            f"**Fragile**: {len(fragile)} of these claims hold at the chosen values, but in less than half of the box of "
            "plausible values:"
        )
        yield bullets(f"{claim.id}: {plain(claim.fragile)}" for claim in fragile)
    articles = " ".join(sorted({item.article for item in findings}))
    yield (
        f"How firm each claim is, and what decides it: `backfire claims {articles} --robustness 1024`. One claim with the "
        f"numbers behind it: `backfire claims --explain {findings[0].claim.id}`."
    )


def _holding(findings: Sequence[Finding]) -> str:
    parts = []
    for role in ROLES:
        verdicts = [item.verdict for item in findings if item.claim.role == role]
        if verdicts:
            parts.append(f"{verdicts.count(Verdict.HOLDS)} of {len(verdicts)} {role} ones hold")
    return ", ".join(parts)


def _claim_row(matter: Subject, item: Finding) -> tuple[str, ...]:
    statement = plain(item.claim.statement)
    if item.claim.scenario and item.claim.scenario != matter.scenario.name:
        statement += f" (in `{item.claim.scenario}`)"
    verdict = item.verdict.value if item.verdict is Verdict.HOLDS else f"**{item.verdict.value}**"
    share = matter.plausible.get(item.claim.id)
    over = [f"{share.word}, {share_text(share)}" if share else "–"] if matter.tumours else []
    return item.claim.id, statement, item.claim.role, verdict, margin_text(item.margin) or "–", *over, named(item.claim.names)


def _plausible(scenario: Scenario, tumours: PlausibleTumours) -> Iterator[str]:
    """What a population adds: what its column means, and how far its claims narrow the parameters."""
    about = tumours.manifest
    share = "an unknown share" if about["share_of_box"] is None else f"a share of {about['share_of_box']:.1e}"
    yield (
        f"*Plausible tumours* are {len(tumours)} sets of parameters in which all {len(about['claims'])} calibrated claims hold, "
        f"{share} of the box of plausible values (population {about['name']}, seed "
        f"{about['seed']}, worth {tumours.effective:.0f} independent ones). A claim *follows* where the 95 % interval of its "
        f"share lies above {NEARLY_ALL}, is *excluded* where it lies below {1 - NEARLY_ALL:.2g}, and is *open* otherwise."
    )
    yield "### How far the claims narrow the parameters"
    heads, *rows = narrowing(scenario, tumours).rows
    yield table(heads, [[cell_text(cell) for cell in row] for row in rows])


def _pictures(matter: Subject) -> Iterator[str]:
    """The shipped trial and ablation in one figure each, as the repository keeps them."""
    shown = {
        "trial": "survival under every arm, numbers at risk, restricted means",
        "ablation": "the outcome with each feedback switched off, and what each carries of the whole",
    }
    known = [kind for kind in shown if matter.shipped and matter.scenario.name in shipped_names("configs", "studies", kind)]
    if known:
        yield "### Asked of many tumours"
    for kind in known:
        path = shipped_folder("configs") / "studies" / kind / f"{matter.scenario.name}.toml"
        about = tomllib.loads(path.read_text(encoding="utf-8"))
        title, note = (plain(str(about.get(word, ""))) for word in ("title", "note"))
        yield f"**{title}** {note} Drawn by `backfire {kind} {matter.scenario.name}`."
        yield f"![{title} {shown[kind].capitalize()}.](../../docs/figures/{matter.scenario.name}-{kind}.png)"


_STUDIES: Final = {
    "trial": "what a trial would show, and what each patient gains",
    "ablation": "which feedback carries how much of the outcome",
    "sensitivity": "which parameter decides",
}
"""What the shipped studies of a scenario answer, each in one figure; they bear its name."""


def _studies(matter: Subject) -> Iterator[tuple[str, str]]:
    for kind, words in _STUDIES.items():
        if matter.shipped and matter.scenario.name in shipped_names("configs", "studies", kind):
            yield f"backfire {kind} {matter.scenario.name}", f"{words}, with figures"


def _reproducible(matter: Subject) -> Iterator[str]:
    scenario, source, settings = matter.scenario, matter.source, Settings()
    article = matter.article.name if matter.article and matter.shipped else ""
    yield "## Reproducible"
    yield commands(
        [
            (f"backfire check {source}", f"reads the file; hash {scenario.hash}"),
            (f"backfire run {source}", f"arms, outcomes and figure, in results/{scenario.name}"),
            *([(f"backfire claims {article}", "verdicts and margins as above")] if article else []),
            *_studies(matter),
            (f"backfire explain {source} --markdown", "this page"),
        ]
    )
    yield (
        f"The hash `{scenario.hash}` changes with everything that can change a number or its source; "
        f"`{scenario.network.fingerprint()}` is that of the equations alone. The manifest of every run holds the resolved "
        "scenario and the versions of everything that computed it; figures carry the hash."
    )
    yield (
        f"Each arm is integrated from dose to dose by {settings.method} at a relative tolerance of {exact(settings.relative)} "
        f"(absolute: {exact(settings.cells)} cell, {exact(settings.absolute)} for all else). Nothing is random. Values are "
        f"recorded every {exact(scenario.record_every)} days and around every dose."
    )
    if scenario.own_mechanisms:
        yield "Mechanisms of one's own, which are Python code, are from:"
        yield bullets(f"`{name}`, SHA-256 `{digest}`" for name, digest in scenario.own_mechanisms.items())
    if matter.shipped:
        links = [f"the scenario is [`{scenario.name}.toml`]({scenario.name}.toml)"]
        if article:
            links.append(f"the article in our words, and its claims: [`seeds/{article}.toml`](../../seeds/{article}.toml)")
        yield f"Files: {'; '.join(links)}."
    yield "For other tools (SBML and OMEX need the extra `sbml`):"
    arm = default_arm(scenario)
    yield commands(
        [
            (f"backfire export {source} --to omex", "all arms, SED-ML and our trajectories in one archive"),
            (f"backfire export {source} --to sbml --arm {arm}", "one arm as SBML Level 3"),
            (f"backfire export {source} --to antimony --arm {arm}", "the same to read and edit"),
        ]
    )


def _extensible(matter: Subject) -> Iterator[str]:
    scenario, source = matter.scenario, matter.source
    changed = scenario.document.data.get("parameters") or scenario.values
    linked = [name for item in matter.findings for name in item.claim.names if name in scenario.switches]
    linked += [name for name, item in scenario.network.switches.items() if item.targets]
    example = "`examples/02_your_own_mechanism.py`"
    sweeps = _sweeps(scenario.name) if matter.shipped else []
    yield "## Extensible"
    ways = [f"**Another value**: `backfire run {source} --set {next(iter(changed))}=…`, or in the file, with source and grade."]
    ways += [f"**A link less**: `backfire run {source} --set {name}=0`, so with every influence above." for name in linked[:1]]
    ways += [f"**Many values**: `backfire sweep {name}`; a sweep is a short file, too." for name in sweeps]
    other = "another-study" if scenario.name == "my-study" else "my-study"  # not over the file that this page is about
    ways.append(
        f"**Another scenario**: `backfire new {scenario.name if matter.shipped else other} > {other}.toml` gives a file to "
        "change. Any mechanisms compose; what does not fit is refused with its line. `all-together` composes all five answers."
    )
    ways.append(
        "**Other biology**: `backfire mechanisms` lists the shipped pieces. One of your own is a short class of parameters, "
        f"states, processes and influences, as in {f'[{example}](../../{example[1:-1]})' if matter.shipped else example}; it is "
        "checked, solved, explained and exported like any other."
    )
    failing = ", ".join(item.claim.id for item in matter.findings if item.verdict is Verdict.FAILS and item.claim.note)
    if failing:
        ways.append(f"**Where to begin**: what fails above, {failing}; the note on it says what is missing.")
    yield bullets(ways)


def _sweeps(scenario: str) -> list[str]:
    """Names of the shipped sweeps of a scenario."""
    files = sorted((shipped_folder("configs") / "sweeps").glob("*.toml"))
    return [path.stem for path in files if tomllib.loads(path.read_text(encoding="utf-8")).get("scenario") == scenario]
