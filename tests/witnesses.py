"""Other people's engines as witnesses: exported models run in libRoadRunner and COPASI, compared with our solver.

``python tests/witnesses.py [scenario …]`` prints the largest difference of every shipped scenario and arm.

The tolerance is 1e-6·scale + 1e-5·|theirs|. The scale of a state is its largest value in our run, but at least one cell
for counted cells, and a thousandth of the unit for all else, so that a state that rests at 0 is not held to 1e-20.
"""

from __future__ import annotations

import io
import locale
import logging
import sys
import tempfile
import time
import warnings
import xml.etree.ElementTree as Tree
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import backfire
from backfire.scenario.scenario import Scenario
from backfire.solvers.trajectory import Floats, Trajectory

LOCALE = locale.setlocale(locale.LC_ALL)
with warnings.catch_warnings():
    # SWIG's types have no __module__, and newer Pythons say so on import
    warnings.simplefilter("ignore")
    import antimony
    import basico
    import COPASI
    import libsbml
    import roadrunner
# COPASI sets the locale of the whole process to C
locale.setlocale(locale.LC_ALL, LOCALE)

roadrunner.Logger.setLevel(roadrunner.Logger.LOG_CRITICAL)
logging.getLogger("basico").setLevel(logging.CRITICAL)
RELATIVE, ABSOLUTE = 1e-10, 1e-12
SEDML = "{http://sed-ml.org/sed-ml/level1/version4}"


def whole_days(scenario: Scenario) -> Floats:
    """The days on which runs are compared; what is given on a day is already in its values."""
    return np.arange(np.floor(scenario.days) + 1)


def in_roadrunner(sbml: str, names: Sequence[str], days: Floats) -> Floats:
    """Values (days, names) of a model in libRoadRunner (CVODE).

    At a dose CVODE sometimes cuts its step down to nothing under the tightest tolerance (about one random model in a
    hundred); it is then asked again with looser ones, of which the loosest is still 1e-7.
    """
    for looser in (1, 30, 1000):
        engine = roadrunner.RoadRunner(sbml)
        engine.integrator.relative_tolerance = RELATIVE * looser
        engine.integrator.absolute_tolerance = ABSOLUTE * looser
        engine.integrator.maximum_num_steps = 20_000
        engine.timeCourseSelections = list(names)
        try:
            return np.array(engine.simulate(times=days.tolist()))
        except RuntimeError as error:
            if "CVODE Error" not in str(error) or looser == 1000:
                raise
    raise AssertionError("one of the tries returns or raises")


def in_copasi(sbml: str, names: Sequence[str], days: Floats) -> Floats:
    """Values (days, names) of a model in COPASI (LSODA); rows that COPASI does not reach are NaN."""
    model = basico.load_model_from_string(sbml)
    try:
        known = {row.sbml_id: f"Values[{name}]" for name, row in _table(basico.get_parameters(model=model))}
        known |= {row.sbml_id: f"{name}.ParticleNumber" for name, row in _table(basico.get_species(model=model))}
        found = basico.run_time_course_with_output(
            ["Time", *(known[name] for name in names)], values=days.tolist(), model=model, use_initial_values=True,
            r_tol=RELATIVE, a_tol=ABSOLUTE, max_steps=100_000,
        )  # fmt: skip
        rows = np.full((len(days), len(names)), np.nan)
        rows[: len(found)] = found.to_numpy()[: len(days), 1:]
        return rows
    finally:
        basico.remove_datamodel(model)


def _table(frame: Any) -> Any:
    return [] if frame is None else frame.iterrows()


ENGINES: Mapping[str, Callable[[str, Sequence[str], Floats], Floats]] = {"libRoadRunner": in_roadrunner, "COPASI": in_copasi}


@dataclass(frozen=True, order=True)
class Difference:
    """The largest difference of a run: ``share`` of the tolerance, and where it is."""

    share: float
    state: str
    day: float
    ours: float
    theirs: float


def largest_difference(scenario: Scenario, ours: Trajectory, theirs: Floats) -> Difference:
    """Ours against theirs (days, states) over all states and whole days; after the death of the host no cell may move."""
    days = whole_days(scenario)
    rows = np.searchsorted(ours.times, days)
    over = days > ours.times[-1]
    rows[over] = len(ours.times) - 1
    assert (ours.times[rows] == days)[~over].all()
    found = []
    for column, state in enumerate(scenario.network.states):
        mine, other = ours[state.name][rows], theirs[:, column]
        scale = max(np.abs(mine).max(), 1.0 if state.is_cells else 1e-3)
        share = np.abs(mine - other) / (1e-6 * scale + 1e-5 * np.abs(other))
        share[over] *= state.is_cells
        worst = int(np.argmax(np.where(np.isnan(share), np.inf, share)))
        share_there = float(share[worst]) if np.isfinite(share[worst]) else float("inf")
        found.append(Difference(share_there, state.name, float(days[worst]), float(mine[worst]), float(other[worst])))
    return max(found)


def compare(scenario: Scenario, arm: str, engine: str, sbml: str | None = None) -> Difference:
    """Export one arm (or take ``sbml``), run it in an engine, compare."""
    ours = backfire.simulate(scenario, [arm]).trajectories[arm]
    assert ours.status.good, ours.message
    text = backfire.export(scenario, arm) if sbml is None else sbml
    return largest_difference(scenario, ours, ENGINES[engine](text, scenario.network.state_names, whole_days(scenario)))


def complaints(sbml: str) -> list[str]:
    """Everything libSBML has to say about a model, unit consistency and modelling practice included."""
    document = libsbml.readSBMLFromString(sbml)
    for kind in (
        libsbml.LIBSBML_CAT_GENERAL_CONSISTENCY, libsbml.LIBSBML_CAT_IDENTIFIER_CONSISTENCY,
        libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, libsbml.LIBSBML_CAT_MATHML_CONSISTENCY, libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
        libsbml.LIBSBML_CAT_OVERDETERMINED_MODEL, libsbml.LIBSBML_CAT_MODELING_PRACTICE,
    ):  # fmt: skip
        document.setConsistencyChecks(kind, True)
    document.checkInternalConsistency()
    document.checkConsistency()
    found = [document.getError(index) for index in range(document.getNumErrors())]
    return [f"{item.getSeverityAsString()} {item.getErrorId()}: {item.getMessage().strip()}" for item in found]


def sbml_of_antimony(text: str) -> str:
    """What libAntimony makes of a text."""
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) >= 0, antimony.getLastError()
    return str(antimony.getSBMLString(antimony.getMainModuleName()))


def by_sedml_in_roadrunner(archive: bytes) -> dict[str, dict[str, Floats]]:
    """Run the SED-ML of an archive in libRoadRunner, from nothing but what stands in the archive.

    Returns report → label → values, as the reports of the SED-ML ask for.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        manifest = Tree.fromstring(zipped.read("manifest.xml"))
        (master,) = [item.get("location", "") for item in manifest if item.get("master") == "true"]
        root = Tree.fromstring(zipped.read(master.removeprefix("./")))
        sources = {item.get("id"): zipped.read(item.get("source", "")).decode() for item in root.iter(f"{SEDML}model")}
    (course,) = root.iter(f"{SEDML}uniformTimeCourse")
    settings = {item.get("kisaoID"): float(item.get("value", "")) for item in course.iter(f"{SEDML}algorithmParameter")}
    variables = {item.get("id"): item for item in root.iter(f"{SEDML}variable")}
    asked = {item.get("id"): variables[item.find(".//{*}ci").text] for item in root.iter(f"{SEDML}dataGenerator")}  # type: ignore[union-attr]
    values: dict[str | None, Floats] = {}
    for task in root.iter(f"{SEDML}task"):
        engine = roadrunner.RoadRunner(sources[task.get("modelReference")])
        engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = (
            settings["KISAO:0000209"],
            settings["KISAO:0000211"],
        )
        mine = {key: item for key, item in asked.items() if item.get("taskReference") == task.get("id")}
        engine.timeCourseSelections = [(item.get("target") or "'time'").split("'")[-2] for item in mine.values()]
        steps = int(course.get("numberOfSteps", ""))
        table = np.array(engine.simulate(0, float(course.get("outputEndTime", "")), steps + 1))
        values |= dict(zip(mine, table.T, strict=True))
    return {
        report.get("name", ""): {
            item.get("label", ""): values[item.get("dataReference")] for item in report.iter(f"{SEDML}dataSet")
        }
        for report in root.iter(f"{SEDML}report")
    }  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """What COPASI made of an archive: the title of the model, the days to run, how many plots, the last row by name."""

    title: str
    days: float
    plots: int
    last: Mapping[str, float]


def opened_by_copasi(archive: bytes) -> Opened:
    """Open an archive in COPASI and run the time course that its SED-ML describes."""
    with tempfile.NamedTemporaryFile(suffix=".omex") as file:
        file.write(archive)
        file.flush()
        model = COPASI.CRootContainer.addDatamodel()
        assert model.openCombineArchive(file.name)
    try:
        task = model.getTask("Time-Course")
        frame = basico.run_time_course(model=model, use_sbml_id=True)
        last = {str(name): float(value) for name, value in frame.iloc[-1].items()}
        plots = model.getPlotDefinitionList().size()
        return Opened(model.getModel().getObjectName(), task.getProblem().getDuration(), plots, last)
    finally:
        basico.remove_datamodel(model)


def main(names: Sequence[str]) -> None:
    started = time.process_time()
    print(f"{'scenario':26}{'arm':18}{'engine':15}{'share of tolerance':>20}  at")
    for name in names or backfire.shipped_scenarios():
        scenario = backfire.load(Path(name) if name.endswith(".toml") else name)
        for arm in scenario.arms:
            for engine in ENGINES:
                found = compare(scenario, arm, engine)
                where = f"{found.state}, day {found.day:g}: {found.ours:.9g} ours, {found.theirs:.9g} theirs"
                print(f"{name:26}{arm:18}{engine:15}{found.share:20.2g}  {where}", flush=True)
    print(f"{time.process_time() - started:.0f} s; {__doc__.splitlines()[4]}" if __doc__ else "")


if __name__ == "__main__":
    main(sys.argv[1:])
