"""One file on a model that opens anywhere: story, figure, explorer, and everything the Markdown page says.

No request leaves the page, and its content policy forbids any: figures are data, scripts and styles are inside. Without
JavaScript all but the explorer is there. Equal bytes for equal models: no dates, no paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

from backfire.errors import UserError
from backfire.figures import answers, comparison, image, population_courses
from backfire.formatting import display_name
from backfire.model import CAUTION, version
from backfire.populations import read_population
from backfire.reports.model_page import Subject, blocks, subject
from backfire.reports.tables import PopulationRun, run_population
from backfire.reports.web.explorer import engine, script, study
from backfire.reports.web.story import story
from backfire.reports.web.studied import picture, studied
from backfire.reports.web.writer import as_html
from backfire.scenario import OwnMechanisms, Scenario, load
from backfire.simulation import Result, read_run, simulate
from backfire.system import write_whole

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "worker-src blob:; base-uri 'none'; form-action 'none'"
)
"""What a browser may load for the page: nothing that is not in it."""

NOT_FOLLOWED: Final = (
    "Treatment here reacts to what is measured at visits. The simulation inside this page gives only what is planned, and so "
    "there is no explorer on it: <code>backfire run</code> follows the rules."
)
WORKER: Final = "if (typeof document === 'undefined') return serve(study);"
"""The script of a page is that of its workers, too, which have no page."""
LARGEST_DRAWING: Final = 500_000
"""Bytes of a figure that is kept as lines."""


def report(
    source: Scenario | Result | Path | str | None, out: Path | str | None = None, mechanisms: OwnMechanisms = (),
    population: Path | str | None = None, studies: Iterable[Path | str] = (),
) -> str:  # fmt: skip
    """A scenario, or a run of it, as one HTML page; gives its text, and writes it to ``out`` as well.

        page = backfire.report("wnt16b-stroma", "wnt16b.html")

    ``source`` is a scenario, a file or shipped name of one, a result, or the folder of a stored run, whose arms are not
    simulated again; ``mechanisms`` are those of yours that it uses. Claims that speak of the scenario are evaluated, also over
    the tumours of a ``population`` if its folder is given, and every arm is drawn over them, in the explorer too; None is the
    scenario of that. ``studies`` are folders of studies of the scenario, whose figures the page shows.
    Raises DocumentError, UserError and StorageError as ``load`` and ``read_run``.
    """
    over = None if population is None else run_population(population, mechanisms=mechanisms)
    result = result_of(source, mechanisms, population)
    asked = studied(studies, result.scenario)
    text = html_page(subject(result, over.tumours if over else None), over, asked)
    if out is not None:
        write_whole(Path(out), text)
    return text


def result_of(
    source: Scenario | Result | Path | str | None, mechanisms: OwnMechanisms = (), population: Path | str | None = None
) -> Result:
    """The run that a page is on: ``source`` as for ``report``."""
    if source is None:
        if population is None:
            raise UserError("a page needs a scenario, a run, or a population")
        return simulate(read_population(population, mechanisms)[1])
    if isinstance(source, Result):
        return source
    if isinstance(source, Scenario):
        return simulate(source)
    return read_run(source, mechanisms) if Path(source).is_dir() else simulate(load(source, mechanisms))


@dataclass(frozen=True)
class InlinePage:
    """A page that a notebook shows in its cell, in a frame of its own that can reach nothing else."""

    name: str
    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="backfire: {escape(self.name)}" srcdoc="{escape(self.html)}" sandbox="allow-scripts allow-downloads" '
            'style="width:100%;height:54rem;border:1px solid #8a8a8a"></iframe>'
        )


def explore(
    source: Scenario | Result | Path | str | None, mechanisms: OwnMechanisms = (), population: Path | str | None = None
) -> InlinePage:
    """The page of ``report`` for the cell of a notebook; arguments as there."""
    result = result_of(source, mechanisms, population)
    return InlinePage(result.scenario.name, report(result, None, mechanisms, population))


def html_page(matter: Subject, over: PopulationRun | None = None, asked: str = "") -> str:
    """The page on what there is to say of a scenario, with its arms ``over`` a population if they were simulated there, and
    what studies ``asked``."""
    scenario = matter.scenario
    explorable, every = not scenario.dosing_rules, [*blocks(matter)]
    lead, rest = every[:3], every[4:]  # the contents of this page, in place of those of the Markdown page, have more in them
    made = (
        f"Made by backfire {escape(version())} from scenario {escape(scenario.name)}, hash <code>{escape(scenario.hash)}</code>."
    )
    body = [
        f"<header>{as_html(lead)}{_contents(bool(asked))}</header>",
        "<main>",
        _section("story", "What happens", as_html(story(matter)) + _figure(matter.result) + (_bands(over) if over else "")),
        _section("explorer", "Try it", _explorer_place() if explorable else f"<p>{NOT_FOLLOWED}</p>"),
        _section("studies", "Asked of many tumours", asked) if asked else "",
        as_html(rest),
        "</main>",
        f"<footer><p>{escape(CAUTION.capitalize())}. {made}</p></footer>",
    ]
    css = script("page.css")
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="data:,"><title>{escape(scenario.name)} · backfire</title><style>{css}</style>'
    )
    parts = (engine(), f"const study = {_study(matter)};", WORKER, script("plot.js"), script("explorer.js")) if explorable else ()
    code = "\n".join(["'use strict';", "(() => {", *parts, "})();"])
    content = "\n".join(body)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{content}\n<script>\n{code}\n</script>\n</body></html>\n'


def _study(matter: Subject) -> str:
    scenario = matter.scenario
    spoken = {item.claim.id for item in matter.findings}
    claims = [
        entry
        for item in matter.sets
        for name, entry in item.claims.items()
        if name in spoken and item.scenario_of(name) == scenario.name
    ]
    # of a factor that can be blocked, what still acts tells the arms apart
    blocked = {item.name: f"excess_{item.name}" for item in answers(matter.result) if item.measure.startswith("unblocked")}
    names = [blocked.get(item.name, item.name) for item in answers(matter.result)]
    shown = [name for name in names if name in scenario.network.observables or name in scenario.network.state_names]
    network = scenario.network
    sources = [*network.state_names, *(item.name for item in network.definitions)]
    elsewhere = sorted(spoken - {entry.id for entry, _ in claims})
    every = [*shown, *(name for name in sources if name not in shown)]
    return study(scenario, claims, shown, every, elsewhere, matter.tumours)


def _section(name: str, head: str, content: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(head)}</h2>\n{content}</section>'


def _contents(asked: bool) -> str:
    names = {"story": "What happens", "explorer": "Try it"} | ({"studies": "Asked of many tumours"} if asked else {})
    names |= {"context-of-use": "Context of use", "credible": "Credible"}
    names |= {"understandable": "Understandable", "reproducible": "Reproducible", "extensible": "Extensible"}
    links = "".join(f'<li><a href="#{name}">{words}</a></li>' for name, words in names.items())
    return f'<nav aria-label="On this page"><ul>{links}</ul></nav>'


def _figure(result: Result) -> str:
    """The comparison figure as an image, with what it shows in words: of lines, or of dots where the lines are too many."""
    figure = comparison(result)
    drawn, kind = image(figure, "svg"), "svg+xml"
    if len(drawn) > LARGEST_DRAWING:
        drawn, kind = image(figure, "png"), "png"
    arms = ", ".join(display_name(arm) for arm in result.trajectories)
    words = (
        f"Comparison of the arms {arms}: tumour burden over {result.scenario.days:g} days with the doses above it, what answers "
        "to treatment, and outcomes as bars. The same numbers stand in the table of arms."
    )
    return picture(kind, drawn, words, result.scenario.title)


def _bands(over: PopulationRun) -> str:
    """Every arm over the plausible tumours, as an image."""
    drawn = image(population_courses(over.default, over.days, over.courses, over.remark), "png")
    values = ", ".join(display_name(name) for name in next(iter(over.courses.values())))
    words = (
        f"Courses of every arm over {len(over.tumours)} plausible tumours ({values}): the median, bands of half of them and "
        "of nine in ten, and the default tumour as a dashed line."
    )
    return picture("png", drawn, words, over.remark)


def _explorer_place() -> str:
    """Where the explorer is built."""
    return (
        "<p>Move a value, a dose or a switch: everything below is simulated anew, here in this page. It shows what this model "
        "does, not what a patient would.</p>"
        '<noscript><p class="notice">The explorer needs JavaScript. All else on this page does not.</p></noscript>'
        '<div id="explorer-place"></div>'
    )
