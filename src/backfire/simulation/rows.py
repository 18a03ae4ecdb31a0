"""What many members came to: status, outcomes and reasons, one row per member and arm.

Apart from what computes them, so that whoever only passes them on, as the workers of a sweep do, starts without a solver.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backfire.solvers import Floats, Status


@dataclass(frozen=True, eq=False)
class Cohort:
    """What the members came to.

    ``status`` and ``steps`` (members, arms); ``values[arm][outcome]`` and ``observed[arm][outcome]`` (members,): NaN
    and False for members whose status is not good, and where an outcome does not apply. A censored time has a value
    but is not observed. ``reasons`` maps (member, arm) to why a status is not good.
    """

    arms: tuple[str, ...]
    status: NDArray[np.int8]
    steps: NDArray[np.int64]
    values: Mapping[str, Mapping[str, Floats]]
    observed: Mapping[str, Mapping[str, NDArray[np.bool_]]]
    reasons: Mapping[tuple[int, str], str] = field(default_factory=dict)

    @classmethod
    def failed(cls, members: int, arms: Sequence[str], status: Status, reason: str) -> Cohort:
        """Members that have no numbers, all for one reason."""
        nothing = np.zeros((members, len(arms)), dtype=np.int64)
        reasons = {(member, arm): reason for member in range(members) for arm in arms}
        return cls(tuple(arms), (nothing + status).astype(np.int8), nothing, {}, {}, reasons)

    @classmethod
    def concat(cls, parts: Sequence[Cohort]) -> Cohort:
        """Cohorts of the same arms as one, member after member; an outcome that a part does not have is NaN there."""
        arms, counts = parts[0].arms, [len(part.status) for part in parts]

        def joined(columns: str, arm: str, empty: float | bool) -> dict[str, NDArray[Any]]:
            found = [getattr(part, columns).get(arm, {}) for part in parts]
            names = dict.fromkeys(name for column in found for name in column)
            filled = [
                dict.fromkeys(names, np.full(count, empty)) | dict(column) for count, column in zip(counts, found, strict=True)
            ]
            return {name: np.concatenate([column[name] for column in filled]) for name in names}

        starts = np.cumsum([0, *counts]).tolist()
        reasons = {
            (start + member, arm): text
            for start, part in zip(starts, parts, strict=False)
            for (member, arm), text in part.reasons.items()
        }
        return cls(
            arms,
            np.concatenate([part.status for part in parts]),
            np.concatenate([part.steps for part in parts]),
            {arm: joined("values", arm, math.nan) for arm in arms},
            {arm: joined("observed", arm, False) for arm in arms},
            reasons,
        )
