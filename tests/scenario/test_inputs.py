"""Named inputs: declared once, in the unit of the scenario file, with the limits they have by themselves."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from backfire.errors import DocumentError, UserError
from backfire.model import REGIMEN_NUMBERS, Regimen
from backfire.scenario import find_inputs, input_label, kind_of, load, parse, whole_numbers
from backfire.simulation import run_members, simulate
from small import SMALL

HOURLY = SMALL + '\n[parameters]\ngrowth_rate = { value = 0.005, unit = "1/hour", source = "a test", grade = "assumed" }\n'


def test_every_parameter_switch_and_number_of_a_regimen_is_an_input() -> None:
    scenario = load("wnt16b-stroma")
    numbers = {f"{regimen}.{word}" for regimen in scenario.regimens for word in REGIMEN_NUMBERS}
    assert {*scenario.inputs} == {*scenario.values, *scenario.switches, *numbers}
    assert {*REGIMEN_NUMBERS} == {item.name for item in dataclasses.fields(Regimen)} - {"name", "agent", "rules"}
    for name, item in scenario.inputs.items():
        assert item.meaning
        assert kind_of(name) == item.kind
        assert input_label(name, item.unit)
        if item.kind == "regimen":
            owner, word = name.split(".")
            assert item.value == getattr(scenario.regimens[owner], word)
            assert scenario.regimens[owner].agent in item.meaning
            assert math.isnan(item.low)
        else:
            assert item.low < item.high
    assert scenario.inputs["stroma.protects_kill"].most == 1.0


def test_values_are_in_the_unit_of_the_file_whichever_way_they_come_in() -> None:
    """0.005 per hour are 0.12 per day."""
    scenario = parse(HOURLY)
    item = scenario.inputs["growth_rate"]
    assert (item.unit, item.value) == ("1/hour", pytest.approx(0.005))
    assert scenario.values["growth_rate"] == pytest.approx(0.12)
    daily = parse(SMALL).network.parameters["growth_rate"].range
    assert (item.low, item.high) == pytest.approx((daily[0] / 24, daily[1] / 24))
    wanted = simulate(parse(SMALL).changed({"growth_rate": 0.24}), ["monotherapy"]).outcomes["monotherapy"]["nadir"].value
    assert simulate(scenario.changed({"growth_rate": 0.01}), ["monotherapy"]).outcomes["monotherapy"]["nadir"].value == wanted
    found = run_members(scenario, ["growth_rate"], np.array([[0.005], [0.01]]), ["monotherapy"], ["nadir"])
    assert found.values["monotherapy"]["nadir"][1] == pytest.approx(wanted, rel=1e-4)


def test_unknown_names_doubles_and_surgery_without_amount_are_refused() -> None:
    scenario = load("exosome-metastasis")
    with pytest.raises(UserError, match="did you mean `growth_rate`"):
        find_inputs(scenario.inputs, ["growht_rate"])
    with pytest.raises(UserError, match="given twice"):
        find_inputs(scenario.inputs, ["growth_rate", "growth_rate"])
    surgery = next(name for name, item in scenario.regimens.items() if item.agent == "surgery")
    with pytest.raises(UserError, match="takes no `amount`"):
        find_inputs(scenario.inputs, [f"{surgery}.amount"])
    with pytest.raises(DocumentError, match="did you mean"):
        scenario.changed({"surgery.strat": 3})


def test_what_counts_is_whole() -> None:
    scenario = parse(SMALL)
    given = whole_numbers(scenario.inputs, {"drug.count": 2.0, "drug.amount": 2.0, "drug.cycles": 1.5})
    assert [type(value) for value in given.values()] == [int, float, float]


@pytest.mark.parametrize(
    ("name", "unit", "label"),
    [
        ("growth_rate", "1/day", "growth rate (1/day)"),
        ("stroma.protects_kill", "1", "stroma: protection from kill (0 off, 1 full)"),
        ("drug.amount", "EC50", "each dose of drug (EC50)"),
        ("drug.start", "day", "first dose of drug (day)"),
        ("anti_wnt16b.every", "day", "time between doses of anti-WNT16B (days)"),
        ("drug.cycles", "1", "cycles of drug"),
    ],
)
def test_labels_are_words_with_units(name: str, unit: str, label: str) -> None:
    assert input_label(name, unit) == label
