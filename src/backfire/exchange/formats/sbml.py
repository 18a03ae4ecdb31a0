"""SBML Level 3 Version 2 of one arm, written with libSBML (extra ``backfire[sbml]``).

Species are amounts: cells, multiples of an EC50, or fold over the untreated level, in sites of size 1 (a plain number).
They are not marked as ``hasOnlySubstanceUnits``: with that mark COPASI 4.48 computes definitions from amounts that are
off by a factor 1.00001 in about one load in eight of one and the same text; for sites of size 1 it changes nothing else.

A reaction has one extent for all of these, a plain number of events; ``one__cell`` converts it into cells, so that units
agree throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, Final

from backfire.exchange.formats import Format
from backfire.exchange.notation import NONE
from backfire.exchange.reactions import HILL, ONE_CELL, Happening, Item, Model, Reaction, Species, translate
from backfire.formulas import BASE, Unit
from backfire.model import Reference

LEVEL, VERSION = 3, 2
_BASE: Final[dict[str, tuple[str, float]]] = {
    "cell": ("item", 1.0),
    "day": ("second", 86400.0),
    "EC50": (NONE, 1.0),
    "fold": (NONE, 1.0),
}
"""What our base units are in SBML; drugs and factors are ratios to a reference, hence plain numbers."""
_TERMS: Final[dict[str, str]] = {
    "model": "SBO:0000293",  # non-spatial continuous framework
    "compartment": "SBO:0000410",  # implicit compartment
    "cells": "SBO:0000240",  # material entity
    "drug": "SBO:0000247",  # simple chemical
    "factor": "SBO:0000240",
    "modifier": "SBO:0000019",
    "reactant": "SBO:0000010",
    "product": "SBO:0000011",
    "appears": "SBO:0000393",  # production
    "vanishes": "SBO:0000179",  # degradation
    "becomes": "SBO:0000182",  # conversion
    "rate": "SBO:0000009",  # kinetic constant
    "exponent": "SBO:0000190",  # Hill coefficient
}


def to_sbml(model: Model) -> str:
    """A model as SBML text."""
    import libsbml

    return _Writer(libsbml, model).text()


FORMAT: Final = Format(".xml", lambda scenario, arms: to_sbml(translate(scenario, arms[0])), needs_libsbml=True)


class _Writer:
    """Writes one model; libSBML answers every call with a code, and all of them are looked at."""

    def __init__(self, library: Any, model: Model) -> None:
        self.library, self.source = library, model
        self.document = library.SBMLDocument(LEVEL, VERSION)
        self.model = self.document.createModel()
        self.settings = library.L3ParserSettings()
        # ids of the model win over words of the notation, so a parameter may be called pi
        self.settings.setModel(self.model)

    def text(self) -> str:
        source = self.source
        self._set(
            self.model, Id=source.id, Name=source.title, TimeUnits="day", ExtentUnits=NONE, SubstanceUnits=NONE,
            VolumeUnits=NONE, AreaUnits=NONE, LengthUnits=NONE, SBOTerm=_TERMS["model"],
        )  # fmt: skip
        for name, unit in source.units.items():
            self._unit(name, unit)
        if source.hill:
            self._hill()
        for name in source.compartments:
            where = self.model.createCompartment()
            self._set(where, Id=name, Constant=True, SpatialDimensions=3, Size=1.0, Units=NONE, SBOTerm=_TERMS["compartment"])
        for state in source.species:
            self._species(state)
        for item in source.parameters:
            self._item(self.model.createParameter(), item)
        for rule in source.rules:
            self._set(self.model.createAssignmentRule(), Variable=rule.target, Math=self._math(rule.formula))
        for rule in source.rates:
            self._set(self.model.createRateRule(), Variable=rule.target, Math=self._math(rule.formula))
        for reaction in source.reactions:
            self._reaction(reaction)
        for event in source.events:
            self._event(event)
        self._notes(self.model, source.notes)
        self._cite(self.model, source.references, model=True)
        return str(self.library.writeSBMLToString(self.document))

    def _set(self, element: Any, **values: Any) -> None:
        for name, value in values.items():
            code = getattr(element, f"set{name}")(value)
            assert code == self.library.LIBSBML_OPERATION_SUCCESS, (element.getElementName(), name, value)

    def _math(self, formula: str) -> Any:
        tree = self.library.parseL3FormulaWithSettings(formula, self.settings)
        assert tree is not None, (formula, self.library.getLastParseL3Error())
        return tree

    def _notes(self, element: Any, notes: Iterable[str]) -> None:
        paragraphs = "".join(f"<p>{escape(note)}</p>" for note in notes)
        if paragraphs:
            self._set(element, Notes=f'<body xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</body>')

    def _cite(self, element: Any, references: Iterable[Reference], model: bool = False) -> None:
        """MIRIAM annotations: a model derives from a paper, a number is described by one."""
        library = self.library
        for reference in references:
            if not element.isSetMetaId():
                self._set(element, MetaId=f"about_{element.getId()}")
            term = library.CVTerm(library.MODEL_QUALIFIER if model else library.BIOLOGICAL_QUALIFIER)
            if model:
                term.setModelQualifierType(library.BQM_IS_DERIVED_FROM)
            else:
                term.setBiologicalQualifierType(library.BQB_IS_DESCRIBED_BY)
            term.addResource(f"https://identifiers.org/doi:{reference.doi}")
            code = element.addCVTerm(term)
            assert code == library.LIBSBML_OPERATION_SUCCESS, reference

    def _unit(self, name: str, unit: Unit) -> None:
        definition = self.model.createUnitDefinition()
        self._set(definition, Id=name)
        for base, power in zip(BASE, unit.powers, strict=True):
            if power:
                kind, size = _BASE[base]
                number = self.library.UnitKind_forName(kind)
                self._set(definition.createUnit(), Kind=number, Exponent=float(power), Scale=0, Multiplier=size)

    def _hill(self) -> None:
        name, arguments, body = HILL
        text = f"lambda({', '.join(arguments)}, {body})"
        self._set(self.model.createFunctionDefinition(), Id=name, Math=self._math(text))

    def _item(self, element: Any, item: Item) -> None:
        self._set(element, Id=item.id, Constant=item.constant, Units=item.unit)
        if item.name:
            self._set(element, Name=item.name)
        if item.value is not None:
            self._set(element, Value=item.value)
        if item.kind in _TERMS:
            self._set(element, SBOTerm=_TERMS[item.kind])
        self._notes(element, item.notes)
        self._cite(element, item.references)

    def _species(self, item: Species) -> None:
        element = self.model.createSpecies()
        self._set(
            element, Id=item.id, Compartment=item.compartment, SubstanceUnits=item.unit, InitialAmount=item.value,
            HasOnlySubstanceUnits=False, BoundaryCondition=False, Constant=False, SBOTerm=_TERMS[item.kind],
        )  # fmt: skip
        if item.cells:
            self._set(element, ConversionFactor=ONE_CELL)
        self._notes(element, item.notes)

    def _reaction(self, item: Reaction) -> None:
        element = self.model.createReaction()
        kind = "becomes" if item.leaves and item.enters else "appears" if item.enters else "vanishes"
        self._set(element, Id=item.id, Reversible=False, SBOTerm=_TERMS[kind])
        ends = ((item.leaves, element.createReactant, "reactant"), (item.enters, element.createProduct, "product"))
        for end, made, role in ends:
            if end is not None:
                self._set(made(), Species=end, Stoichiometry=1.0, Constant=True, SBOTerm=_TERMS[role])
        for name in item.modifiers:
            self._set(element.createModifier(), Species=name, SBOTerm=_TERMS["modifier"])
        # the extent counts events, so cells per day are divided by the one cell that an event moves
        formula = f"({item.formula}) / {ONE_CELL}" if item.counts_cells else item.formula
        self._set(element.createKineticLaw(), Math=self._math(formula))
        self._notes(element, (f"Kind: {item.kind}.", *item.notes))

    def _event(self, item: Happening) -> None:
        element = self.model.createEvent()
        self._set(element, Id=item.id, Name=item.name, UseValuesFromTriggerTime=True)
        # a trigger that counts as false before day 0 fires on day 0: this is how a dose on day 0 survives
        self._set(element.createTrigger(), InitialValue=not item.at_start, Persistent=True, Math=self._math(item.trigger))
        self._set(element.createPriority(), Math=self._math(f"{item.priority} {NONE}"))
        for rule in item.assignments:
            self._set(element.createEventAssignment(), Variable=rule.target, Math=self._math(rule.formula))
