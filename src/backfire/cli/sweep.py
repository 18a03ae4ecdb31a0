"""The commands of sweeps: run or show one, list the shipped ones, compute one member again."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from backfire.cli.commands import (
    SOME_FAILED,
    FigureFormat,
    FigureFormats,
    Form,
    FormOfData,
    MechanismFiles,
    Workers,
    capped,
    command,
    complete_sweeps,
)
from backfire.cli.terminal import (
    DataFormat,
    OutputFormat,
    print_json,
    print_listing,
    print_section,
    print_table,
    say,
    watched,
    write_line,
)
from backfire.errors import UserError


@command(place=110)
def sweep(
    study: Annotated[
        str | None,
        typer.Argument(help="study file, or name of a shipped study", show_default=False, autocompletion=complete_sweeps),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for results")] = Path("results/sweeps"),
    workers: Workers = None,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="compute on the workers of a Dask scheduler")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with what is stored")] = False,
    chunk: Annotated[int | None, typer.Option(help="members per file; changes no number", show_default=False)] = None,
    trajectories: Annotated[
        float | None, typer.Option(metavar="DAYS", help="store states over time too, a row every so many days")
    ] = None,
    show: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="summarise stored sweeps instead of running one")] = None,
    figures: FigureFormats = FigureFormat.PNG,
    own: MechanismFiles = None,
    form: FormOfData = DataFormat.TABLE,
) -> None:
    """Simulate many members of a scenario, store one row per member and arm, and summarise them."""
    if show:
        if study is not None or resume or dask or trajectories is not None:
            raise UserError("--show reads what is stored; leave out the study, --resume, --dask and --trajectories")
        _end_if_failed(show_sweeps(show, figures, form))
        return
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
        + ["--resume"]
    )
    workers = capped(workers)
    client = dask_client(dask) if dask else None
    with _resumable(out / loaded.name, again):
        with watched(loaded.design.members) as advance:
            result = sweeps.sweep(
                loaded, out, workers=workers, executor=client, resume=resume, chunk=chunk, trajectories=trajectories,
                progress=advance, notify=say,
            )  # fmt: skip
        failed = show_sweeps([result.folder], figures, form)
    say(f"written: {result.folder}")
    _end_if_failed(failed)


def _end_if_failed(failed: bool) -> None:
    if failed:
        raise typer.Exit(SOME_FAILED)


def show_sweeps(folders: Sequence[Path], figures: str = "png", form: DataFormat = DataFormat.TABLE) -> bool:
    """Print what stands in stores, without simulating; True if members failed. Figures of sweeps are drawn here."""
    from backfire.reports import sweep_data
    from backfire.sweeps import store

    summaries = [(folder, store.summarise(folder)) for folder in folders]
    if form is DataFormat.JSON:
        print_json([sweep_data(folder, summary) for folder, summary in summaries])
    for folder, summary in summaries:
        _show(folder, summary, figures, form)
    return any(summary["failed_rows"] for _, summary in summaries)


def _show(folder: Path, summary: Mapping[str, Any], figures: str, form: DataFormat) -> None:
    from backfire.reports import sweep_sections

    for section in sweep_sections(folder, summary) if form is DataFormat.TABLE else ():
        print_section(section)
    if summary["failed_rows"]:
        say(f"{summary['failed_members']} members failed ({summary['failed_rows']} rows); `reason` in the table says why")
    if summary["stored"] < summary["members"]:
        say(f"{folder} is not complete: `backfire sweep … --resume` goes on with it")
    _draw(folder, summary, figures)


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
    form: Form = OutputFormat.TABLE,
) -> None:
    """Compute one member of a stored sweep again and compare it with its row, bit for bit."""
    from backfire import sweeps

    rows, manifest = sweeps.rerun(folder, member, arm, own or ())
    for line in sweeps.code_differs(manifest):
        say(f"warning: changed since the sweep: {line}")
    heads = ("column", "stored", "computed again", "same")
    tables = [
        (row, [(name, row.stored[name], row.computed[name], name not in row.different) for name in row.stored]) for row in rows
    ]
    if form is OutputFormat.TABLE:
        for row, cells in tables:
            write_line(f"member {row.member}, {row.arm}: {'different' if row.different else 'bit-identical'}")
            print_table([heads, *((name, _shown(old), _shown(new), "yes" if same else "no") for name, old, new, same in cells)])
    else:
        listed = [(row.member, row.arm, *cell) for row, cells in tables for cell in cells]
        print_listing([("member", "arm", *heads), *listed], form)
    different = sum(bool(row.different) for row in rows)
    if different:
        say(f"{different} of {len(rows)} rows are different")
        raise typer.Exit(SOME_FAILED)


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


@command(place=120)
def sweeps(form: Form = OutputFormat.TABLE) -> None:
    """List the shipped sweep studies."""
    from backfire.sweeps import load_sweep, shipped_sweeps

    studies = [load_sweep(name) for name in shipped_sweeps()]
    rows = [(item.name, item.scenario.name, item.design.kind, item.design.members, item.title) for item in studies]
    print_listing([("study", "scenario", "design", "members", "title"), *rows], form)


@contextlib.contextmanager
def _resumable(folder: Path, command: str) -> Iterator[None]:
    """Say how to go on when somebody or something ends the sweep, and what is stored if anything is."""
    from backfire.errors import BackendLostError, StorageError

    try:
        yield
    except (KeyboardInterrupt, SystemExit) as ended:
        code = 130 if isinstance(ended, KeyboardInterrupt) else ended.code
        say(f"interrupted; {_go_on(folder, f'Go on with: {command}') or 'nothing is stored'}")
        raise typer.Exit(int(str(code))) from None
    except (BackendLostError, StorageError):
        if sentence := _go_on(folder, f"When that is mended, go on with: {command}"):
            say(sentence)
        raise


def _go_on(folder: Path, how: str) -> str:
    """What holds of an unfinished store, and how to go on; empty if it is not there yet."""
    if not (folder / "resolved.json").exists():
        return ""
    return f"what is stored is whole. {how}" if any((folder / "chunks").glob("*.parquet")) else how
