"""Figures of populations: densities by weight against the prior, and slides that show the same inputs first."""

from __future__ import annotations

import numpy as np
import pytest

from backfire.figures import Narrowed, population_marginals, population_message
from backfire.sampling import Classes, LogNormal, Space, Uniform

SPACE = Space(
    {
        "growth_rate": Uniform(0.0, 2.0),
        "drug_ec50": LogNormal(0.1, 10.0, 0.5, 1.7),
        "carriers": Classes(values=(0.0, 1.0), shares=(0.7, 0.3)),
    }
)
UNITS = dict.fromkeys(SPACE.names, "1/day")


def narrowed(members: np.ndarray, weights: np.ndarray) -> Narrowed:
    return Narrowed(SPACE, UNITS, members, weights)


def test_what_is_drawn_from_the_prior_is_as_high_as_the_prior() -> None:
    where = narrowed(SPACE.sobol(4096), np.ones(4096))
    for name in SPACE.names:
        heights, edges = where.density(name)
        assert heights == pytest.approx(np.ones(len(heights)), abs=0.02)
        assert (heights * np.diff(edges)).sum() == pytest.approx(1)
    assert len(where.density("carriers")[0]) == 2


def test_a_weight_counts_as_so_many_tumours() -> None:
    members, counts = SPACE.sobol(256), np.random.default_rng(3).integers(0, 5, 256)
    repeated = narrowed(np.repeat(members, counts, axis=0), np.ones(counts.sum()))
    by_weight = narrowed(members, counts / counts.sum())
    for name in SPACE.names:
        assert by_weight.density(name, 8)[0] == pytest.approx(repeated.density(name, 8)[0])
    assert by_weight.order.tolist() == repeated.order.tolist()


def test_what_weights_narrow_comes_first_in_both_figures() -> None:
    members = SPACE.sobol(256)
    weights = np.where(members[:, 1] < 0.4, 1.0, 1e-6)
    where = narrowed(members, weights / weights.sum())
    assert SPACE.names[where.order[0]] == "drug_ec50"
    marginals = population_marginals("Some", "made up", where, {"small": "0"})
    assert next(title for axes in marginals.axes if (title := axes.get_title("left"))) == "drug ec50"
    slide = population_message(
        "Some", "made up", where, [("growth_rate", "carriers", 0.4)], {"grows": (2.0, 0.3, False), "M1.1": (1.0, 0.1, True)}, {"small": "0"},
        {"grows": "grows", "M1.1": "the drug shrinks it"},
    )  # fmt: skip
    assert [label.get_text() for label in slide.axes[2].get_yticklabels()] == ["grows", "the drug shrinks it"]
    arrows = [line for line in slide.axes[2].lines if line.get_marker() == ">"]
    assert [line.get_xydata().tolist() for line in arrows] == [[[1.0, 1.0]]]  # what is a least value points on
    assert slide.axes[0].get_yticklabels()[0].get_text() == "drug ec50"
