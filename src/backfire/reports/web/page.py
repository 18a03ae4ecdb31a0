"""One file on a model that opens anywhere: story, figure, explorer, and everything the Markdown page says.

No request leaves the page, and its content policy forbids any: figures are data, scripts and styles are inside. Without
JavaScript all but the explorer is there. Equal bytes for equal models: no dates, no paths.
"""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Final

from backfire.figures import answers, comparison, image
from backfire.formatting import display_name
from backfire.model import CAUTION, version
from backfire.reports.model_page import Subject, blocks, subject
from backfire.reports.web.explorer import engine, script, study
from backfire.reports.web.story import story
from backfire.reports.web.writer import as_html, scrolled
from backfire.scenario import Scenario, load
from backfire.simulation import Result, read_run, simulate
from backfire.system import write_whole

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""What a browser may load for the page: nothing that is not in it."""


def report(source: Scenario | Result | Path | str, out: Path | str | None = None) -> str:
    """A scenario, or a run of it, as one HTML page; gives its text, and writes it to ``out`` as well.

    ``source`` is a scenario, a file or shipped name of one, a result, or the folder of a stored run. Arms and claims are
    simulated, but for arms that a run has. Raises DocumentError, UserError and StorageError as ``load`` and ``read_run``.
    """
    text = html_page(subject(_result(source)))
    if out is not None:
        write_whole(Path(out), text)
    return text


def _result(source: Scenario | Result | Path | str) -> Result:
    if isinstance(source, Result):
        return source
    if isinstance(source, Scenario):
        return simulate(source)
    return read_run(source) if Path(source).is_dir() else simulate(load(source))


def html_page(matter: Subject) -> str:
    """The page on what there is to say of a scenario."""
    scenario = matter.scenario
    every = [*blocks(matter)]
    lead, rest = every[:3], every[4:]  # the contents of this page, in place of those of the Markdown page, have more in them
    body = [
        f"<header>{as_html(lead)}{_contents()}</header>",
        "<main>",
        _section("story", "What happens", as_html(story(matter)) + _figure(matter.result)),
        _section("explorer", "Try it", _explorer_place()),
        as_html(rest),
        "</main>",
        f"<footer><p>{escape(CAUTION.capitalize())}. Made by backfire {escape(version())} from scenario "
        f"{escape(scenario.name)}, hash <code>{escape(scenario.hash)}</code>.</p></footer>",
    ]
    css = script("page.css")
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="data:,"><title>{escape(scenario.name)} · backfire</title><style>{css}</style>'
    )
    code = f"'use strict';\n(() => {{\n{engine()}\nconst study = {_study(matter)};\n{script('plot.js')}\n{script('explorer.js')}\n}})();"
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
    shown = [item.name for item in answers(matter.result)]
    network = scenario.network
    sources = [*network.state_names, *(item.name for item in network.definitions)]
    return study(scenario, claims, shown, [*shown, *(name for name in sources if name not in shown)])


def _section(name: str, head: str, content: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(head)}</h2>\n{content}</section>'


def _contents() -> str:
    names = {"story": "What happens", "explorer": "Try it", "context-of-use": "Context of use", "credible": "Credible"}
    names |= {"understandable": "Understandable", "reproducible": "Reproducible", "extensible": "Extensible"}
    links = "".join(f'<li><a href="#{name}">{words}</a></li>' for name, words in names.items())
    return f'<nav aria-label="On this page"><ul>{links}</ul></nav>'


def _figure(result: Result) -> str:
    """The comparison figure as an image of lines, with what it shows in words."""
    drawn = base64.b64encode(image(comparison(result), "svg")).decode()
    arms = ", ".join(display_name(arm) for arm in result.trajectories)
    words = f"Comparison of the arms {arms}: tumour burden over {result.scenario.days:g} days with the doses above it, what answers to treatment, and outcomes as bars. The same numbers stand in the table of arms."
    picture = f'<img class="figure" src="data:image/svg+xml;base64,{drawn}" alt="{escape(words)}">'
    return f"<figure>{scrolled(picture, 'comparison of the arms')}<figcaption>{escape(result.scenario.title)}</figcaption></figure>"


def _explorer_place() -> str:
    """Where the explorer is built; bands of a population have their place in its plot, given as ``study.bands``."""
    return (
        "<p>Move a value, a dose or a switch: everything below is simulated anew, here in this page. It shows what this model "
        "does, not what a patient would.</p>"
        '<noscript><p class="notice">The explorer needs JavaScript. All else on this page does not.</p></noscript>'
        '<div id="explorer-place"></div>'
    )
