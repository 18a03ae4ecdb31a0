"""Ablation: which feedback is to blame. Every subset of feedbacks is switched off, in every arm, in many tumours.

    title    = "Which feedback carries the relapse under chemotherapy?"
    scenario = "all-together"
    arms     = ["monotherapy"]
    outcomes = ["final_burden"]

    [feedbacks]                      # switches that go together; every switch alone if left out
    macrophages = ["macrophages.protects_kill", "macrophages.promotes_growth"]
    stroma      = ["stroma.protects_kill", "stroma.promotes_growth"]

Up to eight feedbacks all subsets are simulated and the whole, all on less all off, is shared out (Shapley). Of more, every
one and every pair is switched off, and nothing is shared out: shares of subsets that were not simulated would be guessed.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import Field

from backfire.errors import UserError, unknown
from backfire.sampling import PlausibleTumours
from backfire.scenario import ABLATION, OwnMechanisms, Scenario
from backfire.solvers import Floats
from backfire.studies.folder import FinishedStudy, Rows, study_manifest
from backfire.studies.readings import ReadingFile, ReadingReader, ReadingSpec, read_outcomes
from backfire.studies.runs import Means, Simulated, require_same, run_study, stored_study
from backfire.studies.statistics import NO_ESTIMATE, Estimate, bootstrap_means, pair_interactions, shapley_shares

MOST_WHOLE: Final = 8
"""Of so many feedbacks all subsets are simulated."""
MOST: Final = 40
ADDS_UP: Final = 1e-9
"""How far shares may miss the whole, as a share of the largest value: rounding."""


class AblationFile(ReadingFile):
    """A backfire ablation: feedbacks switched off. Illustrative, not clinically calibrated."""

    feedbacks: dict[str, list[str]] = Field({}, description="switches that are switched off together, by a name of yours")


@dataclass(frozen=True, eq=False)
class AblationSpec(ReadingSpec):
    """An ablation; made by ``load_ablation``, or built in Python. ``feedbacks`` maps names to switches; without any, every
    switch is one.

    Raises UserError for switches that are not there, stand twice, or vary among the tumours.
    """

    feedbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        switches = _switches(self.scenario)
        if not self.feedbacks:
            object.__setattr__(self, "feedbacks", {name: (name,) for name in switches})
        named = [switch for group in self.feedbacks.values() for switch in group]
        for switch in named:
            if switch not in switches:
                raise UserError(unknown("influence", switch, switches), key="feedbacks")
            if named.count(switch) > 1:
                raise UserError(f"`{switch}` stands in two feedbacks", key="feedbacks")
            if switch in self.tumours.names:
                raise UserError(f"`{switch}` varies among the tumours; it is switched on and off here", key="feedbacks")
        if not 1 <= len(self.feedbacks) <= MOST or not all(self.feedbacks.values()):
            raise UserError(
                f"give 1 to {MOST} feedbacks with at least one switch each, got {len(self.feedbacks)}", key="feedbacks"
            )

    @property
    def whole(self) -> bool:
        """True if all subsets are simulated."""
        return len(self.feedbacks) <= MOST_WHOLE

    @cached_property
    def subsets(self) -> tuple[int, ...]:
        """The subsets of feedbacks that are on, as bit masks; all of them in order, or nothing off, one, two, and all."""
        return _subsets(len(self.feedbacks))

    def words(self, mask: int) -> str:
        """A subset in words."""
        names = [*self.feedbacks]
        off = [name for place, name in enumerate(names) if not mask >> place & 1]
        return "all on" if not off else "all off" if len(off) == len(names) else f"without {', '.join(off)}"

    @property
    def count(self) -> int:
        """How many members are simulated: every tumour under every subset."""
        return self.tumours.number * len(self.subsets)

    @property
    def fields(self) -> tuple[str, ...]:
        """The inputs of the members: those of the tumours, then the switches."""
        return (*self.tumours.names, *(switch for group in self.feedbacks.values() for switch in group))

    def members(self) -> Floats:
        """Members (tumours × subsets, fields), subset after subset of one tumour after the other."""
        usual = {name: item.value for name, item in self.scenario.inputs.items()}
        switched = np.array(
            [
                [usual[switch] * (mask >> place & 1) for place, group in enumerate(self.feedbacks.values()) for switch in group]
                for mask in self.subsets
            ]
        )
        drawn = self.tumours.draw()
        return np.hstack([np.repeat(drawn, len(switched), axis=0), np.tile(switched, (len(drawn), 1))])


class _AblationReader(ReadingReader[AblationFile, AblationSpec]):
    kind, model, spec, instead = ABLATION, AblationFile, AblationSpec, {"outcomes": []}

    def finish(self, file: AblationFile, scenario: Scenario, arms: tuple[str, ...]) -> dict[str, Any]:
        feedbacks = {name: tuple(group) for name, group in file.feedbacks.items()}
        return {**super().finish(file, scenario, arms), "feedbacks": feedbacks}

    def asked(self, file: AblationFile, scenario: Scenario, members: PlausibleTumours) -> PlausibleTumours:
        """Every tumour once, without the switches of the feedbacks: another switch may vary among the tumours."""
        groups = list(file.feedbacks.values()) or [[name] for name in _switches(scenario)]
        switched = {switch for group in groups for switch in group}
        own = [at for at, name in enumerate(members.names) if name not in switched]
        values, names = members.values[:: len(_subsets(len(groups))), own], tuple(members.names[at] for at in own)
        return dataclasses.replace(members, names=names, values=values, weights=np.full(len(values), 1 / len(values)))


def _switches(scenario: Scenario) -> list[str]:
    return [name for name, item in scenario.inputs.items() if item.kind == "switch"]


def _subsets(count: int) -> tuple[int, ...]:
    """The subsets of so many feedbacks that are simulated, as ``AblationSpec.subsets`` has them."""
    everything = (1 << count) - 1
    if count <= MOST_WHOLE:
        return tuple(range(everything + 1))
    off = [0, *(1 << one for one in range(count))]
    off += [1 << one | 1 << other for one, other in itertools.combinations(range(count), 2)]
    return (0, *(everything & ~mask for mask in off))


load_ablation, parse_ablation = _AblationReader.load, _AblationReader.parse


@dataclass(frozen=True)
class Blame:
    """One outcome in one arm: what feedbacks do to it, with ``all_on``, ``all_off`` and the ``whole`` between them.

    ``without`` is the outcome with one off, ``alone_off`` by how much it falls then, ``alone_on`` by how much it rises from all
    off when this is the only one on. ``shares`` (Shapley) of the whole, the same in ``percent``: empty where not all subsets were
    simulated, or the whole is not told from nothing. ``pairs`` are interactions. ``missed`` is by how much shares miss the whole.
    """

    arm: str
    outcome: str
    title: str
    all_on: Estimate
    all_off: Estimate
    whole: Estimate
    without: Mapping[str, Estimate]
    alone_off: Mapping[str, Estimate]
    alone_on: Mapping[str, Estimate]
    shares: Mapping[str, Estimate]
    percent: Mapping[str, Estimate]
    pairs: Mapping[tuple[str, str], Estimate]
    missed: float = 0.0


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(FinishedStudy):
    """A finished ablation. ``games[arm, outcome]`` (tumours, subsets) are the values of every tumour under every subset."""

    spec: AblationSpec
    games: Mapping[tuple[str, str], Floats]
    titles: Mapping[tuple[str, str], str]
    notes: tuple[str, ...]
    folder: Path | None = None

    @cached_property
    def blames(self) -> list[Blame]:
        """Every outcome in every arm."""
        return [self._blame(arm, outcome) for arm, outcome in self.games]

    @cached_property
    def means(self) -> Mapping[tuple[str, str], Floats]:
        """``games`` over the tumours: (1 + resamples, subsets), the means, and below them those over tumours drawn again.

        Whatever is linear in a game (shares, interactions, differences) is read off its rows, so all have the same draws.
        """
        return {key: np.vstack([game.mean(axis=0), bootstrap_means(game)]) for key, game in self.games.items()}

    def _blame(self, arm: str, outcome: str) -> Blame:
        game, names = self.means[arm, outcome], [*self.spec.feedbacks]
        place = {mask: at for at, mask in enumerate(self.spec.subsets)}
        everything = (1 << len(names)) - 1
        on, off = game[:, place[everything]], game[:, place[0]]
        without = {name: game[:, place[everything & ~(1 << at)]] for at, name in enumerate(names)}
        only = {name: game[:, place[1 << at]] - off for at, name in enumerate(names) if 1 << at in place}
        shares, percent, missed = self._shares(game, on - off, names) if self.spec.whole else ({}, {}, 0.0)
        return Blame(
            arm, outcome, self.titles[arm, outcome], _estimate(on), _estimate(off), _estimate(on - off),
            {name: _estimate(column) for name, column in without.items()},
            {name: _estimate(on - column) for name, column in without.items()},
            {name: _estimate(column) for name, column in only.items()},
            shares, percent, self._pairs(game, names, place), missed,
        )  # fmt: skip

    @staticmethod
    def _shares(game: Floats, whole: Floats, names: list[str]) -> tuple[dict[str, Estimate], dict[str, Estimate], float]:
        """(shares, the same in per cent of the whole, by how much they miss it in the worst draw)."""
        found = shapley_shares(game)
        missed = float(np.abs(found.sum(axis=1) - whole).max())
        if missed > ADDS_UP * max(1.0, float(np.abs(game).max())):
            raise ArithmeticError(f"shares miss the whole by {missed:g}")
        shares = {name: _estimate(found[:, at]) for at, name in enumerate(names)}
        if whole.min() <= 0 <= whole.max():  # a share of nothing
            return shares, {}, missed
        return shares, {name: _estimate(100 * found[:, at] / whole) for at, name in enumerate(names)}, missed

    def _pairs(self, game: Floats, names: list[str], place: Mapping[int, int]) -> dict[tuple[str, str], Estimate]:
        """Interactions: Shapley's where all subsets are there, else that of switching off one, the other, and both."""
        everything, made = (1 << len(names)) - 1, {}
        found = pair_interactions(game) if self.spec.whole and len(names) > 1 else None
        for one, other in itertools.combinations(range(len(names)), 2):
            if found is not None:
                column = found[:, one, other]
            else:
                masks = (everything, everything & ~(1 << one), everything & ~(1 << other), everything & ~(1 << one | 1 << other))
                on, first, second, both = (game[:, place[mask]] for mask in masks)
                column = on - first - second + both
            made[names[one], names[other]] = _estimate(column)
        return made

    @cached_property
    def tables(self) -> dict[str, Rows]:
        """``subsets``, ``feedbacks`` and ``pairs``."""
        return {"subsets": self._subsets(), "feedbacks": self._feedbacks(), "pairs": self._pair_rows()}

    @property
    def shown(self) -> dict[str, Rows]:
        """The tables that are printed."""
        return {name: self.tables[name] for name in ("feedbacks", "pairs")}

    @property
    def manifest(self) -> dict[str, Any]:
        """What was asked, as data."""
        about = {
            "outcomes": list(self.spec.outcomes), "feedbacks": {name: list(group) for name, group in self.spec.feedbacks.items()},
            "failed": self.spec.rules.failed, "censored": self.spec.rules.censored,
            "largest_miss_of_the_whole": max((item.missed for item in self.blames), default=0.0),
        }  # fmt: skip
        return study_manifest(self.spec, "ablation", self.notes, about)

    def _subsets(self) -> Rows:
        rows: list[tuple[Any, ...]] = [("arm", "outcome", "subset", "mean", "low", "high")]
        for (arm, outcome), game in self.means.items():
            for place, mask in enumerate(self.spec.subsets):
                rows.append((arm, outcome, self.spec.words(mask), *_estimate(game[:, place]).row))
        return rows

    def _feedbacks(self) -> Rows:
        words = ("alone_off", "alone_on", "share", "percent")
        heads = [f"{word}{end}" for word in words for end in ("", "_low", "_high")]
        rows: list[tuple[Any, ...]] = [("arm", "outcome", "feedback", *heads)]
        for item in self.blames:
            for name in self.spec.feedbacks:
                found = (item.alone_off, item.alone_on, item.shares, item.percent)
                cells = [value for one in found for value in one.get(name, NO_ESTIMATE).row]
                rows.append((item.arm, item.outcome, name, *cells))
        return rows

    def _pair_rows(self) -> Rows:
        rows: list[tuple[Any, ...]] = [("arm", "outcome", "one", "other", "interaction", "low", "high")]
        for item in self.blames:
            rows += [(item.arm, item.outcome, *pair, *value.row) for pair, value in item.pairs.items()]
        return rows


def _estimate(column: Floats) -> Estimate:
    """A mean, and below it the same over tumours drawn again."""
    return Estimate.of_draws(column[0], column[1:])


def ablation(
    source: AblationSpec | str | Path, out: Path | str | None = None, means: Means | None = None, mechanisms: OwnMechanisms = ()
) -> Ablation:
    """Run an ablation: a spec, a path or a shipped name; stored in ``<out>/<name>/`` as ``trial`` does it."""
    spec = source if isinstance(source, AblationSpec) else load_ablation(source, mechanisms)
    found = run_study(spec, spec.fields, spec.members(), spec.outcomes, out, means or Means())
    return ablated(spec, found, None if out is None else Path(out) / spec.name).written()


def read_ablation(folder: Path | str) -> Ablation:
    """The ablation that stands in a folder, without simulating."""
    place = Path(folder)
    found, drawn = stored_study(place)
    spec = _AblationReader.again(place, found.scenario, drawn)
    require_same(place, found, spec.fields, spec.members, spec.count)
    return ablated(spec, found, place).written()


def ablated(spec: AblationSpec, found: Simulated, folder: Path | None = None) -> Ablation:
    """The ablation of members that are simulated already; raises UserError where a rule would be needed and is not given."""
    readings, kept, notes = read_outcomes(spec, found, len(spec.subsets))
    games = {(item.arm, item.outcome): item.values.reshape(-1, len(spec.subsets))[kept] for item in readings}
    titles = {(item.arm, item.outcome): item.title for item in readings}
    feedbacks = "feedback" if len(spec.feedbacks) == 1 else "feedbacks"
    count = (
        f"{int(kept.sum())} tumours × {len(spec.subsets)} subsets of {len(spec.feedbacks)} {feedbacks} ({spec.tumours.source})"
    )
    shared = "all subsets: the whole is shared out" if spec.whole else "one and two off at a time: nothing is shared out"
    return Ablation(spec, games, titles, (count, f"{shared}; intervals 95 % over tumours", *notes), folder)
