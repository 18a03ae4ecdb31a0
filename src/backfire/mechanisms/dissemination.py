"""Seeding of metastases and their outgrowth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Mechanism, Parameter, Part, Process, State, option


@dataclass(frozen=True)
class Dissemination(Mechanism):
    """Active cells seed metastases, which grow out and may be killed by drugs where they are.

    dM/dt = μ·A·(1 + A/1 cell)^(γ-1) + g·M·(1 - M_all/K) - Σ s·k·E·M
    Seeding is proportional to A^γ for more than a few cells and to A below, so that its slope stays finite at 0.
    γ between 0.5 and 1: surface or volume sheds (Iwata, Benzekry; recalled). Seeding and outgrowth have influences of
    their own: a factor may feed one and not the other. A drug that reaches metastases kills there at a share s of what it
    does to an unprotected cell of the primary, so that a tumour that is sensitive is so in both places.
    """

    label = "dissemination"

    killed_by: tuple[str, ...] = option("agents that also kill metastases", default=(), example=("paclitaxel",))

    def parts(self) -> Iterator[Part]:
        yield Parameter(
            "seeding_rate", 1e-4, "1/day", "cells that arrive and survive, per active cell and day, for a tumour of one cell (μ)",
            range=(1e-6, 1e-2), source="assumed: metastases are seen within weeks", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "seeding_exponent", 0.7, "1", "how seeding grows with the tumour: between surface and volume (γ)",
            range=(0.5, 1.0), maximum=1.0, source="Iwata, Benzekry: 0.5 to 1", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            "outgrowth_rate", 0.1, "1/day", "growth rate of metastases",
            range=(0.02, 0.4), source="assumed: somewhat slower than the primary", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "metastatic_capacity", 1e8, "cell", "cells that all metastases together can reach",
            range=(1e7, 1e9), source="assumed: smaller than the primary's", grade="assumed",
        )  # fmt: skip
        yield State("metastases", "cell", "tumour cells in metastases", counts_in=("metastatic_burden",))
        yield Process(
            "seeding", kind="seeding", enters="metastases",
            rate="seeding_rate * active * (1 + active / cell) ** (seeding_exponent - 1)",
            meaning="cells that arrive at a distant site and survive",
        )  # fmt: skip
        yield Process(
            "outgrowth", kind="outgrowth", enters="metastases",
            rate="outgrowth_rate * metastases * (1 - metastatic_burden / metastatic_capacity)",
            meaning="growth of metastases",
        )  # fmt: skip
        for agent in sorted(self.killed_by):
            yield Parameter(
                f"{agent}_metastasis_kill_share", 0.5, "1", f"kill of metastatic cells by {agent}, as a share of that of active ones",
                range=(0.1, 0.7), maximum=1.0, source="assumed: the same cells in another place, reached less well", grade="assumed",
            )  # fmt: skip
            yield Process(
                f"metastasis_kill_by_{agent}", kind="metastasis_kill", leaves="metastases",
                rate=f"{agent}_metastasis_kill_share * toxicity_of_{agent} * metastases",
                meaning=f"kill of metastases by {agent}",
            )  # fmt: skip
