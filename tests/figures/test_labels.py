"""Writing inside axes never overlaps."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backfire.figures.labels import label_ends


def test_labels_at_line_ends_never_overlap() -> None:
    figure = Figure()
    axes: Axes = figure.add_subplot()
    label_ends(axes, [(0.5, f"arm {index}", "#000000") for index in range(8)] + [(0.99, "top", "#000000")], gap=0.06)
    heights = sorted(text.xy[1] for text in axes.texts)  # type: ignore[attr-defined]
    assert min(np.diff(heights)) > 0.0599
    assert heights[-1] <= 1.0 + 1e-9
