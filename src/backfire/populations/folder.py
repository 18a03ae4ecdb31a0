"""A population and its folder: its members as Parquet, what is known of the sample as CSV, and a manifest that explains both."""

from __future__ import annotations

import contextlib
import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.formatting import short
from backfire.model import version
from backfire.notebook import shown
from backfire.populations.diagnostics import Diagnosis, diagnose
from backfire.populations.judging import ClaimJudge
from backfire.populations.region import RegionSample
from backfire.populations.spec import PopulationSpec
from backfire.sampling import LogUniform
from backfire.solvers import Floats
from backfire.system import to_json, write_whole

CAUTION: Final = "illustrative, not clinically calibrated"
EXPECTED: Final = 8
WIDEST: Final = 20.0
"""Margins beyond this many e-folds are as good as any: they are cut for their diagnosis."""


@dataclass(frozen=True, eq=False)
class Population:
    """Plausible tumours: ``members`` (n, inputs) as values of ``names``, ``violations`` (n, comparisons) all below 0.

    ``sample`` is what the sampler found, ``refused`` how many of its tumours did not stand the tight judgement. Empty
    where nothing satisfies every claim.
    """

    spec: PopulationSpec
    seed: int
    members: Floats
    violations: Floats
    sample: RegionSample
    refused: int
    judge: ClaimJudge
    folder: Path | None = None

    def __repr__(self) -> str:
        """One line: how many tumours, of what, and where they are kept."""
        kept = f", in {self.folder}" if self.folder else ""
        return f"<Population {self.spec.name}: {len(self.members)} tumours, {len(self.names)} inputs, seed {self.seed}{kept}>"

    def _repr_html_(self) -> str:
        """In a notebook: where every input lies in the population."""
        quantiles = np.quantile(self.members, (0.05, 0.5, 0.95), axis=0).T if self.found else np.empty((0, 3))
        rows = [(name, *(short(float(value)) for value in row)) for name, row in zip(self.names, quantiles, strict=self.found)]
        return shown(repr(self)[1:-1], ("input", "5 %", "median", "95 %"), rows, f"{CAUTION.capitalize()}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that vary, in the order of the columns."""
        return self.spec.space.names

    @property
    def found(self) -> bool:
        """True if there are tumours."""
        return len(self.members) > 0


def write_population(made: Population, folder: Path) -> None:
    """Write all files; the old manifest goes first and the new one comes last, so that it never speaks for other rows."""
    manifest = folder / "manifest.json"
    with contextlib.suppress(FileNotFoundError):
        manifest.unlink()
    write_whole(folder / "population.toml", made.spec.text)
    write_whole(folder / "members.parquet", _members(made))
    write_whole(folder / "diagnostics.csv", _csv(_diagnostics(made)))
    write_whole(folder / "levels.csv", _csv(_levels(made)))
    write_whole(folder / "proposals.csv", _csv(_proposals(made)))
    write_whole(manifest, to_json(manifest_of(made)))


def _members(made: Population) -> bytes:
    """One row a tumour: its number, its weight, its inputs, and its smallest margin."""
    import pyarrow
    import pyarrow.parquet

    count = len(made.members)
    columns: dict[str, Any] = {"member": np.arange(count), "weight": np.ones(count)}
    columns |= {name: made.members[:, place] for place, name in enumerate(made.names)}
    columns["smallest_margin"] = -made.violations.max(axis=1, initial=-math.inf) if count else np.empty(0)
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue())


def _csv(rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows
    )
    return out.getvalue()


def _diagnostics(made: Population) -> Iterable[Sequence[object]]:
    """A row for every input and every comparison: where the tumours are, how far they are narrowed, how sure that is."""
    yield (
        "kind", "name", "scale", "low", "high", "q05", "q50", "q95", "narrowed", "rhat", "rhat_walkers", "ess_bulk", "ess_tail",
        "drift_sd", "runs_apart_sd",
    )  # fmt: skip
    if not made.found:
        return
    about = made.sample.diagnosis
    for place, (name, item) in enumerate(made.spec.space.inputs.items()):
        column = made.members[:, place]
        scale = "log" if isinstance(item, LogUniform) else "linear"
        spread = made.sample.members[:, place].std() * math.sqrt(12)
        row = ("input", name, scale, item.low, item.high, *_quantiles(column), float(1 - spread))
        yield (*row, *_trust(about, place))
    margins = np.clip(-made.sample.margins, 0.0, WIDEST)
    trusted = None if about is None else diagnose(margins)
    for place, (name, _, claim) in enumerate(made.judge.comparisons):
        column = np.clip(-made.violations[:, place], 0.0, WIDEST)
        yield ("margin", f"{name}: {claim.comparisons[0]}", "", "", "", *_quantiles(column), "", *_trust(trusted, place))


def _quantiles(column: Floats) -> list[float]:
    return [float(value) for value in np.quantile(column, [0.05, 0.5, 0.95])]


def _trust(about: Diagnosis | None, place: int) -> Sequence[object]:
    if about is None:  # drawn independently
        return [""] * 6
    return [float(item[place]) for item in (about.rhat, about.walkers, about.bulk, about.tail, about.drift, about.apart)]


def _levels(made: Population) -> Iterable[Sequence[object]]:
    yield ("run", "level", "distance", "share", "walkers", "sweeps", "accepted", "judged", "ancestors")
    for run, levels in enumerate(made.sample.levels):
        for number, item in enumerate(levels):
            yield (run, number, item.distance, item.share, item.walkers, item.sweeps, item.accepted, item.judged, item.ancestors)


def _proposals(made: Population) -> Iterable[Sequence[object]]:
    """What each kind of proposal brought at distance 0; ``moved`` is the squared distance per judged tumour, in sd."""
    yield ("run", "kind", "proposed", "judged", "accepted", "moved")
    for run, uses in enumerate(made.sample.uses):
        for kind, use in uses.items():
            yield (run, kind, use.proposed, use.judged, use.accepted, use.moved / max(1, use.judged))


def manifest_of(made: Population) -> dict[str, Any]:
    """Everything needed to understand the folder, and to make it again."""
    sample, spec, about = made.sample, made.spec, made.sample.diagnosis
    found: dict[str, Any] = {
        "caution": CAUTION,
        "backfire": version(),
        "name": spec.name,
        "title": spec.title,
        "note": spec.note,
        "scenario": {"name": spec.scenario.name, "hash": spec.scenario.hash},
        "claims": {name: claim.text for name, claim in spec.claims.items()},
        "inputs": list(made.names),
        "seed": made.seed,
        "members": len(made.members),
        "judged": sample.judged,
    }
    if not made.found:
        return found | {"found": False, "closest": closest(made), "fighting": fighting(made)}
    return found | {
        "found": True,
        "method": "rejection: exact" if sample.exact else "levels, then walkers at distance 0",
        "share_of_box": sample.share,
        "share_of_box_interval_95": list(sample.share_interval),
        "ln_share": math.log(sample.share),
        "ln_share_error": sample.log_share_error,
        "ln_share_by_run": [float(value) for value in sample.log_shares],
        "distinct": len(np.unique(made.members, axis=0)),
        "refused_when_judged_tightly": made.refused,
        "worst_rhat": about.worst_rhat if about else 1.0,
        "least_effective_size": about.least_size if about else float(len(made.members)),
        "ancestors": [levels[-1].ancestors for levels in sample.levels],
    }


def closest(made: Population) -> dict[str, Any]:
    """Where nothing satisfies every claim: the tumour that comes closest, and what it violates by how much (e-folds)."""
    sample = made.sample
    values = made.spec.space.place(sample.best[None])[0]
    violated = {
        f"{name}: {claim.comparisons[0]}": float(off)
        for (name, _, claim), off in zip(made.judge.comparisons, sample.best_violations, strict=True)
        if not off <= 0
    }
    return {"violated": violated, "inputs": {name: float(value) for name, value in zip(made.names, values, strict=True)}}


def fighting(made: Population) -> list[list[str]]:
    """Where nothing satisfies every claim: pairs of comparisons that hold often enough, but in no tumour seen together.

    Often enough: ``EXPECTED`` tumours would satisfy both if they had nothing to do with each other.
    """
    holds = (made.sample.margins <= 0).astype(float)
    if not len(holds):
        return []
    alone, both = holds.sum(axis=0), holds.T @ holds
    names = [f"{name}: {claim.comparisons[0]}" for name, _, claim in made.judge.comparisons]
    return [
        [names[one], names[two]]
        for one in range(len(names))
        for two in range(one + 1, len(names))
        if both[one, two] == 0 and alone[one] * alone[two] >= EXPECTED * len(holds)
    ]
