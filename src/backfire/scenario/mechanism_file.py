"""A plain Python file with mechanisms of one's own: read, run, and its classes checked, every mistake with its line.

It is the user's own code, and run as such. It stands alone: what is stored with a run or sweep, and travels to workers, is
its text. Nothing is registered anywhere: equal text gives equal classes, changed text other ones, in the same process too.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import hashlib
import inspect
import re
import sys
import traceback
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

from backfire.errors import DeclarationError, MechanismError, Problem, UserError, echo, nearest
from backfire.model import Mechanism, check_name
from backfire.scenario.toml import decoded, read_content

SUFFIX: Final = ".py"
LONGEST_MESSAGE: Final = 300
"""Characters of what Python says of a file."""
_FROM: Final = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


@dataclass(frozen=True)
class MechanismFile:
    """A file with mechanisms: its ``name`` without folders, its ``content``, and the ``place`` where a user knows it.

    A ``stored`` one was kept with a run or sweep: it stands in where the file itself is not given.
    """

    name: str
    content: bytes = field(repr=False)
    place: str = field(compare=False)
    stored: bool = field(default=False, compare=False)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def classes(self) -> Mapping[str, type[Mechanism]]:
        """Its mechanism classes by label, in their order; runs the file once. Raises MechanismError with every problem."""
        return _classes(self.place, self.content)

    def line_of(self, kind: type[Mechanism]) -> int:
        """Where a class of the file stands."""
        return _lines(self.content.decode("utf-8-sig")).get(kind.__qualname__, 0)


def read_mechanism_file(path: Path | str, stored: bool = False) -> MechanismFile:
    """The file at a path, not yet run; raises MechanismError for what is no Python file."""
    place = Path(path)
    name, shown = place.name, str(path)
    try:
        if place.is_dir():
            raise MechanismError([Problem(shown, 0, "", "is a folder; name the Python file in it")])
        if not place.exists():
            others = {other.name for other in place.parent.glob(f"*{SUFFIX}")} if place.parent.is_dir() else set()
            close = nearest(name, others)
            raise MechanismError(
                [Problem(shown, 0, "", "there is no such file" + (f"; did you mean `{close}`?" if close else ""))]
            )
    except (OSError, ValueError) as error:  # a name that no file can have
        raise MechanismError([Problem(echo(shown), 0, "", f"cannot be opened: {echo(error)}")]) from None
    if place.suffix != SUFFIX or not name.isprintable():
        raise MechanismError(
            [Problem(echo(shown), 0, "", f"mechanisms are classes in a Python file, whose name ends in {SUFFIX}")]
        )
    return MechanismFile(name, read_content(place, shown), shown, stored)


@functools.lru_cache(maxsize=64)
def _classes(place: str, content: bytes) -> Mapping[str, type[Mechanism]]:
    text = decoded(content, place)
    module = _run(place, text)
    lines = _lines(text)
    found: dict[str, type[Mechanism]] = {}
    problems: list[Problem] = []
    own = [item for item in vars(module).values() if inspect.isclass(item) and item.__module__ == module.__name__]
    for kind in dict.fromkeys(own):
        if not issubclass(kind, Mechanism):
            wrong = _stranger(kind)
        elif "label" not in vars(kind) and any(kind in other.__mro__[1:] for other in own):
            continue  # what others of the file have in common
        else:
            wrong = mistake_in(kind)
        if wrong:
            member, message = wrong
            line = lines.get(f"{kind.__qualname__}.{member}", lines.get(kind.__qualname__, 0))
            problems.append(Problem(place, line, "", f"class `{kind.__qualname__}` {message}"))
        elif issubclass(kind, Mechanism):
            if kind.label in found:
                line = lines.get(f"{kind.__qualname__}.label", 0)
                other = f"class `{found[kind.label].__qualname__}` has the label `{kind.label}` too"
                problems.append(Problem(place, line, "", f"{other}; one label, one mechanism"))
            found[kind.label] = kind
    if not found and not problems:
        problems.append(Problem(place, 0, "", "has no mechanism in it: no class derives from `backfire.Mechanism`"))
    if problems:
        del sys.modules[module.__name__]
        raise MechanismError(problems)
    return MappingProxyType(found)


def _run(place: str, text: str) -> ModuleType:
    """The module that a text is; it stands in ``sys.modules`` under a name of its own, as dataclasses need."""
    digest = hashlib.sha256(f"{place}\0{text}".encode("utf-8", "replace")).hexdigest()[:16]
    module = ModuleType(f"backfire_own_{digest}")
    module.__file__ = place
    try:
        code = compile(text, place, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise MechanismError([Problem(place, error.lineno or 0, "", f"not valid Python: {echo(error.msg, 120)}")]) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise MechanismError([Problem(place, 0, "", f"cannot be read as Python: {echo(error)}")]) from None
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise MechanismError([problem_of(error, place, module)]) from None
    return module


def _lines(text: str) -> dict[str, int]:
    """The line of every class by name, and of what it sets and defines as ``class.name``."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            found.setdefault(node.name, node.lineno)
            for item in node.body:
                names = item.targets if isinstance(item, ast.Assign) else [item.target] if isinstance(item, ast.AnnAssign) else []
                members = [target.id for target in names if isinstance(target, ast.Name)]
                members += [item.name] if isinstance(item, ast.FunctionDef) else []
                for member in members:
                    found.setdefault(f"{node.name}.{member}", item.lineno)
    return found


def _stranger(kind: type) -> tuple[str, str] | None:
    """What is wrong with a class that looks like a mechanism and is none."""
    if not {"label", "parts"} & {*vars(kind)}:
        return None
    base = f"`{kind.__base__.__name__}`" if kind.__base__ not in (None, object) else "nothing"
    return "", f"derives from {base}; a mechanism derives from `backfire.Mechanism`: class {kind.__name__}(backfire.Mechanism)"


def mistake_in(kind: Any) -> tuple[str, str] | None:
    """What is wrong with a class that derives from Mechanism, or None.

    A pair: the member that it is about, and the rest of a sentence that begins with the class.
    """
    known = {name for name in vars(kind) if not name.startswith("_")}
    for member, use in (("label", 'label = "t_cells", its name in scenario files'), ("parts", "parts(self), what it is made of")):
        if member not in vars(kind) and (member == "label" or kind.parts is Mechanism.parts):
            close = nearest(member, known - {"label", "parts"})
            return close or "", f"needs {use}" + (f"; it has `{close}`: did you mean `{member}`?" if close else "")
    try:
        check_name(kind.label if isinstance(kind.label, str) else repr(kind.label), "its label")
    except DeclarationError as error:
        return "label", f"cannot be named so: {error}"
    fresh = [name for name, kept in inspect.get_annotations(kind).items() if "ClassVar" not in str(kept)]
    if not dataclasses.is_dataclass(kind) or (fresh and "__dataclass_params__" not in vars(kind)):
        return "", "is no dataclass; write @dataclass(frozen=True) above it"
    if not getattr(kind, "__dataclass_params__").frozen:  # noqa: B009  typeshed does not know it
        return "", "must be frozen; write @dataclass(frozen=True) above it"
    for item in dataclasses.fields(kind):
        if "meaning" not in item.metadata:
            return item.name, f"is an option short of its meaning: declare its field `{item.name}` with backfire.option(…)"
    try:
        typing.get_type_hints(kind)
    except Exception as error:
        return "", f"has an option of a type that cannot be read: {echo(error)}"
    return None


def problem_of(error: BaseException, place: str, module: ModuleType | None = None, what: str = "") -> Problem:
    """Whatever code of the file at ``place`` raised, with the line in that file and the nearest right name."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
    line = frames[-1].lineno if frames else 0
    if isinstance(error, UserError):
        message = str(error)
    else:
        said = _FROM.sub(r"cannot import name '\1' from '\2'", str(error).partition(" (/")[0])
        message = f"{type(error).__name__}: {echo(said, LONGEST_MESSAGE)}" if said else type(error).__name__
        message += _hint(error, module)
    return Problem(place, line or 0, "", f"{what}: {message}" if what else message)


def _hint(error: BaseException, module: ModuleType | None) -> str:
    public = getattr(sys.modules.get("backfire"), "__all__", [])
    if isinstance(error, ModuleNotFoundError) and error.name:
        close = nearest(error.name, ["backfire", *sys.stdlib_module_names])
        neighbour = module is not None and Path(str(module.__file__)).with_name(f"{error.name}{SUFFIX}").exists()
        alone = "a file with mechanisms stands alone, beside what is installed"
        meant = f"did you mean `{close}`?" if close and not neighbour else alone
        return f"; {meant}"
    if isinstance(error, ImportError):
        told = _FROM.match(str(error))
        close = nearest(told[1], dir(sys.modules.get(told[2]))) if told else None
    elif isinstance(error, NameError) and error.name:
        if error.name in public:
            return f"; write: from backfire import {error.name}"
        close = nearest(error.name, {*dir(module), *dir(builtins), *public})
    elif isinstance(error, AttributeError) and error.name:
        close = nearest(error.name, dir(error.obj))
    else:
        return ""
    return f"; did you mean `{close}`?" if close else ""


def lines_of_parts(mechanism: Mechanism) -> Iterator[tuple[Any, int]]:
    """What ``parts`` of a mechanism gives, with the line that gives it where that can be told, else 0.

    Raises whatever that code raises.
    """
    parts = mechanism.parts()
    if not isinstance(parts, Iterable):
        raise DeclarationError(f"parts() gives {type(parts).__name__}; it yields parts, one after the other")
    made = iter(parts)
    for part in made:
        yield part, made.gi_frame.f_lineno if inspect.isgenerator(made) and made.gi_frame else 0
