"""How long studies take on one core, after start-up and compiling: ``python tests/benchmarks/studies.py``.

A trial of 500 patients in four arms with all its figures and tables; all subsets of eight switches over 200 tumours; Sobol
indices of 20 inputs from 1,024 base samples. Each stored on disk as the command does it; printed with the rate.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

from backfire import studies
from backfire.studies import Means

TRIAL = """
title = "Five hundred patients, four arms"
scenario = "wnt16b-stroma"
endpoints = ["progression"]
follow_up = 90
accrual = 14
dropout = 0.1
visits = 7
[tumours]
number = {number}
within = 2
"""
ABLATION = """
title = "All subsets of eight switches"
scenario = "all-together"
arms = ["monotherapy"]
outcomes = ["final_burden"]
[tumours]
number = {number}
within = 2
[feedbacks]
a = ["stroma.protects_kill"]
b = ["stroma.promotes_growth"]
c = ["macrophages.protects_kill"]
d = ["macrophages.promotes_growth"]
e = ["bypass.protects_kill"]
f = ["bypass.restores_growth"]
g = ["hibernation.drugs_drive"]
h = ["exosomes.promotes_seeding"]
"""
SENSITIVITY = """
title = "Twenty inputs"
scenario = "wnt16b-stroma"
arms = ["monotherapy"]
outcomes = ["final_burden"]
method = "sobol"
[tumours]
number = {number}
[tumours.vary]
"""


def measure(name: str, run: Callable[[int, str], object], small: int, number: int, simulations: int) -> None:
    """Run once small, to start up and compile, then in earnest."""
    with tempfile.TemporaryDirectory() as folder:
        run(small, os.path.join(folder, "small"))
        before, cpu = time.perf_counter(), time.process_time()
        made = run(number, os.path.join(folder, "whole"))
        figures = list(studies.draw_study(made))  # type: ignore[arg-type]
        wall, spent = time.perf_counter() - before, time.process_time() - cpu
    print(
        f"{name:28s} {wall:6.1f} s ({spent:.1f} s of the core), {len(figures)} figures, {simulations / spent:8.0f} simulations a second"
    )


def main() -> None:
    """Measure all three."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    here = Means(workers=0)
    inputs = list(studies.load_sensitivity("wnt16b-stroma").tumours.names)[:20]
    vary = SENSITIVITY + "".join(f"{name} = {{}}\n" for name in inputs)

    def trial(number: int, out: str) -> object:
        return studies.trial(studies.parse_trial(TRIAL.format(number=number)), out, here)

    def ablation(number: int, out: str) -> object:
        return studies.ablation(studies.parse_ablation(ABLATION.format(number=number)), out, here)

    def sensitivity(number: int, out: str) -> object:
        return studies.sensitivity(studies.parse_sensitivity(vary.replace("{number}", str(number))), out, here)

    measure("trial, 500 × 4 arms", trial, 10, 500, 500 * 4)
    measure("ablation, 2^8 × 200", ablation, 1, 200, 256 * 200)
    measure("Sobol, 20 inputs, n = 1,024", sensitivity, 8, 1024, 1024 * 22)


if __name__ == "__main__":
    main()
