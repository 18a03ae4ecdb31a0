"""Cohorts of shipped scenarios: outcomes as the reference gives them, bad members, and the same bits in every arrangement."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire import Intervention, Parameter
from backfire.errors import UserError
from backfire.formulas.units import BASE, parse_unit
from backfire.model.dosing import Event
from backfire.scenario.scenario import Scenario, load
from backfire.simulation import Block, Cohort, cohort, run_blocks, run_members, together, trajectories
from backfire.simulation.members import MemberTable
from backfire.solvers.batch.solve import BatchSettings
from backfire.solvers.reference import Settings
from backfire.solvers.trajectory import Floats, Status
from systems import alone

SCENARIOS = next(
    place / "configs" / "scenarios"
    for place in Path(backfire.__file__).resolve().parents
    if (place / "configs" / "scenarios").is_dir()
)
SHIPPED = sorted(path.stem for path in SCENARIOS.glob("*.toml"))
QUICK = ["wnt16b-stroma", "control-no-stroma", "exosome-metastasis"]
STROMA = QUICK[0]
DEFAULT = np.zeros((1, 0))
FINER = 12
"""Rows of the reference that are so much closer give peaks to seven digits, its usual ones to five."""
TIGHT = BatchSettings(relative=1e-10, absolute=1e-12)


@lru_cache(maxsize=8)
def scenario(name: str) -> Scenario:
    return load(SCENARIOS / f"{name}.toml")


def cohort_of(name: str, fields: tuple[str, ...] = (), samples: Floats = DEFAULT, **how: object) -> Cohort:
    with alone():
        return run_members(scenario(name), fields, samples, **how)  # type: ignore[arg-type]


@lru_cache(maxsize=16)
def exactly(name: str, finer: int = 1) -> Cohort:
    """The reference solver, read off its usual rows or off a finer grid."""
    study = scenario(name)
    return run_members(study.changed({"record_every": study.record_every / finer}), (), DEFAULT, settings=Settings())


def differences(found: Cohort, wanted: Cohort) -> dict[tuple[str, str], float]:
    """(arm, outcome) → relative difference, for days the difference in days; what is undefined must be so in both."""
    off = {}
    for arm in wanted.arms:
        assert found.values[arm].keys() == wanted.values[arm].keys()
        for name, (right,) in wanted.values[arm].items():
            (here,) = found.values[arm][name]
            assert found.observed[arm][name][0] == wanted.observed[arm][name][0], (arm, name)
            assert math.isnan(here) == math.isnan(right), (arm, name)
            if not math.isnan(right):
                off[arm, name] = abs(here - right) / (1.0 if name.endswith("_day") else max(abs(right), 1e-100))
    return off


# Outcomes.


def check(name: str) -> None:
    """First with many small steps, where seven digits must be right, then with default settings to ten tolerances.

    Days of peaks are known to the root of what peaks are known to. The usual rows of the reference must do as well as
    its many: they are what ``backfire run`` reads.
    """
    for settings, finer, value, day in (
        (TIGHT, FINER, 1e-7, 1e-5),
        (TIGHT, 1, 5e-6, 2e-4),
        (BatchSettings(), 1, 1e-5, 1e-3),
    ):
        found = cohort_of(name, settings=settings)
        assert (found.status == Status.OK).all()
        far = {
            key: off
            for key, off in differences(found, exactly(name, finer)).items()
            if off > (day if key[1].endswith("_day") else value)
        }
        assert not far, (name, settings, finer, far)


@pytest.mark.parametrize("name", QUICK)
def test_outcomes_are_those_of_the_reference(name: str) -> None:
    check(name)


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(set(SHIPPED) - set(QUICK)))
def test_outcomes_of_the_other_scenarios_are_those_of_the_reference(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["untreated", "monotherapy", "combination"])
def test_states_over_time(arm: str) -> None:
    """Every state on every recorded day, the days of doses included, as the reference has it."""
    study = scenario(STROMA)
    result = backfire.simulate(study, [arm], Settings()).trajectories[arm]
    days = np.arange(0, study.days + 1)
    with alone():
        out, status = trajectories(study, (), DEFAULT, arm, days)
    wanted = result.values[np.searchsorted(result.times, days)][:, : out.shape[2]]
    assert status.tolist() == [Status.OK]
    assert (np.abs(out[0] - wanted) <= 1e-5 * np.abs(wanted).max(axis=0) + 1e-8).all()


def test_summaries_are_those_of_the_reference() -> None:
    names = ["peak(burden)", "mean(wnt16b)", "lowest(active)", "final(burden)", "area(active)", "peak(wnt16b)"]
    arms = ["untreated", "combination"]
    found = cohort_of(STROMA, outcomes=names, arms=arms)
    wanted = run_members(scenario(STROMA), (), DEFAULT, arms=arms, outcomes=names, settings=Settings())
    for arm in arms:
        assert list(found.values[arm]) == names
        for name in names:
            assert found.values[arm][name] == pytest.approx(wanted.values[arm][name], rel=1e-5), (arm, name)


def power(unit: str, base: str) -> float:
    """The power of a base unit in a unit: of cells in ``cell*day`` 1."""
    return float(parse_unit(unit).powers[BASE.index(base)])


@pytest.mark.parametrize(
    ("settings", "near"), [(BatchSettings(absolute=1e-18), 1e-5), (Settings(absolute=1e-18), 1e-7)], ids=["batch", "reference"]
)
def test_other_units_change_no_outcome(settings: BatchSettings | Settings, near: float) -> None:
    """A billion times as many cells, or drugs in units a billion times smaller or larger, with every parameter and dose
    of that unit: outcomes scale with their units. The tolerance suits the smallest."""
    study, arm = scenario(STROMA), "combination"
    plain = {name: (item.value, item.unit) for name, item in study.network.parameters.items()}
    given = study.network.interventions
    plain |= {f"{name}.amount": (item.amount, given[item.agent].amount_unit) for name, item in study.regimens.items()}
    units = [("cell", 1.0), ("cell", 1e9), ("EC50", 1e9), ("EC50", 1e-9)]
    samples = [[value * factor ** power(unit, base) for value, unit in plain.values()] for base, factor in units]
    found = cohort_of(STROMA, tuple(plain), np.array(samples), arms=[arm], settings=settings)
    assert (found.status == Status.OK).all()
    described = backfire.simulate(study, [arm]).outcomes[arm]
    for name, values in found.values[arm].items():
        wanted = [values[0] * factor ** power(described[name].unit, base) for base, factor in units]
        assert values == pytest.approx(wanted, rel=1e-3 if name.endswith("_day") else near, nan_ok=True), name
        assert len(set(found.observed[arm][name].tolist())) == 1, name


# Members.


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.thorough) for name in ("bortezomib-macrophages", "hibernation-rigi"))]
)
def test_an_outcome_asked_for_alone_is_that_of_the_whole_table(name: str) -> None:
    """Only what is asked for is looked for; what is found must not depend on what else is."""
    fields = ["growth_rate"]
    samples = scenario(name).inputs["growth_rate"].value * np.array([[0.7], [1.0], [1.4]])
    whole = cohort_of(name, tuple(fields), samples, settings=BatchSettings(relative=1e-3))
    for outcome in dict.fromkeys(item for arm in whole.arms for item in whole.values[arm]):
        arms = [arm for arm in whole.arms if outcome in whole.values[arm]]
        alone_ = cohort_of(name, tuple(fields), samples, arms=arms, outcomes=[outcome], settings=BatchSettings(relative=1e-3))
        for arm in arms:
            assert np.array_equal(alone_.values[arm][outcome], whole.values[arm][outcome], equal_nan=True), (arm, outcome)
            assert np.array_equal(alone_.observed[arm][outcome], whole.observed[arm][outcome]), (arm, outcome)


def test_summaries_asked_for_alone_are_those_of_all() -> None:
    names = [
        "peak(burden)",
        "lowest(burden)",
        "final(damaged_stroma)",
        "mean(burden)",
        "area(kill_by_mitoxantrone)",
        "day_above(burden, 1e6)",
    ]
    whole = cohort_of(STROMA, outcomes=[*names, "nadir"])
    for name in names:
        found = cohort.run_members(scenario(STROMA), (), DEFAULT, None, [name])
        for arm in whole.arms:
            assert np.array_equal(found.values[arm][name], whole.values[arm][name], equal_nan=True), (arm, name)


def test_changed_members_are_those_of_the_reference() -> None:
    """Parameters, a switch, and every number of a schedule, changed together."""
    fields = ("growth_rate", "blockade.neutralises", "mitoxantrone.amount", "mitoxantrone.count", "mitoxantrone.every")
    samples = np.array([[0.05, 0.5, 3.0, 2, 20.0], [0.15, 1.0, 12.0, 3, 21.0], [0.1, 0.0, 0.5, 1, 0.0]])
    found = cohort_of(STROMA, fields, samples)
    wanted = run_members(scenario(STROMA), fields, samples, settings=Settings())
    assert (found.status == wanted.status).all()
    for arm in wanted.arms:
        for name, values in wanted.values[arm].items():
            near = 1e-3 if name.endswith("_day") else 1e-5
            assert found.values[arm][name] == pytest.approx(values, rel=near, abs=1e-9, nan_ok=True), (arm, name)
            assert (found.observed[arm][name] == wanted.observed[arm][name]).all(), (arm, name)


BAD = {
    "growth_rate": [-1.0, math.nan, math.inf],
    "blockade.neutralises": [2.0, -0.5, math.nan],
    "mitoxantrone.amount": [-1.0, math.nan, 1e13],
    "mitoxantrone.start": [500.0, math.inf, -1.0],
    "mitoxantrone.count": [2.5, 0.0, 1e9],
    "mitoxantrone.duration": [0.5],
}
"""What no member can have; mitoxantrone is not infused here."""


def test_bad_members_are_not_run_and_disturb_nobody() -> None:
    study = scenario(STROMA)
    fields = tuple(BAD)
    good = np.array([study.values["growth_rate"], 1.0, 6.0, 14.0, 4.0, 0.0])
    rows, bad = [good], []
    for column, values in enumerate(BAD.values()):
        for value in values:
            rows += [good.copy(), good * np.array([1.1, 1, 1.1, 1, 1, 1])]
            rows[-2][column] = value
            bad.append(len(rows) - 2)
    fine = [place for place in range(len(rows)) if place not in bad]
    found = cohort_of(STROMA, fields, np.array(rows))
    alone_found = cohort_of(STROMA, fields, np.array(rows)[fine])
    for arm in found.arms:
        for name, values in found.values[arm].items():
            assert values[fine].tobytes() == alone_found.values[arm][name].tobytes(), (arm, name)
            assert np.isnan(values[bad]).all(), (arm, name)
            assert not found.observed[arm][name][bad].any()
    assert (found.status[fine] == Status.OK).all()
    assert (found.status[bad] == Status.NOT_RUN).all()
    for place in bad:
        assert all(len(found.reasons[place, arm]) > 10 for arm in found.arms), rows[place]
    assert found.reasons.keys() == {(place, arm) for place in bad for arm in found.arms}


def test_columns_of_a_table_go_by_their_names() -> None:
    import pandas as pd

    scenario, fields = load("wnt16b-stroma"), ["growth_rate", "mitoxantrone_kill_rate"]
    values = np.array([[0.1, 1.5], [0.2, 0.7]])
    table = pd.DataFrame(values, columns=fields)[["mitoxantrone_kill_rate", "growth_rate"]]
    plain, named = (run_members(scenario, fields, given, ["monotherapy"], ["nadir"]) for given in (values, table))
    assert (named.values["monotherapy"]["nadir"] == plain.values["monotherapy"]["nadir"]).all()
    with pytest.raises(UserError, match="unknown column of the samples `growth_rate`"):
        run_members(scenario, fields, table.rename(columns={"growth_rate": "rate_of_growth"}), ["monotherapy"], ["nadir"])
    with pytest.raises(UserError, match="masked values"):
        run_members(scenario, fields, np.ma.masked_greater(values, 1), ["monotherapy"], ["nadir"])


def test_a_dose_that_cannot_be_given_is_no_missing_dose() -> None:
    """A member whose drug cannot be infused must not run as if it were untreated, whatever arm comes first."""
    found = cohort_of(STROMA, ("mitoxantrone.duration",), np.array([[0.5]]), arms=["monotherapy"])
    assert found.status.tolist() == [[Status.NOT_RUN]]
    assert "infused" in found.reasons[0, "monotherapy"]
    assert np.isnan(found.values["monotherapy"]["final_burden"]).all()


@pytest.mark.parametrize("name", ["bortezomib-macrophages", pytest.param("all-together", marks=pytest.mark.slow), STROMA])
@pytest.mark.parametrize("words", [("amount",), ("amount", "start"), ("amount", "every", "count")])
def test_members_are_given_the_doses_of_their_own_scenario(name: str, words: tuple[str, ...]) -> None:
    """Event for event and bit for bit what the scenario with their values says, however many members share a plan."""
    study, rng = scenario(name), np.random.default_rng(len(words))
    drawn = {
        f"{regimen}.{word}": float(usual) * rng.choice([0.8, 0.9, rng.uniform(0.7, 1.0)], 24)
        for regimen, item in study.regimens.items()
        for word in words
        if (usual := getattr(item, word)) > 0
    }
    drawn = {field: np.ceil(values) if field.endswith("count") else values for field, values in drawn.items()}
    drawn["growth_rate"] = rng.uniform(0.01, 0.1, 24)
    table = MemberTable(study, tuple(drawn), np.column_stack([*drawn.values()]))
    table.check_events(list(study.arms))
    assert not table.reasons
    timing = np.column_stack([np.zeros(24), *(values for field, values in drawn.items() if field.endswith(words[1:]))])
    assert len(table.schedules) == len(np.unique(timing, axis=0))
    for arm in study.arms:
        numbers = table.numbers(arm, np.arange(24))
        for member, (first, last) in enumerate(numbers.event_rows):
            changes = {field: int(at[member]) if field.endswith("count") else float(at[member]) for field, at in drawn.items()}
            own = study.changed(changes)
            day, state, multiply, add = (column[first:last].tolist() for column in numbers.events)
            names = [own.network.state_names[place] for place in state]
            assert list(own.events(arm)) == [Event(*row) for row in zip(day, names, multiply, add, strict=True)]
            for agent in {dose.agent for dose in own.doses(arm) if dose.amount > 0}:
                total = math.fsum(dose.amount for dose in own.doses(arm) if dose.agent == agent)
                given = table.dosing(arm, np.empty((len(table), 0)), np.full(len(table), math.inf)).amount(agent)
                assert given[member] == pytest.approx(total, rel=1e-14)


@dataclass(frozen=True)
class Fractions(backfire.Mechanism):
    """A fraction leaves exp(-kill · amount) of the cells, at once."""

    label = "fractions"

    def parts(self) -> Iterator[backfire.Part]:
        yield Parameter("kill", 1.0, "1", "kill of a fraction", source="for a test", grade="assumed", range=(0.1, 2.0))
        yield Intervention("radiation", "one fraction", amount_unit="1", multiplies={"active": "exp(-kill * amount)"})


INSTANT = """
title = "What kills at once kills in its own course"
days = 60
[mechanisms]
growth = { law = "exponential" }
fractions = {}
[parameters]
growth_rate = 0.05
[regimens]
radiation = { amount = 0.7, start = 10, every = 7, count = 3 }
[arms]
untreated = []
radiation = ["radiation"]
"""


@pytest.mark.parametrize("settings", [None, Settings()])
def test_what_kills_at_once_kills_in_its_own_course(settings: Settings | None) -> None:
    """Growth at 0.05 a day, 0.7 e-folds less on days 10, 17 and 24; what counts is the burden before the first fraction."""
    study = backfire.parse(INSTANT, "instant", mechanisms=[Fractions])
    with alone():
        found = run_members(study, ("radiation.amount",), np.array([[0.7], [0.8]]), settings=settings)
    for member, kill in enumerate((0.7, 0.8)):
        value = {name: values[member] for name, values in found.values["radiation"].items()}
        assert [value[f"log_kill_{course}"] for course in (1, 2, 3)] == pytest.approx([kill / math.log(10)] * 3, rel=1e-6)
        assert value["courses"] == 3
        assert value["deepest_fall"] == pytest.approx((3 * kill - 0.7) / math.log(10), rel=1e-6)
        assert value["smallest_share"] == pytest.approx(math.exp(0.7 - 3 * kill), rel=1e-5)
        assert value["nadir_day"] == 14
        assert value["time_to_progression"] == pytest.approx(14 + math.log(1.2) / 0.05, rel=1e-6)
        assert found.values["untreated"]["deepest_fall"][member] == 0


HARSH = """
title = "One drug puts cells to sleep, the other kills all that are awake"
days = 40
[mechanisms]
growth = { law = "exponential" }
pharmacology = { agents = ["sleeper", "killer"], infused = ["killer"] }
kill = { by = ["sleeper", "killer"] }
hibernation = { driven_by = ["sleeper"] }
[parameters]
growth_rate = 0.02
hibernation_rate = 0.5
waking_rate_off_drug = 0
sleeper_kill_rate = 2
killer_kill_rate = 20
[regimens]
sleeper = { amount = 0.5, start = 2, every = 7, count = 4 }
killer = { amount = 50, start = 7, every = 10, count = 3, duration = 4 }
[arms]
untreated = []
both = ["sleeper", "killer"]
"""


@pytest.mark.parametrize("settings", [None, Settings()])
@pytest.mark.parametrize("cells", [1e4, 1e7])
def test_cells_that_wake_after_an_extinction_grow_at_their_own_rate(settings: Settings | None, cells: float) -> None:
    """Growth per active cell is a constant, whatever dies out and comes back from next to nothing."""
    study = backfire.parse(HARSH, "harsh")
    with alone():
        found = run_members(study, ("starting_cells",), np.array([[cells]]), settings=settings)
    assert found.values["both"]["mean_growth_rate"][0] == pytest.approx(0.02, rel=1e-4 if settings else 1e-5)


ONE_CELL = """
title = "A tumour of one cell"
days = 100
[mechanisms]
growth = { law = "logistic" }
pharmacology = { agents = ["drug"] }
kill = { by = ["drug"] }
dissemination = {}
[parameters]
growth_rate = 0.02
drug_kill_rate = 2.0
seeding_rate = 0.01
[regimens]
drug = { amount = 4.0, start = 0, every = 7, count = 4 }
[arms]
untreated = []
monotherapy = ["drug"]
"""


@pytest.mark.parametrize("settings", [None, Settings()])
def test_one_cell_that_is_treated_at_once_is_gone(settings: Settings | None) -> None:
    study = backfire.parse(ONE_CELL, "one-cell")
    with alone():
        found = run_members(study, ("starting_cells",), np.array([[1.0], [1.0 + 1e-12], [0.5]]), settings=settings)
    value = found.values["monotherapy"]
    assert value["eradicated"].tolist() == [1, 1, 1]
    assert (value["burden_area"] < 1e-6).all()
    assert (value["metastatic_burden"] < 1e-6).all()
    assert found.values["untreated"]["eradicated"].tolist() == [0, 0, 1]


@pytest.mark.parametrize("settings", [None, Settings()])
@pytest.mark.parametrize("start", [0.0, 13.0, 40.3])
def test_what_was_never_there_has_its_nadir_at_the_start(settings: Settings | None, start: float) -> None:
    study = scenario(STROMA).changed({"mitoxantrone.start": 60.0, "anti_wnt16b.start": start})
    with alone():
        found = run_members(study, ("starting_cells",), np.array([[0.0], [0.5]]), settings=settings)
    for arm in found.arms:
        assert found.values[arm]["nadir_day"].tolist() == [study.first_intervention(arm) - study.time_zero] * 2, arm
        assert found.values[arm]["burden_area"].tolist() == [0, 0], arm


def test_the_order_of_fields_changes_no_number() -> None:
    """Half of what a schedule is changed to may be impossible; only the whole counts."""
    fields = ("mitoxantrone.cycles", "mitoxantrone.cycle_length", "mitoxantrone.count")
    one = cohort_of(STROMA, fields, np.array([[2.0, 40.0, 2.0]]), arms=["monotherapy"])
    other = cohort_of(STROMA, fields[::-1], np.array([[2.0, 40.0, 2.0]]), arms=["monotherapy"])
    assert one.status.tolist() == [[Status.OK]]
    for name, values in one.values["monotherapy"].items():
        assert values.tobytes() == other.values["monotherapy"][name].tobytes(), name


def test_surgery_has_no_amount_to_vary() -> None:
    with pytest.raises(UserError, match="`surgery` takes no `amount`"):
        cohort_of("exosome-metastasis", ("surgery.amount",), np.array([[0.0]]))


def test_members_with_equal_doses_share_their_events() -> None:
    samples = np.array([[4.0, 0.02], [4.0, 0.03], [5.0, 0.02], [4.0, 0.02]])
    table = MemberTable(scenario(STROMA), ("mitoxantrone.amount", "growth_rate"), samples)
    table.check_events(["monotherapy"])
    spans = table.numbers("monotherapy", np.arange(4)).event_rows.tolist()
    assert spans[0] == spans[1] == spans[3] != spans[2]


def test_an_amount_of_zero_is_the_arm_without_it() -> None:
    found = cohort_of(STROMA, ("mitoxantrone.amount",), np.array([[0.0]]))
    for one, other in (("monotherapy", "untreated"), ("combination", "blockade")):
        for name in ("final_burden", "burden_area", "peak_wnt16b"):  # the nadir counts from the planned dose
            # the solver still stops on the days on which nothing is given
            assert found.values[one][name] == pytest.approx(found.values[other][name], rel=1e-5), name
    assert found.values["monotherapy"]["courses"].tolist() == [4], "planned, with nothing in them: the limit of small amounts"


@pytest.mark.parametrize(
    ("fields", "how", "message"),
    [
        (("growth_rat",), {}, "did you mean `growth_rate`"),
        (("mitoxantrone.amont",), {}, "did you mean `mitoxantrone.amount`"),
        (("growth_rate", "growth_rate"), {}, "twice"),
        ((), {"arms": ["monotherpy"]}, "did you mean `monotherapy`"),
        ((), {"outcomes": ["nadirr"]}, "did you mean `nadir`"),
        ((), {"outcomes": ["peak(burdn)"]}, "did you mean `burden`"),
    ],
)
def test_unknown_names_are_refused_before_anything_runs(fields: tuple[str, ...], how: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cohort_of(STROMA, fields, np.ones((1, len(fields))), **how)


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 0)])
def test_samples_must_fit_the_fields(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="shape"):
        cohort_of(STROMA, ("growth_rate",), np.ones(shape))


def test_nobody_is_a_cohort_too() -> None:
    found = cohort_of(STROMA, ("growth_rate",), np.ones((0, 1)))
    assert found.status.shape == (0, 4)
    assert found.values["untreated"]["nadir"].shape == (0,)


# Budgets.


def test_a_budget_of_steps_ends_a_run_or_changes_no_bit() -> None:
    """With a hundred daily doses rows are more than steps: a budget that is just enough must not cut any of them off."""
    fields = ("anti_wnt16b.every", "anti_wnt16b.count", "anti_wnt16b.start")
    sample = np.array([[1.0, 100.0, 10.0]])
    free = cohort_of(STROMA, fields, sample, arms=["combination"])
    steps = int(free.steps[0, 0])
    for budget in (steps - 1, steps, steps + 1, steps + 20, steps + 60, steps + 200):
        found = cohort_of(STROMA, fields, sample, arms=["combination"], settings=BatchSettings(most_steps=budget))
        if budget < steps:
            assert found.status.tolist() == [[Status.MAX_STEPS]]
            continue
        assert found.status.tolist() == [[Status.OK]], budget
        for name, values in free.values["combination"].items():
            assert found.values["combination"][name].tobytes() == values.tobytes(), (budget, name)


def test_members_of_many_steps_are_run_again_with_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = scenario(STROMA).values["growth_rate"] * np.geomspace(0.5, 2.0, 40)[:, None]
    free = cohort_of(STROMA, ("growth_rate",), sample)
    steps = free.steps[:, free.arms.index("combination")]
    assert steps.min() < steps.max()
    monkeypatch.setattr("backfire.solvers.batch.solve.FEW", int(np.median(steps)))
    found = cohort_of(STROMA, ("growth_rate",), sample)
    assert found.status.tobytes() == free.status.tobytes()
    assert found.steps.tobytes() == free.steps.tobytes()
    assert {key: values.tobytes() for key, values in table(found).items()} == {
        key: values.tobytes() for key, values in table(free).items()
    }


# The same bits in every arrangement.


def many(count: int) -> Floats:
    """Members around the shipped values; every eleventh cannot be built, every thirteenth is as fast as can be."""
    rng = np.random.default_rng(5)
    growth = scenario(STROMA).values["growth_rate"] * np.exp(0.3 * rng.standard_normal(count))
    growth[::13] = 9e7
    growth[::11] = -1.0
    return np.column_stack([growth, 6.0 * np.exp(0.3 * rng.standard_normal(count))])


FIELDS = ("growth_rate", "mitoxantrone.amount")


def table(found: Cohort) -> dict[tuple[str, str], Floats]:
    return {(arm, name): values for arm in found.arms for name, values in found.values[arm].items()}


def test_threads_portions_order_and_company_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = many(200)
    whole = cohort_of(STROMA, FIELDS, samples, arms=["combination"])
    assert {Status.OK, Status.NOT_RUN} <= {Status(int(code)) for code in whole.status[:, 0]}
    order = np.random.default_rng(6).permutation(200)
    shuffled = cohort_of(STROMA, FIELDS, samples[order], arms=["combination"])
    monkeypatch.setattr(together, "PORTION", 37)
    pieces = cohort_of(STROMA, FIELDS, samples, arms=["combination"])
    threads = cohort_of(STROMA, FIELDS, samples, arms=["combination"], threads=2)
    for key, values in table(whole).items():
        assert table(shuffled)[key].tobytes() == values[order].tobytes(), key
        assert table(pieces)[key].tobytes() == values.tobytes(), key
        assert table(threads)[key].tobytes() == values.tobytes(), key
    for other in (pieces, threads):
        assert other.status.tobytes() == whole.status.tobytes()
        assert other.steps.tobytes() == whole.steps.tobytes()
        assert other.reasons == whole.reasons
    for place in (0, 1, 31, 32, 33, 199):
        single = cohort_of(STROMA, FIELDS, samples[place : place + 1], arms=["combination"])
        for key, values in table(whole).items():
            assert table(single)[key].tobytes() == values[place : place + 1].tobytes(), (place, key)


def test_blocks_that_are_solved_together_are_those_solved_alone() -> None:
    """Other arms, other fields, other outcomes, members that cannot be built, another last day, a block of nobody."""
    samples, study = many(23), scenario(STROMA)
    blocks = [
        Block(study, FIELDS, samples, ["combination", "untreated"], ["nadir", "log_kill_2"]),
        Block(study, ("stroma_damage_rate",), np.array([[0.0], [0.2]]), ["monotherapy"]),
        Block(study.changed({"days": 90}), (), DEFAULT, None, ["final_burden"]),
        Block(study, ("growth_rate",), np.ones((0, 1))),
        Block(scenario("exosome-metastasis"), (), DEFAULT, ["monotherapy"], ["metastatic_burden", "peak_ccl2"]),
    ]
    for block, found in zip(blocks, run_blocks(blocks), strict=True):
        own = run_members(block.scenario, block.fields, block.samples, block.arms, block.outcomes)
        assert found.arms == own.arms
        assert (found.status.tobytes(), found.steps.tobytes()) == (own.status.tobytes(), own.steps.tobytes())
        assert found.reasons == own.reasons
        assert table(found).keys() == table(own).keys()
        for key, values in table(own).items():
            assert table(found)[key].tobytes() == values.tobytes(), key


def test_one_bad_member_in_ten_thousand() -> None:
    """Everybody else has the numbers they would have without it."""
    samples = np.tile(many(2)[1], (10_000, 1))
    samples[:, 0] *= np.linspace(0.9, 1.1, 10_000)
    with_it = samples.copy()
    with_it[4321, 0] = math.nan
    arms, outcomes = ["untreated"], ["final_burden", "peak_wnt16b"]
    clean = cohort_of(STROMA, FIELDS, samples, arms=arms, outcomes=outcomes)
    dirty = cohort_of(STROMA, FIELDS, with_it, arms=arms, outcomes=outcomes)
    others = np.arange(10_000) != 4321
    for name in outcomes:
        assert dirty.values["untreated"][name][others].tobytes() == clean.values["untreated"][name][others].tobytes()
    assert dirty.status[~others].tolist() == [[Status.NOT_RUN]]
    assert len(dirty.reasons) == 1


def test_a_rate_beyond_any_step_is_a_reason_and_no_number() -> None:
    """An implicit step over an explosion would end in nothing: 1e20 divisions a day are not a tumour that is gone."""
    cohort = run_members(
        load("wnt16b-stroma"), ["growth_rate"], np.array([[0.1], [1e20], [1e200]]), ["untreated"], ["final_burden"]
    )
    assert np.isfinite(cohort.values["untreated"]["final_burden"]).tolist() == [True, False, False]
    assert "faster than any step" in cohort.reasons[1, "untreated"]
    unswept = run_members(load("wnt16b-stroma").changed({"growth_rate": 1e20}), ["capacity"], np.array([[1e9]]), ["untreated"])
    assert "growth_rate: 1e+20 per day is faster than any step" in unswept.reasons[0, "untreated"]
