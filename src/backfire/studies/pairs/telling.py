"""What a pair of agents does together, told: sentences, plain data, tables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from backfire.formatting import short
from backfire.model import CAUTION
from backfire.solvers import Floats
from backfire.studies.pairs.null_surfaces import NULLS
from backfire.studies.pairs.surfaces import Surface, Synergy, quantile, quiet

RESOLVED: Final = 1e-3
"""Excesses below this, in decades, days or chances, are none: interpolation resolves no more."""
_NAMES: Final = {"hsa": "highest single agent", "bliss": "Bliss", "loewe": "Loewe"}


def statement(pair: tuple[str, str], surface: Surface) -> str:
    """What the pair gains beyond its dose, in one sentence."""
    own, several = surface.own, len(surface.effects) > 1
    effect = _told(surface.effects[:, own, own], several)
    one, other = (_told(item, several) for item in (surface.effects[:, own, 0], surface.effects[:, 0, own]))
    head = f"{surface.name}: together {effect} {surface.measure}, {pair[0]} alone {one}, {pair[1]} alone {other}"
    silent = [name for which, name in enumerate(pair) if quiet(surface, which)]
    if math.isnan(float(quantile(surface.effects[:, own, own], 0.5))):
        return f"{surface.name}: nothing can be said at the scenario's own doses"
    if len(silent) == 2:
        nothing = abs(float(quantile(surface.effects[:, own, own], 0.5))) <= RESOLVED
        return f"{head}: " + ("neither does anything" if nothing else "coalism, for neither does anything alone")
    if silent:
        gained = surface.at_own_doses("hsa")
        (other_one,) = [name for name in pair if name not in silent]
        if abs(float(quantile(gained, 0.5))) <= RESOLVED:
            return f"{head}: {silent[0]} adds nothing to {other_one}"
        kind = "potentiation" if float(quantile(gained, 0.5)) > 0 else "antagonism"
        return f"{head}: {kind}, for {silent[0]} does nothing alone; {_told(gained, several)} more than {other_one} alone"
    parts = []
    for null in NULLS[1:]:
        gained = surface.at_own_doses(null)
        median = float(quantile(gained, 0.5))
        if math.isnan(median):
            parts.append(f"{_NAMES[null]} does not apply")
            continue
        kind = (
            "additive"
            if abs(median) <= max(RESOLVED, 0.01 * abs(float(quantile(surface.effects[:, own, own], 0.5))))
            else ("synergy" if median > 0 else "antagonism")
        )
        parts.append(f"{_NAMES[null]} {kind} {_told(gained, several)}" if kind != "additive" else f"{_NAMES[null]} additive")
    needed = [quantile(surface.alone[:, which], 0.5) for which in (0, 1)]
    dose = [f"{name} alone would need {float(many):.3g} times its dose" for name, many in zip(pair, needed, strict=True)
            if np.isfinite(many)]  # fmt: skip
    same = f"for the same {' or '.join(dose)}" if dose else "no dose of either alone does it"
    return f"{head}: {', '.join(parts)}; {same}"


def _told(values: Floats, several: bool) -> str:
    """A median, with the interval of nine in ten tumours where there are several."""
    median, low, high = (float(quantile(values, share)) for share in (0.5, 0.05, 0.95))
    return synergy_interval((median, low, high), several)


def synergy_number(value: float | None) -> str:
    """A number of a pair as it is read: three digits, what is below 1e-5 is nothing, a dash where there is none."""
    return "–" if value is None else short(round(value, 5) + 0.0, 3)


def synergy_interval(values: Sequence[float | None], several: bool) -> str:
    """A median, and behind it the two ends of its interval where there are ``several`` tumours."""
    median, low, high = map(synergy_number, values)
    return f"{median} [{low}, {high}]" if several and median != "–" else median


def synergy_data(made: Synergy) -> dict[str, Any]:
    """What came of it as plain data: medians and intervals at the scenario's own doses, and the peak over the grid.

    With Loewe stands its interaction index, below 1 where less drug is needed than it says; ``indexed`` is the share of tumours
    in which a single agent has the pair's effect at any dose, without which there is no index.
    """
    rows = []
    for surface in made.surfaces:
        for null in NULLS:
            own = surface.at_own_doses(null)
            peak, one, other = surface.peak(null)
            rows.append(
                {
                    "endpoint": surface.name, "null": null, "measure": surface.measure,
                    "excess": _number(quantile(own, 0.5)), "low": _number(quantile(own, 0.05)),
                    "high": _number(quantile(own, 0.95)),
                    "positive": _number(np.mean(own[np.isfinite(own)] > RESOLVED)) if np.isfinite(own).any() else None,
                    "peak": _number(peak), "peak_doses": [_number(one), _number(other)],
                }
                | (_index(surface) if null == "loewe" else {})
            )  # fmt: skip
    return {
        "caution": CAUTION, "scenario": made.scenario.name, "hash": made.scenario.hash, "arm": made.arm, "agents": [*made.agents],
        "tumours": made.tumours, "statements": [*made.statements], "excesses": rows, "effects": [*map(_effects, made.surfaces)],
        "members": made.members, "failed": made.failed, "failure": made.failure,
        "remarks": {surface.name: [*surface.remarks] for surface in made.surfaces if surface.remarks},
    }  # fmt: skip


def _index(surface: Surface) -> dict[str, float | None]:
    words = {"index": 0.5, "index_low": 0.05, "index_high": 0.95}
    found = {word: _number(quantile(surface.index, share)) for word, share in words.items()}
    return {**found, "indexed": float(np.isfinite(surface.index).mean())}


def _effects(surface: Surface) -> dict[str, Any]:
    own = surface.own
    columns = {"together": surface.effects[:, own, own], "one": surface.effects[:, own, 0], "other": surface.effects[:, 0, own]}
    found = {word: [_number(quantile(column, share)) for share in (0.5, 0.05, 0.95)] for word, column in columns.items()}
    return {"endpoint": surface.name, **found}


def synergy_rows(every: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """One table of several studies, each as ``synergy_data`` has it: the pair at own doses, the better of both alone, what is
    beyond Bliss, Loewe's index with the share of tumours that have one.

    ``set`` in their data are changes of the scenario, in words.
    """
    rows: list[tuple[str, ...]] = [("pair", "endpoint", "together", "better alone", "beyond Bliss", "Loewe's index")]
    for data in every:
        first, several = ", ".join([" + ".join(data["agents"]), *data.get("set", ())]), data["tumours"] > 1
        known = {(item["endpoint"], item["null"]): item for item in data["excesses"]}
        for item in data["effects"]:
            bliss, loewe = (known[item["endpoint"], null] for null in ("bliss", "loewe"))
            better = max((item["one"], item["other"]), key=lambda told: -math.inf if told[0] is None else told[0])
            beyond = [bliss["excess"], bliss["low"], bliss["high"]]
            index = synergy_interval([loewe["index"], loewe["index_low"], loewe["index_high"]], several)
            of = f" in {loewe['indexed']:.0%}" if 0 < loewe["indexed"] < 1 else ""
            measure = "" if bliss["measure"] == "decades" else f" ({bliss['measure']})"
            told = (synergy_interval(values, several) for values in (item["together"], better, beyond))
            rows.append((first, item["endpoint"] + measure, *told, index + of))
            first = ""
    return rows


def synergy_csv(made: Synergy) -> str:
    """The surfaces as tidy CSV: endpoint, doses, medians of the effect and of every null surface."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["endpoint", made.agents[0], made.agents[1], "effect", *NULLS])
    for surface in made.surfaces:
        columns = [quantile(surface.effects, 0.5), *(quantile(surface.nulls[null], 0.5) for null in NULLS)]
        for row, one in enumerate(surface.doses):
            for column, other in enumerate(surface.doses):
                values = [float(item[row, column]) for item in columns]
                writer.writerow([surface.name, one, other, *("" if math.isnan(value) else repr(value) for value in values)])
    return text.getvalue()


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
