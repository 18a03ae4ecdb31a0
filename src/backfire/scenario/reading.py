"""Reading scenario files: from a document to checked pieces, every problem of shape and of meaning found in one go.

What hangs on something that could not be read is left unchecked, so that one mistake is one problem.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from backfire.errors import CompositionError, DeclarationError, Problems, UserError, nearest, unknown
from backfire.formulas import parse_unit
from backfire.model import ARTICLES, Mechanism, Network, Parameter, Regimen, check_name, compose, event_table
from backfire.outcomes import Rules
from backfire.scenario.schema import GUESSED, OURS, ParameterEntry, ScenarioFile, is_name_option, options_model
from backfire.scenario.shape import read_shape, unknown_key
from backfire.scenario.toml import Document

_INSTEAD: Final = {"title": "untitled", "days": 36500.0, "mechanisms": {"growth": {}}, "arms": {"untreated": []}}
"""What to go on with where the file does not say it."""


class Reader:
    """Checks a document against the classes of mechanisms there are; ``read`` gives the fields of a scenario."""

    def __init__(self, document: Document, classes: Mapping[str, type[Mechanism]]) -> None:
        self.document, self.classes = document, classes
        self.problems = Problems()
        self.warnings: list[str] = []
        self.shape = read_shape(document, ScenarioFile, instead=_INSTEAD)

    def add(self, path: tuple[str, ...], message: object) -> None:
        """A problem at a place of the file."""
        self.problems.append(self.document.problem(path, str(message)))

    def read(self) -> dict[str, Any]:
        """The fields of the scenario that the document describes; raises DocumentError with every problem."""
        file = self.shape.file
        self.problems += self.shape.problems
        self.document = self.shape.document
        if file is None:
            self.problems.stop()
        assert file is not None
        self._words(file)
        regimens = self._regimens(file)
        infused = frozenset(regimen.agent for regimen in regimens.values() if regimen.duration > 0)
        network = self._network(self._mechanisms(file.mechanisms, infused))
        arms, rules = self._arms(file), self._rules(file)
        if network is not None:
            network = dataclasses.replace(network, parameters=self._parameters(file, network))
            switches = self._switches(file, network)
            self._doses(file, network, regimens)
        self.problems.stop()
        assert network is not None
        self._starts(network)
        fields = {name: getattr(file, name) for name in ("title", "article", "note", "days", "record_every")}
        reference = file.reference or ("monotherapy" if "monotherapy" in arms else None)
        return {
            **fields, "network": network, "switches": switches, "regimens": regimens, "arms": arms, "reference": reference,
            "rules": rules, "warnings": tuple(self.warnings),
        }  # fmt: skip

    def _starts(self, network: Network) -> None:
        """Counted cells that start with a share of one are gone before anything happens: rarely what is meant."""
        for state in network.states:
            start = network.parameters[state.initial].value if isinstance(state.initial, str) else state.initial
            if state.dies_out and 0 < start < 1:
                place = self.document.place(("parameters", str(state.initial)))
                self.warnings.append(
                    f"{place}: {state.name} starts with {start:g} cell, and less than one is none; a model in "
                    "shares has the unit 1, and cells that may be fewer are `counted=False`"
                )

    def _words(self, file: ScenarioFile) -> None:
        for key, text in (("title", file.title), ("note", file.note)):
            if any(unicodedata.category(letter)[0] == "C" and letter != "\n" for letter in text):
                self.add((key,), "has control or direction characters; write plain text")
        if file.article not in (*ARTICLES, OURS):
            self.add(("article",), unknown("article", file.article, (*ARTICLES, OURS)))
        if file.days / file.record_every > 100_000:
            self.add(("record_every",), f"{file.days / file.record_every:.3g} recorded values are more than 100000")

    def _mechanisms(self, given: Mapping[str, Mapping[str, Any]], infused: frozenset[str]) -> dict[str, Mechanism] | None:
        """The mechanisms, misspelt ones as the nearest; None if one is left of which it is not known what it is."""
        made: dict[str, Mechanism] = {}
        sure = not self.shape.has_lost("mechanisms")
        for label, options in given.items():
            name, kind = label, options.get("mechanism", label)
            if not isinstance(kind, str) or kind not in self.classes:
                path = ("mechanisms", label, "mechanism") if "mechanism" in options else ("mechanisms", label)
                self.add(path, unknown("mechanism", str(kind), self.classes))
                kind = nearest(str(kind), self.classes) or ""
                name = label if "mechanism" in options else kind
            if kind not in self.classes or name in made:
                sure = False
                continue
            shape = read_shape(self.document, options_model(self.classes[kind]), ("mechanisms", label))
            self.problems += shape.problems
            if shape.file is None or shape.lost:
                sure = False
                continue
            checked = shape.file.model_dump(exclude={"mechanism"})
            known = len(self.problems)
            self._names(label, self.classes[kind], checked)
            chosen = {key: tuple(value) if isinstance(value, list) else value for key, value in checked.items()}
            if "infused" in chosen and "agents" in chosen:
                chosen["infused"] = tuple(sorted({*chosen["infused"], *infused} & {*chosen["agents"]}))
            if len(self.problems) == known:
                made[name] = self.classes[kind](**chosen)
            else:
                sure = False
        return made if sure else None

    def _names(self, label: str, kind: type[Mechanism], options: Mapping[str, Any]) -> None:
        """Options of free text are names of agents, factors and cells: they become part of formulas."""
        for option, given in options.items():
            if not is_name_option(kind, option):
                continue
            names = [given] if isinstance(given, str) else given
            for name in names:
                try:
                    check_name(name, option)
                except UserError as error:
                    self.add(("mechanisms", label, option), error)
            if len(set(names)) < len(names):
                self.add(("mechanisms", label, option), "names the same thing twice")

    def _network(self, mechanisms: Mapping[str, Mechanism] | None) -> Network | None:
        if mechanisms is None:
            return None
        try:
            return compose(mechanisms)
        except CompositionError as error:
            for text in error.problems:
                label = text.split(":")[0].split(".")[0]
                self.add(("mechanisms", label) if label in mechanisms else ("mechanisms",), text)
        return None

    def _parameters(self, file: ScenarioFile, network: Network) -> dict[str, Parameter]:
        parameters = dict(network.parameters)
        for name, entry in file.parameters.items():
            path = ("parameters", name)
            if name not in parameters:
                known = [*ScenarioFile.model_fields]
                self.add(path, unknown_key(name, path, ScenarioFile) if name in known else unknown("parameter", name, parameters))
                continue
            try:
                parameters[name] = _revalued(parameters[name], entry)
            except UserError as error:
                self.add(path, error)
                continue
            item = parameters[name]
            if not item.plausible(item.value):
                low, high = item.range
                self.warnings.append(
                    f"{self.document.place(path)}: {name} = {item.value:g} {item.unit} "
                    f"lies outside its plausible range {low:g} to {high:g}"
                )
        return parameters

    def _switches(self, file: ScenarioFile, network: Network) -> dict[str, float]:
        switches = dict.fromkeys(network.switches, 1.0)
        for label, given in file.switches.items():
            for influence, value in given.items():
                name = f"{label}.{influence}"
                if name in switches:
                    switches[name] = value
                else:
                    self.add(("switches", label, influence), unknown("influence", name, switches))
        return switches

    def _regimens(self, file: ScenarioFile) -> dict[str, Regimen]:
        regimens: dict[str, Regimen] = {}
        for name, entry in file.regimens.items():
            try:
                regimens[check_name(name, "regimen")] = entry.regimen(name)
            except UserError as error:
                self.add(("regimens", name), error)
        return regimens

    def _doses(self, file: ScenarioFile, network: Network, regimens: Mapping[str, Regimen]) -> None:
        values = {name: parameter.value for name, parameter in network.parameters.items()}
        for name, entry in file.regimens.items():
            agent = entry.agent or name
            if name not in regimens and agent not in network.interventions:
                self.add(("regimens", name, "agent"), unknown("agent", agent, network.interventions))
        for name, regimen in regimens.items():
            try:
                event_table([regimen], network.interventions, values, file.days)
            except UserError as error:
                path = ("regimens", name, error.key) if error.key else ("regimens", name)
                self.add(path, f"{error}; raise `days` or give fewer doses" if error.kind == "late" else error)

    def _arms(self, file: ScenarioFile) -> dict[str, tuple[str, ...]]:
        for arm, regimens in file.arms.items():
            try:
                check_name(arm, "arm")
            except UserError as error:
                self.add(("arms", arm), error)
            for regimen in regimens:
                if regimen not in file.regimens and not self.shape.has_lost("regimens", regimen):
                    self.add(("arms", arm), unknown("regimen", regimen, file.regimens))
            if len(set(regimens)) < len(regimens):
                self.add(("arms", arm), "names a regimen twice; give another regimen, or more `count`")
        if file.reference is not None and file.reference not in file.arms and not self.shape.has_lost("arms", file.reference):
            self.add(("reference",), unknown("arm", file.reference, file.arms))
        if sum(not regimens for regimens in file.arms.values()) > 1:
            self.add(("arms",), "more than one arm is without regimens; one untreated arm is enough")
        return {arm: tuple(regimens) for arm, regimens in file.arms.items()}

    def _rules(self, file: ScenarioFile) -> Rules:
        written = file.outcomes.model_fields_set  # type: ignore[attr-defined]
        given = {word: getattr(file.outcomes, word) for word in written}
        known = len(self.problems)
        for word, value in given.items():
            try:
                Rules(**{word: value})
            except UserError as error:
                self.add(("outcomes", error.key), error)
        rules = Rules(**given) if len(self.problems) == known else Rules()
        if rules.since is not None and rules.since > file.days:
            self.add(("outcomes", "from"), f"day {rules.since:g} is after the last day, {file.days:g}")
        return rules


def _revalued(parameter: Parameter, entry: float | ParameterEntry) -> Parameter:
    """A parameter as a file has it; raises UnitError or DeclarationError with everything that is wrong with it."""
    if not isinstance(entry, ParameterEntry):
        entry = ParameterEntry(value=entry)
    factor = 1.0
    if entry.unit is not None:
        factor = parse_unit(entry.unit).factor_to(parse_unit(parameter.unit))
    value = entry.value * factor
    problems = [problem] if (problem := parameter.problem_with(value)) else []
    if entry.source is None and entry.grade != GUESSED:
        problems.append(f"a value of grade `{entry.grade}` needs a `source`; without, it is {GUESSED}")
    if problems:
        raise DeclarationError("; ".join(problems))
    limits = None if entry.range is None else (entry.range[0] * factor, entry.range[1] * factor)
    return parameter.revalued(value, entry.source or "set in the scenario file", entry.grade, limits)
