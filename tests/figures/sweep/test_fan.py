"""Fans: the most influential fields, medians and rank correlations as libraries have them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from backfire.figures import png
from backfire.figures.sweep.fan import rank_correlation, running
from backfire.sampling import Axis, LatinHypercube, Sobol
from backfire.sweeps import store
from made_up_sweeps import ARMS, drawn, many, marks, panels, stored


@pytest.mark.parametrize("kind", [Sobol, LatinHypercube])
def test_fans_show_the_most_influential_fields_first(tmp_path: Path, kind: Any) -> None:
    axes = tuple(Axis(f"rate_{index}", 0, 1) for index in (3, 0, 5, 1, 7, 2, 4, 6))
    folder = stored(tmp_path / "s", kind(axes, members=2048, seed=3), many, failed=(5, 9, 1000))
    figures = drawn(folder)
    assert list(figures) == ["fan-final-burden.png", "fan-time-to-progression.png"]
    every = panels(figures["fan-final-burden.png"])
    sheet, strips = [[axes for axes in every if bool(axes.get_xlabel()) is wanted] for wanted in (True, False)]
    frame, _ = store.read_table(folder)
    fields = [axis.field for axis in axes]
    links = pandas.DataFrame(
        {
            arm: rows[fields].rank().corrwith(rows["final_burden"].rank()).abs()
            for arm, rows in frame[frame["status"] == "ok"].groupby("arm")
        }
    )
    order = links.max(axis=1).sort_values(ascending=False).index[:6]
    assert [axes.get_xlabel().partition(" (")[0] for axes in sheet] == [name.replace("_", " ") for name in order]
    for panel, field in zip(sheet, order, strict=True):
        assert 0 < sum(len(line.get_xdata()) for line in marks(panel, "members")) <= 2000
        (ticks,) = marks(panel, "failed")
        lost = frame[(frame["arm"] == ARMS[0]) & (frame["status"] != "ok")][field]
        assert sorted(ticks.get_xdata()) == sorted(lost)
        assert all(len(marks(panel, arm)) == 1 for arm in ARMS)
    for strip, field in zip(strips, order, strict=True):
        told = [float(text.get_text().replace("−", "-")) for text in strip.texts if text.get_text()[0] in "+−"]
        assert np.abs(told) == pytest.approx(links.loc[field, [*ARMS]].to_numpy(), abs=0.006)
    assert png(figures["fan-final-burden.png"]) == png(drawn(folder)["fan-final-burden.png"])


def test_running_medians_and_rank_correlations_are_those_of_the_library() -> None:
    draw = np.random.default_rng(1)
    x, y = draw.random(4000), draw.random(4000)
    assert rank_correlation(x, x**3 + y) == pytest.approx(pandas.Series(x).corr(pandas.Series(x**3 + y), method="spearman"))
    assert math.isnan(rank_correlation(x, np.ones(4000)))
    middles, bands = running(x, 5 * x + y, log=False)
    assert np.all(np.diff(middles) > 0)
    assert np.abs(bands[:, 1] - (5 * middles + 0.5)).max() < 0.1
    assert np.all(np.diff(bands, axis=1) > 0)
    middles, bands = running(np.repeat([1.0, 10.0, 100.0], 5), np.tile(np.arange(5.0), 3), log=True)
    assert np.allclose(middles, [1, 10, 100])
    assert np.allclose(bands, [0.4, 2.0, 3.6])
