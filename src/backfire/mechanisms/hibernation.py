"""Hibernating cells: drug-tolerant persisters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Definition, Mechanism, Parameter, Part, Process, State, joint_effect, option


@dataclass(frozen=True)
class Hibernation(Mechanism):
    """Under the drug some active cells enter a dormant state that the drug cannot kill, and later wake.

    dA/dt = … - e·E·A + w·H        dH/dt = e·E·A - w·H - d·H        w = w_on·E + w_off·(1 - E)
    E is the joint effect of the driving agents. Hibernating cells do not divide; switching conserves cells.
    Persisters: Brägelmann 2021 (A2); two-state forms as in Cassidy 2021 and Gunnarsson 2020 (recalled).
    """

    label = "hibernation"

    driven_by: tuple[str, ...] = option("the agents that drive cells into hibernation", example=("erlotinib",))

    def parts(self) -> Iterator[Part]:
        yield Parameter(
            "hibernation_rate", 0.01, "1/day", "rate at which active cells enter hibernation at full drug effect",
            range=(1e-3, 5e-2), source="persister entry 1e-3 to 5e-2 per day", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            "waking_rate_on_drug", 0.003, "1/day", "rate at which hibernating cells wake under full drug effect",
            range=(1e-3, 3e-2), source="exit on drug 0.001 to 0.03 per day", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            "waking_rate_off_drug", 0.08, "1/day", "rate at which hibernating cells wake without drug",
            range=(0.03, 0.2), source="sensitivity returns 1 to 4 weeks after the drug", grade="recalled",
        )  # fmt: skip
        yield Parameter(
            "hibernating_death_rate", 0.005, "1/day", "death rate of hibernating cells",
            range=(0.0, 0.05), source="assumed: dormant cells are slowly lost", grade="assumed",
        )  # fmt: skip
        yield State("hibernating", "cell", "dormant tumour cells that the drug does not kill", counts_in=("burden",))
        yield Definition("dormancy_drive", joint_effect(self.driven_by), "1", "joint drug effect that drives hibernation")
        yield Process(
            "entering", kind="entering", leaves="active", enters="hibernating",
            rate="hibernation_rate * dormancy_drive * active", meaning="active cells enter hibernation",
        )  # fmt: skip
        yield Process(
            "waking", kind="waking", leaves="hibernating", enters="active",
            rate="(waking_rate_on_drug * dormancy_drive + waking_rate_off_drug * (1 - dormancy_drive)) * hibernating",
            meaning="hibernating cells wake",
        )  # fmt: skip
        yield Process(
            "hibernating_death", kind="hibernating_death", leaves="hibernating",
            rate="hibernating_death_rate * hibernating", meaning="death of hibernating cells",
        )  # fmt: skip
