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
import dataclasses
import math
import pickle
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from backfire.claims.articles import Topic
from backfire.claims.language import Change, Claim, OutcomeRef
from backfire.claims.measuring import Progress, Runner, evaluate_members
from backfire.claims.verdict import Verdict
from backfire.errors import BackendLostError, UserError, echo
from backfire.formulas import parse
from backfire.model import STEEPNESS, Mechanism, ResponseForm
from backfire.outcomes import declared
from backfire.scenario import Document, Scenario, build
from backfire.simulation import run_members
from backfire.solvers import Settings


class Skipped(UserError):  # noqa: N818  a reason, not a failure
    """A variant that does not apply; the message says why, ``kind`` whether a reader has to know.

    *own*: it is the form that the scenario has; *unrelated*: the claim does not speak of it; *impossible*: the scenario
    has nothing to vary, or its variant cannot be compared.
    """

    def __init__(self, message: str, kind: SkipKind = "impossible") -> None:
        super().__init__(message, kind=kind)
        self.skipped: SkipKind = kind


SkipKind = Literal["own", "unrelated", "impossible"]


@dataclass(frozen=True)
class Variant:
    """One other form: ``kind`` and ``choice``, such as growth and gompertz; ``label`` as tables show it."""

    kind: str
    choice: str
    label: str

    @property
    def settings(self) -> Settings | None:
        """Those of the reference solver, if it is used: to compile other equations for one member would not pay."""
        return LAWFUL if self.kind in ("growth", "response", "kill") else SOLVERS.get(self.choice)


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

VARIANTS: Final = (
    *(Variant("growth", law, f"{law} growth") for law in LAWS),
    *(Variant("response", form, f"{form} response") for form in get_args(ResponseForm)),
    *(Variant("kill", law, f"{law} kill") for law in KILLS),
    *(Variant("progression", str(level), f"progression at {level:g} × nadir") for level in PROGRESSIONS),
    *(Variant("horizon", str(share), f"{share:g} × the days") for share in HORIZONS),
    Variant("solver", "LSODA 1e-6", "solver LSODA 1e-6"),
    Variant("solver", COHORT, "solver of cohorts"),
)
"""Every form, in the order of tables and figures; a scenario's own form among them is skipped."""


@dataclass(frozen=True)
class VariantResult:
    """A claim under one variant: its verdict and margin, or None and why the variant was ``skipped``.

    ``reason`` says in words why it was skipped, or why there is no verdict.
    """

    variant: Variant
    verdict: Verdict | None
    margin: float = math.nan
    reason: str = ""
    skipped: SkipKind | None = None


@dataclass(frozen=True)
class Renamed:
    """A parameter that another form of the equations calls by another name, in another measure.

    What a claim sets ``old`` to is set as ``new`` times ``factor``; what it multiplies is multiplied as before. Without a
    ``new`` name the form is the other one without bound in ``old``: what a claim sets to ``factor`` or more it has anyway.
    """

    old: str
    new: str
    factor: float


NO_CAPACITY: Final = Renamed("capacity", "", 1e20)
"""Exponential growth is growth without a capacity: one of 1e20 cells, a million bodies, is out of sight of any tumour."""


def renamed(claim: Claim, names: Sequence[Renamed]) -> Claim:
    """A claim in the words of another form of the equations."""
    known = {item.old: item for item in names}

    def change(given: Change) -> list[Change]:
        item = known.get(given.name)
        if item is None:
            return [given]
        if not item.new:
            return [] if given.how == "=" and given.value >= item.factor else [given]
        return [Change(item.new, given.how, given.value * (item.factor if given.how == "=" else 1.0))]

    def in_its_words(ref: OutcomeRef) -> OutcomeRef:
        return dataclasses.replace(ref, changes=tuple(sorted(new for given in ref.changes for new in change(given))))

    return claim.replaced(in_its_words)


def in_variant(scenario: Scenario, variant: Variant) -> tuple[Scenario, tuple[Renamed, ...]]:
    """The scenario in another form, and the parameters that have other names there; raises Skipped."""
    if variant.kind == "kill":
        return _kill(scenario, variant.choice)
    change = {"growth": _growth, "response": _response, "progression": _progression, "horizon": _horizon}.get(variant.kind)
    unbounded = variant.kind == "growth" and variant.choice == "exponential"
    return (change(scenario, variant.choice) if change else scenario), (NO_CAPACITY,) if unbounded else ()


def flips(results: Iterable[VariantResult], usual: Verdict) -> list[VariantResult]:
    """The variants in which a claim comes to another verdict than it usually does."""
    return [item for item in results if item.verdict is not None and item.verdict is not usual]


def _of_label(scenario: Scenario, label: str) -> dict[str, Mechanism]:
    return {name: item for name, item in scenario.network.mechanisms.items() if item.label == label}


def _with_other_law(scenario: Scenario, label: str, law: str) -> dict[str, Mechanism]:
    """The mechanisms of a label, by name; raises Skipped if there are none, or all have this law."""
    found = _of_label(scenario, label)
    if not found:
        raise Skipped(f"{scenario.name} has no mechanism {label}")
    if all(vars(item)["law"] == law for item in found.values()):
        raise Skipped(f"{law} {label} is the form that {scenario.name} has", "own")
    return found


def _rebuilt(scenario: Scenario, data: dict[str, Any]) -> Scenario:
    document = Document(scenario.document.name, data, scenario.document.lines)
    return build(document, scenario.name, scenario.library)


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
        item = scenario.inputs.get(name)
        if item is None or item.per_unit == 1.0:
            parameters[name] = float(value)
        else:  # claims speak of it in the unit of the file
            parameters[name] = {"value": float(value) / item.per_unit, "unit": item.unit}
    return _rebuilt(scenario, data)


def first_day(scenario: Scenario) -> float:
    """The first day of treatment of any arm."""
    return scenario.time_zero


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
    found = _with_other_law(scenario, "growth", law)
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
        raise Skipped(f"the {choice} response is the form that {scenario.name} has", "own")
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
    found = _with_other_law(scenario, "kill", law)
    _, speed = _at_treatment(scenario)
    if not speed > 0:
        raise Skipped("the untreated tumour does not grow on the first day of treatment")
    old, new, factor = ("kill_rate", "kill_per_growth", 1 / speed)
    if law == "log-kill":
        old, new, factor = new, old, speed
    agents = sorted({agent for item in found.values() for agent in vars(item)["by"]})
    inputs = {agent: scenario.inputs[f"{agent}_{old}"] for agent in agents if f"{agent}_{old}" in scenario.inputs}
    names = tuple(Renamed(item.name, f"{agent}_{new}", factor * item.per_unit) for agent, item in inputs.items())
    values = {item.new: scenario.inputs[item.old].value * item.factor for item in names}
    return _edited(scenario, found, "law", law, values, [item.old for item in names]), names


def _progression(scenario: Scenario, choice: str) -> Scenario:
    level = float(choice)
    if level == scenario.rules.progression:
        raise Skipped(f"{level:g} × nadir is the rule that {scenario.name} has", "own")
    data = copy.deepcopy(scenario.document.data)
    data.setdefault("outcomes", {})["progression"] = level
    return _rebuilt(scenario, data)


def _horizon(scenario: Scenario, choice: str) -> Scenario:
    days = float(choice) * scenario.days
    last = max((dose.time + dose.duration for arm in scenario.arms for dose in scenario.doses(arm)), default=0.0)
    if last >= days:
        raise Skipped(f"doses until day {last:g} do not fit into {days:g} days")
    try:
        return scenario.changed(days=days)
    except UserError as error:
        raise Skipped(str(error)) from None


class VariantTrial:
    """The claims of one topic at default parameters under variants, under way: ``results`` does or awaits what is left.

    A variant whose equations cannot be solved gives the verdict *error*. ``executor`` is any executor of
    ``concurrent.futures`` for what the slow reference solver does, which it starts at once; the numbers do not depend on
    it. Raises BackendLostError when the executor loses what it was given.
    """

    def __init__(
        self,
        topic: Topic,
        chosen: Sequence[Variant] = VARIANTS,
        run: Runner = run_members,
        executor: Executor | None = None,
    ) -> None:
        self.topic, self.chosen, self.run = topic, chosen, run
        self.begun: dict[Variant, Future[dict[str, VariantResult]]] = {}
        if executor is not None:
            self._begin(executor)

    def _begin(self, executor: Executor) -> None:
        """Submit what takes long. What is compiled is left to this process, which has the machine code at hand."""
        if isinstance(executor, ProcessPoolExecutor):
            try:
                pickle.dumps((self.topic.scenario, self.run))
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise UserError(
                    f"cannot be sent to worker processes: {echo(error)}; use functions and classes of a module"
                ) from None
        for variant in (variant for variant in self.chosen if variant.settings is not None):
            try:
                self.begun[variant] = executor.submit(_under, self.topic, variant, self.run)
            except RuntimeError as error:  # shut down, or broken: BrokenExecutor is one
                raise self._lost(error, variant) from None

    def results(self, progress: Progress | None = None) -> dict[str, list[VariantResult]]:
        """What the claims came to, by id, variants in their order; ``progress`` is called with each variant."""
        made: dict[Variant, dict[str, VariantResult]] = {}
        for variant in sorted(self.chosen, key=self.begun.__contains__):  # own work first
            if progress is not None:
                progress(f"{self.topic.scenario.name}: {variant.label}")
            if variant in self.begun:
                try:
                    made[variant] = self.begun[variant].result()
                except (BrokenExecutor, CancelledError) as error:
                    raise self._lost(error, variant) from None
            else:
                made[variant] = _under(self.topic, variant, self.run)
        return {name: [made[variant][name] for variant in self.chosen] for name in self.topic.claims}

    def _lost(self, error: BaseException, variant: Variant) -> BackendLostError:
        """How a task was lost, in words that help."""
        what = f"{self.topic.scenario.name}: {variant.label}"
        if not isinstance(error, BrokenExecutor):
            return BackendLostError(f"the executor takes no more work or dropped it ({what}): {echo(error)}")
        return BackendLostError(
            f"a worker process ended abruptly, and with it other forms of the equations ({what}). Was it killed, or out of "
            'memory? A script of yours needs `if __name__ == "__main__":`; --workers 0 does without worker processes'
        )


def _under(topic: Topic, variant: Variant, run: Runner) -> dict[str, VariantResult]:
    """The claims of one scenario under one variant."""
    try:
        scenario, names = in_variant(topic.scenario, variant)
    except Skipped as reason:
        return dict.fromkeys(topic.claims, VariantResult(variant, None, reason=str(reason), skipped=reason.skipped))
    made: dict[str, VariantResult] = {}
    asked = {}
    for name, claim in topic.claims.items():
        if variant.kind == "progression" and not any("progression" in declared(ref.outcome).rules for ref in claim.refs()):
            made[name] = VariantResult(variant, None, reason="the claim does not speak of progression", skipped="unrelated")
        else:
            asked[name] = renamed(claim, names)
    found = evaluate_members(scenario, asked, settings=variant.settings, run=run)
    for name, item in found.items():
        if item.refused:
            made[name] = VariantResult(variant, None, reason=item.refused, skipped="impossible")
        else:
            made[name] = VariantResult(variant, item.judged.verdict(), float(item.judged.margins[0]), item.reason())
    return made
