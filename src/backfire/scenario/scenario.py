"""Scenarios: a network with values, regimens and arms, read from one TOML file and checked whole.

All problems of a file are collected and raised together, each with line, key and the nearest right name.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backfire.errors import CompositionError, DeclarationError, DocumentError, Problem, UserError, echo, unknown
from backfire.formulas import parse_unit
from backfire.mechanisms import shipped
from backfire.model import ARTICLES, Dose, Event, Mechanism, Network, Parameter, Regimen, check_name, compose, event_table
from backfire.outcomes import Rules
from backfire.scenario.inputs import DAYS, Input, named_inputs
from backfire.scenario.schema import OURS, ParameterEntry, ScenarioFile, is_name_option, options_model, problems_of, unknown_key
from backfire.scenario.toml import Document, parse_document, read_document
from backfire.system import shipped_folder

Value = float | int | str


@dataclass(frozen=True, eq=False)
class Scenario:
    """A study that can be simulated. Made by ``load`` or ``parse``; ``document`` is the file it came from.

    ``network`` carries the parameters with the values of this scenario; ``switches`` the switch of every influence.
    ``arms`` maps arm → names of regimens. ``reference`` is the arm that others are compared with besides untreated.
    ``warnings`` are implausible but possible values.
    """

    name: str
    title: str
    article: str
    note: str
    days: float
    record_every: float
    network: Network
    switches: Mapping[str, float]
    regimens: Mapping[str, Regimen]
    arms: Mapping[str, tuple[str, ...]]
    reference: str | None
    rules: Rules
    document: Document
    mechanism_classes: Mapping[str, type[Mechanism]] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @cached_property
    def time_zero(self) -> float:
        """The day from which times count: as ``[outcomes] from`` says, else the first planned intervention of any arm.

        It belongs to the file as written: it stays when a scenario is changed, so that no number of one arm depends on
        when another arm is treated, or with how much.
        """
        planned = [self.regimens[name].start for names in self.arms.values() for name in names]
        return self.rules.since if self.rules.since is not None else min(planned, default=0.0)

    def first_intervention(self, arm: str) -> float:
        """The day from which the response of an arm counts: that of its first regimen, but not before time zero."""
        return max(self.time_zero, min((self.regimens[name].start for name in self.arms[arm]), default=self.time_zero))

    @property
    def untreated(self) -> str | None:
        """The arm without regimens, if there is one."""
        return next((arm for arm, regimens in self.arms.items() if not regimens), None)

    @cached_property
    def values(self) -> dict[str, float]:
        """The value of every parameter by name."""
        return {name: parameter.value for name, parameter in self.network.parameters.items()}

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """Everything that can be set by name, by name; see ``Input``."""
        written = self.document.data.get("parameters", {}).items()
        units = {name: item["unit"] for name, item in written if isinstance(item, dict) and item.get("unit")}
        return named_inputs(self.network, self.switches, self.regimens, units)

    def constants(self) -> list[float]:
        """Parameters and switches in the order of ``Network.constant_names``."""
        return [*self.values.values(), *(self.switches[name] for name in self.network.switches)]

    def start_state(self) -> list[float]:
        """Initial values in the order of ``Network.state_names``."""
        return [self.values[state.initial] if isinstance(state.initial, str) else state.initial for state in self.network.states]

    def doses(self, arm: str) -> tuple[Dose, ...]:
        """All doses of an arm, sorted by time; surgery has amount 0."""
        return tuple(sorted((dose for name in self.arms[arm] for dose in self.regimens[name].doses()), key=_when))

    def events(self, arm: str) -> tuple[Event, ...]:
        """The event table of an arm."""
        given = [self.regimens[name] for name in self.arms[arm]]
        return event_table(given, self.network.interventions, self.values, self.days)

    def resolved(self) -> dict[str, Any]:
        """Everything that can change a number, defaults included, as plain data that ``parse_data`` reads back."""
        return {
            "title": self.title,
            "article": self.article,
            "note": self.note,
            "days": self.days,
            "record_every": self.record_every,
            **({"reference": self.reference} if self.reference else {}),
            "mechanisms": {label: _options(label, item) for label, item in self.network.mechanisms.items()},
            "parameters": {
                name: {
                    "value": item.value,
                    "unit": item.unit,
                    "range": list(item.range),
                    "source": item.source,
                    "grade": item.grade,
                }
                for name, item in self.network.parameters.items()
            },
            "switches": _nested(self.switches),
            "regimens": {
                name: {key: value for key, value in dataclasses.asdict(regimen).items() if key != "name"}
                for name, regimen in self.regimens.items()
            },
            "arms": {arm: list(regimens) for arm, regimens in self.arms.items()},
            "outcomes": {**{word: value for word, value in vars(self.rules).items() if word != "since"}, "from": self.time_zero},
        }

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with everything that can change a number or its source."""
        text = json.dumps(self.resolved(), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def changed(self, changes: Mapping[str, Value] | None = None, days: float | None = None) -> Scenario:
        """The scenario with other values, checked again from the ground up.

        ``changes`` maps names to values: a parameter (``growth_rate``), a switch (``stroma.protects_kill``), a field of
        a regimen (``mitoxantrone.amount``), or ``days``. Raises DocumentError naming ``--set`` and the nearest name.
        """
        data = copy.deepcopy(self.document.data)
        data.setdefault("outcomes", {}).setdefault("from", self.time_zero)
        given = dict(changes or {})
        if days is not None:
            given["days"] = days
        problems = [problem for name, value in given.items() if (problem := self._change(data, name, value))]
        if problems:
            raise DocumentError(problems)
        document = Document(self.document.name, data, self.document.lines)
        return build(document, self.name, self.mechanism_classes.values())

    def _change(self, data: dict[str, Any], name: str, value: Value) -> Problem | None:
        owner, _, word = name.partition(".")
        agents = [f"{regimen}.agent" for regimen in self.regimens]
        item = self.inputs.get(name)
        if name == "from":
            data["outcomes"]["from"] = value
        elif name in DAYS:
            data[name] = value
        elif name in agents or (item and item.kind == "regimen"):
            data["regimens"][owner][word] = value
        elif item and item.kind == "switch":
            data.setdefault("switches", {}).setdefault(owner, {})[word] = value
        elif item:
            given = {"value": value, "unit": item.unit, "source": "set for this run", "grade": "assumed"}
            data.setdefault("parameters", {})[name] = given if item.per_unit != 1.0 else value
        else:
            return Problem("--set", 0, name, unknown("name", name, [*self.inputs, *DAYS]))
        return None


def _when(dose: Dose) -> tuple[float, str]:
    return dose.time, dose.agent


def _options(label: str, mechanism: Mechanism) -> dict[str, Any]:
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(mechanism).items()}
    return given if label == mechanism.label else {"mechanism": mechanism.label, **given}


def _nested(switches: Mapping[str, float]) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for name, value in switches.items():
        label, _, influence = name.partition(".")
        nested.setdefault(label, {})[influence] = value
    return nested


def shipped_scenarios() -> dict[str, Path]:
    """Shipped scenario files by name, sorted."""
    return {path.stem: path for path in sorted((shipped_folder("configs") / "scenarios").glob("*.toml"))}


def load(source: str | Path, mechanisms: Iterable[type[Mechanism]] = ()) -> Scenario:
    """A scenario by path or by shipped name; ``mechanisms`` are classes of yours that the file may use.

    Raises DocumentError with every problem of the file.
    """
    known = shipped_scenarios()
    if str(source) in known and not os.path.isfile(source):
        return build(read_document(known[str(source)]), str(source), mechanisms)
    path = Path(source)
    if not os.path.exists(path) and path.suffix != ".toml" and "/" not in str(source):
        raise DocumentError([Problem(echo(source), 0, "", unknown("scenario", str(source), known), "unknown")])
    return build(read_document(path), path.stem, mechanisms)


def parse(text: str, name: str = "scenario", mechanisms: Iterable[type[Mechanism]] = ()) -> Scenario:
    """A scenario from TOML text; otherwise like ``load``."""
    return build(parse_document(text, name), name, mechanisms)


def parse_data(data: dict[str, Any], name: str, mechanisms: Iterable[type[Mechanism]] = ()) -> Scenario:
    """A scenario from plain data such as ``Scenario.resolved`` gives."""
    return build(Document(name, data, {}), name, mechanisms)


_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}[A-Za-z0-9_-]|[A-Za-z0-9]")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def check_folder_name(name: str) -> str:
    """``name`` if results can be kept in a folder of that name on every system; raises DocumentError if not."""
    if not _FOLDER_NAME.fullmatch(name) or _DEVICE.fullmatch(name):
        message = "a scenario is named by letters, digits, `-`, `_` and `.`, at most 64, and not by a device of Windows"
        raise DocumentError([Problem(echo(name), 0, "", message)])
    return name


def build(document: Document, name: str, mechanisms: Iterable[type[Mechanism]] = ()) -> Scenario:
    """A scenario from a parsed document; raises DocumentError with every problem found."""
    check_folder_name(name)
    classes = shipped() | {kind.label: kind for kind in mechanisms}
    try:
        file = ScenarioFile.model_validate(document.data)
    except ValidationError as error:
        problems = list(problems_of(error, document, ScenarioFile))
        raise DocumentError([*problems, *_Builder(document, name, None, classes).early_problems()]) from None
    return _Builder(document, name, file, classes).scenario()


class _Builder:
    """Checks everything that the shape of a file alone does not show."""

    def __init__(self, document: Document, name: str, file: ScenarioFile | None, classes: Mapping[str, type[Mechanism]]) -> None:
        self.document, self.name, self.file, self.classes = document, name, file, classes
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def add(self, path: tuple[str, ...], message: object) -> None:
        self.problems.append(self.document.problem(path, str(message)))

    def early_problems(self) -> list[Problem]:
        """What can be said of the mechanisms of a file whose shape is wrong."""
        given = self.document.data.get("mechanisms")
        if isinstance(given, dict):
            self._mechanisms({label: item for label, item in given.items() if isinstance(item, dict)}, frozenset())
        return self.problems

    def scenario(self) -> Scenario:
        file = self.file
        assert file is not None
        self._words(file)
        regimens = self._regimens(file)
        infused = frozenset(regimen.agent for regimen in regimens.values() if regimen.duration > 0)
        network = self._network(self._mechanisms(file.mechanisms, infused))
        if network is None:
            raise DocumentError(self.problems)
        network = dataclasses.replace(network, parameters=self._parameters(file, network))
        switches = self._switches(file, network)
        self._doses(file, network, regimens)
        arms = self._arms(file)
        rules = self._rules(file)
        if self.problems:
            raise DocumentError(self.problems)
        self._starts(network)
        reference = file.reference or ("monotherapy" if "monotherapy" in arms else None)
        return Scenario(
            self.name, file.title, file.article, file.note, file.days, file.record_every, network, switches,
            regimens, arms, reference, rules, self.document, self.classes, tuple(self.warnings),
        )  # fmt: skip

    def _starts(self, network: Network) -> None:
        """Counted cells that start with a share of one are gone before anything happens: rarely what is meant."""
        for state in network.states:
            start = network.parameters[state.initial].value if isinstance(state.initial, str) else state.initial
            if state.dies_out and 0 < start < 1:
                self.warnings.append(
                    f"{self.document.name}: {state.name} starts with {start:g} cell, and less than one is none; a model in "
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

    def _mechanisms(self, given: Mapping[str, Mapping[str, Any]], infused: frozenset[str]) -> dict[str, Mechanism]:
        made: dict[str, Mechanism] = {}
        for label, options in given.items():
            kind = options.get("mechanism", label)
            if not isinstance(kind, str) or kind not in self.classes:
                path = ("mechanisms", label, "mechanism") if "mechanism" in options else ("mechanisms", label)
                self.add(path, unknown("mechanism", str(kind), self.classes))
                continue
            model = options_model(self.classes[kind])
            try:
                checked = model.model_validate(dict(options)).model_dump(exclude={"mechanism"})
            except ValidationError as error:
                self.problems += problems_of(error, self.document, model, ("mechanisms", label))
                continue
            self._names(label, self.classes[kind], checked)
            chosen = {key: tuple(value) if isinstance(value, list) else value for key, value in checked.items()}
            if "infused" in chosen and "agents" in chosen:
                chosen["infused"] = tuple(sorted({*chosen["infused"], *infused} & {*chosen["agents"]}))
            if not self.problems:
                made[label] = self.classes[kind](**chosen)
        return made

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
                    self.add(("mechanisms", label, option), error)
            if len(set(names)) < len(names):
                self.add(("mechanisms", label, option), "names the same thing twice")

    def _network(self, mechanisms: Mapping[str, Mechanism]) -> Network | None:
        if self.problems:
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
                parameters[name] = self._revalued(parameters[name], entry)
            except UserError as error:
                self.add(path, error)
                continue
            item = parameters[name]
            if not item.plausible(item.value):
                low, high = item.range
                self.warnings.append(
                    f"{self.document.name}:{self.document.line(path)}: {name} = {item.value:g} {item.unit} "
                    f"lies outside its plausible range {low:g} to {high:g}"
                )
        return parameters

    def _revalued(self, parameter: Parameter, entry: float | ParameterEntry) -> Parameter:
        if not isinstance(entry, ParameterEntry):
            entry = ParameterEntry(value=entry, source="set in the scenario file", grade="assumed")
        factor = 1.0
        if entry.unit is not None:
            factor = parse_unit(entry.unit).factor_to(parse_unit(parameter.unit))
        value = entry.value * factor
        problem = parameter.problem_with(value)
        if problem:
            raise DeclarationError(problem)
        limits = None if entry.range is None else (entry.range[0] * factor, entry.range[1] * factor)
        return parameter.revalued(value, entry.source, entry.grade, limits)

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
                if regimen not in file.regimens:
                    self.add(("arms", arm), unknown("regimen", regimen, file.regimens))
            if len(set(regimens)) < len(regimens):
                self.add(("arms", arm), "names a regimen twice; give another regimen, or more `count`")
        if file.reference is not None and file.reference not in file.arms:
            self.add(("reference",), unknown("arm", file.reference, file.arms))
        if sum(not regimens for regimens in file.arms.values()) > 1:
            self.add(("arms",), "more than one arm is without regimens; one untreated arm is enough")
        return {arm: tuple(regimens) for arm, regimens in file.arms.items()}

    def _rules(self, file: ScenarioFile) -> Rules:
        try:
            rules = Rules(**dict(file.outcomes))
            if rules.since is not None and rules.since > file.days:
                self.add(("outcomes", "from"), f"day {rules.since:g} is after the last day, {file.days:g}")
            return rules
        except UserError as error:
            self.add(("outcomes", error.key), error)
            return Rules()
