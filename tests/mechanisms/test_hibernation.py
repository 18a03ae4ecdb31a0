"""Hibernation: cells are conserved, every reason is a switch, and the same mechanism serves the primary and metastases."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from backfire.errors import CompositionError
from backfire.mechanisms.dissemination import Dissemination
from backfire.mechanisms.growth import Growth
from backfire.mechanisms.hibernation import TISSUE, Hibernation
from backfire.mechanisms.inflammation import Inflammation
from backfire.mechanisms.kill import Kill
from backfire.mechanisms.pharmacology import Pharmacology
from backfire.mechanisms.rigi import RigI
from backfire.model.components import Mechanism
from backfire.model.dosing import Event
from backfire.model.network import Network, compose
from backfire.solvers.reference import Settings
from networks import run, trajectory_of, working_network

DAYS = np.linspace(0, 40, 21).tolist()
BASE: tuple[Mechanism, ...] = (Growth(), Dissemination(), Inflammation(), Pharmacology(("drug", "agonist")))
FULL: dict[str, Any] = {
    "driven_by": ("drug",), "crowding": True, "niche": TISSUE, "adapts": True, "woken_by": ("inflammation",), "seeds": "metastases",
}  # fmt: skip
EVENTS = (Event(0.5, "metastases", 1.0, 1e6), Event(2.0, "drug", 1.0, 6.0), Event(9.0, "insult", 1.0, 2.0))
NARROW = Settings(relative=1e-9, cells=1e-4, absolute=1e-12)
PLACES = ("primary", "metastases")
CELLS = {
    "primary": ("active", "hibernating", "adapted"),
    "metastases": ("metastases", "hibernating_metastases", "adapted_metastases"),
}
STILL = {
    "primary": {"growth_rate": 0.0, "hibernating_death_rate": 0.0},
    "metastases": {"outgrowth_rate": 0.0, "seeding_rate": 0.0, "metastatic_hibernating_death_rate": 0.0},
}


Course = Mapping[str, np.ndarray]


@cache
def made(where: str, leave_out: tuple[str, ...] = (), **options: Any) -> Network:
    """A tumour whose cells hibernate somewhere, with all options or without some."""
    chosen = {name: value for name, value in {**FULL, **options}.items() if name not in leave_out}
    if where == "metastases":
        chosen.pop("seeds", None)
    return compose([*BASE, Hibernation(where=where, **chosen)])  # type: ignore[arg-type]


def course(network: Network, changes: Mapping[str, float] | None = None, events: tuple[Event, ...] = EVENTS) -> Course:
    """Everything recorded on DAYS, after what happens on them; no site outgrows its niche unless a test says so."""
    held = {name: 1e30 for name in network.parameters if name.endswith("niche_escape")}
    changes = {**held, **(changes or {})}
    solution = run(network, DAYS, changes, events, NARROW)
    assert solution.status.good, solution.message
    found = trajectory_of(network, solution, changes)
    rows = [int(np.flatnonzero(found.times == day)[-1]) for day in DAYS]
    return {name: found[name][rows] for name in found.names}


def prefixed(where: str, name: str) -> str:
    return name if where == "primary" else f"metastatic_{name}"


def agree(first: Course, second: Course, names: tuple[str, ...]) -> None:
    for name in names:
        assert first[name] == pytest.approx(second[name], rel=1e-6, abs=1e-3), name


# Conservation.


@pytest.mark.parametrize("where", PLACES)
@settings(max_examples=15)
@given(
    st.fixed_dictionaries(
        {name: st.floats(0, 0.4) for name in ("hibernation_rate", "waking_rate_off_drug", "adaptation_rate", "reversion_rate")}
        | {"crowding_drive": st.floats(0, 1), "niche_drive": st.floats(0, 1)}
    )
)
def test_cells_only_change_their_state(where: str, values: dict[str, float]) -> None:
    """Without division, death and drugs that kill, falling asleep, waking, adapting and reverting move cells about."""
    rates = {prefixed(where, name): value for name, value in values.items()}
    still = {**STILL[where], "seeding_rate": 0.0, prefixed(where, "adapted_growth"): 0.0}
    found = course(made(where), {**rates, **still})
    total = sum(found[name] for name in CELLS[where])
    start = 1e7 if where == "primary" else 1e6
    assert total[1:] == pytest.approx(start, rel=1e-7, abs=3)  # the last cell of a compartment that empties is gone
    assert all((found[name] > -1e-6).all() for name in CELLS[where])
    assert found["burden" if where == "primary" else "metastatic_burden"] == pytest.approx(total)


# Switches.

REASONS = {
    "drugs_drive": "driven_by", "crowding_drives": "crowding", "niche_drives": "niche", "inflammation_wakes": "woken_by",
}  # fmt: skip


@pytest.mark.parametrize(("switch", "option"), REASONS.items())
@pytest.mark.parametrize("where", PLACES)
def test_a_reason_switched_off_is_one_left_out(where: str, switch: str, option: str) -> None:
    leave_out = (option, "adapts")
    full, less = made(where, ("adapts",)), made(where, leave_out)
    off = course(full, {f"hibernation.{switch}": 0.0})
    agree(off, course(less), CELLS[where][:2])
    assert off[CELLS[where][1]][-1] != pytest.approx(course(full)[CELLS[where][1]][-1], rel=1e-3), "and on it matters"


@pytest.mark.parametrize(("rate", "option"), [("adaptation_rate", "adapts"), ("hibernating_seeding", "seeds")])
def test_a_rate_of_nothing_is_an_option_left_out(rate: str, option: str) -> None:
    agree(course(made("primary"), {rate: 0.0}), course(made("primary", (option,))), ("active", "hibernating", "metastases"))
    without, usual = course(made("primary", (option,))), course(made("primary"))
    assert any(usual[name][-1] != pytest.approx(without[name][-1], rel=1e-6) for name in ("active", "hibernating", "metastases"))


@pytest.mark.parametrize("where", PLACES)
def test_all_reasons_off_and_nothing_falls_asleep(where: str) -> None:
    off = dict.fromkeys(("hibernation.drugs_drive", "hibernation.crowding_drives", "hibernation.niche_drives"), 0.0)
    found = course(made(where), off)
    assert (found[CELLS[where][1]] == 0).all()
    assert (found[CELLS[where][2]] == 0).all()


@settings(max_examples=10)
@given(st.lists(st.sampled_from(("crowding", "niche", "driven_by", "woken_by", "seeds")), unique=True))
def test_any_options_compose_in_both_places_at_once(left_out: list[str]) -> None:
    if set(left_out) >= {"crowding", "niche", "driven_by"}:
        left_out = left_out[:1]
    chosen = {name: value for name, value in FULL.items() if name not in left_out}
    chosen["adapts"] = "driven_by" in chosen
    far = {**chosen, "where": "metastases", "seeds": ""}
    local, distant = Hibernation(**chosen), Hibernation(**far)
    network = compose({**{item.label: item for item in BASE}, "hibernation": local, "dormancy_far": distant})
    again = compose({"dormancy_far": distant, "hibernation": local, **{item.label: item for item in BASE}})
    assert network.fingerprint() == again.fingerprint()
    assert {"hibernating", "hibernating_metastases"} <= set(network.state_names)


def test_nothing_that_drives_and_nothing_to_adapt_to_are_refused() -> None:
    with pytest.raises(CompositionError, match="nothing drives cells into hibernation"):
        compose([*BASE, Hibernation()])
    with pytest.raises(CompositionError, match="name one in `driven_by`"):
        compose([*BASE, Hibernation(crowding=True, adapts=True)])


# Closed forms and other ways to compute.


def test_a_steady_niche_is_two_states_in_closed_form() -> None:
    drive, entry, on, off = 0.6, 0.3, 0.02, 0.1
    rates = {
        "hibernation_rate": entry,
        "waking_rate_on_drug": on,
        "waking_rate_off_drug": off,
        "niche_drive": drive,
        "niche_escape": 1e30,
    }
    network = compose([*BASE, Hibernation(niche=TISSUE)])
    found = course(network, {**rates, **STILL["primary"]}, ())
    down, up = entry * drive, on * drive + off * (1 - drive)
    exact = [1e7 * down / (down + up) * (1 - math.exp(-(down + up) * day)) for day in DAYS]
    assert found["hibernating"] == pytest.approx(exact, rel=1e-8)


def test_a_factor_as_niche_drives_by_its_level() -> None:
    """At the undisturbed level and its own half effect, half of the drive; the factor at seven times that, 7/8."""
    network = compose([*BASE, Hibernation(niche="inflammation")])
    found = course(
        network, {"niche_drive": 0.8, "niche_escape": 1e30, "insult_healing_rate": 0.0}, (Event(1.0, "insult", 1.0, 1e9),)
    )
    assert found["dormancy_drive"][0] == pytest.approx(0.4)
    assert found["dormancy_drive"][-1] == pytest.approx(0.8 * 7 / 8, rel=1e-6)


def test_adapted_cells_divide_on_the_drug_and_revert_off_it() -> None:
    rates = {"growth_rate": 0.1, "capacity": 1e30, "adapted_growth": 0.5, "reversion_rate": 0.07, "drug_elimination_rate": 0.0}
    network = compose([*BASE, Hibernation(driven_by=("drug",), adapts=True)])
    on = course(network, rates, (Event(1.0, "adapted", 1.0, 1e5), Event(1.0, "drug", 1.0, 1e12), Event(1.0, "active", 0.0, 0.0)))
    off = course(network, rates, (Event(1.0, "adapted", 1.0, 1e5),))
    for found, rate in ((on, 0.05), (off, 0.05 - 0.07)):
        late = np.array(DAYS) > 1
        assert found["adapted"][late] == pytest.approx([1e5 * math.exp(rate * (day - 1)) for day in DAYS if day > 1], rel=1e-6)


def test_the_same_numbers_give_the_same_course_in_metastases() -> None:
    """Exponential growth far from capacity: an early metastasis that hibernates does what a primary does."""
    far = {"outgrowth_rate": 0.05, "seeding_rate": 0.0, "metastatic_capacity": 1e30, "metastatic_hibernation_rate": 0.2}
    near = {"growth_rate": 0.05, "capacity": 1e30, "starting_cells": 1e6, "hibernation_rate": 0.2}
    options: dict[str, Any] = {"driven_by": ("drug",), "niche": TISSUE, "adapts": True, "woken_by": ("inflammation",)}
    network = compose(
        {
            **{item.label: item for item in BASE},
            "hibernation": Hibernation(**options),
            "dormancy_far": Hibernation(where="metastases", **options),
        }
    )
    events = (Event(0.0, "metastases", 1.0, 1e6), *EVENTS[1:])
    found = course(network, {**far, **near}, events)
    for here, there in zip(CELLS["primary"], CELLS["metastases"], strict=True):
        assert found[here][1:] == pytest.approx(found[there][1:], rel=1e-7, abs=1e-3)


# Sensitisation to innate kill.

INNATE = (
    Growth("exponential"), Pharmacology(("drug", "agonist")), Kill(by=("drug",)), Hibernation(driven_by=("drug",), adapts=True),
    RigI("agonist", "drug", ("active", "hibernating", "adapted")),
)  # fmt: skip


@cache
def immune() -> Network:
    return compose(INNATE)


DRUG, AGONIST = (Event(2.0, "drug", 1.0, 5.0), Event(9.0, "drug", 1.0, 5.0)), (Event(5.0, "agonist", 1.0, 4.0),)
SENSITISES = tuple(f"rigi.sensitises_{cells}" for cells in ("active", "hibernating", "adapted"))


@settings(max_examples=8)
@given(st.floats(0.05, 1), st.floats(1e-3, 0.2), st.floats(0.01, 0.4), st.floats(1, 20), st.floats(0.03, 0.5), st.floats(0, 0.2))
def test_synergy_vanishes_with_the_sensitisation(
    kill: float, entering: float, innate: float, sensitisation: float, fading: float, growth: float
) -> None:
    """Where the inhibitor raises no interferon of its own, shares that survive multiply once the state sensitises no more.

    Exponential growth and 1e12 cells: no capacity bends the product, and no compartment dies out.
    """
    values = {
        "drug_kill_rate": kill, "hibernation_rate": entering, "innate_kill_rate": innate, "growth_rate": growth,
        "hibernation_sensitisation": sensitisation, "sensitisation_fading_rate": fading, "interferon_rise_by_drug": 0.0,
        "starting_cells": 1e12,
    }  # fmt: skip
    network = immune()

    def excess(switches: Mapping[str, float]) -> float:
        """Of the two together over independence, in decades: below 0 for synergy."""
        given_events = ((), DRUG, AGONIST, DRUG + AGONIST)
        none, drug, agonist, both = (
            math.log10(course(network, {**values, **switches}, events)["burden"][-1]) for events in given_events
        )
        return both + none - drug - agonist

    assert excess(dict.fromkeys(SENSITISES, 0.0)) == pytest.approx(0, abs=1e-7)
    assert excess({}) < -1e-6


def test_the_share_that_woke_lately_is_that_of_two_populations() -> None:
    """Dividing cells that woke and others, as two compartments of their own, solved by SciPy."""
    values = {
        "growth_rate": 0.1, "drug_kill_rate": 0.3, "innate_kill_rate": 0.2, "hibernation_sensitisation": 5.0,
        "hibernation_rate": 0.3, "waking_rate_off_drug": 0.15, "adaptation_rate": 0.0, "sensitisation_fading_rate": 0.08,
    }  # fmt: skip
    network = compose(INNATE)
    found = course(network, values, DRUG + AGONIST)
    moments = np.linspace(0, 40, 4001)
    dense = trajectory_of(network, run(network, moments.tolist(), values, DRUG + AGONIST), values)

    def rates(day: float, cells: np.ndarray) -> list[float]:
        woken, others, asleep = cells
        effect, innate, waking = (
            np.interp(day, dense.times, dense[name]) for name in ("effect_drug", "innate_activity", "waking_rate")
        )
        lost = 0.3 * effect + 0.3 * effect - 0.1  # kill and falling asleep, less division
        kill = 0.2 * innate
        return [
            waking * asleep - (lost + 0.08 + kill * 6.0) * woken,
            0.08 * woken - (lost + kill) * others,
            0.3 * effect * (woken + others) - (waking + 0.005 + kill * 6.0) * asleep,
        ]

    exact = solve_ivp(rates, (0, 40), [0.0, 1e7, 0.0], t_eval=DAYS, rtol=1e-9, atol=1e-3, max_step=0.05).y
    late = np.array(DAYS) > 4
    share = exact[0] / (exact[0] + exact[1])
    assert found["lately_woken_active"][late] == pytest.approx(share[late], rel=5e-3)
    assert found["active"][late] == pytest.approx((exact[0] + exact[1])[late], rel=5e-3)
    assert share.max() > 0.1


def test_one_drug_level_kills_hibernating_cells_at_a_multiple() -> None:
    found = course(compose(INNATE), {"hibernation_sensitisation": 8.0, "hibernation_rate": 0.1}, DRUG + AGONIST)
    ratios = found["innate_kill_of_hibernating"] / np.maximum(found["hibernating"], 1e-9)
    plain = found["innate_kill_of_active"] / found["active"]
    first = next(index for index, day in enumerate(DAYS) if day >= 6)
    assert ratios[first] > 5 * plain[first]
    assert found["sensitivity_of_active"].max() > 1.05
    assert (np.diff(found["sensitivity_of_active"][-5:]) < 0).all(), "and fades"


def test_every_option_starts_finite_alone() -> None:
    for where, niche in itertools.product(PLACES, (TISSUE, "inflammation")):
        found = course(compose([*BASE, Hibernation(where=where, niche=niche)]))  # type: ignore[arg-type]
        assert all(np.isfinite(line).all() for line in found.values())
    assert "hibernating" in working_network("hibernation").state_names
