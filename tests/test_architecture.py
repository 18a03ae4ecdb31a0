"""The house: sizes, directions, promises about files that no other test looks at."""

from __future__ import annotations

import ast
import importlib
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import backfire

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "backfire"
SOURCES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]
FAMILIES = [path.parent for path in SOURCES if path.name == "__init__.py" and path.parent != PACKAGE]
FAMILY_NAMES = [".".join(folder.relative_to(PACKAGE).parts) for folder in FAMILIES]
GROUND = {"errors", "system", "formatting", "palette", "notebook", "mechanisms"}
"""What every family may import from any module of: the ground, and the pieces of biology, which have no face but themselves."""


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_a_file_is_one_room(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450
    assert path.stem not in {"utils", "helpers", "core", "common", "misc"}


def test_most_files_are_small_rooms() -> None:
    assert statistics.median(len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES) < 200


@pytest.mark.parametrize("folder", FAMILIES, ids=FAMILY_NAMES)
def test_a_family_fits_around_a_table_and_has_a_face(folder: Path) -> None:
    face = importlib.import_module(f"backfire.{'.'.join(folder.relative_to(PACKAGE).parts)}")
    assert (face.__doc__ or "").strip()
    if folder.name != "mechanisms":  # a shelf of strangers, not a family
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 12
    if (folder / "__init__.pyi").exists():
        assert face.__all__
        for name in face.__all__:
            assert getattr(face, name) is not None
    else:  # it is itself what others import
        tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
        assert any(isinstance(node, ast.FunctionDef) and not node.name.startswith("_") for node in tree.body)


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_families_meet_in_their_faces(path: Path) -> None:
    """``from backfire.family.module import`` is for the family itself; others import from ``backfire.family``."""
    own = path.relative_to(PACKAGE).parts[0]
    trees = [path, path.with_suffix(".pyi")] if path.with_suffix(".pyi").exists() else [path]
    for node in (node for tree in trees for node in ast.walk(ast.parse(tree.read_text(encoding="utf-8")))):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            root, *inside = module.split(".")
            if root == "backfire" and inside and inside[0] not in {own, *GROUND}:
                assert PACKAGE.joinpath(*inside).is_dir(), f"{module} is not the face of a family"


def test_a_class_has_a_name_of_its_own(record_property: Callable[[str, object], None]) -> None:
    """Functions of one name are reported only: a command bears the name of the function it calls."""
    homes: dict[tuple[type, str], set[str]] = {}
    for path, name in zip(SOURCES, NAMES, strict=True):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes.setdefault((type(node), node.name), set()).add(name)
    shared = {key: sorted(where) for key, where in homes.items() if len(where) > 1}
    record_property("functions of one name", {name: where for (kind, name), where in shared.items() if kind is ast.FunctionDef})
    assert {name: where for (kind, name), where in shared.items() if kind is ast.ClassDef} == {}


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


HEAVY = "[m for m in ('numpy', 'scipy', 'sympy', 'matplotlib', 'pandas', 'pydantic', 'numba', 'pyarrow') if m in sys.modules]"


def test_importing_backfire_and_its_command_line_loads_no_heavy_library() -> None:
    out = subprocess.run(
        [sys.executable, "-c", f"import sys, backfire.cli; print({HEAVY})"], check=True, capture_output=True, text=True
    )
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_finding_the_commands_loads_no_heavy_library(option: str) -> None:
    code = f"import sys; from backfire.cli import main; assert main(['{option}']) == 0; print({HEAVY})"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.splitlines()[-1] == "[]"


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
    allowed = {"pyproject.toml", "README.md", "LICENSE", "seeds", "src", "tests", "examples", "configs", "docs"}
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
