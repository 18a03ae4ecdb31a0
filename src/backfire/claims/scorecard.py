"""The scorecard of the claims as rows, CSV, JSON, text and Markdown: what ``backfire claims`` shows."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any

from backfire.claims.articles import ROLES, Article, find_claim
from backfire.claims.evaluation import Finding, Report
from backfire.claims.filtering import SCREENED, BoxSample, Robustness
from backfire.claims.plausible import NEARLY_ALL, OverPopulation, PlausibleShare
from backfire.claims.verdict import VERDICTS, Verdict
from backfire.errors import UserError
from backfire.model import ARTICLES, CAUTION, version


def margin_text(margin: float) -> str:
    """A margin to three decimals, rounded to what can be told apart; empty without a verdict."""
    return "" if math.isnan(margin) else f"{margin:+.3f}"


def rows(known: Report) -> list[dict[str, Any]]:
    """One row per claim, ready to keep; columns on robustness and variants only where they were asked for.

    Numbers are numbers, NaN where there is none; several things in one cell are lists.
    """
    made_rows = []
    for item in known.findings:
        article = find_claim(known.articles, item.claim.id)
        row: dict[str, Any] = {
            "id": item.claim.id,
            "label": item.claim.label,
            "article": item.article,
            "scenario": article.scenario_of(item.claim.id),
            "role": item.claim.role,
            "verdict": item.verdict.value,
            "margin": item.margin,
        }
        if known.sample is not None:
            row |= _robustness_cells(known.robustness.get(item.claim.id))
        for over in known.populations:
            row |= _plausible_cells(over.shares.get(item.claim.id), f"_{over.name}" if len(known.populations) > 1 else "")
        if known.variants:
            row |= _variant_cells(known, item)
        row |= {
            "statement": item.claim.statement,
            "check": " ".join(item.claim.check.split()),
            "where": item.claim.where,
            "reason": item.reason or item.claim.note,
            "fragile": item.claim.fragile,
        }
        made_rows.append(row)
    return made_rows


def _robustness_cells(item: Robustness | None) -> dict[str, Any]:
    counted = [verdict.value.replace(" ", "_") for verdict in VERDICTS]
    words = ["share", "share_low", "share_high", "samples", *counted, "median_margin", "decided_by", "turned_by"]
    if item is None:
        return {word: [] if word.endswith("_by") else math.nan for word in words}
    numbers = [item.share, item.low, item.high, item.samples, *(item.counts[verdict] for verdict in VERDICTS)]
    turned = [f"{name} = {value:.4g}: {verdict.value}" for name, value, verdict in item.turned_by]
    return dict(zip(words, [*numbers, item.median_margin, [str(part) for part in item.deciding], turned], strict=True))


def _plausible_cells(item: PlausibleShare | None, of: str) -> dict[str, Any]:
    words = ("share", "low", "high", "tumours_worth", "median_margin")
    numbers = (math.nan,) * 5 if item is None else (item.share, item.low, item.high, item.effective, item.median_margin)
    cells: dict[str, Any] = {f"plausible_{word}{of}": value for word, value in zip(words, numbers, strict=True)}
    return cells | {f"plausible{of}": "" if item is None else item.word}


def _variant_cells(known: Report, item: Finding) -> dict[str, Any]:
    tried = [result for result in known.variants.get(item.claim.id, ()) if result.verdict is not None]
    turned = known.flips(item)
    listed = [f"{flip.variant.label}: {flip.verdict} {margin_text(flip.margin)}".strip() for flip in turned]
    return {"forms_tried": len(tried), "forms_flipped": len(turned), "flips": listed}


def as_csv(known: Report) -> str:
    """The scorecard as CSV."""
    made_rows = rows(known)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(made_rows[0]) if made_rows else ["id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({word: _cell(word, value) for word, value in row.items()} for row in made_rows)
    return text.getvalue()


def _cell(word: str, value: Any) -> str:
    """A value as CSV shows it: margins with sign and three decimals, shares with four."""
    if isinstance(value, list):
        return "; ".join(value)
    if isinstance(value, float):
        return margin_text(value) if word.endswith("margin") else "" if math.isnan(value) else f"{value:.4f}"
    return str(value)


def as_data(known: Report) -> dict[str, Any]:
    """The scorecard with everything needed to make it again, as plain data for JSON."""
    sample = known.sample
    about: dict[str, Any] = {"backfire": version(), "caution": CAUTION, "scenarios": dict(known.hashes)}
    if sample is not None:
        about["design"] = {"samples": sample.samples, "seed": sample.seed, "box": sample.box, "box_factor": sample.factor}
        about["share"] = "holding samples over all samples; interval: Wilson 95 %, nominal for Sobol samples"
    if known.populations:
        about["populations"] = [
            {"name": over.name, "folder": str(over.tumours.folder), "tumours": len(over.tumours), "worth": over.tumours.effective}
            for over in known.populations
        ]
        about["plausible_share"] = "tumours in which it holds over all tumours, by weight; interval: Wilson 95 % of those worth"
    if known.variants:
        about["forms"] = [item.variant.label for item in next(iter(known.variants.values()))]
    return {"about": about, "claims": rows(known)}


def table(known: Report, article: str | None = None) -> tuple[tuple[str, ...], list[list[str]]]:
    """Heads and rows of the scorecard as a terminal shows it: of one article, or of all."""
    chosen = [item for item in known.findings if article in (None, item.article)]
    columns = _columns(known)
    if not columns:
        shown = ("id", "article", "role", "verdict", "margin", "statement")
        return shown, [[_cell(head, row[head]) for head in shown] for row in rows(known) if article in (None, row["article"])]
    told: dict[str, Callable[[Finding], str]] = {"id": lambda item: item.claim.id}
    if any(item.claim.label for item in chosen):
        told["in short"] = lambda item: item.claim.label
    told["role"] = lambda item: item.claim.role
    told["verdict"] = lambda item: item.verdict.value
    told["margin"] = lambda item: margin_text(item.margin)
    told |= columns
    return tuple(told), [[cell(item) for cell in told.values()] for item in chosen]


def _columns(known: Report) -> dict[str, Callable[[Finding], str]]:
    """What stands beside verdict and margin, by its head: as much as was asked for."""
    columns: dict[str, Callable[[Finding], str]] = {}
    for over in known.populations:
        columns["plausible tumours" if len(known.populations) == 1 else over.name] = partial(_share_cell, over)
    if known.populations:
        columns["so it"] = partial(_so_it, known)
    if known.sample is not None or known.variants:
        robust = known.robustness
        columns["share of the box"] = lambda item: share_text(robust[item.claim.id]) if item.claim.id in robust else "–"
        columns["decided by"] = lambda item: (
            ", ".join(part.direction for part in robust[item.claim.id].deciding) if item.claim.id in robust else "–"
        )
        columns["flips under"] = lambda item: ", ".join(flip.variant.label for flip in known.flips(item))
    return columns


def _share_cell(over: OverPopulation, item: Finding) -> str:
    return share_text(over.shares[item.claim.id]) if item.claim.id in over.shares else "–"


def _so_it(known: Report, item: Finding) -> str:
    """What follows from the populations; where they disagree, that they do, and in which alone it follows or is excluded."""
    words = {over.name: over.shares[item.claim.id].word for over in known.populations if item.claim.id in over.shares}
    for word in ("follows", "excluded"):
        if len(alone := [name for name, found in words.items() if found == word]) == 1 and len(words) > 1:
            return f"{word} only in {alone[0]}"
    return next(iter(words.values())) if len({*words.values()}) == 1 else "depends on which" if words else ""


def share_text(item: Robustness | PlausibleShare) -> str:
    """A share with its interval, to two decimals: 0.44 [0.41–0.47]; a dash where nothing can be said."""
    return "–" if math.isnan(item.share) else f"{item.share:.2f} [{item.low:.2f}–{item.high:.2f}]"


def summary_line(known: Report) -> str:
    """How many claims came to which verdict, by role; how the box was sampled, if it was."""
    findings = known.findings
    counts = Counter((item.claim.role, item.verdict.value) for item in findings)
    listed = ", ".join(f"{count} {role} {verdict}" for (role, verdict), count in sorted(counts.items()))
    line = f"{len(findings)} claims: {listed}. Margins are natural logarithms of the ratio to the turning point. {CAUTION}."
    if known.sample is not None:
        line += (
            f"\nShare: samples in which the claim holds, of {known.sample}. In brackets Wilson's 95 % interval, nominal for"
            " Sobol samples.\nDecided by: largest Kolmogorov-Smirnov distances between holding and other samples, p < 0.05"
            " after Holm: a screening. ↑ holds rather at higher values, ↓ at lower."
        )
    for over in known.populations:
        line += (
            f"\nPlausible tumours: share of the {len(over.tumours)} tumours of {over.tumours.folder}, worth"
            f" {over.tumours.effective:.0f} independent ones, in which the claim holds, with Wilson's 95 % interval."
        )
    if known.populations:
        line += (
            f" It follows where the interval lies above {NEARLY_ALL}, is excluded where below {1 - NEARLY_ALL:.2g}, else open."
        )
    if known.variants:
        turned = sum(bool(known.flips(item)) for item in findings)
        line += f"\n{turned} of {len(findings)} claims flip under at least one other form of the equations."
    return line


def as_markdown(known: Report) -> str:
    """The table of the articles in Markdown, and for each file of own claims a table of these."""
    own = [item for item in known.articles if not isinstance(item, Article)]
    tables = [articles_table(known)] if len(own) < len(known.articles) else []
    for item in own:
        heads, *body = _plain_rows(known, item.name)
        lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in (heads, *body)]
        tables.append("\n".join([f"**{item.title}**", "", lines[0], "|" + "---|" * len(heads), *lines[1:]]))
    return "\n\n".join(tables)


def _plain_rows(known: Report, article: str) -> list[list[str]]:
    """Heads and rows of one file's claims: statement, verdict, margin, and share of the box if it was sampled."""
    heads = ["id", "statement", "role", "verdict", "margin", *(["share"] if known.sample is not None else [])]
    return [heads, *([_cell(head, row[head]) for head in heads] for row in rows(known) if row["article"] == article)]


def articles_table(known: Report) -> str:
    """The table of the articles as Markdown: what each is about, and how many of its claims hold.

    With a sampled box a column gives the median share of its claims, structural ones aside, and the lowest.
    """
    heads = ["scenario", "the drug", "the answer to it", "what blocks it", "primary paper", "claims that hold"]
    heads += [f"share of the box, {known.sample.samples} samples"] if known.sample is not None else []
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for article in (item for item in known.articles if isinstance(item, Article)):
        reference, story = ARTICLES[article.file.article], article.file.story
        paper = f"{reference.authors} {reference.year}, *{reference.journal}*"
        paper += f", [{reference.doi}](https://doi.org/{reference.doi})" if reference.doi else ""
        own = [item for item in known.findings if item.article == article.name]
        cells = [f"`{article.file.scenario}`", story.drug, story.answer, story.blocked_by, paper, _holding(own)]
        if known.sample is not None:
            shares = [
                known.robustness[item.claim.id].share
                for item in own
                if item.claim.id in known.robustness and item.claim.role != "structural"
            ]
            cells.append(f"median {median(shares):.2f}, lowest {min(shares):.2f}" if shares else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _holding(findings: Iterable[Finding]) -> str:
    parts = []
    for role in ROLES:
        own = [item for item in findings if item.claim.role == role]
        holding = sum(item.verdict is Verdict.HOLDS for item in own)
        parts.append(f"{holding} of {len(own)} {role}")
    return ", ".join(parts)


def explain_claim(known: Report, identifier: str) -> str:
    """One claim in full: statement, source, check, the numbers of every arm it reads, and what decides it."""
    article = find_claim(known.articles, identifier)
    item = next((found for found in known.findings if found.claim.id == identifier), None)
    if item is None:
        raise UserError(f"claim {identifier} was not evaluated")
    lines = [
        f"{identifier}  {item.claim.statement}",
        _line("article" if isinstance(article, Article) else "file", article.title),
        *([_line("in short", item.claim.label)] if item.claim.label else []),
        *([_line("where", item.claim.where)] if item.claim.where else []),
        _line("role", item.claim.role),
        _line("scenario", article.scenario_of(identifier)),
        _line("check", " ".join(item.claim.check.split())),
        *(_line("", f"{ref} = {value:.6g}") for ref, value in item.readings.items()),
        _line("verdict", item.verdict.value + ("" if math.isnan(item.margin) else f", margin {margin_text(item.margin)}")),
    ]
    lines += [_line("reason", item.reason)] if item.reason else []
    lines += [_line("about", ", ".join(item.claim.names))] if item.claim.names else []
    for over in known.populations:
        if found := over.shares.get(identifier):
            told = f"{found.word}: holds in {share_text(found)} of {over.name}, worth {found.effective:.0f} tumours"
            lines.append(_line("plausible", told))
    if identifier in known.robustness:
        lines += _robustness_lines(known.robustness[identifier], known.sample or BoxSample())
    if identifier in known.variants:
        lines += _variant_lines(known, item)
    lines += [_line("note", item.claim.note)] if item.claim.note else []
    lines += [_line("fragile", item.claim.fragile)] if item.claim.fragile else []
    return "\n".join([*lines, f"  {CAUTION}"])


def _line(word: str, text: object) -> str:
    return f"  {word:<9} {text}"


def _robustness_lines(robust: Robustness, sample: BoxSample) -> Iterable[str]:
    yield _line("share", f"holds in {share_text(robust)} of {sample}")
    counted = ", ".join(f"{robust.counts[verdict]} {verdict.value}" for verdict in VERDICTS if robust.counts[verdict])
    yield _line("", counted)
    if len(robust.broken) > 1:
        yield _line("fails at", "samples by the comparison that fails most clearly")
        for comparison, times in robust.broken.items():
            yield _line("", f"{times}  {comparison}")
    if robust.deciding:
        yield _line("decided", "by (Kolmogorov-Smirnov distance; p after Holm; a screening)")
    for part in robust.deciding:
        towards = "higher" if part.higher else "lower"
        yield _line("", f"{part.parameter}: holds rather at {towards} values ({part.statistic:.2f}; p {_chance(part.chance)})")
    if not robust.deciding:
        few = f"; it takes {SCREENED} samples" if robust.samples < SCREENED else ""
        yield _line("decided", f"by no single parameter that this screening can see{few}")
    if robust.turned_by:
        yield _line("turned", "by one parameter alone at an end of the box")
    for name, value, verdict in robust.turned_by:
        yield _line("", f"{name} = {value:.4g}: {verdict.value}")


def _chance(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _variant_lines(known: Report, item: Finding) -> Iterable[str]:
    turned, results = known.flips(item), known.variants[item.claim.id]
    tried = sum(result.verdict is not None for result in results)
    yield _line("forms", f"{tried} other forms of the equations tried, {len(turned)} turn it over")
    for flip in turned:
        yield _line("", f"{flip.variant.label}: {flip.verdict} {margin_text(flip.margin)} {flip.reason}".rstrip())
    for result in results:
        if result.skipped == "impossible":
            yield _line("", f"{result.variant.label}: skipped, {result.reason}")
