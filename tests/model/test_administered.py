"""What is administered, counted out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from backfire.model import Administered, DosingRule, EventPlan, Intervention, Regimen

AGENTS = {
    "pill": Intervention("pill", "a dose", amount_unit="EC50", adds={"pill": "amount"}, infuses="drip"),
    "pump": Intervention("pump", "on or off", amount_unit="1", switches="pump"),
}
RULES = {
    "weekly": DosingRule("weekly", visit_every=7, stop_below=0.5, resume_above=1.0),
    "dose": DosingRule("dose", visit_every=10, visit_from=5, of="last", raise_above=1.2, by=2, most=4),
}


def test_boluses_infusions_and_what_runs() -> None:
    regimens = [
        Regimen("daily", "pill", start=0, amount=2.0, every=5, count=5, rules=("weekly", "dose")),
        Regimen("drip", "pill", start=1, amount=6.0, every=7, duration=3, count=2),
        Regimen("on", "pump", start=0, amount=1.0, duration=20, rules=("weekly",)),
    ]
    plan = EventPlan(regimens, AGENTS, 30, RULES)
    assert [(visit.time, [*plan.rules][visit.rule]) for visit in plan.visits] == [
        (0, "weekly"), (5, "dose"), (7, "weekly"), (14, "weekly"), (15, "dose"),
    ]  # fmt: skip
    decisions = np.array([1.0, 2.0, 0.0, 1.0, 4.0])
    given = Administered(plan)
    # days 0, 5 (the visit of its own day decides), 10 (off), 15, 20
    assert [(dose.time, dose.amount) for dose in given.doses(0, decisions)] == [(0, 2.0), (5, 4.0), (15, 8.0), (20, 8.0)]
    assert [(dose.time, dose.amount, dose.duration) for dose in given.doses(1, decisions)] == [(1, 6.0, 3), (8, 6.0, 3)]
    ran = [(dose.time, dose.end, dose.continues) for dose in given.doses(2, decisions)]
    assert ran == [(0, 7, False), (14, 20, False)]
    amounts = np.array([[2.0, 6.0, 1.0]] * 2)
    last = np.array([30.0, 9.0])
    amount, doses, days = given.totals("pill", amounts, np.array([decisions] * 2), last)
    assert amount == pytest.approx([22.0 + 12.0, 6.0 + 6.0 + 2.0])
    assert doses.tolist() == [6, 4]
    assert days == pytest.approx([4 + 6, 2 + 3 + 1])
    assert given.totals("pump", amounts, np.array([decisions] * 2), last)[2] == pytest.approx([13.0, 7.0])


def test_an_infusion_at_several_levels_is_one_dose() -> None:
    rules = {"dose": DosingRule("dose", visit_every=1, of="last", raise_above=1.0, by=2, most=8)}
    plan = EventPlan([Regimen("drip", "pill", start=0, amount=6.0, duration=3, rules=("dose",))], AGENTS, 10, rules)
    decisions = np.array([1.0, 2.0, 2.0, 4.0])
    told = [(dose.time, dose.end, dose.amount, dose.continues) for dose in Administered(plan).doses(0, decisions)]
    assert told == [(0, 1, 2.0, False), (1, 3, 8.0, True)]
    amount, doses, days = Administered(plan).totals("pill", np.array([[6.0]]), decisions[None], np.array([10.0]))
    assert (amount[0], doses[0], days[0]) == (pytest.approx(10.0), 1, pytest.approx(3.0))


def test_what_comes_of_no_visit_is_nothing() -> None:
    """After the death of a host nothing is decided, and nothing given."""
    rules = {"dose": DosingRule("dose", visit_every=1, of="last", raise_above=1.0, by=2, most=8)}
    plan = EventPlan([Regimen("pill", "pill", start=0, amount=1.0, every=1, count=4, rules=("dose",))], AGENTS, 10, rules)
    decisions = np.array([1.0, 2.0, np.nan, np.nan])
    assert [dose.amount for dose in Administered(plan).doses(0, decisions)] == [1.0, 2.0]


def test_an_infusion_that_begins_at_the_moment_of_death_is_none_of_any_account() -> None:
    plan = EventPlan([Regimen("drip", "pill", start=5, amount=6.0, duration=3)], AGENTS, 10)
    for died, wanted in ((5.0, [0, 0, 0]), (6.0, [2.0, 1, 1.0]), (8.0, [6.0, 1, 3.0]), (np.inf, [6.0, 1, 3.0])):
        told = Administered(plan).totals("pill", np.array([[6.0]]), np.empty((1, 0)), np.array([died]))
        assert [float(part[0]) for part in told] == pytest.approx(wanted), died


def test_an_infusion_that_no_rule_decides_on_is_not_set_anew_by_it() -> None:
    regimens = [
        Regimen("on", "pump", start=0, amount=1.0, duration=20, rules=("weekly",)),
        Regimen("drip", "pill", start=0, amount=6.0, duration=20),
    ]
    plan = EventPlan(regimens, AGENTS, 30, RULES)
    pointed = {plan.rows[row][1] for visit in plan.visits for row in range(visit.first, visit.last)}
    assert pointed == {"pump"}


def test_what_one_is_given_depends_on_no_neighbour() -> None:
    regimens = [
        Regimen("drip", "pill", start=0.1, amount=0.7, every=0.3, duration=0.1, count=7),
        Regimen("pill", "pill", start=3, amount=0.1),
    ]
    plan = EventPlan(regimens, AGENTS, 10)
    amounts = np.array([[0.7, 0.1]] * 2)
    both = Administered(plan).totals("pill", amounts, np.empty((2, 0)), np.array([np.inf, 1.05]))
    alone = Administered(plan).totals("pill", amounts[:1], np.empty((1, 0)), np.array([np.inf]))
    assert [part[0] for part in both] == [part[0] for part in alone]
    assert both[1].tolist() == [8, 4]
