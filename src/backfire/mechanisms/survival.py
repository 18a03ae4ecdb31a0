"""Survival of the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Definition, Mechanism, Parameter, Part, option


@dataclass(frozen=True)
class Survival(Mechanism):
    """The host dies when burden and spread together reach what it can bear.

    host_load = Σ Bᵢ/Lᵢ over the totals i, each with its own lethal number; death at host_load = 1.
    A threshold, not a hazard: one tumour gives one day of death.
    """

    label = "survival"

    totals: tuple[str, ...] = option(
        "the totals that weigh on the host", default=("burden", "metastatic_burden"), example=("burden",)
    )

    def parts(self) -> Iterator[Part]:
        for total in sorted(self.totals):
            yield Parameter(
                f"lethal_{total}", 8e8 if total == "burden" else 2e7, "cell", f"{total} that alone is lethal",
                range=(1e6, 5e9), source="assumed: a threshold, as no article gives one", grade="assumed",
            )  # fmt: skip
        yield Definition(
            "host_load", " + ".join(f"{total} / lethal_{total}" for total in sorted(self.totals)), "1",
            "what the host bears, as a share of what is lethal",
        )  # fmt: skip
