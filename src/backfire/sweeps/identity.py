"""What can change a number of a sweep: it names the run, and is compared before anything is resumed or computed elsewhere."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from backfire.errors import StorageError, echo
from backfire.model import version
from backfire.sweeps import store
from backfire.system import source_hash

if TYPE_CHECKING:
    from backfire.scenario import Scenario

COMPUTING: Final = (
    "errors", "system", "formulas", "model", "mechanisms", "solvers", "outcomes", "scenario", "sampling", "simulation", "sweeps",
)  # fmt: skip
"""The families that can change a number or a reason in a table; a change in any other does not end a sweep under way."""
_LIBRARIES: Final = ("numpy", "scipy", "numba", "llvmlite")


def run_hash(identity: Mapping[str, Any]) -> str:
    """The hash of all that can change a number: sha256 of its canonical JSON."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, allow_nan=False).encode()).hexdigest()


def scenario_identity(scenario: Scenario) -> dict[str, Any]:
    """A resolved scenario without its words: titles, sources, plausible ranges and what is drawn change no number."""
    data = scenario.resolved()
    for word in ("title", "article", "note", "expected_idle", "show", "mechanisms_from"):
        data.pop(word, None)
    data |= {"own_mechanisms": scenario.own_mechanisms} if scenario.own_mechanisms else {}
    data["parameters"] = {name: {"value": item["value"], "unit": item["unit"]} for name, item in data["parameters"].items()}
    return data


@functools.cache
def code_identity() -> dict[str, Any]:
    """Versions of what computes, and a hash of the text of every module of backfire that can change a number."""
    versions = {"backfire": version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "none"
    return {"versions": versions, "code": source_hash(*COMPUTING)}


def worker_identity(folder: str) -> dict[str, str]:
    """What a worker of another machine must agree in: versions, code, and the study it finds in the shared folder."""
    about = code_identity()
    try:
        run = str(store.read_json(Path(folder) / "resolved.json").get("run"))
    except StorageError as error:
        run = str(error)
    return {**about["versions"], "code": about["code"], "study in the shared folder": run}


def code_differs(manifest: Mapping[str, Any]) -> list[str]:
    """What has changed in backfire and its libraries since a store was computed."""
    now = code_identity()
    stored = manifest.get("versions") or {}
    changed = [f"{name} {stored.get(name)} → {value}" for name, value in now["versions"].items() if stored.get(name) != value]
    return changed or ([] if manifest.get("code") == now["code"] else ["the code of backfire"])


def changes(stored: object, mine: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, one line for each key: name, before, now."""
    before, now = dict(_flat(stored)), dict(_flat(mine))
    nothing = "nothing"
    return [
        f"{key}: {echo(before.get(key, nothing))} → {echo(now.get(key, nothing))}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key, nothing) != now.get(key, nothing)
    ]


def _flat(data: object, at: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and plain values; lists count as a whole."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _flat(value, f"{at}.{key}" if at else str(key))
    else:
        yield at, list(data) if isinstance(data, tuple) else data
