"""Writing inside axes that stays readable: at the ends of lines, beside marks, on contours, in place of a drawing."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from backfire.figures.page import DOTS_PER_INCH
from backfire.figures.style import INK, SOFT, ArmStyle
from backfire.solvers import Floats

HALO: Final = (withStroke(linewidth=3, foreground="white"),)
"""An outline that keeps writing readable on any colour."""
LONGEST: Final = 16
"""Letters in a line beside the end of a curve."""
SHORTEST: Final = 60.0
CLEAR: Final = 22.0
"""Pixels: contours shorter than the first have no label, and labels keep this distance from marks and borders."""


LETTER: Final = 0.65
"""Width of a letter as a share of its size, roughly."""


def fitted(words: str, width: float, size: float, lines: int = 1) -> tuple[str, float]:
    """(words, size) that stay within so many inches: on up to ``lines`` lines, then smaller, and at last cut short."""
    for part in (1.0, 0.85, 0.7):
        letters = max(4, int(width * 72 / (LETTER * part * size)))
        rows = textwrap.wrap(words, letters, max_lines=lines, placeholder="…")
        if rows and not rows[-1].endswith("…"):
            break
    if rows == ["…"]:
        rows = [f"{words[: letters - 1]}…"]
    return "\n".join(rows), part * size


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


_Box = tuple[float, float, float, float]
"""Left, foot, right, top, in pixels."""
NAME_SIZE: Final = 8.5
WIDEST: Final = 26
"""Size of the names of points, and letters in a line of names that are written together."""
NEAR: Final = (("left", 10.0, 0.0), ("right", -10.0, 0.0), ("center", 0.0, 16.0), ("center", 0.0, -16.0))
"""Where a name stands beside its point: alignment, and pixels to the right and up."""


def name_points(axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str]) -> list[str]:
    """Write every name once, beside the first of its points, or farther off with a line to it where there is no room.

    Names whose first points are one dot are written together. Nothing is written over a point, over other writing, or
    outside the axes. Gives the names for which there is no room.
    """
    box = axes.get_window_extent()
    pixels = [(float(x), float(y)) for x, y in (axes.transData.transform(point) for point in points)]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in pixels]
    marks, left_out = len(taken), []
    for together in _at_one_dot(pixels, names):
        point = points[names.index(together[0])]
        x, y = pixels[names.index(together[0])]
        text = textwrap.fill(", ".join(together), WIDEST, break_long_words=False)
        size = _size(axes, text)
        room = []
        for align, across, up in (*NEAR, *_farther()):
            mine = _box_at(x + across, y + up, align, size)
            inside = box.x0 < mine[0] and mine[2] < box.x1 + 30 and box.y0 - 3 < mine[1] and mine[3] < box.y1
            if inside and _free(mine, taken):
                far = math.hypot(across, up) > 20
                clear = not far or not _crosses((x, y), (x + across, y + up), taken[marks:])
                room.append((clear, mine, (align, across, up), far))
                if clear:
                    break
        if not room:
            left_out += together
            continue
        _, mine, spot, far = room[-1] if room[-1][0] else room[0]
        _write_name(axes, point, text, spot, far)
        taken.append(mine)
    return left_out


def _at_one_dot(pixels: Sequence[tuple[float, float]], names: Sequence[str]) -> list[list[str]]:
    """The names in order, those together whose first points cannot be told apart."""
    firsts: dict[str, tuple[float, float]] = {}
    for name, pixel in zip(names, pixels, strict=True):
        firsts.setdefault(name, pixel)
    groups: list[list[str]] = []
    for name, pixel in firsts.items():
        group = next((group for group in groups if math.dist(pixel, firsts[group[0]]) < 4), None)
        groups.append([name]) if group is None else group.append(name)
    return groups


def _farther() -> Iterator[tuple[str, float, float]]:
    """Places round a point, ever farther off."""
    for radius in range(30, 600, 12):
        for angle in range(0, 360, 5):
            across, up = radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))
            yield ("left" if across >= 0 else "right"), across, up


def _size(axes: Axes, text: str) -> tuple[float, float]:
    """Width and height of writing in pixels, with a little room around."""
    measured = axes.text(0, 0, text, fontsize=NAME_SIZE)
    extent = measured.get_window_extent()
    measured.remove()
    return float(extent.width) + 4, float(extent.height) + 2


def _box_at(x: float, y: float, align: str, size: tuple[float, float]) -> _Box:
    left = x - {"left": 0, "right": size[0], "center": size[0] / 2}[align]
    return left, y - size[1] / 2, left + size[0], y + size[1] / 2


def _free(mine: _Box, taken: Iterable[_Box]) -> bool:
    return all(mine[2] < box[0] or box[2] < mine[0] or mine[3] < box[1] or box[3] < mine[1] for box in taken)


def _crosses(start: tuple[float, float], end: tuple[float, float], taken: Sequence[_Box]) -> bool:
    """Whether a line, but for its ends, runs through any of the boxes."""
    along = np.linspace(0.05, 0.95, 40)
    places = [(start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])) for share in along]
    return not all(_free((x, y, x, y), taken) for x, y in places)


def _write_name(axes: Axes, point: tuple[float, float], name: str, spot: tuple[str, float, float], far: bool) -> None:
    (align, *shift), points = spot, 72 / axes.figure.dpi
    line = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 4} if far else None
    axes.annotate(
        name, point, xytext=(shift[0] * points, shift[1] * points), textcoords="offset points", ha=align, va="center",
        fontsize=NAME_SIZE, color=INK, path_effects=list(HALO), zorder=6, annotation_clip=False, arrowprops=line,
    )  # fmt: skip


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
