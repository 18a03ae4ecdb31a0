"""Sections of headings, tables and lines: as plain text of any width, and as data."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from backfire.notebook import folded, shown


class Span(NamedTuple):
    """A range of plausible values: ``low … high`` as text, ``[low, high]`` as data."""

    low: float
    high: float


@dataclass(frozen=True)
class Section:
    """A heading with a table (rows of equal length, first the column names) or lines of text.

    Cells are text, numbers, spans or lists of names. ``numbers`` says that all columns but the first hold numbers.
    """

    title: str
    rows: tuple[tuple[Any, ...], ...] = ()
    lines: tuple[str, ...] = ()
    numbers: bool = False


class Sections(list[Section]):
    """Sections in a list that shows itself: as text where it is printed, in a notebook as tables to open."""

    def __str__(self) -> str:
        return as_text(self, 120)

    def __repr__(self) -> str:
        return f"<Sections: {', '.join(section.title for section in self)}>"

    def _repr_html_(self) -> str:
        """In a notebook: every section, the first one open."""
        return "".join(folded(section.title, _html(section), is_open=section is self[0]) for section in self)


def _html(section: Section) -> str:
    heads, *rows = [[cell_text(cell) for cell in row] for row in section.rows] or [[]]
    return shown("", heads, rows, most=len(rows)) + "".join(f"<p>{escape(line)}</p>" for line in section.lines)


NARROWEST: Final = 16
"""No text is wrapped to less."""
COMFORTABLE: Final = 28
"""A column of sentences is not made narrower than this as long as its table can be split instead."""


def cell_text(value: Any) -> str:
    """A cell as people read it: numbers to six digits, names with commas between, an empty list as nothing."""
    if isinstance(value, Span):
        return f"{value.low:g} … {value.high:g}"
    if isinstance(value, list | tuple):
        return ", ".join(value) or "nothing"
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_data(sections: Iterable[Section]) -> dict[str, list[Any]]:
    """Sections as data, by title in lower case: a table as one mapping per row, lines as they are."""
    return {item.title.lower(): as_records(item.rows) if item.rows else list(item.lines) for item in sections}


def as_records(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows, first the column names, as a mapping each; names of two words get an underscore."""
    return [dict(zip((head.replace(" ", "_") for head in rows[0]), row, strict=True)) for row in rows[1:]]


def as_text(sections: Iterable[Section], width: int | None = None) -> str:
    """Sections as plain text, columns aligned; lines and cells are wrapped to ``width`` characters if it is given."""
    blocks = []
    for section in sections:
        body = [part for line in section.lines for part in wrapped(line, width and width - 2, "    ")]
        if len(section.rows) > 1:
            rows = [[cell_text(cell) for cell in row] for row in section.rows]
            for number, columns in enumerate(side_by_side(rows, width and width - 2, gap=2)):
                body += [""] if number else []
                body += [line for row in rows for line in _row_lines(row, columns, width and width - 2)]
        if body:
            blocks.append("\n".join([section.title.upper(), *(f"  {line}".rstrip() for line in body)]))
    return "\n\n".join(blocks)


def wrapped(text: str, width: int | None, hanging: str = "") -> list[str]:
    """The lines of a text; words longer than ``width`` stay whole, so that names can be searched and copied."""
    if width is None or len(text) <= width:
        return [text]
    width = max(width, NARROWEST)
    return textwrap.wrap(text, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False) or [""]


def side_by_side(rows: Sequence[Sequence[str]], width: int | None, gap: int, rigid: bool = False) -> list[dict[int, int]]:
    """Which columns of a table stand beside each other, so that it fits: blocks of column → width, to be read downwards.

    One block if everything fits, with sentences wrapped where they must be. Otherwise fewer columns at a time, each block
    beginning with the columns that tell its rows apart. No column is narrower than its longest word, nor, if the table is
    ``rigid``, than its longest line; ``gap`` characters lie between two columns. A column that alone is too wide stays so.
    """
    columns = list(zip(*rows, strict=True))
    natural = [max(len(line) for cell in column for line in cell.split("\n")) for column in columns]
    if width is None:
        return [dict(enumerate(natural))]
    longest = [max(len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    words = [max(word, min(whole, NARROWEST)) for word, whole in zip(longest, natural, strict=True)]
    comfortable = [max(least, min(whole, COMFORTABLE)) for least, whole in zip(words, natural, strict=True)]
    least = dict(enumerate(natural if rigid else comfortable))

    def fits(chosen: Mapping[int, int]) -> bool:
        return sum(chosen.values()) + gap * (len(chosen) - 1) <= width

    if fits(least):
        blocks = [least]
    else:
        keys = _telling_apart(rows)
        blocks = [{index: least[index] for index in keys}]
        for group in _groups(rows[0], keys):
            wider = {**blocks[-1], **{index: least[index] for index in group}}
            if len(blocks[-1]) > len(keys) and not fits(wider):
                wider = {index: least[index] for index in (*keys, *group)}
                blocks.append(wider)
            blocks[-1] = dict(sorted(wider.items()))
    for block in blocks:
        if not fits(block) and not rigid:
            block.update({index: words[index] for index in block})
        while narrowed := [(size, -index) for index, size in block.items() if size < natural[index]]:
            index = -min(narrowed)[1]
            if not fits({**block, index: block[index] + 1}):
                break
            block[index] += 1
    return blocks


def _telling_apart(rows: Sequence[Sequence[str]]) -> list[int]:
    """As few of the first columns as it takes that no two rows are alike; the first if all of them do not."""

    def different(columns: Sequence[int]) -> bool:
        return len({tuple(row[index] for index in columns) for row in rows[1:]}) == len(rows) - 1

    chosen = next((list(range(count)) for count in range(1, len(rows[0])) if different(range(count))), [0])
    for index in chosen[:0:-1]:
        fewer = [other for other in chosen if other != index]
        chosen = fewer if different(fewer) else chosen
    return chosen


def _groups(heads: Sequence[str], keys: Sequence[int]) -> list[list[int]]:
    """The other columns; what is called like another column speaks of the one to its left, and stays with it."""
    groups: list[list[int]] = []
    for index in (index for index in range(len(heads)) if index not in keys):
        if groups and heads[index] and heads.count(heads[index]) > 1:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _row_lines(row: Sequence[str], columns: Mapping[int, int], width: int | None) -> list[str]:
    """A row side by side, or, if even that is too wide, its cells one below the other."""
    if width is not None and sum(columns.values()) + 2 * (len(columns) - 1) > width:
        first, *others = (row[index] for index in columns)
        return [*wrapped(first, width), *(f"    {part}" for cell in others for part in wrapped(cell, width - 4))]
    cells = [wrapped(row[index], size) for index, size in columns.items()]
    return [
        "  ".join(part.ljust(size) for part, size in zip(parts, columns.values(), strict=True)).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    ]
