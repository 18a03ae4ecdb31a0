"""What is asked of a stored population: runs, claims, forms, narrowing; each against the members simulated one by one."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backfire import load, simulate
from backfire.claims import evaluate_claims, parse_claims, scorecard
from backfire.claims.plausible import PlausibleShare
from backfire.errors import DocumentError, StorageError, UserError
from backfire.populations import load_population, parse_population, population, read_population
from backfire.reports import explain, run_population
from backfire.sampling import PlausibleTumours as Tumours
from backfire.sampling import sealed
from backfire.scenario import Scenario
from backfire.simulation import run_members
from backfire.studies import tumours_of
from commands import call
from small import SMALL

FILE = """
title = "Small tumours that grow"
scenario = "small.toml"
article = "none"
members = 24

[claims]
grows = "final_burden(untreated) > 2 * nadir(untreated)"
"""
CLAIMS = """
title = "Is the drug worth it?"
scenario = "small.toml"

[[claims]]
id = "C1"
statement = "The drug leaves less than a tenth."
check = "final_burden(monotherapy) < 0.1 * final_burden(untreated)"

[[claims]]
id = "C2"
statement = "So it does at a kill rate of three."
check = "final_burden(monotherapy with drug_kill_rate = 3) < 0.1 * final_burden(untreated)"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("study")
    (made / "small.toml").write_text(SMALL, encoding="utf-8")
    (made / "mine.toml").write_text(FILE, encoding="utf-8")
    population(parse_population(FILE, "mine", made), made, workers=0)
    return made


@pytest.fixture(scope="module")
def known(folder: Path) -> tuple[Tumours, Scenario]:
    return read_population(folder / "mine")


@pytest.fixture(scope="module")
def burdens(folder: Path, known: tuple[Tumours, Scenario]) -> dict[str, np.ndarray]:
    """Final burdens by arm, member by member, by the reference solver."""
    tumours, scenario = known
    found: dict[str, list[float]] = {arm: [] for arm in scenario.arms}
    for row in tumours.values:
        result = simulate(scenario.changed(dict(zip(tumours.names, row.tolist(), strict=True))))
        for arm, outcomes in result.outcomes.items():
            found[arm].append(outcomes["final_burden"].value)
    return {arm: np.array(values) for arm, values in found.items()}


def test_a_run_over_tumours_has_their_quantiles(
    folder: Path, known: tuple[Tumours, Scenario], burdens: dict[str, np.ndarray], tmp_path: Path
) -> None:
    made = run_population(folder / "mine", tmp_path)
    rows = {(row["arm"], row["outcome"]): row for row in made.outcome_rows()}
    for arm, values in burdens.items():
        row = rows[arm, "final_burden"]
        wanted = np.quantile(values, (0.05, 0.5, 0.95), method="inverted_cdf")
        assert [row["q05"], row["q50"], row["q95"]] == pytest.approx(wanted, rel=1e-4)
        assert made.courses[arm]["burden"][:, -1] == pytest.approx(
            np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95), method="inverted_cdf"), rel=1e-4
        )
        assert row["default"] == pytest.approx(simulate(known[1], [arm]).outcomes[arm]["final_burden"].value)
    never = ~made.cohort.observed["monotherapy"]["time_to_progression"]
    assert rows["monotherapy", "time_to_progression"]["observed"] == pytest.approx(1 - never.mean())
    courses = pd.read_csv(tmp_path / "mine-population" / "courses.csv")
    assert {*courses["arm"]} == {"untreated", "monotherapy"}
    assert (tmp_path / "mine-population" / "comparison.png").stat().st_size > 1000
    assert json.loads((tmp_path / "mine-population" / "manifest.json").read_text(encoding="utf-8"))["tumours"] == 24


def test_what_differs_between_tumours_cannot_be_set_and_doses_can(folder: Path) -> None:
    with pytest.raises(UserError, match="differs between the tumours"):
        run_population(folder / "mine", changes={"growth_rate": 0.2})
    with pytest.raises(UserError, match="unknown arm"):
        run_population(folder / "mine", arms=["monotherap"])
    more = run_population(folder / "mine", arms=["monotherapy"], changes={"drug.amount": 8.0})
    less = run_population(folder / "mine", arms=["monotherapy"])
    one, two = (made.cohort.values["monotherapy"]["final_burden"] for made in (more, less))
    assert (one <= two).all()
    assert (one < two).sum() > 12


def test_shares_of_claims_are_those_of_the_members(
    folder: Path, known: tuple[Tumours, Scenario], burdens: dict[str, np.ndarray]
) -> None:
    report = evaluate_claims([parse_claims(CLAIMS, folder=folder)], populations=[known])
    (over,) = report.populations
    holds = burdens["monotherapy"] < 0.1 * burdens["untreated"]
    assert 0 < holds.sum() < 24
    assert over.shares["C1"].share == pytest.approx(holds.mean())
    assert over.shares["C1"].low < holds.mean() < over.shares["C1"].high
    assert over.shares["C2"].share >= over.shares["C1"].share


def test_another_form_is_asked_in_its_own_words(folder: Path, known: tuple[Tumours, Scenario]) -> None:
    """Norton-Simon kill has no kill rate: the claim that sets one is asked of what stands for it."""
    spec = parse_population(FILE, "mine", folder, form="norton-simon kill")
    assert spec.name == "mine-norton-simon-kill"
    assert "drug_kill_per_growth" in spec.space.names
    assert "drug_kill_rate" not in spec.space.names
    population(spec, folder, members=12, workers=0)
    found = read_population(folder / spec.name)
    (over,) = evaluate_claims([parse_claims(CLAIMS, folder=folder)], populations=[found]).populations
    assert {*over.shares} == {"C1", "C2"}
    both = evaluate_claims([parse_claims(CLAIMS, folder=folder)], populations=[known, found])
    sure, unsure = PlausibleShare(1.0, 0.97, 1.0, 400, {}), PlausibleShare(0.5, 0.4, 0.6, 400, {})
    for shares, said in (((unsure, sure), f"follows only in {spec.name}"), ((sure, sure), "follows"), ((unsure, unsure), "open")):
        over = [dataclasses.replace(item, shares={"C1": share}) for item, share in zip(both.populations, shares, strict=True)]
        heads, rows = scorecard.table(dataclasses.replace(both, populations=over))
        assert rows[0][heads.index("so it")] == said
    other = folder / "other.toml"
    other.write_text(SMALL.replace("days = 30", "days = 31"), encoding="utf-8")
    with pytest.raises(UserError, match="of which none of these claims speaks"):
        evaluate_claims([parse_claims(CLAIMS.replace("small.toml", "other.toml"), folder=folder)], populations=[found])
    with pytest.raises(DocumentError, match="did you mean `gompertz growth`"):
        parse_population(FILE, "mine", folder, form="gomperz growth")
    with pytest.raises(DocumentError, match="is the form that small has"):
        parse_population(FILE, "mine", folder, form="logistic growth")


def test_the_file_in_a_folder_of_results_finds_its_scenario_there(folder: Path, tmp_path: Path) -> None:
    """The scenario is beside the file that was sampled, not beside its copy."""
    copied = shutil.copytree(folder / "mine", tmp_path / "copied")
    before, again = parse_population(FILE, "mine", folder), load_population(copied / "population.toml")
    assert (again.name, again.scenario.hash, again.form) == ("mine", before.scenario.hash, "")
    assert again.space.inputs == before.space.inputs
    assert {name: claim.text for name, claim in again.claims.items()} == {
        name: claim.text for name, claim in before.claims.items()
    }
    other = load_population(copied / "population.toml", form="gompertz growth")
    assert (other.name, other.form) == ("mine-gompertz-growth", "gompertz growth")
    spec = parse_population(FILE, "mine", folder, form="norton-simon kill")
    population(spec, tmp_path, members=12, workers=0)
    again = load_population(tmp_path / spec.name / "population.toml")
    assert (again.name, again.form, again.scenario.hash) == (spec.name, spec.form, spec.scenario.hash)
    assert again.renamed == spec.renamed
    with pytest.raises(UserError, match="was sampled in the form `norton-simon kill`"):
        load_population(tmp_path / spec.name / "population.toml", form="gompertz growth")


def test_how_far_parameters_are_narrowed_is_explained(folder: Path, known: tuple[Tumours, Scenario]) -> None:
    tumours, scenario = known
    (section,) = [item for item in explain(scenario, tumours) if item.title == "Narrowed by the claims"]
    rows = {row[0]: row for row in section.rows[1:]}
    assert {*rows} == {*tumours.names}
    logs = np.log(tumours.values[:, tumours.names.index("growth_rate")] / 0.02) / np.log(0.4 / 0.02)
    assert tumours.narrowed["growth_rate"] == pytest.approx(1 - logs.std() * np.sqrt(12))
    with pytest.raises(UserError, match="is a population of `small`"):
        explain(load("wnt16b-stroma"), tumours)
    with pytest.raises(UserError, match="was sampled of `small`"):
        explain(scenario.changed(days=31), tumours)


def test_the_command_line_asks_populations(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    assert call("check", folder / "mine.toml") == 0
    assert "population of small: 1 claims, 7 inputs vary" in capsys.readouterr().out
    assert call("run", "--population", folder / "mine", "--out", tmp_path, "--format", "csv") == 0
    assert capsys.readouterr().out.startswith("scenario,arm,outcome,unit,default,")
    assert call("claims", folder / "claims.toml", "--population", folder / "mine", "--format", "json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["claims"][0]["plausible"] in ("follows", "open", "excluded")
    assert call("explain", folder / "small.toml", "--population", folder / "mine") == 0
    assert "NARROWED BY THE CLAIMS" in capsys.readouterr().out
    assert call("run", "wnt16b-stroma", "--population", folder / "mine") == 2
    assert "alone, without scenarios" in capsys.readouterr().err
    assert call("run") == 2
    assert "give a scenario file" in capsys.readouterr().err
    assert call("run", "--population", tmp_path) == 5
    assert "is no population" in capsys.readouterr().err
    assert call("run", "--population", folder / "min") == 2
    assert f"did you mean `{folder / 'mine'}`" in capsys.readouterr().err
    assert call("new", "wnt16b-stroma", "--population") == 0
    started = parse_population(capsys.readouterr().out, "begun")
    assert len(started.claims) == 2


def test_a_folder_that_was_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(folder / "mine", tmp_path / "copied")
    whole = json.loads((copied / "resolved.json").read_text(encoding="utf-8"))
    whole["scenario"]["days"] += 1
    (copied / "resolved.json").write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(StorageError, match="not that of its manifest"):
        read_population(copied)
    (copied / "resolved.json").unlink()
    with pytest.raises(StorageError, match="no whole population"):
        read_population(copied)


def test_a_time_that_did_not_come_is_later_than_every_mark_it_passed(folder: Path) -> None:
    """Of tumours that have not progressed on the last day it is known that they are above a median before it."""
    text = (
        FILE
        + """
[[facts]]
of = "time_to_progression(monotherapy)"
median = 12
"""
    )
    made = population(parse_population(text, "late", folder), folder, members=60, workers=0)
    assert made.weighted is not None
    cohort = run_members(made.spec.scenario, made.names, made.members, ["monotherapy"], ["time_to_progression"])
    seen, days = (item["monotherapy"]["time_to_progression"] for item in (cohort.observed, cohort.values))
    late = ~seen & (days >= 12)
    assert late.sum() > 3
    assert (made.weights[late] > 0).all()
    assert made.weights[late | (days > 12)].sum() == pytest.approx(0.5, abs=1e-6)


def test_pairs_and_schedules_take_tumours_by_their_weights_and_of_their_own_scenario(
    folder: Path, known: tuple[Tumours, Scenario], tmp_path: Path
) -> None:
    tumours, scenario = known
    copied = shutil.copytree(folder / "mine", tmp_path / "copied")
    table = pd.read_parquet(copied / "members.parquet")
    table["weight"] = [1.0] + [0.0] * 23
    table.to_parquet(copied / "members.parquet")
    about = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
    (copied / "manifest.json").write_text(sealed(about, (copied / "members.parquet").read_bytes()), encoding="utf-8")
    drawn = tumours_of(copied, scenario)
    assert {float(value) for value in drawn["growth_rate"]} == {float(table["growth_rate"][0])}
    assert (
        tumours_of(folder / "mine", scenario)["growth_rate"].tolist()
        == tumours.values[:, tumours.names.index("growth_rate")].tolist()
    )
    with pytest.raises(UserError, match="was sampled of"):
        tumours_of(folder / "mine", scenario.changed(days=31))


@pytest.mark.parametrize(
    "spoil",
    [
        {"claims": 3},
        {"claims": None},
        {"seed": "x"},
        {"inputs": ["weight"]},
        {"renamed": [["a"]]},
        {"least_effective_size": -4.0},
    ],
)
def test_a_manifest_with_other_things_is_damaged(folder: Path, tmp_path: Path, spoil: dict[str, object]) -> None:
    copied = shutil.copytree(folder / "mine", tmp_path / "copied")
    about = json.loads((copied / "manifest.json").read_text(encoding="utf-8")) | spoil
    (copied / "manifest.json").write_text(sealed(about, (copied / "members.parquet").read_bytes()), encoding="utf-8")
    with pytest.raises(StorageError, match="no sound population"):
        read_population(copied)


def test_a_file_that_only_says_what_varies_or_nothing_is_a_population_still(folder: Path, tmp_path: Path) -> None:
    vary = 'title = "Some"\nscenario = "wnt16b-stroma"\n[vary]\ncapacity = false\n'
    assert "capacity" not in parse_population(vary, "some").space.names
    (tmp_path / "least.toml").write_text('title = "Some"\nscenario = "wnt16b-stroma"\n', encoding="utf-8")
    assert call("check", tmp_path / "least.toml") == 0
    spec = parse_population(FILE, "mine", folder, form="progression at 2 × nadir")
    assert spec.name == "mine-progression-at-2-nadir"


def test_a_claim_that_no_tumour_lets_compute_says_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        CLAIMS
        + '[[claims]]\nid = "C3"\nstatement = "Shrinking by itself."\ncheck = "nadir(untreated with growth_rate = -1) < 1"\n'
    )
    shutil.copy(folder / "small.toml", tmp_path / "small.toml")
    (tmp_path / "claims.toml").write_text(text, encoding="utf-8")
    assert call("claims", tmp_path / "claims.toml", "--population", folder / "mine", "--no-forms") == 3
    said = capsys.readouterr()
    (row,) = [line for line in said.out.splitlines() if line.strip().startswith("C3")]
    assert row.split()[-2:] == ["–", "error"]
    assert "C3: could not be computed in 24 of 24 tumours of mine" in said.err
    assert "all parameters are ≥ 0" in said.err


def test_two_populations_of_one_name_are_not_written_over_each_other(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(folder / "mine", tmp_path / "other")
    assert call("run", "--population", folder / "mine", "--population", other, "--out", tmp_path / "out") == 2
    assert "two populations are called `mine`" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_reads_its_population_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read, opened = Path.read_bytes, list[Path]()
    monkeypatch.setattr(Path, "read_bytes", lambda path: (opened.append(path), read(path))[1])
    assert call("run", "--population", folder / "mine", "--arm", "untreatd", "--out", tmp_path / "out") == 2
    assert "did you mean `untreated`" in capsys.readouterr().err
    assert [path for path in opened if path.name == "members.parquet"] == [folder / "mine" / "members.parquet"]
