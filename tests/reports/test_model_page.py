"""The model pages beside the scenario files say what the models are: ``python tests/reports/test_model_page.py`` writes them anew."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

import backfire
from backfire import cli
from backfire.claims.articles import load_articles
from backfire.formatting import exact
from backfire.model.references import CAUTION, GRADES
from backfire.reports.diagram import mermaid
from backfire.reports.explanation import explain
from backfire.reports.markdown import plain, table
from backfire.reports.model_page import page
from backfire.reports.sections import as_text

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs" / "scenarios"
NAMES = [*(article.file.scenario for article in load_articles()), "dormant-metastases"]
HEADINGS = ["Context of use", "Credible", "Understandable", "Reproducible", "Extensible"]
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")


def stored(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


SLOW = dict.fromkeys(("pi3k-jak2-bypass", "hibernation-rigi"), pytest.mark.slow)  # months of doses: ten seconds of claims


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in NAMES])
def test_the_page_is_that_of_the_model(name: str) -> None:
    """Word for word; numbers may differ by one in the last digit, which is the machine's and not the model's."""
    fresh, kept = page(backfire.load(name)), stored(name)
    assert NUMBER.sub("#", fresh) == NUMBER.sub("#", kept), "run: python tests/reports/test_model_page.py"
    for mine, theirs in zip(NUMBER.findall(fresh), NUMBER.findall(kept), strict=True):
        assert float(mine) == pytest.approx(float(theirs), abs=1.01 * one_in_the_last_digit(mine)), (
            "run: python tests/reports/test_model_page.py"
        )


def one_in_the_last_digit(text: str) -> float:
    mantissa, _, power = text.partition("e")
    digits = len(mantissa.partition(".")[2])
    return 0.0 if mantissa.lstrip("+-").isdigit() and not power else float(10.0 ** (int(power or 0) - digits))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole(name: str) -> None:
    text, scenario = stored(name), backfire.load(name)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert CAUTION in text.lower().partition("## context of use")[0]
    for part in scenario.network.named():
        assert part.name in text
    for item in scenario.network.parameters.values():
        assert f"| `{item.name}` | {plain(item.meaning)} | {exact(item.value)} |" in text
    for article in load_articles([scenario.article]) if scenario.article != "ours" else ():
        for identifier in article.claims:
            assert f"| {identifier} |" in text
    counted = {grade: int(re.search(rf"^\| {grade} \| (\d+) \|", text, re.MULTILINE)[1]) for grade in GRADES}  # type: ignore[index]
    assert sum(counted.values()) == len(scenario.network.parameters)
    assert scenario.hash in text


@pytest.mark.parametrize("name", NAMES)
def test_a_page_reads_well_on_github(name: str) -> None:
    text = stored(name)
    assert text.count("```") % 2 == 0
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for block in re.findall(r"(?:^\|.*\n)+", prose, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://doi.org/"):
            assert (FOLDER / target).is_file(), target
    assert not re.search(r"\b20\d\d-\d\d|/home/|/work/|/tmp/|\t| $", text)


def test_the_readme_links_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"(configs/scenarios/{name}.md)" in text


def test_a_diagram_draws_what_acts_on_what() -> None:
    drawn = mermaid(backfire.load("wnt16b-stroma").network)
    codes = dict(re.findall(r'^    (s\d+)[(\[/]+"([\w ]+)"', drawn, re.MULTILINE))
    arrows = {
        (codes[a], arrow, codes[b]) for a, arrow, b in re.findall(r"^    (s\d+) (\S+?)(?:\|.*\|)? (s\d+)$", drawn, re.MULTILINE)
    }
    assert arrows == {
        ("mitoxantrone", "--x", "active"),
        ("mitoxantrone", "-->", "damaged stroma"),
        ("damaged stroma", "-->", "wnt16b"),
        ("anti wnt16b", "-.->", "wnt16b"),
        ("wnt16b", "-.->", "active"),
    }


OWN = """
title = "A | pipe, a <tag>, `code`, ~5 and ~6, $x$ and [a](b)"
days = 20
[mechanisms]
growth = { law = "exponential" }
[parameters]
growth_rate = { value = 0.1, source = "a | b", grade = "assumed" }
[arms]
untreated = []
"""


def test_a_page_of_a_scenario_of_ones_own_links_nothing_and_shows_text_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.toml").write_text(OWN, encoding="utf-8")
    assert cli.main(["explain", str(tmp_path / "mine.toml"), "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert r"**A \| pipe, a &lt;tag>, \`code\`, \~5 and \~6, \$x\$ and \[a\](b).**" in printed
    assert r"| a \| b |" in printed
    assert str(tmp_path) not in printed
    assert "](.." not in printed
    assert "No claim speaks of this scenario" in printed
    out = tmp_path / "mine.md"
    assert cli.main(["explain", str(tmp_path / "mine.toml"), "--markdown", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == printed
    assert cli.main(["explain", str(tmp_path / "mine.toml"), "--markdown", "--code"]) == 2


@pytest.mark.parametrize("name", ["mine", "my-study"])
def test_a_page_tells_how_to_go_on_and_never_over_its_own_file(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.toml").write_text(OWN, encoding="utf-8")
    shown = page(backfire.load(tmp_path / f"{name}.toml"))
    written = re.findall(r"backfire new \S+ > (\S+\.toml)", shown)
    assert written
    assert f"{name}.toml" not in written
    assert f"`backfire new {name}.toml --claims`" in shown


def test_numbers_keep_six_digits() -> None:
    assert [exact(value) for value in (0, 1, 0.115, 1e7, 2.5e-4, 123456, 100000, 0.3)] == [
        "0", "1", "0.115", "1e7", "2.5e-4", "1.23456e5", "1e5", "0.3",
    ]  # fmt: skip
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_explained_text_fits_a_terminal_and_loses_nothing() -> None:
    sections = explain(backfire.load("pi3k-jak2-bypass"))
    wide = as_text(sections)
    assert max(map(len, wide.splitlines())) > 160
    for width in (160, 80, 60):
        narrow = as_text(sections, width)
        assert max(map(len, narrow.splitlines())) <= width
        assert Counter(narrow.split()) >= Counter(wide.split()), "names at the beginning of a row may stand there twice"
        assert {*narrow.split()} == {*wide.split()}
    assert {*as_text(sections, 20).split()} == {*wide.split()}


def update() -> None:
    for name in NAMES:
        if cli.main(["explain", name, "--markdown", "--out", str(FOLDER / f"{name}.md")]):
            sys.exit(1)


if __name__ == "__main__":
    update()
