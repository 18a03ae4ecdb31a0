"""A virtual trial, and "about nine in ten become resistant under treatment" asked of two cohorts of tumours.

Resistant means here: the last of four courses kills less than half as much, in decades, as the first. That the share depends on
the cohort more than on the model is the answer: a sentence on patients is a sentence on which patients.

When a tumour has progressed hangs on who looks: the model on the very day, in cells; clinicians at visits, on a diameter, and
confirmed at the next. The figure `trial-progression.png` has both beside each other.
"""

import sys
from pathlib import Path

import backfire
from backfire.sampling import Space
from backfire.studies import Means, TrialSpec, Tumours
from backfire.studies.statistics import share
from backfire.studies.trials import delay_lines

out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
scenario = backfire.load("wnt16b-stroma")
inputs = list(scenario.inputs.values())
cohorts = {"half to double of the scenario": Space.box(inputs, 2), "plausible ranges": Space.plausible(inputs)}
print(f"{'cohort':32s} become resistant under chemotherapy (95 %)")
for name, space in cohorts.items():
    tumours = Tumours(512, space=space)
    found = backfire.run_members(scenario, tumours.names, tumours.draw(), ["monotherapy"], ["log_kill_first", "log_kill_last"])
    first, last = (found.values["monotherapy"][outcome] for outcome in ("log_kill_first", "log_kill_last"))
    part = share(int((last < 0.5 * first).sum()), len(first))
    print(f"{name:32s} {part.value:.0%} ({part.low:.0%} to {part.high:.0%})")

arms = ("monotherapy", "combination")
tumours = Tumours(200, space=cohorts["half to double of the scenario"])
spec = TrialSpec(
    "resistance", "Does blocking WNT16B pay?", scenario, tumours, arms, follow_up=90, accrual=14, dropout=0.1, visits=7
)
trial = backfire.trial(spec, means=Means(workers=0))
(compared,) = trial.comparisons
gaining, harmed = compared.gains.shares()
print(f"\ngain {compared.gains.mean.value:.1f} days ({compared.gains.mean.low:.1f} to {compared.gains.mean.high:.1f})", end=", ")
print(f"{gaining.value:.0%} gain, {harmed.value:.0%} are harmed")
print("\nProgression as clinicians see it, after the model's own (median, 95 %):", *delay_lines(trial), sep="\n")
for name, figure in backfire.studies.study_figures(trial):
    figure.savefig(out / f"trial-{name}.png")
