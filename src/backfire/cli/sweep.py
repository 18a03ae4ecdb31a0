"""The commands of sweeps: run or show one, list the shipped ones, compute one member again."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from backfire.cli.commands import SOME_FAILED, FigureFormat, FigureFormats, MechanismFiles, command
from backfire.cli.terminal import print_section, print_table, say, watched, write_line
from backfire.errors import UserError


@command(place=110)
def sweep(
    study: Annotated[str | None, typer.Argument(help="study file, or name of a shipped study", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="folder for results")] = Path("results/sweeps"),
    workers: Annotated[int | None, typer.Option(help="worker processes; all cores if left out, 0 for none")] = None,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="compute on the workers of a Dask scheduler")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with what is stored")] = False,
    chunk: Annotated[int | None, typer.Option(help="members per file; changes no number", show_default=False)] = None,
    trajectories: Annotated[
        float | None, typer.Option(metavar="DAYS", help="store states over time too, a row every so many days")
    ] = None,
    show: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="summarise stored sweeps instead of running one")] = None,
    figures: FigureFormats = FigureFormat.PNG,
    own: MechanismFiles = None,
) -> None:
    """Simulate many members of a scenario, store one row per member and arm, and summarise them."""
    if show:
        if study is not None or resume or dask or trajectories is not None:
            raise UserError("--show reads what is stored; leave out the study, --resume, --dask and --trajectories")
        failed = [show_sweep(folder, figures) for folder in show]
        raise typer.Exit(SOME_FAILED if any(failed) else 0)
    if study is None:
        raise UserError("give a study file or the name of a shipped study (`backfire sweeps` lists them), or --show DIR")
    if dask and workers is not None:
        raise UserError("give --workers or --dask, not both: Dask has workers of its own")
    from backfire import sweeps
    from backfire.scenario import stored_files
    from backfire.sweeps import dask_client, load_sweep

    kept = stored_files(out / Path(study).stem) if resume else ()
    loaded = load_sweep(study, [*(own or ()), *kept])
    again = shlex.join(
        ["backfire", "sweep", study, "--out", str(out), *(["--workers", str(workers)] if workers is not None else [])]
        + (["--dask", dask] if dask else [])
        + (["--trajectories", str(trajectories)] if trajectories is not None else [])
        + [word for path in own or () for word in ("--mechanisms", str(path))]
    )
    client = dask_client(dask) if dask else None
    with _resumable(f"{again} --resume"), watched(loaded.design.members) as advance:
        result = sweeps.sweep(
            loaded, out, workers=workers, executor=client, resume=resume, chunk=chunk, trajectories=trajectories,
            progress=advance, notify=say,
        )  # fmt: skip
    show_sweep(result.folder, figures)
    say(f"written: {result.folder}")
    if not result.ok:
        raise typer.Exit(SOME_FAILED)


def show_sweep(folder: Path, figures: str = "png") -> bool:
    """Print what stands in a store, without simulating; True if members failed. Figures of a sweep are drawn here."""
    from backfire.reports import sweep_sections
    from backfire.sweeps import store

    summary = store.summarise(folder)
    for section in sweep_sections(folder, summary):
        print_section(section)
    if summary["failed_rows"]:
        say(f"{summary['failed_members']} members failed ({summary['failed_rows']} rows); `reason` in the table says why")
    if summary["stored"] < summary["members"]:
        say(f"{folder} is not complete: `backfire sweep … --resume` goes on with it")
    _draw(folder, summary, figures)
    return bool(summary["failed_rows"])


def _draw(folder: Path, summary: Mapping[str, Any], form: str) -> None:
    """Write the figures of a store beside it; a figure that cannot be drawn is a note, the numbers stand."""
    from backfire.errors import RefusedError, StorageError
    from backfire.figures import draw_sweep

    try:
        for path in draw_sweep(folder, summary=summary, form=form):
            say(f"figure: {path}")
    except (StorageError, RefusedError) as error:
        say(f"figures not written: {error}")
    except (ArithmeticError, ValueError, MemoryError) as error:
        say(f"figures not drawn ({type(error).__name__}: {error}); the table is whole")


@command(place=130)
def rerun(
    folder: Annotated[Path, typer.Argument(help="folder that `backfire sweep` wrote", show_default=False)],
    member: Annotated[int, typer.Option(help="which member", show_default=False)],
    arm: Annotated[str | None, typer.Option(help="only this arm")] = None,
    own: MechanismFiles = None,
) -> None:
    """Compute one member of a stored sweep again and compare it with its row, bit for bit."""
    from backfire import sweeps

    rows, manifest = sweeps.rerun(folder, member, arm, own or ())
    for line in sweeps.code_differs(manifest):
        say(f"warning: changed since the sweep: {line}")
    different = 0
    for row in rows:
        names = list(row.stored)
        marks = ["no" if name in row.different else "yes" for name in names]
        cells = [
            (name, _shown(row.stored[name]), _shown(row.computed[name]), mark) for name, mark in zip(names, marks, strict=True)
        ]
        write_line(f"member {row.member}, {row.arm}: {'different' if row.different else 'bit-identical'}")
        print_table(("column", "stored", "computed again", "same"), cells)
        different += bool(row.different)
    if different:
        say(f"{different} of {len(rows)} rows are different")
        raise typer.Exit(SOME_FAILED)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


@command(place=120)
def sweeps() -> None:
    """List the shipped sweep studies."""
    from backfire.sweeps import load_sweep, shipped_sweeps

    studies = [load_sweep(name) for name in shipped_sweeps()]
    rows = [(item.name, item.scenario.name, item.design.kind, str(item.design.members), item.title) for item in studies]
    print_table(("study", "scenario", "design", "members", "title"), rows)


@contextlib.contextmanager
def _resumable(command: str) -> Iterator[None]:
    """Say how to go on when somebody or something ends the sweep."""
    from backfire.errors import BackendLostError, StorageError

    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted; what is stored is whole. Go on with: {command}")
        raise typer.Exit(130) from None
    except SystemExit:
        say(f"ended from outside; what is stored is whole. Go on with: {command}")
        raise
    except (BackendLostError, StorageError):
        say(f"what is stored is whole. When that is mended, go on with: {command}")
        raise
