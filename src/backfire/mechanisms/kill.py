"""Killing of active tumour cells by drugs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from backfire.model import Definition, Mechanism, Parameter, Part, Process, option


@dataclass(frozen=True)
class Kill(Mechanism):
    """Drugs kill active cells: log-kill, or in proportion to growth (Norton-Simon).

    log-kill: dA/dt = -k·E·A, a constant share per time at a constant effect E.
    Norton-Simon: dA/dt = -n·E·g(B)·A, n times what the untreated tumour of that size would grow.
    Hibernating cells are not touched.
    """

    label = "kill"

    by: tuple[str, ...] = option("the agents that kill", example=("mitoxantrone",))
    law: Literal["log-kill", "norton-simon"] = option("law of kill", default="log-kill", example="log-kill")

    def parts(self) -> Iterator[Part]:
        for agent in sorted(self.by):
            if self.law == "log-kill":
                yield Parameter(
                    f"{agent}_kill_rate", 0.8, "1/day", f"kill rate of active cells at the full effect of {agent}",
                    range=(0.05, 3.0), source="assumed: a course kills 90-99 % of active cells", grade="assumed",
                )  # fmt: skip
                rate = f"{agent}_kill_rate * effect_{agent}"
            else:
                yield Parameter(
                    f"{agent}_kill_per_growth", 8.0, "1", f"kill at the full effect of {agent}, as multiple of growth",
                    range=(0.5, 40.0), source="assumed: a course kills 90-99 % of active cells", grade="assumed",
                )  # fmt: skip
                rate = f"{agent}_kill_per_growth * effect_{agent} * proliferation_rate"
            yield Definition(f"toxicity_of_{agent}", rate, "1/day", f"rate at which {agent} kills an unprotected active cell")
            yield Process(
                f"kill_by_{agent}", kind="kill", leaves="active", rate=f"toxicity_of_{agent} * active",
                meaning=f"kill of active cells by {agent}",
            )  # fmt: skip
