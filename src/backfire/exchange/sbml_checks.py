"""What keeps an SBML document from being read, and what in it no mechanism has: each in a sentence that names it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, Final
from xml.parsers import expat

from backfire.errors import echo

DEEPEST_ELEMENT: Final = 500
"""How deep elements may stand in each other: libSBML ends the whole process at some thousands, in place of an error."""
_HARMLESS: Final = {21121}
"""A species that a rate reads but its reaction does not list: what is meant is clear."""


def opened(library: Any, text: str) -> tuple[Any, list[str]]:
    """A document, and why it cannot be read: it is none, or contradicts the rules of SBML; then it is None."""
    if (depth := _depth(text)) > DEEPEST_ELEMENT:
        return None, [f"its elements are nested {depth} deep, and at most {DEEPEST_ELEMENT} can be read; split its formulas"]
    document = library.readSBMLFromString(text)
    failed = _failures(library, document)
    if failed or document.getModel() is None:
        told = "; ".join(f"line {item.getLine()}: {item.getShortMessage()}" for item in failed[:3])
        return None, [f"it is not SBML that can be read ({told or 'no model in it'})"]
    wrong = _contradictions(library, document)
    return (None if wrong else document), [f"line {item.getLine()}: {_told(item)}" for item in wrong[:10]]


def _contradictions(library: Any, document: Any) -> list[Any]:
    """What contradicts the rules of SBML; neither units, which are read one by one, nor habits decide what a model computes."""
    asked = [
        library.LIBSBML_CAT_IDENTIFIER_CONSISTENCY,
        library.LIBSBML_CAT_GENERAL_CONSISTENCY,
        library.LIBSBML_CAT_MATHML_CONSISTENCY,
        library.LIBSBML_CAT_OVERDETERMINED_MODEL,
    ]
    others = [library.LIBSBML_CAT_UNITS_CONSISTENCY, library.LIBSBML_CAT_MODELING_PRACTICE, library.LIBSBML_CAT_SBO_CONSISTENCY]
    # one by one, as libSBML asks no further behind a failure, though it be harmless; but not behind another: functions that
    # call each other end the process at the next
    for category in asked:
        for each in (*asked, *others):
            document.setConsistencyChecks(each, each == category)
        document.checkConsistency()
        if wrong := [item for item in _failures(library, document) if item.getErrorId() not in _HARMLESS]:
            return wrong
    return []


def _depth(text: str) -> int:
    """How deep elements stand in each other, as far as the text is XML."""
    depth = deepest = 0

    def opening(*_: object) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)

    def closing(*_: object) -> None:
        nonlocal depth
        depth -= 1

    reader = expat.ParserCreate()
    reader.StartElementHandler, reader.EndElementHandler = opening, closing
    with contextlib.suppress(expat.ExpatError):  # libSBML says what is wrong
        reader.Parse(text, True)
    return deepest


def _failures(library: Any, document: Any) -> list[Any]:
    found = (document.getError(place) for place in range(document.getNumErrors()))
    return [item for item in found if item.getSeverity() >= library.LIBSBML_SEV_ERROR]


def _told(failure: Any) -> str:
    """What libSBML says of the place, behind the rule of SBML that it quotes."""
    return echo((failure.getMessage().strip().splitlines() or [failure.getShortMessage()])[-1].strip(), 240)


def what_does_not_fit(library: Any, document: Any) -> list[str]:
    """What no mechanism has, each by its id."""
    model = document.getModel()
    found = [f"an algebraic rule, {echo(library.formulaToL3String(item.getMath()))}" for item in _algebraic(model)]
    found += [f"compartment `{item.getId()}` changes by a rule" for item in model.getListOfCompartments() if _ruled(model, item)]
    found += [
        f"species `{item.getId()}` in compartment `{echo(item.getCompartment())}`, which the model does not have"
        for item in model.getListOfSpecies()
        if model.getCompartment(item.getCompartment()) is None
    ]
    found += [f"constraint {place + 1}" for place in range(model.getNumConstraints())]
    for name, event in named_events(model):
        if event.isSetDelay():
            found.append(f"{name} has a delay")
        if not event.isSetTrigger() or not event.getTrigger().isSetMath():
            found.append(f"{name} has no trigger")
    for reaction in model.getListOfReactions():
        found += [f"reaction `{reaction.getId()}` {what}" for what in _of_reaction(model, reaction)]
    packages = [document.getPlugin(place).getPackageName() for place in range(document.getNumPlugins())]
    # whose functions are looked at one by one
    packages = [package for package in packages if package != "l3v2extendedmath" and document.getPackageRequired(package)]
    found += [f"the package `{package}`" for package in packages]
    return [f"{item}; that does not fit into a mechanism" for item in found]


def _algebraic(model: Any) -> list[Any]:
    return [rule for rule in model.getListOfRules() if rule.isAlgebraic()]


def _ruled(model: Any, item: Any) -> bool:
    return item.isSetId() and model.getRule(item.getId()) is not None


def _of_reaction(model: Any, reaction: Any) -> Iterator[str]:
    if reaction.getFast():
        yield "is fast"
    for end in (*reaction.getListOfReactants(), *reaction.getListOfProducts()):
        species = echo(end.getSpecies())
        if model.getSpecies(end.getSpecies()) is None:
            yield f"has `{species}`, which is no species of the model"
            continue
        computed = end.isSetId() and (_ruled(model, end) or model.getInitialAssignment(end.getId()) is not None)
        changes = is_free(model, end.getSpecies())
        if computed or (changes and end.isSetStoichiometryMath()):
            yield f"has a stoichiometry of `{species}` that is computed"
        elif changes and not math.isfinite(end.getStoichiometry()):
            yield f"has no number as the stoichiometry of `{species}`"


def is_assigned(model: Any, identifier: str) -> bool:
    """Whether an assignment rule says what something is at all times."""
    rule = model.getRule(identifier)
    return rule is not None and bool(rule.isAssignment())


def is_free(model: Any, identifier: str) -> bool:
    """Whether reactions change a species: it is neither held at a boundary, nor constant, nor told by a rule."""
    species = model.getSpecies(identifier)
    return not (species.getBoundaryCondition() or species.getConstant() or is_assigned(model, identifier))


def named_events(model: Any) -> list[tuple[str, Any]]:
    """Every event and what it is called, ``event `e` ``, or its place where it has no id."""
    events = enumerate(model.getListOfEvents(), start=1)
    return [(f"event `{event.getId()}`" if event.isSetId() else f"event {place}", event) for place, event in events]
