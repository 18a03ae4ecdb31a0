"""Writing inside axes that stays readable: at the ends of lines, beside marks, on contours, in place of a drawing."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from backfire.figures.page import DOTS_PER_INCH
from backfire.figures.style import INK, ArmStyle
from backfire.solvers import Floats

HALO: Final = (withStroke(linewidth=3, foreground="white"),)
"""An outline that keeps writing readable on any colour."""
LONGEST: Final = 16
"""Letters in a line beside the end of a curve."""
SHORTEST: Final = 60.0
CLEAR: Final = 22.0
"""Pixels: contours shorter than the first have no label, and labels keep this distance from marks and borders."""


def height_of(axes: Axes, values: Floats | Sequence[float]) -> float:
    """Where the last finite value stands, as a share of the height of the axes; 0 if there is none."""
    finite = np.asarray(values)[np.isfinite(values)]
    if len(finite) == 0:
        return 0.0
    low, high = axes.get_ylim()
    low, level, high = axes.yaxis.get_transform().transform(np.array([low, finite[-1], high]))
    return float((level - low) / (high - low))


def label_ends(
    axes: Axes,
    ends: Iterable[tuple[float, str, str]],
    size: float = 10,
    gap: float = 0.055,
    samples: Mapping[str, ArmStyle] | None = None,
) -> None:
    """Write labels beside line ends without overlap; ``ends`` are (height in axes units 0-1, text, colour).

    Long names are broken into lines, so that they stay off what is beside. A text in ``samples`` has a piece of its line
    before it, which tells the lines apart in grey.
    """
    width = axes.bbox.width * 72 / DOTS_PER_INCH
    placed: list[float] = []
    rows = [(height, textwrap.fill(text, LONGEST), colour, text) for height, text, colour in sorted(ends)]
    lines = [text.count("\n") + 1 for _, text, _, _ in rows]
    if max(lines, default=1) > 1:
        size, gap = 0.85 * size, 0.85 * gap
    if gap * sum(lines) > 1.05:
        size, gap = max(size * 1.05 / (gap * sum(lines)), 5.5), 1.05 / sum(lines)
    gaps = [gap * (one + other) / 2 for one, other in itertools.pairwise(lines)]
    for index, (height, *_) in enumerate(rows):
        placed.append(max(height, placed[-1] + gaps[index - 1]) if placed else max(height, 0.0))
    if placed and placed[-1] > 1.0:
        ceiling = 1.0
        for index in reversed(range(len(placed))):
            placed[index] = min(placed[index], ceiling)
            ceiling = placed[index] - gaps[index - 1]
    for (_, text, colour, name), height in zip(rows, placed, strict=True):
        style = samples.get(name) if samples else None
        if style is not None:
            across = [1 + 5 / width, 1 + 23 / width]
            axes.plot(across, [height, height], transform=axes.transAxes, clip_on=False, **style.sample())
        axes.annotate(
            text, (1.0, height), xycoords="axes fraction", xytext=(6 if style is None else 27, 0), textcoords="offset points",
            color=colour, fontsize=size, va="center", annotation_clip=False,
        )  # fmt: skip


def beside(axes: Axes, x: float, y: float, text: str, colour: str, **style: Any) -> Text:
    """Writing beside a mark, on the side where there is room."""
    across, up = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
    right = across > 0.6
    rise = -9 if up > 0.85 else 9 if up < 0.12 else 0
    return axes.annotate(
        text, (x, y), xytext=(-11 if right else 11, rise), textcoords="offset points", ha="right" if right else "left",
        va="center", color=colour, annotation_clip=False,
        **{"fontsize": 10, "fontweight": "bold", "path_effects": list(HALO), **style},
    )  # fmt: skip


def note(axes: Axes, text: str) -> Text:
    """A sentence in place of a drawing."""
    middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
    return axes.text(0.5, 0.5, textwrap.fill(text, 40), fontsize=11, color="#444444", **middle)  # type: ignore[arg-type]


def name_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], most: int) -> None:
    """Write each of the first ``most`` names once, beside the first of its points where nothing is written yet."""
    box = axes.get_window_extent()
    pixels = [tuple(axes.transData.transform(point)) for point in points]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in pixels]
    wanted = list(dict.fromkeys(names))[:most]
    for point, (x, y), text in zip(points, pixels, names, strict=True):
        wide = 7.2 * len(text)
        for align, shift, rise in (("left", 10, 0), ("right", -10, 0), ("center", 0, 16), ("center", 0, -16)):
            left = x + shift - {"left": 0, "right": wide, "center": wide / 2}[align]
            mine = (left, y + rise - 7, left + wide, y + rise + 7)
            free = all(mine[2] < other[0] or other[2] < mine[0] or mine[3] < other[1] or other[3] < mine[1] for other in taken)
            if text in wanted and free and box.x0 < mine[0] and mine[2] < box.x1 + 30:
                offset = (shift * 72 / DOTS_PER_INCH, rise * 72 / DOTS_PER_INCH)
                axes.annotate(
                    text, point, xytext=offset, textcoords="offset points", ha=align, va="center", fontsize=8.5, color=INK,
                    path_effects=list(HALO), zorder=6, annotation_clip=False,
                )  # fmt: skip
                taken.append(mine)
                wanted.remove(text)
                break


def contour_spot(axes: Axes, pieces: Iterable[Floats], taken: list[tuple[float, float]]) -> tuple[float, float] | None:
    """Where the label of a contour goes: the middle of its longest piece, away from marks and from the border.

    ``pieces`` are (n, 2) in data units, ``taken`` pixels of what is there already, to which the spot is added. None if
    there is no room.
    """
    seen = [(axes.transData.transform(piece), piece) for piece in pieces if len(piece) > 1]
    lengths = [float(np.hypot(*np.diff(pixels, axis=0).T).sum()) for pixels, _ in seen]
    if not lengths or max(lengths) < SHORTEST:
        return None
    pixels, piece = seen[int(np.argmax(lengths))]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(pixels, axis=0).T))])
    box = axes.get_window_extent()
    for share in (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8):
        index = int(np.searchsorted(along, share * along[-1]))
        x, y = pixels[index]
        free = all(math.hypot((x - other) / 2, y - above) > CLEAR for other, above in taken)
        if free and box.x0 + CLEAR < x < box.x1 - CLEAR and box.y0 + CLEAR < y < box.y1 - CLEAR:
            taken.append((x, y))
            return float(piece[index][0]), float(piece[index][1])
    return None
