"""Effects of Morris designs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backfire.cli.commands import SOME_FAILED
from backfire.figures.sweep.data import read
from backfire.figures.sweep.morris import elementary_effects
from backfire.sampling import Axis, Morris
from backfire.solvers import Floats
from backfire.sweeps import store
from commands import sweep
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


def test_every_field_is_named_in_every_panel(tmp_path: Path) -> None:
    """Eleven fields, seven of which change nothing: they share one dot, and each has its name."""
    axes = tuple(Axis(f"drug_{letter}_rate", 0, 1) for letter in "abcdefghijk")

    def four(samples: Floats, arm: int) -> dict[str, Floats]:
        level = samples[:, :4] @ [4.0, 3.0, 2.0, 1.0] / (1 + arm) + samples[:, 0] * samples[:, 1]
        return {"final_burden": 10**level, "time_to_progression": level, "log_kill_last": level}

    folder = stored(tmp_path / "s", Morris(axes, trajectories=10, seed=2), four)
    (sheet,) = drawn(folder).values()
    for panel in sheet.axes:
        assert {name for text in panel.texts for name in " ".join(text.get_text().split()).split(", ")} == {
            f"drug {letter} rate" for letter in "abcdefghijk"
        }


BASE = """
title = "plain"
days = 40
[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drugx"] }
kill = { by = ["drugx"] }
[regimens]
push = { agent = "drugx", amount = 8.0, start = 5, every = 7, count = 3 }
[arms]
untreated = []
monotherapy = ["push"]
"""
STUDY = """
title = "Morris with members that cannot be given"
scenario = "base.toml"
outcomes = ["final_burden", "given_drugx"]
[design]
kind = "morris"
trajectories = 20
seed = 3
[vary]
push.every = { low = 7, high = 20 }
growth_rate = { low = 0.05, high = 0.2 }
drugx_hill = { low = 1, high = 3 }
push.amount = { low = 1, high = 10 }
"""


def test_members_that_cannot_be_given_leave_the_effects_of_all_others_right(tmp_path: Path) -> None:
    """Three doses of 1 to 10 are 3 to 30 in all, whatever else varies: an effect of 27. Twenty days apart they do not fit."""
    (tmp_path / "base.toml").write_text(BASE)
    (tmp_path / "morris.toml").write_text(STUDY)
    assert sweep(tmp_path / "morris.toml", "--chunk", 50) == SOME_FAILED
    (folder,) = (path.parent for path in (tmp_path / "out").rglob("manifest.json"))
    found = read(folder, store.summarise(folder), ["given_drugx"], None)
    effects = elementary_effects(found, "given_drugx", 1)
    for field, size in {"push.amount": 27.0, "push.every": 0.0, "growth_rate": 0.0, "drugx_hill": 0.0}.items():
        assert len(effects[field]) >= 5, "neighbours that both could be given"
        assert np.allclose(effects[field], size, rtol=1e-12, atol=1e-9), field
