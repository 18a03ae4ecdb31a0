"""Reading on behind mistakes: nothing is hidden, nothing is told twice, and no file, however wrong, is a bug of ours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfire.claims.own import parse_claims
from backfire.errors import DocumentError
from backfire.scenario.scenario import parse, parse_data
from backfire.scenario.shape import CLAIMS, SCENARIO, SWEEP, kind_of_document
from backfire.scenario.toml import Document, parse_document
from backfire.sweeps.spec import parse_sweep, shipped_sweeps
from small import SMALL, STUDY

TEXT = SMALL.replace("[regimens]", "[parameters]\ngrowth_rate = 0.2\n\n[switches]\n\n[outcomes]\nresponse = 0.5\n\n[regimens]")
ONE_LINE_EACH = {
    "days = 30": "dayz = 30",
    'title = "A small': 'titel = "A small',
    '"logistic"': '"logistik"',
    "kill = {": "kil = {",
    "growth_rate = 0.2": "growht_rate = 0.2",
    "response = 0.5": "response = 5",
    "[outcomes]": "[outcome]",
    "count = 2": "cuont = 2",
    "start = 10": "start = -10",
    'monotherapy = ["drug"]': 'monotherapy = ["drgu"]',
    "[switches]": "[switches]\nkill.faster = 1",
    "untreated = []": "untreated = 3",
}
"""Mistakes that can be made together, each a problem of one line."""


def lines_of(text: str) -> list[int]:
    try:
        parse(text, "small.toml")
    except DocumentError as error:
        return [problem.line for problem in error.problems]
    return []


@settings(max_examples=60)
@given(st.sets(st.sampled_from(sorted(ONE_LINE_EACH)), min_size=1))
def test_mistakes_made_together_are_told_as_if_each_were_alone(chosen: set[str]) -> None:
    text, wanted = TEXT, []
    for right in sorted(chosen):
        assert text.count(right) == 1, right
        text = text.replace(right, ONE_LINE_EACH[right])
    for right in chosen:
        wrong = ONE_LINE_EACH[right].split("\n")[-1]
        (line,) = [number for number, line in enumerate(text.split("\n"), start=1) if wrong in line]
        wanted.append(line)
    found = lines_of(text)
    assert set(found) == set(wanted)
    assert len(found) == len(wanted)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "law", "arms", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield from [at] if at else []
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from places(value, (*at, key))


def spoilt(data: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(data)
    home: Any = made
    for part in place[:-1]:
        home = home[part]
    home[place[-1]] = value
    return made


CLAIMED = """
title = "What the drug does"
scenario = "wnt16b-stroma"
[[claims]]
id = "C1"
statement = "The drug shrinks the tumour."
check = "nadir(monotherapy) < nadir(untreated)"
"""
FILES = {"scenario": TEXT, "sweep": STUDY.replace("small.toml", "wnt16b-stroma"), "claims": CLAIMED}


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=150)
@given(data=st.data())
def test_whatever_stands_in_a_file_is_read_or_explained(kind: str, data: st.DataObject) -> None:
    written = parse_document(FILES[kind], kind)
    changed = written.data
    for _ in range(data.draw(st.integers(1, 3))):
        changed = spoilt(changed, data.draw(st.sampled_from([*places(changed)])), data.draw(anything))
    document = Document(kind, changed, written.lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backfire.sweeps.spec.parse_document", lambda *_: document)
        patch.setattr("backfire.claims.own.parse_document", lambda *_: document)
        try:
            if kind == "scenario":
                parse_data(changed, kind)
            elif kind == "sweep":
                parse_sweep("", kind)
            else:
                parse_claims("", kind)
        except DocumentError as error:
            assert all(problem.message for problem in error.problems)


def test_kinds_are_told_by_their_tables() -> None:
    for kind, text in ((SCENARIO, TEXT), (SWEEP, STUDY), (CLAIMS, CLAIMED)):
        assert kind_of_document(parse_document(text, "file")) is kind
    assert kind_of_document(parse_document(TEXT.replace("[mechanisms]", "[mechanism]"), "file")) is SCENARIO
    assert kind_of_document(parse_document(CLAIMED.replace("claims]]", "claim]]"), "file")) is CLAIMS
    assert kind_of_document(parse_document("", "file")) is None
    for path in shipped_sweeps().values():
        assert kind_of_document(parse_document(path.read_text(encoding="utf-8"), "file")) is SWEEP


@pytest.mark.parametrize("read", [parse, parse_sweep, parse_claims], ids=lambda read: read.__name__)
@pytest.mark.parametrize("letter", [r"\u001b[31m", r"\u202e", r"\u0007"])
def test_texts_say_nothing_to_the_terminal(read: Callable[[str], object], letter: str) -> None:
    text = f'title = "Red {letter} alert"\nscenario = "wnt16b-stroma"\n'
    with pytest.raises(DocumentError, match="title: has control or direction characters; write plain text"):
        read(text)
