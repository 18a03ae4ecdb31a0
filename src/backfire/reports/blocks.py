"""The blocks of a page on a model: Markdown, but for what each kind of page draws in its own way.

One description is written twice, as Markdown for those who read files and as HTML for those who open a page. Both read the
same blocks: a text is Markdown; a ``Wiring`` and ``EquationLines`` say what is to be shown and leave the drawing to the writer.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from backfire.model import Network
from backfire.reports.diagram import mermaid
from backfire.reports.explanation import equations
from backfire.reports.markdown import fenced

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
