"""Figures of the claims: all files side by side (``claims_overview``), or one with its statements (``article_page``).

Every claim is a row: its margin at default parameters, its share of the sampled box with the interval, and one square
per other form of the equations. Verdicts differ in shape as well as in colour, so that the figures work in grey.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backfire.claims import Article, ClaimSet, Finding, Report, Variant, Verdict
from backfire.errors import UserError, unknown
from backfire.figures.page import Page, set_ticks
from backfire.figures.style import FAINT, INK, SOFT, styled

_LOOKS: Final[dict[Verdict, dict[str, Any]]] = {
    Verdict.HOLDS: {"marker": "o", "color": "#0072B2", "markersize": 6.5},
    Verdict.FAILS: {"marker": "X", "color": "#D55E00", "markersize": 8},
    Verdict.INCONCLUSIVE: {"marker": "D", "color": "#6b6b6b", "markersize": 6, "markerfacecolor": "white"},
    Verdict.NOT_APPLICABLE: {"marker": "_", "color": "#6b6b6b", "markersize": 9, "markeredgewidth": 2},
    Verdict.ERROR: {"marker": "s", "color": "#000000", "markersize": 6},
}
_FORM_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "same": {"marker": "s", "color": "#8fb8d4", "markersize": 6.5, "markeredgewidth": 0},
    "flips": {"marker": "X", "color": "#D55E00", "markersize": 8, "markeredgecolor": "white", "markeredgewidth": 0.6},
    "skipped": {"marker": ".", "color": "#c4c4c4", "markersize": 3.5},
}
_SHORT: Final[dict[str, Callable[[str], str]]] = {
    "progression": lambda choice: f"progression × {float(choice):g}",
    "horizon": lambda choice: f"days × {float(choice):g}",
    "solver": lambda choice: f"{choice} solver" if choice == "cohort" else choice,
    "growth": lambda choice: f"{choice} growth",
    "response": lambda choice: f"{choice} response",
    "kill": lambda choice: f"{choice} kill",
}
LINEAR: Final = 0.1
"""Margins smaller than this are drawn on a linear scale, larger ones on a logarithmic one, either side of zero."""
ROW: Final = 0.215
TALL_ROW: Final = 0.46
HEAD: Final = 1.35
NAMES: Final = 3.85, 4.4
"""Inches: a row of the board, a row with its statement, the space for the names of forms above the rows, and that for the short
names of claims beside them, small and large."""
SIZES: Final = 10.5, 12.0
"""Size of these."""
WORDS: Final = 40
"""Letters of a statement on the board, where the claim has no short name."""
ACROSS: Final = 3
"""Articles side by side; two where shares and forms take their room."""


@styled()
def claims_overview(known: Report) -> Figure:
    """All articles and files of a report side by side, and a key, on a page as wide to high as a slide where nothing but margins
    is shown; raises UserError for one without claims."""
    if not known.findings:
        raise UserError("a board needs at least one claim")
    sets = {article.name: article for article in known.articles}
    articles = [*sets]
    own = {article: [item for item in known.findings if item.article == article] for article in articles}
    large = known.sample is None and not known.variants
    across = min(ACROSS if large else 2, len(articles) + 1)
    down = math.ceil((len(articles) + 1) / across)
    tallest = [
        max([len(own[name]) for name in articles[row * across : (row + 1) * across]] + [12 if known.variants else 6])
        for row in range(down)
    ]
    head = HEAD if known.variants else 0.65
    heights = [head + ROW * rows + 0.6 for rows in tallest]
    what = "What the articles state" if all(isinstance(item, Article) for item in known.articles) else "What is claimed"
    title = f"{what}, and how firmly the models hold it"
    width = 19.0 if known.variants else 7.2 * across + 0.5
    page = Page(title, known.hashes, (width, sum(heights) + 1.05), title_size=22 if large else 17)
    span = (page.width - 0.5) / across
    for index, article in enumerate([*articles, ""]):
        row, column = divmod(index, across)
        left, top = 0.35 + column * span, page.height - 0.7 - sum(heights[:row])
        if article:
            _title(page, sets[article], own[article], left, top, span)
            names = NAMES[large]
            _panel(page, known, own[article], left + names, top - head, span - names - 0.33, ROW, SIZES[large])
        else:
            _key(page, known, left + 0.2, top - 0.2, larger=2.0 * large)
    return page.figure


@styled()
def article_page(known: Report, article: str) -> Figure:
    """One article, or file, with every statement written out; raises UserError for one that is not in the report."""
    own = [item for item in known.findings if item.article == article]
    if not own:
        raise UserError(unknown("article", article, [item.name for item in known.articles]))
    left = 10.9 if any(item.claim.label for item in own) else 9.2
    size = (left + 9.8, 0.75 + HEAD + TALL_ROW * len(own) + 2.05)
    title = next(item.title for item in known.articles if item.name == article)
    page = Page(title or article, known.hashes, size, title_size=15)
    top = page.height - 0.45 - HEAD
    _panel(page, known, own, left, top, page.width - left - 0.3, TALL_ROW)
    look = (94, 9.2) if left > 10 else (118, 8.8)
    for row, item in enumerate(own):
        _statement(page, known, item, top - TALL_ROW * (row + 0.5), *look)
    _key(page, known, 0.3, top - TALL_ROW * len(own) - 0.62, wide=True)
    return page.figure


def _statement(page: Page, known: Report, item: Finding, middle: float, letters: int, size: float) -> None:
    """A statement on at most two lines of so many letters, and below it the parameters that decide; ``middle`` in inches."""
    lines = textwrap.wrap(item.claim.statement, letters)
    if len(lines) > 2:
        lines = [lines[0], textwrap.shorten(" ".join(lines[1:]), letters - 2, placeholder=" …")]
    firm = known.robustness.get(item.claim.id)
    deciding = [part.direction for part in firm.deciding] if firm else []
    below = f"decided by {', '.join(deciding)}" if deciding else ""
    place: dict[str, Any] = {"va": "center", "linespacing": 1.12}
    page.text(0.3, middle + (0.065 if below else 0.0), "\n".join(lines), fontsize=size, **place)
    page.text(0.3, middle - 0.09 - 0.065 * (len(lines) - 1), below, fontsize=7.4, color=SOFT, **place)


def _title(page: Page, article: ClaimSet, items: Sequence[Finding], left: float, top: float, span: float) -> None:
    """What it is, how many of its claims hold, and what it is about; ``left``, ``top`` and ``span`` in inches."""
    holding = sum(item.verdict is Verdict.HOLDS for item in items)
    page.text(left, top, article.name, fontsize=14, fontweight="bold", va="top")
    page.text(left + span - 0.33, top, f"{holding} of {len(items)} hold", fontsize=12, va="top", ha="right")
    about = textwrap.shorten(article.subject, 64, placeholder=" …")
    page.text(left, top - 0.28, about, fontsize=10, color=SOFT, va="top")


def _panel(
    page: Page, known: Report, items: Sequence[Finding], left: float, top: float, span: float, row: float, size: float = SIZES[0]
) -> None:
    """Margins, shares and forms of some claims; ``left``, ``top``, ``span`` and ``row`` in inches, ``size`` that of names."""
    forms = _columns(known, items)
    wide = row > ROW
    squares = (0.2 if wide else 0.175) * len(forms)
    shares = 0.0 if known.sample is None else 1.5 if wide else 1.05
    margins = span - squares - shares - 0.15 * bool(forms) - 0.2 * bool(shares)
    _margins(_rows(page, left, top, margins, row, len(items)), items, row, size)
    left += margins + 0.2
    if shares:
        _shares(_rows(page, left, top, shares, row, len(items)), known, items)
        left += shares + 0.15
    if forms:
        _squares(_rows(page, left, top, squares, row, len(items)), known, items, forms)


def _rows(page: Page, left: float, top: float, width: float, row: float, rows: int) -> Axes:
    """Axes with the first row at the ``top``, every other row shaded."""
    axes = page.axes(left, top - row * rows, width, row * rows)
    axes.set_ylim(rows - 0.5, -0.5)
    set_ticks(axes.yaxis)
    axes.spines["left"].set_visible(False)
    for line in range(0, rows, 2):
        axes.axhspan(line - 0.5, line + 0.5, color="#f4f4f4", zorder=0, linewidth=0)
    return axes


def _margins(axes: Axes, items: Sequence[Finding], row: float, size: float) -> None:
    """Margins from the turning point, on a symmetric logarithmic scale."""
    seen = [abs(item.margin) for item in items if math.isfinite(item.margin)]
    reach = max([1.0, *seen]) * 1.8
    low = min([0.0, *(item.margin for item in items if math.isfinite(item.margin))])
    axes.set_xscale("symlog", linthresh=LINEAR, linscale=0.5)
    axes.set_xlim(min(low * 1.8, -0.12) if low < 0 else -0.12, reach)
    axes.axvline(0, color=INK, linewidth=1.1, zorder=2)
    for index, item in enumerate(items):
        place = item.margin if math.isfinite(item.margin) else 0.0
        style = _LOOKS[item.verdict]
        axes.plot([0, place], [index, index], color=style["color"], linewidth=1.4, zorder=3)
        axes.plot([place], [index], **style, linestyle="none", zorder=5, clip_on=False)
        _name(axes, item, index, size, whole=row > ROW)
    some = (-10, -1, -0.1, 0, 0.1, 1, 10) if row > ROW else (-10, -1, 0, 1, 10)
    ticks = [tick for tick in some if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    set_ticks(axes.xaxis, ticks, lambda tick: f"{tick:+g}" if tick else "0")
    axes.grid(axis="x")
    axes.set_xlabel("margin (ln of the ratio to the turning point)" if row > ROW else "margin", fontsize=8.5, labelpad=1)


def _name(axes: Axes, item: Finding, index: int, size: float, whole: bool) -> None:
    """What a claim is called beside its row, and its id; without a short name the first words of a statement that is not there as
    a ``whole``."""
    colour = SOFT if item.claim.role == "structural" else INK
    slant = "italic" if item.claim.role == "predicted" else "normal"
    weight = "bold" if item.claim.must_have else "normal"
    beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "va": "center"}
    beside |= {"fontstyle": slant, "annotation_clip": False}
    words = item.claim.label
    if not words and not whole:
        words = textwrap.shorten(item.claim.statement, WORDS, placeholder=" …").rstrip(".")
    small = bool(words)
    axes.annotate(
        item.claim.id, (0, index), xytext=(-5, 0), fontsize=8 if small else 9, fontweight=weight,
        color=SOFT if small else colour, **beside,
    )  # fmt: skip
    if words:
        axes.annotate(words, (0, index), xytext=(-42, 0), fontsize=size, color=colour, **beside)


def _shares(axes: Axes, known: Report, items: Sequence[Finding]) -> None:
    """Share of the box with its interval; open below a half."""
    axes.set_xlim(-0.02, 1.02)
    axes.axvline(0.5, color=FAINT, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    for index, item in enumerate(items):
        firm = known.robustness.get(item.claim.id)
        if firm is None:
            axes.text(0.5, index, "–", ha="center", va="center", fontsize=8.5, color=FAINT)
            continue
        axes.plot([firm.low, firm.high], [index, index], color=INK, linewidth=1.6, zorder=3)
        fill = INK if firm.share >= 0.5 else "white"
        axes.plot([firm.share], [index], "o", color=INK, markerfacecolor=fill, markersize=5.5, zorder=4, clip_on=False)
    set_ticks(axes.xaxis, (0, 0.5, 1))
    axes.grid(axis="x")
    axes.set_xlabel("share of the box", fontsize=8.5, labelpad=1)


def _columns(known: Report, items: Iterable[Finding]) -> list[Variant]:
    """The forms that at least one of the claims was tried in."""
    tried: dict[Variant, bool] = {}
    for item in items:
        for formed in known.variants.get(item.claim.id, ()):
            tried[formed.variant] = tried.get(formed.variant, False) or formed.verdict is not None
    return [form for form, wanted in tried.items() if wanted]


def _squares(axes: Axes, known: Report, items: Sequence[Finding], forms: Sequence[Variant]) -> None:
    """One square per form: filled where the verdict stays, a cross where it turns, a dot where the form was skipped."""
    axes.set_xlim(-0.5, len(forms) - 0.5)
    marks: dict[str, list[tuple[int, int]]] = {"skipped": [], "same": [], "flips": []}
    for index, item in enumerate(items):
        under = {formed.variant: formed.verdict for formed in known.variants.get(item.claim.id, ())}
        for column, form in enumerate(forms):
            verdict = under.get(form)
            marks["skipped" if verdict is None else "same" if verdict is item.verdict else "flips"].append((column, index))
    for name, places in marks.items():
        if places:
            axes.plot(*zip(*places, strict=True), linestyle="none", **_FORM_LOOKS[name])
    axes.spines["bottom"].set_visible(False)
    set_ticks(axes.xaxis)
    for column, form in enumerate(forms):
        axes.annotate(
            _SHORT[form.kind](form.choice), (column, 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
            textcoords="offset points", rotation=55, ha="left", va="bottom", fontsize=7.8, rotation_mode="anchor",
            annotation_clip=False,
        )  # fmt: skip


def _key(page: Page, known: Report, left: float, top: float, wide: bool = False, larger: float = 0.0) -> None:
    """What the marks mean, and how the box was sampled."""
    present = [verdict for verdict in Verdict if any(item.verdict is verdict for item in known.findings)]
    rows = [
        (Line2D([], [], linestyle="none", **_LOOKS[verdict]), f"{verdict.value} at default parameters") for verdict in present
    ]
    bold = "bold: must-have statement · " if any(item.claim.must_have for item in known.findings) else ""
    lines = [f"{bold}italic: predicted, chose no parameter · grey: structural, an equation writes it"]
    if known.sample is not None:
        share = Line2D([], [], marker="o", color=INK, markersize=5.5, linewidth=1.6)
        rows.append((share, "share of the box, Wilson 95 % (open: below a half)"))
        lines += ["share: samples in which the claim holds, of", f"{known.sample}.", "The interval is nominal for Sobol samples."]
    if known.variants:
        said = {"same": "same verdict under this form", "flips": "another verdict under this form", "skipped": "form not tried"}
        rows += [(Line2D([], [], linestyle="none", **_FORM_LOOKS[name]), words) for name, words in said.items()]
        lines += ["forms: one change of the equations at a time, comparable at the first treatment."]
    columns = 4 if wide else 1
    page.key(rows, (left, top), ncols=columns, columnspacing=1.6, handletextpad=0.6, fontsize=9.5 + larger)
    below = top - (0.215 + 0.035 * larger) * math.ceil(len(rows) / columns) - 0.12
    wrapped = textwrap.wrap("  ".join(lines), 200) if wide else [line for part in lines for line in textwrap.wrap(part, 66)]
    page.text(left, below, "\n".join(wrapped), fontsize=9 + larger, color=SOFT, va="top", linespacing=1.35)
