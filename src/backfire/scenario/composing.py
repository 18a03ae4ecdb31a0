"""From the ``[mechanisms]`` of a file to a network: options checked, parts gathered and composed, every problem with its line.

Problems stand where they can be mended: in the scenario file, or in the file of a mechanism of one's own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from backfire.errors import CompositionError, Problem, UserError, nearest, unknown
from backfire.model import Mechanism, Network, Part, check_name, compose
from backfire.scenario.library import Library, not_known
from backfire.scenario.mechanism_file import lines_of_parts, problem_of
from backfire.scenario.schema import is_name_option, options_model
from backfire.scenario.shape import read_shape
from backfire.scenario.toml import Document

UNKNOWN = "mechanism"
"""The kind of the problem that a mechanism is not known."""


class Chooser:
    """Makes the mechanisms that a document names, out of a library, and composes them; ``problems`` has what is wrong."""

    def __init__(self, document: Document, library: Library) -> None:
        self.document, self.library = document, library
        self.problems: list[Problem] = []
        self.lines: dict[tuple[str, str], tuple[str, int]] = {}
        """(label, part) → file and line where a mechanism of one's own gives it."""

    def _add(self, path: tuple[str, ...], message: object, kind: str = "") -> None:
        problem = self.document.problem(path, str(message))
        self.problems.append(Problem(problem.file, problem.line, problem.key, problem.message, kind))

    def mechanisms(self, given: Mapping[str, Mapping[str, Any]], infused: frozenset[str]) -> dict[str, Mechanism] | None:
        """Label → mechanism with its options, misspelt ones as the nearest; ``infused`` are agents given over time.

        None if one is left of which it is not known what it is.
        """
        made: dict[str, Mechanism] = {}
        sure = True
        for label, options in given.items():
            name, kind = label, options.get("mechanism", label)
            if not isinstance(kind, str) or kind not in self.library.known:
                path = ("mechanisms", label, "mechanism") if "mechanism" in options else ("mechanisms", label)
                self._add(path, not_known(str(kind), self.library), UNKNOWN)
                kind = nearest(str(kind), self.library.known) or ""
                name = label if "mechanism" in options else kind
            item = self._one(label, self.library.known[kind], infused) if kind in self.library.known else None
            if item is None or name in made:
                sure = False
            else:
                made[name] = item
        return made if sure else None

    def _one(self, label: str, kind: type[Mechanism], infused: frozenset[str]) -> Mechanism | None:
        """The mechanism at a label, with its options; None if something is wrong with it."""
        try:
            shape = read_shape(self.document, options_model(kind), ("mechanisms", label))
        except UserError as error:
            self._add(("mechanisms", label), error)
            return None
        self.problems += shape.problems
        if shape.file is None or shape.lost:
            return None
        checked = shape.file.model_dump(exclude={"mechanism"})
        told = len(self.problems)
        self._names(label, kind, checked)
        chosen = {key: tuple(value) if isinstance(value, list) else value for key, value in checked.items()}
        if "infused" in chosen and "agents" in chosen:
            for name in sorted({*chosen["infused"]} - {*chosen["agents"]}):
                self._add(("mechanisms", label, "infused"), unknown("agent", name, chosen["agents"]))
            chosen["infused"] = tuple(sorted({*chosen["infused"], *(infused & {*chosen["agents"]})}))
        return self._made(label, kind, chosen) if len(self.problems) == told else None

    def _made(self, label: str, kind: type[Mechanism], options: Mapping[str, Any]) -> Mechanism | None:
        """A mechanism whose parts can be had; of one from a file, where each stands."""
        file = self.library.file_of(kind)
        if file is None:
            return kind(**options)
        try:
            item = kind(**options)
            for part, line in lines_of_parts(item):
                if not isinstance(part, Part):
                    wrong = f"mechanism `{label}`: parts() yields {type(part).__name__}, which is no part of a mechanism"
                    self.problems.append(Problem(file.place, line or file.line_of(kind), "", wrong))
                    return None
                self.lines.setdefault((label, part.name), (file.place, line))
        except Exception as error:
            found = problem_of(error, file.place, sys.modules.get(kind.__module__), f"mechanism `{label}`")
            self.problems.append(found if found.line else Problem(file.place, file.line_of(kind), "", found.message))
            return None
        return item

    def _names(self, label: str, kind: type[Mechanism], options: Mapping[str, Any]) -> None:
        """Options of free text are names of agents, factors and cells: they become part of formulas."""
        for option, given in options.items():
            if not is_name_option(kind, option) or (given == "" and getattr(kind, option, None) == ""):
                continue
            names = [given] if isinstance(given, str) else given
            for name in names:
                try:
                    check_name(name, option)
                except UserError as error:
                    self._add(("mechanisms", label, option), error)
            if len(set(names)) < len(names):
                self._add(("mechanisms", label, option), "names the same thing twice")

    def network(self, mechanisms: Mapping[str, Mechanism] | None) -> Network | None:
        """The network of some mechanisms; None if they do not compose, or are not known."""
        if mechanisms is None:
            return None
        try:
            return compose(mechanisms)
        except CompositionError as error:
            for text in error.problems:
                label = text.split(":")[0].split(".")[0]
                places = [self.lines[label, name] for name in self._named(text) if (label, name) in self.lines]
                if places and places[0][1]:
                    self.problems.append(Problem(*places[0], "", f"mechanism `{label}`{text.removeprefix(label)}"))
                else:
                    self._add(("mechanisms", label) if label in mechanisms else ("mechanisms",), text)
        return None

    @staticmethod
    def _named(text: str) -> Iterator[str]:
        return (match[1] for match in re.finditer(r"`(\w+)`", text))
