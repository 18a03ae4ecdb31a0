"""The sampler against truth: volumes, means, sds and pieces of known regions, 5 to 40 dimensions; what articles cost it; and
members of populations judged again by the reference solver.

PYTHONPATH=tests python tests/benchmarks/populations.py [words of the regions wanted | names of articles | folders]
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import numpy as np

from backfire.claims import measure
from backfire.populations import Goal, load_population, read_population, sample_region
from backfire.populations.judging import judge_of, violation
from backfire.populations.sampler import Hopeful, pilot
from backfire.solvers import Settings
from known_regions import EVERY, Known

HEAD = "region | inputs | ln P true | ln P | error | 95 % | judged | R̂ | ESS | shift | sd ratio | piece true | pieces by run | seconds"


def row(name: str, known: Known) -> str:
    begun = time.process_time()
    sample = sample_region(known.judge, known.inputs, 1000, seed=1, goal=Goal(rounds=2))
    took = time.process_time() - begun
    points = sample.traces.reshape(-1, known.inputs)
    shift = np.abs((points.mean(axis=0) - known.mean) / known.sd).max()
    ratios = points.std(axis=0) / known.sd
    pieces = "–"
    if known.first_piece is not None:
        shares = [known.first_piece(run.reshape(-1, known.inputs)).mean() for run in sample.traces]
        pieces = " ".join(f"{share:.2f}" for share in shares)
    about = sample.diagnosis
    low, high = sample.share_interval
    return " | ".join(
        (
            name, f"{known.inputs}", f"{known.log_volume:.2f}", f"{math.log(sample.share):.2f}", f"{sample.log_share_error:.2f}",
            f"{math.log(low):.2f} to {math.log(high):.2f}",
            f"{sample.judged}", f"{about.worst_rhat:.3f}" if about else "–", f"{about.least_size:.0f}" if about else "–",
            f"{shift:.2f}", f"{ratios.min():.2f}–{ratios.max():.2f}", f"{known.first_share:.2f}", pieces, f"{took:.0f}",
        )
    )  # fmt: skip


COSTS = "article | inputs | judged | CPU s | judged / s | in simulation | worth | judged each | kind: share accepted, sd² moved by one judged"


def cost(article: str) -> str:
    """What a population of an article costs on one core, once its kernels are compiled, and what each kind of proposals brings."""
    spec = load_population(article)
    judge, inputs = judge_of(spec.topics, spec.space), len(spec.space.names)
    first = pilot(judge, inputs, 0)
    ordered = judge.ordered(first.violations, judge.costs(first.points[:64]))
    inside = 0.0

    def clocked(points: np.ndarray, hopeful: Hopeful | None) -> np.ndarray:
        nonlocal inside
        begun = time.process_time()
        violations = ordered(points, hopeful)
        inside += time.process_time() - begun
        return violations

    begun = time.process_time()
    sample = sample_region(clocked, inputs, first=first)
    took = time.process_time() - begun
    worth = sample.diagnosis.least_size if sample.diagnosis else len(sample.members)
    kinds = []
    for kind in sample.uses[0] if sample.uses else ():
        judged, accepted, moved = (
            sum(getattr(use[kind], what) for use in sample.uses) for what in ("judged", "accepted", "moved")
        )
        kinds.append(f"{kind}: {accepted / judged:.2f}, {moved / judged:.2f}")
    told = (article, inputs, sample.judged, f"{took:.0f}", f"{sample.judged / took:.0f}", f"{inside / took:.0%}")
    return " | ".join(map(str, (*told, f"{worth:.0f}", f"{sample.judged / worth:.0f}", "; ".join(kinds))))


def again(folder: Path) -> str:
    """A random hundred members of the population of an article by the reference solver: how many satisfy every claim of it."""
    tumours, _ = read_population(folder)
    spec = load_population(tumours.manifest["scenario"]["name"], form=tumours.manifest["form"] or None)
    chosen = np.random.default_rng(7).choice(len(tumours), min(100, len(tumours)), replace=False)
    worst: dict[str, np.ndarray] = {}
    for topic in spec.topics:
        refs = [ref for claim in topic.claims.values() for ref in claim.refs()]
        measured = measure(topic.scenario, refs, tumours.names, tumours.values[chosen], Settings())
        worst |= {name: violation(claim, measured) for name, claim in topic.claims.items()}
    whole = np.array([*worst.values()]) <= 0
    broken = ", ".join(f"{name} in {(~row).sum()}" for name, row in zip(worst, whole, strict=True) if not row.all())
    return f"{folder.name} | {len(worst)} claims | {whole.all(axis=0).sum()} of {len(chosen)} | {broken or '–'}"


if __name__ == "__main__":
    if folders := [Path(word) for word in sys.argv[1:] if Path(word, "members.parquet").is_file()]:
        for folder in folders:
            print(again(folder), flush=True)
        sys.exit()
    if articles := [word for word in sys.argv[1:] if "-" in word and word not in EVERY]:
        print(COSTS, flush=True)
        for article in articles:
            print(cost(article), flush=True)
        sys.exit()
    print(HEAD, flush=True)
    for name, case in EVERY.items():
        if not sys.argv[1:] or any(word in name for word in sys.argv[1:]):
            print(row(name, case()), flush=True)
