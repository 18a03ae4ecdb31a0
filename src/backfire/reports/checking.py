"""Checking files of any kind: scenarios, sweep studies and claims, each by its own loader, all problems together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backfire.claims import ClaimSet, load_claims
from backfire.errors import DocumentError, Problem, Problems
from backfire.model import Mechanism
from backfire.scenario import CLAIMS, SCENARIO, SWEEP, FileKind, Scenario, kind_of_document, load, read_document
from backfire.sweeps import SweepSpec, load_sweep, shipped_sweeps

Classes = tuple[type[Mechanism], ...]


@dataclass(frozen=True)
class CheckedFile:
    """A file without problems: what it is called, what is in it in words, and the scenarios that it is or speaks of."""

    name: str
    content: str
    scenarios: Sequence[Scenario]

    @property
    def warnings(self) -> list[str]:
        """What is possible but implausible."""
        return list(dict.fromkeys(warning for scenario in self.scenarios for warning in scenario.warnings))


def check(sources: Iterable[str | Path], mechanisms: Iterable[type[Mechanism]] = ()) -> list[CheckedFile]:
    """Read files of any kind, or shipped scenarios and sweeps by name, without running them.

    What a file is, its tables tell. Raises DocumentError with every problem of all of them.
    """
    checked, problems, classes = list[CheckedFile](), Problems(), tuple(mechanisms)
    for source in sources:
        with problems.gathered():
            checked.append(_checked(source, classes))
    problems.stop()
    return checked


def _checked(source: str | Path, classes: Classes) -> CheckedFile:
    if not os.path.exists(source) and not (Path(source).suffix == ".toml" or "/" in str(source)):
        kind: FileKind | None = SWEEP if str(source) in shipped_sweeps() else SCENARIO
    else:
        document = read_document(source)
        kind = kind_of_document(document)
        if kind is None:
            known = ", ".join(f"a {item.name} has [{item.marks[0]}]" for item in _LOADERS)
            raise DocumentError([Problem(document.name, 0, "", f"cannot be told what it is: {known}")])
    assert kind is not None
    return _LOADERS[kind](source, classes)


def _scenario(source: str | Path, classes: Classes) -> CheckedFile:
    scenario = load(source, classes)
    network = scenario.network
    content = (
        f"{len(network.states)} states, {len(network.processes)} processes, {len(network.parameters)} parameters, "
        f"{len(scenario.arms)} arms, hash {scenario.hash}"
    )
    return CheckedFile(scenario.name, content, [scenario])


def _sweep(source: str | Path, classes: Classes) -> CheckedFile:
    study: SweepSpec = load_sweep(source, classes)
    content = f"sweep of {study.scenario.name}: {study.design.kind}, {study.design.members} members, {len(study.arms)} arms"
    return CheckedFile(study.name, content, [study.scenario])


def _claims(source: str | Path, classes: Classes) -> CheckedFile:
    known: ClaimSet = load_claims(source, classes)
    scenarios = [*known.scenarios.values()]
    return CheckedFile(known.name, f"{len(known.claims)} claims on {', '.join(item.name for item in scenarios)}", scenarios)


_LOADERS: Final[dict[FileKind, Callable[[str | Path, Classes], CheckedFile]]] = {SCENARIO: _scenario, SWEEP: _sweep, CLAIMS: _claims}
