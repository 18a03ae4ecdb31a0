"""Inflammation of the host after an insult that is no drug: a wound, an infection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Intervention, Mechanism, Parameter, Part, Process, State, excess, option, renewing


@dataclass(frozen=True)
class Inflammation(Mechanism):
    """An insult, such as the wound of an operation or an infection, raises an inflammatory factor until it has healed.

    dJ/dt = insults - h·J        dF/dt = c·(1 + r·J/(1 + J) - F)
    J what has not healed yet, in units of the insult with half the largest effect; F the factor as fold over the
    undisturbed level. It does nothing to a tumour by itself: other mechanisms read its excess. Surgery and inflammation
    of the lung wake dormant cells in mice (recalled); no article of ours.
    """

    label = "inflammation"

    cause: str = option("the insult, which a regimen of this name gives", default="insult", example="insult")
    factor: str = option("the factor that rises", default="inflammation", example="inflammation")

    def parts(self) -> Iterator[Part]:
        cause, factor = self.cause, self.factor
        yield Parameter(
            f"{cause}_healing_rate", 0.15, "1/day", f"rate at which the {cause} heals",
            range=(0.05, 0.5), source="recalled: wounds and infections inflame for one to three weeks", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            f"{factor}_rise", 6.0, "1", f"largest relative rise of {factor}",
            range=(1.0, 30.0), source="assumed: several-fold", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            f"{factor}_clearance_rate", 1.0, "1/day", f"rate at which {factor} follows the {cause}",
            range=(0.3, 6.0), source="assumed: within a day", grade="assumed",
        )  # fmt: skip
        yield State(cause, "1", f"what of the {cause} has not healed")
        yield Process(
            f"{cause}_healing",
            kind="healing",
            leaves=cause,
            rate=f"{cause}_healing_rate * {cause}",
            meaning=f"healing of the {cause}",
        )
        yield from renewing(
            State(factor, "fold", f"{factor} over its undisturbed level", 1.0),
            level=f"fold * (1 + {factor}_rise * {cause} / (1 + {cause}))",
            rate=f"{factor}_clearance_rate",
        )
        yield excess(factor)
        yield Intervention(cause, f"an {cause}", amount_unit="1", adds={cause: "amount"})
