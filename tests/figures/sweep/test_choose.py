"""Which figure for which design, every odd store that figures must survive, and how a new figure is added."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import backfire
from backfire import cli
from backfire.errors import UserError
from backfire.figures import draw_sweep, png, sweep_figures
from backfire.figures.sweep.choose import shipped
from backfire.model.references import CAUTION, version
from backfire.sampling import Axis, Design, Grid, Morris, Sobol, Table
from backfire.sweeps import store
from made_up_sweeps import ABOUT, DOSE, GRID, SWITCH, Formula, drawn, inside_the_page, panels, stored, texts


def test_every_figure_says_what_it_is(tmp_path: Path) -> None:
    designs: list[Design] = [GRID, Grid((DOSE, SWITCH)), Sobol(GRID.axes, members=64), Morris(GRID.axes, trajectories=8)]
    for index, design in enumerate(designs):
        folder = stored(tmp_path / str(index), design, failed=(2,))
        for name, figure in drawn(folder).items():
            written = " ".join(texts(figure))
            digest = store.table_hash(folder)[:12]
            for words in (CAUTION, f"backfire {version()}", "abcdef123456", digest, "\\frac{1$", "1 member failed"):
                assert words in written, (name, words)
            assert f"{design.members} members" in written
            inside_the_page(figure)
            assert b"abcdef123456" in png(figure)


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
    assert draw_sweep(folder) == []


def test_outcomes_can_be_asked_for_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    folder = stored(tmp_path / "s", GRID)
    assert len(panels(drawn(folder, ["log_kill_last"])["surface.png"])) == 2
    with pytest.raises(UserError, match="did you mean `final_burden`"):
        drawn(folder, ["final_burdne"])


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
    for form in ("svg", "pdf"):
        assert cli.main(["sweep", "--show", str(folder), "--figure-format", form]) == 0
        assert path.with_suffix(f".{form}").read_bytes().startswith({"svg": b"<?xml", "pdf": b"%PDF"}[form])
        path.with_suffix(f".{form}").unlink()
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


def test_every_figure_is_found_once_and_what_the_command_draws_python_draws(tmp_path: Path) -> None:
    files = [figure.file for figure in shipped()]
    assert len(set(files)) == len(files) >= 4
    folder = stored(tmp_path / "s", GRID)
    assert [path.name for path in backfire.figures.draw_sweep(folder)] == [name for name, _ in sweep_figures(str(folder))]
    for name in backfire.figures.__all__:
        assert (getattr(backfire.figures, name).__doc__ or "").strip(), name
