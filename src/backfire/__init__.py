"""backfire simulates why treated tumours come back. Illustrative, not clinically calibrated.

    import backfire

    scenario = backfire.load("wnt16b-stroma")          # or a path, or backfire.parse(toml_text)
    result = backfire.simulate(scenario)
    result.table()                                     # outcomes of all arms, as a DataFrame
    backfire.plots.comparison(result).savefig("a.png")

Everything below is imported when it is first used, so that importing backfire costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "BackfireError": "errors",
    "Definition": "parts",
    "Influence": "parts",
    "Intervention": "parts",
    "Mechanism": "parts",
    "Network": "network",
    "Outcome": "outcomes",
    "Parameter": "parts",
    "Part": "parts",
    "Process": "parts",
    "Result": "simulation",
    "Scenario": "scenario",
    "Settings": "solvers.reference",
    "State": "parts",
    "Trajectory": "trajectory",
    "compose": "network",
    "explain": "explanation",
    "export": "omex",
    "load": "scenario",
    "option": "parts",
    "parse": "scenario",
    "read_run": "runs",
    "redraw": "study",
    "run": "study",
    "shipped_scenarios": "scenario",
    "simulate": "simulation",
    "sweep": "sweeps",
}
_MODULES = ("plots",)

__all__ = [*_HOMES, *_MODULES]  # noqa: PLE0604  the one list of public names

if TYPE_CHECKING:
    from backfire import plots as plots
    from backfire.errors import BackfireError as BackfireError
    from backfire.explanation import explain as explain
    from backfire.network import Network as Network
    from backfire.network import compose as compose
    from backfire.omex import export as export
    from backfire.outcomes import Outcome as Outcome
    from backfire.parts import Definition as Definition
    from backfire.parts import Influence as Influence
    from backfire.parts import Intervention as Intervention
    from backfire.parts import Mechanism as Mechanism
    from backfire.parts import Parameter as Parameter
    from backfire.parts import Part as Part
    from backfire.parts import Process as Process
    from backfire.parts import State as State
    from backfire.parts import option as option
    from backfire.runs import read_run as read_run
    from backfire.scenario import Scenario as Scenario
    from backfire.scenario import load as load
    from backfire.scenario import parse as parse
    from backfire.scenario import shipped_scenarios as shipped_scenarios
    from backfire.simulation import Result as Result
    from backfire.simulation import simulate as simulate
    from backfire.solvers.reference import Settings as Settings
    from backfire.study import redraw as redraw
    from backfire.study import run as run
    from backfire.sweeps import sweep as sweep
    from backfire.trajectory import Trajectory as Trajectory


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"backfire.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"backfire.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'backfire' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
