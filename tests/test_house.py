"""The house grows by one file: of each kind of piece, one is put beside the shipped ones and appears wherever they do.

The file stands in a folder of the test, which is made part of the package for as long as the test lasts.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import backfire
from backfire import cli, mechanisms
from backfire.cli import commands as cli_commands
from backfire.errors import DocumentError, UserError
from backfire.exchange import format_names, formats
from backfire.reports import mechanism_rows
from backfire.scenario import json_schema
from backfire.solvers import generate
from commands import call, clean
from small import SMALL

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
    assert ("necrosis", "Cells far from vessels die.", "active", "active") in mechanism_rows(changes="active")
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

# -- a design of sweeps ------------------------------------------------------------------------------------------------

# -- a figure of sweeps ------------------------------------------------------------------------------------------------

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


def test_the_help_of_export_names_every_format(
    beside: Beside, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "sbml, antimony or omex" in shown(capsys, "export", "--help")
    beside(formats, "names_only", NAMES_ONLY)
    monkeypatch.setattr(cli_commands, "_REGISTERED", dict(cli_commands._REGISTERED))
    importlib.reload(sys.modules["backfire.cli.model"])
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
        "run", "redraw", "check", "new", "schema", "scenarios", "mechanisms", "explain", "export", "claims", "sweep", "sweeps", "rerun",
    ]  # fmt: skip
