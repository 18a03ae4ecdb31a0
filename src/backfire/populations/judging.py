"""The judge of tumours: by how much each comparison of each claim is violated, with as few simulations as will do.

Claims are judged comparison by comparison: all of a claim's hold exactly where the claim holds. Every arm under every set
of changes that a claim asks for is a *stage*, simulated once for each tumour; the stages that rule out most tumours per
step of the solver come first, and a tumour that is ruled out goes no further.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.claims import SAMPLED, Claim, Measured, OutcomeRef, Request, Topic, Verdict, judge, refusals, served_by
from backfire.errors import UserError
from backfire.populations.sampler import Distance, Hopeful
from backfire.sampling import Space
from backfire.simulation import Block, Cohort, run_blocks
from backfire.solvers import Floats
from backfire.solvers.batch import BatchSettings

FAST: Final = BatchSettings(relative=1e-3)
"""How tumours are simulated on the way: final burdens are within 4e-4, at half the time."""
LEAST: Final = 1e-12
"""The margin of a comparison that is just, or just not, violated."""
TOGETHER: Final = 256
"""So many simulations at least run at once: fewer would leave lanes of the solver empty."""
NEAREST: Final = 0.25
"""Share of the pilot, the part closest to the region, by which stages are ordered."""


@dataclass(frozen=True)
class Stage:
    """One simulation of each tumour: an arm, with changes, of one of the topics; and what is read from it."""

    topic: int
    refs: tuple[OutcomeRef, ...]


@dataclass(frozen=True, eq=False)
class ClaimJudge:
    """Judges points of the unit cube: each is a tumour of ``space``, all other inputs as in the scenario of a topic.

    ``settings`` of the batch solver, None for its own; ``order`` of the stages (see ``ordered``).
    """

    topics: tuple[Topic, ...]
    space: Space
    settings: BatchSettings | None = FAST
    order: tuple[int, ...] = ()

    @cached_property
    def comparisons(self) -> list[tuple[str, int, Claim]]:
        """(id of the claim, its topic, one comparison as a claim of its own), in the order of the columns."""
        return [
            (name, number, Claim(claim.text, (comparison,)))
            for number, topic in enumerate(self.topics)
            for name, claim in topic.claims.items()
            for comparison in claim.comparisons
        ]

    @cached_property
    def columns(self) -> dict[str, list[int]]:
        """The columns of every claim, by id."""
        found: dict[str, list[int]] = {}
        for number, (name, _, _) in enumerate(self.comparisons):
            found.setdefault(name, []).append(number)
        return found

    @cached_property
    def stages(self) -> list[Stage]:
        """Every simulation that a tumour needs, each once."""
        found: dict[tuple[int, str, object], list[OutcomeRef]] = {}
        for _, topic, claim in self.comparisons:
            for ref in claim.refs():
                refs = found.setdefault((topic, ref.arm, ref.changes), [])
                refs += [ref] if ref not in refs else []
        made = [Stage(topic, tuple(refs)) for (topic, _, _), refs in found.items()]
        return [made[place] for place in self.order] if self.order else made

    @cached_property
    def _decides(self) -> list[list[int]]:
        """For each stage the comparisons that can be judged once it has run, and not before."""
        first = {(stage.topic, ref): place for place, stage in enumerate(self.stages) for ref in stage.refs}
        last = [max((first[topic, ref] for ref in claim.refs()), default=0) for _, topic, claim in self.comparisons]
        return [[number for number, stage in enumerate(last) if stage == place] for place in range(len(self.stages))]

    @cached_property
    def _served(self) -> list[list[str]]:
        """For each topic all recorded values that are read: its one kernel looks at them."""
        every = [[ref for claim in topic.claims.values() for ref in claim.refs()] for topic in self.topics]
        return [served_by(topic.scenario, refs) for topic, refs in zip(self.topics, every, strict=True)]

    def __call__(self, points: Floats, hopeful: Hopeful | None = None) -> Floats:
        """Violations (n, comparisons) of points (n, inputs): infinite where a comparison is *not applicable*,
        *inconclusive* or an *error*; NaN where ``hopeful`` gave a point up before."""
        samples = self.space.place(points)
        violations = np.full((len(points), len(self.comparisons)), np.nan)
        left = np.arange(len(points))
        known: list[dict[OutcomeRef, Measured]] = [{} for _ in self.topics]
        place = 0
        while place < len(self.stages):
            # few tumours leave lanes of the solver empty: several stages at once fill them
            following = range(place, min(len(self.stages), place + max(1, TOGETHER // max(1, len(left)))))
            self._measure(following, samples[left], known)
            for number in (number for stage in following for number in self._decides[stage]):
                _, topic, claim = self.comparisons[number]
                violations[left, number] = violation(claim, known[topic])
            place = following.stop
            if hopeful is not None and place < len(self.stages):
                still = hopeful(violations[left])
                if not still.any():
                    break
                if not still.all():
                    left = left[still]
                    known = [{ref: _some(item, still) for ref, item in found.items()} for found in known]
        return violations

    def costs(self, points: Floats) -> list[float]:
        """Steps of the solver that every stage takes for a tumour, the mean over points (n, inputs)."""
        samples, known = self.space.place(points), [dict[OutcomeRef, Measured]() for _ in self.topics]
        cohorts = self._measure(range(len(self.stages)), samples, known)
        return [float(cohort.steps.sum()) / len(samples) + 1.0 for cohort in cohorts]

    def _measure(self, places: Sequence[int], samples: Floats, known: list[dict[OutcomeRef, Measured]]) -> list[Cohort]:
        """Run some stages, and add what is read from them to what is ``known`` of each topic."""
        stages, names = [self.stages[place] for place in places], self.space.names
        asked = [Request.of(self.topics[stage.topic].scenario, stage.refs, names, samples) for stage in stages]
        blocks = [
            Block(
                self.topics[stage.topic].scenario, request.fields, request.samples, [request.refs[0].arm], request.outcomes,
                self._served[stage.topic],
            )
            for stage, request in zip(stages, asked, strict=True)
        ]  # fmt: skip
        cohorts = run_blocks(blocks, self.settings)
        for stage, request, cohort in zip(stages, asked, cohorts, strict=True):
            known[stage.topic] |= request.measured(cohort)
        return cohorts

    def ordered(self, violations: Floats, costs: Sequence[float]) -> ClaimJudge:
        """The same judge with the stages first that rule out most of the tumours (n, comparisons) for their ``costs``.

        Both are those of a judge whose stages are in their own order.
        """
        distances = Distance.normalised(violations)(violations)
        near = violations[distances <= np.quantile(distances, NEAREST)]
        failing = ~(near <= 0)
        stages = dataclasses.replace(self, order=()).stages
        index = {(stage.topic, ref): place for place, stage in enumerate(stages) for ref in stage.refs}
        needs = [frozenset(index[topic, ref] for ref in claim.refs()) for _, topic, claim in self.comparisons]
        order: list[int] = []
        alive = np.ones(len(near), dtype=bool)
        while open_ := [number for number, need in enumerate(needs) if need - set(order)]:
            gains = [
                (failing[alive, number].sum() + 1e-3 * failing[:, number].sum() + 1e-6)
                / sum(costs[stage] for stage in needs[number] - set(order))
                for number in open_
            ]
            chosen = open_[int(np.argmax(gains))]
            order += sorted(needs[chosen] - set(order))
            done = [number for number, need in enumerate(needs) if need <= set(order)]
            alive &= ~failing[:, done].any(axis=1)
        return dataclasses.replace(self, order=(*order, *(place for place in range(len(stages)) if place not in order)))


def violation(claim: Claim, measured: Mapping[OutcomeRef, Measured]) -> Floats:
    """By how much a claim is violated (n,): minus its margin; infinite without a verdict."""
    judged = judge(claim, {ref: measured[ref] for ref in claim.refs()}, SAMPLED)
    holds, fails = judged.having(Verdict.HOLDS), judged.having(Verdict.FAILS)
    off = -judged.margins
    off = np.where(holds, np.minimum(off, -LEAST), np.where(fails, np.maximum(off, LEAST), np.inf))
    return np.asarray(np.where(np.isnan(off), np.inf, off))


def _some(item: Measured, which: NDArray[np.bool_]) -> Measured:
    """What was measured in some of the members."""
    return Measured(
        item.value[which], item.observed[which], item.solved[which], {}, None if item.ends is None else item.ends[which]
    )


def judge_of(topics: Sequence[Topic], space: Space) -> ClaimJudge:
    """A judge of all claims of some topics. Raises UserError where there is no claim, or nothing that varies."""
    if not any(topic.claims for topic in topics):
        raise UserError("there is no claim that a tumour could satisfy")
    for topic in topics:
        for words in refusals(topic.scenario, (ref for claim in topic.claims.values() for ref in claim.refs())).values():
            raise UserError(words)
    if not space.names:
        raise UserError("nothing varies: no parameter has a range")
    return ClaimJudge(tuple(topics), space)
