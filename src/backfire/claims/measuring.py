"""What claims come to in many members of a scenario, with as few runs as will do: the one path on which they are evaluated.

The changes that claims ask for (``with stroma.protects_kill off``) become columns beside the samples. The batch solver
runs every arm once, for all claims, all changes and all members together; the reference solver every arm and set of
changes once. A scenario as it is has one member, in which nothing is changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backfire.claims.articles import recorded_by_claims
from backfire.claims.language import Change, Claim, OutcomeRef
from backfire.claims.verdict import SAMPLED, VERDICTS, Judged, Measured, Verdict, judge
from backfire.errors import UserError, unknown
from backfire.outcomes import HOST_LOAD, SUMMARIES, parse_summary
from backfire.scenario import Scenario
from backfire.simulation import Cohort, needs_compiling, outcome_names, run_members
from backfire.solvers import Floats, Settings, Status
from backfire.system import usable_cores

GOOD: Final = tuple(int(status) for status in Status if status.good)
AS_IT_IS: Final = np.empty((1, 0))
"""The samples of no fields: one member, the scenario as it is."""
Runner = Callable[..., Cohort]
"""Runs members of a scenario, as ``run_members`` does."""
Progress = Callable[[str], None]
"""Is told what runs next."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A claim in n members: the outcomes it reads, and what it came to; ``refused`` says why nothing could be read."""

    measured: Mapping[OutcomeRef, Measured]
    judged: Judged
    refused: str = ""

    def values(self, member: int = 0) -> dict[OutcomeRef, float]:
        """The numbers behind the verdict of one member."""
        return {ref: float(item.value[member]) for ref, item in self.measured.items()}

    def reason(self, member: int = 0) -> str:
        """Why one member has no verdict; empty if it has one."""
        verdict, measured = self.judged.verdict(member), self.measured.items()
        if verdict is Verdict.ERROR:
            return self.refused or "; ".join(
                f"{ref}: {item.problems[member]}" for ref, item in measured if member in item.problems
            )
        if verdict is Verdict.NOT_APPLICABLE:
            there = {ref: math.isfinite(item.value[member]) for ref, item in measured}
            missing = [str(ref) for ref in there if not there[ref]]
            late = [str(ref) for ref, item in measured if there[ref] and not item.observed[member]]
            words = [f"{', '.join(missing)} did not happen"] if missing else []
            words += [f"{', '.join(late)} was not reached, which leaves the comparison open"] if late and not missing else []
            died = {ref.arm: float(item.ends[member]) for ref, item in measured if item.ends is not None}
            if not words and len(set(died.values())) > 1:
                days = [f"{arm} on day {day:.4g} of treatment" for arm, day in died.items() if math.isfinite(day)]
                words = [f"the host died in {', in '.join(days)}, so that there is no last day to compare; give `until`"]
            return "; ".join(words) or "a quotient is not defined"
        if verdict is Verdict.INCONCLUSIVE:
            return "the sides differ by less than the solver resolves"
        return ""


def evaluate_members(
    scenario: Scenario,
    claims: Mapping[str, Claim],
    fields: Sequence[str] = (),
    samples: Floats = AS_IT_IS,
    settings: Settings | None = None,
    resolved: float = SAMPLED,
    run: Runner = run_members,
    progress: Progress | None = None,
) -> dict[str, Evaluated]:
    """Every claim in every member of a scenario, by id; arguments as for ``measure``.

    ``resolved`` is the share of an outcome that the solver resolves. A claim with names that the scenario does not have
    is an *error* in every member and does not keep others from being evaluated.
    """
    unreadable = refusals(scenario, (ref for claim in claims.values() for ref in claim.refs()))
    refused = {name: [unreadable[ref] for ref in claim.refs() if ref in unreadable] for name, claim in claims.items()}
    refs = [ref for name, claim in claims.items() if not refused[name] for ref in claim.refs()]
    found = measure(scenario, refs, fields, samples, settings, run, progress)
    made = {}
    for name, claim in claims.items():
        if refused[name]:
            count = len(samples)
            codes = np.full(count, VERDICTS.index(Verdict.ERROR), dtype=np.int8)
            judged = Judged(codes, np.full(count, math.nan), np.zeros(count, dtype=np.int8))
            made[name] = Evaluated({}, judged, refused[name][0])
        else:
            own = {ref: found[ref] for ref in claim.refs()}
            made[name] = Evaluated(own, judge(claim, own, resolved))
    return made


def refusals(scenario: Scenario, refs: Iterable[OutcomeRef]) -> dict[OutcomeRef, str]:
    """The outcomes that a scenario does not have, and why, naming the nearest name."""
    wanted = list(dict.fromkeys(refs))
    named = outcome_names(scenario, [*scenario.arms], None, costly=True)
    recorded = [*scenario.network.state_names, *scenario.network.observables]
    allowed = [name for name, item in scenario.inputs.items() if item.unit]

    def problems(ref: OutcomeRef) -> Iterator[str]:
        if ref.arm not in scenario.arms:
            yield unknown("arm", ref.arm, scenario.arms)
        for change in ref.changes:
            if change.name not in allowed or (change.how == "*" and change.name in scenario.switches):
                yield unknown("parameter, influence or number of a regimen", change.name, allowed)
        there = named[ref.arm] if ref.arm in named else [name for names in named.values() for name in names]
        if asked := parse_summary(ref.column):
            yield from (unknown("recorded value", name, recorded) for name in asked.names if name not in recorded)
        elif ref.outcome not in there:
            yield unknown("outcome", ref.outcome, [*there, *SUMMARIES])

    return {ref: words for ref in wanted if (words := "; ".join(problems(ref)))}


def watched_in(scenario: Scenario) -> list[str]:
    """The recorded values of a scenario that the claims of all articles read, sorted: what its one kernel looks at."""
    return sorted(recorded_by_claims() & {*scenario.network.state_names, *scenario.network.observables})


def has_to_compile(scenario: Scenario, claims: Iterable[Claim] = ()) -> bool:
    """True if the first members of a scenario will wait for the compiler; ``claims`` are those that are asked of it."""
    read = {ref.of for claim in claims for ref in claim.refs()} & {*scenario.network.state_names, *scenario.network.observables}
    return needs_compiling(scenario, [f"final({name})" for name in sorted({*watched_in(scenario), *read})])


def measure(
    scenario: Scenario,
    refs: Iterable[OutcomeRef],
    fields: Sequence[str] = (),
    samples: Floats = AS_IT_IS,
    settings: Settings | None = None,
    run: Runner = run_members,
    progress: Progress | None = None,
) -> dict[OutcomeRef, Measured]:
    """Every outcome in every member: ``samples`` (n, fields) holds the values of ``fields`` member by member.

    A change that an outcome carries is made on top of the sample: ``off`` and ``= number`` set the column, ``* number``
    multiplies it. ``settings`` choose the reference solver. ``progress`` is called with each arm before it runs.
    Raises UserError for names that do not exist.
    """
    wanted = list(dict.fromkeys(refs))
    for words in refusals(scenario, wanted).values():
        raise UserError(words)
    # a kernel is compiled for what it watches: one that watches the same for every question is compiled once
    served = [] if settings is not None else served_by(scenario, wanted)
    found: dict[OutcomeRef, Measured] = {}
    for arm in dict.fromkeys(ref.arm for ref in wanted):
        if progress is not None:
            progress(f"{scenario.name}: {arm}")
        runs = [[ref for ref in wanted if ref.arm == arm]]
        if settings is not None:
            # the reference solver runs member by member and takes as long to read as to solve: each is read for its own sake
            runs = [
                [ref for ref in runs[0] if ref.changes == changes] for changes in dict.fromkeys(ref.changes for ref in runs[0])
            ]
        for together in runs:
            asked = Request.of(scenario, together, fields, samples)
            how = {"threads": usable_cores(), "watch": served}
            found |= asked.measured(run(scenario, asked.fields, asked.samples, [arm], asked.outcomes, settings, **how))
    return found


def served_by(scenario: Scenario, refs: Iterable[OutcomeRef]) -> list[str]:
    """The summaries that the one kernel for all questions to a scenario serves, with those of some outcomes."""
    return sorted({ref.column for ref in refs if ref.of} | {f"final({name})" for name in watched_in(scenario)})


@dataclass(frozen=True, eq=False)
class Request:
    """What some outcomes of one arm need to be run: one block of members for every set of changes, all in one table.

    ``samples`` (sets × members, fields); ``outcomes`` are those to read.
    """

    refs: tuple[OutcomeRef, ...]
    sets: tuple[tuple[Change, ...], ...]
    fields: tuple[str, ...]
    samples: Floats
    outcomes: tuple[str, ...]

    @classmethod
    def of(cls, scenario: Scenario, refs: Sequence[OutcomeRef], fields: Sequence[str], samples: Floats) -> Request:
        """That of outcomes of one arm in members (n, fields)."""
        sets = tuple(dict.fromkeys(ref.changes for ref in refs))
        changed = {change.name for changes in sets for change in changes}
        columns = (*fields, *sorted(changed - set(fields)))
        usual = [scenario.inputs[name].value for name in columns[len(fields) :]]
        start = np.hstack([samples, np.tile(usual, (len(samples), 1))])
        stacked = np.vstack([_with(start, columns, changes) for changes in sets])
        mortal = ["survival_time"] if HOST_LOAD in scenario.network.observables else []
        return cls(tuple(refs), sets, columns, stacked, tuple(dict.fromkeys([*(ref.column for ref in refs), *mortal])))

    def measured(self, cohort: Cohort) -> dict[OutcomeRef, Measured]:
        """The outcomes, from what the table came to."""
        arm, count, status = self.refs[0].arm, len(self.samples) // len(self.sets), cohort.status[:, 0]
        values, observed, solved = cohort.values[arm], cohort.observed[arm], np.isin(status, GOOD)
        ends = None
        if "survival_time" in self.outcomes:
            ends = np.where(observed["survival_time"], values["survival_time"], np.inf)
        found = {}
        for ref in self.refs:
            first = self.sets.index(ref.changes) * count
            block = slice(first, first + count)
            why = {
                int(member): f"{Status(status[first + member]).word}: {cohort.reasons.get((int(first + member), arm), '')}"
                for member in np.flatnonzero(~solved[block])
            }
            last = None if ends is None else ends[block]
            found[ref] = Measured(values[ref.column][block], observed[ref.column][block], solved[block], why, last)
        return found


def _with(samples: Floats, columns: Sequence[str], changes: Sequence[Change]) -> Floats:
    """The samples with the changes made; several changes of one name in the order of the claim."""
    made = samples.copy()
    for change in changes:
        column = columns.index(change.name)
        made[:, column] = change.value if change.how == "=" else made[:, column] * change.value
    return made
