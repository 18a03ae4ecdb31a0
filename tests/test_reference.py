"""The reference of everything there is, made from the code: ``python tests/test_reference.py`` writes ``docs/reference.md``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from backfire.cli.app import _program
from backfire.mechanisms import shipped
from backfire.outcomes import CATALOGUE
from backfire.reports import mechanism_rows
from backfire.sampling import design_kinds

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference.md"


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    cells = [" | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in row) for row in rows]
    return "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {row} |" for row in cells)])


def commands() -> Iterator[str]:
    group: Any = get_command(_program())
    with group.make_context("backfire", [], resilient_parsing=True) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            yield f"### `backfire {name}`\n\n{command.help or ''}"
            rows = []
            for item in command.params:
                if item.name == "help":
                    continue
                words = [item.name.upper()] if item.param_type_name == "argument" else item.opts
                called = ", ".join(f"`{word}`" for word in words)
                rows.append((called, getattr(item, "help", "") or ""))
            yield table(("given", "what it is"), rows) if rows else ""


def meaning_of(meaning: str) -> str:
    """A meaning whose places for names, and for the thresholds of a scenario, are left open."""
    return re.sub(r"\{[\w:.]*\}", "…", meaning.replace("{refused}", ""))


def text() -> str:
    outcomes = [(f"`{item.name.format('…')}`", item.unit, meaning_of(item.meaning)) for item in CATALOGUE]
    mechanisms = [tuple(str(cell) if not isinstance(cell, list) else ", ".join(cell) for cell in row) for row in mechanism_rows()]
    designs = [
        (f"`{kind}`", made.title, ", ".join(f"`{name}`: {about['meaning']}" for name, about in made.settings().items()))
        for kind, made in design_kinds().items()
    ]
    assert len(mechanisms) >= len(shipped())
    blocks = [
        "# Reference", "Made from the code by `python tests/test_reference.py`; everything here is declared once, there.",
        "## Commands", *commands(),
        "## Outcomes", ("Any of them in tables, sweeps, claims and studies; `peak(…)`, `lowest(…)`, `final(…)`, `mean(…)`, `area(…)`, "
        "`day_above(…, level)` and `day_below(…, level)` of anything recorded besides."),
        table(("outcome", "unit", "meaning"), outcomes),
        "## Mechanisms", "`backfire mechanisms NAME` has each with its equations, options and parameters.",
        table(("mechanism", "what it is", "reads", "changes"), mechanisms),
        "## Designs of sweeps", table(("kind", "what it is", "settings"), designs),
        "## Files", ("`backfire schema scenario|sweep|claims|population|trial|ablation|sensitivity` prints the JSON Schema of each kind, "
        "`backfire new` begins one, `backfire check` reads any."),
    ]  # fmt: skip
    return "\n\n".join(block for block in blocks if block) + "\n"


def test_the_reference_is_that_of_the_code() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == text()


if __name__ == "__main__":
    REFERENCE.write_text(text(), encoding="utf-8")
