"""What rules cost a sweep, against the same schedule without them; run by hand: ``python tests/benchmarks/rules.py``.

Daily visits, by rules that never act and by rules that change the dose, which measure a state, a ratio of two sums of states, or an
observable; in a model of two states over 2,000 days and in two articles' scenarios. All kinds are run by turns, on one core; printed are
the median time and the median ratio to the run without rules. Wanted: at most 1.5.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

import backfire
from backfire import Scenario
from backfire.simulation import run_members

MEMBERS, ROUNDS, SPREAD = 512, 7, 0.1
ARTICLES = Path(__file__).parents[2] / "configs" / "scenarios"
SMALL = """
title = "Visits"
days = 2000
[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }
[regimens]
drug = { amount = 1.0, start = 0, every = 14, count = 140 }
[arms]
combination = ["drug"]
"""
NEVER, LAST = (
    "of = 'level'\nstop_above = 1e30",
    "of = 'last'\nraise_above = 3\nlower_below = 0.2\nby = 1.5\nleast = 0.25\nmost = 4",
)
KINDS = {
    "none": [],
    "state, never acts": [f"measure = 'burden'\n{NEVER}"],
    "two of them": [f"measure = 'burden'\n{NEVER}", "of = 'nadir'\nstop_above = 1e30"],
    "state, against the visit before": [f"measure = 'burden'\n{LAST}"],
    "ratio, never acts": [f"measure = 'DRUG / burden'\n{NEVER}"],
    "ratio, against the visit before": [f"measure = 'DRUG / burden'\n{LAST}"],
    "observable, never acts": [f"measure = 'proliferation_rate'\n{NEVER}"],
    "two observables, never act": [f"measure = 'growth / burden'\n{NEVER}", f"measure = 'effect_DRUG / burden'\n{NEVER}"],
}
"""Rules that decide on the doses of a drug, with daily visits."""


def scenario(text: str, drug: str, rules: list[str]) -> Scenario:
    """A scenario in whose text rules decide on the doses of a drug."""
    head, line, rest = text.partition(f"\n{drug} ")
    regimen, end, rest = rest.partition(" }")
    names = [f"rule_{place}" for place in range(len(rules))]
    tables = [f"[rules.{name}]\nvisit_every = 1\n{rule}\n" for name, rule in zip(names, rules, strict=True)]
    told = f", rules = {names}" if rules else ""
    return backfire.parse(f"{head}{line}{regimen}{told}{end}{rest}\n" + "".join(tables).replace("DRUG", drug), "visits")


def measure(title: str, text: str, drug: str, outcomes: list[str] | None) -> None:
    """Every kind of rules in one scenario, by turns."""
    made = {kind: scenario(text, drug, rules) for kind, rules in KINDS.items()}
    samples = np.exp(SPREAD * np.random.default_rng(0).standard_normal((MEMBERS, 1))) * made["none"].values["growth_rate"]
    times: dict[str, list[float]] = {kind: [] for kind in made}
    steps = {}
    for _ in range(ROUNDS + 1):
        for kind, of in made.items():
            before = time.process_time()
            done = run_members(of, ["growth_rate"], samples, ["combination"], outcomes)
            times[kind].append(time.process_time() - before)
            steps[kind] = done.steps.mean()
    for kind, spent in times.items():
        pairs = list(zip(spent, times["none"], strict=True))[1:]  # the first compiles
        ratio = statistics.median(one / plain for one, plain in pairs)
        micro = statistics.median(one for one, _ in pairs) / MEMBERS * 1e6
        print(f"{title:34s} {kind:34s} {micro:7.1f} µs a member, {steps[kind]:5.0f} steps, {ratio:.2f}", flush=True)


def main() -> None:
    """Measure all of them."""
    for name, outcomes in (("final burden", ["final_burden"]), ("all outcomes", None)):
        measure(f"small, {name}", SMALL, "drug", outcomes)
        for article, drug in (("wnt16b-stroma", "mitoxantrone"), ("hibernation-rigi", "rigi_agonist")):
            measure(f"{article}, {name}", (ARTICLES / f"{article}.toml").read_text(encoding="utf-8"), drug, outcomes)


if __name__ == "__main__":
    main()
