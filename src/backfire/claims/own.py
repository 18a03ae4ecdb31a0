"""A user's own claims: a TOML file about any scenario, every name in it checked, everything wrong told at once.

title    = "An early antibody keeps the stroma quiet"
scenario = "my-study.toml"                          # beside this file, or the name of a shipped one

[[claims]]
id        = "C1"
label     = "early beats late"                      # what figures call it; the id if left out
statement = "Treatment from the start leaves less tumour than treatment a month later."
check     = "final_burden(early) < 0.5 * final_burden(delayed)"
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from backfire.claims.articles import ClaimEntry, ClaimSet, ClaimsFile, ClaimsReader, load_articles, shipped_articles, watched
from backfire.claims.language import Claim
from backfire.claims.measuring import refusals
from backfire.errors import DocumentError, Problem, Problems, UserError, unknown
from backfire.scenario import (
    Document,
    OwnMechanisms,
    Scenario,
    check_folder_name,
    library_of,
    load_named,
    parse_document,
    read_document,
    source_path,
)

Source = str | Path | ClaimSet
"""Claims by the name of an article, by the path of a file, or as they are."""


def load_claims(path: str | Path, mechanisms: OwnMechanisms = ()) -> ClaimSet:
    """A claims file of your own; ``mechanisms`` are those of yours that its scenario uses.

    Raises DocumentError with every problem of the file, and of the scenarios it names.
    """
    return _read(read_document(path), Path(path).stem, Path(path).parent, mechanisms)


def parse_claims(text: str, name: str = "claims", folder: Path | str = ".", mechanisms: OwnMechanisms = ()) -> ClaimSet:
    """Claims from TOML text; scenarios that it names are looked for in ``folder``. Otherwise like ``load_claims``."""
    return _read(parse_document(text, name), name, Path(folder), mechanisms)


def load_sets(sources: Source | Iterable[Source], mechanisms: OwnMechanisms = ()) -> list[ClaimSet]:
    """Articles and claims files, all articles if none is named; raises DocumentError with the problems of all of them."""
    given = [sources] if isinstance(sources, str | Path | ClaimSet) else list(dict.fromkeys(sources))
    known, library, problems = shipped_articles(), library_of(mechanisms), Problems()
    found: list[ClaimSet] = []
    for source in given or known:
        with problems.gathered():
            if isinstance(source, ClaimSet):
                found.append(source)
            elif str(source) in known and not os.path.isfile(source):
                found += load_articles([str(source)])
            else:
                found.append(load_claims(source_path("article", source, known), library))
    homes: dict[str, str] = {}
    for item in found:
        for identifier in item.claims:
            if homes.setdefault(identifier, item.name) != item.name:
                problems.append(Problem(item.name, 0, f"claims.{identifier}", f"{homes[identifier]} has a claim of this id, too"))
    names = [item.name for item in found]
    problems += [Problem(name, 0, "", "is given twice") for name in sorted(set(names)) if names.count(name) > 1]
    problems.stop()
    return found


def _read(document: Document, name: str, folder: Path, mechanisms: OwnMechanisms) -> ClaimSet:
    check_folder_name(name)
    reader = ClaimsReader(document, ClaimsFile, ClaimEntry)
    claims, scenarios, library = reader.claims(), dict[str, Scenario](), library_of(mechanisms)
    file = reader.shape.file
    places: dict[str, tuple[str | int, ...]] = {}
    if file is not None and not reader.shape.has_lost("scenario"):
        places[file.scenario] = ("scenario",)
    for identifier, (entry, _) in claims.items():
        if entry.scenario is not None:
            places.setdefault(entry.scenario, ("claims", reader.places[identifier], "scenario"))
    for written, place in places.items():
        with reader.problems.gathered():
            scenarios[written] = load_named(reader.document, written, folder, library, place)
    for identifier, (entry, claim) in claims.items():
        scenario = scenarios.get(entry.scenario or (file.scenario if file is not None else ""))
        if scenario is not None:
            _check_names(reader, identifier, entry, claim, scenario)
    return ClaimSet(name, reader.finished(claims), claims, scenarios)


def _check_names(reader: ClaimsReader, identifier: str, entry: ClaimEntry, claim: Claim, scenario: Scenario) -> None:
    """Everything that a claim names must be in its scenario."""
    for words in dict.fromkeys(refusals(scenario, claim.refs()).values()):
        reader.add(identifier, "check", words)
    for name in entry.names:
        if name not in scenario.switches:
            reader.add(identifier, "names", unknown("influence", name, scenario.switches))
    try:
        watched(scenario, entry.until)
    except DocumentError as error:
        reader.add(identifier, "until", "; ".join(problem.message for problem in error.problems))
    except UserError as error:
        reader.add(identifier, "until", error)
