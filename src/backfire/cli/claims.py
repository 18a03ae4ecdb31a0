"""The command ``backfire claims``: the board, its firmness, its figures and tables."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backfire.cli.terminal import print_table, progress, say, write_line
from backfire.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from backfire.claims import Design, Finding, Formed, Report, Robustness, Seed, Trial
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
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="worker processes for other forms; all cores if left out, 0 for none", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder for claims.csv, claims.json and claims.png")] = None,
    form: Annotated[
        BoardFormat, typer.Option("--format", help="how to print; markdown: the table of the articles")
    ] = BoardFormat.TABLE,
) -> None:
    """Check what the articles state against the models: a verdict and a margin for every claim."""
    from backfire.claims import Box, Design, calibrated_failures, find_claim, load_seeds, scorecard

    seeds = load_seeds(articles or ())
    design = None if samples is None else Design(samples, seed, Box(box))
    if design is None and (box is not None or seed != 0) and explain_id is None:
        raise UserError("--box and --seed belong to --robustness N, for example --robustness 1024 --box 2")
    if explain_id is not None:
        find_claim(seeds, explain_id)
        plan = design or Design(EXPLAINED, seed, Box(box))
        write_line(scorecard.explain_claim(_board(seeds, plan, forms is not False, workers, [explain_id]), explain_id))
        return
    known = _board(seeds, design, (design is not None) if forms is None else forms, workers)
    _print(known, form)
    if out is not None:
        _write(known, out)
    if calibrated_failures(known.findings):
        raise typer.Exit(1)


def _board(
    seeds: Sequence[Seed], design: Design | None, forms: bool, workers: int | None = None, only: Sequence[str] | None = None
) -> Report:
    """The board with as much of its firmness as asked for; claims that cannot be evaluated are not sampled."""
    from backfire.claims import FORMS, Report, crew
    from backfire.scenario import load

    wanted = {seed.name: [name for name in seed.claims if only is None or name in only] for seed in seeds}
    asked = list(dict.fromkeys(seed.scenario_of(name) for seed in seeds for name in wanted[seed.name]))
    scenarios = {name: load(name) for name in asked}
    if design is not None or forms:
        _say_what_compiles(scenarios)
    arms = sum(len(scenario.arms) for scenario in scenarios.values())
    claims = sum(len(names) for names in wanted.values())
    steps = claims + (arms if design else 0) + (len(FORMS) * len(scenarios) if forms else 0)
    with progress(steps) as advance, crew(workers if forms else 0) as executor:
        findings, trials = _tried(seeds, wanted, scenarios, forms, executor, advance)
        firm, other = _measured(seeds, scenarios, design, trials, _possible(findings), advance)
    return Report(seeds, findings, design, firm, other, {name: scenario.hash for name, scenario in scenarios.items()})


def _say_what_compiles(scenarios: Mapping[str, Scenario]) -> None:
    """Name the scenarios that make this machine wait for the compiler."""
    from backfire.claims import has_to_compile, load_seeds

    every = [claim for seed in load_seeds() for _, claim in seed.claims.values()]
    if names := [name for name, scenario in scenarios.items() if has_to_compile(every, scenario)]:
        say(f"compiling {', '.join(names)} for this machine, once: some ten seconds each")


def _tried(
    seeds: Sequence[Seed],
    wanted: Mapping[str, Sequence[str]],
    scenarios: Mapping[str, Scenario],
    forms: bool,
    executor: Executor | None,
    advance: Callable[[str], None] | None,
) -> tuple[list[Finding], list[Trial]]:
    """The findings at default parameters, and other forms under way: those of an article begin when its claims are known."""
    from backfire.claims import Board, Trial

    evaluation = Board(loaded=scenarios)
    findings: list[Finding] = []
    trials = []
    for seed in seeds:
        own = []
        for name in wanted[seed.name]:
            own.append(evaluation.finding(seed, name))
            if advance is not None:
                advance(name)
        findings += own
        if forms:
            trials.append(Trial([seed], _possible(own), loaded=scenarios, executor=executor))
    return findings, trials


def _possible(findings: Sequence[Finding]) -> list[str]:
    """The claims that can be evaluated at all."""
    from backfire.claims import Verdict

    return [item.claim.id for item in findings if item.verdict is not Verdict.ERROR]


def _measured(
    seeds: Sequence[Seed],
    scenarios: Mapping[str, Scenario],
    design: Design | None,
    trials: Sequence[Trial],
    only: Sequence[str],
    advance: Callable[[str], None] | None,
) -> tuple[dict[str, Robustness], dict[str, list[Formed]]]:
    """Shares of the box and verdicts under other forms, by id, as far as asked for."""
    from backfire.claims import robustness

    firm = robustness(seeds, design, only, scenarios, progress=advance) if design else {}
    return firm, {name: formed for trial in trials for name, formed in trial.found(advance).items()}


def _print(known: Report, form: BoardFormat) -> None:
    from backfire.claims import scorecard
    from backfire.system import to_json

    if form is BoardFormat.JSON:
        write_line(to_json(scorecard.as_data(known)).rstrip("\n"))
    elif form is BoardFormat.CSV:
        write_line(scorecard.as_csv(known).rstrip("\n"))
    elif form is BoardFormat.MARKDOWN:
        write_line(scorecard.articles_table(known))
    else:
        firm = known.design is not None or bool(known.forms)
        for article in [seed.name for seed in known.seeds] if firm else [None]:
            if article is not None:
                write_line(f"\n{article}")
            print_table(*scorecard.table(known, article))
        write_line(scorecard.summary_line(known))


def _write(known: Report, out: Path) -> None:
    from backfire.claims import scorecard
    from backfire.figures import article_page, claims_overview, png
    from backfire.system import to_json, write_whole

    out.mkdir(parents=True, exist_ok=True)
    written: dict[str, str | bytes] = {
        "claims.csv": scorecard.as_csv(known),
        "claims.json": to_json(scorecard.as_data(known)),
        "claims.png": png(claims_overview(known) if len(known.seeds) > 1 else article_page(known, known.seeds[0].name)),
    }
    if len(known.seeds) > 1:
        written |= {f"claims-{seed.name}.png": png(article_page(known, seed.name)) for seed in known.seeds}
    for name, content in written.items():
        write_whole(out / name, content)
        say(f"written: {out / name}")
