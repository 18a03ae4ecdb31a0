"""What can be asked of anything recorded: a state, definition, process rate or influence, or the ratio of two of them.

peak(hibernating)   final(resistant / burden)   day_above(resistant / burden, 0.5)   day_below(burden, 1e6)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from backfire.errors import UserError, unknown
from backfire.formulas import parse_unit

AMOUNTS: Final = ("peak", "lowest", "final", "mean", "area")
"""Numbers of the course from time zero on."""
CROSSINGS: Final = ("day_above", "day_below")
"""The first day from time zero on with at least, or at most, a level."""
SUMMARIES: Final = (*AMOUNTS, *CROSSINGS)
_OF: Final = r"([a-z0-9_.]+)(?:\s*/\s*([a-z0-9_.]+))?"
_SUMMARY: Final = re.compile(
    rf"(?:({'|'.join(AMOUNTS)})\({_OF}\)|({'|'.join(CROSSINGS)})\({_OF}\s*,\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\))"
)


@dataclass(frozen=True)
class Summary:
    """One of ``SUMMARIES`` of what is called ``of``: a recorded name or ``a / b``; crossings have a ``level`` in its unit."""

    kind: str
    of: str
    level: float | None = None

    @property
    def names(self) -> list[str]:
        """The recorded names that it reads."""
        return self.of.split(" / ")

    def unit(self, recorded: Mapping[str, str]) -> str:
        """The unit of the summary where ``recorded`` maps names to units; raises UserError for names that are not recorded."""
        for name in self.names:
            if name not in recorded:
                raise UserError(unknown("recorded value", name, recorded))
        if self.kind in CROSSINGS:
            return "day"
        own = recorded[self.of] if len(self.names) == 1 else quotient(*(recorded[name] for name in self.names))
        return own if self.kind != "area" else "day" if own == "1" else f"{own}·day"


def quotient(above: str, below: str) -> str:
    """The unit of a ratio."""
    return str(parse_unit(above) / parse_unit(below))


@cache
def parse_summary(name: str) -> Summary | None:
    """``peak(hibernating)`` as a summary, or None for something else."""
    match = _SUMMARY.fullmatch(name)
    if match is None:
        return None
    kind, of, below, crossing, crossed, under, level = match.groups()
    pair = (of, below) if kind else (crossed, under)
    return Summary(kind or crossing, " / ".join(part for part in pair if part), None if kind else float(level))
