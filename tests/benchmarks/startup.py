"""Start-up times as ratios to bare Python processes, measured interleaved: ``python tests/benchmarks/startup.py [rounds]``.

Marks: ``backfire --help`` under 0.4 × ``import scipy.integrate``; a cold ``backfire run wnt16b-stroma`` under 2 × a process
that imports scipy.integrate, pandas, pydantic and matplotlib.figure and saves an empty figure. "Cold" is a new process;
the run is measured with an empty cache of generated models too.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import scipy.integrate, pandas, pydantic, matplotlib.figure
matplotlib.figure.Figure().savefig(__import__("sys").argv[1])
"""


def seconds(command: list[str], environment: dict[str, str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - begin


def main(rounds: int) -> None:
    program = str(Path(sys.executable).parent / "backfire")
    with tempfile.TemporaryDirectory() as folder:
        warm = {**os.environ, "BACKFIRE_CACHE": f"{folder}/cache"}
        run = [program, "run", "wnt16b-stroma", "--out", f"{folder}/out"]
        jobs = {
            "import scipy.integrate": lambda _: ([sys.executable, "-c", "import scipy.integrate"], warm),
            "backfire --help": lambda _: ([program, "--help"], warm),
            "bare process with an empty figure": lambda _: ([sys.executable, "-c", BARE, f"{folder}/empty.png"], warm),
            "backfire run wnt16b-stroma": lambda _: (run, warm),
            "the same, empty model cache": lambda n: (run, {**warm, "BACKFIRE_CACHE": f"{folder}/cache-{n}"}),
        }
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for number in range(rounds + 1):
            for name, job in jobs.items():
                taken = seconds(*job(number))
                if number:  # the first round fills the file cache of the machine
                    times[name].append(taken)
    median = {name: statistics.median(taken) for name, taken in times.items()}
    for name, taken in median.items():
        print(f"{name:36s} {taken:6.2f} s")
    bare = median["bare process with an empty figure"]
    print(
        f"--help / import scipy.integrate      {median['backfire --help'] / median['import scipy.integrate']:6.2f}   (mark 0.4)"
    )
    print(f"run / bare                           {median['backfire run wnt16b-stroma'] / bare:6.2f}   (mark 2)")
    print(f"run with empty model cache / bare    {median['the same, empty model cache'] / bare:6.2f}   (mark 2)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
