"""The look of every backfire figure: colours and line styles of arms, and our matplotlib settings.

An arm has one colour and one line style everywhere. Colours are from the Okabe-Ito palette, told apart by the
colour-blind; line styles and labels at the lines tell them apart in grey.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import matplotlib

from backfire.palette import ArmStyle as ArmStyle  # noqa: PLC0414  the family takes it from here
from backfire.palette import arm_styles as arm_styles  # noqa: PLC0414

INK: Final = "#222222"
SOFT: Final = "#555555"
FAINT: Final = "#8a8a8a"
PALE: Final = "#d4d4d4"
"""What words may stand on."""
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
