"""A scenario described in Markdown: picture, arms, mechanisms, states, processes, influences, equations, parameters.

The part of a model page that makes the model understandable; ``pages`` writes the rest.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping

from backfire.formatting import exact
from backfire.model import Mechanism
from backfire.outcomes import HOST_LOAD, Outcome, ranked
from backfire.reports.explanation import how_given
from backfire.reports.markdown import Block, EquationLines, Kind, Wiring, fenced, named, plain, table
from backfire.scenario import Scenario


def describe(scenario: Scenario, outcomes: Mapping[str, Mapping[str, Outcome]]) -> Iterator[Block]:
    """The blocks of the description; ``outcomes`` maps arm → name → outcome."""
    yield "### The model in one picture"
    yield Wiring(scenario.network)
    yield (
        "Stadiums are cells, slanted boxes agents, rounded boxes factors and shares. An arrow with a cross takes away, a thick "
        "arrow moves cells, a dotted one is an influence on the rates of its target. Growth, decay and clearance of a state by "
        "itself are not drawn."
    )
    yield from _arms(scenario, outcomes)
    yield from _pieces(scenario)
    yield from _equations(scenario)
    yield "### Parameters"
    yield "The plausible range is what sweeps and the robustness of claims sample. A dash is a number without unit."
    rows = [
        (f"`{item.name}`", plain(item.meaning), exact(item.value), _unit(item.unit),
         f"{exact(item.range[0])} … {exact(item.range[1])}", item.grade, plain(item.source.removeprefix("assumed: ")))
        for item in scenario.network.parameters.values()
    ]  # fmt: skip
    yield table(("parameter", "meaning", "value", "unit", "plausible", "grade", "source"), rows)


def _unit(unit: str) -> str:
    return "–" if unit == "1" else unit


def _arms(scenario: Scenario, outcomes: Mapping[str, Mapping[str, Outcome]]) -> Iterator[str]:
    yield "### Arms, doses, and what comes of them"
    rows = [
        (f"`{name}`", f"`{item.agent}`", how_given(item, scenario.network.interventions[item.agent].amount_unit))
        for name, item in scenario.regimens.items()
    ]
    yield table(("regimen", "agent", "given"), rows)
    if scenario.dosing_rules:
        rules = [(f"`{name}`", plain(rule.in_words())) for name, rule in scenario.dosing_rules.items()]
        yield table(("rule", "what it decides"), rules)
    found = list(outcomes.values())
    names = [name for name in (item.name for item in ranked("page")) if any(name in item for item in found)]
    heads = ["arm", "regimens"]
    for name in names:
        unit = next(item[name].unit for item in found if name in item)
        heads.append(name.replace("_", " ") + ("" if unit == "1" or name.endswith("_day") else f" ({unit})"))
    yield table(
        heads,
        [
            (f"`{arm}`", named(given) or "nothing", *(_text(outcomes.get(arm, {}), name) for name in names))
            for arm, given in scenario.arms.items()
        ],
    )
    yield (
        f"EC50: in multiples of the concentration of half effect; d: days. {scenario.days:g} days are simulated. Times count "
        f"from day {scenario.time_zero:g} (time zero), falls and kills from an arm's own first treatment; > means not seen until "
        "then, a dash that it does not apply. "
        + (
            "Where the host dies, the arm ends: sums and last values are those of that day."
            if HOST_LOAD in scenario.network.observables
            else "No host dies in this model, as its source does not say how long one lives: no arm ends before the last day."
        )
        + (" Log kill is counted in decades: 1 leaves a tenth." if "log_kill_first" in names else "")
    )
    meanings = {name: next(item[name].meaning for item in found if name in item) for name in names}
    yield "\n".join(f"- {name.replace('_', ' ')}: {meaning}" for name, meaning in meanings.items())


def _text(found: Mapping[str, Outcome], name: str) -> str:
    return found[name].text if name in found else "–"


def _pieces(scenario: Scenario) -> Iterator[str]:
    network = scenario.network
    yield "### Mechanisms"
    yield "Pieces of biology that meet only in the states and rates they name; each in its own short symbols."
    for label, mechanism in network.mechanisms.items():
        yield _mechanism(label, mechanism)
    yield "### States"
    states = [
        (f"`{state.name}`", plain(state.meaning), exact(start), _unit(state.unit), f"`{network.owners[state.name]}`")
        for state, start in zip(network.states, scenario.start_state(), strict=True)
    ]
    yield table(("state", "meaning", "at the start", "unit", "brought by"), states)
    yield "### Processes"
    processes = [
        (f"`{item.name}`", plain(item.meaning), named([item.leaves]), named([item.enters])) for item in network.processes
    ]
    yield table(("process", "meaning", "takes from", "adds to"), processes)
    yield "### Influences"
    influences = [
        (f"`{name}`", plain(item.influence.meaning), named(item.targets) or "nothing here",
         f"`{item.influence.factor}`", exact(scenario.switches[name]))
        for name, item in network.switches.items()
    ]  # fmt: skip
    if not influences:
        yield "None: the mechanisms of this model meet in their states and definitions alone."
        return
    yield "How one mechanism touches the rates of another. A switch of 1 is the model as it is, 0 the model without that link."
    yield table(("influence", "meaning", "multiplies", "by the factor", "switch"), influences)


def _mechanism(label: str, mechanism: Mechanism) -> str:
    """Name, first sentence and options; then the rest of the docstring as it stands, equations and symbols."""
    text = re.sub(r" \(A\d\)", "", inspect.cleandoc(type(mechanism).__doc__ or "")).replace("``", "")
    head, _, body = text.partition("\n\n")
    kind = "" if label == mechanism.label else f" (`{mechanism.label}`)"
    options = ", ".join(f"{key} = {_option(value)}" for key, value in vars(mechanism).items() if value not in ((), None))
    line = f"**`{label}`**{kind} {plain(head)}" + (f" Here: {plain(options)}." if options else "")
    return f"{line}\n\n{fenced('text', [body.strip()])}" if body.strip() else line


def _option(value: object) -> str:
    return " and ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def _equations(scenario: Scenario) -> Iterator[Block]:
    yield "### Equations"
    yield (
        "In the words of the model, the same that commands and files use; `backfire explain … --latex` sets them for a paper. "
        "`[name]` stands for 1 + switch · (factor - 1) of that influence, and hill(x, h, n) for xⁿ / (hⁿ + xⁿ); `cell` and "
        "`fold` are one cell and onefold."
    )
    network = scenario.network
    heads: dict[Kind, str] = {
        "balances": "What changes each state:",
        "rates": "The rates:",
        "definitions": "What the rates are made of:",
    }
    for kind, head in heads.items():
        block = EquationLines(head, kind, network)
        if block.lines:
            yield block
