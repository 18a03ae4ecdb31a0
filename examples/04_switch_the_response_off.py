"""Ablation is a parameter: switch single influences of the host off and see what each one costs the host."""

import backfire

scenario = backfire.load("all-together")
host = [name for name in scenario.switches if not name.startswith("block")]
print(f"{'switched off':44s} survival (days)   metastases (cells)")
for name in [None, *host]:
    changed = scenario if name is None else scenario.changed({name: 0.0})
    outcomes = backfire.simulate(changed, arms=["monotherapy"]).outcomes["monotherapy"]
    survival, spread = outcomes["survival_time"], outcomes["metastatic_burden"]
    print(f"{name or 'nothing':44s} {'  ' if survival.observed else '> '}{survival.value:11.1f} {spread.value:18.3g}")
