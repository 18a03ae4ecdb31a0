"""A published model of competition: how long a drug that never stops holds, over the cost of resistance and turnover.

Strobl and others 2021, Cancer Research 81:1135. Sensitive and resistant cells share one capacity; the drug kills dividing
cells; progression is 1.2 times the burden at the start. Their table gives the whole days of progression.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import backfire
from backfire import Parameter, Process, State


@dataclass(frozen=True)
class Competition(backfire.Mechanism):
    """Two clones under a drug: S' = r(1 - (S + R))(1 - 3/2)S - d S, R' = (1 - c) r (1 - (S + R)) R - d R, d = turnover · r."""

    label = "competition"

    def parts(self) -> Iterator[backfire.Part]:
        about = {"source": "Strobl 2021", "grade": "paper"}
        yield State("sensitive", "1", "sensitive cells, as a share of the capacity", "sensitive_start", counts_in="burden")
        yield State("resistant", "1", "resistant cells, as a share of the capacity", "resistant_start", counts_in="burden")
        yield Parameter("sensitive_start", 0.24975, "1", "sensitive cells at the start", range=(0.0, 1.0), **about)
        yield Parameter("resistant_start", 0.00025, "1", "resistant cells at the start", range=(0.0, 1.0), **about)
        yield Parameter("division_rate", 0.027, "1/day", "divisions of sensitive cells", range=(0.01, 0.1), **about)
        yield Parameter("cost", 0.0, "1", "slower division of resistant cells", range=(0.0, 1.0), **about)
        yield Parameter("turnover", 0.0, "1", "deaths per division", range=(0.0, 1.0), **about)
        room = "division_rate * (1 - sensitive - resistant)"
        yield Process("growth", "growth", f"{room} * sensitive", "division", enters="sensitive")
        yield Process("kill", "kill", f"1.5 * {room} * sensitive", "death of dividing cells", leaves="sensitive")
        yield Process("growing", "growth", f"(1 - cost) * {room} * resistant", "division", enters="resistant")
        yield Process("dying", "death", "turnover * division_rate * sensitive", "turnover", leaves="sensitive")
        yield Process("dying_too", "death", "turnover * division_rate * resistant", "turnover", leaves="resistant")


SCENARIO = """
title = "A drug that never stops, against sensitive and resistant cells that share one capacity"
days  = 1500

[outcomes]
progression_from = "start"

[mechanisms]
competition = {}

[arms]
continuous = []
"""


def main(out: Path) -> None:
    """Print the days of progression over cost and turnover, and draw the course without either."""
    scenario = backfire.parse(SCENARIO, "cost-of-resistance", mechanisms=[Competition])
    costs, turnovers = (0.0, 0.1, 0.3, 0.5), (0.0, 0.1, 0.25)
    samples = np.array([(cost, turnover) for cost in costs for turnover in turnovers])
    asked = ["time_to_progression", "day_above(resistant / burden, 0.5)"]
    found = backfire.run_members(scenario, ["cost", "turnover"], samples, outcomes=asked)
    values, observed = found.values["continuous"], found.observed["continuous"]
    print("cost  turnover  progression on day  half of it resistant on day")
    for row, (cost, turnover) in enumerate(samples):
        days = [f"{'' if observed[name][row] else '> '}{np.ceil(values[name][row]):g}" for name in asked]
        print(f"{cost:<5g} {turnover:<9g} {days[0]:<19s} {days[1]}")
    backfire.figures.comparison(backfire.simulate(scenario)).savefig(out / "cost-of-resistance.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
