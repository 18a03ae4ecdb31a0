"""Scenarios: a network with values, regimens and arms, from one TOML file that is checked whole by ``reading``."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from backfire.errors import DocumentError, MechanismError, Problem, Problems, UserError, echo, unknown
from backfire.model import CAUTION, Dose, DosingRule, Event, EventPlan, Mechanism, Network, Parameter, Regimen
from backfire.notebook import shown
from backfire.outcomes import Rules
from backfire.scenario.composing import UNKNOWN
from backfire.scenario.inputs import DAYS, Input, named_inputs
from backfire.scenario.library import Library, OwnMechanisms, library_for, library_of, see_same, stored_library
from backfire.scenario.reading import Reader
from backfire.scenario.shape import SCENARIO, expect_kind
from backfire.scenario.toml import Document, check_folder_name, dotted, parse_document, read_document, source_path, toml_text
from backfire.system import shipped_folder

Value = float | int | str


@dataclass(frozen=True, eq=False)
class Scenario:
    """A study that can be simulated. Made by ``load`` or ``parse``; ``document`` is the file it came from.

    ``network`` carries the parameters with the values of this scenario; ``switches`` the switch of every influence.
    ``arms`` maps arm → names of regimens, ``dosing_rules`` those by which regimens react. ``reference`` is the arm that others
    are compared with besides untreated; ``reference_rule`` says in words how it was chosen, and is empty where the file names
    it. ``library`` has the mechanisms it could use. ``show`` are recorded names whose course figures draw. ``warnings`` are
    implausible but possible values; ``expected_idle`` names what is meant to change nothing.
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
    library: Library = field(repr=False)
    warnings: tuple[str, ...] = ()
    expected_idle: tuple[str, ...] = ()
    reference_rule: str = ""
    show: tuple[str, ...] = ()
    dosing_rules: Mapping[str, DosingRule] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process builds it anew: mechanisms of one's own travel as the text of their files."""
        return build, (self.document, self.name, self.library)

    def __repr__(self) -> str:
        """One line: what it is and how large, not everything in it."""
        network = self.network
        size = f"{len(network.states)} states, {len(network.parameters)} parameters, {len(self.arms)} arms, {self.days:g} days"
        return f"<Scenario {self.name}: {size}, hash {self.hash}>"

    def _repr_html_(self) -> str:
        """In a notebook: the arms, and how each is treated."""
        rows = [
            (
                arm,
                ", ".join(f"{name} ({self.regimens[name].agent}, from day {self.regimens[name].start:g})" for name in given)
                or "nothing",
            )
            for arm, given in self.arms.items()
        ]
        return shown(self.title, ("arm", "is given"), rows, f"{repr(self)[1:-1]}. {CAUTION.capitalize()}.")

    @cached_property
    def own_mechanisms(self) -> dict[str, str]:
        """The mechanisms of one's own that it uses: files by name, classes given in Python by theirs, with their SHA-256."""
        return self.library.identity(self.network.mechanisms.values())

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
        return named_inputs(self.network, self.switches, self.regimens, self.dosing_rules, units)

    def constants(self) -> list[float]:
        """Parameters and switches in the order of ``Network.constant_names``."""
        return [*self.values.values(), *(self.switches[name] for name in self.network.switches)]

    def start_state(self) -> list[float]:
        """Initial values in the order of ``Network.state_names``."""
        return [self.values[state.initial] if isinstance(state.initial, str) else state.initial for state in self.network.states]

    def doses(self, arm: str) -> tuple[Dose, ...]:
        """All planned doses of an arm, sorted by time; surgery has amount 0. What of them is given is up to its rules."""
        return tuple(
            sorted(
                (dose for name in self.arms[arm] for dose in self.regimens[name].doses()),
                key=lambda dose: (dose.time, dose.agent),
            )
        )

    def plan(self, regimens: Iterable[str]) -> EventPlan:
        """What some regimens do and when, and the visits of their rules."""
        given = [self.regimens[name] for name in regimens]
        return EventPlan(given, self.network.interventions, self.days, self.dosing_rules)

    def events(self, arm: str) -> tuple[Event, ...]:
        """The event table of an arm."""
        return self.plan(self.arms[arm]).planned(self.values)

    def reacting(self, arm: str) -> list[DosingRule]:
        """The rules that decide on something that an arm is given."""
        used = {rule for name in self.arms[arm] for rule in self.regimens[name].rules}
        return [rule for name, rule in self.dosing_rules.items() if name in used]

    def resolved(self) -> dict[str, Any]:
        """Everything that can change a number, defaults included, as plain data that ``parse_data`` reads back.

        All but the text of mechanisms of one's own: which those are says ``own_mechanisms``.
        """
        files = [file.name for file in self.library.files if file.name in self.own_mechanisms]
        return {
            "title": self.title,
            "article": self.article,
            "note": self.note,
            "days": self.days,
            "record_every": self.record_every,
            **({"reference": self.reference} if self.reference and not self.reference_rule else {}),
            **({"mechanisms_from": files} if files else {}),
            **({"expected_idle": [*self.expected_idle]} if self.expected_idle else {}),
            **({"show": list(self.show)} if self.show else {}),
            "mechanisms": {label: _options(label, item) for label, item in self.network.mechanisms.items()},
            "parameters": {name: _entry(item) for name, item in self.network.parameters.items()},
            "switches": _nested(self.switches),
            **({"counted": counted} if (counted := self.document.data.get("counted")) else {}),
            **({"rules": {name: _rule(item) for name, item in self.dosing_rules.items()}} if self.dosing_rules else {}),
            "regimens": {name: _regimen(item) for name, item in self.regimens.items()},
            "arms": {arm: list(regimens) for arm, regimens in self.arms.items()},
            "outcomes": {
                **{word: value for word, value in vars(self.rules).items() if word != "since" and value is not None},
                "from": self.time_zero,
            },
        }

    def text(self) -> str:
        """The scenario as a file that ``run`` takes, every value written out."""
        return toml_text(self.resolved(), f"Written by backfire. {CAUTION[0].upper()}{CAUTION[1:]}.")

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits that change with everything that can change a number or its source."""
        own = {"own_mechanisms": self.own_mechanisms} if self.own_mechanisms else {}
        told = {key: value for key, value in self.resolved().items() if key not in ("show", "expected_idle")}
        text = json.dumps(told | own, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def changed(self, changes: Mapping[str, Value] | None = None, days: float | None = None) -> Scenario:
        """The scenario with other values, checked again from the ground up.

        ``changes`` maps names to values: a parameter (``growth_rate``), a switch (``stroma.protects_kill``), a field of
        a regimen (``mitoxantrone.amount``), or ``days``. Raises DocumentError that blames ``--set`` (or ``--days``), with
        the nearest name: the file was right before.
        """
        data = copy.deepcopy(self.document.data)
        data.setdefault("outcomes", {}).setdefault("from", self.time_zero)
        given = [("--set", name, value) for name, value in (changes or {}).items()]
        given += [] if days is None else [("--days", "days", days)]
        problems, outside = Problems(), dict(self.document.outside)
        for origin, name, value in given:
            place = self._place(name)
            if place is None:
                problems.append(Problem(origin, 0, name, unknown("name", name, [*self.inputs, *DAYS])))
                continue
            self._put(data, place, value)
            outside[place] = (origin, name)
        problems.stop()
        try:
            return build(Document(self.document.name, data, self.document.lines, outside), self.name, self.library)
        except DocumentError as error:
            origin, names = given[-1][0] if given else "", ", ".join(name for _, name, _ in given)
            indirect = [item for item in error.problems if item.file == self.document.name]
            problems += [item for item in error.problems if item not in indirect]
            problems += [Problem(origin, 0, names, f"with it {item.key}: {item.message}") for item in indirect]
            raise DocumentError(problems) from None

    def _place(self, name: str) -> tuple[str, ...] | None:
        """Where a file has what is set by this name; None for a name that there is not."""
        owner, _, word = name.partition(".")
        item = self.inputs.get(name)
        if name in DAYS:
            return ("outcomes", "from") if name == "from" else (name,)
        if name in [f"{regimen}.agent" for regimen in self.regimens] or (item and item.kind == "regimen"):
            return ("regimens", owner, word)
        if item and item.kind == "rule":
            return ("rules", owner, word)
        if item:
            return ("switches", owner, word) if item.kind == "switch" else ("parameters", name)
        return None

    def _put(self, data: dict[str, Any], place: tuple[str, ...], value: Value) -> None:
        """Set a value at its place in the data of a file."""
        home = data
        for part in place[:-1]:
            home = home.setdefault(part, {})
        item = self.inputs.get(place[-1]) if place[0] == "parameters" else None
        if item and item.per_unit != 1.0:
            home[place[-1]] = {"value": value, "unit": item.unit, "source": "set for this run", "grade": "assumed"}
            return
        if place[0] == "regimens" and "until" in home:
            # what the file means by `until` is a number of doses or a duration, and stays so
            del home["until"]
            regimen = self.regimens[place[1]]
            home |= {"count": regimen.count, "cycles": regimen.cycles, "duration": regimen.duration}
        home[place[-1]] = value


def _options(label: str, mechanism: Mechanism) -> dict[str, Any]:
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(mechanism).items()}
    return given if label == mechanism.label else {"mechanism": mechanism.label, **given}


def _regimen(item: Regimen) -> dict[str, Any]:
    """A regimen as a file has it, all numbers included; ``rules`` only where it has some."""
    given = {key: value for key, value in dataclasses.asdict(item).items() if key not in ("name", "rules")}
    return given | ({"rules": list(item.rules)} if item.rules else {})


def _rule(item: DosingRule) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(item).items() if key != "name" and value is not None}


def _entry(item: Parameter) -> dict[str, Any]:
    return {"value": item.value, "unit": item.unit, "range": [*item.range], "source": item.source, "grade": item.grade}


def _nested(switches: Mapping[str, float]) -> dict[str, dict[str, float]]:
    nested: dict[str, dict[str, float]] = {}
    for name, value in switches.items():
        label, _, influence = name.partition(".")
        nested.setdefault(label, {})[influence] = value
    return nested


def shipped_scenarios() -> dict[str, Path]:
    """Shipped scenario files by name, sorted."""
    return {path.stem: path for path in sorted((shipped_folder("configs") / "scenarios").glob("*.toml"))}


def load(source: str | Path, mechanisms: OwnMechanisms = ()) -> Scenario:
    """A scenario by path or by shipped name; ``mechanisms`` are classes of yours that the file may use, or files with them.

    Files that its ``mechanisms_from`` names are looked for beside it. They are your own code, and are run. Raises
    DocumentError with every problem of the file.
    """
    known = shipped_scenarios()
    path = source_path("scenario", source, known)
    if path == known.get(str(source)):
        return build(read_document(path), str(source), mechanisms)
    return _with_own(read_document(path), path.stem, path.parent, mechanisms)


def chosen_arms(scenario: Scenario, arms: Iterable[str] | None = None) -> list[str]:
    """The arms of a scenario that are asked for, each once; all of them if ``arms`` is None.

    Raises UserError for what is no arm, for one name or none instead of a list, and for what is no scenario."""
    if not isinstance(scenario, Scenario):
        raise UserError(f"expected a scenario, not `{echo(scenario)}`; `backfire.load` reads one from a file or by name")
    if isinstance(arms, str):
        raise UserError(f"arms are a list of names: ['{echo(arms)}']")
    chosen = list(dict.fromkeys(scenario.arms if arms is None else arms))
    if not chosen:
        raise UserError(f"{scenario.name}: name at least one arm; there are {', '.join(scenario.arms)}")
    for arm in chosen:
        if arm not in scenario.arms:
            raise UserError(f"{scenario.name}: {unknown('arm', arm, scenario.arms)}")
    return chosen


def load_named(
    document: Document,
    name: str,
    folder: Path | str,
    mechanisms: OwnMechanisms = (),
    at: Sequence[str | int] = ("scenario",),
) -> Scenario:
    """The scenario that another file names at ``at``: a file beside it in ``folder``, or a shipped one.

    Raises DocumentError with every problem: that of the name at its line, those of the scenario in its own file.
    """
    if not name.endswith(".toml"):
        try:
            return load(name, mechanisms)
        except DocumentError as error:
            if [item.kind for item in error.problems] != ["unknown"]:
                raise
            raise DocumentError([document.problem(at, error.problems[0].message)]) from None
    path = Path(folder) / name
    if not path.is_file():
        others = [found for found in sorted(path.parent.glob("*.toml")) if found.name != Path(document.name).name]
        beside = [str(found.relative_to(folder)) for found in others]
        raise DocumentError([document.problem(at, unknown("file", name, beside))])
    return load(path, mechanisms)


def load_changed(
    document: Document, name: str, folder: Path | str, mechanisms: OwnMechanisms, changes: Mapping[str, Any]
) -> Scenario:
    """``load_named``, with the values of the file's table ``set`` instead of the scenario's own; problems are at their lines."""
    scenario = load_named(document, name, folder, mechanisms)
    places = {key: place for key, place, _ in dotted(changes, ("set",))}
    try:
        return scenario.changed({key: value for key, _, value in dotted(changes, ("set",))}) if changes else scenario
    except DocumentError as error:
        found = [document.problem(places.get(item.key, ("set",)), item.message) for item in error.problems]
        raise DocumentError(found) from None


def parse(text: str, name: str = "scenario", mechanisms: OwnMechanisms = (), folder: Path | str = ".") -> Scenario:
    """A scenario from TOML text; files it names are looked for in ``folder``. Otherwise like ``load``."""
    return _with_own(parse_document(text, name), name, Path(folder), mechanisms)


def parse_data(data: dict[str, Any], name: str, mechanisms: OwnMechanisms = ()) -> Scenario:
    """A scenario from plain data such as ``Scenario.resolved`` gives; no file is read but those among ``mechanisms``."""
    return build(Document(name, data, {}), name, mechanisms)


def stored_scenario(folder: Path, data: dict[str, Any], name: str, own: Any, mechanisms: OwnMechanisms = ()) -> Scenario:
    """The scenario of a stored run or sweep, from its data and its ``own_mechanisms``, whose files are stored beside it.

    ``mechanisms`` are those of yours that are not stored. Raises MechanismError for one that is missing or is not the one
    that was used then, StorageError for stored files that were changed; whatever else is raised, the store is damaged.
    """
    library = stored_library(folder, own, mechanisms)
    try:
        scenario = parse_data(data, name, library)
    except DocumentError as error:
        missing = [Problem(str(folder), 0, item.key, item.message) for item in error.problems if item.kind == UNKNOWN]
        raise (MechanismError(missing) if missing else error) from None
    see_same(folder, own, scenario.own_mechanisms)
    return scenario


def _with_own(document: Document, name: str, folder: Path, given: OwnMechanisms) -> Scenario:
    """The scenario of a document whose ``mechanisms_from`` are in ``folder``.

    If those cannot be had, the problems are theirs and what else is wrong with the document, as far as it does not hang on them.
    """
    expect_kind(document, SCENARIO)
    try:
        library = library_for(document, folder, given)
    except MechanismError as error:
        try:
            Reader(document, None, error.problems).read()
        except DocumentError as all_of_them:
            raise MechanismError(all_of_them.problems) from None
        raise
    return build(document, name, library)


def build(document: Document, name: str, mechanisms: OwnMechanisms = ()) -> Scenario:
    """A scenario from a parsed document; raises DocumentError with every problem found."""
    check_folder_name(name)
    library = mechanisms if isinstance(mechanisms, Library) else library_of(mechanisms)
    expect_kind(document, SCENARIO)
    return Scenario(name=name, document=document, library=library, **Reader(document, library).read())
