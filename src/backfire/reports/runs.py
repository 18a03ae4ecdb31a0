"""The main job from end to end: read and check files, simulate scenarios, write results and figures."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backfire.claims import load_claims
from backfire.errors import DocumentError, Problem, Problems, UserError, unknown
from backfire.figures import IMAGE_FORMATS, atlas, comparison, image, slide
from backfire.populations import load_population
from backfire.scenario import (
    CLAIMS,
    POPULATION,
    SCENARIO,
    SWEEP,
    FileKind,
    Library,
    OwnMechanisms,
    Scenario,
    Value,
    chosen_arms,
    kind_of_document,
    library_of,
    load,
    read_document,
    unknown_shown,
)
from backfire.simulation import Result, prepare_folder, read_run, save, simulate
from backfire.solvers import Settings
from backfire.sweeps import load_sweep, shipped_sweeps
from backfire.system import lock, write_whole


def load_all(
    sources: Iterable[str | Path],
    changes: Mapping[str, Value] | None = None,
    days: float | None = None,
    mechanisms: OwnMechanisms = (),
    show: Sequence[str] = (),
) -> list[Scenario]:
    """Read and check several scenarios; raises DocumentError with the problems of all of them together.

    ``show`` are recorded names that their figures draw, in place of those in the files.
    """
    scenarios, problems, library = list[Scenario](), Problems(), library_of(mechanisms)
    for source in sources:
        with problems.gathered():
            scenario = load(source, library)
            scenario = scenario.changed(changes, days) if changes or days is not None else scenario
            scenarios.append(showing(scenario, show) if show else scenario)
    names = [scenario.name for scenario in scenarios]
    problems += [Problem(name, 0, "", "is given twice") for name in sorted(set(names)) if names.count(name) > 1]
    problems.stop()
    return scenarios


@dataclass(frozen=True)
class CheckedFile:
    """A file without problems: what it is called, its kind, what is in it in words, the scenarios it is or speaks of."""

    name: str
    kind: str
    content: str
    scenarios: Sequence[Scenario]


Loader = Callable[[str | Path, Library], CheckedFile]
"""Reads a file of one kind."""


def check(
    sources: Iterable[str | Path], mechanisms: OwnMechanisms = (), others: Mapping[FileKind, Loader] | None = None
) -> list[CheckedFile]:
    """Read files of any kind, or shipped scenarios and sweeps by name, without running them.

    What a file is, its tables tell; ``others`` read the kinds that reports know nothing of.

    Raises DocumentError with every problem of all of them.
    """
    checked, problems, library = list[CheckedFile](), Problems(), library_of(mechanisms)
    for source in sources:
        with problems.gathered():
            checked.append(_checked(source, library, _LOADERS | dict(others or {})))
    problems.stop()
    return checked


def _checked(source: str | Path, library: Library, loaders: Mapping[FileKind, Loader]) -> CheckedFile:
    if not os.path.exists(source) and not (Path(source).suffix == ".toml" or "/" in str(source)):
        kind: FileKind | None = SWEEP if str(source) in shipped_sweeps() else SCENARIO  # a population has its scenario's name
    else:
        document = read_document(source)
        kind = kind_of_document(document)
        if kind is None:
            known = ", ".join(f"{item} has [{item.marks[0]}]" for item in loaders)
            raise DocumentError([Problem(document.name, 0, "", f"cannot be told what it is: {known}")])
    assert kind is not None
    if kind not in loaders:
        raise DocumentError([Problem(str(source), 0, "", f"is {kind}; nothing that was given here reads it")])
    return loaders[kind](source, library)


def _scenario(source: str | Path, library: Library) -> CheckedFile:
    scenario = load(source, library)
    network = scenario.network
    content = (
        f"{len(network.states)} states, {len(network.processes)} processes, {len(network.parameters)} parameters, "
        f"{len(scenario.arms)} arms, hash {scenario.hash}"
    )
    return CheckedFile(scenario.name, SCENARIO.name, content, [scenario])


def _sweep(source: str | Path, library: Library) -> CheckedFile:
    study = load_sweep(source, library)
    content = f"sweep of {study.scenario.name}: {study.design.kind}, {study.design.members} members, {len(study.arms)} arms"
    return CheckedFile(study.name, SWEEP.name, content, [study.scenario])


def _claims(source: str | Path, library: Library) -> CheckedFile:
    known = load_claims(source, library)
    scenarios = [*known.scenarios.values()]
    return CheckedFile(
        known.name, CLAIMS.name, f"{len(known.claims)} claims on {', '.join(item.name for item in scenarios)}", scenarios
    )


def _population(source: str | Path, library: Library) -> CheckedFile:
    spec = load_population(source, library)
    content = f"population of {spec.scenario.name}: {len(spec.claims)} claims, {len(spec.space.names)} inputs vary"
    return CheckedFile(spec.name, POPULATION.name, content, [spec.scenario])


_LOADERS: Final[dict[FileKind, Loader]] = {
    SCENARIO: _scenario,
    POPULATION: _population,
    SWEEP: _sweep,
    CLAIMS: _claims,
}


def showing(scenario: Scenario, names: Sequence[str]) -> Scenario:
    """The scenario with other names whose course its figures draw; raises DocumentError for one that is not recorded."""
    if wrong := unknown_shown(names, scenario.network):
        raise DocumentError([Problem(scenario.name, 0, "--show", wrong)])
    return dataclasses.replace(scenario, show=tuple(dict.fromkeys(names)))


def run(
    scenarios: Scenario | Sequence[Scenario],
    out: Path | str = "results",
    arms: Sequence[str] | None = None,
    settings: Settings | None = None,
    progress: Callable[[str], None] | None = None,
    form: str = "png",
    slides: bool = False,
) -> list[Result]:
    """Simulate one scenario or several and write ``<out>/<scenario>/``; with two or more also ``<out>/atlas.png``.

    ``form`` is one of ``backfire.figures.IMAGE_FORMATS``, which the figures have as suffix; ``slides`` draws a figure for a room
    as well.
    Arms that fail carry their status in the result and in the manifest. Raises StorageError or RefusedError before
    anything is computed if the folder cannot be used.
    """
    if form not in IMAGE_FORMATS:
        raise UserError(unknown("figure format", form, IMAGE_FORMATS))
    if isinstance(scenarios, str | Scenario):  # one alone
        scenarios = [scenarios]
    for scenario in scenarios:
        chosen_arms(scenario, arms)
    folders = [prepare_folder(Path(out), scenario.name) for scenario in scenarios]
    results = []
    for scenario, folder in zip(scenarios, folders, strict=True):
        notify = None if progress is None else lambda arm, name=scenario.name: progress(f"{name}: {arm}")
        with lock(folder, "run"):
            result = simulate(scenario, arms, settings, notify)
            save(result, folder)
            _draw(result, folder, form, slides)
        results.append(result)
    if len(results) > 1:
        write_whole(Path(out) / f"atlas.{form}", image(atlas(results), form))
    return results


def _draw(result: Result, folder: Path, form: str, slides: bool) -> None:
    write_whole(folder / f"comparison.{form}", image(comparison(result), form))
    if slides:
        write_whole(folder / f"slide.{form}", image(slide(result), form))


def redraw(
    folder: Path | str, mechanisms: OwnMechanisms = (), show: Sequence[str] = (), form: str = "png", slides: bool = False
) -> Result:
    """Recompute the outcomes and redraw the figure of a stored run, without simulating.

    ``show`` are recorded names to draw from now on, in place of those the run was stored with; ``form`` and
    ``slides`` as for ``run``.
    """
    result = read_run(folder, mechanisms)
    if show:
        result = dataclasses.replace(result, scenario=showing(result.scenario, show))
    with lock(Path(folder), "run"):
        save(result, Path(folder))
        _draw(result, Path(folder), form, slides)
    return result
