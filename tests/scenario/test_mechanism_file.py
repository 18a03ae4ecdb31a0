"""Files of mechanisms: what a file of one's own may look like, and every mistake in one with its line and the nearest name."""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path

import pytest

from backfire.errors import DocumentError, MechanismError
from backfire.scenario import mechanism_file
from backfire.scenario.mechanism_file import MechanismFile, read_mechanism_file
from backfire.scenario.scenario import load
from commands import call, clean
from own_cells import CELLS, WITH_CORE, write

NO_BASE = CELLS.replace("Core(Mechanism)", "Core")
MISTAKES: dict[str, tuple[str, str, list[str]]] = {
    "syntax": (CELLS.replace("def parts(self) ->", "def parts(self ->"), "def parts", ["not valid Python"]),
    "indentation": (CELLS + "\n  x = 1\n", "  x = 1", ["not valid Python"]),
    "module": (CELLS.replace("from dataclasses", "from dataclases"), "from dataclases", ["did you mean `dataclasses`"]),
    "neighbour": ("import my_other_cells\n" + CELLS, "import my_other_cells", ["No module named", "stands alone"]),
    "import of a name": (CELLS.replace("Parameter, Part,", "Paramter, Part,"), "Paramter", ["did you mean `Parameter`"]),
    "attribute": (
        CELLS.replace("from backfire import", "import backfire\nfrom backfire import").replace("Core(Mechanism)", "Core(backfire.Mechansim)"),
        "backfire.Mechansim", ["did you mean `Mechanism`"],
    ),
    "no import": (CELLS.replace("import Mechanism, ", "import "), "class Core", ["write: from backfire import Mechanism"]),
    "name": (CELLS.replace("@dataclass(", "@dataclas("), "@dataclas(", ["did you mean `dataclass`"]),
    "exception at import": (CELLS + "\nSHARE = 1 / 0\n", "1 / 0", ["ZeroDivisionError: division by zero"]),
    "exit": (CELLS + "\nraise SystemExit(0)\n", "SystemExit", ["SystemExit"]),
    "no base class": (NO_BASE, "class Core", ["derives from nothing", "class Core(backfire.Mechanism)"]),
    "wrong base class": (NO_BASE.replace("class Core:", "class Core(dict):"), "class Core", ["derives from `dict`"]),
    "no mechanism": ("RATE = 3.0\n", "", ["no mechanism in it", "backfire.Mechanism"]),
    "empty": ("", "", ["no mechanism in it"]),
    "no label": (CELLS.replace('    label = "core"\n', ""), "class Core", ["needs label"]),
    "misspelt label": (CELLS.replace("    label =", "    lable ="), "lable", ["did you mean `label`"]),
    "bad label": (CELLS.replace('"core"', '"Core of it"'), "label =", ["lower-case ASCII"]),
    "misspelt parts": (CELLS.replace("def parts(", "def part("), "def part(", ["needs parts", "did you mean `parts`"]),
    "no dataclass": (CELLS.replace("@dataclass(frozen=True)\n", ""), "class Core", ["@dataclass(frozen=True)"]),
    "not frozen": (CELLS.replace("(frozen=True)", ""), "class Core", ["must be frozen"]),
    "no option": (CELLS.replace('option("the cells that come to rest", example="active")', '"active"'), "of: str", ["backfire.option"]),
    "shipped name": (CELLS.replace('"core"', '"kill"'), "class Core", ["shipped mechanism", "`my_kill`"]),
    "twice": (CELLS + CELLS.partition("option\n")[2].replace("class Core", "class Again"), 'label = "core"', ["one label, one mechanism"]),
    "an unknown type": (CELLS.replace("of: str", "of: Cells").replace('"""Cells of', 'from __future__ import annotations\n"""Cells of'),
                        "class Core", ["type that cannot be read", "Cells"]),
    "no unit": (CELLS.replace('0.05, "1/day"', '0.05, ""'), "wake_rate", ["has no unit"]),
    "a forgotten argument": (CELLS.replace(', "assumed: a test", "assumed")\n        yield State', ")\n        yield State"), "wake_rate", ["missing 2 required"]),
    "no yield": (CELLS.partition("    def parts")[0] + "    def parts(self):\n        return None\n", "class Core", ["gives NoneType"]),
    "no part": (CELLS.replace('yield State("resting", "cell", "resting cells of the core", 1e5, counts_in="burden")', "yield 3"), "yield 3", ["yields int"]),
    "an unknown name in a rate": (CELLS.replace('"wake_rate * resting"', '"wak_rate * resting"'), "waking", ["wak_rate", "did you mean `wake_rate`"]),
    "units": (CELLS.replace('"wake_rate * resting"', '"wake_rate * resting * resting"'), "waking", ["unit"]),
    "a state that is not there": (CELLS.replace('leaves="resting"', 'leaves="restin"'), "waking", ["did you mean `resting`"]),
    "an error in parts": (CELLS.replace('yield State("resting"', 'yield State(self.off + "resting"'), "self.off", ["AttributeError", "did you mean `of`"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_in_a_file_has_its_line(mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, at, words = MISTAKES[mistake]
    scenario = write(tmp_path, text)
    before = set(sys.modules)
    assert call("check", scenario) == 2
    said = capsys.readouterr().err
    assert clean(said)
    assert said.count("\n") == 1
    (line,) = {int(place) for place in [said.partition("my_cells.py:")[2].partition(":")[0]]} if at else {0}
    if at:
        lines = text.splitlines()
        assert at in lines[line - 1] or any(at in lines[number] for number in (line - 2, line)), (line, said)
    for word in words:
        assert word in said, said
    assert not {name for name in set(sys.modules) - before if name.startswith("backfire_own")} or mistake in PARTS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_cells.py", "own.toml", "resting.toml"]


PARTS = {"shipped name", "no unit", "a forgotten argument", "no yield", "no part", "an unknown name in a rate", "units",
         "a state that is not there", "an error in parts"}  # fmt: skip
"""Mistakes that are seen when a mechanism is used beside others: the file itself is sound."""


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What a refused command says, in lines for people."""
    assert call(*arguments) == 2
    shown = capsys.readouterr()
    assert clean(shown.err)
    assert shown.out == ""
    return shown.err


def test_what_is_no_file_of_mechanisms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = write(tmp_path)
    plain = tmp_path / "plain.toml"
    plain.write_text(WITH_CORE.replace('mechanisms_from = ["my_cells.py"]\n', ""), encoding="utf-8")
    assert "did you mean `my_cells.py`" in refused(capsys, "check", plain, "--mechanisms", tmp_path / "my_cell.py")
    assert "is a folder" in refused(capsys, "check", plain, "--mechanisms", tmp_path)
    assert "ends in .py" in refused(capsys, "check", plain, "--mechanisms", scenario)
    (tmp_path / "binary.py").write_bytes(b"\x7fELF\x00\xff\xfe")
    assert "not UTF-8" in refused(capsys, "check", plain, "--mechanisms", tmp_path / "binary.py")
    (tmp_path / "nul.py").write_bytes(b"x = 1\0")
    assert "nul.py" in refused(capsys, "check", plain, "--mechanisms", tmp_path / "nul.py")
    (tmp_path / "huge.py").write_bytes(b"#" * (1 << 21))
    assert "larger than" in refused(capsys, "check", plain, "--mechanisms", tmp_path / "huge.py")
    said = refused(capsys, "check", plain)
    assert "unknown mechanism `core`" in said
    assert "mechanisms_from" in said
    assert "--mechanisms" in said
    for wrong, words in {
        'mechanisms_from = ["my_cell.py"]': ["own.toml:5", "did you mean `my_cells.py`"],
        'mechanisms_from = "my_cells.py"': ["own.toml:5", "a list in [ ]"],
        "mechanisms_from = [3]": ["own.toml:5", "text in quotes"],
        'mechanisms_from = ["."]': ["own.toml:5", "is a folder"],
        'mechanisms_fro = ["my_cells.py"]': ["own.toml:5", "did you mean `mechanisms_from`"],
    }.items():
        scenario.write_text(WITH_CORE.replace('mechanisms_from = ["my_cells.py"]', wrong), encoding="utf-8")
        said = refused(capsys, "run", scenario, "--out", tmp_path / "results")
        assert all(word in said for word in words), said
    assert not (tmp_path / "results").exists()


def test_a_file_stands_alone_and_says_so_rather_than_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = write(tmp_path, CELLS.replace("from dataclasses", "from constants import HALF\nfrom dataclasses"))
    assert call("check", scenario) == 2
    assert "did you mean" in capsys.readouterr().err
    (tmp_path / "constants.py").write_text("HALF = 0.5\n", encoding="utf-8")
    assert call("check", scenario) == 2
    assert "stands alone" in capsys.readouterr().err


def test_one_name_in_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = write(tmp_path)
    (tmp_path / "more.py").write_text(CELLS.replace("resting", "sleeping"), encoding="utf-8")
    said = refused(capsys, "check", scenario, "--mechanisms", tmp_path / "more.py")
    assert f"{tmp_path / 'more.py'}:10: mechanism `core` is in {tmp_path / 'my_cells.py'}:10 too" in said
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "my_cells.py").write_text(CELLS + "\n", encoding="utf-8")
    assert "has the same name and other text" in refused(
        capsys, "check", scenario, "--mechanisms", tmp_path / "inner" / "my_cells.py"
    )
    assert call("check", scenario, "--mechanisms", tmp_path / "my_cells.py", "--mechanisms", tmp_path / "my_cells.py") == 0


def test_all_files_with_mistakes_are_told_of_at_once(tmp_path: Path) -> None:
    scenario = write(tmp_path, MISTAKES["not frozen"][0])
    (tmp_path / "more.py").write_text("import nothing_of_the_kind\n", encoding="utf-8")
    scenario.write_text(WITH_CORE.replace('["my_cells.py"]', '["my_cells.py", "more.py"]'), encoding="utf-8")
    with pytest.raises(MechanismError) as caught:
        load(scenario)
    assert [(Path(item.file).name, item.line) for item in caught.value.problems] == [("more.py", 1), ("my_cells.py", 10)]


def test_what_a_file_may_hold(tmp_path: Path) -> None:
    """Helpers, what classes have in common, a guarded script, a byte order mark, line ends of Windows, several mechanisms."""
    text = CELLS.replace("class Core(Mechanism):", "class Common(Mechanism):").replace('    label = "core"\n', "")
    text += '\n\nclass Core(Common):\n    label = "core"\n\n\nclass Rim(Common):\n    """The rim."""\n\n    label = "rim"\n'
    text += '\n\nif __name__ == "__main__":\n    raise SystemExit("a script")\n'
    path = tmp_path / "my_cells.py"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    file = read_mechanism_file(path)
    assert [*file.classes] == ["core", "rim"]
    assert file.classes["core"].summary() == ""
    assert text.splitlines()[file.line_of(file.classes["rim"]) - 1] == "class Rim(Common):"
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_equal_text_gives_equal_classes_and_other_text_others(tmp_path: Path) -> None:
    scenario = write(tmp_path)
    first = load(scenario)
    assert load(scenario).library.known["core"] is first.library.known["core"]
    write(tmp_path, CELLS.replace('"wake_rate", 0.05', '"wake_rate", 0.08'))
    second = load(scenario)
    assert [item.values["wake_rate"] for item in (first, second, first.changed({"rest_rate": 0.03}))] == [0.05, 0.08, 0.05]
    assert "core" not in load("wnt16b-stroma").library.known  # nothing is registered


def test_what_travels_is_the_text(tmp_path: Path) -> None:
    """Another process has neither the module nor the file."""
    scenario = load(write(tmp_path))
    (tmp_path / "my_cells.py").unlink()
    packed = pickle.dumps(scenario)
    name = scenario.library.known["core"].__module__
    assert isinstance(scenario.library.files[0], MechanismFile)
    mechanism_file._classes.cache_clear()
    del sys.modules[name]
    again = pickle.loads(packed)
    assert again.hash == scenario.hash
    assert again.network.fingerprint() == scenario.network.fingerprint()
    assert again.own_mechanisms == scenario.own_mechanisms == {"my_cells.py": scenario.library.files[0].sha256}


def test_the_file_counts_where_it_is_used(tmp_path: Path) -> None:
    scenario = write(tmp_path)
    hashes = {load(scenario).hash}
    write(tmp_path, CELLS + "# a remark\n")
    hashes.add(load(scenario).hash)
    assert len(hashes) == 2
    own = tmp_path / "my_cells.py"
    plain = load("wnt16b-stroma", [own])
    assert plain.hash == load("wnt16b-stroma").hash
    assert plain.own_mechanisms == {}
    scenario.write_text(WITH_CORE.replace('core = { of = "active" }', ""), encoding="utf-8")
    (warning,) = load(scenario).warnings
    assert "own.toml:5: mechanisms_from: no mechanism of my_cells.py is used" in warning


def test_problems_of_a_scenario_and_of_its_mechanisms_have_their_own_files(tmp_path: Path) -> None:
    write(tmp_path, MISTAKES["units"][0])
    (tmp_path / "own.toml").write_text(WITH_CORE + "\n[parameters]\nrest_rat = 1.0\n", encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        load(tmp_path / "own.toml")
    assert Path(caught.value.problems[0].file).name == "my_cells.py"
