"""The catalogue of outcomes: every number that is read off a course, declared once.

A declaration says what an outcome is (name, unit, meaning), what must be recorded for it, how it follows from what a
reader finds (``Features``), and how it is shown: title, which end is better, where it appears and in which order. Tables,
figures, bars, claims, sweeps, pages and schema are computed from it. To add an outcome, add a declaration.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

import numpy as np

from backfire.formatting import display_name, number, unit_in_words, with_unit
from backfire.outcomes.features import Bools, Features
from backfire.outcomes.rules import HOST_LOAD, ONE_CELL
from backfire.outcomes.summaries import Summary, parse_summary
from backfire.solvers import Floats

Kind = Literal["amount", "time", "decades", "chance", "exact", "yes"]
"""What is compared how: amounts by their ratio, times, decades and chances by their difference; exact ones and yes or no as
they are."""
RESTING: Final = 1e-6
"""A burden that falls by less than this share of itself does not fall: solvers resolve no more."""
Better = Literal["low", "high", ""]
ROUNDING: Final = 1e-9
"""Decades below this are rounding: no solver here resolves them."""


@dataclass(frozen=True)
class Outcome:
    """One number with unit. Times that did not happen are censored: ``value`` is the time watched, ``observed`` False.

    NaN means that the outcome does not apply, for example the kill of a course that was never given.
    """

    name: str
    value: float
    unit: str
    meaning: str
    observed: bool = True

    @property
    def text(self) -> str:
        """The value as a table shows it: yes or no, > for a time not reached, a dash where it does not apply."""
        if not math.isfinite(self.value):
            return "–"
        if declared(self.name).kind == "yes":
            return "yes" if self.value else "no"
        return number(self.value) if self.observed else f"> {number(self.value)}"


@dataclass(frozen=True)
class Declaration:
    """One outcome, or one for each course, factor or agent: then ``{}`` in its words stands for that.

    ``value`` computes it from the features of all members at once: (m,), NaN where it does not apply. A time gives the
    day that came (NaN if it did not); ``until`` the day up to which it was watched for. What is read ``to_end`` of an arm
    compares only with arms that end on the same day. ``needs`` are the recorded names without which there is no such
    outcome, ``flow`` the kind of process that must be there. ``rules`` are the thresholds that it reads. ``own_clock`` ones
    are measured against the arm's own burden from its first intervention on, whose day may differ between arms. ``ranks``
    say where it is shown, and how early: ``bars`` of the figure of a scenario, ``figures`` of sweeps, ``page`` of the model.
    What is ``costly`` is read of many members only where it is asked for by name.
    """

    name: str
    unit: str
    meaning: str
    value: Callable[..., Any]
    needs: tuple[str, ...] = ()
    flow: str = ""
    each: Literal["", "course", "factor", "excess", "agent", "treatment"] = ""
    kind: Kind = "amount"
    better: Better = ""
    until: Callable[[Features], Floats] | None = None
    rules: tuple[str, ...] = ()
    title: str = ""
    brief: str = ""
    own_clock: bool = False
    to_end: bool = False
    in_table: bool = True
    costly: bool = False
    ranks: Mapping[str, int] = field(default_factory=dict)

    def label(self, name: str, unit: str) -> str:
        """Title and unit of the outcome called ``name``."""
        return with_unit(self.titled(name), "log10" if self.kind == "decades" else unit)

    def measure(self, unit: str) -> str:
        """In what it is measured, in words."""
        return "log10" if self.kind == "decades" else unit_in_words(unit)

    def titled(self, name: str) -> str:
        """The outcome called ``name`` in words."""
        return self.title or display_name(name)


def _decades(found: Features, before: Floats, low: Floats) -> Floats:
    """log10 of the fall from ``before`` to ``low``, of cells at least one; what is rounding is none."""
    with np.errstate(all="ignore"):
        fall = found.log10(before / (np.maximum(low, ONE_CELL) if _in_cells(found) else np.where(low > 0, low, math.nan)))
    return np.where(before > 0, np.where(np.abs(fall) < ROUNDING, 0.0, fall), math.nan)


def _where(there: Bools, values: Any) -> Floats:
    return np.where(there, values, math.nan)


def _per_cell(found: Features, area: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return _where(found.active_area > 0, area / found.active_area)


def _nadir_day(found: Features) -> Floats:
    """The first day of a burden that never falls by more than rounding, as one that rests does."""
    with np.errstate(all="ignore"):
        falls = found.before - found.nadir > RESTING * found.nadir
    return np.where(falls, found.nadir_at, np.where(np.isfinite(found.nadir_at), found.own, math.nan)) - found.start


def _regrowth(found: Features) -> Floats:
    with np.errstate(all="ignore"):
        span = found.regrown_at - found.progression_at
        return _where(found.regrown_at > found.progression_at, math.log(found.rules.regrowth) / span)


def _share(found: Features) -> Floats:
    with np.errstate(all="ignore"):
        return _where(found.before > 0, found.nadir / found.before)


def _in_cells(found: Features) -> bool:
    return found.recorded.get("burden") == "cell"


def _eradicated(found: Features) -> Floats:
    if not _in_cells(found):
        return np.full(len(found.final_burden), math.nan)
    total = found.final_burden + np.nan_to_num(found.final_metastases, nan=0.0)
    return _where(np.isfinite(found.final_burden), (total < ONE_CELL).astype(float))


def _last_kill(found: Features) -> Floats:
    kills, count = _decades(found, found.before_course, found.low_in_course), found.courses
    if not kills.shape[1]:
        return np.full(len(kills), math.nan)
    return _where(count > 0, kills[np.arange(len(kills)), np.maximum(count, 1).astype(int) - 1])


def _first_kill(found: Features) -> Floats:
    kills = _decades(found, found.before_course, found.low_in_course)
    return kills[:, 0] if kills.shape[1] else np.full(len(kills), math.nan)


def _followed(found: Features) -> Floats:
    """The day up to which the host is watched; nothing is after time zero where it died before."""
    return _where(found.last >= found.start, found.last)


def _judged(found: Features) -> Floats:
    """The day up to which the primary is watched; it is not if surgery came first."""
    return _where(found.end >= found.own, found.end)


_SINCE = "after time zero"
_FROM = "from time zero"
CATALOGUE: Final = (
    Declaration(
        "nadir", "cell", "smallest tumour burden after the arm's first intervention", lambda f: f.nadir, ("burden",),
        better="low", own_clock=True, ranks={"page": 1, "figures": 6},
    ),
    Declaration(
        "nadir_day", "day", f"time of the nadir {_SINCE}", _nadir_day, ("burden",), kind="time",
        ranks={"page": 2},
    ),
    Declaration(
        "smallest_share", "1", "nadir as a share of the burden at the arm's first intervention", _share, ("burden",),
        better="low", own_clock=True, in_table=False,
    ),
    Declaration(
        "deepest_fall", "1", "log10 of the burden at the arm's first intervention over the nadir, at least one cell",
        lambda f: _where(np.isfinite(f.nadir), _decades(f, f.before, f.nadir)), ("burden",), kind="decades", better="high",
        own_clock=True, ranks={"bars": 4, "figures": 7},
    ),
    Declaration(
        "responded", "1", "1 if the nadir counts as a response",
        lambda f: _where(np.isfinite(f.nadir), (f.nadir <= f.rules.response * f.before).astype(float)), ("burden",), kind="yes",
        better="high", rules=("response",), in_table=False,
    ),
    Declaration(
        "time_to_progression", "day", f"time {_FROM} until {{progressed}}",
        lambda f: f.progression_at, ("burden",), kind="time", better="high", until=_judged, rules=("progressed",),
        brief="progression", own_clock=True, ranks={"page": 3, "bars": 3, "figures": 3},
    ),
    Declaration(
        "regrowth_rate", "1/day", "mean growth rate while the burden grows by {regrowth:g} × after progression", _regrowth,
        ("burden",), better="low", rules=("progression", "regrowth"), ranks={"bars": 8},
    ),
    Declaration(
        "final_burden", "cell", "tumour burden on the last day", lambda f: f.final_burden, ("burden",), better="low", to_end=True,
        ranks={"page": 6, "bars": 7, "figures": 1},
    ),
    Declaration(
        "burden_area", "cell*day", f"area under the tumour burden {_FROM}", lambda f: f.burden_area, ("burden",), better="low",
        title="area under the burden", to_end=True, in_table=False, ranks={"figures": 9},
    ),
    Declaration(
        "eradicated", "1", "1 (yes) if not one tumour cell is left anywhere on the last day", _eradicated, ("burden",),
        to_end=True, kind="yes", better="high", ranks={"page": 9},
    ),
    Declaration(
        "cure_probability", "1", "chance that no tumour cell is left anywhere on the last day, each dividing and dying by "
        "chance; 0 where the host dies{refused}", lambda f: f.cure, ("burden",), kind="chance", better="high",
        title="chance of cure", costly=True, ranks={"page": 10, "bars": 0, "figures": 0},
    ),
    Declaration("courses", "1", "courses given", lambda f: f.courses.astype(float), ("burden",), kind="exact", in_table=False),
    Declaration(
        "log_kill_{}", "1", "log10 fall of the burden in course {}",
        lambda f, course: _decades(f, f.before_course, f.low_in_course)[:, int(course) - 1], ("burden",), each="course",
        kind="decades", better="high", in_table=False,
    ),
    Declaration(
        "log_kill_first", "1", "log10 fall of the burden in the first course", _first_kill, ("burden",), kind="decades",
        better="high", title="kill in the first course", ranks={"page": 4},
    ),
    Declaration(
        "log_kill_last", "1", "log10 fall of the burden in the last course", _last_kill, ("burden",), kind="decades",
        better="high", title="kill in the last course", ranks={"page": 5, "bars": 5, "figures": 5},
    ),
    Declaration(
        "mean_growth_rate", "1/day", "divisions per active cell and day, mean over cells and time",
        lambda f: _per_cell(f, f.growth_area), ("active",), "growth", better="low", in_table=False,
    ),
    Declaration(
        "mean_kill_rate", "1/day", "drug kill per active cell and day, mean over cells and time",
        lambda f: _per_cell(f, f.kill_area), ("active",), "kill", better="high", in_table=False,
    ),
    Declaration(
        "seeding_per_cell", "1/day", "metastatic cells seeded per active cell and day, mean over cells and time",
        lambda f: _per_cell(f, f.seeding_area), ("active",), "seeding", better="low", ranks={"bars": 6},
    ),
    Declaration(
        "metastatic_burden", "cell", "cells in metastases on the last day", lambda f: f.final_metastases,
        ("metastatic_burden",), better="low", title="metastases", to_end=True, ranks={"page": 7, "bars": 2, "figures": 2},
    ),
    Declaration(
        "seeded", "cell", f"metastatic cells seeded {_FROM} on", lambda f: f.seeding_area, ("metastatic_burden",), "seeding",
        better="low", title="metastatic cells seeded", to_end=True, in_table=False, ranks={"figures": 8},
    ),
    Declaration(
        "survival_time", "day", f"time {_FROM} until the host can bear no more",
        lambda f: _where(f.survival_at >= f.start, f.survival_at), (HOST_LOAD,),
        kind="time", better="high", until=_followed, brief="survival", ranks={"page": 8, "bars": 1, "figures": 4},
    ),
    Declaration(
        "peak_acting_{}", "fold", "largest {} that still acts after blockade", lambda f, name: 1 + f.peak(f"excess_{name}"),
        each="excess", better="low",
    ),
    Declaration(
        "peak_{}", "fold", "largest {} over its untreated level", lambda f, name: f.peak(name), each="factor", better="low"
    ),
    Declaration(
        "peak_{}_day", "day", f"time of the peak of {{}} {_SINCE}", lambda f, name: f.peak_at(name) - f.start, each="factor",
        kind="time", in_table=False,
    ),
    Declaration(
        "given_{}", "agent", "{} given in total", lambda f, agent: f.given(agent), each="agent", kind="exact", in_table=False
    ),
    Declaration(
        "doses_{}", "1", "how often {} was given, infusions by their beginnings", lambda f, agent: f.doses(agent),
        each="treatment", kind="exact", in_table=False,
    ),
    Declaration(
        "treated_days_{}", "day", "days on which {} was given, one for a bolus, of infusions as long as they ran",
        lambda f, agent: f.treated(agent), each="treatment", in_table=False, title="",
    ),
)  # fmt: skip

_BURDENS: Final = {
    "burden", "metastatic_burden", "hibernating", "active", "adapted", "persisting", "metastases", "hibernating_metastases",
    "adapted_metastases", "host_load",
}  # fmt: skip
"""Recorded amounts of which less is better."""
_CELLS: Final = {"hibernating", "active", "adapted"}


def summarising(name: str, asked: Summary) -> Declaration:
    """What a summary of something recorded is; its unit is that of the recorded."""
    what = " / ".join(f"{display_name(part)}{' cells' if part in _CELLS else ''}" for part in asked.names)
    if asked.level is not None:
        side = asked.kind.removeprefix("day_")
        meaning = f"first day {_FROM} with {asked.of} at or {side} {asked.level:g}"
        title = f"first day of {what} {side} {asked.level:g}"
        return Declaration(name, "day", meaning, lambda f: f.summary(asked), kind="time", until=_followed, title=title)
    better: Better = "low" if asked.of in _BURDENS else ""
    meaning, ends = f"{asked.kind} of {asked.of} from time zero on", asked.kind in ("final", "area")
    title = f"{asked.kind} of {what}"
    return Declaration(name, "", meaning, lambda f: f.summary(asked), better=better, to_end=ends, title=title)


@cache
def declared(name: str) -> Declaration:
    """The declaration of an outcome by the name it has in tables; a name that is none, as in a store of another version, is
    an amount of which nothing more is known."""
    if asked := parse_summary(name):
        return summarising(name, asked)
    for item in CATALOGUE:
        if item.name == name:
            return item
    for item in sorted(CATALOGUE, key=lambda item: -len(item.name)):
        if item.each and re.fullmatch(re.escape(item.name).replace(r"\{\}", ".+"), name):
            return item
    return Declaration(name, "", "", lambda f: np.full(len(f.start), math.nan))


def in_table(name: str, names: Collection[str]) -> bool:
    """Whether an outcome has a row in tables, which leave out what only scripts need; of a factor they show what still acts
    after blockade, if ``names`` have that."""
    item = declared(name)
    acting = item.each == "factor" and name.replace("peak_", "peak_acting_", 1) in names
    return item.in_table and not acting


def ranked(place: str) -> list[Declaration]:
    """The outcomes that are shown somewhere, the most telling first."""
    return sorted((item for item in CATALOGUE if place in item.ranks), key=lambda item: item.ranks[place])
