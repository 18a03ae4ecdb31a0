"""A scenario explained: network, equations, parameters with unit, range, source and grade, arms; nothing is simulated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from backfire.formulas import as_latex, parse
from backfire.model import ARTICLES, CAUTION, GRADES, Network, Regimen, balance
from backfire.reports.sections import Section, Sections, Span
from backfire.sampling import PlausibleTumours
from backfire.scenario import Scenario, chosen_arms
from backfire.solvers import Floats


def explain(scenario: Scenario, tumours: PlausibleTumours | None = None) -> Sections:
    """Everything a reader needs to judge a scenario, section by section; ``print`` it, or look at it in a notebook.

    With a population of plausible ``tumours`` also how far its claims narrow every parameter.
    """
    chosen_arms(scenario)
    network = scenario.network
    grades = Counter(parameter.grade for parameter in network.parameters.values())
    counted = ", ".join(f"{grades[grade]} {grade}" for grade in GRADES if grades[grade])
    article = str(ARTICLES[scenario.article]) if scenario.article in ARTICLES else "no article; this combination is ours"
    own = [f"mechanisms of one's own: {name}, SHA-256 {digest}" for name, digest in scenario.own_mechanisms.items()]
    about = [scenario.title, article, *([scenario.note] if scenario.note else []), *own, CAUTION]
    text = equations(network)
    states = [
        (state.name, state.unit, float(start), state.meaning, network.owners[state.name])
        for state, start in zip(network.states, scenario.start_state(), strict=True)
    ]
    influences = [
        (
            name,
            list(item.targets),
            item.influence.factor,
            item.influence.meaning,
            scenario.switches[name],
        )
        for name, item in network.switches.items()
    ]
    parameters = [
        (item.name, item.value, item.unit, Span(*item.range), item.grade, item.source) for item in network.parameters.values()
    ]
    regimens = [
        (name, regimen.agent, how_given(regimen, scenario.network.interventions[regimen.agent].amount_unit))
        for name, regimen in scenario.regimens.items()
    ]
    rules = [(name, rule.in_words()) for name, rule in scenario.dosing_rules.items()]
    arms = [(arm, list(given)) for arm, given in scenario.arms.items()]
    return Sections(
        [
            Section("About", lines=tuple(about)),
            Section("States", rows=(("state", "unit", "start", "meaning", "brought by"), *states)),
            Section("Equations", lines=(*text.definitions, *text.rates, *text.balances)),
            Section("Influences", rows=(("influence", "acts on", "factor", "meaning", "switch"), *influences)),
            Section("Parameters", rows=(("parameter", "value", "unit", "plausible", "grade", "source"), *parameters)),
            *([] if tumours is None else [narrowing(scenario, tumours)]),
            Section("Grades", lines=(f"{len(network.parameters)} parameters: {counted}",)),
            Section("Regimens", rows=(("regimen", "agent", "given"), *regimens)),
            *([Section("Rules", rows=(("rule", "what it does"), *rules))] if rules else []),
            Section("Arms", rows=(("arm", "regimens"), *arms)),
        ]
    )


def narrowing(scenario: Scenario, tumours: PlausibleTumours) -> Section:
    """How far the claims of a population narrow the parameters of a scenario, those narrowed most first."""
    tumours.require(scenario.name, scenario.hash)
    found = tumours.quantiles(tumours.values, (0.05, 0.5, 0.95))
    rows = [
        (
            name,
            scenario.inputs[name].unit,
            Span(item.low, item.high),
            *(float(f"{value:.4g}") for value in column),
            f"{max(share, 0):.0%}",
        )
        for (name, item), column, share in zip(tumours.space.inputs.items(), found.T, tumours.narrowed.values(), strict=True)
    ]
    order = np.argsort([-share for share in tumours.narrowed.values()], kind="stable")
    heads = ("parameter", "unit", "before", "5 %", "median", "95 %", "narrowed by")
    about = f"{len(tumours)} tumours that satisfy {len(tumours.manifest['claims'])} claims: population {tumours.manifest['name']}"
    return Section("Narrowed by the claims", (heads, *(rows[row] for row in order)), (about,))


def _short(numbers: Floats) -> list[float]:
    """Numbers to four digits."""
    return [float(f"{value:.4g}") for value in numbers]


@dataclass(frozen=True)
class Equations:
    """The equations in the words of the model, one line each; ``[name]`` stands for the factor of an influence."""

    definitions: tuple[str, ...]
    rates: tuple[str, ...]
    balances: tuple[str, ...]


def equations(network: Network) -> Equations:
    """Definitions and process rates with the influences laid on them, then one balance per state."""

    def line(name: str, formula: str) -> str:
        influences = [f"[{switch.name}]" for switch in network.acting_on(name)]
        return " × ".join([f"{name} = ({formula})", *influences]) if influences else f"{name} = {formula}"

    return Equations(
        tuple(line(item.name, item.formula) for item in network.definitions),
        tuple(line(item.name, item.rate) for item in network.processes),
        tuple(f"d {state}/dt = {balance(terms)}" for state, terms in network.equations.items()),
    )


def how_given(regimen: Regimen, unit: str) -> str:
    """Amount, in its unit (empty for what has no amount, as surgery), and times of a regimen in words."""
    amount = f"{regimen.amount:g} {unit} ".replace(" 1 ", " ") if unit else ""
    span = f"over {regimen.duration:g} d " if regimen.duration else ""
    often = f", {regimen.count} times every {regimen.every:g} d" if regimen.count > 1 else ""
    cycles = f", {regimen.cycles} cycles of {regimen.cycle_length:g} d" if regimen.cycles > 1 else ""
    rules = f", as {' and '.join(regimen.rules)} decide{'s' * (len(regimen.rules) == 1)}" if regimen.rules else ""
    return f"{amount}{span}{'from' if often or cycles else 'on'} day {regimen.start:g}{often}{cycles}{rules}"


def latex(scenario: Scenario) -> str:
    """The equations as a LaTeX ``align`` environment; influences appear as factors η with the switch's name."""
    network = scenario.network
    symbols = {part.name: _upright(part.name) for part in network.named()}
    etas = {name: rf"\eta_{{{_upright(name)}}}" for name in network.switches}
    rows = [
        rf"{etas[name]} &= {as_latex(parse(switch.influence.factor), symbols)}"
        for name, switch in network.switches.items()
        if switch.targets
    ]
    named = [(item.name, item.formula) for item in network.definitions] + [(item.name, item.rate) for item in network.processes]
    for name, formula in named:
        factors = "".join(rf" \cdot {etas[switch.name]}" for switch in network.acting_on(name))
        right = as_latex(parse(formula), symbols)
        rows.append(rf"{symbols[name]} &= " + (rf"\left({right}\right){factors}" if factors else right))
    for state, terms in network.equations.items():
        rows.append(rf"\frac{{d\,{symbols[state]}}}{{dt}} &= {balance((sign, symbols[name]) for sign, name in terms)}")
    body = " \\\\\n".join(f"  {row}" for row in rows)
    return f"% {scenario.title}\n% {CAUTION}\n\\begin{{align}}\n{body}\n\\end{{align}}\n"


def _upright(name: str) -> str:
    escaped = name.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"
