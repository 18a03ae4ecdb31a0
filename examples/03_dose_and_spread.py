"""The trade-off of the bortezomib scenario: spread against dose has a maximum; blocking IL-16 lowers it."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import backfire

out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
scenario = backfire.load("bortezomib-macrophages")
doses = np.geomspace(0.02, 20.0, 13)

spread: dict[str, list[float]] = {"monotherapy": [], "combination": []}
for dose in doses:
    result = backfire.simulate(scenario.changed({"bortezomib.amount": float(dose)}), arms=spread)
    for arm, values in spread.items():
        values.append(result.outcomes[arm]["metastatic_burden"].value)

untreated = backfire.simulate(scenario, arms=["untreated"]).outcomes["untreated"]["metastatic_burden"].value
worst = doses[int(np.argmax(spread["monotherapy"]))]
print(f"untreated {untreated:.3g} cells; the worst dose is {worst:.2g} EC50 with {max(spread['monotherapy']):.3g} cells")

figure = Figure(figsize=(7, 4.5), layout="constrained")
axes = figure.add_subplot()
axes.axhline(untreated, color="#6b6b6b", label="untreated")
axes.loglog(doses, spread["monotherapy"], color="#D55E00", label="bortezomib")
axes.loglog(doses, spread["combination"], color="#0072B2", linestyle="--", label="bortezomib + anti-IL-16")
axes.set_xlabel("dose of bortezomib (EC50)")
axes.set_ylabel("metastases at the end (cells)")
axes.set_title("Illustrative, not clinically calibrated", fontsize=9, loc="right")
axes.legend(frameon=False)
figure.savefig(out / "dose-and-spread.png", dpi=120)
