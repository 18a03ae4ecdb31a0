"""The export formats: a module each, found because it is there; its name is what ``--to`` takes, its ``FORMAT`` the rest."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from backfire.errors import UserError, unknown

if TYPE_CHECKING:
    from backfire.scenario import Scenario

DEFAULT: Final = "sbml"
REFUSED: Final = {
    "petab": "a PEtab problem fits one set of parameters to values measured at times, each with its noise. What claims and "
    "populations say does not fit in: inequalities, outcomes of a whole course such as a nadir or a time to progression, arms "
    "held against each other, and facts, which are how far tumours differ and not how far a measurement is off. "
    "`--to sbml --arm NAME` gives the model of an arm, members.parquet of a population its parameters"
}
"""Formats that others ask for, and why a scenario cannot be written in them."""


@dataclass(frozen=True)
class Format:
    """What an export format is, as its module declares it.

    ``write`` gives the file of some arms of a scenario: text, or bytes, which are nothing to print. ``suffix`` ends the
    name of such a file. A ``whole`` format holds all arms unless one is named, any other holds one arm. ``renamed`` gives
    the ids of names that the notation keeps for itself.
    """

    suffix: str
    write: Callable[[Scenario, Sequence[str]], str | bytes]
    whole: bool = False
    needs_libsbml: bool = False
    renamed: Callable[[Scenario, str], Mapping[str, str]] = lambda _scenario, _arm: {}


def format_names() -> list[str]:
    """Names of all formats, the default first; imports none of them, so that help is fast."""
    return sorted((module.name for module in pkgutil.iter_modules(__path__)), key=lambda name: (name != DEFAULT, name))


def format_named(name: str) -> Format:
    """The format of that name; raises UserError with the nearest name if there is none, or with what does not fit in."""
    if name in REFUSED:
        raise UserError(f"{name} is not written: {REFUSED[name]}")
    if name not in format_names():
        raise UserError(unknown("format", name, format_names()))
    found = importlib.import_module(f"{__name__}.{name}").FORMAT
    assert isinstance(found, Format), name
    return found
