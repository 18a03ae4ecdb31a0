"""The scenario that the folder of a population keeps, so that what lies there speaks for itself wherever it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from backfire.claims import Renamed
from backfire.errors import MechanismError, StorageError, UserError, echo
from backfire.sampling import MANIFEST
from backfire.scenario import OwnMechanisms, Scenario, stored_scenario
from backfire.system import to_json

FILE: Final = "population.toml"
RESOLVED: Final = "resolved.json"


def kept(scenario: Scenario) -> str:
    """What ``RESOLVED`` holds of a scenario."""
    whole = {"name": scenario.name, "own_mechanisms": scenario.own_mechanisms, "scenario": scenario.resolved()}
    return to_json(whole)


def kept_scenario(place: Path, manifest: Mapping[str, Any], mechanisms: OwnMechanisms = ()) -> Scenario:
    """The scenario of a folder with this manifest; ``mechanisms`` are classes of yours that it uses.

    Raises StorageError for what is no sound population, MechanismError if a mechanism is missing or another.
    """
    try:
        whole = json.loads((place / RESOLVED).read_text(encoding="utf-8"))
        scenario = stored_scenario(place, whole["scenario"], whole["name"], whole["own_mechanisms"], mechanisms)
        if scenario.hash != manifest["scenario"]["hash"]:
            raise ValueError("its scenario is not that of its manifest")
    except MechanismError:
        raise
    except OSError as error:
        raise StorageError(f"{place}: is no whole population ({error.strerror or error}: {RESOLVED})") from None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, UserError) as error:
        raise StorageError(f"{place / RESOLVED}: is damaged ({echo(error)}); sample the population again") from None
    return scenario


def sampled_before(path: Path, mechanisms: OwnMechanisms) -> tuple[str, Scenario, str, tuple[Renamed, ...]] | None:
    """Where a population file is the copy in the folder of its population: its name, scenario, form, and what that renames."""
    place = path.parent
    if path.name != FILE or not (place / RESOLVED).is_file():
        return None
    try:
        manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        name, form, names = str(manifest["name"]), str(manifest["form"]), [Renamed(*item) for item in manifest["renamed"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StorageError(f"{place}: is no whole population ({echo(error)}); give the file it was sampled from") from None
    return name, kept_scenario(place, manifest, mechanisms), form, tuple(names)
