"""What happens in a scenario, in plain sentences: read off its outcomes, for those who read nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from backfire.formatting import display_name, short, unit_in_words
from backfire.outcomes import Outcome
from backfire.reports.markdown import bullets, plain, table
from backfire.reports.model_page import Subject
from backfire.simulation import Result


def story(matter: Subject) -> Iterator[str]:
    """Blocks in Markdown: the article in three phrases, then what every arm comes to."""
    if matter.article is not None:
        told = matter.article.file.story
        rows = [("The drug", told.drug), ("The answer to it", told.answer), ("What blocks the answer", told.blocked_by)]
        yield table(("in short", ""), [(f"**{head}**", plain(text)) for head, text in rows])
    yield "In this model, arm by arm:"
    result = matter.result
    yield bullets(f"**{plain(display_name(arm))}**{_given(result, arm)}: {_course(result, arm)}" for arm in result.outcomes)
    yield (
        "Which line lies below which, what rises and when, which time shifts: these are what to look for. The numbers themselves "
        "are not."
    )


def _given(result: Result, arm: str) -> str:
    agents = sorted({display_name(result.scenario.regimens[name].agent) for name in result.scenario.arms[arm]})
    return f" ({plain(', '.join(agents))})" if agents else " (no treatment)"


def _course(result: Result, arm: str) -> str:
    found, death = result.outcomes[arm], result.death(arm)
    if not result.trajectories[arm].status.good:
        return "the computation failed."
    parts = []
    nadir, progression, final = (found.get(name) for name in ("nadir", "time_to_progression", "final_burden"))
    share = found.get("smallest_share")
    if nadir is not None and final is not None:
        unit = unit_in_words(nadir.unit)
        if share is not None and share.value < 0.95:
            parts.append(f"the tumour shrinks to {_amount(nadir, unit)} on day {_day(result, found.get('nadir_day'))}")
        else:
            parts.append("the tumour never shrinks")
        if progression is not None and progression.observed:
            parts.append(f"progresses on day {_day(result, progression)}")
        elif progression is not None:
            parts.append("is not seen to progress")
        if death is None:
            gone = found.get("eradicated")
            left = "is gone" if gone is not None and gone.value == 1 else f"has {_amount(final, unit)}"
            parts.append(f"{left} on the last day")
    metastases = found.get("metastatic_burden")
    if metastases is not None and death is None:
        parts.append(f"with {_amount(metastases, unit_in_words(metastases.unit))} in metastases")
    if death is not None:
        parts.append(f"and the host dies on day {short(death, 3)}")
    return f"{', '.join(parts)}." if parts else "this model has no tumour burden; the figure shows what it has."


def _amount(item: Outcome, unit: str) -> str:
    return "less than one cell" if unit == "cells" and item.value < 1 else f"{short(item.value)} {unit}".strip()


def _day(result: Result, item: Outcome | None) -> str:
    return "–" if item is None else short(item.value + result.scenario.time_zero, 3)
