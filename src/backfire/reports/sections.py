"""Sections of headings, tables and lines, and how they look as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest


@dataclass(frozen=True)
class Section:
    """A heading with a table (rows of equal length, first the column names) or lines of text.

    ``numbers`` says that all columns but the first hold numbers.
    """

    title: str
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    numbers: bool = False


NARROWEST = 16
"""No column of a table is made narrower than this to fit a terminal."""


def as_text(sections: Iterable[Section], width: int | None = None) -> str:
    """Sections as plain text, columns aligned; lines and cells are wrapped to ``width`` characters if it is given."""
    blocks = []
    for section in sections:
        body = [part for line in section.lines for part in _wrapped(line, width and width - 2, "    ")]
        if len(section.rows) > 1:
            widths = _widths(section.rows, width and width - 2)
            body += [line for row in section.rows for line in _row_lines(row, widths)]
        if body:
            blocks.append("\n".join([section.title.upper(), *(f"  {line}" for line in body)]))
    return "\n\n".join(blocks)


def _wrapped(text: str, width: int | None, hanging: str = "") -> list[str]:
    """The lines of a text; words longer than ``width`` stay whole, so that names can be searched and copied."""
    if width is None or len(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, NARROWEST), subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def _widths(rows: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Widths of the columns; the widest are narrowed until the row fits, but never below their longest word."""
    columns = list(zip(*rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    if width is None:
        return widths
    least = [max(NARROWEST, *(len(word) for cell in column for word in cell.split() or [""])) for column in columns]
    while sum(widths) + 2 * (len(widths) - 1) > width:
        room = [own - low for own, low in zip(widths, least, strict=True)]
        if max(room) <= 0:
            break
        widest = max((own, index) for index, own in enumerate(widths) if room[index] > 0)[1]
        widths[widest] -= 1
    return widths


def _row_lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    ]
