"""Markdown as GitHub reads it: tables, lists, fenced blocks, and text that stays the text it is; and the blocks of a page.

One description of a model is written twice, as Markdown for those who read files and as HTML for those who open a page. Both
read the same blocks: a text is Markdown; a ``Wiring`` and ``EquationLines`` say what is to be shown and leave the drawing to
the writer.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from backfire.model import Network
from backfire.reports.diagram import mermaid
from backfire.reports.explanation import equations


def plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line: no emphasis, links, tables, mathematics or HTML by accident."""
    return re.sub(r"([\\`*|$~\[\]])", r"\\\1", " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;"))


def named(names: Iterable[str | None]) -> str:
    """Names as code, separated by commas; None is left out."""
    return ", ".join(f"`{name}`" for name in names if name)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown, in one line each."""
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


def bullets(items: Iterable[str]) -> str:
    """A list of Markdown lines."""
    return "\n".join(f"- {item}" for item in items)


def fenced(kind: str, lines: Iterable[str]) -> str:
    """Lines shown as they are; ``kind`` says what they are, such as ``sh`` or ``mermaid``."""
    return "\n".join([f"```{kind}", *lines, "```"])


def commands(pairs: Sequence[tuple[str, str]]) -> str:
    """Commands, each with a comment, the comments one below the other."""
    width = max(len(command) for command, _ in pairs)
    return fenced("sh", (f"{command:<{width}}  # {comment}" for command, comment in pairs))


WIDTH: Final = 100
"""Characters in a line of equations."""

Kind = Literal["balances", "rates", "definitions"]
"""The kinds of equations."""


@dataclass(frozen=True)
class Wiring:
    """Who acts on whom in a network."""

    network: Network

    def markdown(self) -> str:
        """The flowchart, which GitHub draws."""
        return fenced("mermaid", [mermaid(self.network)])


@dataclass(frozen=True, eq=False)
class EquationLines:
    """One kind of the equations of a network below a head."""

    head: str
    kind: Kind
    network: Network

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The equations as text, in the words of the model."""
        found: tuple[str, ...] = getattr(equations(self.network), self.kind)
        return found

    def markdown(self) -> str:
        """The lines as they stand, long ones wrapped."""
        return f"{self.head}\n\n{fenced('text', (part for line in self.lines for part in _wrapped(line)))}"


Block = str | Wiring | EquationLines
"""Markdown, or what every writer draws in its own way."""


def as_markdown(blocks: Iterable[Block]) -> str:
    """A page in Markdown, ending in a line break."""
    return "\n\n".join(block if isinstance(block, str) else block.markdown() for block in blocks) + "\n"


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="        ", break_long_words=False, break_on_hyphens=False)
