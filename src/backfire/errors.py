"""Every error backfire raises on purpose, in one tree, and the words they share.

    BackfireError                 exit code 1: anything we can explain
    ├── UserError                 exit code 2: the input is wrong, nothing was written
    │   ├── FormulaError          a rate or definition that we refuse to read
    │   ├── UnitError             a formula whose units do not agree
    │   ├── DeclarationError      a mechanism part without unit, source, range …
    │   ├── CompositionError      mechanisms that do not fit together
    │   ├── ScheduleError         a regimen that cannot be given
    │   ├── UnansweredError       exit code 3: what was computed does not answer what was asked; what is stored stays
    │   └── DocumentError         a file with problems, each with file, line and key
    │       └── MechanismError    a mechanism of one's own that is missing, broken, or not the one it was
    ├── RefusedError              exit code 4: an output that must not be overwritten
    ├── StorageError              exit code 5: disk full, read-only, unreadable
    └── BackendLostError          exit code 6: nobody is left to compute; what is stored stays, and can be resumed

An error says what was given, what is allowed, the nearest name and where to change it.
"""

from __future__ import annotations

import contextlib
import difflib
import unicodedata
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

SHOWN_PROBLEMS = 20
LONGEST_ECHO = 60


class BackfireError(Exception):
    """Base of all errors that backfire explains; anything else is a bug of ours."""

    exit_code = 1


class UserError(BackfireError):
    """The input is wrong: nothing was computed, nothing was written.

    ``key`` names the part of the input that is wrong, ``kind`` what is wrong with it, so that nobody has to read the text.
    """

    exit_code = 2

    def __init__(self, message: object = "", *, key: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.key, self.kind = key, kind


class FormulaError(UserError):
    """A formula outside the allowed notation."""


class UnitError(UserError):
    """A unit that does not exist, or a formula whose units do not agree."""


class DeclarationError(UserError):
    """A part of a mechanism that is declared incompletely or contradicts itself."""


class CompositionError(UserError):
    """Mechanisms that do not fit together; ``problems`` lists every reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class ScheduleError(UserError):
    """A regimen that cannot be given as written."""


class UnansweredError(UserError):
    """What was computed does not answer what was asked, as where members failed and no rule says what becomes of them."""

    exit_code = 3


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a file: where it stands and what would be right.

    ``line`` counts from 1; 0 means the file as a whole. ``key`` is the dotted path in the file, ``kind`` what is wrong.
    """

    file: str
    line: int
    key: str
    message: str
    kind: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class DocumentError(UserError):
    """A file with problems; all of them are collected before it is raised."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        shown = [str(problem) for problem in self.problems[:SHOWN_PROBLEMS]]
        hidden = len(self.problems) - len(shown)
        if hidden:
            shown.append(f"… and {hidden} more problems ({len(self.problems)} in all)")
        super().__init__("\n".join(shown))


class MechanismError(DocumentError):
    """A mechanism of one's own that is not given, does not load, or is not the one that something was computed with."""


class Problems(list[Problem]):
    """Problems on their way to being raised together: of one file, or of all that a command was given."""

    @contextlib.contextmanager
    def gathered(self) -> Generator[None]:
        """What is read inside may have problems: they join those known already, and reading goes on behind."""
        try:
            yield
        except DocumentError as error:
            self += error.problems

    def stop(self) -> None:
        """Raise DocumentError with all of them, if there are any."""
        if self:
            raise DocumentError(self)


class RefusedError(BackfireError):
    """An output exists that this run must not touch."""

    exit_code = 4


class StorageError(BackfireError):
    """The disk does not do what it should: full, read-only, or unreadable."""

    exit_code = 5


class BackendLostError(BackfireError):
    """The processes or machines that computed are gone; what is stored stays, and the sweep can be resumed."""

    exit_code = 6


def echo(given: object, longest: int = LONGEST_ECHO) -> str:
    """``given`` as it can be shown in a message: one line, printable, never longer than 60 characters or so many."""
    text = "".join(
        character if unicodedata.category(character)[0] != "C" else f"\\u{ord(character):04x}" for character in str(given)
    )
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def nearest(given: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that ``given`` was most likely meant to be, or None if nothing is near."""
    given, names = str(given), sorted(set(allowed))  # a name from Python can be anything
    folded = {name.casefold(): name for name in names}
    if given.casefold() in folded:
        return folded[given.casefold()]
    found = difflib.get_close_matches(given[:200].casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def unknown(what: str, given: str, allowed: Iterable[str]) -> str:
    """The sentence for a name that does not exist: what it is, the nearest name, all names if they are few."""
    names = sorted(set(allowed))
    sentence = f"unknown {what} `{echo(given)}`"
    close = nearest(given, names)
    if close is not None:
        return f"{sentence}; did you mean `{close}`?"
    if not names:
        return f"{sentence}; there is none here"
    listed = ", ".join(names[:12]) + (f", … ({len(names)} in all)" if len(names) > 12 else "")
    return f"{sentence}; allowed: {listed}"
