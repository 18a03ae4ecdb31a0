"""Growth of the tumour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from backfire.model import Definition, Mechanism, Parameter, Part, Process, State, option

_LAWS: Final = {
    "logistic": "growth_rate * (1 - burden / capacity)",
    "gompertz": "growth_rate * log(capacity / max(burden, cell))",
    "exponential": "growth_rate",
}


@dataclass(frozen=True)
class Growth(Mechanism):
    """Active tumour cells divide, the slower the fuller their site.

    dA/dt = g(B)·A with burden B = all tumour cells of the primary site and capacity K:
    logistic g = r·(1 - B/K), Gompertz g = r·ln(K/B), exponential g = r.
    """

    label = "growth"

    law: Literal["logistic", "gompertz", "exponential"] = option("law of growth", default="logistic", example="logistic")

    def parts(self) -> Iterator[Part]:
        yield Parameter(
            "starting_cells", 1e7, "cell", "active tumour cells on day 0",
            range=(1e5, 5e8), source="assumed: a small tumour that can be seen", grade="assumed",
        )  # fmt: skip
        yield Parameter(
            "growth_rate", 0.115, "1/day", "rate of division of active cells without hindrance",
            range=(0.02, 0.4), source="doubling in 5-8 days is common for xenografts", grade="recalled",
        )  # fmt: skip
        if self.law != "exponential":
            yield Parameter(
                "capacity", 1e9, "cell", "cells the primary site can hold",
                range=(2e8, 5e9), source="assumed: about one cubic centimetre of tumour", grade="assumed",
            )  # fmt: skip
        yield State("active", "cell", "dividing tumour cells at the primary site", "starting_cells", counts_in=("burden",))
        yield Definition("proliferation_rate", _LAWS[self.law], "1/day", "divisions per active cell, before influences")
        yield Process(
            "growth", kind="growth", enters="active", rate="proliferation_rate * active",
            meaning="division of active tumour cells",
        )  # fmt: skip
