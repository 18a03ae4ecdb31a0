"""The JSON Schema of study files; what stands below ``vary`` is a ``DistributionEntry``."""

from __future__ import annotations

from typing import Any, Final

from backfire.errors import UserError, unknown
from backfire.studies.ablation import AblationFile
from backfire.studies.sensitivity import SensitivityFile
from backfire.studies.spec import StudyFile
from backfire.studies.trials.spec import TrialFile

FILES: Final[dict[str, type[StudyFile]]] = {"trial": TrialFile, "ablation": AblationFile, "sensitivity": SensitivityFile}


def study_schema(kind: str) -> dict[str, Any]:
    """The schema of files of a kind: ``trial``, ``ablation`` or ``sensitivity``; raises UserError for another."""
    if kind not in FILES:
        raise UserError(unknown("kind of study", kind, FILES))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **FILES[kind].model_json_schema()}
