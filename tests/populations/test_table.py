"""The tables of plausible tumours: what was sampled once, by the commands they name, of the claims that stand today.

``python tests/populations/test_table.py FOLDER`` reads the populations of articles from a folder of ``backfire population``,
asks them all claims, keeps what they say, and writes the tables; what is not there stays: articles, forms, and what sentences are
worth, which ``--sentences`` asks of the same set. Those under other forms of the equations are from ``backfire population ARTICLE
--form FORM --members 400``.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backfire.claims import evaluate_claims, load_articles
from backfire.populations import load_population, population, read_population
from backfire.populations.spec import FORMS
from backfire.scenario import load
from backfire.system import to_json, write_whole

ROOT = Path(__file__).parents[2]
KNOWN = ROOT / "configs" / "populations" / "known.json"
README = ROOT / "README.md"
WORDS = {"title": "", "note": ""}
PAGE = ROOT / "docs" / "from-sentences-to-plausible-tumours.md"
MOST = 5
"""So many sentences of each article are shown."""


def sampled_of(article: str, form: str | None = None) -> dict[str, Any]:
    """Everything that decides a population of an article: when this changes, what is known of it is out of date."""
    spec = load_population(article, form=form)
    return {
        "equations": spec.scenario.network.fingerprint(),
        "claims": {name: claim.text for name, claim in sorted(spec.claims.items())},
        "box": {name: item.describe() for name, item in sorted(spec.space.inputs.items())},
    }


def asked(folder: Path, article: str) -> dict[str, Any]:
    """What the population of an article says."""
    tumours, scenario = read_population(folder / article)
    low = {name: item.low for name, item in tumours.space.inputs.items()}
    own, shipped = ({**item.changed(low).resolved(), **WORDS} for item in (scenario, load(article)))
    assert own == shipped, "differs in more than the values that vary"
    over = evaluate_claims([article], loaded={article: scenario}, populations=[(tumours, scenario)])
    report = evaluate_claims([article])
    shares = over.populations[0].shares
    about = tumours.manifest
    return {
        "seed": about["seed"], "tumours": len(tumours), "worth": round(tumours.effective), "worst_rhat": about["worst_rhat"],
        "share": about["share_of_box"], "interval": about["share_of_box_interval_95"], "judged": about["judged"],
        "predicted": {
            item.claim.id: {
                "statement": item.claim.statement, "default": item.verdict.value, "share": shares[item.claim.id].share,
                "low": shares[item.claim.id].low, "high": shares[item.claim.id].high, "word": shares[item.claim.id].word,
            }
            for item in report.findings
            if item.claim.role == "predicted" and item.claim.id in shares
        },
        "calibrated_hold": min(shares[item.claim.id].share for item in report.findings if item.claim.id in about["claims"]),
        "sampled": sampled_of(article),
    }  # fmt: skip


def identity(article: str, form: str) -> str:
    """A hash of everything that decides a population under another form."""
    return hashlib.sha256(to_json(sampled_of(article, form)).encode()).hexdigest()[:16]


def under_forms(folder: Path, article: str) -> dict[str, Any]:
    """What the populations of an article under other forms of the equations say, by form; nothing of those that are not there."""
    found: dict[str, Any] = {}
    (item,) = load_articles([article])
    asked_of = [name for name, (entry, _) in item.claims.items() if entry.role == "predicted"]
    for form in FORMS:
        place = folder / f"{article}-{form.replace(' ', '-')}"
        if not (place / "manifest.json").exists():
            continue
        about = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
        assert about["form"] == form
        found[form] = {"found": about["found"], "sampled": identity(article, form)}
        if about["found"]:
            (over,) = evaluate_claims([article], populations=[read_population(place)]).populations
            keys = ("share_of_box", "share_of_box_interval_95", "worst_rhat", "least_effective_size")
            shares = {name: over.shares[name] for name in asked_of if name in over.shares}
            predicted = {name: [item.share, item.low, item.high, item.word] for name, item in shares.items()}
            found[form] |= {key: about[key] for key in keys} | {"predicted": predicted}
    return found


def elsewhere(name: str, item: dict[str, Any], forms: dict[str, Any]) -> str:
    """The range of a prediction's shares under other forms, and those under which another word is right."""
    told = {form: about["predicted"][name] for form, about in forms.items() if about["found"] and name in about["predicted"]}
    if not told:
        return "–"
    low, high = (end(share for share, *_ in told.values()) for end in (min, max))
    words = [f"{word} under {form}" for form, (*_, word) in told.items() if word != item["word"]]
    span = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    return "; ".join([f"{span} ({len(told)})", *words])


def table(known: dict[str, Any]) -> str:
    """The table in Markdown: a row for every prediction."""
    lines = [
        "| article | sentences | they leave of the box | prediction | default | plausible tumours | so it | under other forms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for article, about in known.items():
        low, high = about["interval"]
        head = [f"`{article}`", str(len(about["sampled"]["claims"])), f"{about['share']:.0e} ({low:.0e} to {high:.0e})"]
        for name, item in about["predicted"].items():
            share = f"{item['share']:.2f} [{item['low']:.2f}–{item['high']:.2f}]"
            cells = [*head, f"{name}: {item['statement']}", item["default"], share, item["word"]]
            lines.append("| " + " | ".join([*cells, elsewhere(name, item, about["forms"])]) + " |")
            head = ["", "", ""]
    return "\n".join(lines)


def worths(folder: Path, article: str) -> dict[str, Any]:
    """What each sentence of an article is worth, in bits with their error, and whether that is a least value, by claim."""
    with (folder / article / "sentences.csv").open(encoding="utf-8", newline="") as lines:
        bits = {
            row["claim"]: [float(row["bits"]), float(row["error"]) if row["error"] else None, row["least"] == "yes"]
            for row in csv.DictReader(lines)
        }
    return {"bits": bits} if bits else {}


def worth_table(known: dict[str, Any]) -> str:
    """The sentences that cut most of each article, in Markdown."""
    lines = [
        "| article | all together, bits | cut most: what each is worth while the others stand | under a tenth of a bit |",
        "|---|---|---|---|",
    ]
    for article, about in known.items():
        (found,) = load_articles([article])
        called = {name: entry.label or name for name, (entry, _) in found.claims.items()}
        bits = about["bits"]
        most = sorted(bits, key=lambda name: -bits[name][0])[:MOST]
        shown = " · ".join(f"{name} *{called[name]}* {'≥ ' * bits[name][2]}{bits[name][0]:.1f}" for name in most)
        little = sum(value < 0.1 for value, _, _ in bits.values())
        lines.append(f"| `{article}` | {-math.log2(about['share']):.1f} | {shown} | {little} of {len(bits)} |")
    return "\n".join(lines)


NUMBERS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]


def at_one_point(known: dict[str, Any]) -> str:
    """What the default says of the predictions, and what all tumours of their articles do, in words."""
    every = [item for about in known.values() for item in about["predicted"].values()]
    holding = [item for item in every if item["default"] == "holds"]
    opened = [item["share"] for item in holding if item["word"] == "open"]
    failing = sorted(item["share"] for item in every if item["default"] == "fails")
    follow, open_, fail = (
        NUMBERS[count] for count in (sum(item["word"] == "follows" for item in holding), len(opened), len(failing))
    )
    return (
        f"Of our own {len(every)} predictions {len(holding)} hold at the default values: {follow} of these follow from the article, {open_} "
        f"are open, and one\nof them is true in {100 * min(opened):.0f} % of the tumours that satisfy the article just as well. "
        f"{fail.capitalize()} fail there, and are true in {100 * failing[0]:.0f} % to\n{100 * failing[-1]:.0f} % of them (the table in the "
        "[README](../README.md))."
    )


TABLES: list[tuple[Path, str, Callable[[dict[str, Any]], str]]] = [
    (README, "plausible", table), (PAGE, "worth", worth_table), (PAGE, "at-one-point", at_one_point),
]  # fmt: skip
"""What is written where, between which marks."""


def marks(word: str) -> tuple[str, str]:
    return f"<!-- {word}:begin, written by python tests/populations/test_table.py -->", f"<!-- {word}:end -->"


def known() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(KNOWN.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("article", [item.name for item in load_articles()])
def test_what_is_known_of_an_article_is_of_its_claims_ranges_and_equations_of_today(article: str) -> None:
    about = known()[article]
    assert about["sampled"] == json.loads(to_json(sampled_of(article))), f"sample {article} again"
    assert about["worst_rhat"] <= 1.02
    assert about["worth"] >= 400
    assert about["calibrated_hold"] > 1 - 1e-9
    assert {form: item["sampled"] for form, item in about["forms"].items()} == {
        form: identity(article, form) for form in about["forms"]
    }
    assert all(item["worst_rhat"] <= 1.02 for item in about["forms"].values() if item["found"])
    assert about["bits"].keys() == about["sampled"]["claims"].keys()


@pytest.mark.parametrize(("page", "word", "text_of"), TABLES, ids=[word for _, word, _ in TABLES])
def test_pages_show_what_is_known(page: Path, word: str, text_of: Callable[[dict[str, Any]], str]) -> None:
    text, (begin, end) = page.read_text(encoding="utf-8"), marks(word)
    assert text[text.index(begin) + len(begin) : text.index(end)].strip() == text_of(known())
    assert "backfire population" in text


@pytest.mark.thorough
def test_another_seed_finds_the_same_shares(tmp_path: Path) -> None:
    """The article that is sampled fastest, once more: its share of the box, and every prediction, within both intervals."""
    article = "wnt16b-stroma"
    population(article, tmp_path, seed=11)
    again, before = asked(tmp_path, article), known()[article]
    assert again["interval"][0] <= before["interval"][1]
    assert before["interval"][0] <= again["interval"][1]
    for name, item in again["predicted"].items():
        assert abs(item["share"] - before["predicted"][name]["share"]) < 0.12, name


def update(folder: Path) -> None:
    before, present = known(), [item.name for item in load_articles() if (folder / item.name).is_dir()]
    found = before | {name: before[name] | asked(folder, name) | worths(folder, name) for name in present}
    for name, about in found.items():
        about["forms"] = about["forms"] | under_forms(folder, name)
    write_whole(KNOWN, to_json(found))
    for page, word, text_of in TABLES:
        text, (begin, end) = page.read_text(encoding="utf-8"), marks(word)
        body = f"{begin}\n{text_of(known())}\n{end}"
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, body=body: body, text, flags=re.DOTALL)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    update(Path(sys.argv[1]))
