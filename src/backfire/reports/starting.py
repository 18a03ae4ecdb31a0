"""Files to start from: a scenario, and a sweep or claims about one, which check clean and run as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from backfire.errors import CompositionError, nearest
from backfire.scenario import SCENARIO, Scenario, check_folder_name, kind_of_document, load, read_document, shipped_scenarios
from backfire.simulation import outcome_names


def new_scenario(name: str) -> str:
    """A commented scenario file to start from; a shipped name gives a copy of that file."""
    known = shipped_scenarios()
    check_folder_name(name)
    if name in known:
        return known[name].read_text(encoding="utf-8")
    template = known.get(_EXAMPLE)
    if template is None:
        raise CompositionError(["the shipped scenarios are missing from this installation"])
    text = template.read_text(encoding="utf-8")
    body = text[text.index("[mechanisms]") :]
    head = [
        f"# {name}: a copy of {_EXAMPLE} to change. Check it with `backfire check`, run it with `backfire run`.",
        "# Mechanisms: `backfire mechanisms`. Parameters with units, ranges and sources: `backfire explain`.",
        'title   = "One sentence that says what this scenario shows"',
        'article = "ours"',
        *(line for line in text.splitlines() if line.startswith("days")),
    ]
    return "\n".join(head) + "\n\n" + body


def new_sweep(scenario: str | Path) -> str:
    """A commented sweep study of a scenario, by file or shipped name, to be kept beside it; raises DocumentError."""
    loaded, written = _loaded(scenario)
    kept = _outcomes(loaded, [*loaded.arms])
    return "\n".join(
        [
            f"# A sweep of {written} to change. Check it with `backfire check`, run it with `backfire sweep`.",
            'title    = "One sentence that says what is asked"',
            f'scenario = "{written}"{_BESIDE if written.endswith(".toml") else ""}',
            f"arms     = [{_listed(loaded.arms)}]  # all if left out",
            f"outcomes = [{_listed(kept)}]  # all if left out; also peak(…), lowest(…), final(…), mean(…), area(…)",
            "",
            "# kind: grid (every combination), lhs or sobol (members drawn evenly), morris (which field matters), table (a CSV)",
            "[design]",
            'kind = "grid"',
            "",
            f"# What varies: parameters, switches, numbers of regimens. All names: `backfire explain {written}`.",
            "# Without low and high a parameter goes through its plausible range.",
            "[vary]",
            *_varied(loaded),
            "",
            "# [set]                     # what is changed for every member",
            f"# days = {loaded.days:g}",
            "",
        ]
    )


def new_claims(scenario: str | Path) -> str:
    """A commented claims file on a scenario, by file or shipped name, to be kept beside it; raises DocumentError."""
    loaded, written = _loaded(scenario)
    recorded, arm = loaded.network.states[-1].name, [*loaded.arms][-1]
    switched = [f"`with {name} off`" for name in list(loaded.network.switches)[:1]]
    changes = ", ".join([f"`{arm} with growth_rate * 2`", *switched, "`with capacity = 1e9`"])
    head = [
        f"# Claims about {written} to change. Check them with `backfire check`, evaluate them with `backfire claims`.",
        'title    = "One sentence that says what is claimed, and of what"',
        f'scenario = "{written}"{_BESIDE if written.endswith(".toml") else ""}',
        "",
        "# A check compares outcomes of arms: < <= > >=, = … within 5 %, chains, + - * /, `and`.",
        f"# Outcomes: {', '.join(_outcomes(loaded, [*loaded.arms], most=6))} and all others that a run prints;",
        f"# peak, lowest, final, mean and area of anything recorded, such as peak({recorded}, {arm}).",
        f"# An arm may be changed: {changes}.",
        "# label: what figures call it, at most 40 letters; the id if left out.",
        "# role: predicted (as here, if left out), or calibrated if you chose values so that it holds.",
        "# until: days after the start of treatment on which it looks, if not the last day.",
        "",
    ]
    return "\n".join([*head, *(line for claim in _claimed(loaded) for line in (*claim, ""))])


def new_population(scenario: str | Path) -> str:
    """A commented population file on a scenario, by file or shipped name, to be kept beside it; raises DocumentError."""
    loaded, written = _loaded(scenario)
    claims = [claim[-1].split(" = ", 1)[1] for claim in _claimed(loaded)]
    spread = next(item for item in loaded.inputs.values() if item.kind == "parameter" and item.low < item.high)
    arm, middle = [*loaded.arms][-1], (spread.low * spread.high) ** 0.5 or spread.high / 2
    return "\n".join(
        [
            f"# Plausible tumours of {written} to change. Check it with `backfire check`, sample it with `backfire population`.",
            'title    = "One sentence that says what is true of these tumours"',
            f'scenario = "{written}"{_BESIDE if written.endswith(".toml") else ""}',
            'article  = "none"  # only the claims below; left out: the calibrated claims of the article too',
            "members  = 200",
            "",
            "# What is true of every tumour, each under a name of its own: the language of claims (`backfire new --claims`).",
            "[claims]",
            *(f"claim_{number} = {check.strip()}" for number, check in enumerate(claims, start=1)),
            "",
            "# Every parameter varies in its plausible range, unless it is said here how, or that it does not.",
            "[vary]",
            f"# {spread.name} = {{ low = {spread.low:g}, high = {spread.high:g} }}",
            f"# {spread.name} = {{ median = {middle:.3g}, spread = 1.5 }}  # log-normal",
            f"# {spread.name} = false",
            "",
            "# Measured numbers that the tumours must meet together, by weights.",
            "# [[facts]]",
            f'# of = "nadir({arm})"',
            "# low = 1e3     # nine in ten tumours lie between low and high",
            "# high = 1e6",
            "",
        ]
    )


_EXAMPLE = "wnt16b-stroma"
_BESIDE = "  # a file beside this one"


def _loaded(source: str | Path) -> tuple[Scenario, str]:
    """A scenario, and how a file beside it names it.

    A name whose .toml file is a scenario here means that file; one that is like no scenario is about the first example.
    """
    path, known = Path(source), shipped_scenarios()
    beside = path.with_name(f"{path.name}.toml")
    if str(source) not in known and not path.exists():
        # a shell may have made an empty file of this name, to write to
        if beside.is_file() and kind_of_document(read_document(beside)) is SCENARIO:
            path = beside
        elif path.name == str(source) and path.suffix != ".toml" and nearest(path.name, known) is None:
            path = Path(_EXAMPLE)
    return load(path), path.name if path.is_file() else str(path)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


_FIRST = ("final_burden", "time_to_progression", "log_kill_last", "burden_area")
"""Outcomes that most studies ask for first."""


def _outcomes(scenario: Scenario, arms: list[str], most: int = 3) -> list[str]:
    """Some outcomes that all these arms have."""
    named = [*outcome_names(scenario, arms, None).values()]
    shared = [name for name in named[0] if all(name in names for names in named)]
    return sorted(shared, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))[:most]


def _varied(scenario: Scenario) -> Iterator[str]:
    """Two fields: the amount of the first regimen that has one, and a parameter over its plausible range."""
    amount = next(
        (name for name, item in scenario.inputs.items() if name.endswith(".amount") and item.unit and item.value > 0), None
    )
    if amount is not None:
        item = scenario.inputs[amount]
        limits = f"low = {item.value / 4:g}, high = {item.value * 4:g}"
        yield f'{amount} = {{ {limits}, points = 9, scale = "log" }}  # {item.unit}; {item.meaning}'
    spread = [item for item in scenario.inputs.values() if item.kind == "parameter" and item.low < item.high]
    chosen = next((item for item in spread if item.name == "growth_rate"), spread[0])
    yield f"{chosen.name} = {{ points = 5 }}  # {chosen.unit}, from {chosen.low:g} to {chosen.high:g}; {chosen.meaning}"


def _claimed(scenario: Scenario) -> Iterator[tuple[str, ...]]:
    """What a treatment is hoped to do: the reference arm against untreated, every arm that adds to it against it."""
    arms = [*scenario.arms]
    middle = scenario.reference or arms[min(1, len(arms) - 1)]
    adding = [arm for arm in arms if {*scenario.arms[arm]} > {*scenario.arms[middle]}]
    compared = [(middle, scenario.untreated or arms[0]), *((arm, middle) for arm in adding or arms[-1:])]
    for number, (less, more) in enumerate([pair for pair in compared if len(set(pair)) > 1], start=1):
        yield (
            "[[claims]]",
            f'id        = "C{number}"',
            f'statement = "Over the whole time there is less tumour in {less} than in {more}."',
            f'check     = "burden_area({less}) < burden_area({more})"',
        )
    if len(arms) == 1:
        yield ("[[claims]]", 'id        = "C1"', 'statement = "The tumour is never gone."', f'check     = "nadir({arms[0]}) > 1"')
