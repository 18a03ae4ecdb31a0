"""The batch solver against closed forms, the IVP test set, and itself: order, tolerance, events, extinction, faults, bits.

Digits are those of ``test_reference``. MEDAKZO is left out: the kernel of its 400 states is a single function of some
twenty thousand straight lines, which takes minutes to compile, and no model of a tumour is of that kind.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from backfire.errors import UserError
from backfire.model.dosing import Event
from backfire.model.network import Network
from backfire.solvers.batch import solve as batch
from backfire.solvers.batch.arrays import Workspace
from backfire.solvers.batch.jit import LANES
from backfire.solvers.batch.solve import BatchSettings, record
from backfire.solvers.reference import METHODS, InitialValueProblem, Settings, Solution, solve
from backfire.solvers.trajectory import Floats, Status
from networks import codegen, ivp, start_of, values_of
from systems import CLOSED, STIFF, Case, closed, courses, lanes, members, on, polluted, stiff

PILLS = [Event(day, "gut", 1.0, 5.0) for day in (0.0, 24.0, 48.0, 72.0, 96.0)]
DRIPS = [item for day in (0.0, 24.0, 48.0) for item in (Event(day, "flow", 0.0, 2.5), Event(day + 2, "flow", 0.0, 0.0))]
PRESSES = [
    item for day in (0.0, 40.0, 80.0) for item in (Event(day, "pressure", 0.0, 0.1), Event(day + 20, "pressure", 0.0, 0.0))
]
SHORT = [
    item
    for day in (21.0, 28.0, 35.0, 42.0, 49.0, 56.0)
    for item in (Event(day, "flow", 0.0, 10.0), Event(day + 0.05, "flow", 0.0, 0.0))
]
MISSED = Case({"on_infusion": 1.0, "clearance": 0.5}, days=(0.0, 60.0), events=SHORT)
"""Infusions of 72 minutes a week after a quiet start: solvers that do not stop at doses step over all six."""
EXACT: list[tuple[Case, float, str, float]] = [
    (on("logistic", 200), 200, "logistic_n", 287664368.67571698853),
    (on("gompertz", 200), 200, "gompertz_n", 881156569.2181788869),
    (on("linear", 30), 30, "linear_n", 311505721.34153649307),
    (on("emax", 30), 30, "emax_n", 61389382.225063570631),
    (on("oral", 120, *PILLS), 100, "blood", 3.9937604753077528522),
    (on("oral", 120, *PILLS), 120, "blood", 0.55426755032167804568),
    (on("infusion", 60, *DRIPS), 49, "level", 2.8746280273429210492),
    (on("infusion", 60, *DRIPS), 50, "level", 4.9801355511757831505),
    (on("saturable", 12), 12, "saturable_c", 0.13876809754592268736),
    (on("clones", 100), 100, "sensitive", 45399.929762484851536),
    (on("clones", 100), 100, "resistant", 395446.27666913211386),
    (on("switching", 100), 100, "x", 41273885.076693804902),
    (on("switching", 100), 100, "y", 3055833266.109568751),
    (on("pressed", 120, *PRESSES), 120, "pressed_n", 8347318.5989676245833),
    (on("prey", 10), 10, "prey", 1.0263447675750893191),
    (on("prey", 10), 10, "hunter", 0.90969107813604161755),
    (on("lines", 50), 50, "p", 4.6761412171318559725e-6 ** (1 / 20)),
    (MISSED, 56.05, "level", 0.5091775899733975),
    (on("wheel", 10), 10, "cosine", math.cos(10)),
]
"""Member, day, state, and what it must be."""


def demanding(tolerance: float) -> BatchSettings:
    return BatchSettings(relative=tolerance, cells=1e-6, absolute=min(1e-9, 1e-3 * tolerance))


def single(case: Case, days: list[float], settings: BatchSettings | None = None) -> tuple[dict[str, Floats], Status]:
    """(state → (days,), status) of one member of the closed systems."""
    found, ends = courses(closed(), [case], days, settings)
    return {name: column[0] for name, column in found.items()}, Status(ends.status[0])


def by_reference(case: Case, days: list[float], settings: Settings) -> Solution:
    """The same member with the reference solver, at the given days, the first day first."""
    network = closed()
    numbers = members(network, [case])
    values = values_of(network, case.changes)
    start = dict(zip(network.state_names, start_of(network, values), strict=True)) | dict(case.start)
    kin = {owner: frozenset(np.flatnonzero(row).tolist()) for owner, row in enumerate(numbers.feeds)}
    return solve(
        InitialValueProblem(
            code=codegen.generate(network), state_names=network.state_names, start=np.array([*start.values()]),
            constants=numbers.constants[0], events=sorted(case.events), record=np.array(days),
            cells=numbers.cells.tolist(), amounts=numbers.amounts.tolist(), feeds=kin,
        ),
        settings,
    )  # fmt: skip


def seen(solution: Solution, name: str, days: list[float]) -> list[float]:
    """One state of the reference solver at recorded days."""
    place = closed().state_names.index(name)
    return [float(solution.states[solution.times.index(day)][place]) for day in days]


# Right numbers.


@pytest.mark.parametrize("decade", [6, 8, 10])
def test_closed_forms(decade: int) -> None:
    """Errors add up over some hundred steps, and where small things are left of large ones they weigh ten times more."""
    days = sorted({day for _, day, _, _ in EXACT})
    found, ends = courses(closed(), [case for case, *_ in EXACT], days, demanding(10.0**-decade))
    assert (ends.status == Status.OK).all()
    for row, (_, day, name, exactly) in enumerate(EXACT):
        assert found[name][row, days.index(day)] == pytest.approx(exactly, rel=30 * 10.0**-decade, abs=0), name


WANTED = {
    "hires": [
        0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2,
        0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2,
    ],
    "robertson": [0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050],
    "oregonator": [0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3],
    "sharp": [0.1706167732170469e1, -0.8928097010247975],
    "slow": [0.1706167732170469e1, -0.8928097010248125e-3],
    "pollution": [
        0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2, 0.2018977262302196e-6,
        0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018, 0.7494013383880406e-2, 0.1622293157301561e-7,
        0.1135863833257075e-7, 0.2230505975721359e-2, 0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2,
        0.4352846369330103e-17, 0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4,
    ],
}  # fmt: skip
"""Where the problems of the test set end."""
ENDS = {"hires": 321.8122, "robertson": 1e11, "oregonator": 360.0, "sharp": 2.0, "slow": 2000.0, "pollution": 60.0}


def check_the_test_set(network: Network, chosen: list[str], decade: int) -> None:
    """All components at the end, from 1e3 to 1e-17, side by side in one batch, no worse than the tolerance asked for."""
    settings, days = BatchSettings(relative=10.0**-decade, absolute=1e-22), sorted(ENDS[name] for name in chosen)
    found, ends = courses(network, [on(name, ENDS[name]) for name in chosen], days, settings)
    assert (ends.status == Status.OK).all()
    for row, name in enumerate(chosen):
        reached = [found[state][row, days.index(ENDS[name])] for state in STIFF[name]]
        assert reached == pytest.approx(WANTED[name], rel=10.0**-decade, abs=0), name


@pytest.mark.parametrize("decade", [4, 6, 8])
def test_the_test_set(decade: int) -> None:
    check_the_test_set(stiff(), [name for name in ENDS if name != "pollution"], decade)


@pytest.mark.slow
@pytest.mark.parametrize("decade", [4, 6, 8])
def test_pollution(decade: int) -> None:
    check_the_test_set(polluted(), ["pollution"], decade)


def test_robertson_on_the_way() -> None:
    wanted = {
        40: (0.71582706871941, 9.1855347645578e-06), 400: (0.45051866847110, 3.2229014416746e-06),
        4e5: (4.93827452098e-3, 1.98499408795443e-08), 4e10: (5.20834517680e-08, 2.08333817793e-13),
    }  # fmt: skip
    found, _ = courses(stiff(), [on("robertson", 1e11)], [*wanted], BatchSettings(relative=1e-8, absolute=1e-22))
    reached = np.array([found["b1"][0], found["b2"][0]]).T
    assert reached == pytest.approx(np.array([*wanted.values()]), rel=1e-7, abs=0)
    assert found["b1"] + found["b2"] + found["b3"] == pytest.approx(1, rel=1e-14)


def test_e5_finishes() -> None:
    """Beyond double precision. y2 = y3 + y4 holds to 1e-19; the last digits at 1e13, of what has fallen by 1e-13 of its
    peak, are rounding in W (whose entries are h·1e9), which Newton's method corrects and a Rosenbrock method cannot."""
    found, ends = courses(stiff(), [on("e5", 1e13)], [1e9, 1e13], BatchSettings(relative=1e-8, absolute=1e-26))
    assert ends.status[0] == Status.OK
    first, second, third, fourth = (found[f"e{number}"][0] for number in range(1, 5))
    assert (first[0], second[0], third[0], fourth[0]) == pytest.approx(
        (3.13171483e-14, 1.48409579e-16, 1.48409579e-16, 4.52437283e-26), rel=1e-4, abs=0
    )
    assert (np.abs(second - third - fourth) < 1e-19).all()


# Order and tolerance.

PACES = np.array([8, 16, 32, 64])


def marching(system: str, end: float, pieces: int) -> Case:
    """Events that change nothing, at equal distances: with a loose tolerance there is one step from each to the next."""
    idle = [Event(end * at / pieces, next(iter(CLOSED[system])), 1.0, 0.0) for at in range(1, pieces)]
    return on(system, end, *idle)


def slope(errors: list[float], sizes: Floats) -> float:
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


@pytest.mark.parametrize(("system", "state", "end"), [("prey", "prey", 2.0), ("emax", "emax_n", 8.0)])
def test_the_method_is_of_order_five(system: str, state: str, end: float) -> None:
    fine = by_reference(on(system, end), [0.0, end], Settings(method="DOP853", relative=1e-13, absolute=1e-15))
    exactly = float(fine.states[-1][closed().state_names.index(state)])
    loose = BatchSettings(relative=1e-3, absolute=9e8)
    found, ends = courses(closed(), [marching(system, end, pieces) for pieces in PACES], [end], loose)
    assert ends.steps.tolist() == PACES.tolist()
    assert 4.7 <= slope(np.abs(found[state][:, 0] - exactly).tolist(), 1 / PACES) <= 5.6


def test_the_dense_output_is_of_order_four() -> None:
    """Within one step from an exact start the error of order four is of the fifth power of the step; the end is better."""
    sizes = np.array([0.8, 0.4, 0.2, 0.1])
    loose = BatchSettings(relative=1e-3, absolute=9e8)
    inside, after = [], []
    for size in sizes:
        found, ends = courses(closed(), [on("wheel", size)], [0.3 * size, 0.7 * size, size], loose)
        assert ends.steps[0] == 1
        wrong = np.abs(found["cosine"][0] - np.cos(np.array([0.3, 0.7, 1.0]) * size))
        inside.append(float(wrong[:2].max()))
        after.append(float(wrong[2]))
    assert 4.6 <= slope(inside, sizes) <= 6.2
    assert slope(after, sizes) >= 5.6


def test_infinitely_stiff_parts_are_gone_after_one_step() -> None:
    """L-stable: what decays at 1e9 a day does not swing."""
    loose = BatchSettings(relative=1e-3, absolute=9e8)
    found, _ = courses(closed(), [Case({"on_infusion": 1.0, "clearance": 1e9}, {"level": 1.0}, (0, 1))], [1.0], loose)
    assert abs(found["level"][0, 0]) < 1e-7


SWEPT: dict[str, Case] = {
    "logistic": on("logistic", 200), "gompertz": on("gompertz", 200), "linear": on("linear", 30), "emax": on("emax", 30),
    "oral": on("oral", 120, *PILLS), "infusion": on("infusion", 60, *DRIPS), "saturable": on("saturable", 12),
    "clones": on("clones", 100), "switching": on("switching", 100), "pressed": on("pressed", 120, *PRESSES),
    "prey": on("prey", 10), "lines": on("lines", 50),
}  # fmt: skip


def check_the_errors(system: str, errors: list[float], decades: range, most: float) -> None:
    """They fall with the tolerance, about as fast, never rise, and are at most so many times as large."""
    steepness = -np.polyfit(decades, np.log10(errors), 1)[0]
    assert 0.7 <= steepness <= 1.3, (system, steepness, errors)
    assert all(later < earlier for earlier, later in pairwise(errors)), (system, errors)
    assert all(error <= most * 10.0**-decade for error, decade in zip(errors, decades, strict=True)), (system, errors)


def furthest(system: str, states: Floats, exactly: Floats) -> float:
    """The largest error of all states of a system over time, relative to the peak of each."""
    moving = [closed().state_names.index(name) for name in CLOSED[system]]
    return float((np.abs(states - exactly)[:, moving] / np.abs(exactly[:, moving]).max(axis=0)).max())


def test_the_error_follows_the_tolerance() -> None:
    """Against the reference at 1e-12, down to where its own error shows."""
    decades = range(4, 11)
    for system, case in SWEPT.items():
        days = np.linspace(0, case.days[1], 61).tolist()
        solution = by_reference(case, days, Settings(relative=1e-12, cells=1e-9, absolute=1e-15))
        exactly = np.array([solution.states[solution.times.index(day)] for day in days])
        errors = []
        for decade in decades:
            out, _ = record(lanes(closed()), members(closed(), [case]), np.array(days), demanding(10.0**-decade))
            errors.append(furthest(system, out[0], exactly))
        check_the_errors(system, errors, decades, most=30)


SLOW = {"BDF": pytest.mark.slow, "DOP853": pytest.mark.slow, "Radau": pytest.mark.thorough}


@pytest.mark.parametrize("method", [pytest.param(name, marks=SLOW.get(name, ())) for name in METHODS])
def test_the_error_of_the_reference_follows_the_tolerance(method: str) -> None:
    """The other way round, against the batch solver at 1e-12. BDF is of low order: its errors add up, over too many steps
    to go below 1e-8."""
    decades = range(4, 9 if method == "BDF" else 11, 2)
    for system, case in SWEPT.items():
        days = np.linspace(0, case.days[1], 61).tolist()
        out, _ = record(lanes(closed()), members(closed(), [case]), np.array(days), demanding(1e-12))
        errors = []
        for decade in decades:
            tolerance = 10.0**-decade
            solution = by_reference(case, days, Settings(method, relative=tolerance, absolute=min(1e-9, 1e-3 * tolerance)))
            states = np.array([solution.states[solution.times.index(day)] for day in days])
            errors.append(furthest(system, states, out[0]))
        check_the_errors(system, errors, decades, most=300)


@pytest.mark.parametrize("factor", [2.0**-30, 2.0**30, 1e-9, 1e9])
def test_other_units_change_nothing(factor: float) -> None:
    """A linear system in units a billion times smaller or larger; by a power of two, every bit stays."""
    days = [0.0, 30.0, 100.0]
    plain, _ = courses(closed(), [on("switching", 100)], days, BatchSettings(absolute=1e-3))
    scaled, _ = courses(
        closed(), [on("switching", 100, x=1e9 * factor, y=100 * factor)], days, BatchSettings(absolute=1e-3 * factor)
    )
    for name in ("x", "y"):
        assert scaled[name] / factor == pytest.approx(plain[name], rel=1e-5)
        if math.frexp(factor)[0] == 0.5:
            assert (scaled[name] / factor).tobytes() == plain[name].tobytes()


@pytest.mark.parametrize(
    "wrong",
    [{"relative": 0}, {"cells": -1}, {"absolute": math.nan}, {"most_steps": 0}, {"most_steps": 1500.0}, {"relative": math.inf}],
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        BatchSettings(**wrong)  # type: ignore[arg-type]


# Events.


def test_a_dose_on_the_first_day_the_last_day_and_twice_at_once() -> None:
    """Two at once add up; on the last day it counts; a day that is asked for shows the value after its dose."""
    doses = [Event(day, "drug", 1.0, amount) for day, amount in ((0.0, 1.0), (0.0, 2.0), (3.0, 4.0), (5.0, 8.0))]
    case, days = Case({"loss": 1.0}, days=(0, 5), events=doses), [0.0, 3.0, 5.0]
    found, status = single(case, days, demanding(1e-10))
    reference = by_reference(case, days, Settings(relative=1e-11))
    assert (status, reference.status) == (Status.OK, Status.OK)
    exactly = [3, 3 * math.exp(-3) + 4, 3 * math.exp(-5) + 4 * math.exp(-2) + 8]
    assert found["drug"] == pytest.approx(exactly, rel=1e-9)
    assert seen(reference, "drug", days) == pytest.approx(exactly, rel=1e-9)


@pytest.mark.parametrize("gap", [1e-9, 1e-12, math.ulp(2.0)])
def test_doses_next_to_each_other(gap: float) -> None:
    doses = [Event(2.0, "drug", 1.0, 1.0), Event(2.0 + gap, "drug", 1.0, 1.0)]
    case, days = Case({"loss": 1.0}, days=(0, 5), events=doses), [2.0, 2.0 + gap, 5.0]
    found, status = single(case, days, demanding(1e-10))
    reference = by_reference(case, days, Settings(relative=1e-11))
    assert (status, reference.status) == (Status.OK, Status.OK)
    exactly = [1, 1 + math.exp(-gap), math.exp(-3) * (1 + math.exp(gap))]
    assert found["drug"] == pytest.approx(exactly, rel=1e-10)
    assert seen(reference, "drug", days) == pytest.approx(exactly, rel=1e-10)


def test_short_infusions_after_a_quiet_start_are_given() -> None:
    found, _ = single(MISSED, [20.9, 56.05])
    assert found["level"] == pytest.approx([0, 0.5091775899733975], rel=1e-6)


@pytest.mark.parametrize("clearance", [1.0, 50.0, 3_000.0, 1e6])
def test_a_fast_drug_after_doses_of_a_slow_one_is_not_stepped_over(clearance: float) -> None:
    """The first step after a dose is as long as was right after the dose before: of a drug that stays for months, and then of one
    that is gone in hours or seconds, and kills meanwhile."""
    network = ivp(
        {"slow": "-0.01 * slow", "fast": "-spare * fast", "left": "-spare * hill(fast, 0.1, 4) * left"}, [1.0, 0.0, 1.0]
    )
    slow = [Event(day, "slow", 1.0, 1.0) for day in range(10, 100, 10)]
    fast = [Event(day, "fast", 1.0, 0.5) for day in (35.0, 62.0, 90.0)]
    case = Case({"spare": clearance}, days=(0.0, 130.0), events=sorted([*slow, *fast], key=lambda event: event.time))
    out, ends = record(lanes(network), members(network, [case] * 3), np.array([34.0, 60.0, 130.0]))
    assert ends.status.tolist() == [Status.OK] * 3
    once = (1 + 5.0**4) ** -0.25  # of a drug that falls from 0.5, five times its half effect
    assert out[0, :, 2] == pytest.approx([1.0, once, once**3], rel=1e-5)


def test_an_event_may_set_a_plain_number_to_anything() -> None:
    """Also to the number by which the solver knows an emptied compartment."""
    for value in (-1.0, -2.0, 0.0):
        found, _ = single(Case(days=(0, 2), events=[Event(1.0, "x", 0.0, value)]), [1.0, 2.0])
        assert found["x"].tolist() == [value, value]


def test_the_last_day_may_be_the_first() -> None:
    found, status = single(Case(days=(3, 3), events=[Event(3.0, "drug", 1.0, 2.0)]), [3.0])
    assert (found["drug"].tolist(), status) == ([2.0], Status.OK)


# Extinction.


def test_extinction_at_one_cell() -> None:
    moment = math.log(1e3)
    found, status = single(
        Case({"death": 1.0}, {"one": 1e3}, (0, 20)), [6.0, moment - 1e-6, moment + 1e-6, 20.0], demanding(1e-8)
    )
    assert status is Status.OK
    assert found["one"] == pytest.approx([1e3 * math.exp(-6), math.exp(1e-6), 0, 0], rel=1e-7)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-12])
def test_nothing_regrows_from_less_than_a_cell(tolerance: float) -> None:
    """1e12 cells killed at a net rate of 1 for 80 days, then growing at 0.5 for 200: e^-80 of them is no cell."""
    poison = [Event(0.0, "poison", 0.0, 1.5), Event(80.0, "poison", 0.0, 0.0)]
    case = Case({"growth": 0.5}, {"one": 1e12}, (0.0, 280.0), poison)
    found, _ = single(case, [27.0, 28.0, 280.0], BatchSettings(relative=1e-8, cells=tolerance))
    assert found["one"][0] == pytest.approx(1e12 * math.exp(-27), rel=max(1e-6, tolerance))
    assert found["one"][1:].tolist() == [0, 0]
    saved = Case({"growth": 0.5}, {"one": 1e12}, (0.0, 280.0), [poison[0], Event(27.0, "poison", 0.0, 0.0)])
    found, _ = single(saved, [67.0], BatchSettings(relative=1e-8, cells=tolerance))
    assert found["one"][0] == pytest.approx(1e12 * math.exp(-27 + 20), rel=max(1e-6, tolerance))


def test_two_compartments_die_in_turn_as_the_reference_says() -> None:
    case = Case({"death": 1.0}, {"one": 1e2, "two": 1.1e2}, (0, 10))
    days = [0.0, 4.6, 4.65, 4.8, 10.0]
    found, _ = single(case, days, demanding(1e-8))
    wanted = by_reference(case, days, Settings())
    for name in ("one", "two"):
        assert found[name] == pytest.approx(seen(wanted, name, days), rel=1e-6)


def test_two_compartments_die_at_the_same_moment() -> None:
    """Twins: neither may live on as less than a cell, from which a tumour could grow again."""
    found, _ = single(Case({"death": 1.0}, {"one": 1e2, "two": 1e2}, (0, 10)), [4.0, 5.0, 10.0])
    assert found["one"].tolist()[1:] == [0, 0]
    assert found["two"].tolist()[1:] == [0, 0]


def test_fragments_go_with_the_cells_that_fed_them() -> None:
    """50 cells that die at 1 and pass on at 1e-4: what they fed is less than a cell, and goes with them."""
    case = Case({"death": 1.0, "passing": 1e-4}, {"one": 50.0}, (0, 10))
    found, _ = single(case, [3.0, 10.0])
    assert found["fed"][0] == pytest.approx(50e-4 * (1 - math.exp(-3)), rel=1e-3)
    assert (found["one"][1], found["fed"][1]) == (0, 0)
    many, _ = single(Case({"death": 1.0, "passing": 0.1}, {"one": 50.0}, (0, 10)), [10.0])
    assert many["fed"][0] == pytest.approx((50 - 1) * 0.1 / 1.1, rel=1e-5)


@pytest.mark.parametrize(("share", "left"), [(0.005, 0.0), (0.02, 2.0)])
def test_surgery_that_leaves_less_than_a_cell_leaves_none(share: float, left: float) -> None:
    found, _ = single(Case(start={"one": 100.0}, days=(0, 5), events=[Event(2.0, "one", share, 0.0)]), [1.9, 2.0, 5.0])
    assert found["one"] == pytest.approx([100, left, left])


def test_influx_seeds_an_empty_compartment_anew() -> None:
    found, _ = single(Case({"growth": 1.0, "arrival": 1.0}, days=(0, 5)), [5.0], demanding(1e-8))
    assert found["one"] == pytest.approx([math.expm1(5)], rel=1e-6)


@pytest.mark.parametrize("death", [1.0, 50.0, 1e4])
def test_strong_kill_never_shows_negative_cells(death: float) -> None:
    days = np.linspace(0.001, 10, 200).tolist()
    found, status = single(Case({"death": death}, {"one": 1e9, "two": 1e9 + 7}, (0, 10)), days)
    assert status is Status.OK
    assert (found["one"] >= 0).all()
    assert (found["two"] >= 0).all()


RATE = st.floats(-3, 4).map(lambda power: 10.0**power)
"""From a thousandth to ten thousand a day."""
RATES = ("death", "growth", "passing", "loss", "potency", "secretion")
DOSE = st.tuples(st.floats(0, 10), st.sampled_from(["drug", "drug", "factor", "poison"]), st.floats(-12, 9))
HURT = st.tuples(st.fixed_dictionaries(dict.fromkeys(RATES, RATE)), st.lists(DOSE, min_size=1, max_size=4))


@settings(max_examples=20, phases=[Phase.generate])
@given(st.lists(HURT, min_size=2, max_size=6), st.integers(3, 10), st.integers(3, 9))
def test_nothing_is_below_zero(
    hurt: list[tuple[dict[str, float], list[tuple[float, str, float]]]], decade: int, finer: int
) -> None:
    """Whatever rates, doses and tolerances: cells never, drugs and factors by ten tolerances at most, with the reference
    never; and no number without a good status, nor a good status without numbers."""
    days, relative, absolute = np.linspace(0, 10, 41).tolist(), 10.0**-decade, 10.0 ** -(decade + finer)
    cases = [
        Case(rates, {"one": 1e9, "two": 3.0}, (0, 10), [Event(day, name, 1.0, 10.0**power) for day, name, power in doses])
        for rates, doses in hurt
    ]
    found, ends = courses(closed(), cases, days, BatchSettings(relative=relative, absolute=absolute, most_steps=1_000))
    assert set(ends.status.tolist()) <= {Status.OK, Status.MAX_STEPS, Status.STEP_TOO_SMALL, Status.NEGATIVE_STATE}
    for state in closed().states:
        if state.unit != "1":
            lowest = np.nanmin(found[state.name], axis=1)
            assert (lowest >= (0 if state.is_cells else -10 * (absolute + relative))).all(), (state.name, lowest)
        assert (np.isnan(found[state.name][:, -1]) == (ends.status != Status.OK)).all()
    reference = by_reference(cases[0], days, Settings(relative=relative, absolute=absolute, most_evaluations=1_000))
    states = np.array(reference.states)[:, [state.unit != "1" for state in closed().states]]
    assert np.nanmin(states) >= 0
    assert np.isnan(states[-1]).any() != reference.status.good


# Faults: a status, and NaN from there on.


@pytest.mark.parametrize(
    ("case", "statuses", "before"),
    [
        (on("pole", 2.0), {Status.STEP_TOO_SMALL, Status.NONFINITE, Status.MAX_STEPS}, ("pole", 0.5, 2.0)),
        (on("fall", 5.0), {Status.STEP_TOO_SMALL, Status.NONFINITE}, ("fall", 0.0, 1.0)),
        (on("fall", 5.0, fall=-1.0), {Status.NONFINITE}, ("fall", 0.0, -1.0)),
        (Case({"turns": math.nan}), {Status.NONFINITE}, None),
        (Case(start={"x": math.inf}), {Status.NONFINITE}, None),
        (Case({"on_wheel": 1.0, "turns": 1e6}), {Status.MAX_STEPS}, ("sine", 0.0, 0.0)),
        (Case({"drain": 1.0}, {"drug": 1.0}), {Status.NEGATIVE_STATE}, ("drug", 0.5, 0.5)),
    ],
    ids=["pole", "NaN later", "NaN at once", "NaN constant", "infinite start", "too much work", "negative amount"],
)
def test_failures_have_a_status(case: Case, statuses: set[Status], before: tuple[str, float, float] | None) -> None:
    found, status = single(case, [0.0, 0.5, 2.0 if case.days[1] < 5 else 5.0], BatchSettings(most_steps=3_000))
    assert status in statuses
    assert all(math.isnan(column[-1]) for column in found.values())
    if before:
        name, day, value = before
        assert found[name][[0.0, 0.5].index(day)] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4, 1e-6])
def test_rates_that_no_number_below_zero_has(tolerance: float) -> None:
    """y' = c - √y stays above zero, but stages of longer steps do not: where c > 0 the run recovers and ends at c², where
    c = 0 it says so once it stands at zero. With the root of what is positive steps are others: the stages were there."""
    found, ends = courses(
        closed(), [on(system, 5.0) for system in ("basin", "root", "bowl")], [1.0, 1.9, 5.0],
        BatchSettings(relative=tolerance, absolute=tolerance),
    )  # fmt: skip
    assert ends.status[:2].tolist() == [Status.OK, Status.NONFINITE]
    assert found["basin"][0] == pytest.approx([0.25006931568, 0.00253000607, 1e-8], rel=tolerance, abs=2 * tolerance)
    assert found["basin"][0, 2] == pytest.approx(1e-8, rel=1e-3)
    assert found["root"][1] == pytest.approx([0.25, 0.0025, math.nan], rel=tolerance, abs=2 * tolerance, nan_ok=True)
    assert ends.reached[1] == pytest.approx(2, abs=3 * math.sqrt(tolerance))
    assert ends.steps[1] < 300
    assert ends.steps[0] != ends.steps[2]


# The same bits whoever is beside, before or behind.


def crowd(count: int) -> list[Case]:
    """Members of every kind, sound and not, in a fixed order."""
    kinds = [
        lambda draw: on("emax", 30, emax_c=2 * draw), lambda draw: MISSED, lambda draw: on("prey", 10, prey=draw),
        lambda draw: on("pole", 2.0), lambda draw: Case({"turns": math.nan}), lambda draw: on("clones", 100),
        lambda draw: Case({"death": draw}, {"one": 1e2, "two": 2e2}, (0, 10)), lambda draw: on("fall", 5.0),
        lambda draw: Case({"loss": draw}, days=(0, 9), events=[Event(2 * draw, "drug", 1.0, 3.0)]),
        lambda draw: Case({"on_wheel": 1.0, "turns": 1e3 * draw}, days=(0, 50)), lambda draw: on("oral", 120, *PILLS),
    ]  # fmt: skip
    draws = np.random.default_rng(7).uniform(0.5, 2, count)
    return [kinds[place % len(kinds)](float(draw)) for place, draw in enumerate(draws)]


def test_a_member_does_not_know_its_neighbours() -> None:
    """Alone, among fewer than there are lanes, as many, one more, or a hundred, in any order: the same bits, the same
    status, the same number of steps."""
    cases, days, settings = crowd(100), np.linspace(0, 12, 25), BatchSettings(most_steps=1_500)
    kernel = lanes(closed())
    alone = [record(kernel, members(closed(), [case]), days, settings) for case in cases]
    statuses = {Status(int(ends.status[0])) for _, ends in alone}
    assert {Status.OK, Status.NONFINITE, Status.MAX_STEPS} <= statuses
    rng = np.random.default_rng(3)
    for size in (2, LANES - 1, LANES, LANES + 1, 2 * LANES - 1, 2 * LANES, 2 * LANES + 1, 100):
        order = rng.permutation(100)[:size]
        out, ends = record(kernel, members(closed(), [cases[place] for place in order]), days, settings)
        for row, place in enumerate(order):
            assert out[row].tobytes() == alone[place][0][0].tobytes()
            for word in ("status", "reached", "steps"):
                assert getattr(ends, word)[row] == getattr(alone[place][1], word)[0]


def test_what_was_left_in_the_work_arrays_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the last step before a dose ends a rounding error away from the day before it that is asked for."""
    given, asked = 10.404449334720448, 30.739489402427413
    drops = [Event(given, "drug", 1.0, 1.0), Event(asked, "drug", 1.0, 1.0)]
    assert given + (asked - given) < asked
    days, settings = np.array([0.0, np.nextafter(asked, 0.0), 40.0]), BatchSettings(most_steps=1_500)
    groups = [[Case({"loss": 1e-4}, {"drug": 3.0}, (0, 40), drops)], crowd(40)]
    clean = [record(lanes(closed()), members(closed(), cases), days, settings) for cases in groups]
    space = batch._workspace

    def used(*sizes: int) -> Workspace:
        arrays = space(*sizes)
        for row in (arrays.slopes, arrays.bends, arrays.factors, arrays.constant, arrays.own, arrays.spare, arrays.middle):
            row[:] = math.nan
        return arrays

    monkeypatch.setattr(batch, "_workspace", used)
    for cases, (states, ends) in zip(groups, clean, strict=True):
        found, after = record(lanes(closed()), members(closed(), cases), days, settings)
        assert found.tobytes() == states.tobytes()
        assert after.steps.tobytes() == ends.steps.tobytes()


def test_a_part_of_the_members_is_solved_as_in_the_whole() -> None:
    days, settings = np.linspace(0, 12, 5), BatchSettings(most_steps=1_500)
    everyone = members(closed(), crowd(50))
    whole, _ = record(lanes(closed()), everyone, days, settings)
    parts = [record(lanes(closed()), everyone[part], days, settings)[0] for part in (slice(0, 7), slice(7, 39), slice(39, 50))]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
