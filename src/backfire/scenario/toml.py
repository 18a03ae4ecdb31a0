"""TOML files with line numbers: what a user wrote, where, and safe limits on what we are willing to read; and plain data as TOML.

Python's ``tomllib`` tells nothing about lines and can be made to work for half a minute by a hostile 40 kB file. This
module bounds size and nesting before parsing, and finds the line of any key afterwards.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backfire.errors import DocumentError, Problem, echo, nearest, unknown

LARGEST_FILE = 1 << 20
DEEPEST = 20
LONGEST_INTEGER = 30
_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')"
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_TABLE = re.compile(rf"\s*\[\[?\s*({_PART}(?:\s*\.\s*{_PART})*)\s*\]\]?")
_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*+(?:\"|$)|'[^']*+(?:'|$)")
_DOTTED = re.compile(rf"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]++[ \t]*+\.[ \t]*+){{{DEEPEST}}}")
_DIGITS = re.compile(rf"(?<![A-Za-z0-9_-])[0-9][0-9A-Fa-f_xob]{{{LONGEST_INTEGER},}}")
_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")
_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}[A-Za-z0-9_-]|[A-Za-z0-9]")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def check_folder_name(name: str) -> str:
    """``name`` if results can be kept in a folder of that name on every system; raises DocumentError if not."""
    if not _FOLDER_NAME.fullmatch(name) or _DEVICE.fullmatch(name):
        message = "a scenario is named by letters, digits, `-`, `_` and `.`, at most 64, and not by a device of Windows"
        raise DocumentError([Problem(echo(name), 0, "", message)])
    return name


def unknown_source(what: str, given: str | Path, known: Iterable[str]) -> Problem:
    """The problem that nothing shipped has this name; a file that has it, but for the suffix, is what was meant."""
    file = f"{given}.toml"
    message = unknown(what, str(given), known)
    if os.path.isfile(file):
        message = f"unknown {what} `{echo(given)}`; did you mean the file `{echo(file)}`?"
    return Problem(echo(given), 0, "", message, "unknown")


def source_path(what: str, given: str | Path, shipped: Mapping[str, Path]) -> Path:
    """The file that a user means: one of this path, else a shipped one of this name; raises DocumentError for neither."""
    if str(given) in shipped and not os.path.isfile(given):
        return shipped[str(given)]
    if not os.path.exists(given) and Path(given).suffix != ".toml" and "/" not in str(given):
        raise DocumentError([unknown_source(what, given, shipped)])
    return Path(given)


def set_in_vain(document: Document, given: Mapping[str, Any], varied: Collection[str]) -> list[Problem]:
    """The problem of every value under ``[set]`` that each member has of its own."""
    return [
        document.problem(path, "differs between the members, so that setting it changes nothing; leave it out in one place")
        for name, path, _ in dotted(given, ("set",))
        if name in varied
    ]


def dotted(given: Mapping[str, Any], at: tuple[str, ...], entries: bool = False) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """(name, place, value) of what stands below ``at``: a table in a table is a dotted name such as ``mitoxantrone.amount``.

    With ``entries`` the values are tables themselves, and only a table of tables is a part of a name.
    """

    def leaves(inner: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], Any]]:
        for key, value in inner.items():
            place = (*path, key)
            table = isinstance(value, dict)
            if table and (not entries or (value and all(isinstance(below, dict | bool) for below in value.values()))):
                yield from leaves(value, place)
            else:
                yield ".".join(place[len(at) :]), place, value

    return leaves(given, at)


@dataclass(frozen=True)
class Document:
    """A parsed file: ``name`` as the user gave it, ``data`` as plain Python values, ``lines`` from dotted key to line.

    ``outside`` maps places whose values came from elsewhere, as by ``--set``, to (origin, name), so that the file is
    not blamed for them.
    """

    name: str
    data: dict[str, Any]
    lines: dict[tuple[str, ...], int]
    outside: Mapping[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)

    def line(self, path: Sequence[str | int]) -> int:
        """The line (from 1) where the innermost written part of ``path`` stands; 0 for none."""
        keys = tuple(str(part) for part in path)
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 0)

    def problem(self, path: Sequence[str | int], message: str) -> Problem:
        """A problem at the place of a key."""
        if found := self.origin(path):
            return Problem(found[0], 0, echo(found[1]), message)
        return Problem(self.name, self.line(path), ".".join(echo(part) for part in path), message)

    def origin(self, path: Sequence[str | int]) -> tuple[str, str] | None:
        """(origin, name) of a value that did not come from the file."""
        keys = tuple(str(part) for part in path)
        return next((found for length in range(len(keys), 0, -1) if (found := self.outside.get(keys[:length]))), None)

    def place(self, path: Sequence[str | int]) -> str:
        """Where a key stands, in front of a remark: ``study.toml:12``, or ``--set``."""
        found = self.problem(path, "")
        return f"{found.file}:{found.line}" if found.line else found.file


def read_document(path: Path | str) -> Document:
    """Read a TOML file; raises DocumentError with file and line for anything that cannot be read."""
    name = str(path)
    return parse_document(decoded(read_content(path, name), name), name)


def parse_document(text: str, name: str) -> Document:
    """Parse TOML text that a user calls ``name``; raises DocumentError with file and line."""
    _check_bounds(text, name)
    try:
        data = tomllib.loads(text, parse_float=_exact_float)
    except _RangeError as error:
        written = str(error)
        line = next((number for number, line in enumerate(text.split("\n"), start=1) if written in line), 0)
        raise DocumentError([Problem(name, line, "", f"{echo(written)} is beyond the range of double precision")]) from None
    except tomllib.TOMLDecodeError as error:
        raise DocumentError([_syntax(str(error), text, name)]) from None
    except (RecursionError, ValueError) as error:
        raise DocumentError([Problem(name, 0, "", f"cannot be read as TOML: {echo(error)}")]) from None
    return Document(name, data, _locate(text))


def read_content(path: Path | str, name: str) -> bytes:
    """The bytes of a regular file of moderate size that a user calls ``name``; raises DocumentError for any other."""

    def refuse(reason: str) -> DocumentError:
        return DocumentError([Problem(name, 0, "", reason)])

    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise refuse("is not a regular file")
        with os.fdopen(handle, "rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = f"cannot be opened: {getattr(error, 'strerror', None) or error}"
        raise refuse(reason + (_meant(Path(path)) if isinstance(error, FileNotFoundError) else "")) from None
    if len(raw) > LARGEST_FILE:
        raise refuse(f"is larger than {LARGEST_FILE // 1024} KiB, far more than such a file needs")
    return raw


def decoded(raw: bytes, name: str) -> str:
    """Text in UTF-8, with or without byte order mark, its lines ended by line feeds; raises DocumentError for any other."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DocumentError([Problem(name, line, "", "is not UTF-8 text; save it as UTF-8")]) from None
    return text.replace("\r\n", "\n")


def _meant(path: Path) -> str:
    """The file of this kind beside a missing one whose name is nearest, as a hint."""
    try:
        close = nearest(path.name, [found.name for found in path.parent.glob(f"*{path.suffix or '.toml'}")])
    except OSError:
        return ""
    return f"; did you mean `{echo(path.with_name(close))}`?" if close else ""


def _check_bounds(text: str, name: str) -> None:
    """Refuse what would keep the parser busy; every search here moves forward only, whatever the text."""
    for number, line in enumerate(text.split("\n"), start=1):
        bare = _TEXT.sub("q", line).split("#")[0]
        if _DOTTED.search(bare) or max(bare.count("["), bare.count("{")) > DEEPEST:
            raise DocumentError([Problem(name, number, "", f"is nested deeper than {DEEPEST} levels")])
        if _DIGITS.search(bare):
            raise DocumentError([Problem(name, number, "", f"has a number of more than {LONGEST_INTEGER} digits")])


def _exact_float(written: str) -> float:
    """A number as the file means it; raises _Range for what a double turns into infinity or zero."""
    value = float(written)
    infinite = math.isinf(value) and "inf" not in written
    if infinite or (value == 0 and re.search("[1-9]", written.lower().split("e")[0])):
        raise _RangeError(written)
    return value


class _RangeError(Exception):
    """A number beyond the range of double precision."""


def _syntax(message: str, text: str, name: str) -> Problem:
    """tomllib's complaint as a problem with line and, where we know more, what to do."""
    place = _LINE.search(message)
    line = int(place.group(1)) if place else text.count("\n") + 1 if "end of document" in message else 0
    reason = _LINE.sub("", message).replace("(at end of document)", "").strip()
    written = text.split("\n")[line - 1] if line else ""
    key = _KEY.match(written)
    if "overwrite" in reason or "Cannot declare" in reason or "twice" in reason:
        table = _TABLE.match(written)
        doubled = (key or table).group(1) if key or table else ""  # type: ignore[union-attr]
        reason = f"`{echo(doubled)}` is given twice" if doubled else reason
    return Problem(name, line, key.group(1) if key else "", f"not valid TOML: {reason}")


def _locate(text: str) -> dict[tuple[str, ...], int]:
    """The line of every key and table header, inline tables included, outside multi-line strings."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    current: tuple[str, ...] = ()
    closing = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if closing:
            closing = "" if closing in line else closing
            continue
        header, key = _TABLE.match(line), _KEY.match(line)
        if header and not key:
            table = current = _parts(header.group(1))
            found.setdefault(table, number)
            if line.lstrip().startswith("[["):
                index = sum(1 for known in found if known[:-1] == table and known[-1].isdigit())
                table = current = (*table, str(index))
                found[table] = number
        elif key:
            current = (*table, *_parts(key.group(1)))
            for length in range(len(table) + 1, len(current) + 1):
                found.setdefault(current[:length], number)
        rest = line[key.end() :] if key else "" if header else line
        for inner in re.finditer(rf"[{{,]\s*+({_PART})\s*+=", _TEXT.sub(_key_or_nothing, rest)):
            found.setdefault((*current, *_parts(inner.group(1))), number)
        for quotes in ('"""', "'''"):
            if line.count(quotes) == 1:
                closing = quotes
    return found


def _key_or_nothing(text: re.Match[str]) -> str:
    """Quoted keys stay, quoted values go: what follows a key is an equals sign."""
    return text.group() if text.string[text.end() :].lstrip()[:1] == "=" else ""


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(_PART, dotted))


def toml_text(data: Mapping[str, Any], remark: str) -> str:
    """Plain data as a TOML file under a comment: values first, then each table with a line for everything in it."""
    lines = [f"# {remark}"]
    lines += [f"{key} = {_written(value)}" for key, value in data.items() if not isinstance(value, dict) and value != ""]
    for key, table in data.items():
        if isinstance(table, dict):
            inner = {name: value for name, value in table.items() if value is not None}
            lines += ["", f"[{key}]", *(f"{_bare(name)} = {_written(value)}" for name, value in inner.items())]
    return "\n".join(lines) + "\n"


def _bare(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _written(name)


def _written(value: Any) -> str:
    """A value in TOML: tables inline, text with its quotes escaped, numbers in full."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_bare(name)} = {_written(item)}" for name, item in value.items() if item is not None) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
