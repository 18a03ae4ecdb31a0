"""The page on which every figure is drawn: headline, remarks, panels at places in inches, axes with round ticks, key, footer."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from backfire.errors import UserError, unknown
from backfire.figures.style import SOFT, styled
from backfire.formatting import power_of_ten, short
from backfire.model import CAUTION, version
from backfire.solvers import Floats

SLIDE: Final = (14.0, 7.9)
"""Inches of a slide."""
DOTS_PER_INCH: Final = 110
IN_A_CELL: Final = 80
"""Dots per inch of a figure in a notebook, whose cells are no wider than a slide at that."""
IMAGE_FORMATS: Final = ("png", "svg", "pdf")
LARGEST: Final = 1e100
"""Larger numbers are drawn at the edge: the arithmetic of axes overflows before that of numbers does."""


class Slide(Figure):
    """A figure that a notebook shows by itself, without asking for it first."""

    def _repr_png_(self) -> bytes:
        return image(self, dots=IN_A_CELL)


class Page:
    """A figure with headline and footer, laid out in inches from its lower left corner.

    ``hashes`` maps scenario → hash. Panels may reach up to ``top``, where the words of the head end.
    """

    def __init__(self, title: str, hashes: Mapping[str, str], size: tuple[float, float] = SLIDE, title_size: float = 17) -> None:
        self.width, self.height = size
        self.figure = figure = Slide(figsize=size, dpi=DOTS_PER_INCH)
        if len(title) > self.width * 105 / title_size:
            title_size *= 0.8
        lines = textwrap.wrap(title, width=int(self.width * 105 / title_size))[:2]
        figure.text(0.02, 1 - 0.22 / self.height, "\n".join(lines), fontsize=title_size, fontweight="bold", va="top")
        self.top = self.height - 0.22 - max(1, len(lines)) * 1.2 * title_size / 72 - 0.1
        listed = ", ".join(f"{name} {digest}" for name, digest in hashes.items())
        figure.set_label(listed)
        foot: dict[str, Any] = {"y": 0.12 / self.height, "fontsize": 9, "color": SOFT}
        figure.text(0.02, s=f"{CAUTION}   ·   backfire {version()}", **foot)
        if 0.075 * len(listed) < self.width - 5:
            figure.text(0.98, s=f"scenario {listed}", ha="right", **foot)

    def remark(self, words: str) -> None:
        """Write below the headline, on at most three lines."""
        lines = textwrap.wrap(words, 175)[:3]
        place = (0.02, self.top / self.height)
        self.figure.text(*place, "\n".join(lines), fontsize=10.5, color="#444444", va="top", linespacing=1.3)
        self.top -= 0.2 * len(lines)

    def text(self, left: float, height: float, words: str, **style: Any) -> Text:
        """Write at so many inches from the left and the foot."""
        return self.figure.text(left / self.width, height / self.height, words, **style)

    def axes(self, left: float, foot: float, width: float, height: float, **options: Any) -> Axes:
        """New axes whose lower left corner is so many inches from the left and the foot."""
        across, up = self.width, self.height
        return self.figure.add_axes((left / across, foot / up, width / across, height / up), **options)

    def panels(
        self,
        columns: int,
        rows: int = 1,
        margins: tuple[float, float, float, float] = (1.0, 1.35, 1.3, 0.45),
        gap: tuple[float, float] = (0.0, 0.0),
    ) -> Iterator[Axes]:
        """New axes of equal size below the head, row by row; ``margins`` left, right, foot, head and ``gap`` in inches."""
        left, right, foot, head = margins
        width = (self.width - left - right - gap[0] * (columns - 1)) / columns
        height = (self.top - foot - head - gap[1] * (rows - 1)) / rows
        for index in range(rows * columns):
            down, across = divmod(index, columns)
            yield self.axes(left + across * (width + gap[0]), foot + (rows - 1 - down) * (height + gap[1]), width, height)

    @property
    def drawn(self) -> set[str]:
        """The labels of everything that is drawn in any axes."""
        return {str(artist.get_label()) for axes in self.figure.axes for artist in axes.get_children()}

    def key(self, rows: Iterable[tuple[Artist, str]], at: tuple[float, float] | None = None, **style: Any) -> None:
        """The key of the marks: from the upper left corner ``at`` on, or above the footer in one row, or two if that is long."""
        shown = dict(rows)
        if not shown:
            return
        names = list(shown.values())
        long = sum(0.62 + 0.078 * len(name) for name in names) > self.width - 0.5
        x, y = (0.5 * self.width, 0.36) if at is None else at
        below: dict[str, Any] = {"loc": "lower center", "ncols": math.ceil(len(names) / 2) if long else len(names)}
        placed = below if at is None else {"loc": "upper left"}
        style = {"fontsize": 9.5, "handletextpad": 0.5, "columnspacing": 1.8, **placed, **style}
        legend = self.figure.legend(
            list(shown), names, bbox_to_anchor=(x / self.width, y / self.height), frameon=False, borderpad=0,
            borderaxespad=0, **style,
        )  # fmt: skip
        legend.set_zorder(10)


def image(figure: Figure, form: str = "png", dots: int = DOTS_PER_INCH) -> bytes:
    """The figure as an image in one of ``IMAGE_FORMATS``, ``dots`` to an inch; the same figure gives the same bytes.

    Version, caution and scenario hashes are in the metadata too. Raises UserError for another format.
    """
    if form not in IMAGE_FORMATS:
        raise UserError(unknown("figure format", form, IMAGE_FORMATS))
    made, source, buffer = f"backfire {version()}", str(figure.get_label()), io.BytesIO()
    about: dict[str, dict[str, Any]] = {
        "png": {"Software": made, "Comment": CAUTION, "Source": source},
        "svg": {"Creator": made, "Description": CAUTION, "Source": source, "Date": None},
        "pdf": {"Creator": made, "Subject": CAUTION, "Keywords": source, "CreationDate": None},
    }
    with styled():
        figure.savefig(buffer, format=form, metadata=about[form], dpi=dots)
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as a PNG image, as ``image`` makes it."""
    return image(figure)


def plain(value: float) -> str:
    """A number with at most six digits."""
    return f"{value:g}"


def set_ticks(axis: Axis, places: Sequence[float] = (), name: Callable[[float], str] = plain) -> None:
    """Ticks at these places only, called by ``name``."""
    axis.set_major_locator(FixedLocator(list(places)))
    axis.set_major_formatter(FixedFormatter([name(place) for place in places]))
    axis.set_minor_locator(NullLocator())


def round_places(low: float, high: float, most: int, steps: Sequence[float] = (1, 2, 5, 10)) -> list[float]:
    """At most so many round numbers between two."""
    return [float(tick) for tick in MaxNLocator(most - 1, steps=steps).tick_values(low, high) if low <= tick <= high]


def log_places(low: float, high: float, most: int) -> list[float]:
    """Round places between two powers of ten: 1, 2 and 5 of each decade, or only the decades, or every so many."""
    span = high - low
    decades = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    for parts in ((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        places = [decade + math.log10(part) for decade in range(decades.start - 1, decades.stop) for part in parts]
        inside = [place for place in places if low - 1e-9 <= place <= high + 1e-9]
        if 2 <= len(inside) <= most:
            return inside
    if len(decades) > most:
        return [float(decade) for decade in decades][:: math.ceil(len(decades) / most)]
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(10.0**low, 10.0**high) if 0 < span < 1 and abs(low) < 300 else []
    return [math.log10(tick) for tick in ticks if tick > 0 and low <= math.log10(tick) <= high] or [low / 2 + high / 2]


def value_axis(
    axes: Axes, which: Literal["x", "y"], label: str, limits: tuple[float, float], logarithmic: bool, most: int = 8
) -> None:
    """Scale, limits, ticks and name of one axis that shows values as they are."""
    low, high = limits
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log"} if logarithmic else {})
    axes.set(**{f"{which}lim": (low, high)})
    places = log_places(math.log10(low), math.log10(high), most) if logarithmic else round_places(low, high, most)
    set_ticks(axis, [10.0**place for place in places] if logarithmic else places, lambda tick: short(tick, 3))
    axis.set_label_text(label)
    axis.labelpad = 3


def roomy(low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    """Limits of an axis with a little room on both sides."""
    low, high = max(low, 1 / LARGEST if logarithmic else -LARGEST), min(high, LARGEST)
    if logarithmic:
        room = (high / low) ** 0.02 if high > low else 2.0
        return low / room, high * room
    room = 0.02 * (high - low) or 0.5
    return low - room, high + room


def log_axis(axes: Axes, lines: Iterable[Floats], floor: float = 0.4) -> None:
    """A vertical log axis, not below ``floor``, on which all ``lines`` have room, with ticks at powers of ten."""
    finite = [line[np.isfinite(line)] for line in lines]
    present = np.concatenate([line for line in finite if len(line)] or [np.array([1.0, 10.0])])
    low, high = float(present.min()), min(float(present.max()), 1e300)
    narrow = high / 50 < low
    margin = 1.5 if narrow else 2.5
    axes.set_yscale("log")
    bottom, top = max(min(low, high) / margin, floor, 1e-300), max(high * margin, min(low, high) * 3)
    axes.set_ylim(bottom, top)
    ticks = min(7, max(3, int(axes.bbox.height * 72 / DOTS_PER_INCH / 16)))
    # LogLocator looks for decades beyond the limits, where there may be no more numbers
    decades = _decades(math.log10(bottom), math.log10(top), ticks)
    axes.yaxis.set_major_locator(LogLocator(base=10, numticks=ticks, subs=(1.0, 2.0, 5.0)) if narrow else FixedLocator(decades))
    name = plain if narrow and high < 1e3 else _power
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: name(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")


def _decades(low: float, high: float, most: int) -> list[float]:
    """Powers of ten between two, given as their logarithms: every so many, at most so many."""
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    every = (last - first) // most + 1
    return [10.0**decade for decade in range(-(-first // every) * every, last + 1, every)]


def _power(value: float) -> str:
    if value <= 0:
        return ""
    exponent = math.floor(math.log10(value) + 1e-9)
    digit = round(value / 10**exponent)
    return (f"{digit}·" if digit != 1 else "") + power_of_ten(exponent)
