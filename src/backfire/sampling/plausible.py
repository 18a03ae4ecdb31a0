"""Plausible tumours as a population's folder keeps them: members of sweeps, and what everything over a population is asked of."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from backfire.errors import StorageError, UserError, echo, unknown
from backfire.sampling.axis import Axis
from backfire.sampling.designs import Read, setting
from backfire.sampling.distributions import read_distribution
from backfire.sampling.space import Space
from backfire.sampling.tables import Listed, Table, axes_of
from backfire.scenario import check_folder_name
from backfire.solvers import Floats
from backfire.system import to_json

MANIFEST: Final = "manifest.json"
MEMBERS: Final = "members.parquet"
BESIDES: Final = ("member", "weight", "smallest_margin")
"""The columns of the table of members that are no inputs."""
SEAL: Final = "sha256"
"""What ties a manifest and its table together, as the manifest has it: SHA-256 of both."""


@dataclass(frozen=True, eq=False)
class PlausibleTumours:
    """A stored population: ``values`` (n, inputs) of ``names``, ``weights`` (n,) that add up to 1.

    ``mixed`` says how many independent tumours they are worth before weights, as the sampler found; ``manifest`` is the
    rest that the folder knows: title, scenario with its hash, share of the box, claims.
    """

    folder: Path
    names: tuple[str, ...]
    values: Floats
    weights: Floats
    mixed: float
    manifest: Mapping[str, Any]

    @property
    def scenario(self) -> str:
        """The name of the scenario they are of."""
        return str(self.manifest["scenario"]["name"])

    @property
    def hash(self) -> str:
        """The hash that the scenario had."""
        return str(self.manifest["scenario"]["hash"])

    def require(self, name: str, hash: str) -> None:
        """Raises UserError unless they are tumours of the scenario of this name and hash."""
        if self.scenario != name:
            raise UserError(f"{self.folder}: is a population of `{self.scenario}`, not of `{name}`")
        if self.hash != hash:
            raise UserError(
                f"{self.folder}: was sampled of `{name}` {self.hash}, which is not this one, {hash}; "
                f"sample it again with `backfire population`"
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def effective(self) -> float:
        """How many independent tumours of equal weight they are worth: those of the sampler, times 1/(n·Σ weight²)."""
        return float(min(self.mixed, len(self)) / (len(self) * np.sum(self.weights**2)))

    @cached_property
    def space(self) -> Space:
        """The space they were sampled from. Raises StorageError if the folder does not tell."""
        try:
            return Space({name: read_distribution(self.manifest["box"][name]) for name in self.names})
        except (KeyError, TypeError, UserError) as error:
            raise StorageError(f"{self.folder / MANIFEST}: does not say what the tumours were sampled from ({error})") from None

    @property
    def narrowed(self) -> dict[str, float]:
        """By how much the claims narrow every input: 1 - sd/sd before, of its place in its own distribution."""
        return dict(zip(self.names, self.space.narrowed(self.values, self.weights).tolist(), strict=True))

    def quantiles(self, values: Floats, levels: Sequence[float]) -> Floats:
        """Quantiles (levels, …) of values (n, …) over the tumours, by weight."""
        return weighted_quantiles(values, self.weights, levels)


def weighted_quantiles(values: Floats, weights: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles (levels, …) of values (n, …) by ``weights`` (n,); infinite values count, NaN ones do not.

    The lowest value at or below which the weight of those that have one reaches the level; NaN where none has any.
    """
    order = np.argsort(values, axis=0, kind="stable")  # NaN last
    ranked = np.take_along_axis(values, order, axis=0)
    reached = np.cumsum(np.where(np.isnan(ranked), 0.0, weights[order]), axis=0)
    total = reached[-1]
    found = np.full((len(levels), *values.shape[1:]), math.nan)
    for row, level in enumerate(levels):
        place = np.argmax(reached >= level * total * (1 - 1e-12), axis=0)
        found[row] = np.where(total > 0, np.take_along_axis(ranked, place[None], axis=0)[0], math.nan)
    return found


def sealed(about: Mapping[str, Any], table: bytes) -> str:
    """The text of a manifest that holds only with this table, byte by byte."""
    kept: dict[str, Any] = json.loads(to_json({name: value for name, value in about.items() if name != SEAL}))
    return to_json(kept | {SEAL: hashlib.sha256(to_json(kept).encode() + table).hexdigest()})


def read_tumours(folder: Path | str) -> PlausibleTumours:
    """The tumours that ``backfire population`` wrote to a folder.

    Raises UserError where there is no such folder, StorageError for what is no population, or was changed since.
    """
    import pyarrow
    import pyarrow.parquet

    place = Path(folder)
    if not place.exists():
        beside = [str(path.parent) for path in place.parent.glob(f"*/{MEMBERS}")]
        raise UserError(unknown("folder of a population", str(place), beside))
    try:
        written, rows = (place / MANIFEST).read_text(encoding="utf-8"), (place / MEMBERS).read_bytes()
        manifest = json.loads(written)
        if written != sealed(manifest, rows):
            raise ValueError(
                f"{'it was changed after it was written' if SEAL in manifest else 'an older version'}; sample it again"
            )
        names = tuple(str(name) for name in manifest["inputs"])
        if not manifest["found"]:
            raise StorageError(f"{place}: is a population without tumours: nothing that was seen satisfies every claim")
        table = pyarrow.parquet.read_table(io.BytesIO(rows))
        columns = {name: np.asarray(table[name].to_numpy(), dtype=float) for name in (*names, "weight")}
        mixed = float(manifest["least_effective_size"])
        _see_whole(manifest, names, mixed)
        if len(table) != manifest["members"] or not len(table) or not np.isfinite([*columns.values()]).all():
            raise ValueError("its table and its manifest do not fit each other")
        with np.errstate(over="ignore"):
            total = columns["weight"].sum()
        if not columns["weight"].min() >= 0 or not 0 < total < math.inf:
            raise ValueError("its weights are no weights")
    except OSError as error:
        raise StorageError(f"{place}: is no population ({error.strerror or error}); `backfire population` makes one") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, UserError, pyarrow.ArrowException) as error:
        raise StorageError(f"{place}: is no sound population ({echo(error)})") from None
    weights = columns.pop("weight")
    return PlausibleTumours(place, names, np.column_stack([*columns.values()]), weights / weights.sum(), mixed, manifest)


def _see_whole(manifest: Mapping[str, Any], names: Sequence[str], mixed: float) -> None:
    """Raises what reading something else would raise, unless a manifest has all that is asked of it."""
    if not names or set(names) & {*BESIDES} or len(set(names)) < len(names) or not 0 < mixed < math.inf:
        raise ValueError("its inputs, or what they are worth, cannot be")
    texts = (manifest["name"], manifest["scenario"]["name"], manifest["scenario"]["hash"], *manifest["claims"].items())
    renamed = [(old, new, float(factor)) for old, new, factor in manifest.get("renamed", ())]
    share = manifest["share_of_box"]  # null where no run could measure it
    numbers = (int(manifest["seed"]), 1.0 if share is None else float(share))
    check_folder_name(str(manifest["name"]))
    if not all(isinstance(item, str | tuple) for item in texts) or not all(map(math.isfinite, numbers)) or None in renamed:
        raise ValueError("its manifest has other things than a population has")


@dataclass(frozen=True, eq=False)
class Plausible(Listed):
    """The tumours of a population, one by one, each as often as any other.

    Raises UserError where their weights are not equal: rows of a sweep have none.
    """

    kind: ClassVar[str] = "population"
    title: ClassVar[str] = "plausible tumours"
    folder: str = setting("a folder that `backfire population` wrote", "", needed=True)

    @classmethod
    def of(cls, tumours: PlausibleTumours) -> Plausible:
        """The design that has every tumour once."""
        if np.ptp(tumours.weights) > 1e-9 * tumours.weights.max():
            raise UserError(f"{tumours.folder}: its tumours have weights; a sweep takes those of a population without [facts]")
        return cls(axes_of(tumours.names, tumours.values), tumours.values, str(tumours.folder))

    @classmethod
    def content(cls, path: Path) -> str:
        """The tumours as CSV that gives back the same numbers."""
        try:
            design = cls.of(read_tumours(path))
        except StorageError as error:
            raise UserError(str(error)) from None
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [design.fields, *([repr(cell) for cell in row] for row in design.rows.tolist())]
        )
        return text.getvalue()

    @classmethod
    def made(cls, axes: tuple[Axis, ...], given: Mapping[str, Any], read: Read, /) -> Plausible:
        """The population that a study names."""
        listed = Table.made(axes, {"file": given["folder"]}, lambda _: read("folder"))
        return cls(listed.axes, listed.rows, given["folder"])
