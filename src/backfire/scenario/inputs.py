"""Named inputs: every number of a scenario that can be set from outside, with its unit, its meaning and its limits.

An input is a parameter (``growth_rate``), the switch of an influence (``stroma.protects_kill``), a number of a regimen
(``mitoxantrone.amount``) or one that a rule has (``adaptive.stop_below``). Whoever takes values from outside (``--set``,
sweeps, tables, members, claims) looks them up here.
Values of a parameter are in the unit in which the scenario file gives it: ``per_unit`` is what one such unit is in cells
and days, in which everything is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from backfire.errors import UserError, unknown
from backfire.formatting import display_name, with_unit
from backfire.formulas import parse_unit
from backfire.model import REGIMEN_NUMBERS, RULE_NUMBERS, DosingRule, Network, Parameter, Regimen, RegimenNumber

Kind = Literal["parameter", "switch", "regimen", "rule"]
DAYS: Final = ("days", "record_every", "from")
"""Numbers of a scenario that are set by name too, but make another simulation, not another member of it."""


@dataclass(frozen=True)
class Input:
    """One named number.

    ``value`` is that of the unchanged scenario; ``low`` and ``high`` are the range an input has by itself (the plausible
    range of a parameter, 0 to 1 for a switch, NaN for a number of a regimen), all in ``unit``. ``whole`` inputs count
    something. ``parameter`` is the parameter behind the input, ``agent`` what its regimen
    gives.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    value: float
    low: float = math.nan
    high: float = math.nan
    whole: bool = False
    per_unit: float = 1.0
    parameter: Parameter | None = None
    agent: str = ""

    @property
    def most(self) -> float:
        """The largest possible value of a parameter or switch, in cells and days."""
        return self.parameter.maximum if self.parameter else 1.0 if self.kind == "switch" else math.inf

    def problem_with(self, value: float) -> str | None:
        """Why a value, in ``unit``, is impossible for a parameter or switch, or None."""
        if self.parameter:
            return self.parameter.problem_with(value * self.per_unit)
        return None if 0 <= value <= 1 else f"{value:g} is no switch; it must lie in [0, 1]"


def named_inputs(
    network: Network, switches: Mapping[str, float], regimens: Mapping[str, Regimen], rules: Mapping[str, DosingRule],
    units: Mapping[str, str],
) -> dict[str, Input]:  # fmt: skip
    """All inputs of a scenario by name: parameters, then switches, then the numbers of its regimens and of its rules.

    ``units`` has the units that the scenario file gives parameters in, where it does.
    """
    found = [_parameter(parameter, units.get(parameter.name, parameter.unit)) for parameter in network.parameters.values()]
    for name, value in switches.items():
        meaning = f"how much of the influence {name} acts, 0 none to 1 all"
        found.append(Input(name, "switch", "1", meaning, value, 0.0, 1.0))
    found += [_number(network, regimen, number) for regimen in regimens.values() for number in REGIMEN_NUMBERS.values()]
    found += [item for rule in rules.values() for item in _rule_numbers(rule)]
    return {item.name: item for item in found}


def _rule_numbers(rule: DosingRule) -> Iterator[Input]:
    """The numbers that a rule has: a threshold that it does without is none."""
    for number in RULE_NUMBERS.values():
        value = getattr(rule, number.name)
        if value is not None and (rule.scales or number.name not in ("least", "most")):
            meaning = f"rule {display_name(rule.name)}: {number.meaning}"
            yield Input(f"{rule.name}.{number.name}", "rule", number.unit, meaning, float(value), whole=number.whole)


def _parameter(parameter: Parameter, unit: str) -> Input:
    factor = 1.0 if unit == parameter.unit else parse_unit(unit).factor_to(parse_unit(parameter.unit))
    value, low, high = (number / factor for number in (parameter.value, *parameter.range))
    return Input(
        parameter.name, "parameter", unit, parameter.meaning, value, low, high, per_unit=factor, parameter=parameter
    )  # fmt: skip


def _number(network: Network, regimen: Regimen, number: RegimenNumber) -> Input:
    unit = network.interventions[regimen.agent].amount_unit if number.name == "amount" else number.unit
    name, value = f"{regimen.name}.{number.name}", float(getattr(regimen, number.name))
    return Input(name, "regimen", unit, number.meaning.format(regimen.agent), value, whole=number.whole, agent=regimen.agent)


def find_inputs(known: Mapping[str, Input], names: Iterable[str]) -> list[Input]:
    """The inputs of these names; raises UserError, with the nearest, for one that is not there or is named twice."""
    found: dict[str, Input] = {}
    for name in names:
        if name not in known:
            raise UserError(unknown("parameter, switch or regimen value", name, known))
        if name in found:
            raise UserError(f"`{name}` is given twice; a member has one value of it")
        found[name] = known[name]
        if not found[name].unit:
            raise UserError(f"`{name}`: `{found[name].agent}` takes no `amount`; an arm without it is an arm of its own")
    return [*found.values()]


def whole_numbers(known: Mapping[str, Input], values: Mapping[str, float]) -> dict[str, float | int | str]:
    """Values by name, those that count something as whole numbers where they are."""
    return {name: int(value) if known[name].whole and float(value).is_integer() else value for name, value in values.items()}


def kind_of(name: str) -> Kind:
    """What an input is, by its name alone: a store knows no more."""
    if "." not in name:
        return "parameter"
    word = name.rpartition(".")[2]
    return "regimen" if word in REGIMEN_NUMBERS else "rule" if word in RULE_NUMBERS else "switch"


def input_label(name: str, unit: str) -> str:
    """An input in words, with its unit, as figures show it."""
    owner, _, word = name.rpartition(".")
    match kind_of(name):
        case "switch":
            act = display_name(word).replace("protects ", "protection from ")
            return f"{display_name(owner)}: {act} (0 off, 1 full)"
        case "regimen":
            return with_unit(REGIMEN_NUMBERS[word].label.format(display_name(owner)), unit)
        case "rule":
            return with_unit(f"rule {display_name(owner)}: {display_name(word)}", unit)
        case _:
            return with_unit(display_name(name), unit)
