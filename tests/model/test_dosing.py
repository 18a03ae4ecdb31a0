"""Regimens: every dose arrives, at its moment and no other; what cannot be given is refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.errors import ScheduleError
from backfire.mechanisms.dissemination import Dissemination
from backfire.mechanisms.growth import Growth
from backfire.mechanisms.pharmacology import Pharmacology
from backfire.mechanisms.surgery import Surgery
from backfire.model.components import Intervention, Mechanism, State
from backfire.model.dosing import LARGEST_AMOUNT, MOST_DOSES, Dose, Event, Regimen, event_table
from backfire.model.network import Network, compose
from backfire.scenario.scenario import parse
from backfire.simulation.arms import Result, simulate
from backfire.solvers.reference import METHODS, Settings, Solution
from commands import call
from networks import Built, at, parameter, run, values_of
from small import SMALL_FOR_RUNS

DRUG = compose([Growth(), Pharmacology(("drug", "other"), infused=("drug",)), Surgery()])
"""Agents ``drug`` (infused or not) and ``other`` (bolus only), and surgery."""


def table(regimens: Sequence[Regimen], days: float = 100.0, network: Network = DRUG) -> tuple[Event, ...]:
    return event_table(regimens, network.interventions, values_of(network), days)


def level(regimens: Sequence[Regimen], days: Sequence[float], end: float, method: str = "LSODA") -> tuple[list[float], Solution]:
    """The drug at some days, elimination 1 per day."""
    settings = Settings(method=method, relative=1e-10, absolute=1e-13)
    solution = run(DRUG, [*days, end], {}, table(regimens, end), settings)
    assert solution.status.good, solution.message
    return [at(DRUG, solution, day, "drug") for day in days], solution


# The events of a table.


def test_boluses() -> None:
    events = table([Regimen("r", "drug", start=2, amount=3, every=7, count=3)])
    assert events == tuple(Event(day, "drug", 1.0, 3.0) for day in (2.0, 9.0, 16.0))


def test_doses_of_a_regimen() -> None:
    regimen = Regimen("r", "drug", start=1, amount=3, every=2, count=2, duration=0.5, cycles=2, cycle_length=10)
    assert list(regimen.doses()) == [Dose(day, "drug", 3, 0.5) for day in (1, 3, 11, 13)]
    assert regimen.end == 13.5


def test_coincident_doses_add_up() -> None:
    events = table([Regimen("a", "drug", start=5, amount=3), Regimen("b", "drug", start=5, amount=4)])
    assert events == (Event(5.0, "drug", 1.0, 7.0),)


def test_coincident_doses_of_two_agents_stay_apart() -> None:
    events = table([Regimen("a", "drug", start=5, amount=3), Regimen("b", "other", start=5, amount=4)])
    assert events == (Event(5.0, "drug", 1.0, 3.0), Event(5.0, "other", 1.0, 4.0))


def test_an_infusion_sets_a_rate_and_takes_it_back() -> None:
    events = table([Regimen("r", "drug", start=1, amount=3, duration=2)])
    assert events == (Event(1.0, "drug_infusion", 0.0, 1.5), Event(3.0, "drug_infusion", 0.0, 0.0))


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.floats(0.01, 1e3), st.integers(1, 3)), min_size=1, max_size=5)
)
def test_infusion_rates_return_to_exactly_nothing(given_infusions: list[tuple[int, int, float, int]]) -> None:
    """Overlapping infusions whose edges are tenths of days, so that binary rounding shows."""
    regimens = [
        Regimen(f"r{index}", "drug", start=start / 10, amount=amount, duration=length / 10, every=length / 10 + 0.3, count=count)
        for index, (start, length, amount, count) in enumerate(given_infusions)
    ]
    rows = [event for event in table(regimens) if event.state == "drug_infusion"]
    assert rows[-1].add == 0
    assert all(event.multiply == 0 and event.add >= 0 for event in rows)
    delivered = math.fsum(event.add * (after.time - event.time) for event, after in pairwise(rows))
    assert delivered == pytest.approx(math.fsum(amount * count for _, _, amount, count in given_infusions), rel=1e-9)


def test_surgery_multiplies() -> None:
    events = table([Regimen("cut", "surgery", start=30)])
    assert [(event.time, event.state, event.add) for event in events] == [(30.0, "active", 0.0)]
    assert events[0].multiply == DRUG.parameters["surgical_residue"].value


def test_factors_come_before_additions() -> None:
    """Whatever the order of the regimens: halve, then add."""
    extra = Built(
        (
            parameter("half", 0.5),
            Intervention("wash", "for a test", multiplies={"drug": "half"}),
        )
    )
    network = compose([Pharmacology(("drug",)), extra])
    regimens = [Regimen("a", "drug", start=5, amount=3), Regimen("b", "wash", start=5), Regimen("c", "wash", start=5)]
    wanted = (Event(5.0, "drug", 0.25, 3.0),)
    assert table(regimens, network=network) == wanted
    assert table(regimens[::-1], network=network) == wanted


@given(st.permutations([("a", 0.1), ("b", 0.2), ("c", 0.3), ("d", 1e9)]))
def test_the_order_of_regimens_changes_nothing(order: list[tuple[str, float]]) -> None:
    def regimens(pairs: Sequence[tuple[str, float]]) -> list[Regimen]:
        return [Regimen(name, "drug", start=3, amount=amount, every=2, count=3) for name, amount in pairs]

    assert table(regimens(order)) == table(regimens(sorted(order)))


# Through the solver.


@pytest.mark.parametrize("method", METHODS)
def test_a_dose_on_the_first_day(method: str) -> None:
    (first, later), solution = level([Regimen("r", "drug", start=0, amount=3)], [0, 2], 5, method)
    assert first == 3
    assert later == pytest.approx(3 * math.exp(-2), rel=1e-8)
    assert solution.times[0] == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_dose_on_the_last_day(method: str) -> None:
    regimens = [Regimen("a", "drug", start=0, amount=2), Regimen("b", "drug", start=5, amount=3)]
    (final,), solution = level(regimens, [5], 5, method)
    assert solution.times[-2:] == [math.nextafter(5, 0), 5.0]
    before = solution.states[-2][DRUG.state_names.index("drug")]
    assert before == pytest.approx(2 * math.exp(-5), rel=1e-7)
    assert final == before + 3


@pytest.mark.parametrize("method", METHODS)
def test_a_dose_at_a_recorded_day(method: str) -> None:
    (value, later), _ = level([Regimen("r", "drug", start=2, amount=3)], [2, 4], 5, method)
    assert value == 3
    assert later == pytest.approx(3 * math.exp(-2), rel=1e-8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gap", [1e-9, 1e-12, 1e-6])
def test_doses_a_moment_apart_are_both_given(method: str, gap: float) -> None:
    regimens = [Regimen("a", "drug", start=2, amount=3), Regimen("b", "drug", start=2 + gap, amount=4)]
    (value,), solution = level(regimens, [4], 5, method)
    assert value == pytest.approx(3 * math.exp(-2) + 4 * math.exp(-2 + gap), rel=2e-8)
    assert (np.diff(solution.times) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_doses_at_neighbouring_doubles(method: str) -> None:
    """The closest that two moments can be; tenths of days give such pairs: 0.1 + 0.2 and 0.3."""
    regimens = [Regimen("a", "drug", start=0.1 + 0.2, amount=3), Regimen("b", "drug", start=0.3, amount=4)]
    assert 0.1 + 0.2 != 0.3
    (value,), solution = level(regimens, [2], 3, method)
    assert value == pytest.approx(7 * math.exp(-1.7), rel=1e-8)
    assert (np.diff(solution.times) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_short_infusions_are_not_missed(method: str) -> None:
    """Rate 10 on [7 i, 7 i + 0.05] for i = 3 … 8 and elimination 0.5, after a quiet start: adaptive steps would leap over."""
    network = compose([Pharmacology(("drug",), infused=("drug",))])
    changes = {"drug_elimination_rate": 0.5}
    regimen = Regimen("r", "drug", start=21, amount=0.5, every=7, count=6, duration=0.05)
    events = event_table([regimen], network.interventions, values_of(network, changes), 70)
    settings = Settings(method=method, relative=1e-11, absolute=1e-13)
    solution = run(network, np.arange(0, 70.5, 0.5).tolist(), changes, events, settings)
    column = network.state_names.index("drug")
    largest = max(float(state[column]) for state in solution.states)
    assert largest == pytest.approx(0.5091775899733975, rel=1e-8)
    assert solution.states[-1][network.state_names.index("drug_infusion")] == 0


def test_infusions_end_with_the_simulation() -> None:
    (value,), solution = level([Regimen("r", "drug", start=3, amount=4, duration=2)], [5], 5)
    assert value == pytest.approx(2 * (1 - math.exp(-2)), rel=1e-8)
    assert solution.states[-1][DRUG.state_names.index("drug_infusion")] == 0


def test_back_to_back_infusions_are_one_long_one() -> None:
    regimens = [Regimen("r", "drug", start=0.1, amount=0.3, every=0.1, duration=0.1, count=40)]
    (value,), _ = level(regimens, [4.1], 5)
    assert value == pytest.approx(3 * (1 - math.exp(-4)), rel=1e-8)


def test_surgery_leaves_the_residue() -> None:
    network = compose([Growth(law="exponential"), Surgery()])
    changes = {"starting_cells": 1e8, "growth_rate": 0.1, "surgical_residue": 1e-3}
    events = event_table([Regimen("cut", "surgery", start=10)], network.interventions, values_of(network, changes), 20)
    solution = run(network, [10, 20], changes, events)
    assert at(network, solution, 10, "active") == pytest.approx(1e5 * math.exp(1), rel=1e-8)
    assert at(network, solution, 20, "active") == pytest.approx(1e5 * math.exp(2), rel=1e-8)


def test_surgery_that_leaves_less_than_a_cell_leaves_nothing() -> None:
    network = compose([Growth(law="exponential"), Surgery()])
    changes = {"starting_cells": 1e6, "growth_rate": 0.1, "surgical_residue": 1e-9}
    events = event_table([Regimen("cut", "surgery", start=10)], network.interventions, values_of(network, changes), 300)
    solution = run(network, [10, 300], changes, events)
    assert at(network, solution, 10, "active") == 0
    assert at(network, solution, 300, "active") == 0


@given(
    st.permutations(["hibernating", "resistant", "stem", "quiescent", "surgery", "growth", "dissemination"]),
    st.integers(0, 4),
    st.sampled_from([1.0, 0.25, 1e-3]),
)
def test_surgery_takes_the_same_share_of_all_local_cells_whoever_brings_them(
    order: list[str], left_out: int, share: float
) -> None:
    pieces: dict[str, Mechanism] = {"surgery": Surgery(), "growth": Growth(law="exponential"), "dissemination": Dissemination()}
    clones = sorted({*order} - {*pieces})[left_out:]
    pieces |= {name: Built((State(name, "cell", "a clone", 1e4, counts_in="burden"),)) for name in clones}
    network = compose({name: pieces[name] for name in order if name in pieces})
    assert network.fingerprint() == compose(pieces).fingerprint()
    changes = {"surgical_residue": share}
    events = event_table([Regimen("cut", "surgery", start=10)], network.interventions, values_of(network, changes), 20)
    assert {event.state for event in events} == {"active", *clones}
    solution = run(network, [9.999999999, 10, 20], changes, events)
    for name in network.state_names:
        left = 1.0 if name == "metastases" else share
        assert at(network, solution, 10, name) == pytest.approx(left * at(network, solution, 9.999999999, name), rel=1e-6), name


def test_surgery_leaves_no_hibernating_cells_unless_it_is_told_to() -> None:
    text = SMALL_FOR_RUNS.replace(
        "[regimens]", 'hibernation = { driven_by = ["drug"] }\nsurgery = {}\n[regimens]\nsurgery = { start = 26 }'
    )
    text += 'both = ["drug", "surgery"]\n'
    after = simulate(parse(text)).trajectories["both"]
    assert after["hibernating"].max() > 1e3
    assert after["burden"][after.times >= 26].max() == 0
    told = simulate(parse(text.replace("surgery = {}", 'surgery = { of = ["active"] }'))).trajectories["both"]
    assert told["burden"][told.times >= 26].min() > 1


# What cannot be given.

GOOD: dict[str, Any] = {"name": "r", "agent": "drug", "start": 1.0, "amount": 2.0, "every": 7.0, "count": 3}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": -1}, "`start` is -1"),
        ({"start": math.nan}, "`start` is nan"),
        ({"start": math.inf}, "`start` is inf"),
        ({"amount": -2}, "`amount` is -2"),
        ({"amount": math.nan}, "`amount` is nan"),
        ({"every": 0}, "need `every`"),
        ({"every": -7}, "`every` is -7"),
        ({"count": 0}, "at least 1"),
        ({"cycles": 0}, "at least 1"),
        ({"count": MOST_DOSES + 1}, "more than the 10000 allowed"),
        ({"count": 200, "cycles": 200, "cycle_length": 2000}, "more than the 10000 allowed"),
        ({"duration": 8}, "overlaps the next one, 7 days later"),
        ({"duration": -1}, "`duration` is -1"),
        ({"cycles": 2}, "need `cycle_length`"),
        ({"cycles": 2, "cycle_length": 14}, "a cycle of 14 days overlaps"),
        ({"cycles": 2, "cycle_length": 10}, "a cycle of 14 days overlaps"),
        ({"cycles": 2, "cycle_length": 15, "duration": 2}, "a cycle of 16 days overlaps"),
        ({"start": 86.5}, "the last dose ends on day 100.5, after the end"),
        ({"start": 85.5, "duration": 1}, "the last dose ends on day 100.5, after the end"),
        ({"start": 101, "count": 1}, "after the end of the simulation on day 100"),
        ({"cycles": 5, "cycle_length": 28}, "after the end"),
        ({"agent": "drgu"}, "did you mean `drug`"),
        ({"agent": "active"}, "unknown agent `active`"),
        ({"agent": "other", "duration": 1}, "cannot be infused"),
        ({"agent": "surgery"}, "takes no `amount`"),
        ({"agent": "surgery", "amount": 0, "duration": 1}, "cannot be infused"),
    ],
)
def test_contradictory_schedules_are_refused(changes: dict[str, Any], words: str) -> None:
    assert table([Regimen(**GOOD)])
    with pytest.raises(ScheduleError, match=words.replace("(", r"\(")):
        table([Regimen(**(GOOD | changes))])


def test_the_very_last_moment_is_allowed() -> None:
    assert table([Regimen(**(GOOD | {"start": 86}))])[-1].time == 100
    assert table([Regimen(**(GOOD | {"start": 85, "duration": 1}))])[-1].time == 100


def test_regimens_are_values() -> None:
    regimen = Regimen(**GOOD)
    assert regimen == Regimen(**GOOD)
    with pytest.raises(dataclasses.FrozenInstanceError):
        regimen.amount = 3  # type: ignore[misc]


# What cannot be meant, as commands and Python refuse it.


def test_infusions_shorter_than_the_clock_can_tell_are_refused(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for duration in ("9.9e-7", "1e-9", "1e-300"):
        assert call("run", small, "--out", tmp_path / "out", "--set", f"drug.duration={duration}") == 2
        assert "is a bolus; leave out `duration`" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def burden_on(result: Result, days: range) -> list[float]:
    trajectory = result.trajectories["monotherapy"]
    return [float(trajectory["burden"][np.flatnonzero(trajectory.times == day)[0]]) for day in days]


@pytest.mark.parametrize("duration", [1e-6, 1e-5])
def test_the_shortest_infusions_act_like_a_bolus(duration: float) -> None:
    scenario = parse(SMALL_FOR_RUNS)
    bolus, infused = simulate(scenario), simulate(scenario.changed({"drug.duration": duration}))
    assert infused.ok
    assert burden_on(infused, range(11, 41)) == pytest.approx(burden_on(bolus, range(11, 41)), rel=1e-4)
    assert infused.outcomes["monotherapy"]["nadir"].value == pytest.approx(bolus.outcomes["monotherapy"]["nadir"].value, rel=1e-4)


def test_amounts_beyond_every_dose_are_refused(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert LARGEST_AMOUNT == 1e12
    for amount in ("1.0001e12", "1e300"):
        assert call("run", small, "--out", tmp_path / "out", "--set", f"drug.amount={amount}") == 2
        assert "is no dose" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert call("check", small) == 0
    small.write_text(SMALL_FOR_RUNS.replace("4.0", "1e12"), encoding="utf-8")
    assert call("check", small) == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("every = 7", "`every` says how far apart, but neither `count`"),
        ("cycle_length = 21", "`cycle_length` says how far apart, but neither `cycles`"),
        ("every = 7, count = 2, cycle_length = 21", "`cycle_length` says how far apart, but neither `cycles`"),
    ],
)
def test_gaps_without_a_number_of_doses_are_refused(
    given: str, words: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.write_text(SMALL_FOR_RUNS.replace("every = 7, count = 3", given), encoding="utf-8")
    assert call("check", small) == 2
    assert words in capsys.readouterr().err


def test_regimens_of_ones_own_have_the_same_limits() -> None:
    with pytest.raises(ScheduleError, match="is a bolus"):
        Regimen("r", "drug", start=1.0, amount=1.0, duration=1e-7)
    with pytest.raises(ScheduleError, match="is no dose"):
        Regimen("r", "drug", start=1.0, amount=2e12)
