"""Slowing of growth by drugs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Definition, Influence, Mechanism, Parameter, Part, option


@dataclass(frozen=True)
class Cytostasis(Mechanism):
    """Drugs slow division without killing, as kinase inhibitors do.

    growth × (1 - i)      outgrowth × (1 - i)      seeding × (1 - n·E)      i = m·E, m the largest inhibition, E the effect of the agent.
    The agent reaches metastases too, and may hold cells back from spreading (n). The inhibition is open: a bypass of the blocked pathway takes some of it back.
    """

    label = "cytostasis"

    by: tuple[str, ...] = option("the agents that slow growth", example=("pi3k_inhibitor",))
    holds_back: tuple[str, ...] = option(
        "agents that also hold cells back from spreading", default=(), example=("pi3k_inhibitor",)
    )

    def parts(self) -> Iterator[Part]:
        for agent in sorted(self.by):
            yield Parameter(
                f"{agent}_growth_inhibition", 0.9, "1", f"share of growth taken away at the full effect of {agent}",
                range=(0.1, 1.0), maximum=1.0, source="assumed: the pathway drives most of the division", grade="assumed",
            )  # fmt: skip
            yield Definition(
                f"inhibition_by_{agent}", f"{agent}_growth_inhibition * effect_{agent}", "1",
                f"share of growth that {agent} takes away at the moment", open=True,
            )  # fmt: skip
            yield Influence(
                f"{agent}_slows_growth", on="growth", factor=f"1 - inhibition_by_{agent}",
                meaning=f"{agent} slows division",
            )  # fmt: skip
            yield Influence(
                f"{agent}_slows_outgrowth", on="outgrowth", factor=f"1 - inhibition_by_{agent}", optional=True,
                meaning=f"{agent} slows division in metastases",
            )  # fmt: skip
        for agent in sorted(self.holds_back):
            yield Parameter(
                f"{agent}_seeding_inhibition", 0.5, "1", f"share of seeding taken away at the full effect of {agent}",
                range=(0.1, 0.9), maximum=1.0, source="assumed: the pathway drives part of motility and survival on the way",
                grade="assumed",
            )  # fmt: skip
            yield Influence(
                f"{agent}_holds_back_seeding", on="seeding", factor=f"1 - {agent}_seeding_inhibition * effect_{agent}",
                optional=True, meaning=f"{agent} holds cells back from spreading",
            )  # fmt: skip
