"""The mechanisms that a scenario may use: the shipped ones, and one's own.

A ``Library`` is the one way by which a mechanism is known: it is handed to whoever builds a scenario, stays with that
scenario, travels with it to workers (files as their text), and is stored and read back with its results. There is no
registry beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from backfire.errors import DeclarationError, MechanismError, Problem, StorageError, echo, unknown
from backfire.mechanisms import shipped
from backfire.model import Mechanism
from backfire.scenario.mechanism_file import SUFFIX, MechanismFile, mistake_in, read_mechanism_file
from backfire.scenario.toml import Document

STORED: Final = "mechanisms"
"""The folder, beside a stored run or sweep, with the files of its mechanisms."""
HOW_TO_GIVE: Final = 'one of your own needs its file, mechanisms_from = ["my_cells.py"] in the scenario or --mechanisms FILE'


@dataclass(frozen=True)
class Library:
    """Mechanisms of one's own, from ``files`` and as ``classes``, beside the shipped ones."""

    files: tuple[MechanismFile, ...] = ()
    classes: tuple[type[Mechanism], ...] = ()

    def __reduce__(self) -> tuple[type[Library], tuple[object, ...]]:
        """Files travel as text: another process runs it anew."""
        return Library, (self.files, self.classes)

    @property
    def known(self) -> Mapping[str, type[Mechanism]]:
        """All mechanism classes by label, sorted; raises MechanismError with every problem of every file."""
        return self._found[0]

    def file_of(self, kind: type[Mechanism]) -> MechanismFile | None:
        """The file that a class is from, if any."""
        return self._found[1].get(kind)

    @cached_property
    def _found(self) -> tuple[dict[str, type[Mechanism]], dict[type[Mechanism], MechanismFile]]:
        """What is known, and the files that it is from: found once, so that a class stays the class it is."""
        known = dict(shipped())
        files: dict[type[Mechanism], MechanismFile] = {}
        problems: list[Problem] = []
        for file in self.files:
            try:
                found = file.classes
            except MechanismError as error:
                problems += error.problems
                continue
            for label, kind in found.items():
                other = files.get(known.get(label, kind))
                if other and file.stored:
                    continue
                if other:
                    said = f"mechanism `{label}` is in {other.place}:{other.line_of(known[label])} too; give one another label"
                    problems.append(Problem(file.place, file.line_of(kind), "", said))
                elif label in known:
                    problems.append(Problem(file.place, file.line_of(kind), "", _taken(label)))
                known[label], files[kind] = kind, file
        if problems:
            raise MechanismError(problems)
        for kind in self.classes:
            if wrong := mistake_in(kind):
                raise DeclarationError(f"mechanism class `{kind.__qualname__}` {wrong[1]}")
            if (before := known.setdefault(kind.label, kind)) is not kind:
                where = f"mechanism `{kind.label}` is in {files[before].place} too" if before in files else _taken(kind.label)
                raise DeclarationError(where)
        return dict(sorted(known.items())), files

    def identity(self, used: Iterable[Mechanism]) -> dict[str, str]:
        """What of one's own is behind some mechanisms: the SHA-256 of files by name, that of the parts of others by label."""
        found: dict[str, str] = {}
        for item in used:
            kind = type(item)
            if (file := self.file_of(kind)) is not None:
                found[file.name] = file.sha256
            elif kind in self.classes:
                parts = "\n".join(repr(part) for part in item.parts())
                found[f"class {kind.__qualname__}"] = hashlib.sha256(parts.encode()).hexdigest()
        return dict(sorted(found.items()))


OwnMechanisms = Library | type[Mechanism] | str | Path | Iterable[type[Mechanism] | MechanismFile | str | Path]
"""Mechanisms of one's own as functions take them: classes, and paths of Python files with classes in them; one alone, too."""


def _taken(label: str) -> str:
    return f"`{label}` is the name of a shipped mechanism; give yours another label, such as `my_{label}`"


def library_of(given: OwnMechanisms = (), beside: Iterable[MechanismFile] = ()) -> Library:
    """The library of what is given, classes and paths of files, and of files found ``beside`` a scenario.

    Raises MechanismError with every problem, DeclarationError for a class that cannot be one.
    """
    if isinstance(given, Library):
        given = (*given.files, *given.classes)
    items = [given] if isinstance(given, str | Path | type) else [*given]
    files: list[MechanismFile] = [*beside]
    classes: list[type[Mechanism]] = []
    problems: list[Problem] = []
    for item in items:
        if isinstance(item, MechanismFile):
            files.append(item)
        elif isinstance(item, str | Path):
            try:
                files.append(read_mechanism_file(item))
            except MechanismError as error:
                problems += error.problems
        elif isinstance(item, type) and issubclass(item, Mechanism):
            classes.append(item)
        else:
            raise DeclarationError(f"{echo(item)} is no mechanism: give classes that derive from backfire.Mechanism, or files")
    if problems:
        raise MechanismError(problems)
    made = Library(_one_of_a_name(files), tuple(dict.fromkeys(classes)))
    assert made.known
    return made


def _one_of_a_name(files: Iterable[MechanismFile]) -> tuple[MechanismFile, ...]:
    """Files without those given twice; what was stored steps aside for the file itself."""
    chosen: dict[str, MechanismFile] = {}
    for file in sorted(files, key=lambda file: file.stored):
        other = chosen.setdefault(file.name, file)
        if other != file and not file.stored:
            said = f"{other.place} has the same name and other text; results are stored with one file of a name"
            raise MechanismError([Problem(file.place, 0, "", said)])
    return tuple(chosen.values())


def library_for(document: Document, folder: Path, given: OwnMechanisms) -> Library:
    """The library of a scenario: what is ``given``, and the files that its ``mechanisms_from`` names.

    They are looked for in ``folder``; one that is not there may be among what is given, under its name. Raises
    MechanismError with every problem, at its line.
    """
    library = library_of(given)
    names = document.data.get("mechanisms_from")
    if not isinstance(names, list):  # of the wrong shape: whoever checks that says so
        return library
    spare = {file.name for file in library.files}
    found, problems = [], []
    for name in names:
        if isinstance(name, str) and not (Path(name).name in spare and not (folder / name).exists()):
            try:
                found.append(read_mechanism_file(folder / name))
            except MechanismError as error:
                problems += [document.problem(("mechanisms_from",), f"{item.file}: {item.message}") for item in error.problems]
    if problems:
        raise MechanismError(problems)
    return library_of(library, found)


def stored_copies(files: Iterable[MechanismFile], used: Mapping[str, str]) -> dict[str, bytes]:
    """What is to be stored with results: file → content, of the files named in ``used``, an ``identity``."""
    return {f"{STORED}/{file.name}": file.content for file in files if file.name in used}


def stored_files(folder: Path) -> list[MechanismFile]:
    """The files stored with a run or sweep; each stands in where the file itself is not found."""
    return [read_mechanism_file(path, stored=True) for path in sorted((folder / STORED).glob(f"*{SUFFIX}"))]


def stored_library(folder: Path, recorded: Any, given: OwnMechanisms = ()) -> Library:
    """The library of a stored run or sweep: the copies of the files it ``recorded``, and what is ``given``.

    Raises StorageError for a copy that is gone or was changed.
    """
    library, copies = library_of(given), []
    for name, sha256 in dict(recorded or {}).items():
        if not name.endswith(SUFFIX) or name in {file.name for file in library.files}:
            continue
        path = folder / STORED / Path(name).name
        try:
            copy = read_mechanism_file(path, stored=True)
        except MechanismError as error:
            raise StorageError(f"{path}: the stored mechanisms are gone ({error.problems[0].message})") from None
        if copy.sha256 != sha256:
            raise StorageError(
                f"{path}: the stored mechanisms were changed (SHA-256 {copy.sha256[:12]}, stored with {sha256[:12]})"
            )
        copies.append(copy)
    return library_of(library, copies)


def see_same(folder: Path, recorded: Any, now: Mapping[str, str]) -> None:
    """Raise MechanismError if results were computed with other mechanisms of one's own than there are now."""
    before = dict(recorded or {})
    found = [
        Problem(str(folder), 0, "", f"{name} is not the one that this was computed with (SHA-256 {now[name][:12]}, then "
                f"{str(before[name])[:12]}); leave it out to use the stored copy, or compute anew")
        for name in now if name in before and before[name] != now[name]
    ]  # fmt: skip
    if found:
        raise MechanismError(found)


def not_known(label: str, library: Library) -> str:
    """The sentence for a mechanism that is not known."""
    sentence = unknown("mechanism", label, library.known)
    return f"{sentence}{'' if sentence.endswith('?') else ';'} {HOW_TO_GIVE}"
