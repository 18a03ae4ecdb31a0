"""Named inputs: every number of a scenario that can be set from outside, with its unit, its meaning and its limits.

An input is a parameter (``growth_rate``), the switch of an influence (``stroma.protects_kill``) or a number of a regimen
(``mitoxantrone.amount``). Whoever takes values from outside (``--set``, sweeps, tables, members, claims) looks them up here.
Values of a parameter are in the unit in which the scenario file gives it: ``per_unit`` is what one such unit is in cells
and days, in which everything is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from backfire.errors import UserError, unknown
from backfire.formatting import display_name, with_unit
from backfire.formulas import parse_unit
from backfire.model import REGIMEN_NUMBERS, Parameter, Regimen, RegimenNumber

if TYPE_CHECKING:
    from backfire.scenario.scenario import Scenario

Kind = Literal["parameter", "switch", "regimen"]
DAYS: Final = ("days", "record_every")
"""Numbers of a scenario that are set by name too, but make another simulation, not another member of it."""


@dataclass(frozen=True)
class Input:
    """One named number.

    ``value`` is that of the unchanged scenario; ``low`` and ``high`` are the range an input has by itself (the plausible
    range of a parameter, 0 to 1 for a switch, NaN for a number of a regimen), all in ``unit``. ``whole`` inputs count
    something. ``parameter`` is the parameter behind the input, if it is one.
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

    @property
    def most(self) -> float:
        """The largest possible value of a parameter or switch, in cells and days."""
        return self.parameter.maximum if self.parameter else 1.0 if self.kind == "switch" else math.inf

    def problem_with(self, value: float) -> str | None:
        """Why a value, in ``unit``, is impossible for a parameter or switch, or None."""
        if self.parameter:
            return self.parameter.problem_with(value * self.per_unit)
        return None if 0 <= value <= 1 else f"{value:g} is no switch; it must lie in [0, 1]"


def named_inputs(scenario: Scenario) -> dict[str, Input]:
    """All inputs of a scenario by name: parameters, then switches, then the numbers of its regimens."""
    found = [_parameter(scenario, parameter) for parameter in scenario.network.parameters.values()]
    for name, value in scenario.switches.items():
        meaning = f"how much of the influence {name} acts, 0 none to 1 all"
        found.append(Input(name, "switch", "1", meaning, value, 0.0, 1.0))
    found += [_number(scenario, regimen, number) for regimen in scenario.regimens.values() for number in REGIMEN_NUMBERS.values()]
    return {item.name: item for item in found}


def _parameter(scenario: Scenario, parameter: Parameter) -> Input:
    written = scenario.document.data.get("parameters", {}).get(parameter.name)
    unit = (written.get("unit") if isinstance(written, dict) else None) or parameter.unit
    factor = 1.0 if unit == parameter.unit else parse_unit(unit).factor_to(parse_unit(parameter.unit))
    value, low, high = (number / factor for number in (parameter.value, *parameter.range))
    return Input(
        parameter.name, "parameter", unit, parameter.meaning, value, low, high, per_unit=factor, parameter=parameter
    )  # fmt: skip


def _number(scenario: Scenario, regimen: Regimen, number: RegimenNumber) -> Input:
    unit = scenario.network.interventions[regimen.agent].amount_unit if number.name == "amount" else number.unit
    meaning = number.meaning.format(regimen.agent)
    return Input(
        f"{regimen.name}.{number.name}", "regimen", unit, meaning, float(getattr(regimen, number.name)), whole=number.whole
    )


def find_inputs(scenario: Scenario, names: Iterable[str]) -> list[Input]:
    """The inputs of these names; raises UserError, with the nearest, for one that is not there or is named twice."""
    known, found = scenario.inputs, {}
    for name in names:
        if name not in known:
            raise UserError(unknown("parameter, switch or regimen value", name, known))
        if name in found:
            raise UserError(f"`{name}` is given twice; a member has one value of it")
        found[name] = known[name]
        if not found[name].unit:
            agent = scenario.regimens[name.removesuffix(".amount")].agent
            raise UserError(f"`{name}`: `{agent}` takes no `amount`; an arm without it is an arm of its own")
    return [*found.values()]


def whole_numbers(scenario: Scenario, values: Mapping[str, float]) -> dict[str, float | int | str]:
    """Values by name, those that count something as whole numbers where they are."""
    known = scenario.inputs
    return {name: int(value) if known[name].whole and float(value).is_integer() else value for name, value in values.items()}


def kind_of(name: str) -> Kind:
    """What an input is, by its name alone: a store knows no more."""
    if "." not in name:
        return "parameter"
    return "regimen" if name.rpartition(".")[2] in REGIMEN_NUMBERS else "switch"


def input_label(name: str, unit: str) -> str:
    """An input in words, with its unit, as figures show it."""
    owner, _, word = name.rpartition(".")
    match kind_of(name):
        case "switch":
            act = display_name(word).replace("protects ", "protection from ")
            return f"{display_name(owner)}: {act} (0 off, 1 full)"
        case "regimen":
            return with_unit(REGIMEN_NUMBERS[word].label.format(display_name(owner)), unit)
        case _:
            return with_unit(display_name(name), unit)
