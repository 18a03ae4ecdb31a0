"""The figures of the claims: every claim is there, nothing is written over anything else."""

from __future__ import annotations

import itertools
import math

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from backfire.claims.articles import load_articles
from backfire.claims.evaluation import Finding, Report
from backfire.claims.filtering import BoxSample, DecidingParameter, Robustness, wilson
from backfire.claims.variants import VARIANTS, VariantResult
from backfire.claims.verdict import VERDICTS, Verdict
from backfire.errors import UserError
from backfire.figures import article_page, claims_overview, png
from backfire.model.references import CAUTION

ARTICLES = load_articles()
LONGEST = DecidingParameter("bortezomib_metastasis_kill_rate", 0.5, 0.001, higher=True)


def report(firm: bool) -> Report:
    """All claims with verdicts of every kind and margins of every size."""
    findings = []
    pairs = [(article, identifier) for article in ARTICLES for identifier in article.claims]
    for number, (article, identifier) in enumerate(pairs):
        verdict = VERDICTS[number % len(VERDICTS)]
        margin = math.nan if verdict in (Verdict.NOT_APPLICABLE, Verdict.ERROR) else (-1) ** number * 10.0 ** (number % 5 - 3)
        findings.append(Finding(article.name, article.claims[identifier][0], verdict, margin))
    if not firm:
        return Report(ARTICLES, findings)
    names = [item.claim.id for item in findings]
    counts = {verdict: 64 if verdict in (Verdict.HOLDS, Verdict.FAILS) else 0 for verdict in VERDICTS}
    shares = dict.fromkeys(names, Robustness(128, counts, *wilson(0.5, 128), (LONGEST,) * 3))
    forms = {name: [VariantResult(variant, VERDICTS[number % 2]) for number, variant in enumerate(VARIANTS)] for name in names}
    return Report(ARTICLES, findings, BoxSample(128), shares, forms, {article.name: "0" * 12 for article in ARTICLES})


def texts(figure: Figure) -> list[Text]:
    return [item for item in figure.findobj(Text) if item.get_text().strip() and item.get_visible()]


@pytest.mark.parametrize("firm", [False, True])
@pytest.mark.parametrize("article", [None, *(article.name for article in ARTICLES)])
def test_nothing_is_written_over_anything_else(article: str | None, firm: bool) -> None:
    figure = claims_overview(report(firm)) if article is None else article_page(report(firm), article)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    # slanted names of forms have boxes that meet although the words do not
    boxes = [(item.get_text(), item.get_window_extent(renderer)) for item in texts(figure) if item.get_rotation() == 0]
    page = figure.bbox
    for words, box in boxes:
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, words
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, words
    for (words, box), (others, other) in itertools.combinations(boxes, 2):
        across = min(box.x1, other.x1) - max(box.x0, other.x0)
        down = min(box.y1, other.y1) - max(box.y0, other.y0)
        assert across <= 1 or down <= 2, (words, others)


def test_every_claim_is_on_the_board_and_on_its_page() -> None:
    known = report(firm=True)
    written = {item.get_text() for item in texts(claims_overview(known))}
    assert {item.claim.id for item in known.findings} <= written
    assert {item.claim.label for item in known.findings} <= written
    for article in ARTICLES:
        page = " ".join(item.get_text().replace("\n", " ") for item in texts(article_page(known, article.name)))
        for entry, _ in article.claims.values():
            assert entry.id in page
            assert entry.statement[:60] in page
            assert entry.label in page


def test_the_plain_overview_is_a_slide_with_large_names() -> None:
    figure = claims_overview(report(firm=False))
    width, height = figure.get_size_inches()
    assert 1.4 < width / height < 16 / 9
    labels = {item.claim.label for item in report(firm=False).findings}
    shown = [item.get_fontsize() * 13.33 / width for item in texts(figure) if item.get_text() in labels]
    assert min(shown) > 7, "points on a slide of 13.33 inches"
    articles = {"wnt16b-stroma": 19, "hibernation-rigi": 28}
    counts = {item.get_text() for item in texts(figure) if item.get_text().endswith(" hold")}
    for name, claims in articles.items():
        held = sum(item.verdict is Verdict.HOLDS for item in report(firm=False).findings if item.article == name)
        assert f"{held} of {claims} hold" in counts


def test_a_figure_says_what_it_is_and_how_the_box_was_sampled() -> None:
    figure = claims_overview(report(firm=True))
    page = " ".join(item.get_text().replace("\n", " ") for item in texts(figure))
    for words in (CAUTION, "128 Sobol samples (seed 0)", "plausible range", "nominal"):
        assert words in page
    assert b"wnt16b-stroma 000000000000" in png(figure)


def test_an_unknown_article_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="wnt16b-stroma"):
        article_page(report(firm=False), "wnt16b-strom")
