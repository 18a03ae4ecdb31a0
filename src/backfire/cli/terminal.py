"""What the command line shows: outcome tables, progress, messages. Data goes to stdout, messages to stderr.

Rich is imported by the functions that draw with it, so that ``--help`` is fast.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from backfire.formatting import number

if TYPE_CHECKING:
    from rich.console import Console

    from backfire.outcomes import Outcome
    from backfire.simulation import Result


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def print_results(results: Sequence[Result], form: Format) -> None:
    """Outcomes of runs in the form asked for."""
    if form is Format.JSON:
        from backfire.system import to_json

        write_line(
            to_json(
                [{"scenario": r.scenario.name, "hash": r.scenario.hash, "outcomes": r.outcome_rows()} for r in results]
            ).rstrip("\n")
        )
    elif form is Format.CSV:
        from backfire.simulation import outcomes_csv

        for index, result in enumerate(results):
            lines = outcomes_csv(result).splitlines()
            rows = [f"{'scenario' if number == 0 else result.scenario.name},{line}" for number, line in enumerate(lines)]
            write_line("\n".join(rows if index == 0 else rows[1:]))
    else:
        for result in results:
            _print_outcomes(result)


def _print_outcomes(result: Result) -> None:
    """One table: outcomes down, arms across; below each value its change against untreated and reference."""
    from backfire.model import CAUTION
    from backfire.outcomes import in_table

    scenario = result.scenario
    names = list(dict.fromkeys(name for found in result.outcomes.values() for name in found))
    shown = [name for name in names if in_table(name, names)]
    rows = []
    for name in shown:
        unit = next(found[name].unit for found in result.outcomes.values() if name in found)
        cells = [_outcome_cell(result, arm, name) for arm in result.outcomes]
        rows.append((f"{name.replace('_', ' ')}\n  {'' if unit == '1' else unit}".rstrip(), *cells))
    write_line(scenario.title)
    print_table(("", *(arm.replace("_", " ") for arm in result.outcomes)), rows, numbers=True)
    against = f", then against {scenario.reference}" if scenario.reference else ""
    write_line(f"below each value: against untreated{against} (× ratio, days as difference).")
    write_line("Times and falls count from the first treatment of any arm; > not seen until then.")
    write_line(f"{CAUTION} · scenario {scenario.name} {scenario.hash}\n")


def _outcome_cell(result: Result, arm: str, name: str) -> str:
    item = result.outcomes[arm].get(name)
    if item is None or not math.isfinite(item.value):
        return "–"
    others = (result.scenario.untreated, result.scenario.reference)
    changes = [_change_text(item, result.change(name, arm, other)) for other in others if other is not None]
    return f"{item.text}\n{'  '.join(change or '·' for change in changes) if any(changes) else ''}"


def _change_text(item: Outcome, change: float | None) -> str:
    from backfire.outcomes import declared

    if change is None or declared(item.name).kind == "yes":
        return ""
    return f"{round(change, 3) + 0.0:+.3g}" if item.unit == "day" else f"×{number(change)}"


def report_failures(result: Result) -> int:
    """Say which arms failed and why; gives how many."""
    failed = 0
    for arm, item in result.trajectories.items():
        if not item.status.good:
            failed += 1
            say(f"failed: {result.scenario.name}: {arm}: {item.status.word}: {item.message}")
    return failed


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
