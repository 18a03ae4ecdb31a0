"""Figures of sweeps: what they promise to show, and every odd store that they must survive."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from backfire import cli
from backfire.errors import UserError
from backfire.figures import style
from backfire.figures.sweep import choose as sweep_plots
from backfire.figures.sweep.curves import rank_correlation, running
from backfire.figures.sweep.data import field_label, outcome_label, read, scattered
from backfire.figures.sweep.morris import elementary_effects
from backfire.formatting import short
from backfire.sampling import Axis, Design, Grid, LatinHypercube, Morris, Sobol, Table
from backfire.solvers.trajectory import Floats, Status
from backfire.sweeps import store
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
        "outcomes": ABOUT, "design": design.describe(), "caution": style.CAUTION,
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
    return dict(sweep_plots.figures(folder, names))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]


def marks(axes: Axes, label: str) -> list[Line2D]:
    return [line for line in axes.lines if line.get_label() == label]


def panels(figure: Figure) -> list[Axes]:
    """The axes that are no colour bars."""
    return [axes for axes in figure.axes if axes.get_label() != "colours"]


def best(folder: Path, arm: str, outcome: str, high: bool) -> tuple[float, float, float]:
    """The optimum as pandas finds it."""
    frame, _ = store.read_table(folder)
    rows = frame[(frame["arm"] == arm) & (frame["status"] == "ok")].sort_values("member")
    row = rows.loc[rows[outcome].idxmax() if high else rows[outcome].idxmin()]
    return float(row["drug.amount"]), float(row["drug.every"]), float(row[outcome])


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


def test_every_figure_says_what_it_is(tmp_path: Path) -> None:
    designs: list[Design] = [GRID, Grid((DOSE, SWITCH)), Sobol(GRID.axes, members=64), Morris(GRID.axes, trajectories=8)]
    for index, design in enumerate(designs):
        folder = stored(tmp_path / str(index), design, failed=(2,))
        for name, figure in drawn(folder).items():
            written = " ".join(texts(figure))
            digest = store.table_hash(folder)[:12]
            for words in (style.CAUTION, f"backfire {style.version()}", "abcdef123456", digest, "\\frac{1$", "1 member failed"):
                assert words in written, (name, words)
            assert f"{design.members} members" in written
            inside_the_page(figure)
            assert b"abcdef123456" in style.png(figure)


def test_one_arm_has_its_outcomes_side_by_side_and_an_idle_arm_is_left_to_words(tmp_path: Path) -> None:
    figure = drawn(stored(tmp_path / "one", GRID, arms=("combination",)))["surface.png"]
    assert [axes.get_title(loc="left") for axes in panels(figure)] == [outcome_label(name, ABOUT[name]["unit"]) for name in ABOUT]

    def idle(samples: Floats, arm: int) -> dict[str, Floats]:
        return {name: values if arm else np.full_like(values, 50.0) for name, values in outcomes(samples, 1).items()}

    figure = drawn(stored(tmp_path / "idle", GRID, idle))["surface.png"]
    assert len(panels(figure)) == 2
    assert any("monotherapy everywhere: final burden 50" in text for text in texts(figure))


def test_a_dose_with_a_switch_gives_curves_in_the_colours_of_the_arms(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", Grid((DOSE, SWITCH)))
    figures = drawn(folder)
    assert list(figures) == ["curves.png"]
    sheet = panels(figures["curves.png"])
    assert len(sheet) == 3
    frame, _ = store.read_table(folder)
    looks = style.arm_looks(ARMS)
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


def many(samples: Floats, arm: int) -> dict[str, Floats]:
    """Fields matter less and less."""
    weights = 0.5 ** np.arange(samples.shape[1])
    level = (samples * weights).sum(axis=1) * (1 - 0.4 * arm)
    return {"final_burden": 10 ** (3 + level), "time_to_progression": 40 * level, "log_kill_last": -level}


@pytest.mark.parametrize("kind", [Sobol, LatinHypercube])
def test_fans_show_the_most_influential_fields_first(tmp_path: Path, kind: Any) -> None:
    axes = tuple(Axis(f"rate_{index}", 0, 1) for index in (3, 0, 5, 1, 7, 2, 4, 6))
    folder = stored(tmp_path / "s", kind(axes, members=2048, seed=3), many, failed=(5, 9, 1000))
    figures = drawn(folder)
    assert list(figures) == ["fan-final-burden.png", "fan-time-to-progression.png"]
    sheet = panels(figures["fan-final-burden.png"])
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
    assert style.png(figures["fan-final-burden.png"]) == style.png(drawn(folder)["fan-final-burden.png"])


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


ODD: dict[str, Formula] = {
    name: lambda samples, _, value=value: {outcome: np.full(len(samples), value) for outcome in ABOUT}  # type: ignore[misc]
    for name, value in {
        "zero": 0.0,
        "nothing": math.nan,
        "equal": 1.0,
        "huge": 1e308,
        "tiny": 5e-324,
        "infinite": math.inf,
    }.items()
} | {
    "wild": lambda samples, _: {name: np.where(np.arange(len(samples)) % 2, 1e308, -1e308) for name in ABOUT},
    "wide": lambda samples, _: {name: np.where(np.arange(len(samples)) % 2, 1e308, 1e-308) for name in ABOUT},
    "one number": lambda samples, _: {name: np.where(np.arange(len(samples)) == 1, 3.0, math.nan) for name in ABOUT},
}
OFTEN = {"wild", "all failed"}
DESIGNS: dict[str, Design] = {
    "grid": Grid((Axis("drug.amount", 1, 64, 3, "log"), Axis("drug.every", 4, 20, 4))),
    "curves": Grid((Axis("drug.amount", 1, 64, 4, "log"), SWITCH)),
    "sobol": Sobol((DOSE, Axis("growth", 0.1, 0.2)), members=16),
    "morris": Morris((DOSE, Axis("growth", 0.1, 0.2)), trajectories=3),
    "one point": Grid((Axis("drug.amount", values=(4.0,)), Axis("drug.every", values=(7.0,)))),
    "table of one": Table.of({"drug.amount": [4.0]}),
    "three fields": Grid((Axis("drug.amount", 1, 64, 2, "log"), Axis("growth", 0.1, 0.2, 3), Axis("drug.every", 4, 20, 2))),
    "far away": Grid((Axis("growth", -1e308, 1e308 / 2, 3), Axis("drug.amount", 1e-300, 1e300, 3, "log"))),
}


@pytest.mark.parametrize(
    "odd", [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in (*ODD, "all failed")]
)
@pytest.mark.parametrize("kind", DESIGNS)
def test_odd_stores_still_give_a_figure(tmp_path: Path, kind: str, odd: str) -> None:
    design = DESIGNS[kind]
    failed = tuple(range(design.members)) if odd == "all failed" else ()
    folder = stored(tmp_path / "s", design, ODD.get(odd, ODD["equal"]), failed)
    figures = drawn(folder, ["final_burden", "time_to_progression"])
    assert figures
    for figure in figures.values():
        FigureCanvasAgg(figure).draw()


def test_a_store_without_members_has_no_figure(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", GRID)
    store.chunk_files(folder)[0].unlink()
    assert drawn(folder) == {}
    assert sweep_plots.draw(folder) == []


def test_an_incomplete_grid_shows_what_is_missing(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", Grid((DOSE, Axis("drug.every", 4, 20, 4))))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["design"] = GRID.describe()
    manifest["members"] = GRID.members
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    written = texts(drawn(folder)["surface.png"])
    assert "not stored, or does not apply" in written
    assert any("52 of 117 members stored" in text for text in written)


def test_outcomes_can_be_asked_for_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", GRID)
    assert len(panels(drawn(folder, ["log_kill_last"])["surface.png"])) == 2
    with pytest.raises(UserError, match="did you mean `final_burden`"):
        drawn(folder, ["final_burdne"])


def test_names_and_numbers_are_in_words() -> None:
    assert field_label("anti_il16.start", "day") == "first dose of anti-IL-16 (day)"
    assert field_label("macrophages.protects_kill", "1") == "macrophages: protection from kill (0 off, 1 full)"
    assert field_label("growth_rate", "1/day") == "growth rate (1/day)"
    assert field_label("drug.count", "1") == "doses of drug"
    assert outcome_label("peak(hibernating)", "cell") == "peak of hibernating cells"
    assert outcome_label("log_kill_last", "1") == "kill in the last course (log10)"
    assert [short(value) for value in (0.0, 1e5, 1.2e8, 1e-7, 87.0, 0.123, math.nan)] == [
        "0",
        "10⁵",
        "1.2·10⁸",
        "10⁻⁷",
        "87",
        "0.12",
        "–",
    ]


def test_a_large_store_is_thinned_without_a_rhythm() -> None:
    assert scattered(20_000) is None
    members = scattered(1_000_000)
    assert members is not None
    assert len(set(members.tolist())) == len(members) == 20_000
    assert 0 <= members[0] < members[-1] < 1_000_000
    assert abs(float((members % 2).mean()) - 0.5) < 0.02
    assert np.array_equal(members, scattered(1_000_000))


def test_show_draws_again_and_a_figure_that_cannot_be_written_is_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stored(tmp_path / "s", GRID)
    assert cli.main(["sweep", "--show", str(folder)]) == 0
    path = folder / "figures" / "surface.png"
    assert str(path) in capsys.readouterr().err
    first = path.read_bytes()
    path.unlink()
    assert cli.main(["sweep", "--show", str(folder)]) == 0
    assert path.read_bytes() == first
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the way", encoding="utf-8")
    capsys.readouterr()
    assert cli.main(["sweep", "--show", str(folder)]) == 0
    assert "figures not written" in capsys.readouterr().err


def test_figures_need_no_display_and_no_pyplot(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", GRID)
    code = (
        "import sys; from backfire import cli\n"
        f"code = cli.main(['sweep', '--show', {str(folder)!r}])\n"
        "print('pyplot' if 'matplotlib.pyplot' in sys.modules else 'without', code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"MPLBACKEND": "garbage", "PATH": ""}
    )
    assert done.stdout.splitlines()[-1] == "without 0"
    assert (folder / "figures" / "surface.png").is_file()
