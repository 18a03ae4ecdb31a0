"""The sampler against truth: volumes, means, sds and pieces of known regions, 5 to 40 dimensions. Run it by hand.

PYTHONPATH=tests python tests/benchmarks/populations.py [words of the regions wanted]
"""

from __future__ import annotations

import math
import sys
import time

import numpy as np

from backfire.populations import Goal, sample_region
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


if __name__ == "__main__":
    print(HEAD, flush=True)
    for name, case in EVERY.items():
        if not sys.argv[1:] or any(word in name for word in sys.argv[1:]):
            print(row(name, case()), flush=True)
