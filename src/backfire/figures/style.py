"""The look of every backfire figure: colours of arms, fonts, footer, saving.

An arm has one colour and one line style everywhere. Colours are from the Okabe-Ito palette, told apart by the
colour-blind; line styles and labels at the lines tell them apart in grey.
"""

from __future__ import annotations

import contextlib
import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backfire.model import CAUTION, version

INK: Final = "#222222"
FAINT: Final = "#8a8a8a"
DOTS_PER_INCH: Final = 110
LONGEST_LABEL: Final = 16
"""Letters in a line beside the end of a curve."""

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
    "path.simplify": True,
    "agg.path.chunksize": 10_000,
}


@dataclass(frozen=True)
class ArmLook:
    """How an arm is drawn: colour, dashes (None = solid), width and drawing order."""

    colour: str
    dashes: tuple[float, ...] | None
    width: float
    order: int

    def line(self) -> dict[str, Any]:
        """Keyword arguments for ``Axes.plot``."""
        look: dict[str, Any] = {"color": self.colour, "linewidth": self.width, "zorder": self.order}
        return look if self.dashes is None else {**look, "dashes": self.dashes}


_CANONICAL: Final = {
    "untreated": ArmLook("#6b6b6b", None, 1.6, 2),
    "monotherapy": ArmLook("#D55E00", None, 2.6, 5),
    "blockade": ArmLook("#56B4E9", (4, 2.5), 2.2, 3),
    "combination": ArmLook("#0072B2", (9, 1.5), 2.8, 6),
}
_FURTHER: Final = (
    ArmLook("#009E73", (1.5, 1.2), 2.0, 4),
    ArmLook("#CC79A7", (6, 1.5, 1.5, 1.5), 2.0, 4),
    ArmLook("#E69F00", (3, 1), 2.0, 4),
    ArmLook("#7b5aa6", (8, 2, 2, 2, 2, 2), 2.0, 4),
)


def arm_looks(arms: Iterable[str]) -> dict[str, ArmLook]:
    """The look of every arm: canonical names keep theirs, further arms take the next ones in order."""
    further = [arm for arm in arms if arm not in _CANONICAL]
    return _CANONICAL | {arm: _FURTHER[index % len(_FURTHER)] for index, arm in enumerate(further)}


@contextlib.contextmanager
def look() -> Iterator[None]:
    """Draw with our settings; the user's own matplotlib settings are untouched afterwards."""
    with matplotlib.rc_context(_RC):  # type: ignore[arg-type]
        yield


def new_figure(width: float, height: float, title: str, hashes: Mapping[str, str], title_size: float = 17) -> Figure:
    """A figure of so many inches with headline and footer. ``hashes`` maps scenario → hash."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
    if len(title) > width * 105 / title_size:
        title_size *= 0.8
    lines = textwrap.wrap(title, width=int(width * 105 / title_size))
    figure.text(0.02, 1 - 0.22 / height, "\n".join(lines[:2]), fontsize=title_size, fontweight="bold", va="top")
    listed = ", ".join(f"{name} {digest}" for name, digest in hashes.items())
    figure.set_label(listed)
    figure.text(0.02, 0.12 / height, f"{CAUTION}   ·   backfire {version()}", fontsize=9, color="#555555")
    if 0.075 * len(listed) < width - 5:
        figure.text(0.98, 0.12 / height, f"scenario {listed}", fontsize=9, color="#555555", ha="right")
    return figure


def label_ends(axes: Axes, ends: Iterable[tuple[float, str, str]], x: float, size: float = 10, gap: float = 0.055) -> None:
    """Write labels beside line ends without overlap; ``ends`` are (height in axes units 0-1, text, colour).

    Long names are broken into lines, so that they stay off what is beside.
    """
    placed: list[float] = []
    rows = [(height, textwrap.fill(text, LONGEST_LABEL), colour) for height, text, colour in sorted(ends)]
    most = max((text.count("\n") + 1 for _, text, _ in rows), default=1)
    size, gap = (size, gap) if most == 1 else (0.85 * size, 0.85 * gap * most)
    for height, _, _ in rows:
        placed.append(max(height, placed[-1] + gap) if placed else max(height, 0.0))
    overflow = max(0.0, (placed[-1] if placed else 0.0) - 1.0)
    for index in range(len(placed) - 1, -1, -1):
        ceiling = 1.0 if index == len(placed) - 1 else placed[index + 1] - gap
        placed[index] = min(placed[index], ceiling) if overflow else placed[index]
    for (_, text, colour), height in zip(rows, placed, strict=True):
        axes.annotate(
            text, (x, height), xycoords="axes fraction", xytext=(6, 0), textcoords="offset points",
            color=colour, fontsize=size, va="center", annotation_clip=False,
        )  # fmt: skip


def png(figure: Figure) -> bytes:
    """The figure as a PNG image; version, caution and scenario hashes are in its metadata too."""
    buffer = io.BytesIO()
    with look():
        about = {"Software": f"backfire {version()}", "Comment": CAUTION, "Source": str(figure.get_label())}
        figure.savefig(buffer, format="png", metadata=about)
    return buffer.getvalue()
