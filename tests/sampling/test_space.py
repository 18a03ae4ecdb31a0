"""Spaces: values where their shares say, never past an end, whatever the order of names."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from scipy.stats import qmc

from backfire.errors import UserError
from backfire.model.components import Parameter
from backfire.sampling import Beta, Classes, Distribution, LogNormal, LogUniform, Space, Uniform
from backfire.sampling.space import WIDE
from backfire.scenario import Input, Scenario, load
from invented import small as small_tumour

SPACE = Space({"a": Uniform(0.0, 2.0), "b": LogUniform(0.01, 100.0), "c": LogUniform(0.3, 0.7)})
limits = some.tuples(some.floats(1e-6, 1e6), some.floats(1.001, 1e6)).map(lambda pair: (pair[0], pair[0] * pair[1]))
shares = some.lists(some.floats(0, 1), min_size=1, max_size=20).map(lambda given: np.array([*given, 0.0, 1.0]))


def parameter(name: str, value: float, low: float, high: float, maximum: float = math.inf) -> Input:
    item = Parameter(name, value, "1", "a number", (low, high), "a test", "assumed", maximum)
    return Input(name, "parameter", "1", "a number", value, low, high, parameter=item)


@pytest.fixture(scope="module")
def small() -> Scenario:
    return small_tumour(("[regimens]", "[parameters]\ndrug_growth_inhibition = 0\n[regimens]"))


@given(limits, shares, some.sampled_from([Uniform, LogUniform]))
def test_values_stay_within_their_limits_rise_with_their_share_and_meet_both_ends(
    ends: tuple[float, float], given_shares: np.ndarray, kind: type[Uniform | LogUniform]
) -> None:
    values = kind(*ends).at(np.sort(given_shares))
    assert values[0] == ends[0]
    assert values[-1] == ends[1]
    assert (np.diff(values) >= 0).all()


@given(limits, shares)
def test_shares_are_those_of_the_distributions_of_scipy(ends: tuple[float, float], given_shares: np.ndarray) -> None:
    low, high = ends
    assert Uniform(low, high).at(given_shares) == pytest.approx(stats.uniform(low, high - low).ppf(given_shares), rel=1e-9)
    assert LogUniform(low, high).at(given_shares) == pytest.approx(stats.loguniform(low, high).ppf(given_shares), rel=1e-9)


@given(some.permutations(["a", "b", "c"]), some.integers(0, 100))
def test_the_order_of_names_does_not_matter(order: list[str], seed: int) -> None:
    unit = np.random.default_rng(seed).random((7, 3))
    other = Space({name: SPACE.inputs[name] for name in order})
    columns = [SPACE.names.index(name) for name in order]
    assert (other.place(unit[:, columns]) == SPACE.place(unit)[:, columns]).all()
    usual = {"a": 1.0, "b": 1.0, "c": 0.5}
    ends, moved = other.one_at_a_time(usual)
    assert {(*move, *row[np.argsort(order)]) for move, row in zip(moved, ends, strict=True)} == {
        (*move, *row) for move, row in zip(SPACE.one_at_a_time(usual)[1], SPACE.one_at_a_time(usual)[0], strict=True)
    }


@given(some.floats(1e-3, 1e3), some.floats(1.01, 1000))
def test_a_factor_box_is_centred_on_the_value_and_cut_at_what_is_possible(value: float, factor: float) -> None:
    space = Space.box([parameter("a", value, 1e-9, 1e9), parameter("b", value, 1e-9, 1e9, maximum=value)], factor)
    values = space.place(np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]))
    assert values[:, 0] == pytest.approx([value / factor, value, value * factor])
    assert values[:, 1] == pytest.approx([value / factor, value / math.sqrt(factor), value])


def test_wide_ranges_are_even_in_the_logarithm_and_what_is_off_stays_off(small: Scenario) -> None:
    made = Space.plausible(
        [
            parameter("wide", 1.0, 1.0, 1.001 * WIDE),
            parameter("narrow", 1.0, 1.0, 0.999 * WIDE),
            parameter("from_nothing", 1.0, 0.0, 50.0),
            parameter("a_share", 0.5, 0.2, 3.0, maximum=1.0),
            parameter("off", 0.0, 0.1, 1.0),
        ]
    ).inputs
    assert made == {
        "wide": LogUniform(1.0, 1.001 * WIDE),
        "narrow": Uniform(1.0, 0.999 * WIDE),
        "from_nothing": Uniform(0.0, 50.0),
        "a_share": LogUniform(0.2, 1.0),
    }


def test_the_box_is_the_plausible_range_or_a_factor(small: Scenario) -> None:
    def spaces(scenario: Scenario) -> tuple[Space, Space]:
        inputs = scenario.inputs.values()
        return Space.plausible(inputs), Space.box(inputs, 3.0)

    def ends(item: Distribution) -> tuple[float, float]:
        return item.low, item.high

    own, factor = spaces(small)
    assert own.inputs["growth_rate"] == LogUniform(0.02, 0.4)
    assert own.inputs["drug_ec50"] == LogUniform(0.2, 5.0)
    assert isinstance(factor.inputs["growth_rate"], LogUniform)
    assert ends(factor.inputs["growth_rate"]) == pytest.approx((0.115 / 3, 0.345))
    assert "drug_growth_inhibition" not in own.inputs  # 0 in this scenario: switched off by design
    assert "drug_growth_inhibition" not in factor.inputs
    assert spaces(load("hibernation-rigi"))[0].inputs["hibernating_death_rate"] == Uniform(0.0, 0.05)
    bypass = load("pi3k-jak2-bypass")
    usual = bypass.values["jak2_inhibitor_completeness"]
    assert usual > 1 / 3
    assert ends(spaces(bypass)[1].inputs["jak2_inhibitor_completeness"]) == pytest.approx((usual / 3, 1.0))
    assert "responsive_stroma" not in spaces(load("control-no-stroma"))[0].inputs


def test_every_input_goes_to_either_end_alone() -> None:
    points, moved = SPACE.one_at_a_time({"a": 1.0, "b": 1.0, "c": 0.5, "d": 9.0})
    assert moved == [("a", 0.0), ("a", 2.0), ("b", 0.01), ("b", 100.0), ("c", 0.3), ("c", 0.7)]
    assert points.tolist() == [[0, 1, 0.5], [2, 1, 0.5], [1, 0.01, 0.5], [1, 100, 0.5], [1, 1, 0.3], [1, 1, 0.7]]


def test_sobol_points_are_those_of_scipy_bit_for_bit() -> None:
    unit = qmc.Sobol(3, scramble=True, seed=5).random_base2(6)
    low, high = np.array([0.01, 0.3]), np.array([100.0, 0.7])
    points = SPACE.sobol(64, 5)
    assert (points[:, 0] == 2.0 * unit[:, 0]).all()
    assert (points[:, 1:] == low * (high / low) ** unit[:, 1:]).all()
    assert (SPACE.sobol(64, 5) == points).all()
    assert (SPACE.sobol(64, 6) != points).any()
    for column, item in zip(points.T, SPACE.inputs.values(), strict=True):
        assert (np.histogram(column, item.at(np.linspace(0, 1, 65)))[0] == 1).all()  # one in every 64th of each input


def test_a_space_of_nothing_has_points_of_nothing() -> None:
    nothing = Space.plausible([parameter("off", 0.0, 0.1, 1.0)])
    assert nothing.names == ()
    assert nothing.sobol(4).shape == nothing.place(np.empty((4, 0))).shape == (4, 0)
    assert nothing.one_at_a_time({}) == (pytest.approx(np.empty((0, 0))), [])


def test_limits_points_and_factors_that_make_no_space_are_refused() -> None:
    for low, high in ((2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)):
        with pytest.raises(UserError, match="must not be above"):
            Uniform(low, high)
    with pytest.raises(UserError, match="starts above 0"):
        LogUniform(0.0, 1.0)
    with pytest.raises(UserError, match="a factor above 1, got 1"):
        Space.box([], 1.0)
    with pytest.raises(UserError, match="powers of two, got 12"):
        SPACE.sobol(12)
    with pytest.raises(UserError, match=r"must be \(n, 3\)"):
        SPACE.place(np.zeros((4, 2)))


ratios = some.floats(1.05, 20.0)


@given(limits, ratios, some.floats(0.05, 0.95), shares)
def test_a_log_normal_is_that_of_scipy_between_its_ends(
    ends: tuple[float, float], spread: float, at: float, given_shares: np.ndarray
) -> None:
    low, high = ends
    median = low * (high / low) ** at
    made = LogNormal(low, high, median, spread)
    whole = stats.lognorm(s=math.log(spread), scale=median)
    # in the tails scipy's own subtraction of nearly equal numbers is the worse of the two
    inner = given_shares[(given_shares > 0.01) & (given_shares < 0.99)]
    inside = whole.cdf(low) + inner * (whole.cdf(high) - whole.cdf(low))
    if whole.cdf(high) - whole.cdf(low) > 1e-3:
        assert made.at(inner) == pytest.approx(np.clip(whole.ppf(inside), low, high), rel=1e-6)
    assert (made.at(np.array([0.0, 1.0])) == [low, high]).all()
    assert made.below(made.at(given_shares)) == pytest.approx(given_shares, abs=1e-6)


@given(limits, some.floats(0.3, 8), some.floats(0.3, 8), shares)
def test_a_beta_is_that_of_scipy(ends: tuple[float, float], alpha: float, beta: float, given_shares: np.ndarray) -> None:
    low, high = ends
    made = Beta(low, high, alpha, beta)
    # near an end where the density is infinite a value has no digits left for its share, and scipy no value for the smallest
    inner = given_shares[(given_shares > 0.01) & (given_shares < 0.99)]
    assert made.at(inner) == pytest.approx(stats.beta(alpha, beta, low, high - low).ppf(inner), rel=1e-6)
    assert np.isfinite(made.at(given_shares)).all()
    assert made.below(made.at(inner)) == pytest.approx(inner, abs=1e-5)


@given(limits, shares, some.sampled_from([Uniform, LogUniform]))
def test_a_share_is_found_again(ends: tuple[float, float], given_shares: np.ndarray, kind: type[Uniform | LogUniform]) -> None:
    made = kind(*ends)
    assert made.below(made.at(given_shares)) == pytest.approx(given_shares, abs=1e-6)


def test_classes_have_their_shares() -> None:
    made = Space({"kind": Classes(values=(0.0, 0.5, 2.0), shares=(0.7, 0.1, 0.2))})
    values, counts = np.unique(made.sobol(4096), return_counts=True)
    assert values.tolist() == [0.0, 0.5, 2.0]
    assert counts / 4096 == pytest.approx([0.7, 0.1, 0.2], abs=2 / 4096)
    assert made.shares(np.array([[0.0], [0.5], [2.0]])).ravel() == pytest.approx([0.35, 0.75, 0.9])


EVERY_KIND = Space(
    {
        "even": Uniform(0.0, 2.0),
        "ratio": LogUniform(0.01, 100.0),
        "normal": LogNormal(0.1, 10.0, 0.5, 1.7),
        "beta": Beta(0.0, 1.0, 2.0, 0.7),
        "kinds": Classes(values=(0.0, 0.5, 2.0), shares=(0.7, 0.1, 0.2)),
    },
    {("normal", "beta"): 0.6},
)


def test_what_is_drawn_from_a_space_is_not_narrowed_in_it_and_a_weight_counts_as_so_many() -> None:
    drawn = EVERY_KIND.sobol(4096)
    assert EVERY_KIND.narrowed(drawn, np.ones(4096)) == pytest.approx(np.zeros(5), abs=0.005)
    part, counts = drawn[:50], np.random.default_rng(1).integers(0, 4, 50)
    repeated = np.repeat(part, counts, axis=0)
    assert EVERY_KIND.narrowed(part, counts / 7) == pytest.approx(EVERY_KIND.narrowed(repeated, np.ones(len(repeated))))
    assert EVERY_KIND.narrowed(drawn[:1], np.ones(1)) == pytest.approx(np.ones(5))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Classes(values=(1.0, 0.0), shares=(0.5, 0.5)), "rising order"),
        (lambda: Classes(values=(0.0, 1.0), shares=(0.5, 0.6)), "add up to 1"),
        (lambda: LogNormal(1.0, 10.0, 20.0, 2.0), "median must lie between"),
        (lambda: LogNormal(1.0, 10.0, 2.0, 0.5), "a factor, above 1"),
        (lambda: Beta(0.0, 1.0, 0.0, 1.0), "above 0"),
        (lambda: Space(SPACE.inputs, {("a", "b"): 1.0}), "between -1 and 1"),
        (lambda: Space(SPACE.inputs, {("a", "x"): 0.5}), "unknown input"),
        (lambda: Space(SPACE.inputs, {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9}), "contradict each other"),
    ],
)
def test_what_is_no_distribution_says_why(make: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Uniform(-1e308, 1e308), "wider than a number can be"),
        (lambda: LogUniform(1e-320, 1e308), "more times 9.99989e-321 than a number can say"),
        (lambda: LogNormal(1e-320, 1e308, 1e300, 2.0), "more times 9.99989e-321 than a number can say"),
        (lambda: LogNormal(0.0, 1.0, 1e-320, 2.0), "more times 9.99989e-321 than a number can say"),
        (lambda: Beta(0.0, 1.0, 1e3, 1e10), "from 0.01 to 1e\\+06"),
        (lambda: Beta(0.0, 1.0, 1e-3, 1.0), "from 0.01 to 1e\\+06"),
    ],
)
def test_what_goes_beyond_the_numbers_of_the_machine_is_refused(make: Callable[[], Distribution], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make()


@pytest.mark.parametrize("ends", [(1e-300, 1e-10), (1e-10, 1e290), (1e-150, 1e150), (1.0, 1.0 + 1e-9), (3.0, 3.0)])
def test_what_is_within_them_is_right_at_their_edge(ends: tuple[float, float]) -> None:
    """Medians: the middle, the geometric mean by logarithms, and of scipy's beta distribution."""
    low, high = ends
    half = np.array([0.5])
    assert Uniform(*ends).at(half)[0] == pytest.approx(low / 2 + high / 2, rel=1e-15)
    assert LogUniform(*ends).at(half)[0] == pytest.approx(math.exp((math.log(low) + math.log(high)) / 2), rel=1e-12)
    assert Beta(*ends, 1e6, 0.01).at(half)[0] == pytest.approx(low + (high - low) * stats.beta(1e6, 0.01).ppf(0.5), rel=1e-12)
    if low < high:
        median = math.sqrt(low) * math.sqrt(high)
        for spread in (1 + 1e-6, 1e10):
            found = LogNormal(low, high, median, spread).at(np.array([0.25, 0.5, 0.75]))
            assert (np.diff(found) >= 0).all()
            assert found[1] == pytest.approx(median, rel=1e-9)


@pytest.mark.parametrize("rank", [-0.8, 0.3, 0.95])
def test_inputs_go_together_as_told_and_each_stays_as_it_is(rank: float) -> None:
    alone, together = SPACE, Space(SPACE.inputs, {("a", "c"): rank})
    one, two = alone.sobol(4096), together.sobol(4096)
    ranks = stats.spearmanr(two).statistic
    assert ranks[0, 2] == pytest.approx(rank, abs=0.01)
    assert abs(ranks[0, 1]) < 0.02
    for column in range(3):
        assert np.sort(two[:, column]) == pytest.approx(np.sort(one[:, column]), rel=0.05)
    assert (two[:, 1] == one[:, 1]).all()
    unit = np.random.default_rng(0).random((50, 3))
    assert (together.place(unit)[7:9] == together.place(unit[7:9])).all()
