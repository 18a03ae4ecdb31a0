"""The shipped mechanisms for people: which there are, what they read and change, one of them whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from backfire.errors import UserError, unknown
from backfire.formulas import parse
from backfire.mechanisms import shipped
from backfire.model import Definition, Influence, Mechanism, Parameter, Process, State
from backfire.reports.sections import Section, as_text


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
