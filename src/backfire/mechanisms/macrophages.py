"""Drug-activated macrophages and their factor (A0)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Mechanism, Parameter, Part, ResponseForm, State, excess, option, promotes, protects, renewing, trigger


@dataclass(frozen=True)
class Macrophages(Mechanism):
    """The drug calls up pro-inflammatory macrophages, whose factor feeds, protects and spreads the tumour.

    dM/dt = m·(1 + r·R - M)        dF/dt = c·(M·(1 + a·R) - F)        R = host response to the drug
    M and F are fold over the untreated level. The trigger is the host's answer to the drug itself: it needs neither a
    tumour nor damage to healthy tissue. Beyond the level of 1, the excess F - 1 acts on growth, kill, seeding and
    outgrowth, each with its own coefficient. Beyar-Katz 2016 (A0), where IL-16 carries part of the effect.
    """

    label = "macrophages"

    factor: str = option("the factor that the macrophages secrete", example="il16")
    activated_by: tuple[str, ...] = option("the agents that call them up", example=("bortezomib",))
    response: ResponseForm = option("form of the host response", default="saturating", example="saturating")

    def parts(self) -> Iterator[Part]:
        factor = self.factor
        yield from trigger("macrophage_response", self.activated_by, self.response, half=0.3)
        yield Parameter(
            "macrophage_turnover_rate", 0.25, "1/day", "turnover of marrow macrophages",
            range=(0.07, 0.33), source="macrophages live 3-14 days", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            "macrophage_recruitment", 0.5, "1", "relative rise of macrophages at the full host response",
            range=(0.2, 1.5), source="Beyar-Katz 2016: about +40 % macrophages in treated mice", grade="paper",
        )  # fmt: skip
        yield Parameter(
            f"{factor}_activation", 3.5, "1", f"relative rise of {factor} secretion per macrophage at the full response",
            range=(1.0, 15.0), source="assumed: several-fold, surge within a day", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            f"{factor}_clearance_rate", 1.5, "1/day", f"clearance of {factor}",
            range=(0.5, 6.0), source="surge within 4-24 h, gone by 3-7 days", grade="recalled",
        )  # fmt: skip
        yield from renewing(
            State("macrophages", "fold", "marrow macrophages over their untreated level", 1.0),
            level="fold * (1 + macrophage_recruitment * macrophage_response)",
            rate="macrophage_turnover_rate",
        )
        yield from renewing(
            State(factor, "fold", f"level of {factor} over its untreated level", 1.0),
            level=f"macrophages * (1 + {factor}_activation * macrophage_response)",
            rate=f"{factor}_clearance_rate",
        )
        yield excess(factor)
        yield from protects(factor, 5.0, "Beyar-Katz 2016: macrophages confer resistance; size assumed", "assumed", (0.5, 20.0))
        yield from promotes(
            factor, "growth", 0.3, 2.0, "Beyar-Katz 2016: the factor feeds proliferation; size assumed", "assumed", (0.1, 3.0)
        )
        yield from promotes(factor, "seeding", 12.0, 2.0, "Beyar-Katz 2016: more spread; size assumed", "assumed", (0.5, 20.0))
        yield from promotes(
            factor, "outgrowth", 0.35, 2.0, "Beyar-Katz 2016: more aggressive; size assumed", "assumed", (0.05, 1.0)
        )
