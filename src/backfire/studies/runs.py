"""The tumours of a study simulated and stored as a sweep, and read back: lossless, resumable, on any workers."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from backfire import sweeps
from backfire.errors import StorageError, UserError
from backfire.sampling import PlausibleTumours, Table
from backfire.scenario import Scenario
from backfire.simulation import prepare_folder
from backfire.solvers import Floats, Status
from backfire.studies.spec import StudySpec
from backfire.sweeps import SweepSpec
from backfire.sweeps import store as sweep_store
from backfire.system import write_whole

if TYPE_CHECKING:
    import pandas

MEMBERS: Final = "members"
"""The folder of the sweep inside that of the study."""
REASONS: Final = 3
"""How many reasons of failed members a message shows."""
_GOOD: Final = [status.word for status in Status if status.good]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Means:
    """How members are computed: as ``sweeps.sweep`` has it."""

    workers: int | None = None
    executor: Any = None
    resume: bool = False
    progress: Callable[[int], None] | None = None
    notify: Callable[[str], None] | None = None


@dataclass(frozen=True, eq=False)
class Simulated:
    """What members came to, all arrays with members first.

    ``values`` (members, fields); ``outcomes`` and ``observed`` map names to (members, arms), NaN and False after a failure;
    ``failed`` (members, arms) with ``reasons`` by (member, arm). ``days`` (k,) and ``burden`` (members, arms, k), where
    states over time are stored.
    """

    scenario: Scenario
    fields: tuple[str, ...]
    arms: tuple[str, ...]
    values: Floats
    outcomes: Mapping[str, Floats]
    observed: Mapping[str, Bools]
    failed: Bools
    reasons: Mapping[tuple[int, str], str] = field(default_factory=dict)
    days: Floats = field(default_factory=lambda: np.empty(0))
    burden: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))

    def of(self, arm: str, outcome: str) -> tuple[Floats, Bools]:
        """(values, observed) (members,) of an outcome in an arm."""
        at = self.arms.index(arm)
        return self.outcomes[outcome][:, at], self.observed[outcome][:, at]

    def only(self, members: NDArray[np.int64]) -> Simulated:
        """Some of the members, numbered anew."""
        return Simulated(
            self.scenario,
            self.fields,
            self.arms,
            self.values[members],
            {name: column[members] for name, column in self.outcomes.items()},
            {name: column[members] for name, column in self.observed.items()},
            self.failed[members],
            {},
            self.days,
            self.burden[members] if len(self.burden) else self.burden,
        )

    @property
    def failures(self) -> str:
        """How many members failed, and why, in a sentence; empty if none did."""
        count = int(self.failed.any(axis=1).sum())
        if not count:
            return ""
        told = list(dict.fromkeys(self.reasons.values()))
        more = f", and {len(told) - REASONS} other reasons" if len(told) > REASONS else ""
        return f"{count} of {len(self.values)} members could not be simulated ({'; '.join(told[:REASONS])}{more})"


def run_study(
    spec: StudySpec, fields: Sequence[str], values: Floats, outcomes: Sequence[str], out: Path | str | None, means: Means,
    every: float | None = None, arms: Sequence[str] | None = None,
) -> Simulated:  # fmt: skip
    """Simulate members, ``values`` (members, fields), in the arms of a study and store them in ``<out>/<study>/members``; without
    ``out`` nothing stays. ``every`` stores states over time too, so many days apart."""
    with _place(out) as place:
        folder = prepare_folder(place, spec.name)
        table = Table.of(dict(zip(fields, values.T, strict=True)))
        sweep = SweepSpec(MEMBERS, spec.title, spec.scenario, table, tuple(arms or spec.arms), tuple(outcomes), spec.note)
        sweep = sweep if every is None else sweep.recorded(every)
        done = sweeps.sweep(
            sweep, folder, workers=means.workers, executor=means.executor, resume=means.resume, progress=means.progress,
            notify=means.notify,
        )  # fmt: skip
        if spec.text:
            write_whole(folder / "study.toml", spec.text)
        return read_study(done.folder, spec.scenario)


@contextmanager
def _place(out: Path | str | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="backfire-") as name:
        yield Path(name)


def stored_study(folder: Path | str) -> tuple[Simulated, PlausibleTumours]:
    """The members of a study that stand in its folder, and the same as tumours; raises StorageError if they are not all there."""
    place = Path(folder)
    if not (place / "study.toml").exists():
        raise StorageError(f"{place}: is no study (study.toml: No such file)")
    scenario, _ = sweeps.read_scenario(place / MEMBERS)
    found = read_study(place / MEMBERS, scenario)
    count, about = len(found.values), {"scenario": {"name": scenario.name, "hash": scenario.hash}}
    return found, PlausibleTumours(place, found.fields, found.values, np.full(count, 1 / count), float(count), about)


def require_same(place: Path, found: Simulated, fields: Sequence[str], values: Callable[[], Floats], count: int) -> None:
    """Refuse a study that asks for other members, of ``fields`` and ``values`` (members, fields), than are stored."""
    same = found.fields == tuple(fields) and len(found.values) == count
    if not (same and np.allclose(values(), found.values, rtol=1e-9, atol=0.0)):
        raise UserError(f"{place}: its study.toml asks for other tumours than were simulated; run it anew, into another --out")


def read_study(folder: Path, scenario: Scenario) -> Simulated:
    """What stands in the store of a study's members."""
    frame, manifest = sweep_store.read_table(folder)
    if manifest["stored"] < manifest["members"]:
        raise StorageError(f"{folder}: {manifest['members'] - manifest['stored']} members are missing; go on with --resume")
    arms, names = tuple(manifest["arms"]), tuple(manifest["fields"])
    shape = (manifest["members"], len(arms))

    def column(name: str) -> NDArray[Any]:
        return frame[name].to_numpy().reshape(shape)

    outcomes = {name: column(name).astype(float) for name in manifest["outcomes"]}
    observed = {
        name: column(f"{name}_observed").astype(bool) if about["time"] else np.isfinite(outcomes[name])
        for name, about in manifest["outcomes"].items()
    }
    failed = ~frame["status"].isin(_GOOD).to_numpy().reshape(shape)
    reasons = {(int(member), arms[arm]): str(column("reason")[member, arm]) for member, arm in np.argwhere(failed)}
    values = np.column_stack([column(name)[:, 0].astype(float) for name in names])
    made = Simulated(scenario, names, arms, values, outcomes, observed, failed, reasons)
    if not manifest.get("trajectories"):
        return made
    days, burden = _burden(folder, scenario, shape)
    return Simulated(**{**vars(made), "days": days, "burden": burden})


def _burden(folder: Path, scenario: Scenario, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """(days (k,), burden (members, arms, k)): all states that count in it."""
    frame: pandas.DataFrame = sweep_store.read_trajectories(folder)[0]
    counted = [state.name for state in scenario.network.states if "burden" in state.totals]
    if not counted:
        raise UserError(f"{scenario.name}: has no tumour burden that could be measured")
    count = len(frame) // math.prod(shape)
    total = frame[counted].to_numpy().sum(axis=1).reshape(*shape, count)
    return frame["day"].to_numpy()[:count].astype(float), total
