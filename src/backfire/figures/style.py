"""The look of every backfire figure: colours and line styles of arms, and our matplotlib settings.

An arm has one colour and one line style everywhere. Colours are from the Okabe-Ito palette, told apart by the
colour-blind; line styles and labels at the lines tell them apart in grey.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import matplotlib

INK: Final = "#222222"
SOFT: Final = "#555555"
FAINT: Final = "#8a8a8a"
FAILED: Final = "#b00020"
"""The colour of members that failed."""

_RC: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK,
    "text.parse_math": False,
    "grid.color": "#e6e6e6",
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "backfire",
    "pdf.fonttype": 42,
    "path.simplify": True,
    "agg.path.chunksize": 10_000,
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw with our settings; the user's own are untouched afterwards. A context, or ``@styled()`` over a function."""
    with matplotlib.rc_context(_RC):  # type: ignore[arg-type]
        yield


@dataclass(frozen=True)
class ArmStyle:
    """How an arm is drawn: colour, dashes (None = solid), width and drawing order."""

    colour: str
    dashes: tuple[float, ...] | None
    width: float
    order: int

    def line(self) -> dict[str, Any]:
        """Keyword arguments for ``Axes.plot``."""
        solid: dict[str, Any] = {"color": self.colour, "linewidth": self.width, "zorder": self.order}
        return solid if self.dashes is None else {**solid, "dashes": self.dashes}

    def sample(self) -> dict[str, Any]:
        """The same for a short piece of the line in a key, in which the dashes still show."""
        made = {**self.line(), "linewidth": 0.8 * self.width}
        if self.dashes is None:
            return made
        return {**made, "dashes": tuple(dash * min(1.0, 4.5 / sum(self.dashes)) for dash in self.dashes)}


_CANONICAL: Final = {
    "untreated": ArmStyle("#6b6b6b", None, 1.6, 2),
    "monotherapy": ArmStyle("#D55E00", None, 2.6, 5),
    "blockade": ArmStyle("#56B4E9", (4, 2.5), 2.2, 3),
    "combination": ArmStyle("#0072B2", (9, 1.5), 2.8, 6),
}
_FURTHER: Final = (
    ArmStyle("#009E73", (1.5, 1.2), 2.0, 4),
    ArmStyle("#CC79A7", (6, 1.5, 1.5, 1.5), 2.0, 4),
    ArmStyle("#E69F00", (3, 1), 2.0, 4),
    ArmStyle("#7b5aa6", (8, 2, 2, 2, 2, 2), 2.0, 4),
    ArmStyle("#8c5a2b", (5, 1, 1, 1), 2.0, 4),
    ArmStyle("#111111", (2, 2), 1.8, 4),
    ArmStyle("#b3a100", (11, 3), 2.0, 4),
    ArmStyle("#4f8f8b", (1, 2.5), 2.2, 4),
)


def arm_styles(arms: Iterable[str]) -> dict[str, ArmStyle]:
    """The style of every arm: canonical names keep theirs, further arms take the next ones in order."""
    further = [arm for arm in arms if arm not in _CANONICAL]
    return _CANONICAL | {arm: _FURTHER[index % len(_FURTHER)] for index, arm in enumerate(further)}
