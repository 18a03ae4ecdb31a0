"""The commands: functions that register themselves, in the modules beside this one, found because they are there."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from backfire import cli
from backfire.cli.terminal import DataFormat, OutputFormat, say
from backfire.errors import UserError, echo

if TYPE_CHECKING:
    from backfire.simulation import Result

SOME_FAILED = 3
"""The exit code of what finished although some arms or members failed."""
Command = TypeVar("Command", bound=Callable[..., None])


class FigureFormat(StrEnum):
    """How figures are written; the suffix of their files."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def _shipped(*folders: Sequence[str]) -> Callable[[str], list[str]]:
    """What the shell offers: names of shipped files, found without reading any; the shell itself offers files."""

    def complete(incomplete: str) -> list[str]:
        from backfire.system import shipped_names

        return [name for folder in folders for name in shipped_names(*folder) if name.startswith(incomplete)]

    return complete


_SCENARIOS: Final = ("configs", "scenarios")
_SWEEPS: Final = ("configs", "sweeps")
complete_scenarios, complete_sweeps = _shipped(_SCENARIOS), _shipped(_SWEEPS)
complete_trials, complete_ablations, complete_sensitivities = (
    _shipped(("configs", "studies", kind)) for kind in ("trial", "ablation", "sensitivity")
)
complete_any, complete_claims = _shipped(_SCENARIOS, _SWEEPS), _shipped(("seeds",))

Scenarios = Annotated[
    list[str] | None,
    typer.Argument(help="scenario files, or names of shipped scenarios", show_default=False, autocompletion=complete_scenarios),
]
FigureFormats = Annotated[FigureFormat, typer.Option("--figure-format", help="how figures are written")]
Slides = Annotated[bool, typer.Option("--slide", help="also a figure for a room: few panels, large words")]
Shown = Annotated[
    list[str] | None,
    typer.Option("--show", metavar="NAME", help="draw the course of this recorded name, and others only if named too"),
]
OneScenario = Annotated[str, typer.Argument(help="scenario file or shipped name", autocompletion=complete_scenarios)]
Form = Annotated[OutputFormat, typer.Option("--format", help="how to print")]
FormOfData = Annotated[DataFormat, typer.Option("--format", help="how to print")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=0, help="worker processes; all cores if left out, 0 for none", show_default=False),
]
MechanismFiles = Annotated[
    list[Path] | None,
    typer.Option("--mechanisms", metavar="FILE", help="Python file with mechanisms of your own; it is run. May be repeated"),
]

_REGISTERED: dict[str, tuple[int, Callable[..., None]]] = {}


def command(place: int = 1000) -> Callable[[Command], Command]:
    """Make a function a command of its name; ``--help`` lists commands by ``place``, those of one place by name."""

    def register(function: Command) -> Command:
        _REGISTERED[function.__name__] = place, function
        return function

    return register


def all_commands() -> list[Callable[..., None]]:
    """All commands in the order of ``--help``; imports every module of the command line, and those import nothing heavy."""
    for module in pkgutil.iter_modules(cli.__path__):
        importlib.import_module(f"{cli.__name__}.{module.name}")
    return [_REGISTERED[name][1] for name in sorted(_REGISTERED, key=lambda name: (_REGISTERED[name][0], name))]


def capped(workers: int | None) -> int | None:
    """No more worker processes than cores that this process may use, and a word about it: more would only wait for each other."""
    from backfire.system import usable_cores

    cores = usable_cores()
    if workers is None or workers <= cores:
        return workers
    say(f"--workers {workers}: this machine has {cores} usable {'core' if cores == 1 else 'cores'}, so {cores} it is")
    return cores


def changes_of(given: Sequence[str]) -> dict[str, float | int | str]:
    """``name=value`` texts as a mapping; numbers become numbers, anything else stays text for the checks to refuse."""
    changes: dict[str, float | int | str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--set {echo(text)}: write it as name=value, for example --set growth_rate=0.2")
        if name.strip() in changes:
            raise UserError(f"--set {echo(name)} is given twice")
        changes[name.strip()] = _number(value.strip())
    return changes


def _number(text: str) -> float | int | str:
    if re.fullmatch(r"[+-]?\d{1,30}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", text, re.ASCII):
        return float(text)
    return text


def end_if_arms_failed(results: Sequence[Result]) -> None:
    """Say which arms failed and why; if any did, the exit code says so too."""
    arms = [(item.scenario.name, arm, course) for item in results for arm, course in item.trajectories.items()]
    failed = [(name, arm, course) for name, arm, course in arms if not course.status.good]
    for name, arm, course in failed:
        say(f"failed: {name}: {arm}: {course.status.word}: {course.message}")
    if failed:
        raise typer.Exit(SOME_FAILED)
