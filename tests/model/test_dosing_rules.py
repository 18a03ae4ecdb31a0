"""How rules decide, by themselves."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backfire.model import DosingRule, decide, settled

NEAR = st.floats(0.2, 3.0)


@st.composite
def rules(draw: st.DrawFn) -> DosingRule:
    """Any rule that stops and resumes, or raises and lowers."""
    of, of_nadir = draw(st.sampled_from((("start", False), ("level", False), ("last", False), ("nadir", True))))
    if draw(st.booleans()):
        words = ("stop_above", "resume_above") if of_nadir else ("stop_below", "stop_above", "resume_below", "resume_above")
        chosen = {"stop_above": draw(NEAR), **{word: draw(NEAR) for word in draw(st.sets(st.sampled_from(words)))}}
        return DosingRule("rule", visit_every=1, of=of, **chosen)
    words = ("raise_above", "lower_above") if of_nadir else ("raise_below", "raise_above", "lower_below", "lower_above")
    chosen = {word: draw(NEAR) for word in draw(st.sets(st.sampled_from(words), min_size=1))}
    return DosingRule("rule", visit_every=1, of=of, by=2.0, least=0.5, most=4.0, **chosen)


@given(rules(), st.sampled_from((0.0, 0.5, 1.0, 2.0, 4.0)), st.sampled_from((0.5, 1.0, np.nan)), NEAR, NEAR, st.floats(0, 1))
def test_what_is_settled_is_so_wherever_it_is_measured(
    rule: DosingRule, level: float, reference: float, one: float, other: float, share: float
) -> None:
    numbers, low, high = np.array([rule.numbers()]), min(one, other), max(one, other)
    if settled(numbers, 0, level, reference, low, high):
        for measured in (low, high, low + share * (high - low)):
            assert decide(numbers, 0, level, reference, measured) == (level, reference)


def test_far_from_all_thresholds_a_rule_is_settled() -> None:
    numbers = np.array([DosingRule("rule", visit_every=1, stop_below=0.5, resume_above=1.0).numbers()])
    assert settled(numbers, 0, 1.0, 2.0, 1.1, 5.0)
    assert not settled(numbers, 0, 1.0, 2.0, 0.9, 5.0)  # it might stop
    assert settled(numbers, 0, 0.0, 2.0, 0.1, 1.9)
    assert not settled(numbers, 0, 0.0, 2.0, 0.1, 2.1)  # it might resume
    assert not settled(numbers, 0, 1.0, np.nan, 1.1, 5.0)  # the first visit says what its start is
