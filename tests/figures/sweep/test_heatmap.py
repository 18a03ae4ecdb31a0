"""Heat maps: the optimum, what is not a number, and which arms are shown."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
from matplotlib.collections import QuadMesh

from backfire.formatting import short
from backfire.outcomes import declared
from backfire.sampling import Axis, Grid
from backfire.solvers import Floats
from backfire.sweeps import store
from made_up_sweeps import ABOUT, ARMS, DOSE, GRID, drawn, marks, outcomes, panels, stored, texts


def best(folder: Path, arm: str, outcome: str, high: bool) -> tuple[float, float, float]:
    """The optimum as pandas finds it."""
    frame, _ = store.read_table(folder)
    rows = frame[(frame["arm"] == arm) & (frame["status"] == "ok")].sort_values("member")
    row = rows.loc[rows[outcome].idxmax() if high else rows[outcome].idxmin()]
    return float(row["drug.amount"]), float(row["drug.every"]), float(row[outcome])


def test_a_heat_map_marks_the_optimum_that_the_table_has(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", GRID)
    figures = drawn(folder, ["final_burden", "time_to_progression"])
    assert list(figures) == ["surface.png"]
    sheet = panels(figures["surface.png"])
    assert len(sheet) == 4
    wanted = itertools.product((("final_burden", False), ("time_to_progression", True)), ARMS)
    for axes, ((outcome, high), arm) in zip(sheet, wanted, strict=True):
        x, y, value = best(folder, arm, outcome, high)
        (star,) = marks(axes, "optimum")
        assert (star.get_xdata()[0], star.get_ydata()[0]) == (x, y), (arm, outcome)
        (unchanged,) = marks(axes, "unchanged")
        assert (unchanged.get_xdata()[0], unchanged.get_ydata()[0]) == (8.0, 7.0)
        written = [text.get_text() for text in axes.texts]
        word = "none left" if value == 0 else "highest ≥ 100" if high else f"lowest {short(value, 3)}"
        assert any(text.startswith(word) for text in written), written
        assert axes.get_xscale() == "log"
        assert axes.get_yscale() == "linear"
    labels = [(axes.get_xlabel(), axes.get_ylabel()) for axes in sheet]
    assert labels[2] == ("each dose of drug (EC50)", "time between doses of drug (days)")
    titles = [sheet[index].title.get_text() or sheet[index].get_title(loc="left") for index in (0, 1)]
    assert titles == list(ARMS)


def test_arms_share_colours_in_a_heat_map_and_contours_are_labelled(tmp_path: Path) -> None:
    sheet = panels(drawn(stored(tmp_path / "s", GRID))["surface.png"])
    for row in (sheet[:2], sheet[2:]):
        first, second = (next(item for item in axes.collections if isinstance(item, QuadMesh)) for axes in row)
        assert (first.norm.vmin, first.norm.vmax, first.cmap.name) == (second.norm.vmin, second.norm.vmax, second.cmap.name)
    assert sheet[0].collections[0].get_cmap().name == "viridis_r"  # a low burden is good, and light
    assert sheet[2].collections[0].get_cmap().name == "viridis"
    assert any(text.get_text().startswith("10") for text in sheet[0].texts)


def test_failed_eradicated_unseen_and_missing_members_are_told_apart(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", GRID, failed=(3, 50))
    figure = drawn(folder, ["final_burden", "time_to_progression"])["surface.png"]
    written = texts(figure)
    for words in ("2 members failed (not run)", "none left (share of members)", "not seen by the last day: at least this"):
        assert words in written
    frame, _ = store.read_table(folder)
    failed = frame[(frame["arm"] == ARMS[0]) & (frame["status"] != "ok")]
    for axes in panels(figure):
        (crosses,) = marks(axes, "failed")
        assert sorted(zip(crosses.get_xdata(), crosses.get_ydata(), strict=True)) == sorted(
            zip(failed["drug.amount"], failed["drug.every"], strict=True)
        )
    gone = [item for item in panels(figure)[1].collections if isinstance(item, QuadMesh)][1].get_array()
    zeros = frame[(frame["arm"] == ARMS[1]) & (frame["final_burden"] == 0)]
    assert int((~np.ma.getmaskarray(gone)).sum()) == len(zeros) > 0


def test_one_arm_has_its_outcomes_side_by_side_and_an_idle_arm_is_left_to_words(tmp_path: Path) -> None:
    figure = drawn(stored(tmp_path / "one", GRID, arms=("combination",)))["surface.png"]
    assert [axes.get_title(loc="left") for axes in panels(figure)] == [
        declared(name).label(name, ABOUT[name]["unit"]) for name in ABOUT
    ]

    def idle(samples: Floats, arm: int) -> dict[str, Floats]:
        return {name: values if arm else np.full_like(values, 50.0) for name, values in outcomes(samples, 1).items()}

    figure = drawn(stored(tmp_path / "idle", GRID, idle))["surface.png"]
    assert len(panels(figure)) == 2
    assert any("monotherapy everywhere: final burden 50" in text for text in texts(figure))


def test_an_incomplete_grid_shows_what_is_missing(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", Grid((DOSE, Axis("drug.every", 4, 20, 4))))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["design"] = GRID.describe()
    manifest["members"] = GRID.members
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    written = texts(drawn(folder)["surface.png"])
    assert "not stored, or does not apply" in written
    assert any("52 of 117 members stored" in text for text in written)
