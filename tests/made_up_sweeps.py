"""Stores of sweeps whose outcomes are made up, and what stands in the figures drawn of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from backfire.figures import sweep_figures
from backfire.model.references import CAUTION
from backfire.sampling import Axis, Design, Grid
from backfire.solvers import Floats, Status
from backfire.sweeps.store import TableSchema, write_chunk

ARMS = ("monotherapy", "combination")

ABOUT = {
    "final_burden": {"unit": "cell", "meaning": "", "time": False},
    "time_to_progression": {"unit": "day", "meaning": "", "time": True},
    "log_kill_last": {"unit": "1", "meaning": "", "time": False},
}

DOSE, SWITCH = Axis("drug.amount", 1, 64, 13, "log"), Axis("stroma.protects_kill", 0, 1, 2)

GRID = Grid((DOSE, Axis("drug.every", 4, 20, 9)))

Formula = Callable[[Floats, int], Mapping[str, Floats]]


@dataclass(frozen=True)
class Made:
    """Rows without a simulation."""

    status: Any
    steps: Any
    values: Any
    observed: Any
    reasons: Any


def outcomes(samples: Floats, arm: int) -> dict[str, Floats]:
    """A burden with a lowest point inside, eradicated for high doses of the second arm; times seen up to 100 days."""
    dose, every = np.log2(samples[:, 0]), samples[:, 1]
    burden = 10 ** (6 - arm + (dose - 3) ** 2 / 3 + (every - 10) ** 2 / 60)
    if arm:
        burden = np.where((dose > 4.4) & (every < 9), 0.0, burden)
    days = 20 * dose + 3 * every
    return {"final_burden": burden, "time_to_progression": np.minimum(days, 100), "log_kill_last": dose / 3 - every / 20}


def stored(
    folder: Path,
    design: Design,
    formula: Formula = outcomes,
    failed: tuple[int, ...] = (),
    arms: tuple[str, ...] = ARMS,
    **about: Any,
) -> Path:
    """A store of a design with made-up outcomes."""
    (folder / "chunks").mkdir(parents=True)
    samples = design.samples(0, design.members)
    layout = TableSchema("0" * 64, design.fields, arms, tuple(ABOUT), ("time_to_progression",))
    manifest = {
        "run": layout.run, "members": design.members, "title": "What a made-up drug does, and $\\frac{1$", "arms": list(arms),
        "fields": {name: {"unit": "EC50" if name.endswith("amount") else "day", "meaning": ""} for name in design.fields},
        "outcomes": ABOUT, "design": design.describe(), "caution": CAUTION,
        "scenario": {"name": "made-up", "hash": "abcdef123456", "values": {"drug.amount": 8.0, "drug.every": 7.0}}, **about,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "study.toml").write_text(f"outcomes = {json.dumps(list(ABOUT))}", encoding="utf-8")
    status = np.full((len(samples), len(arms)), int(Status.OK), dtype=np.int8)
    bad = [member for member in failed if member < len(samples)]
    status[bad] = int(Status.NOT_RUN)
    with np.errstate(all="ignore"):
        values = {arm: dict(formula(samples, index)) for index, arm in enumerate(arms)}
    observed = {arm: {"time_to_progression": values[arm]["time_to_progression"] < 100} for arm in arms}
    reasons = {(member, arm): "made to fail" for member in bad for arm in arms}
    if len(samples):
        write_chunk(folder, layout, 0, samples, Made(status, np.ones_like(status, dtype=np.int64), values, observed, reasons))
    return folder


def drawn(folder: Path, names: list[str] | None = None) -> dict[str, Figure]:
    return dict(sweep_figures(folder, names))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


def marks(axes: Axes, label: str) -> list[Line2D]:
    return [line for line in axes.lines if line.get_label() == label]


def panels(figure: Figure) -> list[Axes]:
    """The axes that are no colour bars."""
    return [axes for axes in figure.axes if axes.get_label() != "colours"]


def inside_the_page(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, page = canvas.get_renderer(), figure.bbox
    for item in figure.findobj(Text):
        if item.get_text().strip() and item.get_visible() and item.get_clip_box() is None:
            box = item.get_window_extent(renderer)
            assert page.x0 - 1 <= box.x0, item
            assert box.x1 <= page.x1 + 1, item
            assert page.y0 - 1 <= box.y0, item
            assert box.y1 <= page.y1 + 1, item


def many(samples: Floats, arm: int) -> dict[str, Floats]:
    """Fields matter less and less."""
    weights = 0.5 ** np.arange(samples.shape[1])
    level = (samples * weights).sum(axis=1) * (1 - 0.4 * arm)
    return {"final_burden": 10 ** (3 + level), "time_to_progression": 40 * level, "log_kill_last": -level}
