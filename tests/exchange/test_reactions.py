"""Exported models say the same in engines that we did not write, and libSBML finds nothing to complain about.

The table of largest differences: ``python tests/witnesses.py``.
"""

from __future__ import annotations

import dataclasses
import io
import re
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import backfire
import witnesses
from backfire import cli
from backfire.errors import UserError
from backfire.exchange import default_arm, renamed_ids
from backfire.exchange import reactions as translation
from backfire.exchange.formats.sbml import to_sbml
from backfire.exchange.reactions import Rule, translate
from backfire.mechanisms import shipped
from backfire.model.components import Definition, Mechanism, Process, State
from backfire.model.references import CAUTION
from backfire.scenario.scenario import Scenario, parse_data, shipped_scenarios
from backfire.simulation.arms import simulate
from backfire.solvers.trajectory import Status, Trajectory
from networks import Built, completed, parameter

ARMS = [(name, arm) for name in shipped_scenarios() for arm in backfire.load(name).arms]
IDS = [f"{name}-{arm}" for name, arm in ARMS]
RUN_ALIKE = [
    pytest.param(name, arm, id=f"{name}-{arm}", marks=() if arm == "combination" else pytest.mark.slow) for name, arm in ARMS
]
"""In the combination everything is given; two engines take half a second for an arm."""
SMALL = """
title = "A small tumour, doses from day 0, an infusion and surgery"
article = "ours"
days = 40

[mechanisms]
growth = {{ law = "{law}" }}
pharmacology = {{ agents = ["drug", "slow"] }}
kill = {{ by = ["drug", "slow"] }}
hibernation = {{ driven_by = ["drug"] }}
surgery = {{ of = ["active", "hibernating"] }}

[parameters]
starting_cells = {{ value = {cells}, source = "for a test", grade = "assumed" }}
surgical_residue = {{ value = {residue}, source = "for a test", grade = "assumed" }}

[regimens]
drug = {{ amount = 3.0, start = 0, every = 5, count = 3 }}
more = {{ agent = "drug", amount = 1.5, start = 5 }}
slow = {{ amount = 6.0, start = 2, duration = 4, every = 10, count = 2 }}
surgery = {{ start = {surgery} }}

[arms]
untreated = []
treated = ["drug", "more", "slow"]
resected = ["drug", "slow", "surgery"]
"""


def small(law: str = "logistic", cells: float = 1e7, residue: float = 1e-9, surgery: float = 25.0) -> Scenario:
    return backfire.parse(SMALL.format(law=law, cells=cells, residue=residue, surgery=surgery), "small")


@cache
def loaded(name: str) -> Scenario:
    return backfire.load(name)


@cache
def simulated(name: str, arm: str) -> Trajectory:
    return simulate(loaded(name), [arm]).trajectories[arm]


@cache
def written(name: str, arm: str) -> str:
    return backfire.export(loaded(name), arm)


def share(scenario: Scenario, arm: str, engine: str, sbml: str) -> witnesses.Difference:
    return witnesses.compare(scenario, arm, engine, sbml)


# -- all that is shipped ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arm"), RUN_ALIKE)
def test_every_shipped_arm_runs_alike_in_other_engines(name: str, arm: str) -> None:
    scenario = loaded(name)
    days = witnesses.whole_days(scenario)
    for engine, run in witnesses.ENGINES.items():
        theirs = run(written(name, arm), scenario.network.state_names, days)
        found = witnesses.largest_difference(scenario, simulated(name, arm), theirs)
        assert found.share <= 1, (engine, found)


@pytest.mark.parametrize(("name", "arm"), ARMS, ids=IDS)
def test_libsbml_has_nothing_to_say(name: str, arm: str) -> None:
    assert witnesses.complaints(written(name, arm)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("units=.per_day.", 'units="cell"'),
        ('<cn sbml:units="cell" type="integer"> 0 </cn>', "<cn> 0 </cn>"),
        ('extentUnits="dimensionless"', 'extentUnits="cell"'),
        ('sboTerm="SBO:0000009"', 'sboTerm="SBO:0000182"'),
    ],
    ids=["unit", "number without unit", "extent", "term"],
)
def test_the_check_of_libsbml_can_fail(right: str, wrong: str) -> None:
    text, changes = re.subn(right, wrong, written("wnt16b-stroma", "monotherapy"), count=1)
    assert changes == 1
    assert witnesses.complaints(text)


ANTIMONY_ARMS = [("wnt16b-stroma", "combination"), ("all-together", "combination"), ("exosome-metastasis", "monotherapy")]


def antimony_agrees(name: str, arm: str) -> None:
    scenario = loaded(name)
    sbml = witnesses.sbml_of_antimony(backfire.export(scenario, arm, "antimony"))
    assert not [line for line in witnesses.complaints(sbml) if line.startswith(("Error", "Fatal"))]
    theirs = witnesses.in_copasi(sbml, scenario.network.state_names, witnesses.whole_days(scenario))
    found = witnesses.largest_difference(scenario, simulated(name, arm), theirs)
    assert found.share <= 1, found


@pytest.mark.parametrize(("name", "arm"), ANTIMONY_ARMS)
def test_antimony_text_runs_to_the_same_course(name: str, arm: str) -> None:
    antimony_agrees(name, arm)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "arm"), [pair for pair in ARMS if pair not in ANTIMONY_ARMS])
def test_antimony_text_of_every_arm_runs_to_the_same_course(name: str, arm: str) -> None:
    antimony_agrees(name, arm)


# -- what happens at a moment -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", witnesses.ENGINES)
@pytest.mark.parametrize("arm", ["treated", "resected"])
@pytest.mark.parametrize("law", ["logistic", "gompertz"])
def test_doses_on_day_0_infusions_and_surgery_survive(law: str, arm: str, engine: str) -> None:
    scenario = small(law)
    text = backfire.export(scenario, arm)
    assert witnesses.complaints(text) == []
    found = share(scenario, arm, engine, text)
    assert found.share <= 1, found


@pytest.mark.parametrize("engine", witnesses.ENGINES)
@pytest.mark.parametrize(
    ("cells", "residue", "surgery"), [(40.0, 1e-9, 25.0), (1e6, 2e-6, 25.0), (0.5, 1e-9, 25.0), (1e5, 1e-9, 0.0)]
)
def test_extinction_is_an_event(cells: float, residue: float, surgery: float, engine: str) -> None:
    scenario = small(cells=cells, residue=residue, surgery=surgery)
    for arm in ("treated", "resected"):
        found = share(scenario, arm, engine, backfire.export(scenario, arm))
        assert found.share <= 1, (arm, found)
    died = simulate(scenario, ["resected"]).trajectories["resected"]
    assert (died["active"] == 0).any()


def test_a_dose_on_day_0_fires_from_the_start_and_extinction_does_not() -> None:
    events = {event.id: event for event in translate(small(), "treated").events}
    assert events["treatment__day_0"].at_start
    assert not events["extinction__active"].at_start
    text = backfire.export(small(), "treated")
    assert re.search(r'id="treatment__day_0"[\s\S]{0,80}<trigger initialValue="false"', text)
    assert re.search(r'id="extinction__active"[\s\S]{0,120}<trigger initialValue="true"', text)
    assert "t0=false" in backfire.export(small(), "treated", "antimony")


def test_equal_doses_share_one_parameter_and_coincident_ones_one_event() -> None:
    model = translate(small(), "treated")
    doses = {item.id: item.value for item in model.parameters if item.kind == "dose"}
    assert doses == {"dose__drug": 3.0, "dose__drug_2": 4.5, "dose__slow_infusion": 1.5}
    assert len({event.trigger for event in model.events}) == len(model.events)
    assert len({event.id for event in model.events}) == len(model.events)


# -- random networks and schedules ------------------------------------------------------------------------------------


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """Any shipped mechanisms together, parameters within their ranges, any switches, any regimens, two arms."""
    labels = sorted(set(shipped()) - {"pharmacology", "growth"})
    chosen = draw(st.lists(st.sampled_from(labels), unique=True, max_size=5))
    mechanisms: dict[str, Mechanism] = {
        "growth": shipped()["growth"](law=draw(st.sampled_from(["logistic", "gompertz", "exponential"])))
    }  # type: ignore[call-arg]
    for label in chosen:
        example = shipped()[label].example()
        if hasattr(example, "response"):
            example = dataclasses.replace(example, response=draw(st.sampled_from(["saturating", "threshold", "linear"])))  # type: ignore[type-var]
        mechanisms[label] = example
    infused = draw(st.lists(st.sampled_from(["mitoxantrone", "erlotinib", "paclitaxel"]), unique=True, max_size=2))
    network = completed(mechanisms, infused)
    days = draw(st.integers(10, 40))
    parameters = {}
    for name, item in network.parameters.items():
        low, high = item.range
        if draw(st.booleans()):
            # start counts near one cell make compartments die out
            low, high = (3.0, 3e6) if name == "starting_cells" else (max(low, high / 30), high)
            parameters[name] = round(draw(st.floats(low, high)), 6)
    regimens: dict[str, dict[str, Any]] = {}
    for number, (name, offered) in enumerate(network.interventions.items()):
        for _ in range(draw(st.integers(0, 2 if offered.amount_unit else 1))):
            regimens[f"given_{number}_{len(regimens)}"] = regimen(draw, name, days, bool(offered.amount_unit), name in infused)
    switches: dict[str, dict[str, float]] = {}
    for name in network.switches:
        if draw(st.integers(0, 3)) == 0:
            owner, _, word = name.partition(".")
            switches.setdefault(owner, {})[word] = draw(st.sampled_from([0.0, 0.25, 0.5]))
    data: dict[str, Any] = {
        "title": "a random one", "article": "ours", "days": days, "parameters": parameters, "regimens": regimens,
        "mechanisms": {
            label: {key: list(value) if isinstance(value, tuple) else value for key, value in vars(item).items()}
            for label, item in network.mechanisms.items()
        },
        "switches": switches, "arms": {"untreated": [], **({"treated": list(regimens)} if regimens else {})},
    }  # fmt: skip
    return data


def regimen(draw: st.DrawFn, agent: str, days: int, dosed: bool, infused: bool) -> dict[str, Any]:
    start = draw(st.sampled_from([0.0, 0.0, 1.0, 2.5, days / 3, days - 8.0]))
    given: dict[str, Any] = {"agent": agent, "start": round(max(start, 0.0), 6)}
    if dosed:
        given |= {"amount": draw(st.sampled_from([0.3, 1.0, 4.0, 12.0])), "count": draw(st.integers(1, 3)), "every": 2.5}
        if infused and draw(st.booleans()):
            given["duration"] = draw(st.sampled_from([0.25, 1.0, 2.5]))
    return given


def agree_on_random(study: dict[str, Any]) -> None:
    scenario = parse_data(study, "random")
    arm = list(scenario.arms)[-1]
    ours = simulate(scenario, [arm]).trajectories[arm]
    if not ours.status.good:
        assert ours.status is not Status.NONFINITE, ours.message
        return
    text = backfire.export(scenario, arm)
    assert witnesses.complaints(text) == []
    days = witnesses.whole_days(scenario)
    for engine, run in witnesses.ENGINES.items():
        found = witnesses.largest_difference(scenario, ours, run(text, scenario.network.state_names, days))
        assert found.share <= 1, (engine, found)


@settings(max_examples=3, phases=[Phase.generate])
@given(studies())
def test_a_few_random_networks_and_schedules_run_alike(study: dict[str, Any]) -> None:
    agree_on_random(study)


@pytest.mark.thorough
@settings(max_examples=50, phases=[Phase.generate])
@given(studies())
def test_fifty_random_networks_and_schedules_run_alike(study: dict[str, Any]) -> None:
    agree_on_random(study)


# -- every construct of the formula language --------------------------------------------------------------------------

FORMULAS = [
    "exp(-x / 3) + log(1 + x * x)", "sqrt(1 + x) + abs(x - 2)", "min(x, 1.5) + max(x, pi)", "positive(x - 1.2)",
    "hill(x, 0.7, 2.5) + hill(-x, 1, 2)", "(1 + x) ** (gamma - 1)", "-x ** 2 / 10", "x - (1 - (x - ln)) / (2 / (x + 1))",
    "2 ** -x - (-x) * e", "(x ** 2) ** 0.5 - x * (x / 4)",
]  # fmt: skip


def odd_scenario() -> Scenario:
    """Parameters named as words of other notations, a state with a unit that no species can have, a plain formula."""
    courses = {f"x_{number}": re.sub(r"\bx\b", f"x_{number}", formula) for number, formula in enumerate(FORMULAS)}
    pieces = (
        parameter("pi", 0.8), parameter("e", 0.1), parameter("ln", 0.4), parameter("gamma", 1.7), parameter("per_day", 0.3),
        parameter("species", 0.5, "1/day"),
        *(State(name, "1", "a plain number", 1.3) for name in courses),
        *(Process(f"d_{name}", "flow", f"({formula}) * 0.1 * species", formula, enters=name) for name, formula in courses.items()),
        State("x", "1", "a plain number", 1.3), Process("model", "flow", "(1 - x / 4) * species", "for a test", enters="x"),
        State("slope", "cell/day", "not an amount", 2.0),
        Process("steeper", "flow", "per_day * species * slope", "for a test", enters="slope"),
        Process("flatter", "flow", "0.5 * species * slope * q", "for a test", leaves="slope"),
        State("end", "cell", "counted", 50.0), Process("event", "flow", "slope", "for a test", enters="end"),
        Definition("q", "x / (1 + x)", "1", "for a test"),
    )  # fmt: skip

    class Odd(Built):
        """For a test: quotes "here", and a backslash \\ there."""

        label = "odd"

        def parts(self) -> Any:
            return iter(pieces)

    data = {"title": 'An odd "one"', "article": "ours", "days": 5, "mechanisms": {"odd": {}}, "arms": {"only": []}}
    return parse_data(
        data,
        "0dd-names",
        [
            dataclasses.dataclass(frozen=True)(
                type("Odd", (Mechanism,), {"label": "odd", "parts": Odd.parts, "__doc__": Odd.__doc__})
            )
        ],
    )


def test_every_formula_means_the_same_elsewhere() -> None:
    scenario = odd_scenario()
    text = backfire.export(scenario)
    assert witnesses.complaints(text) == []
    for engine in witnesses.ENGINES:
        found = share(scenario, "only", engine, text)
        assert found.share <= 1, (engine, found)


def test_every_formula_means_the_same_in_antimony() -> None:
    scenario = odd_scenario()
    sbml = witnesses.sbml_of_antimony(backfire.export(scenario, to="antimony"))
    names = [name + "_" if re.search(rf'id="{name}_"', sbml) else name for name in scenario.network.state_names]
    assert "end_" in names
    theirs = witnesses.in_copasi(sbml, names, witnesses.whole_days(scenario))
    found = witnesses.largest_difference(scenario, simulate(scenario).trajectories["only"], theirs)
    assert found.share <= 1, found


def test_what_antimony_calls_otherwise_is_said() -> None:
    """Against the text itself: every id that is declared with an underscore at its end, and the file says so at its head."""
    text, told = backfire.export(odd_scenario(), to="antimony"), renamed_ids(odd_scenario(), to="antimony")
    declared = set(re.findall(r"^  (?:species |var )?([a-z]\w*_)(?= =| in|:)", text, re.MULTILINE))
    assert declared == {*told.values()} >= {"gamma_", "pi_", "e_", "end_", "model_", "event_", "per_day_"}
    (line,) = (line for line in text.splitlines() if line.startswith("// Renamed"))
    assert all(f"{name} is {name}_" in line for name in told)
    assert renamed_ids(odd_scenario()) == {}
    assert "Renamed" not in backfire.export(small(), to="antimony")


@pytest.mark.parametrize("form", ["sbml", "antimony"])
def test_what_switches_are_called_is_said_at_the_head(form: str) -> None:
    scenario = loaded("wnt16b-stroma")
    text, told = backfire.export(scenario, to=form), renamed_ids(scenario, to=form)
    assert {*told} == {*scenario.network.switches}
    assert all(re.search(rf"\b{called}\b", text) for called in told.values())
    assert "the switch blockade.neutralises is switch__blockade__neutralises" in text


# -- deliberately broken exporters are caught -------------------------------------------------------------------------


def flipped(model: translation.Model) -> translation.Model:
    """The first process that kills runs backwards."""
    broken = [
        dataclasses.replace(item, leaves=item.enters, enters=item.leaves) if item.kind == "kill" else item
        for item in model.reactions
    ]
    return dataclasses.replace(model, reactions=tuple(broken))


def without_a_dose(model: translation.Model) -> translation.Model:
    lost = next(event for event in model.events if event.id.startswith("treatment"))
    return dataclasses.replace(model, events=tuple(event for event in model.events if event is not lost))


def without_a_switch(model: translation.Model) -> translation.Model:
    """The switch that is off in the scenario is ignored: the influence acts in full."""
    rules = [Rule(rule.target, rule.formula.replace("switch__stroma__protects_kill", "1 dimensionless")) for rule in model.rules]
    return dataclasses.replace(model, rules=tuple(rules))


def without_extinction(model: translation.Model) -> translation.Model:
    return dataclasses.replace(model, events=tuple(event for event in model.events if not event.id.startswith("extinction")))


Mutation = Callable[[translation.Model], translation.Model]


@pytest.mark.parametrize("engine", witnesses.ENGINES)
@pytest.mark.parametrize("mutation", [flipped, without_a_dose, without_a_switch], ids=lambda mutation: mutation.__name__)
def test_a_broken_exporter_is_caught(mutation: Mutation, engine: str) -> None:
    scenario = loaded("wnt16b-stroma").changed({"stroma.protects_kill": 0.0})
    model = translate(scenario, "monotherapy")
    assert share(scenario, "monotherapy", engine, to_sbml(model)).share <= 1
    assert share(scenario, "monotherapy", engine, to_sbml(mutation(model))).share > 1000


@pytest.mark.parametrize("engine", witnesses.ENGINES)
def test_a_lost_extinction_is_caught(engine: str) -> None:
    scenario = small(cells=40)
    model = translate(scenario, "treated")
    assert share(scenario, "treated", engine, to_sbml(model)).share <= 1
    assert share(scenario, "treated", engine, to_sbml(without_extinction(model))).share > 1000


# -- the archive ------------------------------------------------------------------------------------------------------


def test_the_archive_runs_in_roadrunner_through_its_sedml() -> None:
    scenario = loaded("wnt16b-stroma")
    packed = backfire.export(scenario, to="omex")
    reports = witnesses.by_sedml_in_roadrunner(packed)
    assert list(reports) == list(scenario.arms)
    for arm, table in reports.items():
        assert (table["time"] == witnesses.whole_days(scenario)).all()
        theirs = np.column_stack([table[name] for name in scenario.network.state_names])
        found = witnesses.largest_difference(scenario, simulated("wnt16b-stroma", arm), theirs)
        assert found.share <= 1, (arm, found)
        assert np.allclose(table["burden"], table["active"])


def test_an_archive_of_one_arm_runs_in_copasi_through_its_sedml() -> None:
    scenario = loaded("wnt16b-stroma")
    opened = witnesses.opened_by_copasi(backfire.export(scenario, "combination", to="omex"))
    assert opened.days == scenario.days
    assert opened.plots == 1
    ours = simulated("wnt16b-stroma", "combination")
    assert opened.last["active"] == pytest.approx(ours["active"][-1], rel=1e-5)


def test_of_an_archive_of_all_arms_copasi_runs_the_first() -> None:
    scenario = loaded("wnt16b-stroma")
    opened = witnesses.opened_by_copasi(backfire.export(scenario, to="omex"))
    assert opened.title.endswith("(untreated)")
    assert opened.last["active"] == pytest.approx(simulated("wnt16b-stroma", "untreated")["active"][-1], rel=1e-5)


def test_the_archive_holds_what_its_manifest_says(tmp_path: Path) -> None:
    scenario = small()
    packed = backfire.export(scenario, to="omex", out=tmp_path / "a.omex")
    assert (tmp_path / "a.omex").read_bytes() == packed == backfire.export(scenario, to="omex")
    with zipfile.ZipFile(io.BytesIO(packed)) as zipped:
        names = zipped.namelist()
        manifest = zipped.read("manifest.xml").decode()
        rows = zipped.read("trajectories.csv").decode().splitlines()
        assert CAUTION in zipped.read("comparison.sedml").decode().lower()
    assert ["manifest.xml", *re.findall(r'location="\./([^"]+)"', manifest)] == names  # a manifest must not list itself
    shared = {"manifest.xml", "comparison.sedml", "trajectories.csv", "thumbnail.png", "metadata.rdf"}
    assert set(names) == {*shared, *(f"{arm}.xml" for arm in scenario.arms)}
    assert rows[0] == "arm,day,name,value,unit"
    assert {row.split(",")[0] for row in rows[1:]} == set(scenario.arms)


# -- what a reader finds ----------------------------------------------------------------------------------------------


def test_the_model_explains_itself() -> None:
    text = written("wnt16b-stroma", "combination")
    assert "Illustrative, not clinically calibrated." in text
    assert "Genotoxic drugs damage healthy stroma" in text
    assert "Grade: article (stated in the article)" in text
    assert text.count("https://identifiers.org/doi:10.1038/nm.2890") >= 3
    for identity in ("switch__stroma__protects_kill", "effect__stroma__protects_kill", "dose__mitoxantrone", "treatment__day_13"):
        assert f'id="{identity}"' in text
    assert len(set(re.findall(r"SBO:\d{7}", text))) >= 6


def test_influences_stay_visible_in_the_laws_and_as_modifiers() -> None:
    model = translate(loaded("wnt16b-stroma"), "combination")
    (kill,) = [item for item in model.reactions if item.kind == "kill"]
    assert "effect__stroma__protects_kill" in kill.formula
    assert (kill.leaves, kill.enters) == ("active", None)
    assert set(kill.modifiers) == {"mitoxantrone", "wnt16b", "anti_wnt16b"}


def test_a_composition_of_ours_cites_every_paper_it_draws_on() -> None:
    assert {item.key for item in translate(loaded("all-together"), "untreated").references} >= {
        "exosome-metastasis", "hibernation-rigi", "wnt16b-stroma", "pi3k-jak2-bypass",
    }  # fmt: skip


def test_without_an_arm_the_reference_arm_is_exported() -> None:
    assert backfire.export(loaded("wnt16b-stroma")) == written("wnt16b-stroma", "monotherapy")
    assert default_arm(small()) == small().reference == "treated"


# -- refusals and the command line ------------------------------------------------------------------------------------


def test_unknown_arms_and_formats_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="unknown arm `combinatoin`; did you mean `combination`"):
        backfire.export(loaded("wnt16b-stroma"), "combinatoin")
    with pytest.raises(UserError, match="unknown arm `treate`; did you mean `treated`"):
        translate(small(), "treate")
    with pytest.raises(UserError, match=r"petab is not written: a PEtab problem fits one set of parameters .* inequalities"):
        backfire.export(loaded("wnt16b-stroma"), to="petab")
    with pytest.raises(UserError, match="unknown format `antimoni`; did you mean `antimony`"):
        backfire.export(loaded("wnt16b-stroma"), to="antimoni")


def test_a_missing_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "libsbml", None)
    with pytest.raises(UserError, match=re.escape("pip install 'backfire[sbml]'")):
        backfire.export(small())
    assert backfire.export(small(), to="antimony").startswith("// A small tumour")
    assert cli.main(["export", "wnt16b-stroma"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_command_prints_or_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "wnt16b-stroma", "--arm", "combination"]) == 0
    assert capsys.readouterr().out == written("wnt16b-stroma", "combination").rstrip("\n") + "\n"
    assert cli.main(["export", "wnt16b-stroma", "--to", "antimony", "--out", "a.ant", "--set", "growth_rate=0.2"]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "arm: monotherapy" in shown.err
    assert "renamed in the file: blockade.neutralises is switch__blockade__neutralises (and 2 more switches alike)" in shown.err
    assert "growth_rate = 0.2;" in (tmp_path / "a.ant").read_text(encoding="utf-8")
    assert cli.main(["export", "wnt16b-stroma", "--to", "omex", "--arm", "untreated", "--set", "days=75"]) == 0
    assert zipfile.is_zipfile(tmp_path / "wnt16b-stroma.omex")


@pytest.mark.parametrize(
    "words",
    [["--arm", "none"], ["--to", "sbm"], ["--out", "no/such/folder/a.xml"], ["--set", "growht=1"], ["--set", "growth_rate"]],
)
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "wnt16b-stroma", *words]) in (2, 5)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "backfire: " in shown.err or "--set" in shown.err
