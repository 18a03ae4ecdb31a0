"""The README's table of plausible tumours: what was sampled once, by the commands it names, of the claims that stand today.

``python tests/populations/test_table.py FOLDER`` reads the populations of articles from a folder of
``backfire population``, asks them all claims, keeps what they say, and writes the table; articles and forms that are not there
stay. Those under other forms of the equations are from ``backfire population ARTICLE --form FORM --members 400``.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
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
MARKS = ("<!-- plausible:begin, written by python tests/populations/test_table.py -->", "<!-- plausible:end -->")


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
    return "; ".join([f"{low:.2f} to {high:.2f} ({len(told)})", *words])


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


def test_the_readme_shows_the_table_and_the_commands() -> None:
    text = README.read_text(encoding="utf-8")
    shown = text[text.index(MARKS[0]) + len(MARKS[0]) : text.index(MARKS[1])].strip()
    assert shown == table(known())
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
    found = before | {name: {"forms": before[name].get("forms", {}), **asked(folder, name)} for name in present}
    for name, about in found.items():
        about["forms"] = about.get("forms", {}) | under_forms(folder, name)
    write_whole(KNOWN, to_json(found))
    text = README.read_text(encoding="utf-8")
    body = f"{MARKS[0]}\n{table(json.loads(to_json(found)))}\n{MARKS[1]}"
    text = re.sub(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", lambda _: body, text, flags=re.DOTALL)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    update(Path(sys.argv[1]))
