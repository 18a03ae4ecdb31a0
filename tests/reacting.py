"""Treatment that reacts, simulated plainly: two clones, one drug given at once, one that runs, and one factor, by SciPy.

From visit to visit ``solve_ivp`` integrates equations written out by hand; what is given next each test decides itself, in
plain Python. Nothing of backfire's dosing is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import backfire
from backfire import Intervention, Parameter, Process, State
from backfire.solvers import Floats

GROWTH, COST, CLEARANCE, KILL, OTHER, RISE, FADE = 0.06, 0.1, 0.7, 0.5, 0.12, 1.2, 0.3
SENSITIVE, RESISTANT = 0.3, 0.002


@dataclass(frozen=True)
class Reacting(backfire.Mechanism):
    """Clones that share one capacity; ``drug`` kills the sensitive one, ``other`` the resistant one, and a factor slows kill."""

    label = "reacting"

    def parts(self) -> Iterator[backfire.Part]:
        about = {"source": "made up", "grade": "assumed"}
        yield State("sensitive", "1", "sensitive cells", "sensitive_start", counts_in="burden")
        yield State("resistant", "1", "resistant cells", "resistant_start", counts_in="burden")
        yield State("level", "1", "drug")
        yield State("inflow", "1/day", "its infusion")
        yield State("running", "1", "the other drug, where it is on")
        yield State("factor", "fold", "a factor that the drug raises", 1.0)
        yield Parameter("sensitive_start", SENSITIVE, "1", "sensitive cells", range=(0.0, 1.0), **about)
        yield Parameter("resistant_start", RESISTANT, "1", "resistant cells", range=(0.0, 1.0), **about)
        yield Parameter("growth", GROWTH, "1/day", "growth", range=(0.0, 1.0), **about)
        yield Parameter("cost", COST, "1", "cost of resistance", range=(0.0, 1.0), **about)
        yield Parameter("clearance", CLEARANCE, "1/day", "clearance of the drug", range=(0.0, 9.0), **about)
        yield Parameter("killing", KILL, "1/day", "kill by the drug", range=(0.0, 9.0), **about)
        yield Parameter("other_killing", OTHER, "1/day", "kill by the other drug", range=(0.0, 9.0), **about)
        yield Parameter("rise", RISE, "fold/day", "rise of the factor", range=(0.0, 9.0), **about)
        yield Parameter("fade", FADE, "1/day", "fall of the factor", range=(0.0, 9.0), **about)
        room = "growth * (1 - sensitive - resistant)"
        yield Process("grow", "growth", f"{room} * sensitive", "division", enters="sensitive")
        yield Process("grow_on", "growth", f"(1 - cost) * {room} * resistant", "division", enters="resistant")
        hit = "killing * level / (1 + level) * fold / factor * sensitive"
        yield Process("die", "kill", hit, "death", leaves="sensitive")
        yield Process("die_too", "kill", "other_killing * running * resistant", "death", leaves="resistant")
        yield Process("flow", "infusion", "inflow", "infusion", enters="level")
        yield Process("clear", "clearance", "clearance * level", "clearance", leaves="level")
        yield Process("come", "secretion", "rise * level / (1 + level)", "secretion", enters="factor")
        yield Process("go", "clearance", "fade * (factor - 1 * fold)", "loss", leaves="factor")
        yield Intervention("drug", "a dose", amount_unit="1", adds={"level": "amount"}, infuses="inflow")
        yield Intervention("other", "on or off", amount_unit="1", switches="running")


HEAD = """
title = "Treatment that reacts"
days  = 240

[outcomes]
progression_from = "start"

[mechanisms]
reacting = {}
"""


def scenario(text: str) -> backfire.Scenario:
    """A scenario of the model: rules, regimens and arms in ``text``."""
    return backfire.parse(HEAD + text, "reacting", mechanisms=[Reacting])


def rates(_: float, y: Floats, inflow: float, running: float) -> list[float]:
    """The right-hand side, written out: sensitive, resistant, drug, factor."""
    s, r, d, f = y
    room, effect = GROWTH * (1 - s - r), d / (1 + d)
    return [
        room * s - KILL * effect / f * s,
        (1 - COST) * room * r - OTHER * running * r,
        inflow - CLEARANCE * d,
        RISE * effect - FADE * (f - 1),
    ]


@dataclass
class Plain:
    """One arm on the way: ``now`` the day, ``y`` the state; ``given`` what was given as (day, amount)."""

    y: Floats = field(default_factory=lambda: np.array([SENSITIVE, RESISTANT, 0.0, 1.0]))
    now: float = 0.0
    inflow: float = 0.0
    running: float = 0.0
    given: list[tuple[float, float]] = field(default_factory=list)
    courses: list[tuple[float, float, Callable[[float], Floats]]] = field(default_factory=list)

    @property
    def burden(self) -> float:
        return float(self.y[0] + self.y[1])

    def go(self, day: float) -> None:
        """Integrate up to a day."""
        if day > self.now:
            found = solve_ivp(
                rates,
                (self.now, day),
                self.y,
                "DOP853",
                dense_output=True,
                rtol=1e-12,
                atol=1e-15,
                args=(self.inflow, self.running),
            )
            self.courses.append((self.now, day, found.sol))
            self.y, self.now = found.y[:, -1], day

    def give(self, amount: float) -> None:
        """A bolus of the drug."""
        if amount > 0:
            self.y = self.y + np.array([0.0, 0.0, amount, 0.0])
            self.given.append((self.now, amount))

    def at(self, day: float) -> float:
        """The burden on a day."""
        return next(float(sol(day)[:2].sum()) for begin, end, sol in self.courses if begin <= day <= end)

    def progression(self, level: float) -> float:
        """The first day on which the burden is at a level from below."""
        for begin, end, sol in self.courses:
            days = np.linspace(begin, end, 60)
            values = np.array([sol(day)[:2].sum() for day in days]) - level
            rising = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
            if len(rising):
                place = rising[0]
                return float(brentq(lambda day, sol=sol: sol(day)[:2].sum() - level, days[place], days[place + 1], xtol=1e-12))  # type: ignore[misc]
        return float("nan")
