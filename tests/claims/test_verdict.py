"""Verdicts for many models at once: what no value within its interval could change, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.claims.language import OutcomeRef, parse_claim
from backfire.claims.verdict import VERDICTS, Judged, Measured, Verdict, distance, judge, known, resolution

A, B, C = (OutcomeRef("final_burden", arm) for arm in ("a", "b", "c"))
TIME = OutcomeRef("time_to_progression", "a")
KILL = OutcomeRef("log_kill_1", "a")


def judged(
    text: str, values: dict[OutcomeRef, float], resolved: float = 1e-6, late: frozenset[OutcomeRef] = frozenset()
) -> Judged:
    measured = {
        item: Measured(np.array([value]), np.array([item not in late]), np.array([True])) for item, value in values.items()
    }
    return judge(parse_claim(text), measured, resolved)


@pytest.mark.parametrize(
    ("text", "values", "wanted", "margin"),
    [
        ("final_burden(a) > final_burden(b)", {A: 3.0, B: 1.0}, Verdict.HOLDS, math.log(3)),
        ("final_burden(a) < final_burden(b)", {A: 3.0, B: 1.0}, Verdict.FAILS, -math.log(3)),
        ("final_burden(a) > 1.0000001", {A: 1.0}, Verdict.INCONCLUSIVE, -1e-7),
        ("final_burden(a) > 1.00001", {A: 1.0}, Verdict.FAILS, -1e-5),
        ("final_burden(a) = 1.1 within 20 %", {A: 1.0}, Verdict.HOLDS, math.log(1.2 / 1.1)),
        ("final_burden(a) = 1.2 within 20 %", {A: 1.0}, Verdict.INCONCLUSIVE, 0.0),
        ("final_burden(a) = 1.5 within 20 %", {A: 1.0}, Verdict.FAILS, -math.log(1.5 / 1.2)),
        ("final_burden(a) > final_burden(b)", {A: math.nan, B: 1.0}, Verdict.NOT_APPLICABLE, math.nan),
        ("1 / final_burden(a) > 0", {A: 0.0}, Verdict.NOT_APPLICABLE, math.nan),
        ("final_burden(a) > final_burden(b)", {A: 0.0, B: 0.0}, Verdict.FAILS, 0.0),  # no cell is not more than no cell
        ("final_burden(a) >= final_burden(b)", {A: 0.0, B: 0.0}, Verdict.HOLDS, 0.0),
        ("final_burden(a) < 1", {A: 0.0}, Verdict.HOLDS, 1.0),
        ("final_burden(a) - final_burden(b) > 0", {A: 1e9 + 10, B: 1e9}, Verdict.INCONCLUSIVE, 1.0),
        ("final_burden(a) - final_burden(b) > 0", {A: 1e9 + 1e5, B: 1e9}, Verdict.HOLDS, 1.0),
        # a quotient by a difference that may be nothing is anything
        ("final_burden(c) / (final_burden(a) - final_burden(b)) > 2", {A: 1e9 + 10, B: 1e9, C: 1e9}, Verdict.INCONCLUSIVE, 17.7),
        ("log_kill_1(a) > 0", {KILL: 1e-8}, Verdict.INCONCLUSIVE, 1.0),  # a share of nothing would decide on rounding
        ("final_burden(a) > 1 and final_burden(b) > 1.0000001", {A: 0.5, B: 1.0}, Verdict.FAILS, -math.log(2)),
    ],
)
def test_one_comparison(text: str, values: dict[OutcomeRef, float], wanted: Verdict, margin: float) -> None:
    found = judged(text, values)
    assert found.verdict() is wanted
    assert float(found.margins[0]) == pytest.approx(margin, rel=0.01, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("time_to_progression(a) > 50", Verdict.HOLDS),
        ("time_to_progression(a) < 50", Verdict.FAILS),
        ("time_to_progression(a) > 70", Verdict.NOT_APPLICABLE),
        ("time_to_progression(a) < 70", Verdict.NOT_APPLICABLE),
        ("2 * time_to_progression(a) - 10 > 100", Verdict.HOLDS),
        ("100 - time_to_progression(a) > 45", Verdict.FAILS),
        ("1 / time_to_progression(a) < 0.1", Verdict.HOLDS),
        ("time_to_progression(a) = 60 within 10 %", Verdict.NOT_APPLICABLE),
        ("time_to_progression(a) = 30 within 10 %", Verdict.FAILS),
    ],
)
def test_a_time_not_reached_is_everything_from_there_on(text: str, wanted: Verdict) -> None:
    assert judged(text, {TIME: 60.0}, late=frozenset({TIME})).verdict() is wanted


def test_what_could_not_be_solved_is_an_error_and_nothing_else() -> None:
    measured = {A: Measured(np.array([2.0, math.nan, math.nan]), np.array([True] * 3), np.array([True, True, False]))}
    found = judge(parse_claim("final_burden(a) > 1"), measured)
    assert [found.verdict(member) for member in range(3)] == [Verdict.HOLDS, Verdict.NOT_APPLICABLE, Verdict.ERROR]
    assert found.having(Verdict.ERROR).tolist() == [False, False, True]
    assert np.isnan(found.margins[1:]).all()


TEXTS = (
    "final_burden(a) > final_burden(b)",
    "final_burden(a) - final_burden(b) < 0.5 * (final_burden(c) - final_burden(b))",
    "final_burden(a) / (final_burden(b) + 1) >= final_burden(c) * 0.1",
    "final_burden(a) = final_burden(b) within 30 % and time_to_progression(a) > final_burden(c)",
    "2 * time_to_progression(a) < final_burden(a) <= final_burden(b) * final_burden(c)",
)
values = st.one_of(st.just(0.0), st.floats(1e-3, 1e3), st.sampled_from([1.0, 1.00001, 1.0000001]), st.just(math.nan))


@given(st.sampled_from(TEXTS), st.lists(st.tuples(values, values, values, values, st.booleans()), min_size=1, max_size=6))
def test_many_at_once_are_each_alone(text: str, rows: list[tuple[float, float, float, float, bool]]) -> None:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    everything = dict(zip((A, B, C, TIME), columns, strict=False))
    fine = np.ones(len(rows), dtype=bool)
    measured = {item: Measured(column, columns[4] if item is TIME else fine, fine) for item, column in everything.items()}
    together = judge(parse_claim(text), measured, 1e-4)
    for member, row in enumerate(rows):
        late = frozenset() if row[4] else frozenset({TIME})
        alone = judged(text, dict(zip((A, B, C, TIME), row, strict=False)), 1e-4, late)
        assert alone.verdict() is together.verdict(member)
        assert float(alone.margins[0]) == pytest.approx(float(together.margins[member]), nan_ok=True)


@given(
    st.sampled_from(TEXTS),
    st.tuples(*[st.floats(1e-2, 1e2)] * 4),
    st.booleans(),
    st.lists(st.tuples(*[st.floats(-1, 1)] * 4, st.floats(0, 1e3)), min_size=1, max_size=8),
)
def test_a_verdict_stands_for_every_value_within_the_intervals(
    text: str, centre: tuple[float, ...], reached: bool, moves: list[tuple[float, ...]]
) -> None:
    names, resolved = (A, B, C, TIME), 1e-2
    claim = parse_claim(text)
    found = judged(text, dict(zip(names, centre, strict=True)), resolved, frozenset() if reached else frozenset({TIME}))
    for move in moves:
        given_values = {}
        for name, value, share in zip(names, centre, move, strict=False):
            blur = float(resolution(name.outcome, np.array(value), resolved))
            moved = np.array([value + share * blur + (move[4] if name is TIME and not reached else 0.0)])
            given_values[name] = Measured(moved, np.array([True]), np.array([True]))
        truths = []
        for item in claim.comparisons:
            left, right = (known(side, given_values).value.item() for side in (item.left, item.right))
            if item.order == "=":
                truths.append(max(left, right) <= (1 + item.tolerance) * min(left, right))
            else:
                truths.append({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[item.order])
        if found.verdict() is Verdict.HOLDS:
            assert all(truths)
        if found.verdict() is Verdict.FAILS:
            assert not all(truths)


def test_distance_is_a_logarithm_and_finite_for_other_signs() -> None:
    left, right = np.array([2.0, -2.0, 0.0, 0.0, -1.0]), np.array([1.0, 1.0, 5.0, 0.0, -4.0])
    assert distance(left, right) == pytest.approx([math.log(2), -1.5, -1.0, 0.0, 0.75])


def test_a_claim_fails_at_its_tightest_comparison() -> None:
    measured = {A: Measured(np.array([0.5, 5.0, 50.0]), np.array([True] * 3), np.array([True] * 3))}
    found = judge(parse_claim("1 < final_burden(a) and final_burden(a) < 10"), measured)
    assert found.tightest.tolist() == [0, 1, 1]
    assert [found.verdict(member).value for member in range(3)] == ["fails", "holds", "fails"]


def test_codes_follow_the_list_of_verdicts() -> None:
    assert set(VERDICTS) == set(Verdict)
