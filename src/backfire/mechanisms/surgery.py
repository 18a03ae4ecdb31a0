"""Removal of the primary tumour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Intervention, Mechanism, Parameter, Part, option


@dataclass(frozen=True)
class Surgery(Mechanism):
    """Surgery leaves a small share of the cells of the primary site, and nothing of what is below one cell.

    X ← ε·X at the moment of surgery, for each compartment X that is resected. ``burden`` is all of them: whatever other
    mechanisms count in the burden, hibernating cells too, is removed in the same share.
    """

    label = "surgery"

    of: tuple[str, ...] = option(
        "the compartments that are resected; a total such as burden is all that count in it",
        default=("burden",), example=("burden",),
    )  # fmt: skip

    def parts(self) -> Iterator[Part]:
        yield Parameter(
            "surgical_residue", 1e-9, "1", "share of the primary that surgery leaves behind (ε)",
            range=(0.0, 0.01), maximum=1.0, source="assumed: complete resection", grade="assumed",
        )  # fmt: skip
        yield Intervention("surgery", "resection of the primary tumour", multiplies=dict.fromkeys(self.of, "surgical_residue"))
