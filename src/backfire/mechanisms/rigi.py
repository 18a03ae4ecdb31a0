"""The innate immune answer to a RIG-I agonist (A2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Definition, Mechanism, Parameter, Part, Process, State, excess, option, renewing


@dataclass(frozen=True)
class RigI(Mechanism):
    """A RIG-I agonist raises interferon; innate immunity then kills active and hibernating cells.

    dU/dt = u·(1 + a·E_agonist + b·E_drug - U)      kill of cells X: k·U⁺/(U½ + U⁺)·(1 + s·E_drug)·X
    U interferon as fold over untreated, U⁺ its excess. Drug-exposed cells are more sensitive (s): the new point of
    attack. The inflammation that the drug itself causes (b) is too weak to clear the tumour. Brägelmann 2021 (A2).
    """

    label = "rigi"

    agonist: str = option("the RIG-I agonist", example="rigi_agonist")
    sensitised_by: str = option("the drug that makes cells sensitive", example="erlotinib")
    kills: tuple[str, ...] = option(
        "the cells that innate immunity kills", default=("active", "hibernating"), example=("active",)
    )

    def parts(self) -> Iterator[Part]:
        drug = self.sensitised_by
        yield Parameter(
            "interferon_rise", 12.0, "1", "relative rise of interferon at the full effect of the agonist",
            range=(3.0, 40.0), source="Brägelmann 2021: interferon response; size assumed", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "interferon_rise_by_drug", 0.15, "1", "relative rise of interferon through the drug alone",
            range=(0.0, 1.5), source="Brägelmann 2021: inflammation that does not suffice; size assumed", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "interferon_clearance_rate", 1.0, "1/day", "rate at which interferon follows its drive",
            range=(0.4, 2.0), source="peaks at 24 h, lasts 1-3 days", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            "interferon_half_effect", 4.0, "fold", "excess of interferon with half its effect on kill",
            range=(1.0, 15.0), source="assumed: within the excess that is seen", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "innate_kill_rate", 0.12, "1/day", "kill rate of unexposed cells by fully activated innate immunity",
            range=(0.01, 0.4), source="Brägelmann 2021: the agonist alone does not clear the tumour; size assumed", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "drug_sensitisation", 8.0, "1", "relative rise of innate kill of cells under full drug effect",
            range=(1.0, 20.0), source="Brägelmann 2021: drug-exposed cells are attacked most; size assumed", grade="assumed",
        )  # fmt: skip
        yield from renewing(
            State("interferon", "fold", "interferon over its untreated level", 1.0),
            level=f"fold * (1 + interferon_rise * effect_{self.agonist} + interferon_rise_by_drug * effect_{drug})",
            rate="interferon_clearance_rate",
        )
        yield excess("interferon")
        yield Definition(
            "innate_activity", "excess_interferon / (interferon_half_effect + excess_interferon)", "1",
            "immune activity against the tumour, as a share of its largest", open=True,
        )  # fmt: skip
        yield Definition(
            "sensitivity", f"1 + drug_sensitisation * effect_{drug}", "1", "sensitivity of cells to innate kill", open=True
        )
        for cells in self.kills:
            yield Process(
                f"innate_kill_of_{cells}", kind="innate_kill", leaves=cells,
                rate=f"innate_kill_rate * innate_activity * sensitivity * {cells}",
                meaning=f"kill of {cells} cells by innate immunity",
            )  # fmt: skip
