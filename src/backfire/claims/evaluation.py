"""The articles as executable claims: each one evaluated at default parameters, with a verdict and a margin.

Four verdicts are possible: *holds*, *fails*, *inconclusive* (the sides agree within what the solver resolves) and *not
applicable* (what it speaks of did not happen). A claim that cannot be evaluated is an *error* with its reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from backfire.claims.articles import ClaimEntry, Seed
from backfire.claims.language import SUMMARIES, Change, Reading
from backfire.claims.verdict import RESOLVED, Measured, Verdict, judge
from backfire.errors import UserError, unknown
from backfire.outcomes import summary
from backfire.scenario import Scenario, load
from backfire.simulation import Result, simulate, watch
from backfire.solvers import Settings


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


@dataclass(frozen=True)
class _Read:
    """One reading of one model; ``problem`` says why the solver failed, if it did."""

    value: float
    observed: bool
    problem: str = ""


class Board:
    """Evaluates claims, simulating each changed model once.

    ``base`` may change every scenario before anything else, for example to switch an influence off; ``loaded`` gives
    scenarios by name in place of the shipped ones; ``resolved`` is the share of a reading that the solver resolves.
    """

    def __init__(
        self,
        base: Mapping[str, float] | None = None,
        settings: Settings | None = None,
        loaded: Mapping[str, Scenario] | None = None,
        resolved: float = RESOLVED,
    ) -> None:
        self.base = dict(base or {})
        self.settings = settings
        self.loaded = dict(loaded or {})
        self.resolved = resolved
        self._runs: dict[tuple[str, str, tuple[Change, ...]], Result] = {}

    def finding(self, seed: Seed, identifier: str) -> Finding:
        """Evaluate one claim; a claim that cannot be evaluated is an ``error`` with its reason, not an exception."""
        if identifier not in seed.claims:
            raise UserError(unknown("claim", identifier, seed.claims))
        entry, claim = seed.claims[identifier]
        scenario = seed.scenario_of(identifier)
        try:
            found = {reading: self._read(scenario, reading) for reading in claim.readings()}
        except UserError as error:
            return Finding(seed.name, entry, Verdict.ERROR, math.nan, reason=str(error))
        measured = {
            reading: Measured(np.array([item.value]), np.array([item.observed]), np.array([not item.problem]))
            for reading, item in found.items()
        }
        judged = judge(claim, measured, self.resolved)
        values = {reading: item.value for reading, item in found.items()}
        margin = float(judged.margins[0])
        return Finding(seed.name, entry, judged.verdict(), margin, values, _reason(judged.verdict(), found))

    def _read(self, scenario: str, reading: Reading) -> _Read:
        result = self.result(scenario, reading.arm, reading.changes)
        trajectory = result.trajectories[reading.arm]
        problem = "" if trajectory.status.good else f"{reading}: {trajectory.status.word}: {trajectory.message}"
        if reading.of:
            values, start = trajectory[reading.of], watch(result.scenario, reading.arm).start
            return _Read(math.nan if problem else summary(trajectory, values, start, reading.outcome), True, problem)
        item = result.outcome(reading.arm, reading.outcome)
        if item is None:
            raise UserError(unknown("outcome", reading.outcome, [*result.outcomes[reading.arm], *SUMMARIES]))
        return _Read(item.value, item.observed, problem)

    def result(self, name: str, arm: str, changes: tuple[Change, ...] = ()) -> Result:
        """One arm of a scenario, changed or not, simulated on first use."""
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


def _reason(verdict: Verdict, found: Mapping[Reading, _Read]) -> str:
    """Why there is no verdict; empty if there is one."""
    if verdict is Verdict.ERROR:
        return "; ".join(item.problem for item in found.values() if item.problem)
    if verdict is Verdict.NOT_APPLICABLE:
        missing = [str(reading) for reading, item in found.items() if not math.isfinite(item.value)]
        late = [str(reading) for reading, item in found.items() if not item.observed and math.isfinite(item.value)]
        words = [f"{', '.join(missing)} did not happen"] if missing else []
        words += [f"{', '.join(late)} was not reached, which leaves the comparison open"] if late and not missing else []
        return "; ".join(words) or "a quotient is not defined"
    if verdict is Verdict.INCONCLUSIVE:
        return "the sides differ by less than the solver resolves"
    return ""


def board(seeds: Iterable[Seed], settings: Settings | None = None) -> list[Finding]:
    """All claims of the seeds, evaluated at default parameters."""
    shared = Board(settings=settings)
    return [shared.finding(seed, identifier) for seed in seeds for identifier in seed.claims]


def calibrated_failures(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that must not be: calibrated claims that do not hold."""
    return [item for item in findings if item.claim.role == "calibrated" and item.verdict is not Verdict.HOLDS]
