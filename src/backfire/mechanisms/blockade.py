"""Blockade of a factor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Influence, Mechanism, Parameter, Part, option


@dataclass(frozen=True)
class Blockade(Mechanism):
    """An agent takes away the excess of a host factor or signal.

    excess × (1 - b·E), with b the largest blockade and E the effect of the agent.
    """

    label = "blockade"

    of: str = option("the factor, signal or cells that are blocked", example="wnt16b")
    by: str = option("the agent that blocks it", example="anti_wnt16b")

    def parts(self) -> Iterator[Part]:
        yield Parameter(
            f"{self.by}_completeness", 0.95, "1", f"share of the excess of {self.of} that {self.by} can block",
            range=(0.3, 1.0), maximum=1.0, source="assumed: a potent antibody or inhibitor", grade="assumed",
        )  # fmt: skip
        yield Influence(
            "neutralises", on=f"excess_{self.of}", factor=f"1 - {self.by}_completeness * effect_{self.by}",
            meaning=f"{self.by} blocks {self.of}",
        )  # fmt: skip
