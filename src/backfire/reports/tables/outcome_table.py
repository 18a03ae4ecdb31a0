"""Outcomes of runs for people and scripts: one table a run, or rows of all runs as data or CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from backfire.formatting import number
from backfire.model import CAUTION
from backfire.outcomes import Outcome, declared, in_table, until_failure
from backfire.reports.sections import Section
from backfire.simulation import Contrast, Result, outcomes_csv


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
        if in_table(name, names):
            unit = "" if units[name] == "1" else units[name]
            cells = [_outcome_cell(result, arm, name) for arm in result.outcomes]
            rows.append((f"{name.replace('_', ' ')}\n  {unit}".rstrip(), *cells))
    others = [other for other in (scenario.untreated, scenario.reference) if other]
    against = f"below each value: against {', then against '.join(others)} (× ratio, days as difference)."
    why = (
        f' {scenario.reference} {scenario.reference_rule}; `reference = "…"` in the file names another.'
        if scenario.reference_rule
        else ""
    )
    deaths = [f"{arm.replace('_', ' ')} on day {day:.4g}" for arm in result.outcomes if (day := result.death(arm)) is not None]
    failed = [
        f"{arm.replace('_', ' ')} on day {until_failure(course).times[-1]:.4g}"
        for arm, course in result.trajectories.items()
        if not course.status.good
    ]
    lines = (
        *(
            [f"The computation fails in {', '.join(failed)}: of that arm only the times that had come by then stand."]
            if failed
            else []
        ),
        *([f"The host dies in {', '.join(deaths)}; that arm ends there, and so do its sums and last values."] if deaths else []),
        *([f"{against}{why}"] if others else []),
        f"Times count from day {scenario.time_zero:g}, falls and kills from an arm's own first treatment; > not seen until then.",
        f"{CAUTION} · scenario {scenario.name} {scenario.hash}\n",
    )
    return Section(scenario.title, tuple(rows), lines, numbers=True)


def _outcome_cell(result: Result, arm: str, name: str) -> str:
    item = result.outcomes[arm].get(name)
    if item is None or not math.isfinite(item.value):
        return "–"
    others = (result.scenario.untreated, result.scenario.reference)
    changes = [_change_text(item, result.change(name, arm, other)) for other in others if other is not None]
    return f"{item.text}\n{'  '.join(change or '·' for change in changes) if any(changes) else ''}"


def _change_text(item: Outcome, change: Contrast | None) -> str:
    if change is None or declared(item.name).kind == "yes":
        return ""
    bound = f"{change.bound} " if change.bound else ""
    return f"{bound}{round(change.value, 3) + 0.0:+.3g}" if item.unit == "day" else f"{bound}×{number(change.value)}"
