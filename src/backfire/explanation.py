"""A scenario explained: network, equations, parameters with unit, range, source and grade, arms.

Also what the command line shows of mechanisms and writes for a new scenario. Text in, text out; nothing is simulated.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from backfire.errors import CompositionError, UserError, unknown
from backfire.expressions import parse
from backfire.mechanisms import shipped
from backfire.network import Network
from backfire.parts import Definition, Influence, Mechanism, Parameter, Process, State
from backfire.references import ARTICLES, CAUTION, GRADES
from backfire.scenario import Scenario, check_folder_name, shipped_scenarios


@dataclass(frozen=True)
class Section:
    """A heading with a table (rows of equal length, first the column names) or lines of text."""

    title: str
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()


def explain(scenario: Scenario) -> list[Section]:
    """Everything a reader needs to judge a scenario, section by section."""
    network = scenario.network
    grades = Counter(parameter.grade for parameter in network.parameters.values())
    counted = ", ".join(f"{grades[grade]} {grade}" for grade in GRADES if grades[grade])
    article = str(ARTICLES[scenario.article]) if scenario.article in ARTICLES else "no article; this combination is ours"
    about = [scenario.title, article, *([scenario.note] if scenario.note else []), CAUTION]
    return [
        Section("About", lines=tuple(about)),
        Section("States", rows=(("state", "unit", "start", "meaning", "brought by"), *_states(scenario))),
        Section("Equations", lines=tuple(_equations(network))),
        Section("Influences", rows=(("influence", "acts on", "factor", "meaning", "switch"), *_influences(scenario))),
        Section("Parameters", rows=(("parameter", "value", "unit", "plausible", "grade", "source"), *_parameters(network))),
        Section("Grades", lines=(f"{len(network.parameters)} parameters: {counted}",)),
        Section("Regimens", rows=(("regimen", "agent", "given"), *_regimens(scenario))),
        Section(
            "Arms", rows=(("arm", "regimens"), *((arm, ", ".join(given) or "nothing") for arm, given in scenario.arms.items()))
        ),
    ]


def _states(scenario: Scenario) -> Iterator[tuple[str, ...]]:
    for state, start in zip(scenario.network.states, scenario.start_state(), strict=True):
        yield state.name, state.unit, f"{start:g}", state.meaning, scenario.network.owners[state.name]


def _equations(network: Network) -> Iterator[str]:
    """Definitions, process rates with their influences, then one balance per state, in the words of the model."""
    laid: dict[str, list[str]] = {}
    for switch in network.switches.values():
        for target in switch.targets:
            laid.setdefault(target, []).append(f"[{switch.name}]")
    for definition in network.definitions:
        yield _line(definition.name, definition.formula, laid.get(definition.name, []))
    for process in network.processes:
        yield _line(process.name, process.rate, laid.get(process.name, []))
    for state, terms in network.equations.items():
        yield f"d {state}/dt = {_balance(terms)}"


def _line(name: str, formula: str, influences: list[str]) -> str:
    return " × ".join([f"{name} = ({formula})", *influences]) if influences else f"{name} = {formula}"


def _balance(terms: Iterable[tuple[int, str]]) -> str:
    return " ".join(f"{'+' if sign > 0 else '-'} {name}" for sign, name in terms).removeprefix("+ ") or "0"


def _influences(scenario: Scenario) -> Iterator[tuple[str, ...]]:
    for name, switch in scenario.network.switches.items():
        where = ", ".join(switch.targets) or "nothing here"
        yield name, where, switch.influence.factor, switch.influence.meaning, f"{scenario.switches[name]:g}"


def _parameters(network: Network) -> Iterator[tuple[str, ...]]:
    for item in network.parameters.values():
        low, high = item.range
        yield item.name, f"{item.value:g}", item.unit, f"{low:g} … {high:g}", item.grade, item.source


def _regimens(scenario: Scenario) -> Iterator[tuple[str, ...]]:
    for name, regimen in scenario.regimens.items():
        amount = f"{regimen.amount:g} EC50 " if regimen.amount else ""
        span = f"over {regimen.duration:g} d " if regimen.duration else ""
        often = f", {regimen.count} times every {regimen.every:g} d" if regimen.count > 1 else ""
        cycles = f", {regimen.cycles} cycles of {regimen.cycle_length:g} d" if regimen.cycles > 1 else ""
        yield name, regimen.agent, f"{amount}{span}from day {regimen.start:g}{often}{cycles}"


def as_text(sections: Iterable[Section]) -> str:
    """Sections as plain text, columns aligned."""
    blocks = []
    for section in sections:
        body = list(section.lines)
        if len(section.rows) > 1:
            widths = [max(len(row[column]) for row in section.rows) for column in range(len(section.rows[0]))]
            body += [
                "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in section.rows
            ]
        if body:
            blocks.append("\n".join([section.title.upper(), *(f"  {line}" for line in body)]))
    return "\n\n".join(blocks)


def latex(scenario: Scenario) -> str:
    """The equations as a LaTeX ``align`` environment; influences appear as factors η with the switch's name."""
    network = scenario.network
    symbols = {name: _upright(name) for name in _names(network)}
    laid: dict[str, list[str]] = {}
    rows = []
    for name, switch in network.switches.items():
        eta = rf"\eta_{{{_upright(name)}}}"
        if switch.targets:
            rows.append(rf"{eta} &= {parse(switch.influence.factor).latex(symbols)}")
        for target in switch.targets:
            laid.setdefault(target, []).append(eta)
    named = [(item.name, item.formula) for item in network.definitions] + [(item.name, item.rate) for item in network.processes]
    for name, formula in named:
        factors = r" \cdot ".join(["", *laid[name]]) if name in laid else ""
        right = parse(formula).latex(symbols)
        rows.append(rf"{symbols[name]} &= " + (rf"\left({right}\right){factors}" if factors else right))
    for state, terms in network.equations.items():
        rows.append(rf"\frac{{d\,{symbols[state]}}}{{dt}} &= {_balance([(sign, symbols[name]) for sign, name in terms])}")
    body = " \\\\\n".join(f"  {row}" for row in rows)
    return f"% {scenario.title}\n% {CAUTION}\n\\begin{{align}}\n{body}\n\\end{{align}}\n"


def _upright(name: str) -> str:
    escaped = name.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"


def _names(network: Network) -> Iterator[str]:
    return (part.name for part in network.named())


def mechanism_rows(reads: str | None = None, changes: str | None = None) -> list[tuple[str, ...]]:
    """Shipped mechanisms as (label, summary, reads, changes); ``reads`` and ``changes`` keep those that name it.

    A mechanism reads the names it needs from others; it changes states it does not own, process kinds and open
    definitions. Raises UserError for a name that no mechanism reads or changes.
    """
    rows = [(label, kind.summary(), _reads(kind), _changes(kind)) for label, kind in shipped().items()]
    for word, column in ((reads, 2), (changes, 3)):
        if word is None:
            continue
        everything = {name for row in rows for name in row[column]}
        if word not in everything:
            raise UserError(unknown(f"name that a mechanism {'reads' if column == 2 else 'changes'}", word, everything))
        rows = [row for row in rows if word in row[column]]
    return [(label, summary, ", ".join(sorted(read)), ", ".join(sorted(changed))) for label, summary, read, changed in rows]


def _reads(kind: type[Mechanism]) -> set[str]:
    parts = list(kind.example().parts())
    own = {part.name for part in parts if isinstance(part, Parameter | State | Definition | Process)}
    own |= {total for part in parts if isinstance(part, State) for total in part.totals}
    formulas = [part.formula for part in parts if isinstance(part, Definition)]
    formulas += [part.rate for part in parts if isinstance(part, Process)]
    formulas += [part.factor for part in parts if isinstance(part, Influence)]
    return {name for formula in formulas for name in parse(formula).names} - own


def _changes(kind: type[Mechanism]) -> set[str]:
    parts = list(kind.example().parts())
    own = {part.name for part in parts if isinstance(part, State)}
    ends = {end for part in parts if isinstance(part, Process) for end in (part.leaves, part.enters) if end is not None}
    return (ends - own) | {part.on for part in parts if isinstance(part, Influence)}


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


def describe_mechanism(name: str, known: Mapping[str, type[Mechanism]]) -> str:
    """One mechanism whole: docstring, options, and the parts its example brings."""
    if name not in known:
        raise UserError(unknown("mechanism", name, known))
    kind = known[name]
    options = tuple(
        (item.name, "required" if item.default is dataclasses.MISSING else repr(item.default), item.metadata["meaning"])
        for item in dataclasses.fields(kind)  # type: ignore[arg-type]
    )
    parts = list(kind.example().parts())
    states = tuple((part.name, part.unit, part.meaning) for part in parts if isinstance(part, State))
    flows = tuple((part.name, part.kind, part.rate) for part in parts if isinstance(part, Process))
    laid = tuple((part.name, part.on, part.factor) for part in parts if isinstance(part, Influence))
    numbers = tuple(
        (part.name, f"{part.value:g}", part.unit, f"{part.range[0]:g} … {part.range[1]:g}", part.grade, part.source)
        for part in parts
        if isinstance(part, Parameter)
    )
    sections = [
        Section(name, lines=tuple(line.strip() for line in (kind.__doc__ or "").strip().splitlines())),
        Section("Options", rows=(("option", "default", "meaning"), *options)),
        Section("States", rows=(("state", "unit", "meaning"), *states)),
        Section("Processes", rows=(("process", "kind", "rate"), *flows)),
        Section("Influences", rows=(("influence", "on", "factor"), *laid)),
        Section("Parameters", rows=(("parameter", "default", "unit", "plausible", "grade", "source"), *numbers)),
    ]
    return as_text(sections)
