"""Sensitivity: which input decides an outcome.

    title    = "Which parameter decides the burden under chemotherapy?"
    scenario = "wnt16b-stroma"
    arms     = ["monotherapy"]
    outcomes = ["final_burden"]
    method   = "sobol"            # or "morris", both over independent inputs; or "given", "shapley", from any sample

    [tumours]
    number = 1024                 # base samples; trajectories of morris; members of a given sample

Over a population inputs depend on each other, and Sobol's indices do not mean there what they say: there ``given`` asks how far
the distribution of the outcome changes when an input is known (Borgonovo's δ; PAWN, or target HSIC of a yes or no, of which it
says too which inputs differ), and ``shapley`` which part of the variance each input carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from backfire.claims import DecidingParameter, monte_carlo_filtering
from backfire.errors import UnansweredError, UserError, unknown
from backfire.outcomes import declared
from backfire.sampling import Axis, Morris
from backfire.scenario import SENSITIVITY, OwnMechanisms, Scenario
from backfire.solvers import Floats
from backfire.studies.folder import FinishedStudy, Rows, study_manifest
from backfire.studies.readings import Reading, ReadingFile, ReadingReader, ReadingSpec, read_outcomes
from backfire.studies.runs import Means, Simulated, require_same, run_study, stored_study
from backfire.studies.statistics import (
    NO_ESTIMATE,
    Estimate,
    Index,
    delta_index,
    hsic_index,
    morris_indices,
    pawn_index,
    shapley_effects,
    sobol_indices,
)
from backfire.studies.tumours import unit_points

SOBOL, MORRIS, GIVEN, SHAPLEY = "sobol", "morris", "given", "shapley"
SAMPLED: Final = (GIVEN, SHAPLEY)
"""Methods of any sample."""
METHODS: Final = {
    SOBOL: "Sobol: share of the variance by this input alone (first order), and with all others (total)",
    MORRIS: "Morris: effect of taking the input from its lowest to its highest value, and its spread",
    GIVEN: (
        "how far the distribution changes when the input is known (Borgonovo's δ; PAWN, of a yes or no target HSIC), less what "
        "shuffled inputs show"
    ),
    SHAPLEY: (
        "Shapley effects: share of the variance that the input carries, what inputs tell together divided among them; alone: "
        "what it tells by itself"
    ),
}


class SensitivityFile(ReadingFile):
    """A backfire sensitivity study: which input decides. Illustrative, not clinically calibrated."""

    method: Literal["sobol", "morris", "given", "shapley"] = Field(description="how; sobol and morris need independent inputs")


@dataclass(frozen=True, eq=False)
class SensitivitySpec(ReadingSpec):
    """A sensitivity study; made by ``load_sensitivity``, or built in Python.

    Raises UserError for a method that the tumours do not allow.
    """

    method: str = GIVEN

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in METHODS:
            raise UserError(unknown("method", self.method, METHODS), key="method")
        if self.method not in SAMPLED and not self.tumours.independent:
            raise UserError(
                f"inputs of these tumours depend on each other, and {self.method} varies them one by one; "
                f'give method = "{GIVEN}" or "{SHAPLEY}", or [tumours.vary] without correlations',
                key="method",
            )
        number = self.tumours.number
        if self.method == SOBOL and number & (number - 1):
            near = 1 << number.bit_length()
            raise UserError(
                f"Sobol points fill a box evenly in powers of two; give {near // 2} or {near} instead of {number}", key="tumours"
            )

    @property
    def group(self) -> int:
        """How many members belong together: one base sample, one trajectory, or each for itself."""
        return {SOBOL: len(self.tumours.names) + 2, MORRIS: len(self.tumours.names) + 1}.get(self.method, 1)

    @property
    def count(self) -> int:
        """How many members are simulated."""
        return self.tumours.number * self.group

    @property
    def main(self) -> int:
        """Which of the two indices ranks: of Sobol's the total, of others the first."""
        return 1 if self.method == SOBOL else 0

    @property
    def sample(self) -> str:
        """The sample in words."""
        number, count = self.tumours.number, len(self.tumours.names)
        words = {SOBOL: f"{number} base samples × ({count} inputs + 2)", MORRIS: f"{number} trajectories × ({count} inputs + 1)"}
        return f"{words[self.method]} = {number * self.group} members" if self.method in words else self.tumours.source

    def points(self) -> Floats:
        """Members in the unit cube (number × group, inputs), those that belong together one after the other."""
        count, names = self.tumours.number, self.tumours.names
        if self.method == MORRIS:
            design = Morris(tuple(Axis(name, 0.0, 1.0) for name in names), trajectories=count, seed=self.tumours.seed)
            return design.samples(0, design.members)
        both = unit_points(count, 2 * len(names), self.tumours.seed)
        first, second = both[:, : len(names)], both[:, len(names) :]
        mixed = np.repeat(first[:, None, :], len(names), axis=1)
        each = np.arange(len(names))
        mixed[:, each, each] = second
        return np.concatenate([first[:, None], second[:, None], mixed], axis=1).reshape(-1, len(names))

    def members(self) -> Floats:
        """The values of all members (members, inputs)."""
        if self.method in SAMPLED:
            return self.tumours.draw()
        assert self.tumours.space is not None
        return self.tumours.space.place(self.points())


class _SensitivityReader(ReadingReader[SensitivityFile, SensitivitySpec]):
    kind, model, spec, instead = SENSITIVITY, SensitivityFile, SensitivitySpec, {"outcomes": [], "method": GIVEN}

    def finish(self, file: SensitivityFile, scenario: Scenario, arms: tuple[str, ...]) -> dict[str, Any]:
        return {**super().finish(file, scenario, arms), "method": file.method}


load_sensitivity, parse_sensitivity = _SensitivityReader.load, _SensitivityReader.parse


@dataclass(frozen=True, eq=False)
class Ranking:
    """One outcome in one arm: ``indices`` maps inputs to their two indices, the most important first; ``deciding`` inputs differ
    most between yes and no, of an outcome that is either; ``unexplained`` is what Shapley effects leave of the variance."""

    arm: str
    outcome: str
    title: str
    indices: Mapping[str, tuple[Index, Index]]
    deciding: tuple[DecidingParameter, ...] = ()
    unexplained: Estimate = NO_ESTIMATE


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity(FinishedStudy):
    """A finished sensitivity study: a ranking of the inputs for every arm and outcome, and ``notes`` on what stands behind it."""

    spec: SensitivitySpec
    rankings: tuple[Ranking, ...]
    notes: tuple[str, ...]
    members: int
    folder: Path | None = None

    @cached_property
    def tables(self) -> dict[str, Rows]:
        """``indices``: a row for every arm, outcome, input and index."""
        rows: list[tuple[Any, ...]] = [("arm", "outcome", "input", "index", "value", "low", "high", "floor")]
        for item in self.rankings:
            for name, indices in item.indices.items():
                for index in indices:
                    found = index.estimate
                    rows.append((item.arm, item.outcome, name, index.kind, *found.row, index.floor))
        filtered: list[tuple[Any, ...]] = [("arm", "outcome", "input", "distance", "chance", "yes_at")]
        for item in self.rankings:
            filtered += [
                (item.arm, item.outcome, one.parameter, one.statistic, one.chance, "high" if one.higher else "low")
                for one in item.deciding
            ]
        return {"indices": rows} | ({"deciding": filtered} if len(filtered) > 1 else {})

    @property
    def shown(self) -> dict[str, Rows]:
        """The tables that are printed."""
        return self.tables

    @property
    def manifest(self) -> dict[str, Any]:
        """What was asked, as data."""
        about = {
            "method": self.spec.method, "sample": self.spec.sample, "members_used": self.members,
            "outcomes": list(self.spec.outcomes), "failed": self.spec.rules.failed, "censored": self.spec.rules.censored,
        }  # fmt: skip
        return study_manifest(self.spec, "sensitivity", self.notes, about)


def sensitivity(
    source: SensitivitySpec | str | Path,
    out: Path | str | None = None,
    means: Means | None = None,
    mechanisms: OwnMechanisms = (),
) -> Sensitivity:
    """Run a sensitivity study: a spec, a path or a shipped name; stored in ``<out>/<name>/`` as ``trial`` does it."""
    spec = source if isinstance(source, SensitivitySpec) else load_sensitivity(source, mechanisms)
    found = run_study(spec, spec.tumours.names, spec.members(), spec.outcomes, out, means or Means())
    return ranked_inputs(spec, found, None if out is None else Path(out) / spec.name).written()


def read_sensitivity(folder: Path | str) -> Sensitivity:
    """The sensitivity study that stands in a folder, without simulating."""
    place = Path(folder)
    found, drawn = stored_study(place)
    spec = _SensitivityReader.again(place, found.scenario, drawn)
    require_same(place, found, spec.tumours.names, spec.members, spec.count)
    return ranked_inputs(spec, found, place).written()


def ranked_inputs(spec: SensitivitySpec, found: Simulated, folder: Path | None = None) -> Sensitivity:
    """The study of members that are simulated already; raises UserError where a rule would be needed and is not given."""
    readings, kept, notes = read_outcomes(spec, found, spec.group)
    rankings, refused = [], []
    for item in readings:
        try:
            rankings.append(_ranked(spec, found, item, kept))
        except UserError as error:
            refused.append(f"{item.outcome} in {item.arm}: {error}")
    if not rankings:
        raise UnansweredError("\n".join(refused))
    left = [
        f"{item.outcome} in {item.arm}: the effects leave {100 * item.unexplained.value:.1f} % of the variance to nobody"
        for item in rankings
        if spec.method == SHAPLEY
    ]
    notes = [f"{spec.sample}; {METHODS[spec.method]}; intervals 95 %", *notes, *left, *refused]
    return Sensitivity(spec, tuple(rankings), tuple(notes), int(kept.sum()) * spec.group, folder)


def _ranked(spec: SensitivitySpec, found: Simulated, item: Reading, kept: NDArray[np.bool_]) -> Ranking:
    names, seed = spec.tumours.names, spec.tumours.seed
    values = item.values.reshape(-1, spec.group)[kept]
    deciding: tuple[DecidingParameter, ...] = ()
    unexplained = NO_ESTIMATE
    if spec.method == SOBOL:
        made: Sequence[tuple[Index, Index]] = sobol_indices(values[:, 0], values[:, 1], values[:, 2:].T, seed)
    elif spec.method == MORRIS:
        points = spec.points().reshape(-1, spec.group, len(names))[kept]
        made = morris_indices(values, points, seed)
    elif spec.method == SHAPLEY:
        effects = shapley_effects(found.values[kept], values[:, 0], seed)
        made, unexplained = effects.indices, effects.unexplained
    else:
        columns, values = found.values[kept], values[:, 0]
        either = declared(item.outcome).kind == "yes"
        beside = hsic_index if either else pawn_index
        made = [(delta_index(column, values, seed), beside(column, values, seed)) for column in columns.T]
        deciding = monte_carlo_filtering(columns, names, values > 0.5) if either else ()
    order = sorted(range(len(names)), key=lambda at: -made[at][spec.main].estimate.value)
    return Ranking(item.arm, item.outcome, item.title, {names[at]: made[at] for at in order}, deciding, unexplained)
