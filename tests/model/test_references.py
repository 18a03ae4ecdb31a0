"""Articles and grades: who is cited, and in which words."""

from __future__ import annotations

from backfire.model.references import ARTICLES, CAUTION, GRADES, Reference, version
from backfire.system import shipped_folder


def test_every_article_has_its_seed_and_the_other_way_round() -> None:
    assert {path.stem for path in shipped_folder("seeds").glob("*.toml")} == set(ARTICLES)


def test_a_reference_says_its_doi_only_where_there_is_one() -> None:
    one = Reference("a", "Ann … Bo", 2001, "J", "mice", "10.1/x")
    assert str(one) == "Ann … Bo 2001, J, on mice, doi:10.1/x"
    assert str(Reference("a", "Ann … Bo", 2001, "J", "mice")) == "Ann … Bo 2001, J, on mice"
    assert all(item.key == key and 1990 < item.year < 2030 and item.subject for key, item in ARTICLES.items())


def test_words_that_stand_everywhere() -> None:
    assert "not clinically calibrated" in CAUTION
    assert set(GRADES) == {"article", "paper", "recalled", "derived", "central", "assumed"}
    assert version()[0].isdigit()
