"""Slowing of growth by drugs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.parts import Influence, Mechanism, Parameter, Part, option


@dataclass(frozen=True)
class Cytostasis(Mechanism):
    """Drugs slow division without killing, as kinase inhibitors do.

    growth × (1 - m·E), with m the largest inhibition and E the effect of the agent.
    """

    label = "cytostasis"

    by: tuple[str, ...] = option("the agents that slow growth", example=("pi3k_inhibitor",))

    def parts(self) -> Iterator[Part]:
        for agent in sorted(self.by):
            yield Parameter(
                f"{agent}_growth_inhibition", 0.9, "1", f"share of growth taken away at the full effect of {agent}",
                range=(0.1, 1.0), maximum=1.0, source="assumed: the pathway drives most of the division", grade="assumed",
            )  # fmt: skip
            yield Influence(
                f"{agent}_slows_growth", on="growth", factor=f"1 - {agent}_growth_inhibition * effect_{agent}",
                meaning=f"{agent} slows division",
            )  # fmt: skip
