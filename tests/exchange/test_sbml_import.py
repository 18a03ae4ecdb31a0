"""Models of others as mechanisms: our own come back as they were, published ones run as elsewhere, the rest is refused by name."""

from __future__ import annotations

from pathlib import Path

import antimony
import numpy as np
import pytest
import roadrunner

import backfire
from backfire.errors import StorageError, UserError
from backfire.exchange import Imported, from_sbml
from backfire.simulation import Result
from commands import call

QUICK = {"wnt16b-stroma": "combination", "exosome-metastasis": "monotherapy"}
ARMS = [
    pytest.param(name, arm, marks=() if QUICK.get(name) == arm else pytest.mark.slow)
    for name in backfire.shipped_scenarios()
    for arm in backfire.load(name).arms
]


def sbml(text: str) -> str:
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) >= 0, antimony.getLastError()
    return str(antimony.getSBMLString(antimony.getMainModuleName()))


def read(folder: Path, text: str, days: float = 100.0) -> tuple[Imported, backfire.Scenario]:
    """A model written, read, and loaded as a user would."""
    (folder / "model.xml").write_text(text, encoding="utf-8")
    made = from_sbml(folder / "model.xml", days=days)
    (folder / "model.py").write_text(made.mechanism, encoding="utf-8")
    (folder / "model.toml").write_text(made.scenario, encoding="utf-8")
    return made, backfire.load(folder / "model.toml")


def arm_of(scenario: backfire.Scenario) -> str:
    return "as_published" if "as_published" in scenario.arms else "untreated"


@pytest.mark.parametrize(("name", "arm"), ARMS)
def test_what_goes_out_comes_in_as_it_was(name: str, arm: str, tmp_path: Path) -> None:
    scenario = backfire.load(name)
    made, back = read(tmp_path, backfire.export(scenario, arm, to="sbml"), scenario.days)
    assert not made.plain
    ours = backfire.simulate(scenario, [arm]).trajectories[arm]
    theirs = backfire.simulate(back, [arm_of(back)]).trajectories[arm_of(back)]
    assert theirs.status.good
    assert theirs.times[-1] == pytest.approx(ours.times[-1], rel=1e-8)
    days = np.linspace(0, ours.times[-1] * (1 - 1e-7), 200)
    for state in scenario.network.state_names:
        mine, other = (np.interp(days, course.times, course[state]) for course in (ours, theirs))
        assert other == pytest.approx(mine, rel=1e-4, abs=1e-6 * max(mine.max(), 1.0)), state


GOLDBETER = """
model minimal_mitotic_oscillator()  // Goldbeter 1991: cyclin, kinase and protease, in a compartment of size 2
  compartment cell = 2; species C in cell, M in cell, X in cell
  C = 0.01; M = 0.01; X = 0.01
  V1 := C * VM1 / (C + Kc); V3 := M * VM3
  R1: => C; cell * vi
  R2: C => ; cell * C * kd
  R3: C => ; cell * C * vd * X / (C + Kd)
  R4: => M; cell * (1 - M) * V1 / (K1 - M + 1)
  R5: M => ; cell * M * V2 / (K2 + M)
  R6: => X; cell * V3 * (1 - X) / (K3 - X + 1)
  R7: X => ; cell * V4 * X / (K4 + X)
  vi = 0.025; kd = 0.01; vd = 0.25; Kd = 0.02; VM1 = 3; Kc = 0.5; V2 = 1.5; VM3 = 1; V4 = 0.5
  K1 = 0.005; K2 = 0.005; K3 = 0.005; K4 = 0.005
end
"""
SIMEONI = """
model tumour_growth_inhibition()  // Simeoni 2004: exponential then linear growth, three stages of dying cells, two boluses
  species x1, x2, x3, x4, drug
  x1 = 0.055; x2 = 0; x3 = 0; x4 = 0; drug = 0
  weight := x1 + x2 + x3 + x4
  growth: => x1; lambda0 * x1 / (1 + (lambda0 / lambda1 * weight)^psi)^(1 / psi)
  hit: x1 => x2; k2 * drug * x1
  stage1: x2 => x3; k1 * x2
  stage2: x3 => x4; k1 * x3
  death: x4 => ; k1 * x4
  washout: drug => ; kel * drug
  at (time >= 13): drug = drug + dose
  at (time >= 17): drug = drug + dose
  lambda0 = 0.273; lambda1 = 0.814; psi = 20; k1 = 0.968; k2 = 0.6; kel = 2.1; dose = 3
end
"""
ODDS = """
model odds_and_ends()  // what the others lack: stoichiometry, reversibility, the clock, an initial value that is computed
  compartment box = 0.5; species A in box, B in box, $S in box
  A = start; B = 0; S = 1
  start = 2 * half; half = 0.7; offset = -0.2; scale = 1.5
  dimer: 2 A -> B; box * (k1 * A^2 - k2 * B)
  feed: S -> A; box * 0.05 * (1 + sin_like) * S
  sin_like := exp(-time / 10) + offset + ln(scale) + log10(100) + sqrt(4) + max(0, half, offset) - min(half, scale) + pi / pi
  memory = 0; memory' = B - 0.1 * memory
  k1 = 0.3; k2 = 0.2
  at (time >= 5): A = 0.25 * A
  at (time >= 9): k1 = 0.6
  at (time >= 12): k1 = 0.6
end
"""

RULES = """
model rules()  // quantities by rules, read before and after they are told, in a compartment of size 2, with roots
  compartment cell = 2; species A in cell, B in cell, T in cell, H in cell
  A = 3; B = 0
  slope := k * T
  R1: A => B; cell * A * (slope * H / (1 + T) + 0.02 * root(1 + 1, T) + 0.01 * root(order, T))
  memory = 0; memory' = T + H - 0.3 * memory
  T := A + B / 2
  H := T / 4 + sqrt(A)
  k = 0.2; order = 3
end
"""


@pytest.mark.parametrize(
    ("text", "states", "days"),
    [
        (RULES, {"a": "A", "b": "B", "memory": "memory"}, 30),
        (GOLDBETER, {"c": "C", "m": "M", "x": "X"}, 100),
        (SIMEONI, {"x1": "x1", "x2": "x2", "x4": "x4", "drug": "drug"}, 40),
        (ODDS, {"a": "A", "b": "B", "memory": "memory"}, 30),
    ],
    ids=["rules", "Goldbeter 1991", "Simeoni 2004", "odds and ends"],
)
def test_published_models_run_as_in_roadrunner(text: str, states: dict[str, str], days: float, tmp_path: Path) -> None:
    document = sbml(text)
    made, scenario = read(tmp_path, document, days)
    assert made.plain
    engine = roadrunner.RoadRunner(document)
    engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = 1e-10, 1e-14
    rows = np.array(engine.simulate(0, days, int(4 * days) + 1, ["time", *states.values()]))  # a species by its id is its amount
    arm = arm_of(scenario)
    course = backfire.simulate(scenario, [arm]).trajectories[arm]
    kept = [np.flatnonzero(np.isclose(course.times, day, rtol=0, atol=1e-12)) for day in rows[:, 0]]
    at = [(row, found[-1]) for row, found in enumerate(kept) if len(found) and rows[row, 0] not in (5, 9, 12, 13, 17)]
    assert len(at) > 20
    for column, ours in enumerate(states, start=1):
        mine = np.array([course[ours][place] for _, place in at])
        assert mine == pytest.approx(rows[[row for row, _ in at], column], rel=1e-6, abs=1e-8), ours


def test_doses_come_as_regimens(tmp_path: Path) -> None:
    doses = "\n".join(f"at (time >= {day}): drug = drug + 3" for day in (7, 14, 21, 28, 40))
    _, scenario = read(tmp_path, sbml(f"model doses() species drug; drug = 0; out: drug => ; 0.5 * drug\n{doses}\nend"))
    given = [dose.time for dose in scenario.doses("as_published")]
    assert given == [7, 14, 21, 28, 40]
    assert [item.count for item in scenario.regimens.values()] == [4, 1]
    assert {dose.amount for dose in scenario.doses("as_published")} == {3.0}


REFUSED = {
    "waits for a > 2": "model m() species a; a = 1; r: => a; 1; at (a > 2): a = 0; end",
    "has a delay": "model m() species a; a = 1; r: => a; 1; at 3 after (time > 2): a = 0; end",
    "uses `sin`": "model m() species a; a = 1; r: => a; 1 + sin(time); end",
    "uses `piecewise`": "model m() species a; a = 1; r: => a; piecewise(1, a > 2, 0); end",
    "compartment `c` changes by a rule": "model m() compartment c = 1; species a in c; a = 1; c' = 0.1; r: => a; 1; end",
    "sets `a` by `b`": "model m() species a, b; a = 1; b = 1; r: => a; 1; s: => b; 1; at (time > 2): a = b; end",
    "a multiple of itself": "model m() species a; a = 1; r: => a; 1; at (time > 2): a = a * a; end",
}


@pytest.mark.parametrize(("reason", "text"), REFUSED.items(), ids=REFUSED)
def test_what_does_not_fit_is_refused_by_name(reason: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text(sbml(text), encoding="utf-8")
    with pytest.raises(UserError, match="does not fit into a mechanism") as refused:
        from_sbml(tmp_path / "m.xml")
    assert reason in str(refused.value)


def test_what_is_no_sbml_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text("<sbml>", encoding="utf-8")
    with pytest.raises(UserError, match="not SBML that can be read"):
        from_sbml(tmp_path / "m.xml")
    with pytest.raises(StorageError):
        from_sbml(tmp_path / "none.xml")


def test_the_command_writes_a_mechanism_and_prints_a_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.xml").write_text(sbml(SIMEONI), encoding="utf-8")
    assert call("new", "simeoni", "--from", "model.xml") == 0
    printed = capsys.readouterr().out
    (tmp_path / "simeoni.toml").write_text(printed, encoding="utf-8")
    assert call("run", "simeoni.toml") == 0
    result: Result = backfire.read_run(tmp_path / "results" / "simeoni")
    assert [*result.trajectories] == ["untreated", "as_published"]
    assert call("new", "simeoni", "--from", "model.xml") == 4
    assert call("new", "other", "--from", "model.xml", "--sweep") == 2
    assert "is there already" in capsys.readouterr().err


def test_what_a_model_calls_itself_is_only_words(tmp_path: Path) -> None:
    hostile = '""" + __import__("os").abort() + """ \\ \' <b> &amp; ünïcode'
    document = sbml("model m() species a; a = 1; r: => a; 1; class = 2; s: a => ; class * a; end")
    given = hostile.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    document = document.replace('<model metaid="m" id="m"', f'<model metaid="m" id="m" name="{given}"').replace(
        "<model id", f'<model name="{given}" id'
    )
    made, scenario = read(tmp_path, document, 10)
    assert scenario.title == hostile
    assert "class_sbml" in scenario.values
    assert backfire.simulate(scenario).ok
    assert "Parameter(name='class_sbml'" in made.mechanism
