"""Shares, intervals and deciding parameters against closed forms, published digits and runs made one by one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfire.claims.articles import ROLES, Article, load_articles, topics
from backfire.claims.filtering import (
    BoxSample,
    DecidingParameter,
    holm,
    monte_carlo_filtering,
    robustness,
    wilson,
)
from backfire.claims.measuring import evaluate_members
from backfire.claims.verdict import Verdict
from backfire.errors import UserError
from backfire.scenario.scenario import Scenario
from backfire.solvers.trajectory import Floats
from invented import fake, growth_rate, topic
from invented import small as small_tumour

RATE = (0.02, 0.4)
"""The plausible range of growth_rate."""


@pytest.fixture(scope="module")
def small() -> Scenario:
    return small_tumour(("[regimens]", "[parameters]\ndrug_growth_inhibition = 0\n[regimens]"))


def test_the_share_is_that_of_the_closed_form(small: Scenario) -> None:
    found = robustness([topic(small, "nadir(untreated) > 0.1")], BoxSample(1024, 3), run=fake(growth_rate))
    exact = math.log(RATE[1] / 0.1) / math.log(RATE[1] / RATE[0])  # range wider than tenfold: by the logarithm
    assert found["T1.1"].share == pytest.approx(exact, abs=1.5 / 1024)  # Sobol: one point in every 1/1024 of each parameter
    assert found["T1.1"].samples == 1024
    assert found["T1.1"].low < exact < found["T1.1"].high


def test_changes_of_a_claim_are_made_on_top_of_every_sample(small: Scenario) -> None:
    texts = (
        "nadir(untreated with growth_rate * 2) > 0.1",
        "nadir(untreated with growth_rate = 0.3) > 0.1",
        "nadir(untreated with growth_rate * 2) > 1.99 * nadir(untreated)",
        "peak(active, untreated with growth_rate * 0.5) < nadir(monotherapy)",
    )
    found = robustness([topic(small, *texts)], BoxSample(512), run=fake(growth_rate))
    exact = math.log(RATE[1] / 0.05) / math.log(RATE[1] / RATE[0])
    assert [found[f"T1.{number}"].share for number in range(1, 5)] == pytest.approx([exact, 1, 1, 1], abs=2 / 512)


def test_what_does_not_hold_is_counted_apart(small: Scenario) -> None:
    def read(fields: dict[str, Floats], arm: str, name: str) -> Floats:
        rate = fields["growth_rate"]
        return np.where(rate < 0.05, np.nan, np.where(rate < 0.1, 1.0, np.where(rate < 0.2, 0.5, 2.0)))

    about = topic(small, "nadir(untreated) > 1")
    run = fake(read, failed=lambda fields: fields["growth_rate"] > 0.3)
    found = robustness([about], BoxSample(2048), run=run)["T1.1"]
    edges = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4]
    shares = [math.log(b / a) / math.log(20) for a, b in itertools.pairwise(edges)]
    wanted = dict(zip(("not applicable", "inconclusive", "fails", "holds", "error"), shares, strict=True))
    assert {verdict.value: count / 2048 for verdict, count in found.counts.items()} == pytest.approx(wanted, abs=2 / 2048)
    assert sum(found.counts.values()) == 2048
    assert found.share == found.counts[Verdict.HOLDS] / 2048


def test_the_deciding_parameter_is_the_one_in_the_formula(small: Scenario) -> None:
    texts = ("nadir(untreated) > 0.1", "nadir(untreated) < 0.1", "nadir(untreated) < 1")
    found = robustness([topic(small, *texts)], BoxSample(256), run=fake(growth_rate))
    for name, higher in (("T1.1", True), ("T1.2", False)):
        (only,) = found[name].deciding
        assert (only.parameter, only.higher) == ("growth_rate", higher)
        assert only.statistic == pytest.approx(1.0)  # holding and failing samples do not overlap
        assert only.chance < 1e-9
    assert found["T1.3"].deciding == ()  # always true: nothing decides


def test_two_parameters_together_have_the_distance_of_the_closed_form() -> None:
    # u + v > 1 on the unit square: holding samples have distribution u², the others 2u - u²; largest distance 1/2 at 1/2
    from scipy.stats import qmc

    points = qmc.Sobol(3, seed=1).random_base2(12)
    first, second = monte_carlo_filtering(points, ["u", "v", "w"], points[:, 0] + points[:, 1] > 1)
    assert {first.parameter, second.parameter} == {"u", "v"}
    assert [first.statistic, second.statistic] == pytest.approx([0.5, 0.5], abs=0.01)
    assert first.higher
    assert second.higher
    assert str(DecidingParameter("u", 0.5, 0.0, higher=False)) == "u ↓ 0.50"


def test_chance_alone_seldom_decides() -> None:
    generator = np.random.default_rng(5)
    named = sum(
        bool(monte_carlo_filtering(generator.random((256, 40)), [f"p{n}" for n in range(40)], generator.random(256) < 0.5))
        for _ in range(40)
    )
    assert named <= 6  # 5 % of 40 studies are 2; without Holm's correction nearly all would name something
    assert monte_carlo_filtering(generator.random((512, 2)), ["a", "b"], np.arange(512) < 4) == ()  # too few on one side to tell


def test_no_parameter_is_named_for_another_that_the_sample_pairs_it_with() -> None:
    from scipy.stats import qmc

    for samples in (6, 8, 10):
        points = qmc.Sobol(40, seed=0).random_base2(samples)
        for index in range(40):
            named = monte_carlo_filtering(points, [f"p{number}" for number in range(40)], points[:, index] > 0.63)
            assert [item.parameter for item in named] == ([f"p{index}"] if samples > 7 else []), samples


@pytest.mark.parametrize(
    ("holding", "samples", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_has_the_published_digits(holding: int, samples: int, low: float, high: float) -> None:
    """Newcombe 1998, Stat Med 17:857, table I, method 3."""
    assert wilson(holding / samples, samples) == pytest.approx((low, high), abs=5.1e-5)


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_gains_and_keeps_order(chances: list[float]) -> None:
    corrected = holm(chances)
    assert all(after >= before for before, after in zip(chances, corrected, strict=True))
    order = np.argsort(chances, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_points_fill_the_box_and_depend_on_the_seed_alone(small: Scenario) -> None:
    first, again, other = (BoxSample(64, seed).space(small).sobol(64, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    for column, item in zip(first.T, BoxSample().space(small).inputs.values(), strict=True):
        assert item.low <= column.min() < column.max() <= item.high
        assert len(np.unique(column)) == 64
    with pytest.raises(UserError, match="512 or 1024"):
        BoxSample(1000)


def test_every_parameter_goes_to_either_end_alone(small: Scenario) -> None:
    space = BoxSample().space(small)
    names = list(space.names)
    samples, moved = space.one_at_a_time(small.values)
    assert samples.shape == (2 * len(names), len(names))
    usual = np.array([small.values[name] for name in names])
    for row, (name, value) in zip(samples, moved, strict=True):
        assert row[names.index(name)] == value
        assert (np.delete(row, names.index(name)) == np.delete(usual, names.index(name))).all()
    found = robustness([topic(small, "nadir(untreated) > 0.1")], BoxSample(16), run=fake(growth_rate))
    assert found["T1.1"].turned_by == (("growth_rate", 0.02, Verdict.FAILS),)  # 0.115 holds by default


# The five articles.


@pytest.mark.thorough
@pytest.mark.parametrize("article", load_articles(), ids=lambda article: article.name)
def test_every_parameter_at_either_end_gives_a_verdict(article: Article) -> None:
    for about in topics([article]):
        space = BoxSample().space(about.scenario)
        samples, moved = space.one_at_a_time(about.scenario.values)
        for identifier, item in evaluate_members(about.scenario, about.claims, space.names, samples).items():
            errors = [moved[member] for member in np.flatnonzero(item.judged.having(Verdict.ERROR))]
            assert errors == [], identifier
            assert len(item.judged.codes) == len(moved)


@pytest.mark.thorough
@pytest.mark.parametrize("article", load_articles(), ids=lambda article: article.name)
def test_every_claim_has_the_role_that_the_box_gives_it(article: Article) -> None:
    """What an equation writes holds in every sample that it applies to, and what holds in all of them is not calibrated.

    A must-have that holds in less than half of them says why, and one in less than 5 % is named as such.
    """
    for identifier, item in robustness(topics([article]), BoxSample(1024)).items():
        entry, _ = article.claims[identifier]
        assert item.counts[Verdict.ERROR] == 0, identifier
        if entry.role == "structural":
            assert item.counts[Verdict.HOLDS] + item.counts[Verdict.NOT_APPLICABLE] == 1024, (identifier, item.counts)
            assert item.share > 0.4, identifier
        if entry.role == "calibrated":
            assert item.share < 1, identifier
            assert bool(entry.fragile) == (item.share < 0.5), (identifier, item.share, entry.fragile)
            assert entry.fragile.startswith("Holds in less than 5 % of the box.") == (item.share < 0.05), (identifier, item.share)


@pytest.mark.thorough
@pytest.mark.parametrize("article", load_articles(), ids=lambda article: article.name)
def test_structural_claims_hold_in_every_sample_and_calibrated_ones_do_not(article: Article) -> None:
    found = robustness(topics([article]), BoxSample(64))
    roles = {role: [found[name] for name, (entry, _) in article.claims.items() if entry.role == role] for role in ROLES}
    assert all(roles.values()), "every article has claims of every role"
    for item in roles["structural"]:
        assert item.counts[Verdict.HOLDS] + item.counts[Verdict.NOT_APPLICABLE] == 64
    for item in roles["calibrated"]:
        assert item.counts[Verdict.HOLDS] < 64
