"""Building blocks of mechanisms, by the numbers their formulas give."""

from __future__ import annotations

import pytest

from backfire.formulas.expression import parse
from backfire.model.components import Definition, Influence, Part, Process, State
from backfire.model.motifs import STEEPNESS, ResponseForm, excess, joint_effect, promotes, protects, renewing, trigger


def found(parts: list[Part], kind: type) -> list[Part]:
    return [part for part in parts if isinstance(part, kind)]


def answer(form: ResponseForm, exposure: float, hill: float = 1.0) -> float:
    (definition,) = found([*trigger("damage", ("b", "a"), form)], Definition)
    assert isinstance(definition, Definition)
    shares = {"a": exposure / 4, "b": 3 * exposure / 4}
    return parse(definition.formula).value({**shares, "damage_half": 0.5, "damage_hill": hill})


@pytest.mark.parametrize("form", ["saturating", "threshold", "linear"])
def test_a_host_answers_more_to_more(form: ResponseForm) -> None:
    assert answer(form, 0.0) == 0
    assert answer(form, 0.5) == pytest.approx(1.0 if form == "linear" else 0.5, rel=1e-14)
    assert answer(form, 0.3) < answer(form, 0.5) < answer(form, 0.9)


def test_forms_differ_far_from_their_middle() -> None:
    assert answer("saturating", 5.0, hill=2.0) == pytest.approx(100 / 101, rel=1e-14)
    assert answer("threshold", 5.0) == pytest.approx(1 / (1 + 0.1**STEEPNESS), rel=1e-14)
    assert answer("linear", 5.0) == pytest.approx(10, rel=1e-14)
    # from 3 % to 97 % within a third of the threshold, as its docstring says
    assert answer("threshold", 0.5 / 1.34) == pytest.approx(0.03, abs=2e-3)
    assert answer("threshold", 0.5 * 1.34) == pytest.approx(0.97, abs=2e-3)


def test_a_renewing_state_follows_its_level() -> None:
    _, gain, loss = renewing(State("x", "fold", "m", 1.0), "3 * fold", "rate")
    assert isinstance(gain, Process)
    assert isinstance(loss, Process)
    assert (gain.enters, gain.leaves, loss.enters, loss.leaves) == ("x", None, None, "x")
    values = {"rate": 2.0, "x": 3.0}
    assert parse(gain.rate).value(values) == parse(loss.rate).value(values) == 6


def test_what_a_factor_does_is_nothing_at_its_untreated_level_and_half_at_its_half() -> None:
    assert parse(excess("f").formula).value({"f": 1.0}) == 0
    assert excess("f").open
    (shield,) = found([*protects("f", 2.0, "s", "assumed", (1.0, 3.0))], Influence)
    (feed,) = found([*promotes("f", "growth", 4.0, 2.0, "s", "assumed", (1.0, 5.0))], Influence)
    assert isinstance(shield, Influence)
    assert isinstance(feed, Influence)
    values = {"f_protection_half": 2.0, "f_growth_gain": 4.0, "f_growth_half": 2.0}
    shares = [[parse(part.factor).value({**values, "excess_f": level}) for level in (0.0, 2.0)] for part in (shield, feed)]
    assert shares == [[1.0, 0.5], [1.0, 3.0]]
    assert (shield.on, feed.on, feed.optional) == ("kill", "growth", True)


def test_independent_agents_act_together_as_bliss_says() -> None:
    assert joint_effect(["a"]) == "effect_a"
    assert parse(joint_effect(["b", "a"])).value({"effect_a": 0.5, "effect_b": 0.2}) == pytest.approx(0.6, rel=1e-15)
    assert joint_effect(["b", "a"]) == joint_effect(["a", "b"])
