"""Tables that fit: fewer columns at a time, never a broken word or a cut number, and nothing lost."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from backfire.reports.sections import Section, Span, as_data, as_text, cell_text, side_by_side
from backfire.system import to_json

WORDS = st.text(st.sampled_from("abc·×1.9e-"), min_size=1, max_size=14)
CELLS = st.lists(WORDS, max_size=9).map(" ".join)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    columns = draw(st.integers(1, 7))
    return draw(st.lists(st.lists(CELLS, min_size=columns, max_size=columns), min_size=2, max_size=6))


@given(tables(), st.integers(20, 160), st.booleans())
def test_every_column_is_shown_whole_and_rows_can_be_told_apart(rows: list[list[str]], width: int, rigid: bool) -> None:
    blocks = side_by_side(rows, width, gap=3, rigid=rigid)
    assert {column for block in blocks for column in block} == {*range(len(rows[0]))}
    for block in blocks:
        assert list(block) == sorted(block)
        assert 0 in block
        for column, size in block.items():
            assert size >= max(
                len(part) for row in rows for part in (row[column] if rigid else row[column].split() or [""]) or [""]
            )
            assert size <= max(len(row[column]) for row in rows)
        keys = [column for column in block if all(column in other for other in blocks)]
        if len(blocks) > 1:
            told = {tuple(row[column] for column in keys) for row in rows[1:]}
            assert len(told) == len({tuple(row) for row in rows[1:]}) or len(keys) == 1
        fits = sum(block.values()) + 3 * (len(block) - 1) <= width
        # what is wider than asked for could not be narrower: one column beside the keys, as narrow as its words
        assert fits or len(block) <= len(keys) + 1 or len({*rows[0]}) < len(rows[0])


def test_a_table_that_fits_stays_one_block_and_sentences_are_wrapped_before_it_is_split() -> None:
    long = "a sentence of many words that goes on and on until it is too long for its line"
    rows = [["name", "meaning", "value"], ["alpha", long, "1.5"], ["beta", long, "2"]]
    assert side_by_side(rows, None, 2) == [{0: 5, 1: len(long), 2: 5}]
    assert side_by_side(rows, 50, 2) == [{0: 5, 1: 36, 2: 5}]
    assert [list(block) for block in side_by_side(rows, 36, 2)] == [[0, 1], [0, 2]]


def test_blocks_begin_with_what_tells_their_rows_apart() -> None:
    rows = [["outcome", "arm", "lowest", "highest"], ["nadir", "one", "1" * 9, "2" * 9], ["nadir", "two", "3" * 9, "4" * 9]]
    assert [list(block) for block in side_by_side(rows, 30, 3)] == [[0, 1, 2], [0, 1, 3]]
    text = as_text([Section("T", tuple(map(tuple, rows)))], 30)
    assert max(map(len, text.splitlines())) <= 30
    assert text.count("nadir    two") == 2
    twice = [["outcome", "lowest", "member", "highest", "member"], ["nadir", "1" * 9, "3", "2" * 9, "4"]]
    assert [list(block) for block in side_by_side(twice, 30, 3)] == [[0, 1, 2], [0, 3, 4]]
    unit = [["outcome", "unit", "arm", "a", "b"], ["n", "cell", "one", "1" * 9, "2"], ["n", "cell", "two", "3" * 9, "4" * 9]]
    assert [list(block) for block in side_by_side(unit, 30, 3)] == [[0, 1, 2], [0, 2, 3], [0, 2, 4]]


def test_what_is_too_wide_for_two_columns_stands_below() -> None:
    rows = (("name", "meaning"), ("a" * 20, "b" * 20 + " and more"))
    below = ["T", "  name", "      meaning", "  " + "a" * 20, "      " + "b" * 20 + " and", "      more"]
    assert as_text([Section("T", rows)], 30).splitlines() == below


def test_cells_are_numbers_in_data_and_words_in_text() -> None:
    rows = (("name", "brought by", "value", "plausible"), ("rate", ["growth", "kill"], 1e7, Span(0.1, 2.0)), ("x", [], 3, "–"))
    sections = [Section("About", lines=("a line",)), Section("Parameters", rows)]
    data = json.loads(to_json(as_data(sections)))
    assert data["about"] == ["a line"]
    first, second = data["parameters"]
    assert first == {"name": "rate", "brought_by": ["growth", "kill"], "value": 1e7, "plausible": [0.1, 2.0]}
    assert second["brought_by"] == []
    assert [cell_text(cell) for cell in rows[1]] == ["rate", "growth, kill", "1e+07", "0.1 … 2"]
    assert cell_text([]) == "nothing"
