"""The house: sizes, directions, promises about files that no other test looks at."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import backfire

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "backfire").rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_a_file_is_one_room(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450
    assert path.stem not in {"utils", "helpers", "core", "common", "misc"}


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_functions_are_short(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # a mechanism's parts() is a declaration, one line a fact, and may be as long as its biology
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "parts"]
    long = {node.name: length for node in functions if (length := (node.end_lineno or 0) - node.lineno + 1) > 60}
    assert long == {}


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_nothing_is_left_over(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(TODO|FIXME|XXX)\b|NotImplementedError", text)
    assert "matplotlib.pyplot" not in text
    assert not re.search(r"(?<![\w.])eval\(", text)


def test_every_public_name_exists_and_is_documented() -> None:
    for name in backfire.__all__:
        assert (getattr(backfire, name).__doc__ or "").strip() or name == "Part", name


def test_public_functions_survive_the_import_of_every_module() -> None:
    code = (
        "import pkgutil, importlib, backfire\n"
        "for module in pkgutil.walk_packages(backfire.__path__, 'backfire.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "import types\n"
        "broken = [name for name in backfire.__all__ if name != 'figures' and isinstance(getattr(backfire, name), types.ModuleType)]\n"
        "assert not broken, broken\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_backfire_and_its_command_line_loads_no_heavy_library() -> None:
    code = "import sys, backfire.cli; print([m for m in ('numpy', 'scipy', 'sympy', 'matplotlib', 'pandas', 'pydantic') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


def test_a_run_does_without_pyplot_and_pandas() -> None:
    code = (
        "import sys, backfire\n"
        "r = backfire.simulate(backfire.load('wnt16b-stroma').changed(days=90), arms=['untreated'])\n"
        "backfire.figures.comparison(r)\n"
        "print([m for m in ('matplotlib.pyplot', 'pandas') if m in sys.modules])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


def test_top_level_holds_what_the_design_names() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    top = {name.split("/")[0] for name in tracked}
    allowed = {"pyproject.toml", "README.md", "LICENSE", "seeds", "src", "tests", "examples", "configs"}
    assert {name for name in top if not name.startswith(".")} <= allowed


def test_dependencies_have_lower_bounds_and_no_upper_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [item for group in project["optional-dependencies"].values() for item in group]
    for requirement in [*project["dependencies"], *extras]:
        assert re.fullmatch(r"[A-Za-z0-9_\-\[\]]+>=[0-9.]+", requirement), requirement


def test_shipped_configs_are_in_the_wheel_table() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"configs": "backfire/configs", "seeds": "backfire/seeds"}
