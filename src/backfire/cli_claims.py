"""The command ``backfire claims``: the board, its firmness, its figures and tables."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfire.errors import UserError
from backfire.terminal import print_table, progress, say, write_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backfire.claim_board import Report
    from backfire.claim_forms import Formed
    from backfire.claim_seeds import Seed
    from backfire.robustness import Design, Robustness
    from backfire.scenario import Scenario

EXPLAINED = 512
"""Samples behind ``--explain`` if no number is given."""


class BoardFormat(StrEnum):
    """How the board is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


def claims(
    articles: Annotated[list[str] | None, typer.Argument(help="articles by name; all if left out", show_default=False)] = None,
    explain_id: Annotated[
        str | None, typer.Option("--explain", metavar="ID", help="one claim with its arms, numbers and what decides it")
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--robustness", metavar="N", help="sample the box of plausible parameters, N a power of two")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the samples")] = 0,
    box: Annotated[
        float | None, typer.Option(metavar="FACTOR", help="a box of ± this factor around every value, not the plausible ranges")
    ] = None,
    forms: Annotated[
        bool | None, typer.Option("--forms/--no-forms", help="also other forms of the equations (as --robustness does)")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder for claims.csv, claims.json and claims.png")] = None,
    form: Annotated[
        BoardFormat, typer.Option("--format", help="how to print; markdown: the table of the articles")
    ] = BoardFormat.TABLE,
) -> None:
    """Check what the articles state against the models: a verdict and a margin for every claim."""
    from backfire import claim_board as boards
    from backfire.claim_seeds import find_claim, load_seeds
    from backfire.claims import calibrated_failures
    from backfire.robustness import Box, Design

    seeds = load_seeds(articles or ())
    design = None if samples is None else Design(samples, seed, Box(box))
    if design is None and (box is not None or seed != 0) and explain_id is None:
        raise UserError("--box and --seed belong to --robustness N, for example --robustness 1024 --box 2")
    if explain_id is not None:
        find_claim(seeds, explain_id)
        plan = design or Design(EXPLAINED, seed, Box(box))
        write_line(boards.explain_claim(_board(seeds, plan, forms is not False, [explain_id]), explain_id))
        return
    known = _board(seeds, design, (design is not None) if forms is None else forms)
    _print(known, form)
    if out is not None:
        _write(known, out)
    if calibrated_failures(known.findings):
        raise typer.Exit(1)


def _board(seeds: Sequence[Seed], design: Design | None, forms: bool, only: Sequence[str] | None = None) -> Report:
    """The board with as much of its firmness as asked for; claims that cannot be evaluated are not sampled."""
    from backfire.claim_board import Report
    from backfire.claim_forms import FORMS
    from backfire.claims import Board
    from backfire.scenario import load
    from backfire.verdicts import Verdict

    wanted = [name for seed in seeds for name in seed.claims if only is None or name in only]
    if design is not None:
        say("models that this machine has not seen are compiled once, some seconds each")
    scenarios = {
        name: load(name) for name in dict.fromkeys(s.scenario_of(claim) for s in seeds for claim in s.claims if claim in wanted)
    }
    arms = sum(len(scenario.arms) for scenario in scenarios.values())
    steps = len(wanted) + (arms if design else 0) + (len(FORMS) * len(scenarios) if forms else 0)
    evaluation = Board(loaded=scenarios)
    findings = []
    with progress(steps) as advance:
        for seed in seeds:
            for name in (name for name in seed.claims if name in wanted):
                findings.append(evaluation.finding(seed, name))
                if advance is not None:
                    advance(name)
        possible = [item.claim.id for item in findings if item.verdict is not Verdict.ERROR]
        firm, other = _measured(seeds, scenarios, design, forms, possible, advance)
    return Report(seeds, findings, design, firm, other, {name: scenario.hash for name, scenario in scenarios.items()})


def _measured(
    seeds: Sequence[Seed],
    scenarios: Mapping[str, Scenario],
    design: Design | None,
    forms: bool,
    only: Sequence[str],
    advance: Callable[[str], None] | None,
) -> tuple[dict[str, Robustness], dict[str, list[Formed]]]:
    """Shares of the box and verdicts under other forms, by id, as far as asked for."""
    from backfire.claim_forms import FORMS, other_forms
    from backfire.robustness import robustness

    firm = robustness(seeds, design, only, scenarios, progress=advance) if design else {}
    return firm, other_forms(seeds, only, FORMS, scenarios, progress=advance) if forms else {}


def _print(known: Report, form: BoardFormat) -> None:
    from backfire import claim_board as boards
    from backfire.runs import to_json

    if form is BoardFormat.JSON:
        write_line(to_json(boards.as_data(known)).rstrip("\n"))
    elif form is BoardFormat.CSV:
        write_line(boards.as_csv(known).rstrip("\n"))
    elif form is BoardFormat.MARKDOWN:
        write_line(boards.articles_table(known))
    else:
        firm = known.design is not None or bool(known.forms)
        for article in [seed.name for seed in known.seeds] if firm else [None]:
            if article is not None:
                write_line(f"\n{article}")
            print_table(*boards.table(known, article))
        write_line(boards.summary_line(known))


def _write(known: Report, out: Path) -> None:
    from backfire import claim_board as boards
    from backfire.claims_plot import article_page, overview
    from backfire.runs import to_json, write_file
    from backfire.style import png

    out.mkdir(parents=True, exist_ok=True)
    written: dict[str, str | bytes] = {
        "claims.csv": boards.as_csv(known),
        "claims.json": to_json(boards.as_data(known)),
        "claims.png": png(overview(known) if len(known.seeds) > 1 else article_page(known, known.seeds[0].name)),
    }
    if len(known.seeds) > 1:
        written |= {f"claims-{seed.name}.png": png(article_page(known, seed.name)) for seed in known.seeds}
    for name, content in written.items():
        write_file(out / name, content)
        say(f"written: {out / name}")
