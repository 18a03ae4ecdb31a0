"""Sensitivity studies of a scenario: the sample is what the method wants, failures are told, and the answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire.errors import DocumentError, UserError
from backfire.studies import Means, Sensitivity, load_sensitivity, read_sensitivity, sensitivity
from backfire.studies.sensitivity import ranked_inputs
from small_studies import SENSITIVITY, written

HERE = Means(workers=0)
UNTREATED = (
    ("monotherapy", "untreated"),
    ("drug_kill_rate = { low = 0.1, high = 2 }", "drug_kill_rate = { low = 0.1, high = 0.2 }"),
)
"""Nobody is given the drug: its kill rate does nothing."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Sensitivity:
    folder = tmp_path_factory.mktemp("sensitivity")
    return backfire.sensitivity(str(written(folder, SENSITIVITY)), folder / "out", HERE)


def test_the_sample_freezes_one_input_at_a_time(done: Sensitivity) -> None:
    members = done.spec.members().reshape(64, 4, 2)
    first, second, one, other = (members[:, place] for place in range(4))
    assert (one == np.column_stack([second[:, 0], first[:, 1]])).all()
    assert (other == np.column_stack([first[:, 0], second[:, 1]])).all()
    assert abs(np.corrcoef(first.T, second.T)[:2, 2:]).max() < 0.2


@pytest.mark.parametrize("method", ["sobol", "morris", "given", "shapley"])
def test_an_input_that_does_nothing_is_told_from_one_that_does_all(tmp_path: Path, method: str) -> None:
    changes = (*UNTREATED, ('"sobol"', f'"{method}"'), ("number = 64", "number = 128"))
    made = sensitivity(str(written(tmp_path, SENSITIVITY, *changes)), means=HERE)
    (ranking,) = made.rankings
    assert [*ranking.indices] == ["growth_rate", "drug_kill_rate"]
    main = 1 if method == "sobol" else 0
    assert ranking.indices["growth_rate"][main].told
    assert not ranking.indices["drug_kill_rate"][main].told
    if method == "sobol":
        assert ranking.indices["growth_rate"][0].estimate.value == pytest.approx(1, abs=0.1)
        assert ranking.indices["drug_kill_rate"][1].estimate.value == pytest.approx(0, abs=1e-9)


def test_a_stored_study_is_read_again(done: Sensitivity, monkeypatch: pytest.MonkeyPatch) -> None:
    assert done.folder is not None
    monkeypatch.setattr(backfire.sweeps.planning, "run_members", None)
    assert read_sensitivity(done.folder).table().equals(done.table())
    assert "64 base samples × (2 inputs + 2) = 256 members" in done.notes[0]


def test_a_yes_or_no_says_which_inputs_differ(tmp_path: Path) -> None:
    changes = (('"final_burden"', '"responded"'), ('"sobol"', '"given"'), ("number = 64", "number = 400"))
    made = sensitivity(str(written(tmp_path, SENSITIVITY, *changes)), means=HERE)
    (ranking,) = made.rankings
    assert ranking.deciding[0].parameter == "drug_kill_rate"
    assert ranking.deciding[0].higher
    assert made.table("deciding")["yes_at"].iloc[0] == "high"
    assert made.table()["index"].unique().tolist() == ["δ", "target HSIC"]


def test_correlated_inputs_have_shapley_effects_that_add_up(tmp_path: Path) -> None:
    together = ("high = 2 }", 'high = 2 }\n[tumours.correlations]\n"growth_rate, drug_kill_rate" = 0.8')
    changes = (*UNTREATED, ("high = 0.2 }", together[1].replace("2 }", "0.2 }")), ('"sobol"', '"shapley"'), ("64", "512"))
    made = sensitivity(str(written(tmp_path, SENSITIVITY, *changes)), means=HERE)
    (ranking,) = made.rankings
    values = [found[0].estimate.value for found in ranking.indices.values()]
    assert sum(values) + ranking.unexplained.value == pytest.approx(1)
    # Growth alone decides; of what it tells the other tells 0.64, the square of the correlation of ranks, and carries half of that.
    assert values == pytest.approx([1 - 0.64 / 2, 0.64 / 2], abs=0.05)
    assert any("of the variance to nobody" in words for words in made.notes)


def test_a_member_that_failed_is_told_and_a_rule_takes_its_whole_group(tmp_path: Path) -> None:
    late = (("growth_rate =", "drug.every = { low = 5, high = 16 }\ngrowth_rate ="),)  # the last dose may come after the end
    with pytest.raises(UserError, match=r"of 320 members could not be simulated .*say failed = \"leave out\""):
        sensitivity(str(written(tmp_path, SENSITIVITY, *late)), means=HERE)
    rule = (*late, ('"sobol"', '"sobol"\nfailed = "leave out"'))
    made = sensitivity(str(written(tmp_path, SENSITIVITY, *rule)), means=HERE)
    assert made.members % 5 == 0
    assert 0 < made.members < 320
    assert any("are left out" in words for words in made.notes)
    assert any("groups of 5 members are left out" in words for words in made.notes)


def test_one_nan_among_a_thousand_is_told(done: Sensitivity, tmp_path: Path) -> None:
    found = backfire.studies.runs.read_study(done.folder / "members", done.spec.scenario)
    found.outcomes["final_burden"][7] = np.nan
    with pytest.raises(UserError, match="1 of 256 members have no final_burden"):
        ranked_inputs(done.spec, found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("number = 64", "number = 100"), "give 64 or 128 instead of 100"),
        (('"sobol"', '"sobl"'), "did you mean `sobol`?"),
        (("high = 2 }", 'high = 2 }\n[tumours.correlations]\n"growth_rate, drug_kill_rate" = 0.5'), "depend on each other"),
        (("high = 2 }", 'high = 2 }\n[tumours.correlations]\n"growth_rate, growth_rate" = 0.5'), "of two inputs"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load_sensitivity(written(tmp_path, SENSITIVITY, change))
    assert said in str(caught.value), str(caught.value)
