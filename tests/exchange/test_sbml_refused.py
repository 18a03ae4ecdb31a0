"""SBML that computes otherwise than it looks, or not at all: read as libRoadRunner reads it, or refused by name, never a traceback."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import roadrunner

import backfire
from backfire.errors import UserError
from backfire.exchange import from_sbml
from backfire.exchange.sbml_files import LONGEST_DAYS
from backfire.scenario import json_schema
from commands import call

MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">t</csymbol>'
X, K, Q = "<ci>x</ci>", "<ci>k</ci>", "<ci>q</ci>"
END = 'useValuesFromTriggerTime="true"'


def apply(sign: str, *parts: str) -> str:
    return f"<apply><{sign}/>{''.join(parts)}</apply>"


def number(value: object) -> str:
    return f"<cn>{value}</cn>"


def function(name: str, body: str) -> str:
    return f'<functionDefinition id="{name}">{MATH}<lambda><bvar><ci>y</ci></bvar>{body}</lambda></math></functionDefinition>'


def event(name: str, day: object, changed: str, formula: str, initially: str = "true", priority: int | None = None) -> str:
    """An event from ``day`` on, a number or MathML, that sets ``changed``."""
    when = day if isinstance(day, str) else number(day)
    order = "" if priority is None else f"<priority>{MATH}{number(priority)}</math></priority>"
    return (
        f'<event id="{name}" {END}><trigger initialValue="{initially}" persistent="true">{MATH}{apply("geq", TIME, when)}</math>'
        f'</trigger>{order}<listOfEventAssignments><eventAssignment variable="{changed}">{MATH}{formula}</math></eventAssignment>'
        "</listOfEventAssignments></event>"
    )


def document(
    rate: str = apply("times", K, X),
    *,
    start: str = 'initialAmount="10"',
    amounts: bool = True,
    size: str = 'size="1"',
    k: str = "0.1",
    end: str = 'species="x" stoichiometry="1" constant="true"',
    functions: Iterable[str] = (),
    initial: Iterable[tuple[str, str]] = (),
    rule: tuple[str, str] | None = None,
    events: Iterable[str] = (),
) -> str:
    """One species x that reaction r takes away at a rate, in compartment c, with parameters k and q."""

    def listed(kind: str, items: Iterable[str]) -> str:
        text = "".join(items)
        return f"<listOf{kind}>{text}</listOf{kind}>" if text else ""

    given = (f'<initialAssignment symbol="{symbol}">{MATH}{formula}</math></initialAssignment>' for symbol, formula in initial)
    rules = [f'<assignmentRule variable="{rule[0]}">{MATH}{rule[1]}</math></assignmentRule>'] if rule else []
    return (
        '<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">'
        f'<model id="m">{listed("FunctionDefinitions", functions)}'
        f'<listOfCompartments><compartment id="c" {size} constant="true"/></listOfCompartments>'
        f'<listOfSpecies><species id="x" compartment="c" {start} hasOnlySubstanceUnits="{str(amounts).lower()}" '
        'boundaryCondition="false" constant="false"/></listOfSpecies>'
        f'<listOfParameters><parameter id="k" value="{k}" constant="true"/><parameter id="q" value="1" constant="false"/>'
        f"</listOfParameters>{listed('InitialAssignments', given)}{listed('Rules', rules)}"
        f'<listOfReactions><reaction id="r" reversible="false" fast="false"><listOfReactants><speciesReference {end}/>'
        f"</listOfReactants><kineticLaw>{MATH}{rate}</math></kineticLaw></reaction></listOfReactions>"
        f"{listed('Events', events)}</model></sbml>"
    )


def bare(inside: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">'
        f'<model id="m">{inside}</model></sbml>'
    )


def nested(depth: int, inside: str = X) -> str:
    return "<apply><exp/>" * depth + inside + "</apply>" * depth


CONCENTRATION = {"start": 'initialConcentration="10"', "amounts": False}
SIZED = 'size="5"'
COMPUTED = {
    "a size that an initial assignment gives": document(**CONCENTRATION, size="", initial=[("c", number(2))]),
    "a size that an initial assignment changes": document(**CONCENTRATION, size=SIZED, initial=[("c", number(2))]),
    "an amount in a size that is computed": document(amounts=False, size="", initial=[("c", apply("times", Q, number(4)))]),
    "amounts told as a concentration": document(start=CONCENTRATION["start"], size=SIZED, initial=[("c", number(2))]),
    "a size computed from a start": document(
        **CONCENTRATION,
        size="",
        initial=[("c", apply("times", number(2), Q)), ("q", number(3)), ("x", apply("plus", Q, number(1)))],
    ),
    "a dose on the first day": document(events=[event("e", 0, "x", apply("plus", X, number(5)), initially="false")]),
    "doses of numbers that stay": document(
        events=[
            event("e1", 5, "x", apply("plus", apply("divide", X, number(2)), apply("times", K, number(70)))),
            event("e2", 9, "x", K),
        ]
    ),
    "a species that its reaction does not list": document(apply("times", K, "<ci>y</ci>")).replace(
        "</listOfSpecies>",
        '<species id="y" compartment="c" initialAmount="2" hasOnlySubstanceUnits="true" boundaryCondition="false" constant="false"/>'
        "</listOfSpecies>",
    ),
}


@pytest.mark.parametrize("text", COMPUTED.values(), ids=COMPUTED)
def test_starts_and_events_run_as_in_roadrunner(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text(text, encoding="utf-8")
    made = from_sbml(tmp_path / "m.xml", days=20)
    (tmp_path / "m.py").write_text(made.mechanism, encoding="utf-8")
    (tmp_path / "m.toml").write_text(made.scenario, encoding="utf-8")
    scenario = backfire.load(tmp_path / "m.toml")
    course = backfire.simulate(scenario).trajectories["as_published" if "as_published" in scenario.arms else "untreated"]
    engine = roadrunner.RoadRunner(text)
    engine.integrator.relative_tolerance, engine.integrator.absolute_tolerance = 1e-10, 1e-14
    rows = np.array(engine.simulate(0, 20, 81, ["time", "x"]))[2::4]  # between the days of events
    assert np.interp(rows[:, 0], course.times, course["x"]) == pytest.approx(rows[:, 1], rel=2e-6)


REFUSED = {
    "event `e` never happens": document(events=[event("e", 0, "x", apply("plus", X, number(5)))]),
    "event `e2` sets `x` by `q`, which changes": document(
        events=[event("e1", 5, "q", number(50)), event("e2", 10, "x", apply("plus", X, Q))]
    ),
    "event `e1` and event `e2` both change `x` at time 5": document(
        events=[
            event("e1", 5, "x", apply("plus", X, number(100)), priority=10),
            event("e2", 5, "x", apply("times", X, number(0.5)), priority=1),
        ]
    ),
    "event 1 and event 2 both change `x` at time 5": document(
        events=[event(f"e{at}", 5, "x", apply("plus", X, number(3))).replace(f'id="e{at}"', "") for at in (1, 2)]
    ),
    "event `e2` waits for time >= q": document(events=[event("e1", 5, "q", number(50)), event("e2", Q, "x", number(1))]),
    "event `e` waits for time >= x": document(events=[event("e", X, "x", number(1))]),
    "to more than a multiple of itself": document(events=[event("e", 5, "x", apply("power", X, number(1)))]),
    "at time 86400, and a scenario has at most 36500 days": document(events=[event("e", 86400, "x", number(1))]),
    "level_of_x, at time 5: `amount` is 1e+13; more than 1e+12": document(events=[event("e", 5, "x", number("10000000000000"))]),
    "references species 'y', which is undefined": document(end='species="y" stoichiometry="1" constant="true"'),
    "reaction `r` has a stoichiometry of `x` that is computed": document(
        end='id="sr" species="x" stoichiometry="2" constant="false"', initial=[("sr", number(3))]
    ),
    "reaction `r` has a stoichiometry of `x` that is computed; that": document(
        end='id="sr" species="x" stoichiometry="2" constant="false"', rule=("sr", Q)
    ),
    "reaction `r` has no number as the stoichiometry of `x`": document(end='species="x" constant="true"'),
    "species `x` in compartment ``, which the model does not have": document().replace('compartment="c" ', 'compartment="" '),
    "nested 3007 deep": document(nested(3000)),
    "nested 100007 deep": document(nested(100_000)),  # libSBML would end the process
    "nested deeper than 50 levels": document(nested(60)),
    "a formula may have 1000 characters": document(nested(300)),
    "the initial value of `q` is too long or nested too deeply": document(initial=[("q", apply("plus", *[number(1)] * 3000))]),
    "functionDefinition with id 'f' refers to itself": document(
        "<apply><ci>f</ci><ci>x</ci></apply>", functions=[function("f", "<apply><ci>f</ci><ci>y</ci></apply>")]
    ),
    "'f' creates a cycle with the FunctionDefinition with id 'g'": document(
        "<apply><ci>f</ci><ci>x</ci></apply>",
        functions=[function(one, f"<apply><ci>{other}</ci><ci>y</ci></apply>") for one, other in ("fg", "gf")],
    ),
    "has an inappropriate number of arguments": document(apply("plus", apply("power", X), "<ci>q</ci>")),
    "characters once `f": document(
        "<apply><ci>f40</ci><ci>x</ci></apply>",
        functions=[
            function("f0", "<ci>y</ci>"),
            *(function(f"f{at}", apply("plus", *[f"<apply><ci>f{at - 1}</ci><ci>y</ci></apply>"] * 2)) for at in range(1, 41)),
        ],
    ),
    "it has no species": bare(
        '<listOfCompartments><compartment id="c" size="1" constant="true"/></listOfCompartments>'
        '<listOfParameters><parameter id="k" value="1" constant="true"/></listOfParameters>'
    ),
    "it has no species, and nothing else that changes": bare(""),
    "`x` is inf": document(start='initialAmount="INF"'),
    "`x` is nan": document(start='initialAmount="NaN"'),
    "`k` is inf": document(k="INF"),
    "`k` is nan": document(k="NaN"),
    "a number in reaction `r` is inf": document(apply("times", X, "<infinity/>")),
    "compartment `c` has size 0": document(**CONCENTRATION, size='size="0"'),
    "`host_load` ends an arm of ours": document(rule=("q", X)).replace('"q"', '"host_load"'),
}


@pytest.mark.parametrize(("reason", "text"), REFUSED.items(), ids=REFUSED)
def test_what_would_be_another_model_is_refused_in_a_sentence(
    reason: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.xml").write_text(text, encoding="utf-8")
    assert call("new", "mine", "--from", "m.xml") == 2
    told = capsys.readouterr()
    assert reason in " ".join(told.err.split())
    assert not told.out
    assert not Path("mine.py").exists()


def test_days_must_reach_behind_the_last_event(tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text(document(events=[event("e", 30, "x", number(1))]), encoding="utf-8")
    with pytest.raises(UserError, match="days = 20: the last event is at time 30"):
        from_sbml(tmp_path / "m.xml", days=20)


@pytest.mark.parametrize("days", [-1.5, 0, math.nan, math.inf, LONGEST_DAYS + 1])
def test_days_that_no_scenario_has_are_refused(days: float, tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text(document(), encoding="utf-8")
    with pytest.raises(UserError, match=r"days = .*at most 36500 days"):
        from_sbml(tmp_path / "m.xml", days=days)


def test_days_are_written_as_they_were_given(tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text("\ufeff" + document(), encoding="utf-8")
    assert "days = 12345.678\n" in from_sbml(tmp_path / "m.xml", days=12345.678).scenario
    assert json_schema()["properties"]["days"]["maximum"] == LONGEST_DAYS
