"""Articles: files whose every problem has its line, and the statements that must be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from backfire.claims.articles import ROLES, Article, find_claim, load_articles, read_article, topics
from backfire.errors import DocumentError, UserError
from invented import FILE, article_of, small

ARTICLES = {article.name: article for article in load_articles()}
EVERY = [identifier for article in ARTICLES.values() for identifier in article.claims]
LAST = "faster healing restores the last course"
MUST_HOLD = {1: 8, 2: 7, 3: 6, 4: 6, 5: 5}


def test_a_file_names_every_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "article.toml"
    path.write_text(FILE.replace("{check}", "nadir(a) <").replace("wnt16b-stroma", "wnt16b-strom"), encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        read_article(path)
    found = {problem.line: problem.message for problem in caught.value.problems}
    assert "did you mean `wnt16b-stroma`" in found[2]
    assert "needs an outcome" in found[14]
    path.write_text(FILE.replace("role =", "rol ="), encoding="utf-8")
    with pytest.raises(DocumentError, match="did you mean `role`"):
        read_article(path)


def test_every_must_have_statement_is_a_claim() -> None:
    given_ids = {identifier.rstrip("abcdefgh") for identifier in EVERY}
    assert {f"M{article}.{number}" for article, most in MUST_HOLD.items() for number in range(1, most + 1)} <= given_ids
    assert len(set(EVERY)) == len(EVERY)


@pytest.mark.parametrize("name", ARTICLES)
def test_every_claim_has_a_short_name_of_its_own(name: str) -> None:
    entries = [entry for entry, _ in ARTICLES[name].claims.values()]
    labels = [entry.label for entry in entries]
    assert all(3 < len(label) <= 40 and label == label.strip() for label in labels)
    assert len({label.casefold() for label in labels}) == len(labels)
    assert [entry.short_name for entry in entries] == labels
    assert not {word for label in labels for word in label.split()} & {*EVERY}, "words, no ids"


def test_labels_are_short_and_tell_claims_of_a_file_apart(tmp_path: Path) -> None:
    path, text = tmp_path / "article.toml", FILE.replace("{check}", "nadir(monotherapy) < 5")
    labelled = text.replace('id = "M1.1"', 'id = "M1.1"\nlabel = "it shrinks"')
    second = labelled[labelled.index("[[claims]]") :].replace("M1.1", "M1.2")
    path.write_text(f"{labelled}\n{second}", encoding="utf-8")
    with pytest.raises(DocumentError, match=r"`it shrinks` is the label of M1\.1, too") as caught:
        read_article(path)
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == ("claims.M1.2.label", 21)
    for wrong in ("a name of more letters than fit beside a row", " padded", "two\\nlines"):
        path.write_text(labelled.replace("it shrinks", wrong), encoding="utf-8")
        with pytest.raises(DocumentError, match=r"claims\.M1\.1\.label"):
            read_article(path)
    path.write_text(text, encoding="utf-8")
    ((entry, _),) = read_article(path).claims.values()
    assert (entry.label, entry.short_name) == ("", "M1.1")


def test_a_label_is_a_name_and_no_content() -> None:
    """Topics give labels to figures; what is sampled, judged or recognised does not depend on them."""
    article = ARTICLES["wnt16b-stroma"]
    found = topics([article], ["M4.4", "P4.2"])
    assert [dict(item.labels) for item in found] == [{"M4.4": "each course kills less than before", "P4.2": LAST}]
    plain = {key: (entry.model_copy(update={"label": ""}), claim) for key, (entry, claim) in article.claims.items()}
    (without,) = topics([Article(article.name, article.file, plain)], ["M4.4", "P4.2"])
    assert dict(without.labels) == {}
    assert (without.hash, dict(without.claims)) == (found[0].hash, dict(found[0].claims))


def test_every_article_makes_a_prediction_and_has_a_control() -> None:
    for article in ARTICLES.values():
        entries = [entry for entry, _ in article.claims.values()]
        assert {entry.role for entry in entries} == set(ROLES), article.name
        assert article.file.not_good_for, article.name
        assert article.file.revised, article.name
        assert all("paragraph" in text for text in article.file.not_modelled), article.name
        assert any(" within " in entry.check for entry in entries), article.name


def test_claims_are_found_and_put_together_by_what_they_speak_of() -> None:
    assert find_claim(ARTICLES.values(), "M4.4").name == "wnt16b-stroma"
    with pytest.raises(UserError, match=r"did you mean `M4\.1`"):
        find_claim(ARTICLES.values(), "M4.11")
    found = topics(ARTICLES.values())
    assert sorted(name for item in found for name in item.claims) == sorted(EVERY)
    assert len({(item.scenario.name, item.scenario.days) for item in found}) == len(found)
    for item in found:
        assert all(find_claim(ARTICLES.values(), name).scenario_of(name) == item.scenario.name for name in item.claims)
    own = small()
    (chosen,) = topics([article_of("nadir(monotherapy) < 5", "nadir(untreated) > 5")], ["T1.2"], {"small": own})
    assert (chosen.scenario, [*chosen.claims], chosen.arms) == (own, ["T1.2"], ["untreated"])


def test_a_claim_that_looks_early_does_not_see_what_is_given_later() -> None:
    found = {tuple(item.claims): item.scenario for item in topics([ARTICLES["hibernation-rigi"]])}
    early = next(scenario for names, scenario in found.items() if "M3.1a" in names)
    assert (early.days, early.time_zero) == (23, 14)
    assert "erlotinib_again" not in early.regimens
    assert early.arms["rechallenge"] == early.arms["monotherapy"] == ("erlotinib",)
    assert early.regimens["erlotinib"].count == 10
