"""The figures of a trial: survival of every endpoint, gains of the same patients, response."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from backfire.figures.study import (
    ProgressionPanel,
    SurvivalLine,
    TwinPanel,
    progression_plots,
    response_plots,
    survival_curves,
    twin_gains,
)
from backfire.formatting import display_name, short
from backfire.outcomes import declared
from backfire.studies.statistics import Needed, Times, survival_curve
from backfire.studies.trials.endpoints import NAMED, PROGRESSION_FREE
from backfire.studies.trials.progression import AT_VISITS, CONFIRMED, SEEN
from backfire.studies.trials.tables import between, delay_in_words, gaining_lines, notes_of, percent

if TYPE_CHECKING:
    from backfire.studies.trials.numbers import TrialNumbers


MEDIANS: Final = 4
HAZARDS: Final = 2
"""Of so many arms medians and hazard ratios stand above the curves; of more only in the table."""


def endpoint_in_words(name: str) -> str:
    """What comes to a patient, as figures call it."""
    named = {**dict.fromkeys(NAMED, name), PROGRESSION_FREE: "progression or death"}
    return named.get(name) or declared(name).titled(name).removeprefix("first day of ")


def trial_figures(trial: TrialNumbers) -> Iterator[tuple[str, Any]]:
    """Pairs (name of the file without its ending, matplotlib figure)."""
    spec, hashes = trial.spec, {trial.spec.scenario.name: trial.spec.scenario.hash}
    said = notes_of(trial)
    who = [" · ".join([said[0], *(words for words in said if "are left out" in words), *([spec.note] if spec.note else [])])]
    for place, name in enumerate(spec.endpoints):
        remarks, words = [*who, *_medians(trial, name), *_compared(trial, name)], endpoint_in_words(name)
        figure = survival_curves(spec.title, remarks, words, _lines(trial, name), trial.horizon(name), hashes)
        yield f"survival-{place + 1}", figure
    for place, name in enumerate(spec.endpoints if spec.compared else ()):
        remarks, panels = [*who, *_gainers(trial, name)], _panels(trial, name, powered=place == 0)
        figure = twin_gains(spec.title, remarks, endpoint_in_words(name), spec.reference, panels, spec.follow_up, hashes)
        yield f"twins-{place + 1}", figure
    if trial.seen is not None:
        yield "response", _response(trial, spec.title)
    if trial.readings:
        yield "progression", _progression(trial, said[0])


def _gainers(trial: TrialNumbers, name: str) -> list[str]:
    """Who gains, in one line."""
    found = [words for words in gaining_lines(trial) if f"({name})" in words]
    return ["   ·   ".join(found)] if found else []


def _medians(trial: TrialNumbers, name: str) -> list[str]:
    """The medians of few arms; of more they stand in the table."""
    found = [f"{display_name(item.arm)} {between(item.median)}" for item in trial.summaries if item.endpoint == name]
    return [f"Median (days): {'; '.join(found)}"] if len(found) <= MEDIANS else []


def _compared(trial: TrialNumbers, name: str) -> list[str]:
    """What is said of an endpoint above its curves: gains first; hazard ratios of few arms, with their check."""
    found = [item for item in trial.comparisons if item.endpoint == name]
    if not found:
        return []
    few = len(found) <= HAZARDS
    made = []
    for item in found:
        gaining, harmed = item.gains.shares()
        shares = f"{100 * gaining.value:.0f} % gain, {100 * harmed.value:.0f} % are harmed"
        words = f"{display_name(item.arm)} {between(item.gains.mean)}, {shares}"
        if few and item.ratio:
            words += f", hazard ratio {between(item.ratio.ratio)}{'' if item.ratio.constant else ' but NOT proportional'}"
        made.append(words)
    return [f"Days that the same patients gain over {display_name(trial.spec.reference)}: {'; '.join(made)}"]


def _lines(trial: TrialNumbers, name: str) -> list[SurvivalLine]:
    means = {item.arm: item.mean for item in trial.summaries if item.endpoint == name}
    made = []
    for arm in trial.spec.arms:
        times, mean = trial.times[name, arm], means[arm]
        curve = survival_curve(times)
        drawn = (curve.days, curve.survival, curve.low, curve.high, curve.last)
        told = (mean.value, mean.low, mean.high)
        made.append(SurvivalLine(arm, *drawn, times.days, times.observed.astype(float), told))
    return made


def _panels(trial: TrialNumbers, name: str, powered: bool) -> list[TwinPanel]:
    made = []
    for arm in trial.spec.compared:
        gains = trial.gains(name, arm)
        gaining, harmed = gains.shares()
        said = [f"mean {between(gains.mean)} days", f"gaining {percent(gaining)}", f"harmed {percent(harmed)}"]
        needed = trial.needed[arm] if powered else ""
        if isinstance(needed, Needed):
            said.append(f"{short(needed.patients, 3)} per arm for 80 %" if np.isfinite(needed.patients) else "no trial finds it")
            made.append(TwinPanel(arm, gains.days, gains.margin, said, needed.sizes, needed.power))
        else:
            made.append(TwinPanel(arm, gains.days, gains.margin, said))
    return made


def _response(trial: TrialNumbers, said: str) -> Any:
    seen = trial.seen
    assert seen is not None
    first = seen.diameters[:, :, :1]
    with np.errstate(invalid="ignore", divide="ignore"):
        changes = np.where(seen.judged & (first > 0), seen.diameters / first - 1.0, np.nan)
    followed = np.minimum(seen.last, trial.until[:, None])
    hashes = {trial.spec.scenario.name: trial.spec.scenario.hash}
    return response_plots(
        said, [notes_of(trial)[0], f"{seen.criteria}"], trial.simulated.arms, seen.best_change, seen.response, seen.days, changes,
        seen.progression, followed, hashes,
    )  # fmt: skip


def _progression(trial: TrialNumbers, who: str) -> Any:
    spec, panels = trial.spec, []
    for item in trial.readings:
        unseen = item.unseen(CONFIRMED)
        said = [*(delay_in_words(item, how) for how in SEEN), f"not confirmed: {percent(unseen)}" if item.own.events else ""]
        own, *others = (_steps(times) for times in (item.own, *(item.seen[how] for how in SEEN)))
        last = max(float(times.days.max()) for times in (item.own, *item.seen.values()))
        panels.append(ProgressionPanel(item.arm, own, others[0], others[1], last, said))
    criteria = dataclasses.replace(spec.criteria, confirmed=False)
    told = [f"{who} · measured every {spec.visits:g} days; {criteria}", f"Delay: {_DELAY}"]
    mark = " (counts in this trial)"
    named = {
        "own": f"the model's own, on its day ({spec.scenario.rules.threshold}, in cells)",
        "visits": f"{AT_VISITS}{'' if spec.criteria.confirmed else mark}",
        "confirmed": f"{CONFIRMED} at the next visit{mark if spec.criteria.confirmed else ''}",
    }
    hashes = {spec.scenario.name: spec.scenario.hash}
    return progression_plots(spec.title, told, panels, max(panel.last for panel in panels), named, hashes)


_DELAY: Final = (
    "days from the model's own progression to that seen, median (95 % interval) of patients with either while followed; one not "
    "seen is later than any"
)


def _steps(times: Times) -> tuple[Any, Any]:
    curve = survival_curve(times)
    return curve.days, curve.survival
