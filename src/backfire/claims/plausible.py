"""Claims over a population of plausible tumours: the share of them in which each claim holds, and how sure that is.

A share at one point says something about the point, one over a box something about the box; one over all tumours that
satisfy an article's calibrated claims says what the article implies.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from backfire.claims.articles import Topic
from backfire.claims.filtering import wilson
from backfire.claims.measuring import Evaluated, Progress, evaluate_members
from backfire.claims.variants import Renamed, renamed
from backfire.claims.verdict import VERDICTS, Judged, Verdict
from backfire.errors import UserError
from backfire.sampling import PlausibleTumours

NEARLY_ALL: Final = 0.95
"""A prediction that holds in so many plausible tumours, or fails in so many, follows from the article; others are open."""


@dataclass(frozen=True)
class PlausibleShare:
    """One claim over a population: ``share`` of the tumours in which it holds, by weight, with Wilson's 95 % interval.

    The interval is that of ``effective`` independent tumours. ``counts`` are tumours by verdict, whatever their weight:
    one in which a claim fails, is inconclusive, does not apply or could not be solved does not count as holding. The median
    margin is by weight, of the tumours that have one. ``reason`` says why some could not be solved.
    """

    share: float
    low: float
    high: float
    effective: float
    counts: Mapping[Verdict, int]
    median_margin: float = math.nan
    reason: str = ""

    @property
    def unsolved(self) -> int:
        """In so many tumours the claim could not be computed at all."""
        return self.counts.get(Verdict.ERROR, 0)

    @property
    def word(self) -> str:
        """What the population says: *follows*, *excluded*, or *open*, decided on the interval; *error* if too many tumours
        could not be solved to say anything."""
        if self.unsolved > (1 - NEARLY_ALL) * sum(self.counts.values()):
            return "error"
        if self.low >= NEARLY_ALL:
            return "follows"
        return "excluded" if self.high <= 1 - NEARLY_ALL else "open"


@dataclass(frozen=True, eq=False)
class OverPopulation:
    """The shares of claims, by id, among the ``tumours`` of one population."""

    tumours: PlausibleTumours
    shares: Mapping[str, PlausibleShare]

    @property
    def name(self) -> str:
        """What the population is called."""
        return str(self.tumours.manifest["name"])


def over_population(topics: Iterable[Topic], tumours: PlausibleTumours, progress: Progress | None = None) -> OverPopulation:
    """Every claim that speaks of the population's scenario, over its tumours; claims on other scenarios are left out.

    Where the population is of another form of the equations, claims are asked in the words of that form. Raises UserError
    where the scenario is not the one that was sampled, or no claim speaks of it.
    """
    about, found, asked = tumours.manifest["scenario"], dict[str, PlausibleShare](), 0
    names = [Renamed(*item) for item in tumours.manifest.get("renamed", ())]
    for topic in topics:
        if topic.scenario.name != about["name"]:
            continue
        asked += 1
        tumours.require(topic.scenario.name, topic.hash)
        claims = {name: renamed(claim, names) for name, claim in topic.claims.items()}
        evaluated = evaluate_members(topic.scenario, claims, tumours.names, tumours.values, progress=progress)
        found |= {name: _share(item, tumours) for name, item in evaluated.items() if not item.refused}
    if not asked:
        raise UserError(f"{tumours.folder}: is a population of `{about['name']}`, of which none of these claims speaks")
    return OverPopulation(tumours, found)


def _share(item: Evaluated, tumours: PlausibleTumours) -> PlausibleShare:
    unsolved = np.flatnonzero(item.judged.having(Verdict.ERROR))
    return share_of(item.judged, tumours, item.reason(int(unsolved[0])) if len(unsolved) else "")


def share_of(judged: Judged, tumours: PlausibleTumours, reason: str = "") -> PlausibleShare:
    """The share of the tumours in which a claim holds that was judged in each of them."""
    share = min(1.0, float(tumours.weights[judged.having(Verdict.HOLDS)].sum()))  # rounding
    margins = np.where(np.isfinite(judged.margins), judged.margins, math.nan)
    made = PlausibleShare(
        share,
        *wilson(share, tumours.effective),
        tumours.effective,
        {verdict: int(judged.having(verdict).sum()) for verdict in VERDICTS},
        float(tumours.quantiles(margins, (0.5,))[0]),
        reason,
    )
    return dataclasses.replace(made, share=math.nan, low=math.nan, high=math.nan) if made.word == "error" else made
