"""Virtual trials: every patient under every arm, endpoints as a trial sees them, and what no trial can see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from backfire.errors import UserError
from backfire.scenario import OwnMechanisms
from backfire.studies.folder import FinishedStudy, Rows, study_manifest
from backfire.studies.runs import Means, require_same, run_study, stored_study
from backfire.studies.trials.endpoints import visit_step
from backfire.studies.trials.numbers import TrialNumbers, conducted
from backfire.studies.trials.spec import TrialReader, TrialSpec
from backfire.studies.trials.tables import notes_of, tables_of

PLAIN: Final = "final_burden"
"""What is read of patients of whom nothing but visits is asked."""
load_trial, parse_trial = TrialReader.load, TrialReader.parse


@dataclass(frozen=True, eq=False, repr=False)
class Trial(FinishedStudy, TrialNumbers):
    """A finished virtual trial. ``tables`` has every table by name, first the names of its columns."""

    folder: Path | None = None

    @cached_property
    def notes(self) -> list[str]:
        """What has to be said beside every number."""
        return notes_of(self)

    @cached_property
    def tables(self) -> dict[str, Rows]:
        """``times``, ``patients``, ``arms``, ``comparisons``, ``power``, ``gaining`` and, with visits, ``response``, and how
        ``progression`` is read and with what ``delays``."""
        return tables_of(self)

    @property
    def shown(self) -> dict[str, Rows]:
        """The tables that are printed; those with a row for every patient are in the folder."""
        return {name: self.tables[name] for name in ("arms", "comparisons", "power", "gaining")}

    @property
    def manifest(self) -> dict[str, Any]:
        """What was asked, as data."""
        spec = self.spec
        about = {
            "reference": spec.reference, "endpoints": list(spec.endpoints), "patients": len(self.kept), "left_out": self.left_out,
            "follow_up": spec.follow_up, "accrual": spec.accrual, "dropout": spec.dropout, "visits": spec.visits,
            "criteria": str(spec.criteria),
        }  # fmt: skip
        return study_manifest(spec, "trial", self.notes, about)


def trial(
    source: TrialSpec | str | Path, out: Path | str | None = None, means: Means | None = None, mechanisms: OwnMechanisms = ()
) -> Trial:
    """Run a virtual trial: a spec, a path or a shipped name.

    With ``out`` it is stored in ``<out>/<name>/``: the patients as a sweep in ``members``, tables, and a manifest. ``means`` say
    who computes. Raises UserError for what cannot be asked, and where patients failed and are not to be left out.
    """
    spec = source if isinstance(source, TrialSpec) else load_trial(source, mechanisms)
    every = None if spec.visits is None else visit_step(spec.scenario.time_zero, spec.visits)
    values = spec.tumours.draw()
    found = run_study(spec, spec.tumours.names, values, spec.asked or [PLAIN], out, means or Means(), every)
    return Trial(**vars(conducted(spec, found)), folder=None if out is None else Path(out) / spec.name).written()


def read_trial(folder: Path | str) -> Trial:
    """The trial that stands in a folder, without simulating: its ``study.toml`` may ask something else of the same patients."""
    place = Path(folder)
    found, drawn = stored_study(place)
    spec = TrialReader.again(place, found.scenario, drawn)
    require_same(place, found, spec.tumours.names, spec.tumours.draw, spec.count)
    missing = [name for name in spec.needed if name not in found.outcomes]
    if missing or not {*spec.arms} <= {*found.arms} or (spec.visits is not None and not len(found.days)):
        raise UserError(
            f"{place}: its patients were simulated without {', '.join(missing) or 'these arms or visits'}; run it anew"
        )
    return Trial(**vars(conducted(spec, found)), folder=place).written()
