"""The two files that a model read from SBML becomes: a mechanism in Python, and a scenario with its doses."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backfire.errors import ScheduleError
from backfire.exchange.notation import in_full
from backfire.model import CAUTION, Intervention, Part, Regimen

LONGEST_DAYS: Final = 36500
"""Days that a scenario may have."""


@dataclass(frozen=True)
class EventChange:
    """What an event does to a state at a time: state ← state·multiply + add."""

    time: float
    state: str
    multiply: float
    add: float


def agents_of(changes: Iterable[EventChange], units: Mapping[str, str]) -> tuple[list[Intervention], list[Regimen]]:
    """What events do as interventions, and when as regimens: an amount is added (``dose_of_x``), set (``level_of_x``), or left as
    a share (``share_of_x``); ``units`` are those of the states. Raises ScheduleError for what is no dose."""
    agents: dict[str, Intervention] = {}
    times: dict[tuple[str, float], list[float]] = {}
    for change in changes:
        state, unit = change.state, units[change.state]
        if change.multiply == 1 and change.add >= 0:
            item = Intervention(f"dose_of_{state}", f"adds to {state}", unit, adds={state: "amount"})
            amount = change.add
        elif change.multiply == 0 and change.add >= 0:
            item = Intervention(f"level_of_{state}", f"sets {state}", unit, multiplies={state: "0"}, adds={state: "amount"})
            amount = change.add
        elif change.add == 0 and change.multiply >= 0:
            item = Intervention(f"share_of_{state}", f"leaves a share of {state}", "1", multiplies={state: "amount"})
            amount = change.multiply
        else:
            name, factor = f"change_of_{state}_{len(agents) + 1}", f" * {unit}" if unit != "1" else ""
            literal = f"{change.add!r}{factor}"
            item = Intervention(
                name,
                f"changes {state}",
                "1",
                multiplies={state: f"amount * {change.multiply!r}"},
                adds={state: f"amount * {literal}"},
            )
            amount = 1.0
        agents[item.name] = item
        times.setdefault((item.name, amount), []).append(change.time)
    return [*agents.values()], [given for (agent, amount), days in times.items() for given in _runs(agent, amount, sorted(days))]


def _runs(agent: str, amount: float, days: Sequence[float]) -> Iterator[Regimen]:
    """Times as few regimens, each of equal steps."""
    place = 0
    while place < len(days):
        count, every = 1, 0.0
        if place + 1 < len(days):
            every = days[place + 1] - days[place]
            while place + count < len(days) and math.isclose(days[place + count], days[place] + count * every, abs_tol=1e-9):
                count += 1
        try:
            yield Regimen(agent, agent, days[place], amount, every=every if count > 1 else 0.0, count=count)
        except ScheduleError as error:
            raise ScheduleError(f"{agent}, at time {days[place]:g}: {error}") from None
        place += count


def mechanism_file(parts: Sequence[Part], label: str, title: str, plain: bool) -> str:
    """A Python file with one mechanism, a line a part."""
    kinds = sorted({type(part).__name__ for part in parts} | {"Mechanism", "Part"})
    units = "All numbers are plain ones: one unit of the model's time is one day here." if plain else "Units are cells and days."
    head = " ".join(f"{title}, read from an SBML model.".replace("\\", "/").replace('"', "'").split())
    name = "".join(word.capitalize() for word in label.split("_"))
    lines = [
        f'"""{head}',
        "",
        f"Written by backfire; yours to change. {units} {CAUTION.capitalize()}.",
        '"""',
        "",
        "from collections.abc import Iterator",
        "from dataclasses import dataclass",
        "",
        "from backfire import " + ", ".join(kinds),
        "",
        "",
        "@dataclass(frozen=True)",
        f"class {name}(Mechanism):",
        f'    """{head}"""',
        "",
        f'    label = "{label}"',
        "",
        "    def parts(self) -> Iterator[Part]:",
        *(f"        yield {_call(part)}" for part in parts),
    ]
    return "\n".join(lines) + "\n"


def _call(part: Part) -> str:
    """A part as the call that makes it; what is as it comes is left out."""
    given = []
    for item in dataclasses.fields(part):
        value = getattr(part, item.name)
        default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            given.append(f"{item.name}={value!r}")
        elif value != default:
            given.append(f"{item.name}={dict(value) if isinstance(value, Mapping) else value!r}")
    return f"{type(part).__name__}({', '.join(given)})"


def scenario_file(name: str, label: str, title: str, regimens: Sequence[Regimen], days: float) -> str:
    """A TOML file that runs the mechanism, untreated and, if there are events, with them."""
    taken: dict[str, Regimen] = {}
    for item in regimens:
        called = item.agent
        number = 2
        while called in taken:
            called, number = f"{item.agent}_{number}", number + 1
        taken[called] = item
    lines = [
        "# Written by backfire from an SBML model, yours to change. Check it with `backfire check`, run it with `backfire run`.",
        f"title = {json.dumps(title[:200], ensure_ascii=False)}",
        'article = "ours"',
        f"days = {in_full(days)}",
        f'mechanisms_from = ["{name}.py"]  # beside this file; it is your own code, and is run',
        "",
        "[mechanisms]",
        f"{label} = {{}}",
        "",
        "[regimens]",
        *(f"{called} = {{ {_fields(item)} }}" for called, item in taken.items()),
        "",
        "[arms]",
        "untreated = []",
        *([f"as_published = [{', '.join(json.dumps(called) for called in taken)}]"] if taken else []),
    ]
    return "\n".join(lines) + "\n"


def _fields(item: Regimen) -> str:
    often = f", every = {item.every!r}, count = {item.count}" if item.count > 1 else ""
    return f'agent = "{item.agent}", amount = {item.amount!r}, start = {item.start!r}{often}'
