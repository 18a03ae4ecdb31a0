"""A scenario as a file: what was found, for ``run`` and for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from backfire.model import CAUTION
from backfire.scenario import Scenario


def scenario_text(scenario: Scenario) -> str:
    """A scenario as a file that ``run`` takes, every value written out."""
    data = scenario.resolved()
    lines = [f"# Written by a search of backfire. {CAUTION[0].upper()}{CAUTION[1:]}."]
    lines += [f"{key} = {_toml(value)}" for key, value in data.items() if not isinstance(value, dict) and value != ""]
    for key, table in data.items():
        if isinstance(table, dict):
            inner = {name: value for name, value in table.items() if value is not None}
            lines += ["", f"[{key}]", *(f"{_key(name)} = {_toml(value)}" for name, value in inner.items())]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _toml(name)


def _toml(value: Any) -> str:
    """A value in TOML: tables inline, text with its quotes escaped, numbers in full."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items() if item is not None) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
