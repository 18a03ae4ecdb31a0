"""A scenario over a population: every arm for every plausible tumour, as bands and as a table with intervals."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.errors import UserError, unknown
from backfire.figures import BAND_LEVELS, IMAGE_FORMATS, image, population_courses, shown_courses
from backfire.formatting import number
from backfire.model import CAUTION, version
from backfire.outcomes import declared, in_table
from backfire.populations import read_population
from backfire.reports.runs import showing
from backfire.reports.sections import Section
from backfire.sampling import PlausibleTumours
from backfire.scenario import OwnMechanisms, Scenario, Value, chosen_arms
from backfire.simulation import Cohort, Result, courses, needs_compiling, prepare_folder, run_members, simulate
from backfire.solvers import Floats, Status
from backfire.system import lock, to_json, usable_cores, write_whole

ROWS: Final = 241
"""Days on which courses are read."""
GOOD: Final = [int(status) for status in Status if status.good]


@dataclass(frozen=True, eq=False)
class PopulationRun:
    """A scenario in its arms for every tumour of a population.

    ``cohort`` has the outcomes of every tumour; ``courses`` the quantiles (levels, days) of recorded values by arm and name at
    ``BAND_LEVELS``, on ``days``; ``default`` is the run of the scenario as it is.
    """

    scenario: Scenario
    tumours: PlausibleTumours
    default: Result
    cohort: Cohort
    days: Floats
    courses: Mapping[str, Mapping[str, Floats]]
    folder: Path | None = None

    @property
    def remark(self) -> str:
        """Of which tumours it speaks, in one sentence."""
        about = self.tumours.manifest
        failed = f" {self.failed} tumours could not be solved in some arm and are left out there." if self.failed else ""
        return (
            f"Over {len(self.tumours)} tumours that satisfy {len(about['claims'])} claims (population {about['name']}, "
            f"seed {about['seed']}, worth {self.tumours.effective:.0f} independent ones).{failed}"
        )

    @property
    def failed(self) -> int:
        """How many tumours could not be solved in some arm."""
        return int((~np.isin(self.cohort.status, GOOD)).any(axis=1).sum())

    def outcome_rows(self) -> Iterator[dict[str, Any]]:
        """One row for every arm and outcome: its unit, the default tumour's value, quantiles over the tumours, and their shares.

        A time that did not come until the last day counts as later than any; a quantile that is so late is infinite.
        ``observed`` is the share of the tumours in which the time came, ``there`` that in which there is a value.
        """
        for arm, found in self.cohort.values.items():
            for name, values in found.items():
                about, seen = self.default.outcome(arm, name), self.cohort.observed[arm][name]
                late = np.where(np.isfinite(values) & ~seen, math.inf, values) if declared(name).kind == "time" else values
                unit = about.unit if about else ""
                weights = self.tumours.weights
                levels = self.tumours.quantiles(late, BAND_LEVELS)
                yield {
                    "arm": arm, "outcome": name, "unit": "" if unit == "1" else unit,
                    "default": about.value if about else math.nan,
                    "default_observed": bool(about and about.observed),
                    **{f"q{round(100 * level):02d}": float(value) for level, value in zip(BAND_LEVELS, levels, strict=True)},
                    "observed": float(weights[seen].sum()), "there": float(weights[np.isfinite(values)].sum()),
                }  # fmt: skip


def run_population(
    folder: Path | str,
    out: Path | str | None = None,
    arms: Sequence[str] | None = None,
    show: Sequence[str] = (),
    form: str = "png",
    mechanisms: OwnMechanisms = (),
    changes: Mapping[str, Value] | None = None,
    days: float | None = None,
    notify: Callable[[str], None] | None = None,
) -> PopulationRun:
    """Simulate every arm for every tumour that ``backfire population`` wrote to ``folder``.

    With ``out`` writes ``<out>/<population>-population/``: ``comparison`` in a ``form`` of ``IMAGE_FORMATS``, ``outcomes.csv``,
    ``courses.csv``, and a manifest. ``show`` names the recorded value whose course is drawn below the burden. ``changes`` and
    ``days`` change the scenario for every tumour, as doses, and nothing that differs between them. Raises StorageError for
    what is no population, UserError for arms and names that do not exist.
    """
    if form not in IMAGE_FORMATS:
        raise UserError(unknown("figure format", form, IMAGE_FORMATS))
    tumours, scenario = read_population(folder, mechanisms)
    for name in set(changes or ()) & {*tumours.names}:
        raise UserError(f"--set {name}: differs between the tumours of {tumours.folder}; set what is the same in all of them")
    scenario = scenario.changed(changes, days) if changes or days is not None else scenario
    scenario = showing(scenario, show) if show else scenario
    chosen = chosen_arms(scenario, arms or None)
    place = None if out is None else prepare_folder(Path(out), f"{tumours.manifest['name']}-population")
    if notify is not None and needs_compiling(scenario):
        notify(f"compiling {scenario.name} for this machine, once: some ten seconds")
    default = simulate(scenario, chosen)
    recorded = next(iter(default.trajectories.values())).names
    names = list(dict.fromkeys(name for name in (*shown_courses(default), *show) if name in recorded))
    cohort = run_members(scenario, tumours.names, tumours.values, chosen, threads=usable_cores())
    times, found = np.linspace(0.0, float(scenario.days), ROWS), {}
    for arm in chosen:
        values = courses(scenario, tumours.names, tumours.values, arm, times, names)
        found[arm] = {name: tumours.quantiles(item, BAND_LEVELS) for name, item in values.items()}
    made = PopulationRun(scenario, tumours, default, cohort, times, found, place)
    if place is not None:
        with lock(place, "run"):
            _save(made, place, form)
    return made


def _save(made: PopulationRun, folder: Path, form: str) -> None:
    about = {
        "caution": CAUTION, "backfire": version(), "name": made.scenario.name, "hash": made.scenario.hash,
        "population": str(made.tumours.manifest["name"]), "seed": made.tumours.manifest["seed"], "tumours": len(made.tumours),
        "tumours_worth": made.tumours.effective, "failed": made.failed, "arms": list(made.courses),
    }  # fmt: skip
    write_whole(folder / "outcomes.csv", population_csv([made]))
    write_whole(folder / "courses.csv", _courses_csv(made))
    drawn = population_courses(made.default, made.days, made.courses, made.remark)
    write_whole(folder / f"comparison.{form}", image(drawn, form))
    write_whole(folder / "manifest.json", to_json(about))


def population_section(made: PopulationRun) -> Section:
    """One table: outcomes down, arms across; in each cell the median, below it the 5 and 95 % quantiles."""
    cells: dict[str, dict[str, str]] = {}
    units: dict[str, str] = {}
    for row in made.outcome_rows():
        low, middle, high = (_text(row[word], row["outcome"], made.scenario) for word in ("q05", "q50", "q95"))
        cells.setdefault(row["outcome"], {})[row["arm"]] = f"{middle}\n{low} … {high}" if row["there"] > 0 else "–"
        units[row["outcome"]] = units.get(row["outcome"]) or row["unit"]
    arms = [*made.courses]
    rows = [("", *(arm.replace("_", " ") for arm in arms))]
    for name, found in cells.items():
        if in_table(name, [*cells]):
            rows.append((f"{name.replace('_', ' ')}\n  {units[name]}".rstrip(), *(found.get(arm, "–") for arm in arms)))
    lines = (
        "median tumour; below it the 5 and the 95 % quantile; > not until the last day.",
        made.remark,
        f"{CAUTION} · scenario {made.scenario.name} {made.scenario.hash}\n",
    )
    return Section(made.scenario.title, tuple(rows), lines, numbers=True)


def _text(value: float, name: str, scenario: Scenario) -> str:
    if math.isinf(value) and declared(name).kind == "time":
        return f"> {scenario.days - scenario.time_zero:g}"
    return number(value) if math.isfinite(value) else "–"


def population_data(runs: Sequence[PopulationRun]) -> list[dict[str, Any]]:
    """Name, hash and outcome rows of each run, as for JSON."""
    return [{"scenario": made.scenario.name, "hash": made.scenario.hash, "outcomes": [*made.outcome_rows()]} for made in runs]


def population_csv(runs: Sequence[PopulationRun]) -> str:
    """The rows of ``PopulationRun.outcome_rows`` as CSV; what is not a number is empty, what is later than any day `inf`."""
    rows = [{"scenario": made.scenario.name, **row} for made in runs for row in made.outcome_rows()]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if isinstance(cell, float) and math.isnan(cell) else cell for key, cell in row.items()})
    return text.getvalue()


def _courses_csv(made: PopulationRun) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("arm", "day", "name", *(f"q{round(100 * level):02d}" for level in BAND_LEVELS)))
    for arm, found in made.courses.items():
        for name, levels in found.items():
            writer.writerows((arm, float(day), name, *column) for day, column in zip(made.days, levels.T.tolist(), strict=True))
    return text.getvalue()
