"""Population files: what they make, and that every mistake is named with its line and the nearest name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from backfire.errors import DocumentError
from backfire.populations import Effort, load_population, parse_population, shipped_populations
from backfire.populations.checkpoint import _key
from backfire.sampling import Beta, Classes, LogNormal, LogUniform, Uniform
from small import SMALL

FILE = """
title = "Small tumours that come back"
scenario = "small.toml"
article = "none"
members = 50

[claims]
grows = "final_burden(untreated) > 2 * nadir(untreated)"

[vary]
growth_rate = { low = 0.05, high = 0.2, scale = "log" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def refused(text: str, folder: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        parse_population(text, "mine", folder)
    return str(caught.value)


def test_a_file_says_scenario_claims_and_what_varies(folder: Path) -> None:
    spec = parse_population(FILE, "mine", folder)
    assert spec.members == 50
    assert list(spec.claims) == ["grows"]
    assert spec.space.inputs["growth_rate"] == LogUniform(0.05, 0.2)
    still = parse_population(FILE.replace('{ low = 0.05, high = 0.2, scale = "log" }', "false"), "mine", folder)
    assert "growth_rate" not in still.space.inputs
    assert set(spec.space.names) == {*still.space.names, "growth_rate"}
    words = 'growth_rate = { low = 0.05, high = 0.2, scale = "log" }'
    for written, made in (
        ("{ median = 0.1, spread = 1.5, low = 0.05, high = 0.3 }", LogNormal(0.05, 0.3, 0.1, 1.5)),
        ("{ alpha = 2, beta = 5, low = 0.05, high = 0.3 }", Beta(0.05, 0.3, 2.0, 5.0)),
        ("{ values = [0.1, 0.2], shares = [0.25, 0.75] }", Classes(values=(0.1, 0.2), shares=(0.25, 0.75))),
    ):
        text = FILE.replace(words, f"growth_rate = {written}")
        text += '[[correlated]]\ninputs = ["growth_rate", "capacity"]\nrank = 0.4\n'
        spec = parse_population(text, "mine", folder)
        assert spec.space.inputs["growth_rate"] == made
        assert spec.space.correlations == {("growth_rate", "capacity"): 0.4}
    narrow = parse_population(FILE.replace(', scale = "log"', ""), "mine", folder)
    assert narrow.space.inputs["growth_rate"] == Uniform(0.05, 0.2)


@pytest.mark.parametrize(
    ("given", "instead", "said"),
    [
        ("members = 50", "member = 50", "did you mean `members`"),
        ("members = 50", "members = 0", "members"),
        ("growth_rate", "growth_rat", "did you mean `growth_rate`"),
        ("low = 0.05, high = 0.2", "low = 0.3, high = 0.2", "low must be below high"),
        ("low = 0.05", "low = 0", "log scale starts above 0"),
        ("> 2 *", "> > 2 *", "the claim"),
        ('"none"', '"nobody"', "unknown article"),
        ('low = 0.05, high = 0.2, scale = "log"', "median = 0.1", "needs spread too"),
        ('low = 0.05, high = 0.2, scale = "log"', "median = 0.1, spread = 2, alpha = 1", "do not go together"),
        ('low = 0.05, high = 0.2, scale = "log"', "values = [0.1, 0.2], shares = [0.5, 0.6]", "add up to 1"),
        ("[vary]", '[[correlated]]\ninputs = ["growth_rate", "capacitie"]\nrank = 0.5\n[vary]', "did you mean `capacity`"),
    ],
)
def test_mistakes_are_named_with_their_line(folder: Path, given: str, instead: str, said: str) -> None:
    assert given in FILE
    words = refused(FILE.replace(given, instead), folder)
    assert said in words
    assert "mine:" in words


def test_a_population_without_claims_is_refused(folder: Path) -> None:
    assert "no claim" in refused(FILE[: FILE.index("[claims]")], folder)


def test_one_mistake_hides_no_other(folder: Path) -> None:
    facts = """
[[facts]]
of = "nadir(untreated)"
low = "much"
[[facts]]
of = "nadir(untreatd)"
median = 3
[[facts]]
of = "nadir(untreated)"
low = 3
high = 2
[[correlated]]
inputs = ["growth_rate"]
rank = 0.4
[[correlated]]
inputs = ["growth_rate", "capacitie"]
rank = 0.4
"""
    words = refused(FILE + facts, folder)
    for said in ("facts.0.low", "did you mean `untreated`", "each above the one before", "correlated.0.inputs", "`capacity`"):
        assert said in words
    assert len(words.splitlines()) == 5


def test_a_claim_of_numbers_alone_says_nothing_of_a_tumour(folder: Path) -> None:
    assert "one side must read an outcome" in refused(FILE.replace("[claims]", '[claims]\nempty = "1 < 2"'), folder)


def test_claims_are_left_out_of_an_article_only(folder: Path) -> None:
    assert "there is none" in refused(FILE.replace('article = "none"', 'article = "none"\nleave_out = ["C1"]'), folder)


def test_claims_of_an_article_can_be_left_out() -> None:
    whole = load_population("wnt16b-stroma")
    first = next(iter(whole.claims))
    text = f'title = "All but one"\nscenario = "wnt16b-stroma"\nleave_out = ["{first}"]\n'
    assert set(parse_population(text).claims) == set(whole.claims) - {first}
    assert "did you mean" in refused(text.replace(first, first + "x"), Path()) or "unknown claim" in refused(
        text.replace(first, "Q9"), Path()
    )


@pytest.mark.parametrize("name", shipped_populations())
def test_shipped_populations_ask_for_every_calibrated_claim(name: str) -> None:
    spec = load_population(name)
    assert len(spec.claims) > 5
    assert len(spec.space.names) > 10
    assert spec.scenario.name in name


def test_an_unknown_population_names_the_nearest() -> None:
    with pytest.raises(DocumentError, match="did you mean `wnt16b-stroma`"):
        load_population("wnt16b-stromma")


def test_influences_vary_under_their_dotted_names_quoted_or_not() -> None:
    """A table in a table is a dotted name, here as in scenarios and sweeps; an influence may also not vary at all."""
    head = 'title = "t"\nscenario = "wnt16b-stroma"\n[vary]\n'
    found = [
        parse_population(head + line).space.inputs["stroma.protects_kill"]
        for line in (
            "stroma.protects_kill = { low = 0.2, high = 0.7 }",
            '"stroma.protects_kill" = { low = 0.2, high = 0.7 }',
            "[vary.stroma]\nprotects_kill = { low = 0.2, high = 0.7 }",
        )
    ]
    assert [(item.low, item.high) for item in found] == [(0.2, 0.7)] * 3
    assert "stroma.protects_kill" not in parse_population(head + "stroma.protects_kill = false").space.inputs


def test_what_is_half_sampled_is_found_again_whatever_its_claims_are_called() -> None:
    spec = load_population("wnt16b-stroma")
    assert spec.short_names["M4.4"] == "each course kills less than before"
    assert [*spec.short_names] == [*spec.claims]
    nameless = dataclasses.replace(spec, topics=tuple(dataclasses.replace(topic, labels={}) for topic in spec.topics))
    assert nameless.short_names == {name: name for name in spec.claims}
    assert _key(nameless, 0, Effort()) == _key(spec, 0, Effort())
    fewer = {name: claim for name, claim in spec.topics[0].claims.items() if name != "M4.4"}
    other = dataclasses.replace(spec, topics=(dataclasses.replace(spec.topics[0], claims=fewer), *spec.topics[1:]))
    assert _key(other, 0, Effort()) != _key(spec, 0, Effort())
