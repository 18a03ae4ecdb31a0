"""A population from beginning to end: sample, judge again tightly, write a folder."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from pathlib import Path
from typing import Any, Final

import numpy as np

from backfire.claims import worker_pool
from backfire.errors import BackendLostError, BackfireError, RefusedError, UserError, echo
from backfire.populations.checkpoint import Checkpoint
from backfire.populations.facts import told, weigh
from backfire.populations.folder import Population, write_population
from backfire.populations.judging import ClaimJudge, judge_of
from backfire.populations.pieces import pieces_of
from backfire.populations.sampler import Bools, Effort, Goal, RegionSample, Run, Spread, judged, pilot, sample_region
from backfire.populations.sentences import Worth, drawn_worth, worth
from backfire.populations.spec import MOST_MEMBERS, PopulationSpec, load_population
from backfire.scenario import OwnMechanisms
from backfire.simulation import prepare_folder
from backfire.sweeps import code_identity
from backfire.system import lock

SPARE: Final = 0.1
"""Share of tumours sampled beyond those asked for: a few of them fail where they are judged again tightly."""
COSTED: Final = 64
"""Points of the pilot on which the cost of every simulation is measured."""
LINKED: Final = 200
"""Tumours between which lines are drawn, to see whether the set hangs together."""
Notify = Callable[[str], None]


def population(
    source: PopulationSpec | str | Path,
    out: str | Path | None = None,
    members: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    effort: Effort | None = None,
    goal: Goal | None = None,
    notify: Notify | None = None,
    mechanisms: OwnMechanisms = (),
    client: Any = None,
    sentences: bool = False,
    form: str | None = None,
) -> Population:
    """Plausible tumours of a population file, a shipped population, or a scenario and its article.

    ``members`` replaces the number of the file. ``workers`` processes share the work, all cores if None, none for 0; or the
    workers of the Dask scheduler of ``client``; the numbers depend on ``seed`` alone. With ``out`` a folder of the
    population's name is written there. ``form`` is another form of the equations (``FORMS``). ``sentences`` asks what each
    claim is worth too. ``notify`` hears how far it is; ``mechanisms`` are those of yours that the scenario uses. What is cut
    off goes on where it was when it is asked for again, and so does a sample that did not reach its ``goal`` and is given
    more rounds. Raises UserError before anything is computed.
    """
    spec = source if isinstance(source, PopulationSpec) else load_population(source, mechanisms, form)
    wanted = spec.members if members is None else members
    if not 1 <= wanted <= MOST_MEMBERS or not 0 <= seed < 2**63:
        raise UserError(
            f"--members {wanted} --seed {seed}: give at least one member, at most {MOST_MEMBERS:,}, and a seed from 0 on"
        )
    tell = notify or (lambda _: None)
    with contextlib.ExitStack() as stack:
        folder = None
        if out is not None:
            folder = prepare_folder(Path(out), spec.name)
            stack.enter_context(lock(folder, "population"))
        spread = stack.enter_context(_spread(workers)) if client is None else _over_dask(client)
        made = _sampled(spec, wanted, seed, spread, effort, goal, tell, sentences)
        if folder is not None:
            made = dataclasses.replace(made, folder=folder)
            write_population(made, folder)
    return made


def _sampled(
    spec: PopulationSpec,
    wanted: int,
    seed: int,
    spread: Spread,
    effort: Effort | None,
    goal: Goal | None,
    tell: Notify,
    sentences: bool,
) -> Population:
    judge = judge_of(spec.topics, spec.space)
    count = len(spec.space.names)
    tell(f"{spec.name}: {len(spec.claims)} claims, {count} inputs vary, {len(judge.stages)} simulations a tumour")
    first = pilot(judge, count, seed, spread)
    ordered = judge.ordered(first.violations, judge.costs(first.points[:COSTED]))
    kept = Checkpoint(spec, seed, effort or Effort(), tell)

    def told(runs: Sequence[Run], what: str) -> None:
        tell(_progress(runs, what))

    sample = sample_region(
        ordered, count, wanted, seed, effort, goal, spread=spread, first=first, told=told, keeper=kept,
        spare=max(8, int(SPARE * wanted)),
    )  # fmt: skip
    tight = dataclasses.replace(ordered, settings=None)
    violations = judged(tight, sample.members, None, spread) if len(sample.members) else sample.violations
    holds: Bools = np.asarray(np.all(violations <= 0, axis=1))
    whole = np.flatnonzero(holds)[:wanted]
    refused = int((~holds).sum())
    if refused:
        tell(f"{refused} of {len(holds)} tumours did not stand the tight judgement and were left out")
    if len(sample.members) and not len(whole):
        nearest = int(np.maximum(violations, 0).sum(axis=1).argmin())
        sample = dataclasses.replace(
            sample, best=sample.members[nearest], best_violations=violations[nearest], margins=violations
        )
    members = spec.space.place(sample.members[whole])
    worths: dict[str, Worth] = {}
    if sentences and len(sample.members):
        tell("what each sentence is worth")
        worths = drawn_worth(first.violations, ordered.columns) if sample.exact else _worths(ordered, sample, spread, kept, tell)
    pieces = None
    if len(whole):
        tell("does the set hang together?")
        shown = np.linspace(0, len(whole), min(len(whole), LINKED), endpoint=False).astype(int)
        pieces = pieces_of(ordered, sample.members[whole[shown]], spread)
    made = Population(spec, seed, members, violations[whole], sample, refused, ordered, worths=worths, pieces=pieces)
    if (goal or Goal()).met_by(*sample.diagnoses):
        kept.forget()  # one that is not settled may be given more rounds
    return _weighed(made, tell) if spec.facts and made.found else made


def _worths(judge: ClaimJudge, sample: RegionSample, spread: Spread, kept: Checkpoint, tell: Notify) -> dict[str, Worth]:
    """What each claim is worth; those known from before the command was cut off are not asked again."""
    sweeps, claims = sample.traces.shape[1], judge.columns

    def keep(found: dict[str, Worth]) -> None:
        kept.save_worths(sweeps, found)
        tell(f"what each sentence is worth: {len(found)} of {len(claims)} known")

    return worth(judge, sample.runs, claims, spread, kept.load_worths(sweeps), keep)


def _weighed(made: Population, tell: Notify) -> Population:
    """The population with weights under which it meets the facts of its file."""
    spec = made.spec
    values = np.column_stack([fact.measured(spec.scenario, made.names, made.members) for fact in spec.facts])
    found = weigh(spec.facts, values)
    for words in found.refused:
        tell(f"a fact cannot be met: {words}")
    return dataclasses.replace(made, weighted=found, met=tuple(told(spec.facts, values, found.weights)))


def _progress(runs: Sequence[Run], what: str) -> str:
    """One line on how far the runs are."""
    judged = sum(run.judged for run in runs)
    if what == "levels":
        distances = ", ".join(f"{run.level:.2f}" for run in runs)
        share = np.mean([run.log_share for run in runs]) / np.log(10)
        number = max(len(run.levels) for run in runs)
        return f"level {number}: distance {distances}; share of the box about 10^{share:.1f}; {judged} judged"
    return f"all claims hold, walking on: {judged} judged"


@contextlib.contextmanager
def _spread(workers: int | None) -> Iterator[Spread]:
    """How work is distributed. One thread of linear algebra in each process: the last digits must not depend on cores."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))  # for processes that start now
    try:
        with worker_pool(workers) as pool:
            yield map if pool is None else _over(pool)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _over_dask(client: Any) -> Spread:
    """Calls on the workers of a Dask scheduler, whose code must be that of this process."""
    here = code_identity()
    try:
        others = client.run(code_identity)
    except Exception as error:  # a client without scheduler fails in many ways, none of them documented
        raise BackendLostError(f"the Dask scheduler does not answer: {echo(error)}") from None
    if not others:
        raise BackendLostError("the Dask scheduler has no workers")
    if strange := [address for address, found in others.items() if found != here]:
        raise RefusedError(f"the code of the Dask workers at {', '.join(strange)} is not that of this process")

    def spread(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        given = list(items)
        try:
            return list(client.gather(client.map(_alone, [function] * len(given), given, pure=False)))
        except BackfireError:
            raise
        except Exception as error:
            raise BackendLostError(f"Dask lost a part of the work: {type(error).__name__}: {echo(error)}") from None

    return spread


def _alone(function: Callable[[Any], Any], item: Any) -> Any:
    """A call in which linear algebra has one thread: the last digits must not depend on cores."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        return function(item)


def _over(pool: Executor) -> Spread:
    def spread(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        try:
            yield from pool.map(function, list(items))  # one by one, so that each can be kept as soon as it is there
        except BrokenExecutor:
            raise BackendLostError(
                "a worker process ended abruptly. Was it killed, or out of memory? --workers 0 does without worker processes"
            ) from None

    return spread
