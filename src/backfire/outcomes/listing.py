"""Which outcomes an arm has: of all that are declared, those of what it records, course by course, factor by factor."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from backfire.outcomes.catalogue import CATALOGUE, Declaration, summarising
from backfire.outcomes.features import Bools, Features
from backfire.outcomes.summaries import Summary, parse_summary
from backfire.solvers import Floats


@dataclass(frozen=True)
class Readable:
    """An outcome of one arm: its declaration, and the course, factor or agent it is of, if any."""

    declaration: Declaration
    of: str
    unit: str
    meaning: str

    @property
    def course(self) -> int:
        """The number of the course that it is of; 0 if it is of none."""
        return int(self.of) if self.declaration.each == "course" else 0

    def read(self, found: Features) -> tuple[Floats, Bools]:
        """(values, observed) of all members; a time that did not come is the time watched, not observed, and so is the kill of
        a course that was not given."""
        item = self.declaration
        values = np.asarray(item.value(found, self.of) if item.each else item.value(found), dtype=float)
        if item.until is None:
            return values, found.courses >= int(self.of) if item.each == "course" else np.ones(len(values), dtype=bool)
        seen = ~np.isnan(values)
        return np.where(seen, values, item.until(found)) - found.start, seen


def readable(found: Features, wanted: Collection[str] | None = None) -> dict[str, Readable]:
    """The outcomes that an arm has, by name; with ``wanted`` those of these names, and the summaries among them."""
    made = dict(_listed(found))
    made |= {name: _summarised(found, name, asked) for name in wanted or () if (asked := parse_summary(name))}
    return made if wanted is None else {name: made[name] for name in wanted if name in made}


def _summarised(found: Features, name: str, asked: Summary) -> Readable:
    item = summarising(name, asked)
    return Readable(item, asked.of, asked.unit(found.recorded), item.meaning)


def _listed(found: Features) -> Iterator[tuple[str, Readable]]:
    """Every outcome of an arm in the order of tables: those of one factor stand together."""
    folds = [name for name, unit in found.recorded.items() if unit == "fold"]
    for fold, group in itertools.groupby(CATALOGUE, lambda item: item.each in ("factor", "excess")):
        items = list(group)
        if not fold:
            yield from (pair for item in items if _recorded(item, found) for pair in _keyed(item, found))
            continue
        for name in folds:
            each = "excess" if name.startswith("excess_") else "factor"
            for item in (item for item in items if item.each == each):
                yield _named(item, name.removeprefix("excess_"), found)


def _recorded(item: Declaration, found: Features) -> bool:
    return all(need in found.recorded for need in item.needs) and (not item.flow or bool(found.flows.get(item.flow)))


def _keyed(item: Declaration, found: Features) -> Iterator[tuple[str, Readable]]:
    """An outcome, or what there is of it for every course or agent."""
    match item.each:
        case "course":
            keys = [str(place + 1) for place in range(int(found.courses.max(initial=0)))]
        case "agent":
            keys = [*found.agents]
        case "treatment":
            keys = [*found.treatments]
        case _:
            keys = [""]
    yield from (_named(item, key, found) for key in keys)


def _unit(item: Declaration, found: Features) -> str:
    """That of what it is read of: a model may count its burden in shares of what there is room for."""
    if item.unit not in ("cell", "cell*day"):
        return item.unit
    own = found.recorded[item.needs[0]]
    return own if item.unit == "cell" else "day" if own == "1" else f"{own}*day"


def _named(item: Declaration, key: str, found: Features) -> tuple[str, Readable]:
    unit = found.agents[key] if item.unit == "agent" else _unit(item, found)
    rules = {word: getattr(found.rules, word) for word in item.rules}
    rules["refused"] = f"; not defined here, as {found.refused}" if found.refused else ""
    return item.name.format(key), Readable(item, key, unit, item.meaning.format(key, **rules))
