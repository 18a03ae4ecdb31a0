"""The simulation of the page against the reference solver: courses, deaths, extinctions, outcomes, verdicts, files."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backfire
from backfire.claims import evaluate_claims, load_articles
from backfire.errors import ScheduleError
from backfire.model import Regimen
from backfire.outcomes import Interpolant
from backfire.simulation import Result
from backfire.solvers.javascript import javascript
from browserless import Engine, running

NAMES = [*backfire.shipped_scenarios()]
QUICK = {"wnt16b-stroma", "exosome-metastasis", "bortezomib-macrophages"}
"""The others take a second or more each."""
EVERY = [pytest.param(name, marks=() if name in QUICK else pytest.mark.thorough) for name in NAMES]
CLOSE = 1e-5


@pytest.fixture(scope="module", params=EVERY)
def both(request: pytest.FixtureRequest):
    """A shipped scenario run by the reference solver, and the engine of its page."""
    scenario = backfire.load(request.param)
    with running(scenario) as engine:
        yield backfire.simulate(scenario), engine


def extinctions(result: Result, arm: str) -> list[tuple[str, float]]:
    """State and day of every fall through one cell, read off the steps of the reference solver."""
    trajectory, found = result.trajectories[arm], []
    steps = trajectory.steps
    assert steps is not None
    for place, state in enumerate(result.scenario.network.states):
        ends, begins = steps.values[:-1, -1, place], steps.values[1:, 0, place]
        if state.dies_out:
            # what others feed is no longer quite 0 where the next step is first looked at
            fell = (ends >= 1 - 1e-6) & (begins < 1e-3) & steps.fresh[1:]
            found += [(state.name, float(day)) for day in steps.times[1:, 0][fell]]
    return sorted(found, key=lambda item: item[1])


def test_courses_deaths_and_extinctions_are_those_of_the_reference_solver(both: tuple[Result, Engine]) -> None:
    result, engine = both
    some = next(iter(result.trajectories.values()))
    names = [name for name, unit in zip(some.names, some.units, strict=True) if unit == "fold" or name == "burden"]
    for arm, trajectory in result.trajectories.items():
        assert trajectory.steps is not None
        told = engine.ask(f"readAll({json.dumps(arm)}, [])")
        assert told["status"] == "ok"
        death = result.death(arm)
        assert (told["died"] is None) == (death is None)
        assert death is None or told["died"] == pytest.approx(death, rel=CLOSE)
        mine, theirs = extinctions(result, arm), told["extinctions"]
        assert [name for name, _ in mine] == [name for name, _ in theirs], arm
        assert [day for _, day in theirs] == pytest.approx([day for _, day in mine], abs=1e-3)
        # not within a thousandth of a day of a fall to nothing, where the last digit of its day is all that differs
        days = np.linspace(0.01, float(trajectory.times[-1]) * (1 - 1e-7), 701)
        gone = [day for _, day in mine]
        days = days[[all(abs(day - one) > 2e-3 for one in gone) for day in days]]
        for name, values in zip(
            names, engine.ask(f"courses({json.dumps(arm)}, {json.dumps(names)}, {days.tolist()})"), strict=True
        ):
            column = trajectory.names.index(name)
            inside = trajectory.units[column] == "cell"
            course = Interpolant(trajectory.steps, trajectory.steps.values[..., column], inside, inside)
            expected = np.array([course.before(day) for day in days])
            assert np.array(values, dtype=float) == pytest.approx(expected, rel=CLOSE, abs=CLOSE), (arm, name)


def test_every_outcome_is_read_as_the_catalogue_says(both: tuple[Result, Engine]) -> None:
    result, engine = both
    for arm, outcomes in result.outcomes.items():
        names = [name for name in outcomes if name != "cure_probability"]
        for name, found in zip(names, engine.ask(f"readAll({json.dumps(arm)}, {json.dumps(names)})")["found"], strict=True):
            assert found is not None, f"the page cannot read {name}"
            value, observed = math.nan if found[0] is None else found[0], found[1]
            assert value == pytest.approx(outcomes[name].value, rel=CLOSE, abs=1e-6, nan_ok=True), (arm, name)
            assert observed == outcomes[name].observed, (arm, name)


CLAIMED = [pytest.param(name, marks=() if name == "wnt16b-stroma" else pytest.mark.thorough) for name in NAMES]


@pytest.mark.parametrize("name", CLAIMED)
def test_claims_come_to_the_same_verdicts_and_margins(name: str) -> None:
    scenario, articles = backfire.load(name), load_articles()
    spoken = {claim: entry for item in articles for claim, entry in item.claims.items() if item.scenario_of(claim) == name}
    if not spoken:
        pytest.skip("no claim speaks of it")
    findings = evaluate_claims(only=spoken, loaded={name: scenario}).findings
    with running(scenario, [*spoken.values()]) as engine:
        told = {claim: (verdict, margin) for claim, verdict, margin in engine.ask("verdicts()")}
    for item in findings:
        verdict, margin = told[item.claim.id]
        assert verdict == item.verdict.value, item.claim.id
        assert (math.nan if margin is None else margin) == pytest.approx(item.margin, rel=1e-4, abs=1e-5, nan_ok=True)


CHANGES = {
    "growth_rate": 0.2,
    "mitoxantrone.amount": 3.5,
    "mitoxantrone.start": 20.5,
    "anti_wnt16b.count": 4,
    "stroma.protects_kill": 0,
}


def test_a_saved_scenario_is_the_scenario_and_gives_the_numbers_of_the_page() -> None:
    scenario = backfire.load("wnt16b-stroma")
    with running(scenario) as engine:
        same, other = (engine.ask(f"scenarioFile(study, inputsOf(study, {json.dumps(given)}))") for given in ({}, CHANGES))
        assert backfire.parse(same).hash == scenario.hash
        saved = backfire.parse(other)
        expected = scenario.changed(CHANGES)
        assert {name: saved.inputs[name].value for name in CHANGES} == CHANGES
        assert (saved.constants(), saved.days, saved.time_zero) == (expected.constants(), expected.days, expected.time_zero)
        assert [saved.events(arm) for arm in saved.arms] == [expected.events(arm) for arm in expected.arms]
        assert saved.network.parameters["growth_rate"].source == "set in the explorer, was 0.115 1/day"
        told = engine.ask(f"readAll('combination', ['final_burden', 'nadir'], inputsOf(study, {json.dumps(CHANGES)}))")["found"]
    outcomes = backfire.simulate(saved, ["combination"]).outcomes["combination"]
    assert [value for value, _ in told] == pytest.approx([outcomes[name].value for name in ("final_burden", "nadir")], rel=CLOSE)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.thorough) for name in NAMES])
def test_every_scenario_is_saved_as_it_is(name: str) -> None:
    scenario = backfire.load(name)
    with running(scenario) as engine:
        assert backfire.parse(engine.ask("scenarioFile(study, inputs)"), name).hash == scenario.hash


INFUSED = """
title = "Infusions and cycles"
days = 100
[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug"], infused = ["drug"] }
kill = { by = ["drug"] }
[regimens]
drug = { amount = 4.0, start = 1, every = 2, count = 2 }
drip = { agent = "drug", amount = 4.0, start = 1, every = 2, count = 2, duration = 1 }
[arms]
untreated = []
monotherapy = ["drug", "drip"]
"""


@pytest.fixture(scope="module")
def infused():
    scenario = backfire.parse(INFUSED)
    with running(scenario) as engine:
        yield scenario, engine


@given(
    start=st.integers(0, 400), every=st.integers(1, 120), count=st.integers(1, 6), amount=st.floats(0, 50), cycles=st.integers(1, 3),
    length=st.integers(0, 300), duration=st.sampled_from([0.0, 0.1, 0.7]),
)  # fmt: skip
def test_events_are_those_of_the_event_table(infused, start, every, count, amount, cycles, length, duration) -> None:
    """In tenths of days, as files have them: overlapping infusions, cycles, and two regimens of one agent at one moment."""
    scenario, engine = infused
    numbers = {"start": start / 10, "every": every / 10, "count": count, "amount": amount, "cycles": cycles, "cycle_length": length / 10, "duration": duration}  # fmt: skip
    try:
        regimen = Regimen("drip", "drug", **numbers)
        changed = scenario.changed({f"drip.{word}": value for word, value in numbers.items()})
    except (ScheduleError, backfire.BackfireError):
        return
    inputs = json.dumps({f"drip.{word}": value for word, value in numbers.items()})
    assert engine.ask(f"refusal(regimensOf(study, inputsOf(study, {inputs})).drip, study.days)") == ""
    told = engine.ask(f"problemOf(study, 'monotherapy', inputsOf(study, {inputs})).events")
    expected = changed.events("monotherapy")
    assert [item["time"] for item in told] == [event.time for event in expected]
    for item, event in zip(told, expected, strict=True):
        assert changed.network.state_names[item["index"]] == event.state
        assert (item["multiply"], item["add"]) == (event.multiply, pytest.approx(event.add, rel=1e-12, abs=1e-12))
    assert len([*regimen.doses()]) == count * cycles


def test_names_that_javascript_keeps_for_itself_are_only_names() -> None:
    text = INFUSED.replace('"drug"', '"new"').replace("drug =", "new =")
    scenario = backfire.parse(text)
    assert "$new" in javascript(scenario.network)
    with running(scenario) as engine:
        told = engine.ask("readAll('monotherapy', ['final_burden'])")["found"]
    assert told[0][0] == pytest.approx(backfire.simulate(scenario).outcomes["monotherapy"]["final_burden"].value, rel=CLOSE)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["wnt16b-stroma", "exosome-metastasis", "pi3k-jak2-bypass", "all-together"])
def test_plausible_tumours_agree_too(name: str) -> None:
    """Anywhere in the plausible box, where models turn stiff: burden, death and extinction of a dozen tumours in every arm."""
    scenario, random = backfire.load(name), np.random.default_rng(19)
    ranged = [item for item in scenario.inputs.values() if item.kind == "parameter"]
    with running(scenario) as engine:
        for _ in range(12):
            changes = {
                item.name: float(item.low + (item.high - item.low) * random.uniform()) if item.low <= 0 else float(item.low * (item.high / item.low) ** random.uniform())
                for item in ranged
            }  # fmt: skip
            try:
                result = backfire.simulate(scenario.changed(changes))
            except backfire.BackfireError:
                continue
            for arm in scenario.arms:
                if not result.trajectories[arm].status.good:
                    continue
                told = engine.ask(
                    f"readAll({json.dumps(arm)}, ['final_burden', 'nadir'], inputsOf(study, {json.dumps(changes)}))"
                )
                outcomes, death = result.outcomes[arm], result.death(arm)
                assert told["status"] == "ok"
                assert (told["died"] is None) == (death is None)
                assert death is None or told["died"] == pytest.approx(death, rel=CLOSE)
                assert [item for item, _ in told["extinctions"]] == [item for item, _ in extinctions(result, arm)]
                for (value, _), key in zip(told["found"], ("final_burden", "nadir"), strict=True):
                    assert (math.nan if value is None else value) == pytest.approx(
                        outcomes[key].value, rel=CLOSE, abs=1e-3, nan_ok=True
                    )
