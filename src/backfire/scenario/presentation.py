"""What a scenario is shown by: the arm that others are compared with, and the names whose courses figures draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from backfire.errors import unknown
from backfire.model import Network, Regimen

USUAL: Final = "monotherapy"
"""The arm that others are compared with where a file has one of this name and names no other."""


def reference_arm(
    named: str | None, arms: Mapping[str, Sequence[str]], regimens: Mapping[str, Regimen], network: Network
) -> tuple[str | None, str]:
    """The arm that others are compared with besides untreated, and in words how it was found.

    That is the one the file names, else ``monotherapy``, and there are no words. Else it is the arm whose agents most other
    arms add something to, with an agent that kills before one that does not; else the first of several treated arms;
    (None, "") where there is nothing to compare. What has no dose, as surgery, is no agent here.
    """
    usual = USUAL if USUAL in arms else None
    if named or usual:
        return named or usual, ""
    dosed = {name for name, item in network.interventions.items() if item.amount_unit or item.switches}
    given = {arm: {regimens[name].agent for name in names} & dosed for arm, names in arms.items()}
    treated = [arm for arm, agents in given.items() if agents]
    added = {arm: sum(given[arm] < given[other] for other in treated) for arm in treated}
    alone = [arm for arm in treated if added[arm]]
    if alone:
        best = min(alone, key=lambda arm: (given[arm].isdisjoint(network.killers), -added[arm]))
        return best, f"gives {', '.join(sorted(given[best]))} alone, to which other arms add something"
    return (treated[0], "is the first treated arm") if len(treated) > 1 else (None, "")


def unknown_shown(names: Iterable[str], network: Network) -> str:
    """What is wrong with the names that figures shall draw, with the nearest right one; empty if they are all recorded."""
    recorded = [*network.state_names, *network.observables]
    wrong = [unknown("recorded value", name, recorded) for name in names if name not in recorded]
    return "; ".join(map(str, wrong))
