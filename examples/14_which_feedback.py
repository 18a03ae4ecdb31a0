"""Which feedback carries the relapse: all subsets of two influences switched off in a hundred tumours, shared out by Shapley."""

import sys
from pathlib import Path

import backfire
from backfire.studies import Means, load_ablation, study_figures

out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
found = backfire.ablation(load_ablation("wnt16b-stroma"), means=Means(workers=0))
for blame in found.blames:
    print(f"{blame.arm}: {blame.whole.value:.2f} decades more tumour with all feedbacks on than with none")
    for name, part in blame.percent.items():
        print(f"  {name:16s} {part.value:3.0f} % ({part.low:.0f} to {part.high:.0f})")
for name, figure in study_figures(found):
    figure.savefig(out / f"{name}.png")
