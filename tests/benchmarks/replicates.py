"""Do two populations of one article agree, and do their claims hold by another solver? Run it by hand.

python tests/benchmarks/replicates.py ONE OTHER [ONE OTHER …]    folders of populations, two seeds of each

For each pair the largest Kolmogorov-Smirnov distance over the inputs (by weight; wanted at most 0.08) and ln of the share of
the box (wanted within 0.3). For each folder a random hundred tumours are judged again by the reference solver: in how many
every calibrated claim holds, and by how much what does not is missed (ln; a margin below 0).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from backfire.claims import Verdict
from backfire.claims.measuring import evaluate_members
from backfire.populations import load_population, read_population
from backfire.sampling import PlausibleTumours
from backfire.solvers import Settings

JUDGED = 100


def distance(one: PlausibleTumours, other: PlausibleTumours, name: str) -> float:
    """The Kolmogorov-Smirnov distance of an input between two populations, by weight."""
    values = [item.values[:, item.names.index(name)] for item in (one, other)]
    every = np.sort(np.concatenate(values))
    below = []
    for item, column in zip((one, other), values, strict=True):
        order = np.argsort(column)
        reached = np.concatenate([[0.0], np.cumsum(item.weights[order])])
        below.append(reached[np.searchsorted(column[order], every, side="right")])
    return float(np.abs(below[0] - below[1]).max())


def judged_again(folder: Path | str, count: int = JUDGED, seed: int = 0) -> tuple[int, int, dict[str, list[float]]]:
    """(tumours judged, those in which every claim holds, margins of what does not hold by claim), by the reference solver."""
    tumours, scenario = read_population(folder)
    rng = np.random.default_rng(seed)
    members = tumours.values[rng.choice(len(tumours), min(count, len(tumours)), replace=False, p=tumours.weights)]
    whole, missed = np.ones(len(members), dtype=bool), dict[str, list[float]]()
    for topic in load_population(Path(folder) / "population.toml").topics:
        assert scenario.hash in (topic.scenario.hash, topic.hash)
        found = evaluate_members(topic.scenario, topic.claims, tumours.names, members, Settings())
        for name, item in found.items():
            holds = item.judged.having(Verdict.HOLDS)
            whole &= holds
            if not holds.all():
                missed[name] = sorted(item.judged.margins[~holds].tolist())
    return len(members), int(whole.sum()), missed


def main(folders: list[str]) -> None:
    print("article | inputs | largest KS | in | beyond 0.08 | ln P | apart | worth | R̂", flush=True)
    for place in range(0, len(folders) - 1, 2):
        (one, _), (other, _) = pair = [read_population(folder) for folder in folders[place : place + 2]]
        found = {name: distance(one, other, name) for name in one.names}
        worst = max(found, key=lambda name: found[name])
        shares = [item.manifest["ln_share"] for item, _ in pair]
        print(
            f"{one.manifest['name']} | {len(found)} | {found[worst]:.3f} | {worst} | {sum(value > 0.08 for value in found.values())}"
            f" | {shares[0]:.2f} and {shares[1]:.2f} | {abs(shares[0] - shares[1]):.2f}"
            f" | {one.mixed:.0f} and {other.mixed:.0f} | {max(item.manifest['worst_rhat'] for item, _ in pair):.3f}",
            flush=True,
        )
    print("\nfolder | judged | every claim holds | missed: claim (tumours, margin at worst)", flush=True)
    for folder in folders:
        count, whole, missed = judged_again(folder)
        words = "; ".join(f"{name} ({len(margins)}, {margins[0]:.2g})" for name, margins in missed.items())
        print(f"{folder} | {count} | {whole} | {words or '–'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
