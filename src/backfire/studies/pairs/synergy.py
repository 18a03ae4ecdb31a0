"""Do two agents do more together than they should? Effects over a grid of doses, against three null surfaces.

Doses are multiples of the scenario's own, of all regimens of an agent at once; the schedule stays. Effects are counted against
the same tumour without either agent: decades of burden on given days, days gained to progression, decades of area under the
burden, the chance of cure. Every tumour of a population has its own surfaces; what is told of them is a median and an interval.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from backfire.errors import UserError, unknown
from backfire.formatting import short
from backfire.model import LARGEST_AMOUNT
from backfire.outcomes import HOST_LOAD
from backfire.sampling import read_tumours
from backfire.scenario import Scenario, chosen_arms
from backfire.simulation import run_members, trajectories
from backfire.solvers import Floats, Status
from backfire.studies.pairs.null_surfaces import NULLS, DoseCurve, bliss, highest_single_agent, interaction_index, loewe
from backfire.studies.pairs.surfaces import Surface, Synergy, quantile
from backfire.studies.pairs.telling import RESOLVED, statement
from backfire.studies.tumours import Tumours
from backfire.system import usable_cores

DOSES: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
REACH: Final = 8.0
"""Curves of single agents go to so many times the largest dose of the grid, so that Loewe's doses are on them."""
CURVE: Final = 40
ENDPOINTS: Final = ("log_kill", "time_to_progression", "burden_area", "cure_probability")
LOOKED_AT: Final = 40
"""So many members that failed are run again to say why."""
CROWDED: Final = 0.1
"""Above this share of the capacity in the untreated tumour, decades no longer add."""


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
    arms = chosen_arms(scenario, [arm] if arm else None)
    arm = "combination" if "combination" in arms else arms[-1]
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
    return Synergy(
        scenario, arm, pair, run.count, tuple(surfaces), tuple(statement(pair, item) for item in surfaces),
        len(run.samples), int(run.failed.sum()), run.failure(),
    )  # fmt: skip


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


def _top(scenario: Scenario, regimens: Sequence[str], grid: Floats) -> float:
    """The multiple of the scenario's doses up to which curves of single agents go; raises UserError for a grid that goes beyond
    the largest dose."""
    largest = max(regimens, key=lambda name: scenario.regimens[name].amount)
    amount = scenario.regimens[largest].amount
    if amount * grid[-1] > LARGEST_AMOUNT:
        step = 10.0 ** (math.floor(math.log10(LARGEST_AMOUNT / amount)) - 3)
        most = math.floor(LARGEST_AMOUNT / amount / step) * step  # rounded down, so that it is allowed itself
        why = f"`{largest}` gives {amount:g}, and more than {LARGEST_AMOUNT:g} is no dose"
        raise UserError(f"doses up to {short(grid[-1])} times the scenario's own: {why}; give multiples up to {most:g}")
    limit = LARGEST_AMOUNT / max(amount, 1.0) * (1 - 1e-12)  # below what rounding makes too large
    return float(max(grid[-1], min(REACH * grid[-1], limit)))


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
        top = _top(scenario, [name for names in regimens for name in names], grid)
        self.curve = np.unique(np.concatenate([grid, np.minimum(np.linspace(0, np.sqrt(top), CURVE) ** 2, top)]))
        none = np.zeros_like(self.curve)
        one, other = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
        self.first = np.concatenate([one, self.curve, none])
        self.second = np.concatenate([other, none, self.curve])
        columns = {name: np.repeat(np.asarray(values, dtype=float), len(self.first)) for name, values in tumours.items()}
        for names, multiples in zip(regimens, (self.first, self.second), strict=True):
            columns |= {f"{name}.amount": np.tile(scenario.regimens[name].amount * multiples, self.count) for name in names}
        self.fields, self.samples = [*columns], np.column_stack([*columns.values()])
        self.failed = np.zeros(len(self.samples), dtype=bool)
        """Which members failed, of all that were run by then."""

    def failure(self) -> str:
        """Why most of the members that failed did, of the first of them; empty if none did."""
        some = self.samples[self.failed][:LOOKED_AT]
        if not len(some):
            return ""
        reasons = Counter(run_members(self.scenario, self.fields, some, [self.arm], []).reasons.values())
        return next((reason for reason, _ in reasons.most_common(1)), "")

    def surfaces(self, endpoints: Sequence[str], days: Sequence[float]) -> Iterable[Surface]:
        """The surfaces of all endpoints, of log kill one for each day; whatever outcomes are read, members run once for all."""
        asked = [name for name in endpoints if name != "log_kill"]
        mortal = HOST_LOAD in self.scenario.network.observables
        read = {}
        if asked:
            also = ["survival_time"] if mortal else []
            done = run_members(self.scenario, self.fields, self.samples, [self.arm], [*asked, *also], threads=usable_cores())
            found, seen = done.values[self.arm], done.observed[self.arm]
            self.failed |= done.status[:, 0] > Status.EXTINCT
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
        states, status = trajectories(self.scenario, self.fields, self.samples, self.arm, np.array(days))
        self.failed |= status > Status.EXTINCT
        counted = np.array([self.of in state.totals for state in self.scenario.network.states])
        burden: Floats = states[:, :, counted].sum(axis=2)
        cells = all(state.is_cells for state in self.scenario.network.states if self.of in state.totals)
        return np.maximum(burden, 1.0) if cells else burden

    def _log_kill(self, day: float, burden: Floats) -> Surface:
        with np.errstate(all="ignore"):
            effects = np.log10(self._untreated(burden) / burden)
        remarks, untreated = [], float(quantile(self._untreated(burden), 0.5))
        capacity = self.scenario.values.get("capacity", math.nan) if self.of == "burden" else math.nan
        if math.isnan(untreated) and not self.failed[:: len(self.first)].any():
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


def tumours_of(folder: Path | str, scenario: Scenario, number: int | None = None) -> dict[str, Floats]:
    """The tumours of a stored population of a scenario by input: each once, or as often as its weight says (drawn, always alike);
    only so many if there is a ``number``.

    Raises StorageError for a folder that is none, UserError for a population of another scenario.
    """
    stored = read_tumours(folder)
    stored.require(scenario.name, scenario.hash)
    values = Tumours(number or len(stored), stored=stored).draw()
    return {name: values[:, place] for place, name in enumerate(stored.names)}
