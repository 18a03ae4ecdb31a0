"""Markdown as GitHub reads it: tables, lists, fenced blocks, and text that stays the text it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


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
