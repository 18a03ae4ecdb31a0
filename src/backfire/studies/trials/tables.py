"""The tables of a trial, and what has to be said beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from backfire.claims import SCREENED
from backfire.formatting import number, short
from backfire.studies.folder import Rows
from backfire.studies.statistics import POWER, Estimate, Needed, share
from backfire.studies.trials.endpoints import DIED, SURGERY
from backfire.studies.trials.progression import SEEN, ProgressionReadings

if TYPE_CHECKING:
    from backfire.studies.trials.numbers import TrialNumbers


def notes_of(trial: TrialNumbers) -> list[str]:
    """What was assumed, left out, or could not be had."""
    spec = trial.spec
    followed = (
        f"{len(trial.kept)} patients, each simulated under every arm ({spec.tumours.source}); followed {spec.follow_up:g} days, "
        f"entering over {spec.accrual:g} days, {100 * spec.dropout:g} % lost within the follow-up"
    )
    made = [
        followed,
        "intervals 95 %; curves, log-rank test and hazard ratio as if every arm had its own patients, gains of the same patients",
    ]
    if trial.left_out:
        made.append(f"{trial.left_out} of {trial.drawn} patients could not be simulated in every arm and are left out of all")
    if spec.visits is not None:
        made.append(f"measured every {spec.visits:g} days; {spec.criteria}")
    for name in spec.endpoints:
        horizon = trial.horizon(name)
        if horizon <= 0:
            made.append(f"{name}: no restricted means, for in some arm nobody is followed beyond time zero")
        elif horizon < spec.follow_up - 1e-9:
            made.append(f"{name}: restricted means end on day {horizon:g}, where the follow-up of the first arm ends")
    made += _censoring(trial)
    made += [f"{item.endpoint}, {item.arm}: {item.problem}" for item in trial.comparisons if item.problem]
    changing = [item for item in trial.comparisons if item.ratio and not item.ratio.constant]
    if changing:
        named = ", ".join(dict.fromkeys(f"{item.endpoint} under {item.arm}" for item in changing))
        made.append(
            f"hazards are not proportional ({named}): the hazard ratio is an average that hangs on the follow-up; read the gains"
        )
    return made


def _censoring(trial: TrialNumbers) -> Iterator[str]:
    """Censoring that is not by chance."""
    for name, (_, _, reason) in trial.followed.items():
        for why, words in ((DIED, "died before it"), (SURGERY, "lost their primary before it")):
            count = int((reason == why).any(axis=1).sum())
            if count:
                yield f"{name}: {count} patients {words} in some arm and are censored then; gains count up to then"


def tables_of(trial: TrialNumbers) -> dict[str, Rows]:
    """Every table by name."""
    made: dict[str, Rows] = {
        "times": [("patient", "arm", "endpoint", "time", "event", "reason"), *_times(trial)],
        "patients": [("patient", "entry", "followed", *trial.simulated.fields), *_patients(trial)],
        "arms": [_ARMS, *_arms(trial)],
        "comparisons": [_COMPARED, *_comparisons(trial)],
        "power": [("endpoint", "arm", "per_arm", "power"), *_power(trial)],
        "gaining": [("endpoint", "arm", "input", "distance", "chance", "gain_at"), *_gaining(trial)],
    }
    if trial.seen is not None:
        made["response"] = [("patient", "arm", "first_mm", "best_change", "response", "progression"), *_response(trial)]
    if trial.readings:
        made["progression"] = [_READ, *_readings(trial)]
        made["delays"] = [_DELAYS, *_delays(trial)]
    return made


def _times(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    for name, (time, event, reason) in trial.followed.items():
        for row, patient in enumerate(trial.kept.tolist()):
            for place, arm in enumerate(trial.simulated.arms):
                yield patient, arm, name, float(time[row, place]), int(event[row, place]), str(reason[row, place])


def _patients(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    for row, patient in enumerate(trial.kept.tolist()):
        yield patient, float(trial.entry[row]), float(trial.until[row]), *trial.simulated.values[row].tolist()


_ARMS = (
    "endpoint",
    "arm",
    "patients",
    "events",
    "median",
    "median_low",
    "median_high",
    "mean",
    "mean_low",
    "mean_high",
    "horizon",
)


def _arms(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    for item in trial.summaries:
        yield item.endpoint, item.arm, item.patients, item.events, *item.median.row, *item.mean.row, item.horizon


_COMPARED = (
    "endpoint", "arm", "gain", "gain_low", "gain_high", "gain_q05", "gain_q50", "gain_q95", "gaining", "gaining_low",
    "gaining_high", "harmed", "harmed_low", "harmed_high", "mean_difference", "mean_difference_low", "mean_difference_high",
    "hazard_ratio", "hazard_ratio_low", "hazard_ratio_high", "proportional_chance", "log_rank_z", "log_rank_chance",
)  # fmt: skip


def _comparisons(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    for item in trial.comparisons:
        gaining, harmed = item.gains.shares()
        ratio = (*item.ratio.ratio.row, item.ratio.proportional) if item.ratio else (math.nan,) * 4
        test = (item.test.statistic, item.test.chance) if item.test else (math.nan,) * 2
        yield (
            item.endpoint, item.arm, *item.gains.mean.row, *item.gains.quantiles, *gaining.row, *harmed.row,
            *item.mean_difference.row, *ratio, *test,
        )  # fmt: skip


def _power(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    for arm, found in trial.needed.items():
        if isinstance(found, Needed):
            for size, power in zip(found.sizes, found.power, strict=True):
                yield trial.spec.endpoints[0], arm, size, power


def _gaining(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    for item in trial.comparisons:
        for found in item.gains.deciding(trial.simulated.fields, trial.simulated.values):
            yield item.endpoint, item.arm, found.parameter, found.statistic, found.chance, "high" if found.higher else "low"


def _response(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    assert trial.seen is not None
    best, kinds, progression = trial.seen.best_change, trial.seen.response, trial.seen.progression
    for row, patient in enumerate(trial.kept.tolist()):
        for place, arm in enumerate(trial.simulated.arms):
            first = float(trial.seen.diameters[row, place, 0])
            yield patient, arm, first, float(best[row, place]), str(kinds[row, place]), float(progression[row, place])


_READ = ("patient", "arm", "own", "own_event", "at_visits", "at_visits_event", "confirmed", "confirmed_event")


def _readings(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    """Days of progression by every reading, or up to which there was none."""
    for item in trial.readings:
        found = (item.own, *(item.seen[how] for how in SEEN))
        for place, patient in enumerate(trial.kept[item.patients].tolist()):
            cells = [(float(times.days[place]), int(times.observed[place])) for times in found]
            yield patient, item.arm, *(cell for pair in cells for cell in pair)


_DELAYS = (
    "arm", "read", "patients", "own_events", "events", "delay", "delay_low", "delay_high", "unseen", "unseen_low", "unseen_high",
)  # fmt: skip


def _delays(trial: TrialNumbers) -> Iterator[tuple[Any, ...]]:
    for item in trial.readings:
        for how in SEEN:
            counts = len(item.patients), item.own.events, item.seen[how].events
            yield item.arm, how, *counts, *item.delay(how).row, *item.unseen(how).row


def between(item: Estimate, unit: str = "") -> str:
    """12.3 (10.1 to 14.5), or what is not reached; a dash where there is none."""
    if math.isnan(item.value):
        return "–"
    if math.isinf(item.value) and math.isinf(item.low):
        return "not reached"
    value, low, high = (short(part, 3) if math.isfinite(part) else "not reached" for part in item.row)
    return f"{value}{unit} ({low} to {high})"


def percent(item: Estimate) -> str:
    """12 % (9 to 15)."""
    return f"{100 * item.value:.0f} % ({100 * item.low:.0f} to {100 * item.high:.0f})"


def arm_rows(trial: TrialNumbers) -> list[tuple[Any, ...]]:
    """The arms as a reader sees them, first the names of the columns."""
    rows: list[tuple[Any, ...]] = [("endpoint", "arm", "events", "median (days)", "mean to day", "restricted mean (days)")]
    for item in trial.summaries:
        events = f"{item.events} of {item.patients}"
        rows.append((item.endpoint, item.arm, events, between(item.median), number(item.horizon), between(item.mean)))
    return rows


def comparison_rows(trial: TrialNumbers) -> list[tuple[Any, ...]]:
    """The comparisons as a reader sees them: gains first; hazard ratios that clearly change over time are marked."""
    heads = (
        "endpoint",
        f"against {trial.spec.reference}",
        "gain (days)",
        "gaining",
        "harmed",
        "hazard ratio (! not proportional)",
    )
    rows: list[tuple[Any, ...]] = [heads]
    for item in trial.comparisons:
        gaining, harmed = item.gains.shares()
        ratio = "–" if item.ratio is None else between(item.ratio.ratio) + ("" if item.ratio.constant else " !")
        rows.append((item.endpoint, item.arm, between(item.gains.mean), percent(gaining), percent(harmed), ratio))
    return rows


def needed_lines(trial: TrialNumbers) -> list[str]:
    """How many patients a real trial would need, in sentences."""
    lines, reference = [], trial.spec.reference
    for arm, found in trial.needed.items():
        if isinstance(found, str):
            lines.append(f"{arm}: {found}")
        elif math.isinf(found.patients):
            tried, power = found.sizes[-1], round(100 * found.power[-1])
            lines.append(f"{arm}: {tried} patients per arm find the difference to {reference} in {power} % of trials only")
        else:
            most = f"{found.patients:g} patients per arm"
            lines.append(f"{arm}: {most} find the difference to {reference} in {100 * POWER:g} % of trials")
    return lines


def response_rows(trial: TrialNumbers) -> list[tuple[Any, ...]]:
    """Best responses by arm, in per cent of the patients."""
    if trial.seen is None:
        return []
    kinds = trial.seen.response
    rows: list[tuple[Any, ...]] = [("arm", "CR", "PR", "SD", "PD", "NE", "objective response")]
    for place, arm in enumerate(trial.simulated.arms):
        counts = [int((kinds[:, place] == kind).sum()) for kind in ("CR", "PR", "SD", "PD", "NE")]
        rows.append((arm, *counts, percent(share(counts[0] + counts[1], int(np.sum(counts))))))
    return rows


def delay_lines(trial: TrialNumbers) -> list[str]:
    """How much later than the model's own progression it is seen in every arm, in sentences."""
    return [f"{item.arm}: {'; '.join(delay_in_words(item, how) for how in SEEN)}" for item in trial.readings]


def delay_in_words(item: ProgressionReadings, how: str) -> str:
    """The median delay of one reading with its interval: infinite where it is not seen, minus infinite where nothing else is."""
    delay = item.delay(how)
    if math.isnan(delay.value):
        return f"{how}: no progression"
    if math.isinf(delay.value) and delay.low == delay.value == delay.high:
        return f"{how}: {_UNSEEN[delay.value]} in most patients"
    value, *ends = (_UNSEEN.get(days) or short(days, 3) for days in delay.row)
    return f"{how}: {value}{' days later' if math.isfinite(delay.value) else ''} ({' to '.join(ends)})"


_UNSEEN = {math.inf: "not seen", -math.inf: "only seen"}


def gaining_lines(trial: TrialNumbers) -> list[str]:
    """Who gains, in sentences."""
    if trial.spec.compared and len(trial.kept) < SCREENED:
        return [f"who gains: too few patients to say it ({len(trial.kept)}, at least {SCREENED} are needed)"]
    found: dict[tuple[str, str], list[str]] = {}
    for row in _gaining(trial):
        endpoint, arm, name, distance, _, side = row
        found.setdefault((endpoint, arm), []).append(f"{name} {'↑' if side == 'high' else '↓'} {distance:.2f}")
    return [f"who gains from {arm} ({endpoint}): {', '.join(names)}" for (endpoint, arm), names in found.items()]
