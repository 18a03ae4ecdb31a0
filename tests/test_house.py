"""The house grows by one file: of each kind of piece, one is put beside the shipped ones and appears wherever they do.

The file stands in a folder of the test, which is made part of the package for as long as the test lasts.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import backfire
from backfire import cli, mechanisms, sampling
from backfire.cli import commands as cli_commands
from backfire.errors import DocumentError, UserError
from backfire.exchange import format_names, formats
from backfire.figures import sweep, sweep_figures
from backfire.outcomes import catalogue, listing
from backfire.outcomes.catalogue import Declaration
from backfire.reports import mechanism_rows
from backfire.sampling import Axis, Sobol
from backfire.scenario import json_schema
from backfire.solvers import generate
from backfire.sweeps import parse_sweep, planning
from commands import call, clean
from made_up_sweeps import GRID, drawn, marks, panels, stored, texts
from small import SMALL, STUDY

Beside = Callable[[ModuleType, str, str], ModuleType]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    """Puts a module with some text beside those of a package."""
    added: list[tuple[ModuleType, str]] = []

    def add(package: ModuleType, name: str, text: str) -> ModuleType:
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        added.append((package, name))
        return importlib.import_module(f"{package.__name__}.{name}")

    yield add
    for package, name in added:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        package.__dict__.pop(name, None)


def shown(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """What a command prints that goes well."""
    assert call(*words) == 0
    return capsys.readouterr().out


# -- a mechanism -------------------------------------------------------------------------------------------------------

NECROSIS = '''
"""Death in the core of the tumour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backfire.model import Mechanism, Parameter, Part, Process, option


@dataclass(frozen=True)
class Necrosis(Mechanism):
    """Cells far from vessels die.

    dA/dt = - d·A
    """

    label = "necrosis"

    of: str = option("the cells that die", example="active")

    def parts(self) -> Iterator[Part]:
        yield Parameter(
            "necrosis_rate", 0.01, "1/day", "share of the cells that dies each day", range=(0.001, 0.1),
            source="assumed: for a test", grade="assumed",
        )
        yield Process("necrosis", "necrosis", f"necrosis_rate * {self.of}", "death of cells in the core", leaves=self.of)
'''


@pytest.fixture
def necrosis(beside: Beside) -> Iterator[None]:
    beside(mechanisms, "necrosis", NECROSIS)
    mechanisms.shipped.cache_clear()
    yield
    mechanisms.shipped.cache_clear()


@pytest.mark.usefixtures("necrosis")
def test_a_mechanism_is_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "necrosis" in mechanisms.shipped()
    assert "necrosis" in json_schema()["properties"]["mechanisms"]["properties"]
    assert ("necrosis", "Cells far from vessels die.", ["active"], ["active"]) in mechanism_rows(changes="active")
    assert "necrosis" in shown(capsys, "mechanisms")
    assert "necrosis_rate * active" in shown(capsys, "mechanisms", "necrosis")
    path = tmp_path / "small.toml"
    path.write_text(SMALL.replace("[mechanisms]", '[mechanisms]\nnecrosis = { of = "active" }'), encoding="utf-8")
    scenario = backfire.load(path)
    assert "necrosis_rate" in generate(scenario.network).source
    assert "death of cells in the core" in shown(capsys, "explain", path, "--markdown")
    assert "necrosis: active =>; necrosis_rate * active;" in backfire.export(scenario, to="antimony")
    calm, dying = (backfire.simulate(item, ["untreated"]) for item in (backfire.parse(SMALL), scenario))
    burdens = [result.outcomes["untreated"]["final_burden"].value for result in (calm, dying)]
    assert 0.5 * burdens[0] < burdens[1] < 0.95 * burdens[0]
    with pytest.raises(DocumentError, match="did you mean `necrosis`"):
        backfire.parse(SMALL.replace("[mechanisms]", "[mechanisms]\nnecrosys = {}"))


# -- an outcome --------------------------------------------------------------------------------------------------------


@pytest.fixture
def last_share(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more declaration in the catalogue."""
    new = Declaration(
        "last_share", "1", "burden on the last day as a share of that at the start of treatment",
        lambda found: found.final_burden / found.before, ("burden",), better="low", title="share left", ranks={"bars": 0, "figures": 0},
    )  # fmt: skip
    more = (new, *catalogue.CATALOGUE)
    for module in (catalogue, listing):
        monkeypatch.setattr(module, "CATALOGUE", more)
    kept = (catalogue.declared, planning._scenario)  # sweeps of other tests keep a scenario, and it the outcomes that it has
    for one in kept:
        one.cache_clear()
    yield
    for one in kept:
        one.cache_clear()


@pytest.mark.usefixtures("last_share")
def test_an_outcome_is_one_declaration(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = backfire.load(small)
    result = backfire.simulate(scenario)
    found = {arm: outcomes["last_share"].value for arm, outcomes in result.outcomes.items()}
    for arm, share in found.items():
        course = result.trajectories[arm]
        assert share == pytest.approx(course["burden"][-1] / course["burden"][course.times == 10][0], rel=1e-6)
    members = backfire.run_members(scenario, ["drug.amount"], np.array([[4.0]]), outcomes=["last_share"])
    assert {arm: members.values[arm]["last_share"][0] for arm in found} == pytest.approx(found, rel=1e-3)
    assert "last share" in shown(capsys, "run", small, "--out", tmp_path / "run")
    assert "last_share" in (tmp_path / "run" / "small" / "outcomes.csv").read_text(encoding="utf-8")
    study = tmp_path / "study.toml"
    study.write_text(STUDY.replace('"final_burden"', '"last_share"').replace("[5, 7, 30]", "[5, 7]"), encoding="utf-8")
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    assert call("sweep", study, "--out", tmp_path / "out", "--workers", 0) == 0
    (figure,) = [figure for _, figure in sweep_figures(tmp_path / "out" / "study")]
    assert any("share left" in text for text in texts(figure))
    with pytest.raises(DocumentError, match="did you mean `last_share`"):
        parse_sweep(study.read_text(encoding="utf-8").replace("last_share", "lost_share"), "study", tmp_path)


# -- a design of sweeps ------------------------------------------------------------------------------------------------

CORNERS = '''
"""Only the ends of every field."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from backfire.sampling.designs import Design


@dataclass(frozen=True)
class Ends(Design):
    """All fields low, then all fields high."""

    kind: ClassVar[str] = "ends"
    title: ClassVar[str] = "both ends"

    @classmethod
    def count(cls, points, given, /):
        return 2

    def _samples(self, first, last):
        return np.array([(axis.low, axis.high)[member] for axis in self.axes for member in range(first, last)]).reshape(
            len(self.axes), last - first
        ).T
'''


@pytest.fixture
def ends(beside: Beside) -> Iterator[None]:
    beside(sampling, "ends", CORNERS)
    sampling.design_kinds.cache_clear()
    yield
    sampling.design_kinds.cache_clear()


@pytest.mark.usefixtures("ends")
def test_a_design_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    text = (
        STUDY.replace('"grid"', '"ends"').replace(", points = 3", "").replace("{ values = [5, 7, 30] }", "{ low = 5, high = 7 }")
    )
    result = backfire.sweep(parse_sweep(text, "study", tmp_path), tmp_path / "out", workers=0)
    assert result.table()[["drug.amount", "drug.every"]].drop_duplicates().to_numpy().tolist() == [[1, 5], [16, 7]]
    assert any("2 members (both ends)" in text for _, figure in sweep_figures(result.folder) for text in texts(figure))
    with pytest.raises(DocumentError, match="did you mean `ends`"):
        parse_sweep(text.replace('"ends"', '"end"'), "study", tmp_path)


# -- a figure of sweeps ------------------------------------------------------------------------------------------------

SCATTER = """
import numpy as np
from backfire.figures.sweep.slide import SweepFigure, slide

@SweepFigure(
    "scatter-{outcome}.png", draws=lambda manifest: manifest["design"]["kind"] == "sobol",
    members=lambda manifest: np.arange(5), outcomes=lambda manifest: 1,
)
def scatter(data):
    page = slide(data, "a figure that did not exist")
    (axes,) = page.panels(1)
    axes.plot(data.samples["growth"], data.values["final_burden"][:, 0], "o", label="members")
    return page.figure
"""


def test_a_figure_of_sweeps_is_one_file(beside: Beside, tmp_path: Path) -> None:
    beside(sweep, "scatter", SCATTER)
    sampled = stored(tmp_path / "sampled", Sobol((Axis("growth", 0.1, 0.2), Axis("drug.every", 4, 20)), members=16))
    assert call("sweep", "--show", sampled) == 0
    names = {path.name for path in (sampled / "figures").iterdir()}
    assert names == {"scatter-final-burden.png", "fan-final-burden.png", "fan-time-to-progression.png"}
    (figure,) = [figure for name, figure in sweep_figures(sampled) if name.startswith("scatter")]
    (line,) = marks(panels(figure)[0], "members")
    assert len(line.get_xdata()) == 5
    assert any("16 members (Sobol), 5 of them drawn" in text for text in texts(figure))
    assert list(drawn(stored(tmp_path / "grid", GRID))) == ["surface.png"], "only for the designs that it names"


# -- an export format --------------------------------------------------------------------------------------------------

NAMES_ONLY = '''
"""The names of the states, for a test."""

from backfire.exchange import Format

FORMAT = Format(".names", lambda scenario, arms: " ".join([*arms, *scenario.network.state_names]))
'''


def test_an_export_format_is_one_file(beside: Beside, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside(formats, "names_only", NAMES_ONLY)
    scenario = backfire.load(small)
    assert format_names() == ["sbml", "antimony", "names_only", "omex"]
    assert backfire.export(scenario, to="names_only", out=tmp_path / "a.names") == "monotherapy active drug"
    assert (tmp_path / "a.names").read_text(encoding="utf-8") == "monotherapy active drug"
    assert shown(capsys, "export", small, "--to", "names_only", "--arm", "untreated") == "untreated active drug\n"
    with pytest.raises(UserError, match="did you mean `names_only`"):
        backfire.export(scenario, to="name_only")
    with pytest.raises(UserError, match="unknown arm"):
        backfire.export(scenario, "monotherapi", to="names_only")


def test_the_help_of_export_names_every_format(beside: Beside, capsys: pytest.CaptureFixture[str]) -> None:
    assert "sbml, antimony or omex" in shown(capsys, "export", "--help")
    beside(formats, "names_only", NAMES_ONLY)
    assert "sbml, antimony, names_only or omex" in " ".join(shown(capsys, "export", "--help").split())


# -- a command ---------------------------------------------------------------------------------------------------------

ARMS = '''
"""A command for a test."""

from backfire.cli.commands import OneScenario, command
from backfire.cli.terminal import write_line


@command()
def arms(scenario: OneScenario) -> None:
    """List the arms of a scenario."""
    from backfire.scenario import load

    write_line("\\n".join(load(scenario).arms))
'''


def test_a_command_is_one_file(
    beside: Beside, small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_commands, "_REGISTERED", dict(cli_commands._REGISTERED))
    before = [function.__name__ for function in cli_commands.all_commands()]
    beside(cli, "arms", ARMS)
    assert [function.__name__ for function in cli_commands.all_commands()] == [*before, "arms"]
    assert "List the arms of a scenario." in shown(capsys, "--help")
    assert shown(capsys, "arms", small) == "untreated\nmonotherapy\n"
    assert call("arms", small.with_name("none.toml")) == 2
    assert clean(capsys.readouterr().err)
    assert call("arm", small) == 2
    assert "arms" in capsys.readouterr().err


def test_commands_are_listed_in_the_order_they_ask_for(capsys: pytest.CaptureFixture[str]) -> None:
    listed = shown(capsys, "--help").partition("Commands:\n")[2]
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "] == [
        "run", "redraw", "check", "new", "schema", "scenarios", "mechanisms", "explain", "report", "export", "claims", "sweep", "population",
        "synergy", "optimise", "sweeps", "rerun", "trial", "ablation", "sensitivity",
    ]  # fmt: skip
