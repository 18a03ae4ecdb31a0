"""How fast the page answers in Chromium: ``python tests/benchmarks/explorer.py [FOLDER of populations] [SCENARIO …]``.

Marks: first view under 1.5 s, a slider's move under 50 ms for four arms, under 300 ms with 100 plausible tumours. The page
measures itself: from the event to the drawn curves, from the question to the drawn bands. Playwright and Chromium must be there.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import backfire
from backfire.populations import read_population
from backfire.reports.model_page import subject
from backfire.reports.web.page import html_page

VIEW = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
MOVE = """(share) => {
  const slider = document.querySelector("fieldset input[type=range][aria-label$='.amount, slider']");
  slider.value = Number(slider.min) + share * (Number(slider.max) - Number(slider.min));
  slider.dispatchEvent(new Event("input", {bubbles: true}));
}"""
PLACE = "document.getElementById('explorer-place').dataset"


def asked(page: Any, what: str) -> float:
    """A number of the page's as soon as it is there, in milliseconds."""
    for _ in range(600):
        if (found := page.evaluate(f"{PLACE}.{what}")) is not None:
            return float(found)
        page.wait_for_timeout(20)
    raise SystemExit(f"the page never said {what}")


def moves(page: Any, what: str, count: int = 30) -> list[float]:
    """How long the page took for so many moves of the first slider of a dose, which its tumours share; no dose is refused, as a late first day is."""
    found = []
    for number in range(count):
        page.evaluate(f"delete {PLACE}.{what}")
        page.evaluate(MOVE, 0.3 + 0.1 * (number % 5))
        found.append(asked(page, what))
    return found


def row(browser: Any, name: str, folder: Path | None) -> str:
    """A line of the table."""
    result = backfire.simulate(backfire.load(name))
    stored = None if folder is None or not (folder / name).exists() else read_population(folder / name)[0]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "page.html"
        path.write_text(html_page(subject(result, stored)), encoding="utf-8")
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(f"file://{path}")
        page.wait_for_selector("#explorer-place[data-ready]", state="attached", timeout=120_000)
        view, curves = float(page.evaluate(VIEW)), sorted(moves(page, "took"))
        bands = sorted(moves(page, "bands", 18)) if stored else []
        context.close()
    told = [f"{len(result.trajectories)}", f"{path_size(result, stored):.1f}", f"{view:.0f}"]
    told += [f"{statistics.median(curves):.0f} ({curves[int(0.9 * len(curves))]:.0f})"]
    return " | ".join([name, *told, f"{statistics.median(bands):.0f} ({bands[int(0.9 * len(bands))]:.0f})" if bands else "–"])


def path_size(result: backfire.Result, stored: Any) -> float:
    """Size of the page in MB."""
    return len(html_page(subject(result, stored)).encode()) / 1e6


def main(words: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    folder = Path(words.pop(0)) if words and Path(words[0]).is_dir() else None
    print("scenario | arms | MB | first view (ms) | a move, median (90 %) (ms) | bands of 100 tumours (ms)", flush=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        for name in words or backfire.shipped_scenarios():
            print(row(browser, name, folder), flush=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
