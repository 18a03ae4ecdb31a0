"""Survival statistics against published data sets, hand-worked cases and closed forms; and what has no answer is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.errors import UserError
from backfire.studies import Times, hazard_ratio, log_rank, restricted_mean, survival_curve
from backfire.studies.statistics import SurvivalCurve, longest_horizon

MP = Times(
    [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35],
    [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
)
"""6-mercaptopurine in leukaemia, weeks of remission (Freireich 1963), as textbooks print it."""
PLACEBO = Times([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], [1] * 21)
MAINTAINED = Times([9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0])
"""Acute myelogenous leukaemia (Miller 1997), the data set ``aml`` of R's package survival."""
NOT_MAINTAINED = Times([5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45], [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1])


def at(curve: SurvivalCurve, days: object) -> np.ndarray:
    """The share that has not ended on each day."""
    return curve.survival[np.searchsorted(curve.days, days, side="right") - 1]


def test_the_curve_of_leukaemia_is_that_of_the_textbooks() -> None:
    curve = survival_curve(MP)
    assert curve.days.tolist() == [0, 6, 7, 10, 13, 16, 22, 23]
    assert curve.survival == pytest.approx([1, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    assert curve.median[0] == 23
    assert survival_curve(PLACEBO).median == (8, 4, 11)  # log-log band: Klein and Moeschberger, example 4.2
    assert MP.at_risk([0, 6, 7, 10, 13, 16, 22, 23, 35, 36]).tolist() == [21, 21, 17, 15, 12, 11, 7, 6, 1, 0]


def test_groups_compare_as_other_programs_print_it() -> None:
    assert log_rank(PLACEBO, MP).statistic ** 2 == pytest.approx(16.79, abs=0.005)
    assert log_rank(PLACEBO, MP).statistic > 0  # the second group ends later
    assert log_rank(MP, PLACEBO).statistic == pytest.approx(-log_rank(PLACEBO, MP).statistic)
    assert log_rank(MAINTAINED, NOT_MAINTAINED).statistic ** 2 == pytest.approx(3.396, abs=5e-4)  # survdiff
    found = hazard_ratio(MAINTAINED, NOT_MAINTAINED)  # coxph, ties by Efron: 0.9155, standard error 0.5119
    assert found.ratio.value == pytest.approx(math.exp(0.9155), rel=1e-4)
    assert math.log(found.ratio.high / found.ratio.value) / 1.959964 == pytest.approx(0.5119, rel=1e-4)
    assert found.constant


def test_data_sets_that_lifelines_ships_give_what_its_own_code_gives() -> None:
    from lifelines import KaplanMeierFitter
    from lifelines.datasets import load_waltons
    from lifelines.statistics import logrank_test

    data = load_waltons()
    groups = [Times(part["T"].to_numpy(), part["E"].to_numpy()) for _, part in data.groupby("group")]
    for times in groups:
        fitted = KaplanMeierFitter().fit(times.days, times.observed)
        days = np.arange(0, 75.0)
        assert at(survival_curve(times), days[days <= times.days.max()]) == pytest.approx(
            fitted.survival_function_at_times(days[days <= times.days.max()]).to_numpy(), abs=1e-12
        )
    theirs = logrank_test(groups[0].days, groups[1].days, groups[0].observed, groups[1].observed)
    assert log_rank(*groups).statistic ** 2 == pytest.approx(theirs.test_statistic)


def test_ties_and_censoring_on_the_same_day_by_hand() -> None:
    curve = survival_curve(Times([2, 2, 2, 3, 5], [1, 1, 0, 1, 0]))  # who is censored on a day is at risk on it
    assert curve.survival.tolist() == pytest.approx([1, 3 / 5, 3 / 5 * 1 / 2])
    assert at(curve, [1, 2, 3, 5]).tolist() == pytest.approx([1, 0.6, 0.3, 0.3])
    assert curve.last == 5


def test_exponential_arms_have_the_hazard_ratio_and_the_medians_they_were_made_with() -> None:
    generator = np.random.default_rng(1)
    days = generator.exponential(1, 3000)
    ends = generator.uniform(0, 3, 6000)
    made = [np.minimum(days[:1500] / 0.5, ends[:1500]), np.minimum(days[1500:] / 1.0, ends[1500:3000])]
    groups = [Times(made[0], days[:1500] / 0.5 <= ends[:1500]), Times(made[1], days[1500:] / 1.0 <= ends[1500:3000])]
    found = hazard_ratio(*groups)
    assert found.ratio.low < 2.0 < found.ratio.high
    assert found.constant
    spread = math.log(found.ratio.high / found.ratio.low) / (2 * 1.959964)
    assert spread == pytest.approx(math.sqrt(1 / groups[0].events + 1 / groups[1].events), rel=0.05)
    for times, hazard in zip(groups, (0.5, 1.0), strict=True):
        value, low, high = survival_curve(times).median
        assert low < math.log(2) / hazard < high
        mean = restricted_mean(times, 2.0)
        assert mean.low < (1 - math.exp(-2 * hazard)) / hazard < mean.high
        assert low <= value <= high


def test_hazards_that_cross_are_not_called_constant() -> None:
    generator = np.random.default_rng(2)
    early, late = generator.weibull(0.6, 400), generator.weibull(3.0, 400)
    assert not hazard_ratio(Times(early, [1] * 400), Times(late, [1] * 400)).constant


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=30), st.floats(0.1, 1.0))
def test_without_censoring_the_restricted_mean_is_the_mean_of_restricted_times(days: list[float], part: float) -> None:
    horizon = part * max(days)
    found = restricted_mean(Times(days, [1] * len(days)), horizon)
    cut = np.minimum(days, horizon)
    assert found.value == pytest.approx(cut.mean(), rel=1e-9)
    assert found.error == pytest.approx(cut.std() / math.sqrt(len(days)), rel=1e-6, abs=1e-9)


def test_a_mean_beyond_the_follow_up_is_refused() -> None:
    times = Times([1, 2, 3], [1, 1, 0])
    with pytest.raises(UserError, match="censored on day 3"):
        restricted_mean(times, 4)
    assert longest_horizon([times, Times([9, 5], [0, 1])]) == 3
    assert longest_horizon([Times([1, 2], [1, 1])]) == math.inf


NOBODY = Times([3, 4, 5], [0, 0, 0])


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (NOBODY, NOBODY, "no event in either group"),
        (Times([5, 5, 5], [1, 1, 1]), Times([5, 5], [1, 1]), "all events come on day 5"),
        (Times([1, 2], [0, 0]), Times([5, 6], [1, 1]), "nobody is left in one of the groups"),
    ],
)
def test_what_cannot_be_compared_is_refused(first: Times, second: Times, why: str) -> None:
    for compare in (log_rank, hazard_ratio):
        with pytest.raises(UserError, match=why):
            compare(first, second)


def test_a_hazard_ratio_without_bound_is_refused_although_the_test_has_an_answer() -> None:
    ending = Times(np.arange(1.0, 31), [1] * 30)
    with pytest.raises(UserError, match="no event: the hazard ratio has no bound"):
        hazard_ratio(ending, Times(np.arange(1.0, 31), [0] * 30))
    with pytest.raises(UserError, match="do not overlap"):
        hazard_ratio(ending, Times(np.arange(40.0, 70), [1] * 30))
    assert log_rank(ending, Times(np.arange(40.0, 70), [1] * 30)).chance < 1e-9


def test_all_censored_and_all_at_once_have_curves() -> None:
    curve = survival_curve(NOBODY)
    assert curve.survival.tolist() == [1.0]
    assert curve.median == (math.inf, math.inf, math.inf)
    assert restricted_mean(NOBODY, 5).value == 5
    once = survival_curve(Times([5, 5, 5], [1, 1, 1]))
    assert once.survival.tolist() == [1.0, 0.0]
    assert (once.low[-1], once.high[-1], once.median[0]) == (0.0, 1.0, 5.0)


@pytest.mark.parametrize("days", [[], [-1.0], [math.nan], [math.inf]])
def test_times_that_are_none_are_refused(days: list[float]) -> None:
    with pytest.raises(UserError):
        Times(days, [1] * len(days))
