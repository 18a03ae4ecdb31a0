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
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.claims import SAMPLED, Claim, Measured, OutcomeRef, Topic, Verdict, judge, measure
from backfire.errors import UserError
from backfire.populations.sampler import Distance, Hopeful
from backfire.sampling import Space
from backfire.scenario import Scenario
from backfire.simulation import Cohort, run_members
from backfire.solvers import Floats
from backfire.solvers.batch import BatchSettings

FAST: Final = BatchSettings(relative=1e-3)
"""How tumours are simulated on the way: final burdens are within 4e-4, at half the time."""
LEAST: Final = 1e-12
"""The margin of a comparison that is just, or just not, violated."""
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
    def _summaries(self) -> list[list[str]]:
        """For each topic all recorded values that are read: its one kernel looks at them."""
        return [
            sorted({ref.column for claim in topic.claims.values() for ref in claim.refs() if ref.of}) for topic in self.topics
        ]

    def __call__(self, points: Floats, hopeful: Hopeful | None = None) -> Floats:
        """Violations (n, comparisons) of points (n, inputs): infinite where a comparison is *not applicable*,
        *inconclusive* or an *error*; NaN where ``hopeful`` gave a point up before."""
        samples = self.space.place(points)
        violations = np.full((len(points), len(self.comparisons)), np.nan)
        left = np.arange(len(points))
        known: list[dict[OutcomeRef, Measured]] = [{} for _ in self.topics]
        for place, stage in enumerate(self.stages):
            known[stage.topic] |= self._measured(stage, samples[left])
            for number in self._decides[place]:
                _, topic, claim = self.comparisons[number]
                violations[left, number] = violation(claim, known[topic])
            if hopeful is not None and place + 1 < len(self.stages):
                still = hopeful(violations[left])
                if not still.any():
                    break
                if not still.all():
                    left = left[still]
                    known = [{ref: _some(item, still) for ref, item in found.items()} for found in known]
        return violations

    def costs(self, points: Floats) -> list[float]:
        """Steps of the solver that every stage takes for a tumour, the mean over points (n, inputs)."""
        samples, found = self.space.place(points), []
        for stage in self.stages:
            steps: list[float] = []
            self._measured(stage, samples, steps)
            found.append(sum(steps) / len(samples) + 1.0)
        return found

    def _measured(self, stage: Stage, samples: Floats, steps: list[float] | None = None) -> dict[OutcomeRef, Measured]:
        """What is read from a stage; appends the steps that it took."""
        summaries = self._summaries[stage.topic]

        def run(
            scenario: Scenario,
            fields: Sequence[str],
            values: Floats,
            arms: Sequence[str],
            names: Sequence[str],
            *_: Any,
            watch: Sequence[str] = (),
            **__: Any,
        ) -> Cohort:
            cohort = run_members(scenario, fields, values, arms, names, self.settings, watch=[*watch, *summaries])
            if steps is not None:
                steps.append(float(cohort.steps.sum()))
            return cohort

        return measure(self.topics[stage.topic].scenario, stage.refs, self.space.names, samples, run=run)

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
    if not space.names:
        raise UserError("nothing varies: no parameter has a range")
    return ClaimJudge(tuple(topics), space)
