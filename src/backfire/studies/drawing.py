"""The figures of studies, and where they are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backfire.figures.study import BlamePanel, RankingPanel, blame, ranking
from backfire.studies.ablation import Ablation
from backfire.studies.ablation import Blame as BlameOf
from backfire.studies.sensitivity import Sensitivity
from backfire.studies.statistics import Estimate
from backfire.studies.trial import Trial
from backfire.studies.trials import trial_figures
from backfire.system import write_whole

Study = Trial | Ablation | Sensitivity


def study_figures(study: Study) -> Iterator[tuple[str, Any]]:
    """Pairs (name of the file without its ending, matplotlib figure) of a finished study."""
    if isinstance(study, Trial):
        yield from trial_figures(study)
    elif isinstance(study, Ablation):
        yield from _ablation_figures(study)
    else:
        yield "ranking", _ranking(study)


def draw_study(study: Study, form: str = "png") -> Iterator[Path]:
    """Write the figures of a study that has a folder there; gives their paths."""
    from backfire.figures import image

    assert study.folder is not None
    for name, figure in study_figures(study):
        path = study.folder / f"{name}.{form}"
        write_whole(path, image(figure, form))
        yield path


def _ablation_figures(study: Ablation) -> Iterator[tuple[str, Any]]:
    spec = study.spec
    for place, outcome in enumerate(spec.outcomes):
        own = [item for item in study.blames if item.outcome == outcome]
        if own:
            panels = [_blame_panel(item, [*spec.feedbacks]) for item in own]
            hashes = {spec.scenario.name: spec.scenario.hash}
            remarks = [" · ".join([*study.notes, *([spec.note] if spec.note else [])])]
            yield f"blame-{place + 1}", blame(spec.title, remarks, own[0].title, panels, hashes)


def _blame_panel(item: BlameOf, names: Sequence[str]) -> BlamePanel:
    pairs = np.zeros((len(names), len(names)))
    for (one, other), found in item.pairs.items():
        at = names.index(one), names.index(other)
        pairs[at] = pairs[at[::-1]] = found.value
    return BlamePanel(
        item.arm,
        item.all_on.row,
        item.all_off.row,
        {name: _paired(found, item.alone_off[name]) for name, found in item.without.items()},
        {name: found.row for name, found in item.shares.items()},
        pairs,
    )


def _paired(without: Estimate, falls: Estimate) -> tuple[float, float, float]:
    """The value with one off, with the interval of its difference to all on in the same tumours."""
    return without.value, without.value + falls.value - falls.high, without.value + falls.value - falls.low


def _ranking(study: Sensitivity) -> Any:
    panels = []
    main = study.spec.main
    for item in study.rankings:
        first = next(iter(item.indices.values()))
        kinds = first[main].kind, first[1 - main].kind
        rows = {name: (found[main].estimate.row, found[1 - main].estimate.row) for name, found in item.indices.items()}
        floors = [found[main].floor for found in item.indices.values()]
        panels.append(RankingPanel(item.arm, item.title, kinds, rows, float(np.mean(floors))))
    return ranking(study.spec.title, [*study.notes], panels, {study.spec.scenario.name: study.spec.scenario.hash})
