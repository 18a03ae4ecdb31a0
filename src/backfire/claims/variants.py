"""Claims under other forms of the equations: does a statement hang on the form that we happened to choose?

A form changes one thing and keeps the rest comparable at the first treatment:

- *growth* (logistic, Gompertz, exponential): rate and starting cells are chosen so that on the first day of treatment
  the untreated tumour is as large, and grows as fast, as in the form that the scenario has. Before and after that day,
  and at other sizes, the forms differ: that is what is tested.
- *host response* (saturating, threshold, linear): the linear form is scaled to answer the first dose as strongly as
  the scenario's own form; the threshold form keeps the exposure of half response as its threshold.
- *kill* (log-kill, Norton-Simon): the first dose kills at the same rate per cell, as growth on that day sets the scale.
- *progression* at 1.1, 1.5 or 2 × nadir; *horizon* of 0.75 × and 1.5 × the days, with the same doses; *solver*: a loose
  tolerance, and the solver of cohorts.

A form that a scenario does not have, or in which a claim's names do not exist, is skipped and says so.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np

from backfire.claims.articles import Seed, load_seeds
from backfire.claims.evaluation import Board
from backfire.claims.language import Claim
from backfire.claims.measuring import Renamed, Runner, check_reading, measure, renamed, watched_by
from backfire.claims.verdict import SAMPLED, Verdict, judge
from backfire.errors import BackendLostError, UserError, echo
from backfire.formulas import parse
from backfire.model import STEEPNESS, Mechanism, ResponseForm
from backfire.scenario import Document, Scenario, build, load
from backfire.simulation import run_members, watch
from backfire.solvers import Settings

READ_BY_PROGRESSION: Final = ("time_to_progression", "regrowth_rate")


class Skipped(UserError):  # noqa: N818  a reason, not a failure
    """A form that does not apply; the message says why."""


@dataclass(frozen=True)
class Form:
    """One other form: ``kind`` and ``choice``, such as growth and gompertz; ``label`` as tables show it."""

    kind: str
    choice: str
    label: str


LAWS: Final = ("logistic", "gompertz", "exponential")
KILLS: Final = ("log-kill", "norton-simon")
PROGRESSIONS: Final = (1.1, 1.2, 1.5, 2.0)
HORIZONS: Final = (0.75, 1.5)
SOLVERS: Final = {"LSODA 1e-6": Settings(relative=1e-6, cells=1e-3, absolute=1e-9), "Radau 1e-7": Settings("Radau", 1e-7)}
"""Settings of the reference solver by the choice of a form."""
LAWFUL: Final = Settings(relative=1e-7, cells=1e-4, absolute=1e-10)
"""Settings of the reference solver for other laws."""
COHORT: Final = "cohort"
"""The choice of the solver that cohorts are run with."""

FORMS: Final = (
    *(Form("growth", law, f"{law} growth") for law in LAWS),
    *(Form("response", form, f"{form} response") for form in get_args(ResponseForm)),
    *(Form("kill", law, f"{law} kill") for law in KILLS),
    *(Form("progression", str(level), f"progression at {level:g} × nadir") for level in PROGRESSIONS),
    *(Form("horizon", str(share), f"{share:g} × the days") for share in HORIZONS),
    Form("solver", "LSODA 1e-6", "solver LSODA 1e-6"),
    Form("solver", COHORT, "solver of cohorts"),
)
"""Every form, in the order of tables and figures; a scenario's own form among them is skipped."""


@dataclass(frozen=True)
class Formed:
    """A claim under one form: its verdict and margin, or None and the reason why the form was skipped."""

    form: Form
    verdict: Verdict | None
    margin: float = math.nan
    reason: str = ""


def in_form(scenario: Scenario, form: Form) -> tuple[Scenario, tuple[Renamed, ...]]:
    """The scenario in another form, and the parameters that have other names there; raises Skipped."""
    match form.kind:
        case "growth":
            return _growth(scenario, form.choice), ()
        case "response":
            return _response(scenario, form.choice), ()
        case "kill":
            return _kill(scenario, form.choice)
        case "progression":
            return _progression(scenario, float(form.choice)), ()
        case "horizon":
            return _horizon(scenario, float(form.choice)), ()
        case _:
            return scenario, ()


def flips(formed: Iterable[Formed], usual: Verdict) -> list[Formed]:
    """The forms in which a claim comes to another verdict than it usually does."""
    return [item for item in formed if item.verdict is not None and item.verdict is not usual]


def _of_label(scenario: Scenario, label: str) -> dict[str, Mechanism]:
    return {name: item for name, item in scenario.network.mechanisms.items() if item.label == label}


def _rebuilt(scenario: Scenario, data: dict[str, Any]) -> Scenario:
    document = Document(scenario.document.name, data, scenario.document.lines)
    return build(document, scenario.name, scenario.mechanism_classes.values())


def _edited(
    scenario: Scenario, mechanisms: Iterable[str], option: str, choice: str, values: Mapping[str, float], gone: Iterable[str]
) -> Scenario:
    """The scenario with one option of some mechanisms chosen otherwise, parameters set, and others left out."""
    data = copy.deepcopy(scenario.document.data)
    for label in mechanisms:
        data["mechanisms"][label][option] = choice
    parameters = data.setdefault("parameters", {})
    for name in gone:
        parameters.pop(name, None)
    for name, value in values.items():
        parameters[name] = float(value)
    return _rebuilt(scenario, data)


def first_day(scenario: Scenario) -> float:
    """The first day of treatment of any arm."""
    return watch(scenario, next(iter(scenario.arms))).start


def growing(law: str, cells: float, rate: float, capacity: float, day: float) -> tuple[float, float]:
    """(cells, growth per cell and day) of an untreated tumour on a day, from its start, in closed form."""
    match law:
        case "logistic":
            size = capacity / (1 + (capacity / cells - 1) * math.exp(-rate * day))
            return size, rate * (1 - size / capacity)
        case "gompertz":
            room = math.log(capacity / cells) * math.exp(-rate * day)
            return capacity * math.exp(-room), rate * room
        case _:
            return cells * math.exp(rate * day), rate


def grown(law: str, size: float, speed: float, capacity: float, day: float) -> tuple[float, float]:
    """(starting cells, rate) that make an untreated tumour reach this size and speed on a day: ``growing`` reversed."""
    match law:
        case "logistic":
            rate = speed / (1 - size / capacity)
            return capacity / (1 + (capacity / size - 1) * math.exp(rate * day)), rate
        case "gompertz":
            rate = speed / math.log(capacity / size)
            return capacity * math.exp(-math.log(capacity / size) * math.exp(rate * day)), rate
        case _:
            return size * math.exp(-speed * day), speed


def _at_treatment(scenario: Scenario) -> tuple[float, float]:
    """(cells, growth per cell and day) of the untreated tumour on the first day of treatment."""
    (law,) = {str(vars(item)["law"]) for item in _of_label(scenario, "growth").values()}
    values = scenario.values
    return growing(law, values["starting_cells"], values["growth_rate"], values.get("capacity", math.inf), first_day(scenario))


def _growth(scenario: Scenario, law: str) -> Scenario:
    found = _of_label(scenario, "growth")
    if not found:
        raise Skipped(f"{scenario.name} has no mechanism growth")
    if all(vars(item)["law"] == law for item in found.values()):
        raise Skipped(f"{law} growth is the form that {scenario.name} has")
    size, speed = _at_treatment(scenario)
    gone = ("capacity",) if law == "exponential" else ()
    other = _edited(scenario, found, "law", law, {}, gone)
    capacity = other.values.get("capacity", math.inf)
    if not (0 < size < capacity and speed > 0):
        raise Skipped("the untreated tumour has stopped growing before the first treatment")
    cells, rate = grown(law, size, speed, capacity, first_day(scenario))
    return _edited(scenario, found, "law", law, {"starting_cells": cells, "growth_rate": rate}, gone)


def _response(scenario: Scenario, choice: str) -> Scenario:
    found = {name: item for name, item in scenario.network.mechanisms.items() if "response" in vars(item)}
    if not found:
        raise Skipped(f"{scenario.name} has no host response with a choice of form")
    changed = {name: item for name, item in found.items() if vars(item)["response"] != choice}
    if not changed:
        raise Skipped(f"the {choice} response is the form that {scenario.name} has")
    owners = scenario.network.owners
    halves = [name for name in scenario.values if name.endswith("_response_half") and owners[name] in changed]
    gone = [] if choice == "saturating" else [name.replace("_half", "_hill") for name in halves]
    values = {}
    for half in halves if choice == "linear" else ():
        dose = _first_amount(scenario, half.removesuffix("_half"))
        if dose > 0:
            values[half] = dose / _response_to(scenario, half, dose)
    return _edited(scenario, changed, "response", choice, values, gone)


def _response_to(scenario: Scenario, half: str, dose: float) -> float:
    """The host's answer to an exposure, between 0 and 1, in the form that the scenario has."""
    exponent = scenario.values.get(half.replace("_half", "_hill"), float(STEEPNESS))
    return float(dose**exponent / (scenario.values[half] ** exponent + dose**exponent))


def _first_amount(scenario: Scenario, answer: str) -> float:
    """The amount of the first dose of what calls up a host response; 0 if no arm gives it."""
    definition = next(item for item in scenario.network.definitions if item.name == answer)
    agents = set(parse(definition.formula).names)
    doses = [dose for arm in scenario.arms for dose in scenario.doses(arm) if dose.agent in agents]
    return min(doses, key=lambda dose: dose.time).amount if doses else 0.0


def _kill(scenario: Scenario, law: str) -> tuple[Scenario, tuple[Renamed, ...]]:
    found = _of_label(scenario, "kill")
    if not found:
        raise Skipped(f"{scenario.name} has no mechanism kill")
    if all(vars(item)["law"] == law for item in found.values()):
        raise Skipped(f"{law} kill is the form that {scenario.name} has")
    _, speed = _at_treatment(scenario)
    if not speed > 0:
        raise Skipped("the untreated tumour does not grow on the first day of treatment")
    words, factor = (
        (("kill_rate", "kill_per_growth"), 1 / speed) if law == "norton-simon" else (("kill_per_growth", "kill_rate"), speed)
    )
    agents = sorted({agent for item in found.values() for agent in vars(item)["by"]})
    names = tuple(Renamed(f"{agent}_{words[0]}", f"{agent}_{words[1]}", factor) for agent in agents)
    values = {item.new: scenario.values[item.old] * factor for item in names if item.old in scenario.values}
    return _edited(scenario, found, "law", law, values, [item.old for item in names]), names


def _progression(scenario: Scenario, level: float) -> Scenario:
    if level == scenario.rules.progression:
        raise Skipped(f"{level:g} × nadir is the rule that {scenario.name} has")
    data = copy.deepcopy(scenario.document.data)
    data.setdefault("outcomes", {})["progression"] = level
    return _rebuilt(scenario, data)


def _horizon(scenario: Scenario, share: float) -> Scenario:
    days = share * scenario.days
    last = max((dose.time + dose.duration for arm in scenario.arms for dose in scenario.doses(arm)), default=0.0)
    if last >= days:
        raise Skipped(f"doses until day {last:g} do not fit into {days:g} days")
    try:
        return scenario.changed(days=days)
    except UserError as error:
        raise Skipped(str(error)) from None


def other_forms(
    seeds: Sequence[Seed],
    only: Iterable[str] | None = None,
    chosen: Sequence[Form] = FORMS,
    loaded: Mapping[str, Scenario] | None = None,
    run: Runner = run_members,
    progress: Callable[[str], None] | None = None,
    executor: Executor | None = None,
) -> dict[str, list[Formed]]:
    """Every claim (or those in ``only``) at default parameters under every form, by id.

    ``loaded`` gives scenarios by name in place of the shipped ones. A form whose equations cannot be solved gives the
    verdict *error*. ``executor`` is any executor of ``concurrent.futures`` for what the slow reference solver does; the
    numbers do not depend on it. Raises BackendLostError when it loses what it was given.
    """
    return Trial(seeds, only, chosen, loaded, run, executor).found(progress)


class Trial:
    """Claims under other forms, under way: an executor starts at once, what is left is done by ``found``.

    Arguments as for ``other_forms``.
    """

    def __init__(
        self,
        seeds: Sequence[Seed],
        only: Iterable[str] | None = None,
        chosen: Sequence[Form] = FORMS,
        loaded: Mapping[str, Scenario] | None = None,
        run: Runner = run_members,
        executor: Executor | None = None,
    ) -> None:
        wanted = set(only) if only is not None else {identifier for seed in seeds for identifier in seed.claims}
        self.pairs: dict[str, list[tuple[Seed, str]]] = {}
        for seed in seeds:
            for identifier in (name for name in seed.claims if name in wanted):
                self.pairs.setdefault(seed.scenario_of(identifier), []).append((seed, identifier))
        self.scenarios = {name: (loaded or {}).get(name) or load(name) for name in self.pairs}
        self.chosen, self.run = chosen, run
        self.begun: dict[tuple[str, Form], Future[dict[str, Formed]]] = {}
        if executor is not None:
            self._begin(executor)

    def _begin(self, executor: Executor) -> None:
        """Submit what takes long. What is compiled is left to this process, which has the machine code at hand."""
        if isinstance(executor, ProcessPoolExecutor):
            try:
                pickle.dumps((list(self.scenarios.values()), self.run))
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise UserError(
                    f"cannot be sent to worker processes: {echo(error)}; use functions and classes of a module"
                ) from None
        for name, pairs in self.pairs.items():
            for form in (form for form in self.chosen if by_reference(form)):
                try:
                    self.begun[name, form] = executor.submit(_under, self.scenarios[name], pairs, form, self.run)
                except RuntimeError as error:  # shut down, or broken: BrokenExecutor is one
                    raise _lost(error, f"{name}: {form.label}") from None

    def found(self, progress: Callable[[str], None] | None = None) -> dict[str, list[Formed]]:
        """What the claims came to, by id, forms in their order; ``progress`` is called with each form."""
        found: dict[str, list[Formed]] = {identifier: [] for pairs in self.pairs.values() for _, identifier in pairs}
        here = [(name, form) for name in self.pairs for form in self.chosen if (name, form) not in self.begun]
        every = [claim for seed in load_seeds() for _, claim in seed.claims.values()]
        made: dict[tuple[str, Form], dict[str, Formed]] = {}
        for name, form in [*here, *self.begun]:
            if progress is not None:
                progress(f"{name}: {form.label}")
            if (name, form) in self.begun:
                made[name, form] = _answer(self.begun[name, form], f"{name}: {form.label}")
            else:
                made[name, form] = _under(self.scenarios[name], self.pairs[name], form, self.run, every)
        for name in self.pairs:
            for form in self.chosen:
                for identifier, item in made[name, form].items():
                    found[identifier].append(item)
        return found


def by_reference(form: Form) -> bool:
    """True if a form goes to the reference solver: to compile its equations for one member would not pay."""
    return form.kind in ("growth", "response", "kill") or form.choice in SOLVERS


def _answer(future: Future[dict[str, Formed]], what: str) -> dict[str, Formed]:
    """What an executor found; raises BackendLostError if it is gone."""
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise _lost(error, what) from None


def _lost(error: BaseException, what: str) -> BackendLostError:
    """How a task was lost, in words that help."""
    if not isinstance(error, BrokenExecutor):
        return BackendLostError(f"the executor takes no more work or dropped it ({what}): {echo(error)}")
    return BackendLostError(
        f"a worker process ended abruptly, and with it other forms of the equations ({what}). Was it killed, or out of memory? "
        'A script of yours needs `if __name__ == "__main__":`; --workers 0 does without worker processes'
    )


def _under(
    scenario: Scenario, pairs: Sequence[tuple[Seed, str]], form: Form, run: Runner, every: Iterable[Claim] = ()
) -> dict[str, Formed]:
    """The claims of one scenario under one form; ``every`` are the claims that a kernel serves, if one is used."""
    if form.choice in SOLVERS:
        board = Board(settings=SOLVERS[form.choice], loaded={scenario.name: scenario}, resolved=SAMPLED)
        findings = {identifier: board.finding(seed, identifier) for seed, identifier in pairs}
        return {name: Formed(form, item.verdict, item.margin, item.reason) for name, item in findings.items()}
    try:
        other, names = in_form(scenario, form)
    except Skipped as reason:
        return {identifier: Formed(form, None, reason=str(reason)) for _, identifier in pairs}
    made: dict[str, Formed] = {}
    asked = {}
    for seed, identifier in pairs:
        claim = seed.claims[identifier][1]
        words = renamed(claim, names)
        try:
            if form.kind == "progression" and not any(item.outcome in READ_BY_PROGRESSION for item in words):
                raise Skipped("the claim does not speak of progression")
            for reading in words.values():
                check_reading(other, reading)
        except UserError as reason:
            made[identifier] = Formed(form, None, reason=str(reason))
        else:
            asked[identifier] = (claim, words)
    readings = [reading for _, words in asked.values() for reading in words.values()]
    settings = LAWFUL if by_reference(form) else None
    measured = measure(other, readings, [], np.empty((1, 0)), settings, run, watched=watched_by(every, other))
    for identifier, (claim, words) in asked.items():
        judged = judge(claim, {reading: measured[word] for reading, word in words.items()}, SAMPLED)
        made[identifier] = Formed(form, judged.verdict(), float(judged.margins[0]))
    return made
