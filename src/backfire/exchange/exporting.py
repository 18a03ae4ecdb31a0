"""``export`` writes a scenario for other tools, in any of the formats of ``formats``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal, overload

from backfire.errors import UserError
from backfire.exchange.formats import format_named
from backfire.scenario import Scenario, chosen_arms
from backfire.system import write_whole


@overload
def export(
    scenario: Scenario, arm: str | None = None, to: Literal["sbml", "antimony"] = "sbml", out: Path | str | None = None
) -> str: ...
@overload
def export(scenario: Scenario, arm: str | None = None, *, to: Literal["omex"], out: Path | str | None = None) -> bytes: ...
@overload
def export(scenario: Scenario, arm: str | None = None, to: str = "sbml", out: Path | str | None = None) -> str | bytes: ...
def export(scenario: Scenario, arm: str | None = None, to: str = "sbml", out: Path | str | None = None) -> str | bytes:
    """A scenario for other tools: ``to`` is ``sbml`` or ``antimony`` (text of one arm) or ``omex`` (an archive, as bytes).

    Without ``arm``, text is of the reference arm (the first arm if there is none), and the archive has all arms.
    ``out`` is a file to write as well. SBML and OMEX need the extra ``backfire[sbml]``; OMEX simulates the arms.
    Raises UserError for unknown arms and formats and if libSBML is missing, StorageError if ``out`` cannot be written.
    """
    form = format_named(to)
    arms = chosen_arms(scenario, None if arm is None else [arm])
    if form.needs_libsbml and importlib.util.find_spec("libsbml") is None:
        raise UserError("SBML needs libSBML, which is not installed: pip install 'backfire[sbml]'")
    content = form.write(scenario, arms if form.whole and arm is None else [arm or default_arm(scenario)])
    if out is not None:
        write_whole(Path(out), content)
    return content


def default_arm(scenario: Scenario) -> str:
    """The arm that is exported if none is named: the reference arm, else the first."""
    return scenario.reference or next(iter(scenario.arms))


def renamed_ids(scenario: Scenario, arm: str | None = None, to: str = "sbml") -> dict[str, str]:
    """Name → id of everything that a file of ``export`` calls otherwise than the scenario does.

    Words that a format keeps for itself come first (``gamma`` is ``gamma_`` in Antimony), then switches, whose names have
    a dot (``stroma.protects_kill`` is ``switch__stroma__protects_kill`` everywhere). The header of the file says so too.
    """
    form = format_named(to)
    switches = {item.name: item.code for item in scenario.network.switches.values()}
    return {**form.renamed(scenario, arm or default_arm(scenario)), **switches}
