"""Plausible tumours in the page: which they are, their courses, deaths, extinctions and verdicts, and the bands around them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import backfire
from backfire.claims import evaluate_claims, load_articles
from backfire.outcomes import Interpolant
from backfire.populations import read_population
from backfire.reports.web import report
from browserless import Engine, made_up, running
from commands import call

CLOSE = 1e-5
TIGHT = "settings: {relative: 1e-9}"


def courses(engine: Engine, which: int, arms: list[str], names: list[str], days: np.ndarray, settings: str = TIGHT) -> np.ndarray:
    """(arms, names, days) of one tumour as the page has them, as tightly as it can unless told otherwise."""
    job = f"{{which: {which}, inputs, arms: {json.dumps(arms)}, names: {json.dumps(names)}, days: {days.tolist()}, {settings}}}"
    told = engine.ask(f"coursesOfTumour(study, {job}).map((arm) => arm.map((name) => Array.from(name, number)))")
    return np.array(told, dtype=float)


def reference(result: backfire.Result, arm: str, name: str, days: np.ndarray) -> np.ndarray:
    trajectory = result.trajectories[arm]
    assert trajectory.steps is not None
    column = trajectory.names.index(name)
    cells = trajectory.units[column] == "cell"
    course = Interpolant(trajectory.steps, trajectory.steps.values[..., column], cells, cells)
    return np.array([course.before(day) if day <= trajectory.times[-1] else np.nan for day in days])


def test_tumours_run_with_their_own_values_and_what_the_reader_sets() -> None:
    scenario, days = backfire.load("wnt16b-stroma"), np.linspace(0.5, 119.5, 40)
    tumours = made_up(scenario, 5)
    with running(scenario, (), (), (), (), tumours) as engine:
        engine.ask("(inputs['mitoxantrone.amount'] = 3, inputs.growth_rate = 9, 0)")
        for which in range(5):
            values = dict(zip(tumours.names, map(float, tumours.values[which]), strict=True))
            result = backfire.simulate(scenario.changed({**values, "mitoxantrone.amount": 3}), ["monotherapy"])
            [[burden, factor]] = courses(engine, which, ["monotherapy"], ["burden", "wnt16b"], days)
            assert burden == pytest.approx(reference(result, "monotherapy", "burden", days), rel=CLOSE)
            assert factor == pytest.approx(reference(result, "monotherapy", "wnt16b", days), rel=CLOSE)


def test_bands_are_drawn_as_exactly_as_an_eye_can_see() -> None:
    """To a fiftieth of a decade, half a pixel."""
    scenario, days = backfire.load("wnt16b-stroma"), np.linspace(0.0, 120.0, 121)
    with running(scenario, (), (), (), (), made_up(scenario, 5)) as engine:
        for which in range(5):
            tight, drawn = (courses(engine, which, [*scenario.arms], ["burden"], days, how) for how in (TIGHT, ""))
            assert np.log10(np.maximum(drawn, 1)) == pytest.approx(np.log10(np.maximum(tight, 1)), abs=0.02)


def test_a_factor_that_is_cleared_in_an_hour_does_not_hold_up_a_tumour() -> None:
    """Nine hundred steps, each as long as the explicit pair is stable, are a few where the stiff method takes over."""
    with running(backfire.load("exosome-metastasis")) as engine:
        changed = "inputsOf(study, {annexin_a6_clearance_rate: 40})"
        assert engine.ask(f"runArm(study, 'combination', {changed}, CROWD.courses).steps.length") < 300


def test_bands_are_the_quantiles_of_the_population() -> None:
    scenario = backfire.load("wnt16b-stroma")
    values = np.random.default_rng(3).lognormal(size=(37, 4))
    values[5:, 3] = np.nan  # most are dead by then
    tumours = made_up(scenario, 37)
    with running(scenario) as engine:
        rows = json.dumps([[None if np.isnan(value) else value for value in row] for row in values])
        told = engine.ask(f"bandsAround([0, 1, 2, 3], {rows}.map((row) => row.map((value) => value ?? NaN)))")
    expected = tumours.quantiles(values, (0.05, 0.25, 0.75, 0.95))
    found = [told[0]["low"], told[1]["low"], told[1]["high"], told[0]["high"]]
    assert np.array([[value for _, value in row] for row in found]) == pytest.approx(expected, rel=1e-12)


def test_the_page_has_tumours_by_their_weight() -> None:
    """Of 1,000 tumours of which one weighs as much as all others together, half of those in the page are that one."""
    scenario = backfire.load("wnt16b-stroma")
    weights = np.full(1000, 0.5 / 999)
    weights[10] = 0.5
    tumours = made_up(scenario, 1000, weights)
    with running(scenario, (), (), (), (), tumours) as engine:
        told = np.array(engine.ask("study.tumours.values"))
        assert told.shape == (100, 2)
        assert abs(int(np.isclose(told, tumours.values[10], rtol=1e-8).all(axis=1).sum()) - 50) <= 1
        assert "made up" in engine.ask("study.tumours.words")


def test_a_page_shows_the_figures_of_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario, folder = backfire.load("wnt16b-stroma"), tmp_path / "study"
    folder.mkdir()
    about = {"kind": "ablation", "title": "Who <is> to blame", "notes": ["100 tumours"], "tumours": "the box"}
    about["scenario"] = {"name": scenario.name, "hash": scenario.hash}
    (folder / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    assert call("report", "wnt16b-stroma", "--study", folder, "--out", tmp_path / "page.html") == 2
    assert "backfire ablation --show" in capsys.readouterr().err
    (folder / "blame-1.png").write_bytes(b"\x89PNG")
    text = report(scenario, studies=[folder])
    assert "Who &lt;is&gt; to blame" in text
    assert "data:image/png;base64,iVBORw==" in text
    assert "100 tumours" in text
    about["scenario"] = {"name": scenario.name, "hash": "0"}
    (folder / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(backfire.BackfireError, match="is a study of `wnt16b-stroma` 0"):
        report(scenario, studies=[folder])
    assert call("report", "wnt16b-stroma", "--study", tmp_path, "--out", tmp_path / "page.html") == 5


ARTICLES = ["wnt16b-stroma", "hibernation-rigi", "pi3k-jak2-bypass", "exosome-metastasis", "bortezomib-macrophages"]


def sampled(name: str, folder: Path) -> Path:
    """A population of an article: one that lies in ``BACKFIRE_POPULATIONS``, else of a hundred tumours, which takes minutes."""
    stored = Path(os.environ.get("BACKFIRE_POPULATIONS", "")) / name
    if (stored / "manifest.json").exists():
        return stored
    made = backfire.population(name, folder, members=100, seed=1)
    assert made.folder is not None
    return made.folder


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("name", ARTICLES)
def test_a_hundred_plausible_tumours_run_as_in_the_reference_solver(name: str, tmp_path: Path) -> None:
    """Burden and factors to 1e-5, the same deaths and extinctions; calibrated claims hold in all, verdicts agree in some."""
    tumours, scenario = read_population(sampled(name, tmp_path))
    articles = load_articles()
    spoken = {claim: entry for item in articles for claim, entry in item.claims.items() if item.scenario_of(claim) == name}
    factors = [key for key, unit in zip(*_recorded(scenario), strict=True) if unit == "fold" or key == "burden"]
    arms, days = [*scenario.arms], np.linspace(0.01, scenario.days * (1 - 1e-7), 201)
    with running(scenario, [*spoken.values()], (), (), (), tumours) as engine:
        told = np.array(engine.ask("study.tumours.values"))
        for which, row in enumerate(told):
            changed = scenario.changed(dict(zip(tumours.names, map(float, row), strict=True)))
            result = backfire.simulate(changed)
            _compared(engine, result, which, arms, factors, days)
            verdicts = engine.ask(f"verdictsOfTumour(study, {{which: {which}, inputs, {TIGHT}}})")
            by_id = dict(zip(engine.ask("study.claims.map((claim) => claim.id)"), verdicts, strict=True))
            calibrated = [claim for claim in by_id if claim in tumours.manifest["claims"]]
            assert {by_id[claim] for claim in calibrated} <= {"holds"}, which
            if which % 20 == 0:
                findings = evaluate_claims(only=[*by_id], loaded={name: changed}).findings
                assert {item.claim.id: item.verdict.value for item in findings} == by_id, which


def _recorded(scenario: backfire.Scenario) -> tuple[list[str], list[str]]:
    network = scenario.network
    return [*network.state_names, *network.observables], [state.unit for state in network.states] + [
        *network.observables.values()
    ]


def _compared(engine: Engine, result: backfire.Result, which: int, arms: list[str], names: list[str], days: np.ndarray) -> None:
    found = courses(engine, which, arms, names, days)
    for place, arm in enumerate(arms):
        death = result.death(arm)
        told = engine.ask(
            f"(({{died, extinctions}}) => ({{died, extinctions}}))(runArm(study, {json.dumps(arm)}, inputsOfTumour(study, {which}, inputs)))"
        )
        assert (told["died"] is None) == (death is None), (which, arm)
        assert death is None or told["died"] == pytest.approx(death, rel=CLOSE)
        gone = [day for _, day in told["extinctions"]]
        # not within a thousandth of a day of a fall to nothing, or of a death, whose last digit is all that differs
        clear = np.array([all(abs(day - one) > 2e-3 for one in (*gone, death or -1)) for day in days])
        for column, name in enumerate(names):
            expected = reference(result, arm, name, days)[clear]
            assert found[place, column][clear] == pytest.approx(expected, rel=CLOSE, abs=CLOSE, nan_ok=True), (which, arm, name)
