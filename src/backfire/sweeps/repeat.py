"""One member of a stored sweep computed again, alone, beside what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backfire.errors import MechanismError, StorageError, UserError, unknown
from backfire.scenario import OwnMechanisms, Scenario, stored_scenario
from backfire.simulation import run_members
from backfire.sweeps import store
from backfire.sweeps.planning import SOLVERS, AnySettings


@dataclass(frozen=True)
class Again:
    """One row computed again: ``stored`` and ``computed`` map columns to values."""

    member: int
    arm: str
    stored: Mapping[str, Any]
    computed: Mapping[str, Any]

    @property
    def different(self) -> tuple[str, ...]:
        """Columns that are not the same to the last bit; NaN is the same as NaN."""
        # the shortest text of a number that reads back as it, so two numbers have one text only if all bits agree
        return tuple(name for name, value in self.stored.items() if repr(value) != repr(self.computed[name]))


def rerun(
    folder: Path | str, member: int, arm: str | None = None, mechanisms: OwnMechanisms = ()
) -> tuple[list[Again], dict[str, Any]]:
    """Compute one member of a store again, alone, and give its rows beside the stored ones, and the manifest.

    ``arm`` limits it to one arm; ``mechanisms`` are classes of yours that the scenario uses: files with them are stored
    with the sweep. Raises UserError for a member or arm that is not there, StorageError for a damaged store.
    """
    place = Path(folder)
    rows, manifest = store.read_member(place, member)
    layout, _ = store.read_layout(place)
    if arm is not None and arm not in layout.arms:
        raise UserError(unknown("arm", arm, layout.arms))
    scenario, settings = read_scenario(place, mechanisms)
    samples = np.array([[rows[name][0].as_py() for name in layout.fields]])
    cohort = run_members(scenario, layout.fields, samples, layout.arms, layout.outcomes, settings)
    again = layout.file_schema.table(member, member + 1, layout.columns_of(samples, cohort))
    words = [word for word in layout.columns if word not in ("member", "arm")]
    found = []
    for row, name in enumerate(layout.arms):
        if arm in (None, name):
            found.append(Again(member, name, *({word: table[word][row].as_py() for word in words} for table in (rows, again))))
    return found, manifest


def read_scenario(folder: Path, mechanisms: OwnMechanisms = ()) -> tuple[Scenario, AnySettings]:
    """The scenario and the solver settings that a store was computed with."""
    resolved = store.read_json(folder / "resolved.json")
    try:
        own, name = resolved["identity"]["scenario"].get("own_mechanisms"), resolved["scenario"]["name"]
        scenario = stored_scenario(folder, resolved["document"], name, own, mechanisms)
        solver = dict(resolved["identity"]["solver"])
        return scenario, SOLVERS[solver.pop("name")](**solver)
    except MechanismError:
        raise
    except (KeyError, TypeError, AttributeError, UserError) as error:
        raise StorageError(f"{folder / 'resolved.json'}: is damaged ({error})") from None
