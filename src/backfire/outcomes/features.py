"""What a reader finds in the courses of one arm, before any outcome is computed from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backfire.outcomes.rules import Rules
from backfire.outcomes.summaries import Summary
from backfire.solvers import Floats

Bools = NDArray[np.bool_]


class Features(Protocol):
    """Days, extremes and integrals of m members in one arm: each (m,) unless said otherwise, NaN where there is none.

    Two readers find them independently: one in the steps of the reference solver by polynomials (``recorded``), one in
    those of the batch solver by compiled code (``compiled``). Burdens in cells are counted: less than one is none.
    """

    @property
    def rules(self) -> Rules:
        """The thresholds by which the arm is judged."""

    @property
    def recorded(self) -> Mapping[str, str]:
        """Name → unit of everything recorded."""

    @property
    def flows(self) -> Mapping[str, Sequence[str]]:
        """Kind → names of the recorded processes, as ``Network.flows``."""

    @property
    def agents(self) -> Mapping[str, str]:
        """Agent → unit of its amounts, of the agents that the arm is given, sorted."""

    @property
    def start(self) -> Floats:
        """The day from which times count, the same in all arms."""

    @property
    def own(self) -> Floats:
        """The day from which the arm's own response counts: its first intervention."""

    @property
    def last(self) -> Floats:
        """The last day."""

    @property
    def end(self) -> Floats:
        """The last day on which the primary is judged: the last day, or just before surgery."""

    @property
    def before(self) -> Floats:
        """The burden at the arm's first intervention, before its events."""

    @property
    def nadir(self) -> Floats:
        """The smallest burden from then on."""

    @property
    def nadir_at(self) -> Floats:
        """The day of the nadir."""

    @property
    def progression_at(self) -> Floats:
        """The day on which the burden reaches what counts as progression, ``rules.progressed``."""

    @property
    def regrown_at(self) -> Floats:
        """The day on which it has grown by ``rules.regrowth`` more."""

    @property
    def final_burden(self) -> Floats:
        """The burden on the last day."""

    @property
    def burden_area(self) -> Floats:
        """Its integral from the start to the last day, in cells × days; so the other areas."""

    @property
    def final_metastases(self) -> Floats:
        """The metastatic burden on the last day; NaN where none is recorded."""

    @property
    def active_area(self) -> Floats:
        """Of the active cells."""

    @property
    def growth_area(self) -> Floats:
        """Of the rate of growth."""

    @property
    def kill_area(self) -> Floats:
        """Of all rates of kill by drugs."""

    @property
    def seeding_area(self) -> Floats:
        """Of the rate of seeding."""

    @property
    def survival_at(self) -> Floats:
        """The day on which the host load reaches 1."""

    @property
    def cure(self) -> Floats:
        """The chance that no tumour cell is left on the last day; 0 where the host dies before."""

    @property
    def refused(self) -> str:
        """Why there is no such chance; "" where there is."""

    @property
    def courses(self) -> NDArray[np.int64]:
        """How many courses are given."""

    @property
    def before_course(self) -> Floats:
        """(m, c): the burden before every course."""

    @property
    def low_in_course(self) -> Floats:
        """(m, c): the smallest burden in every course."""

    def log10(self, values: Floats) -> Floats:
        """Decades: of one arm by the library of C, of many members in vectors, which may differ in the last bit."""

    def peak(self, name: str) -> Floats:
        """The largest value of something recorded from the start on."""

    def peak_at(self, name: str) -> Floats:
        """The day of that peak; NaN where it is flat."""

    def given(self, agent: str) -> Floats:
        """The total amount given of an agent."""

    @property
    def treatments(self) -> Sequence[str]:
        """All that the arm is given in doses, or while it is on, sorted."""

    def doses(self, agent: str) -> Floats:
        """How often an agent was given: boluses, and infusions by their beginnings."""

    def treated(self, agent: str) -> Floats:
        """The days on which an agent was given: one for a bolus, and those that infusions ran."""

    def summary(self, asked: Summary) -> Floats:
        """What is asked of something recorded; of crossings the day, NaN if it did not come."""
