"""What the shipped scenarios must hold: one test per statement of the biology (M1.1 … M5.5), and the controls.

The statements are about direction and rough size. Nothing here is calibrated; thresholds are wide on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from backfire.model.references import GRADES
from backfire.scenario.scenario import Scenario, Value, load, shipped_scenarios
from backfire.simulation.arms import Result, simulate
from backfire.solvers.trajectory import Trajectory

ARMS = ("untreated", "monotherapy", "blockade", "combination")
MYELOMA, LUNG, DORMANT = "bortezomib-macrophages", "exosome-metastasis", "hibernation-rigi"
STROMA, BYPASS, ALL = "wnt16b-stroma", "pi3k-jak2-bypass", "all-together"
NO_FACTOR, NO_STROMA = "control-uninduced-factor", "control-no-stroma"
SILENT = "dormant-metastases"
SHIPPED = (MYELOMA, LUNG, DORMANT, STROMA, BYPASS, ALL, NO_FACTOR, NO_STROMA, SILENT)
_PROMOTED = ("growth", "seeding", "outgrowth")
BLOCKED = ("combination", "answer_blocked")
MYELOMA_OFF = {"macrophages.protects_kill": 0, **{f"macrophages.promotes_{slot}": 0 for slot in _PROMOTED}}


@cache
def scenario(name: str) -> Scenario:
    return load(name)


@cache
def _run(name: str, changes: tuple[tuple[str, Value], ...], arms: tuple[str, ...]) -> Result:
    return simulate(scenario(name).changed(dict(changes)) if changes else scenario(name), arms or None)


def run(name: str, changes: Mapping[str, Value] | None = None, arms: tuple[str, ...] = ()) -> Result:
    return _run(name, tuple(sorted((changes or {}).items())), arms)


def read(outcome: str, name: str, arm: str, changes: Mapping[str, Value] | None = None) -> float:
    """An outcome of one arm; with changes only that arm is simulated."""
    result = run(name, changes, (arm,)) if changes else run(name)
    return result.outcomes[arm][outcome].value


def course(name: str, arm: str) -> Trajectory:
    return run(name).trajectories[arm]


def on_day(trajectory: Trajectory, what: str, day: float) -> float:
    return float(np.interp(day, trajectory.times, trajectory[what]))


def mean(trajectory: Trajectory, values: np.ndarray, start: float, end: float) -> float:
    inside = (trajectory.times >= start) & (trajectory.times <= end)
    return float(np.trapezoid(values[inside], trajectory.times[inside]) / (end - start))


def growth_drive(name: str, arm: str, start: float, end: float, changes: Mapping[str, Value] | None = None) -> float:
    """Mean division rate over that of an uninfluenced tumour of the same size."""
    found = run(name, changes, (arm,) if changes else ()).trajectories[arm]
    return mean(found, found["growth"] / (found["proliferation_rate"] * found["active"]), start, end)


def seeding_drive(name: str, arm: str, start: float, end: float, changes: Mapping[str, Value] | None = None) -> float:
    """Mean seeding over that of an uninfluenced tumour of the same size."""
    found, values = run(name, changes, (arm,) if changes else ()).trajectories[arm], scenario(name).values
    active = found["active"]
    plain = values["seeding_rate"] * active * (1 + active) ** (values["seeding_exponent"] - 1)
    return mean(found, found["seeding"] / plain, start, end)


def courses(name: str, arm: str) -> list[float]:
    found = run(name).outcomes[arm]
    return [found[f"log_kill_{number}"].value for number in range(1, int(found["courses"].value) + 1)]


def breaks(name: str, arm: str) -> list[tuple[float, float, float]]:
    """For each course that another one follows: burden at its start, smallest burden, burden when the next begins."""
    item, trajectory = scenario(name), course(name, arm)
    days = sorted({dose.time for dose in item.doses(arm) if dose.agent == item.arms["monotherapy"][0]})
    return [
        (
            on_day(trajectory, "burden", start),
            float(trajectory["burden"][(trajectory.times >= start) & (trajectory.times < end)].min()),
            on_day(trajectory, "burden", end),
        )
        for start, end in pairwise(days)
    ]


# ---- the files -------------------------------------------------------------------------------------------------


def test_these_scenarios_are_shipped() -> None:
    assert set(SHIPPED) <= set(shipped_scenarios())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_scenario_begins_with_the_four_arms_and_all_end_well(name: str) -> None:
    assert tuple(scenario(name).arms)[:4] == ARMS
    assert len(scenario(name).arms) <= 7
    assert run(name).ok


@pytest.mark.parametrize("name", SHIPPED)
def test_every_value_is_plausible_and_says_where_it_comes_from(name: str) -> None:
    item = scenario(name)
    assert item.warnings == ()
    for parameter in item.document.data["parameters"].values():
        assert {"value", "source", "grade"} <= set(parameter) <= {"value", "source", "grade", "range"}
        assert parameter["grade"] in GRADES


@pytest.mark.parametrize("name", SHIPPED)
def test_a_scenario_fits_on_one_screen_but_for_the_values_of_its_central_tumour(name: str) -> None:
    lines = [line for line in shipped_scenarios()[name].read_text(encoding="utf-8").splitlines() if '"central"' not in line]
    assert len(lines) <= (60 if name == ALL else 45)


@pytest.mark.parametrize("name", [MYELOMA, LUNG, STROMA, BYPASS])
def test_blockade_alone_is_like_no_treatment(name: str) -> None:
    like = "surgery_only" if name == LUNG else "untreated"
    own, other = course(name, "blockade"), course(name, like)
    until = min(own.times[-1], other.times[-1])  # hosts may die on other days, as the JAK2 inhibitor holds back usual spread
    every = [float(day) for day in other.times if day <= until]
    for day in every:
        assert on_day(own, "burden", day) == pytest.approx(on_day(other, "burden", day), rel=0.02), day
    assert len(every) > 80
    for outcome in ("burden_area", "metastatic_burden") if name in (MYELOMA, LUNG) else ():
        assert read(outcome, name, "blockade") == pytest.approx(read(outcome, name, like), rel=0.02)


@pytest.mark.parametrize("name", [MYELOMA, DORMANT, STROMA])
def test_monotherapy_works_first_and_fails_later(name: str) -> None:
    found = run(name).outcomes["monotherapy"]
    assert found["smallest_share"].value < 0.35
    assert found["time_to_progression"].observed
    assert found["final_burden"].value > 2.5 * found["nadir"].value


@pytest.mark.parametrize(
    ("name", "arm"),
    # IL-16 carries only part of the macrophages' answer: far deeper is the response where the answer itself is blocked
    [(MYELOMA, "answer_blocked"), (DORMANT, "combination"), (STROMA, "combination"), (ALL, "combination")],
)
def test_combination_reaches_a_far_deeper_response(name: str, arm: str) -> None:
    assert read("smallest_share", name, arm) < 0.05 * read("smallest_share", name, "monotherapy")
    assert read("time_to_progression", name, arm) > read("time_to_progression", name, "monotherapy")


# ---- 1. bortezomib and macrophages -----------------------------------------------------------------------------


def test_m1_1_on_the_drug_kill_is_higher_and_the_drug_stays_necessary() -> None:
    assert read("mean_kill_rate", MYELOMA, "monotherapy") > read("mean_kill_rate", MYELOMA, "untreated") == 0
    assert read("burden_area", MYELOMA, "combination") < 0.1 * read("burden_area", MYELOMA, "blockade")


def test_m1_2_on_the_drug_macrophages_rise_by_about_40_percent() -> None:
    assert read("peak_macrophages", MYELOMA, "untreated") == pytest.approx(1)
    assert 1.3 < read("peak_macrophages", MYELOMA, "monotherapy") < 1.5


@pytest.mark.parametrize("outcome", ["metastatic_burden", "final_burden"])
def test_m1_3_with_the_response_relapse_and_spread_are_higher(outcome: str) -> None:
    assert read(outcome, MYELOMA, "monotherapy") > 2 * read(outcome, MYELOMA, "monotherapy", MYELOMA_OFF)


def test_m1_3_with_the_response_cells_divide_and_seed_more() -> None:
    for drive in (growth_drive, seeding_drive):
        assert drive(MYELOMA, "monotherapy", 14, 56) > 1.1
        assert drive(MYELOMA, "monotherapy", 14, 56, MYELOMA_OFF) == pytest.approx(1)


def test_m1_4_with_the_response_the_same_drug_kills_less() -> None:
    off = read("log_kill_first", MYELOMA, "monotherapy", {"macrophages.protects_kill": 0})
    assert read("log_kill_first", MYELOMA, "monotherapy") < 0.75 * off


def test_m1_5_blocking_the_factor_lowers_proliferation_on_the_drug() -> None:
    fed = {arm: growth_drive(MYELOMA, arm, 14, 56) - 1 for arm in ("monotherapy", "combination", "answer_blocked")}
    assert 0 < fed["answer_blocked"] < fed["combination"] < 0.8 * fed["monotherapy"]


def test_m1_5_il16_carries_part_of_the_answer_and_the_answer_itself_can_be_blocked() -> None:
    lost = read("log_kill_first", MYELOMA, "monotherapy", {"macrophages.protects_kill": 0}) - read(
        "log_kill_first", MYELOMA, "monotherapy"
    )
    won = {arm: read("log_kill_first", MYELOMA, arm) - read("log_kill_first", MYELOMA, "monotherapy") for arm in BLOCKED}
    off = read("log_kill_first", MYELOMA, "monotherapy", MYELOMA_OFF) - read("log_kill_first", MYELOMA, "monotherapy")
    assert 0.4 * lost < won["combination"] < 0.8 * lost < won["answer_blocked"]
    assert lost < off, "the answer feeds growth, too"
    assert won["answer_blocked"] < off
    assert read("nadir", MYELOMA, "answer_blocked") < 0.1 * read("nadir", MYELOMA, "combination")


def test_m1_4_the_shield_builds_up_from_course_to_course() -> None:
    kills = courses(MYELOMA, "monotherapy")
    cycles = [read(f"log_kill_{number}", MYELOMA, "monotherapy") for number in (1, 2, 3)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[2] < 0.75 * cycles[0]
    assert len(kills) >= 3


@pytest.mark.parametrize("changes", [{"bortezomib_kill_rate": 0.0}, {"starting_cells": 1e5}], ids=["no kill", "small tumour"])
def test_m1_6_the_trigger_is_the_drug_not_dying_cells_nor_the_tumour(changes: dict[str, Value]) -> None:
    for factor in ("peak_macrophages", "peak_il16"):
        assert read(factor, MYELOMA, "monotherapy", changes) == pytest.approx(read(factor, MYELOMA, "monotherapy"), rel=1e-6)


def test_m1_7_spread_against_dose_has_an_interior_maximum_which_blockade_moves_down_and_left() -> None:
    doses = (0.05, 0.2, 0.3, 0.4, 0.5, 1.0, 4.0, 20.0)
    none = read("metastatic_burden", MYELOMA, "untreated")
    plain, blocked = (
        [none, *(read("metastatic_burden", MYELOMA, arm, {"bortezomib.amount": dose}) for dose in doses)]
        for arm in ("monotherapy", "answer_blocked")
    )
    best = int(np.argmax(plain))
    assert 0 < best < len(doses)
    assert plain[best] > 1.5 * max(plain[0], plain[-1])
    assert plain[-1] < plain[0], "a high dose is favourable after all"
    assert max(blocked) < 0.6 * max(plain)
    assert int(np.argmax(blocked)) < best
    assert blocked[-2] < blocked[0] < plain[-2], "at the usual dose the fine is gone only with the blockade"


def test_m1_8_relapse_needs_no_resistant_clone() -> None:
    network = scenario(MYELOMA).network
    assert [state.name for state in network.states if "burden" in state.counts_in] == ["active"]
    found = run(MYELOMA).outcomes["monotherapy"]
    assert found["time_to_progression"].observed
    assert found["final_burden"].value > read("smallest_share", MYELOMA, "monotherapy")
    kills = [read(f"log_kill_{number}", MYELOMA, "monotherapy", MYELOMA_OFF) for number in (1, 3)]
    assert kills[1] == pytest.approx(kills[0], rel=0.1), "without the response the cells stay as sensitive as they were"


# ---- 2. vesicles and the lung ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", ["monotherapy", "doxorubicin"])
def test_m2_1_and_2_both_drugs_raise_vesicle_annexin_at_least_3_fold(arm: str) -> None:
    assert read("peak_annexin_a6", LUNG, "untreated") == pytest.approx(1)
    assert read("peak_annexin_a6", LUNG, arm) >= 3


@pytest.mark.parametrize("arm", ["monotherapy", "doxorubicin"])
def test_m2_3_vesicles_chemokine_and_monocytes_rise_and_peak_in_that_order(arm: str) -> None:
    names = ("annexin_a6", "ccl2", "monocytes")
    days = [read(f"peak_{name}_day", LUNG, arm) for name in names]
    assert days == sorted(set(days))
    assert all(read(f"peak_{name}", LUNG, arm) > 1.5 for name in names)


@pytest.mark.parametrize("arm", ["monotherapy", "doxorubicin"])
@pytest.mark.parametrize("without", ["untreated", "surgery_only"])
def test_m2_4_chemo_shrinks_the_primary_and_raises_lung_metastasis(arm: str, without: str) -> None:
    assert read("smallest_share", LUNG, arm) < 0.6
    assert 1.05 < read("metastatic_burden", LUNG, arm) / read("metastatic_burden", LUNG, without) < 4


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4, 0.55, 0.7])
def test_m2_4_the_price_is_above_1_with_any_plausible_kill_in_the_lung(share: float) -> None:
    for arm, drug in (("monotherapy", "paclitaxel"), ("doxorubicin", "doxorubicin")):
        low, high = scenario(LUNG).network.parameters[f"{drug}_metastasis_kill_share"].range
        assert low <= share <= high
        paid = read("metastatic_burden", LUNG, arm, {f"{drug}_metastasis_kill_share": share})
        assert paid > read("metastatic_burden", LUNG, "surgery_only")


@pytest.mark.parametrize("arm", ["combination", "monocyte_block"])
@pytest.mark.parametrize("without", ["untreated", "surgery_only"])
def test_m2_5_and_6_either_blockade_takes_the_price_away(arm: str, without: str) -> None:
    assert read("metastatic_burden", LUNG, arm) < 1.1 * read("metastatic_burden", LUNG, without)
    assert read("nadir", LUNG, arm) == pytest.approx(read("nadir", LUNG, "monotherapy"), rel=1e-6)


def test_m2_7_the_price_falls_with_response_and_an_eradicated_tumour_leaves_none() -> None:
    rates = (0.0, 0.35, 0.7, 1.5, 3.0, 5.0)
    spread = [read("metastatic_burden", LUNG, "monotherapy", {"paclitaxel_kill_rate": rate}) for rate in rates]
    assert spread == sorted(spread, reverse=True)
    fair = read("metastatic_burden", LUNG, "surgery_only")
    assert spread[0] > 4 * fair
    assert spread[3] < fair
    assert read("nadir", LUNG, "monotherapy", {"paclitaxel_kill_rate": 5.0}) < 1
    assert spread[-1] < 1
    assert read("eradicated", LUNG, "monotherapy", {"paclitaxel_kill_rate": 5.0}) == 1


# ---- 3. hibernation and RIG-I ----------------------------------------------------------------------------------


def test_m3_1_the_drug_leaves_a_small_share_that_does_not_divide() -> None:
    mono = course(DORMANT, "monotherapy")
    alive = on_day(mono, "burden", 14 + 9) / on_day(mono, "burden", 14)
    assert 0.002 <= alive <= 0.005
    assert on_day(mono, "hibernating", 35) > 0.8 * on_day(mono, "burden", 35) > 1e4
    touching = [process for process in scenario(DORMANT).network.processes if process.enters == "hibernating"]
    assert [process.leaves for process in touching] == ["active"], "only active cells become hibernating; none divide"


def test_m3_2_off_the_drug_the_tumour_regrows_from_hibernating_cells() -> None:
    assert read("final_burden", DORMANT, "monotherapy") > 50 * read("nadir", DORMANT, "monotherapy")
    assert read("final_burden", DORMANT, "monotherapy", {"hibernation_rate": 0.0}) < 1
    back = read("time_to_progression", DORMANT, "monotherapy")
    assert read("time_to_progression", DORMANT, "monotherapy", {"adaptation_rate": 0.0}) == pytest.approx(back, rel=0.1)


def test_m3_2_kept_on_the_drug_for_a_year_it_regrows_from_adapted_cells() -> None:
    kept = course(DORMANT, "kept_on")
    assert on_day(kept, "burden", 378) > 1000 * read("nadir", DORMANT, "kept_on")
    assert on_day(kept, "adapted", 378) > 0.9 * on_day(kept, "burden", 378)
    assert read("final_burden", DORMANT, "kept_on", {"adaptation_rate": 0.0}) < 1


def test_m3_2_after_a_holiday_the_drug_works_again() -> None:
    first, second = courses(DORMANT, "rechallenge")
    assert second > 0.75 * first > 2
    again = course(DORMANT, "rechallenge")
    assert on_day(again, "burden", 140) < 0.01 * on_day(again, "burden", 126)


def test_m3_3_neither_the_agonist_nor_the_inflammation_of_the_inhibitor_clears_the_tumour() -> None:
    assert read("smallest_share", DORMANT, "blockade") > 0.5
    assert read("peak_interferon", DORMANT, "monotherapy") > 1.05
    assert read("eradicated", DORMANT, "monotherapy") == 0


def test_m3_4_together_fewer_hibernating_cells_deeper_response_and_no_relapse() -> None:
    hibernating = {arm: on_day(course(DORMANT, arm), "hibernating", 62) for arm in ARMS}
    assert hibernating["combination"] < 1e-3 * hibernating["monotherapy"]
    assert not run(DORMANT).outcomes["combination"]["time_to_progression"].observed
    assert read("eradicated", DORMANT, "combination") == 1


def test_m3_5_at_one_drug_level_the_agonist_kills_a_hibernating_cell_at_a_multiple_of_an_active_one() -> None:
    both = course(DORMANT, "combination")

    def rate(day: float, cells: str) -> float:
        return on_day(both, f"innate_kill_of_{cells}", day) / on_day(both, cells, day)

    assert rate(21.5, "hibernating") > 5 * rate(21.5, "active") > 0
    mono = course(DORMANT, "monotherapy")
    assert float(mono["sensitivity_of_active"].max()) > 2, "what has woken stays sensitive"
    assert on_day(mono, "sensitivity_of_active", 140) < 1.1, "for a while"


def test_m3_6_the_agonist_raises_immune_activity_and_the_pair_is_more_than_independent() -> None:
    activity = {arm: mean(course(DORMANT, arm), course(DORMANT, arm)["innate_activity"], 21, 62) for arm in ARMS}
    assert activity["untreated"] == pytest.approx(0, abs=1e-9)
    assert activity["blockade"] > 5 * activity["monotherapy"]
    endless = {"capacity": 1e30, "starting_cells": 1e15}
    """Neither capacity nor a last cell: shares that survive two independent drugs multiply."""

    def excess(changes: Mapping[str, Value]) -> float:
        left = {
            arm: math.log10(on_day(run(DORMANT, {**endless, **changes}, ARMS).trajectories[arm], "burden", 40)) for arm in ARMS
        }
        return left["combination"] + left["untreated"] - left["monotherapy"] - left["blockade"]

    assert excess({}) < -1.5
    assert excess({"hibernation_sensitisation": 0.0, "interferon_rise_by_drug": 0.0}) == pytest.approx(0, abs=1e-6)


# ---- 4. damaged stroma -----------------------------------------------------------------------------------------


def test_m4_1_wnt16b_rises_about_30_fold() -> None:
    assert 10 <= read("peak_wnt16b", STROMA, "monotherapy") <= 64


def test_m4_2_without_stroma_or_without_damage_nothing_rises() -> None:
    assert read("peak_wnt16b", STROMA, "untreated") == pytest.approx(1)
    assert read("peak_wnt16b", NO_STROMA, "monotherapy") == pytest.approx(1)
    assert read("peak_wnt16b", STROMA, "monotherapy", {"starting_cells": 1e5}) == pytest.approx(
        read("peak_wnt16b", STROMA, "monotherapy"), rel=1e-6
    ), "healthy cells make it, not the tumour"


def test_m4_3_with_stroma_the_same_dose_kills_less() -> None:
    kills, unshielded = courses(STROMA, "monotherapy"), courses(NO_STROMA, "monotherapy")
    assert all(here < 0.85 * there for here, there in zip(kills, unshielded, strict=True))
    assert read("burden_area", STROMA, "monotherapy") > 2 * read("burden_area", NO_STROMA, "monotherapy")


def test_m4_4_kill_falls_from_course_to_course() -> None:
    kills = courses(STROMA, "monotherapy")
    assert len(kills) == 4
    assert kills == sorted(set(kills), reverse=True)
    assert kills[1] < 0.5 * kills[0]


def test_m4_5_the_tumour_regrows_in_every_break_and_soon_beyond_where_it_was() -> None:
    found = breaks(STROMA, "monotherapy")
    assert len(found) == 3
    assert all(after > 1.5 * low for _, low, after in found)
    assert all(after > before for before, _, after in found[1:])


def test_m4_6_blocking_the_factor_restores_the_drug() -> None:
    """The shield builds up from course to course, and so does what blocking it gains: twice, then three times the kill."""
    restored, shielded = courses(STROMA, "combination"), courses(STROMA, "monotherapy")
    assert restored[1] > 2 * shielded[1]
    assert all(with_it > 3 * without for with_it, without in zip(restored[2:], shielded[2:], strict=True))
    assert min(restored) > 0.7 * max(courses(NO_STROMA, "monotherapy"))
    assert read("burden_area", STROMA, "combination") < 0.2 * read("burden_area", STROMA, "monotherapy")


# ---- 5. the bypass ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", ["jak2_stat5", "il8"])
def test_m5_1_on_the_inhibitor_signal_and_factor_rise_2_to_5_fold(signal: str) -> None:
    assert read(f"peak_{signal}", BYPASS, "untreated") == pytest.approx(1)
    assert 2 <= read(f"peak_{signal}", BYPASS, "monotherapy") <= 5


def test_m5_2_spread_per_cell_is_higher_on_the_inhibitor() -> None:
    assert read("seeding_per_cell", BYPASS, "monotherapy") > 2 * read("seeding_per_cell", BYPASS, "untreated")
    assert seeding_drive(BYPASS, "monotherapy", 21, 49) > 1.5, "of tumours of one size, too"


@pytest.mark.parametrize("other", ["untreated", "monotherapy", "blockade"])
def test_m5_3_together_slower_growth_less_spread_and_longer_survival_than_any_other_arm(other: str) -> None:
    month = {"days": 49, "pi3k_inhibitor.count": 28, "jak2_inhibitor.count": 56}
    """Without treatment the host dies on day 50."""
    assert read("final_burden", BYPASS, "combination", month) < 0.667 * read("final_burden", BYPASS, other, month)
    assert read("seeded", BYPASS, "combination", month) < 0.6 * read("seeded", BYPASS, other, month)
    assert read("metastatic_burden", BYPASS, "combination", month) < 0.5 * read("metastatic_burden", BYPASS, other, month)
    assert read("survival_time", BYPASS, "combination") > 1.1 * read("survival_time", BYPASS, other)


def test_m5_3_the_pair_slows_the_tumour_does_not_abolish_it_and_lowers_spread_per_cell() -> None:
    both = course(BYPASS, "combination")
    assert on_day(both, "burden", 21) < on_day(both, "burden", 49) < on_day(both, "burden", 100)
    assert seeding_drive(BYPASS, "combination", 21, 49) < 0.95
    assert seeding_drive(BYPASS, "monotherapy", 21, 49) > 1.5


def test_m5_4_the_inhibitor_works_first_and_fails_later_while_it_is_given() -> None:
    mono, none = course(BYPASS, "monotherapy"), course(BYPASS, "untreated")
    assert on_day(mono, "burden", 35) < 0.6 * on_day(none, "burden", 35)
    held = mono["inhibition_by_pi3k_inhibitor"]
    inside = (mono.times > 42) & (mono.times < 70)
    assert held[inside].max() < 0.8 * held.max(), "its hold on growth is lost"
    assert read("survival_time", BYPASS, "monotherapy") < 100
    assert max(dose.time for dose in scenario(BYPASS).doses("monotherapy")) > 100


def test_m5_5_without_the_jak2_arm_the_second_inhibitor_gains_nothing() -> None:
    without = {"jak2_stat5_release": 0.0, "cytostasis.jak2_inhibitor_holds_back_seeding": 0}
    for outcome in ("final_burden", "nadir", "metastatic_burden", "burden_area"):
        assert read(outcome, BYPASS, "combination", without) == pytest.approx(
            read(outcome, BYPASS, "monotherapy", without), rel=0.01
        )


# ---- dormant metastases, ours ----------------------------------------------------------------------------------


def test_dormant_metastases_are_silent_for_months_and_inflammation_wakes_them() -> None:
    assert scenario(SILENT).article == "ours"
    quiet, woken = course(SILENT, "silence"), course(SILENT, "monotherapy")
    for day in (100, 209):
        assert 100 < on_day(woken, "metastatic_burden", day) < 1e4
        assert on_day(woken, "hibernating_metastases", day) > 5 * on_day(woken, "metastases", day)
    assert on_day(woken, "burden", 43) < 1, "surgery took the primary"
    assert on_day(quiet, "metastatic_burden", 720) < 1e4 < on_day(woken, "metastatic_burden", 360)
    assert read("survival_time", SILENT, "monotherapy") < 500
    assert not run(SILENT).outcomes["silence"]["survival_time"].observed
    unwoken = {"dormancy.inflammation_wakes": 0}
    assert read("metastatic_burden", SILENT, "monotherapy", unwoken) == pytest.approx(
        read("metastatic_burden", SILENT, "silence", unwoken), rel=0.01
    ), "that link alone carries it"


def test_a_blocker_of_what_wakes_gains_most_in_time() -> None:
    days = {arm: read("survival_time", SILENT, arm) for arm in ("monotherapy", "too_late", "combination")}
    assert days["monotherapy"] + 100 < days["too_late"] < days["combination"]
    assert not run(SILENT).outcomes["combination"]["survival_time"].observed
    starts = (209, 216, 223, 237, 265)
    left = [read("survival_time", SILENT, "combination", {"blocker.start": start}) for start in starts]
    assert left == sorted(left, reverse=True)
    assert left[-1] < left[0] - 60


# ---- controls, and all together --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NO_FACTOR, NO_STROMA])
@pytest.mark.parametrize(("arm", "like"), [("combination", "monotherapy"), ("blockade", "untreated")])
def test_negative_controls_show_no_effect(name: str, arm: str, like: str) -> None:
    found, other = run(name).outcomes[arm], run(name).outcomes[like]
    for outcome in found.keys() & other.keys():
        # the blocker comes before the drug, and the share is one of what there was at an arm's own first treatment
        if (
            not outcome.startswith("given_")
            and not outcome.endswith("_day")
            and outcome not in ("smallest_share", "deepest_fall")
        ):
            assert found[outcome].value == pytest.approx(other[outcome].value, rel=0.01, abs=1e-9, nan_ok=True), outcome


def test_the_controls_fail_for_the_right_reason() -> None:
    assert read("peak_il16", NO_FACTOR, "monotherapy") > 3
    assert read("peak_wnt16b", NO_FACTOR, "monotherapy") == pytest.approx(1)
    assert read("metastatic_burden", MYELOMA, "combination") < 0.5 * read("metastatic_burden", NO_FACTOR, "combination")


def test_all_five_answers_appear_in_one_tumour_and_all_five_blockades_help() -> None:
    assert scenario(ALL).article == "ours"
    for factor in ("macrophages", "il16", "annexin_a6", "monocytes", "wnt16b", "jak2_stat5", "il8"):
        assert read(f"peak_{factor}", ALL, "monotherapy") > 1.1
    assert float(course(ALL, "monotherapy")["hibernating"].max()) > 1e5
    for outcome in ("final_burden", "metastatic_burden", "seeded", "burden_area"):
        assert read(outcome, ALL, "combination") < 0.5 * read(outcome, ALL, "monotherapy")
    assert read("survival_time", ALL, "combination") > 1.2 * read("survival_time", ALL, "monotherapy")
