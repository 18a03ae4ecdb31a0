"""Measured facts: weights that meet them and say least else, and what is said where none can."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize

from backfire.errors import UserError
from backfire.formatting import short
from backfire.populations import Fact, Weighted, dependences, parse_population, population, weigh
from backfire.sampling import read_tumours
from backfire.simulation import run_members
from small import SMALL

PEAK = Fact("peak_wnt16b(monotherapy)", 8.0, 30.0, 64.0)


def test_one_fact_gives_every_interval_its_mass_evenly() -> None:
    """The closed form: the mass of an interval over the number of tumours in it."""
    values = np.array([1.0, 2, 10, 20, 25, 40, 50, 60, 70, 8])
    found = weigh([PEAK], values[:, None])
    assert not found.refused
    wanted = np.array([0.05 / 3, 0.05 / 3, 0.15, 0.15, 0.15, 0.15, 0.15, 0.15, 0.05, 0.05 / 3])
    assert found.weights == pytest.approx(wanted, abs=1e-9)


def test_several_facts_are_met_by_the_weights_of_largest_entropy() -> None:
    """Against a general optimiser, which knows nothing of raking."""
    rng = np.random.default_rng(3)
    one = rng.lognormal(3.0, 0.8, 40)
    values = np.column_stack([one, 0.3 * one + rng.normal(0, 4, 40)])
    facts = [Fact("nadir(a)", median=25.0), Fact("nadir(b)", low=2.0, high=14.0, within=0.6)]
    found = weigh(facts, values)
    assert not found.refused
    inside = [values[:, 0] <= 25, values[:, 1] <= 2, values[:, 1] <= 14]
    masses = [0.5, 0.2, 0.8]
    for there, mass in zip(inside, masses, strict=True):
        assert found.weights[there].sum() == pytest.approx(mass, abs=1e-8)
    limits = [
        {"type": "eq", "fun": lambda w, there=there, mass=mass: w[there].sum() - mass}
        for there, mass in zip(inside, masses, strict=True)
    ]
    limits.append({"type": "eq", "fun": lambda w: w.sum() - 1})
    best = minimize(
        lambda w: float(np.sum(w * np.log(w))), np.full(40, 1 / 40), jac=lambda w: np.log(w) + 1, bounds=[(1e-9, 1)] * 40,
        constraints=limits, method="SLSQP", options={"maxiter": 500, "ftol": 1e-13},
    )  # fmt: skip
    assert found.weights == pytest.approx(best.x, abs=1e-5)


def test_a_tumour_without_a_value_has_no_weight() -> None:
    values = np.array([1.0, 2, 10, 20, 40, 50, 70, 90, np.nan])
    found = weigh([PEAK], values[:, None])
    assert found.weights[-1] == 0
    assert found.weights.sum() == pytest.approx(1)


def test_what_cannot_be_met_is_refused_with_the_nearest_that_can() -> None:
    values = np.linspace(10, 50, 21)
    found = weigh([PEAK], values[:, None])
    (said,) = found.refused
    assert "cannot have low = 8, median = 30, high = 64" in said
    assert "from 10 to 50" in said
    assert "low = 10, median = 30, high = 48" in said
    assert weigh([Fact("nadir(a)", 10.0, 30.0, 48.0)], values[:, None]).refused == ()
    assert np.ptp(found.weights) == 0


def test_facts_that_exclude_each_other_are_refused() -> None:
    values = np.column_stack([np.linspace(0, 1, 50)] * 2)
    (said,) = weigh([Fact("nadir(a)", median=0.3), Fact("nadir(b)", median=0.7)], values).refused
    assert "no weights meet all facts at once" in said


def test_the_nearest_that_facts_can_be_met_at_together_is_said() -> None:
    """Of one quantity measured twice the medians can only be one, and half-way is nearest to both."""
    values = np.column_stack([np.linspace(0, 1, 51)] * 2)
    (said,) = weigh([Fact("nadir(a)", median=0.4), Fact("nadir(b)", median=0.6)], values).refused
    near = [float(found) for found in re.findall(r"median = ([\d.]+)", said)]
    assert near[0] == near[1]
    assert 0.4 <= near[0] <= 0.6
    assert not weigh([Fact("nadir(a)", median=near[0]), Fact("nadir(b)", median=near[1])], values).refused


def test_facts_that_no_tumour_has_together_are_refused() -> None:
    """Each alone could be met."""
    one, two = np.linspace(0, 1, 40), np.linspace(0, 1, 40)
    facts = [Fact("nadir(a)", median=0.5), Fact("nadir(b)", median=0.5)]
    apart = np.column_stack([np.where(one < 0.5, one, np.nan), np.where(two < 0.5, np.nan, two)])
    shifted = [Fact("nadir(a)", median=0.2), Fact("nadir(b)", median=0.7)]
    found = weigh(shifted, apart)
    assert "no tumour has nadir(a) and nadir(b) together" in found.refused[0]
    assert np.ptp(found.weights) == 0
    # few have both, and these only on one side of a mark
    some = np.column_stack([one, np.where(one < 0.4, two, np.nan)])
    (said,) = weigh([facts[0], Fact("nadir(b)", median=0.2)], some).refused
    assert said.startswith("nadir(a): cannot have median = 0.5")
    assert "among the 16 tumours that have all facts" in said


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Fact("nadir(a)"), "needs low, median or high"),
        (lambda: Fact("nadir(a)", 3.0, 2.0), "each above the one before"),
        (lambda: Fact("nadir(a)", 1.0, within=1.5), "such as 0.9"),
        (lambda: Fact("3", 1.0), "one side must read an outcome"),
        (lambda: Fact("nadir(a) > 2 and nadir(a)", 1.0), "one side of a claim"),
        (lambda: Fact("nadir(", 1.0), "needs the name of an arm"),
    ],
)
def test_what_is_no_fact_says_why(make: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make()  # type: ignore[operator]


def test_a_population_meets_the_facts_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    text = """
title = "Small tumours that grow"
scenario = "small.toml"
article = "none"
[claims]
grows = "final_burden(untreated) > 2 * nadir(untreated)"
[[facts]]
of = "final_burden(untreated) / nadir(untreated)"
median = 30
"""
    made = population(parse_population(text, "mine", tmp_path), tmp_path, members=120, workers=0)
    kept = read_tumours(tmp_path / "mine")
    assert kept.weights == pytest.approx(made.weights)
    found = run_members(made.spec.scenario, kept.names, kept.values, ["untreated"], ["final_burden", "nadir"]).values["untreated"]
    below = found["final_burden"] / found["nadir"] <= 30
    assert 0 < below.sum() < 120
    assert kept.weights[below].sum() == pytest.approx(0.5, abs=1e-6)
    assert kept.effective == pytest.approx(120 / (120 * np.sum(kept.weights**2)), rel=1e-9)
    assert [*made.narrowed] == pytest.approx([*kept.narrowed.values()])
    table = pd.read_csv(tmp_path / "mine" / "diagnostics.csv").query("kind == 'input'").set_index("name")
    growth = kept.values[:, kept.names.index("growth_rate")]
    middle = np.quantile(growth, 0.5, weights=kept.weights, method="inverted_cdf")
    assert table.loc["growth_rate", "q50"] == pytest.approx(middle, rel=1e-5)
    assert middle != np.quantile(growth, 0.5, method="inverted_cdf")
    assert f">{short(middle)}<" in made._repr_html_()
    counts = np.random.default_rng(2).integers(0, 4, 120)
    weighted = dataclasses.replace(made, weighted=Weighted(counts / counts.sum(), np.zeros(1)))
    ranks = stats.spearmanr(np.repeat(made.members, counts, axis=0)).statistic
    for one, two, rank in dependences(weighted):
        assert rank == pytest.approx(ranks[made.names.index(one), made.names.index(two)], abs=1e-12)
    with pytest.raises(UserError, match=r"mine:8: facts\.0\.of: unknown outcome"):
        parse_population(text.replace("final_burden(untreated) /", "final_birden(untreated) /"), "mine", tmp_path)
