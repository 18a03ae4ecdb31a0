"""Figures of a stored sweep, drawn without simulating: which figure for which design, and where it is written.

    backfire sweep --show results/sweeps/wnt16b-dose-and-break

Each module beside this one declares its figure as a ``SweepFigure``: its file, the designs it draws, the members it
reads. A new figure is a new module; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from backfire.errors import StorageError
from backfire.figures.page import image
from backfire.figures.sweep.data import chosen, read
from backfire.figures.sweep.slide import MOST_OUTCOMES, SweepFigure
from backfire.simulation import prepare_folder
from backfire.sweeps import store
from backfire.system import write_whole

FOLDER: Final = "figures"


def shipped() -> list[SweepFigure]:
    """All figures of sweeps, found because their modules are there, in the order in which they are drawn."""
    package = importlib.import_module(__package__)
    modules = [importlib.import_module(f"{__package__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)]
    found = {item.file: item for module in modules for item in vars(module).values() if isinstance(item, SweepFigure)}
    return sorted(found.values(), key=lambda figure: (figure.order, figure.file))


def sweep_figures(
    folder: Path | str, outcomes: Sequence[str] | None = None, summary: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, Figure]]:
    """The figures of a store by file name, one after the other; none for a store without members.

    ``outcomes`` are drawn as asked for; otherwise the first that vary in the order of the study, or, where it lists
    none, the most telling. ``summary`` saves reading the store once more. Raises UserError for an outcome that is not
    there, StorageError for a damaged store.
    """
    place = Path(folder)
    known = store.summarise(place) if summary is None else summary
    _, manifest = store.read_layout(place)
    if not known["stored"] or not manifest["outcomes"] or not manifest["fields"]:
        return
    names = chosen(manifest, known, MOST_OUTCOMES, outcomes, listed=_listed(place))
    for figure in shipped():
        if figure.draws(manifest):
            some = names if outcomes else names[: figure.outcomes(manifest)]
            data = read(place, known, some, figure.members(manifest))
            parts = [data.only(name) for name in some] if "{outcome}" in figure.file else [data]
            for part in parts:
                spelt = re.sub(r"[^a-z0-9]+", "-", next(iter(part.values)).lower()).strip("-")
                yield figure.file.format(outcome=spelt), figure.draw(part)


def draw_sweep(
    folder: Path | str, outcomes: Sequence[str] | None = None, summary: Mapping[str, Any] | None = None, form: str = "png"
) -> list[Path]:
    """Write the figures of a store into its folder ``figures`` and give back their paths; see ``sweep_figures``, ``image``.

    Raises StorageError if they cannot be written.
    """
    place, written = Path(folder), []
    for name, figure in sweep_figures(place, outcomes, summary):
        path = (prepare_folder(place, FOLDER) / name).with_suffix(f".{form}")
        write_whole(path, image(figure, form))
        written.append(path)
    return written


def _listed(folder: Path) -> bool:
    """True if the study, as it was written, lists its outcomes, so that their order is the author's."""
    try:
        return "outcomes" in tomllib.loads((folder / "study.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, StorageError):
        return False
