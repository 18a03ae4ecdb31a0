"""Do two agents do more together than they should? Effects over a grid of doses, against three null surfaces.

Doses are multiples of the scenario's own, of all regimens of an agent at once; the schedule stays. Effects are counted against
the same tumour without either agent: decades of burden on given days, days gained to progression, decades of area under the
burden, the chance of cure. Every tumour of a population has its own surfaces; what is told of them is a median and an interval.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.errors import UserError, unknown
from backfire.formatting import display_name, short
from backfire.model import CAUTION
from backfire.outcomes import HOST_LOAD
from backfire.sampling import read_tumours
from backfire.scenario import Scenario
from backfire.simulation import run_members, trajectories
from backfire.solvers import Floats
from backfire.studies.pairs.null_surfaces import NULLS, DoseCurve, bliss, highest_single_agent, interaction_index, loewe
from backfire.studies.tumours import Tumours
from backfire.system import usable_cores

DOSES: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
REACH: Final = 8.0
"""Curves of single agents go to so many times the largest dose of the grid, so that Loewe's doses are on them."""
CURVE: Final = 40
ENDPOINTS: Final = ("log_kill", "time_to_progression", "burden_area", "cure_probability")
QUIET: Final = 0.01
"""An agent whose own effect is below this share of the pair's has none."""
RESOLVED: Final = 1e-3
"""Excesses below this, in decades, days or chances, are none: interpolation resolves no more."""
CROWDED: Final = 0.1
"""Above this share of the capacity in the untreated tumour, decades no longer add."""
_NAMES: Final = {"hsa": "highest single agent", "bliss": "Bliss", "loewe": "Loewe"}
_MEASURES: Final = {"time_to_progression": "days gained", "cure_probability": "chance of cure"}


@dataclass(frozen=True)
class Surface:
    """One endpoint of t tumours over doses (n,) of both agents: ``effects`` and every one of ``nulls`` (t, n, n).

    ``day`` is that of a log kill. ``index`` (t,) is the interaction index at the scenario's own doses, ``alone`` (t, 2) the
    multiples of its own dose that either agent alone would need for what the pair does there, infinite where none is enough.
    ``remarks`` say what to beware of.
    """

    endpoint: str
    doses: Floats
    effects: Floats
    nulls: Mapping[str, Floats]
    index: Floats
    alone: Floats
    day: float | None = None
    remarks: tuple[str, ...] = ()
    of: str = "burden"

    @property
    def name(self) -> str:
        """The endpoint in words."""
        kind = "log kill" if self.of == "burden" else f"log kill of {display_name(self.of)}"
        return f"{kind} on day {self.day:.4g}" if self.day is not None else self.endpoint.replace("_", " ")

    @property
    def measure(self) -> str:
        """In what effects are measured."""
        return _MEASURES.get(self.endpoint, "decades")

    @property
    def own(self) -> int:
        """The place of the scenario's own doses."""
        return int(np.flatnonzero(self.doses == 1.0)[0])

    def excess(self, null: str) -> Floats:
        """(t, n, n): effects beyond a null surface; NaN where that does not apply."""
        return self.effects - self.nulls[null]

    def at_own_doses(self, null: str) -> Floats:
        """(t,): the excess at the scenario's own doses."""
        return self.excess(null)[:, self.own, self.own]

    def peak(self, null: str) -> tuple[float, float, float]:
        """(largest median excess where both are given, the doses there); NaN where the surface applies nowhere."""
        median = _quantile(self.excess(null), 0.5)[1:, 1:]
        if not np.isfinite(median).any():
            return math.nan, math.nan, math.nan
        row, column = np.unravel_index(int(np.nanargmax(median)), median.shape)
        return float(median[row, column]), float(self.doses[row + 1]), float(self.doses[column + 1])


@dataclass(frozen=True)
class Synergy:
    """What came of a study: the ``surfaces`` of all endpoints, for ``agents`` given in one ``arm`` of a scenario."""

    scenario: Scenario
    arm: str
    agents: tuple[str, str]
    tumours: int
    surfaces: tuple[Surface, ...]
    statements: tuple[str, ...] = field(default=())


def synergy(
    scenario: Scenario,
    arm: str | None = None,
    agents: Sequence[str] = (),
    doses: Sequence[float] = DOSES,
    at: Sequence[float] = (),
    endpoints: Sequence[str] = ENDPOINTS[:1],
    tumours: Mapping[str, Floats] | None = None,
    of: str = "burden",
) -> Synergy:
    """The effect of two agents of an arm over a grid of doses against what neither helping the other would give.

    ``doses`` are multiples of the scenario's own and hold 0 and 1. Log kills are of the total ``of`` on the days ``at``; a third,
    two thirds and all of the time after the first dose if left out. ``tumours`` maps inputs to values (t,), those of a
    population for example; without, there is one tumour, the scenario's own. Raises UserError for arms, agents, endpoints and
    doses that cannot be.
    """
    arm = arm or ("combination" if "combination" in scenario.arms else [*scenario.arms][-1])
    if arm not in scenario.arms:
        raise UserError(unknown("arm", arm, scenario.arms))
    pair = _pair(scenario, arm, agents)
    grid = np.unique(np.asarray(doses, dtype=float))
    if not {0.0, 1.0} <= {*grid.tolist()} or grid[0] < 0 or not np.isfinite(grid).all():
        given = ", ".join(map(short, grid))
        raise UserError(f"doses {given}: multiples of the scenario's own from 0 on, with 0 and 1 among them")
    for name in endpoints:
        if name not in ENDPOINTS:
            raise UserError(unknown("endpoint", name, ENDPOINTS))
    zero = scenario.time_zero
    days = sorted({float(day) for day in at}) or [zero + (scenario.days - zero) * part / 3 for part in (1, 2, 3)]
    if not all(zero < day <= scenario.days for day in days):
        raise UserError(f"log kills are of days after {zero:g} up to {scenario.days:g}, got {', '.join(map(short, days))}")
    totals = dict.fromkeys(total for state in scenario.network.states for total in state.totals)
    if of not in totals:
        raise UserError(unknown("total", of, totals))
    run = _Run(scenario, arm, pair, grid, tumours or {}, of)
    surfaces = [*run.surfaces([*dict.fromkeys(endpoints)], days)]
    return Synergy(scenario, arm, pair, run.count, tuple(surfaces), tuple(_statement(pair, item) for item in surfaces))


def _pair(scenario: Scenario, arm: str, agents: Sequence[str]) -> tuple[str, str]:
    """The two regimens or agents whose doses vary, by the names they are given."""
    regimens = {name: scenario.regimens[name] for name in scenario.arms[arm]}
    dosed = [name for name, item in regimens.items() if scenario.network.interventions[item.agent].amount_unit]
    known = dict.fromkeys([*(regimens[name].agent for name in dosed), *dosed])
    chosen = [*agents] or [*dict.fromkeys(regimens[name].agent for name in dosed)]
    for name in chosen:
        if name not in known:
            raise UserError(unknown("agent or regimen with a dose in this arm", name, known))
    if len({*chosen}) != 2:
        raise UserError(f"a pair is two agents of arm `{arm}`, got {', '.join(chosen) or 'none'}; it has {', '.join(known)}")
    return chosen[0], chosen[1]


class _Run:
    """All members of a study at once: for every tumour the grid of both doses, then the curve of either agent alone."""

    def __init__(
        self, scenario: Scenario, arm: str, pair: tuple[str, str], grid: Floats, tumours: Mapping[str, Floats], of: str
    ) -> None:
        self.scenario, self.arm, self.grid, self.of = scenario, arm, grid, of
        regimens = [[name for name in scenario.arms[arm] if one in (name, scenario.regimens[name].agent)] for one in pair]
        if {*regimens[0]} & {*regimens[1]}:
            raise UserError(f"`{pair[0]}` and `{pair[1]}` are given by the same regimen")
        self.count = len(next(iter(tumours.values()))) if tumours else 1
        top = REACH * grid[-1]
        self.curve = np.unique(np.concatenate([grid, np.linspace(0, np.sqrt(top), CURVE) ** 2]))
        none = np.zeros_like(self.curve)
        one, other = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
        self.first = np.concatenate([one, self.curve, none])
        self.second = np.concatenate([other, none, self.curve])
        columns = {name: np.repeat(np.asarray(values, dtype=float), len(self.first)) for name, values in tumours.items()}
        for names, multiples in zip(regimens, (self.first, self.second), strict=True):
            columns |= {f"{name}.amount": np.tile(scenario.regimens[name].amount * multiples, self.count) for name in names}
        self.fields, self.samples = [*columns], np.column_stack([*columns.values()])

    def surfaces(self, endpoints: Sequence[str], days: Sequence[float]) -> Iterable[Surface]:
        """The surfaces of all endpoints, of log kill one for each day; whatever outcomes are read, members run once for all."""
        asked = [name for name in endpoints if name != "log_kill"]
        mortal = HOST_LOAD in self.scenario.network.observables
        read = {}
        if asked:
            also = ["survival_time"] if mortal else []
            done = run_members(self.scenario, self.fields, self.samples, [self.arm], [*asked, *also], threads=usable_cores())
            found, seen = done.values[self.arm], done.observed[self.arm]
            read = {name: np.where(seen[name], found[name], np.nan) for name in asked}
            if mortal and "burden_area" in read:  # areas of arms that end on other days do not compare
                read["burden_area"][seen["survival_time"]] = np.nan
        for name in endpoints:
            if name == "log_kill":
                yield from (self._log_kill(day, burden) for day, burden in zip(days, self._burdens(days).T, strict=True))
            else:
                yield self._outcome(name, read[name])

    def _outcome(self, endpoint: str, values: Floats) -> Surface:
        untreated = self._untreated(values)
        remarks = ["days do not add, so that Bliss does not apply"] if endpoint == "time_to_progression" else []
        if np.isnan(values).any():
            remarks.append(f"{np.isnan(values).mean():.0%} of the members have none, and are left out")
        if endpoint == "burden_area":
            return self._surface(endpoint, np.log10(untreated / values), "bliss", remarks)
        if endpoint == "cure_probability":
            return self._surface(endpoint, values, "chances", remarks)
        return self._surface(endpoint, values - untreated, "", remarks)

    def _burdens(self, days: Sequence[float]) -> Floats:
        states, _ = trajectories(self.scenario, self.fields, self.samples, self.arm, np.array(days))
        counted = np.array([self.of in state.totals for state in self.scenario.network.states])
        burden: Floats = states[:, :, counted].sum(axis=2)
        cells = all(state.is_cells for state in self.scenario.network.states if self.of in state.totals)
        return np.maximum(burden, 1.0) if cells else burden

    def _log_kill(self, day: float, burden: Floats) -> Surface:
        with np.errstate(all="ignore"):
            effects = np.log10(self._untreated(burden) / burden)
        remarks, untreated = [], float(_quantile(self._untreated(burden), 0.5))
        capacity = self.scenario.values.get("capacity", math.nan) if self.of == "burden" else math.nan
        if math.isnan(untreated):
            remarks.append("without either the host is dead by then: there is nothing to compare with")
        elif untreated > CROWDED * capacity:
            share = f"{untreated / capacity:.0%}"
            remarks.append(f"without either the tumour fills {share} of its capacity by then: decades bend there")
        given = burden.reshape(self.count, -1)[:, : len(self.grid) ** 2]
        if (given <= 1.0).any() and untreated > 1e3:
            remarks.append("some tumours are gone, of which no more than all can be killed")
        return self._surface("log_kill", effects, "bliss", remarks, day)

    def _untreated(self, values: Floats) -> Floats:
        """Of every member the value of its tumour without either agent."""
        return np.repeat(values.reshape(self.count, -1)[:, 0], len(self.first))

    def _surface(self, endpoint: str, effects: Floats, adds: str, remarks: Sequence[str], day: float | None = None) -> Surface:
        """The surface of effects (members,), with its null surfaces; ``adds`` says whether, and how, independent effects do."""
        size, own = len(self.grid), int(np.flatnonzero(self.grid == 1.0)[0])
        rows = effects.reshape(self.count, -1)
        grids = rows[:, : size * size].reshape(self.count, size, size)
        nulls = {name: np.full(grids.shape, np.nan) for name in NULLS}
        index, alone = np.full(self.count, np.nan), np.full((self.count, 2), np.nan)
        for tumour, row in enumerate(rows):
            grid, one, other = grids[tumour], grids[tumour, :, 0], grids[tumour, 0]
            nulls["hsa"][tumour] = highest_single_agent(one, other)
            if adds:
                nulls["bliss"][tumour] = bliss(one, other, adds == "chances")
            curves = [row[size * size :][: len(self.curve)], row[size * size + len(self.curve) :]]
            if not np.isfinite(curves).all():
                continue
            first, second = (DoseCurve(self.curve, _resolved(item)) for item in curves)
            nulls["loewe"][tumour] = loewe(self.grid, self.grid, first, second)
            both = np.array([grid[own, own]])
            index[tumour] = interaction_index(np.ones(1), np.ones(1), first, second, both)[0]
            alone[tumour] = first.dose(both)[0], second.dose(both)[0]
        return Surface(endpoint, self.grid, grids, nulls, index, alone, day, tuple(remarks), self.of)


def _resolved(effects: Floats) -> Floats:
    """Effects along a curve of doses; none where none is more than rounding."""
    return np.zeros_like(effects) if np.abs(effects).max() <= RESOLVED else np.concatenate([[0.0], effects[1:]])


def _quantile(values: Floats, share: float) -> Floats:
    """Over tumours, those without a number left out."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing but NaN is NaN
        return np.asarray(np.nanquantile(values, share, axis=0))


def quiet(surface: Surface, which: int) -> bool:
    """True if an agent alone has no effect of its own beside that of the pair, at any dose of the grid."""
    alone = _quantile(surface.effects[:, :, 0] if which == 0 else surface.effects[:, 0], 0.5)
    pair = float(np.nanmax(np.abs(_quantile(surface.effects, 0.5)), initial=0.0))
    return bool(np.nanmax(np.abs(alone), initial=0.0) <= QUIET * pair)


def _statement(pair: tuple[str, str], surface: Surface) -> str:
    """What the pair gains beyond its dose, in one sentence."""
    own, several = surface.own, len(surface.effects) > 1
    effect = _told(surface.effects[:, own, own], several)
    one, other = (_told(item, several) for item in (surface.effects[:, own, 0], surface.effects[:, 0, own]))
    head = f"{surface.name}: together {effect} {surface.measure}, {pair[0]} alone {one}, {pair[1]} alone {other}"
    silent = [name for which, name in enumerate(pair) if quiet(surface, which)]
    if math.isnan(float(_quantile(surface.effects[:, own, own], 0.5))):
        return f"{surface.name}: nothing can be said at the scenario's own doses"
    if len(silent) == 2:
        nothing = abs(float(_quantile(surface.effects[:, own, own], 0.5))) <= RESOLVED
        return f"{head}: " + ("neither does anything" if nothing else "coalism, for neither does anything alone")
    if silent:
        gained = surface.at_own_doses("hsa")
        (other_one,) = [name for name in pair if name not in silent]
        if abs(float(_quantile(gained, 0.5))) <= RESOLVED:
            return f"{head}: {silent[0]} adds nothing to {other_one}"
        kind = "potentiation" if float(_quantile(gained, 0.5)) > 0 else "antagonism"
        return f"{head}: {kind}, for {silent[0]} does nothing alone; {_told(gained, several)} more than {other_one} alone"
    parts = []
    for null in NULLS[1:]:
        gained = surface.at_own_doses(null)
        median = float(_quantile(gained, 0.5))
        if math.isnan(median):
            parts.append(f"{_NAMES[null]} does not apply")
            continue
        kind = (
            "additive"
            if abs(median) <= max(RESOLVED, 0.01 * abs(float(_quantile(surface.effects[:, own, own], 0.5))))
            else ("synergy" if median > 0 else "antagonism")
        )
        parts.append(f"{_NAMES[null]} {kind} {_told(gained, several)}" if kind != "additive" else f"{_NAMES[null]} additive")
    needed = [_quantile(surface.alone[:, which], 0.5) for which in (0, 1)]
    dose = [f"{name} alone would need {float(many):.3g} times its dose" for name, many in zip(pair, needed, strict=True)
            if np.isfinite(many)]  # fmt: skip
    same = f"for the same {' or '.join(dose)}" if dose else "no dose of either alone does it"
    return f"{head}: {', '.join(parts)}; {same}"


def _told(values: Floats, several: bool) -> str:
    """A median, with the interval of nine in ten tumours where there are several."""
    low, median, high = (short(round(float(_quantile(values, share)), 6) + 0.0, 3) for share in (0.05, 0.5, 0.95))
    return f"{median} [{low}, {high}]" if several else median


def synergy_data(made: Synergy) -> dict[str, Any]:
    """What came of it as plain data: medians and intervals at the scenario's own doses, and the peak over the grid.

    With Loewe stands its interaction index, below 1 where less drug is needed than it says; ``indexed`` is the share of tumours
    in which a single agent has the pair's effect at any dose, without which there is no index.
    """
    rows = []
    for surface in made.surfaces:
        for null in NULLS:
            own = surface.at_own_doses(null)
            peak, one, other = surface.peak(null)
            rows.append(
                {
                    "endpoint": surface.name, "null": null, "measure": surface.measure,
                    "excess": _number(_quantile(own, 0.5)), "low": _number(_quantile(own, 0.05)),
                    "high": _number(_quantile(own, 0.95)),
                    "positive": _number(np.mean(own[np.isfinite(own)] > RESOLVED)) if np.isfinite(own).any() else None,
                    "peak": _number(peak), "peak_doses": [_number(one), _number(other)],
                }
                | (_index(surface) if null == "loewe" else {})
            )  # fmt: skip
    return {
        "caution": CAUTION, "scenario": made.scenario.name, "hash": made.scenario.hash, "arm": made.arm, "agents": [*made.agents],
        "tumours": made.tumours, "statements": [*made.statements], "excesses": rows,
        "remarks": {surface.name: [*surface.remarks] for surface in made.surfaces if surface.remarks},
    }  # fmt: skip


def _index(surface: Surface) -> dict[str, float | None]:
    words = {"index": 0.5, "index_low": 0.05, "index_high": 0.95}
    found = {word: _number(_quantile(surface.index, share)) for word, share in words.items()}
    return {**found, "indexed": float(np.isfinite(surface.index).mean())}


def synergy_csv(made: Synergy) -> str:
    """The surfaces as tidy CSV: endpoint, doses, medians of the effect and of every null surface."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["endpoint", made.agents[0], made.agents[1], "effect", *NULLS])
    for surface in made.surfaces:
        columns = [_quantile(surface.effects, 0.5), *(_quantile(surface.nulls[null], 0.5) for null in NULLS)]
        for row, one in enumerate(surface.doses):
            for column, other in enumerate(surface.doses):
                values = [float(item[row, column]) for item in columns]
                writer.writerow([surface.name, one, other, *("" if math.isnan(value) else repr(value) for value in values)])
    return text.getvalue()


def median(values: Floats) -> Floats:
    """Of surfaces (t, n, n) over their tumours."""
    return _quantile(values, 0.5)


def tumours_of(folder: Path | str, scenario: Scenario) -> dict[str, Floats]:
    """The tumours of a stored population of a scenario by input: each once, or as often as its weight says (drawn, always alike).

    Raises StorageError for a folder that is none, UserError for a population of another scenario.
    """
    stored = read_tumours(folder)
    stored.require(scenario.name, scenario.hash)
    values = Tumours(len(stored), stored=stored).draw()
    return {name: values[:, place] for place, name in enumerate(stored.names)}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
