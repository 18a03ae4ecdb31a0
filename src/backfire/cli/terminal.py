"""What the command line shows: outcome tables, progress, messages. Data goes to stdout, messages to stderr.

Rich is imported by the functions that draw with it, so that ``--help`` is fast.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from backfire.reports import Section
    from backfire.simulation import Result


class OutcomeFormat(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def print_results(results: Sequence[Result], form: OutcomeFormat) -> None:
    """Outcomes of runs in the form asked for."""
    from backfire import reports
    from backfire.system import to_json

    if form is OutcomeFormat.JSON:
        write_line(to_json(reports.results_data(results)).rstrip("\n"))
    elif form is OutcomeFormat.CSV:
        write_line(reports.results_csv(results))
    else:
        for result in results:
            print_section(reports.outcome_section(result))


def print_section(section: Section) -> None:
    """Title, table and lines of a section, as far as it has them."""
    if section.title:
        write_line(section.title)
    if section.rows:
        print_table(section.rows[0], section.rows[1:], section.numbers)
    for line in section.lines:
        write_line(line)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 150
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = False) -> None:
    """A table on stdout; ``numbers`` puts all columns but the first to the right."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if numbers and index else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    _console().print(table)


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


def write_line(text: str) -> None:
    """Data, to stdout."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """A message, to stderr."""
    sys.stderr.write(text + "\n")
