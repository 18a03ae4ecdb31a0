"""Outcomes of runs for people and scripts: one table a run, or rows of all runs as data or CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from backfire.formatting import number
from backfire.model import CAUTION
from backfire.outcomes import Outcome
from backfire.reports.sections import Section
from backfire.simulation import Result, outcomes_csv

_SKIPPED = ("log_kill_", "given_", "courses", "responded", "nadir", "smallest_share", "burden_area", "mean_", "seeded")
_KEPT = ("nadir", "nadir_day", "log_kill_first", "log_kill_last")
_YES_OR_NO = ("eradicated", "responded")


def results_data(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Name, hash and outcome rows of each run, as for JSON."""
    return [{"scenario": item.scenario.name, "hash": item.scenario.hash, "outcomes": item.outcome_rows()} for item in results]


def results_csv(results: Sequence[Result]) -> str:
    """The outcome rows of several runs below one head, each row with its scenario."""
    rows: list[str] = []
    for result in results:
        head, *lines = outcomes_csv(result).splitlines()
        rows += [*([] if rows else [f"scenario,{head}"]), *(f"{result.scenario.name},{line}" for line in lines)]
    return "\n".join(rows)


def outcome_section(result: Result) -> Section:
    """One table: outcomes down, arms across; below each value its change against untreated and reference."""
    scenario = result.scenario
    units = {name: item.unit for found in reversed(result.outcomes.values()) for name, item in found.items()}
    names = list(dict.fromkeys(name for found in result.outcomes.values() for name in found))
    rows = [("", *(arm.replace("_", " ") for arm in result.outcomes))]
    for name in names:
        if _worth_a_row(name, names):
            unit = "" if units[name] == "1" else units[name]
            cells = [_outcome_cell(result, arm, name) for arm in result.outcomes]
            rows.append((f"{name.replace('_', ' ')}\n  {unit}".rstrip(), *cells))
    against = f", then against {scenario.reference}" if scenario.reference else ""
    lines = (
        f"below each value: against untreated{against} (× ratio, days as difference).",
        "Times and falls count from the first treatment of any arm; > not seen until then.",
        f"{CAUTION} · scenario {scenario.name} {scenario.hash}\n",
    )
    return Section(scenario.title, tuple(rows), lines, numbers=True)


def _worth_a_row(name: str, names: Sequence[str]) -> bool:
    """The table leaves out what only scripts need; of a factor it shows what still acts after blockade."""
    if name.startswith("peak_"):
        return not name.endswith("_day") and name.replace("peak_", "peak_acting_", 1) not in names
    return name in _KEPT or not name.startswith(_SKIPPED)


def outcome_text(item: Outcome | None) -> str:
    """The value of an outcome in words; a dash where there is none, > for what was not seen until then."""
    if item is None or not math.isfinite(item.value):
        return "–"
    if item.name in _YES_OR_NO:
        return "yes" if item.value else "no"
    return number(item.value) if item.observed else f"> {number(item.value)}"


def _outcome_cell(result: Result, arm: str, name: str) -> str:
    item = result.outcomes[arm].get(name)
    if item is None or not math.isfinite(item.value):
        return outcome_text(None)
    others = (result.scenario.untreated, result.scenario.reference)
    changes = [_change_text(item, result.change(name, arm, other)) for other in others if other is not None]
    return f"{outcome_text(item)}\n{'  '.join(change or '·' for change in changes) if any(changes) else ''}"


def _change_text(item: Outcome, change: float | None) -> str:
    if change is None or item.name in _YES_OR_NO:
        return ""
    return f"{round(change, 3) + 0.0:+.3g}" if item.unit == "day" else f"×{number(change)}"
