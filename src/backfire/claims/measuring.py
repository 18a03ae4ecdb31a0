"""The readings of many claims in many members of a scenario, with as few runs as will do.

The changes that claims ask for (``with stroma.protects_kill off``) become columns beside the samples, so that every
arm of a scenario is run once, for all claims, all changes and all members together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backfire.claims.language import Change, Claim, Reading
from backfire.claims.verdict import Measured
from backfire.errors import UserError, unknown
from backfire.scenario import Scenario
from backfire.simulation import Cohort, needs_compiling, run_members
from backfire.solvers import Floats, Settings, Status
from backfire.system import usable_cores

GOOD: Final = tuple(int(status) for status in Status if status.good)
Runner = Callable[..., Cohort]
"""Runs members of a scenario, as ``run_members`` does."""


@dataclass(frozen=True)
class Renamed:
    """A parameter that another form of the equations calls by another name, in another measure.

    What a claim sets ``old`` to is set as ``new`` times ``factor``; what it multiplies is multiplied as before.
    """

    old: str
    new: str
    factor: float


def renamed(claim: Claim, names: Sequence[Renamed]) -> dict[Reading, Reading]:
    """Every reading of a claim → the same reading in the words of another form."""
    return {
        reading: dataclasses.replace(reading, changes=tuple(sorted(_renamed(change, names) for change in reading.changes)))
        for reading in claim.readings()
    }


def _renamed(change: Change, names: Sequence[Renamed]) -> Change:
    for item in names:
        if change.name == item.old:
            return Change(item.new, change.how, change.value * (item.factor if change.how == "=" else 1.0))
    return change


def watched_by(claims: Iterable[Claim], scenario: Scenario) -> list[str]:
    """The recorded values of a scenario that claims read, sorted."""
    recorded = {*scenario.network.state_names, *scenario.network.observables}
    return sorted({reading.of for claim in claims for reading in claim.readings() if reading.of} & recorded)


def has_to_compile(claims: Iterable[Claim], scenario: Scenario) -> bool:
    """True if the first members of a scenario will wait for the compiler; ``claims`` are all that its kernel serves."""
    return needs_compiling(scenario, [f"final({name})" for name in watched_by(claims, scenario)])


def check_reading(scenario: Scenario, reading: Reading) -> None:
    """Raise UserError, naming the nearest, for a name that the scenario does not have."""
    if reading.arm not in scenario.arms:
        raise UserError(unknown("arm", reading.arm, scenario.arms))
    for change in reading.changes:
        if change.name not in scenario.values and (change.how == "*" or change.name not in scenario.switches):
            raise UserError(unknown("parameter or influence", change.name, [*scenario.values, *scenario.switches]))
    if reading.of and reading.of not in (recorded := [*scenario.network.state_names, *scenario.network.observables]):
        raise UserError(unknown("recorded value", reading.of, recorded))


def measure(
    scenario: Scenario,
    readings: Iterable[Reading],
    fields: Sequence[str],
    samples: Floats,
    settings: Settings | None = None,
    run: Runner = run_members,
    progress: Callable[[str], None] | None = None,
    watched: Iterable[str] = (),
) -> dict[Reading, Measured]:
    """Every reading in every member: ``samples`` (n, fields) holds the values of ``fields`` member by member.

    A change that a reading carries is made on top of the sample: ``off`` and ``= number`` set the column, ``* number``
    multiplies it. ``progress`` is called with each arm before it runs. ``watched`` are recorded values to look at
    besides: a kernel is compiled for what it watches, and one that watches the same for every question is compiled
    once. Raises UserError for names that do not exist.
    """
    wanted = list(dict.fromkeys(readings))
    summaries = {(reading.of, reading.outcome) for reading in wanted if reading.of} | {(name, "final") for name in watched}
    listed = [f"{kind}({name})" for name, kind in sorted(summaries)]
    for reading in wanted:
        check_reading(scenario, reading)
    found: dict[Reading, Measured] = {}
    for arm in dict.fromkeys(reading.arm for reading in wanted):
        if progress is not None:
            progress(f"{scenario.name}: {arm}")
        of_arm = [reading for reading in wanted if reading.arm == arm]
        if settings is None:
            found |= _measure_arm(scenario, arm, of_arm, listed, fields, samples, None, run)
            continue
        # the reference solver runs member by member and takes as long to read as to solve: each is read for its own sake
        for changes in dict.fromkeys(reading.changes for reading in of_arm):
            own = [reading for reading in of_arm if reading.changes == changes]
            asked = [f"{reading.outcome}({reading.of})" for reading in own if reading.of]
            found |= _measure_arm(scenario, arm, own, [*dict.fromkeys(asked)], fields, samples, settings, run)
    return found


def _measure_arm(
    scenario: Scenario,
    arm: str,
    readings: Sequence[Reading],
    summaries: Sequence[str],
    fields: Sequence[str],
    samples: Floats,
    settings: Settings | None,
    run: Runner,
) -> dict[Reading, Measured]:
    """The readings of one arm: one block of members for every set of changes, all blocks in one run."""
    sets = list(dict.fromkeys(reading.changes for reading in readings))
    changed = {change.name for changes in sets for change in changes}
    columns = [*fields, *sorted(changed - set(fields))]
    usual = [scenario.values.get(name, scenario.switches.get(name, np.nan)) for name in columns[len(fields) :]]
    start = np.hstack([samples, np.tile(usual, (len(samples), 1))])
    stacked = np.vstack([_with(start, columns, changes) for changes in sets])
    names = [*dict.fromkeys(reading.outcome for reading in readings if not reading.of), *summaries]
    cohort = run(scenario, columns, stacked, [arm], names, settings, threads=usable_cores())
    solved = np.isin(cohort.status[:, 0], GOOD)
    missing = [name for name in names if name not in cohort.values[arm]]
    if missing:
        raise UserError(unknown("outcome", missing[0], cohort.values[arm]))
    found = {}
    for reading in readings:
        number = sets.index(reading.changes)
        block = slice(number * len(samples), (number + 1) * len(samples))
        name = _name(reading)
        found[reading] = Measured(cohort.values[arm][name][block], cohort.observed[arm][name][block], solved[block])
    return found


def _name(reading: Reading) -> str:
    return f"{reading.outcome}({reading.of})" if reading.of else reading.outcome


def _with(samples: Floats, columns: Sequence[str], changes: Sequence[Change]) -> Floats:
    """The samples with the changes made; several changes of one name in the order of the claim."""
    made = samples.copy()
    for change in changes:
        column = columns.index(change.name)
        made[:, column] = change.value if change.how == "=" else made[:, column] * change.value
    return made
