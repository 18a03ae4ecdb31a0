"""The reference solver against closed forms, the IVP test set, and the faults that solvers are known to have.

Numbers of the test set are those of the Test Set for IVP Solvers (archimede.uniba.it/~testset); the closed forms were
computed with mpmath at 40 digits (Lambert W, matrix exponentials, quadrature).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from backfire.errors import UserError
from backfire.mechanisms.growth import Growth
from backfire.mechanisms.kill import Kill
from backfire.mechanisms.pharmacology import Pharmacology
from backfire.model.components import Definition, Intervention, Process, State
from backfire.model.dosing import Event, Regimen, event_table
from backfire.model.network import Network, compose
from backfire.outcomes import Watch, outcomes
from backfire.solvers.reference import METHODS, Settings, Solution, solve
from backfire.solvers.trajectory import Status
from networks import TIGHT, Built, at, built, injected, ivp, last, parameter, problem_of, run, trajectory_of, values_of

CLOSED = 1e-8
"""What every closed form must be met to, relative. The solver runs at 1e-11, so three digits are left for the error that
adds up over some hundred steps; a wrong formula, edge or dose is off by far more."""


def given(network: Network, regimens: Sequence[Regimen], changes: dict[str, float], days: float) -> tuple[Event, ...]:
    return event_table(regimens, network.interventions, values_of(network, changes), days)


# Closed forms, with the shipped mechanisms wherever one has the equation.


def test_logistic_growth() -> None:
    network = compose([Growth(law="logistic")])
    solution = run(network, [200], {"starting_cells": 1e6, "growth_rate": 0.03, "capacity": 1e9})
    assert last(network, solution)["active"] == pytest.approx(287664368.67571698853, rel=CLOSED)


def test_gompertz_growth() -> None:
    network = compose([Growth(law="gompertz")])
    solution = run(network, [200], {"starting_cells": 1e6, "growth_rate": 0.02, "capacity": 1e9})
    assert last(network, solution)["active"] == pytest.approx(881156569.2181788869, rel=CLOSED)


def test_exponential_growth() -> None:
    network = compose([Growth(law="exponential")])
    solution = run(network, [50], {"starting_cells": 1e6, "growth_rate": 0.1})
    assert last(network, solution)["active"] == pytest.approx(1e6 * math.exp(5), rel=CLOSED)


def test_kill_in_proportion_to_the_drug() -> None:
    """N' = N (0.05 - 0.4 C) with C = 2 exp(-0.3 t)."""
    linear = Built(
        (
            parameter("slope", 0.4, "1/(day*EC50)"),
            Process("linear_kill", "kill", "slope * drug * active", "for a test", leaves="active"),
        )
    )
    network = compose([Growth(law="exponential"), Pharmacology(("drug",)), linear])
    changes = {"starting_cells": 1e9, "growth_rate": 0.05, "drug_elimination_rate": 0.3}
    events = given(network, [Regimen("dose", "drug", start=0, amount=2)], changes, 30)
    solution = run(network, [30], changes, events)
    assert last(network, solution)["active"] == pytest.approx(311505721.34153649307, rel=CLOSED)


def test_saturating_kill() -> None:
    """N' = N (0.05 - 0.8 C / (0.5 + C)) with C = 2 exp(-0.3 t)."""
    network = compose([Growth(law="exponential"), Pharmacology(("drug",)), Kill(by=("drug",))])
    changes = {"starting_cells": 1e9, "growth_rate": 0.05, "drug_elimination_rate": 0.3, "drug_ec50": 0.5, "drug_kill_rate": 0.8}
    events = given(network, [Regimen("dose", "drug", start=0, amount=2)], changes, 30)
    solution = run(network, [30], changes, events)
    assert last(network, solution)["active"] == pytest.approx(61389382.225063570631, rel=CLOSED)


def test_oral_doses() -> None:
    """One compartment with absorption: ka = 1, ke = 0.1, V = 20, 100 at 0, 24 … 96."""
    network = built(
        parameter("ka", 1.0, "1/day"),
        parameter("ke", 0.1, "1/day"),
        State("gut", "EC50", "for a test"),
        State("blood", "EC50", "for a test"),
        Process("absorption", "absorption", "ka * gut", "for a test", leaves="gut", enters="blood"),
        Process("elimination", "elimination", "ke * blood", "for a test", leaves="blood"),
        Intervention("pill", "for a test", amount_unit="EC50", adds={"gut": "amount / 20"}),
    )
    events = given(network, [Regimen("pills", "pill", start=0, amount=100, every=24, count=5)], {}, 120)
    solution = run(network, [100, 120], {}, events)
    assert at(network, solution, 100, "blood") == pytest.approx(3.9937604753077528522, rel=CLOSED)
    assert at(network, solution, 120, "blood") == pytest.approx(0.55426755032167804568, rel=CLOSED)


def test_infusions() -> None:
    """50 per hour over 2 h at 0, 24, 48; ke = 0.1, V = 20: hours and concentrations stand for days and EC50."""
    network = compose([Pharmacology(("drug",), infused=("drug",))])
    changes = {"drug_elimination_rate": 0.1}
    events = given(network, [Regimen("drip", "drug", start=0, amount=5, every=24, count=3, duration=2)], changes, 60)
    solution = run(network, [49, 50, 60], changes, events)
    assert at(network, solution, 49, "drug") == pytest.approx(2.8746280273429210492, rel=CLOSED)
    assert at(network, solution, 50, "drug") == pytest.approx(4.9801355511757831505, rel=CLOSED)


def test_saturable_elimination() -> None:
    """Michaelis-Menten, C0 = 10, Vmax = 1, Km = 0.5; the closed form is a Lambert W."""
    network = ivp({"c": "-c / (0.5 + c)"}, [10])
    assert last(network, run(network, [12]))["c"] == pytest.approx(0.13876809754592268736, rel=CLOSED)


def two_clones() -> Network:
    """S' = -0.10 S, R' = 0.04 R + 1e-6 S."""
    return built(
        State("sensitive", "cell", "for a test", 1e9, counts_in=("burden",)),
        State("resistant", "cell", "for a test", 100.0, counts_in=("burden",)),
        parameter("kill_rate", 0.10, "1/day"),
        parameter("growth_rate", 0.04, "1/day"),
        parameter("mutation_rate", 1e-6, "1/day"),
        Process("kill", "kill", "kill_rate * sensitive", "for a test", leaves="sensitive"),
        Process("growth", "growth", "growth_rate * resistant", "for a test", enters="resistant"),
        Process("mutation", "mutation", "mutation_rate * sensitive", "for a test", enters="resistant"),
    )


def test_two_clones() -> None:
    network = two_clones()
    found = last(network, run(network, [100]))
    assert found["sensitive"] == pytest.approx(45399.929762484851536, rel=CLOSED)
    assert found["resistant"] == pytest.approx(395446.27666913211386, rel=CLOSED)


def test_nadir_and_progression_of_two_clones() -> None:
    """Through the outcomes: the nadir is flat, so its day is known to the root of what its size is known to."""
    network = two_clones()
    days = np.arange(0, 300.5, 0.5).tolist()
    trajectory = trajectory_of(network, run(network, days))
    found = outcomes(trajectory, Watch(doses=(), course_agents=frozenset(), start=0.0))
    assert found["nadir"].value == pytest.approx(387553.24706675910841, rel=CLOSED)
    assert found["nadir_day"].value == pytest.approx(91.084131324385370087, rel=1e-7)
    assert found["time_to_progression"].value == pytest.approx(101.96355363204611586, rel=CLOSED)
    assert found["time_to_progression"].observed


def test_reversible_switching() -> None:
    network = ivp({"x": "-0.11 * x + 0.002 * y", "y": "0.01 * x + 0.038 * y"}, [1e9, 100])
    found = last(network, run(network, [100], settings=Settings(relative=1e-11, absolute=1e-3)))
    assert found["x"] == pytest.approx(41273885.076693804902, rel=CLOSED)
    assert found["y"] == pytest.approx(3055833266.109568751, rel=CLOSED)


def test_kill_on_and_off() -> None:
    """Logistic growth with an extra kill of 0.1 on [0, 20), [40, 60) and [80, 100), given as infusions."""
    pressure = Built(
        (
            State("pressure", "EC50/day", "for a test"),
            State("given", "EC50", "for a test"),
            Process("giving", "giving", "pressure", "for a test", enters="given"),
            Process("extra_kill", "kill", "pressure / EC50 * active", "for a test", leaves="active"),
            Intervention("press", "for a test", amount_unit="EC50", adds={"given": "amount"}, infuses="pressure"),
        )
    )
    network = compose([Growth(law="logistic"), pressure])
    changes = {"starting_cells": 1e8, "growth_rate": 0.03, "capacity": 1e9}
    events = given(network, [Regimen("on", "press", start=0, amount=2, every=40, count=3, duration=20)], changes, 120)
    solution = run(network, [120], changes, events)
    assert last(network, solution)["active"] == pytest.approx(8347318.5989676245833, rel=CLOSED)
    assert last(network, solution)["given"] == pytest.approx(6, rel=CLOSED)
    assert last(network, solution)["pressure"] == 0


@pytest.mark.parametrize("method", ["LSODA", "Radau", "DOP853"])
def test_a_state_that_leaves_zero_more_steeply_than_the_clock_resolves(method: str) -> None:
    """1e15 cells begin to hide on day 14: a first step that is right for one cell would be 1e-21 of a day.

    BDF, whose own test asks for less than the clock resolves, ends with a status."""
    hiding = Built(
        (
            State("visible", "cell", "for a test", initial=1e15),
            State("hidden", "cell", "for a test"),
            State("pressure", "EC50/day", "for a test"),
            State("given", "EC50", "for a test"),
            Process("giving", "giving", "pressure", "for a test", enters="given"),
            Process("hiding", "switching", "pressure / EC50 * visible", "for a test", leaves="visible", enters="hidden"),
            Intervention("press", "for a test", amount_unit="EC50", adds={"given": "amount"}, infuses="pressure"),
        )
    )
    network = compose([hiding])
    events = given(network, [Regimen("on", "press", start=14, amount=0.6, duration=6)], {}, 20)
    found = last(network, run(network, [20], {}, events, settings=Settings(method=method, relative=1e-9)))
    assert found["hidden"] == pytest.approx(1e15 * (1 - math.exp(-0.1 * 6)), rel=1e-6)
    assert found["visible"] == pytest.approx(1e15 * math.exp(-0.1 * 6), rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_predator_and_prey(method: str) -> None:
    """Lotka-Volterra 1.5, 1, 3, 1 from (1, 1). BDF gets two digits less: it is of low order and its errors add up."""
    network = ivp({"prey": "1.5 * prey - prey * predator", "predator": "prey * predator - 3 * predator"}, [1, 1])
    settings = Settings(method=method, relative=1e-11 if method != "Radau" else 1e-10, absolute=1e-13)
    found = last(network, run(network, [10], settings=settings))
    wanted = CLOSED if method != "BDF" else 1e-6
    assert found["prey"] == pytest.approx(1.0263447675750893191, rel=wanted)
    assert found["predator"] == pytest.approx(0.90969107813604161755, rel=wanted)


def test_extinction_of_a_birth_death_process() -> None:
    """p' = d - (b + d) p + b p² is the chance that one line is extinct; twenty lines must all be."""
    network = ivp({"p": "0.03 - 0.07 * p + 0.04 * p ** 2"}, [0])
    found = last(network, run(network, [50]))["p"]
    assert found**20 == pytest.approx(4.6761412171318559725e-6, rel=CLOSED)


# The Test Set for IVP Solvers. Radau at 1e-10 with absolute tolerances far below the smallest component leaves errors
# of some 1e-8 to 1e-9 in problems that stretch over ten orders of time; 1e-7 is safe and finds any wrong digit.

IVP = 1e-7


def radau(absolute: float, relative: float = 1e-10) -> Settings:
    return Settings(method="Radau", relative=relative, absolute=absolute)


def test_hires() -> None:
    network = ivp(
        {
            "y1": "-1.71*y1 + 0.43*y2 + 8.32*y3 + 0.0007",
            "y2": "1.71*y1 - 8.75*y2",
            "y3": "-10.03*y3 + 0.43*y4 + 0.035*y5",
            "y4": "8.32*y2 + 1.71*y3 - 1.12*y4",
            "y5": "-1.745*y5 + 0.43*y6 + 0.43*y7",
            "y6": "-280*y6*y8 + 0.69*y4 + 1.71*y5 - 0.43*y6 + 0.69*y7",
            "y7": "280*y6*y8 - 1.81*y7",
            "y8": "-280*y6*y8 + 1.81*y7",
        },
        [1, 0, 0, 0, 0, 0, 0, 0.0057],
    )
    solution = run(network, [321.8122], settings=radau(1e-14))
    assert solution.states[-1] == pytest.approx(
        [
            0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2,
            0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2,
        ],
        rel=IVP, abs=0,
    )  # fmt: skip


def robertson() -> Network:
    return ivp(
        {
            "y1": "-0.04*y1 + 1e4*y2*y3",
            "y2": "0.04*y1 - 1e4*y2*y3 - 3e7*y2**2",
            "y3": "3e7*y2**2",
        },
        [1, 0, 0],
    )


def test_robertson() -> None:
    network = robertson()
    days = [40, 400, 4e5, 4e10, 1e11]
    solution = run(network, days, settings=radau(1e-22))
    wanted = {
        40: (0.71582706871941, 9.1855347645578e-06),
        400: (0.45051866847110, 3.2229014416746e-06),
        4e5: (4.93827452098e-3, 1.98499408795443e-08),
        4e10: (5.20834517680e-08, 2.08333817793e-13),
        1e11: (0.2083340149701255e-7, 0.8333360770334713e-13),
    }
    for day, (first, second) in wanted.items():
        assert at(network, solution, day, "y1") == pytest.approx(first, rel=IVP, abs=0)
        assert at(network, solution, day, "y2") == pytest.approx(second, rel=IVP, abs=0)
    for state in solution.states:
        assert math.fsum(state) == pytest.approx(1, rel=1e-12)


def test_oregonator() -> None:
    network = ivp(
        {
            "y1": "77.27 * (y2 + y1 * (1 - 8.375e-6 * y1 - y2))",
            "y2": "(y3 - (1 + y1) * y2) / 77.27",
            "y3": "0.161 * (y1 - y3)",
        },
        [1, 2, 3],
    )
    solution = run(network, [360], settings=radau(1e-10, relative=1e-9))
    assert solution.states[-1] == pytest.approx(
        [0.1000814870318523e1, 0.1228178521549917e4, 0.1320554942846706e3], rel=IVP, abs=0
    )


@pytest.mark.parametrize(
    ("rate", "end", "slope"),
    [("((1 - x**2) * v - x) / 1e-6", 2, -0.8928097010247975), ("1000 * (1 - x**2) * v - x", 2000, -0.8928097010248125e-3)],
    ids=["eps=1e-6", "mu=1000"],
)
def test_van_der_pol(rate: str, end: float, slope: float) -> None:
    network = ivp({"x": "v", "v": rate}, [2, 0])
    solution = run(network, [end], settings=radau(1e-12))
    assert solution.states[-1] == pytest.approx([0.1706167732170469e1, slope], rel=IVP, abs=0)


def test_pollution() -> None:
    constants = (
        0.35, 26.6, 12300, 0.00086, 0.00082, 15000, 0.00013, 24000, 16500, 9000, 0.022, 12000, 1.88, 16300, 4800000, 0.00035,
        0.0175, 1e8, 4.44e11, 1240, 2.1, 5.78, 0.0474, 1780, 3.12,
    )  # fmt: skip
    reactants = (
        (1,), (2, 4), (5, 2), (7,), (7,), (7, 6), (9,), (9, 6), (11, 2), (11, 1), (13,), (10, 2), (14,), (1, 6), (3,), (4,), (4,),
        (16,), (16,), (17, 6), (19,), (19,), (1, 4), (19, 1), (20,),
    )  # fmt: skip
    reactions = {
        f"r{number}": " * ".join([repr(constant), *(f"y{index}" for index in used)])
        for number, (constant, used) in enumerate(zip(constants, reactants, strict=True), start=1)
    }
    balance = (
        "-r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25", "-r2 - r3 - r9 - r12 + r1 + r21",
        "-r15 + r1 + r17 + r19 + r22", "-r2 - r16 - r17 - r23 + r15", "-r3 + 2*r4 + r6 + r7 + r13 + r20",
        "-r6 - r8 - r14 - r20 + r3 + 2*r18", "-r4 - r5 - r6 + r13", "r4 + r5 + r6 + r7", "-r7 - r8", "-r12 + r7 + r9",
        "-r9 - r10 + r8 + r11", "r9", "-r11 + r10", "-r13 + r12", "r14", "-r18 - r19 + r16", "-r20", "r20",
        "-r21 - r22 - r24 + r23 + r25", "-r25 + r24",
    )  # fmt: skip
    start = [0.0] * 20
    for index, value in {2: 0.2, 4: 0.04, 7: 0.1, 8: 0.3, 9: 0.01, 17: 0.007}.items():
        start[index - 1] = value
    network = ivp({f"y{number}": rate for number, rate in enumerate(balance, start=1)}, start, reactions)
    found = last(network, run(network, [60], settings=radau(1e-22)))
    wanted = [
        0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2, 0.2018977262302196e-6,
        0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018, 0.7494013383880406e-2, 0.1622293157301561e-7,
        0.1135863833257075e-7, 0.2230505975721359e-2, 0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2,
        0.4352846369330103e-17, 0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4,
    ]  # fmt: skip
    assert [found[f"y{number}"] for number in range(1, 21)] == pytest.approx(wanted, rel=IVP, abs=0)


def test_e5_finishes() -> None:
    """Beyond double precision (y1 ends at 1e-291): it must finish, and y2 = y3 + y4 be right to two digits."""
    network = ivp(
        {
            "y1": "-7.89e-10*y1 - 1.1e7*y1*y3",
            "y2": "p2",
            "y3": "p2 - p4",
            "y4": "p4",
        },
        [1.76e-3, 0, 0, 0],
        {"p2": "7.89e-10*y1 - 1.13e9*y2*y3", "p4": "1.1e7*y1*y3 - 1.13e3*y4"},
    )
    solution = run(network, [1e13], settings=radau(1e-26, relative=1e-8))
    found = last(network, solution)
    assert solution.status is Status.OK
    assert found["y2"] == pytest.approx(0.8867655517642120e-22, rel=1e-2)
    assert found["y3"] == pytest.approx(0.8854814626268838e-22, rel=1e-2)
    assert abs(found["y2"] - found["y3"] - found["y4"]) < 1e-2 * found["y2"]


@pytest.mark.thorough
def test_antibody_penetration_into_a_tumour() -> None:
    """MEDAKZO, N = 200, with its boundary switched from 2 to 0 at t = 5 by an event: 400 states."""
    cells, k, c = 200, 100.0, 4.0
    width = 1.0 / cells
    equations, start = {}, []
    for j in range(1, cells + 1):
        zeta = j * width - 1
        alpha, beta = 2 * zeta**3 / c**2, zeta**4 / c**2
        here, below = f"y{2 * j - 1}", "boundary" if j == 1 else f"y{2 * j - 3}"
        above = f"y{2 * j + 1}" if j < cells else here
        equations[here] = (
            f"{alpha / (2 * width)!r} * ({above} - {below}) + {beta / width**2!r} * ({below} - 2 * {here} + {above})"
            f" - {k} * {here} * y{2 * j}"
        )
        equations[f"y{2 * j}"] = f"-{k} * y{2 * j} * {here}"
        start += [0.0, 1.0]
    network = ivp({**equations, "boundary": "0 * boundary"}, [*start, 2.0])
    settings = Settings(method="LSODA", relative=1e-10, absolute=1e-14)
    found = last(network, run(network, [20], events=(Event(5.0, "boundary", 0.0, 0.0),), settings=settings))
    wanted = {"y79": 0.2339942217046434e-3, "y149": 0.3595616017506735e-3, "y199": 0.1173741304462833e-3}
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=IVP, abs=0)
    assert found["y239"] == pytest.approx(0.6860095639285670e-11, rel=1e-5)


# All methods, one answer.


def treated() -> tuple[Network, tuple[Event, ...]]:
    network = compose([Growth(), Pharmacology(("drug",)), Kill(by=("drug",))])
    regimen = Regimen("doses", "drug", start=7, amount=4, every=7, count=4)
    return network, given(network, [regimen], {}, 60)


@pytest.mark.parametrize("method", METHODS)
def test_all_methods_agree(method: str) -> None:
    network, events = treated()
    days = [10, 28, 28.5, 45, 60]
    exactly = run(network, days, {}, events)
    found = run(network, days, {}, events, Settings(method=method))
    assert found.status is Status.OK
    assert found.times == exactly.times
    # the drug vanishes between doses: what is below the absolute tolerance is not compared
    assert np.array(found.states) == pytest.approx(np.array(exactly.states), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_error_follows_the_tolerance(method: str) -> None:
    """Over six decades of tolerance the error against the closed form falls by about as many, and never rises much."""
    network = compose([Growth(law="exponential"), Pharmacology(("drug",)), Kill(by=("drug",))])
    changes = {"starting_cells": 1e9, "growth_rate": 0.05, "drug_elimination_rate": 0.3, "drug_ec50": 0.5, "drug_kill_rate": 0.8}
    events = given(network, [Regimen("dose", "drug", start=0, amount=2)], changes, 30)
    decades = np.arange(4, 11)
    errors = []
    for decade in decades:
        tolerance = 10.0 ** -float(decade)
        settings = Settings(method=method, relative=tolerance, cells=1e9 * tolerance * 1e-6, absolute=tolerance * 1e-3)
        found = last(network, run(network, [30], changes, events, settings))["active"]
        errors.append(abs(found / 61389382.225063570631 - 1))
    slope = -np.polyfit(decades, np.log10(np.maximum(errors, 1e-15)), 1)[0]
    assert 0.7 <= slope <= 1.3, (slope, errors)
    # LSODA chooses orders and steps by luck as well: an error may rise by a little where the one before was lucky
    assert all(later <= 5 * earlier for earlier, later in pairwise(errors)), errors


@pytest.mark.parametrize("method", METHODS)
def test_a_run_repeats_bit_for_bit(method: str) -> None:
    network, events = treated()
    first, second = (run(network, [30, 60], {}, events, Settings(method=method)) for _ in range(2))
    assert first.times == second.times
    assert np.array(first.states).tobytes() == np.array(second.states).tobytes()


# Events.


@pytest.mark.parametrize("method", METHODS)
def test_values_before_and_after_a_dose(method: str) -> None:
    network, events = treated()
    solution = run(network, [7, 60], {}, events, Settings(method=method))
    before, after = solution.times.index(math.nextafter(7, 0)), solution.times.index(7.0)
    assert after == before + 1
    drug = network.state_names.index("drug")
    assert (solution.states[before][drug], solution.states[after][drug]) == (0, 4)
    assert sorted(solution.times) == solution.times
    assert len(set(solution.times)) == len(solution.times)


# Extinction.

SMALL = Settings(relative=1e-11, cells=1e-12)
"""For compartments of a few cells, where an absolute error of 1e-6 cells would be what is measured."""


def dying(rate: float = 1.0, start: float = 1e3) -> Network:
    return built(
        parameter("rate", rate, "1/day"),
        State("cells", "cell", "for a test", start, counts_in=("burden",)),
        Process("death", "death", "rate * cells", "for a test", leaves="cells"),
    )


@pytest.mark.parametrize("method", METHODS)
def test_extinction_at_the_crossing(method: str) -> None:
    network = dying()
    solution = run(network, [6, 8, 20], settings=Settings(method=method, relative=1e-10, cells=1e-9))
    crossing = math.log(1e3)
    reached = 1e-8 if method != "BDF" else 1e-6  # of low order: its errors add up
    levels = dict(zip(solution.times, [float(state[0]) for state in solution.states], strict=True))
    death = min(day for day, level in levels.items() if level == 0)
    assert death == pytest.approx(crossing, rel=reached)
    assert levels[math.nextafter(death, 0)] == pytest.approx(1, rel=1e-12)
    assert levels[6] == pytest.approx(1e3 * math.exp(-6), rel=reached)
    assert levels[8] == 0
    assert levels[20] == 0
    assert solution.status.good


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-12])
def test_nothing_regrows_from_less_than_a_cell(method: str, tolerance: float) -> None:
    """1e12 cells killed at rate 1 for 80 days, then growing at 0.5 for 200: atto-cells must not become a tumour."""
    network = built(
        State("pressure", "1/day", "for a test", 1.0),
        State("cells", "cell", "for a test", 1e12, counts_in=("burden",)),
        parameter("rate", 0.5, "1/day"),
        Process("holding", "holding", "0 * pressure / day", "for a test", enters="pressure"),
        Process("growth", "growth", "rate * cells", "for a test", enters="cells"),
        Process("death", "death", "pressure * cells", "for a test", leaves="cells"),
    )
    start = run(
        network, [80, 280], {}, (Event(0.0, "pressure", 0.0, 1.5), Event(80.0, "pressure", 0.0, 0.0)),
        Settings(method=method, cells=tolerance, relative=1e-8),
    )  # fmt: skip
    assert at(network, start, 80, "cells") == 0
    assert at(network, start, 280, "cells") == 0


def test_two_compartments_die_in_turn() -> None:
    network = built(
        parameter("rate", 1.0, "1/day"),
        State("first", "cell", "for a test", 1e2, counted=True),
        State("second", "cell", "for a test", 1.1e2, counted=True),
        Process("one", "death", "rate * first", "for a test", leaves="first"),
        Process("two", "death", "rate * second", "for a test", leaves="second"),
    )
    solution = run(network, [10], settings=SMALL)
    states = np.array(solution.states)
    for column, start in ((0, 1e2), (1, 1.1e2)):
        gone = solution.times[int(np.flatnonzero(states[:, column] == 0)[0])]
        assert gone == pytest.approx(math.log(start), rel=1e-9)
    assert (states[-1] == 0).all()


def test_influx_seeds_an_extinct_compartment_anew() -> None:
    """Without cells of its own, what enters still counts, and grows."""
    network = built(
        parameter("rate", 1.0, "1/day"),
        parameter("inflow", 1.0, "cell/day"),
        State("cells", "cell", "for a test", 0.0),
        Process("arrival", "arrival", "inflow", "for a test", enters="cells"),
        Process("growth", "growth", "rate * cells", "for a test", enters="cells"),
    )
    assert last(network, run(network, [5], settings=SMALL))["cells"] == pytest.approx(math.expm1(5), rel=CLOSED)


def test_other_amounts_do_not_die_out() -> None:
    network = built(
        parameter("rate", 1.0, "1/day"),
        State("drug", "EC50", "for a test", 1e3),
        Process("loss", "loss", "rate * drug", "for a test", leaves="drug"),
    )
    assert last(network, run(network, [10]))["drug"] == pytest.approx(1e3 * math.exp(-10), rel=CLOSED)


# Faults: a status in bounded work, never an exception, a hang, or a NaN that calls itself a success.

BOUNDED = 5_000


def faulty(method: str) -> Settings:
    return Settings(method=method, relative=1e-8, most_evaluations=BOUNDED, most_seconds=60)


def ended(solution: Solution, rows: int) -> None:
    """What every failure leaves: a message, all days recorded, and no number after the failure."""
    assert not solution.status.good
    assert solution.message
    assert len(solution.times) >= rows
    assert np.isnan(solution.states[-1]).all()
    assert solution.evaluations <= BOUNDED + 1


@pytest.mark.parametrize("method", METHODS)
def test_rates_that_are_never_finite(method: str) -> None:
    solution = solve(problem_of(injected(lambda y: [math.nan]), [1], [0, 1, 2]), faulty(method))
    assert solution.status is Status.NONFINITE
    ended(solution, 3)


@pytest.mark.parametrize("method", METHODS)
def test_rates_that_are_finite_only_once(method: str) -> None:
    calls = []

    def rates(_: Sequence[float]) -> list[float]:
        calls.append(1)
        return [1.0 if len(calls) == 1 else math.nan]

    solution = solve(problem_of(injected(rates), [1], [0, 1, 2]), faulty(method))
    assert solution.status in (Status.NONFINITE, Status.STEP_TOO_SMALL)
    ended(solution, 3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rates_that_turn_bad_later(method: str, bad: float) -> None:
    solution = solve(problem_of(injected(lambda y: [1.0 if y[0] < 2 else bad]), [1], [0, 0.5, 5]), faulty(method))
    assert solution.status in (Status.NONFINITE, Status.STEP_TOO_SMALL)
    assert solution.states[solution.times.index(0.5)] == pytest.approx([1.5])
    ended(solution, 3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
@pytest.mark.parametrize("rest", [0.0, 1e-4])
def test_rates_that_no_number_below_zero_has(method: str, tolerance: float, rest: float) -> None:
    """y' = c - √y stays above zero, but stages of longer steps do not: the run recovers, or says that it cannot."""
    tried = []

    def rates(y: Sequence[float]) -> list[float]:
        tried.append(y[0])
        return [rest - (math.sqrt(y[0]) if y[0] >= 0 else math.nan)]

    code = injected(rates, lambda y: [[-0.5 / math.sqrt(y[0])]])
    settings = Settings(method=method, relative=tolerance, absolute=tolerance, most_evaluations=BOUNDED)
    solution = solve(problem_of(code, [1], [0, 1.0, 1.9, 2.1], amounts=[True]), settings)
    exactly = [1, 0.25, 0.0025, 0] if rest == 0 else [1, 0.25006931568, 0.00253000607, 1e-8]
    found = [float(state[0]) for state in solution.states]
    assert [value for value in found if not math.isnan(value)] == pytest.approx(
        [right for right, value in zip(exactly, found, strict=True) if not math.isnan(value)], abs=3 * tolerance
    )
    if rest == 0 or tolerance > 1e-4:
        assert min(tried) < 0
    if not solution.status.good:
        assert solution.status in (Status.NONFINITE, Status.STEP_TOO_SMALL)
        ended(solution, 4)
    elif rest == 0:
        assert found[-1] >= 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("error", [ZeroDivisionError, OverflowError, ValueError])
def test_rates_that_raise(method: str, error: type[Exception]) -> None:
    def rates(y: Sequence[float]) -> list[float]:
        if y[0] > 2:
            raise error("as math does")
        return [1.0]

    solution = solve(problem_of(injected(rates), [1], [0, 5]), faulty(method))
    assert solution.status in (Status.NONFINITE, Status.STEP_TOO_SMALL)
    ended(solution, 2)


@pytest.mark.parametrize("method", METHODS)
def test_rates_that_turn_complex(method: str) -> None:
    """A broken power of a negative number is a complex number in Python, and no exception."""
    network = built(
        parameter("exponent", 0.5),
        State("x", "1", "for a test", 1.0),
        Process("fall", "fall", "(x ** exponent + 1) / day", "for a test", leaves="x"),
    )
    solution = run(network, [5], settings=faulty(method))
    assert solution.status in (Status.NONFINITE, Status.STEP_TOO_SMALL, Status.MAX_STEPS)
    ended(solution, 2)


@pytest.mark.parametrize("method", METHODS)
def test_a_jacobian_that_is_not_finite(method: str) -> None:
    code = injected(lambda y: [-y[0]], lambda y: [[math.nan]])
    solution = solve(problem_of(code, [1], [0, 1]), faulty(method))
    if solution.status.good:  # explicit methods and non-stiff phases have no use for it
        assert solution.states[-1] == pytest.approx([math.exp(-1)], rel=1e-5)
    else:
        ended(solution, 2)


@pytest.mark.parametrize("method", METHODS)
def test_blow_up_in_finite_time(method: str) -> None:
    """y' = y² from 1 has a pole at t = 1."""
    code = injected(lambda y: [y[0] * y[0]], lambda y: [[2 * y[0]]])
    solution = solve(problem_of(code, [1], [0, 0.5, 2]), faulty(method))
    assert solution.status in (Status.STEP_TOO_SMALL, Status.NONFINITE, Status.MAX_STEPS)
    assert solution.states[solution.times.index(0.5)] == pytest.approx([2], rel=1e-5)
    ended(solution, 3)


@pytest.mark.parametrize("method", METHODS)
def test_work_is_bounded(method: str) -> None:
    """An oscillator with a million turns to go."""
    code = injected(lambda y: [1e6 * y[1], -1e6 * y[0]], lambda y: [[0.0, 1e6], [-1e6, 0.0]])
    solution = solve(problem_of(code, [1, 0], [0, 100]), faulty(method))
    assert solution.status is Status.MAX_STEPS
    ended(solution, 2)


@pytest.mark.parametrize("method", METHODS)
def test_a_stiff_problem_is_solved_or_has_a_status(method: str) -> None:
    """Robertson's: an explicit method needs a thousand steps a day, for 1e11 days; what it did record is right."""
    settings = Settings(method=method, relative=1e-6, absolute=1e-14, most_evaluations=BOUNDED)
    solution = run(robertson(), [0.4, 40, 1e11], settings=settings)
    wanted = [
        (1, 0),
        (0.98517, 3.3864e-05),
        (0.71582706871941, 9.1855347645578e-06),
        (2.083340149701255e-8, 8.333360770334713e-14),
    ]
    reached = [state[:2].tolist() for state in solution.states if not np.isnan(state).any()]
    assert np.array(reached) == pytest.approx(np.array(wanted[: len(reached)]), rel=1e-4, abs=0)
    if method == "DOP853":
        assert solution.status is Status.MAX_STEPS
        assert len(reached) == 2
        ended(solution, 4)
    else:
        assert (solution.status, len(reached)) == (Status.OK, 4)


def test_time_is_bounded() -> None:
    code = injected(lambda y: [1e6 * y[1], -1e6 * y[0]], lambda y: [[0.0, 1e6], [-1e6, 0.0]])
    solution = solve(problem_of(code, [1, 0], [0, 1e6]), Settings(most_seconds=1e-3))
    assert solution.status is Status.MAX_TIME
    assert np.isnan(solution.states[-1]).all()


@pytest.mark.parametrize("method", METHODS)
def test_amounts_below_zero_are_a_failure(method: str) -> None:
    code = injected(lambda y: [-1.0])
    solution = solve(problem_of(code, [1], [0, 0.5, 2], amounts=[True]), faulty(method))
    assert solution.status is Status.NEGATIVE_STATE
    ended(solution, 3)


@pytest.mark.parametrize("method", METHODS)
def test_strong_kill_never_shows_negative_cells(method: str) -> None:
    network = dying(rate=50.0, start=1e9)
    solution = run(network, np.linspace(0.1, 10, 50).tolist(), settings=Settings(method=method))
    assert solution.status.good
    assert (np.array(solution.states) >= 0).all()


def test_a_bad_start_is_a_status() -> None:
    solution = solve(problem_of(injected(lambda y: [0.0]), [math.nan], [0, 1]), faulty("LSODA"))
    ended(solution, 2)


@pytest.mark.parametrize(
    "wrong",
    [{"relative": 0}, {"cells": -1}, {"absolute": math.nan}, {"most_evaluations": 0}, {"most_seconds": math.inf}],
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Settings(**wrong)  # type: ignore[arg-type]


def test_the_nearest_method_is_named() -> None:
    with pytest.raises(UserError, match="did you mean `Radau`"):
        Settings(method="radau5")
    assert TIGHT.method in METHODS


def test_definitions_are_recorded_beside_states() -> None:
    network = built(
        parameter("rate", 1.0, "1/day"),
        State("drug", "EC50", "for a test", 2.0),
        Process("loss", "loss", "rate * drug", "for a test", leaves="drug"),
        Definition("twice", "2 * drug", "EC50", "for a test"),
    )
    trajectory = trajectory_of(network, run(network, [1]))
    assert trajectory["twice"] == pytest.approx(2 * trajectory["drug"], rel=1e-15)
    assert trajectory["loss"] == pytest.approx(trajectory["drug"], rel=1e-15)
    units = dict(zip(trajectory.names, trajectory.units, strict=True))
    assert (units["twice"], units["loss"]) == ("EC50", "EC50/day")
