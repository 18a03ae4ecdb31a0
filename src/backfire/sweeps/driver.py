"""The driver of a sweep: hands out slices of members, survives those who compute them, and ends with a proof.

It knows nothing of tumours: a plan says how many members there are, what a row has, and what computes them.
"""

from __future__ import annotations

import collections
import contextlib
import os
import platform
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from backfire.errors import BackendLostError, RefusedError, StorageError, UserError
from backfire.formatting import bytes_in_words
from backfire.sampling import Design
from backfire.solvers import Status
from backfire.sweeps import store
from backfire.sweeps.identity import changes, run_hash
from backfire.sweeps.store import SCHEMA, TableSchema
from backfire.sweeps.tasks import Job, Recorder, Runner, write_failure
from backfire.sweeps.workers import Pool, Slice, WorkerDied
from backfire.system import lock, to_json, write_whole

if TYPE_CHECKING:
    import pandas

SMALLEST_CHUNK: Final = 256
LARGEST_CHUNK: Final = 10_000
MOST_DEATHS: Final = 40
"""So many workers in a row that die without any slice finishing: it is not the members, it is the machine."""
DEATHS_ALONE: Final = 2
"""So often a member must kill its worker, alone, before it is given up."""
SHOWN_CHANGES: Final = 12


@dataclass(frozen=True)
class SweepPlan:
    """A sweep ready to run.

    ``identity`` is plain data with all that can change a number; its hash names the run. ``fields`` and ``outcomes``
    map names to ``unit`` and ``meaning``, outcomes also to ``time`` (True if they may be censored). ``about`` goes to
    the manifest, ``files`` (name → text) beside it. ``recorder`` computes the trajectories to be stored, if any are.
    """

    design: Design
    arms: tuple[str, ...]
    fields: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Mapping[str, Any]]
    identity: Mapping[str, Any]
    runner: Runner
    about: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    recorder: Recorder | None = None

    def layout(self) -> TableSchema:
        """The columns, and whose they are."""
        times = tuple(name for name, about in self.outcomes.items() if about["time"])
        recording = self.recorder.recording if self.recorder else None
        return TableSchema(run_hash(self.identity), self.design.fields, self.arms, tuple(self.outcomes), times, recording)


@dataclass(frozen=True, eq=False)
class Sweep:
    """A finished sweep: its ``folder``, and the ``summary`` of what stands there (counts, extremes, hashes)."""

    folder: Path
    summary: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """True if every member ended well in every arm."""
        return not self.failed_rows

    @property
    def failed_rows(self) -> int:
        """Rows, one per member and arm, that have a reason instead of numbers."""
        return int(self.summary["failed_rows"])

    @property
    def failed_members(self) -> int:
        """Members with at least one such row."""
        return int(self.summary["failed_members"])

    @property
    def table_hash(self) -> str:
        """A hash of all rows, the same whoever computed them and however they were cut."""
        return str(self.summary["table_hash"])

    def table(self) -> pandas.DataFrame:
        """All rows, sorted by member and arm."""
        return store.read_table(self.folder)[0]

    def trajectories(self, first: int = 0, last: int | None = None) -> pandas.DataFrame:
        """The stored trajectories, as ``store.read_trajectories`` gives them; raises UserError if none were asked for."""
        return store.read_trajectories(self.folder, first, last)[0]


def run_plan(
    plan: SweepPlan,
    folder: Path,
    pool_of: Callable[[Job], Pool],
    resume: bool = False,
    chunk: int = SMALLEST_CHUNK,
    progress: Callable[[int], None] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Sweep:
    """Run a plan into ``folder``, which must exist and be ours to write; everything below holds its lock.

    ``chunk`` members make a file, fewer if their trajectories would make it large. ``progress`` is told how many members
    have just been stored, those found on resuming included; ``notify`` gets sentences worth reading. Raises RefusedError
    for a folder with another study or, without ``resume``, with any; StorageError if the disk refuses; BackendLostError
    if nobody is left to compute.
    """
    if chunk < 1:
        raise UserError(f"a chunk has at least 1 member, got {chunk}")
    say, advance = notify or (lambda _: None), progress or (lambda _: None)
    layout, members = plan.layout(), plan.design.members
    with lock(folder, "sweep"):
        _enter(plan, layout, folder, resume)
        found = store.survey(folder, layout, members)
        for path, reason in found.damaged:
            store.quarantine(folder, path)
            say(f"{path.name} {reason}: moved to quarantine/, its members are computed again")
        stored = sum(chunk.last - chunk.first for chunk in found.sound)
        advance(stored)
        if stored:
            say(f"resumed: {stored} of {members} members are stored")
        if stored < members:
            _tell_space(plan, folder, members - stored, say)
            job = Job(str(folder.resolve()), layout, plan.design, plan.runner, plan.recorder)
            size = min(chunk, layout.recording.most_members) if layout.recording else chunk
            _compute(job, pool_of, _slices(found.gaps(members), size), folder, advance, say)
        return _finish(folder, layout, members)


def _enter(plan: SweepPlan, layout: TableSchema, folder: Path, resume: bool) -> None:
    """Make the folder this study's, or see that it is."""
    begun = (folder / "resolved.json").exists()
    if begun and not resume:
        raise RefusedError(f"{folder} holds a sweep already; --resume goes on with it, another --out starts afresh")
    if begun:
        _refuse_changes(store.read_json(folder / "resolved.json").get("identity"), plan.identity, folder)
    elif not _is_fresh(folder, layout):
        raise RefusedError(f"{folder} holds something else than a sweep; give another --out")
    inner = {Path(name).parent.name for name in plan.files} - {""}
    for name in ("chunks", "quarantine", *inner):
        if (folder / name).is_symlink():
            raise RefusedError(f"{folder / name} is a symbolic link; give a real folder with --out")
    try:
        for name in ("chunks", *inner):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror or error})") from None
    store.remove_leftovers(folder)
    for name in ("COMPLETE", "SUMMARY.json"):
        (folder / name).unlink(missing_ok=True)
    if not begun:
        for name, text in plan.files.items():
            write_whole(folder / name, text)
    write_whole(folder / "manifest.json", to_json(_manifest(plan, layout)))
    if not begun:  # last: a folder that has it has everything else
        write_whole(folder / "resolved.json", to_json({"run": layout.run, "identity": plan.identity, **plan.about}))


def _is_fresh(folder: Path, layout: TableSchema) -> bool:
    """True if a sweep can begin here: there is nothing of one, or no more than this one left when it was cut off so early."""
    place, manifest = folder / "chunks", folder / "manifest.json"
    if place.exists() and not (place.is_dir() and all(name.endswith(".tmp") for name in os.listdir(place))):
        return False
    try:
        return not manifest.exists() or store.read_json(manifest).get("run") == layout.run
    except StorageError:
        return False


def _manifest(plan: SweepPlan, layout: TableSchema) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "run": layout.run,
        "members": plan.design.members,
        "arms": list(plan.arms),
        "fields": plan.fields,
        "outcomes": plan.outcomes,
        "design": plan.design.describe(),
        "statuses": {status.word: int(status) for status in Status},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": platform.processor(),
        "arguments": sys.argv,
        **({"trajectories": layout.recording.describe()} if layout.recording else {}),
        **{key: value for key, value in plan.about.items() if key != "document"},
        **{key: value for key, value in plan.identity.items() if key in ("versions", "code", "solver")},
    }


def _refuse_changes(stored: object, mine: Mapping[str, Any], folder: Path) -> None:
    """Refuse to mix two studies in one folder, naming what changed."""
    found = changes(stored, mine)
    if found:
        shown = found[:SHOWN_CHANGES]
        more = [f"… and {len(found) - len(shown)} more"] if len(found) > len(shown) else []
        raise RefusedError("\n".join([f"{folder} holds another study; since then changed:", *shown, *more, "give another --out"]))


def _tell_space(plan: SweepPlan, folder: Path, members: int, say: Callable[[str], None]) -> None:
    """Say what trajectories take, and if the disk will hardly do; what compresses is not known, so this is no refusal."""
    likely = members * len(plan.arms) * 8 * (len(plan.fields) + len(plan.outcomes)) // 2
    if plan.recorder:
        recording = plan.recorder.recording
        likely += recording.size(members)
        say(f"trajectories: about {bytes_in_words(recording.size(members))} will be written ({recording.words(members)})")
    free = shutil.disk_usage(folder).free
    if likely > free:
        say(f"warning: about {bytes_in_words(likely)} will be written, and {bytes_in_words(free)} are free")


def _slices(gaps: Iterator[tuple[int, int]], size: int) -> Iterator[Slice]:
    for first, last in gaps:
        for start in range(first, last, size):
            yield Slice(start, min(start + size, last))


def _compute(
    job: Job, pool_of: Callable[[Job], Pool], slices: Iterator[Slice], folder: Path,
    advance: Callable[[int], None], say: Callable[[str], None],
) -> None:  # fmt: skip
    """Compute all slices; whatever happens, nobody is left at work and nothing half-written behind."""
    with interruptible():
        pool = pool_of(job)
        try:
            _Round(job, pool, slices, advance, say).run()
        finally:
            pool.close()
            store.remove_leftovers(folder)


class _Round:
    """Slices handed out and taken back; a slice that kills its worker is halved until the member is alone."""

    def __init__(
        self, job: Job, pool: Pool, slices: Iterator[Slice], advance: Callable[[int], None], say: Callable[[str], None]
    ) -> None:
        self.job, self.pool, self.slices, self.advance, self.say = job, pool, slices, advance, say
        self.suspects: collections.deque[Slice] = collections.deque()
        self.running = 0
        self.deaths = 0
        self.alone = False
        """A suspect runs, and must run alone to be found guilty."""

    def run(self) -> None:
        while True:
            while self.pool.free() > 0 and not self.alone and (part := self._next()) is not None:
                self.pool.submit(part)
                self.running += 1
            if not self.running:
                return
            for part, death in self.pool.answers():
                self.running -= 1
                self.alone = False
                if death:
                    self._died(part, death)
                else:
                    self.deaths = 0
                    self.advance(part.size)

    def _next(self) -> Slice | None:
        if not self.suspects:
            return next(self.slices, None)
        if self.pool.exact:
            return self.suspects.popleft()
        if self.running:
            return None
        self.alone = True
        return self.suspects.popleft()

    def _died(self, part: Slice, how: WorkerDied) -> None:
        self.deaths += 1
        if self.deaths > MOST_DEATHS:
            raise BackendLostError(f"{self.deaths} workers in a row died without finishing anything ({how})")
        deaths = part.deaths + 1
        if part.size == 1 and deaths >= DEATHS_ALONE:
            reason = f"the worker process died {deaths} times on this member alone ({how})"
            write_failure(self.job, part.first, Status.WORKER_DIED, reason)
            self.say(f"member {part.first}: {reason}")
            self.advance(1)
        elif part.size == 1 or deaths == 1:
            self.suspects.appendleft(Slice(part.first, part.last, deaths))
        else:
            middle = (part.first + part.last) // 2
            halves = [(part.first, middle), (middle, part.last)]
            # a half is not tried twice, its whole has been; a single member is
            self.suspects.extendleft(Slice(a, b, 1 if b - a > 1 else 0) for a, b in reversed(halves))


def _finish(folder: Path, layout: TableSchema, members: int) -> Sweep:
    """Read everything back, and only then say that it is complete."""
    summary = store.summarise(folder)
    if summary["stored"] != members:
        raise StorageError(f"{folder}: {members - summary['stored']} members are missing after all; go on with --resume")
    complete = {"run": summary["run"], "members": members, "table_hash": summary["table_hash"]}
    if layout.recording:
        summary["trajectories_hash"] = complete["trajectories_hash"] = store.trajectories_hash(folder)
    write_whole(folder / "SUMMARY.json", to_json(summary))
    write_whole(folder / "COMPLETE", to_json(complete))
    return Sweep(folder, summary)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP end the sweep in order: workers ended, nothing half-written, lock released.

    A second signal ends this process at once; its workers notice and follow. Handlers are put back afterwards.
    """
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # under nohup a hang-up is to be ignored, and other threads than the main one cannot handle signals
    mine = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        mine = []

    def second(number: int, _: object) -> NoReturn:
        os._exit(128 + number)

    def first(number: int, _: object) -> NoReturn:
        for other in mine:
            signal.signal(other, second)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, first) for number in mine}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def chunk_size(members: int, workers: int) -> int:
    """Members per chunk where nobody says: some chunks for every worker, none tiny, none larger than 10 000."""
    return min(LARGEST_CHUNK, max(SMALLEST_CHUNK, -(-members // (4 * max(workers, 1)))))
