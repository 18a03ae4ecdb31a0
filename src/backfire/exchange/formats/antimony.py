"""Antimony text of one arm: the model that SBML has too, as people read and edit it.

Written without any library. Ids that Antimony keeps for itself get an underscore at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from backfire.exchange.formats import Format
from backfire.exchange.notation import NONE, in_full
from backfire.exchange.reactions import HILL, Happening, Item, Model, Reaction, Rule, translate
from backfire.formulas import BASE, Unit

_RESERVED: Final = frozenset(
    re.findall(
        r"\w+",
        """
        DNA INF abs acos acosh after and arccos arccosh arccot arccoth arccsc arccsch arcsec arcsech arcsin arcsinh arctan
        arctanh area asin asinh assert at atan atanh avogadro bernoulli binomial cauchy ceil ceiling chisquare compartment
        const constraint cos cosh cot coth csc csch delay delete e end eq event exp exponential exponentiale ext extent
        factorial false floor formula function gamma gene geq gt has implies import in inf infinity is laplace length leq
        lesseq ln log log10 lognormal lt max maximize min minimize model module nan neq normal not notanumber operator or
        param parameter pi piecewise poisson pow power product quotient rate_of rateOf rayleigh reaction rem root sec sech
        second sin sinh species sqrt substance substanceOnly tan tanh time time_unit true uniform unit var volume xor
        """,
    )
)
"""Words that Antimony keeps for itself, of those that can name a part (``check_name``) and some more."""
_BASE: Final[dict[str, str]] = {"cell": "item", "day": "86400 second", "EC50": NONE, "fold": NONE}


def to_antimony(model: Model) -> str:
    """A model as Antimony text."""
    return _Writer(model).text()


def renamed(model: Model) -> dict[str, str]:
    """Ids that Antimony keeps for itself, or that the model has for units, and what they are called in the text."""
    ids = [item.id for item in (*model.species, *model.parameters)] + [reaction.id for reaction in model.reactions]
    return {name: f"{name}_" for name in ids if name in _RESERVED or name in model.units}


FORMAT: Final = Format(
    ".ant",
    lambda scenario, arms: to_antimony(translate(scenario, arms[0])),
    renamed=lambda scenario, arm: renamed(translate(scenario, arm)),
)


class _Writer:
    """Writes one model, section by section."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.renamed = renamed(model)
        # neither a function call nor the unit of a number is the variable of that name
        self.taken = re.compile(rf"(?<![\w.])(?<!\d )({'|'.join(self.renamed)})\b(?!\()") if self.renamed else None

    def text(self) -> str:
        model = self.model
        lines = [f"// {note}" for note in (model.title, *model.notes)]
        if self.renamed:
            pairs = ", ".join(f"{name} is {called}" for name, called in self.renamed.items())
            lines.append(f"// Renamed, for Antimony keeps these words or they are units here: {pairs}.")
        if model.hill:
            name, arguments, body = HILL
            lines += ["", f"function {name}({', '.join(arguments)})", f"  {_plain(body)};", "end"]
        lines += ["", f"model *{model.id}()"]
        for title, section in (
            ("units", self._units()),
            ("places", (f"compartment {name} = 1;" for name in model.compartments)),
            ("states", self._species()),
            ("parameters, switches and doses", self._constants()),
            ("states without processes of their own", self._variables()),
            ("definitions, and influences as factors", self._rules(model.rules, " :=")),
            ("changes per day", self._rules(model.rates, "' =")),
            ("processes", map(self._reaction, model.reactions)),
            ("what happens at a moment", map(self._event, model.events)),
        ):
            inside = [f"  {line}" for line in section]
            lines += ["", f"  // {title}", *inside] if inside else []
        said = " ".join((model.title + ".", *model.notes[:1])).replace('"', "'").replace("\\", "/")
        return "\n".join([*lines, "", f'  model notes "{said}";', "end", ""])

    def _named(self, formula: str) -> str:
        """A formula with every id as Antimony allows it."""
        return _plain(self.taken.sub(r"\1_", formula) if self.taken else formula)

    def _units(self) -> Iterator[str]:
        for name, unit in self.model.units.items():
            yield f"unit {name} = {_unit(unit)};"
        # amounts are plain numbers, not moles: COPASI counts particles otherwise
        yield f"unit time_unit = day; unit substance = {NONE}; unit extent = {NONE}; unit volume = {NONE};"

    def _species(self) -> Iterator[str]:
        for item in self.model.species:
            name = self._named(item.id)
            yield f"species {name} in {item.compartment};"
            yield f"{name} = {in_full(item.value or 0.0)};  // {item.unit}: {' '.join(item.notes)}"

    def _constants(self) -> Iterator[str]:
        return (self._value(item) for item in self.model.parameters if item.constant)

    def _variables(self) -> Iterator[str]:
        for item in self.model.parameters:
            if not item.constant and item.value is not None:
                yield f"var {self._named(item.id)};"
                yield self._value(item)

    def _value(self, item: Item) -> str:
        name = self._named(item.id)
        label = f' {name} is "{item.name}";' if item.name else ""
        return f"{name} = {in_full(item.value or 0.0)}; {name} has {item.unit};{label}  // {' '.join(item.notes)}"

    def _rules(self, rules: Iterable[Rule], sign: str) -> Iterator[str]:
        items = {item.id: item for item in self.model.parameters}
        for rule in rules:
            name, item = self._named(rule.target), items[rule.target]
            about = f"  // {' '.join(item.notes)}" if sign == " :=" else ""
            unit = f" {name} has {item.unit};" if sign == " :=" else ""
            yield f"{name}{sign} {self._named(rule.formula)};{unit}{about}"

    def _reaction(self, item: Reaction) -> str:
        ends = f"{self._named(item.leaves or '')} => {self._named(item.enters or '')}".strip()
        return f"{self._named(item.id)}: {ends}; {self._named(item.formula)};  // {' '.join(item.notes)}"

    def _event(self, item: Happening) -> str:
        how = f", t0=false, priority = {item.priority}" if item.at_start else f", priority = {item.priority}"
        does = ", ".join(f"{self._named(rule.target)} = {self._named(rule.formula)}" for rule in item.assignments)
        return f"{item.id}: at ({self._named(item.trigger)}){how}: {does};  // {item.name}"


def _plain(formula: str) -> str:
    """Plain numbers need no unit."""
    return formula.replace(f" {NONE}", "")


def _unit(unit: Unit) -> str:
    powers = [(_BASE[base], power) for base, power in zip(BASE, unit.powers, strict=True) if power]
    above = [_power(text, power) for text, power in powers if power > 0]
    below = [_power(text, -power) for text, power in powers if power < 0]
    top = " * ".join(above) or "1"
    return f"{top} / ({' * '.join(below)})" if len(below) > 1 else f"{top} / {below[0]}" if below else top


def _power(text: str, power: object) -> str:
    return text if power == 1 else f"({text})^{power}"
