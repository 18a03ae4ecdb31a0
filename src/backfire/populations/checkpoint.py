"""What has been sampled of a population that is not done, so that the same command goes on where it was.

It lies in the cache of generated code, never in the folder of results: it is read back by `pickle`, which runs what it
reads, and so only this user's own files are read. Its name is a hash of everything that decides the sample.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from backfire.errors import StorageError
from backfire.populations.sampler import Effort, Halfway
from backfire.populations.sentences import Worth
from backfire.populations.spec import PopulationSpec
from backfire.solvers import cache_folder, keep, read_own
from backfire.sweeps import code_identity
from backfire.system import source_hash

FOLDER: Final = "unfinished"


class Checkpoint:
    """Keeps and finds what is halfway done; ``tell`` hears it if something is found."""

    def __init__(self, spec: PopulationSpec, seed: int, effort: Effort, tell: Callable[[str], None]) -> None:
        folder = cache_folder() / FOLDER
        with contextlib.suppress(OSError):
            folder.mkdir(exist_ok=True, mode=0o700)
        self.path: Path = folder / f"{spec.name}-{_key(spec, seed, effort)}.pickle"
        self.tell = tell

    def load(self) -> Halfway | None:
        """What was kept, or None if there is nothing that can be used."""
        try:
            found = pickle.loads(base64.b64decode(read_own(self.path)))
        except (OSError, ValueError, EOFError, AttributeError, ImportError, pickle.UnpicklingError):
            return None
        if not isinstance(found, Halfway):
            return None
        levels, rounds = max(len(run.levels) for run in found.every), len(found.traces)
        self.tell(f"goes on where it was: {levels} levels and {rounds} rounds at distance 0 are done")
        return found

    def save(self, state: Halfway) -> None:
        """Keep a state; a full disk is no reason to stop."""
        keep(self.path, base64.b64encode(pickle.dumps(state)).decode("ascii"))

    def load_worths(self, sweeps: int) -> dict[str, Worth]:
        """What is known already of what claims are worth, of runs that walked so many sweeps in the region."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            found = json.loads(read_own(self._worths))
            if found["sweeps"] == sweeps:
                return {name: Worth(*numbers) for name, numbers in found["worths"].items()}
        return {}

    def save_worths(self, sweeps: int, worths: Mapping[str, Worth]) -> None:
        """Keep what is known of them."""
        found = {name: dataclasses.astuple(item) for name, item in worths.items()}
        keep(self._worths, json.dumps({"sweeps": sweeps, "worths": found}))

    @property
    def _worths(self) -> Path:
        return self.path.with_suffix(".worths.json")

    def forget(self) -> None:
        """It is done: nothing is kept."""
        for path in (self.path, self._worths):
            with contextlib.suppress(OSError, StorageError):
                path.unlink(missing_ok=True)


def _key(spec: PopulationSpec, seed: int, effort: Effort) -> str:
    about: dict[str, Any] = {
        "scenario": spec.scenario.hash,
        "claims": [
            [topic.hash, topic.scenario.days, {name: claim.text for name, claim in topic.claims.items()}] for topic in spec.topics
        ],
        "space": {name: item.describe() for name, item in spec.space.inputs.items()},
        "correlations": [[*pair, rank] for pair, rank in spec.space.correlations.items()],
        "seed": seed,
        "effort": dataclasses.asdict(effort),
        "code": [code_identity(), source_hash("claims", "populations")],
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=list).encode()).hexdigest()[:20]
