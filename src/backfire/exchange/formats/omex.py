"""COMBINE archive (OMEX) of a whole study.

It holds one SBML file per arm, a SED-ML file that runs them all and plots the comparison, our own
trajectories as CSV to compare with, our figure of them, the metadata that repositories read, and the manifest that says
what is what. It passes the validator of BioSimulations, which refuses a manifest that lists itself.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as Tree
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from backfire.exchange.formats import Format
from backfire.exchange.formats.sbml import to_sbml
from backfire.exchange.metadata import metadata
from backfire.exchange.reactions import Model, translate
from backfire.figures import comparison, image
from backfire.model import CAUTION
from backfire.scenario import Scenario
from backfire.simulation import simulate, trajectories_csv

_SEDML: Final = "http://sed-ml.org/sed-ml/level1/version4"
_SBML: Final = "http://www.sbml.org/sbml/level3/version2/core"
_MATHML: Final = "http://www.w3.org/1998/Math/MathML"
_OMEX: Final = "http://identifiers.org/combine.specifications/omex-manifest"
_KINDS: Final[dict[str, str]] = {
    ".": "http://identifiers.org/combine.specifications/omex",
    "xml": "http://identifiers.org/combine.specifications/sbml.level-3.version-2",
    # without level and version: libCombine, which COPASI reads archives with, does not know level 1 version 4 by name
    "sedml": "http://identifiers.org/combine.specifications/sed-ml",
    "csv": "http://purl.org/NET/mediatypes/text/csv",
    "png": "http://purl.org/NET/mediatypes/image/png",
    "rdf": "http://identifiers.org/combine.specifications/omex-metadata",
}
_THUMBNAIL: Final = "thumbnail.png"
"""Our figure, which is wider than the 1,216 dots that BioSimulations asks for."""
_CVODE, _RELATIVE, _ABSOLUTE = "KISAO:0000019", "KISAO:0000209", "KISAO:0000211"


def archive(scenario: Scenario, arms: Sequence[str]) -> bytes:
    """The COMBINE archive of some arms; equal bytes for equal content."""
    models = {arm: translate(scenario, arm) for arm in arms}
    result = simulate(scenario, arms)
    files: dict[str, str | bytes] = {f"{arm}.xml": to_sbml(model) for arm, model in models.items()}
    files["comparison.sedml"] = sedml(scenario, models)
    files["trajectories.csv"] = trajectories_csv(result)
    files[_THUMBNAIL] = image(comparison(result))
    files["metadata.rdf"] = _xml(metadata(scenario, _THUMBNAIL))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in {"manifest.xml": _manifest(files), **files}.items():
            # no clock: the same study gives the same archive
            zipped.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


FORMAT: Final = Format(".omex", archive, whole=True, needs_libsbml=True)


def sedml(scenario: Scenario, models: Mapping[str, Model]) -> str:
    """SED-ML Level 1 Version 4: every arm run over the days of the scenario, one figure, one table per arm.

    The figure shows the totals of cells (all states in cells if there is no total), logarithmic, one curve per arm.
    Checked by running it: Tellurium (libRoadRunner) runs all of it; COPASI reads the first model of a SED-ML file and
    says so, so for COPASI export one arm at a time.
    """
    root = Tree.Element("sedML", {"xmlns": _SEDML, "xmlns:sbml": _SBML, "level": "1", "version": "4"})
    _notes(root, f"{scenario.title}. {CAUTION[0].upper()}{CAUTION[1:]}.")
    lists = ("Models", "Simulations", "Tasks", "DataGenerators", "Outputs")
    listed = {name: Tree.SubElement(root, f"listOf{name}") for name in lists}
    _course(listed["Simulations"], scenario)
    plot = Tree.SubElement(listed["Outputs"], "plot2D", {"id": "comparison", "name": f"{scenario.title} ({CAUTION})"})
    curves = Tree.SubElement(plot, "listOfCurves")
    shown = _shown(scenario)
    for arm, model in models.items():
        language = "urn:sedml:language:sbml.level-3.version-2"
        Tree.SubElement(listed["Models"], "model", id=f"model_{arm}", name=arm, language=language, source=f"{arm}.xml")
        task = {"id": f"task_{arm}", "name": arm, "modelReference": f"model_{arm}", "simulationReference": "course"}
        Tree.SubElement(listed["Tasks"], "task", task)
        report = Tree.SubElement(listed["Outputs"], "report", id=f"report_{arm}", name=arm)
        sets = Tree.SubElement(report, "listOfDataSets")
        species = {item.id for item in model.species}
        for quantity in dict.fromkeys(("time", *scenario.network.state_names, *shown)):
            data = f"data_{arm}_{quantity}"
            _generator(listed["DataGenerators"], arm, quantity, quantity in species)
            Tree.SubElement(sets, "dataSet", id=f"set_{arm}_{quantity}", label=quantity, dataReference=data)
        for quantity in shown:
            about = {"id": f"curve_{arm}_{quantity}", "name": f"{quantity}, {arm}", "type": "points"}
            axes = {"xDataReference": f"data_{arm}_time", "yDataReference": f"data_{arm}_{quantity}"}
            Tree.SubElement(curves, "curve", {**about, **axes})
    Tree.SubElement(plot, "xAxis", {"id": "days", "type": "linear"})
    Tree.SubElement(plot, "yAxis", {"id": "cells", "type": "log10"})
    return _xml(root)


def _course(simulations: Tree.Element, scenario: Scenario) -> None:
    days = f"{scenario.days:g}"
    times = {"initialTime": "0", "outputStartTime": "0", "outputEndTime": days, "numberOfSteps": f"{scenario.days:.0f}"}
    course = Tree.SubElement(simulations, "uniformTimeCourse", {"id": "course", **times})
    method = Tree.SubElement(course, "algorithm", {"kisaoID": _CVODE})
    settings = Tree.SubElement(method, "listOfAlgorithmParameters")
    for kind, value in ((_RELATIVE, "1e-10"), (_ABSOLUTE, "1e-12")):
        Tree.SubElement(settings, "algorithmParameter", {"kisaoID": kind, "value": value})


def _shown(scenario: Scenario) -> list[str]:
    states = scenario.network.states
    totals = {total: None for state in states if state.is_cells for total in state.totals}
    return list(totals) or [state.name for state in states if state.is_cells] or [states[0].name]


def _generator(generators: Tree.Element, arm: str, quantity: str, species: bool) -> None:
    """The values of one quantity in one arm."""
    made = Tree.SubElement(generators, "dataGenerator", {"id": f"data_{arm}_{quantity}", "name": f"{quantity} ({arm})"})
    variables = Tree.SubElement(made, "listOfVariables")
    name = f"value_{arm}_{quantity}"
    kind = "listOfSpecies/sbml:species" if species else "listOfParameters/sbml:parameter"
    path = f"/sbml:sbml/sbml:model/sbml:{kind}[@id='{quantity}']"
    where = {"symbol": "urn:sedml:symbol:time"} if quantity == "time" else {"target": path}
    Tree.SubElement(variables, "variable", {"id": name, "name": quantity, "taskReference": f"task_{arm}", **where})
    Tree.SubElement(Tree.SubElement(made, "math", {"xmlns": _MATHML}), "ci").text = name


def _notes(element: Tree.Element, text: str) -> None:
    notes = Tree.SubElement(element, "notes")
    Tree.SubElement(notes, "p", {"xmlns": "http://www.w3.org/1999/xhtml"}).text = text


def _manifest(files: Iterable[str]) -> str:
    root = Tree.Element("omexManifest", {"xmlns": _OMEX})
    Tree.SubElement(root, "content", {"location": ".", "format": _KINDS["."]})
    for name in files:
        kind = name.rpartition(".")[2]
        master = {"master": "true"} if kind == "sedml" else {}
        Tree.SubElement(root, "content", {"location": f"./{name}", "format": _KINDS[kind], **master})
    return _xml(root)


def _xml(root: Tree.Element) -> str:
    Tree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n"
