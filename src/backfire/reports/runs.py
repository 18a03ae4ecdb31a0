"""The main job from end to end: read scenarios, simulate, write results and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from backfire.errors import DocumentError, Problem, UserError, unknown
from backfire.figures import IMAGE_FORMATS, atlas, comparison, image
from backfire.model import Mechanism
from backfire.scenario import Scenario, Value, load, unknown_shown
from backfire.simulation import Result, prepare_folder, read_run, save, simulate
from backfire.solvers import Settings
from backfire.system import lock, write_whole


def load_all(
    sources: Iterable[str | Path],
    changes: Mapping[str, Value] | None = None,
    days: float | None = None,
    mechanisms: Iterable[type[Mechanism]] = (),
    show: Sequence[str] = (),
) -> list[Scenario]:
    """Read and check several scenarios; raises DocumentError with the problems of all of them together.

    ``show`` are recorded names that their figures draw, in place of those in the files.
    """
    scenarios: list[Scenario] = []
    problems: list[Problem] = []
    for source in sources:
        try:
            scenario = load(source, mechanisms)
            scenario = scenario.changed(changes, days) if changes or days is not None else scenario
            scenarios.append(showing(scenario, show) if show else scenario)
        except DocumentError as error:
            problems += error.problems
    names = [scenario.name for scenario in scenarios]
    problems += [Problem(name, 0, "", "is given twice") for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise DocumentError(problems)
    return scenarios


def showing(scenario: Scenario, names: Sequence[str]) -> Scenario:
    """The scenario with other names whose course its figures draw; raises DocumentError for one that is not recorded."""
    if wrong := unknown_shown(names, scenario.network):
        raise DocumentError([Problem(scenario.name, 0, "--show", wrong)])
    return dataclasses.replace(scenario, show=tuple(dict.fromkeys(names)))


def run(
    scenarios: Sequence[Scenario],
    out: Path | str = "results",
    arms: Sequence[str] | None = None,
    settings: Settings | None = None,
    progress: Callable[[str], None] | None = None,
    form: str = "png",
) -> list[Result]:
    """Simulate scenarios and write ``<out>/<scenario>/``; with two or more also ``<out>/atlas.png``.

    ``form`` is one of ``backfire.figures.IMAGE_FORMATS``, which the figures have as suffix.
    Arms that fail carry their status in the result and in the manifest. Raises StorageError or RefusedError before
    anything is computed if the folder cannot be used.
    """
    if form not in IMAGE_FORMATS:
        raise UserError(unknown("figure format", form, IMAGE_FORMATS))
    for scenario in scenarios:
        for arm in arms or ():
            if arm not in scenario.arms:
                raise UserError(f"{scenario.name}: {unknown('arm', arm, scenario.arms)}")
    folders = [prepare_folder(Path(out), scenario.name) for scenario in scenarios]
    results = []
    for scenario, folder in zip(scenarios, folders, strict=True):
        notify = None if progress is None else lambda arm, name=scenario.name: progress(f"{name}: {arm}")
        with lock(folder, "run"):
            result = simulate(scenario, arms, settings, notify)
            save(result, folder)
            write_whole(folder / f"comparison.{form}", image(comparison(result), form))
        results.append(result)
    if len(results) > 1:
        write_whole(Path(out) / f"atlas.{form}", image(atlas(results), form))
    return results


def redraw(folder: Path | str, mechanisms: Iterable[type[Mechanism]] = (), show: Sequence[str] = (), form: str = "png") -> Result:
    """Recompute the outcomes and redraw the figure of a stored run, without simulating.

    ``show`` are recorded names to draw from now on, in place of those the run was stored with; ``form`` as for ``run``.
    """
    result = read_run(folder, mechanisms)
    if show:
        result = dataclasses.replace(result, scenario=showing(result.scenario, show))
    with lock(Path(folder), "run"):
        save(result, Path(folder))
        write_whole(Path(folder) / f"comparison.{form}", image(comparison(result), form))
    return result
