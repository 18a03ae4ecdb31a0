"""The main job from end to end: read scenarios, simulate, write results and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from backfire.errors import Problem, Problems, UserError, unknown
from backfire.figures import atlas, comparison, png
from backfire.model import Mechanism
from backfire.scenario import Scenario, Value, load
from backfire.simulation import Result, prepare_folder, read_run, save, simulate
from backfire.solvers import Settings
from backfire.system import lock, write_whole


def load_all(
    sources: Iterable[str | Path],
    changes: Mapping[str, Value] | None = None,
    days: float | None = None,
    mechanisms: Iterable[type[Mechanism]] = (),
) -> list[Scenario]:
    """Read and check several scenarios; raises DocumentError with the problems of all of them together."""
    scenarios, problems, classes = list[Scenario](), Problems(), tuple(mechanisms)
    for source in sources:
        with problems.gathered():
            scenario = load(source, classes)
            scenarios.append(scenario.changed(changes, days) if changes or days is not None else scenario)
    names = [scenario.name for scenario in scenarios]
    problems += [Problem(name, 0, "", "is given twice") for name in sorted(set(names)) if names.count(name) > 1]
    problems.stop()
    return scenarios


def run(
    scenarios: Sequence[Scenario],
    out: Path | str = "results",
    arms: Sequence[str] | None = None,
    settings: Settings | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Result]:
    """Simulate scenarios and write ``<out>/<scenario>/``; with two or more also ``<out>/atlas.png``.

    Arms that fail carry their status in the result and in the manifest. Raises StorageError or RefusedError before
    anything is computed if the folder cannot be used.
    """
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
            write_whole(folder / "comparison.png", png(comparison(result)))
        results.append(result)
    if len(results) > 1:
        write_whole(Path(out) / "atlas.png", png(atlas(results)))
    return results


def redraw(folder: Path | str, mechanisms: Iterable[type[Mechanism]] = ()) -> Result:
    """Recompute the outcomes and redraw the figure of a stored run, without simulating."""
    result = read_run(folder, mechanisms)
    with lock(Path(folder), "run"):
        save(result, Path(folder))
        write_whole(Path(folder) / "comparison.png", png(comparison(result)))
    return result
