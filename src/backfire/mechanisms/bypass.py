"""The JAK2/STAT5 bypass of a blocked PI3K pathway (A4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Definition, Influence, Mechanism, Parameter, Part, Process, State, excess, option, promotes, renewing


@dataclass(frozen=True)
class Bypass(Mechanism):
    """A blocked pathway releases a second one, which a secreted factor amplifies in a loop.

    dJ/dt = j·(1 + r·E + l·I⁺/(I½ + I⁺) - J)      dI/dt = i·(1 + s·J⁺ - I)
    D = J⁺/(J½ + J⁺)      dW/dt = w·D·(1 - W) - v·W      inhibition × (1 - W·D)      kill × (1 - W·D)
    J signal and I factor as fold over untreated, J⁺ and I⁺ what of the excess is not blocked, E the effect of the
    inhibitor on its pathway, W the share of growth and survival rewired to the second pathway, D its push now. W grows
    over weeks, which is why the inhibitor works first and fails later; it acts only while the signal lasts. The signal
    also promotes spread. ``cytostasis`` brings the inhibition of growth, ``kill`` the kill. Britschgi 2012 (A4).
    """

    label = "bypass"

    inhibitor: str = option("the inhibitor of the first pathway", example="pi3k_inhibitor")
    signal: str = option("the second pathway", default="jak2_stat5", example="jak2_stat5")
    factor: str = option("the factor that closes the loop", default="il8", example="il8")

    def parts(self) -> Iterator[Part]:
        signal, factor, inhibitor = self.signal, self.factor, self.inhibitor
        yield from _rates(signal, factor)
        yield from renewing(
            State(signal, "fold", f"{signal} activity over its untreated level", 1.0),
            level=f"fold * (1 + {signal}_release * effect_{inhibitor} + {signal}_loop * excess_{factor}"
            f" / ({factor}_half_effect + excess_{factor}))",
            rate=f"{signal}_turnover_rate",
        )
        yield excess(signal)
        yield from renewing(
            State(factor, "fold", f"level of {factor} over its untreated level", 1.0),
            level=f"fold + {factor}_secretion * excess_{signal}",
            rate=f"{factor}_clearance_rate",
        )
        yield excess(factor)
        yield State("rewired", "1", f"share of growth that depends on {signal} instead")
        yield Definition(
            "rewiring_drive", f"excess_{signal} / ({signal}_rewiring_half + excess_{signal})", "1",
            f"push of {signal} towards rewired growth",
        )  # fmt: skip
        yield Process(
            "rewiring", kind="rewiring", enters="rewired", rate="rewiring_rate * rewiring_drive * (1 - rewired)",
            meaning=f"growth comes to depend on {signal}",
        )  # fmt: skip
        yield Process(
            "reverting", kind="reverting", leaves="rewired", rate="reverting_rate * rewired",
            meaning="growth returns to the first pathway",
        )  # fmt: skip
        yield Definition(
            "bypassed", "rewired * rewiring_drive", "1", f"share of growth and survival that {signal} sustains at the moment"
        )
        yield Influence(
            "restores_growth", on=f"inhibition_by_{inhibitor}", factor="1 - bypassed",
            meaning=f"{signal} sustains growth in spite of {inhibitor}",
        )  # fmt: skip
        yield Influence(
            "protects_kill", on="kill", factor="1 - bypassed", optional=True, meaning=f"{signal} protects tumour cells from kill"
        )
        yield from promotes(
            signal, "seeding", 8.0, 1.5, "Britschgi 2012: the pathway drives spread; size assumed", "assumed", (0.5, 25.0)
        )
        yield from promotes(signal, "outgrowth", 0.3, 1.5, "Britschgi 2012: metastases; size assumed", "assumed", (0.05, 2.0))


def _rates(signal: str, factor: str) -> Iterator[Part]:
    yield Parameter(
        f"{signal}_release", 1.0, "1", f"relative rise of {signal} when the first pathway is fully blocked",
        range=(0.3, 3.0), source="2-5-fold with the loop", grade="recalled",
    )  # fmt: skip
    yield Parameter(
        f"{signal}_loop", 1.5, "1", f"largest further rise of {signal} through {factor}",
        range=(0.0, 4.0), source="a positive loop; 2-5-fold in all", grade="recalled",
    )  # fmt: skip
    yield Parameter(
        f"{signal}_turnover_rate", 3.0, "1/day", f"rate at which {signal} activity follows its drive",
        range=(1.0, 8.0), source="feedback within 4-24 h", grade="recalled",
    )  # fmt: skip
    yield Parameter(
        f"{factor}_half_effect", 2.0, "fold", f"excess of {factor} with half its effect on {signal}",
        range=(0.4, 10.0), source="assumed: within the excess that is seen", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        f"{factor}_secretion", 1.2, "1", f"rise of {factor} per excess of {signal}",
        range=(0.3, 3.0), source="2-5-fold", grade="recalled",
    )  # fmt: skip
    yield Parameter(
        f"{factor}_clearance_rate", 3.0, "1/day", f"clearance of {factor}",
        range=(1.0, 12.0), source="feedback within 4-24 h", grade="recalled",
    )  # fmt: skip
    yield Parameter(
        f"{signal}_rewiring_half", 0.3, "fold", f"excess of {signal} with half its push towards rewiring",
        range=(0.05, 2.0), source="assumed: below the excess that is seen", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        "rewiring_rate", 0.06, "1/day", "rate at which growth is rewired under full push",
        range=(0.02, 0.3), source="Britschgi 2012: works first, fails later: weeks; size assumed", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        "reverting_rate", 0.01, "1/day", "rate at which rewired growth reverts",
        range=(0.001, 0.05), source="assumed: slower than rewiring", grade="assumed",
    )  # fmt: skip
