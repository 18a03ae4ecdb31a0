"""Write a mechanism of your own, compose it with shipped ones, simulate and draw.

Radiation kills by the linear-quadratic law at the moment of each fraction, in proportion to what it leaves:
survival = exp(-α·d - β·d²), with d in Gy. Its doses are given like those of any agent.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import backfire
from backfire import Intervention, Parameter


@dataclass(frozen=True)
class Radiotherapy(backfire.Mechanism):
    """Fractions of radiation kill by the linear-quadratic law: A ← A·exp(-α·d - β·d²)."""

    label = "radiotherapy"

    def parts(self) -> Iterator[backfire.Part]:
        recalled = {"source": "typical α/β of 10 for tumours", "grade": "recalled"}
        yield Parameter("alpha", 0.3, "1", "kill per Gy of a fraction (α)", range=(0.05, 1.0), **recalled)
        yield Parameter("beta", 0.03, "1", "kill per squared Gy of a fraction (β)", range=(0.005, 0.1), **recalled)
        yield Intervention(
            "radiation", "one fraction", amount_unit="1", multiplies={"active": "exp(-alpha * amount - beta * amount ** 2)"}
        )


SCENARIO = """
title = "Radiation and chemotherapy against a tumour that grows logistically"
days  = 80

[mechanisms]
growth       = { law = "logistic" }
pharmacology = { agents = ["cisplatin"] }
kill         = { by = ["cisplatin"] }
radiotherapy = {}

[regimens]
cisplatin = { amount = 2.0, start = 14, every = 7, count = 4 }
radiation = { amount = 2.0, start = 14, every = 1, count = 5, cycles = 4, cycle_length = 7 }

[arms]
untreated   = []
monotherapy = ["cisplatin"]
radiation   = ["radiation"]
combination = ["cisplatin", "radiation"]
"""

out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
result = backfire.simulate(backfire.parse(SCENARIO, "radiotherapy", mechanisms=[Radiotherapy]))
for arm, outcomes in result.outcomes.items():
    print(f"{arm:12s} nadir {outcomes['nadir'].value:9.3g} cells, eradicated: {bool(outcomes['eradicated'].value)}")
backfire.figures.comparison(result).savefig(out / "radiotherapy.png")
