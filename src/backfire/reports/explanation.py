"""A scenario explained: network, equations, parameters with unit, range, source and grade, arms.

Also what the command line shows of mechanisms and writes for a new scenario. Text in, text out; nothing is simulated.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from backfire.errors import CompositionError, UserError, unknown
from backfire.formulas import as_latex, parse
from backfire.mechanisms import shipped
from backfire.model import (
    ARTICLES,
    CAUTION,
    GRADES,
    Definition,
    Influence,
    Mechanism,
    Network,
    Parameter,
    Process,
    Regimen,
    State,
    balance,
)
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
    text = equations(network)
    return [
        Section("About", lines=tuple(about)),
        Section("States", rows=(("state", "unit", "start", "meaning", "brought by"), *_states(scenario))),
        Section("Equations", lines=(*text.definitions, *text.rates, *text.balances)),
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


@dataclass(frozen=True)
class Equations:
    """The equations in the words of the model, one line each; ``[name]`` stands for the factor of an influence."""

    definitions: tuple[str, ...]
    rates: tuple[str, ...]
    balances: tuple[str, ...]


def equations(network: Network) -> Equations:
    """Definitions and process rates with the influences laid on them, then one balance per state."""
    laid: dict[str, list[str]] = {}
    for switch in network.switches.values():
        for target in switch.targets:
            laid.setdefault(target, []).append(f"[{switch.name}]")
    return Equations(
        tuple(_line(item.name, item.formula, laid.get(item.name, [])) for item in network.definitions),
        tuple(_line(item.name, item.rate, laid.get(item.name, [])) for item in network.processes),
        tuple(f"d {state}/dt = {balance(terms)}" for state, terms in network.equations.items()),
    )


def _line(name: str, formula: str, influences: list[str]) -> str:
    return " × ".join([f"{name} = ({formula})", *influences]) if influences else f"{name} = {formula}"


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
        yield name, regimen.agent, how_given(regimen)


def how_given(regimen: Regimen) -> str:
    """Amount and times of a regimen in words."""
    amount = f"{regimen.amount:g} EC50 " if regimen.amount else ""
    span = f"over {regimen.duration:g} d " if regimen.duration else ""
    often = f", {regimen.count} times every {regimen.every:g} d" if regimen.count > 1 else ""
    cycles = f", {regimen.cycles} cycles of {regimen.cycle_length:g} d" if regimen.cycles > 1 else ""
    return f"{amount}{span}{'from' if often or cycles else 'on'} day {regimen.start:g}{often}{cycles}"


NARROWEST = 16
"""No column of a table is made narrower than this to fit a terminal."""


def as_text(sections: Iterable[Section], width: int | None = None) -> str:
    """Sections as plain text, columns aligned; lines and cells are wrapped to ``width`` characters if it is given."""
    blocks = []
    for section in sections:
        body = [part for line in section.lines for part in _wrapped(line, width and width - 2, "    ")]
        if len(section.rows) > 1:
            widths = _widths(section.rows, width and width - 2)
            body += [line for row in section.rows for line in _row_lines(row, widths)]
        if body:
            blocks.append("\n".join([section.title.upper(), *(f"  {line}" for line in body)]))
    return "\n\n".join(blocks)


def _wrapped(text: str, width: int | None, hanging: str = "") -> list[str]:
    """The lines of a text; words longer than ``width`` stay whole, so that names can be searched and copied."""
    if width is None or len(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, NARROWEST), subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def _widths(rows: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Widths of the columns; the widest are narrowed until the row fits, but never below their longest word."""
    columns = list(zip(*rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    if width is None:
        return widths
    least = [max(NARROWEST, *(len(word) for cell in column for word in cell.split() or [""])) for column in columns]
    while sum(widths) + 2 * (len(widths) - 1) > width:
        room = [own - low for own, low in zip(widths, least, strict=True)]
        if max(room) <= 0:
            break
        widest = max((own, index) for index, own in enumerate(widths) if room[index] > 0)[1]
        widths[widest] -= 1
    return widths


def _row_lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    ]


def latex(scenario: Scenario) -> str:
    """The equations as a LaTeX ``align`` environment; influences appear as factors η with the switch's name."""
    network = scenario.network
    symbols = {name: _upright(name) for name in _names(network)}
    laid: dict[str, list[str]] = {}
    rows = []
    for name, switch in network.switches.items():
        eta = rf"\eta_{{{_upright(name)}}}"
        if switch.targets:
            rows.append(rf"{eta} &= {as_latex(parse(switch.influence.factor), symbols)}")
        for target in switch.targets:
            laid.setdefault(target, []).append(eta)
    named = [(item.name, item.formula) for item in network.definitions] + [(item.name, item.rate) for item in network.processes]
    for name, formula in named:
        factors = r" \cdot ".join(["", *laid[name]]) if name in laid else ""
        right = as_latex(parse(formula), symbols)
        rows.append(rf"{symbols[name]} &= " + (rf"\left({right}\right){factors}" if factors else right))
    for state, terms in network.equations.items():
        rows.append(rf"\frac{{d\,{symbols[state]}}}{{dt}} &= {balance([(sign, symbols[name]) for sign, name in terms])}")
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
