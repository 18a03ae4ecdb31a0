"""Figures of a stored sweep, drawn without simulating: which figure for which design, and where it is written.

    backfire sweep --show results/sweeps/wnt16b-dose-and-break

Grids over two fields give heat maps (``surface.png``); grids over one dose, alone or with a switch, dose curves
(``curves.png``); everything else fans, one a figure (``fan-….png``), and Morris designs effects (``effects.png``).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from backfire.errors import StorageError
from backfire.figures import png
from backfire.figures.sweep.curves import curves, fan, line_fields
from backfire.figures.sweep.data import MOST_CELLS, MOST_READ, axes_of, choose, is_switch, read, scattered
from backfire.figures.sweep.heatmap import drawn_members, is_surface, surfaces
from backfire.figures.sweep.morris import effects
from backfire.simulation import prepare_folder
from backfire.sweeps import store
from backfire.system import write_whole

FOLDER: Final = "figures"
MOST_OUTCOMES: Final = 3
MOST_FANS: Final = 2


def figures(
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
    names = choose(manifest, known, MOST_OUTCOMES, outcomes, listed=_listed(place))
    axes = axes_of(manifest)
    whole = manifest["members"] <= MOST_CELLS
    lines = line_fields(axes) if axes and whole else None
    pair = lines[1] if lines is not None else None
    if axes and is_surface(axes) and (pair is None or pair.size > 2):
        few = names if outcomes or len(manifest["arms"]) == 1 else names[:2]
        yield "surface.png", surfaces(read(place, known, few, drawn_members(axes)))
    if lines is not None and (pair is None or is_switch(pair.field) or pair.size == 2):
        yield "curves.png", curves(read(place, known, names, None))
    elif manifest["design"]["kind"] == "morris":
        walk = len(manifest["fields"]) + 1
        wanted = np.arange(min(manifest["members"], MOST_READ // walk * walk))
        yield "effects.png", effects(read(place, known, names, wanted))
    elif not (axes and is_surface(axes)):
        some = names if outcomes else names[:MOST_FANS]
        found = read(place, known, some, scattered(manifest["members"]))
        for name in some:
            yield f"fan-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png", fan(found, name)


def draw(folder: Path | str, outcomes: Sequence[str] | None = None, summary: Mapping[str, Any] | None = None) -> list[Path]:
    """Write the figures of a store into its folder ``figures`` and give back their paths; see ``figures``.

    Raises StorageError if they cannot be written.
    """
    place, written = Path(folder), []
    for name, figure in figures(place, outcomes, summary):
        path = prepare_folder(place, FOLDER) / name
        write_whole(path, png(figure))
        written.append(path)
    return written


def _listed(folder: Path) -> bool:
    """True if the study, as it was written, lists its outcomes, so that their order is the author's."""
    try:
        return "outcomes" in tomllib.loads((folder / "study.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, StorageError):
        return False
