"""Removal of the primary tumour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Intervention, Mechanism, Parameter, Part, option


@dataclass(frozen=True)
class Surgery(Mechanism):
    """Surgery leaves a small share of the cells of the primary site, and nothing of what is below one cell.

    X ← ε·X for each resected compartment at the moment of surgery.
    """

    label = "surgery"

    of: tuple[str, ...] = option("the compartments that are resected", default=("active",), example=("active",))

    def parts(self) -> Iterator[Part]:
        yield Parameter(
            "surgical_residue", 1e-9, "1", "share of the primary that surgery leaves behind (ε)",
            range=(0.0, 0.01), maximum=1.0, source="assumed: complete resection", grade="assumed",
        )  # fmt: skip
        yield Intervention("surgery", "resection of the primary tumour", multiplies=dict.fromkeys(self.of, "surgical_residue"))
