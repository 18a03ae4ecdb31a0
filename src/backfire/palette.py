"""The look of arms: one colour and one line style each, in every figure, page and notebook.

Colours are from the Okabe-Ito palette, told apart by the colour-blind; line styles tell the arms apart in grey.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final


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
