"""A population and its folder: its members as Parquet, what is known of the sample as CSV, and a manifest that explains both.

``resolved.json`` has the scenario whole, so that a population speaks of it wherever the folder is.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.formatting import short
from backfire.model import CAUTION, version
from backfire.notebook import shown
from backfire.populations.facts import Weighted
from backfire.populations.judging import ClaimJudge
from backfire.populations.pieces import Pieces
from backfire.populations.sampler import Diagnosis, RegionSample, firmness
from backfire.populations.sentences import Worth
from backfire.populations.spec import PopulationSpec
from backfire.populations.stored import FILE, RESOLVED, kept, kept_scenario
from backfire.sampling import MANIFEST, MEMBERS, PlausibleTumours, read_tumours, sealed, weighted_quantiles
from backfire.scenario import OwnMechanisms, Scenario
from backfire.simulation import keep_mechanisms
from backfire.solvers import Floats
from backfire.system import write_whole

EXPECTED: Final = 8
MARKS: Final = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class Population:
    """Plausible tumours: ``members`` (n, inputs) as values of ``names``, ``violations`` (n, comparisons) all below 0.

    ``sample`` is what the sampler found, ``refused`` how many of its tumours did not stand the tight judgement. Empty
    where nothing satisfies every claim. ``weighted`` are weights by which the tumours meet the facts of the file, if it
    has any, and ``met`` says how well they do; ``worths`` what each claim is worth, if that was asked for; ``pieces`` whether
    the set hangs together.
    """

    spec: PopulationSpec
    seed: int
    members: Floats
    violations: Floats
    sample: RegionSample
    refused: int
    judge: ClaimJudge
    folder: Path | None = None
    weighted: Weighted | None = None
    met: tuple[dict[str, Any], ...] = ()
    worths: Mapping[str, Worth] = field(default_factory=dict)
    pieces: Pieces | None = None

    def __repr__(self) -> str:
        """One line: how many tumours, of what, and where they are kept."""
        kept = f", in {self.folder}" if self.folder else ""
        return f"<Population {self.spec.name}: {len(self.members)} tumours, {len(self.names)} inputs, seed {self.seed}{kept}>"

    def _repr_html_(self) -> str:
        """In a notebook: where every input lies in the population."""
        quantiles = weighted_quantiles(self.members, self.weights, MARKS).T if self.found else np.empty((0, 3))
        rows = [(name, *(short(float(value)) for value in row)) for name, row in zip(self.names, quantiles, strict=self.found)]
        return shown(repr(self)[1:-1], ("input", "5 %", "median", "95 %"), rows, f"{CAUTION.capitalize()}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that vary, in the order of the columns."""
        return self.spec.space.names

    @property
    def weights(self) -> Floats:
        """The weight of every tumour (n,); they add up to 1."""
        return np.full(len(self.members), 1 / max(1, len(self.members))) if self.weighted is None else self.weighted.weights

    @property
    def narrowed(self) -> Floats:
        """By how much the claims narrow every input (inputs,), as ``Space.narrowed`` has it."""
        return self.spec.space.narrowed(self.members, self.weights)

    @property
    def found(self) -> bool:
        """True if there are tumours."""
        return len(self.members) > 0


def write_population(made: Population, folder: Path) -> None:
    """Write all files; the old manifest goes first and the new one comes last, so that it never speaks for other rows."""
    manifest, table = folder / MANIFEST, _members(made)
    with contextlib.suppress(FileNotFoundError):
        manifest.unlink()
    write_whole(folder / FILE, made.spec.text)
    keep_mechanisms(made.spec.scenario, folder)
    write_whole(folder / RESOLVED, kept(made.spec.scenario))
    write_whole(folder / MEMBERS, table)
    write_whole(folder / "diagnostics.csv", _csv(_diagnostics(made)))
    write_whole(folder / "pairs.csv", _csv(_pairs(made)))
    write_whole(folder / "sentences.csv", _csv(_sentences(made)))
    write_whole(folder / "levels.csv", _csv(_levels(made)))
    write_whole(folder / "proposals.csv", _csv(_proposals(made)))
    write_whole(manifest, sealed(manifest_of(made), table))


def _members(made: Population) -> bytes:
    """One row a tumour: its number, its weight, its inputs, and its smallest margin."""
    import pyarrow
    import pyarrow.parquet

    count = len(made.members)
    columns: dict[str, Any] = {"member": np.arange(count), "weight": made.weights * count}
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
        "ess_runs", "drift_sd", "runs_apart_sd",
    )  # fmt: skip
    if not made.found:
        return
    about, narrowed = made.sample.diagnosis, made.narrowed.tolist()
    quantiles = weighted_quantiles(made.members, made.weights, MARKS).T.tolist()
    for place, (name, item) in enumerate(made.spec.space.inputs.items()):
        row = ("input", name, item.scale, item.low, item.high, *quantiles[place], narrowed[place])
        yield (*row, *_trust(about, place))
    quantiles = weighted_quantiles(firmness(made.violations), made.weights, MARKS).T.tolist()
    for place, (name, _, claim) in enumerate(made.judge.comparisons):
        yield (
            "margin",
            f"{name}: {claim.comparisons[0]}",
            "",
            "",
            "",
            *quantiles[place],
            "",
            *_trust(made.sample.trusted, place),
        )


def _trust(about: Diagnosis | None, place: int) -> Sequence[object]:
    if about is None:  # drawn independently
        return [""] * 7
    every = (about.rhat, about.walkers, about.bulk, about.tail, about.runs, about.drift, about.apart)
    return [float(item[place]) for item in every]


def dependences(made: Population) -> list[tuple[str, str, float]]:
    """Pairs of inputs with Spearman's rank correlation between them over the tumours, by weight, the strongest first."""
    if len(made.members) < 3 or len(made.names) < 2:
        return []
    ranks = np.column_stack([_ranks(column, made.weights) for column in made.members.T])
    covariance = np.cov(ranks, rowvar=False, aweights=made.weights, ddof=0)
    spread = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = covariance / np.outer(spread, spread)
    pairs = [
        (made.names[one], made.names[two], float(found[one, two]))
        for one in range(len(made.names))
        for two in range(one + 1, len(made.names))
        if np.isfinite(found[one, two])
    ]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))


def _ranks(column: Floats, weights: Floats) -> Floats:
    """The weight below each value (n,) and half of that at it: its middle rank, as a share."""
    _, place = np.unique(column, return_inverse=True)
    mass = np.bincount(place, weights)
    return np.asarray((np.cumsum(mass) - mass / 2)[place])


def _pairs(made: Population) -> Iterable[Sequence[object]]:
    yield ("one", "two", "rank_correlation")
    yield from dependences(made)


def _sentences(made: Population) -> Iterable[Sequence[object]]:
    """What each claim is worth; empty unless asked for. ``least`` says that it is worth at least so much."""
    yield ("claim", "label", "bits", "error", "least", "check")
    called = made.spec.short_names
    for name, item in sorted(made.worths.items(), key=lambda pair: -pair[1].bits):
        known = math.isfinite(item.error)
        yield (
            name,
            called[name],
            item.bits,
            item.error if known else "",
            "yes" if item.least else "",
            made.spec.claims[name].text,
        )


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
    sample, spec = made.sample, made.spec
    found: dict[str, Any] = {
        "caution": CAUTION,
        "backfire": version(),
        "name": spec.name,
        "title": spec.title,
        "note": spec.note,
        "scenario": {"name": spec.scenario.name, "hash": spec.scenario.hash},
        "claims": {name: claim.text for name, claim in spec.claims.items()},
        "inputs": list(made.names),
        "box": {name: item.describe() for name, item in spec.space.inputs.items()},
        "form": spec.form,
        "renamed": [[item.old, item.new, item.factor] for item in spec.renamed],
        "seed": made.seed,
        "members": len(made.members),
        "judged": sample.judged,
    }
    if not made.found:
        return found | {"found": False, "closest": closest(made), "fighting": fighting(made)}
    facts = {} if made.weighted is None else {"facts": list(made.met), "facts_refused": list(made.weighted.refused)}
    return (
        found
        | facts
        | {
            "found": True,
            "method": "rejection: exact" if sample.exact else "levels, then chains at distance 0",
            "share_of_box": sample.share,
            "share_of_box_interval_95": list(sample.share_interval),
            "ln_share": math.log(sample.share),
            "ln_share_error": sample.log_share_error,
            "ln_share_by_run": [float(value) for value in sample.log_shares],
            "distinct": len(np.unique(made.members, axis=0)),
            "refused_when_judged_tightly": made.refused,
            "worst_rhat": sample.worst_rhat,
            "worst_rhat_of_walkers": max((float(item.walkers.max()) for item in sample.diagnoses), default=1.0),
            "weights_leave": float(1 / (len(made.members) * np.sum(made.weights**2))),
            "least_effective_size": sample.least_size if sample.diagnoses else float(len(made.members)),
            "pieces": None if made.pieces is None else made.pieces.described(),
            "enclosures": [
                {
                    "ln_volume": run.enclosure.log_volume,
                    "in_the_region": run.met,
                    "of_the_region": run.held,
                    "chains_start_here": run.enclosed,
                    "starts": run.starts,
                }
                for run in sample.runs
                if run.enclosure is not None
            ],
            "share_in_no_enclosure": sample.beyond,
        }
    )


def read_population(folder: Path | str, mechanisms: OwnMechanisms = ()) -> tuple[PlausibleTumours, Scenario]:
    """The tumours of a folder and the scenario they are of; ``mechanisms`` are classes of yours that this uses.

    Raises StorageError for what is no sound population, MechanismError if a mechanism is missing or another.
    """
    tumours = read_tumours(folder)
    return tumours, kept_scenario(Path(folder), tumours.manifest, mechanisms)


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
