"""Rules of regimens in scenario files: what is wrong is told with its line, what is right reads back, every number is an input."""

from __future__ import annotations

import json

import pytest

import backfire
from backfire.errors import DocumentError
from backfire.model import DosingRule
from backfire.scenario import input_label, parse, parse_data

TEXT = """
title = "A rule"
days  = 60

[mechanisms]
growth       = { law = "logistic" }
pharmacology = { agents = ["drug"] }
kill         = { by = ["drug"] }
surgery      = {}

[rules.share]
visit_every  = 7
stop_below   = 0.5
resume_above = 1.0

[regimens]
drug    = { amount = 4.0, start = 7, every = 7, count = 6, rules = ["share"] }
surgery = { start = 50 }

[arms]
untreated = []
treated   = ["drug"]
"""


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


WRONG = (
    (changed("stop_below   = 0.5", "stop_bellow  = 0.5"), 13, "stop_below"),
    (changed("visit_every  = 7", "visit_every  = 0"), 12, "visits need days between them"),
    (changed("visit_every  = 7", ""), 11, "visit_every"),
    (changed("visit_every  = 7", "visit_every  = 1e-4"), 17, "more than the 20000 visits"),
    (changed("stop_below   = 0.5", "stop_below   = -1"), 13, "must be a finite number"),
    (changed("stop_below   = 0.5", "stop_below   = 0"), 13, "never met"),
    (changed("stop_below   = 0.5", ""), 14, "resumes what was stopped"),
    (changed("stop_below   = 0.5", "start_below  = 0.5"), 14, "given from the first"),
    (changed("stop_below   = 0.5", "stop_below   = 0.5\nraise_above = 2.0"), 14, "give two rules"),
    (changed("stop_below   = 0.5\nresume_above = 1.0", "raise_above  = 2.0"), 11, "needs `by`"),
    (changed("stop_below   = 0.5\nresume_above = 1.0", "raise_above  = 2.0\nby = 2\nmost = 0.5"), 15, "lies outside 0 to 0.5"),
    (changed("stop_below   = 0.5\nresume_above = 1.0", ""), 11, "something to do"),
    (changed("stop_below   = 0.5", "stop_below   = 0.5\nof = 'nadir'"), 13, "nothing is below its own nadir"),
    (changed("stop_below   = 0.5", "stop_below   = 0.5\nof = 'nadirs'"), 14, "did you mean `nadir`"),
    (changed("stop_below   = 0.5", "stop_below   = 0.5\nmeasure = 'burdn'"), 14, "did you mean `burden`"),
    (changed("stop_below   = 0.5", "stop_below   = 0.5\nmeasure = 'burden / burden / burden'"), 14, "more than the ratio of two"),
    (changed("stop_below   = 0.5", "stop_below   = 0.5\nmeasure = 'diameter'"), 14, "needs the `geometry`"),
    (changed("stop_below   = 0.5", "stop_below   = 0.5\nmeasure = 'diameter'\ngeometry = 'cube'"), 15, "sphere"),
    (changed("stop_below   = 0.5", "stop_below   = 0.5\nseed = 1.5"), 14, "whole number"),
    (changed('rules = ["share"]', 'rules = ["shares"]'), 17, "did you mean `share`"),
    (changed('rules = ["share"]', 'rules = ["share", "share"]'), 17, "names a rule twice"),
    (changed("surgery = { start = 50 }", 'surgery = { start = 50, rules = ["share"] }'), 18, "takes no rules"),
    (changed("visit_every  = 7", "visit_every  = 7\nvisit_from = 55"), 18, "when all that it decides on has been given"),
)


def test_a_rule_first_looked_at_when_an_infusion_is_over_is_refused() -> None:
    """On the day of a bolus it still decides; on the day on which the last infusion ends on nothing."""
    parse(changed("visit_every  = 7", "visit_every  = 7\nvisit_from = 42"))
    ends = changed("visit_every  = 7", "visit_every  = 7\nvisit_from = 43").replace("every = 7, count = 6", "duration = 36")
    with pytest.raises(DocumentError, match="has been given, on day 43"):
        parse(ends)


@pytest.mark.parametrize(("text", "line", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.line == line


def test_a_rule_that_no_regimen_has_is_told() -> None:
    of = parse(changed(', rules = ["share"]', ""))
    assert any("no regimen has" in warning for warning in of.warnings)
    assert not parse(TEXT).warnings


def test_a_scenario_with_rules_reads_back_as_it_is() -> None:
    of = parse(TEXT)
    assert of.dosing_rules == {"share": DosingRule("share", visit_every=7, stop_below=0.5, resume_above=1.0)}
    again = parse_data(json.loads(json.dumps(of.resolved(), allow_nan=False)), of.name)
    assert again.resolved() == of.resolved()
    assert again.hash == of.hash
    assert of.hash != parse(changed("stop_below   = 0.5", "stop_below   = 0.4")).hash
    # without rules nothing of them is in the data, so stored runs of before keep their hash
    assert "rules" not in json.dumps(backfire.load("wnt16b-stroma").resolved()["regimens"])


def test_every_number_of_a_rule_that_it_has_is_an_input() -> None:
    of = parse(TEXT)
    names = {name for name, item in of.inputs.items() if item.kind == "rule"}
    wanted = {"visit_every", "stop_below", "resume_above", "error", "seed"}
    assert names == {f"share.{word}" for word in wanted}
    assert of.changed({"share.stop_below": 0.25}).dosing_rules["share"].stop_below == 0.25
    with pytest.raises(DocumentError, match="stop_below"):
        of.changed({"share.stop_belo": 0.25})
    with pytest.raises(DocumentError, match="finite number"):
        of.changed({"share.stop_below": -1.0})
    assert input_label("share.stop_below", "1") == "rule share: stop below"


def test_a_rule_says_what_it_does() -> None:
    told = parse(TEXT).dosing_rules["share"].in_words()
    assert told == "every 7 d, burden: stop below 0.5, resume from 1 of its first value"
    (section,) = (item for item in backfire.explain(parse(TEXT)) if item.title == "Rules")
    assert section.rows[1:] == (("share", told),)
