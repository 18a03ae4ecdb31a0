"""Formulas and units of an SBML model in the notation of mechanisms; what has no place there is refused by its name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from backfire.errors import UserError, echo
from backfire.formulas import SCALAR_FUNCTIONS, UNIT_CONSTANTS, Expression, parse

CLOCK: Final = "clock"
"""The state that stands for the time of a model whose formulas read it."""
_UNFIT: Final = {"amount", "time", "state", "constants", *SCALAR_FUNCTIONS, *UNIT_CONSTANTS}
_BASE: Final = {"item": "cell", "second": "day"}
_LONGEST: Final = 100_000
"""Characters of a formula with its functions written out; each may call another twice, and so on."""


class UnfitError(UserError):
    """Something in an SBML model that a mechanism cannot have; the message names it."""


def finite(value: float, what: str) -> float:
    """``value`` as it is; raises UnfitError, which says ``what`` it is, where it is infinite or not a number."""
    if not math.isfinite(value):
        raise UnfitError(f"{what} is {value}, which is no number that can be computed with")
    return value


def as_formula(text: str, where: str) -> Expression:
    """A formula that is not one of a part, and may be longer; raises UnfitError, which says ``where``, if it is too deep."""
    try:
        return parse(text, limited=False)
    except RecursionError:
        raise UnfitError(f"{where} is too long or nested too deeply to be read") from None


def fitting_name(identifier: str, taken: Mapping[str, str]) -> str:
    """An SBML id as a name of ours: lower-case words joined by single underscores, unlike all ``taken``."""
    import keyword

    words = re.sub(r"[^a-z0-9]+", "_", identifier.lower()).strip("_") or "x"
    name = words if words[0].isalpha() else f"x_{words}"
    name = name[:56].rstrip("_")
    if name in _UNFIT or keyword.iskeyword(name):
        name = f"{name}_sbml"
    found, number = name, 2
    while found in taken.values():
        found, number = f"{name}_{number}", number + 1
    return found


@dataclass
class Notation:
    """How the ids of a model are written: ``names`` maps them, ``volumes`` species to the name of the compartment they are a
    concentration in. ``plain`` formulas have no units. ``clock`` turns true when the time is read. ``inside`` are the functions
    that are just being written out, ``hills`` which of those known are the Hill function."""

    library: Any
    model: Any
    plain: bool
    names: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    clock: bool = False
    inside: list[str] = field(default_factory=list)
    hills: dict[str, bool] = field(default_factory=dict)

    def unit(self, identifier: str) -> str | None:
        """A unit in ours, ``cell``, ``day``, ``EC50`` and ``fold``; None where it is another, or none is given."""
        if identifier in ("", "dimensionless"):
            return "1" if identifier else None
        if identifier == "item":
            return "cell"
        definition = self.model.getUnitDefinition(identifier)
        if definition is None:
            return None
        powers = {"cell": 0.0, "day": 0.0}
        for part in definition.getListOfUnits():
            kind, power = self.library.UnitKind_toString(part.getKind()), part.getExponentAsDouble()
            size = part.getMultiplier() * 10.0 ** part.getScale()
            if kind == "dimensionless" and size == 1.0:
                continue
            if kind not in _BASE or not math.isclose(size, 86400.0 if kind == "second" else 1.0):
                return None
            powers[_BASE[kind]] += power
        if identifier in ("EC50", "fold") and not any(powers.values()):
            return identifier
        above = [f"{base}**{power:g}" if power != 1 else base for base, power in powers.items() if power > 0]
        below = [f"{base}**{-power:g}" if power != -1 else base for base, power in powers.items() if power < 0]
        return "/".join(["*".join(above) or "1", *below])

    def written(self, node: Any, where: str, local: Mapping[str, str] | None = None) -> str:
        """A tree as text; ``local`` are ids that stand for something here only, as the arguments of a function do.

        Raises UnfitError, which says ``where``, for what formulas do not have.
        """
        try:
            return self._written(node, where, local)
        except RecursionError:
            raise UnfitError(f"{where} is too long or nested too deeply to be read") from None
        except IndexError:
            raise UnfitError(f"{where} has an operation without all that it is of") from None
        finally:
            self.inside.clear()

    def _written(self, node: Any, where: str, local: Mapping[str, str] | None = None) -> str:
        if node is None:
            raise UnfitError(f"{where} has no formula")
        kinds, given = self.library, [node.getChild(place) for place in range(node.getNumChildren())]
        kind = node.getType()
        if node.isNumber():
            return self._number(node, where)
        if kind == kinds.AST_NAME:
            return self._name(node.getName(), where, local or {})
        if kind == kinds.AST_NAME_TIME:
            self.clock = True
            return CLOCK
        if kind == kinds.AST_FUNCTION:
            return self._called(node.getName(), [self._written(item, where, local) for item in given], where)
        if kind == kinds.AST_FUNCTION_PIECEWISE:  # named before what stands inside it
            raise UnfitError(f"{where} uses `piecewise`, which formulas of mechanisms do not have")
        return self._operation(kind, [self._written(item, where, local) for item in given], node, where)

    def _number(self, node: Any, where: str) -> str:
        value = finite(node.getValue(), f"a number in {where}")
        text = repr(float(value)) if value >= 0 else f"({float(value)!r})"
        unit = None if self.plain or not node.getUnits() else self.unit(node.getUnits())
        return text if unit in (None, "1") else f"({text} * {_as_factor(str(unit))})"

    def _name(self, identifier: str, where: str, local: Mapping[str, str]) -> str:
        if identifier in local:
            return local[identifier]
        if identifier not in self.names:
            raise UnfitError(f"{where} reads `{echo(identifier)}`, which has no value of its own there")
        name = self.names[identifier]
        return f"({name} / {self.volumes[identifier]})" if identifier in self.volumes else name

    def _called(self, name: str, given: list[str], where: str) -> str:
        definition = self.model.getFunctionDefinition(name)
        if definition is None or definition.getNumArguments() != len(given) or definition.getBody() is None:
            raise UnfitError(f"{where} calls `{echo(name)}`, which the model does not define")
        if name in self.inside:
            raise UnfitError(f"{where} calls `{echo(name)}`, which calls itself")
        arguments = [definition.getArgument(place).getName() for place in range(len(given))]
        self.inside.append(name)
        if len(given) == 3 and self._is_hill(name, definition, arguments):
            text = f"hill({', '.join(given)})"
        else:
            text = f"({self._written(definition.getBody(), f'function {name}', dict(zip(arguments, given, strict=True)))})"
        self.inside.pop()
        if len(text) > _LONGEST:
            raise UnfitError(f"{where} is longer than {_LONGEST} characters once `{echo(name)}` is written out")
        return text

    def _is_hill(self, name: str, definition: Any, arguments: list[str]) -> bool:
        """Whether a function of three arguments is the Hill function, which is smooth for us where a power of 0 is not."""
        if name not in self.hills:
            text = self._written(definition.getBody(), "a function", dict(zip(arguments, ("x", "half", "n"), strict=True)))
            formula = as_formula(text, f"function {name}")
            points = [(0.0, 2.0, 1.5), (0.3, 0.7, 1.0), (2.0, 1.1, 2.5), (40.0, 3.0, 4.0), (-1.0, 2.0, 2.0)]
            self.hills[name] = formula.names <= {"x", "half", "n"} and all(
                math.isclose(formula.value({"x": x, "half": half, "n": n}), SCALAR_FUNCTIONS["hill"](x, half, n), rel_tol=1e-12)
                for x, half, n in points
            )
        return self.hills[name]

    def _operation(self, kind: int, given: list[str], node: Any, where: str) -> str:
        kinds = self.library
        joined = {kinds.AST_PLUS: (" + ", "0"), kinds.AST_TIMES: (" * ", "1")}
        if kind in joined:
            sign, empty = joined[kind]
            return f"({sign.join(given)})" if given else empty
        if kind == kinds.AST_MINUS:
            return f"(-{given[0]})" if len(given) == 1 else f"({given[0]} - {given[1]})"
        if kind == kinds.AST_DIVIDE:
            return f"({given[0]} / {given[1]})"
        if kind in (kinds.AST_POWER, kinds.AST_FUNCTION_POWER):
            return f"({given[0]} ** {given[1]})"
        constants = {kinds.AST_CONSTANT_PI: math.pi, kinds.AST_CONSTANT_E: math.e, kinds.AST_NAME_AVOGADRO: 6.02214076e23}
        if kind in constants:
            return repr(constants[kind])
        plain = {kinds.AST_FUNCTION_EXP: "exp", kinds.AST_FUNCTION_LN: "log", kinds.AST_FUNCTION_ABS: "abs"}
        if kind in plain:
            return f"{plain[kind]}({given[0]})"
        if kind == kinds.AST_FUNCTION_LOG:
            return f"(log({given[-1]}) / log({given[0] if len(given) == 2 else '10.0'}))"
        if kind == kinds.AST_FUNCTION_ROOT:
            degree = node.getChild(0)
            square = len(given) == 1 or (degree.isNumber() and degree.getValue() == 2)
            return f"sqrt({given[-1]})" if square else f"({given[1]} ** (1 / {given[0]}))"
        if kind in (kinds.AST_FUNCTION_MAX, kinds.AST_FUNCTION_MIN):
            word, text = "max" if kind == kinds.AST_FUNCTION_MAX else "min", given[0]
            for other in given[1:]:
                text = f"{word}({text}, {other})"
            return text
        called = node.getName() or node.getOperatorName() or kinds.formulaToL3String(node)
        raise UnfitError(f"{where} uses `{echo(called)}`, which formulas of mechanisms do not have")


def _as_factor(unit: str) -> str:
    above, _, below = unit.partition("/")
    return above if not below else f"({unit})"
