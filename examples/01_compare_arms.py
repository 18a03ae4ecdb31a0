"""Run a shipped scenario, print its outcomes as a table, and save the comparison as a figure."""

import sys
from pathlib import Path

import backfire

out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

scenario = backfire.load("wnt16b-stroma")
result = backfire.simulate(scenario)

table = result.table().pivot(index="outcome", columns="arm", values="value")
print(table.loc[["smallest_share", "time_to_progression", "log_kill_first", "log_kill_last"], ["monotherapy", "combination"]])

backfire.figures.comparison(result).savefig(out / "wnt16b-stroma.png")
