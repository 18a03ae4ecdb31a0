"""The command ``backfire claims``: the scorecard of articles or of own claims, its robustness, its figures and tables."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfire.cli.commands import (
    SOME_FAILED,
    FigureFormat,
    FigureFormats,
    MechanismFiles,
    Workers,
    capped,
    command,
    complete_claims,
)
from backfire.cli.terminal import print_json, print_table, progress, say, write_line, write_prose
from backfire.errors import UserError

if TYPE_CHECKING:
    from backfire.claims import BoxSample, Report

EXPLAINED = 512
"""Samples behind ``--explain`` if no number is given."""


class ClaimsFormat(StrEnum):
    """How the scorecard is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


Explained = Annotated[
    str | None, typer.Option("--explain", metavar="ID", help="one claim with its arms, numbers and what decides it")
]
Sampled = Annotated[
    int | None, typer.Option("--robustness", metavar="N", help="sample the box of plausible parameters, N a power of two")
]
Boxed = Annotated[
    float | None, typer.Option(metavar="FACTOR", help="a box of ± this factor around every value, not the plausible ranges")
]
Populations = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="also over the tumours that `backfire population` wrote to this folder; may be repeated"),
]


@command(place=100)
def claims(
    claims: Annotated[
        list[str] | None,
        typer.Argument(
            help="articles by name, or claims files of your own; all articles if left out",
            show_default=False,
            autocompletion=complete_claims,
        ),
    ] = None,
    explain_id: Explained = None,
    samples: Sampled = None,
    seed: Annotated[int, typer.Option(help="of the samples")] = 0,
    box: Boxed = None,
    forms: Annotated[
        bool | None, typer.Option("--forms/--no-forms", help="also other forms of the equations (as --robustness does)")
    ] = None,
    population: Populations = None,
    workers: Workers = None,
    out: Annotated[Path | None, typer.Option(help="folder for claims.csv, claims.json and claims.png")] = None,
    form: Annotated[
        ClaimsFormat, typer.Option("--format", help="how to print; markdown: the table of the articles, or of your claims")
    ] = ClaimsFormat.TABLE,
    figures: FigureFormats = FigureFormat.PNG,
    own: MechanismFiles = None,
) -> None:
    """Check what articles state, or what you claim, against the models: a verdict and a margin for every claim."""
    from backfire.claims import evaluate_claims
    from backfire.populations import read_population
    from backfire.system import require_writable

    sample = _sample(samples, seed, box, explained=explain_id is not None)
    tried, only = (sample is not None) if forms is None else forms, None if explain_id is None else [explain_id]
    if out is not None:
        require_writable(out, folder=True)
    over = [read_population(folder, own or ()) for folder in population or ()]
    with progress(None) as advance:
        known = evaluate_claims(
            claims or (),
            sample,
            tried,
            capped(workers),
            only,
            progress=advance,
            notify=say,
            mechanisms=own or (),
            populations=over,
        )  # fmt: skip
    if explain_id is not None:
        _print(known, form, explain_id)
        return
    written = []
    if out is not None:
        from backfire.reports import save_claims

        written = save_claims(known, out, figures)
    _print(known, form)
    for path in written:
        say(f"written: {path}")
    _end_if_broken(known)


def _end_if_broken(known: Report) -> None:
    """Say which claims do not hold that must, and which could not be computed; if any, the exit code says so too."""
    from backfire.claims import broken_claims

    broken = broken_claims(known)
    for words in broken:
        say(words)
    if broken:
        raise typer.Exit(SOME_FAILED)


def _sample(samples: int | None, seed: int, box: float | None, explained: bool) -> BoxSample | None:
    from backfire.claims import BoxSample

    if samples is None and not explained:
        if box is not None or seed != 0:
            raise UserError("--box and --seed belong to --robustness N, for example --robustness 1024 --box 2")
        return None
    return BoxSample(EXPLAINED if samples is None else samples, seed, box)


def _print(known: Report, form: ClaimsFormat, explained: str | None = None) -> None:
    from backfire.claims import scorecard

    if explained is not None and form is ClaimsFormat.TABLE:
        write_prose(scorecard.explain_claim(known, explained), hanging=" " * 12)
    elif form is ClaimsFormat.JSON:
        print_json(scorecard.as_data(known))
    elif form is ClaimsFormat.CSV:
        write_line(scorecard.as_csv(known).rstrip("\n"))
    elif form is ClaimsFormat.MARKDOWN:
        write_line(scorecard.as_markdown(known))
    else:
        long = known.sample is not None or bool(known.populations) or bool(known.variants)
        for article in [article.name for article in known.articles] if long else [None]:
            if article is not None:
                write_line(f"\n{article}")
            heads, rows = scorecard.table(known, article)
            print_table([heads, *rows])
        write_prose(scorecard.summary_line(known))
