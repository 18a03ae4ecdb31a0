"""The page as a file: whole, harmless, readable by ear and keyboard, the same for the same model."""

from __future__ import annotations

import itertools
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from py_mini_racer import MiniRacer

import backfire
from backfire.formulas import as_mathml, parse
from backfire.reports.diagram import arrows
from backfire.reports.web import report
from backfire.reports.web.writer import as_html
from commands import call

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"quoted\" 'single' & <b>bold</b> `code` **x** [a](javascript:alert(3)) 𝕏 \u2028 $x^2$ -->"
VOID = {"meta", "link", "img", "br", "input", "hr", "path", "rect", "polygon"}


class Page(HTMLParser):
    """What stands in a page: (tag, attributes) in order, and the text of scripts and of everything else."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside, tag
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        kind = self.inside[-1] if self.inside else ""
        (self.scripts if kind == "script" else [] if kind == "style" else self.words).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@cache
def made(name: str = "wnt16b-stroma") -> str:
    return report(name)


def test_the_page_asks_for_nothing_from_outside() -> None:
    text, page = made(), Page(made())
    assert len(text.encode()) < 6_000_000
    assert page.inside == []
    for tag, attributes in page.elements:
        for word in ("src", "href", "srcset", "data", "action", "poster"):
            target = attributes.get(word) or ""
            assert tag == "a" or not target or target.startswith(("data:", "#", "url(#")), (tag, target[:60])
        assert not any(name.startswith("on") for name in attributes)
    assert "@import" not in text
    assert "url(" not in re.sub(r"url\(#", "", text.partition("<script>")[0])
    assert not re.search(
        r"\b(fetch|XMLHttpRequest|WebSocket|importScripts|eval|innerHTML|document\.write)\b", "".join(page.scripts)
    )
    policy = next(item["content"] for item in page.all("meta") if item.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy


def test_the_page_says_what_the_model_page_says() -> None:
    page, scenario = Page(made()), backfire.load("wnt16b-stroma")
    for heading in (
        "What happens",
        "Try it",
        "Context of use",
        "Credible",
        "Understandable",
        "Reproducible",
        "Extensible",
        "Parameters",
        "Equations",
    ):
        assert heading in page.text
    for item in scenario.network.parameters.values():
        assert item.name in page.text
        assert " ".join(item.source.removeprefix("assumed: ").split()) in page.text
    for article in (item for item in backfire.claims.load_articles(["wnt16b-stroma"])):
        for claim in article.claims:
            assert claim in page.text
    assert "illustrative, not clinically calibrated" in page.text.lower()
    assert scenario.hash in page.text
    assert "Do not use it to" in page.text
    assert "backfire run wnt16b-stroma" in page.text
    assert len(page.all("math")) == len(scenario.network.states) + len(scenario.network.processes) + len(
        scenario.network.definitions
    )


def test_ears_and_keyboards_find_their_way() -> None:
    page = Page(made())
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(next_level - level <= 1 for level, next_level in itertools.pairwise(levels))
    assert all(item.get("alt") for item in page.all("img"))
    ids = [item["id"] for _, item in page.elements if item.get("id")]
    assert len(ids) == len({*ids})
    anchors = [str(item["href"])[1:] for item in page.all("a") if str(item.get("href")).startswith("#")]
    assert {*anchors} <= {*ids}
    svg = next(item for item in page.all("svg") if item.get("class") == "wiring")
    assert svg["role"] == "img"
    assert "noscript" in [tag for tag, _ in page.elements]
    scrolling = [item for _, item in page.elements if item.get("class") == "wide"]
    assert all(item.get("tabindex") == "0" and item.get("aria-label") for item in scrolling)


def test_the_same_model_gives_the_same_page() -> None:
    assert report(backfire.simulate(backfire.load("wnt16b-stroma"))) == made()


def test_whatever_a_scenario_says_is_only_words(tmp_path: Path) -> None:
    text = (Path(backfire.shipped_scenarios()["wnt16b-stroma"])).read_text(encoding="utf-8")
    quoted = '"' + HOSTILE.replace("\\", "\\\\").replace('"', '\\"') + '"'
    text = re.sub(r"^title *=.*$", lambda _: f"title = {quoted}\nnote = {quoted}", text, count=1, flags=re.MULTILINE)
    text = re.sub(r'source = "[^"]*"', lambda _: f"source = {quoted}", text, count=1)
    path = tmp_path / "hostile.toml"
    path.write_text(text, encoding="utf-8")
    scenario = backfire.load(path)
    assert scenario.title == HOSTILE
    page = Page(report(scenario))
    assert page.inside == []
    assert len(page.all("script")) == 1
    assert len(page.all("img")) == 1
    assert not page.all("b")
    assert "javascript:" not in [str(item.get("href"))[:11] for item in page.all("a")]
    assert "</script><script>alert(1)</script>" in page.text
    [script] = page.scripts
    context = MiniRacer()
    try:
        shown = context.eval(
            "(() => { let title; "
            + script.replace("'use strict';", "").partition("if (typeof document ===")[0].replace("(() => {", "", 1)
            + " return study.title; })()"
        )
    finally:
        context.close()
    assert shown == HOSTILE


def test_its_script_is_javascript() -> None:
    [script] = Page(made()).scripts
    context = MiniRacer()
    try:
        context.eval(f"function whole() {{\n{script}\n}}\n0")  # read, not run: there is no page here
    finally:
        context.close()


def test_every_arrow_of_the_wiring_is_drawn_and_told() -> None:
    network, text = backfire.load("wnt16b-stroma").network, made()
    drawn = text.partition('<svg class="wiring"')[2].partition("</svg>")[0]
    assert len(re.findall(r'<path class="(?:adds|takes|moves|acts)"', drawn)) == len(arrows(network))
    assert "damaged stroma adds to WNT16B" in drawn


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("a - (b - c)", "a−(b−c)"), ("a * (b + c)", "a·(b+c)"), ("a - b - c", "a−b−c"), ("-a * b", "(−a)·b"), ("positive(a)", "max(0,a)"),
        ("log(a) + exp(b)", "ln(a)+exp(b)"), ("(a / b) ** 2", "(ab)2"), ("(a * b) ** 2", "(a·b)2"), ("(a ** 2) ** 3", "(a2)3"),
        ("hill(a / b, c, 2)", "(ab)2c2+(ab)2"), ("1234567.25 * a", "1234567.25·a"), ("2.0 * a", "2·a"),
    ],
)  # fmt: skip
def test_mathml_keeps_the_meaning_of_what_was_written(formula: str, shown: str) -> None:
    assert re.sub(r"<[^>]+>", "", as_mathml(parse(formula))) == shown
    ratio = as_mathml(parse("hill(x, h, n)"))
    assert ratio.count("<msup>") == 3
    assert ratio.count("<mfrac>") == 1


def test_a_stored_run_is_told_without_simulating_its_arms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "wnt16b-stroma", "--arm", "monotherapy", "--out", tmp_path) == 0
    assert call("report", tmp_path / "wnt16b-stroma", "--out", tmp_path / "run.html") == 0
    page = Page((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert "shrinks to 9.3·10⁵ cells" in page.text
    assert call("report", tmp_path / "wnt16b-stroma", "--set", "growth_rate=1") == 2
    assert call("report", "wnt16b-strom") == 2
    assert "did you mean `wnt16b-stroma`" in capsys.readouterr().err
    assert call("report", "wnt16b-stroma", "--out", tmp_path) == 4


def test_treatment_that_reacts_has_a_page_without_explorer() -> None:
    """The simulation in the page follows no rules: what it would show were wrong numbers."""
    path = Path(__file__).parents[3] / "examples" / "10_treatment_that_reacts" / "acquired-resistance.toml"
    text = backfire.report(path)
    assert "there is no explorer on it" in text
    assert '<div id="explorer-place">' not in text


def test_of_a_picture_in_a_file_beside_the_page_only_the_words_are_left() -> None:
    assert (
        as_html(["![What <b>blocks</b> it?](../../docs/figures/x.png)"]) == "<p><em>What &lt;b&gt;blocks&lt;/b&gt; it?</em></p>\n"
    )
