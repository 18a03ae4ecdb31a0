"""A scenario file to start from."""

from __future__ import annotations

from backfire.errors import CompositionError
from backfire.scenario import check_folder_name, shipped_scenarios


def new_scenario(name: str) -> str:
    """A commented scenario file to start from; a shipped name gives a copy of that file."""
    known = shipped_scenarios()
    check_folder_name(name)
    if name in known:
        return known[name].read_text(encoding="utf-8")
    template = known.get("wnt16b-stroma")
    if template is None:
        raise CompositionError(["the shipped scenarios are missing from this installation"])
    text = template.read_text(encoding="utf-8")
    body = text[text.index("[mechanisms]") :]
    head = [
        f"# {name}: a copy of wnt16b-stroma to change. Check it with `backfire check`, run it with `backfire run`.",
        "# Mechanisms: `backfire mechanisms`. Parameters with units, ranges and sources: `backfire explain`.",
        'title   = "One sentence that says what this scenario shows"',
        'article = "ours"',
        *(line for line in text.splitlines() if line.startswith("days")),
    ]
    return "\n".join(head) + "\n\n" + body
