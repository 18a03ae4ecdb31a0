"""A published model of competition: a drug that never stops, and one that pauses, over the cost of resistance and turnover.

Strobl and others 2021, Cancer Research 81:1135. Sensitive and resistant cells share one capacity; the drug kills dividing
cells; progression is 1.2 times the burden at the start. Adaptive therapy looks at the tumour every day: the drug is off from
below half of the burden at the start until it is all of it again. Their table gives the whole days of progression.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import backfire
from backfire import Intervention, Parameter, Process, State


@dataclass(frozen=True)
class Competition(backfire.Mechanism):
    """Two clones under a drug: S' = r(1 - (S + R))(1 - 3/2 D)S - d S, R' = (1 - c) r (1 - (S + R)) R - d R, d = turnover · r."""

    label = "competition"

    def parts(self) -> Iterator[backfire.Part]:
        about = {"source": "Strobl 2021", "grade": "paper"}
        yield State("sensitive", "1", "sensitive cells, as a share of the capacity", "sensitive_start", counts_in="burden")
        yield State("resistant", "1", "resistant cells, as a share of the capacity", "resistant_start", counts_in="burden")
        yield State("drug_level", "1", "the drug, where it is on")
        yield Parameter("sensitive_start", 0.24975, "1", "sensitive cells at the start", range=(0.0, 1.0), **about)
        yield Parameter("resistant_start", 0.00025, "1", "resistant cells at the start", range=(0.0, 1.0), **about)
        yield Parameter("division_rate", 0.027, "1/day", "divisions of sensitive cells", range=(0.01, 0.1), **about)
        yield Parameter("cost", 0.0, "1", "slower division of resistant cells", range=(0.0, 1.0), **about)
        yield Parameter("turnover", 0.0, "1", "deaths per division", range=(0.0, 1.0), **about)
        room = "division_rate * (1 - sensitive - resistant)"
        yield Process("growth", "growth", f"{room} * sensitive", "division", enters="sensitive")
        yield Process("kill", "kill", f"1.5 * drug_level * {room} * sensitive", "death of dividing cells", leaves="sensitive")
        yield Process("growing", "growth", f"(1 - cost) * {room} * resistant", "division", enters="resistant")
        yield Process("dying", "death", "turnover * division_rate * sensitive", "turnover", leaves="sensitive")
        yield Process("dying_too", "death", "turnover * division_rate * resistant", "turnover", leaves="resistant")
        yield Intervention("drug", "the drug is on", switches="drug_level")


SCENARIO = """
title = "A drug that never stops, or one that pauses, against sensitive and resistant cells that share one capacity"
days  = 2000

[outcomes]
progression_from = "start"

[mechanisms]
competition = {}

[rules]
half = { visit_every = 1, stop_below = 0.5, resume_above = 1.0 }  # shares of the burden at the start

[regimens]
always = { agent = "drug", start = 0, until = 2000 }
paused = { agent = "drug", start = 0, until = 2000, rules = ["half"] }

[arms]
continuous = ["always"]
adaptive   = ["paused"]
"""
TABLE = (
    (0.25, 0.001, 0.0, 0.0), (0.75, 0.001, 0.0, 0.0), (0.75, 0.001, 0.5, 0.0),
    (0.5, 0.001, 0.0, 0.25), (0.5, 0.001, 0.3, 0.25), (0.25, 0.001, 0.5, 0.25),
)  # fmt: skip
"""Burden at the start, resistant share of it, cost and turnover of six tumours of the article."""
NAMES = ["sensitive_start", "resistant_start", "cost", "turnover"]


def days_to_progression(tumours: np.ndarray) -> dict[str, list[str]]:
    """Whole days to progression by arm, for rows of start, resistant share, cost and turnover, in one run."""
    scenario = backfire.parse(SCENARIO, "cost-of-resistance", mechanisms=[Competition])
    size, share, *rest = tumours.T
    samples = np.column_stack([size * (1 - share), size * share, *rest])
    found = backfire.run_members(scenario, NAMES, samples, outcomes=["time_to_progression"])
    told = {}
    for arm in found.arms:
        days, seen = np.ceil(found.values[arm]["time_to_progression"]), found.observed[arm]["time_to_progression"]
        told[arm] = [f"{day:g}" if reached else f"> {day:g}" for day, reached in zip(days, seen, strict=True)]
    return told


def main(out: Path) -> None:
    """Print the article's six tumours, what pausing gains over cost and turnover, and draw the first tumour."""
    days = days_to_progression(np.array(TABLE))
    print("start  resistant  cost  turnover  continuous  adaptive")
    for row, tumour in enumerate(TABLE):
        print("{:<6g} {:<10g} {:<5g} {:<9g}".format(*tumour), f"{days['continuous'][row]:<11s} {days['adaptive'][row]}")
    costs, turnovers = (0.0, 0.1, 0.3, 0.5), (0.0, 0.1, 0.25)
    grid = np.array([(0.5, 0.001, cost, turnover) for cost in costs for turnover in turnovers])
    days = days_to_progression(grid)
    print("\nDays to progression from half of the capacity, continuous → adaptive")
    print("cost", *(f"turnover {turnover:<8g}" for turnover in turnovers), sep="  ")
    told = [f"{one} → {two}" for one, two in zip(days["continuous"], days["adaptive"], strict=True)]
    for row, cost in enumerate(costs):
        print(f"{cost:<4g}", *(f"{text:<17s}" for text in told[3 * row : 3 * row + 3]), sep="  ")
    scenario = backfire.parse(SCENARIO, "cost-of-resistance", mechanisms=[Competition])
    tumour = scenario.changed({"sensitive_start": 0.4995, "resistant_start": 0.0005, "cost": 0.3, "turnover": 0.25})
    backfire.figures.comparison(backfire.simulate(tumour)).savefig(out / "cost-of-resistance.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
