"""Hand a model to other tools: SBML and Antimony of one arm, and an archive of all arms with a plan to run them."""

import sys
from pathlib import Path

import backfire

out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
scenario = backfire.load("wnt16b-stroma")

text = backfire.export(scenario, arm="combination", to="antimony", out=out / "combination.ant")
print("\n".join(line for line in text.splitlines() if line.startswith(("  kill", "  effect__stroma", "  treatment__day_14"))))

for form, name in (("sbml", "combination.xml"), ("omex", "wnt16b-stroma.omex")):
    backfire.export(scenario, arm="combination" if form == "sbml" else None, to=form, out=out / name)
    print(f"{name}: {(out / name).stat().st_size / 1024:.0f} kB")
