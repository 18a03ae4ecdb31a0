"""How many patients a trial needs: against Schoenfeld's formula, and the resampled test against SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backfire.errors import UserError
from backfire.studies import Times, log_rank, patients_needed
from backfire.studies.statistics.power import _Pooled


def exponential(hazard: float, count: int = 400) -> Times:
    """A cohort at the quantiles of an exponential distribution."""
    return Times(-np.log1p(-(np.arange(count) + 0.5) / count) / hazard, [1] * count)


@pytest.mark.parametrize("ratio", [2.0, 3.0])
def test_exponential_arms_need_what_schoenfeld_says(ratio: float) -> None:
    events = 4 * (1.959964 + 0.841621) ** 2 / math.log(ratio) ** 2  # of both arms together; here everybody has one
    found = patients_needed(exponential(ratio), exponential(1.0))
    assert found.patients == pytest.approx(events / 2, rel=0.15, abs=3)
    assert all(later > earlier - 0.05 for earlier, later in zip(found.power, found.power[1:], strict=False))


def test_the_resampled_test_is_scipys() -> None:
    generator = np.random.default_rng(3)
    first, second = (Times(np.ceil(generator.exponential(scale, 60)), generator.random(60) < 0.7) for scale in (5.0, 8.0))
    pooled = _Pooled(first, second)
    assert pooled.whole == pytest.approx(log_rank(first, second).statistic)
    chosen = generator.integers(0, 60, (5, 40)), generator.integers(0, 60, (5, 40))
    for row, statistic in enumerate(pooled._statistics(*chosen)):
        drawn = [
            Times(item.days[which[row]], item.observed[which[row]]) for item, which in zip((first, second), chosen, strict=True)
        ]
        assert statistic == pytest.approx(log_rank(*drawn).statistic)


def test_the_same_arms_need_no_number_of_patients() -> None:
    with pytest.raises(UserError, match="no difference is seen"):
        patients_needed(exponential(1.0), exponential(1.0))
    nobody = Times(np.arange(30.0), [0] * 30)
    with pytest.raises(UserError, match="no difference is seen"):
        patients_needed(nobody, nobody)
    with pytest.raises(UserError, match="too few to draw"):
        patients_needed(Times([1.0], [1]), Times([2.0], [1]))


def test_a_difference_hardly_there_is_not_found() -> None:
    found = patients_needed(exponential(1.02, 200), exponential(1.0, 200))
    assert found.patients == math.inf
