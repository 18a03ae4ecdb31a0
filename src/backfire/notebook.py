"""What objects show of themselves in a notebook: a small table, and curves, as HTML that needs nothing else; and how far it is.

Everything that could come from a file is escaped. The colours are those of the arms, on a background of their own, so that
notebooks in the dark show them, too.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from backfire.palette import arm_styles

WIDE, HIGH = 560.0, 170.0
_LEFT, _FOOT, _HEAD = 46.0, 22.0, 8.0
MOST_POINTS: Final = 400
"""A curve has no more points."""
MOST_ROWS: Final = 12
"""A table in a notebook has no more rows: the whole of it is what ``table()`` and files are for."""


OFTEN: Final = 0.2
"""Seconds between two looks of a bar."""


def shown(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", figure: str = "", most: int = MOST_ROWS
) -> str:
    """A title, a table of at most ``most`` rows, a figure and a note."""
    named = "".join(f'<th scope="col">{escape(word)}</th>' for word in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[:most])
    left = len(rows) - most
    more = f"<p>… and {left} more</p>" if left > 0 else ""
    table = f"<table><thead><tr>{named}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    foot = f"<p><small>{escape(note)}</small></p>" if note else ""
    head = f"<p><b>{escape(title)}</b></p>" if title else ""
    return f"<div>{head}{figure}{table}{more}{foot}</div>"


def curves(lines: Mapping[str, Iterable[tuple[float, float]]], days: float, label: str, floor: float) -> str:
    """Curves of arms, (day, value) each, on a logarithmic axis from ``floor`` on, as one ``<svg>``."""
    points = {arm: [point for point in line if point[1] >= floor] for arm, line in lines.items()}
    points = {arm: line[:: 1 + len(line) // MOST_POINTS] for arm, line in points.items()}
    values = [value for line in points.values() for _, value in line if math.isfinite(value)]
    if not values or days <= 0:
        return ""
    low, high = math.log10(min(values)) - 0.2, math.log10(max(values)) + 0.2
    styles, drawn = arm_styles(lines), []

    def place(day: float, value: float) -> str:
        x = _LEFT + day / days * (WIDE - _LEFT - 6)
        return f"{x:.1f},{_HEAD + (high - math.log10(value)) / (high - low) * (HIGH - _HEAD - _FOOT):.1f}"

    for arm, line in points.items():
        style = styles[arm]
        dashes = f' stroke-dasharray="{" ".join(f"{1.6 * dash:g}" for dash in style.dashes)}"' if style.dashes else ""
        drawn.append(
            f'<polyline fill="none" stroke="{style.colour}" stroke-width="1.8"{dashes} '
            f'points="{" ".join(place(*point) for point in line)}"><title>{escape(arm)}</title></polyline>'
        )
    for power in range(math.ceil(low), math.floor(high) + 1, max(1, round((high - low) / 5))):
        y = place(0, 10.0**power).partition(",")[2]
        drawn.append(f'<text x="{_LEFT - 6}" y="{y}" text-anchor="end" dominant-baseline="middle">1e{power}</text>')
    drawn.append(f'<text x="{WIDE - 6}" y="{HIGH - 6}" text-anchor="end">day {days:g}</text>')
    drawn.append(f'<text x="{_LEFT}" y="{HIGH - 6}">0</text>')
    key = "".join(
        f'<span style="margin-right:1em"><span style="color:{styles[arm].colour}">━</span> {escape(arm)}</span>' for arm in points
    )
    words = f"<p><small>{escape(label)}: {key}</small></p>"
    return (
        f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" width="{WIDE:g}" role="img" aria-label="{escape(label)}" '
        f'style="background:#fff;font:10px sans-serif;max-width:100%">{"".join(drawn)}</svg>{words}'
    )


def folded(title: str, content: str, is_open: bool = False) -> str:
    """Content that a reader opens by its title."""
    marked = ' open=""' if is_open else ""
    return f"<details{marked}><summary><b>{escape(title)}</b></summary>{content}</details>"


@contextlib.contextmanager
def watched(total: int, what: str = "members") -> Iterator[Callable[[int], None]]:
    """A progress bar in a notebook, and nothing elsewhere: gives a function to call with how many more are done.

    with backfire.watched(10_000) as advance:
        backfire.sweep("my-sweep.toml", "results", progress=advance)
    """
    place, begun, done, seen = _place(), time.monotonic(), 0, -OFTEN

    def advance(count: int) -> None:
        nonlocal done, seen
        done += count
        now = time.monotonic() - begun
        if place is not None and now - seen >= OFTEN:
            seen = now
            place(_bar(done, total, what, now))

    yield advance
    if place is not None:
        place(_bar(done, total, what, time.monotonic() - begun))


def latest() -> Callable[[str], None]:
    """Tells messages one after the other: in a notebook the newest in place of the one before, elsewhere each on stderr.

    ``backfire.population("plausible.toml", "results", notify=backfire.latest())``
    """
    place = _place()
    return lambda words: print(words, file=sys.stderr) if place is None else place(f"<p><small>{escape(words)}</small></p>")


def _bar(done: int, total: int, what: str, seconds: float) -> str:
    share = min(1.0, done / max(1, total))
    left = f", {(1 - share) / share * seconds:.0f} s left" if 0 < share < 1 else f", {seconds:.1f} s"
    return (
        f'<progress value="{share:.4f}" max="1" style="width:20em" aria-label="{escape(what)}"></progress> '
        f"<small>{done:,} of {total:,} {escape(what)}{left}</small>"
    )


def _place() -> Callable[[str], None] | None:
    """A place in the cell whose HTML can be replaced; None outside a notebook."""
    python = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if python is None or not hasattr(python, "kernel"):
        return None
    cell: Any = importlib.import_module("IPython.display")
    handle = cell.display(cell.HTML(""), display_id=True)

    def show(html: str) -> None:
        handle.update(cell.HTML(html))

    return show
