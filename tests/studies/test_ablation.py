"""Ablations: the games are those of members simulated apart, shares add up, and nothing that was not simulated is shared out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire.errors import DocumentError, UserError
from backfire.simulation import run_members
from backfire.studies import Ablation, Handling, Means, ablation, load_ablation, parse_ablation, read_ablation
from backfire.studies.ablation import ablated
from backfire.studies.statistics import bootstrapped
from small_studies import ABLATION, written, written_population

HERE = Means(workers=0)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    folder = tmp_path_factory.mktemp("ablation")
    return backfire.ablation(str(written(folder, ABLATION)), folder / "out", HERE)


def test_the_values_are_those_of_members_with_switches_off(done: Ablation) -> None:
    drawn = done.spec.tumours.draw()
    game = done.games["monotherapy", "final_burden"]
    assert game.shape == (6, 4)
    for mask, (shields, feeds) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        values = np.hstack([drawn, np.tile([float(shields), float(feeds)], (6, 1))])
        fields = [*done.spec.tumours.names, "stroma.protects_kill", "stroma.promotes_growth"]
        found = run_members(done.spec.scenario, fields, values, ["monotherapy"], ["final_burden"])
        assert game[:, mask] == pytest.approx(np.log10(found.values["monotherapy"]["final_burden"]), abs=1e-9)


def test_shares_of_two_by_hand_and_their_sum(done: Ablation) -> None:
    (blame,) = (item for item in done.blames if (item.arm, item.outcome) == ("monotherapy", "final_burden"))
    none, shields, feeds, both = done.games["monotherapy", "final_burden"].mean(axis=0)
    assert blame.shares["shields"].value == pytest.approx(((shields - none) + (both - feeds)) / 2)
    assert blame.shares["feeds"].value == pytest.approx(((feeds - none) + (both - shields)) / 2)
    assert sum(item.value for item in blame.shares.values()) == pytest.approx(blame.whole.value)
    assert sum(item.value for item in blame.percent.values()) == pytest.approx(100)
    assert blame.pairs["shields", "feeds"].value == pytest.approx(both - shields - feeds + none)
    assert blame.alone_off["shields"].value == pytest.approx(both - feeds)
    assert blame.alone_on["shields"].value == pytest.approx(shields - none)
    assert blame.missed < 1e-12
    assert blame.shares["shields"].value > blame.shares["feeds"].value > 0


def test_tables_and_the_folder_read_again(done: Ablation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert done.folder is not None
    assert len(done.table("subsets")) == 2 * 2 * 4
    assert {"all on", "all off", "without shields", "without feeds"} == set(done.table("subsets")["subset"])
    assert any("did not come within the days watched and are taken as watched" in words for words in done.notes)
    monkeypatch.setattr(backfire.sweeps.planning, "run_members", None)
    assert read_ablation(done.folder).table("feedbacks").equals(done.table("feedbacks"))


def test_a_population_in_which_another_switch_varies_is_read_again(tmp_path: Path) -> None:
    values = {"growth_rate": [0.1, 0.12, 0.14], "stroma.promotes_growth": [1.0, 0.5, 0.0]}
    written_population(tmp_path / "pop", values, [0.5, 0.25, 0.25])
    text = ABLATION.replace("within = 1.5", 'population = "pop"').replace('feeds = ["stroma.promotes_growth"]\n', "")
    made = ablation(str(written(tmp_path, text)), tmp_path / "out", HERE)
    assert made.games["monotherapy", "final_burden"].shape == (6, 2)
    again = read_ablation(made.folder)
    assert again.spec.tumours.names == ("growth_rate", "stroma.promotes_growth")
    assert again.spec.tumours.draw() == pytest.approx(made.spec.tumours.draw())
    assert again.table("feedbacks").equals(made.table("feedbacks"))
    assert again.notes == made.notes


def test_a_tumour_of_which_any_subset_has_no_number_is_left_out_of_all(done: Ablation) -> None:
    found = backfire.studies.runs.read_study(done.folder / "members", done.spec.scenario)
    for outcome in found.outcomes:
        found.outcomes[outcome][5] = np.nan
    with pytest.raises(UserError, match="1 of 24 members have no"):
        ablated(done.spec, found)
    lenient = dataclasses.replace(done.spec, rules=Handling("leave out", "as watched"))
    made = ablated(lenient, found)
    assert all(game.shape == (5, 4) for game in made.games.values())
    assert any("1 of 6 groups of 4 members are left out" in words for words in made.notes)
    for outcome in found.outcomes:
        found.outcomes[outcome][::4] = np.nan
    with pytest.raises(UserError, match="nothing is left"):
        ablated(lenient, found)


def test_statements_on_a_game_have_the_same_draws(done: Ablation) -> None:
    """Intervals of a difference are those of the difference in every tumour, and what adds up does so in every draw."""
    key = ("monotherapy", "final_burden")
    means, game = done.means[key], done.games[key]
    assert means[0] == pytest.approx(game.mean(axis=0))
    assert bootstrapped(game[:, 3] - game[:, 2]).row == pytest.approx(done.blames[0].alone_off["shields"].row)
    assert bootstrapped(game[:, 3]).row == pytest.approx(done.blames[0].all_on.row)


def test_times_that_did_not_come_are_refused_unless_a_rule_is_named(done: Ablation) -> None:
    assert done.folder is not None
    path = done.folder / "study.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('censored = "as watched"\n', ""), encoding="utf-8")
    try:
        with pytest.raises(UserError, match=r'of 24 times of day_above\(burden, 9e8\) in combination did not come.*"as watched"'):
            read_ablation(done.folder)
    finally:
        path.write_text(text, encoding="utf-8")


MANY = ABLATION[: ABLATION.index("[feedbacks]")].replace("wnt16b-stroma", "all-together")


def test_of_more_than_eight_feedbacks_pairs_are_switched_off_and_nothing_is_shared_out() -> None:
    spec = parse_ablation(MANY)
    assert len(spec.feedbacks) == 22  # every switch of the scenario
    assert len(spec.subsets) == 2 + 22 + 22 * 21 // 2
    assert len(set(spec.subsets)) == len(spec.subsets)
    assert not spec.whole
    made = Ablation(
        spec, {("monotherapy", "final_burden"): np.zeros((3, len(spec.subsets)))}, {("monotherapy", "final_burden"): ""}, ()
    )
    (blame,) = made.blames
    assert blame.shares == blame.percent == {}
    assert len(blame.pairs) == 22 * 21 // 2


def test_a_whole_that_is_not_told_from_nothing_has_no_shares_in_per_cent(done: Ablation) -> None:
    key = ("monotherapy", "final_burden")
    made = Ablation(done.spec, {key: np.array([[0, 1, 1, 1.0], [0, 1, 1, -1.0]])}, {key: ""}, ())
    assert made.blames[0].percent == {}
    assert made.blames[0].shares


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("stroma.promotes_growth", "stroma.promote_growth"), "unknown influence `stroma.promote_growth`; did you mean"),
        (("stroma.promotes_growth", "stroma.protects_kill"), "stands in two feedbacks"),
        (('"final_burden"', '"final_burdn"'), "did you mean `final_burden`?"),
        (
            ("[feedbacks]", "[tumours.vary]\nstroma.protects_kill = { low = 0, high = 1 }\n[feedbacks]"),
            "varies among the tumours",
        ),
        (('"as watched"', '"ignore"'), "must be `refuse` or `as watched`"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    text = ABLATION.replace("within = 1.5\n", "") if "vary" in change[1] else ABLATION
    with pytest.raises(DocumentError) as caught:
        load_ablation(written(tmp_path, text, change))
    assert said in str(caught.value), str(caught.value)


@pytest.mark.slow  # compiles the scenario of all mechanisms
@pytest.mark.thorough
def test_all_together_shares_its_relapse_among_five() -> None:
    made = ablation("all-together", means=HERE)
    assert all(item.missed < 1e-9 for item in made.blames)
    assert sum(item.value for item in made.blames[0].percent.values()) == pytest.approx(100)
