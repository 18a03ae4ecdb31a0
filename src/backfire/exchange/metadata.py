"""What an archive says of itself, as RDF/XML in the words that BioSimulations reads.

Title, abstract, keywords, taxon, license, creators, the article the model was made after, and a picture. Nothing here
comes from a clock: a scenario has no date, so the archive has none, and the same study gives the same bytes.
"""

from __future__ import annotations

import xml.etree.ElementTree as Tree
from collections.abc import Iterator
from typing import Final

from backfire.formatting import display_name
from backfire.model import ARTICLES, CAUTION, version
from backfire.scenario import Scenario

LIBRARY: Final = "http://omex-library.org"
"""Where the names of archives begin, by the convention of OMEX metadata; nothing is there to be fetched."""
_SPACES: Final = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "prism": "http://prismstandard.org/namespaces/basic/2.0/",
    "collex": "http://www.collex.org/schema#",
    "bqbiol": "http://biomodels.net/biology-qualifiers/",
    "bqmodel": "http://biomodels.net/model-qualifiers/",
}
_LICENSE: Final = ("http://identifiers.org/spdx:BSD-3-Clause", "BSD 3-Clause License")
_MOUSE: Final = ("http://identifiers.org/taxonomy:10090", "Mus musculus")
"""The host of every primary study behind the articles."""
_KEYWORDS: Final = ("mathematical oncology", "therapy resistance", "tumour microenvironment", "ordinary differential equations")


def metadata(scenario: Scenario, thumbnail: str) -> Tree.Element:
    """The description of the archive of a scenario; ``thumbnail`` is the picture's file in it."""
    root = Tree.Element("rdf:RDF", {f"xmlns:{prefix}": space for prefix, space in _SPACES.items()})
    about = f"{LIBRARY}/{scenario.name}.omex"
    archive = Tree.SubElement(root, "rdf:Description", {"rdf:about": about})
    caution = f"{CAUTION[0].upper()}{CAUTION[1:]}."
    for name, text in (
        ("dc:title", scenario.title),
        ("dc:abstract", " ".join([f"{scenario.title.rstrip('. ')}.", *([scenario.note] if scenario.note else []), caution])),
        ("dc:description", f"Written by backfire {version()} from scenario {scenario.name}, hash {scenario.hash}. {caution}"),
        *(("prism:keyword", word) for word in _keywords(scenario)),
    ):
        Tree.SubElement(archive, name).text = text
    Tree.SubElement(archive, "collex:thumbnail", {"rdf:resource": f"{about}/{thumbnail}"})
    _named(archive, "dc:license", *_LICENSE)
    creator = _named(archive, "dc:creator", "", "the backfire developers")
    Tree.SubElement(creator, "foaf:name").text = "the backfire developers"
    if (article := ARTICLES.get(scenario.article)) is not None:
        _named(archive, "bqbiol:hasTaxon", *_MOUSE)
        if article.doi:
            for predicate in ("bqmodel:isDerivedFrom", "dcterms:references"):
                _named(archive, predicate, f"http://identifiers.org/doi:{article.doi}", str(article))
    return root


def _keywords(scenario: Scenario) -> Iterator[str]:
    yield from _KEYWORDS
    yield from (display_name(agent) for agent in scenario.network.interventions)
    yield from (display_name(label) for label in scenario.network.mechanisms)


def _named(parent: Tree.Element, predicate: str, identifier: str, label: str) -> Tree.Element:
    """Something with an identifier, if it has one, and a label for people."""
    described = Tree.SubElement(Tree.SubElement(parent, predicate), "rdf:Description")
    if identifier:
        Tree.SubElement(described, "dc:identifier", {"rdf:resource": identifier})
    Tree.SubElement(described, "rdfs:label").text = label
    return described
