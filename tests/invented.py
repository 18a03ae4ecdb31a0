"""What tests of claims invent: a small tumour, articles of a few statements about it, and runners that are a formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backfire.claims.articles import Article, ArticleClaim, ArticleFile, Story, Topic
from backfire.claims.language import parse_claim
from backfire.scenario.scenario import Scenario, parse
from backfire.simulation import Cohort
from backfire.solvers.trajectory import Floats, Status

SMALL = """
title = "A small tumour and one drug"
days = 40
[mechanisms]
growth = { law = "exponential" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }
cytostasis = { by = ["drug"] }
[regimens]
drug = { amount = 4.0, start = 10, every = 7, count = 3 }
[arms]
untreated = []
monotherapy = ["drug"]
"""
FILE = """
article = "wnt16b-stroma"
scenario = "small"
facts = ["A drug kills."]

[story]
drug = "a drug"
answer = "none"
blocked_by = "nothing"

[[claims]]
id = "M1.1"
statement = "The drug shrinks the tumour."
check = "{check}"
role = "calibrated"
where = "nowhere"
"""
"""An article as a file, with one statement."""


def small(*changes: tuple[str, str]) -> Scenario:
    """The small tumour, its file changed."""
    text = SMALL
    for old, new in changes:
        text = text.replace(old, new)
    return parse(text, "small")


def article_of(*checks: str) -> Article:
    """An article of statements T1.1, T1.2 and so on."""
    entries = [
        ArticleClaim(id=f"T1.{number}", statement="a statement for a test", check=check, role="predicted", where="nowhere")
        for number, check in enumerate(checks, start=1)
    ]
    story = Story(drug="a drug", answer="none", blocked_by="nothing")
    file = ArticleFile(article="wnt16b-stroma", scenario="small", story=story, facts=["none"], claims=entries)
    return Article("test", file, {entry.id: (entry, parse_claim(entry.check)) for entry in entries})


def topic(scenario: Scenario, *checks: str) -> Topic:
    """The same statements, ready to be evaluated."""
    return Topic(scenario, {name: claim for name, (_, claim) in article_of(*checks).claims.items()}, scenario.hash)


def only(given: Article, *identifiers: str) -> Article:
    """An article with some of its claims."""
    return Article(given.name, given.file, {name: given.claims[name] for name in identifiers})


Reads = Callable[[dict[str, Floats], str, str], Floats]


def fake(read: Reads, failed: Callable[[dict[str, Floats]], Any] = lambda _: False) -> Callable[..., Cohort]:
    """A runner whose outcomes are a formula of the fields: no solver, no mistake to share."""

    def run(
        scenario: Scenario,
        fields: Sequence[str],
        samples: Floats,
        arms: Sequence[str],
        outcomes: Sequence[str],
        _: object,
        threads: int,
        watch: Sequence[str],
    ) -> Cohort:
        given_fields = dict(zip(fields, np.asarray(samples).T, strict=True))
        count = len(samples)
        status = np.where(np.broadcast_to(failed(given_fields), count), Status.MAX_STEPS, Status.OK).astype(np.int8)
        values = {arm: {name: np.broadcast_to(read(given_fields, arm, name), count) for name in outcomes} for arm in arms}
        observed = {arm: {name: np.ones(count, dtype=bool) for name in outcomes} for arm in arms}
        return Cohort(tuple(arms), status[:, None].repeat(len(arms), 1), np.zeros((count, len(arms)), int), values, observed)

    return run


def growth_rate(given_fields: dict[str, Floats], arm: str, name: str) -> Floats:
    """Every outcome is the growth rate."""
    return given_fields["growth_rate"]
