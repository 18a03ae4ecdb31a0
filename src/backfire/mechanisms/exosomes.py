"""Vesicles of treated tumours and the lung niche (A1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Influence, Mechanism, Parameter, Part, ResponseForm, State, excess, option, promotes, renewing, trigger


@dataclass(frozen=True)
class Exosomes(Mechanism):
    """Treated tumour cells release loaded vesicles; the lung answers with a chemokine that calls monocytes.

    dX/dt = x·(1 + a·R·B/(B½ + B) - X)    dL/dt = l·(1 + b·X⁺/(X½ + X⁺) - L)    dN/dt = n·(1 + c·L⁺ - N)
    X vesicle cargo, L chemokine, N monocytes in the lung, all as fold over the untreated level; X⁺ and L⁺ are the
    excess above 1. B is the tumour burden: no treated tumour, no vesicles. Monocytes help arriving cells to survive
    and grow in the lung, and shelter them there from drugs: metastasis kill × 1/(1 + N⁺/N½). Nothing here feeds or shields the primary. Keklikoglou 2019 (A1).
    """

    label = "exosomes"

    loaded_by: tuple[str, ...] = option("the drugs that make the tumour release them", example=("paclitaxel",))
    cargo: str = option("the protein they carry", default="annexin_a6", example="annexin_a6")
    chemokine: str = option("what the lung endothelium releases", default="ccl2", example="ccl2")
    niche: str = option("the cells it attracts to the lung", default="monocytes", example="monocytes")
    response: ResponseForm = option("form of the tumour's response", default="saturating", example="saturating")

    def parts(self) -> Iterator[Part]:
        cargo, chemokine, niche = self.cargo, self.chemokine, self.niche
        yield from trigger("vesicle_response", self.loaded_by, self.response, half=0.5)
        yield Parameter(
            "vesicle_half_burden", 5e7, "cell", "tumour burden with half the largest release of vesicles",
            range=(1e6, 5e8), source="assumed: release scales with the treated tumour, then saturates", grade="assumed",
        )  # fmt: skip
        yield from _gains(cargo, chemokine, niche)
        yield from renewing(
            State(cargo, "fold", f"{cargo} on circulating vesicles over its untreated level", 1.0),
            level=f"fold * (1 + {cargo}_loading * vesicle_response * burden / (vesicle_half_burden + burden))",
            rate=f"{cargo}_clearance_rate",
        )
        yield excess(cargo)
        yield from renewing(
            State(chemokine, "fold", f"{chemokine} in the lung over its untreated level", 1.0),
            level=f"fold * (1 + {chemokine}_rise * excess_{cargo} / ({cargo}_half_effect + excess_{cargo}))",
            rate=f"{chemokine}_clearance_rate",
        )
        yield excess(chemokine)
        yield from renewing(
            State(niche, "fold", f"{niche} in the lung over their untreated level", 1.0),
            level=f"fold + {niche}_recruitment * excess_{chemokine}",
            rate=f"{niche}_turnover_rate",
        )
        yield excess(niche)
        yield from promotes(
            niche, "seeding", 10.0, 1.5, "Keklikoglou 2019: arriving cells survive; size assumed", "assumed", (0.5, 25.0)
        )
        yield from promotes(
            niche, "outgrowth", 0.4, 1.5, "Keklikoglou 2019: arriving cells grow; size assumed", "assumed", (0.05, 2.0)
        )
        yield Parameter(
            f"{niche}_shelter_half", 0.5, "fold", f"excess of {niche} that halves the kill of metastases by drugs",
            range=(0.1, 10.0), source="Keklikoglou 2019: cells in the lung survive; that it is drugs they survive is assumed",
            grade="assumed",
        )  # fmt: skip
        yield Influence(
            "shelters_metastases", on="metastasis_kill", factor=f"1 / (1 + excess_{niche} / {niche}_shelter_half)", optional=True,
            meaning=f"{niche} shelter metastases from drugs",
        )  # fmt: skip


def _gains(cargo: str, chemokine: str, niche: str) -> Iterator[Part]:
    yield Parameter(
        f"{cargo}_loading", 12.0, "1", f"largest relative rise of {cargo} on vesicles under treatment",
        range=(3.0, 30.0), source="assumed: at least 3-fold; the article says strongly enhanced", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        f"{cargo}_clearance_rate", 12.0, "1/day", "clearance of vesicles from blood",
        range=(6.0, 100.0), source="cleared in minutes to hours", grade="recalled",
    )  # fmt: skip
    yield Parameter(
        f"{cargo}_half_effect", 2.0, "fold", f"excess of {cargo} with half its effect on the lung",
        range=(0.4, 10.0), source="assumed: within the excess that is seen", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        f"{chemokine}_rise", 5.0, "1", f"largest relative rise of {chemokine}",
        range=(1.0, 15.0), source="assumed: several-fold", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        f"{chemokine}_clearance_rate", 4.0, "1/day", f"clearance of {chemokine}",
        range=(1.0, 12.0), source="assumed: hours, between vesicles and monocytes", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        f"{niche}_recruitment", 1.0, "1", f"rise of {niche} per excess of {chemokine}",
        range=(0.2, 4.0), source="assumed: in proportion", grade="assumed",
    )  # fmt: skip
    yield Parameter(
        f"{niche}_turnover_rate", 1.0, "1/day", f"turnover of {niche}",
        range=(0.3, 2.0), source="monocytes turn over in about a day", grade="recalled",
    )  # fmt: skip
