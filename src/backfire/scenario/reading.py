"""Reading scenario files: from a document to checked pieces, every problem of shape and of meaning found in one go.

What hangs on something that could not be read is left unchecked, so that one mistake is one problem.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from backfire.errors import DeclarationError, Problem, Problems, UserError, unknown
from backfire.formulas import parse_unit
from backfire.model import ARTICLES, DIAMETER, DosingRule, Network, Parameter, Regimen, State, check_name, event_table
from backfire.outcomes import Rules
from backfire.scenario.composing import Chooser
from backfire.scenario.library import Library
from backfire.scenario.presentation import reference_arm, unknown_shown
from backfire.scenario.schema import GUESSED, OURS, ParameterEntry, ScenarioFile
from backfire.scenario.shape import read_shape, unknown_key
from backfire.scenario.toml import Document

_INSTEAD: Final = {"title": "untitled", "days": 36500.0, "mechanisms": {"growth": {}}, "arms": {"untreated": []}}
"""What to go on with where the file does not say it."""


class Reader:
    """Checks a document against the mechanisms of a library; ``read`` gives the fields of a scenario.

    ``problems`` are those known already. Without a library its mechanisms cannot be had for them, and what hangs on these
    is left unchecked.
    """

    def __init__(self, document: Document, library: Library | None, problems: Iterable[Problem] = ()) -> None:
        self.document, self.library = document, library
        self.problems = Problems(problems)
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
        regimens, dosing_rules = self._regimens(file), self._dosing_rules(file)
        infused = frozenset(regimen.agent for regimen in regimens.values() if regimen.duration > 0)
        network = self._network(file, infused)
        arms, rules = self._arms(file), self._rules(file)
        if network is not None and not self.shape.has_lost("regimens"):
            known = [*regimens, *network.interventions, *network.switches]
            for name in set(file.expected_idle).difference(known):
                self.add(("expected_idle",), unknown("regimen, agent or switch", name, known))
        if network is not None:
            network = dataclasses.replace(network, parameters=self._parameters(file, network), states=self._states(file, network))
            switches = self._switches(file, network)
            if wrong := unknown_shown(file.show, network):
                self.add(("show",), wrong)
            self._measured(network, dosing_rules)
            self._doses(file, network, regimens, dosing_rules)
        self.problems.stop()
        assert network is not None
        self._starts(network)
        self._unused(file, network)
        self._idle_rules(regimens, dosing_rules)
        fields = {name: getattr(file, name) for name in ("title", "article", "note", "days", "record_every")}
        reference, rule = reference_arm(file.reference, arms, regimens, network)
        return {
            **fields, "network": network, "switches": switches, "regimens": regimens, "arms": arms, "reference": reference,
            "dosing_rules": dosing_rules, "rules": rules, "warnings": tuple(self.warnings),
            "expected_idle": tuple(file.expected_idle), "reference_rule": rule, "show": tuple(file.show),
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

    def _unused(self, file: ScenarioFile, network: Network) -> None:
        used = {} if self.library is None else self.library.identity(network.mechanisms.values())
        for name in file.mechanisms_from:
            if Path(name).name not in used:
                self.warnings.append(str(self.document.problem(("mechanisms_from",), f"no mechanism of {name} is used")))

    def _words(self, file: ScenarioFile) -> None:
        if file.article not in (*ARTICLES, OURS):
            self.add(("article",), unknown("article", file.article, (*ARTICLES, OURS)))
        if file.days / file.record_every > 100_000:
            self.add(("record_every",), f"{file.days / file.record_every:.3g} recorded values are more than 100000")

    def _network(self, file: ScenarioFile, infused: frozenset[str]) -> Network | None:
        if self.library is None:
            return None
        chooser = Chooser(self.document, self.library)
        mechanisms = chooser.mechanisms(file.mechanisms, infused)
        network = None if self.shape.has_lost("mechanisms") else chooser.network(mechanisms)
        self.problems += chooser.problems
        return network

    def _states(self, file: ScenarioFile, network: Network) -> tuple[State, ...]:
        """The states, counted as the file says."""
        cells = [state.name for state in network.states if state.is_cells]
        for name in file.counted:
            if name not in cells:
                self.add(("counted", name), unknown("state in cells", name, cells))
        return tuple(dataclasses.replace(item, counted=file.counted.get(item.name, item.counted)) for item in network.states)

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

    def _dosing_rules(self, file: ScenarioFile) -> dict[str, DosingRule]:
        found: dict[str, DosingRule] = {}
        for name, entry in file.rules.items():
            try:
                found[check_name(name, "rule")] = entry.rule(name)
            except UserError as error:
                written = error.key in entry.model_fields_set
                self.add(("rules", name, error.key) if written else ("rules", name), error)
        return found

    def _measured(self, network: Network, rules: Mapping[str, DosingRule]) -> None:
        """What rules measure is recorded."""
        recorded = network.recorded
        for name, rule in rules.items():
            for part in rule.parts:
                if part not in recorded:
                    self.add(("rules", name, "measure"), unknown("recorded value", part, [*recorded, DIAMETER]))
            if rule.measure == DIAMETER and rule.of == "level" and recorded.get("burden") not in ("cell", None):
                self.add(("rules", name, "measure"), "a diameter in millimetres is that of a burden in cells; give shares")

    def _idle_rules(self, regimens: Mapping[str, Regimen], rules: Mapping[str, DosingRule]) -> None:
        for name in rules:
            if not any(name in regimen.rules for regimen in regimens.values()):
                self.warnings.append(str(self.document.problem(("rules", name), "is a rule that no regimen has")))

    def _doses(
        self, file: ScenarioFile, network: Network, regimens: Mapping[str, Regimen], rules: Mapping[str, DosingRule]
    ) -> None:
        values = {name: parameter.value for name, parameter in network.parameters.items()}
        for name, entry in file.regimens.items():
            agent = entry.agent or name
            if name not in regimens and agent not in network.interventions:
                self.add(("regimens", name, "agent"), unknown("agent", agent, network.interventions))
        for name, regimen in regimens.items():
            given = network.interventions.get(regimen.agent)
            if given and given.amount_unit and "amount" not in file.regimens[name].model_fields_set:
                self.add(("regimens", name), f"`{regimen.agent}` needs an `amount`, in {given.amount_unit}; 0 is none")
            lost = [
                rule for rule in regimen.rules if rule not in rules and (rule in file.rules or self.shape.has_lost("rules", rule))
            ]
            if len(set(regimen.rules)) < len(regimen.rules):
                self.add(("regimens", name, "rules"), "names a rule twice; once is enough")
            try:
                known = dataclasses.replace(regimen, rules=tuple(rule for rule in regimen.rules if rule not in lost))
                event_table([known], network.interventions, values, file.days, rules)
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
        rules = Rules()
        for together in (*({word: value} for word, value in given.items()), given):
            try:
                rules = Rules(**together) if len(self.problems) == known or together is not given else Rules()
            except UserError as error:
                self.add(("outcomes", error.key), error)
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
