"""What the explorer of a page is given: the model as JavaScript, and the study around it as data.

Everything is computed from the scenario: inputs with ranges, units and grades, arms and doses, outcomes as the catalogue
declares them, claims as their language was read. The JavaScript beside this file only knows how to use it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.claims import RESOLVED, Arithmetic, Claim, ClaimEntry, OutcomeRef, Term
from backfire.figures import arm_styles
from backfire.formatting import display_name, unit_in_words
from backfire.formulas import Expression
from backfire.model import REGIMEN_NUMBERS, Intervention
from backfire.outcomes import HOST_LOAD, Declaration, declared, ranked
from backfire.sampling import PlausibleTumours
from backfire.scenario import Input, Scenario
from backfire.simulation import course_agents, feeds
from backfire.solvers import NODES
from backfire.solvers.javascript import javascript, javascript_formula, solver_source

ENGINE: Final = ("study.js", "outcomes.js", "verdicts.js", "crowd.js", "toml.js")
"""The parts of the explorer that touch no page, in the order in which they need each other."""
MOST_DOSES: Final = 60
"""A slider of a number of doses goes no further."""
MOST_TUMOURS: Final = 100
"""So many plausible tumours are simulated in the page."""
DIGITS: Final = 9
"""Of a number of theirs."""


def script(name: str) -> str:
    """The text of a script beside this file."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def engine() -> str:
    """Everything that simulates, reads outcomes and judges claims, as JavaScript without a page."""
    points, weights = np.polynomial.legendre.leggauss(6)
    inverse = np.linalg.inv(np.vander(NODES, increasing=True))
    reading = {"inverse": inverse.tolist(), "points": points.tolist(), "weights": weights.tolist()}
    return "\n".join([f"const READING = {json.dumps(reading)};", solver_source(), *(script(name) for name in ENGINE)])


def study(
    scenario: Scenario,
    claims: Iterable[tuple[ClaimEntry, Claim]] = (),
    shown: Sequence[str] = (),
    sources: Sequence[str] = (),
    elsewhere: Sequence[str] = (),
    tumours: PlausibleTumours | None = None,
) -> str:
    """An object literal: a scenario as the scripts want it.

    ``claims`` speak of this scenario; ``shown`` are recorded names to draw, the first one first; ``sources`` are the recorded
    names that may be chosen besides (all states if there are none). ``elsewhere`` are ids of claims that the page tells but
    the explorer cannot judge, to which those on the chance of cure are added. Of plausible ``tumours`` it has at most
    ``MOST_TUMOURS``, each as likely as any other.
    """
    given = [*claims]
    read = [(entry, claim) for entry, claim in given if all(ref.outcome != "cure_probability" for ref in claim.refs())]
    left = [*elsewhere, *(entry.id for entry, claim in given if (entry, claim) not in read)]
    content = {**_data(scenario, read, shown, sources), "elsewhere": left, "tumours": tumours and _crowd(tumours)}
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    agents = ",\n".join(f"{json.dumps(name)}: {_agent(scenario, item)}" for name, item in scenario.network.interventions.items())
    return f"{{...{data},\nagents: {{\n{agents}\n}},\nmodel: {javascript(scenario.network, [HOST_LOAD])}\n}}"


def _data(
    scenario: Scenario, claims: Sequence[tuple[ClaimEntry, Claim]], shown: Sequence[str], sources: Sequence[str]
) -> dict[str, Any]:
    network, inputs, units = scenario.network, scenario.inputs, scenario.network.recorded
    styles, fed = arm_styles(scenario.arms), feeds(network)
    return {
        "name": scenario.name,
        "title": scenario.title,
        "hash": scenario.hash,
        "days": scenario.days,
        "since": scenario.time_zero,
        "hostLoad": HOST_LOAD,
        "untreated": scenario.untreated,
        "inputs": [_input(scenario, item) for item in inputs.values()],
        "parameters": [{"name": name, "perUnit": inputs[name].per_unit} for name in network.parameters],
        "switches": [*network.switches],
        "regimens": {name: {"agent": item.agent} for name, item in scenario.regimens.items()},
        "regimenNumbers": [*REGIMEN_NUMBERS],
        "arms": {arm: [*given] for arm, given in scenario.arms.items()},
        "looks": {arm: {"colour": styles[arm].colour, "dashes": styles[arm].dashes} for arm in scenario.arms},
        "start": [state.initial for state in network.states],
        "cells": [state.dies_out for state in network.states],
        "amounts": [state.unit != "1" for state in network.states],
        "feeds": [sorted(fed.get(place, ())) for place in range(len(network.states))],
        "units": units,
        "labels": {name: display_name(name) for name in units},
        "measures": {name: unit_in_words(unit) for name, unit in units.items()},
        "shown": [*shown],
        "sources": [*(sources or network.state_names)],
        "flows": dict(network.flows),
        "courseAgents": sorted(course_agents(scenario)),
        "rules": {word: value for word, value in vars(scenario.rules).items() if word != "since"},
        "outcomes": [_outcome(item) for item in ranked("page") if item.name != "cure_probability"],
        "claims": [_claim(entry, claim) for entry, claim in claims],
        "resolved": RESOLVED,
        "readings": _readings(claims),
        "file": scenario.resolved(),
    }


def _crowd(tumours: PlausibleTumours) -> dict[str, Any]:
    """Some of the tumours at equal distances through their weights, and of which they are, in words."""
    count = min(MOST_TUMOURS, len(tumours))
    chosen = np.searchsorted(np.cumsum(tumours.weights), (np.arange(count) + 0.5) / count)
    about = tumours.manifest
    words = (
        f"Bands: half, and nine in ten, of {count} plausible tumours (of {len(tumours)} of population {about['name']}, seed "
        f"{about['seed']}). Doses, switches and all else that they share are as you set them; every other value is their own."
    )
    values = [[float(f"{value:.{DIGITS}g}") for value in row] for row in tumours.values[np.minimum(chosen, len(tumours) - 1)]]
    return {"names": [*tumours.names], "values": values, "words": words}


def _input(scenario: Scenario, item: Input) -> dict[str, Any]:
    """One input with the range that a slider of it has; one without a range has no slider."""
    low, high = (item.low, item.high) if item.kind != "regimen" else _reach(scenario, item)
    fixed = not (math.isfinite(low) and math.isfinite(high) and low < high)
    parameter = item.parameter
    owner = item.name.partition(".")[0] if parameter is None else scenario.network.owners[item.name]
    return {
        "name": item.name, "kind": item.kind, "unit": "" if item.unit == "1" else item.unit, "meaning": item.meaning,
        "value": item.value, "whole": item.whole, "owner": owner, "low": None if fixed else low, "high": None if fixed else high,
        "most": item.most if math.isfinite(item.most) else None,
        "grade": parameter.grade if parameter else "", "source": parameter.source if parameter else "",
    }  # fmt: skip


def _reach(scenario: Scenario, item: Input) -> tuple[float, float]:
    """How far a number of a regimen can sensibly be moved by hand."""
    owner, _, word = item.name.rpartition(".")
    regimen = scenario.regimens[owner]
    match word:
        case "amount" if item.unit:
            return 0.0, 4 * item.value or 10.0
        case "start":
            return 0.0, scenario.days
        case "count" if regimen.every > 0:
            fitting = min(max(2 * regimen.count, 6), MOST_DOSES, int(scenario.days / regimen.every))
            return 1.0, float(max(regimen.count, fitting))
        case "every" if regimen.count > 1:
            return max(regimen.duration, regimen.every / 4), regimen.every * 3
        case "cycles" if regimen.cycle_length > 0:
            return 1.0, float(max(2 * regimen.cycles, 6))
        case "duration" if regimen.duration > 0:
            return regimen.duration / 10, regimen.every if regimen.count > 1 else min(4 * regimen.duration, scenario.days)
    return math.nan, math.nan


def _agent(scenario: Scenario, item: Intervention) -> str:
    """What an agent does at a moment, its formulas as functions of the constants and the amount."""
    given: dict[str, dict[str, str]] = {"multiply": {}, "add": {}}
    for state, action, formula in item.formulas():
        given[action][state] = _function(scenario, formula)
    facts: dict[str, Any] = {"unit": item.amount_unit, "infuses": item.infuses, "switches": item.switches}
    facts |= {"resects": scenario.network.resects(item.name)}
    parts = [f"{word}: {json.dumps(value)}" for word, value in facts.items()]
    for word, action in (("multiplies", "multiply"), ("adds", "add")):
        parts.append(f"{word}: {{{', '.join(f'{json.dumps(state)}: {text}' for state, text in given[action].items())}}}")
    return f"{{{', '.join(parts)}}}"


def _function(scenario: Scenario, formula: Expression) -> str:
    places = {name: place for place, name in enumerate(scenario.network.constant_names)}
    lines = [f"const ${name} = k[{places[name]}]; " for name in sorted(formula.names - {"amount"})]
    return f"(k, $amount) => {{ {''.join(lines)}return {javascript_formula(formula)}; }}"


def _outcome(item: Declaration) -> dict[str, Any]:
    unit = unit_in_words(item.unit)
    return {"name": item.name, "title": item.titled(item.name), "unit": unit, "kind": item.kind, "time": item.until is not None}


def _claim(entry: ClaimEntry, claim: Claim) -> dict[str, Any]:
    comparisons = [
        {"left": _term(item.left), "order": item.order, "right": _term(item.right), "tolerance": item.tolerance}
        for item in claim.comparisons
    ]
    return {
        "id": entry.id, "label": entry.short_name, "role": entry.role, "statement": entry.statement, "until": entry.until,
        "comparisons": comparisons,        "names": [*entry.names],
    }  # fmt: skip


def _term(term: Term) -> Any:
    if isinstance(term, Arithmetic):
        return {"sign": term.sign, "left": _term(term.left), "right": _term(term.right)}
    if isinstance(term, OutcomeRef):
        changes = [{"name": item.name, "how": item.how, "value": item.value} for item in term.changes]
        return {"outcome": term.column, "arm": term.arm, "changes": changes, "key": str(term)}
    return term


def _readings(claims: Iterable[tuple[ClaimEntry, Claim]]) -> dict[str, dict[str, Any]]:
    """How outcomes that claims read are compared: their kind, and whether they are read at the end of an arm."""
    columns = {ref.column: ref.outcome for _, claim in claims for ref in claim.refs()}
    return {column: {"kind": declared(outcome).kind, "toEnd": declared(column).to_end} for column, outcome in columns.items()}
