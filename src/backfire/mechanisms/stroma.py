"""Damaged healthy stroma and its factor (A3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import (
    Mechanism,
    Parameter,
    Part,
    Process,
    ResponseForm,
    State,
    excess,
    option,
    promotes,
    protects,
    renewing,
    trigger,
)


@dataclass(frozen=True)
class Stroma(Mechanism):
    """Genotoxic drugs damage healthy stroma, which then secretes a factor that shields tumour cells from kill.

    dS/dt = k·R·(h - S) - p·S        dF/dt = c·(1 + f·S - F)        kill × 1/(1 + (F - 1)/F50)
    S is the damaged share of the stroma, h the share that can respond, R the response to the drug, F the factor as
    fold over the untreated level. Damage adds up over courses, as it is repaired in months, and the shield with it. Without stroma (h = 0) or without damage nothing rises. Sun 2012 (A3).
    """

    label = "stroma"

    factor: str = option("the factor that damaged stroma secretes", example="wnt16b")
    damaged_by: tuple[str, ...] = option("the genotoxic agents", example=("mitoxantrone",))
    response: ResponseForm = option("form of the host response", default="saturating", example="saturating")

    def parts(self) -> Iterator[Part]:
        factor = self.factor
        yield from trigger("stroma_response", self.damaged_by, self.response, half=1.0)
        yield Parameter(
            "responsive_stroma", 1.0, "1", "share of the stroma that is alive and can respond",
            range=(0.0, 1.0), maximum=1.0, source="Sun 2012: healthy fibroblasts around the tumour; share assumed", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "stroma_damage_rate", 0.1, "1/day", "rate of DNA damage to stroma at the full response",
            range=(0.02, 0.5), source="assumed: a course hits a part of the stroma, and damage adds up over courses", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "stroma_repair_rate", 0.01, "1/day", "rate at which damaged stroma is repaired or replaced",
            range=(0.003, 0.1), source="the programme persists for weeks", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            f"{factor}_at_full_damage", 60.0, "1", f"relative rise of {factor} when all stroma is damaged",
            range=(15.0, 120.0), source="Sun 2012: about 30-fold", grade="article",
        )  # fmt: skip
        yield Parameter(
            f"{factor}_clearance_rate", 0.4, "1/day", f"rate at which {factor} follows the damage",
            range=(0.1, 1.5), source="plateau after 7-10 days", grade="recalled",
        )  # fmt: skip
        yield State("damaged_stroma", "1", "share of the stroma with DNA damage")
        yield Process(
            "damage", kind="damage", enters="damaged_stroma",
            rate="stroma_damage_rate * stroma_response * (responsive_stroma - damaged_stroma)",
            meaning="DNA damage to healthy stroma",
        )  # fmt: skip
        yield Process(
            "repair", kind="repair", leaves="damaged_stroma", rate="stroma_repair_rate * damaged_stroma",
            meaning="repair and replacement of damaged stroma",
        )  # fmt: skip
        yield from renewing(
            State(factor, "fold", f"level of {factor} over its untreated level", 1.0),
            level=f"fold * (1 + {factor}_at_full_damage * damaged_stroma)",
            rate=f"{factor}_clearance_rate",
        )
        yield excess(factor)
        yield from protects(factor, 8.0, "Sun 2012: protection from cytotoxic kill; size assumed", "assumed", (1.0, 40.0))
        yield from promotes(
            factor, "growth", 0.2, 10.0, "Sun 2012: promotes tumour regrowth; size assumed", "assumed", (0.02, 1.0)
        )
