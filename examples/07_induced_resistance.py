"""A published model of resistance that the drug itself brings about: when is it better to pause?

Greene, Gevertz and Sontag 2019, JCO Clinical Cancer Informatics 3 (also BioModels 825), in shares of one capacity and in
units of its own time. Treatment starts at a tenth of the capacity; the critical size is nine tenths. Printed there: critical
times 90 (constant) and 14 (pulsed) without induction, 45 and 61 with; areas under the dose 64 and 22.5.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import backfire
from backfire import Intervention, Parameter, Process, State


@dataclass(frozen=True)
class Induced(backfire.Mechanism):
    """Resistance by chance and by the drug: S' = (1 - (S + R))S - (e + a u)S - u S, R' = 0.2(1 - (S + R))R + (e + a u)S."""

    label = "induced"

    def parts(self) -> Iterator[backfire.Part]:
        about = {"source": "Greene 2019, table 1", "grade": "paper"}
        yield State("sensitive", "1", "sensitive cells, as a share of the capacity", 0.01, counts_in="burden")
        yield State("resistant", "1", "resistant cells, as a share of the capacity", 0.0, counts_in="burden")
        yield State("drug_level", "1", "the drug, where it is on")
        yield Parameter(
            "induction", 0.01, "1", "resistant cells that the drug makes per cell it kills", range=(0.0, 0.1), **about
        )
        yield Parameter("spontaneous", 1e-6, "1/day", "sensitive cells that turn resistant by chance", range=(0.0, 1e-3), **about)
        room = "(1 - sensitive - resistant) / day"
        yield Process("growth", "growth", f"{room} * sensitive", "division", enters="sensitive")
        yield Process("kill", "kill", "drug_level * sensitive / day", "death by the drug", leaves="sensitive")
        turning = "(spontaneous + induction * drug_level / day) * sensitive"
        yield Process("turning", "switching", turning, "resistance", leaves="sensitive", enters="resistant")
        yield Process("growing", "growth", f"0.2 * {room} * resistant", "division", enters="resistant")
        yield Intervention("drug", "the drug is on", amount_unit="1", switches="drug_level")


SCENARIO = """
title = "Resistance that the drug brings about: the same dose all the time, or one day in four"
days  = 120

[outcomes]
progression_level = 0.9

[mechanisms]
induced = {}

# treatment starts on day ln 11, at a tenth of the capacity
[regimens]
constant = { agent = "drug", amount = 1.5, start = 2.39789527, until = 110 }
pulsed   = { agent = "drug", amount = 1.5, start = 2.39789527, duration = 1, every = 4, count = 27 }

[arms]
untreated = []
constant  = ["constant"]
pulsed    = ["pulsed"]
"""


def critical(induction: float, arm: str) -> tuple[backfire.Result, float, float]:
    """(result, critical day, area under the dose until then) of an arm."""
    scenario = backfire.parse(SCENARIO, "induced-resistance", mechanisms=[Induced]).changed({"induction": induction})
    result = backfire.simulate(scenario)
    day, course = result.outcomes[arm]["time_to_progression"].value + scenario.time_zero, result.trajectories[arm]
    before = course.times < day
    times, level = course.times[before], course["drug_level"][before]
    return result, day, float(np.trapezoid([*level, level[-1]], [*times, day]))


def main(out: Path) -> None:
    """Print the four critical times, and draw the course with induction."""
    for induction in (0.0, 0.01):
        for arm in ("constant", "pulsed"):
            result, day, area = critical(induction, arm)
            print(f"induction {induction:<5g} {arm:9s} critical on day {day:7.3f}, area under the dose {area:6.2f}")
    backfire.figures.comparison(result).savefig(out / "induced-resistance.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
