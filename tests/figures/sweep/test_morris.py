"""Effects of Morris designs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backfire.figures.sweep.data import read
from backfire.figures.sweep.morris import elementary_effects
from backfire.sampling import Axis, Morris
from backfire.solvers import Floats
from backfire.sweeps import store
from made_up_sweeps import drawn, stored


def test_elementary_effects_of_a_plane_are_its_slopes(tmp_path: Path) -> None:
    axes = (Axis("a", 0, 2), Axis("b", 1, 100, scale="log"), Axis("c", 5, 6))

    def plane(samples: Floats, arm: int) -> dict[str, Floats]:
        level = 3 * samples[:, 0] + np.log10(samples[:, 1]) + 0 * samples[:, 2]
        return {"final_burden": level, "time_to_progression": level, "log_kill_last": level}

    folder = stored(tmp_path / "s", Morris(axes, trajectories=20, seed=2), plane, failed=(7,))
    found = read(folder, store.summarise(folder), ["log_kill_last"], None)
    slopes = elementary_effects(found, "log_kill_last", 0)
    for field, slope in {"a": 6.0, "b": 2.0, "c": 0.0}.items():
        assert 17 <= len(slopes[field]) <= 20
        assert np.allclose(slopes[field], slope, atol=1e-9)
    assert list(drawn(folder)) == ["effects.png"]
