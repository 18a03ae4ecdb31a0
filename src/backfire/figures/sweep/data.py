"""What figures of sweeps read from a store: members in reach of a figure, names in words, scales, optima.

A store of a million members is read chunk by chunk; what stays in memory is what can be drawn. Every choice of members
is a formula of their numbers, so the same store always gives the same figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire.errors import UserError, unknown
from backfire.figures.page import LARGEST, log_places, round_places
from backfire.formatting import display_name, short
from backfire.outcomes import declared, ranked
from backfire.sampling import Axis, permuted
from backfire.scenario import input_label, kind_of
from backfire.solvers import Floats, Status
from backfire.sweeps import store

MOST_READ: Final = 20_000
"""Members that a fan reads; medians of more would not move by a line's width."""
MOST_CELLS: Final = 1_000_000
"""Members of a grid that are read whole; of a larger one every so many points of each axis."""
MOST_FAILED: Final = 2_000
FLAT: Final = 1e-3
"""Outcomes that vary by less than this share have no optimum worth a mark."""
WIDE: Final = 30.0
"""Positive values that span a larger factor than this are drawn in the logarithm."""
Manifest = Mapping[str, Any]
"""What a store says of its sweep."""
Members = NDArray[np.int64] | None
"""Numbers of members, sorted; None for all."""


@dataclass(frozen=True)
class Scale:
    """How one outcome is drawn, the same for all arms.

    ``better`` is "low", "high" or, where neither is better for the patient, empty. On a ``logarithmic`` scale
    heights are powers of ten and an exact zero, as of an eradicated tumour, stands at ``floor``; ``zeros`` says
    whether there are any. ``low`` and ``high`` are the lowest and highest height, zeros apart; NaN if there are none.
    """

    name: str
    unit: str
    better: str
    logarithmic: bool
    zeros: bool
    low: float
    high: float

    @property
    def floor(self) -> float:
        """The height of zero on a logarithmic scale."""
        return self.low - max(0.12 * (self.high - self.low), 0.15)

    @property
    def label(self) -> str:
        """Name and unit in words."""
        return declared(self.name).label(self.name, self.unit)

    @property
    def cells(self) -> bool:
        """True if zero means that the tumour is gone."""
        return self.unit == "cell"

    def heights(self, values: Floats) -> Floats:
        """Where values stand on the scale; NaN stays NaN."""
        bound = np.clip(values, -LARGEST, LARGEST)
        if not self.logarithmic:
            return np.asarray(bound, dtype=np.float64)
        zero = bound <= 0
        return np.where(zero, self.floor if math.isfinite(self.low) else 0.0, np.log10(np.where(zero, 1.0, bound)))

    def ticks(self, most: int = 8) -> list[float]:
        """Round heights within the range: powers of ten, or 1, 2, 5 where it spans few."""
        if not math.isfinite(self.low) or self.low == self.high:
            return [self.low] if math.isfinite(self.low) else []
        if self.logarithmic:
            return log_places(self.low, self.high, most)
        return round_places(self.low, self.high, most, (1, 2, 2.5, 5, 10))

    def named(self, height: float) -> str:
        """The value at a height, as people write it."""
        return short(10.0 ** float(np.clip(height, -300, 300)) if self.logarithmic else height, 3)


def flat(finite: Floats) -> bool:
    """True if values, at least one and all finite, agree within a thousandth."""
    return bool(finite.max() / 2 - finite.min() / 2 <= FLAT * np.abs(finite).max() / 2)


def optimum(scale: Scale, values: Floats) -> int | None:
    """The place of the best value: lowest or highest, of those that agree within rounding the first.

    None where neither is better, or where all values agree within a thousandth.
    """
    finite = np.flatnonzero(np.isfinite(values))
    if not scale.better or len(finite) == 0 or flat(values[finite]):
        return None
    best = float(values[finite].min() if scale.better == "low" else values[finite].max())
    return int(finite[np.flatnonzero(np.abs(values[finite] / 2 - best / 2) <= store.AGREE * abs(best) / 2)[0]])


@dataclass(frozen=True)
class SweepData:
    """Members of a store that a figure draws, and what is known of all of them.

    ``members`` (n,), ``samples`` field → (n,), ``good`` (n, arms), ``values`` outcome → (n, arms), NaN where there is
    no number, ``observed`` outcome → (n, arms), False where a time was not seen. ``failed`` (k, fields) are failed
    members of the whole store, at most 2,000. ``summary`` is that of ``store.summarise``.
    """

    manifest: Manifest
    summary: Mapping[str, Any]
    arms: tuple[str, ...]
    members: NDArray[np.int64]
    samples: Mapping[str, Floats]
    good: NDArray[np.bool_]
    values: Mapping[str, Floats]
    observed: Mapping[str, NDArray[np.bool_]]
    failed: Floats

    def only(self, outcome: str) -> SweepData:
        """The same members with one outcome."""
        return replace(self, values={outcome: self.values[outcome]})

    def censored(self, outcome: str) -> NDArray[np.bool_]:
        """Which values (n, arms) are times that were not seen by the last day: they are at least this."""
        known = ~np.isnan(self.values[outcome])
        return known & ~self.observed[outcome] if outcome in self.observed else np.zeros_like(known)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that vary."""
        return tuple(self.manifest["fields"])

    def label(self, field: str) -> str:
        """A field in words, with its unit."""
        return input_label(field, self.manifest["fields"][field]["unit"])

    def logarithmic(self, field: str, values: Floats) -> bool:
        """Whether a field is drawn on a log axis: where the design is, and where a list of values spans a wide range."""
        vary = self.manifest["design"].get("vary")
        about = vary.get(field, {}) if isinstance(vary, Mapping) else {}
        if about.get("scale"):
            return bool(about["scale"] == "log")
        finite = values[np.isfinite(values)]
        return bool(len(finite) > 2 and finite.min() > 0 and finite.max() / 16 >= finite.min())

    def scale(self, outcome: str, arms: Sequence[int] | None = None) -> Scale:
        """The scale of an outcome over all arms, or over some by their place."""
        unit = str(self.manifest["outcomes"][outcome]["unit"])
        values = self.values[outcome] if arms is None else self.values[outcome][:, list(arms)]
        finite = np.clip(values[np.isfinite(values)], -LARGEST, LARGEST)
        positive = finite[finite > 0]
        already = declared(outcome).kind == "decades"
        spans = len(positive) > 0 and (positive.max() / WIDE > positive.min() or (unit == "cell" and positive.max() > 1e4))
        logarithmic = bool(spans and not already and (finite >= 0).all())
        shown = np.log10(positive) if logarithmic else finite
        low, high = (float(shown.min()), float(shown.max())) if len(shown) else (math.nan, math.nan)
        better = declared(outcome).better
        return Scale(outcome, unit, better, logarithmic, logarithmic and bool((finite == 0).any()), low, high)

    def unchanged(self, field: str) -> float:
        """The value of a field in the unchanged scenario; NaN if the store does not know."""
        return float(self.manifest["scenario"].get("values", {}).get(field, math.nan))

    @property
    def failures(self) -> str:
        """How many members failed and how, in words."""
        failed = self.summary["failed_members"]
        good = {status.word for status in Status if status.good}
        counts = self.summary["counts"].values()
        how = sorted({word for found in counts for word in found if word not in good})
        some = f"{failed:,} member{'s' if failed != 1 else ''} failed"
        return f"{some} ({', '.join(display_name(word) for word in how)})" if how else "none failed"


def read(folder: Path, summary: Mapping[str, Any], outcomes: Iterable[str], wanted: Members) -> SweepData:
    """The ``wanted`` members of a store, chunk by chunk, with only these outcomes."""
    layout, manifest = store.read_layout(folder)
    names, fields, arms = tuple(outcomes), layout.fields, len(layout.arms)
    times = [name for name in names if name in layout.times]
    words_of_good = [status.word for status in Status if status.good]
    columns = [*names, *(f"{name}_observed" for name in times)]
    parts: dict[str, list[Any]] = {name: [np.empty((0, arms))] for name in (".good", *columns)}
    parts |= {name: [np.empty(0)] for name in (".members", *fields)} | {".failed": [np.empty((0, len(fields)))]}
    for table, receipt in store.chunks(folder):
        status = np.array(table["status"].to_pylist(), dtype=object).reshape(-1, arms)
        good = np.isin(status.astype(str), words_of_good)
        rows = np.arange(receipt.last - receipt.first)
        if wanted is not None:
            rows = wanted[slice(*np.searchsorted(wanted, (receipt.first, receipt.last)))] - receipt.first
        parts[".members"].append(rows + receipt.first)
        parts[".good"].append(good[rows])
        for name in columns:
            parts[name].append(table[name].to_numpy(zero_copy_only=False).reshape(-1, arms)[rows])
        samples = np.array([table[name].to_numpy().reshape(-1, arms)[:, 0] for name in fields]).reshape(len(fields), len(good))
        for name, values in zip(fields, samples, strict=True):
            parts[name].append(values[rows])
        room = MOST_FAILED - sum(map(len, parts[".failed"]))
        parts[".failed"].append(samples[:, np.flatnonzero(~good.all(axis=1))[:room]].T)
    found = {name: np.concatenate(values) for name, values in parts.items()}
    good = found[".good"].astype(bool)
    return SweepData(
        manifest,
        summary,
        layout.arms,
        found[".members"].astype(np.int64),
        {name: found[name] for name in fields},
        good,
        {name: np.where(good, found[name].astype(np.float64), math.nan) for name in names},
        {name: found[f"{name}_observed"].astype(bool) for name in times},
        found[".failed"],
    )


def scattered(members: int, most: int = MOST_READ) -> Members:
    """``most`` members spread over all of them without a rhythm, sorted; None if there are no more than that.

    Every so many-th member would not do: a Sobol sequence fills a corner of the box with every second one.
    """
    if members <= most:
        return None
    keys = np.array([11, 23, 5, 7], dtype=np.uint64)
    return np.sort(permuted(np.arange(most, dtype=np.uint64), members, keys).astype(np.int64))


def axes_of(manifest: Manifest) -> tuple[Axis, ...]:
    """The axes of a grid, with their points; empty for other designs."""
    design = manifest["design"]
    if design["kind"] != "grid":
        return ()
    return tuple(Axis(field, **about) for field, about in design["vary"].items())


def varying(manifest: Manifest) -> list[Axis]:
    """The axes of a grid that take more than one value."""
    return [axis for axis in axes_of(manifest) if axis.size > 1]


def line_fields(manifest: Manifest) -> tuple[Axis, Axis | None] | None:
    """The field along which curves run and the field that tells solid from dashed; None if the design has no curves.

    The second is a switch of an influence that is both 0 and 1, or a field with two values.
    """
    some = varying(manifest) or list(axes_of(manifest)[:1])
    if manifest["members"] > MOST_CELLS or len(some) not in (1, 2):
        return None
    if len(some) == 1:
        return some[0], None
    for first, second in (some, some[::-1]):
        if (kind_of(second.field) == "switch" and {0.0, 1.0} <= set(second.grid.tolist())) or second.size == 2:
            return first, second
    return None


def chosen(
    manifest: Manifest, summary: Mapping[str, Any], most: int, asked: Sequence[str] | None, listed: bool
) -> tuple[str, ...]:
    """The outcomes to draw: those ``asked`` for, otherwise the first that vary.

    They come in the order of the store where the study has ``listed`` them, otherwise the most telling first. Raises
    UserError for an outcome that the store does not have.
    """
    known = tuple(manifest["outcomes"])
    for name in asked or ():
        if name not in known:
            raise UserError(unknown("outcome", name, known))
    if asked:
        return tuple(dict.fromkeys(asked))
    telling = [item.name for item in ranked("figures") if item.name in known]
    order = list(known) if listed else telling + [name for name in known if name not in telling]
    varied = [name for name in order if _varies(summary["extremes"][name])]
    return tuple((varied or order)[:most])


def _varies(extremes: Mapping[str, Mapping[str, Any]]) -> bool:
    found = [arm for arm in extremes.values() if arm]
    return any(arm["highest"] / 2 - arm["lowest"] / 2 > 0.01 * max(abs(arm["highest"]), abs(arm["lowest"])) / 2 for arm in found)
