"""The mechanisms for people: which there are, what they read and change, one of them whole."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from backfire.errors import MechanismError, UserError, unknown
from backfire.formulas import parse
from backfire.model import Definition, Influence, Mechanism, Parameter, Part, Process, State
from backfire.reports.sections import Section, Span
from backfire.scenario import Library, OwnMechanisms, library_of, lines_of_parts, problem_of


def mechanism_rows(reads: str | None = None, changes: str | None = None, mechanisms: OwnMechanisms = ()) -> list[tuple[Any, ...]]:
    """Mechanisms, shipped and yours: label, summary, names read, names changed; ``reads``, ``changes`` keep those that name it.

    A mechanism reads the names it needs from others; it changes states it does not own, process kinds and open
    definitions. Raises UserError for a name that no mechanism reads or changes.
    """
    library = library_of(mechanisms)
    known = {label: (kind, _example(kind, library)) for label, kind in library.known.items()}
    rows = [(label, kind.summary(), _reads(parts), _changes(parts)) for label, (kind, parts) in known.items()]
    for word, column in ((reads, 2), (changes, 3)):
        if word is None:
            continue
        everything = {name for row in rows for name in row[column]}
        if word not in everything:
            raise UserError(unknown(f"name that a mechanism {'reads' if column == 2 else 'changes'}", word, everything))
        rows = [row for row in rows if word in row[column]]
    return [(label, summary, sorted(read), sorted(changed)) for label, summary, read, changed in rows]


def _example(kind: type[Mechanism], library: Library) -> list[Part]:
    """The parts that the example of a mechanism has; raises MechanismError where code of one's own does not give any."""
    file = library.file_of(kind)
    if file is None:
        return list(kind.example().parts())
    try:
        return [part for part, _ in lines_of_parts(kind.example())]
    except Exception as error:
        found = problem_of(error, file.place, sys.modules.get(kind.__module__), f"the example of mechanism `{kind.label}`")
        raise MechanismError([dataclasses.replace(found, line=found.line or file.line_of(kind))]) from None


def _reads(parts: Sequence[Part]) -> set[str]:
    own = {part.name for part in parts if isinstance(part, Parameter | State | Definition | Process)}
    own |= {total for part in parts if isinstance(part, State) for total in part.totals}
    formulas = [part.formula for part in parts if isinstance(part, Definition)]
    formulas += [part.rate for part in parts if isinstance(part, Process)]
    formulas += [part.factor for part in parts if isinstance(part, Influence)]
    return {name for formula in formulas for name in parse(formula).names} - own


def _changes(parts: Sequence[Part]) -> set[str]:
    own = {part.name for part in parts if isinstance(part, State)}
    ends = {end for part in parts if isinstance(part, Process) for end in (part.leaves, part.enters) if end is not None}
    return (ends - own) | {part.on for part in parts if isinstance(part, Influence)}


def describe_mechanism(name: str, mechanisms: OwnMechanisms = ()) -> list[Section]:
    """One mechanism whole: docstring, options, and the parts its example brings; ``mechanisms`` are those of yours."""
    library = library_of(mechanisms)
    known = library.known
    if name not in known:
        raise UserError(unknown("mechanism", name, known))
    kind = known[name]
    options = tuple(
        (item.name, "required" if item.default is dataclasses.MISSING else repr(item.default), item.metadata["meaning"])
        for item in dataclasses.fields(kind)  # type: ignore[arg-type]
    )
    parts = _example(kind, library)
    states = tuple((part.name, part.unit, part.meaning) for part in parts if isinstance(part, State))
    flows = tuple((part.name, part.kind, part.rate) for part in parts if isinstance(part, Process))
    laid = tuple((part.name, part.on, part.factor) for part in parts if isinstance(part, Influence))
    numbers = tuple(
        (part.name, part.value, part.unit, Span(*part.range), part.grade, part.source)
        for part in parts
        if isinstance(part, Parameter)
    )
    file = library.file_of(kind)
    source = [] if file is None else [f"from {file.place}, SHA-256 {file.sha256}"]
    return [
        Section(name, lines=(*(line.strip() for line in (kind.__doc__ or "").strip().splitlines()), *source)),
        Section("Options", rows=(("option", "default", "meaning"), *options)),
        Section("States", rows=(("state", "unit", "meaning"), *states)),
        Section("Processes", rows=(("process", "kind", "rate"), *flows)),
        Section("Influences", rows=(("influence", "on", "factor"), *laid)),
        Section("Parameters", rows=(("parameter", "default", "unit", "plausible", "grade", "source"), *numbers)),
    ]
