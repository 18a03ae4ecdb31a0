"""Virtual trials: the table is time-to-event data, twins are the same patients, and a stored trial is asked anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire import studies, sweeps
from backfire.errors import DocumentError, UserError
from backfire.simulation import run_members
from backfire.studies import Means, Trial, load_trial, read_trial
from backfire.studies.trials.figures import endpoint_in_words
from small_studies import TRIAL, written, written_population

HERE = Means(workers=0)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("trial")
    return backfire.trial(str(written(folder, TRIAL)), folder / "out", HERE)


def test_the_table_is_laid_out_as_time_to_event_data(done: Trial) -> None:
    times = done.table("times")
    assert list(times.columns) == ["patient", "arm", "endpoint", "time", "event", "reason"]
    assert len(times) == 40 * 2 * 2
    assert not times.duplicated(["patient", "arm", "endpoint"]).any()
    assert set(times["event"]) <= {0, 1}
    assert (times.loc[times["event"] == 1, "reason"] == "").all()
    assert set(times.loc[times["event"] == 0, "reason"]) <= {"end of study", "lost to follow-up"}
    assert (times["time"] <= 28).all()
    seen = times[(times["endpoint"] == "progression")]
    assert np.allclose(seen["time"] % 5, 0), "progression is seen at visits"
    patients = done.table("patients")
    assert ((patients["entry"] >= 0) & (patients["entry"] <= 8)).all()
    lost = times[times["reason"] == "lost to follow-up"]["patient"].nunique()
    assert 0 < lost < 25


def test_the_same_patients_are_under_every_arm(done: Trial) -> None:
    """The twins are those of the members, simulated apart from any trial."""
    values = done.table("patients")[["growth_rate", "drug_kill_rate"]].to_numpy()
    found = run_members(done.spec.scenario, ["growth_rate", "drug_kill_rate"], values, outcomes=["day_above(burden, 1e8)"])
    reached = []
    for arm in ("untreated", "monotherapy"):
        days, came = found.values[arm]["day_above(burden, 1e8)"], found.observed[arm]["day_above(burden, 1e8)"]
        reached.append(np.minimum(np.where(came, days, np.inf), 20))
    gains = done.gains("day_above(burden, 1e8)", "monotherapy")
    assert gains.days == pytest.approx(reached[1] - reached[0], abs=1e-6)
    assert gains.mean.low <= gains.mean.value <= gains.mean.high
    gaining, harmed = gains.shares()
    assert gaining.value == pytest.approx((gains.days > 1).mean())
    assert harmed.value == 0.0 < harmed.high


def test_inputs_go_together_as_they_should(tmp_path: Path) -> None:
    from scipy.stats import spearmanr

    spec = load_trial(written(tmp_path, TRIAL, ("number = 40", "number = 4000")))
    values = spec.tumours.draw()
    assert spearmanr(values).statistic == pytest.approx(0.5, abs=0.03)
    assert np.median(values[:, 1]) == pytest.approx(0.6, rel=0.02)
    within = (values[:, 1] > 0.6 / 1.5) & (values[:, 1] < 0.6 * 1.5)
    assert within.mean() == pytest.approx(0.683, abs=0.01)


def test_a_trial_leaves_a_folder_and_is_asked_anew_without_simulating(
    done: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert done.folder is not None
    manifest = json.loads((done.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["reference"] == "untreated"
    assert "illustrative" in manifest["caution"]
    names = {path.name for path in done.folder.glob("*.csv")}
    assert names == {
        f"{name}.csv"
        for name in ("times", "patients", "arms", "comparisons", "power", "gaining", "response", "progression", "delays")
    }

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("simulated")

    monkeypatch.setattr(sweeps.planning, "run_members", refuse)
    again = read_trial(done.folder)
    assert again.table("times").equals(done.table("times"))
    assert again.table("comparisons").equals(done.table("comparisons"))
    path = done.folder / "study.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("dropout = 0.2", "dropout = 0"), encoding="utf-8")
    other = read_trial(done.folder)
    assert set(other.table("times")["reason"]) == {"", "end of study"}
    assert other.gains("progression", "monotherapy").days.tolist() == done.gains("progression", "monotherapy").days.tolist()
    path.write_text(path.read_text(encoding="utf-8").replace("number = 40", "number = 41"), encoding="utf-8")
    with pytest.raises(UserError, match="asks for other tumours than were simulated"):
        read_trial(done.folder)
    path.write_text(path.read_text(encoding="utf-8").replace("number = 41", "number = 40\nseed = 1"), encoding="utf-8")
    with pytest.raises(UserError, match="asks for other tumours than were simulated"):
        read_trial(done.folder)


def test_changes_of_the_scenario_are_part_of_what_is_stored(tmp_path: Path) -> None:
    text = TRIAL.replace("[tumours]", "[set]\ndays = 45\ndrug.amount = 2\n[tumours]", 1)
    made = studies.trial(str(written(tmp_path, text)), tmp_path / "out", HERE)
    assert made.spec.scenario.days == 45
    assert read_trial(made.folder).table("arms").equals(made.table("arms"))
    path = made.folder / "study.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("drug.amount = 2", "drug.amount = 3"), encoding="utf-8")
    with pytest.raises(DocumentError, match="set: is not what was simulated"):
        read_trial(made.folder)


def test_without_visits_everything_is_seen_on_its_day(tmp_path: Path) -> None:
    made = studies.trial(str(written(tmp_path, TRIAL, ("visits = 5\n", ""), ("accrual = 8\ndropout = 0.2\n", ""))), means=HERE)
    assert made.seen is None
    assert made.folder is None
    assert "response" not in made.tables
    values, observed = made.simulated.of("untreated", "time_to_progression")
    times = made.times["progression", "untreated"]
    assert times.days[times.observed].tolist() == values[observed & (values <= 20)].tolist()


def test_patients_that_fail_are_refused_or_left_out_of_all_arms(tmp_path: Path) -> None:
    some = (("growth_rate = {", "drug.every = { low = 5, high = 12 }\ngrowth_rate = {"),)  # from 10 days on doses come too late
    with pytest.raises(UserError, match=r"of 40 members could not be simulated \(drug: the last dose ends on day"):
        studies.trial(
            str(written(tmp_path, TRIAL, *some, ("every = { low = 5", "every = { low = 8"), ("high = 12", "high = 30"))),
            means=HERE,
        )
    told = written(tmp_path, TRIAL, *some, ("high = 12", "high = 30"), ("visits = 5", 'visits = 5\nfailed = "leave out"'))
    made = studies.trial(str(told), means=HERE)
    assert 0 < made.left_out < 40
    assert f"{made.left_out} of 40 patients could not be simulated in every arm and are left out of all" in made.notes
    assert made.table("times")["patient"].nunique() == 40 - made.left_out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"progression"', '"progresion"'), "unknown outcome `progresion`; did you mean"),
        (('"progression"', '"final_burden"'), "`final_burden` is no time"),
        (("follow_up = 20", "follow_up = 30"), "30 are simulated; give fewer, or more `days` below [set]"),
        (('"untreated"', '"untretaed"'), "did you mean `untreated`?"),
        (("growth_rate =", "growth_rte ="), "did you mean `growth_rate`?"),
        (("[tumours]", "[set]\ngrowth_rate = 0.3\n[tumours]"), "set.growth_rate: differs between the members"),
        (('"growth_rate, drug_kill_rate"', '"growth_rate, kill"'), "unknown input that varies `kill`"),
        (("median = 0.6, spread = 1.5", "median = 0.6"), "needs spread too"),
        (("visits = 5", "visits = 0.1"), "visits every 0.1 days"),
        (("visits = 5", "visits = 1e-9"), "visits every 1e-09 days"),
        (("[tumours]", "[tumors]"), "did you mean `tumours`?"),
        (('scenario = "small.toml"', 'scenario = "smal.toml"'), "did you mean `small.toml`?"),
        (("number = 40", "number = 0"), "greater than or equal to 1"),
        (('rate" = 0.5', 'rate" = 0.5\n[criteria]\ngrowth = 0'), "must lie between 1 and 100"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load_trial(written(tmp_path, TRIAL, change))
    assert said in str(caught.value), str(caught.value)
    assert "mine.toml:" in str(caught.value)


def test_a_file_of_another_kind_is_sent_to_its_command(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="this is a sensitivity study, not a trial; `backfire sensitivity` reads it"):
        load_trial(
            written(
                tmp_path,
                TRIAL,
                ("endpoints = ", "method = "),
                ("follow_up = 20\n", ""),
                ("visits = 5\n", ""),
                ("dropout = 0.2\n", ""),
            )
        )


def test_patients_of_a_population_come_by_their_weights(tmp_path: Path) -> None:
    path = written(
        tmp_path, TRIAL, ("number = 40\n", 'number = 200\npopulation = "pop"\n'), (TRIAL[TRIAL.index("[tumours.vary]") :], "")
    )
    written_population(path.parent / "pop", {"growth_rate": [0.1, 0.2, 0.3]}, [0.0, 1.0, 3.0])
    spec = load_trial(path)
    drawn = spec.tumours.draw()[:, 0]
    assert set(drawn) == {0.2, 0.3}
    assert (drawn == 0.3).mean() == pytest.approx(0.75, abs=0.1)
    assert "with replacement" in spec.tumours.source
    manifest = path.parent / "pop" / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("growth_rate", "growth_rte"), encoding="utf-8")
    with pytest.raises(DocumentError, match="no sound population"):
        load_trial(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([('"progression", "day_above(burden, 1e8)"', '"day_above(burden, 1e12)"')], "no event in either group"),
        ([('reference = "untreated"', 'arms = ["monotherapy"]')], ""),
        ([("number = 40", "number = 1")], "the hazard ratio has no bound"),
    ],
    ids=["no events", "one arm", "one patient"],
)
def test_what_hardly_is_a_trial_has_tables_and_figures_and_says_what_is_missing(
    tmp_path: Path, changes: list[tuple[str, str]], said: str
) -> None:
    made = studies.trial(str(written(tmp_path, TRIAL, *changes)), tmp_path / "out", HERE)
    assert said in " ".join(made.notes)
    assert all(len(list(rows)) > 0 for rows in made.tables.values())
    assert [path for path in studies.draw_study(made) if path.stat().st_size > 1000]
    if said:
        assert all(isinstance(found, str) for found in made.needed.values())


def test_figures_say_what_comes_to_a_patient() -> None:
    said = [endpoint_in_words(name) for name in ("progression", "death", "progression_free_survival", "day_above(burden, 1e8)")]
    assert said[:3] == ["progression", "death", "progression or death"]
    assert "above" in said[3]
    assert not said[3].startswith("first day")


def test_figures_tell_who_gains_and_who_is_left_out(tmp_path: Path) -> None:
    some = ("growth_rate = {", "drug.every = { low = 5, high = 30 }\ngrowth_rate = {")
    told = written(tmp_path, TRIAL, some, ("visits = 5", 'visits = 5\nfailed = "leave out"'))
    made = studies.trial(str(told), means=HERE)
    words = " ".join(text.get_text() for text in next(studies.study_figures(made))[1].texts).replace("\n", " ")
    gaining, harmed = made.comparisons[0].gains.shares()
    assert f"{100 * gaining.value:.0f} % gain, {100 * harmed.value:.0f} % are harmed" in words
    assert f"{made.left_out} of 40 patients could not be simulated in every arm and are left out of all" in words
