"""What the command line shows: tables, data, progress, messages. Data goes to stdout, messages to stderr.

Rich is imported by the functions that draw with it, so that ``--help`` is fast.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

    from backfire.reports import Section
    from backfire.simulation import Result

UNWATCHED: Final = 150
"""Characters in a line of what no terminal shows."""


class OutputFormat(StrEnum):
    """How tables are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class DataFormat(StrEnum):
    """How several tables, or text and tables, are printed."""

    TABLE = "table"
    JSON = "json"


class _Patient:
    """A stream whose reader may leave: the rest goes nowhere, and the command goes on, with its files and its exit code."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            forget(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            forget(self._stream)


def forget(stream: TextIO) -> None:
    """Let what is still to come, also what the stream itself holds back, go nowhere, so that nobody complains again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def patient_streams() -> Iterator[None]:
    """stdout and stderr that may be closed from the start, or by their readers, and that show ? where they cannot show ×."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  a closed stream
        setattr(sys, name, stream)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Patient(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def print_results(results: Sequence[Result], form: OutputFormat) -> None:
    """Outcomes of runs in the form asked for."""
    from backfire import reports

    if form is OutputFormat.JSON:
        print_json(reports.results_data(results))
    elif form is OutputFormat.CSV:
        write_line(reports.results_csv(results))
    else:
        for result in results:
            print_section(reports.outcome_section(result))


def print_section(section: Section) -> None:
    """Title, table and lines of a section, as far as it has them."""
    if section.title:
        write_prose(section.title)
    if section.rows:
        print_table(section.rows, section.numbers)
    for line in section.lines:
        write_prose(line)


def print_listing(rows: Sequence[Sequence[Any]], form: OutputFormat | DataFormat) -> None:
    """A table, first the names of its columns, in the form asked for; in JSON and CSV names of two words get an underscore."""
    import csv
    import io

    from backfire.reports import as_records

    if form == OutputFormat.JSON:
        print_json(as_records(rows))
    elif form == OutputFormat.CSV:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([[head.replace(" ", "_") for head in rows[0]], *rows[1:]])
        write_line(text.getvalue().rstrip("\n"))
    else:
        print_table(rows)


def print_json(data: Any) -> None:
    """Data as strict JSON: whatever is listed or tabulated comes by here."""
    from backfire.system import to_json

    write_line(to_json(data).rstrip("\n"))


def print_table(rows: Sequence[Sequence[Any]], numbers: bool = False) -> None:
    """A table on stdout, first the names of its columns; ``numbers`` puts all columns but the first to the right.

    What is too wide is shown a few columns at a time, one block below the other.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from backfire.reports import cell_text, side_by_side

    heads, *body = [[cell_text(cell) for cell in row] for row in rows]
    width, edges, gap = terminal_width() or UNWATCHED, 2, 3
    for columns in side_by_side([heads, *body], width - edges, gap, rigid=numbers):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for index, size in columns.items():
            right = numbers and index > 0
            table.add_column(Text(heads[index]), justify="right" if right else "left", width=size, no_wrap=numbers)
        for row in body:
            table.add_row(*(Text(row[index]) for index in columns))
        _console(width=max(width, sum(columns.values()) + gap * (len(columns) - 1) + edges)).print(table)


def terminal_width() -> int | None:
    """Characters in a line of the terminal on stdout; None if there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _console(stderr: bool = False, width: int | None = None) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = width or (None if stream.isatty() else UNWATCHED)
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def progress(total: int | None) -> Iterator[Any]:
    """A progress bar on stderr while someone watches, nothing otherwise."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress

    with Progress(console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=total)

        def advance(what: str, total: int | None = total) -> None:
            bar.update(task, advance=1, description=what, total=total)

        yield advance


@contextlib.contextmanager
def watched(total: int, what: str = "members") -> Iterator[Callable[[int], None]]:
    """A progress bar for many things at once, with rate and time left, on stderr while someone watches."""
    if not sys.stderr.isatty():
        yield _unwatched
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, rate=what)

        def advance(count: int) -> None:
            bar.update(task, advance=count)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{what}, {speed:.4g} a second" if speed else what)

        yield advance


def _unwatched(_: int) -> None:
    """Nobody is there to see a bar move."""


def write_prose(text: str, hanging: str = "") -> None:
    """Sentences, to stdout; on a terminal no word is broken at its edge."""
    from backfire.reports import wrapped

    for line in text.split("\n"):
        for part in wrapped(line, terminal_width(), hanging):
            write_line(part)


def write_line(text: str) -> None:
    """Data, to stdout."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """A message, to stderr."""
    sys.stderr.write(text + "\n")
