"""Curves: against a dose, with and without the host's answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from backfire.figures.style import arm_styles
from backfire.sampling import Axis, Grid
from backfire.solvers import Floats
from backfire.sweeps import store
from made_up_sweeps import ARMS, DOSE, SWITCH, drawn, marks, outcomes, panels, stored, texts


def test_a_dose_with_a_switch_gives_curves_in_the_colours_of_the_arms(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", Grid((DOSE, SWITCH)))
    figures = drawn(folder)
    assert list(figures) == ["curves.png"]
    sheet = panels(figures["curves.png"])
    assert len(sheet) == 3
    frame, _ = store.read_table(folder)
    looks = arm_styles(ARMS)
    for arm in ARMS:
        solid, dashed = sorted(marks(sheet[0], arm), key=Line2D.is_dashed)
        assert (solid.is_dashed(), dashed.is_dashed()) == (False, True)
        assert {to_hex(line.get_color()) for line in (solid, dashed)} == {to_hex(looks[arm].colour)}
        rows = frame[(frame["arm"] == arm) & (frame["stroma.protects_kill"] == 1)].sort_values("drug.amount")
        living = rows["final_burden"].to_numpy() > 0
        assert np.allclose(10 ** np.asarray(solid.get_ydata())[living], rows["final_burden"][living])
        assert all(height < np.asarray(solid.get_ydata())[living].min() for height in np.asarray(solid.get_ydata())[~living])
        troughs = marks(sheet[0], "trough")
        lowest = float(rows.loc[rows["final_burden"].where(living).idxmin(), "drug.amount"])
        assert any(line.get_xdata()[0] == pytest.approx(lowest) for line in troughs)
    assert {"with stroma: protection from kill", "without it"} <= set(texts(figures["curves.png"]))


def test_a_switch_with_values_between_gives_both_and_one_field_gives_plain_curves(tmp_path: Path) -> None:
    both = stored(tmp_path / "both", Grid((DOSE, Axis("stroma.protects_kill", 0, 1, 5))))
    assert list(drawn(both)) == ["surface.png", "curves.png"]

    def single(samples: Floats, arm: int) -> Mapping[str, Floats]:
        return outcomes(np.column_stack([samples[:, 0], np.full(len(samples), 7.0)]), arm)

    figure = drawn(stored(tmp_path / "one", Grid((DOSE,)), single, failed=(4,)))["curves.png"]
    assert not any(line.is_dashed() for arm in ARMS for line in marks(panels(figure)[0], arm))
    assert "with stroma" not in " ".join(texts(figure))
