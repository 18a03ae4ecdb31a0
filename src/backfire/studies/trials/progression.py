"""Progression as clinicians read it beside the model's own: when either comes to the same patients, and how much later.

The model's own is the outcome ``time_to_progression``: cells against the nadir of the whole course, on the very day. Clinicians
measure a diameter at visits, against the smallest so far, and may ask the next visit to confirm it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backfire.solvers import Floats
from backfire.studies.runs import Simulated
from backfire.studies.statistics import NO_ESTIMATE, Estimate, Times, sample_median, share
from backfire.studies.trials.endpoints import OWN, PROGRESSION, Endpoint, Seen, endpoints_of

AT_VISITS: Final = "at visits"
CONFIRMED: Final = "confirmed"
SEEN: Final = (AT_VISITS, CONFIRMED)
"""The two ways in which clinicians see it: at the first visit that shows it, and only if the next one does, too."""


@dataclass(frozen=True, eq=False)
class ProgressionReadings:
    """Progression of the same ``patients`` (n,) of one arm, each as long as it is followed: the model's ``own``, and as it is
    ``seen`` by each of ``SEEN``."""

    arm: str
    patients: NDArray[np.int64]
    own: Times
    seen: dict[str, Times]

    def delays(self, how: str) -> Floats:
        """(k,): days from the model's own progression to that seen, of the patients to whom either comes while they are followed;
        infinite where only the former comes, minus infinite where only the latter does."""
        first, later = (np.where(times.observed, times.days, np.inf) for times in (self.own, self.seen[how]))
        either = np.isfinite(first) | np.isfinite(later)
        return np.asarray(later[either] - first[either])

    def delay(self, how: str) -> Estimate:
        """The median of these, with its interval; none where progression comes to nobody."""
        return sample_median(self.delays(how))

    def unseen(self, how: str) -> Estimate:
        """The share of patients with the model's own progression in whom it is not seen while they are followed."""
        own = self.own.observed
        missing = int((own & ~self.seen[how].observed).sum())
        return share(missing, int(own.sum())) if own.any() else NO_ESTIMATE


def progression_readings(found: Simulated, seen: Seen | None, until: Floats, reason: Sequence[str]) -> list[ProgressionReadings]:
    """Both readings in every arm, each patient followed up to a day ``until`` (n,) for a ``reason`` (n,).

    Patients of whom the model's own has no value in an arm are left out of it. Empty without visits, and where the model's own
    progression was not asked for.
    """
    if seen is None or OWN not in found.outcomes:
        return []
    read: dict[str, Endpoint] = {OWN: endpoints_of(found, (PROGRESSION,), None)[PROGRESSION]}
    for how in SEEN:
        criteria = dataclasses.replace(seen.criteria, confirmed=how == CONFIRMED)
        read[how] = endpoints_of(found, (PROGRESSION,), dataclasses.replace(seen, criteria=criteria))[PROGRESSION]
    followed = {how: item.followed(until, reason) for how, item in read.items()}
    known = np.isfinite(found.outcomes[OWN])
    made = []
    for place, arm in enumerate(found.arms):
        patients = np.flatnonzero(known[:, place])
        if len(patients):
            own, *others = (Times(time[patients, place], event[patients, place]) for time, event, _ in followed.values())
            made.append(ProgressionReadings(arm, patients, own, dict(zip(SEEN, others, strict=True))))
    return made
