"""Which parameter decides: Sobol over a box, and Borgonovo's δ of the same question from any sample."""

import sys
from dataclasses import replace
from pathlib import Path

import backfire
from backfire.studies import Means, load_sensitivity, study_figures

out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
spec = load_sensitivity("wnt16b-stroma")
sobol = backfire.sensitivity(replace(spec, tumours=replace(spec.tumours, number=256)), means=Means(workers=0))
members = replace(spec, method="given", tumours=replace(spec.tumours, number=1000))
given = backfire.sensitivity(members, means=Means(workers=0))
(by_variance,), (by_distribution,) = sobol.rankings, given.rankings
print(f"{'input':32s} total (Sobol)   δ")
for name in list(by_variance.indices)[:6]:
    total, delta = by_variance.indices[name][1], by_distribution.indices[name][0]
    print(
        f"{name:32s} {total.estimate.value:13.2f}   {delta.estimate.value:.2f}{'' if delta.told else ' (not told from nothing)'}"
    )
for name, figure in study_figures(sobol):
    figure.savefig(out / f"{name}.png")
